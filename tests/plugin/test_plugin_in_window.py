"""A real QGIS window: the dialog opens, the run goes through, the layer lies on the map, styled."""

import datetime as dt
import importlib.util
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio

pytestmark = pytest.mark.qgis

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "data" / "sample"
DIALOGS = ["glaciers", "glacier_change", "irrigation"]


def load_driver():
    specification = importlib.util.spec_from_file_location("window", HERE / "window.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def write_maps(folder):
    """Write the irrigated land of two years as it is known of the sample, and name them and zones."""
    maps = []
    for year in (2015, 2024):
        with rasterio.open(SAMPLE / f"truth_irrigated_{year}.tif") as raster:
            truth, profile = raster.read(1), raster.profile
        states = np.select([truth == 1, truth == 0], [3, 1], 255).astype(np.uint8)
        maps.append(str(folder / f"irrigation_{year}.tif"))
        with rasterio.open(maps[-1], "w", **profile) as raster:
            raster.write(states, 1)
    return {"maps": maps, "zones": str(SAMPLE / "districts.gpkg"), "zone_field": "district"}


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
        "scenes": {"folders": [str(SAMPLE / "archive")], "out": str(folder / "scenes.gpkg")},
        "season": {
            "scenes": [str(folder / "scenes.gpkg")],
            "from": "2024-07-07",
            "to": "2024-07-20",
            "statistic": "max",
            "out": str(folder / "season"),
        },
        "change": {**write_maps(folder), "out": str(folder / "change")},
        "dialogs": DIALOGS,
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


def test_scenes_are_chosen_in_a_list_of_folders_and_files(seen):
    archive, folder = str(SAMPLE / "archive"), str(seen["folder"])
    # given; one dropped onto it, and the first once more; that one removed
    assert seen["places"] == [[archive], [archive, folder], [archive]]
    assert seen["season_widgets"]["scenes"] == ["Places", f"['{seen['folder'] / 'scenes.gpkg'}']"]
    # a batch has a line for it, a model its own way to link it: both by QGIS
    batch, model = seen["scenes_elsewhere"]
    assert "Places" not in batch
    assert model == "QgsProcessingModelerParameterWidget"


def test_scenes_lie_on_the_map_as_open_footprints(seen):
    assert seen["scenes"]["successful"]
    layer = seen["layers"]["Scenes"]
    assert layer["source"] == f"{seen['folder'] / 'scenes.gpkg'}|layername=scenes"
    assert layer["features"] == len(list((SAMPLE / "archive").iterdir()))
    assert "style no" in layer["look"]


def test_days_are_chosen_in_a_calendar(seen):
    assert seen["season_widgets"]["from"][0] == "QDateTimeEdit"
    assert "QDate(2024, 7, 7)" in seen["season_widgets"]["from"][1]


def test_every_composite_of_a_season_is_loaded_with_its_style_and_no_companion(seen):
    assert seen["season"]["successful"]
    folder = seen["folder"] / "season"
    loaded = seen["composites"]
    written = {str(path) for path in folder.glob("*.tif")}
    companions = {path for path in written if path.endswith(("_count.tif", "_date.tif"))}
    assert len(companions) == 4, "two lattices"
    assert set(loaded) == written - companions
    for path, layer in loaded.items():
        assert layer["ramp"] == ramp_of_style(Path(path).with_suffix(".qml"))
        assert len(layer["ramp"]) > 3
    names = sorted(layer["name"] for layer in loaded.values())
    assert [name.partition(",")[0] for name in names] == ["Landsat", "Sentinel-2"], "the difference first"
    assert all(name.endswith("Greatest NDVI, 2024-07-07 to 2024-07-20") for name in names)


def ramp_of_style(path):
    """Read values and colours between which a style has a raster drawn."""
    items = ET.parse(path).getroot().iter("item")  # noqa: S314 - our own file
    return [[float(item.get("value")), item.get("color")] for item in items]


def test_maps_of_years_are_chosen_among_rasters_and_columns_of_units_are_many(seen):
    widgets = seen["change_widgets"]
    assert widgets["maps"][1] == str(
        [str(seen["folder"] / f"irrigation_{year}.tif") for year in (2015, 2024)]
    )
    assert widgets["group_field"][1] == "[]"


def test_the_year_that_is_offered_is_the_last_whole_one(seen):
    assert seen["dialogs"]["irrigation"]["year"][1] == str(dt.datetime.now(tz=dt.UTC).year - 1)


def test_layers_of_a_change_lie_in_their_order_and_some_wait(seen):
    assert seen["irrigation_change"]["successful"]
    title = "Change of irrigated land, 2015 to 2024"
    assert seen["tree"] == [
        [f"Larger units: {title}", False],
        [f"Zones: {title}", True],
        [title, True],
        [f"Share of years irrigated: {title}", False],
    ]


@pytest.mark.parametrize("name", DIALOGS)
def test_every_dialog_opens_with_a_widget_for_each_parameter(seen, name):
    assert "out" in seen["dialogs"][name]
    assert len(seen["dialogs"][name]) >= 8


def test_the_engine_window_says_that_it_works(seen):
    assert seen["engine"].startswith("Works: version ")


def test_the_plugin_leaves_the_window_as_it_was(seen):
    assert any("Blue Peace" in text for text in seen["menu"])
    assert not any("Blue Peace" in text for text in seen["menu_after_unload"])
    assert seen["unloaded"]
    assert not seen["provider_after_unload"]


def test_pictures_were_taken(seen):
    for name in (
        "dialog.png", "finished.png", "shares.png", "scenes_dialog.png", "scenes_loaded.png",
        "season_dialog.png", "season_loaded.png", "change_dialog.png", "change_loaded.png", "map.png",
        "engine.png",
    ):  # fmt: skip
        assert (seen["folder"] / name).read_bytes().startswith(b"\x89PNG"), name
