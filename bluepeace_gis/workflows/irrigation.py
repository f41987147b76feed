"""`bluepeace irrigation`: from the scenes of a year, or NDVI made by others, to a map of irrigated land.

The road: scenes -> lattices of sensor and UTM zone -> tiles, which are tasks: dekad maxima, and what one
rule says of them -> the maps of all lattices on the finest grid -> what is no field left out, small patches
too -> areas of zones. Whatever stops the work, ``--resume`` goes on where it stopped.
"""

import datetime as dt
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from affine import Affine

from bluepeace_gis import disk, jobs
from bluepeace_gis.analyses import irrigation as rules
from bluepeace_gis.analyses.areas.wording import Language
from bluepeace_gis.analyses.irrigation import Limits, Seasons, ZoneSums, defaults, seasons
from bluepeace_gis.archive import (
    annual_maps,
    features,
    index,
    mosaics,
    ndvi_stacks,
    provenance,
    rasters,
    tables,
    windows,
)
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.archive.observations import Quantity
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.flags import REJECTED_FOR_PLANTS
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.jobs import manifest
from bluepeace_gis.jobs.tasks import absolute
from bluepeace_gis.maps import irrigation_picture, styles
from bluepeace_gis.maps.irrigation_picture import Curve
from bluepeace_gis.workflows import (
    choosing,
    cutting,
    irrigation_curves,
    irrigation_fields,
    irrigation_maps,
    irrigation_prepared,
    irrigation_tiles,
    irrigation_words,
    tiling,
)
from bluepeace_gis.workflows.area import named_zones
from bluepeace_gis.workflows.choosing import LeftOut
from bluepeace_gis.workflows.cutting import TILE_SIDES, How, held
from bluepeace_gis.workflows.irrigation_curves import Typical
from bluepeace_gis.workflows.irrigation_maps import Counted, Finish, Ground, Layer
from bluepeace_gis.workflows.irrigation_prepared import Prepared
from bluepeace_gis.workflows.publishing import Record, publishing, require_number, require_places
from bluepeace_gis.workflows.result import Result
from bluepeace_gis.workflows.tiling import Job

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "NDVI of calibrated and masked scenes on each sensor's own cells; the highest of each dekad and its day; "
    "one rule of thresholds and windows for all places, which leaves open what gaps may hide; maps of the "
    "sensors joined by the nearest cell, the one with most dekads deciding. Areas are counted on the map and "
    "fitted to the geodesic areas of zones; low and high are its areas with thresholds moved, no confidence "
    "interval. For that draw points of the map (bluepeace sample-points, bluepeace area)."
)
FIRST_YEAR, LAST_YEAR = 1972, 2100
# The column of names that ours are put into; no layer has it.
ZONE: Final = "bluepeace zone"
STATES: Final = {code: name for code, name in defaults.STATES.items() if code != defaults.OUTSIDE}
SEASONS: Final = {code: name for code, name in defaults.SEASONS.items() if code != defaults.OUTSIDE}
# Scenes with less cloud than this share by their metadata; all of them.
CLOUD_PCT_MAX: Final = 100.0
# Places along each side of a lattice at which rain and evapotranspiration are looked at.
LOOKED_AT: Final = 64
# Shares of the work, for the bar.
OPENED, CHECKED, STAGED, MAPPED = 0.03, 0.06, 0.25, 0.8
MERGED, VOTED, FINISHED, JOINED = 0.86, 0.88, 0.94, 0.97


def irrigation(
    scenes: list[Path],
    *,
    year: int,
    out: Path,
    ndvi: bool = False,
    dem: Path | None = None,
    zones: Path | None = None,
    zone_field: str | None = None,
    group_field: str | None = None,
    seasons: Path | None = None,
    rain: Path | None = None,
    et0: Path | None = None,
    parcels: Path | None = None,
    exclude: Path | None = None,
    area: Path | None = None,
    memory_mb: float = 2000.0,
    executor: str = "threads",
    resume: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
) -> Result:
    """Map the irrigated land of a year and its seasons, and what was not observed of it.

    Parameters
    ----------
    scenes
        Scenes, folders of scenes, an index made by `bluepeace scenes`, or a STAC item collection; with --ndvi
        NDVI that is already prepared.
    year
        The calendar year (UTC).
    out
        The folder to write: irrigation_YEAR.tif (state and season), the maps with higher and lower
        thresholds, the number of dekads observed, zones.csv, a picture, styles and the STAC item.
    ndvi
        SCENES are NDVI: rasters with a date for each band (its name, NAME.dates.csv, or the name of the file
        where each has one), or a table of fields with columns such as ndvi_X97 or ndvi_2024-04-07.
    dem
        Elevations, m: steep land counts as pasture, not as fields.
    zones
        Polygons that do not overlap, such as districts: areas are listed for each, and their names choose
        their row in the table of seasons.
    zone_field
        Their column with the names; name, where there is one, else the first of texts.
    group_field
        Columns of larger units that zones belong to, separated by commas: country,basin.
    seasons
        A table of seasons in TOML instead of the one that comes with the program.
    rain
        Rain, mm: one band of the year, or twelve of its months. Without it all places count as arid.
    et0
        Reference evapotranspiration, mm: as rain.
    parcels
        Polygons of fields: each gets what most of its cells say. Without it small patches are left out.
    exclude
        Polygons that are no fields: riparian forest, wetlands, towns; a column reason names them.
    area
        Polygons of the study area: all else is outside.
    memory_mb
        Resident memory of the whole process.
    executor
        threads, processes, or the address of a dask scheduler, such as tcp://localhost:8786.
    resume
        Keep the tiles that an earlier, stopped run has finished and that are still right.
    retry_failed
        Make only the tiles again that had failed; --resume makes those that are missing, too.
    dry_run
        Only say what would be done: scenes, gaps, memory and disk.

    Returns
    -------
    Result
        The map and what lies beside it; irrigated area, its range, what was not observed.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    asked = dict(locals())
    if ndvi and any(ndvi_stacks.is_table(path) for path in scenes):
        return irrigation_fields.map_fields(scenes, asked)
    request = _Request.of(asked)
    log.info("looking for scenes", extra={"done": 0.0})
    work = request.work
    how = How(executor, memory_mb, resume, retry_failed)
    road = (_prepared if ndvi else _scenes)(request, scenes, dry_run=dry_run)
    _require_zones(request, road)
    _require_water_there(request, road)
    if dry_run:
        return _planned(road, how, request)
    key = _key(road, request)
    if (resume or retry_failed) and _stands(request, key):
        return _as_it_stands(request)
    with held(work, out, "map"):
        try:
            return _made(road, how, request, key)
        finally:
            windows.close_all()


# What is asked


@dataclass(frozen=True)
class _Request:
    """What is asked, read and checked before hours of work."""

    asked: Mapping[str, Any]
    year: int
    out: Path
    memory_mb: float
    table_text: str
    table: Seasons
    limits: Limits
    area: gpd.GeoDataFrame | None
    zones: gpd.GeoDataFrame | None
    zone_field: str | None
    groups: tuple[str, ...]
    ground: Ground
    tiles_zones: tuple[Path, str] | None

    @property
    def stem(self) -> str:
        return f"irrigation_{self.year}"

    @property
    def main(self) -> Path:
        return self.out / f"{self.stem}.tif"

    @property
    def work(self) -> Path:
        place = absolute(self.out)  # "." has no name
        return place.parent / f".{place.name}.work" / self.stem

    def path(self, name: str) -> Path | None:
        given: Path | None = self.asked[name]
        return given

    @property
    def inputs(self) -> dict[str, Path]:
        names = ("dem", "zones", "seasons", "rain", "et0", "parcels", "exclude", "area")
        return {name: self.asked[name] for name in names if self.asked[name] is not None}

    def outputs(self) -> dict[str, Path]:
        endings = {
            "out": ".tif", "sensitivity": "_sensitivity.tif", "dekads": "_dekads.tif", "picture": ".png",
        }  # fmt: skip
        return {name: self.out / f"{self.stem}{ending}" for name, ending in endings.items()} | {
            "zones": self.out / "zones.csv"
        }

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "_Request":
        year, out = asked["year"], asked["out"]
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise BadInput(f"--year is {year}; expected a calendar year, {FIRST_YEAR} to {LAST_YEAR}.")
        require_number("memory-mb", asked["memory_mb"], above=0)
        if asked["et0"] is not None and asked["rain"] is None:
            raise BadInput("--et0 was given without --rain, with which it is compared. Give both.")
        main = f"irrigation_{year}.tif"
        cutting.require_folder(out, main)
        names = ("dem", "zones", "seasons", "rain", "et0", "parcels", "exclude", "area")
        require_places({"out": out / main}, {name: asked[name] for name in names if asked[name] is not None})
        _require_own_zones(out, year)
        text = seasons.shipped_text()
        if asked["seasons"] is not None:
            require_file(asked["seasons"])
            text = asked["seasons"].read_text(encoding="utf-8", errors="replace")
        table = seasons.read(text)
        places = named_zones(asked["zones"], asked["zone_field"])
        groups = tuple(part.strip() for part in (asked["group_field"] or "").split(",") if part.strip())
        if groups and places is None:
            raise BadInput("--group-field was given without --zones, the polygons. Give both.")
        zones = field = None
        if places is not None:
            field = ZONE
            own_names = [places.names[number - 1] for number in places.number]
            zones = places.layer.assign(**{ZONE: own_names})
        area = None if asked["area"] is None else features.read(asked["area"], holding="polygons")
        dem = None if asked["dem"] is None else windows.open_raster(asked["dem"])
        parcels = None if asked["parcels"] is None else _polygons(asked["parcels"])
        ground = Ground(area, _excluded(asked["exclude"]), dem, parcels)
        _require_water(asked["rain"], asked["et0"])
        if asked["rain"] is None:
            log.warning(
                "No --rain was given: every place counts as arid, and all that is cropped as irrigated."
            )
        own = None
        if places is not None and places.field is not None and _differ(table, places.names):
            own = (asked["zones"], places.field)
        return cls(
            asked, year, out, asked["memory_mb"], text, table, Limits(), area, zones, field, groups, ground,
            own,
        )  # fmt: skip

    def making(self, function: Callable[..., Any] = irrigation_tiles.map_tile) -> tiling.Making:
        zones, field = self.tiles_zones or (None, None)
        return irrigation_tiles.making(
            self.year, self.table_text, self.limits, zones=zones, zone_field=field,
            rain=self.path("rain"), et0=self.path("et0"), function=function,
        )  # fmt: skip


def _require_own_zones(out: Path, year: int) -> None:
    """Refuse a folder with the map of another year: its zones.csv would be replaced."""
    for other in sorted(out.glob("irrigation_*.json")):
        if other.stem != f"irrigation_{year}" and (out / "zones.csv").exists():
            raise BadInput(
                f"{out} holds {other.stem} already, whose zones.csv would be replaced. Choose another --out "
                "for each year."
            )


def _excluded(path: Path | None) -> dict[str, gpd.GeoSeries]:
    if path is None:
        return {}
    layer = features.read(path, holding="polygons")
    if "reason" not in layer.columns:
        return {"excluded": layer.geometry}
    reason = layer["reason"].fillna("excluded").astype(str).str.strip().replace("", "excluded")
    return {str(name): part.geometry for name, part in layer.groupby(reason, sort=True)}


def _polygons(path: Path) -> gpd.GeoSeries:
    return features.read(path, holding="polygons").geometry


def _require_water(rain: Path | None, et0: Path | None) -> None:
    """Refuse rain and evapotranspiration of another number of bands than one year or twelve months."""
    found = {name: windows.open_raster(path).bands
             for name, path in (("rain", rain), ("et0", et0)) if path is not None}  # fmt: skip
    for name, bands in found.items():
        if bands not in {1, irrigation_tiles.MONTHS}:
            raise BadInput(
                f"--{name} has {bands} bands; one of the year or twelve of its months were expected."
            )


def _differ(table: Seasons, names: Sequence[str]) -> bool:
    """Tell whether any zone has other days than the default."""
    places = {table.place_of(name) for name in names}
    whole = np.hstack([table.windows, table.days])
    return any((whole[place] != whole[0]).any() for place in places)


# Which tasks


@dataclass(frozen=True)
class _Road:
    """Lattices to be mapped, and what they were made from.

    Parameters
    ----------
    lattices : list of Job or Prepared
    sources : (Path, ...)
    period : (datetime, datetime)
        Of the first and the last observation.
    platforms : {name: count}
    left_out : list of LeftOut
    """

    lattices: Sequence[Job] | Sequence[Prepared]
    sources: tuple[Path, ...]
    period: tuple[dt.datetime, dt.datetime]
    platforms: Mapping[str, int]
    left_out: Sequence[LeftOut] = ()

    def tasks(self, work: Path) -> list[jobs.Task]:
        """List all tasks, those that decode scenes first."""
        found: list[jobs.Task] = []
        for each in self.lattices:
            found += each.tasks() if isinstance(each, Prepared) else tiling.staging_tasks(each)
        for each in self.lattices:
            found += [] if isinstance(each, Prepared) else tiling.tile_tasks(each, work)
        return found

    def do(self, work: Path, how: How) -> tuple[dict[str, list[jobs.Task]], jobs.Summary]:
        """Do all tasks; returns those of tiles by lattice, and what became of them."""
        scenes = [each for each in self.lattices if isinstance(each, Job)]
        if scenes:
            tasks, summary = cutting.do(scenes, work, how, (CHECKED, STAGED, MAPPED))
        else:
            tasks = {each.name: each.tasks() for each in self.lattices if isinstance(each, Prepared)}
            every = [task for own in tasks.values() for task in own]
            summary = how.run(every, work, "tiles", (CHECKED, MAPPED))
        if summary is None:
            raise BadInput("No tile holds any data. Choose another --area.")
        return tasks, summary


def _scenes(request: _Request, given: Sequence[Path], *, dry_run: bool) -> _Road:
    """Choose the scenes of the year and cut their lattices."""
    quantity = Quantity.of_index("ndvi")
    season = dt.date(request.year, 1, 1), dt.date(request.year, 12, 31)
    found = index.scenes(
        given, progress=lambda share, sentence: log.info(sentence, extra={"done": OPENED * share})
    )
    chosen, left_out = choosing.choose(found, quantity, season, CLOUD_PCT_MAX, request.area)
    if not dry_run:
        chosen, lying = choosing.check(chosen, quantity, (OPENED, CHECKED))
        left_out += lying
    choosing.tell_left_out(left_out)
    if not chosen:
        raise BadInput(choosing.none_left(found, left_out, season))
    wanted = cutting.Wanted(request.making(), quantity, REJECTED_FOR_PLANTS, request.memory_mb, TILE_SIDES)
    lattices = cutting.jobs_of(wanted, chosen, request.area, CHECKED)
    scenes = [scene for job in lattices for scene in job.scenes.values()]
    times = [scene.time for scene in scenes]
    return _Road(
        lattices,
        tuple(scene.path for scene in scenes),
        (min(times), max(times)),
        Counter(scene.platform for scene in scenes),
        left_out,
    )


def _prepared(request: _Request, given: Sequence[Path], *, dry_run: bool) -> _Road:
    """Find the dates of the year in rasters of NDVI, and cut their lattices."""
    del dry_run  # looking at their headers is all there is
    bands = ndvi_stacks.open_stacks(given, request.year)
    making = request.making(irrigation_prepared.map_tile)
    lattices = irrigation_prepared.prepared(bands, making, request.memory_mb, request.area, TILE_SIDES)
    dates = [one.date for one in bands]
    noon = dt.time(12, tzinfo=dt.UTC)
    return _Road(
        lattices,
        tuple(dict.fromkeys(one.path for one in bands)),
        (dt.datetime.combine(min(dates), noon), dt.datetime.combine(max(dates), noon)),
        {irrigation_prepared.FAMILY: len(bands)},
    )


def _require_zones(request: _Request, road: _Road) -> None:
    """Refuse zones that overlap or reach no lattice before hours of work, not after them."""
    if request.zones is None:
        return
    outside = None
    for each in road.lattices:
        try:
            ZoneSums(
                each.lattice.grid, request.zones, zone_field=request.zone_field, group_fields=request.groups
            )
        except OutsideGrid as error:
            outside = error
        else:
            return
    if outside is not None:
        raise outside


def _require_water_there(request: _Request, road: _Road) -> None:
    """Refuse rain and evapotranspiration of another place or unit: all that comes of them would be wrong."""
    for name, (least, most) in (("rain", defaults.RAIN_MM_RANGE), ("et0", defaults.ET0_MM_RANGE)):
        path = request.path(name)
        if path is None:
            continue
        raster = windows.open_raster(path)
        year_mm = np.concatenate(
            [
                np.sum([raster.floats(band, grid) for band in range(1, raster.bands + 1)], axis=0).ravel()
                for grid in (_coarse(each.lattice.grid) for each in road.lattices)
            ]
        )
        known = year_mm[np.isfinite(year_mm)]
        if not known.size:
            raise BadInput(
                f"--{name} {path} knows nothing of the place of the map; a raster that covers it was "
                "expected. Check its CRS and its nodata value."
            )
        typical = float(np.median(known))
        told = f"--{name} {path} has a median of {typical:g} mm a year"
        if not 0 <= typical <= most or (name == "et0" and typical < least):
            raise BadInput(
                f"{told}; {least:g} to {most:g} mm were expected. Convert its unit, or state it: "
                f"gdal_edit.py -scale FACTOR {path.name}"
            )
        if typical < least:  # there are deserts like that
            log.warning("%s: is its unit mm? Every place counts as arid.", told)
        if known.size < year_mm.size:
            log.warning(
                "--%s is not known on about %.0f %% of the map; winter crops there may be uncertain.",
                name, 100 * (1 - known.size / year_mm.size),
            )  # fmt: skip


def _coarse(grid: Grid) -> Grid:
    """Lay at most LOOKED_AT cells along each side over a grid."""
    rows, columns = (min(side, LOOKED_AT) for side in grid.shape)
    t = grid.transform
    scaled = Affine(t.a * grid.shape[1] / columns, 0, t.c, 0, t.e * grid.shape[0] / rows, t.f)
    return Grid(grid.crs, scaled, (rows, columns))


def _planned(road: _Road, how: How, request: _Request) -> Result:
    """Tell scenes, gaps, memory and disk."""
    season = dt.date(request.year, 1, 1), dt.date(request.year, 12, 31)
    sentences: list[str] = []
    for each in road.lattices:
        sentences += each.described(season) if isinstance(each, Prepared) else cutting.describe(each, season)
    tasks = road.tasks(request.work)
    plan = jobs.plan(
        tasks, folder=request.work, executor=how.executor, memory_mb=how.memory_mb,
        resume=how.resume, retry_failed=how.retry_failed,
    )  # fmt: skip
    product_mb = 3 * sum(task.disk_mb for task in tasks)  # merged, finished and joined
    sentences += plan.sentences
    sentences.append(f"The map takes up to {product_mb:,.0f} MB more.")
    numbers = {
        "scenes": float(len(road.sources)),
        "tasks": float(plan.tasks),
        "memory_mb": plan.memory_mb + cutting.LIBRARIES_MB,
        "disk_mb": plan.disk_mb + product_mb,
    }
    return Result({}, numbers, tuple(sentences))


def _key(road: _Road, request: _Request) -> str:
    """Hash of everything the map depends on: scenes as they stand, polygons, table, method."""
    return jobs.Task(
        name=request.stem,
        function=f"{__name__}:irrigation",
        arguments={
            "making": request.making().arguments,
            "lattices": [
                [each.name, str(each.lattice.grid), list(each.lattice.grid.transform)[:6]]
                for each in road.lattices
            ],
            "asked": {name: str(request.asked[name]) for name in ("zone_field", "group_field", "ndvi")},
            "options": sorted(request.inputs),
        },
        inputs=[
            *road.sources,
            *(features.file_and_layer(path)[0] for path in request.inputs.values()),
        ],
        version=irrigation_tiles.METHOD_VERSION,
    ).id


def _stands(request: _Request, key: str) -> bool:
    record = request.main.with_suffix(".json")
    return provenance.method_of(record).get("made_from") == key and not provenance.faults(record)


def _as_it_stands(request: _Request) -> Result:
    told = provenance.method_of(request.main.with_suffix(".json"))
    log.info("done", extra={"done": 1.0})
    return Result(
        request.outputs(),
        dict(told["numbers"]),
        (f"{request.stem} stands already as it would be made; it was left as it is.",),
    )


# What is done


def _made(road: _Road, how: How, request: _Request, key: str) -> Result:
    """Do the tasks, then join the tiles of all lattices into one map."""
    work = request.work
    tasks, summary = road.do(work, how)
    checksums = {Path(file.path): digest for file, digest in manifest.read(work).checksums.items()}
    total: Counter[str] = Counter()
    layers = []
    for each in road.lattices:
        own = cutting.sums(tasks[each.name], summary)
        total += own
        layers.append(_layer(each, own, work))
    _tell_rate(tasks, summary)
    answer = _Map.of(layers, request).finished(work, road, checksums, total, key)
    windows.close_all()  # what is open cannot be removed on Windows
    disk.clear(work)
    log.info("done", extra={"done": 1.0})
    return answer


def _tell_rate(tasks: Mapping[str, Sequence[jobs.Task]], summary: jobs.Summary) -> None:
    """Tell how much was mapped in a second, unless most had been done before."""
    if summary.skipped or not summary.done:
        return
    millions = sum(summary.results[task.name]["pixel_dates"] for own in tasks.values() for task in own) / 1e6
    log.info(
        "%.0f million pixel-dates in %.1f s, %.0f million a second",
        millions, summary.seconds, millions / max(summary.seconds, 1e-3), extra={"done": MAPPED},
    )  # fmt: skip


def _layer(each: Job | Prepared, sums: Mapping[str, int], work: Path) -> Layer:
    lattice = each.lattice
    file = mosaics.virtual(
        tiling.tile_parts(each, work, irrigation_tiles.KIND), lattice.grid, work / f"{each.name}.vrt",
        dtype="uint8", descriptions=irrigation_tiles.BANDS, nodata=defaults.OUTSIDE,
    )  # fmt: skip
    raster = windows.Raster(file, lattice.grid, len(irrigation_tiles.BANDS), irrigation_tiles.BANDS)
    outlines = tuple(lattice.outline(place) for place in lattice.places.values())
    family = irrigation_prepared.FAMILY
    if isinstance(each, Job):
        family = next(iter(each.scenes.values())).family
    return Layer(each.name, family, lattice.grid, raster, int(sums["seen"]), outlines)


@dataclass(frozen=True)
class _Map:
    """The map on its way from the layers to the product."""

    layers: Sequence[Layer]
    grid: Grid
    request: _Request

    @classmethod
    def of(cls, layers: Sequence[Layer], request: _Request) -> "_Map":
        ordered = irrigation_maps.in_order(layers)
        made = cls(ordered, irrigation_maps.common_grid(ordered, request.area), request)
        made.require_memory()
        return made

    def require_memory(self) -> None:
        """Refuse a map whose strips do not fit the memory; a resume keeps the tiles that are made by then."""
        halo = irrigation_maps.halo_rows(self.grid, self.min_ha) if self.min_ha else 0
        needed = cutting.LIBRARIES_MB + irrigation_maps.strip_mb(self.grid, len(self.layers), halo)
        if needed > self.request.memory_mb:
            raise BadInput(
                f"--memory-mb is {self.request.memory_mb:g}; strips of the map, {self.grid.shape[1]} cells "
                f"wide, need {needed:.0f}. Allow more and run again with --resume, or give a smaller --area."
            )

    @property
    def min_ha(self) -> float:
        return 0.0 if self.request.ground.parcels is not None else rules.patch_min_ha(self.grid)

    def _zones(self) -> ZoneSums:
        request = self.request
        if request.zones is not None:
            return ZoneSums(
                self.grid, request.zones, zone_field=request.zone_field, group_fields=request.groups
            )
        if request.area is not None:
            one = gpd.GeoDataFrame(geometry=[request.area.geometry.union_all()], crs=request.area.crs)
        else:
            outline = irrigation_maps.outline(self.layers, self.grid)
            one = gpd.GeoDataFrame(geometry=[outline], crs=self.grid.crs)
        return ZoneSums(self.grid, one)

    def finished(
        self, work: Path, road: _Road, checksums: Mapping[Path, str], total: Mapping[str, int], key: str
    ) -> Result:
        """Join the lattices, leave out what is no field, add up, and write."""
        request, grid = self.request, self.grid
        sums = self._zones()
        folder = work / "finish"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        counted, typical = Counted(), Typical()

        def tell(sentence: str, begin: float, end: float) -> irrigation_maps.Progress:
            return lambda share: log.info(sentence, extra={"done": begin + (end - begin) * share})

        raster = irrigation_maps.merged(
            self.layers, grid, request.ground, folder, counted, tell("joining lattices", MAPPED, MERGED)
        )
        parcels = request.ground.parcels
        votes = {}
        if parcels is not None:
            votes = irrigation_maps.votes_of(raster, grid, parcels, tell("asking parcels", MERGED, VOTED))
        parts = irrigation_maps.finished(
            raster, grid, Finish(self.min_ha, parcels, votes), sums, folder, counted, typical.look,
            tell("leaving out small patches", VOTED, FINISHED),
        )  # fmt: skip
        table = sums.table(request.year)
        if request.zones is None:
            table = table[table["level"] == "all"].reset_index(drop=True)
        said = irrigation_words.said(table, request.year)
        numbers = _numbers(table, counted)
        method = self._method(counted, said, numbers) | {
            "platforms": dict(sorted(road.platforms.items())),
            "scenes_left_out": {scene.name: scene.reason for scene in road.left_out},
            "observations": total["observations"],
            "pixel_dates": total["pixel_dates"],
            "made_from": key,
        }
        record = Record(
            title=f"Irrigated land, {request.year}",
            lineage=LINEAGE,
            footprint=grid.footprint(),
            crs=grid.crs,
            inputs={"ndvi" if request.asked["ndvi"] else "scenes": road.sources, **request.inputs},
            parameters=request.asked,
            method=method,
            shape=grid.shape,
            transform=grid.transform,
            period=road.period,
            checksums=checksums,
        )
        outputs = request.outputs()
        with publishing(request.main, record, style="irrigation") as place:
            log.info("writing", extra={"done": FINISHED})
            self._write(place, parts, outputs)
            tables.write(table, place / outputs["zones"].name)
            styles.write_qml("irrigation_season", place / f"{request.stem}_season.qml")
            log.info("drawing", extra={"done": JOINED})
            curves = irrigation_curves.curves(typical, self.layers, road.lattices, grid, work, request.year)
            self._draw(place, table, said["en"], sums, curves)
        return Result(outputs, numbers, irrigation_words.told(said))

    def _write(
        self, place: Path, parts: Mapping[str, Sequence[mosaics.Part]], outputs: Mapping[str, Path]
    ) -> None:
        named = {
            "map": ("out", ("state", "season"), (STATES, SEASONS)),
            "sensitivity": (
                "sensitivity", ("state, higher thresholds", "state, lower thresholds"), (STATES, STATES)
            ),
            "dekads": ("dekads", ("dekads observed",), ()),
        }  # fmt: skip
        for kind, (output, bands, names) in named.items():
            path = place / outputs[output].name
            mosaics.join(
                parts[kind], self.grid, path, dtype="uint8", descriptions=bands, nodata=defaults.OUTSIDE
            )
            if names:
                annual_maps.name_classes(path, names)

    def _method(
        self, counted: Counted, said: Mapping[Language, Sequence[str]], numbers: Mapping[str, float]
    ) -> dict[str, Any]:
        request = self.request
        return {
            "rule": rule(request.table, request.limits, request.asked),
            "sensors": sorted({layer.family for layer in self.layers}),
            "lattices": {layer.name: {"cells_seen": layer.seen} for layer in self.layers},
            "cells_of_other_lattices": counted.cells_filled,
            "sensitivity": defaults.SENSITIVITY,
            "smallest_patch_ha": self.min_ha,
            "left_out_as_too_small_ha": counted.sieved_ha,
            "excluded_ha": counted.excluded_ha,
            "numbers": dict(numbers),
            "sentences": {language: list(sentences) for language, sentences in said.items()},
        }

    def _draw(
        self, place: Path, table: pd.DataFrame, facts: Sequence[str], sums: ZoneSums, curves: Sequence[Curve]
    ) -> None:
        request = self.request
        values, coarse = rasters.preview(place / request.main.name, irrigation_picture.MAP_CELLS)
        names = sums.names if request.zones is not None else [""] * len(sums.names)
        irrigation_picture.irrigation_picture(
            place / f"{request.stem}.png",
            irrigation_picture.View(coarse, values[0], values[1], sums.borders, names),
            table,
            curves,
            irrigation_curves.windows_of(request.table, request.limits),
            title=f"Irrigated land, {request.year}",
            facts=facts,
        )


def rule(table: Seasons, limits: Limits, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Tell everything that decides the class of a cell: maps by other rules are not compared.

    Parameters
    ----------
    table : Seasons
    limits : Limits
    asked : {option: value}
        Only whether options were given counts.

    Returns
    -------
    {name: plain value}
    """
    given = {name: asked[name] is not None for name in ("dem", "exclude", "parcels", "rain", "et0")}
    return rules.method(table, limits) | {
        "composite": "highest NDVI of each dekad",
        "rejected": [flag.name for flag in REJECTED_FOR_PLANTS],
        "slope_max_deg": defaults.SLOPE_MAX_DEG if given["dem"] else None,
        "excluded_by_polygons": given["exclude"],
        "fields": "majority of parcels"
        if given["parcels"]
        else {"smallest patch, ha": defaults.PATCH_MIN_HA},
        "water": {
            "rain": given["rain"],
            "et0": given["et0"],
            "arid_rain_mm": defaults.ARID_RAIN_MM,
            "arid_ratio": defaults.ARID_RATIO,
        },
    }


def _numbers(table: pd.DataFrame, counted: Counted) -> dict[str, float]:
    row = table[table["level"] == "all"].iloc[0]
    return {
        "irrigated, ha": float(row["map_area_ha"]),
        "with higher thresholds, ha": float(row["low_ha"]),
        "with lower thresholds, ha": float(row["high_ha"]),
        "not observed, %": float(row["unobserved_pct"]),
        "uncertain, %": float(row["uncertain_pct"]),
        "left out as too small, ha": counted.sieved_ha,
        **{f"excluded ({name}), ha": size for name, size in counted.excluded_ha.items()},
        **{f"{name}, ha": float(row[f"{name}_ha"]) for name in ("winter", "summer", "double", "permanent")},
    }
