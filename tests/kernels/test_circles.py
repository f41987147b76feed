"""Circles and flow that leaves the surface, on drawn directions and against a walk from every cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bluepeace_gis.kernels import circles
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, NE, NW, ROW_STEP, SE, SINK, VOID, E, N, S, W


def comes_back(direction, row, column):
    r, c = row, column
    for _ in range(direction.size):
        way = direction[r, c]
        if way >= SINK:
            return False
        r, c = r + ROW_STEP[way], c + COLUMN_STEP[way]
        if (r, c) == (row, column):
            return True
    return False


@pytest.mark.parametrize(
    "kernel", [circles.end_outside, circles.end_outside.py_func], ids=["compiled", "python"]
)
def test_water_that_would_leave_ends_in_its_last_cell(kernel):
    direction = np.array([[N, E, VOID], [E, S, NE], [SINK, W, E]], np.uint8)

    changed = kernel(direction)

    assert changed == 4  # over the upper rim, into the void from two cells, over the right rim
    assert direction.tolist() == [[SINK, SINK, VOID], [E, S, SINK], [SINK, W, SINK]]


@pytest.mark.parametrize(
    "kernel", [circles.on_circles, circles.on_circles.py_func], ids=["compiled", "python"]
)
def test_circles_are_told_from_what_flows_into_them(kernel):
    #  > v <     a circle of four on the left, fed by the upper right; two cells on the right
    #  ^ < v     point at each other; the lower left ends by itself
    #  o > ^
    direction = np.array([[E, S, W], [N, W, S], [SINK, E, N]], np.uint8)
    assert kernel(direction).tolist() == [0, 1, 4, 3, 5, 8]
    direction[1, 0] = S  # the way out
    direction[2, 2] = NW
    assert kernel(direction).tolist() == []
    direction[0, 0] = SE
    direction[1, 1] = NW
    assert kernel(direction).tolist() == [0, 4]


@given(
    direction=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 9)),
)
def test_a_cell_is_found_once_if_its_water_comes_back(direction):
    circles.end_outside(direction)
    cells = circles.on_circles(direction)
    expected = [
        row * direction.shape[1] + column
        for row, column in np.ndindex(direction.shape)
        if comes_back(direction, row, column)
    ]
    assert sorted(cells) == expected
