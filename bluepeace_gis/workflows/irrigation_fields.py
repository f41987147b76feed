"""Fields with NDVI of their own, as a table: each gets a state and a season by the rule of the map."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from bluepeace_gis.analyses import irrigation as rules
from bluepeace_gis.analyses.irrigation import Limits, defaults, seasons
from bluepeace_gis.archive import features, ndvi_stacks, tables
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.kernels.normalized import NODATA
from bluepeace_gis.maps import irrigation_picture
from bluepeace_gis.workflows import cutting, irrigation_curves, irrigation_words
from bluepeace_gis.workflows.irrigation_tiles import dekads
from bluepeace_gis.workflows.publishing import Record, publishing, require_places
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "NDVI of fields from a table; the highest of each dekad with its day; one rule of thresholds and "
    "windows, which leaves open what gaps may hide."
)
HA_M2: Final = 10_000.0
ADDED: Final = ("state", "season", "season_open", "state_low", "state_high", "dekads")
LAYER: Final = "fields"
# What says nothing of single fields.
_MAPS_ONLY: Final = ("dem", "rain", "et0", "parcels", "exclude", "area", "zones")
# A record needs a footprint; a table without places lies anywhere.
_ANYWHERE: Final = shapely.box(-180, -90, 180, 90)


def map_fields(given: Sequence[Path], asked: Mapping[str, Any]) -> Result:
    """Tell the state and season of each field of a table.

    Parameters
    ----------
    given : list of path
        One table.
    asked : {option: value}
        Of `bluepeace irrigation`.

    Returns
    -------
    Result
        The table with ``state``, ``season``, ``season_open`` (gaps may hide a second season),
        ``state_low``, ``state_high`` (thresholds higher, lower) and ``dekads`` (observed).

    Raises
    ------
    BadInput
        If there are several tables, an option is for maps, or the table is none of NDVI.
    """
    if len(given) != 1:
        raise BadInput(f"Found {len(given)} tables and rasters of NDVI; expected one table. Join them first.")
    useless = [name for name in _MAPS_ONLY if asked[name] is not None]
    if useless:
        raise BadInput(f"--{useless[0]} is for maps, and {given[0]} is a table of fields. Leave it out.")
    source, year, out = given[0], asked["year"], asked["out"]
    text = seasons.shipped_text()
    if asked["seasons"] is not None:
        require_file(asked["seasons"])
        text = asked["seasons"].read_text(encoding="utf-8")
    table, limits = seasons.read(text), Limits()
    log.info("reading", extra={"done": 0.0})
    read = ndvi_stacks.read_table(source, year)
    placed = isinstance(read.rows, gpd.GeoDataFrame)
    main = out / f"irrigation_{year}.{'gpkg' if placed else 'csv'}"
    cutting.require_folder(out, main.name)
    require_places({"out": main}, {"ndvi": source})
    if asked["dry_run"]:
        return Result({}, {"fields": float(len(read.rows)), "dates": float(len(read.days))})
    log.info("deciding %d fields", len(read.rows), extra={"done": 0.3})
    value, day, _, _ = dekads(read.ndvi, read.days, year)
    found = rules.classify(value, day, table, limits=limits)
    answer = read.rows.copy()
    for name, values in (
        ("state", _named(found.state, defaults.STATES)),
        ("season", _named(found.season, defaults.SEASONS)),
        ("season_open", found.season_open.astype(np.int64)),
        ("state_low", _named(found.low, defaults.STATES)),
        ("state_high", _named(found.high, defaults.STATES)),
        ("dekads", (value != NODATA).sum(axis=0)),
    ):
        answer[name] = values
    layer = answer if isinstance(answer, gpd.GeoDataFrame) else None
    counts = answer["state"].value_counts()
    numbers = {f"fields {name}": float(counts.get(name, 0)) for code, name in defaults.STATES.items()
               if code not in {defaults.OUTSIDE, defaults.UNCERTAIN}}  # fmt: skip
    numbers |= _areas(answer)
    said = irrigation_words.of_fields(numbers, len(answer), year)
    days = [
        dt.datetime(year, 1, 1, 12, tzinfo=dt.UTC) + dt.timedelta(days=int(each) - 1) for each in read.days
    ]
    record = Record(
        title=f"Irrigated fields, {year}",
        lineage=LINEAGE,
        footprint=_ANYWHERE if layer is None else shapely.box(*layer.total_bounds),
        crs=pyproj.CRS("EPSG:4326") if layer is None else layer.crs,
        inputs={"ndvi": source} | ({} if asked["seasons"] is None else {"seasons": asked["seasons"]}),
        parameters=dict(asked),
        method={
            "rule": rules.method(table, limits) | {"composite": "highest NDVI of each dekad"},
            "sensitivity": defaults.SENSITIVITY,
            "numbers": numbers,
            "sentences": said,
        },
        period=(days[0], days[-1]),
    )
    picture = main.with_suffix(".png")
    with publishing(main, record) as work:
        log.info("writing", extra={"done": 0.8})
        if layer is not None:
            features.write({LAYER: layer}, work / main.name)
        else:
            tables.write(answer, work / main.name)
        irrigation_picture.fields_picture(
            work / picture.name,
            irrigation_curves.of_fields(read.ndvi, read.days, found.state, found.season, year),
            irrigation_curves.windows_of(table, limits), title=record.title, facts=said["en"],
        )  # fmt: skip
    log.info("done", extra={"done": 1.0})
    return Result({"out": main, "picture": picture}, numbers, irrigation_words.told(said))


def _named(codes: "np.ndarray[Any, Any]", names: Mapping[int, str]) -> list[str]:
    return [names[code] for code in codes.tolist()]


def _areas(answer: pd.DataFrame) -> dict[str, float]:
    """Add up the areas of polygons."""
    if (
        not isinstance(answer, gpd.GeoDataFrame)
        or not answer.geom_type.isin(["Polygon", "MultiPolygon"]).all()
    ):
        return {}
    area_ha = polygon_areas_m2(answer.geometry) / HA_M2
    return {
        f"{name}, ha": float(area_ha[(answer["state"] == name).to_numpy()].sum())
        for name in ("irrigated", "not irrigated", "not observed")
    }
