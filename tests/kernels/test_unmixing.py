"""The margin of a mask: majority, states, growth, and shares of mixed cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from bluepeace_gis.kernels import unmixing
from bluepeace_gis.kernels.unmixing import INNER, INSIDE, OUTER, OUTSIDE, UNSEEN, WHOLE

MASKS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 1))


@pytest.mark.parametrize("kernel", [unmixing.smooth, unmixing.smooth.py_func], ids=["compiled", "python"])
def test_majority_takes_single_cells_away_and_fills_single_holes(kernel):
    codes = np.ones((7, 7), np.uint8)
    codes[3, 3] = 0
    lone = np.zeros((7, 7), np.uint8)
    lone[2, 2] = 1
    for given_codes, expected in ((codes, 1), (lone, 0)):
        out = np.full((7, 7), 9, np.uint8)
        kernel(given_codes, 0, 7, 1, out)
        assert (out == expected).all()


@given(MASKS)
def test_majority_counts_the_cells_that_are_there(mask):
    def counted(values):
        return ndimage.correlate(values.astype(int), np.ones((3, 3), int), mode="constant")

    expected = 2 * counted(mask) + mask > counted(np.ones(mask.shape))
    assert np.array_equal(unmixing.majority(mask, 1), expected)


@given(MASKS, st.integers(0, 5))
def test_growth_is_the_dilation_of_scipy(mask, reach):
    box = np.ones((2 * reach + 1, 2 * reach + 1))
    expected = ndimage.binary_dilation(mask, box) if reach else mask.astype(bool)
    assert np.array_equal(unmixing.grown(mask, reach), expected)


def test_growth_does_not_depend_on_how_rows_are_shared_out():
    mask = (np.random.default_rng(3).random((600, 40)) > 0.995).astype(np.uint8)
    expected = ndimage.binary_dilation(mask, np.ones((81, 81)))
    assert np.array_equal(unmixing.grown(mask, 40, threads=2), expected)


def test_states_tell_margin_from_core_and_keep_the_unseen_apart():
    mask = np.zeros((6, 8), np.uint8)
    mask[:, :4] = 1
    codes = mask.copy()
    codes[0, 5] = 3  # unseen
    codes[4, 7] = 1  # looks like the inside, far away
    found = unmixing.states(mask, codes, 1, 3)
    assert (found[:, :3] == INSIDE).all()
    assert (found[:, 3] == INNER).all()
    assert (found[:, 4] == OUTER).all()
    assert found[0, 5] == UNSEEN
    assert found[4, 7] == OUTER
    assert found[2, 6] == OUTSIDE


@pytest.mark.parametrize(
    "kernel", [unmixing.shares_between, unmixing.shares_between.py_func], ids=["compiled", "python"]
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_mixed_column_gets_its_true_share(kernel, share):
    pure, ground, third = 4000, 500, 1000
    first = np.full((9, 12), ground + third, np.int16)
    first[:, :5] = pure + third
    first[:, 5] = round(share * pure + (1 - share) * ground) + third
    mask = np.zeros((9, 12), np.uint8)
    mask[:, : 6 if share > 0.5 else 5] = 1
    where = unmixing.states(mask, mask, 1, 3)
    out = np.empty((9, 12), np.uint8)
    kernel(first, np.full((9, 12), third, np.int16), where, 5, 0, 9, out)
    assert (out[:, :5] == WHOLE).all()
    assert (out[:, 6:] == 0).all()
    assert out[4, 5] / WHOLE == pytest.approx(share, abs=0.5 / WHOLE + 0.002)


def test_a_class_one_cell_wide_still_has_shares():
    first = np.full((5, 5), 100, np.int16)
    first[:, 2] = 3000
    mask = (first > 1000).astype(np.uint8)
    out = unmixing.shares(first, np.zeros((5, 5), np.int16), unmixing.states(mask, mask, 1, 3), 1)
    assert (out[:, 2] == WHOLE).all()
    assert (out[:, [0, 4]] == 0).all()


def test_where_the_inside_is_darker_than_the_outside_the_mask_decides():
    mask = np.zeros((6, 6), np.uint8)
    mask[:, :3] = 1
    first = np.where(mask == 1, 100, 900).astype(np.int16)
    out = unmixing.shares(first, np.zeros((6, 6), np.int16), unmixing.states(mask, mask, 1, 3), 3)
    assert np.array_equal(out, mask * WHOLE)
