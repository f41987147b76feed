"""Whittaker's smoother against dense least squares, and the V-curve against curves whose noise is known."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluepeace_gis.kernels import whittaker

NONE = -32768
NAN = np.nan


def by_least_squares(values, weight, penalty):
    """Minimise the sum that defines the smoother by an orthogonal factorisation, which squares nothing."""
    steps = len(values)
    bends = np.diff(np.eye(steps), 2, axis=0) if steps > 2 else np.zeros((0, steps))
    left = np.vstack([np.diag(np.sqrt(weight)), np.sqrt(penalty) * bends])
    right = np.concatenate([np.sqrt(weight) * np.where(weight > 0, values, 0), np.zeros(len(bends))])
    return np.linalg.lstsq(left, right, rcond=None)[0]


def exactly(values, penalty):
    """Solve the equations in whole fractions, no number rounded; None is a gap."""
    steps = len(values)
    rows = [[Fraction(0)] * (steps + 1) for _ in range(steps)]
    for i, value in enumerate(values):
        if value is not None:
            rows[i][i] += 1
            rows[i][steps] += Fraction(value)
    for begin in range(steps - 2):
        for i, one in enumerate((1, -2, 1)):
            for j, two in enumerate((1, -2, 1)):
                rows[begin + i][begin + j] += Fraction(penalty) * one * two
    for i in range(steps):
        rows[i] = [number / rows[i][i] for number in rows[i]]
        for j in range(steps):
            if j != i:
                rows[j] = [mine - rows[j][i] * other for mine, other in zip(rows[j], rows[i], strict=True)]
    return [float(row[steps]) for row in rows]


def run(kernel, stack, penalty, ends=1):
    """Call the kernel itself on (dates, n) float32, one date a step."""
    steps, size = stack.shape
    out = np.empty_like(stack)
    bounds = np.array([np.finfo(np.float32).min, np.finfo(np.float32).max], np.float64)
    kernel(
        0, size, stack, np.float32(NAN), np.arange(steps), np.arange(steps + 1), np.array([penalty]),
        np.zeros(0, np.uint8), ends, 2, bounds, False, out,
    )  # fmt: skip
    return out


BOTH = pytest.mark.parametrize(
    "kernel",
    [whittaker.smooth_between, whittaker.smooth_between.py_func],
    ids=["compiled", "python"],
)


@BOTH
@pytest.mark.parametrize("penalty", [Fraction(1, 10), 1, 10, 1000])
def test_the_curve_is_the_exact_solution(kernel, penalty):
    series = [[4, None, 1, 7, None, None, 2, 5], [1, 2, 4, 8, 16, 32, 64, 128], [None, 3, None, 9, None] * 2]
    for values in series:
        stack = np.array([[NAN if value is None else value] for value in values], np.float32)
        expected = np.array(exactly(values, penalty))
        np.testing.assert_allclose(run(kernel, stack, float(penalty))[:, 0], expected, rtol=1e-6)


@BOTH
def test_a_line_stays_a_line_and_a_gap_in_it_is_filled(kernel):
    stack = np.array([[2], [4], [NAN], [NAN], [10], [NAN]], np.float32)
    np.testing.assert_allclose(run(kernel, stack, 50.0)[:, 0], [2, 4, 6, 8, 10, 12], rtol=1e-6)


def test_by_hand():
    # y = 0 3 0, penalty 1: with t = z0 - 2 z1 + z2 the equations z = y - t * (1, -2, 1) give t = -6 / 7
    stack = np.array([[0], [3], [0]], np.float32)
    expected = np.array([[6], [9], [6]]) / 7
    np.testing.assert_allclose(whittaker.smooth(stack, 1), expected, rtol=1e-6)


@given(
    values=hnp.arrays(np.float64, st.integers(3, 60), elements=st.integers(-10_000, 10_000)),
    data=st.data(),
    log10=st.floats(-2, 8),
)
def test_whole_numbers_are_those_of_dense_least_squares_rounded(values, data, log10):
    weight = data.draw(hnp.arrays(np.float64, len(values), elements=st.sampled_from([0.0, 1.0, 1.0])))
    stack = np.where(weight > 0, values, NONE).astype(np.int16)[:, None]
    found = whittaker.smooth(stack, 10.0**log10, NONE, threads=1)[:, 0]
    seen = np.flatnonzero(weight)
    if seen.size < 2:
        assert (found == NONE).all()
        return
    inside = slice(seen[0], seen[-1] + 1)
    expected = np.clip(by_least_squares(values, weight, 10.0**log10), NONE + 1, -NONE - 1)[inside]
    # Half a step is the rounding; least squares itself is right to 1e-16 times the root of the condition.
    assert np.abs(found[inside] - expected).max() < 0.501
    assert (found[: seen[0]] == NONE).all()
    assert (found[seen[-1] + 1 :] == NONE).all()


@pytest.mark.parametrize("penalty", [1.0, 1e4, 1e8])
def test_three_years_of_days_with_a_scene_a_fortnight_are_right_to_a_hundredth_of_a_step(penalty):
    # The hardest case in use: 1,095 unknowns, one in 13 observed, penalties that days need.
    rng = np.random.default_rng(4)
    values, weight = rng.uniform(-1000, 9000, 1095), (rng.random(1095) < 1 / 13).astype(float)
    stack = np.where(weight > 0, values, NAN).astype(np.float32)[:, None]
    expected = by_least_squares(stack[:, 0].astype(np.float64), weight, penalty)
    found = whittaker.smooth(stack, penalty)[:, 0]
    known = np.isfinite(found)
    assert known.sum() > 1000
    np.testing.assert_allclose(found[known], expected[known], atol=0.01)


def test_several_dates_in_one_step_count_as_often_as_they_are():
    # Steps 0, 0, 0, 2, 3, 5 in any order: three observations of the first step weigh three times their mean.
    values = np.array([[4, 5, 9, 1, 8, 2]], np.float32).T
    step = np.array([0, 3, 0, 2, 5, 0])
    found = whittaker.smooth(values, 3.0, step=step, steps=7, ends="line")[:, 0]
    means = np.array([5, 0, 1, 5, 0, 8, 0.0])
    expected = by_least_squares(means, np.array([3, 0, 1, 1, 0, 1, 0.0]), 3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_missing_line_and_hold_at_the_ends():
    stack = np.full((9, 1), NONE, np.int16)
    stack[[2, 3, 5], 0] = [100, 200, 400]
    found = {ends: whittaker.smooth(stack, 1.0, NONE, ends=ends)[:, 0].tolist() for ends in whittaker._ENDS}
    assert found["missing"] == [NONE, NONE, 100, 200, 300, 400, NONE, NONE, NONE]
    assert found["line"] == [-100, 0, 100, 200, 300, 400, 500, 600, 700]
    assert found["hold"] == [100, 100, 100, 200, 300, 400, 400, 400, 400]


def test_a_line_that_leaves_the_range_stops_beside_the_code_for_nothing():
    stack = np.full((12, 2), NONE, np.int16)
    stack[:2] = [[10_000, 10_000], [3_000, 20_000]]
    found = whittaker.smooth(stack, 1.0, NONE, ends="line")
    assert found[-1].tolist() == [NONE + 1, 32_767]
    highest = whittaker.smooth(np.where(stack == NONE, 32_767, stack), 1.0, 32_767, ends="line")
    assert highest[-1].tolist() == [NONE, 32_766]


@pytest.mark.parametrize("ends", ["missing", "line", "hold"])
@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_series_with_too_little_stay_missing_whatever_stands_beside_them(ends, kind):
    nodata = NONE if kind == "int16" else None
    stack = np.full((20, 70), NONE if kind == "int16" else NAN, kind)
    stack[7, 1] = 500
    stack[[3, 11], 2] = 500
    stack[[3, 11, 15], 3] = 500
    found = whittaker.smooth(stack, 10.0, nodata, ends=ends)
    known = (found != NONE) & np.isfinite(found)
    assert known.any(axis=0).nonzero()[0].tolist() == [2, 3]
    assert (found[:, 2:4][known[:, 2:4]] == 500).all()
    only = whittaker.smooth(stack, 10.0, nodata, ends=ends, least=3)
    assert ((only != NONE) & np.isfinite(only)).any(axis=0).nonzero()[0].tolist() == [3]


def test_infinite_numbers_were_not_observed():
    stack = np.array([[1], [np.inf], [3], [-np.inf], [5]], np.float32)
    np.testing.assert_allclose(whittaker.smooth(stack, 9.0)[:, 0], [1, 2, 3, 4, 5], rtol=1e-6)


def test_nothing_depends_on_neighbours_cuts_or_threads():
    rng = np.random.default_rng(7)
    stack = rng.integers(-1000, 9000, (23, 5, 2000)).astype(np.int16)
    stack[rng.random(stack.shape) < 0.4] = NONE
    whole = whittaker.smooth(stack, 7.0, NONE, threads=2)
    for column in (0, 63, 64, 1999):
        alone = whittaker.smooth(stack[:, 3:4, column : column + 1], 7.0, NONE, threads=1)
        np.testing.assert_array_equal(alone[:, 0, 0], whole[:, 3, column])
    np.testing.assert_array_equal(whole, whittaker.smooth(np.asfortranarray(stack), 7.0, NONE, threads=1))


def test_each_series_takes_the_penalty_of_its_zone():
    rng = np.random.default_rng(8)
    stack = rng.normal(size=(15, 2, 50)).astype(np.float32)
    zone = rng.integers(0, 3, (2, 50)).astype(np.uint8)
    found = whittaker.smooth(stack, [0.5, 20, 4000], zone=zone)
    for one, penalty in enumerate([0.5, 20, 4000]):
        np.testing.assert_array_equal(found[:, zone == one], whittaker.smooth(stack, penalty)[:, zone == one])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty": 0}, "above 0"),
        ({"penalty": NAN}, "above 0"),
        ({"penalty": [1, 2]}, "zone of each series"),
        ({"penalty": [1, 2], "zone": np.zeros(4, np.uint8)}, "whole numbers \\(3,\\)"),
        ({"penalty": [1, 2], "zone": np.full(3, 2, np.uint8)}, "expected 0 to 1"),
        ({"step": [0, 1, 2]}, "whole numbers from 0"),
        ({"step": [0, 1, 2, -1]}, "whole numbers from 0"),
        ({"step": [0, 1, 2, 9], "steps": 9}, "largest step, 9"),
        ({"ends": "cyclic"}, "missing, line, hold"),
        ({"least": 1}, "2 or more"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        whittaker.smooth(np.zeros((4, 3), np.float32), **({"penalty": 1.0} | options))


def test_an_empty_stack_has_an_empty_curve_and_one_without_dates_is_refused():
    assert whittaker.smooth(np.zeros((4, 0, 3), np.int16), 1.0, NONE).shape == (4, 0, 3)
    assert np.isnan(whittaker.v_curve(np.zeros((4, 0), np.int16), NONE).log10_penalty).all()
    with pytest.raises(ValueError, match="expected \\(dates"):
        whittaker.smooth(np.zeros((0, 3), np.int16), 1.0, NONE)


# --- the V-curve -----------------------------------------------------------------------------------------


def v_curve_densely(values, weight, grid, *, first):
    """Frasso & Eilers 2015: distances along the L-curve, by dense least squares; the middle of the least."""
    logs = []
    for log10 in grid:
        z = by_least_squares(values, weight, 10.0**log10)
        away = np.where(weight > 0, values - z, 0)
        logs.append([np.log10((weight * away**2).sum()), np.log10((np.diff(z, 2) ** 2).sum())])
    lengths = np.hypot(*np.diff(np.array(logs), axis=0).T) / np.diff(grid)
    best = int(np.argmin(lengths))
    if first:
        inner = range(1, len(lengths) - 1)
        low = (i for i in inner if lengths[i] <= lengths[i - 1] and lengths[i] <= lengths[i + 1])
        best = next(low, best)
    return (grid[best] + grid[best + 1]) / 2


def seasons(rng, size, *, steps=36, noise=400, gaps=0.3):
    """Make (steps, size) int16 NDVI of a field with a crop, noise and gaps."""
    time = np.arange(steps)[:, None]
    top = rng.uniform(10, 24, size)
    curve = 1500 + 5000 * np.exp(-(((time - top) / 4.5) ** 2))
    stack = (curve + rng.normal(0, noise, curve.shape)).astype(np.int16)
    stack[rng.random(stack.shape) < gaps] = NONE
    return stack, curve


@pytest.mark.parametrize(
    "kernel",
    [whittaker.v_curves_between, whittaker.v_curves_between.py_func],
    ids=["compiled", "python"],
)
@pytest.mark.parametrize("lowest", [False, True], ids=["first", "lowest"])
def test_each_series_has_the_penalty_of_its_own_l_curve(kernel, lowest):
    stack, _ = seasons(np.random.default_rng(1), 6, noise=100)
    stack[:, 3:] += (3000 * np.exp(-(((np.arange(36) - 3) / 2.5) ** 2))).astype(np.int16)[:, None]
    stack[stack > 20_000] = NONE
    grid, found = np.arange(-1, 3.1, 0.25), np.zeros(6)
    kernel(0, 6, stack, np.int16(NONE), np.arange(36), np.arange(37), grid, 8, lowest, found)
    expected = [
        v_curve_densely(stack[:, k], (stack[:, k] != NONE) * 1.0, grid, first=not lowest) for k in range(6)
    ]
    np.testing.assert_allclose(found, expected)


def test_the_first_corner_keeps_the_second_crop():
    rng = np.random.default_rng(2)
    time, top = np.arange(36)[:, None], rng.uniform(10, 24, 600)
    curve = 1500 + 5000 * np.exp(-(((time - top) / 4.5) ** 2)) + 3000 * np.exp(-(((time - 4) / 2.5) ** 2))
    stack = (curve + rng.normal(0, 100, (36, 600))).astype(np.int16)
    stack[rng.random(stack.shape) < 0.3] = NONE
    missed = {}
    for corner in ("first", "lowest"):
        smoothed = whittaker.smooth(stack, whittaker.v_curve(stack, NONE, corner=corner).penalty, NONE)
        missed[corner] = np.std((smoothed - curve)[smoothed != NONE])
    assert missed["first"] < 300  # of the 3,000 and 5,000 of the crops
    assert missed["lowest"] > 1.5 * missed["first"]
    with pytest.raises(ValueError, match="first or lowest"):
        whittaker.v_curve(stack, NONE, corner="last")


def test_irregular_dates_have_the_curve_of_their_steps():
    stack, _ = seasons(np.random.default_rng(2), 40, gaps=0)
    kept = np.sort(np.random.default_rng(3).choice(36, 22, replace=False))
    sparse = np.full_like(stack, NONE)
    sparse[kept] = stack[kept]
    found = whittaker.v_curve(stack[kept], NONE, step=kept, steps=36)
    np.testing.assert_array_equal(found.each, whittaker.v_curve(sparse, NONE).each)


def test_noisier_zones_get_larger_penalties_and_the_curve_comes_closer_to_the_truth():
    rng = np.random.default_rng(5)
    calm, calm_curve = seasons(rng, 300, noise=100)
    noisy, noisy_curve = seasons(rng, 300, noise=900)
    stack, zone = np.hstack([calm, noisy]), np.repeat([0, 1], 300)
    found = whittaker.v_curve(stack, NONE, zone=zone)
    assert found.count.tolist() == [300, 300]
    assert found.log10_penalty[0] < found.log10_penalty[1]
    assert (found.low <= found.log10_penalty).all()
    assert (found.log10_penalty <= found.high).all()
    for raw, curve, penalty in ((calm, calm_curve, found.penalty[0]), (noisy, noisy_curve, found.penalty[1])):
        smoothed = whittaker.smooth(raw, penalty, NONE)
        known = (raw != NONE) & (smoothed != NONE)
        assert np.std((smoothed - curve)[known]) < np.std((raw - curve)[known])


def test_short_flat_straight_and_empty_series_have_no_say():
    stack, _ = seasons(np.random.default_rng(6), 6, gaps=0)
    stack[7:, 0] = NONE  # seven observations
    stack[:, 1] = 3000
    stack[:, 2] = 1000 + 50 * np.arange(36)
    stack[:, 3] = NONE
    found = whittaker.v_curve(stack, NONE)
    assert np.isfinite(found.each).tolist() == [False] * 4 + [True] * 2
    assert found.count.tolist() == [2]
    assert np.isnan(whittaker.v_curve(stack[:, :4], NONE).log10_penalty).all()


def test_a_third_of_wild_series_does_not_move_the_zone_far():
    rng = np.random.default_rng(9)
    stack, _ = seasons(rng, 300)
    before = whittaker.v_curve(stack, NONE).log10_penalty[0]
    stack[:, :100] = rng.choice(np.array([-2000, 9000], np.int16), (36, 100))
    after = whittaker.v_curve(stack, NONE).log10_penalty[0]
    assert abs(after - before) <= 0.4


def test_a_zone_without_series_has_no_penalty():
    stack, _ = seasons(np.random.default_rng(6), 10)
    found = whittaker.v_curve(stack, NONE, zone=np.full(10, 2), zones=4)
    assert np.isfinite(found.log10_penalty).tolist() == [False, False, True, False]
    assert found.count.tolist() == [0, 0, 10, 0]


@pytest.mark.parametrize("grid", [[1.0], [2.0, 1.0], [1.0, NAN]])
def test_a_grid_that_does_not_grow_is_refused(grid):
    with pytest.raises(ValueError, match="two or more increasing"):
        whittaker.v_curve(np.zeros((9, 2), np.int16), NONE, log10_penalties=grid)


# --- independent programs --------------------------------------------------------------------------------


def test_the_curve_is_that_of_the_whittaker_eilers_package():
    theirs = pytest.importorskip("whittaker_eilers", reason="an oracle of scripts/benchmark.py")
    stack, _ = seasons(np.random.default_rng(11), 5)
    found = whittaker.smooth(stack, 20.0, NONE, ends="line")
    for k in range(5):
        weight = [float(value != NONE) for value in stack[:, k]]
        smoother = theirs.WhittakerSmoother(20.0, 2, 36, weights=weight)
        assert np.abs(found[:, k] - smoother.smooth(stack[:, k].astype(float).tolist())).max() < 0.501


@pytest.mark.real
def test_on_surveyed_fields_of_fergana_the_first_corner_foretells_what_it_was_not_shown(real_data):
    # Remelgado et al. 2020, Scientific Data 7:250: one observation in seven is kept apart.
    import pandas as pd

    fields = pd.read_csv(real_data / "irrigation" / "cawa" / "fields_ndvi_16day.csv.gz")
    columns = [name for name in fields if name.startswith("ndvi_X")]
    ndvi = fields.loc[fields["region"] == "Fergana", columns].to_numpy(np.float32).T
    step = (np.array([int(name.removeprefix("ndvi_X")) for name in columns]) - 1) // 16
    apart = np.isfinite(ndvi) & (np.random.default_rng(0).random(ndvi.shape) < 0.15)
    shown = np.where(apart, NAN, ndvi).astype(np.float32)

    def missed_by(penalty):
        away = (whittaker.smooth(shown, penalty, step=step)[step] - ndvi)[apart]
        return np.sqrt(np.nanmean(away**2))

    missed = {c: missed_by(whittaker.v_curve(ndvi, step=step, corner=c).penalty) for c in ("first", "lowest")}
    best = min(missed_by(10.0**log10) for log10 in np.arange(-2, 4, 0.5))
    assert missed["first"] == pytest.approx(0.078, abs=0.0015)
    assert missed["lowest"] == pytest.approx(0.116, abs=0.0015)
    assert best == pytest.approx(0.072, abs=0.0015)
