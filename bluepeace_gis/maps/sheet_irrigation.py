"""The sheets of irrigated land: a year, and what changed between years."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import matplotlib.colors
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.geo.align import onto
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.maps import styles
from bluepeace_gis.maps.sheet_layout import Key, Row, Table
from bluepeace_gis.maps.sheet_map import Canvas
from bluepeace_gis.maps.texts import Texts, figure, percent, span

ALL: Final = "all"
PALE: Final = 0.35  # of the relief, whose shadows else look like classes
ZONE: Final = "zone"


@dataclass(frozen=True)
class LandSubject:
    """A class map of irrigated land, or of its change, with a table of its zones.

    Parameters
    ----------
    classes : (y, x) uint8, 255 outside
        Codes of ``layer``.
    layer : "irrigation" or "irrigation_change"
        A row of :data:`styles.LAYERS`.
    table : table of level, zone and the columns of ``columns``
        Levels from the smallest unit, zone, over larger ones to all.
    years : (int, ...)
        One, or the first and the last.
    texts : Texts
    dem : (y, x) float, metres, optional
        Shaded where the map knows nothing.
    """

    classes: xr.DataArray
    layer: str
    table: pd.DataFrame
    years: tuple[int, ...]
    texts: Texts
    dem: xr.DataArray | None = None

    def focus(self) -> gpd.GeoSeries:
        """Tell what must be seen whole: the geometries, in their own CRS."""
        grid = Grid.of(self.classes)
        known = self.classes.to_numpy() != 255
        if not known.any():
            return gpd.GeoSeries([grid.footprint()], crs=grid.crs)
        rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
        column = np.array([columns[0], columns[-1] + 1])[[0, 1, 1, 0]]
        row = np.array([rows[0], rows[-1] + 1])[[0, 0, 1, 1]]
        corners = np.column_stack(apply(grid.transform, column, row))
        return gpd.GeoSeries([shapely.MultiPoint(corners).envelope], crs=grid.crs)

    def draw(self, canvas: Canvas) -> BaseGeometry:
        """Draw the layers and ask for labels; returns what the scale bar should not hide, in the map."""
        grid = canvas.grid
        source = Grid.of(self.classes)
        finer = float(source.cell_steps_m[0].mean()) < float(grid.cell_steps_m[0].mean())
        codes = onto(self.classes, grid, "mode" if finer else "nearest").to_numpy()
        colours = np.zeros((256, 4))
        for each in styles.LAYERS[self.layer].classes:
            colours[int(each.value)] = matplotlib.colors.to_rgba(each.colour)
        if self.dem is not None:
            canvas.relief(self.dem, shade=1.5, strength=PALE)
        canvas.image(colours[codes], level=2)
        return shapely.union_all(canvas.placed(self.focus()))

    def keys(self) -> Sequence[Key]:
        """Explain the layers that are there."""
        shown = set(np.unique(self.classes.to_numpy()).tolist())
        return [
            Key(self.texts.each(each.title.replace(" ", "_")), "polygon", fill=each.colour, width_mm=0.2)
            for each in styles.LAYERS[self.layer].classes
            if each.value in shown
        ]

    def tables(self) -> Sequence[tuple[str, Table]]:
        """Give the numbers, each table with its title, the most important first."""
        changed = self.layer == "irrigation_change"
        headings = self._headings_of_change() if changed else self._headings()
        rows = []
        # the whole first, then countries, then what they consist of
        levels = list(dict.fromkeys(self.table["level"]))
        order = [ALL, *(level for level in levels if level not in (ALL, ZONE)), ZONE]
        for level in order:
            for row in self.table[self.table["level"] == level].to_dict("records"):
                name = self.texts.line("all") if level == ALL else str(row["zone"])
                cells = self._cells_of_change(row) if changed else self._cells(row)
                rows.append(Row((name, *cells), strong=level != ZONE))
        title = self.texts.line("irrigated_table")
        return [(title, Table(tuple(map(tuple, headings)), tuple(rows), self._more()))] if rows else []

    def _headings(self) -> list[list[str]]:
        return [self.texts.each(key) for key in ("zone", "irrigated_ha", "low_high", "unobserved_pct")]

    def _cells(self, row: Mapping[Any, Any]) -> tuple[str, ...]:
        return (
            figure(row["map_area_ha"]),
            span(row["low_ha"], row["high_ha"]),
            percent(row["unobserved_pct"]),
        )

    def _headings_of_change(self) -> list[list[str]]:
        return [
            self.texts.each("zone"),
            *(self.texts.each("of_year_ha", year=year) for year in self.years),
            self.texts.each("change_ha"),
            self.texts.each("possible"),
        ]

    def _cells_of_change(self, row: Mapping[Any, Any]) -> tuple[str, ...]:
        return (
            figure(row["first_ha"]),
            figure(row["last_ha"]),
            figure(row["change_ha"], sign=True),
            span(row["change_low_ha"], row["change_high_ha"], sign=True),
        )

    def _more(self) -> Callable[[int], str]:
        return lambda count: self.texts.line("more_rows", count=count)

    def uncertainty(self) -> Sequence[str]:
        """Say in a paragraph a language how sure the numbers are."""
        return self.texts.in_each(f"{self.layer}_uncertainty")
