"""Sums along a flow that divides among neighbours: D-infinity and multiple flow directions.

Both divide the water of a cell among lower neighbours. Where a cell has none (plateaus, depressions that
are breached or filled) all of it goes the way of the given directions. Heights are those of
:func:`raised`, on which these directions never rise: each step of the water then leads to a lower cell
or, at the same height, further along directions that have no circles. So no water goes round in a circle
and all of it comes to a sink.
"""

from typing import Final

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, Cells, Codes, Reals, Singles

# What a cell chose: 0..7 a facet, or
GIVEN: Final = 8  # + the given direction, SINK or VOID: no neighbour is lower
ALL_LOWER: Final = 18  # to all lower neighbours

_BESIDE, _CORNER, _BETWEEN = range(3)
_DONE: Final = 255


@njit(cache=True, nogil=True)
def raised(direction: Codes, z: Singles) -> Singles:
    """Raise each cell to the highest elevation that its water has to pass.

    direction  (h + 2, w + 2)  without circles; VOID in the rim
    z          (h + 2, w + 2)
    returns    (h + 2, w + 2)  nowhere rising along the flow; NaN where VOID. For directions that breach
               depressions of ``z`` these are the filled elevations.
    """
    stride = direction.shape[1]
    flow = direction.ravel()
    heights = z.ravel()
    level = np.full(flow.size, np.nan, np.float32)
    stack = np.empty(1024, np.int64)
    for first in range(flow.size):
        if flow[first] == VOID or not np.isnan(level[first]):
            continue
        cell = first
        depth = 0
        high = np.float32(-np.inf)
        while True:
            if not np.isnan(level[cell]):
                high = level[cell]
                break
            way = flow[cell]
            if way == VOID:
                break
            if depth == stack.size:
                stack = np.concatenate((stack, np.empty_like(stack)))
            stack[depth] = cell
            depth += 1
            if way == SINK:
                break
            cell += ROW_STEP[way] * stride + COLUMN_STEP[way]
        while depth > 0:
            depth -= 1
            cell = stack[depth]
            high = max(high, heights[cell])
            level[cell] = high
    return level.reshape(direction.shape)


@njit(cache=True, nogil=True)
def _slope(here: float, beside: float, corner: float, along: float, across: float) -> tuple[float, int]:
    """Return the steepest slope down a triangular facet, and where it leads.

    here    height of the cell
    beside  height of the neighbour in its row or column, ``along`` away; NaN if there is none
    corner  height of the diagonal neighbour, ``across`` away from that one; NaN if there is none

    returns the slope; _BESIDE, _CORNER or _BETWEEN. Where one neighbour is missing, the facet is the
    line to the other.
    """
    fall, turn = (here - beside) / along, (beside - corner) / across
    if turn > 0 and turn * along < fall * across:
        return np.sqrt(fall * fall + turn * turn), _BETWEEN
    if turn > 0 or np.isnan(beside):
        return (here - corner) / np.sqrt(along * along + across * across), _CORNER
    return fall, _BESIDE


@njit(cache=True, nogil=True)
def choose_facets(direction: Codes, z: Singles, step: Reals) -> Codes:
    """Choose for each cell the triangular facet of steepest descent (Tarboton 1997).

    Of equally steep ones it is the first clockwise from the next column.

    direction  (h + 2, w + 2)  without circles; VOID in the rim
    z          (h + 2, w + 2)  from :func:`raised`
    step       (h, 2)  distance to the neighbour in the row, in the column
    returns    (h + 2, w + 2)  0..7: between that direction and the next; 8 + direction: there alone, which
               is the given one where no neighbour is lower; 8 + SINK, 8 + VOID

    doi:10.1029/96WR03137
    """
    choice = direction + np.uint8(GIVEN)
    for row in range(1, direction.shape[0] - 1):
        x, y = step[row - 1, 0], step[row - 1, 1]
        for column in range(1, direction.shape[1] - 1):
            if direction[row, column] >= SINK:
                continue
            here = np.float64(z[row, column])
            e, w = np.float64(z[row, column + 1]), np.float64(z[row, column - 1])
            n, s = np.float64(z[row - 1, column]), np.float64(z[row + 1, column])
            ne, nw = np.float64(z[row - 1, column + 1]), np.float64(z[row - 1, column - 1])
            se, sw = np.float64(z[row + 1, column + 1]), np.float64(z[row + 1, column - 1])
            steepest = 0.0
            for facet in range(8):
                # A comparison with NaN is false: water never goes where nothing is known.
                if facet == 0:
                    slope, leads = _slope(here, e, se, x, y)
                elif facet == 1:
                    slope, leads = _slope(here, s, se, y, x)
                elif facet == 2:
                    slope, leads = _slope(here, s, sw, y, x)
                elif facet == 3:
                    slope, leads = _slope(here, w, sw, x, y)
                elif facet == 4:
                    slope, leads = _slope(here, w, nw, x, y)
                elif facet == 5:
                    slope, leads = _slope(here, n, nw, y, x)
                elif facet == 6:
                    slope, leads = _slope(here, n, ne, y, x)
                else:
                    slope, leads = _slope(here, e, ne, x, y)
                if slope > steepest:
                    steepest = slope
                    if leads == _BETWEEN:
                        choice[row, column] = facet
                    else:  # the even one of the two directions lies in the row or column
                        beside, corner = (facet + facet % 2) % 8, facet + 1 - facet % 2
                        choice[row, column] = GIVEN + (beside if leads == _BESIDE else corner)
    return choice


@njit(cache=True, nogil=True)
def choose_all_lower(direction: Codes, z: Singles) -> Codes:
    """Choose for each cell all lower neighbours.

    direction, z  as in :func:`choose_facets`
    returns       (h + 2, w + 2)  ALL_LOWER, or 8 + direction, SINK or VOID where no neighbour is lower
    """
    stride = direction.shape[1]
    heights = z.ravel()
    choice = direction + np.uint8(GIVEN)
    for row in range(1, direction.shape[0] - 1):
        for column in range(1, direction.shape[1] - 1):
            if direction[row, column] >= SINK:
                continue
            cell = row * stride + column
            for way in range(8):
                if heights[cell + ROW_STEP[way] * stride + COLUMN_STEP[way]] < heights[cell]:
                    choice[row, column] = ALL_LOWER
    return choice


@njit(cache=True, nogil=True)
def _divide(
    chosen: int,
    z: Singles,
    cell: int,
    stride: int,
    x: float,
    y: float,
    exponent: float,
    ways: Cells,
    share: Reals,
) -> int:
    """Divide the water of a cell among its neighbours.

    chosen  from :func:`choose_facets` or :func:`choose_all_lower`
    z       (n,)
    x, y    distance to the neighbour in the row, in the column
    ways    (8,)  filled: the directions to those that get a share
    share   (8,)  filled: their shares, in all 1
    returns how many there are
    """
    here = np.float64(z[cell])
    if chosen < GIVEN:
        corner = chosen + 1 - chosen % 2
        beside = (chosen + chosen % 2) % 8
        low = np.float64(z[cell + ROW_STEP[beside] * stride + COLUMN_STEP[beside]])
        lower = np.float64(z[cell + ROW_STEP[corner] * stride + COLUMN_STEP[corner]])
        along, across = (x, y) if beside % 4 == 0 else (y, x)
        part = np.arctan2((low - lower) / across, (here - low) / along) / np.arctan2(across, along)
        ways[0], ways[1] = beside, corner
        share[0], share[1] = 1.0 - part, part
        return 2
    if chosen != ALL_LOWER:
        ways[0], share[0] = chosen - GIVEN, 1.0
        return 1 if chosen < GIVEN + SINK else 0
    count = 0
    steepest = 0.0
    for way in range(8):
        fall = here - np.float64(z[cell + ROW_STEP[way] * stride + COLUMN_STEP[way]])
        if fall > 0:
            away = np.sqrt(x * x + y * y) if way % 2 else (x if way % 4 == 0 else y)
            ways[count], share[count] = way, fall / away
            steepest = max(steepest, share[count])
            count += 1
    whole = 0.0
    for k in range(count):
        share[k] = (share[k] / steepest) ** exponent
        whole += share[k]
    for k in range(count):
        share[k] /= whole
    return count


@njit(cache=True, nogil=True)
def _waiting(choice: Codes, z: Singles) -> Codes:
    """Count for each cell the neighbours that give it a share; _DONE where VOID."""
    stride = choice.shape[1]
    chosen = choice.ravel()
    heights = z.ravel()
    waits = np.zeros(chosen.size, np.uint8)
    for cell in range(chosen.size):
        way = chosen[cell]
        if way == GIVEN + VOID:
            waits[cell] = _DONE
        elif way == ALL_LOWER:
            for side in range(8):
                to = cell + ROW_STEP[side] * stride + COLUMN_STEP[side]
                if heights[to] < heights[cell]:
                    waits[to] += 1
        elif way < GIVEN:
            after = (way + 1) % 8
            waits[cell + ROW_STEP[way] * stride + COLUMN_STEP[way]] += 1
            waits[cell + ROW_STEP[after] * stride + COLUMN_STEP[after]] += 1
        elif way < GIVEN + SINK:
            to = cell + ROW_STEP[way - GIVEN] * stride + COLUMN_STEP[way - GIVEN]
            if chosen[to] != GIVEN + VOID:
                waits[to] += 1
    return waits


@njit(cache=True, nogil=True)
def disperse(choice: Codes, z: Singles, step: Reals, exponent: float, weight: Reals, total: Reals) -> None:
    """Sum ``weight`` over each cell and all that drains to it, each part of a cell's water on its way.

    choice    (h + 2, w + 2)  from :func:`choose_facets` or :func:`choose_all_lower`
    z         (h + 2, w + 2)  the heights it was chosen on
    step      (h, 2)  distance to the neighbour in the row, in the column
    exponent  of the slope, where all lower neighbours get a share (Freeman 1991)
    weight    (h, w) or (h, 1)  what a cell adds
    total     (h, w)  filled, in the unit of ``weight``; NaN where VOID

    doi:10.1016/0098-3004(91)90048-I
    """
    height, width = total.shape
    stride = width + 2
    chosen = choice.ravel()
    heights = z.ravel()
    ways, share = np.empty(8, np.int64), np.empty(8)
    waits = _waiting(choice, z)
    last = weight.shape[1] - 1
    for row in range(height):
        for column in range(width):
            void = chosen[(row + 1) * stride + column + 1] == GIVEN + VOID
            total[row, column] = np.nan if void else weight[row, min(column, last)]
    stack = np.empty(1024, np.int64)
    for row in range(height):
        for column in range(width):
            first = (row + 1) * stride + column + 1
            if waits[first] != 0:
                continue
            stack[0] = first
            depth = 1
            waits[first] = _DONE
            while depth > 0:  # from a source down, as long as cells below have got everything
                depth -= 1
                cell = stack[depth]
                r, c = cell // stride - 1, cell % stride - 1
                way = chosen[cell]
                count = _divide(way, heights, cell, stride, step[r, 0], step[r, 1], exponent, ways, share)
                for k in range(count):
                    side = ways[k]
                    to = cell + ROW_STEP[side] * stride + COLUMN_STEP[side]
                    if chosen[to] == GIVEN + VOID:
                        continue
                    total[r + ROW_STEP[side], c + COLUMN_STEP[side]] += share[k] * total[r, c]
                    waits[to] -= 1
                    if waits[to] == 0:
                        waits[to] = _DONE
                        if depth == stack.size:
                            stack = np.concatenate((stack, np.empty_like(stack)))
                        stack[depth] = to
                        depth += 1


def accumulation(
    direction: Codes,
    z: Singles,
    step: Reals,
    weight: Reals,
    *,
    exponent: float | None = None,
) -> Reals:
    """Sum a weight over each cell and all that drains to it along divided flow.

    direction  (rows, columns)  without circles
    z          (rows, columns)  elevations, conditioned or not: see :func:`raised`
    step       (rows, 2)  distance to the neighbour in the row, in the column
    weight     (rows, columns) or (rows, 1)
    exponent   shares of all lower neighbours are as their slopes to this power; None: D-infinity, between
               the two neighbours beside the steepest descent
    returns    (rows, columns)  in the unit of the weight; NaN where VOID
    """
    framed = np.full((direction.shape[0] + 2, direction.shape[1] + 2), VOID, np.uint8)
    framed[1:-1, 1:-1] = direction
    heights = np.full(framed.shape, np.nan, np.float32)
    heights[1:-1, 1:-1] = z
    heights = raised(framed, heights)
    choice = choose_facets(framed, heights, step) if exponent is None else choose_all_lower(framed, heights)
    total = np.empty(direction.shape)
    disperse(choice, heights, step, 1.0 if exponent is None else exponent, weight, total)
    return total
