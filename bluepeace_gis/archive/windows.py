"""Windows of any raster on any grid: what is not the archive's own, elevations, rain, maps of classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.archive import rasters
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid

OUTSIDE: Final = 255

Cells = tuple[int, int, int, int]
Singles = NDArray[np.float32]
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Raster:
    """A raster on the disk.

    Parameters
    ----------
    path : Path
    grid : Grid
    bands : int
    descriptions : (bands,) str
        Empty where a band has none.
    """

    path: Path
    grid: Grid
    bands: int
    descriptions: tuple[str, ...]

    def floats(self, band: int, grid: Grid, window: Cells | None = None) -> Singles:
        """Read a window of a grid in the unit of the file's tags.

        Parameters
        ----------
        band : int, from 1
        grid : Grid
            Any; bilinear where its cells are others.
        window : (row0, row1, column0, column1)
            On ``grid``; all of it without one.

        Returns
        -------
        (row1 - row0, column1 - column0) float32
            NaN where nothing is known: nodata, beyond the raster, and -32768, -9999 and -99999 where the
            file names no nodata.

        Raises
        ------
        BadInput
            If the file is damaged there.
        """

        def read(cells: Cells) -> Singles:
            file = pixels.dataset(str(self.path))
            scale, offset, nodata = file.scales[band - 1], file.offsets[band - 1], file.nodatavals[band - 1]
            values = pixels.calibrated(str(self.path), band, cells, (1.0, 0.0, nodata))
            if nodata is None:
                values[np.isin(values, rasters.VOID_VALUES)] = np.nan
            values[np.abs(values) >= rasters.VOID_FROM] = np.nan
            return (values * np.float32(scale) + np.float32(offset)).astype(np.float32)

        return pixels.on_grid(self.grid, grid, window or _whole(grid), read, np.float32(np.nan))

    def codes(self, band: int, grid: Grid, window: Cells | None = None) -> Codes:
        """Read classes in a window of a grid, by the nearest cell; 255 beyond the raster."""
        source = str(self.path)
        return pixels.on_grid(
            self.grid, grid, window or _whole(grid),
            lambda cells: pixels.numbers(source, band, cells), np.uint8(OUTSIDE),
        )  # fmt: skip


def open_raster(path: Path | str) -> Raster:
    """Open a raster: its header alone.

    Parameters
    ----------
    path : path
        A file of any format of GDAL.

    Returns
    -------
    Raster

    Raises
    ------
    UnknownCrs
        If it names no coordinate reference system.
    BadInput
        If it is missing, damaged, or has no place on Earth.
    """
    place = Path(path)
    require_file(place)
    file: Any = pixels.dataset(str(place))
    if any(np.dtype(kind).kind not in "iuf" for kind in file.dtypes):
        raise BadInput(f"{place} holds {file.dtypes[0]} numbers; real ones were expected.")
    grid = pixels.grid_of(str(place))
    return Raster(place, grid, file.count, tuple(name or "" for name in file.descriptions))


def close_all() -> None:
    """Close what this thread has open, so that files can be moved or deleted."""
    pixels.close_all()


def _whole(grid: Grid) -> Cells:
    return 0, grid.shape[0], 0, grid.shape[1]
