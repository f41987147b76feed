"""The supervised option: what it is taught by, how it is judged, and what it says without its extra."""

import sys

import numpy as np
import pytest

from bluepeace_gis.analyses.irrigation import classify, described, learning, seasons
from bluepeace_gis.errors import BadInput
from bluepeace_gis.kernels.normalized import NODATA

DAYS = np.arange(1, 354, 16)
TABLE = seasons.shipped()
PEAKS = {1: [(118, 38)], 2: [(225, 40)], 3: [(118, 34), (240, 28)], 4: [(185, 90)]}


def samples(count=200, seed=0, weeds=0.0):
    """NDVI (dates, n) of fields of each season, and the seasons; fallow bears ``weeds``."""
    chance = np.random.default_rng(seed)
    season = chance.integers(0, 5, count).astype(np.uint8)
    curves = np.full((DAYS.size, count), 1500.0)
    for k, code in enumerate(season.tolist()):
        peaks = PEAKS.get(code, [(190, 80)])
        top = chance.uniform(0.55, 0.8) if code else weeds
        for day, width in peaks:
            bump = 1500 + (1e4 * top - 1500) * np.exp(-(((DAYS - day - chance.normal(0, 5)) / width) ** 2))
            curves[:, k] = np.maximum(curves[:, k], bump)
    return np.rint(curves + chance.normal(0, 150, curves.shape)).astype(np.int16), season


def test_features_are_ndvi_and_days_and_gaps_stay_gaps():
    ndvi, _ = samples(4)
    ndvi[:, 3] = NODATA
    slope = np.array([1.0, 2.0, 3.0, np.nan])
    found = described(ndvi, DAYS, TABLE)
    table = learning.features(found, slope)
    assert table.shape == (4, len(learning.FEATURES) + 1)
    assert table[0, 0] == found.first[0] / 1e4
    assert table[0, 6] == pytest.approx((int(found.first[0]) - int(found.base[0])) / 1e4)
    assert np.isnan(table[3]).all()
    assert table[:3, -1].tolist() == [1, 2, 3]
    with pytest.raises(BadInput, match="feature"):
        learning.features(found, slope[:2])


def test_without_the_extra_the_way_out_is_said(monkeypatch):
    ndvi, season = samples()
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(BadInput, match=r"bluepeace-gis\[learn\]"):
        learning.learn(learning.features(described(ndvi, DAYS, TABLE)), season, season)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table, season: (table[:-1], season), "199 rows"),
        (lambda table, season: (table[:40], season[:40]), "40 samples"),
        (lambda table, season: (table, np.where(season == 4, 7, season).astype(np.uint8)), "7"),
        (lambda table, season: (table, np.maximum(season, 1)), "fallow"),
        (lambda table, season: (table, np.full_like(season, 0)), "one other"),
        (
            lambda table, season: (table, np.where(np.arange(200) < 3, 4, season % 4).astype(np.uint8)),
            "3 samples",
        ),
    ],
)
def test_samples_that_teach_nothing_are_refused(change, said):
    ndvi, season = samples()
    table, season = change(learning.features(described(ndvi, DAYS, TABLE)), season)
    with pytest.raises(BadInput, match=said):
        learning.learn(table, season, season)


def test_random_folds_hold_each_season_in_equal_parts():
    _, season = samples(203)
    fold = learning._random_folds(season)
    assert np.array_equal(fold, learning._random_folds(season))
    for code in range(5):
        counts = np.bincount(fold[season == code], minlength=learning.FOLDS)
        assert counts.max() - counts.min() <= 1


@pytest.fixture
def quick(monkeypatch):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: the extra `learn` brings it")
    monkeypatch.setattr(learning, "TREES", 20)


def test_a_forest_learns_and_is_the_same_each_time(quick):
    ndvi, season = samples()
    found = described(ndvi, DAYS, TABLE)
    made = classify(ndvi, DAYS, TABLE)
    year = np.arange(200) % 2
    learned = learning.learn(learning.features(found), season, made.season, year=year)
    assert learned.scores["left_out"].tolist() == [learning.RANDOM, learning.BY_YEAR]
    assert (learned.scores["accuracy"] > 0.9).all()
    new, truth = samples(100, seed=1)
    new[:, :5] = NODATA
    again = learning.learn(learning.features(found), season, made.season, year=year)
    assert again.scores.equals(learned.scores)
    states, labels = learning.predict(learned, described(new, DAYS, TABLE), classify(new, DAYS, TABLE))
    assert (states[:5] == 0).all()  # not observed stays so
    assert (labels[5:] == truth[5:]).mean() > 0.9
    assert ((states == 3) == (labels > 0)).all()


def test_it_is_said_when_the_rule_does_better_elsewhere(quick):
    here, season_here = samples(150, seed=2)
    there, season_there = samples(150, seed=3, weeds=0.33)  # fallow bears weeds in the other region
    ndvi, season = np.hstack([here, there]), np.concatenate([season_here, season_there])
    made = classify(ndvi, DAYS, TABLE)
    region = np.repeat(["A", "B"], 150)
    learned = learning.learn(
        learning.features(described(ndvi, DAYS, TABLE)), season, made.season, region=region
    )
    row = learned.scores.set_index("left_out")
    assert row.loc[learning.BY_REGION, "rule_accuracy"] > row.loc[learning.BY_REGION, "accuracy"]
    assert any("the rule is the safer map" in text for text in learned.warnings)


def test_one_region_or_none_tells_nothing_of_others(quick):
    ndvi, season = samples()
    table = learning.features(described(ndvi, DAYS, TABLE))
    assert "not known" in learning.learn(table, season, season).warnings[0]
    one = learning.learn(table, season, season, region=np.full(200, "A"))
    assert "one group" in one.warnings[0]
    fallow = np.where(season == 0, "A", "B")
    assert any("no fallow" in text for text in learning.learn(table, season, season, region=fallow).warnings)
    with pytest.raises(BadInput, match="3 names"):
        learning.learn(table, season, season, year=[1, 2, 3])
