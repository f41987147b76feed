"""Totals and their standard errors from points in strata: one formula, in which every question is a number.

A point is of one of a few kinds (what the map says, and what was found there). Every question gives
each kind a number: 1 where it is what is asked for, else 0, for an area; 1 and -1 for gain and loss; the
residual of a ratio for an accuracy. What strata, post-strata and zones do with such numbers stands here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.areas.defaults import FITTED, FITTING_ROUNDS

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Points by zone, stratum and kind, and how large the strata are.

    Parameters
    ----------
    counts : (zones, strata, kinds) int
        Points. Each stratum has two or more in all zones together.
    areas : (zones, strata) float
        In any unit: hectares, or shares of the whole.
    cells : (strata,) int, optional
        How many cells there are in a stratum, for the correction of a finite population [1]_; without
        them none is made, which is never too narrow [2]_.
    random : bool
        Whether points were drawn from the whole without strata: these are post-strata then [3]_.

    References
    ----------
    .. [1] Stehman (2014), doi:10.1080/01431161.2014.930207
    .. [2] Olofsson et al. (2014), doi:10.1016/j.rse.2014.02.015
    .. [3] Cochran (1977), Sampling techniques, eq. 5A.42
    """

    counts: NDArray[np.int64]
    areas: Reals
    cells: NDArray[np.int64] | None = None
    random: bool = False

    @cached_property
    def points(self) -> Reals:
        """Points of each stratum (strata,)."""
        return np.asarray(self.counts.sum(axis=(0, 2)), np.float64)

    @cached_property
    def sizes(self) -> Reals:
        """Areas of the strata (strata,)."""
        total: Reals = self.areas.sum(axis=0)
        return total

    @cached_property
    def shares(self) -> Reals:
        """Shares of the kinds in each stratum (strata, kinds)."""
        shares: Reals = self.counts.sum(axis=0) / self.points[:, np.newaxis]
        return shares

    @cached_property
    def parts(self) -> Reals:
        """Estimated area of each kind in each stratum of each zone (zones, strata, kinds).

        Added over zones they are the stratified estimate of the whole; added over kinds, the area of the
        zone in the stratum: the points of a zone are weighted so that both known margins are kept
        (calibration, [4]_), from one more point that is spread like the stratum at large. No part is ever
        negative, and a zone without points in a stratum is taken to be like the rest of it.

        References
        ----------
        .. [4] Deville, Särndal and Sautory (1993), doi:10.1080/01621459.1993.10476369
        """
        points = self.counts.sum(axis=2, keepdims=True)
        rows = self.areas[:, :, np.newaxis]
        parts: Reals = rows * (self.counts + self.shares) / (points + 1)
        columns = self.sizes[:, np.newaxis] * self.shares
        with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where nothing is
            for _ in range(FITTING_ROUNDS):
                parts = parts * np.nan_to_num(columns / parts.sum(axis=0))
                found = parts.sum(axis=2, keepdims=True)
                parts = parts * np.nan_to_num(rows / found)
                if np.abs(parts.sum(axis=0) - columns).max() <= FITTED * self.sizes.max():
                    break
        return parts

    def total(self, numbers: Reals) -> float:
        """Estimate the total of ``numbers`` (kinds,) over the whole; returns it in the unit of areas."""
        return float(self.sizes @ (self.shares @ numbers))

    def in_zones(self, numbers: Reals) -> Reals:
        """Estimate the totals of ``numbers`` (kinds,) in each zone; returns (zones,)."""
        totals: Reals = (self.parts @ numbers).sum(axis=1)
        return totals

    def standard_error(self, numbers: Reals) -> float:
        """Return the standard error of the total of ``numbers`` (kinds,)."""
        mean = self.shares @ numbers
        spread = self.shares @ numbers**2 - mean**2
        return self._standard_error(np.maximum(spread, 0.0))

    def standard_errors_in_zones(self, numbers: Reals) -> Reals:
        """Return the standard errors (zones,) of the totals of ``numbers`` (kinds,) in each zone.

        Those of the difference estimator, to which calibration comes near in large samples: a point
        outside the zone counts 0, one inside its difference from the mean of its stratum.
        """
        residuals = numbers - (self.shares @ numbers)[:, np.newaxis]
        first = (self.counts * residuals).sum(axis=2) / self.points
        second = (self.counts * residuals**2).sum(axis=2) / self.points
        return np.array([self._standard_error(np.maximum(row, 0.0)) for row in second - first**2])

    def _standard_error(self, spread: Reals) -> float:
        """Combine the variances of strata; ``spread`` has their mean squares over n, not n - 1."""
        points = self.points
        variance = spread * points / (points - 1)
        if self.random:
            whole, count = self.sizes.sum(), points.sum()
            weights = self.sizes / whole
            left = 1.0 if self.cells is None else 1 - count / self.cells.sum()
            both = left / count * (weights @ variance) + ((1 - weights) @ variance) / count**2
            return float(whole * np.sqrt(both))
        left_of = np.ones(len(points)) if self.cells is None else 1 - points / self.cells
        return float(np.sqrt((self.sizes**2 * left_of * variance / points).sum()))
