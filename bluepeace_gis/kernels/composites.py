"""One value per pixel from many dates: extremes with their date, medians, percentiles, counts.

Stacks are time-major, (dates, rows, columns), and each pixel is one column of numbers. Whatever is
done to one column is done to a block of neighbours at once by the processor's vector instructions;
so a block is sorted by a network of minima and maxima that is the same for every pixel (Batcher's
merge exchange; Knuth, The Art of Computer Programming, volume 3, 5.2.2, algorithm M) and needs no
branch. No result depends on how the pixels are cut into blocks or on the number of threads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.neighbours import Cells, Reals, Singles
from bluepeace_gis.kernels.normalized import flat_numbers
from bluepeace_gis.kernels.tiles import Tiling

Stack = npt.NDArray[Any]
Dates = npt.NDArray[np.int16]
Counts = npt.NDArray[np.uint16]
Result = TypeVar("Result")

NO_DATE: Final = -1
MOST_DATES: Final = 32_767  # the index of a date is int16

_TYPES: Final = ("int16", "uint16", "float32")
_BLOCK: Final = 256  # pixels side by side: 60 dates of int16 lie in the first cache
_SHARE: Final = 1 << 15  # pixels a thread takes at once


@dataclass(frozen=True)
class Extreme:
    """The largest or smallest observation of each pixel.

    value  ([periods,] rows, columns)  of the stack's type; nodata where nothing was observed
    date   ([periods,] rows, columns)  its index in the stack, the first of equals; NO_DATE for none
    count  ([periods,] rows, columns)  number of observations
    """

    value: Stack
    date: Dates
    count: Counts


@dataclass(frozen=True)
class Ranked:
    """Percentiles of each pixel's observations.

    value  (k, rows, columns)  or (rows, columns) for a median; NaN where nothing was observed
    count  (rows, columns)  number of observations
    """

    value: Singles
    count: Counts


@njit(cache=True, nogil=True, error_model="numpy")
def extremes_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    largest: bool,
    value: Stack,
    date: Dates,
    count: Counts,
) -> None:
    """Find the largest or smallest observation of the pixels ``begin`` to ``end - 1``.

    begin, end  of the flat pixels
    stack       (dates, n)
    nodata      scalar of the stack's type; what is not finite was not observed either
    largest     or else smallest
    value       (n,)  changed: the observation, nodata where there is none
    date        (n,)  changed: its index, the first of equals, -1 where there is none
    count       (n,)  changed: number of observations
    """
    for start in range(begin, end, _BLOCK):
        stop = min(start + _BLOCK, end)
        best, when, seen = value[start:stop], date[start:stop], count[start:stop]
        for k in range(stop - start):
            best[k] = nodata
            when[k] = NO_DATE
            seen[k] = 0
        for d in range(stack.shape[0]):
            row = stack[d, start:stop]
            for k in range(stop - start):
                here = row[k]
                known = (here != nodata) & np.isfinite(here)
                better = (here > best[k]) if largest else (here < best[k])
                taken = known & (better | (when[k] < 0))
                best[k] = here if taken else best[k]
                when[k] = np.int16(d) if taken else when[k]
                seen[k] += np.uint16(known)


@njit(cache=True, nogil=True, error_model="numpy")
def largest_of_periods_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    order: Cells,
    first: Cells,
    value: Stack,
    date: Dates,
    count: Counts,
) -> None:
    """Find the largest observation in each period of the pixels ``begin`` to ``end - 1``.

    begin, end  of the flat pixels
    stack       (dates, n)
    nodata      scalar of the stack's type; what is not finite was not observed either
    order       (up to dates,)  the dates that count, period by period, within one as in the stack
    first       (periods + 1,)  where those of each period begin in ``order``
    value       (periods, n)  changed: the observation, nodata where there is none
    date        (periods, n)  changed: its index in the stack, the first of equals, -1 where there is none
    count       (periods, n)  changed: number of observations
    """
    for start in range(begin, end, _BLOCK):
        stop = min(start + _BLOCK, end)
        for p in range(first.size - 1):
            best, when, seen = value[p, start:stop], date[p, start:stop], count[p, start:stop]
            for k in range(stop - start):
                best[k] = nodata
                when[k] = NO_DATE
                seen[k] = 0
            for place in range(first[p], first[p + 1]):
                d = order[place]
                row = stack[d, start:stop]
                for k in range(stop - start):
                    here = row[k]
                    known = (here != nodata) & np.isfinite(here)
                    taken = known & ((here > best[k]) | (when[k] < 0))
                    best[k] = here if taken else best[k]
                    when[k] = np.int16(d) if taken else when[k]
                    seen[k] += np.uint16(known)


@njit(cache=True, nogil=True)
def near_size(rows: int) -> int:
    """Return how many pixels to bring into the near caches at once, where a block is worked on row by row.

    rows     numbers of a pixel: dates, say
    returns  a multiple of 64, 512 at most

    A block of 64 pixels of int16 is two lines of cache in each date, a page or more from those of the next:
    fetched one by one they cost more than all that is done with them.
    """
    return int(max(64, min(512, (1 << 16) // max(rows, 1) // 64 * 64)))


@njit(cache=True, nogil=True)
def _order(upper: Stack, lower: Stack) -> None:
    """Put the smaller of each pair into ``upper``; only as a function of its own is this one vector loop."""
    for k in range(upper.size):
        one, two = upper[k], lower[k]
        upper[k] = min(one, two)
        lower[k] = max(one, two)


@njit(cache=True, nogil=True)
def sort_columns(values: Stack) -> None:
    """Sort each column in place, smallest first; vector instructions sort neighbours together.

    values  (n, width)  changed; without NaN
    """
    n = values.shape[0]
    first = 1
    while first * 2 < n:
        first *= 2
    p = first
    while p > 0 and n > 1:
        q, r, d = first, 0, p
        while d > 0:
            for i in range(n - d):
                if i & p == r:
                    _order(values[i], values[i + d])
            d = q - p
            q //= 2
            r = p
        p //= 2


@njit(cache=True, nogil=True, error_model="numpy")
def percentiles_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    beyond: Any,
    quantiles: Reals,
    value: Singles,
    count: Counts,
) -> None:
    """Find quantiles of the observations of the pixels ``begin`` to ``end - 1``.

    begin, end  of the flat pixels
    stack       (dates, n)
    nodata      scalar of the stack's type; what is not finite was not observed either
    beyond      scalar of the stack's type that no observation exceeds
    quantiles   (k,)  0..1
    value       (k, n)  changed: interpolated in float64 between the two nearest ranks; NaN without any
    count       (n,)  changed: number of observations
    """
    dates = stack.shape[0]
    sorted_ = np.empty((dates, _BLOCK), stack.dtype)
    for start in range(begin, end, _BLOCK):
        width = min(_BLOCK, end - start)
        seen = count[start : start + width]
        for k in range(width):
            seen[k] = 0
        for d in range(dates):
            row, kept = stack[d, start : start + width], sorted_[d]
            for k in range(width):
                known = (row[k] != nodata) & np.isfinite(row[k])
                kept[k] = row[k] if known else beyond
                seen[k] += np.uint16(known)
        sort_columns(sorted_)
        for j in range(quantiles.size):
            for k in range(width):
                if seen[k] == 0:
                    value[j, start + k] = np.nan
                    continue
                last = int(seen[k]) - 1
                place = last * quantiles[j]
                below = int(place)
                part = place - below
                low = np.float64(sorted_[below, k])
                high = np.float64(sorted_[min(below + 1, last), k])
                if part == 0.5:  # the mean of two is a median; the sums below round otherwise
                    found = (low + high) / 2
                elif part < 0.5:
                    found = low + (high - low) * part
                else:
                    found = high - (high - low) * (1 - part)
                value[j, start + k] = np.float32(found)


@njit(cache=True, nogil=True, error_model="numpy")
def counts_between(begin: int, end: int, stack: Stack, nodata: Any, count: Counts) -> None:
    """Count the observations of the pixels ``begin`` to ``end - 1``.

    begin, end  of the flat pixels
    stack       (dates, n)
    nodata      scalar of the stack's type; what is not finite was not observed either
    count       (n,)  changed
    """
    for start in range(begin, end, _BLOCK):
        stop = min(start + _BLOCK, end)
        seen = count[start:stop]
        seen[:] = 0
        for d in range(stack.shape[0]):
            row = stack[d, start:stop]
            for k in range(stop - start):
                seen[k] += np.uint16((row[k] != nodata) & np.isfinite(row[k]))


@njit(cache=True, nogil=True, error_model="numpy")
def take_between(begin: int, end: int, stack: Stack, date: Dates, nodata: Any, value: Stack) -> None:
    """Take all bands of the pixels ``begin`` to ``end - 1`` from the date of each.

    begin, end  of the flat pixels
    stack       (dates, bands, n)
    date        (n,)  index of the date, negative where there is none
    nodata      scalar of the stack's type
    value       (bands, n)  changed: nodata where there is no date
    """
    for b in range(stack.shape[1]):
        for k in range(begin, end):
            value[b, k] = stack[date[k], b, k] if date[k] >= 0 else nodata


@njit(cache=True, nogil=True, error_model="numpy")
def merge_between(begin: int, end: int, observation: Stack, scene: Stack, nodata: Any) -> int:
    """Fill what is missing in an observation from another scene of the same overpass.

    begin, end   of the flat pixels
    observation  (bands, n)  changed: a pixel that lacks a band is taken over whole where ``scene`` has all
    scene        (bands, n)
    nodata       scalar of their type; what is not finite was not observed either
    returns      the number of pixels taken over
    """
    bands = observation.shape[0]
    taken = 0
    for k in range(begin, end):
        here, there = True, True
        for b in range(bands):
            mine, other = observation[b, k], scene[b, k]
            here &= (mine != nodata) & np.isfinite(mine)
            there &= (other != nodata) & np.isfinite(other)
        if there and not here:
            taken += 1
            for b in range(bands):
                observation[b, k] = scene[b, k]
    return taken


def largest(stack: Stack, nodata: float | None = None, *, threads: int | None = None) -> Extreme:
    """Find the largest observation of each pixel and its date.

    stack   (dates, rows, columns)  int16, uint16 or float32
    nodata  the number that means "nothing was observed"; NaN and infinite were not observed either
    """
    return _extreme(stack, nodata, largest=True, threads=threads)


def largest_of_periods(
    stack: Stack,
    period: npt.ArrayLike,
    nodata: float | None = None,
    *,
    periods: int | None = None,
    threads: int | None = None,
) -> Extreme:
    """Find the largest observation of each pixel in each period, a dekad say, and its date, in one pass.

    stack    (dates, ...)  int16, uint16 or float32
    period   (dates,)  whole numbers: the period of each date, from 0 and in any order; negative: left out
    nodata   the number that means "nothing was observed"; NaN and infinite were not observed either
    periods  how many there are; None: up to the largest in ``period``
    returns  arrays of (periods, ...)
    """
    missing, flat = nodata_of(stack, nodata), flat_series(stack)
    of = np.asarray(period)
    if of.shape != (len(stack),) or of.dtype.kind not in "iu":
        raise ValueError(f"period is {of.dtype} {of.shape}, expected ({len(stack)},) whole numbers")
    number = int(of.max()) + 1 if periods is None else periods
    if number < 1 or int(of.max()) >= number:
        raise ValueError(f"periods is {number}, expected at least 1 and above all of period, {of.max()}")
    sorted_ = np.argsort(of, kind="stable")
    order = sorted_[of[sorted_] >= 0].astype(np.int64)
    first = np.searchsorted(of[order], np.arange(number + 1)).astype(np.int64)
    value = np.empty((number, flat.shape[1]), flat.dtype)
    date, count = np.empty(value.shape, np.int16), np.empty(value.shape, np.uint16)
    over_pixels(
        lambda begin, end: largest_of_periods_between(
            begin, end, flat, missing, order, first, value, date, count
        ),
        flat.shape[1],
        threads=threads,
    )
    place = (number, *stack.shape[1:])
    return Extreme(value.reshape(place), date.reshape(place), count.reshape(place))


def smallest(stack: Stack, nodata: float | None = None, *, threads: int | None = None) -> Extreme:
    """Find the smallest observation of each pixel and its date; of NDSI, the date with the least snow.

    stack   (dates, rows, columns)  int16, uint16 or float32
    nodata  the number that means "nothing was observed"; NaN and infinite were not observed either
    """
    return _extreme(stack, nodata, largest=False, threads=threads)


def _extreme(stack: Stack, nodata: float | None, *, largest: bool, threads: int | None) -> Extreme:
    missing = nodata_of(stack, nodata)
    flat = flat_stack(stack, 3)
    count, date = np.empty(flat.shape[1], np.uint16), np.empty(flat.shape[1], np.int16)
    value = np.empty(flat.shape[1], flat.dtype)
    over_pixels(
        lambda begin, end: extremes_between(begin, end, flat, missing, largest, value, date, count),
        flat.shape[1],
        threads=threads,
    )
    place = stack.shape[1:]
    return Extreme(value.reshape(place), date.reshape(place), count.reshape(place))


def percentiles(
    stack: Stack, percent: Sequence[float], nodata: float | None = None, *, threads: int | None = None
) -> Ranked:
    """Find percentiles of each pixel's observations.

    stack    (dates, rows, columns)  int16, uint16 or float32
    percent  (k,)  0..100
    nodata   the number that means "nothing was observed"; NaN and infinite were not observed either
    returns  float32 of what float64 gives: of n sorted observations, the value at the place
             (n - 1) * percent / 100 counted from 0, linear between neighbours (numpy's default; type 7 of
             Hyndman & Fan 1996, doi:10.1080/00031305.1996.10473566)
    """
    quantiles = np.asarray(percent, np.float64) / 100
    if quantiles.ndim != 1 or not ((quantiles >= 0) & (quantiles <= 1)).all():
        raise ValueError(f"percent is {percent}, expected numbers from 0 to 100")
    missing = nodata_of(stack, nodata)
    beyond = stack.dtype.type(np.inf if stack.dtype.kind == "f" else np.iinfo(stack.dtype).max)
    flat = flat_stack(stack, 3)
    value = np.empty((quantiles.size, flat.shape[1]), np.float32)
    count = np.empty(flat.shape[1], np.uint16)
    over_pixels(
        lambda begin, end: percentiles_between(begin, end, flat, missing, beyond, quantiles, value, count),
        flat.shape[1],
        threads=threads,
    )
    return Ranked(value.reshape(quantiles.size, *stack.shape[1:]), count.reshape(stack.shape[1:]))


def median(stack: Stack, nodata: float | None = None, *, threads: int | None = None) -> Ranked:
    """Find the median of each pixel's observations: of an even number, the mean of the two in the middle.

    stack   (dates, rows, columns)  int16, uint16 or float32
    nodata  the number that means "nothing was observed"; NaN and infinite were not observed either
    """
    ranked = percentiles(stack, [50], nodata, threads=threads)
    return Ranked(ranked.value[0], ranked.count)


def counts(stack: Stack, nodata: float | None = None, *, threads: int | None = None) -> Counts:
    """Count the observations of each pixel.

    stack    (dates, rows, columns)  int16, uint16 or float32
    nodata   the number that means "nothing was observed"; NaN and infinite were not observed either
    returns  (rows, columns)
    """
    missing, flat = nodata_of(stack, nodata), flat_stack(stack, 3)
    count = np.empty(flat.shape[1], np.uint16)
    over_pixels(
        lambda begin, end: counts_between(begin, end, flat, missing, count), flat.shape[1], threads=threads
    )
    return count.reshape(stack.shape[1:])


def take(stack: Stack, date: Dates, nodata: float | None = None, *, threads: int | None = None) -> Stack:
    """Take all bands of each pixel from one date.

    stack    (dates, bands, rows, columns)  int16, uint16 or float32
    date     (rows, columns)  from :func:`smallest` or :func:`largest`
    nodata   what stands where there is no date
    returns  (bands, rows, columns)
    """
    missing, flat = nodata_of(stack, nodata), flat_stack(stack, 4)
    if date.shape != stack.shape[2:] or date.dtype != np.int16 or (date >= len(stack)).any():
        raise ValueError(
            f"date is {date.dtype} {date.shape}, expected int16 {stack.shape[2:]} below {len(stack)}"
        )
    value, when = np.empty(flat.shape[1:], flat.dtype), flat_numbers(date)
    over_pixels(
        lambda begin, end: take_between(begin, end, flat, when, missing, value),
        flat.shape[2],
        threads=threads,
    )
    return value.reshape(stack.shape[1:])


def merge(
    observation: Stack, scene: Stack, nodata: float | None = None, *, threads: int | None = None
) -> int:
    """Fill what is missing in an observation from another scene of the same overpass: one pixel once.

    Neighbouring scenes of one overpass overlap by up to half. Counted as two dates they would weigh
    double in medians and counts; merged, the first valid one is the observation.

    observation  ([bands,] rows, columns)  int16, uint16 or float32 in one piece, changed: a pixel that
                 lacks a band is taken over whole where ``scene`` has all bands, so bands are never mixed
    scene        the same shape and type
    nodata       the number that means "nothing was observed"; NaN and infinite were not observed either
    returns      the number of pixels taken over
    """
    missing = nodata_of(observation, nodata)
    if scene.shape != observation.shape or scene.dtype != observation.dtype:
        raise ValueError(
            f"scene is {scene.dtype} {scene.shape}, expected {observation.dtype} {observation.shape}"
        )
    if observation.ndim not in (2, 3) or not observation.flags.c_contiguous:
        raise ValueError(
            f"observation is {observation.shape} with strides {observation.strides}, expected "
            "([bands,] rows, columns) in one piece"
        )
    size = observation.shape[-2] * observation.shape[-1]
    mine, other = observation.reshape(-1, size), flat_numbers(scene).reshape(-1, size)
    return sum(
        over_pixels(lambda begin, end: merge_between(begin, end, mine, other, missing), size, threads=threads)
    )


def over_pixels(
    work: Callable[[int, int], Result], size: int, *, share: int = _SHARE, threads: int | None = None
) -> list[Result]:
    """Call ``work`` with the first and the end of each share of ``size`` pixels, on threads."""
    return tiles.each(
        lambda part: work(part.row, part.row + part.rows), Tiling(size, 1, share), threads=threads
    )


def flat_stack(stack: Stack, dimensions: int) -> Stack:
    """Return a stack as (dates, [bands,] pixels); a view where it lies in one piece."""
    if stack.ndim != dimensions or not 0 < len(stack) <= MOST_DATES:
        names = "dates, rows, columns" if dimensions == 3 else "dates, bands, rows, columns"
        raise ValueError(
            f"the stack has the shape {stack.shape}, expected ({names}), 1 to {MOST_DATES} dates"
        )
    return flat_numbers(stack).reshape(*stack.shape[:-2], stack.shape[-2] * stack.shape[-1])


def flat_series(stack: Stack) -> Stack:
    """Return a stack of any number of dimensions as (dates, series); a view where it lies in one piece."""
    if stack.ndim < 2 or not 0 < len(stack) <= MOST_DATES:
        raise ValueError(
            f"the stack has the shape {stack.shape}, expected (dates, ...), 1 to {MOST_DATES} dates"
        )
    return flat_numbers(stack).reshape(len(stack), math.prod(stack.shape[1:]))


def nodata_of(stack: Stack, nodata: float | None) -> Any:
    """Return ``nodata`` as a scalar of the stack's type; None is NaN."""
    if stack.dtype.name not in _TYPES:
        raise ValueError(f"the stack is {stack.dtype}, expected one of {', '.join(_TYPES)}")
    if stack.dtype.kind == "f":
        return np.float32(np.nan if nodata is None else nodata)
    kinds = np.iinfo(stack.dtype)
    if nodata is None or not (kinds.min <= nodata <= kinds.max and nodata == int(nodata)):
        raise ValueError(f"nodata is {nodata}, expected a number that {stack.dtype} can hold")
    return stack.dtype.type(int(nodata))
