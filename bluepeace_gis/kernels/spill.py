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

from bluepeace_gis.kernels.catchments import LEAVES, OUTSIDE, PLACES, find, index, sortable
from bluepeace_gis.kernels.neighbours import (
    COLUMN_STEP,
    FREE,
    ROW_STEP,
    Cells,
    Codes,
    Labels,
    Singles,
)
from bluepeace_gis.kernels.tiles import Tile, Tiling

STAYS: Final = FREE  # the "direction" of a pit that nothing drains: it is a sink


@dataclass(frozen=True)
class Passes:
    """Passes of one tile, (n,) each: keys, heights, falls and places of :func:`catchments.passes`."""

    keys: Cells
    height: Singles
    fall: Singles
    place: Labels

    def __getitem__(self, chosen: npt.NDArray[np.integer]) -> "Passes":
        return Passes(self.keys[chosen], self.height[chosen], self.fall[chosen], self.place[chosen])

    @property
    def low(self) -> Labels:
        """The lower one of the two nodes."""
        return (self.keys >> 32).astype(np.int32)

    @property
    def high(self) -> Labels:
        """The higher one of the two nodes."""
        return (self.keys & 0xFFFFFFFF).astype(np.int32)


@dataclass(frozen=True)
class Summary:
    """What a tile knows about the ways of its water.

    pits        (p,)  cells, row-major in the tile with its rim
    pit_height  (p,)
    exits, exit_way  (x,)  cells from which water leaves the tile, and where to
    terminals   (t,)  nodes that other tiles reach or that drain out; the first is OUTSIDE
    owner       (p + x + 1,)  place in ``terminals`` of the set of a node, -1 for none
    certain, undecided, crossing  passes: in the tree of the whole surface, left open, to other tiles
    rim_node    (2 * (h + w),)  place in ``terminals`` (-1 where void) of the cells at the top, the bottom,
                the left, the right
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
    crossing: Passes
    rim_node: Labels


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

    def rank(self, row: Cells, column: Cells) -> Cells:
        """Return a number by which cells beside the rim of their tile stand in a fixed order: first those
        in the first and last rows of tiles."""
        size, tiling = self.tiling.size, self.tiling
        in_line = (row % size == 0) | (row % size == size - 1) | (row == tiling.rows - 1)
        position: Cells = row * tiling.columns + column
        return np.where(in_line, position, position + tiling.rows * tiling.columns)


def in_raster(tile: Tile, cell: npt.NDArray[np.integer]) -> tuple[Cells, Cells]:
    """Return row and column in the raster of cells given row-major in a tile with its rim."""
    stride = tile.columns + 2
    wide = cell.astype(np.int64)
    return tile.row + wide // stride - 1, tile.column + wide % stride - 1


def solve(summaries: list[Summary], tiling: Tiling) -> list[Ways]:
    """Find for every tile how its depressions drain.

    summaries  one a tile, in their order
    returns    one a tile, in their order

    Kruskal's minimum spanning tree over the passes that the tiles left open and those between
    tiles, oriented from the outlets; a region that nothing drains keeps its lowest pit as sink.
    """
    base = np.concatenate([[0], np.cumsum([s.terminals.size for s in summaries])]).astype(np.int64)
    rims = _Rims.of(tiling)
    nodes = _rim_nodes(summaries, base)
    down, entry_row, entry_column, entry_way = _links(summaries, base, rims, nodes)
    group = _representatives(down)
    edges = _edges(summaries, base, rims, nodes, group)
    one, two, height = group[edges.one], group[edges.two], edges.height
    # By height, then by the steeper fall. Stable, so that the passes of a tile keep the order in which it
    # settled them, and fast, because they have it already.
    rank = sortable(height).astype(np.uint64) << np.uint64(32) | ~sortable(edges.fall)
    order = np.argsort(rank, kind="stable")
    by, level = _grow(one, two, height, order, _pit_heights(summaries))
    return _hand_down(summaries, base, edges, by, level, group, (down, entry_row, entry_column, entry_way))


def terminal_groups(summaries: list[Summary], base: Cells, tiling: Tiling) -> Cells:
    """Return for each terminal of all tiles the one its water comes to: itself, or an exit's pit."""
    nodes = _rim_nodes(summaries, base)
    return _representatives(_links(summaries, base, _Rims.of(tiling), nodes)[0])


def _pit_heights(summaries: list[Summary]) -> Singles:
    """Return the height of each terminal that is a pit, +inf for the others."""
    heights = []
    for s in summaries:
        height = np.full(s.terminals.size, np.inf, np.float32)
        is_pit = (s.terminals > OUTSIDE) & (s.terminals <= s.pits.size)
        height[is_pit] = s.pit_height[s.terminals[is_pit] - 1]
        heights.append(height)
    return np.concatenate(heights)


def _rim_nodes(summaries: list[Summary], base: Cells) -> Cells:
    """Return the terminals of the rim cells of all tiles, -1 where void."""
    in_tile = np.concatenate([s.rim_node for s in summaries])
    first = np.repeat(base[:-1], [s.rim_node.size for s in summaries])
    return np.where(in_tile >= 0, in_tile + first, -1)


def _links(
    summaries: list[Summary], base: Cells, rims: _Rims, nodes: Cells
) -> tuple[Cells, Cells, Cells, Codes]:
    """Follow each exit into the next tile.

    returns  (t,) the terminal that water reaches next, itself where it stays; and for exits the row
             and column of the cell it comes to and the direction back
    """
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


def _representatives(down: Cells) -> Cells:
    """Follow links to their end."""
    group = down.copy()
    _shorten(group)
    return group


@njit(cache=True, nogil=True)
def _shorten(group: Cells) -> None:
    """Lead links to their end."""
    for first in range(group.size):
        end = first
        while group[end] != end:
            end = group[end]
        k = first
        while group[k] != end:
            following = group[k]
            group[k] = end
            k = following


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


def _edges(summaries: list[Summary], base: Cells, rims: _Rims, nodes: Cells, group: Cells) -> _Edges:
    inner, tile = _joined([s.undecided for s in summaries])
    row, column, way = _seen_from_low(inner, tile, rims)
    owner = np.concatenate([s.owner for s in summaries])
    first = np.concatenate([[0], np.cumsum([s.owner.size for s in summaries])])[tile]
    one, two = base[tile] + owner[first + inner.low], base[tile] + owner[first + inner.high]
    place = np.arange(tile.size) - np.searchsorted(tile, tile)
    crossing, sees = _joined([s.crossing for s in summaries])
    over_row, over_column, over = _seen_from_low(crossing, sees, rims)
    near = nodes[rims.place(over_row, over_column)]
    far = nodes[rims.place(over_row + np.array(ROW_STEP)[over], over_column + np.array(COLUMN_STEP)[over])]
    wanted = np.flatnonzero((near >= 0) & (far >= 0) & (group[near] != group[far]))
    # Whichever tile saw a pass, its place among equal ones is the same.
    wanted = wanted[np.lexsort((rims.rank(over_row[wanted], over_column[wanted]), over[wanted]))]
    none = np.full(wanted.size, -1)
    return _Edges(
        one=np.concatenate([one, near[wanted]]),
        two=np.concatenate([two, far[wanted]]),
        height=np.concatenate([inner.height, crossing.height[wanted]]),
        fall=np.concatenate([inner.fall, crossing.fall[wanted]]),
        tile=np.concatenate([tile, none]),
        place=np.concatenate([place, none]),
        row=np.concatenate([row, over_row[wanted]]),
        column=np.concatenate([column, over_column[wanted]]),
        way=np.concatenate([way, over[wanted]]),
    )


def _joined(parts: list[Passes]) -> tuple[Passes, Cells]:
    """Return the passes of all tiles side by side, and the tile of each."""
    every = Passes(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.height for part in parts]),
        np.concatenate([part.fall for part in parts]),
        np.concatenate([part.place for part in parts]),
    )
    return every, np.repeat(np.arange(len(parts)), [part.keys.size for part in parts])


def _seen_from_low(passes: Passes, tile: Cells, rims: _Rims) -> tuple[Cells, Cells, Codes]:
    """Return row and column in the raster of the cell of the lower node, and the direction across.

    Over the surface's end the cell is that of the higher node. To another tile it is the first one.
    """
    cell, way = passes.place // PLACES, passes.place % PLACES // 2
    stride = rims.columns[tile] + 2
    turned = (passes.place % 2 == 1) & (way != LEAVES)
    row = rims.first_row[tile] + cell // stride - 1 + turned * np.append(ROW_STEP, 0)[way]
    column = rims.first_column[tile] + cell % stride - 1 + turned * np.append(COLUMN_STEP, 0)[way]
    return row, column, np.where(turned, (way + 4) % 8, way).astype(np.uint8)


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
    root = np.arange(count, dtype=np.int32)
    chosen = np.empty(count, np.int64)
    chosen = chosen[: _span(one, two, order, root, chosen)]
    start, beside = np.empty(count + 2, np.int64), np.empty(2 * chosen.size, np.int32)
    index(one[chosen] << 32 | two[chosen], start, beside)
    # A region that nothing drains keeps the lowest pit that its tiles know of.
    region = _representatives(root.astype(np.int64))
    loose = np.flatnonzero((region != 0) & (pit_height < np.inf))
    loose = loose[np.argsort(pit_height[loose], kind="stable")]
    sinks = loose[np.unique(region[loose], return_index=True)[1]]
    queue = np.zeros(count, np.int64)
    queue[1 : 1 + sinks.size] = sinks
    by, level = np.full(count, -1, np.int64), np.full(count, -np.inf, np.float32)
    _drain(one, two, height, chosen, start, beside, queue, 1 + sinks.size, by, level)
    return by, level


@njit(cache=True, nogil=True)
def _span(one: Cells, two: Cells, order: Cells, root: Labels, chosen: Cells) -> int:
    """Choose the passes of the minimum spanning tree (Kruskal's rule).

    one, two, order  as in :func:`_grow`
    root     (t,)  each terminal itself; changed: for :func:`find`, 0 for what drains out
    chosen   (t,)  filled: passes
    returns  how many are chosen
    """
    size = 0
    for j in range(order.size):
        k = order[j]
        a, b = find(root, one[k]), find(root, two[k])
        if a != b:
            # The set of what drains out keeps the name 0.
            if b == 0:
                root[a] = b
            else:
                root[b] = a
            chosen[size] = k
            size += 1
    return size


@njit(cache=True, nogil=True)
def _drain(
    one: Cells,
    two: Cells,
    height: Singles,
    chosen: Cells,
    start: Cells,
    beside: Labels,
    queue: Cells,
    last: int,
    by: Cells,
    level: Singles,
) -> None:
    """Walk over the chosen passes, breadth first from the ``last`` queued terminals, where water ends.

    start, beside  from :func:`catchments.index`, of the chosen passes
    queue          (t,)  changed
    by, level      (t,)  -1, -inf; filled: see :func:`_grow`
    """
    first = 0
    while first < last:
        here = queue[first]
        first += 1
        for j in range(start[here], start[here + 1]):
            k = chosen[beside[j]]
            if k == by[here]:
                continue
            other = two[k] if one[k] == here else one[k]
            by[other] = k
            level[other] = max(height[k], level[here])
            queue[last] = other
            last += 1


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
    counts = np.array([s.undecided.keys.size for s in summaries])
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
