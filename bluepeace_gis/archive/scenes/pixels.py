"""Read windows of rasters inside folders and archives, calibrated, on their own grid or on any other.

What is slow is done once: each thread keeps its datasets open, so that GDAL's block cache holds decoded
blocks (a JPEG 2000 block takes ten times as long as one of a COG) from one window to the next.

What a window holds does not depend on how a grid is cut into windows: resampling works on fixed chunks
of the target grid, whatever window is asked for.
"""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio._err import CPLE_BaseError  # what a damaged block raises; public nowhere else
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.windows import Window
from shapely import Polygon

from bluepeace_gis.archive.scenes import containers
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.align import onto
from bluepeace_gis.geo.crs import horizontal, same_crs
from bluepeace_gis.geo.grid import Grid, apply

Cells = tuple[int, int, int, int]
"""A window: row0, row1, col0, col1; the rows row0 to row1 - 1, the columns col0 to col1 - 1."""

# Open datasets a thread keeps: a stack of scenes reads a red, a near-infrared and a quality file each.
# Systems allow 1024 open files, and a few threads share them.
OPEN_DATASETS: Final = 96
# Cells of the target grid that are resampled at once; a constant of the method, since it fixes
# which source cells GDAL is shown. It is the block of the COGs written later.
CHUNK: Final = 512
# Grids whose cells lie this much of a cell apart are read cell by cell: 3 cm at 30 m, where no sensor
# is located to better than 3 m.
SAME_CELLS: Final = 1e-3
_MARGIN_CELLS: Final = 2  # bilinear needs one neighbour; one more for the rounding of the places
_EDGE_PLACES: Final = 17  # along each edge of a chunk, to find what it covers in the source

_REMEMBERED: Final = 1 << 17  # files whose blocks need not be counted again

_OPTIONS: Final = {
    # side files are asked for by name; a folder of 100,000 files is not listed at every opening
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    # GDAL 3.10 decodes several blocks of a JPEG 2000 file in threads of its own, and without a word gives
    # zeros for those that are damaged or cut off; in the thread that asks, they are an error.
    "GDAL_NUM_THREADS": "1",
}
_WGS_84: Final = CRS.from_epsg(4326)

_opened = threading.local()
_found_whole: set[tuple[str, Any]] = set()


def _identity(source: str) -> tuple[int, int] | None:
    """Tell whether the file behind a source is still the one that was opened."""
    file = containers.file_of(source)
    if file is None:
        return None
    try:
        status = file.stat()
    except OSError as error:
        raise BadInput(
            f"{file} cannot be read: {error.strerror}. It was there when the scene was opened; "
            "index the archive again."
        ) from error
    return status.st_mtime_ns, status.st_size


def dataset(source: str) -> Any:
    """Open a raster, or take the one this thread has open already.

    Parameters
    ----------
    source : str
        What GDAL opens.

    Returns
    -------
    rasterio.DatasetReader
        Of this thread alone. It is closed when 96 others were asked for since.

    Raises
    ------
    BadInput
        If it cannot be opened, has no place on Earth, or was never finished.
    """
    if getattr(_opened, "process", None) != os.getpid():
        # A forked process shares the file positions of its parent, which would move under its reads.
        _opened.process, _opened.datasets = os.getpid(), OrderedDict()
    datasets: OrderedDict[str, tuple[Any, Any]] = _opened.datasets
    identity = _identity(source)
    kept = datasets.get(source)
    if kept is not None and kept[0] == identity:
        datasets.move_to_end(source)
        return kept[1]
    if kept is not None:
        datasets.pop(source)[1].close()
    opened = _open(source)
    _check_blocks(opened, source, identity)
    datasets[source] = (identity, opened)
    while len(datasets) > OPEN_DATASETS:
        datasets.popitem(last=False)[1][1].close()
    return opened


def close_all() -> None:
    """Close what this thread has open, so that files can be moved or deleted (Windows)."""
    for _, opened in getattr(_opened, "datasets", OrderedDict()).values():
        opened.close()
    _opened.datasets = OrderedDict()


def _open(source: str) -> Any:
    try:
        with rasterio.Env(**_OPTIONS):
            opened = rasterio.open(source)
    except (RasterioError, CPLE_BaseError) as error:
        raise _unreadable(source, error) from error
    except NotGeoreferencedWarning as error:  # where warnings are errors
        raise _nowhere(source) from error
    if opened.transform.is_identity or not opened.crs:
        opened.close()
        raise _nowhere(source)
    return opened


def _reading(file: Any) -> contextlib.AbstractContextManager[Any]:
    """Give the surroundings of a read: a JPEG 2000 driver asks for its threads when it reads, not before."""
    return rasterio.Env(**_OPTIONS) if file.driver.startswith("JP2") else contextlib.nullcontext()


def _nowhere(source: str) -> BadInput:
    return BadInput(
        f"{containers.spoken(source)} does not say where on Earth its cells lie; a CRS and a geotransform "
        "were expected. Copy it again, or georeference it: gdal_edit.py -a_srs EPSG:CODE -a_ullr W N E S."
    )


def _unreadable(source: str, error: BaseException) -> BadInput:
    cause = " ".join(str(error.__cause__ or error).split()).rstrip(".")
    return BadInput(
        f"{containers.spoken(source)} cannot be read: {cause}. It is truncated, damaged or no raster; "
        "copy it again from its source."
    )


def _check_blocks(file: Any, source: str, identity: Any) -> None:
    """Find what a killed writer left: GDAL reads blocks that were never written as nodata, or as zeros."""
    if file.driver != "GTiff" or file.count == 0 or (source, identity) in _found_whole:
        return
    height, width = file.block_shapes[0]
    rows, columns = -(-file.height // height), -(-file.width // width)
    absent = sum(
        file.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1) is None
        for row in range(rows)
        for column in range(columns)
    )
    if absent == rows * columns or (absent and file.nodata is None):
        file.close()
        raise BadInput(
            f"{containers.spoken(source)} was never finished: {absent} of {rows * columns} blocks were not "
            "written and would be read as zeros. Copy it again from its source."
        )
    if len(_found_whole) >= _REMEMBERED:
        _found_whole.clear()
    _found_whole.add((source, identity))


def grid_of(source: str) -> Grid:
    """Read where the cells of a raster lie, from its own header.

    Parameters
    ----------
    source : str
        What GDAL opens.

    Returns
    -------
    Grid
    """
    return _grid_of(source, _identity(source))


@lru_cache(maxsize=4096)
def _grid_of(source: str, identity: Any) -> Grid:  # noqa: ARG001  # read again if the file changed
    file = dataset(source)
    return Grid(_crs(file.crs.to_wkt(), containers.spoken(source)), file.transform, (file.height, file.width))


@lru_cache(maxsize=256)
def _crs(wkt: str, what: str) -> CRS:
    return horizontal(wkt, what)


def block_shape(source: str, position: int) -> tuple[int, int]:
    """Give the rows and columns that are decoded together.

    Parameters
    ----------
    source : str
    position : int, from 1

    Returns
    -------
    rows, columns : int
    """
    rows, columns = dataset(source).block_shapes[position - 1]
    return int(rows), int(columns)


def numbers(source: str, position: int, window: Cells | None = None) -> NDArray[Any]:
    """Read the numbers of a window as they are stored.

    Parameters
    ----------
    source : str
    position : int, from 1
    window : (row0, row1, col0, col1), optional
        Everything without it.

    Returns
    -------
    (row1 - row0, col1 - col0) of the file's type

    Raises
    ------
    OutsideGrid
        If the window does not lie inside the raster.
    BadInput
        If the file is truncated or damaged, or has no such band.
    """
    file = dataset(source)
    require_band(source, position)
    row0, row1, col0, col1 = window or (0, file.height, 0, file.width)
    if not (0 <= row0 < row1 <= file.height and 0 <= col0 < col1 <= file.width):
        raise OutsideGrid(
            f"The window of rows {row0} to {row1} and columns {col0} to {col1} does not lie inside "
            f"{containers.spoken(source)}, which has {file.height} rows and {file.width} columns."
        )
    try:
        with _reading(file):
            values: NDArray[Any] = file.read(position, window=Window(col0, row0, col1 - col0, row1 - row0))
    except (RasterioIOError, CPLE_BaseError) as error:
        raise _unreadable(source, error) from error
    return values


def require_band(source: str, position: int) -> None:
    """Make sure that a raster has a band.

    Parameters
    ----------
    source : str
    position : int, from 1

    Raises
    ------
    BadInput
        If it has fewer.
    """
    count = dataset(source).count
    if not 1 <= position <= count:
        raise BadInput(
            f"{containers.spoken(source)} has no band {position}: bands 1 to {count} were expected. "
            "Choose one of them."
        )


def subdatasets(source: str) -> tuple[str, ...]:
    """List the rasters inside a container of GDAL's own, such as a .hdf, by the names that open them."""
    try:
        with rasterio.Env(**_OPTIONS), rasterio.open(source) as file:
            return tuple(file.subdatasets)
    except (RasterioError, CPLE_BaseError) as error:
        raise _unreadable(source, error) from error


def _known_by_mask(source: str, position: int, window: Cells) -> NDArray[np.bool_] | None:
    """Read the file's own mask (a nodata tag, an alpha band, a mask file); None if it has none."""
    file = dataset(source)
    if MaskFlags.all_valid in file.mask_flag_enums[position - 1]:
        return None
    row0, row1, col0, col1 = window
    try:
        with _reading(file):
            mask = file.read_masks(position, window=Window(col0, row0, col1 - col0, row1 - row0))
    except (RasterioIOError, CPLE_BaseError) as error:
        raise _unreadable(source, error) from error
    known: NDArray[np.bool_] = mask > 0
    return known


@lru_cache(maxsize=64)
def _calibration(kind: str, scale: float, offset: float, nodata: float | None) -> NDArray[np.float32]:
    """Calibrate every number an 8- or 16-bit type has: exact to the last digit, and quick to look up."""
    dtype = np.dtype(kind)
    codes = np.arange(1 << (8 * dtype.itemsize), dtype=f"uint{8 * dtype.itemsize}").view(dtype)
    values = codes.astype(np.float64) * scale + offset
    if nodata is not None:
        values[codes.astype(np.float64) == nodata] = np.nan
    table = values.astype(np.float32)
    table.flags.writeable = False
    return table


def calibrated(
    source: str,
    position: int,
    window: Cells,
    calibration: tuple[float, float, float | None],
) -> NDArray[np.float32]:
    """Read a window in its unit: number * scale + offset, rounded once from float64; NaN where nodata.

    Parameters
    ----------
    source : str
    position : int, from 1
    window : (row0, row1, col0, col1)
    calibration : (scale, offset, nodata)
        Without nodata, the file's own mask decides.

    Returns
    -------
    (row1 - row0, col1 - col0) float32
    """
    scale, offset, nodata = calibration
    raw = numbers(source, position, window)
    if raw.dtype.kind in "iu" and raw.dtype.itemsize <= 2:
        table = _calibration(raw.dtype.str, scale, offset, nodata)
        # "clip" saves the check of every index; each of them is in the table
        values = table.take(raw.view(f"uint{8 * raw.dtype.itemsize}"), mode="clip")
    else:
        values = np.empty(raw.shape, np.float32)
        for row in range(0, raw.shape[0], CHUNK):  # float64 of a strip only
            part = raw[row : row + CHUNK].astype(np.float64)
            if nodata is not None:
                # a float file keeps its nodata as the nearest float32
                part[raw[row : row + CHUNK] == np.asarray(nodata).astype(raw.dtype)] = np.nan
            part[~np.isfinite(part)] = np.nan
            values[row : row + CHUNK] = part * scale + offset
    if nodata is None:
        known = _known_by_mask(source, position, window)
        if known is not None:
            values[~known] = np.nan
    return values


def unsigned(source: str, position: int, window: Cells, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read codes as indices of their look-up table: -1 of a signed byte is 255.

    Parameters
    ----------
    source : str
    position : int, from 1
    window : (row0, row1, col0, col1)
    dtype : uint8 or uint16
        What the table has an entry for.

    Returns
    -------
    (row1 - row0, col1 - col0) of ``dtype``

    Raises
    ------
    BadInput
        If there are codes beyond, or numbers that are no codes.
    """
    raw = numbers(source, position, window)
    if raw.dtype == dtype:
        return raw
    if raw.dtype.kind == "i" and raw.dtype.itemsize == dtype.itemsize:
        return raw.view(dtype)
    codes = raw.astype(dtype)
    if not ((codes == raw) | (codes.view(f"int{8 * dtype.itemsize}") == raw)).all():
        raise BadInput(
            f"{containers.spoken(source)} holds {raw.dtype} from {raw.min()} to {raw.max()}; quality codes "
            f"of {8 * dtype.itemsize} bits were expected. Name the raster of the quality codes."
        )
    return codes


def on_grid(
    native: Grid,
    grid: Grid,
    window: Cells,
    read: Callable[[Cells], NDArray[Any]],
    outside: np.generic,
) -> NDArray[Any]:
    """Read a window of any grid from a raster that lies on another.

    Parameters
    ----------
    native : Grid
        Of the raster.
    grid : Grid
        On which ``window`` is counted.
    window : (row0, row1, col0, col1)
    read : function
        Gives the values of a window of ``native``: floats are resampled bilinear, NaN being unknown,
        whole numbers by the nearest cell.
    outside : number of the type that ``read`` gives
        Where the raster does not reach: NaN for floats.

    Returns
    -------
    (row1 - row0, col1 - col0)

    Raises
    ------
    OutsideGrid
        If the window does not lie inside ``grid``.

    Notes
    -----
    Where both grids have the same cells, those are copied: the scenes of one Landsat path and row, and all
    of one UTM zone, lie on one lattice.
    """
    rows, columns = grid.shape
    row0, row1, col0, col1 = window
    if not (0 <= row0 < row1 <= rows and 0 <= col0 < col1 <= columns):
        raise OutsideGrid(
            f"The window of rows {row0} to {row1} and columns {col0} to {col1} does not lie inside the grid "
            f"of {rows} x {columns} cells."
        )
    if native is grid:
        return read(window)
    shift = _shift(native, grid)
    if shift is not None:
        return _copied(native, window, shift, read, outside)
    if outside.dtype.kind != "f" and _parallel(native, grid):
        return _nearest(native, grid, window, read, outside)
    made = np.full((row1 - row0, col1 - col0), outside)
    for top in range(row0 // CHUNK * CHUNK, row1, CHUNK):
        for left in range(col0 // CHUNK * CHUNK, col1, CHUNK):
            chunk = (top, min(top + CHUNK, rows), left, min(left + CHUNK, columns))
            values = _warped(native, grid, chunk, read, outside)
            if values is None:
                continue
            up, down = max(chunk[0], row0), min(chunk[1], row1)
            west, east = max(chunk[2], col0), min(chunk[3], col1)
            made[up - row0 : down - row0, west - col0 : east - col0] = values[
                up - top : down - top, west - left : east - left
            ]
    return made


def _shift(native: Grid, grid: Grid) -> tuple[int, int] | None:
    """Count the rows and columns by which ``grid`` begins further on; None if its cells lie between."""
    if not same_plane(native.crs, grid.crs):
        return None
    places = ~native.transform
    origin = np.array(apply(places, *apply(grid.transform, 0.0, 0.0)))
    whole = np.rint(origin)
    rows, columns = (float(size) for size in grid.shape)
    for corner in ((0.0, 0.0), (columns, 0.0), (0.0, rows), (columns, rows)):
        place = np.array(apply(places, *apply(grid.transform, *corner)))
        if np.abs(place - whole - corner).max() > SAME_CELLS:
            return None
    return int(whole[1]), int(whole[0])


@lru_cache(maxsize=1024)
def same_plane(one: CRS, other: CRS) -> bool:
    """Tell whether two CRSs give the same coordinates to a place; returns what ``geo.crs.same_crs`` does."""
    return same_crs(one, other)


def _copied(
    native: Grid,
    window: Cells,
    shift: tuple[int, int],
    read: Callable[[Cells], NDArray[Any]],
    outside: np.generic,
) -> NDArray[Any]:
    row0, row1, col0, col1 = window
    down, right = shift
    top, bottom = max(row0 + down, 0), min(row1 + down, native.shape[0])
    left, east = max(col0 + right, 0), min(col1 + right, native.shape[1])
    if top >= bottom or left >= east:
        return np.full((row1 - row0, col1 - col0), outside)
    values = read((top, bottom, left, east))
    if values.shape == (row1 - row0, col1 - col0):
        return values
    made = np.full((row1 - row0, col1 - col0), outside)
    made[top - down - row0 : bottom - down - row0, left - right - col0 : east - right - col0] = values
    return made


def _parallel(native: Grid, grid: Grid) -> bool:
    """Tell whether rows and columns of both run alike in one plane, so that each is found by itself."""
    turned = [part for t in (native.transform, grid.transform) for part in (t.b, t.d)]
    return not any(turned) and same_plane(native.crs, grid.crs)


def _nearest(
    native: Grid,
    grid: Grid,
    window: Cells,
    read: Callable[[Cells], NDArray[Any]],
    outside: np.generic,
) -> NDArray[Any]:
    """Take for each cell the one its centre lies in; a centre on an edge belongs to the later cell."""
    row0, row1, col0, col1 = window
    mine, other = native.transform, grid.transform
    y = other.f + other.e * (np.arange(row0, row1) + 0.5)
    x = other.c + other.a * (np.arange(col0, col1) + 0.5)
    row = np.floor((y - mine.f) / mine.e + SAME_CELLS).astype(np.int64)
    column = np.floor((x - mine.c) / mine.a + SAME_CELLS).astype(np.int64)
    rows = np.flatnonzero((row >= 0) & (row < native.shape[0]))
    columns = np.flatnonzero((column >= 0) & (column < native.shape[1]))
    made = np.full((row1 - row0, col1 - col0), outside)
    if rows.size and columns.size:
        row, column = row[rows], column[columns]
        top, left = int(row.min()), int(column.min())
        values = read((top, int(row.max()) + 1, left, int(column.max()) + 1))
        made[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = values[row - top][:, column - left]
    return made


def _warped(
    native: Grid, grid: Grid, chunk: Cells, read: Callable[[Cells], NDArray[Any]], outside: np.generic
) -> NDArray[Any] | None:
    """Warp what a chunk of ``grid`` covers of ``native``; None if it covers nothing."""
    covered = _covered(native, grid, chunk)
    if covered is None:
        return None
    raster = native.window(*covered).raster(read(covered))
    if outside.dtype.kind != "f":
        raster.attrs["_FillValue"] = outside.item()  # as rio.write_nodata would on a copy
    try:
        warped: NDArray[Any] = onto(raster, grid.window(*chunk)).to_numpy()
    except OutsideGrid:
        return None
    return warped


def _covered(native: Grid, grid: Grid, chunk: Cells) -> Cells | None:
    """Find the window of ``native`` that a chunk of ``grid`` lies on, with a margin."""
    row0, row1, col0, col1 = chunk
    row, column = (
        axis.ravel()
        for axis in np.meshgrid(
            np.linspace(row0, row1, _EDGE_PLACES), np.linspace(col0, col1, _EDGE_PLACES), indexing="ij"
        )
    )
    x, y = apply(grid.transform, column, row)
    if not same_plane(grid.crs, native.crs):
        x, y = _transformer(grid.crs, native.crs).transform(x, y)
    column, row = apply(~native.transform, np.asarray(x), np.asarray(y))
    known = np.isfinite(column) & np.isfinite(row)
    if not known.any():
        return None
    column, row = column[known], row[known]
    # where the target's cells are larger, a wider kernel reaches further; the places in between may bulge
    reach_rows = _MARGIN_CELLS + int(np.ceil(2 * np.ptp(row) / (row1 - row0)))
    reach_columns = _MARGIN_CELLS + int(np.ceil(2 * np.ptp(column) / (col1 - col0)))
    rows, columns = native.shape
    window = (
        max(int(np.floor(row.min())) - reach_rows, 0),
        min(int(np.ceil(row.max())) + reach_rows, rows),
        max(int(np.floor(column.min())) - reach_columns, 0),
        min(int(np.ceil(column.max())) + reach_columns, columns),
    )
    return window if window[0] < window[1] and window[2] < window[3] else None


@lru_cache(maxsize=256)
def _transformer(source: CRS, target: CRS) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def crs_name(grid: Grid) -> str:
    """Name the CRS of a grid by its code, or by its WKT if it has none."""
    return _crs_name(grid.crs)


@lru_cache(maxsize=256)
def _crs_name(crs: CRS) -> str:
    code = crs.to_authority(min_confidence=100)
    return crs.to_wkt() if code is None else ":".join(code)


def footprint(grid: Grid) -> Polygon:
    """Outline a grid in longitude and latitude (WGS 84), its edges bent as they are on the Earth.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    Polygon
        East of the date line longitudes go on beyond 180 degrees.

    Raises
    ------
    BadInput
        If a corner has no place on the Earth.
    """
    rows, columns = (float(size) for size in grid.shape)
    along = np.linspace(0.0, 1.0, _EDGE_PLACES)[:-1]
    column = np.concatenate([along, np.ones_like(along), 1 - along, np.zeros_like(along)]) * columns
    row = np.concatenate([np.zeros_like(along), along, np.ones_like(along), 1 - along]) * rows
    longitude, latitude = _transformer(grid.crs, _WGS_84).transform(*apply(grid.transform, column, row))
    known = np.isfinite(longitude) & np.isfinite(latitude)
    if known.sum() < 3:
        raise BadInput(f"{grid} lies nowhere on the Earth; coordinates in its CRS were expected.")
    longitude, latitude = longitude[known], latitude[known]
    if np.ptp(longitude) > 180:
        longitude = longitude % 360
    return Polygon(np.column_stack([longitude, latitude]))
