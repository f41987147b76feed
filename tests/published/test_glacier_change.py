"""Links of RGI 7.0, and areas of the World Glacier Monitoring Service."""

import datetime as dt
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from bluepeace_gis.analyses.glaciers.links import links
from bluepeace_gis.analyses.glaciers.outlined import Edges, lengths_m, outlines
from bluepeace_gis.analyses.glaciers.series import STATED, series_change

pytestmark = pytest.mark.real

# RGI 7.0 Consortium (2023), doi:10.5067/F6JMOVY5NAVZ: the complex around Hintereisferner and its 23 glaciers.
COMPLEX, GLACIERS, COMPLEX_KM2 = "RGI2000-v7.0-C-11-02192", 23, 77.670226
# WGMS (2026), Fluctuations of Glaciers: of nine changes since 2010 with an uncertainty at both ends, four are
# smaller than one standard deviation.
WITH_UNCERTAINTY, NOT_SIGNIFICANT = 9, 4
# The printed rates count the day of the year by 365.25 in every calendar year, which takes up to a day off
# the five years and more between two areas.
TIME = 1 / (5 * 365)


@pytest.fixture(scope="module")
def rgi(real_data):
    return real_data / "glacier" / "oetztal_rgi7"


@pytest.fixture(scope="module")
def wgms(real_data):
    folder = real_data / "glacier" / "wgms_areas"
    return (
        pd.read_csv(folder / "wgms_fog2026_state_kz_kg_tj_uz.csv"),
        pd.read_csv(folder / "rates_endpoint.csv"),
    )


def test_the_complex_is_linked_to_the_glaciers_that_rgi_7_names(rgi):
    whole, parts = gpd.read_file(rgi / "rgi7c_hef.shp"), gpd.read_file(rgi / "rgi7g_hef_complex.shp")
    table = links(whole, parts, before_id="rgi_id", after_id="rgi_id")
    named = json.loads((rgi / "hef-CtoG_links.json").read_text(encoding="utf-8"))
    assert sorted(table["after_id"]) == sorted(named[COMPLEX])
    assert len(table) == GLACIERS
    assert set(table["cluster_id"]) == {1}
    assert table["overlap_area_km2"].sum() == pytest.approx(COMPLEX_KM2, abs=1e-5)
    assert table["before_area_fraction"].sum() == pytest.approx(1, abs=1e-6)
    assert table["after_area_fraction"].min() > 1 - 1e-6


def test_glaciers_of_rgi_6_are_those_of_rgi_7(rgi):
    older, newer = (
        gpd.read_file(rgi / "rgi" / "rgi_oetztal.shp"),
        gpd.read_file(rgi / "rgi7g_hef_complex.shp"),
    )
    table = links(older, newer.to_crs("EPSG:32632"), before_id="RGIId", after_id="rgi_id")
    # Hintereisferner and Gepatschferner, two parts of which one glacier of RGI 7 is made
    named = dict(zip(table["before_id"], table["after_id"], strict=True))
    assert named["RGI50-11.00897"] == "RGI2000-v7.0-G-11-03116"
    split = table[table["n_before"] == 2]
    assert split["before_id"].tolist() == ["RGI50-11.00719_d01", "RGI50-11.00719_d02"]
    assert split["after_area_fraction"].sum() == pytest.approx(1, abs=1e-3)
    assert (table[["before_area_fraction", "after_area_fraction"]].max(axis=1) > 0.98).sum() == len(table)


def test_lengths_are_those_of_the_geodesic(rgi):
    layer = gpd.read_file(rgi / "rgi7g_hef_complex.shp")
    geod = layer.crs.get_geod()
    expected = [geod.geometry_length(shape.boundary) for shape in layer.geometry]
    assert lengths_m(layer.geometry.to_numpy()) == pytest.approx(expected, rel=1e-6)
    edges = Edges.of(layer.geometry.to_numpy())
    assert edges.summed_m(len(layer)) == pytest.approx(expected, rel=1e-6)
    # what no two glaciers share is the outline of the complex
    _, count = np.unique(edges.key, return_counts=True)
    assert set(count) == {1, 2}
    alone = np.isin(edges.key, np.unique(edges.key)[count == 1])
    whole = gpd.read_file(rgi / "rgi7c_hef.shp").geometry.iloc[0]
    assert edges.length_m[alone].sum() == pytest.approx(geod.geometry_length(whole.boundary), rel=1e-3)


def test_outlines_of_rgi_7_have_the_areas_and_dates_that_it_states(rgi):
    layer = gpd.read_file(rgi / "rgi7g_hef_complex.shp")
    read = outlines(layer, "before")
    assert read.area_km2 == pytest.approx(layer["area_km2"].to_numpy(), abs=1e-5)
    assert read.names.tolist() == layer["rgi_id"].tolist()
    assert not read.of_gamdam
    assert np.ptp(read.year) == 0


@pytest.mark.parametrize(("name", "since"), [("all", None), ("since2010", dt.date(2010, 1, 1))])
def test_end_point_changes_of_wgms_are_reproduced(wgms, name, since):
    areas, rates = wgms
    found = series_change(areas, since=since).change
    both = found.merge(rates[rates["set"] == name], left_on="glacier_name", right_on="glacier")
    assert len(both) == (rates["set"] == name).sum()
    assert agree(both["pct_per_year"], both["pct_per_yr"], TIME)
    stated = both[both["unc_source"] == STATED]
    known = both[both["unc_pct_per_yr_endpoints"].notna()]
    assert stated["glacier"].tolist() == known["glacier"].tolist()
    assert agree(stated["pct_per_year_unc"], stated["unc_pct_per_yr_endpoints"], TIME)
    assert agree(both["area_before_km2"], both["a0_km2"])
    assert agree(both["area_after_km2"], both["a1_km2"])


def agree(found, printed, share=0.0):
    """Whether numbers are those that were printed with three digits after the point."""
    return (np.abs(found - printed) <= 0.0005 + 1e-6 + share * np.abs(printed)).all()


def test_four_of_nine_changes_since_2010_are_smaller_than_one_standard_deviation(wgms):
    found = series_change(wgms[0], since=dt.date(2010, 1, 1)).change
    stated = found[found["unc_source"] == STATED]
    assert len(stated) == WITH_UNCERTAINTY
    small = stated["change_km2"].abs() <= stated["change_unc_km2"]
    assert small.sum() == NOT_SIGNIFICANT
    # at 95 %, which verdicts are made at, Batysh Sook (1.6 standard deviations) is a fifth
    told = stated["verdict"].value_counts().to_dict()
    assert told == {"loss": 4, "not distinguishable": 5}
    assert stated[~small & (stated["verdict"] != "loss")]["glacier_name"].tolist() == [
        "BATYSH SOOK/SYEK ZAPADNIY"
    ]
