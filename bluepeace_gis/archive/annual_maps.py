"""Maps of single years: their year, their classes and their method, read window by window.

A map may have billions of cells: opening one reads its header and what lies beside it, nothing else.
"""

import datetime as dt
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what a damaged block raises; public nowhere else
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from bluepeace_gis.archive import classes, products, rasters
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import horizontal
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.lattice import Place

OUTSIDE: Final = 255  # where a map says nothing, or is not
YEAR_TAG: Final = "year"
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
# What hides a warning, as rasterio does while it draws polygons, hides or shows it for all threads.
ALONE: Final = threading.Lock()
_WARP_ERROR_CELLS: Final = 0.001  # as geo.align: GDAL's own 0.125 moves cells of a class map

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class AnnualMap:
    """One band of a map of a year, on the disk.

    Parameters
    ----------
    path : Path
    band : int
        From 1.
    year : int
    grid : Grid
    meaning : {code in the file: state}
        Other codes are refused when they are met.
    named : bool
        Whether its classes have names.
    method : mapping
        What its record says of how it was made; empty without a record.
    """

    path: Path
    band: int
    year: int
    grid: Grid
    meaning: Mapping[int, int]
    named: bool
    method: Mapping[str, Any]


def open_map(path: Path | str, band: int, states: Mapping[int, str]) -> AnnualMap:
    """Open the map of one year: its header, its record, the names of its classes.

    Parameters
    ----------
    path : path
        Any raster of whole numbers.
    band : int
        From 1.
    states : {state: name}
        What its classes may be: by their names where the file has names, else by these numbers.

    Returns
    -------
    AnnualMap

    Raises
    ------
    UnknownCrs
        If it names no coordinate reference system.
    BadInput
        If it cannot be read, its year is not told or told in two ways, or a class is named otherwise.
    """
    place = Path(path)
    require_file(place)
    try:
        with rasters._open(str(place)) as source:  # noqa: SLF001  # one room, one way to open
            rasters._check(source, str(place), band)  # noqa: SLF001
            grid = Grid(horizontal(source.crs.to_wkt(), str(place)), source.transform, source.shape)
            tags = {name.lower(): text for name, text in {**source.tags(), **source.tags(band)}.items()}
    except (RasterioIOError, CPLE_BaseError) as error:
        raise rasters._unreadable(str(place), error) from error  # noqa: SLF001
    record = _record(place)
    named = classes._names(place, band)  # noqa: SLF001
    return AnnualMap(
        place,
        band,
        _year(place, record, tags),
        grid,
        _meaning(place, named, states),
        bool(named),
        {} if record is None else record.get("bluepeace:method", {}),
    )


def _record(place: Path) -> dict[str, Any] | None:
    """Read the properties of the record beside a map, if that describes this map."""
    side = place.with_suffix(".json")
    try:
        item = json.loads(side.read_text(encoding="utf-8"))
        described = {Path(asset["href"]).name for asset in item["assets"].values()}
        found = item["properties"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if place.name in described and isinstance(found, dict) else None


def name_classes(path: Path | str, names: Sequence[Mapping[int, str]]) -> Path:
    """Write the names of a raster's classes beside it, as GDAL and QGIS read them.

    Parameters
    ----------
    path : path
        Of the raster.
    names : list of {code: name}
        For each band; an empty one for a band without classes.

    Returns
    -------
    Path
        ``NAME.tif.aux.xml``.
    """
    target = Path(path)
    side = target.with_name(target.name + ".aux.xml")
    with products.replacing(side) as part:
        part.write_text(rasters._category_names(names), encoding="utf-8")  # noqa: SLF001  # one room
    return side


def _year(place: Path, record: Mapping[str, Any] | None, tags: Mapping[str, str]) -> int:
    """Find the year in the record, the tags or the name; all that tell one must agree."""
    found: dict[str, set[int]] = {"its name": {int(year) for year in _YEAR.findall(place.stem)}}
    if len(found["its name"]) > 1:  # irrigation_2015_made_2024.tif
        found["its name"] = set()
    if YEAR_TAG in tags:
        found["its tag"] = {int(year) for year in _YEAR.findall(tags[YEAR_TAG])}
    if record is not None:
        parameters = record.get("bluepeace:parameters")
        said = parameters.get("year") if isinstance(parameters, dict) else None
        if said is None and record.get("start_datetime") and record.get("end_datetime"):
            ends = [_year_of(str(record[name])) for name in ("start_datetime", "end_datetime")]
            said = ends[0] if ends[0] == ends[1] else None
        found["its record"] = set() if said is None else {int(year) for year in _YEAR.findall(str(said))}
    years = set().union(*found.values())
    if len(years) > 1:
        told = ", ".join(f"{min(each)} by {what}" for what, each in found.items() if each)
        raise BadInput(
            f"{place} is told to be of two years: {told}. Rename the file or make its record again: each "
            "map stands for one year."
        )
    if not years:
        raise BadInput(
            f"{place} does not say its year. Put it into the name (irrigation_2024.tif) or a tag of the "
            f"file: gdal_edit.py -mo YEAR=2024 {place.name}"
        )
    return years.pop()


def _year_of(moment: str) -> int | None:
    try:
        return dt.datetime.fromisoformat(moment).year
    except ValueError:
        return None


def _meaning(place: Path, named: Mapping[int, str], states: Mapping[int, str]) -> dict[int, int]:
    """Say which code of a file means which state."""
    if not named:
        return {state: state for state in states}
    by_name = {name.casefold(): state for state, name in states.items()}
    strange = {code: name for code, name in named.items() if name.casefold() not in by_name}
    if strange:
        code, name = next(iter(strange.items()))
        raise BadInput(
            f'{place} names its class {code} "{name}"; expected some of: {", ".join(states.values())}. '
            f"Rename the classes, or remove {place.name}.aux.xml to go by the numbers "
            f"{', '.join(str(state) for state in states)}."
        )
    return {code: by_name[name.casefold()] for code, name in named.items()}


class Stack:
    """Maps of several years on one grid, read window by window from any number of threads.

    Parameters
    ----------
    maps : list of AnnualMap
        By rising year.
    grid : Grid
        What the windows are windows of.
    places : list of Place or None
        Where each map lies on that grid; None for a map that must be put on it by the nearest cell.
    """

    def __init__(self, maps: Sequence[AnnualMap], grid: Grid, places: Sequence[Place | None]) -> None:
        self.maps = list(maps)
        self.grid = grid
        self.places = list(places)
        self.met = np.zeros((len(self.maps), 256), np.bool_)
        self._own = threading.local()
        self._opened: list[Any] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            while self._opened:
                self._opened.pop().close()

    def read(self, window: Place) -> Codes:
        """Read a window of all years.

        Parameters
        ----------
        window : Place
            Rows and columns of the grid.

        Returns
        -------
        (years, rows, columns) uint8
            States; 255 where a map has no data or is not.

        Raises
        ------
        BadInput
            If a file is damaged there, or holds a number that is no class of it.
        """
        found = np.full((len(self.maps), window.rows, window.columns), OUTSIDE, np.uint8)
        for position, (each, place) in enumerate(zip(self.maps, self.places, strict=True)):
            common = window if place is None else window.common(place)
            if common is None:
                continue
            row0, column0 = (0, 0) if place is None else (place.row, place.column)
            inside = Window(common.column - column0, common.row - row0, common.columns, common.rows)
            try:
                source = self._source(position)
                raw = source.read(each.band, window=inside)
                unmasked = MaskFlags.all_valid in source.mask_flag_enums[each.band - 1]
                known = None if unmasked else source.read_masks(each.band, window=inside) > 0
            except (RasterioIOError, CPLE_BaseError) as error:
                raise rasters._unreadable(str(each.path), error) from error  # noqa: SLF001
            top, left = common.row - window.row, common.column - window.column
            target = found[position, top : top + common.rows, left : left + common.columns]
            target[:] = self._states(position, raw, known)
        return found

    def _states(self, position: int, raw: NDArray[Any], known: NDArray[np.bool_] | None) -> Codes:
        """Turn codes of a file into states; refuse what is no class of it."""
        each = self.maps[position]
        table = np.zeros(256, np.int16) - 1
        for code, state in each.meaning.items():
            table[code] = state
        numbers = raw
        if raw.dtype != np.uint8:
            known = np.ones(raw.shape, np.bool_) if known is None else known
            if raw.dtype.kind == "f":
                known = known & np.isfinite(raw)
            wrong = known & ((raw < 0) | (raw > OUTSIDE))
            if raw.dtype.kind == "f":
                wrong |= known & (np.where(known, raw, 0) % 1 != 0)
            if wrong.any():
                raise self._no_class(each, raw[wrong][0])
            numbers = np.where(known, raw, OUTSIDE).astype(np.uint8)
        states = table[numbers]
        states[(numbers == OUTSIDE) & (states < 0)] = OUTSIDE
        if known is not None:
            states[~known] = OUTSIDE
        if (states < 0).any():
            raise self._no_class(each, numbers[states < 0][0])
        found: Codes = states.astype(np.uint8)
        self.met[position, np.flatnonzero(np.bincount(found.ravel(), minlength=256))] = True
        return found

    @staticmethod
    def _no_class(each: AnnualMap, number: Any) -> BadInput:
        expected = ", ".join(str(code) for code in each.meaning)
        return BadInput(
            f"{each.path}, band {each.band}, holds {number:g}, which is no class of a map of a year: "
            f"{expected} were expected. Name its classes (category names, as QGIS and GDAL read them) "
            "or choose another --band."
        )

    def _source(self, position: int) -> Any:
        """Open a file once for each thread."""
        mine = self._own.__dict__.setdefault("sources", {})
        if position not in mine:
            each = self.maps[position]
            with ALONE:
                source = rasters._open(str(each.path))  # noqa: SLF001
            opened = [source]
            if self.places[position] is None:
                numbers = {"nodata": OUTSIDE} if source.nodata is None else {}
                source = WarpedVRT(
                    source,
                    crs=rasterio.crs.CRS.from_wkt(self.grid.crs.to_wkt()),
                    transform=self.grid.transform,
                    height=self.grid.shape[0],
                    width=self.grid.shape[1],
                    resampling=Resampling.nearest,
                    tolerance=_WARP_ERROR_CELLS,
                    **numbers,
                )
                opened.insert(0, source)
            with self._lock:
                self._opened[:0] = opened
            mine[position] = source
        return mine[position]
