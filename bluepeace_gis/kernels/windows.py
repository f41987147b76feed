"""Two windows of dates in one pass: their maxima, what lies between, counts and gaps.

For each series the highest and second highest value in either window with the date of the highest, the
lowest value between the two maxima, the extremes of the whole, how many dates were observed, and how long
nothing was. The windows may differ from series to series, by an index into a table of them.

A block of neighbouring series is walked through at once by vector instructions. A second highest, or
second lowest, value is what one wrong observation cannot move.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.composites import (
    NO_DATE,
    Counts,
    Dates,
    Stack,
    flat_series,
    near_size,
    nodata_of,
    over_pixels,
)
from bluepeace_gis.kernels.neighbours import Labels

OUTSIDE: Final = 255  # index of a series that belongs to no row of windows
NO_GAP: Final = -1  # of such a series

_FARTHEST: Final = 1 << 29  # days from 0: two of them, and their difference, are int32
_BLOCK: Final = 64  # series side by side: 36 dates of them lie in the first cache
_SHARE: Final = 1 << 14  # series a thread takes at once

# Rows of the working memory, one number a series. Of values: highest and second highest of either window,
# then as below; of whole numbers: date and count of either window, then as below.
_LOW, _LOW_NEXT, _HIGH, _TROUGH = range(4, 8)
_ROWS: Final = 8
_DATES, _COUNTS = (0, 2), (1, 3)
_LAST, _GAP = 4, 5


@dataclass(frozen=True)
class TwoWindows:
    """Statistics of each series; values of the stack's type, nodata where nothing was observed.

    first, first_next     (...)  highest and second highest value in the first window
    first_date            (...)  index of the date of the highest, the first of equals; NO_DATE for none
    first_count           (...)  dates observed in the window
    second, second_next, second_date, second_count   the same of the second window
    trough                (...)  lowest value on the dates between the two maxima, these left out
    low, low_next, high   (...)  lowest, second lowest and highest value of all dates
    gap                   (...)  longest time without an observation from the first to the last day of the
                          windows, in the unit of the days: of observations on the 10th and the 30th, 20;
                          NO_GAP outside
    """

    first: Stack
    first_next: Stack
    second: Stack
    second_next: Stack
    low: Stack
    low_next: Stack
    high: Stack
    trough: Stack
    first_date: Dates
    second_date: Dates
    first_count: Counts
    second_count: Counts
    gap: Labels

    def amplitude(self, nodata: float | None = None) -> Stack:
        """Return highest less lowest value; int32 for whole numbers, whose difference may not fit their type.

        nodata   of the stack the statistics are of
        returns  (...)  0 where nothing was observed in whole numbers, NaN in float32
        """
        if self.high.dtype.kind == "f":
            return np.asarray(self.high - self.low)
        known = self.high != nodata_of(self.high, nodata)
        return np.where(known, self.high.astype(np.int32) - self.low, 0)


@njit(cache=True, nogil=True, error_model="numpy")
def _load(
    start: int, width: int, stack: Stack, nodata: Any, observed: Stack, none: Any, x: Stack, seen: Labels
) -> None:
    """Bring a block of series into one place, ``none`` where nothing was observed.

    stack, observed  (dates, n)  of which the series from ``start`` on are taken
    x                (dates * _BLOCK,)  changed: int32 or float32
    seen             (dates * _BLOCK,)  changed: 1 where ``observed`` has an observation
    """
    for d in range(stack.shape[0]):
        row, raw = stack[d, start : start + width], observed[d, start : start + width]
        here = d * _BLOCK
        for k in range(width):
            known = (row[k] != nodata) & np.isfinite(row[k])
            x[here + k] = row[k] if known else none
        for k in range(width):
            seen[here + k] = 1 if (raw[k] != nodata) & np.isfinite(raw[k]) else 0
        for k in range(width, _BLOCK):
            x[here + k] = none
            seen[here + k] = 0


# The four steps below get slices and not places in them: only so the compiler makes vector loops of them.


@njit(cache=True, nogil=True, error_model="numpy")
def _window(date: int, x: Stack, seen: Labels, bounds: Labels, work: Stack, count: Labels) -> None:
    """Let one date into a window of a block.

    x, seen  (_BLOCK,)  of the date
    bounds   (2 * _BLOCK,)  first index of a date and the one behind the last
    work     (2 * _BLOCK,)  changed: highest and second highest value
    count    (2 * _BLOCK,)  changed: date of the highest, number of observations
    """
    now, nothing = np.int32(date), np.int32(0)
    for k in range(_BLOCK):
        inside = (now >= bounds[k]) & (now < bounds[_BLOCK + k])
        best, second, value = work[k], work[_BLOCK + k], x[k]
        better = inside & (value > best)
        lesser = best if better else value  # what stands second now, if it is more than what did
        lesser = lesser if inside else second
        work[k] = value if better else best
        work[_BLOCK + k] = max(second, lesser)
        count[k] = now if better else count[k]
        count[_BLOCK + k] += seen[k] if inside else nothing


@njit(cache=True, nogil=True, error_model="numpy")
def _whole(x: Stack, none: Any, work: Stack) -> None:
    """Let one date into the lowest, second lowest and highest value of a block.

    x     (_BLOCK,)
    work  (3 * _BLOCK,)  changed
    """
    for k in range(_BLOCK):
        low, second, high, value = work[k], work[_BLOCK + k], work[2 * _BLOCK + k], x[k]
        known = value != none
        more = max(value, low)
        more = min(second, more)
        work[k] = value if known & (value < low) else low
        work[_BLOCK + k] = more if known else second
        work[2 * _BLOCK + k] = max(high, value)


@njit(cache=True, nogil=True, error_model="numpy")
def _wait(day: int, seen: Labels, span: Labels, count: Labels) -> None:
    """Let one date into the longest time without observation of a block.

    seen   (_BLOCK,)  of the date
    span   (2 * _BLOCK,)  first and last day of both windows
    count  (2 * _BLOCK,)  changed: day of the last observation, longest time
    """
    now = np.int32(day)
    for k in range(_BLOCK):
        inside = (seen[k] != 0) & (now >= span[k]) & (now <= span[_BLOCK + k])
        last, gap = count[k], count[_BLOCK + k]
        since = now - last
        count[k] = now if inside else last
        count[_BLOCK + k] = since if inside & (since > gap) else gap


@njit(cache=True, nogil=True, error_model="numpy")
def _between(date: int, x: Stack, none: Any, bounds: Labels, lowest: Stack) -> None:
    """Let one date into the lowest value between the maxima of a block, these left out.

    bounds  (2 * _BLOCK,)  dates of the maxima
    lowest  (_BLOCK,)  changed
    """
    now = np.int32(date)
    for k in range(_BLOCK):
        inside = (now > bounds[k]) & (now < bounds[_BLOCK + k]) & (x[k] != none)
        lowest[k] = x[k] if inside & (x[k] < lowest[k]) else lowest[k]


@njit(cache=True, nogil=True, error_model="numpy")
def two_windows_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    observed: Stack,
    limits: Stack,
    days: Labels,
    windows: Labels,
    window_of: npt.NDArray[np.uint8],
    values: Stack,
    dates: Dates,
    counts: Counts,
    gap: Labels,
) -> None:
    """Find the statistics of the series ``begin`` to ``end - 1``.

    begin, end  of the series
    stack       (dates, n)
    nodata      scalar of the stack's type; what is not finite was not observed either
    observed    (dates, n)  of the stack's type: whose observations are counted
    limits      (2,)  int32 or float32, as wide as the work is done: below and above all values
    days        (dates,)  int32, increasing
    windows     (k, 6)  of either window, the first index of a date and the one behind the last; first and
                last day of both
    window_of   (n,) or (0,)  row of windows of each series, OUTSIDE: none; empty: the first
    values      (8, n)  changed: highest and second highest of either window; lowest, second lowest and
                highest of all; lowest between the maxima
    dates       (2, n)  changed: indices of the maxima
    counts      (2, n)  changed: dates observed in either window
    gap         (n,)  changed: longest time without observation
    """
    many = stack.shape[0]
    none, beyond = limits[0], limits[1]
    x, seen = np.empty(many * _BLOCK, limits.dtype), np.empty(many * _BLOCK, np.int32)
    work, count = np.empty(_ROWS * _BLOCK, limits.dtype), np.empty(6 * _BLOCK, np.int32)
    bounds, span = np.empty(4 * _BLOCK, np.int32), np.empty(2 * _BLOCK, np.int32)
    wide = near_size(many)
    near, raw = np.empty((many, wide), stack.dtype), np.empty((many, wide), stack.dtype)
    for start in range(begin, end, _BLOCK):
        width = min(_BLOCK, end - start)
        at = (start - begin) % wide
        if at == 0:
            for d in range(many):
                stop = min(start + wide, end)
                near[d, : stop - start] = stack[d, start:stop]
                raw[d, : stop - start] = observed[d, start:stop]
        _load(at, width, near, nodata, raw, none, x, seen)
        for k in range(_BLOCK):
            row = 0
            if window_of.size > 0 and k < width:
                row = int(window_of[start + k])
            inside = row != OUTSIDE
            row = row if inside else 0
            for b in range(4):
                bounds[b * _BLOCK + k] = windows[row, b] if inside else 0
            for b in range(2):
                span[b * _BLOCK + k] = windows[row, 4 + b]
        work[:] = none
        work[_LOW * _BLOCK : (_LOW_NEXT + 1) * _BLOCK] = beyond
        work[_TROUGH * _BLOCK :] = beyond
        count[:] = 0
        for k in range(_BLOCK):
            count[_DATES[0] * _BLOCK + k] = NO_DATE
            count[_DATES[1] * _BLOCK + k] = NO_DATE
            count[_LAST * _BLOCK + k] = span[k]
        for d in range(many):
            values_now, seen_now = x[d * _BLOCK : (d + 1) * _BLOCK], seen[d * _BLOCK : (d + 1) * _BLOCK]
            for w in range(2):
                of_window = slice(2 * w * _BLOCK, 2 * (w + 1) * _BLOCK)
                _window(d, values_now, seen_now, bounds[of_window], work[of_window], count[of_window])
            _whole(values_now, none, work[_LOW * _BLOCK : (_HIGH + 1) * _BLOCK])
            _wait(days[d], seen_now, span, count[_LAST * _BLOCK : (_GAP + 1) * _BLOCK])
        for k in range(_BLOCK):
            one, two = count[_DATES[0] * _BLOCK + k], count[_DATES[1] * _BLOCK + k]
            both = (one >= 0) & (two >= 0)
            bounds[k] = min(one, two) if both else many
            bounds[_BLOCK + k] = max(one, two) if both else -1
        for d in range(many):
            values_now = x[d * _BLOCK : (d + 1) * _BLOCK]
            _between(d, values_now, none, bounds[: 2 * _BLOCK], work[_TROUGH * _BLOCK :])
        for k in range(width):
            here = start + k
            outside = window_of.size > 0 and window_of[here] == OUTSIDE
            for v in range(_ROWS):
                value = work[v * _BLOCK + k]
                known = (value != none) & (value != beyond) & (not outside)
                values[v, here] = stack.dtype.type(value) if known else nodata
            for w in range(2):
                dates[w, here] = count[_DATES[w] * _BLOCK + k]
                counts[w, here] = count[_COUNTS[w] * _BLOCK + k]
            longest = max(count[_GAP * _BLOCK + k], span[_BLOCK + k] - count[_LAST * _BLOCK + k])
            gap[here] = NO_GAP if outside else longest


def two_windows(
    stack: Stack,
    windows: npt.ArrayLike,
    nodata: float | None = None,
    *,
    days: npt.ArrayLike | None = None,
    window_of: npt.NDArray[np.uint8] | None = None,
    observed: Stack | None = None,
    threads: int | None = None,
) -> TwoWindows:
    """Find the maxima in two windows of dates, the lowest value between them, extremes, counts and gaps.

    stack      (dates, ...)  int16, uint16 or float32, observed or smoothed
    windows    (k, 4) or (4,)  whole numbers in the unit of ``days``: first and last day of the first, then
               of the second window, both days inside; they may overlap, or lie in any order
    nodata     the number that means "nothing was observed"; NaN and infinite were not observed either
    days       (dates,)  increasing whole numbers; None: 0, 1, 2, ...
    window_of  (...)  uint8: row of ``windows`` of each series, 255 where it is none; None: there is one row
    observed   the shape and type of ``stack``: whose observations are counted and whose gaps are measured,
               where ``stack`` is smoothed and has none; None: those of ``stack``
    raises     ValueError for arrays that do not fit together
    """
    missing, flat = nodata_of(stack, nodata), flat_series(stack)
    raw = flat
    if observed is not None:
        if observed.shape != stack.shape or observed.dtype != stack.dtype:
            raise ValueError(
                f"observed is {observed.dtype} {observed.shape}, expected {stack.dtype} {stack.shape}"
            )
        raw = flat_series(observed)
    axis = np.arange(len(flat)) if days is None else np.asarray(days)
    if axis.shape != (len(flat),) or axis.dtype.kind not in "iu" or not (np.diff(axis) > 0).all():
        raise ValueError(
            f"days is {axis.dtype} {axis.shape}, expected ({len(flat)},) increasing whole numbers"
        )
    if np.abs(axis).max() > _FARTHEST:
        raise ValueError(f"days holds {axis[0]} to {axis[-1]}, expected numbers up to {_FARTHEST}")
    table = np.atleast_2d(np.asarray(windows))
    if (
        table.ndim != 2
        or table.shape[1] != 4
        or table.dtype.kind not in "iu"
        or not 0 < len(table) <= OUTSIDE
    ):
        raise ValueError(
            f"windows is {table.dtype} {table.shape}, expected whole numbers (1 to {OUTSIDE}, 4)"
        )
    fits = (
        (table[:, 0] <= table[:, 1]) & (table[:, 2] <= table[:, 3]) & (np.abs(table) <= _FARTHEST).all(axis=1)
    )
    if not fits.all():
        raise ValueError(
            f"windows is {table[~fits][0].tolist()}, expected first and last days, up to {_FARTHEST}"
        )
    rows = _rows(window_of, stack.shape[1:], len(table))
    inside = np.empty((len(table), 6), np.int32)
    inside[:, [0, 2]] = np.searchsorted(axis, table[:, [0, 2]], side="left")
    inside[:, [1, 3]] = np.searchsorted(axis, table[:, [1, 3]], side="right")
    inside[:, 4], inside[:, 5] = table.min(axis=1), table.max(axis=1)
    limits = np.array([-np.inf, np.inf], np.float32)
    if stack.dtype.kind != "f":
        limits = np.array([np.iinfo(np.int32).min, np.iinfo(np.int32).max], np.int32)
    size = flat.shape[1]
    values, dates = np.empty((8, size), flat.dtype), np.empty((2, size), np.int16)
    counts, gap = np.empty((2, size), np.uint16), np.empty(size, np.int32)
    over_pixels(
        lambda begin, end: two_windows_between(
            begin, end, flat, missing, raw, limits, axis.astype(np.int32), inside, rows,
            values, dates, counts, gap,
        ),
        size,
        share=_SHARE,
        threads=threads,
    )  # fmt: skip
    place = stack.shape[1:]
    return TwoWindows(
        first=values[0].reshape(place),
        first_next=values[1].reshape(place),
        second=values[2].reshape(place),
        second_next=values[3].reshape(place),
        low=values[4].reshape(place),
        low_next=values[5].reshape(place),
        high=values[6].reshape(place),
        trough=values[7].reshape(place),
        first_date=dates[0].reshape(place),
        second_date=dates[1].reshape(place),
        first_count=counts[0].reshape(place),
        second_count=counts[1].reshape(place),
        gap=gap.reshape(place),
    )


def _rows(
    window_of: npt.NDArray[np.uint8] | None, shape: tuple[int, ...], number: int
) -> npt.NDArray[np.uint8]:
    """Return the row of windows of each series; empty where there is one for all."""
    if window_of is None:
        if number != 1:
            raise ValueError(f"there are {number} rows of windows, expected one, or the row of each series")
        return np.zeros(0, np.uint8)
    if window_of.shape != shape or window_of.dtype != np.uint8:
        raise ValueError(f"window_of is {window_of.dtype} {window_of.shape}, expected uint8 {shape}")
    strange = window_of[(window_of >= number) & (window_of != OUTSIDE)]
    if strange.size:
        raise ValueError(f"window_of holds {strange[0]}, expected 0 to {number - 1}, or {OUTSIDE} for none")
    return np.ascontiguousarray(window_of).reshape(-1)
