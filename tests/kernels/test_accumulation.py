"""Accumulation, delineation and stream order against pyflwdir, published counts and drawn grids."""

import numpy as np
import pyflwdir
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from bluepeace_gis.kernels import accumulation, conditioning, delineation, streams
from bluepeace_gis.kernels.conditioning import Surface
from bluepeace_gis.kernels.neighbours import SINK, VOID, decode, encode
from bluepeace_gis.kernels.tiles import Tiling


def directions(seed, shape, levels):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, levels, shape).astype(np.float32)
    z[rng.random(shape) < 0.05] = np.nan
    flat = Surface(z, np.tile([1.0, 0.5**0.5, 1.0], (shape[0], 1)), np.zeros((0, 0), np.uint8), True)
    return conditioning.breach(conditioning.route(flat))


def oracle_of(direction):
    return pyflwdir.from_array(encode(direction, "esri"), ftype="d8", check_ftype=False)


def ones(tile):
    return np.ones((tile.rows, 1))


@pytest.mark.parametrize(
    "kernel", [accumulation.accumulate, accumulation.accumulate.py_func], ids=["compiled", "python"]
)
def test_each_cell_gathers_what_drains_through_it(kernel):
    #  > > v
    #  > ^ v     the second row's middle goes up; all ends at the lower right
    #  > > o
    way = np.full((5, 5), VOID, np.uint8)
    way[1:4, 1:4] = [[0, 0, 2], [0, 6, 2], [0, 0, SINK]]
    weight = np.arange(9.0).reshape(3, 3)
    total = np.empty((3, 3))

    kernel(way, weight, total)

    assert total.tolist() == [[0, 8, 10], [3, 7, 15], [6, 13, 36]]


@pytest.mark.parametrize(
    "kernel", [accumulation.cross, accumulation.cross.py_func], ids=["compiled", "python"]
)
def test_water_that_enters_a_tile_is_led_to_where_it_leaves(kernel):
    #  v         in the rim: water comes in at the top left
    #  > > v     and leaves at the lower right, towards the south;
    #  < o >     the middle row: out to the west, a sink, out to the east
    #  ^   v <   the corner below is void; water comes in from the east at the lower right
    way = np.full((5, 5), VOID, np.uint8)
    way[1:4, 1:4] = [[0, 0, 3], [4, SINK, 0], [6, VOID, 2]]
    way[0, 1], way[3, 4] = 2, 4
    beside = np.array([6, 7, 8, 11, 13, 16, 17, 18])
    exits, entries, to_exit = (np.empty(8, np.int64) for _ in range(3))

    leaving, entering = kernel(way, beside, np.sort(beside), exits, entries, to_exit)

    assert exits[:leaving].tolist() == [11, 13, 18]
    assert entries[:entering].tolist() == [6, 18]
    assert to_exit[:entering].tolist() == [-1, 2]  # the first one ends in the sink


@pytest.mark.parametrize("kernel", [accumulation.pour, accumulation.pour.py_func], ids=["compiled", "python"])
def test_what_enters_a_tile_is_added_on_its_way_only(kernel):
    way = np.array([[0, 2, VOID], [6, 1, SINK], [0, 0, 0]], np.uint8)
    total = np.zeros((3, 3))

    kernel(way, np.array([1 * 5 + 1, 3 * 5 + 1]), np.array([2.0, 5.0]), total)

    assert total.tolist() == [[2, 2, 0], [0, 2, 0], [5, 5, 7]]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.sampled_from([2, 5, 11, 512]),
)
def test_tiles_change_nothing(seed, shape, size):
    direction = directions(seed, shape, 6)
    if (direction == VOID).all():
        return
    known = np.flatnonzero(direction.ravel() != VOID)
    outlets = np.random.default_rng(seed).choice(known, min(7, known.size), replace=False)
    weight = np.random.default_rng(seed).integers(0, 9, shape).astype(float)
    whole = accumulation.rims(direction)
    expected = accumulation.accumulation(direction, whole, lambda tile: weight[tile.window])
    expected_zone, expected_below = delineation.delineate(direction, whole, outlets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiling.__init__, "__defaults__", (size,))
        rims = accumulation.rims(direction)
        np.testing.assert_array_equal(
            accumulation.accumulation(direction, rims, lambda tile: weight[tile.window]), expected
        )
        zone, below = delineation.delineate(direction, rims, outlets)
    np.testing.assert_array_equal(zone, expected_zone)
    np.testing.assert_array_equal(below, expected_below)
    assert np.nansum(np.where(direction == SINK, expected, 0)) == weight[direction != VOID].sum()


def test_counts_basins_and_orders_equal_those_of_pyflwdir():
    direction = directions(1, (1100, 700), 1000)
    oracle = oracle_of(direction)
    rims = accumulation.rims(direction)
    known = direction != VOID
    count = accumulation.accumulation(direction, rims, ones)
    np.testing.assert_array_equal(count[known].astype(int), oracle.upstream_area()[known])
    outlets = np.random.default_rng(2).choice(np.flatnonzero(known.ravel()), 300, replace=False)
    zone, below = delineation.delineate(direction, rims, outlets)
    basins = oracle.basins(idxs=outlets, ids=np.arange(1, 301, dtype=np.uint32))
    np.testing.assert_array_equal(zone[known], basins[known])
    for number, after in enumerate(below, 1):
        row, column = np.divmod(outlets[number - 1], direction.shape[1])
        assert zone[row, column] == number
        assert after != number
    cells = np.flatnonzero(known.ravel())
    order = streams.strahler(streams.links(direction, cells))
    np.testing.assert_array_equal(order, oracle.stream_order().ravel()[cells])


@pytest.mark.real
def test_the_rhine_has_the_published_cells_and_orders(real_data):
    # pyflwdir's Rhine (Deltares, MIT): one pit, 349,847 cells, Strahler orders 1 to 9.
    with rasterio.open(real_data / "basins/rhine/rhine_d8.tif") as source:
        direction = decode(source.read(1), "esri")
    count = accumulation.accumulation(direction, accumulation.rims(direction), ones)
    assert np.argwhere(direction == SINK).tolist() == [[21, 57]]
    assert count[21, 57] == 349_847
    cells = np.flatnonzero(direction.ravel() != VOID)
    orders = np.bincount(streams.strahler(streams.links(direction, cells)))
    assert orders[1] == 210_317
    assert orders[2] == 73_262
    assert orders[9] == 775
    assert len(orders) == 10


@pytest.mark.parametrize("kernel", [streams.strahler, streams.strahler.py_func], ids=["compiled", "python"])
def test_order_rises_only_where_equals_meet(kernel):
    #  0 1   2
    #   \|   |
    #    3   4    3 is of order 2; 4 of order 1 joins it at 5: still 2; then 6 (order 2 from 7, 8) makes 3
    below = np.array([3, 3, 4, 5, 5, 9, 9, 6, 6, -1])
    assert kernel(below).tolist() == [1, 1, 1, 2, 1, 2, 2, 1, 1, 3]


@pytest.mark.parametrize("kernel", [streams.reaches, streams.reaches.py_func], ids=["compiled", "python"])
def test_reaches_run_from_confluence_to_confluence_and_end_at_outlets(kernel):
    below = np.array([2, 2, 3, 4, 5, -1])
    ends = np.zeros(6, bool)
    ends[3] = True  # an outlet in the middle of the lower reach

    start, places, after = kernel(below, ends)

    cells = [places[start[k] : start[k + 1]].tolist() for k in range(len(after))]
    assert cells == [[0, 2], [1, 2], [2, 3, 4], [4, 5]]
    assert after.tolist() == [2, 2, 3, -1]


@pytest.mark.parametrize(
    "kernel", [streams.path_lengths, streams.path_lengths.py_func], ids=["compiled", "python"]
)
def test_the_way_down_is_measured_along_rows_diagonals_and_columns(kernel):
    direction = np.array([[1, VOID], [6, SINK], [0, 6]], np.uint8)
    direction[1, 0] = 2
    length = kernel(direction, np.array([[3.0, 5.0, 4.0]] * 3))
    assert length.tolist() == [[5, 0], [4 + 3 + 4, 0], [3 + 4, 4]]
