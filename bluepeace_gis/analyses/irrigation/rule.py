"""The rule: which land was cropped in a year and in which season, told from its NDVI and the gaps in it."""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation import defaults
from bluepeace_gis.analyses.irrigation.defaults import (
    DOUBLE,
    IRRIGATED,
    NO_SEASON,
    NOT_IRRIGATED,
    NOT_OBSERVED,
    OUTSIDE,
    PERMANENT,
    SUMMER,
    WINTER,
)
from bluepeace_gis.analyses.irrigation.seasons import Seasons
from bluepeace_gis.errors import BadInput
from bluepeace_gis.kernels import humps
from bluepeace_gis.kernels.humps import Humps
from bluepeace_gis.kernels.normalized import NODATA, STEPS

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Shorts = NDArray[np.int16]
Wholes = NDArray[np.int32]

YEAR_DAYS: Final = 366


@dataclass(frozen=True)
class Limits:
    """The thresholds of the rule, NDVI -1..1; each default is explained in :mod:`.defaults`.

    Parameters
    ----------
    green : float
        Level from which a season counts.
    contrast : float
        How far that must stand above the soil.
    second_green : float
        Level from which the lower of two seasons counts.
    trough : float
        How far the curve must fall between two crops.
    trough_open : float, 0..1
        Part of the lower peak's height above the soil that may be left in the trough.
    """

    green: float = defaults.GREEN_MIN
    contrast: float = defaults.CONTRAST_MIN
    second_green: float = defaults.SECOND_GREEN_MIN
    trough: float = defaults.TROUGH_MIN
    trough_open: float = defaults.TROUGH_OPEN

    def shifted(self, by: float) -> "Limits":
        """Move the three thresholds of greenness; returns new limits."""
        return Limits(
            self.green + by, self.contrast + by, self.second_green + by, self.trough, self.trough_open
        )

    def moved_to(self, green: float) -> "Limits":
        """Set the level a season counts from, and that of the second with it; returns new limits."""
        by = green - self.green
        return Limits(green, self.contrast, self.second_green + by, self.trough, self.trough_open)


SHAPE: Final = humps.Shape(
    reach=defaults.REACH_DAYS,
    spike=round(defaults.SPIKE * STEPS),
    base_share=defaults.SOIL_SHARE,
    base_most=round(defaults.SOIL_MOST * STEPS),
    half=defaults.HALF,
    growth=defaults.DEVELOPMENT_DAYS,
    decline=defaults.DECLINE_DAYS,
    standing=defaults.STANDING_DAYS,
    support=defaults.SUPPORT_DAYS,
)


@dataclass(frozen=True)
class Cropped:
    """What the rule says, each with the shape of one date.

    Parameters
    ----------
    state : uint8
        0 not observed, 1 not cropped, 3 cropped, 255 outside; whether a crop was irrigated is asked next
        (:mod:`.aridity`), and in an arid place it was.
    season : uint8
        0 none, 1 winter, 2 summer, 3 double, 4 permanent, 255 outside.
    season_open : bool
        Cropped, but gaps may hide a second season: the season is the least there was.
    low, high : uint8
        ``state`` with all thresholds higher, lower by ``defaults.SENSITIVITY``.
    """

    state: Codes
    season: Codes
    season_open: Flags
    low: Codes
    high: Codes


def classify(
    ndvi: Shorts,
    days: NDArray[np.integer[Any]],
    seasons: Seasons,
    *,
    zone: Codes | None = None,
    limits: Limits | None = None,
    threads: int | None = None,
) -> Cropped:
    """Tell cropped land and its season from one calendar year of NDVI.

    A season is cropped where its level stands at ``limits.green`` or more and ``limits.contrast`` above the
    soil. The level is the mean of the highest composite and its higher neighbour, once single spikes are
    lowered; the soil is the lower quartile of the year. Two seasons with open soil between them are a double
    crop. A single hump over both windows is told by when it rises and falls: after ``green_by`` a summer
    crop, gone by ``ripe_by`` a winter crop, else permanent.

    Land that was not seen cropped is *not observed* where a gap could still hide a crop: one that develops,
    stands and ripens as fast as crops of fields do, and reaches the thresholds between the two observations.

    Parameters
    ----------
    ndvi : (dates, ...) int16, NDVI times 10,000
        -32768 where not observed. Composites or single dates as they were seen, not smoothed: smoothing
        fills the gaps this asks about.
    days : (dates,) or (dates, ...) int, days of the year from 1
        In their order, evenly spaced or not; the highest of a dekad stands on another day in each cell.
    seasons : Seasons
    zone : (...) uint8
        The place of each cell's agro-zone in ``seasons``, 255 outside; without it the default applies.
    limits : Limits
    threads : int

    Returns
    -------
    Cropped

    Raises
    ------
    BadInput
        If the days are none of one year or not in order, or shapes and types do not fit.

    Notes
    -----
    On 2,827 well observed surveyed fields of three regions [1]_ the five labels (fallow and the seasons) are
    right for 0.91; 3 of 40 fallow fields are called cropped (one of them bears two tall crops), 98 % of the
    cropped ones are kept. Thin stands on salty land that never reach the thresholds are missed, and orchards
    that shade less than half of their ground look like summer crops.

    References
    ----------
    .. [1] Remelgado et al. (2020), doi:10.1038/s41597-020-00591-2
    """
    _check(ndvi, days, seasons, zone)
    return decide(
        described(ndvi, days, seasons, zone=zone, threads=threads), seasons, zone=zone, limits=limits
    )


def described(
    ndvi: Shorts,
    days: NDArray[np.integer[Any]],
    seasons: Seasons,
    *,
    zone: Codes | None = None,
    threads: int | None = None,
) -> Humps:
    """Describe the curves of a stack by what the rule asks about them.

    Parameters
    ----------
    ndvi, days, seasons, zone, threads
        As in :func:`classify`.

    Returns
    -------
    Humps
        Levels, soil and trough in NDVI times 10,000, each with the shape of one date.

    Raises
    ------
    BadInput
        As :func:`classify`.
    """
    _check(ndvi, days, seasons, zone)
    return humps.humps(ndvi, days, seasons.windows, SHAPE, window_of=zone, threads=threads)


def decide(
    found: Humps, seasons: Seasons, *, zone: Codes | None = None, limits: Limits | None = None
) -> Cropped:
    """Apply the thresholds to curves that are described.

    Parameters
    ----------
    found : Humps
        From :func:`described`.
    seasons, zone, limits
        As in :func:`classify`.

    Returns
    -------
    Cropped
    """
    limits = limits or Limits()
    state, season, season_open = _decided(found, seasons, zone, limits)
    low, _, _ = _decided(found, seasons, zone, limits.shifted(defaults.SENSITIVITY))
    high, _, _ = _decided(found, seasons, zone, limits.shifted(-defaults.SENSITIVITY))
    return Cropped(state, season, season_open, low, high)


def _decided(
    found: Humps, seasons: Seasons, zone: Codes | None, limits: Limits
) -> tuple[Codes, Codes, Flags]:
    spring, summer, trough, soil = (
        values.astype(np.int32) for values in (found.first, found.second, found.trough, found.base)
    )
    need, need_second = (
        np.maximum(_steps(green), soil + _steps(limits.contrast))
        for green in (limits.green, limits.second_green)
    )
    in_spring, in_summer = spring >= need, summer >= need
    cropped = in_spring | in_summer
    spring_open, summer_open = found.first_hidden >= need, found.second_hidden >= need

    # of two seasons the lower must show more than the weeds after harvest
    lower = np.minimum(spring, summer)
    both = in_spring & in_summer & (lower >= need_second)
    bare_between = (
        (trough != NODATA)
        & (lower - trough > _steps(limits.trough))
        & (trough - soil < limits.trough_open * (lower - soil))
    )
    # the end of a season whose height was not seen: the curve falls from it to open soil
    seen_end = in_summer & ~both & spring_open & (spring != NODATA) & (summer >= spring) & bare_between
    days = seasons.days if zone is None else np.vstack([seasons.days, np.zeros((256, 2), np.int32)])
    green_by, ripe_by = (days[0 if zone is None else zone][..., which] for which in range(2))
    one_hump = np.where(found.rise >= green_by, SUMMER, np.where(found.fall <= ripe_by, WINTER, PERMANENT))

    season = np.where(spring >= summer, WINTER, SUMMER)
    season[both] = np.where(bare_between, DOUBLE, one_hump)[both]
    season[seen_end] = DOUBLE
    season[~cropped] = NO_SEASON
    state = np.where(cropped, IRRIGATED, np.where(spring_open | summer_open, NOT_OBSERVED, NOT_IRRIGATED))
    season_open = cropped & (((season == SUMMER) & spring_open) | ((season == WINTER) & summer_open))
    state, season = state.astype(np.uint8), season.astype(np.uint8)
    if zone is not None:
        outside = zone == humps.OUTSIDE
        state[outside] = season[outside] = OUTSIDE
        season_open[outside] = False
    return state, season, season_open


def levels(found: Humps) -> Shorts:
    """Give the higher level of both seasons (...), NDVI times 10,000, for :func:`green_threshold`."""
    highest: Shorts = np.maximum(found.first, found.second)
    return highest


def green_threshold(level: Shorts) -> tuple[float, bool]:
    """Find the threshold between bare and green land where a histogram shows one.

    Parameters
    ----------
    level : (...) int16, NDVI times 10,000
        The level of each cell, from :func:`levels`; -32768 where there is none.

    Returns
    -------
    threshold : float, NDVI
        Otsu's [1]_, within ``defaults.GREEN_RANGE``, where the histogram has two hills; else
        ``defaults.GREEN_MIN``.
    two_hills : bool

    Notes
    -----
    Otsu's method gives a threshold for any histogram, also where nearly all land is green; it is asked only
    where each side holds a tenth of the cells and the histogram falls to half of the lower hill between
    them. A threshold that moves makes maps of different years and of both sides of a border differ by it:
    leave it where areas are to be compared.

    References
    ----------
    .. [1] Otsu (1979), doi:10.1109/TSMC.1979.4310076
    """
    known = level[level != NODATA].astype(np.float64) / STEPS
    if known.size < defaults.HISTOGRAM_LEAST:
        return defaults.GREEN_MIN, False
    width = defaults.HISTOGRAM_STEP
    edges = np.arange(-1.0, 1.0 + 1.5 * width, width)
    counts = np.histogram(known, edges)[0].astype(np.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    smooth = np.convolve(counts, [0.25, 0.5, 0.25], "same")

    share = np.cumsum(counts) / counts.sum()
    mean = np.cumsum(counts * middle) / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * share - mean) ** 2 / (share * (1 - share))
    between[~np.isfinite(between)] = -1.0
    best = np.flatnonzero(between == between.max())
    cut = int(best[len(best) // 2])  # an empty valley is cut in its middle
    threshold = float(edges[cut + 1])

    shares = (share[cut], 1 - share[cut])
    one, two = int(smooth[: cut + 1].argmax()), cut + 1 + int(smooth[cut + 1 :].argmax())
    valley = smooth[one : two + 1].min()
    two_hills = min(shares) >= defaults.HILL_SHARE_MIN and bool(
        valley <= defaults.VALLEY_MAX * min(smooth[one], smooth[two])
    )
    if not two_hills:
        return defaults.GREEN_MIN, False
    return float(np.clip(threshold, *defaults.GREEN_RANGE)), True


def _steps(ndvi: float) -> int:
    return round(ndvi * STEPS)


def _check(ndvi: Shorts, days: NDArray[np.integer[Any]], seasons: Seasons, zone: Codes | None) -> None:
    if ndvi.dtype != np.int16 or ndvi.ndim < 1:
        raise BadInput(
            f"Found NDVI as {ndvi.dtype} {ndvi.shape}; expected int16 (dates, ...), 10,000 times NDVI and "
            f"{NODATA} where there is none. Multiply and round it first."
        )
    own = days.shape == ndvi.shape and ndvi.ndim > 1
    fit = own or days.shape == ndvi.shape[:1]
    if not fit or len(days) == 0 or not np.issubdtype(days.dtype, np.integer):
        raise BadInput(
            f"Found {days.size} days ({days.dtype}) for {len(ndvi)} dates of NDVI; expected a whole day of "
            "the year for each."
        )
    known = days
    if own and (days.min(initial=1) < 1 or days.max(initial=1) > YEAR_DAYS):
        known = days[ndvi != NODATA]  # copies: only where some day is wrong
    falls = not own and bool((np.diff(days) < 0).any())
    if known.size and (known.min() < 1 or known.max() > YEAR_DAYS or falls):
        raise BadInput(
            f"Found days from {known.min()} to {known.max()}; expected days of one year, 1 to {YEAR_DAYS}, "
            "in their order. Give one calendar year at a time."
        )
    if zone is not None and (zone.shape != ndvi.shape[1:] or zone.dtype != np.uint8):
        raise BadInput(
            f"Found agro-zones {zone.dtype} {zone.shape}; expected uint8 {ndvi.shape[1:]}, one for each cell."
        )
    if zone is not None and bool((zone[zone != humps.OUTSIDE] >= len(seasons.zones)).any()):
        raise BadInput(
            f"Found agro-zone {int(zone[zone != humps.OUTSIDE].max())}; expected 0 to "
            f"{len(seasons.zones) - 1}, the places in the table of seasons, or 255 outside."
        )


def method(seasons: Seasons, limits: Limits | None = None) -> dict[str, Any]:
    """Tell everything that decides the class of a cell, for the provenance; returns plain numbers by name.

    ``limits`` and the days of ``seasons``; no counts, dates or years: two maps with the same method are
    comparable.
    """
    used = limits or Limits()
    return {
        "thresholds": {field.name: round(getattr(used, field.name), 6) for field in fields(used)},
        "signal": {
            "reach_days": defaults.REACH_DAYS,
            "spike": defaults.SPIKE,
            "soil_share": defaults.SOIL_SHARE,
            "soil_most": defaults.SOIL_MOST,
            "half": defaults.HALF,
        },
        "gaps": {
            "development_days": defaults.DEVELOPMENT_DAYS,
            "standing_days": defaults.STANDING_DAYS,
            "decline_days": defaults.DECLINE_DAYS,
            "support_days": defaults.SUPPORT_DAYS,
        },
        "seasons": seasons.described(),
    }
