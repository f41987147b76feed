"""Connected parts of a mask as runs along its rows: memory grows with what is there, not with the raster."""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.neighbours import Cells, Codes, Labels, Reals

Runs = npt.NDArray[np.int32]

ROW, START, END, PART = range(4)  # columns of the runs; END is the first column behind a run
_MOST: Final = 2**31 - 1
_BLOCK: Final = 128  # cells of a row that are looked at together: most of them are alike


@njit(cache=True, nogil=True)
def _all_alike(mask: Codes, row: int, begin: int, end: int, low: np.uint8, inside: bool) -> bool:
    """Tell whether all cells of a part of a row lie inside, or all outside,."""
    line = mask[row, begin:end]  # counted from 0, so that the compiler takes many at once
    differ = np.uint8(0)
    for column in range(line.size):
        differ |= np.uint8((line[column] >= low) != inside)
    return bool(differ == 0)


@njit(cache=True, nogil=True)
def runs_of(mask: Codes, least: int) -> Runs:
    """Find the runs of a mask.

    mask     (rows, columns)
    least    a cell belongs to the mask where its number is at least this
    returns  (n, 4)  row, first column, first column behind it, and 0; row by row, from left to right
    """
    rows, columns = mask.shape
    low = np.uint8(least)
    runs = np.empty((1024, 4), np.int32)
    count = 0
    for row in range(rows):
        before = False
        for begin in range(0, columns, _BLOCK):
            end = min(begin + _BLOCK, columns)
            if _all_alike(mask, row, begin, end, low, before):
                continue
            for column in range(begin, end):
                inside = mask[row, column] >= low
                if inside == before:
                    continue
                if inside:
                    if count == runs.shape[0]:
                        grown = np.empty((2 * count, 4), np.int32)
                        grown[:count] = runs
                        runs = grown
                    runs[count, ROW], runs[count, START], runs[count, PART] = row, column, 0
                else:
                    runs[count, END] = column
                    count += 1
                before = inside
        if before:
            runs[count, END] = columns
            count += 1
    return runs[:count].copy()


@njit(cache=True, nogil=True)
def _root(parent: Labels, item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


@njit(cache=True, nogil=True)
def join(runs: Runs, corners: bool) -> int:
    """Number the connected parts of a mask.

    runs     (n, 4)  from ``runs_of``; changed: their last column is the part, from 0, by the first run
    corners  whether cells that meet at a corner hang together, or only along an edge
    returns  the number of parts
    """
    count = runs.shape[0]
    parent = np.arange(count).astype(np.int32)
    reach = 1 if corners else 0
    above = 0  # first run of the row above that may still touch
    for this in range(count):
        row = runs[this, ROW]
        while above < this and runs[above, ROW] < row - 1:
            above += 1
        while above < this and runs[above, ROW] == row - 1 and runs[above, END] + reach <= runs[this, START]:
            above += 1
        other = above
        while other < this and runs[other, ROW] == row - 1 and runs[other, START] < runs[this, END] + reach:
            one, two = _root(parent, this), _root(parent, other)
            parent[max(one, two)] = min(one, two)
            other += 1
    parts = 0
    for this in range(count):
        root = _root(parent, this)
        if root == this:
            runs[this, PART] = parts
            parts += 1
        else:
            runs[this, PART] = runs[root, PART]
    return parts


@njit(cache=True, nogil=True)
def sums(runs: Runs, parts: int, values: Codes) -> Reals:
    """Sum a raster over the parts of a mask.

    runs     (n, 4)  numbered
    values   (rows, columns)
    returns  (parts,)
    """
    total = np.zeros(parts, np.float64)
    for this in range(runs.shape[0]):
        row, own = runs[this, ROW], np.int64(0)  # whole numbers: the order of the sum is none of its business
        for column in range(runs[this, START], runs[this, END]):
            own += np.int64(values[row, column])
        total[runs[this, PART]] += own
    return total


@njit(cache=True, nogil=True)
def sizes(runs: Runs, parts: int) -> Cells:
    """Count the cells (parts,) of each part of ``runs`` (n, 4)."""
    count = np.zeros(parts, np.int64)
    for this in range(runs.shape[0]):
        count[runs[this, PART]] += runs[this, END] - runs[this, START]
    return count


@njit(cache=True, nogil=True)
def fill(raster: Codes, runs: Runs, chosen: Codes, value: int) -> None:
    """Write a value into the cells of some parts.

    raster  (rows, columns)  changed
    runs    (n, 4)  numbered
    chosen  (parts,)  0 for those left as they are
    """
    for this in range(runs.shape[0]):
        if chosen[runs[this, PART]] != 0:
            for column in range(runs[this, START], runs[this, END]):
                raster[runs[this, ROW], column] = value


@njit(cache=True, nogil=True)
def part_at(runs: Runs, row: Cells, column: Cells) -> Labels:
    """Tell the part that cells belong to.

    runs         (m, 4)  numbered
    row, column  (n,)
    returns      (n,)  -1 where a cell belongs to none
    """
    found = np.full(row.size, -1, np.int32)
    for k in range(row.size):
        low, high = 0, runs.shape[0]
        while low < high:  # the last run that begins at the cell or before it
            middle = (low + high) // 2
            if runs[middle, ROW] < row[k] or (
                runs[middle, ROW] == row[k] and runs[middle, START] <= column[k]
            ):
                low = middle + 1
            else:
                high = middle
        if low > 0 and runs[low - 1, ROW] == row[k] and column[k] < runs[low - 1, END]:
            found[k] = runs[low - 1, PART]
    return found


@njit(cache=True, nogil=True)
def boxes(runs: Runs, parts: int) -> Cells:
    """Give the box (parts, 4) of each part: first row, row behind, first column, column behind."""
    box = np.zeros((parts, 4), np.int64)
    box[:, 0] = _MOST
    box[:, 2] = _MOST
    for this in range(runs.shape[0]):
        part = runs[this, PART]
        box[part, 0] = min(box[part, 0], runs[this, ROW])
        box[part, 1] = max(box[part, 1], runs[this, ROW] + 1)
        box[part, 2] = min(box[part, 2], runs[this, START])
        box[part, 3] = max(box[part, 3], runs[this, END])
    return box
