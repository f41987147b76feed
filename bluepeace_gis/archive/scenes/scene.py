"""What a scene is, whatever the sensor and the container it lies in.

A scene is known from its metadata alone: no pixel is read to answer what it is, when and where it was
taken and which bands it has. Pixels are read lazily, window by window, and come calibrated.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from shapely import Polygon

from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.archive.scenes.pixels import Cells
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

OPTICAL: Final = ("blue", "green", "red", "nir", "swir1", "swir2")
THERMAL: Final = "thermal"


@dataclass(frozen=True)
class Band:
    """One band: where its numbers lie and how they become reflectance (or kelvin).

    Parameters
    ----------
    name : str
        The common name: blue, green, red, nir, swir1, swir2 or thermal.
    native : str
        The sensor's own name, such as SR_B4, B8A or Fmask.
    source : str
        What GDAL opens: a path, ``/vsitar/...``, ``/vsizip/...``.
    position : int
        Of the band in that file, from 1.
    resolution_m : float
        As the metadata states it, metre.
    scale, offset : float
        value = number * scale + offset: reflectance 0..1, thermal kelvin.
    nodata : float or None
        The number that means "nothing was observed".
    """

    name: str
    native: str
    source: str
    position: int
    resolution_m: float
    scale: float
    offset: float
    nodata: float | None


@dataclass(frozen=True)
class Quality:
    """The sensor's own quality codes and what they mean in :class:`geo.flags.Flag`.

    Parameters
    ----------
    source, position, resolution_m
        As of :class:`Band`.
    flags : (256,) or (65536,) uint8
        The bits of ``Flag`` for every possible code.
    saturation : str or None
        A raster whose bits say which band is saturated (Landsat QA_RADSAT), and
    saturation_bits : {common name: bit}
    defects : int
        Bits of the saturation raster that spoil every band: a dropped pixel of TM and ETM+.
    """

    source: str
    position: int
    resolution_m: float
    flags: NDArray[np.uint8] = field(compare=False, repr=False)
    saturation: str | None = None
    saturation_bits: Mapping[str, int] = field(default_factory=dict)
    defects: int = 0

    @property
    def code_type(self) -> np.dtype[Any]:
        """The type of the codes: uint8 for a table of 256, uint16 for one of 65536."""
        return np.dtype(np.uint8 if len(self.flags) == 256 else np.uint16)

    @property
    def fill_code(self) -> int:
        """A code that means "nothing was observed"."""
        codes = np.flatnonzero(self.flags == Flag.FILL)
        codes = codes if codes.size else np.flatnonzero(self.flags & Flag.FILL)
        if not codes.size:
            raise BadInput(
                f"{self.source} has no code for cells outside the scene; one with the flag FILL was expected."
            )
        return int(codes[0])


@dataclass(frozen=True)
class Sun:
    """Where the sun stood: azimuth clockwise from north, elevation above the horizon, degrees."""

    azimuth_deg: float
    elevation_deg: float


@dataclass(frozen=True)
class Scene:
    """One scene on the disk, as its metadata describe it.

    Parameters
    ----------
    name : str
        The product's identifier.
    path : path
        The folder, archive or file it lies in.
    family : str
        "landsat", "sentinel-2", "hls", "modis" or "plain".
    platform, instrument : str
        Such as "landsat-9" and "oli-2", "sentinel-2b" and "msi", "terra" and "modis".
    time : datetime
        UTC, of acquisition.
    overpass : str
        Scenes with the same overpass saw a place once: platform and orbit, or platform and day.
    crs : str
        Of the native grid, "EPSG:32642".
    footprint : Polygon, longitude and latitude (WGS 84)
        Of the data, from the metadata.
    cloud_share : float 0..1, or None
    baseline : str or None
        Processing baseline or software version.
    sun : Sun or None
    bands : {common name: Band}
    quality : Quality or None
        None: the scene has no quality layer, and only fill is known.
    findings : (str, ...)
        What the metadata alone show to be doubtful, a plain sentence each.
    """

    name: str
    path: Path
    family: str
    platform: str
    instrument: str
    time: dt.datetime
    overpass: str
    crs: str
    footprint: Polygon
    cloud_share: float | None
    baseline: str | None
    sun: Sun | None
    bands: Mapping[str, Band]
    quality: Quality | None
    findings: tuple[str, ...] = ()

    def grid(self, *names: str) -> Grid:
        """Read the native grid of the finest of some bands, from the header of its raster.

        Parameters
        ----------
        *names : str
            Common names; all bands without one.

        Returns
        -------
        Grid

        Raises
        ------
        BadInput
            If the scene has no such band, or its file is missing or damaged.
        """
        grids = [pixels.grid_of(band.source) for band in self._chosen(names or tuple(self.bands))]
        return min(grids, key=lambda grid: abs(grid.transform.determinant))

    def block_shape(self, name: str) -> tuple[int, int]:
        """Give rows and columns of a band that are decoded together: windows of whole blocks read fastest."""
        (band,) = self._chosen((name,))
        return pixels.block_shape(band.source, band.position)

    def reflectance(self, *names: str, grid: Grid | None = None, window: Cells | None = None) -> xr.Dataset:
        """Read bands as reflectance.

        Parameters
        ----------
        *names : str
            Common names; all but the thermal band without one.
        grid : Grid, optional
            Where the result lies, in any CRS; without it, the finest native grid of the bands asked for.
            Bands on other grids are resampled bilinear.
        window : (row0, row1, col0, col1), optional
            The rows row0 to row1 - 1 and columns col0 to col1 - 1 of that grid; all without it.

        Returns
        -------
        Dataset of (y, x) float32
            A variable for each name, 0..1 (a little beyond on snow and in shadow), or the unit of what is no
            reflectance ("ndvi"). NaN where nothing was observed; clouds are not removed, see :meth:`flags`.

        Raises
        ------
        BadInput
            If the scene has no such band, or a file is missing, truncated or damaged.
        OutsideGrid
            If the window does not lie inside the grid.
        """
        if THERMAL in names:
            raise BadInput(
                f"{self.name}: the thermal band holds kelvin, not reflectance. Ask for temperature_k()."
            )
        chosen = names or tuple(name for name in self.bands if name != THERMAL)
        target = grid or self.grid(*chosen)
        made = {band.name: self._placed(band, target, window, "1") for band in self._chosen(chosen)}
        return xr.Dataset(made)

    def temperature_k(self, grid: Grid | None = None, window: Cells | None = None) -> xr.DataArray:
        """Read the thermal band.

        Parameters
        ----------
        grid, window
            As of :meth:`reflectance`.

        Returns
        -------
        (y, x) float32, kelvin
            NaN where nothing was observed.

        Raises
        ------
        BadInput
            If the scene has no thermal band, or its file is missing, truncated or damaged.
        OutsideGrid
            If the window does not lie inside the grid.
        """
        (band,) = self._chosen((THERMAL,))
        return self._placed(band, grid or self.grid(THERMAL), window, "K")

    def flags(self, *names: str, grid: Grid | None = None, window: Cells | None = None) -> xr.DataArray:
        """Read what is wrong with each cell, in the one vocabulary of ``geo.flags.Flag``.

        Parameters
        ----------
        *names : str
            Bands whose saturation counts; all without one.
        grid : Grid, optional
            Where the result lies; without it, the finest native grid of these bands. Cells are the nearest.
        window : (row0, row1, col0, col1), optional
            Of that grid.

        Returns
        -------
        (y, x) uint8
            Bits of ``Flag``; FILL outside the scene. A scene without a quality layer knows FILL alone: where
            one of the bands has no value.

        Raises
        ------
        BadInput
            If the scene has no such band, or a file is missing, truncated or damaged.
        OutsideGrid
            If the window does not lie inside the grid.
        """
        bands = self._chosen(names or tuple(self.bands))
        target = grid or self.grid(*(band.name for band in bands))
        cells = window or _all_of(target)
        if self.quality is None:
            found = np.zeros((cells[1] - cells[0], cells[3] - cells[2]), np.uint8)
            for band in bands:
                found[np.isnan(self._values(band, target, cells))] |= np.uint8(Flag.FILL)
        else:
            found = self._meanings(self.quality, target, cells)
            wanted = self._saturation(self.quality, bands)
            if wanted and self.quality.saturation is not None:
                bits = self._quality_numbers(self.quality.saturation, 1, target, cells, np.uint16(0))
                found[(bits & wanted) != 0] |= np.uint8(Flag.SATURATED)
        return target.window(*cells).raster(found, name="flags")

    def numbers(self, name: str, window: Cells | None = None) -> NDArray[Any]:
        """Read the numbers of a band as they are stored, on its native grid.

        Parameters
        ----------
        name : str
        window : (row0, row1, col0, col1), optional
            Of the band's own grid; all without it.

        Returns
        -------
        (rows, columns) of the file's type
            ``bands[name]`` says scale, offset and nodata.

        Raises
        ------
        BadInput
            If the scene has no such band, or its file is missing, truncated or damaged.
        OutsideGrid
            If the window does not lie inside the band.
        """
        (band,) = self._chosen((name,))
        return pixels.numbers(band.source, band.position, window)

    def codes(self, window: Cells | None = None, *, like: str) -> NDArray[Any]:
        """Read the sensor's own quality codes on the native grid of a band, by the nearest cell.

        Parameters
        ----------
        window : (row0, row1, col0, col1), optional
            Of the grid of that band; all without it.
        like : str
            The band.

        Returns
        -------
        (rows, columns) uint8 or uint16
            ``quality.flags`` is the look-up table of their meaning.

        Raises
        ------
        BadInput
            If the scene has no quality layer or no such band, or the file is missing, truncated or damaged.
        OutsideGrid
            If the window does not lie inside the band.
        """
        if self.quality is None:
            raise BadInput(
                f"{self.name} has no quality layer, so clouds cannot be told from land. "
                "Choose another scene, or ask for flags(), which knows where there is no value."
            )
        grid = self.grid(like)
        return self._codes(self.quality, grid, window or _all_of(grid))

    def _chosen(self, names: Sequence[str]) -> list[Band]:
        missing = [name for name in names if name not in self.bands]
        if missing or not names:
            there = ", ".join(f"{name} ({band.native})" for name, band in self.bands.items())
            raise BadInput(
                f"{self.name} has no band {' or '.join(missing) or 'at all'}; it has {there or 'none'}. "
                "Choose among these, or complete the scene from its source."
            )
        return [self.bands[name] for name in names]

    def _values(self, band: Band, grid: Grid, window: Cells) -> NDArray[np.float32]:
        calibration = (band.scale, band.offset, band.nodata)
        return pixels.on_grid(
            pixels.grid_of(band.source),
            grid,
            window,
            lambda cells: pixels.calibrated(band.source, band.position, cells, calibration),
            np.float32(np.nan),
        )

    def _placed(self, band: Band, grid: Grid, window: Cells | None, units: str) -> xr.DataArray:
        cells = window or _all_of(grid)
        made = grid.window(*cells).raster(self._values(band, grid, cells), name=band.name)
        made.attrs |= {"units": units, "_FillValue": np.nan}  # as rio.write_nodata would on a copy
        return made

    @staticmethod
    def _meanings(quality: Quality, grid: Grid, window: Cells) -> NDArray[np.uint8]:
        dtype = quality.code_type
        return pixels.on_grid(
            pixels.grid_of(quality.source),
            grid,
            window,
            lambda cells: quality.flags[pixels.unsigned(quality.source, quality.position, cells, dtype)],
            np.uint8(Flag.FILL),
        )

    def _codes(self, quality: Quality, grid: Grid, window: Cells) -> NDArray[Any]:
        outside = quality.code_type.type(quality.fill_code)
        return self._quality_numbers(quality.source, quality.position, grid, window, outside)

    @staticmethod
    def _quality_numbers(
        source: str, position: int, grid: Grid, window: Cells, outside: np.unsignedinteger[Any]
    ) -> NDArray[Any]:
        return pixels.on_grid(
            pixels.grid_of(source),
            grid,
            window,
            lambda cells: pixels.unsigned(source, position, cells, outside.dtype),
            outside,
        )

    @staticmethod
    def _saturation(quality: Quality, bands: Sequence[Band]) -> int:
        wanted = quality.defects
        for band in bands:
            if band.name in quality.saturation_bits:
                wanted |= 1 << quality.saturation_bits[band.name]
        return wanted


def _all_of(grid: Grid) -> Cells:
    return 0, grid.shape[0], 0, grid.shape[1]
