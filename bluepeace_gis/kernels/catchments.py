"""The catchments of a tile, and the passes between them that water can need.

The catchments of all pits and their passes form a graph far smaller than the grid. Its minimum
spanning tree holds every way water can take out of a depression (Cordonnier, Bovy and Braun 2019,
doi:10.5194/esurf-7-549-2019). A tile settles what it can settle alone and hands up the rest.

Nodes of a tile: 0 what drains out already; 1 .. pits, its pits in the order of the rows; then one for
each cell from which water leaves the tile, in the same order.

A pass goes over a saddle. Where the lower neighbours of a cell hang together, round the ring of its
eight, whatever stands in two of them is joined below that cell, and no tree of lowest passes leads
over it. So only the cells whose lower neighbours fall apart are asked for passes, and only their
neighbours are asked for catchments: one cell in twenty on rough ground.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.neighbours import (
    SINK,
    VOID,
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
_OPEN = -2  # a cell that is not named yet
CERTAIN, UNDECIDED, TO_OTHER = 1, 2, 3  # what a tile knows about a pass
BEYOND = -1  # the key of a pass to another tile
_LONG = 16  # from how many equally high passes on sorting by comparison takes too long
PLACES = 32  # the place of a pass is a cell times this, plus twice a direction, plus its side


def _ring_tables() -> tuple[Codes, Codes]:
    """Return for each set of neighbours (bits) those that touch it, and those that hang together with one.

    Two neighbours of a cell touch if they are next to each other on its ring, or next but one with a
    corner between them.

    returns  (256,); (256, 8): the part of the set around each of its members
    """
    touching = [
        sum(1 << (way + turn) % 8 for turn in ((-1, 1) if way % 2 else (-2, -1, 1, 2))) for way in range(8)
    ]
    beside, part = np.zeros(256, np.uint8), np.zeros((256, 8), np.uint8)
    for chosen in range(256):
        for way in range(8):
            if chosen >> way & 1:
                beside[chosen] |= touching[way]
        for first in range(8):
            reached = chosen & 1 << first
            for way in [*range(8)] * 4:
                if reached >> way & 1:
                    reached |= chosen & touching[way]
            part[chosen, first] = reached
    return beside, part


_BESIDE, _PART = _ring_tables()
_FIRST = np.array([0] + [(bits & -bits).bit_length() - 1 for bits in range(1, 256)], np.uint8)


@njit(cache=True, nogil=True)
def number(direction: Codes, pits: Labels, node: Labels, exits: Labels) -> int:
    """Name the cells in which the water of a tile comes to an end in it.

    direction  (h + 2, w + 2)  VOID in the rim
    pits       (p,)  cells whose catchment has no outlet; other SINKs are outlets
    node       (h + 2, w + 2)  filled: the nodes of pits and exits, -1 where VOID, open elsewhere
    exits      (2 * (h + w),)  filled: the cells from which water leaves the tile
    returns    how many exits there are
    """
    height, width = direction.shape[0] - 2, direction.shape[1] - 2
    stride = width + 2
    step = steps(stride)
    ways = direction.ravel()
    nodes = node.ravel()
    for cell in range(nodes.size):
        nodes[cell] = -1 if ways[cell] == VOID else _OPEN
    for k in range(pits.size):
        nodes[pits[k]] = k + 1
    # Only cells beside the rim can leave the tile.
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
    return count


@njit(cache=True, nogil=True)
def _name(ways: Codes, step: Cells, nodes: Labels, first: int) -> int:
    """Return the node of a cell, and name all cells on its way down."""
    cell = first
    while nodes[cell] == _OPEN and ways[cell] < SINK:
        cell += step[ways[cell]]
    name = nodes[cell]
    if name == _OPEN:
        name = OUTSIDE if ways[cell] == SINK else -1
        nodes[cell] = name
    cell = first
    while nodes[cell] == _OPEN:
        nodes[cell] = name
        cell += step[ways[cell]]
    return int(name)


@njit(cache=True, nogil=True)
def label(direction: Codes, pits: Labels, node: Labels, exits: Labels) -> int:
    """Name for each cell the pit or the exit its water reaches in this tile.

    direction  (h + 2, w + 2)
    pits, node, exits  as in :func:`number`; in ``node`` every cell is named, -1 where VOID
    returns    how many exits there are
    """
    count = number(direction, pits, node, exits)
    step = steps(direction.shape[1])
    ways = direction.ravel()
    nodes = node.ravel()
    for row in range(1, direction.shape[0] - 1):
        for column in range(1, direction.shape[1] - 1):
            _name(ways, step, nodes, row * direction.shape[1] + column)
    return count


@njit(cache=True, nogil=True)
def _fall(heights: Singles, nearness: Reals, stride: int, here: int, other: int, way: int) -> np.float32:
    """Return the slope between two neighbours, their distance as in the row of the first of them."""
    near = nearness[min(here, other) // stride, 1 if way % 2 else way % 4]
    return np.float32(abs(heights[here] - heights[other]) * near)


@njit(cache=True, nogil=True)
def _steepest(heights: Singles, nearness: Reals, stride: int, step: Cells, here: int, part: int) -> int:
    """Return which neighbours of a part lie down the steepest slope: more than one bit if equally steep."""
    if part & (part - 1) == 0:
        return part
    chosen = 0
    steepest = NO_FALL
    while part:
        way = _FIRST[part]
        slope = _fall(heights, nearness, stride, here, here + step[way], way)
        if slope >= steepest:
            chosen = chosen | 1 << way if slope == steepest else 1 << way
            steepest = slope
        part &= part - 1
    return chosen


@njit(cache=True, nogil=True)
def passes(
    z: Singles,
    nearness: Reals,
    direction: Codes,
    node: Labels,
    saddles: Labels,
    ends: Labels,
    keys: Cells,
    height: Singles,
    fall: Singles,
    place: Labels,
) -> int:
    """List the passes that lead out of the catchments of a tile.

    z          (h + 2, w + 2)
    nearness   (h + 1, 3)  from the row above the tile on: 1 / distance to the neighbour in the row, the
               diagonal, the column
    direction  (h + 2, w + 2)
    node       (h + 2, w + 2)  from :func:`number`; changed: the cells that were asked are named
    saddles    (s,)  from :func:`descent.descend`
    ends       (e,)  cells where the surface ends and water may leave
    keys       (8 * s + e,)  filled: the two nodes, ``low * 2 ** 32 + high``; BEYOND to another tile
    height, fall  (8 * s + e,)  filled: the pass's elevation, the slope down its lower side
    place      (8 * s + e,)  filled: the first of its two cells in the order of the rows, times PLACES,
               plus twice the direction from there to the other (LEAVES: over the surface's end), plus 1
               if the first cell is the one of the higher node
    returns    how many passes there are; two nodes can have several

    From a saddle, the steepest way down into each part of its lower neighbours is a pass, except into
    the part its own water takes; so is the way to a level neighbour.
    """
    stride = z.shape[1]
    step = steps(stride)
    heights = z.ravel()
    ways = direction.ravel()
    nodes = node.ravel()
    # Along a border on a plateau the same pass comes again and again; the first one stands for all.
    known_key, known_level = np.zeros(1024, np.int64), np.empty(1024, np.float32)
    count = 0
    for here in saddles:
        level = heights[here]
        mine = _name(ways, step, nodes, int(here))
        if mine < 0:
            continue
        lower, equal, inside = 0, 0, 0  # bits: a neighbour each
        for way in range(8):
            other = here + step[way]
            lower |= (heights[other] < level) << way
            equal |= (heights[other] == level) << way
            inside |= (nodes[other] != -1) << way
        for target in (inside, 255 & ~inside):
            if not target:
                continue
            # In the tile hangs together what the tile sees of the ring; to another tile, the whole ring.
            seen = lower & inside if target == inside else lower
            apart = seen if ways[here] >= SINK else seen & ~_PART[seen, ways[here]]
            # A level neighbour beside a lower one is joined through that; else one of the two is asked.
            wanted = equal & 15 & ~_BESIDE[seen]
            while apart:
                part = _PART[seen, _FIRST[apart]]
                apart &= ~part
                wanted |= _steepest(heights, nearness, stride, step, here, part)
            wanted &= target
            while wanted:
                way = _FIRST[wanted]
                wanted &= wanted - 1
                other = here + step[way]
                key = np.int64(BEYOND)
                side = 0
                if target == inside:
                    theirs = _name(ways, step, nodes, other)
                    if theirs == mine or theirs < 0:
                        continue
                    key = np.int64(min(mine, theirs)) << 32 | np.int64(max(mine, theirs))
                    side = (mine > theirs) == (way < 4)
                    if heights[other] == level:
                        slot = (mine * 61 ^ theirs * 61) & 1023
                        if known_key[slot] == key and known_level[slot] == level:
                            continue
                        known_key[slot], known_level[slot] = key, level
                keys[count] = key
                height[count] = level
                fall[count] = _fall(heights, nearness, stride, here, other, way)
                place[count] = min(here, other) * PLACES + way % 4 * 2 + side
                count += 1
    for here in ends:
        mine = _name(ways, step, nodes, int(here))
        if mine > OUTSIDE:
            keys[count] = mine  # between OUTSIDE and mine
            height[count] = heights[here]
            fall[count] = NO_FALL
            place[count] = here * PLACES + LEAVES * 2 + 1
            count += 1
    return count


def in_order(keys: Cells, heights: Singles, falls: Singles, places: Labels) -> Labels:
    """Order passes by height, equal heights by the steeper fall, then by their nodes and places.

    keys, heights, falls, places  (n,)  of :func:`passes`
    returns                       (n,)  indices

    Water that stands at a saddle takes the steepest side. Where hardly any heights are equal, the few
    runs of equal ones are put in order by comparison.
    """
    order = np.arange(keys.size, dtype=np.int32)
    level = sortable(heights)
    sort_by(order, level)
    if not order_equal(order, level, keys, falls, places):
        for digits in (places, keys & 0xFFFFFFFF, keys >> 32, ~sortable(falls), level):
            sort_by(order, digits.astype(np.uint32))
    return order


def sortable(values: Singles) -> npt.NDArray[np.uint32]:
    """Return the bits of floats so that they sort as unsigned numbers do; both zeros are one."""
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))


@njit(cache=True, nogil=True)
def sort_by(order: Labels, digits: npt.NDArray[np.uint32]) -> None:
    """Sort indices by the number they point at; those of equal ones stay as they stand.

    order   (n,)  changed
    digits  (n,)

    Three counting passes of eleven bits.
    """
    count = order.size
    other = np.empty(count, np.int32)
    start = np.empty(2049, np.int64)
    for shift in range(0, 33, 11):
        for k in range(2049):
            start[k] = 0
        for k in range(count):
            start[(digits[k] >> shift & 2047) + 1] += 1
        for k in range(2048):
            start[k + 1] += start[k]
        for k in range(count):
            digit = digits[order[k]] >> shift & 2047
            other[start[digit]] = order[k]
            start[digit] += 1
        for k in range(count):
            order[k] = other[k]


@njit(cache=True, nogil=True)
def order_equal(
    order: Labels, level: npt.NDArray[np.uint32], keys: Cells, falls: Singles, places: Labels
) -> bool:
    """Order runs of equally high passes by the steeper fall, then by their nodes and places.

    order   (n,)  passes by ``level``; changed
    level   (n,)  height of each pass, as whole numbers in its order
    keys    (n,)  its two nodes as one number
    falls   (n,)  the steeper fall beside it
    places  (n,)  its cell
    returns whether it is done: False if a run is too long for sorting by comparison
    """
    first = 0
    for k in range(order.size):
        one = order[k]
        if level[one] != level[order[first]]:
            first = k
        if k - first > _LONG:
            return False
        at = k
        while at > first:
            two = order[at - 1]
            if falls[one] != falls[two]:
                ahead = falls[one] > falls[two]
            elif keys[one] != keys[two]:
                ahead = keys[one] < keys[two]
            else:
                ahead = places[one] < places[two]
            if not ahead:
                break
            order[at] = two
            at -= 1
        order[at] = one
    return True


@njit(cache=True, nogil=True)
def find(parent: Labels, node: int) -> int:
    """Return the representative of a set, halving the way to it."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def settle(order: Labels, keys: Cells, terminal: Codes, own: Labels, fate: Codes) -> None:
    """Tell which passes the minimum spanning tree of the whole surface holds for certain.

    order     (n,)  passes, from low to high
    keys      (n,)  ``low * 2 ** 32 + high``, or BEYOND
    terminal  (m,)  1 for nodes that other tiles can reach or that drain out: they may have passes
              that this tile does not see
    own       (m,)  filled: the terminal to which a node is tied by certain passes
    fate      (n,)  filled: CERTAIN in the tree, UNDECIDED, TO_OTHER tiles, or 0: certainly not in it

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
    for k in order:
        if keys[k] == BEYOND:
            fate[k] = TO_OTHER
            continue
        one = int(keys[k] >> 32)
        two = int(keys[k] & 0xFFFFFFFF)
        a, b = find(every, one), find(every, two)
        if a == b:
            fate[k] = 0
            continue
        if has[a] and has[b]:
            fate[k] = UNDECIDED
        else:
            fate[k] = CERTAIN
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


@njit(cache=True, nogil=True)
def index(keys: Cells, start: Cells, beside: Labels) -> None:
    """List the passes at each node.

    keys    (n,)  of :func:`passes`
    start   (nodes + 2,)  filled: where those of a node begin
    beside  (2 * n,)  filled: passes
    """
    for k in range(start.size):
        start[k] = 0
    for k in range(keys.size):
        start[(keys[k] >> 32) + 2] += 1
        start[(keys[k] & 0xFFFFFFFF) + 2] += 1
    for k in range(2, start.size):
        start[k] += start[k - 1]
    for k in range(keys.size):
        low, high = keys[k] >> 32, keys[k] & 0xFFFFFFFF
        beside[start[low + 1]] = k
        start[low + 1] += 1
        beside[start[high + 1]] = k
        start[high + 1] += 1


def touching_rim(node: Labels, nodes: int) -> Codes:
    """Mark the nodes that have a cell beside the rim of the tile, where other tiles reach them.

    returns  (nodes,)  1 or 0
    """
    mark = np.zeros(nodes + 1, np.uint8)  # the last place takes the -1 of cells without elevation
    for side in (node[1, 1:-1], node[-2, 1:-1], node[1:-1, 1], node[1:-1, -2]):
        mark[side] = 1
    mark[OUTSIDE] = 1
    return mark[:nodes]
