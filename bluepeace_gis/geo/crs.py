"""Coordinate reference systems: which plane is meant, which ellipsoid lies below it, which two are one.

A number on a map is negotiated over, so every area here is stated on the ellipsoid of the CRS it came
in. What has no ellipsoid below it (no CRS, a local drawing, a height) is refused by :func:`horizontal`.
"""

import re
from functools import lru_cache
from typing import Any

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from bluepeace_gis.errors import UnknownCrs

# Names under which software writes "this datum is not known to me, only its ellipsoid is".
_ANONYMOUS_DATUM = re.compile(
    r"^(d_)?(unknown|unnamed|undefined|unspecified|unretrievable|not[ _]specified|user[-_ ]defined)",
    re.IGNORECASE,
)
_WAY_OUT = "Assign the CRS its coordinates are in, for a raster with: gdal_edit.py -a_srs EPSG:32642 FILE."


def horizontal(crs: Any, what: str = "The data") -> CRS:
    """Read a CRS and keep its horizontal part, two axes on an ellipsoid.

    Parameters
    ----------
    crs : anything ``pyproj.CRS.from_user_input`` takes, or None
    what : str
        Named in the error.

    Returns
    -------
    pyproj.CRS
        Geographic or projected, two-dimensional; a bound CRS (with ``towgs84``) stays bound, because
        a later reprojection needs its datum shift.

    Raises
    ------
    UnknownCrs
        If there is none, or it has no ellipsoid: local, vertical or geocentric.
    """
    if crs is None:
        raise UnknownCrs(f"{what} has no coordinate reference system, so no area can be stated. {_WAY_OUT}")
    try:
        found = CRS.from_user_input(crs)
    except CRSError as error:
        raise UnknownCrs(
            f"{what} has a coordinate reference system that cannot be read ({error}). {_WAY_OUT}"
        ) from error
    if found.is_compound:
        found = _unbound(found) if found.is_bound else found
        found = found.sub_crs_list[0]
    if found.is_bound and _is_web_mercator(found):
        found = CRS.from_epsg(3857)
    plane = _unbound(found)
    if not (plane.is_geographic or plane.is_projected) or plane.ellipsoid is None:
        raise UnknownCrs(
            f'{what} has the coordinate reference system "{plane.name}" ({plane.type_name}), '
            f"expected a geographic or projected one, so that areas can be stated. {_WAY_OUT}"
        )
    return found.to_2d() if len(found.axis_info) > 2 else found


def unbound(crs: Any) -> CRS:
    """Keep the horizontal part of ``crs`` without a datum shift bound to it: what areas depend on."""
    return _unbound(horizontal(crs))


def geographic(crs: Any) -> CRS:
    """Find the geographic CRS on the same datum, hence the same ellipsoid: no datum shift lies between."""
    base: Any = unbound(crs).geodetic_crs  # not None: the plane has an ellipsoid
    while base.is_derived:  # a rotated pole is itself geographic
        base = base.source_crs
    plane: CRS = base.to_2d() if len(base.axis_info) > 2 else base
    return plane


@lru_cache(maxsize=64)
def to_geographic(crs: CRS) -> Transformer:
    """Make the transformation (x, y) to (longitude, latitude) on the datum of ``crs`` itself."""
    return Transformer.from_crs(unbound(crs), geographic(crs), always_xy=True)


def unit(crs: CRS) -> tuple[str, float]:
    """Name the unit of the horizontal axes and give its size in metres or radians."""
    axis = unbound(crs).axis_info[0]
    return axis.unit_name, axis.unit_conversion_factor


def label(crs: CRS) -> str:
    """Name a CRS in an error or on a map: its code, else its name, else its parameters."""
    plane = unbound(crs)
    authority = plane.to_authority(min_confidence=100)
    if authority is not None:
        return ":".join(authority)
    if not _ANONYMOUS_DATUM.match(plane.name):
        return plane.name
    shape: Any = plane.ellipsoid
    below = f"an ellipsoid of {shape.semi_major_metre:.10g} by {shape.semi_minor_metre:.10g} metre"
    operation = plane.coordinate_operation
    if operation is None:
        return f"an unnamed CRS of longitude and latitude on {below}"
    numbers = ", ".join(
        f"{part.name} {part.value:.10g} {part.unit_name}".removesuffix(" unity")
        for part in operation.params
        if float(part.value) != 0
    )
    return f"an unnamed CRS ({operation.method_name}: {numbers}; on {below})"


def same_crs(one: CRS, other: CRS) -> bool:
    """Tell whether two CRSs give the same coordinates to the same place.

    Compared are the parameters, not the names: an unnamed UTM equals its EPSG code, and the order of
    the axes does not matter (rasters and layers are x, y always). A datum known only by its ellipsoid
    equals any datum on that ellipsoid; two *named* datums must be equal.

    Parameters
    ----------
    one, other : pyproj.CRS
        Geographic or projected; heights and datum shifts bound to them are left aside.

    Returns
    -------
    bool

    Raises
    ------
    UnknownCrs
        If one of them has no ellipsoid.
    """
    first, second = unbound(one), unbound(other)
    if first.equals(second, ignore_axis_order=True):
        return True
    nameless = _is_anonymous(first) or _is_anonymous(second)
    return _normal(first, nameless=nameless).equals(
        _normal(second, nameless=nameless), ignore_axis_order=True
    )


def _unbound(crs: CRS) -> CRS:
    while crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    return crs


def _is_web_mercator(bound: CRS) -> bool:
    """Tell whether ``bound`` is EPSG:3857 as it was written before it had a code.

    A Mercator on a sphere of 6378137 metres whose latitudes are bound, by an empty shift, to WGS 84:
    it lies on the ellipsoid, only its formulae are a sphere's.
    """
    plane: Any = _unbound(bound)
    shift = bound.coordinate_operation
    return bool(
        plane.is_projected
        and "Mercator (variant" in plane.coordinate_operation.method_name
        and (plane.ellipsoid.semi_major_metre, plane.ellipsoid.semi_minor_metre) == (6378137.0, 6378137.0)
        and [axis.unit_name for axis in plane.axis_info] == ["metre", "metre"]
        and all(part.value in (0, 1) for part in plane.coordinate_operation.params)  # no shifts, scale 1
        and shift is not None
        and [grid.short_name for grid in shift.grids] == ["@null"]
    )


def _is_anonymous(crs: CRS) -> bool:
    datum = geographic(crs).datum
    return datum is None or _ANONYMOUS_DATUM.match(datum.name) is not None


def _normal(crs: CRS, *, nameless: bool) -> CRS:
    """Write the same CRS x first; if ``nameless``, with its datum known by its ellipsoid alone."""
    description: dict[str, Any] = crs.to_json_dict()
    axes = description["coordinate_system"]["axis"]
    if [axis["direction"] for axis in axes] == ["north", "east"]:
        axes.reverse()
    base = description
    while "base_crs" in base:
        base = base["base_crs"]
    if nameless:
        datum = base.pop("datum", None) or base.pop("datum_ensemble")
        shape = {key: value for key, value in datum["ellipsoid"].items() if key != "id"} | {"name": "unknown"}
        base["datum"] = {"type": "GeodeticReferenceFrame", "name": "unknown", "ellipsoid": shape}
        if "prime_meridian" in datum:
            base["datum"]["prime_meridian"] = datum["prime_meridian"]
    for part in (description, base):  # a code would outweigh what is written here
        part.pop("id", None)
        part["name"] = "unknown"
    return CRS.from_json_dict(description)
