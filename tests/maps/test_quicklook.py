"""The pictures show what the product holds, alike each time, and their labels keep clear of each other."""

import math
import subprocess
import sys
from itertools import combinations, pairwise

import geopandas as gpd
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from matplotlib.colors import to_hex, to_rgb
from pyproj import CRS, Geod, Transformer
from shapely.geometry import LineString, Point, box

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, quicklook, relief, styles

UTM = CRS("EPSG:32642")
GRID = Grid(UTM, Affine(100, 0, 500_000, 0, -100, 4_420_000), (200, 300))
PLAIN = np.full(GRID.shape, 400.0)

# 500000      510000      520000      530000
#    |   upper   |   lower   |            |  4 418 000
#    |  1, 160   |  2,1170   |            |
#    |           |           |            |  4 402 000


def layers():
    basins = gpd.GeoDataFrame(
        {"outlet_id": [1, 2], "name": ["Upper", "Қуйи"], "area_km2": [160.0, 1170.3]},
        geometry=[box(502_000, 4_402_000, 510_000, 4_418_000), box(510_000, 4_402_000, 520_000, 4_418_000)],
        crs=UTM,
    )
    streams = gpd.GeoDataFrame(
        {"strahler": [3]}, geometry=[LineString([(503_000, 4_410_000), (519_000, 4_410_000)])], crs=UTM
    )
    outlets = gpd.GeoDataFrame(
        {"outlet_id": [1, 2]}, geometry=[Point(510_000, 4_410_000), Point(520_000, 4_410_000)], crs=UTM
    )
    return {"basins": basins, "streams": streams, "outlets": outlets}


def countries():
    return gpd.GeoDataFrame(
        {"land": ["Talvria", "Sormea"]},
        geometry=[box(480_000, 4_380_000, 514_000, 4_440_000), box(514_000, 4_380_000, 560_000, 4_440_000)],
        crs=UTM,
    )


SHARES = pd.DataFrame(
    {
        "outlet_id": [1, 2, 2],
        "country": ["Talvria", "Sormea", "Talvria"],
        "area_km2": [160.0, 702.2, 468.1],
        "share_pct": [100.0, 60.0, 40.0],
    }
)


@pytest.fixture
def figures(monkeypatch):
    """Keep the figures that are saved, with their texts."""
    kept = []
    save = frame.save
    monkeypatch.setattr(frame, "save", lambda figure, path: (kept.append(figure), save(figure, path))[1])
    return kept


def draw(path, *, dem=PLAIN, grid=GRID, **changes):
    options = {**layers(), **changes}
    return quicklook.basins_picture(path, dem=dem, grid=grid, **options)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def pixels(path, figure, places):
    """The colours of the picture at places of the map, #rrggbb."""
    picture = matplotlib.image.imread(path)
    found = figure.axes[0].transData.transform(places).astype(int)
    return [to_hex(picture[picture.shape[0] - 1 - up, across, :3]) for across, up in found]


def pixel(path, figure, x, y):
    return pixels(path, figure, [(x, y)])[0]


def test_the_same_product_gives_the_same_bytes(tmp_path):
    first = draw(tmp_path / "one.png", countries=countries(), country_field="land", shares=SHARES)
    matplotlib.rcParams["font.size"] = 20  # a reader's own settings change nothing
    try:
        second = draw(tmp_path / "two.png", countries=countries(), country_field="land", shares=SHARES)
    finally:
        matplotlib.rcParams["font.size"] = matplotlib.rcParamsDefault["font.size"]
    assert first.read_bytes() == second.read_bytes()
    assert b"matplotlib" not in first.read_bytes()


def test_no_window_system_is_touched():
    code = """
import sys
from bluepeace_gis.maps import quicklook
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning", "-c", code], check=True)


def test_every_part_has_the_colour_of_the_table(tmp_path, figures):
    path = draw(tmp_path / "a.png")
    (figure,) = figures
    larger, smaller = pixel(path, figure, 515_000, 4_405_000), pixel(path, figure, 505_000, 4_405_000)
    assert larger == styles.BASIN_TINTS[0]
    assert smaller == styles.BASIN_TINTS[1]
    assert pixel(path, figure, 507_000, 4_410_000) == styles.WATER
    # the middle of a line two pixels wide blends with its surroundings by a trace
    assert to_rgb(pixel(path, figure, 510_000, 4_404_000)) == pytest.approx(to_rgb(styles.INK), abs=0.02)
    assert pixel(path, figure, 501_000, 4_404_000) == quicklook._LAND


def test_unknown_land_stays_white(tmp_path, figures):
    dem = PLAIN.copy()
    dem[:, :16] = np.nan
    path = draw(tmp_path / "a.png", dem=dem)
    assert pixel(path, figures[0], 501_200, 4_404_000) == "#ffffff"
    assert pixel(path, figures[0], 501_800, 4_404_000) == quicklook._LAND


def test_slopes_away_from_the_light_are_darker_but_keep_their_hue(tmp_path, figures):
    column = np.arange(300.0)
    ridge = np.broadcast_to(2000 - 20 * np.abs(column - 60), GRID.shape)  # along x = 506 000
    path = draw(tmp_path / "a.png", dem=ridge)
    west, east = (to_rgb(pixel(path, figures[0], x, 4_405_000)) for x in (504_000, 508_000))
    assert sum(west) > sum(east) + 0.3
    assert east[2] > east[1] > east[0]  # a cool tint in the shadow, too


def test_a_plain_without_a_slope_casts_no_shadow():
    steps = np.full(5, 30.0)
    assert (relief.shade(np.full((5, 6), 12.0), steps, steps) == 0).all()


def test_light_does_not_depend_on_the_unit_of_the_slope():
    """A plain shows its forms as mountains do."""
    rise = np.random.default_rng(1).normal(size=(40, 50)).cumsum(axis=0).cumsum(axis=1)
    steps = np.full(40, 30.0)
    np.testing.assert_allclose(
        relief.shade(rise, steps, steps), relief.shade(rise / 100, steps, steps), atol=1e-9
    )


def test_a_cell_beside_the_unknown_has_flat_light():
    dem = np.add.outer(np.arange(6.0), np.arange(6.0))
    dem[0, 0] = np.nan
    light = relief.shade(dem, np.full(6, 30.0), np.full(6, 30.0))
    assert np.isfinite(light).all()
    assert light[0, 1] == 0
    assert light[4, 4] != 0


def test_blocks_are_averaged_over_what_is_known():
    dem = np.array([[1, 3, np.nan, np.nan, 9], [5, np.nan, np.nan, np.nan, 11]])
    np.testing.assert_array_equal(relief.decimated(dem, 2), [[3, np.nan, 10]])


def test_names_areas_and_shares_stand_in_the_picture(tmp_path, figures):
    draw(tmp_path / "a.png", countries=countries(), country_field="land", shares=SHARES, title="Two basins")
    said = texts(figures[0])
    thin = "\N{NARROW NO-BREAK SPACE}"
    for expected in (
        *(
            "Upper\n160.0 km²",
            f"Қуйи\n1{thin}170.3 km²",
            "Shares of the countries",
            "60.0 %",
            "40.0 %",
            "100.0 %",
        ),
        *("702.2 km²", "468.1 km²", "Borders", "Outlets", "Streams by Strahler order"),
    ):
        assert expected in said
    assert "\N{HAIR SPACE}".join("TALVRIA") in said
    assert "Two basins" in [text.get_text() for text in figures[0].texts]


def test_crossings_carry_their_numbers_and_are_larger_where_more_land_lies_upstream(tmp_path, figures):
    places = [(516_000, 4_410_000), (506_000, 4_410_000), (509_000, 4_415_000), (590_000, 4_410_000)]
    crossings = gpd.GeoDataFrame(
        {"crossing_id": [21, 22, 23, 24], "upstream_km2": [900.0, 400.0, 0.5, 0.4]},
        geometry=[Point(*place) for place in places],
        crs=UTM,
    )
    draw(tmp_path / "a.png", crossings=crossings.to_crs(4326))

    said = texts(figures[0])
    assert [number for number in said if number in {"21", "22", "23", "24"}] == [
        "21",
        "22",
        "23",
    ]  # 24 is not seen
    assert "Border crossings, numbered by size" in said
    diamonds = [line for line in figures[0].axes[0].lines if line.get_marker() == "D"]
    sizes = {round(float(line.get_xdata()[0]), -2): line.get_markersize() for line in diamonds}
    assert (sizes[516_000] / sizes[506_000]) ** 2 == pytest.approx(900 / 400)
    assert sizes[509_000] == quicklook.CROSSING_LEAST_PT
    assert len(sizes) == 3


def test_without_countries_areas_are_listed(tmp_path, figures):
    draw(tmp_path / "a.png")
    said = texts(figures[0])
    assert "Areas" in said
    assert "Borders" not in said
    assert not any("%" in text for text in said)


def test_a_country_has_one_tint_in_the_whole_picture():
    tints = quicklook._country_tints(SHARES)
    assert tints == {"Sormea": styles.COUNTRY_TINTS[0], "Talvria": styles.COUNTRY_TINTS[1]}


def test_a_border_that_only_the_view_cuts_is_not_drawn(tmp_path, figures):
    path = draw(tmp_path / "a.png", countries=countries(), country_field="land")
    view = figures[0].axes[0].get_xlim()
    border, frame = styles.LAYERS["countries"].outline, view[0] + 60
    assert border in pixels(path, figures[0], [(514_000, y) for y in range(4_402_600, 4_409_000, 40)])
    assert border not in pixels(path, figures[0], [(frame, y) for y in range(4_403_000, 4_417_000, 40)])


def boxes_of_labels(figure):
    axes = figure.axes[0]
    return [text.get_window_extent() for text in axes.texts if "km²" in text.get_text()], axes.bbox


def test_labels_of_crowded_outlets_keep_clear_of_each_other_and_of_the_frame(tmp_path, figures):
    count = 9
    x = 510_000 + 400 * np.arange(count)
    crowd = {
        "basins": gpd.GeoDataFrame(
            {
                "outlet_id": range(count),
                "name": [f"Gauge number {each}" for each in range(count)],
                "area_km2": 5.0,
            },
            geometry=[box(left, 4_402_000, left + 400, 4_418_000) for left in x],
            crs=UTM,
        ),
        "outlets": gpd.GeoDataFrame(
            {"outlet_id": range(count)}, geometry=[Point(left, 4_410_000) for left in x], crs=UTM
        ),
    }
    draw(tmp_path / "a.png", **crowd)
    boxes, frame = boxes_of_labels(figures[0])
    assert len(boxes) == count
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for each in boxes:
        assert frame.x0 <= each.x0 < each.x1 <= frame.x1
        assert frame.y0 <= each.y0 < each.y1 <= frame.y1


def test_basins_that_touch_or_lie_in_each_other_have_other_tints():
    whole, inner = box(0, 0, 10, 10), box(2, 2, 4, 4)
    row = [box(left, 20, left + 1, 21) for left in range(8)]
    basins = gpd.GeoDataFrame({"outlet_id": range(10)}, geometry=[whole, inner, *row], crs=UTM)
    tints = quicklook.tint_positions(basins)
    assert tints[0] != tints[1]
    assert all(one != other for one, other in pairwise(tints[2:]))


def test_a_basin_inside_another_is_drawn_over_it(tmp_path, figures):
    nested = layers()["basins"]
    nested.geometry = [
        box(504_000, 4_404_000, 508_000, 4_408_000),
        box(502_000, 4_402_000, 520_000, 4_418_000),
    ]
    path = draw(tmp_path / "a.png", basins=nested)
    assert pixel(path, figures[0], 506_000, 4_406_000) == styles.BASIN_TINTS[1]
    assert pixel(path, figures[0], 512_000, 4_406_000) == styles.BASIN_TINTS[0]


def test_many_basins_are_listed_as_far_as_they_fit(tmp_path, figures):
    count = 60
    many = gpd.GeoDataFrame(
        {"outlet_id": range(count), "name": None, "area_km2": np.arange(count) + 1.0},
        geometry=[
            box(500_000 + 300 * each, 4_402_000, 500_300 + 300 * each, 4_418_000) for each in range(count)
        ],
        crs=UTM,
    )
    outlets = gpd.GeoDataFrame({"outlet_id": range(count)}, geometry=many.geometry.centroid, crs=UTM)
    draw(tmp_path / "a.png", basins=many, outlets=outlets)
    (rest,) = [text for text in texts(figures[0]) if "more in the product's tables" in text]
    listed = [text.get_text() for text in figures[0].axes[1].texts if text.get_text().startswith("outlet ")]
    assert listed[0] == "outlet 59"
    assert rest.startswith(f"and {count - len(listed)} ")


def test_no_stream_no_country_in_sight_no_name_is_no_error(tmp_path, figures):
    lonely = layers()
    draw(
        tmp_path / "a.png",
        basins=lonely["basins"].assign(name=None),
        streams=lonely["streams"][:0],
        countries=countries().translate(1e6, 0).to_frame("geometry").assign(land=["a", "b"]),
        country_field="land",
        shares=SHARES[:0],
    )
    assert "outlet 1\n160.0 km²" in texts(figures[0])


@pytest.mark.parametrize("epsg", [4326, 3857, 32642, 32643])
def test_the_scale_bar_is_right_on_the_ground(tmp_path, figures, epsg):
    """Web Mercator stretches by a third here, and a degree is no metre."""
    transformer = Transformer.from_crs(UTM, epsg, always_xy=True)
    left, top = transformer.transform(500_000, 4_420_000)
    right, bottom = transformer.transform(530_000, 4_400_000)
    grid = Grid(CRS(epsg), Affine((right - left) / 300, 0, left, 0, -(top - bottom) / 200, top), (200, 300))
    draw(tmp_path / "a.png", grid=grid)

    axes = figures[0].axes[0]
    (end,) = [text for text in axes.texts if text.get_text().endswith(" km")]
    (start,) = [text for text in axes.texts if text.get_text() == "0"]
    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    middle = sum(axes.get_ylim()) / 2  # where the scale is said to hold
    ends = [to_degrees.transform(text.get_position()[0], middle) for text in (start, end)]
    _, _, length_m = Geod(ellps="WGS84").inv(*ends[0], *ends[1])
    assert length_m == pytest.approx(1000 * float(end.get_text().split()[0]), rel=0.003)
    # one kilometre is as long upwards as across
    view = axes.bbox
    up = [to_degrees.transform(sum(axes.get_xlim()) / 2, y) for y in axes.get_ylim()]
    across = [to_degrees.transform(x, middle) for x in axes.get_xlim()]
    metres = [Geod(ellps="WGS84").inv(*one, *other)[2] for one, other in (up, across)]
    assert metres[0] / view.height == pytest.approx(metres[1] / view.width, rel=0.005)


@pytest.mark.parametrize(
    ("length", "nice"), [(1, 1), (1.99, 1), (2, 2), (4.9, 2), (7, 5), (0.3, 0.2), (9999, 5000)]
)
def test_lengths_are_round(length, nice):
    assert frame.nice_length(length) == pytest.approx(nice)


def test_north_is_where_meridians_go():
    # east of the central meridian (69 E) true north lies to the left of grid north
    *_, east = frame.steps_on_earth(UTM, 700_000, 4_420_000)
    *_, middle = frame.steps_on_earth(UTM, 500_000, 4_420_000)
    assert math.degrees(middle) == pytest.approx(90, abs=0.01)
    # convergence = difference of longitude times the sine of the latitude
    longitude, latitude = Transformer.from_crs(UTM, 4326, always_xy=True).transform(700_000, 4_420_000)
    convergence = (longitude - 69) * math.sin(math.radians(latitude))
    assert math.degrees(east) == pytest.approx(90 + convergence, abs=0.02)


def test_bands_and_their_curve_hold_the_numbers(tmp_path, figures):
    bands = pd.DataFrame(
        {
            "outlet_id": [1, 1, 1, 2],
            "z_from_m": [400, 600, 800, 400],
            "z_to_m": [600, 800, 1000, 600],
            "area_km2": [50.0, 30.0, 20.0, 7.0],
        }
    )
    one = quicklook.hypsometric_picture(tmp_path / "a.png", bands, names={1: "Upper"})
    assert (
        one.read_bytes()
        == quicklook.hypsometric_picture(tmp_path / "b.png", bands, names={1: "Upper"}).read_bytes()
    )
    bars, curves = figures[0].axes[0], figures[0].axes[1]
    assert [patch.get_width() for patch in bars.patches] == [50, 30, 20]
    assert [patch.get_y() for patch in bars.patches] == [400, 600, 800]
    share, elevation = curves.lines[0].get_data()
    assert share.tolist() == pytest.approx([100, 50, 20, 0])
    assert elevation.tolist() == [400, 600, 800, 1000]
    assert [axes.get_title() for axes in figures[0].axes[::2]] == ["Upper\n100.0 km²", "outlet 2\n7.0 km²"]
