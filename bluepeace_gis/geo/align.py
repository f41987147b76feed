"""Put a raster on the grid of another: the way out when two rasters must lie on one grid."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from shapely import box

from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.grid import Grid

# These weigh whole cells of the source that a cell of the grid meets; the others look around its centre.
_OVER_CELLS = {"average", "rms", "sum", "mode", "max", "min", "med", "q1", "q3"}
# GDAL transforms a few places of a row exactly and takes the others between them, this far off at most.
# Its own 0.125 moved 3 of 100 cells of a class raster to a neighbour.
_ERROR_CELLS = 0.001


def onto(raster: xr.DataArray, grid: Grid, resampling: str | None = None) -> xr.DataArray:
    """Put a raster on a grid, reprojected where the CRSs differ.

    Parameters
    ----------
    raster : (..., y, x) float or int
        With a CRS. Unknown are NaN and ``raster.rio.nodata``.
    grid : Grid
        Where the result lies.
    resampling : str, a name of ``rasterio.enums.Resampling``
        "nearest", "bilinear", "cubic", "average", "mode", "sum" and so on. Without it, "nearest" for
        whole numbers, which are classes, and "bilinear" for others; it takes in more source cells
        where those of ``grid`` are larger.

    Returns
    -------
    DataArray
        (..., rows, columns of ``grid``); type, name, attributes and other coordinates are kept. Cells that
        are unknown, or whose centre lies outside the raster, are NaN, or nodata for whole numbers.

    Raises
    ------
    BadInput
        If the resampling is unknown, or whole numbers have no nodata for the cells outside.
    UnknownCrs
        If the raster has no CRS.
    OutsideGrid
        If the raster lies elsewhere than the grid.
    """
    source = Grid.of(raster)
    name = raster.name or "the raster"
    whole = raster.dtype.kind != "f"
    method = _method(resampling or ("nearest" if whole else "bilinear"))
    nodata = raster.rio.nodata
    if source.same_as(grid):
        return _placed(raster, raster.to_numpy(), grid, nodata)
    if whole and (nodata is None or raster.dtype.kind == "b"):
        raise BadInput(
            f"{name} holds {raster.dtype} without nodata, so the cells outside it would become a class; "
            "expected whole numbers with nodata. Give it a number that is not used: "
            "raster.astype(numpy.uint8).rio.write_nodata(255)."
        )
    if not _touch(source, grid):
        raise OutsideGrid(
            f"{name} lies elsewhere than the grid it is to be put on: {source} within {_edges(source)} "
            f"against {grid} within {_edges(grid)}; expected them to overlap. Check the CRSs of both."
        )
    outside = nodata if whole else np.nan
    layers = raster.to_numpy().reshape(-1, *source.shape)
    made = np.empty((len(layers), *grid.shape), dtype=raster.dtype)
    unknown = outside if nodata is None else nodata
    for layer, target in zip(layers, made, strict=True):  # one by one: GDAL mixes the nodata of bands
        target[:] = _warped(layer, source, grid, method, unknown, outside)
    if method.name in _OVER_CELLS:  # GDAL gives the outer cells of the raster to cells beside it, too
        reached = _warped(np.ones(source.shape, np.uint8), source, grid, Resampling.nearest, 0, 0)
        made[:, reached == 0] = outside
    return _placed(raster, made.reshape(*raster.shape[:-2], *grid.shape), grid, outside)


def _warped(
    values: NDArray[Any], source: Grid, grid: Grid, method: Resampling, unknown: Any, outside: Any
) -> NDArray[Any]:
    """Let GDAL put one layer on the grid; its ``reproject`` has no say in the error of the places."""
    rows, columns = source.shape
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "count": 1, "height": rows, "width": columns, "dtype": values.dtype}
        with memory.open(**profile, transform=source.transform) as dataset:
            dataset.write(values, 1)
        with (
            memory.open() as dataset,
            WarpedVRT(
                dataset,
                src_crs=source.crs.to_wkt(),
                crs=grid.crs.to_wkt(),
                transform=grid.transform,
                height=grid.shape[0],
                width=grid.shape[1],
                resampling=method,
                src_nodata=unknown,
                nodata=outside,
                tolerance=_ERROR_CELLS,
            ) as view,
        ):
            warped: NDArray[Any] = view.read(1)
    return warped


def _method(resampling: str) -> Resampling:
    try:
        return Resampling[resampling]
    except KeyError as error:
        names = ", ".join(method.name for method in Resampling)
        raise BadInput(f'Found the resampling "{resampling}", expected one of {names}.') from error


def _placed(raster: xr.DataArray, values: NDArray[Any], grid: Grid, nodata: Any) -> xr.DataArray:
    """Give an array the coordinates of ``grid`` and all else of ``raster``."""
    place = grid.raster(np.empty(grid.shape, np.bool_)).coords
    dims = raster.dims[-2:]
    kept = {
        name: coordinate
        for name, coordinate in raster.coords.items()
        if name != raster.rio.grid_mapping and not set(coordinate.dims) & set(dims)
    }
    attributes = {
        name: value for name, value in raster.attrs.items() if name not in {"_FillValue", "transform"}
    }
    made = xr.DataArray(
        values,
        dims=(*raster.dims[:-2], "y", "x"),
        coords={**kept, **place},
        name=raster.name,
        attrs=attributes,
    )
    placed: xr.DataArray = made if nodata is None else made.rio.write_nodata(nodata)
    return placed


def _touch(source: Grid, grid: Grid) -> bool:
    """Tell whether the box around a grid, in the CRS of the other, meets the other; in doubt, yes."""
    transformer = Transformer.from_crs(source.crs, grid.crs, always_xy=True)
    left, bottom, right, top = transformer.transform_bounds(*source.bounds)
    if not np.isfinite([left, bottom, right, top]).all() or left > right:  # right of 180 degrees: a jump
        return True
    return bool(box(left, bottom, right, top).intersects(grid.footprint()))


def _edges(grid: Grid) -> str:
    return ", ".join(f"{edge:.7g}" for edge in grid.bounds)
