"""What an archive holds, at one look: where its scenes lie, when they were taken and how cloudy they are.

Drawn from the index alone, in the colours of :mod:`bluepeace_gis.maps.styles`. The same index gives
the same picture, byte for byte.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import matplotlib.dates
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Rectangle
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

DEGREES: Final = pyproj.CRS("EPSG:4326")
SMALLEST_M: Final = 20_000.0  # a scene of one field is shown with its surroundings
# Scenes of one path and row, or of one tile, differ by their swath's edge: a place is one outline if
# its bounds agree within this share of its size.
SAME_PLACE_SHARE: Final = 0.15
PLACES_LABELLED: Final = 30  # more numbers than that hide the map
SENSORS_SHOWN: Final = 8  # in the timeline, the others in one row; the archive rarely has more
INSET_PIXELS: Final = 3.0  # from one sensor's outline of a place to the next one's
ROW_HEIGHT: Final = 0.46  # inches, as are all sizes of the sheet
TIME_AXIS_HEIGHT: Final = 0.42
NAME_WIDTH: Final = 1.35
CLEAR_PCT: Final = 20.0  # what people look for first: scenes with less cloud than that
OTHERS: Final = "others"
_UNKNOWN_CLOUD: Final = "#9a9a9a"
_ROW: Final = "#f4f2ec"
_SEEN: Final = styles.BASIN_TINTS[0]


@dataclass(frozen=True)
class _Sensor:
    """One row of the timeline and the legend."""

    name: str
    colour: str
    scenes: gpd.GeoDataFrame


def archive_picture(path: Path | str, scenes: gpd.GeoDataFrame, *, title: str = "Archive") -> Path:
    """Draw the footprints of an archive on a graticule and its dates below, as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    scenes : polygons in longitude and latitude with platform, time (UTC) and cloud_pct (NaN: unknown)
        At least one.
    title : str

    Returns
    -------
    Path
        ``path``.

    Notes
    -----
    Footprints whose bounds agree within :data:`SAME_PLACE_SHARE` of their size are drawn once, with their
    number. In the timeline a scene lies the higher the cloudier it is.
    """
    sensors = _sensors(scenes)
    places = _places(sensors)
    shift = _over_the_date_line(places)
    drawn = [_moved(shape, shift) for _, shape, _ in places]
    view = frame.view_around(tuple(shapely.total_bounds(np.array(drawn)).tolist()), DEGREES, SMALLEST_M)
    foot = ROW_HEIGHT * len(sensors) + TIME_AXIS_HEIGHT + frame.MARGIN
    with frame.look():
        sheet = frame.map_sheet(title, view, foot=foot)
        frame.draw_graticule(sheet.map, view)
        _draw_land(sheet.map, drawn)
        order = {sensor.name: position for position, sensor in enumerate(sensors)}
        for (sensor, _, _), shape in zip(places, drawn, strict=True):
            inset = INSET_PIXELS * order[sensor.name] * view.unit_per_pixel
            _draw_outline(sheet.map, shape, sensor.colour, inset)
        labels = Labels(sheet.map)
        frame.draw_scale(sheet.map, view, labels)
        _draw_counts(places, drawn, labels)
        _draw_panel(sheet.panel(), sheet.map_height, sensors, scenes)
        axes = sheet.figure.add_axes(
            (
                (frame.MARGIN + NAME_WIDTH) / sheet.width,
                (frame.FOOT_HEIGHT + TIME_AXIS_HEIGHT) / sheet.height,
                (sheet.width - 2 * frame.MARGIN - NAME_WIDTH) / sheet.width,
                ROW_HEIGHT * len(sensors) / sheet.height,
            )
        )
        _draw_timeline(axes, sensors)
        sheet.note(
            "Footprints from the metadata of the scenes; those that nearly agree are drawn once, with their "
            "number. Map in longitude and latitude (WGS 84); dates in UTC."
        )
        return frame.save(sheet.figure, path)


# What is drawn


def _sensors(scenes: gpd.GeoDataFrame) -> list[_Sensor]:
    """Sort scenes by platform, the most frequent first; what is beyond the colours is one row."""
    counts = scenes.groupby("platform", sort=True).size().sort_values(ascending=False, kind="stable")
    names = list(counts.index)
    own = names if len(names) <= SENSORS_SHOWN else names[: SENSORS_SHOWN - 1]
    rows = [
        _Sensor(name, styles.SENSOR_COLOURS[position], scenes[scenes["platform"] == name])
        for position, name in enumerate(own)
    ]
    if len(own) < len(names):
        rest = scenes[~scenes["platform"].isin(own)]
        rows.append(_Sensor(OTHERS, styles.SENSOR_COLOURS[SENSORS_SHOWN - 1], rest))
    return rows


def _places(sensors: list[_Sensor]) -> list[tuple[_Sensor, BaseGeometry, int]]:
    """Join the scenes of a sensor that lie alike: their largest footprint and their number."""
    places = []
    for sensor in sensors:
        shapes = sensor.scenes.geometry.to_numpy()
        areas = shapely.area(shapes)
        bounds = shapely.bounds(shapes)
        left = np.lexsort(bounds.T)
        while len(left):
            alike = _alike(bounds[left])
            members, left = left[alike], left[~alike]
            places.append((sensor, shapes[members[np.argmax(areas[members])]], len(members)))
    # the large ones first, so that none hides a smaller one
    return sorted(places, key=lambda place: -float(place[1].area))


def _alike(bounds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which footprints lie where the first one does: (n, 4) bounds to (n,)."""
    left, bottom, right, top = bounds[0]
    allowed = SAME_PLACE_SHARE * max(right - left, top - bottom)
    alike: npt.NDArray[np.bool_] = (np.abs(bounds - bounds[0]) <= allowed).all(axis=1)
    return alike


def _over_the_date_line(places: list[tuple[_Sensor, BaseGeometry, int]]) -> bool:
    """Tell whether the map is narrower with the date line in its middle."""
    bounds = np.array([part.bounds for _, shape, _ in places for part in shapely.get_parts(shape)])
    west = np.where(bounds[:, [0, 2]] < 0, bounds[:, [0, 2]] + 360, bounds[:, [0, 2]])
    return bool(np.ptp(west) < np.ptp(bounds[:, [0, 2]]))


def _moved(shape: BaseGeometry, shift: bool) -> BaseGeometry:
    if not shift:
        return shape

    def eastern(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack([points[:, 0] % 360, points[:, 1]])

    return shapely.unary_union(shapely.transform(shapely.get_parts(shape), eastern))


# The map


def _draw_land(axes: Axes, shapes: list[BaseGeometry]) -> None:
    """Tint once whatever any scene shows: dozens of tints over each other would end in mud."""
    path = frame.outline(shapely.union_all(shapes))
    if path is not None:
        axes.add_patch(PathPatch(path, facecolor=_SEEN, edgecolor="none", zorder=1))


def _draw_outline(axes: Axes, shape: BaseGeometry, colour: str, inset: float) -> None:
    """Draw an outline a little inside, so that sensors that see the same tile do not hide each other."""
    inner = shape.buffer(-inset, join_style="mitre")
    path = frame.outline(shape if inner.is_empty else inner)
    if path is not None:
        axes.add_patch(
            PathPatch(path, facecolor="none", edgecolor=colour, linewidth=1.2, joinstyle="round", zorder=3)
        )


def _draw_counts(
    places: list[tuple[_Sensor, BaseGeometry, int]],
    drawn: list[BaseGeometry],
    labels: Labels,
) -> None:
    """Write into each place how many scenes it has of all sensors, where that stays readable."""
    bounds = np.array([shape.bounds for shape in drawn])
    left = np.arange(len(places))
    found = []
    while len(left):
        alike = _alike(bounds[left])
        found.append((sum(places[each][2] for each in left[alike]), drawn[left[0]]))
        left = left[~alike]
    for count, shape in found if len(found) <= PLACES_LABELLED else ():
        labels.place_inside(_thousands(count), shape)


# The panel


def _draw_panel(axes: Axes, height: float, sensors: list[_Sensor], scenes: gpd.GeoDataFrame) -> None:
    """List the sensors with their numbers, and when and how clear the scenes are."""
    axes.text(0, -0.02, f"{_counted(len(scenes), 'scene')}", size=10, weight="bold", va="top")
    days = scenes["time"]
    axes.text(0, -0.24, f"{_day(days.min())} to {_day(days.max())}", size=8.5, va="top")
    axes.text(
        frame.PANEL_WIDTH,
        -0.50,
        f"below {CLEAR_PCT:g} % cloud",
        size=7.5,
        va="top",
        ha="right",
        style="italic",
    )
    depth = 0.70
    for sensor in sensors:
        if depth + 0.2 > height:
            break
        axes.add_patch(
            Rectangle(
                (0.02, -depth - 0.12), 0.2, 0.12, facecolor="none", edgecolor=sensor.colour, linewidth=1.8
            )
        )
        axes.text(0.32, -depth, frame.shortened(spoken(sensor.name), 20), size=8.5, va="top")
        axes.text(2.05, -depth, _thousands(len(sensor.scenes)),
                  size=8.5, va="top", ha="right")  # fmt: skip
        clear = int((sensor.scenes["cloud_pct"] < CLEAR_PCT).sum())
        axes.text(frame.PANEL_WIDTH, -depth, _thousands(clear),
                  size=8.5, va="top", ha="right")  # fmt: skip
        depth += 0.22


def spoken(platform: str) -> str:
    """Return the name of a platform as people write it: landsat-9 is Landsat 9, sentinel-2b Sentinel-2B."""
    kind, _, number = platform.partition("-")
    if kind == "landsat":
        return f"Landsat {number}"
    if kind == "sentinel":
        return f"Sentinel-{number.upper()}"
    return platform if platform == OTHERS else platform.capitalize()


def _counted(number: int, word: str) -> str:
    return f"{_thousands(number)} {word}" + "s" * (number != 1)


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _day(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%d")


# The timeline


def _draw_timeline(axes: Axes, sensors: list[_Sensor]) -> None:
    """Draw one row a sensor: a dot a scene, the higher the cloudier; unknown cloud lies across the row."""
    times = pd.concat([sensor.scenes["time"] for sensor in sensors])
    first, last = times.min(), times.max()
    air = max((last - first) * 0.015, pd.Timedelta(days=2))
    axes.set_xlim(_number(first - air), _number(last + air))
    axes.set_ylim(len(sensors), 0)
    for row, sensor in enumerate(sensors):
        _draw_row(axes, row, sensor)
    axes.set_yticks([row + part for row in range(len(sensors)) for part in (0.14, 0.86)])
    axes.set_yticklabels(["100", "0"] * len(sensors), size=6.5, color=frame.NOTE)
    axes.tick_params(axis="y", length=2, pad=1)
    locator = matplotlib.dates.AutoDateLocator(minticks=4, maxticks=12)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = matplotlib.dates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.tick_params(axis="x", labelsize=8, length=3)
    axes.grid(axis="x", color=frame.GRATICULE, linewidth=0.5, zorder=1.5)
    axes.set_axisbelow(True)
    axes.annotate(
        "cloud, %", (0, 1), xycoords="axes fraction", xytext=(-2, 4), textcoords="offset points",
        size=7, ha="right", va="bottom", color=frame.NOTE,
    )  # fmt: skip
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)


def _draw_row(axes: Axes, row: int, sensor: _Sensor) -> None:
    axes.axhspan(row + 0.08, row + 0.92, facecolor=_ROW, edgecolor="none", zorder=1)
    axes.annotate(
        frame.shortened(spoken(sensor.name), 16),
        (0, row + 0.5),
        xycoords=("axes fraction", "data"),
        xytext=(-24, 0),
        textcoords="offset points",
        size=8.5,
        weight="bold",
        color=sensor.colour,
        ha="right",
        va="center",
    )
    when = np.array([_number(moment) for moment in sensor.scenes["time"]])
    cloud = sensor.scenes["cloud_pct"].to_numpy(dtype=float)
    known = np.isfinite(cloud)
    height = row + 0.86 - 0.72 * np.clip(cloud, 0, 100) / 100
    size = 16.0 if len(when) <= 200 else 8.0 if len(when) <= 1000 else 4.0
    axes.scatter(
        when[known],
        height[known],
        s=size,
        facecolor=sensor.colour,
        edgecolor=styles.PAPER,
        linewidth=0.3,
        zorder=3,
        clip_on=False,
    )
    if not known.all():
        axes.add_collection(
            LineCollection(
                [[(moment, row + 0.14), (moment, row + 0.86)] for moment in when[~known].tolist()],
                colors=_UNKNOWN_CLOUD,
                linewidths=0.8,
                zorder=2,
            ),
            autolim=False,
        )


def _number(moment: pd.Timestamp) -> float:
    return float(matplotlib.dates.date2num(moment.to_pydatetime()))  # type: ignore[no-untyped-call]
