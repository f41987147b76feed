"""How far two interpreters of the same points agree."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.areas import intervals
from bluepeace_gis.analyses.areas.defaults import CONFIDENCE

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Agreement of two interpreters.

    Parameters
    ----------
    share : (float, float, float)
        Share of the points on which they agree, with the limits of its interval (Jeffreys).
    kappa : (float, float, float)
        Cohen's kappa, what is agreed on beyond chance, with the limits of its interval; NaN where both call
        everything by one class.
    points : int
    """

    share: tuple[float, float, float]
    kappa: tuple[float, float, float]
    points: int


def agreement(first: NDArray[np.int64], second: NDArray[np.int64], classes: int) -> Agreement:
    """Compare what two interpreters found.

    Parameters
    ----------
    first, second : (n,) int, 0 to ``classes`` - 1
        One point or more.
    classes : int

    Returns
    -------
    Agreement
        The interval of kappa is that of its large-sample standard error [1]_.

    References
    ----------
    .. [1] Fleiss, Cohen and Everitt (1969), eq. 13, doi:10.1037/h0028106
    """
    points = len(first)
    table = np.bincount(first * classes + second, minlength=classes**2).reshape(classes, classes) / points
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agreed, chance = float(np.trace(table)), float(rows @ columns)
    same = np.array([float((first == second).sum())])
    limits = intervals.of_share(same, np.array([float(points)]), np.ones(1))
    share = (agreed, *intervals.around(limits, agreed, least=0, most=1))
    if chance >= 1:
        return Agreement(share, (float("nan"),) * 3, points)
    kappa = (agreed - chance) / (1 - chance)
    on = np.diag(table) * (1 - (rows + columns) * (1 - kappa)) ** 2
    off = table * (columns[:, np.newaxis] + rows[np.newaxis, :]) ** 2 * (1 - kappa) ** 2
    variance = on.sum() + off.sum() - np.trace(off) - (kappa - chance * (1 - kappa)) ** 2
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * np.sqrt(max(variance, 0) / points) / (1 - chance)
    return Agreement(share, (kappa, kappa - float(reach), min(kappa + float(reach), 1.0)), points)
