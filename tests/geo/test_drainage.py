"""Directions as one georeferenced value: taken over from other programs, and asked."""

import re

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from published_figures import RHINE_PARTS_CELLS

from bluepeace_gis.errors import BadInput, GridMismatch
from bluepeace_gis.geo.drainage import Drainage, drain
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels.neighbours import SINK, VOID, E, N, S, W

UTM = "EPSG:32642"
TABLES = ["esri", "ldd", "taudem", "grass"]
# ESRI codes of a valley of 100 m cells: two brooks join and leave over the lower rim
VALLEY = np.array([[2, 4, 8], [1, 4, 16], [1, 4, 247]])


def grid_of(shape, *, crs=UTM, cell=100.0):
    return Grid(crs, Affine(cell, 0, 5e5, 0, -cell, 4.5e6), shape)


def raster(values, **options):
    values = np.asarray(values)
    return grid_of(values.shape, **options).raster(values)


def slope(shape=(60, 80), *, seed=1, **options):
    """Elevations that fall to the south-west, rough enough for depressions."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    z = 2 * (x - y) + 9 * np.random.default_rng(seed).random(shape) + 2000
    return raster(z.astype(np.float32), **options)


@pytest.mark.parametrize("table", TABLES)
def test_directions_come_back_from_the_codes_of_every_program(table):
    drainage = drain(slope()).drainage
    codes = drainage.encoded(table).astype(np.int16)

    back = Drainage.from_codes(drainage.grid.raster(codes), table)

    np.testing.assert_array_equal(back.direction, drainage.direction)
    assert back.grid.same_as(drainage.grid)
    plain = Drainage.from_codes(codes, table, grid=drainage.grid)
    np.testing.assert_array_equal(plain.direction, drainage.direction)


def test_water_that_leaves_the_raster_or_the_surface_ends_there(caplog):
    caplog.set_level("INFO", "bluepeace_gis")
    drainage = Drainage.from_codes(raster(VALLEY), "esri")
    assert drainage.direction[2].tolist() == [E, SINK, VOID]
    assert drainage.direction[1].tolist() == [E, S, W]
    assert caplog.messages == ["water leaves the surface in 1 cells and ends there"]
    assert np.nanmax(drainage.upstream_km2) == pytest.approx(8 * 0.01, rel=1e-3)


def test_no_surface_is_where_the_raster_says_nodata():
    codes = raster(VALLEY.astype(np.int16)).rio.write_nodata(247)
    expected = Drainage.from_codes(codes, "esri").direction
    floats = raster(np.where(VALLEY == 247, np.nan, VALLEY))
    np.testing.assert_array_equal(Drainage.from_codes(floats, "esri").direction, expected)
    other = raster(np.where(VALLEY == 247, -9999, VALLEY)).rio.write_nodata(-9999)
    np.testing.assert_array_equal(Drainage.from_codes(other, "esri").direction, expected)
    assert expected[2, 2] == VOID


def test_inland_sinks_of_hydrosheds_are_sinks():
    codes = VALLEY.copy()
    codes[1, 1] = 255
    assert Drainage.from_codes(raster(codes), "esri").direction[1, 1] == SINK  # 247 is there for voids
    codes[2, 2] = 16
    assert Drainage.from_codes(raster(codes), "esri").direction[1, 1] == VOID  # nothing else marks them
    tagged = raster(codes).rio.write_nodata(247)
    assert Drainage.from_codes(tagged, "esri").direction[1, 1] == SINK
    codes[1, 1] = -1
    assert Drainage.from_codes(raster(codes), "esri").direction[1, 1] == SINK


def test_negative_codes_of_grass_leave_the_raster():
    codes = raster(np.array([[8, -8], [2, 4]]))
    assert Drainage.from_codes(codes, "grass").direction.tolist() == [[E, SINK], [N, W]]


@pytest.mark.parametrize(
    ("values", "table", "sentence"),
    [
        ([[1, 3], [5, 16]], "esri", "Found the codes 3, 5 among .* 1, 2, 4, .* 247. Name the table"),
        ([[1, 300]], "esri", "Found the codes 300"),
        ([[1.0, 0.5]], "esri", "Found 0.5 among the directions, expected whole numbers"),
        ([[1, 2]], "saga", 'said to be "saga"; expected one of'),
        ([[247, 247]], "esri", "No cell has a direction"),
        (
            [[1, 4, 0], [64, 16, 16]],
            "esri",
            r"circles through 4 cells, one of them in row 0, column 0 \(x 500050, y 4499950\)",
        ),
    ],
)
def test_codes_that_cannot_be_are_refused(values, table, sentence):
    with pytest.raises(BadInput, match=sentence):
        Drainage.from_codes(raster(values), table)


def test_directions_need_rows_from_north_to_south_and_a_grid():
    mirrored = Grid(UTM, Affine(100, 0, 5e5, 0, 100, 4.5e6), (3, 3))
    with pytest.raises(BadInput, match="mirrored; expected rows from north to south"):
        Drainage.from_codes(VALLEY, "esri", grid=mirrored)
    with pytest.raises(GridMismatch, match=re.escape("(3, 3)")):
        Drainage.from_codes(VALLEY, "esri", grid=grid_of((2, 3)))
    with pytest.raises(ValueError, match="needs its grid"):
        Drainage.from_codes(VALLEY, "esri")


@pytest.mark.parametrize("method", ["d8", "d-infinity", "multiple"])
@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_all_water_comes_to_the_sinks_by_every_method(method, crs):
    if crs == UTM:
        dem = slope()
    else:
        z = slope().to_numpy()
        dem = Grid(crs, Affine(0.01, 0, 70, 0, -0.01, 41), z.shape).raster(z)
    drainage = drain(dem).drainage
    ends = drainage.direction == SINK
    area = drainage.accumulate(method=method, dem=dem)
    assert area[ends].sum() == pytest.approx(drainage.grid.cell_areas.sum() / 1e6, rel=1e-12)
    rain = np.random.default_rng(3).random(dem.shape).astype(np.float32)
    water = drainage.accumulate(rain, method=method, dem=dem)
    assert water[ends].sum() == pytest.approx(rain.astype(float).sum(), rel=1e-12)
    assert (water >= rain).all()


def test_methods_differ_and_know_the_distances_of_the_grid():
    # Cells half as wide as high, so that an even fall per metre is not one per cell: by 1 a metre to the
    # south, by 1/4 a metre to the east; over the diagonal of 50 by 100 m that is 45 degrees of the turn.
    y, x = np.mgrid[:40, :60].astype(float)
    grid = Grid(UTM, Affine(50, 0, 5e5, 0, -100, 4.5e6), (40, 60))
    dem = grid.raster((9000 - 100 * y - 12.5 * x).astype(np.float32))
    drainage = drain(dem).drainage
    ones = np.ones(grid.shape)
    # The way of the steepest descent turns by atan(1/4) of atan(1/2): that part goes one column on.
    part = np.arctan(0.25) / np.arctan(0.5)
    rain = np.zeros(grid.shape)
    rain[5, 10] = 1
    divided = drainage.accumulate(rain, method="d-infinity", dem=dem)
    assert divided[6, 10:12] == pytest.approx((1 - part, part), rel=1e-6)
    shares = drainage.accumulate(rain, method="multiple", dem=dem)
    # lower: east (1/4), south-east (112.5 over 111.8 m), south (1), south-west (87.5 over 111.8 m)
    falls = np.array([0.25, 112.5 / np.hypot(50, 100), 1, 87.5 / np.hypot(50, 100)]) ** 1.1
    assert shares[5, 11] == pytest.approx(falls[0] / falls.sum(), rel=1e-6)
    assert shares[6, 9] == pytest.approx(falls[3] / falls.sum(), rel=1e-6)
    # to the cell below also from its west and from the east of the first
    around = shares[6, 9] * falls[0] + shares[5, 11] * falls[3]
    assert shares[6, 10] == pytest.approx((falls[2] + around) / falls.sum(), rel=1e-6)
    assert drainage.accumulate(rain)[6].max() == 1
    assert (drainage.accumulate(ones, method="multiple", dem=dem) != drainage.accumulate(ones)).any()


def test_divided_flow_without_or_with_other_elevations_is_refused():
    dem = slope()
    drainage = drain(dem).drainage
    with pytest.raises(BadInput, match="found no elevations; expected the DEM"):
        drainage.accumulate(method="multiple")
    with pytest.raises(BadInput, match='The method is "rho8"; expected "d8", "d-infinity" or "multiple"'):
        drainage.accumulate(method="rho8", dem=dem)
    with pytest.raises(GridMismatch, match="dem lies on another grid than directions"):
        drainage.accumulate(method="multiple", dem=dem[1:])
    with pytest.raises(GridMismatch, match="Found a weight of"):
        drainage.accumulate(np.ones((2, 2)), method="multiple", dem=dem)
    holes = dem.copy()
    holes[20, 20:23] = np.nan
    with pytest.raises(BadInput, match="no elevation in 3 cells that have a direction"):
        drainage.accumulate(method="d-infinity", dem=holes)
    with pytest.raises(BadInput, match="no elevation in 3 cells"):
        drainage.height_above_channel(holes, 0.1)


def test_heights_above_the_channel():
    dem = slope()
    dem[10:14, 20] = np.nan
    drainage = drain(dem).drainage
    heights = drainage.height_above_channel(dem, 0.5)
    with np.errstate(invalid="ignore"):
        channel = drainage.upstream_km2 >= 0.5
    assert channel.any()
    assert heights.dtype == np.float32
    assert (heights[channel] == 0).all()
    assert np.isnan(heights[10:14, 20]).all()
    assert np.nanmin(heights) == 0
    assert np.nanmax(heights) > 5
    with pytest.raises(BadInput, match="Channels begin at 0 km2; expected an area above 0"):
        drainage.height_above_channel(dem, 0)


def test_pfafstetter_codes_of_basins_and_of_all_the_land():
    drainage = drain(slope()).drainage
    codes = drainage.pfafstetter(3)
    assert codes.dtype == np.int64
    assert (codes > 0).all()
    np.testing.assert_array_equal(codes // 10, drainage.pfafstetter(2))
    # A gauge upstream of another one begins no coding of its own; what is not upstream has no code.
    mouth = np.unravel_index(np.argmax(drainage.upstream_km2), codes.shape)
    zone, _ = drainage.delineate([mouth[0]], [mouth[1]])
    gauge = np.argwhere((zone == 1) & (drainage.upstream_km2 > 0.1))[0]
    basin = drainage.pfafstetter(3, outlets=([gauge[0], mouth[0]], [gauge[1], mouth[1]]))
    np.testing.assert_array_equal(basin, np.where(zone == 1, codes, 0))
    alone = drainage.pfafstetter(1, outlets=(gauge[0], gauge[1]))
    assert alone[tuple(gauge)] == 1
    assert (alone > 0).sum() == pytest.approx(drainage.upstream_km2[tuple(gauge)] / 0.01, rel=1e-2)
    # With a least area there are fewer and larger parts.
    coarse = drainage.pfafstetter(3, tributary_min_km2=0.5)
    assert np.unique(coarse).size < np.unique(codes).size
    for levels in (0, 19):
        with pytest.raises(BadInput, match=f"Found {levels} levels .* expected 1 to 18"):
            drainage.pfafstetter(levels)


@given(seed=st.integers(0, 10**6), levels=st.integers(2, 6))
def test_every_cell_upstream_has_a_code_and_codes_nest(seed, levels):
    dem = slope((15, 18), seed=seed)
    dem.to_numpy()[np.random.default_rng(seed).random(dem.shape) < 0.1] = np.nan
    drainage = drain(dem).drainage
    ends = np.argwhere(drainage.direction == SINK)
    outlets = tuple(ends[np.random.default_rng(seed).random(len(ends)) < 0.5].T)
    if not outlets[0].size:
        return
    codes = drainage.pfafstetter(levels, outlets=outlets)
    zone, _ = drainage.delineate(*outlets)
    np.testing.assert_array_equal(codes > 0, zone > 0)
    np.testing.assert_array_equal(codes // 10, drainage.pfafstetter(levels - 1, outlets=outlets))


@pytest.mark.real
def test_cases_worked_by_hand_for_richdem(real_data):
    # Pairs NAME.d8 (1 to 8 clockwise from west, 0: none, 9: no surface) and NAME.out, the cells upstream.
    cases = sorted((real_data / "basins/richdem_small/flow_accum").glob("*.d8"))
    assert len(cases) == 24
    for case in cases:
        codes = np.loadtxt(case, skiprows=6, dtype=int)
        expected = np.loadtxt(case.with_suffix(".out"), skiprows=6)
        clockwise = np.array([0, 16, 32, 64, 128, 1, 2, 4, 8, 247])  # ESRI's
        drainage = Drainage.from_codes(raster(clockwise[codes]), "esri")
        counted = drainage.accumulate(np.ones(codes.shape))
        np.testing.assert_array_equal(np.nan_to_num(counted, nan=-1), expected, err_msg=case.name)


@pytest.mark.real
def test_the_rhine_has_its_area_and_its_parts(real_data):
    # pyflwdir's Rhine (Deltares, MIT): 195,450.589 km2 on its sphere of 6,371,000 m.
    path = real_data / "basins/rhine/rhine_d8.tif"
    codes = rioxarray.open_rasterio(path).squeeze("band", drop=True)
    drainage = Drainage.from_codes(codes, "esri")
    assert np.nanmax(drainage.upstream_km2) == pytest.approx(196_085.621, abs=0.001)
    with rasterio.open(path) as source:
        sphere = Grid("+proj=longlat +R=6371000", source.transform, source.shape)
    on_sphere = Drainage.from_codes(codes.to_numpy(), "esri", grid=sphere)
    assert np.nanmax(on_sphere.upstream_km2) == pytest.approx(195_450.589, abs=0.001)
    # The main stem follows the area; on these directions it is the same in cells, on a sphere and on the
    # ellipsoid.
    for areas in (drainage, on_sphere):
        assert np.bincount(areas.pfafstetter(1).ravel())[1:].tolist() == RHINE_PARTS_CELLS


@pytest.mark.real
def test_heights_and_divided_flow_on_the_rhine(real_data):
    # Directions of one resampling on elevations of another: they do not fit each other everywhere.
    codes = rioxarray.open_rasterio(real_data / "basins/rhine/rhine_d8.tif").squeeze("band", drop=True)
    dem = rioxarray.open_rasterio(real_data / "basins/rhine/rhine_elv0.tif", masked=True)
    dem = dem.squeeze("band", drop=True)
    drainage = Drainage.from_codes(codes, "esri")
    assert isinstance(dem, xr.DataArray)
    known = drainage.direction != VOID
    for method in ("d-infinity", "multiple"):
        total = drainage.accumulate(method=method, dem=dem)
        assert total[drainage.direction == SINK].sum() == pytest.approx(196_085.621, abs=0.001)
    heights = drainage.height_above_channel(dem, 100.0)
    assert np.isfinite(heights[known]).all()
    assert heights[known].min() == 0
    assert np.isnan(heights[~known]).all()
