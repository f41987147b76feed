"""Parts of a printed sheet: letters that fit, scales, true north, boundaries and labels told apart."""

import itertools
import math

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from colour_sight import READERS, lightness_and_colour
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from bluepeace_gis.errors import BadInput
from bluepeace_gis.maps import frame, sheet_map, styles
from bluepeace_gis.maps.boundaries import NATURAL_EARTH, with_status
from bluepeace_gis.maps.labels import box_of
from bluepeace_gis.maps.sheet_layout import Row, Table, fitting, text_width, wrapped
from bluepeace_gis.maps.texts import texts_in

GEOD = pyproj.Geod(ellps="WGS84")


def canvas_of(width=180.0, height=150.0, bounds=(69.0, 41.0, 70.0, 42.0)):
    crs = sheet_map.equal_area_around(bounds)
    focus = sheet_map.on_map(gpd.GeoSeries([shapely.box(*bounds)], crs="EPSG:4326"), crs)
    view, scale = sheet_map.fitted_view(focus, crs, width, height)
    drawn = Figure(figsize=(width / 25.4, height / 25.4), dpi=sheet_map.PICTURE_DPI)
    FigureCanvasAgg(drawn)
    axes = drawn.add_axes((0, 0, 1, 1))
    frame.limit(axes, view)
    return sheet_map.Canvas(axes, crs, view, width, scale, texts_in("en"), 1.0)


# --- words and tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [3, 12, 40, 400])
def test_lines_fit_their_width_and_lose_no_letter(width):
    text = "Показанные на этой карте границы и названия\nNebeljatkogorskoye-Verkhnepyshminskoye-2 x"

    lines = wrapped(text, width, 7.5)

    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert all(text_width(line, 7.5) <= width or len(line) == 1 for line in lines)


def test_a_name_without_room_ends_with_an_ellipsis():
    short = fitting("Верхнекызылсуйский гидроузел", 25, 7.5)
    assert short.endswith("…")
    assert text_width(short, 7.5) <= 25


def test_a_table_is_cut_before_a_group_and_says_how_many_are_left_out():
    rows = tuple(Row((f"{head} {part}", "1.0"), head=part == 0) for head in range(4) for part in range(3))
    whole = Table((("name",), ("km2",)), rows, "{} more".format)
    tall = whole.height(60, 1.0)

    assert whole.shown(60, 1.0) == 12
    shown = [
        Table(whole.headings, rows, whole.more, tall * share).shown(60, 1.0) for share in (0.95, 0.6, 0.3, 0)
    ]
    assert all(count % 3 == 0 for count in shown)  # never between a basin and its countries
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == 9
    assert shown[-1] == 0
    cut = Table(whole.headings, rows, whole.more, tall * 0.6)
    assert cut.height(60, 1.0) <= tall * 0.6 + 1e-6


# --- scale, projection, north --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "nice"), [(1, 1), (99_999, 100_000), (100_001, 125_000), (262_000, 300_000), (7_600_000, 1e7)]
)
def test_scales_are_round_and_show_no_less(scale, nice):
    assert sheet_map.nice_scale(scale) == nice


@pytest.mark.parametrize(
    "bounds", [(69.0, 41.0, 70.0, 42.0), (50.0, 36.0, 80.0, 50.0), (-70.4, -33, -70, -32)]
)
def test_a_millimetre_of_paper_is_as_long_as_the_scale_says_and_areas_are_true(bounds):
    canvas = canvas_of(bounds=bounds)
    west, south, east, north = bounds
    middle = shapely.box(
        *(0.1 * np.array(bounds) + 0.9 * np.tile([(west + east) / 2, (south + north) / 2], 2))
    )

    on_paper = sheet_map.on_map(gpd.GeoSeries([middle], crs="EPSG:4326"), canvas.crs)[0]
    metres = (canvas.view.right - canvas.view.left) * canvas.view.metres_per_unit

    assert metres / (canvas.width_mm / 1000) == pytest.approx(canvas.scale, rel=1e-9)
    dense = shapely.segmentize(shapely.box(*bounds), 0.01)
    whole = sheet_map.on_map(gpd.GeoSeries([dense], crs="EPSG:4326"), canvas.crs)[0]
    assert whole.area == pytest.approx(abs(GEOD.geometry_area_perimeter(dense)[0]), rel=2e-5)
    assert canvas.view.box.contains(on_paper)


def test_the_arrow_points_to_the_pole_away_from_the_central_meridian_too():
    canvas = canvas_of(bounds=(50.0, 36.0, 80.0, 50.0))
    sheet_map.draw_scale_and_north(canvas, shapely.Point(0, 0))
    [arrow] = [each for each in canvas.axes.texts if getattr(each, "arrow_patch", None) is not None]

    (tip_x, tip_y), (foot_x, foot_y) = arrow.xy, arrow.get_position()
    drawn = math.atan2(tip_y - foot_y, tip_x - foot_x)
    to_degrees = pyproj.Transformer.from_crs(canvas.crs, "EPSG:4326", always_xy=True)
    azimuth, _, _ = GEOD.inv(*to_degrees.transform(foot_x, foot_y), *to_degrees.transform(tip_x, tip_y))

    assert abs(azimuth) < 0.2  # degrees
    assert abs(math.degrees(drawn) - 90) > 3  # the map is wide enough for meridians to lean


def test_every_meridian_and_parallel_that_leaves_the_map_is_named():
    canvas = canvas_of(bounds=(50.0, 36.0, 80.0, 50.0))
    sheet_map.draw_graticule(canvas)

    names = [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in canvas.axes.texts]

    assert {"50° E", "60° E", "70° E", "80° E", "40° N", "50° N"} <= set(names)


# --- boundaries ----------------------------------------------------------------------------------------


def lines_with(**columns):
    count = len(next(iter(columns.values())))
    shapes = [shapely.LineString([(70 + place, 41), (70 + place, 42)]) for place in range(count)]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")


def test_the_status_is_read_in_letters_of_any_size_and_in_natural_earths_words():
    found, none = with_status(
        lines_with(s=["Agreed", " DISPUTED", "International boundary (verify)"]), "s", "x"
    )

    assert found["status"].tolist() == ["agreed", "disputed", "unverified"]
    assert none == ()
    assert set(NATURAL_EARTH.values()) == {"unverified", "disputed", None}


def test_a_leased_area_has_no_boundary_between_countries():
    found, none = with_status(lines_with(s=["agreed", "Lease limit"]), "s", "x")

    assert len(found) == 1
    assert none == ("Lease limit",)


@pytest.mark.parametrize("wrong", ["perhaps", "", None, 3, float("nan")])
def test_a_line_without_a_known_status_is_refused(wrong):
    with pytest.raises(BadInput, match="agreed, unverified, disputed"):
        with_status(lines_with(s=["agreed", wrong]), "s", "x")


@pytest.mark.parametrize("field", ["status", "geometry"])
def test_a_missing_column_is_named_with_those_there_are(field):
    with pytest.raises(BadInput, match="it has s"):
        with_status(lines_with(s=["agreed"]), field, "x")


def test_lines_that_are_all_leased_are_refused():
    with pytest.raises(BadInput, match="lease limit"):
        with_status(lines_with(s=["lease limit"]), "s", "x")


def printed(status):
    """Ink along a boundary, as a photocopier sees it: (pixels,) from 0, paper, to 1."""
    canvas = canvas_of(60, 60)
    middle = gpd.GeoDataFrame(
        {"status": [status]}, geometry=[shapely.LineString([(69.5, 40.0), (69.5, 43.0)])], crs="EPSG:4326"
    )
    assert sheet_map.draw_boundaries(canvas, middle) == (status,)
    drawn = canvas.axes.get_figure()
    drawn.canvas.draw()
    grey = np.asarray(drawn.canvas.buffer_rgba())[..., :3].mean(axis=2)
    return 1 - grey[50:-50, 50:-50].min(axis=1) / 255


def test_the_statuses_of_boundaries_differ_in_a_grey_photocopy():
    runs = {}
    for status in sheet_map.STATUSES:
        ink = printed(status) > 0.5
        edges = np.flatnonzero(np.diff(ink.astype(int)))
        runs[status] = np.unique(np.round(np.diff(edges) * 25.4 / sheet_map.PICTURE_DPI, 1)).tolist()
        assert 0.3 < ink.mean() < 0.9, status
    # strokes in millimetres: long ones, long with dots between, dots
    assert max(runs["disputed"]) < 1.3 < max(runs["unverified"]) < max(runs["agreed"])


@pytest.mark.parametrize("name", ["agreed", "unverified", "disputed"])
def test_boundaries_outside_of_the_map_have_no_place_in_its_legend(name):
    away = gpd.GeoDataFrame({"status": [name]}, geometry=[shapely.LineString([(10, 10), (11, 11)])], crs=4326)
    assert sheet_map.draw_boundaries(canvas_of(), away) == ()


def test_a_polygon_without_a_boundary_is_no_country_and_has_no_name():
    countries = gpd.GeoDataFrame(
        {"name": ["Left", "Right", "Leased"]},
        geometry=[
            shapely.box(68, 40, 69.5, 43) - shapely.box(69.1, 41.2, 69.4, 41.5),
            shapely.box(69.5, 40, 71, 43),
            shapely.box(69.1, 41.2, 69.4, 41.5),
        ],
        crs=4326,
    )  # fmt: skip
    line = gpd.GeoDataFrame(
        {"status": ["agreed"]}, geometry=[shapely.LineString([(69.5, 40), (69.5, 43)])], crs=4326
    )
    canvas = canvas_of()

    sheet_map.name_countries(canvas, countries, "name", line)

    names = [text.get_text() for text in canvas.axes.texts]
    assert sorted(names) == ["LEFT", "RIGHT"]


# --- labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [12, 60, 150])
def test_labels_do_not_collide_with_each_other_nor_with_points(count):
    canvas = canvas_of()
    random = np.random.default_rng(7)
    view = canvas.view
    x = random.uniform(view.left, view.right, count)
    y = random.uniform(view.bottom, view.top, count)
    sheet_map.draw_scale_and_north(canvas, shapely.Point(0, 0))
    fixed = [canvas.labels.taken[0]]
    canvas.points(x.tolist(), y.tolist(), "outlets")
    for place in range(count):
        canvas.name(f"Gauge number {place}", x[place], y[place], 7.4)

    before = set(canvas.axes.texts)
    canvas.write_names()

    names = [
        each
        for each in canvas.axes.texts
        if each not in before and isinstance(each, Text) and each.get_text()
    ]
    assert len(names) + len(canvas.left_out) == count
    assert len(names) >= min(count, 40) * 0.9
    boxes = [shapely.box(*each.get_window_extent().extents) for each in names]
    for one, other in itertools.combinations(boxes, 2):
        assert one.intersection(other).area < 1e-6
    page = shapely.box(*canvas.axes.bbox.extents).buffer(1)
    points = shapely.points(canvas.axes.transData.transform(np.column_stack([x, y])))
    for box in boxes:
        assert page.contains(box)
        assert not box.intersects(shapely.box(*fixed[0]))
        assert not shapely.contains(box, points).any()


def test_a_number_stands_on_its_area_and_moves_where_another_stands():
    canvas = canvas_of()
    x, y = (canvas.view.left + canvas.view.right) / 2, (canvas.view.bottom + canvas.view.top) / 2

    canvas.number("1", x, y, 7)
    canvas.number("2", x, y, 7)
    canvas.write_names()

    one, other = (each for each in canvas.axes.texts if each.get_text() in {"1", "2"})
    assert one.get_position() == (x, y)
    assert not box_of(one).overlaps(other.get_window_extent())


# --- colours -------------------------------------------------------------------------------------------


LEGENDS = {
    "glaciers": [styles.LAYERS[name].fill for name in ("glaciers", "debris", "unseen")],
    "glacier change": [each.colour for each in styles.LAYERS["glacier_change"].classes],
    "irrigation": [each.colour for each in styles.LAYERS["irrigation"].classes],
    "irrigation change": [each.colour for each in styles.LAYERS["irrigation_change"].classes],
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", LEGENDS)
def test_every_reader_tells_the_areas_of_a_sheet_apart(name, reader):
    for one, other in itertools.combinations(LEGENDS[name], 2):
        seen = [lightness_and_colour(colour, reader) for colour in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 9, (one, other)


@pytest.mark.parametrize("name", LEGENDS)
def test_letters_and_boundaries_are_read_on_every_colour_in_grey(name):
    for colour in LEGENDS[name]:
        paper = lightness_and_colour(styles.PAPER)[0]
        ground = lightness_and_colour(colour)[0]
        ink = max(lightness_and_colour(each)[0] for each in (styles.INK, sheet_map.BOUNDARY_COLOUR))
        # dark lines have a light rim: one of both stands out
        assert max(ground - ink, paper - ground) > 40, colour
