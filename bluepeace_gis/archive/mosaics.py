"""Join tiles that tasks wrote one by one into one Cloud Optimized GeoTIFF, without holding it in memory.

A task writes its tile with :func:`write_part`; the tiles may have any size and some may be missing,
where nothing was observed. What :func:`join` makes of them depends on their values alone, so that the
same cells give the same bytes whatever the tiles.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.crs
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what closing a full file raises; public nowhere else
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from bluepeace_gis.archive import products
from bluepeace_gis.archive.rasters import BLOCK, cog_options
from bluepeace_gis.errors import BadInput, NotWritten
from bluepeace_gis.geo.grid import Grid

# GDAL's names of the numbers that rasters hold.
_TYPES: Final = {
    "uint8": "Byte",
    "int16": "Int16",
    "uint16": "UInt16",
    "int32": "Int32",
    "float32": "Float32",
}
PART_BLOCK: Final = 256
_LONGEST_STRIP_CELLS: Final = 1 << 21  # compared at once when the result is read back


@dataclass(frozen=True)
class Part:
    """A tile on the disk: its first row and column in the whole raster, its size, its file."""

    row: int
    column: int
    rows: int
    columns: int
    file: Path


def write_part(values: NDArray[Any], path: Path | str) -> Path:
    """Write one tile as a plain GeoTIFF, quickly; it is read by :func:`join` and :func:`read_part` only.

    Parameters
    ----------
    values : (bands, rows, columns)
    path : path

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    NotWritten
        If it cannot be written or reads back other values.
    """
    return write_strips([values], values.shape, values.dtype.name, path)


def write_strips(
    strips: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: str, path: Path | str
) -> Path:
    """Write a tile whose rows come strip by strip, from the north.

    Parameters
    ----------
    strips : arrays (bands, some rows, columns)
        Together all rows.
    shape : (bands, rows, columns)
        Of the tile.
    dtype : str
    path : path

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    NotWritten
        If it cannot be written or reads back other values.
    """
    target = Path(path)
    bands, rows, columns = shape
    profile = {
        "driver": "GTiff",
        "count": bands,
        "height": rows,
        "width": columns,
        "dtype": dtype,
        "compress": "DEFLATE",
        "zlevel": 1,  # lives for minutes
        "predictor": 3 if np.dtype(dtype).kind == "f" else 2,
        "tiled": True,
        "blockxsize": PART_BLOCK,
        "blockysize": PART_BLOCK,
        "interleave": "band",
        "bigtiff": "IF_SAFER",
        # the mosaic knows where it lies; any place keeps rasterio from warning that it has none
        "transform": Affine(2, 0, 0, 0, -2, 0),
    }
    sums: list[tuple[Window, int]] = []
    try:
        with rasterio.open(target, "w", **profile) as sink:
            row = 0
            for strip in strips:
                window = Window(0, row, columns, strip.shape[1])
                sink.write(strip, window=window)
                sums.append((window, _sum(strip)))
                row += strip.shape[1]
        same = row == rows and all(_sum(read_part(target, window)) == expected for window, expected in sums)
    except (RasterioIOError, CPLE_BaseError) as error:
        raise NotWritten(products.refusal(error, target)) from error
    if not same:
        raise NotWritten(
            f"{target} reads back other values than were written. The disk may be full or failing."
        )
    return target


def _sum(values: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data)


def read_part(path: Path | str, window: Window) -> NDArray[Any]:
    """Read a window of a tile.

    Parameters
    ----------
    path : path
        Written by :func:`write_part` or :func:`write_strips`.
    window : rasterio.windows.Window
        In the tile's own cells.

    Returns
    -------
    (bands, rows, columns)
        Of its type.

    Raises
    ------
    BadInput
        If the file is gone or truncated.
    """
    try:
        with rasterio.open(path) as file:
            values: NDArray[Any] = file.read(window=window)
    except (RasterioIOError, CPLE_BaseError) as error:
        raise BadInput(f"The tile {path} cannot be read: {error}. Make it again.") from error
    return values


def join(
    parts: Sequence[Part],
    grid: Grid,
    path: Path | str,
    *,
    dtype: str,
    descriptions: Sequence[str],
    nodata: float | None = None,
    average: bool | None = None,
) -> Path:
    """Join tiles into one Cloud Optimized GeoTIFF, read it back, and only then give it its name.

    Parameters
    ----------
    parts : list of Part
        Inside ``grid``, without overlap; cells of no part are nodata (0 without a nodata value).
    grid : Grid
        Of the whole raster, rows from north to south.
    path : path
        Ends with .tif.
    dtype : str
        uint8, int16, uint16, int32 or float32, that of every part.
    descriptions : list of str
        A name for each band; their number is that of the bands.
    nodata : float, optional
        NaN is taken for floats.
    average : bool, optional
        Whether the overviews are averages, which is taken for floats, or the nearest cell.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    NotWritten
        If what was read back differs from the parts, or the place cannot be written.
    BadInput
        If a part is gone, truncated or does not lie in the grid.
    """
    target = Path(path)
    floats = np.dtype(dtype).kind == "f"
    if nodata is None and floats:
        nodata = np.nan
    _check(parts, grid)
    options = cog_options(average=floats if average is None else average)
    with products.replacing(target) as part:
        # beside the result, so that its folder alone must be writable
        virtual = part.with_suffix(".vrt")
        virtual.write_text(_virtual(parts, grid, dtype, descriptions, nodata), encoding="utf-8")
        try:
            rasterio.shutil.copy(str(virtual), str(part), **options)
            _compare(virtual, part)
        except (RasterioIOError, CPLE_BaseError) as error:
            raise NotWritten(products.refusal(error, target)) from error
        finally:
            virtual.unlink(missing_ok=True)
    return target


def virtual(
    parts: Sequence[Part],
    grid: Grid,
    path: Path | str,
    *,
    dtype: str,
    descriptions: Sequence[str],
    nodata: float | None = None,
) -> Path:
    """Join tiles into a virtual raster, which is read like any other while the tiles are there.

    Parameters
    ----------
    parts, grid, dtype, descriptions, nodata
        As of :func:`join`.
    path : path
        Ends with .vrt.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    NotWritten
        If the place cannot be written.
    BadInput
        If a part is gone, truncated or does not lie in the grid.
    """
    _check(parts, grid)
    with products.replacing(path) as part:
        part.write_text(_virtual(parts, grid, dtype, descriptions, nodata), encoding="utf-8")
    return Path(path)


def _check(parts: Sequence[Part], grid: Grid) -> None:
    rows, columns = grid.shape
    for part in parts:
        inside = part.row >= 0 and part.column >= 0
        if not (inside and part.row + part.rows <= rows and part.column + part.columns <= columns):
            raise BadInput(
                f"The tile {part.file.name} covers rows {part.row} to {part.row + part.rows} and columns "
                f"{part.column} to {part.column + part.columns} of a raster of {rows} x {columns} cells. "
                "Make it again."
            )
        try:
            with rasterio.open(part.file) as file:
                shape = file.shape
        except RasterioIOError as error:
            raise BadInput(f"The tile {part.file} cannot be read: {error}. Make it again.") from error
        if shape != (part.rows, part.columns):
            raise BadInput(
                f"The tile {part.file.name} has {shape[0]} x {shape[1]} cells; expected {part.rows} x "
                f"{part.columns}. Make it again."
            )


def _virtual(
    parts: Sequence[Part], grid: Grid, dtype: str, descriptions: Sequence[str], nodata: float | None
) -> str:
    """Describe the whole raster as GDAL's virtual one: which file holds which of its windows."""
    rows, columns = grid.shape
    transform = ", ".join(f"{number!r}" for number in grid.transform.to_gdal())
    lines = [
        f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}">',
        f"  <SRS>{escape(grid.crs.to_wkt())}</SRS>",
        f"  <GeoTransform>{transform}</GeoTransform>",
    ]
    for band, description in enumerate(descriptions, start=1):
        lines.append(f'  <VRTRasterBand dataType="{_TYPES[dtype]}" band="{band}">')
        lines.append(f"    <Description>{escape(description)}</Description>")
        if nodata is not None:
            lines.append(f"    <NoDataValue>{nodata:.17g}</NoDataValue>")
        for part in parts:
            file = escape(str(part.file.absolute()))
            size = f'xSize="{part.columns}" ySize="{part.rows}"'
            lines += [
                "    <SimpleSource>",
                f'      <SourceFilename relativeToVRT="0">{file}</SourceFilename>',
                f"      <SourceBand>{band}</SourceBand>",
                f'      <SrcRect xOff="0" yOff="0" {size}/>',
                f'      <DstRect xOff="{part.column}" yOff="{part.row}" {size}/>',
                "    </SimpleSource>",
            ]
        lines.append("  </VRTRasterBand>")
    return "\n".join([*lines, "</VRTDataset>", ""])


def _compare(virtual: Path, made: Path) -> None:
    """Compare the result with its parts, strip by strip."""
    with rasterio.open(virtual) as expected, rasterio.open(made) as found:
        same = (expected.count, expected.shape, expected.dtypes, expected.crs) == (
            found.count,
            found.shape,
            found.dtypes,
            found.crs,
        )
        if not (same and found.transform.almost_equals(expected.transform)):
            raise NotWritten(f"{made} reads back as another raster than was written. Check the disk.")
        height = max(BLOCK, _LONGEST_STRIP_CELLS // (found.width * found.count) // BLOCK * BLOCK)
        for top in range(0, found.height, height):
            strip = Window(0, top, found.width, min(height, found.height - top))
            values = expected.read(window=strip)
            if not np.array_equal(found.read(window=strip), values, equal_nan=values.dtype.kind == "f"):
                raise NotWritten(
                    f"{made} reads back other values than were written, from row {top} on. "
                    f"The disk may be full or failing: check it or choose another {products.PLACE}."
                )
