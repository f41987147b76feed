"""Whittaker's smoother: the curve that is close to the observations and has small second differences.

Of each series it minimises sum w (y - z)^2 + penalty * sum (z[i] - 2 z[i+1] + z[i+2])^2 over a regular time
axis, w the number of observations in a step and zero where there is none: so gaps and irregular dates
need no interpolation ahead of it (Eilers 2003, doi:10.1021/ac034173t). A penalty belongs to one length of
step: of steps k times as long it is k^4 times smaller for the same curve.

The equations have five diagonals. A block of neighbouring series is eliminated at once by vector
instructions, in float64: the penalty cancels from every pivot, so that float32 would be wrong by a
thousandth of an NDVI at penalties of 10,000, which days need, and costs as much time here. Each series
is summed in one order, without contracted or approximate operations: no result depends on how the
stack is cut or on the number of threads.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from bluepeace_gis.kernels.composites import MOST_DATES, Stack, flat_series, near_size, nodata_of, over_pixels
from bluepeace_gis.kernels.neighbours import Cells, Reals
from bluepeace_gis.kernels.normalized import flat_numbers

Ends = Literal["missing", "line", "hold"]
Corner = Literal["first", "lowest"]

# Steps with an observation below which a series stays missing: through one point every line is as smooth.
LEAST: Final = 2

# Penalties among which the V-curve looks, as decimal logarithms: for dekads and 16 days from a curve
# through all points to one that is straight within a season; about four to a factor of ten, and no
# series is told between them more finely than its own noise allows (see VCurve.low, VCurve.high).
LOG10_PENALTIES: Final = tuple(step / 5 for step in range(-10, 21))

# Steps with an observation below which a series has no V-curve of its own: its fit and its roughness
# then hang on single observations.
LEAST_FOR_CURVE: Final = 8

# Of the sum of the squares of a series: a fit or a roughness below it is rounding, no number to take a
# logarithm of; the series is a line, or there is nothing to smooth.
_NOTHING: Final = 1e-12

_BLOCK: Final = 64  # series side by side: 36 steps of them lie in the first two caches of one core
_SHARE: Final = 1 << 12  # series a thread takes at once
_ENDS: Final[dict[Ends, int]] = {"missing": 0, "line": 1, "hold": 2}


@dataclass(frozen=True)
class VCurve:
    """Penalties chosen by the V-curve.

    log10_penalty  (zones,)  the median over the series of a zone; NaN where no series has one
    low, high      (zones,)  their quartiles
    count          (zones,)  number of series that have one
    each           (n,) or (rows, columns)  of each series, NaN where it has none
    """

    log10_penalty: Reals
    low: Reals
    high: Reals
    count: Cells
    each: Reals

    @property
    def penalty(self) -> Reals:
        """The penalties themselves, as :func:`smooth` takes them."""
        return np.asarray(10.0**self.log10_penalty, np.float64)


# What belongs to one step of a block stands together: number and sum of its observations in ``data``;
# what is right of the pivot after elimination, one over the pivot, and the curve in ``state``, which begins
# and ends with two steps of zeros. Loops get slices of it and name constant places in them: only so the
# compiler knows that the places do not overlap, and makes vector loops.
_ABOVE, _PIVOT, _Z = 0, _BLOCK, 2 * _BLOCK
_DATA: Final = 2 * _BLOCK
_STATE: Final = 3 * _BLOCK


@njit(cache=True, nogil=True, error_model="numpy")
def _load(start: int, width: int, stack: Stack, nodata: Any, order: Cells, first: Cells, data: Reals) -> None:
    """Bring a block of series onto its time axis.

    stack  (dates, n)  of which the series from ``start`` on are taken
    order  (dates,)  the dates, step by step
    first  (steps + 1,)  where the dates of each step begin in ``order``
    data   (steps * _DATA,)  changed
    """
    for i in range(first.size - 1):
        here = data[i * _DATA : (i + 1) * _DATA]
        here[:] = 0.0
        for place in range(first[i], first[i + 1]):
            row = stack[order[place], start : start + width]
            for k in range(width):
                known = (row[k] != nodata) & np.isfinite(row[k])
                here[k] += 1.0 if known else 0.0
                here[k + _BLOCK] += np.float64(row[k]) if known else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _eliminate(diagonal: float, right: float, penalty: Reals, data: Reals, three: Reals) -> None:
    """Eliminate one step of a block.

    diagonal, right  coefficients of the penalty on the diagonal and right of it
    penalty          (_BLOCK,)
    data             (_DATA,)
    three            (3 * _STATE,)  the two steps before, and this one: changed
    """
    for k in range(_BLOCK):
        share = three[k + _STATE + _ABOVE] * three[k + _STATE + _PIVOT]
        far = penalty[k] * three[k + _PIVOT]
        left = data[k] + diagonal * penalty[k] - three[k + _STATE + _ABOVE] * share - penalty[k] * far
        three[k + 2 * _STATE + _ABOVE] = right * penalty[k] - penalty[k] * share
        three[k + 2 * _STATE + _Z] = data[k + _BLOCK] - share * three[k + _STATE + _Z] - far * three[k + _Z]
        three[k + 2 * _STATE + _PIVOT] = 1.0 / left


@njit(cache=True, nogil=True, error_model="numpy")
def _substitute(near: float, far: float, penalty: Reals, three: Reals) -> None:
    """Find the curve at one step of a block.

    near, far  whether there is a next step, and one after it: 1 or 0
    penalty    (_BLOCK,)
    three      (3 * _STATE,)  this step: changed; and the two next
    """
    for k in range(_BLOCK):
        three[k + _Z] = three[k + _PIVOT] * (
            three[k + _Z]
            - near * three[k + _ABOVE] * three[k + _STATE + _Z]
            - far * penalty[k] * three[k + 2 * _STATE + _Z]
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(steps: int, penalty: Reals, data: Reals, state: Reals) -> None:
    """Solve the equations of a block of series.

    penalty  (_BLOCK,)
    data     (steps * _DATA,)
    state    ((steps + 4) * _STATE,)  changed

    Rows of the second differences that touch step i begin at i, i - 1 and i - 2, where they exist: their
    coefficients 1, -2, 1 make the diagonals.
    """
    for i in range(steps):
        begins, middle, ends = i <= steps - 3, 1 <= i <= steps - 2, i >= 2
        diagonal = (1.0 if begins else 0.0) + (4.0 if middle else 0.0) + (1.0 if ends else 0.0)
        right = (-2.0 if begins else 0.0) + (-2.0 if middle else 0.0)
        three = state[i * _STATE : (i + 3) * _STATE]
        _eliminate(diagonal, right, penalty, data[i * _DATA : (i + 1) * _DATA], three)
    for i in range(steps - 1, -1, -1):
        near, far = 1.0 if i < steps - 1 else 0.0, 1.0 if i < steps - 2 else 0.0
        _substitute(near, far, penalty, state[(i + 2) * _STATE : (i + 5) * _STATE])


@njit(cache=True, nogil=True, error_model="numpy")
def _observed(steps: int, data: Reals, count: Cells, begin: Cells, end: Cells) -> None:
    """Find how many steps of each series have an observation, and the first and the last of them."""
    for k in range(_BLOCK):
        count[k] = 0
        begin[k] = steps
        end[k] = -1
    for i in range(steps):
        here = data[i * _DATA : (i + 1) * _DATA]
        for k in range(_BLOCK):
            known = here[k] > 0
            count[k] += known
            begin[k] = min(begin[k], i if known else steps)
            end[k] = i if known else end[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _write(
    step: int,
    z: Reals,
    head: Cells,
    tail: Cells,
    lowest: float,
    highest: float,
    whole: bool,
    row: Stack,
    nodata: Any,
) -> None:
    """Write the curve of a block at one step, from the step ``head`` to the step ``tail`` of each series."""
    for k in range(row.size):
        known = (step >= head[k]) & (step <= tail[k])
        value = np.rint(z[k]) if whole else z[k]
        value = min(max(value, lowest), highest) if known else 0.0
        row[k] = row.dtype.type(value) if known else nodata


@njit(cache=True, nogil=True, error_model="numpy")
def _misfit(data: Reals, three: Reals, fit: Reals, rough: Reals) -> None:
    """Add one step of a block to the squares of its residuals and second differences.

    three       (3 * _STATE,)  the two steps before, and this one
    fit, rough  (_BLOCK,)  changed
    """
    for k in range(_BLOCK):
        many = data[k]
        away = data[k + _BLOCK] / (many if many > 0 else 1.0) - three[k + 2 * _STATE + _Z]
        fit[k] += many * away * away
        bend = three[k + _Z] - 2 * three[k + _STATE + _Z] + three[k + 2 * _STATE + _Z]
        rough[k] += bend * bend


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    order: Cells,
    first: Cells,
    penalties: Reals,
    zone: npt.NDArray[Any],
    ends: int,
    least: int,
    bounds: Reals,
    whole: bool,
    out: Stack,
) -> None:
    """Smooth the series ``begin`` to ``end - 1``.

    begin, end  of the series
    stack       (dates, n)
    nodata      scalar of the stack's type; what is not finite was not observed either
    order       (dates,)  the dates, step by step
    first       (steps + 1,)  where the dates of each step begin in ``order``
    penalties   (zones,)
    zone        (n,) or (0,)  index of the penalty of each series; empty: 0
    ends        ahead of the first and behind the last observation: 0 missing, 1 line, 2 hold
    least       observed steps below which a series stays missing
    bounds      (2,)  smallest and largest number ``out`` can hold beside nodata
    whole       whether ``out`` is of whole numbers
    out         (steps, n)  changed
    """
    steps, dates = first.size - 1, stack.shape[0]
    data, state = np.empty(steps * _DATA), np.zeros((steps + 4) * _STATE)
    penalty = np.full(_BLOCK, penalties[0])
    count, head, tail = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    wide = near_size(max(dates, steps))
    near, done = np.empty((dates, wide), stack.dtype), np.empty((steps, wide), stack.dtype)
    for start in range(begin, end, _BLOCK):
        width = min(_BLOCK, end - start)
        at = (start - begin) % wide
        if at == 0:
            stop = min(start + wide, end)
            for d in range(dates):
                near[d, : stop - start] = stack[d, start:stop]
        _load(at, width, near, nodata, order, first, data)
        if zone.size > 0:
            for k in range(width):
                penalty[k] = penalties[zone[start + k]]
        _observed(steps, data, count, head, tail)
        _solve(steps, penalty, data, state)
        if ends == 2:
            for k in range(width):
                for i in range(head[k]):
                    state[(i + 2) * _STATE + _Z + k] = state[(head[k] + 2) * _STATE + _Z + k]
                for i in range(tail[k] + 1, steps):
                    state[(i + 2) * _STATE + _Z + k] = state[(max(tail[k], 0) + 2) * _STATE + _Z + k]
        for k in range(width):  # from here on: the first and last step that is written
            head[k] = 0 if ends != 0 else head[k]
            tail[k] = steps if ends != 0 else tail[k]
            tail[k] = tail[k] if count[k] >= least else -1
        for i in range(steps):
            z = state[(i + 2) * _STATE + _Z : (i + 3) * _STATE]
            _write(i, z, head, tail, bounds[0], bounds[1], whole, done[i, at : at + width], nodata)
        if at + _BLOCK == wide or start + width == end:
            for i in range(steps):
                out[i, start - at : start + width] = done[i, : at + width]


@njit(cache=True, nogil=True, error_model="numpy")
def v_curves_between(
    begin: int,
    end: int,
    stack: Stack,
    nodata: Any,
    order: Cells,
    first: Cells,
    log10_penalties: Reals,
    least: int,
    lowest: bool,
    out: Reals,
) -> None:
    """Choose the penalty of each of the series ``begin`` to ``end - 1``.

    begin, end       of the series
    stack            (dates, n)
    nodata           scalar of the stack's type; what is not finite was not observed either
    order            (dates,)  the dates, step by step
    first            (steps + 1,)  where the dates of each step begin in ``order``
    log10_penalties  (grid,)  increasing
    least            observed steps below which a series has none
    lowest           take the lowest point of the V-curve, and not its first low one
    out              (n,)  changed: decimal logarithm of the penalty, NaN where there is none
    """
    steps = first.size - 1
    data, state = np.empty(steps * _DATA), np.zeros((steps + 4) * _STATE)
    penalty = np.empty(_BLOCK)
    count, head, tail = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    fit, rough, square = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    best, chosen, found = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK, np.bool_)
    last_change, falls = np.empty(_BLOCK), np.empty(_BLOCK, np.bool_)
    last_fit, last_rough = np.empty(_BLOCK), np.empty(_BLOCK)
    for start in range(begin, end, _BLOCK):
        width = min(_BLOCK, end - start)
        _load(start, width, stack, nodata, order, first, data)
        _observed(steps, data, count, head, tail)
        best[:], chosen[:], square[:] = np.inf, np.nan, 0.0
        last_change[:], falls[:], found[:] = np.inf, False, lowest
        for i in range(steps):
            here = data[i * _DATA : (i + 1) * _DATA]
            for k in range(_BLOCK):
                square[k] += here[k + _BLOCK] * here[k + _BLOCK] / (here[k] if here[k] > 0 else 1.0)
        for g in range(log10_penalties.size):
            penalty[:], fit[:], rough[:] = 10.0 ** log10_penalties[g], 0.0, 0.0
            _solve(steps, penalty, data, state)
            for i in range(steps):
                three = state[i * _STATE : (i + 3) * _STATE]
                _misfit(data[i * _DATA : (i + 1) * _DATA], three, fit, rough)
                if i < 2:  # the first second difference ends at the third step
                    rough[:] = 0.0
            for k in range(width):
                known = (count[k] >= least) & (fit[k] > _NOTHING * square[k])
                known &= rough[k] > _NOTHING * square[k]
                now_fit = np.log10(fit[k]) if known else np.nan
                now_rough = np.log10(rough[k]) if known else np.nan
                if g > 0:
                    step = log10_penalties[g] - log10_penalties[g - 1]
                    change = np.hypot(now_fit - last_fit[k], now_rough - last_rough[k]) / step
                    if not found[k] and falls[k] and last_change[k] <= change:  # the place before was low
                        best[k] = -np.inf
                        chosen[k] = (log10_penalties[g - 1] + log10_penalties[g - 2]) / 2
                        found[k] = True
                    if change < best[k]:  # false where a logarithm is missing
                        best[k] = change
                        chosen[k] = (log10_penalties[g] + log10_penalties[g - 1]) / 2
                    falls[k] = g > 1 and change <= last_change[k]
                    last_change[k] = change
                last_fit[k], last_rough[k] = now_fit, now_rough
        out[start : start + width] = chosen[:width]


def smooth(
    stack: Stack,
    penalty: float | npt.ArrayLike,
    nodata: float | None = None,
    *,
    step: npt.ArrayLike | None = None,
    steps: int | None = None,
    zone: npt.NDArray[Any] | None = None,
    ends: Ends = "missing",
    least: int = LEAST,
    threads: int | None = None,
) -> Stack:
    """Smooth each series of a stack.

    stack    (dates, ...)  int16, uint16 or float32
    penalty  above 0; or (zones,) penalties, and ``zone`` says which
    nodata   the number that means "nothing was observed"; NaN and infinite were not observed either
    step     (dates,)  whole numbers from 0: the place of each date on the regular time axis of dekads, 16
             days or days, in any order; of several dates in one step the mean counts, as often as they are.
             None: the dates are the axis
    steps    length of that axis; None: to the last date
    zone     (...)  of whole numbers: index of the penalty of each series
    ends     of the steps ahead of a series' first and behind its last observation. "missing": they have no
             value, for nothing was observed that holds the curve there. "line": what minimises the sum, the
             straight continuation of the curve's end, which soon leaves the range of the observations.
             "hold": the value of the curve at the observation
    least    steps with an observation below which a series stays missing; at least 2
    returns  (steps, ...)  of the stack's type, whole numbers rounded, halves to even; gaps between
             observations are filled however long they are, so keep their length beside (windows.py)
    raises   ValueError for arrays that do not fit together
    """
    missing, flat = nodata_of(stack, nodata), flat_series(stack)
    order, first = _axis(len(flat), step, steps)
    penalties = np.atleast_1d(np.asarray(penalty, np.float64))
    if penalties.ndim != 1 or not (np.isfinite(penalties) & (penalties > 0)).all():
        raise ValueError(f"penalty is {penalties}, expected numbers above 0")
    if ends not in _ENDS or least < LEAST:
        raise ValueError(
            f"ends is {ends!r} and least {least}, expected one of {', '.join(_ENDS)} and {LEAST} or more"
        )
    zones = _zones(zone, stack.shape[1:], penalties.size)
    if zone is None and penalties.size != 1:
        raise ValueError(f"there are {penalties.size} penalties, expected one, or the zone of each series")
    out = np.empty((first.size - 1, flat.shape[1]), flat.dtype)
    whole = flat.dtype.kind != "f"
    kinds = np.iinfo(flat.dtype) if whole else np.finfo(flat.dtype)
    bounds = np.array([kinds.min, kinds.max], np.float64)
    if whole:  # a curve that runs into the code for nodata stops beside it
        bounds += [missing == kinds.min, -int(missing == kinds.max)]
    over_pixels(
        lambda begin, end: smooth_between(
            begin, end, flat, missing, order, first, penalties, zones, _ENDS[ends], least, bounds, whole, out
        ),
        flat.shape[1],
        share=_SHARE,
        threads=threads,
    )
    return out.reshape(first.size - 1, *stack.shape[1:])


def v_curve(
    stack: Stack,
    nodata: float | None = None,
    *,
    step: npt.ArrayLike | None = None,
    steps: int | None = None,
    zone: npt.NDArray[Any] | None = None,
    zones: int | None = None,
    log10_penalties: npt.ArrayLike = LOG10_PENALTIES,
    corner: Corner = "first",
    least: int = LEAST_FOR_CURVE,
    threads: int | None = None,
) -> VCurve:
    """Choose the penalty of each zone from a sample of its series.

    Along growing penalties the logarithm of the fit grows and that of the roughness falls; where both
    move least per step lies the corner of the L-curve, the least point of the V-curve (Frasso & Eilers
    2015, doi:10.1177/1471082X14549288; for NDVI: Eilers, Pesendorfer & Bonifacio 2017,
    doi:10.1109/Multi-Temp.2017.8076705). Unlike cross-validation it does not take noise that is alike
    from date to date for signal. One short series may miss its corner and take an end of the grid: the
    median over a zone's series does not mind while fewer than half do.

    A field with two crops has two corners: behind the first, noise is gone; behind the second, which is
    often the lower, one of the crops. On 2,419 surveyed fields of Fergana, 16-day NDVI (Remelgado et al.
    2020), one observation in seven kept apart is missed by 0.116 with the lowest point of each V-curve, by
    0.078 with the first, by 0.072 with the best single penalty; on Sentinel-2 NDVI in steps of 10 days by
    0.109, 0.102, 0.102 (and of 5 days, four of five empty, by 0.108, 0.114, 0.101). So the first is taken.

    stack, nodata, step, steps   as in :func:`smooth`; some hundred series of a zone are enough
    zone             (...)  of whole numbers: the zone of each series, from 0; None: all are zone 0
    zones            how many there are; None: up to the largest in ``zone``
    log10_penalties  (grid,)  increasing, two or more; found are the middles between neighbours
    corner           "first": the first point that is lower than its neighbours, else the lowest; "lowest": as
                     published
    least            steps with an observation below which a series has no say
    raises           ValueError for arrays that do not fit together
    """
    missing, flat = nodata_of(stack, nodata), flat_series(stack)
    order, first = _axis(len(flat), step, steps)
    grid = np.asarray(log10_penalties, np.float64)
    if grid.ndim != 1 or grid.size < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"log10_penalties is {grid}, expected two or more increasing numbers")
    if corner not in ("first", "lowest"):
        raise ValueError(f"corner is {corner!r}, expected first or lowest")
    lowest = corner == "lowest"
    highest = 0 if zone is None or zone.size == 0 else int(zone.max())
    number = highest + 1 if zones is None else zones
    of = _zones(zone, stack.shape[1:], number)
    each = np.empty(flat.shape[1])
    over_pixels(
        lambda begin, end: v_curves_between(
            begin, end, flat, missing, order, first, grid, least, lowest, each
        ),
        flat.shape[1],
        share=_SHARE,
        threads=threads,
    )
    found, count = np.full((3, number), np.nan), np.zeros(number, np.int64)
    for one in range(number):
        some = each[np.isfinite(each) & ((of == one) if of.size else (one == 0))]
        count[one] = some.size
        if some.size:
            found[:, one] = np.quantile(some, [0.5, 0.25, 0.75])
    return VCurve(found[0], found[1], found[2], count, each.reshape(stack.shape[1:]))


def _axis(dates: int, step: npt.ArrayLike | None, steps: int | None) -> tuple[Cells, Cells]:
    """Return the dates step by step, and where the dates of each step begin among them."""
    places = np.arange(dates) if step is None else np.asarray(step)
    if places.shape != (dates,) or places.dtype.kind not in "iu" or places.min() < 0:
        raise ValueError(f"step is {places.dtype} {places.shape}, expected ({dates},) whole numbers from 0")
    length = int(places.max()) + 1 if steps is None else steps
    if not int(places.max()) < length <= MOST_DATES:
        raise ValueError(
            f"steps is {length}, expected more than the largest step, {places.max()}, up to {MOST_DATES}"
        )
    order = np.argsort(places, kind="stable").astype(np.int64)
    first = np.searchsorted(places[order], np.arange(length + 1)).astype(np.int64)
    return order, first


def _zones(zone: npt.NDArray[Any] | None, shape: tuple[int, ...], number: int) -> npt.NDArray[Any]:
    """Return the zones as one row; empty where there are none."""
    if zone is None:
        return np.zeros(0, np.uint8)
    if zone.shape != shape or zone.dtype.kind not in "iu":
        raise ValueError(f"zone is {zone.dtype} {zone.shape}, expected whole numbers {shape}")
    if zone.size and not (zone.min() >= 0 and int(zone.max()) < number):
        raise ValueError(f"zone holds {zone.min()} to {zone.max()}, expected 0 to {number - 1}")
    return flat_numbers(zone)
