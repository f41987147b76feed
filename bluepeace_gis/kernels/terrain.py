"""Sums of the surface over numbered zones, and where the surface ends."""

import numpy as np
from numba import njit

from bluepeace_gis.kernels.neighbours import COLUMN_STEP, ROW_STEP, VOID, Cells, Codes, Labels, Reals, Singles


@njit(cache=True, nogil=True)
def add_zones(
    z: Singles,
    zone: Labels,
    area: Reals,
    step: Reals,
    band: tuple[float, float],
    sums: Reals,
    low: Reals,
    high: Reals,
) -> None:
    """Add a tile to sums per zone and elevation band.

    z      (h + 2, w + 2)  elevations with a rim, NaN where there is none
    zone   (h, w)  0 for none
    area   (h, w) or (h, 1)  of the cells
    step   (h, 2)  distance between cells in the row, in the column
    band   lower edge of the first band, height of a band
    sums   (zones + 1, b, 5)  changed: area; area times elevation, slope in degrees, and how far one
           falls along the row and along the column on a step of one down the slope
    low, high  (zones + 1,)  changed: lowest and highest elevation

    Slope and fall are those of Horn (1981), doi:10.1109/PROC.1981.11918; an unknown neighbour counts as
    level.
    """
    height, width = zone.shape
    last = area.shape[1] - 1
    for row in range(height):
        dx, dy = step[row, 0], step[row, 1]
        for column in range(width):
            name = zone[row, column]
            here = z[row + 1, column + 1]
            if name <= 0 or np.isnan(here):
                continue
            across = 0.0
            along = 0.0
            for way in range(8):
                value = z[row + 1 + ROW_STEP[way], column + 1 + COLUMN_STEP[way]]
                if np.isnan(value):
                    value = here
                weight = 1.0 if way % 2 else 2.0
                across += weight * COLUMN_STEP[way] * value
                along += weight * ROW_STEP[way] * value
            across /= 8 * dx
            along /= 8 * dy
            steepness = np.hypot(across, along)
            cell = area[row, min(column, last)]
            number = min(max(int((here - band[0]) // band[1]), 0), sums.shape[1] - 1)
            sums[name, number, 0] += cell
            sums[name, number, 1] += cell * here
            sums[name, number, 2] += cell * np.degrees(np.arctan(steepness))
            if steepness > 0:
                sums[name, number, 3] -= cell * across / steepness
                sums[name, number, 4] -= cell * along / steepness
            low[name] = min(low[name], here)
            high[name] = max(high[name], here)


@njit(cache=True, nogil=True)
def open_ends(direction: Codes) -> Codes:
    """Mark the cells at the outer end of a surface: its holes are not its end.

    direction  (rows, columns)
    returns    (rows, columns)  1 where a neighbour lies outside the raster or is VOID and connected
               with the outside by VOID cells, else 0
    """
    rows, columns = direction.shape
    outer = np.zeros((rows, columns), np.uint8)  # 2: void that reaches the outside
    queue = np.empty(1024, np.int64)
    last = 0
    for row in range(rows):
        step = 1 if row in (0, rows - 1) else max(columns - 1, 1)
        for column in range(0, columns, step):
            if direction[row, column] == VOID:
                outer[row, column] = 2
                if last == queue.size:
                    queue = np.concatenate((queue, np.empty_like(queue)))
                queue[last] = row * columns + column
                last += 1
            else:
                outer[row, column] = 1
    while last > 0:
        last -= 1
        cell = queue[last]
        row, column = cell // columns, cell % columns
        for way in range(8):
            r, c = row + ROW_STEP[way], column + COLUMN_STEP[way]
            if 0 <= r < rows and 0 <= c < columns and outer[r, c] == 0:
                if direction[r, c] == VOID:
                    outer[r, c] = 2
                    if last == queue.size:
                        queue = np.concatenate((queue, np.empty_like(queue)))
                    queue[last] = r * columns + c
                    last += 1
                else:
                    outer[r, c] = 1
    for row in range(rows):
        for column in range(columns):
            if outer[row, column] == 2:
                outer[row, column] = 0
    return outer


@njit(cache=True, nogil=True)
def gather(lake: Labels, z: Singles, forced: Codes) -> Cells:
    """Lead the water of each lake to one cell of it, its lowest.

    lake     (rows, columns)  number of the lake, 0 for none
    z        (rows, columns)  NaN where there is no surface: such cells take no part
    forced   (rows, columns)  changed: directions inside lakes, SINK at the lowest cell
    returns  (k,)  row-major cells where the water of the lakes ends: one for each connected part
    """
    rows, columns = lake.shape
    seen = np.zeros((rows, columns), np.uint8)
    ends = np.empty(16, np.int64)
    count = 0
    queue = np.empty(16, np.int64)
    for row in range(rows):
        for column in range(columns):
            if lake[row, column] == 0 or seen[row, column] or np.isnan(z[row, column]):
                continue
            best = row * columns + column
            for turn in range(2):  # first to find the lowest cell of the part, then to lead there
                queue[0] = best
                first, last = 0, 1
                if turn == 1:
                    forced[best // columns, best % columns] = 8
                seen[best // columns, best % columns] = turn + 1
                while first < last:
                    cell = queue[first]
                    first += 1
                    r, c = cell // columns, cell % columns
                    if turn == 0 and z[r, c] < z[best // columns, best % columns]:
                        best = cell
                    for way in range(8):
                        rr, cc = r + ROW_STEP[way], c + COLUMN_STEP[way]
                        if not (0 <= rr < rows and 0 <= cc < columns):
                            continue
                        if (
                            lake[rr, cc] != lake[row, column]
                            or seen[rr, cc] == turn + 1
                            or np.isnan(z[rr, cc])
                        ):
                            continue
                        seen[rr, cc] = turn + 1
                        if turn == 1:
                            forced[rr, cc] = (way + 4) % 8
                        if last == queue.size:
                            queue = np.concatenate((queue, np.empty_like(queue)))
                        queue[last] = rr * columns + cc
                        last += 1
            if count == ends.size:
                ends = np.concatenate((ends, np.empty_like(ends)))
            ends[count] = best
            count += 1
    return ends[:count].copy()


@njit(cache=True, nogil=True)
def flood(z: Singles, row: int, column: int, level: np.float32, seen: Codes) -> Cells:
    """Return the cells below a level that hang together with one of them.

    z        (rows, columns)
    row, column  the cell to begin with
    level    the elevation below which cells are taken
    seen     (rows, columns)  0; changed: 1 for the cells returned
    returns  (k,)  row-major, in the order of their distance in steps
    """
    rows, columns = z.shape
    queue = np.empty(256, np.int64)
    queue[0] = row * columns + column
    seen[row, column] = 1
    first, last = 0, 1
    while first < last:
        cell = queue[first]
        first += 1
        for way in range(8):
            r, c = cell // columns + ROW_STEP[way], cell % columns + COLUMN_STEP[way]
            if 0 <= r < rows and 0 <= c < columns and seen[r, c] == 0 and z[r, c] < level:
                seen[r, c] = 1
                if last == queue.size:
                    queue = np.concatenate((queue, np.empty_like(queue)))
                queue[last] = r * columns + c
                last += 1
    return queue[:last].copy()
