"""NDVI that others have prepared: rasters with a date for each band, and tables of fields.

Many agencies keep NDVI, of MODIS say, and no scenes. A date stands in the name of the band, in a list beside
the file (``NAME.dates.csv``), or in the name of a file of one date; numbers are NDVI or ten thousand times
NDVI, by the tags of the file or because nothing else is possible.
"""

import datetime as dt
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.archive import features
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels.normalized import NODATA, STEPS

log = logging.getLogger(__name__)

ENDINGS: Final = frozenset({".tif", ".tiff", ".vrt", ".img"})
PACKED: Final = frozenset({".gz"})
# What is written where nothing was seen, declared or not: MOD13 and MYD13 write -3000. As ten-thousandths
# these would be NDVI, but none of land.
FILLS: Final = (-3000.0, -9999.0)
# Cells along each side that are looked at to find the unit.
_LOOKED_AT: Final = 256
_BANDS_LOOKED_AT: Final = 5
# Of the cells that are known, so many must be NDVI: a few are not by any product.
_PLAUSIBLE_SHARE: Final = 0.99
# Land of any kind is this far from 0 somewhere; all smaller is another unit.
_LARGEST_LEAST: Final = 0.05

_DATES: Final = (
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<s>[-_./])(?P<m>[01]?\d)(?P=s)(?P<d>[0-3]?\d)(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)[-_.]?(?P<j>[0-3]\d\d)(?!\d)"),
)
_DAY: Final = re.compile(r"(?i)(?:ndvi[ _.-]*)?(?:x|doy|day|d)[ _.-]*(\d{1,3})|ndvi[ _.-]*(\d{1,3})")

Shorts = NDArray[np.int16]
Cells = tuple[int, int, int, int]


@dataclass(frozen=True)
class NdviBand:
    """One date of NDVI on the disk.

    Parameters
    ----------
    path : Path
    band : int
        From 1.
    date : date
    scale, offset : float
        NDVI is the number times ``scale`` plus ``offset``.
    nodata : float or None
    """

    path: Path
    band: int
    date: dt.date
    scale: float
    offset: float
    nodata: float | None

    @property
    def grid(self) -> Grid:
        """Where it lies."""
        return pixels.grid_of(str(self.path))

    def read(self, window: Cells) -> Shorts:
        """Read a window (row0, row1, column0, column1) in ten-thousandths, -32768 where not observed."""
        raw = pixels.numbers(str(self.path), self.band, window)
        return in_steps(raw, self.scale, self.offset, self.nodata)


def in_steps(raw: NDArray[Any], scale: float, offset: float, nodata: float | None) -> Shorts:
    """Turn numbers of a file into ten-thousandths of NDVI.

    Parameters
    ----------
    raw : (...) of any type
    scale, offset : float
    nodata : float or None

    Returns
    -------
    (...) int16
        -32768 where nodata, not finite, or no NDVI: beyond -1 and 1.
    """
    values = raw.astype(np.float64) * (scale * STEPS) + offset * STEPS
    known = np.isfinite(values) & (np.abs(values) <= STEPS)
    if nodata is not None and np.isfinite(nodata):
        known &= raw != np.asarray(nodata).astype(raw.dtype)
    if scale * STEPS == 1:
        known &= ~np.isin(raw, FILLS)
    return np.where(known, np.rint(np.where(known, values, 0)), NODATA).astype(np.int16)


def is_table(path: Path) -> bool:
    """Tell whether a file is a table or layer of fields, not a raster."""
    file = features.file_and_layer(path)[0]
    if file.suffix.lower() in PACKED:
        file = file.with_suffix("")
    return file.suffix.lower() in features.TABLE_ENDINGS | {".gpkg", ".shp", ".geojson", ".fgb", ".parquet"}


def open_stacks(given: Sequence[Path], year: int) -> list[NdviBand]:
    """Find the dates of a year in rasters of NDVI.

    Parameters
    ----------
    given : list of path
        Rasters, or folders of them.
    year : int

    Returns
    -------
    list of NdviBand
        By date, then by path.

    Raises
    ------
    BadInput
        If there is no raster, a band has no date, none is of the year, or the numbers are no NDVI.
    """
    files = [file for path in given for file in _files(path)]
    if not files:
        raise BadInput(
            f"No raster of NDVI was found in {', '.join(map(str, given))}; expected files ending in "
            f"{', '.join(sorted(ENDINGS))}."
        )
    found: list[NdviBand] = []
    other: set[int] = set()
    for file in files:
        dataset = pixels.dataset(str(file))
        dates = _dates_of(file, dataset, year)
        own = [(band, date) for band, date in enumerate(dates, 1) if date.year == year]
        other |= {date.year for date in dates} - {year}
        if not own:
            continue
        scale, offset, nodata = _unit(file, dataset, [band for band, _ in own])
        found += [NdviBand(file.absolute(), band, date, scale, offset, nodata) for band, date in own]
    if not found:
        raise BadInput(
            f"None of {len(files)} rasters of NDVI has a date in {year}; they have {_listed(sorted(other))}. "
            "Choose another --year."
        )
    return sorted(found, key=lambda one: (one.date, str(one.path), one.band))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
    require_file(path)
    return [path]


def _dates_of(file: Path, dataset: Any, year: int) -> list[dt.date]:
    """Find a date for every band: in the list beside the file, in the names of bands, in that of the file."""
    side = file.with_name(f"{file.stem}.dates.csv")
    if side.is_file():
        return _from_list(side, dataset.count, year)
    names = [name or "" for name in dataset.descriptions]
    dates = [date_in(name, year) for name in names]
    if all(date is not None for date in dates):
        return [date for date in dates if date is not None]
    if dataset.count == 1 and (date := date_in(file.stem, None)) is not None:
        return [date]
    lacking = next(band for band, date in enumerate(dates, 1) if date is None)
    raise BadInput(
        f'{file}, band {lacking}, has no date: its name is "{names[lacking - 1]}". Name the bands by their '
        f"dates (2024-04-07), or write them into {side.name}, a line for each band."
    )


def _from_list(side: Path, count: int, year: int) -> list[dt.date]:
    text = features._decoded(side)  # noqa: SLF001  # one room
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    dates = [date_in(line, year) for line in lines]
    if dates and dates[0] is None:  # the header
        lines, dates = lines[1:], dates[1:]
    if len(dates) != count or any(date is None for date in dates):
        raise BadInput(
            f"{side} has {sum(date is not None for date in dates)} dates for {count} bands; expected one "
            "such as 2024-04-07 in a line for each band, in their order."
        )
    return [date for date in dates if date is not None]


def date_in(text: str, year: int | None) -> dt.date | None:
    """Find a date in a text: 2024-04-07, 20240407, A2024098, or X98 of the year that is given."""
    for pattern in _DATES:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            try:
                if parts.get("j"):
                    return dt.datetime.strptime(f"{parts['y']}{parts['j']}", "%Y%j").date()  # noqa: DTZ007
                return dt.date(int(parts["y"]), int(parts["m"]), int(parts["d"]))
            except ValueError:  # the 13th month
                continue
    numbered = _DAY.fullmatch(text.strip())
    if year is None or numbered is None:
        return None
    day = int(numbered[1] or numbered[2])
    last = dt.date(year, 12, 31).timetuple().tm_yday
    return dt.date(year, 1, 1) + dt.timedelta(days=day - 1) if 1 <= day <= last else None


def _unit(file: Path, dataset: Any, bands: Sequence[int]) -> tuple[float, float, float | None]:
    """Find scale, offset and nodata: by the tags, or as the only unit in which the numbers are NDVI."""
    band = bands[0]
    scale, offset, nodata = dataset.scales[band - 1], dataset.offsets[band - 1], dataset.nodatavals[band - 1]
    looked = bands[:: max(1, len(bands) // _BANDS_LOOKED_AT)]
    nodata = None if nodata is None or np.isnan(nodata) else float(nodata)  # NaN is unknown anyway
    shape = tuple(min(_LOOKED_AT, side) for side in dataset.shape)
    sample = dataset.read(list(looked), out_shape=(len(looked), *shape)).astype(np.float64).ravel()
    sample = sample[np.isfinite(sample)]
    if nodata is not None:
        sample = sample[sample != nodata]
    units = [(scale, offset)] if (scale, offset) != (1.0, 0.0) else []
    # MOD13 in HDF says 10000 and means that NDVI is the number divided by it
    units += [(1 / scale, 0.0)] if units and scale > 1 else []
    if not units:
        fits = np.dtype(dataset.dtypes[band - 1]).itemsize > 1  # a byte does not hold ten thousand
        units = [(1.0, 0.0), (1.0 / STEPS, 0.0)] if fits else [(1.0, 0.0)]
    if not sample.size:  # nothing seen in what was looked at
        return *units[-1 if dataset.dtypes[0].startswith("int") else 0], nodata
    unit = _fitting(sample, units)
    if unit is not None:
        return *unit, nodata
    raise BadInput(
        f"{file} holds numbers from {sample.min():g} to {sample.max():g}; NDVI from -1 to 1 or ten thousand "
        "times that was expected. Say its unit: gdal_edit.py -scale 0.0001 -offset 0 -a_nodata VALUE "
        f"{file.name}"
    )


def _fitting(
    numbers: NDArray[np.float64], units: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the first scale and offset by which finite numbers (n,) are NDVI; None where none does."""
    void = np.isin(numbers, (*FILLS, -32768.0, 32767.0, -99999.0)) | (np.abs(numbers) >= 1e30)
    for scale, offset in units:
        ndvi = np.abs(numbers[~void] * scale + offset)
        if ndvi.size and (ndvi <= 1).mean() >= _PLAUSIBLE_SHARE and ndvi.max() > _LARGEST_LEAST:
            return scale, offset
    return None


@dataclass(frozen=True)
class FieldTable:
    """NDVI of fields.

    Parameters
    ----------
    rows : DataFrame or GeoDataFrame
        Everything else the table tells of them.
    ndvi : (dates, fields) int16, ten-thousandths
    days : (dates,) int16
        Days of the year.
    """

    rows: pd.DataFrame
    ndvi: Shorts
    days: Shorts


def read_table(path: Path, year: int) -> FieldTable:
    """Read a table of fields with a column of NDVI for each date.

    Parameters
    ----------
    path : path
        A table, or a layer of polygons or points; columns such as ndvi_X97 (the day of the year),
        ndvi_2024-04-07 or 20240407. Of a table with a column ``year`` the rows of the year are taken.
    year : int

    Returns
    -------
    FieldTable

    Raises
    ------
    BadInput
        If there is no such column, no row of the year, or numbers are no NDVI.
    """
    file, _ = features.file_and_layer(path)
    if file.suffix.lower() in PACKED:
        raise BadInput(
            f"{file} is packed; a table as it is was expected. Unpack it first: gunzip --keep {file.name}"
        )
    table = (
        features.read_table(file) if file.suffix.lower() in features.TABLE_ENDINGS else features.read(path)
    )
    if table.empty:
        raise BadInput(f"{path} has no row; a field at least was expected. Export the table again.")
    years = {str(name).casefold(): name for name in table.columns}.get("year")
    if years is not None:
        of = pd.to_numeric(table[years], errors="coerce")
        if not bool((of == year).any()):
            raise BadInput(
                f"{path} has no field of {year}; its years are {_listed(sorted(of.dropna().unique()))}. "
                "Choose another --year."
            )
        if not bool((of == year).all()):
            log.warning("%d of %d fields are of other years and left out.", (of != year).sum(), len(table))
        table = table[of == year].reset_index(drop=True)
    dated = {name: date for name in table.columns if (date := _column_date(str(name), year)) is not None}
    own = sorted((date, str(name), name) for name, date in dated.items() if date.year == year)
    if not own:
        raise BadInput(
            f"{path} has no column of NDVI with a date in {year}; expected names such as ndvi_X97 or "
            f"ndvi_{year}-04-07 among {', '.join(map(str, list(table.columns)[:12]))}."
        )
    numbers = np.stack([_numbers(table[name], path) for _, _, name in own])
    known = numbers[np.isfinite(numbers)]
    unit = _fitting(known, [(1.0, 0.0), (1.0 / STEPS, 0.0)]) if known.size else (1.0, 0.0)
    if unit is None:
        raise BadInput(
            f"{path} holds numbers from {known.min():g} to {known.max():g}; NDVI from -1 to 1 or ten "
            "thousand times that was expected. Choose the columns of NDVI."
        )
    days = np.array([date.timetuple().tm_yday for date, _, _ in own], np.int16)
    return FieldTable(table.drop(columns=list(dated)), in_steps(numbers, *unit, None), days)


def _column_date(name: str, year: int) -> dt.date | None:
    """Find the date of a column; a column that only ends in a number, such as field_12, has none."""
    match = re.fullmatch(r"(?i)(?:ndvi|x|d)?[ _.-]*([\d./_-]{7,10})", name.strip())
    return date_in(match[1] if match else name, year) if match or _DAY.fullmatch(name.strip()) else None


def _numbers(column: "pd.Series[Any]", path: Path) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[numbers.isna() & column.notna() & (column.astype(str).str.strip() != "")]
    if len(wrong):
        raise BadInput(
            f"{path} has {str(wrong.iloc[0])!r} in {column.name}; a number or nothing was expected."
        )
    return np.asarray(numbers, np.float64)


def _listed(found: Sequence[Any]) -> str:
    return ", ".join(f"{one:g}" for one in found[:6]) + (" ..." if len(found) > 6 else "")


def told(bands: Sequence[NdviBand]) -> Mapping[str, Any]:
    """Tell the unit of each file, for the record; returns {file: scale, offset, nodata}."""
    return {one.path.name: {"scale": one.scale, "offset": one.offset, "nodata": one.nodata} for one in bands}
