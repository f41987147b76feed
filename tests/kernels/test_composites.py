"""Extremes, medians, percentiles and counts of time-major stacks against numpy's functions for NaN."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluepeace_gis.kernels import composites

NONE = -32768
KINDS = st.sampled_from(["int16", "uint16", "float32"])


def both(kernel):
    return pytest.mark.parametrize("kernel", [kernel, kernel.py_func], ids=["compiled", "python"])


def in_float64(stack, nodata):
    values = stack.astype(np.float64)
    if nodata is not None:
        values[stack == stack.dtype.type(nodata)] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():  # numpy warns of pixels without an observation
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*arguments, **options)


@st.composite
def stacks(draw, most_dates=40):
    """A stack with gaps, pixels without any observation, ties and the ends of its range."""
    kind = draw(KINDS)
    shape = (draw(st.integers(1, most_dates)), draw(st.integers(1, 3)), draw(st.integers(1, 9)))
    if kind == "float32":
        nodata = draw(st.sampled_from([None, -9999.0]))
        numbers = st.floats(-2, 2, width=32, allow_subnormal=False) | st.sampled_from(
            [np.nan, np.inf, -np.inf]
        )
    else:
        ends = np.iinfo(kind)
        nodata = draw(st.sampled_from([ends.min, ends.max, 0]))
        numbers = st.integers(ends.min, ends.max) | st.integers(0, 5) | st.just(nodata)
    stack = draw(hnp.arrays(kind, shape, elements=numbers))
    if draw(st.booleans()):
        stack[:, 0, 0] = stack.dtype.type(np.nan if nodata is None else nodata)
    return stack, nodata


@both(composites.extremes_between)
def test_extremes_take_the_first_of_equals_and_leave_other_pixels_alone(kernel):
    #                   beside  plain  tie  gap   one    none  beside
    stack = np.array([[9, 3, 7, NONE, NONE, NONE, 9], [9, 5, 7, 4, NONE, NONE, 9], [9, 1, 2, 4, -6, NONE, 9]])
    stack = stack.astype(np.int16)
    value, date, count = np.full(7, 8, np.int16), np.full(7, 8, np.int16), np.full(7, 8, np.uint16)
    kernel(1, 6, stack, np.int16(NONE), True, value, date, count)
    np.testing.assert_array_equal(value, [8, 5, 7, 4, -6, NONE, 8])
    np.testing.assert_array_equal(date, [8, 1, 0, 1, 2, -1, 8])
    np.testing.assert_array_equal(count, [8, 3, 3, 2, 1, 0, 8])
    kernel(1, 6, stack, np.int16(NONE), False, value, date, count)
    np.testing.assert_array_equal(value, [8, 1, 2, 4, -6, NONE, 8])
    np.testing.assert_array_equal(date, [8, 2, 2, 1, 2, -1, 8])


@both(composites.percentiles_between)
def test_percentiles_lie_between_ranks(kernel):
    nan = np.nan
    stack = np.array([[4, 4, nan, nan], [1, 1, 7, nan], [3, 3, nan, nan], [nan, 10, nan, np.inf]], np.float32)
    value, count = np.full((2, 4), 8, np.float32), np.full(4, 8, np.uint16)
    kernel(0, 4, stack, np.float32(nan), np.float32(np.inf), np.array([0.5, 0.9]), value, count)
    # of 1 3 4: 3, and 3 + 0.8; of 1 3 4 10: 3.5, and 4 + 0.7 * 6
    np.testing.assert_array_equal(value, np.array([[3, 3.5, 7, nan], [3.8, 8.2, 7, nan]], np.float32))
    np.testing.assert_array_equal(count, [3, 4, 1, 0])


@both(composites.sort_columns)
@pytest.mark.parametrize("dates", [*range(1, 12), 16, 17, 33])
def test_every_column_is_sorted_whatever_its_length(kernel, dates):
    values = np.random.default_rng(dates).integers(-9, 9, (dates, 20)).astype(np.int16)
    expected = np.sort(values, axis=0)
    kernel(values)
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dates", range(1, 15))
def test_the_network_sorts_every_pattern_of_two_values(dates):
    # Knuth's zero-one principle: a network that sorts all zeros and ones sorts everything.
    patterns = (np.arange(2**dates)[None, :] >> np.arange(dates)[:, None] & 1).astype(np.int16)
    expected = np.sort(patterns, axis=0)
    composites.sort_columns(patterns)
    np.testing.assert_array_equal(patterns, expected)


@both(composites.counts_between)
def test_counts_are_of_what_is_known(kernel):
    stack = np.array([[1, NONE, 3], [NONE, NONE, 5]], np.int16)
    count = np.full(3, 9, np.uint16)
    kernel(0, 2, stack, np.int16(NONE), count)
    np.testing.assert_array_equal(count, [1, 0, 9])


@both(composites.take_between)
def test_all_bands_come_from_the_date_of_the_pixel(kernel):
    stack = np.arange(12, dtype=np.int16).reshape(3, 2, 2)
    value = np.zeros((2, 2), np.int16)
    kernel(0, 2, stack, np.array([2, -1], np.int16), np.int16(NONE), value)
    np.testing.assert_array_equal(value, [[8, NONE], [10, NONE]])


@both(composites.merge_between)
def test_a_pixel_is_taken_over_whole_or_not_at_all(kernel):
    #  band 1: both have it, it lacks, it lacks, both lack; band 2: the third has it in the scene only in part
    observation = np.array([[1, NONE, NONE, NONE, 5], [2, NONE, 7, NONE, NONE]], np.int16)
    scene = np.array([[11, 12, 13, NONE, NONE], [21, 22, 23, 24, 25]], np.int16)
    assert kernel(0, 5, observation, scene, np.int16(NONE)) == 2
    np.testing.assert_array_equal(observation, [[1, 12, 13, NONE, 5], [2, 22, 23, NONE, NONE]])


@both(composites.largest_of_periods_between)
def test_each_period_has_its_own_maximum_and_date(kernel):
    # dates 0 to 3 in the periods 1, 0, 1, none; period 2 has none
    stack = np.array([[4, 7, NONE], [3, NONE, NONE], [4, 8, NONE], [9, 9, 9]], np.int16)
    value, date = np.full((3, 3), 5, np.int16), np.full((3, 3), 5, np.int16)
    count = np.full((3, 3), 5, np.uint16)
    kernel(0, 3, stack, np.int16(NONE), np.array([1, 0, 2]), np.array([0, 1, 3, 3]), value, date, count)
    np.testing.assert_array_equal(value, [[3, NONE, NONE], [4, 8, NONE], [NONE] * 3])
    np.testing.assert_array_equal(date, [[1, -1, -1], [0, 2, -1], [-1] * 3])
    np.testing.assert_array_equal(count, [[1, 0, 0], [2, 2, 0], [0] * 3])


@given(drawn=stacks(), data=st.data())
def test_maxima_of_periods_are_those_of_their_dates_alone(drawn, data):
    stack, nodata = drawn
    numbers = st.integers(-1, 3)
    period = np.array(data.draw(st.lists(numbers, min_size=len(stack), max_size=len(stack))))
    found = composites.largest_of_periods(stack, period, nodata, periods=5, threads=1)
    for one in range(5):
        dates = np.flatnonzero(period == one)
        if dates.size == 0:
            assert (found.count[one] == 0).all()
            assert (found.date[one] == composites.NO_DATE).all()
            assert np.isnan(in_float64(found.value[one], nodata)).all()
            continue
        alone = composites.largest(stack[dates], nodata, threads=1)
        np.testing.assert_array_equal(found.value[one], alone.value)
        np.testing.assert_array_equal(found.count[one], alone.count)
        when = np.where(alone.date < 0, composites.NO_DATE, dates[alone.date])
        np.testing.assert_array_equal(found.date[one], when)


def test_periods_of_a_table_and_what_does_not_fit():
    table = np.array([[1.0, np.nan], [2.0, 5.0]], np.float32)
    found = composites.largest_of_periods(table, [0, 0])
    np.testing.assert_array_equal(found.value, [[2, 5]])
    for period, periods, words in (
        ([0], None, "whole numbers"),
        ([0, 3], 3, "above all"),
        ([-1, -1], None, "at least 1"),
    ):
        with pytest.raises(ValueError, match=words):
            composites.largest_of_periods(table, period, periods=periods)


@given(drawn=stacks())
def test_extremes_equal_numpy(drawn):
    stack, nodata = drawn
    known = in_float64(stack, nodata)
    some = np.isfinite(known).any(axis=0)
    for function, oracle, place, beyond in (
        (composites.largest, np.nanmax, np.argmax, -np.inf),
        (composites.smallest, np.nanmin, np.argmin, np.inf),
    ):
        found = function(stack, nodata, threads=1)
        assert found.value.dtype == stack.dtype
        np.testing.assert_array_equal(in_float64(found.value, nodata), quietly(oracle, known, axis=0))
        dates = place(np.where(np.isnan(known), beyond, known), axis=0)
        np.testing.assert_array_equal(found.date, np.where(some, dates, composites.NO_DATE))
        np.testing.assert_array_equal(found.count, np.isfinite(known).sum(axis=0))


@given(
    drawn=stacks(),
    percent=st.lists(st.floats(0, 100) | st.sampled_from([0, 10, 25, 50, 90, 100]), min_size=1),
)
def test_percentiles_equal_numpy_in_float64(drawn, percent):
    stack, nodata = drawn
    known = in_float64(stack, nodata)

    found = composites.percentiles(stack, percent, nodata, threads=1)

    expected = quietly(np.nanpercentile, known, percent, axis=0)
    np.testing.assert_array_equal(found.value, expected.astype(np.float32))
    np.testing.assert_array_equal(found.count, np.isfinite(known).sum(axis=0))


@given(drawn=stacks())
def test_medians_and_counts_equal_numpy_in_float64(drawn):
    stack, nodata = drawn
    known = in_float64(stack, nodata)

    found = composites.median(stack, nodata, threads=1)

    np.testing.assert_array_equal(found.value, quietly(np.nanmedian, known, axis=0).astype(np.float32))
    np.testing.assert_array_equal(composites.counts(stack, nodata, threads=1), found.count)


def test_the_median_of_two_ends_of_the_range_is_exact():
    stack = np.array([32767, -32767, 32767, 32766], np.int16).reshape(4, 1, 1)
    assert composites.median(stack[:2], NONE).value == 0
    assert composites.median(stack[[0, 3]], NONE).value == 32766.5


@pytest.mark.parametrize("dates", [1, 2, 9, 70, 400])
def test_long_seasons_on_threads_equal_numpy_and_single_threads(dates):
    rng = np.random.default_rng(dates)
    stack = rng.integers(-2000, 10_000, (dates, 217, 301 if dates < 100 else 31)).astype(np.int16)
    stack[rng.random(stack.shape) < 0.5] = NONE
    known = in_float64(stack, NONE)

    found = composites.percentiles(stack, [10, 50, 90], NONE, threads=3)

    expected = quietly(np.nanpercentile, known, [10, 50, 90], axis=0).astype(np.float32)
    np.testing.assert_array_equal(found.value, expected)
    alone = composites.percentiles(stack, [10, 50, 90], NONE, threads=1)
    assert found.value.tobytes() == alone.value.tobytes()
    most = composites.largest(stack, NONE, threads=3)
    np.testing.assert_array_equal(in_float64(most.value, NONE), quietly(np.nanmax, known, axis=0))


def test_a_window_of_a_larger_stack_gives_the_same_as_its_copy():
    stack = np.random.default_rng(5).normal(size=(7, 30, 40)).astype(np.float32)
    stack[stack < -0.5] = np.nan
    window = stack[:, 3:20, 5:33]
    whole = composites.median(stack).value
    np.testing.assert_array_equal(composites.median(window).value, whole[3:20, 5:33])
    np.testing.assert_array_equal(composites.median(window.astype(">f4")).value, whole[3:20, 5:33])


def test_the_least_snow_hands_over_all_bands_of_its_date():
    rng = np.random.default_rng(6)
    ndsi = rng.normal(size=(5, 40, 50)).astype(np.float32)
    ndsi[rng.random(ndsi.shape) < 0.6] = np.nan
    bands = rng.integers(0, 9000, (5, 3, 40, 50)).astype(np.uint16)

    least = composites.smallest(ndsi)
    taken = composites.take(bands, least.date, 65535)

    some = least.date >= 0
    assert 0.85 < some.mean() < 1
    expected = np.take_along_axis(bands, np.maximum(least.date, 0)[None, None].astype(int), axis=0)[0]
    np.testing.assert_array_equal(taken[:, some], expected[:, some])
    assert (taken[:, ~some] == 65535).all()


def test_overlapping_scenes_of_one_overpass_count_once():
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 9000, (4, 30, 40)).astype(np.int16)
    north, south = truth.copy(), truth.copy() + 1  # one path, two rows: they overlap in rows 10 to 19
    north[:, 20:], south[:, :10] = NONE, NONE
    north[:, 12, 5] = NONE  # a cloud in the first is seen in the second

    assert composites.merge(north, south, NONE) == 10 * 40 + 1

    np.testing.assert_array_equal(north[:, :12], truth[:, :12])
    assert (north[:, 12, 5] == truth[:, 12, 5] + 1).all()
    assert composites.merge(np.full((3, 4), np.nan, np.float32), np.zeros((3, 4), np.float32)) == 12


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: composites.median(np.zeros((4, 4), np.int16), 0), r"shape \(4, 4\), expected \(dates, rows"),
        (lambda: composites.median(np.zeros((0, 4, 4), np.int16), 0), "1 to 32767 dates"),
        (lambda: composites.median(np.zeros((2, 4, 4), np.int64), 0), "the stack is int64, expected one of"),
        (lambda: composites.median(np.zeros((2, 4, 4), np.int16)), "nodata is None, expected a number"),
        (lambda: composites.largest(np.zeros((2, 4, 4), np.int16), 65535), "nodata is 65535"),
        (lambda: composites.largest(np.zeros((2, 4, 4), np.int16), np.nan), "nodata is nan"),
        (lambda: composites.percentiles(np.zeros((2, 4, 4), np.int16), [101], 0), r"percent is \[101\]"),
        (lambda: composites.percentiles(np.zeros((2, 4, 4), np.int16), [np.nan], 0), "percent is"),
        (
            lambda: composites.take(np.zeros((2, 1, 4, 4), np.int16), np.full((4, 4), 2, np.int16), 0),
            "below 2",
        ),
        (
            lambda: composites.merge(np.zeros((4, 4), np.int16), np.zeros((4, 5), np.int16), 0),
            r"scene is int16 \(4, 5\)",
        ),
        (
            lambda: composites.merge(np.zeros((4, 8), np.int16)[:, ::2], np.zeros((4, 4), np.int16), 0),
            "in one piece",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.real
def test_a_real_year_of_68_dates_counts_as_eolearn_did_and_equals_numpy(real_data):
    patch = np.load(real_data / "irrigation" / "eolearn_patch" / "eopatch_slovenia.npz")
    ndvi = np.where(patch["is_valid"], patch["ndvi"], np.nan).astype(np.float32)
    whole = np.where(np.isnan(ndvi), NONE, np.rint(np.nan_to_num(ndvi) * 10_000)).astype(np.int16)

    for stack, nodata in ((ndvi, None), (whole, NONE)):
        known = in_float64(stack, nodata)
        middle = composites.median(stack, nodata)
        np.testing.assert_array_equal(middle.count, patch["valid_count"])
        np.testing.assert_array_equal(middle.value, np.nanmedian(known, axis=0).astype(np.float32))
        tenth = composites.percentiles(stack, [90], nodata).value[0]
        np.testing.assert_array_equal(tenth, np.nanpercentile(known, 90, axis=0).astype(np.float32))
        most = composites.largest(stack, nodata)
        np.testing.assert_array_equal(most.date, np.nanargmax(known, axis=0))
