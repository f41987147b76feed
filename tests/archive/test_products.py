"""A name appears only when everything behind it is complete, whatever happens to the run."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bluepeace_gis import disk
from bluepeace_gis.archive.products import product, replacing, require_place
from bluepeace_gis.errors import Cancelled, NotWritten

POSIX = sys.platform != "win32"


def everything_in(folder):
    return sorted(place.relative_to(folder).as_posix() for place in folder.rglob("*"))


def write(folder, text, *names):
    for name in names:
        (folder / name).write_text(text)


def child(body, *arguments):
    """Start Python on ``body`` and wait until it says that it is where the test wants it."""
    code = "import sys, time\nfrom pathlib import Path\n"
    code += "from bluepeace_gis.archive.products import product\n" + textwrap.dedent(body)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "there\n", process.stderr.read()
    return process


HALF_WAY = """
with product(sys.argv[1]) as work:
    (work / "basins.json").write_text("{}")
    (work / "basins.gpkg").write_text("half of i")
    print("there", flush=True)
    time.sleep(60)
"""


def test_all_files_appear_beside_the_main_one_and_the_working_folder_goes(tmp_path):
    out = tmp_path / "new" / "folder" / "basins.gpkg"

    with product(out) as work:
        assert work == out.parent / ".basins.work"
        (work / "basins.gpkg").write_text("basins")
        (work / "basins.json").write_text("{}")
        (work / "tiles").mkdir()
        (work / "tiles" / "a.tif").write_text("tile")
        assert everything_in(out.parent) == [".basins.work"] + [
            f".basins.work/{name}" for name in (".lock", "basins.gpkg", "basins.json", "tiles", "tiles/a.tif")
        ]

    assert everything_in(out.parent) == ["basins.gpkg", "basins.json", "tiles", "tiles/a.tif"]
    assert out.read_text() == "basins"


def test_the_main_file_is_renamed_last(tmp_path, monkeypatch):
    order = []
    rename = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, goal: (order.append(self.name), rename(self, goal))[1])

    with product(tmp_path / "basins.gpkg") as work:
        write(work, "new", "basins.gpkg", "basins.json", "z.png")

    assert order == ["basins.json", "z.png", "basins.gpkg"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, Cancelled, SystemExit])
@pytest.mark.parametrize("older", [False, True], ids=["first run", "older product there"])
def test_on_any_end_but_a_good_one_nothing_appears(tmp_path, stop, older):
    out = tmp_path / "runs" / "basins.gpkg"
    if older:
        out.parent.mkdir()
        out.write_text("older")

    def run():
        with product(out) as work:
            (work / "basins.gpkg").write_text("half of i")
            raise stop

    with pytest.raises(stop):
        run()

    assert everything_in(tmp_path) == (["runs", "runs/basins.gpkg"] if older else [])
    assert not older or out.read_text() == "older"


def test_a_workflow_that_forgets_its_main_file_is_a_fault_of_ours(tmp_path):
    with (
        pytest.raises(RuntimeError, match=r"without writing basins\.gpkg"),
        product(tmp_path / "basins.gpkg") as work,
    ):
        (work / "basins.json").write_text("{}")
    assert everything_in(tmp_path) == []


def test_a_database_left_open_is_a_fault_of_ours(tmp_path):
    with pytest.raises(RuntimeError, match="not closed"), product(tmp_path / "basins.gpkg") as work:
        write(work, "basins", "basins.gpkg", "basins.gpkg-journal")
    assert everything_in(tmp_path) == []


@pytest.mark.skipif(not POSIX, reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_its_working_folder_only_and_the_next_run_clears_it(tmp_path):
    out = tmp_path / "basins.gpkg"
    process = child(HALF_WAY, out)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert [place.name for place in tmp_path.iterdir()] == [".basins.work"]

    with product(out) as work:
        assert [place.name for place in work.iterdir()] == [".lock"]
        (work / "basins.gpkg").write_text("whole")

    assert everything_in(tmp_path) == ["basins.gpkg"]


@pytest.mark.skipif(not POSIX, reason="Windows sends no SIGINT to one process")
def test_control_c_leaves_nothing(tmp_path):
    process = child(HALF_WAY, tmp_path / "basins.gpkg")
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert "KeyboardInterrupt" in complaint
    assert everything_in(tmp_path) == []


def test_a_second_run_ends_with_the_name_of_the_first_and_does_it_no_harm(tmp_path):
    out = tmp_path / "basins.gpkg"
    process = child(HALF_WAY, out)
    try:
        before = everything_in(tmp_path)
        with pytest.raises(NotWritten, match=rf"Another run .*process {process.pid} .*--out"), product(out):
            pytest.fail("two runs at once")
        assert everything_in(tmp_path) == before
        with product(tmp_path / "other.gpkg") as work:  # another product is nobody's business
            (work / "other.gpkg").write_text("other")
    finally:
        process.kill()
        process.communicate()
    with product(out) as work:
        (work / "basins.gpkg").write_text("whole")
    assert out.read_text() == "whole"


def test_many_runs_at_once_never_mix_their_files(tmp_path):
    out = tmp_path / "basins.gpkg"
    body = """
    from bluepeace_gis.errors import NotWritten
    print("there", flush=True)
    sys.stdin.readline()
    written = 0
    while written < 30:
        try:
            with product(sys.argv[1]) as work:
                mark = f"{sys.argv[2]} {written}"
                (work / "basins.json").write_text(mark)
                (work / "basins.gpkg").write_text(mark)
            written += 1
        except NotWritten as refused:
            assert "Another run" in str(refused), refused
            time.sleep(0.001)
    """
    processes = [child(body, out, name) for name in "abc"]
    for process in processes:
        process.stdin.write("all of them are there\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert everything_in(tmp_path) == ["basins.gpkg", "basins.json"]
    assert out.read_text() == (tmp_path / "basins.json").read_text()


def test_an_error_while_renaming_puts_the_older_product_back(tmp_path, monkeypatch):
    """As on Windows, where a GeoPackage open in QGIS cannot be replaced."""
    out = tmp_path / "basins.gpkg"
    write(tmp_path, "older", "basins.gpkg", "basins.json", "basins.gpkg.aux.xml")
    rename = Path.replace

    def held_open(self, goal):
        if Path(goal) == out and self.parent.name == ".basins.work":
            raise PermissionError(errno.EACCES, "Permission denied", str(self), None, str(goal))
        return rename(self, goal)

    monkeypatch.setattr(Path, "replace", held_open)

    with pytest.raises(NotWritten, match="open in another program"), product(out) as work:
        write(work, "newer", "basins.gpkg", "basins.json", "basins.png")

    assert everything_in(tmp_path) == ["basins.gpkg", "basins.gpkg.aux.xml", "basins.json"]
    assert {place.read_text() for place in tmp_path.iterdir()} == {"older"}


def test_what_an_older_file_left_beside_it_is_not_taken_for_the_new_ones(tmp_path):
    """SQLite would play an old journal back into the new file; GDAL would show old classes."""
    out = tmp_path / "map.gpkg"
    write(tmp_path, "older", *("map.gpkg" + side for side in ("", "-wal", "-shm", "-journal", ".aux.xml")))

    with product(out) as work:
        (work / "map.gpkg").write_text("newer")

    assert everything_in(tmp_path) == ["map.gpkg"]


def test_the_name_of_a_folder_is_refused(tmp_path):
    with pytest.raises(NotWritten, match="is a folder"), product(tmp_path):
        pytest.fail("a folder was taken for a file")


def test_a_file_where_a_folder_should_be_is_refused(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(NotWritten, match="was not written"), product(tmp_path / "runs" / "basins.gpkg"):
        pytest.fail("a file was taken for a folder")


@pytest.mark.skipif(not POSIX, reason="folders of Windows have other rights")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents[:3]:  # pytest keeps them from everybody else, a worker's too
        parent.chmod(0o755)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        with pytest.raises(NotWritten, match="may not be written to"), product(tmp_path / "basins.gpkg"):
            pytest.fail("a read-only folder was written to")
    finally:
        if user == 0:
            os.seteuid(0)
        tmp_path.chmod(0o755)
    assert everything_in(tmp_path) == []


@pytest.mark.skipif(not POSIX, reason="folders of Windows have other rights")
def test_a_place_that_cannot_be_written_to_is_told_before_the_work_by_its_option(tmp_path):
    require_place(tmp_path / "new" / "newer" / "basins.gpkg")
    require_place(tmp_path / "basins.gpkg")
    assert everything_in(tmp_path) == []  # trying leaves nothing
    (tmp_path / "file").touch()
    proc = Path("/proc/no_such_folder/basins.gpkg")  # where nobody writes, root neither
    for place, sentence in (
        (proc, "its folder may not be written to. Choose another --rasters or ask its owner"),
        (tmp_path / "file" / "basins.gpkg", "its folder is a file. Choose another --rasters."),
    ):
        if place == proc and not Path("/proc").is_dir():
            continue
        with pytest.raises(NotWritten, match=re.escape(f"{place} was not written: {sentence}")):
            require_place(place, "--rasters")


def test_a_name_without_room_for_the_files_made_of_it_is_refused(tmp_path):
    require_place(tmp_path / ("n" * 200 + ".gpkg"))
    with pytest.raises(NotWritten, match=r"--out is a name of 225 bytes; .* at most 215 bytes"):
        require_place(tmp_path / ("я" * 110 + ".gpkg"))
    with pytest.raises(NotWritten, match=r"name of 305 bytes"):
        require_place(tmp_path / ("n" * 300 + ".gpkg"))


def test_the_option_that_gave_the_place_is_named(tmp_path):
    with (
        pytest.raises(NotWritten, match=r"Choose another --rasters\.$"),
        product(tmp_path, option="--rasters"),
    ):
        pytest.fail("a folder was taken for a file")


def test_a_disk_that_is_full_already_is_told_before_the_work(small_disk):
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(NotWritten, match=r"the disk is full\. Free space on it or choose another --out\."):
        require_place(small_disk / "basins.gpkg")
    assert everything_in(small_disk) == ["filler"]


def test_a_disk_too_full_for_the_text_of_a_lock_keeps_no_working_folder(small_disk):
    """It still takes names."""
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OSError, match="No space left"):
        disk.hold(small_disk / ".basins.work")
    assert everything_in(small_disk) == ["filler"]

    with pytest.raises(NotWritten, match=r"the disk is full\."), product(small_disk / "basins.gpkg"):
        pytest.fail("there is no room to work in")
    assert everything_in(small_disk) == ["filler"]


def test_errors_name_the_product_and_not_the_folder_in_work(tmp_path):
    with (
        pytest.raises(NotWritten, match=rf"^{re.escape(str(tmp_path))}/map\.tif was .* another --out\.$"),
        product(tmp_path / "map.tif") as work,
    ):
        raise NotWritten(f"{work / 'map.tif'} was not written: it failed. Choose another place.")


def test_a_full_disk_leaves_the_older_product(small_disk):
    out = small_disk / "basins.gpkg"
    out.write_text("older")

    with pytest.raises(NotWritten, match="the disk is full"), product(out) as work:
        (work / "basins.gpkg").write_bytes(os.urandom(2_000_000))

    assert everything_in(small_disk) == ["basins.gpkg"]
    assert out.read_text() == "older"


def test_a_missing_input_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError), product(tmp_path / "basins.gpkg"):
        (tmp_path / "no.tif").read_bytes()


def test_one_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as part:
        assert part.suffix == ".txt"
        part.write_text("older")
    with contextlib.suppress(ZeroDivisionError), replacing(path) as part:
        part.write_text("newer")
        raise ZeroDivisionError
    assert everything_in(tmp_path) == ["a.txt"]
    assert path.read_text() == "older"
