"""Read any raster into one shape; write Cloud Optimized GeoTIFFs that were read back.

Whatever lies on the disk (integers with scale and offset, float64, rows from south to north, voids
tagged, masked or not marked at all) comes out as floats with NaN where nothing is known, rows from
north to south, and its coordinate reference system attached.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.crs
import rasterio.env
import xarray as xr
from affine import Affine
from rasterio._err import CPLE_BaseError  # what closing a full file raises; public nowhere else
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from bluepeace_gis.archive import products
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput, NotWritten, UnknownCrs
from bluepeace_gis.geo.crs import horizontal
from bluepeace_gis.geo.grid import Grid

log = logging.getLogger(__name__)

# Values that programs write where nothing is known and then forget to tag: the lowest 16-bit integer
# (SRTM), -9999 and -99999 (ESRI grids, HLS), the highest 16-bit integer in files of that type.
VOID_VALUES: Final = (-32768.0, -99999.0, -9999.0)
VOID_UINT16: Final = 65535.0
# Float rasters mark voids by their greatest number (3.4e38, 1.8e308) or ESRI's 1e30; nothing on
# Earth measures that much in any unit.
VOID_FROM: Final = 1e30
# An untagged -9999 among depths from -10000 to 8000 is a depth. It is taken for a void when it lies
# farther from the nearest other value than this share of what all the others span.
VOID_DISTANCE: Final = 0.25

BLOCK: Final = 512


def read(
    path: Path | str, band: int = 1, *, dtype: Literal["float32", "float64"] = "float32"
) -> xr.DataArray:
    """Read one band of a raster as floats with NaN where nothing is known.

    Parameters
    ----------
    path : path
        A file of any format of GDAL, or a GDAL name such as ``/vsizip/dem.zip/dem.tif``.
    band : int
        Position in the file, from 1.
    dtype : "float32" or "float64"
        Float64 input is rounded to float32 unless float64 is asked for.

    Returns
    -------
    DataArray (y, x)
        In the unit of the file's scale and offset tags; rows from north to south and columns from
        west to east, unless the raster is rotated, which is kept. ``.rio.crs`` and
        ``.rio.transform()`` are set.

    Raises
    ------
    UnknownCrs
        If the file names no coordinate reference system.
    BadInput
        If it is missing, empty, truncated or no raster, has no such band, holds no values or no place
        on Earth.

    Notes
    -----
    Unknown are: values equal to the nodata tag, cells that the file's own mask leaves out, NaN,
    anything from 1e30 on, and, with a warning, untagged -32768, -9999 and -99999 (and 65535 in 16-bit
    unsigned files) that lie farther from all other values than a quarter of what those span.
    """
    name = str(path)
    require_file(Path(path))
    try:
        with _reading(name) as source:
            _check(source, name, band)
            _check_size(source, name)
            raw = source.read(band)
            known = _known_by_tags(source, band)
            _check_blocks(source, name, band)
            scale, offset = source.scales[band - 1], source.offsets[band - 1]
            transform, wkt = source.transform, source.crs.to_wkt()
            description = source.descriptions[band - 1]
    except (RasterioIOError, CPLE_BaseError) as error:
        raise _unreadable(name, error) from error

    known &= _plausible(raw, known, name)
    if not known.any():
        raise BadInput(
            f"{name}, band {band}, holds no values: every cell is nodata. Choose another band or file."
        )
    values = np.full(raw.shape, np.nan, dtype=dtype)
    if (scale, offset) == (1.0, 0.0):
        values[known] = raw[known]
    else:
        values[known] = raw[known].astype(np.float64) * scale + offset
    values, transform = _north_up(values, transform)
    grid = Grid(horizontal(wkt, name), transform, values.shape)
    array = grid.raster(values, name=description or Path(name).stem)
    return array.rio.write_nodata(np.nan, encoded=False)  # type: ignore[no-any-return]


def shape_of(path: Path | str) -> tuple[int, int]:
    """Read how many rows and columns a raster has, from its header alone.

    Parameters
    ----------
    path : path
        As for :func:`read`.

    Returns
    -------
    rows, columns : int

    Raises
    ------
    BadInput
        If it is missing, empty or no raster.
    """
    name = str(path)
    require_file(Path(path))
    try:
        with _open(name) as source:
            return source.height, source.width
    except (RasterioIOError, CPLE_BaseError) as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: BaseException) -> BadInput:
    cause = error.__cause__ or error
    return BadInput(
        f"{name} cannot be read: {_one_line(cause)}. It is truncated, damaged or no raster; "
        "copy it again from its source."
    )


def _open(name: str) -> Any:
    with warnings.catch_warnings():
        # said by _check in one sentence
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(name)


@contextlib.contextmanager
def _reading(name: str) -> Iterator[Any]:
    """Open a raster so that what is damaged in it is an error.

    GDAL 3.10 decodes several blocks of a JPEG 2000 file in threads of its own, and without a word gives
    zeros for those that are damaged or cut off.
    """
    with rasterio.Env(GDAL_NUM_THREADS="1"), _open(name) as source:
        yield source


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _check(source: Any, name: str, band: int) -> None:
    if source.count == 0:
        parts = ", ".join(source.subdatasets[:8])
        raise BadInput(
            f"{name} is a container without a raster of its own. "
            + (f"Name one of its parts: {parts}." if parts else "Choose another file.")
        )
    if not 1 <= band <= source.count:
        raise BadInput(
            f"{name} has no band {band}: bands 1 to {source.count} were expected. Choose one of them."
        )
    if np.dtype(source.dtypes[band - 1]).kind == "c":
        raise BadInput(f"{name}, band {band}, holds complex numbers; real ones were expected.")
    if not source.crs:
        way_out = (
            f"gdal_edit.py -a_srs EPSG:CODE {Path(name).name}"
            if source.driver == "GTiff"
            else f"gdal_translate -a_srs EPSG:CODE {Path(name).name} {Path(name).stem}.tif"
        )
        raise UnknownCrs(
            f"{name} does not say its coordinate reference system, without which no area can be "
            f"stated. Find out its code and write it into the file: {way_out}"
        )
    if source.transform.is_identity:
        way_out = (
            "It is placed by control points only: warp it first, gdalwarp IN OUT.tif."
            if source.gcps[0]
            else "Write its corners into it: gdal_edit.py -a_ullr WEST NORTH EAST SOUTH."
        )
        raise BadInput(f"{name} does not say where on Earth its cells lie (no geotransform). {way_out}")


def _check_size(source: Any, name: str) -> None:
    """Find the truncated ENVI file: GDAL reads zeros behind its end without a word."""
    if source.driver != "ENVI" or not Path(name).is_file() or "file_compression" in source.tags(ns="ENVI"):
        return
    expected = source.height * source.width * sum(np.dtype(dtype).itemsize for dtype in source.dtypes)
    found = Path(name).stat().st_size
    if found < expected:
        raise BadInput(
            f"{name} is truncated: {found} bytes where {expected} were expected. "
            "Copy it again from its source."
        )


def _known_by_tags(source: Any, band: int) -> npt.NDArray[np.bool_]:
    """Which cells the nodata tag, the mask or the alpha band of the file calls known."""
    if MaskFlags.all_valid in source.mask_flag_enums[band - 1]:
        return np.ones(source.shape, dtype=np.bool_)
    known: npt.NDArray[np.bool_] = source.read_masks(band) > 0
    return known


def _check_blocks(source: Any, name: str, band: int) -> None:
    """Find the blocks that a killed writer left out: GDAL reads them as zeros without a word."""
    if source.driver != "GTiff" or name.startswith("/vsi") or source.nodata is not None:
        return
    height, width = source.block_shapes[band - 1]
    places = [
        (row, column)
        for row in range(-(-source.height // height))
        for column in range(-(-source.width // width))
    ]
    absent = sum(
        source.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band) is None
        for row, column in places
    )
    if absent == len(places):
        raise BadInput(
            f"{name} was never finished: none of its {absent} blocks was written. Make or copy it again."
        )
    if absent:
        log.warning(
            "%s: %d of %d blocks were never written and read as 0. "
            "If its writing was interrupted, make it again.",
            name,
            absent,
            len(places),
        )


def _plausible(raw: npt.NDArray[Any], known: npt.NDArray[np.bool_], name: str) -> npt.NDArray[np.bool_]:
    """Leave out NaN, numbers no measurement gives, and untagged void values far from all others."""
    plausible = np.ones(raw.shape, dtype=np.bool_)
    if raw.dtype.kind == "f":
        plausible &= np.isfinite(raw)
        huge = plausible & known & (np.abs(np.where(plausible, raw, 0)) >= VOID_FROM)
        if huge.any():
            plausible &= ~huge
            _warn_of_voids(name, float(raw[huge][0]), int(huge.sum()))

    suspects = VOID_VALUES if raw.dtype != np.uint16 else (VOID_UINT16,)
    found = {value: plausible & known & (raw == value) for value in suspects}
    found = {value: cells for value, cells in found.items() if cells.any()}
    if not found:
        return plausible
    others = plausible & known & ~np.logical_or.reduce(list(found.values()))
    low, high = (float(raw[others].min()), float(raw[others].max())) if others.any() else (np.nan, np.nan)
    for value, cells in found.items():
        distance = max(low - value, value - high)  # negative inside what the others span
        if not distance <= VOID_DISTANCE * (high - low):  # also where there are no others at all
            plausible &= ~cells
            _warn_of_voids(name, value, int(cells.sum()))
    return plausible


def _warn_of_voids(name: str, value: float, count: int) -> None:
    log.warning(
        "%s: %d cells hold %g, which is not tagged as nodata but lies far from all other values; "
        "they are treated as unknown. To settle it: gdal_edit.py -a_nodata %g",
        name,
        count,
        value,
        value,
    )


def _north_up(values: npt.NDArray[Any], transform: Affine) -> tuple[npt.NDArray[Any], Affine]:
    """Turn rows that run northwards and columns that run westwards; leave a rotated raster alone."""
    rows, columns = values.shape
    if transform.b != 0 or transform.d != 0:
        return values, transform
    if transform.e > 0:
        values = values[::-1]
        transform = Affine(transform.a, 0, transform.c, 0, -transform.e, transform.f + rows * transform.e)
    if transform.a < 0:
        values = values[:, ::-1]
        transform = Affine(-transform.a, 0, transform.c + columns * transform.a, 0, transform.e, transform.f)
    return np.ascontiguousarray(values), transform


@lru_cache(maxsize=1)
def keep_blocks(memory_mb: int) -> None:
    """Let GDAL keep decoded blocks in so much memory, in this process from now on.

    Its own choice, a twentieth of the machine's memory, would break the bound that a batch run was given.

    Parameters
    ----------
    memory_mb : int
        For all threads and files together.
    """
    # for good, not by rasterio.Env: threads that leave one would restore each other's values
    rasterio.env.set_gdal_config("GDAL_CACHEMAX", memory_mb << 20)  # bytes, other than in the environment


def preview(path: Path | str, most_cells: int) -> tuple[npt.NDArray[np.float32], Grid]:
    """Read a product of ours coarsely, from its overviews, for a picture.

    Parameters
    ----------
    path : path
        Written by :func:`write` or ``mosaics.join``.
    most_cells : int
        Along the longer side.

    Returns
    -------
    (bands, rows, columns) float32, NaN where nodata
    Grid
        Its cells are as much larger.

    Raises
    ------
    BadInput
        If it cannot be read.
    """
    try:
        with _reading(str(path)) as source:
            coarser = max(1.0, max(source.shape) / most_cells)
            shape = tuple(max(1, round(size / coarser)) for size in source.shape)
            numbers = source.read(out_shape=(source.count, *shape))
            nodata = source.nodata
            t = source.transform
            wide, high = source.width / shape[1], source.height / shape[0]
            coarse = Affine(t.a * wide, 0, t.c, 0, t.e * high, t.f)
            grid = Grid(horizontal(source.crs.to_wkt(), str(path)), coarse, shape)
    except (RasterioIOError, CPLE_BaseError) as error:
        raise BadInput(f"{path} cannot be read: {_one_line(error.__cause__ or error)}.") from error
    values = numbers.astype(np.float32)
    if nodata is not None:
        values[numbers == nodata] = np.nan
    return values, grid


def write(
    array: xr.DataArray,
    path: Path | str,
    *,
    nodata: float | None = None,
    categories: Mapping[int, str] | Sequence[Mapping[int, str]] | None = None,
    description: str | Sequence[str] = "",
) -> Path:
    """Write a raster as a Cloud Optimized GeoTIFF, read it back, and only then give it its name.

    Parameters
    ----------
    array : (y, x) or (band, y, x)
        With ``.rio.crs`` and a place on Earth (see ``Grid.of``); bool is stored as 0 and 1.
    path : path
        Ends with .tif.
    nodata : number, optional
        NaN is taken for floats; integers have none unless one is given.
    categories : {value: name}, one mapping for each band if there are several, optional
        Names of the classes 0 to 255; overviews then take the nearest cell instead of the average.
    description : str, one for each band if there are several
        Name of the band.

    Returns
    -------
    Path
        ``path``. The same array gives the same bytes.

    Raises
    ------
    NotWritten
        If what was read back differs from what was written, or the place cannot be written.
    UnknownCrs, BadInput
        If the array does not say where on Earth it lies.

    Notes
    -----
    GeoTIFF has no place for category names: GDAL and QGIS read them from ``NAME.tif.aux.xml``, which
    is written too.
    """
    target = Path(path)
    grid = Grid.of(array)
    values = np.asarray(array.values)
    values = values[np.newaxis] if values.ndim == 2 else values
    values = values.astype(np.uint8) if values.dtype == np.bool_ else values
    floats = values.dtype.kind == "f"
    if nodata is None and floats:
        nodata = np.nan
    names = [description] if isinstance(description, str) else list(description)
    classes = [categories] if isinstance(categories, Mapping) else list(categories or [])
    profile = {
        "count": values.shape[0],
        "height": grid.shape[0],
        "width": grid.shape[1],
        "dtype": values.dtype.name,
        "crs": rasterio.crs.CRS.from_wkt(grid.crs.to_wkt()),
        "transform": grid.transform,
        "nodata": nodata,
        **cog_options(average=floats and not classes),
    }
    with products.replacing(target) as part:
        try:
            # not onto the disk at once: GDAL's drivers tell of a full one on stderr, and seldom why
            with MemoryFile(ext=".tif") as memory:
                with memory.open(**profile) as sink:
                    sink.write(values)
                    for position, name in enumerate(names, start=1):
                        if name:
                            sink.set_band_description(position, name)
                part.write_bytes(memory.getbuffer())
            _read_back(part, values, profile)
        except (RasterioIOError, CPLE_BaseError) as error:
            raise NotWritten(products.refusal(error, target)) from error
        # GDAL would take an older file of this name for the new raster's
        side = target.with_name(target.name + ".aux.xml")
        side.unlink(missing_ok=True)
        if any(classes):
            with products.replacing(side) as part_of_side:
                part_of_side.write_text(_category_names(classes), encoding="utf-8")
    return target


def cog_options(*, average: bool) -> dict[str, Any]:
    """Name the options of GDAL's COG driver, so that every raster of the project is made alike.

    Parameters
    ----------
    average : bool
        Whether an overview's cell is the average of those it covers, or the nearest of them (classes,
        dates, counts).

    Returns
    -------
    {option: value}
    """
    return {
        "driver": "COG",
        "compress": "DEFLATE",  # read by every GDAL, ESRI and SNAP; ZSTD is not
        "predictor": "YES",
        "blocksize": BLOCK,
        "bigtiff": "IF_SAFER",
        "num_threads": "ALL_CPUS",  # to compress; the bytes are the same
        "overviews": "IGNORE_EXISTING",
        "overview_resampling": "AVERAGE" if average else "NEAREST",
    }


def _read_back(path: Path, values: npt.NDArray[Any], profile: Mapping[str, Any]) -> None:
    """Compare the file with what it should hold, value by value."""
    with rasterio.open(path) as file:
        same_nodata = np.array_equal(
            np.array([file.nodata], dtype=float), np.array([profile["nodata"]], dtype=float), equal_nan=True
        )
        found = (file.count, file.height, file.width, file.dtypes[0], file.crs)
        expected = (*values.shape, values.dtype.name, profile["crs"])
        if not (found == expected and same_nodata and file.transform.almost_equals(profile["transform"])):
            raise NotWritten(
                f"{path} reads back as {found}, not as {expected}. Check the disk or choose another place."
            )
        for position, top in _strips(values.shape):
            part = values[position, top : top + BLOCK]
            back = file.read(position + 1, window=Window(0, top, part.shape[1], part.shape[0]))
            if not np.array_equal(back, part, equal_nan=part.dtype.kind == "f"):
                raise NotWritten(
                    f"{path} reads back other values than were written, from row {top} on. "
                    "The disk may be full or failing: check it or choose another place."
                )


def _strips(shape: tuple[int, ...]) -> Iterable[tuple[int, int]]:
    bands, rows = shape[:2]
    return ((position, top) for position in range(bands) for top in range(0, rows, BLOCK))


def _category_names(classes: Sequence[Mapping[int, str]]) -> str:
    """Write the side file of GDAL: a list whose place in it is the value, so that gaps are empty."""
    lines = ["<PAMDataset>"]
    for position, names in enumerate(classes, start=1):
        if not names:
            continue
        lines.append(f'  <PAMRasterBand band="{position}">')
        lines.append("    <CategoryNames>")
        lines += [
            f"      <Category>{escape(names.get(value, ''))}</Category>" for value in range(max(names) + 1)
        ]
        lines += ["    </CategoryNames>", "  </PAMRasterBand>"]
    return "\n".join([*lines, "</PAMDataset>", ""])
