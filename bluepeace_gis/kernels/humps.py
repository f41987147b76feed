"""The two humps of a yearly curve with gaps: how high they stand, what lies between, what gaps may hide.

A curve is known on some days only. A hump takes time to grow, to stand and to decline, however high it is,
so that each gap has a highest hump it may hide. All in one walk over the memory.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.neighbours import Codes, Labels, Reals
from bluepeace_gis.kernels.normalized import NODATA, STEPS
from bluepeace_gis.kernels.tiles import Tiling

Shorts = npt.NDArray[np.int16]

OUTSIDE: Final = 255  # the index of cells that belong to no row of windows
_SHARE: Final = 1 << 14  # cells a thread takes at once

FIRST, SECOND, TROUGH, BASE, RISE, FALL, FIRST_HIDDEN, SECOND_HIDDEN, KNOWN = range(9)
_FIELDS: Final = 9


@dataclass(frozen=True)
class Shape:
    """How curves are read; differences in steps of the values, times in days.

    Parameters
    ----------
    reach : int
        Dates farther apart do not support each other.
    spike : int
        What stands more than this above both neighbours within reach is lowered to the higher of them.
    base_share : float, 0..1
        The base is the quantile of the whole curve at this share.
    base_most : int
        Nothing above this is taken for the base.
    half : float, 0..1
        The hump lasts while the curve stands above this part of its height over the base.
    growth, decline : float, days
        A hump takes at least so long to rise from the base to its height, and to fall back to it.
    standing : float, days
        Between the two it stands at its height at least so long, and inside the window it belongs to.
    support : float, days
        Gaps up to this length are none.
    """

    reach: int
    spike: int
    base_share: float
    base_most: int
    half: float
    growth: float
    decline: float
    standing: float
    support: float


@dataclass(frozen=True)
class Humps:
    """What ``humps`` finds, each with the shape of one date; NODATA where there is none.

    first, second   the highest level in each window: the mean of a date and its higher neighbour in reach,
                    no more than the date itself
    trough          the lowest such mean, of a date and its lower neighbour, between the two
    base            the quantile of the whole curve, no more than Shape.base_most
    rise, fall      the days between which the curve stands above half its height around its highest date, and
                    around both peaks if they stand so high; the first or last known day if it does so there
    first_hidden, second_hidden  the height of the highest hump that gaps in each window may hide
    known           number of dates it is known on
    """

    first: Shorts
    second: Shorts
    trough: Shorts
    base: Shorts
    rise: Shorts
    fall: Shorts
    first_hidden: Shorts
    second_hidden: Shorts
    known: Shorts


@njit(cache=True, nogil=True)
def _quantile(values: Reals, count: int, share: float, least: Reals) -> float:
    """Return the quantile of the first ``count`` values: one of them, the lower of the two beside it.

    least  (count,) or longer  used as workspace
    """
    wanted = int(share * (count - 1)) + 1  # only so many of the least values need an order
    kept = 0
    for k in range(count):
        value = values[k]
        if kept == wanted:
            if value >= least[kept - 1]:
                continue
            kept -= 1
        at = kept
        while at > 0 and least[at - 1] > value:
            least[at] = least[at - 1]
            at -= 1
        least[at] = value
        kept += 1
    found: float = least[wanted - 1]
    return found


@njit(cache=True, nogil=True)
def _supported(value: Reals, day: Reals, count: int, reach: float, sign: float, out: Reals) -> None:
    """Write the mean of each value and its better neighbour within reach, no better than the value itself.

    sign  1.0: higher is better, -1.0: lower is better
    """
    for k in range(count):
        best = -np.inf
        if k > 0 and day[k] - day[k - 1] <= reach:
            best = sign * value[k - 1]
        if k + 1 < count and day[k + 1] - day[k] <= reach:
            best = max(best, sign * value[k + 1])
        mine = sign * value[k]
        out[k] = value[k] if best == -np.inf else sign * (mine + min(best, mine)) / 2


@njit(cache=True, nogil=True)
def _highest(
    left: float,
    right: float,
    base: float,
    growth: float,
    decline: float,
    before: float,
    after: float,
    spare: float,
) -> float:
    """Return the height of the highest hump between two known values.

    left, right      the values, not below base
    base             where humps begin and end
    growth, decline  days from the base to the height, and back
    before, after    days that may pass from the left value to the height, and from it to the right one
    spare            days for both together
    """
    if before < 0 or after < 0 or spare < 0:
        return -np.inf
    # a hump of height h has (left - base) / (h - base) of its growth behind it on the left, and the like of
    # its decline before it on the right: what remains of either must fit
    most = np.inf
    if before < growth:
        most = (growth * left - before * base) / (growth - before)
    if after < decline:
        most = min(most, (decline * right - after * base) / (decline - after))
    if spare < growth + decline:
        most = min(most, (growth * left + decline * right - spare * base) / (growth + decline - spare))
    return most


@njit(cache=True, nogil=True)
def _hidden(
    value: Reals,
    day: Reals,
    count: int,
    begin: float,
    end: float,
    base: float,
    growth: float,
    decline: float,
    standing: float,
    support: float,
) -> float:
    """Return the height of the highest hump that stands between two days and gaps may hide; -inf: none."""
    if count == 0:
        return np.inf
    most = -np.inf
    if min(day[0], end) - begin > support:  # whatever was before may have grown long ago
        most = _highest(
            np.inf, max(value[0], base), base, 0.0, decline, 0.0, day[0] - begin - standing, np.inf
        )
    if end - max(day[count - 1], begin) > support:
        last = max(value[count - 1], base)
        most = max(
            most, _highest(last, np.inf, base, growth, 0.0, end - standing - day[count - 1], 0.0, np.inf)
        )
    for k in range(count - 1):
        left, right = day[k], day[k + 1]
        if right - left <= support or right <= begin or left >= end:
            continue
        top = _highest(
            max(value[k], base),
            max(value[k + 1], base),
            base,
            growth,
            decline,
            end - standing - left,
            right - begin - standing,
            right - left - standing,
        )
        # the higher of both may go on into the gap, and so be more than a single date
        most = max(most, top, value[k], value[k + 1])
    return most


@njit(cache=True, nogil=True)
def _crossing(low_day: float, low: float, high_day: float, high: float, level: float) -> float:
    """Return the day on which the line between two dates passes ``level``."""
    if high == low:
        return high_day
    return low_day + (high_day - low_day) * (level - low) / (high - low)


@njit(cache=True, nogil=True)
def _rounded(value: float) -> np.int16:
    if value == -np.inf:
        return np.int16(NODATA)
    return np.int16(np.rint(min(max(value, -STEPS), STEPS)))


@njit(cache=True, nogil=True)
def humps_between(
    begin: int,
    end: int,
    stack: Shorts,
    days: Shorts,
    windows: Labels,
    window_of: Codes,
    shape: Reals,
    out: Shorts,
) -> None:
    """Describe the curves ``begin`` to ``end - 1``.

    begin, end  of the cells
    stack       (dates, n)  NODATA where not known
    days        (dates, n), or (dates, 1) for all cells  never falling where known
    windows     (k, 4)  first and last day of the first, then of the second window
    window_of   (n,)  the row of ``windows`` of each cell; OUTSIDE: left out
    shape       (9,)  the fields of Shape in their order
    out         (9, n)  changed: the fields of Humps in their order
    """
    dates = stack.shape[0]
    every = 0 if days.shape[1] == 1 else 1  # 0: all cells share one column of days
    reach, spike, share, base_most = shape[0], shape[1], shape[2], shape[3]
    half, growth, decline, standing, support = shape[4], shape[5], shape[6], shape[7], shape[8]
    raw, value, day, level, low, order = (
        np.empty(dates), np.empty(dates), np.empty(dates), np.empty(dates), np.empty(dates), np.empty(dates)
    )  # fmt: skip
    for cell in range(begin, end):
        for field in range(_FIELDS):
            out[field, cell] = NODATA
        if window_of[cell] == OUTSIDE:
            continue
        count = 0
        for date in range(dates):
            number = stack[date, cell]
            if number != NODATA:
                raw[count], day[count] = number, days[date, every * cell]
                count += 1
        for k in range(count):
            value[k] = raw[k]
            if 0 < k < count - 1 and day[k] - day[k - 1] <= reach and day[k + 1] - day[k] <= reach:
                beside = max(raw[k - 1], raw[k + 1])
                if raw[k] - beside > spike:
                    value[k] = beside
        out[KNOWN, cell] = count
        window = windows[window_of[cell]]
        base = min(_quantile(value, count, share, order), base_most) if count > 0 else 0.0
        for which in range(2):
            hidden = _hidden(
                value,
                day,
                count,
                window[2 * which],
                window[2 * which + 1],
                base,
                growth,
                decline,
                standing,
                support,
            )
            out[FIRST_HIDDEN + which, cell] = _rounded(hidden)
        if count == 0:
            continue

        out[BASE, cell] = _rounded(base)

        _supported(value, day, count, reach, 1.0, level)
        at = [-1, -1]
        for which in range(2):
            for k in range(count):
                inside = window[2 * which] <= day[k] <= window[2 * which + 1]
                if inside and (at[which] < 0 or level[k] > level[at[which]]):
                    at[which] = k
            if at[which] >= 0:
                out[FIRST + which, cell] = _rounded(level[at[which]])
        if at[0] >= 0 and at[1] >= 0:
            _supported(value, day, count, reach, -1.0, low)
            trough = low[at[0]]
            for k in range(at[0], at[1] + 1):
                trough = min(trough, low[k])
            out[TROUGH, cell] = _rounded(trough)

        top, highest = -1, -np.inf
        for k in range(count):
            if window[0] <= day[k] <= window[3]:
                highest = max(highest, level[k])
                if top < 0 or value[k] > value[top]:
                    top = k
        if top < 0:
            continue
        middle = base + half * (highest - base)
        left = right = top
        # what dips below between two peaks is one hump still, if they both stand above
        if at[0] >= 0 and value[at[0]] >= middle:
            left = min(left, at[0])
        if at[1] >= 0 and value[at[1]] >= middle:
            right = max(right, at[1])
        while left > 0 and value[left - 1] >= middle:
            left -= 1
        while right < count - 1 and value[right + 1] >= middle:
            right += 1
        rises, falls = day[left], day[right]
        if left > 0:
            rises = _crossing(day[left - 1], value[left - 1], day[left], value[left], middle)
        if right < count - 1:
            falls = _crossing(day[right + 1], value[right + 1], day[right], value[right], middle)
        out[RISE, cell], out[FALL, cell] = _rounded(rises), _rounded(falls)


def humps(
    stack: npt.NDArray[Any],
    days: npt.NDArray[np.integer[Any]],
    windows: npt.NDArray[np.integer[Any]],
    shape: Shape,
    *,
    window_of: Codes | None = None,
    threads: int | None = None,
) -> Humps:
    """Describe the curve of every cell of a stack.

    stack      (dates, ...) int16, NODATA where not known; 10,000 steps are 1
    days       (dates,), or (dates, ...) for each cell its own  never falling where known
    windows    (k, 4)  first and last day of the first, then of the second window
    window_of  (...) uint8  the row of ``windows`` of each cell, OUTSIDE: left out; None: the only one
    returns    fields of the shape (...)
    raises     ValueError if shapes or types do not fit, or the days fall
    """
    own = days.shape == stack.shape and stack.ndim > 1
    if stack.dtype != np.int16 or stack.ndim < 1 or not (own or days.shape == stack.shape[:1]):
        raise ValueError(f"found a stack {stack.dtype} {stack.shape} and days {days.shape}; expected int16")
    if not own and (np.diff(days) < 0).any():
        raise ValueError("found days that fall; expected them in their order")
    rows = np.ascontiguousarray(windows, np.int32)
    place = stack.shape[1:]
    of = np.zeros(place, np.uint8) if window_of is None else window_of
    if of.shape != place or of.dtype != np.uint8:
        raise ValueError(f"found window_of {of.dtype} {of.shape}; expected uint8 {place}")
    used = of[of != OUTSIDE]
    if rows.ndim != 2 or rows.shape[1] != 4 or (used.size and used.max() >= len(rows)):
        raise ValueError(f"found windows {rows.shape}; expected a row of four days for each index")
    cells = int(np.prod(place, dtype=np.int64))
    flat = np.ascontiguousarray(stack).reshape(stack.shape[0], cells)
    index = np.ascontiguousarray(of).reshape(-1)
    out = np.empty((_FIELDS, cells), np.int16)
    numbers = np.array([getattr(shape, field.name) for field in fields(shape)], np.float64)
    day = np.ascontiguousarray(days.reshape(len(stack), -1), np.int16)
    tiles.each(
        lambda part: humps_between(part.row, part.row + part.rows, flat, day, rows, index, numbers, out),
        Tiling(cells, 1, _SHARE),
        threads=threads,
    )
    return Humps(*(out[k].reshape(place) for k in range(_FIELDS)))
