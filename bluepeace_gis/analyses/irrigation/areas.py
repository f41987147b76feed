"""Areas of zones on the map, which add up: states to the zone, zones to larger units, those to the whole.

The arithmetic is that of :mod:`bluepeace_gis.geo.exact_sums`. The tables of change fit the same states in the
same order, and come to the same areas.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation.defaults import (
    IRRIGATED,
    NOT_IRRIGATED,
    NOT_OBSERVED,
    OUTSIDE,
    SEASONS,
    UNCERTAIN,
)
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.exact_sums import UNIT_HA, apportioned, in_units, scaled, weights
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.zones import burn, dissolved, mended

Codes = NDArray[np.uint8]
Integers = NDArray[np.int64]

M2_PER_HA: Final = 10_000.0
# Zones that share more than this part of the smaller one would count land twice.
OVERLAP_MAX: Final = 1e-3
# Cells weighed at once: their sum stays exact as a float.
STRIP_CELLS: Final = 1 << 22

ALL: Final = "all"
ZONE: Final = "zone"
# The parts of a zone in the order in which they are fitted.
_KINDS: Final = (
    "unobserved",
    "not irrigated",
    "uncertain",
    *(f"season {code}" for code in range(5)),
    "outside",
)
_FIRST_SEASON, _OUTSIDE_KIND = 3, 8
_EXTRA: Final = 2  # behind the kinds: irrigated with higher and with lower thresholds

COLUMNS: Final = (
    "year", "zone", "map_area_ha", "low_ha", "high_ha", "unobserved_pct", "uncertain_pct",
    "level", "area_ha", "not_irrigated_ha", "uncertain_ha", "unobserved_ha",
    "winter_ha", "summer_ha", "double_ha", "permanent_ha",
)  # fmt: skip


class ZoneSums:
    """Sums of a map over zones, filled strip by strip.

    Parameters
    ----------
    grid : Grid
        Of the whole map.
    zones : (n,) Polygon or MultiPolygon, with a CRS
        Beside each other, not one over the other. Several polygons of one name are one zone.
    zone_field : str
        The column with their names; without it, their index.
    group_fields : (str, ...)
        Columns with the larger units that zones belong to: country, basin.

    Raises
    ------
    BadInput
        If a column is missing, a name is missing, a zone belongs to two larger units or zones overlap.
    OutsideGrid
        If none reaches the map.
    """

    def __init__(
        self,
        grid: Grid,
        zones: gpd.GeoDataFrame,
        *,
        zone_field: str | None = None,
        group_fields: Sequence[str] = (),
    ) -> None:
        self.grid = grid
        self.group_fields = tuple(group_fields)
        self.names, self.groups, one = _named(zones, zone_field, self.group_fields)
        around = gpd.GeoSeries([grid.footprint()], crs=grid.crs)
        found, borders = dissolved(around, one, ZONE)
        self.borders = gpd.GeoSeries(borders[[found.index(name) for name in self.names]], crs=grid.crs)
        covered = [
            _polygons(part) for part in shapely.intersection(self.borders.to_numpy(), grid.footprint())
        ]
        self.area_ha = polygon_areas_m2(one.geometry) / M2_PER_HA
        self.covered_ha = polygon_areas_m2(gpd.GeoSeries(covered, crs=grid.crs)) / M2_PER_HA
        if not self.covered_ha.any():
            raise OutsideGrid(
                f"None of the {len(self.names)} zones reaches the map: {grid}; expected them to overlap. "
                "Check the CRSs of both."
            )
        _require_apart(self.names, covered)
        self._sums = np.zeros((len(self.names), len(_KINDS) + _EXTRA), np.int64)

    def add(self, row0: int, state: Codes, season: Codes, low: Codes, high: Codes) -> None:
        """Add rows of the map.

        Parameters
        ----------
        row0 : int
            The first of them on the grid.
        state, season, low, high : (rows, columns) uint8
            Whole rows; each row once.

        Raises
        ------
        BadInput
            If shapes differ or a code is none of the states or seasons.
        """
        shape = (state.shape[0], self.grid.shape[1])
        if any(each.shape != shape for each in (state, season, low, high)):
            raise BadInput(
                f"Found maps {state.shape}, {season.shape}, {low.shape} and {high.shape}; expected rows of "
                f"{shape[1]} cells of all four."
            )
        kind = _kinds(state, season)
        window = self.grid.window(row0, row0 + shape[0], 0, shape[1])
        try:
            zone = burn(self.borders, window)
        except OutsideGrid:  # these rows lie between the zones
            return
        inside = zone > 0
        number = zone[inside].astype(np.int64) - 1
        areas_m2 = self.grid.cell_areas_of(row0, row0 + shape[0], 0, shape[1])[inside]
        weight = weights(areas_m2)
        width = self._sums.shape[1]
        summed = np.bincount(number * width + kind[inside], weight, self._sums.size)
        for place, other in ((len(_KINDS), low), (len(_KINDS) + 1, high)):
            summed += np.bincount(
                number * width + place, weight * (other[inside] == IRRIGATED), self._sums.size
            )
        self._sums += summed.astype(np.int64).reshape(self._sums.shape)

    def table(self, year: int) -> pd.DataFrame:
        """List the areas of the zones, of the larger units and of all.

        Parameters
        ----------
        year : int

        Returns
        -------
        DataFrame
            ``year``, ``zone``, ``map_area_ha`` (irrigated on the map), ``low_ha``, ``high_ha`` (with
            thresholds higher and lower: no confidence interval), ``unobserved_pct``, ``uncertain_pct`` of
            the zone; then ``level`` (zone, a column of larger units, or all), ``area_ha``,
            ``not_irrigated_ha``, ``uncertain_ha``, ``unobserved_ha`` and the irrigated land by season,
            ``winter_ha`` to ``permanent_ha``. map_area, not_irrigated, uncertain and unobserved add up to
            area_ha, the geodesic area of the zone, and the rows of zones to those of larger units, to the
            last digit. What lies beyond the map is unobserved.
        """
        parts, low, high, area = self._fitted()
        rows: list[tuple[str, str]] = [(ZONE, name) for name in self.names]
        members = [np.arange(len(self.names)) == which for which in range(len(self.names))]
        for level, title in enumerate(self.group_fields):
            of = np.array([group[level] for group in self.groups], dtype=object)
            for name in dict.fromkeys(of):
                rows.append((title, name))
                members.append(of == name)
        rows.append((ALL, ALL))
        members.append(np.ones(len(self.names), np.bool_))
        chosen = np.array(members).astype(np.int64)
        parts, low, high, area = chosen @ parts, chosen @ low, chosen @ high, chosen @ area

        unseen = parts[:, 0] + parts[:, _OUTSIDE_KIND]
        seasons = parts[:, _FIRST_SEASON:_OUTSIDE_KIND]
        table = pd.DataFrame(rows, columns=["level", "zone"])
        table["year"] = year
        for name, whole in (
            ("map_area_ha", seasons.sum(axis=1)), ("low_ha", low), ("high_ha", high), ("area_ha", area),
            ("not_irrigated_ha", parts[:, 1]), ("uncertain_ha", parts[:, 2]), ("unobserved_ha", unseen),
            *((f"{SEASONS[code]}_ha", seasons[:, code]) for code in range(1, 5)),
        ):  # fmt: skip
            table[name] = whole * UNIT_HA
        table["unobserved_pct"] = 100 * unseen / np.maximum(area, 1)
        table["uncertain_pct"] = 100 * parts[:, 2] / np.maximum(area, 1)
        return table[list(COLUMNS)]

    def _fitted(self) -> tuple[Integers, Integers, Integers, Integers]:
        """Parts (zones, kinds), low, high and area (zones,) in units."""
        area = np.zeros(len(self.area_ha), np.int64)
        parts = np.zeros((len(area), len(_KINDS)), np.int64)
        low, high = np.zeros(len(area), np.int64), np.zeros(len(area), np.int64)
        for which, row in enumerate(self._sums):
            total, covered = in_units(self.area_ha[which], self.covered_ha[which])
            area[which] = total
            kinds = row[: len(_KINDS)]
            of = int(kinds.sum())
            if of == 0:  # smaller than a cell
                parts[which, 0] = covered
            else:
                parts[which] = apportioned(kinds, covered)
                low[which], high[which] = scaled(row[-_EXTRA:], of, covered)
            parts[which, _OUTSIDE_KIND] += total - covered
            irrigated = parts[which, _FIRST_SEASON:_OUTSIDE_KIND].sum()
            # each is rounded by itself; a patch or a tie may also have gone the other way
            low[which], high[which] = min(low[which], irrigated), max(high[which], irrigated)
        return parts, low, high, area


def zones_table(
    state: Codes,
    season: Codes,
    low: Codes,
    high: Codes,
    grid: Grid,
    zones: gpd.GeoDataFrame,
    *,
    year: int,
    zone_field: str | None = None,
    group_fields: Sequence[str] = (),
) -> pd.DataFrame:
    """List the irrigated areas of zones on a map.

    Parameters
    ----------
    state, season, low, high : (rows, columns) uint8
        The map, its seasons, and the states with higher and lower thresholds.
    grid : Grid
    zones, zone_field, group_fields
        As of :class:`ZoneSums`, which takes a map strip by strip.
    year : int

    Returns
    -------
    DataFrame
        As :meth:`ZoneSums.table`.

    Raises
    ------
    BadInput
        If shapes or codes are wrong, or the zones do not lie beside each other with a name each.
    OutsideGrid
        If no zone reaches the map.
    """
    if any(each.shape != grid.shape for each in (state, season, low, high)):
        raise BadInput(
            f"Found maps {state.shape}, {season.shape}, {low.shape} and {high.shape}; expected "
            f"{grid.shape}, the shape of the grid."
        )
    sums = ZoneSums(grid, zones, zone_field=zone_field, group_fields=group_fields)
    for row0, row1 in strips(grid):
        sums.add(row0, state[row0:row1], season[row0:row1], low[row0:row1], high[row0:row1])
    return sums.table(year)


def strips(grid: Grid) -> Iterator[tuple[int, int]]:
    """Cut ``grid`` into whole rows; yields first row and row behind the last of each strip."""
    rows = max(1, STRIP_CELLS // grid.shape[1])
    for row0 in range(0, grid.shape[0], rows):
        yield row0, min(row0 + rows, grid.shape[0])


def _kinds(state: Codes, season: Codes) -> NDArray[np.int64]:
    kind = np.full(state.shape, -1, np.int64)
    for number, code in enumerate((NOT_OBSERVED, NOT_IRRIGATED, UNCERTAIN)):
        kind[state == code] = number
    crop = (state == IRRIGATED) & (season < len(SEASONS) - 1)
    kind[crop] = _FIRST_SEASON + season[crop]
    kind[state == OUTSIDE] = _OUTSIDE_KIND
    if (kind < 0).any():
        wrong = int(np.flatnonzero(kind.ravel() < 0)[0])
        raise BadInput(
            f"Found a cell of state {state.ravel()[wrong]} and season {season.ravel()[wrong]}; expected "
            "states 0 to 3 or 255, and seasons 0 to 4 where irrigated."
        )
    return kind


def _named(
    zones: gpd.GeoDataFrame, zone_field: str | None, group_fields: tuple[str, ...]
) -> tuple[list[str], list[tuple[str, ...]], gpd.GeoDataFrame]:
    if len(zones) == 0:
        raise BadInput("The layer of zones is empty; expected a polygon at least.")
    for field in (*([] if zone_field is None else [zone_field]), *group_fields):
        if field not in zones.columns:
            raise BadInput(
                f"The layer of zones has no column {field}; it has {', '.join(map(str, zones.columns))}."
            )
        if zones[field].isna().any():
            raise BadInput(
                f"{int(zones[field].isna().sum())} zones have no name in {field}; expected one for each."
            )
    clash = [field for field in group_fields if field in (ZONE, ALL) or group_fields.count(field) > 1]
    if clash:
        raise BadInput(f"The larger units name {clash[0]} twice, or as the table calls zones. Rename it.")
    names = zones.index.astype(str) if zone_field is None else zones[zone_field].astype(str)
    layer = gpd.GeoDataFrame(
        {ZONE: np.asarray(names, dtype=object)},
        geometry=mended(zones.geometry, "zones").to_numpy(),
        crs=zones.crs,
    )
    groups = list(zip(*(zones[field].astype(str) for field in group_fields), strict=True)) or [()] * len(
        zones
    )
    owner: dict[str, tuple[str, ...]] = {}
    for name, group in zip(layer[ZONE], groups, strict=True):
        if owner.setdefault(name, group) != group:
            raise BadInput(
                f"Zone {name} belongs to {' / '.join(owner[name])} and to {' / '.join(group)}; expected one "
                "larger unit. Name the zones by another column."
            )
    one = layer.dissolve(ZONE, sort=False).reset_index()
    return list(one[ZONE]), [owner[name] for name in one[ZONE]], one


def _polygons(shape: Any) -> Any:
    parts = shapely.get_parts(shape)
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])


def _require_apart(names: Sequence[str], shapes: Sequence[Any]) -> None:
    places = np.array(shapes, dtype=object)
    one, other = shapely.STRtree(places).query(places, predicate="intersects")
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        if first >= second:
            continue
        common = shapely.intersection(places[first], places[second]).area
        smaller = min(places[first].area, places[second].area)
        if common > OVERLAP_MAX * smaller > 0:
            raise BadInput(
                f"The zones {names[first]} and {names[second]} overlap in {100 * common / smaller:.1f} % of "
                "the smaller one; expected zones beside each other, so that they add up. Give the smaller "
                "units and name the column of the larger ones."
            )
