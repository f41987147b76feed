"""The eight neighbours of a cell, and the codes that point at them.

A direction is a number 0..7, clockwise from the neighbour in the next column (east on a north-up
grid). The order is also the rule among equally steep neighbours: the first one is taken.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Reals = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Cells = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]

E, SE, S, SW, W, NW, N, NE = range(8)
SINK: Final = 8  # water stays here or leaves the raster
VOID: Final = 9  # no elevation: not part of the surface
FREE: Final = 255  # nothing forced: the elevations decide

ROW_STEP: Final = (0, 1, 1, 1, 0, -1, -1, -1)
COLUMN_STEP: Final = (1, 1, 0, -1, -1, -1, 0, 1)


@njit(cache=True, nogil=True)
def steps(stride: int) -> Cells:
    """Return how far the neighbours in the directions 0..7 lie in a row-major array.

    stride  cells in a row of the array
    """
    step = np.empty(8, np.int64)
    for way in range(8):
        step[way] = ROW_STEP[way] * stride + COLUMN_STEP[way]
    return step


# What other programs write for directions 0..7, then for SINK and VOID.
# ESRI: Greenlee (1987); LDD: PCRaster keypad codes; TauDEM: anticlockwise from east, 1..8;
# GRASS r.watershed: anticlockwise from north-east, 1..8, 0 a depression, negative at the rim.
CODE_TABLES: Final[dict[str, tuple[int, ...]]] = {
    "esri": (1, 2, 4, 8, 16, 32, 64, 128, 0, 247),
    "ldd": (6, 3, 2, 1, 4, 7, 8, 9, 5, 255),
    "taudem": (1, 8, 7, 6, 5, 4, 3, 2, 0, 255),
    "grass": (8, 7, 6, 5, 4, 3, 2, 1, 0, 255),
}


def encode(directions: Codes, table: str) -> Codes:
    """Write directions in another program's codes.

    directions  any shape, 0..7, SINK or VOID
    table       a key of ``CODE_TABLES``
    returns     the same shape
    """
    return np.array(CODE_TABLES[table], np.uint8)[directions]


def decode(codes: npt.NDArray[np.generic], table: str) -> Codes:
    """Read another program's codes as directions.

    codes    any shape of integers
    table    a key of ``CODE_TABLES``
    returns  the same shape, 0..7, SINK or VOID
    raises   ValueError naming the codes that the table does not know
    """
    whole = codes.astype(np.int64)
    if table == "grass":  # negative: the water leaves the raster that way
        whole = np.where(whole < 0, 0, whole)
    if table == "esri":  # 255 is the other usual code of a cell without data
        whole = np.where(whole == 255, 247, whole)
    known = CODE_TABLES[table]
    lookup = np.full(256, FREE, np.uint8)
    lookup[list(known)] = np.arange(len(known), dtype=np.uint8)
    inside = (whole >= 0) & (whole <= 255)
    directions = lookup[np.where(inside, whole, 0)]
    strange = whole[~inside | (directions == FREE)]
    if strange.size:
        raise ValueError(", ".join(str(code) for code in np.unique(strange)[:8]))
    return directions
