"""Which outlines of one date are which of another: n to m, because glaciers split and grow together."""

from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import M2_PER_KM2, densified, polygon_areas_m2
from bluepeace_gis.geo.crs import horizontal, same_crs
from bluepeace_gis.geo.turns import turned, unrolled
from bluepeace_gis.geo.zones import mended

# A smaller overlap is two drawings of one boundary, no common ice: the limit of the links between RGI 6 and
# RGI 7 (RGI 7.0 Consortium 2023, doi:10.5067/F6JMOVY5NAVZ).
OVERLAP_MIN_M2: Final = 200.0
# In the order, and with the meaning, of the tables of links of RGI 7.0.
COLUMNS: Final = (
    "before_id",
    "after_id",
    "overlap_area_km2",
    "before_area_fraction",
    "after_area_fraction",
    "cluster_id",
    "n_before",
    "n_after",
)
DEGREES: Final = CRS("EPSG:4326")

Reals = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Overlay:
    """Two layers of outlines laid over each other.

    Parameters
    ----------
    before_km2, after_km2 : (n,), (m,) float64, km2
        Areas of the outlines, in the CRS each came in.
    before, after : (links,) int64
        The positions of those that overlap.
    overlap_km2 : (links,) float64, km2
    before_cluster, after_cluster : (n,), (m,) int64
        From 1: outlines that hang together by links, across both layers; one without a link is a cluster.
    """

    before_km2: Reals
    after_km2: Reals
    before: Places
    after: Places
    overlap_km2: Reals
    before_cluster: Places
    after_cluster: Places

    @classmethod
    def of(
        cls, before: gpd.GeoSeries, after: gpd.GeoSeries, *, overlap_min_m2: float = OVERLAP_MIN_M2
    ) -> "Overlay":
        """Lay two layers over each other.

        Parameters
        ----------
        before, after : (n,), (m,) of Polygon and MultiPolygon, each with a CRS
        overlap_min_m2 : float, m2
            What overlaps by no more is not linked, unless it is half of an outline.

        Raises
        ------
        UnknownCrs
            If a layer has no CRS.
        BadInput
            If there are other geometries than polygons, or an edge leaves the Earth.
        """
        before, after = valid(before, "glaciers before"), valid(after, "glaciers after")
        before_km2, after_km2 = (polygon_areas_m2(layer) / M2_PER_KM2 for layer in (before, after))
        one, other, crs = _on_one_map(before, after)
        first, second = shapely.STRtree(other).query(one, predicate="intersects")
        order = np.lexsort((second, first))
        first, second = first[order].astype(np.int64), second[order].astype(np.int64)
        common = _polygons(shapely.intersection(one[first], other[second]))
        overlap_m2 = polygon_areas_m2(gpd.GeoSeries(common, crs=crs)) if len(common) else np.zeros(0)
        # what is itself as small is linked where most of it lies in the other
        smaller_m2 = np.minimum(before_km2[first], after_km2[second]) * M2_PER_KM2
        linked = overlap_m2 > np.minimum(overlap_min_m2, smaller_m2 / 2)
        first, second = first[linked], second[linked]
        cluster = _clusters(len(before), len(after), first, second)
        return cls(
            before_km2, after_km2, first, second, overlap_m2[linked] / M2_PER_KM2,
            cluster[: len(before)], cluster[len(before) :],
        )  # fmt: skip


def links(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    *,
    before_id: str,
    after_id: str,
    overlap_min_m2: float = OVERLAP_MIN_M2,
) -> pd.DataFrame:
    """Link the outlines of two layers that overlap, as RGI 7.0 links its glaciers to those of RGI 6.0 [1]_.

    Parameters
    ----------
    before, after : (n,), (m,) Polygon or MultiPolygon, each with a CRS
        The CRSs may differ; longitudes may be cut at 180 degrees or run on beyond it. Polygons of one
        layer should not overlap.
    before_id, after_id : str
        The columns that name them.
    overlap_min_m2 : float, m2
        What overlaps by no more is two drawings of one boundary, unless it is half of an outline.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`, one row a link, in the order of ``before`` and then of ``after``. The fractions are
        those of the overlap in each of the two; ``cluster_id`` counts the groups that hang together by
        links, from 1 in the order in which they appear, ``n_before`` and ``n_after`` their members. What has
        no link is in no row.

    Raises
    ------
    UnknownCrs
        If a layer has no CRS.
    BadInput
        If a column is missing, an id is missing or there twice, or geometries are not polygons.

    Notes
    -----
    Areas are on the ellipsoid; those of the outlines in the CRS each came in.

    References
    ----------
    .. [1] RGI 7.0 Consortium (2023), doi:10.5067/F6JMOVY5NAVZ
    """
    names = [ids(before, before_id, "before"), ids(after, after_id, "after")]
    found = Overlay.of(before.geometry, after.geometry, overlap_min_m2=overlap_min_m2)
    table = table_of(found, *names)
    table["cluster_id"] = pd.factorize(table["cluster_id"])[0].astype(np.int64) + 1
    return table


def table_of(found: Overlay, before_names: NDArray[Any], after_names: NDArray[Any]) -> pd.DataFrame:
    """Write the links of an overlay as a table, with the numbers of its clusters as they are.

    Parameters
    ----------
    found : Overlay
    before_names, after_names : (n,), (m,) of str or int

    Returns
    -------
    DataFrame
        :data:`COLUMNS`, one row a link.
    """
    cluster = found.before_cluster[found.before]
    last = int(max(found.before_cluster.max(initial=0), found.after_cluster.max(initial=0)))
    table = pd.DataFrame(
        {
            "before_id": before_names[found.before],
            "after_id": after_names[found.after],
            "overlap_area_km2": found.overlap_km2,
            # two ways of adding up one area differ in the last digits
            "before_area_fraction": np.minimum(found.overlap_km2 / found.before_km2[found.before], 1.0),
            "after_area_fraction": np.minimum(found.overlap_km2 / found.after_km2[found.after], 1.0),
            "cluster_id": cluster,
            "n_before": np.bincount(found.before_cluster, minlength=last + 1)[cluster],
            "n_after": np.bincount(found.after_cluster, minlength=last + 1)[cluster],
        }
    )
    return table[list(COLUMNS)]


def ids(layer: gpd.GeoDataFrame, column: str, what: str) -> NDArray[Any]:
    """Take the names of outlines, each there and each once.

    Parameters
    ----------
    layer : (n,) of any geometry
    column : str
    what : str
        Which layer it is, in errors.

    Returns
    -------
    (n,) of object

    Raises
    ------
    BadInput
        Naming the first that are missing or there twice.
    """
    if column not in layer.columns or column == layer.geometry.name:
        listed = ", ".join(str(name) for name in layer.columns if name != layer.geometry.name)
        raise BadInput(
            f"The layer {what} has no column {column} with the names of its glaciers; it has "
            f"{listed or 'none'}. Choose one of them."
        )
    names = layer[column]
    if names.isna().any():
        raise BadInput(
            f"The layer {what} has {names.isna().sum()} glaciers without a {column}, the first at position "
            f"{int(np.flatnonzero(names.isna())[0])}; expected one each. Fill them in."
        )
    twice = names[names.duplicated()].unique()
    if len(twice):
        raise BadInput(
            f"The layer {what} has {len(twice)} names in {column} that stand there more than once "
            f"({', '.join(str(each) for each in twice[:3])}); expected each once. If these are outlines of "
            "several dates, give those of one date; parts of one glacier dissolve first."
        )
    named: NDArray[Any] = names.to_numpy(dtype=object)
    return named


def valid(layer: gpd.GeoSeries, what: str) -> gpd.GeoSeries:
    """Make outlines valid and let them run on beyond 180 degrees.

    Parameters
    ----------
    layer : GeoSeries of Polygon and MultiPolygon
    what : str
        What they are, in messages.

    Returns
    -------
    GeoSeries

    Raises
    ------
    UnknownCrs
        If it has no CRS.
    BadInput
        If there are other geometries, or none.
    """
    horizontal(layer.crs, f"The layer of {what}")
    without = layer.isna() | layer.is_empty
    if without.any():
        raise BadInput(
            f"Found {without.sum()} {what} without a polygon, the first at position "
            f"{int(np.flatnonzero(without)[0])}; expected one each. Leave them out."
        )
    return mended(layer, what)


def in_degrees(layer: gpd.GeoSeries) -> gpd.GeoSeries:
    """Put valid polygons into longitude and latitude (EPSG:4326), edges kept straight where they were.

    Parameters
    ----------
    layer : GeoSeries of Polygon and MultiPolygon, valid, with a CRS

    Returns
    -------
    GeoSeries
        Those that cross the 180th meridian run on beyond it.
    """
    if same_crs(horizontal(layer.crs), DEGREES):
        return layer.set_crs(DEGREES, allow_override=True)
    moved = densified(layer).to_crs(DEGREES)
    shapes, _ = unrolled(moved.to_numpy(), DEGREES, dense=True)
    return gpd.GeoSeries(_polygons(shapely.make_valid(shapes)), index=layer.index, crs=DEGREES)


def _on_one_map(before: gpd.GeoSeries, after: gpd.GeoSeries) -> tuple[NDArray[Any], NDArray[Any], CRS]:
    crs = horizontal(before.crs)
    if not same_crs(crs, horizontal(after.crs)):
        before, after, crs = in_degrees(before), in_degrees(after), DEGREES
    shapes = [layer.to_numpy() for layer in (before, after)]
    if len(before) and len(after):
        shapes[1] = turned(shapes[1], crs, before.total_bounds)
    return shapes[0], shapes[1], crs


def _polygons(shapes: NDArray[Any]) -> NDArray[Any]:
    """Keep the polygons of each geometry (n,), without the lines and points in which outlines touch."""
    kept = shapes.copy()
    for place in np.flatnonzero(~np.isin(shapely.get_type_id(shapes), (3, 6))):  # Polygon, MultiPolygon
        parts = shapely.get_parts(shapely.get_parts(shapes[place]))
        kept[place] = shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])
    return kept


def _clusters(before: int, after: int, first: Places, second: Places) -> Places:
    """Number the groups that links join, (before + after,), from 1 by their first member."""
    above = list(range(before + after))

    def root(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]  # halve the way for the next one
            place = above[place]
        return place

    for one, other in zip(first.tolist(), (second + before).tolist(), strict=True):
        low, high = sorted((root(one), root(other)))
        above[high] = low
    roots = np.array([root(place) for place in range(before + after)], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64) + 1
