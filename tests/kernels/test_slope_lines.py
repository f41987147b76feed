"""Directions that keep to slope lines."""

import numpy as np
import pytest

from bluepeace_gis.kernels import slope_lines
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID

SIZE = 81
KERNELS = pytest.mark.parametrize(
    "kernel", [slope_lines.straightened, slope_lines.straightened.py_func], ids=["compiled", "python"]
)


def steepest(z):
    """Lead each cell to the neighbour with the steepest fall; flow ends in the outermost cells."""
    direction = np.full(z.shape, SINK, np.uint8)
    direction[np.isnan(z)] = VOID
    for row in range(1, z.shape[0] - 1):
        for column in range(1, z.shape[1] - 1):
            fall = [
                (z[row, column] - z[row + ROW_STEP[way], column + COLUMN_STEP[way]])
                / np.hypot(ROW_STEP[way], COLUMN_STEP[way])
                for way in range(8)
            ]
            if direction[row, column] != VOID and np.nanmax(fall) > 0:
                direction[row, column] = int(np.nanargmax(fall))
    return direction


def order(z):
    return np.argsort(-np.where(np.isnan(z), -1e9, z).ravel(), kind="stable")


def way(direction, row, column):
    cells = [(row, column)]
    while direction[row, column] < SINK:
        row, column = (
            row + ROW_STEP[direction[row, column]],
            column + COLUMN_STEP[direction[row, column]],
        )
        cells.append((row, column))
    return np.array(cells)


@KERNELS
@pytest.mark.parametrize("degrees", [0, 10, 22.5, 45, 67, 100, 200, 290, 331])
def test_on_a_plane_ways_follow_the_slope_within_a_cell(kernel, degrees):
    row, column = np.mgrid[0:SIZE, 0:SIZE] - SIZE // 2
    angle = np.radians(degrees)
    z = (1000 - np.cos(angle) * column - np.sin(angle) * row).astype(np.float32)
    cells = way(kernel(steepest(z), z, order(z)), SIZE // 2, SIZE // 2) - SIZE // 2
    off = cells[:, 0] * np.cos(angle) - cells[:, 1] * np.sin(angle)
    assert len(cells) > 35
    assert np.abs(off).max() <= 1


@KERNELS
def test_ways_lead_down_and_end_where_they_ended(kernel):
    rng = np.random.default_rng(3)
    row, column = np.mgrid[0:SIZE, 0:SIZE] - SIZE // 2
    z = (np.hypot(row, column) + rng.normal(0, 0.05, row.shape)).astype(np.float32)
    z[:20, :20] = np.nan
    before = steepest(z)
    after = kernel(before, z, order(z))
    assert (after[before >= SINK] == before[before >= SINK]).all()
    assert (after != before).any()
    inside = np.argwhere(before < SINK)
    below = inside + np.stack([np.array(ROW_STEP), np.array(COLUMN_STEP)], 1)[after[tuple(inside.T)]]
    assert (z[tuple(below.T)] < z[tuple(inside.T)]).all()


@KERNELS
def test_level_ground_keeps_its_given_directions(kernel):
    z = np.ones((5, 5), np.float32)
    given = np.full((5, 5), SINK, np.uint8)
    given[2, 1:4] = 0
    assert (kernel(given, z, order(z)) == given).all()
