"""The sheet of basins: whose land drains where, and where rivers cross boundaries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.maps import quicklook, styles
from bluepeace_gis.maps.sheet_layout import Key, Row, Table
from bluepeace_gis.maps.sheet_map import Canvas
from bluepeace_gis.maps.texts import NOTHING, Texts, figure, percent

STREAMS_DRAWN: Final = quicklook.STREAMS_DRAWN
NAMES_DRAWN: Final = 40  # of the greatest basins
NUMBERS_DRAWN: Final = 60  # of the largest crossings
NAME_PT: Final = 7.4
REACH_TIMES: Final = 2.1  # a boundary is drawn on it
COUNTRIES_AS_COLUMNS: Final = 2  # more have no room beside each other
AREA_DIGITS: Final = 1
UNITS: Final = "km² (%)"


@dataclass(frozen=True)
class BasinsSubject:
    """Basins with the shares of countries.

    Parameters
    ----------
    basins : polygons with outlet_id, name, area_km2, touches_edge
    streams : lines with strahler
    outlets : points with outlet_id
    crossings : points with crossing_id, from_country, to_country, upstream_km2
    border_reaches : lines
    shares : table of outlet_id, country, area_km2, share_pct
    texts : Texts
    dem : (y, x) float, metres, optional
        Shaded below the basins.
    """

    basins: gpd.GeoDataFrame
    streams: gpd.GeoDataFrame
    outlets: gpd.GeoDataFrame
    crossings: gpd.GeoDataFrame
    border_reaches: gpd.GeoDataFrame
    shares: pd.DataFrame
    texts: Texts
    dem: xr.DataArray | None = None

    def focus(self) -> gpd.GeoSeries:
        """Tell what must be seen whole: the geometries, in their own CRS."""
        return self.basins.geometry

    # Drawing

    def draw(self, canvas: Canvas) -> BaseGeometry:
        """Draw the layers and ask for labels; returns what the scale bar should not hide, in the map."""
        basins = self._sorted()
        style = styles.LAYERS["basins"]
        tints = [styles.tint(position) for position in quicklook.tint_positions(basins)]
        canvas.areas(basins.geometry, fill=tints, outline=None, level=2)
        if self.dem is not None:
            canvas.relief(self.dem)
        self._draw_streams(canvas)
        canvas.areas(
            basins.geometry, fill=None, outline=style.outline,
            width_mm=0.6 * style.width_mm * canvas.factor, level=5,
        )  # fmt: skip
        if len(self.border_reaches):
            reach = styles.LAYERS["border_reaches"]
            canvas.lines(
                canvas.placed(self.border_reaches.geometry), colour=str(reach.fill),
                width_mm=REACH_TIMES * reach.width_mm * canvas.factor, level=5.5,
            )  # fmt: skip
        self._draw_crossings(canvas)
        self._draw_outlets(canvas, basins)
        return shapely.union_all(canvas.placed(basins.geometry))

    def _draw_streams(self, canvas: Canvas) -> None:
        kept = self.streams.sort_values("strahler", ascending=False, kind="stable")[:STREAMS_DRAWN]
        if not len(kept):
            return
        widths = {each.value: each.width_mm or 0.3 for each in styles.LAYERS["streams"].classes}
        orders = kept["strahler"].to_numpy()
        shapes = canvas.placed(kept.geometry)
        # the greatest river of the sheet has the width of the fifth order, whatever its own
        excess = max(0, int(orders.max()) - 5)
        for order in sorted(set(orders.tolist())):
            width = widths.get(max(1, order - excess), max(widths.values()))
            canvas.lines(shapes[orders == order], colour=styles.WATER, width_mm=0.6 * width, level=4)

    def _draw_crossings(self, canvas: Canvas) -> None:
        if not len(self.crossings):
            return
        seen = self.crossings.sort_values(
            ["upstream_km2", "crossing_id"], ascending=[False, True], kind="stable"
        )
        shapes = canvas.placed(seen.geometry)
        x, y = shapely.get_x(shapes).tolist(), shapely.get_y(shapes).tolist()
        canvas.points(x, y, "crossings", level=7)
        for place in range(min(len(seen), NUMBERS_DRAWN)):
            canvas.name(str(seen["crossing_id"].iloc[place]), x[place], y[place], NAME_PT - 0.4)

    def _draw_outlets(self, canvas: Canvas, basins: gpd.GeoDataFrame) -> None:
        points = dict(zip(self.outlets["outlet_id"], canvas.placed(self.outlets.geometry), strict=True))
        places = [
            (name, points[outlet])
            for outlet, name in zip(basins["outlet_id"], self._names(basins), strict=True)
            if outlet in points
        ]
        canvas.points([point.x for _, point in places], [point.y for _, point in places], "outlets")
        for name, point in places[:NAMES_DRAWN]:
            canvas.name(name, point.x, point.y, NAME_PT)

    def _sorted(self) -> gpd.GeoDataFrame:
        found = self.basins.sort_values("area_km2", ascending=False, kind="stable")
        return found.reset_index(drop=True)

    def _names(self, basins: gpd.GeoDataFrame) -> list[str]:
        """Name each basin; a star tells that the edge of the elevations may cut it."""
        found = []
        for outlet, name, cut in zip(
            basins["outlet_id"], basins["name"], basins["touches_edge"], strict=True
        ):
            named = isinstance(name, str) and name.strip()
            found.append((name if named else self.texts.first("outlet", number=outlet)) + " *" * bool(cut))
        return found

    # Saying

    def keys(self) -> Sequence[Key]:
        """Explain the layers that are there."""
        each = self.texts.each
        basin, stream = styles.LAYERS["basins"], styles.LAYERS["streams"]
        keys = [
            Key(each("basins"), "polygon", fill=styles.tint(1), outline=basin.outline,
                width_mm=0.6 * basin.width_mm),
            Key(each("outlets"), "point", layer="outlets"),
        ]  # fmt: skip
        if len(self.streams):
            keys.append(Key(each("streams"), "line", fill=stream.fill, width_mm=0.45))
        if len(self.crossings):
            keys.append(Key(each("crossings"), "point", layer="crossings"))
        if len(self.border_reaches):
            reach = styles.LAYERS["border_reaches"]
            keys.append(Key(each("border_reaches"), "line", fill=reach.fill, width_mm=1.5 * reach.width_mm))
        return keys

    def tables(self) -> Sequence[tuple[str, Table]]:
        """Give the numbers, each table with its title, the most important first."""
        found = [self._shares_table()]
        if len(self.crossings):
            found.append(self._crossings_table())
        return found

    def _shares_table(self) -> tuple[str, Table]:
        basins = self._sorted()
        tints = [styles.tint(position) for position in quicklook.tint_positions(basins)]
        named = list(zip(basins["outlet_id"], self._names(basins), basins["area_km2"], tints, strict=True))
        totals = self.shares.groupby("country")["area_km2"].sum().sort_values(ascending=False, kind="stable")
        headings = [self.texts.each("basins"), self.texts.each("area_km2")]
        rows = []
        if not len(totals):
            rows = [Row((name, figure(area, AREA_DIGITS)), swatch=tint) for _, name, area, tint in named]
        elif len(totals) <= COUNTRIES_AS_COLUMNS:
            headings += [[f"{country}, {UNITS}"] for country in totals.index]
            for outlet, name, area, tint in named:
                held = {country: (km2, share) for country, km2, share in self._shares_of(outlet)}
                cells = [
                    f"{figure(held[country][0], AREA_DIGITS)} ({percent(held[country][1])})"
                    if country in held
                    else NOTHING
                    for country in totals.index
                ]
                rows.append(Row((name, figure(area, AREA_DIGITS), *cells), swatch=tint))
        else:
            headings.append(self.texts.each("share_pct"))
            for outlet, name, area, tint in named:
                rows.append(Row((name, figure(area, AREA_DIGITS), ""), strong=True, swatch=tint))
                rows += [
                    Row((country, figure(km2, AREA_DIGITS), percent(share)), head=False)
                    for country, km2, share in self._shares_of(outlet)
                ]
        title = self.texts.line("shares_table" if len(totals) else "areas_table")
        return title, Table(tuple(map(tuple, headings)), tuple(rows), self._more)

    def _shares_of(self, outlet: Any) -> list[tuple[str, float, float]]:
        part = self.shares[self.shares["outlet_id"] == outlet]
        part = part.sort_values("area_km2", ascending=False, kind="stable")
        return [
            (str(country), float(km2), float(share))
            for country, km2, share in zip(part["country"], part["area_km2"], part["share_pct"], strict=True)
        ]

    def _crossings_table(self) -> tuple[str, Table]:
        listed = self.crossings.sort_values("crossing_id", kind="stable")
        rows = tuple(
            Row((f"{number}  {one} → {other}", figure(area, AREA_DIGITS)))
            for number, one, other, area in zip(
                listed["crossing_id"], listed["from_country"], listed["to_country"], listed["upstream_km2"],
                strict=True,
            )
        )  # fmt: skip
        headings = tuple(tuple(self.texts.each(key)) for key in ("from_to", "upstream_km2"))
        return self.texts.line("crossings_table"), Table(headings, rows, self._more)

    def _more(self, count: int) -> str:
        return self.texts.line("more_rows", count=count)

    def uncertainty(self) -> Sequence[str]:
        """Say in a paragraph a language how sure the numbers are."""
        keys = ["basins_uncertainty"]
        if self._nested():
            keys.append("basins_nested")
        if len(self.shares):
            keys.append("shares_depend")
        if self.basins["touches_edge"].any():
            keys.append("edge_star")
        return self.texts.in_each(*keys)

    def _nested(self) -> bool:
        """Tell whether land is counted in two basins."""
        shapes = self.basins.geometry.to_numpy()
        inner = shapely.point_on_surface(shapes)
        one, other = shapely.STRtree(shapes).query(inner, predicate="within")
        return bool(np.any(one != other))
