"""Samples are drawn fairly and alike each time; estimates add up; numbers are said as people say them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

# ruff: noqa: RUF001  # Russian sentences
from bluepeace_gis.analyses.areas import Census, Stratum, allocate, assess, changes, defaults, design, draw
from bluepeace_gis.analyses.areas.agreement import agreement
from bluepeace_gis.analyses.areas.assessment import Points, independent_changes
from bluepeace_gis.analyses.areas.estimation import Sample
from bluepeace_gis.analyses.areas.wording import Statement, sentence
from bluepeace_gis.errors import BadInput

# --- how many points -------------------------------------------------------------------------------------


@given(
    cells=st.lists(st.integers(1, 5_000), min_size=1, max_size=6),
    points=st.integers(0, 2_000),
    floor=st.integers(1, 100),
)
def test_points_are_shared_out_to_the_last_one(cells, points, floor):
    strata = [
        Stratum(code, f"s{code}", float(count), count, 0.5 + 0.08 * code) for code, count in enumerate(cells)
    ]
    if points < 2 * len(cells):
        with pytest.raises(BadInput, match="at least 2 in each"):
            allocate(strata, points, floor=floor)
        return
    found = allocate(strata, points, floor=floor)
    assert sum(found) == min(points, sum(cells))
    assert all(count <= most for count, most in zip(found, cells, strict=True))
    least = min(floor, points // len(cells))
    assert all(count >= min(least, most) for count, most in zip(found, cells, strict=True))


def test_a_stratum_with_more_errors_gets_more_points():
    strata = [Stratum(1, "sure", 100.0, 10**6, 0.98), Stratum(2, "unsure", 100.0, 10**6, 0.6)]
    sure, unsure = allocate(strata, 500, floor=50)
    assert sure == pytest.approx(500 * 0.14 / (0.14 + 0.49), abs=1)
    assert sure + unsure == 500


def test_where_no_errors_are_expected_points_go_by_area():
    strata = [Stratum(1, "large", 300.0, 10**6, 1.0), Stratum(2, "small", 100.0, 10**6, 1.0)]
    assert allocate(strata, 400, floor=10) == [300, 100]


# --- which cells -----------------------------------------------------------------------------------------


def strips(strata, area_ha, cuts):
    edges = [0, *cuts, len(strata)]
    for top, bottom in pairwise(edges):
        yield design.Strip(top, strata[top:bottom], area_ha[top:bottom])


@pytest.fixture
def land():
    """Two strata on cells that shrink to a third from south to north, and some where no point may fall."""
    strata = np.zeros((60, 50), np.int16)
    strata[20:40, 10:30] = 1
    strata[:, 45:] = -1
    area_ha = np.broadcast_to(np.linspace(1, 3, 60)[:, np.newaxis], (60, 50))
    sizes = [
        Stratum(which, name, float(area_ha[strata == which].sum()), int((strata == which).sum()))
        for which, name in enumerate(["around", "inside"])
    ]
    return strata, area_ha, sizes


def test_the_same_seed_draws_the_same_cells_however_the_rows_are_cut(land):
    strata, area_ha, sizes = land
    one = draw(strips(strata, area_ha, []), sizes, [80, 40], seed=5)
    other = draw(strips(strata, area_ha, [1, 17, 18, 44]), sizes, [80, 40], seed=5)
    for name in ("row", "column", "stratum"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    again = draw(strips(strata, area_ha, []), sizes, [80, 40], seed=6)
    assert not np.array_equal(one.row, again.row)


def test_cells_are_drawn_once_and_only_in_their_stratum(land):
    strata, area_ha, sizes = land
    found = draw(strips(strata, area_ha, []), sizes, [300, 400], seed=1)
    assert len({*zip(found.row.tolist(), found.column.tolist(), strict=True)}) == 700
    assert np.array_equal(strata[found.row, found.column], found.stratum)
    assert np.bincount(found.stratum).tolist() == [300, 400]  # the second one whole


def test_a_larger_sample_keeps_the_points_of_a_smaller_one(land):
    strata, area_ha, sizes = land
    few = draw(strips(strata, area_ha, []), sizes, [40, 20], seed=3)
    many = draw(strips(strata, area_ha, []), sizes, [80, 40], seed=3)
    cells = [{*zip(each.row.tolist(), each.column.tolist(), strict=True)} for each in (few, many)]
    assert len(cells[0] & cells[1]) >= 0.9 * len(cells[0])


def test_a_cell_is_as_likely_as_it_is_large(land):
    strata, area_ha, sizes = land
    rows = np.zeros(60)
    samples, points = 400, 60
    for seed in range(samples):
        found = draw(strips(strata, area_ha, []), sizes, [points, 2], seed=seed)
        rows += np.bincount(found.row[found.stratum == 0], minlength=60)
    held = np.where(strata == 0, area_ha, 0).sum(axis=1)
    expected = samples * points * held / held.sum()
    # chi-squared of 59 degrees of freedom: 87 is the 99th percentile
    assert ((rows - expected) ** 2 / expected).sum() < 87
    north, south = rows[:20].sum(), rows[40:].sum()
    counted = (strata[:20] == 0).sum() / (strata[40:] == 0).sum()
    assert north / south < 0.7 * counted  # were all cells alike, it would be the ratio of counts


def test_the_first_points_are_a_sample_of_all_strata(land):
    strata, area_ha, sizes = land
    found = draw(strips(strata, area_ha, []), sizes, [200, 200], seed=2)
    assert 35 <= (found.stratum[:100] == 0).sum() <= 65


# --- estimates -------------------------------------------------------------------------------------------


def census(areas, *, zones=("north", "south"), random=False):
    areas = np.asarray(areas, float)
    names = tuple("abc"[: areas.shape[2]])
    return Census(zones, names, names, areas, np.full(areas.shape[1], 10**6), random=random)


def points(count, seed=0, *, zones=2, classes=3, right=0.8):
    random = np.random.default_rng(seed)
    stratum = random.integers(0, classes, count)
    found = np.where(random.random(count) < right, stratum, random.integers(0, classes, count))
    return Points(random.integers(0, zones, count), stratum, stratum, found)


LAND = [np.diag([10.1, 200.3, 77.7]), np.diag([3.3, 900.9, 0.123456789])]


@pytest.mark.parametrize("random", [False, True])
def test_zones_add_up_to_the_whole_and_classes_to_the_land_exactly(random):
    table = assess(census(LAND, random=random), points(400)).areas
    for name, part in table.groupby("class"):
        whole = part[part["zone"] == "all"]
        zones = part[part["zone"] != "all"]
        for column in ("area_ha", "map_area_ha"):
            assert zones[column].sum() == whole[column].iloc[0], name
    for _, part in table.groupby("zone"):
        assert part["area_ha"].sum() == part["map_area_ha"].sum()
    assert table[table["zone"] == "all"]["area_ha"].sum() == pytest.approx(np.sum(LAND))
    assert (table["area_ha"] >= 0).all()


def test_zones_do_not_change_the_whole():
    sampled = points(300)
    one = assess(census(np.sum(LAND, axis=0, keepdims=True), zones=("all",)), Points(0 * sampled.zone, *(
        getattr(sampled, name) for name in ("stratum", "map_class", "reference")
    ))).areas  # fmt: skip
    two = assess(census(LAND), sampled).areas
    two = two[two["zone"] == "all"].reset_index(drop=True)
    for column in (
        "area_ha",
        "ci_low_ha",
        "ci_high_ha",
        "wald_low_ha",
        "users_accuracy",
        "producers_accuracy",
    ):
        np.testing.assert_allclose(one[column], two[column], rtol=1e-9)


def test_calibrated_parts_keep_both_known_margins():
    sampled = points(120)
    kind = np.ravel_multi_index((sampled.zone, sampled.stratum, sampled.reference), (2, 3, 3))
    counts = np.bincount(kind, minlength=18).reshape(2, 3, 3)
    counts[1, 2] = 0  # no point of the stratum in the zone
    sample = Sample(counts, np.array(LAND).sum(axis=2))
    np.testing.assert_allclose(sample.parts.sum(axis=2), sample.areas, rtol=1e-9)
    np.testing.assert_allclose(
        sample.parts.sum(axis=0), sample.sizes[:, np.newaxis] * sample.shares, atol=1e-8
    )


def test_a_zone_without_points_is_taken_to_be_like_the_rest_and_is_uncertain():
    sampled = points(300)
    north = Points(0 * sampled.zone, sampled.stratum, sampled.map_class, sampled.reference)
    table = assess(census(LAND), north).areas.set_index(["zone", "class"])
    row = table.loc[("south", "b")]
    assert row["n_points"] == 0
    share = (sampled.reference[sampled.stratum == 1] == 1).mean()
    assert row["area_ha"] == pytest.approx(900.9 * share, rel=0.05)
    assert row["ci_high_ha"] - row["ci_low_ha"] > 0.9 * 900.9


def test_a_stratum_needs_two_points():
    sampled = points(100)
    keep = (sampled.stratum != 2) | (np.cumsum(sampled.stratum == 2) == 1)
    few = Points(*(getattr(sampled, name)[keep] for name in ("zone", "stratum", "map_class", "reference")))
    with pytest.raises(BadInput, match=r'2 or more labelled points, .* but "c" has 1'):
        assess(census(LAND), few)


def test_a_map_of_another_year_has_neither_areas_nor_accuracies():
    answer = assess(census(LAND), points(300), year="2015", of_map=False)
    assert answer.areas[["map_area_ha", "users_accuracy", "producers_accuracy"]].isna().all(axis=None)
    assert answer.accuracies.empty
    assert set(answer.areas["year"]) == {"2015"}


def test_the_same_points_give_the_same_limits():
    one, two = (assess(census(LAND), points(200)).areas for _ in range(2))
    assert one.equals(two)


def test_net_change_is_gained_minus_lost_and_of_all_classes_nothing():
    sampled = points(400, right=0.7)
    before = points(400, right=0.7).stratum
    table = changes(census(LAND), sampled, before=before, years=("2015", "2024"))
    wide = table.pivot_table(index=["zone", "class"], columns="measure", values="area_ha")
    assert (wide["net"] == wide["gained"] - wide["lost"]).all()
    net = wide["net"].unstack()
    assert net.sum(axis=1).to_numpy() == pytest.approx(0, abs=1e-9)
    assert net.loc["all"].to_numpy() == pytest.approx(net.drop("all").sum().to_numpy(), abs=1e-9)
    assert (table["ci_low_ha"] < table["ci_high_ha"]).all()


def test_change_of_a_panel_has_the_variance_of_differences():
    # one stratum of 1000 ha, 100 points: 8 gained, 3 lost
    stratum = np.zeros(100, int)
    before = np.repeat([1, 0, 0, 1], [8, 3, 50, 39])
    after = np.repeat([0, 1, 0, 1], [8, 3, 50, 39])
    one = Census(("all",), ("a",), ("a", "b"), np.array([[[600.0, 400.0]]]), np.array([10**6]))
    table = changes(one, Points(stratum, stratum, stratum, after), before=before, years=("1", "2"))
    row = table[(table["class"] == "a") & (table["measure"] == "net")].iloc[0]
    assert row["area_ha"] == pytest.approx(50)
    d = (after == 0).astype(int) - (before == 0)
    error = 1000 * d.std(ddof=1) / np.sqrt(100)
    assert row["wald_high_ha"] - row["area_ha"] == pytest.approx(1.959964 * error, rel=1e-6)
    two = [assess(one, Points(stratum, stratum, stratum, found), year=year).areas
           for found, year in ((before, "1"), (after, "2"))]  # fmt: skip
    apart = independent_changes(*two)
    apart = apart[apart["class"] == "a"].iloc[0]
    assert apart["area_ha"] == pytest.approx(50)
    # two independent samples know much less
    assert apart["wald_high_ha"] - apart["area_ha"] > 2 * (row["wald_high_ha"] - row["area_ha"])


# --- two interpreters ------------------------------------------------------------------------------------


def test_agreement_and_kappa_of_a_worked_table():
    # Cohen (1960), doi:10.1177/001316446002000104, table 2: 200 cases as shares 88 14 18, 10 40 10, 2 6 12;
    # 140 agreed on, 82 by chance, kappa 58 / 118.
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    one, two = (np.repeat(index.ravel(), table.ravel()) for index in np.indices(table.shape))
    found = agreement(one, two, 3)
    assert found.share[0] == pytest.approx(0.70)
    assert found.kappa[0] == pytest.approx(0.492, abs=5e-4)
    # its variance by repetition: samples of the same shares
    random = np.random.default_rng(1)
    again = []
    for counts in random.multinomial(200, (table / 200).ravel(), 400):
        a, b = (np.repeat(index.ravel(), counts) for index in np.indices(table.shape))
        again.append(agreement(a, b, 3).kappa[0])
    assert (found.kappa[2] - found.kappa[1]) / 2 / 1.96 == pytest.approx(np.std(again), rel=0.1)
    assert found.share[1] < 0.70 < found.share[2]


def test_interpreters_who_see_one_class_only_have_no_kappa_but_agree():
    found = agreement(np.zeros(30, int), np.zeros(30, int), 2)
    assert found.share[0] == found.share[2] == 1
    assert 0.85 < found.share[1] < 0.95
    assert np.isnan(found.kappa).all()


# --- in words --------------------------------------------------------------------------------------------

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("statement", "english", "russian"),
    [
        (
            Statement("irrigated", -12_300, -17_000, -7_600, 3.2, "2024", "2015"),
            f"Irrigated changed by {MINUS}12.3 ± 4.7 thousand ha (95 %) from 2015 to 2024; 3 % not observed.",
            (
                f"Орошаемые земли: изменение на {MINUS}12,3 ± 4,7 тыс. га (95 %) с 2015 по 2024 год; "
                "не наблюдалось 3 %."
            ),
        ),
        (
            Statement("irrigated", 21_158, 15_900, 27_400, 0, "2024"),
            "Irrigated: 21.2 ± 6.3 thousand ha (95 %) in 2024; 0 % not observed.",
            "Орошаемые земли: 21,2 ± 6,3 тыс. га (95 %) в 2024 году; не наблюдалось 0 %.",
        ),
        (
            Statement("salt marsh", 852.4, 733, 990, 0.4),
            "Salt marsh: 850 ± 140 ha (95 %); less than 1 % not observed.",
            "«salt marsh»: 850 ± 140 га (95 %); не наблюдалось менее 1 %.",
        ),
        (
            Statement("gained", 1_234_567, 1_134_000, 1_336_000, 12, "2024"),
            "Gained: 1\N{NARROW NO-BREAK SPACE}230 ± 110 thousand ha (95 %) in 2024; 12 % not observed.",
            (
                "Новые орошаемые земли: 1\N{NARROW NO-BREAK SPACE}230 ± 110 тыс. га (95 %) в 2024 году; "
                "не наблюдалось 12 %."
            ),
        ),
        (
            Statement("water", 0.0, -30.0, 31.0, 1, "2024", "2015"),
            "Water changed by 0 ± 31 ha (95 %) from 2015 to 2024; 1 % not observed.",
            "Вода: изменение на 0 ± 31 га (95 %) с 2015 по 2024 год; не наблюдалось 1 %.",
        ),
        (
            Statement("uncertain", 244, 72.4, 848, 5, "2024"),
            "Uncertain: 240 (70 to 850) ha (95 %) in 2024; 5 % not observed.",
            "Орошение не установлено: 240 (от 70 до 850) га (95 %) в 2024 году; не наблюдалось 5 %.",
        ),
        (
            Statement("gained", 8_000, -1_500, 31_000, 0, "2024", "2015"),
            f"Gained changed by +8 ({MINUS}2 to +31) thousand ha (95 %) from 2015 to 2024; 0 % not observed.",
            (
                f"Новые орошаемые земли: изменение на +8 (от {MINUS}2 до +31) тыс. га (95 %) с 2015 по 2024 "
                "год; не наблюдалось 0 %."
            ),
        ),
    ],
    ids=["change", "area", "small", "large", "none", "uneven", "uneven change"],
)  # fmt: skip
def test_numbers_are_said_in_both_languages(statement, english, russian):
    assert sentence(statement, "en") == english
    assert sentence(statement, "ru") == russian


@given(
    area=st.floats(0, 1e8),
    low=st.floats(0, 1e6),
    high=st.floats(0, 1e6),
    unseen=st.floats(0, 100),
)
def test_any_number_can_be_said(area, low, high, unseen):
    said = sentence(Statement("x", area, area - low, area + high, unseen), "en")
    unevenness = min(low, high) - 2 / 3 * max(low, high)
    if abs(unevenness) > 1e-6:  # not at the bound itself, where the digits of the area decide
        assert ("±" in said) == (unevenness > 0)
    assert "nan" not in said


def test_defaults_are_those_of_the_papers():
    assert (defaults.CONFIDENCE, defaults.JEFFREYS, defaults.FLOOR_POINTS) == (0.95, 0.5, 50)
