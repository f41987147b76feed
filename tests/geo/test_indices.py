import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluepeace_gis.errors import BadInput, GridMismatch
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.indices import mndwi, ndsi, ndvi, ndwi
from bluepeace_gis.kernels.normalized import NODATA, difference

UTM = Grid("EPSG:32643", Affine(30, 0, 3e5, 0, -30, 4.5e6), (2, 3))
# blue-green lake, fresh snow, dense crop whose red was overcorrected | deep shadow, unknown, bare soil
GREEN = np.array([[0.06, 0.9, 0.05], [0.004, np.nan, 0.15]], np.float32)
RED = np.array([[0.03, 0.88, -0.002], [0.003, 0.1, 0.2]], np.float32)
NIR = np.array([[0.01, 0.8, 0.45], [0.003, 0.2, 0.25]], np.float32)
SWIR = np.array([[0.002, 0.1, 0.2], [0.002, 0.2, 0.35]], np.float32)


def band(values, name=None, grid=UTM):
    return grid.raster(values, name)


def test_each_index_is_high_where_it_should_be():
    green, red, nir, swir = band(GREEN), band(RED), band(NIR), band(SWIR)
    nan = np.nan
    expected = {
        "ndvi": (ndvi(nir, red), [[-0.5, -0.047619, 1], [nan, 0.333333, 0.111111]]),
        "ndsi": (ndsi(green, swir), [[0.935484, 0.8, -0.6], [nan, nan, -0.4]]),
        "ndwi": (ndwi(green, nir), [[0.714286, 0.058824, -0.8], [nan, nan, -0.25]]),
        "mndwi": (mndwi(green, swir), [[0.935484, 0.8, -0.6], [nan, nan, -0.4]]),
    }
    for name, (found, values) in expected.items():
        assert (found.name, found.dtype, found.dims) == (name, np.float32, ("y", "x"))
        assert Grid.of(found).same_as(UTM)
        assert np.isnan(found.rio.nodata)
        np.testing.assert_allclose(found, values, atol=1e-6)


@given(numbers=hnp.arrays("uint16", (2, 50), elements=st.integers(7000, 44_000) | st.just(0)))
def test_reflectances_and_digital_numbers_follow_one_rule(numbers):
    grid = Grid("EPSG:32643", Affine(30, 0, 3e5, 0, -30, 4.5e6), (1, 50))
    nir, red = (np.where(band == 0, np.nan, band * 2.75e-5 - 0.2)[None] for band in numbers)
    fused = difference(*numbers, None, None, 2.75e-5, -0.2, 2.75e-5, -0.2, nodata1=0, nodata2=0)

    found = ndvi(grid.raster(nir.astype(np.float32)), grid.raster(red.astype(np.float32)))[0].to_numpy()

    # A sum at its very limit falls to either side when rounded to float32.
    total = np.maximum(nir, 0)[0] + np.maximum(red, 0)[0]
    sure = np.isnan(total) | (np.abs(total - 0.01) > 1e-7)
    np.testing.assert_array_equal(np.isnan(found)[sure], (fused == NODATA)[sure])
    both = np.isfinite(found) & (fused != NODATA)
    np.testing.assert_allclose(found[both] * 1e4, fused[both], atol=0.6)


def test_stacks_keep_their_times_and_forget_the_attributes_of_a_band():
    times = np.array(["2024-06-01", "2024-06-17"], "datetime64[ns]")
    nir, red = (
        xr.concat([band(values), band(values * np.float32(0.5))], dim=xr.Variable("time", times))
        for values in (NIR, RED)
    )
    nir.attrs["long_name"] = "near infrared"
    found = ndvi(nir, red)
    assert found.dims == ("time", "y", "x")
    assert np.array_equal(found["time"], times)
    assert "long_name" not in found.attrs
    np.testing.assert_allclose(found[1, 0, 0], -0.5)
    with pytest.raises(BadInput, match="red has other values along time than nir"):
        ndvi(nir, red.assign_coords(time=times[::-1]))
    with pytest.raises(BadInput, match=r"red has the dimensions \{'y': 2, 'x': 3\}; expected \{'time': 2"):
        ndvi(nir, red[0])


def test_the_nodata_of_a_float_band_is_unknown():
    lowest = np.finfo(np.float64).min  # what many tools write as nodata
    for nodata in (-9999.0, lowest):
        red = RED.astype(np.float64)
        red[0, 0] = nodata
        found = ndvi(band(NIR), band(red).rio.write_nodata(nodata))
        assert np.isnan(found[0, 0])
        assert np.isfinite(found[0, 1])


def test_what_is_no_reflectance_or_lies_elsewhere_is_refused():
    numbers = (NIR * 10_000).astype(np.uint16)
    with pytest.raises(BadInput, match="nir holds uint16, like digital numbers"):
        ndvi(band(numbers), band(RED))
    with pytest.raises(BadInput, match="Found nir and red above 2 in most cells"):
        ndvi(band(NIR * 10_000), band(RED * 10_000))
    moved = Grid(UTM.crs, Affine(30, 0, 3e5 + 15, 0, -30, 4.5e6), UTM.shape)
    with pytest.raises(GridMismatch, match=r"red lies on another grid than nir.*origin"):
        ndvi(band(NIR), band(RED, grid=moved))
    assert np.isnan(ndvi(band(NIR * np.nan), band(RED))).all()  # all unknown is an answer, too
