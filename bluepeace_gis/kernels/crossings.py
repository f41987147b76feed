"""Rivers as main stems: each channel cell in one river, the larger of two going on at a confluence."""

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, Cells, Codes, Reals

Flags = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def follow(direction: Codes, cells: Cells, seen: Flags) -> None:
    """Mark all cells that the water of some cells passes until it ends.

    direction  (rows, columns)  without circles
    cells      (n,)  row-major
    seen       (rows * columns,)  marked in place; where the way meets a mark, the rest is marked already
    """
    columns = direction.shape[1]
    flow = direction.ravel()
    for start in cells:
        cell = start
        while flow[cell] < SINK:
            cell += ROW_STEP[flow[cell]] * columns + COLUMN_STEP[flow[cell]]
            if seen[cell]:
                break
            seen[cell] = True


@njit(cache=True, nogil=True)
def climb(direction: Codes, upstream: Reals, heads: Cells) -> tuple[Cells, Cells]:
    """Go up from some cells to the divide, always to the neighbour with the most land upstream.

    direction  (rows, columns)
    upstream   (rows * columns,)
    heads      (n,)  row-major
    returns    (n + 1,) where the way of each head begins in the next; (m,) row-major cells from the
               divide down to the one above the head; among equal neighbours the first clockwise from
               the east
    """
    rows, columns = direction.shape
    flow = direction.ravel()
    start = np.zeros(heads.size + 1, np.int64)
    way = np.empty(64, np.int64)
    last = 0
    for k in range(heads.size):
        cell = heads[k]
        while True:
            row, column = cell // columns, cell % columns
            best = -1
            for side in range(8):
                r, c = row + ROW_STEP[side], column + COLUMN_STEP[side]
                if r < 0 or r >= rows or c < 0 or c >= columns:
                    continue
                above = r * columns + c
                flows_here = flow[above] == (side + 4) % 8
                if flows_here and (best < 0 or upstream[above] > upstream[best]):
                    best = above
            if best < 0:
                break
            if last == way.size:
                wider = np.empty(2 * last, np.int64)
                wider[:last] = way
                way = wider
            way[last] = best
            last += 1
            cell = best
        start[k + 1] = last
        way[start[k] : last] = way[start[k] : last][::-1].copy()
    return start, way[:last].copy()


@njit(cache=True, nogil=True)
def main_inflow(below: Cells, upstream: Reals) -> Cells:
    """Find for each channel cell the one above it with the most land upstream.

    below     (n,)  place of the next channel cell downstream, -1 for none
    upstream  (n,)
    returns   (n,)  -1 for a source; among equal ones the first
    """
    main = np.full(below.size, -1, np.int64)
    for k in range(below.size):
        after = below[k]
        if after >= 0 and (main[after] < 0 or upstream[k] > upstream[main[after]]):
            main[after] = k
    return main


@njit(cache=True, nogil=True)
def ascend(main: Cells, mouths: Cells) -> tuple[Cells, Cells]:
    """List the cells of rivers from their sources down to their mouths.

    main     (n,)  from :func:`main_inflow`
    mouths   (r,)  places of the last cell of each river
    returns  (r + 1,) where each river begins in the next; (n,) places
    """
    start = np.zeros(mouths.size + 1, np.int64)
    places = np.empty(main.size, np.int64)
    last = 0
    for k in range(mouths.size):
        cell = mouths[k]
        while cell >= 0:
            places[last] = cell
            last += 1
            cell = main[cell]
        start[k + 1] = last
        places[start[k] : last] = places[start[k] : last][::-1].copy()
    return start, places


def main_stems(below: Cells, upstream: Reals) -> tuple[Cells, Cells]:
    """Divide a stream network into rivers; at a confluence the one with the most land upstream goes on.

    below     (n,)  place of the next channel cell downstream, -1 for none
    upstream  (n,)  growing downstream
    returns   (r + 1,) where each river begins in the next; (n,) places from source to mouth. A river
              stands behind the one it flows into: they are ordered by the area at their mouths
    """
    main = main_inflow(below, upstream)
    ends = (below < 0) | (main[below] != np.arange(below.size))
    mouths = np.flatnonzero(ends)
    start, places = ascend(main, mouths[np.argsort(-upstream[mouths], kind="stable")])
    return start, places
