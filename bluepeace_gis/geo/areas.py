"""True areas of polygons on the ellipsoid of their CRS, and edges made straight on another map."""

from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import geographic, horizontal, label, to_geographic, unbound, unit
from bluepeace_gis.geo.ellipsoid import Ellipsoid, Reals

M2_PER_KM2: Final = 1e6

# An edge is cut into pieces no longer than this before its curve on the sphere is followed by a
# parabola through its middle; the error falls with the 4th power of piece / Earth, here 1e-12.
PIECE_M = 5_000.0
# A line straight on one map is curved on another: between points this far apart it stays within
# distance^2 / (8 * radius of the Earth), 5 millimetres.
REPROJECTED_PIECE_M = 500.0

_POLYGON, _MULTIPOLYGON = 3, 6  # shapely's type ids
_MISSING = -1


def polygon_areas_m2(polygons: gpd.GeoSeries) -> NDArray[np.float64]:
    """Compute areas on the ellipsoid of the CRS, of polygons whose edges are straight in that CRS.

    Parameters
    ----------
    polygons : GeoSeries of (n,) Polygon and MultiPolygon
        With a CRS. Longitudes may run beyond 180 degrees.

    Returns
    -------
    (n,) float64, m2
        Holes are left out; an empty polygon has 0, a missing one NaN.

    Raises
    ------
    UnknownCrs
        Without a CRS that stands on an ellipsoid.
    BadInput
        If there are other geometries than polygons or invalid ones, if an edge jumps over the 180th
        meridian, or if a place has no counterpart on the ellipsoid.

    Notes
    -----
    The ellipsoid is mapped to the sphere with the same surface, areas kept [1]_; there the area is the
    integral of the height over the longitude around the polygon (Green, Archimedes). Each edge is cut
    into pieces of 5 km and followed by a parabola through three points of each. For projected CRSs
    the sphere is turned so that each ring lies at longitude and latitude 0: poles and the 180th
    meridian are places like any other.

    References
    ----------
    .. [1] Snyder (1987), Map projections, a working manual, eq. 3-11, doi:10.3133/pp1395
    """
    crs = horizontal(polygons.crs, "The layer of polygons")
    shapes = np.asarray(polygons.array, dtype=object)
    types = shapely.get_type_id(shapes)
    wrong = ~np.isin(types, (_POLYGON, _MULTIPOLYGON, _MISSING))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"Found {wrong.sum()} geometries that are not polygons, the first at position {first} "
            f"({shapes[first].geom_type}); expected Polygon or MultiPolygon. Leave the others out."
        )
    invalid = ~shapely.is_valid(shapes) & (types != _MISSING)
    if invalid.any():
        first = int(np.flatnonzero(invalid)[0])
        raise BadInput(
            f"Found {invalid.sum()} invalid polygons, the first at position {first} "
            f"({shapely.is_valid_reason(shapes[first])}); expected valid ones. Mend them first, "
            "for instance with GeoSeries.make_valid() or Fix geometries in QGIS."
        )
    parts, owner = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    areas = np.zeros(len(shapes))
    areas[types == _MISSING] = np.nan
    if len(rings) == 0:
        return areas
    ring_areas = _ring_areas_m2(rings, crs)
    shell = np.ones(len(rings), dtype=bool)
    shell[1:] = part[1:] != part[:-1]  # the first ring of a polygon; the rest are its holes
    np.add.at(areas, owner[part], np.where(shell, ring_areas, -ring_areas))
    return areas


def densified(layer: gpd.GeoSeries, piece_m: float = REPROJECTED_PIECE_M) -> gpd.GeoSeries:
    """Add points along the edges, so that they stay where they are when the layer is reprojected.

    Parameters
    ----------
    layer : GeoSeries of any geometry, with a CRS
    piece_m : float, metres
        The longest edge left; in degrees it is taken along the equator.

    Returns
    -------
    GeoSeries
        The same lines and areas in the same CRS, with more points.

    Raises
    ------
    UnknownCrs
        Without a CRS that stands on an ellipsoid.
    """
    made: gpd.GeoSeries = layer.segmentize(_in_units(horizontal(layer.crs, "The layer"), piece_m))
    return made


def _in_units(crs: CRS, length_m: float) -> float:
    size = unit(crs)[1]
    return length_m / size if unbound(crs).is_projected else length_m / Ellipsoid.of(crs).semi_major_m / size


def _ring_areas_m2(rings: NDArray[Any], crs: CRS) -> Reals:
    """Areas (n,) inside closed rings (n,), whichever way they turn, m2."""
    plane = unbound(crs)
    in_degrees = plane.is_geographic and not plane.is_derived
    ellipsoid = Ellipsoid.of(crs)
    if in_degrees:
        _check_degrees(rings, crs)
    rings = shapely.segmentize(rings, _in_units(crs, PIECE_M))
    places, ring = shapely.get_coordinates(rings, return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])  # an edge goes from a point to the next of the same ring
    end = start + 1
    first = _firsts(ring[start])  # of the edges of each ring
    middle = (places[start] + places[end]) / 2
    if in_degrees:
        radians = unit(crs)[1]
        turn, height = places[:, 0] * radians, ellipsoid.authalic_sine(places[:, 1] * radians)
        height_middle = ellipsoid.authalic_sine(middle[:, 1] * radians)
        to_end = turn[end] - turn[start]
        to_middle = to_end / 2
    else:
        vectors = _authalic(places, crs, ellipsoid)
        frames = _frames(vectors, ring)
        turn, height = _turned(vectors, frames, ring)
        turn_middle, height_middle = _turned(_authalic(middle, crs, ellipsoid), frames, ring[start])
        to_end, to_middle = _shortest(turn[end] - turn[start]), _shortest(turn_middle - turn[start])
        if (np.abs(np.add.reduceat(to_end, first)) > 1).any():
            raise BadInput(
                "Found a polygon that reaches around more than half of the Earth; expected smaller ones, "
                "whose inside and outside cannot be mistaken. Cut it in pieces."
            )
    base = height[start[first]][
        ring[start]
    ]  # heights from the ring's first point: no digits lost on small rings
    low, mid, high = height[start] - base, height_middle - base, height[end] - base
    # the integral of height over turn along the parabolas through start, middle and end of each piece
    swept = (to_middle * 4 * (low - high) + to_end * (4 * mid - low + 3 * high)) / 6
    areas: Reals = np.abs(np.add.reduceat(swept, first)) * ellipsoid.authalic_radius2_m2
    return areas


def _check_degrees(rings: NDArray[Any], crs: CRS) -> None:
    places, ring = shapely.get_coordinates(rings, return_index=True)
    name, radians = unit(crs)
    half_turn = np.pi / radians
    beyond = np.abs(places[:, 1]).max()
    if beyond > half_turn / 2 * (1 + 1e-9):
        raise BadInput(
            f"Found a polygon with a latitude of {beyond:.10g} {name} in {label(crs)}, expected at most "
            f"{half_turn / 2:g}. Are the coordinates really longitude and latitude, in this order?"
        )
    width = np.where(ring[1:] == ring[:-1], np.abs(np.diff(places[:, 0])), 0.0)
    # an edge of a whole turn closes a world map along a pole; one of more than half a turn is a jump
    jump = (width > half_turn * (1 + 1e-9)) & (width < 2 * half_turn * (1 - 1e-9))
    if jump.any():
        raise BadInput(
            f"Found a polygon with an edge over {width[jump].max():.10g} {name} of longitude: it seems to "
            "cross the 180th meridian; expected it cut there, or its longitudes running on beyond 180."
        )


def _authalic(places: Reals, crs: CRS, ellipsoid: Ellipsoid) -> Reals:
    """Unit vectors (3, n) on the authalic sphere of places (n, 2) in a projected CRS."""
    longitude, latitude = to_geographic(crs).transform(places[:, 0], places[:, 1])
    radians = unit(geographic(crs))[1]
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        raise BadInput(
            f"Found a polygon that reaches beyond the edge of the Earth in {label(crs)}; expected places "
            "that exist. Cut the layer to the area its CRS is made for."
        )
    return ellipsoid.authalic_vectors(np.asarray(longitude) * radians, np.asarray(latitude) * radians)


def _frames(vectors: Reals, ring: NDArray[np.intp]) -> Reals:
    """Three axes (3, 3, rings) for each ring: its middle, and two across."""
    middle = np.add.reduceat(vectors, _firsts(ring), axis=1)
    middle /= np.maximum(np.linalg.norm(middle, axis=0), np.finfo(float).tiny)
    aside = np.zeros_like(middle)
    aside[np.abs(middle).argmin(axis=0), np.arange(middle.shape[1])] = 1.0
    east = np.cross(aside, middle, axis=0)
    east /= np.linalg.norm(east, axis=0)
    return np.stack([middle, east, np.cross(middle, east, axis=0)])


def _turned(vectors: Reals, frames: Reals, ring: NDArray[np.intp]) -> tuple[Reals, Reals]:
    """Longitude and sine of latitude (n,) on the sphere turned so that the ring's middle lies at 0, 0."""
    ahead, east, north = ((vectors * axis[:, ring]).sum(axis=0) for axis in frames)
    return np.arctan2(east, ahead), north


def _shortest(turn: Reals) -> Reals:
    return np.remainder(turn + np.pi, 2 * np.pi) - np.pi


def _firsts(group: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions at which a new group begins in a sorted sequence of groups."""
    return np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1])
