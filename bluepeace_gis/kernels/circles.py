"""What makes directions from elsewhere unusable or ambiguous: circles, and flow that leaves the surface."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, Cells, Codes


@njit(cache=True, nogil=True)
def end_outside(direction: Codes) -> int:
    """Let water end in the last cell of the surface where it would leave it.

    direction  (rows, columns)  changed: SINK where the next cell is VOID or beyond the raster
    returns    how many cells were changed
    """
    rows, columns = direction.shape
    changed = 0
    for row in range(rows):
        for column in range(columns):
            way = direction[row, column]
            if way >= SINK:
                continue
            r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
            if not (0 <= r < rows and 0 <= c < columns) or direction[r, c] == VOID:
                direction[row, column] = SINK
                changed += 1
    return changed


@njit(cache=True, nogil=True)
def on_circles(direction: Codes) -> Cells:
    """Find the cells whose water comes back to them; linear in the number of cells.

    direction  (rows, columns)  from :func:`end_outside`
    returns    (k,)  row-major, circle after circle, each from where it was first met
    """
    rows, columns = direction.shape
    seen = np.zeros((rows, columns), np.uint8)  # 1: on the way that is walked now, 2: walked before
    found = np.empty(16, np.int64)
    count = 0
    for row in range(rows):
        for column in range(columns):
            r, c = row, column
            while seen[r, c] == 0:
                seen[r, c] = 1
                way = direction[r, c]
                if way >= SINK:
                    break
                r += ROW_STEP[way]
                c += COLUMN_STEP[way]
            # Back on its own way: once round, until that is told.
            while seen[r, c] == 1 and direction[r, c] < SINK:
                seen[r, c] = 2
                if count == found.size:
                    found = np.concatenate((found, np.empty_like(found)))
                found[count] = r * columns + c
                count += 1
                way = direction[r, c]
                r += ROW_STEP[way]
                c += COLUMN_STEP[way]
            r, c = row, column
            while seen[r, c] == 1:
                seen[r, c] = 2
                way = direction[r, c]
                if way >= SINK:
                    break
                r += ROW_STEP[way]
                c += COLUMN_STEP[way]
    return found[:count].copy()
