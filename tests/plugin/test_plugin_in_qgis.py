"""The real qgis_process with the real engine: what QGIS gives is what the command gives.

Each start of QGIS or of the engine costs seconds: what can be seen in one run is asked of one, and the
command runs while QGIS does.
"""

import datetime as dt
import inspect
import json
import subprocess
import sys
import typing
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import xarray as xr
from affine import Affine
from pandas.testing import assert_frame_equal
from shapely.geometry import box

from bluepeace_gis import cli
from bluepeace_gis.archive import rasters
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.maps import styles
from bluepeace_gis.workflows.area import area
from bluepeace_gis.workflows.basins import basins
from bluepeace_gis.workflows.glacier_change import glacier_change
from bluepeace_gis.workflows.glaciers import glaciers
from bluepeace_gis.workflows.irrigation import irrigation
from bluepeace_gis.workflows.irrigation_change import irrigation_change
from bluepeace_gis.workflows.sample_points import sample_points
from bluepeace_gis.workflows.scenes import scenes
from bluepeace_gis.workflows.season import season
from bluepeace_gis.workflows.shares import shares

pytestmark = pytest.mark.qgis

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
ENGINE = {"BLUEPEACE_PYTHON": sys.executable}
COUNTRIES = f"{SAMPLE / 'countries.gpkg'}|layername=countries"  # beside the layer borders
COUNTRY_FIELD = "name"
WORKFLOWS = {
    "area": area,
    "basins": basins,
    "glacier_change": glacier_change,
    "glaciers": glaciers,
    "irrigation": irrigation,
    "irrigation_change": irrigation_change,
    "sample_points": sample_points,
    "scenes": scenes,
    "season": season,
    "shares": shares,
}
# Commands that the toolbox does not show: {name: reason}.
NOT_IN_THE_TOOLBOX = {
    "handshake": "for programs, not for people",
    "sheet": "not yet: QGIS has print layouts of its own, to which it should lead",
}


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "bluepeace_gis", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def options_of(told):
    """Write parameters as a person types them."""
    return [
        f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in told.items()
    ]


def assert_same_product(found, expected, main_layer):
    """Compare two GeoPackages layer by layer, column by column, vertex by vertex."""
    layers = [name for name, _ in pyogrio.list_layers(expected)]
    assert [name for name, _ in pyogrio.list_layers(found)] == layers
    assert main_layer in layers
    for layer in layers:
        one, other = (pyogrio.read_dataframe(path, layer=layer) for path in (found, expected))
        assert list(one.columns) == list(other.columns), layer
        if isinstance(other, gpd.GeoDataFrame):
            assert one.crs == other.crs, layer
            assert (one.geometry.to_wkb() == other.geometry.to_wkb()).all(), layer
            one, other = (frame.drop(columns=frame.geometry.name) for frame in (one, other))
        assert_frame_equal(one, other, check_exact=True, obj=layer)


def said(process):
    """All that a person reads: qgis_process splits it over both streams."""
    return process.stdout + process.stderr


@contextmanager
def command_meanwhile(*words):
    """Run the command while the block runs; afterwards `result()` gives how it ended."""
    with ThreadPoolExecutor(1) as worker:
        yield worker.submit(command, *words)


def lineage_of(product):
    """What the record beside a product says of its inputs and parameters, but for the product's own name."""
    item = json.loads(product.with_suffix(".json").read_text(encoding="utf-8"))
    inputs = [link for link in item["links"] if link["rel"] == "derived_from"]
    parameters = {
        name: value for name, value in item["properties"]["bluepeace:parameters"].items() if name != "out"
    }
    return inputs, parameters


@pytest.fixture(scope="module")
def poison(tmp_path_factory):
    """Variables that would lead another Python, another GDAL or another PROJ astray."""
    broken = tmp_path_factory.mktemp("broken")
    for module in ("rasterio", "bluepeace_gis", "geopandas", "sitecustomize"):
        (broken / f"{module}.py").write_text("raise RuntimeError('poison')\n", encoding="utf-8")
    return {
        "PROJ_LIB": "/usr/share/proj",  # QGIS's own: kills the wheels' PROJ
        "PROJ_DATA": "/usr/share/proj",
        "GDAL_DATA": "/usr/share/gdal",
        "PYTHONPATH": str(broken),
        "PYTHONHOME": "/usr",  # QGIS's own Python
    }


@pytest.fixture(scope="module")
def on_the_sample(qgis_process, poison, tmp_path_factory):
    """One run on the sample by each road, with countries and terminal lakes; QGIS's is poisoned."""
    folder = tmp_path_factory.mktemp("sample")
    told = {
        "countries": COUNTRIES,
        "country_field": COUNTRY_FIELD,
        "terminal": SAMPLE / "terminal_lakes.gpkg",
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in told.items()]
    inputs = {"dem": SAMPLE / "dem.tif", "outlets": SAMPLE / "outlets.gpkg"}
    words = ["basins", *inputs.values(), *options, f"--out={folder / 'by_command.gpkg'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process.run({**inputs, **told, "out": folder / "by_qgis.gpkg"}, **ENGINE, **poison)
    return folder, by_qgis, by_command.result()


def test_qgis_gives_what_the_command_gives_even_in_a_poisoned_environment(on_the_sample):
    folder, by_qgis, by_command = on_the_sample
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg", "basins")
    assert (folder / "by_qgis.bands.csv").read_bytes() == (folder / "by_command.bands.csv").read_bytes()


def test_its_record_names_the_files_of_the_user(on_the_sample):
    # countries.gpkg has two layers: a copy of one would have another name and another checksum
    folder, *_ = on_the_sample
    inputs, parameters = lineage_of(folder / "by_qgis.gpkg")
    assert (inputs, parameters) == lineage_of(folder / "by_command.gpkg")
    assert any(link["title"] == "countries.gpkg" for link in inputs)


def test_its_numbers_are_those_of_the_layer(on_the_sample):
    folder, by_qgis, _ = on_the_sample
    results = json.loads(by_qgis.stdout)["results"]
    whole = gpd.read_file(folder / "by_qgis.gpkg", layer="basins")
    parts = gpd.read_file(folder / "by_qgis.gpkg", layer="subbasins")
    assert results["BASINS"] == len(whole) > 0
    # basins of outlets on one river lie in each other, subbasins do not
    assert results["AREA_KM2"] == pytest.approx(parts["area_km2"].sum(), rel=1e-9)
    assert results["out"] == f"{folder / 'by_qgis.gpkg'}|layername=basins"
    assert results["picture"] == str(folder / "by_qgis.png")
    assert results["curves"] == str(folder / "by_qgis.bands.png")
    assert results["bands"] == str(folder / "by_qgis.bands.csv")


def test_all_files_of_the_product_are_there_and_no_other(on_the_sample):
    folder, *_ = on_the_sample
    ours = {path.name.replace("by_qgis", "NAME") for path in folder.glob("*by_qgis*")}
    commands = {path.name.replace("by_command", "NAME") for path in folder.glob("*by_command*")}
    assert ours == commands == {
        "NAME.gpkg", "NAME.json", "NAME.qml", "NAME.png", "NAME.bands.png", "NAME.bands.csv",
    }  # fmt: skip


@pytest.fixture(scope="module")
def shares_of_districts(qgis_process, tmp_path_factory):
    """Shares of the sample's districts by each road."""
    folder = tmp_path_factory.mktemp("shares")
    told = {"countries": COUNTRIES, "country_field": COUNTRY_FIELD, "zone_field": "district"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in told.items()]
    words = ["shares", SAMPLE / "districts.gpkg", *options, f"--out={folder / 'by_command.csv'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process.run(
            {"polygons": SAMPLE / "districts.gpkg", **told, "out": folder / "by_qgis.csv"},
            algorithm="shares",
            **ENGINE,
        )
    return folder, by_qgis, by_command.result()


def test_qgis_gives_the_shares_that_the_command_gives(shares_of_districts):
    folder, by_qgis, by_command = shares_of_districts
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert (folder / "by_qgis.csv").read_bytes() == (folder / "by_command.csv").read_bytes()
    assert lineage_of(folder / "by_qgis.csv") == lineage_of(folder / "by_command.csv")
    assert {path.name for path in folder.iterdir()} == {
        "by_qgis.csv", "by_qgis.json", "by_command.csv", "by_command.json",
    }  # fmt: skip


def test_the_shares_are_those_of_the_sample(shares_of_districts):
    folder, by_qgis, _ = shares_of_districts
    results = json.loads(by_qgis.stdout)["results"]
    table = pd.read_csv(folder / "by_qgis.csv")
    districts = gpd.read_file(SAMPLE / "districts.gpkg").set_index("district")
    assert results["ZONES"] == len(districts)
    assert results["AREA_KM2"] == pytest.approx(districts["area_km2"].sum(), abs=0.001)
    # the districts tile the countries exactly: each lies in one
    assert dict(zip(table["zone"], table["country"], strict=True)) == districts["country"].to_dict()
    assert (table["share_pct"] == 100).all()


@pytest.fixture(scope="module")
def scenes_of_archive(qgis_process, tmp_path_factory):
    """Index of some scenes by each road: a folder with a broken one, and a scene by itself."""
    folder = tmp_path_factory.mktemp("scenes")
    archive = SAMPLE / "archive"
    inside = folder / "archive"
    inside.mkdir()
    for name in LISTED:
        (inside / name).symlink_to(archive / name)
    (inside / BROKEN).write_bytes((archive / BROKEN).read_bytes()[:1000])
    places = [inside, archive / ALONE]
    with command_meanwhile("scenes", *places, f"--out={folder / 'by_command.gpkg'}") as by_command:
        by_qgis = qgis_process(
            "--json", "run", "bluepeace:scenes", "--",
            *(f"folders={place}" for place in places), f"out={folder / 'by_qgis.gpkg'}",
            **ENGINE,
        )  # fmt: skip
    return folder, by_qgis, by_command.result()


LISTED = (
    "LC09_L2SP_154028_20240714_20240715_02_T1.tar",
    "S2A_MSIL2A_20240707T061631_N0510_R034_T42TWR_20240707T111836.SAFE.zip",
)
BROKEN = "LC09_L2SP_154028_20240730_20240731_02_T1.tar"
ALONE = "LC09_L2SP_153028_20240621_20240622_02_T1.tar"


def test_qgis_lists_the_scenes_that_the_command_lists(scenes_of_archive):
    folder, by_qgis, by_command = scenes_of_archive
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg", "scenes")
    items, others = (
        json.loads((folder / f"{name}.items.json").read_text(encoding="utf-8"))
        for name in ("by_qgis", "by_command")
    )
    assert items["features"] == others["features"]
    assert lineage_of(folder / "by_qgis.gpkg") == lineage_of(folder / "by_command.gpkg")
    results = json.loads(by_qgis.stdout)["results"]
    assert results == {
        "SCENES": 3,
        "BROKEN": 1,
        "UNCHANGED": 0,
        "out": f"{folder / 'by_qgis.gpkg'}|layername=scenes",
        "items": str(folder / "by_qgis.items.json"),
        "picture": str(folder / "by_qgis.png"),
    }
    assert BROKEN in said(by_qgis), "the warning of the engine"
    assert "Landsat 9: 2 scenes" in said(by_qgis), "its answer in words"


@pytest.fixture(scope="module")
def season_of_archive(qgis_process, tmp_path_factory):
    """Composites of two scenes of two zones by each road; a part of their land is asked for."""
    folder = tmp_path_factory.mktemp("season")
    told = {"from": "2024-06-15", "to": "2024-07-31", "statistic": "max", "area": SAMPLE / "districts.gpkg"}
    options = [f"--{name}={value}" for name, value in told.items()]
    scenes = [SAMPLE / "archive" / name for name in (LISTED[0], ALONE)]
    words = ["season", *scenes, *options, "--reject=cloud,shadow", f"--out={folder / 'by_command'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process(
            "--json", "run", "bluepeace:season", "--", *(f"scenes={scene}" for scene in scenes),
            *(f"{name}={value}" for name, value in told.items()),
            "reject=cloud,shadow", f"out={folder / 'by_qgis'}",
            **ENGINE,
        )  # fmt: skip
    return folder, by_qgis, by_command.result()


def test_qgis_gives_the_composites_that_the_command_gives(season_of_archive):
    folder, by_qgis, by_command = season_of_archive
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    names = {path.name for path in (folder / "by_command").iterdir()}
    assert {path.name for path in (folder / "by_qgis").iterdir()} == names
    assert len([name for name in names if name.endswith(".tif")]) == 6, "two lattices, three files each"
    for name in names:
        one, other = folder / "by_qgis" / name, folder / "by_command" / name
        if name.endswith(".json"):
            assert lineage_of(one) == lineage_of(other), name
        elif not name.endswith(".png"):
            assert one.read_bytes() == other.read_bytes(), name


def test_its_composites_are_an_output_for_models(season_of_archive):
    folder, by_qgis, by_command = season_of_archive
    results = json.loads(by_qgis.stdout)["results"]
    composites = {
        str(path.with_suffix(".tif")) for path in (folder / "by_qgis").iterdir() if path.suffix == ".qml"
    }
    assert set(results["composites"]) == composites
    assert len(composites) == 2
    assert results["out"] == str(folder / "by_qgis")
    assert (results["SCENES"], results["LEFT_OUT"]) == (2, 0)
    assert 0 < results["SEEN_PCT"] <= 100
    for sentence in by_command.stdout.splitlines()[:2]:
        assert sentence in said(by_qgis)


@pytest.fixture(scope="module")
def glaciers_of_a_summer(qgis_process, tmp_path_factory):
    """Glaciers of one scene by each road, divided and named as in an inventory, and summed up by zones."""
    folder = tmp_path_factory.mktemp("glaciers")
    inputs = {
        "dem": SAMPLE / "dem.tif", "inventory": SAMPLE / "glaciers.gpkg", "zones": SAMPLE / "districts.gpkg",
        "zone_field": "district", "min_area_km2": 0.02,
    }  # fmt: skip
    options = options_of(inputs)
    words = ["glaciers", SAMPLE / "archive" / SUMMER, *options, f"--out={folder / 'by_command.gpkg'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process.run(
            {"scenes": SAMPLE / "archive" / SUMMER, **inputs, "out": folder / "by_qgis.gpkg"},
            algorithm="glaciers",
            **ENGINE,
        )
    return folder, by_qgis, by_command.result()


SUMMER = "LC08_L2SP_154029_20150815_20200908_02_T1.tar"


def test_qgis_outlines_the_glaciers_that_the_command_outlines(glaciers_of_a_summer):
    folder, by_qgis, by_command = glaciers_of_a_summer
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg", "glaciers")
    assert lineage_of(folder / "by_qgis.gpkg") == lineage_of(folder / "by_command.gpkg")
    results = json.loads(by_qgis.stdout)["results"]
    layer = gpd.read_file(folder / "by_qgis.gpkg", layer="glaciers")
    assert results["GLACIERS"] == len(layer) > 0
    assert results["AREA_KM2"] == pytest.approx(layer["area_km2"].sum(), rel=1e-9)
    assert results["AREA_UNC_KM2"] > 0
    assert results["out"] == f"{folder / 'by_qgis.gpkg'}|layername=glaciers"
    assert results["picture"] == str(folder / "by_qgis.png")
    for table in ("links", "zone_bands", "snow_lines"):
        assert len(pyogrio.read_dataframe(folder / "by_qgis.gpkg", layer=table)) > 0, table


def loaded(in_qgis, fake_engine, name, product, out, **parameters):
    """Load a product by an engine that gives at once what the real one has made."""
    made = {"BLUEPEACE_PYTHON": fake_engine, "FAKE_ENGINE_PRODUCT": str(product)}
    told = {called: str(value) for called, value in parameters.items()}
    style = product.with_suffix(".qml")
    answer = in_qgis(
        "load",
        environment=made,
        parameters={**told, "out": str(out)},
        name=name,
        style=style.read_text(encoding="utf-8") if style.is_file() else None,
    )
    assert answer["successful"], answer
    return answer


def test_all_layers_of_the_glaciers_that_hold_anything_are_loaded_with_their_styles(
    in_qgis, fake_engine, glaciers_of_a_summer, tmp_path
):
    folder, *_ = glaciers_of_a_summer
    answer = loaded(
        in_qgis, fake_engine, "glaciers", folder / "by_qgis.gpkg", tmp_path / "glaciers.gpkg",
        scenes=SAMPLE / "archive" / SUMMER, dem=SAMPLE / "dem.tif",
    )  # fmt: skip
    # the uppermost first: lines and open outlines over what is filled
    assert answer["tree"] == [
        ["Divides between glaciers", True],
        ["Glaciers, least extent", True],
        ["Glaciers, greatest extent", True],
        ["My result", True],
        ["Ice under debris", True],
        ["Not seen (cloud, shadow, no data)", True],
    ]
    colours = {name: layer["colour"] for name, layer in answer["layers"].items()}
    styled = {"My result": "glaciers", "Ice under debris": "debris", "Divides between glaciers": "intersects"}
    assert {name: colours[name] for name in styled} == {
        name: styles.LAYERS[layer].fill for name, layer in styled.items()
    }


@pytest.fixture(scope="module")
def change_of_glaciers(qgis_process, glaciers_of_a_summer, tmp_path_factory):
    """Change from outlines of another maker to ours, by each road."""
    folder = tmp_path_factory.mktemp("glacier_change")
    after = f"{glaciers_of_a_summer[0] / 'by_command.gpkg'}|layername=glaciers"
    told = {
        "zones": SAMPLE / "districts.gpkg", "zone_field": "district", "before_date": "2003-08-20",
        "accept_definition": True,
    }  # fmt: skip
    words = ["glacier-change", SAMPLE / "glaciers.gpkg", after, *options_of(told)]
    with command_meanwhile(*words, f"--out={folder / 'by_command.gpkg'}") as by_command:
        by_qgis = qgis_process.run(
            {"before": SAMPLE / "glaciers.gpkg", "after": after, **told, "out": folder / "by_qgis.gpkg"},
            algorithm="glacier_change",
            **ENGINE,
        )
    return folder, by_qgis, by_command.result()


def test_qgis_finds_the_change_of_glaciers_that_the_command_finds(change_of_glaciers):
    folder, by_qgis, by_command = change_of_glaciers
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg", "change")
    assert lineage_of(folder / "by_qgis.gpkg") == lineage_of(folder / "by_command.gpkg")
    results = json.loads(by_qgis.stdout)["results"]
    totals = pyogrio.read_dataframe(folder / "by_qgis.gpkg", layer="totals").iloc[0]
    assert results["CHANGE_KM2"] == totals["change_km2"]
    assert results["CHANGE_LOW_KM2"] == totals["change_low_km2"] < totals["change_high_km2"]
    change = gpd.read_file(folder / "by_qgis.gpkg", layer="change")
    assert results["CLUSTERS"] == len(change)
    counts = [results[name] for name in ("LOSS", "GAIN", "NOT_DISTINGUISHABLE", "NOT_COMPARED")]
    assert sum(counts) == len(change)
    assert results["out"] == f"{folder / 'by_qgis.gpkg'}|layername=change"


def test_outlines_of_both_dates_lie_over_the_change(in_qgis, fake_engine, change_of_glaciers, tmp_path):
    folder, *_ = change_of_glaciers
    answer = loaded(
        in_qgis, fake_engine, "glacier_change", folder / "by_qgis.gpkg", tmp_path / "change.gpkg",
        before=SAMPLE / "glaciers.gpkg", after=SAMPLE / "glaciers.gpkg",
    )  # fmt: skip
    assert [name for name, _ in answer["tree"]] == ["Glaciers before", "Glaciers after", "My result"]
    assert answer["layers"]["My result"]["renderer"] == "categorizedSymbol"


def test_a_table_of_areas_gives_a_table_of_changes(in_qgis, tmp_path):
    (tmp_path / "areas.csv").write_text(
        "glacier_name,date,area_km2,area_unc_km2\nUlmer,2003-08-30,12.5,0.1\nUlmer,2023-08-30,10,0.1\n",
        encoding="utf-8",
    )
    told = {"before": str(tmp_path / "areas.csv"), "out": str(tmp_path / "change.gpkg")}
    answer = in_qgis("load", environment=ENGINE, parameters=told, name="glacier_change")
    assert answer["successful"], answer
    assert (answer["results"]["GLACIERS"], answer["results"]["LOSS"]) == (1, 1)
    assert answer["tree"] == [["My result", True]], "there are no outlines before and after"
    assert answer["layers"]["My result"]["columns"]["pct_per_year"] == "Real"


@pytest.fixture(scope="module")
def map_of_a_year(qgis_process, tmp_path_factory):
    """Irrigated land of two fields from prepared NDVI, in zones of two countries, by each road."""
    folder = tmp_path_factory.mktemp("irrigation")
    write_ndvi(folder / "ndvi.tif", 2024)
    zones = gpd.GeoDataFrame(
        {"district": ["west", "east"], "country": ["A", "B"]},
        geometry=[box(600_000, 4_449_280, 600_450, 4_450_000), box(600_450, 4_449_280, 600_900, 4_450_000)],
        crs="EPSG:32642",
    )
    zones.to_file(folder / "zones.gpkg", layer="zones", VERSION="1.3")
    told = {
        "ndvi": True, "year": 2024, "zones": folder / "zones.gpkg", "zone_field": "district",
        "group_field": "country", "memory_mb": 1500,
    }  # fmt: skip
    words = ["irrigation", folder / "ndvi.tif", *options_of(told), f"--out={folder / 'by_command'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process.run(
            {"scenes": folder / "ndvi.tif", **told, "out": folder / "by_qgis"},
            algorithm="irrigation",
            **ENGINE,
        )
    return folder, by_qgis, by_command.result()


def write_ndvi(path, year):
    """Write NDVI of every ten days: bare land with two fields of a summer crop, a strip never seen."""
    days = [dt.date(year, 1, 5) + dt.timedelta(days=10 * step) for step in range(36)]
    day = np.array([each.timetuple().tm_yday for each in days])
    crop = 0.15 + 0.65 * np.exp(-(((day - 200) / 35) ** 2))
    ndvi = np.full((len(days), 24, 30), 0.12)
    ndvi[:, 4:16, 3:13] = ndvi[:, 4:16, 18:26] = crop[:, None, None]
    stored = np.round(ndvi * 10_000).astype(np.int16)
    stored[:, 20:] = -32_768
    with rasterio.open(
        path, "w", driver="GTiff", count=len(days), height=24, width=30, dtype="int16", nodata=-32_768,
        crs="EPSG:32642", transform=Affine(30, 0, 600_000, 0, -30, 4_450_000),
    ) as raster:  # fmt: skip
        raster.write(stored)
        raster.scales = [1e-4] * len(days)
        for band, each in enumerate(days, 1):
            raster.set_band_description(band, each.isoformat())


def assert_same_folder(found, expected):
    """Compare the files of two folders byte for byte, but for pictures; of records what they came from."""
    names = {path.name for path in expected.iterdir()}
    assert {path.name for path in found.iterdir()} == names
    for name in names:
        one, other = found / name, expected / name
        if name.endswith(".json"):
            assert lineage_of(one) == lineage_of(other), name
        elif name.endswith(".gpkg"):
            assert_same_product(one, other, pyogrio.list_layers(other)[0][0])
        elif not name.endswith(".png"):
            assert one.read_bytes() == other.read_bytes(), name


def test_qgis_maps_the_irrigated_land_that_the_command_maps(map_of_a_year):
    folder, by_qgis, by_command = map_of_a_year
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_folder(folder / "by_qgis", folder / "by_command")
    results = json.loads(by_qgis.stdout)["results"]
    fields_ha = 12 * (10 + 8) * 0.09
    assert results["IRRIGATED_HA"] == results["SUMMER_HA"] == pytest.approx(fields_ha, rel=2e-3)
    assert results["NOT_OBSERVED_PCT"] == pytest.approx(100 / 6, abs=0.01)
    product = str(folder / "by_qgis" / "irrigation_2024.tif")
    assert (results["map"], results["maps"]) == (product, [product])
    assert results["zones"] == str(folder / "by_qgis" / "zones.csv")
    assert "FIELDS_IRRIGATED" not in results, "no table of fields was given"


def test_the_map_is_loaded_by_state_and_by_season_with_its_areas(
    in_qgis, fake_engine, map_of_a_year, tmp_path
):
    folder, *_ = map_of_a_year
    out = tmp_path / "map"
    answer = loaded(
        in_qgis, fake_engine, "irrigation", folder / "by_qgis", out, scenes=folder / "ndvi.tif", year=2024
    )
    title = "Irrigated land, 2024"
    assert answer["tree"] == [[f"Areas of zones: {title}", True], [title, True], [f"Seasons: {title}", False]]
    state, season = (answer["layers"][name] for name in (title, f"Seasons: {title}"))
    assert (state["band"], season["band"]) == ([1], [2])
    assert state["classes"][-1] == "irrigated"
    assert "double" in season["classes"]
    assert Path(season["source"]).samefile(out / "irrigation_2024.tif")
    table = answer["layers"][f"Areas of zones: {title}"]
    assert table["features"] == 5, "two zones, two countries, all"
    assert table["columns"]["map_area_ha"] == "Real"


def test_a_table_of_fields_becomes_a_table_of_fields(in_qgis, tmp_path):
    days = [dt.date(2024, 1, 5) + dt.timedelta(days=10 * step) for step in range(36)]
    day = np.array([each.timetuple().tm_yday for each in days])
    crop = 0.15 + 0.65 * np.exp(-(((day - 200) / 35) ** 2))
    columns = [f"ndvi_{each.isoformat()}" for each in days]
    fields = pd.DataFrame([crop, np.full(36, 0.12)], columns=columns).round(4)
    fields.insert(0, "field", ["cotton", "bare"])
    fields.to_csv(tmp_path / "fields.csv", index=False)
    told = {
        "scenes": [str(tmp_path / "fields.csv")],
        "ndvi": True,
        "year": 2024,
        "out": str(tmp_path / "out"),
    }
    answer = in_qgis("load", environment=ENGINE, parameters=told, name="irrigation")
    assert answer["successful"], answer
    results = answer["results"]
    assert (results["FIELDS_IRRIGATED"], results["FIELDS_NOT_IRRIGATED"]) == (1, 1)
    assert results["fields"] == str(tmp_path / "out" / "irrigation_2024.csv")
    assert results["maps"] == []
    assert answer["tree"] == [["Irrigated fields, 2024", True]]
    assert answer["layers"]["Irrigated fields, 2024"]["features"] == 2


@pytest.fixture(scope="module")
def change_of_maps(qgis_process, map_of_a_year, tmp_path_factory):
    """Change from a year in which one of the two fields lay bare, by each road."""
    made, *_ = map_of_a_year
    folder = tmp_path_factory.mktemp("irrigation_change")
    with rasterio.open(made / "by_command" / "irrigation_2024.tif") as raster:
        states, profile = raster.read(1), raster.profile
    states[:, 15:][states[:, 15:] == 3] = 1
    profile.update(count=1)
    with rasterio.open(folder / "irrigation_2015.tif", "w", **profile) as raster:
        raster.write(states, 1)
    maps = [folder / "irrigation_2015.tif", made / "by_command" / "irrigation_2024.tif"]
    told = {"zones": made / "zones.gpkg", "zone_field": "district", "group_field": "country"}
    words = ["irrigation-change", *maps, *options_of(told), f"--out={folder / 'by_command'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process(
            "--json", "run", "bluepeace:irrigation_change", "--", *(f"maps={path}" for path in maps),
            *(f"{name}={value}" for name, value in told.items()), f"out={folder / 'by_qgis'}",
            **ENGINE,
        )  # fmt: skip
    return folder, by_qgis, by_command.result(), maps, told


def test_qgis_finds_the_change_of_irrigated_land_that_the_command_finds(change_of_maps):
    folder, by_qgis, by_command, *_ = change_of_maps
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_folder(folder / "by_qgis", folder / "by_command")
    results = json.loads(by_qgis.stdout)["results"]
    assert results["GAINED_HA"] == results["CHANGE_HA"] == pytest.approx(12 * 8 * 0.09, rel=2e-3)
    assert (results["YEARS"], results["LOST_HA"]) == (2, 0)
    assert results["change_tif"] == str(folder / "by_qgis" / "change.tif")
    zones = gpd.read_file(folder / "by_qgis" / "change.gpkg", layer="zones").set_index("zone")
    assert zones.loc["east", "gained_ha"] == results["GAINED_HA"]
    assert results["change_gpkg"] == f"{folder / 'by_qgis' / 'change.gpkg'}|layername=zones"


def test_zones_lie_over_the_change_and_the_rest_waits(in_qgis, fake_engine, change_of_maps, tmp_path):
    folder, _, _, maps, told = change_of_maps
    parameters = {"maps": f"{maps[0]};{maps[1]}", "zones": told["zones"]}
    out = tmp_path / "change"
    answer = loaded(in_qgis, fake_engine, "irrigation_change", folder / "by_qgis", out, **parameters)
    title = "Change of irrigated land, 2015 to 2024"
    assert answer["tree"] == [
        [f"Larger units: {title}", False],
        [f"Zones: {title}", True],
        [title, True],
        [f"Share of years irrigated: {title}", False],
    ]
    assert "gained" in answer["layers"][title]["classes"]
    assert answer["layers"][f"Zones: {title}"]["features"] == 2
    assert answer["layers"][f"Larger units: {title}"]["features"] == 3


@pytest.fixture(scope="module")
def points_of_a_map(qgis_process, tmp_path_factory):
    """Sample points of a map, with a buffer, by each road."""
    folder = tmp_path_factory.mktemp("points")
    told = {"points": 60, "buffer_m": 90, "buffer_of": 1, "floor": 10, "seed": 7}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in told.items()]
    with command_meanwhile(
        "sample-points", MAP, *options, f"--out={folder / 'by_command.gpkg'}"
    ) as by_command:
        by_qgis = qgis_process.run(
            {"map": MAP, **told, "out": folder / "by_qgis.gpkg"}, algorithm="sample_points", **ENGINE
        )
    return folder, by_qgis, by_command.result()


MAP = SAMPLE / "truth_irrigated_2024.tif"


def test_qgis_draws_the_points_that_the_command_draws(points_of_a_map):
    folder, by_qgis, by_command = points_of_a_map
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg", "points")
    assert (folder / "by_qgis_strata.tif").read_bytes() == (folder / "by_command_strata.tif").read_bytes()
    assert lineage_of(folder / "by_qgis.gpkg") == lineage_of(folder / "by_command.gpkg")
    results = json.loads(by_qgis.stdout)["results"]
    assert results["POINTS"] == len(gpd.read_file(folder / "by_qgis.gpkg", layer="points")) == 60
    assert results["strata"] == str(folder / "by_qgis_strata.tif")


def test_points_are_loaded_with_the_form_for_labelling(in_qgis, fake_engine, points_of_a_map, tmp_path):
    folder, *_ = points_of_a_map
    # an engine that gives at once what the real one has made
    made = {"BLUEPEACE_PYTHON": fake_engine, "FAKE_ENGINE_PRODUCT": str(folder / "by_qgis.gpkg")}
    parameters = {"map": str(MAP), "out": str(tmp_path / "points.gpkg")}
    style = (folder / "by_qgis.qml").read_text(encoding="utf-8")
    answer = in_qgis("load", environment=made, parameters=parameters, name="sample_points", style=style)
    assert answer["successful"], answer
    (layer,) = answer["layers"].values()
    assert layer["source"] == f"{tmp_path / 'points.gpkg'}|layername=points"
    assert layer["features"] == 60
    (forms,) = answer["forms"].values()
    assert forms["reference"] == forms["reference_2"] == "ValueMap"
    assert forms["stratum"] == "Hidden"


@pytest.fixture(scope="module")
def areas_by_points(qgis_process, tmp_path_factory):
    """Areas from points labelled in two years, in zones, by each road."""
    folder = tmp_path_factory.mktemp("areas")
    labelled(folder / "points.gpkg")
    told = {"zones": SAMPLE / "districts.gpkg", "zone_field": "district", "map_year": 2024}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in told.items()]
    words = ["area", MAP, folder / "points.gpkg", *options, f"--out={folder / 'by_command.csv'}"]
    with command_meanwhile(*words) as by_command:
        by_qgis = qgis_process.run(
            {"map": MAP, "points": folder / "points.gpkg", **told, "out": folder / "by_qgis.csv"},
            algorithm="area",
            **ENGINE,
        )
    return folder, by_qgis, by_command.result()


def labelled(path):
    """Write points drawn from the whole map, labelled by the truth of each year, some of them wrong."""
    chance = np.random.default_rng(5)
    years = []
    with rasterio.open(MAP) as raster:
        known = np.argwhere(raster.read(1) != raster.nodata)
        row, column = chance.choice(known, 120, replace=False).T
        x, y = raster.xy(row, column)
    for year in (2015, 2024):
        with rasterio.open(SAMPLE / f"truth_irrigated_{year}.tif") as raster:
            found = raster.read(1)[row, column]
        found = np.where(chance.random(120) < 0.05, 1 - found, found)
        years.append(gpd.GeoDataFrame({"reference": found.astype(str), "stratum": "all", "year": year},
                                      geometry=gpd.points_from_xy(x, y), crs="EPSG:32642"))  # fmt: skip
    pd.concat(years).to_file(path, layer="points", VERSION="1.3")


def test_qgis_estimates_the_areas_that_the_command_estimates(areas_by_points):
    folder, by_qgis, by_command = areas_by_points
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    tables = {path.name for path in folder.glob("by_command*.csv")}
    assert len(tables) == 5
    for name in tables:
        other = folder / name.replace("by_command", "by_qgis")
        assert other.read_bytes() == (folder / name).read_bytes(), name
    assert lineage_of(folder / "by_qgis.csv") == lineage_of(folder / "by_command.csv")
    results = json.loads(by_qgis.stdout)["results"]
    for kind in ("accuracy", "matrix", "zones", "change"):
        assert results[kind] == str(folder / f"by_qgis_{kind}.csv"), "not the layer that was given"
    assert 0.8 < results["OVERALL_ACCURACY"] < 1
    assert "INTERPRETERS_AGREE_PCT" not in results, "there was only one"


def columns_of(product):
    """Name the columns of each layer of a GeoPackage, but for those of its styles."""
    layers = [name for name, _ in pyogrio.list_layers(product) if name != "layer_styles"]
    columns = {layer: pyogrio.read_info(product, layer=layer)["fields"] for layer in layers}
    # columns that are elevations have one explanation
    return {
        layer: list(dict.fromkeys("ELEVATION" if name.isdigit() else name for name in names))
        for layer, names in columns.items()
    }


def of_files(folder):
    """Name the columns of each table and the bands of each raster of a folder."""
    found = {path.name: list(pd.read_csv(path).columns) for path in folder.glob("*.csv")}
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as raster:
            found[path.name] = list(raster.descriptions)
    return found


def test_the_help_explains_every_column_of_the_products(
    in_qgis, on_the_sample, shares_of_districts, scenes_of_archive, season_of_archive, glaciers_of_a_summer,
    change_of_glaciers, map_of_a_year, change_of_maps, points_of_a_map, areas_by_points,
):  # fmt: skip
    explained = in_qgis("describe", name="basins")["tables"]
    folder, *_ = on_the_sample
    written = columns_of(folder / "by_qgis.gpkg")
    written["bands.csv"] = list(pd.read_csv(folder / "by_qgis.bands.csv").columns)
    assert {table: set(columns) for table, columns in explained.items()} == {
        table: set(columns) for table, columns in written.items()
    }
    folder, *_ = shares_of_districts
    assert in_qgis("describe", name="shares")["tables"] == {
        "shares.csv": list(pd.read_csv(folder / "by_qgis.csv").columns)
    }
    for name, (folder, *_) in {
        "scenes": scenes_of_archive, "glaciers": glaciers_of_a_summer, "sample_points": points_of_a_map,
        "glacier_change": change_of_glaciers,
    }.items():  # fmt: skip
        assert in_qgis("describe", name=name)["tables"] == columns_of(folder / "by_qgis.gpkg")
    folder, *_ = map_of_a_year
    explained = in_qgis("describe", name="irrigation")["tables"]
    assert {name.replace("YEAR", "2024"): columns for name, columns in explained.items()} == of_files(
        folder / "by_qgis"
    )
    folder, *_ = change_of_maps
    written = of_files(folder / "by_qgis")
    for layer, columns in columns_of(folder / "by_qgis" / "change.gpkg").items():
        written[f"change.gpkg: {layer}"] = [column for column in columns if column != "country"]
    assert in_qgis("describe", name="irrigation_change")["tables"] == written
    folder, *_ = areas_by_points
    assert in_qgis("describe", name="area")["tables"] == {
        path.name.replace("by_qgis", "NAME"): list(pd.read_csv(path).columns)
        for path in folder.glob("by_qgis*.csv")
    }
    folder, *_ = season_of_archive
    explained = in_qgis("describe", name="season")["tables"]
    for path in (folder / "by_qgis").glob("*.tif"):
        kind = next((end for end in ("_count", "_date") if path.stem.endswith(end)), "")
        with rasterio.open(path) as raster:
            assert raster.descriptions[0] in ", ".join(explained[f"NAME{kind}.tif"]), path.name


def test_an_error_of_the_core_is_shown_word_for_word(qgis_process, layers, tmp_path):
    nothing = xr.DataArray(np.full((40, 50), np.nan, dtype=np.float32), dims=("y", "x"))
    nothing = nothing.rio.write_crs("EPSG:32642")
    nothing = nothing.rio.write_transform(Affine(100, 0, 500_000, 0, -100, 4_500_000))
    rasters.write(nothing, tmp_path / "nothing.tif")
    out = tmp_path / "out" / "basins.gpkg"
    inputs = {"dem": tmp_path / "nothing.tif", "outlets": layers / "outlets.gpkg"}
    with command_meanwhile("basins", *inputs.values(), f"--out={tmp_path / 'other.gpkg'}") as by_command:
        by_qgis = qgis_process.run({**inputs, "out": out}, **ENGINE)
    assert by_command.result().returncode == 2, by_command.result().stderr
    assert by_qgis.returncode == 1
    sentence = by_command.result().stderr.strip().splitlines()[-1]
    assert "holds no values" in sentence
    assert sentence in said(by_qgis)
    assert not out.exists()


def test_cancel_ends_the_real_engine_and_leaves_nothing(in_qgis, tmp_path):
    out = tmp_path / "product" / "basins.gpkg"
    out.parent.mkdir()
    parameters = {"dem": str(SAMPLE / "dem.tif"), "outlets": str(SAMPLE / "outlets.gpkg"), "out": str(out)}
    message = "finding the way of the water"
    answer = in_qgis("run", environment=ENGINE, parameters=parameters, cancel_at=message)
    assert message in answer["progress_text"]
    assert answer["error"] == "Cancelled: nothing unfinished stays behind."
    assert list(out.parent.iterdir()) == []
    assert "writing" not in answer["progress_text"]
    print(f"cancelled and gone within {answer['seconds_after_cancel']:.2f} s")


def test_without_an_engine_the_algorithm_is_listed_and_says_what_is_missing(qgis_process, layers, tmp_path):
    listed = qgis_process("--json", "list")
    algorithms = json.loads(listed.stdout)["providers"]["bluepeace"]["algorithms"]
    assert set(algorithms) == {f"bluepeace:{name}" for name in WORKFLOWS}
    run = qgis_process.run(
        {"dem": layers / "dem.tif", "outlets": layers / "outlets.gpkg", "out": tmp_path / "basins.gpkg"}
    )
    assert run.returncode == 1
    assert "The bluepeace engine was not found" in said(run)
    assert "pip install bluepeace-gis" in said(run)
    assert list(tmp_path.iterdir()) == []


def test_help_is_readable_in_a_terminal(qgis_process):
    shown = qgis_process("help", "bluepeace:basins")
    assert shown.returncode == 0
    assert "&#x27;" not in shown.stdout
    assert "area on the ellipsoid" in shown.stdout


@pytest.mark.parametrize("mood", ["garbage", "crash"])
def test_a_bad_engine_does_not_harm_qgis_itself(qgis_process, fake_engine, layers, tmp_path, mood):
    out = tmp_path / "basins.gpkg"
    run = qgis_process.run(
        {"dem": layers / "dem.tif", "outlets": layers / "outlets.gpkg", "out": out},
        BLUEPEACE_PYTHON=fake_engine,
        FAKE_ENGINE=mood,
    )
    well = mood == "garbage"
    assert run.returncode == (0 if well else 1), said(run)
    assert [path.name for path in tmp_path.iterdir()] == (["basins.gpkg"] if well else [])
    assert len(said(run)) < 100_000


@pytest.mark.parametrize("name", WORKFLOWS)
def test_command_and_algorithm_do_not_drift_apart(in_qgis, name):
    options = inspect.signature(WORKFLOWS[name]).parameters
    described = in_qgis("describe", name=name)
    shown = described["parameters"]
    options = {called.rstrip("_"): option for called, option in options.items()}  # from_, as Python has it
    assert set(shown) == set(options)
    for called, option in options.items():
        any_number = option.kind is option.VAR_POSITIONAL  # none, too
        required = option.default is inspect.Parameter.empty
        # a band that has a default must be optional too, or qgis_process demands it all the same
        free = any_number or shown[called]["type"] == "band"
        assert free or shown[called]["optional"] == (option.default is None), called
        assert shown[called]["default"] == (None if required else option.default), called
        if typing.get_origin(option.annotation) is typing.Literal:
            assert shown[called]["options"] == list(typing.get_args(option.annotation)), called
        assert shown[called]["type"] == "datetime" or option.annotation is not dt.date, called
        kinds = (option.annotation, *typing.get_args(option.annotation))
        assert (shown[called]["type"] == "boolean") == (bool in kinds), called
    by_place = [
        called
        for called, option in options.items()
        if option.kind in (option.POSITIONAL_ONLY, option.POSITIONAL_OR_KEYWORD, option.VAR_POSITIONAL)
    ]
    assert described["positional"] == by_place


def test_all_that_can_make_an_observation_unclear_is_offered(in_qgis):
    offered = in_qgis("describe", name="season")["parameters"]["reject"]["options"]
    assert sorted(offered) == sorted(flag.name.lower() for flag in Flag if flag is not Flag.FILL)


def test_every_command_has_its_algorithm():
    listed = {name.replace("-", "_") for name in cli.app if not name.startswith("-")}
    assert listed - set(NOT_IN_THE_TOOLBOX) == set(WORKFLOWS)
