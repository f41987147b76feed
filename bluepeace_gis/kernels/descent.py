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
    saddles: Labels,
) -> tuple[int, int, int]:
    """Point each cell at its steepest lower neighbour (O'Callaghan and Mark 1984).

    z            (h + 2, w + 2)  elevations with a rim, NaN where there is none
    nearness     (h, 3)  1 / distance to the neighbour in the row, the diagonal, the column
    forced       (h + 2, w + 2) or (0, 0)  directions that stand already, FREE elsewhere
    edges_drain  whether water leaves where the surface ends
    direction    (h + 2, w + 2)  VOID; filled: 0..7, SINK, VOID, or FREE where no neighbour is lower
    waiting      (h * w,)  filled: the cells left FREE, in the order of the rows
    ends         (h * w,)  filled: if ``edges_drain``, the cells where the surface ends
    saddles      (h * w,)  filled: cells a pass between catchments can lead over: their lower neighbours
                 fall apart (see :mod:`catchments`), or one is level, or they lie beside the rim, or are
                 forced
    returns      how many are FREE, how many lie at the surface's end, how many are saddles

    doi:10.1016/S0734-189X(84)80011-0
    """
    height, width = z.shape[0] - 2, z.shape[1] - 2
    free, count, asked = 0, 0, 0
    is_forced = forced.size > 0
    is_end, is_saddle = np.zeros(width + 2, np.uint8), np.zeros(width + 2, np.uint8)
    for row in range(1, height + 1):
        beside, across, below = nearness[row - 1, 0], nearness[row - 1, 1], nearness[row - 1, 2]
        north, level, south, ways = z[row - 1], z[row], z[row + 1], direction[row]
        # Every cell of a row by the same steps, without a branch: the compiler takes many at once.
        for column in range(1, width + 1):
            here = level[column]
            # Single precision first: a difference of two singles near each other is exact.
            e = here - level[column + 1]
            se = here - south[column + 1]
            s = here - south[column]
            sw = here - south[column - 1]
            w = here - level[column - 1]
            nw = here - north[column - 1]
            n = here - north[column]
            ne = here - north[column + 1]
            steepest = 0.0
            choice = FREE
            # A comparison with NaN is false: water never goes where nothing is known.
            if np.float64(e) * beside > steepest:
                steepest, choice = np.float64(e) * beside, 0
            if np.float64(se) * across > steepest:
                steepest, choice = np.float64(se) * across, 1
            if np.float64(s) * below > steepest:
                steepest, choice = np.float64(s) * below, 2
            if np.float64(sw) * across > steepest:
                steepest, choice = np.float64(sw) * across, 3
            if np.float64(w) * beside > steepest:
                steepest, choice = np.float64(w) * beside, 4
            if np.float64(nw) * across > steepest:
                steepest, choice = np.float64(nw) * across, 5
            if np.float64(n) * below > steepest:
                steepest, choice = np.float64(n) * below, 6
            if np.float64(ne) * across > steepest:
                steepest, choice = np.float64(ne) * across, 7
            ways[column] = VOID if np.isnan(here) else choice
            # The parts of the lower neighbours: runs of sides, and corners between two higher sides.
            parts = (
                0  # numpy's sum of two truths is a truth
                + ((e > 0) & ~(s > 0))
                + ((s > 0) & ~(w > 0))
                + ((w > 0) & ~(n > 0))
                + ((n > 0) & ~(e > 0))
                + ((se > 0) & ~(e > 0) & ~(s > 0))
                + ((sw > 0) & ~(s > 0) & ~(w > 0))
                + ((nw > 0) & ~(w > 0) & ~(n > 0))
                + ((ne > 0) & ~(n > 0) & ~(e > 0))
            )
            # The level neighbours behind it say so themselves.
            is_saddle[column] = (
                (parts > 1)
                | ((e == 0) & ~(n > 0) & ~(ne > 0) & ~(se > 0) & ~(s > 0))
                | ((se == 0) & ~(e > 0) & ~(s > 0))
                | ((s == 0) & ~(e > 0) & ~(se > 0) & ~(sw > 0) & ~(w > 0))
                | ((sw == 0) & ~(s > 0) & ~(w > 0))
            )
            is_end[column] = (
                np.isnan(e)
                | np.isnan(se)
                | np.isnan(s)
                | np.isnan(sw)
                | np.isnan(w)
                | np.isnan(nw)
                | np.isnan(n)
                | np.isnan(ne)
            )
        is_saddle[1] = is_saddle[width] = 1
        is_beside = row in (1, height)
        for column in range(1, width + 1):
            way = ways[column]
            asks = is_saddle[column] or is_beside
            if way == VOID or (way < SINK and not asks and not is_end[column] and not is_forced):
                continue
            cell = row * (width + 2) + column
            held = is_forced and forced[row, column] != FREE
            if held:
                ways[column] = forced[row, column]
            elif way == FREE:
                waiting[free] = cell
                free += 1
            if is_end[column] and edges_drain and not held:
                ends[count] = cell
                count += 1
            if asks or held:
                saddles[asked] = cell
                asked += 1
    return free, count, asked


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
    start = queued = int(np.int64(0))  # for a literal zero numba would compile _spread once more
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
    queued = _spread(heights, ways, step, queue, start, queued)
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
