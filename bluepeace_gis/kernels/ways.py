"""Cheapest ways over a raster, and how far its cells lie from the outside."""

import heapq

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, Cells, Codes, Reals


@njit(cache=True, nogil=True)
def depth(mask: Codes) -> Reals:
    """Measure how far cells lie from the nearest one outside the mask.

    mask     (rows, columns)  1 inside; beyond the raster is outside
    returns  (rows, columns)  in cells, along rows, columns and diagonals: at most 8 % too long
    """
    rows, columns = mask.shape
    far = np.full((rows + 2, columns + 2), 0.0)
    for row in range(rows):
        for column in range(columns):
            if mask[row, column]:
                far[row + 1, column + 1] = np.inf
    slant = np.sqrt(2.0)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            far[row, column] = min(
                far[row, column], far[row, column - 1] + 1, far[row - 1, column] + 1,
                far[row - 1, column - 1] + slant, far[row - 1, column + 1] + slant,
            )  # fmt: skip
    for row in range(rows, 0, -1):
        for column in range(columns, 0, -1):
            far[row, column] = min(
                far[row, column], far[row, column + 1] + 1, far[row + 1, column] + 1,
                far[row + 1, column + 1] + slant, far[row + 1, column - 1] + slant,
            )  # fmt: skip
    return far[1:-1, 1:-1].copy()


@njit(cache=True, nogil=True)
def cheapest(cost: Reals, start: int) -> tuple[Cells, Reals]:
    """Find the cheapest way from each cell to one: the mean cost of two neighbours times their distance.

    cost     (rows, columns)  above 0; infinite where no way leads
    start    row-major, of a finite cost
    returns  (n,)  the next cell on the way, row-major; its own number at the start, -1 where there is no way
             (n,)  the length of the way in cells; NaN where there is none
    """
    rows, columns = cost.shape
    flat = cost.ravel()
    price = np.full(flat.size, np.inf)
    following = np.full(flat.size, -1, np.int64)
    length = np.full(flat.size, np.nan)
    price[start], following[start], length[start] = 0.0, start, 0.0
    waiting = [(0.0, np.int64(start))]
    while len(waiting) > 0:
        paid, cell = heapq.heappop(waiting)
        if paid > price[cell]:
            continue
        for way in range(8):
            r, c = cell // columns + ROW_STEP[way], cell % columns + COLUMN_STEP[way]
            if not (0 <= r < rows and 0 <= c < columns):
                continue
            other = r * columns + c
            if not np.isfinite(flat[other]):
                continue
            step = 1.0 if way % 2 == 0 else np.sqrt(2.0)
            total = paid + step * (flat[cell] + flat[other]) / 2
            if total < price[other]:
                price[other], following[other], length[other] = total, cell, length[cell] + step
                heapq.heappush(waiting, (total, np.int64(other)))
    return following, length
