"""The two humps of a yearly curve with gaps, on curves small enough to write down, and against bounds."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluepeace_gis.kernels import humps
from bluepeace_gis.kernels.humps import NODATA, OUTSIDE, Shape

SHAPE = Shape(
    reach=24,
    spike=3000,
    base_share=0.25,
    base_most=3000,
    half=0.5,
    growth=40,
    decline=25,
    standing=30,
    support=16,
)
DAYS = np.arange(1, 354, 16, dtype=np.int32)  # 23 composites
WINDOWS = np.array([[60, 180, 181, 290]], np.int32)
KERNELS = pytest.mark.parametrize(
    "kernel", [humps.humps_between, humps.humps_between.py_func], ids=["compiled", "python"]
)


def described(values, kernel=None, days=DAYS, windows=WINDOWS, of=None, shape=SHAPE):
    stack = np.array(values, np.int16)
    stack = stack[:, None] if stack.ndim == 1 else stack
    if kernel is None:
        return humps.humps(stack, days, windows, shape, window_of=of)
    out = np.empty((9, stack.shape[1]), np.int16)
    numbers = np.array([*(getattr(shape, field.name) for field in fields(shape))])
    of = np.zeros(stack.shape[1], np.uint8) if of is None else of
    kernel(0, stack.shape[1], stack, days.reshape(days.size, 1).astype(np.int16), windows, of, numbers, out)
    return humps.Humps(*out)


def curve(**at_days):
    """Bare soil of 1000 with values at some days: d97=4000."""
    values = np.full(DAYS.size, 1000)
    for name, value in at_days.items():
        values[np.flatnonzero(int(name[1:]) == DAYS)[0]] = value
    return values


@KERNELS
def test_two_crops_and_the_soil_between(kernel):
    found = described(
        curve(d81=3000, d97=6000, d113=7000, d129=4000, d161=2000, d193=4000, d209=6000, d225=5000), kernel
    )
    assert (found.first[0], found.second[0]) == (6500, 5500)  # means with the higher neighbour
    assert found.trough[0] == 1500  # day 145: mean with its lower neighbour, which is 2000
    assert found.base[0] == 1000
    assert found.known[0] == 23
    # half of the height, 1000 + 5500 / 2 = 3750, is passed between days 81 and 97, and after the second 225
    assert found.rise[0] == pytest.approx(81 + 16 * 0.25)
    assert found.fall[0] == pytest.approx(225 + 16 * (5000 - 3750) / 4000)


@KERNELS
def test_a_single_hump_lasts_from_half_height_to_half_height(kernel):
    found = described(curve(d97=3000, d113=6000, d129=6000, d145=4000, d161=2000), kernel)
    # 1000 + 5000 / 2 = 3500
    assert found.rise[0] == round(97 + 16 * 500 / 3000)
    assert found.fall[0] == round(145 + 16 * 500 / 2000)


@KERNELS
def test_a_single_low_date_is_no_trough(kernel):
    values = curve(d113=6000, d129=6000, d145=6000, d161=2000, d177=6000, d193=6000, d209=6000)
    assert described(values, kernel).trough[0] == 4000


@KERNELS
def test_a_spike_is_lowered_to_its_neighbours_and_a_peak_is_not(kernel):
    assert described(curve(d113=9000, d97=3000, d129=2000), kernel).first[0] == 3000
    assert described(curve(d113=6000, d97=3000, d129=2000), kernel).first[0] == 4500
    # a neighbour farther than the reach says nothing
    alone = np.where(np.isin(DAYS, [97, 129]), NODATA, curve(d113=9000))
    assert described(alone, kernel).first[0] == 9000


@KERNELS
def test_base_is_a_quantile_and_never_green(kernel):
    values = np.arange(23) * 100
    assert described(values, kernel).base[0] == np.quantile(values, 0.25, method="lower")
    few = np.where(np.isin(DAYS, [17, 97, 193]), values, NODATA)
    assert described(few, kernel).base[0] == values[1]  # the lowest of three
    assert described(values + 5000, kernel).base[0] == 3000


def gap(first, last, **at_days):
    """Bare soil without the composites from day ``first`` to ``last``."""
    return np.where((first <= DAYS) & (last >= DAYS), NODATA, curve(**at_days))


@KERNELS
def test_a_gap_hides_a_hump_that_has_the_time_to_grow_stand_and_decline(kernel):
    assert described(curve(), kernel).first_hidden[0] == NODATA
    # bare on both sides, 80 days apart: not the 40 + 30 + 25 a hump takes
    assert described(gap(97, 145), kernel).first_hidden[0] == 1000
    # 96 days apart: any
    assert described(gap(81, 145), kernel).first_hidden[0] == 10_000
    assert described(gap(81, 145), kernel).second_hidden[0] == NODATA
    # 64 days apart, and half grown on the left: 34 days are left for a hump of 1000 + h, of which
    # 40 (h - 1000) / h for growth and 25 for the decline: h = 40 * 1000 / 31
    found = described(gap(113, 145, d97=2000), kernel).first_hidden[0]
    assert found == round(1000 + 40_000 / 31)


@KERNELS
def test_a_hump_stands_inside_the_window_it_belongs_to(kernel):
    # from day 177 to 257, of which the first window has three days
    found = described(np.where((DAYS > 177) & (DAYS < 257), NODATA, curve(d257=2500)), kernel)
    assert found.first_hidden[0] == 2500  # what was seen beside the gap
    assert found.second_hidden[0] > 2500


@KERNELS
def test_before_the_first_and_after_the_last_date_a_hump_needs_its_time_in_the_window(kernel):
    late = np.where(DAYS < 161, NODATA, curve())
    assert described(late, kernel).first_hidden[0] == 10_000
    # seen bare on day 97, a hump that stood for 30 days from day 60 on has not declined yet
    assert described(np.where(DAYS < 97, NODATA, curve()), kernel).first_hidden[0] == 1000
    early = np.where(DAYS > 200, NODATA, curve())
    assert described(early, kernel).second_hidden[0] == 10_000
    # bare on day 241, it would have 19 days to grow before it must stand until day 290
    assert described(np.where(DAYS > 241, NODATA, curve()), kernel).second_hidden[0] == 1000
    whole = described(np.where(DAYS > 300, NODATA, curve()), kernel)
    assert whole.second_hidden[0] == NODATA  # what comes after the window is not asked


@KERNELS
def test_what_was_never_seen_has_no_level_and_hides_everything(kernel):
    found = described(np.full(23, NODATA), kernel)
    levels = (found.first, found.second, found.trough, found.base, found.rise, found.fall)
    assert [int(each[0]) for each in levels] == [NODATA] * 6
    assert (found.first_hidden[0], found.second_hidden[0], found.known[0]) == (10_000, 10_000, 0)


@KERNELS
def test_cells_follow_the_windows_of_their_zone(kernel):
    values = np.stack([curve(d113=6000, d129=6000)] * 3, axis=1)
    windows = np.array([[60, 180, 181, 290], [140, 180, 181, 290]], np.int32)
    found = described(values, kernel, windows=windows, of=np.array([0, 1, OUTSIDE], np.uint8))
    assert found.first.tolist() == [6000, 1000, NODATA]
    assert found.known.tolist() == [23, 23, NODATA]


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_no_hump_that_takes_its_time_stands_higher_in_a_gap_than_the_bound(seed, missing):
    chance = np.random.default_rng(seed)
    begin, end = (60, 180) if chance.random() < 0.5 else (181, 290)
    standing = chance.uniform(30, 60)
    up = chance.uniform(begin, end - 30)  # full grown on this day, and 30 days inside the window at least
    growth, decline = chance.uniform(40, 80), chance.uniform(25, 80)
    height = chance.uniform(500, 8000)
    days = [-1000, up - growth, up, up + standing, up + standing + decline, 2000]
    truth = np.rint(np.interp(DAYS, days, np.array([0, 0, 1, 1, 0, 0]) * height + 1000))
    gone = truth > 1000 + chance.uniform(0, 1) * height  # all of it that stands so high, and some more
    gone[chance.choice(DAYS.size, missing - 1, replace=False)] = True
    calm = replace(SHAPE, spike=30_000, base_share=0.0)  # the base that is asked for is that of the curve
    found = described(np.where(gone, NODATA, truth), shape=calm)
    hidden = found.first_hidden[0] if begin == 60 else found.second_hidden[0]
    bare_seen = (truth[~gone] == 1000).any()
    top_seen = (truth[~gone] >= 1000 + height - 1).any()
    inside = DAYS[~gone & (begin < DAYS) & (end > DAYS)]
    gaps = np.diff([begin, *inside, end]).max() > SHAPE.support
    if bare_seen and gaps and not top_seen:
        assert min(1000 + height, 10_000) <= hidden + 2


def test_cells_may_have_days_of_their_own():
    chance = np.random.default_rng(3)
    stack = np.where(chance.random((23, 40)) < 0.3, NODATA, chance.integers(-500, 9500, (23, 40)))
    days = DAYS[:, None] + chance.integers(0, 16, (23, 40))
    together = humps.humps(stack.astype(np.int16), days, WINDOWS, SHAPE)
    for cell in range(40):
        alone = described(stack[:, cell], days=days[:, cell])
        for field in fields(humps.Humps):
            assert getattr(together, field.name)[cell] == getattr(alone, field.name)[0]


def test_threads_and_shapes_change_nothing():
    chance = np.random.default_rng(1)
    stack = np.where(
        chance.random((23, 90, 401)) < 0.3, NODATA, chance.integers(-500, 9500, (23, 90, 401))
    ).astype(np.int16)
    one, many = (humps.humps(stack, DAYS, WINDOWS, SHAPE, threads=count) for count in (1, 3))
    cell = described(stack[:, 45, 17])
    for name in ("first", "second", "trough", "base", "rise", "fall", "first_hidden", "second_hidden"):
        assert np.array_equal(getattr(one, name), getattr(many, name))
        assert getattr(one, name)[45, 17] == getattr(cell, name)[0]
    known = stack[:, 45, 17] != NODATA
    raw = np.where(known, stack[:, 45, 17], np.iinfo(np.int16).max)
    assert cell.known[0] == known.sum()
    assert raw.min() < 10_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stack": np.zeros((23, 2), np.float32)}, "int16"),
        ({"days": DAYS[::-1].copy()}, "order"),
        ({"days": DAYS[:5]}, "days"),
        ({"window_of": np.zeros(3, np.uint8)}, "window_of"),
        ({"window_of": np.full(2, 7, np.uint8)}, "windows"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, said):
    given_ = {"stack": np.zeros((23, 2), np.int16), "days": DAYS, "window_of": None, **change}
    with pytest.raises(ValueError, match=said):
        humps.humps(given_["stack"], given_["days"], WINDOWS, SHAPE, window_of=given_["window_of"])
