"""Regions of a labelled raster: connected parts, their outlines and borders with what flows away from them;
low places of a belt, and the heights over which one gets from one place to another."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, Cells, Codes, Labels, Reals, Singles


@njit(cache=True, nogil=True)
def _root(parent: Cells, item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


@njit(cache=True, nogil=True)
def connected(label: Labels) -> tuple[Labels, Cells]:
    """Number the parts of each region that hang together along edges.

    label    (rows, columns)  0 for none
    returns  (rows, columns)  the part of each cell from 1, in the order of their first cells; 0 for none
             (parts,)         the region of each
    """
    rows, columns = label.shape
    part = np.zeros((rows, columns), np.int32)
    region = np.empty(16, np.int64)
    queue = np.empty(1024, np.int64)
    count = 0
    for row in range(rows):
        for column in range(columns):
            if label[row, column] == 0 or part[row, column] != 0:
                continue
            if count == region.size:
                region = np.concatenate((region, np.empty_like(region)))
            region[count] = label[row, column]
            count += 1
            part[row, column] = count
            queue[0] = row * columns + column
            last = 1
            while last > 0:
                last -= 1
                cell = queue[last]
                for way in (0, 2, 4, 6):
                    r, c = cell // columns + ROW_STEP[way], cell % columns + COLUMN_STEP[way]
                    if not (0 <= r < rows and 0 <= c < columns):
                        continue
                    if part[r, c] != 0 or label[r, c] != label[row, column]:
                        continue
                    part[r, c] = count
                    if last == queue.size:
                        queue = np.concatenate((queue, np.empty_like(queue)))
                    queue[last] = r * columns + c
                    last += 1
    return part, region[:count].copy()


@njit(cache=True, nogil=True)
def _followed(direction: Codes, row: int, column: int, reach: float) -> tuple[int, int, float]:
    """Follow the flow from a cell over ``reach`` cells, as far as it goes."""
    gone = 0.0
    while gone < reach and direction[row, column] < SINK:
        way = direction[row, column]
        row, column = row + ROW_STEP[way], column + COLUMN_STEP[way]
        gone += 1.0 if way % 2 == 0 else np.sqrt(2.0)
    return row, column, gone


@njit(cache=True, nogil=True)
def borders(part: Labels, direction: Codes, reach: float) -> Reals:
    """Find the edges between two parts, and how far the flow from either side goes apart.

    part       (rows, columns)  0 for none
    direction  (rows, columns)  0..7, or where flow ends
    reach      cells that the flow is followed over
    returns    (n, 3)  the smaller and the larger number of the two parts, and the distance between the ends
               of both ways over the sum of their lengths: 0 side by side, 1 in opposite directions
    """
    rows, columns = part.shape
    found = np.empty((1024, 3), np.float64)
    count = 0
    for row in range(rows):
        for column in range(columns):
            for way in (0, 2):  # east and south: each edge once
                r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
                if r >= rows or c >= columns:
                    continue
                one, other = part[row, column], part[r, c]
                if one == other or min(one, other) == 0:
                    continue
                if count == found.shape[0]:
                    found = np.concatenate((found, np.empty_like(found)))
                r1, c1, gone1 = _followed(direction, row, column, reach)
                r2, c2, gone2 = _followed(direction, r, c, reach)
                found[count, 0], found[count, 1] = min(one, other), max(one, other)
                apart = np.hypot(float(r1 - r2), float(c1 - c2))
                found[count, 2] = min(apart / max(gone1 + gone2, 1.0), 1.0)
                count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def outline_lengths(part: Labels) -> Cells:
    """Count the edges of cells around each part.

    part     (rows, columns)  0 for none
    returns  (n + 1,)  holes count, and where the raster ends there is none
    """
    rows, columns = part.shape
    length = np.zeros(part.max() + 1, np.int64)
    for row in range(rows):
        for column in range(columns):
            for way in (0, 2, 4, 6):
                r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
                inside = 0 <= r < rows and 0 <= c < columns
                if not inside or part[r, c] != part[row, column]:
                    length[part[row, column]] += 1
    length[0] = 0
    return length


@njit(cache=True, nogil=True)
def low_places(belt: Codes, order: Cells) -> Cells:
    """Find the lowest cells along a belt.

    belt     (rows, columns)  1 in the belt
    order    (n,)  the cells of the belt, row-major, by rising elevation
    returns  (k,)  those with no earlier cell beside them, in that order
    """
    rows, columns = belt.shape
    seen = np.zeros((rows, columns), np.bool_)
    low = np.empty(order.size, np.int64)
    lows = 0
    for cell in order:
        row, column = cell // columns, cell % columns
        lowest = True
        for way in range(8):
            r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
            if 0 <= r < rows and 0 <= c < columns and seen[r, c]:
                lowest = False
        seen[row, column] = True
        if lowest:
            low[lows] = cell
            lows += 1
    return low[:lows].copy()


@njit(cache=True, nogil=True)
def passes(z: Singles, order: Cells, places: Cells) -> tuple[Labels, Reals]:
    """Find the heights over which one gets from place to place.

    z        (rows, columns)  elevations
    order    (n,)  the cells that ways may take, row-major, by rising elevation
    places   (k,)  some of them
    returns  (j, 2)  two places whose waters join, by rising height; of the joined it is the first
             (j,)    the height at which they do
    """
    rows, columns = z.shape
    height = z.ravel()
    parent = np.full(rows * columns, -1, np.int64)
    place = np.full(rows * columns, -1, np.int32)  # of a root
    for k in range(places.size):
        place[places[k]] = k
    pair = np.empty((max(places.size - 1, 0), 2), np.int32)
    level = np.empty(pair.shape[0], np.float64)
    joins = 0
    for cell in order:
        parent[cell] = cell
        for way in range(8):
            r, c = cell // columns + ROW_STEP[way], cell % columns + COLUMN_STEP[way]
            if not (0 <= r < rows and 0 <= c < columns) or parent[r * columns + c] < 0:
                continue
            one, two = _root(parent, cell), _root(parent, r * columns + c)
            if one == two:
                continue
            if place[one] >= 0 and place[two] >= 0:
                pair[joins, 0], pair[joins, 1], level[joins] = place[one], place[two], height[cell]
                joins += 1
            if place[one] < 0 or 0 <= place[two] < place[one]:
                parent[one] = two
            else:
                parent[two] = one
    return pair[:joins].copy(), level[:joins].copy()


@njit(cache=True, nogil=True)
def join_tree(pair: Labels, level: Reals, lows: int) -> Cells:
    """Make the tree of joins: above two groups of places stands the join of their waters.

    pair, level  (j, 2), (j,)  as of ``passes``
    lows         how many places there are
    returns      (lows + j,)  the node above each place and each join, with a larger number; -1 for none
    """
    above = np.full(lows + level.size, -1, np.int64)
    group = np.arange(lows)
    node = np.arange(lows)
    for k in range(level.size):
        one, two = _root(group, pair[k, 0]), _root(group, pair[k, 1])
        if one != two:
            above[node[one]] = above[node[two]] = lows + k
            group[two] = one
            node[one] = lows + k
    return above


@njit(cache=True, nogil=True)
def climb(above: Cells, level: Reals, one: int, other: int) -> float:
    """Tell the least height over which water gets from one place to another.

    above       (lows + j,)  of ``join_tree``
    level       (j,)  the heights of the joins
    one, other  numbers of places
    returns     infinite where no way leads
    """
    lows = above.size - level.size
    while one != other and one >= 0 and other >= 0:
        if one < other:
            one = above[one]
        else:
            other = above[other]
    return level[one - lows] if one == other and one >= lows else np.inf


@njit(cache=True, nogil=True)
def extended(label: Labels, where: Codes) -> Labels:
    """Let regions grow into the cells beside them, ring by ring.

    label    (rows, columns)  0 for none
    where    (rows, columns)  1 in the cells that they may take
    returns  (rows, columns)  of two that come at once, the smaller number
    """
    rows, columns = label.shape
    grown = label.copy()
    edge = np.flatnonzero(label.ravel())
    while edge.size > 0:
        taken = np.empty(8 * edge.size, np.int64)
        count = 0
        for k in range(edge.size):
            for way in range(8):
                r, c = edge[k] // columns + ROW_STEP[way], edge[k] % columns + COLUMN_STEP[way]
                if not (0 <= r < rows and 0 <= c < columns) or where[r, c] == 0:
                    continue
                mine = grown[edge[k] // columns, edge[k] % columns]
                if grown[r, c] == 0:
                    grown[r, c] = -mine  # of this ring: not to grow on from yet
                    taken[count] = r * columns + c
                    count += 1
                elif grown[r, c] < 0 and -grown[r, c] > mine:
                    grown[r, c] = -mine
        edge = taken[:count].copy()
        for k in range(count):
            r, c = edge[k] // columns, edge[k] % columns
            grown[r, c] = -grown[r, c]
    return grown
