"""Which cells lie near others: within a distance, counted in metres along rows and columns."""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Reals = NDArray[np.float64]

_FAR: Final = math.inf


@njit(cache=True, nogil=True)
def within(marked: Flags, along_m: Reals, across_m: Reals, distance_m: float) -> Flags:
    """Find the cells whose centres lie within a distance of the centre of a marked cell.

    marked      (rows, columns)  where distances begin
    along_m     (rows,)  from a centre to the next one in the row, m
    across_m    (rows,)  from a centre to that of the next row, m
    distance_m  straight, m
    returns     (rows, columns)  marked cells themselves are near
    """
    rows, columns = marked.shape
    # the distance straight up or down, first to what lies above, then to what lies below
    straight_m = np.full((rows, columns), _FAR)
    for row in range(rows):
        for column in range(columns):
            if marked[row, column]:
                straight_m[row, column] = 0.0
            elif row > 0:
                straight_m[row, column] = straight_m[row - 1, column] + across_m[row - 1]
    for row in range(rows - 2, -1, -1):
        for column in range(columns):
            below_m = straight_m[row + 1, column] + across_m[row]
            straight_m[row, column] = min(straight_m[row, column], below_m)
    near = np.zeros((rows, columns), np.bool_)
    for row in range(rows):
        # each reaches some columns to both sides: where reaches begin and end is counted, then summed
        begins = np.zeros(columns + 1, np.int32)
        for column in range(columns):
            up_m = straight_m[row, column]
            if up_m <= distance_m:
                reach = int(math.sqrt(distance_m**2 - up_m**2) / along_m[row] + 1e-9)
                begins[max(0, column - reach)] += 1
                begins[min(columns, column + reach + 1)] -= 1
        reached = 0
        for column in range(columns):
            reached += begins[column]
            near[row, column] = reached > 0
    return near
