"""From scenes to the tasks of one run: their lattices, tiles that fit the memory, a folder for it alone."""

import datetime as dt
import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import geopandas as gpd
import shapely

from bluepeace_gis import disk, jobs
from bluepeace_gis.archive import products
from bluepeace_gis.archive.observations import Quantity
from bluepeace_gis.archive.scenes import Scene
from bluepeace_gis.errors import BadInput, NotWritten, OutsideGrid
from bluepeace_gis.geo.areas import densified
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.lattice import Lattice, lattices
from bluepeace_gis.jobs.tasks import absolute
from bluepeace_gis.workflows import choosing, tiling
from bluepeace_gis.workflows.tiling import Job, Making

log = logging.getLogger(__name__)

# A lattice of one scene takes little time; so many tasks are cut for, whatever the machine, that the
# list of tasks does not depend on it.
TASKS_AT_ONCE: Final = 4
# Interpreter, numpy, numba, GDAL and its cache of blocks, by measurement.
LIBRARIES_MB: Final = 450.0
# The tile is the largest of these whose tasks fit the memory: large tiles cut fewer blocks of a file.
# Its size influences no value.
TILE_SIDES: Final = (2048, 1024, 512, 256, 128)
# A time without any scene from so many days on is named by --dry-run: a dekad of the season is lost.
GAP_DAYS: Final = 10
# What is kept of a scene's name in those of its files; the names of products are shorter.
_FILE_NAME_BYTES: Final = 100
_NOT_IN_FILES: Final = re.compile(r"[^\w.+~-]|^\.|\.$")


def require_folder(out: Path, main: str) -> None:
    """Refuse a place that takes no files, before scenes are looked for."""
    if out.is_file():
        raise BadInput(f"--out {out} is a file; the name of a folder was expected. Choose another one.")
    place = absolute(out)
    products.require_place(place)  # the working folder stands beside it
    products.require_place(place / main)


@dataclass(frozen=True)
class How:
    """How the tasks are done."""

    executor: str
    memory_mb: float
    resume: bool
    retry_failed: bool

    def run(
        self, tasks: Sequence[jobs.Task], work: Path, unit: str, span: tuple[float, float]
    ) -> jobs.Summary:
        """Do the tasks; raise if one of them failed."""
        summary = jobs.run(
            tasks,
            folder=work,
            executor=self.executor,
            memory_mb=self.memory_mb,
            resume=self.resume,
            retry_failed=self.retry_failed,
            unit=unit,
            span=span,
        )
        summary.require_all()
        return summary


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every lattice, whatever is made of it."""

    making: Making
    quantity: Quantity
    rejected: Flag
    memory_mb: float
    sides: Sequence[int] = TILE_SIDES


def jobs_of(
    wanted: Wanted, chosen: Sequence[Scene], polygons: gpd.GeoDataFrame | None, share: float
) -> list[Job]:
    """Sort the scenes by sensor and lattice, and cut each lattice into tiles that fit the memory.

    Parameters
    ----------
    wanted : Wanted
    chosen : list of Scene
    polygons : GeoDataFrame or None
        The study area: only the box around it is cut out.
    share : float
        Of the whole work that is done by now, for the progress.

    Returns
    -------
    list of Job
        One for each sensor and lattice.

    Raises
    ------
    BadInput
        If no scene covers the study area, or the memory holds no tile.
    """
    quantity = wanted.quantity
    grids = choosing.each(
        lambda scene: scene.grid(*quantity.bands_of(scene)), chosen, "reading grids", (share, share)
    )
    by_family: dict[str, dict[str, Grid]] = {}
    scenes = dict(zip(_file_names([scene.name for scene in chosen]), chosen, strict=True))
    for (name, scene), grid in zip(scenes.items(), grids, strict=True):
        by_family.setdefault(scene.family, {})[name] = grid
    found: list[Job] = []
    for family in sorted(by_family):
        for lattice in lattices(by_family[family]):
            inside = lattice if polygons is None else cut(lattice, polygons)
            if inside is None or not inside.places:  # it may lie between the scenes of a lattice
                continue
            own = {name: scenes[name] for name in inside.places}
            name = distinct(f"{family}_{code(inside.grid)}", [job.name for job in found])
            passes = len({scene.overpass for scene in own.values()})
            found.append(
                Job(name, inside, own, wanted.making, quantity, wanted.rejected, _side(passes, wanted))
            )
    if not found:
        raise BadInput("No scene covers the study area. Choose another --area, or other scenes.")
    return found


def _file_names(names: Sequence[str]) -> list[str]:
    """Name scenes so that files can be called so, each by its own name.

    A plain GeoTIFF of every date may be called scene.tif in a folder of its own, and the items of others
    have any letters and any length.
    """
    used: set[str] = set()
    found = []
    for name in names:
        plain = _NOT_IN_FILES.sub("_", name)
        if plain != name or len(plain.encode()) > _FILE_NAME_BYTES:
            digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]
            plain = f"{plain.encode()[:_FILE_NAME_BYTES].decode(errors='ignore')}-{digest}"
        distinct, number = plain, 1
        while distinct.casefold() in used:
            number += 1
            distinct = f"{plain}~{number}"
        used.add(distinct.casefold())
        found.append(distinct)
    return found


def cut(lattice: Lattice, polygons: gpd.GeoDataFrame) -> Lattice | None:
    """Cut a lattice to the box around polygons; None if they lie elsewhere."""
    area = shapely.box(*densified(polygons.geometry).to_crs(lattice.grid.crs).total_bounds)
    try:
        return lattice.within(area)
    except OutsideGrid:  # another zone than that of the study area
        return None


def code(grid: Grid) -> str:
    """Name a lattice by its CRS and cell: epsg32642_30m."""
    authority = grid.crs.to_authority(min_confidence=100)
    name = "".join(authority).lower() if authority else "own"
    size = f"{grid.transform.a:g}".replace(".", "p")
    return f"{name}_{size}{'deg' if grid.is_geographic else 'm'}"


def distinct(name: str, others: Sequence[str]) -> str:
    """Lattices of one CRS and cell size may lie half a cell off each other: number them."""
    alike = sum(other == name or other.startswith(f"{name}_lattice") for other in others)
    return f"{name}_lattice{alike + 1}" if alike else name


def _side(passes: int, wanted: Wanted) -> int:
    def tile_mb(side: int) -> float:
        return tiling.tile_mb(side * side, passes, wanted.quantity, wanted.making)

    room = (wanted.memory_mb - LIBRARIES_MB) / TASKS_AT_ONCE
    for side in wanted.sides:
        if tile_mb(side) <= room:
            return side
    raise BadInput(
        f"--memory-mb is {wanted.memory_mb:g}; {passes} observations need at least "
        f"{LIBRARIES_MB + TASKS_AT_ONCE * tile_mb(wanted.sides[-1]):.0f}. Allow more, or choose a shorter "
        "season."
    )


def gaps(days: Sequence[dt.date], season: tuple[dt.date, dt.date]) -> list[str]:
    """Name the longest times without any scene."""
    ends = [season[0] - dt.timedelta(days=1), *days, season[1] + dt.timedelta(days=1)]
    between = sorted(((after - before).days - 1, before, after) for before, after in pairwise(ends))
    return [
        f"  no scene for {length} days, {before + dt.timedelta(days=1)} to {after - dt.timedelta(days=1)}."
        for length, before, after in reversed(between[-3:])
        if length >= GAP_DAYS
    ]


def describe(job: Job, season: tuple[dt.date, dt.date]) -> list[str]:
    """Say what a lattice consists of and when nothing was seen of it, for --dry-run."""
    days = sorted({scene.time.astimezone(dt.UTC).date() for scene in job.scenes.values()})
    whole = (
        f"{job.name}: {len(job.scenes)} scenes on {len(days)} days, {days[0]} to {days[-1]}; "
        f"{job.lattice.grid}; tiles of {job.side} x {job.side} cells."
    )
    return [whole, *gaps(days, season)]


def do(
    todo: Sequence[Job], work: Path, how: How, spans: tuple[float, float, float]
) -> tuple[dict[str, list[jobs.Task]], jobs.Summary | None]:
    """Decode what is in JPEG 2000, then make the tiles.

    Parameters
    ----------
    todo : list of Job
    work : path
        Of the run.
    how : How
    spans : (float, float, float)
        Shares of the whole work: before, when all is decoded, when all tiles are made.

    Returns
    -------
    tasks : {job: tiles}
    summary : Summary or None
        Of the tiles; None if there are none.

    Raises
    ------
    SomeFailed
        If a task failed.
    """
    begin, staged, end = spans
    if todo:
        tiling.write_scenes({name: scene for job in todo for name, scene in job.scenes.items()}, work)
    staging = [task for job in todo for task in tiling.staging_tasks(job)]
    if staging:
        how.run(staging, work, "scenes decoded", (begin, staged))
    tasks = {job.name: tiling.tile_tasks(job, work) for job in todo}
    every = [task for own in tasks.values() for task in own]
    summary = how.run(every, work, "tiles", (staged if staging else begin, end)) if todo else None
    return tasks, summary


@contextmanager
def held(work: Path, out: Path, what: str) -> Iterator[None]:
    """Keep the working folder for this run alone, from the first task to the last product."""
    try:
        handle = disk.hold(work)
    except disk.Held as other:
        raise NotWritten(
            f"Another run is making the same {what} in {out} ({other.holder}). Wait until it ends or "
            "choose another --out."
        ) from other
    except OSError as error:
        with suppress(OSError):
            work.parent.rmdir()
        raise NotWritten(products.refusal(error, out, "--out")) from error
    try:
        yield
    finally:
        disk.release(handle, work)
        with suppress(OSError):  # another run is at work in it
            work.parent.rmdir()


def sums(tasks: Sequence[jobs.Task], summary: jobs.Summary) -> Counter[str]:
    """Add up what the tiles of a lattice say."""
    total: Counter[str] = Counter()
    for task in tasks:
        total.update(summary.results[task.name])
    return total
