"""What changed between two inventories: areas that add up, and verdicts that dare to say nothing."""

import datetime as dt

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from bluepeace_gis.analyses.glaciers import change_defaults as defaults
from bluepeace_gis.analyses.glaciers.change import CLUSTER_COLUMNS, frames_missing, glacier_change
from bluepeace_gis.analyses.glaciers.outlined import date_of, day_of, decimal_year, outlines
from bluepeace_gis.analyses.glaciers.sums import INTERVALS, MEASURES, divided, verdicts
from bluepeace_gis.errors import BadInput

UTM = "EPSG:32643"
X, Y = 500_000, 4_400_000
FIRST, LAST = "2003-08-01", "2023-08-01"
OURS = {"defaults": {"visible_margin": 0.06}}
FRAME = shapely.box(74.9, 39.6, 75.4, 39.9)  # around all of them


def square(x, y, width, height=None):
    return shapely.box(X + x, Y + y, X + x + width, Y + y + (height or width))


def layer(*shapes, date=FIRST, crs=UTM, prefix="G", **columns):
    names = [f"{prefix}{place}" for place in range(len(shapes))]
    return gpd.GeoDataFrame(
        {"rgi_id": names, "src_date": date, **columns}, geometry=list(shapes), crs=crs
    )  # fmt: skip


def compared(before, after, *, first=None, last=None, **more):
    return glacier_change(
        outlines(before, "before", **(first or {})), outlines(after, "after", **(last or {})), **more
    )


def ours(*shapes, edge=0.01, snow=0.0, unseen=0.0, rest=0.0, **more):
    """Outlines with the columns of our own product."""
    total = np.sqrt(edge**2 + snow**2 + rest**2 + np.square(unseen) / 12)
    return layer(
        *shapes, edge_unc_km2=edge, snow_unc_km2=snow, unseen_km2=unseen, area_unc_km2=total, **more
    )  # fmt: skip


def test_layers_of_one_year_are_no_change_unless_somebody_says_so():
    first, other = (layer(square(0, 0, 1000), date=f"2000-0{month}-20") for month in (8, 9))
    with pytest.raises(BadInput, match=r"lie \d+ days.*--accept-definition"):
        compared(first, other)
    found = compared(first, other, accept_definition=True)
    assert [each.kind for each in found.definitions] == ["season"]


def test_the_table_of_uncertainties_says_what_the_unseen_may_be_wrong_by():
    shape, unseen = square(0, 0, 1000), np.array([0.3])
    table = pd.DataFrame({"rgi_id": ["G0", "other"], "unseen_unc_km2": [0.2, 9.0]})
    total = np.sqrt(0.01**2 + 0.05**2 + 0.2**2)
    told = layer(shape, edge_unc_km2=0.01, snow_unc_km2=0.0, unseen_km2=unseen, area_unc_km2=total)
    found = outlines(told, "before", uncertainties=table)
    assert found.common_km2["outlines before"] == pytest.approx([0.05])
    assert found.unseen_km2 == pytest.approx(unseen)
    for without in (None, table.iloc[1:], table.drop(columns="unseen_unc_km2")):  # any share of it
        rest = outlines(told, "before", uncertainties=without).common_km2["outlines before"]
        assert rest == pytest.approx([np.sqrt(total**2 - 0.01**2 - 0.3**2 / 12)])


def test_columns_are_those_of_the_design_first_and_then_what_stands_behind_them():
    found = compared(layer(square(0, 0, 1000)), layer(square(0, 0, 900), date=LAST))
    assert MEASURES == (
        "area_before_km2", "area_after_km2", "change_km2", "change_unc_km2", "change_pct", "pct_per_year",
        "verdict",
    )  # fmt: skip
    assert tuple(found.clusters.columns) == (*CLUSTER_COLUMNS, "geometry")
    assert tuple(found.clusters.columns[:7]) == MEASURES
    assert tuple(found.totals.columns[:8]) == ("zone", *MEASURES)
    assert set(INTERVALS) <= set(found.totals.columns)


def test_a_glacier_that_lost_a_third_is_told_with_rate_and_interval():
    found = compared(ours(square(0, 0, 3000, 1000)), ours(square(0, 0, 2000, 1000), date=LAST))
    row = found.clusters.iloc[0]
    assert (row["status"], row["verdict"]) == ("kept", "loss")
    assert row["change_km2"] == pytest.approx(-1, rel=1e-3)
    assert row["change_pct"] == pytest.approx(-100 / 3, rel=1e-3)
    assert row["pct_per_year"] == pytest.approx(-100 / 3 / 20, rel=1e-3)
    assert row["change_unc_km2"] == pytest.approx(0.01 * np.sqrt(2))
    width = row["change_high_km2"] - row["change_low_km2"]
    assert width == pytest.approx(2 * 1.959964 * row["change_unc_km2"])
    assert row["before_date"], row["after_date"] == (FIRST, LAST)


def test_what_is_smaller_than_the_outlines_may_be_wrong_by_is_not_called_a_change():
    before = ours(square(0, 0, 1000), edge=0.03)
    for side, verdict in (
        (960, "not distinguishable"),
        (1040, "not distinguishable"),
        (1100, "gain"),
        (900, "loss"),
    ):
        found = compared(before, ours(square(0, 0, side), edge=0.03, date=LAST))
        assert found.clusters["verdict"].tolist() == [verdict]


def test_split_merged_vanished_new_and_rearranged_glaciers_are_told_apart():
    before = layer(
        square(0, 0, 1000), square(3000, 0, 400), square(3600, 0, 400), square(6000, 0, 500),
        square(0, 3000, 500), square(600, 3000, 500), square(3000, 3000, 800),
    )  # fmt: skip
    after = layer(
        square(0, 0, 400), square(500, 0, 400), square(3000, 0, 900, 300), square(5000, 1500, 300),
        square(0, 3000, 700), square(800, 3000, 300), square(3000, 3000, 700), date=LAST,
    )  # fmt: skip
    table = compared(before, after, last={"frame": FRAME}).clusters
    assert table["status"].tolist() == ["split", "merged", "vanished", "rearranged", "kept", "new"]
    assert table["before_ids"].tolist() == ["G0", "G1, G2", "G3", "G4, G5", "G6", ""]
    assert table["after_ids"].tolist() == ["G0, G1", "G2", "", "G4, G5", "G6", "G3"]
    vanished, new = table.iloc[2], table.iloc[5]
    assert vanished["change_pct"] == pytest.approx(-100)
    assert vanished["verdict"] == "loss"
    # ice does not come up where there was none: it may have been missed before, or be snow
    assert new["verdict"] == "not distinguishable"
    assert new["change_low_km2"] == pytest.approx(-1.96 * new["change_unc_km2"], rel=1e-3)
    assert np.isnan(new["change_pct"])


def test_divides_that_moved_inside_a_group_are_no_change():
    before = layer(square(0, 0, 1000, 2000), square(1000, 0, 1000, 2000))
    after = layer(square(0, 0, 1300, 2000), square(1300, 0, 700, 2000), date=LAST)
    table = compared(before, after).clusters
    assert table["status"].tolist() == ["rearranged"]
    assert table["change_km2"].tolist() == pytest.approx([0], abs=1e-9)


def test_divides_are_no_edges_of_ice_and_lines_drawn_alike_count_once():
    one, two = (square(0, 0, 2000, 1000),), (square(0, 0, 1000), square(1000, 0, 1000))
    whole, parts, moved = (
        compared(layer(*before), layer(*after, date=LAST)).total
        for before, after in ((one, one), (two, two), (one, (square(30, 30, 1940, 940),)))
    )
    # two glaciers with a divide of 1 km have the edge of the one they are parts of
    for name in ("random_unc_km2", "common_unc_km2"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-3)
    margin_m = 6000
    random = defaults.EDGE_M * np.sqrt(margin_m * defaults.EDGE_CORRELATION_M) / 1e6
    assert whole["random_unc_km2"] == pytest.approx(random, rel=1e-3)  # of one date, not of two
    assert moved["random_unc_km2"] == pytest.approx(random * np.sqrt(2), rel=0.01)


def test_sums_keep_random_and_common_parts_apart():
    places = [(3000 * place, 0) for place in range(9)]
    before = ours(*(square(x, y, 1000) for x, y in places), edge=0.02, snow=0.01, rest=0.03)
    after = ours(*(square(x, y, 950) for x, y in places), edge=0.02, snow=0.005, rest=0.04, date=LAST)
    total = compared(before, after).total
    assert total["random_unc_km2"] == pytest.approx(0.02 * np.sqrt(2 * 9))
    assert total["common_unc_km2"] == pytest.approx(9 * np.sqrt(0.01**2 + 0.03**2 + 0.005**2 + 0.04**2))
    assert total["change_unc_km2"] == pytest.approx(
        np.hypot(total["random_unc_km2"], total["common_unc_km2"])
    )


def test_zones_and_size_classes_add_up_to_the_total_to_the_last_digit():
    random = np.random.default_rng(11)
    places = [(x, y) for x in range(0, 30_000, 2000) for y in range(0, 10_000, 2000)]
    sides = random.uniform(100, 1800, len(places))
    before = layer(*(square(x, y, side) for (x, y), side in zip(places, sides, strict=True)))
    after = layer(*(square(x, y, 0.93 * side) for (x, y), side in zip(places, sides, strict=True)), date=LAST)
    zones = gpd.GeoDataFrame(
        {"name": ["west", "middle", "east"]},
        geometry=[
            shapely.box(X - 100, Y - 100, X + 7777, Y + 9e4),
            shapely.box(X + 7777, Y - 100, X + 20_333, Y + 9e4),
            shapely.box(X + 20_333, Y - 100, X + 26_000.5, Y + 9e4),
        ],
        crs=UTM,
    )
    found = compared(before, after, zones=zones)
    assert found.totals["zone"].tolist() == ["all", "east", "middle", "west", "outside all zones"]
    order = random.permutation(4) + 1
    for name in ("area_before_km2", "area_after_km2", "change_km2"):
        whole = found.totals[name].iloc[0]
        assert sum(found.totals[name].iloc[order].tolist()) == whole
        assert sum(found.clusters[name].tolist()) == whole
        assert found.size_classes[name].sum() == whole
    parts = found.totals.iloc[1:]
    assert np.sqrt((parts["random_unc_km2"] ** 2).sum()) == pytest.approx(found.total["random_unc_km2"])
    west = sum(min(max(7777 - x, 0), side) * side / 1e6 for (x, _), side in zip(places, sides, strict=True))
    assert parts["area_before_km2"].iloc[2] == pytest.approx(west, rel=1e-3)


def test_common_parts_of_zones_add_up_one_by_one_for_each_date():
    before = ours(square(0, 0, 2000, 1000), rest=0.1)
    after = ours(square(0, 0, 2000, 900), rest=0.0, date=LAST)
    zones = gpd.GeoDataFrame(
        {"country": ["A", "B"]},
        geometry=[shapely.box(X - 9, Y - 9, X + 500, Y + 9e3), shapely.box(X + 500, Y - 9, X + 9e3, Y + 9e3)],
        crs=UTM,
    )
    table = compared(before, after, zones=zones).totals
    assert table["common_unc_km2"].tolist() == pytest.approx([0.1, 0.025, 0.075], rel=1e-3)


# What was not seen


def test_ice_under_a_cloud_of_the_second_date_is_no_loss():
    before = ours(square(0, 0, 3000, 1000))
    after = ours(square(0, 0, 1500, 1000), date=LAST)
    cloud = gpd.GeoSeries([square(1500, -100, 4000, 2000)], crs=UTM)
    row = compared(before, after, last={"hidden": cloud}).clusters.iloc[0]
    assert row["hidden_after_km2"] == pytest.approx(1.5, rel=1e-3)
    assert row["change_km2"] == pytest.approx(0, abs=1e-3)
    assert row["verdict"] == "not distinguishable"
    # all of it may have gone, none of it
    assert row["change_low_km2"] == pytest.approx(-1.5 - 1.96 * row["change_unc_km2"], rel=1e-3)
    assert row["change_high_km2"] == pytest.approx(1.96 * row["change_unc_km2"], abs=1e-3)
    seen = compared(before, after).clusters.iloc[0]
    assert (seen["change_km2"], seen["verdict"]) == (pytest.approx(-1.5, rel=1e-3), "loss")


def test_ice_under_a_cloud_of_the_first_date_is_no_gain():
    before = ours(square(0, 0, 1500, 1000))
    after = ours(square(0, 0, 3000, 1000), date=LAST)
    cloud = gpd.GeoSeries([square(1500, -100, 4000, 2000)], crs=UTM).to_crs("EPSG:4326")
    row = compared(before, after, first={"hidden": cloud}).clusters.iloc[0]
    assert row["change_km2"] == pytest.approx(0, abs=1e-3)
    assert row["change_high_km2"] == pytest.approx(1.5 + 1.96 * row["change_unc_km2"], rel=1e-3)
    assert row["verdict"] == "not distinguishable"


def test_what_may_hide_beside_a_glacier_widens_the_interval_to_one_side():
    before = ours(square(0, 0, 1000))
    clear, cloudy = (
        compared(before, ours(square(0, 0, 900), unseen=unseen, date=LAST)).clusters.iloc[0]
        for unseen in (0.0, 0.3)
    )
    assert cloudy["change_high_km2"] == pytest.approx(clear["change_high_km2"] + 0.3)
    assert cloudy["change_low_km2"] == pytest.approx(clear["change_low_km2"])
    assert (clear["verdict"], cloudy["verdict"]) == ("loss", "not distinguishable")


def test_a_glacier_wholly_under_cloud_or_beyond_the_frame_did_not_vanish():
    before = ours(square(0, 0, 1000), square(3000, 0, 1000), square(90_000, 0, 1000), square(6000, 0, 500))
    after = ours(square(0, 0, 1000), date=LAST)
    cloud = gpd.GeoSeries([square(2900, -100, 1300)], crs=UTM)
    frame = gpd.GeoSeries([square(-2000, -2000, 20_000)], crs=UTM).to_crs("EPSG:4326").iloc[0]
    found = compared(before, after, last={"hidden": cloud, "frame": frame})
    table = found.clusters
    assert table["status"].tolist() == ["kept", "hidden", "outside the other frame", "vanished"]
    assert table["verdict"].tolist() == ["not distinguishable", "not compared", "not compared", "loss"]
    assert np.isnan(table["change_km2"].iloc[1:3]).all()
    assert np.isnan(table["area_after_km2"].iloc[1:3]).all()  # not looked at is not zero
    assert found.total["area_before_km2"] == pytest.approx(1.25, rel=1e-3)
    assert found.total["not_compared_before_km2"] == pytest.approx(2, rel=1e-3)
    assert len(found.notes) == 2


def test_a_glacier_that_the_frame_cuts_is_compared_as_far_as_it_was_seen():
    frame = gpd.GeoSeries([square(-2000, -2000, 3500, 9000)], crs=UTM).to_crs("EPSG:4326").iloc[0]
    row = compared(
        ours(square(0, 0, 3000, 1000)), ours(square(0, 0, 1500, 1000), date=LAST), last={"frame": frame}
    ).clusters.iloc[0]
    assert row["hidden_after_km2"] == pytest.approx(1.5, rel=1e-3)
    assert row["verdict"] == "not distinguishable"


def test_without_a_record_glaciers_beyond_the_others_count_as_not_looked_at_and_it_is_said():
    before = layer(square(0, 0, 900), square(4000, 0, 900), square(2000, 200, 400), square(90_000, 0, 900))
    after = layer(square(0, 0, 900), square(4000, 0, 900), date=LAST)
    pair = outlines(before, "before"), outlines(after, "after")
    table = glacier_change(*pair).clusters
    assert table["status"].tolist() == ["kept", "kept", "vanished", "outside the other frame"]
    assert "hull" in frames_missing(pair, table)
    known = outlines(before, "before", frame=FRAME), outlines(after, "after", frame=FRAME)
    assert frames_missing(known, glacier_change(*known).clusters) is None


def test_a_vanished_glacier_may_still_be_as_large_as_the_smallest_that_is_mapped():
    found = compared(
        ours(square(0, 0, 120), square(5000, 0, 900), square(0, 5000, 900), edge=0.001),
        ours(square(5000, 0, 900), square(0, 5000, 900), edge=0.001, date=LAST),
        last={"area_min_km2": 0.01, "frame": FRAME},
    )
    row = found.clusters.iloc[0]
    assert row["status"] == "vanished"
    assert row["change_high_km2"] == pytest.approx(
        row["change_km2"] + 1.96 * row["change_unc_km2"] + 0.01, abs=1e-4
    )


def test_a_large_glacier_that_is_gone_is_doubted():
    before = layer(square(0, 0, 900), square(5000, 0, 1500), square(0, 5000, 800), square(9000, 0, 300))
    found = compared(before, layer(square(0, 0, 880), date=LAST), last={"frame": FRAME})
    assert found.clusters["status"].tolist() == ["kept", "vanished", "vanished", "vanished"]
    assert [note for note in found.notes if "larger than 1 km2" in note and "1 (first G1" in note]


# Definitions


@pytest.mark.parametrize(
    ("first", "last", "prefix", "said"),
    [
        ({}, {"method": OURS}, "RGI2000-v7.0-G-13-0000", "GAMDAM2"),
        ({}, {}, "RGI2000-v7.0-C-13-0000", "GAMDAM2"),
        ({}, {"method": OURS}, "RGI2000-v7.0-G-11-0000", "somebody else"),
        (
            {"method": OURS}, {"method": {"defaults": {"visible_margin": 0.08}}}, "G",
            "visible_margin 0.06 and 0.08",
        ),
        (
            {"method": OURS, "cell_m": 10.0}, {"method": OURS, "cell_m": 30.0}, "G",
            "10 m, the layer after from 30 m",
        ),
        (
            {"method": OURS, "area_min_km2": 0.01}, {"method": OURS, "area_min_km2": 0.1}, "G",
            "smallest glacier 0.01 and 0.1 km2",
        ),
    ],
    ids=["RGI 7 and ours", "RGI 7 and others", "others and ours", "settings", "cells", "smallest"],
)  # fmt: skip
def test_another_definition_is_refused_with_the_reason_unless_it_is_accepted(first, last, prefix, said):
    before, after = layer(square(0, 0, 900), prefix=prefix), layer(square(0, 0, 800), date=LAST)
    with pytest.raises(BadInput, match="--accept-definition") as refused:
        compared(before, after, first=first, last=last)
    assert said in str(refused.value)
    found = compared(before, after, first=first, last=last, accept_definition=True)
    assert said in found.notes[0]
    assert len(found.definitions) == 1


def test_layers_of_one_definition_are_compared_without_a_word():
    before, after = layer(square(0, 0, 900)), layer(square(0, 0, 800), date=LAST)
    alike = {"method": OURS, "cell_m": 20.0, "area_min_km2": 0.01}
    assert compared(before, after).definitions == ()
    assert compared(before, after, first=alike, last=alike).definitions == ()
    both = (layer(square(0, 0, side), prefix="RGI2000-v7.0-G-13-0000", date=date)
            for side, date in ((900, FIRST), (800, LAST)))  # fmt: skip
    assert compared(*both).definitions == ()


# Bad input


def test_dates_that_make_no_change_are_refused():
    good = layer(square(0, 0, 900))
    with pytest.raises(BadInput, match="two dates were expected"):
        compared(good, layer(square(0, 0, 800)))
    with pytest.raises(BadInput, match="Exchange them"):
        compared(layer(square(0, 0, 900), date=LAST), good)
    with pytest.raises(BadInput, match=r"has no dates.*--after-date"):
        compared(good, layer(square(0, 0, 800)).drop(columns="src_date"))
    with pytest.raises(BadInput, match=r"1 of 2 glaciers without a date .* 'last summer'"):
        compared(good, layer(square(0, 0, 800), square(2000, 0, 9), date=[LAST, "last summer"]))


def test_a_given_date_stands_for_all():
    found = compared(
        layer(square(0, 0, 900)).drop(columns="src_date"), layer(square(0, 0, 800)).drop(columns="src_date"),
        first={"date": dt.date(2003, 8, 1)}, last={"date": dt.date(2013, 8, 1)},
    )  # fmt: skip
    assert found.clusters["years"].tolist() == pytest.approx([10], abs=0.01)


def test_single_glaciers_that_are_not_later_are_left_out_and_said():
    before = layer(square(0, 0, 900), square(3000, 0, 900), date=[FIRST, "2024-08-01"])
    found = compared(before, layer(square(0, 0, 800), square(3000, 0, 800), date=LAST))
    assert found.clusters["status"].tolist() == ["kept", "no time between"]
    assert found.clusters["verdict"].tolist()[1] == "not compared"
    assert "not later" in found.notes[0]


def test_outlines_that_count_ice_twice_are_refused_and_a_little_is_said(caplog):
    after = layer(square(0, 0, 800), date=LAST)
    with pytest.raises(BadInput, match="counted twice"):
        compared(layer(square(0, 0, 900), square(100, 0, 900)), after)
    compared(layer(square(0, 0, 900), square(895, 0, 900)), after)
    assert "lie in two outlines" in caplog.text
    with pytest.raises(BadInput, match="more than once"):
        compared(layer(square(0, 0, 900), square(3000, 0, 900)).assign(rgi_id="G1"), after)


def test_other_shapes_than_outlines_are_refused():
    after = layer(square(0, 0, 800), date=LAST)
    with pytest.raises(BadInput, match="not polygons"):
        compared(layer(shapely.Point(X, Y)), after)
    with pytest.raises(BadInput, match="holds no outlines"):
        compared(layer(), after)
    with pytest.raises(BadInput, match=r"intrnl_rock.*Difference"):
        compared(layer(square(0, 0, 900), line_type="intrnl_rock"), after)


def test_layers_of_two_places_are_refused():
    with pytest.raises(BadInput, match="None of the 2 glaciers"):
        compared(layer(square(0, 0, 900)), layer(square(90_000, 0, 900), date=LAST))


def test_zones_without_names_are_refused():
    zones = gpd.GeoDataFrame({"code": [1]}, geometry=[square(0, 0, 9e3)], crs=UTM)
    with pytest.raises(BadInput, match="--zone-field"):
        compared(layer(square(0, 0, 900)), layer(square(0, 0, 800), date=LAST), zones=zones)


def test_crss_and_the_180th_meridian_make_no_difference():
    before = gpd.GeoDataFrame(
        {"rgi_id": ["A"], "src_date": FIRST},
        geometry=[shapely.box(179.97, 68, 180.03, 68.02)],
        crs="EPSG:4326",
    )
    halves = [shapely.box(179.98, 68, 180, 68.02), shapely.box(-180, 68, -179.98, 68.02)]
    cut = gpd.GeoDataFrame(
        {"rgi_id": ["A"], "src_date": LAST}, geometry=[shapely.MultiPolygon(halves)], crs="EPSG:4326"
    )
    rows = [
        compared(before, after).clusters.iloc[0]
        for after in (cut, cut.set_geometry(cut.geometry.to_crs("EPSG:4326")))
    ]
    rows.append(compared(before.to_crs("EPSG:32660"), cut).clusters.iloc[0])
    for row in rows:
        assert row["status"] == "kept"
        assert row["change_pct"] == pytest.approx(-100 / 3, rel=1e-3)
    drawn = shapely.total_bounds(compared(before, cut).clusters.geometry.to_numpy())
    assert drawn[0] >= -180
    assert drawn[2] <= 180


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2003-07-30T00:00:00", "2003-07-30", "2003-07-30"),
        ("2003-07-30", "2003-07-30", "2003-07-30"),
        ("2015-09-09 00:00:00", "2015-09-09", "2015-09-09"),
        (20030730, "2003-07-30", "2003-07-30"),
        ("20030799", "2003-07-01", "2003-07-31"),
        ("20030299", "2003-02-01", "2003-02-28"),
        ("20039999", "2003-01-01", "2003-12-31"),
        (2003, "2003-01-01", "2003-12-31"),
        (2003.0, "2003-01-01", "2003-12-31"),
        (pd.Timestamp("2003-07-30 05:00"), "2003-07-30", "2003-07-30"),
        ("-9999999", None, None),
        ("20031399", None, None),
        ("20030231", None, None),
        (float("nan"), None, None),
        (pd.NaT, None, None),
        (None, None, None),
        ("", None, None),
    ],
    ids=repr,
)
def test_dates_are_read_as_inventories_write_them(text, first, last):
    assert str(date_of(text)) == str(first)
    assert str(date_of(text, last=True)) == str(last)


def test_a_span_of_images_counts_as_its_middle():
    older = layer(square(0, 0, 900)).drop(columns="src_date").assign(BgnDate="20030799", EndDate="20030999")
    assert str(day_of(outlines(older, "before").year[0])) == "2003-08-16"


def test_decimal_years_go_there_and_back():
    for day in (dt.date(1900, 1, 1), dt.date(1999, 12, 31), dt.date(2000, 2, 29), dt.date(2026, 11, 24)):
        assert day_of(decimal_year(day)) == day


def test_whole_numbers_are_divided_without_a_remainder():
    random = np.random.default_rng(2)
    for _ in range(200):
        weights = random.random(random.integers(1, 9)) * (random.random() < 0.9) + 1e-9
        whole = int(random.integers(0, 10**12))
        parts = divided(whole, weights)
        assert parts.sum() == whole
        assert (parts >= 0).all()


def test_verdicts_need_an_interval_on_one_side_of_zero():
    low, high = np.array([-2, -1, 0.1, np.nan, 0.0]), np.array([-1, 1, 0.2, 1, 1.0])
    assert verdicts(low, high).tolist() == [
        "loss", "not distinguishable", "gain", "not compared", "not distinguishable",
    ]  # fmt: skip
