"""Slopes of annual values and whether they are more than chance: Theil and Sen, Mann and Kendall.

The slope is the median of the slopes between all pairs of years (Sen 1968,
doi:10.1080/01621459.1968.10480934): up to 29 % of the years may be anything. The test counts the pairs
that grow less those that fall, corrected for ties (Kendall 1975); its interval holds the slopes that the
test would not reject, so that it leaves out zero exactly where the test finds a trend.

Years are not independent: a dry one is followed by a dry one, and the test then finds trends where there
are none. How often, at a nominal 5 %, in 20,000 simulated series without trend (Yue & Wang: 4,000):

    years, autocorrelation of first order    10, 0   10, 0.4   20, 0   20, 0.4   20, 0.6   40, 0.6
    no correction                             4.5     13.6      4.7     16.4      27.8      30.1
    Hamed & Rao, the significant lags         4.4     13.5      8.0     18.8      27.2      22.5
    Yue & Wang, all lags of the sample       35.9     48.8     42.9     49.5      55.0      54.1
    first order, as here                      2.7      6.3      3.3      6.1       7.8       6.4

Hamed & Rao's correction (1998, doi:10.1016/S0022-1694(97)00125-X) rests on single lags of a short
series, and the negative ones that come out significant make trends more certain; summed over all lags,
the autocorrelations of a sample say next to nothing of the series. So the default takes the effective
number of years from the first lag alone, as Yue & Wang do (2004,
doi:10.1023/B:WARM.0000043140.61082.60), with that lag freed of its bias, and never lets it make a trend
more certain.

A block of neighbouring series is worked on at once by vector instructions; nothing depends on how the
stack is cut or on the number of threads.
"""

from dataclasses import dataclass
from functools import cache
from math import erfc, gcd, sqrt
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.composites import over_pixels, sort_columns
from bluepeace_gis.kernels.neighbours import Cells, Reals

Correction = Literal["first-order", "hamed-rao", "none"]

CONFIDENCE: Final = 0.95
LEAST_YEARS: Final = 3  # below, nothing is left to test a slope against
MOST_YEARS: Final = 400  # 79,800 pairs of 32 series fill 20 MB for each thread

# Up to so many years without ties the probabilities are counted, as Gilbert (1987, Statistical methods for
# environmental pollution monitoring, 16.4.2) asks; above, the normal distribution stands for them.
EXACT_YEARS: Final = 10

# Lags of Hamed & Rao count where they are significant at this level, as in pymannkendall.
LAG_SIGNIFICANCE: Final = 0.05

# The autocorrelation of residuals from a line is too small by (2 + 4 rho) / n on average
# (van Giersbergen 2005, Economics Letters 89, 75-82, which Hamed 2009 uses for this test): undone by
# (n r + 2) / (n - 4), and kept below one.
_STRONGEST: Final = 0.95

# Of the largest value: residuals that differ by less differ by rounding.
_ROUNDING: Final = 1e-12

_CORRECTIONS: Final[dict[Correction, int]] = {"none": 0, "first-order": 1, "hamed-rao": 2}
_BLOCK: Final = 32  # series side by side: 300 slopes of them lie in the second cache
_SHARE: Final = 1 << 10  # series a thread takes at once
_FIELDS: Final = 9


@dataclass(frozen=True)
class Trend:
    """The trend of each series; all in float64 and of the shape of one year, NaN below three known years.

    slope            change per year
    low, high        its interval; infinite where there are too few years for one
    intercept        value of the line in the first year of the axis
    score            growing less falling pairs, Kendall's S
    tau              score over the number of pairs, -1..1
    z                the score in standard deviations, corrected for continuity
    p                probability of as large a score without trend, of both signs; NaN, and the interval
                     infinite, where Hamed & Rao's factor is not above 0
    variance_factor  by which autocorrelation widens the variance of the score; over it, the number of
                     years is the effective number
    count            number of years known
    """

    slope: Reals
    low: Reals
    high: Reals
    intercept: Reals
    score: Reals
    tau: Reals
    z: Reals
    p: Reals
    variance_factor: Reals
    count: Cells


@cache
def exact_tails(years: int) -> Reals:
    """Return the probability of a score of at least s in absolute value, without trend and ties.

    years    number of years
    returns  (years * (years - 1) / 2 + 1,)  for s = 0, 1, ...

    The number of falling pairs is that of the inversions of a permutation; one year more in k places adds
    0 to k - 1 of them.
    """
    share = np.ones(1)
    for k in range(2, years + 1):
        share = np.convolve(share, np.full(k, 1 / k))
    pairs = years * (years - 1) // 2
    score = np.abs(pairs - 2 * np.arange(pairs + 1))
    # From the far end: small probabilities keep their digits.
    at = np.bincount(score, weights=share, minlength=pairs + 1)
    return np.minimum(np.cumsum(at[::-1])[::-1], 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _pair(
    early: Reals, late: Reals, span: float, slope: Reals, score: Reals, ties: Reals, i: int, j: int
) -> None:
    """Take one pair of years of a block: its slope, its sign, whether it is a tie.

    early, late  (_BLOCK,)  NaN where not known
    span         years between
    slope        (_BLOCK,)  changed; infinite where one is not known
    score        (_BLOCK,)  changed
    ties         (years * _BLOCK,)  changed: for each year, others equal to it
    i, j         the years
    """
    for k in range(_BLOCK):
        change = late[k] - early[k]
        slope[k] = change / span if change == change else np.inf  # noqa: PLR0124  NaN equals nothing
        score[k] += (1.0 if change > 0 else 0.0) - (1.0 if change < 0 else 0.0)
    for k in range(_BLOCK):
        same = 1.0 if late[k] == early[k] else 0.0
        ties[i * _BLOCK + k] += same
        ties[j * _BLOCK + k] += same


@njit(cache=True, nogil=True, error_model="numpy")
def _middle(sorted_: Reals, count: int, k: int) -> float:
    """Return the median of the first ``count`` of a sorted column."""
    half = count // 2
    if count % 2:
        return float(sorted_[half, k])
    return float((sorted_[half - 1, k] + sorted_[half, k]) / 2)


@njit(cache=True, nogil=True, error_model="numpy")
def effective_factor(correlation: float, count: int) -> float:
    """Return by how much first-order autocorrelation widens the variance of a mean.

    correlation  of neighbouring years, below 1
    count        number of years
    returns      1 + 2 * sum over k of (1 - k / count) * correlation**k, in closed form
    """
    total = correlation ** (count + 1) - count * correlation**2 + (count - 1) * correlation
    return float(1.0 + 2.0 * total / (count * (1.0 - correlation) ** 2))


@njit(cache=True, nogil=True, error_model="numpy")
def first_order_factor(residual: Reals, place: Cells, rounding: float) -> float:
    """Return the factor of the variance that the lag of one year leads to; at least 1.

    residual  (years,)  about the line; NaN where not known
    place     (years,)  of each year on the regular axis
    rounding  residuals of this size are none
    returns   see :func:`effective_factor`, of the first autocorrelation freed of its bias
    """
    count, total = 0, 0.0
    for i in range(residual.size):
        if np.isfinite(residual[i]):
            count += 1
            total += residual[i]
    if count < 5:
        return 1.0  # the correction of the bias has no sense
    mean = total / count
    square, product, pairs = 0.0, 0.0, 0
    for i in range(residual.size):
        if not np.isfinite(residual[i]):
            continue
        square += (residual[i] - mean) ** 2
        for j in range(i + 1, residual.size):
            if place[j] - place[i] > 1:
                break
            if np.isfinite(residual[j]):
                product += (residual[i] - mean) * (residual[j] - mean)
                pairs += 1
    if pairs == 0 or square <= count * rounding * rounding:
        return 1.0
    # As if all count - 1 pairs were known, so that gaps do not make it small.
    found = product / square * (count - 1) / pairs
    free = (count * found + 2.0) / (count - 4)
    return float(effective_factor(min(max(free, 0.0), _STRONGEST), count))


@njit(cache=True, nogil=True, error_model="numpy")
def hamed_rao_factor(residual: Reals, place: Cells, rounding: float, threshold: float) -> float:
    """Return the factor of the variance that the significant autocorrelations of the ranks lead to.

    residual   (years,)  about the line; NaN where not known
    place      (years,)  of each year on the regular axis
    rounding   residuals that differ by less are equal
    threshold  a lag is significant above this over the root of the number of years
    returns    1 + 2 / (n (n - 1) (n - 2)) * sum over k of (n - k) (n - k - 1) (n - k - 2) r[k]; below 1, or
               even below 0, where negative lags prevail (see Trend.p)
    """
    years = residual.size
    rank = np.zeros(years)
    count = 0
    for i in range(years):
        if not np.isfinite(residual[i]):
            continue
        count += 1
        for j in range(years):
            away = residual[i] - residual[j]
            if abs(away) <= rounding:
                rank[i] += 0.5
            elif away > 0:
                rank[i] += 1.0
    mean, square = 0.0, 0.0
    for i in range(years):
        mean += rank[i] / count
    for i in range(years):
        rank[i] = rank[i] - mean if np.isfinite(residual[i]) else 0.0
        square += rank[i] ** 2
    if count < LEAST_YEARS or square == 0:
        return 1.0
    lags = np.zeros(count)
    for i in range(years):
        for j in range(i + 1, years):
            if place[j] - place[i] < count:
                lags[place[j] - place[i]] += rank[i] * rank[j]
    total = 0.0
    for lag in range(1, count):
        if abs(lags[lag] / square) > threshold / np.sqrt(count):
            left = float(count - lag)
            total += left * (left - 1) * (left - 2) * lags[lag] / square
    return float(1.0 + 2.0 * total / (count * (count - 1.0) * (count - 2.0)))


@njit(cache=True, nogil=True, error_model="numpy")
def trends_between(
    begin: int,
    end: int,
    values: npt.NDArray[Any],
    years: Reals,
    place: Cells,
    correction: int,
    threshold: float,
    bound: float,
    tails: Reals,
    largest: Cells,
    found: Reals,
    count: Cells,
) -> None:
    """Find the trends of the series ``begin`` to ``end - 1``.

    begin, end  of the series
    values      (years, n)  NaN and infinite: not known
    years       (years,)  increasing
    place       (years,)  of each year on the regular axis
    correction  0 none, 1 first order, 2 Hamed & Rao
    threshold   normal deviate beyond which a lag counts
    bound       normal deviate of the interval
    tails       (EXACT_YEARS + 1, s)  probability of a score of at least s without ties
    largest     (EXACT_YEARS + 1,)  the largest score that is not rejected
    found       (9, n)  changed: slope, low, high, intercept, score, tau, z, p, factor of the variance
    count       (n,)  changed: years known
    """
    many = years.size
    column = np.empty((many, _BLOCK))
    residual = np.empty((many, _BLOCK))
    slopes = np.empty((many * (many - 1) // 2, _BLOCK))
    score, ties = np.empty(_BLOCK), np.empty(many * _BLOCK)
    one = np.empty(many)
    for start in range(begin, end, _BLOCK):
        width = min(_BLOCK, end - start)
        column[:] = np.nan
        score[:] = 0.0
        ties[:] = 0.0
        count[start : start + width] = 0
        for i in range(many):
            for k in range(width):
                value = np.float64(values[i, start + k])
                known = np.isfinite(value)
                column[i, k] = value if known else np.nan
                count[start + k] += known
        pair = 0
        for i in range(many):
            for j in range(i + 1, many):
                _pair(column[i], column[j], years[j] - years[i], slopes[pair], score, ties, i, j)
                pair += 1
        sort_columns(slopes)
        for k in range(width):
            known = count[start + k]
            if known < LEAST_YEARS:
                found[:, start + k] = np.nan
                continue
            pairs = known * (known - 1) // 2
            slope = _middle(slopes, pairs, k)
            size, tied = 0.0, 0.0
            for i in range(many):
                one[i] = column[i, k] - slope * (years[i] - years[0])
                if np.isfinite(column[i, k]):
                    size = max(size, abs(column[i, k]))
                    same = ties[i * _BLOCK + k] + 1.0
                    tied += (same - 1.0) * (2.0 * same + 5.0)  # of each group of t: t (t - 1) (2 t + 5)
                residual[i, k] = one[i] if np.isfinite(one[i]) else np.inf
            factor = 1.0
            if correction == 1:
                factor = first_order_factor(one, place, size * _ROUNDING)
            elif correction == 2:
                factor = hamed_rao_factor(one, place, size * _ROUNDING, threshold)
            variance = (known * (known - 1.0) * (2.0 * known + 5.0) - tied) / 18.0 * factor
            deviation = np.sqrt(variance) if variance > 0 else 0.0
            away = max(abs(score[k]) - 1.0, 0.0)
            z = np.sign(score[k]) * away / deviation if deviation > 0 else 0.0
            p = erfc(abs(z) / sqrt(2.0))
            allowed = bound * deviation + 1.0
            if tied == 0 and known <= EXACT_YEARS:
                exact = tails[known, int(abs(score[k]))]
                p = exact if factor == 1.0 else max(p, exact)
                allowed = float(largest[known]) if factor == 1.0 else max(allowed, float(largest[known]))
            # What falls short of this rank would be rejected: as many slopes lie below as the score allows.
            rank = int(np.ceil((pairs - allowed) / 2.0))
            if factor <= 0:  # Hamed & Rao's can be: then there is no variance to test against
                z, p, rank = np.nan, np.nan, 0
            found[0, start + k] = slope
            found[1, start + k] = slopes[rank - 1, k] if rank >= 1 else -np.inf
            found[2, start + k] = slopes[pairs - rank, k] if rank >= 1 else np.inf
            found[4, start + k] = score[k]
            found[5, start + k] = score[k] / pairs
            found[6, start + k] = z
            found[7, start + k] = p
            found[8, start + k] = factor
        sort_columns(residual)
        for k in range(width):
            if count[start + k] >= LEAST_YEARS:
                found[3, start + k] = _middle(residual, count[start + k], k)


def trend(
    values: npt.NDArray[Any],
    years: npt.ArrayLike | None = None,
    *,
    confidence: float = CONFIDENCE,
    correction: Correction = "first-order",
    threads: int | None = None,
) -> Trend:
    """Find the trend of each series of annual values.

    values      (years, ...)  numbers, NaN and infinite where not known; (years,) is one series
    years       (years,)  increasing whole numbers; None: consecutive. Autocorrelations are between values one
                step of this axis apart, its step the largest that all years lie on
    confidence  of the interval, above 0 and below 1
    correction  "first-order", "hamed-rao" or "none": see the head of this module
    raises      ValueError for arrays that do not fit together

    Up to ten years without ties the probability is the exact one; with a correction, that of the corrected
    normal distribution where it is larger: no trend of four years is ever significant at 5 %, and one of
    five only if all grow or all fall. Intervals follow: of four years they are infinite.
    """
    if values.ndim < 1 or values.dtype.kind not in "iuf" or not LEAST_YEARS <= len(values) <= MOST_YEARS:
        raise ValueError(
            f"values is {values.dtype} {values.shape}, expected numbers (years, ...) of {LEAST_YEARS} to "
            f"{MOST_YEARS} years"
        )
    axis = np.arange(len(values)) if years is None else np.asarray(years)
    if axis.shape != (len(values),) or axis.dtype.kind not in "iu" or not (np.diff(axis) > 0).all():
        raise ValueError(
            f"years is {axis.dtype} {axis.shape}, expected ({len(values)},) increasing whole numbers"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected a number between 0 and 1")
    if correction not in _CORRECTIONS:
        raise ValueError(f"correction is {correction!r}, expected one of {', '.join(_CORRECTIONS)}")
    place = (axis.astype(np.int64) - int(axis[0])) // gcd(*np.diff(axis.astype(np.int64)).tolist())
    tails = np.zeros((EXACT_YEARS + 1, EXACT_YEARS * (EXACT_YEARS - 1) // 2 + 1))
    largest = np.zeros(EXACT_YEARS + 1, np.int64)
    for count in range(LEAST_YEARS, EXACT_YEARS + 1):
        row = exact_tails(count)
        tails[count, : row.size] = row
        largest[count] = np.flatnonzero(row > 1 - confidence)[-1]
    flat = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).reshape(len(values), -1)
    found = np.empty((_FIELDS, flat.shape[1]))
    known = np.empty(flat.shape[1], np.int64)
    normal = NormalDist()
    over_pixels(
        lambda begin, end: trends_between(
            begin,
            end,
            flat,
            axis.astype(np.float64),
            place,
            _CORRECTIONS[correction],
            normal.inv_cdf(1 - LAG_SIGNIFICANCE / 2),
            normal.inv_cdf((1 + confidence) / 2),
            tails,
            largest,
            found,
            known,
        ),
        flat.shape[1],
        share=_SHARE,
        threads=threads,
    )
    field = found.reshape(_FIELDS, *values.shape[1:])
    return Trend(
        slope=field[0],
        low=field[1],
        high=field[2],
        intercept=field[3],
        score=field[4],
        tau=field[5],
        z=field[6],
        p=field[7],
        variance_factor=field[8],
        count=known.reshape(values.shape[1:]),
    )
