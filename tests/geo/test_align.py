import numpy as np
import pytest
import xarray as xr
from affine import Affine
from pyproj import Transformer

from bluepeace_gis.errors import BadInput, OutsideGrid, UnknownCrs
from bluepeace_gis.geo.align import onto
from bluepeace_gis.geo.grid import Grid

UTM = Grid("EPSG:32642", Affine(100, 0, 7e5, 0, -100, 4.4e6), (60, 80))
DEGREES = Grid("EPSG:4326", Affine(0.001, 0, 71.34, 0, -0.001, 39.72), (40, 80))  # inside UTM


def slope(grid, crs="EPSG:32642"):
    """A plane in the coordinates of UTM 42N, sampled at the centres of any grid."""
    row, column = np.indices(grid.shape)
    x, y = Transformer.from_crs(grid.crs, crs, always_xy=True).transform(*grid.centres(row, column))
    return 3 * (x - 7e5) + 2 * (y - 4.4e6)


def test_a_plane_stays_a_plane_on_another_grid():
    found = onto(UTM.raster(slope(UTM), "height"), DEGREES)

    assert Grid.of(found).same_as(DEGREES)
    assert (found.name, found.dtype) == ("height", np.float64)
    # 0.03 cells of 100 m at a slope of 4; GDAL weighs the neighbours of larger cells roughly
    np.testing.assert_allclose(found[2:-2, 2:-2], slope(DEGREES)[2:-2, 2:-2], atol=20)
    fine = Grid("EPSG:4326", Affine(0.0003, 0, 71.35, 0, -0.0003, 39.71), (100, 200))
    np.testing.assert_allclose(onto(UTM.raster(slope(UTM)), fine), slope(fine), atol=0.01 * 100 * 4)


def test_the_way_out_of_a_mismatch_leads_out():
    green, swir = UTM.raster(slope(UTM)), DEGREES.raster(slope(DEGREES).astype(np.float32))

    assert Grid.common(green=green, swir=onto(swir, Grid.of(green))).same_as(UTM)


def test_classes_move_as_they_are_and_what_lies_outside_is_nodata():
    classes = UTM.raster(
        np.random.default_rng(1).choice([1, 7], UTM.shape).astype(np.uint8)
    ).rio.write_nodata(255)
    wider = Grid("EPSG:32642", Affine(50, 0, 699_900, 0, -50, 4_400_100), (124, 164))

    found = onto(classes, wider)

    assert set(np.unique(found)) == {1, 7, 255}
    assert (found.rio.nodata, found.dtype) == (255, np.uint8)
    assert np.array_equal(found[2:122:2, 2:162:2], classes)
    assert (found[:2] == 255).all()


def test_unknown_cells_stay_unknown_and_outside_is_nan():
    values = slope(UTM).astype(np.float32)
    values[10:20, 10:20] = -9999
    coarse = Grid("EPSG:32642", Affine(200, 0, 7e5 - 400, 0, -200, 4.4e6), (30, 42))

    found = onto(UTM.raster(values).rio.write_nodata(-9999.0), coarse, "average")

    assert found.dtype == np.float32
    assert np.isnan(found[5:10, 7:12]).all()
    assert np.isnan(found[:, :2]).all()
    assert not (found == -9999).any()
    np.testing.assert_allclose(found[15:, 20:], slope(coarse)[15:, 20:], atol=0.5)


def test_the_same_grid_by_another_name_keeps_every_value():
    unnamed = Grid("+proj=utm +zone=42 +datum=WGS84", UTM.transform, UTM.shape)
    flags = unnamed.raster(slope(UTM) > 0)

    found = onto(flags, UTM)

    assert np.array_equal(found, flags)
    assert found.dtype == bool


def test_bands_and_their_names_stay_together():
    bands = xr.concat([UTM.raster(slope(UTM)), UTM.raster(slope(UTM) * 2)], dim="band").assign_coords(
        band=["a", "b"]
    )
    bands[1, :10] = np.nan
    bands.attrs["scene"] = "S2"

    found = onto(bands, DEGREES)

    assert found.dims == ("band", "y", "x")
    assert found["band"].to_numpy().tolist() == ["a", "b"]
    assert found.attrs["scene"] == "S2"
    known = found.sel(band="b").notnull() & (np.arange(40) > 15)[:, None]  # beyond the edge of the unknown
    np.testing.assert_allclose(
        found.sel(band="b").where(known), found.sel(band="a").where(known) * 2, rtol=1e-6
    )


def test_classes_come_from_the_very_cell_below_the_centre():
    """The second way: each centre transformed by itself."""
    source = Grid("EPSG:32642", Affine(5000, 0, 0, 0, -5000, 5.5e6), (600, 400))
    target = Grid("EPSG:4326", Affine(0.05, 0, 60, 0, -0.05, 50), (300, 400))
    numbers = np.arange(600 * 400, dtype=np.int32).reshape(600, 400)

    found = onto(source.raster(numbers).rio.write_nodata(-1), target).to_numpy()

    places = Transformer.from_crs(4326, 32642, always_xy=True).transform(
        *target.centres(*np.indices(target.shape))
    )
    row, column = source.cells_of(*places)
    inside = (row >= 0) & (row < 600) & (column >= 0) & (column < 400)
    assert np.array_equal(found[inside], numbers[row[inside], column[inside]])
    assert (found[~inside] == -1).all()


@pytest.mark.parametrize(
    "transform", [Affine(100, 0, 7e5, 0, 100, 4.394e6), Affine(90, 30, 7e5, 30, -90, 4.398e6)]
)
def test_turned_grids_take_their_part(transform):
    grid = Grid("EPSG:32642", transform, (20, 20))

    found = onto(UTM.raster(slope(UTM)), grid).to_numpy()

    known = np.isfinite(found)
    assert known.mean() > 0.5
    np.testing.assert_allclose(
        found[known], slope(grid)[known], atol=160
    )  # the outer half cell is held level
    assert np.abs(found[known] - slope(grid)[known]).mean() < 20


def test_elsewhere_and_unclear_requests_are_refused():
    height = UTM.raster(slope(UTM), "height")
    far = Grid("EPSG:32642", Affine(100, 0, 2e5, 0, -100, 4.9e6), (10, 10))

    with pytest.raises(OutsideGrid, match=r"height lies elsewhere .*60 x 80 cells .* against 10 x 10 cells"):
        onto(height, far)
    with pytest.raises(BadInput, match=r'resampling "biliner", expected one of nearest, bilinear'):
        onto(height, DEGREES, "biliner")
    with pytest.raises(BadInput, match="without nodata"):
        onto(UTM.raster(np.ones(UTM.shape, np.uint8)), DEGREES)
    with pytest.raises(UnknownCrs):
        onto(height.drop_vars("spatial_ref"), DEGREES)
