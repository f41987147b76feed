"""From elevations and outlets to basins, subbasins, streams, depressions, bands and country shares."""

import logging
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
from bluepeace_gis.analyses.basins.borders import trace_borders
from bluepeace_gis.analyses.basins.depressions import depression_layer
from bluepeace_gis.analyses.basins.outlets import compare_areas, prepare_outlets, snap
from bluepeace_gis.analyses.basins.relief import Relief
from bluepeace_gis.analyses.basins.rivers import stream_layer
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo import zones
from bluepeace_gis.geo.drainage import (
    M2_PER_KM2,
    Drainage,
    Drained,
    Edges,
    Handling,
    Progress,
    drain,
)
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK

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
    """

    layers: dict[str, Any]
    drained: Drained
    bands: pd.DataFrame
    zone: NDArray[np.int32]
    streams_km2: float


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
    lakes = None if terminal is None else _lakes(terminal, grid)
    channels = None if burn is None else zones.burn(burn, grid, all_touched=True) > 0

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
    row, column, distance_m = snap(points, drained, snap_m=snap_m, streams_km2=channel_km2)
    if edges == "closed":
        # The channels on which outlets are looked for are those of the open surface; closed, all water
        # that no terminal lake takes must then leave through the outlets found.
        drained = _nested(route((row, column), "closed"), dem, row, column)
    tell(0.5)
    places, first, place_of = _distinct(row, column)
    zone, downstream = drained.drainage.delineate(*places)
    tell(0.6)
    relief = Relief.of(dem, drained.drainage, zone, len(first), band_m)
    below = np.concatenate([[0], downstream])
    order = _upstream_first(below)
    nested = relief.gathered(below, order)
    zone_of = place_of + 1
    upstream_km2 = nested.columns(zone_of)["area_km2"]
    compare_areas(points, upstream_km2)
    tell(0.7)
    parts = outline(zone, grid)
    own = np.full(len(first) + 1, None, object)
    own[parts["value"].to_numpy()] = parts.geometry.to_numpy()
    whole = _union_down(own, below, order)
    tell(0.8)
    basins = _basin_layer(points, zone_of, nested, whole, distance_m)
    own_touches = _touches(drained.drainage, zone, places, below.size)
    own_farthest_m = _farthest_m(drained.drainage, zone, below.size)
    outlet_m = np.concatenate([[0.0], drained.drainage.path_lengths_m[places]])
    basins["touches_edge"] = _greatest_upstream(own_touches, below, order)[zone_of]
    longest_m = _greatest_upstream(own_farthest_m, below, order) - outlet_m
    basins["length_km"] = longest_m[zone_of] / 1000
    basins = basins[BASIN_COLUMNS]
    _warn_of_edges(basins)
    layers: dict[str, Any] = {"basins": basins}
    layers["subbasins"] = _subbasin_layer(
        basins.iloc[first], relief, own, downstream, own_touches[1:], (own_farthest_m - outlet_m)[1:] / 1000
    )
    layers["streams"] = stream_layer(drained.drainage, zone, places, channel_km2)
    layers["depressions"] = depression_layer(drained, dem)
    layers["outlets"] = _outlet_layer(points, grid, row, column, distance_m, upstream_km2)
    tell(0.9)
    layers["shares"] = _shares(basins, countries, country_field)
    by_outlet = _by_outlet(zone, basins["outlet_id"].to_numpy(), first)
    layers |= trace_borders(drained.drainage, by_outlet, countries, country_field, streams_km2=channel_km2)
    bands = nested.band_table(basins, zone_of, grid)
    layers["bands"] = bands[["outlet_id", "z_from_m", "z_to_m", "area_km2"]]
    tell(1.0)
    return Basins(layers, drained, bands, by_outlet, channel_km2)


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
    shapes = terminal.to_crs(grid.crs) if terminal.crs is not None else terminal
    burnt = zones.burn(terminal, grid, all_touched=True) if len(terminal) else np.zeros(grid.shape, np.int32)
    centred = np.zeros(grid.shape, np.int32)
    if len(terminal) and (shapes.geom_type.isin(["Polygon", "MultiPolygon"])).any():
        try:
            centred = zones.burn(terminal, grid)
        except BadInput:  # every lake is smaller than a cell
            centred = np.zeros(grid.shape, np.int32)
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


def _nested(drained: Drained, dem: xr.DataArray, row: Indices, column: Indices) -> Drained:
    """Let the water of an outlet go on to the next one below, where it falls to it by itself.

    Every outlet of a closed surface was a sink, so that all water finds one. An upstream gauge is none
    in nature: it is linked to the cell below if the water there comes to another outlet that is lower,
    which also keeps circles out.
    """
    z = dem.to_numpy()
    direction = drained.drainage.direction
    (rows, columns), _, _ = _distinct(row, column)
    zone, _ = drained.drainage.delineate(rows, columns)
    grid = drained.drainage.grid
    across, along = grid.cell_steps_m
    linked = direction.copy()
    for k, (r, c) in enumerate(zip(rows, columns, strict=True)):
        if direction[r, c] != SINK:
            continue
        best, choice = 0.0, None
        step = (across[r], np.hypot(across[r], along[r]), along[r])
        for way in range(8):
            rr, cc = r + ROW_STEP[way], c + COLUMN_STEP[way]
            if 0 <= rr < grid.shape[0] and 0 <= cc < grid.shape[1]:
                fall = float(z[r, c] - z[rr, cc]) / step[1 if way % 2 else (way // 2 % 2) * 2]
                if fall > best:
                    best, choice = fall, (way, int(zone[rr, cc]))
        if choice is None or choice[1] in (0, k + 1):
            continue
        other = choice[1] - 1
        if z[rows[other], columns[other]] < z[r, c]:
            linked[r, c] = choice[0]
    return Drained(
        Drainage(grid, linked), drained.depressions, drained.lakes, drained.lake_ends, drained.filled
    )


def _upstream_first(below: Indices) -> Indices:
    """Order subbasins 1..n so that each stands ahead of the one it drains to."""
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


def _union_down(own: NDArray[Any], below: Indices, order: Indices) -> NDArray[Any]:
    """Join the outline of each subbasin with those of all that drain into it."""
    parts: list[list[Any]] = [[] if shape is None else [shape] for shape in own]
    whole = own.copy()
    for k in order:
        whole[k] = shapely.union_all(parts[k]) if len(parts[k]) > 1 else parts[k][0]
        if below[k] > 0:
            parts[below[k]].append(whole[k])
    return whole


def _basin_layer(
    points: gpd.GeoDataFrame, zone_of: Indices, relief: Relief, whole: NDArray[Any], distance_m: Reals
) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "outlet_id": points["outlet_id"].to_numpy(),
            "name": points["name"].to_numpy(),
            "snap_m": distance_m,
            **relief.columns(zone_of),
        },
        geometry=whole[zone_of],
        crs=points.crs,
    )


def _touches(
    drainage: Drainage, zone: NDArray[np.int32], places: tuple[Indices, Indices], count: int
) -> NDArray[np.bool_]:
    """Tell for each zone 0..count-1 whether its land may go on beyond the surface's end."""
    ends = drainage.open_ends.copy()
    ends[places] = False  # the outlet itself may stand at the rim
    touched = np.zeros(count, bool)
    touched[np.unique(zone[ends])] = True
    return touched


def _farthest_m(drainage: Drainage, zone: NDArray[np.int32], count: int) -> Reals:
    """Measure the longest way from a cell of each zone 0..count-1 to where its water ends, m."""
    farthest = np.zeros(count)
    np.maximum.at(farthest, zone.ravel(), drainage.path_lengths_m.ravel())
    return farthest


def _greatest_upstream(values: NDArray[Any], below: Indices, order: Indices) -> NDArray[Any]:
    """Return for each zone the greatest value among it and all that drain into it."""
    greatest = values.copy()
    for k in order:
        if below[k] > 0:
            greatest[below[k]] = max(greatest[below[k]], greatest[k])
    return greatest


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


def _subbasin_layer(
    basins: gpd.GeoDataFrame,
    relief: Relief,
    own: NDArray[Any],
    downstream: NDArray[np.int32],
    touches_edge: NDArray[np.bool_],
    length_km: Reals,
) -> gpd.GeoDataFrame:
    """Tell of the land between an outlet and those above it."""
    ids = np.concatenate([[0], basins["outlet_id"].to_numpy()])
    layer = gpd.GeoDataFrame(
        {
            **{name: basins[name].to_numpy() for name in ("outlet_id", "name", "snap_m")},
            **relief.columns(np.arange(1, len(basins) + 1)),
            "touches_edge": touches_edge,
            "length_km": length_km,
            "downstream_id": ids[downstream],
        },
        geometry=own[1:],
        crs=basins.crs,
    )
    return layer[[*BASIN_COLUMNS[:-1], "downstream_id", "geometry"]]


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


def _by_outlet(zone: NDArray[np.int32], outlet_ids: Indices, first: Indices) -> NDArray[np.int32]:
    """Rename zones from the order of cells to the ids of outlets."""
    names = np.concatenate([[0], outlet_ids[first]]).astype(np.int32)
    renamed: NDArray[np.int32] = names[zone]
    return renamed
