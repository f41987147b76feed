"""`bluepeace area`: from a map and labelled points to areas with intervals that hold."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.areas import Census, assess, assessment, changes, defaults, wording
from bluepeace_gis.analyses.areas.agreement import Agreement, agreement
from bluepeace_gis.analyses.areas.assessment import Points
from bluepeace_gis.archive import classes, features, tables
from bluepeace_gis.archive.classes import ClassMap
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo import zones as polygons
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.crs import label
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import area_picture
from bluepeace_gis.workflows.publishing import Record, publishing, require_ending, require_places
from bluepeace_gis.workflows.result import Result
from bluepeace_gis.workflows.sample_points import HA_M2, Division, divide, observed, year_in

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "Areas by points, not by counting cells: stratified (or post-stratified) estimates with Jeffreys "
    "intervals by Monte-Carlo totals; the areas of strata are sums of cells on the ellipsoid."
)
REFERENCE, REFERENCE_2 = "reference", "reference_2"
ZONE_TABLE_COLUMNS: Final = (
    "zone", "area_ha", "observed_ha", "not_observed_ha", "nodata_ha", "in_no_stratum_ha", "unobserved_pct",
)  # fmt: skip
# A zone that reaches farther beyond the raster than this is worth a warning.
CUT_SHARE: Final = 0.01
# Sentences on so many classes, the largest; all of them stand in the tables.
SENTENCES: Final = 6
# Shares of the work, for the bar.
OPENED, COUNTED, ESTIMATED = 0.15, 0.5, 0.9
# What lies beyond the classes in a count of cells.
_UNSEEN, _NODATA, _NO_STRATUM = 0, 1, 2


def area(
    map_: Path,
    points: Path,
    *,
    out: Path,
    strata: Path | None = None,
    zones: Path | None = None,
    zone_field: str | None = None,
    map_year: int | None = None,
    random: bool | None = None,
    band: int = 1,
) -> Result:
    """Estimate the area of each class of a map from labelled points, with intervals.

    Parameters
    ----------
    map_
        A raster of classes, whose category names name them. Nodata and the class "not observed" count as
        unobserved; all else is a class.
    points
        Points drawn at random in each stratum (see `bluepeace sample-points`): reference, the class that was
        found, by name or code; optionally reference_2 (second interpreter), stratum and year. Points with
        several years are a panel, from which the change is estimated.
    out
        The CSV to write. Beside it come tables of accuracies, of the error matrix, of zones and, for a panel,
        of changes, a picture, and the STAC item.
    strata
        The raster of the strata in which the points were drawn, if these are not the classes of the map.
    zones
        Polygons, such as districts: each gets its own estimate, and they add up to the whole.
    zone_field
        Their column with the names; name, where there is one, else the first of texts.
    map_year
        The year that the map shows; else the one in its name, or the only one of the points.
    random
        The points were drawn from the whole map without strata. Known by itself where their stratum is "all".
    band
        Of the map, from 1.

    Returns
    -------
    Result
        ``out`` and the other tables and the picture; areas, their limits, accuracy and what was not observed.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    require_ending(out, ".csv", "table")
    inputs = {"map": map_, "points": points}
    inputs |= {name: path for name, path in (("strata", strata), ("zones", zones)) if path is not None}
    require_places({"out": out}, inputs)
    log.info("reading", extra={"done": 0.0})
    land = classes.open_map(map_, band)
    division = divide(land, strata)
    sampled = _read_points(points, land)
    random = _is_random(sampled, random, strata)
    places = named_zones(zones, zone_field)
    log.info("measuring", extra={"done": OPENED})
    cells = _count(division, places, sampled, random=random)
    census, labelled = _matched(division, cells, sampled, places, strata, random=random)
    log.info("estimating", extra={"done": COUNTED})
    answer = _estimate(census, labelled, year_of_map=map_year or year_in(map_))
    answer_zones = _zone_table(cells, places)
    agreed = _agreements(labelled, census)
    answer.accuracies = pd.concat([answer.accuracies, *map(_agreement_rows, agreed)], ignore_index=True)
    statements = _statements(answer, cells)
    sentences = {each: [wording.sentence(s, each) for s in statements] for each in wording.LANGUAGES}
    outputs = {"out": out} | {
        kind: out.with_name(f"{out.stem}_{kind}.csv") for kind in ("accuracy", "matrix", "zones")
    }
    outputs |= {} if answer.changes is None else {"change": out.with_name(f"{out.stem}_change.csv")}
    outputs["picture"] = out.with_suffix(".png")
    record = Record(
        title=f"Areas of {map_.stem}",
        lineage=LINEAGE,
        footprint=land.grid.footprint(),
        crs=land.grid.crs,
        inputs=inputs,
        parameters={
            "zone_field": zone_field, "map_year": map_year, "random": random, "band": band, "out": out,
        },
        method={
            "confidence": defaults.CONFIDENCE,
            "intervals": "Jeffreys' posterior in each stratum, Monte-Carlo totals; see wald_ for the others",
            "draws": defaults.DRAWS,
            "seed": defaults.SEED,
            "estimator": _estimator(strata, random=random),
            "finite_population_correction": census.correct_finite or census.random,
            "strata": {
                name: {"area_ha": float(size), "points": int((labelled["stratum"] == which).sum())}
                for which, (name, size) in enumerate(
                    zip(census.strata, census.areas_ha.sum(axis=(0, 2)), strict=True)
                )
            },
            "sentences": sentences,
        },
    )  # fmt: skip
    with publishing(out, record) as work:
        log.info("writing", extra={"done": ESTIMATED})
        tables.write(answer.areas, work / out.name)
        tables.write(answer.accuracies, work / outputs["accuracy"].name)
        tables.write(answer.matrix, work / outputs["matrix"].name)
        tables.write(answer_zones, work / outputs["zones"].name)
        if answer.changes is not None:
            tables.write(answer.changes, work / outputs["change"].name)
        area_picture.areas_picture(
            work / outputs["picture"].name, answer.areas, answer.changes, title=record.title,
            notes=[sentences["en"][0], sentences["ru"][0]],
        )  # fmt: skip
    log.info("done", extra={"done": 1.0})
    told = tuple(each for pair in zip(*sentences.values(), strict=True) for each in pair)
    return Result(outputs, _numbers(answer, cells, agreed), told)


# Points


def _read_points(path: Path, land: ClassMap) -> pd.DataFrame:
    """Read points as cells of the map, with what was found in them as codes of classes."""
    layer = features.read(path, holding="points", table_crs=land.grid.crs)
    if REFERENCE not in layer.columns:
        named = ", ".join(str(name) for name in layer.columns if name != layer.geometry.name)
        raise BadInput(
            f"{path} has no column {REFERENCE}, the class that was found at each point; it has {named}. "
            "Rename or add it."
        )
    if (layer.geometry.geom_type != "Point").any():
        layer = layer.explode(ignore_index=True)
    x, y = (getattr(layer.geometry.to_crs(land.grid.crs), axis).to_numpy() for axis in ("x", "y"))
    lost = ~(np.isfinite(x) & np.isfinite(y))
    row, column = land.grid.cells_of(np.where(lost, 0, x), np.where(lost, 0, y))
    rows, columns = land.grid.shape
    outside = lost | (row < 0) | (row >= rows) | (column < 0) | (column >= columns)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        where = layer.geometry.iloc[first]
        raise BadInput(
            f"{outside.sum()} of {len(layer)} points lie outside {land.path.name}, the first at "
            f"{where.x:.10g}, {where.y:.10g} in {label(layer.crs)}; all were expected on it. Check the CRS "
            "of the points, or "
            "leave those out."
        )
    table = pd.DataFrame({"row": row, "column": column})
    table["year"] = _years_of(layer, path)
    table["stratum_said"] = layer["stratum"].to_numpy() if "stratum" in layer.columns else None
    for name in (REFERENCE, REFERENCE_2):
        said = layer[name] if name in layer.columns else pd.Series([None] * len(layer), dtype=object)
        table[name] = _codes(said, name, path, land)
    twice = table.duplicated(["row", "column", "year"])
    if twice.any():
        first = int(np.flatnonzero(twice)[0])
        where = layer.geometry.iloc[first]
        raise BadInput(
            f"{path} has {twice.sum()} points in a cell that another point has already taken in that year, "
            f"the first at {where.x:.10g}, {where.y:.10g}; each cell was expected once. Leave the others out."
        )
    return table


def _years_of(layer: gpd.GeoDataFrame, path: Path) -> NDArray[np.int64]:
    """Return the years of points, -1 where none is given."""
    if "year" not in layer.columns:
        return np.full(len(layer), -1, np.int64)
    numbers = pd.to_numeric(layer["year"], errors="coerce")
    wrong = layer["year"].notna() & (numbers.isna() | (numbers % 1 != 0))
    if wrong.any():
        raise BadInput(
            f"{path} has {layer['year'][wrong].iloc[0]!r} in year; a year such as 2024 was expected."
        )
    if numbers.isna().any() and numbers.notna().any():
        raise BadInput(
            f"{path} has {numbers.isna().sum()} points without a year among {len(layer)}; expected one for "
            "all or for none. Fill them in."
        )
    return np.asarray(numbers.fillna(-1), np.float64).astype(np.int64)


def _codes(said: "pd.Series[Any]", column: str, path: Path, land: ClassMap) -> NDArray[np.int64]:
    """Turn names and codes of classes into codes, -1 where nothing could be told."""
    unseen = land.code_of(defaults.NOT_OBSERVED)
    meaning: dict[Any, int] = {}
    strange = []
    for value in said.dropna().unique():
        text = str(value).strip()
        code = land.code_of(text)
        if not text or text.casefold() == defaults.NOT_OBSERVED or (unseen is not None and code == unseen):
            meaning[value] = -1
        elif code is None:
            strange.append(text)
        else:
            meaning[value] = code
    if strange:
        known = ", ".join(f"{name} ({code})" for code, name in land.names.items() if code != unseen)
        raise BadInput(
            f'{path} has "{strange[0]}" in {column}, which is no class of {land.path.name}; expected one of: '
            f"{known}."
        )
    return said.map(meaning).fillna(-1).to_numpy().astype(np.int64)


def _is_random(sampled: pd.DataFrame, asked: bool | None, strata: Path | None) -> bool:
    said = sampled["stratum_said"]
    whole = bool(said.notna().all() and (said.astype(str).str.casefold() == defaults.ALL).all())
    if asked is None:
        asked = whole and strata is None
    if asked and strata is not None:
        raise BadInput("--random is for points drawn without strata, but --strata was given. Leave one out.")
    return asked


# Zones


@dataclass(frozen=True)
class Zones:
    """Polygons with their names; several of one name are one zone."""

    layer: gpd.GeoDataFrame
    names: tuple[str, ...]
    number: NDArray[np.int64]  # of each polygon, from 1
    field: str | None = None  # the column of the names; None where they are numbers

    def burnt(self, grid: Grid) -> NDArray[np.int32]:
        """Return the number of the zone of each cell (rows, columns) of a grid, 0 outside of all."""
        try:
            return polygons.burn(self.layer, grid, values=self.number.tolist())
        except OutsideGrid:  # not in these rows
            return np.zeros(grid.shape, np.int32)


def named_zones(path: Path | None, field: str | None) -> Zones | None:
    """Read polygons with their names, as --zones and --zone-field give them.

    Parameters
    ----------
    path : path or None
        None, if no zones are asked for.
    field : str or None
        The column with the names; else name, else the first of texts, else they are numbered.

    Returns
    -------
    Zones or None
        Mended, in their own CRS.

    Raises
    ------
    BadInput
        If there is no such column, or a name is missing or reserved.
    """
    if path is None:
        if field is not None:
            raise BadInput("--zone-field was given without --zones, the polygons. Give both.")
        return None
    layer = features.read(path, holding="polygons")
    columns = [str(name) for name in layer.columns if name != layer.geometry.name]
    if field is None:
        texts = [name for name in columns if pd.api.types.is_string_dtype(layer[name])]
        field = "name" if "name" in columns else texts[0] if texts else None
    elif field not in columns:
        raise BadInput(f"{path} has no column {field}; it has {', '.join(columns)}. Name one of them.")
    said = layer[field] if field is not None else pd.Series(np.arange(1, len(layer) + 1))
    if said.isna().any() or (said.astype(str).str.strip() == "").any():
        raise BadInput(
            f"{path} has zones without a name in {field}. Fill them in, or choose another --zone-field."
        )
    text = said.astype(str).str.strip()
    reserved = text[text.str.casefold().isin([defaults.ALL, defaults.OUTSIDE])]
    if len(reserved):
        raise BadInput(
            f'{path} has a zone called "{reserved.iloc[0]}", as the table calls the whole. Rename it.'
        )
    names = tuple(dict.fromkeys(text))
    layer = layer.set_geometry(polygons.mended(layer.geometry, "zones"))
    ranks = text.map({name: rank for rank, name in enumerate(names, 1)}).to_numpy()
    return Zones(layer, names, ranks, field)


# Cells


@dataclass(frozen=True)
class _Cells:
    """Areas of cells by zone (0 is outside of all), stratum and class, and what each point lies on.

    areas_ha   (zones + 1, strata, classes) where both are known
    beyond_ha  (zones + 1, 3) not observed, nodata, and observed in no stratum
    cells      (strata,)
    zone, stratum, map_class   (n,) of points; -1: in no stratum, or not observed; -2: nodata
    """

    areas_ha: NDArray[np.float64]
    beyond_ha: NDArray[np.float64]
    cells: NDArray[np.int64]
    zone: NDArray[np.int64]
    stratum: NDArray[np.int64]
    map_class: NDArray[np.int64]
    strata: tuple[str, ...]
    stratum_codes: tuple[int, ...]
    classes: tuple[str, ...]
    class_codes: tuple[int, ...]

    @property
    def unobserved_pct(self) -> float:
        """Share of the map (of the raster, if no class is called "not observed") that nobody saw."""
        unseen, nodata, _ = self.beyond_ha.sum(axis=0)
        seen = self.areas_ha.sum() + self.beyond_ha[:, _NO_STRATUM].sum()
        lost = unseen if unseen > 0 else nodata
        return float(100 * lost / (seen + lost)) if lost else 0.0


def _count(division: Division, places: Zones | None, sampled: pd.DataFrame, *, random: bool) -> _Cells:
    """Go over the map once: add up areas, and look what lies under the points."""
    land, grid = division.land, division.land.grid
    unseen = land.code_of(defaults.NOT_OBSERVED)
    class_codes = tuple(code for code in land.names if code != unseen)
    own = random or division.own
    stratum_codes = tuple(
        sorted(code for code in division.names if not own or (code in class_codes and land.cells.get(code)))
    )
    of_class, of_stratum = _positions(class_codes), _positions(stratum_codes)
    shape = (1 + (0 if places is None else len(places.names)), len(stratum_codes), len(class_codes))
    areas, beyond = np.zeros(shape), np.zeros((shape[0], 3))
    counted = np.zeros(shape[1], np.int64)
    under = {name: np.full(len(sampled), -1, np.int64) for name in ("zone", "stratum", "map_class")}
    at_row, at_column = sampled["row"].to_numpy(), sampled["column"].to_numpy()
    for row0, row1 in land.strips():
        codes, known = land.read(row0, row1)
        seen = observed(land, codes, known)
        mapped = np.where(seen, of_class[codes], -1)
        inside = _looked_up(of_stratum, division.read(row0, row1)) if not own else mapped
        if own:  # classes without cells are no strata
            inside = _looked_up(of_stratum, np.where(seen, codes, -1))
        zone = np.zeros(codes.shape, np.int32)
        if places is not None:
            zone = places.burnt(grid.window(row0, row1, 0, grid.shape[1]))
        size = np.nan_to_num(grid.cell_areas_of(row0, row1, 0, grid.shape[1])) / HA_M2
        both = seen & (inside >= 0)
        place = np.ravel_multi_index((zone[both], inside[both], mapped[both]), shape)
        areas += np.bincount(place, weights=size[both], minlength=areas.size).reshape(shape)
        counted += np.bincount(inside[both], minlength=len(counted))
        for kind, chosen in ((_UNSEEN, known & ~seen), (_NODATA, ~known), (_NO_STRATUM, seen & (inside < 0))):
            beyond[:, kind] += np.bincount(zone[chosen], weights=size[chosen], minlength=shape[0])
        here = np.flatnonzero((at_row >= row0) & (at_row < row1))
        cell = (at_row[here] - row0, at_column[here])
        under["zone"][here] = zone[cell]
        under["stratum"][here] = inside[cell]
        under["map_class"][here] = np.where(known[cell], mapped[cell], -2)
    if places is not None and not areas[1:].any() and not beyond[1:].any():
        raise OutsideGrid(
            f"None of the {len(places.names)} zones reaches {land.path.name}: {grid}; expected them to "
            "overlap. Check the CRSs of both."
        )
    return _Cells(
        areas, beyond, counted, under["zone"], under["stratum"], under["map_class"],
        tuple(division.names[code] for code in stratum_codes), stratum_codes,
        tuple(land.names[code] for code in class_codes), class_codes,
    )  # fmt: skip


def _positions(codes: Sequence[int]) -> NDArray[np.int64]:
    table = np.full(classes.LARGEST_CODE + 2, -1, np.int64)
    table[list(codes)] = np.arange(len(codes))
    return table


def _looked_up(table: NDArray[np.int64], codes: NDArray[np.int32]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.where(codes >= 0, table[np.maximum(codes, 0)], -1)
    return found


def _on_the_map(cells: _Cells, sampled: pd.DataFrame, name: str, strata: Path | None) -> pd.DataFrame:
    """Put the points that can be used beside what they lie on."""
    table = sampled.assign(zone=cells.zone, stratum=cells.stratum, map_class=cells.map_class)
    for code, found in ((-2, "is nodata"), (-1, "was not observed")):
        count = int((table["map_class"] == code).sum())
        if count and strata is None:
            raise BadInput(
                f"{count} of {len(table)} points lie where {name} {found}; points of its classes were "
                "expected. Was the sample drawn from another map? Then name its strata: --strata."
            )
    outside = (table["stratum"] < 0) & (table["map_class"] >= 0)
    if outside.any():
        raise BadInput(
            f"{outside.sum()} of {len(table)} points lie in no stratum of {strata.name if strata else name}; "
            "expected the strata in which they were drawn. Choose that raster."
        )
    unseen = table["map_class"] < 0
    if unseen.any():
        log.warning(
            "%d of %d points lie where %s was not observed; they are left out, as that land is.",
            unseen.sum(), len(table), name,
        )  # fmt: skip
    return table[~unseen]


def _matched(
    division: Division, cells: _Cells, sampled: pd.DataFrame, places: Zones | None, strata: Path | None, *,
    random: bool,
) -> tuple[Census, pd.DataFrame]:  # fmt: skip
    """Leave out what cannot be used, say so, and put points and areas side by side."""
    name = division.land.path.name
    table = _on_the_map(cells, sampled, name, strata)
    if not random:
        _check_strata(table, cells, name)
    position = _positions(cells.class_codes)
    for column in (REFERENCE, REFERENCE_2):
        table[column] = _looked_up(position, table[column].to_numpy().astype(np.int32))
    without = table[REFERENCE] < 0
    if without.any():
        log.warning(
            "%d of %d points have no class in reference and are left out: what could not be told may differ "
            "from what could.",
            without.sum(), len(table),
        )  # fmt: skip
    if without.all():
        raise BadInput("None of the points has a class in reference; label them first, for instance in QGIS.")
    lost_ha = cells.beyond_ha[:, _NO_STRATUM].sum()
    if lost_ha > 0:
        log.warning("%.6g ha of the map lie in no stratum; nothing is said of them.", lost_ha)
    table = table[~without]
    held = np.flatnonzero(cells.cells)
    table["stratum"] = np.searchsorted(held, table["stratum"])
    # the land outside all zones comes last; where nothing was observed, nothing can be estimated
    called = [(defaults.ALL, 0)]
    if places is not None:
        called = [*((each, rank) for rank, each in enumerate(places.names, 1)), (defaults.OUTSIDE, 0)]
    called = [(each, rank) for each, rank in called if cells.areas_ha[rank].sum() > 0]
    shown = [rank for _, rank in called]
    table["zone"] = _positions(shown)[table["zone"]]
    _warn_of_cut_zones(places, cells)
    census = Census(
        zones=tuple(each for each, _ in called),
        strata=tuple(cells.strata[which] for which in held),
        classes=cells.classes,
        areas_ha=cells.areas_ha[shown][:, held],
        cells=cells.cells[held],
        correct_finite=strata is not None,
        random=random,
    )
    return census, table


def _check_strata(table: pd.DataFrame, cells: _Cells, name: str) -> None:
    """Refuse points that say they were drawn in other strata than they lie in."""
    said = table["stratum_said"]
    if said.isna().all():
        return
    meant = said.astype(str).str.strip().str.casefold()
    names = np.array([each.casefold() for each in cells.strata])[table["stratum"]]
    codes = np.array([str(code) for code in cells.stratum_codes])[table["stratum"]]
    other = said.notna() & (meant != names) & (meant.str.removesuffix(".0") != codes)
    if other.any():
        first = int(np.flatnonzero(other)[0])
        raise BadInput(
            f'{other.sum()} of {len(table)} points say another stratum than they lie in, the first "'
            f'{said.iloc[first]}" in "{cells.strata[table["stratum"].iloc[first]]}" of {name}. Name the '
            "raster of the strata they were drawn in (--strata, beside the points as NAME_strata.tif)."
        )


def _warn_of_cut_zones(places: Zones | None, cells: _Cells) -> None:
    if places is None:
        return
    drawn = polygon_areas_m2(places.layer.geometry) / HA_M2
    whole = np.bincount(places.number, weights=drawn, minlength=len(places.names) + 1)[1:]
    held = (cells.areas_ha.sum(axis=(1, 2)) + cells.beyond_ha.sum(axis=1))[1:]
    cut = held < whole * (1 - CUT_SHARE)
    if cut.any():
        named = assessment.listed([name for name, out in zip(places.names, cut, strict=True) if out])
        log.warning(
            "%d of %d zones reach beyond the map, or others lie over them (%s); only their cells on it "
            "count.",
            cut.sum(), len(cut), named,
        )  # fmt: skip


# Estimates


@dataclass
class _Answer:
    areas: pd.DataFrame
    accuracies: pd.DataFrame
    matrix: pd.DataFrame
    changes: pd.DataFrame | None
    years: list[str]


def _estimate(census: Census, table: pd.DataFrame, year_of_map: int | None) -> _Answer:
    years = sorted(table["year"].unique().tolist())
    if len(years) > 1 and year_of_map not in years:
        log.warning(
            "The map is of none of the years %s, as far as is known; its areas and accuracies are left out. "
            "--map-year names its year.",
            ", ".join(map(str, years)),
        )
    answers = []
    for year in years:
        part = table[table["year"] == year]
        written = str(year) if year >= 0 else str(year_of_map or "")
        answers.append(
            assess(census, _points(part), year=written, of_map=len(years) == 1 or year == year_of_map)
        )
    joined = [
        pd.concat([getattr(answer, name) for answer in answers], ignore_index=True)
        for name in ("areas", "accuracies", "matrix")
    ]
    found = _changes(census, table, years, [answer.areas for answer in answers])
    return _Answer(joined[0], joined[1], joined[2], found, [str(year) for year in years])


def _points(part: pd.DataFrame) -> Points:
    return Points(
        *(part[name].to_numpy().astype(np.int64) for name in ("zone", "stratum", "map_class", REFERENCE))
    )


def _changes(
    census: Census, table: pd.DataFrame, years: list[int], areas: list[pd.DataFrame]
) -> pd.DataFrame | None:
    """Compare each year with the next, and the first with the last."""
    pairs = list(pairwise(range(len(years))))
    if len(years) > 2:
        pairs.append((0, len(years) - 1))
    parts = []
    for first, last in pairs:
        one, other = (table[table["year"] == years[each]] for each in (first, last))
        both = one.merge(
            other, on=["row", "column", "zone", "stratum", "map_class"], suffixes=("_before", "")
        )
        if both.empty:
            log.warning(
                "The points of %d and %d are not the same ones: their change is that of two independent "
                "samples, which needs three times the points of a panel.",
                years[first], years[last],
            )  # fmt: skip
            parts.append(assessment.independent_changes(areas[first], areas[last]))
            continue
        if len(both) < max(len(one), len(other)):
            log.warning(
                "%d points were labelled in both %d and %d; the change rests on them, %d others are left "
                "out.",
                len(both), years[first], years[last], len(one) + len(other) - 2 * len(both),
            )  # fmt: skip
        before = both[f"{REFERENCE}_before"].to_numpy().astype(np.int64)
        named = (str(years[first]), str(years[last]))
        parts.append(changes(census, _points(both), before=before, years=named))
    return pd.concat(parts, ignore_index=True) if parts else None


def _agreements(table: pd.DataFrame, census: Census) -> list[tuple[str, Agreement]]:
    """Compare the interpreters in each year in which there are two."""
    both = table[table[REFERENCE_2] >= 0]
    found = []
    for year, part in both.groupby("year"):
        one, two = (part[name].to_numpy().astype(np.int64) for name in (REFERENCE, REFERENCE_2))
        found.append((_written(int(str(year))), agreement(one, two, len(census.classes))))
    return found


def _agreement_rows(one: tuple[str, Agreement]) -> pd.DataFrame:
    nothing = float("nan")
    year, agreed = one
    rows = [
        (year, defaults.ALL, defaults.ALL, f"interpreters, {name}", *values, nothing, nothing, agreed.points)
        for name, values in (("agreement", agreed.share), ("kappa", agreed.kappa))
    ]
    return pd.DataFrame(rows, columns=list(assessment.ACCURACY_COLUMNS))


def _written(year: int) -> str:
    return str(year) if year >= 0 else ""


def _estimator(strata: Path | None, *, random: bool) -> str:
    if random:
        return "post-stratified: Cochran (1977), eq. 5A.42"
    if strata is not None:
        return "strata other than the classes: Stehman (2014), doi:10.1080/01431161.2014.930207"
    return "stratified: Olofsson et al. (2014), doi:10.1016/j.rse.2014.02.015"


# What is told


def _zone_table(cells: _Cells, places: Zones | None) -> pd.DataFrame:
    """List what of each zone was observed: classes and what was not add up to its cells' true area."""
    seen = cells.areas_ha.sum(axis=(1, 2))
    order = [*range(1, len(seen)), 0] if places is not None else []
    names = [] if places is None else [*places.names, defaults.OUTSIDE]
    rows = []
    for name, which in [(defaults.ALL, None), *zip(names, order, strict=True)]:
        chosen = slice(None) if which is None else slice(which, which + 1)
        inside = float(seen[chosen].sum())
        unseen, nodata, none = (float(part) for part in cells.beyond_ha[chosen].sum(axis=0))
        whole = inside + unseen + nodata + none
        if whole > 0:
            share = 100 * (unseen + nodata) / whole
            if which in (None, 0):  # nodata around a map is no land that was asked for
                share = cells.unobserved_pct if which is None else share
            rows.append((name, whole, inside + none, unseen, nodata, none, share))
    return pd.DataFrame(rows, columns=list(ZONE_TABLE_COLUMNS))


def _statements(answer: _Answer, cells: _Cells) -> list[wording.Statement]:
    """Choose what is said: changes where there are any, else areas; what the map was made for first."""
    if answer.changes is not None:
        table = answer.changes
        table = table[(table["zone"] == defaults.ALL) & (table["measure"] == assessment.NET)]
        first, last = answer.years[0], answer.years[-1]
        table = table[(table["from_year"] == first) & (table["to_year"] == last)]
    else:
        table = answer.areas[answer.areas["zone"] == defaults.ALL]
    # what the map was made for comes first, then the largest
    named = [name for names in reversed(defaults.BUFFERED) for name in names]
    rank = table["class"].map(lambda name: named.index(name.lower()) if name.lower() in named else len(named))
    table = table.iloc[np.lexsort((-table["area_ha"].abs(), rank))]
    return [
        wording.Statement(
            str(row["class"]), row["area_ha"], row["ci_low_ha"], row["ci_high_ha"], cells.unobserved_pct,
            year=str(row["to_year"] if answer.changes is not None else row["year"]),
            since=str(row["from_year"]) if answer.changes is not None else "",
        )
        for row in table.to_dict("records")[:SENTENCES]
    ]  # fmt: skip


def _numbers(answer: _Answer, cells: _Cells, agreed: list[tuple[str, Agreement]]) -> dict[str, float]:
    unseen, nodata, _ = (float(part) for part in cells.beyond_ha.sum(axis=0))
    found = {"unobserved_pct": cells.unobserved_pct, "not_observed_ha": unseen, "nodata_ha": nodata}
    several = len(answer.years) > 1
    for row in answer.areas[answer.areas["zone"] == defaults.ALL].to_dict("records"):
        name = f"{row['class']} {row['year']}" if several else row["class"]
        found |= {
            f"{name}, ha": row["area_ha"],
            f"{name}, low ha": row["ci_low_ha"],
            f"{name}, high ha": row["ci_high_ha"],
        }
    overall = answer.accuracies[
        (answer.accuracies["measure"] == "overall") & (answer.accuracies["zone"] == defaults.ALL)
    ]
    if len(overall):
        found["overall_accuracy"] = float(overall["value"].iloc[-1])
    if agreed:
        found["interpreters_agree_pct"] = 100 * agreed[-1][1].share[0]
    return found
