"""Directions and filled elevations against a priority flood, drawn grids and what must always hold."""

import heapq

import numpy as np
import pyflwdir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyflwdir import dem as pyflwdir_dem

from bluepeace_gis.kernels import catchments, conditioning, descent
from bluepeace_gis.kernels.conditioning import Surface
from bluepeace_gis.kernels.neighbours import (
    COLUMN_STEP,
    FREE,
    ROW_STEP,
    SINK,
    VOID,
    decode,
    encode,
)
from bluepeace_gis.kernels.tiles import Tiling

NO_FORCE = np.zeros((0, 0), np.uint8)


def surface(z, *, edges_drain=True, forced=NO_FORCE):
    z = np.asarray(z, np.float32)
    nearness = np.tile([1.0, 0.5**0.5, 1.0], (z.shape[0], 1))
    return Surface(z, nearness, forced, edges_drain)


@pytest.fixture(params=[512, 7, 3], ids=lambda size: f"tiles of {size}")
def tile_size(request, monkeypatch):
    monkeypatch.setattr(Tiling.__init__, "__defaults__", (request.param,))
    return request.param


def ways_out(direction):
    """Follow every cell; return the row-major cell where its water ends, -1 for a circle."""
    rows, columns = direction.shape
    ends = np.full(direction.shape, -1)
    for row in range(rows):
        for column in range(columns):
            r, c = row, column
            for _ in range(rows * columns + 1):
                way = direction[r, c]
                if way >= SINK:
                    ends[row, column] = r * columns + c
                    break
                r, c = r + ROW_STEP[way], c + COLUMN_STEP[way]
                assert 0 <= r < rows
                assert 0 <= c < columns
                assert direction[r, c] != VOID
    return ends


def priority_flood(z, *, edges_drain=True, sinks=()):
    """Fill by the book (Barnes, Lehman and Mulla 2014, doi:10.1016/j.cageo.2013.04.024), cell by cell."""
    rows, columns = z.shape
    filled = np.full(z.shape, np.nan, np.float32)
    queue = [(z[cell], cell) for cell in sinks]
    for row in range(rows):
        for column in range(columns):
            around = [(row + r, column + c) for r, c in zip(ROW_STEP, COLUMN_STEP, strict=True)]
            ends = any(not (0 <= r < rows and 0 <= c < columns) or np.isnan(z[r, c]) for r, c in around)
            if edges_drain and ends and not np.isnan(z[row, column]):
                queue.append((z[row, column], (row, column)))
    for level, cell in queue:
        filled[cell] = level
    heapq.heapify(queue)
    while queue:
        level, (row, column) = heapq.heappop(queue)
        for r, c in zip(ROW_STEP, COLUMN_STEP, strict=True):
            other = (row + r, column + c)
            inside = 0 <= other[0] < rows and 0 <= other[1] < columns
            if inside and not np.isnan(z[other]) and np.isnan(filled[other]):
                filled[other] = max(level, z[other])
                heapq.heappush(queue, (filled[other], other))
    return filled


heights = arrays(
    np.float32,
    st.tuples(st.integers(1, 17), st.integers(1, 17)),
    elements=st.one_of(st.integers(0, 4).map(float), st.just(np.nan)),
)


@pytest.mark.parametrize("kernel", [descent.descend, descent.descend.py_func], ids=["compiled", "python"])
def test_water_takes_the_steepest_way_and_the_first_of_equal_ones(kernel):
    #  9 9 9      the middle falls by 2 to the south-west (over 1.41: 1.41 a unit), by 1 to the south:
    #  9 5 9      south-west; the corner 3 falls to nobody
    #  3 4 9
    z = np.pad(np.array([[9, 9, 9], [9, 5, 9], [3, 4, 9]], np.float32), 1, constant_values=np.nan)
    direction = np.full((5, 5), VOID, np.uint8)
    waiting, ends, saddles = (np.empty(9, np.int32) for _ in range(3))
    nearness = np.tile([1.0, 0.5**0.5, 1.0], (3, 1))

    free, count, _ = kernel(z, nearness, NO_FORCE, True, direction, waiting, ends, saddles)

    assert direction[2, 2] == 3  # south-west
    assert direction[1, 1] == 1  # the corner falls to the middle: 4 / 1.41
    assert direction[3, 2] == 4
    assert (free, count) == (1, 8)
    assert waiting[0] == 3 * 5 + 1  # the corner with 3
    assert (direction[0] == VOID).all()
    # equally steep to all eight sides: east is first
    z = np.pad(np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]], np.float32), 1, constant_values=np.nan)
    kernel(z, np.ones((3, 3)), NO_FORCE, True, direction, waiting, ends, saddles)
    assert direction[2, 2] == 0


@pytest.mark.parametrize("kernel", [descent.descend, descent.descend.py_func], ids=["compiled", "python"])
@pytest.mark.parametrize(
    ("ring", "is_saddle"),
    [
        ("9 9 9  1 1  9 9 9", True),  # low in the west and in the east
        ("9 1 9  1 9  9 9 9", False),  # the sides in the north and the west touch over the corner
        ("1 9 9  9 9  9 9 1", True),  # two corners
        ("1 9 1  9 9  9 9 9", True),  # two corners, a higher side between them
        ("1 1 1  9 9  9 9 9", False),
        ("1 1 1  1 1  1 1 1", False),  # a peak
        ("9 9 9  9 9  9 9 9", False),  # a pit
        ("9 9 9  9 5  9 9 9", True),  # a level neighbour, nothing lower
        ("9 9 1  9 5  9 9 9", False),  # a level neighbour beside a lower one
        ("9 9 9  5 9  9 9 9", False),  # a level neighbour that asks itself
    ],
)
def test_a_saddle_has_lower_neighbours_that_fall_apart(kernel, ring, is_saddle):
    values = [float(value) for value in ring.split()]
    z = np.full((7, 7), 20, np.float32)
    z[2:5, 2:5] = np.reshape([*values[:4], 5, *values[4:]], (3, 3))
    direction = np.full(z.shape, VOID, np.uint8)
    waiting, ends, saddles = (np.empty(25, np.int32) for _ in range(3))

    _, _, asked = kernel(z, np.ones((5, 3)), NO_FORCE, True, direction, waiting, ends, saddles)

    found = saddles[:asked].tolist()
    assert (3 * 7 + 3 in found) == is_saddle
    beside_rim = {row * 7 + column for row in range(1, 6) for column in range(1, 6) if {row, column} & {1, 5}}
    assert beside_rim <= set(found)


@pytest.mark.parametrize(
    "kernel", [descent.drain_plateaus, descent.drain_plateaus.py_func], ids=["compiled", "python"]
)
def test_a_plateau_drains_the_shortest_way_to_where_it_falls(kernel):
    #  9 9 9 9 9
    #  9 5 5 5 1    the plateau of fives falls to the 1 at its east
    #  9 9 9 9 9
    z = np.pad(np.full((3, 5), 9, np.float32), 1, constant_values=np.nan)
    z[2, 2:5] = 5
    z[2, 5] = 1
    direction = np.full((5, 7), VOID, np.uint8)
    waiting, ends, saddles = (np.empty(15, np.int32) for _ in range(3))
    free, _, _ = descent.descend(z, np.ones((3, 3)), NO_FORCE, False, direction, waiting, ends, saddles)

    pits = kernel(z, direction, waiting, free, ends[:0], np.empty(15, np.int32))

    assert direction[2, 2:5].tolist() == [0, 0, 0]
    assert pits == 1  # the 1 itself: the edges are closed
    assert direction[2, 5] == SINK


def tree_of(passes, terminal):
    """Name the passes (height, -fall, key, place) of the minimum spanning tree by the book (Kruskal)."""
    root = list(range(terminal.size))

    def top(node):
        while root[node] != node:
            node = root[node]
        return node

    tree = []
    for _, _, key, place in sorted(passes):
        one, two = top(key >> 32), top(key & 0xFFFFFFFF)
        if one != two:
            root[one] = two
            tree.append((key, place))
    return tree


@pytest.mark.parametrize("kernel", [catchments.passes, catchments.passes.py_func], ids=["compiled", "python"])
@settings(max_examples=100, deadline=None)
@given(z=heights, seed=st.integers(0, 99))
def test_asking_only_saddles_finds_the_tree_of_all_passes(kernel, z, seed):
    framed = np.pad(z, 1, constant_values=np.nan)
    if seed % 2:  # what lies around the tile is known, but no pass of this tile leads there
        framed = np.random.default_rng(seed).integers(0, 5, framed.shape).astype(np.float32)
        framed[1:-1, 1:-1] = z
    nearness = np.column_stack([np.full(z.shape[0] + 1, 0.7), np.linspace(0.5, 0.6, z.shape[0] + 1)])
    nearness = np.column_stack([nearness, np.full(z.shape[0] + 1, 0.8)])
    direction = np.full(framed.shape, VOID, np.uint8)
    waiting, ends, saddles, queue = (np.empty(z.size, np.int32) for _ in range(4))
    free, count, asked = descent.descend(
        framed, nearness[1:], NO_FORCE, True, direction, waiting, ends, saddles
    )
    pits = waiting[: descent.drain_plateaus(framed, direction, waiting, free, ends[:count], queue)]
    node, exits = np.empty(framed.shape, np.int32), np.empty(2 * sum(z.shape), np.int32)
    leaving = catchments.number(direction, pits, node, exits)
    most = 8 * asked + count
    keys, place = np.empty(most, np.int64), np.empty(most, np.int32)
    height, fall = np.empty(most, np.float32), np.empty(most, np.float32)
    found = kernel(
        framed, nearness, direction, node, saddles[:asked], ends[:count], keys, height, fall, place
    )
    inner = [k for k in range(found) if keys[k] != catchments.BEYOND]
    asked_tree = tree_of(
        [(height[k], -fall[k], int(keys[k]), int(place[k])) for k in inner],
        np.empty(1 + pits.size + leaving),
    )
    # every pass between two catchments, by the book
    catchments.label(direction, pits, node, exits)
    every, stride = [], framed.shape[1]
    for row, column in np.argwhere(node > -1):
        for way in range(4):
            r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
            mine, theirs = int(node[row, column]), int(node[r, c])
            if theirs >= 0 and mine != theirs:
                one, two = framed[row, column], framed[r, c]
                slope = np.float32(abs(one - two) * nearness[row, 1 if way % 2 else way])
                at = (row * stride + column) * catchments.PLACES + 2 * way + int(mine > theirs)
                every.append((max(one, two), -slope, min(mine, theirs) << 32 | max(mine, theirs), int(at)))
    for here in ends[:count]:
        if node.ravel()[here] > 0:
            at = int(here) * catchments.PLACES + 2 * catchments.LEAVES + 1
            every.append((framed.ravel()[here], np.float32(1), int(node.ravel()[here]), at))
    assert asked_tree == tree_of(every, np.empty(1 + pits.size + leaving))


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "python"])
@pytest.mark.parametrize("levels", [3, 10**6], ids=["many equal", "few equal"])
def test_passes_stand_by_height_fall_nodes_and_place(compiled, levels, monkeypatch):
    if not compiled:
        for name in ("sort_by", "order_equal"):
            monkeypatch.setattr(catchments, name, getattr(catchments, name).py_func)
    rng = np.random.default_rng(levels)
    n = 300
    heights = (rng.integers(-levels, levels, n) / 2).astype(np.float32)
    heights[:20] = heights[20:40]  # equal pairs at least
    falls = rng.integers(-1, 3, n).astype(np.float32)
    keys = rng.integers(0, 4, n) << 32 | rng.integers(0, 4, n)
    places = rng.permutation(n).astype(np.int32)

    order = catchments.in_order(keys, heights, falls, places)

    np.testing.assert_array_equal(order, np.lexsort((places, keys, -falls, heights)))


def test_directions_read_back_from_every_code_table():
    directions = np.arange(10, dtype=np.uint8)
    for table in ("esri", "ldd", "taudem", "grass"):
        assert decode(encode(directions, table), table).tolist() == directions.tolist()
    assert encode(np.array([0, 2, 4, 6], np.uint8), "esri").tolist() == [1, 4, 16, 64]
    with pytest.raises(ValueError, match="3"):
        decode(np.array([1, 3]), "esri")


@settings(max_examples=150, deadline=None)
@given(z=heights, size=st.sampled_from([2, 3, 5, 512]))
def test_filled_elevations_equal_a_priority_flood_and_every_cell_drains(z, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiling.__init__, "__defaults__", (size,))
        flat = surface(z)
        routed = conditioning.route(flat, threads=1)
        filled = conditioning.fill(flat, routed, threads=1)
        expected = priority_flood(z)
        np.testing.assert_array_equal(filled, expected)
        found = conditioning.depressions(flat, routed, lambda tile: np.ones((tile.rows, tile.columns)))
        assert found.area.sum() == (expected > z).sum()
        assert found.volume.sum() == pytest.approx(np.nansum(expected - z))
        direction = conditioning.breach(routed, threads=1)
        ends = ways_out(direction)
        assert (ends >= 0).all()
        assert ((direction == VOID) == np.isnan(z)).all()
        again = conditioning.route(surface(filled), threads=1)
        np.testing.assert_array_equal(conditioning.fill(surface(filled), again, threads=1), filled)


@settings(max_examples=100, deadline=None)
@given(z=heights, size=st.sampled_from([3, 512]), data=st.data())
def test_closed_edges_lead_all_water_to_the_sinks_of_each_region(z, size, data):
    known = np.argwhere(~np.isnan(z))
    if not len(known):
        return
    sink = tuple(data.draw(st.sampled_from(known.tolist())))
    forced = np.full(z.shape, FREE, np.uint8)
    forced[sink] = SINK
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiling.__init__, "__defaults__", (size,))
        closed = surface(z, edges_drain=False, forced=forced)
        routed = conditioning.route(closed, threads=1)
        filled = conditioning.fill(closed, routed, threads=1)
        direction = conditioning.breach(routed, threads=1)
    expected = priority_flood(z, edges_drain=False, sinks=[sink])
    reached = ~np.isnan(expected)  # a region cut off by voids has no sink but a pit of its own
    np.testing.assert_array_equal(filled[reached], expected[reached])
    ends = ways_out(direction)
    assert (ends[reached] == sink[0] * z.shape[1] + sink[1]).all()
    assert (ends >= 0).all()


def test_the_depression_of_two_joined_pits_spills_once(tile_size):
    #  a valley with pits of 2 and 1, a sill of 4 between them, and a rim of 6 that is 5 at one place
    z = np.full((5, 9), 6, np.float32)
    z[2, 1:8] = [2, 3, 4, 4, 3, 1, 3]
    z[2, 8] = 5
    flat = surface(z)
    routed = conditioning.route(flat)

    found = conditioning.depressions(flat, routed, lambda tile: np.full((tile.rows, 1), 10.0))

    assert len(found.row) == 1
    assert (found.row[0], found.column[0]) == (2, 6)  # the deepest pit
    assert found.level[0] == 5
    assert found.depth[0] == 4
    assert found.area[0] == 70
    assert found.volume[0] == 10 * (3 + 2 + 1 + 1 + 2 + 4 + 2)
    assert (found.spill_row[0], found.spill_column[0]) == (2, 8)


def test_the_result_depends_on_neither_threads_nor_chance():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(700, 900)).cumsum(0).cumsum(1).astype(np.float32)
    z[100:300, 200:700] = z[100, 200]  # a plateau over two tiles
    one = conditioning.breach(conditioning.route(surface(z), threads=1), threads=1)
    for threads in (2, 5):
        more = conditioning.breach(conditioning.route(surface(z), threads=threads), threads=threads)
        np.testing.assert_array_equal(one, more)


def test_filled_elevations_equal_those_of_pyflwdir_to_the_bit(tile_size):
    rng = np.random.default_rng(7)
    n = 130 if tile_size < 10 else 1100
    # pyflwdir adds the depth of the water to the elevation, which rounds; on eighths it does not
    z = (np.round(rng.normal(size=(n, n)).cumsum(0).cumsum(1) * 8) / 8).astype(np.float32)
    z[n // 3 : n // 2, n // 3] = np.nan
    z[: n // 10, : n // 5] = np.nan
    flat = surface(z)
    filled = conditioning.fill(flat, conditioning.route(flat))
    oracle, _ = pyflwdir_dem.fill_depressions(np.where(np.isnan(z), -1e9, z), nodata=-1e9, outlets="edge")
    known = ~np.isnan(z)
    np.testing.assert_array_equal(filled[known], oracle[known])


def test_directions_are_free_of_circles_for_pyflwdir(tile_size):
    rng = np.random.default_rng(11)
    z = rng.integers(0, 9, (211, 190)).astype(np.float32)
    z[50:60, 20:90] = np.nan
    direction = conditioning.breach(conditioning.route(surface(z)))
    oracle = pyflwdir.from_array(encode(direction, "esri"), ftype="d8", check_ftype=False)
    assert oracle.isvalid
    assert (oracle.rank.ravel()[~np.isnan(z).ravel()] >= 0).all()
    assert oracle.idxs_pit.size == (direction == SINK).sum()


@pytest.mark.parametrize("turns", range(8))
def test_turning_and_mirroring_a_surface_without_ties_turns_its_basins(turns):
    rng = np.random.default_rng(3)
    z = rng.permutation(60 * 60).reshape(60, 60).astype(np.float32)

    def turned(values):
        values = np.rot90(values, turns % 4)
        return values[:, ::-1] if turns >= 4 else values

    straight = conditioning.breach(conditioning.route(surface(z)))
    other = conditioning.breach(conditioning.route(surface(np.ascontiguousarray(turned(z)))))
    ends = z.ravel()[ways_out(straight)]
    np.testing.assert_array_equal(turned(ends), np.ascontiguousarray(turned(z)).ravel()[ways_out(other)])


def read_ascii_grid(path):
    """Read an ESRI ASCII grid with NaN where nothing is known."""
    lines = path.read_text().splitlines()
    head = [line for line in lines if line.strip() and line.strip()[0].isalpha()]
    fields = {name.lower(): float(value) for name, value in (line.split()[:2] for line in head)}
    values = np.array(" ".join(lines[len(head) :]).split(), float)
    grid = values.reshape(int(fields["nrows"]), int(fields["ncols"]))
    return np.where(grid == fields.get("nodata_value", -9999), np.nan, grid).astype(np.float32)


@pytest.mark.real
def test_depressions_worked_by_hand_are_filled(real_data, tile_size):
    # RichDEM's small DEM with a bowl of three rooms, filled by its authors (testdem1.all.out)
    folder = real_data / "basins/richdem_small/depressions"
    flat = surface(read_ascii_grid(folder / "testdem1.dem"))
    filled = conditioning.fill(flat, conditioning.route(flat))
    np.testing.assert_array_equal(filled, read_ascii_grid(folder / "testdem1.all.out"))


@pytest.mark.real
def test_a_real_watershed_drains_over_corners_where_landlab_fills_for_four_neighbours(real_data, tile_size):
    # landlab's hugo_site and its published filled twin: 16 cells are raised for want of a way over an edge
    z = read_ascii_grid(real_data / "basins/landlab/hugo_site.asc")
    published = read_ascii_grid(real_data / "basins/landlab/hugo_site_filled.asc")
    forced = np.full(z.shape, FREE, np.uint8)
    forced.ravel()[np.nanargmin(z)] = SINK
    closed = surface(z, edges_drain=False, forced=forced)
    routed = conditioning.route(closed)
    np.testing.assert_array_equal(conditioning.fill(closed, routed), z)
    assert (published > z + 0.01).sum() == 16
