"""The outlines of one date as they are compared: named, dated, with what they may be wrong by."""

import calendar
import datetime as dt
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import change_defaults as defaults
from bluepeace_gis.analyses.glaciers.links import OVERLAP_MIN_M2, ids, in_degrees, valid
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import M2_PER_KM2, polygon_areas_m2
from bluepeace_gis.geo.crs import horizontal
from bluepeace_gis.geo.ellipsoid import Ellipsoid

log = logging.getLogger(__name__)

Reals = NDArray[np.float64]
Shapes = NDArray[Any]

# The first of these that names each glacier once is taken for its name.
ID_COLUMNS: Final = ("rgi_id", "RGIId", "glims_id", "glac_id", "GLIMSId", "id", "name", "glac_name", "Name")
TITLE_COLUMNS: Final = ("glac_name", "Name", "name")
# RGI 7, ours and GLIMS; RGI 5 and 6 state when the images begin and end.
DATE_COLUMNS: Final = ("src_date", "date", "BgnDate")
LAST_DATE_COLUMN: Final = "EndDate"
# Rows of GLIMS that are no ice: rock within a glacier, ponds, lines of debris.
GLIMS_KIND, GLIMS_GLACIER = "line_type", "glac_bound"
# RGI 7.0 of region 13 (Central Asia) is GAMDAM2, which leaves out thin ice of headwalls.
GAMDAM: Final = re.compile(r"RGI2000-v7\.0-[GC]-13-")

_PER_DEGREE: Final = 1e9  # a tenth of a millimetre
_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_UNKNOWN: Final = "99"  # a month or a day in RGI 5 and 6


@dataclass(frozen=True)
class Outlines:
    """Glaciers of one inventory.

    Parameters
    ----------
    what : str
        "before" or "after", for messages.
    names : (n,) of str or int
    shapes : (n,) Polygon or MultiPolygon
        Valid, longitude and latitude in EPSG:4326; beyond 180 where they go on there.
    layer : GeoDataFrame
        As it came, valid, in its own CRS.
    area_km2 : (n,) float64, km2
        On the ellipsoid, in the CRS it came in.
    year : (n,) float64
        When each was seen, as a decimal year.
    random_km2 : (n,) float64 or None
        One standard deviation of what averages out over glaciers; None where the layer does not say.
    common_km2 : {source: (n,) float64}
        Standard deviations of what is alike in all glaciers of the layer.
    unseen_km2 : (n,) float64
        Ground beside each glacier that may hide more of it.
    hidden : Polygon or MultiPolygon or None
        What was not seen, in EPSG:4326.
    frame : Polygon or MultiPolygon or None
        What was looked at, in EPSG:4326; None where nobody says.
    method : {name: value}
        How they were mapped, of our own records; empty for others.
    cell_m : float or None
        Size of the cells they were mapped from.
    area_min_km2 : float
        What is smaller is not there.
    titles : (n,) of str
        What people call each glacier; empty where nobody says.
    """

    what: str
    names: Shapes
    shapes: Shapes
    layer: gpd.GeoDataFrame
    area_km2: Reals
    year: Reals
    random_km2: Reals | None
    common_km2: dict[str, Reals]
    unseen_km2: Reals
    hidden: Any = None
    frame: Any = None
    method: Mapping[str, Any] = field(default_factory=dict)
    cell_m: float | None = None
    area_min_km2: float = defaults.AREA_MIN_KM2
    titles: Shapes = field(default_factory=lambda: np.empty(0, object))

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def of_ours(self) -> bool:
        """Whether a record of ours tells how they were mapped."""
        return bool(self.method)

    @property
    def of_gamdam(self) -> bool:
        """Whether they are those of RGI 7.0 in region 13."""
        return any(GAMDAM.match(str(name)) for name in self.names)


def outlines(
    layer: gpd.GeoDataFrame,
    what: str,
    *,
    date: dt.date | None = None,
    uncertainties: pd.DataFrame | None = None,
    hidden: gpd.GeoSeries | None = None,
    frame: Any = None,
    method: Mapping[str, Any] | None = None,
    cell_m: float | None = None,
    area_min_km2: float | None = None,
) -> Outlines:
    """Read a layer of outlines: names, dates, areas and what they may be wrong by.

    Parameters
    ----------
    layer : (n,) Polygon or MultiPolygon, with a CRS
        Of RGI 5 to 7, GLIMS, ours, or any other with dates.
    what : "before" or "after"
    date : date, optional
        Of all outlines; without it that of each, from ``src_date``, ``date`` or ``BgnDate``.
    uncertainties : DataFrame, optional
        The table of that name of our own product: what the errors of its glaciers are made of.
    hidden : GeoSeries of polygons, optional
        Ground that was not seen: cloud, shadow, no data.
    frame : polygon in EPSG:4326, optional
        What was looked at.
    method : mapping, optional
        How our own product was made.
    cell_m, area_min_km2 : float, optional

    Returns
    -------
    Outlines

    Raises
    ------
    UnknownCrs
        Without a CRS.
    BadInput
        If there are other geometries than polygons, none at all, dates missing or not to be read, or
        polygons that count ice twice.
    """
    if layer.empty:
        raise BadInput(f"The layer {what} holds no outlines. Choose another file or layer.")
    _require_glaciers_only(layer, what)
    mended = layer.assign(**{layer.geometry.name: valid(layer.geometry, f"glaciers {what}")})
    area_km2 = polygon_areas_m2(mended.geometry) / M2_PER_KM2
    if not (area_km2 > 0).all():
        raise BadInput(
            f"The layer {what} has {int((area_km2 <= 0).sum())} outlines without an area, the first at "
            f"position {int(np.flatnonzero(area_km2 <= 0)[0])}. Leave them out."
        )
    names = _names(mended, what)
    shapes = in_degrees(mended.geometry).to_numpy()
    _require_counted_once(shapes, area_km2, what)
    random_km2, common_km2, unseen_km2 = _uncertainties(mended, what, uncertainties)
    cover = None
    if hidden is not None and len(hidden):
        cover = shapely.union_all(in_degrees(valid(hidden, f"parts not seen {what}")).to_numpy())
    return Outlines(
        what, names, shapes, mended, area_km2, _years(mended, what, date), random_km2, common_km2,
        unseen_km2, cover, frame, dict(method or {}), cell_m,
        defaults.AREA_MIN_KM2 if area_min_km2 is None else area_min_km2, _titles(layer),
    )  # fmt: skip


@dataclass(frozen=True)
class Edges:
    """The edges of outlines.

    Parameters
    ----------
    owner : (m,) int64
        The outline each belongs to.
    length_m : (m,) float64, metres
    key : (m,) uint64
        Alike for edges between the same two points, whichever way they are drawn.
    """

    owner: NDArray[np.int64]
    length_m: Reals
    key: NDArray[np.uint64]

    @classmethod
    def of(cls, shapes: Shapes) -> "Edges":
        """Take outlines apart and measure their edges on the ellipsoid.

        Parameters
        ----------
        shapes : (n,) Polygon or MultiPolygon, in EPSG:4326
            Edges short against the Earth.

        Returns
        -------
        Edges

        Notes
        -----
        Lengths by the radii of curvature in the middle of each edge: to 1e-6 for edges of a kilometre.
        Points within a tenth of a millimetre are one.
        """
        parts, shape = shapely.get_parts(shapes, return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        places, ring = shapely.get_coordinates(rings, return_index=True)
        start = np.flatnonzero(ring[1:] == ring[:-1])
        length_m = _lengths_m(places[start], places[start + 1])
        points = np.rint(places * _PER_DEGREE).astype(np.int64)
        ends = np.asarray(pd.util.hash_pandas_object(pd.DataFrame(points), index=False), np.uint64)
        one, other = np.minimum(ends[start], ends[start + 1]), np.maximum(ends[start], ends[start + 1])
        pairs = pd.DataFrame({"one": one, "other": other})
        key = np.asarray(pd.util.hash_pandas_object(pairs, index=False), np.uint64)
        return cls(shape[part[ring[start]]].astype(np.int64), length_m, key)

    def where(self, chosen: NDArray[np.bool_]) -> "Edges":
        """Take those that are ``chosen`` (m,)."""
        return Edges(self.owner[chosen], self.length_m[chosen], self.key[chosen])

    def summed_m(self, outlines_: int, weight: Reals | float = 1.0) -> Reals:
        """Add up the lengths of each outline.

        Parameters
        ----------
        outlines_ : int
            How many there are.
        weight : float or (m,) float

        Returns
        -------
        (outlines_,) float64, metres
        """
        total: Reals = np.bincount(self.owner, self.length_m * weight, outlines_).astype(np.float64)
        return total


def lengths_m(lines: Shapes) -> Reals:
    """Measure lines on the ellipsoid.

    Parameters
    ----------
    lines : (n,) of lines and other geometries, in EPSG:4326
        Edges short against the Earth; points have no length, of polygons the boundary is measured.

    Returns
    -------
    (n,) float64, metres

    Notes
    -----
    Each edge by the radii of curvature in its middle: to 1e-6 for edges of a kilometre.
    """
    parts, owner = shapely.get_parts(lines, return_index=True)
    parts = np.where(shapely.get_dimensions(parts) == 2, shapely.boundary(parts), parts)
    single, of = shapely.get_parts(parts, return_index=True)
    places, line = shapely.get_coordinates(single, return_index=True)
    start = np.flatnonzero(line[1:] == line[:-1])
    length = _lengths_m(places[start], places[start + 1])
    total: Reals = np.bincount(owner[of[line[start]]], length, len(lines)).astype(np.float64)
    return total


def _lengths_m(start: Reals, end: Reals) -> Reals:
    """Measure edges between points (n, 2) in degrees by the radii of curvature in the middle, metres."""
    step = np.radians(end - start)
    latitude = np.radians((start[:, 1] + end[:, 1]) / 2)
    earth = Ellipsoid.of("EPSG:4326")
    squeezed = 1 - earth.eccentricity2 * np.sin(latitude) ** 2
    across = earth.semi_major_m / np.sqrt(squeezed) * np.cos(latitude) * step[:, 0]
    along = earth.semi_major_m * (1 - earth.eccentricity2) / squeezed**1.5 * step[:, 1]
    length: Reals = np.hypot(across, along)
    return length


def decimal_year(day: dt.date) -> float:
    """Write a date as a decimal year, of years of 365.25 days from 2000 on and back."""
    return 2000.0 + (day - dt.date(2000, 1, 1)).days / defaults.DAYS_PER_YEAR


def day_of(year: float) -> dt.date:
    """Return the date of a decimal year."""
    return dt.date(2000, 1, 1) + dt.timedelta(days=round((year - 2000.0) * defaults.DAYS_PER_YEAR))


def date_of(text: Any, *, last: bool = False) -> dt.date | None:
    """Read a date as inventories write it.

    Parameters
    ----------
    text : anything
        2003-07-30, 2003-07-30T00:00:00, 20030730, 20030799 (a day of July), 20039999, 2003; dates.
    last : bool
        Whether an unknown day or month is taken at the end of the time it may be in, not at its start.

    Returns
    -------
    date or None
        None where it cannot be read.
    """
    if text is None or (isinstance(text, float) and not math.isfinite(text)) or text is pd.NaT:
        return None
    if isinstance(text, dt.datetime):
        return text.date()
    if isinstance(text, dt.date):
        return text
    if isinstance(text, int | float | np.number):
        text = str(int(text))
    said = str(text).strip()
    compact = _COMPACT.fullmatch(said)
    if compact or re.fullmatch(r"\d{4}", said):
        year, month, day = compact.groups() if compact else (said, _UNKNOWN, _UNKNOWN)
        months, days = (12, 31) if last else (1, 1)
        if month != _UNKNOWN:
            months = int(month)
            days = _days_in(int(year), months) if last else 1
        if _UNKNOWN not in (day, month):
            days = int(day)
        said = f"{year}-{months:02}-{days:02}"
    try:
        return dt.datetime.fromisoformat(said.replace(" ", "T", 1)).date()
    except ValueError:
        return None


def _days_in(year: int, month: int) -> int:
    """Count the days of a month; 0 of what is none."""
    return calendar.monthrange(year, month)[1] if 1 <= month <= 12 and year >= 1 else 0


def _require_glaciers_only(layer: gpd.GeoDataFrame, what: str) -> None:
    if GLIMS_KIND not in layer.columns:
        return
    kinds = layer[GLIMS_KIND].fillna("").astype(str)
    others = kinds[kinds != GLIMS_GLACIER]
    if len(others):
        raise BadInput(
            f"The layer {what} holds {len(others)} polygons of GLIMS that are no outlines of glaciers "
            f"({', '.join(sorted(set(others))[:3])}). Cut rock within glaciers out of them (Difference in "
            f"QGIS), and keep the rows with {GLIMS_KIND} {GLIMS_GLACIER}."
        )


def _names(layer: gpd.GeoDataFrame, what: str) -> Shapes:
    for column in ID_COLUMNS:
        if column in layer.columns and layer[column].notna().all() and layer[column].is_unique:
            return ids(layer, column, what)
    said = [column for column in ("rgi_id", "RGIId") if column in layer.columns]
    if said:  # of an inventory: a name there twice is the same glacier twice
        return ids(layer, said[0], what)
    return np.array([str(number) for number in range(1, len(layer) + 1)], object)


def _titles(layer: gpd.GeoDataFrame) -> Shapes:
    column = next((name for name in TITLE_COLUMNS if name in layer.columns), None)
    if column is None:
        return np.full(len(layer), "", object)
    return np.array([str(each).strip() if isinstance(each, str) else "" for each in layer[column]], object)


def _years(layer: gpd.GeoDataFrame, what: str, date: dt.date | None) -> Reals:
    if date is not None:
        return np.full(len(layer), decimal_year(date))
    column = next((name for name in DATE_COLUMNS if name in layer.columns), None)
    if column is None:
        raise BadInput(
            f"The layer {what} has no dates: a column src_date was expected. Say when its glaciers were "
            f"seen: --{what}-date 2003-08-30."
        )
    found = [date_of(each) for each in layer[column]]
    missing = [place for place, each in enumerate(found) if each is None]
    if missing:
        said = layer[column].iloc[missing[0]]
        raise BadInput(
            f"The layer {what} has {len(missing)} of {len(layer)} glaciers without a date in {column} that "
            f"can be read, the first {said!r}; expected 2003-08-30. Fill them in, or give one for all: "
            f"--{what}-date 2003-08-30."
        )
    years = np.array([decimal_year(each) for each in found if each is not None])
    ends = [date_of(each, last=True) for each in layer[column]]
    if LAST_DATE_COLUMN in layer.columns:
        late = [date_of(each, last=True) for each in layer[LAST_DATE_COLUMN]]
        ends = [one if one is not None else other for one, other in zip(late, ends, strict=True)]
    last = np.array([decimal_year(each) for each in ends if each is not None])
    middle: Reals = (years + np.maximum(last, years)) / 2  # a month or a span of images: its middle
    return middle


def _uncertainties(
    layer: gpd.GeoDataFrame, what: str, parts: pd.DataFrame | None
) -> tuple[Reals | None, dict[str, Reals], Reals]:
    """Take the columns of our own product apart: what averages out, what is common, what was unseen."""
    nothing = np.zeros(len(layer))

    def column(name: str) -> Reals:
        if name not in layer.columns:
            return nothing
        numbers = pd.to_numeric(layer[name], errors="coerce").to_numpy(dtype=float)
        usable: Reals = np.where(np.isfinite(numbers) & (numbers > 0), numbers, 0.0)
        return usable

    unseen, total = column("unseen_km2"), column("area_unc_km2")
    if not (total > 0).any():
        return None, {}, unseen
    edge, snow = column("edge_unc_km2"), column("snow_unc_km2")
    # threshold, debris: whatever else the total holds is the method's, and alike in all its glaciers
    rest = total**2 - edge**2 - snow**2 - _unseen_unc(layer, unseen, parts) ** 2
    common = {"outlines": np.sqrt(np.maximum(rest, 0.0)), "snow": snow}
    return edge, {f"{name} {what}": values for name, values in common.items()}, unseen


def _unseen_unc(layer: gpd.GeoDataFrame, unseen: Reals, parts: pd.DataFrame | None) -> Reals:
    """Give the standard deviation of what was not seen, km2: of the table, else of any share of it."""
    evenly: Reals = unseen / math.sqrt(12)
    if parts is None or "rgi_id" not in layer.columns or not {"rgi_id", "unseen_unc_km2"} <= set(parts):
        return evenly
    told = parts.drop_duplicates("rgi_id").set_index("rgi_id")["unseen_unc_km2"].reindex(layer["rgi_id"])
    numbers = pd.to_numeric(told, errors="coerce").to_numpy(dtype=float)
    known: Reals = np.where(np.isfinite(numbers) & (numbers >= 0), numbers, evenly)
    return known


def _require_counted_once(shapes: Shapes, area_km2: Reals, what: str) -> None:
    """Refuse polygons that lie over each other; a little is said, not refused."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    near = ~shapely.touches(shapes[one], shapes[other])
    one, other = one[near], other[near]
    if len(one) == 0:
        return
    twice = shapely.intersection(shapes[one], shapes[other])
    kept = np.isin(shapely.get_type_id(twice), (3, 6))
    twice_km2 = polygon_areas_m2(gpd.GeoSeries(twice[kept], crs=horizontal("EPSG:4326"))) / M2_PER_KM2
    both = twice_km2 > OVERLAP_MIN_M2 / M2_PER_KM2
    shared_km2, whole_km2 = float(twice_km2[both].sum()), float(area_km2.sum())
    if shared_km2 > defaults.OVERLAP_SHARE * whole_km2:
        raise BadInput(
            f"Outlines of the layer {what} lie over each other: {shared_km2:.3g} of {whole_km2:.4g} km2 "
            "would be counted twice. If they are of several dates, give those of one; else dissolve them or "
            "cut them apart."
        )
    if shared_km2 > 0:
        log.warning(
            "%.3g km2 of the layer %s lie in two outlines and count twice (%.2g %% of its area).",
            shared_km2, what, 100 * shared_km2 / whole_km2,
        )  # fmt: skip
