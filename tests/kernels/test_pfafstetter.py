"""Pfafstetter codes against drawn rivers, the rules by the book, pyflwdir and the real Rhine."""

import numpy as np
import pyflwdir
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from published_figures import RHINE_PARTS_CELLS

from bluepeace_gis.kernels import accumulation, conditioning, delineation, pfafstetter
from bluepeace_gis.kernels.conditioning import Surface
from bluepeace_gis.kernels.neighbours import (
    COLUMN_STEP,
    NE,
    NW,
    ROW_STEP,
    SE,
    SINK,
    SW,
    VOID,
    E,
    N,
    S,
    W,
    decode,
    encode,
)


def directions(seed, shape, levels):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, levels, shape).astype(np.float32)
    z[rng.random(shape) < 0.05] = np.nan
    flat = Surface(z, np.tile([1.0, 0.5**0.5, 1.0], (shape[0], 1)), np.zeros((0, 0), np.uint8), True)
    return conditioning.breach(conditioning.route(flat))


def upstream(direction, weight=None):
    weight = np.ones(direction.shape) if weight is None else weight
    return accumulation.accumulation(
        direction, accumulation.rims(direction), lambda tile: weight[tile.window]
    )


def largest_basin(seed, shape):
    """Directions of the largest of the basins of a surface that falls to one side, the rest void."""
    rng = np.random.default_rng(seed)
    z = (np.arange(shape[0])[:, None] + 30 * rng.random(shape)).astype(np.float32)
    flat = Surface(z, np.tile([1.0, 0.5**0.5, 1.0], (shape[0], 1)), np.zeros((0, 0), np.uint8), True)
    direction = conditioning.breach(conditioning.route(flat))
    count = upstream(direction)
    mouth = np.nanargmax(count)
    zone, _ = delineation.delineate(direction, accumulation.rims(direction), np.array([mouth]))
    direction[zone == 0] = VOID
    return direction, np.array([mouth])


def donors_of(direction):
    """{cell: those that flow into it, in the order of the rows}."""
    columns = direction.shape[1]
    donors = {}
    for row, column in np.argwhere(direction < SINK):
        way = direction[row, column]
        to = (row + ROW_STEP[way]) * columns + column + COLUMN_STEP[way]
        donors.setdefault(to, []).append(row * columns + column)
    return donors


def by_the_book(direction, area, mouth, levels):
    """Code a basin by the rules as they are told, with sets of cells: slow, and without cunning."""
    donors = donors_of(direction)
    areas = area.ravel()

    def above(cell):
        cells, waiting = set(), [cell]
        while waiting:
            cells.add(waiting[-1])
            waiting.extend(donors.get(waiting.pop(), []))
        return cells

    def main_above(cell):
        return max(donors.get(cell, []), key=lambda one: (areas[one], -one), default=None)

    codes = np.zeros(direction.size, np.int64)

    def cut(mouth, cells, code, done):
        if done == levels:
            codes[list(cells)] = code
            return
        stem = [mouth]
        while main_above(stem[-1]) in cells:
            stem.append(main_above(stem[-1]))
        joining = [
            (place, cell)
            for place, below in enumerate(stem, 1)
            for cell in donors.get(below, [])
            if cell in cells and cell != main_above(below)
        ]
        four = sorted(joining, key=lambda one: (-areas[one[1]], *one))[:4]
        four.sort(key=lambda one: (one[0], -areas[one[1]], one[1]))
        left = set(cells)
        for number, (_, cell) in enumerate(four):
            part = above(cell) & cells
            left -= part
            cut(cell, part, 10 * code + 2 * number + 2, done + 1)
        places = sorted({place for place, _ in four})
        for low, high in zip([0, *places], [*places, len(stem)], strict=True):
            if low < high:
                part = above(stem[low]) & left
                part -= above(stem[high]) if high < len(stem) else set()
                below = sum(place <= low for place, _ in four)
                cut(stem[low], part, 10 * code + 2 * below + 1, done + 1)

    cut(mouth, above(mouth), 0, 0)
    return codes.reshape(direction.shape)


def uncut_after_one(codes, levels):
    """Replace by 1 each digit that follows a 1: pyflwdir 0.5 never cuts the part at the mouth again."""
    digits = codes[..., None] // 10 ** np.arange(levels)[::-1] % 10
    after = np.cumsum(digits == 1, axis=-1) - (digits == 1) > 0
    return np.where(after, 1, digits) @ 10 ** np.arange(levels)[::-1] * (codes > 0)


KERNELS = pytest.mark.parametrize(
    "kernel", [pfafstetter.pfafstetter, pfafstetter.pfafstetter.py_func], ids=["compiled", "python"]
)


@KERNELS
def test_tributaries_are_even_and_the_stem_between_them_odd(kernel):
    #  . . v . . .    the stem runs down one column; tributaries of 2, 1, 3, 2 and 2 cells come in beside
    #  . . v . . .    it. The one of 1 cell is left over.
    #  . . v . . .
    #  > > v < . .
    #  . . v < < <
    #  > > v . . .
    #  . . v < < .
    #  . . o . . .
    direction = np.full((8, 6), VOID, np.uint8)
    direction[:7, 2] = S
    direction[7, 2] = SINK
    direction[3, :2] = direction[5, :2] = E
    direction[3, 3] = direction[4, 3:6] = direction[6, 3:5] = W
    area, mouth = upstream(direction), np.array([44])
    assert kernel(direction, area, mouth, 1, 0.0).tolist() == [
        [0, 0, 9, 0, 0, 0],
        [0, 0, 9, 0, 0, 0],
        [0, 0, 9, 0, 0, 0],
        [8, 8, 7, 7, 0, 0],
        [0, 0, 5, 6, 6, 6],
        [4, 4, 3, 0, 0, 0],
        [0, 0, 1, 2, 2, 0],
        [0, 0, 1, 0, 0, 0],
    ]
    # The tributary that was left over is cut off a level later. It joins where the stem's next part
    # begins, so there is no 73.
    assert kernel(direction, area, mouth, 3, 0.0).tolist() == [
        [0, 0, 911, 0, 0, 0],
        [0, 0, 911, 0, 0, 0],
        [0, 0, 911, 0, 0, 0],
        [811, 811, 711, 721, 0, 0],
        [0, 0, 511, 611, 611, 611],
        [411, 411, 311, 0, 0, 0],
        [0, 0, 111, 211, 211, 0],
        [0, 0, 111, 0, 0, 0],
    ]
    assert kernel(direction, area, mouth, 2, 2.0)[3, 3] == 71  # too small for a number of its own
    codes = kernel(direction, area, mouth, 1, 3.0)
    assert codes[:, 2].tolist() == [3, 3, 3, 3, 1, 1, 1, 1]
    assert codes[4, 3:].tolist() == [2, 2, 2]


@KERNELS
def test_where_two_join_in_one_cell_the_part_between_them_leaves_its_number_out(kernel):
    #  > > v < .   two tributaries join in the middle of the upper row, where the stem comes from above;
    #  . . o . .   the larger one has the lower number
    direction = np.full((4, 5), VOID, np.uint8)
    direction[:2, 2] = S
    direction[0, 1], direction[0, 2] = E, S
    direction[2] = [E, E, S, W, VOID]
    direction[3, 2] = SINK
    direction[0, 0] = E
    codes = kernel(direction, upstream(direction), np.array([17]), 1, 0.0)
    assert codes[:, 2].tolist() == [5, 5, 1, 1]
    assert codes[2].tolist() == [2, 2, 1, 4, 0]


@KERNELS
def test_of_equal_ones_the_first_in_the_order_of_the_rows_is_the_stem(kernel):
    direction = np.array([[SE, VOID, SW], [VOID, S, VOID], [VOID, SINK, VOID]], np.uint8)
    codes = kernel(direction, upstream(direction), np.array([7]), 1, 0.0)
    assert codes.tolist() == [[3, 0, 2], [0, 1, 0], [0, 1, 0]]


@KERNELS
def test_a_river_without_tributaries_is_one_to_the_last_digit(kernel):
    direction = np.array([[E, E, SINK]], np.uint8)
    codes = kernel(direction, upstream(direction), np.array([2]), 18, 0.0)
    assert codes.tolist() == [[111_111_111_111_111_111] * 3]
    # from an outlet in the middle nothing below it has a code, nor has a void cell
    assert kernel(direction, upstream(direction), np.array([1]), 2, 0.0).tolist() == [[11, 11, 0]]
    direction[0, 2] = VOID
    assert kernel(direction, upstream(direction), np.array([2]), 2, 0.0).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    "kernel", [pfafstetter.lowest, pfafstetter.lowest.py_func], ids=["compiled", "python"]
)
def test_an_outlet_upstream_of_another_one_is_none(kernel):
    #  > > > o     0 -> 1 -> 2 -> 3, and 4 -> 5 beside it, off the surface at the right
    #  > > . .
    direction = np.array([[E, E, E, SINK], [E, E, VOID, VOID]], np.uint8)
    assert kernel(direction, np.array([0, 2, 1])).tolist() == [2]
    assert kernel(direction, np.array([4, 1, 1])).tolist() == [4, 1]
    assert kernel(direction, np.array([5, 5, 4])).tolist() == [5]
    assert kernel(direction, np.array([], np.int64)).tolist() == []


@pytest.mark.parametrize(
    "kernel", [pfafstetter.inherit, pfafstetter.inherit.py_func], ids=["compiled", "python"]
)
def test_cells_take_the_first_code_downstream(kernel):
    direction = np.array([[E, E, SINK, N], [NE, W, W, NW]], np.uint8)
    codes = np.array([0, 7, 0, 0, 0, 0, 5, 0])
    kernel(direction, codes)
    #  row 0: to 7; 7; no code; off the surface.  row 1: to 7; to its west, 7; 5; to the sink, none
    assert codes.tolist() == [7, 7, 0, 0, 7, 7, 5, 0]


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    levels=st.integers(1, 4),
    heaviest=st.sampled_from([1, 3, 10**6]),  # equal areas often, sometimes and never
    least=st.sampled_from([0.0, 0.0, 6.0]),
)
def test_codes_are_those_by_the_book_nest_and_leave_no_cell_out(seed, shape, levels, heaviest, least):
    direction = directions(seed, shape, 6)
    area = upstream(direction, np.random.default_rng(seed).integers(1, heaviest + 1, shape).astype(float))
    mouths = np.flatnonzero(direction.ravel() == SINK)
    codes = pfafstetter.pfafstetter(direction, area, mouths, levels, least)
    assert ((codes > 0) == (direction != VOID)).all()
    assert (codes[direction != VOID] >= int("1" * levels)).all()
    coarser = pfafstetter.pfafstetter(direction, area, mouths, levels - 1, least) if levels > 1 else None
    if coarser is not None:
        np.testing.assert_array_equal(codes // 10, coarser)
    if least == 0:
        expected = sum(by_the_book(direction, area, mouth, levels) for mouth in mouths)
        np.testing.assert_array_equal(codes, expected)


def test_every_part_has_one_mouth_and_odd_parts_take_what_is_higher():
    direction, mouth = largest_basin(4, (400, 300))
    codes = pfafstetter.pfafstetter(direction, upstream(direction), mouth, 3, 0.0)
    row, column = np.nonzero(direction < SINK)
    way = direction[row, column]
    here = codes[row, column]
    below = codes[row + np.array(ROW_STEP)[way], column + np.array(COLUMN_STEP)[way]]
    leaves = here != below
    assert np.unique(here[leaves]).size == leaves.sum() == np.unique(codes[codes > 0]).size - 1
    # Where the first digits are the same, water goes to a lower and odd number.
    for power in (1, 10, 100):
        one, other = here // power, below // power
        inside = (one != other) & (one // 10 == other // 10)
        assert inside.any()
        assert (other[inside] < one[inside]).all()
        assert (other[inside] % 2 == 1).all()
    # Each of the four tributaries has one mouth.
    one, other = here // 100, below // 100
    mouths = (one != other) & (one % 2 == 0)
    assert sorted(one[mouths]) == [2, 4, 6, 8]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_parts_are_those_of_pyflwdir(seed):
    direction, mouth = largest_basin(seed, (500, 200))
    weight = np.random.default_rng(seed).random(direction.shape) + 0.5  # no two areas are equal
    area = upstream(direction, weight)
    oracle = pyflwdir.from_array(encode(direction, "esri"), ftype="d8", check_ftype=False)
    oracle.main_upstream(uparea=np.nan_to_num(area))
    for levels in (1, 2, 3):
        codes = uncut_after_one(pfafstetter.pfafstetter(direction, area, mouth, levels, 0.0), levels).ravel()
        theirs, _ = oracle.subbasins_pfafstetter(depth=levels, uparea=np.nan_to_num(area))
        pairs = np.unique(np.stack([codes, theirs.ravel()]), axis=1)
        # Part for part the same cells; the names differ after two that join in one cell, where
        # pyflwdir goes on with 3 in place of 5.
        assert np.unique(pairs[0]).size == np.unique(pairs[1]).size == pairs.shape[1]
        assert (pairs[0] >= pairs[1]).all()
        even = pairs[0] % 2 == 0
        same_stem = pairs[0] // 10 == pairs[1] // 10
        np.testing.assert_array_equal(pairs[0][even & same_stem], pairs[1][even & same_stem])


@pytest.mark.real
def test_the_rhine_has_the_published_parts(real_data):
    # pyflwdir's Rhine (Deltares, MIT): cells of the parts 1 to 9.
    with rasterio.open(real_data / "basins/rhine/rhine_d8.tif") as source:
        esri = source.read(1)
    direction = decode(esri, "esri")
    area = upstream(direction)
    mouth = np.flatnonzero(direction.ravel() == SINK)
    first = pfafstetter.pfafstetter(direction, area, mouth, 1, 0.0)
    assert np.bincount(first.ravel())[1:].tolist() == RHINE_PARTS_CELLS
    second = pfafstetter.pfafstetter(direction, area, mouth, 2, 0.0)
    np.testing.assert_array_equal(second // 10, first)
    oracle = pyflwdir.from_array(esri, ftype="d8", check_ftype=False)
    theirs, _ = oracle.subbasins_pfafstetter(depth=2, uparea=oracle.upstream_area())
    np.testing.assert_array_equal(uncut_after_one(second, 2), theirs)
    # The part at the mouth, which it leaves uncut, taken as a basin of its own.
    alone = pyflwdir.from_array(np.where(first == 1, esri, 247), ftype="d8", check_ftype=False)
    alone.main_upstream(uparea=np.nan_to_num(area))
    theirs, _ = alone.subbasins_pfafstetter(depth=1, uparea=np.nan_to_num(area))
    np.testing.assert_array_equal(np.where(first == 1, second % 10, 0), theirs)
