"""The lowest way out of every depression: the graph of all tiles' catchments, solved once.

Each tile hands up its terminals, the passes it could not decide, and its rim. What comes back tells a
tile, for each of its terminals, through which node and pass its set drains and to which level the
water must rise before it does.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.catchments import LEAVES, OUTSIDE, find
from bluepeace_gis.kernels.neighbours import (
    COLUMN_STEP,
    FREE,
    ROW_STEP,
    Cells,
    Codes,
    Labels,
    Reals,
    Singles,
)
from bluepeace_gis.kernels.tiles import Tile, Tiling

STAYS: Final = FREE  # the "direction" of a pit that nothing drains: it is a sink


@dataclass(frozen=True)
class Passes:
    """Passes between nodes ``low`` < ``high`` of one tile, in their order.

    All (n,): nodes, heights, slopes down the lower side, the cell on the side of ``low`` (row-major
    in the tile with its rim), and the direction from it to the cell behind. Where the pass leads over
    the surface's end, the cell is on the side of ``high`` and the direction is LEAVES.
    """

    low: Labels
    high: Labels
    height: Singles
    fall: Singles
    cell: Labels
    way: Codes

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> "Passes":
        return Passes(
            self.low[chosen],
            self.high[chosen],
            self.height[chosen],
            self.fall[chosen],
            self.cell[chosen],
            self.way[chosen],
        )


@dataclass(frozen=True)
class Summary:
    """What a tile knows about the ways of its water.

    pits        (p,)  cells, row-major in the tile with its rim
    pit_height  (p,)
    exits, exit_way  (x,)  cells from which water leaves the tile, and where to
    terminals   (t,)  nodes that other tiles reach or that drain out; the first is OUTSIDE
    owner       (p + x + 1,)  place in ``terminals`` of the set of a node, -1 for none
    certain, undecided  passes
    rim_node, rim_height  (2 * (h + w),)  place in ``terminals`` (-1 where void) and elevation of the
                cells at the top, the bottom, the left, the right
    """

    tile: Tile
    pits: Labels
    pit_height: Singles
    exits: Labels
    exit_way: Codes
    terminals: Labels
    owner: Labels
    certain: Passes
    undecided: Passes
    rim_node: Labels
    rim_height: Singles


@dataclass(frozen=True)
class Ways:
    """What the solved graph tells a tile.

    node, cell, way, height, level  (t,)  for each terminal: the node through which its set drains, the
                cell of the pass, the direction over it (STAYS: no pass, the node is a sink or drains
                by itself), its height, and the level to which water rises (-inf: it does not)
    turned_cell, turned_way  (k,)  where a path that is turned round comes in from another tile
    parent      (t,)  number, among the terminals of all tiles, of the terminal behind the pass; -1
    """

    node: Labels
    cell: Labels
    way: Codes
    height: Singles
    level: Singles
    turned_cell: Labels
    turned_way: Codes
    parent: Cells


@dataclass(frozen=True)
class _Rims:
    """All rim cells of all tiles side by side, and where those of each tile start."""

    tiling: Tiling
    start: Cells
    first_row: Cells
    first_column: Cells
    rows: Cells
    columns: Cells

    @classmethod
    def of(cls, tiling: Tiling) -> "_Rims":
        tiles = list(tiling)
        rows = np.array([tile.rows for tile in tiles], np.int64)
        columns = np.array([tile.columns for tile in tiles], np.int64)
        start = np.concatenate([[0], np.cumsum(2 * (rows + columns))])
        first_row = np.array([tile.row for tile in tiles], np.int64)
        return cls(tiling, start, first_row, np.array([t.column for t in tiles], np.int64), rows, columns)

    def place(self, row: Cells, column: Cells) -> Cells:
        """Return the place of cells that lie beside the rim of their tile."""
        tile = self.tiling.number_of(row, column)
        r, c = row - self.first_row[tile], column - self.first_column[tile]
        h, w = self.rows[tile], self.columns[tile]
        inside = np.where(r == 0, c, np.where(r == h - 1, w + c, np.where(c == 0, 2 * w + r, 2 * w + h + r)))
        return self.start[tile] + inside

    def cells(self) -> tuple[Cells, Cells]:
        """Return row and column of each rim cell once, row by row."""
        size, tiling = self.tiling.size, self.tiling
        lines = np.unique(
            np.r_[0 : tiling.rows : size, np.arange(size - 1, tiling.rows, size), tiling.rows - 1]
        )
        uprights = np.unique(
            np.r_[0 : tiling.columns : size, np.arange(size - 1, tiling.columns, size), tiling.columns - 1]
        )
        others = np.setdiff1d(np.arange(tiling.rows), lines)
        row = np.concatenate([np.repeat(lines, tiling.columns), np.repeat(others, uprights.size)])
        column = np.concatenate(
            [np.tile(np.arange(tiling.columns), lines.size), np.tile(uprights, others.size)]
        )
        return row, column


def in_raster(tile: Tile, cell: npt.NDArray[np.integer]) -> tuple[Cells, Cells]:
    """Return row and column in the raster of cells given row-major in a tile with its rim."""
    stride = tile.columns + 2
    wide = cell.astype(np.int64)
    return tile.row + wide // stride - 1, tile.column + wide % stride - 1


def solve(summaries: list[Summary], tiling: Tiling, nearness: Reals) -> list[Ways]:
    """Find for every tile how its depressions drain.

    summaries  one a tile, in their order
    nearness   (rows, 3)  1 / distance to the neighbour in the row, the diagonal, the column
    returns    one a tile, in their order

    Kruskal's minimum spanning tree over the passes that the tiles left open and those between
    tiles, oriented from the outlets; a region that nothing drains keeps its lowest pit as sink.
    """
    base = np.concatenate([[0], np.cumsum([s.terminals.size for s in summaries])]).astype(np.int64)
    rims = _Rims.of(tiling)
    down, entry_row, entry_column, entry_way = _links(summaries, base, rims)
    group = _representatives(down)
    edges = _edges(summaries, base, rims, group, nearness)
    one, two, height = group[edges.one], group[edges.two], edges.height
    # Stable, so that the passes of a tile keep the order in which it settled them.
    order = np.lexsort((-edges.fall, height))
    by, level = _grow(one, two, height, order, _pit_heights(summaries))
    return _hand_down(summaries, base, edges, by, level, group, (down, entry_row, entry_column, entry_way))


def terminal_groups(summaries: list[Summary], base: Cells, tiling: Tiling) -> Cells:
    """Return for each terminal of all tiles the one its water comes to: itself, or an exit's pit."""
    return _representatives(_links(summaries, base, _Rims.of(tiling))[0])


def _pit_heights(summaries: list[Summary]) -> Singles:
    """Return the height of each terminal that is a pit, +inf for the others."""
    heights = []
    for s in summaries:
        height = np.full(s.terminals.size, np.inf, np.float32)
        is_pit = (s.terminals > OUTSIDE) & (s.terminals <= s.pits.size)
        height[is_pit] = s.pit_height[s.terminals[is_pit] - 1]
        heights.append(height)
    return np.concatenate(heights)


def _rim_nodes(summaries: list[Summary], base: Cells) -> tuple[Cells, Singles]:
    nodes = np.concatenate(
        [
            np.where(s.rim_node >= 0, s.rim_node + start, -1)
            for s, start in zip(summaries, base[:-1], strict=True)
        ]
    )
    return nodes, np.concatenate([s.rim_height for s in summaries])


def _links(summaries: list[Summary], base: Cells, rims: _Rims) -> tuple[Cells, Cells, Cells, Codes]:
    """Follow each exit into the next tile.

    returns  (t,) the terminal that water reaches next, itself where it stays; and for exits the row
             and column of the cell it comes to and the direction back
    """
    nodes, _ = _rim_nodes(summaries, base)
    down = np.arange(base[-1])
    row, column = np.full(base[-1], -1, np.int64), np.full(base[-1], -1, np.int64)
    back = np.full(base[-1], FREE, np.uint8)
    row_step, column_step = np.array(ROW_STEP), np.array(COLUMN_STEP)
    for s, start in zip(summaries, base[:-1], strict=True):
        down[start] = 0  # all that drains out is one
        if not s.exits.size:
            continue
        # The nodes of exits are the last of a tile, so that their terminals are the last too.
        places = start + s.terminals.size - s.exits.size + np.arange(s.exits.size)
        r, c = in_raster(s.tile, s.exits)
        row[places], column[places] = r + row_step[s.exit_way], c + column_step[s.exit_way]
        back[places] = (s.exit_way + 4) % 8
        down[places] = nodes[rims.place(row[places], column[places])]
    return down, row, column, back


@njit(cache=True, nogil=True)
def _representatives(down: Cells) -> Cells:
    """Follow links to their end."""
    group = down.copy()
    for first in range(down.size):
        end = first
        while group[end] != end:
            end = group[end]
        k = first
        while group[k] != end:
            following = group[k]
            group[k] = end
            k = following
    return group


@dataclass(frozen=True)
class _Edges:
    """Passes between terminals: of all tiles in their order, then those between tiles.

    one, two    (n,)  terminals; ``behind`` of the pass stands ``two``
    height, fall  (n,)
    tile        (n,)  the tile whose undecided pass it is, -1 between tiles
    place       (n,)  its place among the tile's undecided passes
    row, column, way  (n,)  the cell on the side of ``one``, the direction to the other
    """

    one: Cells
    two: Cells
    height: Singles
    fall: Singles
    tile: Cells
    place: Cells
    row: Cells
    column: Cells
    way: Codes


def _edges(summaries: list[Summary], base: Cells, rims: _Rims, group: Cells, nearness: Reals) -> _Edges:
    nodes, heights = _rim_nodes(summaries, base)
    row, column = rims.cells()
    here = rims.place(row, column)
    tiling = rims.tiling
    parts: list[tuple[npt.NDArray[np.generic], ...]] = []
    for s, start in zip(summaries, base[:-1], strict=True):
        u = s.undecided
        r, c = in_raster(s.tile, u.cell)
        number = np.full(u.low.size, s.tile.number)
        parts.append(
            (
                start + s.owner[u.low],
                start + s.owner[u.high],
                u.height,
                u.fall,
                number,
                np.arange(number.size),
                r,
                c,
                u.way,
            )
        )
    for way in range(4):
        r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
        inside = (r < tiling.rows) & (c >= 0) & (c < tiling.columns)
        inside[inside] = tiling.number_of(row[inside], column[inside]) != tiling.number_of(
            r[inside], c[inside]
        )
        mine, there = here[inside], rims.place(r[inside], c[inside])
        one, two = nodes[mine], nodes[there]
        wanted = (one >= 0) & (two >= 0)
        wanted[wanted] = group[one[wanted]] != group[two[wanted]]
        height = np.maximum(heights[mine], heights[there])[wanted]
        near = nearness[row[inside][wanted], 1 if way % 2 else way]
        fall = np.abs(heights[mine] - heights[there])[wanted] * near
        count = int(wanted.sum())
        parts.append(
            (
                one[wanted],
                two[wanted],
                height,
                fall.astype(np.float32),
                np.full(count, -1),
                np.full(count, -1),
                row[inside][wanted],
                column[inside][wanted],
                np.full(count, way, np.uint8),
            )
        )
    one, two, height, fall, tile, place, r, c, ways = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return _Edges(one, two, height, fall, tile, place, r, c, ways)


@njit(cache=True, nogil=True)
def _grow(
    one: Cells, two: Cells, height: Singles, order: Cells, pit_height: Singles
) -> tuple[Cells, Singles]:
    """Grow the minimum spanning tree and orient it from the outlets.

    one, two    (e,)  representatives of terminals
    order       (e,)  passes from low to high
    pit_height  (t,)  +inf where a terminal is no pit
    returns     (t,)  the pass through which each drains, -1 for none; (t,) the level
    """
    count = pit_height.size
    parent = np.arange(count).astype(np.int32)
    chosen = np.empty(count, np.int64)
    size = 0
    degree = np.zeros(count + 1, np.int64)
    for k in order:
        a, b = find(parent, one[k]), find(parent, two[k])
        if a != b:
            # The set of what drains out keeps the name 0.
            if b == 0:
                parent[a] = b
            else:
                parent[b] = a
            chosen[size] = k
            size += 1
            degree[one[k] + 1] += 1
            degree[two[k] + 1] += 1
    for k in range(count):
        degree[k + 1] += degree[k]
    start = degree.copy()
    beside = np.empty(2 * size, np.int64)
    for k in chosen[:size]:
        beside[start[one[k]]] = k
        start[one[k]] += 1
        beside[start[two[k]]] = k
        start[two[k]] += 1
    # A region that nothing drains keeps the lowest pit that its tiles know of.
    best = np.full(count, -1, np.int64)
    for k in range(count):
        root = find(parent, k)
        if (
            root != 0
            and pit_height[k] < np.inf
            and (best[root] < 0 or pit_height[k] < pit_height[best[root]])
        ):
            best[root] = k
    queue = np.empty(count, np.int64)
    queue[0] = 0
    last = 1
    for root in range(1, count):
        if best[root] >= 0:
            queue[last] = best[root]
            last += 1
    by = np.full(count, -1, np.int64)
    seen = np.zeros(count, np.uint8)
    level = np.full(count, -np.inf, np.float32)
    seen[queue[:last]] = 1
    first = 0
    while first < last:
        here = queue[first]
        first += 1
        for k in beside[degree[here] : degree[here + 1]]:
            other = two[k] if one[k] == here else one[k]
            if not seen[other]:
                seen[other] = 1
                by[other] = k
                level[other] = max(height[k], level[here])
                queue[last] = other
                last += 1
    return by, level


def _hand_down(
    summaries: list[Summary],
    base: Cells,
    edges: _Edges,
    by: Cells,
    level: Singles,
    group: Cells,
    links: tuple[Cells, Cells, Cells, Codes],
) -> list[Ways]:
    """Tell each tile which of its sets drain through which pass, and where paths come in turned."""
    down, entry_row, entry_column, entry_way = links
    total = int(base[-1])
    tile_of = np.repeat(np.arange(len(summaries)), np.diff(base))
    node = np.concatenate([s.terminals for s in summaries]).astype(np.int32)
    cell, way = np.full(total, -1, np.int32), np.full(total, STAYS, np.uint8)
    parent, height = np.full(total, -1, np.int64), np.full(total, -np.inf, np.float32)
    # The side of each chosen pass that drains through it.
    child = np.flatnonzero(by >= 0)
    k = by[child]
    is_one = group[edges.one[k]] == child
    through = np.where(is_one, edges.one[k], edges.two[k])
    height[through] = edges.height[k]
    parent[through] = np.where(is_one, edges.two[k], edges.one[k])
    row_step, column_step = np.append(ROW_STEP, 0), np.append(COLUMN_STEP, 0)
    r = edges.row[k] + np.where(is_one, 0, row_step[edges.way[k]])
    c = edges.column[k] + np.where(is_one, 0, column_step[edges.way[k]])
    over = np.where(is_one | (edges.way[k] == LEAVES), edges.way[k], (edges.way[k] + 4) % 8).astype(np.uint8)
    first_row = np.array([s.tile.row for s in summaries])
    first_column = np.array([s.tile.column for s in summaries])
    stride = np.array([s.tile.columns + 2 for s in summaries])

    def in_tile(
        tile: npt.NDArray[np.integer], row: npt.NDArray[np.integer], column: npt.NDArray[np.integer]
    ) -> Labels:
        inside = (row - first_row[tile] + 1) * stride[tile] + column - first_column[tile] + 1
        placed: Labels = inside.astype(np.int32)
        return placed

    cell[through], way[through] = in_tile(tile_of[through], r, c), over
    node[through] = _nodes_of(summaries, edges, k, is_one, node[through])
    # A path that is turned round goes on through the tiles below, down to the pit.
    turned = _chains(through, down)
    turned_tile = tile_of[down[turned]]
    turned_cell = in_tile(turned_tile, entry_row[turned], entry_column[turned])
    turned_way = entry_way[turned]
    levels = level[group]
    ways = []
    by_tile = np.argsort(turned_tile, kind="stable")
    bounds = np.searchsorted(turned_tile[by_tile], np.arange(len(summaries) + 1))
    for number in range(len(summaries)):
        span = slice(base[number], base[number + 1])
        mine = by_tile[bounds[number] : bounds[number + 1]]
        ways.append(
            Ways(
                node[span],
                cell[span],
                way[span],
                height[span],
                levels[span],
                turned_cell[mine],
                turned_way[mine],
                parent[span],
            )
        )
    return ways


def _nodes_of(
    summaries: list[Summary], edges: _Edges, k: Cells, is_one: npt.NDArray[np.bool_], otherwise: Labels
) -> Labels:
    """Return the node on the draining side of passes: a tile's own, else the terminal itself."""
    counts = np.array([s.undecided.low.size for s in summaries])
    start = np.concatenate([[0], np.cumsum(counts)])[:-1]
    low = np.concatenate([s.undecided.low for s in summaries])
    high = np.concatenate([s.undecided.high for s in summaries])
    inner = edges.tile[k] >= 0
    node = otherwise.copy()
    place = start[edges.tile[k][inner]] + edges.place[k][inner]
    node[inner] = np.where(is_one[inner], low[place], high[place])
    return node


@njit(cache=True, nogil=True)
def _chains(through: Cells, down: Cells) -> Cells:
    """Return every exit that the paths below the given terminals pass."""
    count = 0
    for k in through:
        while down[k] != k:
            k = down[k]  # noqa: PLW2901 - the walk is the variable
            count += 1
    exits = np.empty(count, np.int64)
    count = 0
    for k in through:
        while down[k] != k:
            exits[count] = k
            count += 1
            k = down[k]  # noqa: PLW2901
    return exits
