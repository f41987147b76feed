"""Ice under debris: where gentle bare ground goes on below clean ice, and is cold where a temperature says.

What is found is a candidate. Debris on ice has the spectrum of the moraines and the rock around it, so that
slope, contact, position and temperature must tell; on a valley floor below a clean front they may not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.analyses.glaciers.classification import LAND, NODATA, UNSEEN
from bluepeace_gis.analyses.glaciers.edits import Edit, replayed
from bluepeace_gis.analyses.glaciers.observed import Observed
from bluepeace_gis.analyses.glaciers.outlines import MOSTLY, drop_small, parts_of
from bluepeace_gis.analyses.glaciers.terrain import Terrain
from bluepeace_gis.geo.areas import M2_PER_KM2, polygon_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import downhill, runs, unmixing

Codes = NDArray[np.uint8]
Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]
Shorts = NDArray[np.int16]

_POLYGON: Final = 3  # shapely's type id
_ROWS: Final = 512  # of the scenes, looked at together


@dataclass(frozen=True)
class _Frame:
    """The part of a terrain's grid near ice, and the cell of the scenes under each of its centres.

    window          of the terrain's grid
    rows, columns   (a,), (b,)  of the scenes; -1 beyond them
    cell_m          width of a cell
    """

    window: tuple[slice, slice]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    cell_m: float

    @classmethod
    def around(cls, share: Codes, observed: Observed, terrain: Terrain, reach_m: float) -> "_Frame":
        grid = terrain.grid
        t, s = grid.transform, observed.grid.transform
        x = t.c + t.a * (np.arange(grid.shape[1]) + 0.5)
        y = t.f + t.e * (np.arange(grid.shape[0]) + 0.5)
        column = np.floor((x - s.c) / s.a).astype(np.int64)
        row = np.floor((y - s.f) / s.e).astype(np.int64)
        column[(column < 0) | (column >= share.shape[1])] = -1
        row[(row < 0) | (row >= share.shape[0])] = -1
        cell_m = float(grid.cell_steps_m[0].mean())
        around = int(np.ceil(reach_m / cell_m))
        found = runs.runs_of(share, MOSTLY)
        on_row = np.zeros(share.shape[0], np.bool_)
        on_row[found[:, runs.ROW]] = True
        opened = np.zeros(share.shape[1] + 1, np.int64)
        np.add.at(opened, found[:, runs.START], 1)
        np.add.at(opened, found[:, runs.END], -1)
        on_column = opened.cumsum()[:-1] > 0
        above, across = (
            _span(there[np.maximum(index, 0)] & (index >= 0), around)
            for there, index in ((on_row, row), (on_column, column))
        )
        return cls((above, across), row[above], column[across], cell_m)

    def sampled(self, values: NDArray[Any], beyond: float = 0) -> NDArray[Any]:
        """Look a raster of the scenes up under the centres of the cells."""
        found: NDArray[Any] = values[np.ix_(np.maximum(self.rows, 0), np.maximum(self.columns, 0))]
        found[self.rows < 0, :] = beyond
        found[:, self.columns < 0] = beyond
        return found

    def placed(self, values: Codes, terrain: Terrain, rows: slice) -> Codes:
        """Look a raster of this frame up under the cells of some rows of the scenes; 0 beyond it."""
        found = []
        for index, span in zip((terrain.rows[rows], terrain.columns), self.window, strict=True):
            inside = (index >= span.start) & (index < span.stop)
            found.append((np.where(inside, index - span.start, 0), inside))
        (row, row_inside), (column, column_inside) = found
        out: Codes = values[np.ix_(row, column)]
        out[~row_inside, :] = 0
        out[:, ~column_inside] = 0
        return out


def _span(there: Flags, around: int) -> slice:
    index = np.flatnonzero(there)
    if len(index) == 0:
        return slice(0, 0)
    return slice(max(int(index[0]) - around, 0), min(int(index[-1]) + around + 1, len(there)))


def find_debris(observed: Observed, terrain: Terrain, codes: Codes, share: Codes) -> Codes:
    """Find cells that may be ice under debris.

    A cell is a candidate where bare ground (no ice, water, plants) slopes less than 24 degrees over 150 m
    [1]_ and ice flows towards it: clean ice hands what it can feed down all lower cells, through candidates
    only; each uses its own need up, below the median height of the ice above, until nothing is left. Where a
    temperature is known, ground as warm as the gentle bare ground elsewhere at its height is none; where
    it is not, little is claimed, and close to clean ice only.

    Parameters
    ----------
    observed : Observed
    terrain : Terrain
    codes : (rows, columns) uint8
        From :func:`classify`.
    share : (rows, columns) uint8
        Of each cell that is clean ice, 0 to 255.

    Returns
    -------
    (rows, columns) uint8
        1 for candidates.

    References
    ----------
    .. [1] Paul et al. (2004), doi:10.1016/j.rse.2003.11.007
    """
    confirmed = observed.temperature is not None
    reach_m = defaults.DEBRIS_REACH_M if confirmed else defaults.DEBRIS_REACH_UNCONFIRMED_M
    frame = _Frame.around(share, observed, terrain, reach_m)
    mask = np.zeros_like(share)
    if 0 in (len(frame.rows), len(frame.columns)):
        return mask
    bare = _bare(
        frame.sampled(codes, UNSEEN), frame.sampled(share), frame.sampled(observed.nir),
        frame.sampled(observed.green),
    )  # fmt: skip
    z = _smoothed(terrain.z[frame.window], round(defaults.DEBRIS_SMOOTHING_M / frame.cell_m / 2))
    south, east = np.gradient(z, frame.cell_m) if min(z.shape) > 1 else (z * 0, z * 0)
    gentle = np.hypot(south, east) < np.tan(np.radians(defaults.DEBRIS_SLOPE_MAX_DEG))
    ground = bare & gentle  # NaN is not gentle
    source = (frame.sampled(share) >= MOSTLY) & np.isfinite(z)
    reach = max(1, round(defaults.DEBRIS_REACH_UNCONFIRMED_M / frame.cell_m))
    close = unmixing.grown(source.astype(np.uint8), reach) > 0
    roof = _median_heights(source, z)

    def fed(takers: Flags, gain: float) -> Codes:
        kind = np.zeros(z.shape, np.uint8)
        kind[takers] = downhill.TAKER
        kind[source] = downhill.SOURCE
        least = max(1.0, gain * defaults.DEBRIS_ICE_MIN_M / frame.cell_m)
        return downhill.fed(z, kind, roof, gain, least)

    if not confirmed or observed.temperature is None:
        taken = fed(ground & close, defaults.DEBRIS_GAIN_UNCONFIRMED)
    else:
        warmth = frame.sampled(observed.temperature, NODATA)
        date = np.zeros(z.shape, np.uint8) if observed.date is None else frame.sampled(observed.date)
        known = ground & (warmth != NODATA)
        # what ice may feed is not what it is compared with
        fed_at_all = unmixing.grown(fed(ground, defaults.DEBRIS_GAIN), 2) > 0
        cold = _colder(warmth, z, date, known, known & ~fed_at_all)
        takers = np.where(cold == _UNTOLD, ground & close, cold == _COLD)
        gain = defaults.DEBRIS_GAIN if (cold == _COLD).any() else defaults.DEBRIS_GAIN_UNCONFIRMED
        taken = fed(takers, gain)
    taken = unmixing.majority(taken, 1)
    for row in range(0, len(mask), _ROWS):
        rows = slice(row, row + _ROWS)
        found = frame.placed(taken, terrain, rows)
        if found.any():
            found &= _bare(codes[rows], share[rows], observed.nir[rows], observed.green[rows])
            mask[rows] = found
    return mask


def _bare(codes: Codes, share: Codes, nir: Shorts, green: Shorts) -> Flags:
    """Tell where there is neither ice nor water nor plants."""
    bare: Flags = (codes == LAND) & (share < MOSTLY)
    bare &= nir.astype(np.int32) <= defaults.PLANTS_TIMES * green.astype(np.int32)
    return bare


_WARM, _COLD, _UNTOLD = 0, 1, 2


def _colder(
    warmth: NDArray[np.int16], z: Singles, date: Codes, known: Flags, ground: Flags
) -> NDArray[np.uint8]:
    """Compare temperatures with those of ground at the same height on the same date.

    warmth         hundredths of a degree
    known, ground  where it is known, and where it is known of what surely is no ice
    returns        WARM, COLD, or UNTOLD where there is nothing to compare with
    """
    told = np.full(warmth.shape, _UNTOLD, np.uint8)
    for number in np.unique(date[known]):
        here, there = known & (date == number), ground & (date == number)
        if there.sum() < defaults.DEBRIS_GROUND_MIN:
            continue
        height, value = z[there].astype(np.float64), warmth[there].astype(np.float64)
        middle = height.mean()
        spread = ((height - middle) ** 2).sum()
        fall = ((height - middle) * value).sum() / spread if spread > 0 else 0.0
        limit = np.quantile(value - fall * (height - middle), 1 - defaults.DEBRIS_COLDER_THAN)
        told[here] = warmth[here] - fall * (z[here] - middle) < limit
    return told


def _smoothed(z: Singles, reach: int) -> Singles:
    """Average heights over squares of ``2 * reach + 1`` cells, over those that are known; NaN stays NaN."""
    known = np.isfinite(z)
    sums = []
    for values in (np.where(known, z, 0).astype(np.float64), known.astype(np.float64)):
        padded = np.pad(values, ((reach + 1, reach), (reach + 1, reach)))
        total = padded.cumsum(0).cumsum(1)
        width = 2 * reach + 1
        sums.append(
            total[width:, width:] - total[:-width, width:] - total[width:, :-width] + total[:-width, :-width]
        )
    smooth: Singles = np.where(known, sums[0] / np.maximum(sums[1], 1), np.nan).astype(np.float32)
    return smooth


def _median_heights(ice: Flags, z: Singles) -> Singles:
    """Give each cell of ice the median height of its body; 0 elsewhere."""
    found = runs.runs_of(ice.astype(np.uint8), 1)
    count = int(runs.join(found, True))
    label = np.zeros(ice.shape, np.int32)
    for row, start, end, part in found:
        label[row, start:end] = part + 1
    inside = np.flatnonzero(label)
    part = label.ravel()[inside] - 1
    height = z.ravel()[inside]
    order = np.lexsort((height, part))
    first = np.searchsorted(part[order], np.arange(count + 1))
    middle = height[order][np.minimum((first[:-1] + first[1:]) // 2, max(len(order) - 1, 0))]
    roof = np.zeros(ice.shape, np.float32)
    roof.ravel()[inside] = middle[part]
    return roof


def debris_layer(
    mask: Codes,
    bodies: gpd.GeoDataFrame,
    grid: Grid,
    area_min_km2: float,
    edits: Sequence[Edit] = (),
) -> gpd.GeoDataFrame:
    """Outline ice under debris that touches clean ice.

    Parameters
    ----------
    mask : (rows, columns) uint8
        From :func:`find_debris`; changed: small patches are cleared.
    bodies : GeoDataFrame
        Outlines of clean ice in the CRS of the grid, with ``src_date``.
    grid : Grid
    area_min_km2 : float
    edits : sequence of Edit
        What people removed is no ice under debris either.

    Returns
    -------
    GeoDataFrame
        ``src_date``, ``area_km2``, ``area_unc_km2`` (30 m along all of the outline that is not clean ice's)
        and ``body``, the position of the clean ice it touches most closely; the largest first; disjoint from
        the bodies.
    """
    empty = gpd.GeoDataFrame(
        {"src_date": np.empty(0, object), "area_km2": [], "area_unc_km2": [], "body": np.empty(0, np.int64)},
        geometry=[], crs=grid.crs,
    )  # fmt: skip
    cell_m = float(grid.cell_steps_m[0].mean())
    cell_km2 = cell_m**2 / M2_PER_KM2
    drop_small(mask, 1, cell_km2, area_min_km2)
    if len(bodies) == 0 or not mask.any():
        return empty
    outlines = np.asarray(bodies.geometry.to_numpy(), object)
    tree = shapely.STRtree(outlines)
    found = parts_of(mask * np.uint8(unmixing.WHOLE), grid).polygons
    found, _ = replayed(found, [edit for edit in edits if edit.action == "remove"], grid.crs)
    # all at once: an outline may be as long as a mountain range, and they lie apart from each other
    near = outlines[np.unique(tree.query(found)[1])]
    rest = shapely.difference(shapely.multipolygons(found), shapely.union_all(near))
    pieces = shapely.get_parts(rest)
    shapes = pieces[shapely.get_type_id(pieces) == _POLYGON]
    edges = shapely.boundary(outlines)
    beside = [_beside(shape, edges, tree, 1.5 * cell_m) for shape in shapes]
    touching = np.array([number for number, (own, _) in enumerate(beside) if own >= 0], np.int64)
    if len(touching) == 0:
        return empty
    shapes = shapes[touching]
    body = np.array([beside[number][0] for number in touching], np.int64)
    free = np.array([beside[number][1] for number in touching])
    area = polygon_areas_m2(gpd.GeoSeries(shapes, crs=grid.crs)) / M2_PER_KM2
    enough = area >= area_min_km2
    shapes, body, area, free = shapes[enough], body[enough], area[enough], free[enough]
    unc = np.minimum(defaults.DEBRIS_EDGE_M * free / M2_PER_KM2, area)
    order = np.argsort(-area, kind="stable")
    return gpd.GeoDataFrame(
        {
            "src_date": bodies["src_date"].to_numpy()[body][order],
            "area_km2": area[order],
            "area_unc_km2": unc[order],
            "body": body[order],
        },
        geometry=list(shapes[order]),
        crs=grid.crs,
    )


def _beside(shape: Any, edges: NDArray[Any], tree: shapely.STRtree, reach_m: float) -> tuple[int, float]:
    """Find the outline a shape touches most of, -1 for none, and how long its own is elsewhere, m.

    Only what lies near the shape of outlines that may be as long as a mountain range is looked at.
    """
    left, bottom, right, top = shape.bounds
    near = tree.query(shapely.box(left - reach_m, bottom - reach_m, right + reach_m, top + reach_m))
    own = shape.boundary
    touched = [
        shapely.buffer(
            shapely.clip_by_rect(
                edges[other], left - reach_m, bottom - reach_m, right + reach_m, top + reach_m
            ),
            reach_m,
        )
        for other in near
    ]
    lengths = [float(shapely.length(shapely.intersection(own, zone))) for zone in touched]
    if not lengths or max(lengths) == 0:
        return -1, float(own.length)
    free = float(shapely.length(shapely.difference(own, shapely.union_all(touched))))
    return int(near[int(np.argmax(lengths))]), free
