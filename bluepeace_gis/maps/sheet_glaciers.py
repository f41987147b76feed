"""The sheets of glaciers: their extent on a date, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import pandas as pd
import shapely
import xarray as xr
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.maps import styles
from bluepeace_gis.maps.sheet_layout import Key, Row, Table
from bluepeace_gis.maps.sheet_map import Canvas
from bluepeace_gis.maps.texts import Texts, figure, span

AREA_DIGITS: Final = 2  # km2, as glaciers.gpkg is told of
LISTED: Final = 12  # of the largest glaciers
NAMES_DRAWN: Final = 30
NAME_PT: Final = 6.8
ALL: Final = "all"
PALE: Final = 0.55  # of the relief: what is mapped is lighter or greyer than its shadows
VERDICTS: Final = {str(each.value): each.colour for each in styles.LAYERS["glacier_change"].classes}


@dataclass(frozen=True)
class Sum:
    """All glaciers of a product together, km2."""

    area_km2: float
    area_unc_km2: float
    unseen_km2: float
    debris_km2: float
    debris_unc_km2: float


@dataclass(frozen=True)
class GlaciersSubject:
    """Glaciers on a date.

    Parameters
    ----------
    glaciers : polygons with rgi_id, glac_name, area_km2, area_unc_km2
    debris, unseen : polygons
    zones : table of zone, area_km2
        Sums of the product's ``zone_bands``; may be empty.
    total : Sum
    texts : Texts
    dem : (y, x) float, metres, optional
        Shaded below the glaciers.
    """

    glaciers: gpd.GeoDataFrame
    debris: gpd.GeoDataFrame
    unseen: gpd.GeoDataFrame
    zones: pd.DataFrame
    total: Sum
    texts: Texts
    dem: xr.DataArray | None = None

    def focus(self) -> gpd.GeoSeries:
        """Tell what must be seen whole: the geometries, in their own CRS."""
        return self.glaciers.geometry

    def draw(self, canvas: Canvas) -> BaseGeometry:
        """Draw the layers and ask for labels; returns what the scale bar should not hide, in the map."""
        if self.dem is not None:
            canvas.relief(self.dem, shade=1.5, strength=PALE)
        for layer, name in ((self.unseen, "unseen"), (self.debris, "debris"), (self.glaciers, "glaciers")):
            style = styles.LAYERS[name]
            if len(layer):
                canvas.areas(layer.geometry, fill=style.fill, outline=style.outline, width_mm=style.width_mm)
        largest = self._largest()
        shapes = canvas.placed(largest.geometry)
        for number, point in enumerate(shapely.point_on_surface(shapes), 1):
            canvas.number(str(number), point.x, point.y, NAME_PT)
        return shapely.union_all(canvas.placed(self.glaciers.geometry))

    def _largest(self) -> gpd.GeoDataFrame:
        found = self.glaciers.sort_values(["area_km2", "rgi_id"], ascending=[False, True], kind="stable")
        return found[:LISTED]

    def keys(self) -> Sequence[Key]:
        """Explain the layers that are there."""
        layers = (("glaciers", self.glaciers), ("debris", self.debris), ("unseen", self.unseen))
        return [_area_key(self.texts.each(name), name) for name, layer in layers if len(layer)]

    def tables(self) -> Sequence[tuple[str, Table]]:
        """Give the numbers, each table with its title, the most important first."""
        total = f"{figure(self.total.area_km2, AREA_DIGITS)} ± {figure(self.total.area_unc_km2, AREA_DIGITS)}"
        rows = [
            Row((str(zone), figure(area, AREA_DIGITS)))
            for zone, area in zip(self.zones["zone"], self.zones["area_km2"], strict=True)
        ]
        rows.append(Row((self.texts.line("all"), total), strong=True))
        columns = ["glac_name", "rgi_id", "area_km2", "area_unc_km2"]
        largest = [
            Row((
                f"{number}  {name if isinstance(name, str) and name.strip() else identifier}",
                f"{figure(area, AREA_DIGITS)} ± {figure(unc, AREA_DIGITS)}",
            ))
            for number, (name, identifier, area, unc) in enumerate(
                self._largest()[columns].itertuples(index=False), 1
            )
        ]  # fmt: skip
        area = tuple(self.texts.each("area_km2"))
        return [
            (
                self.texts.line("glaciers_table"),
                Table((tuple(self.texts.each("zone")), area), tuple(rows), _more(self.texts)),
            ),
            (
                self.texts.line("largest_glaciers"),
                Table((tuple(self.texts.each("glacier")), area), tuple(largest), _more(self.texts)),
            ),
        ]

    def uncertainty(self) -> Sequence[str]:
        """Say in a paragraph a language how sure the numbers are."""
        keys = ["glaciers_uncertainty"] + (["zones_without_interval"] if len(self.zones) else [])
        return self.texts.in_each(
            *keys,
            unseen=figure(self.total.unseen_km2, AREA_DIGITS),
            debris=figure(self.total.debris_km2, AREA_DIGITS),
            debris_unc=figure(self.total.debris_unc_km2, AREA_DIGITS),
        )


@dataclass(frozen=True)
class GlacierChangeSubject:
    """Glaciers of two dates.

    Parameters
    ----------
    clusters : polygons with name, verdict, area_before_km2, change_km2, change_low_km2, change_high_km2
    before, after : polygons
    totals : table of zone, area_before_km2, area_after_km2, change_km2, change_low_km2, change_high_km2
        The first row is the sum of all.
    dates : first and last date, YYYY-MM-DD
    texts : Texts
    dem : (y, x) float, metres, optional
        Shaded below the glaciers.
    """

    clusters: gpd.GeoDataFrame
    before: gpd.GeoDataFrame
    after: gpd.GeoDataFrame
    totals: pd.DataFrame
    dates: tuple[str, str]
    texts: Texts
    dem: xr.DataArray | None = None

    def focus(self) -> gpd.GeoSeries:
        """Tell what must be seen whole: the geometries, in their own CRS."""
        return self.clusters.geometry

    def draw(self, canvas: Canvas) -> BaseGeometry:
        """Draw the layers and ask for labels; returns what the scale bar should not hide, in the map."""
        if self.dem is not None:
            canvas.relief(self.dem, shade=1.5, strength=PALE)
        fill = [VERDICTS[str(verdict)] for verdict in self.clusters["verdict"]]
        canvas.areas(self.clusters.geometry, fill=fill, outline=None, level=2)
        for level, (layer, name) in enumerate(self._outlines(), 3):
            style = styles.LAYERS[name]
            if len(layer):
                canvas.areas(
                    layer.geometry, fill=None, outline=style.outline, level=level,
                    width_mm=0.75 * style.width_mm * canvas.factor,
                )  # fmt: skip
        largest = self._largest()
        for number, point in enumerate(shapely.point_on_surface(canvas.placed(largest.geometry)), 1):
            canvas.number(str(number), point.x, point.y, NAME_PT)
        return shapely.union_all(canvas.placed(self.clusters.geometry))

    def _outlines(self) -> tuple[tuple[gpd.GeoDataFrame, str], ...]:
        return (self.before, "glaciers_before"), (self.after, "glaciers_after")

    def _largest(self) -> gpd.GeoDataFrame:
        order = ["area_before_km2", "area_after_km2", "cluster_id"]
        found = self.clusters.sort_values(order, ascending=[False, False, True], kind="stable")
        return found[:LISTED]

    def keys(self) -> Sequence[Key]:
        """Explain the layers that are there."""
        shown = set(self.clusters["verdict"])
        keys = [
            Key(self.texts.each(str(each.value).replace(" ", "_")), "polygon", fill=each.colour,
                outline=styles.LAYERS["glacier_change"].outline, width_mm=0.2)
            for each in styles.LAYERS["glacier_change"].classes
            if each.value in shown
        ]  # fmt: skip
        for (_, name), date in zip(self._outlines(), self.dates, strict=True):
            texts = self.texts.each("glaciers_before", date=date)
            keys.append(Key(texts, "line", fill=styles.LAYERS[name].outline, width_mm=0.5))
        return keys

    def tables(self) -> Sequence[tuple[str, Table]]:
        """Give the numbers, each table with its title, the most important first."""
        years = [date[:4] for date in self.dates] if self.dates[0][:4] != self.dates[1][:4] else self.dates
        headings = [
            self.texts.each("zone"),
            *(self.texts.each("of_year_km2", year=year) for year in years),
            self.texts.each("change_km2"),
            self.texts.each("interval"),
        ]
        totals = [
            Row(self._cells(row, self.texts.line("all") if row["zone"] == ALL else str(row["zone"])),
                strong=row["zone"] == ALL)
            for row in self.totals.to_dict("records")
        ]  # fmt: skip
        largest = [
            Row(
                self._cells(row, f"{number}  {row['name'] or ''}".rstrip()),
                swatch=VERDICTS[str(row["verdict"])],
            )
            for number, row in enumerate(self._largest().drop(columns="geometry").to_dict("records"), 1)
        ]
        whole = tuple(map(tuple, headings))
        single = (tuple(self.texts.each("glacier")), *whole[1:])
        return [
            (self.texts.line("glaciers_table"), Table(whole, tuple(totals), _more(self.texts))),
            (self.texts.line("largest_glaciers"), Table(single, tuple(largest), _more(self.texts))),
        ]

    def _cells(self, row: Mapping[Any, Any], name: str) -> tuple[str, ...]:
        return (
            name,
            figure(row["area_before_km2"], AREA_DIGITS),
            figure(row["area_after_km2"], AREA_DIGITS),
            figure(row["change_km2"], AREA_DIGITS, sign=True),
            span(row["change_low_km2"], row["change_high_km2"], AREA_DIGITS, sign=True),
        )

    def uncertainty(self) -> Sequence[str]:
        """Say in a paragraph a language how sure the numbers are."""
        apart = self.totals["area_after_km2"] - self.totals["area_before_km2"] - self.totals["change_km2"]
        keys = ["change_of_what_was_seen"] if (apart.abs() >= 0.5 * 10.0**-AREA_DIGITS).any() else []
        return self.texts.in_each("glacier_change_uncertainty", *keys)


def _area_key(texts: Sequence[str], layer: str) -> Key:
    style = styles.LAYERS[layer]
    return Key(texts, "polygon", fill=style.fill, outline=style.outline, width_mm=style.width_mm)


def _more(texts: Texts) -> Callable[[int], str]:
    return lambda count: texts.line("more_rows", count=count)
