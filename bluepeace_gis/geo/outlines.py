"""Zones of a grid as polygons along the edges of their cells."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid, apply

_INT32 = np.iinfo(np.int32)


def outline(zone: NDArray[Any], grid: Grid, *, background: int = 0) -> gpd.GeoDataFrame:
    """Outline the zones of a grid, one polygon a zone.

    Parameters
    ----------
    zone : (rows, columns) int or bool
        The number of the zone each cell belongs to.
    grid : Grid
        Where the cells lie.
    background : int
        Cells with this number belong to no zone.

    Returns
    -------
    GeoDataFrame
        ``value`` (int64) and ``geometry``, one row a zone, by rising value, in the CRS of the grid. A
        Polygon where the cells hang together by their edges, else a MultiPolygon; holes are kept, points
        stand at corners only, neighbours share their points exactly, all are valid.

    Raises
    ------
    BadInput
        If ``zone`` has another shape than the grid or is not made of whole 32-bit numbers.
    """
    labels = _labels(zone, grid)
    mask = labels != background
    found = list(shapes(labels, mask=mask, connectivity=4)) if mask.any() else []
    if not found:
        return gpd.GeoDataFrame({"value": np.zeros(0, np.int64)}, geometry=[], crs=grid.crs)
    values = np.array([value for _, value in found]).astype(np.int64)
    order = np.argsort(values, kind="stable")
    pieces = [found[place][0]["coordinates"] for place in order]  # each a shell and its holes
    corners = np.array([corner for rings in pieces for ring in rings for corner in ring])
    ring_of_corner = np.repeat(
        np.arange(sum(map(len, pieces))), [len(ring) for rings in pieces for ring in rings]
    )
    places = np.column_stack(apply(grid.transform, *corners.T))
    polygons = shapely.polygons(
        shapely.linearrings(places, indices=ring_of_corner),
        indices=np.repeat(np.arange(len(pieces)), [len(rings) for rings in pieces]),
    )
    zones, first, count = np.unique(values[order], return_index=True, return_counts=True)
    geometry = shapely.multipolygons(polygons, indices=np.repeat(np.arange(len(zones)), count))
    geometry = np.where(count == 1, polygons[first], geometry)
    return gpd.GeoDataFrame({"value": zones}, geometry=geometry, crs=grid.crs)


def _labels(zone: NDArray[Any], grid: Grid) -> NDArray[np.int32]:
    if zone.shape != grid.shape:
        raise BadInput(f"Found zones of shape {zone.shape}, expected {grid.shape}, the shape of the grid.")
    if zone.dtype.kind not in "biu":
        raise BadInput(
            f"Found zones of type {zone.dtype}, expected whole numbers. Round or label them first."
        )
    if zone.min() < _INT32.min or zone.max() > _INT32.max:
        raise BadInput(
            f"Found zones numbered {zone.min()} to {zone.max()}, expected {_INT32.min} to {_INT32.max}. "
            "Number them anew first."
        )
    return zone.astype(np.int32, copy=False)
