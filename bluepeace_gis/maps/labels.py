"""Labels with halos that keep clear of each other, of the points they name and of the frame."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.maps import styles

# The nearest wins, so beside the point before above it before askew; of equals the first of these.
DIRECTIONS: Final = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
DISTANCES_PT: Final = (6, 12, 22, 36)
LEADER_FROM_PT: Final = 18  # a label farther from its point is joined to it by a line
ACROSS: Final[dict[int, Literal["left", "right", "center"]]] = {1: "left", -1: "right", 0: "center"}
UP: Final[dict[int, Literal["bottom", "top", "center"]]] = {1: "bottom", -1: "top", 0: "center"}
PLACES_INSIDE: Final = 13  # tried along each side of an area
OUTSIDE_COST: Final = 20.0  # a letter beyond the frame is lost, one over another is only hard to read


@dataclass
class Labels:
    """The labels of one map, put where they hide least; the first to come chooses first.

    Boxes are in pixels of the figure, whose size and limits must not change any more.
    """

    axes: Axes
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def take(self, box: Bbox) -> None:
        """Keep later labels off a box."""
        self.taken.append(box.extents)

    def keep_free(self, places: Iterable[tuple[float, float]], radius: float = 9) -> None:
        """Keep labels off the points at ``places`` (in units of the map)."""
        for x, y in places:
            across, up = self.axes.transData.transform((x, y))
            self.take(Bbox.from_extents(across - radius, up - radius, across + radius, up + radius))

    def place_beside(self, text: str, x: float, y: float, *, size: float = 8.5) -> None:
        """Put a text beside a point, as near as can be."""
        label = self.axes.annotate(
            text,
            (x, y),
            xytext=(0, 0),
            textcoords="offset points",
            size=size,
            weight="bold",
            linespacing=1.15,
            ha="left",
            va="bottom",
            zorder=9,
            path_effects=[_halo()],
        )
        box, pixels = box_of(label), self._pixels_per_point()
        candidates = [(reach, right, up) for reach in DISTANCES_PT for right, up in DIRECTIONS]

        def moved(candidate: tuple[int, int, int]) -> Bbox:
            reach, right, up = candidate
            beside = {1: 0.0, -1: -box.width, 0: -box.width / 2}[right]
            above = {1: 0.0, -1: -box.height, 0: -box.height / 2}[up]
            return box.translated(reach * right * pixels + beside, reach * up * pixels + above)

        def cost(candidate: tuple[int, int, int]) -> float:
            reach, right, up = candidate
            return self._hidden(moved(candidate)) + reach * math.hypot(right, up)

        reach, right, up = best = min(candidates, key=cost)
        label.set_position((reach * right, reach * up))
        label.set_horizontalalignment(ACROSS[right])
        label.set_verticalalignment(UP[up])
        self.take(moved(best))
        if reach * math.hypot(right, up) > LEADER_FROM_PT:
            line = {"arrowstyle": "-", "linewidth": 0.7, "color": styles.INK, "shrinkA": 0, "shrinkB": 4}
            end = (reach * right, reach * up)
            self.axes.annotate("", (x, y), xytext=end, textcoords="offset points", arrowprops=line, zorder=8)

    def place_inside(self, text: str, shape: BaseGeometry) -> None:
        """Put a name into an area, near its middle."""
        left, bottom, right, top = shape.bounds
        share = np.arange(1, PLACES_INSIDE + 1) / (PLACES_INSIDE + 1)
        x, y = np.meshgrid(left + share * (right - left), bottom + share * (top - bottom))
        inside = shapely.contains_xy(shape, x.ravel(), y.ravel())
        middle = shape.representative_point()
        places = np.vstack([[middle.x, middle.y], np.column_stack([x.ravel()[inside], y.ravel()[inside]])])
        label = self.axes.text(
            middle.x,
            middle.y,
            "\N{HAIR SPACE}".join(text.upper()),
            size=9.5,
            color="#444444",
            ha="center",
            va="center",
            style="italic",
            zorder=7,
            path_effects=[_halo()],
        )
        box = box_of(label)
        pixels = self.axes.transData.transform(places)
        moves = pixels - pixels[0]
        # a little for the distance, so that of equal places the middle one is taken
        costs = [self._hidden(box.translated(*move)) + 1e-3 * math.hypot(*move) for move in moves.tolist()]
        best = int(np.argmin(costs))
        label.set_position(tuple(places[best]))
        self.take(box.translated(*moves[best]))

    def _pixels_per_point(self) -> float:
        figure = self.axes.get_figure(root=True)
        if figure is None:
            raise RuntimeError("the axes belong to no figure")
        return float(figure.dpi) / 72

    def _hidden(self, box: Bbox) -> float:
        """Count the square pixels that would hide something, or be hidden by the frame."""
        seen = _common(np.array([self.axes.bbox.extents]), box)
        return OUTSIDE_COST * (box.width * box.height - seen) + _common(np.array(self.taken), box)


def _common(boxes: npt.NDArray[np.float64], box: Bbox) -> float:
    """Add up the areas that boxes (n, 4) share with one."""
    if not len(boxes):
        return 0.0
    low, high = np.maximum(boxes[:, :2], box.min), np.minimum(boxes[:, 2:], box.max)
    return float(np.prod(np.clip(high - low, 0, None), axis=1).sum())


def box_of(text: Any) -> Bbox:
    """Measure a text on the figure, with a little air, in pixels."""
    box: Bbox = text.get_window_extent().padded(3)
    return box


def _halo() -> withStroke:
    return withStroke(linewidth=2.6, foreground=styles.PAPER)
