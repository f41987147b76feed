"""Pictures to look at first: is the basin where it should be, whose land is it, how high does it lie?

They are drawn from the product itself, on relief shaded from the elevation model, in the colours of
:mod:`bluepeace_gis.maps.styles`. The same product gives the same picture, byte for byte. For a map
to hand over, with legend, graticule, sources and disclaimer, there is the sheet.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import matplotlib.style
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Affine2D, Bbox
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.geo.crs import label, to_geographic
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.maps import styles
from bluepeace_gis.maps.labels import Labels, box_of
from bluepeace_gis.maps.relief import decimated, shade

Reals = npt.NDArray[np.float64]

DOTS_PER_INCH: Final = 150
RELIEF_CELLS: Final = 1200  # along the longer side of the map
STREAMS_DRAWN: Final = 20_000  # of the greatest orders; more would only blacken the picture
BASINS_LISTED: Final = 10
OUTLETS_LABELLED: Final = 40  # of the greatest basins; more names than that hide the map
POINTS_PER_MM: Final = 72 / 25.4

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
_LAND: Final = "#ece8dd"
_NO_DATA: Final = "#ffffff"
_BORDER_DASHES: Final = (0, (6, 2, 1, 2))
_MAP_WIDTH: Final = 7.4  # inches, as are all sizes of the sheet
_PANEL_WIDTH: Final = 2.9
_MARGIN: Final = 0.22
_TITLE_HEIGHT: Final = 0.48
_FOOT_HEIGHT: Final = 0.30
_BANDS_PITCH: Final = 3.1
_ASPECTS: Final = (0.66, 1.2)  # height to width of the map: beyond, the view is widened


# The picture of the basins


def basins_picture(
    path: Path | str,
    *,
    dem: npt.ArrayLike,
    grid: Grid,
    basins: gpd.GeoDataFrame,
    streams: gpd.GeoDataFrame,
    outlets: gpd.GeoDataFrame,
    countries: gpd.GeoDataFrame | None = None,
    country_field: str = "name",
    shares: pd.DataFrame | None = None,
    crossings: gpd.GeoDataFrame | None = None,
    border_reaches: gpd.GeoDataFrame | None = None,
    title: str = "Basins",
) -> Path:
    """Draw basins with their rivers on shaded relief, and whose land they are, as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    dem : (rows, columns) float, metres, NaN where unknown
    grid : Grid
        Of ``dem``.
    basins : polygons with outlet_id, name, area_km2
    streams : lines with strahler
    outlets : points with outlet_id
        Where the water leaves; each is labelled with its basin's name and area.
    countries : polygons with ``country_field``, optional
        Borders to draw.
    shares : table of outlet_id, country, area_km2, share_pct, optional
        Listed beside the map.
    crossings : points, optional
        Where rivers cross a border.
    border_reaches : lines, optional
        Where rivers run along one.
    title : str

    Returns
    -------
    Path
        ``path``.

    Notes
    -----
    All layers are put into the CRS of the grid.
    """
    basins, streams, outlets = (layer.to_crs(grid.crs) for layer in (basins, streams, outlets))
    basins = basins.sort_values("area_km2", ascending=False, kind="stable").reset_index(drop=True)
    view = _view_of(basins, outlets, grid)
    with matplotlib.style.context(["default", _LOOK]):
        map_height = _MAP_WIDTH * view.aspect
        height = map_height + _TITLE_HEIGHT + _FOOT_HEIGHT + _MARGIN
        width = _MAP_WIDTH + _PANEL_WIDTH + 3 * _MARGIN
        figure = _sheet(width, height, title)
        axes = figure.add_axes(
            (_MARGIN / width, (_FOOT_HEIGHT + _MARGIN / 2) / height, _MAP_WIDTH / width, map_height / height)
        )
        _frame(axes, view)
        _draw_basins(axes, basins, view)
        _draw_relief(axes, np.asarray(dem, dtype=np.float64), grid, view)
        _draw_streams(axes, streams, view)
        _draw_outlines(axes, basins, view)
        labels = Labels(axes)
        names = _names(basins)
        extras = _draw_borders(axes, crossings, border_reaches, grid)
        _draw_outlets(axes, outlets, basins, names, labels)
        _draw_scale(axes, view, labels)
        note = f"Areas on the ellipsoid. Map in {label(grid.crs)}."
        if "touches_edge" in basins and basins["touches_edge"].any():
            note += " * reaches the edge of the elevations and may be larger."
        if countries is not None:
            _draw_countries(axes, countries.to_crs(grid.crs), country_field, view, labels)
            note += " Borders as in the layer given; they imply no endorsement."
        figure.text(_MARGIN / width, 0.12 / height, note, size=7, va="bottom", color="#555555")
        panel = figure.add_axes(
            (
                (_MAP_WIDTH + 2 * _MARGIN) / width,
                (_FOOT_HEIGHT + _MARGIN / 2) / height,
                _PANEL_WIDTH / width,
                map_height / height,
            )
        )
        depth = map_height - _draw_legend(
            panel, map_height, [*extras, *([] if countries is None else ["countries"])]
        )
        _draw_panel(panel, basins, names, shares, depth)
        return _save(figure, path)


@dataclass(frozen=True)
class _View:
    """The part of the plane that is drawn, and how it lies on Earth."""

    left: float
    bottom: float
    right: float
    top: float
    aspect: float  # height to width on the ground
    metres_per_unit: float  # along a row in the middle
    north: float  # direction of true north in the middle, radians from the x axis

    @property
    def box(self) -> BaseGeometry:
        return shapely.box(self.left, self.bottom, self.right, self.top)

    @property
    def unit_per_pixel(self) -> float:
        return (self.right - self.left) / (_MAP_WIDTH * DOTS_PER_INCH)


def _view_of(basins: gpd.GeoDataFrame, outlets: gpd.GeoDataFrame, grid: Grid) -> _View:
    parts = [layer.total_bounds for layer in (basins, outlets) if len(layer)] or [np.array(grid.bounds)]
    bounds = np.array(parts)
    left, bottom = bounds[:, 0].min(), bounds[:, 1].min()
    right, top = bounds[:, 2].max(), bounds[:, 3].max()
    x, y = (left + right) / 2, (bottom + top) / 2
    east_m, north_m, north = _steps_on_earth(grid.crs, x, y)
    smallest = 10 * grid.cell_steps_m[0].mean()  # so that a basin of one cell has a surrounding
    width_m = max((right - left) * east_m, smallest) * 1.12
    height_m = max((top - bottom) * north_m, smallest) * 1.12
    height_m = max(height_m, width_m * _ASPECTS[0])
    width_m = max(width_m, height_m / _ASPECTS[1])
    half_x, half_y = width_m / east_m / 2, height_m / north_m / 2
    return _View(x - half_x, y - half_y, x + half_x, y + half_y, height_m / width_m, east_m, north)


def _steps_on_earth(crs: pyproj.CRS, x: float, y: float) -> tuple[float, float, float]:
    """Measure metres on the ellipsoid for one unit along x and along y, and the direction of north."""
    transformer = to_geographic(crs)
    step = 1e-3 if crs.is_geographic else 100.0
    geod = crs.get_geod()
    if geod is None:  # a CRS of a grid has an ellipsoid
        raise RuntimeError(f"{crs.name} has no ellipsoid")
    middle, east, north = (transformer.transform(*place) for place in ((x, y), (x + step, y), (x, y + step)))
    _, _, east_m = geod.inv(*middle, *east)
    azimuth, _, north_m = geod.inv(*middle, *north)
    return east_m / step, north_m / step, math.pi / 2 + math.radians(azimuth)


def _sheet(width: float, height: float, title: str) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=styles.PAPER)
    FigureCanvasAgg(figure)
    figure.text(_MARGIN / width, 1 - 0.16 / height, title, size=13, weight="bold", va="top")
    return figure


def _save(figure: Figure, path: Path | str) -> Path:
    target = Path(path)
    # no version and no time in the file: the same product gives the same bytes
    figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return target


def _frame(axes: Axes, view: _View) -> None:
    axes.set_xlim(view.left, view.right)
    axes.set_ylim(view.bottom, view.top)
    axes.set_aspect("auto")  # the axes have the ground's own aspect
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(_NO_DATA)


# Relief


def _draw_relief(axes: Axes, dem: Reals, grid: Grid, view: _View) -> None:
    """Lay light and shadow over the tints: they keep their hue."""
    rows, columns, dem = _seen_part(dem, grid, view)
    step = max(1, math.ceil(max(dem.shape) / RELIEF_CELLS))
    coarse = decimated(dem, step)
    east, south = (steps[rows : rows + dem.shape[0] : step][: coarse.shape[0]] for steps in grid.cell_steps_m)
    light = shade(coarse, east * step, south * step)
    known = np.isfinite(coarse)
    overlay = np.zeros((*coarse.shape, 4))
    overlay[..., :3] = (light > 0)[..., np.newaxis]  # white where it is lighter than flat land, else black
    overlay[..., 3] = np.where(known, np.where(light > 0, 0.55 * light, -0.75 * light), 0)
    land = np.zeros((*coarse.shape, 4))
    land[known] = matplotlib.colors.to_rgba(_LAND)
    height, width = coarse.shape
    in_cells = Affine2D(np.array(grid.transform).reshape(3, 3))
    place = Affine2D().scale(step).translate(columns, rows) + in_cells + axes.transData
    for image, level in ((land, 1), (np.clip(overlay, 0, 1), 3)):
        axes.imshow(
            image,
            extent=(0, width, height, 0),
            transform=place,
            interpolation="antialiased",
            zorder=level,
            aspect="auto",
            clip_on=True,
        )
    _frame(axes, view)  # imshow has moved the limits


def _seen_part(dem: Reals, grid: Grid, view: _View) -> tuple[int, int, Reals]:
    """Cut out the cells that the view shows, with the first row and column."""
    x = np.array([view.left, view.right, view.right, view.left])
    y = np.array([view.bottom, view.bottom, view.top, view.top])
    column, row = apply(~grid.transform, x, y)
    first_row, last_row = np.clip([row.min() - 1, row.max() + 2], 0, dem.shape[0]).astype(int)
    first_column, last_column = np.clip([column.min() - 1, column.max() + 2], 0, dem.shape[1]).astype(int)
    return first_row, first_column, dem[first_row:last_row, first_column:last_column]


# Layers


def _outline(shape: BaseGeometry) -> Outline | None:
    """Turn a polygon with its holes, or several, into one path."""
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


def _simplified(layer: gpd.GeoSeries, view: _View) -> list[BaseGeometry]:
    """Leave out what is smaller than a pixel, such as the steps along the edges of cells."""
    return list(shapely.simplify(layer.to_numpy(), 0.7 * view.unit_per_pixel))


def _draw_basins(axes: Axes, basins: gpd.GeoDataFrame, view: _View) -> None:
    for position, shape in zip(_tint_positions(basins), _simplified(basins.geometry, view), strict=True):
        path = _outline(shape)
        if path is not None:
            axes.add_patch(PathPatch(path, facecolor=styles.tint(position), edgecolor="none", zorder=2))


def _tint_positions(basins: gpd.GeoDataFrame) -> list[int]:
    """Give basins that touch different tints: each takes the first its greater neighbours leave over."""
    shapes = basins.geometry.to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    neighbours: dict[int, set[int]] = {position: set() for position in range(len(shapes))}
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        if first != second:
            neighbours[first].add(second)
    chosen: list[int] = []
    for position in range(len(shapes)):
        taken = {chosen[each] for each in neighbours[position] if each < position}
        free = [tint for tint in range(len(styles.BASIN_TINTS)) if tint not in taken]
        # begin at another tint for each basin, so that all are used
        start = position % len(styles.BASIN_TINTS)
        chosen.append(min(free, key=lambda tint: (tint - start) % len(styles.BASIN_TINTS)) if free else start)
    return chosen


def _draw_outlines(axes: Axes, basins: gpd.GeoDataFrame, view: _View) -> None:
    style = styles.LAYERS["basins"]
    for shape in _simplified(basins.geometry, view):
        path = _outline(shape)
        if path is not None:
            axes.add_patch(
                PathPatch(
                    path,
                    facecolor="none",
                    edgecolor=style.outline,
                    linewidth=style.width_mm * POINTS_PER_MM * 0.8,
                    joinstyle="round",
                    zorder=5,
                )
            )


def _draw_streams(axes: Axes, streams: gpd.GeoDataFrame, view: _View) -> None:
    """Draw the streams of the greatest orders, wider by order as in the style."""
    widths = {each.value: each.width_mm or 0.3 for each in styles.LAYERS["streams"].classes}
    widest = max(widths.values())
    seen = streams.iloc[streams.sindex.query(view.box)] if len(streams) else streams
    kept = seen.sort_values("strahler", ascending=False, kind="stable")[:STREAMS_DRAWN]
    orders = kept["strahler"].to_numpy() if len(kept) else np.array([], dtype=int)
    # the greatest river of the picture has the width of the fifth order, whatever its own
    excess = max(0, int(orders.max()) - 5) if len(orders) else 0
    for order in sorted(set(orders.tolist())):
        shapes = shapely.get_parts(
            shapely.simplify(kept.geometry[orders == order].to_numpy(), view.unit_per_pixel / 2)
        )
        lines = [shapely.get_coordinates(shape) for shape in shapes]
        width = widths.get(max(1, order - excess), widest) * POINTS_PER_MM
        axes.add_collection(
            LineCollection(lines, colors=styles.WATER, linewidths=width * 0.75, capstyle="round", zorder=4),
            autolim=False,
        )


def _draw_countries(
    axes: Axes, countries: gpd.GeoDataFrame, country_field: str, view: _View, labels: Labels
) -> None:
    style = styles.LAYERS["countries"]
    # borders that only the view cuts out are none: draw the lines, clipped, not the clipped areas;
    # and a border of two countries once, or the dashes of one fill the gaps of the other
    seen = countries.iloc[np.sort(countries.sindex.query(view.box))]
    borders = shapely.intersection(shapely.boundary(_valid(seen.geometry.to_numpy())), view.box)
    merged = shapely.get_parts(shapely.line_merge(shapely.union_all(borders)))
    lines = [shapely.get_coordinates(line) for line in merged if line.geom_type == "LineString"]
    for colour, width, dashes, level in (
        (styles.PAPER, 3.0, "solid", 5.5),
        (style.outline, style.width_mm * POINTS_PER_MM, _BORDER_DASHES, 5.6),
    ):
        axes.add_collection(
            LineCollection(
                lines,
                colors=colour,
                linewidths=width,
                linestyles=[dashes],
                alpha=0.6 if colour == styles.PAPER else 1,
                zorder=level,
            ),
            autolim=False,
        )
    inner = view.box.buffer(-0.04 * (view.right - view.left))
    for name, shape in zip(seen[country_field], _valid(seen.geometry.to_numpy()), strict=True):
        part = max(
            shapely.get_parts(shapely.intersection(shape, inner)),
            key=lambda each: float(each.area),
            default=None,
        )
        if part is not None and part.area > 0.01 * view.box.area:
            labels.place_inside(str(name), part)


def _valid(shapes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))


def _draw_outlets(
    axes: Axes,
    outlets: gpd.GeoDataFrame,
    basins: gpd.GeoDataFrame,
    names: Mapping[Any, str],
    labels: Labels,
) -> None:
    areas = dict(zip(basins["outlet_id"], basins["area_km2"], strict=True))
    places = [
        (each, point.x, point.y)
        for each, point in zip(outlets["outlet_id"], outlets.geometry, strict=True)
        if each in areas
    ]
    places.sort(key=lambda place: (-areas[place[0]], str(place[0])))
    axes.plot([x for _, x, _ in places], [y for _, _, y in places], **_marker("outlets"), zorder=8)
    labels.keep_free((x, y) for _, x, y in places)
    for outlet, x, y in places[:OUTLETS_LABELLED]:
        labels.place_beside(f"{names[outlet]}\n{kilometres2(areas[outlet])}", x, y)


def _draw_borders(
    axes: Axes, crossings: gpd.GeoDataFrame | None, reaches: gpd.GeoDataFrame | None, grid: Grid
) -> list[str]:
    """Draw where rivers run along borders and cross them; return the layers that the legend must name."""
    drawn = []
    if reaches is not None and len(reaches):
        style = styles.LAYERS["border_reaches"]
        lines = [shapely.get_coordinates(line) for line in reaches.to_crs(grid.crs).geometry]
        width = style.width_mm * POINTS_PER_MM
        axes.add_collection(
            LineCollection(lines, colors=style.fill, linewidths=width, zorder=5), autolim=False
        )
        drawn.append("border_reaches")
    if crossings is not None and len(crossings):
        points = crossings.to_crs(grid.crs).geometry
        axes.plot(points.x, points.y, **_marker("crossings"), zorder=7)
        drawn.append("crossings")
    return drawn


_MARKERS: Final = {"circle": "o", "diamond": "D"}


def _marker(layer: str) -> dict[str, Any]:
    style = styles.LAYERS[layer]
    return {
        "linestyle": "none",
        "marker": _MARKERS[style.marker],
        "markersize": style.size_mm * POINTS_PER_MM * 0.8,
        "markerfacecolor": style.fill,
        "markeredgecolor": style.outline,
        "markeredgewidth": 1.2,
    }


def _names(basins: gpd.GeoDataFrame) -> dict[Any, str]:
    """Name each basin; a star tells that the edge of the elevations may cut it."""
    named = basins["name"] if "name" in basins else pd.Series([None] * len(basins))
    cut = basins["touches_edge"] if "touches_edge" in basins else pd.Series([False] * len(basins))
    return {
        outlet: (f"outlet {outlet}" if pd.isna(name) or not str(name).strip() else str(name))
        + (" *" if star else "")
        for outlet, name, star in zip(basins["outlet_id"], named, cut, strict=True)
    }


def kilometres2(area_km2: float) -> str:
    """Write an area with one decimal and thin spaces between thousands."""
    return f"{area_km2:,.1f} km²".replace(",", "\N{NARROW NO-BREAK SPACE}")


# Scale and north


def _draw_scale(axes: Axes, view: _View, labels: Labels) -> None:
    """Draw a bar of two fields in the lower left corner and an arrow to true north beside it."""
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
    corners = axes.transData.inverted().transform(ground.get_points())
    across, up = corners[1] - corners[0]
    axes.add_patch(
        Rectangle(corners[0], across, up, facecolor=styles.PAPER, alpha=0.75, edgecolor="none", zorder=8.5)
    )


def nice_length(length_km: float) -> float:
    """Round down to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(length_km))
    return max(step for step in (1, 2, 5) if step * power <= length_km * (1 + 1e-9)) * power


# The panel beside the map


def _draw_panel(
    axes: Axes, basins: gpd.GeoDataFrame, names: Mapping[Any, str], shares: pd.DataFrame | None, height: float
) -> None:
    """List areas, and the countries' shares of them, from the top down to ``height`` inches."""
    tints = _country_tints(shares)
    with_shares = shares is not None and len(shares) > 0
    axes.text(
        0, -0.02, "Shares of the countries" if with_shares else "Areas", size=10, weight="bold", va="top"
    )
    depth = 0.36
    largest = float(basins["area_km2"].max()) if len(basins) else 1.0
    shown = 0
    for basin in basins[:BASINS_LISTED].itertuples():
        rows = _shares_of(shares, basin.outlet_id) if with_shares else []
        needed = 0.44 + 0.18 * len(rows)
        if depth + needed > height - (0.2 if shown + 1 < len(basins) else 0):
            break
        area = float(basin.area_km2)
        axes.text(0, -depth, _shortened(names[basin.outlet_id], 26), size=8.5, weight="bold", va="top")
        axes.text(_PANEL_WIDTH, -depth, kilometres2(area), size=8.5, va="top", ha="right")
        bar = [(share, tints[country]) for country, _, share in rows] or [
            (100 * area / largest, styles.tint(0))
        ]
        _draw_bar(axes, bar, depth + 0.18)
        for position, (country, area_km2, share) in enumerate(rows):
            _draw_row(axes, depth + 0.36 + 0.18 * position, tints[country], (country, area_km2, share))
        depth += needed + 0.08
        shown += 1
    if shown < len(basins):
        rest = len(basins) - shown
        text = (
            f"and {rest} more in the product's tables"
            if shown
            else f"{rest} basins: see the product's tables"
        )
        axes.text(0, -depth, text, size=7.5, va="top", style="italic")


def _draw_legend(axes: Axes, height: float, extras: Sequence[str]) -> float:
    """Say at the bottom of the panel what lines and points are; return the inches this takes."""
    axes.set_axis_off()  # its unit is the inch, so that texts fit
    axes.set_xlim(0, _PANEL_WIDTH)
    axes.set_ylim(-height, 0)
    rows = ["outlets", "streams", "basins", *extras]
    for position, name in enumerate(reversed(rows)):
        style = styles.LAYERS[name]
        y = -height + 0.1 + 0.2 * position
        if style.geometry == "point":
            axes.plot([0.2], [y], **_marker(name))
        else:
            colour = style.fill if style.geometry == "line" else style.outline
            dashes: Any = _BORDER_DASHES if style.dash == "dash dot" else "solid"
            width = style.width_mm * POINTS_PER_MM + 0.2
            axes.plot([0, 0.4], [y, y], color=colour, linewidth=width, linestyle=dashes)
        axes.text(0.52, y, style.title, size=8, va="center")
    return 0.2 * len(rows) + 0.15


def _country_tints(shares: pd.DataFrame | None) -> dict[str, str]:
    """Give each country one tint in the whole picture, the largest the lightest."""
    if shares is None or not len(shares):
        return {}
    totals = (
        shares.groupby("country", sort=True)["area_km2"].sum().sort_values(ascending=False, kind="stable")
    )
    return {
        country: styles.tint(position, styles.COUNTRY_TINTS) for position, country in enumerate(totals.index)
    }


def _shares_of(shares: pd.DataFrame | None, outlet: Any) -> list[tuple[str, float, float]]:
    if shares is None:
        return []
    part = shares[shares["outlet_id"] == outlet].sort_values("area_km2", ascending=False, kind="stable")
    return list(zip(part["country"], part["area_km2"], part["share_pct"], strict=True))


def _draw_bar(axes: Axes, parts: Sequence[tuple[float, str]], depth: float) -> None:
    ends = np.concatenate([[0.0], np.cumsum([share for share, _ in parts])]) / 100 * _PANEL_WIDTH
    for (start, end), (_, colour) in zip(pairwise(ends.tolist()), parts, strict=True):
        axes.add_patch(
            Rectangle(
                (start, -depth - 0.13),
                end - start,
                0.13,
                facecolor=colour,
                edgecolor=styles.INK,
                linewidth=0.7,
                clip_on=False,
            )
        )


def _draw_row(axes: Axes, depth: float, colour: str, row: tuple[str, float, float]) -> None:
    country, area_km2, share = row
    axes.add_patch(
        Rectangle((0.02, -depth - 0.115), 0.11, 0.1, facecolor=colour, edgecolor=styles.INK, linewidth=0.7)
    )
    axes.text(0.2, -depth, _shortened(country, 20), size=8, va="top")
    axes.text(2.25, -depth, kilometres2(area_km2), size=8, va="top", ha="right")
    axes.text(_PANEL_WIDTH, -depth, percent(share), size=8, va="top", ha="right")


def percent(share: float) -> str:
    """Write a share of a hundred with one decimal; a little is not nothing."""
    return "<0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


# The picture of the elevations


def hypsometric_picture(
    path: Path | str,
    bands: pd.DataFrame,
    *,
    names: Mapping[Any, str] | None = None,
    title: str = "Area by elevation",
) -> Path:
    """Draw how much of each basin lies how high, as a PNG.

    Parameters
    ----------
    path : path
        Ends with .png.
    bands : table of outlet_id, z_from_m, z_to_m, area_km2
    names : {outlet_id: name}, optional
    title : str

    Returns
    -------
    Path
        ``path``.

    Notes
    -----
    Bars are the area of a band; the line is the hypsometric curve, the share of the basin that lies
    above an elevation. The nine largest basins are drawn.
    """
    totals = bands.groupby("outlet_id")["area_km2"].sum().sort_values(ascending=False, kind="stable")
    shown = list(totals.index[:9])
    columns = min(3, max(1, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    width, height = max(4.6, 3.3 * columns) + 0.2, _BANDS_PITCH * rows + 0.35
    with matplotlib.style.context(["default", _LOOK]):
        figure = _sheet(width, height, title)
        low, high = (bands["z_from_m"].min(), bands["z_to_m"].max()) if len(bands) else (0, 1)
        for position, outlet in enumerate(shown):
            row, column = divmod(position, columns)
            axes = figure.add_axes(
                (
                    (0.75 + column * (width - 0.35) / columns) / width,
                    (0.5 + (rows - 1 - row) * _BANDS_PITCH) / height,
                    ((width - 0.35) / columns - 0.85) / width,
                    1.85 / height,
                )
            )
            part = bands[bands["outlet_id"] == outlet].sort_values("z_from_m", kind="stable")
            _draw_bands(axes, part, (float(low), float(high)))
            name = (names or {}).get(outlet, f"outlet {outlet}")
            axes.set_title(
                f"{_shortened(str(name), 24)}\n{kilometres2(float(totals[outlet]))}",
                size=9,
                weight="bold",
                pad=8,
            )
            if column == 0:
                axes.set_ylabel("elevation, m")
        return _save(figure, path)


def _draw_bands(axes: Axes, part: pd.DataFrame, limits: tuple[float, float]) -> None:
    low, high, area = (part[name].to_numpy(dtype=float) for name in ("z_from_m", "z_to_m", "area_km2"))
    axes.barh(
        (low + high) / 2,
        area,
        high - low,
        color=styles.tint(3),
        edgecolor=styles.INK,
        linewidth=0.6,
        zorder=2,
    )
    axes.set_ylim(*limits)
    axes.set_xlim(0, float(area.max()) * 1.05 if len(area) else 1)
    axes.set_xlabel("area of the band, km²")
    axes.grid(axis="y", color="#d9d9d9", linewidth=0.5, zorder=0)
    axes.spines["right"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)

    above = axes.twiny()
    share = 100 * (1 - np.concatenate([[0.0], np.cumsum(area)]) / area.sum())
    elevation = np.concatenate([low[:1], high])
    above.plot(share, elevation, color=styles.COUNTRY_TINTS[4], linewidth=1.8, zorder=3)
    above.set_xlim(0, 105)
    above.set_xticks([0, 50, 100])
    above.set_xlabel("share above, %", size=8, labelpad=2)
    above.tick_params(axis="x", labelsize=8, pad=1, length=3)
    above.spines["right"].set_visible(False)
