"""The picture of an archive shows where, when and how cloudy, alike each time, also over the date line."""

import geopandas as gpd
import matplotlib.dates
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from shapely.geometry import box

from bluepeace_gis.maps import archive_picture, frame, styles

TILE, NEXT = box(70, 40, 71.2, 41), box(71, 40, 72.2, 41)


def archive(*rows):
    """(platform, day, cloud in percent or None, footprint)"""
    names = ["platform", "time", "cloud_pct", "geometry"]
    table = gpd.GeoDataFrame([*rows], columns=names, geometry="geometry", crs="EPSG:4326")
    table["time"] = pd.to_datetime(table["time"], utc=True)
    table["cloud_pct"] = table["cloud_pct"].astype(float)
    return table


YEAR = archive(
    ("landsat-9", "2023-07-15", 0, TILE),
    ("landsat-9", "2023-07-31", 100, TILE.buffer(0.02)),
    ("landsat-9", "2023-08-16", 19.9, NEXT),
    ("sentinel-2b", "2023-06-01", None, TILE),
)


@pytest.fixture
def figures(monkeypatch):
    """Keep the figures that are saved, with their texts."""
    kept = []
    save = frame.save
    monkeypatch.setattr(frame, "save", lambda figure, path: (kept.append(figure), save(figure, path))[1])
    return kept


def draw(path, scenes=YEAR, **more):
    return archive_picture.archive_picture(path, scenes, **more)


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def rows(axes):
    """The dots of the timeline: (days, heights) by row."""
    dots = [part.get_offsets() for part in axes.collections if isinstance(part, PathCollection)]
    return [np.asarray(each) for each in dots if len(each)]


def counts(axes):
    """The numbers of scenes in the map; those of the scale bar stand upright."""
    return sorted(text.get_text() for text in axes.texts if text.get_style() == "italic")


def test_the_same_index_gives_the_same_bytes(tmp_path):
    first = draw(tmp_path / "one.png")
    matplotlib.rcParams["font.size"] = 20  # a reader's own settings change nothing
    try:
        second = draw(tmp_path / "two.png")
    finally:
        matplotlib.rcParams["font.size"] = matplotlib.rcParamsDefault["font.size"]
    assert first.read_bytes() == second.read_bytes()


def test_numbers_dates_and_places_stand_in_it(tmp_path, figures):
    draw(tmp_path / "a.png", title="Scenes of the valley")
    plot, panel, _ = figures[0].axes
    said = texts(panel)
    for expected in ("4 scenes", "2023-06-01 to 2023-08-16", "Landsat 9", "3", "2", "Sentinel-2B", "1", "0"):
        assert expected in said
    # places that nearly agree are one, of all sensors together
    assert counts(plot) == ["1", "3"]
    assert "Scenes of the valley" in [text.get_text() for text in figures[0].texts]
    assert {"70°E", "71°E"} <= set(texts(plot)) or {"70°30\N{PRIME}E", "71°E"} <= set(texts(plot))


def test_dots_lie_at_their_day_and_the_higher_the_cloudier(tmp_path, figures):
    draw(tmp_path / "a.png")
    timeline = figures[0].axes[2]
    (landsat,) = rows(timeline)  # the scene of the other sensor has no known cloud and no dot
    days = [matplotlib.dates.num2date(day).strftime("%Y-%m-%d") for day in landsat[:, 0]]
    assert days == ["2023-07-15", "2023-07-31", "2023-08-16"]
    clear, cloudy, half = landsat[:, 1]
    assert clear > half > cloudy  # rows count downwards
    assert half == pytest.approx(clear - (clear - cloudy) * 0.199)
    labels = [label.get_text() for label in timeline.get_yticklabels()]
    ticks = timeline.get_yticks()
    assert (labels[0], ticks[0]) == ("100", pytest.approx(cloudy))
    assert (labels[1], ticks[1]) == ("0", pytest.approx(clear))


def test_a_scene_of_unknown_cloud_is_a_line_across_its_row(tmp_path, figures):
    draw(tmp_path / "a.png")
    timeline = figures[0].axes[2]
    (segments,) = (part.get_segments() for part in timeline.collections if hasattr(part, "get_segments"))
    ((start, end),) = segments
    assert start[0] == end[0] == matplotlib.dates.date2num(YEAR["time"][3].to_pydatetime())
    assert 1 < start[1] < end[1] < 2  # the second row


def test_outlines_of_two_sensors_of_one_tile_are_both_seen(tmp_path, figures):
    path = draw(tmp_path / "a.png")
    picture = matplotlib.image.imread(path)[..., :3]
    plot = figures[0].axes[0]
    # along a row of pixels over the western edge of the tile
    (left, height), (right, _) = plot.transData.transform([(69.95, 40.37), (70.05, 40.37)]).astype(int)
    row = picture[picture.shape[0] - 1 - height, left:right]
    for colour in styles.SENSOR_COLOURS[:2]:
        assert np.abs(row - to_rgb(colour)).sum(axis=1).min() < 0.2, colour  # a thin line blends a little


def test_land_that_many_scenes_show_has_the_tint_of_land_that_one_shows(tmp_path, figures):
    many = archive(
        *[("landsat-9", f"2023-07-{day:02d}", 5, TILE) for day in range(1, 29)],
        ("terra", "2020-01-01", 5, NEXT),
    )
    path = draw(tmp_path / "a.png", many)
    picture = matplotlib.image.imread(path)
    places = figures[0].axes[0].transData.transform([(70.3, 40.3), (71.9, 40.3)]).astype(int)
    colours = {to_hex(picture[picture.shape[0] - 1 - up, across, :3]) for across, up in places}
    assert colours == {styles.BASIN_TINTS[0]}


def test_a_map_over_the_date_line_is_narrow(tmp_path, figures):
    cut = box(178.5, -18, 180, -16).union(box(-180, -18, -179, -16))
    draw(
        tmp_path / "a.png",
        archive(("landsat-8", "2023-01-01", 1, cut), ("landsat-8", "2023-01-02", 1, box(177, -17, 179, -15))),
    )
    plot = figures[0].axes[0]
    left, right = plot.get_xlim()
    assert right - left < 10
    assert any(text.endswith("W") for text in texts(plot))
    assert any(text.endswith("E") for text in texts(plot))


def test_more_sensors_than_colours_share_the_last_row(tmp_path, figures):
    platforms = [f"sat-{number:02d}" for number in range(12)]
    table = archive(*[(name, f"2023-01-{day + 1:02d}", 3, TILE) for day, name in enumerate(platforms)])
    draw(tmp_path / "a.png", table)
    panel = texts(figures[0].axes[1])
    assert archive_picture.OTHERS in panel
    assert "5" in panel
    assert sum(len(dots) for dots in rows(figures[0].axes[2])) == 12


def test_ten_thousand_scenes_and_one_are_drawn(tmp_path, figures):
    draw(tmp_path / "one.png", YEAR[:1])
    random = np.random.default_rng(1)
    count = 10_000
    days = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 4000, count), unit="D")
    corners = random.integers(60, 70, (count, 2))
    many = gpd.GeoDataFrame(
        {"platform": "landsat-8", "time": days, "cloud_pct": random.uniform(0, 100, count)},
        geometry=[box(x, y - 25, x + 2, y - 23) for x, y in corners],
        crs="EPSG:4326",
    )
    draw(tmp_path / "many.png", many)
    thin = "\N{NARROW NO-BREAK SPACE}"
    assert f"10{thin}000 scenes" in texts(figures[1].axes[1])
    assert counts(figures[1].axes[0]) == []  # a hundred places


@pytest.mark.parametrize(
    ("platform", "name"),
    [("landsat-9", "Landsat 9"), ("sentinel-2b", "Sentinel-2B"), ("terra", "Terra"), ("unknown", "Unknown")],
)
def test_platforms_have_the_names_people_write(platform, name):
    assert archive_picture.spoken(platform) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (71, "71°E"),
        (-71.5, "71°30\N{PRIME}W"),
        (0, "0°"),
        (180, "180°"),
        (-180, "180°"),
        (10 / 60, "0°10\N{PRIME}E"),
    ],
)
def test_degrees_are_written_as_on_maps(value, text):
    assert frame._degrees(value, "E", "W") == text


@pytest.mark.parametrize(("width", "step"), [(300, 45), (4.4, 2), (1, 1), (0.3, 0.25), (0.001, 1 / 60)])
def test_the_net_has_usual_distances(width, step):
    assert frame.nice_degrees(width) == pytest.approx(step)
