"""A folder, a tar and a zip look the same; what is cut or damaged is told, never read as something else."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
import rasterio

from bluepeace_gis.archive.scenes import containers
from bluepeace_gis.errors import BadInput

FILES = {"a_MTL.txt": "END\n", "b.TIF": "x" * 700, "deep.xml": "<é/>"}


def tar_of(path, files, **more):
    with tarfile.open(path, "w", **more) as tar:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def zip_of(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return path


def folder_of(path, files):
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


@pytest.fixture(params=["folder", "tar", "zip"])
def packed(request, tmp_path):
    def pack(files):
        if request.param == "folder":
            return folder_of(tmp_path / "scene.SAFE", files)
        make = {"tar": tar_of, "zip": zip_of}[request.param]
        return make(tmp_path / f"scene.{request.param}", files)

    return pack


def test_a_folder_a_tar_and_a_zip_look_the_same(packed):
    container = containers.view(packed({"in/deep/x.xml": "<é/>", "b.tif": "x" * 700}))
    assert container.names() == ("b.tif", "in/deep/x.xml")
    assert container.read_text("in/deep/x.xml") == "<é/>"
    assert container.size("b.tif") == 700
    assert container.find("X.XML") == "in/deep/x.xml"
    assert container.find("y.xml") is None
    assert container.matching(r".*\.TIF") == ["b.tif"]


def test_gdal_reads_members_of_all_three(packed, tmp_path, tiff):
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    path = packed({"in/x.txt": ""})
    image = tiff(tmp_path / "made.tif", values)
    name = "in/зимой {1} 'x'.TIF"
    if path.is_dir():
        image.rename(path / name)
    elif path.suffix == ".tar":
        with tarfile.open(path, "w") as file:
            file.add(image, f"./{name}")
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.write(image, name)

    container = containers.view(path)

    assert container.names()[-1] == name
    with rasterio.open(container.source(name)) as file:
        np.testing.assert_array_equal(file.read(1), values)
    found = path / name if path.is_dir() else path
    assert containers.file_of(container.source(name)) == found
    said = containers.spoken(container.source(name))
    assert said.endswith(str(found))
    assert path.is_dir() or said.startswith((name, "the member at byte"))


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_a_folder_may_have_braces_in_its_name(tmp_path, tiff, ending):
    folder = tmp_path / "{odd} name{}"
    folder.mkdir()
    image = tiff(tmp_path / "made.tif", np.ones((3, 4), np.uint16))
    path = folder / f"x.{ending}"
    if ending == "tar":
        with tarfile.open(path, "w") as file:
            file.add(image, "in/{made}.TIF")
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.write(image, "in/{made}.TIF")
    source = containers.view(path).source("in/{made}.TIF")
    assert containers.file_of(source) == path
    with rasterio.open(source) as file:
        assert file.read(1).sum() == 12


def test_a_folder_that_is_no_safe_gives_its_own_files_only(tmp_path):
    folder_of(tmp_path, {"top.tif": "", "below/deep.tif": ""})
    assert containers.view(tmp_path).names() == ("top.tif",)


def test_a_link_in_a_circle_ends(tmp_path):
    safe = folder_of(tmp_path / "x.SAFE", {"MTD_MSIL2A.xml": "", "a/b.xml": ""})
    (safe / "a" / "again").symlink_to(safe)
    names = containers.view(safe).names()
    assert "a/b.xml" in names
    assert len(names) < 50


def test_what_macos_adds_is_no_member(packed):
    path = packed({"x.tif": "1", "._x.tif": "2"})
    assert containers.view(path).names() == ("x.tif",)


def test_the_same_file_twice_is_an_error(packed):
    container = containers.view(packed({"one/MTD_MSIL2A.xml": "1", "two/mtd_msil2a.xml": "2"}))
    with pytest.raises(
        BadInput, match=r"2 times \(one/MTD_MSIL2A.xml, two/mtd_msil2a.xml\); one was expected"
    ):
        container.find("MTD_MSIL2A.xml")


def test_a_member_that_is_not_there(packed):
    with pytest.raises(BadInput, match=r"holds no y\.xml; it was expected there"):
        containers.view(packed({"x.xml": ""})).read_text("y.xml")


def test_what_is_no_text_is_told(packed, tmp_path):
    path = packed({"x.xml": ""})
    raw = b"<a>\xff\xfe</a>"
    if path.is_dir():
        (path / "x.xml").write_bytes(raw)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x.xml", raw)
    else:
        with tarfile.open(path, "w") as file:
            member = tarfile.TarInfo("x.xml")
            member.size = len(raw)
            file.addfile(member, io.BytesIO(raw))
    with pytest.raises(BadInput, match=r"x\.xml cannot be read .*damaged; copy it again"):
        containers.view(path).read_text("x.xml")


def test_what_is_too_large_for_metadata_is_not_read(packed, monkeypatch):
    monkeypatch.setattr(containers, "METADATA_BYTES", 10)
    with pytest.raises(BadInput, match="11 bytes, far more than metadata have"):
        containers.view(packed({"x.xml": "x" * 11})).read_text("x.xml")


def test_a_tar_cut_anywhere_is_told_or_shows_whole_members_only(tmp_path):
    whole = tar_of(tmp_path / "whole.tar", FILES).read_bytes()
    ends = {1024: 1, 2560: 2, 3584: 3}  # where the members end: header and blocks of 512 bytes
    cut = tmp_path / "cut.tar"
    for size in [*range(1, 3600, 37), *ends, 3584 + 511, 3584 + 512]:
        cut.write_bytes(whole[:size])
        complete = max((count for end, count in ends.items() if end <= size), default=0)
        try:
            container = containers.view(cut)
        except BadInput as error:
            assert "truncated" in str(error)  # noqa: PT017  # either is right, by where the cut lies
            assert size not in ends
        else:
            assert len(container.names()) == complete
            assert all(container.read_text(name) == FILES[name] for name in container.names())


def test_a_damaged_header_in_the_middle_is_not_the_end(tmp_path):
    path = tar_of(tmp_path / "x.tar", FILES)
    content = bytearray(path.read_bytes())
    content[1024 + 150] ^= 0xFF  # in the checksum of the second member
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"damaged header at byte 1024.*copy it again"):
        containers.view(path)


def test_long_names_of_gnu_and_pax_tars(tmp_path):
    name = "folder/" + "long" * 60 + ".xml"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tar_of(tmp_path / f"{form}.tar", {name: "here"}, format=form)
        assert containers.view(path).read_text(name) == "here"


@pytest.mark.parametrize(("mode", "tool"), [("w:gz", "gunzip"), ("w:bz2", "bunzip2"), ("w:xz", "unxz")])
@pytest.mark.parametrize("name", ["scene.tar.gz", "scene.tar"])
def test_a_compressed_tar_is_refused_with_the_way_out(tmp_path, mode, tool, name):
    with tarfile.open(tmp_path / name, mode) as file:
        file.addfile(tarfile.TarInfo("x"), io.BytesIO(b""))
    with pytest.raises(BadInput, match=rf"compressed as a whole.*{tool} {name}"):
        containers.view(tmp_path / name)


def test_a_zip_cut_anywhere_is_told(tmp_path):
    whole = zip_of(tmp_path / "whole.zip", FILES).read_bytes()
    cut = tmp_path / "cut.zip"
    for size in range(1, len(whole), 29):
        cut.write_bytes(whole[:size])
        with pytest.raises(BadInput, match="truncated or damaged; copy it again"):
            containers.view(cut)


def test_a_zip_member_that_does_not_match_its_checksum_is_told(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:  # stored, so that the byte is found again
        file.writestr("x.xml", "<here/>")
    path.write_bytes(path.read_bytes().replace(b"<here/>", b"<hare/>"))
    with pytest.raises(BadInput, match=r"x\.xml cannot be read .*copy it again"):
        containers.view(path).read_text("x.xml")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zip_of(tmp_path / "x.zip", FILES)
    content = bytearray(path.read_bytes())
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(start)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(start, at + 4)
    path.write_bytes(content)
    with pytest.raises(BadInput, match="encrypted; a zip without a password was expected"):
        containers.view(path)


@pytest.mark.parametrize("name", ["x.tar", "x.zip", "x.dat"])
def test_what_is_empty_missing_or_something_else_is_told(tmp_path, name):
    with pytest.raises(BadInput, match="does not exist"):
        containers.view(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadInput, match=r"is empty \(0 bytes\)"):
        containers.view(tmp_path / name)
    (tmp_path / name).write_bytes(b"something else\n" * 100)
    with pytest.raises(BadInput, match=r"neither a folder nor a \.tar nor a \.zip|truncated or damaged"):
        containers.view(tmp_path / name)


def test_a_tar_without_files_is_told(tmp_path):
    with pytest.raises(BadInput, match="holds no files"):
        containers.view(tar_of(tmp_path / "x.tar", {}))


def test_archives_are_told_by_their_content_whatever_they_are_called(tmp_path):
    assert containers.view(tar_of(tmp_path / "scene.bin", FILES)).names() == tuple(sorted(FILES))
    assert containers.view(zip_of(tmp_path / "scene.tar", FILES)).names() == tuple(sorted(FILES))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all"
)
def test_what_may_not_be_read_is_told(tmp_path):
    path = tar_of(tmp_path / "x.tar", FILES)
    path.chmod(0)
    with pytest.raises(BadInput, match="Check its permissions"):
        containers.view(path)


def test_one_product_among_others(tmp_path):
    folder_of(tmp_path, {"a_1.tif": "1", "a_2.tif": "22", "b_1.tif": "333"})
    container = containers.beside(tmp_path / "a_1.tif", ["a_1.tif", "a_2.tif", "a_3.tif"])
    assert container.path == tmp_path / "a_1.tif"
    assert container.names() == ("a_1.tif", "a_2.tif")
    assert container.size("a_2.tif") == 2
    assert container.source("a_2.tif") == str(tmp_path / "a_2.tif")


def test_names_of_others_belong_to_no_file():
    assert containers.file_of("/vsimem/x.tif") is None
    assert containers.file_of('HDF4_EOS:EOS_GRID:"x.hdf":grid:layer') is None
