"""Pictures of glacier change: both outlines and the verdict on a map, rates with their intervals below."""

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
from matplotlib.patches import PathPatch, Rectangle
from numpy.typing import NDArray

from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

SMALLEST_M: Final = 2_000.0
MOST_ROWS: Final = 14  # glaciers in the chart below a map: the largest
MOST_ZONES: Final = 8
MOST_SERIES: Final = 60
# Sizes are inches.
WIDTH: Final = 9.0
_LINE, _ROW, _LEFT, _RIGHT, _AXIS, _HEAD = 0.19, 0.22, 2.6, 0.5, 0.5, 0.35
_LETTERS: Final = 42
# An interval that reaches farther than so many times the middle ones is cut, with an arrow.
_FAR: Final = 4.0
_PALENESS: Final = 0.4  # of ice of both dates
_VERDICTS: Final = {str(each.value): each.colour for each in styles.LAYERS["glacier_change"].classes}
_PALE: Final = {"not distinguishable": "#8a7f63", "not compared": "#8a8a8a"}  # of lines on paper


@dataclass(frozen=True)
class _Row:
    label: str
    value: float
    low: float
    high: float
    verdict: str
    strong: bool = False


def change_picture(
    path: Path | str,
    *,
    clusters: gpd.GeoDataFrame,
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    totals: pd.DataFrame,
    title: str,
    notes: Sequence[str] = (),
) -> Path:
    """Draw both outlines over the verdict of each glacier, and rates with their intervals, as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    clusters, before, after : GeoDataFrame
        Layers of ``change.gpkg`` in EPSG:4326.
    totals : DataFrame
        The first row is the sum of all, the others zones.
    title : str
    notes : list of str
        Sentences beside the map.

    Returns
    -------
    Path
        ``path``.
    """
    rows = _rows(clusters, totals)
    foot = len(rows) * _ROW + _AXIS + _HEAD if rows else 0.0
    view = frame.view_around(_bounds(clusters), clusters.crs, SMALLEST_M)
    with frame.look():
        sheet = frame.map_sheet(title, view, foot=foot)
        frame.draw_graticule(sheet.map, view)
        fill = [_VERDICTS[str(verdict)] for verdict in clusters["verdict"]]
        _draw(sheet.map, clusters.geometry.to_numpy(), view, 2, fill=fill)
        both = _common(clusters, before, after)
        _draw(sheet.map, both, view, 3, fill=[_tint(colour) for colour in fill])
        for level, (layer, name) in enumerate(((before, "glaciers_before"), (after, "glaciers_after")), 4):
            _draw(sheet.map, layer.geometry.to_numpy(), view, level, edge=styles.LAYERS[name].outline)
        frame.limit(sheet.map, view)
        frame.draw_scale(sheet.map, view, Labels(sheet.map))
        _draw_panel(sheet.panel(), clusters, notes)
        if rows:
            axes = sheet.figure.add_axes(
                (
                    _LEFT / sheet.width,
                    (frame.FOOT_HEIGHT + _AXIS) / sheet.height,
                    (sheet.width - _LEFT - _RIGHT) / sheet.width,
                    len(rows) * _ROW / sheet.height,
                )
            )
            _draw_chart(axes, rows, "Change of area, % a year (95 %)")
        sheet.note(
            "Glaciers of the chart: the largest. Intervals hold what both outlines may be wrong by and what "
            "was not seen. Areas on the ellipsoid."
        )
        return frame.save(sheet.figure, path)


def series_picture(path: Path | str, table: pd.DataFrame, *, title: str, notes: Sequence[str] = ()) -> Path:
    """Draw the rates of a table of areas with their intervals as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    table : DataFrame
        Layer ``change`` of the product.
    title : str
    notes : list of str
        Sentences below the title.

    Returns
    -------
    Path
        ``path``.
    """
    order = table.sort_values("pct_per_year", kind="stable").head(MOST_SERIES)
    rows = [
        _Row(
            f"{frame.shortened(str(row['glacier_name']), 30)}  {row['before_date'][:4]} to "
            f"{row['after_date'][:4]}",
            row["pct_per_year"], row["pct_per_year_low"], row["pct_per_year_high"], str(row["verdict"]),
        )
        for row in order.to_dict("records")
    ]  # fmt: skip
    wrapped = [line for note in notes for line in textwrap.wrap(note, 110)]
    above = 0.6 + len(wrapped) * _LINE + _HEAD
    height = above + len(rows) * _ROW + _AXIS + frame.FOOT_HEIGHT
    with frame.look():
        figure = frame.sheet(WIDTH, height, title)
        for number, line in enumerate(wrapped):
            figure.text(frame.MARGIN / WIDTH, 1 - (0.52 + number * _LINE) / height, line, va="top")
        axes = figure.add_axes(
            (
                (_LEFT + 0.4) / WIDTH,
                (_AXIS + frame.FOOT_HEIGHT) / height,
                (WIDTH - _LEFT - 0.4 - _RIGHT) / WIDTH,
                len(rows) * _ROW / height,
            )
        )
        _draw_chart(axes, rows, "First to last area, % a year (95 %)")
        figure.text(
            frame.MARGIN / WIDTH, 0.1 / height,
            "Change from the first to the last area, in per cent of the first.",
            size=7, va="bottom", color=frame.NOTE,
        )  # fmt: skip
        return frame.save(figure, path)


def _bounds(clusters: gpd.GeoDataFrame) -> tuple[float, float, float, float]:
    """Show what was compared; all where nothing was."""
    shown = clusters[clusters["verdict"] != "not compared"]
    left, bottom, right, top = (shown if len(shown) else clusters).total_bounds
    return float(left), float(bottom), float(right), float(top)


def _rows(clusters: gpd.GeoDataFrame, totals: pd.DataFrame) -> list[_Row]:
    """Choose what the chart shows: the sum, zones, and the largest glaciers that were compared."""
    found = []
    for position, row in enumerate(totals.head(1 + MOST_ZONES).to_dict("records")):
        name = "All glaciers" if position == 0 else str(row["zone"])
        found.append(_row(name, row, strong=position == 0))
    told = clusters[(clusters["verdict"] != "not compared") & np.isfinite(clusters["pct_per_year"])]
    for row in told.nlargest(MOST_ROWS, "area_before_km2").to_dict("records"):
        # of a group, the first and how many more
        first, *more = str(row["before_ids"] or row["after_ids"]).split(", ")
        first = f"glacier {first}" if first.isdigit() else first
        name = frame.shortened(str(row["name"] or first), _LETTERS - 14 - (7 if more else 0))
        name += f" and {len(more)} more" if more else ""
        found.append(_row(f"{name}, {row['area_before_km2']:.2f} km²", row))
    return [row for row in found if np.isfinite([row.value, row.low, row.high]).all()]


def _row(label: str, row: dict[Any, Any], *, strong: bool = False) -> _Row:
    return _Row(
        frame.shortened(label, _LETTERS), row["pct_per_year"], row["pct_per_year_low"],
        row["pct_per_year_high"], str(row["verdict"]), strong,
    )  # fmt: skip


def _draw(
    axes: Axes,
    shapes: NDArray[Any],
    view: frame.View,
    level: int,
    *,
    fill: Sequence[str] | None = None,
    edge: str | None = None,
) -> None:
    for position, shape in enumerate(shapely.simplify(shapes, 0.5 * view.unit_per_pixel)):
        path = frame.outline(shape)
        if path is None:
            continue
        axes.add_patch(
            PathPatch(
                path,
                facecolor="none" if fill is None else fill[position],
                edgecolor="none" if edge is None else edge,
                linewidth=0.0 if edge is None else 0.7,
                joinstyle="round",
                zorder=level,
            )
        )


def _common(clusters: gpd.GeoDataFrame, before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> NDArray[Any]:
    """Ice of both dates in each cluster, so that what came and went stands out."""
    sides = [
        layer.groupby("cluster_id")["geometry"].agg(lambda part: shapely.union_all(part.to_numpy()))
        for layer in (before, after)
    ]
    one, other = (
        np.array([side.get(number, shapely.Polygon()) for number in clusters["cluster_id"]], object)
        for side in sides
    )
    shared: NDArray[Any] = shapely.intersection(one, other)
    return shared


def _tint(colour: str) -> str:
    """Lighten #rrggbb."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * _PALENESS):02x}" for part in parts)


def _draw_panel(axes: Axes, clusters: gpd.GeoDataFrame, notes: Sequence[str]) -> None:
    depth = 0.1
    for note in notes:
        for line in textwrap.wrap(note, 48):
            axes.text(0, -depth, line, va="top", size=8)
            depth += 0.16
        depth += 0.08
    depth += 0.08
    counts = clusters["verdict"].value_counts()
    for each in styles.LAYERS["glacier_change"].classes:
        number = int(counts.get(each.value, 0))
        axes.add_patch(
            Rectangle(
                (0.02, -depth - 0.13), 0.26, 0.12, facecolor=each.colour, edgecolor=styles.INK, linewidth=0.4
            )
        )
        axes.text(0.38, -depth, f"{each.title}: {number}", va="top", size=8)
        depth += _LINE + 0.03
    for name in ("glaciers_before", "glaciers_after"):
        style = styles.LAYERS[name]
        axes.plot([0.02, 0.28], [-depth - 0.07] * 2, color=style.outline, linewidth=1.2)
        axes.text(0.38, -depth, style.title, va="top", size=8)
        depth += _LINE + 0.03


def _draw_chart(axes: Axes, rows: Sequence[_Row], title: str) -> None:
    """Draw a dot and an interval for each row, from the top down."""
    place = np.arange(len(rows))[::-1]
    value, low, high = (np.array([getattr(row, name) for row in rows]) for name in ("value", "low", "high"))
    # one glacier of which little is known would squeeze all others
    reach = np.maximum(np.abs(low), np.abs(high))
    most = max(float(np.median(reach)) * _FAR, float(np.abs(value).max()) * 1.1, 1e-6)
    left, right = max(float(low.min()), -most), min(float(high.max()), most)
    room = 0.04 * max(right - left, 1e-6)
    axes.set_xlim(min(left, 0.0) - room, max(right, 0.0) + room)
    for position, row in zip(place, rows, strict=True):
        colour = _PALE.get(row.verdict, _VERDICTS[row.verdict])
        ends = (max(row.low, left), min(row.high, right))
        axes.hlines(position, *ends, color=colour, linewidth=4.0 if row.strong else 2.4, zorder=4)
        for end, bound, marker in ((row.low, left, "<"), (row.high, right, ">")):
            if (end < bound) if marker == "<" else (end > bound):
                axes.plot([bound], [position], marker=marker, color=colour, markersize=6, zorder=5)
        axes.scatter(
            [row.value], [position], s=44 if row.strong else 24, color=colour, edgecolors=styles.PAPER,
            linewidths=0.7, zorder=6,
        )  # fmt: skip
    axes.set_yticks(place)
    axes.set_yticklabels([row.label for row in rows], size=7.5)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.strong else "normal")
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.axvline(0, color=styles.INK, linewidth=0.8, zorder=2)
    axes.grid(axis="x", color=frame.GRATICULE, linewidth=0.5, zorder=1)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", size=9, weight="bold", pad=4)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7.5, length=3)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
