"""Normalised differences of reflectances on one grid: vegetation, snow and water.

All follow one rule where reflectances are low. Below zero they count as zero: the atmosphere was
overcorrected there, and the sign of the index is still right. Where both together are below
``kernels.normalized.SUM_MIN`` they are within their own error of nothing and the index is NaN.
"""

import numpy as np
import xarray as xr

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels.composites import over_pixels
from bluepeace_gis.kernels.normalized import BRIGHTEST, SUM_MIN, flat_numbers, ratios_between


def ndvi(nir: xr.DataArray, red: xr.DataArray) -> xr.DataArray:
    """Compute the vegetation index (nir - red) / (nir + red) [1]_.

    Parameters
    ----------
    nir, red : (..., y, x) float, reflectance 0..1, NaN where unknown
        On one grid: Landsat 8 bands 5 and 4, Sentinel-2 bands 8 (or 8A) and 4.

    Returns
    -------
    DataArray
        float32, -1..1, NaN where a band is unknown or both are dark; on the grid of the bands.

    Raises
    ------
    GridMismatch
        If the bands do not lie on one grid.
    BadInput
        If they are not reflectances.

    References
    ----------
    .. [1] Tucker (1979), doi:10.1016/0034-4257(79)90013-0
    """
    return _normalised("ndvi", nir=nir, red=red)


def ndsi(green: xr.DataArray, swir: xr.DataArray) -> xr.DataArray:
    """Compute the snow index (green - swir) / (green + swir) [1]_.

    Parameters
    ----------
    green, swir : (..., y, x) float, reflectance 0..1, NaN where unknown
        On one grid: Landsat 8 bands 3 and 6, Sentinel-2 bands 3 and 11 (1.6 micrometre).

    Returns
    -------
    DataArray
        float32, -1..1, NaN where a band is unknown or both are dark; on the grid of the bands.

    Raises
    ------
    GridMismatch
        If the bands do not lie on one grid.
    BadInput
        If they are not reflectances.

    Notes
    -----
    Water has a high index, too: see :func:`mndwi`, which is the same quotient.

    References
    ----------
    .. [1] Dozier (1989), doi:10.1016/0034-4257(89)90101-6
    """
    return _normalised("ndsi", green=green, swir=swir)


def ndwi(green: xr.DataArray, nir: xr.DataArray) -> xr.DataArray:
    """Compute the water index (green - nir) / (green + nir) [1]_.

    Parameters
    ----------
    green, nir : (..., y, x) float, reflectance 0..1, NaN where unknown
        On one grid: Landsat 8 bands 3 and 5, Sentinel-2 bands 3 and 8 (or 8A).

    Returns
    -------
    DataArray
        float32, -1..1, NaN where a band is unknown or both are dark; on the grid of the bands.

    Raises
    ------
    GridMismatch
        If the bands do not lie on one grid.
    BadInput
        If they are not reflectances.

    References
    ----------
    .. [1] McFeeters (1996), doi:10.1080/01431169608948714
    """
    return _normalised("ndwi", green=green, nir=nir)


def mndwi(green: xr.DataArray, swir: xr.DataArray) -> xr.DataArray:
    """Compute the modified water index (green - swir) / (green + swir) [1]_.

    Parameters
    ----------
    green, swir : (..., y, x) float, reflectance 0..1, NaN where unknown
        On one grid: Landsat 8 bands 3 and 6, Sentinel-2 bands 3 and 11 (1.6 micrometre).

    Returns
    -------
    DataArray
        float32, -1..1, NaN where a band is unknown or both are dark; on the grid of the bands.

    Raises
    ------
    GridMismatch
        If the bands do not lie on one grid.
    BadInput
        If they are not reflectances.

    Notes
    -----
    Snow has a high index, too: see :func:`ndsi`, which is the same quotient.

    References
    ----------
    .. [1] Xu (2006), doi:10.1080/01431160600589179
    """
    return _normalised("mndwi", green=green, swir=swir)


def _normalised(name: str, **bands: xr.DataArray) -> xr.DataArray:
    """Compute (first - second) / (first + second) of two bands under the names the caller knows."""
    Grid.common(**bands)
    (name1, first), (name2, second) = bands.items()
    if first.dims != second.dims or first.shape != second.shape:
        raise BadInput(
            f"{name2} has the dimensions {dict(second.sizes)}; expected {dict(first.sizes)}, those of "
            f"{name1}. Choose the same dates of both."
        )
    for dim in first.dims[:-2]:
        if dim in first.coords and dim in second.coords and not first[dim].equals(second[dim]):
            raise BadInput(
                f"{name2} has other values along {dim} than {name1}; expected the same. "
                f"Align them first: xarray.align({name1}, {name2}, join='inner')."
            )
    pair = [_reflectance(band_name, band) for band_name, band in bands.items()]
    index = np.empty(first.shape, np.float32)
    flat, one, two = index.reshape(-1), flat_numbers(pair[0]), flat_numbers(pair[1])
    parts = over_pixels(
        lambda begin, end: ratios_between(begin, end, one, two, SUM_MIN, flat), flat.size, share=1 << 18
    )
    answers, bright = (sum(numbers) for numbers in zip(*parts, strict=True))
    if bright > answers / 2:
        raise BadInput(
            f"Found {name1} and {name2} above {BRIGHTEST:g} in most cells, like digital numbers; expected "
            "reflectance 0..1. Apply the scale and offset of the metadata first."
        )
    made = first.copy(data=index)
    made.name = name
    made.attrs = {}
    made.encoding = {}
    placed: xr.DataArray = made.rio.write_nodata(np.nan)
    return placed


def _reflectance(name: str, band: xr.DataArray) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if band.dtype.kind != "f":
        raise BadInput(
            f"{name} holds {band.dtype}, like digital numbers; expected reflectance 0..1 as float. Apply the "
            "scale and offset of the metadata first."
        )
    nodata = band.rio.nodata
    with np.errstate(over="ignore"):  # the largest float64, a usual nodata, becomes infinite: as good
        values = band.to_numpy().astype(np.float32, copy=False)
        missing = np.float32(np.nan if nodata is None else nodata)
    return values if np.isnan(missing) else np.where(values == missing, np.float32(np.nan), values)
