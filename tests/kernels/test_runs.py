"""Connected parts as runs, against the labels of scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from bluepeace_gis.kernels import runs

PYTHON = ["compiled", "python"]


def labels_of(mask, corners, runs_of=runs.runs_of, join=runs.join):
    found = runs_of(mask, 1)
    count = join(found, corners)
    made = np.zeros(mask.shape, int)
    for row, start, end, part in found:
        made[row, start:end] = part + 1
    return made, count, found


@pytest.mark.parametrize("runs_of", [runs.runs_of, runs.runs_of.py_func], ids=PYTHON)
@pytest.mark.parametrize("join", [runs.join, runs.join.py_func], ids=PYTHON)
def test_parts_that_meet_later_are_one(runs_of, join):
    # a U, whose arms meet in the last row, and a cell at its corner
    mask = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], np.uint8)
    assert labels_of(mask, False, runs_of, join)[1] == 2
    assert labels_of(mask, True, runs_of, join)[1] == 1


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 1)))
def test_parts_are_those_of_scipy(mask):
    for corners in (False, True):
        made, count, found = labels_of(mask, corners)
        expected, number = ndimage.label(mask, np.ones((3, 3)) if corners else None)
        assert count == number
        assert np.array_equal(made, expected)  # both number them in the order of their first cells
        sizes = np.bincount(expected.ravel(), minlength=number + 1)[1:]
        assert np.array_equal(runs.sizes(found, count), sizes)
        values = (np.arange(mask.size) % 7).reshape(mask.shape).astype(np.uint8)
        sums = ndimage.sum_labels(values, expected, np.arange(1, number + 1))
        assert np.array_equal(runs.sums(found, count, values), sums)
        row, column = (axis.ravel() for axis in np.indices(mask.shape))
        assert np.array_equal(runs.part_at(found, row, column), expected.ravel() - 1)


@pytest.mark.parametrize("kernel", [runs.runs_of, runs.runs_of.py_func], ids=PYTHON)
@pytest.mark.parametrize("columns", [127, 128, 129, 400])
def test_runs_of_long_rows_are_those_of_a_plain_count(kernel, columns):
    ends = np.array([0, 1, 100, 128, 129, 256, 300, 399])
    mask = (np.searchsorted(ends, np.arange(columns), side="right") % 2).astype(np.uint8)[None]
    steps = np.diff(np.concatenate([[0], mask[0], [0]]).astype(int))
    expected = list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True))
    assert [(start, end) for _, start, end, _ in kernel(mask, 1)] == expected


def test_filling_changes_the_chosen_parts_alone():
    mask = np.array([[9, 0, 8, 8], [0, 0, 0, 8]], np.uint8)
    found = runs.runs_of(mask, 1)
    runs.join(found, False)
    runs.fill(mask, found, np.array([0, 1], np.uint8), 3)
    assert mask.tolist() == [[9, 0, 3, 3], [0, 0, 0, 3]]


def test_least_decides_what_belongs_to_the_mask():
    assert len(runs.runs_of(np.array([[127, 128, 255]], np.uint8), 128)) == 1
    assert len(runs.runs_of(np.zeros((3, 3), np.uint8), 1)) == 0
