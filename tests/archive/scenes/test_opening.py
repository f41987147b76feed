"""Scenes are found in any heap of files, each once; whatever is opened is a scene or says why it is none."""

import logging
import os
import shutil
import sqlite3
import tarfile
import zipfile

import numpy as np
import pytest

from bluepeace_gis.archive.scenes import find, open_scene, opening
from bluepeace_gis.archive.scenes.scene import Sun
from bluepeace_gis.errors import BadInput

OLI_2 = "LC09_L2SP_152032_20230715_20230717_02_T1"
ETM = "LE07_L2SP_152032_20100109_20200911_02_T1"
S2 = "S2B_MSIL2A_20220413T150759_N0400_R025_T33XWJ_20220414T082126.SAFE"
HLS = "HLS.S30.T42TXL.2021169T061629.v2.0"


def empty(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.fixture
def archive(tmp_path, landsat, tar):
    """An archive as it grew over years."""
    root = tmp_path / "archive"
    made = landsat(OLI_2, parent=root / "2023", shape=(4, 4))
    packed = tar(landsat(ETM, parent=tmp_path, shape=(4, 4)).folder, root / "2010" / "old name.tar") if (
        (root / "2010").mkdir() is None
    ) else None  # fmt: skip
    empty(root / "s2" / S2 / "MTD_MSIL2A.xml")
    empty(root / "s2" / S2 / "GRANULE" / "L2A" / "IMG_DATA" / "x.jp2")
    renamed = root / "s2" / "renamed" / "MTD_MSIL2A.xml"
    empty(renamed)
    with zipfile.ZipFile(root / "s2" / f"{S2}.zip", "w") as file:
        file.writestr(f"{S2}/MTD_MSIL2A.xml", "")
    for band in ("B02", "B8A", "Fmask"):
        empty(root / "hls" / f"{HLS}.{band}.tif")
    empty(root / "readme.txt")
    empty(root / "dem.tif")
    empty(root / ".scenes.work" / f"{OLI_2}.tar")
    empty(root / "2023" / ".hidden.tar")
    return root, [
        packed,
        made.folder,
        root / "hls" / f"{HLS}.Fmask.tif",
        root / "s2" / S2,
        root / "s2" / f"{S2}.zip",
        root / "s2" / "renamed",
    ]


def test_scenes_of_all_kinds_are_found_sorted_and_once(archive):
    root, expected = archive
    assert list(find(root)) == expected
    assert list(find(str(root))) == expected
    assert list(find([root / "s2", root, root / "2023" / OLI_2])) == [*expected[3:], *expected[:3]]


def test_nothing_is_found_in_an_empty_folder(tmp_path):
    assert list(find(tmp_path)) == []


def test_a_path_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(BadInput, match="gone does not exist"):
        list(find([tmp_path, tmp_path / "gone"]))


def test_links_are_followed_but_never_twice(archive, tmp_path):
    root, expected = archive
    (root / "2023" / "again").symlink_to(root)
    (root / "z").symlink_to(root / "s2")
    (root / "zz").symlink_to(tmp_path / "gone")
    elsewhere = tmp_path / "elsewhere"
    shutil.move(root / "hls", elsewhere)
    (root / "hls").symlink_to(elsewhere)
    (root / "hls" / "loop").symlink_to(root / "hls")
    assert sorted(find(root)) == sorted(expected)


def test_a_link_in_a_circle_hides_nothing_that_lies_beside_it(archive):
    root, expected = archive
    for folder in (root, *(place for place in root.rglob("*") if place.is_dir())):
        (folder / "circle").symlink_to("circle")
    assert list(find(root)) == expected
    assert open_scene(next(path for path in expected if path.is_dir() and "LC" in path.name)) is not None


@pytest.mark.parametrize("name", ["scene.tar", f"{OLI_2}.tar"])
def test_an_archive_of_archives_is_told_with_the_way_out(tmp_path, landsat, tar, name):
    inner = tar(landsat().folder)
    with zipfile.ZipFile(tmp_path / "LC09_L2SP_all.zip", "w") as outer:
        outer.write(inner, f"july/{name}")
    with pytest.raises(BadInput, match=r"holds archives .* Unpack the outer one"):
        open_scene(tmp_path / "LC09_L2SP_all.zip")


def test_a_scene_under_two_names_counts_once(archive):
    root, expected = archive
    (root / "2010" / "z.tar").symlink_to(root / "2010" / "old name.tar")
    assert list(find(root)) == expected


def test_what_is_called_a_scene_is_given_even_if_it_is_broken(tmp_path):
    """So that the index can list it as broken; of other archives nobody knows that they were meant."""
    for name in (f"{OLI_2}.tar", f"{OLI_2}.tar.gz", f"{S2}.zip", f"{HLS}.tar", "photos.zip", "backup.tar.gz"):
        empty(tmp_path / name)
    found = list(find(tmp_path))
    assert [path.name for path in found] == sorted(
        [f"{OLI_2}.tar", f"{OLI_2}.tar.gz", f"{S2}.zip", f"{HLS}.tar"]
    )
    for path in found:
        with pytest.raises(BadInput, match=r"is empty \(0 bytes\)"):
            open_scene(path)


def test_archives_of_other_things_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / "other.tar", "w") as file:
        file.addfile(tarfile.TarInfo("notes.txt"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("notes.txt", "")
    assert list(find(tmp_path)) == []
    for name in ("other.tar", "other.zip"):
        with pytest.raises(BadInput, match=r"holds no product that is known \(notes\.txt"):
            open_scene(tmp_path / name)


def test_a_compressed_tar_is_told_with_the_way_out(landsat, tar, tmp_path):
    path = tar(landsat(OLI_2, shape=(4, 4)).folder, tmp_path / f"{OLI_2}.tar.gz", mode="w:gz")
    assert path in list(find(tmp_path))
    with pytest.raises(BadInput, match=rf"gunzip {OLI_2}\.tar\.gz"):
        open_scene(path)


def test_quick_looks_and_products_of_others_are_no_scenes(tmp_path, tiff):
    values = np.ones((3, 3), np.uint8)
    tiff(tmp_path / f"{OLI_2}_NDVI.tif", values)
    empty(tmp_path / f"{OLI_2}_thumb_large.jpeg")
    tiff(tmp_path / "irrigation_2023.tif", values, descriptions=("class",))
    assert list(find(tmp_path)) == []


def test_plain_geotiffs_are_found_where_they_are_described_or_the_caller_describes_them(tmp_path, tiff):
    values = np.ones((2, 3, 3), np.uint16)
    tiff(tmp_path / "a.tif", values)
    (tmp_path / "a.scene.json").write_text('{"time": "2023-07-15", "bands": {"red": 1, "nir": 2}}')
    tiff(
        tmp_path / "b.tif",
        values,
        descriptions=("red", "nir"),
        tags={"TIFFTAG_DATETIME": "2023:07:15 06:10:00"},
    )
    tiff(tmp_path / "dem.tif", values)
    empty(tmp_path / f"{HLS}.B8A.tif")
    hls = f"{HLS}.B8A.tif"
    assert [path.name for path in find(tmp_path)] == [hls, "a.tif", "b.tif"]
    assert [path.name for path in find(tmp_path, plain_tiffs=True)] == [hls, "a.tif", "b.tif", "dem.tif"]
    assert list(open_scene(tmp_path / "b.tif").bands) == ["red", "nir"]


def test_a_cut_out_of_a_product_that_is_described_is_a_plain_scene(tmp_path, tiff):
    path = tiff(tmp_path / f"{OLI_2}_stack.tif", np.ones((2, 3, 3), np.uint16))
    (tmp_path / f"{OLI_2}_stack.scene.json").write_text('{"time": "2023-07-15", "bands": {"red": 1}}')
    assert list(find(tmp_path)) == [path]
    assert open_scene(path).family == "plain"
    assert open_scene(path, bands={"nir": 2}).bands["nir"].position == 2


def test_an_index_lists_its_scenes(tmp_path, landsat):
    made = landsat(OLI_2, shape=(4, 4))
    index = tmp_path / "scenes.gpkg"
    with sqlite3.connect(index) as database:
        database.execute("CREATE TABLE scenes (fid INTEGER PRIMARY KEY, name TEXT, path TEXT)")
        database.executemany(
            "INSERT INTO scenes (path) VALUES (?)",
            [(OLI_2,), (f"{tmp_path}/far.tar",), (f"../{tmp_path.name}/{OLI_2}",)],
        )
    database.close()
    assert list(find(index)) == [made.folder, tmp_path / "far.tar"]
    for text in (b"", b"something else" * 100):
        index.write_bytes(text)
        with pytest.raises(
            BadInput, match=r"no layer scenes with a column path .*Make one: bluepeace scenes"
        ):
            list(find(index))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="imitates root's eyes"
)
def test_a_folder_that_cannot_be_listed_is_a_warning(archive, monkeypatch, caplog):
    root, expected = archive
    real = os.scandir

    def scandir(place):
        if os.fspath(place).endswith("hls"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(opening.os, "scandir", scandir)
    with caplog.at_level(logging.WARNING):
        assert list(find(root)) == [path for path in expected if "hls" not in path.parts]
    assert "hls cannot be listed (Permission denied); scenes in it are not found" in caplog.text


def test_a_flat_folder_of_thousands_is_listed_once(tmp_path, monkeypatch):
    for day in range(100, 300):
        for band in ("B02", "B04", "B8A", "Fmask"):
            empty(tmp_path / f"HLS.S30.T42TXL.2021{day}T061629.v2.0.{band}.tif")
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: listed.append(place) or real(place))
    found = list(find(tmp_path))
    assert [path.name for path in found] == [
        f"HLS.S30.T42TXL.2021{day}T061629.v2.0.Fmask.tif" for day in range(100, 300)
    ]
    assert len(listed) == 1


# opening


@pytest.mark.parametrize("given", [{"bands": {"red": 1}}, {"sun": Sun(1.0, 2.0)}])
def test_what_a_product_says_itself_cannot_be_stated(landsat, given):
    with pytest.raises(BadInput, match=r"says itself which bands it has.*Leave them out"):
        open_scene(landsat(OLI_2, shape=(4, 4)).folder, **given)


def test_a_folder_of_scenes_is_no_scene(archive):
    root, _ = archive
    with pytest.raises(BadInput, match=r"a folder without a scene of its own.*bluepeace scenes"):
        open_scene(root)


@pytest.mark.parametrize(
    "name", ["gone", "gone.tar", f"{OLI_2}_SR_B4.TIF", f"{HLS}.Fmask.tif", "gone.tif", S2]
)
def test_what_does_not_exist_is_told(tmp_path, name):
    with pytest.raises(BadInput, match="does not exist"):
        open_scene(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "x.tif",
        "x.tar",
        "x.zip",
        "x.hdf",
        f"{OLI_2}.tar",
        f"{OLI_2}_MTL.json",
        f"{HLS}.B02.tif",
        "MOD13Q1.A2020129.h23v04.061.2020340231213.hdf",
        "MOD13Q1.A2020129.h23v04.061.2020340231213.ndvi.tif",
    ],
)
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 5000, b"PK\x03\x04 cut off", b"II*\0" + b"\xff" * 300, b"<html/>" * 50]
)
def test_nothing_that_is_damaged_opens_or_crashes(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as said:
        open_scene(tmp_path / name)
    assert len(str(said.value)) > 40


def test_every_sensor_answers_by_names_alone(archive):
    """Recognising must not read: an archive has tens of thousands of files."""
    from bluepeace_gis.archive.scenes.containers import Container

    root, _ = archive
    nothing_to_read = {
        "landsat": Container(root, {f"{OLI_2}_MTL.json": None}),
        "sentinel2": Container(root, {f"{S2}/MTD_MSIL2A.xml": None}),
        "hls": Container(root, {f"{HLS}.Fmask.tif": None}),
        "modis": Container(root, {"MOD13Q1.A2020129.h23v04.061.2020340231213.hdf": None}),
    }
    for name, container in nothing_to_read.items():
        answers = [
            sensor.__name__.rpartition(".")[2] for sensor in opening.SENSORS if sensor.recognise(container)
        ]
        assert answers == [name]
