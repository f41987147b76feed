"""Smooth outlines from the shares of cells: contours at one half as valid polygons with their holes."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.kernels import contours, runs
from bluepeace_gis.kernels.unmixing import WHOLE

HALF: Final = WHOLE / 2  # between two whole numbers, so that no contour meets the centre of a cell
MOSTLY: Final = WHOLE // 2 + 1  # the least share inside


@dataclass(frozen=True)
class Parts:
    """The connected parts of a raster of shares, and their outlines in the same order.

    Parameters
    ----------
    polygons : (n,) Polygon
        In the CRS of the grid.
    runs : (m, 4) int32
        The cells of the parts, see ``kernels.runs``.
    """

    polygons: NDArray[Any]
    runs: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.polygons)


def parts_of(share: NDArray[np.uint8], grid: Grid, level: float = HALF) -> Parts:
    """Outline the connected parts of a raster of shares where they are one half, or another level.

    Parameters
    ----------
    share : (rows, columns) uint8
        0 to 255, of each cell.
    grid : Grid
    level : float
        Between two whole numbers: a sixth of 255 lies a third of a cell outside of one half.

    Returns
    -------
    Parts
        Each polygon hangs together, with its holes, and is valid: contours of one level do not meet.
    """
    places, begins, inner = contours.lines(share, level)
    found = runs.runs_of(share, math.ceil(level))
    count = int(runs.join(found, False))
    if count == 0:
        return Parts(np.empty(0, object), found)
    x, y = apply(grid.transform, places[:, 0], places[:, 1])
    line = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    rings = shapely.linearrings(np.column_stack([x, y]), indices=line)
    part = runs.part_at(found, inner[:, 0], inner[:, 1])
    # the shell of a part is its widest ring; the rest are its holes
    order = np.lexsort((-shapely.area(shapely.polygons(rings)), part))
    polygons: NDArray[Any] = shapely.polygons(rings[order], indices=part[order])
    return Parts(polygons, found)


def drop_small(share: NDArray[np.uint8], least: int, cell_km2: float, area_min_km2: float) -> None:
    """Clear the connected parts that are too small, before any of them is outlined.

    Parameters
    ----------
    share : (rows, columns) uint8
        Changed. A mask of 0 and 1, or shares 0 to 255.
    least : int
        A cell belongs to a part where its number is at least this.
    cell_km2 : float
        Area of a cell.
    area_min_km2 : float
    """
    found = runs.runs_of(share, least)
    count = int(runs.join(found, False))
    whole = 1.0 if least == 1 else float(WHOLE)
    area = runs.sums(found, count, share) / whole * cell_km2
    runs.fill(share, found, (area < area_min_km2).astype(np.uint8), 0)
