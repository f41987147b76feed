"""From maps of single years to what became of the land: by the command, with files as people have them."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from asked import lines, run
from rasterio.features import rasterize

from bluepeace_gis.archive import features, provenance, rasters
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.workflows import irrigation_change as workflow

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
NAMES = {0: "not observed", 1: "not irrigated", 2: "uncertain", 3: "irrigated"}
DEGREES = Grid("EPSG:4326", Affine(0.005, 0, 70, 0, -0.005, 42), (60, 80))
METRES = Grid("EPSG:32642", Affine(30, 0, 500_000, 0, -30, 4_500_000), (60, 80))
FILES = ("change.tif", "change.tif.aux.xml", "frequency.tif", "change.gpkg", "annual.csv", "transitions.csv")


def write_map(path, values, grid=DEGREES, names=None, nodata=255):
    return rasters.write(grid.raster(np.asarray(values)), path, nodata=nodata, categories=names)


def series(years, seed=0, shape=(60, 80)):
    """Make fields of 5 x 5 cells that begin and end, with fallow, clouds, doubt and a rim without a map."""
    random = np.random.default_rng(seed)
    fields = np.kron(np.arange(shape[0] * shape[1] // 25).reshape(shape[0] // 5, -1), np.ones((5, 5), int))
    count = fields.max() + 1
    begin, length = random.integers(-15, 15, count), random.integers(5, 40, count)
    for position, year in enumerate(years):
        active = (position >= begin) & (position < begin + length) & (random.random(count) > 0.1)
        state = np.where(active, 3, 1)
        state[random.random(count) < 0.05] = 2
        values = state[fields].astype(np.uint8)
        if position % 3 == 1:
            cloud = random.integers(0, shape[1] - 20)
            values[:, cloud : cloud + 15] = 0
        values[:3] = 255
        yield year, values


def write_zones(path, grid=DEGREES, **columns):
    """Four districts of two countries that tile the grid and reach a little beyond it to the east."""
    left, bottom, right, top = grid.bounds
    x, y = np.array([left, left + 0.35 * (right - left), right + 0.1 * (right - left)]), (top + bottom) / 2
    boxes = [shapely.box(x[i], y0, x[i + 1], y1) for i in (0, 1) for y0, y1 in ((bottom, y), (y, top))]
    layer = gpd.GeoDataFrame(
        {"district": ["southwest", "northwest", "southeast", "northeast"], "country": ["A", "A", "B", "B"],
         **columns},
        geometry=boxes, crs=grid.crs,
    )  # fmt: skip
    return features.write({"districts": layer}, path)


@pytest.fixture
def zones(tmp_path):
    return write_zones(tmp_path / "zones.gpkg")


@pytest.fixture
def maps(tmp_path):
    return [
        write_map(tmp_path / f"irrigation_{year}.tif", values) for year, values in series(range(2000, 2012))
    ]


def change(maps, zones, out, *options):
    answer = run("irrigation-change", *maps, "--zones", zones, "--out", out, *options)
    assert answer.returncode == 0, answer.stderr
    return answer


def refused(maps, zones, out, *options):
    answer = run("irrigation-change", *maps, "--zones", zones, "--out", out, *options)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert not (Path(out) / "change.tif").exists()
    return answer.stderr.splitlines()[-1]


def read(path, band=1):
    with rasterio.open(path) as source:
        return source.read(band)


# --- the known answer of the sample ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_change(tmp_path_factory):
    """Maps of 2015 and 2024 made of the sample's fields, and their change."""
    folder = tmp_path_factory.mktemp("sample")
    fields = gpd.read_file(SAMPLE / "fields.gpkg")
    with rasterio.open(SAMPLE / "dem.tif") as dem:
        grid = Grid(dem.crs.to_wkt(), dem.transform, dem.shape)
    made = []
    for year in (2015, 2024):
        grown = fields[fields[f"season_{year}"].fillna("fallow") != "fallow"]
        land = rasterize(
            [(shape, 3) for shape in grown.geometry], out_shape=grid.shape, transform=grid.transform, fill=1
        )
        made.append(write_map(folder / f"irrigation_{year}.tif", land.astype(np.uint8), grid, NAMES))
    out = folder / "out"
    change(made, SAMPLE / "districts.gpkg", out, "--group-field", "country")
    return fields, out


def truth_ha(fields, year):
    grown = fields[fields[f"season_{year}"].fillna("fallow") != "fallow"]
    return grown.groupby("country")["area_ha"].sum()


def test_areas_of_the_sample_are_those_of_its_fields(sample_change):
    fields, out = sample_change
    groups = gpd.read_file(out / "change.gpkg", layer="groups").set_index("zone")
    for country in ("Talvria", "Sormea"):
        assert groups.loc[country, "first_ha"] == pytest.approx(truth_ha(fields, 2015)[country], rel=0.005)
        assert groups.loc[country, "last_ha"] == pytest.approx(truth_ha(fields, 2024)[country], rel=0.005)
    grown = {year: fields[f"season_{year}"].fillna("fallow") != "fallow" for year in (2015, 2024)}
    for name, chosen in {
        "gained": ~grown[2015] & grown[2024],
        "lost": grown[2015] & ~grown[2024],
        "kept": grown[2015] & grown[2024],
    }.items():
        expected = fields[chosen].groupby("country")["area_ha"].sum()
        for country in expected.index:
            assert groups.loc[country, f"{name}_ha"] == pytest.approx(expected[country], rel=0.015), name
    assert groups.loc["all", "change_low_ha"] == groups.loc["all", "change_ha"]  # all was seen


def test_abandoned_and_new_fields_of_the_sample_are_lost_and_gained(sample_change):
    """By the field, not only in sum: what the truth calls abandoned was lost, unless it lay fallow "
    "already."""
    fields, out = sample_change
    codes = read(out / "change.tif")
    with rasterio.open(out / "change.tif") as source:
        numbers = rasterize(
            zip(fields.geometry, range(1, len(fields) + 1), strict=True),
            out_shape=source.shape, transform=source.transform, dtype="int32",
        )  # fmt: skip
    for fate, code in (("abandoned", 4), ("new", 3)):
        for position in np.flatnonzero(fields["fate"] == fate):
            under = codes[numbers == position + 1]
            year = 2015 if fate == "abandoned" else 2024
            if under.size > 4 and fields[f"season_{year}"].iloc[position] not in (None, "fallow"):
                assert (under == code).mean() > 0.99


def test_zones_of_the_sample_have_their_geodesic_areas(sample_change):
    _, out = sample_change
    zones = gpd.read_file(out / "change.gpkg", layer="zones").set_index("zone")
    known = gpd.read_file(SAMPLE / "districts.gpkg").set_index("district")["area_km2"]
    assert zones["area_ha"].to_dict() == pytest.approx((known * 100).to_dict(), rel=1e-6)
    assert zones.loc["Oldfan", "country"] == "Talvria"
    assert zones.geometry.area.min() > 0


# --- what is written -------------------------------------------------------------------------------------


def test_tables_add_up_and_agree_with_the_maps(maps, zones, tmp_path):
    change(maps, zones, tmp_path / "out", "--zone-field", "district", "--group-field", "country")
    annual = pd.read_csv(tmp_path / "out" / "annual.csv")
    parts = ["irrigated_ha", "not_irrigated_ha", "uncertain_ha", "not_observed_ha", "outside_ha"]
    assert (annual[parts].sum(axis=1) == annual["area_ha"]).all()
    sums = annual.groupby(["level", "year"])[["area_ha", *parts]].sum()
    assert (sums.loc["zone"] == sums.loc["country"]).all(axis=None)
    assert (sums.loc["zone"] == sums.loc["all"]).all(axis=None)
    transitions = pd.read_csv(tmp_path / "out" / "transitions.csv")
    assert set(transitions["level"]) == {"zone", "country", "all"}
    pairs = transitions[transitions["zone"] == "A"].groupby(["from_period", "to_period"])["area_ha"].sum()
    assert len(pairs) == 12  # eleven steps, and from the first year to the last
    assert len(set(pairs)) == 1
    # an independent sum over the cells of the whole, to the rounding of the rim of its zones
    whole = annual[annual["level"] == "all"].set_index("year")
    for path in maps:
        values = read(path)
        year = int(path.stem[-4:])
        for code, name in NAMES.items():
            expected = DEGREES.cell_areas[values == code].sum() / 1e4
            assert whole.loc[year, name.replace(" ", "_") + "_ha"] == pytest.approx(
                expected, rel=1e-6, abs=0.01
            )
    codes, groups = (
        read(tmp_path / "out" / "change.tif"),
        features.read(tmp_path / "out" / "change.gpkg", "groups"),
    )
    row = groups.set_index("zone").loc["all"]
    for code, name in enumerate(["not_observed", "never", "kept", "gained", "lost", "intermittent"]):
        expected = DEGREES.cell_areas[codes == code].sum() / 1e4
        assert row[f"{name}_ha"] == pytest.approx(expected, rel=1e-6, abs=0.01)
    assert row["outside_ha"] > 0  # the rim, and the east beyond the maps


def test_frequency_counts_known_years_only(maps, zones, tmp_path):
    change(maps, zones, tmp_path / "out")
    stack = np.array([read(path) for path in maps])
    known = ((stack == 1) | (stack == 3)).sum(axis=0)
    inside = stack[0] != 255
    out = tmp_path / "out" / "frequency.tif"
    np.testing.assert_array_equal(read(out, 3)[inside], known[inside])
    np.testing.assert_array_equal(read(out, 2)[inside], (stack == 3).sum(axis=0)[inside])
    np.testing.assert_array_equal(read(out, 4)[inside], (stack == 2).sum(axis=0)[inside])
    share = np.floor(100 * (stack == 3).sum(axis=0)[inside] / known[inside] + 0.5)
    np.testing.assert_array_equal(read(out, 1)[inside], share)
    assert (read(out)[~inside] == 255).all()


@pytest.mark.parametrize("how", [{"TILE": 16}, {"TILE": 1000}, {"threads": 1}, {"reversed": True}])
def test_tiles_threads_and_order_of_maps_change_no_byte(maps, zones, tmp_path, monkeypatch, how):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    monkeypatch.setattr(workflow, "TILE", 32)
    change(maps, zones, tmp_path / "one")
    if "threads" in how:
        monkeypatch.setattr(workflow, "_threads", lambda *_: 1)
    monkeypatch.setattr(workflow, "TILE", how.get("TILE", 32))
    change(maps[::-1] if "reversed" in how else maps, zones, tmp_path / "other")
    for name in (*FILES, "change.png", "zones.png", "change.qml", "frequency.qml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_the_product_describes_itself(maps, zones, tmp_path):
    out = tmp_path / "out"
    answer = change(maps, zones, out, "--zone-field", "district", "--progress", "json")
    told = lines(answer.stdout)
    assert any("million cells of a year in a second" in each.get("message", "") for each in told)
    result = told[-1]["result"]
    assert all(Path(path).exists() for path in result["outputs"].values())
    english, russian = result["sentences"][:2]
    assert "no confidence interval" in english
    assert "не доверительный интервал" in russian
    assert provenance.faults(out / "change.json") == []
    record = json.loads((out / "change.json").read_text(encoding="utf-8"))
    named = {link["title"] for link in record["links"]}
    assert {path.name for path in maps} | {"zones.gpkg"} <= named
    method = record["properties"]["bluepeace:method"]
    assert method["rule"] == {
        "inactive_years": 5, "active_years": 3, "kept_share": 0.8, "stray_share": 0.1, "span_share": 0.5,
    }  # fmt: skip
    assert method["rule_of_these_years"]["kept_years"] == 10
    assert set(record["assets"]) >= {"main", "frequency.tif", "change.gpkg", "annual.csv", "change.png"}
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []


def test_change_is_a_map_that_can_be_sampled_and_estimated(maps, zones, tmp_path):
    out = tmp_path / "out"
    change(maps, zones, out, "--zone-field", "district")
    points = tmp_path / "points.gpkg"
    answer = run("sample-points", out / "change.tif", "--points", 300, "--out", points)
    assert answer.returncode == 0, answer.stderr
    drawn = features.read(points, "points")
    assert set(drawn["stratum"]) <= {"never", "kept", "gained", "lost", "intermittent"}
    assert {"gained", "lost"} <= set(drawn["stratum"])
    drawn["reference"] = drawn["stratum"]  # an interpreter who always agrees
    features.write({"points": drawn}, points)
    answer = run("area", out / "change.tif", points, "--zones", zones, "--out", tmp_path / "area.csv")
    assert answer.returncode == 0, answer.stderr
    table = pd.read_csv(tmp_path / "area.csv")
    whole = table[table["zone"] == "all"].set_index("class")
    expected = DEGREES.cell_areas[read(out / "change.tif") == 3].sum() / 1e4
    assert whole.loc["gained", "map_area_ha"] == pytest.approx(expected, rel=1e-9)
    assert whole.loc["gained", "ci_low_ha"] < expected < whole.loc["gained", "ci_high_ha"]


def test_periods_are_between_which_transitions_are_counted(maps, zones, tmp_path):
    change(maps, zones, tmp_path / "out", "--periods", "2000-2005, 2006-2011")
    table = pd.read_csv(tmp_path / "out" / "transitions.csv", dtype=str)
    pairs = set(zip(table["from_period"], table["to_period"], strict=True))
    assert pairs == {("2000-2005", "2006-2011"), ("2000", "2011")}


def test_few_years_are_told_to_be_few(maps, zones, tmp_path):
    answer = change(maps[:3], zones, tmp_path / "out")
    assert "3 years do not show abandoned land" in answer.stdout
    assert "по 3 годам не видны" in answer.stdout
    assert "trend of" not in answer.stdout
    assert "3 years do not show" in answer.stderr


# --- maps as they come -----------------------------------------------------------------------------------


def test_classes_are_known_by_their_names(zones, tmp_path):
    """A map whose codes are others: 10 irrigated, 20 not irrigated."""
    one = write_map(tmp_path / "land_2000.tif", np.full((60, 80), 10, np.uint8),
                    names={10: "Irrigated", 20: "not irrigated"})  # fmt: skip
    other = write_map(tmp_path / "land_2001.tif", np.full((60, 80), 1, np.uint8))
    change([one, other], zones, tmp_path / "out")
    assert (read(tmp_path / "out" / "change.tif") == 4).all()


def test_wide_and_floating_types_with_their_own_nodata_are_read(zones, tmp_path):
    values = np.full((60, 80), 3, np.int16)
    values[:10] = -9999
    one = write_map(tmp_path / "land_2000.tif", values, nodata=-9999)
    floating = np.where(np.arange(80) < 40, 3.0, 1.0) * np.ones((60, 1), np.float32)
    floating[:5] = np.nan
    other = write_map(tmp_path / "land_2001.tif", floating.astype(np.float32), nodata=np.nan)
    change([one, other], zones, tmp_path / "out")
    found = read(tmp_path / "out" / "change.tif")
    assert (found[:5] == 255).all()
    assert (found[5:10] == 0).all()  # one of the two years
    assert (found[10:, :40] == 2).all()
    assert (found[10:, 40:] == 4).all()


def test_maps_whose_cells_coincide_need_no_resampling(zones, tmp_path):
    values = dict(series([2000, 2001]))
    whole = [write_map(tmp_path / f"irrigation_{year}.tif", each) for year, each in values.items()]
    cut = write_map(tmp_path / "cut_2001.tif", values[2001][10:, 20:70], DEGREES.window(10, 60, 20, 70))
    change(whole, zones, tmp_path / "one")
    change([whole[0], cut], zones, tmp_path / "two")
    one, two = (read(tmp_path / name / "change.tif") for name in ("one", "two"))
    assert one.shape == two.shape
    np.testing.assert_array_equal(one[10:, 20:70], two[10:, 20:70])
    assert set(np.unique(two[3:10])) == {0}  # the other year is not there


def test_other_grids_are_refused_unless_told(zones, tmp_path):
    fine = Grid("EPSG:4326", Affine(0.0025, 0, 70, 0, -0.0025, 42), (120, 160))
    values = np.ones((60, 80), np.uint8)
    values[20:40, 20:40] = 3
    one = write_map(tmp_path / "irrigation_2000.tif", values)
    two = write_map(tmp_path / "irrigation_2001.tif", np.kron(values, np.ones((2, 2), np.uint8)), fine)
    said = refused([one, two], zones, tmp_path / "out")
    assert "lies on another grid" in said
    assert "--resample" in said
    answer = change([one, two], zones, tmp_path / "out", "--resample")
    assert "by the nearest cell" in answer.stderr
    found = read(tmp_path / "out" / "change.tif")
    assert found.shape == (120, 160)
    assert set(np.unique(found)) == {1, 2}  # nothing changed


def test_maps_of_another_crs_are_put_on_the_finest_when_told(tmp_path):
    zones = write_zones(tmp_path / "zones.gpkg", METRES)
    values = np.ones((60, 80), np.uint8)
    values[20:40, 20:40] = 3
    one = write_map(tmp_path / "irrigation_2000.tif", values, METRES)
    geographic = Grid("EPSG:4326", Affine(0.0005, 0, 68.99, 0, -0.0005, 40.66), (80, 100))
    two = write_map(tmp_path / "irrigation_2001.tif", np.ones((80, 100), np.uint8), geographic)
    assert "differ in CRS" in refused([one, two], zones, tmp_path / "out")
    change([one, two], zones, tmp_path / "out", "--resample")
    found = read(tmp_path / "out" / "change.tif")
    assert found.shape == (60, 80)
    assert set(np.unique(found[20:40, 20:40])) <= {0, 4}


def recorded(path, year, rule=None, **method):
    """Put a record beside a map, as the command that makes maps does."""
    found = {"bluepeace:parameters": {"year": year}, "bluepeace:method": {"rule": rule or {}, **method}}
    item = {"assets": {"main": {"href": f"./{path.name}"}}, "properties": found}
    path.with_suffix(".json").write_text(json.dumps(item), encoding="utf-8")


def test_maps_of_different_rules_are_refused_unless_accepted(maps, zones, tmp_path):
    for position, path in enumerate(maps):
        recorded(path, 2000 + position, {"ndvi_min": 0.4 if position < 6 else 0.35, "amplitude_min": 0.2})
    said = refused(maps, zones, tmp_path / "out")
    assert "ndvi_min is 0.4 in 2000 and 0.35 in 2006" in said
    assert "--accept-definition" in said
    answer = change(maps, zones, tmp_path / "out", "--accept-definition")
    assert "what differs by method is counted as change" in answer.stderr
    method = provenance.method_of(tmp_path / "out" / "change.json")
    assert method["rules_differ"]["ndvi_min"]["2011"] == 0.35


def test_one_rule_and_two_sensors_are_told_of(maps, zones, tmp_path):
    for position, path in enumerate(maps):
        recorded(
            path, 2000 + position, {"ndvi_min": 0.4}, sensors=["Landsat 5" if position < 6 else "Sentinel-2"]
        )
    answer = change(maps, zones, tmp_path / "out")
    assert "different sensors" in answer.stderr
    assert "No record tells" not in answer.stderr


def test_thresholds_that_move_the_maps_move_the_change(maps, zones, tmp_path):
    """The range of change is that of one rule moved in both years, not of two ranges against each other."""
    names = ["southwest", "northwest", "southeast", "northeast"]
    rows = [(year, name, 100.0, 80.0, 130.0 + 20 * (year == 2011)) for year in (2000, 2011) for name in names]
    columns = ["year", "zone", "map_area_ha", "low_ha", "high_ha"]
    table = pd.DataFrame(rows, columns=columns).assign(level="zone")
    groups = table.assign(level="country", low_ha=0.0)  # of the same names
    pd.concat([groups, table]).to_csv(tmp_path / "zones.csv", index=False)
    change(maps, zones, tmp_path / "out", "--zone-field", "district", "--group-field", "country")
    for layer, count in (("zones", 1), ("groups", 2)):
        found = features.read(tmp_path / "out" / "change.gpkg", layer)
        found = found[found["zone"] != "all"]
        moved = [found[f"change_sensitivity_{end}_ha"] - found["change_ha"] for end in ("low", "high")]
        assert moved[0].to_numpy() == pytest.approx(0)
        assert moved[1].to_numpy() == pytest.approx(20 * count)
    (tmp_path / "zones.csv").write_text("year,zone\n2000,southwest\n", encoding="utf-8")
    answer = change(maps, zones, tmp_path / "other", "--zone-field", "district")
    assert "it is left out" in answer.stderr
    other = features.read(tmp_path / "other" / "change.gpkg", "zones")
    assert other["change_sensitivity_low_ha"].isna().all()


# --- what cannot be answered -----------------------------------------------------------------------------


def test_one_map_and_a_year_twice_are_refused(maps, zones, tmp_path):
    assert "two years or more" in refused(maps[:1], zones, tmp_path / "out")
    twice = write_map(tmp_path / "again_2001.tif", read(maps[1]))
    assert "are both of 2001" in refused([*maps[:2], twice], zones, tmp_path / "out")
    assert "are both of 2000" in refused([maps[0], maps[0]], zones, tmp_path / "out")


def test_a_year_that_is_not_told_or_told_twice_is_refused(maps, zones, tmp_path):
    nameless = write_map(tmp_path / "map.tif", read(maps[0]))
    said = refused([nameless, maps[1]], zones, tmp_path / "out")
    assert "does not say its year" in said
    assert "gdal_edit.py -mo YEAR=" in said
    with rasterio.open(nameless, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as source:
        source.update_tags(YEAR="1999")
    change([nameless, maps[1]], zones, tmp_path / "out")
    recorded(maps[1], 2017)
    said = refused([nameless, maps[1]], zones, tmp_path / "second")
    assert "2001 by its name" in said
    assert "2017 by its record" in said


@pytest.mark.parametrize(
    ("values", "names", "said"),
    [
        (np.full((60, 80), 7, np.uint8), None, "holds 7, which is no class"),
        (np.full((60, 80), 2.5, np.float32), None, "holds 2.5, which is no class"),
        (np.full((60, 80), -3, np.int16), None, "holds -3, which is no class"),
        (np.full((60, 80), 3, np.uint8), {3: "wheat"}, 'names its class 3 "wheat"'),
        (np.arange(4800, dtype=np.uint8).reshape(60, 80) % 2, None, "is it a mask"),
    ],
)
def test_maps_of_other_codes_are_refused(maps, zones, tmp_path, values, names, said):
    other = write_map(tmp_path / "other_1999.tif", values, names=names)
    assert said in refused([maps[0], other], zones, tmp_path / "out")


def test_maps_without_any_class_are_refused_and_one_is_told_of(maps, zones, tmp_path):
    empty = [
        write_map(tmp_path / f"empty_{year}.tif", np.full((60, 80), 255, np.uint8)) for year in (1990, 1991)
    ]
    assert "no class anywhere" in refused(empty, zones, tmp_path / "out")
    answer = change([maps[0], maps[1], empty[0]], zones, tmp_path / "out")
    assert "empty_1990.tif holds no class" in answer.stderr


def test_damaged_files_are_refused(maps, zones, tmp_path):
    cut = tmp_path / "cut_1999.tif"
    with rasterio.open(cut, "w", driver="GTiff", height=60, width=80, count=1, dtype="uint8", nodata=255,
                       crs="EPSG:4326", transform=DEGREES.transform) as target:  # fmt: skip
        target.write(read(maps[0]), 1)
    cut.write_bytes(cut.read_bytes()[:-2000])
    assert "cannot be read" in refused([maps[0], cut], zones, tmp_path / "out")
    (tmp_path / "empty_1999.tif").write_bytes(b"")
    assert "is empty" in refused([maps[0], tmp_path / "empty_1999.tif"], zones, tmp_path / "out")
    assert "does not exist" in refused([maps[0], tmp_path / "no_1999.tif"], zones, tmp_path / "out")
    (tmp_path / "text_1999.tif").write_text("not a raster")
    assert "cannot be read" in refused([maps[0], tmp_path / "text_1999.tif"], zones, tmp_path / "out")


def test_rotated_maps_and_maps_without_a_crs_are_refused(maps, zones, tmp_path):
    for name, crs, transform, said in (
        ("turned", "EPSG:32642", Affine(30, 5, 500_000, 5, -30, 4_500_000), "rotated"),
        ("upside", "EPSG:32642", Affine(30, 0, 500_000, 0, 30, 4_500_000), "south to north"),
        ("lost", None, DEGREES.transform, "coordinate reference system"),
    ):
        path = tmp_path / f"{name}_1999.tif"
        with rasterio.open(path, "w", driver="GTiff", height=60, width=80, count=1, dtype="uint8", nodata=255,
                           transform=transform, **({"crs": crs} if crs else {})) as target:  # fmt: skip
            target.write(read(maps[0]), 1)
        assert said in refused([maps[0], path], zones, tmp_path / "out")


def test_zones_elsewhere_without_names_or_over_each_other_are_refused(maps, tmp_path):
    far = write_zones(tmp_path / "far.gpkg", METRES)
    assert "None of the 4 zones" in refused(maps[:2], far, tmp_path / "out")
    nameless = write_zones(tmp_path / "nameless.gpkg", name=["a", None, "c", "d"])
    assert "without a name" in refused(maps[:2], nameless, tmp_path / "out")
    zones = write_zones(tmp_path / "zones.gpkg")
    assert "no column valley" in refused(maps[:2], zones, tmp_path / "out", "--zone-field", "valley")
    assert "no column basin" in refused(maps[:2], zones, tmp_path / "out", "--group-field", "country,basin")
    layer = features.read(zones)
    over = gpd.GeoDataFrame(
        {"district": ["basin", *layer["district"]]},
        geometry=[layer.union_all(), *layer.geometry], crs=layer.crs,
    )  # fmt: skip
    features.write({"districts": over}, tmp_path / "over.gpkg")
    said = refused(maps[:2], tmp_path / "over.gpkg", tmp_path / "out")
    assert "overlap in 100.0 %" in said
    assert "--group-field" in said
    gaps = write_zones(tmp_path / "gaps.gpkg", basin=["x", None, "y", "y"])
    assert "without a name in basin" in refused(maps[:2], gaps, tmp_path / "out", "--group-field", "basin")
    split = write_zones(tmp_path / "split.gpkg", name=["a", "b", "a", "d"])
    assert "in different units of country" in refused(
        maps[:2], split, tmp_path / "out", "--group-field", "country"
    )


def test_zones_of_several_polygons_and_another_crs_are_one_each(maps, tmp_path):
    layer = features.read(write_zones(tmp_path / "zones.gpkg"))
    parts = layer.assign(name=["west", "west", "east", "east"]).to_crs(32642)
    features.write({"zones": parts}, tmp_path / "parts.gpkg")
    change(maps[:2], tmp_path / "parts.gpkg", tmp_path / "out")
    found = features.read(tmp_path / "out" / "change.gpkg", "zones")
    assert found["zone"].tolist() == ["west", "east"]
    assert found.crs.to_epsg() == 32642


@pytest.mark.parametrize(
    ("periods", "said"),
    [
        ("2000-2005,2005-2011", "do not overlap"),
        ("2006-2011,2000-2005", "do not overlap"),
        ("1980-1990,2000-2011", "of which there is no map"),
        ("the nineties", "years such as"),
    ],
)
def test_periods_that_are_none_are_refused(maps, zones, tmp_path, periods, said):
    assert said in refused(maps, zones, tmp_path / "out", "--periods", periods)


def test_places_and_memory_are_looked_at_before_the_work(maps, zones, tmp_path):
    (tmp_path / "file").write_text("here")
    assert "is a file" in refused(maps, zones, tmp_path / "file")
    assert "12 maps need at least" in refused(maps, zones, tmp_path / "out", "--memory-mb", 100)
    said = refused([*maps, tmp_path / "change.tif"], zones, tmp_path)
    assert "does not exist" in said or "the input would be replaced" in said


def test_an_input_is_never_replaced(zones, tmp_path):
    one = write_map(tmp_path / "irrigation_2000.tif", np.full((60, 80), 3, np.uint8))
    (tmp_path / "out").mkdir()
    old = write_map(tmp_path / "out" / "change.tif", np.full((60, 80), 3, np.uint8))
    answer = run("irrigation-change", one, old, "--zones", zones, "--out", tmp_path / "out")
    assert answer.returncode == 2
    assert "the input would be replaced" in answer.stderr
    assert (read(old) == 3).all()


def test_too_many_sums_are_refused_before_the_work(maps, zones, tmp_path, monkeypatch):
    monkeypatch.setattr(workflow, "MOST_SUMS", 1000)
    assert "Give larger zones" in refused(maps, zones, tmp_path / "out")
