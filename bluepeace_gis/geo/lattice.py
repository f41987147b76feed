"""Grids that continue each other: the same cells, cut out at different places.

The scenes of one sensor in one UTM zone share their cells but not their corners: each date of a path
covers a little more or less. On their common lattice a cell of one scene is a cell of every other, so
that a stack needs no resampling. Grids of another cell size, CRS or phase make a lattice of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from affine import Affine
from shapely import box
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.crs import same_crs
from bluepeace_gis.geo.grid import Grid, apply

# How far the cells of two grids may lie off each other, as a share of a cell: corners written with few
# digits. Landsat's own geometry is known to a third of a cell.
SAME_PHASE_CELLS: Final = 0.01


@dataclass(frozen=True)
class Place:
    """Where a grid lies on its lattice: its first row and column, and its size in cells."""

    row: int
    column: int
    rows: int
    columns: int

    def common(self, other: "Place") -> "Place | None":
        """Cut out what two places share; None where they share nothing."""
        row, column = max(self.row, other.row), max(self.column, other.column)
        rows = min(self.row + self.rows, other.row + other.rows) - row
        columns = min(self.column + self.columns, other.column + other.columns) - column
        return Place(row, column, rows, columns) if rows > 0 and columns > 0 else None


@dataclass(frozen=True)
class Lattice:
    """Grids with common cells.

    Parameters
    ----------
    grid : Grid
        The smallest grid that holds all of them.
    places : {name: Place}
        Where each of them lies in ``grid``.
    """

    grid: Grid
    places: Mapping[str, Place]

    def within(self, area: BaseGeometry) -> "Lattice":
        """Cut the lattice to the cells that the bounding box of an area meets.

        Parameters
        ----------
        area : geometry in the CRS of ``grid``

        Raises
        ------
        OutsideGrid
            If the area meets no cell.
        """
        rows, columns = self.grid.shape
        left, bottom, right, top = area.bounds
        inverse = ~self.grid.transform
        column0, row0 = apply(inverse, left, top)
        column1, row1 = apply(inverse, right, bottom)
        asked = Place(
            _floor(row0),
            _floor(column0),
            -_floor(-row1) - _floor(row0),
            -_floor(-column1) - _floor(column0),
        )
        cut = asked.common(Place(0, 0, rows, columns))
        if cut is None:
            raise OutsideGrid(f"The area {area.bounds} lies outside of {self.grid}.")
        places = {
            name: Place(place.row - cut.row, place.column - cut.column, place.rows, place.columns)
            for name, place in self.places.items()
            if place.common(cut) is not None
        }
        grid = self.grid.window(cut.row, cut.row + cut.rows, cut.column, cut.column + cut.columns)
        return Lattice(grid, places)

    def outline(self, place: Place) -> BaseGeometry:
        """Return the outline of a place in the CRS of ``grid``."""
        transform = self.grid.transform
        left, top = apply(transform, place.column, place.row)
        right, bottom = apply(transform, place.column + place.columns, place.row + place.rows)
        return box(left, bottom, right, top)


def lattices(grids: Mapping[str, Grid]) -> list[Lattice]:
    """Sort grids into lattices.

    Parameters
    ----------
    grids : {name: Grid}
        With rows from north to south and columns from west to east.

    Returns
    -------
    list of Lattice
        In the order in which their first grids were given.

    Raises
    ------
    BadInput
        If a grid is rotated or runs the other way.
    """
    groups: list[dict[str, Grid]] = []
    for name, grid in grids.items():
        if not grid.north_up:
            raise BadInput(
                f"{name} is rotated or runs from south to north: {grid}. Warp it first: gdalwarp IN OUT.tif."
            )
        for group in groups:
            if _continues(grid, next(iter(group.values()))):
                group[name] = grid
                break
        else:
            groups.append({name: grid})
    return [_joined(group) for group in groups]


def _continues(grid: Grid, first: Grid) -> bool:
    one, other = grid.transform, first.transform
    farthest = max(*grid.shape, *first.shape)
    for size, expected in ((one.a, other.a), (one.e, other.e)):
        if abs(size - expected) * farthest > SAME_PHASE_CELLS * abs(expected):
            return False
    column, row = apply(~other, one.c, one.f)
    if max(abs(column - round(column)), abs(row - round(row))) > SAME_PHASE_CELLS:
        return False
    return grid.crs is first.crs or same_crs(grid.crs, first.crs)


def _joined(group: Mapping[str, Grid]) -> Lattice:
    first = next(iter(group.values()))
    corners = {name: _corner(grid, first) for name, grid in group.items()}
    top = min(row for row, _ in corners.values())
    left = min(column for _, column in corners.values())
    bottom = max(corners[name][0] + grid.shape[0] for name, grid in group.items())
    right = max(corners[name][1] + grid.shape[1] for name, grid in group.items())
    transform = first.transform
    x, y = apply(transform, left, top)
    whole = Grid(first.crs, Affine(transform.a, 0, x, 0, transform.e, y), (bottom - top, right - left))
    places = {
        name: Place(corners[name][0] - top, corners[name][1] - left, *grid.shape)
        for name, grid in group.items()
    }
    return Lattice(whole, places)


def _corner(grid: Grid, first: Grid) -> tuple[int, int]:
    column, row = apply(~first.transform, grid.transform.c, grid.transform.f)
    return round(row), round(column)


def _floor(place: float) -> int:
    """Round down, but take a corner that misses a cell by its digits for the corner."""
    return round(place) if abs(place - round(place)) < SAME_PHASE_CELLS else int(place // 1)
