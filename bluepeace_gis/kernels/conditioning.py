"""Directions of flow over a whole surface, every depression drained through its lowest pass.

Linear in the number of cells, without a queue over them (Cordonnier, Bovy and Braun 2019,
doi:10.5194/esurf-7-549-2019), tile by tile (Barnes 2016, doi:10.1016/j.cageo.2016.07.001).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from bluepeace_gis.kernels import catchments, descent, spill, tiles
from bluepeace_gis.kernels.catchments import CERTAIN, PLACES, TO_OTHER, UNDECIDED
from bluepeace_gis.kernels.neighbours import (
    FREE,
    SINK,
    VOID,
    Cells,
    Codes,
    Labels,
    Reals,
    Singles,
    steps,
)
from bluepeace_gis.kernels.spill import STAYS, Passes, Summary, Ways
from bluepeace_gis.kernels.tiles import Tile, Tiling

Progress = Callable[[float], None]
AreasOf = Callable[[Tile], Reals]


@dataclass(frozen=True)
class Surface:
    """What directions are made from.

    z            (rows, columns)  elevations, NaN where there is none
    nearness     (rows, 3)  1 / distance to the neighbour in the row, the diagonal, the column
    forced       (rows, columns) or (0, 0)  directions that stand already (SINK: water ends there), FREE
                 elsewhere
    edges_drain  whether water leaves where the surface ends
    """

    z: Singles
    nearness: Reals
    forced: Codes
    edges_drain: bool

    @property
    def tiling(self) -> Tiling:
        """The cut into tiles."""
        return Tiling(*self.z.shape)


@dataclass(frozen=True)
class Depressions:
    """Depressions, those that join before they spill taken as one.

    row, column  (d,)  the deepest pit
    spill_row, spill_column  (d,)  the cell of the pass over which it spills
    level        (d,)  the elevation of that pass
    depth        (d,)  below it, at the deepest cell
    area, volume (d,)  of the water that would stand, in the units of the cells' areas
    tile, node   (m,)  and ``of`` (m,)  the parts: node of a tile -> depression
    """

    row: Cells
    column: Cells
    spill_row: Cells
    spill_column: Cells
    level: Singles
    depth: Singles
    area: Reals
    volume: Reals
    tile: Cells
    node: Cells
    of: Cells


def summarise(surface: Surface, tile: Tile, direction: Codes) -> Summary:
    """Point the cells of a tile and find what it knows about its depressions.

    direction  (rows, columns)  of the whole raster: the tile's window is written
    """
    z = tiles.with_rim(surface.z, tile, np.nan)
    forced = tiles.with_rim(surface.forced, tile, FREE) if surface.forced.size else surface.forced
    way = np.full(z.shape, VOID, np.uint8)
    cells = tile.rows * tile.columns
    waiting, ends, saddles = (np.empty(cells, np.int32) for _ in range(3))
    near = surface.nearness[np.maximum(np.arange(tile.row - 1, tile.row + tile.rows), 0)]
    free, count, asked = descent.descend(
        z, near[1:], forced, surface.edges_drain, way, waiting, ends, saddles
    )
    ends, saddles = ends[:count], saddles[:asked]
    pits = waiting[: descent.drain_plateaus(z, way, waiting, free, ends, np.empty(cells, np.int32))].copy()
    direction[tile.window] = way[1:-1, 1:-1]
    node = np.empty(z.shape, np.int32)
    exits = np.empty(2 * (tile.rows + tile.columns), np.int32)
    exits = exits[: catchments.number(way, pits, node, exits)].copy()
    most = 8 * saddles.size + ends.size
    keys, place = np.empty(most, np.int64), np.empty(most, np.int32)
    height, fall = np.empty(most, np.float32), np.empty(most, np.float32)
    found = slice(0, catchments.passes(z, near, way, node, saddles, ends, keys, height, fall, place))
    passes = Passes(keys[found], height[found], fall[found], place[found])
    nodes = 1 + pits.size + exits.size
    terminal = catchments.touching_rim(node, nodes)
    terminal[1 + pits.size :] = 1
    own = np.empty(nodes, np.int32)
    fate = np.empty(passes.keys.size, np.uint8)
    order = catchments.in_order(passes.keys, passes.height, passes.fall, passes.place)
    catchments.settle(order, passes.keys, terminal, own, fate)
    terminals = np.flatnonzero(terminal).astype(np.int32)
    at = np.full(nodes + 1, -1, np.int32)  # the last one takes the -1 of void cells
    at[terminals] = np.arange(terminals.size)
    inner = slice(1, -1)
    sides = ((1, inner), (-2, inner), (inner, 1), (inner, -2))
    return Summary(
        tile=tile,
        pits=pits,
        pit_height=z.ravel()[pits],
        exits=exits,
        exit_way=way.ravel()[exits],
        terminals=terminals,
        owner=at[own],
        certain=passes[np.flatnonzero(fate == CERTAIN)],
        undecided=passes[order[fate[order] == UNDECIDED]],
        crossing=passes[np.flatnonzero(fate == TO_OTHER)],
        rim_node=at[np.concatenate([node[side] for side in sides])],
    )


@dataclass(frozen=True)
class Tree:
    """How the nodes of one tile drain: (nodes,) each.

    behind  the node behind the pass, -1 where it lies in another tile or there is none
    cell, way  the pass; STAYS where the node drains by itself
    height  of the pass, level to which its water rises before it drains (-inf: it does not)
    """

    behind: Labels
    cell: Labels
    way: Codes
    height: Singles
    level: Singles


def orient(summary: Summary, ways: Ways) -> Tree:
    """Lead each node of a tile to the terminal pass of its set."""
    nodes = summary.owner.size
    behind, cell = np.full(nodes, -1, np.int32), np.full(nodes, -1, np.int32)
    way = np.full(nodes, STAYS, np.uint8)
    height, level = np.full(nodes, -np.inf, np.float32), np.full(nodes, -np.inf, np.float32)
    known = summary.certain
    start, beside = np.empty(nodes + 2, np.int64), np.empty(2 * known.keys.size, np.int32)
    catchments.index(known.keys, start, beside)
    queue, seen = np.empty(nodes, np.int32), np.zeros(nodes, np.uint8)
    last = ways.node.size
    queue[:last] = ways.node
    seen[ways.node] = 1
    cell[ways.node], way[ways.node] = ways.cell, ways.way
    height[ways.node], level[ways.node] = ways.height, ways.level
    step = steps(summary.tile.columns + 2)
    tree = (behind, cell, way, height, level)
    graph = (known.keys, known.height, known.place, start, beside)
    last = _orient(*graph, step, queue, 0, last, seen, *tree)
    if last < nodes:
        # What no terminal reaches is an island inside this tile: its lowest pit is its sink.
        pit_height = np.full(nodes, np.inf, np.float32)
        pit_height[1 : 1 + summary.pits.size] = summary.pit_height
        for node in _lowest_first(pit_height):
            if not seen[node] and pit_height[node] < np.inf:
                queue[last], seen[node] = node, 1
                last = _orient(*graph, step, queue, last, last + 1, seen, *tree)
    return Tree(behind, cell, way, height, level)


@njit(cache=True, nogil=True)
def _orient(
    keys: Cells,
    heights: Singles,
    place: Labels,
    start: Cells,
    beside: Labels,
    step: Cells,
    queue: Labels,
    first: int,
    last: int,
    seen: Codes,
    behind: Labels,
    cell: Labels,
    way: Codes,
    height: Singles,
    level: Singles,
) -> int:
    """Walk from queued nodes over the certain passes of a tile, breadth first.

    keys, heights, place  (n,)  of :func:`catchments.passes`
    start, beside  from :func:`catchments.index`
    queue          (nodes,)  changed: from ``first`` to ``last`` the nodes to begin with
    seen           (nodes,)  1 for all nodes that were queued; changed
    behind, cell, way, height, level  (nodes,)  changed: see :class:`Tree`
    returns        how many nodes were queued in all
    """
    while first < last:
        here = queue[first]
        first += 1
        for j in range(start[here], start[here + 1]):
            k = beside[j]
            low, high = keys[k] >> 32, keys[k] & 0xFFFFFFFF
            other = high if low == here else low
            if seen[other]:
                continue
            seen[other] = 1
            queue[last] = other
            last += 1
            behind[other] = here
            height[other] = heights[k]
            level[other] = max(heights[k], level[here])
            cell[other] = place[k] // PLACES
            way[other] = place[k] % PLACES // 2
            if (other == high) != (place[k] % 2 == 1):  # the first cell is behind the pass
                cell[other] += step[way[other]]
                way[other] = (way[other] + 4) % 8
    return last


@njit(cache=True, nogil=True)
def _lowest_first(height: Singles) -> Cells:
    """Order pits by height."""
    return np.argsort(height)


@njit(cache=True, nogil=True)
def turn(direction: Codes, cells: Labels, ways: Codes) -> None:
    """Turn round the paths that begin at ``cells``, each leaving its first cell by ``ways``.

    direction  (h + 2, w + 2)  changed; VOID in the rim
    """
    step = steps(direction.shape[1])
    flow = direction.ravel()
    for k in range(cells.size):
        cell, way = cells[k], ways[k]
        while True:
            old = flow[cell]
            flow[cell] = way
            if old >= SINK:
                break
            cell += step[old]
            way = (old + 4) % 8
            if flow[cell] == VOID:
                break


@njit(cache=True, nogil=True)
def _stand(
    z: Singles, node: Labels, level: Singles, areas: Reals, area: Reals, volume: Reals, depth: Singles
) -> None:
    """Sum per node the water that would stand up to its level; areas (h, w) or (h, 1)."""
    last = areas.shape[1] - 1
    for row in range(node.shape[0] - 2):
        for column in range(node.shape[1] - 2):
            name = node[row + 1, column + 1]
            if name > 0:
                deep = level[name] - z[row, column]
                if deep > 0:
                    cell = areas[row, min(column, last)]
                    area[name] += cell
                    volume[name] += cell * deep
                    depth[name] = max(depth[name], deep)


@njit(cache=True, nogil=True)
def raise_to(z: Singles, node: Labels, level: Singles, filled: Singles) -> None:
    """Fill each cell of a tile to the level of its node."""
    for row in range(z.shape[0]):
        for column in range(z.shape[1]):
            name = node[row + 1, column + 1]
            here = z[row, column]
            filled[row, column] = max(here, level[name]) if name > 0 else here


def nodes_of(summary: Summary, direction: Codes) -> tuple[Codes, Labels]:
    """Return directions and nodes of a tile, each with a rim, from the raster's directions."""
    way = np.full((summary.tile.rows + 2, summary.tile.columns + 2), VOID, np.uint8)
    way[1:-1, 1:-1] = direction[summary.tile.window]
    node = np.empty(way.shape, np.int32)
    catchments.label(way, summary.pits, node, np.empty(summary.exits.size + 4, np.int32))
    return way, node


@dataclass(frozen=True)
class Routed:
    """Directions, and what is known about the depressions they were led out of."""

    direction: Codes
    summaries: list[Summary]
    ways: list[Ways]
    trees: list[Tree]


def route(surface: Surface, *, done: Progress | None = None, threads: int | None = None) -> Routed:
    """Point every cell; the depressions are known but still closed.

    returns  directions (rows, columns) that end in pits, and the tree that drains them
    """
    direction = np.empty(surface.z.shape, np.uint8)
    tiling = surface.tiling
    summaries = tiles.each(
        lambda tile: summarise(surface, tile, direction), tiling, threads=threads, done=done
    )
    ways = spill.solve(summaries, tiling)
    trees = tiles.each(
        lambda tile: orient(summaries[tile.number], ways[tile.number]), tiling, threads=threads
    )
    return Routed(direction, summaries, ways, trees)


def breach(routed: Routed, *, threads: int | None = None) -> Codes:
    """Lead the water of each depression out by turning round the path from its pit to its pass.

    returns  (rows, columns)  directions: the array of ``routed``, changed
    """
    direction = routed.direction

    def finish(tile: Tile) -> None:
        tree, ways = routed.trees[tile.number], routed.ways[tile.number]
        through = np.flatnonzero(tree.way != STAYS)
        way = np.full((tile.rows + 2, tile.columns + 2), VOID, np.uint8)
        way[1:-1, 1:-1] = direction[tile.window]
        turn(
            way,
            np.concatenate([tree.cell[through], ways.turned_cell]),
            np.concatenate([tree.way[through], ways.turned_way]),
        )
        direction[tile.window] = way[1:-1, 1:-1]

    tiles.each(finish, Tiling(*direction.shape), threads=threads)
    return direction


def fill(surface: Surface, routed: Routed, *, threads: int | None = None) -> Singles:
    """Raise each cell to the level at which its water drains.

    returns  (rows, columns)  elevations: equal to those of a priority flood, to the bit
    """
    filled = np.empty(surface.z.shape, np.float32)

    def finish(tile: Tile) -> None:
        _, node = nodes_of(routed.summaries[tile.number], routed.direction)
        raise_to(surface.z[tile.window], node, routed.trees[tile.number].level, filled[tile.window])

    tiles.each(finish, surface.tiling, threads=threads)
    return filled


def depressions(
    surface: Surface, routed: Routed, areas_of: AreasOf, *, threads: int | None = None
) -> Depressions:
    """Measure the depressions of a surface that was routed but not yet breached.

    areas_of  gives the areas of the cells of a tile, (h, w)
    """

    def measure(tile: Tile) -> tuple[Reals, Reals, Singles]:
        _, node = nodes_of(routed.summaries[tile.number], routed.direction)
        tree = routed.trees[tile.number]
        area, volume = np.zeros(tree.level.size), np.zeros(tree.level.size)
        depth = np.zeros(tree.level.size, np.float32)
        _stand(surface.z[tile.window], node, tree.level, areas_of(tile), area, volume, depth)
        return area, volume, depth

    parts = tiles.each(measure, surface.tiling, threads=threads)
    return _join(routed, parts)


def _join(routed: Routed, parts: list[tuple[Reals, Reals, Singles]]) -> Depressions:
    """Take nodes whose waters join below the level at which they spill as one depression."""
    sizes = [tree.level.size for tree in routed.trees]
    base = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    terminals = np.concatenate(
        [s.terminals + start for s, start in zip(routed.summaries, base[:-1], strict=True)]
    )
    tiling = Tiling(*routed.direction.shape)
    behind = np.concatenate(
        [
            np.where(t.behind >= 0, t.behind + start, -1)
            for t, start in zip(routed.trees, base[:-1], strict=True)
        ]
    )
    for ways, start in zip(routed.ways, base[:-1], strict=True):
        over = ways.parent >= 0
        behind[ways.node[over] + start] = terminals[ways.parent[over]]
    level = np.concatenate([t.level for t in routed.trees])
    height = np.concatenate([t.height for t in routed.trees])
    # An exit is a part of the pit that its water comes to.
    same = _pits_of_exits(routed.summaries, base, terminals, tiling)
    area, volume = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    depth = np.concatenate([part[2] for part in parts])
    return _depressions(routed, base, (behind, height, level, same), (area, volume, depth))


def _pits_of_exits(summaries: list[Summary], base: Cells, terminals: Cells, tiling: Tiling) -> Cells:
    """Return for each node of all tiles the pit it belongs to: itself, or an exit's."""
    first = np.concatenate([[0], np.cumsum([s.terminals.size for s in summaries])]).astype(np.int64)
    group = spill.terminal_groups(summaries, first, tiling)
    same = np.arange(base[-1])
    same[terminals] = terminals[group]
    return same


@njit(cache=True, nogil=True)
def _heads(behind: Cells, height: Singles, level: Singles, same: Cells) -> tuple[Cells, Cells]:
    """Find for each node the depression it is part of, and the way out of it.

    returns  (n,) the last pit of its depression, over whose pass it spills; (n,) for pits, the node
             that knows that pass, -1 where water ends
    """
    head = np.full(behind.size, -1, np.int64)
    knows = np.full(behind.size, -1, np.int64)
    for k in range(behind.size):
        if behind[k] >= 0 and same[k] != same[behind[k]]:
            knows[same[k]] = k
    path = np.empty(behind.size, np.int64)
    for k in range(behind.size):
        count = 0
        here = same[k]
        while head[here] < 0:
            path[count] = here
            count += 1
            way = knows[here]
            # Waters join where the pass lies below the level on its other side.
            if way < 0 or height[way] >= level[same[behind[way]]]:
                head[here] = here
                break
            here = same[behind[way]]
        for j in range(count):
            head[path[j]] = head[here]
        head[k] = head[here]
    return head, knows


def _depressions(
    routed: Routed,
    base: Cells,
    nodes: tuple[Cells, Singles, Singles, Cells],
    water: tuple[Reals, Reals, Singles],
) -> Depressions:
    _, _, level, _ = nodes
    area, volume, depth = water
    head, knows = _heads(*nodes)
    wet = np.flatnonzero(area > 0)
    heads, of = np.unique(head[wet], return_inverse=True)
    deepest = np.zeros(heads.size, np.float32)
    np.maximum.at(deepest, of, depth[wet])
    (pit_row, pit_column, below), (over_row, over_column) = _cells_of_nodes(routed)
    # Only a pit can be the deepest cell; of equally deep ones the first is named.
    is_deepest = below[wet] == deepest[of]
    which, first = np.unique(of[is_deepest], return_index=True)
    deepest_node = np.full(heads.size, -1, np.int64)
    deepest_node[which] = wet[is_deepest][first]
    tile = np.repeat(np.arange(len(routed.trees)), np.diff(base))[wet]
    return Depressions(
        row=pit_row[deepest_node],
        column=pit_column[deepest_node],
        spill_row=over_row[knows[heads]],
        spill_column=over_column[knows[heads]],
        level=level[heads],
        depth=deepest,
        area=np.bincount(of, weights=area[wet], minlength=heads.size).astype(np.float64),
        volume=np.bincount(of, weights=volume[wet], minlength=heads.size).astype(np.float64),
        tile=tile,
        node=wet - base[tile],
        of=of,
    )


def _cells_of_nodes(routed: Routed) -> tuple[tuple[Cells, Cells, Singles], tuple[Cells, Cells]]:
    """Return for each node of all tiles its pit (row, column, depth below its level; -1, -1, NaN where
    it has none) and the cell of its pass (row, column)."""
    pits, passes = [], []
    for summary, tree in zip(routed.summaries, routed.trees, strict=True):
        row, column = np.full(tree.level.size, -1, np.int64), np.full(tree.level.size, -1, np.int64)
        below = np.full(tree.level.size, np.nan, np.float32)
        own = slice(1, 1 + summary.pits.size)
        row[own], column[own] = spill.in_raster(summary.tile, summary.pits)
        below[own] = tree.level[own] - summary.pit_height
        pits.append((row, column, below))
        passes.append(spill.in_raster(summary.tile, tree.cell))
    pit_row, pit_column, below = (np.concatenate(part) for part in zip(*pits, strict=True))
    over_row, over_column = (np.concatenate(part) for part in zip(*passes, strict=True))
    return (pit_row, pit_column, below), (over_row, over_column)
