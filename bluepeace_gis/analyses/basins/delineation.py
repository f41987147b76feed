"""From elevations and outlets to basins, subbasins, streams, depressions, bands and country shares."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray

from bluepeace_gis.analyses.basins import defaults
from bluepeace_gis.analyses.basins.borders import GEOMETRY_TYPES as BORDER_GEOMETRY_TYPES
from bluepeace_gis.analyses.basins.borders import border_distance_m, trace_borders
from bluepeace_gis.analyses.basins.depressions import depression_layer
from bluepeace_gis.analyses.basins.outlets import compare_areas, prepare_outlets, snap
from bluepeace_gis.analyses.basins.relief import Relief
from bluepeace_gis.analyses.basins.rivers import stream_layer
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo import zones
from bluepeace_gis.geo.areas import M2_PER_KM2
from bluepeace_gis.geo.drainage import (
    Drainage,
    Drained,
    Edges,
    Handling,
    Progress,
    drain,
)
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.kernels import terrain
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID

log = logging.getLogger(__name__)

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]

GEOMETRY_TYPES: Final = {
    "basins": "MultiPolygon",
    "subbasins": "MultiPolygon",
    "streams": "LineString",
    "depressions": "MultiPolygon",
    "outlets": "Point",
    **BORDER_GEOMETRY_TYPES,
}


@dataclass(frozen=True)
class Basins:
    """What was found.

    Parameters
    ----------
    layers : {name: GeoDataFrame or DataFrame}
        ``basins``, ``subbasins``, ``streams``, ``depressions``, ``outlets``, ``crossings``,
        ``border_reaches`` and the tables ``shares``, ``crossing_shares`` and ``bands``.
    drained : Drained
    bands : DataFrame
        The elevation bands as hydrological models take them: :meth:`relief.Relief.band_table`.
    zone : (rows, columns) int32
        ``outlet_id`` of the first outlet downstream, 0 for none.
    streams_km2 : float
        The upstream area from which a cell counted as a channel.
    border_m : float
        The distance from a border within which a cell of a river counted as on it.
    """

    layers: dict[str, Any]
    drained: Drained
    bands: pd.DataFrame
    zone: NDArray[np.int32]
    streams_km2: float
    border_m: float


def delineate_basins(
    dem: xr.DataArray,
    outlets: gpd.GeoDataFrame,
    *,
    countries: gpd.GeoDataFrame | None = None,
    country_field: str | None = None,
    terminal: gpd.GeoDataFrame | None = None,
    burn: gpd.GeoDataFrame | None = None,
    depressions: Handling = "breach",
    keep_above_km2: float | None = None,
    edges: Edges = "drain",
    snap_m: float | None = None,
    area_field: str | None = None,
    streams_km2: float | None = None,
    band_m: float = defaults.BAND_M,
    border_m: float | None = None,
    progress: Progress | None = None,
) -> Basins:
    """Delineate the land upstream of outlets.

    Parameters
    ----------
    dem : (y, x) float32, m
        Elevations on any grid with a CRS, NaN where there are none.
    outlets : points
        In any CRS, with an optional ``name``.
    countries, country_field : polygons and the column with their names, optional
        One set of boundaries for all countries; without it there are no shares.
    terminal : polygons or points, optional
        Lakes without an outlet: water ends in them.
    burn : lines, optional
        Rivers and canals known from a map: water that comes to one stays in it.
    depressions : "breach", "fill" or "keep"
    keep_above_km2 : float, km2
        See :func:`bluepeace_gis.geo.drainage.drain`.
    edges : "drain" or "closed"
        Whether water leaves where the elevations end; closed: only at outlets and terminal lakes.
    snap_m : float, m
        How far from a point its channel is looked for; None: three cells.
    area_field : str, optional
        Column of ``outlets`` with the known upstream area in km2.
    streams_km2 : float, km2
        Upstream area from which a cell is a channel; None: 1 km2, but at least 100 cells.
    band_m : float, m
        Height of the elevation bands.
    border_m : float, m
        How far a river and the border it runs along or crosses may lie apart; None: 100 m, but at least
        three cells. See :mod:`bluepeace_gis.analyses.basins.borders`.
    progress : function of the share done, optional

    Returns
    -------
    Basins
        Areas on the ellipsoid of the DEM's CRS, in km2.

    Raises
    ------
    BadInput, UnknownCrs, OutsideGrid
        In one sentence: found, expected, way out.
    """
    tell = progress or (lambda _share: None)
    grid = Grid.of(dem)
    points = prepare_outlets(outlets, grid, area_field=area_field)
    channel_km2 = _channel_km2(grid, streams_km2)
    border_m = border_distance_m(grid, border_m)
    if countries is not None:  # once, and told once, for all that is asked of them
        countries = countries.set_geometry(zones.mended(countries.geometry, "countries"))
    lakes = None if terminal is None else _lakes(terminal, grid)
    channels = None if burn is None else zones.burn(burn, grid, all_touched=True, what="lines of --burn") > 0

    def route(sinks: tuple[Indices, Indices] | None, closed: Edges) -> Drained:
        return drain(
            dem,
            lakes=lakes,
            sinks=sinks,
            channels=channels,
            depressions=depressions,
            keep_above_km2=keep_above_km2,
            edges=closed,
            progress=lambda share: tell(0.4 * share),
        )

    drained = route(None, "drain")
    if depressions == "keep" and keep_above_km2 is None:
        _warn_of_all_kept(drained)
    row, column, distance_m = snap(points, drained, snap_m=snap_m, streams_km2=channel_km2)
    if edges == "closed":
        # The channels on which outlets are looked for are those of the open surface. Closed, the water
        # leaves only through the last outlets of a river and into terminal lakes; a gauge above another
        # one, or above a lake, lets it pass.
        last = _last_outlets(drained, row, column)
        sinks = (row[last], column[last]) if last.any() or lakes is None else None
        del drained  # makes room for the next one
        drained = route(sinks, "closed")
    tell(0.5)
    nest = _Nest.of(drained.drainage, row, column)
    relief = Relief.of(dem, drained.drainage, nest.zone, nest.count, band_m)
    nested = relief.gathered(nest.below, nest.order)
    upstream_km2 = nested.columns(nest.zone_of)["area_km2"]
    compare_areas(points, upstream_km2)
    tell(0.6)
    own = _outlines(nest, grid)
    measured = (_lengths_m(drained.drainage, nest), _touches(drained.drainage, nest))
    outlet_m = drained.drainage.path_lengths_m[nest.places]
    tell(0.7)
    basins = _basin_layer(points, nest, nested, own, distance_m, measured, outlet_m)
    _warn_of_edges(basins)
    _warn_of_holes(drained, nest, channel_km2)
    by_outlet = _by_outlet(nest, basins)
    codes = drained.drainage.pfafstetter(
        defaults.PFAFSTETTER_LEVELS, outlets=nest.places, tributary_min_km2=channel_km2
    )
    tell(0.8)
    bands = nested.band_table(basins, nest.zone_of, grid)
    layers: dict[str, Any] = {
        "basins": basins,
        "subbasins": _subbasin_layer(basins, nest, relief, own, measured, outlet_m, codes[nest.places]),
        "streams": stream_layer(drained.drainage, by_outlet, nest.places, channel_km2, drained.lakes),
        "depressions": depression_layer(drained, dem),
        "outlets": _outlet_layer(points, grid, row, column, distance_m, upstream_km2),
        "shares": _shares(basins, countries, country_field),
        "bands": bands[["outlet_id", "z_from_m", "z_to_m", "area_km2"]],
    }
    tell(0.9)
    layers |= trace_borders(
        drained.drainage, by_outlet, countries, country_field, streams_km2=channel_km2, border_m=border_m
    )
    tell(1.0)
    return Basins(layers, drained, bands, by_outlet, channel_km2, border_m)


BASIN_COLUMNS: Final = [
    "outlet_id",
    "name",
    "area_km2",
    "snap_m",
    "touches_edge",
    "zmin_m",
    "zmean_m",
    "zmax_m",
    "slope_deg",
    "length_km",
    "geometry",
]


def _channel_km2(grid: Grid, streams_km2: float | None) -> float:
    if streams_km2 is not None:
        if not streams_km2 > 0:
            raise BadInput(f"--streams-km2 is {streams_km2}; expected an area above 0 km2.")
        return streams_km2
    across, along = grid.cell_steps_m
    cell_km2 = float(np.median(across) * np.median(along)) / M2_PER_KM2
    return max(defaults.STREAMS_KM2, defaults.STREAM_CELLS * cell_km2)


def _lakes(terminal: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.int32]:
    """Burn terminal lakes; one smaller than a cell, or a point, is the cell it lies in."""
    if not len(terminal):
        return np.zeros(grid.shape, np.int32)
    burnt = zones.burn(terminal, grid, all_touched=True, what="lakes of --terminal")
    centred = np.zeros(grid.shape, np.int32)
    if terminal.geom_type.isin(["Polygon", "MultiPolygon"]).any():
        with suppress(BadInput):  # every lake is smaller than a cell
            centred = zones.burn(terminal, grid)
    small = np.setdiff1d(np.unique(burnt), np.unique(centred))
    return np.where((centred == 0) & np.isin(burnt, small), burnt, centred)


def _distinct(row: Indices, column: Indices) -> tuple[tuple[Indices, Indices], Indices, Indices]:
    """Join outlets that share a cell.

    returns  the distinct cells; the first outlet of each; for each outlet the number of its cell
    """
    pairs = np.column_stack([row, column])
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    first = np.sort(first)
    return (row[first], column[first]), first, rank[inverse.ravel()]


def _last_outlets(drained: Drained, row: Indices, column: Indices) -> NDArray[np.bool_]:
    """Tell which outlets have neither another outlet nor a terminal lake downstream."""
    columns = drained.drainage.grid.shape[1]
    own = np.asarray(row) * columns + column
    ends = np.setdiff1d(drained.lake_ends, own)
    cells = np.concatenate([np.unique(own), ends])
    _, downstream = drained.drainage.delineate(cells // columns, cells % columns)
    in_lake = np.isin(cells, drained.lake_ends)
    last: NDArray[np.bool_] = ((downstream == 0) & ~in_lake)[
        np.searchsorted(cells[: cells.size - ends.size], own)
    ]
    return last


@dataclass(frozen=True)
class _Nest:
    """The land divided among outlets, and which drains to which.

    places    (row, column) of the distinct cells of outlets, zones 1..n
    first     (n,)  the first outlet of each zone
    zone_of   (m,)  the zone of each outlet
    zone      (rows, columns)  0 for none
    below     (n + 1,)  the next zone downstream, 0 for none
    order     (n,)  the zones, each ahead of the one it drains to
    """

    places: tuple[Indices, Indices]
    first: Indices
    zone_of: Indices
    zone: NDArray[np.int32]
    below: Indices
    order: Indices

    @property
    def count(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, drainage: Drainage, row: Indices, column: Indices) -> "_Nest":
        places, first, place_of = _distinct(row, column)
        zone, downstream = drainage.delineate(*places)
        below = np.concatenate([[0], downstream]).astype(np.int64)
        return cls(places, first, place_of + 1, zone, below, _upstream_first(below))

    def greatest(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return for each zone the greatest value among it and all that drain into it."""
        greatest = values.copy()
        for k in self.order:
            if self.below[k] > 0:
                greatest[self.below[k]] = max(greatest[self.below[k]], greatest[k])
        return greatest


def _upstream_first(below: Indices) -> Indices:
    """Order zones 1..n so that each stands ahead of the one it drains to."""
    waits = np.bincount(below[1:], minlength=below.size)
    waits[0] = 0
    order = [int(k) for k in np.flatnonzero(waits == 0) if k > 0]
    for k in order:  # grows while it is walked
        after = int(below[k])
        if after > 0:
            waits[after] -= 1
            if waits[after] == 0:
                order.append(after)
    return np.array(order, np.int64)


def _outlines(nest: _Nest, grid: Grid) -> NDArray[Any]:
    """Outline each zone, (n + 1,); the first place is empty."""
    parts = outline(nest.zone, grid)
    own = np.full(nest.count + 1, None, object)
    own[parts["value"].to_numpy()] = parts.geometry.to_numpy()
    return own


def _union_down(own: NDArray[Any], nest: _Nest) -> NDArray[Any]:
    """Join the outline of each zone with those of all that drain into it."""
    parts: list[list[Any]] = [[] if shape is None else [shape] for shape in own]
    whole = own.copy()
    for k in nest.order:
        whole[k] = shapely.union_all(parts[k]) if len(parts[k]) > 1 else parts[k][0]
        if nest.below[k] > 0:
            parts[nest.below[k]].append(whole[k])
    return whole


def _lengths_m(drainage: Drainage, nest: _Nest) -> Reals:
    """Measure the longest way from a cell of each zone to where its water ends, (n + 1,), m."""
    farthest = np.zeros(nest.count + 1)
    np.maximum.at(farthest, nest.zone.ravel(), drainage.path_lengths_m.ravel())
    return farthest


def _touches(drainage: Drainage, nest: _Nest) -> NDArray[np.bool_]:
    """Tell for each zone, (n + 1,), whether its land may go on beyond the surface's end."""
    ends = drainage.open_ends.copy()
    ends[nest.places] = False  # the outlet itself may stand at the rim
    touched = np.zeros(nest.count + 1, bool)
    touched[np.unique(nest.zone[ends])] = True
    return touched


def _basin_layer(
    points: gpd.GeoDataFrame,
    nest: _Nest,
    nested: Relief,
    own: NDArray[Any],
    distance_m: Reals,
    measured: tuple[Reals, NDArray[np.bool_]],
    outlet_m: Reals,
) -> gpd.GeoDataFrame:
    lengths_m, touches = measured
    longest_m = nest.greatest(lengths_m)[1:] - outlet_m
    layer = gpd.GeoDataFrame(
        {
            "outlet_id": points["outlet_id"].to_numpy(),
            "name": points["name"].to_numpy(),
            "snap_m": distance_m,
            "touches_edge": nest.greatest(touches)[nest.zone_of],
            "length_km": longest_m[nest.zone_of - 1] / 1000,
            **nested.columns(nest.zone_of),
        },
        geometry=_union_down(own, nest)[nest.zone_of],
        crs=points.crs,
    )
    return layer[BASIN_COLUMNS]


def _warn_of_all_kept(drained: Drained) -> None:
    """Say how many depressions end the water where no size was named: most are noise of the elevations."""
    areas_km2 = drained.depressions.area / M2_PER_KM2
    if areas_km2.size:
        log.warning(
            "--depressions keep without --keep-above-km2 ends the water in all %d depressions, %d of which "
            "are smaller than %g km2. Name the area from which a depression is one: --keep-above-km2 %g.",
            areas_km2.size,
            int((areas_km2 < defaults.DEPRESSION_MIN_KM2).sum()),
            defaults.DEPRESSION_MIN_KM2,
            defaults.DEPRESSION_MIN_KM2,
        )


def _warn_of_edges(basins: gpd.GeoDataFrame) -> None:
    cut = basins[basins["touches_edge"]]
    if len(cut):
        names = ", ".join(cut["name"].iloc[:5]) + (", ..." if len(cut) > 5 else "")
        log.warning(
            "%d of %d basins reach the edge of the DEM and may go on beyond it: %s. Use a larger DEM unless "
            "this one was cut along the basin.",
            len(cut),
            len(basins),
            names,
        )


def _warn_of_holes(drained: Drained, nest: _Nest, channel_km2: float) -> None:
    """Say which rivers end in a hole of the elevations beside a basin: it may be theirs.

    Nobody can tell from elevations whether the hole is an inner lake, in which the water does end, or a
    void that it passes.
    """
    drainage, grid = drained.drainage, drained.drainage.grid
    upstream_km2 = drainage.upstream_km2
    with np.errstate(invalid="ignore"):
        ends = (drainage.direction == SINK) & (upstream_km2 >= channel_km2) & ~drainage.open_ends
    ends[nest.places] = False
    ends.ravel()[drained.lake_ends] = False
    at = np.argwhere(ends)
    if not at.size:
        return
    solid = (drainage.direction != VOID).astype(np.float32)
    seen = np.zeros(grid.shape, np.uint8)
    lakes = np.zeros(grid.shape, np.int32) if drained.lakes is None else drained.lakes
    at = at[[_ends_at_a_basin((int(r), int(c)), solid, seen, lakes, nest.zone) for r, c in at]]
    if not at.size:
        return
    row, column = at[np.argmax(upstream_km2[tuple(at.T)])]
    x, y = (float(part) for part in grid.centres(row, column))
    log.warning(
        "Found rivers that end in holes of the DEM (nodata) beside a basin: %d, the largest with %.6g km2 "
        "above it at x %.10g, y %.10g. That land is in no basin. If the water passes there, fill the holes "
        "first (gdal_fillnodata.py) or lead it round them with --edges closed; if it ends in a lake there, "
        "name that with --terminal.",
        len(at),
        upstream_km2[row, column],
        x,
        y,
    )


def _ends_at_a_basin(
    end: tuple[int, int],
    solid: NDArray[np.float32],
    seen: NDArray[np.uint8],
    lakes: NDArray[np.int32],
    zone: NDArray[np.int32],
) -> bool:
    """Tell whether a hole (where ``solid`` is 0, else 1) beside a cell, and no lake, lies beside a basin."""
    rows, columns = solid.shape
    for row in range(max(end[0] - 1, 0), min(end[0] + 2, rows)):
        for column in range(max(end[1] - 1, 0), min(end[1] + 2, columns)):
            if solid[row, column] == 0:
                hole = terrain.flood(solid, row, column, np.float32(1), seen)
                seen.ravel()[hole] = 0  # another river may end in it
                if lakes.ravel()[hole].any():
                    continue
                for way in range(8):
                    r = np.clip(hole // columns + ROW_STEP[way], 0, rows - 1)
                    c = np.clip(hole % columns + COLUMN_STEP[way], 0, columns - 1)
                    if (zone[r, c] > 0).any():
                        return True
    return False


def _subbasin_layer(
    basins: gpd.GeoDataFrame,
    nest: _Nest,
    relief: Relief,
    own: NDArray[Any],
    measured: tuple[Reals, NDArray[np.bool_]],
    outlet_m: Reals,
    codes: Indices,
) -> gpd.GeoDataFrame:
    """Tell of the land between an outlet and those above it."""
    lengths_m, touches = measured
    heads = basins.iloc[nest.first]
    ids = np.concatenate([[0], heads["outlet_id"].to_numpy()])
    layer = gpd.GeoDataFrame(
        {
            **{name: heads[name].to_numpy() for name in ("outlet_id", "name", "snap_m")},
            **relief.columns(np.arange(1, nest.count + 1)),
            "touches_edge": touches[1:],
            "length_km": (lengths_m[1:] - outlet_m) / 1000,
            "downstream_id": ids[nest.below[1:]],
            "pfafstetter": codes,
        },
        geometry=own[1:],
        crs=basins.crs,
    )
    return layer[[*BASIN_COLUMNS[:-1], "downstream_id", "pfafstetter", "geometry"]]


def _outlet_layer(
    points: gpd.GeoDataFrame, grid: Grid, row: Indices, column: Indices, distance_m: Reals, found_km2: Reals
) -> gpd.GeoDataFrame:
    """Where the outlets were put, and both areas."""
    x, y = grid.centres(row, column)
    given = points.geometry
    return gpd.GeoDataFrame(
        {
            "outlet_id": points["outlet_id"].to_numpy(),
            "name": points["name"].to_numpy(),
            "snap_m": distance_m,
            "upstream_km2": found_km2,
            "known_km2": points["known_km2"].to_numpy(),
            "given_x": given.x.to_numpy(),
            "given_y": given.y.to_numpy(),
        },
        geometry=shapely.points(x, y),
        crs=grid.crs,
    )


def _shares(
    basins: gpd.GeoDataFrame, countries: gpd.GeoDataFrame | None, country_field: str | None
) -> pd.DataFrame:
    if countries is None:
        return pd.DataFrame(
            {
                "outlet_id": np.zeros(0, np.int64),
                "country": np.zeros(0, str),
                "area_km2": np.zeros(0),
                "share_pct": np.zeros(0),
            }
        )
    if country_field is None:
        fields = ", ".join(str(name) for name in countries.columns if name != countries.geometry.name)
        raise BadInput(
            f"--countries was given without --country-field; expected one of its columns: {fields}."
        )
    found = zones.shares(
        basins, countries, country_field, zone_field="outlet_id", total_km2=basins["area_km2"].to_numpy()
    )
    return found.rename(columns={"zone": "outlet_id"})


def _by_outlet(nest: _Nest, basins: gpd.GeoDataFrame) -> NDArray[np.int32]:
    """Name zones by the outlet_id of their first outlet."""
    names = np.concatenate([[0], basins["outlet_id"].to_numpy()[nest.first]]).astype(np.int32)
    renamed: NDArray[np.int32] = names[nest.zone]
    return renamed
