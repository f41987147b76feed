"""Regions of a labelled raster: parts, borders, low places of a belt and how far parts lie away."""

import numpy as np
import pytest

from bluepeace_gis.kernels import regions


def both(name):
    kernel = getattr(regions, name)
    return pytest.mark.parametrize("kernel", [kernel, kernel.py_func], ids=["compiled", "python"])


@both("connected")
def test_a_region_in_two_pieces_is_two_parts(kernel):
    label = np.array([[5, 0, 5], [5, 7, 5]], np.int32)
    part, region = kernel(label)
    assert part.tolist() == [[1, 0, 2], [1, 3, 2]]
    assert region.tolist() == [5, 5, 7]


@both("borders")
def test_flow_side_by_side_does_not_part_and_flow_from_a_ridge_does(kernel):
    part = np.repeat(np.array([[1, 1, 2, 2]], np.int32), 4, axis=0)
    south = np.full((4, 4), 2, np.uint8)
    south[3] = 8
    away = np.array([[4, 4, 0, 0]] * 4, np.uint8)
    away[:, 0] = away[:, 3] = 8
    beside = kernel(part, south, 3.0)
    assert beside[:, :2].tolist() == [[1, 2]] * 4
    assert beside[0, 2] == pytest.approx(1 / 6)  # one cell apart after three cells each
    assert kernel(part, away, 3.0)[:, 2].tolist() == [1.0] * 4  # capped: one cell each way, three apart


@both("low_places")
def test_low_places_join_where_the_belt_is_highest_between_them(kernel):
    z = np.array([[1, 5, 3, 9, 2, 4]], np.float32)
    belt = np.ones((1, 6), np.uint8)
    low, pair, level = kernel(z, belt, np.argsort(z.ravel()))
    assert low.tolist() == [0, 4, 2]
    assert sorted(map(tuple, np.sort(pair, axis=1).tolist())) == [(0, 1), (0, 2)]
    assert level.tolist() == [5, 9]
    above = regions.join_tree(pair, level, len(low))
    climb = regions.climb if kernel is regions.low_places else regions.climb.py_func
    assert climb(above, level, 0, 2) == 5
    assert climb(above, level, 2, 1) == 9


@both("climb")
def test_belts_apart_do_not_join(kernel):
    assert kernel(np.array([-1, -1], np.int64), np.zeros(0), 0, 1) == np.inf


@both("nearest_cells")
def test_parts_are_as_far_as_their_nearest_cell(kernel):
    part = np.zeros((5, 6), np.int32)
    part[0, 3], part[4, 4], part[0, 5] = 1, 2, 1
    found = kernel(part, np.array([0]), np.array([0]), 5.0)
    assert found.tolist() == [[0, 1, 3.0]]


@both("extended")
def test_regions_grow_ring_by_ring_and_the_smaller_number_wins(kernel):
    label = np.array([[2, 0, 1, 0, 0, 0]], np.int32)
    where = np.array([[1, 1, 1, 1, 1, 0]], np.uint8)
    assert kernel(label, where).tolist() == [[2, 1, 1, 1, 1, 0]]
