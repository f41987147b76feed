"""What a cell's years of irrigation are called, with years that were not seen.

A cell has one state a year: irrigated, not irrigated, uncertain or not observed. The last two are *open*:
they may have been either, and are never taken for "not irrigated". The years without open ones are the
*known* years.

A sequence of n known years is called

- **never**: fewer than 3 years were irrigated, and at most one in ten: so many may be errors of the maps
(with
  fewer than 10 years, none was);
- **lost** (abandoned): else, at least 3 years were irrigated, and of the known years the last 5 or more were
not;
- **gained** (new): of the known years the first 5 or more were not irrigated, at least 3 later ones were, and
  it is not lost again;
- **kept** (permanent): none of these, and at least 80 % of the known years were irrigated;
- **intermittent**: everything else.

Years are counted, whether they follow each other or not: a year without a map says nothing. The irrigated
years before a loss need not follow each other either, since fallow belongs to the rotation. Land that came
and went (5 years or more on both sides) is lost, for it now lies abandoned.

*Fewer than 8 known years* cannot show both 3 and 5. They are judged by the same rule in proportion, both
numbers rounded down, at least 1: (1, 1) of 2 and 3 years, (2, 1) of 4, (3, 1) of 5, (3, 2) of 6, (4, 2) of 7.
Two maps then give gained 01, lost 10, kept 11, never 00; but with so few years a fallow field cannot be told
from an abandoned one, which the command says. Among three years, one irrigated between two others (010) is
intermittent.

*Open years.* For each cell all classes are found that some filling of its open years would give by the rule
for all years. If there is one only, the class is *firm*, and the cell has it. Otherwise the cell has the
class of its known years, provided these are two or more, span half of the whole period, and the class is one
of those possible; else it is **not observed**. The area of a class is therefore stated with a least one (firm
cells) and a greatest one (cells of which it is possible).

References
----------
The numbers 5 and 3 stand in :mod:`defaults`, with the other thresholds.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation_change import defaults
from bluepeace_gis.errors import BadInput
from bluepeace_gis.kernels import sequences

# Names of the classes, by their codes in change.tif.
CLASSES: Final = {0: "not observed", 1: "never", 2: "kept", 3: "gained", 4: "lost", 5: "intermittent"}
OUTSIDE: Final = sequences.BEYOND
MOST_YEARS: Final = 250  # are counted in 8 bits
_ROUNDING: Final = 1e-9  # 0.8 of 5 is 4


@dataclass(frozen=True)
class Rule:
    """The numbers of the rule.

    Parameters
    ----------
    inactive_years, active_years : int
    kept_share, stray_share, span_share : float, 0..1
    """

    inactive_years: int = defaults.INACTIVE_YEARS
    active_years: int = defaults.ACTIVE_YEARS
    kept_share: float = defaults.KEPT_SHARE
    stray_share: float = defaults.STRAY_SHARE
    span_share: float = defaults.SPAN_SHARE

    @property
    def full(self) -> int:
        """How many known years show all the rule asks for."""
        return self.inactive_years + self.active_years

    def table(self, years: int) -> NDArray[np.int64]:
        """Return the numbers of the rule for each number of known years.

        Parameters
        ----------
        years : int
            The largest number.

        Returns
        -------
        (years + 1, 4) int64
            Years without irrigation at an end, years with it that make a gain or loss, that keep, that are
            none.
        """
        rows = np.zeros((years + 1, 4), np.int64)
        for known in range(1, years + 1):
            share = min(known / self.full, 1.0)
            rows[known, sequences.STILL] = max(1, int(self.inactive_years * share + _ROUNDING))
            rows[known, sequences.ACTIVE] = max(1, int(self.active_years * share + _ROUNDING))
            rows[known, sequences.KEEP] = int(np.ceil(self.kept_share * known - _ROUNDING))
            stray = int(self.stray_share * known + _ROUNDING)
            rows[known, sequences.STRAY] = min(stray, int(rows[known, sequences.ACTIVE]) - 1)
        return rows


@dataclass(frozen=True)
class Histories:
    """What cells are called.

    Parameters
    ----------
    change : (cells,) uint8
        Codes of :data:`CLASSES`, 255 outside.
    possible : (cells,) uint8
        The sum of 2 ** code of the classes that the open years leave possible; a power of two is firm.
    irrigated, known : (cells,) uint8
        Numbers of years.
    """

    change: NDArray[np.uint8]
    possible: NDArray[np.uint8]
    irrigated: NDArray[np.uint8]
    known: NDArray[np.uint8]


def histories(states: NDArray[np.uint8], years: NDArray[Any], rule: Rule | None = None) -> Histories:
    """Tell what the sequence of each cell is called.

    Parameters
    ----------
    states : (years, cells) uint8
        0 not observed, 1 not irrigated, 2 uncertain, 3 irrigated, 255 outside.
    years : (years,) int, rising
    rule : Rule, optional

    Returns
    -------
    Histories

    Raises
    ------
    BadInput
        If there are fewer than two years or more than 250.
    """
    rule = rule or Rule()
    when = np.asarray(years, np.int64)
    if not 2 <= len(when) <= MOST_YEARS:
        raise BadInput(
            f"Found maps of {len(when)} years, expected 2 to {MOST_YEARS}: change is told from several."
        )
    return Histories(
        *sequences.histories(
            states, when, defaults.NOT_IRRIGATED, defaults.IRRIGATED, rule.table(len(when)), rule.full,
            rule.span_share,
        )
    )  # fmt: skip
