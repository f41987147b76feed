"""How high each cell stands above the channel that its water comes to.

Renno et al. (2008), doi:10.1016/j.rse.2008.03.018; Nobre et al. (2011),
doi:10.1016/j.jhydrol.2011.03.051.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, Codes, Singles

_UNKNOWN = np.float32(np.inf)  # stands for a height not found yet


@njit(cache=True, nogil=True)
def carve(direction: Codes, z: Singles) -> Singles:
    """Lower each cell to the lowest elevation that its water comes from.

    direction  (rows, columns)  without circles
    z          (rows, columns)
    returns    (rows, columns)  nowhere rising along the flow, nowhere above ``z``; NaN where VOID
    """
    rows, columns = direction.shape
    low = z.copy()
    waits = np.zeros((rows, columns), np.uint8)  # neighbours that still have to bring theirs
    for row in range(rows):
        for column in range(columns):
            way = direction[row, column]
            if way == VOID:
                low[row, column] = np.nan
            if way < SINK:
                r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
                if 0 <= r < rows and 0 <= c < columns:
                    waits[r, c] += 1
    for row in range(rows):
        for column in range(columns):
            if waits[row, column] != 0:
                continue
            r, c = row, column
            # From a source down, as long as the cell below has now got everything.
            while direction[r, c] < SINK:
                waits[r, c] = 255
                way = direction[r, c]
                brings = low[r, c]
                r += ROW_STEP[way]
                c += COLUMN_STEP[way]
                if not (0 <= r < rows and 0 <= c < columns):
                    break
                low[r, c] = min(low[r, c], brings)
                waits[r, c] -= 1
                if waits[r, c] != 0:
                    break
    return low


@njit(cache=True, nogil=True)
def feet(direction: Codes, base: Singles, channel: npt.NDArray[np.bool_]) -> Singles:
    """Bring the elevation of each channel cell up to all cells that come to it first.

    direction  (rows, columns)  without circles
    base       (rows, columns)  elevations, read in channels only
    channel    (rows, columns)
    returns    (rows, columns)  NaN where the water ends without having met a channel
    """
    rows, columns = direction.shape
    foot = np.full((rows, columns), _UNKNOWN, np.float32)
    for row in range(rows):
        for column in range(columns):
            if direction[row, column] == VOID:
                foot[row, column] = np.nan
            elif channel[row, column]:
                foot[row, column] = base[row, column]
    for row in range(rows):
        for column in range(columns):
            if foot[row, column] != _UNKNOWN:
                continue
            found = np.float32(np.nan)
            for turn in range(2):  # first down to where it is known, then to write it on the way
                r, c = row, column
                while 0 <= r < rows and 0 <= c < columns and foot[r, c] == _UNKNOWN:
                    if turn == 1:
                        foot[r, c] = found
                    way = direction[r, c]
                    if way >= SINK:
                        break
                    r += ROW_STEP[way]
                    c += COLUMN_STEP[way]
                if turn == 0 and 0 <= r < rows and 0 <= c < columns and foot[r, c] != _UNKNOWN:
                    found = foot[r, c]
    return foot


def height_above(direction: Codes, z: Singles, channel: npt.NDArray[np.bool_]) -> Singles:
    """Measure how high each cell stands above the first channel cell downstream.

    direction  (rows, columns)  without circles
    z          (rows, columns)  as measured: neither filled nor carved
    channel    (rows, columns)
    returns    (rows, columns)  0 in channels, NaN where the water ends without having met one

    The channel has the elevation of :func:`carve`: where a breach leads the water through a rise, the
    channel lies as low as the ground it drains. No height is therefore negative, and where no channel
    rises along its flow they are those of the definition, elevation minus elevation.
    """
    height: Singles = z - feet(direction, carve(direction, z), channel)
    height[channel] = 0.0
    return height
