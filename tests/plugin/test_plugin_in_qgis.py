"""The real qgis_process with the real engine: what QGIS gives is what the command gives."""

import inspect
import json
import subprocess
import sys
import typing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import xarray as xr
from affine import Affine
from pandas.testing import assert_frame_equal

from bluepeace_gis.archive import rasters

pytestmark = pytest.mark.qgis

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
ENGINE = {"BLUEPEACE_PYTHON": sys.executable}


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


@pytest.fixture(scope="module")
def on_the_sample(qgis_process, tmp_path_factory):
    """One run on the sample by each road, with countries and terminal lakes."""
    folder = tmp_path_factory.mktemp("sample")
    by_qgis = qgis_process.run(
        {
            "dem": SAMPLE / "dem.tif",
            "outlets": SAMPLE / "outlets.gpkg",
            "countries": f"{SAMPLE / 'countries.gpkg'}|layername=countries",
            "country_field": COUNTRY_FIELD,
            "terminal": SAMPLE / "terminal_lakes.gpkg",
            "out": folder / "by_qgis.gpkg",
        },
        **ENGINE,
    )
    gpd.read_file(SAMPLE / "countries.gpkg", layer="countries").to_file(folder / "countries.gpkg")
    by_command = command(
        "basins",
        SAMPLE / "dem.tif",
        SAMPLE / "outlets.gpkg",
        f"--countries={folder / 'countries.gpkg'}",
        f"--country-field={COUNTRY_FIELD}",
        f"--terminal={SAMPLE / 'terminal_lakes.gpkg'}",
        f"--out={folder / 'by_command.gpkg'}",
    )
    return folder, by_qgis, by_command


COUNTRY_FIELD = "name"


def test_qgis_gives_what_the_command_gives(on_the_sample):
    folder, by_qgis, by_command = on_the_sample
    assert by_command.returncode == 0, by_command.stderr
    assert by_qgis.returncode == 0, said(by_qgis)
    assert_same_product(folder / "by_qgis.gpkg", folder / "by_command.gpkg")


def test_its_numbers_are_those_of_the_layer(on_the_sample):
    folder, by_qgis, _ = on_the_sample
    results = json.loads(by_qgis.stdout)["results"]
    basins = gpd.read_file(folder / "by_qgis.gpkg", layer="basins")
    subbasins = gpd.read_file(folder / "by_qgis.gpkg", layer="subbasins")
    assert results["BASINS"] == len(basins) > 0
    # basins of outlets on one river lie in each other, subbasins do not
    assert results["AREA_KM2"] == pytest.approx(subbasins["area_km2"].sum(), rel=1e-9)
    assert results["out"] == f"{folder / 'by_qgis.gpkg'}|layername=basins"
    assert Path(results["picture"]).is_file()
    assert Path(results["bands"]).is_file()


def test_all_files_of_the_product_are_there_and_no_other(on_the_sample):
    folder, *_ = on_the_sample
    ours = {path.name.replace("by_qgis", "NAME") for path in folder.glob("*by_qgis*")}
    commands = {path.name.replace("by_command", "NAME") for path in folder.glob("*by_command*")}
    assert ours == commands == {
        "NAME.gpkg", "NAME.json", "NAME.qml", "NAME.png", "NAME.bands.png",
    }  # fmt: skip


def test_a_poisoned_environment_does_no_harm(qgis_process, layers, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for module in ("rasterio", "bluepeace_gis", "geopandas", "sitecustomize"):
        (broken / f"{module}.py").write_text("raise RuntimeError('poison')\n", encoding="utf-8")
    poison = {
        "PROJ_LIB": "/usr/share/proj",  # QGIS's own: kills the wheels' PROJ
        "PROJ_DATA": "/usr/share/proj",
        "GDAL_DATA": "/usr/share/gdal",
        "PYTHONPATH": str(broken),
        "PYTHONHOME": "/usr",  # QGIS's own Python
    }
    inputs = {"dem": layers / "dem.tif", "outlets": layers / "outlets.gpkg"}
    poisoned = qgis_process.run({**inputs, "out": tmp_path / "poisoned.gpkg"}, **ENGINE, **poison)
    assert poisoned.returncode == 0, said(poisoned)
    clean = command("basins", *inputs.values(), f"--out={tmp_path / 'clean.gpkg'}")
    assert clean.returncode == 0, clean.stderr
    assert_same_product(tmp_path / "poisoned.gpkg", tmp_path / "clean.gpkg")


def test_an_error_of_the_core_is_shown_word_for_word(qgis_process, layers, tmp_path):
    nothing = xr.DataArray(np.full((40, 50), np.nan, dtype=np.float32), dims=("y", "x"))
    nothing = nothing.rio.write_crs("EPSG:32642")
    nothing = nothing.rio.write_transform(Affine(100, 0, 500_000, 0, -100, 4_500_000))
    rasters.write(nothing, tmp_path / "nothing.tif")
    out = tmp_path / "out" / "basins.gpkg"
    by_command = command("basins", tmp_path / "nothing.tif", layers / "outlets.gpkg", f"--out={out}")
    assert by_command.returncode == 2, by_command.stderr
    by_qgis = qgis_process.run(
        {"dem": tmp_path / "nothing.tif", "outlets": layers / "outlets.gpkg", "out": out}, **ENGINE
    )
    assert by_qgis.returncode == 1
    sentence = by_command.stderr.strip().splitlines()[-1]
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
    assert "bluepeace:basins" in json.loads(listed.stdout)["providers"]["bluepeace"]["algorithms"]
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
    assert "area of the basin on the ellipsoid" in shown.stdout


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


def test_command_and_algorithm_do_not_drift_apart(in_qgis):
    from bluepeace_gis.workflows.basins import basins

    options = inspect.signature(basins).parameters
    shown = in_qgis("describe")["parameters"]
    assert set(shown) == set(options)
    for name, option in options.items():
        required = option.default is inspect.Parameter.empty
        assert shown[name]["optional"] == (option.default is None), name
        assert shown[name]["default"] == (None if required else option.default), name
        if typing.get_origin(option.annotation) is typing.Literal:
            assert shown[name]["options"] == list(typing.get_args(option.annotation)), name
    by_place = [name for name, option in options.items() if option.kind is option.POSITIONAL_OR_KEYWORD]
    assert in_qgis("describe")["positional"] == by_place
