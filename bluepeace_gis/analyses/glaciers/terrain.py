"""What the elevations say of a scene's cells: slope, and where the mountains cast their shadow."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import Proj

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.errors import BadInput, GridMismatch, OutsideGrid
from bluepeace_gis.geo import align
from bluepeace_gis.geo.crs import same_crs, to_geographic
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.kernels import rays

# Shadows come from so far: a ridge 2500 m above a valley at a sun of 10 degrees.
SHADOW_REACH_M: Final = 15_000.0

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Terrain:
    """Elevations on a grid of their own in the CRS of the scenes.

    Parameters
    ----------
    grid : Grid
        North up, metres.
    z : (a, b) float32, metres, NaN where unknown
    rows, columns : (r,), (c,) int64
        The cell of ``grid`` under the centre of each row and column of the scenes; -1 beyond it.
    """

    grid: Grid
    z: Singles
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of(cls, dem: xr.DataArray, scenes: Grid) -> "Terrain":
        """Bring elevations into the CRS of the scenes, at their own resolution.

        Parameters
        ----------
        dem : (y, x) float, metres, NaN where unknown
        scenes : Grid
            North up, in metres.

        Returns
        -------
        Terrain
            Of the scenes' frame and 15 km around it, as far as there are elevations.

        Raises
        ------
        GridMismatch
            If the scenes' grid is rotated or in degrees.
        BadInput
            If the elevations lie elsewhere.
        """
        if not scenes.north_up or scenes.is_geographic:
            raise GridMismatch(
                f"The scenes lie on {scenes}; a grid in metres with rows from west to east was expected. "
                "Warp them to the UTM zone of the place first: gdalwarp -t_srs EPSG:CODE."
            )
        try:
            placed = _placed(dem, scenes)
        except OutsideGrid as error:
            raise BadInput(
                f"The elevations do not cover the scenes. {error} Take a DEM of the same region."
            ) from error
        grid = Grid.of(placed)
        t, s = grid.transform, scenes.transform
        x = s.c + s.a * (np.arange(scenes.shape[1]) + 0.5)
        y = s.f + s.e * (np.arange(scenes.shape[0]) + 0.5)
        column, row = np.floor((x - t.c) / t.a), np.floor((y - t.f) / t.e)
        column[(column < 0) | (column >= grid.shape[1])] = -1
        row[(row < 0) | (row >= grid.shape[0])] = -1
        z = np.ascontiguousarray(placed.to_numpy(), np.float32)
        return cls(grid, z, row.astype(np.int64), column.astype(np.int64))

    @cached_property
    def has_relief(self) -> bool:
        """Whether the elevations differ at all: a level table says nothing of slopes."""
        lowest, highest = np.fmin.reduce(self.z, axis=None), np.fmax.reduce(self.z, axis=None)
        return bool(highest > lowest)  # NaN, where nothing is known, is not

    def slope_deg(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> Singles:
        """Give the slope under cells of the scenes.

        Parameters
        ----------
        row, column : (n,) int64
            Of the scenes.

        Returns
        -------
        (n,) float32, degrees
            By central differences, along the rim by those to one side; NaN beyond the elevations and beside
            unknown ones.
        """
        r, c = self.rows[row], self.columns[column]
        inside = (r >= 0) & (c >= 0)
        south_m, east_m = self._steps_m
        above, below = np.maximum(r - 1, 0), np.minimum(r + 1, self.z.shape[0] - 1)
        left, right = np.maximum(c - 1, 0), np.minimum(c + 1, self.z.shape[1] - 1)
        south = (self.z[below, c] - self.z[above, c]) / (np.maximum(below - above, 1) * south_m)
        east = (self.z[r, right] - self.z[r, left]) / (np.maximum(right - left, 1) * east_m)
        slope: Singles = np.degrees(np.arctan(np.hypot(south, east))).astype(np.float32)
        slope[~inside] = np.nan
        return slope

    @property
    def _steps_m(self) -> tuple[float, float]:
        east, south = self.grid.cell_steps_m
        return float(south.mean()), float(east.mean())

    def shade(self, azimuth_deg: float, elevation_deg: float) -> NDArray[np.uint8]:
        """Tell where the mountains cast their shadow.

        Parameters
        ----------
        azimuth_deg, elevation_deg : float
            Of the sun: clockwise from true north; above the horizon.

        Returns
        -------
        (a, b) uint8
            1 in shadow.
        """
        if elevation_deg <= 0:
            return np.ones(self.z.shape, np.uint8)
        azimuth = math.radians(azimuth_deg - self._convergence_deg())
        south_m, east_m = self._steps_m
        # a step of one metre towards the sun, in rows and columns
        towards = (-math.cos(azimuth) / south_m, math.sin(azimuth) / east_m)
        depth = rays.shadow(self.z, towards, math.tan(math.radians(elevation_deg)))
        return (depth > defaults.SHADOW_DEPTH_MIN_M).astype(np.uint8)

    def _convergence_deg(self) -> float:
        """Angle from true north to the grid's north in the middle of the grid, clockwise, degrees."""
        middle = apply(self.grid.transform, self.grid.shape[1] / 2, self.grid.shape[0] / 2)
        longitude, latitude = to_geographic(self.grid.crs).transform(*middle)
        factors = Proj(self.grid.crs).get_factors(longitude, latitude)
        return float(factors.meridian_convergence)

    def at(self, values: Singles, row: NDArray[np.int64], column: NDArray[np.int64]) -> Singles:
        """Look up a raster of this terrain under cells (n,) of the scenes; NaN beyond it."""
        r, c = self.rows[row], self.columns[column]
        found: Singles = np.where((r >= 0) & (c >= 0), values[r, c], np.float32(np.nan))
        return found


def _placed(dem: xr.DataArray, scenes: Grid) -> xr.DataArray:
    own = Grid.of(dem)
    left, bottom, right, top = scenes.bounds
    if same_crs(own.crs, scenes.crs) and own.north_up:
        t = own.transform
        col0 = max(math.floor((left - SHADOW_REACH_M - t.c) / t.a), 0)
        col1 = min(math.ceil((right + SHADOW_REACH_M - t.c) / t.a), own.shape[1])
        row0 = max(math.floor((top + SHADOW_REACH_M - t.f) / t.e), 0)
        row1 = min(math.ceil((bottom - SHADOW_REACH_M - t.f) / t.e), own.shape[0])
        if col0 >= col1 or row0 >= row1:
            raise OutsideGrid(f"They lie on {own} within {own.bounds}, the scenes within {scenes.bounds}.")
        window = own.window(row0, row1, col0, col1)
        return window.raster(dem.to_numpy()[row0:row1, col0:col1], name="dem")
    east, south = own.cell_steps_m
    step = float(np.sqrt(east.mean() * south.mean()))
    width = math.ceil((right - left + 2 * SHADOW_REACH_M) / step)
    height = math.ceil((top - bottom + 2 * SHADOW_REACH_M) / step)
    around = Affine(step, 0, left - SHADOW_REACH_M, 0, -step, top + SHADOW_REACH_M)
    return align.onto(dem, Grid(scenes.crs, around, (height, width)), "bilinear")
