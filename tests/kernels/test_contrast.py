"""Classes by differences of bands, and counts of them."""

import numpy as np
import pytest

from bluepeace_gis.kernels import contrast
from bluepeace_gis.kernels.contrast import BOTH, DARK, FIRST, LOW, NODATA, UNKNOWN

LIMITS = np.array([600, 400, 1500, 3], np.int32)


@pytest.mark.parametrize(
    "kernel", [contrast.classes_between, contrast.classes_between.py_func], ids=["compiled", "python"]
)
def test_each_class_has_its_own_side_of_the_limits(kernel):
    #                 ice   ice, third below zero  land  water  unknown  dark  just not above
    first = np.array([4000, 4000, 1500, 1700, NODATA, 1700, 700], np.int16)
    second = np.array([3000, 3000, 1700, 300, 3000, 500, 3000], np.int16)
    third = np.array([200, -130, 2000, 100, 200, 50, 100], np.int16)
    out = np.zeros(7, np.uint8)
    kernel(0, 7, first, second, third, LIMITS, out)
    assert out.tolist() == [BOTH, BOTH, LOW, FIRST, UNKNOWN, DARK, LOW]


def test_the_range_of_int16_does_not_wrap():
    far = np.array([32767, -32767], np.int16)
    out = contrast.classes(far, far, -far, LIMITS)
    assert out.tolist() == [BOTH, LOW]


@pytest.mark.parametrize(
    "kernel", [contrast.count_between, contrast.count_between.py_func], ids=["compiled", "python"]
)
def test_counts_fall_into_their_bins_and_beyond_into_the_last(kernel):
    first = np.array([100, 199, 200, 9000, -9000, 150, 150, NODATA], np.int16)
    second = np.array([900, 900, 900, 900, 900, 300, 900, 900], np.int16)
    zone = np.array([1, 1, 1, 1, 1, 1, 0, 1], np.uint8)
    counts = np.zeros(3, np.int64)
    limits = np.array([400, 0, 100], np.int32)
    kernel(0, 8, first, second, np.zeros(8, np.int16), zone, limits, counts)
    assert counts.tolist() == [1, 2, 2]


def test_shape_and_threads_do_not_change_the_answer():
    random = np.random.default_rng(1)
    bands = [random.integers(-100, 8000, (700, 800)).astype(np.int16) for _ in range(3)]
    one = contrast.classes(*bands, LIMITS, threads=1)
    assert one.shape == (700, 800)
    assert np.array_equal(one, contrast.classes(*bands, LIMITS, threads=3))
    zone = np.ones((700, 800), np.uint8)
    limits = np.array([400, 0, 100], np.int32)
    counts = contrast.counts(*bands, zone, limits, 50)
    assert counts.sum() == (bands[1].astype(int) - bands[2] > 400).sum()


@pytest.mark.parametrize(
    "kernel", [contrast.purer_between, contrast.purer_between.py_func], ids=["compiled", "python"]
)
def test_purer_is_what_holds_little_of_the_third_band(kernel):
    first = np.array([4000, 4000, 4000, 4000, NODATA, 3000, 0], np.int16)
    third = np.array([1000, 1001, -500, 500, 0, NODATA, 0], np.int16)
    mask = np.array([1, 1, 1, 0, 1, 1, 1], np.uint8)
    out = np.full(7, 9, np.uint8)
    kernel(0, 7, first, third, mask, 4, out)
    assert out.tolist() == [1, 0, 1, 0, 0, 0, 1]
    again = contrast.purer(first.reshape(1, 7), third.reshape(1, 7), mask.reshape(1, 7), 4)
    assert again.tolist() == [out.tolist()]
