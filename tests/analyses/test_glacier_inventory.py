"""Divides, attributes and tables of an inventory, on a made ridge and on a complex of RGI 7.0."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from shapely import affinity

from bluepeace_gis.analyses.glaciers import Extent, fixed_divides, flow_divides, make_inventory
from bluepeace_gis.analyses.glaciers.attributes import topography
from bluepeace_gis.analyses.glaciers.divides import NEW
from bluepeace_gis.analyses.glaciers.hypsometry import per_mille, zone_bands
from bluepeace_gis.analyses.glaciers.inventory import RGI_COLUMNS
from bluepeace_gis.archive import rasters
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.grid import Grid

UTM = CRS("EPSG:32643")
LEFT, TOP, CELL, SIZE = 400_000.0, 4_700_000.0, 30.0, 200
RIDGE_X, MIDDLE_Y = LEFT + 3000, TOP - 3000
# over a ridge that runs north and south: two glaciers, back to back
BODY = shapely.box(RIDGE_X - 1600, MIDDLE_Y - 700, RIDGE_X + 1600, MIDDLE_Y + 700)


@pytest.fixture(scope="module")
def ridge():
    grid = Grid(UTM, Affine(CELL, 0, LEFT, 0, -CELL, TOP), (SIZE, SIZE))
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    x, y = grid.centres(row, column)
    z = 4500 - 0.3 * np.abs(x - RIDGE_X) + 0.05 * np.abs(y - MIDDLE_Y)
    return grid.raster(z.astype(np.float32), name="dem")


def extent(bodies, crs=UTM):
    shapes = np.array(bodies, object)
    length, area = shapely.length(shapes), shapely.area(shapes) / 1e6
    none = gpd.GeoDataFrame({"area_km2": np.zeros(0)}, geometry=[], crs=crs)
    layer = gpd.GeoDataFrame(
        {"src_date": np.array(["2024-08-21T06:16:00"] * len(shapes), object)}, geometry=list(shapes), crs=crs
    )
    parts = pd.DataFrame(
        {
            "edge_sigma_m": 10 / 3, "edge_correlation_m": 100.0, "threshold_unc_km2": 0.02 * area,
            "snow_unc_km2": 0.01 * area, "unseen_km2": 0.1 * area, "unseen_unc_km2": 0.03 * area,
            "debris_km2": 0.0 * length,
        }
    )  # fmt: skip
    debris = none.assign(src_date=np.zeros(0, object), area_unc_km2=np.zeros(0), body=np.zeros(0, np.int64))
    layers = {"glaciers": layer, "outlines_min": none, "outlines_max": none, "debris": debris, "unseen": none}
    return Extent(layers, parts, None, 0.0, 0.0, (), 10.0)


def test_ice_on_both_sides_of_a_ridge_is_two_glaciers_divided_at_the_ridge(ridge):
    found = flow_divides([BODY], UTM, ridge)
    assert len(found.polygons) == 2
    assert shapely.area(found.polygons).sum() == pytest.approx(BODY.area, rel=1e-9)
    divide = shapely.intersection(*found.polygons)
    assert divide.length >= 1390
    assert np.abs(shapely.get_coordinates(divide)[:, 0] - RIDGE_X).max() <= 40


def test_ice_on_one_slope_is_one_glacier(ridge):
    slope = shapely.box(RIDGE_X + 300, MIDDLE_Y - 700, RIDGE_X + 1600, MIDDLE_Y + 700)
    assert len(flow_divides([slope], UTM, ridge).polygons) == 1


def made(height, half_m=5000.0):
    """Make elevations around the middle of a grid: height(x, y) in metres from there."""
    size = int(2 * half_m / CELL)
    left, top = np.floor((LEFT - half_m) / CELL) * CELL, np.ceil((TOP + half_m) / CELL) * CELL
    grid = Grid(UTM, Affine(CELL, 0, left, 0, -CELL, top), (size, size))
    row, column = np.mgrid[0:size, 0:size]
    x, y = grid.centres(row, column)
    noise = np.random.default_rng(5).normal(0, 3, (size, size))
    return grid.raster((height(x - LEFT, y - TOP) + noise).astype(np.float32), name="dem")


def placed(shape):
    return affinity.translate(shape, LEFT, TOP)


def overlaps(found, known):
    """Take the best intersection over union of each known polygon."""
    both = shapely.area(shapely.intersection(np.asarray(known, object)[:, None], found[None, :]))
    return (both / (shapely.area(known)[:, None] + shapely.area(found)[None, :] - both)).max(axis=1)


@pytest.mark.parametrize("tongue_m", [2500, 200])
def test_two_valleys_that_share_their_accumulation_area_are_two_glaciers(tongue_m):
    # the crest between them is so low that ice falls almost side by side
    dem = made(lambda x, y: 3000 + 0.15 * y + 0.05 * np.abs(np.abs(x) - 1500))
    above = shapely.box(-2500, 0, 2500, 3000)
    west, east = (shapely.box(x - 400, -tongue_m, x + 400, 0) for x in (-1500, 1500))
    whole = placed(shapely.union_all([above, west, east]))
    found = flow_divides([whole], UTM, dem).polygons
    halves = [whole & placed(shapely.box(*box)) for box in ((-5e3, -5e3, 0, 5e3), (0, -5e3, 5e3, 5e3))]
    assert len(found) == 2
    assert overlaps(found, halves).min() >= 0.97


@pytest.mark.parametrize("turned", [0, 0.3])
def test_tongues_in_the_valleys_of_a_dome_are_divided_along_its_ribs(turned):
    dem = made(
        lambda x, y: 4000 - 0.2 * np.hypot(x, y) * (1 + 0.15 * np.cos(4 * (np.arctan2(y, x) - turned)))
    )
    angle = np.linspace(0, 2 * np.pi, 721)
    reach = 2000 + 1500 * np.maximum(np.cos(4 * angle), 0)
    whole = shapely.Polygon(np.column_stack([reach * np.cos(angle), reach * np.sin(angle)]))
    square = shapely.Polygon([(0, 0), (9e3, -9e3), (9e3, 9e3)])
    sectors = [whole & affinity.rotate(square, 90 * each, origin=(0, 0)) for each in range(4)]
    whole, *sectors = (
        placed(affinity.rotate(each, turned, origin=(0, 0), use_radians=True)) for each in (whole, *sectors)
    )
    found = flow_divides([whole], UTM, dem).polygons
    assert len(found) == 4
    assert overlaps(found, sectors).min() >= 0.95


def test_a_cap_without_tongues_is_one_glacier():
    dem = made(lambda x, y: 4000 - 0.2 * np.hypot(x, y))
    assert len(flow_divides([placed(shapely.Point(0, 0).buffer(2000))], UTM, dem).polygons) == 1


def test_cirques_side_by_side_under_a_headwall_are_as_many_glaciers():
    dem = made(lambda x, y: 3500 + 0.45 * y + 60 * (1 - np.cos(2 * np.pi * x / 1200)))
    x = np.linspace(-600, 4200, 481)
    edge = -300 * (1 + np.cos(2 * np.pi * x / 1200))
    whole = placed(shapely.Polygon([*zip(x, edge, strict=True), (4200, 700), (-600, 700)]))
    found = flow_divides([whole], UTM, dem).polygons
    known = [whole & placed(shapely.box(1200 * n - 600, -1e3, 1200 * n + 600, 1e3)) for n in range(4)]
    assert len(found) == 4
    assert overlaps(found, known).min() >= 0.95


def test_a_tongue_with_a_tributary_and_pits_along_its_margin_is_one_glacier():
    def height(x, y):
        across, beside = np.abs(y), np.where(y > 0, np.abs(x - 1500), np.inf)
        # convex ice between slopes, the tributary in a hanging valley
        trunk = 3500 + 0.06 * x + np.maximum(0.5 * (across - 450), 40 * (1 - (across / 450) ** 2))
        tributary = (
            3590 + 0.12 * y + np.where(beside < 350, 30 * (1 - (beside / 350) ** 2), 0.5 * (beside - 350))
        )
        z = np.minimum(trunk, tributary)
        for x_fan, y_fan in [(x, y) for x in (-3000, -1500, 3200) for y in (-560, 560)]:
            z = z + 35 * np.exp(-((x - x_fan) ** 2 + (y - y_fan) ** 2) / (2 * 120**2))
        return z

    whole = placed(shapely.union_all([shapely.box(-4500, -400, 4500, 400), shapely.box(1200, 0, 1800, 3500)]))
    assert len(flow_divides([whole], UTM, made(height)).polygons) == 1


def test_divides_of_an_inventory_stay_where_they_are(ridge):
    east = shapely.box(RIDGE_X + 500, MIDDLE_Y - 900, RIDGE_X + 1500, MIDDLE_Y + 900)
    west = shapely.box(RIDGE_X - 1700, MIDDLE_Y - 900, RIDGE_X + 500, MIDDLE_Y + 900)
    base = gpd.GeoDataFrame({"name": ["east", "west"]}, geometry=[east, west], crs=UTM)
    away = affinity.translate(BODY, 0, 2000)
    found = fixed_divides([BODY, away], UTM, ridge, base)
    rows = found.base[found.body == 0]
    assert sorted(rows.tolist()) == [0, 1]
    eastern = found.polygons[found.body == 0][rows.tolist().index(0)]
    # the hundred metres beyond the inventory go with it
    assert eastern.area == pytest.approx(1100 * 1400, rel=1e-6)
    assert set(found.base[found.body == 1].tolist()) == {NEW}


def test_an_inventory_has_the_columns_of_rgi_and_areas_of_what_is_written(ridge):
    made = make_inventory(extent([BODY]), ridge, dem_source="MADE")
    glaciers = made.layers["glaciers"]
    assert tuple(glaciers.columns[: len(RGI_COLUMNS)]) == RGI_COLUMNS
    assert glaciers["rgi_id"].tolist() == ["BP2024-G-13-00001", "BP2024-G-13-00002"]
    assert glaciers["area_km2"].to_numpy() == pytest.approx(
        polygon_areas_m2(glaciers.geometry) / 1e6, abs=1e-12
    )
    assert glaciers["aspect_sec"].tolist() == [7, 3]
    assert glaciers["slope_deg"].to_numpy() == pytest.approx(
        np.degrees(np.arctan(np.hypot(0.3, 0.05))), abs=0.5
    )
    assert (made.tables["hypsometry"].iloc[:, 2:].sum(axis=1) == 1000).all()
    assert made.tables["zone_bands"]["area_km2"].sum() == glaciers["area_km2"].sum()
    crossing = made.layers["intersects"]
    assert crossing["length_m"].sum() == pytest.approx(1400, rel=0.01)
    # the divide is no margin
    unc = made.tables["uncertainties"]
    assert unc["margin_m"].sum() == pytest.approx(BODY.length, rel=0.001)
    assert made.totals.area_unc_km2 > 0
    # threshold and snow of the body are shared out, none is lost
    assert unc["threshold_unc_km2"].sum() == pytest.approx(0.02 * BODY.area / 1e6)


def test_names_are_carried_over_but_never_ids_of_rgi(ridge):
    base = gpd.GeoDataFrame(
        {"rgi_id": ["RGI2000-v7.0-G-13-00001"], "glac_name": ["Abramov"], "surge_type": [2]},
        geometry=[BODY.buffer(100)], crs=UTM,
    )  # fmt: skip
    made = make_inventory(extent([BODY]), ridge, base=base)
    glacier = made.layers["glaciers"].iloc[0]
    assert (glacier["glac_name"], glacier["surge_type"], glacier["rgi_id"]) == (
        "Abramov",
        2,
        "BP2024-G-13-00001",
    )
    assert made.tables["links"]["before_id"].tolist() == ["RGI2000-v7.0-G-13-00001"]


def test_an_inventory_of_nothing_has_all_its_layers(ridge):
    made = make_inventory(extent([]), ridge)
    assert len(made.layers["glaciers"]) == 0
    assert tuple(made.layers["glaciers"].columns[: len(RGI_COLUMNS)]) == RGI_COLUMNS
    assert made.totals.area_km2 == 0


def test_zones_add_up_to_the_ice_with_what_lies_outside(ridge):
    made = make_inventory(extent([BODY]), ridge)
    glaciers = made.layers["glaciers"]
    west = gpd.GeoDataFrame(
        {"name": ["West"]},
        geometry=[shapely.box(RIDGE_X - 9000, MIDDLE_Y, RIDGE_X, MIDDLE_Y + 9000)],
        crs=UTM,
    )
    found = [
        topography(g, a, UTM, ridge) for g, a in zip(glaciers.geometry, glaciers["area_km2"], strict=True)
    ]
    table = zone_bands(glaciers, found, west)
    assert set(table["zone"]) == {"West", "outside"}
    assert table["area_km2"].sum() == pytest.approx(glaciers["area_km2"].sum(), rel=1e-9)
    assert table.loc[table["zone"] == "West", "area_km2"].sum() == pytest.approx(1600 * 700 / 1e6, rel=2e-3)
    assert set(table["z_to_m"] - table["z_from_m"]) == {200}


def test_per_mille_adds_up_with_the_largest_remainders_up():
    assert per_mille(np.array([10.0, 60, 110]), 0, 2).tolist() == [334, 333, 333]


@pytest.mark.real
@pytest.mark.parametrize(
    ("outlines", "elevations", "crs", "least", "most"),
    [
        ("oetztal_rgi7/rgi7g_hef_complex.shp", "oetztal_rgi7/srtm_oetztal.tif", "EPSG:32632", 0.90, 32),
        ("oetztal_rgi7/rgi/rgi_oetztal.shp", "oetztal_rgi7/srtm_oetztal.tif", "EPSG:32632", 0.90, 28),
        ("glims_baker/baker_glims.geojson", "glims_baker/cop30_baker.tif", "EPSG:32610", 0.87, 10),
    ],
    ids=["oetztal_rgi7", "oetztal_rgi5", "baker"],
)
def test_complexes_are_divided_as_inventories_divide_them(real_data, outlines, elevations, crs, least, most):
    known = gpd.read_file(real_data / "glacier" / outlines).to_crs(crs)
    shapes = known.geometry.make_valid().to_numpy()
    whole = shapely.get_parts(shapely.buffer(shapely.union_all(shapely.buffer(shapes, 0.5)), -0.5))
    dem = rasters.read(real_data / "glacier" / elevations).astype(np.float32)
    found = flow_divides(whole, known.crs, dem).polygons
    assert len(shapes) <= len(found) <= most
    weight = shapely.area(shapes)
    assert (overlaps(found, shapes) * weight).sum() / weight.sum() >= least


@pytest.mark.real
def test_attributes_come_near_those_of_rgi_7(real_data):
    folder = real_data / "glacier" / "oetztal_rgi7"
    known = gpd.read_file(folder / "rgi7g_hef_complex.shp")
    dem = rasters.read(folder / "srtm_oetztal.tif").astype(np.float32)
    assert polygon_areas_m2(known.geometry) / 1e6 == pytest.approx(known["area_km2"].to_numpy(), abs=1e-5)
    found = [
        topography(g, a, CRS("EPSG:32632"), dem)
        for g, a in zip(known.geometry, known["area_km2"], strict=True)
    ]
    # another DEM: SRTM of 2000 at 90 m, against Copernicus of 2011 to 2015 at 30 m
    for name, median in (("zmin_m", 25), ("zmax_m", 25), ("zmed_m", 20), ("zmean_m", 20), ("slope_deg", 1.5)):
        off = np.array([getattr(each, name) for each in found]) - known[name]
        assert np.median(np.abs(off)) <= median, name
    turn = (np.array([each.aspect_deg for each in found]) - known["aspect_deg"] + 180) % 360 - 180
    assert np.median(np.abs(turn)) <= 5
    length = np.array([each.lmax_m for each in found]) / known["lmax_m"]
    assert np.median(np.abs(length - 1)) <= 0.05
