"""Nearness on drawn cells, and against the distance from every cell to every other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bluepeace_gis.kernels import nearness

KERNELS = pytest.mark.parametrize(
    "kernel", [nearness.within, nearness.within.py_func], ids=["compiled", "python"]
)


def drawn(*rows):
    return np.array([[cell == "#" for cell in row] for row in rows])


@KERNELS
def test_a_circle_of_cells_is_near_and_its_corners_are_not(kernel):
    marked = drawn(".......", ".......", "...#...", ".......", ".......")
    near = kernel(marked, np.full(5, 30.0), np.full(5, 30.0), 60.0)
    assert np.array_equal(near, drawn("...#...", "..###..", ".#####.", "..###..", "...#..."))


@KERNELS
def test_cells_that_are_narrow_reach_farther_along_the_row(kernel):
    marked = drawn(".....", "..#..", ".....")
    near = kernel(marked, np.full(3, 10.0), np.full(3, 30.0), 25.0)
    assert np.array_equal(near, drawn(".....", "#####", "....."))


@KERNELS
def test_nothing_is_near_nothing(kernel):
    assert not kernel(np.zeros((3, 4), np.bool_), np.ones(3), np.ones(3), 1e9).any()


@given(
    marked=arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 8))),
    along=st.floats(5, 40),
    across=st.floats(5, 40),
    distance=st.floats(0, 200),
)
def test_nearness_is_that_of_all_pairs(marked, along, across, distance):
    row, column = np.indices(marked.shape)
    expected = np.zeros(marked.shape, bool)
    limit = np.zeros(marked.shape, bool)  # within rounding of the distance, either answer is right
    for r, c in np.argwhere(marked):
        far = np.hypot((row - r) * across, (column - c) * along)
        expected |= far <= distance
        limit |= np.isclose(far, distance, rtol=1e-6)
    near = nearness.within(marked, np.full(len(marked), along), np.full(len(marked), across), distance)
    assert np.array_equal(near[~limit], expected[~limit])
