"""The real qgis_process with the real engine: what QGIS gives is what the command gives.

Each start of QGIS or of the engine costs seconds: what can be seen in one run is asked of one, and the
command runs while QGIS does.
"""

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
import xarray as xr
from affine import Affine
from pandas.testing import assert_frame_equal

from bluepeace_gis import cli
from bluepeace_gis.archive import rasters
from bluepeace_gis.workflows.basins import basins
from bluepeace_gis.workflows.shares import shares

pytestmark = pytest.mark.qgis

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
ENGINE = {"BLUEPEACE_PYTHON": sys.executable}
COUNTRIES = f"{SAMPLE / 'countries.gpkg'}|layername=countries"  # beside the layer borders
COUNTRY_FIELD = "name"
WORKFLOWS = {"basins": basins, "shares": shares}


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "bluepeace_gis", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def assert_same_product(found, expected):
    """Compare two GeoPackages layer by layer, column by column, vertex by vertex."""
    layers = [name for name, _ in pyogrio.list_layers(expected)]
    assert [name for name, _ in pyogrio.list_layers(found)] == layers
    assert "basins" in layers
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
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg")
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


def test_the_help_explains_every_column_of_the_products(in_qgis, on_the_sample, shares_of_districts):
    explained = in_qgis("describe", name="basins")["tables"]
    folder, *_ = on_the_sample
    product = folder / "by_qgis.gpkg"
    written = {layer: list(pyogrio.read_info(product, layer=layer)["fields"])
               for layer, _ in pyogrio.list_layers(product) if layer != "layer_styles"}  # fmt: skip
    written["bands.csv"] = list(pd.read_csv(folder / "by_qgis.bands.csv").columns)
    assert {table: set(columns) for table, columns in explained.items()} == {
        table: set(columns) for table, columns in written.items()
    }
    folder, *_ = shares_of_districts
    assert in_qgis("describe", name="shares")["tables"] == {
        "shares.csv": list(pd.read_csv(folder / "by_qgis.csv").columns)
    }


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


@pytest.mark.parametrize("mood", ["garbage", "crash", "flood", "silent"])
def test_a_bad_engine_does_not_harm_qgis_itself(qgis_process, fake_engine, layers, tmp_path, mood):
    out = tmp_path / "basins.gpkg"
    run = qgis_process.run(
        {"dem": layers / "dem.tif", "outlets": layers / "outlets.gpkg", "out": out},
        BLUEPEACE_PYTHON=fake_engine,
        FAKE_ENGINE=mood,
    )
    well = mood in ("garbage", "flood")
    assert run.returncode == (0 if well else 1), said(run)
    assert [path.name for path in tmp_path.iterdir()] == (["basins.gpkg"] if well else [])
    assert len(said(run)) < 100_000


@pytest.mark.parametrize("name", WORKFLOWS)
def test_command_and_algorithm_do_not_drift_apart(in_qgis, name):
    options = inspect.signature(WORKFLOWS[name]).parameters
    described = in_qgis("describe", name=name)
    shown = described["parameters"]
    assert set(shown) == set(options)
    for called, option in options.items():
        required = option.default is inspect.Parameter.empty
        assert shown[called]["optional"] == (option.default is None), called
        assert shown[called]["default"] == (None if required else option.default), called
        if typing.get_origin(option.annotation) is typing.Literal:
            assert shown[called]["options"] == list(typing.get_args(option.annotation)), called
    by_place = [called for called, option in options.items() if option.kind is option.POSITIONAL_OR_KEYWORD]
    assert described["positional"] == by_place


def test_every_command_has_its_algorithm():
    tools = {"handshake"}  # for programs, not for people
    listed = {name for name in cli.app if not name.startswith("-")}
    assert listed - tools == set(WORKFLOWS)
