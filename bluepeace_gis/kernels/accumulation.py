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
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, Cells, Codes, Reals, steps
from bluepeace_gis.kernels.tiles import Tile, Tiling

WeightOf = Callable[[Tile], Reals]


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
    flow = direction.ravel()
    gathered = np.zeros(flow.size)  # in one piece: the rows of a large raster lie far apart
    waits = np.zeros(flow.size, np.uint8)  # neighbours that still have to bring theirs
    last = weight.shape[1] - 1
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            cell = row * stride + column
            if flow[cell] < SINK:
                waits[cell + step[flow[cell]]] += 1
            gathered[cell] = weight[row - 1, min(column - 1, last)]
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            cell = row * stride + column
            # From a source down, as long as the cell below has now got everything.
            while waits[cell] == 0 and flow[cell] < SINK:
                waits[cell] = 255
                below = cell + step[flow[cell]]
                gathered[below] += gathered[cell]
                waits[below] -= 1
                cell = below
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            cell = row * stride + column
            total[row - 1, column - 1] = np.nan if flow[cell] == VOID else gathered[cell]


@njit(cache=True, nogil=True)
def pour(direction: Codes, entries: Cells, inflow: Reals, total: Reals) -> None:
    """Add what enters a tile to every cell on its way through.

    direction  (h + 2, w + 2)  VOID in the rim
    entries    (e,)  cells, row-major in the tile with its rim
    inflow     (e,)
    total      (h, w)  changed
    """
    stride = direction.shape[1]
    step = steps(stride)
    flow = direction.ravel()
    for k in range(entries.size):
        cell = entries[k]
        while flow[cell] != VOID:
            total[cell // stride - 1, cell % stride - 1] += inflow[k]
            way = flow[cell]
            if way == SINK:
                break
            cell += step[way]


@njit(cache=True, nogil=True)
def last_cells(direction: Codes, entries: Cells) -> Cells:
    """Follow the flow from each entry to the last cell in the tile.

    direction, entries  as in :func:`pour`
    returns             (e,)  row-major in the tile with its rim; -1 where the water ends in the tile
    """
    stride = direction.shape[1]
    step = steps(stride)
    flow = direction.ravel()
    last = np.full(entries.size, -1, np.int64)
    for k in range(entries.size):
        cell = entries[k]
        while flow[cell] < SINK:
            way = flow[cell]
            below = cell + step[way]
            if flow[below] == VOID:
                last[k] = cell
                break
            cell = below
    return last


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
    columns = direction.shape[1]
    listed = list(tiling)
    row_step, column_step = np.array(ROW_STEP), np.array(COLUMN_STEP)
    exits, entered = [], []
    for tile in listed:
        way = direction[tile.window]
        r, c = _beside_rim(tile)
        ways = way[r, c]
        flows = ways < SINK
        r, c, ways = r[flows], c[flows], ways[flows]
        to_row, to_column = r + row_step[ways], c + column_step[ways]
        out = (to_row < 0) | (to_row >= tile.rows) | (to_column < 0) | (to_column >= tile.columns)
        exits.append((tile.row + r[out]) * columns + tile.column + c[out])
        entered.append((tile.row + to_row[out]) * columns + tile.column + to_column[out])
    exit_cells = np.concatenate(exits)
    exit_start = np.concatenate([[0], np.cumsum([e.size for e in exits])]).astype(np.int64)
    cells = np.unique(np.concatenate(entered))
    owner = tiling.number_of(cells // columns, cells % columns)
    by_tile = np.argsort(owner, kind="stable")
    entries = cells[by_tile]
    entry_start = np.searchsorted(owner[by_tile], np.arange(len(listed) + 1))
    where = np.empty(cells.size, np.int64)
    where[by_tile] = np.arange(cells.size)
    enters = where[np.searchsorted(cells, np.concatenate(entered))]

    def follow(tile: Tile) -> Cells:
        mine = entries[entry_start[tile.number] : entry_start[tile.number + 1]]
        last = last_cells(framed(direction, tile), in_tile(mine, tile, columns))
        stride = tile.columns + 2
        row, column = tile.row + last // stride - 1, tile.column + last % stride - 1
        return np.where(last < 0, -1, row * columns + column)

    ends = np.concatenate(tiles.each(follow, tiling, threads=threads)).astype(np.int64)
    by_cell = np.argsort(exit_cells)
    leads_to = np.full(ends.size, -1, np.int64)
    goes_on = ends >= 0
    leads_to[goes_on] = by_cell[np.searchsorted(exit_cells[by_cell], ends[goes_on])]
    return Rims(
        exit_cells,
        enters,
        entries,
        leads_to,
        _downwards(leads_to[enters]),
        entry_start.astype(np.int64),
        exit_start,
    )


def _beside_rim(tile: Tile) -> tuple[Cells, Cells]:
    """Return the cells of a tile that have a neighbour outside it, each once."""
    across, down = np.arange(tile.columns), np.arange(1, tile.rows - 1)
    rows, columns = [np.zeros_like(across), down], [across, np.zeros_like(down)]
    if tile.columns > 1:
        rows.append(down)
        columns.append(np.full_like(down, tile.columns - 1))
    if tile.rows > 1:
        rows.append(np.full_like(across, tile.rows - 1))
        columns.append(across)
    return np.concatenate(rows), np.concatenate(columns)


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
            pour(framed(direction, tile), cells, inflow[mine], total[tile.window])

    tiles.each(summarise, tiling, threads=threads)
    leaves = total.ravel()[rims_.exits]
    inflow = np.zeros(rims_.entries.size)
    _flood(rims_.order, rims_.enters, rims_.leads_to, leaves, inflow)
    tiles.each(finish, tiling, threads=threads)
    return total
