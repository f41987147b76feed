"""The composite of one lattice: what it is called, whether it stands already, and how it is published."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import shapely

from bluepeace_gis import jobs
from bluepeace_gis.archive import mosaics, provenance, rasters
from bluepeace_gis.archive.observations import Quantity
from bluepeace_gis.geo.crs import label
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.lattice import Place
from bluepeace_gis.kernels.normalized import SUM_MIN
from bluepeace_gis.maps import composite_picture
from bluepeace_gis.workflows import tiling
from bluepeace_gis.workflows.choosing import LeftOut
from bluepeace_gis.workflows.publishing import Record, publishing
from bluepeace_gis.workflows.tiling import Job, Statistic

TITLES: Final[Mapping[str, str]] = {
    "median": "Median {of}",
    "max": "Greatest {of}",
    "p90": "90th percentile of {of}",
    "geomedian": "Geometric median of reflectance",
    "min-snow": "Reflectance when snow was least",
}
LINEAGE: Final = (
    "Scenes calibrated by their metadata and masked by their quality codes; scenes of one overpass are one "
    "observation. Cells stay where the sensor has them: every lattice of sensor and UTM zone has a product "
    "of its own, on the finest cells of the bands used; bands of coarser cells are brought to those "
    "bilinearly, quality codes by the nearest cell."
)
PREVIEW_CELLS: Final = 1200


@dataclass(frozen=True)
class Asked:
    """What is asked of every lattice."""

    out: Path
    work: Path
    statistic: Statistic
    quantity: Quantity
    rejected: Flag
    memory_mb: float


@dataclass(frozen=True)
class Describing:
    """What the records of all composites have in common."""

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Path]
    season: tuple[dt.date, dt.date]
    left_out: Sequence[LeftOut]


@dataclass(frozen=True)
class Composite:
    """The composite of one lattice: its files and its record."""

    job: Job
    asked: Asked
    describing: Describing

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
            function=job.making.function,
            arguments={
                **job.making.arguments,
                "bands": list(job.quantity.bands),
                "index": job.quantity.index,
                "rejected": int(job.rejected),
                "grid": str(job.lattice.grid),
                "transform": list(job.lattice.grid.transform)[:6],
                "scenes": sorted(job.scenes),
            },
            inputs=[job.scenes[name].path for name in sorted(job.scenes)],
            version=job.making.version,
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
                    tiling.tile_parts(job, self.asked.work, kind),
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
