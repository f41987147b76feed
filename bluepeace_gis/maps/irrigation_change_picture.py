"""Pictures of change of irrigated land: where it was kept, gained and lost, and each zone over the years."""

import math
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
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

MAP_CELLS: Final = 1400  # along the longer side
SMALLEST_M: Final = 1_000.0
LAYER: Final = "irrigation_change"
MOST_NAMES: Final = 40  # of zones on a map; more hide it
MOST_CHARTS: Final = 24
_WRAP: Final = 46  # letters in a line of the panel
# Sizes are inches.
_LINE: Final = 0.18
_SWATCH: Final = 0.15
_COLUMNS: Final = 3
_CHART_WIDTH, _CHART_HEIGHT, _GAP_X, _GAP_Y = 3.0, 1.55, 0.62, 0.62
_TOP, _BOTTOM = 0.75, 0.62
_MAPPED: Final = "#12665c"
_RANGE: Final = "#b7b09a"
_TREND: Final = styles.SENSOR_COLOURS[1]
_ROOM: Final = 2.0  # height of a chart, in its largest dot


@dataclass(frozen=True)
class View:
    """What is drawn, coarser than its file.

    Parameters
    ----------
    grid : Grid
        Of the values.
    change : (rows, columns) float, NaN outside
        Codes of the classes of change.
    borders : (zones,) GeoSeries in the CRS of the grid
    names : (str, ...)
        Of the zones.
    """

    grid: Grid
    change: NDArray[np.float32]
    borders: gpd.GeoSeries
    names: Sequence[str]


def change_picture(
    path: Path | str, view: View, whole: "pd.Series[Any]", *, title: str, facts: Sequence[str]
) -> Path:
    """Draw the classes of change as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    view : View
    whole : Series
        The row of all zones in the table of change: ``kept_ha``, ``kept_low_ha``, ``kept_high_ha`` and so on.
    title : str
    facts : list of str
        Sentences beside the map.

    Returns
    -------
    Path
        ``path``. The map shows the zones and what lies around them.
    """
    grid = view.grid
    seen = frame.view_around(_bounds(view), grid.crs, SMALLEST_M)
    with frame.look():
        sheet = frame.map_sheet(title, seen)
        left, bottom, right, top = grid.bounds
        sheet.map.imshow(
            _coloured(view.change), extent=(left, right, bottom, top), interpolation="none", zorder=1
        )
        labels = Labels(sheet.map)
        frame.limit(sheet.map, seen)
        _draw_zones(sheet.map, view, seen)
        frame.limit(sheet.map, seen)
        if grid.is_geographic:
            frame.draw_graticule(sheet.map, seen)
        frame.draw_scale(sheet.map, seen, labels)
        _draw_panel(sheet.panel(), whole, facts)
        sheet.note(
            "Areas are counted on the maps. Least and greatest: what years that are uncertain or not "
            "observed could change;\nno confidence interval."
        )
        return frame.save(sheet.figure, path)


def _bounds(view: View) -> tuple[float, float, float, float]:
    """Return the box around the zones on the map, or the map if there are none."""
    shown = shapely.intersection(view.borders.to_numpy(), view.grid.footprint())
    bounds = shapely.total_bounds(shown)
    left, bottom, right, top = bounds if np.isfinite(bounds).all() else view.grid.bounds
    return float(left), float(bottom), float(right), float(top)


def _coloured(codes: NDArray[np.float32]) -> NDArray[np.uint8]:
    picture = np.zeros((*codes.shape, 4), np.uint8)
    for each in styles.LAYERS[LAYER].classes:
        picture[codes == each.value] = np.round(np.array(to_rgba(each.colour)) * 255).astype(np.uint8)
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
        if len(view.names) <= MOST_NAMES and not here.is_empty:
            largest = max(shapely.get_parts(here), key=lambda part: part.area)
            place = shapely.point_on_surface(largest)
            axes.text(
                place.x, place.y, frame.shortened(name, 24), size=7.5, ha="center", va="center", zorder=8,
                path_effects=halo,
            )  # fmt: skip


def _draw_panel(axes: Axes, whole: "pd.Series[Any]", facts: Sequence[str]) -> None:
    depth = 0.1
    for fact in facts:
        for line in textwrap.wrap(fact, _WRAP):
            axes.text(0, -depth, line, va="top", size=8)
            depth += _LINE * 0.92
        depth += 0.07
    depth += 0.18
    columns = (frame.PANEL_WIDTH - 0.95, frame.PANEL_WIDTH)
    axes.text(0, -depth, "Class", va="center", weight="bold")
    axes.text(columns[0], -depth, "ha", va="center", ha="right", color=frame.NOTE, size=7.5)
    axes.text(columns[1], -depth, "least to greatest", va="center", ha="right", color=frame.NOTE, size=7.5)
    classes = [each for each in styles.LAYERS[LAYER].classes if each.value != 0]
    classes += [each for each in styles.LAYERS[LAYER].classes if each.value == 0]
    for each in classes:
        depth += _LINE * 1.25
        axes.add_patch(
            Rectangle(
                (0, -depth - _SWATCH / 2),
                0.22,
                _SWATCH,
                facecolor=each.colour,
                edgecolor=styles.INK,
                linewidth=0.4,
            )
        )
        name = "not_observed" if each.value == 0 else each.title.split()[0]
        axes.text(0.3, -depth, each.title, va="center", size=8.5)
        axes.text(columns[0], -depth, _hectares(whole[f"{name}_ha"]), va="center", ha="right", size=8.5)
        if each.value != 0:
            limits = f"{_hectares(whole[f'{name}_low_ha'])} to {_hectares(whole[f'{name}_high_ha'])}"
            axes.text(columns[1], -depth, limits, va="center", ha="right", size=7, color=frame.NOTE)
    if whole["outside_ha"] > 0:
        depth += _LINE * 1.25
        axes.text(0.3, -depth, "outside of the maps", va="center", size=8.5)
        axes.text(columns[0], -depth, _hectares(whole["outside_ha"]), va="center", ha="right", size=8.5)


def zones_picture(
    path: Path | str, annual: pd.DataFrame, change: pd.DataFrame, *, title: str, decided_pct: float
) -> Path:
    """Draw the irrigated land of the whole, of groups and of zones over the years as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    annual : DataFrame
        level, zone, year, irrigated_ha, low_ha, high_ha, decided_pct, outside_ha.
    change : DataFrame
        level, zone, trend_ha_per_year, trend_low, trend_high, trend_p, trend_start_ha, first_year.
    title : str
    decided_pct : float
        Years in which less of the land was decided take no part in the trend: their dots are open.

    Returns
    -------
    Path
        ``path``. Of many zones those with most irrigated land are drawn.
    """
    shown = _shown(annual, change)
    rows = math.ceil(len(shown) / _COLUMNS)
    width = 2 * frame.MARGIN + 0.5 + _COLUMNS * _CHART_WIDTH + (_COLUMNS - 1) * _GAP_X
    height = _TOP + _BOTTOM + rows * _CHART_HEIGHT + (rows - 1) * _GAP_Y
    with frame.look():
        figure = frame.sheet(width, height, f"{title}: thousand hectares")
        for position, (_, row) in enumerate(shown.iterrows()):
            across, down = position % _COLUMNS, position // _COLUMNS
            axes = figure.add_axes(
                (
                    (frame.MARGIN + 0.5 + across * (_CHART_WIDTH + _GAP_X)) / width,
                    1 - (_TOP + down * (_CHART_HEIGHT + _GAP_Y) + _CHART_HEIGHT) / height,
                    _CHART_WIDTH / width,
                    _CHART_HEIGHT / height,
                )
            )
            part = annual[(annual["level"] == row["level"]) & (annual["zone"] == row["zone"])]
            _draw_chart(axes, part, row, decided_pct)
        figure.text(
            frame.MARGIN / width,
            0.1 / height,
            "Dot: counted on the map, open where less than "
            f"{decided_pct:.0f} % of the land was decided, which takes no part in the trend. Light "
            "bar: as if all\nthat is uncertain or not observed were irrigated, or were not (no "
            "confidence interval; it may leave the frame). Orange: Sen's trend with its 95 % interval.",
            size=7,
            va="bottom",
            color=frame.NOTE,
        )
        return frame.save(figure, path)


def _shown(annual: pd.DataFrame, change: pd.DataFrame) -> pd.DataFrame:
    """Choose what is drawn: the whole, then groups, then zones from large to small."""
    most = annual.groupby(["level", "zone"], sort=False)["irrigated_ha"].max().rename("most")
    table = change.join(most, on=["level", "zone"])
    rank = table["level"].map(lambda level: 0 if level == "all" else 2 if level == "zone" else 1)
    order = np.lexsort((np.arange(len(table)), -table["most"].to_numpy(), rank.to_numpy()))
    return table.iloc[order[:MOST_CHARTS]]


def _draw_chart(axes: Axes, part: pd.DataFrame, row: "pd.Series[Any]", decided_pct: float) -> None:
    years = part["year"].to_numpy(dtype=float)
    value, low, high = (part[name].to_numpy() / 1000 for name in ("irrigated_ha", "low_ha", "high_ha"))
    wide = max(0.9, 9 - len(years) / 4)
    axes.vlines(years, low, high, color=_RANGE, linewidth=min(wide, 7), zorder=2)
    slope = float(row["trend_ha_per_year"])
    note = ""
    if np.isfinite(slope):
        along = np.array([years[0], years[-1]])
        start = float(row["trend_start_ha"])
        axes.plot(along, (start + slope * (along - years[0])) / 1000, color=_TREND, linewidth=1.6, zorder=3)
        limits = [float(row[name]) for name in ("trend_low", "trend_high")]
        if np.isfinite(limits).all():
            middle = (years[0] + years[-1]) / 2
            level = start + slope * (middle - years[0])
            first, last = (
                [(level + each * (end - middle)) / 1000 for each in limits] for end in (along[0], along[1])
            )
            axes.fill_between(
                [along[0], middle, along[1]],
                [min(first), level / 1000, min(last)],
                [max(first), level / 1000, max(last)],
                color=_TREND, alpha=0.18, linewidth=0, zorder=1.5,
            )  # fmt: skip
            note = f"{_signed(slope)} ha a year ({_signed(limits[0])} to {_signed(limits[1])})"
        else:
            note = f"{_signed(slope)} ha a year (years too few or too alike for an interval)"
    decided = part["decided_pct"].to_numpy() >= decided_pct
    for chosen, fill in ((decided, _MAPPED), (~decided, styles.PAPER)):
        axes.scatter(
            years[chosen], value[chosen], s=18, c=fill, edgecolors=_MAPPED, linewidths=0.9, zorder=4,
            clip_on=False,
        )  # fmt: skip
    # a year that nobody saw could be all of the zone, which says nothing of the others
    most = max(float(value.max()), 1e-6)
    axes.set_ylim(0, min(max(float(high.max()), most) * 1.08, _ROOM * most) if most > 1e-6 else None)
    room = max(0.5, 0.04 * (years[-1] - years[0]))
    axes.set_xlim(years[0] - room, years[-1] + room)
    axes.set_xticks(_ticks(years))
    axes.set_title(frame.shortened(str(row["zone"]), 30), loc="left", size=8.5, weight="bold", pad=12)
    axes.text(0, 1.02, note, transform=axes.transAxes, size=6.8, va="bottom", color=frame.NOTE)
    axes.grid(axis="y", color=frame.GRATICULE, linewidth=0.5, zorder=1)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7, length=2)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)


def _ticks(years: NDArray[np.float64]) -> list[float]:
    """Choose at most six of the years themselves."""
    step = max(1, math.ceil((len(years) - 1) / 5))
    return [float(year) for year in years[::step]]


def _hectares(number: float) -> str:
    text = f"{number:,.0f}" if abs(number) >= 10 else f"{number:.1f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")


def _signed(number: float) -> str:
    if abs(number) < 0.005:
        return "0"
    digits = 0 if abs(number) >= 10 else 1 if abs(number) >= 1 else 2
    text = f"{number:+,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return text.replace("-", "\N{MINUS SIGN}")
