"""Regions of a labelled raster: connected parts, borders with what flows away from them, and low places of a
belt with the heights at which they join."""

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
def low_places(z: Singles, belt: Codes, order: Cells) -> tuple[Cells, Labels, Reals]:
    """Find the lowest cells along a belt, and the heights at which the water in them would join.

    z        (rows, columns)  elevations, known in the belt
    belt     (rows, columns)  1 in the belt
    order    (n,)  the cells of the belt, row-major, by rising elevation
    returns  (k,)     the low places, row-major, by rising elevation
             (j, 2)   two low places whose waters join, by rising height
             (j,)     the height at which they do
    """
    rows, columns = z.shape
    height = z.ravel()
    parent = np.full(rows * columns, -1, np.int64)
    lowest = np.full(rows * columns, -1, np.int32)  # number of the low place of a root
    low = np.empty(64, np.int64)
    pair = np.empty((64, 2), np.int32)
    level = np.empty(64, np.float64)
    lows, joins = 0, 0
    for k in range(order.size):
        cell = order[k]
        parent[cell] = cell
        for way in range(8):
            r, c = cell // columns + ROW_STEP[way], cell % columns + COLUMN_STEP[way]
            if not (0 <= r < rows and 0 <= c < columns) or belt[r, c] == 0:
                continue
            other = r * columns + c
            if parent[other] < 0:
                continue
            one, two = _root(parent, cell), _root(parent, other)
            if one == two:
                continue
            if lowest[one] < 0:
                parent[one] = two
                continue
            if joins == level.size:
                pair = np.concatenate((pair, np.empty_like(pair)))
                level = np.concatenate((level, np.empty_like(level)))
            pair[joins, 0], pair[joins, 1], level[joins] = lowest[one], lowest[two], height[cell]
            joins += 1
            if lowest[one] < lowest[two]:  # numbered by rising elevation: the lower one stays
                parent[two] = one
            else:
                parent[one] = two
        if parent[cell] == cell and lowest[cell] < 0:
            if lows == low.size:
                low = np.concatenate((low, np.empty_like(low)))
            low[lows] = cell
            lowest[cell] = lows
            lows += 1
    return low[:lows].copy(), pair[:joins].copy(), level[:joins].copy()


@njit(cache=True, nogil=True)
def join_tree(pair: Labels, level: Reals, lows: int) -> Cells:
    """Make the tree of joins: above two groups of low places stands the join of their waters.

    pair, level  (j, 2), (j,)  as of ``low_places``
    lows         how many low places there are
    returns      (lows + j,)  the node above each low place and each join, with a larger number; -1 for none
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
    """Tell the least height over which water gets from one low place to another.

    above       (lows + j,)  of ``join_tree``
    level       (j,)  the heights of the joins
    one, other  numbers of low places
    returns     infinite where no way leads along the belt
    """
    lows = above.size - level.size
    while one != other and one >= 0 and other >= 0:
        if one < other:
            one = above[one]
        else:
            other = above[other]
    return level[one - lows] if one == other and one >= lows else np.inf


@njit(cache=True, nogil=True)
def nearest_cells(part: Labels, row: Cells, column: Cells, reach: float) -> Reals:
    """Tell how far parts lie from places.

    part         (rows, columns)  0 for none
    row, column  (n,)
    reach        in cells; parts farther away are left out
    returns      (m, 3)  the number of the place, that of the part, and how far its nearest cell is, in cells
    """
    rows, columns = part.shape
    found = np.empty((64, 3), np.float64)
    count = 0
    at = np.full(part.max() + 1, -1, np.int64)  # where the part stands among what was found
    last = int(reach)
    for k in range(row.size):
        first = count
        for r in range(max(row[k] - last, 0), min(row[k] + last + 1, rows)):
            for c in range(max(column[k] - last, 0), min(column[k] + last + 1, columns)):
                if part[r, c] == 0:
                    continue
                far = np.hypot(float(r - row[k]), float(c - column[k]))
                if far > reach:
                    continue
                here = at[part[r, c]]
                if here >= first:
                    found[here, 2] = min(found[here, 2], far)
                    continue
                if count == found.shape[0]:
                    found = np.concatenate((found, np.empty_like(found)))
                found[count, 0], found[count, 1], found[count, 2] = k, part[r, c], far
                at[part[r, c]] = count
                count += 1
    return found[:count].copy()


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
