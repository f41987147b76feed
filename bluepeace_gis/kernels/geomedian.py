"""The geometric median of each pixel's observations in several bands.

It is the point with the smallest sum of distances to the observations: up to half of them may be
clouds without moving it far, and it keeps the relation between the bands, which six medians do not
(Roberts, Mueller & McIntyre 2017, doi:10.1109/TGRS.2017.2723896).

Weiszfeld's iteration finds it, each step to the mean of the observations weighted by one over their
distance; Vardi & Zhang (2000, doi:10.1073/pnas.97.4.1423) say how it leaves an observation it has come to, or
stays. Steps are half as long again, which still converges (Ostresh 1978, doi:10.1287/opre.26.4.597) and
saves a third of them.

A block of neighbouring pixels is worked on at once by vector instructions, in float32 and in one order
of sums per pixel, without contracted or approximate operations: the result is the same to the last bit
on every processor and however the raster is cut.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from bluepeace_gis.kernels.composites import Counts, Stack, flat_stack, nodata_of, over_pixels
from bluepeace_gis.kernels.neighbours import Singles

MOST_BANDS: Final = 6  # blue to the second short-wave infrared: held in the registers of a processor

# Reflectance: the quantum of Sentinel-2's numbers, a tenth of what surface reflectance is known to
# (0.005 + 5 %, Vermote et al. 2016, doi:10.1016/j.rse.2016.04.008) in the darkest band.
TOLERANCE: Final = 1e-4
MOST_STEPS: Final = 1000  # a few observations almost on a line come close to it

_LONGER: Final = np.float32(1.5)  # Ostresh allows up to 2
_NEAR: Final = 0.1  # of the tolerance: an observation so near is one the iteration has come to
_SLOWEST, _FASTEST = np.float32(0.99), np.float32(0.5)  # believed ratio of one step to the one before
_BLOCK: Final = 128  # pixels side by side
_VECTOR: Final = 16  # float32 in the widest instruction
_SHARE: Final = 1 << 13  # pixels a thread takes at once
_ONE, _NONE = np.float32(1), np.float32(0)


@dataclass(frozen=True)
class Median:
    """The geometric median of each pixel.

    value  (bands, rows, columns)  NaN where nothing was observed
    count  (rows, columns)  number of dates on which all bands were observed
    late   number of pixels that were not within the tolerance after ``MOST_STEPS``
    """

    value: Singles
    count: Counts
    late: int


@njit(cache=True, nogil=True, error_model="numpy")
def _load(start: int, width: int, stack: Stack, nodata: Any, scale: Any, x: Singles, known: Singles) -> None:
    """Bring a block of pixels into one place, zero where a date lacks a band."""
    dates, bands = stack.shape[:2]
    x[:] = _NONE
    known[:] = _NONE
    for d in range(dates):
        seen = known[d]
        seen[:width] = _ONE
        for b in range(bands):
            row = stack[d, b, start : start + width]
            for k in range(width):
                if not ((row[k] != nodata) & np.isfinite(row[k])):
                    seen[k] = _NONE
        for b in range(bands):
            row, kept = stack[d, b, start : start + width], x[d, b * _BLOCK : b * _BLOCK + width]
            for k in range(width):
                kept[k] = np.float32(row[k]) * scale if seen[k] != 0 else _NONE


@njit(cache=True, nogil=True, error_model="numpy")
def _pull(d: int, lanes: int, x: Singles, known: Singles, y: Singles, near: Any, sums: Singles) -> None:
    """Add what one date does to each pixel.

    x      (dates, 6 * _BLOCK)  observations, band after band
    y      (6 * _BLOCK,)  where the iteration stands
    near   squared distance below which an observation counts as met
    sums   (8 * _BLOCK,)  changed: sums of unit vectors to the observations, band after band; of one over
           the distances; of the observations met

    The bands stand one after the other in single arrays at constant distances: so the compiler knows
    that they do not overlap, and makes one loop of vector instructions.
    """
    for k in range(lanes):
        a = x[d, k] - y[k]
        b = x[d, k + _BLOCK] - y[k + _BLOCK]
        c = x[d, k + 2 * _BLOCK] - y[k + 2 * _BLOCK]
        e = x[d, k + 3 * _BLOCK] - y[k + 3 * _BLOCK]
        f = x[d, k + 4 * _BLOCK] - y[k + 4 * _BLOCK]
        g = x[d, k + 5 * _BLOCK] - y[k + 5 * _BLOCK]
        squared = a * a + b * b + c * c + e * e + f * f + g * g
        far = squared > near
        weight = known[d, k] / np.sqrt(squared if far else _ONE)
        weight = weight if far else _NONE
        sums[k] += weight * a
        sums[k + _BLOCK] += weight * b
        sums[k + 2 * _BLOCK] += weight * c
        sums[k + 3 * _BLOCK] += weight * e
        sums[k + 4 * _BLOCK] += weight * f
        sums[k + 5 * _BLOCK] += weight * g
        sums[k + 6 * _BLOCK] += weight
        sums[k + 7 * _BLOCK] += _NONE if far else known[d, k]


@njit(cache=True, nogil=True, error_model="numpy")
def _step(lanes: int, sums: Singles, y: Singles, length: Singles, live: Singles, tolerance: Any) -> None:
    """Move each pixel that is not finished; ``live`` becomes zero where it has come close enough.

    length  (_BLOCK,)  changed: of this step; negative ahead of the first

    Steps shrink like a geometric series. With the ratio of this step to the one before, what all steps
    to come add up to is known, and a pixel is finished when that is below the tolerance.
    """
    for k in range(lanes):
        squared = _NONE
        for b in range(MOST_BANDS):
            squared += sums[k + b * _BLOCK] * sums[k + b * _BLOCK]
        force = np.sqrt(squared)
        total = sums[k + 6 * _BLOCK]
        met = sums[k + 7 * _BLOCK]
        # Observations that are met hold the pixel with their number; the others pull with ``force``.
        share = (force - met) / force if force > met else _NONE
        share = share * _LONGER / total if total > 0 else _NONE
        share *= live[k]
        now = force * share
        ratio = now / length[k] if length[k] > 0 else _SLOWEST
        ratio = min(max(ratio, _FASTEST), _SLOWEST)
        length[k] = now
        sums[k + 6 * _BLOCK] = share
        live[k] = live[k] if now * ratio >= tolerance * (_ONE - ratio) else _NONE
    for b in range(MOST_BANDS):
        for k in range(lanes):
            y[k + b * _BLOCK] += sums[k + b * _BLOCK] * sums[k + 6 * _BLOCK]


@njit(cache=True, nogil=True, error_model="numpy")
def medians_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    scale: Any,
    tolerance: Any,
    value: Singles,
    count: Counts,
) -> int:
    """Find the geometric medians of the pixels ``begin`` to ``end - 1``.

    begin, end  of the flat pixels
    stack       (dates, bands, n)  up to six bands
    nodata      scalar of the stack's type; what is not finite was not observed either
    scale       float32, reflectance = number * scale
    tolerance   float32, reflectance
    value       (bands, n)  changed: reflectance, NaN where nothing was observed
    count       (n,)  changed: dates on which all bands were observed
    returns     pixels that were not within the tolerance after ``MOST_STEPS``
    """
    dates, bands = stack.shape[:2]
    x = np.empty((dates, MOST_BANDS * _BLOCK), np.float32)
    known = np.empty((dates, _BLOCK), np.float32)
    y = np.empty(MOST_BANDS * _BLOCK, np.float32)
    sums = np.empty((MOST_BANDS + 2) * _BLOCK, np.float32)
    length, live = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    pixel = np.empty(_BLOCK, np.int64)  # that a lane works on
    source, target = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    near = (tolerance * np.float32(_NEAR)) ** 2
    late = 0
    for start in range(begin, end, _BLOCK):
        width = min(_BLOCK, end - start)
        _load(start, width, stack, nodata, scale, x, known)
        sums[:] = _NONE
        for d in range(dates):
            for k in range(_BLOCK):
                sums[k + 6 * _BLOCK] += known[d, k]
            for k in range(MOST_BANDS * _BLOCK):
                sums[k] += x[d, k]
        for k in range(_BLOCK):
            seen = sums[k + 6 * _BLOCK]
            pixel[k] = start + k
            length[k] = -_ONE
            live[k] = _ONE if seen > 1 else _NONE
            for b in range(MOST_BANDS):
                y[k + b * _BLOCK] = sums[k + b * _BLOCK] / seen if seen > 0 else np.float32(np.nan)
            if k < width:
                count[start + k] = np.uint16(seen)
        used = width
        for step in range(MOST_STEPS + 1):
            left = 0
            for k in range(used):
                left += live[k] != 0
            if left == 0 or step == MOST_STEPS:
                late += left
                break
            if left <= used // 4:
                # Those that are finished give way: what they found is written, and the others move up.
                moved = 0
                for k in range(left):
                    if live[k] == 0:
                        target[moved] = k
                        moved += 1
                first = 0
                for k in range(left, used):
                    if live[k] != 0:
                        source[first] = k
                        first += 1
                for k in range(used):
                    if live[k] == 0:
                        for b in range(bands):
                            value[b, pixel[k]] = y[k + b * _BLOCK]
                for m in range(moved):
                    to, of = target[m], source[m]
                    pixel[to], live[to], length[to] = pixel[of], live[of], length[of]
                    for b in range(MOST_BANDS):
                        y[to + b * _BLOCK] = y[of + b * _BLOCK]
                for d in range(dates):
                    for m in range(moved):
                        to, of = target[m], source[m]
                        known[d, to] = known[d, of]
                        for b in range(MOST_BANDS):
                            x[d, to + b * _BLOCK] = x[d, of + b * _BLOCK]
                live[left:used] = _NONE
                used = left
            lanes = min(-(-used // _VECTOR) * _VECTOR, _BLOCK)  # whole vectors; the last lanes stand still
            sums[:] = _NONE
            for d in range(dates):
                _pull(d, lanes, x, known, y, near, sums)
            _step(lanes, sums, y, length, live, tolerance)
        for k in range(used):
            for b in range(bands):
                value[b, pixel[k]] = y[k + b * _BLOCK]
    return late


def geometric_median(
    stack: Stack,
    nodata: float | None = None,
    *,
    scale: float = 1.0,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
) -> Median:
    """Find the geometric median of each pixel's observations.

    stack      (dates, bands, rows, columns)  int16, uint16 or float32, up to six bands; a date on which a
               band is missing is left out whole
    nodata     the number that means "nothing was observed"; NaN and infinite were not observed either
    scale      reflectance = number * scale
    tolerance  reflectance: a pixel is finished when its steps to come add up to less, judged by how fast
               they shrink

    One observation is its own median. Of two, and of an even number on one line, every point between the
    middle ones is a median: found is the one that the mean of all leads to.
    """
    missing, flat = nodata_of(stack, nodata), flat_stack(stack, 4)
    bands = stack.shape[1]
    if not 0 < bands <= MOST_BANDS:
        raise ValueError(f"the stack has {bands} bands, expected 1 to {MOST_BANDS}")
    if not (np.isfinite(scale) and scale > 0 and np.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"scale is {scale} and tolerance {tolerance}, expected numbers above 0")
    value, count = np.empty(flat.shape[1:], np.float32), np.empty(flat.shape[2], np.uint16)
    factor, near_enough = np.float32(scale), np.float32(tolerance)
    late = over_pixels(
        lambda begin, end: medians_between(begin, end, flat, missing, factor, near_enough, value, count),
        flat.shape[2],
        share=_SHARE,
        threads=threads,
    )
    return Median(value.reshape(stack.shape[1:]), count.reshape(stack.shape[2:]), sum(late))
