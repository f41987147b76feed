"""Main stems on networks small enough to draw."""

from itertools import pairwise

import numpy as np
import pytest

from bluepeace_gis.kernels import crossings
from bluepeace_gis.kernels.neighbours import NW, SINK, VOID, E, N, S, W

BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "python"])


def version(kernel, compiled):
    return kernel if compiled else kernel.py_func


# > > v       0 1 2
# > > v  =    3 4 5     the middle row has the most land where it joins
# ^ < *       6 7 8
DIRECTION = np.array([[E, E, S], [E, E, S], [N, W, SINK]], np.uint8)
#                     1  2  3    3+... : 3 gets 6 and 7
UPSTREAM = np.array([1.0, 2, 3, 3, 4, 8, 2, 1, 9])


@BOTH
def test_follow_marks_the_way_to_the_end(compiled):
    seen = np.zeros(9, bool)
    seen[3] = True
    version(crossings.follow, compiled)(DIRECTION, np.array([3]), seen)
    assert np.flatnonzero(seen).tolist() == [3, 4, 5, 8]
    # what is marked already is not walked again
    version(crossings.follow, compiled)(DIRECTION, np.array([0]), seen)
    assert np.flatnonzero(seen).tolist() == [1, 2, 3, 4, 5, 8]


@BOTH
def test_climb_goes_up_to_the_divide_where_most_land_lies(compiled):
    start, way = version(crossings.climb, compiled)(DIRECTION, UPSTREAM, np.array([8, 2, 0]))
    assert [way[a:b].tolist() for a, b in pairwise(start)] == [
        [7, 6, 3, 4, 5],
        [0, 1],
        [],
    ]


@BOTH
def test_climb_takes_the_first_of_equal_neighbours_clockwise_from_the_east(compiled):
    # both neighbours of the middle drain to it with equal land; a VOID below is none
    direction = np.array([[E, SINK, W], [VOID, VOID, NW]], np.uint8)
    upstream = np.array([1.0, 4, 1, np.nan, np.nan, 1])
    _, way = version(crossings.climb, compiled)(direction, upstream, np.array([1]))
    assert way.tolist() == [2]


@BOTH
def test_climb_keeps_long_ways(compiled):
    direction = np.full((1, 300), E, np.uint8)
    direction[0, -1] = SINK
    start, way = version(crossings.climb, compiled)(direction, np.arange(300.0), np.array([299, 10]))
    assert start.tolist() == [0, 299, 309]
    assert way.tolist() == [*range(299), *range(10)]


def test_main_stems_take_each_cell_once_the_larger_river_first():
    #  0 -> 1 -> 2 -> 3 -> 4 (ends);  5 -> 2;  6 -> 7 -> 3;  8 (by itself)
    below = np.array([1, 2, 3, 4, -1, 2, 7, 3, -1])
    upstream = np.array([1.0, 2, 6, 13, 14, 3, 4, 5, 20])

    start, places = crossings.main_stems(below, upstream)

    rivers = [places[a:b].tolist() for a, b in pairwise(start)]
    assert rivers == [[8], [5, 2, 3, 4], [6, 7], [0, 1]]


@BOTH
def test_main_inflow_and_ascend_run_as_plain_python_too(compiled):
    below = np.array([2, 2, -1])
    main = version(crossings.main_inflow, compiled)(below, np.array([1.0, 1, 3]))
    assert main.tolist() == [-1, -1, 0]  # the first of equal ones
    start, places = version(crossings.ascend, compiled)(main, np.array([2, 1]))
    assert start.tolist() == [0, 2, 3]
    assert places.tolist() == [0, 2, 1]


def test_no_channel_has_no_river():
    none = np.zeros(0, np.int64)
    start, places = crossings.main_stems(none, np.zeros(0))
    assert start.tolist() == [0]
    assert not places.size
