"""Rivers as lines: reaches from confluence to confluence."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from bluepeace_gis.geo.drainage import Drainage
from bluepeace_gis.kernels import streams as stream_kernels

Indices = NDArray[np.int64]


def stream_layer(
    drainage: Drainage,
    zone: NDArray[np.int32],
    places: tuple[Indices, Indices],
    channel_km2: float,
    lakes: NDArray[np.int32] | None = None,
) -> gpd.GeoDataFrame:
    """Draw the channels upstream of outlets as reaches from confluence to confluence.

    Parameters
    ----------
    drainage : Drainage
    zone : (rows, columns) int32
        Number of the first outlet downstream, 0 for none.
    places : (row, column)
        The cells of the outlets: a reach ends there.
    channel_km2 : float, km2
        Upstream area from which a cell is a channel.
    lakes : (rows, columns) int32, optional
        Numbers of the terminal lakes, 0 elsewhere: a river ends at the shore. The ways of its water through
        the lake, one beside the other to the deepest cell, are those of the routing and no rivers.

    Returns
    -------
    GeoDataFrame
        ``stream_id``, ``downstream_id`` (0: none), ``outlet_id`` (the number of the zone), ``strahler``,
        ``length_km``, ``upstream_km2`` at the lower end, and lines that run downstream.
    """
    grid, columns = drainage.grid, drainage.grid.shape[1]
    upstream = drainage.upstream_km2.ravel()
    flat = zone.ravel()
    with np.errstate(invalid="ignore"):
        cells = np.flatnonzero((upstream >= channel_km2) & (flat > 0)).astype(np.int64)
    names = ["stream_id", "downstream_id", "outlet_id", "strahler", "length_km", "upstream_km2"]
    if not cells.size:
        empty: dict[str, Any] = {
            name: np.zeros(0, np.int64 if name != "length_km" else float) for name in names
        }
        empty["upstream_km2"] = np.zeros(0)
        return gpd.GeoDataFrame(empty, geometry=[], crs=grid.crs)
    below = stream_kernels.links(drainage.direction, cells)
    if lakes is not None:
        cells, below = _to_the_shore(cells, below, lakes.ravel()[cells] > 0)
    order = stream_kernels.strahler(below)
    ends = np.isin(cells, places[0] * columns + places[1])
    start, path, after = stream_kernels.reaches(below, ends)
    x, y = grid.centres(cells[path] // columns, cells[path] % columns)
    reach = np.repeat(np.arange(after.size), np.diff(start))
    whole = np.diff(start) > 1  # a single cell has no length: an outlet right below a confluence
    lengths = drainage.path_lengths_m.ravel()[cells[path]]
    lines = np.full(after.size, None, object)
    drawn = whole[reach]
    lines[whole] = shapely.linestrings(
        np.column_stack([x, y])[drawn], indices=np.cumsum(whole)[reach][drawn] - 1
    )
    heads, last = start[:-1], start[1:] - 1
    own_last = np.where(after >= 0, last - 1, last)  # the last cell that is not the next reach's
    frame = gpd.GeoDataFrame(
        {
            "stream_id": np.arange(1, after.size + 1),
            "downstream_id": after + 1,
            "outlet_id": flat[cells[path[heads]]],
            "strahler": order[path[heads]],
            "length_km": (lengths[heads] - lengths[last]) / 1000,
            "upstream_km2": upstream[cells[path[own_last]]],
        },
        geometry=lines,
        crs=grid.crs,
    )
    return _without_points(frame, whole)


def _to_the_shore(cells: Indices, below: Indices, wet: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Keep of a network the dry cells and the first wet one after each, in which it ends."""
    flows = below >= 0
    shore = np.zeros(cells.size, np.bool_)
    shore[below[flows & ~wet]] = True
    kept = ~wet | shore
    number = np.cumsum(kept) - 1
    after = np.where(flows & ~wet, number[below], -1)
    return cells[kept], after[kept]


def _without_points(frame: gpd.GeoDataFrame, whole: NDArray[np.bool_]) -> gpd.GeoDataFrame:
    """Leave out reaches of one cell and lead what came to them to nothing: the stream ends there."""
    gone = set(frame["stream_id"][~whole])
    kept = frame[whole].reset_index(drop=True)
    kept["downstream_id"] = kept["downstream_id"].where(~kept["downstream_id"].isin(gone), 0)
    return kept
