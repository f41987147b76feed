"""Which outlet the water of each cell reaches first: any number of outlets in one pass, tile by tile."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels import accumulation, tiles
from bluepeace_gis.kernels.accumulation import Rims
from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, SINK, VOID, Cells, Codes, Labels, steps
from bluepeace_gis.kernels.tiles import Tile, Tiling

UNKNOWN = -1


@njit(cache=True, nogil=True)
def first_outlets(direction: Codes, entries: Cells, zone: Labels, met: Labels) -> None:
    """Name the first outlet on the way of each entry through a tile.

    direction  (h + 2, w + 2)  VOID in the rim
    entries    (e,)  row-major in the tile with its rim
    zone       (h, w)  number of the outlet in a cell, UNKNOWN where there is none
    met        (e,)  UNKNOWN; filled where the water meets one
    """
    stride = direction.shape[1]
    step = steps(stride)
    flow = direction.ravel()
    for k in range(entries.size):
        cell = entries[k]
        while flow[cell] != VOID:
            met[k] = zone[cell // stride - 1, cell % stride - 1]
            way = flow[cell]
            if met[k] != UNKNOWN or way == SINK:
                break
            cell += step[way]


@njit(cache=True, nogil=True)
def spread(direction: Codes, exits: Cells, beyond: Labels, zone: Labels) -> None:
    """Name for every cell of a tile the first outlet its water reaches.

    direction  (h + 2, w + 2)  VOID in the rim
    exits      (x,)  row-major in the tile with its rim
    beyond     (x,)  the outlet that the water of an exit reaches, 0 for none
    zone       (h, w)  outlets' numbers, UNKNOWN elsewhere; filled, 0 where no outlet is reached
    """
    height, width = zone.shape
    stride = width + 2
    step = steps(stride)
    flow = direction.ravel()
    name = np.zeros(flow.size, np.int32)  # in one piece: the rows of a large raster lie far apart
    for row in range(height):
        for column in range(width):
            name[(row + 1) * stride + column + 1] = zone[row, column]
    for k in range(exits.size):
        if name[exits[k]] == UNKNOWN:
            name[exits[k]] = beyond[k]
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            cell = row * stride + column
            while name[cell] == UNKNOWN and flow[cell] < SINK:
                cell += step[flow[cell]]
            if name[cell] == UNKNOWN:  # a sink without an outlet, or no surface
                name[cell] = 0
            found = name[cell]
            cell = row * stride + column
            while name[cell] == UNKNOWN:
                name[cell] = found
                cell += step[flow[cell]]
    for row in range(height):
        for column in range(width):
            zone[row, column] = name[(row + 1) * stride + column + 1]


@njit(cache=True, nogil=True)
def _resolve(order: Cells, enters: Cells, leads_to: Cells, met: Labels, beyond: Labels) -> None:
    """Find for each exit of all tiles the outlet its water reaches; ``beyond`` is 0 where it reaches none."""
    for j in range(order.size - 1, -1, -1):  # downstream to upstream
        k = order[j]
        entry = enters[k]
        if met[entry] != UNKNOWN:
            beyond[k] = met[entry]
        elif leads_to[entry] >= 0:
            beyond[k] = beyond[leads_to[entry]]


def delineate(
    direction: Codes, rims: Rims, outlets: Cells, *, threads: int | None = None
) -> tuple[Labels, Labels]:
    """Divide a surface among outlets, each cell to the first one downstream.

    direction  (rows, columns)  without circles
    rims       from :func:`accumulation.rims`
    outlets    (n,)  row-major cells, each once
    returns    (rows, columns)  1 .. n, 0 where the water reaches none; (n,) the number of the next
               outlet downstream of each, 0 for none
    """
    tiling = Tiling(*direction.shape)
    columns = direction.shape[1]
    zone = np.full(direction.shape, UNKNOWN, np.int32)
    zone.ravel()[outlets] = np.arange(1, outlets.size + 1)

    in_tiles = np.bincount(tiling.number_of(outlets // columns, outlets % columns), minlength=len(tiling))

    def summarise(tile: Tile) -> Labels:
        mine = slice(rims.entry_start[tile.number], rims.entry_start[tile.number + 1])
        met = np.full(mine.stop - mine.start, UNKNOWN, np.int32)
        if in_tiles[tile.number]:  # else there is nothing to meet: the entries' exits are known
            cells = accumulation.in_tile(rims.entries[mine], tile, columns)
            first_outlets(accumulation.framed(direction, tile), cells, zone[tile.window], met)
        return met

    def finish(tile: Tile) -> None:
        mine = slice(rims.exit_start[tile.number], rims.exit_start[tile.number + 1])
        reached = beyond[mine]
        if not in_tiles[tile.number] and reached.size:
            way = direction[tile.window]
            if (reached == reached[0]).all() and (reached[0] == 0 or not (way == SINK).any()):
                zone[tile.window] = np.where(way == VOID, 0, reached[0])
                return
        cells = accumulation.in_tile(rims.exits[mine], tile, columns)
        spread(accumulation.framed(direction, tile), cells, reached, zone[tile.window])

    met = np.concatenate(tiles.each(summarise, tiling, threads=threads))
    beyond = np.zeros(rims.exits.size, np.int32)
    _resolve(rims.order, rims.enters, rims.leads_to, met, beyond)
    tiles.each(finish, tiling, threads=threads)
    row, column = outlets // columns, outlets % columns
    ways = direction[row, column]
    flows = ways < SINK
    downstream = np.zeros(outlets.size, np.int32)
    r = row[flows] + np.array(ROW_STEP)[ways[flows]]
    c = column[flows] + np.array(COLUMN_STEP)[ways[flows]]
    downstream[flows] = zone[r, c]
    return zone, downstream
