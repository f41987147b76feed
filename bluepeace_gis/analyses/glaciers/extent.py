"""Outlines of snow-free ice from what the scenes of one late summer saw, with what they may be wrong by."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike, NDArray

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.analyses.glaciers.classification import (
    ICE,
    NODATA,
    SILTY,
    STEPS,
    UNSEEN,
    WATER,
    classify,
    limits,
    stored,
)
from bluepeace_gis.analyses.glaciers.debris import debris_layer, find_debris
from bluepeace_gis.analyses.glaciers.edits import Edit, replayed
from bluepeace_gis.analyses.glaciers.observed import Observed
from bluepeace_gis.analyses.glaciers.outlines import HALF, MOSTLY, Parts, drop_small, parts_of
from bluepeace_gis.analyses.glaciers.terrain import Terrain
from bluepeace_gis.analyses.glaciers.threshold import Curve, curve_of
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import M2_PER_KM2, polygon_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import contrast, runs, unmixing

log = logging.getLogger(__name__)

Codes = NDArray[np.uint8]
Reals = NDArray[np.float64]

# Layers and their geometry; all are there, if empty.
GEOMETRY_TYPES: Final = {
    "glaciers": "Polygon",
    "outlines_min": "MultiPolygon",
    "outlines_max": "MultiPolygon",
    "debris": "Polygon",
    "unseen": "Polygon",
}
# Columns of ``glaciers`` in the order of the RGI 7.0 product; those of it that need divides and heights
# (ids, names, centre, terminus, elevations, slope, aspect, length, codes) are added by the inventory.
COLUMNS: Final = (
    "src_date",
    "area_km2",
    "area_unc_km2",
    "edge_unc_km2",
    "snow_unc_km2",
    "unseen_km2",
    "debris_km2",
)
# Columns of ``parts``: what the uncertainty of each row of ``glaciers`` is made of.
PART_COLUMNS: Final = (
    "perimeter_m",
    "edge_sigma_m",
    "edge_correlation_m",
    "edge_unc_km2",
    "threshold_unc_km2",
    "snow_km2",
    "snow_unc_km2",
    "unseen_km2",
    "unseen_unc_km2",
    "debris_km2",
    "debris_unc_km2",
    "half_pixel_unc_km2",
)
# Between centres of cells the share of a straight margin falls from one to nothing over so many cells.
_RAMP_CELLS: Final = 1.5
_WORTH_CUTTING: Final = 0.5  # of a frame: beyond, copies cost more than they spare
_SAMPLE: Final = 512  # rows and columns looked at for questions about a whole frame


@dataclass(frozen=True)
class Extent:
    """Glaciers, their bounds, and how they were found.

    Parameters
    ----------
    layers : {name: GeoDataFrame}
        Those of :data:`GEOMETRY_TYPES`, in the CRS of the scenes; ``glaciers`` with :data:`COLUMNS`, largest
        first, one row for each connected body of ice: divides come with the inventory. ``area_km2`` is clean
        ice; what may lie under debris stands beside it in ``debris_km2``, never in it, and in ``debris``.
        ``unseen`` is all ground that no date saw, wherever it lies.
    curve : Curve
        Area against threshold.
    parts : DataFrame
        :data:`PART_COLUMNS` for each row of ``glaciers``: what its uncertainty is made of.
    snow_km2 : float
        Patches taken for snow of the season with a single date: in ``outlines_max`` only.
    threshold_unc_km2 : float
        Half of what the unmixed area of all ice changes over the plateau.
    notes : (str, ...)
        What a reader of the numbers must know, a sentence each.
    detail_m : float
        The coarsest cell of the bands used.
    """

    layers: dict[str, gpd.GeoDataFrame]
    parts: pd.DataFrame
    curve: Curve
    snow_km2: float
    threshold_unc_km2: float
    notes: tuple[str, ...]
    detail_m: float


def find_glaciers(
    observed: Observed,
    terrain: Terrain | None = None,
    *,
    area_min_km2: float = defaults.AREA_MIN_KM2,
    edits: Sequence[Edit] = (),
) -> Extent:
    """Outline clean ice, and what may be ice under debris beside it.

    Cells are told by their spectrum (see :func:`classify`), a 3 x 3 majority takes single cells away, and
    cells at the margin are unmixed against the ice and the ground beside them, so that the contour at one
    half lies where half of a cell is ice, whatever its size [1]_. Cells that are mixed farther from pure ice
    than a margin is wide are left out: patchy snow, or ice half under debris. Ice under debris is found by
    :func:`find_debris`.

    Parameters
    ----------
    observed : Observed
        Scenes of the end of one summer.
    terrain : Terrain, optional
        Without it water is told by its spectrum alone, and winter by the share of ice.
    area_min_km2 : float, km2
        Smaller patches are left out.
    edits : sequence of Edit
        What people added and removed, replayed in the order of their dates.

    Returns
    -------
    Extent

    Raises
    ------
    BadInput
        If the scenes were taken in winter, saw nothing, or the elevations do not cover them.

    Notes
    -----
    Uncertainties are standard deviations in km2. Edge: a third of a cell along the outline, alike over ten
    cells, sigma * sqrt(length * 10 cells). Threshold: half of what the unmixed area changes over the plateau,
    shared out by the length of the outlines. Snow: what looks like ice beyond the margin and was left out
    (patchy, in rims narrower than 60 m, ragged) may be ice, and about as much within the outlines late snow
    that fills its cells; with several dates, of the ice that one date alone saw, the share that a second look
    took for land elsewhere. What another date shows bare is in ``outlines_max``, and no doubt. Unseen ground
    is all ice as often as the ground around it, else none, and the area holds none of it: its root mean
    square counts.
    ``debris_km2`` is 0 where ice under debris was looked for and not found, and missing without elevations.

    References
    ----------
    .. [1] Paul et al. (2013), On the accuracy of glacier outlines, doi:10.3189/2013AoG63A296
    """
    _require_seen(observed)
    if terrain is not None:
        _require_cover(observed, terrain)
    _require_summer(observed, terrain)
    grid = observed.grid
    cell_km2 = _cell_km2(grid)
    codes, mask = _mask(observed, terrain, defaults.VISIBLE_MARGIN, cell_km2, area_min_km2)
    hidden = _hidden(codes, grid, cell_km2, area_min_km2)
    whole, window = grid, _near_ice(observed, terrain, mask)
    if window is not None:
        codes = np.ascontiguousarray(codes[window])
        mask = np.ascontiguousarray(mask[window])
        observed, terrain = _cut(observed, terrain, window)
    grid = observed.grid
    _drop_patchy(mask, observed)
    _drop_fringes(mask, grid, cell_km2)
    zone = unmixing.grown(mask, defaults.CURVE_REACH_CELLS)
    curve = curve_of(observed.green, observed.nir, observed.swir1, zone, cell_km2)
    del zone
    if abs(curve.threshold - defaults.VISIBLE_MARGIN) > defaults.CURVE_STEP / 2:
        log.warning(
            "The usual threshold of %.2f does not lie on the plateau of this scene (%.2f to %.2f); %.2f is "
            "taken. Haze moves it: look at the curve in the picture.",
            defaults.VISIBLE_MARGIN, *curve.plateau, curve.threshold,
        )  # fmt: skip
        codes, mask = _mask(observed, terrain, curve.threshold, cell_km2, area_min_km2)
        _drop_patchy(mask, observed)
        _drop_fringes(mask, grid, cell_km2)
    share = _shares(observed, mask, codes)
    del mask
    # half of it, so that the polygon's own area decides below
    drop_small(share, MOSTLY, cell_km2, area_min_km2 / 2)
    _drop_level(share, terrain)
    parts = parts_of(share, grid)
    area_km2 = _areas_km2(parts.polygons, grid)
    large = area_km2 >= area_min_km2
    snow = np.zeros(len(parts), np.bool_)
    if len(observed.dates) == 1:
        snow = large & _looks_like_snow(parts.polygons, area_km2, float(grid.cell_steps_m[0].mean()))
        snow &= ~_beside_unseen(parts, codes)
    kept = large & ~snow
    runs.fill(share, parts.runs, (~kept).astype(np.uint8), 0)
    # what is reported is the curve of the glaciers themselves, at the threshold that was taken
    zone = unmixing.grown((share >= MOSTLY).astype(np.uint8), defaults.CURVE_REACH_CELLS)
    curve = replace(
        curve_of(observed.green, observed.nir, observed.swir1, zone, cell_km2),
        threshold=curve.threshold,
        plateau=curve.plateau,
    )
    threshold_unc_km2 = _threshold_unc_km2(observed, terrain, curve, zone, cell_km2, area_min_km2)
    del zone
    bounds = _Bounds.of(observed, codes, share, parts, kept, snow)
    debris = None if terrain is None else find_debris(observed, terrain, codes, share)
    return _assembled(
        observed, whole, parts, area_km2, kept, snow, bounds, hidden, debris, curve, threshold_unc_km2, edits,
        area_min_km2,
    )  # fmt: skip


def _cell_km2(grid: Grid) -> float:
    rows = slice(0, grid.shape[0], max(1, grid.shape[0] // 16))
    if grid.row_areas_m2 is not None:
        return float(grid.row_areas_m2[rows].mean()) / M2_PER_KM2
    middle = grid.shape[0] // 2, grid.shape[1] // 2
    window = (middle[0], middle[0] + 1, middle[1], middle[1] + 1)
    return float(grid.cell_areas_of(*window)[0, 0]) / M2_PER_KM2


# What must be true before anything is mapped


def _thinned(shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return tuple(np.arange(0, size, max(1, size // _SAMPLE)) for size in shape)  # type: ignore[return-value]


def _require_seen(observed: Observed) -> None:
    if not any((rows != NODATA).any() for rows in observed.green):
        raise BadInput(
            "The scenes saw nothing in this frame but cloud, gaps or deep shadow; clear land was expected. "
            "Choose other dates."
        )


def _require_cover(observed: Observed, terrain: Terrain) -> None:
    row, column = _thinned(observed.grid.shape)
    seen = observed.green[np.ix_(row, column)] != NODATA
    r, c = np.meshgrid(row, column, indexing="ij")
    known = np.isfinite(terrain.at(terrain.z, r, c))
    uncovered = float((seen & ~known).sum() / max(seen.sum(), 1))
    if uncovered > defaults.UNCOVERED_MAX:
        raise BadInput(
            f"The DEM does not cover the scenes: {uncovered:.0%} of what they saw lies beyond it. Take a DEM "
            "of the whole region, or cut the scenes to it with gdalwarp -te."
        )


def _require_summer(observed: Observed, terrain: Terrain | None) -> None:
    row, column = _thinned(observed.grid.shape)
    green, nir, swir1 = (band[np.ix_(row, column)] for band in (observed.green, observed.nir, observed.swir1))
    z = None if terrain is None else terrain.at(terrain.z, *np.meshgrid(row, column, indexing="ij"))
    require_late_summer(green, nir, swir1, z)


def require_late_summer(
    green: ArrayLike, nir: ArrayLike, swir1: ArrayLike, z: NDArray[np.floating[Any]] | None = None
) -> None:
    """Refuse a scene with snow where there is none at the end of summer: in the lower half of the heights.

    Parameters
    ----------
    green, nir, swir1 : (rows, columns) float or int16
        As of :func:`classify`; a coarse sample of the scene will do.
    z : (rows, columns) float, metres, NaN where unknown, optional
        Elevations; without them, or if they are all one, the whole scene is judged.

    Raises
    ------
    BadInput
        With the share that is white.
    """
    codes = classify(green, nir, swir1)
    seen = codes != UNSEEN
    white = np.isin(codes, (ICE, SILTY))
    share = float(white.sum() / max(seen.sum(), 1))
    where, limit = "of what was seen", defaults.WINTER_SHARE
    if z is not None:
        placed = seen & np.isfinite(z)
        if placed.any() and float(np.ptp(z[placed])) > 0:
            middle = float(np.median(z[placed]))
            lower = float(white[placed & (z <= middle)].mean())
            if lower > defaults.WINTER_LOW_SHARE:
                share, limit, where = lower, defaults.WINTER_LOW_SHARE, f"of the ground below {middle:.0f} m"
    if share > limit:
        raise BadInput(
            f"{share:.0%} {where} is snow or ice; at the end of summer at most {limit:.0%} was expected. "
            "The scene shows winter snow, under which no glacier can be outlined: choose one of late July to "
            "September, before the first snow."
        )


def require_dark_ice(green: ArrayLike, nir: ArrayLike, swir1: ArrayLike) -> None:
    """Refuse a scene in which nothing white is dark in short-wave infrared: an offset was not subtracted.

    Parameters
    ----------
    green, nir, swir1 : (rows, columns) float or int16
        As of :func:`classify`; a coarse sample of the scene will do.

    Raises
    ------
    BadInput
        With how bright it is there.
    """
    white = classify(green, nir, swir1) == ICE
    white &= stored(green) >= round(defaults.WHITE_GREEN_MIN * STEPS)
    if white.sum() < defaults.WHITE_CELLS_MIN:
        return
    darkest = float(np.percentile(stored(swir1)[white], defaults.WHITE_DARKEST_PERCENT)) / STEPS
    if darkest > defaults.WHITE_SWIR_MAX:
        raise BadInput(
            f"All that is white in it reflects {darkest:.2f} and more in short-wave infrared, where ice and "
            f"old snow reflect less than {defaults.WHITE_SWIR_MAX:g}: the offset of the product was not "
            "subtracted (Landsat: scale 2.75e-05, offset -0.2), or it shows cloud alone. State scale and "
            "offset in the file (gdal_edit.py -scale 2.75e-05 -offset -0.2 FILE), or choose another scene."
        )


# The mask


def _mask(
    observed: Observed, terrain: Terrain | None, margin: float, cell_km2: float, area_min_km2: float
) -> tuple[Codes, Codes]:
    """Classify the composite, and give the cells of ice in patches that are large enough."""
    codes = contrast.classes(observed.green, observed.nir, observed.swir1, limits(margin))
    _settle_silty(codes, terrain)
    mask = unmixing.majority(codes, ICE)
    if _holds(codes, UNSEEN):  # beside a cloud the majority is not known: a cell is what it looks like
        unseen = unmixing.grown(np.equal(codes, UNSEEN).view(np.uint8), 1)
        for part in _strips(codes.shape[0]):
            unseen[part] &= codes[part] == ICE
            mask[part] |= unseen[part]
        del unseen
    drop_small(mask, 1, cell_km2, area_min_km2 / 2)
    return codes, mask


def _strips(rows: int) -> Iterator[slice]:
    """Cut rows into pieces, so that what is computed on the way stays small."""
    for row in range(0, rows, _SAMPLE):
        yield slice(row, row + _SAMPLE)


def _holds(codes: Codes, code: int) -> bool:
    return any(bool((codes[part] == code).any()) for part in _strips(codes.shape[0]))


def _shares(observed: Observed, mask: Codes, codes: Codes) -> Codes:
    """Unmix the margin of a mask."""
    where = unmixing.states(mask, codes, ICE, UNSEEN)
    return unmixing.shares(observed.green, observed.swir1, where, defaults.UNMIXING_REACH_CELLS)


def _threshold_unc_km2(
    observed: Observed,
    terrain: Terrain | None,
    curve: Curve,
    zone: Codes,
    cell_km2: float,
    area_min_km2: float,
) -> float:
    """Halve what the unmixed area in a zone differs between the two ends of the plateau.

    Not the difference of the curve: that counts whole cells, most of which unmixing shares out alike.
    """
    areas = []
    for margin in curve.plateau:
        codes, mask = _mask(observed, terrain, margin, cell_km2, area_min_km2)
        _drop_patchy(mask, observed)
        _drop_fringes(mask, observed.grid, cell_km2)
        np.multiply(mask, zone, out=mask)
        areas.append(float(_shares(observed, mask, codes).sum(dtype=np.int64)) / unmixing.WHOLE * cell_km2)
    return abs(areas[0] - areas[1]) / 2


def _hidden(codes: Codes, grid: Grid, cell_km2: float, area_min_km2: float) -> NDArray[Any]:
    """Outline what was not seen, wherever it lies: a glacier there is not known to be gone."""
    if not _holds(codes, UNSEEN):
        return np.empty(0, object)
    unseen = np.equal(codes, UNSEEN).view(np.uint8)
    drop_small(unseen, 1, cell_km2, area_min_km2)
    np.multiply(unseen, unmixing.WHOLE, out=unseen)
    polygons = parts_of(unseen, grid).polygons
    # without the stairs of the cells: clouds are not known as well as that
    simple: NDArray[Any] = shapely.simplify(polygons, float(grid.cell_steps_m[0].mean()))
    return simple


def _near_ice(observed: Observed, terrain: Terrain | None, mask: Codes) -> tuple[slice, slice] | None:
    """Give the window of the ice and what may touch it; None where it is not much less than the whole."""
    found = runs.runs_of(mask, 1)
    if len(found) == 0:
        return None
    rows, columns = found[:, runs.ROW], found[:, runs.START : runs.PART]
    debris_m = (
        defaults.DEBRIS_REACH_UNCONFIRMED_M if observed.temperature is None else defaults.DEBRIS_REACH_M
    )
    reach_m = max(defaults.UNSEEN_REACH_M, 0 if terrain is None else debris_m)
    around = _cells(reach_m, observed.grid) + defaults.UNMIXING_REACH_CELLS
    row0, row1 = max(int(rows.min()) - around, 0), min(int(rows.max()) + 1 + around, mask.shape[0])
    col0, col1 = max(int(columns.min()) - around, 0), min(int(columns.max()) + around, mask.shape[1])
    if (row1 - row0) * (col1 - col0) > _WORTH_CUTTING * mask.size:
        return None
    return slice(row0, row1), slice(col0, col1)


def _cut(
    observed: Observed, terrain: Terrain | None, window: tuple[slice, slice]
) -> tuple[Observed, Terrain | None]:
    rows, columns = window
    cut = observed.window(rows.start, rows.stop, columns.start, columns.stop)
    if terrain is None:
        return cut, None
    return cut, replace(terrain, rows=terrain.rows[rows], columns=terrain.columns[columns])


def _drop_patchy(mask: Codes, observed: Observed) -> None:
    """Clear mixed cells farther from pure ice than a margin is wide: patchy snow, ice half under debris."""
    pure = contrast.purer(observed.green, observed.swir1, mask, defaults.PURE_TIMES)
    beside = unmixing.grown(unmixing.majority(pure, 1), 1)
    np.multiply(mask, beside, out=mask)


def _drop_fringes(mask: Codes, grid: Grid, cell_km2: float) -> None:
    """Clear what is too narrow for a glacier, in pieces as large as the smallest: snow along ridges and rims.

    The mask is opened by a square: what is left of it once its rim has gone, grown back by a cell more.
    """
    reach = _cells(defaults.FRINGE_M / 2, grid)
    wide = unmixing.grown(1 - mask, reach)
    np.subtract(1, wide, out=wide)
    wide = unmixing.grown(wide, reach + 1)
    fringe = np.greater(mask, wide).view(np.uint8)
    del wide
    found = runs.runs_of(fringe, 1)
    count = int(runs.join(found, False))
    large = runs.sizes(found, count) * cell_km2 >= defaults.AREA_MIN_KM2
    runs.fill(mask, found, large.astype(np.uint8), 0)
    drop_small(mask, 1, cell_km2, defaults.AREA_MIN_KM2 / 2)


def _settle_silty(codes: Codes, terrain: Terrain | None) -> None:
    """Decide of each patch with the spectrum of silty water by its slope: level, water; steep, ice."""
    found = runs.runs_of(codes, SILTY)  # the greatest of the codes
    count = int(runs.join(found, True))
    if count == 0:
        return
    level = np.ones(count, np.uint8)
    if terrain is not None:
        # without a slope the spectrum alone decides
        steep = _mean_slope(found, count, terrain) > defaults.WATER_SLOPE_MAX_DEG
        level = (~steep).astype(np.uint8)
    runs.fill(codes, found, level, WATER)
    runs.fill(codes, found, 1 - level, ICE)


def _mean_slope(found: NDArray[np.int32], count: int, terrain: Terrain) -> Reals:
    """Average the slope in the middle of each run (n, 4) over the parts (count,); NaN where it is unknown."""
    middle = (found[:, runs.START] + found[:, runs.END]) // 2
    slope = terrain.slope_deg(found[:, runs.ROW].astype(np.int64), middle.astype(np.int64))
    known = np.isfinite(slope)
    weight = (found[:, runs.END] - found[:, runs.START]) * known
    part = found[:, runs.PART]
    total = np.bincount(part, weight * np.where(known, slope, 0), count)
    weights = np.bincount(part, weight, count)
    mean: Reals = np.where(weights > 0, total / np.maximum(weights, 1), np.nan)
    return mean


def _drop_level(share: Codes, terrain: Terrain | None) -> None:
    """Clear whole patches as level as only water is: lakes under ice or full of silt."""
    if terrain is None or not terrain.has_relief:
        return
    found = runs.runs_of(share, MOSTLY)
    count = int(runs.join(found, False))
    slope = _mean_slope(found, count, terrain)
    runs.fill(share, found, (slope <= defaults.LEVEL_SLOPE_MAX_DEG).astype(np.uint8), 0)


def _looks_like_snow(polygons: NDArray[Any], area_km2: Reals, cell_m: float) -> NDArray[np.bool_]:
    coarser = (cell_m / defaults.SNOW_ROUNDNESS_CELL_M) ** defaults.SNOW_ROUNDNESS_POWER
    around = shapely.length(polygons)
    roundness = 4 * np.pi * shapely.area(polygons) / np.maximum(around, 1e-9) ** 2
    ragged: NDArray[np.bool_] = (area_km2 < defaults.SNOW_PATCH_MAX_KM2) & (
        roundness < defaults.SNOW_ROUNDNESS_MAX * coarser
    )
    return ragged


def _beside_unseen(parts: Parts, codes: Codes) -> NDArray[np.bool_]:
    """Tell which parts (n,) a cloud or a shadow cuts: their outline says nothing of their form."""
    if not _holds(codes, UNSEEN):
        return np.zeros(len(parts), np.bool_)
    near = unmixing.grown(np.equal(codes, UNSEEN).view(np.uint8), 1)
    beside: NDArray[np.bool_] = runs.sums(parts.runs, len(parts), near) > 0
    return beside


def _areas_km2(polygons: NDArray[Any], grid: Grid) -> Reals:
    if len(polygons) == 0:
        return np.zeros(0)
    return polygon_areas_m2(gpd.GeoSeries(polygons, crs=grid.crs)) / M2_PER_KM2


# What lies between the bounds


@dataclass(frozen=True)
class _Bounds:
    """What could be ice as well: how much of it belongs to each part, and the greatest outlines.

    snow_km2, unseen_km2   (n,)  what may be ice beside each part, or hide it
    once_km2               (n,)  what of it may be snow, because one date alone saw it
    hides                  root mean square of the share of what was not seen that is ice
    greatest               polygons of all that may be ice
    least                  polygons of what surely is
    unseen                 polygons of what was not seen near ice
    date                   (n,)  the number of the date most cells of a part are of
    """

    snow_km2: Reals
    once_km2: Reals
    unseen_km2: Reals
    hides: float
    greatest: NDArray[Any]
    least: NDArray[Any]
    unseen: NDArray[Any]
    date: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        observed: Observed,
        codes: Codes,
        share: Codes,
        parts: Parts,
        kept: NDArray[np.bool_],
        snow: NDArray[np.bool_],
    ) -> "_Bounds":
        """Compare the shares of the kept parts with all that was ice on any date, and with what was "
        "hidden."""
        grid = observed.grid
        ever = unmixing.majority(codes, ICE)  # with what was left out
        np.multiply(ever, unmixing.WHOLE, out=ever)
        np.maximum(ever, share, out=ever)
        # mixed cells of the margin are the edge's, not the snow's
        margin = unmixing.grown(np.greater_equal(share, MOSTLY).view(np.uint8), 1)
        np.multiply(margin, unmixing.WHOLE, out=margin)
        snow_km2 = _added(ever, margin, parts, kept, grid)
        del margin
        once_km2 = np.zeros(len(parts))
        if observed.ice is not None and observed.seen is not None:
            once_km2 = _gone_elsewhere(observed, share) * _seen_once(observed.seen, parts)
            once_km2 *= _cell_km2(grid)
            some_date = unmixing.majority(np.minimum(observed.ice, ICE), ICE)
            np.multiply(some_date, unmixing.WHOLE, out=some_date)
            np.maximum(ever, some_date, out=ever)
            del some_date
        near = unmixing.grown(
            np.greater_equal(share, MOSTLY).view(np.uint8), _cells(defaults.UNSEEN_REACH_M, grid)
        )
        hidden = near
        np.multiply(near, codes == UNSEEN, out=hidden)
        np.multiply(hidden, unmixing.WHOLE, out=hidden)
        unseen, unseen_km2, hides = np.empty(0, object), np.zeros(len(parts)), 0.0
        if hidden.any():
            hides = _hides(hidden, codes, share)
            unseen = parts_of(hidden, grid).polygons
            np.maximum(ever, hidden, out=ever)
            np.maximum(hidden, share, out=hidden)
            unseen_km2 = _added(hidden, share, parts, kept, grid)
        # a contour this far from one half lies one standard deviation from it, half a cell at most
        cells = defaults.EDGE_CELLS * observed.detail_m / float(grid.cell_steps_m[0].mean())
        off = round(min(cells / _RAMP_CELLS, 0.49) * unmixing.WHOLE)
        return cls(
            snow_km2,
            once_km2,
            unseen_km2,
            hides,
            _around(ever, parts, kept | snow, grid, HALF - off),
            parts_of(share, grid, HALF + off).polygons,
            unseen,
            _dates(observed, parts),
        )


def _hides(hidden: Codes, codes: Codes, share: Codes) -> float:
    """Estimate the share of ice in what was not seen, from nothing: root mean square.

    Its mean is that of the seen cells around, p. What a small cloud hides is all ice or none, and has the
    mean square p; no share from 0 to 1 with that mean has more.
    """
    rim = (unmixing.grown(hidden, 1) > hidden) & (codes != UNSEEN)
    p = float((share[rim] >= MOSTLY).mean()) if rim.any() else 0.5
    return math.sqrt(p)


def _gone_elsewhere(observed: Observed, share: Codes) -> float:
    """Give the share of what was ice on some date, and seen again, that is no ice in the end."""
    if observed.ice is None or observed.seen is None:
        return 0.0
    again = (observed.ice > 0) & (observed.seen > 1)
    return float((share[again] < MOSTLY).mean()) if again.any() else 1.0


def _seen_once(seen: Codes, parts: Parts) -> Reals:
    """Count the cells (n,) of each part that one date alone saw."""
    return runs.sums(parts.runs, len(parts), np.equal(seen, 1).view(np.uint8))


def _cells(distance_m: float, grid: Grid) -> int:
    return max(1, round(distance_m / float(grid.cell_steps_m[0].mean())))


def _first_cells(parts: Parts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    _, first = np.unique(parts.runs[:, runs.PART], return_index=True)
    return parts.runs[first, runs.ROW].astype(np.int64), parts.runs[first, runs.START].astype(np.int64)


def _added(larger: Codes, known: Codes, parts: Parts, kept: NDArray[np.bool_], grid: Grid) -> Reals:
    """Share out what a larger raster has more, among the kept parts in each of its own, by their margins."""
    found = runs.runs_of(larger, MOSTLY)
    count = int(runs.join(found, False))
    cells = runs.sizes(found, count) - runs.sums(found, count, (known >= MOSTLY).astype(np.uint8))
    owner = runs.part_at(found, *_first_cells(parts))
    around = np.where(kept, shapely.length(parts.polygons), 0.0)
    inside = owner >= 0
    total = np.bincount(owner[inside], around[inside], count)
    added = np.zeros(len(parts))
    added[inside] = cells[owner[inside]] * around[inside] / np.maximum(total[owner[inside]], 1e-9)
    return added * _cell_km2(grid)


def _around(larger: Codes, parts: Parts, kept: NDArray[np.bool_], grid: Grid, level: float) -> NDArray[Any]:
    """Outline those parts of a larger raster that hold a kept part."""
    found = parts_of(larger, grid, level)
    row, column = _first_cells(parts)
    owner = runs.part_at(found.runs, row[kept], column[kept])
    outlines: NDArray[Any] = found.polygons[np.unique(owner[owner >= 0])]
    return outlines


def _dates(observed: Observed, parts: Parts) -> NDArray[np.int64]:
    count = len(parts)
    if observed.date is None or count == 0:
        return np.zeros(count, np.int64)
    votes = [
        runs.sums(parts.runs, count, (observed.date == number).astype(np.uint8))
        for number in range(len(observed.dates))
    ]
    chosen: NDArray[np.int64] = np.argmax(votes, axis=0).astype(np.int64)
    return chosen


# The layers


def _assembled(
    observed: Observed,
    whole: Grid,
    parts: Parts,
    area_km2: Reals,
    kept: NDArray[np.bool_],
    snow: NDArray[np.bool_],
    bounds: _Bounds,
    hidden: NDArray[Any],
    debris: Codes | None,
    curve: Curve,
    threshold_unc_km2: float,
    edits: Sequence[Edit],
    area_min_km2: float,
) -> Extent:
    grid, crs = observed.grid, observed.grid.crs
    shapes, origin = replayed(parts.polygons[kept], edits, crs)
    area = _areas_km2(shapes, grid)
    enough = area >= area_min_km2
    shapes, origin, area = shapes[enough], origin[enough], area[enough]
    around = shapely.length(shapes)
    sigma_m = defaults.EDGE_CELLS * observed.detail_m
    edge = sigma_m * np.sqrt(around * defaults.EDGE_CORRELATION_CELLS * observed.detail_m) / M2_PER_KM2
    lengths = around / max(float(around.sum()), 1e-9)
    threshold = threshold_unc_km2 * lengths

    def of_origin(values: Reals) -> Reals:
        """Take a number of the part a shape came from, shared out among its pieces by area; 0 if drawn."""
        own = values[kept]
        total = np.bincount(origin[origin >= 0], area[origin >= 0], len(own)) if len(own) else np.zeros(0)
        taken = np.zeros(len(shapes))
        drawn = origin >= 0
        taken[drawn] = own[origin[drawn]] * area[drawn] / np.maximum(total[origin[drawn]], 1e-12)
        return taken

    beside, once = of_origin(bounds.snow_km2), of_origin(bounds.once_km2)
    snow_unc = np.hypot(beside, once)
    unseen = of_origin(bounds.unseen_km2)
    total = np.sqrt(edge**2 + threshold**2 + snow_unc**2 + (bounds.hides * unseen) ** 2)
    number = np.where(origin >= 0, bounds.date[kept][np.maximum(origin, 0)], 0) if kept.any() else origin * 0
    stamps = [observed.dates[int(each)].strftime("%Y-%m-%dT%H:%M:%S") for each in number]
    order = np.argsort(-area, kind="stable")
    glaciers = (
        gpd.GeoDataFrame(
            {
                "src_date": np.array(stamps, object),
                "area_km2": area,
                "area_unc_km2": total,
                "edge_unc_km2": edge,
                "snow_unc_km2": snow_unc,
                "unseen_km2": unseen,
                "debris_km2": np.full(len(shapes), np.nan),
            },
            geometry=list(shapes),
            crs=crs,
        )
        .iloc[order]
        .reset_index(drop=True)
    )
    mask = np.zeros(grid.shape, np.uint8) if debris is None else debris
    covered = debris_layer(mask, glaciers, grid, area_min_km2, edits)
    debris_km2, debris_unc = (
        np.bincount(covered["body"], covered[name], len(glaciers)) for name in ("area_km2", "area_unc_km2")
    )
    if debris is None:
        debris_km2, debris_unc = (np.full(len(glaciers), np.nan) for _ in range(2))
    glaciers["debris_km2"] = debris_km2
    parts_table = pd.DataFrame(
        {
            "perimeter_m": around[order],
            "edge_sigma_m": np.full(len(shapes), sigma_m),
            "edge_correlation_m": np.full(len(shapes), defaults.EDGE_CORRELATION_CELLS * observed.detail_m),
            "edge_unc_km2": edge[order],
            "threshold_unc_km2": threshold[order],
            "snow_km2": beside[order],
            "snow_unc_km2": snow_unc[order],
            "unseen_km2": unseen[order],
            "unseen_unc_km2": bounds.hides * unseen[order],
            "debris_km2": debris_km2,
            "debris_unc_km2": debris_unc,
            "half_pixel_unc_km2": around[order] * observed.detail_m / 2 / M2_PER_KM2,
        }
    )
    least, _ = replayed(bounds.least, edits, crs)
    greatest, _ = replayed(bounds.greatest, edits, crs)
    layers = {
        "glaciers": glaciers,
        "outlines_min": _layer(least, grid),
        "outlines_max": _layer(greatest, grid),
        "debris": covered,
        "unseen": _layer(_joined(hidden, bounds.unseen), grid),
    }
    snow_km2 = float(area_km2[snow].sum())
    return Extent(
        layers,
        parts_table,
        curve,
        snow_km2,
        threshold_unc_km2,
        _notes(observed, whole, glaciers, covered, snow_km2, int(snow.sum())),
        observed.detail_m,
    )


def _joined(hidden: NDArray[Any], near: NDArray[Any]) -> NDArray[Any]:
    """Add to what was not seen anywhere the small pieces that lie near ice."""
    if len(hidden) == 0 or len(near) == 0:
        return near if len(hidden) == 0 else hidden
    shapely.prepare(hidden)
    within = shapely.STRtree(hidden).query(near, predicate="intersects")[0]
    return np.concatenate([hidden, np.delete(near, np.unique(within))])


def _layer(shapes: NDArray[Any], grid: Grid) -> gpd.GeoDataFrame:
    """Make a layer with ``area_km2``, largest first, of what is left of some shapes."""
    there = np.array([shape for shape in shapes if shape is not None and not shape.is_empty], object)
    area = _areas_km2(there, grid)
    order = np.argsort(-area, kind="stable")
    return gpd.GeoDataFrame({"area_km2": area[order]}, geometry=list(there[order]), crs=grid.crs)


def _notes(
    observed: Observed,
    whole: Grid,
    glaciers: gpd.GeoDataFrame,
    covered: gpd.GeoDataFrame,
    snow_km2: float,
    patches: int,
) -> tuple[str, ...]:
    notes = []
    if len(covered):
        by = "slope, position and temperature" if observed.temperature is not None else "slope and position"
        notes.append(
            f"{covered['area_km2'].sum():.2f} km2 beside clean ice may be ice under debris, by {by}: "
            "candidates, which area_km2 does not include. Look at them: a valley floor may look alike."
        )
    elif len(glaciers) and glaciers["debris_km2"].isna().all():
        notes.append("Without elevations ice under debris was not looked for.")
    if patches:
        notes.append(
            f"{patches} ragged patches ({snow_km2:.2f} km2) were taken for snow of the season and stand in "
            "outlines_max only; a second date of the same summer would decide."
        )
    if len(observed.dates) == 1 and len(glaciers):
        notes.append("One date cannot tell late snow from ice: snow_unc_km2 is an estimate.")
    left, bottom, right, top = whole.bounds
    cell = abs(whole.transform.a)
    bounds = glaciers.geometry.bounds
    cut = (
        (bounds["minx"] < left + cell)
        | (bounds["miny"] < bottom + cell)
        | (bounds["maxx"] > right - cell)
        | (bounds["maxy"] > top - cell)
    )
    if len(glaciers) and cut.any():
        notes.append(f"{int(cut.sum())} glaciers reach the edge of the scenes and may go on beyond it.")
    return tuple(notes)
