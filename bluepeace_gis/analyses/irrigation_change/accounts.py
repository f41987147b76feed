"""Areas of zones by state, class and transition, which add up to the last digit.

The arithmetic is that of :mod:`bluepeace_gis.geo.exact_sums`, as in the tables of the maps themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation_change import defaults
from bluepeace_gis.analyses.irrigation_change.histories import CLASSES
from bluepeace_gis.geo.exact_sums import UNIT_HA, apportioned, in_units, scaled
from bluepeace_gis.kernels.sequences import KINDS, STATES

_NOT_OBSERVED, _NOT_IRRIGATED, _UNCERTAIN, _IRRIGATED, _OUTSIDE = range(STATES)
STATE_NAMES: Final = tuple(defaults.STATES.values())

Integers = NDArray[np.int64]


@dataclass
class Sums:
    """Weights of cells, to be filled tile by tile.

    Parameters
    ----------
    states : (zones, years, 5) int64
        Not observed, not irrigated, uncertain, irrigated, outside.
    classes : (zones, 3, 7) int64
        Of the classes of change and of what is outside: mapped, firm, possible.
    moves : (zones, pairs, 5, 5) int64
        Between the states of pairs of periods.
    """

    states: Integers
    classes: Integers
    moves: Integers

    @classmethod
    def nothing(cls, zones: int, years: int, pairs: int) -> "Sums":
        """Begin with zeros."""
        return cls(
            np.zeros((zones, years, STATES), np.int64),
            np.zeros((zones, 3, KINDS + 1), np.int64),
            np.zeros((zones, pairs, STATES, STATES), np.int64),
        )

    def add(self, zones: Integers, other: "Sums") -> None:
        """Add the sums of a tile whose zones are these of ours, each once."""
        self.states[zones] += other.states
        self.classes[zones] += other.classes
        self.moves[zones] += other.moves


@dataclass(frozen=True)
class Zone:
    """A zone as its polygon says.

    Parameters
    ----------
    name : str
    groups : (str, ...)
        The larger units it belongs to, one for each level.
    area_ha : float, hectares
        Geodesic, of the whole polygon.
    covered_ha : float, hectares
        Of its part on the grid of the maps.
    """

    name: str
    groups: tuple[str, ...]
    area_ha: float
    covered_ha: float


@dataclass(frozen=True)
class Accounts:
    """Areas of zones, groups and the whole, in units of :data:`UNIT_HA`.

    Parameters
    ----------
    units : DataFrame
        ``level`` and ``zone``: the zones (level "zone"), then the groups of each level, then all.
    area : (units,) int64
    states, classes, moves
        As :class:`Sums`, of these units; land beyond the raster is outside.
    members : (units, zones) bool
        Which zones a unit is made of.
    """

    units: pd.DataFrame
    area: Integers
    states: Integers
    classes: Integers
    moves: Integers
    members: NDArray[np.bool_]


def account(sums: Sums, zones: Sequence[Zone], levels: Sequence[str]) -> Accounts:
    """Fit the sums of cells to the zones, and add zones up to groups and to the whole.

    Parameters
    ----------
    sums : Sums
    zones : list of Zone, in the order of ``sums``
        A zone that no cell lies in is not observed as far as it lies on the grid.
    levels : list of str
        Names of the levels of groups.

    Returns
    -------
    Accounts
    """
    states, classes, moves = (np.zeros_like(each) for each in (sums.states, sums.classes, sums.moves))
    area = np.zeros(len(zones), np.int64)
    for which, zone in enumerate(zones):
        total, covered = in_units(zone.area_ha, zone.covered_ha)
        area[which] = total
        if sums.states[which, 0].sum() > 0:
            states[which] = apportioned(sums.states[which], covered)
            classes[which] = _classes(sums.classes[which], covered)
            flat = sums.moves[which].reshape(sums.moves.shape[1], -1)
            moves[which] = apportioned(flat, covered).reshape(sums.moves.shape[1:])
        else:
            states[which, :, _NOT_OBSERVED] = covered
            classes[which, 0, 0] = covered
            classes[which, 2, 1:KINDS] = covered  # whatever it may be
            moves[which, :, _NOT_OBSERVED, _NOT_OBSERVED] = covered
        states[which, :, _OUTSIDE] += total - covered
        classes[which, 0, KINDS] += total - covered
        moves[which, :, _OUTSIDE, _OUTSIDE] += total - covered
    units, members = _units(zones, levels)
    chosen = members.astype(np.int64)
    added = [np.tensordot(chosen, each, 1) for each in (states, classes, moves)]
    return Accounts(units, chosen @ area, added[0], added[1], added[2], members)


def _classes(sums: Integers, total: int) -> Integers:
    """Fit the mapped classes; the firm and the possible areas lie below and above them."""
    mapped, firm, possible = sums
    of = int(mapped.sum())
    made = np.zeros_like(sums)
    made[0] = apportioned(mapped, total)
    for row, values in ((1, firm), (2, possible)):
        made[row] = scaled(values, of, total)
    made[1], made[2] = np.minimum(made[1], made[0]), np.maximum(made[2], made[0])
    return made


def _units(zones: Sequence[Zone], levels: Sequence[str]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    rows = [("zone", zone.name) for zone in zones]
    members = [np.arange(len(zones)) == which for which in range(len(zones))]
    for level, title in enumerate(levels):
        of = np.array([zone.groups[level] for zone in zones], dtype=object)
        for name in dict.fromkeys(of):
            rows.append((title, name))
            members.append(of == name)
    rows.append((defaults.ALL, defaults.ALL))
    members.append(np.ones(len(zones), np.bool_))
    return pd.DataFrame(rows, columns=["level", "zone"]), np.array(members)


def annual_table(accounts: Accounts, years: Sequence[int]) -> pd.DataFrame:
    """List the states of each unit in each year.

    Parameters
    ----------
    accounts : Accounts
    years : list of int

    Returns
    -------
    DataFrame
        level, zone, year, area_ha, irrigated_ha (on the map), low_ha and high_ha (as if all that is uncertain
        or not observed were not irrigated, or were: no confidence interval), not_irrigated_ha, uncertain_ha,
        not_observed_ha, outside_ha; the last five and irrigated_ha add up to area_ha. decided_pct is the
        share of land inside that is irrigated or not.
    """
    count = len(years)
    in_ha = accounts.states * UNIT_HA
    irrigated, uncertain, unseen = (in_ha[..., s] for s in (_IRRIGATED, _UNCERTAIN, _NOT_OBSERVED))
    other, outside = in_ha[..., _NOT_IRRIGATED], in_ha[..., _OUTSIDE]
    inside = accounts.area[:, None] * UNIT_HA - outside
    table = accounts.units.loc[accounts.units.index.repeat(count)].reset_index(drop=True)
    table["year"] = np.tile(np.array(years, np.int64), len(accounts.units))
    table["area_ha"] = np.repeat(accounts.area * UNIT_HA, count)
    columns = {
        "irrigated_ha": irrigated, "low_ha": irrigated, "high_ha": irrigated + uncertain + unseen,
        "not_irrigated_ha": other, "uncertain_ha": uncertain, "not_observed_ha": unseen,
        "outside_ha": outside, "decided_pct": _share_pct(irrigated + other, inside),
        "unobserved_pct": _share_pct(unseen, inside),
    }  # fmt: skip
    for name, values in columns.items():
        table[name] = values.ravel()
    return table


def trend_series(
    accounts: Accounts, least_decided: float = defaults.TREND_DECIDED_SHARE
) -> NDArray[np.float64]:
    """Return the area of irrigated land whose trend is sought, (years, units), hectares.

    Parameters
    ----------
    accounts : Accounts
    least_decided : float
        Years in which less of a unit's land was decided are NaN.

    Returns
    -------
    (years, units) float64
        The irrigated share of the land decided in a year, times the land inside: what clouds hid in one year
        and not in another would be a trend otherwise. It takes what was not seen for land like the rest.
    """
    in_ha = accounts.states * UNIT_HA
    inside = accounts.area[:, None] * UNIT_HA - in_ha[..., _OUTSIDE]
    decided = in_ha[..., _IRRIGATED] + in_ha[..., _NOT_IRRIGATED]
    enough = (decided >= least_decided * inside) & (decided > 0)
    share = np.divide(in_ha[..., _IRRIGATED], decided, out=np.full(decided.shape, np.nan), where=enough)
    series: NDArray[np.float64] = (share * inside).T
    return series


def change_table(accounts: Accounts) -> pd.DataFrame:
    """List, for each unit, what changed from the first year to the last, and the classes of change.

    Parameters
    ----------
    accounts : Accounts
        Whose last pair of periods is that of the first and the last year.

    Returns
    -------
    DataFrame
        level, zone, area_ha; first_ha and last_ha with their low and high; change_ha with its bounds (as if
        what is uncertain or not observed were all the one or the other: no confidence interval);
        change_decided_ha, on land decided in both years only; and for each class of change name_ha,
        name_low_ha (firm) and name_high_ha (possible), not_observed_ha and outside_ha.
    """
    in_ha = accounts.states * UNIT_HA
    table = accounts.units.copy()
    table["area_ha"] = accounts.area * UNIT_HA
    ends = {}
    for name, year in (("first", 0), ("last", -1)):
        irrigated = in_ha[:, year, _IRRIGATED]
        high = irrigated + in_ha[:, year, _UNCERTAIN] + in_ha[:, year, _NOT_OBSERVED]
        ends[name] = (irrigated, high)
        table[f"{name}_ha"], table[f"{name}_low_ha"], table[f"{name}_high_ha"] = irrigated, irrigated, high
    table["change_ha"] = ends["last"][0] - ends["first"][0]
    table["change_low_ha"] = ends["last"][0] - ends["first"][1]
    table["change_high_ha"] = ends["last"][1] - ends["first"][0]
    moves = accounts.moves[:, -1] * UNIT_HA
    table["change_decided_ha"] = moves[:, _NOT_IRRIGATED, _IRRIGATED] - moves[:, _IRRIGATED, _NOT_IRRIGATED]
    classes = accounts.classes * UNIT_HA
    for code, name in CLASSES.items():
        if code == 0:
            continue
        table[f"{name}_ha"] = classes[:, 0, code]
        table[f"{name}_low_ha"], table[f"{name}_high_ha"] = classes[:, 1, code], classes[:, 2, code]
    table["not_observed_ha"], table["outside_ha"] = classes[:, 0, 0], classes[:, 0, KINDS]
    inside = table["area_ha"].to_numpy() - table["outside_ha"].to_numpy()
    table["not_observed_pct"] = _share_pct(classes[:, 0, 0], inside)
    return table


def transition_table(accounts: Accounts, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """List how much land of each unit went from which state to which.

    Parameters
    ----------
    accounts : Accounts
    pairs : list of (str, str)
        Names of the periods.

    Returns
    -------
    DataFrame
        level, zone, from_period, to_period, from_state, to_state, area_ha: the rows above 0, which add up to
        the area of the unit for each pair of periods. A pair that is asked twice, such as from the first
        of two maps to the last, stands there once.
    """
    unit, pair, before, after = np.nonzero(accounts.moves)
    new = np.array([pairs.index(each) == number for number, each in enumerate(pairs)], np.bool_)[pair]
    unit, pair, before, after = unit[new], pair[new], before[new], after[new]
    names = np.array(STATE_NAMES, dtype=object)
    table = accounts.units.loc[unit].reset_index(drop=True)
    table["from_period"] = np.array([one for one, _ in pairs], dtype=object)[pair]
    table["to_period"] = np.array([other for _, other in pairs], dtype=object)[pair]
    table["from_state"], table["to_state"] = names[before], names[after]
    table["area_ha"] = accounts.moves[unit, pair, before, after] * UNIT_HA
    return table


def _share_pct(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(100 * part, whole, out=np.zeros_like(part), where=whole > 0)
    return found
