"""Where the cells of a raster lie: CRS, transform and shape as one value, and the true areas of the cells."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import rioxarray  # noqa: F401  # registers DataArray.rio
import xarray as xr
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS
from rioxarray.exceptions import MissingSpatialDimensionError
from shapely import Polygon

from bluepeace_gis.errors import BadInput, GridMismatch, OutsideGrid
from bluepeace_gis.geo.crs import geographic, horizontal, label, same_crs, to_geographic, unbound, unit
from bluepeace_gis.geo.ellipsoid import Ellipsoid

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]

SAME_PLACE_CELLS = 1e-6  # grids whose corners differ by less of a cell are one grid
_UNEVEN_CELLS = 0.01  # coordinates kept as float32 wander by less than this

# How the areas of a projected grid are interpolated: Chebyshev polynomials on patches of the grid,
# halved until these hold. All are constants of the method: they decide the last digits.
_NODES = 9
_PATCH_ERROR = 1e-10  # relative, at the checked places
_SMALLEST_PATCH = 16  # cells along a side; in a smaller patch every cell is computed by itself
_DERIVATIVE_STEP = 1.5e-4  # of the greater half axis, about a kilometre on the Earth
_CHECKS = np.linspace(-1.0, 1.0, 6)
_CHUNK_CELLS = 1 << 14  # evaluated at once, so that the sums stay in the cache


@dataclass(frozen=True)
class Grid:
    """The place of a raster on Earth.

    Parameters
    ----------
    crs : pyproj.CRS or anything ``CRS.from_user_input`` takes
        Kept is its horizontal part. Without one, or with a local one: UnknownCrs.
    transform : affine.Affine
        From (column, row), counted from the corner of the first cell, to (x, y) in ``crs``; rotated
        and south-up grids are grids too.
    shape : (rows, columns)

    Raises
    ------
    UnknownCrs
        If no area can be stated in ``crs``.
    BadInput
        If the transform gives cells without area or the shape has no cells.
    """

    crs: CRS
    transform: Affine
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        rows, columns = (int(size) for size in self.shape)
        transform = Affine(*tuple(self.transform)[:6])
        if rows < 1 or columns < 1:
            raise BadInput(
                f"A grid of {rows} x {columns} cells holds nothing; expected at least one row and column."
            )
        if not np.isfinite(transform.determinant) or transform.determinant == 0:
            raise BadInput(
                f"The transform {tuple(transform)[:6]} gives cells without area; expected the size of a cell "
                "in its 1st and 5th number. Georeference the raster first."
            )
        object.__setattr__(self, "crs", horizontal(self.crs, "The raster"))
        object.__setattr__(self, "transform", transform)
        object.__setattr__(self, "shape", (rows, columns))

    @classmethod
    def of(cls, raster: xr.DataArray) -> "Grid":
        """Read the grid a raster lies on.

        Parameters
        ----------
        raster : (..., y, x)
            With a CRS (``raster.rio.crs``). The place comes from its coordinates, so a slice lies
            where its coordinates say; a rotated raster has none and is placed by its GeoTransform.

        Raises
        ------
        UnknownCrs
            If no area can be stated in its CRS.
        BadInput
            If it has no rows and columns, or they are not evenly spaced.
        """
        name = raster.name or "the raster"
        try:
            dims = (raster.rio.y_dim, raster.rio.x_dim)
        except MissingSpatialDimensionError as error:
            raise BadInput(
                f"{name} has the dimensions {raster.dims}; expected the last two to be y, x."
            ) from error
        if raster.dims[-2:] != dims:
            raise BadInput(
                f"{name} has the dimensions {raster.dims}; expected {dims} last: transpose it first."
            )
        crs = horizontal(
            raster.rio.crs, f"{name[:1].upper()}{name[1:]}" if isinstance(name, str) else str(name)
        )
        return cls(crs, _transform_of(raster, *dims), (raster.shape[-2], raster.shape[-1]))

    @staticmethod
    def common(**rasters: "xr.DataArray | Grid") -> "Grid":
        """Make sure that rasters lie on one grid, and return it.

        Parameters
        ----------
        **rasters : DataArray or Grid
            Under the names the caller knows them by; the first is the standard.

        Raises
        ------
        GridMismatch
            Naming both grids, what differs and the way out.
        """
        grids = {
            name: value if isinstance(value, Grid) else Grid.of(value) for name, value in rasters.items()
        }
        first = next(iter(grids))
        expected = grids[first]
        for name, grid in grids.items():
            differences = grid.differences(expected)
            if differences:
                raise GridMismatch(
                    f"{name} lies on another grid than {first}: {grid} against {expected}; "
                    f"they differ in {' and '.join(differences)}. "
                    f"Put it on that grid first: geo.align.onto({name}, Grid.of({first}))."
                )
        return expected

    def __str__(self) -> str:
        t = self.transform
        width, height = np.hypot(t.a, t.d), np.hypot(t.b, t.e)
        size = f"{width:.10g}" if np.isclose(width, height, rtol=1e-9) else f"{width:.10g} x {height:.10g}"
        turned = "" if self.north_up else " (rows northwards)" if t.b == t.d == 0 else " (rotated)"
        name = unit(self.crs)[0]
        return f"{self.shape[0]} x {self.shape[1]} cells of {size} {name} in {label(self.crs)}{turned}"

    def same_as(self, other: "Grid") -> bool:
        """Tell whether both have the same cells: CRSs equal by parameters, corners within 1e-6 of a cell."""
        return not self.differences(other)

    def differences(self, other: "Grid") -> list[str]:
        """Name what differs: "CRS", "shape", "origin (by ...)", "cell size (by ...)"; empty on one grid."""
        found = []
        if not same_crs(self.crs, other.crs):
            found.append("CRS")
        if self.shape != other.shape:
            found.append("shape")
        if "CRS" in found:  # the numbers of two planes cannot be compared
            return found
        mine, theirs = self.transform, other.transform
        # where the corners of this grid lie in cells of the other
        corners = [(0.0, 0.0), (float(self.shape[1]), 0.0), (0.0, float(self.shape[0]))]
        moved = [np.subtract(apply(~theirs, *apply(mine, *corner)), corner) for corner in corners]
        if np.abs(moved[0]).max() > SAME_PLACE_CELLS:
            found.append(
                f"origin (by {mine.c - theirs.c:.10g}, {mine.f - theirs.f:.10g} {unit(self.crs)[0]})"
            )
        if max(np.abs(end - moved[0]).max() for end in moved[1:]) > SAME_PLACE_CELLS:
            found.append(
                f"cell size ({mine.a:.16g}, {mine.e:.16g} against {theirs.a:.16g}, {theirs.e:.16g}"
                + ("" if mine.b == mine.d == theirs.b == theirs.d == 0 else ", and the rotation")
                + ")"
            )
        return found

    @property
    def is_geographic(self) -> bool:
        """Whether x and y are longitude and latitude (a rotated pole's are not)."""
        plane = unbound(self.crs)
        return bool(plane.is_geographic and not plane.is_derived)

    @property
    def north_up(self) -> bool:
        """Whether rows run eastwards and follow each other southwards."""
        t = self.transform
        return bool(t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The outer edges (left, bottom, right, top) in the CRS; of a rotated grid, the box around it."""
        x, y = self._corners()
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def footprint(self) -> Polygon:
        """Outline the grid as a polygon of its four corners in its CRS."""
        return Polygon(np.column_stack(self._corners()))

    def centres(self, row: ArrayLike, column: ArrayLike) -> tuple[Reals, Reals]:
        """Locate the centres (x, y) of cells given by row and column."""
        return self._places(np.asarray(row, np.float64) + 0.5, np.asarray(column, np.float64) + 0.5)

    def cells_of(self, x: ArrayLike, y: ArrayLike) -> tuple[Indices, Indices]:
        """Find the cells in which places lie.

        Parameters
        ----------
        x, y : (n,) float, in the CRS of the grid
            On a geographic grid, longitudes a full turn away count as the same. A place on the outer edge of
            the grid (to 1e-6 of a cell) lies in the cell beside it: there is no other one it could lie in.

        Returns
        -------
        row, column : (n,) int
            Outside the grid they lie outside 0..rows-1 or 0..columns-1.

        Raises
        ------
        BadInput
            If a coordinate is not a finite number.
        """
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise BadInput(
                f"Found a place without coordinates, expected numbers in {label(self.crs)}. Remove it."
            )
        row, column = self._cells_on_this_turn(x, y)
        if self.is_geographic:
            turn = 2 * np.pi / unit(self.crs)[1]
            for shift in (turn, -turn):
                row2, column2 = self._cells_on_this_turn(x + shift, y)
                back = ~self._holds(row, column) & self._holds(row2, column2)
                row, column = np.where(back, row2, row), np.where(back, column2, column)
        return row.astype(np.int64), column.astype(np.int64)

    def _cells_on_this_turn(self, x: Reals, y: Reals) -> tuple[Reals, Reals]:
        """Find the cells of places: half-open, but for the outer edges."""
        found = []
        for place, count in zip(apply(~self.transform, x, y)[::-1], self.shape, strict=True):
            on_edge = (np.abs(place) <= SAME_PLACE_CELLS) | (np.abs(place - count) <= SAME_PLACE_CELLS)
            found.append(np.where(on_edge, np.clip(np.floor(place), 0, count - 1), np.floor(place)))
        return found[0], found[1]

    def _holds(self, row: Reals, column: Reals) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (
            (row >= 0) & (row < self.shape[0]) & (column >= 0) & (column < self.shape[1])
        )
        return inside

    def window(self, row0: int, row1: int, col0: int, col1: int) -> "Grid":
        """Cut out rows ``row0`` to ``row1 - 1`` and columns ``col0`` to ``col1 - 1`` as a grid of its own.

        Raises
        ------
        OutsideGrid
            If the window does not lie inside the grid.
        """
        self._check_window(row0, row1, col0, col1)
        t, (left, top) = self.transform, apply(self.transform, float(col0), float(row0))
        return Grid(self.crs, Affine(t.a, t.b, left, t.d, t.e, top), (row1 - row0, col1 - col0))

    def raster(self, values: NDArray[Any], name: str | None = None) -> xr.DataArray:
        """Put an array (rows, columns) on this grid as a raster with coordinates and CRS.

        Raises
        ------
        BadInput
            If the array has another shape.
        """
        if values.shape != self.shape:
            raise BadInput(f"Found an array of {values.shape}, expected {self.shape}, the shape of the grid.")
        rows, columns = self.shape
        coordinates = {}
        if self.transform.b == self.transform.d == 0:  # else one coordinate per row or column does not exist
            coordinates["y"] = self.centres(np.arange(rows), np.zeros(rows))[1]
            coordinates["x"] = self.centres(np.zeros(columns), np.arange(columns))[0]
        made = xr.DataArray(values, dims=("y", "x"), coords=coordinates, name=name)
        placed = made.rio.write_crs(self.crs.to_wkt())  # on a copy; the next step needs no second one
        return placed.rio.write_transform(self.transform, inplace=True)  # type: ignore[no-any-return]

    @cached_property
    def row_areas_m2(self) -> Reals | None:
        """True area of one cell of each row (rows,), m2; None where areas vary along a row.

        On geographic grids it is the closed-form area between two parallels, exact for any cell size;
        on straight cylindrical ones (EPSG:3857) that of :meth:`cell_areas_of` for one column.

        Raises
        ------
        BadInput
            If cells reach beyond a pole.
        """
        t = self.transform
        if t.b != 0 or t.d != 0:
            return None
        if not self.is_geographic:
            return self._row_areas_on_a_cylinder()
        radians = unit(self.crs)[1]
        middle: Reals = (t.f + t.e * (np.arange(self.shape[0], dtype=np.float64) + 0.5)) * radians
        half = abs(t.e) * radians / 2
        self._check_poles()
        areas = Ellipsoid.of(self.crs).band_m2(middle, half) * (abs(t.a) * radians)
        areas.flags.writeable = False
        return areas

    @property
    def cell_areas(self) -> Reals:
        """True area of every cell (rows, columns), m2, on the ellipsoid of the CRS.

        Where they are equal along a row, a read-only view of ``row_areas_m2`` that takes no memory. Else
        8 bytes a cell, made anew at each call: ask :meth:`cell_areas_of` for windows of large grids.
        """
        return self.cell_areas_of(0, self.shape[0], 0, self.shape[1])

    def cell_areas_of(self, row0: int, row1: int, col0: int, col1: int) -> Reals:
        """True areas of the cells in a window, m2, on the ellipsoid of the CRS.

        Parameters
        ----------
        row0, row1, col0, col1 : int
            Rows ``row0`` to ``row1 - 1``, columns ``col0`` to ``col1 - 1``.

        Returns
        -------
        (row1 - row0, col1 - col0) float64
            The same bytes however the grid is cut into windows. NaN where a cell lies beyond the edge
            of the Earth in its projection (the corners of a sinusoidal tile).

        Raises
        ------
        OutsideGrid
            If the window does not lie inside the grid.
        BadInput
            If cells of a geographic grid reach beyond a pole.

        Notes
        -----
        A projected cell's area is the mean over the cell (Gauss-Legendre quadrature) of the area of the
        authalic sphere per unit of the plane; it is computed at the nodes of Chebyshev polynomials on
        patches of the grid, which are halved until the polynomials agree with the direct values to
        1e-10 at 36 other places each.
        """
        self._check_window(row0, row1, col0, col1)
        by_row = self.row_areas_m2
        if by_row is not None:
            return np.broadcast_to(by_row[row0:row1, None], (row1 - row0, col1 - col0))
        areas = np.empty((row1 - row0, col1 - col0))
        for patch in self._patches:
            patch.write_into(areas, row0, col0)
        return areas

    @cached_property
    def cell_steps_m(self) -> tuple[Reals, Reals]:
        """Distances between centres, m, per row: along the row (rows,) and across to the next row (rows,).

        Geodesics on the ellipsoid, half a cell to either side of the centre of the row's middle cell.
        """
        rows, columns = self.shape
        middle, row = np.full(rows, columns / 2), np.arange(rows, dtype=np.float64) + 0.5
        geod: Any = geographic(self.crs).get_geod()
        steps = []
        for along, across in ((0.5, 0.0), (0.0, 0.5)):
            start = self._longitude_latitude(*self._places(row - across, middle - along))
            end = self._longitude_latitude(*self._places(row + across, middle + along))
            steps.append(np.asarray(geod.inv(*np.degrees(start), *np.degrees(end))[2], np.float64))
            steps[-1].flags.writeable = False
        return steps[0], steps[1]

    @cached_property
    def _patches(self) -> "list[_Patch]":
        if self.is_geographic:
            self._check_poles()
        areas = _DirectAreas(self)
        todo, done = [(0, self.shape[0], 0, self.shape[1])], []
        while todo:
            row0, row1, col0, col1 = todo.pop()
            patch = _Patch.fitted(areas, row0, row1, col0, col1)
            if patch is not None:
                done.append(patch)
                continue
            row_cuts, column_cuts = _halves(row0, row1), _halves(col0, col1)
            todo.extend((r0, r1, c0, c1) for r0, r1 in pairwise(row_cuts) for c0, c1 in pairwise(column_cuts))
        return done

    def _row_areas_on_a_cylinder(self) -> Reals | None:
        if not _DirectAreas(self).cylindrical:
            return None
        column = Grid(self.crs, self.transform, (self.shape[0], 1))
        areas = np.empty(column.shape)
        for patch in column._patches:
            patch.write_into(areas, 0, 0)
        areas.flags.writeable = False
        return areas[:, 0]

    def _check_poles(self) -> None:
        _, bottom, _, top = self.bounds
        name, radians = unit(self.crs)
        pole = np.pi / 2 / radians
        slack = SAME_PLACE_CELLS * (abs(self.transform.e) + abs(self.transform.d))
        if top > pole + slack or bottom < -pole - slack:
            raise BadInput(
                f"The grid of {self} reaches beyond a pole, from {bottom:.10g} to {top:.10g} {name} of "
                f"latitude; expected {-pole:g} to {pole:g}. Cut off the outer rows (their centres may lie on "
                "the pole)."
            )

    def _check_window(self, row0: int, row1: int, col0: int, col1: int) -> None:
        rows, columns = self.shape
        if not (0 <= row0 < row1 <= rows and 0 <= col0 < col1 <= columns):
            raise OutsideGrid(
                f"Found a window of rows {row0} to {row1} and columns {col0} to {col1}, "
                f"expected it inside the {rows} rows and {columns} columns of the grid."
            )

    def _corners(self) -> tuple[Reals, Reals]:
        rows, columns = self.shape
        return self._places(np.array([0.0, 0, rows, rows]), np.array([0.0, columns, columns, 0]))

    def _places(self, row: Reals, column: Reals) -> tuple[Reals, Reals]:
        """Locate places given in cells from the corner of the first cell."""
        x, y = apply(self.transform, column, row)
        return x, y

    def _longitude_latitude(self, x: Reals, y: Reals) -> tuple[Reals, Reals]:
        """Turn places in the CRS to radians on its own datum; infinite where there is none."""
        if self.is_geographic:
            radians = unit(self.crs)[1]
            return x * radians, y * radians
        longitude, latitude = to_geographic(self.crs).transform(x, y)
        radians = unit(geographic(self.crs))[1]
        return np.asarray(longitude) * radians, np.asarray(latitude) * radians


def apply(transform: Affine, column: Any, row: Any) -> tuple[Any, Any]:
    """Transform numbers or arrays; affine 2 and 3 want different operators for it."""
    t = transform
    return t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f


class _DirectAreas:
    """The true area of a cell anywhere on the plane of a grid, whole numbers of cells along or between."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.ellipsoid = Ellipsoid.of(grid.crs)
        plane = unbound(grid.crs)
        unit_size = unit(grid.crs)[1]
        step_m = _DERIVATIVE_STEP * self.ellipsoid.semi_major_m
        self.step = (step_m if plane.is_projected else _DERIVATIVE_STEP) / unit_size
        t = grid.transform
        longest_m = max(np.hypot(t.a, t.d), np.hypot(t.b, t.e)) / self.step * step_m
        # Gauss-Legendre points along a side: the error falls with (cell / Earth) ** (2 * points)
        points = 2 if longest_m < 5e3 else 4 if longest_m < 2e5 else 12
        self.nodes, self.weights = np.polynomial.legendre.leggauss(points)
        self.nodes, self.weights = self.nodes / 2, self.weights / 2
        self.round_trips = not grid.is_geographic
        self.cylindrical = self.round_trips and self._is_cylindrical()

    def __call__(self, row: Reals, column: Reals) -> Reals:
        """Compute areas of the cells centred ``row`` and ``column`` cells from the corner, both (n,), m2."""
        total = np.zeros(row.shape)
        for down, down_weight in zip(self.nodes, self.weights, strict=True):
            for along, along_weight in zip(self.nodes, self.weights, strict=True):
                places = self.grid._places(row + down, column + along)  # noqa: SLF001  # one module, one subject
                total += down_weight * along_weight * self._density(*places)
        total *= abs(self.grid.transform.determinant)
        total[~self._on_earth(*self.grid._places(row, column))] = np.nan  # noqa: SLF001
        return total

    def _density(self, x: Reals, y: Reals) -> Reals:
        """True area per unit of the plane: how fast the place on the authalic sphere moves with x and y."""
        here = self._vectors(x, y)
        h = self.step
        with np.errstate(invalid="ignore"):
            by_x = 8 * (self._vectors(x + h, y) - self._vectors(x - h, y))
            by_x -= self._vectors(x + 2 * h, y) - self._vectors(x - 2 * h, y)
            by_y = 8 * (self._vectors(x, y + h) - self._vectors(x, y - h))
            by_y -= self._vectors(x, y + 2 * h) - self._vectors(x, y - 2 * h)
            turned = np.abs(np.einsum("in,in->n", here, np.cross(by_x, by_y, axis=0)))
        density: Reals = turned / (12 * h) ** 2 * self.ellipsoid.authalic_radius2_m2
        return density

    def _vectors(self, x: Reals, y: Reals) -> Reals:
        longitude, latitude = self.grid._longitude_latitude(x, y)  # noqa: SLF001
        known = np.isfinite(longitude) & np.isfinite(latitude)
        vectors = self.ellipsoid.authalic_vectors(
            np.where(known, longitude, 0.0), np.where(known, latitude, 0.0)
        )
        vectors[:, ~known] = np.nan
        return vectors

    def _on_earth(self, x: Reals, y: Reals) -> NDArray[np.bool_]:
        """Tell which places come back where they were when projected again."""
        if not self.round_trips:
            return np.ones(x.shape, bool)
        transformer = to_geographic(self.grid.crs)
        back_x, back_y = transformer.transform(*transformer.transform(x, y), direction="INVERSE")
        with np.errstate(invalid="ignore"):
            near: NDArray[np.bool_] = np.abs(np.asarray(back_y) - y) < self.step / 100
            # a cylinder goes on beyond 180 degrees: the same place comes again a turn further
            return near if self.cylindrical else near & (np.abs(np.asarray(back_x) - x) < self.step / 100)

    def _is_cylindrical(self) -> bool:
        """Tell whether x depends on the longitude alone and y on the latitude alone."""
        turn = 2 * np.pi / unit(geographic(self.grid.crs))[1]
        longitude, latitude = np.meshgrid(
            np.linspace(-0.4, 0.4, 5) * turn, np.array([-0.15, 0.0, 0.1]) * turn
        )
        x, y = to_geographic(self.grid.crs).transform(longitude, latitude, direction="INVERSE")
        with np.errstate(invalid="ignore"):
            return bool(
                (np.ptp(x, axis=0) < self.step / 100).all() and (np.ptp(y, axis=1) < self.step / 100).all()
            )


@dataclass(frozen=True)
class _Patch:
    """Rows and columns of a grid whose areas one polynomial gives, or ``exact`` gives one by one."""

    row0: int
    row1: int
    col0: int
    col1: int
    coefficients: Reals  # (rows, columns) of Chebyshev polynomials, empty if exact
    exact: Reals  # (row1 - row0, col1 - col0) m2, empty if polynomial

    @classmethod
    def fitted(cls, areas: _DirectAreas, row0: int, row1: int, col0: int, col1: int) -> "_Patch | None":
        """Fit the polynomial; None if the patch must be cut into smaller ones."""
        angles = (np.arange(_NODES) + 0.5) * np.pi / _NODES
        places = np.concatenate([np.cos(angles), _CHECKS])
        row = (row0 + row1) / 2 + places * (row1 - row0 - 1) / 2
        column = (col0 + col1) / 2 + places * (col1 - col0 - 1) / 2
        wanted = areas(*(axis.ravel() for axis in np.meshgrid(row, column, indexing="ij"))).reshape(
            len(row), -1
        )
        nodes, checks = wanted[:_NODES, :_NODES], wanted[_NODES:, _NODES:]
        none = np.empty((0, 0))
        if np.isnan(nodes).all() and np.isnan(checks).all():
            return cls(row0, row1, col0, col1, np.full((1, 1), np.nan), none)
        if np.isfinite(nodes).all() and np.isfinite(checks).all():
            to_coefficients = np.cos(np.outer(np.arange(_NODES), angles)) * 2 / _NODES
            to_coefficients[0] /= 2
            coefficients = to_coefficients @ nodes @ to_coefficients.T
            basis = _chebyshev(_CHECKS)
            error = np.abs(basis.T @ coefficients @ basis - checks).max()
            if error <= _PATCH_ERROR * np.abs(nodes).max():
                return cls(row0, row1, col0, col1, _trimmed(coefficients), none)
        if max(row1 - row0, col1 - col0) > _SMALLEST_PATCH:
            return None
        cells = np.meshgrid(np.arange(row0, row1) + 0.5, np.arange(col0, col1) + 0.5, indexing="ij")
        exact = areas(*(axis.ravel() for axis in cells)).reshape(row1 - row0, col1 - col0)
        return cls(row0, row1, col0, col1, none, exact)

    def write_into(self, areas: Reals, row0: int, col0: int) -> None:
        """Fill the part of ``areas``, a window beginning at (row0, col0), that this patch covers.

        Only sums and products of single elements, in one order: the last digit of a cell's area
        does not depend on the window it is asked in.
        """
        top, bottom = max(self.row0, row0), min(self.row1, row0 + areas.shape[0])
        left, right = max(self.col0, col0), min(self.col1, col0 + areas.shape[1])
        if top >= bottom or left >= right:
            return
        part = areas[top - row0 : bottom - row0, left - col0 : right - col0]
        if self.exact.size:
            part[:] = self.exact[top - self.row0 : bottom - self.row0, left - self.col0 : right - self.col0]
            return
        row_degree, column_degree = self.coefficients.shape
        by_row = _chebyshev(_in_patch(np.arange(top, bottom), self.row0, self.row1))[:row_degree]
        by_column = _chebyshev(_in_patch(np.arange(left, right), self.col0, self.col1))[:column_degree]
        along = np.zeros((row_degree, right - left))
        for degree in range(column_degree):
            along += self.coefficients[:, degree, None] * by_column[degree]
        chunk = max(1, _CHUNK_CELLS // (right - left))
        term = np.empty((chunk, right - left))  # made once: a new one each time costs more than the sums
        for start in range(0, bottom - top, chunk):
            rows = part[start : start + chunk]
            rows[:] = along[0]
            for degree in range(1, row_degree):
                factor = by_row[degree, start : start + chunk, None]
                rows += np.multiply(factor, along[degree], out=term[: len(rows)])


def _chebyshev(place: Reals) -> Reals:
    """Evaluate the first polynomials at places from -1 to 1: (_NODES, n)."""
    basis = np.ones((_NODES, len(place)))
    basis[1] = place
    for degree in range(2, _NODES):
        basis[degree] = 2 * place * basis[degree - 1] - basis[degree - 2]
    return basis


def _in_patch(cell: Indices, first: int, end: int) -> Reals:
    """Place the centres of cells between -1 (first cell) and 1 (last cell); one cell alone lies at 0."""
    return (2.0 * cell - (first + end - 1)) / max(end - first - 1, 1)


def _trimmed(coefficients: Reals) -> Reals:
    """Leave out the highest polynomials, which only carry rounding noise."""
    loud = np.abs(coefficients) > 1e-12 * np.abs(coefficients).max()
    rows, columns = (np.flatnonzero(loud.any(axis=axis)).max() + 1 for axis in (1, 0))
    return coefficients[:rows, :columns]


def _halves(first: int, end: int) -> list[int]:
    return [first, (first + end) // 2, end] if end - first > _SMALLEST_PATCH else [first, end]


def _transform_of(raster: xr.DataArray, y_dim: str, x_dim: str) -> Affine:
    """Place a raster by its coordinates, to the digits of its GeoTransform where both agree."""
    written = (
        raster.coords[raster.rio.grid_mapping].attrs.get("GeoTransform") if _has_mapping(raster) else None
    )
    stored = None if written is None else Affine.from_gdal(*(float(number) for number in written.split()))
    name = raster.name or "the raster"
    if x_dim not in raster.coords or y_dim not in raster.coords:
        if stored is None:
            raise BadInput(
                f"{name} has neither coordinates x and y nor a GeoTransform; expected its place on Earth."
            )
        return stored
    if stored is not None and (stored.b != 0 or stored.d != 0):
        return stored
    left, width = _axis(raster, x_dim, None if stored is None else stored.a)
    top, height = _axis(raster, y_dim, None if stored is None else stored.e)
    found = Affine(width, 0.0, left, 0.0, height, top)
    if stored is not None:
        ends = [(0.0, 0.0), (float(raster.sizes[x_dim]), float(raster.sizes[y_dim]))]
        moved = [np.subtract(apply(~found, *apply(stored, *end)), end) for end in ends]
        if np.abs(moved).max() <= SAME_PLACE_CELLS:
            return stored
    return found


def _has_mapping(raster: xr.DataArray) -> bool:
    return raster.rio.grid_mapping in raster.coords


def _axis(raster: xr.DataArray, dim: str, stored_step: float | None) -> tuple[float, float]:
    """Find the outer edge of the first cell and the step of evenly spaced centres."""
    centres = raster.coords[dim].to_numpy().astype(np.float64)
    name = raster.name or "the raster"
    if len(centres) > 1:
        step = (centres[-1] - centres[0]) / (len(centres) - 1)
    elif stored_step is not None:
        step = stored_step
    else:
        raise BadInput(
            f"{name} has a single cell along {dim} and no GeoTransform; expected the size of its cells."
        )
    uneven = np.abs(centres - (centres[0] + step * np.arange(len(centres))))
    if not step or not np.all(uneven <= _UNEVEN_CELLS * abs(step)):
        raise BadInput(
            f"{name} has cells that are not evenly spaced along {dim}; expected one step. "
            "Put it on an even grid first, for instance with gdalwarp."
        )
    return float(centres[0] - step / 2), float(step)
