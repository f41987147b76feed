"""Polygons against grids and against countries: zones burnt into cells, and shares of area by country."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.features import rasterize

from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.areas import M2_PER_KM2, REPROJECTED_PIECE_M, densified, polygon_areas_m2
from bluepeace_gis.geo.crs import horizontal, label, same_crs
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.geo.turns import turn_of, turned, turns, unrolled

log = logging.getLogger(__name__)

NO_COUNTRY = "no country"
OVERLAP = "overlap: "

# What is smaller than this part of a zone is the rounding of coordinates, not land.
SLIVER = 1e-9
# The areas of a zone's pieces must add up to its total within this part before they are fitted to it.
TOTAL_TOLERANCE = 1e-4
_MARGIN = 0.02  # of the extent, around the zones, within which borders are densified and reprojected


def burn(
    geometries: gpd.GeoSeries | gpd.GeoDataFrame,
    grid: Grid,
    *,
    values: Sequence[int] | None = None,
    all_touched: bool = False,
    what: str = "zones",
) -> NDArray[np.int32]:
    """Write the numbers of zones into the cells of a grid.

    Parameters
    ----------
    geometries : (n,) of any geometry, with a CRS
        Reprojected if their CRS is another than the grid's.
    grid : Grid
    values : (n,) int
        The number of each zone; without it 1 to n in their order.
    all_touched : bool
        Take every cell a zone touches, not only those whose centre lies in it.
    what : str
        What they are, in the error: the option they came by, say.

    Returns
    -------
    (rows, columns) int32
        0 outside the zones; where zones overlap, the later one.

    Raises
    ------
    UnknownCrs
        If the layer has no CRS.
    OutsideGrid
        If no cell was reached.
    """
    numbers = np.arange(1, len(geometries) + 1) if values is None else np.asarray(values)
    shapes = _onto_crs(geometries.geometry, grid.crs, grid.bounds)
    known = ~(shapes.is_empty | shapes.isna()).to_numpy()
    inverse = ~grid.transform
    burnt = np.zeros(grid.shape, np.int32)
    # in cells of the grid, so that rotated and south-up grids are drawn like any other
    for shift in turns(grid.crs):
        cells = shapely.transform(
            shapes.to_numpy()[known],
            lambda places, by=shift: np.column_stack(apply(inverse, places[:, 0] + by, places[:, 1])),
        )
        pairs = list(zip(cells, numbers[known].tolist(), strict=True))
        if pairs:
            rasterize(pairs, out=burnt, transform=Affine.identity(), all_touched=all_touched)
    if not burnt.any():
        raise OutsideGrid(
            f"None of the {len(geometries)} {what} reaches {'' if all_touched else 'the centre of '}a cell "
            f"of the grid of {grid} within {', '.join(f'{edge:.7g}' for edge in grid.bounds)}; expected them "
            "to overlap. Check the CRSs of both."
        )
    return burnt


def shares(
    zones: gpd.GeoDataFrame,
    countries: gpd.GeoDataFrame,
    country_field: str,
    *,
    zone_field: str | None = None,
    total_km2: Sequence[float] | NDArray[np.float64] | str | None = None,
    warn: bool = True,
) -> pd.DataFrame:
    """Divide the area of zones among countries.

    Parameters
    ----------
    zones : (n,) Polygon or MultiPolygon, with a CRS
        Zones may overlap (a basin and its sub-basin); each is divided by itself.
    countries : (m,) Polygon or MultiPolygon, with a CRS
        Several features with one name are one country.
    country_field : str
        The column of ``countries`` with their names.
    zone_field : str
        The column of ``zones`` with their names; without it, their index.
    total_km2 : (n,) float, km2, or a column of ``zones``
        The area of each zone found otherwise, by its cells for instance, which the rows are to add up
        to; without it, the area of its polygon.
    warn : bool
        Whether to log how much land several countries or none claim; not again for parts of the same land.

    Returns
    -------
    DataFrame
        ``zone``, ``country``, ``area_km2``, ``share_pct``: zones in their order; of each zone the countries
        from large to small, then what several claim ("overlap: A, B", counted once), then "no country".
        The rows of a zone add up to its total and to 100 exactly, in whatever order they are added.

    Raises
    ------
    UnknownCrs
        If a layer has no CRS.
    BadInput
        If a column is missing, names are missing or zones named twice, geometries are not polygons, no
        country reaches any zone, or the pieces of a zone differ from its total by more than 1e-4.

    Notes
    -----
    Longitudes may be cut at 180 degrees, run on beyond it or jump over it, in zones and countries alike.
    Edges are straight in the CRS of their own layer: those of countries get points every 500 metres
    before they are reprojected to the CRS of the zones. Areas are on the ellipsoid
    (:func:`bluepeace_gis.geo.areas.polygon_areas_m2`). Pieces below 1e-9 of a zone are rounding and go
    to their neighbour.
    """
    names = _zone_names(zones, zone_field)
    mended_zones = mended(zones.geometry, "zones")
    country, borders = dissolved(mended_zones, countries, country_field)
    shapes = mended_zones.to_numpy()
    if len(shapes) == 0:
        return _table([], [], [], [])
    if total_km2 is None:
        total_km2 = polygon_areas_m2(gpd.GeoSeries(shapes, crs=zones.crs)) / M2_PER_KM2
    totals_km2 = _totals(zones, total_km2, names)

    owner, claims, pieces = [], [], []
    for place, near in enumerate(_neighbours(shapes, borders)):
        for claimants, piece in _divided(shapes[place], near, borders).items():
            owner.append(place)
            claims.append(tuple(country[which] for which in sorted(claimants)))
            pieces.append(piece)
    if not any(claims):
        raise BadInput(
            f"None of the {len(country)} countries reaches any of the {len(shapes)} zones; expected them to "
            "overlap. Check the CRSs of both layers and the place they show."
        )
    measured_km2 = polygon_areas_m2(gpd.GeoSeries(pieces, crs=zones.crs)) / M2_PER_KM2
    if warn:
        _warn_of_disputes(claims, measured_km2)

    rows: list[tuple[Any, str, float, float]] = []
    ranks = [_rank(*claim) for claim in zip(claims, measured_km2.tolist(), strict=True)]
    owners = np.array(owner)
    for place, name in enumerate(names):
        mine = sorted(np.flatnonzero(owners == place).tolist(), key=ranks.__getitem__)
        areas_km2, wanted_km2 = measured_km2[mine], totals_km2[place]
        if not abs(areas_km2.sum() / wanted_km2 - 1) <= TOTAL_TOLERANCE:
            raise BadInput(
                f"The pieces of zone {name} cover {areas_km2.sum():.6f} km2, expected {wanted_km2:.6f} to "
                f"{TOTAL_TOLERANCE:g} of it. Are the total and the polygon of the same zone, in km2?"
            )
        fitted_km2, fitted_pct = fitted(areas_km2, wanted_km2), fitted(areas_km2, 100.0)
        rows += [
            (name, _called(claims[at]), *pair) for at, *pair in zip(mine, fitted_km2, fitted_pct, strict=True)
        ]
    return _table(*zip(*rows, strict=True))


def fitted(parts: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Scale parts so that they add up to ``total`` exactly, in any order of adding.

    Parameters
    ----------
    parts : (n,) float, not negative, not all 0
    total : float, above 0

    Returns
    -------
    (n,) float
        Whole multiples of the last binary digit of ``total``, so that no sum of them is rounded; what
        rounding leaves over goes to the largest.
    """
    digit = float(np.spacing(total))
    whole = round(total / digit)
    counts = np.rint(parts * (whole / parts.sum()))
    counts[parts.argmax()] += whole - sum(int(count) for count in counts)
    exact: NDArray[np.float64] = counts * digit
    return exact


def _zone_names(zones: gpd.GeoDataFrame, zone_field: str | None) -> list[Any]:
    horizontal(zones.crs, "The layer of zones")
    if zone_field is not None:
        _check_column(zones, zone_field, "zones")
    names = zones.index if zone_field is None else zones[zone_field]
    twice = names[names.duplicated()].unique().tolist()
    if twice:
        raise BadInput(
            f"Found zones that share a name: {_listed(twice)}; expected each once. Dissolve them first."
        )
    return list(names)


def _totals(
    zones: gpd.GeoDataFrame, total_km2: Sequence[float] | NDArray[np.float64] | str, names: list[Any]
) -> list[float]:
    if isinstance(total_km2, str):
        _check_column(zones, total_km2, "zones")
        total_km2 = zones[total_km2]
    totals = [float(total) for total in total_km2]
    wrong = [name for name, total in zip(names, totals, strict=True) if not (0 < total < math.inf)]
    if wrong:
        raise BadInput(f"Found zones without an area: {_listed(wrong)}; expected totals above 0 km2.")
    return totals


def dissolved(
    zones: gpd.GeoSeries, countries: gpd.GeoDataFrame, country_field: str
) -> tuple[list[str], NDArray[Any]]:
    """Join the features of each country and put them into the CRS of the zones.

    Parameters
    ----------
    zones : GeoSeries of polygons, with a CRS
        What lies far from them may be left out; longitudes are those of the turns they lie on.
    countries : Polygon or MultiPolygon, with a CRS
    country_field : str
        The column of ``countries`` with their names.

    Returns
    -------
    names : (m,) of str
        Sorted.
    borders : (m,) of geometry

    Raises
    ------
    UnknownCrs
        If the layer of countries has no CRS.
    BadInput
        If the column or a name is missing.
    """
    horizontal(countries.crs, "The layer of countries")
    _check_column(countries, country_field, "countries")
    field = countries[country_field]
    names = field.astype(str).str.strip()
    missing = field.isna() | (names == "")
    reserved = names[(names == NO_COUNTRY) | names.str.startswith(OVERLAP)]
    if len(reserved):
        raise BadInput(
            f'Found a country called "{reserved.iloc[0]}"; the tables of shares use "{NO_COUNTRY}" and '
            f'"{OVERLAP}..." for land that none or several claim. Rename it.'
        )
    if missing.any():
        raise BadInput(
            f'Found {missing.sum()} countries without a name in "{country_field}", at positions '
            f"{_listed(np.flatnonzero(missing).tolist())}; expected a name each. Fill them in or leave "
            "them out."
        )
    bounds = zones.total_bounds
    borders = _onto_crs(mended(countries.geometry, "countries"), zones.crs, bounds)
    borders = _polygons(shapely.make_valid(borders.to_numpy()))
    borders = turned(borders, horizontal(zones.crs), bounds)
    dissolved = {name: shapely.union_all(borders[(names == name).to_numpy()]) for name in sorted(set(names))}
    return list(dissolved), np.array(list(dissolved.values()), dtype=object)


def _neighbours(shapes: NDArray[Any], borders: NDArray[Any]) -> Iterable[list[int]]:
    """For each zone, which countries it meets, by rising number."""
    zone, near = shapely.STRtree(borders).query(shapes, predicate="intersects")
    for place in range(len(shapes)):
        yield sorted(near[zone == place].tolist())


def _divided(zone: Any, near: list[int], borders: NDArray[Any]) -> dict[frozenset[int], Any]:
    """Cut a zone into pieces by which of the countries ``near`` claim them."""
    noise = zone.area * SLIVER
    pieces: dict[frozenset[int], Any] = {frozenset(): zone}
    for which in near:
        cut: dict[frozenset[int], Any] = {}
        for claimants, piece in pieces.items():
            inside = _polygons(shapely.intersection(piece, borders[which]))
            outside = _polygons(shapely.difference(piece, borders[which]))
            if inside.area <= noise:
                cut[claimants] = piece
            elif outside.area <= noise:
                cut[claimants | {which}] = piece
            else:
                cut[claimants], cut[claimants | {which}] = outside, inside
        pieces = cut
    return pieces


def _rank(claimants: tuple[str, ...], area_km2: float) -> tuple[int, float, tuple[str, ...]]:
    """Countries first, then overlaps, then what nobody claims; from large to small."""
    return (1 if len(claimants) > 1 else 0 if claimants else 2), -area_km2, claimants


def _called(claimants: tuple[str, ...]) -> str:
    if len(claimants) > 1:
        return OVERLAP + ", ".join(claimants)
    return claimants[0] if claimants else NO_COUNTRY


def _warn_of_disputes(claims: list[tuple[str, ...]], areas_km2: NDArray[np.float64]) -> None:
    """Say how much land several countries or none claim; zones that overlap count it again."""
    found: dict[str, float] = {}
    for claimants, area_km2 in zip(claims, areas_km2, strict=True):
        if len(claimants) != 1:
            found[_called(claimants)] = found.get(_called(claimants), 0.0) + float(area_km2)
    for name, area_km2 in sorted(found.items()):
        if name == NO_COUNTRY:
            log.warning("%.6g km2 of the zones lie in no country", area_km2)
        else:
            log.warning(
                "%.6g km2 of the zones lie in several countries, counted once as '%s'", area_km2, name
            )


def _table(
    zone: Sequence[Any], country: Sequence[str], area: Sequence[float], share: Sequence[float]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "zone": list(zone),
            "country": pd.Series(list(country), dtype=object),
            "area_km2": np.array(area, np.float64),
            "share_pct": np.array(share, np.float64),
        }
    )


def _onto_crs(layer: gpd.GeoSeries, crs: Any, bounds: Any) -> gpd.GeoSeries:
    """Reproject what lies near ``bounds`` (in ``crs``), edges kept straight where they were straight."""
    own, goal = horizontal(layer.crs, "The layer"), horizontal(crs)
    if same_crs(own, goal):
        return layer.set_crs(crs, allow_override=True)
    # far places may not exist in the other CRS, and need no points
    left, bottom, right, top = (float(edge) for edge in bounds)
    box = _bounds_in(own, goal, (left, bottom, right, top))
    shapes = layer.to_numpy()
    if np.isfinite(box).all():
        margin = _MARGIN * max(box[2] - box[0], box[3] - box[1])
        sides = np.array([-margin, -margin, margin, margin]) + box
        shapes = shapely.clip_by_rect(turned(shapes, own, sides), *sides)
    dense = densified(gpd.GeoSeries(shapes, index=layer.index, crs=layer.crs), REPROJECTED_PIECE_M).to_numpy()
    moved = shapely.transform(dense, _mover(own, goal))
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise BadInput(
            f"A layer in {label(own)} reaches places that do not exist in {label(goal)}; expected it near "
            "the zones. Cut it to their surroundings first."
        )
    if not turn_of(own):  # longitudes came out between -180 and 180
        moved, _ = unrolled(moved, goal, dense=True)
    return gpd.GeoSeries(moved, index=layer.index, crs=crs)


def _mover(one: CRS, other: CRS) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Make the function that moves places (n, 2); longitudes stay on the turn they were on."""
    transformer = Transformer.from_crs(one, other, always_xy=True)
    turn, turn_after = turn_of(one), turn_of(other)

    def move(places: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = transformer.transform(places[:, 0], places[:, 1])
        if turn and turn_after:
            x = x + turn_after * np.round(places[:, 0] / turn - x / turn_after)
        return np.column_stack([x, y])

    return move


def _bounds_in(own: CRS, goal: CRS, bounds: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Return bounds given in ``goal`` as left, bottom, right, top in ``own``; infinite if there are none."""
    if turn_of(own) and turn_of(goal):  # two datums, or units: almost the same
        corners = _mover(goal, own)(np.array(bounds).reshape(2, 2))
        return corners.ravel()
    box: NDArray[np.float64] = np.array(
        Transformer.from_crs(goal, own, always_xy=True).transform_bounds(*bounds)
    )
    if box[0] > box[2]:  # across the 180th meridian
        box[2] = box[2] + turn_of(own) if turn_of(own) else np.inf
    return box


def mended(layer: gpd.GeoSeries, what: str) -> gpd.GeoSeries:
    """Make polygons valid, and let those that jump over the 180th meridian run on beyond it.

    Parameters
    ----------
    layer : GeoSeries of Polygon and MultiPolygon
    what : str
        What they are, in messages; of "zones" each must have a polygon.

    Returns
    -------
    GeoSeries
        What was mended is logged, so that nothing is left to say of it a second time.

    Raises
    ------
    BadInput
        If there are other geometries.
    """
    wrong = ~(layer.geom_type.isin(["Polygon", "MultiPolygon"]) | layer.isna())
    if wrong.any():
        kinds = _listed(layer.geom_type[wrong].unique().tolist())
        raise BadInput(
            f"Found {wrong.sum()} {what} that are not polygons ({kinds}); "
            "expected Polygon or MultiPolygon. Leave the others out."
        )
    empty = layer.isna() | layer.is_empty
    if empty.any() and what == "zones":
        raise BadInput(
            f"Found {empty.sum()} zones without a polygon, at positions "
            f"{_listed(np.flatnonzero(empty).tolist())}; expected one each. Leave them out."
        )
    layer = _run_on(layer, what)
    invalid = ~(layer.is_valid | layer.isna())
    if invalid.any():
        log.warning("mended %d of %d %s whose edges cross themselves", invalid.sum(), len(layer), what)
    valid = layer.copy()
    valid[invalid] = _polygons(shapely.make_valid(layer[invalid].to_numpy()))
    return valid


def _run_on(layer: gpd.GeoSeries, what: str) -> gpd.GeoSeries:
    """Let edges that jump over the 180th meridian run on beyond it."""
    if layer.crs is None:
        return layer
    shapes, count = unrolled(layer.to_numpy(), horizontal(layer.crs))
    if not count:
        return layer
    log.warning(
        "%d of %d %s jump from one side of the 180th meridian to the other; they were taken the short way",
        count,
        len(layer),
        what,
    )
    return gpd.GeoSeries(shapes, index=layer.index, crs=layer.crs)


def _polygons(geometry: Any) -> Any:
    """Keep the polygons of a geometry (or of each of an array), without the lines and points between."""
    if isinstance(geometry, np.ndarray):
        return np.array([_polygons(each) for each in geometry], dtype=object)
    if geometry is None:
        return shapely.Polygon()
    if geometry.geom_type in {"Polygon", "MultiPolygon"}:
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))
    parts = parts[shapely.get_type_id(parts) == 3]  # Polygon
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts.tolist())


def _check_column(layer: gpd.GeoDataFrame, column: str, what: str) -> None:
    if column not in layer.columns or column == layer.geometry.name:  # shapes are no names
        raise BadInput(
            f'Found no column "{column}" in the layer of {what}, expected one of: '
            f"{', '.join(str(name) for name in layer.columns if name != layer.geometry.name)}."
        )


def _listed(found: list[Any]) -> str:
    return ", ".join(str(each) for each in found[:5]) + (" ..." if len(found) > 5 else "")
