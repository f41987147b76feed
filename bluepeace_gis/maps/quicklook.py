"""Pictures to look at first: is the basin where it should be, whose land is it, how high does it lie?

They are drawn from the product itself, on relief shaded from the elevation model, in the colours of
:mod:`bluepeace_gis.maps.styles`. The same product gives the same picture, byte for byte. For a map
to hand over, with legend, graticule, sources and disclaimer, there is the sheet.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import matplotlib.colors
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.transforms import Affine2D
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.geo.crs import label
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.labels import Labels
from bluepeace_gis.maps.relief import decimated, overlay, shade

Reals = npt.NDArray[np.float64]

RELIEF_CELLS: Final = 1200  # along the longer side of the map
STREAMS_DRAWN: Final = 20_000  # of the greatest orders; more would only blacken the picture
BASINS_LISTED: Final = 10
CROSSINGS_NUMBERED: Final = 40  # of the largest rivers
CROSSING_LEAST_PT: Final = 4.0  # a smaller mark would not be seen
OUTLETS_LABELLED: Final = 40  # of the greatest basins; more names than that hide the map

_EXPLAINED: Final = {"crossings": "Border crossings, numbered by size"}  # of the river
_LAND: Final = "#ece8dd"
_BORDER_DASHES: Final = (0, (6, 2, 1, 2))
_BANDS_PITCH: Final = 3.1  # inches


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
    crossings : points with crossing_id and upstream_km2, optional
        Where rivers cross a border: the larger, the more land lies upstream, each with its number.
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
    with frame.look():
        sheet = frame.map_sheet(title, view)
        axes = sheet.map
        _draw_basins(axes, basins, view)
        _draw_relief(axes, np.asarray(dem, dtype=np.float64), grid, view)
        _draw_streams(axes, streams, view)
        _draw_outlines(axes, basins, view)
        labels = Labels(axes)
        names = _names(basins)
        extras = _draw_reaches(axes, border_reaches, grid)
        _draw_outlets(axes, outlets, basins, names, labels)
        if crossings is not None and len(crossings):
            _draw_crossings(axes, crossings.to_crs(grid.crs), view, labels)
            extras.append("crossings")
        frame.draw_scale(axes, view, labels)
        note = f"Areas on the ellipsoid. Map in {label(grid.crs)}."
        if "touches_edge" in basins and basins["touches_edge"].any():
            note += " * reaches the edge of the elevations and may be larger."
        if countries is not None:
            _draw_countries(axes, countries.to_crs(grid.crs), country_field, view, labels)
            note += " Borders as in the layer given; they imply no endorsement."
        sheet.note(note)
        panel = sheet.panel()
        depth = sheet.map_height - _draw_legend(
            panel, sheet.map_height, [*extras, *([] if countries is None else ["countries"])]
        )
        _draw_panel(panel, basins, names, shares, depth)
        return frame.save(sheet.figure, path)


def _view_of(basins: gpd.GeoDataFrame, outlets: gpd.GeoDataFrame, grid: Grid) -> frame.View:
    parts = [layer.total_bounds for layer in (basins, outlets) if len(layer)] or [np.array(grid.bounds)]
    bounds = np.array(parts)
    left, bottom = bounds[:, 0].min(), bounds[:, 1].min()
    right, top = bounds[:, 2].max(), bounds[:, 3].max()
    smallest_m = 10 * float(grid.cell_steps_m[0].mean())  # so that a basin of one cell has a surrounding
    return frame.view_around((left, bottom, right, top), grid.crs, smallest_m)


# Relief


def _draw_relief(axes: Axes, dem: Reals, grid: Grid, view: frame.View) -> None:
    """Lay light and shadow over the tints: they keep their hue."""
    rows, columns, dem = _seen_part(dem, grid, view)
    step = max(1, math.ceil(max(dem.shape) / RELIEF_CELLS))
    coarse = decimated(dem, step)
    east, south = (steps[rows : rows + dem.shape[0] : step][: coarse.shape[0]] for steps in grid.cell_steps_m)
    light = shade(coarse, east * step, south * step)
    known = np.isfinite(coarse)
    land = np.zeros((*coarse.shape, 4))
    land[known] = matplotlib.colors.to_rgba(_LAND)
    height, width = coarse.shape
    in_cells = Affine2D(np.array(grid.transform).reshape(3, 3))
    place = Affine2D().scale(step).translate(columns, rows) + in_cells + axes.transData
    for image, level in ((land, 1), (overlay(light, known), 3)):
        axes.imshow(
            image,
            extent=(0, width, height, 0),
            transform=place,
            interpolation="antialiased",
            zorder=level,
            aspect="auto",
            clip_on=True,
        )
    frame.limit(axes, view)  # imshow has moved the limits


def _seen_part(dem: Reals, grid: Grid, view: frame.View) -> tuple[int, int, Reals]:
    """Cut out the cells that the view shows, with the first row and column."""
    x = np.array([view.left, view.right, view.right, view.left])
    y = np.array([view.bottom, view.bottom, view.top, view.top])
    column, row = apply(~grid.transform, x, y)
    first_row, last_row = np.clip([row.min() - 1, row.max() + 2], 0, dem.shape[0]).astype(int)
    first_column, last_column = np.clip([column.min() - 1, column.max() + 2], 0, dem.shape[1]).astype(int)
    return first_row, first_column, dem[first_row:last_row, first_column:last_column]


# Layers


def _simplified(layer: gpd.GeoSeries, view: frame.View) -> list[BaseGeometry]:
    """Leave out what is smaller than a pixel, such as the steps along the edges of cells."""
    return list(shapely.simplify(layer.to_numpy(), 0.7 * view.unit_per_pixel))


def _draw_basins(axes: Axes, basins: gpd.GeoDataFrame, view: frame.View) -> None:
    for position, shape in zip(tint_positions(basins), _simplified(basins.geometry, view), strict=True):
        path = frame.outline(shape)
        if path is not None:
            axes.add_patch(PathPatch(path, facecolor=styles.tint(position), edgecolor="none", zorder=2))


def tint_positions(basins: gpd.GeoDataFrame) -> list[int]:
    """Give basins that touch different tints: each takes the first its greater neighbours leave over.

    Parameters
    ----------
    basins : (n,) polygons
        The greatest first.

    Returns
    -------
    list of int
        (n,) positions in :data:`styles.BASIN_TINTS`.
    """
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


def _draw_outlines(axes: Axes, basins: gpd.GeoDataFrame, view: frame.View) -> None:
    style = styles.LAYERS["basins"]
    for shape in _simplified(basins.geometry, view):
        path = frame.outline(shape)
        if path is not None:
            axes.add_patch(
                PathPatch(
                    path,
                    facecolor="none",
                    edgecolor=style.outline,
                    linewidth=style.width_mm * frame.POINTS_PER_MM * 0.8,
                    joinstyle="round",
                    zorder=5,
                )
            )


def _draw_streams(axes: Axes, streams: gpd.GeoDataFrame, view: frame.View) -> None:
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
        width = widths.get(max(1, order - excess), widest) * frame.POINTS_PER_MM
        axes.add_collection(
            LineCollection(lines, colors=styles.WATER, linewidths=width * 0.75, capstyle="round", zorder=4),
            autolim=False,
        )


def _draw_countries(
    axes: Axes, countries: gpd.GeoDataFrame, country_field: str, view: frame.View, labels: Labels
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
        (style.outline, style.width_mm * frame.POINTS_PER_MM, _BORDER_DASHES, 5.6),
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
    axes.plot([x for _, x, _ in places], [y for _, _, y in places], **frame.marker("outlets"), zorder=8)
    labels.keep_free((x, y) for _, x, y in places)
    for outlet, x, y in places[:OUTLETS_LABELLED]:
        labels.place_beside(f"{names[outlet]}\n{kilometres2(areas[outlet])}", x, y)


def _draw_reaches(axes: Axes, reaches: gpd.GeoDataFrame | None, grid: Grid) -> list[str]:
    """Draw where rivers run along borders; return the layers that the legend must name."""
    drawn = []
    if reaches is not None and len(reaches):
        style = styles.LAYERS["border_reaches"]
        lines = [shapely.get_coordinates(line) for line in reaches.to_crs(grid.crs).geometry]
        width = style.width_mm * frame.POINTS_PER_MM
        axes.add_collection(
            LineCollection(lines, colors=style.fill, linewidths=width, zorder=5), autolim=False
        )
        drawn.append("border_reaches")
    return drawn


def _draw_crossings(axes: Axes, crossings: gpd.GeoDataFrame, view: frame.View, labels: Labels) -> None:
    """Draw crossings with their numbers, the area of the marks as the land upstream."""
    seen = crossings[shapely.intersects(crossings.geometry.to_numpy(), view.box)]
    # the largest first, so that smaller ones lie on top and it has the best place for its number
    seen = seen.sort_values(["upstream_km2", "crossing_id"], ascending=[False, True], kind="stable")
    style = frame.marker("crossings")
    sizes = style.pop("markersize") * np.sqrt(seen["upstream_km2"] / seen["upstream_km2"].max())
    for point, size in zip(seen.geometry, sizes.clip(lower=CROSSING_LEAST_PT).tolist(), strict=True):
        axes.plot([point.x], [point.y], **style, markersize=size, zorder=7)
    labels.keep_free(((point.x, point.y) for point in seen.geometry), radius=7)
    numbered = seen[:CROSSINGS_NUMBERED]
    for number, point in zip(numbered["crossing_id"], numbered.geometry, strict=True):
        labels.place_beside(str(number), point.x, point.y, size=7.5)


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
        axes.text(0, -depth, frame.shortened(names[basin.outlet_id], 26), size=8.5, weight="bold", va="top")
        axes.text(frame.PANEL_WIDTH, -depth, kilometres2(area), size=8.5, va="top", ha="right")
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
    rows = ["outlets", "streams", "basins", *extras]
    for position, name in enumerate(reversed(rows)):
        style = styles.LAYERS[name]
        y = -height + 0.1 + 0.2 * position
        if style.geometry == "point":
            axes.plot([0.2], [y], **frame.marker(name))
        else:
            colour = style.fill if style.geometry == "line" else style.outline
            dashes: Any = _BORDER_DASHES if style.dash == "dash dot" else "solid"
            width = style.width_mm * frame.POINTS_PER_MM + 0.2
            axes.plot([0, 0.4], [y, y], color=colour, linewidth=width, linestyle=dashes)
        axes.text(0.52, y, _EXPLAINED.get(name, style.title), size=8, va="center")
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
    ends = np.concatenate([[0.0], np.cumsum([share for share, _ in parts])]) / 100 * frame.PANEL_WIDTH
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
    axes.text(0.2, -depth, frame.shortened(country, 20), size=8, va="top")
    axes.text(2.25, -depth, kilometres2(area_km2), size=8, va="top", ha="right")
    axes.text(frame.PANEL_WIDTH, -depth, percent(share), size=8, va="top", ha="right")


def percent(share: float) -> str:
    """Write a share of a hundred with one decimal; a little is not nothing."""
    return "<0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"


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
    with frame.look():
        figure = frame.sheet(width, height, title)
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
                f"{frame.shortened(str(name), 24)}\n{kilometres2(float(totals[outlet]))}",
                size=9,
                weight="bold",
                pad=8,
            )
            if column == 0:
                axes.set_ylabel("elevation, m")
        return frame.save(figure, path)


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
