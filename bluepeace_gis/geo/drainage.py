"""How water drains over a grid: directions as one georeferenced value, routed once and asked often."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bluepeace_gis.errors import BadInput, GridMismatch
from bluepeace_gis.geo.crs import unit
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import accumulation, conditioning, delineation, neighbours, streams, terrain
from bluepeace_gis.kernels.accumulation import Rims
from bluepeace_gis.kernels.conditioning import Depressions, Surface
from bluepeace_gis.kernels.neighbours import FREE, SINK, VOID
from bluepeace_gis.kernels.tiles import Tile

log = logging.getLogger(__name__)

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]
Progress = Callable[[float], None]
Handling = Literal["breach", "fill", "keep"]
Edges = Literal["drain", "closed"]

M2_PER_KM2: Final = 1e6


@dataclass(frozen=True)
class Drainage:
    """Directions of flow on a grid.

    Parameters
    ----------
    grid : Grid
    direction : (rows, columns) uint8
        0..7 clockwise from the next column (east), 8 where water ends, 9 where there is no surface.
    """

    grid: Grid
    direction: NDArray[np.uint8] = field(repr=False)

    def __post_init__(self) -> None:
        if self.direction.shape != self.grid.shape:
            raise GridMismatch(
                f"Found directions of {self.direction.shape} cells, expected {self.grid.shape}: {self.grid}."
            )

    @cached_property
    def _rims(self) -> Rims:
        return accumulation.rims(self.direction)

    def accumulate(self, weight: NDArray[np.floating[Any]] | None = None) -> Reals:
        """Sum over each cell and all land upstream of it.

        Parameters
        ----------
        weight : (rows, columns) float, optional
            What a cell adds, such as its rain; by default its area on the ellipsoid, in km2.

        Returns
        -------
        (rows, columns) float64
            In the unit of the weight; NaN where there is no surface.

        Raises
        ------
        GridMismatch
            If the weight has another shape than the grid.
        """
        if weight is None:
            return accumulation.accumulation(
                self.direction, self._rims, lambda tile: cell_areas_m2(self.grid, tile) / M2_PER_KM2
            )
        if weight.shape != self.grid.shape:
            raise GridMismatch(
                f"Found a weight of {weight.shape} cells, expected {self.grid.shape}: {self.grid}. "
                "Put it on that grid first: geo.align.onto(weight, drainage.grid)."
            )
        return accumulation.accumulation(
            self.direction, self._rims, lambda tile: weight[tile.window].astype(np.float64)
        )

    @cached_property
    def upstream_km2(self) -> Reals:
        """Area of each cell and all land upstream of it (rows, columns), km2 on the ellipsoid."""
        return self.accumulate()

    def delineate(self, row: Indices, column: Indices) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Divide the surface among outlets, each cell to the first one downstream.

        Parameters
        ----------
        row, column : (n,) int
            Cells of the outlets, each cell once.

        Returns
        -------
        zone : (rows, columns) int32
            1..n, 0 where water reaches no outlet.
        downstream : (n,) int32
            The number of the next outlet downstream of each, 0 for none.
        """
        cells = np.asarray(row, np.int64) * self.grid.shape[1] + np.asarray(column, np.int64)
        if np.unique(cells).size != cells.size:
            raise ValueError("two outlets share a cell")  # the caller joins them: a fault of ours
        return delineation.delineate(self.direction, self._rims, cells)

    @cached_property
    def path_lengths_m(self) -> Reals:
        """Length of the way from each cell to where its water ends (rows, columns), m on the ellipsoid."""
        across, along = self.grid.cell_steps_m
        return streams.path_lengths(self.direction, np.column_stack([across, np.hypot(across, along), along]))

    @cached_property
    def open_ends(self) -> NDArray[np.bool_]:
        """Whether a cell lies where the surface ends outwards (rows, columns); holes are not its end."""
        return terrain.open_ends(self.direction).astype(bool)

    def encoded(self, table: str) -> NDArray[np.uint8]:
        """Return the directions in the codes of another program: "esri", "ldd", "taudem" or "grass"."""
        return neighbours.encode(self.direction, table)


@dataclass(frozen=True)
class Drained:
    """A conditioned surface.

    Parameters
    ----------
    drainage : Drainage
    depressions : Depressions
        What the surface holds back before it is conditioned; areas in m2, volumes in m3.
    lakes : (rows, columns) int32 or None
        Number of the terminal lake in a cell, 0 elsewhere.
    lake_ends : (k,) int
        Row-major cells in which the water of the terminal lakes ends.
    filled : (rows, columns) float32 or None
        The filled elevations, where filling was asked for.
    """

    drainage: Drainage
    depressions: Depressions
    lakes: NDArray[np.int32] | None
    lake_ends: Indices
    filled: NDArray[np.float32] | None


def drain(
    dem: xr.DataArray,
    *,
    lakes: NDArray[np.int32] | None = None,
    sinks: tuple[Indices, Indices] | None = None,
    depressions: Handling = "breach",
    keep_above_km2: float | None = None,
    edges: Edges = "drain",
    progress: Progress | None = None,
) -> Drained:
    """Lead the water of a surface to its outlets.

    Parameters
    ----------
    dem : (y, x) float32, m
        Elevations, NaN where there are none.
    lakes : (y, x) int32, optional
        Numbers of terminal lakes, 0 elsewhere: water ends in the lowest cell of each.
    sinks : (row, column), optional
        More cells in which water ends.
    depressions : "breach", "fill" or "keep"
        Breach turns the path from the bottom of a depression to its lowest pass round; fill raises its
        cells to that pass; keep does neither for those of at least ``keep_above_km2``, where water
        ends in the deepest cell, and breaches the others.
    keep_above_km2 : float, km2
        For "keep"; None keeps every depression.
    edges : "drain" or "closed"
        Whether water leaves where the surface ends. If closed and there is neither a lake nor a sink,
        it ends in the lowest cell.
    progress : function of the share done, optional

    Returns
    -------
    Drained

    Raises
    ------
    BadInput
        If no cell has an elevation.

    Notes
    -----
    Steepest descent among eight neighbours; among equally steep ones the first clockwise from the
    east. Plateaus drain by the shortest way inside a tile of 512 x 512 cells, a constant of the method.

    References
    ----------
    O'Callaghan and Mark (1984), doi:10.1016/S0734-189X(84)80011-0; Cordonnier, Bovy and Braun (2019),
    doi:10.5194/esurf-7-549-2019; Barnes (2016), doi:10.1016/j.cageo.2016.07.001
    """
    grid = Grid.of(dem)
    z = np.ascontiguousarray(dem.to_numpy(), np.float32)
    if np.isnan(z).all():
        raise BadInput(f"No cell of {grid} has an elevation. Check the nodata value of the raster.")
    forced, ends = _forced(z, lakes, sinks, edges)
    surface = Surface(z, _nearness(grid), forced, edges == "drain")
    routed = conditioning.route(surface, done=progress)
    found = conditioning.depressions(surface, routed, lambda tile: cell_areas_m2(grid, tile))
    filled = None
    if depressions == "keep":
        kept = found.area >= (keep_above_km2 or 0.0) * M2_PER_KM2
        if kept.any():
            forced = forced if forced.size else np.full(z.shape, FREE, np.uint8)
            forced[found.row[kept], found.column[kept]] = SINK
            routed = conditioning.route(Surface(z, surface.nearness, forced, surface.edges_drain))
    elif depressions == "fill":
        filled = conditioning.fill(surface, routed)
        # A full depression is a plateau that drains at its pass: nothing is left to be filled.
        routed = conditioning.route(Surface(filled, surface.nearness, forced, surface.edges_drain))
    drainage = Drainage(grid, conditioning.breach(routed))
    return Drained(drainage, found, lakes, ends, filled)


def _forced(
    z: NDArray[np.float32],
    lakes: NDArray[np.int32] | None,
    sinks: tuple[Indices, Indices] | None,
    edges: Edges,
) -> tuple[NDArray[np.uint8], Indices]:
    """Return the directions that stand before the elevations are asked, and the ends of the lakes."""
    ends = np.zeros(0, np.int64)
    wanted = lakes is not None or sinks is not None or edges == "closed"
    if not wanted:
        return np.zeros((0, 0), np.uint8), ends
    forced = np.full(z.shape, FREE, np.uint8)
    if lakes is not None:
        ends = terrain.gather(np.ascontiguousarray(lakes, np.int32), z, forced)
    if sinks is not None:
        forced[sinks] = SINK
    if edges == "closed" and not (forced == SINK).any():
        forced.ravel()[np.nanargmin(z)] = SINK
    forced[np.isnan(z)] = FREE
    return forced, ends


def _nearness(grid: Grid) -> Reals:
    """Return 1 / distance (rows, 3) to the neighbour in the row, along a diagonal, in the column.

    On a projected grid these are distances in its plane: whether two neighbours are equally steep must
    not hang on the last digits of a scale factor. On a geographic one they are metres by row.
    """
    t = grid.transform
    if grid.is_geographic:
        across, along = grid.cell_steps_m
    else:
        metre = unit(grid.crs)[1]
        across = np.full(grid.shape[0], np.hypot(t.a, t.d) * metre)
        along = np.full(grid.shape[0], np.hypot(t.b, t.e) * metre)
    return 1.0 / np.column_stack([across, np.hypot(across, along), along])


def cell_areas_m2(grid: Grid, tile: Tile) -> Reals:
    """Return the areas of the cells of a tile (h, w), or (h, 1) where they are equal along a row."""
    by_row = grid.row_areas_m2
    if by_row is not None:
        return by_row[tile.row : tile.row + tile.rows, None].copy()
    return grid.cell_areas_of(tile.row, tile.row + tile.rows, tile.column, tile.column + tile.columns)


def surface_mask(drainage: Drainage) -> NDArray[np.bool_]:
    """Tell which cells (rows, columns) have a surface."""
    mask: NDArray[np.bool_] = drainage.direction != VOID
    return mask
