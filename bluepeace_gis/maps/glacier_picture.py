"""Glacier outlines at one look: over the scene in false colours, beside them area against threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from numpy.typing import NDArray

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

SMALLEST_M: Final = 1_500.0
CELLS: Final = 1500  # along the longer side of the map
LABELS: Final = 8  # of the largest glaciers
STRETCH_PERCENT: Final = (1.0, 99.0)
NOT_SEEN: Final = "#6f6f6f"
# Sizes in the panel are inches.
_LINE: Final = 0.17
_CURVE_HEIGHT: Final = 1.9
_PLATEAU: Final = "#cfe3c8"
_SHOWN: Final = ("outlines_max", "outlines_min", "debris", "unseen", "glaciers")


@dataclass(frozen=True)
class ThresholdCurve:
    """Area against threshold.

    Parameters
    ----------
    margin : (n,) float, reflectance
    area_km2 : (n,) float
    threshold : float
    plateau : (float, float)
    """

    margin: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    threshold: float
    plateau: tuple[float, float]


def glacier_picture(
    path: Path | str,
    *,
    grid: Grid,
    colours: NDArray[np.float32],
    layers: dict[str, gpd.GeoDataFrame],
    curve: ThresholdCurve,
    title: str,
    facts: Sequence[str],
) -> Path:
    """Draw glaciers over a scene as a PNG, with the curve that explains the threshold.

    Parameters
    ----------
    path : path
        Ends with .png.
    grid : Grid
        Of the colours.
    colours : (3, rows, columns) float32, reflectance, NaN where not seen
        Drawn as red, green and blue: short-wave infrared, near infrared, green, so that ice is cyan.
    layers : {name: GeoDataFrame}
        Of ``glaciers.gpkg``; one that is missing or empty is not drawn.
    curve : ThresholdCurve
    title : str
    facts : list of str
        Lines beside the map.

    Returns
    -------
    Path
        ``path``.
    """
    view = frame.view_around(_bounds(layers["glaciers"], grid), grid.crs, SMALLEST_M)
    with frame.look():
        sheet = frame.map_sheet(title, view)
        left, bottom, right, top = grid.bounds
        sheet.map.imshow(
            _stretched(colours), extent=(left, right, bottom, top), interpolation="antialiased", zorder=1
        )
        frame.limit(sheet.map, view)
        shown = [name for name in _SHOWN if name in layers and len(layers[name])]
        for level, name in enumerate(shown, start=2):
            _draw(sheet.map, layers[name].to_crs(grid.crs), name, view, level)
        labels = Labels(sheet.map)
        frame.draw_scale(sheet.map, view, labels)
        _name_largest(layers["glaciers"], grid, labels)
        _draw_panel(sheet, facts, shown, curve)
        sheet.note(
            "False colours: short-wave infrared, near infrared, green. Grey: not seen. Areas on the "
            "ellipsoid."
        )
        return frame.save(sheet.figure, path)


def _bounds(glaciers: gpd.GeoDataFrame, grid: Grid) -> tuple[float, float, float, float]:
    """Show the glaciers, or the whole scene where there is none."""
    if len(glaciers) == 0:
        return grid.bounds
    left, bottom, right, top = glaciers.to_crs(grid.crs).total_bounds
    return float(left), float(bottom), float(right), float(top)


def _stretched(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    unseen = np.isnan(colours).any(axis=0)
    picture = np.empty((*unseen.shape, 4), np.uint8)
    for band, values in enumerate(colours):
        known = values[~unseen]
        low, high = np.percentile(known, STRETCH_PERCENT) if known.size else (0.0, 1.0)
        scaled = (np.nan_to_num(values) - low) / max(float(high - low), 1e-6)
        picture[..., band] = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    picture[..., 3] = 255
    picture[unseen] = (*(int(NOT_SEEN[start : start + 2], 16) for start in (1, 3, 5)), 255)
    return picture


def _draw(axes: Axes, layer: gpd.GeoDataFrame, name: str, view: frame.View, level: int) -> None:
    style = styles.LAYERS[name]
    filled = name in {"debris", "unseen"}
    for shape in shapely.simplify(layer.geometry.to_numpy(), 0.5 * view.unit_per_pixel):
        path = frame.outline(shape)
        if path is None:
            continue
        # over dark rock and bright snow alike: a dark line on a light one
        for colour, width in (
            ((styles.PAPER, 2.0), (style.outline, 0.9)) if name == "glaciers" else ((style.outline, 0.7),)
        ):
            axes.add_patch(
                PathPatch(
                    path,
                    facecolor=style.fill if filled else "none",
                    alpha=0.45 if filled else 1.0,
                    edgecolor=colour,
                    linewidth=width,
                    linestyle="solid" if name == "glaciers" else ":",
                    joinstyle="round",
                    zorder=level,
                )
            )


def _name_largest(glaciers: gpd.GeoDataFrame, grid: Grid, labels: Labels) -> None:
    """Write name and area beside the largest glaciers."""
    largest = glaciers.nlargest(LABELS, "area_km2").to_crs(grid.crs)
    for _, glacier in largest.iterrows():
        middle = glacier.geometry.representative_point()
        name = glacier.get("glac_name")
        area = f"{glacier['area_km2']:.2f} km²"
        labels.place_beside(
            f"{name}\n{area}" if isinstance(name, str) and name else area, middle.x, middle.y, size=7
        )


def _draw_panel(
    sheet: frame.MapSheet, facts: Sequence[str], shown: Sequence[str], curve: ThresholdCurve
) -> None:
    panel = sheet.panel()
    depth = 0.1
    for line in facts:
        panel.text(0, -depth, line, va="top", size=8)
        depth += _LINE * (1 + line.count("\n"))
    depth += 0.1
    for name in reversed(shown):
        style = styles.LAYERS[name]
        open_area = name not in {"debris", "unseen"}
        panel.add_patch(
            Rectangle(
                (0.02, -depth - 0.12),
                0.26,
                0.11,
                facecolor="none" if open_area else style.fill,
                edgecolor=style.outline,
                linewidth=1.0 if name == "glaciers" else 0.7,
                linestyle="solid" if name == "glaciers" else ":",
            )
        )
        panel.text(0.38, -depth, style.title, va="top", size=8)
        depth += _LINE + 0.03
    _draw_curve(sheet, curve, depth + 0.25)


def _draw_curve(sheet: frame.MapSheet, curve: ThresholdCurve, depth: float) -> None:
    height = min(_CURVE_HEIGHT, sheet.map_height - depth - 0.55)
    if height <= 0.6:  # no room on a flat sheet
        return
    left = frame.MAP_WIDTH + 2 * frame.MARGIN + 0.45
    axes = sheet.figure.add_axes(
        (
            left / sheet.width,
            (frame.FOOT_HEIGHT + frame.MARGIN / 2 + sheet.map_height - depth - height) / sheet.height,
            (frame.PANEL_WIDTH - 0.55) / sheet.width,
            height / sheet.height,
        )
    )
    axes.axvspan(*curve.plateau, color=_PLATEAU, zorder=1)
    axes.plot(curve.margin, curve.area_km2, color=styles.INK, linewidth=1.2, zorder=3)
    axes.axvline(curve.threshold, color=styles.LAYERS["glaciers"].outline, linewidth=1.2, zorder=2)
    axes.set_title("Area of whole cells against threshold", size=8, loc="left")
    axes.set_xlabel("green minus short-wave infrared exceeds", size=7)
    axes.set_ylabel("km²", size=7)
    axes.tick_params(labelsize=7)
    axes.set_xlim(float(curve.margin[0]), float(curve.margin[-1]))
    axes.set_ylim(bottom=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
