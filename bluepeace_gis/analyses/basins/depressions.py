"""Depressions worth a look: how large, how deep, and where they would spill."""

from typing import Any

import geopandas as gpd
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bluepeace_gis.analyses.basins import defaults
from bluepeace_gis.geo.areas import M2_PER_KM2
from bluepeace_gis.geo.drainage import Drained
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.kernels import terrain


def depression_layer(drained: Drained, dem: xr.DataArray) -> gpd.GeoDataFrame:
    """Outline the depressions worth a look, whatever became of them.

    Parameters
    ----------
    drained : Drained
    dem : (y, x) float32, m

    Returns
    -------
    GeoDataFrame
        ``area_km2``, ``depth_m`` and ``volume_km3`` of the water they would hold, ``level_m`` to which it
        would rise, ``spill_x`` and ``spill_y`` where it would then leave, largest first.
    """
    found, grid = drained.depressions, drained.drainage.grid
    large = (found.area >= defaults.DEPRESSION_MIN_KM2 * M2_PER_KM2) & (
        found.depth >= defaults.DEPRESSION_MIN_M
    )
    numbers = np.flatnonzero(large)
    z = dem.to_numpy()
    seen = np.zeros(z.shape, np.uint8)
    shapes = [
        _flooded(z, (int(found.row[k]), int(found.column[k])), float(found.level[k]), seen, grid)
        for k in numbers
    ]
    spill_x, spill_y = grid.centres(found.spill_row[numbers], found.spill_column[numbers])
    return gpd.GeoDataFrame(
        {
            "area_km2": found.area[numbers] / M2_PER_KM2,
            "depth_m": found.depth[numbers].astype(float),
            "volume_km3": found.volume[numbers] / 1e9,
            "level_m": found.level[numbers].astype(float),
            "spill_x": spill_x,
            "spill_y": spill_y,
        },
        geometry=shapes,
        crs=grid.crs,
    ).sort_values("area_km2", ascending=False, kind="stable", ignore_index=True)


def _flooded(
    z: NDArray[np.float32], pit: tuple[int, int], level: float, seen: NDArray[np.uint8], grid: Grid
) -> Any:
    """Outline the water that stands around a pit up to a level."""
    cells = terrain.flood(z, *pit, np.float32(level), seen)
    rows, columns = cells // z.shape[1], cells % z.shape[1]
    top, left = int(rows.min()), int(columns.min())
    mask = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), np.uint8)
    mask[rows - top, columns - left] = 1
    window = grid.window(top, top + mask.shape[0], left, left + mask.shape[1])
    return outline(mask, window).geometry.iloc[0]
