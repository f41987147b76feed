"""Sequences of yes, no and unknown, against trying every completion."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluepeace_gis.kernels import sequences
from bluepeace_gis.kernels.sequences import BEYOND, CHANGING, GAINED, KEPT, LOST, NEVER, UNTOLD

NO, YES, OPEN = 1, 3, 0
FULL = 8
LONGEST = 30


def rule_of(longest):
    """5 years of no after 3 of yes, in proportion where there are fewer than 8; 80 % keep, 10 % are none."""
    rows = [(0, 0, 0, 0)]
    for n in range(1, longest + 1):
        active = max(1, 3 * min(n, 8) // 8)
        rows.append((max(1, 5 * min(n, 8) // 8), active, -(-4 * n // 5), min(n // 10, active - 1)))
    return np.array(rows, np.int64)


RULE = rule_of(LONGEST)


def judged(rows, *, compiled=True, span=0.0, years=None):
    """Judge sequences written as 0, 1 and ?, beyond as x."""
    code = {"0": NO, "1": YES, "?": OPEN, "u": 2, "x": BEYOND}
    states = np.array([[code[letter] for letter in row] for row in rows], np.uint8).T.copy()
    when = np.arange(len(states)) if years is None else np.array(years)
    kernel = sequences.histories if compiled else sequences.histories.py_func
    return kernel(states, when.astype(np.int64), NO, YES, RULE, FULL, span)


def plain_kind(terms):
    """The same rule, as one would write it down."""
    n, yes = len(terms), sum(terms)
    still, active, keep, stray = RULE[n]
    if yes <= stray:
        return NEVER
    lead, trail = terms.index(1), terms[::-1].index(1)
    if yes >= active and trail >= still and (lead < still or n >= FULL):
        return LOST
    if yes >= active and lead >= still and trail < still:
        return GAINED
    return KEPT if yes >= keep else CHANGING


def completed(row):
    for filling in product((0, 1), repeat=row.count("?")):
        left = iter(filling)
        yield [next(left) if letter == "?" else int(letter) for letter in row]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "python"])
@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("00", NEVER), ("11", KEPT), ("01", GAINED), ("10", LOST),  # two maps
        ("0?", UNTOLD), ("?1", UNTOLD), ("??", UNTOLD),
        ("011", GAINED), ("001", GAINED), ("110", LOST), ("101", CHANGING), ("010", CHANGING),
        ("1100", LOST), ("1110", CHANGING), ("0011", GAINED), ("0111", CHANGING),
        ("11111011", KEPT), ("11100000", LOST), ("00000111", GAINED), ("11110000", CHANGING),
        ("1010100000", LOST),  # the years of irrigation need not follow each other
        ("1100000000", CHANGING),  # two are none too many, and too few for a loss
        ("1000000000", NEVER),  # one year in ten may be an error of the map
        ("0000011100000", LOST),  # came, and lies abandoned
        ("111000011111", CHANGING), ("1110000011111", CHANGING),  # back again
        ("111?00000", LOST),
        ("111?0000", LOST),  # 4 after 3 of 7 known years; the unknown one decides whether 5 after 3
        ("1???????10", UNTOLD),  # 1, 1, 0 says lost, which the 10 years cannot be
        ("xx", BEYOND),
    ],
)  # fmt: skip
def test_small_sequences(row, kind, compiled):
    kinds, possible, _, _ = judged([row], compiled=compiled)
    assert kinds[0] == kind
    assert (kind in (UNTOLD, BEYOND)) or possible[0] >> kind & 1


@given(st.integers(2, 12).flatmap(lambda n: st.lists(st.text("01?", min_size=n, max_size=n), min_size=1)))
def test_the_possible_kinds_are_those_of_the_completions(rows):
    kinds, possible, yes, known = judged(rows)
    for row, kind, found, ones, told in zip(rows, kinds, possible, yes, known, strict=True):
        expected = {plain_kind(each) for each in completed(row)}
        assert found == sum(1 << each for each in expected), row
        assert (ones, told) == (row.count("1"), len(row) - row.count("?"))
        if len(expected) == 1:
            assert {kind} == expected
        else:
            assert kind == UNTOLD or kind in expected
        if told == len(row):
            assert kind == plain_kind([int(letter) for letter in row])


def test_every_sequence_of_up_to_eight_years():
    for n in range(2, 9):
        rows = ["".join(each) for each in product("01?", repeat=n)]
        _, possible, _, _ = judged(rows)
        for row, found in zip(rows, possible, strict=True):
            assert found == sum(1 << each for each in {plain_kind(each) for each in completed(row)}), row


@given(st.text("01?", min_size=15, max_size=LONGEST))
def test_a_filled_year_never_adds_a_kind(row):
    _, (before,), _, _ = judged([row])
    for filled in (row.replace("?", "0", 1), row.replace("?", "1", 1)):
        _, (after,), _, _ = judged([filled])
        assert after & ~before == 0


def test_compiled_and_python_agree():
    rng = np.random.default_rng(6)
    rows = ["".join(rng.choice(list("01?ux"), 12)) for _ in range(60)]
    for one, other in zip(judged(rows), judged(rows, compiled=False), strict=True):
        np.testing.assert_array_equal(one, other)


def test_years_that_span_too_little_say_nothing_of_the_rest():
    assert judged(["11?????????"], span=0.5)[0][0] == UNTOLD
    assert judged(["1?????1????"], span=0.5)[0][0] == KEPT
    # by their years, not by their number
    assert judged(["11??"], span=0.5, years=[2000, 2015, 2016, 2017])[0][0] == KEPT


@pytest.mark.parametrize("kernel", [sequences.periods, sequences.periods.py_func], ids=["compiled", "python"])
def test_periods_take_what_most_known_years_say(kernel):
    states = np.array([[3, 1, 0, 2, 255], [3, 1, 0, 0, 255], [1, 0, 0, 0, 255], [3, 3, 0, 1, 0]], np.uint8)
    found = kernel(states, np.array([0, 0, 0, 1]), 2, NO, YES, 2, 0.5)
    assert found.tolist() == [[3, 1, 0, 2, 255], [3, 3, 0, 1, 0]]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "python"])
def test_sums_are_by_zone(compiled):
    def kernel(each):
        return each if compiled else each.py_func

    states = np.array([[0, 1, 2, 3, 255, 3], [3, 3, 1, 0, 255, 3]], np.uint8)
    zone, weight = np.array([0, 0, 1, 1, 1, -1], np.int32), np.array([1, 10, 100, 1000, 10_000, 7])
    sums = np.zeros((2, 2, sequences.STATES), np.int64)
    kernel(sequences.add_states)(sums, states, zone, weight)
    assert sums.tolist() == [
        [[1, 10, 0, 0, 0], [0, 0, 0, 11, 0]],
        [[0, 0, 100, 1000, 10_000], [1000, 100, 0, 0, 10_000]],
    ]
    moves = np.zeros((2, 1, sequences.STATES, sequences.STATES), np.int64)
    kernel(sequences.add_moves)(moves, states, np.array([[0, 1]]), zone, weight)
    np.testing.assert_array_equal(moves[:, 0].sum(axis=2), sums[:, 0])
    np.testing.assert_array_equal(moves[:, 0].sum(axis=1), sums[:, 1])
    kinds = np.zeros((2, 3, sequences.KINDS + 1), np.int64)
    possible = np.array([1 << GAINED, 6, 2, 62, 0, 4], np.uint8)
    codes = np.array([GAINED, NEVER, NEVER, UNTOLD, BEYOND, KEPT], np.uint8)
    kernel(sequences.add_kinds)(kinds, codes, possible, zone, weight)
    assert kinds[0].tolist() == [[0, 10, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0], [0, 10, 10, 1, 0, 0, 0]]
    assert kinds[1, 0].tolist() == [1000, 100, 0, 0, 0, 0, 10_000]
    assert kinds[1, 1].tolist() == [0, 100, 0, 0, 0, 0, 0]
    assert kinds[1, 2].tolist() == [0, 1100, 1000, 1000, 1000, 1000, 0]
