"""Composites of a season on one grid: from many dates one value per cell, with its date and the count.

A stack is a raster with time ahead: (time, y, x), as int16 or uint16 with nodata or as float with NaN.
What is not clear is expected to be nodata already: which quality is rejected is the choice of the
analysis. Where the stack has a coordinate ``overpass`` along time, scenes of one overpass are one
observation: they overlap, and a cell seen in two of them was still seen once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import composites, geomedian

OVERPASS: Final = "overpass"
NO_DATE: Final = 0  # of the variable ``date``; every other number is YYYYMMDD, UTC

_WHOLE: Final = ("int16", "uint16")
_STRIP_CELLS: Final = 1 << 17  # of a geometric median made at once: 75 MB of 24 dates and 6 bands


@dataclass(frozen=True)
class _Season:
    """A stack whose dates stand in order, each overpass once.

    values  (dates, rows, columns)
    days    (dates,)  YYYYMMDD
    nodata  NaN for floats
    order   (scenes,)  of the raster, in time
    groups  (scenes,)  the observation that each scene, in time, belongs to
    """

    grid: Grid
    values: NDArray[Any]
    days: NDArray[np.int32]
    nodata: float
    order: NDArray[np.int64]
    groups: NDArray[np.int64]


def maximum(stack: xr.DataArray) -> xr.Dataset:
    """Take the largest observation of each cell.

    Parameters
    ----------
    stack : (time, y, x) int16, uint16 or float

    Returns
    -------
    Dataset
        ``value`` in the type of the stack (float32 for floats) with its nodata; ``date`` int32 YYYYMMDD of
        that observation, the first of equals, 0 for none; ``count`` uint16, observations of the cell.

    Raises
    ------
    BadInput
        If the stack is not what the module expects.
    UnknownCrs
        If it has no CRS.
    """
    season = _season(stack)
    return _with_date(season, composites.largest(season.values, season.nodata), stack.name)


def minimum(stack: xr.DataArray) -> xr.Dataset:
    """Take the smallest observation of each cell.

    Parameters
    ----------
    stack : (time, y, x) int16, uint16 or float

    Returns
    -------
    Dataset
        ``value``, ``date`` and ``count`` as of :func:`maximum`.

    Raises
    ------
    BadInput
        If the stack is not what the module expects.
    UnknownCrs
        If it has no CRS.
    """
    season = _season(stack)
    return _with_date(season, composites.smallest(season.values, season.nodata), stack.name)


def median(stack: xr.DataArray) -> xr.Dataset:
    """Take the median of the observations of each cell; of an even number, the mean of the middle two.

    Parameters
    ----------
    stack : (time, y, x) int16, uint16 or float

    Returns
    -------
    Dataset
        ``value`` float32 in the unit of the stack, NaN for none; ``count`` uint16, observations of the cell.
        There is no ``date``: a median need not be the value of one.

    Raises
    ------
    BadInput
        If the stack is not what the module expects.
    UnknownCrs
        If it has no CRS.
    """
    season = _season(stack)
    found = composites.median(season.values, season.nodata)
    return xr.Dataset(
        {"value": _floats(season.grid, found.value, stack.name), "count": season.grid.raster(found.count)}
    )


def percentiles(stack: xr.DataArray, percent: Sequence[float]) -> xr.Dataset:
    """Take percentiles of the observations of each cell, linear between neighbouring ranks.

    Parameters
    ----------
    stack : (time, y, x) int16, uint16 or float
    percent : (k,) 0..100

    Returns
    -------
    Dataset
        ``value`` (percentile, y, x) float32 in the unit of the stack, NaN for none; ``count`` uint16,
        observations of the cell.

    Raises
    ------
    BadInput
        If the stack is not what the module expects, or a percentile is not within 0..100.
    UnknownCrs
        If it has no CRS.
    """
    if not len(percent) or not all(0 <= number <= 100 for number in percent):
        raise BadInput(f"Found the percentiles {list(percent)}, expected one or more numbers from 0 to 100.")
    season = _season(stack)
    found = composites.percentiles(season.values, percent, season.nodata)
    layers = [_floats(season.grid, layer, stack.name) for layer in found.value]
    value = xr.concat(layers, dim=xr.Variable("percentile", np.asarray(percent, np.float64)))
    return xr.Dataset({"value": value, "count": season.grid.raster(found.count)})


def counts(stack: xr.DataArray) -> xr.DataArray:
    """Count the observations of each cell.

    Parameters
    ----------
    stack : (time, y, x) int16, uint16 or float

    Returns
    -------
    DataArray
        ``count`` (y, x) uint16.

    Raises
    ------
    BadInput
        If the stack is not what the module expects.
    UnknownCrs
        If it has no CRS.
    """
    season = _season(stack)
    return season.grid.raster(composites.counts(season.values, season.nodata), "count")


def minimum_snow(ndsi: xr.DataArray, bands: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Take all bands of each cell from the date with the least snow, the lowest NDSI.

    Parameters
    ----------
    ndsi : (time, y, x) float, -1..1, or int16
        Of the clear observations, see :func:`geo.indices.ndsi`.
    bands : {name: (time, y, x)} int16, uint16 or float
        On the grid and dates of ``ndsi``; names other than ndsi, date and count.

    Returns
    -------
    Dataset
        The bands under their names, of their types; ``ndsi``, ``date`` int32 YYYYMMDD of the observation, 0
        for none, and ``count`` uint16, clear observations of the cell.

    Raises
    ------
    GridMismatch
        If the bands do not lie on one grid.
    BadInput
        If the stacks are not what the module expects or their dates differ.
    UnknownCrs
        If one has no CRS.
    """
    taken_names = {"ndsi", "date", "count"} & set(bands)
    if taken_names:
        raise BadInput(
            f"Found a band called {', '.join(sorted(taken_names))}, expected names other than ndsi, date and "
            "count, which the composite adds. Rename it."
        )
    season = _season(ndsi)
    least = composites.smallest(season.values, season.nodata)
    made = _with_date(season, least, "ndsi").rename(value="ndsi")
    for name, band in bands.items():
        values, nodata = _like(season, ndsi, name, band)
        if len(season.values) != len(values):
            # The scene that gave the index gives the bands: a band is not merged by its own gaps.
            scene = _scene_of(season, ndsi, least.date)
            layer = composites.take(values[:, None], scene, nodata)[0]
        else:
            layer = composites.take(values[:, None], least.date, nodata)[0]
        made[name] = _placed(season.grid, layer, nodata, name)
    return made


def geometric_median(bands: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Find the geometric median of the observations of each cell, all bands together.

    Parameters
    ----------
    bands : {name: (time, y, x)} float reflectance 0..1
        Up to six, on one grid and the same dates. A date on which a band is NaN is left out whole.

    Returns
    -------
    Dataset
        The bands under their names, float32 reflectance within 1e-4, NaN for none; ``count`` uint16, dates on
        which all bands were observed. There is no ``date``: the median need not be one of them.

    Raises
    ------
    GridMismatch
        If the bands do not lie on one grid.
    BadInput
        If the stacks are not what the module expects, their dates differ, there are none or more than
        six, or they are not floats.
    UnknownCrs
        If one has no CRS.

    Notes
    -----
    See :mod:`kernels.geomedian` for the method, its sources and when it stops.
    """
    if not 0 < len(bands) <= geomedian.MOST_BANDS or "count" in bands:
        raise BadInput(
            f"Found the bands {', '.join(map(str, bands)) or 'none'}; expected 1 to {geomedian.MOST_BANDS}, "
            "none called count. Choose those of most use, such as blue, green, red, nir, swir1, swir2."
        )
    first = next(iter(bands))
    for name, band in bands.items():
        if band.dtype.kind != "f":
            raise BadInput(
                f"{name} holds {band.dtype}, like digital numbers; expected reflectance 0..1 as float. Apply "
                "the scale and offset of the metadata first."
            )
    season = _season(bands[first], merged=False)
    stacks = [_with_nan(*_like(season, bands[first], name, band)) for name, band in bands.items()]
    rows, columns = season.grid.shape
    value = np.empty((len(bands), rows, columns), np.float32)
    count = np.empty((rows, columns), np.uint16)
    height = max(1, _STRIP_CELLS // columns)
    for row in range(0, rows, height):
        strip = np.stack([stack[:, row : row + height] for stack in stacks], axis=1)
        found = geomedian.geometric_median(_merged(strip, season.groups, np.nan))
        value[:, row : row + height], count[row : row + height] = found.value, found.count
    made = xr.Dataset(
        {name: _floats(season.grid, layer, name) for name, layer in zip(bands, value, strict=True)}
    )
    made["count"] = season.grid.raster(count)
    return made


def once(stack: xr.DataArray) -> xr.DataArray:
    """Merge the scenes of each overpass into one observation: the first valid one of a cell is it.

    Parameters
    ----------
    stack : (time, y, x) int16, uint16 or float
        With a coordinate ``overpass`` along time; without it, every scene is an overpass.

    Returns
    -------
    DataArray
        (time, y, x) in the order of time, each overpass at the time of its first scene; float32 for floats.

    Raises
    ------
    BadInput
        If the stack is not what the module expects.
    UnknownCrs
        If it has no CRS.
    """
    season = _season(stack)
    firsts = season.order[np.unique(season.groups, return_index=True)[1]]
    placed = [_placed(season.grid, layer, season.nodata, stack.name) for layer in season.values]
    made = xr.concat(placed, dim=stack["time"][firsts].variable)
    if OVERPASS in stack.coords:
        made = made.assign_coords({OVERPASS: ("time", stack[OVERPASS].to_numpy()[firsts])})
    return made


def _season(stack: xr.DataArray, *, merged: bool = True) -> _Season:
    """Read a stack, in time; ``merged``: each overpass once."""
    grid = Grid.of(stack)
    name = stack.name or "the stack"
    if stack.ndim != 3 or stack.dims[0] != "time":
        raise BadInput(f"{name} has the dimensions {stack.dims}; expected time, y, x: transpose it first.")
    if not 0 < stack.sizes["time"] <= composites.MOST_DATES:
        raise BadInput(
            f"{name} has {stack.sizes['time']} dates; expected 1 to {composites.MOST_DATES}. "
            "Check the period."
        )
    times = stack.coords["time"].to_numpy() if "time" in stack.coords else np.zeros(0)
    if times.dtype.kind != "M" or np.isnat(times).any():
        raise BadInput(
            f"{name} has no times along its dates; expected a coordinate time of datetime64 in UTC. Add it: "
            f"{name}.assign_coords(time=...)."
        )
    order = np.argsort(times, kind="stable").astype(np.int64)
    values, nodata = _values(stack, order)
    groups = _groups(stack, order, name)
    firsts = np.unique(groups, return_index=True)[1]
    days = times[order][firsts].astype("datetime64[D]").astype(str)
    numbers = np.array([int(day.replace("-", "")) for day in days], np.int32)
    if merged:
        values = _merged(values, groups, nodata)
    return _Season(grid, values, numbers, nodata, order, groups)


def _groups(stack: xr.DataArray, order: NDArray[np.int64], name: Any) -> NDArray[np.int64]:
    """Number the overpass of each scene, in time, by the first scene of each."""
    if OVERPASS not in stack.coords:
        return np.arange(len(order))
    overpass = stack.coords[OVERPASS]
    if overpass.dims != ("time",):
        raise BadInput(f"{name} has overpasses along {overpass.dims}; expected one for each time.")
    numbers: dict[Any, int] = {}
    labels = overpass.to_numpy()[order].tolist()
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)


def _values(stack: xr.DataArray, order: NDArray[np.int64]) -> tuple[NDArray[Any], float]:
    """Return the numbers of a stack in time, float32 for floats, and what means nothing among them."""
    name, nodata = stack.name or "the stack", stack.rio.nodata
    values = stack.to_numpy()
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # the largest float64, a usual nodata, becomes infinite: as good
            nodata = np.nan if nodata is None else np.float32(nodata)
            values = values.astype(np.float32, copy=False)
    elif values.dtype.name not in _WHOLE or nodata is None or np.isnan(nodata):
        raise BadInput(
            f"{name} holds {values.dtype} with nodata {nodata}; expected float with NaN, or "
            f"{' or '.join(_WHOLE)} with a number for what was not observed: {name}.rio.write_nodata(...)."
        )
    if (np.diff(order) != 1).any():  # a stack in order is not copied
        values = values[order]
    return values, float(nodata)


def _merged(values: NDArray[Any], groups: NDArray[np.int64], nodata: float) -> NDArray[Any]:
    """Merge the scenes (scenes, [bands,] rows, columns) of each group, the first valid one ahead."""
    firsts = np.unique(groups, return_index=True)[1]
    if len(firsts) == len(groups):
        return values
    once_each = np.ascontiguousarray(values[firsts])
    for scene in np.setdiff1d(np.arange(len(groups)), firsts):
        composites.merge(once_each[groups[scene]], np.ascontiguousarray(values[scene]), nodata)
    return once_each


def _like(
    season: _Season, standard: xr.DataArray, name: str, band: xr.DataArray
) -> tuple[NDArray[Any], float]:
    """Return the numbers of a band on the grid and dates of a season, in time, not merged."""
    first = "the first band" if standard.name in (None, name) else str(standard.name)
    grids: dict[str, xr.DataArray | Grid] = {first: season.grid, name: band}
    Grid.common(**grids)
    same = band.dims == standard.dims and band.shape == standard.shape
    if not same or "time" not in band.coords or not np.array_equal(band["time"], standard["time"]):
        raise BadInput(
            f"{name} has other dates than {first}; expected (time, y, x) with "
            "the same times in the same order. Align them first: xarray.align(..., join='inner')."
        )
    return _values(band, season.order)


def _scene_of(season: _Season, stack: xr.DataArray, date: NDArray[np.int16]) -> NDArray[np.int16]:
    """Find, for the observation of each cell, the scene (in time) that it came from."""
    values, nodata = _values(stack, season.order)
    scene = np.full(date.shape, composites.NO_DATE, np.int16)
    for number in reversed(range(len(season.groups))):  # the first valid one is written last
        here = (date == season.groups[number]) & np.isfinite(values[number]) & (values[number] != nodata)
        scene[here] = number
    return scene


def _with_date(season: _Season, found: composites.Extreme, name: Any) -> xr.Dataset:
    days = np.append(season.days, np.int32(NO_DATE))[found.date]  # an index of -1 takes the last
    return xr.Dataset(
        {
            "value": _placed(season.grid, found.value, season.nodata, name),
            "date": _placed(season.grid, days, NO_DATE, "date"),
            "count": season.grid.raster(found.count, "count"),
        }
    )


def _with_nan(values: NDArray[Any], nodata: float) -> NDArray[Any]:
    return values if np.isnan(nodata) else np.where(values == np.float32(nodata), np.float32(np.nan), values)


def _floats(grid: Grid, values: NDArray[Any], name: Any) -> xr.DataArray:
    return _placed(grid, values, np.nan, name)


def _placed(grid: Grid, values: NDArray[Any], nodata: float, name: Any) -> xr.DataArray:
    if values.dtype.kind == "f":  # of floats, NaN is the only nodata handed on
        values, nodata = _with_nan(values, nodata), np.nan
    placed: xr.DataArray = grid.raster(values, name).rio.write_nodata(nodata)
    return placed
