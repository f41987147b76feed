"""The threshold that explains itself: area against threshold, and the plateau on which it does not matter."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.analyses.glaciers.classification import STEPS
from bluepeace_gis.kernels import contrast

BINS: Final = round((defaults.CURVE_TO - defaults.CURVE_FROM) / defaults.CURVE_STEP)


@dataclass(frozen=True)
class Curve:
    """Area of ice against the visible margin that a cell must exceed to be ice.

    Parameters
    ----------
    margin : (n + 1,) float64, reflectance
    area_km2 : (n + 1,) float64
        Whole cells in the ice and close around it whose green exceeds short-wave infrared by more.
    threshold : float
        The default margin where it lies on the plateau, else the nearer end of the plateau.
    plateau : (float, float)
        Margins between which the area changes least.
    """

    margin: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    threshold: float
    plateau: tuple[float, float]

    @property
    def half_range_km2(self) -> float:
        """Half of what the area changes over the plateau, km2: the uncertainty of the threshold."""
        low, high = np.interp(self.plateau, self.margin, self.area_km2)
        return float(abs(low - high) / 2)


def curve_of(
    green: NDArray[np.int16],
    nir: NDArray[np.int16],
    swir1: NDArray[np.int16],
    zone: NDArray[np.uint8],
    cell_km2: float,
) -> Curve:
    """Count the area of ice for every threshold in one pass, and find the plateau.

    Parameters
    ----------
    green, nir, swir1 : (rows, columns) int16, 10000 times reflectance
    zone : (rows, columns) uint8
        Cells with 0 are left out.
    cell_km2 : float
        Area of a cell.

    Returns
    -------
    Curve
    """
    width = round(defaults.CURVE_STEP * STEPS)
    limits = np.array(
        [round(defaults.NEAR_INFRARED_MARGIN * STEPS), round(defaults.CURVE_FROM * STEPS), width], np.int32
    )
    count = contrast.counts(green, nir, swir1, zone, limits, BINS)
    return plateau_of(count.astype(np.float64) * cell_km2)


def plateau_of(step_km2: NDArray[np.float64]) -> Curve:
    """Find the plateau of a curve.

    Parameters
    ----------
    step_km2 : (n,) float64
        Area of the cells whose margin lies in each step of the curve, from ``CURVE_FROM`` on.

    Returns
    -------
    Curve
    """
    steps = np.arange(len(step_km2) + 1, dtype=np.float64)
    margin = defaults.CURVE_FROM + defaults.CURVE_STEP * steps
    area = np.concatenate([np.cumsum(step_km2[::-1])[::-1], [0.0]])
    # over five steps: the numbers of some products are rounded to more than one
    smooth = np.convolve(np.pad(step_km2, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    low, high = defaults.THRESHOLD_RANGE
    allowed = (margin[:-1] > low - 1e-9) & (margin[1:] < high + 1e-9)
    default = defaults.VISIBLE_MARGIN
    whole = float(area[np.searchsorted(margin, default - 1e-9)])
    if whole == 0:
        return Curve(margin, area, default, (default, default))
    middle = (margin[:-1] + margin[1:]) / 2
    level = max(defaults.PLATEAU_TIMES * smooth[allowed].min(), defaults.PLATEAU_LEVEL * whole)
    flat = allowed & (smooth <= level)
    # the steps to both sides of the threshold; the default where it is flat, else the nearest flat place
    start = min(np.flatnonzero(flat), key=lambda step: (abs(middle[step] - default), step))
    first = last = int(start)
    chosen = float(np.clip(default, margin[first], margin[first + 1]))
    reach = defaults.PLATEAU_REACH + 1e-9
    while flat[first - 1] and margin[first - 1] > chosen - reach:
        first -= 1
    while flat[last + 1] and margin[last + 2] < chosen + reach:
        last += 1
    plateau = (float(margin[first]), float(margin[last + 1]))
    return Curve(margin, area, float(np.clip(default, *plateau)), plateau)
