"""Relief shaded from an elevation model: light and shadow to lay over any map."""

import math

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


def decimated(dem: Reals, step: int) -> Reals:
    """Average blocks of ``step`` by ``step`` cells; unknown cells do not count."""
    if step == 1:
        return dem
    rows, columns = (-size % step for size in dem.shape)
    padded = np.pad(dem, ((0, rows), (0, columns)), constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def shade(dem: Reals, east_m: Reals, south_m: Reals) -> Reals:
    """Light a relief from the north-west, with weaker light from west and north.

    Parameters
    ----------
    dem : (rows, columns) float, metres
    east_m, south_m : (rows,) float, metres
        Steps between cells along a row and down a column.

    Returns
    -------
    (rows, columns) float, -1..1
        0 for flat land, negative in the shadow; 0 where a slope is unknown.

    Notes
    -----
    Lambert's law. Slopes are exaggerated or eased until the steepest tenth of the land reaches 30
    degrees, so that plains show their forms and mountains do not drown in black.
    """
    if min(dem.shape) < 2:
        return np.zeros(dem.shape)
    down, along = np.gradient(dem)
    slope_east, slope_north = along / east_m[:, np.newaxis], -down / south_m[:, np.newaxis]
    steepness = np.hypot(slope_east, slope_north)
    known = np.isfinite(steepness)
    steep = np.quantile(steepness[known], 0.9) if known.any() else 0.0
    stretch = math.tan(math.radians(30)) / steep if steep > 0 else 1.0
    slope_east, slope_north = slope_east * stretch, slope_north * stretch
    light = np.zeros(dem.shape)
    sun = math.radians(45)
    for azimuth, weight in ((315, 0.6), (270, 0.2), (360, 0.2)):
        towards_east, towards_north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
        facing = -(slope_east * towards_east + slope_north * towards_north) * math.cos(sun)
        light += weight * ((facing + math.sin(sun)) / np.sqrt(1 + slope_east**2 + slope_north**2))
    flat = math.sin(sun)
    lit = np.where(light > flat, (light - flat) / (1 - flat), (light - flat) / flat)
    return np.where(known, np.clip(lit, -1, 1), 0.0)


def overlay(light: Reals, known: npt.NDArray[np.bool_]) -> Reals:
    """Turn light and shadow into a veil to lay over tints, which keep their hue.

    Parameters
    ----------
    light : (rows, columns) float, -1..1
        From :func:`shade`.
    known : (rows, columns) bool

    Returns
    -------
    (rows, columns, 4) float, 0..1
        White where it is lighter than flat land, else black; clear where nothing is known.
    """
    veil = np.zeros((*light.shape, 4))
    veil[..., :3] = (light > 0)[..., np.newaxis]
    veil[..., 3] = np.where(known, np.where(light > 0, 0.55 * light, -0.75 * light), 0)
    return np.clip(veil, 0, 1)
