"""Streams as a graph of channel cells: their order, and where one reach ends and the next begins."""

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, Cells, Codes, Labels, Reals


def links(direction: Codes, cells: Cells) -> Cells:
    """Find for each channel cell the next one downstream.

    direction  (rows, columns)
    cells      (n,)  row-major channel cells, ascending; a channel goes on until its water ends
    returns    (n,)  place in ``cells``, -1 at the end of a stream
    """
    columns = direction.shape[1]
    ways = direction.ravel()[cells]
    flows = ways < SINK
    way = ways[flows]
    to = cells[flows] + np.array(ROW_STEP)[way] * columns + np.array(COLUMN_STEP)[way]
    below = np.full(cells.size, -1, np.int64)
    place = np.minimum(np.searchsorted(cells, to), max(cells.size - 1, 0))
    below[flows] = np.where(cells[place] == to, place, -1)
    return below


@njit(cache=True, nogil=True)
def strahler(below: Cells) -> Labels:
    """Order the cells of a stream network.

    below    (n,)  from :func:`links`
    returns  (n,)  1 at the sources; one more where two of the same order meet

    Strahler (1957), doi:10.1029/TR038i006p00913
    """
    count = below.size
    order = np.zeros(count, np.int32)
    ties = np.zeros(count, np.int32)  # how many of the highest order have come in
    waits = np.zeros(count, np.int32)
    for k in range(count):
        if below[k] >= 0:
            waits[below[k]] += 1
    for first in range(count):
        if waits[first] != 0:
            continue
        cell = first
        while True:
            waits[cell] = -1
            if order[cell] == 0:
                order[cell] = 1
            elif ties[cell] > 1:
                order[cell] += 1
            after = below[cell]
            if after < 0:
                break
            if order[cell] > order[after]:
                order[after] = order[cell]
                ties[after] = 1
            elif order[cell] == order[after]:
                ties[after] += 1
            waits[after] -= 1
            if waits[after] != 0:
                break
            cell = after
    return order


@njit(cache=True, nogil=True)
def reaches(below: Cells, ends: npt.NDArray[np.bool_]) -> tuple[Cells, Cells, Cells]:
    """Cut a stream network into reaches, from a source, confluence or outlet to the next.

    below    (n,)  from :func:`links`
    ends     (n,)  cells at which a reach ends although the stream goes on: outlets
    returns  (r + 1,) where the cells of each reach begin in the next; (m,) their places, upstream to
             downstream, each with the first cell of the next reach at its end, where there is one;
             (r,) the number of the next reach, -1 for none
    """
    count = below.size
    incoming = np.zeros(count, np.int64)
    cut = np.zeros(count, np.bool_)
    for k in range(count):
        if below[k] >= 0:
            incoming[below[k]] += 1
            cut[below[k]] |= ends[k]
    reach = np.full(count, -1, np.int64)
    heads = np.empty(count, np.int64)
    number = 0
    for k in range(count):
        if incoming[k] != 1 or cut[k]:
            reach[k] = number
            heads[number] = k
            number += 1
    start = np.zeros(number + 1, np.int64)
    places = np.empty(count + number, np.int64)
    after = np.full(number, -1, np.int64)
    last = 0
    for k in range(number):
        cell = heads[k]
        while True:
            places[last] = cell
            last += 1
            cell = below[cell]
            if cell < 0:
                break
            if reach[cell] >= 0:
                places[last] = cell
                last += 1
                after[k] = reach[cell]
                break
        start[k + 1] = last
    return start, places[:last].copy(), after


@njit(cache=True, nogil=True)
def path_lengths(direction: Codes, step: Reals) -> Reals:
    """Measure the way from each cell down to where its water ends.

    direction  (rows, columns)  without circles
    step       (rows, 3)  length of a step in the row, along a diagonal, in the column
    returns    (rows, columns)  in the unit of ``step``; 0 where VOID
    """
    rows, columns = direction.shape
    length = np.full((rows, columns), -1.0)
    stack = np.empty(min(rows * columns, 1 << 20), np.int64)
    for row in range(rows):
        for column in range(columns):
            r, c = row, column
            depth = 0
            while length[r, c] < 0:
                way = direction[r, c]
                if way >= SINK:
                    length[r, c] = 0.0
                    break
                if depth == stack.size:
                    wider = np.empty(2 * depth, np.int64)
                    wider[:depth] = stack
                    stack = wider
                stack[depth] = r * columns + c
                depth += 1
                r += ROW_STEP[way]
                c += COLUMN_STEP[way]
            below = length[r, c]
            while depth > 0:
                depth -= 1
                r, c = stack[depth] // columns, stack[depth] % columns
                way = direction[r, c]
                # 0 and 4 lie in the row, 2 and 6 in the column, odd ones are diagonals
                kind = 1 if way % 2 else (way // 2 % 2) * 2
                below += step[r, kind]
                length[r, c] = below
    return length
