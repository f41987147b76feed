"""Of several dates the one with the least quotient; shade made lighter."""

import itertools

import numpy as np
import pytest

from bluepeace_gis.kernels import contrast, selection
from bluepeace_gis.kernels.contrast import NODATA

LIMITS = np.array([600, 400, 1500, 3], np.int32)
ICE, SNOW, ROCK, CLOUD, NOTHING = (
    (3000, 2200, 100), (8000, 7000, 150), (1500, 1700, 2000), (6000, 6200, 5800), (NODATA, NODATA, NODATA),
)  # fmt: skip


def combined(dates, kernel=None):
    kept = tuple(np.full(1, NODATA, np.int16) for _ in range(3))
    chosen, seen, members = (np.zeros(1, np.uint8) for _ in range(3))
    for number, values in enumerate(dates):
        bands = tuple(np.array([value], np.int16) for value in values)
        codes = contrast.classes(*bands, LIMITS)
        arguments = (bands, codes, number, (50, 3500, 600), kept, chosen, seen, members)
        if kernel is None:
            selection.keep(*arguments)
        else:
            kernel(0, 1, *arguments)
    return tuple(int(band[0]) for band in kept), int(chosen[0]), int(seen[0]), int(members[0])


@pytest.mark.parametrize(
    "kernel", [selection.keep_between, selection.keep_between.py_func], ids=["compiled", "python"]
)
def test_ground_that_was_bare_once_is_bare_whatever_the_order(kernel):
    for order in itertools.permutations([SNOW, ROCK, NOTHING]):
        kept, chosen, seen, members = combined(order, kernel)
        assert kept == ROCK
        assert order[chosen] == ROCK
        assert (seen, members) == (2, 1)


def test_ice_under_snow_on_one_date_stays_ice():
    for order in itertools.permutations([SNOW, ICE]):
        kept, _, seen, members = combined(order)
        assert contrast.classes(*(np.array([v], np.int16) for v in kept), LIMITS)[0] == contrast.BOTH
        assert (seen, members) == (2, 2)


def test_a_cloud_that_was_not_flagged_does_not_end_the_ice():
    for order in itertools.permutations([ICE, CLOUD]):
        assert combined(order)[0] == ICE


def test_what_no_date_saw_stays_unknown():
    assert combined([NOTHING, NOTHING]) == (NOTHING, 0, 0, 0)


def test_arrays_that_would_be_copied_are_refused():
    wide = np.zeros((4, 8), np.int16)
    codes = np.zeros((4, 4), np.uint8)
    part = (wide[:, :4],) * 3
    with pytest.raises(ValueError, match="contiguous"):
        selection.keep(part, codes, 0, (50, 3500, 600), part, codes, codes, codes)


@pytest.mark.parametrize("kernel", [selection.lighten, selection.lighten.py_func], ids=["compiled", "python"])
def test_shade_is_lightened_and_what_is_too_dark_forgotten(kernel):
    green = np.array([[1000, 1000, 200, 1000]], np.int16)
    bands = (green, green.copy(), np.array([[0, 5, 7, 9]], np.int16))
    shade = np.array([[0, 1]], np.uint8)
    kernel(bands, 300, 2, shade, np.array([0]), np.array([0, 1, 1, -1]))
    assert bands[0].tolist() == [[1000, 2000, NODATA, 1000]]
    assert bands[2].tolist() == [[0, 10, NODATA, 9]]
