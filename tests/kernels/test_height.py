"""Heights above the channel on drawn grids, against a walk from every cell and pyflwdir."""

import numpy as np
import pyflwdir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyflwdir import dem as pyflwdir_dem

from bluepeace_gis.kernels import accumulation, conditioning, height
from bluepeace_gis.kernels.conditioning import Surface
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, E, S, W, encode


def surface(z):
    nearness = np.tile([1.0, 0.5**0.5, 1.0], (z.shape[0], 1))
    return Surface(z, nearness, np.zeros((0, 0), np.uint8), True)


def rough(seed, shape):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 40, shape).astype(np.float32)
    z[rng.random(shape) < 0.05] = np.nan
    return z


def count(direction):
    return accumulation.accumulation(
        direction, accumulation.rims(direction), lambda tile: np.ones((tile.rows, 1))
    )


def way_down(direction, row, column):
    """The cells from one to where its water ends, itself first."""
    cells = [(row, column)]
    while direction[cells[-1]] < SINK:
        way = direction[cells[-1]]
        cells.append((cells[-1][0] + ROW_STEP[way], cells[-1][1] + COLUMN_STEP[way]))
    return cells


CARVE = pytest.mark.parametrize("kernel", [height.carve, height.carve.py_func], ids=["compiled", "python"])
FEET = pytest.mark.parametrize("kernel", [height.feet, height.feet.py_func], ids=["compiled", "python"])


@CARVE
def test_a_cell_lies_as_low_as_what_drains_through_it(kernel):
    #  9 3 5 4 > 2    a pit of 3 drains over 5 and 4; from the second row 1 comes in at the 4
    #      1
    direction = np.array([[E, E, E, E, SINK], [VOID, VOID, E, 6, VOID]], np.uint8)
    z = np.array([[9, 3, 5, 4, 2], [0, 0, 1, 7, 0]], np.float32)
    low = kernel(direction, z)
    np.testing.assert_array_equal(low, [[9, 3, 3, 1, 1], [np.nan, np.nan, 1, 1, np.nan]])
    np.testing.assert_array_equal(kernel(np.array([[W]], np.uint8), np.ones((1, 1), np.float32)), [[1]])


@FEET
def test_each_cell_knows_the_first_channel_downstream(kernel):
    #  > > C > C      what comes to the first channel does not see the second;
    #  > o . > v      the second row ends without one, once in a sink and once off the surface
    direction = np.array([[E, E, E, E, SINK], [E, SINK, VOID, E, S]], np.uint8)
    channel = np.zeros((2, 5), bool)
    channel[0, 2] = channel[0, 4] = True
    base = np.array([[9, 8, 7, 6, 5], [4, 3, 2, 1, 0]], np.float32)
    foot = kernel(direction, base, channel)
    np.testing.assert_array_equal(foot, [[7, 7, 7, 5, 5], [np.nan] * 5])


def test_heights_are_elevation_minus_elevation_of_the_channel_they_come_to():
    #  8 6 C5 C7    the dam of 7 is breached: what drains over it comes to a channel as low as 5
    #        9
    direction = np.array([[E, E, E, SINK], [VOID, VOID, VOID, 6]], np.uint8)
    z = np.array([[8, 6, 5, 7], [0, 0, 0, 9]], np.float32)
    channel = np.array([[False, False, True, True], [False] * 4])
    np.testing.assert_array_equal(
        height.height_above(direction, z, channel), [[3, 1, 0, 0], [np.nan, np.nan, np.nan, 4]]
    )


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    least=st.integers(1, 20),
)
def test_no_height_is_negative_and_each_is_what_a_walk_finds(seed, shape, least):
    z = rough(seed, shape)
    direction = conditioning.breach(conditioning.route(surface(z)))
    with np.errstate(invalid="ignore"):
        channel = count(direction) >= least
    low = height.carve(direction, z)
    lowest = np.where(direction == VOID, np.nan, z)
    expected = np.full(shape, np.nan)
    for row, column in np.argwhere(direction != VOID):
        for cell in way_down(direction, row, column):
            lowest[cell] = min(lowest[cell], z[row, column])
    np.testing.assert_array_equal(low, lowest)
    for row, column in np.argwhere(direction != VOID):
        met = [cell for cell in way_down(direction, row, column) if channel[cell]]
        if met:
            expected[row, column] = 0 if channel[row, column] else z[row, column] - lowest[met[0]]
    heights = height.height_above(direction, z, channel)
    np.testing.assert_array_equal(heights, expected)
    assert not (heights < 0).any()


def test_heights_equal_those_of_pyflwdir_where_no_channel_rises():
    # On a filled surface no water rises: nothing is carved and both follow the same definition.
    rng = np.random.default_rng(3)
    z = (np.round(rng.normal(size=(400, 300)).cumsum(0).cumsum(1) * 8) / 8).astype(np.float32)
    z[100:140, 50:80] = np.nan
    rugged = surface(z)
    filled = conditioning.fill(rugged, conditioning.route(rugged))
    direction = conditioning.breach(conditioning.route(surface(filled)))
    channel = count(np.ascontiguousarray(direction)) >= 50
    oracle = pyflwdir.from_array(encode(direction, "esri"), ftype="d8", check_ftype=False)
    theirs = oracle.hand(channel, filled.astype(np.float64))
    ours = height.height_above(direction, filled, channel)
    reached = ~np.isnan(ours)
    assert 0.5 < reached.mean() < 1
    np.testing.assert_array_equal(ours[reached], theirs[reached])
    assert ours[reached].max() > 10


def test_on_a_breached_surface_only_what_is_carved_differs_from_pyflwdir():
    rng = np.random.default_rng(4)
    z = (np.round(rng.normal(size=(300, 300)).cumsum(0).cumsum(1) * 8) / 8).astype(np.float32)
    direction = conditioning.breach(conditioning.route(surface(z)))
    channel = count(direction) >= 50
    carved = height.carve(direction, z)
    oracle = pyflwdir.from_array(encode(direction, "esri"), ftype="d8", check_ftype=False)
    ours = height.height_above(direction, z, channel)
    theirs = pyflwdir_dem.height_above_nearest_drain(
        oracle.idxs_ds, oracle.idxs_seq, channel.ravel(), z.astype(np.float64).ravel()
    ).reshape(z.shape)
    foot = height.feet(direction, z, channel) - height.feet(direction, carved, channel)
    reached = ~np.isnan(ours) & ~channel
    np.testing.assert_array_equal(ours[reached], (theirs + foot)[reached])
    assert (foot[reached] > 0).any()
