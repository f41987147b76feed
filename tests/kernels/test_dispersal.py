"""Divided flow against planes and cones of known area, a system of equations, and drawn cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bluepeace_gis.kernels import accumulation, conditioning, dispersal
from bluepeace_gis.kernels.conditioning import Surface
from bluepeace_gis.kernels.dispersal import ALL_LOWER, GIVEN
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SE, SINK, SW, VOID, E, N, S, W

D_INFINITY = None  # the exponent that is none
FREEMAN = 1.1


def routed(z, step=None):
    """Directions that breach, and the filled elevations."""
    step = np.ones((z.shape[0], 2)) if step is None else step
    nearness = 1 / np.column_stack([step[:, 0], np.hypot(*step.T), step[:, 1]])
    flat = Surface(z, nearness, np.zeros((0, 0), np.uint8), True)
    way = conditioning.route(flat)
    filled = conditioning.fill(flat, way)
    return conditioning.breach(way), filled


def framed(values, outside):
    return np.pad(values, 1, constant_values=outside)


def sums(z, exponent, weight=None):
    """Sums on square cells of one unit, and the directions."""
    z = np.asarray(z, np.float32)
    direction, _ = routed(z)
    weight = np.ones(z.shape) if weight is None else weight
    return dispersal.accumulation(
        direction, z, np.ones((z.shape[0], 2)), weight, exponent=exponent
    ), direction


def steepest_facet(heights, x, y):
    """The two directions beside the steepest descent and the share of the second, as in Tarboton's table 1.

    heights  of the cell and its eight neighbours, NaN outside
    """
    here, *around = heights
    away = [x, np.hypot(x, y), y, np.hypot(x, y)] * 2
    slopes = [(here - height) / distance for height, distance in zip(around, away, strict=True)]
    best = (0.0, 0, 0, 0.0)
    for way in range(8):
        beside, corner = sorted((way, (way + 1) % 8), key=lambda side: side % 2)
        along, across = (x, y) if beside in (0, 4) else (y, x)
        whole = np.arctan(across / along)
        if np.isnan(around[corner]):
            angle = -1.0
        elif np.isnan(around[beside]):
            angle = 9.0
        else:
            angle = np.arctan2((around[beside] - around[corner]) / across, slopes[beside])
        if angle <= 0:
            found = (slopes[beside], beside, corner, 0.0)
        elif angle >= whole:
            found = (slopes[corner], beside, corner, 1.0)
        else:
            slope = np.hypot((around[beside] - around[corner]) / across, slopes[beside])
            found = (slope, beside, corner, angle / whole)
        if found[0] > best[0] * (1 + 1e-12):
            best = found
    return best[1:]


def shares_by_the_book(direction, filled, step, exponent):
    """The share that each cell gives to each other one, (n, n)."""
    columns = direction.shape[1]
    high = np.pad(filled.astype(float), 1, constant_values=np.nan)
    share = np.zeros((direction.size, direction.size))
    for row, column in np.argwhere(direction < SINK):
        x, y = step[row]
        ways = list(zip(ROW_STEP, COLUMN_STEP, strict=True))
        around = np.array([high[row + 1 + r, column + 1 + c] for r, c in ways])
        falls = (high[row + 1, column + 1] - around) / ([x, np.hypot(x, y), y, np.hypot(x, y)] * 2)
        part = np.zeros(8)
        if not (falls > 0).any():
            part[direction[row, column]] = 1
        elif exponent is not D_INFINITY:
            part[falls > 0] = falls[falls > 0] ** exponent
        else:
            beside, corner, over = steepest_facet([high[row + 1, column + 1], *around], x, y)
            part[beside], part[corner] = 1 - over, over
        for way in np.flatnonzero(part):
            to = (row + ways[way][0]) * columns + column + ways[way][1]
            share[row * columns + column, to] = part[way] / part.sum()
    return share


@pytest.mark.parametrize("kernel", [dispersal.raised, dispersal.raised.py_func], ids=["compiled", "python"])
def test_a_cell_is_raised_to_the_highest_its_water_has_to_pass(kernel):
    #  9 > 3 > 5 > 4 > 6 o      the 4 is raised to the 6, the 3 and the 5 with it
    direction = framed(np.array([[E, E, E, E, SINK], [VOID, N, E, E, E]], np.uint8), VOID)
    z = framed(np.array([[9, 3, 5, 4, 6], [1, 2, 7, 8, 1]], np.float32), np.nan)
    np.testing.assert_array_equal(kernel(direction, z)[1:-1, 1:-1], [[9, 6, 6, 6, 6], [np.nan, 6, 8, 8, 1]])


@given(
    z=arrays(
        np.float32,
        st.tuples(st.integers(1, 17), st.integers(1, 17)),
        elements=st.one_of(st.integers(0, 4).map(float), st.just(np.nan)),
    )
)
def test_raised_along_breaches_are_the_filled_elevations(z):
    direction, filled = routed(z)
    level = dispersal.raised(framed(direction, VOID), framed(z, np.nan))
    np.testing.assert_array_equal(level[1:-1, 1:-1], filled)


@pytest.mark.parametrize(
    "kernel", [dispersal.choose_facets, dispersal.choose_facets.py_func], ids=["compiled", "python"]
)
def test_the_facet_of_steepest_descent(kernel):
    def choice(heights, given=N, step=(1.0, 1.0)):
        direction = np.full((3, 3), SINK, np.uint8)
        direction[1, 1] = given
        z = framed(np.array(heights, np.float32), np.nan)
        return kernel(framed(direction, VOID), z, np.tile(step, (3, 1)))[2, 2]

    # between east (fall 3) and south-east (turn 1); between south and south-west
    assert choice([[9, 9, 9], [9, 5, 2], [9, 9, 1]]) == 0
    assert choice([[9, 9, 9], [9, 5, 9], [1, 2, 9]]) == 2
    assert choice([[9, 9, 9], [9, 5, 9], [9, 2, 1]]) == 1
    # the corner is higher than what lies beside: all to the east; too low for a direction between
    assert choice([[9, 9, 9], [9, 5, 2], [9, 9, 4]]) == GIVEN + E
    assert choice([[9, 9, 9], [9, 5, 4], [9, 9, 1]]) == GIVEN + SE
    # ... but between, where the rows lie farther apart: 1 along, 3 / 4 across
    assert choice([[9, 9, 9], [9, 5, 4], [9, 9, 1]], step=(1.0, 4.0)) == 0
    # equally steep on both sides: the first; nothing lower: the given one
    assert choice([[9, 2, 9], [2, 5, 2], [9, 2, 9]]) == GIVEN + E
    assert choice([[9, 5, 9], [9, 5, 9], [9, 9, 9]]) == GIVEN + N
    # beside nothing known a facet is the line to its other neighbour
    assert choice([[np.nan] * 3, [np.nan, 5, 3], [np.nan] * 3]) == GIVEN + E
    assert choice([[np.nan] * 3, [np.nan, 5, np.nan], [3, np.nan, np.nan]]) == GIVEN + SW


@pytest.mark.parametrize(
    "kernel", [dispersal.choose_all_lower, dispersal.choose_all_lower.py_func], ids=["compiled", "python"]
)
def test_who_has_a_lower_neighbour_divides(kernel):
    direction = framed(np.array([[E, W, SINK, VOID]], np.uint8), VOID)
    z = framed(np.array([[5, 4, 4, np.nan]], np.float32), np.nan)
    assert kernel(direction, z)[1, 1:-1].tolist() == [ALL_LOWER, GIVEN + W, GIVEN + SINK, GIVEN + VOID]


@pytest.mark.parametrize(
    "kernel", [dispersal.disperse, dispersal.disperse.py_func], ids=["compiled", "python"]
)
def test_each_part_of_the_water_goes_its_own_way(kernel):
    #  5 4 .    the 5 falls by 1 to the east, by 2 to the south and by 3 over a diagonal
    #  3 2 .
    z = framed(np.array([[5, 4, np.nan], [3, 2, np.nan]], np.float32), np.nan)
    direction = framed(np.array([[SE, S, VOID], [E, SINK, VOID]], np.uint8), VOID)
    step, total = np.ones((2, 2)), np.empty((2, 3))
    weight = np.array([[8.0], [1.0]])

    kernel(dispersal.choose_all_lower(direction, z), z, step, 1.0, weight, total)

    # the 4 falls by 1 over the diagonal to the 3 and by 2 to the 2
    slopes = np.array([1, 2, 3 / 2**0.5])
    east, south, _ = 8 * slopes / slopes.sum()
    across = (8 + east) * 0.5**0.5 / (0.5**0.5 + 2)
    np.testing.assert_allclose(total, [[8, 8 + east, np.nan], [1 + south + across, 18, np.nan]])

    kernel(dispersal.choose_facets(direction, z, step), z, step, 1.0, weight, total)

    # the facet from 5 over 3 to 2 falls by 2 southwards and turns by 1: 26.57 of 45 degrees
    part = np.degrees(np.arctan(0.5)) / 45
    np.testing.assert_allclose(total, [[8, 8, np.nan], [1 + 8 * (1 - part), 18, np.nan]])


@given(
    z=arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        # in steps of 1/64: facets that differ by less than their own rounding have two right answers
        elements=st.one_of(
            st.integers(0, 4).map(float), st.integers(0, 576).map(lambda n: n / 64), st.just(np.nan)
        ),
    ),
    exponent=st.sampled_from([D_INFINITY, 1.0, FREEMAN, 8.0]),
    oblong=st.sampled_from([1.0, 0.75, 2.0]),
)
def test_sums_solve_the_equations_and_all_water_comes_to_the_sinks(z, exponent, oblong):
    step = np.column_stack([np.full(z.shape[0], oblong), np.linspace(1, 1.2, z.shape[0])])
    direction, filled = routed(z, step)
    weight = np.arange(z.size, dtype=float).reshape(z.shape) + 1
    total = dispersal.accumulation(direction, z, step, weight, exponent=exponent)
    known = direction != VOID
    np.testing.assert_array_equal(np.isnan(total), ~known)
    assert total[direction == SINK].sum() == pytest.approx(weight[known].sum(), rel=1e-12)
    share = shares_by_the_book(direction, filled, step, exponent)
    expected = np.linalg.solve(np.eye(z.size) - share.T, np.where(known, weight, 0).ravel())
    np.testing.assert_allclose(total[known], expected.reshape(z.shape)[known], rtol=1e-9)


@pytest.mark.parametrize("exponent", [D_INFINITY, FREEMAN], ids=["d-infinity", "multiple"])
def test_directions_that_do_not_fit_the_elevations_make_no_circles(exponent):
    # The directions of one surface on the elevations of another: water is led over hills.
    rng = np.random.default_rng(8)
    direction, _ = routed(rng.integers(0, 9, (60, 70)).astype(np.float32))
    z = rng.integers(0, 9, (60, 70)).astype(np.float32)
    total = dispersal.accumulation(direction, z, np.ones((60, 2)), np.ones((60, 1)), exponent=exponent)
    assert total[direction == SINK].sum() == pytest.approx(60 * 70, rel=1e-12)


@pytest.mark.parametrize("exponent", [D_INFINITY, FREEMAN], ids=["d-infinity", "multiple"])
@pytest.mark.parametrize("turns", range(8))
def test_turning_and_mirroring_a_surface_turns_its_sums(exponent, turns):
    # Rough, and everywhere lower to the west: there are no depressions, in which the choice among
    # equally steep neighbours would tell, and no facets that are equally steep.
    z = 100 * np.arange(50) + 99 * np.random.default_rng(3).random((50, 50))

    def turned(values):
        values = np.rot90(values, turns % 4)
        return np.ascontiguousarray(values[:, ::-1] if turns >= 4 else values)

    np.testing.assert_allclose(sums(turned(z), exponent)[0], turned(sums(z, exponent)[0]), rtol=1e-9)


def on_a_disc(half):
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    return x, y, np.hypot(x, y)


@pytest.mark.parametrize("fall", [(1, 0), (5, 1), (2, 1), (3, 2), (1, 1), (1, 2), (1, 4), (0, 1)])
def test_d_infinity_on_a_plane_brings_each_cell_the_strip_above_it(fall):
    # Each column (or row) passes its water on to the next one, divided between two cells, so that far
    # from the sides a sum is the distance from the upper rim in columns: the strip above a cell.
    y, x = np.mgrid[:60, :60].astype(float)
    total, _ = sums(4096 - fall[0] * x - fall[1] * y, D_INFINITY)
    steps, sides = (x, y) if fall[0] >= fall[1] else (y, x)
    inside = (sides > steps + 1) & (sides < 58) & (steps < 58)
    np.testing.assert_allclose(total[inside], steps[inside] + 1, rtol=1e-12)


def test_on_a_cone_divided_flow_comes_nearer_to_the_exact_area():
    # On an outward cone the specific catchment area (area over the width of the contour) is r / 2.
    # Ratio to the exact one minus 1, cells of 1, 5 < r < 90:
    #                 mean     rms     largest
    #   D8          -0.115   0.535     1.333
    #   D-infinity  -0.106   0.121     0.473
    #   multiple     0.065   0.068     0.261
    x, y, r = on_a_disc(100)
    z = 1000 - r
    ring = (r > 5) & (r < 90)
    found = {}
    for name, exponent in (("d-infinity", D_INFINITY), ("multiple", FREEMAN)):
        total, direction = sums(z, exponent)
        assert total[direction == SINK].sum() == pytest.approx(z.size, rel=1e-12)
        found[name] = total[ring] / (r[ring] / 2) - 1
    count = accumulation.accumulation(
        direction, accumulation.rims(direction), lambda tile: np.ones((tile.rows, 1))
    )
    found["d8"] = count[ring] / (r[ring] / 2) - 1
    table = {
        name: (error.mean(), np.sqrt((error**2).mean()), np.abs(error).max()) for name, error in found.items()
    }
    assert table["d8"] == pytest.approx((-0.115, 0.535, 1.333), abs=0.001)
    assert table["d-infinity"] == pytest.approx((-0.106, 0.121, 0.473), abs=0.001)
    assert table["multiple"] == pytest.approx((0.065, 0.068, 0.261), abs=0.001)
    # Water crosses a column (a row) with the slant of its way, so that a cell stands for less than its
    # width of contour; with that width, the far sums of D-infinity are exact in the mean.
    far = (r > 45) & (r < 90)
    slant = np.maximum(np.abs(x), np.abs(y))[far] / r[far]
    total, _ = sums(z, D_INFINITY)
    assert (total[far] / (r[far] / 2 * slant)).mean() == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("exponent", [D_INFINITY, FREEMAN], ids=["d-infinity", "multiple"])
def test_on_an_inward_cone_all_water_comes_to_the_middle(exponent):
    _, _, r = on_a_disc(40)
    nearness = np.tile([1.0, 0.5**0.5, 1.0], (81, 1))
    forced = np.full((81, 81), 255, np.uint8)
    forced[40, 40] = SINK
    z = r.astype(np.float32)
    direction = conditioning.breach(conditioning.route(Surface(z, nearness, forced, False)))
    total = dispersal.accumulation(direction, z, np.ones((81, 2)), np.ones((81, 1)), exponent=exponent)
    assert total[40, 40] == pytest.approx(81 * 81, rel=1e-12)
    # The exact area beyond radius r comes in over a contour of 2 pi r; the mean over a ring is near it.
    ring = (r > 9.5) & (r < 10.5)
    exact = (81 * 81 - np.pi * r[ring] ** 2) / (2 * np.pi * r[ring])
    assert total[ring].mean() == pytest.approx(exact.mean(), rel=0.15)


@pytest.mark.real
def test_the_d_infinity_case_of_richdem(real_data):
    # No sums are published with it. Worked by hand from its heights (cells of one unit):
    #   13   9   5   9  11    The 9 in the second row falls by 4 over the diagonal to the 5 (2.83 a
    #   11   9   9  11  12    unit), by 2.5 to the south: all to the 5. The 9 beside it: all to the 5.
    #    9   6.5 7  13  14    The 6.5 falls by 0.5 to the south and turns by 0.2 to the south-east:
    #    8   6   5.8 30 12    21.80 of 45 degrees. The 7 falls by 1.2 to the south, and turns nowhere.
    z = np.loadtxt(real_data / "basins/richdem_small/dinf_test.dem", skiprows=6)
    direction, filled = routed(z.astype(np.float32))
    share = shares_by_the_book(direction, filled, np.ones((4, 2)), D_INFINITY).reshape(4, 5, 4, 5)
    assert share[1, 1, 0, 2] == 1
    assert share[1, 2, 0, 2] == 1
    part = np.degrees(np.arctan(0.2 / 0.5)) / 45
    assert share[2, 1, 3, 1:3] == pytest.approx((1 - part, part), rel=1e-6)
    assert share[2, 2, 3, 2] == 1
    expected = np.linalg.solve(np.eye(20) - share.reshape(20, 20).T, np.ones(20)).reshape(4, 5)
    total, _ = sums(z, D_INFINITY)
    np.testing.assert_allclose(total, expected, rtol=1e-9)
    assert total[direction == SINK].sum() == pytest.approx(20, rel=1e-12)
