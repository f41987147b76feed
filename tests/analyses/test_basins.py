"""Basins against the answers known for real and made surfaces."""

import logging
import re

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from bluepeace_gis.analyses.basins import delineate_basins
from bluepeace_gis.archive import rasters
from bluepeace_gis.errors import BadInput, OutsideGrid, UnknownCrs
from bluepeace_gis.geo.drainage import Drainage, drain
from bluepeace_gis.geo.grid import Grid

UTM = CRS("EPSG:32642")


def raster(z, cell_m=100.0, crs=UTM):
    z = np.asarray(z, np.float32)
    grid = Grid(crs, Affine(cell_m, 0, 500_000, 0, -cell_m, 4_400_000), z.shape)
    return grid.raster(z, "dem")


def at(dem, *cells, crs=None, **columns):
    """Points at the centres of cells (row, column)."""
    grid = Grid.of(dem)
    x, y = grid.centres([row for row, _ in cells], [column for _, column in cells])
    layer = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(x, y), crs=grid.crs)
    return layer if crs is None else layer.to_crs(crs)


def valley(rows=40, columns=30):
    """Two slopes fall to the middle column, which falls to the last row."""
    row, column = np.mgrid[0:rows, 0:columns]
    return raster(1000 + 10 * np.abs(column - columns // 2) - 5 * row)


@pytest.mark.real
def test_shakhimardan_has_its_cells_and_its_area_on_the_ellipsoid(real_data):
    dem = rasters.read(real_data / "basins/shakhimardan_dem_100m_utm42.tif")
    outlet = gpd.GeoDataFrame(
        {"name": ["Shakhimardan"]}, geometry=gpd.points_from_xy([731003.04], [4440127.31]), crs=UTM
    )

    closed = delineate_basins(dem, outlet, edges="closed")

    assert (closed.zone == 1).sum() == 139_562
    assert closed.layers["basins"]["area_km2"].item() == pytest.approx(1394.95, abs=0.005)
    outline = closed.layers["basins"].geometry.item()
    assert outline.is_valid
    assert outline.area == pytest.approx(139_562 * 1e4)
    drained = drain(dem, depressions="fill")
    raised = drained.filled - dem.to_numpy()
    assert (raised > 0).sum() == 568
    assert np.nansum(raised) == pytest.approx(3765.0)


@pytest.mark.real
def test_the_rhine_has_its_area_on_the_ellipsoid_of_its_crs_and_on_the_sphere(real_data):
    import rasterio

    from bluepeace_gis.kernels.neighbours import decode

    with rasterio.open(real_data / "basins/rhine/rhine_d8.tif") as source:
        direction, transform = decode(source.read(1), "esri"), source.transform
    for crs, area_km2 in (
        (CRS("EPSG:4326"), 196_085.621),
        (CRS("+proj=longlat +R=6371000 +no_defs"), 195_450.589),  # pyflwdir's own sphere
    ):
        drainage = Drainage(Grid(crs, transform, direction.shape), direction)
        assert drainage.upstream_km2[21, 57] == pytest.approx(area_km2, abs=0.0005)


@pytest.mark.real
def test_country_shares_of_a_real_basin_sum_to_it(real_data):
    dem = rasters.read(real_data / "basins/shakhimardan_dem_100m_utm42.tif")
    countries = gpd.read_file(real_data / "borders/ne10m_countries_central_asia.gpkg")
    outlet = gpd.GeoDataFrame(geometry=gpd.points_from_xy([731003.04], [4440127.31]), crs=UTM)

    found = delineate_basins(dem, outlet, edges="closed", countries=countries, country_field="name").layers

    shares = found["shares"]
    assert shares["area_km2"].sum() == found["basins"]["area_km2"].item()
    assert shares["share_pct"].sum() == pytest.approx(100, abs=1e-12)
    assert shares["country"].iloc[0] == "Kyrgyzstan"
    assert "Uzbekistan" in set(shares["country"])  # the exclave of Shakhimardan


def test_a_nested_gauge_keeps_its_own_basin_and_counts_for_the_one_below():
    dem = valley()
    found = delineate_basins(dem, at(dem, (39, 15), (20, 15), name=["mouth", "middle"]), streams_km2=0.05)
    basins, parts = found.layers["basins"], found.layers["subbasins"]
    assert basins["area_km2"].iloc[0] > basins["area_km2"].iloc[1] > 0
    assert parts["downstream_id"].tolist() == [0, 1]
    assert parts["area_km2"].sum() == pytest.approx(basins["area_km2"].iloc[0], rel=1e-14)
    assert basins.geometry.iloc[0].contains(basins.geometry.iloc[1])
    assert basins.geometry.iloc[0].equals(shapely.union_all(parts.geometry.to_numpy()))
    assert basins["zmax_m"].iloc[0] == 1000 + 150
    bands = found.layers["bands"]
    sums = bands.groupby("outlet_id")["area_km2"].sum()
    assert sums.to_numpy() == pytest.approx(basins["area_km2"].to_numpy(), rel=1e-14)


@pytest.mark.parametrize("edges", ["drain", "closed"])
def test_the_order_of_the_outlets_and_their_crs_change_nothing(edges):
    dem = valley()
    one = delineate_basins(dem, at(dem, (39, 15), (20, 15)), edges=edges, streams_km2=0.05)
    two = delineate_basins(dem, at(dem, (20, 15), (39, 15), crs="EPSG:4326"), edges=edges, streams_km2=0.05)
    assert one.layers["basins"]["area_km2"].tolist() == two.layers["basins"]["area_km2"].tolist()[::-1]
    if edges == "closed":
        assert one.layers["basins"]["area_km2"].iloc[0] == pytest.approx(Grid.of(dem).cell_areas.sum() / 1e6)


def test_a_gauge_is_put_on_the_river_its_known_area_tells():
    # a smaller river runs beside a larger one; the gauge lies between them, nearer to neither
    row, column = np.mgrid[0:60, 0:40]
    z = 1000 + 10 * np.abs(column - 10) - 5.0 * row
    z = np.where(column > 24, 1000 + 10 * np.abs(column - 33) - 5.0 * row, z)
    dem = raster(z)
    drainage = drain(dem).drainage
    main, tributary = drainage.upstream_km2[55, 10], drainage.upstream_km2[55, 33]
    assert main > tributary
    halfway = at(dem, (55, 22), known=[tributary])

    found = delineate_basins(dem, halfway, area_field="known", snap_m=2000, streams_km2=0.5)

    assert found.layers["outlets"]["upstream_km2"].item() == pytest.approx(tributary)
    assert found.layers["basins"]["snap_m"].item() == pytest.approx(1100, rel=1e-3)


def test_a_terminal_lake_keeps_its_water():
    row, column = np.mgrid[0:50, 0:50]
    bowl = np.hypot(row - 25, column - 25)
    dem = raster(500 + bowl)
    lake = gpd.GeoDataFrame(geometry=[shapely.Point(502_550, 4_397_450).buffer(500)], crs=UTM)
    outlet = at(dem, (25, 25))

    kept = delineate_basins(dem, outlet, terminal=lake, edges="closed")

    assert kept.layers["basins"]["area_km2"].item() == pytest.approx(Grid.of(dem).cell_areas.sum() / 1e6)
    open_ = drain(dem, depressions="breach").drainage
    assert open_.direction[25, 25] != 8
    row, column = np.mgrid[0:50, 0:50]
    centred = np.hypot(row - 25, column - 25) < 4.9
    assert (kept.drained.lakes[centred] == 1).all()


def test_a_kept_depression_ends_its_water_and_a_breached_one_is_reported_all_the_same():
    row, column = np.mgrid[0:60, 0:60]
    z = 900 - 3.0 * row - 60 * np.exp(-((row - 30) ** 2 + (column - 30) ** 2) / 60)
    dem = raster(z)
    outlet = at(dem, (59, 30))
    kept = delineate_basins(dem, outlet, depressions="keep", keep_above_km2=0.1)
    breached = delineate_basins(dem, outlet)

    found = breached.layers["depressions"]
    assert len(found) == 1
    assert found["depth_m"].item() > 10
    assert found["volume_km3"].item() == pytest.approx(
        found["area_km2"].item() * found["depth_m"].item() / 1e3, rel=0.7
    )
    assert found.geometry.item().area / 1e6 == pytest.approx(found["area_km2"].item(), rel=0.01)
    assert kept.layers["basins"]["area_km2"].item() < breached.layers["basins"]["area_km2"].item()
    pit = (kept.drained.depressions.row[0], kept.drained.depressions.column[0])
    assert kept.drained.drainage.direction[pit] == 8
    high = delineate_basins(dem, outlet, depressions="keep", keep_above_km2=1000)
    assert high.layers["basins"]["area_km2"].item() == breached.layers["basins"]["area_km2"].item()


def test_keeping_every_depression_is_said_with_their_number_and_the_way_out(caplog):
    rng = np.random.default_rng(4)
    row, column = np.mgrid[0:60, 0:60]
    dem = raster(
        900 - 3.0 * row - 60 * np.exp(-((row - 30) ** 2 + (column - 30) ** 2) / 60) + 8 * rng.random((60, 60))
    )
    outlet = at(dem, (59, 30))
    with caplog.at_level(logging.WARNING):
        found = delineate_basins(dem, outlet, depressions="keep")
    count = found.drained.depressions.area.size
    assert count > 10
    [said] = [message for message in caplog.messages if "--depressions keep" in message]
    small = int((found.drained.depressions.area < 1e5).sum())
    assert f"all {count} depressions, {small} of which are smaller than 0.1 km2" in said
    assert said.endswith("--keep-above-km2 0.1.")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        delineate_basins(dem, outlet, depressions="keep", keep_above_km2=0.0)  # asked for in words
    assert not [message for message in caplog.messages if "--depressions keep" in message]


def test_borders_that_lie_coarsely_take_a_wider_tolerance():
    # a river along column 15; the border of an atlas zigzags over it by a kilometre every 6 km
    dem = valley(rows=300, columns=31)
    x, y = Grid.of(dem).centres([*range(-30, 331, 30)], [15 + (10 if k % 2 else -10) for k in range(13)])
    line = np.column_stack([x, y])
    west = shapely.Polygon([*line, (4.9e5, y[-1]), (4.9e5, y[0])])
    east = shapely.Polygon([*line, (5.1e5, y[-1]), (5.1e5, y[0])])
    countries = gpd.GeoDataFrame({"name": ["W", "E"]}, geometry=[west, east], crs=UTM)
    options = {"countries": countries, "country_field": "name", "streams_km2": 1.0}

    narrow = delineate_basins(dem, at(dem, (299, 15)), **options)
    wide = delineate_basins(dem, at(dem, (299, 15)), **options, border_m=1000)

    assert narrow.border_m == pytest.approx(300, rel=1e-3)
    assert len(narrow.layers["crossings"]) >= 5
    assert wide.border_m == 1000
    assert len(wide.layers["border_reaches"]) == 1
    assert not len(wide.layers["crossings"])


def test_crossed_edges_of_countries_are_told_once(caplog):
    dem = valley()
    west, south, east, north = Grid.of(dem).bounds
    bow = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    rest = shapely.box(west, south, east, north)
    countries = gpd.GeoDataFrame({"name": ["A", "B"]}, geometry=[bow, rest], crs=UTM)
    with caplog.at_level(logging.WARNING):
        delineate_basins(dem, at(dem, (39, 15)), countries=countries, country_field="name", streams_km2=0.05)
    assert [message for message in caplog.messages if "mended" in message] == [
        "mended 1 of 2 countries whose edges cross themselves"
    ]


def test_layers_that_lie_elsewhere_are_named_by_their_option():
    dem = valley()
    outlet = at(dem, (39, 15))
    lake = gpd.GeoDataFrame(geometry=[shapely.Point(9e5, 4.4e6).buffer(500)], crs=UTM)
    canal = gpd.GeoDataFrame(geometry=[shapely.LineString([(9e5, 4.4e6), (9.1e5, 4.4e6)])], crs=UTM)
    with pytest.raises(OutsideGrid, match="None of the 1 lakes of --terminal reaches a cell of the grid"):
        delineate_basins(dem, outlet, terminal=lake)
    with pytest.raises(OutsideGrid, match="None of the 1 lines of --burn reaches a cell of the grid"):
        delineate_basins(dem, outlet, burn=canal)


def test_an_outlet_exactly_on_the_rim_stands_for_the_cell_beside_it():
    dem = valley()
    west, south, east, _ = Grid.of(dem).bounds
    mouth = Grid.of(dem).centres(39, 15)[0]
    places = gpd.points_from_xy([mouth, east, west], [south, south, south])
    corner = gpd.GeoDataFrame(geometry=places, crs=UTM)

    outlets = delineate_basins(dem, corner, snap_m=1, streams_km2=50).layers["outlets"]

    x, y = Grid.of(dem).centres([39, 39, 39], [15, 29, 0])
    assert shapely.get_coordinates(outlets.geometry.to_numpy()).tolist() == np.column_stack([x, y]).tolist()
    with pytest.raises(OutsideGrid, match="outside the DEM"):
        delineate_basins(dem, corner.set_geometry(corner.translate(0, -1)))


def test_a_basin_cut_by_the_edge_says_so_and_a_hole_is_no_edge(caplog):
    row, column = np.mgrid[0:41, 0:41]
    hill = 1000 + 0.1 * row - np.hypot(row - 40, column - 20)
    hill[:3], hill[:, :3], hill[:, -3:] = np.nan, np.nan, np.nan
    cut = raster(hill)
    with caplog.at_level(logging.WARNING):
        touched = delineate_basins(cut, at(cut, (38, 20)))
    assert touched.layers["basins"]["touches_edge"].item()
    assert "edge of the DEM" in caplog.text
    cone = 1000 - np.hypot(row - 20, column - 20)
    cone[30, 20] = np.nan  # a hole
    whole = raster(cone)
    inner = delineate_basins(whole, at(whole, (33, 20)), streams_km2=50)
    assert not inner.layers["basins"]["touches_edge"].item()


def test_a_river_that_ends_in_a_hole_is_told_and_a_closed_surface_leads_it_round(caplog):
    # a hole lies across the river of a valley, a fifth of the way down
    dem = valley(rows=60, columns=31)
    whole = Grid.of(dem).cell_areas.sum() / 1e6
    dem[20:24, 13:18] = np.nan
    end = at(dem, (59, 15))

    with caplog.at_level(logging.WARNING):
        lost = delineate_basins(dem, end, streams_km2=0.5)
    [said] = [message for message in caplog.messages if "holes" in message]
    found = re.match(
        r".* holes of the DEM \(nodata\) beside a basin: (\d+), .* ([\d.]+) km2 .* x (\S+), y (\S+)\. That",
        said,
    )
    above = float(found[2])
    assert above > 3
    hole = Grid.of(dem).cells_of([float(found[3])], [float(found[4])])
    assert (int(hole[0][0]), int(hole[1][0])) in {(19, column) for column in range(12, 19)}
    # nothing of what ends there comes to the outlet, and nothing is counted twice
    assert lost.layers["basins"]["area_km2"].item() + above <= whole

    caplog.clear()
    with caplog.at_level(logging.WARNING):
        closed = delineate_basins(dem, end, streams_km2=0.5, edges="closed")
    assert closed.layers["basins"]["area_km2"].item() == pytest.approx(whole - 20 * 0.01, rel=1e-3)
    assert not [message for message in caplog.messages if "holes" in message]

    # who names the lake that lies there, its water alone or with its shore, hears nothing
    x, y = Grid.of(dem).centres([20, 23], [13, 17])
    water = shapely.box(x[0] - 50, y[1] - 50, x[1] + 50, y[0] + 50)
    for shape in (water.buffer(-10), water.buffer(150)):
        caplog.clear()
        lake = gpd.GeoDataFrame(geometry=[shape], crs=UTM)
        with caplog.at_level(logging.WARNING):
            ended = delineate_basins(dem, end, streams_km2=0.5, terminal=lake)
        assert not [message for message in caplog.messages if "holes" in message]
        assert ended.layers["basins"]["area_km2"].item() < whole - above


def test_streams_form_a_tree_with_lengths_and_orders():
    dem = valley()
    streams = delineate_basins(dem, at(dem, (39, 15)), streams_km2=0.1).layers["streams"]
    assert streams["strahler"].min() == 1
    assert (streams["length_km"] > 0).all()
    assert streams.geometry.is_valid.all()
    ids = set(streams["stream_id"])
    assert set(streams["downstream_id"]) - {0} <= ids
    after = streams.set_index("stream_id")["upstream_km2"]
    for row in streams.itertuples():
        if row.downstream_id:
            assert after[row.downstream_id] > row.upstream_km2
    along = shapely.length(streams.geometry.to_numpy()) / 1000
    assert streams["length_km"].to_numpy() == pytest.approx(along, rel=1e-3)  # the scale of UTM


def test_rivers_end_at_the_shore_of_a_terminal_lake():
    row, column = np.mgrid[0:40, 0:61]
    # three valleys come down to a level floor, deepest in its middle
    z = 1000 + 12.0 * np.maximum(25 - row, 0) + 14.0 * np.minimum(np.abs(column % 20 - 10), 8)
    z = np.where(row >= 25, 990 + 0.1 * np.hypot(row - 33, column - 30), z)
    dem = raster(z)
    x, y = Grid.of(dem).centres([25, 39], [0, 60])
    water = shapely.box(x[0] - 50, y[1] - 50, x[1] + 50, y[0] + 50)
    lake = gpd.GeoDataFrame(geometry=[water], crs=UTM)
    found = delineate_basins(dem, at(dem, (33, 30)), terminal=lake, edges="closed", streams_km2=0.3).layers
    streams = found["streams"]
    last = streams[streams["downstream_id"] == 0]
    assert len(last) >= 3
    # a line goes on to the centre of the first wet cell, a cell inside at most
    assert shapely.length(shapely.intersection(streams.geometry.to_numpy(), water)).max() < 150
    assert (shapely.distance(shapely.get_point(last.geometry.to_numpy(), -1), water.exterior) < 60).all()


def test_outlets_in_one_cell_share_a_basin():
    dem = valley()
    twice = at(dem, (39, 15), (39, 15), name=["old", "new"])
    found = delineate_basins(dem, twice, streams_km2=0.05).layers
    assert found["basins"]["area_km2"].nunique() == 1
    assert found["basins"]["name"].tolist() == ["old", "new"]
    assert len(found["subbasins"]) == 1


def test_bad_input_is_refused_in_one_sentence_with_the_way_out():
    dem = valley()
    outlet = at(dem, (39, 15))
    countries = gpd.GeoDataFrame({"name": ["A"]}, geometry=[Grid.of(dem).footprint()], crs=UTM)
    far = outlet.set_geometry(outlet.geometry.translate(1e6))
    cases = [
        (OutsideGrid, "outside the DEM", {"outlets": far}),
        (BadInput, "no feature", {"outlets": outlet.iloc[:0]}),
        (UnknownCrs, "coordinate reference system", {"outlets": outlet.set_crs(None, allow_override=True)}),
        (BadInput, "one point a feature", {"outlets": outlet.set_geometry(outlet.buffer(10))}),
        (BadInput, "no column area", {"area_field": "area"}),
        (BadInput, "country-field", {"countries": countries}),
        (BadInput, 'no column "geometry"', {"countries": countries, "country_field": "geometry"}),
        (BadInput, "no column geometry", {"area_field": "geometry"}),
        (BadInput, "above 0 km2", {"streams_km2": 0.0}),
        (BadInput, "band", {"band_m": 0.0}),
        (BadInput, "bands", {"band_m": 0.001}),
    ]
    for error, words, options in cases:
        arguments = {"outlets": outlet, **options}
        with pytest.raises(error, match=words) as caught:
            delineate_basins(dem, **arguments)
        assert str(caught.value).count("\n") == 0
    known = outlet.assign(area=["many"])
    with pytest.raises(BadInput, match="'many'"):
        delineate_basins(dem, known, area_field="area")
    empty = dem.copy(data=np.full(dem.shape, np.nan, np.float32))
    with pytest.raises(BadInput, match="No cell"):
        delineate_basins(empty, outlet)
    island = dem.copy(data=np.where(np.arange(40)[:, None] > 20, dem.to_numpy(), np.nan))
    with pytest.raises(OutsideGrid, match="any elevation"):
        delineate_basins(island, at(dem, (3, 3)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2)])
def test_the_smallest_rasters_have_basins_too(shape):
    dem = raster(np.arange(np.prod(shape), dtype=float).reshape(shape))
    found = delineate_basins(dem, at(dem, (0, 0)))
    assert found.layers["basins"]["area_km2"].item() == pytest.approx(Grid.of(dem).cell_areas.sum() / 1e6)


def test_a_geographic_grid_and_its_projected_twin_agree_on_the_area():
    # a cone of 0.1 degrees around 41 N: the same land in both grids
    grid = Grid(CRS("EPSG:4326"), Affine(0.001, 0, 69.95, 0, -0.001, 41.05), (100, 100))
    x, y = grid.centres(*np.mgrid[0:100, 0:100].reshape(2, -1))
    bowl = (100 + np.hypot((x - 70) * 84.0, (y - 41) * 111.0)).reshape(100, 100)
    dem = grid.raster(bowl.astype(np.float32), "dem")
    outlet = gpd.GeoDataFrame(geometry=[shapely.Point(70.0005, 40.9995)], crs="EPSG:4326")

    found = delineate_basins(dem, outlet, edges="closed").layers["basins"]

    assert found["area_km2"].item() == pytest.approx(grid.cell_areas.sum() / 1e6, rel=1e-12)
    assert found["length_km"].item() == pytest.approx(7.0, rel=0.2)


def test_water_stays_in_a_burnt_canal_and_the_canal_is_no_depression():
    # a slope to the south, and a canal that leads along it to the east
    row, column = np.mgrid[0:40, 0:60]
    dem = raster(1000 - 2.0 * row - 0.01 * column)
    grid = Grid.of(dem)
    x, y = grid.centres([20, 20], [0, 59])
    canal = gpd.GeoDataFrame(geometry=[shapely.LineString(np.column_stack([x, y]))], crs=UTM)
    end = at(dem, (20, 59))

    plain = delineate_basins(dem, end, streams_km2=50, snap_m=1).layers
    burnt = delineate_basins(dem, end, streams_km2=50, snap_m=1, burn=canal).layers

    above = grid.cell_areas[:22].sum() / 1e6  # down to the canal's own lower bank
    assert burnt["basins"]["area_km2"].item() == pytest.approx(above)
    assert plain["basins"]["area_km2"].item() < above / 10
    assert burnt["basins"]["zmin_m"].item() > 900  # the elevations reported are those of the land
    assert len(burnt["depressions"]) == 0


@pytest.mark.real
def test_a_closed_surface_loses_no_water_at_an_upper_gauge(real_data):
    dem = rasters.read(real_data / "basins/shakhimardan_dem_100m_utm42.tif")
    pair = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy([731003.04, 734803.04], [4440127.31, 4437427.31]), crs=UTM
    )
    parts = delineate_basins(dem, pair, edges="closed").layers["subbasins"]
    assert parts["downstream_id"].tolist() == [0, 1]
    assert parts["area_km2"].sum() == pytest.approx(1394.95, abs=0.005)


def test_gauges_on_a_plateau_above_a_dam_and_above_a_lake_let_the_water_pass():
    row, column = np.mgrid[0:60, 0:31]
    z = 1000 + 10.0 * np.abs(column - 15) - np.minimum(row, 40)  # level below row 40
    z[30, 15] += 8  # a dam in the river
    dem = raster(z)
    whole_km2 = Grid.of(dem).cell_areas.sum() / 1e6
    found = delineate_basins(dem, at(dem, (59, 15), (50, 15), (29, 15)), edges="closed", streams_km2=0.05)
    assert found.layers["subbasins"]["downstream_id"].tolist() == [0, 1, 2]
    assert found.layers["basins"]["area_km2"].iloc[0] == pytest.approx(whole_km2)
    x, y = Grid.of(dem).centres(59, 15)
    lake = gpd.GeoDataFrame(geometry=[shapely.Point(float(x), float(y)).buffer(150)], crs=UTM)
    above = delineate_basins(
        dem, at(dem, (50, 15), (59, 15)), terminal=lake, edges="closed", streams_km2=0.05
    )
    assert above.layers["subbasins"]["downstream_id"].tolist() == [2, 0]
    assert above.layers["basins"]["area_km2"].iloc[1] == pytest.approx(whole_km2)
