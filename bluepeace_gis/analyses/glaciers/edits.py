"""What people added to outlines and removed from them: dated, signed, and replayed on every run."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.areas import densified

ACTIONS: Final = ("add", "remove")
FIELDS: Final = ("action", "date", "author", "reason")


@dataclass(frozen=True)
class Edit:
    """One polygon that a person added to the glaciers or removed from them.

    Parameters
    ----------
    action : str
        "add" or "remove".
    date : date
        When it was made; later edits have the last word.
    author, reason : str
    shape : Polygon or MultiPolygon
    crs : CRS
    """

    action: str
    date: dt.date
    author: str
    reason: str
    shape: BaseGeometry
    crs: CRS

    def __str__(self) -> str:
        return f"{self.date.isoformat()} {self.author}: {self.action}, {self.reason}"


def edits_of(layer: gpd.GeoDataFrame, name: str) -> list[Edit]:
    """Read edits from a layer of polygons.

    Parameters
    ----------
    layer : GeoDataFrame
        With the columns action (add or remove), date, author and reason.
    name : str
        What the layer is called in errors.

    Returns
    -------
    list of Edit
        By date; of one day in the order of the layer.

    Raises
    ------
    BadInput
        If a column is missing or a row does not say who did what, when and why.
    """
    missing = [field for field in FIELDS if field not in layer.columns]
    if missing:
        raise BadInput(
            f"{name} has no column {missing[0]}; {', '.join(FIELDS)} were expected, so that every "
            "edit says who "
            "did what, when and why. Add it."
        )
    made = [_edit(position, row, layer, name) for position, (_, row) in enumerate(layer.iterrows(), start=1)]
    return sorted(made, key=lambda edit: edit.date)


def _edit(position: int, row: "pd.Series[Any]", layer: gpd.GeoDataFrame, name: str) -> Edit:
    action = str(row["action"]).strip().lower()
    if action not in ACTIONS:
        raise BadInput(
            f"{name}, row {position}: action is {row['action']!r}; add or remove was expected. Correct it."
        )
    texts = {}
    for field in ("author", "reason"):
        if pd.isna(row[field]) or not str(row[field]).strip():
            raise BadInput(f"{name}, row {position}: {field} is empty. Write who made the edit, and why.")
        texts[field] = str(row[field]).strip()
    date = pd.to_datetime(str(row["date"]), errors="coerce", utc=True)
    if pd.isna(date):
        raise BadInput(
            f"{name}, row {position}: date is {row['date']!r}; 2024-09-30 was expected. Correct it."
        )
    shape = row[layer.geometry.name]
    if not shape.is_valid:
        raise BadInput(
            f"{name}, row {position}: the polygon is invalid ({shapely.is_valid_reason(shape)}). Mend "
            "it with "
            "Fix geometries in QGIS."
        )
    return Edit(action, date.date(), texts["author"], texts["reason"], shape, layer.crs)


def replayed(shapes: NDArray[Any], edits: Sequence[Edit], crs: CRS) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Apply edits to outlines, one after the other.

    Parameters
    ----------
    shapes : (n,) Polygon
    edits : sequence of Edit
        In the order they are applied.
    crs : CRS
        Of the shapes.

    Returns
    -------
    (m,) Polygon
        What is added joins the outlines it touches.
    (m,) int64
        The position in ``shapes`` of the largest outline it came from; -1 where it was drawn alone.
    """
    now = list(shapes)
    origin = list(range(len(now)))
    for edit in edits:
        moved = densified(gpd.GeoSeries([edit.shape], crs=edit.crs)).to_crs(crs).iloc[0]
        if edit.action == "remove":
            pieces = [
                (piece, source)
                for shape, source in zip(now, origin, strict=True)
                for piece in (
                    _polygons(shapely.difference(shape, moved)) if shape.intersects(moved) else [shape]
                )
            ]
            now, origin = [piece for piece, _ in pieces], [source for _, source in pieces]
            continue
        touched = [position for position, shape in enumerate(now) if shape.intersects(moved)]
        largest = max(touched, key=lambda position: float(now[position].area), default=None)
        source = -1 if largest is None else origin[largest]
        joined = _polygons(shapely.union_all([moved, *(now[position] for position in touched)]))
        rest = [position for position in range(len(now)) if position not in set(touched)]
        origin = [origin[position] for position in rest] + [source] * len(joined)
        now = [now[position] for position in rest] + joined
    made = np.empty(len(now), object)
    made[:] = now
    return made, np.array(origin, np.int64)


def _polygons(shape: BaseGeometry) -> list[BaseGeometry]:
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area > 0]
