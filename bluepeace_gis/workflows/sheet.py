"""`bluepeace sheet`: from a product to a sheet of paper that both sides of a table can read."""

import datetime as dt
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
import xarray as xr

import bluepeace_gis
from bluepeace_gis.analyses.glaciers import inventory
from bluepeace_gis.archive import features, layers, provenance
from bluepeace_gis.archive import rasters as raster_files
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import horizontal
from bluepeace_gis.maps import boundaries as boundary_lines
from bluepeace_gis.maps.sheet import FORMATS, Facts, Subject, draw_sheet
from bluepeace_gis.maps.sheet_basins import BasinsSubject
from bluepeace_gis.maps.sheet_glaciers import GlacierChangeSubject, GlaciersSubject, Sum
from bluepeace_gis.maps.sheet_irrigation import LandSubject
from bluepeace_gis.maps.texts import Texts, texts_in
from bluepeace_gis.workflows.publishing import Record, publishing, require_places
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "Drawn from the product and its record: the numbers of the sheet are those of the product, rounded for "
    "print; boundaries as in the layer given, by their status."
)
# Which layers tell what a GeoPackage of ours holds.
BASINS: Final = {"basins", "streams", "outlets", "crossings", "border_reaches", "shares"}
GLACIERS: Final = {"glaciers", "debris", "unseen", "uncertainties", "zone_bands"}
GLACIER_CHANGE: Final = {"change", "before", "after", "totals"}
LAND_CHANGE: Final = {"zones", "groups"}
CHANGE_MAP: Final = "change.tif"
ZONES_TABLE: Final = "zones.csv"
_YEAR_MAP: Final = re.compile(r"irrigation_(\d{4})\.tif")
MAP_CELLS: Final = 4000  # along the longer side, read from a raster: A3 prints no more
OUTSIDE: Final = 255
READ, DRAWN = 0.3, 0.9


def sheet(
    product: Path,
    *,
    out: Path,
    borders: Path,
    status_field: str,
    source: str,
    body: str,
    language: str = "en",
    page: Literal["A4", "A3"] = "A4",
    orientation: Literal["landscape", "portrait"] | None = None,
    title: str | None = None,
    date: str | None = None,
    countries: Path | None = None,
    country_field: str | None = None,
    dem: Path | None = None,
    projection: str | None = None,
) -> Result:
    """Draw a product as a sheet to print: legend, numbers, boundaries by their status, sources, disclaimer.

    Parameters
    ----------
    product
        What a command made: basins.gpkg, glaciers.gpkg, change.gpkg of glacier-change, irrigation_YEAR.tif,
        or the folder of irrigation or irrigation-change.
    out
        The sheet to write: .pdf, .png or .svg. Beside it comes the STAC item.
    borders
        Lines of the boundaries, one set for all countries.
    status_field
        Their column with the status of each line: agreed, unverified or disputed (or the words of Natural
        Earth's featurecla).
    source
        Where the data come from, as it shall be printed; in two languages parted by a bar: Данные | Data.
    body
        Whose endorsement the sheet does not imply; in two languages parted by a bar.
    language
        One or two of en, ru, kk, ky, tg, tk, uz: ru,en. The first one leads.
    page
        A4 or A3.
    orientation
        landscape or portrait; without it the one that shows more detail.
    title
        In place of the title of its kind; in two languages parted by a bar.
    date
        Of the data, where the record of the product does not tell it, such as the year of the elevations.
    countries
        Polygons whose names are written into the map.
    country_field
        Their column with the names.
    dem
        Elevations in metres, shaded below the map.
    projection
        A code such as EPSG:32642, in metres; without it the azimuthal equal-area projection of Lambert for
        the place.

    Returns
    -------
    Result
        ``out``; the denominator of its scale.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    asked = {name: value for name, value in locals().items() if name not in ("product", "borders")}
    texts = _check(out, source, body, language, page, orientation, countries, country_field)
    named = {"product": product, "borders": borders, "countries": countries, "dem": dem}
    inputs = {name: path for name, path in named.items() if path is not None}
    require_places({"out": out}, inputs)
    crs = _projection(projection)
    log.info("reading", extra={"done": 0.0})
    lines, others = boundary_lines.with_status(
        features.read(borders, holding="lines"), status_field, str(borders)
    )
    land = None if countries is None else features.read(countries, holding="polygons")
    if land is not None:
        _require_column(land, str(country_field), countries)
    shown = _open(product, texts, None if dem is None else raster_files.read(dem))
    facts = Facts(
        title=shown.title if title is None else _in_each("title", title, texts),
        subtitle=shown.subtitle if date is None else texts.each("data_of", date=date),
        source=_in_each("source", source, texts),
        body=_in_each("body", body, texts),
        produced=_today(),
        version=bluepeace_gis.__version__,
        product=shown.name,
        boundary_file=features.file_and_layer(borders)[0].name,
        status_field=status_field,
        not_boundaries=others,
    )
    log.info("drawing", extra={"done": READ})
    record = Record(
        title=" / ".join(facts.title),
        lineage=LINEAGE,
        footprint=shapely.box(*shown.subject.focus().total_bounds),
        crs=shown.subject.focus().crs,
        inputs=inputs,
        parameters=asked,
        method={"kind": shown.kind, "boundary_words": boundary_lines.WORDS},
    )
    with publishing(out, record) as work:
        drawn = draw_sheet(
            work / out.name,
            shown.subject,
            facts,
            texts=texts,
            boundaries=lines,
            countries=land,
            country_field=country_field or "",
            page=page,
            orientation=orientation,
            crs=crs,
        )
    if not drawn.statuses:
        log.warning(
            "No line of %s runs through the map: check that the boundaries are of this place.", borders
        )
    if drawn.left_out:
        log.warning(
            "The map has no room for %d names: %s. A larger --page has more.",
            len(drawn.left_out),
            ", ".join(drawn.left_out),
        )
    log.info("done", extra={"done": 1.0})
    return Result({"out": out}, {"scale_denominator": drawn.scale}, ())


# What was asked


def _check(
    out: Path,
    source: str,
    body: str,
    language: str,
    page: str,
    orientation: str | None,
    countries: Path | None,
    country_field: str | None,
) -> Texts:
    if out.suffix.lower() not in FORMATS:
        raise BadInput(
            f"--out is {out.name}; expected the name of a sheet, such as {out.stem}.pdf, {out.stem}.png or "
            f"{out.stem}.svg."
        )
    for option, text, why in (
        ("source", source, "where the data come from, such as 'SRTM 2000, own analysis'"),
        ("body", body, "the name of the body whose endorsement the sheet does not imply"),
    ):
        if not text.strip():
            raise BadInput(f"--{option} is empty; a sheet must say {why}. Write it.")
    if page not in ("A4", "A3") or orientation not in (None, "landscape", "portrait"):
        raise BadInput(
            f"--page {page} --orientation {orientation}: A4 or A3, landscape or portrait were expected."
        )
    if (countries is None) != (country_field is None):
        raise BadInput(
            "--countries needs --country-field, the column with the names, and the other way round."
        )
    return texts_in(language)


def _projection(name: str | None) -> pyproj.CRS | None:
    if name is None:
        return None
    try:
        crs = horizontal(name, "--projection")
    except pyproj.exceptions.CRSError as error:
        raise BadInput(f"--projection is {name}; a code such as EPSG:32642 was expected.") from error
    unit = crs.axis_info[0].unit_name if crs.axis_info else "no unit"
    if not crs.is_projected or unit != "metre":
        raise BadInput(
            f"--projection is {name}, in {unit}; a projection in metres was expected, such as EPSG:32642. "
            "Leave it out for an equal-area one."
        )
    return crs


def _require_column(layer: gpd.GeoDataFrame, field: str, path: Path | None) -> None:
    if field not in layer.columns or field == layer.geometry.name:
        columns = ", ".join(str(name) for name in layer.columns if name != layer.geometry.name)
        raise BadInput(
            f"{path} has no column {field}; it has {columns or 'none'}. Name one with --country-field."
        )


def _in_each(option: str, given: str, texts: Texts) -> list[str]:
    """Part a text into those of the languages; a single one is for all of them."""
    parts = [part.strip() for part in given.split("|")]
    if "" in parts or len(parts) not in (1, len(texts.languages)):
        raise BadInput(
            f"--{option} has {len(parts)} parts ({given}); one text, or one for each of the "
            f"{len(texts.languages)} languages, was expected, parted by a bar."
        )
    return parts


def _today() -> dt.date:
    """Return the day of production; SOURCE_DATE_EPOCH sets it, as for every record."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    return (
        dt.datetime.now(tz=dt.UTC) if seconds is None else dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
    ).date()


# What the product is


@dataclass(frozen=True)
class _Shown:
    """A product as its sheet shows it."""

    kind: str
    name: str
    subject: Subject
    title: list[str]
    subtitle: list[str]


def _open(product: Path, texts: Texts, dem: xr.DataArray | None) -> _Shown:
    """Recognise what a product is by its layers or its name, and read it."""
    place = _main_file(product)
    if place.suffix.lower() == ".gpkg":
        found = layers.read(place)
        record = _record(place)
        if found.keys() >= BASINS:
            return _basins(place, found, record, texts, dem)
        if found.keys() >= GLACIERS:
            return _glaciers(place, found, record, texts, dem)
        if found.keys() >= GLACIER_CHANGE and isinstance(found["change"], gpd.GeoDataFrame):
            return _glacier_change(place, found, texts, dem)
        if found.keys() >= LAND_CHANGE and place.with_suffix(".tif").is_file():
            return _land_change(place.with_suffix(".tif"), texts, dem)
    elif _YEAR_MAP.fullmatch(place.name):
        return _land(place, texts, dem)
    elif place.name == CHANGE_MAP and place.with_suffix(".gpkg").is_file():
        return _land_change(place, texts, dem)
    raise BadInput(
        f"{product} is no product that a sheet is made of; basins.gpkg, glaciers.gpkg or change.gpkg, a map "
        "irrigation_YEAR.tif, or a folder with one of these maps was expected. Name one that a command wrote."
    )


def _main_file(product: Path) -> Path:
    """Find the product in a folder that a command has made."""
    if not product.is_dir():
        require_file(product)
        return product
    found = [place for place in sorted(product.glob("*.tif")) if _YEAR_MAP.fullmatch(place.name)]
    found += [place for place in (product / CHANGE_MAP,) if place.is_file()]
    if len(found) != 1:
        raise BadInput(
            f"{product} holds {len(found)} maps irrigation_YEAR.tif or {CHANGE_MAP}; one was expected. Name "
            "the file itself."
        )
    return found[0]


def _record(product: Path) -> Mapping[str, Any]:
    """Read the record beside a product, without which nobody knows when and from what it was made."""
    place = product.with_suffix(".json")
    try:
        properties = json.loads(place.read_text(encoding="utf-8"))["properties"]
    except FileNotFoundError as error:
        raise BadInput(
            f"{product} has no record {place.name} beside it, which tells its date. Keep both together, or "
            "make the product again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{place} is no record of a product. Copy it again from its source, or make the product again."
        ) from error
    for fault in provenance.faults(place):
        log.warning("%s", fault)
    found: Mapping[str, Any] = properties
    return found


def _dates(record: Mapping[str, Any], texts: Texts) -> list[str]:
    first, last = (str(record.get(key) or "")[:10] for key in ("start_datetime", "end_datetime"))
    if first and last:
        return (
            texts.each("data_from_to", first=first, last=last)
            if first != last
            else texts.each("data_of", date=first)
        )
    if record.get("datetime") and record["datetime"] != record.get("created"):
        return texts.each("data_of", date=str(record["datetime"])[:10])
    return texts.each("computed", date=str(record.get("created"))[:10])


def _basins(
    product: Path,
    found: Mapping[str, gpd.GeoDataFrame | pd.DataFrame],
    record: Mapping[str, Any],
    texts: Texts,
    dem: xr.DataArray | None,
) -> _Shown:
    basins = found["basins"]
    if not len(basins):
        raise BadInput(f"{product} holds no basin to draw. Choose another product.")
    subject = BasinsSubject(
        basins=basins, streams=found["streams"], outlets=found["outlets"], crossings=found["crossings"],
        border_reaches=found["border_reaches"], shares=found["shares"], texts=texts, dem=dem,
    )  # fmt: skip
    title = texts.each("basins_title" if len(found["shares"]) else "basins_title_alone")
    return _Shown("basins", product.name, subject, title, _dates(record, texts))


def _glaciers(
    product: Path,
    found: Mapping[str, gpd.GeoDataFrame | pd.DataFrame],
    record: Mapping[str, Any],
    texts: Texts,
    dem: xr.DataArray | None,
) -> _Shown:
    glaciers = found["glaciers"]
    if not len(glaciers):
        raise BadInput(f"{product} holds no glacier to draw. Choose another product.")
    added = inventory.totals(found["uncertainties"], glaciers)
    total = Sum(added.area_km2, added.area_unc_km2, added.unseen_km2, added.debris_km2, added.debris_unc_km2)
    zones = found["zone_bands"].groupby("zone", sort=True)["area_km2"].sum().reset_index()
    subject = GlaciersSubject(glaciers, found["debris"], found["unseen"], zones, total, texts, dem)
    return _Shown("glaciers", product.name, subject, texts.each("glaciers_title"), _dates(record, texts))


def _glacier_change(
    product: Path,
    found: Mapping[str, gpd.GeoDataFrame | pd.DataFrame],
    texts: Texts,
    dem: xr.DataArray | None,
) -> _Shown:
    clusters = found["change"]
    if not len(clusters):
        raise BadInput(f"{product} holds no glacier to draw. Choose another product.")
    first, last = (str(date)[:10] for date in (clusters["before_date"].min(), clusters["after_date"].max()))
    subject = GlacierChangeSubject(
        clusters, found["before"], found["after"], found["totals"], (first, last), texts, dem
    )
    title = texts.each("glacier_change_title", first=first[:4], last=last[:4])
    return _Shown(
        "glacier_change", product.name, subject, title, texts.each("data_from_to", first=first, last=last)
    )


def _land(product: Path, texts: Texts, dem: xr.DataArray | None) -> _Shown:
    record = _record(product)
    year = int(str(product.stem)[-4:])
    beside = product.with_name(ZONES_TABLE)
    if not beside.is_file():
        raise BadInput(
            f"{product} has no {ZONES_TABLE} beside it, the table of its areas. Keep the folder of "
            "`bluepeace irrigation` together."
        )
    table = features.read_table(beside)
    subject = LandSubject(_codes(product), "irrigation", table[table["year"] == year], (year,), texts, dem)
    return _Shown(
        "irrigation", product.name, subject, texts.each("irrigation_title", year=year), _dates(record, texts)
    )


def _land_change(product: Path, texts: Texts, dem: xr.DataArray | None) -> _Shown:
    _record(product)
    found = layers.read(product.with_suffix(".gpkg"))
    zones = pd.DataFrame(found["zones"].drop(columns="geometry")).assign(level="zone")
    table = pd.concat([zones, pd.DataFrame(found["groups"])], ignore_index=True)
    first, last = int(table["first_year"].min()), int(table["last_year"].max())
    subject = LandSubject(_codes(product), "irrigation_change", table, (first, last), texts, dem)
    return _Shown(
        "irrigation_change", product.name, subject,
        texts.each("irrigation_change_title", first=first, last=last),
        texts.each("data_from_to", first=first, last=last),
    )  # fmt: skip


def _codes(path: Path) -> xr.DataArray:
    """Read the first band of a class map, as fine as paper shows it."""
    values, grid = raster_files.preview(path, MAP_CELLS)
    codes = np.where(np.isnan(values[0]), OUTSIDE, values[0]).astype(np.uint8)
    found: xr.DataArray = grid.raster(codes).rio.write_nodata(OUTSIDE)
    return found
