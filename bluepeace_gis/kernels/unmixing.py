"""How much of a cell at the margin of a class belongs to it, by linear mixing of what lies on either side."""

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.neighbours import Codes
from bluepeace_gis.kernels.tiles import Tiling

Shorts = npt.NDArray[np.int16]

NODATA: Final = -32768
WHOLE: Final = 255  # of a cell, as shares are stored

# Where a cell lies: well outside, outside beside the margin, inside beside it, well inside, not known.
OUTSIDE, OUTER, INNER, INSIDE, UNSEEN = 0, 1, 2, 3, 4


@njit(cache=True, nogil=True)
def smooth(mask: Codes, first: int, last: int, member: int, out: Codes) -> None:
    """Give the rows ``first`` to ``last - 1`` of a class the state most of their 3 x 3 cells have.

    mask    (rows, columns)  codes
    member  a cell is of the class where its code has this bit pattern
    out     (rows, columns)  changed: 1 of the class, else 0; a cell stays as it is in a tie
    """
    rows, columns = mask.shape
    code = np.uint8(member)
    column_sum = np.zeros(columns + 2, np.uint8)
    for row in range(first, last):
        own, smoothed = mask[row], out[row]
        top, bottom = max(row - 1, 0), min(row + 1, rows - 1)
        column_sum[:] = 0
        inner = column_sum[1 : columns + 1]
        for r in range(top, bottom + 1):
            line = mask[r]
            for column in range(columns):
                inner[column] += np.uint8(line[column] == code)
        any_here = np.uint8(0)
        for column in range(columns):
            any_here |= inner[column]
        if any_here == 0:
            smoothed[:] = 0
            continue
        # twice the cells of the class, and one more for the cell itself: at most 19
        for column in range(columns):
            total = column_sum[column] + column_sum[column + 1] + column_sum[column + 2]
            smoothed[column] = np.uint8(2 * total + np.uint8(own[column] == code))
        high = bottom - top + 1
        least, least_at_rim = np.uint8(3 * high), np.uint8(min(columns, 2) * high)
        left, right = smoothed[0] > least_at_rim, smoothed[columns - 1] > least_at_rim
        for column in range(columns):
            smoothed[column] = np.uint8(smoothed[column] > least)
        smoothed[0], smoothed[columns - 1] = np.uint8(left), np.uint8(right)


@njit(cache=True, nogil=True)
def states_of(
    mask: Codes, codes: Codes, member: int, unknown: int, first: int, last: int, out: Codes
) -> None:
    """Tell of the rows ``first`` to ``last - 1`` where each cell lies relative to the margin of a mask.

    mask             (rows, columns)  1 inside, 0 outside
    codes            (rows, columns)  cells with the code ``unknown`` are UNSEEN; outside, those with the
                     code ``member`` look like the inside, so that they tell nothing of the outside
    out              (rows, columns)  changed: OUTSIDE, OUTER, INNER, INSIDE or UNSEEN
    """
    rows, columns = mask.shape
    column_sum = np.zeros(columns + 2, np.int32)
    for row in range(first, last):
        top, bottom = max(row - 1, 0), min(row + 1, rows - 1)
        any_here = 0
        for column in range(columns):
            # beyond the raster goes on what stands at its rim
            total = np.int32(mask[top, column]) + mask[row, column] + mask[bottom, column]
            column_sum[column + 1] = total
            any_here |= total
        column_sum[0], column_sum[columns + 1] = column_sum[1], column_sum[columns]
        for column in range(columns):
            total = column_sum[column] + column_sum[column + 1] + column_sum[column + 2]
            code = codes[row, column]
            if mask[row, column] != 0:
                state = INSIDE if total == 9 else INNER
            elif code == unknown:
                state = UNSEEN
            else:
                state = OUTSIDE if total == 0 and code != member else OUTER
            out[row, column] = np.uint8(state)


@njit(cache=True, nogil=True)
def shares_between(
    first: Shorts, third: Shorts, states: Codes, reach: int, begin: int, end: int, out: Codes
) -> None:
    """Unmix the cells at the margin in the rows ``begin`` to ``end - 1``.

    first, third  (rows, columns)  their difference is what mixes; NODATA where unknown
    states  (rows, columns)  from ``states_of``
    reach   cells on each side in which pure cells are looked for
    out     (rows, columns)  changed: share of each cell that lies inside, 0 to WHOLE

    What a pure cell shows is the mean of the INSIDE or OUTSIDE cells within ``reach``, the nearer the
    heavier (by 1 / (1 + squared distance)); where there is none, because the class is only a cell or two
    wide, the most extreme of the 3 x 3 cells stands for it.
    """
    rows, columns = states.shape
    for row in range(begin, end):
        for column in range(columns):
            state = states[row, column]
            if state == INSIDE:
                out[row, column] = WHOLE
                continue
            out[row, column] = 0
            if state not in (INNER, OUTER):
                continue
            beside = state == INNER
            if state == OUTER:  # far from any margin: a cell that only looks like the inside
                for r in range(max(row - 1, 0), min(row + 2, rows)):
                    for c in range(max(column - 1, 0), min(column + 2, columns)):
                        beside |= states[r, c] == INNER
            if not beside:
                continue
            inside = outside = weight_in = weight_out = 0.0
            for r in range(max(row - reach, 0), min(row + reach + 1, rows)):
                for c in range(max(column - reach, 0), min(column + reach + 1, columns)):
                    kind = states[r, c]
                    if kind not in (INSIDE, OUTSIDE) or first[r, c] == NODATA or third[r, c] == NODATA:
                        continue
                    value = np.float64(first[r, c]) - np.float64(third[r, c])
                    weight = 1.0 / (1.0 + (r - row) ** 2 + (c - column) ** 2)
                    if kind == INSIDE:
                        inside += weight * value
                        weight_in += weight
                    else:
                        outside += weight * value
                        weight_out += weight
            if weight_in == 0 or weight_out == 0:
                high, low = -np.inf, np.inf
                for r in range(max(row - 1, 0), min(row + 2, rows)):
                    for c in range(max(column - 1, 0), min(column + 2, columns)):
                        if states[r, c] != UNSEEN and first[r, c] != NODATA and third[r, c] != NODATA:
                            value = np.float64(first[r, c]) - np.float64(third[r, c])
                            high, low = max(high, value), min(low, value)
                if weight_in == 0:
                    inside, weight_in = high, 1.0
                if weight_out == 0:
                    outside, weight_out = low, 1.0
            pure, ground = inside / weight_in, outside / weight_out
            own = np.float64(first[row, column]) - np.float64(third[row, column])
            if pure <= ground:  # nothing to mix: the mask decides
                out[row, column] = WHOLE if state == INNER else 0
                continue
            share = min(max((own - ground) / (pure - ground), 0.0), 1.0)
            out[row, column] = np.uint8(np.rint(share * WHOLE))


@njit(cache=True, nogil=True)
def grow_rows(mask: Codes, reach: int, first: int, last: int, out: Codes) -> None:
    """Widen a mask along its rows.

    mask         (rows, columns)
    reach        cells to both sides
    first, last  the rows ``first`` to ``last - 1`` are made
    out          (rows, columns)  changed: 1 or 0
    """
    columns = mask.shape[1]
    wide, wider = np.zeros(columns + 2 * reach, np.uint8), np.zeros(columns + 2 * reach, np.uint8)
    for row in range(first, last):
        own, grown_row = mask[row], out[row]
        found = np.uint8(0)
        for column in range(columns):
            found |= own[column]
        if found == 0:
            grown_row[:] = 0
            continue
        wide[:reach] = 0
        wide[reach + columns :] = 0
        inner = wide[reach : reach + columns]
        for column in range(columns):
            inner[column] = np.uint8(own[column] != 0)
        width = 1  # cells that each one has taken together from itself on: 1, 2, 4, ...
        while 2 * width <= 2 * reach + 1:
            ahead = wide[width:]
            for k in range(ahead.size):
                wider[k] = wide[k] | ahead[k]
            for k in range(ahead.size, wide.size):
                wider[k] = wide[k]
            wide, wider = wider, wide
            width *= 2
        ahead = wide[2 * reach + 1 - width :]
        for column in range(columns):
            grown_row[column] = wide[column] | ahead[column]


@njit(cache=True, nogil=True)
def grow_columns(mask: Codes, reach: int, first: int, last: int, out: Codes) -> None:
    """Widen a mask across its rows.

    mask         (rows, columns)
    reach        cells upwards and downwards
    first, last  the rows ``first`` to ``last - 1`` are made
    out          (rows, columns)  changed: 1 or 0
    """
    rows, columns = mask.shape
    seen = np.full(columns, first - 2 * reach - 2, np.int32)  # last row of the mask in each column, ahead
    for row in range(max(first - reach, 0), min(first + reach, rows)):
        line, here = mask[row], np.int32(row)
        for column in range(columns):
            seen[column] = here if line[column] != 0 else seen[column]
    for row in range(first, last):
        if row + reach < rows:
            line, here = mask[row + reach], np.int32(row + reach)
            for column in range(columns):
                seen[column] = here if line[column] != 0 else seen[column]
        grown_row, least = out[row], np.int32(row - reach)
        for column in range(columns):
            grown_row[column] = np.uint8(seen[column] >= least)


_ROWS: Final = 256  # a thread takes at once


def grown(mask: Codes, reach: int, *, threads: int | None = None) -> Codes:
    """Widen a mask (rows, columns) by a square of ``reach`` cells to each side."""
    along = np.empty(mask.shape, np.uint8)
    out = np.empty(mask.shape, np.uint8)
    cut = Tiling(mask.shape[0], 1, _ROWS)
    tiles.each(
        lambda part: grow_rows(mask, reach, part.row, part.row + part.rows, along), cut, threads=threads
    )
    tiles.each(
        lambda part: grow_columns(along, reach, part.row, part.row + part.rows, out), cut, threads=threads
    )
    return out


def majority(codes: Codes, member: int, *, threads: int | None = None) -> Codes:
    """Smooth a class of a raster; see :func:`smooth`.

    codes    (rows, columns)
    returns  (rows, columns)  1 of the class, else 0
    """
    out = np.empty(codes.shape, np.uint8)
    tiles.each(
        lambda part: smooth(codes, part.row, part.row + part.rows, member, out),
        Tiling(codes.shape[0], 1, _ROWS),
        threads=threads,
    )
    return out


def states(mask: Codes, codes: Codes, member: int, unknown: int, *, threads: int | None = None) -> Codes:
    """Tell where the cells of a raster lie relative to the margin of a mask; see :func:`states_of`."""
    out = np.empty(codes.shape, np.uint8)
    tiles.each(
        lambda part: states_of(mask, codes, member, unknown, part.row, part.row + part.rows, out),
        Tiling(codes.shape[0], 1, _ROWS),
        threads=threads,
    )
    return out


def shares(first: Shorts, third: Shorts, where: Codes, reach: int, *, threads: int | None = None) -> Codes:
    """Unmix the margin of a mask; see :func:`shares_between`.

    first, third, where  (rows, columns)
    returns              (rows, columns)  0 to WHOLE
    """
    out = np.empty(where.shape, np.uint8)
    tiles.each(
        lambda part: shares_between(first, third, where, reach, part.row, part.row + part.rows, out),
        Tiling(where.shape[0], 1, _ROWS),
        threads=threads,
    )
    return out
