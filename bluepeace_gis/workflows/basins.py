"""`bluepeace basins`: from a DEM and outlets on disk to basins, shares and pictures on disk."""

import logging
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from bluepeace_gis.analyses.basins import GEOMETRY_TYPES, Basins, defaults, delineate_basins
from bluepeace_gis.archive import features, tables
from bluepeace_gis.archive import rasters as raster_files
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.jobs import memory
from bluepeace_gis.kernels.neighbours import CODE_TABLES
from bluepeace_gis.kernels.tiles import TILE
from bluepeace_gis.maps import quicklook, styles
from bluepeace_gis.workflows.publishing import (
    Record,
    publishing,
    require_ending,
    require_number,
    require_places,
)
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "D8 directions by steepest descent; depressions led out through their lowest pass; basins, streams and "
    "bands from the directions; areas on the ellipsoid of the DEM; shares by overlay with one set of borders."
)
RASTERS: Final = ("directions", "upstream_km2", "basins", "filled")  # what --rasters writes
# Peak memory of the whole command, measured on fractal surfaces of 1000 x 1000 to 5000 x 5000 cells with
# countries, rasters and filling: 598 MB, 1054 MB, 1891 MB, and 2536 MB with closed edges.
BASE_MB: Final = 550.0
BYTES_A_CELL: Final = 60.0
BYTES_A_CELL_CLOSED: Final = 20.0  # more: the surface is routed twice
# Shares of the work, for the bar.
READ, ANALYSED, WRITTEN = 0.1, 0.75, 0.9


def basins(
    dem: Path,
    outlets: Path,
    *,
    out: Path,
    countries: Path | None = None,
    country_field: str | None = None,
    terminal: Path | None = None,
    burn: Path | None = None,
    depressions: Literal["breach", "fill", "keep"] = "breach",
    keep_above_km2: float | None = None,
    edges: Literal["drain", "closed"] = "drain",
    snap_m: float | None = None,
    area_field: str | None = None,
    streams_km2: float | None = None,
    band_m: float = defaults.BAND_M,
    border_m: float | None = None,
    rasters: Path | None = None,
    memory_mb: float | None = None,
) -> Result:
    """Delineate the land upstream of outlets, and whose land it is.

    Parameters
    ----------
    dem
        Elevations in metres: the first band of any raster with a coordinate reference system.
    outlets
        Points, with an optional column `name`.
    out
        The GeoPackage to write: layers basins, subbasins, streams, depressions, outlets, crossings,
        border_reaches, tables shares, crossing_shares and bands. Beside it come two pictures, the bands
        as a table for hydrological models, the style and the STAC item with its provenance.
    countries
        Polygons of the countries, one set of boundaries for all of them.
    country_field
        Their column with the names.
    terminal
        Lakes without an outlet, polygons or points: water ends in them.
    burn
        Lines of rivers and canals known from a map: water that comes to one stays in it.
    depressions
        What becomes of depressions: breach or fill drain them all, keep leaves those above
        --keep-above-km2. Large ones are reported anyway.
    keep_above_km2
        With keep: the area from which a depression holds its water.
    edges
        Whether water leaves where the DEM ends, or only at outlets and terminal lakes.
    snap_m
        How far around a point its river is looked for; three cells if not given.
    area_field
        Column of OUTLETS with the known upstream area in km2: the place is chosen by it.
    streams_km2
        Upstream area from which a river is drawn; 1 km2, but at least 100 cells, if not given.
    band_m
        Height of the elevation bands.
    border_m
        How far a river and the border it runs along or crosses may lie apart: as far as the borders may be
        off, a kilometre or two in an atlas of the world; 100 m, but at least three cells, if not given.
    rasters
        A folder for directions (ESRI codes), upstream areas, basins and filled elevations as GeoTIFFs.
    memory_mb
        How much memory the work may take; what needs more is refused before it begins.

    Returns
    -------
    Result
        ``out`` and ``picture``; how many basins there are and the land all of them cover.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    asked = dict(locals())
    named = {"dem": dem, "outlets": outlets, "countries": countries, "terminal": terminal, "burn": burn}
    inputs = {name: path for name, path in named.items() if path is not None}
    _check(out, depressions, keep_above_km2, countries, country_field, border_m, rasters)
    require_places({"out": out}, inputs)
    if rasters is not None:
        for name in RASTERS:
            require_places({"rasters": rasters / f"{name}.tif"}, inputs)
    require_number("snap-m", snap_m)
    require_number("keep-above-km2", keep_above_km2)
    require_number("streams-km2", streams_km2, above=0)
    require_number("band-m", band_m, above=0)
    require_number("border-m", border_m, above=0)
    require_number("memory-mb", memory_mb, above=0)
    _require_memory(dem, memory_mb, edges)
    log.info("reading", extra={"done": 0.0})
    surface = raster_files.read(dem)
    surface.name = "dem"
    points = features.read(outlets, holding="points")
    land = None if countries is None else features.read(countries, holding="polygons")
    lakes = None if terminal is None else features.read(terminal)
    channels = None if burn is None else features.read(burn, holding="lines")
    log.info("finding the way of the water", extra={"done": READ})
    found = delineate_basins(
        surface,
        points,
        countries=land,
        country_field=country_field,
        terminal=lakes,
        burn=channels,
        depressions=depressions,
        keep_above_km2=keep_above_km2,
        edges=edges,
        snap_m=snap_m,
        area_field=area_field,
        streams_km2=streams_km2,
        band_m=band_m,
        border_m=border_m,
        progress=lambda share: log.info(
            "finding the way of the water", extra={"done": READ + (ANALYSED - READ) * share}
        ),
    )
    record = _record(asked, inputs, found)
    outputs = {
        "out": out,
        "picture": out.with_suffix(".png"),
        "curves": out.with_suffix(".bands.png"),
        "bands": out.with_suffix(".bands.csv"),
    }
    written = {} if rasters is None else _write_rasters(rasters, surface, found, record)
    with publishing(out, record, style="basins") as work:
        log.info("writing", extra={"done": ANALYSED})
        features.write(found.layers, work / out.name, geometry_types=GEOMETRY_TYPES)
        drawn = {name: styles.qml(name) for name in GEOMETRY_TYPES if name in styles.LAYERS}
        features.add_styles(work / out.name, drawn)
        tables.write(found.bands, work / outputs["bands"].name)
        log.info("drawing", extra={"done": WRITTEN})
        quicklook.basins_picture(
            work / outputs["picture"].name,
            dem=surface.to_numpy(),
            grid=found.drained.drainage.grid,
            basins=found.layers["basins"],
            streams=found.layers["streams"],
            outlets=found.layers["outlets"],
            countries=land,
            country_field=country_field or "",
            shares=found.layers["shares"],
            crossings=found.layers["crossings"],
            border_reaches=found.layers["border_reaches"],
            title=_title(found),
        )
        quicklook.hypsometric_picture(
            work / outputs["curves"].name, found.layers["bands"], names=_names(found)
        )
    log.info("done", extra={"done": 1.0})
    covered = float(found.layers["subbasins"]["area_km2"].sum())
    numbers = {
        "basins": len(found.layers["basins"]),
        "area_km2": covered,
        "crossings": len(found.layers["crossings"]),
    }
    return Result(outputs | written, numbers, _in_words(found))


def _in_words(found: Basins) -> tuple[str, ...]:
    """Say of each basin how large it is and whose land it is."""
    basins, shares = found.layers["basins"], found.layers["shares"]
    sentences = []
    for outlet_id, name, area_km2 in zip(
        basins["outlet_id"], basins["name"], basins["area_km2"], strict=True
    ):
        own = shares[shares["outlet_id"] == outlet_id]
        parts = [
            f"{country} {held_km2:.2f} km2 ({quicklook.percent(share)})"
            for country, held_km2, share in zip(
                own["country"], own["area_km2"], own["share_pct"], strict=True
            )
        ]
        sentences.append(f"{name}: {area_km2:.2f} km2" + (": " + ", ".join(parts) if parts else ""))
    shown = 40
    if len(sentences) > shown:
        sentences[shown:] = [f"... and {len(sentences) - shown} more in the table shares"]
    return tuple(sentences)


def _notes(found: Basins) -> list[str]:
    """Say what a reader of the numbers must know of them."""
    basins = found.layers["basins"]
    cut = basins["name"][basins["touches_edge"]]
    return [f"{name} reaches the edge of the DEM and may go on beyond it" for name in cut]


def _title(found: Basins) -> str:
    """Name the outlets as far as there is room, else count them."""
    names = list(found.layers["basins"]["name"])
    return f"Basin of {names[0]}" if len(names) == 1 else f"Basins of {len(names)} outlets"


def _names(found: Basins) -> dict[int, str]:
    layer = found.layers["basins"]
    return dict(zip(layer["outlet_id"].tolist(), layer["name"].tolist(), strict=True))


def _check(
    out: Path,
    depressions: str,
    keep_above_km2: float | None,
    countries: Path | None,
    country_field: str | None,
    border_m: float | None,
    rasters: Path | None,
) -> None:
    """Refuse what cannot end well before hours of work."""
    if rasters is not None and rasters.resolve() == out.parent.resolve():
        raise BadInput(
            f"--rasters is the folder of {out.name}, where the records of both would get mixed. Choose "
            "another folder for --rasters."
        )
    require_ending(out, ".gpkg", "GeoPackage")
    if keep_above_km2 is not None and depressions != "keep":
        raise BadInput(
            f"--keep-above-km2 was given with --depressions {depressions}; it belongs to --depressions keep."
        )
    if border_m is not None and countries is None:
        raise BadInput("--border-m was given without --countries; it belongs to them. Add --countries.")
    if (countries is None) != (country_field is None):
        given, missing = (
            ("--countries", "--country-field") if countries else ("--country-field", "--countries")
        )
        raise BadInput(f"{given} was given without {missing}; shares need both. Add {missing}.")


def _require_memory(dem: Path, memory_mb: float | None, edges: str) -> None:
    """Refuse a DEM that needs more memory than is allowed; warn of one that needs more than there is."""
    rows, columns = raster_files.shape_of(dem)
    a_cell = BYTES_A_CELL + (BYTES_A_CELL_CLOSED if edges == "closed" else 0)
    needed_mb = BASE_MB + rows * columns * a_cell / memory.MB
    way_out = "Cut the DEM to the region of the basins, for instance with gdalwarp -te, or use coarser cells"
    if memory_mb is not None and needed_mb > memory_mb:
        raise BadInput(
            f"{dem.name} has {rows} x {columns} cells, which take about {needed_mb:.0f} MB of memory; "
            f"--memory-mb allows {memory_mb:g}. {way_out}, or allow more."
        )
    free_mb = memory.free_mb()
    if needed_mb > free_mb:
        log.warning(
            "%s has %d x %d cells, which take about %.0f MB of memory; %.0f MB are free. If the system ends "
            "the work: %s.",
            dem.name,
            rows,
            columns,
            needed_mb,
            free_mb,
            way_out[0].lower() + way_out[1:],
        )


def _record(asked: dict[str, Any], inputs: dict[str, Path], found: Basins) -> Record:
    """Everything from which the other side can repeat the numbers."""
    grid = found.drained.drainage.grid
    return Record(
        title=_title(found),
        lineage=LINEAGE,
        footprint=grid.footprint(),
        crs=grid.crs,
        inputs=inputs,
        parameters={name: value for name, value in asked.items() if name not in inputs},
        method={
            "directions": "steepest of eight neighbours (O'Callaghan and Mark 1984, "
            "doi:10.1016/S0734-189X(84)80011-0); of equally steep ones the first clockwise from the east",
            "depressions": "minimum spanning tree of the lowest passes (Cordonnier, Bovy and Braun 2019, "
            "doi:10.5194/esurf-7-549-2019)",
            "tile_cells": TILE,
            "notes": _notes(found),
            "streams_km2": found.streams_km2,
            "snap_cells": defaults.SNAP_CELLS,
            "depressions_reported_from_km2": defaults.DEPRESSION_MIN_KM2,
            "depressions_reported_from_m": defaults.DEPRESSION_MIN_M,
            "slope": "Horn 1981, doi:10.1109/PROC.1981.11918",
            "pfafstetter": "Verdin and Verdin 1999, doi:10.1016/S0022-1694(99)00011-6",
            "pfafstetter_levels": defaults.PFAFSTETTER_LEVELS,
            "stream_order": "Strahler 1957, doi:10.1029/TR038i006p00913",
            "on_the_border_within_m": found.border_m,
            "stay_in_a_country_from_times_that": defaults.STAY_DISTANCES,
            "border_reach_from_times_that": defaults.REACH_DISTANCES,
        },
        shape=grid.shape,
        transform=grid.transform,
    )


def _write_rasters(folder: Path, dem: xr.DataArray, found: Basins, record: Record) -> dict[str, Path]:
    """Write what other programs take up: each a product of its own."""
    drainage = found.drained.drainage
    grid = Grid.of(dem)
    layers: dict[str, tuple[Any, float | None]] = {
        "directions": (drainage.encoded("esri"), CODE_TABLES["esri"][-1]),
        "upstream_km2": (drainage.upstream_km2.astype(np.float32), None),
        "basins": (found.zone, 0),
    }
    if found.drained.filled is not None:
        layers["filled"] = (found.drained.filled, None)
    written: dict[str, Path] = {}
    for name in RASTERS:
        if name not in layers:
            continue
        values, nodata = layers[name]
        target = folder / f"{name}.tif"
        with publishing(target, record, option="--rasters") as work:
            raster_files.write(grid.raster(values, name), work / target.name, nodata=nodata)
        written[name] = target
    return written
