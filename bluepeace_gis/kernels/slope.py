"""How steep a surface is."""

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, Reals, Singles


@njit(cache=True, nogil=True)
def slopes(z: Singles, step: Reals) -> Singles:
    """Return the slope in degrees of each cell, by Horn (1981), doi:10.1109/PROC.1981.11918.

    z        (h + 2, w + 2)  elevations with a rim, NaN where there is none
    step     (h, 2)  distance between cells in the row, in the column, in the unit of ``z``
    returns  (h, w)  NaN where the elevation is not known; an unknown neighbour lies on the straight line from
             the opposite one, or level where that is unknown, too
    """
    height, width = z.shape[0] - 2, z.shape[1] - 2
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            here = z[row + 1, column + 1]
            if np.isnan(here):
                out[row, column] = np.nan
                continue
            across = 0.0
            along = 0.0
            for way in range(8):
                value = z[row + 1 + ROW_STEP[way], column + 1 + COLUMN_STEP[way]]
                if np.isnan(value):
                    opposite = z[row + 1 - ROW_STEP[way], column + 1 - COLUMN_STEP[way]]
                    value = here if np.isnan(opposite) else 2 * here - opposite
                weight = 1.0 if way % 2 else 2.0
                across += weight * COLUMN_STEP[way] * value
                along += weight * ROW_STEP[way] * value
            out[row, column] = np.degrees(
                np.arctan(np.hypot(across / (8 * step[row, 0]), along / (8 * step[row, 1])))
            )
    return out


def slope_degrees(z: Singles, step: npt.NDArray[np.float64]) -> Singles:
    """Check the shapes, then :func:`slopes`; raises ValueError."""
    if z.ndim != 2 or min(z.shape) < 3 or step.shape != (z.shape[0] - 2, 2):
        raise ValueError(f"found elevations {z.shape} and steps {step.shape}; expected a rim of one cell")
    found: Singles = slopes(np.ascontiguousarray(z, np.float32), np.ascontiguousarray(step, np.float64))
    return found
