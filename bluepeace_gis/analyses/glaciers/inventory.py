"""From bodies of ice to an inventory: individual glaciers with the attributes and tables of RGI 7.0."""

import math
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.analyses.glaciers.attributes import (
    NO_CODE,
    NO_NUMBER,
    Topography,
    nothing_known,
    topography,
)
from bluepeace_gis.analyses.glaciers.divides import NEW, Divided, fixed_divides, flow_divides
from bluepeace_gis.analyses.glaciers.extent import Extent
from bluepeace_gis.analyses.glaciers.hypsometry import hypsometry, zone_bands
from bluepeace_gis.analyses.glaciers.links import COLUMNS as LINK_COLUMNS
from bluepeace_gis.analyses.glaciers.links import in_degrees, links
from bluepeace_gis.analyses.glaciers.outlined import ID_COLUMNS, lengths_m
from bluepeace_gis.analyses.glaciers.regions import UNKNOWN, regions
from bluepeace_gis.geo.areas import M2_PER_KM2, densified, polygon_areas_m2
from bluepeace_gis.geo.zones import mended

Reals = NDArray[np.float64]
Shapes = NDArray[Any]

DEGREES: Final = CRS("EPSG:4326")
PREFIX: Final = "BP"
# The columns of the RGI 7.0 glacier product, in order.
RGI_COLUMNS: Final = (
    "rgi_id", "o1region", "o2region", "glims_id", "anlys_id", "subm_id", "src_date", "cenlon", "cenlat",
    "utm_zone", "area_km2", "primeclass", "conn_lvl", "surge_type", "term_type", "glac_name", "is_rgi6",
    "termlon", "termlat", "zmin_m", "zmax_m", "zmed_m", "zmean_m", "slope_deg", "aspect_deg", "aspect_sec",
    "dem_source", "lmax_m",
)  # fmt: skip
OWN_COLUMNS: Final = ("area_unc_km2", "edge_unc_km2", "snow_unc_km2", "unseen_km2", "debris_km2")
INTERSECT_COLUMNS: Final = ("rgi_id", "rgi_g_id_1", "rgi_g_id_2", "length_m")
UNCERTAINTY_COLUMNS: Final = (
    "rgi_id", "area_km2", "margin_m", "divide_m", "edge_unc_km2", "threshold_unc_km2", "snow_unc_km2",
    "unseen_unc_km2", "area_unc_km2", "area_low_km2", "area_high_km2", "debris_km2", "debris_unc_km2",
    "half_pixel_unc_km2",
)  # fmt: skip
# What an inventory knows of its glaciers and a new outline does not change.
CARRIED: Final = ("glac_name", "surge_type", "primeclass", "term_type", "glims_id", "o1region", "o2region")
INVENTORY_TYPES: Final = {
    "glaciers": "Polygon",
    "outlines_min": "MultiPolygon",
    "outlines_max": "MultiPolygon",
    "debris": "Polygon",
    "unseen": "Polygon",
    "intersects": "LineString",
}
_GRID_M: Final = 0.001  # shared points of neighbours lie on it


@dataclass(frozen=True)
class Totals:
    """Sums over all glaciers.

    Parameters
    ----------
    area_km2, debris_km2, unseen_km2 : float
    area_unc_km2 : float
        What is random in quadrature over the glaciers; threshold, snow and what was not seen are alike in all
        and add up one by one; then all in quadrature.
    debris_unc_km2, half_pixel_unc_km2 : float
        Added up one by one.
    """

    area_km2: float
    area_unc_km2: float
    unseen_km2: float
    debris_km2: float
    debris_unc_km2: float
    half_pixel_unc_km2: float


@dataclass(frozen=True)
class Inventory:
    """Glaciers with their attributes, and all that stands in tables beside them.

    Parameters
    ----------
    layers : {name: GeoDataFrame}
        Those of :data:`INVENTORY_TYPES` in EPSG:4326; ``glaciers`` with :data:`RGI_COLUMNS` and
        :data:`OWN_COLUMNS`.
    tables : {name: DataFrame}
        ``hypsometry``, ``links``, ``zone_bands`` and ``uncertainties``.
    totals : Totals
    notes : (str, ...)
    """

    layers: dict[str, gpd.GeoDataFrame]
    tables: dict[str, pd.DataFrame]
    totals: Totals
    notes: tuple[str, ...]


def make_inventory(
    extent: Extent,
    dem: xr.DataArray,
    *,
    dem_source: str = "",
    base: gpd.GeoDataFrame | None = None,
    zones: gpd.GeoDataFrame | None = None,
    zone_field: str = "name",
) -> Inventory:
    """Divide bodies of ice into glaciers and describe each as RGI 7.0 does.

    Parameters
    ----------
    extent : Extent
    dem : (y, x) float, metres, NaN where unknown
    dem_source : str
        What the column of that name says.
    base : GeoDataFrame of Polygon and MultiPolygon, optional
        An earlier inventory: its divides are kept, its names carried over, and links to it made.
    zones : GeoDataFrame of Polygon and MultiPolygon, optional
        Basins or countries for the table of bands.
    zone_field : str

    Returns
    -------
    Inventory

    Raises
    ------
    BadInput
        If the elevations lie elsewhere, or zones or inventory are not what they should be.

    Notes
    -----
    Uncertainties are standard deviations. The edge of a glacier is its outline without divides that it
    shares, alike over a length: sigma sqrt(margin * length). Threshold, snow and the classic buffer of half a
    pixel go by the margin, too; unseen ground by area. Ids count from west to east in each first-order
    region, under the year of the latest scene; they are our own.
    """
    bodies = extent.layers["glaciers"]
    crs = bodies.crs
    if base is not None:
        base = base.set_geometry(mended(base.geometry, "glaciers of the inventory")).reset_index(drop=True)
    shapes = np.asarray(bodies.geometry.to_numpy(), dtype=object)
    cut = flow_divides(shapes, crs, dem) if base is None else fixed_divides(shapes, crs, dem, base)
    cut = _worth_keeping(cut)
    written = in_degrees(gpd.GeoSeries(cut.polygons, crs=crs))
    if len(written):
        written = gpd.GeoSeries([_largest(shape) for shape in written], crs=DEGREES)
    glaciers = _named(cut, written, bodies, base)
    order = np.asarray(glaciers.pop("_place").to_numpy(), np.int64)
    cut = Divided(cut.polygons[order], cut.body[order], cut.base[order])
    found = _topographies(glaciers, dem)
    for name in ("termlon", "termlat", "zmin_m", "zmax_m", "zmed_m", "zmean_m", "slope_deg", "aspect_deg"):
        glaciers[name] = np.array([getattr(each, name) for each in found], np.float64)
    for name in ("aspect_sec", "lmax_m"):
        glaciers[name] = np.array([getattr(each, name) for each in found], np.int64)
    glaciers["dem_source"] = pd.Series([dem_source] * len(glaciers), dtype=object)
    crossing = _intersects(cut, glaciers, crs)
    debris = _debris(extent.layers["debris"], cut, glaciers)
    unc = _uncertainties(extent, cut, glaciers, crossing, debris)
    for name in OWN_COLUMNS[:3]:
        glaciers[name] = unc[name].to_numpy()
    glaciers["unseen_km2"] = unc.pop("unseen_km2").to_numpy()
    glaciers["debris_km2"] = unc["debris_km2"].to_numpy()
    glaciers = glaciers[[*RGI_COLUMNS, *OWN_COLUMNS, "geometry"]]
    layers = {"glaciers": glaciers}
    for name in ("outlines_min", "outlines_max", "unseen"):
        layers[name] = _in_degrees(extent.layers[name])
    layers["debris"] = debris
    layers["intersects"] = crossing
    tables = {
        "hypsometry": hypsometry(glaciers["rgi_id"].tolist(), glaciers["area_km2"].tolist(), found),
        "links": _links(base, glaciers),
        "zone_bands": zone_bands(glaciers, found, zones, zone_field),
        "uncertainties": unc,
    }
    return Inventory(layers, tables, totals(unc, glaciers), _notes(glaciers, cut, base, found))


# Glaciers


def _worth_keeping(cut: Divided) -> Divided:
    """Leave out crumbs that a divide of the inventory cuts off: less than the least patch of ice."""
    if len(cut.polygons) == 0:
        return cut
    whole = np.bincount(cut.body)[cut.body] == 1
    kept = whole | (shapely.area(cut.polygons) >= defaults.AREA_MIN_KM2 * M2_PER_KM2)
    return Divided(cut.polygons[kept], cut.body[kept], cut.base[kept])


def _largest(shape: Any) -> Any:
    return (
        shape if shape.geom_type == "Polygon" else max(shapely.get_parts(shape), key=lambda part: part.area)
    )


def _in_degrees(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    moved = layer.set_geometry(in_degrees(layer.geometry))
    if "area_km2" in moved.columns and len(moved):
        moved["area_km2"] = polygon_areas_m2(moved.geometry) / M2_PER_KM2
    return moved


def _named(
    cut: Divided, written: gpd.GeoSeries, bodies: gpd.GeoDataFrame, base: gpd.GeoDataFrame | None
) -> gpd.GeoDataFrame:
    """Make the rows of the glaciers from west to east, with what needs no elevations."""
    count = len(written)
    inside = shapely.point_on_surface(written.to_numpy()) if count else np.empty(0, object)
    lon, lat = (np.remainder(shapely.get_x(inside) + 180, 360) - 180, shapely.get_y(inside))
    o1, o2 = regions(lon, lat)
    date = bodies["src_date"].to_numpy()[cut.body] if count else np.empty(0, object)
    table: dict[str, list[Any]] = {
        "glims_id": [_glims_id(x, y) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)],
        "glac_name": [None] * count,
        "surge_type": [NO_CODE] * count,
        "primeclass": [NO_CODE] * count,
        "term_type": [NO_CODE] * count,
        "o1region": o1,
        "o2region": o2,
    }
    if base is not None:
        for name in set(CARRIED) & set(base.columns):
            column = base[name].tolist()
            for place, row in enumerate(cut.base.tolist()):
                if row != NEW and not pd.isna(column[row]) and str(column[row]).strip():
                    value = column[row]
                    table[name][place] = _code(value) if isinstance(table[name][place], int) else str(value)
    frame = gpd.GeoDataFrame(
        {
            "o1region": pd.Series(table["o1region"], dtype=object),
            "o2region": pd.Series(table["o2region"], dtype=object),
            "glims_id": pd.Series(table["glims_id"], dtype=object),
            "anlys_id": np.full(count, NO_NUMBER, np.int64),
            "subm_id": np.full(count, NO_NUMBER, np.int64),
            "src_date": pd.Series(date, dtype=object),
            "cenlon": lon,
            "cenlat": lat,
            "utm_zone": np.asarray(np.floor((lon + 180) / 6) + 1, np.int64),
            "area_km2": polygon_areas_m2(written) / M2_PER_KM2 if count else np.zeros(0),
            "primeclass": np.array(table["primeclass"], np.int64),
            "conn_lvl": np.zeros(count, np.int64),
            "surge_type": np.array(table["surge_type"], np.int64),
            "term_type": np.array(table["term_type"], np.int64),
            "glac_name": pd.Series(table["glac_name"], dtype=object),
            "is_rgi6": np.zeros(count, np.int64),
            "_place": np.arange(count),
        },
        geometry=list(written),
        crs=DEGREES,
    )
    if count == 0:
        frame["rgi_id"] = pd.Series([], dtype=object)
        return frame
    first = int(np.argmin(lon))
    frame["_far"] = np.hypot((lon - lon[first]) * math.cos(math.radians(lat[first])), lat - lat[first])
    frame = frame.sort_values(["o1region", "_far", "cenlat"], kind="stable").drop(columns="_far")
    frame = frame.reset_index(drop=True)
    year = max(str(each) for each in date)[:4]
    number = frame.groupby("o1region").cumcount() + 1
    frame["rgi_id"] = pd.Series(
        [f"{PREFIX}{year}-G-{o1}-{n:05d}" for o1, n in zip(frame["o1region"], number, strict=True)],
        dtype=object,
    )
    return frame


def _code(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return NO_CODE


def _glims_id(lon: float, lat: float) -> str:
    """Write a place as GLIMS does: degrees east and north or south, in thousandths."""
    east = round((lon % 360) * 1000) % 360_000
    return f"G{east:06d}E{round(abs(lat) * 1000):05d}{'N' if lat >= 0 else 'S'}"


def _topographies(glaciers: gpd.GeoDataFrame, dem: xr.DataArray) -> list[Topography]:
    polygons = glaciers.geometry.to_numpy()
    areas = glaciers["area_km2"].tolist()
    zones = glaciers["utm_zone"].tolist()
    south = (glaciers["cenlat"].to_numpy() < 0).tolist()
    found = [nothing_known()] * len(polygons)

    def measure(place: int) -> None:
        utm = _utm(zones[place], south[place])
        found[place] = topography(polygons[place], areas[place], utm, dem)

    for place in range(len(polygons)):
        measure(place)
    return found


def _utm(zone: int, south: bool) -> CRS:
    return CRS.from_epsg((32700 if south else 32600) + zone)


# Neighbours


def _intersects(cut: Divided, glaciers: gpd.GeoDataFrame, crs: CRS) -> gpd.GeoDataFrame:
    """Draw the lines that neighbours share, each with its length on the ellipsoid."""
    polygons = cut.polygons
    lines: list[Any] = []
    sides: list[tuple[int, int]] = []
    if len(polygons):
        one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
        pairs = [(a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True) if a < b]
        for a, b in pairs:
            if cut.body[a] != cut.body[b]:
                continue
            edges = (shapely.set_precision(polygons[each].boundary, _GRID_M) for each in (a, b))
            shared = shapely.intersection(*edges, grid_size=_GRID_M)
            parts = shapely.get_parts(shared)
            parts = parts[shapely.get_dimensions(parts) == 1]
            if len(parts) == 0:
                continue
            merged = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(shapely.get_parts(parts))))
            lines += list(merged)
            sides += [(a, b)] * len(merged)
    drawn = densified(gpd.GeoSeries(lines, crs=crs)).to_crs(DEGREES)
    ids = glaciers["rgi_id"].tolist()
    first = [ids[a] for a, _ in sides]
    prefix = [each.replace("-G-", "-I-")[: len(each) - 5] for each in first]
    return gpd.GeoDataFrame(
        {
            "rgi_id": pd.Series([f"{name}{n:05d}" for n, name in enumerate(prefix, 1)], dtype=object),
            "rgi_g_id_1": pd.Series(first, dtype=object),
            "rgi_g_id_2": pd.Series([ids[b] for _, b in sides], dtype=object),
            "length_m": lengths_m(drawn.to_numpy()),
        },
        geometry=list(drawn),
        crs=DEGREES,
    )


def _debris(layer: gpd.GeoDataFrame, cut: Divided, glaciers: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Say whose each part of ice under debris is: that of the nearest glacier of the body it touches."""
    own = []
    for shape, body in zip(layer.geometry, layer["body"].tolist() if len(layer) else [], strict=True):
        near = np.flatnonzero(cut.body == body)
        if len(near) == 0:  # the body was too small to be kept
            near = np.arange(len(cut.polygons))
        reach = shapely.distance(cut.polygons[near], shape)
        beside = near[reach <= reach.min() + 1.0]
        edge = [
            shapely.intersection(cut.polygons[each].boundary, shape.buffer(30.0)).length for each in beside
        ]
        own.append(int(beside[int(np.argmax(edge))]))
    made = _in_degrees(layer.drop(columns="body"))
    if len(made):
        made["geometry"] = [_largest(shape) for shape in made.geometry]
    ids = glaciers["rgi_id"].tolist()
    made.insert(0, "rgi_id", pd.Series([ids[each] for each in own], dtype=object))
    return made


# Uncertainty


def _uncertainties(
    extent: Extent,
    cut: Divided,
    glaciers: gpd.GeoDataFrame,
    crossing: gpd.GeoDataFrame,
    debris: gpd.GeoDataFrame,
) -> pd.DataFrame:
    count = len(glaciers)
    parts = extent.parts.iloc[cut.body].reset_index(drop=True)
    place = {name: row for row, name in enumerate(glaciers["rgi_id"])}
    divide = np.zeros(count)
    for side in ("rgi_g_id_1", "rgi_g_id_2"):
        np.add.at(divide, [place[each] for each in crossing[side]], crossing["length_m"].to_numpy())
    margin = np.maximum(shapely.length(cut.polygons) - divide, 0.0) if count else np.zeros(0)
    area = glaciers["area_km2"].to_numpy()

    def share(weight: Reals) -> Reals:
        """Give each glacier its part of its body by a weight."""
        total = np.bincount(cut.body, weight, len(extent.parts))[cut.body]
        return np.where(total > 0, weight / np.maximum(total, 1e-12), 0.0)

    by_margin, by_area = share(margin), share(area)
    sigma, length = parts["edge_sigma_m"].to_numpy(), parts["edge_correlation_m"].to_numpy()
    edge = sigma * np.sqrt(margin * length) / M2_PER_KM2
    threshold = parts["threshold_unc_km2"].to_numpy() * by_margin
    snow = parts["snow_unc_km2"].to_numpy() * by_margin
    unseen = parts["unseen_km2"].to_numpy() * by_area
    unseen_unc = parts["unseen_unc_km2"].to_numpy() * by_area
    covered, covered_unc = np.zeros(count), np.zeros(count)
    owner = [place[each] for each in debris["rgi_id"]]
    np.add.at(covered, owner, debris["area_km2"].to_numpy())
    np.add.at(covered_unc, owner, debris["area_unc_km2"].to_numpy())
    unknown = parts["debris_km2"].isna().to_numpy()
    return pd.DataFrame(
        {
            "rgi_id": glaciers["rgi_id"],
            "area_km2": area,
            "margin_m": margin,
            "divide_m": divide,
            "edge_unc_km2": edge,
            "threshold_unc_km2": threshold,
            "snow_unc_km2": snow,
            "unseen_unc_km2": unseen_unc,
            "area_unc_km2": np.sqrt(edge**2 + threshold**2 + snow**2 + unseen_unc**2),
            "area_low_km2": area,
            "area_high_km2": area + unseen,
            "debris_km2": np.where(unknown, np.nan, covered),
            "debris_unc_km2": np.where(unknown, np.nan, covered_unc),
            "half_pixel_unc_km2": margin * extent.detail_m / 2 / M2_PER_KM2,
            "unseen_km2": unseen,
        }
    )


def totals(unc: pd.DataFrame, glaciers: gpd.GeoDataFrame) -> Totals:
    """Add up an inventory: areas exactly, edges in quadrature, what is common to all glaciers linearly.

    Parameters
    ----------
    unc : DataFrame
        The table ``uncertainties``.
    glaciers : GeoDataFrame
        The layer ``glaciers``.

    Returns
    -------
    Totals
    """
    sums = unc.drop(columns="rgi_id").sum()  # NaN, not looked for, counts as nothing
    random = float((unc["edge_unc_km2"] ** 2).sum())
    common = sum(float(sums[name]) ** 2 for name in ("threshold_unc_km2", "snow_unc_km2", "unseen_unc_km2"))
    return Totals(
        float(sums["area_km2"]),
        math.sqrt(random + common),
        float(glaciers["unseen_km2"].sum()),
        float(sums["debris_km2"]),
        float(sums["debris_unc_km2"]),
        float(sums["half_pixel_unc_km2"]),
    )


# Links


def _links(base: gpd.GeoDataFrame | None, glaciers: gpd.GeoDataFrame) -> pd.DataFrame:
    if base is None or len(glaciers) == 0:
        return pd.DataFrame({name: pd.Series([], dtype=_link_type(name)) for name in LINK_COLUMNS})
    named = [
        name
        for name in ID_COLUMNS
        if name in base.columns and base[name].notna().all() and base[name].is_unique
    ]
    if not named:
        base = base.assign(position=np.arange(1, len(base) + 1).astype(str))
        named = ["position"]
    return links(base, glaciers, before_id=named[0], after_id="rgi_id")


def _link_type(name: str) -> Any:
    return (
        object
        if name.endswith("_id") and name != "cluster_id"
        else np.int64
        if name[:2] in ("cl", "n_")
        else np.float64
    )


def _notes(
    glaciers: gpd.GeoDataFrame, cut: Divided, base: gpd.GeoDataFrame | None, found: list[Topography]
) -> tuple[str, ...]:
    notes = []
    elsewhere = int((glaciers["o1region"] == UNKNOWN[0]).sum())
    if elsewhere:
        notes.append(
            f"{elsewhere} glaciers lie outside of the regions known here (13-01 to 13-04): "
            f"their region is {UNKNOWN[0]}."
        )
    blind = sum(len(each.z) == 0 for each in found)
    if blind:
        notes.append(
            f"{blind} glaciers lie where the DEM knows no elevation: they have no heights, slope or length."
        )
    if base is not None:
        fresh = int((cut.base == NEW).sum())
        notes.append(
            f"Divides are those of the inventory; {fresh} of {len(glaciers)} glaciers are not in it."
        )
    return tuple(notes)
