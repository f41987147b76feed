"""`bluepeace season`: from the scenes of a season on disk to one composite for each lattice of the archive.

The road: scenes -> their lattices -> tiles, which are tasks -> one Cloud Optimized GeoTIFF for each
lattice. A task reads what its tile was seen as, combines it, and writes the tile; JPEG 2000 is decoded
by tasks of its own before. Whatever stops the work, ``--resume`` goes on where it stopped.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bluepeace_gis import disk, jobs
from bluepeace_gis.archive import features, index
from bluepeace_gis.archive.observations import Quantity
from bluepeace_gis.errors import BadInput
from bluepeace_gis.jobs import manifest
from bluepeace_gis.jobs.tasks import absolute
from bluepeace_gis.workflows import choosing, cutting, tiling
from bluepeace_gis.workflows.composites import Asked, Composite, Describing
from bluepeace_gis.workflows.cutting import TILE_SIDES, How, held
from bluepeace_gis.workflows.publishing import require_number
from bluepeace_gis.workflows.result import Result
from bluepeace_gis.workflows.tiling import Statistic

log = logging.getLogger(__name__)

Index = Literal["ndvi", "ndsi", "ndwi", "mndwi"]

# Shares of the work, for the bar.
OPENED, CHECKED, STAGED, COMBINED = 0.05, 0.1, 0.4, 0.9


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
        Make only the tiles again that had failed; --resume makes those that are missing, too.
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
    asked = {name.rstrip("_"): value for name, value in locals().items()}
    cutting.require_folder(out, "composite.tif")
    quantity = Quantity.of_index(of) if statistic in {"median", "max", "p90"} else Quantity.of_bands()
    rejected = choosing.rejected_flags(reject, statistic)
    log.info("looking for scenes", extra={"done": 0.0})
    polygons = None if area is None else features.read(area, holding="polygons")
    found = index.scenes(
        scenes, progress=lambda share, sentence: log.info(sentence, extra={"done": OPENED * share})
    )
    chosen, left_out = choosing.choose(found, quantity, (from_, to), cloud_pct_max, polygons)
    if not dry_run:
        chosen, lying = choosing.check(chosen, quantity, (OPENED, CHECKED))
        left_out += lying
    choosing.tell_left_out(left_out)
    if not chosen:
        raise BadInput(choosing.none_left(found, left_out, (from_, to)))
    layer = quantity.index or "reflectance"
    place = absolute(out)  # "." has no name
    work = place.parent / f".{place.name}.work" / f"{layer}_{statistic}_{from_}_{to}"
    asked_for = Asked(out, work, statistic, quantity, rejected, memory_mb)
    wanted = cutting.jobs_of(
        cutting.Wanted(tiling.combining(statistic, quantity), quantity, rejected, memory_mb, TILE_SIDES),
        chosen,
        polygons,
        CHECKED,
    )
    how = How(executor, memory_mb, resume, retry_failed)
    record = Describing(asked, {} if area is None else {"area": area}, (from_, to), left_out)
    composites = [Composite(job, asked_for, record) for job in wanted]
    if dry_run:
        return _planned(composites, how, asked_for, record)
    with held(work, out, "composite"):
        return _made(composites, how, asked_for, record)


# What would be done


def _planned(composites: Sequence[Composite], how: How, asked: Asked, describing: Describing) -> Result:
    """Tell scenes, gaps, memory and disk."""
    sentences: list[str] = []
    for each in composites:
        sentences += cutting.describe(each.job, describing.season)
    todo = _todo(composites, how)
    sentences += [_left_as_it_is(each) for each in composites if each not in todo]
    tasks = [task for each in todo for task in tiling.staging_tasks(each.job)]
    tiles = [task for each in todo for task in tiling.tile_tasks(each.job, asked.work)]
    plan = jobs.plan(
        [*tasks, *tiles],
        folder=asked.work,
        executor=how.executor,
        memory_mb=how.memory_mb,
        resume=how.resume,
        retry_failed=how.retry_failed,
    )
    products_mb = sum(task.disk_mb for task in tiles)  # joined, they are as large again
    sentences += plan.sentences
    sentences.append(f"The composites take up to {products_mb:,.0f} MB more.")
    return Result(
        {},
        {
            "scenes": sum(len(each.job.scenes) for each in composites),
            "left_out": len(describing.left_out),
            "tasks": plan.tasks,
            "memory_mb": plan.memory_mb + cutting.LIBRARIES_MB,
            "disk_mb": plan.disk_mb + products_mb,
        },
        tuple(sentences),
    )


# What is done


def _todo(composites: Sequence[Composite], how: How) -> list[Composite]:
    """List those that do not stand already as they would be made."""
    return [each for each in composites if not ((how.resume or how.retry_failed) and each.stands())]


def _left_as_it_is(composite: Composite) -> str:
    return f"{composite.job.name} stands already as it would be made; it was left as it is."


def _made(composites: Sequence[Composite], how: How, asked: Asked, describing: Describing) -> Result:
    """Do the tasks, then join the tiles of each lattice into its products."""
    work = asked.work
    todo = _todo(composites, how)
    tasks, summary = cutting.do([each.job for each in todo], work, how, (CHECKED, STAGED, COMBINED))
    checksums = {Path(file.path): digest for file, digest in manifest.read(work).checksums.items()}
    sentences: list[str] = []
    total: Counter[str] = Counter()
    for number, each in enumerate(composites):
        share = COMBINED + (1 - COMBINED) * number / len(composites)
        log.info("writing %s", each.job.name, extra={"done": share})
        if each in todo and summary is not None:
            own = cutting.sums(tasks[each.job.name], summary)
            each.publish(own, checksums)
        else:
            own = each.sums()
            sentences.append(_left_as_it_is(each))
        total += own
        sentences.append(
            f"{each.job.name}: {len(each.job.scenes)} scenes, "
            f"{100 * own['seen'] / max(own['covered'], 1):.1f} % of what they cover was seen, "
            f"{own['observations'] / max(own['seen'], 1):.1f} times on average."
        )
    disk.clear(work)
    log.info("done", extra={"done": 1.0})
    return Result(
        {name: path for each in composites for name, path in each.outputs().items()},
        {
            "scenes": sum(len(each.job.scenes) for each in composites),
            "left_out": len(describing.left_out),
            "tiles": sum(len(own) for own in tasks.values()),
            "seen_pct": 100 * total["seen"] / max(total["covered"], 1),
        },
        tuple(sentences),
    )
