"""The catchments of a tile, the lowest passes between them, and the passes that water can need.

The catchments of all pits and their passes form a graph far smaller than the grid. Its minimum
spanning tree holds every way water can take out of a depression (Cordonnier, Bovy and Braun 2019,
doi:10.5194/esurf-7-549-2019). A tile settles what it can settle alone and hands up the rest.

Nodes of a tile: 0 what drains out already; 1 .. pits, its pits in the order of the rows; then one for
each cell from which water leaves the tile, in the same order.
"""

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import (
    SINK,
    Cells,
    Codes,
    Labels,
    Reals,
    Singles,
    steps,
)

OUTSIDE = 0  # the node of what drains out already
LEAVES = 8  # the "direction" of a pass over the surface's end
NO_FALL = np.float32(-1.0)  # of such a pass: behind every other one of its height


@njit(cache=True, nogil=True)
def label(direction: Codes, pits: Labels, node: Labels, exits: Labels) -> int:
    """Name for each cell the pit or the exit its water reaches in this tile.

    direction  (h + 2, w + 2)
    pits       (p,)  cells whose catchment has no outlet; other SINKs are outlets
    node       (h + 2, w + 2)  filled: see the module; -1 where VOID and in the rim
    exits      (2 * (h + w),)  filled: the cells from which water leaves the tile
    returns    how many exits there are
    """
    height, width = direction.shape[0] - 2, direction.shape[1] - 2
    stride = width + 2
    step = steps(stride)
    ways = direction.ravel()
    nodes = node.ravel()
    nodes[:] = -2
    nodes[:stride] = -1
    nodes[(height + 1) * stride :] = -1
    for row in range(1, height + 1):
        nodes[row * stride] = -1
        nodes[row * stride + width + 1] = -1
    for k in range(pits.size):
        nodes[pits[k]] = k + 1
    # Only cells beside the rim can leave the tile: they are numbered first.
    count = 0
    for row in range(1, height + 1):
        every = 1 if row in (1, height) else max(width - 1, 1)
        for column in range(1, width + 1, every):
            cell = row * stride + column
            way = ways[cell]
            if way < SINK and nodes[cell + step[way]] == -1:
                exits[count] = cell
                count += 1
                nodes[cell] = pits.size + count
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            first = row * stride + column
            if nodes[first] != -2:
                continue
            cell = first
            while nodes[cell] == -2 and ways[cell] < SINK:
                way = ways[cell]
                cell += step[way]
            name = nodes[cell]
            if name == -2:
                name = OUTSIDE if ways[cell] == SINK else -1
                nodes[cell] = name
            cell = first
            while nodes[cell] == -2:
                nodes[cell] = name
                way = ways[cell]
                cell += step[way]
    return count


@njit(cache=True, nogil=True)
def passes(
    z: Singles,
    nearness: Reals,
    node: Labels,
    ends: Labels,
    table: Cells,
    height: Singles,
    fall: Singles,
    cell: Labels,
    way: Codes,
) -> int:
    """Find the best pass between each two catchments of a tile that touch.

    z         (h + 2, w + 2)
    nearness  (h, 3)  1 / distance to the neighbour in the row, the diagonal, the column
    node      (h + 2, w + 2)  from :func:`label`
    ends      (e,)  cells where the surface ends and water may leave
    table     (2 ** k,)  -1; scratch, filled: slot -> the two nodes, ``low * 2 ** 32 + high``
    height, fall, cell, way  (2 ** k,)  +inf, -inf, any, any; filled: the pass's elevation, the slope
              down its lower side, its cell, and the direction of the cell behind it (LEAVES: over the
              surface's end)
    returns   how many passes there are; -1 if the table is too small

    The lowest pass is the best; of equally low ones the one with the steepest fall, because water
    that stands at a saddle takes that side; then the first in the order of the rows. Water leaves
    over the surface's end only where no equally low pass leads on.
    """
    rows, columns = z.shape[0] - 2, z.shape[1] - 2
    stride = columns + 2
    step = steps(stride)
    heights = z.ravel()
    nodes = node.ravel()
    mask = table.size - 1
    count = 0
    limit = table.size // 4 * 3
    # Along a border between two catchments the same pair comes again and again.
    recent_key, recent_slot = np.full(4, -1, np.int64), np.zeros(4, np.int64)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            here = row * stride + column
            mine = nodes[here]
            if mine < 0:
                continue
            level = heights[here]
            for k in range(4):  # east, south-east, south, south-west: each pair once
                other = here + step[k]
                theirs = nodes[other]
                if theirs == mine or theirs < 0:
                    continue
                key = np.int64(min(mine, theirs)) << 32 | np.int64(max(mine, theirs))
                top = max(level, heights[other])
                if key == recent_key[k]:
                    slot = recent_slot[k]
                else:
                    slot = _slot(key, mask)
                    while table[slot] != key and table[slot] != -1:
                        slot = (slot + 1) & mask
                    if table[slot] == -1:
                        if count == limit:
                            return -1
                        count += 1
                        table[slot] = key
                    recent_key[k], recent_slot[k] = key, slot
                if top > height[slot]:
                    continue
                slope = np.float32(abs(level - heights[other]) * nearness[row - 1, 1 if k % 2 else k])
                if top < height[slot] or slope > fall[slot]:
                    height[slot] = top
                    fall[slot] = slope
                    cell[slot] = here
                    way[slot] = k
    for k in range(ends.size):
        here = ends[k]
        mine = nodes[here]
        if mine <= OUTSIDE:
            continue
        key = np.int64(mine)  # between OUTSIDE and mine
        slot = _slot(key, mask)
        while table[slot] != key and table[slot] != -1:
            slot = (slot + 1) & mask
        if table[slot] == -1:
            if count == limit:
                return -1
            count += 1
            table[slot] = key
        if heights[here] < height[slot]:
            height[slot] = heights[here]
            fall[slot] = NO_FALL
            cell[slot] = here
            way[slot] = LEAVES
    return count


@njit(cache=True, nogil=True)
def _slot(key: np.int64, mask: int) -> np.int64:
    """Spread keys over a table (Fibonacci hashing of both halves)."""
    return (((key >> 32) * 40503 + (key & 0xFFFFFFFF)) * 2654435761 >> 11) & mask


@njit(cache=True, nogil=True)
def in_order(keys: Cells, heights: Singles, falls: Singles) -> Cells:
    """Order passes by height, equal heights by the steeper fall, then by their nodes.

    keys     (n,)  ``low * 2 ** 32 + high``: no two are equal
    heights, falls  (n,)
    returns  (n,)  indices

    The heights are sorted by their bits, in three stable counting passes; the few runs of equal ones
    are then put in order by comparison.
    """
    count = keys.size
    bits = heights.view(np.uint32)
    order = np.arange(count)
    other = np.empty(count, np.int64)
    for shift in (0, 11, 22):
        start = np.zeros(2049, np.int64)
        for k in range(count):
            start[((_sortable(bits[k]) >> np.uint32(shift)) & np.uint32(2047)) + 1] += 1
        for k in range(2048):
            start[k + 1] += start[k]
        for k in range(count):
            digit = (_sortable(bits[order[k]]) >> np.uint32(shift)) & np.uint32(2047)
            other[start[digit]] = order[k]
            start[digit] += 1
        order, other = other, order
    first = 0
    while first < count:
        last = first + 1
        while last < count and heights[order[last]] == heights[order[first]]:
            last += 1
        if last - first > 1:
            run = order[first:last]
            by_node = run[np.argsort(keys[run])]
            order[first:last] = by_node[np.argsort(-falls[by_node], kind="mergesort")]
        first = last
    return order


@njit(cache=True, nogil=True)
def _sortable(bits: np.uint32) -> np.uint32:
    """Turn the bits of a float so that they sort as unsigned integers do."""
    whole = np.uint32(bits)
    return ~whole if whole >> np.uint32(31) else whole | np.uint32(0x80000000)


@njit(cache=True, nogil=True)
def find(parent: Labels, node: int) -> int:
    """Return the representative of a set, halving the way to it."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def settle(keys: Cells, terminal: Codes, own: Labels, certain: Codes) -> int:
    """Tell which passes the minimum spanning tree of the whole surface holds for certain.

    keys      (n,)  passes by height, ``low * 2 ** 32 + high``
    terminal  (m,)  1 for nodes that other tiles can reach or that drain out: they may have passes
              that this tile does not see
    own       (m,)  filled: the terminal to which a node is tied by certain passes
    certain   (n,)  filled: 1 certainly in the tree, 2 undecided, 0 certainly not
    returns   how many are undecided

    Kruskal's rule. The lowest pass out of a set without a terminal is in the tree whatever lies
    beyond this tile, because the tile sees every pass of such a set; a pass that closes a circle of
    lower ones is in no tree. Only the passes between two sets with terminals are left open, fewer
    than there are terminals.
    """
    nodes = terminal.size
    every = np.arange(nodes).astype(np.int32)
    has = terminal.copy()
    for k in range(nodes):
        own[k] = k
    undecided = 0
    for k in range(keys.size):
        one = int(keys[k] >> 32)
        two = int(keys[k] & 0xFFFFFFFF)
        a, b = find(every, one), find(every, two)
        if a == b:
            certain[k] = 0
            continue
        if has[a] and has[b]:
            certain[k] = 2
            undecided += 1
        else:
            certain[k] = 1
            mine, yours = find(own, one), find(own, two)
            # A terminal stays the name of its set.
            if terminal[yours]:
                own[mine] = yours
            else:
                own[yours] = mine
        has[a] |= has[b]
        every[b] = a
    for k in range(nodes):
        own[k] = find(own, k)
    return undecided


def lowest_passes(
    z: Singles, nearness: Reals, node: Labels, nodes: int, ends: Labels
) -> tuple[Cells, Singles, Singles, Labels, Codes]:
    """Return the passes of a tile in their order: keys, heights, falls, cells, ways.

    The cell is on the side of the lower node; where the way is LEAVES, on that of the higher.
    """
    slots = 1 << max(int(nodes * 4).bit_length(), 6)
    while True:
        table = np.full(slots, -1, np.int64)
        height, fall = np.full(slots, np.inf, np.float32), np.full(slots, -np.inf, np.float32)
        cell, way = np.empty(slots, np.int32), np.empty(slots, np.uint8)
        if passes(z, nearness, node, ends, table, height, fall, cell, way) >= 0:
            break
        slots *= 2
    used = np.flatnonzero(table >= 0)
    order = used[in_order(table[used], height[used], fall[used])]
    keys, heights, falls, cells, ways = table[order], height[order], fall[order], cell[order], way[order]
    turn = (node.ravel()[cells] != keys >> 32) & (ways != LEAVES)
    cells[turn] += steps(z.shape[1])[ways[turn]].astype(np.int32)
    ways[turn] = (ways[turn] + 4) % 8
    return keys, heights, falls, cells, ways


def touching_rim(node: Labels, nodes: int) -> Codes:
    """Mark the nodes that have a cell beside the rim of the tile, where other tiles reach them.

    returns  (nodes,)  1 or 0
    """
    mark = np.zeros(nodes + 1, np.uint8)  # the last place takes the -1 of cells without elevation
    for side in (node[1, 1:-1], node[-2, 1:-1], node[1:-1, 1], node[1:-1, -2]):
        mark[side] = 1
    mark[OUTSIDE] = 1
    return mark[:nodes]
