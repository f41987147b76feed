"""Irrigated land: seasons, the rule, water, what is excluded, parcels, patches and areas that add up."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from bluepeace_gis.analyses import irrigation
from bluepeace_gis.analyses.irrigation import areas, aridity, defaults, exclusions, parcels, rule, seasons
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.areas import polygon_areas_m2
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels.normalized import NODATA

DAYS = np.arange(1, 354, 16)
TABLE = seasons.shipped()


def curve(*bumps, soil=1200):
    """Soil with canopies: (day of the peak, NDVI of the peak, days from emergence to peak)."""
    values = np.full(DAYS.size, float(soil))
    for day, peak, width in bumps:
        values = np.maximum(values, soil + (peak * 1e4 - soil) * np.exp(-(((DAYS - day) / width) ** 2)))
    return np.rint(values).astype(np.int16)


WHEAT, COTTON = (118, 0.72, 38), (225, 0.70, 40)
SECOND_CROP = (240, 0.55, 28)
ORCHARD = (190, 0.62, 85)


def told(*curves, **options):
    return irrigation.classify(np.stack(curves, axis=1), DAYS, TABLE, **options)


# --- seasons ----------------------------------------------------------------------------------------------


def test_the_shipped_table_holds_every_zone_with_its_onset():
    onsets = {zone.name: (zone.winter_onset, zone.summer_onset) for zone in TABLE.zones[1:]}
    assert onsets == {
        "Khorezm": (318, 130), "Fergana": (304, 98), "Kashkadarya": (342, 136), "Nukus": (313, 127),
        "Kyzylorda": (309, 114), "Chu": (319, 115), "Vakhsh": (345, 86), "Mary": (327, 97),
    }  # fmt: skip
    assert TABLE.windows.tolist() == [[60, 180, 181, 290]] * 9
    assert TABLE.days.tolist() == [[152, 200]] * 9


def test_zones_are_found_by_any_of_their_names():
    assert TABLE.zones[TABLE.place_of("  qashqadaryo ")].name == "Kashkadarya"
    assert TABLE.zones[TABLE.place_of("ФЕРГАНА")].name == "Fergana"
    assert TABLE.place_of("Bavaria") == 0
    burnt = np.array([[0, 1, 2], [3, 1, 0]])
    fergana = TABLE.place_of("Fergana")
    assert TABLE.index(burnt, ["Fergana", "Bavaria", None]).tolist() == [[0, fergana, 0], [0, fergana, 0]]
    with pytest.raises(BadInput, match="numbered 0 to 3"):
        TABLE.index(burnt, ["Fergana"])


def test_an_edited_copy_is_read_and_inherits_the_default():
    own = "[zone.Mary]\nspring = [45, 165]\nsummer = [166, 280]"
    read = seasons.read(seasons.shipped_text().replace("[zone.Mary]", own))
    assert read.windows[read.place_of("mary")].tolist() == [45, 165, 166, 280]
    assert read.days[read.place_of("mary")].tolist() == [152, 200]
    assert read.described()["Mary"]["spring"] == [45, 165]


DEFAULT = "[default]\nspring=[60, 180]\nsummer=[181, 290]\ngreen_by=152\nripe_by=200\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing"),
        ("spring = [", "not TOML"),
        (DEFAULT + "[zones.A]\n", "zones"),
        (DEFAULT + "[zone]\nA = 3\n", r"\[zone.A\]"),
        (DEFAULT.replace("60", "0"), "spring"),
        (DEFAULT.replace("290", "400"), "summer"),
        (DEFAULT.replace("[60, 180]", "[60]"), "spring"),
        (DEFAULT.replace("60, 180", "60, 190"), "ends on day 190"),
        (DEFAULT.replace("152", "'June'"), "green_by"),
        (DEFAULT.replace("152", "210"), "green_by 210"),
        (DEFAULT.replace("ripe_by=200\n", ""), "ripe_by"),
        (DEFAULT + "[zone.A]\nsprung=[1, 2]\n", "sprung"),
        (DEFAULT + "[zone.A]\nwinter_onset=280\n", "280"),
        (DEFAULT + "[zone.A]\n[zone.B]\nnames=['a']\n", "Two agro-zones"),
        (DEFAULT + "".join(f"[zone.Z{k}]\n" for k in range(254)), "255 agro-zones"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(text, said):
    with pytest.raises(BadInput, match=said):
        seasons.read(text)


# --- the rule ---------------------------------------------------------------------------------------------


def test_seasons_are_told_by_their_humps():
    weeds = curve((235, 0.31, 60))
    made = told(curve(), curve(WHEAT), curve(COTTON), curve(WHEAT, SECOND_CROP), curve(ORCHARD), weeds)
    assert made.state.tolist() == [1, 3, 3, 3, 3, 1]
    assert made.season.tolist() == [0, 1, 2, 3, 4, 0]
    assert not made.season_open.any()


def test_weeds_after_harvest_make_no_second_season():
    made = told(curve(WHEAT, (240, 0.37, 28)), curve(WHEAT, (240, 0.45, 28)))
    assert made.season.tolist() == [1, 3]


def test_a_mown_meadow_is_no_double_crop():
    meadow = np.minimum(curve((170, 0.65, 95)), 5600)
    meadow[DAYS == 193] -= 2200  # mown, and green again within a month
    meadow[DAYS == 209] -= 1200
    assert told(meadow).season.tolist() == [4]


def test_a_spike_is_no_crop():
    spike = curve()
    spike[DAYS == 145] = 7000
    assert told(spike).state.tolist() == [1]


def test_what_gaps_leave_open_is_not_observed_and_what_they_cannot_hide_is():
    def without(values, *days):
        return np.where(np.isin(DAYS, days), NODATA, values).astype(np.int16)

    made = told(
        without(curve(), 113),  # one composite over bare soil hides no crop
        without(curve(), 81, 97, 113, 129, 145),  # five do
        without(curve(), *DAYS[DAYS < 160]),  # nor is spring known
        without(curve(), *DAYS[DAYS > 300]),  # winter is not asked
        without(curve(COTTON), 81, 97, 113, 129, 145),  # cropped whatever spring was
        np.full(DAYS.size, NODATA, np.int16),
    )
    assert made.state.tolist() == [1, 0, 0, 1, 3, 0]
    assert made.season.tolist() == [0, 0, 0, 0, 2, 0]
    assert made.season_open.tolist() == [False, False, False, False, True, False]


def test_the_end_of_a_season_tells_of_its_unseen_peak():
    late = DAYS < 140
    both = np.where(late, NODATA, curve(WHEAT, SECOND_CROP)).astype(np.int16)
    cotton = np.where(late, NODATA, curve(COTTON)).astype(np.int16)
    made = told(both, cotton)
    assert made.season.tolist() == [3, 2]
    assert made.season_open.tolist() == [False, True]


@given(st.integers(0, 2**32 - 1))
def test_verdicts_without_gaps_stand_and_thresholds_nest(seed):
    chance = np.random.default_rng(seed)
    stack = chance.integers(-500, 9500, (DAYS.size, 200)).astype(np.int16)
    made = irrigation.classify(stack, DAYS, TABLE)
    assert not (made.state == 0).any()
    assert not ((made.low == 3) & (made.state != 3)).any()
    assert not ((made.state == 3) & (made.high != 3)).any()
    assert ((made.season > 0) == (made.state == 3)).all()


@given(st.integers(0, 2**32 - 1))
def test_taking_composites_away_never_turns_seen_crops_of_calm_curves_into_bare_land(seed):
    chance = np.random.default_rng(seed)
    crops = [WHEAT, COTTON, SECOND_CROP, ORCHARD]
    curves = np.stack([curve(crops[k]) for k in chance.integers(0, 4, 100)], axis=1)
    stack = np.where(chance.random(curves.shape) < chance.uniform(0.1, 0.9), NODATA, curves).astype(np.int16)
    assert (irrigation.classify(stack, DAYS, TABLE).state != 1).all()


def test_each_cell_follows_its_zone_and_outside_stays_outside():
    own = "[zone.Early]\nspring=[30, 100]\nsummer=[101, 290]\ngreen_by=90\nripe_by=110\n"
    early = seasons.read(DEFAULT + own)
    zone = np.array([0, 1, 255], np.uint8)
    made = irrigation.classify(np.stack([curve((122, 0.7, 30))] * 3, axis=1), DAYS, early, zone=zone)
    assert made.state.tolist() == [3, 3, 255]
    assert made.season.tolist() == [1, 2, 255]
    assert made.low.tolist() == [3, 3, 255]


def test_states_have_the_shape_of_the_map():
    stack = np.stack([curve(WHEAT)] * 6, axis=1).reshape(DAYS.size, 2, 3)
    made = irrigation.classify(stack, DAYS, TABLE)
    assert {each.shape for each in (made.state, made.season, made.season_open, made.low, made.high)} == {
        (2, 3)
    }


@pytest.mark.parametrize(
    ("ndvi", "days", "zone", "said"),
    [
        (np.zeros((3, 2), np.float32), [1, 2, 3], None, "float32"),
        (np.zeros((3, 2), np.int16), [1, 2], None, "2 days"),
        (np.zeros((0, 2), np.int16), [], None, "0 days"),
        (np.zeros((3, 2), np.int16), [1.0, 2.0, 3.0], None, "float64"),
        (np.zeros((3, 2), np.int16), [1, 5, 3], None, "order"),
        (np.zeros((3, 2), np.int16), [1, 5, 370], None, "370"),
        (np.zeros((3, 2), np.int16), [1, 5, 9], np.zeros(3, np.uint8), "agro-zones"),
        (np.zeros((3, 2), np.int16), [1, 5, 9], np.full(2, 9, np.uint8), "agro-zone 9"),
    ],
)
def test_what_is_no_year_of_ndvi_is_refused(ndvi, days, zone, said):
    with pytest.raises(BadInput, match=said):
        irrigation.classify(ndvi, np.array(days), TABLE, zone=zone)


def test_otsu_is_asked_only_where_there_are_two_hills():
    chance = np.random.default_rng(2)
    green, bare = chance.normal(6500, 800, 20_000), chance.normal(2000, 500, 12_000)
    threshold, two = irrigation.green_threshold(np.concatenate([green, bare]).astype(np.int16))
    assert two
    assert 0.38 <= threshold <= 0.45
    assert irrigation.green_threshold(green.astype(np.int16)) == (0.35, False)
    # hills that lie otherwise are followed no farther than the range
    high = np.concatenate([chance.normal(8500, 300, 20_000), chance.normal(5000, 300, 12_000)])
    assert irrigation.green_threshold(high.astype(np.int16)) == (0.5, True)
    few = np.concatenate([green[:100], bare[:100]]).astype(np.int16)
    assert irrigation.green_threshold(few) == (0.35, False)
    assert irrigation.green_threshold(np.full(5000, NODATA, np.int16)) == (0.35, False)
    assert irrigation.green_threshold(np.full(5000, 4000, np.int16)) == (0.35, False)


def test_the_method_names_every_threshold_that_decides():
    told_ = rule.method(TABLE)
    assert told_["thresholds"] == {
        "green": 0.35, "contrast": 0.2, "second_green": 0.4, "trough": 0.12, "trough_open": 0.666667,
    }  # fmt: skip
    assert told_ == rule.method(seasons.shipped(), irrigation.Limits())
    assert told_ != rule.method(TABLE, irrigation.Limits().shifted(0.05))


# --- water ------------------------------------------------------------------------------------------------


def test_arid_is_little_rain_or_little_beside_evaporation():
    rain = np.array([100.0, 249.9, 250.0, 350.0, np.nan])
    assert irrigation.arid(rain).tolist() == [True, True, False, False, False]
    et0 = np.array([1000.0, 500.0, 1000.0, 1166.0, 1000.0])
    assert irrigation.arid(rain, et0).tolist() == [True, True, True, False, False]


def test_rain_may_have_fed_what_was_green_in_spring_only():
    state, season = np.array([3, 3, 3, 3, 1, 0], np.uint8), np.array([1, 2, 3, 4, 0, 0], np.uint8)
    wet = np.zeros(6, bool)
    assert irrigation.irrigated(state, season, None).tolist() == [3, 3, 3, 3, 1, 0]
    assert irrigation.irrigated(state, season, ~wet).tolist() == [3, 3, 3, 3, 1, 0]
    assert irrigation.irrigated(state, season, wet).tolist() == [2, 3, 3, 3, 1, 0]
    dry = np.array([True, False, False, True, True, True])
    assert irrigation.irrigated(state, season, wet, dry).tolist() == [3, 2, 2, 3, 1, 0]


def test_green_in_dry_months_needs_two_dates():
    rain = np.array([50, 60, 70, 60, 40, 5, 1, 0, 2, 20, 40, 50], float)
    dry = irrigation.dry_months(rain, np.full(12, 120.0))
    assert np.flatnonzero(dry).tolist() == [5, 6, 7, 8, 9]  # June to October: below 36 mm
    stack = np.stack([curve(WHEAT), curve(COTTON), curve(ORCHARD)], axis=1)
    soil = np.full(3, 1200, np.int16)
    found = irrigation.green_in_dry_months(stack, DAYS, dry, soil, year=2021)
    assert found.tolist() == [False, True, True]
    # day 152 is 1 June, but 31 May in a leap year
    one = np.array([[6000], [6000]], np.int16)
    days = np.array([152, 153])
    assert irrigation.green_in_dry_months(one, days, dry, soil[:1], year=2021).tolist() == [True]
    assert irrigation.green_in_dry_months(one, days, dry, soil[:1], year=2020).tolist() == [False]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: aridity.arid(np.array([-9999.0])), "-9999"),
        (lambda: aridity.arid(np.array([1.0]), np.array([np.inf])), "inf"),
        (lambda: aridity.arid(np.ones(2), np.ones(3)), "shape"),
        (lambda: aridity.dry_months(np.ones(11), np.ones(11)), "twelve"),
        (lambda: aridity.irrigated(np.zeros(2, np.uint8), np.zeros(3, np.uint8), None), "season"),
        (
            lambda: aridity.green_in_dry_months(
                np.zeros((2, 1), np.int16), DAYS, np.ones(12, bool), np.zeros(1, np.int16), year=2020
            ),
            "23 days",
        ),
    ],
)
def test_water_that_cannot_be_is_refused(call, said):
    with pytest.raises(BadInput, match=said):
        call()


# --- what is excluded -------------------------------------------------------------------------------------


def test_excluded_land_is_not_irrigated_and_its_reasons_are_counted():
    state = np.array([3, 3, 3, 3, 0, 255, 3], np.uint8)
    season = np.array([4, 2, 4, 1, 0, 255, 2], np.uint8)
    slope = np.array([12, 2, 2, np.nan, 30, 30, 10.0])
    wet = np.array([0.0, 0.3, 0.3, np.nan, 0, 0, 0.6])
    excluded = irrigation.exclude(
        state.shape,
        {
            "steep": irrigation.steep(slope),
            "water": irrigation.water(wet),
            "wetland": irrigation.wetland(wet, season),
        },
    )
    assert excluded.reason.tolist() == [1, 0, 3, 0, 1, 1, 2]
    taken = {name: int(mask.sum()) for name, mask in excluded.taken_from(state).items()}
    assert taken == {"steep": 1, "water": 1, "wetland": 1}
    after = irrigation.apply(state, season, excluded)
    assert after[0].tolist() == [1, 3, 1, 3, 1, 255, 1]
    assert after[1].tolist() == [0, 2, 0, 1, 0, 255, 0]


def test_masks_of_another_shape_are_refused():
    with pytest.raises(BadInput, match="salt"):
        exclusions.exclude((3,), {"salt": np.zeros(4, bool)})


# --- parcels and patches ----------------------------------------------------------------------------------


def test_parcels_take_what_most_of_their_cells_say_and_a_tie_is_uncertain():
    parcel = np.array([[1, 1, 1, 2, 2, 3, 3, 3, 0]])
    state = np.array([[3, 3, 1, 3, 1, 0, 0, 3, 3]], np.uint8)
    season = np.array([[2, 1, 0, 1, 0, 0, 0, 2, 4]], np.uint8)
    new_state, new_season = irrigation.by_majority(state, season, parcel)
    assert new_state.tolist() == [[3, 3, 3, 2, 2, 0, 0, 0, 3]]  # the third: one of three cells seen
    assert new_season.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0, 4]]  # a tie of winter and summer


def test_cells_outside_the_map_do_not_vote():
    state = np.array([[255, 255, 3]], np.uint8)
    new_state, _ = irrigation.by_majority(state, np.array([[255, 255, 2]], np.uint8), np.ones((1, 3), int))
    assert new_state.tolist() == [[255, 255, 3]]


@given(st.integers(0, 2**32 - 1))
def test_majorities_are_those_of_counting_by_hand(seed):
    chance = np.random.default_rng(seed)
    state = chance.choice(np.array([0, 1, 2, 3, 255], np.uint8), (6, 7))
    season = np.where(np.isin(state, (2, 3)), chance.integers(1, 5, state.shape), 0).astype(np.uint8)
    parcel = chance.integers(0, 4, state.shape)
    new_state, new_season = irrigation.by_majority(state, season, parcel)
    for number in range(1, 4):
        cells = (parcel == number) & (state != 255)
        if not cells.any():
            continue
        votes = [int((state[cells] == code).sum()) for code in (1, 2, 3)]
        if sum(votes) == 0 or sum(votes) < votes_needed(cells):
            expected = 0
        else:
            best = [code for code, vote in zip((1, 2, 3), votes, strict=True) if vote == max(votes)]
            expected = best[0] if len(best) == 1 else 2
        assert set(new_state[cells].tolist()) == {expected}
        assert (new_season[cells] == 0).all() == (expected < 2 or not np.isin(state[cells], (2, 3)).any())
    assert np.array_equal(new_state[parcel == 0], state[parcel == 0])


def votes_needed(cells):
    return defaults.PARCEL_SEEN_MIN * cells.sum()


def plane(rows, columns, cell=30.0):
    return Grid(CRS(32642), Affine(cell, 0, 500_000, 0, -cell, 4_500_000), (rows, columns))


def test_small_patches_go_and_what_may_be_larger_stays():
    state = np.ones((12, 40), np.uint8)
    state[2:5, 2:5] = 3  # 9 cells of 0.09 ha: 0.81 ha
    state[2:5, 10:14] = 3  # 12 cells: 1.08 ha
    state[2:5, 20:23] = 3
    state[2:5, 23:25] = 0  # may go on where nothing was seen
    state[7, 2] = 2
    state[8, 3] = 3  # touches the cell before at a corner only
    state[0:2, 36:39] = 3  # goes on beyond the rim
    season = np.where(state == 3, 2, 0).astype(np.uint8)
    grid = plane(12, 40)
    sieved = irrigation.sieve(state, season, grid)
    assert irrigation.patch_min_ha(grid) == 0.9
    gone = sieved.state != state
    assert gone.sum() == 11
    assert gone[2:5, 2:5].all()
    assert gone[7, 2]
    assert gone[8, 3]
    assert (sieved.season[gone] == 0).all()
    assert sieved.removed_patches == 3
    assert sieved.removed_ha == pytest.approx(11 * 0.09, rel=2e-3)  # true areas: scale 0.9996 squared
    exact = grid.cell_areas[gone].sum() / 1e4
    assert sieved.removed_ha == pytest.approx(exact, rel=1e-12)


def test_the_smallest_patch_follows_the_cell():
    assert irrigation.patch_min_ha(plane(4, 4, 10.0)) == 0.5
    assert irrigation.patch_min_ha(plane(4, 4, 20.0)) == 0.5
    assert irrigation.patch_min_ha(plane(4, 4, 250.0)) == 0.9


def test_a_patch_of_just_the_size_stays():
    grid = plane(20, 20, 10.0)
    state = np.ones(grid.shape, np.uint8)
    state[5:10, 5:15] = 3
    just = float(grid.cell_areas[5:10, 5:15].sum()) / 1e4
    season = np.zeros_like(state)
    assert parcels.sieve(state, season, grid, min_ha=just).removed_patches == 0
    assert parcels.sieve(state, season, grid, min_ha=just * 1.001).removed_patches == 1
    empty = np.ones_like(state)
    assert parcels.sieve(empty, season, grid).removed_ha == 0


def test_wrong_patches_and_parcels_are_refused():
    state = np.ones((3, 3), np.uint8)
    with pytest.raises(BadInput, match="shape"):
        parcels.sieve(state, state, plane(3, 4))
    with pytest.raises(BadInput, match="-1 ha"):
        parcels.sieve(state, state, plane(3, 3), min_ha=-1)
    with pytest.raises(BadInput, match="parcels"):
        parcels.by_majority(state, state, np.ones((2, 3), int))
    with pytest.raises(BadInput, match="numbered -2"):
        parcels.by_majority(state, state, np.full((3, 3), -2))


# --- areas ------------------------------------------------------------------------------------------------


def maps(chance, shape):
    state = chance.choice(np.array([0, 1, 2, 3, 255], np.uint8), shape, p=[0.1, 0.4, 0.1, 0.35, 0.05])
    season = np.where(state == 3, chance.integers(1, 5, shape), 0).astype(np.uint8)
    low = np.where((state == 3) & (chance.random(shape) < 0.2), 1, state).astype(np.uint8)
    high = np.where((state == 1) & (chance.random(shape) < 0.2), 3, state).astype(np.uint8)
    return state, season, low, high


@pytest.fixture
def valley():
    """Four districts of two countries; the fourth goes on beyond the map, one of them in two pieces."""
    grid = plane(80, 120)
    left, bottom, right, top = grid.bounds
    middle = left + 1333.3
    shapes = [
        shapely.Polygon([(left, bottom), (middle, bottom), (middle + 400, top), (left, top)]),
        shapely.Polygon([(middle, bottom), (2600 + left, bottom), (2500 + left, top), (middle + 400, top)]),
        shapely.box(left + 2700, bottom + 1200, right + 1000, top),
        shapely.box(left + 2700, bottom, left + 3000, bottom + 500),
        shapely.box(left + 3100, bottom, left + 3200, bottom + 500),
    ]
    zones = gpd.GeoDataFrame(
        {
            "district": ["Asht", "Konibodom", "Rishton", "Beshariq", "Beshariq"],
            "country": ["TJ", "TJ", "UZ", "UZ", "UZ"],
            "basin": ["Syr Darya"] * 5,
        },
        geometry=shapes,
        crs=grid.crs,
    )
    return grid, zones


def table_of(valley, seed=0, **options):
    grid, zones = valley
    four = maps(np.random.default_rng(seed), grid.shape)
    names = {"zone_field": "district", "group_fields": ("country", "basin"), "year": 2021, **options}
    return irrigation.zones_table(*four, grid, zones, **names), four


def test_districts_add_up_to_countries_and_states_to_the_geodesic_area(valley):
    table, _ = table_of(valley)
    _, zones = valley
    parts = table["map_area_ha"] + table["not_irrigated_ha"] + table["uncertain_ha"] + table["unobserved_ha"]
    assert (parts == table["area_ha"]).all()  # to the last digit
    names = ["winter_ha", "summer_ha", "double_ha", "permanent_ha"]
    assert (table[names].sum(axis=1) == table["map_area_ha"]).all()
    by_level = dict(list(table.groupby("level")))
    hectares = [name for name in table if name.endswith("_ha")]
    for level in ("country", "basin", "all"):
        assert (by_level[level][hectares].sum() == by_level["zone"][hectares].sum()).all()
    uz = table[table["zone"] == "UZ"][hectares].iloc[0]
    assert (uz == table[table["zone"].isin(["Rishton", "Beshariq"])][hectares].sum()).all()
    # against the ellipsoid, by another road than the table's
    pieces = zones.assign(ha=polygon_areas_m2(zones.to_crs(4326).geometry) / 1e4)
    geodesic = pieces.groupby("district")["ha"].sum()
    own = by_level["zone"].set_index("zone")["area_ha"]
    assert own.to_numpy() == pytest.approx(
        geodesic.loc[own.index].to_numpy(), rel=1e-4
    )  # edges are other lines
    assert list(table.columns) == list(areas.COLUMNS)
    assert (table["year"] == 2021).all()


def test_shares_are_those_of_the_cells_and_land_beyond_the_map_is_unobserved(valley):
    table, (state, *_) = table_of(valley)
    row = table.set_index("zone").loc["Asht"]
    grid, zones = valley
    x, y = grid.centres(*np.indices(grid.shape))
    inside = shapely.contains_xy(zones.geometry.iloc[0], x, y)
    weight = grid.cell_areas * inside
    share = {code: float(weight[state == code].sum() / weight.sum()) for code in (0, 1, 2, 3, 255)}
    assert row["map_area_ha"] / row["area_ha"] == pytest.approx(share[3], rel=1e-6)
    assert row["uncertain_pct"] == pytest.approx(100 * share[2], rel=1e-6)
    assert row["unobserved_pct"] == pytest.approx(100 * (share[0] + share[255]), rel=1e-6)
    cut = table.set_index("zone").loc["Rishton"]
    assert cut["unobserved_pct"] > 100 * 1000 / 1900 * 0.9  # more than half of it lies beyond


def test_low_and_high_stand_on_either_side(valley):
    table, _ = table_of(valley)
    assert (table["low_ha"] < table["map_area_ha"]).all()
    assert (table["map_area_ha"] < table["high_ha"]).all()


def test_strips_and_one_piece_give_the_same_digits(valley):
    table, four = table_of(valley)
    grid, zones = valley
    sums = irrigation.ZoneSums(grid, zones, zone_field="district", group_fields=("country", "basin"))
    for row0, row1 in ((40, 80), (0, 7), (7, 40)):
        sums.add(row0, *(each[row0:row1] for each in four))
    assert sums.table(2021).equals(table)


def test_zones_in_degrees_come_to_the_same_areas(valley):
    grid, zones = valley
    four = maps(np.random.default_rng(0), grid.shape)
    one = irrigation.zones_table(*four, grid, zones, year=2021, zone_field="district")
    other = irrigation.zones_table(*four, grid, zones.to_crs(4326), year=2021, zone_field="district")
    assert other["map_area_ha"].to_numpy() == pytest.approx(one["map_area_ha"].to_numpy(), rel=2e-3)
    assert other["area_ha"].to_numpy() == pytest.approx(one["area_ha"].to_numpy(), rel=1e-4)


def test_a_zone_smaller_than_a_cell_is_unobserved(valley):
    grid, zones = valley
    left, bottom, *_ = grid.bounds
    speck = gpd.GeoDataFrame(
        {"district": ["Speck"]},
        geometry=[shapely.box(left + 1, bottom + 1, left + 9, bottom + 9)],
        crs=grid.crs,
    )
    four = maps(np.random.default_rng(0), grid.shape)
    far = zones[zones["district"] == "Konibodom"]
    table = irrigation.zones_table(
        *four, grid, gpd.pd.concat([speck, far]), year=2021, zone_field="district"
    ).set_index("zone")
    assert table.loc["Speck", "unobserved_pct"] == 100
    assert table.loc["Speck", "area_ha"] == pytest.approx(0.0064, rel=1e-3)


def test_zones_that_do_not_serve_are_refused(valley):
    grid, zones = valley
    four = maps(np.random.default_rng(0), grid.shape)

    def of(layer, **options):
        return irrigation.zones_table(*four, grid, layer, year=2021, **options)

    with pytest.raises(BadInput, match="empty"):
        of(zones.iloc[:0])
    with pytest.raises(BadInput, match="no column name"):
        of(zones, zone_field="name")
    with pytest.raises(BadInput, match="1 zones have no name"):
        of(zones.assign(district=["a", "b", "c", "d", None]), zone_field="district")
    with pytest.raises(BadInput, match="overlap in"):
        of(zones.assign(geometry=zones.geometry.buffer(200)), zone_field="district")
    with pytest.raises(BadInput, match="belongs to UZ and to TJ"):
        of(
            zones.assign(country=["TJ", "TJ", "UZ", "UZ", "TJ"]),
            zone_field="district",
            group_fields=("country",),
        )
    with pytest.raises(BadInput, match="twice"):
        of(zones, zone_field="district", group_fields=("country", "country"))
    with pytest.raises(OutsideGrid, match="None of the 4 zones"):
        of(zones.assign(geometry=zones.geometry.translate(1e5)), zone_field="district")
    with pytest.raises(BadInput, match="shape of the grid"):
        irrigation.zones_table(*(each[:5] for each in four), grid, zones, year=2021)
    wrong = four[0].copy()
    wrong[3, 3] = 7
    with pytest.raises(BadInput, match="state 7"):
        irrigation.zones_table(wrong, *four[1:], grid, zones, year=2021)
