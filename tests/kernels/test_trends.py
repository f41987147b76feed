"""Theil and Sen, Mann and Kendall: against scipy, pymannkendall, all permutations; false alarms counted."""

from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from bluepeace_gis.kernels import trends
from bluepeace_gis.kernels.trends import EXACT_YEARS, trend

NAN = np.nan
BOTH = pytest.mark.parametrize(
    "kernel", [trends.trends_between, trends.trends_between.py_func], ids=["compiled", "python"]
)


@BOTH
def test_by_hand(kernel):
    # 1 3 2 5 over 2000 2001 2003 2004, and a series with too little; slopes 2 1/2 1 -1/2 2/3 3, in order
    # -1/2 1/2 2/3 1 2 3: median 5/6; five pairs grow, one falls: S = 4; variance 4 * 3 * 13 / 18.
    values = np.array([[1, NAN], [3, 7], [2, NAN], [5, 8]])
    years, place = np.array([2000.0, 2001, 2003, 2004]), np.array([0, 1, 3, 4])
    found, count = np.zeros((9, 2)), np.zeros(2, np.int64)
    tails, largest = np.zeros((EXACT_YEARS + 1, 46)), np.zeros(EXACT_YEARS + 1, np.int64)
    tails[4, :7], largest[4] = trends.exact_tails(4), 6
    kernel(0, 2, values, years, place, 0, 1.96, 1.96, tails, largest, found, count)
    assert count.tolist() == [4, 2]
    assert np.isnan(found[:, 1]).all()
    residuals = sorted([1, 3 - 5 / 6, 2 - 15 / 6, 5 - 20 / 6])
    expected = [5 / 6, -np.inf, np.inf, (residuals[1] + residuals[2]) / 2, 4, 4 / 6, 3 / (26 / 3) ** 0.5]
    np.testing.assert_allclose(found[:7, 0], expected)
    assert found[7, 0] == pytest.approx(8 / 24)  # of 24 orders, 1 + 3 have a score of 4 and more: both signs
    assert found[8, 0] == 1


@pytest.mark.parametrize("years", range(2, 8))
def test_exact_tails_are_counted_over_all_orders(years):
    scores = [
        abs(sum(np.sign(order[j] - order[i]) for i, j in combinations(range(years), 2)))
        for order in permutations(range(years))
    ]
    expected = [np.mean([score >= s for score in scores]) for s in range(years * (years - 1) // 2 + 1)]
    np.testing.assert_allclose(trends.exact_tails(years), expected, atol=1e-12)


@pytest.mark.parametrize("years", [4, 7, 10])
def test_probabilities_of_short_series_are_exact_and_a_correction_only_makes_them_larger(years):
    values = np.random.default_rng(years).normal(size=(years, 200))
    found, corrected = trend(values, correction="none"), trend(values)
    for k in range(200):
        exact = stats.kendalltau(np.arange(years), values[:, k], method="exact").pvalue
        assert found.p[k] == pytest.approx(exact, abs=1e-12)
    assert (corrected.p >= found.p).all()
    assert years == 4 or (corrected.p > found.p).any()


def test_four_years_never_have_a_trend_and_five_only_in_order():
    for correction in ("first-order", "hamed-rao", "none"):
        four = trend(np.arange(4.0), correction=correction)
        assert four.p == pytest.approx(2 / 24)
        assert (four.low, four.high) == (-np.inf, np.inf)
    five = trend(np.array([1, 2, 3, 5, 8.0]), correction="none")
    assert five.p < 0.05
    assert five.low > 0
    assert trend(np.array([1, 2, 3, 8, 5.0]), correction="none").p > 0.05


@given(
    values=hnp.arrays(
        np.float64, st.integers(3, 30), elements=st.integers(-9, 9).map(float) | st.floats(-1e6, 1e6)
    )
)
def test_slope_line_and_interval_are_those_of_scipy(values):
    found = trend(values, correction="none", threads=1)
    slope, intercept, low, high = stats.theilslopes(values, method="joint")
    scale = max(1.0, np.abs(values).max())
    assert found.slope == pytest.approx(slope, abs=1e-9 * scale)
    assert found.intercept == pytest.approx(intercept, abs=1e-9 * scale)
    assert found.tau == pytest.approx(
        np.sign(np.subtract.outer(values, values))[np.tril_indices(len(values), -1)].mean()
    )
    if len(values) > EXACT_YEARS:  # scipy knows no exact interval
        # It rounds the rank that we take upwards: the same but for ties of the normal approximation.
        assert found.low == pytest.approx(low, abs=1e-9 * scale)
        assert found.high == pytest.approx(high, abs=1e-9 * scale)


@given(
    values=hnp.arrays(
        np.float64,
        st.tuples(st.integers(3, 25), st.integers(1, 3)),
        elements=st.integers(-4, 4) | st.floats(-9, 9),
    ),
    correction=st.sampled_from(["first-order", "hamed-rao", "none"]),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
    data=st.data(),
)
def test_the_interval_leaves_out_zero_exactly_where_the_test_finds_a_trend(
    values, correction, confidence, data
):
    gaps = data.draw(hnp.arrays(np.bool_, values.shape))
    values = np.where(gaps & (np.random.default_rng(1).random(values.shape) < 0.5), NAN, values)
    found = trend(values, correction=correction, confidence=confidence, threads=1)
    out = (found.low > 0) | (found.high < 0)
    sure = np.abs(found.p - (1 - confidence)) > 1e-9
    # Where pairs are ties zero is one of the slopes, and may be the end of the interval.
    ended = (found.low == 0) | (found.high == 0)
    np.testing.assert_array_equal(out[sure & ~ended], (found.p < 1 - confidence)[sure & ~ended])
    known = np.isfinite(found.slope)
    assert (found.low <= found.slope)[known].all()
    assert (found.slope <= found.high)[known].all()


def test_gaps_are_left_out_and_years_keep_their_distance():
    rng = np.random.default_rng(2)
    years = np.array([1990, 1991, 1995, 1996, 1997, 2001, 2002, 2003, 2004, 2010, 2011, 2015])
    values = rng.normal(size=12) + 0.3 * (years - 1990)
    with_gaps = np.full(26, NAN)
    with_gaps[years - 1990] = values
    sparse, dense = trend(values, years), trend(with_gaps, np.arange(1990, 2016))
    for name in vars(sparse):
        assert getattr(sparse, name) == getattr(dense, name), name
    assert sparse.slope == pytest.approx(stats.theilslopes(values, years)[0])
    assert sparse.count == 12


def test_maps_of_every_fifth_year_have_their_autocorrelation_from_map_to_map():
    values = np.random.default_rng(3).normal(size=15).cumsum()
    every, fifth = trend(values), trend(values, 2000 + 5 * np.arange(15))
    assert every.variance_factor > 1
    assert fifth.variance_factor == every.variance_factor
    assert fifth.slope == pytest.approx(every.slope / 5)


def test_equal_values_and_lines_are_what_they_are():
    same = trend(np.full(12, 7.5))
    assert (same.slope, same.low, same.high, same.score, same.z, same.p) == (0, 0, 0, 0, 0, 1)
    for correction in ("first-order", "hamed-rao"):
        line = trend(0.1 * np.arange(12) + 1000, correction=correction)
        assert line.variance_factor == 1  # what is left is rounding, not autocorrelation
        assert line.slope == pytest.approx(0.1)
        assert line.p < 1e-4


def by_hamed_and_rao(values):
    """Compute the factor from ranks of exact residuals, which no rounding makes equal or unequal."""
    numbers = [Fraction(value) for value in values.tolist()]
    n = len(numbers)
    slopes = sorted((numbers[j] - numbers[i]) / (j - i) for i, j in combinations(range(n), 2))
    middle = len(slopes) // 2
    slope = slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2
    residual = [number - slope * i for i, number in enumerate(numbers)]
    rank = np.array([sum(b < a for b in residual) + sum(b == a for b in residual) / 2 for a in residual])
    rank -= rank.mean()
    if not rank.any():
        return 1.0
    total = 0.0
    for k in range(1, n):
        r = (rank[k:] * rank[:-k]).sum() / (rank**2).sum()
        if abs(r) > 1.959963984540054 / n**0.5:
            total += (n - k) * (n - k - 1) * (n - k - 2) * r
    return 1 + 2 / (n * (n - 1) * (n - 2)) * total


@given(values=hnp.arrays(np.float64, st.integers(4, 30), elements=st.integers(-6, 6)))
def test_hamed_and_raos_factor_is_right_with_ties(values):
    assert trend(values, correction="hamed-rao", threads=1).variance_factor == pytest.approx(
        by_hamed_and_rao(values)
    )


def test_where_hamed_and_raos_factor_is_below_zero_there_is_no_test():
    values = np.array([0, 9, 1, 8, 0, 9, 1, 8.5, 0.5, 9.5, 1.5, 7, 0.2, 9.1])
    rng = np.random.default_rng(0)
    many = values[:, None] + rng.normal(0, 0.5, (14, 400))
    found = trend(many, correction="hamed-rao")
    below = found.variance_factor <= 0
    assert below.any()
    assert np.isnan(found.p[below]).all()
    assert np.isinf(found.low[below]).all()


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.4, 0.9])
@pytest.mark.parametrize("count", [5, 12, 40])
def test_the_effective_number_in_closed_form_is_the_sum(correlation, count):
    lags = np.arange(1, count)
    expected = 1 + 2 * ((1 - lags / count) * correlation**lags).sum()
    for function in (trends.effective_factor, trends.effective_factor.py_func):
        assert function(correlation, count) == pytest.approx(expected)


def correlated(rng, years, correlation, size):
    values = rng.normal(size=(years + 50, size))
    for year in range(1, len(values)):
        values[year] += correlation * values[year - 1]
    return values[50:]


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("years", [8, 12, 20, 40])
def test_false_alarms_stay_near_five_in_a_hundred(years, correlation):
    values = correlated(np.random.default_rng(years), years, correlation, 5000)
    assert (trend(values).p < 0.05).mean() < 0.07
    if correlation == 0.4 and years >= 12:  # what the default is for, and what it spares
        assert (trend(values, correction="none").p < 0.05).mean() > 0.12
        assert (trend(values, correction="hamed-rao").p < 0.05).mean() > 0.12


@pytest.mark.parametrize("correlation", [0.0, 0.4])
@pytest.mark.parametrize("years", [8, 20, 40])
def test_intervals_cover_the_true_slope(years, correlation):
    values = (
        correlated(np.random.default_rng(years), years, correlation, 5000) + 0.1 * np.arange(years)[:, None]
    )
    found = trend(values)
    assert ((found.low <= 0.1) & (found.high >= 0.1)).mean() > 0.93
    assert np.median(found.slope) == pytest.approx(0.1, abs=0.01)


def test_nothing_depends_on_neighbours_cuts_or_threads():
    values = np.random.default_rng(4).normal(size=(13, 3, 3000)).astype(np.float32)
    values[values > 1.5] = NAN
    whole = trend(values, threads=2)
    for column in (0, 31, 32, 2999):
        alone = trend(values[:, 1, column], threads=1)
        for name in vars(alone):
            np.testing.assert_array_equal(getattr(alone, name), getattr(whole, name)[1, column])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"values": np.zeros((2, 3))}, "3 to 400 years"),
        ({"values": np.zeros((401, 3))}, "3 to 400 years"),
        ({"values": np.zeros((9, 3), complex)}, "numbers"),
        ({"years": np.arange(8)}, "increasing whole numbers"),
        ({"years": [1, 2, 2, 3, 4, 5, 6, 7, 8]}, "increasing whole numbers"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"correction": "yue"}, "first-order, hamed-rao"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        trend(**({"values": np.zeros((9, 3))} | options))


@pytest.mark.parametrize(
    ("correction", "test"), [("none", "original_test"), ("hamed-rao", "hamed_rao_modification_test")]
)
@pytest.mark.parametrize("years", [12, 24, 40])  # of 55 pairs one is the median, and they round its residuals
def test_score_and_probability_are_those_of_pymannkendall(years, correction, test):
    theirs = pytest.importorskip("pymannkendall", reason="an oracle of scripts/benchmark.py")
    values = correlated(np.random.default_rng(years), years, 0.4, 50)
    found = trend(values, correction=correction)
    for k in range(50):
        if found.variance_factor[k] <= 0:
            continue
        expected = getattr(theirs, test)(values[:, k])
        assert (found.score[k], found.tau[k]) == (expected.s, pytest.approx(expected.Tau))
        assert found.slope[k] == pytest.approx(expected.slope)
        assert (found.z[k], found.p[k]) == pytest.approx((expected.z, expected.p), abs=1e-10)
