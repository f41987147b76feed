"""Where rivers cross borders, where they run along them, and whose land lies upstream of each crossing.

The rule, in the order in which it is applied
---------------------------------------------
**Rivers.** The channel cells form a tree. It is divided into rivers, each from its source to its
mouth: at a confluence the one with the most land upstream goes on, the others end there. So each cell
is judged once, however many tributaries send their water through it. The larger river is judged first.
To judge its first and last stretch a river is followed up to the divide and down to where its water
ends, beyond the basins; nothing found there is reported.

**On the border.** With the distance T (``border_m``; by default 100 m, but at least three cells): a cell
is on the border A|B if A and B are the nearest two countries and neither is farther than T from its
centre (the country it lies in is at 0). So a gap or an overlap between two polygons is a border too.
A cell in several countries counts for the first by name; one in none, for no country.

**Stays.** A river stays in a country for as long as its cells lie there and not on a border, if that is
at least 5 T of its way (what is shorter is a meander of a border river). Its last stretch is a stay
however short, because the river goes on beyond the surface, ends in a lake of that country, or joins a
river that stays there.

**Border reaches.** Between two stays lies a run. Its stretches along one border A|B (gaps and other
borders shorter than 5 T are part of them) are border reaches if at least 10 T of them are on a border;
a shorter stretch is a river that crosses or touches, or that crosses a narrow strip of land. Where a
reach adjoins a stay it begins and ends at the cell nearest to the border (to T / 100) among the first
and last 2 T, not where it comes within T.

**Crossings.** Between a stay in A and the next one in another country B lies exactly one crossing from A
to B. It lies where the river leaves A for good: at the lower end of the last border reach that has A on
one side, else on the border below the last cell in A. Between two stays in A there is none.
Land in no country is no stay: a river from A through a gap into B crosses once, from A to B.

**Tributaries.** A river that flows into another one stays, from there on, where that one stays. If
that one is on a border reach, the tributary has arrived at the border: it does not cross, unless it
comes from a third country.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from bluepeace_gis.analyses.basins import defaults
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo import zones
from bluepeace_gis.geo.drainage import Drainage
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.kernels import crossings as kernels
from bluepeace_gis.kernels import streams
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

GEOMETRY_TYPES: Final = {"crossings": "Point", "border_reaches": "LineString"}

NOWHERE: Final = -1  # in no country; on no border
_FIRST_BORDER: Final = -2  # a border's number b is kept as -2 - b where countries are numbered too


@dataclass(frozen=True)
class _Rule:
    """The distances of the rule, m."""

    border_m: float

    @property
    def stay_m(self) -> float:
        return defaults.STAY_DISTANCES * self.border_m

    @property
    def reach_m(self) -> float:
        return defaults.REACH_DISTANCES * self.border_m

    @property
    def trim_m(self) -> float:
        return defaults.TRIM_DISTANCES * self.border_m


@dataclass(frozen=True)
class _Countries:
    """Countries on a grid, in cells from the corner of its first cell.

    names  (m,)  sorted
    land   (m,)  polygons
    edges  (k, 4)  start and end of each edge near the grid
    owner  (k,)  the country of each edge
    tree         of the edges
    """

    names: list[str]
    land: NDArray[Any]
    edges: Reals
    owner: Indices
    tree: Any

    def border(self, one: Indices, other: Indices) -> Indices:
        """Number the borders between countries."""
        numbers: Indices = np.minimum(one, other) * len(self.names) + np.maximum(one, other)
        return numbers

    def of_border(self, border: int) -> tuple[int, int]:
        """Tell the two countries of a border."""
        return divmod(border, len(self.names))


@dataclass(frozen=True)
class _Sides:
    """Of cells (n,): the country or NOWHERE; the border or NOWHERE; the distance to it, m, or infinite."""

    country: Indices
    border: Indices
    away_m: Reals

    def then(self, other: "_Sides") -> "_Sides":
        return _Sides(
            np.concatenate([self.country, other.country]),
            np.concatenate([self.border, other.border]),
            np.concatenate([self.away_m, other.away_m]),
        )

    def at(self, places: Indices) -> "_Sides":
        return _Sides(self.country[places], self.border[places], self.away_m[places])


@dataclass(frozen=True)
class _Stretch:
    """Cells ``start`` to ``stop - 1`` of a river, and its country or border."""

    start: int
    stop: int
    where: int


@dataclass(frozen=True)
class _Judged:
    """What was found on one river (n cells).

    state     (n,)  the country the river is in, NOWHERE, or the border reach as -2 - border
    crossings       (place of the last cell upstream of it, from, to, whether it ends a border reach)
    reaches         their first and last cells, and the border
    """

    state: Indices
    crossings: list[tuple[int, int, int, bool]]
    reaches: list[_Stretch]


def trace_borders(
    drainage: Drainage,
    zone: NDArray[np.int32],
    countries: gpd.GeoDataFrame | None,
    country_field: str | None,
    *,
    streams_km2: float,
    border_m: float | None = None,
) -> dict[str, Any]:
    """Find where rivers cross borders and where they run along them.

    The rule stands at the head of this module.

    Parameters
    ----------
    drainage : Drainage
    zone : (rows, columns) int32
        ``outlet_id`` of the first outlet downstream, 0 for none: the basins.
    countries : (m,) Polygon or MultiPolygon, with a CRS, or None
        One set of boundaries for all countries; several features with one name are one country.
    country_field : str or None
        The column of ``countries`` with their names.
    streams_km2 : float, km2
        Upstream area from which a cell is a channel.
    border_m : float, m, optional
        How far a river and the border it runs along or crosses may lie apart; without it 100 m, but at
        least three cells.

    Returns
    -------
    {name: GeoDataFrame or DataFrame}
        ``crossings``: crossing_id, from_country, to_country, upstream_km2, outlet_id, downstream_id (the
        next crossing on the way of the water, 0 for none), points.
        ``border_reaches``: reach_id, country_a, country_b (by name), length_km, upstream_km2 at the lower
        end, outlet_id, lines downstream. ``crossing_shares``: crossing_id, country, area_km2, share_pct:
        whose land lies upstream of each crossing; the rows of one add up to its ``upstream_km2`` and to
        100 exactly. Ids count from the largest upstream area to the smallest, of equal ones by row and
        column, so ``downstream_id`` is always smaller than ``crossing_id``; areas and lengths are on the
        ellipsoid. All are empty without countries.

    Raises
    ------
    BadInput
        If ``border_m`` is no distance, names are missing, or geometries are not polygons.
    UnknownCrs
        If ``countries`` has no CRS.
    """
    grid = drainage.grid
    rule = _Rule(border_distance_m(grid, border_m))
    if countries is None or country_field is None or not len(countries):
        return _nothing(grid)
    known = _on_grid(countries, country_field, grid, rule)
    upstream = drainage.upstream_km2.ravel()
    inside = zone.ravel() > 0
    cells = _channels(drainage, inside, streams_km2)
    if not cells.size:
        return _nothing(grid)
    below = streams.links(drainage.direction, cells)
    start, places = kernels.main_stems(below, upstream[cells])
    sides = _sides(cells, known, grid, rule)
    found = _Search(drainage, known, rule, cells, below, start, places, sides).judge_all(inside[cells])
    return {
        **_crossing_layers(found.crossings, drainage, zone, known, countries, country_field),
        "border_reaches": _reach_layer(found.reaches, drainage, zone, known),
    }


def border_distance_m(grid: Grid, border_m: float | None) -> float:
    """Return how far a river and the border it runs along or crosses may lie apart.

    Parameters
    ----------
    grid : Grid
    border_m : float, m, or None
        None: 100 m, but at least three cells.

    Returns
    -------
    float, m

    Raises
    ------
    BadInput
        If it is no distance, or less than a cell.
    """
    across, along = grid.cell_steps_m
    cell_m = float(max(np.median(across), np.median(along)))
    if border_m is None:
        return max(defaults.BORDER_M, defaults.BORDER_CELLS * cell_m)
    if not (border_m >= cell_m and np.isfinite(border_m)):
        raise BadInput(
            f"--border-m is {border_m:g}; expected at least one cell, {cell_m:.4g} m: a river's place is "
            "not known to less. Give a larger distance, or leave it out."
        )
    return border_m


def _on_grid(countries: gpd.GeoDataFrame, country_field: str, grid: Grid, rule: _Rule) -> _Countries:
    """Draw the countries in cells of the grid."""
    reach = _reach_cells(grid, rule)
    rows, columns = grid.shape
    near = shapely.box(-reach, -reach, columns + reach, rows + reach)
    sheet = shapely.transform(near, lambda at: np.column_stack(apply(grid.transform, at[:, 0], at[:, 1])))
    names, shapes = zones.dissolved(gpd.GeoSeries([sheet], crs=grid.crs), countries, country_field)
    inverse = ~grid.transform
    land = shapely.transform(shapes, lambda at: np.column_stack(apply(inverse, at[:, 0], at[:, 1])))
    edges, owner = _edges(land, near.bounds)
    tree = shapely.STRtree(shapely.linestrings(edges.reshape(-1, 2, 2)))
    return _Countries(names, land, edges, owner, tree)


def _reach_cells(grid: Grid, rule: _Rule) -> float:
    """How many cells T is at most."""
    return rule.border_m / float(min(steps_m.min() for steps_m in grid.cell_steps_m))


def _channels(drainage: Drainage, inside: Flags, streams_km2: float) -> Indices:
    """List the channel cells of the basins, and those their water passes below: row-major, ascending."""
    with np.errstate(invalid="ignore"):
        channel: Flags = (drainage.upstream_km2.ravel() >= streams_km2) & inside
    kernels.follow(drainage.direction, np.flatnonzero(channel), channel)
    return np.flatnonzero(channel)


def _sides(cells: Indices, known: _Countries, grid: Grid, rule: _Rule) -> _Sides:
    """Tell for each cell its country and the border it is on."""
    row, column = np.divmod(cells, grid.shape[1])
    x, y = column + 0.5, row + 0.5
    country = np.full(cells.size, NOWHERE)
    for number in range(len(known.names) - 1, -1, -1):  # the first by name has the last word
        shapely.prepare(known.land[number])
        country[shapely.intersects_xy(known.land[number], x, y)] = number
    border = np.full(cells.size, NOWHERE)
    away_m = np.full(cells.size, np.inf)
    cell, other, distance_m = _neighbours(row, x, y, known, grid, rule)
    foreign = other != country[cell]
    cell, other, distance_m = cell[foreign], other[foreign], distance_m[foreign]
    order = np.lexsort((other, distance_m, cell))  # of each cell the nearest first
    cell, other, distance_m = cell[order], other[order], distance_m[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    at_home = country[cell[first]] != NOWHERE
    mine, near = first[at_home], cell[first[at_home]]
    border[near] = known.border(country[near], other[mine])
    away_m[near] = distance_m[mine]
    # in a gap between two countries: the nearest two, if both are near enough
    gaps = first[~at_home]
    gaps = gaps[gaps + 1 < cell.size]
    gaps = gaps[cell[gaps + 1] == cell[gaps]]
    border[cell[gaps]] = known.border(other[gaps], other[gaps + 1])
    away_m[cell[gaps]] = distance_m[gaps + 1]
    return _Sides(country, border, away_m)


def _neighbours(
    row: Indices, x: Reals, y: Reals, known: _Countries, grid: Grid, rule: _Rule
) -> tuple[Indices, Indices, Reals]:
    """List which countries' edges lie within T of which cells: cell, country, distance in m; each once."""
    across, along = grid.cell_steps_m
    cell, edge = known.tree.query(
        shapely.points(x, y), predicate="dwithin", distance=_reach_cells(grid, rule)
    )
    # the same again in metres, which a cell may be longer of in one direction than in the other
    metre = np.column_stack([across[row[cell]], along[row[cell]]])
    point = np.column_stack([x[cell], y[cell]])
    start, end = (known.edges[edge, :2] - point) * metre, (known.edges[edge, 2:] - point) * metre
    step = end - start
    squared = (step**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(np.where(squared > 0, -(start * step).sum(axis=1) / squared, 0.0), 0.0, 1.0)
    distance_m = np.hypot(*(start + share[:, None] * step).T)
    near = distance_m <= rule.border_m
    cell, country, distance_m = cell[near], known.owner[edge[near]], distance_m[near]
    order = np.lexsort((distance_m, country, cell))
    cell, country, distance_m = cell[order], country[order], distance_m[order]
    once = (np.diff(cell, prepend=-1) != 0) | (np.diff(country, prepend=-1) != 0)
    return cell[once], country[once], distance_m[once]


def _edges(land: NDArray[Any], bounds: tuple[float, ...]) -> tuple[Reals, Indices]:
    """Take polygons apart into those of their edges (k, 4) that reach some bounds, and their owners (k,)."""
    parts, of_part = shapely.get_parts(land, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    places, ring = shapely.get_coordinates(rings, return_index=True)
    whole = np.flatnonzero(ring[1:] == ring[:-1])
    start, end = places[whole], places[whole + 1]
    left, bottom, right, top = bounds
    low, high = np.minimum(start, end), np.maximum(start, end)
    near = ((high >= (left, bottom)) & (low <= (right, top))).all(axis=1)
    owner: Indices = of_part[of_ring[ring[whole[near]]]].astype(np.int64)
    return np.column_stack([start, end])[near], owner


@dataclass(frozen=True)
class _Crossing:
    """A crossing below a cell (row-major), between two countries, and whether a border reach ends there."""

    cell: int
    leaves: int
    enters: int
    ends_reach: bool


@dataclass(frozen=True)
class _Reach:
    """A border reach: its line of cells (n,), row-major; the last one that is its own river's; its border."""

    line: Indices
    last: int
    border: int


@dataclass(frozen=True)
class _Found:
    """What lies on the channels in the basins."""

    crossings: list[_Crossing]
    reaches: list[_Reach]

    def add(self, judged: _Judged, own: Indices, climbed: int, beyond: int | None) -> None:
        """Add what was found on a river.

        own      (k,)  its channel cells in the basins, row-major
        climbed        how many cells were judged above them
        beyond         the cell it flows into within the basins, None for none
        """
        last = climbed + own.size
        for place, leaves, enters, ends_reach in judged.crossings:
            if climbed <= place < last:
                self.crossings.append(_Crossing(int(own[place - climbed]), leaves, enters, ends_reach))
        for reach in judged.reaches:
            line = own[max(reach.start - climbed, 0) : max(reach.stop - climbed, 0)]
            if not line.size:
                continue
            lowest = int(line[-1])
            if beyond is not None and reach.stop == last:  # drawn as streams are: to the confluence
                line = np.append(line, beyond)
            if line.size > 1:
                self.reaches.append(_Reach(line, lowest, reach.where))


@dataclass(frozen=True)
class _Search:
    """The rivers of a stream network: cells (n,), places of each river in them, and their sides."""

    drainage: Drainage
    known: _Countries
    rule: _Rule
    cells: Indices
    below: Indices
    start: Indices
    places: Indices
    sides: _Sides

    def judge_all(self, inside: Flags) -> "_Found":
        """Judge each river, a larger one before those that flow into it."""
        head, mouth = self.places[self.start[:-1]], self.places[self.start[1:] - 1]
        after = self.below[mouth]
        watched, above_start, above, sides = self._watched(head, after)
        lengths = self.drainage.path_lengths_m.ravel()
        state = self.sides.country.copy()  # of a river that comes near no border
        found = _Found([], [])
        for number in np.flatnonzero(watched):
            own = self.places[self.start[number] : self.start[number + 1]]
            climbed = np.arange(above_start[number], above_start[number + 1])
            joins = int(after[number])
            along_m = np.concatenate(
                [
                    lengths[above[climbed]],
                    lengths[self.cells[own]],
                    lengths[self.cells[[joins if joins >= 0 else own[-1]]]],
                ]
            )
            judged = _judge(
                sides.at(np.concatenate([self.cells.size + climbed, own])),
                along_m,
                None if joins < 0 else int(state[joins]),
                NOWHERE if joins < 0 else int(self.sides.country[joins]),
                self.known,
                self.rule,
            )
            state[own] = judged.state[climbed.size :]
            mine = self.cells[own[inside[own]]]
            beyond = int(self.cells[joins]) if joins >= 0 and inside[joins] else None
            found.add(judged, mine, climbed.size, beyond)
        return found

    def _watched(self, head: Indices, after: Indices) -> tuple[Flags, Indices, Indices, _Sides]:
        """Tell which rivers need a judgement, and follow these up to the divide.

        returns  (r,); (r + 1,) where the way up of each begins in the next; (m,) cells; the sides of
                 all channel cells, then of these
        """
        river = np.repeat(np.arange(head.size), np.diff(self.start))
        first = self.sides.country[head][river]
        near = (self.sides.border[self.places] != NOWHERE) | (self.sides.country[self.places] != first)
        watched = np.bincount(river[near], minlength=head.size) > 0
        river_of = np.empty(self.cells.size, np.int64)
        river_of[self.places] = river
        watched |= (after >= 0) & watched[river_of[after]]  # it may flow into a country it does not lie in
        ways, above = kernels.climb(
            self.drainage.direction, self.drainage.upstream_km2.ravel(), self.cells[head[watched]]
        )
        counts = np.zeros(head.size, np.int64)
        counts[watched] = np.diff(ways)
        sides = self.sides
        if above.size:
            sides = sides.then(_sides(above, self.known, self.drainage.grid, self.rule))
        return watched, np.concatenate([[0], np.cumsum(counts)]), above, sides


def _judge(
    sides: _Sides, along_m: Reals, into: int | None, beside: int, known: _Countries, rule: _Rule
) -> _Judged:
    """Find the crossings and border reaches of one river, from the divide to its mouth.

    sides    (n,)
    along_m  (n + 1,)  the way left from each cell, and from the one the river flows into
    into     the state of the river it flows into there, None where its water ends
    beside   the country of that cell
    """
    count = sides.country.size
    stays = _stays(sides, along_m, into, beside, known, rule)
    judged = _Judged(sides.country.copy(), [], [])
    joined = bool(stays) and stays[-1].start == count  # stays on where it flows into another river
    bounds = [None, *stays] if joined else [None, *stays, None]
    for one, other in pairwise(bounds):
        start, stop = one.stop if one else 0, other.start if other else count
        reaches = _reaches(sides, along_m, start, stop, rule)
        if reaches and one:
            reaches[0] = _trimmed_above(reaches[0], start, sides, along_m, rule)
        if reaches and other and other.start < count:
            reaches[-1] = _trimmed_below(reaches[-1], stop, sides, along_m, rule)
        judged.reaches.extend(reaches)
        leaves, at_reach = _leaves(sides, one, stop, reaches, known) if one else (start, False)
        country_above, country_below = (stay.where if stay else None for stay in (one, other))
        if country_above is not None and country_below is not None and country_above != country_below:
            judged.crossings.append((leaves, country_above, country_below, at_reach))
        _note(judged.state, start, stop, leaves, country_above, country_below)
        if other:
            judged.state[other.start : other.stop] = other.where
        for reach in reaches:
            judged.state[reach.start : reach.stop] = _FIRST_BORDER - reach.where
    return judged


def _note(state: Indices, start: int, stop: int, leaves: int, above: int | None, below: int | None) -> None:
    """Put a run into the country above it until the river leaves that, then into the one below."""
    if above is not None:
        state[start:stop] = above
    if below is not None:
        first = start if above is None else max(start, leaves + 1)
        state[first:stop] = below


def _runs(keys: Indices) -> list[_Stretch]:
    """Group equal neighbours."""
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1)).tolist()
    return [_Stretch(start, stop, int(keys[start])) for start, stop in pairwise([*starts, keys.size])]


def _stays(
    sides: _Sides, along_m: Reals, into: int | None, beside: int, known: _Countries, rule: _Rule
) -> list[_Stretch]:
    """List the stays of a river; the country of the river it flows into is one of no cells at its end."""
    count = sides.country.size
    stays = [
        stretch
        for stretch in _runs(np.where(sides.border == NOWHERE, sides.country, NOWHERE))
        if stretch.where != NOWHERE
        and (
            along_m[stretch.start] - along_m[stretch.stop] >= rule.stay_m
            or (stretch.stop == count and into in (None, stretch.where))
        )
    ]
    if into is None or into == NOWHERE:
        return stays
    if into > NOWHERE:
        return [*stays, _Stretch(count, count, into)]
    pair = known.of_border(_FIRST_BORDER - into)
    if stays and stays[-1].where not in pair:  # out of a third country
        stays.append(_Stretch(count, count, beside if beside in pair else pair[0]))
    return stays


def _reaches(sides: _Sides, along_m: Reals, start: int, stop: int, rule: _Rule) -> list[_Stretch]:
    """List the border reaches of a run, before they are trimmed."""

    def short(stretch: _Stretch) -> bool:
        return bool(along_m[stretch.start] - along_m[stretch.stop] < rule.stay_m)

    kept: list[_Stretch] = []
    for run in _runs(sides.border[start:stop]):
        stretch = _Stretch(start + run.start, start + run.stop, run.where)
        before = kept[-1] if kept else None
        if before and (stretch.where == before.where or (short(stretch) and before.where != NOWHERE)):
            kept[-1] = _Stretch(before.start, stretch.stop, before.where)
        elif before and short(before) and stretch.where != NOWHERE:
            kept[-1] = _Stretch(before.start, stretch.stop, stretch.where)
        else:
            kept.append(stretch)
    steps_m = np.where(sides.border[start:stop] == NOWHERE, 0.0, -np.diff(along_m[start : stop + 1]))
    return [
        stretch
        for stretch in kept
        if stretch.where != NOWHERE
        and steps_m[stretch.start - start : stretch.stop - start].sum() >= rule.reach_m
    ]


def _trimmed_above(reach: _Stretch, start: int, sides: _Sides, along_m: Reals, rule: _Rule) -> _Stretch:
    """Let a reach that begins with its run begin at the first cell nearest to the border."""
    if reach.start != start:
        return reach
    within = int(np.searchsorted(-along_m[start : reach.stop], rule.trim_m - along_m[start], side="right"))
    nearest = start + int(_nearest(sides.away_m[start : start + within], rule)[0])
    return _Stretch(nearest, reach.stop, reach.where)


def _trimmed_below(reach: _Stretch, stop: int, sides: _Sides, along_m: Reals, rule: _Rule) -> _Stretch:
    """Let a reach that ends with its run end at the last cell nearest to the border."""
    if reach.stop != stop:
        return reach
    first = int(np.searchsorted(-along_m[:stop], -(along_m[stop - 1] + rule.trim_m), side="left"))
    first = max(first, reach.start)
    nearest = first + int(_nearest(sides.away_m[first:stop], rule)[-1])
    return _Stretch(reach.start, nearest + 1, reach.where)


def _nearest(away_m: Reals, rule: _Rule) -> NDArray[np.intp]:
    """List the cells nearest to a border; none of equal ones is preferred by a rounded digit."""
    return np.flatnonzero(away_m <= away_m.min() + defaults.NEAREST_DISTANCES * rule.border_m)


def _leaves(
    sides: _Sides, stay: _Stretch, stop: int, reaches: list[_Stretch], known: _Countries
) -> tuple[int, bool]:
    """Find the last cell before a river leaves where it stayed, and whether a border reach ends there."""
    along = [reach.stop - 1 for reach in reaches if stay.where in known.of_border(reach.where)]
    if along:
        return along[-1], True
    return stay.start + int(np.flatnonzero(sides.country[stay.start : stop] == stay.where)[-1]), False


def _nothing(grid: Grid) -> dict[str, Any]:
    """Make the layers without a crossing."""
    return {
        "crossings": _crossings([], [], np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), [], grid),
        "border_reaches": _border_reaches([], [], np.zeros(0), np.zeros(0), np.zeros(0, np.int64), [], grid),
        "crossing_shares": _crossing_shares([], [], [], []),
    }


def _crossing_layers(
    found: list[_Crossing],
    drainage: Drainage,
    zone: NDArray[np.int32],
    known: _Countries,
    countries: gpd.GeoDataFrame,
    country_field: str,
) -> dict[str, Any]:
    """Draw the crossings, from the largest river to the smallest, and divide the land above each."""
    if not found:
        empty = _nothing(drainage.grid)
        return {name: empty[name] for name in ("crossings", "crossing_shares")}
    upstream, columns = drainage.upstream_km2.ravel(), drainage.grid.shape[1]
    found = sorted(found, key=lambda one: (-upstream[one.cell], one.cell))
    at = np.array([one.cell for one in found], np.int64)
    between, downstream = drainage.delineate(at // columns, at % columns)
    layer = _crossings(
        [known.names[one.leaves] for one in found],
        [known.names[one.enters] for one in found],
        upstream[at],
        zone.ravel()[at],
        downstream,
        [_point(one, drainage, known) for one in found],
        drainage.grid,
    )
    own = outline(between, drainage.grid).rename(columns={"value": "crossing_id"})
    return {"crossings": layer, "crossing_shares": _shares(own, layer, countries, country_field)}


def _point(crossing: _Crossing, drainage: Drainage, known: _Countries) -> Any:
    """Place a crossing on the border below its cell; at the end of a border reach, in its cell."""
    grid = drainage.grid
    row, column = divmod(crossing.cell, grid.shape[1])
    x, y = column + 0.5, row + 0.5
    if not crossing.ends_reach:
        way = drainage.direction[row, column]
        step = shapely.LineString([(x, y), (x + COLUMN_STEP[way], y + ROW_STEP[way])])
        met = shapely.get_coordinates(
            shapely.intersection(step, shapely.boundary(known.land[crossing.leaves]))
        )
        if len(met):  # where it meets the border last, if it does so more than once
            x, y = met[np.hypot(*(met - (x, y)).T).argmax()]
        else:  # the land ends at a river that stays beyond, or in a gap
            x, y = step.interpolate(0.5, normalized=True).coords[0]
    return shapely.Point(apply(grid.transform, x, y))


def _reach_layer(
    found: list[_Reach], drainage: Drainage, zone: NDArray[np.int32], known: _Countries
) -> gpd.GeoDataFrame:
    """Draw the border reaches, from the largest river to the smallest."""
    grid, columns = drainage.grid, drainage.grid.shape[1]
    upstream, along_m = drainage.upstream_km2.ravel(), drainage.path_lengths_m.ravel()
    found = sorted(found, key=lambda one: (-upstream[one.last], one.last))
    pairs = [known.of_border(one.border) for one in found]
    lower = np.array([one.last for one in found], np.int64)
    return _border_reaches(
        [known.names[a] for a, _ in pairs],
        [known.names[b] for _, b in pairs],
        np.array([along_m[one.line[0]] - along_m[one.line[-1]] for one in found], float) / 1000,
        upstream[lower],
        zone.ravel()[lower],
        [
            shapely.LineString(np.column_stack(grid.centres(one.line // columns, one.line % columns)))
            for one in found
        ],
        grid,
    )


def _shares(
    own: gpd.GeoDataFrame, crossings: gpd.GeoDataFrame, countries: gpd.GeoDataFrame, country_field: str
) -> pd.DataFrame:
    """Divide the land upstream of each crossing among countries.

    Divided is the land between a crossing and the next ones upstream (``own``), so each place once; then
    the parts are added downstream.
    """
    parts = zones.shares(own, countries, country_field, zone_field="crossing_id", warn=False)
    held: list[dict[str, float]] = [{} for _ in range(len(crossings))]
    for crossing_id, country, area_km2 in zip(
        parts["zone"].tolist(), parts["country"].tolist(), parts["area_km2"].tolist(), strict=True
    ):
        held[crossing_id - 1][country] = area_km2
    downstream = crossings["downstream_id"].tolist()
    for upper in range(len(held) - 1, -1, -1):  # ids fall downstream: the land upstream grows
        if downstream[upper]:
            lower = held[downstream[upper] - 1]
            for country, area_km2 in held[upper].items():
                lower[country] = lower.get(country, 0.0) + area_km2
    rows: list[tuple[int, str, float, float]] = []
    for crossing_id, total_km2, mine in zip(
        crossings["crossing_id"].tolist(), crossings["upstream_km2"].tolist(), held, strict=True
    ):
        names = [name for *_, name in sorted((_rank(name), -mine[name], name) for name in mine)]
        areas_km2 = np.array([mine[name] for name in names])
        fitted = zip(names, zones.fitted(areas_km2, total_km2), zones.fitted(areas_km2, 100.0), strict=True)
        rows += [(crossing_id, *row) for row in fitted]
    return _crossing_shares(*zip(*rows, strict=True))


def _rank(name: str) -> int:
    """Put countries first, then what several claim, then what none does."""
    return 2 if name == zones.NO_COUNTRY else 1 if name.startswith(zones.OVERLAP) else 0


def _crossings(
    leaves: list[str],
    enters: list[str],
    upstream_km2: Reals,
    outlet: Any,
    downstream: Any,
    points: list[Any],
    grid: Grid,
) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "crossing_id": np.arange(1, len(points) + 1),
            "from_country": pd.Series(leaves, dtype=object),
            "to_country": pd.Series(enters, dtype=object),
            "upstream_km2": upstream_km2,
            "outlet_id": outlet.astype(np.int64),
            "downstream_id": downstream.astype(np.int64),
        },
        geometry=points,
        crs=grid.crs,
    )


def _border_reaches(
    one: list[str],
    other: list[str],
    length_km: Reals,
    upstream_km2: Reals,
    outlet: Any,
    lines: list[Any],
    grid: Grid,
) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "reach_id": np.arange(1, len(lines) + 1),
            "country_a": pd.Series(one, dtype=object),
            "country_b": pd.Series(other, dtype=object),
            "length_km": length_km,
            "upstream_km2": upstream_km2,
            "outlet_id": outlet.astype(np.int64),
        },
        geometry=lines,
        crs=grid.crs,
    )


def _crossing_shares(crossing: Any, country: Any, area_km2: Any, share_pct: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "crossing_id": np.array(crossing, np.int64),
            "country": pd.Series(list(country), dtype=object),
            "area_km2": np.array(area_km2, np.float64),
            "share_pct": np.array(share_pct, np.float64),
        }
    )
