"""The plugin's side of the conversation, against an engine that behaves well or badly."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import pytest

pytestmark = pytest.mark.qgis


@pytest.fixture
def talk(in_qgis, fake_engine, layers, tmp_path):
    """Run the algorithm with the fake engine in one of its moods."""

    def run(mode="good", environment=None, parameters=None, **arguments):
        told = {
            "dem": str(layers / "dem.tif"),
            "outlets": str(layers / "outlets.gpkg"),
            "out": str(tmp_path / "product" / "basins.gpkg"),
            **(parameters or {}),
        }
        (tmp_path / "product").mkdir(exist_ok=True)
        variables = {
            "BLUEPEACE_PYTHON": fake_engine,
            "FAKE_ENGINE": mode,
            "FAKE_ENGINE_RECORD": str(tmp_path / "record.jsonl"),
            "FAKE_ENGINE_COPIES": str(tmp_path),
            **(environment or {}),
        }
        return in_qgis("run", environment=variables, parameters=told, **arguments)

    return run


@pytest.fixture
def shares(talk, layers, tmp_path):
    """Run the other algorithm, whose result is a table, with the fake engine."""

    def run(mode="good", parameters=None, **arguments):
        told = {
            "polygons": str(layers / "countries.gpkg"),
            "countries": str(layers / "countries.gpkg"),
            "country_field": "country",
            "out": str(tmp_path / "product" / "shares.csv"),
            **(parameters or {}),
        }
        return talk(mode, parameters=told, name="shares", **arguments)

    return run


@pytest.fixture
def season(talk, layers, tmp_path):
    """Run an algorithm whose result is a folder of rasters, with the fake engine."""

    def run(mode="good", parameters=None, **arguments):
        told = {
            "scenes": str(layers),
            "from": "2024-04-01",
            "to": "2024-10-31",
            "statistic": "median",
            "out": str(tmp_path / "product" / "season"),
            **(parameters or {}),
        }
        return talk(mode, parameters=told, name="season", **arguments)

    return run


@pytest.fixture
def record(tmp_path):
    """What the fake engine was told: the last of its starts."""

    def read():
        return json.loads((tmp_path / "record.jsonl").read_text(encoding="utf-8").splitlines()[-1])

    return read


@pytest.fixture
def product_folder(tmp_path):
    return tmp_path / "product"


def is_alive(process):
    """Tell a running process from one that has ended and was waited for, or is a zombie of init."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# A run that goes well


def test_a_run_gives_layer_numbers_progress_and_warnings(talk, record, product_folder):
    answer = talk()
    assert answer["error"] is None
    out = product_folder / "basins.gpkg"
    assert answer["results"] == {"out": f"{out}|layername=basins", "BASINS": 3, "AREA_KM2": 12.5}
    assert answer["warning"] == ["Outlet 2 was moved by 120 m."]
    assert answer["progress_text"] == ["reading", "wrote"]
    assert answer["progress"] == [10.0, 100.0]
    assert answer["command"][0].startswith("bluepeace basins ")
    assert answer["temporary"] == []
    assert record()["words"][-2:] == ["--progress=json", "--end-with-stdin"]


def test_parameters_become_options_of_the_same_name(talk, record, layers, product_folder):
    answer = talk(
        parameters={
            "countries": str(layers / "countries.gpkg"),
            "country_field": "country",
            "terminal": str(layers / "countries.gpkg"),
            "snap_m": 250,
            "area_field": "known_km2",
            "depressions": "keep",
            "keep_above_km2": 0.1,
            "edges": "closed",
            "streams_km2": 1e-7,
            "band_m": 100,
            "border_m": 1500,
            "memory_mb": 4000,
            "rasters": str(product_folder / "rasters"),
        }
    )
    assert answer["error"] is None, answer
    command, dem, outlets, *options = record()["words"]
    assert [command, dem, outlets] == ["basins", str(layers / "dem.tif"), str(layers / "outlets.gpkg")]
    assert sorted(options) == sorted([
        f"--countries={layers / 'countries.gpkg'}",
        "--country-field=country",
        f"--terminal={layers / 'countries.gpkg'}",
        "--snap-m=250",
        "--area-field=known_km2",
        "--depressions=keep",
        "--keep-above-km2=0.1",
        "--edges=closed",
        "--streams-km2=1e-07",
        "--band-m=100",
        "--border-m=1500",
        "--memory-mb=4000",
        f"--out={product_folder / 'basins.gpkg'}",
        f"--rasters={product_folder / 'rasters'}",
        "--progress=json",
        "--end-with-stdin",
    ])  # fmt: skip


def test_what_is_not_given_is_not_told(talk, record):
    talk(parameters={"snap_m": None, "area_field": "", "countries": None})
    told = {word.partition("=")[0] for word in record()["words"][3:]}
    assert told == {"--depressions", "--edges", "--band-m", "--out", "--progress", "--end-with-stdin"}


def test_a_table_is_made_like_a_layer(shares, record, layers, product_folder):
    answer = shares(parameters={"zone_field": "country"})
    assert answer["error"] is None, answer
    out = product_folder / "shares.csv"
    # QGIS 3.22 opens numbers of a CSV as numbers only if it is told to
    assert answer["results"] == {"out": f"{out}|option:AUTODETECT_TYPE=YES", "ZONES": 2, "AREA_KM2": 7.5}
    command, polygons, *options = record()["words"]
    assert [command, polygons] == ["shares", str(layers / "countries.gpkg")]
    assert sorted(options) == sorted([
        f"--countries={layers / 'countries.gpkg'}",
        "--country-field=country",
        "--zone-field=country",
        f"--out={out}",
        "--progress=json",
        "--end-with-stdin",
    ])  # fmt: skip


def test_files_folders_days_choices_and_flags_become_words(season, record, layers, product_folder):
    answer = season(
        parameters={
            "scenes": [str(layers), str(layers / "dem.tif")],
            "reject": ["cloud", "shadow"],
            "area": str(layers / "countries.gpkg"),
            "resume": True,
            "executor": "tcp://somewhere:8786",
        }
    )
    assert answer["error"] is None, answer
    command, first, second, *options = record()["words"]
    assert [command, first, second] == ["season", str(layers), str(layers / "dem.tif")]
    assert sorted(options) == sorted([
        "--from=2024-04-01",
        "--to=2024-10-31",
        "--statistic=median",
        "--of=ndvi",
        "--reject=cloud,shadow",
        f"--area={layers / 'countries.gpkg'}",
        "--cloud-pct-max=100",
        "--memory-mb=2000",
        "--executor=tcp://somewhere:8786",
        "--resume",
        f"--out={product_folder / 'season'}",
        "--progress=json",
        "--end-with-stdin",
    ])  # fmt: skip


@pytest.mark.parametrize(
    "moment", ["2024-08-21T06:16:29", "2024-08-21T06:16:29Z", "2024-08-21T11:46:29+05:30"]
)
def test_a_moment_is_told_in_utc(talk, record, layers, product_folder, moment):
    told = {
        "scenes": str(layers / "dem.tif"),
        "time": moment,
        "bands": "green=2,swir1=5",
        "sun": "151.5,53.6",
    }
    answer = talk(name="glaciers", parameters={**told, "out": str(product_folder / "glaciers.gpkg")})
    assert answer["error"] is None, answer
    command, scene, *options = record()["words"]
    assert [command, scene] == ["glaciers", str(layers / "dem.tif")]
    assert {"--time=2024-08-21T06:16:29", "--bands=green=2,swir1=5", "--sun=151.5,53.6"} <= set(options)


def test_a_folder_of_rasters_gives_its_main_ones_numbers_and_sentences(season, product_folder):
    answer = season()
    assert answer["error"] is None, answer
    assert answer["results"] == {
        "out": str(product_folder / "season"),
        "composites": [str(product_folder / "season" / "made.tif")],
        "SCENES": 4,
        "LEFT_OUT": 1,
        "TILES": 2,
        "SEEN_PCT": 97.5,
    }
    assert "Of 4 scenes 1 is left out." in answer["info"]


def test_a_dry_run_gives_its_sentences_and_no_layer(season, product_folder):
    answer = season(parameters={"dry_run": True})
    assert answer["error"] is None, answer
    assert answer["results"]["composites"] == []
    assert "Of 4 scenes 1 is left out." in answer["info"]
    assert names(product_folder) == []


def test_several_rasters_and_several_columns_become_words(talk, record, layers, product_folder):
    told = {
        "maps": [str(layers / "dem.tif"), str(layers / "again.tif")],
        "zones": str(layers / "countries.gpkg"),
        "group_field": ["country", "basin"],
        "accept_definition": True,
        "out": str(product_folder / "change"),
    }
    (layers / "again.tif").write_bytes((layers / "dem.tif").read_bytes())
    talk("mendable", name="irrigation_change", parameters=told)
    command, first, second, *options = record()["words"]
    assert [command, first, second] == ["irrigation-change", *told["maps"]]
    assert sorted(options) == sorted([
        f"--zones={told['zones']}",
        "--group-field=country,basin",
        "--accept-definition",
        "--band=1",
        f"--out={told['out']}",
        "--progress=json",
        "--end-with-stdin",
    ])  # fmt: skip


AREAS = "glacier_name,date,area_km2\nмын жылкы,2003-08-30,12.5\nмын жылкы,2013-08-30,11.75\n"


@pytest.fixture
def areas(tmp_path):
    """A table of areas, apart from the copies of what the engine was given."""
    table = tmp_path / "given" / "areas.csv"
    table.parent.mkdir()
    table.write_text(AREAS, encoding="utf-8")
    return table


@pytest.mark.parametrize("ending", ["", "|option:AUTODETECT_TYPE=YES"])
def test_a_table_of_areas_is_handed_over_itself(talk, record, areas, product_folder, ending):
    told = {"before": f"{areas}{ending}", "out": str(product_folder / "change.gpkg")}
    answer = talk(name="glacier_change", parameters=told)
    assert answer["error"] is None, answer
    assert record()["words"][:2] == ["glacier-change", str(areas)]
    assert answer["results"]["LOSS"] == 1


def test_days_of_a_table_are_handed_over_as_days(talk, record, areas, product_folder, tmp_path):
    # QGIS's own way to read such tables; GDAL would write its days as 2003/08/30
    source = areas.as_uri() + "?type=csv&detectTypes=yes&geomType=none"
    out = str(product_folder / "change.gpkg")
    told = {"before": f"delimitedtext://{source}", "out": out}
    answer = talk(name="glacier_change", parameters=told)
    assert answer["error"] is None, answer
    assert record()["words"][1].endswith("before.csv")
    assert (tmp_path / "before.csv").read_text(encoding="utf-8").split() == AREAS.split()


def test_the_engine_starts_in_a_clean_environment(talk, record):
    poison = {
        "PYTHONPATH": "/nowhere",
        "PROJ_LIB": "/usr/share/proj",
        "GDAL_DATA": "/usr/share/gdal",
        "LD_LIBRARY_PATH": "/nowhere",
        "VIRTUAL_ENV": "/nowhere",
        "PIP_INDEX_URL": "https://nowhere.invalid",
        "GDAL_DRIVER_PATH": "/nowhere",
    }
    answer = talk(environment=poison)
    assert answer["error"] is None
    environment = record()["environment"]
    assert not set(environment) & {*poison, "QGIS_PLUGINPATH", "QGIS_PREFIX_PATH", "QT_PLUGIN_PATH"}
    assert environment["PYTHONUTF8"] == "1"
    assert environment["PYTHONSAFEPATH"] == "1"
    assert "FAKE_ENGINE" in environment, "what is not QGIS's own stays"


# Features that are not simply a file


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("memory", ["upper", "middle", "lower"]),
        ("subset", ["middle", "lower"]),
        ("selected", ["upper"]),
        ("edited", ["middle", "lower"]),
        ("computed", ["upper", "middle", "lower"]),
        ("mended CRS", ["upper", "middle", "lower"]),
    ],
)
def test_what_the_user_sees_is_what_the_engine_gets(talk, record, layers, tmp_path, *, kind, expected):
    # a file that names the neighbouring zone, mended by the user in QGIS only
    file = {"outlets": str(layers / "wrong_zone.gpkg")} if kind == "mended CRS" else {}
    answer = talk(outlets_kind=kind, parameters=file)
    assert answer["error"] is None, answer
    handed_over = Path(record()["words"][2])
    assert not handed_over.exists(), "a temporary file stays behind"
    assert answer["temporary"] == []
    copied = gpd.read_file(tmp_path / handed_over.name)
    assert copied["name"].tolist() == expected
    assert copied["known_km2"].dtype == float
    assert copied.crs.to_epsg() == 32642
    assert ("twice_km2" in copied) == (kind == "computed"), "a column that is in no file"


@pytest.mark.parametrize(
    ("chosen", "named"), [("|layername=two", "two"), ("", "one"), ("|layerid=1", "two")], ids=str
)
def test_one_layer_of_several_is_named_in_its_file(talk, record, layers, chosen, named):
    # the original, not a copy: the provenance tells its name and its checksum
    file = layers / "two_layers.gpkg"
    answer = talk(parameters={"outlets": f"{file}{chosen}"})
    assert answer["error"] is None, answer
    assert record()["words"][2] == f"{file}|layername={named}"


def test_a_selection_in_one_layer_of_several_is_copied(talk, record, layers, tmp_path):
    answer = talk(
        outlets_kind="selected", parameters={"outlets": f"{layers / 'two_layers.gpkg'}|layername=two"}
    )
    assert answer["error"] is None, answer
    copied = gpd.read_file(tmp_path / Path(record()["words"][2]).name)
    assert copied["name"].tolist() == ["upper"]


def test_a_file_of_another_format_is_handed_over_itself(talk, record, layers):
    # its checksum goes into the provenance: a copy would have another one
    answer = talk(parameters={"outlets": str(layers / "outlets.geojson")})
    assert answer["error"] is None, answer
    assert record()["words"][2] == str(layers / "outlets.geojson")


# What is wrong before the run


@pytest.mark.parametrize(
    ("parameters", "arguments", "sentence"),
    [
        ({"outlets": "{layers}/far.gpkg"}, {}, "Outlets and Elevation model do not overlap"),
        ({}, {"outlets_kind": "no CRS"}, "Outlets: My outlets has no coordinate reference system"),
        ({}, {"dem_kind": "another CRS"}, "is shown in EPSG:32643, but its file says EPSG:32642"),
        (
            {"countries": "{layers}/countries.gpkg"},
            {},
            "Countries are given without the column that names them",
        ),
        (
            {"countries": "{layers}/far_countries.gpkg", "country_field": "country"},
            {},
            "Countries and Elevation model do not overlap",
        ),
        ({"out": "{layers}/basins.shp"}, {}, ".gpkg"),
        ({"keep_above_km2": 1.0}, {}, "is not set to keep"),
        ({"border_m": 500.0}, {}, "Rivers on a border within (m) is given without Countries"),
        ({"band_m": 0}, {}, "band_m"),
        ({"depressions": "dig"}, {}, "depressions"),
    ],
)
def test_a_fault_in_the_parameters_is_found_before_the_run(
    talk, layers, tmp_path, *, parameters, arguments, sentence
):
    told = {
        name: value.format(layers=layers) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    answer = talk(parameters=told, **arguments)
    assert sentence in answer["problem"]
    assert answer["results"] is None
    assert not (tmp_path / "record.jsonl").exists(), "the engine was started"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"countries": "{layers}/far_countries.gpkg"}, "Countries and Polygons do not overlap"),
        ({"out": "{layers}/shares.gpkg"}, "a new file that ends in .csv was expected"),
        ({"polygons": "{layers}/empty.gpkg"}, "Polygons: empty holds no features"),
        ({"country_field": ""}, "country_field"),
    ],
)
def test_a_fault_in_the_parameters_of_a_table_is_found_before_the_run(
    shares, layers, tmp_path, *, parameters, sentence
):
    answer = shares(parameters={name: value.format(layers=layers) for name, value in parameters.items()})
    assert sentence in answer["problem"]
    assert answer["results"] is None
    assert not (tmp_path / "record.jsonl").exists(), "the engine was started"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"scenes": ["{layers}", "{layers}/gone"]}, "Scenes: {layers}/gone was not found"),
        ({"scenes": ["{layers}/dem.tif"] * 5000}, "Scenes: 5000 names are too many for one command line"),
        ({"scenes": []}, "scenes"),
        ({"from": "2025-04-01"}, "Last day lies before First day: exchange the two."),
        ({"from": "April"}, "from"),
        ({"statistic": "mean"}, "statistic"),
        ({"reject": ["fog"]}, "reject"),
        ({"cloud_pct_max": 101}, "cloud_pct_max"),
        ({"area": "{layers}/empty.gpkg"}, "Study area: empty holds no features"),
    ],
)
def test_a_fault_in_the_parameters_of_a_season_is_found_before_the_run(
    season, layers, tmp_path, *, parameters, sentence
):
    def placed(value):
        if isinstance(value, list):
            return [placed(each) for each in value]
        return value.format(layers=layers) if isinstance(value, str) else value

    answer = season(parameters={name: placed(value) for name, value in parameters.items()})
    assert placed(sentence) in answer["problem"]
    assert answer["results"] is None
    assert not (tmp_path / "record.jsonl").exists(), "the engine was started"


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("irrigation_change", {"maps": ["dem.tif", "gone.tif"], "zones": "countries.gpkg"}, "maps"),
        (
            "irrigation_change",
            {"maps": ["dem.tif", "outlets.gpkg"], "zones": "countries.gpkg"},
            "outlets.gpkg was not found or is no raster",
        ),
        ("irrigation_change", {"maps": ["dem.tif"], "zones": "countries.gpkg"}, "maps"),
        ("irrigation_change", {"maps": ["dem.tif", "dem.tif"]}, "zones"),
        (
            "irrigation",
            {"scenes": ["dem.tif"], "year": 2024, "et0": "dem.tif"},
            "Reference evapotranspiration (mm) is given without Rain (mm)",
        ),
        (
            "irrigation",
            {"scenes": ["dem.tif"], "year": 2024, "zones": "countries.gpkg", "dem": "dem.tif",
             "area": "far_countries.gpkg"},
            "Study area and Zones do not overlap",
        ),
        ("irrigation", {"scenes": ["dem.tif"], "year": 24}, "year"),
        ("irrigation", {"scenes": ["dem.tif"]}, "year"),
        (
            "glaciers",
            {"scenes": ["dem.tif"], "dem": "dem.tif", "inventory": "far_countries.gpkg"},
            "Earlier inventory and Elevation model do not overlap",
        ),
        ("glacier_change", {"before": "countries.gpkg"}, "but Glaciers after are not given"),
        (
            "glacier_change",
            {"before": "areas.csv", "after": "countries.gpkg"},
            "Glaciers before is a table, which stands alone",
        ),
        (
            "glacier_change",
            {"before": "countries.gpkg", "after": "far_countries.gpkg"},
            "Glaciers after and Glaciers before do not overlap",
        ),
    ],
)  # fmt: skip
def test_a_fault_in_the_parameters_of_the_others_is_found_before_the_run(
    talk, layers, tmp_path, *, name, parameters, sentence
):
    (layers / "areas.csv").write_text(AREAS, encoding="utf-8")

    def placed(value):
        if isinstance(value, list):
            return [placed(each) for each in value]
        return str(layers / value) if isinstance(value, str) else value

    out = tmp_path / "product" / ("change.gpkg" if name.startswith("glacier") else "change")
    told = {called: placed(value) for called, value in parameters.items()}
    answer = talk(name=name, parameters={**told, "out": str(out)})
    assert sentence in answer["problem"]
    assert answer["results"] is None
    assert not (tmp_path / "record.jsonl").exists(), "the engine was started"


def test_scenes_need_a_folder_or_an_index_of_others(talk, record, layers, product_folder):
    told = {"out": str(product_folder / "scenes.gpkg")}
    answer = talk(name="scenes", parameters=told)
    assert answer["problem"].startswith("Neither Folders or scenes nor STAC items")
    answer = talk(name="scenes", parameters={**told, "stac": str(layers / "outlets.geojson")})
    assert answer["error"] is None, answer
    assert f"--stac={layers / 'outlets.geojson'}" in record()["words"]
    assert answer["results"]["BROKEN"] == 1


# Engines that go wrong


def test_garbage_between_the_lines_does_no_harm(talk):
    answer = talk("garbage")
    assert answer["error"] is None
    assert answer["results"]["BASINS"] == 3
    assert "noise" in answer["console"]
    assert len(answer["console"]) <= 21, "thousands of lines would freeze the log"
    assert "more lines" in answer["console"][-1]


def test_a_flood_on_stderr_neither_blocks_nor_fills_the_log(talk):
    answer = talk("flood")
    assert answer["error"] is None
    assert answer["results"]["BASINS"] == 3
    assert sum(len(text) for text in answer["console"]) < 20_000


def test_a_line_without_end_is_not_collected_for_ever(talk):
    answer = talk("a line without end")
    assert "writes a line without end" in answer["error"]


def test_an_engine_that_ends_without_a_word(talk):
    assert "ended without a result" in talk("silent")["error"]


def test_a_crash_is_told_with_the_last_words_and_leaves_nothing(talk, product_folder):
    answer = talk("crash")
    assert "stopped without saying why" in answer["error"]
    assert "Fatal Python error: the last words" in answer["error"]
    assert names(product_folder) == []


def test_a_crash_after_the_result_keeps_it(talk):
    answer = talk("crash after the result")
    assert answer["results"]["BASINS"] == 3
    assert any("did not end as it should" in text for text in answer["warning"])


def test_a_fault_of_the_engine_is_not_blamed_on_the_data(talk):
    answer = talk("fault")
    assert "a fault of the engine, not of your data" in answer["error"]
    assert "Traceback: ours to mend" in answer["error"]


def test_a_fault_that_the_engine_explains_keeps_its_traceback_in_the_log(talk):
    answer = talk("explained fault")
    assert answer["error"] == "A fault of bluepeace-gis itself. Please report it."
    assert "Traceback: ours to mend" in answer["console"][-1]


def test_an_error_of_the_engine_comes_word_for_word(talk):
    assert (
        talk("mendable")["error"]
        == "outlets: 3 points lie outside the DEM “å” <b>; expected inside. Move them."
    )


def test_a_result_without_its_file_is_not_believed(talk):
    assert "there is no such file" in talk("lies")["error"]


def test_an_engine_that_does_not_answer_is_given_up(talk, record):
    answer = talk("mute", handshake_seconds=1)
    assert "did not answer within 1 seconds" in answer["error"]
    assert not is_alive(record()["process"])


def test_another_protocol_is_refused_and_says_what_to_update(talk):
    error = talk("too new")["error"]
    assert "speaks protocol 2.0, this plugin speaks protocol 1" in error
    assert "pip install --upgrade bluepeace-gis" in error


def test_a_newer_minor_protocol_is_taken(talk):
    assert talk("a minor ahead")["error"] is None


def test_a_program_that_is_no_engine_is_told_so(talk):
    error = talk("no engine")["error"]
    assert "This is not a bluepeace engine" in error
    assert "code 64" in error


# Cancel


@pytest.mark.parametrize("mode", ["slow", "deaf"])
def test_cancel_leaves_no_process_and_no_file(talk, record, tmp_path, product_folder, mode):
    (product_folder).mkdir()
    (product_folder / "basins.gpkg").write_text("an older product", encoding="utf-8")
    answer = talk(mode, cancel_at="step 1")
    assert answer["error"] == "Cancelled: nothing unfinished stays behind."
    assert answer["results"] is None
    assert not is_alive(record()["process"])
    assert names(product_folder) == ["basins.gpkg"]
    assert (product_folder / "basins.gpkg").read_text(encoding="utf-8") == "an older product"
    assert answer["temporary"] == []
    # whoever listens to its stdin has the time to clean up after itself
    assert (tmp_path / "record.ended").exists() == (mode == "slow")
    # the deaf one is killed after its grace of 2 seconds, not after its minute
    assert answer["seconds_after_cancel"] < 30


def test_an_engine_killed_while_it_writes_rasters_leaves_none_unfinished(talk, product_folder):
    rasters = product_folder / "rasters"
    talk("deaf", cancel_at="step 1", parameters={"rasters": str(rasters)})
    assert names(product_folder) == ["rasters"]
    assert names(rasters) == ["an older one.tif"]


def test_a_crash_or_a_cancel_leaves_no_table(shares, product_folder):
    assert "stopped without saying why" in shares("crash")["error"]
    assert names(product_folder) == []
    assert shares("slow", cancel_at="step 1")["error"] == "Cancelled: nothing unfinished stays behind."
    assert names(product_folder) == []


def test_cancel_keeps_what_a_later_run_can_go_on_from_and_says_so(season, product_folder):
    error = season("deaf", cancel_at="step 1")["error"]
    assert names(product_folder) == [".season.work", "season"]
    assert names(product_folder / "season") == []
    assert str(product_folder / ".season.work") in error
    assert "Go on with a stopped run" in error


def test_cancel_leaves_the_working_folder_of_another_run(talk, product_folder):
    (product_folder / ".basins.work").mkdir(parents=True)
    (product_folder / ".basins.work" / "of another run").write_text("", encoding="utf-8")
    talk("deaf", cancel_at="step 1")
    assert (product_folder / ".basins.work" / "of another run").exists()


def test_a_killed_qgis_leaves_no_engine(qgis_python, qgis_environment, fake_engine, layers, tmp_path):
    parameters = {
        "dem": str(layers / "dem.tif"),
        "outlets": str(layers / "outlets.gpkg"),
        "out": str(tmp_path / "basins.gpkg"),
    }
    record_file = tmp_path / "record.jsonl"
    environment = {
        **qgis_environment,
        "BLUEPEACE_PYTHON": fake_engine,
        "FAKE_ENGINE": "slow",
        "FAKE_ENGINE_RECORD": str(record_file),
    }
    script = Path(__file__).parent / "inside_qgis.py"
    request = {"case": "run", "arguments": {"parameters": parameters}, "environment": {}, "answer": "never"}
    with subprocess.Popen(
        [qgis_python, str(script)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as qgis:
        qgis.stdin.write(json.dumps(request) + "\n")
        qgis.stdin.flush()
        try:
            wait_for(
                lambda: record_file.exists() and record_file.read_text(encoding="utf-8").count("\n") == 2
            )
        finally:
            qgis.kill()
    engine = json.loads(record_file.read_text(encoding="utf-8").splitlines()[-1])["process"]
    wait_for(lambda: not is_alive(engine))


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# Where the engine is looked for


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_places_are_asked_in_their_order(in_qgis, qgis_environment, tmp_path):
    of_setting = executable(tmp_path / "setting" / "python3.12")
    of_variable = executable(tmp_path / "variable" / "python")
    on_path = executable(tmp_path / "path" / "bluepeace")
    managed = Path(in_qgis("managed")["python"])
    assert managed.is_relative_to(qgis_environment["QGIS_CUSTOM_CONFIG_PATH"])
    variable = {"BLUEPEACE_PYTHON": str(of_variable)}
    path = {"PATH": f"{on_path.parent}{os.pathsep}{qgis_environment['PATH']}"}

    executable(managed)
    try:
        first = in_qgis("find", environment={**variable, **path}, setting=str(of_setting))
        second = in_qgis("find", environment={**variable, **path})
        third = in_qgis("find", environment=path)
    finally:
        managed.unlink()
    fourth = in_qgis("find", environment=path)

    assert [found["program"] for found in (first, second, third, fourth)] == [
        str(of_setting), str(of_variable), str(managed), str(on_path),
    ]  # fmt: skip
    assert first["first_arguments"] == second["first_arguments"] == ["-m", "bluepeace_gis"]
    assert fourth["first_arguments"] == [], "a command is called as it is"


def test_a_named_engine_that_is_not_there_is_not_passed_over(in_qgis, tmp_path, qgis_environment):
    on_path = executable(tmp_path / "path" / "bluepeace")
    path = {"PATH": f"{on_path.parent}{os.pathsep}{qgis_environment['PATH']}"}
    by_setting = in_qgis("find", environment=path, setting=str(tmp_path / "gone"))
    by_variable = in_qgis("find", environment={**path, "BLUEPEACE_PYTHON": str(tmp_path / "gone too")})
    assert f"{tmp_path / 'gone'} is not a program" in by_setting["missing"]
    assert "Engine…" in by_setting["missing"]
    assert "BLUEPEACE_PYTHON" in by_variable["missing"]


def test_without_any_engine_each_place_and_the_way_out_are_named(in_qgis):
    missing = in_qgis("find")["missing"]
    for place in (
        "Plugins > Blue Peace > Engine…",
        "BLUEPEACE_PYTHON",
        "python3",
        "PATH",
        "pip install bluepeace-gis",
    ):
        assert place in missing


def test_the_python_of_qgis_is_never_taken(in_qgis):
    # on Windows and macOS sys.executable is QGIS itself: starting it would open another window
    source = (Path(__file__).parents[2] / "qgis_plugin" / "engine.py").read_text(encoding="utf-8")
    assert "sys" not in [line.split()[-1] for line in source.splitlines() if line.startswith("import ")]
    assert "missing" in in_qgis("find")


def test_a_program_that_cannot_start_is_told_so(in_qgis, tmp_path):
    broken = tmp_path / "bluepeace"
    broken.write_bytes(b"\x7fELF no program")
    broken.chmod(0o755)
    assert "could not be started" in in_qgis("handshake", program=str(broken))["error"]


# How the result is drawn

STYLE = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
  <renderer-v2 type="singleSymbol"><symbols><symbol type="fill" name="0" alpha="1">
    <layer class="SimpleFill" enabled="1" pass="0"><prop k="color" v="18,52,86,255"/></layer>
  </symbol></symbols></renderer-v2>
</qgis>
"""


@pytest.fixture
def load(in_qgis, fake_engine, layers, tmp_path):
    """Run the algorithm with its result to be loaded into the project."""

    def run(style):
        gpd.read_file(layers / "countries.gpkg").to_file(tmp_path / "ready.gpkg", layer="streams")
        gpd.read_file(layers / "countries.gpkg").to_file(tmp_path / "ready.gpkg", layer="basins")
        parameters = {
            "dem": str(layers / "dem.tif"),
            "outlets": str(layers / "outlets.gpkg"),
            "out": str(tmp_path / "basins.gpkg"),
        }
        environment = {"BLUEPEACE_PYTHON": fake_engine, "FAKE_ENGINE_PRODUCT": str(tmp_path / "ready.gpkg")}
        return in_qgis("load", environment=environment, parameters=parameters, style=style)

    return run


def test_the_layer_is_loaded_with_the_style_beside_the_product(load, tmp_path):
    answer = load(STYLE)
    assert answer["successful"]
    assert answer["earlier_kept"]
    assert answer["layers"] == {
        "My result": {
            "source": f"{tmp_path / 'basins.gpkg'}|layername=basins",
            "features": 1,
            "columns": {"fid": "Integer64", "country": "String"},
            "renderer": "singleSymbol",
            "colour": "#123456",
        }
    }


def test_a_product_without_style_is_loaded_all_the_same(load):
    answer = load(None)
    assert answer["layers"]["My result"]["features"] == 1
    assert answer["warning"] == ["Outlet 2 was moved by 120 m."]


def test_a_broken_style_is_told_and_the_layer_stays(load):
    answer = load("<qgis><unclosed>")
    assert answer["layers"]["My result"]["features"] == 1
    assert any("basins.qml" in text for text in answer["warning"])


TABLE = """zone,country,area_km2,share_pct
Сырдарья,"overlap: A, B",1.25,25.0
Сырдарья,A,3.75,75.0
"""


@pytest.fixture
def ready_table(fake_engine, tmp_path):
    """What is to be set for the fake engine to give this table."""
    (tmp_path / "ready.csv").write_text(TABLE, encoding="utf-8")
    return {"BLUEPEACE_PYTHON": fake_engine, "FAKE_ENGINE_PRODUCT": str(tmp_path / "ready.csv")}


def test_a_table_is_loaded_with_numbers_as_numbers(in_qgis, ready_table, layers, tmp_path):
    countries = str(layers / "countries.gpkg")
    out = tmp_path / "shares.csv"
    parameters = {
        "polygons": countries,
        "countries": countries,
        "country_field": "country",
        "out": str(out),
    }
    answer = in_qgis("load", environment=ready_table, parameters=parameters, name="shares")
    assert answer["successful"], answer
    assert answer["layers"] == {
        "My result": {
            "source": f"{out}|option:AUTODETECT_TYPE=YES",
            "features": 2,
            "columns": {"zone": "String", "country": "String", "area_km2": "Real", "share_pct": "Real"},
            "renderer": None,
            "colour": None,
        }
    }


def test_a_table_feeds_the_next_step_of_a_model(in_qgis, ready_table, layers):
    countries = str(layers / "countries.gpkg")
    answer = in_qgis(
        "chain", environment=ready_table, polygons=countries, countries=countries, country_field="country"
    )
    assert answer["successful"]
    assert answer["file_of_table"] == "csv"
    (row,) = answer["rows"]
    assert row["country"] == "A"
    assert row["zone"] == "Сырдарья"
    assert row["share_pct"] == 75.0, "a number, not a text"


# What the toolbox shows


ALGORITHMS = {
    "basins": ("Basins", "transboundary"),
    "shares": ("Basins", "transboundary"),
    "scenes": ("Satellite images", "Landsat"),
    "season": ("Satellite images", "Landsat"),
    "glaciers": ("Glaciers", "inventory"),
    "glacier_change": ("Glaciers", "retreat"),
    "irrigation": ("Irrigation", "double cropping"),
    "irrigation_change": ("Irrigation", "abandoned"),
    "sample_points": ("Area estimates", "stratified"),
    "area": ("Area estimates", "interval"),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_parameter_explains_itself(in_qgis, name):
    shown = in_qgis("describe", name=name)
    for called, parameter in shown["parameters"].items():
        assert parameter["label"], called
        assert len(parameter["help"]) > 20, called
        assert parameter["help"].partition("&")[0] in shown["help"], called
    for table, columns in shown["tables"].items():
        assert f"<code>{table}</code>" in shown["help"]
        for column in columns:
            assert f"<code>{column}</code>" in shown["help"]
    group, tag = ALGORITHMS[name]
    assert tag in shown["tags"]
    assert shown["group"] == group
    assert shown["icon"]


def test_the_dialog_offers_the_format_that_is_written(in_qgis):
    for name, extension, title in (("basins", "gpkg", "GPKG"), ("shares", "csv", "CSV")):
        found, offered = in_qgis("describe", name=name)["files"]["out"]
        assert found == extension
        assert offered.startswith(f"{title} files (*.{extension});;")


def test_the_plugin_comes_and_goes_clean(in_qgis):
    assert in_qgis("reload")["seen"] == [True, False, True, False, True]


def test_the_engine_of_this_project_answers(in_qgis):
    answer = in_qgis("handshake", program=sys.executable)
    assert answer.get("protocol", "").split(".")[0] == "1", answer
