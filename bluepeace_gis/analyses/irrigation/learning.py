"""The supervised option: a forest on the same description of the curves, judged where it was not trained.

scikit-learn comes with the extra ``learn`` and is imported only here, when it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation import defaults
from bluepeace_gis.analyses.irrigation.defaults import (
    IRRIGATED,
    NO_SEASON,
    NOT_IRRIGATED,
    NOT_OBSERVED,
    OUTSIDE,
)
from bluepeace_gis.analyses.irrigation.rule import Cropped, levels
from bluepeace_gis.errors import BadInput
from bluepeace_gis.kernels.humps import Humps
from bluepeace_gis.kernels.normalized import NODATA, STEPS

Codes = NDArray[np.uint8]
Reals = NDArray[np.float64]

# What the forest sees of a curve. Never coordinates: a tree that knows where it stands knows the fields it
# was shown by their place, and nothing of the next valley.
FEATURES: Final = (
    "spring", "summer", "trough", "soil", "rise_day", "fall_day", "spring_contrast", "summer_contrast",
)  # fmt: skip
TREES: Final = 300
LEAF_LEAST: Final = 5
SEED: Final = 20_140_217
FOLDS: Final = 5
# Fewer fields, or fewer of a class, teach nothing that holds elsewhere.
LEAST_FIELDS: Final = 50
LEAST_OF_A_CLASS: Final = 5

RANDOM, BY_REGION, BY_YEAR = "random", "region left out", "year left out"


def features(found: Humps, *more: Reals) -> Reals:
    """Lay out what the rule asks about curves as a table.

    Parameters
    ----------
    found : Humps
        From :func:`.rule.described`.
    *more : (...) float
        What else may tell fields apart: slope, elevation, rain deficit; not coordinates.

    Returns
    -------
    (n, features) float
        :data:`FEATURES` in NDVI and days, then ``more``; NaN where there is none.

    Raises
    ------
    BadInput
        If ``more`` has another shape.
    """
    spring, summer, trough, soil, rise, fall = (
        np.where(values == NODATA, np.nan, values.astype(np.float64)).ravel()
        for values in (found.first, found.second, found.trough, found.base, found.rise, found.fall)
    )
    for values in more:
        if values.shape != found.first.shape:
            raise BadInput(
                f"Found a feature {values.shape}; expected {found.first.shape}, that of the curves."
            )
    table: Reals = np.column_stack(
        [
            *(each / STEPS for each in (spring, summer, trough, soil)),
            rise,
            fall,
            (spring - soil) / STEPS,
            (summer - soil) / STEPS,
            *(np.asarray(values, np.float64).ravel() for values in more),
        ]
    )
    return table


@dataclass(frozen=True)
class Learned:
    """A forest and what is known of it.

    Parameters
    ----------
    model : a fitted classifier of scikit-learn
    scores : DataFrame
        One row each for random folds, for regions and for years left out: ``left_out``, ``groups``,
        ``accuracy`` and ``rule_accuracy`` (share of fields with the right season), ``fallow_cropped_pct`` and
        ``rule_fallow_cropped_pct``.
    warnings : (str, ...)
        Where the plain rule does better away from the samples, or nothing can be said.
    """

    model: Any
    scores: pd.DataFrame
    warnings: tuple[str, ...]


def learn(
    table: Reals,
    season: Codes,
    by_rule: Codes,
    *,
    region: Sequence[Any] | NDArray[Any] | None = None,
    year: Sequence[Any] | NDArray[Any] | None = None,
) -> Learned:
    """Train a forest on sampled fields and judge it away from them.

    Parameters
    ----------
    table : (n, features) float
        From :func:`features`.
    season : (n,) uint8
        What stood there: 0 fallow, 1 winter, 2 summer, 3 double, 4 permanent.
    by_rule : (n,) uint8
        What the plain rule says of the same fields.
    region, year : (n,) of any
        Where and when each was sampled. Random folds put neighbours on both sides and flatter any model;
        what counts for a map of other land are the scores with regions and years left out.

    Returns
    -------
    Learned

    Raises
    ------
    BadInput
        If scikit-learn is not installed, lengths differ, codes are none of the seasons, or there are too few
        samples.

    Notes
    -----
    Random forest [1]_ with balanced classes, so that rare fallow is not given up for accuracy. On the
    surveyed fields of three regions (:mod:`.defaults`) it is right for 0.91 by random folds, for 0.84 with
    years and 0.57 with regions left out; the plain rule for 0.89 wherever they lie.

    References
    ----------
    .. [1] Breiman (2001), doi:10.1023/A:1010933404324
    """
    _check(table, season, by_rule)
    splits = {RANDOM: _random_folds(season)}
    for name, groups in ((BY_REGION, region), (BY_YEAR, year)):
        if groups is not None:
            if len(groups) != len(season):
                raise BadInput(
                    f"Found {len(groups)} names for '{name}'; expected {len(season)}, one a sample."
                )
            splits[name] = np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    rows, warnings = [], []
    for name, fold in splits.items():
        count = int(fold.max()) + 1
        if count < 2:
            warnings.append(f"All samples are of one group for '{name}': nothing is known of other ones.")
            continue
        told = np.full(len(season), NO_SEASON, np.uint8)
        untaught = 0
        for one in range(count):
            there = fold == one
            untaught += int(not (season[~there] == NO_SEASON).any())
            told[there] = _forest().fit(table[~there], season[~there]).predict(table[there])
        if untaught:
            warnings.append(
                f"With {name} {untaught} of {count} times no fallow was left to learn from: sample it in "
                "more than one."
            )
        forest, rule = _scores(season, told), _scores(season, by_rule)
        rows.append((name, count, forest[0], rule[0], forest[1], rule[1]))
        if name != RANDOM and (rule[0] > forest[0] or rule[1] < forest[1]):
            warnings.append(
                f"With {name} the plain rule is right for {100 * rule[0]:.1f} % of the fields and calls "
                f"{rule[1]:.1f} % of fallow cropped, the trained model {100 * forest[0]:.1f} % and "
                f"{forest[1]:.1f} %: away from the samples the rule is the safer map."
            )
    if not {BY_REGION, BY_YEAR} & set(splits):
        warnings.append(
            "No regions or years are given: how the model does away from its samples is not known."
        )
    scores = pd.DataFrame(
        rows,
        columns=[
            "left_out", "groups", "accuracy", "rule_accuracy", "fallow_cropped_pct",
            "rule_fallow_cropped_pct",
        ],
    )  # fmt: skip
    return Learned(_forest().fit(table, season), scores, tuple(warnings))


def ever_green(found: Humps, *, green: float = defaults.GREEN_RANGE[0]) -> NDArray[np.bool_]:
    """Tell where anything was ever green, so that the forest is asked of little else than fields.

    Parameters
    ----------
    found : Humps
    green : float, NDVI
        The level of either season from which on land is asked about.

    Returns
    -------
    (...) bool
    """
    mask: NDArray[np.bool_] = levels(found) >= round(green * STEPS)
    return mask


def predict(learned: Learned, found: Humps, by_rule: Cropped, *more: Reals) -> tuple[Codes, Codes]:
    """Map seasons by a trained forest.

    Parameters
    ----------
    learned : Learned
    found : Humps
    by_rule : Cropped
        What the rule says of the same cells: what it calls not observed stays so, and what was never green is
        not irrigated without asking the forest.
    *more : (...) float
        As when it was trained.

    Returns
    -------
    state, season : (...) uint8
    """
    asked = ever_green(found) & ~np.isin(by_rule.state, (NOT_OBSERVED, OUTSIDE))
    state, season = by_rule.state.copy(), by_rule.season.copy()
    decided = ~np.isin(state, (NOT_OBSERVED, OUTSIDE))
    state[decided], season[decided] = NOT_IRRIGATED, NO_SEASON
    if asked.any():
        told = learned.model.predict(features(found, *more)[asked.ravel()])
        season[asked] = told
        state[asked] = np.where(told == NO_SEASON, NOT_IRRIGATED, IRRIGATED)
    return state, season


def _forest() -> Any:
    try:
        ensemble, impute, pipeline = (
            import_module(f"sklearn.{name}") for name in ("ensemble", "impute", "pipeline")
        )
    except ImportError as error:
        raise BadInput(
            "Learning from samples needs scikit-learn, which is not installed; expected the extra: "
            'pip install "bluepeace-gis[learn]". Without it the plain rule makes the map.'
        ) from error
    # what is missing is far below anything seen: trees cut it off by itself
    return pipeline.make_pipeline(
        impute.SimpleImputer(strategy="constant", fill_value=-2.0),
        ensemble.RandomForestClassifier(
            TREES, min_samples_leaf=LEAF_LEAST, class_weight="balanced", random_state=SEED, n_jobs=1
        ),
    )


def _random_folds(season: Codes) -> NDArray[np.int64]:
    """Folds (n,) with each season in equal parts, the same for the same samples."""
    order = np.random.default_rng(SEED).permutation(len(season))
    ranked = order[np.argsort(season[order], kind="stable")]
    fold = np.empty(len(season), np.int64)
    fold[ranked] = np.arange(len(season)) % FOLDS
    return fold


def _scores(season: Codes, told: Codes) -> tuple[float, float]:
    fallow = season == NO_SEASON
    cropped_pct = 100 * float((told[fallow] != NO_SEASON).mean()) if fallow.any() else 0.0
    return float((season == told).mean()), cropped_pct


def _check(table: Reals, season: Codes, by_rule: Codes) -> None:
    if not len(table) == len(season) == len(by_rule):
        raise BadInput(
            f"Found {len(table)} rows of features, {len(season)} seasons and {len(by_rule)} answers of the "
            "rule; expected one of each for a sample."
        )
    if len(season) < LEAST_FIELDS:
        raise BadInput(f"Found {len(season)} samples; expected {LEAST_FIELDS} or more. Use the plain rule.")
    wrong = set(np.unique(season).tolist()) - set(range(5))
    if wrong:
        raise BadInput(
            f"Found the seasons {sorted(wrong)} among the samples; expected 0 (fallow) to 4 (permanent)."
        )
    values, counts = np.unique(season, return_counts=True)
    if len(values) < 2 or NO_SEASON not in values:
        raise BadInput(
            f"The samples hold the seasons {values.tolist()} only; expected fallow (0) and one other at "
            "least: what was never shown is never found."
        )
    if counts.min() < LEAST_OF_A_CLASS:
        raise BadInput(
            f"Season {int(values[counts.argmin()])} has {int(counts.min())} samples; expected "
            f"{LEAST_OF_A_CLASS} or more of each. Add some, or leave it out."
        )
