"""Of several observations of a place the one with the least quotient of two bands, kept as they arrive."""

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels import tiles
from bluepeace_gis.kernels.contrast import BOTH, DARK, LOW, NODATA, UNKNOWN
from bluepeace_gis.kernels.neighbours import Cells, Codes
from bluepeace_gis.kernels.tiles import Tiling

Shorts = npt.NDArray[np.int16]

_SHARE = 1 << 18


@njit(cache=True, nogil=True)
def keep_between(
    begin: int,
    end: int,
    new: tuple[Shorts, Shorts, Shorts],
    codes: Codes,
    number: int,
    limits: tuple[int, int, int],
    kept: tuple[Shorts, Shorts, Shorts],
    chosen: Codes,
    seen: Codes,
    members: Codes,
) -> None:
    """Take up one more observation of the pixels ``begin`` to ``end - 1``.

    begin, end  of the flat arrays
    new         three bands (n,)
    codes       (n,)  classes of the new observation, from ``contrast``; UNKNOWN is none
    number      of the observation
    limits      the third band counts as this at least; a pixel that is brighter than this in the first
                band, though that exceeds the third by no more than the last number, is a cloud: it stays
                behind any member
    kept        three bands (n,), changed: those of the observation with the least first / third
    chosen      (n,)  changed: the number of that observation
    seen        (n,)  changed: how often it was observed
    members     (n,)  changed: how often it was BOTH or DARK
    """
    floor, bright, margin = limits
    for k in range(begin, end):
        code = codes[k]
        if code == UNKNOWN:
            continue
        seen[k] = min(int(seen[k]) + 1, 255)
        member = int(code in (BOTH, DARK))
        a = int(new[0][k])
        if kept[0][k] != NODATA:
            a0, c0 = int(kept[0][k]), int(kept[2][k])
            cloud = code == LOW and a > bright and members[k] > 0
            cloud_before = member == 1 and a0 > bright and a0 - c0 <= margin
            # a / c < kept a / kept c without dividing
            less = max(a, 0) * max(c0, floor) < max(a0, 0) * max(int(new[2][k]), floor)
            if cloud or not (less or cloud_before):
                members[k] = min(int(members[k]) + member, 255)
                continue
        members[k] = min(int(members[k]) + member, 255)
        kept[0][k], kept[1][k], kept[2][k] = new[0][k], new[1][k], new[2][k]
        chosen[k] = number


@njit(cache=True, nogil=True)
def lighten(
    bands: tuple[Shorts, Shorts, Shorts],
    dark: int,
    times: int,
    shade: Codes,
    rows: Cells,
    columns: Cells,
) -> None:
    """Multiply what lies in shade, and forget what is too dark there to be told.

    bands    (r, c), changed: NODATA in all where the first is below ``dark`` in shade
    times    what lies in shade is multiplied by, within what int16 holds
    shade    (a, b)  1 in shade, on another grid
    rows, columns  (r,), (c,)  of the cell of ``shade`` under each pixel; -1 beyond it
    """
    for row in range(rows.size):
        if rows[row] < 0:
            continue
        for column in range(columns.size):
            if columns[column] < 0 or shade[rows[row], columns[column]] == 0:
                continue
            first = bands[0][row, column]
            if first == NODATA:
                continue
            for band in bands:
                value = int(band[row, column])
                if first < dark:
                    band[row, column] = NODATA
                elif value != NODATA:
                    band[row, column] = min(max(value * times, NODATA + 1), -NODATA - 1)


def _flat(band: Shorts) -> Shorts:
    return np.ascontiguousarray(band).reshape(-1)


def keep(
    new: tuple[Shorts, Shorts, Shorts],
    codes: Codes,
    number: int,
    limits: tuple[int, int, int],
    kept: tuple[Shorts, Shorts, Shorts],
    chosen: Codes,
    seen: Codes,
    members: Codes,
    *,
    threads: int | None = None,
) -> None:
    """Take up one more observation of arrays of any one shape; see :func:`keep_between`."""
    flat_new = (_flat(new[0]), _flat(new[1]), _flat(new[2]))
    flat_codes = np.ascontiguousarray(codes).reshape(-1)
    for array in (*kept, chosen, seen, members):
        if not array.flags.c_contiguous:  # a copy would take the changes
            raise ValueError("found arrays that are not contiguous; expected whole rows")
    flat_kept = (kept[0].reshape(-1), kept[1].reshape(-1), kept[2].reshape(-1))
    counts = (chosen.reshape(-1), seen.reshape(-1), members.reshape(-1))
    tiles.each(
        lambda part: keep_between(
            part.row, part.row + part.rows, flat_new, flat_codes, number, limits, flat_kept, *counts
        ),
        Tiling(flat_codes.size, 1, _SHARE),
        threads=threads,
    )
