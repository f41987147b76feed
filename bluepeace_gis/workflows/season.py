"""`bluepeace season`: from the scenes of a season on disk to one composite for each lattice of the archive.

The road: scenes -> their lattices -> tiles, which are tasks -> one Cloud Optimized GeoTIFF for each
lattice. A task reads what its tile was seen as, combines it, and writes the tile; JPEG 2000 is decoded
by tasks of its own before. Whatever stops the work, ``--resume`` goes on where it stopped.
"""

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import geopandas as gpd
import shapely

from bluepeace_gis import disk, jobs
from bluepeace_gis.archive import features, index, mosaics, provenance, rasters
from bluepeace_gis.archive.observations import Quantity
from bluepeace_gis.archive.scenes import Scene, checks
from bluepeace_gis.errors import BadInput, BluepeaceError, NotWritten
from bluepeace_gis.geo.areas import densified
from bluepeace_gis.geo.crs import label
from bluepeace_gis.geo.flags import REJECTED_FOR_ICE, REJECTED_FOR_PLANTS, Flag
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.lattice import Lattice, Place, lattices
from bluepeace_gis.jobs import manifest
from bluepeace_gis.kernels.normalized import SUM_MIN
from bluepeace_gis.maps import composite_picture
from bluepeace_gis.workflows import tiling
from bluepeace_gis.workflows.publishing import Record, publishing, require_number
from bluepeace_gis.workflows.result import Result
from bluepeace_gis.workflows.tiling import Job, Statistic

log = logging.getLogger(__name__)

Index = Literal["ndvi", "ndsi", "ndwi", "mndwi"]

TITLES: Final[Mapping[str, str]] = {
    "median": "Median {of}",
    "max": "Greatest {of}",
    "p90": "90th percentile of {of}",
    "geomedian": "Geometric median of reflectance",
    "min-snow": "Reflectance when snow was least",
}
LINEAGE: Final = (
    "Scenes calibrated by their metadata and masked by their quality codes; scenes of one overpass are one "
    "observation; no cell was resampled: every lattice of sensor and UTM zone has a product of its own."
)
# A lattice of one scene takes little time; so many tasks are cut for, whatever the machine, that the
# list of tasks does not depend on it.
TASKS_AT_ONCE: Final = 4
# Interpreter, numpy, numba, GDAL and its cache of blocks, by measurement.
LIBRARIES_MB: Final = 450.0
# The tile is the largest of these whose tasks fit the memory: large tiles cut fewer blocks of a file.
# Its size influences no value.
TILE_SIDES: Final = (2048, 1024, 512, 256, 128)
# Scenes are opened this many at a time: their disk, not the processor, is what is waited for.
READERS: Final = 4
# How far around the study area footprints may lie off, in degrees: those of metadata are coarse.
FOOTPRINT_MARGIN_DEGREES: Final = 0.1
# A time without any scene from so many days on is named by --dry-run: a dekad of the season is lost.
GAP_DAYS: Final = 10
# Notes on scenes that are told one by one.
DOUBTS_TOLD: Final = 5
TOLD_EVERY_S: Final = 0.5
PREVIEW_CELLS: Final = 1200
# Shares of the work, for the bar.
OPENED, CHECKED, STAGED, COMBINED = 0.05, 0.1, 0.4, 0.9

Answer = TypeVar("Answer")


def season(
    scenes: list[Path],
    *,
    from_: dt.date,
    to: dt.date,
    statistic: Statistic,
    out: Path,
    of: Index = "ndvi",
    area: Path | None = None,
    reject: str | None = None,
    cloud_pct_max: float = 100.0,
    memory_mb: float = 2000.0,
    executor: str = "threads",
    resume: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
) -> Result:
    """Combine the clear observations of a season into one value for each cell.

    Parameters
    ----------
    scenes
        Scenes, folders of scenes, an index made by `bluepeace scenes`, or a STAC item collection.
    from_
        First day of the season (UTC).
    to
        Last day of the season, itself included.
    statistic
        median, max or p90 of an index; geomedian of the reflectances; min-snow: the observation with the
        lowest snow index.
    out
        The folder to write into: for each sensor and lattice of cells a composite, the count of clear
        observations and, for max and min-snow, the date of each cell, as Cloud Optimized GeoTIFFs.
    of
        The index that median, max and p90 are of.
    area
        Polygons of the study area: only what lies in the box around them is computed.
    reject
        What makes an observation unclear, separated by commas: cloud, dilated_cloud, shadow, cirrus, snow,
        saturated, water. All but water if not given, for min-snow without snow and saturated.
    cloud_pct_max
        Scenes with more clouds, by their metadata, are left out.
    memory_mb
        Resident memory of the whole process.
    executor
        threads, processes, or the address of a dask scheduler, such as tcp://localhost:8786.
    resume
        Keep the tiles that an earlier, stopped run has finished and that are still right.
    retry_failed
        Like --resume, and try the tiles again that had failed.
    dry_run
        Only say what would be done: scenes, gaps, missing bands, memory and disk.

    Returns
    -------
    Result
        The composites; scenes used and left out, tiles, share of the cells that were seen.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    require_number("memory-mb", memory_mb, above=0)
    require_number("cloud-pct-max", cloud_pct_max)
    if to < from_:
        raise BadInput(f"--to {to} lies before --from {from_}. Exchange the two.")
    if out.is_file():
        raise BadInput(f"--out {out} is a file; the name of a folder was expected. Choose another one.")
    asked = dict(locals())
    quantity = Quantity.of_index(of) if statistic in {"median", "max", "p90"} else Quantity.of_bands()
    rejected = _rejected(reject, statistic)
    log.info("looking for scenes", extra={"done": 0.0})
    polygons = None if area is None else features.read(area, holding="polygons")
    found = index.scenes(
        scenes, progress=lambda share, sentence: log.info(sentence, extra={"done": OPENED * share})
    )
    chosen, left_out = _chosen(found, quantity, (from_, to), cloud_pct_max, polygons)
    if not dry_run:
        chosen, lying = _checked(chosen, quantity)
        left_out += lying
    _tell_left_out(left_out)
    if not chosen:
        raise BadInput(_none_left(found, left_out, from_, to))
    layer = quantity.index or "reflectance"
    work = out.absolute().parent / f".{out.name}.work" / f"{layer}_{statistic}_{from_}_{to}"
    asked_for = _Asked(out, work, statistic, quantity, rejected, memory_mb)
    wanted = _jobs(asked_for, chosen, polygons)
    how = _How(executor, memory_mb, resume, retry_failed)
    if dry_run:
        return _planned(wanted, how, work, (from_, to), left_out)
    record = _Describing(asked, {} if area is None else {"area": area}, (from_, to), left_out)
    with _held(work, out):
        return _made(wanted, how, asked_for, record)


# Which scenes


@dataclass(frozen=True)
class _LeftOut:
    """A scene of the season that takes no part, and why."""

    name: str
    reason: str


def _rejected(reject: str | None, statistic: Statistic) -> Flag:
    if reject is None:
        return REJECTED_FOR_ICE if statistic == "min-snow" else REJECTED_FOR_PLANTS
    known = {flag.name.lower(): flag for flag in Flag if flag.name is not None}
    rejected = Flag.FILL
    for word in filter(None, (part.strip().lower().replace("-", "_") for part in reject.split(","))):
        if word not in known:
            raise BadInput(
                f"--reject names {word!r}; expected some of {', '.join(sorted(known))}, separated by commas."
            )
        rejected |= known[word]
    return rejected


def _chosen(
    found: Sequence[Scene],
    quantity: Quantity,
    season: tuple[dt.date, dt.date],
    cloud_pct_max: float,
    polygons: gpd.GeoDataFrame | None,
) -> tuple[list[Scene], list[_LeftOut]]:
    """Take the scenes of the season over the area that have the bands and are not too cloudy."""
    near = None
    if polygons is not None:
        degrees = densified(polygons.geometry).to_crs("EPSG:4326")
        near = shapely.box(*degrees.total_bounds).buffer(FOOTPRINT_MARGIN_DEGREES)
    chosen: list[Scene] = []
    left_out: list[_LeftOut] = []
    for scene in found:
        if not season[0] <= scene.time.astimezone(dt.UTC).date() <= season[1]:
            continue
        if near is not None and not scene.footprint.intersects(near):
            continue
        missing = [name for name in quantity.bands_of(scene) if name not in scene.bands]
        if missing:
            left_out.append(_LeftOut(scene.name, f"has no band {', '.join(missing)}"))
        elif scene.cloud_share is not None and scene.cloud_share * 100 > cloud_pct_max:
            left_out.append(_LeftOut(scene.name, f"has more than {cloud_pct_max:g} % of clouds"))
        else:
            chosen.append(scene)
    blind = [scene.name for scene in chosen if scene.quality is None]
    if blind:
        log.warning(
            "%d of %d scenes have no quality layer, first %s: their clouds cannot be told from land. "
            "Describe their quality codes beside them, or leave these scenes out.",
            len(blind),
            len(chosen),
            blind[0],
        )
    return chosen, left_out


def _checked(chosen: Sequence[Scene], quantity: Quantity) -> tuple[list[Scene], list[_LeftOut]]:
    """Look at some pixels of each scene; leave out those that are not what they say."""

    def look(scene: Scene) -> tuple[checks.Finding, ...]:
        try:
            return checks.inspect(scene, quantity.bands_of(scene))
        except BluepeaceError as error:
            return (checks.Finding(str(error), stops=True),)

    kept: list[Scene] = []
    left_out: list[_LeftOut] = []
    doubts: Counter[str] = Counter()
    example: dict[str, str] = {}
    steps = _each(look, chosen, "checking scenes", (OPENED, CHECKED))
    for scene, findings in zip(chosen, steps, strict=True):
        stopping = [found.sentence for found in findings if found.stops]
        if stopping:
            left_out.append(_LeftOut(scene.name, " ".join(stopping)))
            continue
        kept.append(scene)
        for found in findings:
            doubts[found.sentence] += 1
            example.setdefault(found.sentence, scene.name)
    for sentence, count in doubts.most_common(DOUBTS_TOLD):
        more = f" (and {count - 1} more scenes)" if count > 1 else ""
        log.warning("%s%s: %s", example[sentence], more, sentence)
    if len(doubts) > DOUBTS_TOLD:
        log.warning("%d more such notes; `bluepeace scenes` lists them all.", len(doubts) - DOUBTS_TOLD)
    return kept, left_out


def _tell_left_out(left_out: Sequence[_LeftOut]) -> None:
    by_reason: dict[str, list[str]] = {}
    for scene in left_out:
        by_reason.setdefault(scene.reason, []).append(scene.name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 1} more scenes are" if len(names) > 1 else " is"
        log.warning("%s%s left out: %s", names[0], more, reason)


def _none_left(found: Sequence[Scene], left_out: Sequence[_LeftOut], first: dt.date, last: dt.date) -> str:
    days = sorted(scene.time.date() for scene in found)
    if left_out:
        return (
            f"None of {len(left_out)} scenes from {first} to {last} can be used; first {left_out[0].name}: "
            f"{left_out[0].reason.rstrip('.')}. Mend or replace them."
        )
    return (
        f"None of {len(found)} scenes lies in the season from {first} to {last} and over the study area; "
        f"they were taken from {days[0]} to {days[-1]}. Choose other days or another area."
    )


# Which tasks


@dataclass(frozen=True)
class _Asked:
    """What is asked of every lattice."""

    out: Path
    work: Path
    statistic: Statistic
    quantity: Quantity
    rejected: Flag
    memory_mb: float


@dataclass(frozen=True)
class _How:
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


def _jobs(asked: _Asked, chosen: Sequence[Scene], polygons: gpd.GeoDataFrame | None) -> list[Job]:
    """Sort the scenes by sensor and lattice, and cut each lattice into tiles that fit the memory."""
    grids = _each(
        lambda scene: scene.grid(*asked.quantity.bands_of(scene)),
        chosen,
        "reading grids",
        (CHECKED, CHECKED),
    )
    by_family: dict[str, dict[str, Grid]] = {}
    for scene, grid in zip(chosen, grids, strict=True):
        by_family.setdefault(scene.family, {})[scene.name] = grid
    scenes = {scene.name: scene for scene in chosen}
    found: list[Job] = []
    for family in sorted(by_family):
        for lattice in lattices(by_family[family]):
            cut = lattice if polygons is None else _cut(lattice, polygons)
            if cut is None:
                continue
            own = {name: scenes[name] for name in cut.places}
            name = _distinct(f"{family}_{_code(cut.grid)}", [job.name for job in found])
            passes = len({scene.overpass for scene in own.values()})
            side = _side(passes, asked.quantity, asked.memory_mb)
            found.append(Job(name, cut, own, asked.statistic, asked.quantity, asked.rejected, side))
    if not found:
        raise BadInput("No scene covers the study area. Choose another --area, or other scenes.")
    return found


def _cut(lattice: Lattice, polygons: gpd.GeoDataFrame) -> Lattice | None:
    area = shapely.box(*densified(polygons.geometry).to_crs(lattice.grid.crs).total_bounds)
    return lattice.within(area) if area.intersects(shapely.box(*lattice.grid.bounds)) else None


def _code(grid: Grid) -> str:
    """Name a lattice by its CRS and cell: epsg32642_30m."""
    authority = grid.crs.to_authority(min_confidence=100)
    name = "".join(authority).lower() if authority else "own"
    size = f"{grid.transform.a:g}".replace(".", "p")
    return f"{name}_{size}{'deg' if grid.is_geographic else 'm'}"


def _distinct(name: str, others: Sequence[str]) -> str:
    """Lattices of one CRS and cell size may lie half a cell off each other: number them."""
    alike = sum(other == name or other.startswith(f"{name}_lattice") for other in others)
    return f"{name}_lattice{alike + 1}" if alike else name


def _side(passes: int, quantity: Quantity, memory_mb: float) -> int:
    room = (memory_mb - LIBRARIES_MB) / TASKS_AT_ONCE
    for side in TILE_SIDES:
        if tiling.tile_mb(side * side, passes, quantity) <= room:
            return side
    least = tiling.tile_mb(TILE_SIDES[-1] ** 2, passes, quantity)
    raise BadInput(
        f"--memory-mb is {memory_mb:g}; {passes} observations need at least "
        f"{LIBRARIES_MB + TASKS_AT_ONCE * least:.0f}. Allow more, or choose a shorter season."
    )


# What would be done


def _planned(
    wanted: Sequence[Job],
    how: _How,
    work: Path,
    season: tuple[dt.date, dt.date],
    left_out: Sequence[_LeftOut],
) -> Result:
    """Tell scenes, gaps, memory and disk."""
    sentences: list[str] = []
    for job in wanted:
        days = sorted({scene.time.astimezone(dt.UTC).date() for scene in job.scenes.values()})
        sentences.append(
            f"{job.name}: {len(job.scenes)} scenes on {len(days)} days, {days[0]} to {days[-1]}; "
            f"{job.lattice.grid}; tiles of {job.side} x {job.side} cells."
        )
        sentences += _gaps(days, season)
    tasks = _all_tasks(wanted, work)
    plan = jobs.plan(
        tasks,
        folder=work,
        executor=how.executor,
        memory_mb=how.memory_mb,
        resume=how.resume,
        retry_failed=how.retry_failed,
    )
    sentences += plan.sentences
    return Result(
        {},
        {
            "scenes": sum(len(job.scenes) for job in wanted),
            "left_out": len(left_out),
            "tasks": plan.tasks,
            "memory_mb": plan.memory_mb + LIBRARIES_MB,
            "disk_mb": plan.disk_mb,
        },
        tuple(sentences),
    )


def _gaps(days: Sequence[dt.date], season: tuple[dt.date, dt.date]) -> list[str]:
    """Name the longest times without any scene."""
    ends = [season[0] - dt.timedelta(days=1), *days, season[1] + dt.timedelta(days=1)]
    gaps = sorted(((after - before).days - 1, before, after) for before, after in pairwise(ends))
    return [
        f"  no scene for {length} days, {before + dt.timedelta(days=1)} to {after - dt.timedelta(days=1)}."
        for length, before, after in reversed(gaps[-3:])
        if length >= GAP_DAYS
    ]


def _all_tasks(wanted: Sequence[Job], work: Path) -> list[jobs.Task]:
    return [
        *(task for job in wanted for task in tiling.staging_tasks(job)),
        *(task for job in wanted for task in tiling.tile_tasks(job, work)),
    ]


# What is done


@dataclass(frozen=True)
class _Describing:
    """What the records of all composites have in common."""

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Path]
    season: tuple[dt.date, dt.date]
    left_out: Sequence[_LeftOut]


@contextmanager
def _held(work: Path, out: Path) -> Iterator[None]:
    """Keep the working folder for this run alone, from the first task to the last product."""
    try:
        handle = disk.hold(work)
    except disk.Held as held:
        raise NotWritten(
            f"Another run is making the same composite in {out} ({held.holder}). Wait until it ends or "
            "choose another --out."
        ) from held
    except OSError as error:
        raise NotWritten(
            f"{work} cannot be made: {error.strerror or error}. Choose another --out, or ask its owner for "
            "the right to write."
        ) from error
    try:
        yield
    finally:
        disk.release(handle, work)
        with suppress(OSError):  # another season is at work in it
            work.parent.rmdir()


def _made(wanted: Sequence[Job], how: _How, asked: _Asked, describing: _Describing) -> Result:
    """Do the tasks, then join the tiles of each lattice into its products."""
    work = asked.work
    products = [_Product(job, asked, describing) for job in wanted]
    todo = [each for each in products if not (how.resume and each.stands())]
    if todo:
        tiling.write_scenes({name: scene for each in todo for name, scene in each.job.scenes.items()}, work)
    staging = [task for each in todo for task in tiling.staging_tasks(each.job)]
    if staging:
        how.run(staging, work, "scenes decoded", (CHECKED, STAGED))
    tasks = {each.job.name: tiling.tile_tasks(each.job, work) for each in todo}
    summary = None
    if todo:
        every = [task for own in tasks.values() for task in own]
        summary = how.run(every, work, "tiles", (STAGED if staging else CHECKED, COMBINED))
    checksums = {Path(file.path): digest for file, digest in manifest.read(work).checksums.items()}
    sentences: list[str] = []
    total: Counter[str] = Counter()
    for number, each in enumerate(products):
        share = COMBINED + (1 - COMBINED) * number / len(products)
        log.info("writing %s", each.job.name, extra={"done": share})
        if each in todo and summary is not None:
            own = _sums(tasks[each.job.name], summary)
            each.publish(own, checksums)
        else:
            own = each.sums()
            sentences.append(f"{each.job.name} stands already as it would be made; it was left as it is.")
        total += own
        sentences.append(
            f"{each.job.name}: {len(each.job.scenes)} scenes, "
            f"{100 * own['seen'] / max(own['covered'], 1):.1f} % of what they cover was seen, "
            f"{own['observations'] / max(own['seen'], 1):.1f} times on average."
        )
    disk.clear(work)
    log.info("done", extra={"done": 1.0})
    return Result(
        {name: path for each in products for name, path in each.outputs().items()},
        {
            "scenes": sum(len(job.scenes) for job in wanted),
            "left_out": len(describing.left_out),
            "tiles": sum(len(own) for own in tasks.values()),
            "seen_pct": 100 * total["seen"] / max(total["covered"], 1),
        },
        tuple(sentences),
    )


def _sums(tasks: Sequence[jobs.Task], summary: jobs.Summary) -> Counter[str]:
    """Add up what the tiles of a lattice say."""
    total: Counter[str] = Counter()
    for task in tasks:
        total.update(summary.results[task.name])
    return total


@dataclass(frozen=True)
class _Product:
    """The composite of one lattice: its files and its record."""

    job: Job
    asked: _Asked
    describing: _Describing

    @property
    def layer(self) -> str:
        """The name of what it shows, a row of :data:`styles.LAYERS`."""
        return self.asked.quantity.index or "reflectance"

    @property
    def stem(self) -> str:
        """The name of its files, without ending."""
        first, last = self.describing.season
        return f"{self.layer}_{self.asked.statistic}_{first}_{last}_{self.job.name}"

    @property
    def out(self) -> Path:
        """The main file."""
        return self.asked.out / f"{self.stem}.tif"

    @cached_property
    def key(self) -> str:
        """Hash of everything it depends on: scenes as they stand, season, method."""
        job = self.job
        whole = jobs.Task(
            name=job.name,
            function=f"{tiling.__name__}:combine_tile",
            arguments={
                "statistic": job.statistic,
                "bands": list(job.quantity.bands),
                "index": job.quantity.index,
                "rejected": int(job.rejected),
                "grid": str(job.lattice.grid),
                "transform": list(job.lattice.grid.transform)[:6],
                "scenes": sorted(job.scenes),
            },
            inputs=[job.scenes[name].path for name in sorted(job.scenes)],
            version=tiling.METHOD_VERSION,
        )
        return whole.id

    def outputs(self) -> dict[str, Path]:
        """Name what it consists of for people and programs."""
        endings = {"": ".tif", "_picture": ".png"}
        endings |= {f"_{kind}": f"_{kind}.tif" for kind in self.job.kinds if kind != "value"}
        return {
            f"{self.job.name}{name}": self.asked.out / f"{self.stem}{ending}"
            for name, ending in endings.items()
        }

    def _told(self) -> Mapping[str, Any]:
        return provenance.method_of(self.out.with_suffix(".json"))

    def stands(self) -> bool:
        """Tell whether it stands there already, whole and made from the same."""
        return self._told().get("made_from") == self.key and not provenance.faults(
            self.out.with_suffix(".json")
        )

    def sums(self) -> Counter[str]:
        """Read the sums from its record."""
        told = self._told()
        return Counter(
            covered=told["cells_covered"], seen=told["cells_seen"], observations=told["observations"]
        )

    def publish(self, sums: Mapping[str, int], checksums: Mapping[Path, str]) -> None:
        """Join its tiles, with count, date, picture, style and record."""
        job, first, last = self.job, *self.describing.season
        title = TITLES[self.asked.statistic].format(of=self.layer.upper())
        times = [scene.time for scene in job.scenes.values()]
        record = Record(
            title=f"{title}, {first} to {last}: {_called(job)}",
            lineage=LINEAGE,
            footprint=shapely.box(*job.lattice.grid.bounds),
            crs=job.lattice.grid.crs,
            inputs={"scenes": [scene.path for scene in job.scenes.values()], **self.describing.inputs},
            parameters=self.describing.parameters,
            method={
                "index_from_sum_of_reflectances": SUM_MIN,
                "rejected": [flag.name for flag in self.asked.rejected],
                "scenes_left_out": {scene.name: scene.reason for scene in self.describing.left_out},
                "cells_covered": sums["covered"],
                "cells_seen": sums["seen"],
                "observations": sums["observations"],
                "made_from": self.key,
            },
            shape=job.lattice.grid.shape,
            transform=job.lattice.grid.transform,
            period=(min(times), max(times)),
            checksums=checksums,
        )
        with publishing(self.out, record, style=self.layer) as work:
            for kind, (ending, dtype, names, nodata) in _files(job, self.layer).items():
                mosaics.join(
                    [
                        mosaics.Part(
                            tile.row,
                            tile.column,
                            tile.rows,
                            tile.columns,
                            self.asked.work / tiling.tile_file(job, tile, kind),
                        )
                        for tile, _ in job.tiles()
                    ],
                    job.lattice.grid,
                    work / f"{self.stem}{ending}.tif",
                    dtype=dtype,
                    descriptions=names,
                    nodata=nodata,
                )
            _draw(work, self.stem, record.title, job, sums, self.layer)


def _files(job: Job, layer: str) -> dict[str, tuple[str, str, Sequence[str], float | None]]:
    """Name the products of a lattice: ending, type, bands, nodata."""
    values = [layer] if job.quantity.index else list(job.quantity.layers)
    files: dict[str, tuple[str, str, Sequence[str], float | None]] = {
        "value": ("", "float32", values, None),
        "count": ("_count", "uint16", ["clear observations"], None),
        "date": ("_date", "int32", ["date, YYYYMMDD"], 0),
    }
    return {kind: files[kind] for kind in job.kinds}


def _draw(work: Path, stem: str, title: str, job: Job, sums: Mapping[str, int], layer: str) -> None:
    values, grid = rasters.preview(work / f"{stem}.tif", PREVIEW_CELLS)
    counts, _ = rasters.preview(work / f"{stem}_count.tif", PREVIEW_CELLS)
    platforms = Counter(scene.platform for scene in job.scenes.values())
    days = sorted(scene.time.astimezone(dt.UTC).date() for scene in job.scenes.values())
    facts = [
        f"{len(job.scenes)} scenes, {days[0]} to {days[-1]}",
        *(f"  {name}: {count}" for name, count in sorted(platforms.items())),
        f"{100 * sums['seen'] / max(sums['covered'], 1):.1f} % of what scenes cover was seen",
    ]
    coarser = job.lattice.grid.shape[0] / grid.shape[0], job.lattice.grid.shape[1] / grid.shape[1]
    places = [_coarser(place, *coarser) for place in job.lattice.places.values()]
    inside = tiling.covered(Place(0, 0, *grid.shape), places)
    view = composite_picture.View(grid, values, list(job.quantity.layers), counts[0], inside)
    composite_picture.composite_picture(work / f"{stem}.png", view, title=title, facts=facts, layer=layer)


def _coarser(place: Place, down: float, across: float) -> Place:
    """Put a place on a grid whose cells are so many times as high and wide."""
    row, column = round(place.row / down), round(place.column / across)
    bottom, right = round((place.row + place.rows) / down), round((place.column + place.columns) / across)
    return Place(row, column, bottom - row, right - column)


def _called(job: Job) -> str:
    """Name a lattice for people: Landsat, EPSG:32642, 30 m."""
    grid = job.lattice.grid
    family = next(iter(job.scenes.values())).family
    name = {"hls": "HLS", "modis": "MODIS"}.get(family, family.capitalize())
    unit = "°" if grid.is_geographic else " m"
    return f"{name}, {label(grid.crs)}, {grid.transform.a:g}{unit}"


def _each(
    work: Callable[[Scene], Answer], chosen: Sequence[Scene], doing: str, span: tuple[float, float]
) -> list[Answer]:
    """Do something for each scene, several at a time, in their order."""
    begin, end = span
    answers: list[Answer] = []
    told = 0.0
    with ThreadPoolExecutor(READERS) as pool:
        futures = [pool.submit(work, scene) for scene in chosen]
        try:
            for future in futures:
                answers.append(future.result())
                now = time.monotonic()
                if now - told < TOLD_EVERY_S and len(answers) < len(chosen):
                    continue
                told = now
                share = begin + (end - begin) * len(answers) / len(chosen)
                log.info("%s: %d of %d", doing, len(answers), len(chosen), extra={"done": share})
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return answers
