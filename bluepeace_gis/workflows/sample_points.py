"""`bluepeace sample-points`: from a class map to the points an interpreter shall look at."""

import logging
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from bluepeace_gis.analyses.areas import Stratum, allocate, defaults, design, draw, sample_size
from bluepeace_gis.archive import classes, features, rasters
from bluepeace_gis.archive.classes import ClassMap
from bluepeace_gis.errors import BadInput, GridMismatch
from bluepeace_gis.geo.crs import geographic
from bluepeace_gis.kernels import nearness
from bluepeace_gis.maps import area_picture, forms, styles
from bluepeace_gis.workflows.publishing import (
    Record,
    publishing,
    require_ending,
    require_number,
    require_places,
)
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LAYER: Final = "points"
STYLE: Final = "sample_points"
HA_M2: Final = 10_000.0
LINEAGE: Final = (
    "Stratified probability sample of the cells of a map: allocated by Neyman's rule with a floor, drawn in "
    "each stratum without repetition, every place of it equally likely (a cell's chance is proportional to "
    "its area on the ellipsoid), by permanent random numbers."
)
NOT_KNOWN: Final = -1
# Shares of the work, for the bar.
READ, MEASURED, DRAWN = 0.2, 0.5, 0.8
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def sample_points(
    map_: Path,
    *,
    out: Path,
    points: int | None = None,
    strata: Path | None = None,
    buffer_m: float | None = None,
    buffer_of: str | None = None,
    seed: int = 1,
    floor: int = defaults.FLOOR_POINTS,
    standard_error: float = defaults.TARGET_STANDARD_ERROR,
    expected: str | None = None,
    years: str | None = None,
    random: bool = False,
    band: int = 1,
) -> Result:
    """Draw points of a class map at random, to be labelled for `bluepeace area`.

    Parameters
    ----------
    map_
        A raster of classes, whose category names name them. Where it is nodata or its class is called
        "not observed", no point is drawn.
    out
        The GeoPackage to write: layer points with a form for labelling in QGIS, table strata. Beside it come
        a picture, the style, the STAC item and, with --buffer-m, NAME_strata.tif for `bluepeace area`.
    points
        How many; without it, as many as --standard-error needs.
    strata
        A raster of strata on the grid of the map; without it, its classes are the strata.
    buffer_m
        Land within so many metres of the class --buffer-of becomes a stratum of its own, for there the map is
        likely to have missed it.
    buffer_of
        The classes, separated by commas; gained and lost, or irrigated, or else the rarest.
    seed
        Another number gives another sample; the same one the same.
    floor
        Points in a stratum, however small it is.
    standard_error
        That of the overall accuracy which the formula for the number of points aims at.
    expected
        User's accuracies that are expected: "irrigated=0.8,not irrigated=0.95"; 0.9 where none is given.
    years
        Years, separated by commas, in which every point is to be labelled: a permanent panel, by which change
        is estimated best.
    random
        Draw from the whole map without strata; `bluepeace area` then takes the classes for post-strata.
    band
        Of the map, from 1.

    Returns
    -------
    Result
        ``out``, ``picture`` and, with a buffer, ``strata``; how many points were drawn and how many the
        formula suggests.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    require_ending(out, ".gpkg", "GeoPackage")
    inputs = {"map": map_} | ({} if strata is None else {"strata": strata})
    outputs = {"out": out, "picture": out.with_suffix(".png")}
    if buffer_m is not None:
        outputs["strata"] = out.with_name(f"{out.stem}_strata.tif")
    _check_options(points, buffer_m, buffer_of, seed, floor, standard_error, strata, random=random)
    require_places({"out": out}, inputs)
    wanted_years = _years(years)
    log.info("reading", extra={"done": 0.0})
    land = classes.open_map(map_, band)
    division = divide(land, strata, buffer_m, buffer_of, random=random)
    log.info("measuring", extra={"done": READ})
    found = _measure(division, _expected(expected, land, division))
    suggested = _suggested(found, standard_error)
    asked = points if points is not None else max(suggested, floor * len(found))
    shared = allocate(found, asked, floor=floor)
    _tell(found, shared, asked, floor)
    log.info("drawing", extra={"done": MEASURED})
    drawn = draw(_strips(division, found), found, shared, seed)
    layer = _layer(land, found, shared, drawn, wanted_years or _year_of(map_))
    table = pd.DataFrame(
        {
            "stratum": [each.name for each in found],
            "code": [each.code for each in found],
            "area_ha": [each.area_ha for each in found],
            "cells": [each.cells for each in found],
            "points": shared,
            "expected_accuracy": [each.expected_accuracy for each in found],
        }
    )
    record = Record(
        title=f"Sample of {map_.stem}",
        lineage=LINEAGE,
        footprint=land.grid.footprint(),
        crs=land.grid.crs,
        inputs=inputs,
        parameters={
            "points": points, "buffer_m": buffer_m, "buffer_of": buffer_of, "seed": seed, "floor": floor,
            "standard_error": standard_error, "expected": expected, "years": years, "random": random,
            "band": band, "out": out,
        },
        method={
            "suggested_points": suggested,
            "allocation": "Neyman, Olofsson et al. (2014), doi:10.1016/j.rse.2014.02.015",
            "drawing": "Pareto sampling, Rosén (1997), doi:10.1016/S0378-3758(96)00186-3",
            "strata": {each.name: {"area_ha": each.area_ha, "points": count}
                       for each, count in zip(found, shared, strict=True)},
        },
    )  # fmt: skip
    with publishing(out, record) as work:
        log.info("writing", extra={"done": DRAWN})
        features.write({LAYER: layer, "strata": table}, work / out.name, geometry_types={LAYER: "Point"})
        form = _form(land)
        features.add_styles(work / out.name, {LAYER: form})
        (work / out.with_suffix(".qml").name).write_text(form, encoding="utf-8", newline="\n")
        if buffer_m is not None:
            _write_strata(division, work / outputs["strata"].name)
        values, coarse = rasters.preview(map_, area_picture.MAP_CELLS)
        area_picture.points_picture(
            work / outputs["picture"].name,
            area_picture.Background(coarse, values[band - 1], tuple(land.names.items())),
            layer[~layer.duplicated("point_id")],
            table,
            title=record.title,
        )
    log.info("done", extra={"done": 1.0})
    numbers = {"points": float(sum(shared)), "suggested_points": float(suggested)}
    numbers |= {f"{each.name}, points": float(count) for each, count in zip(found, shared, strict=True)}
    return Result(outputs, numbers, _in_words(outputs, wanted_years))


# What the options mean


def _check_options(
    points: int | None, buffer_m: float | None, buffer_of: str | None, seed: int, floor: int,
    standard_error: float, strata: Path | None, *, random: bool,
) -> None:  # fmt: skip
    require_number("points", points, above=0)
    require_number("buffer-m", buffer_m, above=0)
    require_number("floor", floor, above=0)
    require_number("standard-error", standard_error, above=0)
    require_number("seed", seed)
    if buffer_of is not None and buffer_m is None:
        raise BadInput(
            "--buffer-of was given without --buffer-m, the width of the buffer in metres. Give both."
        )
    if random and (strata is not None or buffer_m is not None):
        raise BadInput("--random draws without strata, but --strata or --buffer-m was given. Leave one out.")


def _years(text: str | None) -> list[int]:
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{4}", part) for part in parts) or len(set(parts)) < len(parts):
        raise BadInput(
            f'--years is "{text}"; expected years separated by commas, each once, such as 2015,2024.'
        )
    return sorted(int(part) for part in parts)


def _year_of(path: Path) -> list[int]:
    """Take the year from the name of a map, if there is one in it."""
    found = year_in(path)
    return [NOT_KNOWN if found is None else found]


def year_in(path: Path) -> int | None:
    """Find the year in the name of a map, such as irrigation_2024.tif; None if there is none, or several."""
    found = set(_YEAR.findall(path.stem))
    return int(found.pop()) if len(found) == 1 else None


def _expected(text: str | None, land: ClassMap, division: "Division") -> dict[int, float]:
    """Read NAME=SHARE pairs; returns the expected accuracy of strata by their code."""
    found: dict[int, float] = {}
    for part in [] if text is None else text.split(","):
        name, _, share = part.rpartition("=")
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if not name or not 0 <= value <= 1:
            raise BadInput(f'--expected has "{part}"; expected NAME=SHARE with a share from 0 to 1.')
        code = next((c for c, n in division.names.items() if n.casefold() == name.strip().casefold()), None)
        if code is None and division.own:
            code = land.code_of(name)
        if code is None:
            raise BadInput(
                f'--expected names "{name.strip()}", which is no stratum. Name one of: '
                f"{', '.join(division.names.values())}."
            )
        found[code] = value
    return found


# How the map is divided


@dataclass(frozen=True)
class Division:
    """The strata of a map.

    Parameters
    ----------
    land : ClassMap
        The map; only where it was observed points may fall.
    names : {code: name}
        Of the strata.
    strata : ClassMap, optional
        The raster of strata, if they are not the classes of the map.
    buffer_m : float, optional
        Width of the buffer around ``buffered``, m.
    buffered : set of int
        Codes of the map.
    buffer_code : int
        Of the buffer among the strata.
    whole : bool
        Whether there are no strata.
    """

    land: ClassMap
    names: dict[int, str]
    strata: ClassMap | None = None
    buffer_m: float | None = None
    buffered: frozenset[int] = frozenset()
    buffer_code: int = -1
    whole: bool = False

    @property
    def own(self) -> bool:
        """Whether the classes of the map are the strata, with a buffer or without."""
        return self.strata is None

    def read(self, row0: int, row1: int) -> NDArray[np.int32]:
        """Return codes of the strata of rows, (rows, columns), -1 where no point may fall."""
        codes, known = self.land.read(row0, row1)
        known = observed(self.land, codes, known)
        if self.whole:
            return np.where(known, 0, -1).astype(np.int32)
        found = codes
        if self.strata is not None:
            found, inside = self.strata.read(row0, row1)
            known = known & inside
        found = np.where(known, found, -1).astype(np.int32)
        if self.buffer_m is None:
            return found
        near = self._near(row0, row1) & (found >= 0) & ~np.isin(codes, list(self.buffered))
        return np.where(near, self.buffer_code, found).astype(np.int32)

    def _near(self, row0: int, row1: int) -> NDArray[np.bool_]:
        """Find the cells near the classes of the buffer, also near those of rows above and below."""
        along_m, across_m = self.land.grid.cell_steps_m
        reach = math.ceil(float(self.buffer_m or 0) / float(across_m.min())) + 1
        top, bottom = max(0, row0 - reach), min(self.land.grid.shape[0], row1 + reach)
        codes, known = self.land.read(top, bottom)
        marked = known & np.isin(codes, list(self.buffered))
        near = nearness.within(marked, along_m[top:bottom], across_m[top:bottom], float(self.buffer_m or 0))
        inside: NDArray[np.bool_] = near[row0 - top : row1 - top]
        return inside


def observed(land: ClassMap, codes: NDArray[np.int32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which cells of some rows the map was observed in; returns (rows, columns)."""
    unseen = land.code_of(defaults.NOT_OBSERVED)
    return known if unseen is None else known & (codes != unseen)


def divide(
    land: ClassMap,
    strata: Path | None,
    buffer_m: float | None = None,
    buffer_of: str | None = None,
    *,
    random: bool = False,
) -> Division:
    """Say what the strata of a map are.

    Parameters
    ----------
    land : ClassMap
    strata : path, optional
        A raster on the grid of the map.
    buffer_m, buffer_of, random
        As the options of the command.

    Returns
    -------
    Division

    Raises
    ------
    GridMismatch
        If the strata lie on another grid.
    BadInput
        If the buffer's class is none.
    """
    if random:
        return Division(land, {0: defaults.ALL}, whole=True)
    raster = None
    if strata is not None:
        raster = classes.open_map(strata)
        differences = raster.grid.differences(land.grid)
        if differences:
            raise GridMismatch(
                f"--strata {strata.name} lies on another grid than {land.path.name}: {raster.grid} against "
                f"{land.grid}; they differ in {' and '.join(differences)}. Put it on that grid first, with "
                "gdalwarp -r near -te ... -ts ... or Align rasters in QGIS."
            )
    held = land if raster is None else raster
    names = {code: name for code, name in held.names.items() if held.cells.get(code)}
    if buffer_m is None:
        return Division(land, names, raster)
    buffered = _buffered(land, buffer_of)
    code = max(held.names) + 1
    title = f"{defaults.BUFFER} {', '.join(land.names[each] for each in sorted(buffered))}"
    return Division(land, names | {code: title}, raster, buffer_m, buffered, code)


def _buffered(land: ClassMap, buffer_of: str | None) -> frozenset[int]:
    unseen = land.code_of(defaults.NOT_OBSERVED)
    cells = {code: count for code, count in land.cells.items() if code != unseen}
    if buffer_of is not None:
        found = {name.strip(): land.code_of(name.strip()) for name in buffer_of.split(",")}
        wrong = [name for name, code in found.items() if code not in cells]
        if wrong:
            raise BadInput(
                f'--buffer-of names "{wrong[0]}", of which {land.path.name} has no cell. Name one of: '
                f"{', '.join(land.names[code] for code in cells)}."
            )
        return frozenset(code for code in found.values() if code is not None)
    for names in defaults.BUFFERED:
        codes = frozenset(code for code in map(land.code_of, names) if code in cells and code is not None)
        if codes:
            return codes
    rarest = min(cells, key=lambda code: (cells[code], code))
    log.warning(
        'The buffer is laid around "%s", the rarest class; --buffer-of names another.', land.names[rarest]
    )
    return frozenset({rarest})


def _measure(division: Division, expected: dict[int, float]) -> list[Stratum]:
    """Add up the true areas of the strata."""
    grid = division.land.grid
    codes = sorted(division.names)
    areas, cells = np.zeros(max(codes) + 2), np.zeros(max(codes) + 2, np.int64)
    for row0, row1 in division.land.strips():
        found = division.read(row0, row1).ravel() + 1  # no stratum is 0
        size = grid.cell_areas_of(row0, row1, 0, grid.shape[1]).ravel()
        areas += np.bincount(found, weights=np.nan_to_num(size), minlength=len(areas))
        cells += np.bincount(found, minlength=len(cells))
    strata = [
        Stratum(
            code, division.names[code], float(areas[code + 1]) / HA_M2, int(cells[code + 1]),
            expected.get(code, defaults.EXPECTED_ACCURACY),
        )
        for code in codes
        if cells[code + 1]
    ]  # fmt: skip
    if not strata:
        raise BadInput(
            f"{division.land.path.name} has no observed cell in any stratum: nothing can be sampled. Check "
            "the map and --strata."
        )
    return strata


def _strips(division: Division, strata: list[Stratum]) -> Iterator[design.Strip]:
    grid = division.land.grid
    position = np.full(max(division.names) + 2, -1, np.int16)
    position[[stratum.code + 1 for stratum in strata]] = np.arange(len(strata))
    for row0, row1 in division.land.strips():
        area_ha = np.nan_to_num(grid.cell_areas_of(row0, row1, 0, grid.shape[1])) / HA_M2
        yield design.Strip(row0, position[division.read(row0, row1) + 1], area_ha)


def _suggested(strata: list[Stratum], standard_error: float) -> int:
    whole = sum(each.area_ha for each in strata)
    weights = [each.area_ha / whole for each in strata]
    return math.ceil(sample_size(weights, [each.expected_accuracy for each in strata], standard_error) - 1e-9)


def _tell(strata: list[Stratum], shared: list[int], asked: int, floor: int) -> None:
    if sum(shared) < asked:
        log.warning(
            "The map has %d cells to be sampled, fewer than the %d points asked for.", sum(shared), asked
        )
    poor = [each.name for each, count in zip(strata, shared, strict=True) if count < min(floor, each.cells)]
    if poor:
        log.warning(
            "%d points do not suffice for %d in each of %d strata; fewer are in: %s.",
            asked, floor, len(strata), ", ".join(poor),
        )  # fmt: skip


# What is written


def _layer(
    land: ClassMap, strata: list[Stratum], shared: list[int], drawn: design.Drawn, years: list[int]
) -> gpd.GeoDataFrame:
    x, y = land.grid.centres(drawn.row, drawn.column)
    lon, lat = Transformer.from_crs(land.grid.crs, geographic(land.grid.crs), always_xy=True).transform(x, y)
    count = len(drawn.row)
    weight = np.array([each.area_ha / max(n, 1) for each, n in zip(strata, shared, strict=True)])
    one = gpd.GeoDataFrame(
        {
            "point_id": np.arange(1, count + 1),
            "stratum": np.array([each.name for each in strata], dtype=object)[drawn.stratum],
            "year": pd.array([pd.NA] * count, dtype="Int32"),
            "reference": pd.Series([None] * count, dtype=object),
            "reference_2": pd.Series([None] * count, dtype=object),
            "note": pd.Series([None] * count, dtype=object),
            "weight_ha": weight[drawn.stratum],
            "lon": lon,
            "lat": lat,
        },
        geometry=gpd.points_from_xy(x, y),
        crs=land.grid.crs,
    )
    parts = []
    for year in years:
        part = one.copy()
        if year != NOT_KNOWN:
            part["year"] = pd.array([year] * count, dtype="Int32")
        parts.append(part)
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=one.crs)


def _form(land: ClassMap) -> str:
    named = [name for name in land.names.values() if name.casefold() != defaults.NOT_OBSERVED]
    choice = [*((name, name) for name in named), ("cannot be told", defaults.NOT_OBSERVED)]
    return forms.with_form(
        styles.qml(STYLE),
        choices={"reference": choice, "reference_2": choice},
        texts=("note",),
        read_only=("point_id", "year", "lon", "lat"),
        # who knows the stratum knows what the map says, and is drawn towards it
        hidden=("fid", "stratum", "weight_ha"),
        titles={
            "point_id": "Point",
            "year": "Year",
            "reference": "Class (first interpreter)",
            "reference_2": "Class (second interpreter)",
            "note": "Note",
            "lon": "Longitude",
            "lat": "Latitude",
        },
    )


def _write_strata(division: Division, path: Path) -> None:
    grid = division.land.grid
    nodata = division.buffer_code + 1
    values = np.full(grid.shape, nodata, np.uint8 if nodata <= 255 else np.uint16)
    for row0, row1 in division.land.strips():
        codes = division.read(row0, row1)
        values[row0:row1] = np.where(codes < 0, nodata, codes)
    categories = division.names if nodata <= 255 else None
    rasters.write(grid.raster(values), path, nodata=nodata, categories=categories, description="stratum")


def _in_words(outputs: dict[str, Path], years: list[int]) -> tuple[str, ...]:
    own = f" --strata {outputs['strata'].name}" if "strata" in outputs else ""
    opened = outputs["out"].name
    said = [
        (
            f"Open {opened} in QGIS and label the column reference in the order of point_id; then run "
            f"`bluepeace area MAP {opened}{own} --out area.csv`."
        )
    ]
    if len(years) > 1:
        said.append(
            f"Each point is there {len(years)} times, to be labelled for {', '.join(map(str, years))}."
        )
    return tuple(said)
