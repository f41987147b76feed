"""A map of irrigated land at one look: classes, areas of zones with their range, curves beside the rule."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

MAP_CELLS: Final = 1400  # along the longer side
SMALLEST_M: Final = 1_000.0
MOST_NAMES: Final = 40  # of zones on a map; more hide it
MOST_BARS: Final = 14
_STATE, _SEASON = "irrigation", "irrigation_season"
_WRAP: Final = 46  # letters in a line of the panel
_NOT_OBSERVED, _IRRIGATED = 0, 3
# Sizes are inches.
_LINE: Final = 0.18
_SWATCH: Final = 0.15
_BAR: Final = 0.13
_BAR_STEP: Final = 0.36
_CURVE_HEIGHT, _CURVE_GAP = 1.25, 0.42
_CURVE_ROWS_FOOT: Final = 0.55
_ACROSS: Final = 3
_RANGE: Final = "#6b2340"
_UNSEEN: Final = "#cfcfcf"
_MONTHS: Final = ((1, "Jan"), (60, "Mar"), (121, "May"), (182, "Jul"), (244, "Sep"), (305, "Nov"))
_YEAR_DAYS: Final = 366


@dataclass(frozen=True)
class View:
    """What is drawn, coarser than its file.

    Parameters
    ----------
    grid : Grid
        Of the values.
    state, season : (rows, columns) float, NaN outside
        Codes of the classes.
    borders : GeoSeries in the CRS of the grid
    names : (str, ...)
        Of the zones; one for each border.
    """

    grid: Grid
    state: NDArray[np.float32]
    season: NDArray[np.float32]
    borders: gpd.GeoSeries
    names: Sequence[str]


@dataclass(frozen=True)
class Curve:
    """NDVI of one cell or field over a year.

    Parameters
    ----------
    name : str
        What the rule calls it.
    label : str
        Where it is.
    days, ndvi : (n,)
        What was seen: days of the year, NDVI.
    smooth_days, smooth : (k,)
        The curve through it.
    """

    name: str
    label: str
    days: NDArray[Any]
    ndvi: NDArray[np.float64]
    smooth_days: NDArray[Any]
    smooth: NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """What the rule asks: the days of both seasons and the level from which land counts as green."""

    spring: tuple[int, int]
    summer: tuple[int, int]
    green: float


def irrigation_picture(
    path: Path | str,
    view: View,
    table: pd.DataFrame,
    curves: Sequence[Curve],
    windows: Windows,
    *,
    title: str,
    facts: Sequence[str],
) -> Path:
    """Draw the map of a year as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    view : View
    table : DataFrame
        level, zone, map_area_ha, low_ha, high_ha, unobserved_ha, area_ha, winter_ha to permanent_ha; the row
        of level ``all`` is the whole.
    curves : list of Curve
    windows : Windows
    title : str
    facts : list of str
        Sentences beside the map.

    Returns
    -------
    Path
        ``path``.
    """
    grid = view.grid
    seen = frame.view_around(_bounds(view), grid.crs, SMALLEST_M)
    rows = -(-len(curves) // _ACROSS)
    foot = rows * (_CURVE_HEIGHT + _CURVE_GAP) + _CURVE_ROWS_FOOT if rows else 0.0
    with frame.look():
        sheet = frame.map_sheet(title, seen, foot=foot)
        left, bottom, right, top = grid.bounds
        sheet.map.imshow(
            _coloured(view), extent=(left, right, bottom, top), interpolation="none", zorder=1, aspect="auto"
        )
        labels = Labels(sheet.map)
        frame.limit(sheet.map, seen)
        _draw_zones(sheet.map, view, seen)
        frame.limit(sheet.map, seen)
        if grid.is_geographic:
            frame.draw_graticule(sheet.map, seen)
        frame.draw_scale(sheet.map, seen, labels)
        _draw_panel(sheet.panel(), table, facts, sheet.map_height)
        _draw_curves(sheet.figure, curves, windows, (sheet.width, sheet.height), foot)
        sheet.note(
            "Line on a bar: the area with thresholds of NDVI higher and lower by 0.05; no confidence "
            "interval. Grey: land that was not observed; it may be irrigated or not.\nCurves: dots are the "
            "highest NDVI of each dekad, the line is Whittaker's (penalty by the V-curve), shaded are the "
            "windows of spring and summer, dashed the least level."
        )
        return frame.save(sheet.figure, path)


def fields_picture(
    path: Path | str, curves: Sequence[Curve], windows: Windows, *, title: str, facts: Sequence[str]
) -> Path:
    """Draw the curves of a few fields of a table as a PNG; returns ``path``."""
    rows = max(1, -(-len(curves) // _ACROSS))
    foot = rows * (_CURVE_HEIGHT + _CURVE_GAP) + _CURVE_ROWS_FOOT
    width, height = frame.MAP_WIDTH + frame.PANEL_WIDTH + 3 * frame.MARGIN, foot + 1.2
    with frame.look():
        figure = frame.sheet(width, height, title)
        for number, fact in enumerate(facts):
            figure.text(frame.MARGIN / width, 1 - (0.5 + _LINE * number) / height, fact, size=8.5, va="top")
        _draw_curves(figure, curves, windows, (width, height), foot)
        return frame.save(figure, path)


def _bounds(view: View) -> tuple[float, float, float, float]:
    """Return the box around what was looked at, and around the zones where nothing was."""
    known = np.isfinite(view.state)
    if known.any():
        rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
        t = view.grid.transform
        left, right = (float(t.c + t.a * column) for column in (columns[0], columns[-1] + 1))
        top, bottom = (float(t.f + t.e * row) for row in (rows[0], rows[-1] + 1))
        return left, bottom, right, top
    bounds = view.borders.total_bounds if len(view.borders) else np.array(view.grid.bounds)
    left, bottom, right, top = bounds if np.isfinite(bounds).all() else view.grid.bounds
    return float(left), float(bottom), float(right), float(top)


def _colours(layer: str) -> dict[Any, NDArray[np.uint8]]:
    return {
        each.value: np.round(np.array(to_rgba(each.colour)) * 255).astype(np.uint8)
        for each in styles.LAYERS[layer].classes
    }


def _coloured(view: View) -> NDArray[np.uint8]:
    """Colour irrigated land by its season, all else by its state."""
    picture = np.zeros((*view.state.shape, 4), np.uint8)
    for value, colour in _colours(_STATE).items():
        picture[view.state == value] = colour
    for value, colour in _colours(_SEASON).items():
        if value:
            picture[(view.state == _IRRIGATED) & (view.season == value)] = colour
    return picture


def _draw_zones(axes: Axes, view: View, seen: frame.View) -> None:
    halo = [withStroke(linewidth=2.6, foreground=styles.PAPER)]
    for shape, name in zip(view.borders, view.names, strict=True):
        outline = frame.outline(shape)
        if outline is None:
            continue
        axes.add_patch(
            PathPatch(outline, facecolor="none", edgecolor=styles.PAPER, linewidth=1.8, alpha=0.7, zorder=3)
        )
        axes.add_patch(PathPatch(outline, facecolor="none", edgecolor=styles.INK, linewidth=0.7, zorder=4))
        here = shapely.intersection(shape, seen.box)
        if name and len(view.names) <= MOST_NAMES and not here.is_empty:
            largest = max(shapely.get_parts(here), key=lambda part: part.area)
            place = shapely.point_on_surface(largest)
            axes.text(
                place.x, place.y, frame.shortened(name, 24), size=7.5, ha="center", va="center", zorder=8,
                path_effects=halo,
            )  # fmt: skip


def _draw_panel(axes: Axes, table: pd.DataFrame, facts: Sequence[str], height: float) -> None:
    whole = table[table["level"] == "all"].iloc[0]
    depth = 0.1
    for fact in facts:
        for line in textwrap.wrap(fact, _WRAP):
            axes.text(0, -depth, line, va="top", size=8)
            depth += _LINE * 0.92
        depth += 0.07
    depth += 0.18
    axes.text(0, -depth, "Class", va="center", weight="bold")
    axes.text(frame.PANEL_WIDTH, -depth, "ha", va="center", ha="right", color=frame.NOTE, size=7.5)
    for colour, title, size in _legend(whole):
        depth += _LINE * 1.25
        axes.add_patch(
            Rectangle(
                (0, -depth - _SWATCH / 2), 0.22, _SWATCH, facecolor=colour, edgecolor=styles.INK,
                linewidth=0.4,
            )
        )  # fmt: skip
        axes.text(0.3, -depth, title, va="center", size=8.5)
        axes.text(frame.PANEL_WIDTH, -depth, _hectares(size), va="center", ha="right", size=8.5)
    depth += _LINE * 2
    rows = table[table["level"] != "all"]
    if len(rows) == 0:
        rows = table
    room = int((height - depth - 0.3) // _BAR_STEP)
    _draw_bars(axes, rows, depth, min(room, MOST_BARS))


def _legend(whole: "pd.Series[Any]") -> list[tuple[str, str, float]]:
    by_state = {each.value: each for each in styles.LAYERS[_STATE].classes}
    found = [
        (each.colour, f"irrigated, {each.title}", float(whole[f"{each.title}_ha"]))
        for each in styles.LAYERS[_SEASON].classes
        if each.value
    ]
    for value, column in ((2, "uncertain_ha"), (1, "not_irrigated_ha"), (0, "unobserved_ha")):
        found.append((by_state[value].colour, by_state[value].title, float(whole[column])))
    return found


def _draw_bars(axes: Axes, rows: pd.DataFrame, depth: float, most: int) -> None:
    """Draw irrigated land by zone with its range, and beside it the share that was not observed."""
    if most < 1:
        return
    rank = rows["level"].map(lambda level: 1 if level == "zone" else 0).to_numpy()
    order = np.lexsort((-rows["map_area_ha"].to_numpy(), rank))
    shown = rows.iloc[order[:most]]
    reach = max(float(shown["high_ha"].max()), 1e-9)
    wide = frame.PANEL_WIDTH - 0.75
    axes.text(0, -depth, "Irrigated, ha", va="center", weight="bold", size=8.5)
    axes.text(
        frame.PANEL_WIDTH, -depth, "not observed", va="center", ha="right", color=frame.NOTE, size=7.5
    )  # fmt: skip
    depth += 0.28
    for _, row in shown.iterrows():
        name = str(row["zone"])
        weight = "normal" if row["level"] == "zone" else "bold"
        axes.text(0, -depth, frame.shortened(name, 26), va="center", size=7.5, weight=weight)
        value, low, high = (float(row[column]) for column in ("map_area_ha", "low_ha", "high_ha"))
        axes.text(wide, -depth, _hectares(value), va="center", ha="right", size=7.5)
        middle = -depth - 0.14
        axes.add_patch(
            Rectangle((0, middle - _BAR / 2), wide * value / reach, _BAR, facecolor="#12665c", linewidth=0)
        )
        axes.plot([wide * low / reach, wide * high / reach], [middle, middle], color=_RANGE, linewidth=1.4)
        for end in (low, high):
            axes.plot([wide * end / reach] * 2, [middle - 0.05, middle + 0.05], color=_RANGE, linewidth=1.4)
        share = float(row["unobserved_pct"]) / 100
        box = 0.6
        axes.add_patch(
            Rectangle(
                (frame.PANEL_WIDTH - box, middle - _BAR / 2), box, _BAR, facecolor=styles.PAPER,
                edgecolor=frame.NOTE, linewidth=0.5,
            )
        )  # fmt: skip
        axes.add_patch(
            Rectangle(
                (frame.PANEL_WIDTH - box, middle - _BAR / 2),
                box * share,
                _BAR,
                facecolor=_UNSEEN,
                linewidth=0,
            )
        )
        axes.text(
            frame.PANEL_WIDTH,
            -depth,
            f"{100 * share:.0f} %",
            va="center",
            ha="right",
            size=7,
            color=frame.NOTE,
        )
        depth += _BAR_STEP


def _draw_curves(
    figure: Figure, curves: Sequence[Curve], windows: Windows, size: tuple[float, float], foot: float
) -> None:
    width, height = size
    across = (width - 2 * frame.MARGIN - 0.35 - (_ACROSS - 1) * 0.45) / _ACROSS
    for number, curve in enumerate(curves):
        row, column = divmod(number, _ACROSS)
        bottom = foot - (row + 1) * (_CURVE_HEIGHT + _CURVE_GAP) + 0.28
        axes = figure.add_axes(
            (
                (frame.MARGIN + 0.35 + column * (across + 0.45)) / width,
                (bottom + 0.2) / height,
                across / width,
                _CURVE_HEIGHT / height,
            )
        )
        for first, last in (windows.spring, windows.summer):
            axes.axvspan(first, last, color="#efe7cf", linewidth=0, zorder=0)
        axes.axvline(windows.summer[0], color=styles.PAPER, linewidth=1.5, zorder=0.5)
        axes.axhline(windows.green, color=frame.NOTE, linewidth=0.7, dashes=(4, 3), zorder=1)
        axes.plot(curve.smooth_days, curve.smooth, color=styles.SENSOR_COLOURS[1], linewidth=1.5, zorder=2)
        axes.scatter(curve.days, curve.ndvi, s=13, color=styles.SENSOR_COLOURS[0], zorder=3, linewidths=0)
        axes.set_xlim(1, _YEAR_DAYS)
        axes.set_ylim(-0.05, 1.0)
        axes.set_xticks([day for day, _ in _MONTHS], [name for _, name in _MONTHS])
        axes.set_yticks([0, 0.5, 1])
        axes.tick_params(labelsize=7, length=2)
        for spine in ("top", "right"):
            axes.spines[spine].set_visible(False)
        axes.set_title(curve.name, loc="left", size=8.5, weight="bold", pad=3)
        axes.set_title(curve.label, loc="right", size=6.8, color=frame.NOTE, pad=3)
        if column == 0:
            axes.set_ylabel("NDVI", size=7.5, labelpad=1)


def _hectares(number: float) -> str:
    text = f"{number:,.0f}" if abs(number) >= 10 else f"{number:.1f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")
