"""Adding up change: areas exactly, random parts in quadrature, common parts one by one; and its verdict."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.glaciers import change_defaults as defaults

Reals = NDArray[np.float64]
Counts = NDArray[np.int64]

LOSS, GAIN, NOT_DISTINGUISHABLE, NOT_COMPARED = "loss", "gain", "not distinguishable", "not compared"
# The answer first; what stands behind it follows.
MEASURES: Final = (
    "area_before_km2",
    "area_after_km2",
    "change_km2",
    "change_unc_km2",
    "change_pct",
    "pct_per_year",
    "verdict",
)
INTERVALS: Final = (
    "change_low_km2",
    "change_high_km2",
    "change_unc_pct",
    "pct_per_year_unc",
    "pct_per_year_low",
    "pct_per_year_high",
    "random_unc_km2",
    "common_unc_km2",
    "hidden_before_km2",
    "hidden_after_km2",
    "years",
)
# Areas are whole multiples of this part of a km2, a ten-thousandth of a square metre: sums of them are exact
# in any order, up to a million km2.
PER_KM2: Final = float(2**33)
# Rows of the areas of units: what was seen on each date; what only the other date saw, because this one could
# not; what else may have been there.
BEFORE, AFTER, HIDDEN_BEFORE, HIDDEN_AFTER, MORE_BEFORE, MORE_AFTER = range(6)
KINDS: Final = 6


@dataclass(frozen=True)
class Units:
    """Clusters, or parts of them, as what can be added up.

    Parameters
    ----------
    areas : (6, n) int64
        In whole parts of a km2 (:data:`PER_KM2`); rows :data:`BEFORE` to :data:`MORE_AFTER`.
    variance : (2, n) float64, km4
        Of the random parts of both dates.
    common : {source: (n,) float64}, km2
        Standard deviations that are alike in all units; names end with the date they belong to.
    years : (n,) float64
        Between the dates.
    comparable : (n,) bool
    """

    areas: Counts
    variance: Reals
    common: dict[str, Reals]
    years: Reals
    comparable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.years)

    def where(self, chosen: NDArray[Any]) -> "Units":
        """Take some of them.

        Parameters
        ----------
        chosen : (n,) bool or (m,) int

        Returns
        -------
        Units
        """
        return Units(
            self.areas[:, chosen],
            self.variance[:, chosen],
            {name: values[chosen] for name, values in self.common.items()},
            self.years[chosen],
            self.comparable[chosen],
        )

    def grouped(self, group: NDArray[Any], groups: int) -> "Units":
        """Add up by group.

        Parameters
        ----------
        group : (n,) int, 0 to groups - 1
        groups : int

        Returns
        -------
        Units
            (groups,); areas are exact, years are averaged by area, NaN in an empty group.
        """
        areas = np.zeros((KINDS, groups), np.int64)
        for total, values in zip(areas, self.areas, strict=True):
            np.add.at(total, group, values)
        weight = (self.areas[BEFORE] + self.areas[AFTER]) / PER_KM2
        with np.errstate(invalid="ignore"):  # of an empty group
            years = np.bincount(group, weight * self.years, groups) / np.bincount(group, weight, groups)
        return Units(
            areas,
            np.stack([added(part, group, groups) for part in self.variance]),
            {name: added(values, group, groups) for name, values in self.common.items()},
            years,
            np.bincount(group, self.comparable, groups) > 0,
        )

    def measured(self) -> pd.DataFrame:
        """Turn sums into the columns of an answer.

        Returns
        -------
        DataFrame
            :data:`MEASURES` and :data:`INTERVALS`, one row a unit. What cannot be compared has areas and
            the verdict "not compared" only.

        Notes
        -----
        ``change = after - before + hidden_after - hidden_before``: hidden ice is taken for unchanged. The
        bounds are 95 % of what is normal, and beyond it all and nothing of what was hidden.
        """
        before, after, hidden_before, hidden_after, more_before, more_after = self.areas / PER_KM2
        whole = self.areas[AFTER] - self.areas[BEFORE] + self.areas[HIDDEN_AFTER] - self.areas[HIDDEN_BEFORE]
        change = whole / PER_KM2
        random = np.sqrt(self.variance.sum(axis=0))
        common = np.sqrt(sum((values**2 for values in self.common.values()), np.zeros(len(self))))
        unc = np.hypot(random, common)
        low = change - defaults.VERDICT_TIMES * unc - (hidden_after + more_before)
        high = change + defaults.VERDICT_TIMES * unc + (hidden_before + more_after)
        with np.errstate(invalid="ignore", divide="ignore"):
            to_pct = np.where(before > 0, 100 / before, np.nan)
            per_year = to_pct / self.years
        table = pd.DataFrame(
            {
                "area_before_km2": before,
                "area_after_km2": after,
                "change_km2": change,
                "change_unc_km2": unc,
                "change_pct": change * to_pct,
                "pct_per_year": change * per_year,
                "verdict": verdicts(low, high),
                "change_low_km2": low,
                "change_high_km2": high,
                "change_unc_pct": unc * to_pct,
                "pct_per_year_unc": unc * per_year,
                "pct_per_year_low": low * per_year,
                "pct_per_year_high": high * per_year,
                "random_unc_km2": random,
                "common_unc_km2": common,
                "hidden_before_km2": hidden_before,
                "hidden_after_km2": hidden_after,
                "years": self.years,
            }
        )
        silent = ~self.comparable
        numbers = [name for name in (*MEASURES[2:], *INTERVALS) if name != "verdict"]
        table.loc[silent, numbers] = np.nan
        table.loc[silent, "verdict"] = NOT_COMPARED
        return table


def added(values: Reals, group: NDArray[Any], groups: int) -> Reals:
    """Add up values (n,) by group (n,), 0 to groups - 1."""
    return np.bincount(group, values, groups).astype(np.float64)


def whole_parts(area_km2: Reals) -> Counts:
    """Write areas (n,) in km2 as whole parts, :data:`PER_KM2` of them in a km2."""
    return np.rint(area_km2 * PER_KM2).astype(np.int64)


def divided(whole: int, weights: Reals) -> Counts:
    """Divide a whole number by weights without a remainder.

    Parameters
    ----------
    whole : int
    weights : (n,) float, not negative, not all 0

    Returns
    -------
    (n,) int64
        What rounding leaves goes to the largest.
    """
    parts: Counts = np.floor(whole * (weights / weights.sum())).astype(np.int64)
    parts[int(np.argmax(weights))] += whole - int(parts.sum())
    return parts


def verdicts(low: Reals, high: Reals) -> NDArray[Any]:
    """Call intervals a loss, a gain, or not distinguishable.

    Parameters
    ----------
    low, high : (n,) float64
        Bounds of change.

    Returns
    -------
    (n,) of str
        "not compared" where a bound is NaN.
    """
    called: NDArray[Any] = np.where(high < 0, LOSS, np.where(low > 0, GAIN, NOT_DISTINGUISHABLE)).astype(
        object
    )
    called[np.isnan(low) | np.isnan(high)] = NOT_COMPARED
    return called
