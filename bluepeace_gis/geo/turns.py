"""Longitudes come again after a whole turn: shapes that cross the 180th meridian, however they were drawn.

One land is found cut at 180 degrees into two parts, running on beyond it (170 to 190, or 0 to 360), or
with an edge that jumps from one rim of the map to the other. All three are brought together here.
"""

from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from bluepeace_gis.geo.crs import unbound, unit

Reals = NDArray[np.float64]

# An edge of a whole turn closes a map of the world along a pole; one a little shorter is a jump.
WHOLE_TURN: Final = 1e-9

_POLYGONS: Final = (3, 6)  # shapely's type ids: Polygon, MultiPolygon


def turn_of(crs: CRS) -> float:
    """Return the length of a whole turn along x in the unit of the CRS; 0 where x is no longitude."""
    plane = unbound(crs)
    if not plane.is_geographic or plane.is_derived:  # a rotated pole's x is none
        return 0.0
    return 2 * np.pi / unit(plane)[1]


def turns(crs: CRS) -> list[float]:
    """List the shifts of x at which a place may lie: none, and a whole turn to either side of longitudes."""
    turn = turn_of(crs)
    return [0.0, -turn, turn] if turn else [0.0]


def turned(shapes: NDArray[Any], crs: CRS, bounds: Any) -> NDArray[Any]:
    """Put shapes wherever they lie within bounds, however many turns away they were drawn.

    Parameters
    ----------
    shapes : (n,) of geometry
    crs : CRS
        Theirs and that of the bounds.
    bounds : left, bottom, right, top
        Longitudes may run beyond 180 degrees.

    Returns
    -------
    (n,) of geometry
        Each with its copies a turn away that reach the bounds; parts that meet are joined.
    """
    left, _, right, _ = (float(edge) for edge in bounds)
    low, _, high, _ = shapely.bounds(shapes).T
    found = [[shape] for shape in shapes]
    for shift in turns(crs)[1:]:
        with np.errstate(invalid="ignore"):  # of empty shapes
            reaches = (high + shift > left) & (low + shift < right)
        for place in np.flatnonzero(reaches):
            found[place].append(_shifted(shapes[place], shift))
    made = np.empty(len(shapes), object)
    made[:] = [parts[0] if len(parts) == 1 else _joined(parts) for parts in found]
    return made


def unrolled(shapes: NDArray[Any], crs: CRS, *, dense: bool = False) -> tuple[NDArray[Any], int]:
    """Let the edges of polygons that jump over the 180th meridian run on beyond it.

    Parameters
    ----------
    shapes : (n,) of geometry
    crs : CRS
    dense : bool
        Whether all edges are short, so that one of a whole turn is a jump as well.

    Returns
    -------
    shapes : (n,) of geometry
        A ring around a pole stays as it is.
    count : int
        How many of them jumped.

    Notes
    -----
    An edge over more than half a turn goes the other, shorter way.
    """
    turn = turn_of(crs)
    if not turn:
        return shapes, 0
    places, shape = shapely.get_coordinates(shapes, return_index=True)
    width = np.where(np.diff(shape) == 0, np.abs(np.diff(places[:, 0])), 0.0)
    # between the rings of a shape lies no edge; its rings are looked at one by one then
    suspect = np.unique(shape[1:][_jumps(width, turn, dense=dense)])
    made, count = shapes.copy(), 0
    for number in suspect:
        if shapely.get_type_id(shapes[number]) not in _POLYGONS:
            continue
        parts = [_unrolled_part(part, turn, dense=dense) for part in shapely.get_parts(shapes[number])]
        if any(moved for _, moved in parts):
            made[number] = (
                parts[0][0] if len(parts) == 1 else shapely.multipolygons([one for one, _ in parts])
            )
            count += 1
    return made, count


def cut_at_180(shape: Any) -> Any:
    """Cut a polygon in degrees at the 180th meridian: its parts come to lie between -180 and 180.

    So GeoJSON wants it (RFC 7946, 3.1.9).

    Parameters
    ----------
    shape : Polygon or MultiPolygon
        Valid; longitudes may run on to a turn beyond 180.

    Returns
    -------
    Polygon or MultiPolygon
        ``shape`` itself where it lies between them already.
    """
    left, _, right, _ = shape.bounds
    if not (left < -180 or right > 180):
        return shape
    parts = [
        _shifted(part, shift)
        for shift in (0.0, -360.0, 360.0)
        for part in shapely.get_parts(shapely.clip_by_rect(shape, -180 - shift, -90, 180 - shift, 90))
    ]
    return shapely.union_all([part for part in parts if part.area > 0])


def _jumps(width: Reals, turn: float, *, dense: bool) -> NDArray[np.bool_]:
    jumps: NDArray[np.bool_] = width > turn / 2 * (1 + WHOLE_TURN)
    return jumps if dense else jumps & (width < turn * (1 - WHOLE_TURN))


def _unrolled_part(polygon: Any, turn: float, *, dense: bool) -> tuple[Any, bool]:
    """Unroll the rings of a polygon and put its holes into its shell; also tell whether it jumped."""
    rings = [shapely.get_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)]
    moved = False
    for places in rings:
        steps = np.diff(places[:, 0])
        jumps = _jumps(np.abs(steps), turn, dense=dense)
        around = np.cumsum(np.where(jumps, -np.sign(steps), 0.0))
        if jumps.any() and around[-1] == 0:
            places[1:, 0] += around * turn
            moved = True
    if not moved:
        return polygon, False
    shell, *holes = rings
    left, right = shell[:, 0].min(), shell[:, 0].max()
    for hole in holes:
        middle = (hole[:, 0].min() + hole[:, 0].max()) / 2
        hole[:, 0] += turn * (float(middle < left) - float(middle > right))
    return shapely.Polygon(shell, holes), True


def _shifted(shape: Any, shift: float) -> Any:
    return shapely.transform(shape, lambda places: places + np.array([shift, 0.0]))


def _joined(parts: list[Any]) -> Any:
    """Join polygons where they meet; what cannot be joined safely is kept side by side."""
    if all(shapely.get_type_id(part) in _POLYGONS and shapely.is_valid(part) for part in parts):
        return shapely.union_all(parts)
    return shapely.geometrycollections(
        np.concatenate([shapely.get_parts(part) for part in parts])  # burnt one by one, or mended later
    )
