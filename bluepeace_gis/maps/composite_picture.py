"""A composite at one look: its values on a map, and beside it how often each cell was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels

SMALLEST_M: Final = 2_000.0  # a single field is shown with its surroundings
# What is drawn as red, green and blue: plants green, bare land pink, water dark, snow cyan.
FALSE_COLOURS: Final = ("swir1", "nir", "red")
STRETCH_PERCENT: Final = (2.0, 98.0)
NOT_SEEN: Final = "#cfcfcf"
# Sizes in the panel are inches.
_BAR_HEIGHT: Final = 0.16
_LINE: Final = 0.18
_INSET_HEIGHT: Final = 1.7

Reals = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """What is drawn: a composite, coarser than its file.

    Parameters
    ----------
    grid : Grid
        Of the values below.
    values : (bands, rows, columns) float32, NaN where not observed
    bands : (str, ...)
        Their names.
    counts : (rows, columns)
        Of clear observations.
    covered : (rows, columns) bool
        Where there are scenes at all.
    """

    grid: Grid
    values: Reals
    bands: Sequence[str]
    counts: NDArray[Any]
    covered: NDArray[np.bool_]


def composite_picture(path: Path | str, view: View, *, title: str, facts: Sequence[str], layer: str) -> Path:
    """Draw a composite as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    view : View
    title : str
    facts : list of str
        Lines beside the map: period, number of scenes, share seen.
    layer : str
        Row of :data:`styles.LAYERS` whose ramp colours a single band; several are drawn as false
        colours where there are the bands for it.

    Returns
    -------
    Path
        ``path``.
    """
    crs = view.grid.crs
    seen = frame.view_around(view.grid.bounds, crs, SMALLEST_M)
    with frame.look():
        sheet = frame.map_sheet(title, seen)
        left, bottom, right, top = view.grid.bounds
        sheet.map.imshow(
            _coloured(view, layer),
            extent=(left, right, bottom, top),
            interpolation="none",
            zorder=1,
        )
        frame.limit(sheet.map, seen)
        frame.draw_scale(sheet.map, seen, Labels(sheet.map))
        _draw_panel(sheet, view, facts, layer)
        sheet.note("Grey: not observed clearly in the season. Dates in UTC; cells of the sensor's own grid.")
        return frame.save(sheet.figure, path)


def _coloured(view: View, layer: str) -> NDArray[np.uint8]:
    """Turn values into red, green, blue, opacity; outside the sensor's tiles nothing is drawn."""
    unseen = np.logical_or.reduce(np.isnan(view.values))
    if len(view.values) == 1:
        ramp = styles.LAYERS[layer].ramp
        low, high = ramp[0][0], ramp[-1][0]
        picture = _map_of(ramp)(Normalize(low, high, clip=True)(np.nan_to_num(view.values[0])), bytes=True)
    else:
        chosen = [name for name in FALSE_COLOURS if name in view.bands]
        names = chosen if len(chosen) == len(FALSE_COLOURS) else list(view.bands[:3])
        # one stretch for all, or grey land would become coloured
        shown = np.stack([view.values[list(view.bands).index(name)] for name in names])
        layers = list(_stretched(shown, unseen))
        layers = (layers * 3)[:3] if len(layers) < len(FALSE_COLOURS) else layers
        picture = np.dstack([*layers, np.full(unseen.shape, 255, np.uint8)])
    red, green, blue = (int(NOT_SEEN[start : start + 2], 16) for start in (1, 3, 5))
    picture[unseen] = (red, green, blue, 255)
    picture[~view.covered] = 0
    coloured: NDArray[np.uint8] = picture
    return coloured


def _map_of(ramp: Sequence[tuple[float, str]]) -> LinearSegmentedColormap:
    low, high = ramp[0][0], ramp[-1][0]
    return LinearSegmentedColormap.from_list(
        "ramp", [((value - low) / (high - low), colour) for value, colour in ramp], N=512
    )


def _stretched(values: Reals, unseen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    known = values[:, ~unseen]
    low, high = np.percentile(known, STRETCH_PERCENT) if known.size else (0.0, 1.0)
    scaled = (np.nan_to_num(values) - low) / max(float(high - low), 1e-6)
    stretched: NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return stretched


def _draw_panel(sheet: frame.MapSheet, view: View, facts: Sequence[str], layer: str) -> None:
    panel = sheet.panel()
    depth = 0.1
    for line in facts:
        panel.text(0, -depth, line, va="top", size=8.5)
        depth += _LINE * (1 + line.count("\n"))
    depth += 0.15
    style = styles.LAYERS[layer]
    panel.text(0, -depth, style.title, va="top", weight="bold")
    depth += _LINE + 0.05
    if len(view.values) == 1:
        _draw_bar(panel, depth, style.ramp)
        depth += _BAR_HEIGHT + _LINE
    else:
        names = [name for name in FALSE_COLOURS if name in view.bands] or list(view.bands[:3])
        panel.text(0, -depth, "red, green, blue: " + ", ".join(names), va="top", size=7.5)
        depth += _LINE
    depth += 0.2
    most = int(view.counts.max(initial=0))
    panel.text(0, -depth, f"Clear observations: 0 to {most}", va="top", weight="bold")
    depth += _LINE + 0.05
    _draw_counts(sheet, view, depth, most)


def _draw_bar(panel: Axes, depth: float, ramp: Sequence[tuple[float, str]]) -> None:
    width = frame.PANEL_WIDTH * 0.85
    panel.imshow(
        np.linspace(0, 1, 256)[None, :],
        cmap=_map_of(ramp),
        extent=(0, width, -depth - _BAR_HEIGHT, -depth),
        aspect="auto",
        zorder=2,
    )
    low, high = ramp[0][0], ramp[-1][0]
    for position, (value, _) in enumerate(ramp):
        x = width * (value - low) / (high - low)
        panel.text(
            x,
            -depth - _BAR_HEIGHT - 0.04,
            f"{value:g}",
            va="top",
            ha="center" if position else "left",
            size=7,
        )
    panel.set_xlim(0, frame.PANEL_WIDTH)
    panel.set_ylim(-sheet_height(panel), 0)


def sheet_height(panel: Axes) -> float:
    """Return the height of a panel in inches, which images drawn into it must not move."""
    box = panel.get_position()
    figure = panel.get_figure(root=True)
    if figure is None:  # a panel stands on a sheet
        raise RuntimeError("the panel has no sheet")
    return float(box.height * figure.get_size_inches()[1])


def _draw_counts(sheet: frame.MapSheet, view: View, depth: float, most: int) -> None:
    height = min(_INSET_HEIGHT, sheet.map_height - depth - 0.3)
    if height <= 0.4:  # no room on a flat sheet
        return
    aspect = view.counts.shape[1] / view.counts.shape[0]
    width = min(frame.PANEL_WIDTH * 0.85, height * aspect)
    height = width / aspect
    axes = sheet.figure.add_axes(
        (
            (frame.MAP_WIDTH + 2 * frame.MARGIN) / sheet.width,
            (frame.FOOT_HEIGHT + frame.MARGIN / 2 + sheet.map_height - depth - height) / sheet.height,
            width / sheet.width,
            height / sheet.height,
        )
    )
    counts = np.ma.masked_where(~view.covered, view.counts)
    axes.imshow(counts, cmap="cividis", vmin=0, vmax=max(most, 1), interpolation="none", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
