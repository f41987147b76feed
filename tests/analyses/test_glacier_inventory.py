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
def test_the_complex_of_the_oetztal_is_the_glaciers_of_rgi_7(real_data):
    folder = real_data / "glacier" / "oetztal_rgi7"
    known = gpd.read_file(folder / "rgi7g_hef_complex.shp").to_crs("EPSG:32632")
    whole = gpd.read_file(folder / "rgi7c_hef.shp").to_crs("EPSG:32632").geometry.to_numpy()
    dem = rasters.read(folder / "srtm_oetztal.tif").astype(np.float32)
    found = flow_divides(whole, known.crs, dem).polygons
    assert 21 <= len(found) <= 26
    outlines = known.geometry.make_valid().to_numpy()
    one, other = shapely.STRtree(found).query(outlines, predicate="intersects")
    both = shapely.area(shapely.intersection(outlines[one], found[other]))
    overlap = both / (shapely.area(outlines[one]) + shapely.area(found[other]) - both)
    best = np.zeros(len(outlines))
    np.maximum.at(best, one, overlap)
    weight = shapely.area(outlines)
    assert (best * weight).sum() / weight.sum() >= 0.90


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
