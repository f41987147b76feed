"""Tiles: how a raster is cut, read with a rim of one cell, and worked on by threads."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

# A constant of the method, not a setting: on plateaus the directions depend on it, so that every
# machine must use the same one. 512 x 512 elevations and labels fit the cache of one core.
TILE: Final = 512

# None: as many as the machine has cores. Whoever runs several pieces of work at once sets it lower.
_THREADS: ContextVar[int | None] = ContextVar("threads of a kernel", default=None)

Result = TypeVar("Result")
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Tile:
    """A window of a raster: its number, its first row and column, its shape."""

    number: int
    row: int
    column: int
    rows: int
    columns: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The tile as an index into the raster."""
        return slice(self.row, self.row + self.rows), slice(self.column, self.column + self.columns)


@dataclass(frozen=True)
class Tiling:
    """The cut of a raster of ``rows`` x ``columns`` into tiles, numbered row by row."""

    rows: int
    columns: int
    size: int = TILE

    @property
    def down(self) -> int:
        """Number of tiles in a column of tiles."""
        return -(-self.rows // self.size)

    @property
    def across(self) -> int:
        """Number of tiles in a row of tiles."""
        return -(-self.columns // self.size)

    def __len__(self) -> int:
        return self.down * self.across

    def __iter__(self) -> Iterator[Tile]:
        for number in range(len(self)):
            row, column = (number // self.across) * self.size, (number % self.across) * self.size
            rows, columns = min(self.size, self.rows - row), min(self.size, self.columns - column)
            yield Tile(number, row, column, rows, columns)

    def number_of(self, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of the tile of each cell."""
        return (row // self.size) * self.across + column // self.size


def with_rim(values: npt.NDArray[Number], tile: Tile, outside: float) -> npt.NDArray[Number]:
    """Copy a tile with one more cell on each side.

    values   (rows, columns)  of the raster
    outside  what stands beyond the raster
    returns  (tile.rows + 2, tile.columns + 2)
    """
    rows, columns = values.shape
    top, left = tile.row - 1, tile.column - 1
    bottom, right = tile.row + tile.rows + 1, tile.column + tile.columns + 1
    inner = values[max(top, 0) : min(bottom, rows), max(left, 0) : min(right, columns)]
    if inner.shape == (tile.rows + 2, tile.columns + 2):
        return inner.copy()
    padded = np.full((tile.rows + 2, tile.columns + 2), outside, values.dtype)
    row, column = max(top, 0) - top, max(left, 0) - left
    padded[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return padded


@contextmanager
def threads_at_most(count: int) -> Iterator[None]:
    """Let kernels called in this block, in this thread, use ``count`` threads unless told otherwise."""
    before = _THREADS.set(count)
    try:
        yield
    finally:
        _THREADS.reset(before)


def each(
    work: Callable[[Tile], Result],
    tiling: Tiling,
    *,
    threads: int | None = None,
    done: Callable[[float], None] | None = None,
) -> list[Result]:
    """Do ``work`` on every tile and return the results in the order of the tiles.

    The kernels release the interpreter, so that threads work at once; the order of the results,
    and so every later sum, does not depend on their number: ``threads``, or :func:`threads_at_most`, or
    that of the cores. ``done`` is told the share done.
    """
    count = min(threads or _THREADS.get() or os.cpu_count() or 1, max(len(tiling), 1))
    results: list[Result] = []
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, tile) for tile in tiling]
        try:
            for future in futures:
                results.append(future.result())
                if done is not None:
                    done(len(results) / len(futures))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results
