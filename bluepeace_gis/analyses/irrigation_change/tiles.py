"""One tile of all years: its classes of change, how often it was irrigated, and its part of the sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation_change import defaults
from bluepeace_gis.analyses.irrigation_change.accounts import Sums
from bluepeace_gis.analyses.irrigation_change.histories import OUTSIDE, Rule, histories
from bluepeace_gis.kernels import sequences

Bytes = NDArray[np.uint8]
NO_SHARE: Final = 255  # where no year is known


@dataclass(frozen=True)
class Question:
    """What is asked of every tile.

    Parameters
    ----------
    years : (years,) int64, rising
    period : (years,) int64
        The period of each year, negative for none.
    pairs : (pairs, 2) int64
        Of periods, between which transitions are counted.
    rule : Rule
    """

    years: NDArray[np.int64]
    period: NDArray[np.int64]
    pairs: NDArray[np.int64]
    rule: Rule

    @classmethod
    def of(cls, years: Sequence[int], periods: Sequence[tuple[int, int]], rule: Rule) -> "Question":
        """Ask about the transitions from each period to the next, and from the first year to the last.

        Parameters
        ----------
        years : list of int
        periods : list of (int, int)
            First and last year of each, which do not overlap; rising.
        rule : Rule
        """
        when = np.array(years, np.int64)
        period = np.full(len(when), -1, np.int64)
        for number, (first, last) in enumerate(periods):
            period[(when >= first) & (when <= last)] = number
        pairs = np.array([(each, each + 1) for each in range(len(periods) - 1)], np.int64)
        return cls(when, period, pairs.reshape(-1, 2), rule)


@dataclass(frozen=True)
class Answer:
    """What became of a tile.

    Parameters
    ----------
    change : (2, cells) uint8
        Class of change, and the sum of 2 ** code of the classes possible; 255 outside.
    frequency : (4, cells) uint8
        Percent of the known years in which a cell was irrigated (255 where none is known), number of years
        irrigated, number of years known, number of years uncertain; 255 outside.
    zones : (here,) int64
        The zones that reach this tile.
    sums : Sums
        Theirs.
    """

    change: Bytes
    frequency: Bytes
    zones: NDArray[np.int64]
    sums: Sums


def answer(states: Bytes, zone: NDArray[np.int32], weight: NDArray[np.int64], question: Question) -> Answer:
    """Judge the cells of a tile and add up their weights.

    Parameters
    ----------
    states : (years, cells) uint8
        Changed: a map that ends before the others (255 in some years only) has not observed there (0).
    zone : (cells,) int32
        Number of the zone from 1, 0 outside of all.
    weight : (cells,) int64
    question : Question

    Returns
    -------
    Answer
    """
    everywhere = (states == OUTSIDE).all(axis=0)
    states[(states == OUTSIDE) & ~everywhere] = defaults.NOT_OBSERVED
    found = histories(states, question.years, question.rule)
    uncertain = (states == defaults.UNCERTAIN).sum(axis=0, dtype=np.uint8)
    share = np.full(found.known.shape, NO_SHARE, np.uint8)
    seen = found.known > 0
    known = found.known[seen].astype(np.int64)
    share[seen] = (200 * found.irrigated[seen].astype(np.int64) + known) // (2 * known)  # halves up
    frequency = np.stack([share, found.irrigated, found.known, uncertain])
    change = np.stack([found.change, found.possible])
    frequency[:, everywhere] = OUTSIDE
    change[:, everywhere] = OUTSIDE
    present = np.flatnonzero(np.bincount(zone, minlength=1)[1:])  # zones from 0
    place = np.full(int(zone.max(initial=0)) + 1, -1, np.int32)
    place[present + 1] = np.arange(len(present))
    own = place[zone]
    sums = Sums.nothing(len(present), len(question.years), len(question.pairs) + 1)
    if len(present):
        no, yes, unsure = defaults.NOT_IRRIGATED, defaults.IRRIGATED, defaults.UNCERTAIN
        sequences.add_states(sums.states, states, own, weight)
        sequences.add_kinds(sums.classes, found.change, found.possible, own, weight)
        count = int(question.period.max(initial=-1)) + 1
        summed = sequences.periods(states, question.period, count, no, yes, unsure, defaults.PERIOD_SHARE)
        sequences.add_moves(sums.moves[:, :-1], summed, question.pairs, own, weight)
        ends = np.array([[0, 1]], np.int64)
        sequences.add_moves(sums.moves[:, -1:], states[[0, -1]], ends, own, weight)
    return Answer(change, frequency, present, sums)
