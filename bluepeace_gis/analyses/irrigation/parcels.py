"""From cells to fields: parcels by their majority, and patches too small to be fields."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation import defaults
from bluepeace_gis.analyses.irrigation.defaults import (
    IRRIGATED,
    NO_SEASON,
    NOT_IRRIGATED,
    NOT_OBSERVED,
    OUTSIDE,
    SEASONS,
    UNCERTAIN,
)
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import runs

Codes = NDArray[np.uint8]
M2_PER_HA = 10_000.0
BLOCK_ROWS = 64  # of cells whose areas are computed at once


def by_majority(state: Codes, season: Codes, parcel: NDArray[np.integer[Any]]) -> tuple[Codes, Codes]:
    """Give all cells of a parcel what most of its decided cells say.

    Parameters
    ----------
    state, season : (rows, columns) uint8
    parcel : (rows, columns) int
        Number of the parcel from 1, 0 outside of all: those cells stay as they are. From
        :func:`bluepeace_gis.geo.zones.burn`.

    Returns
    -------
    state, season : (rows, columns) uint8
        A parcel of which less than ``defaults.PARCEL_SEEN_MIN`` of the cells were decided is not observed.
        A tie of irrigated with anything, or of uncertain with not irrigated, is uncertain. The season is that
        of most cells that were cropped; of equals the one with fewer seasons, and winter before summer. Cells
        outside the map (255) stay outside and do not vote.

    Raises
    ------
    BadInput
        If the shapes differ or a parcel has a negative number.
    """
    votes = ParcelVotes(int(parcel.max(initial=0)))
    votes.add(state, season, parcel)
    return votes.given(state, season, parcel)


class ParcelVotes:
    """What the cells of parcels say, counted strip by strip.

    Parameters
    ----------
    parcels : int
        The largest number of a parcel.
    """

    def __init__(self, parcels: int) -> None:
        self._states = np.zeros((parcels + 1, 4), np.int64)
        self._seasons = np.zeros((parcels + 1, len(SEASONS) - 1), np.int64)

    def add(self, state: Codes, season: Codes, parcel: NDArray[np.integer[Any]]) -> None:
        """Count cells (rows, columns) of the map, each once, as :func:`by_majority` does; raises BadInput."""
        votes = self._voting(state, season, parcel)
        number, count = parcel[votes].astype(np.int64), len(self._states)
        self._states += np.bincount(number * 4 + state[votes], minlength=count * 4).reshape(count, 4)
        self._seasons += _cropped_seasons(number, state[votes], season[votes], count)

    def given(self, state: Codes, season: Codes, parcel: NDArray[np.integer[Any]]) -> tuple[Codes, Codes]:
        """Give cells what their parcels say; takes and returns what :func:`by_majority` does."""
        votes = self._voting(state, season, parcel)
        number = parcel[votes]
        winner, main = self._decided()
        new_state, new_season = state.copy(), season.copy()
        new_state[votes] = winner[number]
        new_season[votes] = main[number]
        return new_state, new_season

    def _voting(self, state: Codes, season: Codes, parcel: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        if parcel.shape != state.shape or season.shape != state.shape:
            raise BadInput(
                f"Found parcels {parcel.shape} and seasons {season.shape} for states {state.shape}; expected "
                "one shape. Burn the parcels into the grid of the map."
            )
        if parcel.size and parcel.min() < 0:
            raise BadInput(f"Found a parcel numbered {parcel.min()}; expected 1 and above, 0 outside.")
        voting: NDArray[np.bool_] = (parcel > 0) & (state != OUTSIDE)
        return voting

    def _decided(self) -> tuple[Codes, Codes]:
        states, seasons = self._states, self._seasons
        decided = states[:, NOT_IRRIGATED:].sum(axis=1)
        most = states[:, NOT_IRRIGATED:].max(axis=1)
        winners = states[:, NOT_IRRIGATED:] == most[:, None]
        winner = NOT_IRRIGATED + winners.argmax(axis=1)
        winner[winners.sum(axis=1) > 1] = UNCERTAIN
        winner[(decided == 0) | (decided < defaults.PARCEL_SEEN_MIN * states.sum(axis=1))] = NOT_OBSERVED
        is_crop = (winner == IRRIGATED) | (winner == UNCERTAIN)
        main = np.where(is_crop & (seasons.sum(axis=1) > 0), seasons.argmax(axis=1), NO_SEASON)
        return winner.astype(np.uint8), main.astype(np.uint8)


def _cropped_seasons(number: NDArray[np.int64], state: Codes, season: Codes, count: int) -> NDArray[np.int64]:
    """Cropped cells (count, 5) of each parcel by season."""
    cropped = ((state == IRRIGATED) | (state == UNCERTAIN)) & (season < len(SEASONS) - 1)
    kinds = len(SEASONS) - 1
    found: NDArray[np.int64] = np.bincount(
        number[cropped] * kinds + season[cropped], minlength=count * kinds
    ).reshape(count, kinds)
    return found


@dataclass(frozen=True)
class Sieved:
    """A map without patches that are too small.

    Parameters
    ----------
    state, season : (rows, columns) uint8
    removed_ha : float, hectares
        Irrigated and uncertain land that was taken out.
    removed_patches : int
    """

    state: Codes
    season: Codes
    removed_ha: float
    removed_patches: int


def patch_min_ha(grid: Grid) -> float:
    """Tell the smallest patch that counts as a field on ``grid``, by the size of its cells; returns ha."""
    across, down = (float(np.median(step)) for step in grid.cell_steps_m)
    fine = max(across, down) <= defaults.PATCH_FINE_CELL_M * (1 + 1e-3)
    return defaults.PATCH_MIN_HA["10-20 m" if fine else "coarser"]


def sieve(state: Codes, season: Codes, grid: Grid, *, min_ha: float | None = None) -> Sieved:
    """Take out cropped patches that are too small to be fields.

    Parameters
    ----------
    state, season : (rows, columns) uint8
    grid : Grid
    min_ha : float, hectares
        Patches below are taken out; without it by :func:`patch_min_ha`.

    Returns
    -------
    Sieved
        Irrigated and uncertain cells that hang together along their edges make a patch. Cells that were not
        observed count to a patch they touch, and a patch at the rim of the map counts as whole: what may be
        larger stays.

    Raises
    ------
    BadInput
        If the shapes differ or the size is no number from 0.
    """
    if state.shape != grid.shape or season.shape != grid.shape:
        raise BadInput(
            f"Found states {state.shape} and seasons {season.shape}; expected {grid.shape}, the shape of "
            "the grid."
        )
    least_ha = patch_min_ha(grid) if min_ha is None else min_ha
    if not (np.isfinite(least_ha) and least_ha >= 0):
        raise BadInput(f"Found a smallest patch of {least_ha} ha; expected a number from 0.")
    cropped = (state == IRRIGATED) | (state == UNCERTAIN)
    found = runs.runs_of((cropped | (state == NOT_OBSERVED)).astype(np.uint8), 1)
    parts = runs.join(found, False)  # numba takes arguments by position
    if parts == 0:
        return Sieved(state.copy(), season.copy(), 0.0, 0)
    ha = np.zeros(parts)
    cropped_ha = np.zeros(parts)
    rows, columns = state.shape
    for top in range(0, rows, BLOCK_ROWS):
        # by blocks, so that no array of areas stands beside the map
        bottom = min(top + BLOCK_ROWS, rows)
        first, last = np.searchsorted(found[:, runs.ROW], [top, bottom])
        run = found[first:last]
        areas_ha = np.nan_to_num(grid.cell_areas_of(top, bottom, 0, columns)) / M2_PER_HA
        line = run[:, runs.ROW] - top
        for target, weight in ((ha, areas_ha), (cropped_ha, areas_ha * cropped[top:bottom])):
            running = np.zeros((bottom - top, columns + 1))
            np.cumsum(weight, axis=1, out=running[:, 1:])
            size = running[line, run[:, runs.END]] - running[line, run[:, runs.START]]
            np.add(target, np.bincount(run[:, runs.PART], size, parts), out=target)
    at_rim = np.zeros(parts, bool)
    touches = (
        (found[:, runs.ROW] == 0)
        | (found[:, runs.ROW] == rows - 1)
        | (found[:, runs.START] == 0)
        | (found[:, runs.END] == columns)
    )
    at_rim[found[touches, runs.PART]] = True
    # areas of equal cells are sums in some order: a patch of just the size stays
    small = (ha < least_ha * (1 - 1e-9)) & ~at_rim & (cropped_ha > 0)
    mask = np.zeros(state.shape, np.uint8)
    runs.fill(mask, found, small.astype(np.uint8), 1)
    out = (mask == 1) & cropped
    return Sieved(
        np.where(out, NOT_IRRIGATED, state).astype(np.uint8),
        np.where(out, NO_SEASON, season).astype(np.uint8),
        float(cropped_ha[small].sum()),
        int(small.sum()),
    )
