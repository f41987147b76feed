"""Regions of a labelled raster: parts, outlines, borders, low places of a belt and the ways between them."""

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


@both("outline_lengths")
def test_an_outline_goes_round_holes_and_along_the_rim_of_the_raster(kernel):
    part = np.array([[1, 1, 1, 2], [1, 0, 1, 2], [1, 1, 1, 0]], np.int32)
    assert kernel(part).tolist() == [0, 12 + 4, 6]


@both("low_places")
def test_low_places_lie_lower_than_all_beside_them(kernel):
    z = np.array([[1, 5, 3, 9, 2, 2]], np.float32)
    assert kernel(np.ones((1, 6), np.uint8), np.argsort(z.ravel(), kind="stable")).tolist() == [0, 4, 2]


@both("passes")
def test_one_gets_from_place_to_place_over_the_lowest_pass(kernel):
    # over the second row one gets round the nine
    z = np.array([[1, 5, 3, 9, 2], [9, 9, 7, 6, 8]], np.float32)
    pair, level = kernel(z, np.argsort(z.ravel(), kind="stable"), np.array([0, 4, 2]))
    assert np.sort(pair, axis=1).tolist() == [[0, 2], [0, 1]]
    assert level.tolist() == [5, 6]
    above = regions.join_tree(pair, level, 3)
    climb = regions.climb if kernel is regions.passes else regions.climb.py_func
    assert climb(above, level, 0, 2) == 5
    assert climb(above, level, 2, 1) == 6


@both("passes")
def test_no_way_leads_over_what_is_left_out(kernel):
    z = np.array([[1, 5, 3]], np.float32)
    pair, level = kernel(z, np.array([0, 2]), np.array([0, 2]))
    assert len(pair) == len(level) == 0
    assert regions.climb(regions.join_tree(pair, level, 2), level, 0, 1) == np.inf


@both("climb")
def test_belts_apart_do_not_join(kernel):
    assert kernel(np.array([-1, -1], np.int64), np.zeros(0), 0, 1) == np.inf


@both("extended")
def test_regions_grow_ring_by_ring_and_the_smaller_number_wins(kernel):
    label = np.array([[2, 0, 1, 0, 0, 0]], np.int32)
    where = np.array([[1, 1, 1, 1, 1, 0]], np.uint8)
    assert kernel(label, where).tolist() == [[2, 1, 1, 1, 1, 0]]
