"""`bluepeace scenes` as a person and as a program sees it: products, codes, lines, and bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import landsat_files as products
import matplotlib.image
import numpy as np
import pyogrio
import pystac
import pytest

from bluepeace_gis.archive import index
from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.errors import BadInput, BluepeaceError, NotWritten
from bluepeace_gis.workflows.scenes import scenes

COMMAND = [sys.executable, "-m", "bluepeace_gis", "scenes"]
LANDSAT_9 = "LC09_L2SP_152032_20230715_20230717_02_T1"
LANDSAT_5 = "LT05_L2SP_152032_20100601_20200610_02_T1"


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    pixels.close_all()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "years"
    root.mkdir()
    folder = products.make_landsat(root, LANDSAT_9).folder
    products.make_tar(folder, root / f"{LANDSAT_9}.tar")
    shutil.rmtree(folder)
    products.make_landsat(root, LANDSAT_5, cloud="80")
    (root / "LC08_L2SP_152032_20230707_20230717_02_T1.tar").write_bytes(b"cut")
    return root


@pytest.fixture
def archive(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "years"))


def run(*arguments, **more):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=300, check=False,
        **more,
    )  # fmt: skip


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_the_index_comes_with_everything_beside_it(archive, tmp_path):
    out = tmp_path / "results" / "scenes.gpkg"
    answer = run(archive, "--out", out, "--progress", "json")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    told = [json.loads(line) for line in answer.stdout.splitlines()]
    shares = [line["done"] for line in told if "done" in line]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    (warning,) = (line["warning"] for line in told if "warning" in line)
    assert warning.startswith("1 of 3 scenes cannot be used; the table broken has the reasons. The first: ")
    result = told[-1]["result"]
    assert result["numbers"] == {
        "scenes": 2, "broken": 1, "unchanged": 0,
        "landsat-5": 1, "landsat-9": 1,
    }  # fmt: skip
    assert {path.name for path in out.parent.iterdir()} == {
        "scenes.gpkg", "scenes.json", "scenes.items.json", "scenes.png", "scenes.qml",
    }  # fmt: skip
    assert set(result["outputs"]) == {"out", "items", "picture"}
    layers = {name for name, _ in pyogrio.list_layers(out)}
    assert layers == {"scenes", "broken", "layer_styles"}
    table = gpd.read_file(out, layer="scenes")
    assert list(table.columns) == [
        "name", "path", "family", "platform", "instrument", "time", "overpass", "crs", "cloud_pct",
        "baseline", "bands", "resolution_m", "sun_azimuth_deg", "sun_elevation_deg", "size_bytes",
        "modified", "findings", "identity", "description", "geometry",
    ]  # fmt: skip
    assert list(table["path"]) == [f"../years/{LANDSAT_5}", f"../years/{LANDSAT_9}.tar"]

    record = pystac.Item.from_file(str(out.with_suffix(".json")))
    assert {asset.href.rpartition("/")[2] for asset in record.assets.values()} == {
        "scenes.gpkg", "scenes.items.json", "scenes.png", "scenes.qml",
    }  # fmt: skip
    assert record.properties["bluepeace:parameters"] == {"folders": ["years"], "out": "scenes.gpkg"}
    assert str(tmp_path) not in out.with_suffix(".json").read_text(encoding="utf-8")
    collection = pystac.ItemCollection.from_file(str(out.with_suffix(".items.json")))
    assert [item.id for item in collection] == [LANDSAT_5, LANDSAT_9]
    for asset in collection[0].assets.values():
        assert (out.parent / asset.href).exists()
    picture = matplotlib.image.imread(out.with_suffix(".png"))
    assert picture[..., :3].std() > 0.05


def test_people_are_told_in_sentences(archive, tmp_path):
    answer = run(archive, "--out", tmp_path / "scenes.gpkg")
    assert answer.returncode == 0
    assert "Landsat 5: 1 scene, 2010-06-01 to 2010-06-01, 0 with less than 20 % cloud" in answer.stdout
    assert "Landsat 9: 1 scene, 2023-07-15 to 2023-07-15, 1 with less than 20 % cloud" in answer.stdout
    assert answer.stderr.count("Note: ") == 1


def test_the_second_run_changes_nothing_where_nothing_changed(archive, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    out = archive / "scenes.gpkg"  # inside the archive
    first = scenes(archive, out=out)
    before = {path.name: path.read_bytes() for path in archive.glob("scenes.*")}
    opened = []
    really = index.open_scene
    monkeypatch.setattr(index, "open_scene", lambda path: (opened.append(path.name), really(path))[1])
    second = scenes(archive, out=out)
    assert opened == ["LC08_L2SP_152032_20230707_20230717_02_T1.tar"]  # what is broken is looked at again
    assert (first.numbers["unchanged"], second.numbers["unchanged"]) == (0, 2)
    assert "2 were unchanged and taken from the previous index, 0 were read." in second.sentences
    assert {path.name: path.read_bytes() for path in archive.glob("scenes.*")} == before


def test_what_is_gone_and_what_was_not_named_again_is_told(archive, tmp_path, caplog):
    out = tmp_path / "scenes.gpkg"
    (archive / "sub").mkdir()
    (archive / LANDSAT_5).rename(archive / "sub" / LANDSAT_5)
    third = products.make_landsat(archive, LANDSAT_9.replace("0715_", "0731_", 1)).folder
    scenes(archive, out=out)
    caplog.clear()
    shutil.rmtree(third)
    (archive / f"{LANDSAT_9}.tar").touch()
    answer = scenes(archive / f"{LANDSAT_9}.tar", out=out)
    gone, elsewhere = warnings_in(caplog)
    assert gone == f"Dropped from the previous scenes.gpkg: 1 gone from the disk ({third.name})."
    assert "1 in none of the folders given now" in elsewhere
    assert LANDSAT_5 in elsewhere
    assert (answer.numbers["scenes"], answer.numbers["unchanged"]) == (1, 0)


def test_copies_are_listed_and_told_and_others_get_one(archive, tmp_path):
    products.make_landsat(archive, LANDSAT_9)
    answer = scenes(archive, out=tmp_path / "scenes.gpkg")
    assert answer.numbers["scenes"] == 3
    assert any(sentence.startswith("1 are copies or older versions") for sentence in answer.sentences)
    assert len(pystac.ItemCollection.from_file(str(answer.outputs["items"]))) == 2


def test_scenes_of_a_stac_file_are_listed_too(archive, tmp_path):
    first = scenes(archive, out=tmp_path / "one" / "scenes.gpkg")
    answer = scenes(out=tmp_path / "two" / "all.gpkg", stac=first.outputs["items"])
    assert answer.numbers["scenes"] == 2
    table = gpd.read_file(answer.outputs["out"], layer="scenes")
    assert list(table["path"]) == [f"../years/{LANDSAT_5}", f"../years/{LANDSAT_9}.tar"]
    record = pystac.Item.from_file(str(tmp_path / "two" / "all.json"))
    assert [link.title for link in record.get_links("derived_from")] == ["scenes.items.json"]
    both = scenes(archive, out=tmp_path / "two" / "all.gpkg", stac=first.outputs["items"])
    assert both.numbers["scenes"] == 2  # each once, however it was named


@pytest.mark.parametrize("what", ["folder", "stac"])
def test_what_would_be_replaced_is_no_input(archive, tmp_path, what):
    out = tmp_path / "scenes.gpkg"
    scenes(archive, out=out)
    given = {"folder": ((out,), {}), "stac": ((), {"stac": out.with_suffix(".items.json")})}
    folders, more = given[what]
    with pytest.raises(BadInput, match="will replace"):
        scenes(*folders, out=out, **more)


def test_bad_input_ends_with_a_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    answer = run(tmp_path / "empty", "--out", tmp_path / "scenes.gpkg")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith(
        f"No scene found in {tmp_path / 'empty'}; expected Landsat"
    )
    assert "Traceback" not in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize(
    ("folders", "out", "match"),
    [
        (["missing"], "scenes.gpkg", "missing does not exist"),
        (["years"], "scenes.shp", "expected the name of a GeoPackage"),
        ([], "scenes.gpkg", "Neither folders nor --stac"),
        (["broken"], "scenes.gpkg", "None of the 1 scenes in .* can be opened; nothing was written"),
        (["years"], "foreign.gpkg", "no index of scenes"),
    ],
)
def test_what_cannot_be_is_refused(archive, tmp_path, folders, out, match):
    (tmp_path / "broken").mkdir()
    shutil.copy(next(archive.glob("LC08*.tar")), tmp_path / "broken")
    (tmp_path / "foreign.gpkg").write_bytes(b"somebody's work")
    with pytest.raises(BluepeaceError, match=match):
        scenes(*(tmp_path / folder for folder in folders), out=tmp_path / out)
    assert (tmp_path / "foreign.gpkg").read_bytes() == b"somebody's work"
    assert not (tmp_path / "scenes.gpkg").exists()


def test_a_folder_that_may_not_be_read_is_told(archive, tmp_path, monkeypatch, caplog):
    """As a colleague's folder in a shared archive; who runs tests as root may read all, so it is played."""
    locked = archive / "locked"
    locked.mkdir()
    really = os.scandir

    def refuse(path="."):
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(BadInput, match="No scene found"):
        scenes(locked, out=tmp_path / "scenes.gpkg")
    assert any("cannot be listed (Permission denied)" in warning for warning in warnings_in(caplog))
    assert scenes(archive, out=tmp_path / "scenes.gpkg").numbers["scenes"] == 2


def test_an_interrupted_write_leaves_the_previous_index(archive, tmp_path, monkeypatch):
    out = tmp_path / "scenes.gpkg"
    scenes(archive, out=out)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("scenes.*")}
    products.make_landsat(archive, LANDSAT_9.replace("0715_", "0731_", 1))

    def stop(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("bluepeace_gis.maps.archive_picture.archive_picture", stop)
    with pytest.raises(KeyboardInterrupt):
        scenes(archive, out=out)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("scenes.*")} == before
    assert not (tmp_path / ".scenes.work").exists()


def test_two_runs_at_once_leave_one_whole_index(archive, tmp_path):
    out = tmp_path / "scenes.gpkg"
    both = [
        subprocess.Popen(
            [*COMMAND, archive, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in both]
    assert 0 in [code for _, code in ends]
    for said, code in ends:
        assert code == 0 or "Another run is writing" in said
    assert len(index.load(out)) == 2
    assert len(pystac.ItemCollection.from_file(str(out.with_suffix(".items.json")))) == 2


def test_another_run_that_writes_is_told(archive, tmp_path):
    from bluepeace_gis.archive.products import product

    out = tmp_path / "scenes.gpkg"
    with product(out) as work:
        with pytest.raises(NotWritten, match="Another run is writing"):
            scenes(archive, out=out)
        (work / out.name).write_bytes(b"the other's")
    assert out.read_bytes() == b"the other's"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_with_three_and_writes_nothing(archive, tmp_path):
    for number in range(400):
        (archive / f"{LANDSAT_9[:17]}{20000101 + number}_20230717_02_T1.tar").symlink_to(
            archive / f"{LANDSAT_9}.tar"
        )
    slow = (
        "import time, bluepeace_gis.archive.index as index, bluepeace_gis.cli as cli\n"
        "really = index.open_scene\n"
        "index.open_scene = lambda path: (print('reading', flush=True), time.sleep(0.5), really(path))[2]\n"
        "index.find = lambda paths, **_: sorted(next(iter(paths)).glob('*.tar'))\n"
        "index._key = str\n"
        "cli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "scenes", archive, "--out", tmp_path / "scenes.gpkg"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "reading\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert time.monotonic() - began < 30  # 400 scenes would take 50 s
    assert "nothing was written" in said
    assert not list(tmp_path.glob("*scenes.*"))


def test_a_cell_of_the_numbers_is_in_the_picture_and_the_table_alike(archive, tmp_path):
    answer = scenes(archive, out=tmp_path / "scenes.gpkg")
    table = gpd.read_file(answer.outputs["out"], layer="scenes")
    assert table["cloud_pct"].tolist() == pytest.approx([80.0, 12.34])
    assert np.all(table.geometry.geom_type == "MultiPolygon")
