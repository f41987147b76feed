"""Pictures of area estimates: where the points of a sample lie, and areas with their intervals."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

MAP_CELLS: Final = 1200  # along the longer side of a map's background
SMALLEST_M: Final = 1_000.0
# Sizes are inches.
WIDTH: Final = 9.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 2.3, 0.5, 0.75, 0.55
_ROW, _LINE, _SWATCH = 0.34, 0.19, 0.16
_BETWEEN: Final = 0.75
MOST_ZONES: Final = 30  # bars of so many zones still stand apart
_MAPPED: Final = "#c9c2ae"
_ESTIMATE: Final = styles.SENSOR_COLOURS[0]
_LOSS: Final = styles.SENSOR_COLOURS[1]


@dataclass(frozen=True)
class Background:
    """The map below the points, coarser than its file.

    grid      of the values
    codes     (rows, columns) float, NaN where nodata
    classes   ((code, name), ...)
    """

    grid: Grid
    codes: NDArray[np.float32]
    classes: tuple[tuple[int, str], ...]


def points_picture(
    path: Path | str, background: Background, points: gpd.GeoDataFrame, strata: pd.DataFrame, *, title: str
) -> Path:
    """Draw the points of a sample over the map, by stratum, as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    background : Background
    points : GeoDataFrame
        In the CRS of the map, with ``stratum``.
    strata : DataFrame
        ``stratum``, ``area_ha`` and ``points``.
    title : str

    Returns
    -------
    Path
        ``path``.
    """
    grid = background.grid
    seen = frame.view_around(grid.bounds, grid.crs, SMALLEST_M)
    with frame.look():
        sheet = frame.map_sheet(title, seen)
        left, bottom, right, top = grid.bounds
        if grid.north_up:
            sheet.map.imshow(
                _tinted(background), extent=(left, right, bottom, top), interpolation="none", zorder=1
            )
        frame.limit(sheet.map, seen)
        for position, stratum in enumerate(strata["stratum"]):
            part = points[points["stratum"] == stratum]
            sheet.map.plot(
                part.geometry.x,
                part.geometry.y,
                linestyle="none",
                marker="o",
                markersize=4.2,
                markerfacecolor=styles.tint(position, styles.SENSOR_COLOURS),
                markeredgecolor=styles.PAPER,
                markeredgewidth=0.5,
                zorder=5,
            )
        frame.limit(sheet.map, seen)
        frame.draw_scale(sheet.map, seen, Labels(sheet.map))
        _draw_strata(sheet.panel(), background, strata)
        sheet.note(
            "Every place of a stratum is equally likely. Tints: the classes of the map; white: no point."
        )
        return frame.save(sheet.figure, path)


def _tinted(background: Background) -> NDArray[np.uint8]:
    picture = np.zeros((*background.codes.shape, 4), np.uint8)
    for position, (code, _) in enumerate(background.classes):
        colour = np.array(to_rgba(styles.tint(position))) * 255
        picture[background.codes == code] = colour.round().astype(np.uint8)
    return picture


def _draw_strata(axes: Axes, background: Background, strata: pd.DataFrame) -> None:
    line = 0.0

    def write(text: str, x: float = 0.0, **look: Any) -> None:
        axes.text(x, line, text, va="center", **look)

    line -= _LINE / 2
    write("Points in strata", weight="bold")
    write("ha", frame.PANEL_WIDTH - 0.5, ha="right", color=frame.NOTE, size=7.5)
    write("points", frame.PANEL_WIDTH, ha="right", color=frame.NOTE, size=7.5)
    for position, row in enumerate(strata.to_dict("records")):
        line -= _LINE
        axes.plot(
            [0.07], [line], marker="o", markersize=6, markeredgecolor=styles.PAPER, linestyle="none",
            markerfacecolor=styles.tint(position, styles.SENSOR_COLOURS),
        )  # fmt: skip
        write(frame.shortened(str(row["stratum"]), 22), 0.22)
        write(_thousands(float(row["area_ha"])), frame.PANEL_WIDTH - 0.5, ha="right")
        write(f"{int(row['points'])}", frame.PANEL_WIDTH, ha="right")
    line -= 1.8 * _LINE
    write("Classes of the map", weight="bold")
    for position, (_, name) in enumerate(background.classes):
        line -= _LINE
        corner = (0.0, line - _SWATCH / 2)
        axes.add_patch(
            Rectangle(
                corner, 0.2, _SWATCH, facecolor=styles.tint(position), edgecolor=styles.INK, linewidth=0.4
            )
        )
        write(frame.shortened(name, 30), 0.3)


def areas_picture(
    path: Path | str,
    areas: pd.DataFrame,
    changes: pd.DataFrame | None,
    *,
    title: str,
    notes: Sequence[str] = (),
) -> Path:
    """Draw areas with their intervals, and changes where there are any, as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    areas : DataFrame
        As ``area.csv``.
    changes : DataFrame or None
        As ``area_change.csv``.
    title : str
    notes : list of str
        Sentences below the title.

    Returns
    -------
    Path
        ``path``. Zones are shown with one class: what the map is made for, else the smallest.
    """
    charts = _charts(areas, changes)
    wrapped = [line for note in notes for line in textwrap.wrap(note, 110)]
    above = _TOP + len(wrapped) * _LINE
    height = above + _BOTTOM + sum(len(chart.labels) * _ROW + _BETWEEN for chart in charts) - _BETWEEN
    with frame.look():
        figure = frame.sheet(WIDTH, height, title)
        for number, line in enumerate(wrapped):
            figure.text(frame.MARGIN / WIDTH, 1 - (0.52 + number * _LINE) / height, line, va="top", size=8.5)
        top = height - above
        for chart in charts:
            tall = len(chart.labels) * _ROW
            axes = figure.add_axes(
                (_LEFT / WIDTH, (top - tall) / height, (WIDTH - _LEFT - _RIGHT) / WIDTH, tall / height)
            )
            _draw_chart(axes, chart)
            top -= tall + _BETWEEN
        figure.text(
            frame.MARGIN / WIDTH,
            0.1 / height,
            "Dot and bar: estimate by points, Jeffreys interval (95 %); thin line: Wald; grey: counted on "
            "the map.",
            size=7,
            va="bottom",
            color=frame.NOTE,
        )
        return frame.save(figure, path)


@dataclass(frozen=True)
class _Chart:
    title: str
    labels: list[str]
    rows: pd.DataFrame  # area_ha, ci_low_ha, ci_high_ha, wald_low_ha, wald_high_ha, map_area_ha


def _charts(areas: pd.DataFrame, changes: pd.DataFrame | None) -> list[_Chart]:
    whole = areas[areas["zone"] == "all"]
    several = len(set(whole["year"])) > 1
    names = [
        frame.shortened(f"{row['class']} {row['year']}" if several else str(row["class"]), 32)
        for row in whole.to_dict("records")
    ]
    found = [_Chart("Area, thousand ha", names, whole)]
    if changes is not None:
        net = changes[(changes["zone"] == "all") & (changes["measure"] == "net")].assign(map_area_ha=np.nan)
        labels = [
            frame.shortened(f"{row['class']}, {row['from_year']} to {row['to_year']}", 34)
            for row in net.to_dict("records")
        ]
        found.append(_Chart("Change, thousand ha", labels, net))
    zones = areas[areas["zone"] != "all"]
    if len(zones):
        last = zones[zones["year"] == zones["year"].iloc[-1]]
        shown = _of_interest(list(dict.fromkeys(last["class"])), whole)
        part = last[last["class"] == shown].head(MOST_ZONES)
        labels = [frame.shortened(str(zone), 32) for zone in part["zone"]]
        found.append(_Chart(f"{shown} by zone, thousand ha", labels, part))
    return found


def _of_interest(names: list[str], whole: pd.DataFrame) -> str:
    """Choose the class that zones are drawn of: what our maps are made for, else the smallest there is."""
    for wanted in ("irrigated", "gained", "lost"):
        if wanted in names:
            return wanted
    held = whole[whole["area_ha"] > 0]
    return str(held["class"].iloc[int(held["area_ha"].to_numpy().argmin())]) if len(held) else names[0]


def _draw_chart(axes: Axes, chart: _Chart) -> None:
    place = np.arange(len(chart.labels))[::-1]
    rows = chart.rows
    value = rows["area_ha"].to_numpy() / 1000
    low, high = (rows[name].to_numpy() / 1000 for name in ("ci_low_ha", "ci_high_ha"))
    mapped = rows["map_area_ha"].to_numpy(dtype=float) / 1000
    known = np.isfinite(mapped)
    axes.barh(place[known], mapped[known], height=0.62, color=_MAPPED, zorder=1.8)
    for side in (-1, 1):
        name = "wald_low_ha" if side < 0 else "wald_high_ha"
        end = rows[name].to_numpy() / 1000
        axes.hlines(place - 0.22, value, end, color=frame.NOTE, linewidth=0.9, zorder=3)
    colour = np.where(value < 0, _LOSS, _ESTIMATE)
    axes.hlines(place, low, high, colors=list(colour), linewidth=3.2, zorder=4)
    axes.scatter(value, place, s=26, c=list(colour), edgecolors=styles.PAPER, linewidths=0.7, zorder=5)
    axes.set_yticks(place)
    axes.set_yticklabels(chart.labels)
    axes.set_ylim(-0.5, len(chart.labels) - 0.5)
    reach = [0.0, *high, *low, *mapped[known]]
    room = 0.04 * (max(reach) - min(reach)) or 1.0
    axes.set_xlim(min(reach) - (room if min(reach) < 0 else 0), max(reach) + room)
    axes.axvline(0, color=styles.INK, linewidth=0.8, zorder=2)
    axes.grid(axis="x", color=frame.GRATICULE, linewidth=0.5, zorder=1)
    axes.set_axisbelow(True)
    axes.set_title(chart.title, loc="left", size=9, weight="bold", pad=4)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7.5, length=3)
    for spine in ("top", "right", "left"):
        axes.spines[spine].set_visible(False)


def _thousands(number: float) -> str:
    text = f"{number:,.0f}" if number >= 100 else f"{number:,.1f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")
