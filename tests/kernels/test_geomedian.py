"""Geometric medians against their definition, scipy's minimum, a float64 iteration and hdstats."""

import numpy as np
import pytest
import scipy.optimize
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from bluepeace_gis.kernels import geomedian
from bluepeace_gis.kernels.geomedian import TOLERANCE, geometric_median, medians_between

NONE = -32768
BOTH = pytest.mark.parametrize(
    "kernel", [medians_between, medians_between.py_func], ids=["compiled", "python"]
)


def season(rng, dates, pixels, bands=6, clouds=0.08):
    """Reflectances (dates, bands, 1, pixels) of growing fields, with haze in all bands and missed clouds."""
    base = rng.uniform(0.02, 0.4, (1, bands, pixels))
    haze = 0.05 * rng.standard_normal((dates, 1, pixels)) * base / base.mean(1, keepdims=True)
    growth = np.array([-0.1, -0.05, -0.3, 1, -0.2, -0.3])[:bands, None] * 0.08
    growing = growth * np.sin(np.linspace(0, 2 * np.pi, dates))[:, None, None]
    cloud = (rng.random((dates, 1, pixels)) < clouds) * rng.uniform(0.1, 0.6, (dates, 1, pixels))
    made = base + haze + growing + cloud + 0.008 * rng.standard_normal((dates, bands, pixels))
    return made.astype(np.float32)[:, :, None, :]


def sum_of_distances(point, observations):
    return np.sqrt(((observations - point) ** 2).sum(axis=-1)).sum()


def excess(point, observations):
    """How far a point is from being a minimum: what pulls it beyond what the observations at it can hold."""
    away = observations - point
    distance = np.sqrt((away**2).sum(axis=1))
    met = distance < 1e-9
    pull = (away[~met] / distance[~met, None]).sum(axis=0)
    return max(np.linalg.norm(pull) - met.sum(), 0)


def in_float64(observations):
    """The minimum by Newton's method from scipy, or the observation that is it."""
    for point in observations:
        if excess(point, observations) == 0:
            return point
    start = np.median(observations, axis=0)
    found = scipy.optimize.minimize(
        sum_of_distances, start + 1e-6, args=(observations,), method="BFGS", tol=1e-9
    )
    for _ in range(2000):  # BFGS ends where differences of sums are lost; this goes on to the last digits
        away = observations - found.x
        weight = 1 / np.sqrt((away**2).sum(axis=1))
        step = (weight[:, None] * away).sum(axis=0) / weight.sum()
        found.x = found.x + step
        if np.linalg.norm(step) < 1e-12:
            break
    return found.x


@BOTH
def test_drawn_cases_have_the_median_that_geometry_gives(kernel):
    nan = np.nan
    # x and y of: a square with one corner far out on its diagonal; a triangle with 120 degrees and more at
    # one corner; three in one place of five; two; one; none; one that lacks a band
    cases = [
        ([(0, 0), (1, 0), (0, 1), (3, 3)], None),
        ([(0, 0), (-0.9, 0.1), (0.9, 0.1)], (0, 0)),
        ([(0.2, 0.3), (0.2, 0.3), (0.2, 0.3), (9, 9), (-4, 7)], (0.2, 0.3)),
        ([(0.2, 0.6), (0.4, 0.2)], (0.3, 0.4)),
        ([(0.7, 0.1)], (0.7, 0.1)),
        ([], (nan, nan)),
        ([(0.7, 0.1), (nan, 5), (0.3, np.inf)], (0.7, 0.1)),
    ]
    stack = np.full((5, 2, len(cases) + 1), nan, np.float32)
    for pixel, (points, _) in enumerate(cases):
        for date, point in enumerate(points):
            stack[date, :, pixel] = point
    stack[:, :, -1] = 1
    value, count = np.full((2, len(cases) + 1), 8, np.float32), np.full(len(cases) + 1, 8, np.uint16)
    with np.errstate(all="ignore"):  # numpy warns of what the kernel leaves out afterwards
        late = kernel(
            0, len(cases), stack, np.float32(nan), np.float32(1), np.float32(TOLERANCE), value, count
        )
    assert late == 0
    np.testing.assert_array_equal(count, [4, 3, 5, 2, 1, 0, 1, 8])
    np.testing.assert_array_equal(value[:, -1], 8)
    for pixel, (points, expected) in enumerate(cases):
        wanted = in_float64(np.array(points, float)) if expected is None else expected
        np.testing.assert_allclose(value[:, pixel], wanted, atol=2 * TOLERANCE)
    np.testing.assert_array_equal(value[:, 4], np.float32([0.7, 0.1]))  # one observation, to the last bit


@pytest.mark.parametrize("dates", [3, 4, 5, 8, 15, 24, 60])
def test_medians_are_the_minimum_of_the_sum_of_distances(dates):
    stack = season(np.random.default_rng(dates), dates, 200)

    found = geometric_median(stack)

    observations = np.moveaxis(stack[:, :, 0].astype(np.float64), 2, 0)
    expected = np.array([in_float64(points) for points in observations])
    error = np.linalg.norm(found.value[:, 0].T - expected, axis=1)
    rises = [
        sum_of_distances(ours, points) - sum_of_distances(best, points)
        for ours, best, points in zip(found.value[:, 0].T, expected, observations, strict=True)
    ]
    # Few observations almost on a line have a long flat minimum: there the height counts, not the place.
    assert found.late <= 2
    assert max(rises) < 1.5 * TOLERANCE
    assert np.quantile(error, 0.95) < 1.5 * TOLERANCE
    if dates > 5:
        assert error.max() < 3 * TOLERANCE


@given(seed=st.integers(0, 10**6), dates=st.integers(1, 12), bands=st.integers(1, 6), gaps=st.floats(0, 0.9))
def test_no_small_step_leads_lower(seed, dates, bands, gaps):
    rng = np.random.default_rng(seed)
    stack = (rng.integers(0, 6, (dates, bands, 3, 5)) / 5).astype(
        np.float32
    )  # many in one place or on a line
    stack[rng.random(stack.shape) < gaps / bands] = np.nan

    found = geometric_median(stack, threads=1)

    known = np.isfinite(stack).all(axis=1)
    np.testing.assert_array_equal(found.count, known.sum(axis=0))
    assert np.isnan(found.value).all(axis=0).tolist() == (found.count == 0).tolist()
    for row, column in np.argwhere(found.count > 0):
        points = stack[known[:, row, column], :, row, column].astype(np.float64)
        here = found.value[:, row, column].astype(np.float64)
        height = sum_of_distances(here, points)
        steps = rng.standard_normal((60, bands))
        steps *= np.repeat([1e-3, 1e-2, 1e-1], 20)[:, None] / np.linalg.norm(steps, axis=1)[:, None]
        slack = (
            2 * TOLERANCE * len(points)
        )  # a sum of distances changes by no more than that on the tolerance
        assert all(sum_of_distances(here + step, points) > height - slack for step in steps)
        assert all(sum_of_distances(point, points) > height - slack for point in points)


def test_half_of_the_dates_may_be_clouds():
    rng = np.random.default_rng(3)
    clear = season(rng, 15, 300, clouds=0)
    cloudy = clear.copy()
    cloudy[rng.permutation(15)[:6]] += np.float32(0.5)
    moved = np.linalg.norm(geometric_median(cloudy).value - geometric_median(clear).value, axis=0)
    means = np.linalg.norm(cloudy.mean(axis=0) - clear.mean(axis=0), axis=0)
    assert np.median(moved) < 0.3 * np.median(means)


def test_no_pixel_depends_on_its_neighbours_on_threads_or_on_the_cut():
    stack = season(np.random.default_rng(4), 11, 20_000).reshape(11, 6, 100, 200)
    stack[np.random.default_rng(5).random(stack.shape) < 0.05] = np.nan
    whole = geometric_median(stack, threads=3)
    alone = geometric_median(stack, threads=1)
    assert whole.value.tobytes() == alone.value.tobytes()
    part = geometric_median(stack[:, :, 13:40, 7:150])
    assert part.value.tobytes() == np.ascontiguousarray(whole.value[:, 13:40, 7:150]).tobytes()
    for row, column in [(0, 0), (50, 77), (99, 199)]:
        one = geometric_median(stack[:, :, row : row + 1, column : column + 1])
        assert one.value.tobytes() == whole.value[:, row, column].tobytes()


def test_whole_numbers_with_nodata_give_the_same_as_reflectances():
    rng = np.random.default_rng(6)
    numbers = np.rint(season(rng, 9, 500) * 10_000).astype(np.int16)
    numbers[rng.random(numbers.shape) < 0.03] = NONE
    reflectance = np.where(numbers == NONE, np.nan, numbers * np.float32(1e-4)).astype(np.float32)
    found, expected = geometric_median(numbers, NONE, scale=1e-4), geometric_median(reflectance)
    assert found.value.tobytes() == expected.value.tobytes()
    np.testing.assert_array_equal(found.count, expected.count)


def test_unreachable_tolerances_end_and_say_so():
    found = geometric_median(season(np.random.default_rng(7), 6, 50), tolerance=1e-12)
    assert 0 <= found.late <= 50
    assert np.isfinite(found.value).all()
    huge = geometric_median(season(np.random.default_rng(7), 6, 50) * np.float32(1e30))  # squares overflow
    assert huge.value.shape == (6, 1, 50)


def test_medians_equal_those_of_hdstats(monkeypatch):
    for gone in ("cwt", "ricker"):  # hdstats 0.2.1 imports what scipy 1.15 dropped, for another purpose
        monkeypatch.setattr(scipy.signal, gone, None, raising=False)
    hdstats = pytest.importorskip("hdstats", reason="hdstats, compared with where it is installed, is not")
    stack = season(np.random.default_rng(8), 12, 400)
    theirs = hdstats.nangeomedian_pcm(
        np.ascontiguousarray(np.moveaxis(stack, (0, 1), (3, 2))), eps=1e-7, maxiters=3000, num_threads=1
    )
    ours = geometric_median(stack).value
    assert np.abs(ours - np.moveaxis(theirs, 2, 0)).max() < 3 * TOLERANCE


@pytest.mark.parametrize(
    ("stack", "options", "sentence"),
    [
        (np.zeros((3, 7, 2, 2), np.float32), {}, "has 7 bands, expected 1 to 6"),
        (np.zeros((3, 2, 2), np.float32), {}, r"expected \(dates, bands, rows, columns\)"),
        (np.zeros((3, 6, 2, 2), np.float64), {}, "the stack is float64"),
        (np.zeros((3, 6, 2, 2), np.float32), {"tolerance": 0}, "tolerance 0, expected numbers above 0"),
        (np.zeros((3, 6, 2, 2), np.int16), {"scale": 1e-4}, "nodata is None"),
    ],
)
def test_stacks_of_another_kind_are_refused(stack, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        geometric_median(stack, **options)


def test_memory_of_a_block_is_small_for_a_hundred_dates():
    assert 100 * geomedian.MOST_BANDS * geomedian._BLOCK * 4 < 1 << 20  # in the second cache
