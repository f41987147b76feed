"""What is made of one tile of NDVI: dekad maxima, what the rule says of them, and by what water.

A tile knows nothing of its neighbours: what needs them comes after tiles are joined, so that the map does
not depend on their size.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from bluepeace_gis.analyses import irrigation as rules
from bluepeace_gis.analyses.irrigation import Limits, Seasons, seasons
from bluepeace_gis.analyses.irrigation.defaults import OUTSIDE
from bluepeace_gis.archive import features, windows
from bluepeace_gis.errors import OutsideGrid
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.zones import burn
from bluepeace_gis.kernels import composites
from bluepeace_gis.kernels.normalized import NODATA
from bluepeace_gis.workflows import tiling
from bluepeace_gis.workflows.tiling import Making

# Raised when a tile would come out otherwise.
METHOD_VERSION: Final = "1"
KIND: Final = "map"
BANDS: Final = ("state", "season", "state, higher thresholds", "state, lower thresholds", "dekads observed")
STATE, SEASON, LOW, HIGH, DEKADS = range(len(BANDS))
MONTHS: Final = 12
# Of memory for each cell beside the stack, by measurement: zones, what falls outside, the answer.
ANSWER_BYTES: Final = 24
# Cells worked on at once, and what they take: their dekads with days and counts, and what the rule says.
CHUNK_CELLS: Final = 1 << 17
CHUNK_MB: Final = 80.0

Codes = NDArray[np.uint8]
Shorts = NDArray[np.int16]


def making(
    year: int,
    table_text: str,
    limits: Limits,
    *,
    zones: Path | None = None,
    zone_field: str | None = None,
    rain: Path | None = None,
    et0: Path | None = None,
    function: Callable[..., Any],
) -> Making:
    """Describe what tiles of scenes are made into.

    Parameters
    ----------
    year : int
    table_text : str
        The table of seasons, TOML.
    limits : Limits
    zones, zone_field : path, str
        Polygons whose names choose a row of the table.
    rain, et0 : path
        Rain and reference evapotranspiration, mm, of the year or of its twelve months.
    function : function
        Of the tasks, such as :func:`map_tile`.

    Returns
    -------
    Making
    """
    given = {"zones": zones, "rain": rain, "et0": et0}
    return Making(
        f"{function.__module__}:{function.__name__}",
        {
            "year": year,
            "seasons": table_text,
            "limits": [limits.green, limits.contrast, limits.second_green, limits.trough, limits.trough_open],
            "zone_field": zone_field,
            **{name: None if path is None else str(path.absolute()) for name, path in given.items()},
        },
        (KIND,),
        ANSWER_BYTES,
        len(BANDS),
        CHUNK_MB,
        tuple(features.file_and_layer(path)[0] for path in given.values() if path is not None),
        METHOD_VERSION,
        located=True,
    )


def map_tile(arguments: dict[str, Any], work: Path) -> dict[str, int]:
    """Map one tile of scenes: the function of a tile task.

    Parameters
    ----------
    arguments : {name: JSON value}
        As :func:`tiling.tile_tasks` gives them.
    work : path
        The task's folder, in that of the run.

    Returns
    -------
    {"covered", "seen", "observations", "pixel_dates"}
        Sums over the tile: cells that a scene covers, those seen clearly at least once, how often, and
        the size of the stack.
    """
    seen, inside = tiling.read_tile(arguments, work)
    days = np.array([time.astimezone(dt.UTC).date().timetuple().tm_yday for time in seen.times], np.int16)
    values, counts = mapped(seen.values[:, 0], days, inside, arguments)
    tiling.write_tile({KIND: values}, arguments, work)
    return {"covered": int(inside.sum()), **counts}


def mapped(
    ndvi: Shorts, days: Shorts, inside: NDArray[np.bool_], arguments: Mapping[str, Any]
) -> tuple[Codes, dict[str, int]]:
    """Map a stack of NDVI.

    Parameters
    ----------
    ndvi : (dates, rows, columns) int16
        Ten-thousandths, -32768 where not observed.
    days : (dates,) int16
        Days of the year, from 1.
    inside : (rows, columns) bool
        Cells that are to be mapped; others are outside.
    arguments : {name: JSON value}
        Of the task.

    Returns
    -------
    (bands, rows, columns) uint8
        As :data:`BANDS`; 255 outside.
    {"seen", "observations", "pixel_dates"}
    """
    rows, columns = inside.shape
    year = int(arguments["year"])
    table, limits = seasons.read(arguments["seasons"]), Limits(*arguments["limits"])
    grid = Grid(CRS.from_wkt(arguments["crs"]), Affine(*arguments["transform"]), (rows, columns))
    zone = np.where(inside, agro_zones(grid, arguments, table), np.uint8(OUTSIDE))
    water = _Water.of(arguments, grid)
    made = np.full((len(BANDS), rows, columns), OUTSIDE, np.uint8)
    observations = seen = 0
    step = max(1, CHUNK_CELLS // columns)
    for top in range(0, rows, step):
        part = slice(top, min(top + step, rows))
        if not len(ndvi):
            made[:, part][:, inside[part]] = 0
            continue
        values, day, month, count = dekads(ndvi[:, part], days, year)
        found = rules.described(values, day, table, zone=zone[part])
        crop = rules.decide(found, table, zone=zone[part], limits=limits)
        arid, green = water.of_rows(part, values, month, found.base, year)
        for band, state in ((STATE, crop.state), (LOW, crop.low), (HIGH, crop.high)):
            made[band, part] = rules.irrigated(state, crop.season, arid, green)
        made[SEASON, part] = crop.season
        known = (values != NODATA).sum(axis=0)
        made[DEKADS, part] = np.where(inside[part], known, OUTSIDE)
        observations += int(count.sum(dtype=np.int64))
        seen += int(((known > 0) & inside[part]).sum())
    return made, {"seen": seen, "observations": observations, "pixel_dates": int(ndvi.size)}


def dekads(ndvi: Shorts, days: Shorts, year: int) -> tuple[Shorts, Shorts, NDArray[np.int64], Any]:
    """Take the highest NDVI of each dekad, and the day it was seen on.

    Parameters
    ----------
    ndvi : (dates, ...) int16
    days : (dates,) int
        Days of the year.
    year : int

    Returns
    -------
    value : (k, ...) int16
        Of the dekads that were seen: the days 1 to 10, 11 to 20 and 21 to the end of each month.
    day : (k, ...) int16
        Day of the year of each value; 1 where there is none.
    month : (k,) int
        0 to 11.
    count : (k, ...)
        Observations in each dekad.
    """
    dates = [dt.date(year, 1, 1) + dt.timedelta(days=int(day) - 1) for day in days]
    of = np.array([3 * (date.month - 1) + min((date.day - 1) // 10, 2) for date in dates])
    present, period = np.unique(of, return_inverse=True)
    found = composites.largest_of_periods(ndvi, period, NODATA, periods=len(present))
    day = np.append(days, np.int16(1)).astype(np.int16)[found.date]  # -1, no date, is the 1 at the end
    return found.value, day, present // 3, found.count


def agro_zones(grid: Grid, arguments: Mapping[str, Any], table: Seasons) -> Codes:
    """Tell each cell of a grid its row in the table of seasons, by the names of polygons."""
    if arguments["zones"] is None:
        return np.zeros(grid.shape, np.uint8)
    layer, names = _named(arguments["zones"], arguments["zone_field"])
    try:
        burnt = burn(layer, grid)
    except OutsideGrid:
        return np.zeros(grid.shape, np.uint8)
    return table.index(burnt, names)


@lru_cache(maxsize=2)
def _named(path: str, field: str) -> tuple[gpd.GeoSeries, tuple[str, ...]]:
    layer = features.read(path, holding="polygons")
    return layer.geometry, tuple(layer[field].astype(str).str.strip())


class _Water:
    """Rain and reference evapotranspiration of one tile."""

    def __init__(self, rain: NDArray[np.float32] | None, et0: NDArray[np.float32] | None) -> None:
        self.rain, self.et0 = rain, et0

    @classmethod
    def of(cls, arguments: Mapping[str, Any], grid: Grid) -> "_Water":
        def read(name: str) -> NDArray[np.float32] | None:
            if arguments[name] is None:
                return None
            raster = windows.open_raster(arguments[name])
            return np.stack([raster.floats(band, grid) for band in range(1, raster.bands + 1)])

        return cls(read("rain"), read("et0"))

    def of_rows(
        self, rows: slice, ndvi: Shorts, month: NDArray[np.int64], soil: Shorts, year: int
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
        """Tell where it is arid, and where plants were green in dry months; None if not known."""
        if self.rain is None:
            return None, None
        rain, et0 = self.rain[:, rows], None if self.et0 is None else self.et0[:, rows]
        arid = rules.arid(rain.sum(axis=0), None if et0 is None else et0.sum(axis=0))
        if et0 is None or len(rain) != MONTHS or len(et0) != MONTHS:
            return arid, None
        dry = rules.dry_months(rain, et0)
        # a dekad lies in one month: its first day says which
        days = np.array([dt.date(year, int(each) + 1, 1).timetuple().tm_yday for each in month])
        return arid, rules.green_in_dry_months(ndvi, days, dry, soil, year=year)
