"""Where water goes from each cell of a tile: down the steepest slope, over plateaus, else into a pit.

All arrays of a tile carry a rim of one cell, so that a cell and its neighbours differ by a constant
and no kernel asks whether it stands at the border.
"""

import numpy as np
from numba import njit

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


@njit(cache=True, nogil=True)
def descend(
    z: Singles,
    nearness: Reals,
    forced: Codes,
    edges_drain: bool,
    direction: Codes,
    waiting: Labels,
    ends: Labels,
) -> tuple[int, int]:
    """Point each cell at its steepest lower neighbour (O'Callaghan and Mark 1984).

    z            (h + 2, w + 2)  elevations with a rim, NaN where there is none
    nearness     (h, 3)  1 / distance to the neighbour in the row, the diagonal, the column
    forced       (h + 2, w + 2) or (0, 0)  directions that stand already, FREE elsewhere
    edges_drain  whether water leaves where the surface ends
    direction    (h + 2, w + 2)  filled: 0..7, SINK, VOID, or FREE where no neighbour is lower
    waiting      (h * w,)  filled: the cells left FREE, in the order of the rows
    ends         (h * w,)  filled: if ``edges_drain``, the cells where the surface ends
    returns      how many are FREE, how many lie at the surface's end

    doi:10.1016/S0734-189X(84)80011-0
    """
    height, width = z.shape[0] - 2, z.shape[1] - 2
    stride = width + 2
    free = 0
    count = 0
    is_forced = forced.size > 0
    direction[:] = VOID
    for row in range(1, height + 1):
        beside, across, below = nearness[row - 1, 0], nearness[row - 1, 1], nearness[row - 1, 2]
        for column in range(1, width + 1):
            here = z[row, column]
            if np.isnan(here):
                continue
            # Single precision first: a difference of two singles near each other is exact.
            e = np.float64(here - z[row, column + 1]) * beside
            se = np.float64(here - z[row + 1, column + 1]) * across
            s = np.float64(here - z[row + 1, column]) * below
            sw = np.float64(here - z[row + 1, column - 1]) * across
            w = np.float64(here - z[row, column - 1]) * beside
            nw = np.float64(here - z[row - 1, column - 1]) * across
            n = np.float64(here - z[row - 1, column]) * below
            ne = np.float64(here - z[row - 1, column + 1]) * across
            steepest = 0.0
            choice = FREE
            # A comparison with NaN is false: water never goes where nothing is known.
            if e > steepest:
                steepest, choice = e, 0
            if se > steepest:
                steepest, choice = se, 1
            if s > steepest:
                steepest, choice = s, 2
            if sw > steepest:
                steepest, choice = sw, 3
            if w > steepest:
                steepest, choice = w, 4
            if nw > steepest:
                steepest, choice = nw, 5
            if n > steepest:
                steepest, choice = n, 6
            if ne > steepest:
                steepest, choice = ne, 7
            if is_forced and forced[row, column] != FREE:
                choice = int(forced[row, column])
            else:
                if choice == FREE:
                    waiting[free] = row * stride + column
                    free += 1
                if edges_drain and np.isnan(e + se + s + sw + w + nw + n + ne):
                    ends[count] = row * stride + column
                    count += 1
            direction[row, column] = choice
    return free, count


@njit(cache=True, nogil=True)
def drain_plateaus(
    z: Singles, direction: Codes, waiting: Labels, free: int, ends: Labels, queue: Labels
) -> int:
    """Lead each FREE cell over its plateau to a cell that drains, else out, else to one pit.

    z          (h + 2, w + 2)
    direction  (h + 2, w + 2)  changed: no cell stays FREE; the pits are SINK
    waiting    (n,)  its first ``free`` cells are FREE, in the order of the rows; changed
    ends       (e,)  cells where the surface ends: water that cannot go inwards leaves there
    queue      (h * w,)  scratch
    returns    how many pits there are: the first cells of ``waiting``, in the order of the rows

    Breadth first from the cells that drain, so that the way over a plateau is shortest.
    """
    step = steps(z.shape[1])
    heights = z.ravel()
    ways = direction.ravel()
    queued = 0
    # First the cells that touch one that drains; they are marked afterwards, or the order of the
    # rows would decide how far each way reaches.
    for k in range(free):
        cell = waiting[k]
        here = heights[cell]
        for way in range(8):
            other = cell + step[way]
            if heights[other] == here and ways[other] <= SINK:
                queue[queued] = cell * 8 + way
                queued += 1
                break
    for k in range(queued):
        ways[queue[k] // 8] = queue[k] % 8
        queue[k] //= 8
    queued = _spread(heights, ways, step, queue, 0, queued)
    first = queued
    for k in range(ends.size):
        if ways[ends[k]] == FREE:
            ways[ends[k]] = SINK
            queue[queued] = ends[k]
            queued += 1
    queued = _spread(heights, ways, step, queue, first, queued)
    pits = 0
    for k in range(free):
        cell = waiting[k]
        if ways[cell] == FREE:
            ways[cell] = SINK
            waiting[pits] = cell
            pits += 1
            queue[queued] = cell
            queued = _spread(heights, ways, step, queue, queued, queued + 1)
    return pits


@njit(cache=True, nogil=True)
def _spread(heights: Singles, ways: Codes, step: Cells, queue: Labels, first: int, last: int) -> int:
    """Point the FREE neighbours of equal height at the queued cells, breadth first."""
    while first < last:
        cell = queue[first]
        first += 1
        here = heights[cell]
        for way in range(8):
            other = cell + step[way]
            if ways[other] == FREE and heights[other] == here:
                ways[other] = (way + 4) % 8
                queue[last] = other
                last += 1
    return last
