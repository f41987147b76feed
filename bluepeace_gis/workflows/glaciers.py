"""`bluepeace glaciers`: from scenes of one late summer and a DEM to an inventory of glaciers."""

import datetime as dt
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from bluepeace_gis.analyses.glaciers import (
    INVENTORY_TYPES,
    Edit,
    Extent,
    Inventory,
    Observed,
    Terrain,
    defaults,
    edits_of,
    find_glaciers,
    inventory_defaults,
    make_inventory,
    require_dark_ice,
    require_late_summer,
    snow_lines,
)
from bluepeace_gis.archive import features, index
from bluepeace_gis.archive import rasters as raster_files
from bluepeace_gis.archive.scenes import Scene, checks
from bluepeace_gis.archive.scenes.scene import OPTICAL, THERMAL, Sun
from bluepeace_gis.errors import BadInput, BluepeaceError
from bluepeace_gis.geo.crs import same_crs, to_geographic
from bluepeace_gis.geo.flags import REJECTED_FOR_ICE
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.maps import glacier_picture, styles
from bluepeace_gis.maps.glacier_picture import ThresholdCurve
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
    "Snow and ice by differences of green, near and short-wave infrared; of several dates the one with the "
    "least snow; cast shadow, water and winter by the DEM; cells at the margin unmixed, outlines where one "
    "half of a cell is ice; ice under debris by slope and contact with clean ice; glaciers divided by the "
    "basins of the smoothed surface or by an inventory; attributes as RGI 7.0; areas on the ellipsoid."
)
BANDS: Final = ("green", "nir", "swir1")
ROWS: Final = 512  # read at once
CELLS_MAX: Final = 400_000_000  # of a frame: two Sentinel-2 tiles by two; 16 bytes each and as many again
PREVIEW_CELLS: Final = 400  # along the longer side, to look whether a scene shows winter
PICTURE_CELLS: Final = 1500
# Shares of the work, for the bar.
OPENED, READ, FOUND, DIVIDED, WRITTEN = 0.1, 0.55, 0.7, 0.85, 0.95


def glaciers(
    *scenes: Path,
    dem: Path,
    out: Path,
    time: str | None = None,
    sun: str | None = None,
    bands: str | None = None,
    inventory: Path | None = None,
    edits: Path | None = None,
    zones: Path | None = None,
    zone_field: str | None = None,
    min_area_km2: float = defaults.AREA_MIN_KM2,
) -> Result:
    """Outline glaciers in scenes of the end of one summer and describe them as RGI 7.0 does.

    Parameters
    ----------
    scenes
        Scenes, folders of them, or a scenes.gpkg: Landsat, Sentinel-2, HLS or GeoTIFFs with green, near
        infrared and short-wave infrared, of late July to September of one year. Of several dates the one
        with the least snow counts, cell by cell.
    dem
        Elevations in metres that cover them: the first band of any raster.
    out
        The GeoPackage to write: layers glaciers, outlines_min, outlines_max, debris, unseen, intersects (the
        lines that neighbours share); tables hypsometry, links, zone_bands, uncertainties, snow_lines. Beside
        it come a picture, the style and the STAC item with its provenance.
    time
        When a plain GeoTIFF was taken, UTC: 2024-08-21T06:16:29Z.
    sun
        Where the sun stood over a plain GeoTIFF, AZIMUTH,ELEVATION in degrees; without it no cast shadow.
    bands
        Which band of a plain GeoTIFF is which, from 1: green=2,nir=4,swir1=5.
    inventory
        Outlines of an earlier inventory, such as RGI 7.0: its divides and names are kept, and the table links
        says which glacier was which. Without it divides are found by the fall of the surface.
    edits
        Polygons with the columns action (add, remove), date, author, reason: replayed on every run.
    zones
        Polygons, such as basins or countries: the table zone_bands sums the ice of each by 200 m of
        elevation.
    zone_field
        Their column with the names; name, where there is one, else the first of texts.
    min_area_km2
        Smaller patches are left out.

    Returns
    -------
    Result
        ``out`` and ``picture``; how many glaciers there are, their area and its uncertainty.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    asked = dict(locals())
    require_ending(out, ".gpkg", "GeoPackage")
    given = {"inventory": inventory, "edits": edits, "zones": zones}
    inputs: dict[str, Path] = {"dem": dem} | {name: path for name, path in given.items() if path is not None}
    require_places(
        {"out": out}, inputs | {f"scene {path.name}": path for path in scenes if not path.is_dir()}
    )
    require_number("min-area-km2", min_area_km2, above=0)
    log.info("looking at the scenes", extra={"done": 0.0})
    taken = _usable(
        index.scenes(scenes, bands=_bands(bands), time=_time(time), sun=_sun(sun)),
        of_several=len(scenes) != 1,
    )
    surface = raster_files.read(dem)
    surface.name = "dem"
    changes = [] if edits is None else edits_of(features.read(edits, holding="polygons"), edits.name)
    base = None if inventory is None else features.read(inventory, holding="polygons")
    areas, area_field = _zones(zones, zone_field)
    frame = _frame(taken)
    terrain = Terrain.of(surface, frame)
    taken = _of_summer(taken, frame, terrain)
    _require_one_time(taken)
    observed = _read(taken, frame, terrain)
    log.info("outlining", extra={"done": READ})
    found = find_glaciers(observed, terrain, area_min_km2=min_area_km2, edits=changes)
    log.info("dividing", extra={"done": FOUND})
    made = make_inventory(found, surface, dem_source=dem.stem, base=base, zones=areas, zone_field=area_field)
    for note in (*found.notes, *made.notes):
        log.warning("%s", note)
    lines = _snow_lines(made.layers["glaciers"], taken, observed, frame, terrain)
    record = _record(asked, inputs, taken, found, observed, changes, made)
    outputs = {"out": out, "picture": out.with_suffix(".png")}
    with publishing(out, record, style="glaciers") as work:
        log.info("writing", extra={"done": DIVIDED})
        tables = {**made.tables, "snow_lines": lines}
        features.write({**made.layers, **tables}, work / out.name, geometry_types=INVENTORY_TYPES)
        features.add_styles(work / out.name, {name: styles.qml(name) for name in INVENTORY_TYPES})
        log.info("drawing", extra={"done": WRITTEN})
        grid, colours = _colours(observed)
        glacier_picture.glacier_picture(
            work / outputs["picture"].name,
            grid=grid,
            colours=colours,
            layers=made.layers,
            curve=ThresholdCurve(
                found.curve.margin, found.curve.area_km2, found.curve.threshold, found.curve.plateau
            ),
            title=f"Glaciers {_dates_in_words(observed)}",
            facts=_facts(found, made, taken),
        )
    log.info("done", extra={"done": 1.0})
    return Result(outputs, _numbers(found, made), _in_words(made, observed))


# What was asked


def _bands(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, position = (piece.strip() for piece in part.partition("="))
        if name not in OPTICAL or not position.isdigit() or int(position) < 1 or name in found:
            raise BadInput(
                f"--bands says {part.strip()!r}; a name among {', '.join(OPTICAL)} and its position in the "
                "file from 1 were expected, each once: --bands green=2,nir=4,swir1=5"
            )
        found[name] = int(position)
    return found


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"--time is {text!r}; a moment such as 2024-08-21T06:16:29Z was expected.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def _sun(text: str | None) -> Sun | None:
    if text is None:
        return None
    try:
        azimuth, elevation = (float(part) for part in text.split(","))
    except ValueError:
        azimuth = elevation = math.nan
    if not (0 <= azimuth <= 360 and 0 < elevation <= 90):
        raise BadInput(
            f"--sun is {text!r}; azimuth clockwise from north, 0 to 360, and elevation, 0 to 90 "
            "degrees, were "
            "expected: --sun 151.5,53.6"
        )
    return Sun(azimuth, elevation)


def _zones(path: Path | None, field: str | None) -> tuple[gpd.GeoDataFrame | None, str]:
    """Read the zones, and which of their columns names them."""
    if path is None:
        if field is not None:
            raise BadInput("--zone-field was given without --zones, the polygons. Give both.")
        return None, ""
    layer = features.read(path, holding="polygons")
    columns = [str(name) for name in layer.columns if name != layer.geometry.name]
    if field is None:
        texts = [name for name in columns if pd.api.types.is_string_dtype(layer[name])]
        field = "name" if "name" in columns else texts[0] if texts else None
        if field is None:
            raise BadInput(
                f"{path} has no column of texts to name the zones by; it has {', '.join(columns) or 'none'}. "
                "Name one: --zone-field COLUMN."
            )
    elif field not in columns:
        raise BadInput(f"{path} has no column {field}; it has {', '.join(columns)}. Name one of them.")
    return layer, field


# Which scenes


def _usable(scenes: Sequence[Scene], *, of_several: bool) -> list[Scene]:
    """Keep the scenes whose bands are what they say; refuse if none is left."""
    usable, refused = [], []
    for scene in scenes:
        try:
            _require_bands(scene)
            checks.require(scene, *BANDS)
        except BluepeaceError as error:
            if not of_several or len(scenes) == 1:
                raise
            refused.append((scene, error))
            continue
        usable.append(scene)
        if scene.quality is None:
            log.warning(
                "%s has no quality layer: clouds in it are taken for land or ice. Use it only where "
                "it is clear.",
                scene.name,
            )
        if scene.sun is None:
            log.warning(
                "%s does not say where the sun stood: shadows of mountains are not told from dark rock. "
                "State it: --sun AZIMUTH,ELEVATION.",
                scene.name,
            )
    if not usable:
        raise refused[0][1]
    for scene, reason in refused:
        log.warning("%s is left out: %s", scene.name, reason)
    return usable


def _require_bands(scene: Scene) -> None:
    missing = [name for name in BANDS if name not in scene.bands]
    if missing in (["swir1"], ["nir", "swir1"]):
        raise BadInput(
            f"{scene.name} has no short-wave infrared band near 1.6 micrometres (swir1: Landsat 8 band 6, "
            f"Sentinel-2 band 11); it has {', '.join(scene.bands) or 'none'}. Without it ice cannot be told "
            "from bright rock and cloud: take the complete product, or say which band it is (--bands "
            "swir1=5)."
        )
    if missing:
        raise BadInput(
            f"{scene.name} has no band {' and '.join(missing)}; green, nir and swir1 are needed, it has "
            f"{', '.join(scene.bands) or 'none'}. Say which bands they are: --bands green=2,nir=4,swir1=5"
        )


def _of_summer(scenes: Sequence[Scene], frame: Grid, terrain: Terrain) -> list[Scene]:
    """Leave out scenes of winter, or refuse where there is no other."""
    coarse, step = _coarse(frame, PREVIEW_CELLS)
    row = np.minimum(np.arange(coarse.shape[0]) * step + step // 2, frame.shape[0] - 1)
    column = np.minimum(np.arange(coarse.shape[1]) * step + step // 2, frame.shape[1] - 1)
    r, c = np.meshgrid(row, column, indexing="ij")
    z = terrain.at(terrain.z, r, c)
    kept, refused = [], []
    for position, scene in enumerate(scenes):
        log.info("looking at the season", extra={"done": OPENED * position / len(scenes)})
        green, nir, swir1 = _clear(scene, coarse, (0, coarse.shape[0], 0, coarse.shape[1]))
        try:
            require_dark_ice(green, nir, swir1)
            require_late_summer(green, nir, swir1, z)
        except BadInput as error:
            refused.append((scene, error))
            continue
        kept.append(scene)
    if not kept:
        scene, reason = refused[0]
        raise BadInput(f"{scene.name} of {scene.time:%d %B %Y}: {reason}") from reason
    for scene, reason in refused:
        log.warning("%s of %s is left out: %s", scene.name, f"{scene.time:%d %B %Y}", reason)
    return kept


def _require_one_time(scenes: Sequence[Scene]) -> None:
    first, last = min(scene.time for scene in scenes), max(scene.time for scene in scenes)
    days = (last - first).days
    if days > defaults.SPAN_MAX_DAYS:
        raise BadInput(
            f"The scenes were taken from {first:%Y-%m-%d} to {last:%Y-%m-%d}; scenes of one summer "
            "were expected, "
            "or glaciers of different years would be mixed. Give those of one year, and run once a year."
        )
    if days > defaults.SPAN_WARNED_DAYS:
        log.warning(
            "The scenes span %d days: where snow lay late in the last year, the outlines are those "
            "of an earlier "
            "one. src_date says which.",
            days,
        )


# Reading


def _frame(scenes: Sequence[Scene]) -> Grid:
    """Lay one grid around all scenes: the cells of the finest of them, and of those the latest."""
    grids = [scene.grid(*BANDS) for scene in scenes]
    for scene, grid in zip(scenes, grids, strict=True):
        if not grid.north_up or grid.is_geographic:
            raise BadInput(
                f"{scene.name} lies on {grid}; a grid in metres with rows from west to east was expected. "
                f"Warp it first: gdalwarp -t_srs EPSG:{_utm_code(grid)}"
            )
    cells = [abs(grid.transform.determinant) for grid in grids]
    base = grids[max(range(len(grids)), key=lambda each: (-round(cells[each], 6), scenes[each].time))]
    t = base.transform
    bounds = np.array([_bounds_in(grid, base) for grid in grids])
    left, bottom = bounds[:, 0].min(), bounds[:, 1].min()
    right, top = bounds[:, 2].max(), bounds[:, 3].max()
    col0, row0 = math.floor((left - t.c) / t.a + 1e-6), math.floor((top - t.f) / t.e + 1e-6)
    col1, row1 = math.ceil((right - t.c) / t.a - 1e-6), math.ceil((bottom - t.f) / t.e - 1e-6)
    shape = (row1 - row0, col1 - col0)
    if shape[0] * shape[1] > CELLS_MAX:
        raise BadInput(
            f"The scenes span {shape[0]} x {shape[1]} cells of {t.a:g} m, more than {CELLS_MAX:,}. "
            "Give those of "
            "one place, and run once for each."
        )
    x, y = apply(t, col0, row0)
    return Grid(base.crs, Affine(t.a, 0, x, 0, t.e, y), shape)


def _utm_code(grid: Grid) -> int:
    """Name the UTM zone of the middle of a grid by its code."""
    x, y = apply(grid.transform, grid.shape[1] / 2, grid.shape[0] / 2)
    longitude, latitude = to_geographic(grid.crs).transform(x, y)
    zone = int((longitude + 180) % 360 // 6) + 1
    return (32600 if latitude >= 0 else 32700) + zone


def _bounds_in(grid: Grid, base: Grid) -> tuple[float, float, float, float]:
    if same_crs(grid.crs, base.crs):
        return grid.bounds
    found: tuple[float, float, float, float] = Transformer.from_crs(
        grid.crs, base.crs, always_xy=True
    ).transform_bounds(*grid.bounds)
    return found


def _coarse(grid: Grid, most: int) -> tuple[Grid, int]:
    """Give a grid of larger cells over the same place, and how many cells one of them spans."""
    step = max(1, math.ceil(max(grid.shape) / most))
    shape = (math.ceil(grid.shape[0] / step), math.ceil(grid.shape[1] / step))
    t = grid.transform
    return Grid(grid.crs, Affine(t.a * step, 0, t.c, 0, t.e * step, t.f), shape), step


def _clear(
    scene: Scene, grid: Grid, window: tuple[int, int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Read the bands of a window, NaN where cloud or its shadow lies, or nothing was seen."""
    read = scene.reflectance(*BANDS, grid=grid, window=window)
    rejected = (scene.flags(*BANDS, grid=grid, window=window).to_numpy() & int(REJECTED_FOR_ICE)) != 0
    green, nir, swir1 = (np.where(rejected, np.float32(np.nan), read[name].to_numpy()) for name in BANDS)
    return green, nir, swir1


def _read(scenes: Sequence[Scene], frame: Grid, terrain: Terrain) -> Observed:
    """Read all scenes into the composite with the least snow, some rows at a time."""
    passes = list(dict.fromkeys(scene.overpass for scene in scenes))
    dates = [min(scene.time for scene in scenes if scene.overpass == each) for each in passes]
    detail_m = max(scene.bands[name].resolution_m for scene in scenes for name in BANDS)
    observed = Observed.nothing(frame, dates, detail_m)
    several = len(scenes) > 1
    for position, scene in enumerate(scenes):
        shade = None if scene.sun is None else terrain.shade(scene.sun.azimuth_deg, scene.sun.elevation_deg)
        row0, row1, col0, col1 = _place(scene, frame)
        for row in range(row0, row1, ROWS):
            last = min(row + ROWS, row1)
            share = (position + (row - row0) / max(row1 - row0, 1)) / len(scenes)
            log.info("reading %s", scene.name, extra={"done": OPENED + (READ - OPENED) * share})
            window = (row, last, col0, col1)
            green, nir, swir1 = (_widened(band, frame, col0) for band in _clear(scene, frame, window))
            warmth = _temperature_k(scene, frame, window)
            observed.add(
                passes.index(scene.overpass), row, green, nir, swir1, terrain=terrain, shade=shade,
                temperature_k=None if warmth is None else _widened(warmth, frame, col0), join=several,
            )  # fmt: skip
    return observed


def _widened(values: NDArray[np.float32], frame: Grid, column: int) -> NDArray[np.float32]:
    """Put some columns of whole rows into their place, NaN beside them."""
    wide = np.full((values.shape[0], frame.shape[1]), np.nan, np.float32)
    wide[:, column : column + values.shape[1]] = values
    return wide


def _temperature_k(
    scene: Scene, frame: Grid, window: tuple[int, int, int, int]
) -> NDArray[np.float32] | None:
    """Read the thermal band, if there is one that can be read: it helps to find ice under debris."""
    if THERMAL not in scene.bands:
        return None
    try:
        return scene.temperature_k(grid=frame, window=window).to_numpy()
    except BluepeaceError as error:
        log.warning("%s is used without its thermal band: %s", scene.name, error)
        return None


def _place(scene: Scene, frame: Grid) -> tuple[int, int, int, int]:
    """Find the rows and columns of the frame that a scene can reach."""
    left, bottom, right, top = _bounds_in(scene.grid(*BANDS), frame)
    t = frame.transform
    row0, row1 = math.floor((top - t.f) / t.e) - 1, math.ceil((bottom - t.f) / t.e) + 1
    col0, col1 = math.floor((left - t.c) / t.a) - 1, math.ceil((right - t.c) / t.a) + 1
    return max(row0, 0), min(row1, frame.shape[0]), max(col0, 0), min(col1, frame.shape[1])


# Telling


def _snow_lines(
    glaciers: gpd.GeoDataFrame, scenes: Sequence[Scene], observed: Observed, frame: Grid, terrain: Terrain
) -> pd.DataFrame:
    """Find the snow lines on each date: a composite of several would mix their snow."""
    found = []
    for overpass in dict.fromkeys(scene.overpass for scene in scenes):
        mine = [scene for scene in scenes if scene.overpass == overpass]
        seen = observed if len(mine) == len(scenes) else _read(mine, frame, terrain)
        sun = mine[0].sun
        found.append(
            snow_lines(
                glaciers, seen, terrain, sun=None if sun is None else (sun.azimuth_deg, sun.elevation_deg)
            )
        )
    return pd.concat(found, ignore_index=True)


def _numbers(found: Extent, made: Inventory) -> dict[str, float]:
    totals = made.totals
    return {
        "glaciers": len(made.layers["glaciers"]),
        "bodies": len(found.layers["glaciers"]),
        "area_km2": totals.area_km2,
        "area_unc_km2": totals.area_unc_km2,
        "half_pixel_unc_km2": totals.half_pixel_unc_km2,
        "unseen_km2": totals.unseen_km2,
        "debris_km2": totals.debris_km2,
        "debris_unc_km2": totals.debris_unc_km2,
        "threshold": found.curve.threshold,
    }


def _in_words(made: Inventory, observed: Observed) -> tuple[str, ...]:
    totals = made.totals
    if len(made.layers["glaciers"]) == 0:
        return (f"No clean ice was found in what the scenes saw {_dates_in_words(observed)}.",)
    ice = (
        f"Clean ice {_dates_in_words(observed)}: {totals.area_km2:.2f} +- {totals.area_unc_km2:.2f} km2 in "
        f"{len(made.layers['glaciers'])} glaciers (+-{totals.half_pixel_unc_km2:.2f} km2 by the buffer of "
        f"half a pixel); {totals.unseen_km2:.2f} km2 beside them were not seen."
    )
    debris = f"{totals.debris_km2:.2f} +- {totals.debris_unc_km2:.2f} km2 beside it may be ice under debris."
    return ice, debris


def _dates_in_words(observed: Observed) -> str:
    first, last = min(observed.dates), max(observed.dates)
    if first.date() == last.date():
        return f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _facts(found: Extent, made: Inventory, scenes: Sequence[Scene]) -> list[str]:
    totals = made.totals
    names = list(dict.fromkeys(f"{scene.time:%Y-%m-%d}  {scene.platform}" for scene in scenes))
    covered = f"{totals.debris_km2:.2f} ± {totals.debris_unc_km2:.2f} km² may lie under debris"
    shown = 6 if len(names) != 7 else 7  # rather the last one than a line that says so
    return [
        f"{totals.area_km2:.2f} ± {totals.area_unc_km2:.2f} km² of clean ice",
        f"{len(made.layers['glaciers'])} glaciers in {len(found.layers['glaciers'])} bodies of ice",
        f"{totals.unseen_km2:.2f} km² not seen",
        *([covered] if totals.debris_km2 else []),
        *([f"{found.snow_km2:.2f} km² taken for snow"] if found.snow_km2 else []),
        *names[:shown],
        *([f"and {len(names) - shown} more dates"] if len(names) > shown else []),
    ]


def _colours(observed: Observed) -> tuple[Grid, NDArray[np.float32]]:
    """Thin the composite out for the picture."""
    step = max(1, math.ceil(max(observed.grid.shape) / PICTURE_CELLS))
    thinned = [band[::step, ::step] for band in (observed.swir1, observed.nir, observed.green)]
    colours = np.stack([np.where(band == -32768, np.nan, band / 1e4) for band in thinned]).astype(np.float32)
    t = observed.grid.transform
    grid = Grid(
        observed.grid.crs,
        Affine(t.a * step, 0, t.c, 0, t.e * step, t.f),
        (colours.shape[1], colours.shape[2]),
    )
    return grid, colours


def _record(
    asked: Mapping[str, Any],
    inputs: Mapping[str, Path],
    scenes: Sequence[Scene],
    found: Extent,
    observed: Observed,
    edits: Sequence[Edit],
    made: Inventory,
) -> Record:
    """Everything from which the other side can repeat the numbers."""
    constants = {
        name.lower(): value
        for name, value in {**vars(defaults), **vars(inventory_defaults)}.items()
        if name.isupper() and isinstance(value, int | float | tuple)
    }
    return Record(
        title=f"Glaciers {_dates_in_words(observed)}",
        lineage=LINEAGE,
        footprint=observed.grid.footprint(),
        crs=observed.grid.crs,
        inputs={**inputs, "scenes": [scene.path for scene in scenes]},
        parameters={name: value for name, value in asked.items() if name not in {*inputs, "scenes"}},
        method={
            "defaults": constants,
            "threshold": found.curve.threshold,
            "plateau": list(found.curve.plateau),
            "curve": {
                "margin": [round(float(each), 4) for each in found.curve.margin],
                "area_km2": [round(float(each), 6) for each in found.curve.area_km2],
            },
            "threshold_unc_km2": found.threshold_unc_km2,
            "snow_patches_km2": found.snow_km2,
            "edits": [str(edit) for edit in edits],
            "suns": {
                scene.name: [scene.sun.azimuth_deg, scene.sun.elevation_deg]
                for scene in scenes
                if scene.sun is not None
            },
            "detail_m": found.detail_m,
            "divides": "flow" if asked["inventory"] is None else "inventory",
            "notes": [*found.notes, *made.notes],
        },
        shape=observed.grid.shape,
        transform=observed.grid.transform,
        period=(min(observed.dates), max(observed.dates)),
    )
