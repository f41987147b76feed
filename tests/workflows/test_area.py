"""From a map to points, from labelled points to areas: by the command, with files as people have them."""

import json
import shutil
import subprocess

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from asked import lines, run

from bluepeace_gis.archive import features, rasters
from bluepeace_gis.geo.grid import Grid

NAMES = {0: "not observed", 1: "not irrigated", 2: "uncertain", 3: "irrigated"}
# A tenth of a degree from south to north at 41 N: the cells of the south are a thirtieth larger.
DEGREES = Grid("EPSG:4326", Affine(0.005, 0, 70, 0, -0.005, 42), (160, 120))
METRES = Grid("EPSG:32642", Affine(30, 0, 500_000, 0, -30, 4_500_000), (160, 120))


def codes():
    """Irrigated land in the middle with some uncertain in it, a strip nobody saw, and a rim without a map."""
    values = np.full((160, 120), 1, np.uint8)
    values[40:110, 40:90] = 3
    values[60:75, 40:60] = 2
    values[:, :10] = 0
    values[:8] = 255
    return values


def write_map(path, values=None, grid=DEGREES, names=NAMES):
    values = codes() if values is None else values
    return rasters.write(grid.raster(values), path, nodata=255, categories=names)


@pytest.fixture
def land(tmp_path):
    return write_map(tmp_path / "irrigation_2024.tif")


def sampled(land, out, *options):
    answer = run("sample-points", land, "--out", out, "--points", 300, *options)
    assert answer.returncode == 0, answer.stderr
    return features.read(out, "points")


def truth(grid=DEGREES, seed=1):
    """What is there: the map with errors."""
    random = np.random.default_rng(seed)
    values = codes()
    flips = random.random(values.shape)
    return np.where((values == 3) & (flips < 0.08), 1, np.where((values == 1) & (flips < 0.03), 3, values))


def labelled(points, path, found=None, grid=DEGREES, **columns):
    """Write points as an interpreter leaves them."""
    row, column = grid.cells_of(points.geometry.x, points.geometry.y)
    found = truth(grid) if found is None else found
    points = points.assign(reference=[NAMES[code] for code in found[row, column]], **columns)
    features.write({"points": points}, path)
    return path


def area(land, points, *options, out=None):
    out = out or land.parent / "area.csv"
    return run("area", land, points, "--out", out, *options), out


# --- sample-points ---------------------------------------------------------------------------------------


def test_points_lie_in_observed_cells_with_rare_strata_at_their_floor(land, tmp_path):
    points = sampled(land, tmp_path / "points.gpkg")
    row, column = DEGREES.cells_of(points.geometry.x, points.geometry.y)
    under = codes()[row, column]
    assert [NAMES[code] for code in under] == points["stratum"].tolist()
    assert points["stratum"].value_counts()["uncertain"] == 50
    assert len(points) == points["point_id"].nunique() == 300
    assert points["year"].unique().tolist() == [2024]  # of the name of the map
    assert points["reference"].isna().all()
    areas = DEGREES.cell_areas[(codes() > 0) & (codes() < 255)].sum() / 1e4
    assert points["weight_ha"].sum() == pytest.approx(areas)


def test_the_same_seed_gives_the_same_file_and_another_another(land, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    one = tmp_path / "one" / "points.gpkg"
    two = tmp_path / "two" / "points.gpkg"
    first, second = sampled(land, one), sampled(land, two)
    assert first.drop(columns="geometry").equals(second.drop(columns="geometry"))
    assert one.read_bytes() == two.read_bytes()
    third = sampled(land, tmp_path / "three.gpkg", "--seed", 2)
    assert not first.geometry.geom_equals(third.geometry).all()


def test_a_buffer_is_a_stratum_of_its_own_beside_the_class(land, tmp_path):
    points = sampled(land, tmp_path / "points.gpkg", "--buffer-m", 1000)
    near = points[points["stratum"] == "near irrigated"]
    assert len(near) >= 50
    local = gpd.GeoSeries(gpd.points_from_xy(*cells_of(codes() == 3)), crs=4326).to_crs(32642)
    reach = shapely.STRtree(local.to_numpy()).nearest(near.geometry.to_crs(32642).to_numpy())
    distance = shapely.distance(local.to_numpy()[reach], near.geometry.to_crs(32642).to_numpy())
    assert distance.max() < 1010  # a projection's scale beside the ellipsoid
    strata = rasters.read(tmp_path / "points_strata.tif")
    row, column = DEGREES.cells_of(near.geometry.x, near.geometry.y)
    assert set(strata.to_numpy()[row, column]) == {4}
    record = json.loads((tmp_path / "points.json").read_text(encoding="utf-8"))
    assert "near irrigated" in record["properties"]["bluepeace:method"]["strata"]


def cells_of(chosen):
    row, column = np.nonzero(chosen)
    return DEGREES.centres(row, column)


def test_a_panel_has_every_point_once_a_year(land, tmp_path):
    points = sampled(land, tmp_path / "points.gpkg", "--years", "2024,2015")
    assert len(points) == 600
    assert points.groupby("point_id")["year"].apply(sorted).tolist() == [[2015, 2024]] * 300
    assert points.groupby("point_id")["geometry"].nunique().max() == 1


def test_without_a_number_the_formula_decides(land, tmp_path):
    answer = run(
        "--progress", "json", "sample-points", land, "--out", tmp_path / "p.gpkg", "--standard-error", 0.02
    )
    numbers = lines(answer.stdout)[-1]["result"]["numbers"]
    # all classes expected right in 0.9: (0.3 / 0.02)^2
    assert numbers["points"] == numbers["suggested_points"] == 225


IN_QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=points", "points", "ogr")
found = {}
for field in layer.fields():
    position = layer.fields().indexOf(field.name())
    setup = layer.editorWidgetSetup(position)
    choices = [value for one in setup.config().get("map", []) for value in one.values()]
    found[field.name()] = [setup.type(), choices, layer.editFormConfig().readOnly(position)]
layer.startEditing()
feature = next(layer.getFeatures())
position = layer.fields().indexOf("reference")
layer.changeAttributeValue(feature.id(), position, "irrigated")
print(json.dumps({"form": found, "renderer": layer.renderer().type(), "kept": layer.commitChanges()}))
"""


@pytest.mark.qgis
def test_qgis_opens_the_points_with_a_form_and_keeps_a_label(land, tmp_path):
    python = shutil.which("python3", path="/usr/bin") or "python3"
    if subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        pytest.skip("no PyQGIS on this machine")
    out = tmp_path / "points.gpkg"
    sampled(land, out)
    said = subprocess.run(
        [python, "-c", IN_QGIS, str(out)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)},
        check=True,
    )
    found = json.loads(said.stdout)
    form = found["form"]
    for column in ("reference", "reference_2"):
        kind, choices, read_only = form[column]
        assert (kind, read_only) == ("ValueMap", False)
        assert choices[1:] == ["not irrigated", "uncertain", "irrigated", "not observed"]
    for hidden in ("stratum", "weight_ha"):  # who knows what the map says is drawn towards it
        assert form[hidden][0] == "Hidden"
    assert form["point_id"][2]
    assert found["renderer"] == "singleSymbol"
    assert found["kept"]
    labels = features.read(out, "points")["reference"]
    assert labels.notna().sum() == 1


# --- area ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [DEGREES, METRES], ids=["degrees", "metres"])
def test_intervals_hold_the_true_areas_on_the_ellipsoid(tmp_path, grid):
    land = write_map(tmp_path / "irrigation_2024.tif", grid=grid)
    points = labelled(sampled(land, tmp_path / "points.gpkg"), tmp_path / "labels.gpkg", grid=grid)
    answer, out = area(land, points)
    assert answer.returncode == 0, answer.stderr
    table = pd.read_csv(out)
    assert list(table.columns) == [
        "year", "zone", "class", "map_area_ha", "area_ha", "ci_low_ha", "ci_high_ha", "wald_low_ha",
        "wald_high_ha", "users_accuracy", "producers_accuracy", "n_points",
    ]  # fmt: skip
    assert set(table["year"]) == {2024}
    seen = (codes() > 0) & (codes() < 255)
    size = grid.cell_areas / 1e4
    for row in table.to_dict("records"):
        code = next(code for code, name in NAMES.items() if name == row["class"])
        assert row["map_area_ha"] == pytest.approx(size[codes() == code].sum())
        assert row["ci_low_ha"] <= size[seen & (truth(grid) == code)].sum() <= row["ci_high_ha"]
        assert row["ci_low_ha"] < row["ci_high_ha"]
    assert table["area_ha"].sum() == pytest.approx(size[seen].sum())
    assert table["n_points"].sum() == 300


def test_districts_add_up_and_unobserved_land_is_told(land, tmp_path):
    points = labelled(sampled(land, tmp_path / "points.gpkg"), tmp_path / "labels.gpkg")
    districts = gpd.GeoDataFrame(
        {"district": ["west", "east", "west"]},
        geometry=[
            shapely.box(70, 41.2, 70.3, 41.9),
            shapely.box(70.3, 41.2, 70.6, 42),
            shapely.box(70, 41.9, 70.3, 42),
        ],
        crs=4326,
    )
    zones = features.write({"districts": districts}, tmp_path / "districts.gpkg")
    answer, out = area(land, points, "--zones", zones)
    assert answer.returncode == 0, answer.stderr
    table = pd.read_csv(out)
    assert table["zone"].unique().tolist() == ["all", "west", "east"]  # they cover the map
    for _, part in table.groupby("class"):
        zones_of = part[part["zone"] != "all"]
        # the file holds every digit; reading may change the last one
        assert zones_of["area_ha"].sum() == pytest.approx(
            part[part["zone"] == "all"]["area_ha"].iloc[0], rel=1e-14
        )
    told = pd.read_csv(tmp_path / "area_zones.csv").set_index("zone")
    size = DEGREES.cell_areas / 1e4
    west = told.loc["west"]
    assert west["not_observed_ha"] == pytest.approx(size[codes() == 0].sum())
    assert west["nodata_ha"] == pytest.approx(size[:, :60][codes()[:, :60] == 255].sum())
    parts = west[["observed_ha", "not_observed_ha", "nodata_ha"]].sum()
    assert parts == pytest.approx(size[:, :60].sum()) == west["area_ha"]
    assert west["unobserved_pct"] == pytest.approx(100 * (1 - west["observed_ha"] / west["area_ha"]))
    # of the whole, the rim without a map is no land that was asked for
    expected = 100 * size[codes() == 0].sum() / size[codes() < 255].sum()
    assert told.loc["all", "unobserved_pct"] == pytest.approx(expected)


def test_a_panel_tells_the_change_in_both_languages(land, tmp_path):
    points = sampled(land, tmp_path / "points.gpkg", "--years", "2015,2024", "--buffer-m", 800)
    row, column = DEGREES.cells_of(points.geometry.x, points.geometry.y)
    now = truth()[row, column]
    # in 2015 the north was not irrigated
    then = np.where((points["year"] == 2015) & (now == 3) & (row < 60), 1, now)
    points["reference"] = then  # codes do as well as names
    points["reference_2"] = np.where(np.arange(len(then)) % 10 == 0, 1, then)
    labels = features.write({"points": points}, tmp_path / "labels.gpkg")
    answer, out = area(land, labels, "--strata", tmp_path / "points_strata.tif")
    assert answer.returncode == 0, answer.stderr
    change = pd.read_csv(tmp_path / "area_change.csv")
    row_of = change[(change["class"] == "irrigated") & (change["measure"] == "net")].iloc[0]
    size = DEGREES.cell_areas / 1e4
    expected = size[:60][(truth()[:60] == 3)].sum()
    assert row_of["ci_low_ha"] <= expected <= row_of["ci_high_ha"]
    assert row_of["n_points"] == 300
    first, second = answer.stdout.splitlines()[:2]
    assert first.startswith("Irrigated changed by +")
    assert "(95 %) from 2015 to 2024; 8 % not observed." in first
    assert second.startswith("Орошаемые земли: изменение на +")
    record = json.loads((tmp_path / "area.json").read_text(encoding="utf-8"))
    assert record["properties"]["bluepeace:method"]["sentences"]["en"][0] == first
    table = pd.read_csv(out)
    assert table[table["year"] == 2015]["users_accuracy"].isna().all()  # the map is of 2024
    assert table[table["year"] == 2024]["users_accuracy"].notna().any()
    told = pd.read_csv(tmp_path / "area_accuracy.csv")
    agreed = told[told["measure"] == "interpreters, agreement"]
    assert agreed["value"].between(0.9, 1).all()
    assert (agreed["ci_low"] < agreed["value"]).all()


def test_points_drawn_without_strata_are_post_stratified_by_themselves(land, tmp_path):
    points = labelled(sampled(land, tmp_path / "points.gpkg", "--random"), tmp_path / "labels.gpkg")
    answer, out = area(land, points)
    assert answer.returncode == 0, answer.stderr
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert "Cochran" in record["properties"]["bluepeace:method"]["estimator"]
    assert pd.read_csv(out)["area_ha"].gt(0).all()


def test_a_class_called_anything_but_not_observed_is_a_class(tmp_path):
    land = write_map(tmp_path / "map.tif", names={**NAMES, 0: "cloud"})
    points = sampled(land, tmp_path / "points.gpkg")
    assert "cloud" in set(points["stratum"])


def test_the_same_points_give_the_same_bytes(land, tmp_path):
    points = labelled(sampled(land, tmp_path / "points.gpkg"), tmp_path / "labels.gpkg")
    one, two = (area(land, points, out=tmp_path / name / "area.csv")[1] for name in "ab")
    for name in ("area.csv", "area_accuracy.csv", "area_matrix.csv", "area_zones.csv", "area.png"):
        assert (one.parent / name).read_bytes() == (two.parent / name).read_bytes()


# --- bad input: one sentence, nothing written ------------------------------------------------------------


def spoilt(points, how):  # noqa: C901, PLR0911  # one case each
    """Spoil labelled points in one way."""
    if how == "outside":
        return points.set_geometry(points.geometry.translate(3, 0))
    if how == "nodata":
        points.loc[0, "geometry"] = shapely.Point(70.3, 41.99)
        return points.drop(columns="stratum")
    if how == "not observed":
        points.loc[0, "geometry"] = shapely.Point(70.01, 41.5)
        return points.drop(columns="stratum")
    if how == "no class":
        points.loc[4, "reference"] = "cotton"
        return points
    if how == "unlabelled":
        return points.assign(reference=None)
    if how == "stratum without points":
        return points[points["stratum"] != "uncertain"]
    if how == "one point":
        return pd.concat(
            [points[points["stratum"] != "uncertain"], points[points["stratum"] == "uncertain"].head(1)]
        )
    if how == "wrong crs":
        return points.set_crs(32642, allow_override=True)
    if how == "no reference":
        return points.drop(columns="reference")
    if how == "twice":
        return pd.concat([points, points.head(3)])
    if how == "other strata":
        return points.assign(stratum="near irrigated")
    if how == "year":
        points["year"] = points["year"].astype(object)
        return points.assign(year="last")
    raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("outside", "300 of 300 points lie outside irrigation_2024.tif"),
        ("nodata", "1 of 300 points lie where irrigation_2024.tif is nodata"),
        ("not observed", "1 of 300 points lie where irrigation_2024.tif was not observed"),
        (
            "no class",
            '"cotton" in reference, which is no class of irrigation_2024.tif; expected one of: not irrigated',
        ),
        ("unlabelled", "None of the points has a class in reference"),
        ("stratum without points", '"uncertain" has 0'),
        ("one point", '"uncertain" has 1'),
        ("wrong crs", "lie outside irrigation_2024.tif, the first at 70."),
        ("no reference", "has no column reference, the class that was found at each point; it has point_id"),
        ("twice", "3 points in a cell that another point has already taken"),
        ("other strata", 'say another stratum than they lie in, the first "near irrigated"'),
        ("year", "'last' in year; a year such as 2024 was expected"),
    ],
)  # fmt: skip
def test_bad_points_are_refused_in_one_sentence(land, tmp_path, how, said):
    points = features.read(labelled(sampled(land, tmp_path / "points.gpkg"), tmp_path / "labels.gpkg"))
    spoiled = features.write({"points": gpd.GeoDataFrame(spoilt(points, how))}, tmp_path / "spoilt.gpkg")
    answer, out = area(land, spoiled)
    assert answer.returncode == 2, answer.stderr
    sentence = answer.stderr.strip().splitlines()[-1]
    assert said in sentence
    assert not out.exists()


def write_strata(path, grid):
    return rasters.write(grid.raster(np.ones(grid.shape, np.uint8)), path, nodata=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--points", 5], "at least 2 in each, which is 6"),
        (["--points", 0], "--points is 0"),
        (["--points", 300, "--buffer-m", -5], "--buffer-m is -5"),
        (["--points", 300, "--buffer-of", "irrigated"], "without --buffer-m"),
        (["--points", 300, "--buffer-m", 500, "--buffer-of", "cotton"], '--buffer-of names "cotton"'),
        (["--points", 300, "--years", "2015;2024"], "expected years separated by commas"),
        (["--points", 300, "--expected", "cotton=0.5"], '--expected names "cotton", which is no stratum'),
        (["--points", 300, "--expected", "irrigated=5"], "expected NAME=SHARE"),
        (["--points", 300, "--random", "--buffer-m", 100], "--random draws without strata"),
        (["--points", 300, "--band", 3], "has no band 3"),
    ],
    ids=str,
)
def test_bad_options_of_a_sample_are_refused(land, tmp_path, options, said):
    answer = run("sample-points", land, "--out", tmp_path / "points.gpkg", *options)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert not (tmp_path / "points.gpkg").exists()


def test_strata_on_another_grid_are_refused(land, tmp_path):
    strata = write_strata(tmp_path / "strata.tif", METRES)
    answer = run("sample-points", land, "--out", tmp_path / "p.gpkg", "--points", 100, "--strata", strata)
    assert answer.returncode == 2
    assert "lies on another grid than irrigation_2024.tif" in answer.stderr


def test_zones_elsewhere_and_zones_without_names_are_refused(land, tmp_path):
    points = labelled(sampled(land, tmp_path / "points.gpkg"), tmp_path / "labels.gpkg")
    far = gpd.GeoDataFrame({"name": ["far"]}, geometry=[shapely.box(10, 10, 11, 11)], crs=4326)
    answer, _ = area(land, points, "--zones", features.write({"far": far}, tmp_path / "far.gpkg"))
    assert answer.returncode == 2
    assert "None of the 1 zones reaches irrigation_2024.tif" in answer.stderr
    nameless = gpd.GeoDataFrame({"name": [None]}, geometry=[shapely.box(70, 41, 71, 42)], crs=4326)
    nameless["name"] = nameless["name"].astype(object)
    answer, _ = area(land, points, "--zones", features.write({"z": nameless}, tmp_path / "z.gpkg"))
    assert answer.returncode == 2
    assert "zones without a name" in answer.stderr


def test_points_of_an_earlier_map_leave_out_what_is_not_observed_now(land, tmp_path):
    earlier = codes()
    earlier[earlier == 0] = 1
    old = write_map(tmp_path / "irrigation_2015.tif", earlier)
    points = labelled(
        sampled(old, tmp_path / "points.gpkg"), tmp_path / "labels.gpkg", np.maximum(truth(), 1)
    )
    answer, out = area(land, points, "--strata", old)
    assert answer.returncode == 0, answer.stderr
    assert "lie where irrigation_2024.tif was not observed; they are left out" in answer.stderr
    size = DEGREES.cell_areas / 1e4
    assert pd.read_csv(out)["area_ha"].sum() == pytest.approx(size[(codes() > 0) & (codes() < 255)].sum())
