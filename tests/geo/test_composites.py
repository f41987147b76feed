import warnings

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from bluepeace_gis.errors import BadInput, GridMismatch, UnknownCrs
from bluepeace_gis.geo import composites
from bluepeace_gis.geo.grid import Grid

UTM = Grid("EPSG:32642", Affine(30, 0, 7e5, 0, -30, 4.4e6), (20, 30))
TIMES = np.array(
    [
        "2023-06-20T06:10",
        "2024-06-01T06:04:31",
        "2024-06-17T06:04",
        "2024-07-03T23:59:59",
        "2024-12-31T00:00",
    ],
    "datetime64[ns]",
)
DAYS = np.array([20230620, 20240601, 20240617, 20240703, 20241231])


def stack_of(values, grid=UTM, times=TIMES, nodata=None, name=None, overpass=None):
    layers = [grid.raster(layer) for layer in values]
    made = xr.concat(layers, dim=xr.Variable("time", times[: len(values)])).rename(name)
    if overpass is not None:
        made = made.assign_coords(overpass=("time", overpass))
    return made if nodata is None else made.rio.write_nodata(nodata)


def reflectances(seed=1, gaps=0.4):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 0.6, (5, *UTM.shape)).astype(np.float32)
    values[rng.random(values.shape) < gaps] = np.nan
    values[:, 0, 0] = np.nan
    return values


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():  # numpy warns of cells without an observation
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*arguments, **options)


def test_the_largest_comes_with_its_day_and_count():
    values = reflectances()
    found = composites.maximum(stack_of(values))

    known = np.isfinite(values)
    day = DAYS[np.where(known, values, -1).argmax(axis=0)]
    np.testing.assert_array_equal(found["value"], quietly(np.nanmax, values, axis=0))
    np.testing.assert_array_equal(found["date"], np.where(known.any(axis=0), day, 0))
    np.testing.assert_array_equal(found["count"], known.sum(axis=0))
    assert (found["date"].dtype, found["count"].dtype, found["value"].dtype) == ("int32", "uint16", "float32")
    assert found["date"].rio.nodata == 0
    assert found["date"][0, 0] == 0
    for name in found:
        assert Grid.of(found[name]).same_as(UTM)


def test_whole_numbers_stay_whole_and_keep_their_nodata():
    values = np.where(np.isnan(reflectances()), -32768, np.nan_to_num(reflectances()) * 10_000).astype(
        np.int16
    )
    stack = stack_of(values, nodata=-32768)
    known = np.where(values == -32768, np.nan, values)

    smallest, middle = composites.minimum(stack), composites.median(stack)

    assert (smallest["value"].dtype, smallest["value"].rio.nodata) == (np.int16, -32768)
    assert smallest["value"][0, 0] == -32768
    expected = np.nan_to_num(quietly(np.nanmin, known, axis=0), nan=-32768)
    np.testing.assert_array_equal(smallest["value"], expected)
    np.testing.assert_array_equal(middle["value"], quietly(np.nanmedian, known, axis=0).astype(np.float32))
    assert np.isnan(middle["value"].rio.nodata)
    assert "date" not in middle


def test_percentiles_stand_along_their_own_dimension():
    values = reflectances()
    found = composites.percentiles(stack_of(values), [10, 90])
    assert found["value"].dims == ("percentile", "y", "x")
    expected = quietly(np.nanpercentile, values.astype(np.float64), 90, axis=0).astype(np.float32)
    np.testing.assert_array_equal(found["value"].sel(percentile=90), expected)
    np.testing.assert_array_equal(found["count"], composites.counts(stack_of(values)))
    assert Grid.of(found["value"]).same_as(UTM)


def test_the_order_of_the_dates_does_not_matter():
    values = np.round(reflectances(), 1)  # many ties: the earliest day is taken
    shuffled = [3, 0, 4, 2, 1]
    found = composites.maximum(stack_of(values[shuffled], times=TIMES[shuffled]))
    assert found.equals(composites.maximum(stack_of(values)))


def test_scenes_of_one_overpass_are_one_observation():
    values = reflectances(gaps=0.2)
    doubled = np.concatenate([values, values + np.float32(0.1)])
    times = np.concatenate([TIMES, TIMES + np.timedelta64(24, "s")])  # the next row of the same path
    overpass = [f"orbit {number}" for number in range(5)] * 2

    stack = stack_of(doubled, times=times, overpass=overpass)

    merged = values  # the second scene has the gaps of the first, and the first is ahead of it
    found = composites.maximum(stack)
    np.testing.assert_array_equal(found["count"], np.isfinite(values).sum(axis=0))
    np.testing.assert_array_equal(found["value"], quietly(np.nanmax, merged, axis=0))
    assert set(np.unique(found["date"])) <= {0, *DAYS}
    once = composites.once(stack)
    np.testing.assert_array_equal(once, merged)
    np.testing.assert_array_equal(once["time"], TIMES)
    assert once["overpass"].to_numpy().tolist() == overpass[:5]
    twice = composites.counts(stack.drop_vars("overpass"))
    np.testing.assert_array_equal(twice, 2 * found["count"])


def test_gaps_of_the_first_scene_are_filled_from_the_second():
    north, south = reflectances(2, 0), reflectances(3, 0)
    north[0, 10:], south[0, :6], south[0, 0, 0], north[0, 0, 0] = np.nan, np.nan, np.nan, 0.5
    stack = stack_of([north[0], south[0]], overpass=["a", "a"])
    found = composites.median(stack)
    np.testing.assert_array_equal(found["value"][:10], north[0, :10])
    np.testing.assert_array_equal(found["value"][10:], south[0, 10:])
    assert (found["count"] == 1).all()


def test_the_least_snow_takes_every_band_from_one_scene():
    ndsi = reflectances(4)
    green, nodata = reflectances(5, 0), 65535
    numbers = np.random.default_rng(6).integers(0, 9000, ndsi.shape).astype(np.uint16)
    overpass = ["a", "a", "b", "c", "c"]

    found = composites.minimum_snow(
        stack_of(ndsi, name="ndsi", overpass=overpass),
        {"green": stack_of(green), "swir": stack_of(numbers, nodata=nodata)},
    )

    # each overpass once, its first valid scene; then the least of the three
    scene = np.array(
        [np.where(np.isfinite(ndsi[0]), 0, 1), np.full(UTM.shape, 2), np.where(np.isfinite(ndsi[3]), 3, 4)]
    )
    merged = np.take_along_axis(ndsi, scene, axis=0)
    some = np.isfinite(merged).any(axis=0)
    least = np.where(np.isnan(merged), 9, merged).argmin(axis=0)
    chosen = np.take_along_axis(scene, least[None], axis=0)
    assert 0.8 < some.mean() < 1
    for name, values, missing in (
        ("ndsi", ndsi, np.nan),
        ("green", green, np.nan),
        ("swir", numbers, nodata),
    ):
        expected = np.where(some, np.take_along_axis(values, chosen, axis=0)[0], missing)
        np.testing.assert_array_equal(found[name], expected)
    np.testing.assert_array_equal(found["date"], np.where(some, DAYS[[0, 2, 3]][least], 0))
    np.testing.assert_array_equal(found["count"], np.isfinite(merged).sum(axis=0))


def test_geometric_medians_keep_bands_together_and_fill_from_one_scene():
    shapes = np.linspace(0.5, 1.5, 3)
    truth = np.random.default_rng(7).uniform(0.1, 0.4, UTM.shape)
    noise = np.random.default_rng(8).normal(0, 0.005, (3, 5, *UTM.shape))
    bands = {
        name: stack_of((truth * shape + noise[number]).astype(np.float32))
        for number, (name, shape) in enumerate(zip(("green", "red", "nir"), shapes, strict=True))
    }
    bands["red"][0, :5] = np.nan  # the date is left out whole
    bands["nir"] = bands["nir"].where(bands["nir"] > 0, -1).rio.write_nodata(-1.0)
    bands["nir"][4, 3:8, :4] = -1

    found = composites.geometric_median(bands)

    assert list(found) == ["green", "red", "nir", "count"]
    for name, shape in zip(bands, shapes, strict=True):
        assert np.abs(found[name] - truth * shape).max() < 0.02
    count = np.full(UTM.shape, 5)
    count[:5] -= 1
    count[3:8, :4] -= 1
    np.testing.assert_array_equal(found["count"], count)
    once = {name: band.assign_coords(overpass=("time", list("aabbb"))) for name, band in bands.items()}
    merged = composites.geometric_median(once)
    assert (merged["count"] == 2).all()
    first, second = bands["green"][0].to_numpy().copy(), bands["green"][2].to_numpy()
    first[:5] = bands["green"][1, :5]  # red was missing there, so green comes from the second scene, too
    np.testing.assert_allclose(merged["green"], (first + second) / 2, atol=2e-4)


def test_strips_do_not_show(monkeypatch):
    bands = {"a": stack_of(reflectances(9)), "b": stack_of(reflectances(10))}
    whole = composites.geometric_median(bands)
    monkeypatch.setattr(composites, "_STRIP_CELLS", 70)
    assert composites.geometric_median(bands).identical(whole)


def test_degenerate_stacks_have_an_answer():
    nothing = composites.maximum(stack_of(np.full((1, *UTM.shape), np.nan, np.float32)))
    assert (nothing["count"] == 0).all()
    assert (nothing["date"] == 0).all()
    cell = Grid("EPSG:32642", Affine(30, 0, 7e5, 0, -30, 4.4e6), (1, 1))
    assert composites.median(stack_of(np.full((3, 1, 1), 0.3), cell))["value"] == np.float32(0.3)
    turned = Grid("EPSG:32642", Affine(20, 10, 7e5, 10, -20, 4.4e6), UTM.shape)
    rotated = composites.maximum(stack_of(reflectances(), turned))
    assert Grid.of(rotated["value"]).same_as(turned)
    lowest = np.finfo(np.float64).min
    values = np.where(np.isnan(reflectances()), lowest, reflectances().astype(np.float64))
    plain, odd = (
        composites.maximum(stack_of(reflectances())),
        composites.maximum(stack_of(values, nodata=lowest)),
    )
    np.testing.assert_array_equal(odd["value"], plain["value"])
    np.testing.assert_array_equal(odd["count"], plain["count"])


NUMBERS = np.zeros((2, *UTM.shape), np.int16)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: composites.median(UTM.raster(NUMBERS[0])), BadInput, "expected time, y, x"),
        (
            lambda: composites.median(stack_of(NUMBERS, name="ndvi")),
            BadInput,
            r"ndvi holds int16 with nodata None; expected float .*ndvi\.rio\.write_nodata",
        ),
        (lambda: composites.median(stack_of(NUMBERS.astype(np.int64), nodata=0)), BadInput, "holds int64"),
        (
            lambda: composites.median(stack_of(NUMBERS, nodata=0).drop_vars("time")),
            BadInput,
            "has no times along its dates",
        ),
        (lambda: composites.median(stack_of(NUMBERS, nodata=0)[:0]), BadInput, "has 0 dates"),
        (
            lambda: composites.percentiles(stack_of(NUMBERS, nodata=0), [110]),
            BadInput,
            r"Found the percentiles \[110\]",
        ),
        (lambda: composites.percentiles(stack_of(NUMBERS, nodata=0), []), BadInput, r"percentiles \[\]"),
        (
            lambda: composites.minimum_snow(
                stack_of(reflectances(), name="ndsi"), {"red": stack_of(reflectances()[:2])}
            ),
            BadInput,
            "red has other dates than ndsi",
        ),
        (
            lambda: composites.minimum_snow(
                stack_of(reflectances(), name="ndsi"), {"date": stack_of(reflectances())}
            ),
            BadInput,
            "a band called date",
        ),
        (
            lambda: composites.geometric_median(
                {
                    "red": stack_of(reflectances()),
                    "nir": stack_of(reflectances(), Grid("EPSG:32643", UTM.transform, UTM.shape)),
                }
            ),
            GridMismatch,
            "nir lies on another grid than the first band",
        ),
        (lambda: composites.geometric_median({}), BadInput, "Found the bands none"),
        (
            lambda: composites.geometric_median({"red": stack_of(NUMBERS, nodata=0)}),
            BadInput,
            "red holds int16, like digital numbers",
        ),
    ],
)
def test_what_is_no_stack_is_refused_with_a_way_out(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_a_stack_without_a_crs_is_refused():
    with pytest.raises(UnknownCrs):
        composites.median(stack_of(NUMBERS, nodata=0).drop_vars("spatial_ref"))
