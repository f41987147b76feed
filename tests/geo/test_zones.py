import logging
import math

import geopandas as gpd
import numpy as np
import pytest
import rioxarray
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, Polygon, box

from bluepeace_gis.errors import BadInput, OutsideGrid, UnknownCrs
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.geo.zones import burn, fitted, shares


def layer(geometries, crs="EPSG:4326", **columns):
    return gpd.GeoDataFrame(columns, geometry=geometries, crs=crs)


ZONES = layer([box(70, 40, 72, 41), box(71, 40, 73, 42)], name=["west", "north"])


def by_name(table, zone):
    rows = table[table["zone"] == zone]
    return dict(zip(rows["country"], rows["area_km2"], strict=True))


def km2(geometry):
    return polygon_areas_m2(gpd.GeoSeries([geometry], crs="EPSG:4326"))[0] / 1e6


def test_a_zone_is_divided_along_the_border():
    countries = layer([box(60, 30, 71.5, 50), box(71.5, 30, 80, 50)], state=["A", "B"])

    found = shares(ZONES, countries, "state", zone_field="name")

    assert list(found.columns) == ["zone", "country", "area_km2", "share_pct"]
    assert found["zone"].tolist() == ["west", "west", "north", "north"]
    assert found["country"].tolist() == ["A", "B", "B", "A"]  # from large to small
    np.testing.assert_allclose(found["share_pct"], [75, 25, 75, 25], rtol=1e-9)
    assert by_name(found, "west")["A"] == pytest.approx(km2(box(70, 40, 71.5, 41)), rel=1e-9)


def test_land_of_several_and_of_nobody_has_rows_of_its_own(caplog):
    # A to 71.2, B from 71.0, C on top of both from 70.9 to 71.1; nobody beyond 71.6
    countries = layer(
        [box(60, 30, 71.2, 50), box(71, 30, 71.6, 50), box(70.9, 30, 71.1, 50)], state=["A", "B", "C"]
    )

    with caplog.at_level(logging.WARNING):
        found = by_name(shares(ZONES.iloc[:1], countries, "state", zone_field="name"), "west")

    names = list(found)
    assert names[:2] == ["A", "B"]
    assert names[2:5] == sorted(names[2:5], key=found.get, reverse=True)
    assert names[5:] == ["no country"]
    expected = {
        "A": box(70, 40, 70.9, 41),
        "overlap: A, C": box(70.9, 40, 71, 41),
        "overlap: A, B, C": box(71, 40, 71.1, 41),
        "overlap: A, B": box(71.1, 40, 71.2, 41),
        "B": box(71.2, 40, 71.6, 41),
        "no country": box(71.6, 40, 72, 41),
    }
    assert found == {name: pytest.approx(km2(land), rel=1e-9) for name, land in expected.items()}
    sentences = [record.getMessage() for record in caplog.records]
    assert f"{found['no country']:.6g} km2 of the zones lie in no country" in sentences
    assert any("counted once as 'overlap: A, B, C'" in sentence for sentence in sentences)


def test_features_of_one_name_are_one_country_and_invalid_ones_are_mended(caplog):
    bow_tie = Polygon([(71, 40), (72, 41), (72, 40), (71, 41)])
    countries = layer([box(60, 30, 70.6, 50), box(70.4, 30, 71, 50), bow_tie], state=["A", " A", "B"])

    with caplog.at_level(logging.WARNING):
        found = by_name(shares(ZONES.iloc[:1], countries, "state", zone_field="name"), "west")

    assert list(found) == ["A", "B", "no country"]  # no overlap of A with itself
    assert found["A"] == pytest.approx(km2(box(70, 40, 71, 41)), rel=1e-9)
    assert "mended 1 of 3 countries" in caplog.text


def test_edges_stay_straight_where_they_were_drawn():
    """A border along a parallel, as one edge of 20 degrees, stays on it when the zones are in UTM."""
    countries = layer([box(60, 30, 80, 40.5), box(60, 40.5, 80, 50)], state=["south", "north"])
    zones = ZONES.iloc[:1].segmentize(0.001).to_crs(32642)

    found = shares(layer(zones, crs=32642), countries, "state")

    areas = by_name(found, 0)
    assert areas["south"] == pytest.approx(km2(box(70, 40, 72, 40.5)), rel=1e-6)
    assert areas["north"] == pytest.approx(km2(box(70, 40.5, 72, 41)), rel=1e-6)


def test_neighbours_in_another_crs_leave_neither_gap_nor_overlap():
    slanted = shapely.LineString([(69, 39.3), (70.9, 40.3), (71.2, 41.9), (74, 42.5)])
    west, east = (
        Polygon([*slanted.coords, (74, 50), (60, 50), (60, 39.3)]),
        Polygon([*slanted.coords, (80, 42.5), (80, 39.3)]),
    )
    zones = layer(ZONES.to_crs(32642).geometry, crs=32642, name=["west", "north"])

    found = shares(zones, layer([west, east], state=["W", "E"]), "state", zone_field="name")

    assert set(found["country"]) == {"W", "E"}


# A land like Chukotka around 180 degrees, and one east of it; the zone lies for a half, three fifths of
# it beyond the meridian, on both.
CUT = {
    "Chukotka": shapely.union_all([box(150, 60, 180, 72), box(-180, 60, -172, 72)]),
    "East": box(-172, 50, -140, 75),
}
RUNNING_ON = {"Chukotka": box(150, 60, 188, 72), "East": box(188, 50, 220, 75)}
JUMPING = {
    "Chukotka": Polygon([(150, 60), (-172, 60), (-172, 72), (150, 72)]),
    "East": box(-172, 50, -140, 75),
}
AROUND_180 = {
    "cut": shapely.union_all([box(176, 63, 180, 66), box(-180, 63, -170, 66)]),
    "running on to the east": box(176, 63, 190, 66),
    "running on to the west": box(-184, 63, -170, 66),
    "jumping": Polygon([(176, 63), (-170, 63), (-170, 66), (176, 66)]),
    "jumping, with a hole": Polygon(
        [(176, 63), (-170, 63), (-170, 66), (176, 66)],
        [
            [(-179, 64), (-178, 64), (-178, 65), (-179, 65)],
            [(179, 64), (-179.5, 64), (-179.5, 65), (179, 65)],
        ],
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("countries", [CUT, RUNNING_ON, JUMPING], ids=["cut", "running on", "jumping"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3576", "EPSG:32601"])  # of the countries
@pytest.mark.parametrize("zone", AROUND_180.values(), ids=AROUND_180.keys())
def test_the_180th_meridian_divides_nothing_however_the_land_was_drawn(zone, countries, crs):
    land = layer(list(countries.values()), state=list(countries))
    if countries is not JUMPING:  # its edges would go round the Earth
        land = land.segmentize(0.02).to_crs(crs) if crs != "EPSG:4326" else land.geometry
        land = layer(land.to_numpy(), crs=crs, state=list(countries))
    holes = (
        km2(box(181, 64, 182, 65)) + km2(box(179, 64, 180.5, 65))
        if shapely.get_num_interior_rings(zone)
        else 0
    )

    found = by_name(shares(layer([zone], name=["bay"]), land, "state", zone_field="name"), "bay")

    whole = {"Chukotka": km2(box(176, 63, 188, 66)) - holes, "East": km2(box(188, 63, 190, 66))}
    assert found == {name: pytest.approx(area, rel=1e-6) for name, area in whole.items()}


@pytest.mark.parametrize("crs", ["EPSG:32660", "EPSG:3576", "EPSG:4284"])  # UTM, a plane of the pole, Pulkovo
def test_zones_in_other_crs_across_the_180th_meridian_have_all_their_land(crs, caplog):
    land = layer(list(CUT.values()), state=list(CUT))
    zone = layer([box(176, 63, 187, 66).segmentize(0.01)])
    zone = layer(zone.geometry.to_numpy(), crs=crs) if crs == "EPSG:4284" else zone.to_crs(crs)

    with caplog.at_level(logging.WARNING):
        found = shares(zone, land, "state")

    assert found["country"].tolist() == ["Chukotka"]
    assert not caplog.records
    if crs != "EPSG:4284":  # stands on another ellipsoid
        assert found["area_km2"].item() == pytest.approx(km2(box(176, 63, 187, 66)), rel=1e-6)


def test_a_jump_over_the_180th_meridian_is_told_once(caplog):
    with caplog.at_level(logging.WARNING):
        shares(layer([AROUND_180["jumping"]]), layer(list(CUT.values()), state=list(CUT)), "state")

    assert [record.getMessage() for record in caplog.records] == [
        "1 of 1 zones jump from one side of the 180th meridian to the other; they were taken the short way"
    ]


def test_a_map_of_the_world_is_no_jump():
    world = layer([box(-180, -90, 180, 90)], state=["Earth"])

    assert shares(layer([box(-180, 60, 180, 70)]), world, "state")["share_pct"].tolist() == [100]
    assert shares(layer([box(0, 60, 360, 70)]), world, "state")["share_pct"].tolist() == [100]


def test_rows_add_up_to_the_total_found_by_cells():
    countries = layer([box(60, 30, 71.3, 50), box(71.3, 30, 80, 50)], state=["A", "B"])
    total = km2(ZONES.geometry[0]) * 1.00003
    zones = ZONES.iloc[:1].assign(cells_km2=total)

    by_column = shares(zones, countries, "state", total_km2="cells_km2")
    by_argument = shares(zones, countries, "state", total_km2=[total])

    for found in (by_column, by_argument):
        assert found["area_km2"].sum() == total
        assert found["share_pct"].sum() == 100


def test_a_total_of_another_zone_is_refused():
    countries = layer([box(60, 30, 80, 50)], state=["A"])

    with pytest.raises(BadInput, match=r"pieces of zone west cover .* km2, expected 12345"):
        shares(ZONES.iloc[:1], countries, "state", zone_field="name", total_km2=[12345.0])
    with pytest.raises(BadInput, match="zones without an area: north"):
        shares(ZONES, countries, "state", zone_field="name", total_km2=[km2(ZONES.geometry[0]), math.nan])


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=12), st.floats(1e-6, 1e12), st.randoms())
def test_fitted_parts_add_up_exactly_in_any_order(parts, total, random):
    found = fitted(np.array(parts), total).tolist()
    random.shuffle(found)

    assert sum(found) == total
    assert np.sum(found) == total
    assert math.fsum(found) == total
    assert min(found) >= 0


def test_fitted_parts_keep_their_proportions():
    np.testing.assert_allclose(fitted(np.array([1.0, 2.0, 5.0]), 100.0), [12.5, 25, 62.5], rtol=1e-15)


@pytest.mark.parametrize(
    ("zones", "countries", "sentence"),
    [
        (
            ZONES,
            layer([box(60, 30, 80, 50)], land=["A"]),
            'no column "state" in the layer of countries.*: land',
        ),
        (
            ZONES,
            layer([box(60, 30, 71, 50), box(71, 30, 80, 50)], state=["A", None]),
            "without a name.*positions 1",
        ),
        (ZONES, layer([box(60, 30, 71, 50), box(71, 30, 80, 50)], state=["A", "  "]), "without a name"),
        (ZONES, layer([Point(70, 40)], state=["A"]), "1 countries that are not polygons \\(Point\\)"),
        (ZONES, layer([box(0, 0, 1, 1)], state=["A"]), "None of the 1 countries reaches"),
        (ZONES.assign(name="same"), layer([box(60, 30, 80, 50)], state=["A"]), "share a name: same"),
        (
            layer([Polygon()], name=["a"]),
            layer([box(60, 30, 80, 50)], state=["A"]),
            "zones without a polygon",
        ),
    ],
)
def test_layers_that_cannot_answer_are_refused(zones, countries, sentence):
    with pytest.raises(BadInput, match=sentence):
        shares(zones, countries, "state", zone_field="name")


def test_a_column_of_shapes_names_nothing():
    countries = layer([box(60, 30, 80, 50)], state=["A"])
    with pytest.raises(BadInput, match=r'no column "geometry" in the layer of countries.*: state'):
        shares(ZONES, countries, "geometry")
    with pytest.raises(BadInput, match=r'no column "geometry" in the layer of zones.*: name'):
        shares(ZONES, countries, "state", zone_field="geometry")


def test_layers_without_a_crs_are_refused():
    countries = layer([box(60, 30, 80, 50)], state=["A"])
    with pytest.raises(UnknownCrs, match="layer of zones"):
        shares(layer(ZONES.geometry.to_numpy(), crs=None), countries, "state")
    with pytest.raises(UnknownCrs, match="layer of countries"):
        shares(ZONES, layer([box(60, 30, 80, 50)], crs=None, state=["A"]), "state")


def test_no_zones_make_an_empty_table():
    found = shares(ZONES.iloc[:0], layer([box(60, 30, 80, 50)], state=["A"]), "state")

    assert list(found.columns) == ["zone", "country", "area_km2", "share_pct"]
    assert len(found) == 0


GRID = Grid("EPSG:32642", Affine(30, 0, 7e5, 0, -30, 4.4e6), (40, 50))


def test_burnt_zones_are_the_cells_whose_outline_they_are():
    zone = np.random.default_rng(3).integers(0, 4, GRID.shape).astype(np.int32)
    found = outline(zone, GRID)

    assert np.array_equal(burn(found, GRID, values=found["value"].tolist()), zone)
    assert np.array_equal(burn(found.to_crs(4326), GRID, values=found["value"].tolist()), zone)


@pytest.mark.parametrize("transform", [Affine(30, 0, 7e5, 0, 30, 4.4e6), Affine(30, 10, 7e5, 10, -30, 4.4e6)])
def test_zones_are_burnt_into_grids_that_are_turned(transform):
    grid = Grid("EPSG:32642", transform, (20, 30))
    zone = np.zeros(grid.shape, np.int32)
    zone[3:9, 4:20] = 1

    assert np.array_equal(burn(outline(zone, grid), grid), zone)


def test_touched_cells_later_zones_and_zones_without_place():
    x, y = GRID.centres(5, 5)
    zones = gpd.GeoSeries(
        [box(x - 20, y - 20, x + 20, y + 20), None, box(x - 1, y - 1, x + 1, y + 1)], crs=32642
    )

    assert (burn(zones.iloc[:1], GRID) > 0).sum() == 1
    assert (burn(zones.iloc[:1], GRID, all_touched=True) > 0).sum() == 9
    assert burn(zones, GRID)[5, 5] == 3


def test_zones_beyond_180_degrees_reach_a_grid_that_crosses_it():
    grid = Grid("EPSG:4326", Affine(1, 0, 175, 0, -1, 60), (5, 10))

    burnt = burn(gpd.GeoSeries([box(-180, 57, -178, 58)], crs=4326), grid)

    assert np.argwhere(burnt).tolist() == [[2, 5], [2, 6]]


def test_zones_elsewhere_are_refused_naming_both_places():
    with pytest.raises(OutsideGrid, match=r"None of the 1 zones .*40 x 50 cells of 30 metre in EPSG:32642"):
        burn(gpd.GeoSeries([box(0, 0, 1, 1)], crs=4326), GRID)
    with pytest.raises(UnknownCrs):
        burn(gpd.GeoSeries([box(0, 0, 1, 1)]), GRID)


@pytest.mark.real
def test_the_catchment_of_shakhimardan_lies_in_two_countries(real_data):
    with rioxarray.open_rasterio(real_data / "basins" / "shakhimardan_dem_100m_utm42.tif") as dem:
        valid = dem.squeeze(drop=True).notnull()
    grid = Grid.of(valid)
    total_km2 = float((grid.cell_areas * valid.to_numpy()).sum() / 1e6)
    countries = gpd.read_file(real_data / "borders" / "ne10m_countries_central_asia.gpkg")

    found = shares(outline(valid.to_numpy(), grid), countries, "name", total_km2=[total_km2])

    assert found["country"].tolist() == ["Kyrgyzstan", "Uzbekistan"]
    assert found["area_km2"].sum() == total_km2
    assert found["share_pct"].sum() == 100
    # the second way: the cells whose centres lie in Uzbekistan
    uzbek = burn(countries[countries["name"] == "Uzbekistan"], grid).astype(bool) & valid.to_numpy()
    assert found["area_km2"][1] == pytest.approx((grid.cell_areas * uzbek).sum() / 1e6, rel=2e-3)


@pytest.mark.real
def test_baikonur_is_not_lost(real_data):
    # Natural Earth cuts it out of Kazakhstan: 6,504 km2
    countries = gpd.read_file(real_data / "borders" / "ne10m_countries_central_asia.gpkg")
    basins = gpd.read_file(real_data / "borders" / "himat_basins_central_asia.gpkg").to_crs(32643)

    found = shares(basins, countries, "name", zone_field="basin_name")

    assert by_name(found, "Syr_Darya")["Baikonur"] == pytest.approx(6504, abs=0.5)
