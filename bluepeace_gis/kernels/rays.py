"""Cast shadow on a surface: along each ray of light, the highest line of light met so far."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import Singles


@njit(cache=True, nogil=True)
def _along(z: Singles, start: float, slope: float, drop: float, depth: Singles) -> None:
    """Follow one ray over the columns of a surface.

    z      (rows, columns)  light comes from column 0; NaN hides nothing
    start  row at which the ray crosses column 0; it may lie outside
    slope  rows a ray crosses from one column to the next, -1..1
    drop   how much lower the line of light is one column on
    depth  (columns,)  changed: height of the line of light above the surface; negative in the light,
           -inf outside and where nothing stands before
    """
    rows, columns = z.shape
    line = -np.inf
    for column in range(columns):
        place = start + slope * column
        line -= drop
        depth[column] = -np.inf
        if not -0.5 <= place <= rows - 0.5:
            continue
        place = min(max(place, 0.0), rows - 1.0)
        row = min(int(place), max(rows - 2, 0))
        share = place - row
        here = z[row, column]
        if share > 0:
            here = (1 - share) * here + share * z[row + 1, column]
        if np.isnan(here):
            continue
        depth[column] = line - here
        line = max(line, here)


@njit(cache=True, nogil=True)
def shade(z: Singles, slope: float, drop: float, out: Singles) -> None:
    """Tell how deep each cell of a surface lies in the shadow of those before it.

    z      (rows, columns)  light comes from column 0; any view of a raster
    slope  rows a ray crosses from one column to the next, -1..1
    drop   how much lower the line of light is one column on, in the unit of ``z``
    out    (rows, columns)  changed: height of the line of light above the surface, positive in shadow

    Two rays pass each cell, one above and one below it; the cell lies between them. Every cell is looked at
    twice, however long the shadows are. The surface between rows is straight.
    """
    rows, columns = z.shape
    first = int(np.floor(min(0.0, -slope * (columns - 1)))) - 1
    last = int(np.ceil(max(0.0, -slope * (columns - 1)))) + rows
    upper = np.empty(columns, np.float32)
    lower = np.empty(columns, np.float32)
    _along(z, float(first), slope, drop, upper)
    for ray in range(first + 1, last + 1):
        _along(z, float(ray), slope, drop, lower)
        for column in range(columns):
            # the cells between the rays ray - 1 and ray
            row = int(np.floor(ray + slope * column))
            share = ray + slope * column - row
            if not 0 <= row < rows:
                continue
            one, two = upper[column], lower[column]
            depth = two
            if share > 0:
                lit = one == -np.inf or two == -np.inf
                depth = np.float32(-np.inf) if lit else np.float32(share * one + (1 - share) * two)
            out[row, column] = depth
        upper, lower = lower, upper


def shadow(z: Singles, towards: tuple[float, float], tangent: float) -> Singles:
    """Compute the cast shadow of a surface.

    z        (rows, columns)  NaN where unknown: it hides nothing and lies in the light
    towards  rows and columns of a step towards the light, of any length
    tangent  how much the line of light rises along a step as long as ``towards``, in the unit of ``z``
    returns  (rows, columns)  height of the line of light above the surface: positive in shadow
    """
    out = np.full(z.shape, -np.inf, np.float32)
    down, right = towards
    if down == right == 0 or tangent <= 0:
        return out
    surface, answer = z, out
    if abs(down) > abs(right):  # follow the rows instead of the columns
        surface, answer = surface.T, answer.T
        down, right = right, down
    if right > 0:  # light from the last column: look from the other side
        surface, answer, right = surface[:, ::-1], answer[:, ::-1], -right
    # one column on, away from the light, is a step of -towards / |right|
    shade(surface, -down / abs(right), tangent / abs(right), answer)
    out[np.isnan(z)] = -np.inf
    return out
