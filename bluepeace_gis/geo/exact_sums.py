"""Areas of zones that add up to the last digit, from cells that are weighed in whole numbers.

Sums of whole numbers do not depend on the order of tiles. The cells of a zone cover it but for a rim; their
sums are therefore fitted to its geodesic area, by rounding running totals: no part becomes negative, none
appears from nothing, and all parts of one zone add up to it. All areas are whole multiples of one binary
fraction of a hectare, so that zones add up to larger units, and those to the whole, without any rounding.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

# A cell weighs so many to the square metre, each a third of a square centimetre; all land fits 64 bits.
WEIGHTS_PER_M2: Final = 2**15
# All areas are multiples of it: two hundredths of a square metre, exact in binary for all land of the Earth.
UNIT_HA: Final = 2.0**-19
# What a zone has beyond the raster is nothing below this part of it: the rounding of coordinates.
BEYOND_MIN: Final = 1e-6

Integers = NDArray[np.int64]


def weights(areas_m2: NDArray[np.float64]) -> Integers:
    """Weigh cells by ``areas_m2`` (...); returns whole numbers (...), 0 where a cell has no area."""
    return np.rint(np.nan_to_num(areas_m2) * WEIGHTS_PER_M2).astype(np.int64)


def apportioned(parts: Integers, total: int) -> Integers:
    """Fit whole numbers to a total by rounding their running sums.

    Parameters
    ----------
    parts : (..., n) int64, not negative, at least one above 0
    total : int, not negative

    Returns
    -------
    (..., n) int64
        Each row along the last axis adds up to ``total``; a part of 0 stays 0. Parts whose running sums are
        the same in two rows come out the same in both.
    """
    running = np.cumsum(parts, axis=-1).reshape(-1, parts.shape[-1])
    fitted = np.array([scaled(row, int(row[-1]), total) for row in running], np.int64)
    made: Integers = np.diff(fitted, axis=-1, prepend=0).reshape(parts.shape)
    return made


def scaled(values: Iterable[int], of: int, total: int) -> list[int]:
    """Turn ``values``, parts of ``of``, into parts of ``total``; returns them, each rounded by itself."""
    # in Python's own integers: the products leave 64 bits
    return [(2 * int(each) * total + of) // (2 * of) for each in values]


def in_units(area_ha: float, covered_ha: float) -> tuple[int, int]:
    """Count the area of a zone, and of its part on the raster, in units of :data:`UNIT_HA`.

    Parameters
    ----------
    area_ha, covered_ha : float, hectares

    Returns
    -------
    area, covered : int
        The same where the zone reaches beyond the raster by less than :data:`BEYOND_MIN` of it.
    """
    area = round(area_ha / UNIT_HA)
    beyond = area_ha - covered_ha > BEYOND_MIN * area_ha
    return area, min(area, round(covered_ha / UNIT_HA)) if beyond else area
