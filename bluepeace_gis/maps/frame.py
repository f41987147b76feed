"""What every picture stands in: the sheet, the view of a map, its scale and its north, and the file.

A picture of any question takes its sheet, its map and its panel from here and only draws its own
layers. The same drawing gives the same bytes, whatever a reader's own settings of matplotlib are.
"""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib.style
import numpy as np
import pyproj
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.geo.crs import to_geographic
from bluepeace_gis.maps import styles
from bluepeace_gis.maps.labels import Labels, box_of

DOTS_PER_INCH: Final = 150
POINTS_PER_MM: Final = 72 / 25.4

# Sizes of the sheet are inches.
MAP_WIDTH: Final = 7.4
PANEL_WIDTH: Final = 2.9
MARGIN: Final = 0.22
TITLE_HEIGHT: Final = 0.48
FOOT_HEIGHT: Final = 0.30
ASPECTS: Final = (0.66, 1.2)  # height to width of the map: beyond, the view is widened
AIR: Final = 1.12  # around what is shown

NO_DATA: Final = "#ffffff"
NOTE: Final = "#555555"
GRATICULE: Final = "#b9b9b9"
GRATICULE_LINES: Final = 5  # about as many meridians in a map, and as many parallels
_MARKERS: Final = {"circle": "o", "diamond": "D"}
_LOOK: Final = {
    "font.family": "DejaVu Sans",  # comes with matplotlib and has every letter of the seven languages
    "font.size": 8.5,
    "text.color": styles.INK,
    "axes.edgecolor": styles.INK,
    "axes.labelcolor": styles.INK,
    "axes.linewidth": 0.6,
    "xtick.color": styles.INK,
    "ytick.color": styles.INK,
    "path.simplify": False,
}


# The sheet


def look() -> AbstractContextManager[None]:
    """Have matplotlib draw in the look of the house, whatever a reader has set, and forget it afterwards."""
    context: AbstractContextManager[None] = matplotlib.style.context(["default", _LOOK])
    return context


def sheet(width: float, height: float, title: str) -> Figure:
    """Give an empty sheet with its title; it returns the figure, ``width`` by ``height`` inches."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=styles.PAPER)
    FigureCanvasAgg(figure)
    figure.text(MARGIN / width, 1 - 0.16 / height, title, size=13, weight="bold", va="top")
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write the figure as a PNG to ``path``, and return it; the same figure gives the same bytes."""
    target = Path(path)
    # no version and no time in the file
    figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return target


# The view


@dataclass(frozen=True)
class View:
    """The part of the plane that is drawn, and how it lies on Earth.

    left, bottom, right, top   in units of the map
    aspect                     height to width on the ground
    metres_per_unit            along a row in the middle
    north                      direction of true north in the middle, radians from the x axis
    """

    left: float
    bottom: float
    right: float
    top: float
    aspect: float
    metres_per_unit: float
    north: float

    @property
    def box(self) -> BaseGeometry:
        """The rectangle that is seen."""
        return shapely.box(self.left, self.bottom, self.right, self.top)

    @property
    def unit_per_pixel(self) -> float:
        """How much of the map one pixel of the picture is."""
        return (self.right - self.left) / (MAP_WIDTH * DOTS_PER_INCH)


def view_around(bounds: tuple[float, float, float, float], crs: pyproj.CRS, smallest_m: float) -> View:
    """Choose what a map shows: the bounds with a little air, in a shape that fits the sheet.

    Parameters
    ----------
    bounds : left, bottom, right, top, in units of ``crs``
    crs : CRS
        Of the map.
    smallest_m : float, metres
        What is smaller gets a surrounding as if it were so large.

    Returns
    -------
    View
        As high to its width on the ground as :data:`ASPECTS` allow.
    """
    left, bottom, right, top = bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    east_m, north_m, north = steps_on_earth(crs, x, y)
    width_m = max((right - left) * east_m, smallest_m) * AIR
    height_m = max((top - bottom) * north_m, smallest_m) * AIR
    height_m = max(height_m, width_m * ASPECTS[0])
    width_m = max(width_m, height_m / ASPECTS[1])
    half_x, half_y = width_m / east_m / 2, height_m / north_m / 2
    return View(x - half_x, y - half_y, x + half_x, y + half_y, height_m / width_m, east_m, north)


def steps_on_earth(crs: pyproj.CRS, x: float, y: float) -> tuple[float, float, float]:
    """Measure metres on the ellipsoid for one unit along x and along y, and the direction of north.

    Parameters
    ----------
    crs : CRS
    x, y : float
        Where, in units of ``crs``.

    Returns
    -------
    east_m, north_m : float, metres per unit
    north : float
        Radians from the x axis.
    """
    transformer = to_geographic(crs)
    step = 1e-3 if crs.is_geographic else 100.0
    geod = crs.get_geod()
    if geod is None:  # a CRS of a grid has an ellipsoid
        raise RuntimeError(f"{crs.name} has no ellipsoid")
    middle, east, north = (transformer.transform(*place) for place in ((x, y), (x + step, y), (x, y + step)))
    _, _, east_m = geod.inv(*middle, *east)
    azimuth, _, north_m = geod.inv(*middle, *north)
    return east_m / step, north_m / step, math.pi / 2 + math.radians(azimuth)


@dataclass(frozen=True)
class MapSheet:
    """A sheet with a map to the left and room for a panel to the right.

    figure      the sheet
    map         axes of the map, whose limits are those of the view
    map_height  inches; the panel is as high
    width       inches of the whole sheet
    height      inches of the whole sheet
    foot        inches below the map that are kept for something else
    """

    figure: Figure
    map: Axes
    map_height: float
    width: float
    height: float
    foot: float

    def note(self, text: str) -> None:
        """Write at the foot of the sheet what a reader must know of the picture."""
        self.figure.text(MARGIN / self.width, 0.12 / self.height, text, size=7, va="bottom", color=NOTE)

    def panel(self) -> Axes:
        """Return the axes beside the map; their unit is the inch, 0 is at the top."""
        axes = self.figure.add_axes(
            (
                (MAP_WIDTH + 2 * MARGIN) / self.width,
                (FOOT_HEIGHT + MARGIN / 2 + self.foot) / self.height,
                PANEL_WIDTH / self.width,
                self.map_height / self.height,
            )
        )
        axes.set_axis_off()  # its unit is the inch, so that texts fit
        axes.set_xlim(0, PANEL_WIDTH)
        axes.set_ylim(-self.map_height, 0)
        return axes


def map_sheet(title: str, view: View, *, foot: float = 0.0) -> MapSheet:
    """Make a sheet with the empty map of a view.

    Parameters
    ----------
    title : str
    view : View
    foot : float, inches
        Room below the map for another drawing.

    Returns
    -------
    MapSheet
    """
    map_height = MAP_WIDTH * view.aspect
    height = map_height + TITLE_HEIGHT + FOOT_HEIGHT + MARGIN + foot
    width = MAP_WIDTH + PANEL_WIDTH + 3 * MARGIN
    figure = sheet(width, height, title)
    axes = figure.add_axes(
        (
            MARGIN / width,
            (FOOT_HEIGHT + MARGIN / 2 + foot) / height,
            MAP_WIDTH / width,
            map_height / height,
        )
    )
    limit(axes, view)
    return MapSheet(figure, axes, map_height, width, height, foot)


def limit(axes: Axes, view: View) -> None:
    """Give the axes of a map the limits of the view; what draws images moves them."""
    axes.set_xlim(view.left, view.right)
    axes.set_ylim(view.bottom, view.top)
    axes.set_aspect("auto")  # the axes have the ground's own aspect
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(NO_DATA)


# What maps have in common


def outline(shape: BaseGeometry) -> Outline | None:
    """Turn a polygon with its holes, or several, into one path; it returns None for what has no area."""
    rings = [
        ring
        for part in shapely.get_parts(shape)
        if part.geom_type == "Polygon" and not part.is_empty
        for ring in (part.exterior, *part.interiors)
    ]
    if not rings:
        return None
    return Outline.make_compound_path(
        *(Outline(shapely.get_coordinates(ring), closed=True) for ring in rings)
    )


def marker(layer: str) -> dict[str, Any]:
    """Return how matplotlib draws the points of a ``layer`` of :data:`styles.LAYERS`."""
    style = styles.LAYERS[layer]
    return {
        "linestyle": "none",
        "marker": _MARKERS[style.marker],
        "markersize": style.size_mm * POINTS_PER_MM * 0.8,
        "markerfacecolor": style.fill,
        "markeredgecolor": style.outline,
        "markeredgewidth": 1.2,
    }


def shortened(text: str, letters: int) -> str:
    """Return the text cut to so many letters, with an ellipsis if it was longer."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def draw_graticule(axes: Axes, view: View) -> None:
    """Draw meridians and parallels of a map in degrees, with their names inside the frame.

    Parameters
    ----------
    axes : Axes
        Of the map.
    view : View
        In degrees of longitude (beyond 180 where the map goes over the date line) and latitude.
    """
    halo = [withStroke(linewidth=2.4, foreground=styles.PAPER)]
    # one distance for both, chosen by the longer side: squares of the net are squares of degrees
    step = nice_degrees(max(view.right - view.left, view.top - view.bottom) / GRATICULE_LINES)
    lines: dict[str, Any] = {"linewidth": 0.5, "zorder": 1.5, "color": GRATICULE}
    for longitude in _multiples(view.left, view.right, step):
        axes.axvline(longitude, **lines)
        if 0.06 < (longitude - view.left) / (view.right - view.left) < 0.97:
            axes.annotate(
                _degrees((longitude + 180) % 360 - 180, "E", "W"),
                (longitude, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, -3),
                textcoords="offset points",
                size=7,
                ha="center",
                va="top",
                color=NOTE,
                zorder=9,
                path_effects=halo,
            )
    for latitude in _multiples(max(view.bottom, -90), min(view.top, 90), step):
        axes.axhline(latitude, **lines)
        if 0.12 < (latitude - view.bottom) / (view.top - view.bottom) < 0.95:
            axes.annotate(
                _degrees(latitude, "N", "S"),
                (0, latitude),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                size=7,
                ha="left",
                va="center",
                color=NOTE,
                zorder=9,
                path_effects=halo,
            )


def nice_degrees(step: float) -> float:
    """Return the largest usual distance of a graticule that is not above ``step`` degrees."""
    # degrees, then halves and quarters, then minutes
    usual = (45.0, 30, 20, 10, 5, 2, 1, 0.5, 0.25, 1 / 6, 1 / 12, 1 / 30, 1 / 60)
    return next((each for each in usual if each <= step), usual[-1])


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [position * step for position in range(first, last + 1)]


def _degrees(value: float, positive: str, negative: str) -> str:
    """Write 71.5 as 71 degrees and 30 minutes east, with their signs."""
    minutes = round(abs(value) * 60)
    whole, rest = divmod(minutes, 60)
    text = f"{whole}°" + (f"{rest:02d}\N{PRIME}" if rest else "")
    if minutes == 0 or (positive == "E" and whole == 180):
        return text
    return text + (positive if value > 0 else negative)


# Scale and north


def draw_scale(axes: Axes, view: View, labels: Labels) -> None:
    """Draw a bar of two fields in the lower left corner and an arrow to true north beside it.

    Parameters
    ----------
    axes : Axes
        Of the map.
    view : View
    labels : Labels
        They will keep off it.
    """
    width_m = (view.right - view.left) * view.metres_per_unit
    field_km = nice_length(width_m / 1000 / 9)
    field = field_km * 1000 / view.metres_per_unit
    x, y = view.left + 0.03 * (view.right - view.left), view.bottom + 0.035 * (view.top - view.bottom)
    height = 0.009 * (view.top - view.bottom)
    halo = [withStroke(linewidth=2.4, foreground=styles.PAPER)]
    for position, colour in enumerate((styles.INK, styles.PAPER)):
        axes.add_patch(
            Rectangle(
                (x + position * field, y),
                field,
                height,
                facecolor=colour,
                edgecolor=styles.INK,
                linewidth=0.8,
                zorder=9,
            )
        )
    boxes = []
    for position in range(3):
        number = f"{position * field_km:g}" + (" km" if position == 2 else "")
        text = axes.text(
            x + position * field,
            y + 1.6 * height,
            number,
            size=7.5,
            ha="center",
            va="bottom",
            zorder=9,
            path_effects=halo,
        )
        boxes.append(box_of(text))
    arrow = axes.annotate(
        "N",
        (x + 2 * field + 0.045 * (view.right - view.left), y),
        xytext=(22 * math.cos(view.north), 22 * math.sin(view.north)),
        textcoords="offset points",
        arrowprops={"arrowstyle": "<|-", "linewidth": 1.2, "color": styles.INK, "shrinkA": 1, "shrinkB": 0},
        size=9,
        weight="bold",
        ha="center",
        va="center",
        zorder=9,
        path_effects=halo,
    )
    boxes.append(box_of(arrow))
    ground = Bbox.union(boxes).padded(4)
    labels.take(ground)
    corners = np.asarray(axes.transData.inverted().transform(ground.get_points()))
    across, up = corners[1] - corners[0]
    axes.add_patch(
        Rectangle(corners[0], across, up, facecolor=styles.PAPER, alpha=0.75, edgecolor="none", zorder=8.5)
    )


def nice_length(length_km: float) -> float:
    """Round down to 1, 2 or 5 times a power of ten; it returns kilometres."""
    power = 10.0 ** math.floor(math.log10(length_km))
    return max(step for step in (1, 2, 5) if step * power <= length_km * (1 + 1e-9)) * power
