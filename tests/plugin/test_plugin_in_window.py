"""A real QGIS window: the dialog opens, the run goes through, the layer lies on the map, styled."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.qgis

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "data" / "sample"


def load_driver():
    specification = importlib.util.spec_from_file_location("window", HERE / "window.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    window = load_driver()
    missing = [name for name, path in window.find_programs().items() if path is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not on this machine (Debian: apt-get install qgis xvfb openbox)")
    folder = tmp_path_factory.mktemp("window")
    countries = {
        "countries": f"{SAMPLE / 'countries.gpkg'}|layername=countries",
        "country_field": "name",
    }
    told = {
        "parameters": {
            "dem": str(SAMPLE / "dem.tif"),
            "outlets": str(SAMPLE / "outlets.gpkg"),
            **countries,
            "terminal": str(SAMPLE / "terminal_lakes.gpkg"),
            "out": str(folder / "basins.gpkg"),
        },
        "shares": {**countries, "zone_field": "name", "out": str(folder / "shares.csv")},
    }
    answer = window.drive(told, folder, sys.executable)
    print(f"the window stalled for {answer['stall_seconds']} s at most; pictures in {folder}")
    return {**answer, "folder": folder}


def test_the_run_goes_through(seen):
    assert "fault" not in seen, seen["fault"]
    assert seen["basins"]["successful"]
    assert int(float(seen["basins"]["results"]["BASINS"])) > 0


def test_the_layer_lies_on_the_map_with_the_style_of_the_product(seen):
    layer = seen["layers"]["Basins"]
    assert layer["source"] == f"{seen['folder'] / 'basins.gpkg'}|layername=basins"
    assert layer["features"] == int(float(seen["basins"]["results"]["BASINS"]))
    assert layer["look"] == seen["look_of_the_style"] != seen["plain_look"]
    assert layer["look"].endswith("; labelled")


def test_the_table_of_shares_lies_in_the_project(seen):
    assert seen["shares"]["successful"]
    table = seen["table"]
    assert table["source"].startswith(str(seen["folder"] / "shares.csv"))
    assert list(table["columns"]) == ["zone", "country", "area_km2", "share_pct"]
    assert table["columns"]["share_pct"] == "Real"
    of_first = [share for zone, _, _, share in table["rows"] if zone == table["rows"][0][0]]
    assert sum(of_first) == pytest.approx(100)


def test_the_engine_window_says_that_it_works(seen):
    assert seen["engine"].startswith("Works: version ")


def test_the_plugin_leaves_the_window_as_it_was(seen):
    assert any("Blue Peace" in text for text in seen["menu"])
    assert not any("Blue Peace" in text for text in seen["menu_after_unload"])
    assert seen["unloaded"]
    assert not seen["provider_after_unload"]


def test_pictures_were_taken(seen):
    for name in ("dialog.png", "finished.png", "shares.png", "map.png", "engine.png"):
        assert (seen["folder"] / name).read_bytes().startswith(b"\x89PNG"), name
