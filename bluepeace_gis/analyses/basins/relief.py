"""How high and how steep the land of a basin lies: sums per subbasin and band, and what is told of them."""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bluepeace_gis.analyses.basins import defaults
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import M2_PER_KM2
from bluepeace_gis.geo.drainage import Drainage, cell_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import terrain, tiles
from bluepeace_gis.kernels.tiles import Tiling

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]

AREA, HEIGHT, SLOPE, ACROSS, ALONG = range(5)


@dataclass(frozen=True)
class Relief:
    """Sums over zones 1..n.

    Parameters
    ----------
    sums : (n + 1, bands, 5) float
        Area in m2, and the area times elevation, slope in degrees, fall along the row and the column.
    low, high : (n + 1,) float, m
        The lowest and the highest elevation.
    base_m, band_m : float
        The lower edge of the first band, and the height of a band.
    """

    sums: Reals
    low: Reals
    high: Reals
    base_m: float
    band_m: float

    @classmethod
    def of(
        cls, dem: xr.DataArray, drainage: Drainage, zone: NDArray[np.int32], count: int, band_m: float
    ) -> "Relief":
        """Sum elevations and slopes over zones.

        Parameters
        ----------
        dem : (y, x) float32, m
        drainage : Drainage
        zone : (rows, columns) int32
            1..count, 0 for none.
        count : int
        band_m : float, m

        Returns
        -------
        Relief

        Raises
        ------
        BadInput
            If there would be no end of bands.
        """
        z = dem.to_numpy()
        bottom, top = float(np.nanmin(z)), float(np.nanmax(z))
        if not band_m > 0 or (top - bottom) / band_m > defaults.BANDS_MAX:
            raise BadInput(
                f"--band-m is {band_m:g} and the elevations go from {bottom:g} to {top:g}; expected a height "
                f"in metres that gives at most {defaults.BANDS_MAX} bands. Choose a larger one, or check the "
                "unit of the DEM."
            )
        base = float(np.floor(bottom / band_m) * band_m)
        bands = int((top - base) // band_m) + 1
        found = cls(
            np.zeros((count + 1, bands, 5)),
            np.full(count + 1, np.inf),
            np.full(count + 1, -np.inf),
            base,
            band_m,
        )
        step = np.column_stack(drainage.grid.cell_steps_m)
        for tile in Tiling(*drainage.grid.shape):
            terrain.add_zones(
                tiles.with_rim(z, tile, np.nan),
                zone[tile.window],
                cell_areas_m2(drainage.grid, tile),
                step[tile.row : tile.row + tile.rows],
                (base, band_m),
                found.sums,
                found.low,
                found.high,
            )
        return found

    def gathered(self, below: Indices, order: Indices) -> "Relief":
        """Add to each zone all that drain into it.

        Parameters
        ----------
        below : (n + 1,) int
            The next zone downstream of each, 0 for none.
        order : (n,) int
            The zones, each ahead of the one it drains to.

        Returns
        -------
        Relief
        """
        sums, low, high = self.sums.copy(), self.low.copy(), self.high.copy()
        for k in order:
            after = below[k]
            if after > 0:
                sums[after] += sums[k]
                low[after] = min(low[after], low[k])
                high[after] = max(high[after], high[k])
        return Relief(sums, low, high, self.base_m, self.band_m)

    def columns(self, zones: Indices) -> dict[str, Reals]:
        """Return area_km2, zmin_m, zmean_m, zmax_m and slope_deg of zones, (k,) each."""
        total = self.sums[zones].sum(1)
        return {
            "area_km2": total[:, AREA] / M2_PER_KM2,
            "zmin_m": self.low[zones],
            "zmean_m": total[:, HEIGHT] / total[:, AREA],
            "zmax_m": self.high[zones],
            "slope_deg": total[:, SLOPE] / total[:, AREA],
        }

    def band_table(self, basins: gpd.GeoDataFrame, zones: Indices, grid: Grid) -> pd.DataFrame:
        """Describe each band of each basin, as hydrological models take it.

        Parameters
        ----------
        basins : GeoDataFrame
            With ``outlet_id`` and ``name``.
        zones : (k,) int
            The zone of each basin.
        grid : Grid

        Returns
        -------
        DataFrame
            ``outlet_id``, ``name``, ``band`` (1 the lowest of the basin), ``z_from_m``, ``z_to_m``,
            ``z_mean_m``, ``area_km2``, ``area_pct``, ``slope_deg``, ``aspect_deg`` (where the land falls to
            on the whole, clockwise from the north of the grid; NaN where it falls to all sides alike).
        """
        sums = self.sums[zones]
        basin, band = np.nonzero(sums[:, :, AREA] > 0)
        values = sums[basin, band]
        total = sums[:, :, AREA].sum(1)
        first = np.concatenate([[True], basin[1:] != basin[:-1]]) if basin.size else np.zeros(0, bool)
        rank = np.arange(basin.size) - np.maximum.accumulate(np.where(first, np.arange(basin.size), 0)) + 1
        return pd.DataFrame(
            {
                "outlet_id": basins["outlet_id"].to_numpy()[basin],
                "name": basins["name"].to_numpy()[basin],
                "band": rank,
                "z_from_m": self.base_m + band * self.band_m,
                "z_to_m": self.base_m + (band + 1) * self.band_m,
                "z_mean_m": values[:, HEIGHT] / values[:, AREA],
                "area_km2": values[:, AREA] / M2_PER_KM2,
                "area_pct": 100 * values[:, AREA] / total[basin],
                "slope_deg": values[:, SLOPE] / values[:, AREA],
                "aspect_deg": _azimuth(values[:, ACROSS], values[:, ALONG], values[:, AREA], grid),
            }
        )


# A mean fall shorter than this share of a step has no direction worth a number.
_LEVEL: Final = 1e-9


def _azimuth(across: Reals, along: Reals, area: Reals, grid: Grid) -> Reals:
    """Turn falls along rows and columns into degrees clockwise from the north of the grid."""
    t = grid.transform
    width, height = np.hypot(t.a, t.d), np.hypot(t.b, t.e)
    east = across * t.a / width + along * t.b / height
    north = across * t.d / width + along * t.e / height
    azimuth = np.degrees(np.arctan2(east, north)) % 360
    level = np.hypot(east, north) <= _LEVEL * area
    return np.where(level, np.nan, azimuth)
