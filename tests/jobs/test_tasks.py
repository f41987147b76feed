"""By what two tasks are the same, and what cannot be one."""

import dataclasses
import math
import os

import pytest

import bluepeace_gis
from bluepeace_gis.errors import BadInput
from bluepeace_gis.jobs import Task
from bluepeace_gis.jobs.tasks import require_distinct


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    path.write_text("pixels")
    return path


def a_task(scene, **changes):
    told = {
        "name": "t1",
        "function": "errands:copy",
        "arguments": {"input": str(scene), "years": [2001, 2002]},
        "inputs": [scene],
        "outputs": ["t1.tif"],
    }
    return Task(**{**told, **changes})


def test_the_same_question_has_the_same_id_whatever_the_order_of_its_words(scene):
    turned = dict(reversed(a_task(scene).arguments.items()))
    assert a_task(scene).id == a_task(scene, arguments=turned, inputs=(str(scene),)).id
    assert len(a_task(scene).id) == 64


def test_estimates_and_the_name_are_no_part_of_the_question(scene):
    assert a_task(scene).id == a_task(scene, name="t2", memory_mb=1.0, disk_mb=9.0).id


@pytest.mark.parametrize(
    "change",
    [
        {"function": "errands:write"},
        {"arguments": {"years": [2001]}},
        {"outputs": ["t2.tif"]},
        {"version": "2"},
        {"inputs": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_has_another_id(scene, change):
    assert a_task(scene).id != a_task(scene, **change).id


def test_another_version_of_the_package_has_another_id(scene, monkeypatch):
    before = a_task(scene).id
    monkeypatch.setattr(bluepeace_gis, "__version__", "99")
    assert a_task(scene).id != before


def test_an_input_counts_by_path_size_and_time(scene, tmp_path):
    task = a_task(scene)
    before, then = task.id, scene.stat()

    scene.write_text("pixelz")
    os.utime(scene, ns=(then.st_atime_ns, then.st_mtime_ns + 1))
    assert task.id != before
    scene.write_text("pixels")
    os.utime(scene, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert task.id == before
    moved = tmp_path / "moved.tif"
    scene.rename(moved)
    assert a_task(moved, arguments=task.arguments).id != before


def test_a_folder_counts_with_all_that_is_in_it(tmp_path):
    safe = tmp_path / "S2A.SAFE"
    (safe / "GRANULE").mkdir(parents=True)
    (safe / "MTD.xml").write_text("metadata")
    task = a_task(safe)
    before = task.id
    (safe / "GRANULE" / "B04.jp2").write_text("pixels")
    assert task.id != before


def test_an_input_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.tif, an input of t1, is not there"):
        _ = a_task(tmp_path / "gone.tif").id


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows read everything")
def test_an_input_folder_that_may_not_be_read_is_told(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        with pytest.raises(BadInput, match="cannot be read"):
            _ = a_task(closed).id
    finally:
        closed.chmod(0o755)


@pytest.mark.parametrize(
    "name", ["", "a/b", "a\\b", "..", ".hidden", " x", "x ", "a:b", "что?", "ж" * 101, "a\nb"]
)
def test_names_that_some_file_system_refuses_are_refused(scene, name):
    with pytest.raises(BadInput, match="The name of a task"):
        a_task(scene, name=name)


@pytest.mark.parametrize(
    "output", ["../t.tif", "/t.tif", "a//b", "a/../b", ".run/lock", "C:/t.tif", "a\\b", ""]
)
def test_outputs_that_leave_the_folder_or_hide_in_it_are_refused(scene, output):
    with pytest.raises(BadInput, match="would write"):
        a_task(scene, outputs=[output])


def test_names_in_other_scripts_are_names(scene):
    assert a_task(scene, name="Сырдарья 2023 (t_04)", outputs=["годы/2023/t 04.tif"]).outputs


def test_what_is_no_json_or_no_import_path_is_a_fault_of_the_caller(scene):
    with pytest.raises(TypeError, match="JSON"):
        a_task(scene, arguments={"path": scene})
    with pytest.raises(TypeError, match="JSON"):
        a_task(scene, arguments={"nodata": math.nan})
    with pytest.raises(TypeError, match="import path"):
        a_task(scene, function="errands.copy")
    with pytest.raises(ValueError, match="estimate"):
        a_task(scene, memory_mb=-1)


def test_nobody_changes_a_task_from_outside(scene):
    arguments = {"years": [2001]}
    task = a_task(scene, arguments=arguments)
    arguments["years"].append(2002)
    assert task.arguments == {"years": [2001]}
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "t2"


def test_tasks_that_would_write_over_each_other_are_refused(scene):
    one = a_task(scene)
    with pytest.raises(BadInput, match="Two tasks are called 't1' and 't1'"):
        require_distinct([one, a_task(scene, outputs=["other.tif"])])
    with pytest.raises(BadInput, match=r"t1 and t1 would both write t1\.tif"):
        require_distinct([a_task(scene, outputs=["t1.tif", "t1.tif"])])
    with pytest.raises(BadInput, match="Two tasks are called 't1' and 'T1'"):
        require_distinct([one, a_task(scene, name="T1", outputs=["other.tif"])])
    with pytest.raises(BadInput, match=r"t1 and t2 would both write T1\.tif"):
        require_distinct([one, a_task(scene, name="t2", outputs=["T1.tif"])])
    with pytest.raises(BadInput, match=r"t1 would write the file t1\.tif, and t2 files in a folder"):
        require_distinct([one, a_task(scene, name="t2", outputs=["t1.tif/b.tif"])])
    require_distinct([one, a_task(scene, name="t2", outputs=["t2.tif", "t2/a.tif"])])
