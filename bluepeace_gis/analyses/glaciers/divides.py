"""Bodies of ice divided into glaciers: by the basins that the ice flows in, or where an inventory divides."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from bluepeace_gis.analyses.glaciers import defaults as ice
from bluepeace_gis.analyses.glaciers import inventory_defaults as defaults
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo import align, zones
from bluepeace_gis.geo.areas import M2_PER_KM2, densified
from bluepeace_gis.geo.drainage import Drainage, Drained, drain
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.kernels import regions, slope_lines, unmixing
from bluepeace_gis.kernels.neighbours import SINK

Shapes = NDArray[Any]
Places = NDArray[np.int64]
Labels = NDArray[np.int32]
Singles = NDArray[np.float32]

NEW: Final = -1  # the row of a glacier that the inventory does not have
_POLYGON: Final = 3  # shapely's type id
_SURFACE: Final = 2  # and its dimension
_PIECE_EDGES: Final = 64
_GRID_M: Final = 0.001  # coordinates of pieces lie on it, so that neighbours share them exactly


@dataclass(frozen=True)
class Divided:
    """Glaciers in one piece each.

    Parameters
    ----------
    polygons : (n,) Polygon
        Neighbours share the points of their divide; together they are the bodies.
    body : (n,) int
        The position of the body each was cut from; they follow each other body by body.
    base : (n,) int
        The row of the inventory whose divides it has, :data:`NEW` where there is none.
    """

    polygons: Shapes
    body: Places
    base: Places


def flow_divides(bodies: Sequence[Any] | Shapes, crs: CRS, dem: xr.DataArray) -> Divided:
    """Divide bodies of ice into glaciers by the basins in which their surface falls.

    Water is led over the smoothed surface of the ice, its holes filled, along slope lines [2]_ to the low
    places of a gutter around it; each such place has a basin. Two basins side by side are one glacier where
    the surface falls the same way on both sides of their border and either the ground between their low
    places rises less than ice is thick, or one lies along the other with a third of its outline. Basins too
    small for a glacier go to the neighbour with the longest border.

    Parameters
    ----------
    bodies : (m,) Polygon
    crs : CRS
        Theirs, in metres.
    dem : (y, x) float, metres, NaN where unknown

    Returns
    -------
    Divided
        A body below twice the least area of a glacier, or without elevations, stays as it is.

    Raises
    ------
    BadInput
        If the elevations lie elsewhere.

    Notes
    -----
    Gutter, basins and the sizes of slivers are those of [1]_, who join basins by the distance of their low
    places alone. That joins the sectors of a volcano, whose tongues end side by side, and parts the flanks of
    a tongue that is longer than wide. What is asked here instead is our own: whether the ice meets again
    below. Tributaries end in one low place; a basin on the flank of a tongue ends in a pit of the margin that
    is shallow, or lies along the tongue; glaciers back to back fall apart.

    References
    ----------
    .. [1] Kienholz, Hock and Arendt (2013), A new semi-automatic approach for dividing glacier complexes into
       individual glaciers, doi:10.3189/2013JoG12J138
    .. [2] Orlandini et al. (2003), doi:10.1029/2002WR001639
    """
    shapes = np.asarray(bodies, dtype=object)
    large = np.flatnonzero(shapely.area(shapes) >= 2 * defaults.GLACIER_MIN_KM2 * M2_PER_KM2)
    pieces: dict[int, list[Any]] = {}
    if large.size:
        grid = _grid(shapes[large], crs)
        label, owner = _labels(shapes[large], grid, dem)
        pieces = {
            int(large[which]): parts for which, parts in _cut(shapes[large], label, owner, grid).items()
        }
    return _divided(shapes, pieces)


def fixed_divides(
    bodies: Sequence[Any] | Shapes, crs: CRS, dem: xr.DataArray, base: gpd.GeoDataFrame
) -> Divided:
    """Divide bodies of ice where an inventory divided them, so that divides do not move between dates.

    Parameters
    ----------
    bodies : (m,) Polygon
    crs : CRS
        Theirs, in metres.
    dem : (y, x) float, metres, NaN where unknown
    base : (k,) Polygon or MultiPolygon, any CRS
        The glaciers of the inventory.

    Returns
    -------
    Divided
        Ice inside a glacier of the inventory is that glacier's. Ice outside of all of them goes to the
        one that it touches, of several to the one with the longest border; a body that touches none is
        divided by its flow and new. A glacier that has fallen apart is several, all with its row.

    Raises
    ------
    BadInput
        If the inventory is empty or its polygons are invalid beyond repair.
    """
    shapes = np.asarray(bodies, dtype=object)
    known = shapely.make_valid(densified(base.geometry).to_crs(crs).to_numpy())
    known = np.array([_areas(shape) for shape in known], object)
    tree = shapely.STRtree(known)
    body, row = tree.query(shapes, predicate="intersects")
    pieces: dict[int, list[Any]] = {}
    rows: dict[int, list[int]] = {}
    for which in np.unique(body):
        near = row[body == which]
        pieces[int(which)], rows[int(which)] = _along(shapes[which], known[near], near)
    alone = np.setdiff1d(np.arange(len(shapes)), body)
    fresh = flow_divides(shapes[alone], crs, dem) if alone.size else None
    if fresh is not None:
        for which, polygon in zip(alone[fresh.body].tolist(), fresh.polygons, strict=True):
            pieces.setdefault(which, []).append(polygon)
            rows.setdefault(which, []).append(NEW)
    made = _divided(shapes, pieces)
    base_rows = [row for which in range(len(shapes)) for row in rows.get(which, [NEW])]
    return Divided(made.polygons, made.body, np.array(base_rows, np.int64))


def _divided(shapes: Shapes, pieces: dict[int, list[Any]]) -> Divided:
    polygons = [part for which, shape in enumerate(shapes) for part in pieces.get(which, [shape])]
    made = np.empty(len(polygons), object)
    made[:] = polygons
    count = [len(pieces.get(which, [None])) for which in range(len(shapes))]
    body = np.repeat(np.arange(len(shapes)), np.array(count, np.int64))
    return Divided(made, body, np.full(len(made), NEW, np.int64))


# Basins


def _grid(shapes: Shapes, crs: CRS) -> Grid:
    """Lay the grid of the basins around bodies of ice, its edges at whole multiples of a cell."""
    cell = defaults.DIVIDE_CELL_M
    left, bottom, right, top = shapely.total_bounds(shapes)
    around = defaults.GUTTER_M + 4 * cell
    column0, row0 = math.floor((left - around) / cell), math.ceil((top + around) / cell)
    shape = (row0 - math.floor((bottom - around) / cell), math.ceil((right + around) / cell) - column0)
    return Grid(crs, Affine(cell, 0, column0 * cell, 0, -cell, row0 * cell), shape)


def _labels(shapes: Shapes, grid: Grid, dem: xr.DataArray) -> tuple[Labels, Places]:
    """Number the glaciers of each body (rows, columns), and the body (n + 1,) of each, from 0."""
    body_of = _burnt(shapes, grid)
    filled = _burnt(shapely.polygons(shapely.get_exterior_ring(shapes)), grid)
    try:
        z = _smoothed(
            align.onto(dem.astype(np.float32), grid, "cubic").to_numpy(), defaults.SMOOTHING_M, grid
        )
    except OutsideGrid as error:
        raise BadInput(
            f"The elevations do not cover the ice. {error} Take a DEM of the same region."
        ) from error
    known = np.isfinite(z)
    reach = max(1, round(defaults.GUTTER_M / defaults.DIVIDE_CELL_M))
    near = unmixing.grown((filled > 0).astype(np.uint8), reach)
    gutter = ((unmixing.grown(near, 1) > near) & known).astype(np.uint8)
    surface = np.where((near > 0) | (gutter > 0), z, np.float32(np.nan))
    body_of[~known] = 0
    if not gutter.any() or not body_of.any():
        return np.zeros(grid.shape, np.int32), np.zeros(1, np.int64)
    cells = np.flatnonzero(gutter.ravel())
    order = cells[np.argsort(z.ravel()[cells], kind="stable")]
    lows = regions.low_places(gutter, order)
    row, column = np.divmod(lows, grid.shape[1])
    drained = drain(
        grid.raster(surface, name="dem"),
        sinks=(row, column),
        channels=gutter.astype(bool),
        depressions="fill",
        edges="closed",
    )
    flow = _straightened(drained)
    zone, _ = flow.delineate(row, column)
    # one number for a basin in a body
    bodies = len(shapes) + 1
    keys, number = np.unique(
        np.append(
            np.where((zone > 0) & (body_of > 0), zone.astype(np.int64) * bodies + body_of, 0).ravel(), 0
        ),
        return_inverse=True,
    )
    part, region = regions.connected(number[:-1].reshape(grid.shape).astype(np.int32))
    key = keys[np.append(0, region)]
    basins = _Basins(
        part=part,
        outlet=key // bodies - 1,
        body=key % bodies,
        border=_borders(part, flow.direction, key % bodies),
        outline=regions.outline_lengths(part),
    )
    cells = np.flatnonzero(np.isfinite(surface.ravel()))
    pair, level = regions.passes(z, cells[np.argsort(z.ravel()[cells], kind="stable")], lows)
    low = _Outlets(z.ravel()[lows], pair, level)
    glacier = _joined(basins, low)
    numbers, name = np.unique(glacier, return_inverse=True)  # part 0, no ice, is the first
    body = np.zeros(len(numbers), np.int64)
    body[name] = basins.body
    return regions.extended(name.astype(np.int32)[part], (near > 0).astype(np.uint8)), body - 1


@dataclass(frozen=True)
class _Basins:
    """Connected parts of basins in bodies of ice; part 0 is no ice.

    part     (rows, columns)  the part of each cell
    outlet   (n,)  position among the outlets, body  (n,) number of the body from 1
    border   (m, 4)  two parts that meet, the length of their border in cells, and the mean of how far the
             flow from both sides goes apart
    outline  (n,)  length in cells
    """

    part: Labels
    outlet: Places
    body: Places
    border: NDArray[np.float64]
    outline: Places


@dataclass(frozen=True)
class _Outlets:
    """Low places of the gutter by rising height, and how one gets from one to another."""

    height: Singles
    pair: Labels
    level: NDArray[np.float64]


def _straightened(drained: Drained) -> Drainage:
    """Lead the water of a filled surface along slope lines."""
    flow, filled = drained.drainage, np.asarray(drained.filled)
    cells = np.flatnonzero(flow.direction.ravel() < SINK)
    order = cells[np.argsort(-filled.ravel()[cells], kind="stable")]
    return Drainage(flow.grid, slope_lines.straightened(flow.direction, filled, order))


def _burnt(shapes: Shapes, grid: Grid) -> Labels:
    try:
        return zones.burn(gpd.GeoSeries(shapes, crs=grid.crs), grid)
    except OutsideGrid:  # narrower than a cell
        return np.zeros(grid.shape, np.int32)


def _smoothed(z: Singles, sigma_m: float, grid: Grid) -> Singles:
    """Smooth elevations by a Gaussian over the known ones; NaN stays NaN."""
    cells = sigma_m / grid.transform.a
    reach = math.ceil(3 * cells)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / cells) ** 2).astype(np.float32)
    weight /= weight.sum()
    known = np.isfinite(z)
    level = np.float32(z[known].mean()) if known.any() else np.float32(0)
    total, share = np.where(known, z - level, np.float32(0)), known.astype(np.float32)
    for axis in (0, 1):
        total, share = _along_axis(total, weight, axis), _along_axis(share, weight, axis)
    smooth: Singles = np.where(known, total / np.maximum(share, np.float32(1e-6)) + level, np.float32(np.nan))
    return smooth


def _along_axis(values: Singles, weight: Singles, axis: int) -> Singles:
    reach = len(weight) // 2
    width = [(0, 0), (0, 0)]
    width[axis] = (reach, reach)
    padded = np.pad(values, width)
    total = np.zeros_like(values)
    for shift, each in enumerate(weight):
        window = [slice(None), slice(None)]
        window[axis] = slice(shift, shift + values.shape[axis])
        total += each * padded[tuple(window)]
    return total


def _borders(part: Labels, direction: NDArray[np.uint8], body: Places) -> NDArray[np.float64]:
    edges = regions.borders(part, direction, defaults.FLOW_REACH_M / defaults.DIVIDE_CELL_M)
    one, other = edges[:, 0].astype(np.int64), edges[:, 1].astype(np.int64)
    inside = body[one] == body[other]
    key, which = np.unique(one[inside] * len(body) + other[inside], return_inverse=True)
    count = np.bincount(which, minlength=len(key))
    apart = np.bincount(which, edges[inside, 2], len(key)) / np.maximum(count, 1)
    return np.column_stack([key // len(body), key % len(body), count, apart])


def _root(parent: Places, item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = int(parent[item])
    return item


class _Groups:
    """Basins that are being joined: what a group of them has in common, and how it meets others."""

    def __init__(self, basins: _Basins, low: _Outlets) -> None:
        self._above = regions.join_tree(low.pair, low.level, len(low.height))
        self._level = low.level
        self._height: list[float] = low.height.tolist()
        self.into = np.arange(len(basins.body))
        self.outlet: list[int] = basins.outlet.tolist()  # the lowest of the group
        self.cells: list[int] = np.bincount(basins.part.ravel(), minlength=len(basins.body)).tolist()
        self.outline: list[float] = basins.outline.tolist()
        # of each neighbour: length of the border, and that times how far the flow goes apart
        self.border: list[dict[int, tuple[float, float]]] = [{} for _ in self.outlet]
        for one, other, length, apart in basins.border.tolist():
            self.border[int(one)][int(other)] = self.border[int(other)][int(one)] = (length, length * apart)

    def beside(self, one: int, other: int) -> bool:
        """Tell whether the surface falls the same way on both sides of the border of two groups."""
        length, apart = self.border[one][other]
        return apart <= defaults.FLOW_APART_MAX * length

    def rise(self, one: int, other: int) -> float:
        """Tell the metres to climb at least from the higher one of two groups' outlets to the other."""
        first, second = sorted((self.outlet[one], self.outlet[other]))
        if first == second:
            return 0.0
        return float(regions.climb(self._above, self._level, first, second)) - self._height[second]

    def enclosed(self, one: int, other: int) -> float:
        """Tell the share of the smaller one's outline at which two groups meet."""
        small = min((one, other), key=lambda each: (self.cells[each], each))
        length, _ = self.border[one][other]
        return length / self.outline[small]

    def join(self, one: int, other: int) -> None:
        """Let ``one`` take in ``other``."""
        self.into[other] = one
        self.outlet[one] = min(self.outlet[one], self.outlet[other])  # numbered by rising height
        self.cells[one] += self.cells[other]
        self.outline[one] += self.outline[other] - 2 * self.border[one][other][0]
        for each, (length, apart) in self.border[other].items():
            del self.border[each][other]
            if each != one:
                before = self.border[one].get(each, (0.0, 0.0))
                self.border[one][each] = self.border[each][one] = (before[0] + length, before[1] + apart)
        self.border[other] = {}

    def join_by(self, key: Callable[[int, int], float], most: float) -> None:
        """Join groups that fall the same way, in the order of a key and up to its greatest value."""
        waiting = [
            (key(one, other), one, other)
            for one, beside in enumerate(self.border)
            for other in beside
            if one < other
        ]
        heapq.heapify(waiting)
        while waiting and waiting[0][0] <= most:
            value, one, other = heapq.heappop(waiting)
            if other not in self.border[one] or key(one, other) != value or not self.beside(one, other):
                continue  # has been joined, is another border by now, or a divide
            self.join(one, other)
            for each in self.border[one]:
                pair = (min(one, each), max(one, each))
                heapq.heappush(waiting, (key(*pair), *pair))

    def join_slivers(self) -> None:
        """Give slivers to the neighbour with the longest border, the smallest first."""
        least = defaults.GLACIER_MIN_KM2 * M2_PER_KM2 / defaults.DIVIDE_CELL_M**2
        waiting = [(cells, one) for one, cells in enumerate(self.cells) if cells < least and self.border[one]]
        heapq.heapify(waiting)
        while waiting:
            cells, one = heapq.heappop(waiting)
            beside = self.border[one]
            if cells != self.cells[one] or not beside:
                continue  # joined already, or grown since
            goal = min(beside, key=lambda each: (-beside[each][0], each))
            self.join(goal, one)
            if self.cells[goal] < least:
                heapq.heappush(waiting, (self.cells[goal], goal))


def _joined(basins: _Basins, low: _Outlets) -> Places:
    """Join the basins of one glacier: a number (n,) for each part."""
    groups = _Groups(basins, low)
    groups.join_by(groups.rise, defaults.RISE_MAX_M)
    groups.join_by(lambda one, other: -groups.enclosed(one, other), -defaults.FLANK_SHARE)
    groups.join_slivers()
    return np.array([_root(groups.into, item) for item in range(len(groups.outlet))])


# Polygons


def _cut(shapes: Shapes, label: Labels, owner: Places, grid: Grid) -> dict[int, list[Any]]:
    """Cut those bodies that hold several glaciers, along divides without the steps of the cells."""
    several = np.flatnonzero(np.bincount(owner[1:], minlength=len(shapes)) > 1)
    wanted = np.isin(owner, several)
    wanted[0] = False
    if not wanted.any():
        return {}
    drawn = outline(np.where(wanted[label], label, 0), grid)
    areas = shapely.coverage_simplify(drawn.geometry.to_numpy(), tolerance=1.5 * defaults.DIVIDE_CELL_M)
    number = drawn["value"].to_numpy()
    cut = {}
    for which in several.tolist():
        mine = areas[owner[number] == which]
        parts = shapely.get_parts(shapely.intersection(mine, shapes[which], grid_size=_GRID_M))
        rest = shapely.difference(shapes[which], shapely.union_all(mine), grid_size=_GRID_M)
        parts = np.concatenate([parts, shapely.get_parts(rest)])
        cut[which] = _whole(parts[shapely.get_type_id(parts) == _POLYGON])
    return cut


def _whole(parts: Shapes) -> list[Any]:
    """Give parts that are too small for a glacier to the neighbour with the longest border."""
    parts = parts[shapely.area(parts) > 0]
    least = min(defaults.GLACIER_MIN_KM2 * M2_PER_KM2, float(shapely.area(parts).max()))
    large = shapely.area(parts) >= least
    taken, left = _taken_in(parts[large], parts[~large])
    return [*taken, *left]


def _taken_in(parts: Shapes, crumbs: Shapes) -> tuple[Shapes, Shapes]:
    """Join each crumb to the part with which it shares the longest border, or to what has been joined to it.

    Returns the parts in their order, and the crumbs that touch none of them along a line.
    """
    parts = parts.copy()
    while len(crumbs) and len(parts):
        crumb, part, shared = _shared(crumbs, parts)
        order = np.lexsort((part, -shared, crumb))
        order = order[shared[order] > 0]
        crumb, first = np.unique(crumb[order], return_index=True)
        part = part[order][first]
        back = [np.delete(crumbs, crumb)]
        for each in np.unique(part).tolist():
            joined = shapely.union_all(
                np.append(crumbs[crumb[part == each]], parts[each : each + 1]), grid_size=_GRID_M
            )
            pieces = shapely.get_parts(_areas(joined))
            largest = int(np.argmax(shapely.area(pieces)))
            parts[each] = pieces[largest]
            back.append(np.delete(pieces, largest))  # they met in a line thinner than the coordinates
        left = np.concatenate(back)
        if len(left) >= len(crumbs):
            return parts, left
        crumbs = left
    return parts, crumbs


def _shared(crumbs: Shapes, parts: Shapes) -> tuple[Places, Places, NDArray[np.float64]]:
    """Measure the borders between crumbs and parts: positions of both, and the length of what they share."""
    lines, owner = shapely.get_parts(shapely.boundary(parts), return_index=True)
    places, line = shapely.get_coordinates(lines, return_index=True)
    # in short pieces: a crumb meets few of the thousands of points of a long outline
    start = np.flatnonzero(line[1:] == line[:-1])
    new = np.append(True, np.diff(start) != 1) | (np.arange(len(start)) % _PIECE_EDGES == 0)
    piece = np.cumsum(new) - 1
    ends = np.column_stack([start, start + 1]).ravel()
    pieces = shapely.multilinestrings(shapely.linestrings(places[ends].reshape(-1, 2, 2)), indices=piece)
    owner = owner[line[start[new]]]
    crumb, near = shapely.STRtree(pieces).query(crumbs, predicate="intersects")
    length = shapely.length(shapely.intersection(shapely.boundary(crumbs[crumb]), pieces[near]))
    key, which = np.unique(crumb * len(parts) + owner[near], return_inverse=True)
    shared = np.bincount(which, length, len(key)).astype(np.float64)
    return key // len(parts), key % len(parts), shared


def _areas(shape: Any) -> Any:
    """Keep the polygons of a geometry."""
    if shape is None or shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == _SURFACE])


def _along(shape: Any, known: Shapes, rows: Places) -> tuple[list[Any], list[int]]:
    """Cut a body along the glaciers of an inventory; parts outside of them go to the longest border."""
    parts, owners = [], []
    left = shape
    # where glaciers of the inventory overlap, the first has it
    for glacier, row in sorted(zip(known, rows.tolist(), strict=True), key=lambda pair: int(pair[1])):
        for part in shapely.get_parts(_areas(shapely.intersection(left, glacier, grid_size=_GRID_M))):
            if part.area > 0:
                parts.append(part)
                owners.append(row)
        left = _areas(shapely.difference(left, glacier, grid_size=_GRID_M))
    outside = shapely.get_parts(left)
    outside = outside[shapely.area(outside) > 0]
    if not parts:
        return [shape], [NEW]
    # a shred of an inventory's glacier is no glacier: the divide was drawn a little otherwise
    inside = np.empty(len(parts), object)
    inside[:] = parts
    owner = np.array(owners)
    shred = _shreds(inside, owner)
    taken, alone = _taken_in(inside[~shred], np.concatenate([inside[shred], outside]))
    return [*taken, *alone], [*owner[~shred].tolist(), *[NEW] * len(alone)]


def _shreds(parts: Shapes, owner: Places) -> NDArray[np.bool_]:
    """Tell the parts too small for a patch of ice, but for the largest of each glacier."""
    area = shapely.area(parts)
    largest = np.array([area[owner == each].max() for each in owner])
    shred: NDArray[np.bool_] = (area < ice.AREA_MIN_KM2 * M2_PER_KM2) & (area < largest)
    return shred if not shred.all() else np.zeros(len(parts), np.bool_)
