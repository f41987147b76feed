"""What changed between two inventories, and whether it can be told from what both may be wrong by.

The unit is the cluster of outlines that hang together by overlaps (:mod:`.links`): inside one, divides may
lie elsewhere and glaciers split or grow together without a change of area.

What is counted how:

- *random* parts (edges of outlines) add up in quadrature, over glaciers and over both dates;
- *common* parts (threshold, debris, snow of the season; another person's way of drawing) are alike in all
  glaciers of one date and add up one by one there; the two dates stand in quadrature, because every scene has
  its own haze, light and snow. They are therefore not taken off each other, even for equal methods;
- a divide between two glaciers of one layer is no edge of ice, and is left out; a line drawn alike on both
  dates (a copied margin) is counted once, not twice;
- a glacier that vanished may still be as large as the smallest that is mapped; one that is new may have been
  there unnoticed or be snow, so that no gain is told from it;
- what was hidden on one date, or lies outside its frame, is taken for unchanged; the bounds reach from none
  of it being ice to all, and widen the interval beyond its 95 %.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import change_defaults as defaults
from bluepeace_gis.analyses.glaciers.links import DEGREES, Overlay, table_of
from bluepeace_gis.analyses.glaciers.outlined import Edges, Outlines, day_of
from bluepeace_gis.analyses.glaciers.sums import (
    AFTER,
    BEFORE,
    HIDDEN_AFTER,
    HIDDEN_BEFORE,
    INTERVALS,
    KINDS,
    MEASURES,
    MORE_AFTER,
    MORE_BEFORE,
    PER_KM2,
    Counts,
    Units,
    added,
    divided,
    whole_parts,
)
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo import zones as polygons
from bluepeace_gis.geo.areas import M2_PER_KM2, polygon_areas_m2
from bluepeace_gis.geo.turns import cut_at_180, turned

log = logging.getLogger(__name__)

Reals = NDArray[np.float64]
Shapes = NDArray[Any]
Kind = Literal["gamdam", "methods", "settings", "cells", "season"]

KEPT, SPLIT, MERGED, REARRANGED, VANISHED, NEW = "kept", "split", "merged", "rearranged", "vanished", "new"
# Of these nothing can be said: seen on one date only, or not later than before.
OUTSIDE, HIDDEN, NO_TIME = "outside the other frame", "hidden", "no time between"

GEOMETRY_TYPES: Final = {"change": "MultiPolygon", "before": "MultiPolygon", "after": "MultiPolygon"}
CLUSTER_COLUMNS: Final = (
    *MEASURES, "cluster_id", "name", "status", "n_before", "n_after", "before_ids", "after_ids",
    "before_date", "after_date", *INTERVALS,
)  # fmt: skip
ALL, OUTSIDE_ZONES = "all", "outside all zones"


@dataclass(frozen=True)
class Definition:
    """Why a difference of two layers is not change.

    Parameters
    ----------
    kind : str
        "gamdam", "methods", "settings", "cells" or "season".
    reason : str
        A sentence.
    """

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Change:
    """What changed.

    Parameters
    ----------
    clusters : GeoDataFrame
        :data:`CLUSTER_COLUMNS` and the outline of both dates, EPSG:4326, largest first.
    before, after : GeoDataFrame
        The outlines with ``id``, ``cluster_id``, ``date``, ``area_km2``, EPSG:4326.
    links : DataFrame
        See :func:`.links.links`; ``cluster_id`` is that of ``clusters``.
    totals : DataFrame
        ``zone``, :data:`MEASURES`, counts and :data:`INTERVALS`; the first row is "all".
    size_classes : DataFrame
        The same by area on the first date.
    definitions : (Definition, ...)
        What stands between the two layers and an answer, where it was accepted.
    notes : (str, ...)
        What a reader of the numbers must know.
    """

    clusters: gpd.GeoDataFrame
    before: gpd.GeoDataFrame
    after: gpd.GeoDataFrame
    links: pd.DataFrame
    totals: pd.DataFrame
    size_classes: pd.DataFrame
    definitions: tuple[Definition, ...]
    notes: tuple[str, ...]

    @property
    def total(self) -> dict[str, Any]:
        """The row of all glaciers."""
        return {str(name): value for name, value in self.totals.iloc[0].items()}


def glacier_change(
    before: Outlines,
    after: Outlines,
    *,
    zones: gpd.GeoDataFrame | None = None,
    zone_field: str | None = None,
    accept_definition: bool = False,
) -> Change:
    """Compare two inventories.

    Parameters
    ----------
    before, after : Outlines
        From :func:`.outlined.outlines`.
    zones : polygons, optional
        Basins or countries to add up by; ``zone_field`` names them.
    accept_definition : bool
        Whether to go on although the two layers do not mean the same by a glacier.

    Returns
    -------
    Change

    Raises
    ------
    BadInput
        If the second layer is not later than the first, the two define glaciers differently (and that is
        not accepted), nothing of them can be compared, or no zone reaches them.

    Notes
    -----
    See the module for what is counted how. The random part of outlines that do not state theirs is
    sigma * sqrt(margin * correlation length) with 10 m and 300 m, the common part 10 m along the margin;
    see ``change_defaults``. ``change_km2`` is ``area_after - area_before + hidden_after - hidden_before``.
    """
    _require_later(before, after)
    definitions = differences(before, after)
    if definitions and not accept_definition:
        raise BadInput(
            " ".join(each.reason for each in definitions)
            + " Compare inventories made alike and years apart, or say --accept-definition: the note will "
            "stand on the product."
        )
    found = _Pair.of(before, after)
    units = found.units()
    clusters = found.described(units.measured())
    comparable = units.where(units.comparable)
    if not len(comparable):
        raise BadInput(
            f"None of the {len(clusters)} glaciers was seen on both dates, the second later than the first; "
            "expected layers of one place. Check their places and dates."
        )
    totals = _totals(found, units, zones, zone_field)
    classes = _by_size(comparable)
    _warn(clusters)
    return Change(
        clusters.sort_values("cluster_id", kind="stable").reset_index(drop=True),
        found.layer(before, found.overlay.before_cluster),
        found.layer(after, found.overlay.after_cluster),
        table_of(found.overlay, before.names, after.names),
        totals,
        classes,
        definitions,
        tuple(each.reason for each in definitions) + _notes(clusters),
    )


def differences(before: Outlines, after: Outlines) -> tuple[Definition, ...]:
    """Find what the two layers mean differently by a glacier.

    Parameters
    ----------
    before, after : Outlines

    Returns
    -------
    tuple of Definition
        Empty where nothing speaks against comparing them.
    """
    found = []
    if before.of_gamdam != after.of_gamdam:
        which, other = ("before", "after") if before.of_gamdam else ("after", "before")
        found.append(
            Definition(
                "gamdam",
                f"The layer {which} is RGI 7.0 of region 13: it comes from one source (GAMDAM2, images about "
                f"the year 2000), which leaves out thin ice on headwalls that the layer {other} may count. "
                "Their difference is another definition first, and change second.",
            )
        )
    elif before.of_ours != after.of_ours:
        which, other = ("before", "after") if before.of_ours else ("after", "before")
        found.append(
            Definition(
                "methods",
                f"The layer {which} was mapped by bluepeace, the layer {other} by somebody else, maybe with "
                "other rules for debris, snow and shadow. Their difference is method and change together.",
            )
        )
    settings = _settings(before, after)
    if settings:
        found.append(
            Definition(
                "settings",
                f"The two layers were mapped with other settings ({'; '.join(settings[:3])}): part of their "
                "difference is the method.",
            )
        )
    if before.cell_m and after.cell_m:
        low, high = sorted((before.cell_m, after.cell_m))
        if high > defaults.CELL_TIMES * low:
            found.append(
                Definition(
                    "cells",
                    f"The layer before was mapped from cells of {before.cell_m:g} m, the layer after from "
                    f"{after.cell_m:g} m: coarse cells make some per cent more or less ice of the same "
                    "glacier.",
                )
            )
    first, last = _mean_years(before, after)
    if last - first < defaults.YEARS_MIN:
        found.append(
            Definition(
                "season",
                f"Between the layers lie {(last - first) * defaults.DAYS_PER_YEAR:.0f} days: the snow of the "
                "season and the hands that drew them differ more than the glaciers.",
            )
        )
    return tuple(found)


def _settings(before: Outlines, after: Outlines) -> list[str]:
    """List the constants of our own method that differ, and the smallest glacier."""
    if not (before.of_ours and after.of_ours):
        return []
    one, other = (each.method.get("defaults") or {} for each in (before, after))
    found = [
        f"{name} {one[name]} and {other[name]}"
        for name in sorted(set(one) & set(other))
        if one[name] != other[name]
    ]
    if before.area_min_km2 != after.area_min_km2:
        found.insert(0, f"smallest glacier {before.area_min_km2:g} and {after.area_min_km2:g} km2")
    return found


def _mean_years(*layers: Outlines) -> list[float]:
    return [float(np.average(each.year, weights=each.area_km2)) for each in layers]


def _require_later(before: Outlines, after: Outlines) -> None:
    first, last = _mean_years(before, after)
    if abs(last - first) * defaults.DAYS_PER_YEAR < 1:
        raise BadInput(
            f"Both layers are of {day_of(first)}; two dates were expected. Choose another one, or say when "
            "they were seen: --before-date, --after-date."
        )
    if last < first:
        raise BadInput(
            f"The layer before is of {day_of(first)}, the layer after of {day_of(last)}: the earlier one was "
            "expected first. Exchange them."
        )


# Two layers side by side


@dataclass(frozen=True)
class _Pair:
    """Both layers, how they hang together, and what each did not see of the other.

    shapes         of both, in degrees, on one turn
    unseen_after   (before,) of polygons: what of each outline of the first date the second could not see
    unseen_before  (after,) the other way round
    margin_m       of both: edges of ice, without divides, and lines drawn alike on both dates by half
    status         (clusters,) of str
    years          (clusters,)
    day            (2, clusters) decimal years
    """

    before: Outlines
    after: Outlines
    overlay: Overlay
    shapes: tuple[Shapes, Shapes]
    unseen_after: Shapes
    unseen_before: Shapes
    margin_m: tuple[Reals, Reals]
    status: Shapes
    years: Reals
    day: Reals

    @classmethod
    def of(cls, before: Outlines, after: Outlines) -> "_Pair":
        series = [gpd.GeoSeries(each.shapes, crs=DEGREES) for each in (before, after)]
        overlay = Overlay.of(*series)
        bounds = series[0].total_bounds
        shapes = (before.shapes, turned(after.shapes, DEGREES, bounds))
        unseen_after = _not_seen(shapes[0], shapes[1], after, overlay.before, overlay.after)
        unseen_before = _not_seen(shapes[1], shapes[0], before, overlay.after, overlay.before)
        margin_m = _margins(before, after, shapes)
        clusters = int(max(overlay.before_cluster.max(initial=0), overlay.after_cluster.max(initial=0)))
        day = np.stack(
            [
                _mean_year(each, cluster - 1, clusters)
                for each, cluster in ((before, overlay.before_cluster), (after, overlay.after_cluster))
            ]
        )
        pair = cls(
            before, after, overlay, shapes, unseen_after, unseen_before, margin_m,
            np.empty(0, object), day[1] - day[0], day,
        )  # fmt: skip
        return cls(
            before, after, overlay, shapes, unseen_after, unseen_before, margin_m,
            pair._statuses(clusters), pair.years, day,
        )  # fmt: skip

    def _members(self, clusters: int) -> tuple[Counts, Counts]:
        one, other = (
            np.bincount(each - 1, minlength=clusters)
            for each in (self.overlay.before_cluster, self.overlay.after_cluster)
        )
        return one.astype(np.int64), other.astype(np.int64)

    def _statuses(self, clusters: int) -> Shapes:
        n_before, n_after = self._members(clusters)
        status = np.full(clusters, REARRANGED, object)
        status[(n_before == 1) & (n_after == 1)] = KEPT
        status[(n_before == 1) & (n_after > 1)] = SPLIT
        status[(n_before > 1) & (n_after == 1)] = MERGED
        for alone, mine, other, word, shapes, hidden in (
            (n_after == 0, self.overlay.before_cluster, self.after, VANISHED, self.shapes[0],
             self.unseen_after),
            (n_before == 0, self.overlay.after_cluster, self.before, NEW, self.shapes[1],
             self.unseen_before),
        ):  # fmt: skip
            status[alone] = word
            place = np.flatnonzero(alone[mine - 1])  # its outlines; each is a cluster of its own
            if not len(place):
                continue
            outside = ~shapely.intersects(shapes[place], _frame(other, shapes))
            gone = shapely.area(hidden[place]) >= defaults.HIDDEN_SHARE * shapely.area(shapes[place])
            status[mine[place[gone]] - 1] = HIDDEN
            status[mine[place[outside]] - 1] = OUTSIDE
        status[(self.years <= 0) & ~np.isin(status, (OUTSIDE, HIDDEN))] = NO_TIME
        return status

    def units(self) -> Units:
        """Sum what belongs to each cluster."""
        clusters = len(self.status)
        groups = (self.overlay.before_cluster - 1, self.overlay.after_cluster - 1)
        areas = np.zeros((KINDS, clusters), np.int64)
        for row, values, side in (
            (BEFORE, self.before.area_km2, 0),
            (AFTER, self.after.area_km2, 1),
            (HIDDEN_AFTER, _km2(self.unseen_after), 0),
            (HIDDEN_BEFORE, _km2(self.unseen_before), 1),
            (MORE_BEFORE, self.before.unseen_km2, 0),
            (MORE_AFTER, self.after.unseen_km2, 1),
        ):
            np.add.at(areas[row], groups[side], whole_parts(values))
        for more, hidden in ((MORE_BEFORE, HIDDEN_BEFORE), (MORE_AFTER, HIDDEN_AFTER)):
            areas[more] = np.maximum(areas[more] - areas[hidden], 0)
        # what was too small to be mapped may be there still, or have been there before
        areas[MORE_AFTER, self.status == VANISHED] += round(self.after.area_min_km2 * PER_KM2)
        # ice does not come up where there was none: it may have been there unnoticed, all of it
        new = self.status == NEW
        areas[MORE_BEFORE, new] = np.maximum(areas[MORE_BEFORE, new], areas[AFTER, new])
        variance: list[Reals] = []
        common: dict[str, Reals] = {}
        for each, group, margin_m in zip((self.before, self.after), groups, self.margin_m, strict=True):
            random, sources = _uncertain(each, margin_m)
            variance.append(added(random**2, group, clusters))
            common |= {name: added(values, group, clusters) for name, values in sources.items()}
        comparable = ~np.isin(self.status, (OUTSIDE, HIDDEN, NO_TIME))
        return Units(areas, np.stack(variance), common, self.years, comparable)

    def described(self, measured: pd.DataFrame) -> gpd.GeoDataFrame:
        """Add to the numbers of each cluster what it is made of, and draw it."""
        clusters = len(self.status)
        n_before, n_after = self._members(clusters)
        table = measured.copy()
        looked = np.isin(self.status, (OUTSIDE, HIDDEN))
        # what nobody looked at is no area of zero
        table.loc[looked & (n_after == 0), "area_after_km2"] = np.nan
        table.loc[looked & (n_before == 0), "area_before_km2"] = np.nan
        table["cluster_id"] = np.arange(1, clusters + 1)
        table["status"] = self.status
        table["n_before"], table["n_after"] = n_before, n_after
        members: list[list[Any]] = [[] for _ in range(clusters)]
        titles = np.full(clusters, "", object)
        for side, (each, cluster, shapes) in enumerate(
            (
                (self.before, self.overlay.before_cluster, self.shapes[0]),
                (self.after, self.overlay.after_cluster, self.shapes[1]),
            )
        ):
            names: list[list[str]] = [[] for _ in range(clusters)]
            for place, number in enumerate(cluster - 1):
                names[number].append(str(each.names[place]))
                members[number].append(shapes[place])
                titles[number] = titles[number] or each.titles[place]
            table[("before_ids", "after_ids")[side]] = [", ".join(listed) for listed in names]
            known = (n_before, n_after)[side] > 0
            table[("before_date", "after_date")[side]] = [
                str(day_of(year)) if there else None
                for year, there in zip(self.day[side], known, strict=True)
            ]
        table["name"] = titles
        drawn = [_written(shapely.union_all(shapes) if len(shapes) > 1 else shapes[0]) for shapes in members]
        return gpd.GeoDataFrame(table[list(CLUSTER_COLUMNS)], geometry=drawn, crs=DEGREES)

    def layer(self, each: Outlines, cluster: Counts) -> gpd.GeoDataFrame:
        """Write the outlines of one date as a layer."""
        return gpd.GeoDataFrame(
            {
                "id": [str(name) for name in each.names],
                "cluster_id": cluster,
                "date": [str(day_of(year)) for year in each.year],
                "area_km2": each.area_km2,
            },
            geometry=[_written(shape) for shape in each.shapes],
            crs=DEGREES,
        )


def _written(shape: Any) -> Any:
    """Cut at 180 degrees, and make one kind of geometry of all."""
    whole = cut_at_180(shape)
    return shapely.multipolygons([whole]) if whole.geom_type == "Polygon" else whole


def _km2(shapes: Shapes) -> Reals:
    area = np.zeros(len(shapes))
    some = ~shapely.is_empty(shapes)
    if some.any():
        area[some] = polygon_areas_m2(gpd.GeoSeries(shapes[some], crs=DEGREES)) / M2_PER_KM2
    return area


def _mean_year(each: Outlines, cluster: NDArray[Any], clusters: int) -> Reals:
    """Average the dates of a cluster by area; where it has no outline, of the whole layer."""
    weight = np.bincount(cluster, each.area_km2, clusters)
    # from the layer's own mean, so that equal dates stay equal
    mean = float(np.average(each.year, weights=each.area_km2))
    off = np.bincount(cluster, each.area_km2 * (each.year - mean), clusters)
    years: Reals = mean + np.where(weight > 0, off / np.maximum(weight, 1e-12), 0.0)
    return years


def _frame(other: Outlines, shapes: Shapes) -> Any:
    """What a date looked at; where nobody says, the land between its glaciers."""
    if other.frame is not None:
        return _turned_one(other.frame, shapes)
    return _turned_one(
        shapely.convex_hull(shapely.multipoints(shapely.get_coordinates(other.shapes))), shapes
    )


def _turned_one(shape: Any, shapes: Shapes) -> Any:
    bounds = shapely.total_bounds(shapes)
    return turned(np.array([shape], object), DEGREES, bounds)[0]


def _not_seen(mine: Shapes, others: Shapes, other: Outlines, my_place: Counts, other_place: Counts) -> Shapes:
    """Cut out of each outline what the other date could not see, unless it has ice there all the same."""
    found = np.full(len(mine), shapely.Polygon(), object)
    if other.hidden is not None:
        cover = _turned_one(other.hidden, mine)
        shapely.prepare(cover)
        under = np.flatnonzero(shapely.intersects(cover, mine))
        found[under] = shapely.intersection(mine[under], cover)
    if other.frame is not None:
        frame = _turned_one(other.frame, mine)
        shapely.prepare(frame)
        beyond = np.flatnonzero(~shapely.covers(frame, mine))
        found[beyond] = shapely.union(found[beyond], shapely.difference(mine[beyond], frame))
    for place in np.flatnonzero(~shapely.is_empty(found)):
        linked = others[other_place[my_place == place]]
        rest = shapely.difference(found[place], shapely.union_all(linked)) if len(linked) else found[place]
        parts = shapely.get_parts(shapely.get_parts(rest))
        found[place] = shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])
    return found


# What outlines may be wrong by


def _uncertain(each: Outlines, margin_m: Reals) -> tuple[Reals, dict[str, Reals]]:
    """Give one standard deviation of the random part and of each common source, km2."""
    if each.random_km2 is not None:
        return each.random_km2, each.common_km2
    random = defaults.EDGE_M * np.sqrt(margin_m * defaults.EDGE_CORRELATION_M) / M2_PER_KM2
    return random, {f"outlines {each.what}": defaults.OFFSET_M * margin_m / M2_PER_KM2}


def _margins(before: Outlines, after: Outlines, shapes: tuple[Shapes, Shapes]) -> tuple[Reals, Reals]:
    """Measure the edges of ice of both dates, metres; 0 where a layer states its own uncertainty."""
    one, other = (
        None if each.random_km2 is not None else _margin(drawn)
        for each, drawn in zip((before, after), shapes, strict=True)
    )
    if one is None or other is None:
        first, last = (
            np.zeros(len(drawn)) if edges is None else edges.summed_m(len(drawn))
            for edges, drawn in zip((one, other), shapes, strict=True)
        )
        return first, last
    # what is drawn alike on both dates counts by half on each
    return (
        one.summed_m(len(shapes[0]), np.where(np.isin(one.key, other.key), 0.5, 1.0)),
        other.summed_m(len(shapes[1]), np.where(np.isin(other.key, one.key), 0.5, 1.0)),
    )


def _margin(shapes: Shapes) -> Edges:
    """Take the edges of outlines without those that two of one layer share: divides."""
    edges = Edges.of(shapes)
    _, place, count = np.unique(edges.key, return_inverse=True, return_counts=True)
    return edges.where(count[place] == 1)


# Tables


def _by_size(units: Units) -> pd.DataFrame:
    """Add up by the area on the first date; of what is new, by that on the second."""
    size = np.where(units.areas[BEFORE] > 0, units.areas[BEFORE], units.areas[AFTER]) / PER_KM2
    edges = np.array(defaults.SIZE_CLASSES_KM2)
    group = np.searchsorted(edges, size, side="right") - 1
    classes = len(edges)
    table = units.grouped(group, classes).measured()
    table.insert(0, "size_from_km2", edges)
    table.insert(1, "size_to_km2", [*edges[1:].tolist(), np.nan])
    table.insert(2, "clusters", np.bincount(group, minlength=classes))
    return table


def _totals(
    pair: _Pair, units: Units, zones: gpd.GeoDataFrame | None, zone_field: str | None
) -> pd.DataFrame:
    """Add up all, and each zone; zones add up to all exactly."""
    parts = units
    group, names = np.zeros(len(units), np.int64), [ALL]
    tables = []
    for attempt in range(1 if zones is None else 2):
        if attempt and zones is not None:
            parts, group, names = _by_zone(pair, units, zones, zone_field)
        told, silent = (
            parts.where(chosen).grouped(group[chosen], len(names))
            for chosen in (parts.comparable, ~parts.comparable)
        )
        table = told.measured()[[*MEASURES, *INTERVALS]]
        table.insert(0, "zone", names)
        table.insert(
            1 + len(MEASURES), "clusters", np.bincount(group[parts.comparable], minlength=len(names))
        )
        table["not_compared_before_km2"] = silent.areas[BEFORE] / PER_KM2
        table["not_compared_after_km2"] = silent.areas[AFTER] / PER_KM2
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _by_zone(
    pair: _Pair, units: Units, zones: gpd.GeoDataFrame, zone_field: str | None
) -> tuple[Units, Counts, list[str]]:
    """Cut the clusters at the borders of zones; give the parts, the zone of each, and the zones' names."""
    field = zone_field or _naming(zones)
    sides = []
    for each, cluster in (
        (pair.before, pair.overlay.before_cluster),
        (pair.after, pair.overlay.after_cluster),
    ):
        layer = gpd.GeoDataFrame(geometry=each.shapes, crs=DEGREES)
        table = polygons.shares(layer, zones, field, total_km2=each.area_km2, warn=False)
        table["country"] = table["country"].replace(polygons.NO_COUNTRY, OUTSIDE_ZONES)
        sides.append((table, cluster - 1, whole_parts(each.area_km2)))
    names = sorted(
        {name for table, _, _ in sides for name in table["country"]},
        key=lambda name: (name == OUTSIDE_ZONES, name.startswith(polygons.OVERLAP), name),
    )
    number = {name: place for place, name in enumerate(names)}
    cut = np.zeros((KINDS, len(units), len(names)), np.int64)
    for row, (table, cluster, whole) in zip((BEFORE, AFTER), sides, strict=True):
        for outline, part in table.groupby("zone", sort=True):
            place = int(str(outline))
            where = [number[name] for name in part["country"]]
            np.add.at(
                cut[row, cluster[place]], where, divided(int(whole[place]), part["area_km2"].to_numpy())
            )
    before, after, both = (_shares(each) for each in (cut[BEFORE], cut[AFTER], cut[BEFORE] + cut[AFTER]))
    # hidden ice lies where the date that saw it has it
    for row, shares in (
        (HIDDEN_BEFORE, after), (HIDDEN_AFTER, before), (MORE_BEFORE, both), (MORE_AFTER, both),
    ):  # fmt: skip
        cut[row] = _spread(units.areas[row], shares)
    owner, zone = np.nonzero(cut[BEFORE] + cut[AFTER])
    mine, theirs = before[owner, zone], after[owner, zone]
    pieces = Units(
        cut[:, owner, zone],
        np.stack([units.variance[0][owner] * mine, units.variance[1][owner] * theirs]),
        {
            name: values[owner] * (mine if name.endswith(pair.before.what) else theirs)
            for name, values in units.common.items()
        },
        units.years[owner],
        units.comparable[owner],
    )
    return pieces, zone.astype(np.int64), names


def _naming(zones: gpd.GeoDataFrame) -> str:
    """Find the column that names zones."""
    for column in ("zone", "name", "country", "basin", "outlet_id"):
        for there in zones.columns:
            if str(there).lower() == column:
                return str(there)
    listed = ", ".join(str(name) for name in zones.columns if name != zones.geometry.name)
    raise BadInput(
        f"The zones have no column that names them (zone, name, country); they have {listed or 'none'}. "
        "Choose one: --zone-field NAME."
    )


def _shares(area: Counts) -> Reals:
    total = area.sum(axis=1, keepdims=True)
    share: Reals = np.divide(area, total, out=np.zeros(area.shape), where=total > 0)
    return share


def _spread(values: Counts, shares: Reals) -> Counts:
    """Divide whole numbers (n,) by the shares of each (n, zones), without a remainder."""
    spread = np.zeros(shares.shape, np.int64)
    for place in np.flatnonzero(values):
        weights = shares[place] if shares[place].any() else np.eye(1, shares.shape[1])[0]
        spread[place] = divided(int(values[place]), weights)
    return spread


# What must be said


def _warn(clusters: gpd.GeoDataFrame) -> None:
    fast = clusters["pct_per_year"].abs() > defaults.RATE_PLAUSIBLE_PCT
    implausible = clusters[fast & (clusters["status"] != VANISHED)]
    if len(implausible):
        first = implausible.iloc[0]
        log.warning(
            "%d glaciers change by more than %g %% a year, the first %s: rather other extents than ice. Look "
            "at their outlines.",
            len(implausible), defaults.RATE_PLAUSIBLE_PCT, first["before_ids"] or first["after_ids"],
        )  # fmt: skip


def _notes(clusters: gpd.GeoDataFrame) -> tuple[str, ...]:
    """Say what could not be compared, and why."""
    found = []
    for status, text in (
        (OUTSIDE, "outside of what the other date looked at"),
        (HIDDEN, "hidden on the other date (cloud, shadow, no data)"),
        (NO_TIME, "not later in the second layer than in the first"),
    ):
        there = clusters[clusters["status"] == status]
        if len(there):
            km2 = float(there[["area_before_km2", "area_after_km2"]].max(axis=1).sum())
            found.append(f"Glaciers {text}: {len(there)} ({km2:.2f} km2), not compared, and in no sum.")
    large = clusters["area_before_km2"] > defaults.VANISHED_PLAUSIBLE_KM2
    gone = clusters[(clusters["status"] == VANISHED) & large]
    if len(gone):
        found.append(
            f"Glaciers larger than {defaults.VANISHED_PLAUSIBLE_KM2:g} km2 that are not in the second layer: "
            f"{len(gone)} (first {gone['before_ids'].iloc[0]}). Ice of that size does not melt away so "
            "soon: look whether cloud hid it, and leave it out or give its outline."
        )
    new = clusters[clusters["status"] == NEW]
    if len(new):
        found.append(
            f"Glaciers of the second date only: {len(new)} ({float(new['area_after_km2'].sum()):.2f} km2, in "
            "the sums). Ice does not come up where there was none: they are snow of that summer or were "
            "missed before, and no gain is told from them."
        )
    return tuple(found)


def frames_missing(pair: Sequence[Outlines], clusters: gpd.GeoDataFrame) -> str | None:
    """Say that nobody knows what a layer looked at, where that decides something.

    Parameters
    ----------
    pair : (before, after)
    clusters : GeoDataFrame
        Of :class:`Change`.

    Returns
    -------
    str or None
    """
    decided = clusters["status"].isin([VANISHED, NEW, OUTSIDE])
    silent = [each.what for each in pair if each.frame is None]
    if not silent or not decided.any():
        return None
    return (
        f"{'Neither layer says' if len(silent) == 2 else f'The layer {silent[0]} does not say'} what was "
        "looked at (no record of ours lies beside it). Glaciers seen on one date only "
        f"({int(decided.sum())}) were told apart by the hull of the other date's: inside they count as "
        "vanished or new, outside as not looked at."
    )
