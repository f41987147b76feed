"""`bluepeace glacier-change`: two inventories or a table of areas, and what of their difference is change."""

import datetime as dt
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyproj
import shapely

from bluepeace_gis.analyses.areas.wording import LANGUAGES
from bluepeace_gis.analyses.glaciers import change, change_defaults, links, outlined, series, sums
from bluepeace_gis.analyses.glaciers.change import Change
from bluepeace_gis.analyses.glaciers.outlined import Outlines
from bluepeace_gis.archive import features, provenance
from bluepeace_gis.errors import BadInput
from bluepeace_gis.maps import glacier_change_picture, styles
from bluepeace_gis.workflows import glacier_change_words as words
from bluepeace_gis.workflows.publishing import Record, publishing, require_ending, require_places
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "Outlines of two dates linked by overlap (more than 200 m2) into clusters; areas on the ellipsoid; "
    "random errors added in quadrature, common ones one by one; what was not seen on one date is taken for "
    "unchanged and widens the interval."
)
SERIES_LINEAGE: Final = (
    "First and last area of each glacier of a table; errors of both added in quadrature; Sen's slope beside "
    "it."
)
GLACIERS, UNSEEN, UNCERTAINTIES = "glaciers", "unseen", "uncertainties"
TABLES: Final = frozenset({".csv", ".tsv", ".txt"})
# Shares of the work, for the bar.
READ, COMPARED, WRITTEN = 0.3, 0.8, 0.9


def glacier_change(
    before: Path,
    after: Path | None = None,
    /,
    *,
    out: Path,
    zones: Path | None = None,
    zone_field: str | None = None,
    before_date: str | None = None,
    after_date: str | None = None,
    since: str | None = None,
    accept_definition: bool = False,
) -> Result:
    """Compare glaciers of two dates, and say where a change can be told.

    Parameters
    ----------
    before
        Outlines of the earlier date: a glaciers.gpkg, RGI or GLIMS, or any polygons with dates. Or a table
        of areas at several dates (glacier_name, date, area in m2 or area_km2, area_unc), without AFTER.
    after
        Outlines of the later date.
    out
        The GeoPackage to write: layers change, before, after; tables links, totals, size_classes. Beside it
        come a picture, the style and the STAC item with its provenance.
    zones
        Basins or countries to add up by.
    zone_field
        Their column with the names; zone, name or country where there is one.
    before_date
        When all glaciers of BEFORE were seen, where their column src_date does not say: 2003-08-30.
    after_date
        The same of AFTER.
    since
        Of a table: leave out earlier areas. 2010 or 2010-01-01.
    accept_definition
        Compare although the two layers mean different things by a glacier; the note stands on the product.

    Returns
    -------
    Result
        ``out`` and ``picture``; the change of all glaciers, its interval, and how many lost or gained.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    asked = dict(locals())
    require_ending(out, ".gpkg", "GeoPackage")
    inputs = {
        name: path
        for name, path in (("before", before), ("after", after), ("zones", zones))
        if path is not None
    }
    require_places({"out": out}, inputs)
    if after is None:
        return _series(before, out, since, asked)
    if since is not None:
        raise BadInput("--since is for a table of areas; outlines of two dates were given. Leave it out.")
    log.info("reading", extra={"done": 0.0})
    dates = [_date(text, option) for text, option in
             ((before_date, "--before-date"), (after_date, "--after-date"))]  # fmt: skip
    pair = [
        _outlines(path, what, date)
        for path, what, date in zip((before, after), ("before", "after"), dates, strict=True)
    ]
    places = None if zones is None else features.read(zones, holding="polygons")
    log.info("comparing", extra={"done": READ})
    found = change.glacier_change(
        pair[0], pair[1], zones=places, zone_field=zone_field, accept_definition=accept_definition
    )
    frames = change.frames_missing(pair, found.clusters)
    notes = found.notes if frames is None else (*found.notes, frames)
    for note in notes:
        log.warning("%s", note)
    named = _named_dates(pair)
    counts = _verdicts(found.clusters)
    told = {each: words.sentences(found.total, counts, named, found.definitions, each) for each in LANGUAGES}
    outputs = {"out": out, "picture": out.with_suffix(".png")}
    record = _record(
        asked, inputs, f"Glacier change {named[0]} to {named[1]}", LINEAGE, found,
        {
            "sources": _sources(pair),
            "notes": list(notes),
            "statuses": words.status_counts(found.clusters["status"].tolist()),
            "sentences": told,
        },
    )  # fmt: skip
    with publishing(out, record, style="glacier_change") as work:
        log.info("writing", extra={"done": COMPARED})
        layers: dict[str, pd.DataFrame] = {
            "change": found.clusters,
            "before": found.before,
            "after": found.after,
            "links": found.links,
            "totals": found.totals,
            "size_classes": found.size_classes,
        }
        features.write(layers, work / out.name, geometry_types=change.GEOMETRY_TYPES)
        features.add_styles(
            work / out.name,
            {
                "change": styles.qml("glacier_change"),
                "before": styles.qml("glaciers_before"),
                "after": styles.qml("glaciers_after"),
            },
        )
        log.info("drawing", extra={"done": WRITTEN})
        glacier_change_picture.change_picture(
            work / outputs["picture"].name,
            clusters=found.clusters,
            before=found.before,
            after=found.after,
            totals=found.totals,
            title=record.title,
            notes=[*told["en"], *told["ru"][:1]],
        )
    log.info("done", extra={"done": 1.0})
    return Result(outputs, _numbers(found, counts), _paired(told))


# What was asked


def _date(text: str | None, option: str) -> dt.date | None:
    if text is None:
        return None
    found = outlined.date_of(text)
    if found is None:
        raise BadInput(f"{option} is {text!r}; a date such as 2003-08-30 was expected.")
    return found


def _outlines(path: Path, what: str, date: dt.date | None) -> Outlines:
    """Read a layer with what the record beside it says of it."""
    file, named = features.file_and_layer(path)
    if file.suffix.lower() in TABLES:
        raise BadInput(
            f"{file.name} is a table; outlines were expected for {what.upper()}. A table of areas stands "
            "alone, as BEFORE without AFTER."
        )
    there = features.names(file)
    layer = features.read(file, named or (GLACIERS if GLACIERS in there else None), holding="polygons")
    kept = _Record.beside(file)
    hidden = parts = None
    if UNCERTAINTIES in there and named in (None, GLACIERS):
        parts = features.read_columns(file, UNCERTAINTIES)
    if UNSEEN in there and named in (None, GLACIERS):
        try:
            hidden = features.read(file, UNSEEN, holding="polygons").geometry
        except BadInput as error:  # nothing was hidden
            log.debug("%s", error)
    return outlined.outlines(
        layer, what, date=date, uncertainties=parts, hidden=hidden, frame=kept.frame, method=kept.method,
        cell_m=kept.cell_m, area_min_km2=kept.area_min_km2,
    )  # fmt: skip


@dataclass(frozen=True)
class _Record:
    """What the STAC item beside a product of ours says of its outlines; all empty beside another file."""

    method: Mapping[str, Any]
    frame: Any = None
    cell_m: float | None = None
    area_min_km2: float | None = None

    @classmethod
    def beside(cls, file: Path) -> "_Record":
        """Read it, if it is of this file and of glaciers."""
        place = file.with_suffix(".json")
        method = provenance.method_of(place)
        if not method or "defaults" not in method:
            return cls({})
        item = json.loads(place.read_text(encoding="utf-8"))
        if Path(item.get("assets", {}).get("main", {}).get("href", "")).name != file.name:
            return cls({})
        wrong = provenance.faults(place)
        if any(file.name in each for each in wrong):
            log.warning(
                "%s is not the file that %s describes: it was edited since, and counts as mapped by hand.",
                file.name, place.name,
            )  # fmt: skip
            return cls({}, shapely.geometry.shape(item["geometry"]))
        told = item["properties"]
        smallest = told.get("bluepeace:parameters", {}).get("min_area_km2")
        return cls(
            method,
            shapely.make_valid(shapely.geometry.shape(item["geometry"])),
            _cell_m(method, told),
            None if smallest is None else float(smallest),
        )


def _cell_m(method: Mapping[str, Any], told: Mapping[str, Any]) -> float | None:
    """Size of the cells that outlines were mapped from, metres; None where it is not said."""
    if method.get("detail_m"):
        return float(method["detail_m"])
    transform = told.get("proj:transform")
    code = told.get("proj:code") or told.get("proj:wkt2")
    if not transform or not code or pyproj.CRS.from_user_input(code).is_geographic:
        return None
    return abs(float(transform[0]))


# A table of areas


def _series(table: Path, out: Path, since: str | None, asked: Mapping[str, Any]) -> Result:
    for option in ("zones", "zone_field", "before_date", "after_date"):
        if asked[option] is not None:
            raise BadInput(
                f"--{option.replace('_', '-')} is for outlines of two dates; a table of areas was given. "
                "Leave it out, or give AFTER."
            )
    if table.suffix.lower() not in TABLES:
        raise BadInput(
            f"{table.name} stands alone and is no table (.csv) of areas; outlines of two dates were "
            "expected. Give the later one as AFTER."
        )
    log.info("reading", extra={"done": 0.0})
    found = series.series_change(features.read_table(table), since=_date(since, "--since"))
    for note in found.notes:
        log.warning("%s", note)
    counts = _verdicts(found.change)
    others = int((found.change["note"] == series.OTHER_EXTENT).sum())
    told = {each: words.series_sentences(counts, since, each, other_extents=others) for each in LANGUAGES}
    outputs = {"out": out, "picture": out.with_suffix(".png")}
    record = Record(
        title=f"Glacier areas of {table.stem}",
        lineage=SERIES_LINEAGE,
        footprint=shapely.box(-180, -90, 180, 90),  # a table does not say where
        crs=links.DEGREES,
        inputs={"before": table},
        parameters={name: value for name, value in asked.items() if name != "before"},
        method={"defaults": _defaults(), "notes": list(found.notes), "sentences": told},
    )
    with publishing(out, record) as work:
        log.info("writing", extra={"done": COMPARED})
        features.write({"change": found.change, "dates": found.dates}, work / out.name)
        log.info("drawing", extra={"done": WRITTEN})
        glacier_change_picture.series_picture(
            work / outputs["picture"].name, found.change, title=record.title,
            notes=[*told["en"], *told["ru"]],
        )  # fmt: skip
    log.info("done", extra={"done": 1.0})
    numbers = {"glaciers": float(len(found.change))} | _counted(counts)
    return Result(outputs, numbers, _paired(told))


# What is told


def _named_dates(pair: list[Outlines]) -> tuple[str, str]:
    """Name the two dates: the middle of each layer, by area."""
    first, last = (
        str(outlined.day_of(float((each.year * each.area_km2).sum() / each.area_km2.sum()))) for each in pair
    )
    return first, last


def _paired(told: Mapping[Any, list[str]]) -> tuple[str, ...]:
    return tuple(each for pair in zip(*told.values(), strict=True) for each in pair)


def _verdicts(table: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(number) for name, number in table["verdict"].value_counts().items()}


def _counted(counts: Mapping[str, int]) -> dict[str, float]:
    return {
        each.replace(" ", "_"): float(counts.get(each, 0))
        for each in (sums.LOSS, sums.GAIN, sums.NOT_DISTINGUISHABLE, sums.NOT_COMPARED)
    }


def _numbers(found: Change, counts: Mapping[str, int]) -> dict[str, float]:
    total = found.total
    names = (
        "area_before_km2", "area_after_km2", "change_km2", "change_unc_km2", "change_low_km2",
        "change_high_km2", "change_pct", "pct_per_year", "pct_per_year_unc",
    )  # fmt: skip
    numbers = {name: float(total[name]) for name in names if pd.notna(total[name])}
    return {"clusters": float(len(found.clusters))} | numbers | _counted(counts)


def _sources(pair: list[Outlines]) -> dict[str, Any]:
    """Say of each layer when it is of and where its uncertainties come from."""
    return {
        each.what: {
            "outlines": len(each),
            "first": str(outlined.day_of(float(each.year.min()))),
            "last": str(outlined.day_of(float(each.year.max()))),
            "uncertainty": "columns of the layer" if each.random_km2 is not None else "defaults",
            "mapped_by": "bluepeace" if each.of_ours else "others",
            "cell_m": each.cell_m,
            "looked_at": "record" if each.frame is not None else "not said",
        }
        for each in pair
    }


def _defaults() -> dict[str, Any]:
    return {
        name.lower(): value
        for name, value in vars(change_defaults).items()
        if name.isupper() and isinstance(value, int | float | tuple)
    } | {"overlap_min_m2": links.OVERLAP_MIN_M2}


def _record(
    asked: Mapping[str, Any],
    inputs: Mapping[str, Path],
    title: str,
    lineage: str,
    found: Change,
    more: Mapping[str, Any],
) -> Record:
    """Everything from which the other side can repeat the numbers."""
    return Record(
        title=title,
        lineage=lineage,
        footprint=shapely.box(*found.clusters.total_bounds),
        crs=links.DEGREES,
        inputs={name: features.file_and_layer(path)[0] for name, path in inputs.items()},
        parameters={name: str(value) if isinstance(value, Path) else value for name, value in asked.items()},
        method={
            "defaults": _defaults(),
            "definitions": [each.reason for each in found.definitions],
            **more,
        },
    )
