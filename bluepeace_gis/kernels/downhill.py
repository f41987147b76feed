"""What sources hand down a surface until it is used up: from cell to lower cell, within a mask."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels import runs
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, Cells, Codes, Reals, Singles

WALL, TAKER, SOURCE = 0, 1, 2

_EXPONENT = 1.1  # of the slope, among the lower neighbours (Freeman 1991, doi:10.1016/0098-3004(91)90048-I)
_LIFT = 1e-4  # how much higher a cell in a hollow is taken to be than the one it empties to


@njit(cache=True, nogil=True)
def _leaves(z: Singles, kind: Codes, row: int, column: int) -> bool:
    """Tell whether a cell empties over the rim of the raster or onto a lower wall."""
    rows, columns = z.shape
    for way in range(8):
        r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
        if not (0 <= r < rows and 0 <= c < columns):
            return True
        if kind[r, c] == WALL and not z[r, c] >= z[row, column]:  # unknown heights are below
            return True
    return False


@njit(cache=True, nogil=True)
def _starts(z: Singles, kind: Codes) -> Reals:
    """Give the heights (rows, columns) of the cells that empty out of the mask, NaN elsewhere.

    Of a part that walls close in it is the lowest cell.
    """
    level = np.full(z.shape, np.nan, np.float64)
    found = runs.runs_of(kind, WALL + 1)
    parts = runs.join(found, True)
    opens = np.zeros(parts, np.bool_)
    lowest = np.full((parts, 2), -1, np.int64)
    for this in range(found.shape[0]):
        row, part = found[this, runs.ROW], found[this, runs.PART]
        for column in range(found[this, runs.START], found[this, runs.END]):
            if _leaves(z, kind, row, column):
                level[row, column] = z[row, column]
                opens[part] = True
            elif lowest[part, 0] < 0 or z[row, column] < z[lowest[part, 0], lowest[part, 1]]:
                lowest[part, 0], lowest[part, 1] = row, column
    for part in range(parts):
        if not opens[part]:
            row, column = lowest[part, 0], lowest[part, 1]
            level[row, column] = z[row, column]
    return level


@njit(cache=True, nogil=True)
def _emptied(z: Singles, kind: Codes) -> tuple[Reals, Cells]:
    """Raise hollows, so that each cell has a lower one beside it or empties out of the mask.

    z, kind  (rows, columns)
    returns  (rows, columns) raised heights, NaN on walls, and the cells of the mask (n,), lowest first

    From where it empties upwards (Barnes et al. 2014, doi:10.1016/j.cageo.2013.04.024). What is raised comes
    in the order of its level, what is not in that of its height: two queues, each rising, instead of a heap.
    """
    rows, columns = z.shape
    level = _starts(z, kind)
    heights, levels = z.ravel(), level.ravel()
    inside = np.flatnonzero(kind.ravel() != WALL)
    by_height = inside[np.argsort(heights[inside], kind="mergesort")]
    order = np.empty(inside.size, np.int64)
    raised = np.empty(inside.size, np.int64)
    ahead = behind = place = count = 0
    while ahead < behind or place < inside.size:
        if place == inside.size or (ahead < behind and levels[raised[ahead]] <= heights[by_height[place]]):
            cell = raised[ahead]
            ahead += 1
        else:
            cell = by_height[place]
            place += 1
            if levels[cell] != heights[cell]:  # nothing lower leads to it: it comes raised, or has come
                continue
        order[count] = cell
        count += 1
        row, column = cell // columns, cell % columns
        least = levels[cell] + _LIFT
        for way in range(8):
            r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
            if not (0 <= r < rows and 0 <= c < columns):
                continue
            if kind[r, c] == WALL or not np.isnan(level[r, c]):
                continue
            if z[r, c] >= least:
                level[r, c] = z[r, c]
            else:
                level[r, c] = least
                raised[behind] = r * columns + c
                behind += 1
    return level, order[:count]


@njit(cache=True, nogil=True)
def fed(z: Singles, kind: Codes, roof: Singles, gain: float, least: float) -> Codes:
    """Find the cells that are fed from above.

    z        (rows, columns)  heights; known wherever ``kind`` is no wall
    kind     (rows, columns)  WALL: nothing passes; SOURCE: adds ``gain``; TAKER: uses 1 up
             where it gets enough
    roof     (rows, columns)  of a source, the height below which what it adds can be used
    gain     what a source adds
    least    a taker gets enough where it gets so much, 1 or more
    returns  (rows, columns)  1 for the takers that got enough, and lie below the mean roof of what they got

    What a cell does not use goes to all its lower neighbours in the mask, as the slope to the power of 1.1.
    What is taken in all is never more than ``gain`` times the number of sources.
    """
    rows, columns = z.shape
    level, order = _emptied(z, kind)
    store = np.zeros(z.shape, np.float64)
    under = np.zeros(z.shape, np.float64)  # sum of what is stored times its roof
    taken = np.zeros(z.shape, np.uint8)
    part = np.empty(8, np.float64)
    for k in range(order.size - 1, -1, -1):
        row, column = order[k] // columns, order[k] % columns
        own = store[row, column]
        if kind[row, column] == SOURCE:
            store[row, column] += gain
            under[row, column] += gain * roof[row, column]
        elif own >= least and z[row, column] * own < under[row, column]:
            taken[row, column] = 1
            store[row, column] -= 1.0
            under[row, column] *= (own - 1.0) / own
        total = 0.0
        for way in range(8):
            part[way] = 0.0
            r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
            if not (0 <= r < rows and 0 <= c < columns) or kind[r, c] == WALL:
                continue
            fall = level[row, column] - level[r, c]
            if fall > 0:
                away = np.sqrt(2.0) if ROW_STEP[way] != 0 and COLUMN_STEP[way] != 0 else 1.0
                part[way] = (fall / away) ** _EXPONENT
                total += part[way]
        if total == 0:  # the lowest cell: what is left, is left
            continue
        for way in range(8):
            if part[way] > 0:
                r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
                store[r, c] += store[row, column] * part[way] / total
                under[r, c] += under[row, column] * part[way] / total
    return taken
