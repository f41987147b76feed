"""Intervals hold: in repeated samples of a known land, 95 of 100 intervals hold the truth.

Each design is asked for in as many samples as a test may take; the measured shares of 4,000 samples of each
stand beside it. Rare classes are the hard ones: Wald's interval is there to be seen failing.
"""

from typing import NamedTuple

import numpy as np
import pytest

from bluepeace_gis.analyses.areas import Census, assess, changes, intervals
from bluepeace_gis.analyses.areas.assessment import Points

SAMPLES = 300
LEAST = 0.93
# An accuracy is the share of one class's points: Jeffreys' interval for a single share swings about the
# nominal with the share and the number of points (Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286).
LEAST_OF_ACCURACIES = 0.89
DISTRICT = 1 / 10  # of each stratum: a tenth of 400 points is the district with 40


class Land(NamedTuple):
    """Strata, each a class of the map but those after the last class (buffers), and what is true in them."""

    areas: list  # of strata
    points: list
    truth: list  # (strata, classes) shares
    here: list | None = None  # the same in a district that is other than the rest
    random: bool = False


def two(*shares):
    """Truth of two classes by the share of the first."""
    return [[share, 1 - share] for share in shares]


LANDS = {
    # a stratum of 2 % with a class that is nearly or quite missing elsewhere
    "2 % stratum": Land([2, 98], [50, 300], two(0.8, 0.001)),
    "2 % stratum, omissions": Land([2, 98], [50, 300], two(0.7, 0.003)),
    "2 % stratum, no omissions": Land([2, 98], [50, 300], two(0.8, 0)),
    # Olofsson et al. (2014), section 5: weights, points and what was found
    "four classes": Land(
        [2, 1.5, 32, 64.5],
        [75, 75, 165, 325],
        [
            [0.88, 0, 0.067, 0.053],
            [0, 0.733, 0.107, 0.16],
            [0.006, 0, 0.927, 0.067],
            [0.006, 0.003, 0.028, 0.963],
        ],
    ),
    "buffer": Land([2, 90, 8], [50, 200, 50], two(0.8, 0.001, 0.05)),
    "two halves": Land([50, 50], [50, 50], two(0.01, 0.02)),
    "even": Land([50, 50], [30, 30], two(0.5, 0.3)),
    "ten strata of a rare class": Land([10] * 10, [50] * 10, two(*[0.002] * 10)),
    "post-strata": Land([10, 90], [400], two(0.85, 0.02), random=True),
    "post-strata, 2 %": Land([2, 98], [900], two(0.8, 0.003), random=True),
    "district": Land([35, 60, 5], [140, 200, 60], two(0.9, 0.05, 0.3)),
    "district, worse map": Land([35, 60, 5], [140, 200, 60], two(0.92, 0.03, 0.25), two(0.7, 0.12, 0.5)),
    "district, 2 % stratum": Land([2, 93, 5], [50, 300, 50], two(0.8, 0.005, 0.05)),
    "district, five strata": Land([20] * 5, [80] * 5, two(0.9, 0.1, 0.02, 0.05, 0)),
}


def drawn(land, random):
    """Draw one sample: zone, stratum and what was found, of a district and the rest."""
    sizes = np.array(land.areas, float)
    counts = land.points
    if land.random:
        counts = random.multinomial(land.points[0], sizes / sizes.sum())
    stratum = np.repeat(np.arange(len(sizes)), counts)
    zone = (random.random(len(stratum)) >= DISTRICT).astype(int)
    truth = np.array([land.here or land.truth, land.truth])  # (zones, strata, classes)
    steps = truth[zone, stratum].cumsum(axis=1)
    found = (random.random((len(stratum), 1)) > steps).sum(axis=1)
    return zone, stratum, np.minimum(found, truth.shape[2] - 1), truth


def covered(land, samples, *, zones, seed=20_240_501):
    """Count how often the truth lies in the intervals of (area, Wald, users, producers, overall)."""
    random = np.random.default_rng(seed)
    sizes, classes = np.array(land.areas, float), len(land.truth[0])
    # the map calls a stratum by its class; of a buffer, by the second
    mapped = np.array([which if which < classes else 1 for which in range(len(sizes))])
    areas = np.zeros((2, len(sizes), classes))
    areas[0, np.arange(len(sizes)), mapped] = sizes * DISTRICT
    areas[1, np.arange(len(sizes)), mapped] = sizes * (1 - DISTRICT)
    names = tuple(f"class {which}" for which in range(classes))
    census = Census(
        ("district", "rest") if zones else ("all",),
        tuple(f"stratum {which}" for which in range(len(sizes))),
        names,
        areas if zones else areas.sum(axis=0, keepdims=True),
        np.full(len(sizes), 10**9),
        random=land.random,
    )
    shown = "district" if zones else "all"
    hits = []
    for _ in range(samples):
        zone, stratum, found, truth = drawn(land, random)
        points = Points(zone if zones else 0 * zone, stratum, mapped[stratum], found)
        answer = assess(census, points)
        row = answer.areas[answer.areas["zone"] == shown].iloc[0]
        part = (areas[:1] if zones else areas)[:, :, mapped][:, np.arange(len(sizes)), np.arange(len(sizes))]
        of_first = (part * truth[: len(part), :, 0]).sum()
        right = (part * np.take_along_axis(truth[: len(part)], mapped[None, :, None], axis=2)[..., 0]).sum()
        first = mapped == 0
        both = (part * truth[: len(part), :, 0])[:, first].sum()
        told = answer.accuracies[answer.accuracies["zone"] == shown].set_index(["class", "measure"])
        hit = [
            row["ci_low_ha"] <= of_first <= row["ci_high_ha"],
            row["wald_low_ha"] <= of_first <= row["wald_high_ha"],
            row["ci_low_ha"] < row["ci_high_ha"],
        ]
        for key, value in (
            (("class 0", "users"), both / part[:, first].sum()),
            (("class 0", "producers"), both / of_first),
            (("all", "overall"), right / part.sum()),
        ):
            if key in told.index:
                hit.append(told.loc[key, "ci_low"] <= value <= told.loc[key, "ci_high"])
            else:
                hit.append(np.nan)  # no point, no accuracy
        hits.append(hit)
    return np.nanmean(np.array(hits, float), axis=0)


@pytest.fixture
def fewer_draws(monkeypatch):
    """A tenth of the draws: limits that shake by a percent of their width cover no less."""
    monkeypatch.setattr(intervals, "DRAWS", 2_000)


@pytest.mark.parametrize("name", LANDS)
def test_intervals_hold_the_truth(name, fewer_draws):
    area, _, wide, users, producers, overall = covered(
        LANDS[name], SAMPLES, zones=name.startswith("district")
    )
    assert wide == 1  # never a width of nothing
    assert area >= LEAST
    assert min(users, producers, overall) >= LEAST_OF_ACCURACIES


def test_walds_interval_is_why_there_is_another(fewer_draws):
    area, wald, *_ = covered(LANDS["2 % stratum, omissions"], SAMPLES, zones=False)
    assert wald < 0.8
    assert area >= LEAST


# A panel: (areas, points, gain and loss of the class in each stratum)
PANELS = {
    "rare loss": ([30, 70], [100, 200], [(0.0, 0.03), (0.004, 0.0)]),
    "gain and loss": ([30, 65, 5], [120, 180, 50], [(0.02, 0.1), (0.05, 0.01), (0.2, 0.1)]),
    "no change": ([30, 70], [100, 200], [(0.0, 0.0), (0.0, 0.0)]),
}


def covered_change(panel, samples, seed=7):
    sizes, counts, rates = panel
    random = np.random.default_rng(seed)
    strata = np.repeat(np.arange(len(sizes)), counts)
    census = Census(
        ("all",), tuple("abc"[: len(sizes)]), ("in", "out"),
        np.stack([np.array(sizes, float), np.zeros(len(sizes))], axis=1)[np.newaxis],
        np.full(len(sizes), 10**9),
    )  # fmt: skip
    gain, loss = np.array(rates).T
    truth = {
        "net": (gain - loss) @ sizes, "gained": gain @ sizes, "lost": loss @ sizes,
    }  # fmt: skip
    hits = []
    for _ in range(samples):
        chance = random.random(len(strata))
        gained = chance < gain[strata]
        lost = ~gained & (chance < (gain + loss)[strata])
        stays = random.integers(0, 2, len(strata))
        before = np.where(gained, 1, np.where(lost, 0, stays))
        after = np.where(gained, 0, np.where(lost, 1, stays))
        points = Points(0 * strata, strata, 0 * strata, after)
        table = changes(census, points, before=before, years=("2015", "2024"))
        table = table[table["class"] == "in"].set_index("measure")
        hits.append(
            [
                table.loc[name, "ci_low_ha"] <= value <= table.loc[name, "ci_high_ha"]
                for name, value in truth.items()
            ]
        )
        assert (table["ci_low_ha"] < table["ci_high_ha"]).all()
    return np.mean(hits, axis=0)


@pytest.mark.parametrize("name", PANELS)
def test_intervals_of_change_hold_the_truth(name, fewer_draws):
    assert (covered_change(PANELS[name], SAMPLES) >= LEAST).all()
