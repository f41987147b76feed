"""Sequences of yes, no and unknown: what each becomes over the years, and what it could have become.

A sequence has a term (a column) for each year. Terms are yes, no, or open: not known, whatever the reason. A
complete sequence belongs to one kind; one with open terms may belong to several, and all of them are found
without trying the completions one by one.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]

# Kinds of sequences; UNTOLD where too little is known.
UNTOLD, NEVER, KEPT, GAINED, LOST, CHANGING = 0, 1, 2, 3, 4, 5
KINDS: Final = 6
BEYOND: Final = 255  # a term outside of what is asked about
# Columns of the rule, whose row is the number of terms that count.
STILL, ACTIVE, KEEP, STRAY = 0, 1, 2, 3
# States of a term or a period in the tables of sums; BEYOND is the last.
STATES: Final = 5


@njit(cache=True, nogil=True)
def kind_of(terms: int, yes: int, lead: int, trail: int, rule: Integers, full: int) -> int:
    """Tell the kind of a sequence without open terms.

    terms    its number of terms
    yes      how many of them are yes
    lead     terms before the first yes
    trail    terms behind the last yes
    rule     (longest + 1, 4)  for each number of terms: the shortest run of no at an end that counts, the
             fewest yes that make a gain or a loss, the fewest that keep, the most that are none
    full     number of terms from which on a rise and a fall in one sequence are a loss
    returns  NEVER, KEPT, GAINED, LOST or CHANGING
    """
    if yes <= rule[terms, STRAY]:
        return NEVER
    still, active, keep = rule[terms, STILL], rule[terms, ACTIVE], rule[terms, KEEP]
    if yes >= active:
        if trail >= still and (lead < still or terms >= full):
            return LOST
        if lead >= still and trail < still:
            return GAINED
    return KEPT if yes >= keep else CHANGING


@njit(cache=True, nogil=True)
def histories(
    states: Bytes, when: Integers, no: int, yes: int, rule: Integers, full: int, least_span: float
) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Tell the kind of each sequence, and the kinds that its open terms leave possible.

    states      (years, cells)  ``no``, ``yes``, BEYOND; anything else is open, and so is BEYOND where other
                years are not
    when        (years,)  rising
    no, yes     codes
    rule, full  see ``kind_of``; stray < active <= keep, and 2 * still + active > terms where 3 < terms < full
    least_span  the terms known must span this share of the years, else the kind is UNTOLD
    returns     kind (cells,), BEYOND where all terms are; possible (cells,), the sum of 1 << kind;
                how many terms are yes (cells,); how many are known (cells,)
    """
    years, cells = states.shape
    still, active, keep, stray = rule[years]
    kinds, possible = np.empty(cells, np.uint8), np.empty(cells, np.uint8)
    yeses, knowns = np.empty(cells, np.uint8), np.empty(cells, np.uint8)
    for cell in range(cells):
        # of the known terms, as if there were no others
        count_yes, known, lead, trail, first, last = 0, 0, 0, 0, -1, -1
        # of all terms, in their places: runs of no at the ends, terms that are or may be yes
        beyond, opened, no_before, no_behind = 0, 0, 0, 0
        may_head, may_tail, may_not_head, may_not_tail, may_middle = 0, 0, 0, 0, 0
        yes_head, yes_tail, open_both = False, False, False
        for year in range(years):
            state = states[year, cell]
            head, tail = year < still, year >= years - still
            if state == no:
                known += 1
                trail += 1
                if count_yes == 0:
                    lead += 1
                if no_before == year:
                    no_before += 1
                no_behind += 1
                first = year if first < 0 else first
                last = year
                continue
            no_behind = 0
            if state == yes:
                known += 1
                count_yes += 1
                trail = 0
                first = year if first < 0 else first
                last = year
                yes_head |= head
                yes_tail |= tail
            else:
                opened += 1
                beyond += state == BEYOND
                open_both |= head and tail
            may_head += head
            may_tail += tail
            may_not_head += not head
            may_not_tail += not tail
            may_middle += not head and not tail
        yeses[cell], knowns[cell] = count_yes, known
        if beyond == years:
            kinds[cell], possible[cell] = BEYOND, 0
            continue
        most = count_yes + opened
        found = 0
        if count_yes <= stray:
            found |= 1 << NEVER
        falls = no_behind >= still and (no_before < still or years >= full)
        rises = no_before >= still and no_behind < still
        if most >= keep and not falls and not rises:
            found |= 1 << KEPT
        if not yes_head and may_not_head >= active and no_behind < still:
            found |= 1 << GAINED
        if not yes_tail and may_not_tail >= active and (years >= full or no_before < still):
            found |= 1 << LOST
        if not yes_head and not yes_tail:
            needed = count_yes + (1 if open_both else 2)
        else:
            needed = count_yes + (not yes_head) + (not yes_tail)
        if (
            # too few to count as a gain or a loss
            max(count_yes, stray + 1) <= min(most, active - 1)
            # at both ends, with gaps between
            or (may_head > 0 and may_tail > 0 and max(needed, stray + 1) <= min(most, keep - 1))
            or (  # between two runs of no, in a sequence too short for a loss
                years < full
                and not yes_head
                and not yes_tail
                and may_middle >= active
                and max(active, count_yes) < keep
            )
        ):
            found |= 1 << CHANGING
        possible[cell] = found
        kind = UNTOLD
        if found & (found - 1) == 0:  # one kind, whatever the open terms are
            while found > 1:
                found >>= 1
                kind += 1
        elif known > 1 and when[last] - when[first] >= least_span * (when[years - 1] - when[0]):
            kind = kind_of(known, count_yes, lead, trail, rule, full)
            if found >> kind & 1 == 0:
                kind = UNTOLD
        kinds[cell] = kind
    return kinds, possible, yeses, knowns


@njit(cache=True, nogil=True)
def periods(
    states: Bytes, period: Integers, count: int, no: int, yes: int, unsure: int, half: float
) -> Bytes:
    """Sum up the terms of each period.

    states           (years, cells)
    period           (years,)  the period of each year, negative for none
    count            number of periods
    no, yes, unsure  codes; anything else but BEYOND is not known
    half             the share of yes among the known terms of a period from which on it is yes
    returns          (count, cells)  ``yes`` or ``no`` where a term is known, else ``unsure`` where one is
                     that,
                     else BEYOND where all terms are, else 0
    """
    cells = states.shape[1]
    summed = np.empty((count, cells), np.uint8)
    for which in range(count):
        own = np.flatnonzero(period == which)
        if own.size == 1:
            for cell in range(cells):
                state = states[own[0], cell]
                told = state in (yes, no, unsure, BEYOND)
                summed[which, cell] = state if told else 0
            continue
        for cell in range(cells):
            yeses, noes, unsures, beyond = 0, 0, 0, 0
            for year in own:
                state = states[year, cell]
                yeses += state == yes
                noes += state == no
                unsures += state == unsure
                beyond += state == BEYOND
            if yeses + noes > 0:
                summed[which, cell] = yes if yeses >= half * (yeses + noes) else no
            elif unsures > 0:
                summed[which, cell] = unsure
            else:
                summed[which, cell] = BEYOND if beyond == own.size else 0
    return summed


@njit(cache=True, nogil=True)
def add_states(sums: Integers, states: Bytes, zone: Numbers, weight: Integers) -> None:
    """Add the weights of cells to sums by zone, year and state.

    sums    (zones, years, STATES)  changed; state BEYOND is the last
    states  (years, cells)
    zone    (cells,)  -1 for none
    weight  (cells,)
    """
    years, cells = states.shape
    for year in range(years):
        for cell in range(cells):
            if zone[cell] >= 0:
                state = states[year, cell]
                sums[zone[cell], year, STATES - 1 if state == BEYOND else state] += weight[cell]


@njit(cache=True, nogil=True)
def add_kinds(sums: Integers, kinds: Bytes, possible: Bytes, zone: Numbers, weight: Integers) -> None:
    """Add the weights of cells to sums by zone and kind.

    sums      (zones, 3, KINDS + 1)  changed; first by the kind (BEYOND is the last), then of cells of which
              no
              other kind is possible, then of all of which the kind is possible
    kinds     (cells,)
    possible  (cells,)
    zone      (cells,)  -1 for none
    weight    (cells,)
    """
    for cell in range(kinds.size):
        if zone[cell] < 0:
            continue
        of, found = sums[zone[cell]], possible[cell]
        of[0, KINDS if kinds[cell] == BEYOND else kinds[cell]] += weight[cell]
        for kind in range(KINDS):
            if found >> kind & 1:
                of[2, kind] += weight[cell]
                if found == 1 << kind:
                    of[1, kind] += weight[cell]


@njit(cache=True, nogil=True)
def add_moves(sums: Integers, states: Bytes, pairs: Integers, zone: Numbers, weight: Integers) -> None:
    """Add the weights of cells to sums by zone, pair of periods, and the states in both.

    sums    (zones, pairs, STATES, STATES)  changed; state BEYOND is the last
    states  (periods, cells)
    pairs   (pairs, 2)  of periods
    zone    (cells,)  -1 for none
    weight  (cells,)
    """
    for pair in range(pairs.shape[0]):
        before, after = states[pairs[pair, 0]], states[pairs[pair, 1]]
        for cell in range(before.size):
            if zone[cell] >= 0:
                one = STATES - 1 if before[cell] == BEYOND else before[cell]
                other = STATES - 1 if after[cell] == BEYOND else after[cell]
                sums[zone[cell], pair, one, other] += weight[cell]
