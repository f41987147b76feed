"""How high the snow reaches down on each glacier on one date, and how much of it lies above."""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.analyses.glaciers.classification import ICE, NODATA, SILTY, STEPS, UNSEEN, classify
from bluepeace_gis.analyses.glaciers.observed import Observed
from bluepeace_gis.analyses.glaciers.terrain import Terrain
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.zones import burn

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]

SNOW_LINE_COLUMNS: Final = (
    "rgi_id",
    "date",
    "snow_line_m",
    "snow_line_unc_m",
    "accumulation_area_ratio",
    "seen_share",
)


def snow_threshold(nir: ArrayLike) -> float:
    """Find the near infrared that divides snow from ice, if there are both.

    The threshold that explains most of the variance [1]_, as on glaciers of the Alps [2]_; none where it
    explains no more than it would of a single kind, or lies where only ice or only snow is.

    Parameters
    ----------
    nir : (n,) float, reflectance 0..1
        Of cells of snow and ice in sunlight.

    Returns
    -------
    float
        NaN where they cannot be told apart.

    References
    ----------
    .. [1] Otsu (1979), doi:10.1109/TSMC.1979.4310076
    .. [2] Rastner et al. (2019), doi:10.3390/rs11121410
    """
    values = np.asarray(nir, np.float64)
    values = values[np.isfinite(values)]
    if len(values) < defaults.SNOW_CELLS_MIN:
        return np.nan
    count, edge = np.histogram(values.clip(0, 1), defaults.SNOW_BINS, (0.0, 1.0))
    middle = (edge[:-1] + edge[1:]) / 2
    below = np.cumsum(count)[:-1].astype(np.float64)
    above = len(values) - below
    sums = np.cumsum(count * middle)[:-1]
    mean = float((count * middle).sum() / len(values))
    both = (below > 0) & (above > 0)
    between = np.zeros(len(below))
    between[both] = (mean * below[both] - sums[both]) ** 2 * (1 / below[both] + 1 / above[both])
    variance = float((count * (middle - mean) ** 2).sum())
    if variance == 0 or between.max() / variance < defaults.SNOW_EXPLAINED_MIN:
        return np.nan
    # between two heaps that lie far apart all thresholds are as good: the middle of them
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    threshold = float((edge[1:-1][best[0]] + edge[1:-1][best[-1]]) / 2)
    low, high = defaults.SNOW_RANGE
    return threshold if low <= threshold <= high else np.nan


@dataclass(frozen=True)
class _Cells:
    """The cells of all glaciers, glacier by glacier.

    zone   (n,)  position of the glacier
    nir    (n,)  reflectance
    z      (n,)  metres, NaN where unknown
    seen   (n,)  in sunlight
    white  (n,)  snow or ice, seen
    """

    zone: NDArray[np.int32]
    nir: Reals
    z: Reals
    seen: Flags
    white: Flags


def snow_lines(
    glaciers: gpd.GeoDataFrame,
    observed: Observed,
    terrain: Terrain,
    *,
    sun: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Find the snow line of each glacier on the date of one composite.

    Snow is told from ice by near infrared, with one threshold for all glaciers of the scene, or where there
    is none for each by itself (:func:`snow_threshold`). The snow line is the height that parts them with the
    fewest cells on the wrong side.

    Parameters
    ----------
    glaciers : GeoDataFrame
        Polygons in any CRS, with the column ``rgi_id``.
    observed : Observed
        Of one date.
    terrain : Terrain
    sun : (azimuth, elevation), degrees, optional
        Of that date; what lies in the mountains' shadow then counts as not seen.

    Returns
    -------
    DataFrame
        A row for each glacier, in their order. ``rgi_id``; ``date`` as 2024-08-21T06:16:00; ``snow_line_m``
        and ``snow_line_unc_m``, half the height of the band around it that holds as many cells as lie on the
        wrong side, at least half a step of 20 m; ``accumulation_area_ratio``, share of what was seen of the
        glacier that is snow; ``seen_share``. NaN where snow cannot be told from ice, where less than half of
        the glacier was seen, and, of the snow line, where it lies below or above the glacier.

    Raises
    ------
    BadInput
        If the composite is of several dates, or ``rgi_id`` is missing.

    Notes
    -----
    At the end of summer the snow line is near the equilibrium line of that year; fresh snow hides it. Firn of
    older years is darker than snow and may count as either.
    """
    if len(observed.dates) != 1:
        raise BadInput(
            f"Found a composite of {len(observed.dates)} dates; snow lines are those of one. Make a "
            "composite of each date."
        )
    if "rgi_id" not in glaciers.columns:
        raise BadInput("The glaciers have no column rgi_id; one was expected for each. Add it.")
    cells = _cells(glaciers, observed, terrain, sun)
    count = len(glaciers)
    limit = snow_threshold(cells.nir[cells.white])
    table = np.full((count, 4), np.nan)
    bounds = np.searchsorted(cells.zone, np.arange(count + 1))
    for position in range(count):
        own = slice(bounds[position], bounds[position + 1])
        if own.start == own.stop:
            table[position, 3] = 0.0
            continue
        seen, white, nir = cells.seen[own], cells.white[own], cells.nir[own]
        table[position, 3] = seen.mean()
        if seen.mean() < defaults.SNOW_LINE_SEEN_MIN:
            continue
        threshold = snow_threshold(nir[white]) if np.isnan(limit) else limit
        if np.isnan(threshold):
            continue
        snow = white & (nir > threshold)
        table[position, 2] = snow.sum() / seen.sum()
        known = seen & np.isfinite(cells.z[own])
        table[position, :2] = _parted(cells.z[own][known], snow[known])
    made = pd.DataFrame(table, columns=list(SNOW_LINE_COLUMNS[2:]))
    made.insert(0, "rgi_id", glaciers["rgi_id"].to_numpy())
    made.insert(1, "date", np.full(count, f"{observed.dates[0]:%Y-%m-%dT%H:%M:%S}", object))
    return made


def _cells(
    glaciers: gpd.GeoDataFrame, observed: Observed, terrain: Terrain, sun: tuple[float, float] | None
) -> _Cells:
    try:
        label = burn(glaciers, observed.grid, what="glaciers") if len(glaciers) else None
    except OutsideGrid:
        label = None
    if label is None:
        nothing = np.zeros(0)
        none = np.zeros(0, np.bool_)
        return _Cells(np.zeros(0, np.int32), nothing, nothing, none, none)
    row, column = np.nonzero(label)
    zone = label[row, column] - 1
    order = np.argsort(zone, kind="stable")
    row, column, zone = row[order], column[order], zone[order]
    green, nir, swir1 = (band[row, column] for band in (observed.green, observed.nir, observed.swir1))
    codes = classify(green, nir, swir1)
    seen = codes != UNSEEN
    if sun is not None:
        lit = (1 - terrain.shade(*sun)).astype(np.float32)
        seen &= terrain.at(lit, row, column) != 0  # beyond the elevations: in the light
    return _Cells(
        zone,
        np.where(nir == NODATA, np.nan, nir / STEPS),
        terrain.at(terrain.z, row, column).astype(np.float64),
        seen,
        seen & np.isin(codes, (ICE, SILTY)),
    )


def _parted(z: Reals, snow: Flags) -> tuple[float, float]:
    """Find the height with the fewest cells on the wrong side, and how sharp it is; NaN where there is none.

    z, snow  (n,)
    """
    nowhere = (np.nan, np.nan)
    if len(z) == 0:
        return nowhere
    step = defaults.SNOW_LINE_STEP_M
    edges = np.arange(np.floor(z.min() / step), np.ceil(z.max() / step) + 1) * step
    if len(edges) < 2:
        return nowhere
    of_snow, of_ice = np.histogram(z[snow], edges)[0], np.histogram(z[~snow], edges)[0]
    below = np.concatenate([[0], np.cumsum(of_snow)])
    above = np.concatenate([np.cumsum(of_ice[::-1])[::-1], [0]])
    wrong = below + above
    least = np.flatnonzero(wrong == wrong.min())
    line = float((edges[least[0]] + edges[least[-1]]) / 2)
    if wrong.min() * 2 >= min(int(snow.sum()), int((~snow).sum())):
        return nowhere  # a height tells little of where snow lies
    far = np.sort(np.abs(z - line))
    return line, max(step / 2, float(far[max(int(wrong.min()) - 1, 0)]))
