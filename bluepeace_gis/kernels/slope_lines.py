"""Single directions of flow that keep to slope lines over a long way, not only from cell to cell."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, Cells, Codes, Singles

_DIAGONAL = np.sqrt(2.0)


@njit(cache=True, nogil=True)
def straightened(direction: Codes, z: Singles, order: Cells) -> Codes:
    """Turn directions so that ways stray least from slope lines.

    direction  (rows, columns)  without circles, none of them upwards
    z          (rows, columns)  without pits but where flow ends; NaN where nothing is known; square cells
    order      (n,)  the cells with a direction, row-major, by falling elevation
    returns    (rows, columns)  of the two directions beside the steepest descent over eight triangular
               facets that which brings the way from its head to here nearer to the slope line, if it leads
               down; otherwise the given one. Of two ways that meet the longer one counts.

    Eight directions chosen cell by cell run straight where a slope faces between two of them, and a divide
    that follows such ways is tens of cells off after a few kilometres. This is D8-LTD of Orlandini et al.
    (2003), doi:10.1029/2002WR001639, all deviations counted in full.
    """
    rows, columns = z.shape
    turned = direction.copy()
    stray = np.zeros((rows, columns))  # across the slope line, in cells, clockwise positive
    upstream = np.ones((rows, columns))
    longest = np.zeros((rows, columns))
    for cell in order:
        row, column = cell // columns, cell % columns
        way = direction[row, column]
        if way >= SINK:
            continue
        here = np.float64(z[row, column])
        steepest, beside, corner, fall, turn = 0.0, -1, -1, 0.0, 0.0
        for facet in range(8):
            one, other = (facet + facet % 2) % 8, facet + 1 - facet % 2
            r1, c1 = row + ROW_STEP[one], column + COLUMN_STEP[one]
            r2, c2 = row + ROW_STEP[other], column + COLUMN_STEP[other]
            if min(r1, c1, r2, c2) < 0 or max(r1, r2) >= rows or max(c1, c2) >= columns:
                continue
            down, across = here - z[r1, c1], np.float64(z[r1, c1]) - z[r2, c2]
            if np.isnan(down) or np.isnan(across):
                continue
            if across <= 0:
                slope, across = down, 0.0
            elif across >= down:
                slope = (here - z[r2, c2]) / _DIAGONAL
                down = across = slope / _DIAGONAL
            else:
                slope = np.hypot(down, across)
            if slope > steepest:
                steepest, beside, corner, fall, turn = slope, one, other, down, across
        strayed = 0.0
        if beside >= 0:
            # from the neighbour in the row or column to the diagonal one: clockwise or against
            sign = 1.0 if (beside + 1) % 8 == corner else -1.0
            left = stray[row, column] - sign * turn / steepest
            right = stray[row, column] + sign * (fall - turn) / steepest
            to_beside = z[row + ROW_STEP[beside], column + COLUMN_STEP[beside]] < here
            to_corner = z[row + ROW_STEP[corner], column + COLUMN_STEP[corner]] < here
            if to_beside and (abs(left) <= abs(right) or not to_corner):
                way, strayed = beside, left
            elif to_corner:
                way, strayed = corner, right
        turned[row, column] = way
        r1, c1 = row + ROW_STEP[way], column + COLUMN_STEP[way]
        if upstream[row, column] > longest[r1, c1]:
            longest[r1, c1] = upstream[row, column]
            stray[r1, c1] = strayed
        upstream[r1, c1] += upstream[row, column]
    return turned
