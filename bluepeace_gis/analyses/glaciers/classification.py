"""What one pixel is by its spectrum: the same rule for every sensor, without a division."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.kernels import contrast

STEPS: Final = 10_000  # of the stored numbers in a reflectance of one
NODATA: Final = contrast.NODATA
_LARGEST: Final = 32_767

# The classes, as numbers in a raster.
LAND, ICE, WATER, UNSEEN, SILTY = contrast.LOW, contrast.BOTH, contrast.FIRST, contrast.UNKNOWN, contrast.DARK


def classify(
    green: ArrayLike,
    nir: ArrayLike,
    swir1: ArrayLike,
    *,
    visible_margin: float = defaults.VISIBLE_MARGIN,
) -> NDArray[np.uint8]:
    """Tell snow and ice, water and other land by their spectrum alone.

    A pixel is snow or ice where green exceeds short-wave infrared by ``visible_margin`` and near infrared
    exceeds it by 0.04; water lacks the latter. Both are differences, so that a short-wave infrared at zero
    or below, which atmospheric correction makes of clean ice, counts as what it is.

    Parameters
    ----------
    green, nir, swir1 : (...) float, reflectance 0..1, NaN where unknown
        Or int16, 10000 times that, -32768 where unknown. Landsat 8 bands 3, 5 and 6; Sentinel-2
        bands 3, 8 (or 8A) and 11.
    visible_margin : float, reflectance

    Returns
    -------
    (...) uint8
        LAND 0, ICE 1 (snow too, in sun and shade), WATER 2, UNSEEN 3, SILTY 4: spectrum of silty water, which
        blue ice can have, so that slope must decide.

    Notes
    -----
    It cannot tell ice from snow of the season, nor see ice under debris.
    """
    return contrast.classes(stored(green), stored(nir), stored(swir1), limits(visible_margin))


def is_ice(green: ArrayLike, nir: ArrayLike, swir1: ArrayLike) -> NDArray[np.bool_]:
    """Tell where :func:`classify` finds snow or ice, and silty water is none.

    Parameters
    ----------
    green, nir, swir1 : (...) float or int16
        As of :func:`classify`.

    Returns
    -------
    (...) bool
    """
    found: NDArray[np.bool_] = classify(green, nir, swir1) == ICE
    return found


def limits(visible_margin: float) -> NDArray[np.int32]:
    """Give the limits of :func:`kernels.contrast.classes` (4,) in steps of the stored numbers."""
    return np.array(
        [
            round(visible_margin * STEPS),
            round(defaults.NEAR_INFRARED_MARGIN * STEPS),
            round(defaults.WATER_NEAR_INFRARED_MAX * STEPS),
            defaults.WATER_GREEN_TIMES,
        ],
        np.int32,
    )


def stored(band: ArrayLike) -> NDArray[np.int16]:
    """Turn reflectance into int16 numbers, 10000 to one; what is int16 already is taken as such.

    Parameters
    ----------
    band : (...) float, NaN where unknown, or int16

    Returns
    -------
    (...) int16
        -32768 where unknown; beyond +-3.2767 the largest number.
    """
    values: NDArray[Any] = np.asarray(band)
    if values.dtype == np.int16:
        return values
    known = np.isfinite(values)
    steps = np.clip(np.rint(np.where(known, values, 0) * STEPS), -_LARGEST, _LARGEST)
    return np.where(known, steps, NODATA).astype(np.int16)
