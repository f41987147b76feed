"""Area by elevation: per glacier in per mille, as RGI 7.0 has it, and per zone in square kilometres."""

from collections.abc import Sequence
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import inventory_defaults as defaults
from bluepeace_gis.analyses.glaciers.attributes import Topography
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import M2_PER_KM2, polygon_areas_m2
from bluepeace_gis.geo.zones import SLIVER, dissolved, fitted

Reals = NDArray[np.float64]

ALL: Final = "all"
OUTSIDE: Final = "outside"
PER_MILLE: Final = 1000
ZONE_BAND_COLUMNS: Final = ("zone", "z_from_m", "z_to_m", "area_km2")


def per_mille(
    z: NDArray[Any], first: int, last: int, band_m: int = defaults.HYPSOMETRY_BAND_M
) -> NDArray[np.int64]:
    """Share out cells over bands of elevation as whole numbers that add up to 1000.

    Parameters
    ----------
    z : (n,) float, metres
    first, last : int
        The lowest and the highest band, by their lower edge over ``band_m``.
    band_m : int

    Returns
    -------
    (last - first + 1,) int
        All are rounded down, those with the largest remainders up; zeros without cells.
    """
    bands = last - first + 1
    if len(z) == 0:
        return np.zeros(bands, np.int64)
    count = np.bincount(np.floor(z / band_m).astype(np.int64) - first, minlength=bands)
    whole, rest = np.divmod(count * PER_MILLE, len(z))
    up = np.argsort(-rest, kind="stable")[: PER_MILLE - int(whole.sum())]
    whole[up] += 1
    return np.asarray(whole, np.int64)


def hypsometry(rgi_id: Sequence[str], area_km2: Sequence[float], found: Sequence[Topography]) -> pd.DataFrame:
    """Make the table of area by elevation of RGI 7.0.

    Parameters
    ----------
    rgi_id : (n,) str
    area_km2 : (n,) float
    found : (n,) Topography

    Returns
    -------
    DataFrame
        ``rgi_id``, ``area_km2`` and a column for each band of 50 m, called by the elevation of its middle,
        from the lowest to the highest of all glaciers: per mille of the area, in whole numbers that add up to
        1000; all 0 where the elevations are not known.
    """
    band = defaults.HYPSOMETRY_BAND_M
    heights = [each.z for each in found if len(each.z)]
    table = pd.DataFrame(
        {"rgi_id": pd.Series(list(rgi_id), dtype=object), "area_km2": np.array(area_km2, np.float64)}
    )
    if not heights:
        return table
    first = int(min(np.floor(z.min() / band) for z in heights))
    last = int(max(np.floor(z.max() / band) for z in heights))
    shares = np.array([per_mille(each.z, first, last) for each in found])
    names = [str(each * band + band // 2) for each in range(first, last + 1)]
    return pd.concat([table, pd.DataFrame(shares, columns=names)], axis=1)


def zone_bands(
    glaciers: gpd.GeoDataFrame,
    found: Sequence[Topography],
    zones: gpd.GeoDataFrame | None = None,
    zone_field: str = "name",
) -> pd.DataFrame:
    """Sum the area of glaciers over bands of elevation, in each zone.

    Parameters
    ----------
    glaciers : (n,) Polygon in EPSG:4326, with ``area_km2``
    found : (n,) Topography
        Of the same glaciers.
    zones : Polygon or MultiPolygon, any CRS, optional
        Basins, countries; several of one name are one zone. Without them all is one zone.
    zone_field : str
        Their column with the names.

    Returns
    -------
    DataFrame
        ``zone``, ``z_from_m``, ``z_to_m`` (bands of 200 m, NaN where elevations are not known) and
        ``area_km2``. The bands of a zone add up to its ice; what lies in no zone is "outside". Where zones
        overlap each counts the ice for itself.

    Raises
    ------
    BadInput
        If a name is missing, or is the one the table gives to the whole or the rest.
    """
    if len(glaciers) == 0:
        return _bands([])
    total = glaciers["area_km2"].to_numpy(np.float64)
    if zones is None:
        return _bands([(ALL, each.z, area) for each, area in zip(found, total, strict=True)])
    names, shapes = dissolved(glaciers.geometry, zones, zone_field)
    taken = [name for name in names if name in (ALL, OUTSIDE)]
    if taken:
        raise BadInput(
            f'Found a zone called "{taken[0]}", as the table calls the whole or the rest. Rename it.'
        )
    outlines = glaciers.geometry.to_numpy()
    glacier, zone = shapely.STRtree(shapes).query(outlines, predicate="intersects")
    owner, names_of, pieces = [], [], []
    for place, outline in enumerate(outlines):
        here = (
            sorted(zone[glacier == place].tolist())
            if len(zone) < 10_000
            else sorted(
                zone[np.searchsorted(glacier, place) : np.searchsorted(glacier, place, "right")].tolist()
            )
        )
        rest = outline
        for each in here:
            piece = _areas(shapely.intersection(outline, shapes[each]))
            if piece.area > SLIVER * outline.area:
                owner.append(place)
                names_of.append(names[each])
                pieces.append(piece)
            rest = _areas(shapely.difference(rest, shapes[each]))
        if rest.area > SLIVER * outline.area:
            owner.append(place)
            names_of.append(OUTSIDE)
            pieces.append(rest)
    area = polygon_areas_m2(gpd.GeoSeries(pieces, crs=glaciers.crs)) / M2_PER_KM2
    rows = []
    counts = np.bincount(owner, minlength=len(outlines))
    for place, name, piece, size in zip(owner, names_of, pieces, area.tolist(), strict=True):
        if counts[place] == 1:
            rows.append((name, found[place].z, float(total[place])))
            continue
        inside = shapely.contains_xy(piece, found[place].lon, found[place].lat)
        z = found[place].z[inside] if inside.any() else found[place].z
        rows.append((name, z, size))
    return _bands(rows)


def _areas(shape: Any) -> Any:
    """Keep the polygons of a geometry."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def _bands(rows: Sequence[tuple[str, Reals, float]]) -> pd.DataFrame:
    """Share out areas over the bands of their cells and add them up."""
    band = defaults.ZONE_BAND_M
    sums: dict[str, dict[float, float]] = {}
    totals: dict[str, float] = {}
    for name, z, area in rows:
        mine = sums.setdefault(name, {})
        totals[name] = totals.get(name, 0.0) + area
        if len(z) == 0:
            mine[np.nan] = mine.get(np.nan, 0.0) + area
            continue
        number, count = np.unique(np.floor(z / band), return_counts=True)
        for each, share in zip(number.tolist(), (count * (area / len(z))).tolist(), strict=True):
            mine[each] = mine.get(each, 0.0) + share
    order = sorted(sums, key=lambda name: (name == OUTSIDE, name))
    table: dict[str, list[Any]] = {column: [] for column in ZONE_BAND_COLUMNS}
    for name in order:
        bands = sorted(sums[name], key=lambda each: (np.isnan(each), each))
        for each, area in zip(
            bands, fitted(np.array([sums[name][b] for b in bands]), totals[name]), strict=True
        ):
            table["zone"].append(name)
            table["z_from_m"].append(each * band)
            table["z_to_m"].append((each + 1) * band)
            table["area_km2"].append(float(area))
    return pd.DataFrame(
        {
            "zone": pd.Series(table["zone"], dtype=object),
            **{name: np.array(table[name], np.float64) for name in ZONE_BAND_COLUMNS[1:]},
        }
    )
