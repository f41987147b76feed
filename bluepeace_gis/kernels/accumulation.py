"""What gathers along the flow: sums of all that drains through a cell, tile by tile.

A tile sums its own cells and tells what leaves it where; the exits of all tiles form a small forest,
summed once; then each inflow is poured down its path through the tile (Barnes 2017,
doi:10.1016/j.envsoft.2017.02.022).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.neighbours import (
    COLUMN_STEP,
    NE,
    NW,
    ROW_STEP,
    SE,
    SINK,
    SW,
    VOID,
    Cells,
    Codes,
    E,
    N,
    Reals,
    S,
    W,
    steps,
)
from bluepeace_gis.kernels.tiles import Tile, Tiling

WeightOf = Callable[[Tile], Reals]
_LEAVES = 16  # added to the direction of an exit, so that a walk stops there


@dataclass(frozen=True)
class Rims:
    """The flow between tiles: exits, the cells they enter, and which exit an entry leads to.

    exits     (x,)  row-major cells of the raster from which water leaves a tile, in the order of the tiles
    enters    (x,)  the entry that each exit comes to
    entries   (e,)  row-major cells that water enters from another tile, in the order of the tiles
    leads_to  (e,)  the exit through which an entry's water leaves the tile again, -1 where it ends
    order     (x,)  exits, upstream to downstream
    entry_start, exit_start  (tiles + 1,)  where those of a tile begin
    """

    exits: Cells
    enters: Cells
    entries: Cells
    leads_to: Cells
    order: Cells
    entry_start: Cells
    exit_start: Cells


@njit(cache=True, nogil=True)
def accumulate(direction: Codes, weight: Reals, total: Reals) -> None:
    """Sum ``weight`` over each cell and all that drains through it, inside one tile.

    direction  (h + 2, w + 2)  VOID in the rim
    weight     (h, w) or (h, 1)  what a cell adds
    total      (h, w)  filled, in the unit of ``weight``; NaN where VOID
    """
    height, width = total.shape
    stride = width + 2
    step = steps(stride)
    last = weight.shape[1] - 1
    # Of each cell its direction, and times 16 how many neighbours still have to bring theirs.
    state = np.empty(direction.size, np.uint8)
    for cell in range(direction.size):
        state[cell] = 255  # the rim waits for ever
    gathered = np.zeros(direction.size)  # in one piece: the rows of a large raster lie far apart
    sources = np.empty(height * width + 1, np.int32)
    count = 0
    for row in range(1, height + 1):
        north, level, south = direction[row - 1], direction[row], direction[row + 1]
        states, sums = state[row * stride : (row + 1) * stride], gathered[row * stride : (row + 1) * stride]
        for column in range(1, width + 1):
            waits = (
                0  # numpy's sum of two truths is a truth
                + (level[column + 1] == W)
                + (south[column + 1] == NW)
                + (south[column] == N)
                + (south[column - 1] == NE)
                + (level[column - 1] == E)
                + (north[column - 1] == SE)
                + (north[column] == S)
                + (north[column + 1] == SW)
            )
            states[column] = level[column] + 16 * waits
        for column in range(1, width + 1):
            sums[column] = weight[row - 1, min(column - 1, last)]
        for column in range(1, width + 1):
            sources[count] = row * stride + column  # stays if it is one
            count += states[column] < SINK
    for k in range(count):
        # From a source down, as long as the cell below has now got everything.
        cell = int(sources[k])
        way = state[cell]
        amount = gathered[cell]
        while way < SINK:
            cell += step[way]
            amount += gathered[cell]
            gathered[cell] = amount
            state[cell] -= 16
            way = state[cell]
    for row in range(1, height + 1):
        ways, sums = direction[row], gathered[row * stride : (row + 1) * stride]
        for column in range(1, width + 1):
            total[row - 1, column - 1] = np.nan if ways[column] == VOID else sums[column]


@njit(cache=True, nogil=True)
def pour(direction: Codes, entries: Cells, inflow: Reals, total: Reals) -> None:
    """Add what enters a tile to every cell on its way through.

    direction  (h, w)
    entries    (e,)  cells, row-major in the tile with its rim
    inflow     (e,)
    total      (h, w)  changed
    """
    height, width = direction.shape
    for k in range(entries.size):
        row, column = entries[k] // (width + 2) - 1, entries[k] % (width + 2) - 1
        while 0 <= row < height and 0 <= column < width:
            total[row, column] += inflow[k]
            way = direction[row, column]
            if way >= SINK:
                break
            row += ROW_STEP[way]
            column += COLUMN_STEP[way]


@njit(cache=True, nogil=True)
def cross(
    direction: Codes, beside: Cells, ascending: Cells, exits: Cells, entries: Cells, to_exit: Cells
) -> tuple[int, int]:
    """Find where water leaves and enters a tile, and where it leaves again what it entered.

    direction  (h + 2, w + 2)  with those of the tiles around in the rim, VOID beyond the raster
    beside     (b,)  the cells beside the rim, row-major in the tile with its rim
    ascending  (b,)  the same, sorted
    exits      (b,)  filled: cells from which water leaves the tile, in the order of ``beside``
    entries    (b,)  filled: cells that water enters from another tile, ascending
    to_exit    (b,)  filled: the number of the exit that an entry's water comes to, -1 where it ends
    returns    how many exits and entries there are
    """
    stride = direction.shape[1]
    step = steps(stride)
    flow = direction.ravel()
    number = np.empty(flow.size, np.int32)  # of the exit in a cell
    is_rim = np.zeros(flow.size, np.uint8)
    for cell in range(stride):
        is_rim[cell] = is_rim[flow.size - 1 - cell] = 1
    for cell in range(0, flow.size, stride):
        is_rim[cell] = is_rim[cell + stride - 1] = 1
    leaving, entering = 0, 0
    for cell in beside:
        if flow[cell] < SINK and is_rim[cell + step[flow[cell]]]:
            exits[leaving] = cell
            number[cell] = leaving
            leaving += 1
    for cell in ascending:
        for way in range(8):
            other = cell + step[way]
            if is_rim[other] and flow[other] == (way + 4) % 8:
                entries[entering] = cell
                entering += 1
                break
    for k in range(leaving):
        flow[exits[k]] += _LEAVES
    for k in range(entering):
        cell = entries[k]
        while flow[cell] < SINK:
            cell += step[flow[cell]]
        to_exit[k] = number[cell] if flow[cell] >= _LEAVES else -1
    for k in range(leaving):
        flow[exits[k]] -= _LEAVES
    return leaving, entering


def framed(direction: Codes, tile: Tile) -> Codes:
    """Return the directions of a tile with a rim of VOID."""
    way = np.full((tile.rows + 2, tile.columns + 2), VOID, np.uint8)
    way[1:-1, 1:-1] = direction[tile.window]
    return way


def rims(direction: Codes, *, threads: int | None = None) -> Rims:
    """Find how water goes from tile to tile.

    direction  (rows, columns)  without circles
    """
    tiling = Tiling(*direction.shape)
    rows, columns = direction.shape
    row_step, column_step = np.array(ROW_STEP), np.array(COLUMN_STEP)

    def look(tile: Tile) -> tuple[Cells, Cells, Cells, Cells]:
        way = tiles.with_rim(direction, tile, VOID)
        stride = tile.columns + 2
        beside = _beside_rim(tile)
        exits, entries, to_exit = (np.empty(beside.size, np.int64) for _ in range(3))
        leaving, entering = cross(way, beside, np.sort(beside), exits, entries, to_exit)
        row, column = tile.row + exits[:leaving] // stride - 1, tile.column + exits[:leaving] % stride - 1
        ways = way.ravel()[exits[:leaving]]
        target = (row + row_step[ways], column + column_step[ways])
        # Entries are looked up by tile and cell, in the order in which they stand.
        wanted = tiling.number_of(*target) * (rows * columns) + target[0] * columns + target[1]
        at = (tile.row + entries[:entering] // stride - 1) * columns
        at += tile.column + entries[:entering] % stride - 1
        return row * columns + column, wanted, at, to_exit[:entering]

    parts = tiles.each(look, tiling, threads=threads)
    exits, wanted, entries, to_exit = (np.concatenate(part) for part in zip(*parts, strict=True))
    exit_start, entry_start = (
        np.concatenate([[0], np.cumsum([part[k].size for part in parts])]).astype(np.int64) for k in (0, 2)
    )
    owner = np.repeat(np.arange(len(parts)), np.diff(entry_start))
    enters = np.searchsorted(owner * (rows * columns) + entries, wanted)
    leads_to = np.where(to_exit >= 0, exit_start[owner] + to_exit, -1)
    return Rims(exits, enters, entries, leads_to, _downwards(leads_to[enters]), entry_start, exit_start)


def _beside_rim(tile: Tile) -> Cells:
    """Return the cells of a tile beside its rim, each once: the top, the left, the right, the bottom side.

    returns  (b,)  row-major in the tile with its rim
    """
    stride = tile.columns + 2
    top = stride + np.arange(1, tile.columns + 1)
    left = stride * np.arange(2, tile.rows) + 1
    right = left + tile.columns - 1 if tile.columns > 1 else left[:0]
    bottom = top + stride * (tile.rows - 1) if tile.rows > 1 else top[:0]
    return np.concatenate([top, left, right, bottom])


def in_tile(cells: Cells, tile: Tile, columns: int) -> Cells:
    """Place row-major cells of the raster in a tile with its rim, row-major."""
    place: Cells = (cells // columns - tile.row + 1) * (tile.columns + 2) + cells % columns - tile.column + 1
    return place


@njit(cache=True, nogil=True)
def _downwards(below: Cells) -> Cells:
    """Order the exits so that each stands ahead of the one it leads to (-1: none)."""
    count = below.size
    waits = np.zeros(count, np.int64)
    for k in range(count):
        if below[k] >= 0:
            waits[below[k]] += 1
    order = np.empty(count, np.int64)
    last = 0
    for k in range(count):
        if waits[k] == 0:
            order[last] = k
            last += 1
    first = 0
    while first < last:
        after = below[order[first]]
        first += 1
        if after >= 0:
            waits[after] -= 1
            if waits[after] == 0:
                order[last] = after
                last += 1
    return order[:last]


@njit(cache=True, nogil=True)
def _flood(order: Cells, enters: Cells, leads_to: Cells, leaves: Reals, inflow: Reals) -> None:
    """Sum over the exits of all tiles what enters at each entry."""
    for k in order:
        entry = enters[k]
        inflow[entry] += leaves[k]
        if leads_to[entry] >= 0:
            leaves[leads_to[entry]] += leaves[k]


def accumulation(direction: Codes, rims_: Rims, weight_of: WeightOf, *, threads: int | None = None) -> Reals:
    """Sum a weight over each cell and all that drains through it.

    direction  (rows, columns)  without circles
    rims_      from :func:`rims`
    weight_of  gives the weights of a tile, (h, w) or (h, 1)
    returns    (rows, columns)  in the unit of the weight; NaN where VOID
    """
    tiling = Tiling(*direction.shape)
    total = np.empty(direction.shape, np.float64)

    def summarise(tile: Tile) -> None:
        accumulate(framed(direction, tile), weight_of(tile), total[tile.window])

    def finish(tile: Tile) -> None:
        mine = slice(rims_.entry_start[tile.number], rims_.entry_start[tile.number + 1])
        if mine.stop > mine.start:
            cells = in_tile(rims_.entries[mine], tile, direction.shape[1])
            pour(direction[tile.window], cells, inflow[mine], total[tile.window])

    tiles.each(summarise, tiling, threads=threads)
    leaves = total.ravel()[rims_.exits]
    inflow = np.zeros(rims_.entries.size)
    _flood(rims_.order, rims_.enters, rims_.leads_to, leaves, inflow)
    tiles.each(finish, tiling, threads=threads)
    return total
