import pickle

import numpy as np
import pytest
import rioxarray
import shapely
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from bluepeace_gis.errors import BadInput, GridMismatch, OutsideGrid, UnknownCrs
from bluepeace_gis.geo.grid import Grid, _DirectAreas

# name: CRS, transform, shape; all but the first take the way of projected grids
GRIDS = {
    "degrees": ("EPSG:4326", Affine(0.05, 0, 70, 0, -0.05, 43), (40, 50)),
    "degrees, rotated": ("EPSG:4326", Affine(0.05, 0.02, 70, 0.02, -0.05, 43), (40, 50)),
    "grads": ("EPSG:4807", Affine(0.05, 0, 2, 0, -0.05, 55), (40, 50)),
    "rotated pole": (
        "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39 +lon_0=18 +ellps=WGS84",
        Affine(0.11, 0, -20, 0, 0.11, -20),
        (40, 50),
    ),
    "UTM": ("EPSG:32642", Affine(1000, 0, 2e5, 0, -1000, 4.7e6), (400, 600)),
    "UTM, unnamed, on another ellipsoid": (
        "+proj=utm +zone=42 +ellps=krass",
        Affine(30, 0, 7e5, 0, -30, 4.4e6),
        (60, 60),
    ),
    "UTM over 180 degrees": ("EPSG:32660", Affine(1000, 0, 6.5e5, 0, -1000, 7.2e6), (80, 300)),
    "Lambert conformal": ("EPSG:3034", Affine(2000, 0, 2e6, 0, -2000, 5e6), (900, 900)),
    "Albers": (
        "+proj=aea +lat_1=30 +lat_2=50 +lat_0=40 +lon_0=65 +ellps=krass",
        Affine(500, 90, -1e6, -90, 500, -1e6),  # rotated and south-up
        (200, 300),
    ),
    "LAEA": ("EPSG:3035", Affine(1000, 0, 4e6, 0, -1000, 3.5e6), (200, 200)),
    "LAEA around the pole": ("EPSG:6931", Affine(500, 0, -5250, 0, -500, 5250), (21, 21)),
    "polar stereographic": ("EPSG:3413", Affine(5000, 0, -2e6, 0, -5000, 2e6), (800, 800)),
    "web Mercator over 180 degrees": ("EPSG:3857", Affine(1000, 0, 1.99e7, 0, -1000, 9e6), (500, 300)),
    "US survey feet": ("EPSG:2263", Affine(1000, 0, 9e5, 0, -1000, 3e5), (300, 300)),
    "sinusoidal on a sphere": (
        "+proj=sinu +R=6371007.181",
        Affine(926.6, 0, 5e6, 0, -926.6, 5e6),
        (300, 300),
    ),
    "cells of 500 km": ("EPSG:3857", Affine(5e5, 0, 5e6, 0, -5e5, 9e6), (12, 8)),
}


@pytest.fixture(params=GRIDS, ids=list(GRIDS))
def grid(request):
    return Grid(*GRIDS[request.param])


def some_cells(grid):
    rows, columns = grid.shape
    generator = np.random.default_rng(7)
    row = np.concatenate([[0, 0, rows - 1, rows - 1, rows // 2], generator.integers(0, rows, 15)])
    column = np.concatenate(
        [[0, columns - 1, 0, columns - 1, columns // 2], generator.integers(0, columns, 15)]
    )
    return row, column


def edge_of_cell(grid, row, column, points):
    """The outline of a cell as many points (longitude, latitude) in degrees on the datum of its CRS."""
    along = np.linspace(0, 1, points, endpoint=False)
    right, down = (
        np.concatenate([along, 0 * along + 1, 1 - along, 0 * along]),
        np.concatenate([0 * along, along, 0 * along + 1, 1 - along]),
    )
    t = grid.transform
    x = t.a * (column + right) + t.b * (row + down) + t.c
    y = t.d * (column + right) + t.e * (row + down) + t.f
    crs = grid.crs
    base = crs.source_crs if crs.is_derived and crs.is_geographic else crs.geodetic_crs
    longitude, latitude = Transformer.from_crs(crs, base, always_xy=True).transform(x, y)
    in_degrees = np.degrees(base.axis_info[0].unit_conversion_factor)
    return np.asarray(longitude) * in_degrees, np.asarray(latitude) * in_degrees


def test_a_cell_has_the_area_of_its_geodesic_polygon(grid):
    """The second way: Karney's geodesic polygons (2013), doi:10.1007/s00190-012-0578-z, through the edges."""
    geod = grid.crs.get_geod()
    areas = grid.cell_areas
    longest = np.sqrt(areas.max())
    points = 4 if longest < 2_000 else 60 if longest < 20_000 else 3_000
    for row, column in zip(*some_cells(grid), strict=True):
        polygon = geod.polygon_area_perimeter(*edge_of_cell(grid, row, column, points))[0]
        # a chord of the edge in n pieces misses (edge / n) ** 2 of the curve; Karney's own sums lose digits
        assert areas[row, column] == pytest.approx(abs(polygon), rel=3e-7 if longest < 1e5 else 1e-6)


def test_interpolated_areas_equal_the_direct_ones(grid):
    row, column = some_cells(grid)

    direct = _DirectAreas(grid)(row + 0.5, column + 0.5)

    np.testing.assert_allclose(grid.cell_areas[row, column], direct, rtol=1e-9)


def test_a_window_has_the_bytes_of_the_whole(grid):
    rows, columns = grid.shape
    window = (rows // 3, rows // 3 * 2, columns // 4, columns - 1)

    part = grid.cell_areas_of(*window)

    assert np.array_equal(part, grid.cell_areas[window[0] : window[1], window[2] : window[3]])


def test_steps_are_the_geodesics_between_neighbouring_centres(grid):
    rows, columns = grid.shape
    row = np.array([1, rows // 2, rows - 2])
    geod = grid.crs.get_geod()

    def places(row, column):
        base = (
            grid.crs.source_crs if grid.crs.is_derived and grid.crs.is_geographic else grid.crs.geodetic_crs
        )
        x, y = Transformer.from_crs(grid.crs, base, always_xy=True).transform(*grid.centres(row, column))
        return [np.degrees(base.axis_info[0].unit_conversion_factor) * np.asarray(axis) for axis in (x, y)]

    middle = np.full(3, (columns - 1) / 2)
    along = geod.inv(*places(row, middle - 0.5), *places(row, middle + 0.5))[2]
    across = geod.inv(*places(row - 0.5, middle), *places(row + 0.5, middle))[2]

    np.testing.assert_allclose(grid.cell_steps_m[0][row], along, rtol=1e-9)
    np.testing.assert_allclose(grid.cell_steps_m[1][row], across, rtol=1e-9)
    assert [len(steps) for steps in grid.cell_steps_m] == [rows, rows]


@pytest.mark.parametrize(("crs", "area"), [("EPSG:3035", 1e6), ("EPSG:6933", 1e6), ("EPSG:5070", 1e6)])
def test_equal_area_projections_keep_the_square(crs, area):
    """Lambert azimuthal, cylindrical and Albers equal-area: the plane area is the true one."""
    middle = CRS(crs).area_of_use
    to_plane = Transformer.from_crs(4326, crs, always_xy=True)
    x, y = to_plane.transform((middle.west + middle.east) / 2, (middle.south + middle.north) / 2)
    grid = Grid(crs, Affine(1000, 0, x, 0, -1000, y), (300, 300))

    np.testing.assert_allclose(grid.cell_areas, area, rtol=2e-9)  # PROJ's series for the latitude ends there


def test_web_mercator_cell_is_its_share_of_the_band_between_two_parallels():
    # one cell of a 4 x 4 tiling of the world square: a quarter turn between two parallels of WGS 84
    half = np.pi * 6378137
    grid = Grid("EPSG:3857", Affine(half / 2, 0, -half, 0, -half / 2, half), (4, 4))
    latitude = Transformer.from_crs(3857, 4326, always_xy=True).transform(0, half / 2)[1]
    band = Grid("EPSG:4326", Affine(90, 0, -180, 0, -latitude, latitude), (2, 4))

    np.testing.assert_allclose(grid.cell_areas[1:3], band.cell_areas, rtol=1e-9)
    assert grid.cell_areas[0, 0] < grid.cell_areas[1, 0] / 4  # and not a sixteenth of the plane


def test_cells_off_the_map_have_no_area():
    # the upper left corner of the sinusoidal world lies beyond its edge
    radius = 6_371_007.181
    grid = Grid(
        f"+proj=sinu +R={radius}", Affine(1e6, 0, -np.pi * radius, 0, -1e6, np.pi / 2 * radius), (10, 12)
    )

    areas = grid.cell_areas

    assert np.isnan(areas[0, 0])
    assert np.isnan(areas[0]).sum() > np.isnan(areas[9]).sum()
    assert areas[9, 11] == pytest.approx(1e12, rel=1e-6)


def test_south_up_rows_have_the_areas_of_north_up_rows_in_turn():
    down = Grid("EPSG:4326", Affine(1, 0, 60, 0, -1, 50), (10, 3))
    up = Grid("EPSG:4326", Affine(1, 0, 60, 0, 1, 40), (10, 3))

    np.testing.assert_allclose(up.row_areas_m2, down.row_areas_m2[::-1], rtol=1e-14)
    assert (down.north_up, up.north_up) == (True, False)


def test_areas_of_degrees_take_no_memory_and_cannot_be_overwritten():
    grid = Grid("EPSG:4326", Affine(1e-4, 0, 60, 0, -1e-4, 50), (100_000, 100_000))

    areas = grid.cell_areas

    assert areas.strides == (8, 0)
    with pytest.raises(ValueError, match="read-only"):
        areas[0, 0] = 0


def test_areas_along_a_row_vary_on_projected_grids_only():
    assert Grid(*GRIDS["UTM"]).row_areas_m2 is None
    assert Grid(*GRIDS["degrees, rotated"]).row_areas_m2 is None
    assert Grid(*GRIDS["degrees"]).row_areas_m2.shape == (40,)
    assert Grid(*GRIDS["web Mercator over 180 degrees"]).cell_areas.strides == (8, 0)


@pytest.mark.parametrize(
    "transform",
    [Affine(0.25, 0, 0, 0, -0.25, 90.125), Affine(0.3, 0.1, 0, 0.1, -0.3, 90)],
    ids=["straight", "rotated"],
)
def test_cells_beyond_a_pole_are_refused(transform):
    grid = Grid("EPSG:4326", transform, (721, 10))

    with pytest.raises(BadInput, match=r"beyond a pole.*expected -90 to 90.*Cut off"):
        _ = grid.cell_areas


def test_an_edge_rounded_over_the_pole_is_the_pole():
    step = 180 / 7
    grid = Grid("EPSG:4326", Affine(step, 0, 0, 0, -step, 90.000000000001), (7, 1))

    assert np.isfinite(grid.row_areas_m2).all()
    assert grid.row_areas_m2[0] == pytest.approx(grid.row_areas_m2[-1])


@pytest.mark.parametrize("crs", [None, 'LOCAL_CS["plan",UNIT["metre",1]]'])
def test_a_grid_without_a_place_on_earth_is_refused(crs):
    with pytest.raises(UnknownCrs, match="Assign the CRS"):
        Grid(crs, Affine(1, 0, 0, 0, -1, 0), (2, 2))


def test_a_grid_needs_cells_with_an_area():
    with pytest.raises(BadInput, match="without area"):
        Grid("EPSG:32642", Affine(0, 0, 0, 0, -1, 0), (2, 2))
    with pytest.raises(BadInput, match="0 x 2 cells"):
        Grid("EPSG:32642", Affine(1, 0, 0, 0, -1, 0), (0, 2))


def test_a_grid_names_itself():
    square = Grid("EPSG:32642+5773", Affine(100, 0, 7e5, 0, -100, 4.4e6), (468, 523))
    oblong = Grid("EPSG:4326", Affine(0.25, 0, 60, 0, 0.5, 40), (2, 3))

    assert str(square) == "468 x 523 cells of 100 metre in EPSG:32642"
    assert str(oblong) == "2 x 3 cells of 0.25 x 0.5 degree in EPSG:4326 (rows northwards)"
    assert str(Grid(*GRIDS["Albers"])).endswith("(rotated)")


def raster(crs="EPSG:32643", left=5e5, top=4.5e6, cell=20.0, shape=(20, 20)):
    return Grid(crs, Affine(cell, 0, left, 0, -cell, top), shape).raster(np.zeros(shape, np.float32))


def test_rasters_on_one_grid_give_it_whatever_their_crs_is_called():
    grid = Grid.common(
        red=raster(), green=raster("+proj=utm +zone=43 +datum=WGS84"), blue=raster(left=5e5 + 1e-6)
    )

    assert grid == Grid.of(raster())


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (raster(left=5e5 + 10), r"origin \(by 10, 0 metre\)"),
        (raster(cell=20.001), r"cell size \(20.001, -20.001 against 20, -20\)"),
        (raster(shape=(20, 21)), "shape"),
        (raster("EPSG:32642"), "CRS"),
        (raster("EPSG:32642", shape=(5, 5)), "CRS and shape"),
    ],
)
def test_another_grid_is_refused_naming_both_what_differs_and_the_way_out(other, difference):
    with pytest.raises(
        GridMismatch,
        match=(
            r"^swir lies on another grid than green: .* in EPSG:3264[23] against 20 x 20 cells of 20 metre "
            rf"in EPSG:32643; they differ in {difference}\. "
            r"Put it on that grid first: geo\.align\.onto\(swir, Grid\.of\(green\)\)\.$"
        ),
    ):
        Grid.common(green=raster(), red=raster(), swir=other)


def test_the_far_corner_decides_whether_cells_are_the_same():
    fine = Grid("EPSG:4326", Affine(1 / 1200, 0, 60, 0, -1 / 1200, 45), (6000, 6000))
    rounded = Grid("EPSG:4326", Affine(0.00083333333, 0, 60, 0, -0.00083333333, 45), (6000, 6000))

    assert not fine.same_as(rounded)
    assert fine.window(0, 10, 0, 10).same_as(rounded.window(0, 10, 0, 10))


def test_a_slice_of_a_raster_lies_where_its_coordinates_say():
    whole = raster(shape=(20, 30))

    part = Grid.of(whole.isel(x=slice(5, 12), y=slice(3, 9)))

    assert part.same_as(Grid.of(whole).window(3, 9, 5, 12))
    assert Grid.of(whole.isel(y=slice(None, None, -1))).transform.e == 20


def test_one_row_lies_where_it_says_with_the_step_of_the_file():
    assert Grid.of(raster().isel(y=slice(4, 5))).same_as(Grid.of(raster()).window(4, 5, 0, 20))


def test_a_rotated_raster_is_placed_by_its_transform():
    grid = Grid(*GRIDS["Albers"])

    assert Grid.of(grid.raster(np.zeros(grid.shape))).same_as(grid)


def test_coordinates_kept_as_float32_make_an_even_grid():
    made = xr.DataArray(
        np.zeros((3, 500)),
        dims=("lat", "lon"),
        coords={"lat": np.float32([40.05, 40, 39.95]), "lon": np.float32(70 + 0.05 * np.arange(500))},
    )
    grid = Grid.of(made.rio.set_spatial_dims("lon", "lat").rio.write_crs(4326))

    assert grid.transform.a == pytest.approx(0.05, rel=1e-5)


def test_a_raster_that_is_no_grid_is_refused():
    uneven = raster().assign_coords(x=np.geomspace(1, 2, 20))
    with pytest.raises(BadInput, match="not evenly spaced along x"):
        Grid.of(uneven)
    with pytest.raises(BadInput, match="transpose"):
        Grid.of(raster().transpose("x", "y"))
    with pytest.raises(BadInput, match="expected the last two to be y, x"):
        Grid.of(xr.DataArray(np.zeros((2, 2)), dims=("a", "b")))
    with pytest.raises(UnknownCrs, match="Dem has no coordinate reference system"):
        Grid.of(raster().drop_vars("spatial_ref").rename("dem"))
    with pytest.raises(BadInput, match="its place on Earth"):
        Grid.of(xr.DataArray(np.zeros((2, 2)), dims=("y", "x")).rio.write_crs(4326))


@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.data())
def test_a_place_in_a_cell_is_found_in_it(down, along, data):
    grid = Grid(*data.draw(st.sampled_from(list(GRIDS.values()))))
    row, column = (data.draw(st.integers(0, size - 1)) for size in grid.shape)

    x, y = grid.centres(row + down, column + along)

    assert [int(index) for index in grid.cells_of(x, y)] == [row, column]


@pytest.mark.parametrize("crs", ["EPSG:32642", "EPSG:4326"])
def test_places_on_the_outer_edge_lie_in_the_cell_beside_it_and_beyond_it_in_none(crs):
    grid = Grid(crs, Affine(0.25, 0, 60, 0, -0.25, 42), (4, 6))  # to 61.5 east, 41 south
    x, y = [60, 61.5, 60.1, 60.1, 61.5], [41.9, 41.9, 42, 41, 41]
    row, column = grid.cells_of(x, y)
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == [(0, 0), (0, 5), (0, 0), (3, 0), (3, 5)]
    # as a reprojection rounds it
    row, column = grid.cells_of([61.5 + 1e-9, 60 - 1e-9], [41 - 1e-9, 42 + 1e-9])
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == [(3, 5), (0, 0)]
    row, column = grid.cells_of([61.5 + 1e-3, 60 - 1e-3, 60.1, 60.1], [41.9, 41.9, 42.001, 40.999])
    assert (column[:2].tolist(), row[2:].tolist()) == ([6, -1], [-1, 4])
    # an edge between two cells belongs to the next
    assert [int(part[0]) for part in grid.cells_of([60.25], [41.75])] == [1, 1]


def test_places_beside_the_grid_and_longitudes_a_turn_away():
    grid = Grid("EPSG:4326", Affine(1, 0, 175, 0, -1, 60), (5, 10))  # to 185 degrees

    row, column = grid.cells_of([-178.5, 178.5, 174.5, 185.5, 180.5], [57.5, 57.5, 57.5, 57.5, 61.5])

    assert row.tolist() == [2, 2, 2, 2, -2]
    assert column.tolist()[:2] == [6, 3]
    assert not any(0 <= outside < 10 for outside in column.tolist()[2:4])
    with pytest.raises(BadInput, match="without coordinates"):
        grid.cells_of([np.nan], [0.0])


def test_windows_lie_inside():
    grid = Grid(*GRIDS["UTM"])

    assert grid.window(2, 5, 7, 9).bounds == (207_000, 4_695_000, 209_000, 4_698_000)
    with pytest.raises(OutsideGrid, match="expected it inside the 400 rows and 600 columns"):
        grid.window(0, 401, 0, 1)
    with pytest.raises(OutsideGrid):
        grid.cell_areas_of(5, 5, 0, 1)


def test_the_footprint_holds_all_corners():
    grid = Grid(*GRIDS["Albers"])

    assert grid.footprint().area == pytest.approx(abs(grid.transform.determinant) * 200 * 300)
    assert grid.footprint().bounds == grid.bounds
    assert grid.footprint().contains(shapely.points(*grid.centres(0, 0)))


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(BadInput, match="the shape of the grid"):
        Grid(*GRIDS["UTM"]).raster(np.zeros((2, 2)))


def test_the_sphere_of_a_crs_is_its_ellipsoid():
    """An eighth of a sphere of 6371 km is half pi times its squared radius."""
    grid = Grid("+proj=longlat +R=6371000", Affine(10, 0, 0, 0, -10, 90), (9, 9))

    assert grid.cell_areas.sum() == pytest.approx(np.pi / 2 * 6_371_000**2, rel=1e-14)
    assert Geod(a=6_371_000, f=0).inv(0, 40, 0, 50)[2] == pytest.approx(grid.cell_steps_m[1][4])


@pytest.mark.real
def test_shakhimardan_has_its_known_area(real_data):
    path = real_data / "basins" / "shakhimardan_dem_100m_utm42.tif"
    with rioxarray.open_rasterio(path) as dem:
        valid = dem.squeeze(drop=True).notnull()
    grid = Grid.of(valid)

    # facts of the data: 139,562 valid cells, 1395.62 km2 on the plane, 1394.95 km2 on the ellipsoid
    assert str(grid) == "468 x 523 cells of 100 metre in EPSG:32642"
    assert valid.sum().item() == 139_562
    assert (grid.cell_areas * valid.to_numpy()).sum() / 1e6 == pytest.approx(1394.95, abs=0.005)


@pytest.mark.real
@pytest.mark.parametrize(
    ("crs", "area_km2"),
    # the Rhine of Deltares' pyflwdir: its own number on its sphere, and the one on WGS 84
    [("+proj=longlat +R=6371000", 195_450.589), ("EPSG:4326", 196_085.621)],
    ids=["sphere", "WGS 84"],
)
def test_the_rhine_has_its_known_area(real_data, crs, area_km2):
    with rioxarray.open_rasterio(real_data / "basins" / "rhine" / "rhine_d8.tif") as directions:
        flows = directions.squeeze(drop=True) != 247
    placed = Grid.of(flows)
    grid = Grid(crs, placed.transform, placed.shape)

    assert flows.sum().item() == 349_847
    assert (grid.cell_areas * flows.to_numpy()).sum() / 1e6 == pytest.approx(area_km2, abs=0.0005)


def test_a_grid_travels_to_other_processes():
    grid = Grid(*GRIDS["UTM"])
    areas = grid.cell_areas

    copy = pickle.loads(pickle.dumps(grid))  # noqa: S301  # our own bytes

    assert copy == grid
    assert hash(copy) == hash(grid)
    assert np.array_equal(copy.cell_areas, areas)
