"""The fused difference of digital numbers against the same in whole-array float64."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluepeace_gis.kernels.normalized import (
    NODATA,
    SUM_MIN,
    difference,
    difference_between,
    ratios_between,
    reflectance,
    reflectance_between,
)

LANDSAT = (2.75e-5, -0.2)  # Collection 2 surface reflectance
CLEAR = (np.arange(65536) & 0b111111) != 0  # QA_PIXEL: any of fill, dilated, cirrus, cloud, shadow, snow
BETWEEN = pytest.mark.parametrize(
    "kernel", [difference_between, difference_between.py_func], ids=["compiled", "python"]
)
REFLECTANCE = pytest.mark.parametrize(
    "kernel", [reflectance_between, reflectance_between.py_func], ids=["compiled", "python"]
)
RATIOS = pytest.mark.parametrize(
    "kernel", [ratios_between, ratios_between.py_func], ids=["compiled", "python"]
)


def by_whole_arrays(first, second, codes, rejected, one, two, nodata1=None, nodata2=None):
    a = np.maximum(first.astype(np.float64) * one[0] + one[1], 0)
    b = np.maximum(second.astype(np.float64) * two[0] + two[1], 0)
    known = a + b >= SUM_MIN
    if codes is not None:
        known &= ~rejected[codes]
    for numbers, nodata in ((first, nodata1), (second, nodata2)):
        known &= np.ones(first.shape, bool) if nodata is None else numbers != nodata
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.rint((a - b) / (a + b) * 10_000)
    return np.where(known, ratio, NODATA).astype(np.int16)


@BETWEEN
def test_each_reason_for_no_answer_on_its_own(kernel):
    #             plain  nodata1 nodata2 cloud  both dark  below zero  both below zero
    first = np.array([20000, 0, 20000, 20000, 7400, 20000, 7000], np.uint16)
    second = np.array([10000, 10000, 0, 10000, 7400, 7200, 7000], np.uint16)
    codes = np.array([64, 64, 64, 8, 64, 64, 64], np.uint16)
    calibration = np.array([[*LANDSAT, 0], [*LANDSAT, 0]])
    out = np.full(9, 7, np.int16)
    padded = [np.concatenate([[1], values, [1]]).astype(np.uint16) for values in (first, second, codes)]

    kernel(1, 8, *padded, CLEAR, calibration, SUM_MIN, out)

    # 0.35 and 0.075; the reflectance of 7200 is -0.002, so the sum is that of the first alone
    expected = [round((0.35 - 0.075) / 0.425 * 1e4), NODATA, NODATA, NODATA, NODATA, 10_000, NODATA]
    np.testing.assert_array_equal(out, [7, *expected, 7])  # and nothing beside the asked pixels


@BETWEEN
def test_halves_go_to_the_even_number(kernel):
    # 1 / 32 and 3 / 32 of 10000 are 312.5 and 937.5
    first, second = np.array([33, 35], np.uint16), np.array([31, 29], np.uint16)
    calibration = np.array([[0.5, 0.0, np.nan], [0.5, 0.0, np.nan]])
    out = np.zeros(2, np.int16)
    kernel(0, 2, first, second, np.zeros(0, np.uint8), np.zeros(256, bool), calibration, SUM_MIN, out)
    np.testing.assert_array_equal(out, [312, 938])


@given(data=st.data(), kind=st.sampled_from(["uint16", "int16"]), code=st.sampled_from(["uint8", "uint16"]))
def test_every_number_equals_whole_arrays_in_float64(data, kind, code):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=40))
    first, second = (data.draw(hnp.arrays(kind, shape)) for _ in range(2))
    codes = data.draw(hnp.arrays(code, shape))
    rejected = np.random.default_rng(1).random(256 if code == "uint8" else 65536) < 0.3
    scale, offset = st.floats(1e-5, 1e-3), st.floats(-0.5, 0.5)
    one, two = (data.draw(st.tuples(scale, offset)) for _ in range(2))
    number = st.none() | st.integers(np.iinfo(kind).min, np.iinfo(kind).max) | st.sampled_from(first.ravel())
    nodata = data.draw(st.tuples(number, number))

    found = difference(
        first, second, codes, rejected, *one, *two, nodata1=nodata[0], nodata2=nodata[1], threads=1
    )

    np.testing.assert_array_equal(found, by_whole_arrays(first, second, codes, rejected, one, two, *nodata))


def test_every_landsat_number_against_every_quality():
    rng = np.random.default_rng(2)
    first = np.tile(np.arange(65536, dtype=np.uint16), 16)
    second = rng.integers(0, 65536, first.size).astype(np.uint16)
    codes = rng.integers(0, 65536, first.size).astype(np.uint16)
    codes[::2] = 21824  # clear land
    expected = by_whole_arrays(first, second, codes, CLEAR, LANDSAT, LANDSAT, 0, 0)

    found = [
        difference(first, second, codes, CLEAR, *LANDSAT, *LANDSAT, nodata1=0, nodata2=0, threads=threads)
        for threads in (1, 2, 5)
    ]

    for values in found:
        np.testing.assert_array_equal(values, expected)
    assert 0.4 < (found[0] != NODATA).mean() < 0.6
    assert found[0][found[0] != NODATA].min() == -10_000
    assert found[0].max() == 10_000


def test_windows_other_byte_orders_and_given_targets_give_the_same():
    rng = np.random.default_rng(3)
    first, second = (rng.integers(0, 10_000, (60, 50)).astype(np.int16) for _ in range(2))
    plain = difference(first, second, None, None, 1e-4, 0, 1e-4, 0, nodata1=-9999)
    target = np.zeros((3, 30, 20), np.int16)
    window = (slice(10, 40), slice(5, 25))

    back = difference(first[window], second[window].astype(">i2"), None, None, 1e-4, 0, 1e-4, 0, target[1])

    assert np.shares_memory(back, target)
    np.testing.assert_array_equal(target[1], plain[window])
    assert not target[[0, 2]].any()
    assert difference(first[:0], second[:0], None, None, 1, 0, 1, 0).shape == (0, 50)


def test_float_bands_without_a_value_have_no_answer():
    first = np.array([0.4, np.nan, 0.4, np.inf, -9999], np.float32)
    second = np.array([0.1, 0.1, np.nan, 0.1, 0.1], np.float32)
    found = difference(first, second, None, None, 1, 0, 1, 0, nodata1=-9999)
    np.testing.assert_array_equal(found, [6000, NODATA, NODATA, NODATA, NODATA])


def test_no_difference_leaves_its_range_where_reflectances_are_overcorrected():
    # red of dense crops at -0.002: by the plain quotient 1.01, and largest of the season
    red, nir = np.array([7200], np.uint16), np.array([18000], np.uint16)
    assert (18000 - 7200) * 2.75e-5 / ((18000 + 7200) * 2.75e-5 - 0.4) > 1
    assert difference(nir, red, None, None, *LANDSAT, *LANDSAT) == 10_000
    # all numbers whose reflectance is near zero, where a quotient of errors would be anything
    numbers = np.arange(6000, 8000, dtype=np.uint16)
    found = difference(*np.meshgrid(numbers, numbers), None, None, *LANDSAT, *LANDSAT)
    known = found != NODATA
    assert np.abs(found[known].astype(int)).max() == 10_000
    assert not known[(numbers < 7450)[:, None] & (numbers < 7450)].any()  # 0.0049 each


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"second": np.zeros((3, 4), np.uint16)}, r"second has the shape \(3, 4\), expected \(4, 4\)"),
        ({"first": np.zeros((4, 4), np.int64)}, "first is int64, expected one of uint8, int16"),
        ({"codes": np.zeros((4, 4), np.int32)}, "codes is int32, expected one of uint8, uint16"),
        ({"rejected": np.zeros(256, bool)}, r"expected bool \(65536,\): an answer for every code"),
        ({"rejected": None}, "rejected is None"),
        ({"out": np.zeros((4, 8), np.int16)[:, ::2]}, "expected int16 in one piece"),
        ({"out": np.zeros((4, 4), np.int32)}, "out is int32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, sentence):
    given_ = {
        "first": np.zeros((4, 4), np.uint16),
        "second": np.zeros((4, 4), np.uint16),
        "codes": np.zeros((4, 4), np.uint16),
        "rejected": CLEAR,
        "out": None,
    } | arguments
    out = given_.pop("out")
    with pytest.raises(ValueError, match=sentence):
        difference(*given_.values(), 1, 0, 1, 0, out)


@REFLECTANCE
def test_reflectance_of_one_band_is_masked_and_kept_within_its_range(kernel):
    #                  plain  fill  cloud below zero  brighter than can be written
    numbers = np.array([20000, 0, 20000, 7000, 65535], np.uint16)
    codes = np.array([64, 64, 8, 64, 64], np.uint16)
    out = np.full(5, 7, np.int16)
    kernel(0, 5, numbers, codes, CLEAR, np.array([1e-4, -0.8, 0]), out)
    np.testing.assert_array_equal(out, [12_000, NODATA, NODATA, -1000, 32_767])


@given(data=st.data(), kind=st.sampled_from(["uint16", "int16"]), code=st.sampled_from(["uint8", "uint16"]))
def test_every_reflectance_equals_whole_arrays_in_float64(data, kind, code):
    numbers = data.draw(hnp.arrays(kind, hnp.array_shapes(min_dims=1, max_dims=3, max_side=40)))
    codes = data.draw(hnp.arrays(code, numbers.shape))
    rejected = np.random.default_rng(1).random(256 if code == "uint8" else 65536) < 0.3
    scale, offset = data.draw(st.floats(1e-5, 2e-4)), data.draw(st.floats(-0.5, 0.5))
    nodata = data.draw(st.none() | st.sampled_from(numbers.ravel()))

    found = reflectance(numbers, codes, rejected, scale, offset, nodata=nodata, threads=1)

    steps = np.clip(np.rint((numbers.astype(np.float64) * scale + offset) * 10_000), -32_767, 32_767)
    known = ~rejected[codes] & (np.ones(numbers.shape, bool) if nodata is None else numbers != nodata)
    np.testing.assert_array_equal(found, np.where(known, steps, NODATA).astype(np.int16))
    plain = reflectance(numbers, None, None, scale, offset)
    np.testing.assert_array_equal(plain, steps.astype(np.int16))


@RATIOS
def test_ratios_of_reflectances_follow_the_same_rule(kernel):
    first = np.array([0.35, 0.3, 0.004, 0.3, np.nan, 9, 0.004], np.float32)
    second = np.array([0.075, -0.01, 0.004, np.inf, 0.2, 1, 0.007], np.float32)
    out = np.zeros(7, np.float32)
    assert kernel(0, 7, first, second, SUM_MIN, out) == (4, 1)
    np.testing.assert_allclose(
        out, [0.275 / 0.425, 1, np.nan, np.nan, np.nan, 0.8, -3 / 11], rtol=1e-6, atol=0
    )


@pytest.mark.real
def test_a_real_landsat_chip_answers_where_it_is_clear_and_not_in_shadow(real_data):
    chips = real_data / "irrigation" / "landsat_c2_chips"

    def read(layer):
        with rasterio.open(chips / f"LC08_L2SP_008059_20191201_20200825_02_T1_{layer}.TIF") as file:
            return file.read(1)

    nir, red, quality = read("SR_B5"), read("SR_B4"), read("QA_PIXEL")
    found = difference(nir, red, quality, CLEAR, *LANDSAT, *LANDSAT, nodata1=0, nodata2=0)
    # 28,465 have the bit "clear" of QA_PIXEL, of which 7,131 are shadow
    assert (found != NODATA).sum() == 28_465 - 7_131
    np.testing.assert_array_equal(found, by_whole_arrays(nir, red, quality, CLEAR, LANDSAT, LANDSAT, 0, 0))
