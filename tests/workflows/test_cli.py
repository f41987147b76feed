"""The command as another program sees it: codes, lines, products, and what bad input ends in."""

import inspect
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from asked import COMMAND, lines, run, run_alone, write_dem, write_outlets

from bluepeace_gis import workflows
from bluepeace_gis.analyses.basins import delineate_basins
from bluepeace_gis.archive import features

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


@pytest.fixture
def place(tmp_path):
    write_dem(tmp_path / "dem.tif")
    (tmp_path / "in").mkdir()
    write_dem(tmp_path / "in" / "filled.tif")
    write_outlets(tmp_path / "outlets.gpkg", name=["Мост"])
    return tmp_path


def test_handshake_names_the_versions_even_with_foreign_databases(tmp_path):
    answer = run_alone("handshake", PROJ_LIB=str(tmp_path), PROJ_DATA=str(tmp_path), GDAL_DATA=str(tmp_path))
    assert answer.returncode == 0
    found = json.loads(answer.stdout)
    assert set(found) == {"version", "protocol", "gdal", "proj"}
    assert found["protocol"].split(".")[0] == "1"


def test_basins_of_the_sample_come_with_everything_beside_them(tmp_path):
    out = tmp_path / "new" / "basins.gpkg"
    arguments = (
        "basins", SAMPLE / "dem.tif", SAMPLE / "outlets.gpkg", "--out", out, "--progress", "json",
        "--countries", SAMPLE / "countries.gpkg", "--country-field", "name",
        "--terminal", SAMPLE / "terminal_lakes.gpkg", "--area-field", "known_km2",
        "--rasters", tmp_path / "rasters",
    )  # fmt: skip
    answer = run_alone(*arguments)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    told = lines(answer.stdout)
    shares_done = [line["done"] for line in told if "done" in line]
    assert shares_done == sorted(shares_done)
    assert shares_done[-1] == 1
    result = told[-1]["result"]
    assert Path(result["outputs"]["out"]) == out
    outlets = gpd.read_file(SAMPLE / "outlets.gpkg")
    assert result["numbers"]["basins"] == len(outlets)
    names = {path.name for path in out.parent.iterdir()}
    assert names == {
        "basins.gpkg", "basins.png", "basins.bands.png", "basins.bands.csv", "basins.qml", "basins.json",
    }  # fmt: skip

    basins = gpd.read_file(out, layer="basins")
    assert list(basins.columns) == [
        "outlet_id", "name", "area_km2", "snap_m", "touches_edge", "zmin_m", "zmean_m", "zmax_m",
        "slope_deg", "length_km", "geometry",
    ]  # fmt: skip
    known = json.loads((SAMPLE / "known_answers.json").read_text(encoding="utf-8"))
    for name, area_km2 in zip(basins["name"], basins["area_km2"], strict=True):
        gauge = known["gauges"][name]
        assert area_km2 == pytest.approx(gauge["area_km2"], rel=gauge["tolerance_pct"] / 100)
    shares = pyogrio.read_dataframe(out, layer="shares")
    sums = shares.groupby("outlet_id")["area_km2"].sum()
    assert sums.to_numpy() == pytest.approx(basins["area_km2"].to_numpy(), rel=1e-14)
    assert shares.groupby("outlet_id")["share_pct"].sum().to_numpy() == pytest.approx(100)
    layers = {name for name, _ in pyogrio.list_layers(out)}
    assert layers == {
        "basins", "subbasins", "streams", "depressions", "outlets", "shares", "bands",
        "crossings", "border_reaches", "crossing_shares", "layer_styles",
    }  # fmt: skip
    crossings = pyogrio.read_dataframe(out, layer="crossings")
    by_crossing = (
        pyogrio.read_dataframe(out, layer="crossing_shares").groupby("crossing_id")["area_km2"].sum()
    )
    assert len(crossings) >= 2
    assert by_crossing[crossings["crossing_id"]].to_numpy() == pytest.approx(
        crossings["upstream_km2"].to_numpy(), rel=1e-12
    )
    assert len(pyogrio.read_dataframe(out, layer="border_reaches")) == 1
    with rasterio.open(tmp_path / "rasters" / "directions.tif") as directions:
        codes = set(np.unique(directions.read(1)))
    assert codes <= {0, 1, 2, 4, 8, 16, 32, 64, 128, 247}
    record = json.loads((out.parent / "basins.json").read_text(encoding="utf-8"))
    assert record["properties"]["bluepeace:parameters"]["edges"] == "drain"
    assert record["properties"]["bluepeace:method"]["on_the_border_within_m"] == 100  # more than three cells
    assert str(tmp_path) not in json.dumps(record)

    first = {path.name: path.read_bytes() for path in out.parent.iterdir() if path.suffix != ".json"}
    again = run(*arguments)
    assert again.returncode == 0
    second = {path.name: path.read_bytes() for path in out.parent.iterdir() if path.suffix != ".json"}
    assert first == second  # the same input gives the same bytes


def test_shares_of_any_polygons(tmp_path):
    out = tmp_path / "shares.csv"
    answer = run(
        "shares", SAMPLE / "districts.gpkg",
        "--countries", f"{SAMPLE / 'countries.gpkg'}|layername=countries",
        "--country-field", "name", "--out", out,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    head, *rows = out.read_text(encoding="utf-8").splitlines()
    assert head == "zone,country,area_km2,share_pct"
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    layers = {link["bluepeace:option"]: link.get("bluepeace:layer") for link in record["links"]}
    assert layers["countries"] == "countries"
    districts = gpd.read_file(SAMPLE / "districts.gpkg")
    assert len(rows) >= len(districts)
    assert out.with_suffix(".json").exists()


def test_a_zone_across_the_180th_meridian_has_all_its_land(tmp_path):
    land = gpd.GeoDataFrame(
        {"name": ["Chukotka", "East"]},
        geometry=[
            shapely.union_all([shapely.box(150, 60, 180, 72), shapely.box(-180, 60, -172, 72)]),
            shapely.box(-172, 50, -140, 75),
        ],
        crs="EPSG:4326",
    )
    features.write({"countries": land}, tmp_path / "countries.gpkg")
    basin = gpd.GeoDataFrame({"name": ["Amguema"]}, geometry=[shapely.box(176, 65, 184, 68)], crs="EPSG:4326")
    features.write({"basins": basin}, tmp_path / "basins.gpkg")
    answer = run(
        "shares", "basins.gpkg", "--countries", "countries.gpkg", "--country-field", "name",
        "--out", "shares.csv", cwd=tmp_path,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    _, *rows = (tmp_path / "shares.csv").read_text(encoding="utf-8").splitlines()
    assert [(row.split(",")[1], float(row.split(",")[3])) for row in rows] == [("Chukotka", 100)]
    outline = json.loads((tmp_path / "shares.json").read_text(encoding="utf-8"))
    assert outline["bbox"] == [-180, 65, 180, 68]
    assert outline["geometry"]["type"] == "MultiPolygon"


@pytest.mark.skipif(os.name == "nt", reason="mounts a small disk")
def test_a_full_disk_is_told_in_one_sentence_that_names_the_option(place, small_disk):
    noise = np.random.default_rng(1).normal(size=(600, 600)).cumsum(0).astype(np.float32)
    write_dem(place / "dem.tif", 5000 + noise)
    for option in ("--rasters", "--out"):
        where = {"--out": "o.gpkg", option: small_disk / ("o.gpkg" if option == "--out" else "")}
        arguments = [word for pair in where.items() for word in pair]
        answer = run_alone("basins", "dem.tif", "outlets.gpkg", *arguments, "--progress", "json", cwd=place)
        assert answer.returncode == 2, answer.stdout
        assert answer.stderr == ""  # GDAL says nothing on its own
        said = lines(answer.stdout)[-1]["error"]
        assert f"was not written: the disk is full. Free space on it or choose another {option}." in said
        assert not (place / "o.gpkg").exists()
        assert not (small_disk / "o.gpkg").exists()


def test_semicolons_and_decimal_commas_of_excel_are_outlets(place):
    [point] = gpd.read_file(place / "outlets.gpkg").to_crs(4326).geometry
    row = f"Пойма;{point.x:.8f};{point.y:.8f}".replace(".", ",")
    (place / "gauges.csv").write_text(f"name;lon;lat\n{row}\n", encoding="utf-8")
    answer = run("basins", "dem.tif", "gauges.csv", "--out", "o.gpkg", cwd=place)
    assert answer.returncode == 0, answer.stderr
    basins = gpd.read_file(place / "o.gpkg", layer="basins")
    assert basins["name"].tolist() == ["Пойма"]
    assert basins["area_km2"].item() > 20


def test_an_unknown_command_is_answered_with_the_list_of_commands():
    for asked, advice in (
        (["foo"], "See `bluepeace --help`."),
        (["foo", "--out", "x"], "See `bluepeace --help`."),
        (["basins", "--magic", "1"], "See `bluepeace basins --help`."),
    ):
        answer = run(*asked)
        assert answer.returncode == 2
        assert answer.stderr.strip().endswith(advice)


def test_options_that_the_command_hands_on_have_the_defaults_of_the_analysis():
    command = inspect.signature(workflows.basins.basins).parameters
    analysis = inspect.signature(delineate_basins).parameters
    same = [
        name for name in analysis if name in command and analysis[name].kind is inspect.Parameter.KEYWORD_ONLY
    ]
    assert {"depressions", "keep_above_km2", "edges", "snap_m", "streams_km2", "band_m", "border_m"} <= set(
        same
    )
    for name in same:
        assert command[name].default == analysis[name].default, name
    handed_on = set(analysis) - {"progress"}
    assert handed_on <= set(command)


def test_a_product_does_not_take_the_record_of_another_one(tmp_path):
    (tmp_path / "basins.gpkg").touch()
    (tmp_path / "basins.json").write_text('{"assets": {"main": {"href": "./basins.gpkg"}}}', encoding="utf-8")
    answer = run(
        "shares", SAMPLE / "districts.gpkg", "--countries", SAMPLE / "countries.gpkg",
        "--country-field", "name", "--out", tmp_path / "basins.csv",
    )  # fmt: skip
    assert answer.returncode == 2
    assert "already describes basins.gpkg" in answer.stderr
    assert not (tmp_path / "basins.csv").exists()


GIVEN = ["dem.tif", "outlets.gpkg"]
OUT = ["--out", "o.gpkg"]
BAD = {
    "no such file": (["nowhere.tif", "outlets.gpkg", *OUT], "nowhere.tif"),
    "no raster": (["outlets.gpkg", "outlets.gpkg", *OUT], "outlets.gpkg"),
    "no out": (["dem.tif", "outlets.gpkg"], "out"),
    "not a GeoPackage": ([*GIVEN, "--out", "o.shp"], "GeoPackage"),
    "unknown option": ([*GIVEN, *OUT, "--magic", "1"], "magic"),
    "unknown choice": ([*GIVEN, *OUT, "--edges", "open"], "open"),
    "half of a pair": ([*GIVEN, *OUT, "--countries", "x"], "country-field"),
    "not a number": ([*GIVEN, *OUT, "--snap-m", "nan"], "snap-m"),
    "below zero": ([*GIVEN, *OUT, "--snap-m=-1"], "snap-m"),
    "no end": ([*GIVEN, *OUT, "--band-m", "inf"], "band-m"),
    "the input itself": ([*GIVEN, "--out", "outlets.gpkg"], "input would be replaced"),
    "rasters beside it": ([*GIVEN, *OUT, "--rasters", "."], "rasters"),
    "keep without keep": ([*GIVEN, *OUT, "--keep-above-km2", "1"], "keep"),
    "borders without countries": ([*GIVEN, *OUT, "--border-m", "500"], "countries"),
    "no distance": ([*GIVEN, *OUT, "--border-m", "0"], "border-m"),
    "too little memory": ([*GIVEN, *OUT, "--memory-mb", "500"], "60 x 50 cells"),
    "no place for rasters": ([*GIVEN, *OUT, "--rasters", "dem.tif"], "another --rasters"),
    "rasters over the input": (
        ["in/filled.tif", "outlets.gpkg", *OUT, "--rasters", "in"],
        "--rasters and dem are both filled.tif",
    ),
    "a name too long": ([*GIVEN, "--out", f"{'n' * 230}.gpkg"], "--out is a name of 235 bytes"),
    "an input's name too long": (["dem.tif", f"{'n' * 300}.gpkg", *OUT], "name too long"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD.keys())
def test_what_the_caller_can_mend_ends_with_2_in_one_sentence(place, arguments, words):
    answer = run("basins", *arguments, cwd=place)
    assert answer.returncode == 2
    said = [line for line in answer.stderr.splitlines() if "reading" not in line]
    assert len(said) == 1
    assert words in said[0]
    assert said[0].endswith(".") or "Choose" in said[0] or "'" in said[0]
    assert not (place / "o.gpkg").exists()
    assert not list(place.glob(".o*"))
    told = lines(run("basins", *arguments, "--progress", "json", cwd=place).stdout)
    assert told[-1] == {"error": said[0]}


def grids():
    yield "integers", {"dtype": "int16", "nodata": -32768}, None
    yield "float64", {"dtype": "float64"}, None
    yield "untagged voids", {"nodata": None, "voids": -32768}, None
    yield "no CRS", {"crs": None}, "coordinate reference system"
    yield "all nodata", {"voids": np.nan, "all": True}, "nodata"
    yield "south up", {"transform": Affine(100, 0, 500_000, 0, 100, 4_394_000), "flip": True}, None
    turned = Affine(98.48, -17.36, 500_000, -17.36, -98.48, 4_400_000)
    yield "rotated", {"transform": turned}, None


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("options", "words"), [case[1:] for case in grids()], ids=[case[0] for case in grids()]
)
def test_every_kind_of_grid_gives_a_right_result_or_a_sentence(place, options, words):
    row, column = np.mgrid[0:60, 0:50]
    z = 1000 + 10.0 * np.abs(column - 25) - 5.0 * row
    voids, everywhere, flip = (options.pop(name, None) for name in ("voids", "all", "flip"))
    if voids is not None:
        z[:, :5] = voids
        if everywhere:
            z[:] = voids
    dem = write_dem(place / "dem.tif", z[::-1] if flip else z, **options)
    if words is None:  # the outlet at the lowest cell, wherever the grid puts it
        with rasterio.open(dem) as source:
            r = 0 if flip else 59
            x, y = source.xy(r, 25)
        write_outlets(place / "mouth.gpkg", x, y)
    else:
        write_outlets(place / "mouth.gpkg")
    answer = run("basins", "dem.tif", "mouth.gpkg", "--out", "o.gpkg", "--progress", "json", cwd=place)
    told = lines(answer.stdout)
    if words is not None:
        assert answer.returncode == 2
        assert words in told[-1]["error"]
        return
    assert answer.returncode == 0, answer.stderr
    area = told[-1]["result"]["numbers"]["area_km2"]
    cells = 60 * (45 if voids is not None else 50)
    assert area == pytest.approx(cells * 0.01, rel=0.03)  # the rim of the two slopes leaves elsewhere
    assert area < cells * 0.01 * 1.002


def test_the_work_ends_with_stdin_and_leaves_nothing(place):
    write_dem(place / "dem.tif", np.random.default_rng(1).normal(size=(2500, 2500)).cumsum(0).cumsum(1))
    process = subprocess.Popen(
        [*COMMAND, "basins", "dem.tif", "outlets.gpkg", "--out", "o.gpkg", "--progress", "json",
         "--end-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place,
    )  # fmt: skip
    assert process.stdout.readline()  # it has begun
    process.stdin.close()
    assert process.wait(timeout=60) == 3
    assert sorted(path.name for path in place.iterdir()) == ["dem.tif", "in", "outlets.gpkg"]
    process.stdout.close()
    process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_work_with_3_and_no_product(place, number):
    write_dem(place / "dem.tif", np.random.default_rng(1).normal(size=(2500, 2500)).cumsum(0).cumsum(1))
    process = subprocess.Popen(
        [*COMMAND, "basins", "dem.tif", "outlets.gpkg", "--out", "o.gpkg", "--progress", "json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place,
    )  # fmt: skip
    assert process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert not (place / "o.gpkg").exists()
    assert b"Traceback" not in said
