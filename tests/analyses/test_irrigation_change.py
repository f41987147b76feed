"""Change of irrigated land: sums that add up, whatever the order, and areas of zones."""

# ruff: noqa: RUF001  # sentences in Russian, and signs of minus

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluepeace_gis.analyses.areas import wording
from bluepeace_gis.analyses.irrigation import zones_table
from bluepeace_gis.analyses.irrigation_change import (
    CLASSES,
    Question,
    Rule,
    Sums,
    Zone,
    account,
    accounts,
    answer,
    histories,
)
from bluepeace_gis.analyses.irrigation_change.trends import trend_table
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo import exact_sums
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.zones import burn

CODES = np.array([0, 1, 2, 3, 255], np.uint8)


def summed(states, zone, weight, question, zones):
    sums = Sums.nothing(zones, len(question.years), len(question.pairs) + 1)
    found = answer(states.copy(), zone.astype(np.int32), weight.astype(np.int64), question)
    sums.add(found.zones, found.sums)
    return sums, found


@st.composite
def valleys(draw):
    years = draw(st.integers(2, 11))
    cells = draw(st.integers(1, 60))
    zones = draw(st.integers(1, 5))
    states = CODES[draw(hnp.arrays(np.int64, (years, cells), elements=st.integers(0, 4)))]
    zone = draw(hnp.arrays(np.int64, cells, elements=st.integers(0, zones)))
    weight = draw(hnp.arrays(np.int64, cells, elements=st.integers(1, 2**40)))
    return states, zone, weight, zones


def zones_of(count, rng):
    areas = rng.uniform(0.5, 1e6, count)
    return [
        Zone(
            f"zone {n}",
            ("left" if n % 2 else "right", "basin"),
            float(area),
            float(area * rng.choice([1, 0.6])),
        )
        for n, area in enumerate(areas)
    ]


@given(valleys(), st.randoms(use_true_random=False))
def test_neither_the_order_of_cells_nor_the_cut_into_tiles_matters(valley, random):
    states, zone, weight, zones = valley
    question = Question.of(
        range(2000, 2000 + len(states)), [(2000 + n, 2000 + n) for n in range(len(states))], Rule()
    )
    whole, found = summed(states, zone, weight, question, zones)
    order = np.array(random.sample(range(zone.size), zone.size))
    pieces = Sums.nothing(zones, len(states), len(question.pairs) + 1)
    for part in np.array_split(order, random.randint(1, 4)):
        piece = answer(states[:, part].copy(), zone[part].astype(np.int32), weight[part], question)
        pieces.add(piece.zones, piece.sums)
        np.testing.assert_array_equal(piece.change, found.change[:, part])
        np.testing.assert_array_equal(piece.frequency, found.frequency[:, part])
    for name in ("states", "classes", "moves"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


def test_of_two_years_the_transition_from_the_first_to_the_last_is_listed_once():
    question = Question.of([2015, 2024], [(2015, 2015), (2024, 2024)], Rule())
    states = np.array([[1, 3, 3, 0]], np.uint8).repeat(2, axis=0)
    sums, _ = summed(states, np.ones(4, np.int32), np.full(4, 2**16, np.int64), question, 1)
    found = account(sums, zones_of(1, np.random.default_rng(1)), ["side", "basin"])
    moved = accounts.transition_table(found, [("2015", "2024")] * 2)
    whole = moved[moved["level"] == "all"]
    assert not whole.duplicated(["from_state", "to_state"]).any()
    assert whole["area_ha"].sum() == accounts.change_table(found)["area_ha"].iloc[-1]


@given(valleys())
def test_all_tables_add_up_to_the_last_digit(valley):
    states, zone, weight, count = valley
    years = range(2000, 2000 + len(states))
    question = Question.of(years, [(year, year) for year in years], Rule())
    sums, _ = summed(states, zone, weight, question, count)
    zones = zones_of(count, np.random.default_rng(count))
    found = account(sums, zones, ["side", "basin"])
    annual = accounts.annual_table(found, years)
    parts = ["irrigated_ha", "not_irrigated_ha", "uncertain_ha", "not_observed_ha", "outside_ha"]
    assert (annual[parts].sum(axis=1) == annual["area_ha"]).all()
    change = accounts.change_table(found)
    classes = [f"{name}_ha" for code, name in CLASSES.items() if code] + ["not_observed_ha", "outside_ha"]
    assert (change[classes].sum(axis=1) == change["area_ha"]).all()
    assert change["area_ha"][:count].to_numpy() == pytest.approx([each.area_ha for each in zones], abs=2e-6)
    pairs = [(str(a), str(a + 1)) for a in years[:-1]] + [("first", "last")]
    moved = accounts.transition_table(found, pairs)
    assert (moved["area_ha"] > 0).all()
    totals = moved.groupby(["level", "zone", "from_period", "to_period"])["area_ha"].sum()
    wanted = change.set_index(["level", "zone"])["area_ha"]
    assert (totals == wanted.reindex(totals.index.droplevel([2, 3])).to_numpy()).all()
    # what leaves a state in a year is what the year has of it, to the last digit
    left = (
        moved[moved["to_period"] != "last"]
        .groupby(["level", "zone", "from_period", "from_state"])["area_ha"]
        .sum()
    )
    for (level, name, year, state), area in left.items():
        row = annual[
            (annual["level"] == level) & (annual["zone"] == name) & (annual["year"] == int(year))
        ].iloc[0]
        assert area == row[state.replace(" ", "_") + "_ha"]
    # zones to sides to the whole
    for table, keys in ((change, []), (annual, ["year"])):
        numbers = [name for name in table.columns if name.endswith("_ha")]
        by_level = table.groupby(["level", *keys])[numbers].sum()
        for level in ("side", "basin", "all"):
            assert (by_level.loc[level] == by_level.loc["zone"]).all(axis=None)
    for name in list(CLASSES.values())[1:]:
        assert (change[f"{name}_low_ha"] <= change[f"{name}_ha"]).all()
        assert (change[f"{name}_ha"] <= change[f"{name}_high_ha"]).all()
    assert (change["change_low_ha"] <= change["change_ha"]).all()
    assert (change["change_ha"] <= change["change_high_ha"]).all()


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=12).filter(any), st.integers(0, 2**52))
def test_apportioned_parts_add_up_and_keep_their_shares(parts, total):
    found = exact_sums.apportioned(np.array(parts), total)
    assert found.sum() == total
    for part, made in zip(parts, found.tolist(), strict=True):
        assert made >= 0
        assert abs(made - part * total / sum(parts)) <= 1 + 1e-9 * total
        assert part or not made


def test_the_tables_of_a_map_and_of_its_change_come_to_the_same_areas():
    random = np.random.default_rng(5)
    grid = Grid("EPSG:32642", Affine(30, 0, 500_000, 0, -30, 4_500_000), (60, 50))
    # across cells, and beyond the maps
    shapes = [
        shapely.box(500_007, 4_498_613, 500_704, 4_499_987),
        shapely.box(500_704, 4_498_000, 501_433, 4_499_409),
    ]
    layer = gpd.GeoDataFrame({"name": ["west", "east"]}, geometry=shapes, crs=grid.crs)
    states = random.choice(CODES, (2, *grid.shape))
    states[:, random.random(grid.shape) < 0.1] = 255
    states[(states == 255) & (states != 255).any(axis=0)] = 0
    zone = burn(layer.geometry, grid).ravel()
    question = Question.of([2015, 2024], [(2015, 2015), (2024, 2024)], Rule())
    sums, _ = summed(states.reshape(2, -1), zone, exact_sums.weights(grid.cell_areas).ravel(), question, 2)
    area_ha = polygon_areas_m2(layer.geometry) / 1e4
    covered_ha = polygon_areas_m2(layer.geometry.intersection(grid.footprint())) / 1e4
    zones = [Zone(*each) for each in zip(["west", "east"], [(), ()], area_ha, covered_ha, strict=True)]
    annual = accounts.annual_table(account(sums, zones, []), [2015, 2024])
    for year, state in zip((2015, 2024), states, strict=True):
        season = np.where(state == 3, random.integers(1, 5, grid.shape), 0).astype(np.uint8)
        table = zones_table(state, season, state, state, grid, layer, year=year, zone_field="name")
        other = annual[annual["year"] == year]
        assert table["zone"].tolist() == other["zone"].tolist() == ["west", "east", "all"]
        for name, names in (
            ("area_ha", ["area_ha"]), ("map_area_ha", ["irrigated_ha"]), ("uncertain_ha", ["uncertain_ha"]),
            ("not_irrigated_ha", ["not_irrigated_ha"]), ("unobserved_ha", ["not_observed_ha", "outside_ha"]),
        ):  # fmt: skip
            assert table[name].tolist() == other[names].sum(axis=1).tolist()
        assert table["map_area_ha"].iloc[0] > 10


def test_a_zone_without_cells_is_not_observed():
    question = Question.of([2000, 2001], [(2000, 2000), (2001, 2001)], Rule())
    states = np.array([[3], [1]], np.uint8)
    sums, _ = summed(states, np.array([1]), np.array([10]), question, 2)
    zones = [Zone("here", (), 5.0, 5.0), Zone("small", (), 2.0, 1.5)]
    table = accounts.change_table(account(sums, zones, [])).set_index("zone")
    assert table.loc["here", "lost_ha"] == 5
    assert table.loc["small", ["not_observed_ha", "outside_ha"]].tolist() == [1.5, 0.5]
    assert table.loc["small", ["change_low_ha", "change_high_ha"]].tolist() == [-1.5, 1.5]
    assert table.loc["small", ["lost_low_ha", "lost_ha", "lost_high_ha"]].tolist() == [0, 0, 1.5]


def test_what_one_year_did_not_cover_was_not_observed_in_it():
    question = Question.of([2000, 2001], [(2000, 2000), (2001, 2001)], Rule())
    states = np.array([[255, 255, 3], [3, 255, 3]], np.uint8)
    sums, found = summed(states, np.array([1, 1, 1]), np.array([1, 10, 100]), question, 1)
    assert found.change[0].tolist() == [0, 255, 2]
    assert found.frequency.tolist() == [[100, 255, 100], [1, 255, 2], [1, 255, 2], [0, 255, 0]]
    assert sums.states[0].tolist() == [[1, 0, 0, 100, 10], [0, 0, 0, 101, 10]]


def test_unobserved_years_make_no_trend():
    """Half of the irrigated land hidden in the last years: the map areas fall, the trend does not."""
    years = list(range(2000, 2012))
    states = np.full((12, 100), 1, np.uint8)
    states[:, :40] = 3
    states[6:, 30:40] = 0  # ten of forty irrigated cells behind clouds
    states[6:, 85:] = 0  # and fifteen of sixty dry ones
    question = Question.of(years, [(year, year) for year in years], Rule())
    sums, _ = summed(states, np.ones(100), np.full(100, 7), question, 1)
    found = account(sums, [Zone("all of it", (), 100.0, 100.0)], [])
    annual = accounts.annual_table(found, years)
    assert annual["irrigated_ha"].iloc[[0, 11]].tolist() == [40, 30]
    assert np.isnan(accounts.trend_series(found)[6:]).all()  # 75 % decided
    np.testing.assert_allclose(accounts.trend_series(found, 0.7), 40)
    trend = trend_table(found, years)
    assert trend["trend_ha_per_year"].iloc[0] == 0
    assert trend["trend_years"].iloc[0] == 6


def test_a_trend_is_found_and_few_years_have_none():
    years = list(range(2000, 2012))
    states = np.full((12, 100), 1, np.uint8)
    for position in range(12):
        states[position, : 40 + 2 * position + position % 2] = 3
    question = Question.of(years, [(years[0], years[-1])], Rule())
    sums, _ = summed(states, np.ones(100), np.full(100, 7), question, 1)
    found = account(sums, [Zone("grows", (), 100.0, 100.0)], [])
    row = trend_table(found, years).iloc[0]
    assert row["trend_low"] <= row["trend_ha_per_year"] <= row["trend_high"]
    assert row["trend_ha_per_year"] == pytest.approx(2, abs=0.1)
    assert row["trend_p"] < 0.05
    few = Question.of(years[:4], [(2000, 2003)], Rule())
    sums, _ = summed(states[:4], np.ones(100), np.full(100, 7), few, 1)
    row = trend_table(account(sums, [Zone("grows", (), 100.0, 100.0)], []), years[:4]).iloc[0]
    assert pd.isna(row["trend_ha_per_year"])
    assert row["trend_years"] == 4


def test_the_rule_in_proportion_is_that_of_the_page():
    table = Rule().table(10)
    assert table[2:9, :2].tolist() == [[1, 1], [1, 1], [2, 1], [3, 1], [3, 2], [4, 2], [5, 3]]
    assert table[[5, 8, 10], 2].tolist() == [4, 7, 8]
    assert table[:, 3].tolist() == [0] * 10 + [1]
    assert Rule().table(60)[60].tolist() == [5, 3, 48, 2]  # strays stay below what makes a gain


@pytest.mark.parametrize("count", [0, 1, 251])
def test_one_year_and_too_many_are_refused(count):
    with pytest.raises(BadInput, match="expected 2 to 250"):
        histories(np.zeros((count, 3), np.uint8), range(count))


def test_weights_fit_all_land_of_the_earth():
    largest = int(exact_sums.weights(np.array([1.49e14]))[0])  # m2, all land
    assert largest < np.iinfo(np.int64).max
    assert exact_sums.weights(np.array([900.0, np.nan])).tolist() == [900 * exact_sums.WEIGHTS_PER_M2, 0]
    assert 1.49e10 / exact_sums.UNIT_HA < 2**53  # the same land in hectares, as floats hold it


def test_a_range_of_maps_is_never_said_as_a_confidence_interval():
    change = wording.Statement("irrigated", -912.3, -1500.2, 300.0, 3.2, year="2024", since="2015")
    english, russian = (wording.bounds_sentence(change, language) for language in wording.LANGUAGES)
    assert "by −910 ha on the maps from 2015 to 2024" in english
    assert "by −1\N{NARROW NO-BREAK SPACE}500 to +300 ha, which is no confidence interval" in english
    assert "95 %" not in english + russian
    assert "от −1\N{NARROW NO-BREAK SPACE}500 до +300 га (не доверительный интервал)" in russian
    small = wording.Statement("irrigated", 437.0, -18_254.0, 17_298.0, 86.0, year="2024", since="2015")
    assert "by +0.44 thousand ha" in wording.bounds_sentence(small, "en")
    firm = wording.Statement("irrigated", 391.5, 391.5, 391.5, 0.0, year="2024", since="2015")
    assert "+391.5 ha on the maps from 2015 to 2024, which leave nothing open" in wording.bounds_sentence(
        firm, "en"
    )
    assert "+391,5 га" in wording.bounds_sentence(firm, "ru")


def test_a_trend_is_said_with_its_interval():
    trend = wording.Statement("irrigated", -12.345, -20.2, -3.11, 0.0, year="2024", since="2000")
    assert wording.trend_sentence(trend, "en") == (
        "Irrigated: trend of −12.3 ha a year (95 %: −20.2 to −3.1) from 2000 to 2024."
    )
    assert wording.trend_sentence(trend, "ru").endswith(
        "га в год (95 %: от −20,2 до −3,1) с 2000 по 2024 год."
    )


@given(*[st.floats(-1e8, 1e8)] * 3)
def test_any_range_can_be_said(one, two, three):
    low, value, high = sorted((one, two, three))
    for language in wording.LANGUAGES:
        statement = wording.Statement("x", value, low, high, 0.0, year="2", since="1")
        assert wording.bounds_sentence(statement, language).endswith(".")
        assert wording.trend_sentence(statement, language).endswith(".")
