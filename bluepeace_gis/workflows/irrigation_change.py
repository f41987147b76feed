"""`bluepeace irrigation-change`: from maps of single years to what became of the land and of each zone."""

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.areas import wording
from bluepeace_gis.analyses.irrigation_change import (
    CLASSES,
    Accounts,
    Question,
    Rule,
    Sums,
    Zone,
    account,
    accounts,
    answer,
    defaults,
)
from bluepeace_gis.analyses.irrigation_change.trends import trend_table
from bluepeace_gis.archive import annual_maps, features, mosaics, rasters, tables
from bluepeace_gis.archive.annual_maps import AnnualMap, Stack
from bluepeace_gis.errors import BadInput, GridMismatch, OutsideGrid
from bluepeace_gis.geo import exact_sums
from bluepeace_gis.geo import zones as polygons
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.lattice import Place, lattices
from bluepeace_gis.kernels.tiles import Tile, Tiling, each
from bluepeace_gis.maps import irrigation_change_picture as picture
from bluepeace_gis.maps import styles
from bluepeace_gis.workflows.area import named_zones
from bluepeace_gis.workflows.publishing import Record, publishing, require_number, require_places
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "Classes of change from the sequence of annual states of each cell; years not observed or "
    "uncertain are open and never taken for not irrigated. Areas are counted on the maps, fitted to "
    "the geodesic areas of the zones; their limits tell what open years could change and are no "
    "confidence intervals. For those draw points of change.tif (bluepeace sample-points, bluepeace area)."
)
MAIN: Final = "change.tif"
HA_M2: Final = 10_000.0
# Of the work, not of the result: nothing that is written depends on it.
TILE: Final = 1024
# What a cell of a tile takes for each year, and besides, in bytes; and the process without tiles.
BYTES_PER_CELL_YEAR: Final = 4
BYTES_PER_CELL: Final = 80
PROCESS_MB: Final = 500
BLOCKS_MB: Final = 128
# Sums of all zones, years and transitions are held at once.
MOST_SUMS: Final = 40_000_000
# Zones may overlap by so much of the smaller one: borders drawn twice, not land counted twice.
OVERLAP_SHARE: Final = 0.005
# A zone whose cells differ from its polygon by more than this is worth a word.
RIM_SHARE: Final = 0.05
FREQUENCY_BANDS: Final = (
    "share of known years irrigated, %",
    "years irrigated",
    "years known",
    "years uncertain",
)
CHANGE_BANDS: Final = ("change", "classes possible (sum of 2 ** code)")
# What `bluepeace irrigation` writes of its zones beside a map.
SENSITIVITY: Final = "zones.csv"
_PERIOD: Final = re.compile(r"(\d{4})(?:-(\d{4}))?")
_MEANT_AS_MASK: Final = frozenset({0, 1, 255})
# Shares of the work, for the bar.
OPENED, COUNTED, JOINED, DRAWN = 0.05, 0.8, 0.92, 0.98


def irrigation_change(
    *maps: Path,
    zones: Path,
    out: Path,
    zone_field: str | None = None,
    group_field: str | None = None,
    periods: str | None = None,
    resample: bool = False,
    accept_definition: bool = False,
    band: int = 1,
    memory_mb: int | None = None,
) -> Result:
    """Tell from annual maps which land was kept, gained or lost for irrigation, and how much in each zone.

    Parameters
    ----------
    maps
        Two or more rasters of states: 0 not observed, 1 not irrigated, 2 uncertain, 3 irrigated, 255 outside,
        or codes whose category names are these words. The year comes from the record beside a map, its tag
        YEAR, or its name (irrigation_2024.tif).
    zones
        Polygons that do not overlap, such as districts.
    out
        The folder to write: change.tif, frequency.tif, change.gpkg, annual.csv, transitions.csv, pictures,
        styles and the STAC item.
    zone_field
        Their column with the names; name, where there is one, else the first of texts.
    group_field
        Columns of larger units that zones belong to, separated by commas: country,basin. Their areas are the
        exact sums of their zones.
    periods
        Between which transitions are counted: 2000-2009,2010-2019; without it from each map to the next. The
        transition from the first year to the last is always there.
    resample
        Put maps of other grids on the finest one, by the nearest cell. Without it they are refused; maps
        whose cells coincide need no resampling.
    accept_definition
        Compare maps although their records tell of different rules or thresholds.
    band
        Of the maps, from 1.
    memory_mb
        What the process may take; fewer tiles are then worked on at once.

    Returns
    -------
    Result
        The files; areas of the first and the last year, and of each class of change.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    asked: dict[str, Any] = {
        "zone_field": zone_field,
        "group_field": group_field,
        "periods": periods,
        "resample": resample,
    }
    asked |= {"accept_definition": accept_definition, "band": band, "out": out}
    if out.is_file():
        raise BadInput(f"--out {out} is a file; the name of a folder was expected. Choose another one.")
    require_number("memory-mb", memory_mb, above=0)
    main = out / MAIN
    inputs: dict[str, Path | Sequence[Path]] = {"maps": list(maps), "zones": zones}
    require_places({"out": main}, {"zones": zones} | {f"map {place.name}": place for place in maps})
    log.info("opening the maps", extra={"done": 0.0})
    opened = _opened(maps, band)
    method = _compared(opened, accepted=accept_definition)
    years = [one.year for one in opened]
    spans = _periods(periods, years)
    grid, places = _grid(opened, resample=resample)
    land = _land(zones, zone_field, group_field, grid)
    swings = _swings(opened, land.names)
    inputs |= {"sensitivity": swings.files} if swings.files else {}
    question = Question.of(years, spans, Rule())
    _require_size(len(land.zones), len(years), len(question.pairs) + 1)
    threads = _threads(len(years), memory_mb)
    log.info("reading %d maps", len(opened), extra={"done": OPENED})
    record = Record(
        title=f"Change of irrigated land, {years[0]} to {years[-1]}",
        lineage=LINEAGE,
        footprint=grid.footprint(),
        crs=grid.crs,
        inputs=inputs,
        parameters=asked,
        method=method,
        shape=grid.shape,
        transform=grid.transform,
    )
    with publishing(main, record, style="irrigation_change") as work:
        parts = work / "parts"
        parts.mkdir()
        with Stack(opened, grid, places) as stack:
            sums, written = _counted(stack, land, question, parts, threads)
            _require_states(stack)
        _tell_rims(land, sums)
        log.info("joining tiles", extra={"done": COUNTED})
        for name, bands in ((MAIN, CHANGE_BANDS), ("frequency.tif", FREQUENCY_BANDS)):
            tiles = [
                mosaics.Part(t.row, t.column, t.rows, t.columns, parts / f"{t.number}_{name}")
                for t in written
            ]
            mosaics.join(tiles, grid, work / name, dtype="uint8", descriptions=bands, nodata=255)
        annual_maps.name_classes(work / MAIN, [CLASSES, {}])
        shutil.rmtree(parts)
        log.info("adding up", extra={"done": JOINED})
        found = account(sums, land.zones, land.levels)
        answers = _Tables.of(found, years, _pair_names(spans, years), swings)
        answers.write(work, land)
        said = _said(answers.change, years)
        method |= _method(question.rule, years, spans, said)
        log.info("drawing", extra={"done": DRAWN})
        _draw(work, land, answers, years, said, record.title)
    log.info("done", extra={"done": 1.0})
    told = tuple(sentence for pair in zip(*said.values(), strict=True) for sentence in pair)
    names = (MAIN, "frequency.tif", "change.gpkg", "annual.csv", "transitions.csv", "change.png", "zones.png")
    outputs = {"out": out} | {name.replace(".", "_"): out / name for name in names}
    return Result(outputs, _numbers(answers.change, years), told)


# The maps


def _opened(maps: Sequence[Path], band: int) -> list[AnnualMap]:
    """Open the maps, by year."""
    opened = sorted(
        (annual_maps.open_map(path, band, defaults.STATES) for path in maps), key=lambda m: m.year
    )
    if len(opened) < 2:
        raise BadInput(
            f"Found {len(opened)} map; two years or more were expected, since change lies between them."
        )
    for one, other in pairwise(opened):
        if one.year == other.year:
            raise BadInput(
                f"{one.path} and {other.path} are both of {one.year}; one map for each year was "
                "expected. Leave one out, or join them first if they show different places: gdalbuildvrt."
            )
    return opened


def _compared(opened: Sequence[AnnualMap], *, accepted: bool) -> dict[str, Any]:
    """Refuse maps that were made by different rules: the difference of two methods is no change."""
    rules = {one.year: one.method.get("rule") for one in opened}
    known = {year: rule for year, rule in rules.items() if isinstance(rule, Mapping)}
    differing: dict[str, dict[int, Any]] = {}
    for name in sorted({name for rule in known.values() for name in rule}):
        values = {year: rule.get(name) for year, rule in known.items()}
        if len({repr(value) for value in values.values()}) > 1:
            differing[name] = values
    if differing:
        name, values = next(iter(differing.items()))
        first = opened[0].year if opened[0].year in values else next(iter(values))
        other = next(year for year in values if repr(values[year]) != repr(values[first]))
        told = (
            f"The maps were made by different rules: {name} is {values[first]} in {first} and "
            f"{values[other]} in "
            f"{other}" + (f"; so differ {len(differing) - 1} more" if len(differing) > 1 else "")
        )
        if not accepted:
            raise BadInput(
                f"{told}. A difference of method is no change on the ground: make the maps by one "
                "rule, or compare them all the same with --accept-definition."
            )
        log.warning("%s; what differs by method is counted as change.", told)
    unknown = [one.path.name for one in opened if one.year not in known]
    if unknown:
        log.warning(
            "No record tells by what rule %d of %d maps were made (%s): whether a difference is "
            "change or method cannot be told.",
            len(unknown), len(opened), ", ".join(unknown[:3]) + (" ..." if len(unknown) > 3 else ""),
        )  # fmt: skip
    sensors = {one.year: one.method["sensors"] for one in opened if one.method.get("sensors")}
    if len({repr(said) for said in sensors.values()}) > 1:
        log.warning(
            "The maps are of different sensors (%s); a finer sensor finds more small fields.",
            "; ".join(f"{year}: {said if isinstance(said, str) else ', '.join(map(str, said))}"
                      for year, said in sensors.items()),
        )  # fmt: skip
    return {
        "rules_differ": {name: {str(y): v for y, v in values.items()} for name, values in differing.items()}
    }


def _periods(text: str | None, years: Sequence[int]) -> list[tuple[int, int]]:
    """Read periods; without any, each map is one."""
    if text is None:
        return [(year, year) for year in years]
    found = []
    for part in text.split(","):
        match = _PERIOD.fullmatch(part.strip())
        if match is None:
            raise BadInput(
                f'--periods has "{part.strip()}"; years such as 2000-2009,2010-2019 were expected.'
            )
        first = int(match[1])
        found.append((first, int(match[2] or first)))
    for first, last in found:
        if not any(first <= year <= last for year in years):
            raise BadInput(
                f"--periods has {first}-{last}, of which there is no map; there are {_listed(years)}."
            )
    if any(one[1] >= other[0] for one, other in pairwise(found)) or any(a > b for a, b in found):
        raise BadInput(f"--periods is {text}; rising periods that do not overlap were expected.")
    return found


def _pair_names(spans: Sequence[tuple[int, int]], years: Sequence[int]) -> list[tuple[str, str]]:
    names = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return [*pairwise(names), (str(years[0]), str(years[-1]))]


def _grid(opened: Sequence[AnnualMap], *, resample: bool) -> tuple[Grid, list[Place | None]]:
    """Choose the grid of the product, and say where each map lies on it."""
    grids = {str(one.path): one.grid for one in opened}
    found = lattices(grids)
    if len(found) == 1:
        return found[0].grid, [found[0].places[str(one.path)] for one in opened]
    name = next(iter(found[1].places))
    if not resample:
        differences = grids[name].differences(opened[0].grid)
        raise GridMismatch(
            f"{name} lies on another grid than {opened[0].path}: {grids[name]} against "
            f"{opened[0].grid}; they differ in {' and '.join(differences)}. Make the maps on one grid, "
            "or take the nearest cells of the finest: --resample."
        )
    finest = min(found, key=lambda lattice: float(np.nanmedian(_some_areas(lattice.grid))))
    log.warning(
        "%d of %d maps lie on other grids and are put on that of %s by the nearest cell; along the "
        "edges of fields this is counted as change.",
        len(opened) - len(finest.places), len(opened), next(iter(finest.places)),
    )  # fmt: skip
    return finest.grid, [finest.places.get(str(one.path)) for one in opened]


def _some_areas(grid: Grid) -> NDArray[np.float64]:
    row = grid.shape[0] // 2
    return grid.cell_areas_of(row, row + 1, 0, grid.shape[1])


def _require_states(stack: Stack) -> None:
    """Refuse masks of 0 and 1 that would be read as "not observed" and "not irrigated"."""
    if not stack.met[:, : defaults.IRRIGATED + 1].any():
        raise BadInput(
            "The maps hold no class anywhere: all cells are nodata or outside. Check the files and --band."
        )
    for one, met in zip(stack.maps, stack.met, strict=True):
        codes = set(np.flatnonzero(met).tolist())
        if not codes - {defaults.OUTSIDE}:
            log.warning("%s holds no class: all its cells are nodata or outside, and %d was not observed.",
                        one.path.name, one.year)  # fmt: skip
        elif not one.named and codes <= _MEANT_AS_MASK and defaults.NOT_IRRIGATED in codes and 0 in codes:
            raise BadInput(
                f"{one.path} holds only 0 and 1 and no names of classes: is it a mask of irrigated "
                "land? Here 0 is not observed, 1 not irrigated, 3 irrigated. Recode it, or name its "
                "classes: category names as QGIS and GDAL read them."
            )


# The zones


@dataclass
class _Land:
    """The zones, as they were drawn and on the grid of the maps.

    layer      as drawn, one row a zone
    borders    (zones,) on the CRS of the grid
    """

    names: tuple[str, ...]
    levels: tuple[str, ...]
    zones: list[Zone]
    layer: gpd.GeoDataFrame
    borders: NDArray[Any]
    grid: Grid

    def burnt(self, tile: Tile, tree: shapely.STRtree) -> NDArray[np.int32]:
        """Return the number of the zone of each cell of a tile, from 1; 0 outside of all."""
        window = self.grid.window(tile.row, tile.row + tile.rows, tile.column, tile.column + tile.columns)
        near = np.sort(tree.query(shapely.box(*window.bounds)))
        if len(near):
            layer = gpd.GeoSeries(self.borders[near], crs=self.grid.crs)
            try:
                with annual_maps.ALONE:
                    return polygons.burn(layer, window, values=(near + 1).tolist())
            except OutsideGrid:  # their boxes do, they do not
                pass
        return np.zeros(window.shape, np.int32)


def _land(path: Path, field: str | None, group_field: str | None, grid: Grid) -> _Land:
    found = named_zones(path, field)
    if found is None:
        raise RuntimeError("zones are always given")
    levels = [] if group_field is None else [name.strip() for name in group_field.split(",")]
    columns = [str(name) for name in found.layer.columns if name != found.layer.geometry.name]
    for level in levels:
        if level not in columns:
            raise BadInput(f"{path} has no column {level} for --group-field; it has {', '.join(columns)}.")
        if level in {"zone", defaults.ALL} or levels.count(level) > 1:
            raise BadInput(
                f"--group-field names {level} twice, or as the table calls the zones. Name others."
            )
    layer = found.layer.copy()
    layer["zone"] = np.array(found.names, dtype=object)[found.number - 1]
    groups = layer[levels].astype(str) if levels else pd.DataFrame(index=layer.index)
    groups[layer[levels].isna()] = "" if levels else None
    several = groups.assign(zone=layer["zone"]).drop_duplicates().duplicated("zone")
    if several.any():
        name = layer["zone"].loc[several[several].index[0]]
        raise BadInput(
            f"{path} has several polygons of the zone {name} in different units of "
            f"{', '.join(levels)}; a zone belongs to one. Name the zones by another --zone-field."
        )
    if (groups == "").any(axis=None):
        raise BadInput(
            f"{path} has zones without a name in {group_field}. Fill them in or leave the option out."
        )
    groups = (
        groups.assign(zone=layer["zone"]).drop_duplicates("zone").set_index("zone").loc[list(found.names)]
    )
    one = gpd.GeoDataFrame(
        {"zone": list(found.names)},
        geometry=[
            shapely.union_all(layer.geometry[layer["zone"] == name].to_numpy()) for name in found.names
        ],
        crs=layer.crs,
    )
    around = gpd.GeoSeries([grid.footprint()], crs=grid.crs)
    names, borders = polygons.dissolved(around, one, "zone")
    order = [names.index(name) for name in found.names]
    borders = borders[order]
    covered = shapely.intersection(borders, grid.footprint())
    covered = np.array([polygons._polygons(part) for part in covered], dtype=object)  # noqa: SLF001
    whole_ha = polygon_areas_m2(one.geometry) / HA_M2
    inside_ha = polygon_areas_m2(gpd.GeoSeries(covered, crs=grid.crs)) / HA_M2
    if not inside_ha.any():
        raise OutsideGrid(
            f"None of the {len(names)} zones of {path} reaches the maps: {grid}; expected them to "
            "overlap. Check the CRSs of both."
        )
    _require_apart(found.names, covered)
    zones = [
        Zone(name, tuple(str(text) for text in groups.loc[name]), float(whole), float(inside))
        for name, whole, inside in zip(found.names, whole_ha, inside_ha, strict=True)
    ]
    _tell_cut(zones)
    return _Land(found.names, tuple(levels), zones, one, borders, grid)


def _require_apart(names: Sequence[str], shapes: NDArray[Any]) -> None:
    """Refuse zones that overlap: their land would count twice, or once and nobody knows for whom."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="overlaps")
    inner, outer = shapely.STRtree(shapes).query(shapes, predicate="covered_by")
    pairs = sorted(
        {(min(p), max(p)) for p in zip([*one, *inner], [*other, *outer], strict=True) if p[0] != p[1]}
    )
    for first, second in pairs:
        common = shapely.intersection(shapes[first], shapes[second]).area
        smaller = min(shapes[first].area, shapes[second].area)
        if common > OVERLAP_SHARE * smaller > 0:
            raise BadInput(
                f"The zones {names[first]} and {names[second]} overlap in {100 * common / smaller:.1f} "
                "% of the smaller one; zones that lie beside each other were expected, so that they "
                "add up. Give the smaller units, and name the column of the larger ones: --group-field."
            )


def _tell_cut(zones: Sequence[Zone]) -> None:
    cut = [zone for zone in zones if zone.covered_ha < zone.area_ha * (1 - exact_sums.BEYOND_MIN)]
    if cut:
        beyond = sum(zone.area_ha - zone.covered_ha for zone in cut)
        log.warning(
            "%d of %d zones reach beyond the maps (%s), with %.6g ha that stand as outside.",
            len(cut), len(zones), _listed([zone.name for zone in cut]), beyond,
        )  # fmt: skip


def _tell_rims(land: _Land, sums: Sums) -> None:
    """Tell of zones so small that their cells are another land than their polygons."""
    counted = sums.states[:, 0].sum(axis=1) / exact_sums.WEIGHTS_PER_M2 / HA_M2
    rough = [
        zone.name
        for zone, cells_ha in zip(land.zones, counted, strict=True)
        if zone.covered_ha > 0 and abs(cells_ha / zone.covered_ha - 1) > RIM_SHARE
    ]
    if rough:
        log.warning(
            "%d of %d zones are so small that the cells whose centres lie in them differ from their "
            "area by more than %d %% (%s); their shares are those of these cells.",
            len(rough), len(land.zones), round(100 * RIM_SHARE), _listed(rough),
        )  # fmt: skip


# What the makers of the maps say of their thresholds


@dataclass(frozen=True)
class _Swings:
    """How far the change of each zone moves with the thresholds of the maps, ha; NaN where none say.

    low, high  (zones,)  not above, not below 0
    files      the tables that say so
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    files: list[Path]


def _swings(opened: Sequence[AnnualMap], names: Sequence[str]) -> _Swings:
    """Read, beside the first and the last map, the areas that other thresholds give (zones.csv).

    Thresholds are moved in both years together, as one rule is: the difference of the two smallest areas and
    that of the two largest.
    """
    shifts, files = [], []
    for one in (opened[0], opened[-1]):
        table = _sensitivity(one)
        if table is not None:
            files.append(one.path.with_name(SENSITIVITY))
            table = table.reindex(list(names))
            shifts.append((table[["low_ha", "high_ha"]].sub(table["map_area_ha"], axis=0)).to_numpy(float))
    if len(shifts) < 2:
        nothing = np.full(len(names), np.nan)
        return _Swings(nothing, nothing, [])
    moved = shifts[1] - shifts[0]
    return _Swings(
        np.minimum(moved.min(axis=1), 0.0), np.maximum(moved.max(axis=1), 0.0), list(dict.fromkeys(files))
    )


def _sensitivity(one: AnnualMap) -> pd.DataFrame | None:
    place = one.path.with_name(SENSITIVITY)
    try:
        table = pd.read_csv(place)
        table = table[pd.to_numeric(table["year"], errors="coerce") == one.year]
        if "level" in table.columns:
            table = table[table["level"] == "zone"]  # not its groups, which may have the same names
        table = table.assign(zone=table["zone"].astype(str).str.strip()).set_index("zone")
        numbers = table[["map_area_ha", "low_ha", "high_ha"]].astype(float)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError) as error:
        log.warning("%s is no table of areas by year and zone (%s); it is left out.", place, error)
        return None
    return None if numbers.index.has_duplicates else numbers


# The tiles


def _require_size(zones: int, years: int, pairs: int) -> None:
    needed = zones * (years * 5 + 21 + pairs * 25)
    if needed > MOST_SUMS:
        raise BadInput(
            f"Found {zones} zones, {years} years and {pairs} transitions: {needed} sums, expected at "
            f"most {MOST_SUMS}. Give larger zones, or fewer --periods."
        )


def _threads(years: int, memory_mb: int | None) -> int:
    """How many tiles may be worked on at once."""
    cores = os.cpu_count() or 1
    if memory_mb is None:
        return cores
    per_tile_mb = TILE**2 * (years * BYTES_PER_CELL_YEAR + BYTES_PER_CELL) / 2**20
    possible = int((memory_mb - PROCESS_MB - BLOCKS_MB) / per_tile_mb)
    if possible < 1:
        raise BadInput(
            f"--memory-mb is {memory_mb}; {years} maps need at least "
            f"{PROCESS_MB + BLOCKS_MB + per_tile_mb:.0f}. Allow more."
        )
    return min(cores, possible)


def _counted(
    stack: Stack, land: _Land, question: Question, parts: Path, threads: int
) -> tuple[Sums, list[Tile]]:
    """Go over the maps once, tile by tile."""
    rasters.keep_blocks(BLOCKS_MB)
    grid = stack.grid
    grid.cell_areas_of(0, 1, 0, 1)  # what all windows share is computed once, not in each thread
    tiling = Tiling(*grid.shape, size=TILE)
    sums = Sums.nothing(len(land.zones), len(question.years), len(question.pairs) + 1)
    tree = shapely.STRtree(land.borders)
    lock = threading.Lock()

    def work(tile: Tile) -> Tile | None:
        states = stack.read(Place(tile.row, tile.column, tile.rows, tile.columns))
        zone = land.burnt(tile, tree)
        areas = grid.cell_areas_of(tile.row, tile.row + tile.rows, tile.column, tile.column + tile.columns)
        weight = exact_sums.weights(areas)
        found = answer(states.reshape(len(states), -1), zone.ravel(), weight.ravel(), question)
        with lock:
            sums.add(found.zones, found.sums)
        if (found.change[0] == annual_maps.OUTSIDE).all():
            return None
        for name, values in ((MAIN, found.change), ("frequency.tif", found.frequency)):
            mosaics.write_part(values.reshape(-1, tile.rows, tile.columns), parts / f"{tile.number}_{name}")
        return tile

    begun = time.monotonic()
    cells = grid.shape[0] * grid.shape[1] * len(question.years) / 1e6

    def tell(share: float) -> None:
        rate = cells * share / max(time.monotonic() - begun, 1e-3)
        log.info(
            "%d of %d tiles, %.0f million cells of a year in a second",
            round(share * len(tiling)), len(tiling), rate,
            extra={"done": OPENED + (COUNTED - OPENED) * share},
        )  # fmt: skip

    written = each(work, tiling, threads=threads, done=tell)
    return sums, [tile for tile in written if tile is not None]


# What is written


@dataclass(frozen=True)
class _Tables:
    annual: pd.DataFrame
    change: pd.DataFrame
    transitions: pd.DataFrame
    members: NDArray[np.bool_]

    @classmethod
    def of(
        cls, found: Accounts, years: Sequence[int], pairs: Sequence[tuple[str, str]], swings: "_Swings"
    ) -> "_Tables":
        change = pd.concat([accounts.change_table(found), trend_table(found, years)], axis=1)
        for end in ("low", "high"):
            each = found.members @ np.nan_to_num(getattr(swings, end))
            lacking = found.members @ np.isnan(getattr(swings, end)).astype(np.int64) > 0
            change[f"change_sensitivity_{end}_ha"] = np.where(lacking, np.nan, change["change_ha"] + each)
        change.insert(2, "last_year", years[-1])
        change.insert(2, "first_year", years[0])
        return cls(
            accounts.annual_table(found, years),
            change,
            accounts.transition_table(found, pairs),
            found.members,
        )

    def write(self, work: Path, land: _Land) -> None:
        tables.write(self.annual, work / "annual.csv")
        tables.write(self.transitions, work / "transitions.csv")
        shapes = land.layer.geometry.to_numpy()
        united = [shapely.union_all(shapes[chosen]) if chosen.sum() > 1 else shapes[chosen][0]
                  for chosen in self.members]  # fmt: skip
        layer = gpd.GeoDataFrame(self.change, geometry=np.array(united, dtype=object), crs=land.layer.crs)
        zones = layer[layer["level"] == "zone"].drop(columns="level")
        for position, level in enumerate(land.levels):
            zones.insert(1 + position, level, [zone.groups[position] for zone in land.zones])
        layers = {"zones": zones.reset_index(drop=True),
                  "groups": layer[layer["level"] != "zone"].reset_index(drop=True)}  # fmt: skip
        features.write(layers, work / "change.gpkg", geometry_types=dict.fromkeys(layers, "MultiPolygon"))
        style = styles.qml("irrigation_change_zones")
        features.add_styles(work / "change.gpkg", dict.fromkeys(layers, style))
        styles.write_qml("irrigation_frequency", work / "frequency.qml")


def _method(
    rule: Rule, years: Sequence[int], spans: Sequence[tuple[int, int]], said: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    table = rule.table(len(years))[len(years)].tolist()
    names = ("inactive_years", "active_years", "kept_years", "stray_years")
    return {
        "years": list(years),
        "rule": asdict(rule),
        "rule_of_these_years": dict(zip(names, table, strict=True)),
        "rule_source": "analyses/irrigation_change: abandoned is 5 years or more without irrigation "
        "after 3 or more",
        "periods": [list(span) for span in spans],
        "period_share": defaults.PERIOD_SHARE,
        "trend": "Sen (1968), doi:10.1080/01621459.1968.10480934; Mann and Kendall's test with the "
        "years counted by the first lag, as Yue and Wang (2004), doi:10.1023/B:WARM.0000043140.61082.60",
        "trend_decided_share": defaults.TREND_DECIDED_SHARE,
        "trend_least_years": defaults.TREND_LEAST_YEARS,
        "confidence": defaults.CONFIDENCE,
        "area_unit_ha": exact_sums.UNIT_HA,
        "limits": "low and high: as if all that is uncertain or not observed were one or the other; of "
        "classes: firm and possible; change_sensitivity: the thresholds of the maps moved in both years "
        "together. None is a confidence interval. trend_low, trend_high: 95 % confidence interval.",
        "sentences": said,
    }


def _said(change: pd.DataFrame, years: Sequence[int]) -> dict[str, list[str]]:
    """Say what became of the whole, in both languages."""
    row = change[change["level"] == defaults.ALL].iloc[0]
    ends = {"year": str(years[-1]), "since": str(years[0])}
    statement = wording.Statement(
        "irrigated",
        row["change_ha"],
        row["change_low_ha"],
        row["change_high_ha"],
        row["not_observed_pct"],
        **ends,
    )
    slope = wording.Statement(
        "irrigated", row["trend_ha_per_year"], row["trend_low"], row["trend_high"], 0.0, **ends
    )
    said: dict[str, list[str]] = {}
    for language in wording.LANGUAGES:
        said[language] = [wording.bounds_sentence(statement, language)]
        if np.isfinite([slope.area_ha, slope.low_ha, slope.high_ha]).all():
            said[language].append(wording.trend_sentence(slope, language))
    full = Rule().full
    if len(years) < full:
        still, active = Rule().table(len(years))[len(years)].tolist()[:2]
        said["en"].append(
            f"{len(years)} years do not show abandoned land ({defaults.INACTIVE_YEARS} years without "
            f"irrigation after {defaults.ACTIVE_YEARS} with it): lost and gained rest on {still} after "
            f"{active}, and fallow is among them."
        )
        said["ru"].append(
            f"Заброшенные земли (не менее {defaults.INACTIVE_YEARS} лет без орошения после "
            f"{defaults.ACTIVE_YEARS} с орошением) по {len(years)} годам не видны: выбывшие и новые "  # noqa: RUF001  # Russian
            f"земли определены по {still} после {active}, среди них есть пар."
        )
        log.warning("%s", said["en"][-1])
    return said


def _numbers(change: pd.DataFrame, years: Sequence[int]) -> dict[str, float]:
    row = change[change["level"] == defaults.ALL].iloc[0]
    found = {"years": float(len(years)), f"irrigated {years[0]}, ha": float(row["first_ha"])}
    found |= {f"irrigated {years[-1]}, ha": float(row["last_ha"]), "change, ha": float(row["change_ha"])}
    found |= {f"change, {end} ha": float(row[f"change_{end}_ha"]) for end in ("low", "high")}
    found |= {f"{name}, ha": float(row[f"{name}_ha"]) for code, name in CLASSES.items() if code}
    found |= {"not observed, ha": float(row["not_observed_ha"]), "outside, ha": float(row["outside_ha"])}
    if np.isfinite(row["trend_ha_per_year"]):
        found |= {"trend, ha a year": float(row["trend_ha_per_year"]), "trend, p": float(row["trend_p"])}
    return found


def _draw(
    work: Path,
    land: _Land,
    answers: _Tables,
    years: Sequence[int],
    said: Mapping[str, Sequence[str]],
    title: str,
) -> None:
    values, coarse = rasters.preview(work / MAIN, picture.MAP_CELLS)
    whole = answers.change[answers.change["level"] == defaults.ALL].iloc[0]
    picture.change_picture(
        work / "change.png",
        picture.View(coarse, values[0], gpd.GeoSeries(land.borders, crs=land.grid.crs), land.names),
        whole,
        title=title,
        facts=[f"{len(years)} maps, {years[0]} to {years[-1]}", *said["en"]],
    )
    picture.zones_picture(
        work / "zones.png", answers.annual, answers.change, title=title,
        decided_pct=100 * defaults.TREND_DECIDED_SHARE,
    )  # fmt: skip


def _listed(found: Sequence[Any]) -> str:
    return ", ".join(str(one) for one in found[:5]) + (" ..." if len(found) > 5 else "")
