"""Which cell of the drainage a gauge stands for."""

import logging
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.basins.defaults import KNOWN_AREA_TOLERANCE, SNAP_CELLS
from bluepeace_gis.errors import BadInput, OutsideGrid, UnknownCrs
from bluepeace_gis.geo.crs import horizontal, unit
from bluepeace_gis.geo.drainage import Drained, surface_mask
from bluepeace_gis.geo.grid import Grid, apply

log = logging.getLogger(__name__)

Indices = NDArray[np.int64]
Reals = NDArray[np.float64]
SHOWN = 5  # names in a message


def prepare_outlets(outlets: gpd.GeoDataFrame, grid: Grid, *, area_field: str | None) -> gpd.GeoDataFrame:
    """Bring outlets into one form.

    Parameters
    ----------
    outlets : points or single-point multipoints, optional ``name`` and known-area field
    grid : Grid
        They are reprojected to its CRS if theirs is another.
    area_field : str, optional
        Column with the known upstream area in km2; empty where unknown.

    Returns
    -------
    GeoDataFrame
        ``outlet_id`` 1..n in their order, ``name`` (the number as text where there is none),
        ``known_km2`` and the points.

    Raises
    ------
    BadInput
        If there are none, they are not points, or the area field is missing or not of numbers.
    UnknownCrs
        If they have no coordinate reference system.
    """
    if not len(outlets):
        raise BadInput("OUTLETS holds no feature; expected at least one point. Add the outlets to the layer.")
    if outlets.crs is None:
        raise UnknownCrs(
            "OUTLETS has no coordinate reference system; expected one, so that the points find their place "
            "on the DEM. Set it: in QGIS, Layer > Set CRS."
        )
    points = outlets.to_crs(horizontal(grid.crs)).explode(index_parts=False)
    kinds = sorted(set(points.geom_type.dropna()) - {"Point"})
    if kinds or len(points) != len(outlets):
        found = f"{kinds[0]}s" if kinds else "several points in one feature"
        raise BadInput(f"OUTLETS holds {found}; expected one point a feature. Convert them to points first.")
    count = len(points)
    known = np.full(count, np.nan)
    if area_field is not None:
        if area_field not in points.columns or area_field == points.geometry.name:
            columns = ", ".join(str(name) for name in points.columns if name != points.geometry.name)
            raise BadInput(f"OUTLETS has no column {area_field}; expected one of: {columns}.")
        known = pd.to_numeric(points[area_field], errors="coerce").to_numpy(float)
        strange = (known <= 0) | np.isinf(known) | (np.isnan(known) & points[area_field].notna().to_numpy())
        if strange.any():
            value = points[area_field].to_numpy()[strange].tolist()[0]
            raise BadInput(
                f"{area_field} of OUTLETS holds {value!r}; expected the known upstream area in km2 "
                "or nothing. Correct the column."
            )
    numbers = np.arange(1, count + 1)
    names = points["name"] if "name" in points.columns else pd.Series([None] * count)
    text = [
        " ".join(str(name).split()) if pd.notna(name) and str(name).strip() else str(number)
        for name, number in zip(names, numbers, strict=True)
    ]
    return gpd.GeoDataFrame(
        {"outlet_id": numbers, "name": text, "known_km2": known},
        geometry=points.geometry.to_numpy(),
        crs=points.crs,
    )


def snap(
    outlets: gpd.GeoDataFrame, drained: Drained, *, snap_m: float | None, streams_km2: float
) -> tuple[Indices, Indices, Reals]:
    """Choose for each outlet the cell of the drainage that it stands for.

    Parameters
    ----------
    outlets : GeoDataFrame
        From :func:`prepare_outlets`.
    drained : Drained
    snap_m : float, m
        How far from the point to look; None: three cells.
    streams_km2 : float, km2
        Upstream area from which a cell is a channel.

    Returns
    -------
    row, column : (n,) int
    distance_m : (n,) float
        From the point to the centre of the chosen cell; 0 where the point lies in it.

    Raises
    ------
    OutsideGrid
        If outlets have no cell with an elevation within the distance.

    Notes
    -----
    With a known area: the cell whose upstream area comes nearest to it, by ratio; among equal ones
    the nearest. Without: the cell of the point if it is a channel, else the nearest channel cell, else
    the one with the largest upstream area. In a terminal lake: the cell in which its water ends.
    """
    grid = drained.drainage.grid
    across, along = grid.cell_steps_m
    if snap_m is None:
        snap_m = SNAP_CELLS * float(max(np.median(across), np.median(along)))
    x, y = outlets.geometry.x.to_numpy(), outlets.geometry.y.to_numpy()
    row, column = grid.cells_of(x, y)
    _require_inside(outlets, row, column, grid)
    surface = surface_mask(drained.drainage)
    distance = np.zeros(len(outlets))
    missed = []
    for k, known in enumerate(outlets["known_km2"].to_numpy()):
        own = (int(row[k]), int(column[k]))
        point = _place(grid, float(x[k]), float(y[k]), own[1])
        choice = _lake_end(drained, *own)
        if choice is None:
            window = _window(grid, point, own, snap_m)
            wish = (snap_m, float(known), streams_km2)
            choice = _choose(drained.drainage.upstream_km2, surface, own, window, wish)
        if choice is None:
            missed.append(k)
            continue
        if choice != own:
            distance[k] = np.hypot(
                (choice[0] + 0.5 - point[0]) * along[own[0]], (choice[1] + 0.5 - point[1]) * across[own[0]]
            )
        row[k], column[k] = choice
    if missed:
        names = ", ".join(outlets["name"].iloc[missed[:SHOWN]])
        raise OutsideGrid(
            f"{len(missed)} of {len(outlets)} outlets lie more than {snap_m:.0f} m from any elevation: "
            f"{names}. Move them onto the DEM, remove them, or allow a longer way with --snap-m."
        )
    return row, column, distance


def compare_areas(outlets: gpd.GeoDataFrame, found_km2: Reals) -> None:
    """Warn of outlets whose upstream area is not the known one."""
    known = outlets["known_km2"].to_numpy()
    off = found_km2 / known - 1
    for k in np.flatnonzero(np.abs(off) > KNOWN_AREA_TOLERANCE):
        log.warning(
            "%s: %.2f km2 drain to the outlet, %.2f km2 are known (%+.1f %%). Check its place, or look "
            "farther with --snap-m.",
            outlets["name"].iloc[k],
            found_km2[k],
            known[k],
            100 * off[k],
        )


def _require_inside(outlets: gpd.GeoDataFrame, row: Indices, column: Indices, grid: Grid) -> None:
    outside = (row < 0) | (row >= grid.shape[0]) | (column < 0) | (column >= grid.shape[1])
    if outside.any():
        names = ", ".join(outlets["name"][outside][:SHOWN])
        raise OutsideGrid(
            f"{int(outside.sum())} of {len(outlets)} outlets lie outside the DEM ({grid}): {names}. "
            "Use a DEM that covers them, remove them, or check the CRS of OUTLETS."
        )


def _lake_end(drained: Drained, row: int, column: int) -> tuple[int, int] | None:
    """Return where the water of the terminal lake in a cell ends, None if there is no lake."""
    if drained.lakes is None or drained.lakes[row, column] == 0 or not drained.lake_ends.size:
        return None
    columns = drained.lakes.shape[1]
    rows, cols = drained.lake_ends // columns, drained.lake_ends % columns
    same = np.flatnonzero(drained.lakes[rows, cols] == drained.lakes[row, column])
    if not same.size:
        return None
    nearest = same[np.argmin((rows[same] - row) ** 2 + (cols[same] - column) ** 2)]
    return int(rows[nearest]), int(cols[nearest])


def _place(grid: Grid, x: float, y: float, column: int) -> tuple[float, float]:
    """Place a point in the grid: row and column with their fractions, on the same turn as its column."""
    c, r = apply(~grid.transform, x, y)
    if grid.is_geographic:
        turn = 2 * np.pi / unit(grid.crs)[1] / abs(grid.transform.a)
        c += turn * round((column + 0.5 - c) / turn)
    return float(r), float(c)


def _window(
    grid: Grid, point: tuple[float, float], cell: tuple[int, int], snap_m: float
) -> tuple[slice, slice, Reals]:
    """Return the window within reach of a point, and the distance of each cell's centre in it, m."""
    across, along = grid.cell_steps_m
    row, column = cell
    reach_rows = int(snap_m / along[row]) + 1
    reach_columns = int(snap_m / across[row]) + 1
    rows = slice(max(row - reach_rows, 0), min(row + reach_rows + 1, grid.shape[0]))
    columns = slice(max(column - reach_columns, 0), min(column + reach_columns + 1, grid.shape[1]))
    down = (np.arange(rows.start, rows.stop) + 0.5 - point[0]) * along[row]
    right = (np.arange(columns.start, columns.stop) + 0.5 - point[1]) * across[row]
    return rows, columns, np.hypot(down[:, None], right[None, :])


def _choose(
    upstream_km2: Reals,
    surface: NDArray[np.bool_],
    own: tuple[int, int],
    window: tuple[slice, slice, Reals],
    wish: tuple[float, float, float],
) -> tuple[int, int] | None:
    rows, columns, distance = window
    snap_m, known_km2, streams_km2 = wish
    inner = (own[0] - rows.start, own[1] - columns.start)
    reached = surface[rows, columns] & (distance <= snap_m)
    reached[inner] = surface[own]  # the point's own cell, even if it is larger than the distance
    if not reached.any():
        return None
    area = upstream_km2[rows, columns]
    if not np.isnan(known_km2):
        with np.errstate(divide="ignore", invalid="ignore"):
            off: NDArray[Any] = np.abs(np.log(area / known_km2))
        order = (distance, np.where(reached, off, np.inf))
    elif reached[inner] and area[inner] >= streams_km2:
        return own
    else:
        channel = reached & (area >= streams_km2)
        if channel.any():
            order = (np.zeros_like(distance), np.where(channel, distance, np.inf))
        else:
            order = (distance, np.where(reached, -area, np.inf))
    best = int(np.lexsort((order[0].ravel(), order[1].ravel()))[0])
    r, c = np.unravel_index(best, distance.shape)
    return int(r) + rows.start, int(c) + columns.start
