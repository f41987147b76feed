"""Pfafstetter codes: a basin cut into nine along its main stem, each part into nine again.

Verdin and Verdin (1999), doi:10.1016/S0022-1694(99)00011-6. From the mouth up, the main stem follows
the largest upstream area at each confluence. Its four largest tributaries are numbered 2, 4, 6, 8 from
the mouth up; what drains to the main stem below, between and above them is numbered 1, 3, 5, 7, 9.
A further digit cuts each part in the same way, along the piece of the stem that lies in it.

What the paper leaves open is closed here: with fewer than four tributaries the numbers end early (1, 2
and 3 with one), and without any the whole part is 1. Of equally large tributaries the one nearer the
mouth goes first, then the first cell in the order of the rows. Where several join in one cell the
largest has the lowest number, and the part between them, which has no cells, leaves its number out. So
an odd part takes the water of exactly the parts with a higher number.
"""

from typing import Final

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, Cells, Codes, Reals

LEVELS_MAX: Final = 18  # digits that an int64 holds, whatever they are
_NONE: Final = -1  # its water reaches no outlet


@njit(cache=True, nogil=True)
def _below(direction: Codes, cell: int) -> int:
    """Return the next cell downstream, row-major, or -1 where water ends or leaves the surface."""
    rows, columns = direction.shape
    row, column = cell // columns, cell % columns
    way = direction[row, column]
    if way >= SINK:
        return -1
    row += ROW_STEP[way]
    column += COLUMN_STEP[way]
    if not (0 <= row < rows and 0 <= column < columns) or direction[row, column] == VOID:
        return -1
    return int(row * columns + column)


@njit(cache=True, nogil=True)
def inherit(direction: Codes, codes: Cells) -> None:
    """Give each cell the code of the first cell downstream that has one.

    direction  (rows, columns)  without circles
    codes      (n,)  by row-major cell, 0 for none; filled, 0 where the water meets no code
    """
    rows, columns = direction.shape
    flow = direction.ravel()
    for row in range(rows):
        for column in range(columns):
            code = codes[row * columns + column]
            if code != 0:
                continue
            for turn in range(2):  # first down to a code, then to write it on the way
                r, c = row, column
                while True:
                    cell = r * columns + c
                    if codes[cell] != 0:
                        code = codes[cell] if turn == 0 else code
                        break
                    if turn == 1:
                        codes[cell] = code
                    way = flow[cell]
                    if way >= SINK:
                        code = _NONE if turn == 0 else code
                        break
                    r += ROW_STEP[way]
                    c += COLUMN_STEP[way]
                    if not (0 <= r < rows and 0 <= c < columns):
                        code = _NONE if turn == 0 else code
                        break
    for cell in range(codes.size):
        if codes[cell] == _NONE:
            codes[cell] = 0


@njit(cache=True, nogil=True)
def lowest(direction: Codes, outlets: Cells) -> Cells:
    """Return the outlets whose water comes to no other one, each once, in their order.

    direction  (rows, columns)  without circles
    outlets    (k,)  row-major cells
    """
    met = np.zeros(direction.size, np.int8)  # 1: leads to an outlet, 2: leads to none
    for outlet in outlets:
        met[outlet] = 1
    kept = np.empty(outlets.size, np.int64)
    count = 0
    for outlet in outlets:
        first = _below(direction, outlet)
        cell = first
        while cell >= 0 and met[cell] == 0:
            cell = _below(direction, cell)
        answer = 2 if cell < 0 else met[cell]
        cell = first
        while cell >= 0 and met[cell] == 0:
            met[cell] = answer
            cell = _below(direction, cell)
        if answer == 2 and met[outlet] == 1:
            kept[count] = outlet
            count += 1
            met[outlet] = 3  # named twice, it is kept once; for the others it is an outlet still
    return kept[:count].copy()


@njit(cache=True, nogil=True)
def pfafstetter(direction: Codes, area: Reals, outlets: Cells, levels: int, least: float) -> Cells:
    """Code all cells upstream of outlets.

    direction  (rows, columns)  without circles
    area       (rows, columns)  upstream of each cell, in any unit; NaN where VOID
    outlets    (k,)  row-major cells, none downstream of another: see :func:`lowest`
    levels     number of digits, 1 to 18
    least      a tributary of less area has no number of its own, in the unit of ``area``
    returns    (rows, columns)  ``levels`` digits, 0 upstream of no outlet; dropping the last digit gives
               the code of the level before

    Linear in the number of cells, and for each level in the cells of the stems that it cuts.
    """
    rows, columns = direction.shape
    areas = area.ravel()
    codes = np.zeros(rows * columns, np.int64)
    # Parts still to be cut, each popped part pushing at most nine: the cell where its stem ends below, the
    # stem's cell that is the next part's (-1: it goes up to the source), its digits, and how many.
    parts = np.empty((8 * levels + 2, 4), np.int64)
    # The four largest tributaries of a part, largest first: first cell, place on the stem, and the
    # stem's cell above that place. One row more, for the one that is pushed out.
    size = np.empty(5)
    joins = np.empty((5, 3), np.int64)
    for outlet in outlets:
        if direction[outlet // columns, outlet % columns] == VOID:
            continue
        parts[0, 0], parts[0, 1], parts[0, 2], parts[0, 3] = outlet, -1, 0, 0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            mouth, stop = parts[waiting, 0], parts[waiting, 1]
            code, done = parts[waiting, 2], parts[waiting, 3]
            found = 0
            place = 0
            cell = mouth
            while done < levels and cell >= 0 and cell != stop:
                row, column = cell // columns, cell % columns
                main = -1
                for turn in range(2):  # first the main stem, then those that join it here
                    for side in (5, 6, 7, 4, 0, 3, 2, 1):  # in the order of the rows
                        r, c = row + ROW_STEP[side], column + COLUMN_STEP[side]
                        if not (0 <= r < rows and 0 <= c < columns):
                            continue
                        if direction[r, c] != (side + 4) % 8:
                            continue
                        other = r * columns + c
                        if turn == 0:
                            if main < 0 or areas[other] > areas[main]:
                                main = other
                            continue
                        # One that has a code was numbered at a level before.
                        if other == main or codes[other] != 0 or areas[other] < least:
                            continue
                        k = found
                        while k > 0 and areas[other] > size[k - 1]:
                            size[k] = size[k - 1]
                            for part in range(3):
                                joins[k, part] = joins[k - 1, part]
                            k -= 1
                        size[k] = areas[other]
                        joins[k, 0], joins[k, 1], joins[k, 2] = other, place, main
                        found = min(found + 1, 4)
                cell = main
                place += 1
            if found == 0:  # nothing is left to cut: the other digits are 1
                for _ in range(levels - done):
                    code = 10 * code + 1
                codes[mouth] = code
                continue
            for k in range(1, found):  # from the mouth up; those that join in one cell stay largest first
                j = k
                while j > 0 and joins[j, 1] < joins[j - 1, 1]:
                    for part in range(3):
                        joins[j, part], joins[j - 1, part] = joins[j - 1, part], joins[j, part]
                    j -= 1
            enters = mouth
            number = 1
            for k in range(found):
                codes[joins[k, 0]] = 1  # numbered; its code follows
                _push(parts, waiting, joins[k, 0], -1, 10 * code + 2 * k + 2, done + 1)
                waiting += 1
                if k + 1 < found and joins[k + 1, 1] == joins[k, 1]:
                    continue
                _push(parts, waiting, enters, joins[k, 2], 10 * code + number, done + 1)
                waiting += 1
                enters = joins[k, 2]
                number = 2 * k + 3
            if enters != stop:
                _push(parts, waiting, enters, stop, 10 * code + number, done + 1)
                waiting += 1
    inherit(direction, codes)
    return codes.reshape((rows, columns))


@njit(cache=True, nogil=True)
def _push(parts: Cells, at: int, mouth: int, stop: int, code: int, done: int) -> None:
    """Write a part that waits to be cut."""
    parts[at, 0], parts[at, 1], parts[at, 2], parts[at, 3] = mouth, stop, code, done
