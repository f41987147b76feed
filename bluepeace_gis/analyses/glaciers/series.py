"""Areas of glaciers at several dates without outlines, as the World Glacier Monitoring Service lists them."""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import change_defaults as defaults
from bluepeace_gis.analyses.glaciers.outlined import date_of, day_of, decimal_year
from bluepeace_gis.analyses.glaciers.sums import (
    AFTER,
    BEFORE,
    INTERVALS,
    KINDS,
    MEASURES,
    Units,
    whole_parts,
)
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import M2_PER_KM2
from bluepeace_gis.kernels.trends import trend

log = logging.getLogger(__name__)

Reals = NDArray[np.float64]

# Of each the first that is there. The tables of WGMS state areas in m2.
NAME_COLUMNS: Final = ("glacier_name", "name", "glacier", "glac_name")
ID_COLUMNS: Final = ("glacier_id", "wgms_id", "rgi_id", "glims_id")
DATE_COLUMNS: Final = ("date", "src_date", "survey_date", "year")
AREA_COLUMNS: Final = (("area_km2", "area_unc_km2", 1.0), ("area", "area_unc", 1 / M2_PER_KM2))
STATED, USUAL = "stated", "usual"
OTHER_EXTENT: Final = "faster than ice: another extent was measured"
TREND: Final = ("trend_pct_per_year", "trend_low_pct_per_year", "trend_high_pct_per_year")
COLUMNS: Final = (
    *MEASURES, "glacier_name", "glacier_id", "country", "before_date", "after_date", "dates", "unc_source",
    "note", *INTERVALS, *TREND,
)  # fmt: skip
DATE_LIST_COLUMNS: Final = ("glacier_name", "glacier_id", "date", "area_km2", "area_unc_km2", "unc_source")


@dataclass(frozen=True)
class Series:
    """What changed between the first and the last area of each glacier.

    Parameters
    ----------
    change : DataFrame
        :data:`COLUMNS`, one row a glacier with two dates at least, in the order of the table.
    dates : DataFrame
        :data:`DATE_LIST_COLUMNS`, the areas that were used, by glacier and date.
    notes : (str, ...)
        What a reader of the numbers must know.
    """

    change: pd.DataFrame
    dates: pd.DataFrame
    notes: tuple[str, ...]


def series_change(table: pd.DataFrame, *, since: dt.date | None = None) -> Series:
    """Compare the first and the last area of each glacier of a table.

    Parameters
    ----------
    table : DataFrame
        One row a glacier and date: ``glacier_name`` or ``glacier_id``, ``date``, ``area`` (m2, as WGMS
        lists it) or ``area_km2``, and where known ``area_unc`` or ``area_unc_km2``, one standard
        deviation; ``country``.
    since : date, optional
        Earlier areas are left out: old maps drew other extents.

    Returns
    -------
    Series

    Raises
    ------
    BadInput
        If a column is missing, a date or an area cannot be read, or no glacier has two dates.

    Notes
    -----
    The rate is the difference of the end points in per cent of the first a year; its standard deviation
    adds the two in quadrature and takes the first area as it is, as for outlines. Where a source states
    none, 5 % of the area are taken, and ``unc_source`` says so. Of several areas of one date the first
    counts. The trend is Sen's slope over all dates with its interval of 95 % [1]_; areas that were copied
    from year to year make it look surer than it is, so that the verdict rests on the end points.

    References
    ----------
    .. [1] Sen (1968), doi:10.1080/01621459.1968.10480934
    """
    if table.empty:
        raise BadInput("The table of areas has no rows. Choose another file.")
    rows = _rows(table)
    if since is not None:
        rows = rows[rows["year"] >= decimal_year(since)]
    rows = rows.sort_values(["rank", "year"], kind="stable")
    twice = rows.duplicated(["rank", "year"])
    notes = _notes_of_twice(rows)
    rows = rows[~twice]
    count = rows.groupby("rank")["year"].transform("size")
    short = rows[count < 2]["rank"].nunique()
    rows = rows[count >= 2]
    if rows.empty:
        after = "" if since is None else f" since {since}"
        raise BadInput(
            f"No glacier of the table has areas of two dates{after}; expected two at least. Choose another "
            "table or an earlier date."
        )
    if short:
        notes = (*notes, f"Glaciers with one date only: {short}; they are left out.")
    change = _compared(rows)
    implausible = change[change["note"] == OTHER_EXTENT]
    if len(implausible):
        named = ", ".join(str(name) for name in implausible["glacier_name"].head(3))
        notes = (
            *notes,
            (
                f"Glaciers that change by more than {defaults.RATE_PLAUSIBLE_PCT:g} % a year: "
                f"{len(implausible)} ({named}); rather other extents were measured than ice lost or gained."
            ),
        )
    usual = int((change["unc_source"] == USUAL).sum())
    if usual:
        notes = (
            *notes,
            (
                f"Glaciers of which a source states no uncertainty: {usual}; {defaults.SERIES_UNC_SHARE:.0%} "
                "of the area were taken."
            ),
        )
    share = rows["area_unc_km2"] / rows["area_km2"]
    doubtful = rows[share < defaults.SERIES_UNC_DOUBTFUL]["rank"].nunique()
    if doubtful:
        notes = (
            *notes,
            (
                f"Glaciers of which a source states less than {defaults.SERIES_UNC_DOUBTFUL:.0%} of the area "
                f"as uncertainty: {doubtful}; people who outline the same ice differ by more, and their "
                "verdicts rest on it."
            ),
        )
    listed = rows.assign(date=[str(day_of(year)) for year in rows["year"]])
    return Series(change, listed[list(DATE_LIST_COLUMNS)].reset_index(drop=True), notes)


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """Read names, dates, areas and uncertainties, each with its unit."""
    found = {str(column).strip().lower(): column for column in table.columns}
    name, number, date = (
        next((found[each] for each in columns if each in found), None)
        for columns in (NAME_COLUMNS, ID_COLUMNS, DATE_COLUMNS)
    )
    area = next((each for each in AREA_COLUMNS if each[0] in found), None)
    missing = [
        text
        for text, there in (
            ("glacier_name or glacier_id", name if name is not None else number),
            ("date", date),
            ("area (m2) or area_km2", area),
        )
        if there is None
    ]
    if missing or area is None:
        raise BadInput(
            f"The table of areas has no column {' and no column '.join(missing)}; it has "
            f"{', '.join(map(str, table.columns))}. Rename them."
        )
    key = number if number is not None else name
    rows = pd.DataFrame(
        {
            "glacier_name": table[name if name is not None else number].astype(str),
            "glacier_id": table[key].astype(str),
            "country": table[found["country"]] if "country" in found else None,
            "year": _years(table[date]),
            "area_km2": _areas(table[found[area[0]]], str(found[area[0]])) * area[2],
        }
    )
    if table[key].isna().any():
        raise BadInput(
            f"The table of areas has {int(table[key].isna().sum())} rows without {key}, the first in line "
            f"{int(np.flatnonzero(table[key].isna())[0]) + 2}. Fill them in."
        )
    stated = np.full(len(table), np.nan)
    if area[1] in found:
        stated = pd.to_numeric(table[found[area[1]]], errors="coerce").to_numpy(dtype=float) * area[2]
    known = np.isfinite(stated) & (stated > 0)
    rows["area_unc_km2"] = np.where(known, stated, rows["area_km2"] * defaults.SERIES_UNC_SHARE)
    rows["unc_source"] = np.where(known, STATED, USUAL)
    rows["rank"] = pd.factorize(rows["glacier_id"])[0]
    return rows


def _years(dates: "pd.Series[Any]") -> Reals:
    first, last = ([date_of(each, last=end) for each in dates] for end in (False, True))
    wrong = [place for place, each in enumerate(first) if each is None]
    if wrong:
        raise BadInput(
            f"The table of areas has {len(wrong)} rows without a date that can be read, the first "
            f"{dates.iloc[wrong[0]]!r} in line {wrong[0] + 2}; expected 2012-08-22 or 2012."
        )
    pairs = [(one, other) for one, other in zip(first, last, strict=True) if one and other]
    return np.array([(decimal_year(one) + decimal_year(other)) / 2 for one, other in pairs])


def _areas(values: "pd.Series[Any]", column: str) -> Reals:
    areas = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    wrong = ~(np.isfinite(areas) & (areas > 0))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"The table of areas has {int(wrong.sum())} rows whose {column} is no area, the first "
            f"{values.iloc[place]!r} in line {place + 2}; expected numbers above 0. Correct or delete them."
        )
    return areas


def _notes_of_twice(rows: pd.DataFrame) -> tuple[str, ...]:
    """Say where one date has several areas."""
    several = rows.groupby(["rank", "year"])["area_km2"].agg(["min", "max"])
    differ = several[several["max"] > several["min"]]
    if differ.empty:
        return ()
    most = float((differ["max"] / differ["min"] - 1).max())
    return (
        f"Dates with several areas: {len(differ)}, up to {most:.1%} apart; the first in the table was taken.",
    )


def _compared(rows: pd.DataFrame) -> pd.DataFrame:
    first, last = (rows.groupby("rank", sort=True).nth(place).reset_index(drop=True) for place in (0, -1))
    glaciers = len(first)
    areas = np.zeros((KINDS, glaciers), np.int64)
    areas[BEFORE] = whole_parts(first["area_km2"].to_numpy())
    areas[AFTER] = whole_parts(last["area_km2"].to_numpy())
    ends = [each["area_unc_km2"].to_numpy(dtype=float) for each in (first, last)]
    units = Units(
        areas,
        np.stack([end**2 for end in ends]),
        {},
        last["year"].to_numpy() - first["year"].to_numpy(),
        np.ones(glaciers, np.bool_),
    )
    table = units.measured()
    for column in ("glacier_name", "glacier_id", "country"):
        table[column] = last[column]
    for column, each in (("before_date", first), ("after_date", last)):
        table[column] = [str(day_of(year)) for year in each["year"]]
    table["dates"] = rows.groupby("rank", sort=True).size().to_numpy()
    both = (first["unc_source"] == STATED) & (last["unc_source"] == STATED)
    table["unc_source"] = np.where(both, STATED, USUAL)
    fast = table["pct_per_year"].abs() > defaults.RATE_PLAUSIBLE_PCT
    table["note"] = np.where(fast, OTHER_EXTENT, "")
    slopes = np.array([_trend_pct(part) for _, part in rows.groupby("rank", sort=True)])
    for place, column in enumerate(TREND):
        table[column] = slopes[:, place]
    return table[list(COLUMNS)]


def _trend_pct(part: pd.DataFrame) -> tuple[float, float, float]:
    """Sen's slope and its interval in per cent of the first area a year; NaN of too few dates."""
    if len(part) < defaults.TREND_DATES_MIN:
        return (np.nan, np.nan, np.nan)
    days = np.rint(part["year"].to_numpy() * defaults.DAYS_PER_YEAR).astype(np.int64)
    found = trend(
        part["area_km2"].to_numpy(), days, confidence=defaults.CONFIDENCE_PCT / 100, correction="none"
    )
    scale = 100 * defaults.DAYS_PER_YEAR / float(part["area_km2"].iloc[0])
    slope, low, high = (float(each) * scale for each in (found.slope, found.low, found.high))
    return (slope, low if np.isfinite(low) else np.nan, high if np.isfinite(high) else np.nan)
