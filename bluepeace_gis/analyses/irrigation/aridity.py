"""Whether what was cropped must have been irrigated: rain against reference evapotranspiration."""

import calendar
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation import defaults
from bluepeace_gis.analyses.irrigation.defaults import DOUBLE, IRRIGATED, PERMANENT, SUMMER, UNCERTAIN
from bluepeace_gis.errors import BadInput
from bluepeace_gis.kernels.normalized import NODATA, STEPS

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Reals = NDArray[np.floating[Any]]

MONTHS: Final = 12


def arid(rain_mm: Reals, et0_mm: Reals | None = None) -> Flags:
    """Tell where no crop grows to the end without irrigation.

    Parameters
    ----------
    rain_mm : (...) float, mm a year
        NaN where not known.
    et0_mm : (...) float, mm a year
        Reference evapotranspiration; without it rain alone decides.

    Returns
    -------
    (...) bool
        Rain below ``defaults.ARID_RAIN_MM`` or below ``defaults.ARID_RATIO`` of ``et0_mm``. Not known is
        not arid: more must then be seen before a crop counts as irrigated.

    Raises
    ------
    BadInput
        If the shapes differ, or numbers are negative or infinite.
    """
    _check("rain", rain_mm)
    dry: Flags = rain_mm < defaults.ARID_RAIN_MM
    if et0_mm is not None:
        _check("reference evapotranspiration", et0_mm)
        if et0_mm.shape != rain_mm.shape:
            raise BadInput(
                f"Found rain {rain_mm.shape} and reference evapotranspiration {et0_mm.shape}; expected one "
                "shape. Put them on one grid first."
            )
        dry |= rain_mm < defaults.ARID_RATIO * et0_mm
    return dry


def dry_months(rain_mm: Reals, et0_mm: Reals) -> Flags:
    """Tell the months in which rain does not feed a crop.

    Parameters
    ----------
    rain_mm, et0_mm : (12, ...) float, mm a month, from January
        NaN where not known.

    Returns
    -------
    (12, ...) bool
        Rain below ``defaults.ARID_RATIO`` of reference evapotranspiration; not where either is not known.

    Raises
    ------
    BadInput
        If there are not twelve months, the shapes differ, or numbers are negative or infinite.
    """
    if rain_mm.ndim < 1 or rain_mm.shape[0] != MONTHS or rain_mm.shape != et0_mm.shape:
        raise BadInput(
            f"Found rain {rain_mm.shape} and reference evapotranspiration {et0_mm.shape}; expected twelve "
            "months of both on one grid."
        )
    _check("rain", rain_mm)
    _check("reference evapotranspiration", et0_mm)
    dry: Flags = rain_mm < defaults.ARID_RATIO * et0_mm
    return dry


def green_in_dry_months(
    ndvi: NDArray[np.int16],
    days: NDArray[np.integer[Any]],
    dry: Flags,
    soil: NDArray[np.int16],
    *,
    year: int,
    green: float = defaults.GREEN_MIN,
    contrast: float = defaults.CONTRAST_MIN,
) -> Flags:
    """Tell where plants were green in a month whose rain could not have kept them so.

    Parameters
    ----------
    ndvi : (dates, ...) int16, NDVI times 10,000
        -32768 where not observed.
    days : (dates,) int, days of the year from 1
    dry : (12, ...) or (12,) bool
        From :func:`dry_months`.
    soil : (...) int16, NDVI times 10,000
        ``base`` of :func:`.rule.described`.
    year : int
        Which year the days belong to.
    green, contrast : float, NDVI
        As of the rule: what a single date must reach, and how far above the soil.

    Returns
    -------
    (...) bool
        Two dates or more in dry months were green: one may be the rest of the month before.

    Raises
    ------
    BadInput
        If ``dry`` does not hold twelve months or another number of days than of dates is given.
    """
    if dry.ndim < 1 or dry.shape[0] != MONTHS or len(days) != len(ndvi):
        raise BadInput(
            f"Found {dry.shape[:1]} months and {len(days)} days for {len(ndvi)} dates; expected twelve "
            "months and a day for each date."
        )
    starts = np.cumsum([0, *(calendar.monthrange(year, month)[1] for month in range(1, MONTHS))])
    need = np.maximum(round(green * STEPS), soil.astype(np.int32) + round(contrast * STEPS))
    seen = np.zeros(ndvi.shape[1:], np.int16)
    for date, day in enumerate(days):
        month = int(np.searchsorted(starts, int(day) - 1, side="right")) - 1
        seen += dry[month] & (ndvi[date] != NODATA) & (ndvi[date] >= need)
    enough: Flags = seen >= 2
    return enough


def irrigated(
    state: Codes, season: Codes, is_arid: Flags | None, green_when_dry: Flags | None = None
) -> Codes:
    """Turn cropped into irrigated, or into uncertain where rain may have sufficed.

    Parameters
    ----------
    state, season : (...) uint8
        From :func:`.rule.classify`: 3 is cropped.
    is_arid : (...) bool
        From :func:`arid`. Without it every place counts as arid, as the irrigated plains of the Aral Sea
        basin are.
    green_when_dry : (...) bool
        From :func:`green_in_dry_months`; without it a summer season says as much.

    Returns
    -------
    (...) uint8
        ``state``, with 2 (uncertain) where a crop stood in a place that is not arid, and neither in summer
        nor in a dry month.

    Raises
    ------
    BadInput
        If the shapes differ.
    """
    for name, other in (("season", season), ("arid", is_arid), ("green when dry", green_when_dry)):
        if other is not None and other.shape != state.shape:
            raise BadInput(f"Found {name} {other.shape}; expected {state.shape}, the shape of the states.")
    if is_arid is None:
        return state.copy()
    watered = np.isin(season, (SUMMER, DOUBLE, PERMANENT)) if green_when_dry is None else green_when_dry
    return np.where((state == IRRIGATED) & ~is_arid & ~watered, UNCERTAIN, state).astype(np.uint8)


def _check(name: str, values: Reals) -> None:
    wrong = np.isinf(values) | (values < 0)
    if wrong.any():
        raise BadInput(
            f"Found {name} of {values[wrong].min():g} mm in {int(wrong.sum())} places; expected numbers "
            "from 0, or NaN where not known. Declare the nodata value of the raster."
        )
