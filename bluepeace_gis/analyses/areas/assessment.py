"""From points and the areas of strata to tables: areas, accuracies and changes, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.areas import intervals
from bluepeace_gis.analyses.areas.defaults import ALL, CONFIDENCE, LEAST_POINTS
from bluepeace_gis.analyses.areas.estimation import Reals, Sample
from bluepeace_gis.errors import BadInput

AREA_COLUMNS: Final = (
    "year", "zone", "class", "map_area_ha", "area_ha", "ci_low_ha", "ci_high_ha", "wald_low_ha",
    "wald_high_ha", "users_accuracy", "producers_accuracy", "n_points",
)  # fmt: skip
ACCURACY_COLUMNS: Final = (
    "year", "zone", "class", "measure", "value", "ci_low", "ci_high", "wald_low", "wald_high", "n_points",
)  # fmt: skip
MATRIX_COLUMNS: Final = ("year", "map_class", "reference", "n_points", "share", "area_ha")
CHANGE_COLUMNS: Final = (
    "from_year", "to_year", "zone", "class", "measure", "area_ha", "ci_low_ha", "ci_high_ha", "wald_low_ha",
    "wald_high_ha", "n_points",
)  # fmt: skip
NET, GAINED, LOST = "net", "gained", "lost"

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_NAN: Final = float("nan")


@dataclass(frozen=True)
class Census:
    """What is known of every cell: the areas that the map, the strata and the zones hold.

    Parameters
    ----------
    zones, strata, classes : (str, ...)
        Names; zones may be one, the whole.
    areas_ha : (zones, strata, classes) float, hectares
        Where the map was observed and a stratum lies.
    cells : (strata,) int
        Number of those cells.
    correct_finite : bool
        Whether standard errors take into account that a stratum has only so many cells.
    random : bool
        Whether points were drawn from the whole map without strata; the strata are post-strata then.
    """

    zones: tuple[str, ...]
    strata: tuple[str, ...]
    classes: tuple[str, ...]
    areas_ha: Reals
    cells: NDArray[np.int64]
    correct_finite: bool = False
    random: bool = False


@dataclass(frozen=True)
class Points:
    """Labelled points, as positions in a census.

    zone, stratum, map_class, reference   (n,) int; reference is what an interpreter found
    """

    zone: NDArray[np.int64]
    stratum: NDArray[np.int64]
    map_class: NDArray[np.int64]
    reference: NDArray[np.int64]


@dataclass(frozen=True)
class Assessment:
    """Tables of one year.

    areas        :data:`AREA_COLUMNS`; the whole comes first, then the zones
    accuracies   :data:`ACCURACY_COLUMNS`
    matrix       :data:`MATRIX_COLUMNS`: the error matrix of the whole
    """

    areas: pd.DataFrame
    accuracies: pd.DataFrame
    matrix: pd.DataFrame


def assess(census: Census, points: Points, *, year: str = "", of_map: bool = True) -> Assessment:
    """Estimate the area of every class in the whole and in its zones, and how right the map is.

    Parameters
    ----------
    census : Census
    points : Points
        Of one year.
    year : str
        Written into the tables.
    of_map : bool
        Whether the map shows this year; areas by map and accuracies are empty otherwise.

    Returns
    -------
    Assessment
        Areas of zones add up exactly to those of the whole, and areas of classes to the observed area.

    Raises
    ------
    BadInput
        If a stratum has fewer than two points.

    Notes
    -----
    Areas and accuracies of the whole are the stratified estimates of Olofsson et al. [1]_, whose formulae
    are those of Stehman [2]_ where the strata are the classes of the map; the standard errors of post-strata
    are Cochran's [3]_. See :class:`~bluepeace_gis.analyses.areas.estimation.Sample` for zones and
    :mod:`~bluepeace_gis.analyses.areas.intervals` for the intervals; those named Wald are 1.96 standard
    errors to each side, which fail for rare classes.

    References
    ----------
    .. [1] Olofsson et al. (2013), doi:10.1016/j.rse.2012.10.031, and (2014), doi:10.1016/j.rse.2014.02.015
    .. [2] Stehman (2014), doi:10.1080/01431161.2014.930207
    .. [3] Cochran (1977), Sampling techniques, eq. 5A.42
    """
    require_points(census, points.stratum)
    classes = len(census.classes)
    sample = _sample(census, points, points.map_class * classes + points.reference)
    pair = np.arange(classes**2)
    kinds = _Kinds(pair // classes, pair % classes, classes, census.areas_ha.sum(axis=0) > 0)
    digit = float(np.spacing(2 * sample.sizes.sum()))
    mapped = _whole_digits(census.areas_ha.sum(axis=1), digit)
    estimated = np.array([sample.in_zones(kinds.found(each)) for each in range(classes)]).T
    estimated = _closed(estimated, mapped.sum(axis=1), digit)

    rows, accuracies = [], []
    whole = len(census.zones) > 1 or census.zones[0] != ALL
    places: list[int | None] = [None, *range(len(census.zones))] if whole else [None]
    for place in places:
        zone = ALL if place is None else census.zones[place]
        view = _View(sample, place)
        area_of = estimated.sum(axis=0) if place is None else estimated[place]
        map_of = mapped.sum(axis=0) if place is None else mapped[place]
        n_of = view.counts.sum(axis=0).reshape(classes, classes).sum(axis=1)
        told = _accuracies(view, kinds) if of_map else []
        accuracies += [(year, zone, ALL if each < 0 else census.classes[each], *rest) for each, *rest in told]
        value_of = {(each, measure): value for each, measure, value, *_ in told}
        for each, name in enumerate(census.classes):
            area = float(area_of[each])
            numbers = kinds.found(each)
            limits = intervals.of_share(
                view.counts @ numbers, view.counts.sum(axis=1).astype(float), view.areas
            )
            limits = intervals.around(limits, area, least=0.0, most=float(map_of.sum()))
            reach = _Z * view.standard_error(numbers)
            rows.append(
                (
                    year, zone, name, float(map_of[each]) if of_map else _NAN, area, *limits,
                    area - reach, area + reach, value_of.get((each, "users"), _NAN),
                    value_of.get((each, "producers"), _NAN), int(n_of[each]),
                )
            )  # fmt: skip
    return Assessment(
        pd.DataFrame(rows, columns=list(AREA_COLUMNS)),
        pd.DataFrame(accuracies, columns=list(ACCURACY_COLUMNS)),
        _matrix(census, sample, year),
    )


def changes(
    census: Census, points: Points, *, before: NDArray[np.int64], years: tuple[str, str]
) -> pd.DataFrame:
    """Estimate by how much the area of each class changed, from points looked at in both years.

    Parameters
    ----------
    census : Census
    points : Points
        ``reference`` is what was found in the later year.
    before : (n,) int
        What was found in the earlier one.
    years : (str, str)

    Returns
    -------
    DataFrame
        :data:`CHANGE_COLUMNS`: net change, gained and lost, for the whole and its zones. The net change is
        exactly gained minus lost.

    Raises
    ------
    BadInput
        If a stratum has fewer than two points.

    Notes
    -----
    D = sum W_h d_h with variance sum W_h^2 s_d^2 / n_h: looking at the same points twice needs a third of
    the points that two independent samples need, because most land does not change.
    """
    require_points(census, points.stratum)
    classes = len(census.classes)
    sample = _sample(census, points, before * classes + points.reference)
    pair = np.arange(classes**2)
    was, became = pair // classes, pair % classes
    digit = float(np.spacing(2 * sample.sizes.sum()))
    rows = []
    places: list[int | None] = [None]
    if len(census.zones) > 1 or census.zones[0] != ALL:
        places += range(len(census.zones))
    for each, name in enumerate(census.classes):
        gain = ((became == each) & (was != each)).astype(float)
        loss = ((was == each) & (became != each)).astype(float)
        gained, lost = (_whole_digits(sample.in_zones(numbers), digit) for numbers in (gain, loss))
        for place in places:
            view, chosen = _View(sample, place), slice(None) if place is None else slice(place, place + 1)
            plus, minus = float(gained[chosen].sum()), float(lost[chosen].sum())
            more, less = view.counts @ gain, view.counts @ loss
            rest = view.counts.sum(axis=1) - more - less
            whole = float(view.areas.sum())
            for measure, area, numbers in (
                (NET, plus - minus, gain - loss), (GAINED, plus, gain), (LOST, minus, loss),
            ):  # fmt: skip
                if measure == NET:
                    limits = intervals.interval(more, less, rest, view.areas, np.subtract)
                else:
                    limits = intervals.of_share(view.counts @ numbers, more + less + rest, view.areas)
                limits = intervals.around(limits, area, least=-whole if measure == NET else 0.0, most=whole)
                reach = _Z * view.standard_error(numbers)
                rows.append(
                    (
                        *years, ALL if place is None else census.zones[place], name, measure, area, *limits,
                        area - reach, area + reach, int((more + less + rest).sum()),
                    )
                )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))
    order = {zone: rank for rank, zone in enumerate([ALL, *census.zones])}
    return table.sort_values("zone", key=lambda zone: zone.map(order), kind="stable").reset_index(drop=True)


def independent_changes(earlier: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Compare the areas of two years whose points were drawn independently of each other.

    Parameters
    ----------
    earlier, later : DataFrame
        The ``areas`` of two :class:`Assessment` of one census.

    Returns
    -------
    DataFrame
        :data:`CHANGE_COLUMNS`, the net change only: what was gained or lost cannot be known. The limits are
        those of a difference of two estimates from the limits of each [1]_.

    References
    ----------
    .. [1] Donner and Zou (2012), doi:10.1177/0962280210379078
    """
    both = earlier.merge(later, on=["zone", "class"], suffixes=("_0", "_1"))
    net = both["area_ha_1"] - both["area_ha_0"]
    down = np.hypot(both["area_ha_1"] - both["ci_low_ha_1"], both["ci_high_ha_0"] - both["area_ha_0"])
    up = np.hypot(both["ci_high_ha_1"] - both["area_ha_1"], both["area_ha_0"] - both["ci_low_ha_0"])
    reach_0, reach_1 = (both[f"wald_high_ha_{side}"] - both[f"area_ha_{side}"] for side in (0, 1))
    reach = np.hypot(reach_0, reach_1)
    points = both.groupby("zone")[["n_points_0", "n_points_1"]].transform("sum").sum(axis=1)
    columns = (both["year_0"], both["year_1"], both["zone"], both["class"], NET, net, net - down, net + up)
    rest = (net - reach, net + reach, points)
    return pd.DataFrame(dict(zip(CHANGE_COLUMNS, (*columns, *rest), strict=True)))


def require_points(census: Census, stratum: NDArray[np.int64]) -> None:
    """Refuse strata without the points from which their spread can be seen.

    Parameters
    ----------
    census : Census
    stratum : (n,) int
        Of the points.

    Raises
    ------
    BadInput
        Naming the strata.
    """
    count = np.bincount(stratum, minlength=len(census.strata))
    poor = np.flatnonzero(count < LEAST_POINTS)
    if not len(poor):
        return
    told = ", ".join(f'"{census.strata[which]}" has {count[which]}' for which in poor[:5])
    whole = census.areas_ha.sum()
    lost = census.areas_ha.sum(axis=(0, 2))[poor].sum() / whole * 100
    raise BadInput(
        f"Each stratum needs {LEAST_POINTS} or more labelled points, of which its spread is seen, but {told} "
        f"({lost:.3g} % of the area). Label points there, or draw a sample with `bluepeace sample-points`."
    )


# Within


@dataclass(frozen=True)
class _Kinds:
    """Kinds of points: what the map says and what was found, (classes ** 2,) each."""

    mapped: NDArray[np.int64]
    reference: NDArray[np.int64]
    classes: int
    holds: NDArray[np.bool_]  # (strata, classes): which classes of the map a stratum has cells of

    def found(self, each: int) -> Reals:
        return np.asarray(self.reference == each, np.float64)

    def called(self, each: int) -> Reals:
        return np.asarray(self.mapped == each, np.float64)

    def both(self, each: int) -> Reals:
        return self.found(each) * self.called(each)

    def right(self) -> Reals:
        return np.asarray(self.mapped == self.reference, np.float64)


class _View:
    """The points and areas of the whole, or of one of its zones."""

    def __init__(self, sample: Sample, zone: int | None) -> None:
        self.sample, self.zone = sample, zone
        self.counts = sample.counts.sum(axis=0) if zone is None else sample.counts[zone]
        self.areas = sample.sizes if zone is None else sample.areas[zone]

    def total(self, numbers: Reals) -> float:
        if self.zone is None:
            return self.sample.total(numbers)
        return float(self.sample.in_zones(numbers)[self.zone])

    def standard_error(self, numbers: Reals) -> float:
        if self.zone is None:
            return self.sample.standard_error(numbers)
        return float(self.sample.standard_errors_in_zones(numbers)[self.zone])


def _sample(census: Census, points: Points, kind: NDArray[np.int64]) -> Sample:
    shape = (len(census.zones), len(census.strata), len(census.classes) ** 2)
    place = np.ravel_multi_index((points.zone, points.stratum, kind), shape)
    counts = np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)
    cells = census.cells if census.correct_finite or census.random else None
    return Sample(counts, census.areas_ha.sum(axis=2), cells, census.random)


def _accuracies(view: _View, kinds: _Kinds) -> list[tuple[Any, ...]]:
    """List (class or -1, measure, value, limits, Wald limits, points) of one place."""
    rows: list[tuple[Any, ...]] = []
    counts, everything = view.counts, float(view.areas.sum())
    if everything > 0 and counts.sum():
        right = kinds.right()
        value = view.total(right) / everything
        limits = intervals.of_share(counts @ right, counts.sum(axis=1).astype(float), view.areas / everything)
        rows.append(
            (-1, "overall", *_told(value, limits, view.standard_error(right) / everything), int(counts.sum()))
        )
    for each in range(kinds.classes):
        both, called, found = kinds.both(each), kinds.called(each), kinds.found(each)
        holds, others = kinds.holds[:, each], np.delete(kinds.holds, each, axis=1).any(axis=1)
        for measure, whole, possible in (
            ("users", called, (holds, holds)), ("producers", found, (holds, others)),
        ):  # fmt: skip
            points = float((counts @ whole).sum())
            size = view.total(whole)
            if points == 0 or size <= 0:
                continue
            value = view.total(both) / size
            more, less = counts @ both, counts @ (whole - both)
            limits = intervals.interval(
                more, less, counts.sum(axis=1) - more - less, view.areas, _part,
                possible=(possible[0].astype(float), possible[1].astype(float)),
            )  # fmt: skip
            error = view.standard_error(both - value * whole) / size
            rows.append((each, measure, *_told(value, limits, error), int(points)))
    return rows


def _part(inside: Reals, beside: Reals) -> Reals:
    with np.errstate(invalid="ignore"):
        share: Reals = inside / (inside + beside)
    return share


def _told(value: float, limits: intervals.Interval, error: float) -> tuple[float, float, float, float, float]:
    reach = _Z * error
    low, high = intervals.around(limits, value, least=0.0, most=1.0)
    return value, low, high, value - reach, value + reach


def _matrix(census: Census, sample: Sample, year: str) -> pd.DataFrame:
    classes = len(census.classes)
    areas = sample.sizes @ sample.shares
    counts = sample.counts.sum(axis=(0, 1))
    rows = [
        (
            year, census.classes[kind // classes], census.classes[kind % classes], int(counts[kind]),
            float(areas[kind] / areas.sum()), float(areas[kind]),
        )
        for kind in range(classes**2)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(MATRIX_COLUMNS))


def _whole_digits(values: Reals, digit: float) -> Reals:
    """Round to multiples of one binary digit, so that no sum of them is rounded, in any order."""
    rounded: Reals = np.rint(values / digit) * digit
    return rounded


def _closed(parts: Reals, totals: Reals, digit: float) -> Reals:
    """Round parts (zones, classes) that each row adds up to its total; its largest takes the rest."""
    closed = _whole_digits(parts, digit)
    largest = closed.argmax(axis=1)
    closed[np.arange(len(closed)), largest] += totals - closed.sum(axis=1)
    return closed


def listed(names: Sequence[str]) -> str:
    """Return names for a sentence, the first five of them."""
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
