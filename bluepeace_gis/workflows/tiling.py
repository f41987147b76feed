"""Scenes of one lattice as tasks: decoded once, made into tiles one by one, joined at the end.

What a tile becomes depends on what its tasks' arguments and inputs say and on nothing else, so that a
tile once made stays valid while its scenes do, whatever else joins or leaves the archive.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.archive import descriptions, mosaics, observations, rasters
from bluepeace_gis.archive.observations import Quantity, Source, Stack
from bluepeace_gis.archive.scenes import Scene
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.lattice import Lattice, Place
from bluepeace_gis.jobs import Task
from bluepeace_gis.kernels import composites, geomedian, normalized

Statistic = Literal["median", "max", "p90", "geomedian", "min-snow"]

# Raised when a tile would come out otherwise.
METHOD_VERSION: Final = "1"
SCENES_FILE: Final = "scenes.json"
STAGED, TILES = "staged", "tiles"
# Bytes for each cell of a tile beside the stack, by measurement: what reading a scene holds, what the
# answer and its writing hold; for each layer.
READING_BYTES: Final = 16
ANSWER_BYTES: Final = 24
# GDAL keeps decoded blocks for all tasks of a process together; a row of blocks of a tile is enough.
BLOCKS_MB: Final = 96
# A whole row of JPEG 2000 blocks of a Sentinel-2 band is decoded at once: 1024 x 10980 cells.
STAGING_MB: Final = 260.0
_DATED: Final = frozenset({"max", "min-snow"})


@dataclass(frozen=True)
class Making:
    """What is made of the stack of a tile.

    Parameters
    ----------
    function : str
        The import path of the task's function; it begins with :func:`read_tile`.
    arguments : {name: JSON value}
        That it takes beside those of the reading, the same for every tile.
    kinds : (str, ...)
        The files each tile is written as.
    answer_bytes : float
        Of memory for each cell beside the stack: the answer and its writing.
    file_bytes : float
        Of the disk for each cell.
    fixed_mb : float
        Of memory for each task, whatever its tile.
    inputs : (Path, ...)
        Files that every task reads beside its scenes.
    version : str
        Raised when a tile would come out otherwise.
    located : bool
        Whether the function must know where on Earth its tile lies: its arguments then hold ``crs`` and
        ``transform``, that of the tile.
    """

    function: str
    arguments: Mapping[str, Any]
    kinds: tuple[str, ...]
    answer_bytes: float
    file_bytes: float
    fixed_mb: float = 0.0
    inputs: tuple[Path, ...] = ()
    version: str = METHOD_VERSION
    located: bool = False


def combining(statistic: Statistic, quantity: Quantity) -> Making:
    """Describe how the observations of a season are combined; returns the making of its tiles."""
    layers = len(quantity.layers)
    return Making(
        f"{__name__}:combine_tile",
        {"statistic": statistic},
        ("value", "count", "date") if statistic in _DATED else ("value", "count"),
        ANSWER_BYTES * layers,
        4 * layers + 6,
    )


@dataclass(frozen=True)
class Job:
    """What is asked of one lattice.

    Parameters
    ----------
    name : str
        Of the lattice, for files and tasks.
    lattice : Lattice
    scenes : {name: Scene}
        Those that lie on it.
    making : Making
        What each tile is made into.
    quantity : Quantity
    rejected : Flag
    side : int
        Rows and columns of a tile.
    """

    name: str
    lattice: Lattice
    scenes: Mapping[str, Scene]
    making: Making
    quantity: Quantity
    rejected: Flag
    side: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each tile is written as."""
        return self.making.kinds

    def tiles(self) -> Iterator[tuple[Place, list[str]]]:
        """Cut the lattice; tiles without any scene are left out."""
        yield from tiles_of(self.lattice, self.side)


def tiles_of(lattice: Lattice, side: int) -> Iterator[tuple[Place, list[str]]]:
    """Cut a lattice; yields each tile on which something lies, with the names of what does."""
    rows, columns = lattice.grid.shape
    for row in range(0, rows, side):
        for column in range(0, columns, side):
            tile = Place(row, column, min(side, rows - row), min(side, columns - column))
            names = [name for name, place in lattice.places.items() if place.common(tile)]
            if names:
                yield tile, names


def decoded_first(scene: Scene, quantity: Quantity) -> bool:
    """Tell whether a scene is decoded once by a task of its own, see :func:`observations.stage`."""
    return any(scene.bands[name].source.lower().endswith(".jp2") for name in quantity.bands_of(scene))


def write_scenes(scenes: Mapping[str, Scene], folder: Path) -> Path:
    """Write what the tasks must know of the scenes, wherever they run.

    Parameters
    ----------
    scenes : {name: Scene}
    folder : path
        Of the run.

    Returns
    -------
    Path
    """
    told = {
        name: {
            "path": str(scene.path.absolute()),
            "description": descriptions.write(scene),
        }
        for name, scene in scenes.items()
    }
    place = folder / SCENES_FILE
    part = folder / f".{SCENES_FILE}.part"
    part.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    part.replace(place)
    return place


@lru_cache(maxsize=4)
def _scenes_of(place: Path, _changed_ns: int) -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = json.loads(place.read_text(encoding="utf-8"))
    return told


def _scene(work: Path, name: str) -> Scene:
    place = work.parent / SCENES_FILE
    told = _scenes_of(place, place.stat().st_mtime_ns)[name]
    return descriptions.read(told["description"], Path(told["path"]))


def staging_tasks(job: Job) -> list[Task]:
    """List the tasks that decode scenes, those in JPEG 2000."""
    tasks = []
    for name, scene in job.scenes.items():
        if not decoded_first(scene, job.quantity):
            continue
        place = job.lattice.places[name]
        cells = place.rows * place.columns * len(job.quantity.layers)
        tasks.append(
            Task(
                name=f"stage_{job.name}_{name}",
                function=f"{__name__}:stage_scene",
                arguments={**_asked(job), "scene": name, "output": _staged(job, name)},
                inputs=[scene.path],
                outputs=[_staged(job, name)],
                memory_mb=STAGING_MB * len(job.quantity.layers),
                disk_mb=cells * 2 / 1e6,
                version=METHOD_VERSION,
            )
        )
    return tasks


def tile_tasks(job: Job, folder: Path) -> list[Task]:
    """List the tasks that make tiles, from north-west to south-east."""
    return [tile_task(job, tile, names, folder) for tile, names in job.tiles()]


def tile_task(job: Job, tile: Place, names: Sequence[str], folder: Path) -> Task:
    """Describe the task that makes one tile, on which the scenes of some names lie."""
    making = job.making
    sources = []
    inputs: list[Path] = []
    for name in names:
        place = job.lattice.places[name]
        staged = _staged(job, name) if decoded_first(job.scenes[name], job.quantity) else None
        sources.append(
            [name, place.row - tile.row, place.column - tile.column, place.rows, place.columns, staged]
        )
        inputs.append(job.scenes[name].path if staged is None else folder / staged)
    stem = tile_stem(job.name, tile)
    return Task(
        name=f"tile_{job.name}_{tile.row}_{tile.column}",
        function=making.function,
        arguments={
            **_asked(job),
            **making.arguments,
            **(located(job.lattice, tile) if making.located else {}),
            "rows": tile.rows,
            "columns": tile.columns,
            "sources": sources,
            "stem": stem,
        },
        inputs=[*inputs, *making.inputs],
        outputs=[tile_file(job, tile, kind) for kind in job.kinds],
        memory_mb=tile_mb(tile.rows * tile.columns, _passes(job, names), job.quantity, making),
        disk_mb=tile.rows * tile.columns * making.file_bytes / 1e6,
        version=making.version,
    )


def located(lattice: Lattice, tile: Place) -> dict[str, Any]:
    """Tell a task where on Earth its tile lies: CRS and transform of the tile."""
    grid = lattice.grid.window(tile.row, tile.row + tile.rows, tile.column, tile.column + tile.columns)
    return {"crs": grid.crs.to_wkt(), "transform": list(grid.transform)[:6]}


def tile_stem(name: str, tile: Place) -> str:
    """Name the files of a tile of a lattice, below the run's folder, without what they hold."""
    return f"{TILES}/{name}_{tile.row}_{tile.column}"


class Tiled(Protocol):
    """A lattice that is cut into tiles."""

    @property
    def name(self) -> str:
        """Of the lattice, for files and tasks."""

    def tiles(self) -> Iterator[tuple[Place, list[str]]]:
        """Yield the tiles, with the names of what lies on them."""


def tile_file(job: Tiled, tile: Place, kind: str) -> str:
    """Name the file of a tile, below the run's folder."""
    return f"{tile_stem(job.name, tile)}_{kind}.tif"


def tile_mb(cells: int, observed: int, quantity: Quantity, making: Making) -> float:
    """Estimate the memory that making a tile takes, in MB."""
    stacked = len(quantity.layers) * (2 * observed + READING_BYTES)
    return cells * (stacked + making.answer_bytes) / 1e6 + making.fixed_mb


def _passes(job: Job, names: Sequence[str]) -> int:
    return len({job.scenes[name].overpass for name in names})


def _asked(job: Job) -> dict[str, Any]:
    return {
        "bands": list(job.quantity.bands),
        "index": job.quantity.index,
        "rejected": int(job.rejected),
    }


def _staged(job: Job, name: str) -> str:
    return f"{STAGED}/{job.name}_{name}.tif"


def _quantity(arguments: Mapping[str, Any]) -> Quantity:
    return Quantity(tuple(arguments["bands"]), arguments["index"])


def stage_scene(arguments: dict[str, Any], work: Path) -> dict[str, int]:
    """Decode one scene: the function of a staging task."""
    scene = _scene(work, arguments["scene"])
    rasters.keep_blocks(BLOCKS_MB)
    observations.stage(scene, _quantity(arguments), Flag(arguments["rejected"]), work / arguments["output"])
    return {}


def combine_tile(arguments: dict[str, Any], work: Path) -> dict[str, int]:
    """Combine what was seen of one tile: the function of a tile task.

    Parameters
    ----------
    arguments : {name: JSON value}
        As :func:`tile_tasks` gives them.
    work : path
        The task's folder, in that of the run.

    Returns
    -------
    {"covered", "seen", "observations"}
        Sums over the tile: cells that a scene covers, those that one saw clearly, and how often.
    """
    seen, inside = read_tile(arguments, work)
    answer = combine(seen, arguments["statistic"], _quantity(arguments))
    write_tile(answer, arguments, work)
    count = answer["count"]
    return {
        "covered": int(inside.sum()),
        "seen": int((count > 0).sum()),
        "observations": int(count.sum(dtype=np.int64)),
    }


def read_tile(arguments: Mapping[str, Any], work: Path) -> tuple[Stack, NDArray[np.bool_]]:
    """Read what was seen of a tile: the first step of every tile task.

    Parameters
    ----------
    arguments : {name: JSON value}
        As :func:`tile_tasks` gives them.
    work : path
        The task's folder, in that of the run.

    Returns
    -------
    seen : Stack
    inside : (rows, columns) bool
        Which cells of the tile a scene covers.
    """
    quantity, rejected = _quantity(arguments), Flag(arguments["rejected"])
    sources: list[Source] = []
    for name, row, column, rows, columns, staged in arguments["sources"]:
        scene, place = _scene(work, name), Place(row, column, rows, columns)
        sources.append(
            observations.of_scene(scene, place, quantity, rejected)
            if staged is None
            else observations.of_file(scene, place, work.parent / staged)
        )
    tile = Place(0, 0, arguments["rows"], arguments["columns"])
    rasters.keep_blocks(BLOCKS_MB)
    seen = observations.stack(sources, tile, len(quantity.layers))
    return seen, covered(tile, [source.place for source in sources])


def write_tile(answer: Mapping[str, NDArray[Any]], arguments: Mapping[str, Any], work: Path) -> None:
    """Write what a tile was made into, (bands, rows, columns) for each kind of its making."""
    for kind, values in answer.items():
        mosaics.write_part(values, work / f"{arguments['stem']}_{kind}.tif")


def tile_parts(job: Tiled, folder: Path, kind: str) -> list[mosaics.Part]:
    """List the files of all tiles of a kind below the run's folder, to be joined."""
    return [
        mosaics.Part(tile.row, tile.column, tile.rows, tile.columns, folder / tile_file(job, tile, kind))
        for tile, _ in job.tiles()
    ]


def covered(tile: Place, places: Iterable[Place]) -> NDArray[np.bool_]:
    """Tell which cells of a tile lie in one of some places.

    Parameters
    ----------
    tile : Place
    places : list of Place

    Returns
    -------
    (tile.rows, tile.columns) bool
    """
    inside = np.zeros((tile.rows, tile.columns), np.bool_)
    for place in places:
        common = place.common(tile)
        if common is not None:
            row, column = common.row - tile.row, common.column - tile.column
            inside[row : row + common.rows, column : column + common.columns] = True
    return inside


def combine(seen: Stack, statistic: Statistic, quantity: Quantity) -> dict[str, NDArray[Any]]:
    """Combine the observations of a tile.

    Parameters
    ----------
    seen : Stack
    statistic : str
    quantity : Quantity
        What the stack holds: of one layer for median, max and p90.

    Returns
    -------
    {"value", "count", "date"}
        (layers, rows, columns) float32, NaN where not observed; (1, rows, columns) uint16; for max and
        min-snow (1, rows, columns) int32, YYYYMMDD in UTC, 0 where not observed.
    """
    nodata, unit = observations.NODATA, observations.PER_UNIT
    values = seen.values
    place = values.shape[2:]
    if not len(values):
        empty = {
            "value": np.full((len(quantity.layers), *place), np.nan, np.float32),
            "count": np.zeros((1, *place), np.uint16),
        }
        return empty | ({"date": np.zeros((1, *place), np.int32)} if statistic in _DATED else {})
    if statistic in {"median", "p90"}:
        ranked = composites.percentiles(values[:, 0], [50 if statistic == "median" else 90], nodata)
        return {"value": ranked.value / np.float32(unit), "count": ranked.count[np.newaxis]}
    if statistic == "geomedian":
        found = geomedian.geometric_median(values, nodata, scale=1 / unit)
        return {"value": found.value, "count": found.count[np.newaxis]}
    if statistic == "max":
        extreme = composites.largest(values[:, 0], nodata)
        chosen = extreme.value[np.newaxis]
    else:
        extreme = composites.smallest(_snow(values, quantity), nodata)
        chosen = composites.take(values, extreme.date, nodata)
    value = np.where(chosen == nodata, np.float32(np.nan), chosen / np.float32(unit))
    days = np.array([int(time.astimezone(dt.UTC).strftime("%Y%m%d")) for time in seen.times] + [0], np.int32)
    return {
        "value": value.astype(np.float32),
        "count": extreme.count[np.newaxis],
        "date": days[extreme.date][np.newaxis],  # -1, no date, is the 0 at the end
    }


def _snow(values: NDArray[np.int16], quantity: Quantity) -> NDArray[np.int16]:
    """Compute the snow index of every observation."""
    green, swir = (quantity.bands.index(name) for name in observations.INDICES["ndsi"])
    scale = 1 / observations.PER_UNIT
    return np.stack(
        [
            normalized.difference(
                layer[green],
                layer[swir],
                None,
                None,
                scale,
                0.0,
                scale,
                0.0,
                nodata1=observations.NODATA,
                nodata2=observations.NODATA,
            )
            for layer in values
        ]
    )
