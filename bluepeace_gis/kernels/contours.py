"""Closed lines of one level through a raster: marching squares with crossings between cell centres.

Lorensen and Cline (1987), doi:10.1145/37401.37422, in the plane. The raster goes on with zeros, so that
every line closes; inside lies to the left of each line, seen with rows downwards: shells and holes turn
against each other.
"""

from typing import Final

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import Cells, Codes, Reals

_BLOCK: Final = 128  # squares that are looked at together: most of them hold no line


@njit(cache=True, nogil=True)
def _level_at(values: Codes, row: int, column: int) -> int:
    rows, columns = values.shape
    if 0 <= row < rows and 0 <= column < columns:
        return int(values[row, column])
    return 0


@njit(cache=True, nogil=True)
def _turns(case: int) -> tuple[int, int, int, int]:  # noqa: PLR0911  # a table that compiles to one
    """Name the sides a line enters and leaves a square by: top 0, right 1, bottom 2, left 3; -1 for none.

    case  bits of the corners inside: top left 1, top right 2, bottom right 4, bottom left 8

    Corners that meet at the middle alone are apart (cells hang together along edges).
    """
    if case == 1:
        return 0, 3, -1, -1
    if case == 2:
        return 1, 0, -1, -1
    if case == 3:
        return 1, 3, -1, -1
    if case == 4:
        return 2, 1, -1, -1
    if case == 5:
        return 0, 3, 2, 1
    if case == 6:
        return 2, 0, -1, -1
    if case == 7:
        return 2, 3, -1, -1
    if case == 8:
        return 3, 2, -1, -1
    if case == 9:
        return 0, 2, -1, -1
    if case == 10:
        return 1, 0, 3, 2
    if case == 11:
        return 1, 2, -1, -1
    if case == 12:
        return 3, 1, -1, -1
    if case == 13:
        return 0, 1, -1, -1
    if case == 14:
        return 3, 0, -1, -1
    return -1, -1, -1, -1


@njit(cache=True, nogil=True)
def _crossing(row: int, column: int, side: int, stride: int) -> int:
    """Number the side of a square, the same from both squares it belongs to.

    row, column  of the top left corner, from -1
    """
    if side == 0:
        return 2 * ((row + 1) * stride + column + 1)
    if side == 2:
        return 2 * ((row + 2) * stride + column + 1)
    if side == 3:
        return 2 * ((row + 1) * stride + column + 1) + 1
    return 2 * ((row + 1) * stride + column + 2) + 1


@njit(cache=True, nogil=True)
def _reach(values: Codes, level: float) -> tuple[Cells, Cells]:
    """Give the first and the last column (rows,) above the level in each row; the last is -1 for none."""
    rows, columns = values.shape
    first, last = np.full(rows, columns, np.int64), np.full(rows, -1, np.int64)
    for row in range(rows):
        for column in range(columns):
            if values[row, column] > level:
                first[row] = column
                break
        if first[row] < columns:
            for column in range(columns - 1, -1, -1):
                if values[row, column] > level:
                    last[row] = column
                    break
    return first, last


@njit(cache=True, nogil=True)
def _all_alike(values: Codes, row: int, begin: int, end: int, level: float) -> bool:
    """Tell whether all cells of a part of a row and of the next lie on one side of the level."""
    low = np.uint8(np.floor(level))
    this, following = values[row, begin:end], values[row + 1, begin:end]
    above = this[0] > low
    differ = np.uint8(0)
    for column in range(this.size):
        differ |= np.uint8((this[column] > low) != above) | np.uint8((following[column] > low) != above)
    return bool(differ == 0)


@njit(cache=True, nogil=True)
def pieces(values: Codes, level: float) -> Cells:
    """Find the pieces of the lines in all squares between four cell centres.

    values   (rows, columns)
    level    between two whole numbers, so that no line meets a centre
    returns  (n, 2)  the crossings a piece begins and ends at, as ``_crossing`` numbers them
    """
    rows, columns = values.shape
    stride = columns + 2
    found = np.empty((1024, 2), np.int64)
    count = 0
    first, last = _reach(values, level)
    for row in range(-1, rows):
        begin, end = columns, -1
        for r in (max(row, 0), min(row + 1, rows - 1)):
            begin, end = min(begin, first[r]), max(end, last[r])
        for start in range(begin - 1, end + 1, _BLOCK):
            stop = min(start + _BLOCK, end + 1)
            inner = 0 <= row < rows - 1 and start >= 0 and stop < columns
            if inner and _all_alike(values, row, start, stop + 1, level):
                continue
            for column in range(start, stop):
                if 0 <= row < rows - 1 and 0 <= column < columns - 1:
                    a, b = values[row, column] > level, values[row, column + 1] > level
                    d, c = values[row + 1, column] > level, values[row + 1, column + 1] > level
                else:
                    a, b = _level_at(values, row, column) > level, _level_at(values, row, column + 1) > level
                    d = _level_at(values, row + 1, column) > level
                    c = _level_at(values, row + 1, column + 1) > level
                if a == b and b == c and c == d:
                    continue
                enter, leave, enter2, leave2 = _turns(a + 2 * b + 4 * c + 8 * d)
                if count + 2 > found.shape[0]:
                    grown = np.empty((2 * found.shape[0], 2), np.int64)
                    grown[:count] = found[:count]
                    found = grown
                found[count, 0] = _crossing(row, column, enter, stride)
                found[count, 1] = _crossing(row, column, leave, stride)
                count += 1
                if enter2 >= 0:
                    found[count, 0] = _crossing(row, column, enter2, stride)
                    found[count, 1] = _crossing(row, column, leave2, stride)
                    count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def _link(found: Cells, order: Cells) -> tuple[Cells, Cells]:
    """Put pieces (n, 2), sorted by ``order`` of their beginnings, one behind the other.

    returns  (n,) the pieces in the order of their lines, and (lines + 1,) where each line begins
    """
    count = found.shape[0]
    starts = found[order, 0]
    following = order[np.searchsorted(starts, found[:, 1])]
    seen = np.zeros(count, np.bool_)
    chain = np.empty(count, np.int64)
    begins = np.empty(count + 1, np.int64)
    lines = last = 0
    for first in range(count):
        if seen[first]:
            continue
        begins[lines] = last
        lines += 1
        this = first
        while not seen[this]:
            seen[this] = True
            chain[last] = this
            last += 1
            this = following[this]
    begins[lines] = last
    return chain, begins[: lines + 1].copy()


@njit(cache=True, nogil=True)
def _places(values: Codes, level: float, crossing: Cells) -> tuple[Reals, Cells]:
    """Locate crossings (n,): their place (n, 2) as column and row, and the inner cell (n, 2), row and column.

    Centres of cells lie at whole numbers and a half.
    """
    stride = values.shape[1] + 2
    place = np.empty((crossing.size, 2), np.float64)
    inner = np.empty((crossing.size, 2), np.int64)
    for k in range(crossing.size):
        upright = crossing[k] % 2
        row, column = crossing[k] // 2 // stride - 1, crossing[k] // 2 % stride - 1
        row2, column2 = (row + 1, column) if upright else (row, column + 1)
        one, two = _level_at(values, row, column), _level_at(values, row2, column2)
        share = (level - one) / (two - one)
        place[k, 0] = column + 0.5 + (0.0 if upright else share)
        place[k, 1] = row + 0.5 + (share if upright else 0.0)
        inner[k, 0], inner[k, 1] = (row, column) if one > two else (row2, column2)
    return place, inner


def lines(values: Codes, level: float) -> tuple[Reals, Cells, Cells]:
    """Draw the closed lines of a level.

    values   (rows, columns)
    level    between two whole numbers, positive
    returns  places (n, 2) of the points, column and row from the corner of the raster, a line closed by its
             first point again; (lines + 1,) where each line begins; (lines, 2) row and column of a
             cell inside beside each line
    """
    found = pieces(values, level)
    if len(found) == 0:
        return np.empty((0, 2)), np.zeros(1, np.int64), np.empty((0, 2), np.int64)
    chain, begins = _link(found, np.argsort(found[:, 0], kind="stable"))
    # closed: the end of each line repeats its beginning
    closed = np.insert(found[chain, 0], begins[1:], found[chain[begins[:-1]], 0])
    place, inner = _places(values, level, closed)
    begins = begins + np.arange(begins.size)
    return place, begins, inner[begins[:-1]]
