import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Geod
from shapely import MultiPolygon, Point, Polygon, box

from bluepeace_gis.errors import BadInput, UnknownCrs
from bluepeace_gis.geo.areas import densified, polygon_areas_m2
from bluepeace_gis.geo.grid import Grid


def areas(geometries, crs):
    return polygon_areas_m2(gpd.GeoSeries(geometries, crs=crs))


@pytest.mark.parametrize(
    ("crs", "edges", "cell"),
    [
        ("EPSG:4326", (60, 30, 90, 60), 1.0),
        ("EPSG:4807", (60, 30, 70, 40), 1.0),  # grads
        ("EPSG:32642", (2e5, 4.0e6, 8e5, 4.6e6), 1e5),
        ("EPSG:3857", (7e6, 4e6, 9e6, 6e6), 1e5),
        ("EPSG:3857", (1.95e7, 4e6, 2.05e7, 6e6), 1e5),  # over 180 degrees
        ("EPSG:3034", (3e6, 1e6, 5e6, 4e6), 1e5),
        ("EPSG:3035", (3e6, 2e6, 5e6, 4e6), 1e5),
        ("EPSG:6931", (-1e6, -1e6, 2e6, 2e6), 1e5),  # around the pole
        ("EPSG:2263", (9e5, 1e5, 1.1e6, 3e5), 1e4),  # US survey feet
        ("+proj=longlat +R=6371000", (0, 0, 90, 90), 1.0),  # an eighth of a sphere
    ],
)
def test_a_box_has_the_area_of_its_cells(crs, edges, cell):
    left, bottom, right, top = edges
    shape = (round((top - bottom) / cell), round((right - left) / cell))

    cells = Grid(crs, Affine(cell, 0, left, 0, -cell, top), shape).cell_areas.sum()

    assert areas([box(*edges)], crs)[0] == pytest.approx(cells, rel=2e-9)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32643"])
def test_a_polygon_has_the_area_karney_finds_along_its_edges(crs):
    """The second way: geodesics (Karney 2013, doi:10.1007/s00190-012-0578-z) through points 20 m apart."""
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    radius = 50_000 * (1 + 0.3 * np.sin(5 * angle))
    star = gpd.GeoSeries(
        [Polygon(np.column_stack([450_000 + radius * np.cos(angle), 4.6e6 + radius * np.sin(angle)]))],
        crs=32643,
    ).to_crs(crs)

    through = densified(star, 20.0).to_crs(4326)[0]

    assert polygon_areas_m2(star)[0] == pytest.approx(
        abs(Geod(ellps="WGS84").geometry_area_perimeter(through)[0]), rel=1e-9
    )


def test_the_world_in_degrees_has_the_surface_of_the_ellipsoid():
    # Moritz (2000), doi:10.1007/s001900050278: GRS 80 has the surface of a sphere of 6,371,007.1810 m
    world = areas([box(-180, -90, 180, 90)], "EPSG:4019")[0]

    assert np.sqrt(world / (4 * np.pi)) == pytest.approx(6_371_007.1810, abs=0.001)


def test_holes_parts_and_direction():
    outer, inner, far = box(60, 40, 62, 42), box(60.5, 40.5, 61, 41), box(70, 50, 71, 51)
    with_hole = outer.difference(inner)
    found = areas(
        [outer, inner, with_hole, MultiPolygon([outer, far]), far, shapely.reverse(outer), Polygon(), None],
        "EPSG:4326",
    )

    assert found[2] == pytest.approx(found[0] - found[1], rel=1e-12)
    assert found[3] == pytest.approx(found[0] + found[4], rel=1e-12)
    assert found[5] == pytest.approx(found[0], rel=1e-12)
    assert found[6] == 0
    assert np.isnan(found[7])
    assert areas([], "EPSG:4326").shape == (0,)


def test_longitudes_may_run_on_beyond_180():
    assert areas([box(170, 60, 190, 65)], "EPSG:4326") == pytest.approx(
        areas([box(-10, 60, 10, 65)], "EPSG:4326")
    )


def test_a_small_field_keeps_its_digits():
    # 10 m x 10 m in the equal-area projection of Europe, far from its origin
    assert areas([box(5e6, 2e6, 5_000_010, 2_000_010)], "EPSG:3035")[0] == pytest.approx(100, rel=1e-8)


@pytest.mark.parametrize(
    ("geometry", "crs", "sentence"),
    [
        (Polygon([(179, 60), (-179, 60), (-179, 62), (179, 62)]), "EPSG:4326", "180th meridian"),
        (box(40, 60, 42, 95), "EPSG:4326", "latitude of 95 degree"),
        (Point(1, 1), "EPSG:4326", "not polygons, the first at position 1 \\(Point\\)"),
        (
            Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
            "EPSG:4326",
            "1 invalid polygons, the first at position 1",
        ),
        (box(-2e7, -2e7, 2e7, 2e7), "EPSG:6931", "beyond the edge of the Earth"),
    ],
)
def test_what_has_no_area_is_refused_with_its_place(geometry, crs, sentence):
    fine = box(10, 10, 12, 12)
    with pytest.raises(BadInput, match=sentence):
        areas([fine, geometry], crs)


def test_without_a_crs_there_is_no_area():
    with pytest.raises(UnknownCrs, match="layer of polygons"):
        areas([box(0, 0, 1, 1)], None)


@pytest.mark.real
def test_nauvalisoy_has_its_known_area(real_data):
    basin = gpd.read_file(real_data / "basins" / "nauvalisoy_basin_utm42.gpkg")

    assert polygon_areas_m2(basin.geometry)[0] / 1e6 == pytest.approx(98.555481, abs=5e-7)


@pytest.mark.real
def test_watersheds_of_kazakhstan_have_their_published_areas(real_data):
    watersheds = gpd.read_file(real_data / "borders" / "kz_portal_watersheds.gpkg")
    names = ["Sarysu", "Nura", "Tobyl", "Torgai", "Yesil", "Ertis", "Ily-Balkhash-Alakol"]
    chosen = watersheds.set_index("WATERSHED_NAME").loc[names]

    found = polygon_areas_m2(chosen.geometry) / 1e6

    # aidos2/WaterHydro-Kazakhstan-Portal prints one digit; Sarysu 134,519.8, Ily-Balkhash-Alakol 479,246.3
    np.testing.assert_allclose(found, chosen["WATERSHED_AREA"].astype(float), atol=0.06)
    syr_darya = watersheds[watersheds["WATERSHED_NAME"] == "Syr Darya-Aral"]
    assert polygon_areas_m2(syr_darya.geometry)[0] / 1e6 == pytest.approx(326_391.3, rel=2e-6)
