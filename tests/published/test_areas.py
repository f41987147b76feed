"""Areas, accuracies and standard errors as they stand in papers, and sample sizes."""

import json
from statistics import NormalDist

import numpy as np
import pytest

from bluepeace_gis.analyses.areas import Census, Stratum, allocate, assess, design, sample_size
from bluepeace_gis.analyses.areas.assessment import Points

Z = NormalDist().inv_cdf(0.975)
EXACT = 1e-6


def points_of(counts):
    """The points of an error matrix whose rows are the strata."""
    stratum, found = (
        np.repeat(index, np.ravel(counts)) for index in np.indices(np.shape(counts)).reshape(2, -1)
    )
    return Points(0 * stratum, stratum, stratum, found)


def assessed(counts, areas_ha, names=None):
    classes = tuple(names or "abcdefgh"[: len(areas_ha)])
    census = Census(
        ("all",),
        classes,
        classes,
        np.diag(np.asarray(areas_ha, float))[np.newaxis],
        np.full(len(areas_ha), 10**7),
    )
    return assess(census, points_of(counts))


def measured(answer, measure):
    table = answer.accuracies[answer.accuracies["measure"] == measure]
    return table["value"].to_numpy(), ((table["wald_high"] - table["value"]) / Z).to_numpy()


# Olofsson et al. (2014), doi:10.1016/j.rse.2014.02.015, tables 8 and 9: deforestation, forest gain, stable
# forest, stable non-forest; 10,000,000 pixels of 30 m.
COUNTS_2014 = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
WEIGHTS_2014 = np.array([0.02, 0.015, 0.32, 0.645])


def test_the_example_of_2014_to_its_printed_digits():
    answer = assessed(COUNTS_2014, WEIGHTS_2014 * 900_000)
    areas = answer.areas
    reach = (areas["wald_high_ha"] - areas["area_ha"]).to_numpy()
    np.testing.assert_allclose(areas["area_ha"], [21_158, 11_686, 285_770, 581_386], atol=0.5)
    np.testing.assert_allclose(reach, [6_158, 3_756, 15_510, 16_282], atol=1)
    users, producers, overall = (measured(answer, name) for name in ("users", "producers", "overall"))
    np.testing.assert_allclose(users[0], [0.88, 0.73, 0.93, 0.96], atol=0.005)
    np.testing.assert_allclose(Z * users[1], [0.07, 0.10, 0.04, 0.02], atol=0.0051)
    np.testing.assert_allclose(producers[0], [0.75, 0.85, 0.93, 0.96], atol=0.005)
    assert producers[1][0] == pytest.approx(0.1088, abs=5e-5)  # with one total for both it would be 0.1279
    assert (overall[0][0], Z * overall[1][0]) == pytest.approx((0.95, 0.02), abs=0.005)


# The same paper, section 5.1.1 and table 5: expected user's accuracies and a standard error of 0.01.
USERS_2014 = [0.7, 0.6, 0.9, 0.95]


def test_the_sample_size_of_2014():
    assert np.ceil(sample_size(WEIGHTS_2014.tolist(), USERS_2014, 0.01)) == 641


def test_rare_strata_get_their_floor_and_the_rest_is_shared_by_neyman():
    strata = [
        Stratum(code, f"stratum {code}", weight * 900_000, round(weight * 1e7), accuracy)
        for code, (weight, accuracy) in enumerate(zip(WEIGHTS_2014, USERS_2014, strict=True))
    ]
    # the floors of table 5 ("Alloc3" gives 50 to each rare class); 541 are left for W S of the others
    pull = [0.32 * 0.3, 0.645 * np.sqrt(0.95 * 0.05)]
    expected = [541 * part / sum(pull) for part in pull]
    found = allocate(strata, 641, floor=50)
    assert found[:2] == [50, 50]
    assert found[2:] == pytest.approx(expected, abs=0.5)
    assert sum(found) == 641


# Olofsson et al. (2013), doi:10.1016/j.rse.2012.10.031, example 1: deforestation, stable forest, stable
# non-forest; areas in hectares.
def test_the_example_of_2013_to_its_printed_digits():
    answer = assessed([[97, 0, 3], [3, 279, 18], [2, 1, 97]], [22_353, 1_122_543, 610_228])
    row = answer.areas.iloc[0]
    assert row["area_ha"] == pytest.approx(45_112, abs=0.5)
    assert (row["wald_high_ha"] - row["area_ha"]) / Z * 2 == pytest.approx(
        21_502.8, abs=0.5
    )  # twice the error


# Stehman (2014), doi:10.1080/01431161.2014.930207, table 2 and pages 4932 to 4936: forty points of four
# strata that are not the classes of the map.
STEHMAN = {
    "cells": [40_000, 30_000, 20_000, 10_000],
    "strata": "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10,
    "map": "A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "B" * 2 + "D" * 10,
    "reference": "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB",
}


def stehman():
    stratum, mapped, found = (
        np.array(["ABCD".index(letter) for letter in STEHMAN[name]])
        for name in ("strata", "map", "reference")
    )
    cells = np.array(STEHMAN["cells"])
    # which classes the map has in a stratum changes no estimate; each has some of all
    areas = np.repeat(cells[:, np.newaxis] / 4.0, 4, axis=1)[np.newaxis]
    census = Census(("all",), tuple("ABCD"), tuple("ABCD"), areas, cells, correct_finite=True)
    return assess(census, Points(0 * stratum, stratum, mapped, found))


def test_the_example_of_stehman_to_its_printed_digits():
    answer = stehman()
    assert answer.areas["area_ha"].to_numpy() / 1e5 == pytest.approx([0.35, 0.34, 0.20, 0.11])
    users, producers, overall = (measured(answer, name) for name in ("users", "producers", "overall"))
    np.testing.assert_allclose(users[0], [0.742, 0.574, 0.5, 0.7], atol=0.0005)
    np.testing.assert_allclose(users[1], [0.165, 0.125, 0.215, 0.153], atol=0.0005)
    np.testing.assert_allclose(producers[0], [0.657, 0.794, 0.3, 0.636], atol=0.0005)
    np.testing.assert_allclose(producers[1], [0.148, 0.117, 0.150, 0.162], atol=0.0005)
    assert (overall[0][0], overall[1][0]) == pytest.approx((0.63, 0.085), abs=0.0005)


# Cochran (1977), Sampling techniques, 3rd edition, eq. 5A.42, by hand: 60 of 100 points fall into the first
# of two halves; 54 of them are of the class, and 4 of the others.
def test_post_strata_have_the_variance_of_cochran():
    counts = [[54, 6], [4, 36]]
    census = Census(
        ("all",),
        ("a", "b"),
        ("a", "b"),
        np.diag([500.0, 500.0])[np.newaxis],
        np.array([5000, 5000]),
        random=True,
    )
    row = assess(census, points_of(counts)).areas.iloc[0]
    s1, s2 = 60 / 59 * 0.9 * 0.1, 40 / 39 * 0.1 * 0.9
    variance = (1 - 100 / 10_000) / 100 * (0.5 * s1 + 0.5 * s2) + (0.5 * s1 + 0.5 * s2) / 100**2
    assert row["area_ha"] == pytest.approx(500 * 0.9 + 500 * 0.1)
    assert (row["wald_high_ha"] - row["area_ha"]) / Z == pytest.approx(1000 * np.sqrt(variance))


# Every worked number of the collection of known answers, to 1e-6


@pytest.fixture
def known(real_data):
    path = real_data / "irrigation" / "known_answers" / "known_answers.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.real
@pytest.mark.parametrize("name", ["olofsson2013_ex1", "olofsson2014_table8", "acatama_stratified_tinigua"])
def test_known_answers_of_stratified_samples(known, name):
    case = known[name]
    out = case["out"]
    areas = case.get("map_area") or case.get("map_ha") or [
        weight * case["pixels_total"] * case["pixel_m2"] / 10_000 for weight in case["W"]
    ]  # fmt: skip
    answer = assessed(case["counts"], areas)
    total = sum(areas)
    table = answer.areas
    error = ((table["wald_high_ha"] - table["area_ha"]) / Z).to_numpy()
    np.testing.assert_allclose(table["area_ha"], out["area_abs"], rtol=EXACT)
    np.testing.assert_allclose(table["area_ha"] / total, out["area"], atol=EXACT)
    np.testing.assert_allclose(error, out["se_abs"], rtol=EXACT)
    np.testing.assert_allclose(error / total, out["seA"], atol=EXACT)
    np.testing.assert_allclose(Z * error, out["ci95_abs"], rtol=EXACT)
    np.testing.assert_allclose(table["users_accuracy"], out["UA"], atol=EXACT)
    np.testing.assert_allclose(table["producers_accuracy"], out["PA"], atol=EXACT)
    for measure, value, se in (
        ("users", "UA", "seUA"),
        ("producers", "PA", "sePA"),
        ("overall", "OA", "seOA"),
    ):
        found = measured(answer, measure)
        np.testing.assert_allclose(found[0], np.atleast_1d(out[value]), atol=EXACT)
        np.testing.assert_allclose(found[1], np.atleast_1d(out[se]), atol=EXACT)
    shares = answer.matrix["share"].to_numpy().reshape(len(areas), -1)
    np.testing.assert_allclose(shares, out["p"], atol=EXACT)


@pytest.mark.real
def test_known_sample_sizes(known):
    case = known["olofsson2014_samplesize"]
    assert sample_size(case["W"], case["U"], case["target_se"]) == pytest.approx(case["n"], abs=EXACT)
    points = design.neyman(case["W"], case["U"], sum(case["neyman"]))
    np.testing.assert_allclose(points, case["neyman"], atol=EXACT)
    np.testing.assert_allclose(np.multiply(case["W"], case["n_published"]), case["proportional"], atol=EXACT)


@pytest.mark.real
def test_known_answers_of_strata_other_than_classes(known):
    case = known["stehman2014"]
    answer = stehman()
    table = answer.areas.set_index("class")
    users, producers = (
        answer.accuracies[answer.accuracies["measure"] == name].set_index("class")
        for name in ("users", "producers")
    )
    for name in "ABCD":
        row = table.loc[name]
        found = row["area_ha"] / 1e5, (row["wald_high_ha"] - row["area_ha"]) / Z / 1e5
        assert found == pytest.approx(case["area"][name], abs=EXACT)
        for accuracies, key in ((users, "UA"), (producers, "PA")):
            row = accuracies.loc[name]
            assert (row["value"], (row["wald_high"] - row["value"]) / Z) == pytest.approx(
                case[key][name], abs=EXACT
            )
    assert [part[0] for part in measured(answer, "overall")] == pytest.approx(case["OA"], abs=EXACT)
    cell = answer.matrix.set_index(["map_class", "reference"]).loc[("B", "C")]
    assert cell["share"] == pytest.approx(case["p23"][0], abs=EXACT)
