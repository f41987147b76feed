"""Heights, slope, aspect, terminus and length of glaciers, each on a grid of its own as RGI 7.0 has them."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.features import rasterize

from bluepeace_gis.analyses.glaciers import inventory_defaults as defaults
from bluepeace_gis.errors import OutsideGrid
from bluepeace_gis.geo import align
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import runs, ways

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_NUMBER: Final = -999
NO_CODE: Final = 9
_BORDER: Final = 3  # cells around a glacier, so that gradients at its margin are known
_SOURCE_CELLS: Final = 8  # of the elevations around those, for the cubic interpolation


@dataclass(frozen=True)
class Topography:
    """What the elevations say of one glacier; NaN, -999 and 9 where they say nothing.

    Parameters
    ----------
    termlon, termlat : float, degrees
        The lowest place of the margin, without nunataks.
    zmin_m, zmax_m, zmed_m, zmean_m : float, metres
    slope_deg : float
        Mean of the slopes of the cells.
    aspect_deg : float
        Of the mean gradient, clockwise from the grid's north.
    aspect_sec : int
        1 north to 8 north-west.
    lmax_m : int
        Length of the longest centre line.
    z, lon, lat : (n,) float
        Of the cells on the glacier.
    """

    termlon: float
    termlat: float
    zmin_m: float
    zmax_m: float
    zmed_m: float
    zmean_m: float
    slope_deg: float
    aspect_deg: float
    aspect_sec: int
    lmax_m: int
    z: Reals
    lon: Reals
    lat: Reals


def nothing_known() -> Topography:
    """Give the attributes of a glacier without elevations."""
    empty = np.zeros(0)
    return Topography(*(math.nan,) * 8, NO_CODE, NO_NUMBER, empty, empty, empty)


def topography(polygon: Any, area_km2: float, utm: CRS, dem: xr.DataArray) -> Topography:
    """Measure one glacier on a grid of its own.

    Parameters
    ----------
    polygon : Polygon in EPSG:4326
    area_km2 : float
        From it comes the cell: 14 sqrt(area) + 10 m, at most 100 m.
    utm : CRS
        Of the zone the glacier lies in.
    dem : (y, x) float, metres, NaN where unknown

    Returns
    -------
    Topography

    Notes
    -----
    As RGI 7.0 describes it: elevations by cubic interpolation on that grid, statistics over the cells whose
    centre lies on the glacier, the terminus the lowest cell along its outer margin [1]_. The length is that
    of the longest of the centre lines between heads and terminus: heads are the highest places of the margin
    within some hundred metres, above the lowest third of the glacier; a centre line is the cheapest way
    where it is costly to leave the middle and to be high up [2]_.

    References
    ----------
    .. [1] RGI 7.0 Consortium (2023), doi:10.5067/F6JMOVY5NAVZ
    .. [2] Kienholz et al. (2014), doi:10.5194/tc-8-503-2014
    """
    shape = shapely.transform(polygon, lambda places: np.column_stack(_to(utm).transform(*places.T)))
    cell = min(14 * math.sqrt(area_km2) + 10, 100.0)
    left, bottom, right, top = shape.bounds
    rows = math.ceil((top - bottom) / cell) + 2 * _BORDER
    columns = math.ceil((right - left) / cell) + 2 * _BORDER
    grid = Grid(utm, Affine(cell, 0, left - _BORDER * cell, 0, -cell, top + _BORDER * cell), (rows, columns))
    try:
        z = align.onto(_around(dem, grid), grid, "cubic").to_numpy().astype(np.float64)
    except OutsideGrid:
        return nothing_known()
    ice = _mask(shape, grid)
    known = ice & np.isfinite(z)
    if not known.any():
        return nothing_known()
    south, east = (np.asarray(each, np.float64) for each in np.gradient(z, cell))
    slope = np.degrees(np.arctan(np.hypot(south, east)))[known]
    exterior = shapely.Polygon(shape.exterior)
    filled = _mask(exterior, grid)
    margin = _margin(filled) & np.isfinite(z)
    end = _terminus(np.where(margin, z, np.nan)) if margin.any() else _terminus(np.where(known, z, np.nan))
    row, column = np.nonzero(known)
    lon, lat = _to(utm).transform(*grid.centres(row, column), direction="INVERSE")
    termlon, termlat = _to(utm).transform(*grid.centres(end[0], end[1]), direction="INVERSE")
    aspect = _aspect(_mean(-east[known]), _mean(south[known]))
    heights = z[known]
    return Topography(
        float(termlon), float(termlat),
        float(heights.min()), float(heights.max()), float(np.median(heights)), float(heights.mean()),
        _mean(slope),
        aspect, NO_CODE if math.isnan(aspect) else int(((aspect + 22.5) % 360) // 45) + 1,
        _length_m(*_passable(filled, margin, exterior, grid), z, end, cell),
        heights, np.asarray(lon), np.asarray(lat),
    )  # fmt: skip


@lru_cache(maxsize=16)
def _to(utm: CRS) -> Transformer:
    return Transformer.from_crs("EPSG:4326", utm, always_xy=True)


def _around(dem: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Cut out what of the elevations a small grid can need."""
    own = Grid.of(dem)
    if not own.north_up:
        return dem
    row, column = (np.arange(0, size + 1, max(size // 8, 1)) for size in grid.shape)
    rim = np.concatenate(
        [
            [(r, c) for r in row for c in (0, grid.shape[1])],
            [(r, c) for c in column for r in (0, grid.shape[0])],
        ]
    )
    x, y = grid.centres(rim[:, 0] - 0.5, rim[:, 1] - 0.5)
    x, y = Transformer.from_crs(grid.crs, own.crs, always_xy=True).transform(x, y)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return dem
    t = own.transform
    wide = _SOURCE_CELLS + math.ceil(4 * grid.transform.a / max(float(own.cell_steps_m[0].mean()), 1e-9))
    column0, column1 = math.floor((x.min() - t.c) / t.a) - wide, math.ceil((x.max() - t.c) / t.a) + wide
    row0, row1 = math.floor((y.max() - t.f) / t.e) - wide, math.ceil((y.min() - t.f) / t.e) + wide
    row0, row1 = max(row0, 0), min(row1, own.shape[0])
    column0, column1 = max(column0, 0), min(column1, own.shape[1])
    if row0 >= row1 or column0 >= column1:
        raise OutsideGrid("The elevations lie elsewhere than the glacier.")
    window = own.window(row0, row1, column0, column1)
    return window.raster(dem.to_numpy()[row0:row1, column0:column1].astype(np.float32), name="dem")


def _mask(shape: Any, grid: Grid) -> Flags:
    burnt = _burnt(shape, grid, touched=False)
    # narrower than its cells: those it touches
    return burnt if burnt.any() else _burnt(shape, grid, touched=True)


def _burnt(shape: Any, grid: Grid, *, touched: bool) -> Flags:
    cells = rasterize(
        [(shape, 1)], out_shape=grid.shape, transform=grid.transform, dtype="uint8", all_touched=touched
    )
    return np.asarray(cells, np.bool_)


def _passable(mask: Flags, margin: Flags, shape: Any, grid: Grid) -> tuple[Flags, Flags]:
    """Join the parts of a glacier that is narrower in between than its cells, so that a way leads through.

    returns  the mask and its margin
    """
    if int(runs.join(runs.runs_of(mask.astype(np.uint8), 1), True)) == 1:
        return mask, margin
    joined = mask | _burnt(shape, grid, touched=True)
    return joined, _margin(joined)


def _margin(mask: Flags) -> Flags:
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return mask & ~inner


def _terminus(z: Reals) -> tuple[int, int]:
    row, column = np.nonzero(z == np.nanmin(z))
    nearest = int(np.argmin((row - row.mean()) ** 2 + (column - column.mean()) ** 2))
    return int(row[nearest]), int(column[nearest])


def _mean(values: Reals) -> float:
    """Average what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def _aspect(east: float, north: float) -> float:
    """Direction in which the surface falls, from the means of its fall eastwards and northwards."""
    if not (math.isfinite(east) and math.isfinite(north)) or (east == 0 and north == 0):
        return math.nan
    return math.degrees(math.atan2(east, north)) % 360


def _length_m(mask: Flags, margin: Flags, z: Reals, end: tuple[int, int], cell: float) -> int:
    """Measure the longest of the cheapest ways from the heads of a glacier to its terminus."""
    mask = mask & np.isfinite(z)
    if not mask[end]:
        return NO_NUMBER
    smooth = _smoothed(z, mask)
    far = ways.depth(mask.astype(np.uint8))
    low, high = float(smooth[mask].min()), float(smooth[mask].max())
    away = (far.max() - far) / max(float(far.max()), 1e-9)
    up = (smooth - low) / max(high - low, 1e-9)
    cost = (away * defaults.COST_MARGIN) ** defaults.COST_MARGIN_POWER
    cost += (up * defaults.COST_HEIGHT) ** defaults.COST_HEIGHT_POWER
    cost[margin] = 50 * float(cost[margin].max()) if margin.any() else 1.0  # no way leads along the margin
    cost = np.where(mask, np.maximum(cost, 1e-9), np.inf)
    start = end[0] * mask.shape[1] + end[1]
    following, length = ways.cheapest(cost, start)
    heads = _heads(margin & mask, smooth, mask, cell)
    heads = heads[following[heads] >= 0]
    if heads.size == 0:
        return round(cell)
    way = [int(heads[int(np.argmax(length[heads]))])]
    while way[-1] != start:
        way.append(int(following[way[-1]]))
    row, column = np.divmod(np.array(way), mask.shape[1])
    return max(round(_length_of_way(row, column) * cell), round(cell))


def _length_of_way(row: NDArray[np.int64], column: NDArray[np.int64]) -> float:
    """Measure a way of cells without the corners that cells give it: each the mean of five."""
    line = np.column_stack([row, column]).astype(np.float64)
    smooth = line.copy()
    for place in range(1, len(line) - 1):
        reach = min(2, place, len(line) - 1 - place)
        smooth[place] = line[place - reach : place + reach + 1].mean(axis=0)
    return float(np.hypot(*np.diff(smooth, axis=0).T).sum())


def _heads(margin: Flags, z: Reals, mask: Flags, cell: float) -> NDArray[np.int64]:
    """Find places of the margin that are the highest around, above the lowest third; else the highest."""
    row, column = np.nonzero(margin)
    heights = z[row, column]
    window = min(max(defaults.HEAD_WINDOW_M, 5 * cell), max(0.2 * len(row), 1.0) * cell) / cell
    order = np.argsort(-heights, kind="stable")
    limit = float(np.percentile(z[mask], 100 / 3))
    chosen: list[int] = []
    for each in order.tolist():
        if heights[each] <= limit and chosen:
            break
        near = np.hypot(row - row[each], column - column[each]) <= window
        if heights[each] >= heights[near].max():
            chosen.append(each)
    return np.asarray(row[chosen] * mask.shape[1] + column[chosen], np.int64)


def _smoothed(z: Reals, mask: Flags) -> Reals:
    """Smooth over 3 x 3 cells of the glacier."""
    total, count = np.zeros_like(z), np.zeros_like(z)
    value = np.where(mask, z, 0.0)
    rows, columns = z.shape
    padded, inside = np.pad(value, 1), np.pad(mask.astype(np.float64), 1)
    for row in range(3):
        for column in range(3):
            total += padded[row : row + rows, column : column + columns]
            count += inside[row : row + rows, column : column + columns]
    smooth: Reals = np.where(mask, total / np.maximum(count, 1), np.nan)
    return smooth
