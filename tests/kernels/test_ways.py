"""Cheapest ways over a raster, and the depth of a mask."""

import numpy as np
import pytest

from bluepeace_gis.kernels import ways


@pytest.mark.parametrize("kernel", [ways.depth, ways.depth.py_func], ids=["compiled", "python"])
def test_the_middle_of_a_square_is_the_deepest(kernel):
    assert kernel(np.ones((3, 3), np.uint8)).tolist() == [[1, 1, 1], [1, 2, 1], [1, 1, 1]]


@pytest.mark.parametrize("kernel", [ways.cheapest, ways.cheapest.py_func], ids=["compiled", "python"])
def test_a_way_goes_round_what_is_dear(kernel):
    cost = np.array([[1, 1, 1], [1, 90, 1], [1, np.inf, 1.0]])
    following, length = kernel(cost, 6)
    assert following[8] == 5
    assert length[8] == pytest.approx(2 + 2 * np.sqrt(2))
    assert following[7] == -1
    assert np.isnan(length[7])
