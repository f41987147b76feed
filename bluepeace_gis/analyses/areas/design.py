"""Which points to look at: how many, in which strata, and which cells, the same ones each time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.areas.defaults import EXPECTED_ACCURACY, FLOOR_POINTS, LEAST_POINTS
from bluepeace_gis.errors import BadInput

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]

# Steele et al. (2014), doi:10.1145/2660193.2660195: splitmix64, a stream of numbers from a place.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_ALMOST_ONE: Final = 1 - 1e-12


@dataclass(frozen=True)
class Stratum:
    """A part of the map in which points are drawn.

    Parameters
    ----------
    code : int
        Its value in the raster of strata.
    name : str
    area_ha : float, hectares
    cells : int
        How many cells it has.
    expected_accuracy : float, 0..1
        The share of its points that are expected to have the class of the map.
    """

    code: int
    name: str
    area_ha: float
    cells: int
    expected_accuracy: float = EXPECTED_ACCURACY


def sample_size(weights: Sequence[float], accuracies: Sequence[float], standard_error: float) -> float:
    """Compute how many points give overall accuracy with a standard error.

    Parameters
    ----------
    weights : (n,) float
        Shares of the strata in the area, adding up to 1.
    accuracies : (n,) float, 0..1
        Expected user's accuracies.
    standard_error : float, 0..1, more than 0

    Returns
    -------
    float
        Points, to be rounded up: (sum W_i S_i / S(O))^2 with S_i^2 = U_i (1 - U_i) [1]_.

    References
    ----------
    .. [1] Cochran (1977), eq. 5.25, as Olofsson et al. (2014), eq. 13, doi:10.1016/j.rse.2014.02.015
    """
    spread = _spread(accuracies)
    return float((np.dot(np.asarray(weights, np.float64), spread) / standard_error) ** 2)


def neyman(weights: Sequence[float], accuracies: Sequence[float], points: float) -> Reals:
    """Share points among strata by Neyman's rule, W_i S_i.

    Parameters
    ----------
    weights, accuracies
        As for :func:`sample_size`.
    points : float

    Returns
    -------
    (n,) float
        Points, not yet whole; by area alone where no stratum is expected to have errors.
    """
    weight = np.asarray(weights, np.float64)
    pull = weight * _spread(accuracies)
    pull = pull if pull.sum() > 0 else weight
    shared: Reals = points * pull / pull.sum()
    return shared


def allocate(strata: Sequence[Stratum], points: int, *, floor: int = FLOOR_POINTS) -> list[int]:
    """Share points among strata by Neyman's rule, with a floor for the rare ones.

    Parameters
    ----------
    strata : (n,) Stratum
    points : int
        Of all strata together.
    floor : int
        The least in a stratum; less where ``points`` do not suffice for it everywhere, and all cells of a
        stratum that has fewer.

    Returns
    -------
    (n,) of int
        Adding up to ``points``, or to all cells if there are fewer.

    Raises
    ------
    BadInput
        If there are fewer than two points for each stratum.
    """
    if points < LEAST_POINTS * len(strata):
        raise BadInput(
            f"{points} points were asked for in {len(strata)} strata; expected at least {LEAST_POINTS} in "
            f"each, which is {LEAST_POINTS * len(strata)}. Ask for more points or join strata."
        )
    cells = np.array([stratum.cells for stratum in strata])
    area = np.array([stratum.area_ha for stratum in strata])
    accuracies = [stratum.expected_accuracy for stratum in strata]
    least = np.minimum(cells, min(floor, points // len(strata))).astype(np.float64)
    points = min(points, int(cells.sum()))
    held = np.zeros(len(strata), np.bool_)  # at their floor or with all their cells
    shared = least.copy()
    while not held.all():
        free = ~held
        rest = points - shared[held].sum()
        shared[free] = neyman(area[free] / area[free].sum(), np.array(accuracies)[free].tolist(), rest)
        below, above = free & (shared < least), free & (shared > cells)
        # what the rare ones get more, the others get less, and the other way round: one kind at a time
        lacking, spare = (least - shared)[below].sum(), (shared - cells)[above].sum()
        if lacking == 0 and spare == 0:
            break
        held |= below if lacking >= spare else above
        shared = np.where(below & held, least, np.where(above & held, cells, shared))
    return _whole(shared, points, cells)


def _whole(shared: Reals, points: int, cells: NDArray[np.int64]) -> list[int]:
    """Round to whole points that add up, the largest remainders up; of equals the first."""
    whole = np.minimum(np.floor(shared + 1e-9).astype(np.int64), cells)
    while (missing := points - int(whole.sum())) > 0:
        open_ones = np.flatnonzero(whole < cells)
        order = open_ones[np.argsort(-(shared - whole)[open_ones], kind="stable")]
        whole[order[:missing]] += 1
    return [int(count) for count in whole]


def _spread(accuracies: Sequence[float]) -> Reals:
    accuracy = np.asarray(accuracies, np.float64)
    return np.sqrt(accuracy * (1 - accuracy))


@dataclass(frozen=True)
class Strip:
    """Some rows of the raster from which cells are drawn.

    row      number of its first row
    strata   (rows, columns) position of each cell's stratum, -1 where no point may fall
    area_ha  (rows, columns) true area of each cell
    """

    row: int
    strata: NDArray[np.int16]
    area_ha: Reals


@dataclass(frozen=True)
class Drawn:
    """The cells that were drawn, in the order in which they are to be looked at.

    row, column  (n,)
    stratum      (n,) position of the stratum
    """

    row: Indices
    column: Indices
    stratum: Indices


def draw(strips: Iterable[Strip], strata: Sequence[Stratum], points: Sequence[int], seed: int) -> Drawn:
    """Draw cells in each stratum with a probability proportional to their true area.

    Parameters
    ----------
    strips : Strip
        All rows, in any cut: the same cells are drawn.
    strata : (n,) Stratum
    points : (n,) int
        In each of them; of :func:`allocate`.
    seed : int, 0 or more
        Each one is another sample.

    Returns
    -------
    Drawn
        Without repetition. The first k are themselves a random sample of all: labelling may stop anywhere.

    Notes
    -----
    Cells of a grid of degrees shrink towards the poles: were all cells equally likely, the north of a
    stratum would weigh more than its land. Each cell has a permanent random number u, of the seed, its row
    and its column; the n least of u / (1 - u) * (1 - p) / p are drawn, where p is n times the cell's share
    of its stratum's area: Pareto sampling [1]_. Every place of a stratum is then equally likely, and plain
    means of points estimate shares of area.

    References
    ----------
    .. [1] Rosén (1997), On sampling with probability proportional to size, doi:10.1016/S0378-3758(96)00186-3
    """
    best = [np.empty((3, 0)) for _ in strata]  # key, row, column
    for strip in strips:
        for position, (stratum, count) in enumerate(zip(strata, points, strict=True)):
            row, column = np.nonzero(strip.strata == position)
            chance = np.minimum(count * strip.area_ha[row, column] / stratum.area_ha, _ALMOST_ONE)
            row = row + strip.row
            number = uniform(seed, row, column)
            key = number / (1 - number) * (1 - chance) / chance
            best[position] = _least(np.hstack([best[position], np.stack([key, row, column])]), count)
    row, column = (np.hstack([found[part] for found in best]).astype(np.int64) for part in (1, 2))
    stratum_of = np.repeat(np.arange(len(strata)), [found.shape[1] for found in best])
    order = np.argsort(uniform(seed + 1, row, column), kind="stable")
    return Drawn(row[order], column[order], stratum_of[order])


def _least(found: Reals, count: int) -> Reals:
    """Keep the columns with the least keys; of equals the northernmost, then westernmost."""
    if found.shape[1] > 4 * count:  # the rest need no order
        found = found[:, found[0] <= np.partition(found[0], count - 1)[count - 1]] if count else found[:, :0]
    return found[:, np.lexsort((found[2], found[1], found[0]))[:count]]


def uniform(seed: int, row: Indices, column: Indices) -> Reals:
    """Return the permanent random numbers (n,), between 0 and 1, of cells at ``row`` and ``column``, (n,)."""
    with np.errstate(over="ignore"):  # the numbers are meant to run over
        state = _mixed(np.full(row.shape, seed % 2**64, np.uint64) + _STEP)
        state = _mixed(state ^ (row.astype(np.uint64) * _STEP + _STEP))
        state = _mixed(state ^ (column.astype(np.uint64) * _STEP + _STEP))
    numbers: Reals = ((state >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return numbers


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX[0]
    state = (state ^ (state >> np.uint64(27))) * _MIX[1]
    return state ^ (state >> np.uint64(31))
