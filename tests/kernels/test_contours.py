"""Contours: closed, valid, where the level is, and with the area they should have."""

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from bluepeace_gis.kernels import contours

VALUES = st.sampled_from([0, 60, 127, 128, 200, 255])
RASTERS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=VALUES)


def rings_of(values, level=127.5):
    places, begins, inner = contours.lines(values, level)
    return [places[one:two] for one, two in itertools.pairwise(begins)], inner


def test_the_line_lies_where_the_level_is_between_two_centres():
    values = np.zeros((3, 4), np.uint8)
    values[:, :2] = 255
    values[:, 2] = 85  # a third: the level lies a quarter of the way from 85 to 255
    (ring,), _ = rings_of(values)
    x = ring[(ring[:, 1] == 1.5) & (ring[:, 0] > 1), 0]
    assert x == pytest.approx([1.5 + (255 - 127.5) / (255 - 85)])


def test_a_disc_has_its_area():
    size, radius = 64, 20.3
    fine = 8  # shares of cells by counting
    row, column = (np.indices((size * fine, size * fine)) + 0.5) / fine
    inside = np.hypot(row - size / 2, column - size / 2) < radius
    share = inside.reshape(size, fine, size, fine).mean((1, 3))
    (ring,), _ = rings_of(np.rint(share * 255).astype(np.uint8))
    assert shapely.Polygon(ring).area == pytest.approx(np.pi * radius**2, rel=0.004)  # chords of a circle
    assert shapely.Polygon(ring).length == pytest.approx(2 * np.pi * radius, rel=0.02)


@pytest.mark.parametrize("kernel", [contours.pieces, contours.pieces.py_func], ids=["compiled", "python"])
def test_corners_that_meet_are_apart(kernel):
    values = np.array([[255, 0], [0, 255]], np.uint8)
    assert len(kernel(values, 127.5)) == 8
    rings, _ = rings_of(values)
    assert len(rings) == 2


@given(RASTERS)
def test_every_part_has_one_shell_and_every_hole_a_ring_and_none_meet(values):
    rings, inner = rings_of(values)
    mask = values > 127.5
    parts = ndimage.label(mask)[1]
    beyond = ndimage.label(np.pad(~mask, 1, constant_values=True), np.ones((3, 3)))[1] - 1
    assert len(rings) == parts + beyond
    assert all((ring[0] == ring[-1]).all() for ring in rings)
    assert all(mask[row, column] for row, column in inner)
    lines = np.array([shapely.LinearRing(ring) for ring in rings], object)
    assert all(line.is_simple for line in lines)
    tree = shapely.STRtree(lines)
    one, other = tree.query(lines, predicate="intersects")
    assert (one == other).all()


def test_lines_of_a_wide_raster_are_those_of_its_parts():
    # two discs on either side of the 128 columns that are looked at together, and one across them
    row, column = np.indices((40, 420))
    discs = [(20, 100, 12), (20, 257, 15), (21, 400, 14)]
    near = np.max([radius - np.hypot(row - r, column - c) for r, c, radius in discs], axis=0)
    values = np.rint(np.clip(near + 0.5, 0, 1) * 255).astype(np.uint8)
    rings, _ = rings_of(values)
    assert len(rings) == 3
    for (r, c, radius), ring in zip(discs, sorted(rings, key=lambda ring: ring[:, 0].min()), strict=True):
        alone, _ = rings_of(np.ascontiguousarray(values[:, c - radius - 2 : c + radius + 3]))
        expected = shapely.Polygon(alone[0])
        made = shapely.Polygon(ring - [c - radius - 2, 0])
        assert made.symmetric_difference(expected).area == pytest.approx(0, abs=1e-9)
        assert made.centroid.y == pytest.approx(r + 0.5, abs=0.1)


def test_nothing_above_the_level_gives_no_line():
    rings, inner = rings_of(np.zeros((4, 4), np.uint8))
    assert rings == []
    assert inner.shape == (0, 2)


def test_compiled_and_python_find_the_same_pieces():
    values = np.random.default_rng(4).integers(0, 256, (9, 11)).astype(np.uint8)
    assert np.array_equal(contours.pieces(values, 99.5), contours.pieces.py_func(values, 99.5))
