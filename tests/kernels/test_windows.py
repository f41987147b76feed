"""Two windows of dates in one pass, against a walk through each series in plain Python."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluepeace_gis.kernels import windows
from bluepeace_gis.kernels.composites import NO_DATE
from bluepeace_gis.kernels.windows import NO_GAP, OUTSIDE, two_windows

NONE = -32768
VALUES = ("first", "first_next", "second", "second_next", "low", "low_next", "high", "trough")


def walked(values, seen, days, window):
    """Say what is expected of one series; None in ``values`` and False in ``seen`` were not observed."""
    found, peaks = {}, []
    for name, (begin, end) in (("first", window[:2]), ("second", window[2:])):
        inside = [d for d, day in enumerate(days) if begin <= day <= end]
        known = sorted((d for d in inside if values[d] is not None), key=lambda d: (-values[d], d))
        found[name] = values[known[0]] if known else None
        found[f"{name}_next"] = values[known[1]] if len(known) > 1 else None
        found[f"{name}_date"] = known[0] if known else NO_DATE
        found[f"{name}_count"] = sum(seen[d] for d in inside)
        peaks += known[:1]
    between = values[min(peaks) + 1 : max(peaks)] if len(peaks) == 2 else []
    found["trough"] = min((value for value in between if value is not None), default=None)
    ordered = sorted(value for value in values if value is not None)
    found["low"], found["high"] = (ordered[0], ordered[-1]) if ordered else (None, None)
    found["low_next"] = ordered[1] if len(ordered) > 1 else None
    begin, end = min(window), max(window)
    marks = [begin, *(day for d, day in enumerate(days) if seen[d] and begin <= day <= end), end]
    found["gap"] = max(late - early for early, late in pairwise(marks))
    return found


def assert_is(found, place, expected, nodata):
    for name, value in expected.items():
        here = getattr(found, name)[place]
        if name in VALUES and value is None:
            assert np.isnan(here) if np.isnan(nodata) else here == nodata, name
        else:
            assert here == value, (name, here, value)


def run(kernel, stack, window, days):
    """Call the kernel itself on (dates, n) int16."""
    size = stack.shape[1]
    inside = np.array([[
        *np.searchsorted(days, window[0::2], "left"), *np.searchsorted(days, window[1::2], "right"),
        min(window), max(window),
    ]], np.int32)[:, [0, 2, 1, 3, 4, 5]]  # fmt: skip
    limits = np.array([-(2**31), 2**31 - 1], np.int32)
    values, dates = np.zeros((8, size), np.int16), np.zeros((2, size), np.int16)
    counts, gap = np.zeros((2, size), np.uint16), np.zeros(size, np.int32)
    kernel(
        0, size, stack, np.int16(NONE), stack, limits, np.array(days, np.int32), inside,
        np.zeros(0, np.uint8), values, dates, counts, gap,
    )  # fmt: skip
    return values, dates, counts, gap


@pytest.mark.parametrize(
    "kernel", [windows.two_windows_between, windows.two_windows_between.py_func], ids=["compiled", "python"]
)
def test_a_double_season(kernel):
    #    day        8   24   40   56   72   88  104  120    windows 8..40 and 72..110
    series = [100, 700, 600, 150, 300, NONE, 800, 200]
    days = [8, 24, 40, 56, 72, 88, 104, 120]
    values, dates, counts, gap = run(kernel, np.array([series], np.int16).T, [8, 40, 72, 110], days)
    #                      first       second      low       high  trough between 24 and 104
    assert values[:, 0].tolist() == [700, 600, 800, 300, 100, 150, 800, 150]
    assert dates[:, 0].tolist() == [1, 6]
    assert counts[:, 0].tolist() == [3, 2]
    assert gap[0] == 32  # from 72 to 104


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(["int16", "uint16", "float32"]))
    dates, size = draw(st.integers(1, 14)), draw(st.integers(1, 4))
    if kind == "float32":
        nodata = draw(st.sampled_from([None, -9999.0]))
        numbers = st.integers(-3, 3).map(float) | st.sampled_from([np.nan, np.inf, -np.inf, nodata or 0.0])
    else:
        ends = np.iinfo(kind)
        nodata = draw(st.sampled_from([ends.min, ends.max, 0]))
        numbers = st.integers(ends.min, ends.max) | st.integers(0, 4) | st.just(nodata)
    stack = draw(hnp.arrays(kind, (dates, size), elements=numbers))
    observed = draw(st.none() | hnp.arrays(kind, (dates, size), elements=numbers))
    days = np.cumsum(draw(st.lists(st.integers(1, 20), min_size=dates, max_size=dates))) - 30
    pair = st.tuples(st.integers(-40, 250), st.integers(-40, 250)).map(sorted)
    table = draw(st.lists(st.tuples(pair, pair).map(lambda two: [*two[0], *two[1]]), min_size=1, max_size=3))
    rows = draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([*range(len(table)), OUTSIDE])))
    return stack, nodata, observed, days, table, rows


@given(drawn=cases())
def test_every_statistic_is_that_of_a_walk_through_the_series(drawn):
    stack, nodata, observed, days, table, rows = drawn
    found = two_windows(stack, table, nodata, days=days, window_of=rows, observed=observed, threads=1)

    def known(numbers):
        return np.isfinite(numbers) & (numbers != (np.nan if nodata is None else stack.dtype.type(nodata)))

    seen = known(stack if observed is None else observed)
    none = np.nan if nodata is None else stack.dtype.type(nodata)
    for k in range(stack.shape[1]):
        if rows[k] == OUTSIDE:
            expected = dict.fromkeys(VALUES) | {"first_date": NO_DATE, "second_date": NO_DATE}
            expected |= {"first_count": 0, "second_count": 0, "gap": NO_GAP}
        else:
            values = [
                value.item() if good else None
                for value, good in zip(stack[:, k], known(stack[:, k]), strict=True)
            ]
            expected = walked(values, seen[:, k].tolist(), days.tolist(), table[rows[k]])
        assert_is(found, k, expected, none)


def test_nothing_depends_on_neighbours_cuts_or_threads():
    rng = np.random.default_rng(3)
    stack = rng.integers(-1000, 9000, (23, 3, 40_000)).astype(np.int16)
    stack[rng.random(stack.shape) < 0.4] = NONE
    whole = two_windows(stack, [2, 9, 11, 19], NONE, threads=2)
    for column in (0, 63, 64, 39_999):
        alone = two_windows(stack[:, 1:2, column : column + 1], [2, 9, 11, 19], NONE, threads=1)
        for name in vars(alone):
            assert getattr(alone, name)[0, 0] == getattr(whole, name)[1, column]


def test_a_smoothed_stack_is_judged_by_the_gaps_of_the_observations():
    smoothed = np.full((10, 1), 500, np.int16)
    raw = np.full((10, 1), NONE, np.int16)
    raw[[1, 8]] = 500
    found = two_windows(smoothed, [0, 4, 5, 9], NONE, days=np.arange(0, 160, 16), observed=raw)
    assert found.first_count.tolist() == [0]  # days 0 to 4 hold the first date only
    found = two_windows(smoothed, [0, 79, 80, 159], NONE, days=np.arange(0, 160, 16), observed=raw)
    assert [found.first[0], found.first_count[0], found.second_count[0], found.gap[0]] == [500, 1, 1, 112]


def test_a_series_without_observations_has_the_whole_time_as_gap():
    found = two_windows(np.full((4, 1), NONE, np.int16), [10, 20, 30, 47], NONE, days=[12, 18, 31, 40])
    assert [found.high[0], found.first_date[0], found.gap[0]] == [NONE, NO_DATE, 37]


def test_amplitudes_do_not_overflow():
    stack = np.array([[32_767, NONE], [-32_767, NONE]], np.int16)
    assert two_windows(stack, [0, 1, 0, 1], NONE).amplitude(NONE).tolist() == [65_534, 0]
    floats = np.array([[1, np.nan], [-1, np.nan]], np.float32)
    np.testing.assert_array_equal(two_windows(floats, [0, 1, 0, 1]).amplitude(), [2, np.nan])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"windows": [0, 1, 2]}, "4\\)"),
        ({"windows": [0, 1, 3, 2]}, "first and last days"),
        ({"windows": [0, 1, 2, 2**40]}, "first and last days"),
        ({"windows": [0.0, 1.0, 2.0, 3.0]}, "whole numbers"),
        ({"windows": [[0, 1, 2, 3], [0, 1, 2, 3]]}, "row of each series"),
        ({"days": [0, 1, 1, 2]}, "increasing"),
        ({"days": [0, 1, 2, 2**40]}, "numbers up to"),
        ({"window_of": np.ones(3, np.uint8)}, "window_of holds 1"),
        ({"window_of": np.zeros(3, np.int64)}, "uint8"),
        ({"observed": np.zeros((4, 2), np.int16)}, "observed is"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        two_windows(np.zeros((4, 3), np.int16), nodata=NONE, **({"windows": [0, 1, 2, 3]} | options))


def test_an_empty_stack_has_empty_statistics():
    assert two_windows(np.zeros((4, 0, 7), np.int16), [0, 1, 2, 3], NONE).gap.shape == (0, 7)
