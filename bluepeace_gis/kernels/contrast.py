"""Classes of pixels by how far two bands stand above a third: differences, never quotients.

A quotient loses its meaning where the third band comes out at zero or below, which is where it matters
most; a difference is linear, so that a mixed pixel lies between what it is mixed of.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.neighbours import Cells, Codes
from bluepeace_gis.kernels.tiles import Tiling

Shorts = npt.NDArray[np.int16]
Limits = npt.NDArray[np.int32]

NODATA: Final = -32768

# Neither, above in both, above in the first alone, no value, above in both but with a dark second band.
LOW, BOTH, FIRST, UNKNOWN, DARK = 0, 1, 2, 3, 4
_LOW, _BOTH, _FIRST, _UNKNOWN, _DARK = (np.uint8(code) for code in (LOW, BOTH, FIRST, UNKNOWN, DARK))
_NODATA: Final = np.int32(NODATA)

_SHARE: Final = 1 << 18  # pixels a thread takes at once


@njit(cache=True, nogil=True)
def classes_between(
    begin: int, end: int, first: Shorts, second: Shorts, third: Shorts, limits: Limits, out: Codes
) -> None:
    """Tell the classes of the pixels ``begin`` to ``end - 1``.

    begin, end            of the flat arrays
    first, second, third  (n,)  NODATA where unknown
    limits  (4,)  how far the first, and the second, must exceed the third; the second is dark where it
                  lies below limits[2] and limits[3] times it below the first
    out     (n,)  changed: LOW, BOTH, FIRST, UNKNOWN or DARK
    """
    first_min, second_min, dark_below, dark_times = limits[0], limits[1], limits[2], limits[3]
    # numbers no wider than they must be, and counted from 0: so the compiler takes many at once
    one, two, three, codes = first[begin:end], second[begin:end], third[begin:end], out[begin:end]
    for k in range(codes.size):
        a, b, c = np.int32(one[k]), np.int32(two[k]), np.int32(three[k])
        unknown = (a == _NODATA) | (b == _NODATA) | (c == _NODATA)
        above = np.int32(a - c) > first_min
        both = above & (np.int32(b - c) > second_min)
        dark = (b < dark_below) & (a > np.int32(dark_times * b))
        code = _BOTH if both else _LOW
        code = _DARK if both & dark else code
        code = _FIRST if above & (not both) else code
        codes[k] = _UNKNOWN if unknown else code


@njit(cache=True, nogil=True)
def count_between(
    begin: int,
    end: int,
    first: Shorts,
    second: Shorts,
    third: Shorts,
    zone: Codes,
    limits: Limits,
    counts: Cells,
) -> None:
    """Count how far the first band exceeds the third, in bins, over the pixels of a zone.

    begin, end            of the flat arrays
    first, second, third  (n,)  NODATA where unknown
    zone    (n,)  pixels with 0 are left out
    limits  (3,)  how far the second must exceed the third to be counted; lower edge and width of the bins
    counts  (bins,)  changed; what lies outside goes to the first and the last
    """
    second_min, low, width = limits[0], limits[1], limits[2]
    last = counts.size - 1
    for k in range(begin, end):
        if zone[k] == 0:
            continue
        a, b, c = np.int32(first[k]), np.int32(second[k]), np.int32(third[k])
        if min(a, b, c) == NODATA or b - c <= second_min:  # no number is less
            continue
        counts[min(max((a - c - low) // width, 0), last)] += 1


@njit(cache=True, nogil=True)
def purer_between(
    begin: int, end: int, first: Shorts, third: Shorts, mask: Codes, times: int, out: Codes
) -> None:
    """Tell which pixels ``begin`` to ``end - 1`` of a mask have little of the third band.

    begin, end    of the flat arrays
    first, third  (n,)  NODATA where unknown
    mask          (n,)  pixels with 0 are left out
    times         the third band, so many times, must not exceed the first
    out           (n,)  changed: 1 or 0
    """
    one, three, inside, pure = first[begin:end], third[begin:end], mask[begin:end], out[begin:end]
    many = np.int32(times)
    for k in range(pure.size):
        a, c = np.int32(one[k]), np.int32(three[k])
        known = (a != _NODATA) & (c != _NODATA)
        pure[k] = np.uint8((inside[k] != 0) & known & (np.int32(many * c) <= a))


def classes(
    first: Shorts, second: Shorts, third: Shorts, limits: Limits, *, threads: int | None = None
) -> Codes:
    """Tell the classes of pixels in int16 bands; see :func:`classes_between`.

    first, second, third  any one shape
    limits   (4,)
    returns  the same shape
    """
    out = np.empty(first.shape, np.uint8)
    one, two, three = (np.ascontiguousarray(band).reshape(-1) for band in (first, second, third))
    answer = out.reshape(-1)
    tiles.each(
        lambda part: classes_between(part.row, part.row + part.rows, one, two, three, limits, answer),
        Tiling(answer.size, 1, _SHARE),
        threads=threads,
    )
    return out


def counts(
    first: Shorts,
    second: Shorts,
    third: Shorts,
    zone: Codes,
    limits: Limits,
    bins: int,
    *,
    threads: int | None = None,
) -> Cells:
    """Count the excess of the first band over the third in a zone; see :func:`count_between`.

    first, second, third, zone  any one shape
    limits   (3,)
    returns  (bins,)
    """
    one, two, three = (np.ascontiguousarray(band).reshape(-1) for band in (first, second, third))
    inside = np.ascontiguousarray(zone).reshape(-1)

    def count(part: tiles.Tile) -> Cells:
        own = np.zeros(bins, np.int64)
        count_between(part.row, part.row + part.rows, one, two, three, inside, limits, own)
        return own

    parts = tiles.each(count, Tiling(inside.size, 1, _SHARE), threads=threads)
    total: Cells = np.sum(parts, axis=0, dtype=np.int64)
    return total


def purer(first: Shorts, third: Shorts, mask: Codes, times: int, *, threads: int | None = None) -> Codes:
    """Tell which pixels of a mask have little of the third band; see :func:`purer_between`.

    first, third, mask  any one shape
    returns             the same shape, 1 or 0
    """
    out = np.empty(first.shape, np.uint8)
    one, three = (np.ascontiguousarray(band).reshape(-1) for band in (first, third))
    inside, answer = np.ascontiguousarray(mask).reshape(-1), out.reshape(-1)
    tiles.each(
        lambda part: purer_between(part.row, part.row + part.rows, one, three, inside, times, answer),
        Tiling(answer.size, 1, _SHARE),
        threads=threads,
    )
    return out
