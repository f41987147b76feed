"""Class maps: rasters of whole numbers whose names are kept beside them, read strip by strip."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what a damaged block raises; public nowhere else
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from bluepeace_gis.archive import rasters
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import horizontal
from bluepeace_gis.geo.grid import Grid

# Codes are counted one by one; class maps are stored in 8 or 16 bits.
LARGEST_CODE: Final = 65_535
# A raster with more different values is a measurement, not a map of classes.
MOST_CLASSES: Final = 256
# Read at once. Sums of areas begin anew with each strip, so that it is a constant of the method.
STRIP_CELLS: Final = 1 << 22

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class ClassMap:
    """One band of a class map, on the disk.

    Parameters
    ----------
    path : Path
    band : int
        From 1.
    grid : Grid
    names : {code: name}
        Of all codes that cells hold or that have a name; a code without a name is called by its number.
    cells : {code: number of cells}
    """

    path: Path
    band: int
    grid: Grid
    names: Mapping[int, str]
    cells: Mapping[int, int]

    def read(self, row0: int, row1: int) -> tuple[Codes, NDArray[np.bool_]]:
        """Read rows ``row0`` to ``row1 - 1``; returns their codes and where there are any, (rows, columns).

        Raises
        ------
        BadInput
            If the file is damaged there.
        """
        with _reading(self.path), rasters._open(str(self.path)) as source:  # noqa: SLF001  # one room
            return _rows(source, self.path, self.band, row0, row1)

    def strips(self) -> Iterator[tuple[int, int]]:
        """Yield the rows (first, behind the last) of one strip after the other."""
        yield from strips(self.grid)

    def code_of(self, said: Any) -> int | None:
        """Find the class that a name (in letters of any size) or a code means; None if there is none."""
        text = " ".join(str(said).split())
        for code, name in self.names.items():
            if name.casefold() == text.casefold():
                return code
        try:
            number = float(text)
        except ValueError:
            return None
        return int(number) if number.is_integer() and int(number) in self.names else None


def strips(grid: Grid) -> Iterator[tuple[int, int]]:
    """Cut a grid into strips of whole rows; yields the first row of each and the row behind its last."""
    rows, columns = grid.shape
    step = max(1, STRIP_CELLS // columns)
    for row in range(0, rows, step):
        yield row, min(rows, row + step)


def open_map(path: Path | str, band: int = 1) -> ClassMap:
    """Open a class map: look at every cell once, and read the names of its classes.

    Parameters
    ----------
    path : path
        Any raster of whole numbers 0 to 65,535, or of floats that hold nothing else.
    band : int

    Returns
    -------
    ClassMap

    Raises
    ------
    UnknownCrs
        If it names no coordinate reference system.
    BadInput
        If it cannot be read, holds no classes, or holds other numbers.

    Notes
    -----
    GDAL keeps names of classes in ``NAME.aux.xml`` (category names, or a table of attributes with a column
    of names); a virtual raster keeps them in itself.
    """
    place = Path(path)
    require_file(place)
    with _reading(place), rasters._open(str(place)) as source:  # noqa: SLF001  # one room, one way to open
        rasters._check(source, str(place), band)  # noqa: SLF001
        grid = Grid(horizontal(source.crs.to_wkt(), str(place)), source.transform, source.shape)
        found = np.zeros(LARGEST_CODE + 1, np.int64)
        for row0, row1 in strips(grid):
            codes, known = _rows(source, place, band, row0, row1)
            counts = np.bincount(codes[known])
            found[: len(counts)] += counts
    cells = {int(code): int(found[code]) for code in np.flatnonzero(found)}
    if not cells:
        raise BadInput(f"{place}, band {band}, holds no class: every cell is nodata. Choose another file.")
    if len(cells) > MOST_CLASSES:
        raise BadInput(
            f"{place}, band {band}, holds {len(cells)} different values; a map of at most {MOST_CLASSES} "
            "classes was expected. Choose another file or band."
        )
    named = _names(place, band)
    names = {code: named.get(code) or f"class {code}" for code in sorted({*cells, *named})}
    if len({name.casefold() for name in names.values()}) < len(names):
        raise BadInput(
            f"{place} has two classes of one name: {', '.join(names.values())}. Name each otherwise, or "
            f"remove {place.name}.aux.xml to go by their numbers."
        )
    return ClassMap(place, band, grid, names, cells)


class _reading:  # noqa: N801  # used as a word
    """Turn what GDAL raises over a damaged file into a sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RasterioIOError | CPLE_BaseError):
            raise rasters._unreadable(str(self.path), error) from error  # noqa: SLF001


def _rows(source: Any, path: Path, band: int, row0: int, row1: int) -> tuple[Codes, NDArray[np.bool_]]:
    window = Window(0, row0, source.width, row1 - row0)
    raw = source.read(band, window=window)
    if source.nodata is None and rasterio.enums.MaskFlags.all_valid in source.mask_flag_enums[band - 1]:
        known = np.ones(raw.shape, np.bool_)
    else:
        known = source.read_masks(band, window=window) > 0
    if raw.dtype.kind == "f":
        known &= np.isfinite(raw)
    wrong = known & ((raw < 0) | (raw > LARGEST_CODE))
    if raw.dtype.kind == "f":
        wrong |= known & (np.where(known, raw, 0) % 1 != 0)
    if wrong.any():
        raise BadInput(
            f"{path}, band {band}, holds {raw[wrong][0]:g}; a map of classes, whole numbers from 0 to "
            f"{LARGEST_CODE}, was expected. Choose another file or band."
        )
    return np.where(known, raw, 0).astype(np.int32), known


def _names(path: Path, band: int) -> dict[int, str]:
    """Read the names of classes from GDAL's side file, or from a virtual raster itself."""
    side = path if path.suffix.lower() == ".vrt" else path.with_name(path.name + ".aux.xml")
    if not side.is_file():
        return {}
    try:
        root = ET.fromstring(side.read_text(encoding="utf-8"))  # noqa: S314  # GDAL reads it the same way
    except (ET.ParseError, UnicodeDecodeError, OSError) as error:
        raise BadInput(
            f"{side} cannot be read ({error}). Remove it to go by the numbers of the classes."
        ) from error
    found: dict[int, str] = {}
    for node in (*root.iter("PAMRasterBand"), *root.iter("VRTRasterBand")):
        if int(node.get("band", "0")) == band:
            found |= _from_table(node)
            categories = node.find("CategoryNames")
            for code, category in enumerate([] if categories is None else categories):
                if category.text and category.text.strip():
                    found[code] = " ".join(category.text.split())
    return found


def _from_table(node: ET.Element) -> dict[int, str]:
    """Read a table of attributes: the columns that GDAL says hold values (usage 5) and names (usage 2)."""
    table = node.find("GDALRasterAttributeTable")
    if table is None:
        return {}
    usages = [field.findtext("Usage", "0").strip() for field in table.findall("FieldDefn")]
    if "5" not in usages or "2" not in usages:
        return {}
    rows = [[cell.text or "" for cell in row.findall("F")] for row in table.findall("Row")]
    value, name = usages.index("5"), usages.index("2")
    return {
        int(float(row[value])): " ".join(row[name].split())
        for row in rows
        if len(row) == len(usages) and row[name].strip()
    }
