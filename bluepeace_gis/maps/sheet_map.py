"""The map of a printed sheet: projection, scale, graticule, boundaries by their status, labels, locator."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pyproj
import shapely
import textalloc
import xarray as xr
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.patheffects import Stroke, withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.geo.align import onto
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels, box_of
from bluepeace_gis.maps.relief import overlay
from bluepeace_gis.maps.relief import shade as light
from bluepeace_gis.maps.sheet_layout import MM_PER_POINT, dashes
from bluepeace_gis.maps.texts import Texts, figure

Shapes = NDArray[np.object_]

DEGREES: Final = pyproj.CRS("EPSG:4326")
PICTURE_DPI: Final = 300
# A scale of a printed map is one of these times a power of ten.
SCALES: Final = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0)
AIR: Final = 1.06  # around what is shown
SMALLEST_M: Final = 2_000.0  # what is smaller gets surroundings as if it were so large
DETAIL_MM: Final = 0.06  # finer vertices are not seen in print
GRATICULE_LINES: Final = 4
CURVE_POINTS: Final = 64  # along a meridian or parallel
HALO_PT: Final = 2.2
RIM_MM: Final = 1.2  # labels keep so far from the frame
RELIEF_STEP: Final = 2  # cells of the print in one of the relief: finer than the eye
LAND: Final = "#ece8dd"
CORNER_MM: Final = 9.0  # names of meridians keep so far from the corners
LOCATOR_TIMES: Final = 8.0  # how many times the map a locator shows, at least
COUNTRY_SHARE: Final = 0.01  # of the map: a smaller part of a country is not named
# A polygon is a country only if a boundary follows its edge somewhere: a leased area has none.
EDGE_SHARE: Final = 0.01
EDGE_DEG: Final = 0.01

AGREED, UNVERIFIED, DISPUTED = STATUSES = ("agreed", "unverified", "disputed")
# How much is certain is told by the dash, which a photocopier keeps, not by a colour.
BOUNDARY_DASHES: Final = {AGREED: "dash dot", UNVERIFIED: "dash", DISPUTED: "dot"}
BOUNDARY_WIDTHS_MM: Final = {AGREED: 0.5, UNVERIFIED: 0.5, DISPUTED: 0.75}
BOUNDARY_COLOUR: Final = "#2b2b2b"


def equal_area_around(bounds: tuple[float, float, float, float]) -> pyproj.CRS:
    """Choose the azimuthal equal-area projection of Lambert for a place.

    Parameters
    ----------
    bounds : west, south, east, north, degrees
        Its centre is rounded to a tenth of a degree, so that two sheets of one place agree.

    Returns
    -------
    CRS
    """
    west, south, east, north = bounds
    longitude, latitude = round((west + east) / 2, 1), round((south + north) / 2, 1)
    return pyproj.CRS.from_dict(
        {"proj": "laea", "lat_0": latitude, "lon_0": longitude, "datum": "WGS84", "units": "m"}
    )


def degrees_in_words(value: float, texts: Texts, *, east: bool) -> str:
    """Write 69.5 as degrees and minutes to the east in the leading language of a sheet."""
    minutes = round(abs(value) * 60)
    whole, rest = divmod(minutes, 60)
    text = f"{whole}°" + (f"{rest:02d}\N{PRIME}" if rest else "")
    side = ("east" if value > 0 else "west") if east else ("north" if value > 0 else "south")
    return text if minutes == 0 else f"{text}\N{NO-BREAK SPACE}{texts.first(side)}"


def nice_scale(scale: float) -> float:
    """Round the denominator of a scale up to one that a reader of maps expects."""
    power = 10.0 ** math.floor(math.log10(scale))
    return next(step for step in SCALES if step * power >= scale * (1 - 1e-9)) * power


@dataclass
class Canvas:
    """The map while it is drawn: where it lies on Earth and on paper, and what labels keep off.

    Parameters
    ----------
    axes : Axes
        In units of ``crs``.
    crs : CRS
        Projected.
    view : frame.View
    width_mm : float
        Of the map on paper.
    scale : float
        The denominator.
    texts : Texts
    factor : float
        Of letters and lines.
    """

    axes: Axes
    crs: pyproj.CRS
    view: frame.View
    width_mm: float
    scale: float
    texts: Texts
    factor: float
    labels: Labels = field(init=False)
    waiting: list[tuple[str, float, float, float]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels = Labels(self.axes)

    @property
    def unit_per_mm(self) -> float:
        """How much of the map a millimetre of paper is."""
        return (self.view.right - self.view.left) / self.width_mm

    @property
    def grid(self) -> Grid:
        """The cells that a picture in this map has in print."""
        columns = max(1, round(self.width_mm / 25.4 * PICTURE_DPI))
        cell = (self.view.right - self.view.left) / columns
        rows = max(1, round((self.view.top - self.view.bottom) / cell))
        return Grid(self.crs, Affine(cell, 0, self.view.left, 0, -cell, self.view.top), (rows, columns))

    def placed(self, layer: gpd.GeoSeries) -> Shapes:
        """Put a layer into the map: (n,) geometries, bent edges followed, unseen detail left out."""
        shapes = on_map(layer, self.crs)
        simple: Shapes = shapely.simplify(shapes, DETAIL_MM * self.unit_per_mm)
        return simple

    def areas(
        self,
        layer: gpd.GeoSeries,
        *,
        fill: str | Sequence[str] | None,
        outline: str | None,
        width_mm: float = 0.2,
        dash: str = "solid",
        level: float = 2.0,
    ) -> None:
        """Draw polygons; ``fill`` is one colour or one for each."""
        fills = [fill] * len(layer) if fill is None or isinstance(fill, str) else fill
        for shape, colour in zip(self.placed(layer), fills, strict=True):
            path = frame.outline(shape)
            if path is not None:
                self.axes.add_patch(
                    PathPatch(
                        path, facecolor=colour or "none", edgecolor=outline or "none",
                        linewidth=width_mm / MM_PER_POINT if outline else 0.0, linestyle=dashes(dash),
                        joinstyle="round", zorder=level,
                    )
                )  # fmt: skip

    def lines(
        self, shapes: Iterable[BaseGeometry], *, colour: str, width_mm: float, dash: str = "solid",
        level: float = 4.0, casing: bool = False,
    ) -> None:  # fmt: skip
        """Draw lines that are in the map already; a casing lifts them off what lies below."""
        parts = shapely.get_parts(np.array(list(shapes), dtype=object))
        paths = [shapely.get_coordinates(part) for part in parts if not part.is_empty]
        looks: list[tuple[str, float, Any, float]] = [(colour, width_mm, dashes(dash), level)]
        if casing:
            looks.insert(0, (styles.PAPER, width_mm + 0.55, "solid", level - 0.05))
        for tone, width, style, height in looks:
            self.axes.add_collection(
                LineCollection(
                    paths, colors=tone, linewidths=width / MM_PER_POINT, linestyles=[style], zorder=height,
                    capstyle="butt", joinstyle="round",
                ),
                autolim=False,
            )  # fmt: skip

    def points(self, x: Sequence[float], y: Sequence[float], layer: str, *, level: float = 8.0) -> None:
        """Draw points in the look of a layer, and keep labels off them."""
        look = frame.marker(layer)
        look["markersize"] *= 0.72 * self.factor
        look["markeredgewidth"] = 0.9
        self.axes.plot(x, y, **look, zorder=level)
        self.labels.keep_free(zip(x, y, strict=True), radius=1.3 * PICTURE_DPI / 25.4 * self.factor)

    def image(self, colours: NDArray[Any], *, level: float) -> None:
        """Lay (rows, columns, 4) colours on :attr:`grid` over the map."""
        view = self.view
        self.axes.imshow(
            colours, extent=(view.left, view.right, view.bottom, view.top), interpolation="nearest",
            zorder=level, aspect="auto", origin="upper",
        )  # fmt: skip
        frame.limit(self.axes, view)  # imshow has moved the limits

    def name(self, text: str, x: float, y: float, size_pt: float) -> None:
        """Ask for a label beside a point; the first to ask chooses first."""
        view = self.view
        if view.left < x < view.right and view.bottom < y < view.top:
            self.waiting.append((text, x, y, size_pt * self.factor))

    def number(self, text: str, x: float, y: float, size_pt: float) -> None:
        """Write a number onto an area; beside it where another label lies there."""
        label = self.axes.text(
            x, y, text, size=size_pt * self.factor, weight="bold", ha="center", va="center", zorder=9.5,
            path_effects=[halo()],
        )  # fmt: skip
        box = box_of(label)
        if any(box.overlaps(Bbox.from_extents(*taken)) for taken in self.labels.taken):
            label.remove()
            self.name(text, x, y, size_pt)
        else:
            self.labels.take(box)

    def relief(
        self, dem: xr.DataArray, *, land: float = 1.0, shade: float = 3.0, strength: float = 1.0
    ) -> None:
        """Lay the light and shadow of elevations (y, x) in metres over what lies below ``shade``."""
        t = self.grid.transform
        rows, columns = (max(2, size // RELIEF_STEP) for size in self.grid.shape)
        wide, high = self.grid.shape[1] / columns, self.grid.shape[0] / rows
        grid = Grid(self.crs, Affine(t.a * wide, 0, t.c, 0, t.e * high, t.f), (rows, columns))
        one, other = (float(np.mean(each.cell_steps_m[0])) for each in (Grid.of(dem), grid))
        # an average takes in all source cells of a coarser one; finer ones are drawn between theirs
        heights = onto(dem, grid, "average" if other > one else "bilinear").to_numpy().astype(np.float64)
        known = np.isfinite(heights)
        ground = np.zeros((*heights.shape, 4))
        ground[known] = to_rgba(LAND)
        self.image(ground, level=land)
        veil = overlay(light(heights, *grid.cell_steps_m), known)
        veil[..., 3] *= strength
        self.image(veil, level=shade)

    def write_names(self) -> None:
        """Write all labels where they collide with nothing; those without room are left out and told."""
        if not self.waiting:
            return
        texts, x, y, sizes = (list(each) for each in zip(*self.waiting, strict=True))
        blocked = self._blocked()
        view, rim = self.view, RIM_MM * self.unit_per_mm
        spots: Any = [26.0 * self.factor] * len(x) + [1.0] * len(blocked)
        *_, written, _ = textalloc.allocate(
            self.axes, x, y, texts, x_scatter=[*x, *blocked[:, 0].tolist()],
            y_scatter=[*y, *blocked[:, 1].tolist()],
            scatter_sizes=spots,
            textsize=sizes, textcolor=styles.INK, fontweight="bold", linecolor=styles.INK, linewidth=0.5,
            margin=0.003, min_distance=0.006, max_distance=0.11, draw_all=False, nbr_candidates=300,
            avoid_label_lines_overlap=True, avoid_crossing_label_lines=True, linespacing=1.1, zorder=9.5,
            path_effects=[halo()], plot_kwargs={"zorder": 7.5}, xlims=(view.left + rim, view.right - rim),
            ylims=(view.bottom + rim, view.top - rim),
        )  # fmt: skip
        for text, drawn in zip(texts, written, strict=True):
            if drawn is None:
                self.left_out.append(text)
            else:
                self.labels.take(box_of(drawn))

    def _blocked(self) -> NDArray[np.float64]:
        """Fill the boxes that are taken with points, which labels keep off: (n, 2) in units of the map."""
        step = 1.0 * PICTURE_DPI / 25.4
        found: list[NDArray[np.float64]] = [np.empty((0, 2))]
        for left, bottom, right, top in self.labels.taken:
            across = np.linspace(left, right, max(2, math.ceil((right - left) / step)))
            up = np.linspace(bottom, top, max(2, math.ceil((top - bottom) / step)))
            found.append(np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2))
        return np.asarray(self.axes.transData.inverted().transform(np.concatenate(found)))


def keep_searchable(axes: Axes) -> None:
    """Part letters from their rims: matplotlib draws a text with a rim as curves, which no search finds."""
    for text in [each for each in axes.texts if each.get_path_effects()]:
        axes.text(
            *text.get_position(), text.get_text(), fontproperties=text.get_fontproperties(),
            color=text.get_color(), ha=text.get_horizontalalignment(), va=text.get_verticalalignment(),
            zorder=text.get_zorder() + 0.01,
        )  # fmt: skip
        text.set_path_effects([Stroke(linewidth=HALO_PT, foreground=styles.PAPER)])


def halo() -> withStroke:
    """Return the light rim of letters."""
    return withStroke(linewidth=HALO_PT, foreground=styles.PAPER)


def on_map(layer: gpd.GeoSeries, crs: pyproj.CRS) -> Shapes:
    """Put a layer into a projection, with vertices enough to follow edges that become curves.

    Parameters
    ----------
    layer : (n,) GeoSeries
    crs : CRS

    Returns
    -------
    (n,) geometries, valid where they are polygons
    """
    shapes = layer.to_numpy()
    if len(shapes) and layer.crs.is_geographic:
        bounds = layer.total_bounds
        shapes = shapely.segmentize(shapes, max(np.ptp(bounds[[0, 2]]), np.ptp(bounds[[1, 3]]), 1e-6) / 256)
    moved = gpd.GeoSeries(shapes, crs=layer.crs).to_crs(crs).to_numpy()
    wrong = ~shapely.is_valid(moved)
    if wrong.any():
        moved[wrong] = shapely.make_valid(moved[wrong])
    fine: Shapes = moved
    return fine


def fitted_view(
    focus: Shapes, crs: pyproj.CRS, width_mm: float, height_mm: float
) -> tuple[frame.View, float]:
    """Choose what a map of a given size shows, at a scale of a round number.

    Parameters
    ----------
    focus : (n,) geometries in ``crs``
        What must be seen whole.
    crs : CRS
        Projected, in metres.
    width_mm, height_mm : float
        Of the map on paper.

    Returns
    -------
    view : frame.View
    scale : float
        The denominator.
    """
    left, bottom, right, top = shapely.total_bounds(focus)
    x, y = (left + right) / 2, (bottom + top) / 2
    east_m, north_m, north = frame.steps_on_earth(crs, x, y)
    width = max((right - left) * east_m, SMALLEST_M) * AIR
    height = max((top - bottom) * north_m, SMALLEST_M) * AIR
    scale = nice_scale(max(width / width_mm, height / height_mm) * 1000)
    half_x, half_y = scale * width_mm / 2000 / east_m, scale * height_mm / 2000 / north_m
    view = frame.View(x - half_x, y - half_y, x + half_x, y + half_y, height_mm / width_mm, east_m, north)
    return view, scale


# What lies around


def draw_graticule(canvas: Canvas) -> None:
    """Draw meridians and parallels as the curves they are, with their names outside of the frame."""
    view = canvas.view
    to_degrees = pyproj.Transformer.from_crs(canvas.crs, DEGREES, always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(
        view.left, view.bottom, view.right, view.top, densify_pts=21
    )
    # the farthest point of an edge may lie between those looked at
    air = 0.03 * max(east - west, north - south)
    west, south, east, north = west - air, max(south - air, -90.0), east + air, min(north + air, 90.0)
    step = frame.nice_degrees(min(max(east - west, north - south) / GRATICULE_LINES, 45.0))
    back = pyproj.Transformer.from_crs(DEGREES, canvas.crs, always_xy=True)
    along = np.linspace(0, 1, CURVE_POINTS)
    edge: dict[str, Any] = {"size": 6.2 * canvas.factor, "color": frame.NOTE, "annotation_clip": False}
    corner = CORNER_MM * canvas.unit_per_mm
    for value in _multiples(west, east, step):
        line = np.column_stack(back.transform(np.full(CURVE_POINTS, value), south + along * (north - south)))
        _draw_curve(canvas, line)
        x = _crossing(line[:, 1], line[:, 0], view.top)
        if view.left + corner < x < view.right - corner:
            canvas.axes.annotate(
                degrees_in_words(value, canvas.texts, east=True), (x, view.top), xytext=(0, 2),
                textcoords="offset points", ha="center", va="bottom", **edge,
            )  # fmt: skip
    for value in _multiples(max(south, -89.9), min(north, 89.9), step):
        line = np.column_stack(back.transform(west + along * (east - west), np.full(CURVE_POINTS, value)))
        _draw_curve(canvas, line)
        y = _crossing(line[:, 0], line[:, 1], view.left)
        if view.bottom + corner < y < view.top - corner:
            canvas.axes.annotate(
                degrees_in_words(value, canvas.texts, east=False), (view.left, y), xytext=(-2, 0),
                textcoords="offset points", ha="right", va="center", rotation=90,
                rotation_mode="default", **edge,
            )  # fmt: skip


def _draw_curve(canvas: Canvas, line: NDArray[np.float64]) -> None:
    canvas.axes.add_collection(
        LineCollection([line], colors="#7d8a96", linewidths=0.35, zorder=3.5, alpha=0.75), autolim=False
    )


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _crossing(along: NDArray[np.float64], across: NDArray[np.float64], value: float) -> float:
    """Find where a curve reaches ``along == value``: its other coordinate, NaN if nowhere."""
    side = np.flatnonzero(np.diff(np.sign(along - value)))
    if not len(side):
        return math.nan
    first = side[0]
    share = (value - along[first]) / (along[first + 1] - along[first])
    return float(across[first] + share * (across[first + 1] - across[first]))


def draw_boundaries(canvas: Canvas, boundaries: gpd.GeoDataFrame) -> tuple[str, ...]:
    """Draw boundaries by their status.

    Parameters
    ----------
    canvas : Canvas
    boundaries : lines with ``status``

    Returns
    -------
    (str, ...)
        The statuses that are seen in this map.
    """
    box = canvas.view.box
    shapes = on_map(boundaries.geometry, canvas.crs)
    seen = shapely.intersection(shapes, box)
    statuses = boundaries["status"].to_numpy()
    found = []
    for status in STATUSES:
        chosen = seen[(statuses == status) & ~shapely.is_empty(seen)]
        if not len(chosen):
            continue
        found.append(status)
        parts = shapely.get_parts(shapely.line_merge(shapely.union_all(chosen)))
        canvas.lines(
            shapely.simplify(parts, DETAIL_MM * canvas.unit_per_mm), colour=BOUNDARY_COLOUR,
            width_mm=BOUNDARY_WIDTHS_MM[status] * canvas.factor, dash=BOUNDARY_DASHES[status], level=6.0,
            casing=True,
        )  # fmt: skip
    return tuple(found)


def name_countries(
    canvas: Canvas, countries: gpd.GeoDataFrame, country_field: str, boundaries: gpd.GeoDataFrame
) -> None:
    """Write the names of countries into their land, as far as a boundary makes it one."""
    drawn = shapely.union_all(boundaries.geometry.to_crs(DEGREES).to_numpy())
    near = drawn.buffer(EDGE_DEG)
    shapes = countries.geometry.to_crs(DEGREES)
    edges = shapely.boundary(shapes.to_numpy())
    followed = shapely.length(shapely.intersection(edges, near)) / np.maximum(shapely.length(edges), 1e-12)
    inner = canvas.view.box.buffer(-3 * canvas.unit_per_mm)
    for name, shape, share in zip(
        countries[country_field], on_map(shapes, canvas.crs), followed, strict=True
    ):
        part = max(
            shapely.get_parts(shapely.intersection(shape, inner)), key=lambda each: float(each.area),
            default=None,
        )  # fmt: skip
        if part is not None and part.area > COUNTRY_SHARE * canvas.view.box.area and share > EDGE_SHARE:
            canvas.labels.place_inside(str(name), part)
            # without the spaces between its letters, which would hide it from a search
            canvas.axes.texts[-1].set_text(str(name).upper())


# Scale and north


def draw_scale_and_north(canvas: Canvas, ink: BaseGeometry) -> None:
    """Draw the bar and the arrow to true north in the corner where they hide least of ``ink``.

    Parameters
    ----------
    canvas : Canvas
    ink : geometry in the map
        What should stay visible.
    """
    factor, view, per_mm = canvas.factor, canvas.view, canvas.unit_per_mm
    longest_km = 0.24 * (view.right - view.left) * view.metres_per_unit / 1000
    field_km = frame.nice_length(longest_km / 2)
    bar = 2 * field_km * 1000 / view.metres_per_unit
    width, height = bar + 26 * factor * per_mm, 13 * factor * per_mm
    x, y = _freest_corner(canvas, width, height, ink)
    canvas.axes.add_patch(
        Rectangle((x, y), width, height, facecolor=styles.PAPER, edgecolor="#8a8a8a", linewidth=0.4,
                  alpha=0.93, zorder=8.6)
    )  # fmt: skip
    left, base = x + 4.5 * factor * per_mm, y + 2.4 * factor * per_mm
    for position, colour in enumerate((styles.INK, styles.PAPER)):
        canvas.axes.add_patch(
            Rectangle((left + position * bar / 2, base), bar / 2, 1.3 * factor * per_mm, facecolor=colour,
                      edgecolor=styles.INK, linewidth=0.6, zorder=9)
        )  # fmt: skip
    unit = canvas.texts.line("km")
    for position in range(3):
        number = f"{position * field_km:g}" + (f" {unit}" if position == 2 else "")
        # the last number is centred on its mark, its unit follows
        canvas.axes.annotate(
            number, (left + position * bar / 2, base + 1.3 * factor * per_mm), xytext=(0, 1.5),
            textcoords="offset points", size=6.4 * factor, va="bottom",
            ha="center" if position < 2 else "left", zorder=9,
        )  # fmt: skip
    canvas.axes.text(
        left - 1.5 * factor * per_mm, base + 6.4 * factor * per_mm, f"1 : {figure(canvas.scale)}",
        size=7.2 * factor, weight="bold", va="bottom", zorder=9,
    )  # fmt: skip
    centre_x, centre_y = x + width - 6 * factor * per_mm, y + 2.2 * factor * per_mm
    _, _, north = frame.steps_on_earth(canvas.crs, centre_x, centre_y)
    reach = 6.0 * factor * per_mm
    end_x, end_y = centre_x + reach * math.cos(north), centre_y + reach * math.sin(north)
    canvas.axes.annotate(
        "", (end_x, end_y), xytext=(centre_x, centre_y), zorder=9,
        arrowprops={"arrowstyle": "-|>", "linewidth": 1.1, "color": styles.INK, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    canvas.axes.text(
        end_x + 0.25 * reach * math.cos(north), end_y + 0.1 * reach, canvas.texts.line("north_letter"),
        size=7.5 * factor, weight="bold", ha="center", va="bottom", zorder=9,
    )  # fmt: skip
    corners = canvas.axes.transData.transform([(x, y), (x + width, y + height)])
    canvas.labels.take(Bbox(corners))


def _freest_corner(canvas: Canvas, width: float, height: float, ink: BaseGeometry) -> tuple[float, float]:
    view, air = canvas.view, 2 * canvas.unit_per_mm
    places = [
        (x, y)
        for y in (view.bottom + air, view.top - air - height)
        for x in (view.left + air, view.right - air - width)
    ]
    hidden = [
        round(float(ink.intersection(shapely.box(x, y, x + width, y + height)).area) / (width * height), 3)
        for x, y in places
    ]
    return places[int(np.argmin(hidden))]


# The locator


def draw_locator(
    axes: Axes, canvas: Canvas, boundaries: gpd.GeoDataFrame, size_mm: tuple[float, float]
) -> None:
    """Draw where on Earth the map lies: its frame among the boundaries, with degrees around it.

    Parameters
    ----------
    axes : Axes
        Of ``size_mm``.
    canvas : Canvas
        Of the map.
    boundaries : lines with ``status``
        All of them; where they reach no farther than the map, degrees alone must do.
    size_mm : width, height
    """
    wide, high = size_mm
    view = canvas.view
    lines = on_map(boundaries.geometry, canvas.crs)
    x, y = (view.left + view.right) / 2, (view.bottom + view.top) / 2
    least = LOCATOR_TIMES * max(view.right - view.left, (view.top - view.bottom) * wide / high)
    left, bottom, right, top = shapely.total_bounds(lines)
    reach = max(abs(left - x), abs(right - x), abs(bottom - y) * wide / high, abs(top - y) * wide / high)
    # neither a speck in a continent nor more than the boundaries know
    width = min(max(least, 2 * reach), 40 * max(view.right - view.left, 1.0), 6e6)
    width = max(width, least if least < 6e6 else 1.15 * least / LOCATOR_TIMES)
    seen = frame.View(
        x - width / 2, y - width * high / wide / 2, x + width / 2, y + width * high / wide / 2,
        high / wide, view.metres_per_unit, view.north,
    )  # fmt: skip
    frame.limit(axes, seen)
    axes.set_facecolor("#f4f2ec")
    small = Canvas(axes, canvas.crs, seen, wide, 0.0, canvas.texts, 0.8)
    _draw_degrees(small)
    statuses = boundaries["status"].to_numpy()
    for status in STATUSES:
        inside = shapely.intersection(lines[statuses == status], seen.box)
        small.lines(
            shapely.simplify(inside, DETAIL_MM * small.unit_per_mm), colour="#4d4d4d", width_mm=0.22,
            dash="solid" if status == AGREED else BOUNDARY_DASHES[status],
        )  # fmt: skip
    # a map smaller than a millimetre in the locator is still found
    half_x = max((view.right - view.left) / 2, 0.9 * small.unit_per_mm)
    half_y = max((view.top - view.bottom) / 2, 0.9 * small.unit_per_mm)
    axes.add_patch(
        Rectangle((x - half_x, y - half_y), 2 * half_x, 2 * half_y, facecolor="#c9571b", alpha=0.35,
                  edgecolor="none", zorder=8)
    )  # fmt: skip
    axes.add_patch(
        Rectangle((x - half_x, y - half_y), 2 * half_x, 2 * half_y, facecolor="none", edgecolor=styles.INK,
                  linewidth=1.0, zorder=9)
    )  # fmt: skip


def _draw_degrees(canvas: Canvas) -> None:
    """Draw the graticule of a locator with its names inside."""
    view = canvas.view
    to_degrees = pyproj.Transformer.from_crs(canvas.crs, DEGREES, always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(
        view.left, view.bottom, view.right, view.top, densify_pts=21
    )
    air_deg = 0.05 * max(east - west, north - south)
    west, south, east, north = (
        west - air_deg,
        max(south - air_deg, -90.0),
        east + air_deg,
        min(north + air_deg, 90.0),
    )
    step = frame.nice_degrees(max(east - west, north - south) / 3)
    back = pyproj.Transformer.from_crs(DEGREES, canvas.crs, always_xy=True)
    along = np.linspace(0, 1, CURVE_POINTS)
    look: dict[str, Any] = {"size": 6.0, "color": frame.NOTE, "zorder": 9, "path_effects": [halo()]}
    air = 1.2 * canvas.unit_per_mm
    for value in _multiples(west, east, step):
        line = np.column_stack(back.transform(np.full(CURVE_POINTS, value), south + along * (north - south)))
        _draw_curve(canvas, line)
        x = _crossing(line[:, 1], line[:, 0], view.bottom)
        if view.left + 5 * air < x < view.right - 3 * air:
            canvas.axes.text(x, view.bottom + air / 2, f"{value:g}°", ha="center", va="bottom", **look)
    for value in _multiples(max(south, -89.9), min(north, 89.9), step):
        line = np.column_stack(back.transform(west + along * (east - west), np.full(CURVE_POINTS, value)))
        _draw_curve(canvas, line)
        y = _crossing(line[:, 0], line[:, 1], view.left)
        if view.bottom + 3 * air < y < view.top - 2 * air:
            canvas.axes.text(view.left + air / 2, y, f"{value:g}°", ha="left", va="center", **look)
