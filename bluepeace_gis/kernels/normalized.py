"""The normalised difference of two bands, and the reflectance of one, straight from the digital numbers.

Masking, calibration and difference in one pass over the memory: what takes six passes and four
temporary arrays with whole-array operations costs little more than reading the numbers.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.neighbours import Reals, Singles
from bluepeace_gis.kernels.tiles import Tiling

Shorts = npt.NDArray[np.int16]
Numbers = npt.NDArray[Any]
Rejected = npt.NDArray[np.bool_]

NODATA: Final = -32768
STEPS: Final = 10_000  # of the result in a difference of one

# Two reflectances whose sum is less say nothing about their ratio: surface reflectance of Landsat and
# Sentinel-2 is specified to 0.005 + 5 % (Vermote et al. 2016, doi:10.1016/j.rse.2016.04.008; Doxani et al.
# 2018, doi:10.3390/rs10020352), so that below twice 0.005 both may be nothing but error.
SUM_MIN: Final = 0.01

# Fresh snow under a low sun on a slope comes out near 1.6; numbers above are not reflectances.
BRIGHTEST: Final = 2.0

BAND_TYPES: Final = ("uint8", "int16", "uint16", "float32")
_CODE_TYPES: Final = ("uint8", "uint16")
_BLOCK: Final = 1024  # pixels whose codes are looked up at once; their answers stay in the first cache
_SHARE: Final = 1 << 18  # pixels a thread takes at once


@njit(cache=True, nogil=True, error_model="numpy")
def difference_between(
    begin: int,
    end: int,
    first: Numbers,
    second: Numbers,
    codes: Numbers,
    rejected: Rejected,
    calibration: Reals,
    sum_min: float,
    out: Shorts,
) -> None:
    """Compute the normalised difference of the pixels ``begin`` to ``end - 1``.

    begin, end     of the flat arrays
    first, second  (n,)  digital numbers
    codes          (n,) or (0,)  quality codes; empty: nothing is rejected by quality
    rejected       (256,) or (65536,)  whether a pixel with this code is left out
    calibration    (2, 3)  scale, offset, nodata (NaN: none) of each band
    sum_min        of both reflectances, below which there is no answer
    out            (n,)  changed: 10000 times the difference over the sum; NODATA where there is none
    """
    scale1, offset1, nodata1 = calibration[0, 0], calibration[0, 1], calibration[0, 2]
    scale2, offset2, nodata2 = calibration[1, 0], calibration[1, 1], calibration[1, 2]
    left_out = np.zeros(_BLOCK, np.bool_)
    masked = codes.size > 0
    for start in range(begin, end, _BLOCK):
        count = min(_BLOCK, end - start)
        if masked:  # by itself: a table cannot be read by vector instructions, all below is
            for k in range(count):
                left_out[k] = rejected[codes[start + k]]
        for k in range(count):
            number1, number2 = np.float64(first[start + k]), np.float64(second[start + k])
            one = max(number1 * scale1 + offset1, 0.0)
            two = max(number2 * scale2 + offset2, 0.0)
            total = one + two
            known = (number1 != nodata1) & (number2 != nodata2) & (not left_out[k])
            known &= np.isfinite(number1) & np.isfinite(number2)
            known &= (total >= sum_min) & (total > 0.0)
            ratio = (one - two) / (total if known else 1.0)
            out[start + k] = np.int16(np.rint(ratio * STEPS)) if known else np.int16(NODATA)


@njit(cache=True, nogil=True, error_model="numpy")
def reflectance_between(
    begin: int,
    end: int,
    numbers: Numbers,
    codes: Numbers,
    rejected: Rejected,
    calibration: Reals,
    out: Shorts,
) -> None:
    """Compute the reflectance of the pixels ``begin`` to ``end - 1``.

    begin, end   of the flat arrays
    numbers      (n,)  digital numbers
    codes        (n,) or (0,)  quality codes; empty: nothing is rejected by quality
    rejected     (256,) or (65536,)  whether a pixel with this code is left out
    calibration  (3,)  scale, offset, nodata (NaN: none)
    out          (n,)  changed: 10000 times the reflectance; NODATA where there is none
    """
    scale, offset, nodata = calibration[0], calibration[1], calibration[2]
    left_out = np.zeros(_BLOCK, np.bool_)
    masked = codes.size > 0
    for start in range(begin, end, _BLOCK):
        count = min(_BLOCK, end - start)
        if masked:  # by itself, as in difference_between
            for k in range(count):
                left_out[k] = rejected[codes[start + k]]
        for k in range(count):
            number = np.float64(numbers[start + k])
            known = (number != nodata) & np.isfinite(number) & (not left_out[k])
            steps = np.rint((number * scale + offset) * STEPS) if known else 0.0
            steps = min(max(steps, np.float64(NODATA + 1)), np.float64(-NODATA - 1))
            out[start + k] = np.int16(steps) if known else np.int16(NODATA)


def difference(
    first: Numbers,
    second: Numbers,
    codes: Numbers | None,
    rejected: Rejected | None,
    scale1: float,
    offset1: float,
    scale2: float,
    offset2: float,
    out: Shorts | None = None,
    *,
    nodata1: float | None = None,
    nodata2: float | None = None,
    sum_min: float = SUM_MIN,
    threads: int | None = None,
) -> Shorts:
    """Mask, calibrate and compute the normalised difference (first - second) / (first + second).

    first, second     any one shape, uint8, int16, uint16 or float32 digital numbers
    codes             the same shape, uint8 or uint16 quality codes; None: there is no quality layer
    rejected          (256,) or (65536,)  for every possible code, whether the pixel is left out
    scale1, offset1, scale2, offset2   reflectance = number * scale + offset
    out               the same shape, filled and returned; None: made
    nodata1, nodata2  the number that means "nothing was observed" in each band
    sum_min           reflectance; where the sum of both is below it there is no answer (see ``SUM_MIN``)
    returns           ``rint(10000 * difference / sum)``, halves to even, computed in float64 and the same
                      on every processor; -32768 where a band or the quality says nothing, or the sum is
                      too small
    raises            ValueError for arrays that do not fit together

    A reflectance below zero counts as zero: the atmosphere was overcorrected there. So dense crops, whose
    red comes out as -0.002, and water, whose near infrared does, keep the observation and its sign, and no
    quotient leaves -1..1, where it would win every seasonal maximum.
    """
    _check({"first": first, "second": second}, codes, rejected, out)
    if out is None:
        out = np.empty(first.shape, np.int16)
    flat = out.reshape(-1)
    one, two = flat_numbers(first), flat_numbers(second)
    seen, table = _quality(codes, rejected)
    calibration = np.array([[scale1, offset1, _number(nodata1)], [scale2, offset2, _number(nodata2)]])
    tiles.each(
        lambda part: difference_between(
            part.row, part.row + part.rows, one, two, seen, table, calibration, float(sum_min), flat
        ),
        Tiling(flat.size, 1, _SHARE),
        threads=threads,
    )
    return out


def reflectance(
    numbers: Numbers,
    codes: Numbers | None,
    rejected: Rejected | None,
    scale: float,
    offset: float,
    out: Shorts | None = None,
    *,
    nodata: float | None = None,
    threads: int | None = None,
) -> Shorts:
    """Mask and calibrate one band: half the memory of float32, for stacks of many dates and bands.

    numbers        any shape, uint8, int16, uint16 or float32 digital numbers
    codes          the same shape, uint8 or uint16 quality codes; None: there is no quality layer
    rejected       (256,) or (65536,)  for every possible code, whether the pixel is left out
    scale, offset  reflectance = number * scale + offset
    out            the same shape, filled and returned; None: made
    nodata         the number that means "nothing was observed"
    returns        ``rint(10000 * reflectance)``, halves to even, computed in float64, kept within +-32767;
                   -32768 where the band or the quality says nothing. Below zero it stays below zero.
    raises         ValueError for arrays that do not fit together
    """
    _check({"numbers": numbers}, codes, rejected, out)
    if out is None:
        out = np.empty(numbers.shape, np.int16)
    flat, values = out.reshape(-1), flat_numbers(numbers)
    seen, table = _quality(codes, rejected)
    calibration = np.array([scale, offset, _number(nodata)])
    tiles.each(
        lambda part: reflectance_between(
            part.row, part.row + part.rows, values, seen, table, calibration, flat
        ),
        Tiling(flat.size, 1, _SHARE),
        threads=threads,
    )
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def ratios_between(
    begin: int, end: int, first: Singles, second: Singles, sum_min: float, out: Singles
) -> tuple[int, int]:
    """Compute the normalised difference of reflectances for the pixels ``begin`` to ``end - 1``.

    begin, end     of the flat arrays
    first, second  (n,)  reflectance, NaN where unknown
    sum_min        of both, below which there is no answer
    out            (n,)  changed: -1..1, NaN where there is no answer
    returns        the number of answers, and of those to a sum of reflectances above 2 * ``BRIGHTEST``
    """
    answers, bright = 0, 0
    for k in range(begin, end):
        number1, number2 = np.float64(first[k]), np.float64(second[k])
        one, two = max(number1, 0.0), max(number2, 0.0)
        total = one + two
        known = np.isfinite(number1) & np.isfinite(number2)
        known &= (total >= sum_min) & (total > 0.0)
        ratio = (one - two) / (total if known else 1.0)
        out[k] = np.float32(ratio) if known else np.float32(np.nan)
        answers += known
        bright += known & (total > 2 * BRIGHTEST)
    return answers, bright


def flat_numbers(values: Numbers) -> Numbers:
    """Return an array as one row in the byte order of the machine; a view where it already is one."""
    native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    return native.reshape(-1)


def _number(nodata: float | None) -> float:
    return np.nan if nodata is None else float(nodata)


def _quality(codes: Numbers | None, rejected: Rejected | None) -> tuple[Numbers, Rejected]:
    if codes is None or rejected is None:
        return np.zeros(0, np.uint8), np.zeros(256, np.bool_)
    return flat_numbers(codes), np.ascontiguousarray(rejected)


def _check(
    bands: dict[str, Numbers], codes: Numbers | None, rejected: Rejected | None, out: Shorts | None
) -> None:
    for name, values in bands.items():
        if values.dtype.name not in BAND_TYPES:
            raise ValueError(f"{name} is {values.dtype}, expected one of {', '.join(BAND_TYPES)}")
    shapes = {name: values.shape for name, values in bands.items()}
    if codes is not None:
        shapes["codes"] = codes.shape
        size = 256 if codes.dtype.name == "uint8" else 65536
        if codes.dtype.name not in _CODE_TYPES:
            raise ValueError(f"codes is {codes.dtype}, expected one of {', '.join(_CODE_TYPES)}")
        if rejected is None or rejected.shape != (size,) or rejected.dtype != np.bool_:
            found = None if rejected is None else f"{rejected.dtype} {rejected.shape}"
            raise ValueError(f"rejected is {found}, expected bool ({size},): an answer for every code")
    if out is not None:
        shapes["out"] = out.shape
        if out.dtype != np.int16 or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.dtype} with strides {out.strides}, expected int16 in one piece")
    first = next(iter(bands))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise ValueError(f"{name} has the shape {shape}, expected {shapes[first]}, that of {first}")
