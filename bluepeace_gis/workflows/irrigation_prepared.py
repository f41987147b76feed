"""NDVI that others have prepared, as tasks: the same tiles as of scenes, read from rasters with dates."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.archive import mosaics, rasters
from bluepeace_gis.archive.ndvi_stacks import NdviBand
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.lattice import Lattice, Place, lattices
from bluepeace_gis.jobs import Task
from bluepeace_gis.kernels.normalized import NODATA
from bluepeace_gis.workflows import cutting, tiling
from bluepeace_gis.workflows.irrigation_tiles import KIND, mapped
from bluepeace_gis.workflows.tiling import Making

Shorts = NDArray[np.int16]
FAMILY: Final = "prepared NDVI"


@dataclass(frozen=True)
class Prepared:
    """Rasters of NDVI on one lattice.

    Parameters
    ----------
    name : str
    lattice : Lattice
        Its places are those of the files.
    bands : {file: (NdviBand, ...)}
    making : Making
    side : int
        Rows and columns of a tile.
    """

    name: str
    lattice: Lattice
    bands: Mapping[str, tuple[NdviBand, ...]]
    making: Making
    side: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each tile is written as."""
        return self.making.kinds

    def tiles(self) -> Iterator[tuple[Place, list[str]]]:
        """Cut the lattice; tiles without any file are left out."""
        yield from tiling.tiles_of(self.lattice, self.side)

    def tasks(self) -> list[Task]:
        """List the tasks that map tiles."""
        return [self.task(tile, names) for tile, names in self.tiles()]

    def described(self, season: tuple[dt.date, dt.date]) -> list[str]:
        """Say what it consists of and when nothing was seen of it, for --dry-run."""
        days = sorted({one.date for own in self.bands.values() for one in own})
        whole = (
            f"{self.name}: {len(self.bands)} files with {len(days)} dates, {days[0]} to {days[-1]}; "
            f"{self.lattice.grid}; tiles of {self.side} x {self.side} cells."
        )
        return [whole, *cutting.gaps(days, season)]

    def task(self, tile: Place, names: Sequence[str]) -> Task:
        """Describe the task that maps one tile."""
        sources: list[list[Any]] = []
        for name in names:
            place = self.lattice.places[name]
            at = [place.row - tile.row, place.column - tile.column, place.rows, place.columns]
            sources += [
                [
                    str(one.path),
                    one.band,
                    one.date.timetuple().tm_yday,
                    *at,
                    one.scale,
                    one.offset,
                    one.nodata,
                ]
                for one in self.bands[name]
            ]
        making = self.making
        return Task(
            name=f"tile_{self.name}_{tile.row}_{tile.column}",
            function=making.function,
            arguments={
                **making.arguments,
                **tiling.located(self.lattice, tile),
                "rows": tile.rows,
                "columns": tile.columns,
                "sources": sources,
                "stem": tiling.tile_stem(self.name, tile),
            },
            inputs=[*dict.fromkeys(source[0] for source in sources), *making.inputs],
            outputs=[tiling.tile_file(self, tile, kind) for kind in making.kinds],
            memory_mb=tile_mb(tile.rows * tile.columns, len(sources), making),
            disk_mb=tile.rows * tile.columns * making.file_bytes / 1e6,
            version=making.version,
        )


def tile_mb(cells: int, dates: int, making: Making) -> float:
    """Estimate the memory that mapping a tile takes, in MB: its stack, one date as floats, the answer."""
    return cells * (2 * dates + 4 * tiling.READING_BYTES + making.answer_bytes) / 1e6 + making.fixed_mb


def prepared(
    bands: Sequence[NdviBand], making: Making, memory_mb: float, area: Any, sides: Sequence[int]
) -> list[Prepared]:
    """Sort files by lattice, and cut each into tiles that fit the memory.

    Parameters
    ----------
    bands : list of NdviBand
    making : Making
    memory_mb : float
    area : GeoDataFrame or None
        The study area: only the box around it is cut out.
    sides : list of int
        Of tiles, the largest first.

    Returns
    -------
    list of Prepared

    Raises
    ------
    BadInput
        If no file covers the study area, or the memory holds no tile.
    """
    by_file: dict[str, list[NdviBand]] = {}
    for one in bands:
        by_file.setdefault(str(one.path), []).append(one)
    found: list[Prepared] = []
    for lattice in lattices({name: own[0].grid for name, own in by_file.items()}):
        cut = lattice if area is None else cutting.cut(lattice, area)
        if cut is None or not cut.places:
            continue
        own = {name: tuple(by_file[name]) for name in cut.places}
        name = cutting.distinct(f"ndvi_{cutting.code(cut.grid)}", [one.name for one in found])
        dates = sum(len(each) for each in own.values())
        room = (memory_mb - cutting.LIBRARIES_MB) / cutting.TASKS_AT_ONCE
        side = next((side for side in sides if tile_mb(side * side, dates, making) <= room), None)
        if side is None:
            least = cutting.LIBRARIES_MB + cutting.TASKS_AT_ONCE * tile_mb(sides[-1] ** 2, dates, making)
            raise BadInput(
                f"--memory-mb is {memory_mb:g}; {dates} dates need at least {least:.0f}. Allow more."
            )
        found.append(Prepared(name, cut, own, making, side))
    if not found:
        raise BadInput("No raster covers the study area. Choose another --area, or other rasters.")
    return found


def map_tile(arguments: dict[str, Any], work: Path) -> dict[str, int]:
    """Map one tile of prepared NDVI: the function of a tile task; see ``irrigation_tiles.map_tile``."""
    rasters.keep_blocks(tiling.BLOCKS_MB)
    ndvi, days, inside = _read(arguments)
    values, counts = mapped(ndvi, days, inside, arguments)
    mosaics.write_part(values, work / f"{arguments['stem']}_{KIND}.tif")
    return {"covered": int(inside.sum()), **counts}


def series(arguments: Mapping[str, Any]) -> tuple[Shorts, Shorts]:
    """Read the observations of a tile of one cell: NDVI (dates,) and days of the year (dates,)."""
    ndvi, days, _ = _read(arguments)
    return ndvi[:, 0, 0], days


def _read(arguments: Mapping[str, Any]) -> tuple[Shorts, Shorts, NDArray[np.bool_]]:
    tile = Place(0, 0, arguments["rows"], arguments["columns"])
    sources = sorted(arguments["sources"], key=lambda source: (source[2], source[0], source[1]))
    ndvi = np.full((len(sources), tile.rows, tile.columns), NODATA, np.int16)
    days = np.array([source[2] for source in sources], np.int16)
    places = []
    for layer, (path, band, _, row, column, rows, columns, *unit) in zip(ndvi, sources, strict=True):
        place = Place(row, column, rows, columns)
        places.append(place)
        common = place.common(tile)
        if common is None:
            continue
        top, left = common.row - row, common.column - column
        layer[common.row : common.row + common.rows, common.column : common.column + common.columns] = (
            NdviBand(Path(path), band, None, *unit).read(  # type: ignore[arg-type]  # its day is known
                (top, top + common.rows, left, left + common.columns)
            )
        )
    return ndvi, days, tiling.covered(tile, places)
