"""Whatever happens to a run, the next one completes it, and nothing under a final name is wrong."""

import errno
import hashlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import errands
import pytest

from bluepeace_gis import disk
from bluepeace_gis.errors import BadInput, Cancelled, NotWritten, SomeFailed
from bluepeace_gis.jobs import Task, executors, manifest, memory, plan, run, running

POSIX = sys.platform != "win32"
EXECUTORS = ("threads", "processes")


def writing(number, *, text="tile", output="t{}.txt", **arguments):
    """One task that writes a text."""
    name = output.format(number)
    told = {"text": f"{text} {number}", "output": name, **arguments}
    return Task(f"t{number}", "errands:write", told, outputs=[name], memory_mb=1)


def everything_in(folder):
    return sorted(place.relative_to(folder).as_posix() for place in folder.rglob("*") if place.is_file())


def states(folder, name):
    """Return the states a task went through, from all runs."""
    lines = [json.loads(line) for line in (folder / manifest.NAME).read_text().splitlines()]
    return [line["state"] for line in lines if line.get("task") == name]


def require_right(folder, tasks):
    """Every output that is there is right, and no working folder is left."""
    for task in tasks:
        for output in task.outputs:
            if (folder / output).exists():
                assert (folder / output).read_text() == errands.content(task.arguments), output


# --- a run without trouble -------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_run_leaves_outputs_and_a_manifest_that_tells_of_them(tmp_path, executor):
    scene = tmp_path / "scene.txt"
    scene.write_text("pixels")
    tasks = [
        writing(1),
        Task(
            "copy",
            "errands:copy",
            {"input": str(scene), "output": "deep/er/copy.txt"},
            [scene],
            ["deep/er/copy.txt"],
        ),
    ]

    summary = run(tasks, folder=tmp_path / "run", executor=executor, workers=2)

    assert (summary.done, summary.skipped, summary.failed, summary.left) == (2, 0, [], 0)
    assert summary.results == {"t1": {"letters": 7000}, "copy": None}
    summary.require_all()
    assert everything_in(tmp_path / "run") == ["deep/er/copy.txt", "manifest.jsonl", "t1.txt"]
    require_right(tmp_path / "run", tasks[:1])
    assert states(tmp_path / "run", "t1") == ["queued", "running", "done"]
    entry = manifest.read(tmp_path / "run").entries["copy"]
    assert entry.id == tasks[1].id
    digest = hashlib.sha256(b"pixels").hexdigest()
    assert entry.outputs == {"deep/er/copy.txt": (6, digest)}
    assert [(file.path, checksum) for file, checksum in entry.inputs] == [(str(scene), digest)]
    assert entry.line["bytes"] == 6
    assert entry.line["peak_memory_mb"] > 5
    assert entry.line["seconds"] > 0
    assert (entry.line["pid"] == os.getpid()) is (executor == "threads")


def test_the_rest_that_a_function_leaves_is_cleared_and_a_forgotten_output_fails(tmp_path):
    tasks = [
        Task("two", "errands:two", {"text": "x"}, outputs=["a.txt", "deep/er/b.txt"]),
        Task("none", "errands:forget", outputs=["c.txt"]),
    ]
    summary = run(tasks, folder=tmp_path)
    assert everything_in(tmp_path) == ["a.txt", "deep/er/b.txt", "manifest.jsonl"]
    assert summary.failed == [("none", "RuntimeError: errands:forget ended without writing c.txt")]


def test_no_tasks_are_no_trouble(tmp_path):
    summary = run([], folder=tmp_path / "run")
    summary.require_all()
    assert summary.done == 0
    assert plan([], folder=tmp_path / "run").todo == 0


def test_progress_is_told_with_rates_and_a_tasks_own_progress_is_not(tmp_path, caplog):
    caplog.set_level(logging.INFO, "bluepeace_gis")
    tasks = [
        Task(f"t{n}", "errands:talk", {"output": f"{n}", "scene": "LC09"}, outputs=[f"{n}"]) for n in range(3)
    ]
    run(tasks, folder=tmp_path, unit="tiles")
    told = [(record.getMessage(), record.done) for record in caplog.records if hasattr(record, "done")]
    assert told[-1][0].startswith("3 of 3 tiles, ")
    assert told[-1][0].endswith("/min")
    assert told[-1][1] == 1.0
    assert "half" not in [message for message, _ in told]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["LC09 has no clear sky"] * 3


def test_what_a_task_warns_of_in_another_process_arrives_and_what_it_prints_does_not(tmp_path, caplog, capfd):
    run(
        [Task("t", "errands:talk", {"output": "o", "scene": "LC09"}, outputs=["o"])],
        folder=tmp_path,
        executor="processes",
    )
    assert "t: LC09 has no clear sky" in caplog.messages
    assert manifest.read(tmp_path).entries["t"].line["warnings"] == ["LC09 has no clear sky"]
    out, err = capfd.readouterr()
    assert out == ""
    assert "a library prints this" in err


@pytest.mark.parametrize("executor", EXECUTORS)
def test_workers_times_kernel_threads_are_the_cores(tmp_path, monkeypatch, executor):
    monkeypatch.setattr(memory, "cores", lambda: 6)
    for workers, expected in [(1, 6), (3, 2)]:
        tasks = [Task(f"t{n}", "errands:count_threads", {"n": n}) for n in range(3)]
        summary = run(tasks, folder=tmp_path / f"{workers}", executor=executor, workers=workers)
        assert summary.results == {f"t{n}": {"threads": expected} for n in range(3)}


# --- what is refused before anything is done --------------------------------------------------------------


def test_arguments_that_cannot_be_meant_are_refused(tmp_path):
    for wrong in [{"executor": "process"}, {"executor": "tcp://host"}, {"memory_mb": 0.0}, {"workers": 0}]:
        with pytest.raises(BadInput):
            run([writing(1)], folder=tmp_path / "run", **wrong)
        with pytest.raises(BadInput):
            plan([writing(1)], folder=tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_a_foreign_manifest_is_left_alone(tmp_path):
    (tmp_path / manifest.NAME).write_text("name,area\nNaryn,1\n")
    with pytest.raises(BadInput, match="is no manifest"):
        run([writing(1)], folder=tmp_path)
    assert everything_in(tmp_path) == [manifest.NAME]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(NotWritten, match="cannot be written to"):
        run([writing(1)], folder=tmp_path / "run")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_function_that_is_not_there_stops_the_run_at_once(tmp_path, executor):
    with pytest.raises(ImportError, match="has no function nowhere"):
        run([Task("t", "errands:nowhere")], folder=tmp_path, executor=executor)
    assert [line["event"] for line in manifest.read(tmp_path).runs] == ["started", "stopped"]


# --- failures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", EXECUTORS)
def test_one_failure_stops_no_other_and_ends_in_one_sentence(tmp_path, executor, caplog):
    tasks = [writing(1), Task("dark", "errands:fail"), Task("left", "errands:leave"), writing(2)]
    summary = run(tasks, folder=tmp_path, executor=executor)
    assert summary.done == 2
    assert summary.failed == [
        ("dark", "ValueError: the sun stands below the horizon"),
        ("left", "SystemExit: 7"),
    ]
    entry = manifest.read(tmp_path).entries["dark"]
    assert (entry.state, entry.reason) == ("failed", summary.failed[0][1])
    assert "errands.py" in entry.line["trace"]
    assert "dark failed: ValueError: the sun stands below the horizon" in caplog.messages
    with pytest.raises(
        SomeFailed, match=r"2 of 4 tasks failed: dark: .*--retry-failed.*manifest\.jsonl"
    ) as told:
        summary.require_all()
    assert told.value.exit_code == 2


def test_many_failures_are_counted_and_not_all_told(tmp_path, caplog):
    summary = run([Task(f"t{n}", "errands:fail") for n in range(40)], folder=tmp_path)
    assert len(summary.failed) == 40
    assert sum("failed" in message for message in caplog.messages) == 6
    with pytest.raises(SomeFailed, match="and 35 more"):
        summary.require_all()


def test_a_result_that_is_no_json_fails_its_task(tmp_path):
    summary = run([Task("t", "errands:huge_result")], folder=tmp_path)
    assert summary.failed[0][1].startswith("TypeError: errands:huge_result returned what is no JSON value")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_missing_input_fails_its_task_and_the_others_go_on(tmp_path, executor):
    gone = tmp_path / "gone.txt"
    told = {"input": str(gone), "output": "c.txt"}
    tasks = [Task("copy", "errands:copy", told, [gone], ["c.txt"]), writing(1)]
    summary = run(tasks, folder=tmp_path / "run", executor=executor)
    assert summary.done == 1
    assert summary.failed[0][0] == "copy"
    assert "gone.txt, an input of copy, is not there" in summary.failed[0][1]

    gone.write_text("back")
    again = run(tasks, folder=tmp_path / "run", resume=True)
    assert (again.done, again.skipped, again.failed) == (1, 1, [])


@pytest.mark.parametrize("change", [False, True], ids=["taken away", "changed"])
@pytest.mark.parametrize("shared", [False, True], ids=["of one task", "shared"])
def test_an_input_that_goes_or_changes_meanwhile_publishes_nothing(tmp_path, change, shared):
    scene = tmp_path / "scene.txt"
    scene.write_text("pixels")
    told = {"input": str(scene), "output": "a.txt", "change": change}
    tasks = [Task("a", "errands:remove_input", told, [scene], ["a.txt"]), writing(1)]
    if shared:
        tasks.append(Task("b", "errands:copy", told | {"output": "b.txt"}, [scene], ["b.txt"]))
    summary = run(tasks, folder=tmp_path / "run", workers=1)
    assert summary.done == 1
    assert [name for name, _ in summary.failed] == ["a", "b"][: 1 + shared]
    for _, reason in summary.failed:
        assert ("changed while the run" if change else "was taken away while the run") in reason
    assert everything_in(tmp_path / "run") == ["manifest.jsonl", "t1.txt"]


def test_shared_inputs_are_read_for_their_checksums_once(tmp_path, monkeypatch):
    scenes = [tmp_path / f"s{n}.txt" for n in range(5)]
    for scene in scenes:
        scene.write_text(scene.name)
    tasks = [
        Task(f"t{n}", "errands:copy", {"input": str(scenes[0]), "output": f"{n}"}, scenes, [f"{n}"])
        for n in range(6)
    ]
    read = []
    whole = running.executors.perform

    def noted(order):
        read.extend(file.path for file in order.unread)
        return whole(order)

    monkeypatch.setattr(executors, "perform", noted)
    run(tasks, folder=tmp_path / "run").require_all()
    assert sorted(read) == sorted(map(str, scenes))
    entries = manifest.read(tmp_path / "run").entries
    expected = [hashlib.sha256(scene.read_bytes()).hexdigest() for scene in scenes]
    assert all([digest for _, digest in entry.inputs] == expected for entry in entries.values())
    run(tasks, folder=tmp_path / "run").require_all()  # afresh: the checksums are still known
    assert len(read) == 5


@pytest.mark.skipif(not POSIX, reason="Windows has no signals of this kind")
@pytest.mark.parametrize(
    ("end", "words"),
    [("SIGKILL", "ended by SIGKILL, as the system does when memory"), ("SIGSEGV", "ended by SIGSEGV")],
)
def test_a_worker_that_dies_fails_its_task_only(tmp_path, end, words):
    tasks = [writing(n) for n in range(4)]
    tasks.insert(1, Task("dead", "errands:die", {"output": "d.txt", "signal": end}, outputs=["d.txt"]))
    summary = run(tasks, folder=tmp_path, executor="processes", workers=2)
    assert summary.done == 4
    assert summary.failed[0][0] == "dead"
    assert words in summary.failed[0][1]
    assert everything_in(tmp_path) == ["manifest.jsonl", *(f"t{n}.txt" for n in range(4))]
    assert not list(tmp_path.glob(".*"))


def test_a_script_without_a_guard_ends_with_a_sentence(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from bluepeace_gis.jobs import Task, run\n"
        f"s = run([Task('t', 'errands:nothing')], folder={str(tmp_path / 'run')!r}, executor='processes')\n"
        "print(s.failed)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert '__name__ == "__main__"' in done.stdout, done.stderr


# --- resume ---------------------------------------------------------------------------------------------


def counted(tmp_path, count=4):
    """Tasks that copy an input and count their calls."""
    scene = tmp_path / "scene.txt"
    scene.write_text("pixels " * 100)
    return [
        Task(f"t{n}", "errands:copy", {"input": str(scene), "output": f"t{n}.txt"}, [scene], [f"t{n}.txt"])
        for n in range(count)
    ]


def calls(tmp_path):
    path = tmp_path / "calls"
    lines = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_resume_skips_what_is_done_and_redoes_what_is_truncated_foreign_or_gone(tmp_path):
    tasks, folder = counted(tmp_path), tmp_path / "run"
    run(tasks, folder=folder).require_all()
    whole = (folder / "t0.txt").read_text()
    assert len(calls(tmp_path)) == 4

    assert run(tasks, folder=folder, resume=True).skipped == 4
    assert calls(tmp_path) == []

    (folder / "t0.txt").write_text(whole[:50])
    (folder / "t1.txt").write_text(whole.replace("x", "y"))  # as long, and another file
    (folder / "t2.txt").unlink()
    summary = run(tasks, folder=folder, resume=True)
    assert (summary.done, summary.skipped) == (3, 1)
    assert calls(tmp_path) == ["t0.txt", "t1.txt", "t2.txt"]
    assert {(folder / f"t{n}.txt").read_text() for n in range(4)} == {whole}


def test_resume_redoes_what_is_asked_otherwise_or_of_other_input(tmp_path):
    tasks, folder = counted(tmp_path, 2), tmp_path / "run"
    run(tasks, folder=folder).require_all()
    calls(tmp_path)
    tasks[0] = Task("t0", "errands:copy", {**tasks[0].arguments, "year": 2}, tasks[0].inputs, ["t0.txt"])
    assert run(tasks, folder=folder, resume=True).done == 1
    assert calls(tmp_path) == ["t0.txt"]

    (tmp_path / "scene.txt").write_text("other pixels")
    assert run(tasks, folder=folder, resume=True).done == 2
    assert (folder / "t1.txt").read_text() == "other pixels"


def test_without_resume_all_is_done_afresh(tmp_path):
    tasks, folder = counted(tmp_path, 2), tmp_path / "run"
    run(tasks, folder=folder).require_all()
    assert run(tasks, folder=folder).done == 2
    assert calls(tmp_path) == ["t0.txt", "t0.txt", "t1.txt", "t1.txt"]


def test_results_of_skipped_tasks_are_there_too(tmp_path):
    run([writing(1)], folder=tmp_path)
    assert run([writing(1), writing(2)], folder=tmp_path, resume=True).results == {
        "t1": {"letters": 7000},
        "t2": {"letters": 7000},
    }


def test_an_older_answer_to_another_question_does_not_stay_when_the_new_one_fails(tmp_path):
    run([writing(1)], folder=tmp_path).require_all()
    (tmp_path / "t2.txt").write_text("somebody's own")
    other = [
        Task("t1", "errands:fail", {"year": 2}, outputs=["t1.txt"]),
        Task("t2", "errands:fail", {"year": 2}, outputs=["t2.txt"]),
    ]
    assert len(run(other, folder=tmp_path).failed) == 2
    assert everything_in(tmp_path) == ["manifest.jsonl", "t2.txt"]


def test_what_an_older_file_left_beside_it_is_not_taken_for_the_new_ones(tmp_path):
    for side in ("", "-wal", "-journal", ".aux.xml"):
        (tmp_path / f"t1.txt{side}").write_text("older")
    run([writing(1)], folder=tmp_path).require_all()
    assert everything_in(tmp_path) == ["manifest.jsonl", "t1.txt"]


def test_retry_failed_runs_what_failed_and_nothing_else(tmp_path):
    tasks, folder, there = counted(tmp_path, 2), tmp_path / "run", tmp_path / "there"
    run(tasks[:1], folder=folder).require_all()
    late = Task("late", "errands:fail_unless", {"there": str(there), "output": "l.txt"}, outputs=["l.txt"])
    assert len(run([tasks[0], late], folder=folder, resume=True).failed) == 1
    calls(tmp_path)

    there.touch()
    summary = run([*tasks, late], folder=folder, retry_failed=True)
    assert (summary.done, summary.skipped, summary.left, summary.failed) == (1, 1, 1, [])
    assert calls(tmp_path) == []
    with pytest.raises(SomeFailed, match=r"1 of 3 tasks are not done.*--resume"):
        summary.require_all()

    summary = run([*tasks, late], folder=folder, resume=True, retry_failed=True)
    assert (summary.done, summary.skipped, summary.left) == (1, 2, 0)
    summary.require_all()


def test_the_plan_is_what_the_run_then_does(tmp_path):
    tasks, folder = counted(tmp_path, 3), tmp_path / "run"
    gone = Task("gone", "errands:copy", {}, [tmp_path / "no.tif"], ["g.txt"], memory_mb=500, disk_mb=70)
    big = Task("big", "errands:nothing", {}, [], [], memory_mb=400, disk_mb=30)
    before = plan([*tasks, gone, big], folder=folder, memory_mb=1000, workers=2)
    assert not folder.exists()
    assert (before.tasks, before.todo, before.done, before.at_once) == (5, 4, 0, 2)
    assert (before.memory_mb, before.disk_mb) == (400 + 256, 30)
    assert [name for name, _ in before.missing] == ["gone"]
    assert before.free_mb > 1
    assert before.sentences[0] == "5 tasks: 4 to do, 0 done and still valid."
    assert "no.tif, an input of gone, is not there" in before.sentences[-1]

    run(tasks, folder=folder).require_all()
    (folder / "t1.txt").write_text("foreign")
    after = plan([*tasks, gone, big], folder=folder, resume=True)
    assert (after.todo, after.done) == (2, 2)
    assert (folder / "t1.txt").read_text() == "foreign"
    only = plan([*tasks, gone, big], folder=folder, retry_failed=True)
    assert (only.todo, only.done, only.left) == (0, 2, 2)


def test_what_others_write_first_is_not_missing_in_the_plan(tmp_path):
    folder = tmp_path / "run"
    first = [writing(1), writing(2)]
    then = [
        Task(f"c{n}", "errands:copy", {"input": str(folder / f"t{n}.txt"), "output": f"c{n}.txt"},
             [folder / f"t{n}.txt"], [f"c{n}.txt"], memory_mb=1)
        for n in (1, 2)
    ]  # fmt: skip
    gone = Task("gone", "errands:copy", {}, [folder / "t1.txt", tmp_path / "no.tif"], ["g.txt"], memory_mb=1)

    before = plan([*then, *first, gone], folder=folder)
    assert (before.tasks, before.todo, before.done) == (5, 4, 0)
    assert [name for name, _ in before.missing] == ["gone"]

    run(first, folder=folder).require_all()
    run(then, folder=folder, resume=True).require_all()
    after = plan([*first, *then], folder=folder, resume=True)
    assert (after.todo, after.done) == (0, 4)

    (folder / "t2.txt").write_text("foreign")  # is written again, and so is what was made of it
    mended = plan([*first, *then], folder=folder, resume=True)
    assert (mended.todo, mended.done) == (2, 2)


# --- killed, raced, cancelled ----------------------------------------------------------------------------

MANY = """
if __name__ == "__main__":
    folder, kind, pause, text, flags = sys.argv[1:6]
    tasks = [Task(f"t{n}", "errands:write", {"text": f"{text} {n}", "output": f"o/t{n}.txt",
             "pause_s": float(pause)}, outputs=[f"o/t{n}.txt"], memory_mb=1) for n in range(12)]
    try:
        summary = run(tasks, folder=folder, executor=kind, workers=2, resume="resume" in flags)
        print(json.dumps([summary.done, summary.skipped, len(summary.failed)]))
    except Exception as error:
        print(type(error).__name__, error)
"""


def many(text="tile", pause_s=0.0):
    return [writing(n, text=text, output="o/t{}.txt", pause_s=pause_s) for n in range(12)]


@pytest.mark.skipif(not POSIX, reason="Windows has no SIGKILL")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_killed_at_any_moment_nothing_is_wrong_and_the_next_run_completes(tmp_path, executor):
    chance = random.Random(4)  # noqa: S311  # moments, not secrets
    tasks = many(pause_s=0.05)
    seen_done = 0
    for _ in range(6):
        process = errands.start_python(MANY, tmp_path, executor, 0.05, "tile", "resume")
        give_up = time.monotonic() + 20
        while not (tmp_path / manifest.NAME).exists() and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.1, 0.7))
        process.kill()
        process.communicate()
        require_right(tmp_path, tasks)
        done = [entry for entry in manifest.read(tmp_path).entries.values() if entry.state == "done"]
        assert len(done) >= seen_done  # resume keeps what is done
        seen_done = len(done)

    summary = run(tasks, folder=tmp_path, executor=executor, resume=True, workers=2)

    summary.require_all()
    assert summary.done + summary.skipped == 12
    assert summary.skipped >= seen_done
    require_right(tmp_path, tasks)
    assert everything_in(tmp_path) == ["manifest.jsonl", *sorted(f"o/t{n}.txt" for n in range(12))]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_two_runs_on_one_folder_do_each_other_no_harm(tmp_path, executor):
    processes = [
        errands.start_python(MANY, tmp_path, executor, 0.1, text, "") for text in ("first", "second")
    ]
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    winners = [text for text, words in zip(("first", "second"), said, strict=True) if words == "[12, 0, 0]"]
    refused = [words for words in said if words.startswith("NotWritten Another run works in")]
    assert (len(winners), len(refused)) == (1, 1), said
    assert "Wait until it ends" in refused[0]
    require_right(tmp_path, many(winners[0]))
    assert len(everything_in(tmp_path)) == 13


@pytest.mark.skipif(not POSIX, reason="Windows has no SIGKILL")
def test_workers_that_a_killed_run_left_behind_publish_nothing(tmp_path):
    """The first run's functions still write when the second asks another question."""
    process = errands.start_python(MANY, tmp_path, "processes", 1.0, "older", "")
    give_up = time.monotonic() + 20
    while not (tmp_path / ".t0.work" / "o" / "t0.txt").exists() and time.monotonic() < give_up:
        time.sleep(0.01)
    process.kill()
    process.communicate()

    run(many("newer"), folder=tmp_path, workers=2).require_all()
    time.sleep(1.2)

    require_right(tmp_path, many("newer"))
    assert len(everything_in(tmp_path)) == 13
    assert not list(tmp_path.glob(".*"))


def test_an_attempt_of_a_run_that_has_ended_withdraws(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "perform", lambda order: order)
    executor = executors.Threads(executors.Needs(("errands:write",), 1, 1.0, 1.0, "t1"))
    executor.stop(0.0)
    from bluepeace_gis.jobs import attempts

    monkeypatch.setattr(attempts, "MARK_PATIENCE_S", 0.0)
    order = attempts.Order(
        1, str(tmp_path), "gone", "0", "t1", "errands:write", {"text": "x", "output": "a"}, ("a",)
    )
    monkeypatch.setattr(attempts.bluepeace_gis, "__version__", "0")
    assert attempts.perform(order).reason == "The run ended before this task."
    assert everything_in(tmp_path) == []


def test_a_task_that_another_process_still_works_on_is_waited_for_a_while(tmp_path, monkeypatch):
    from bluepeace_gis.jobs import attempts

    monkeypatch.setattr(attempts, "LOCK_PATIENCE_S", 0.3)
    work = attempts.work_folder(tmp_path, "t1")
    handle = disk.hold(work)
    try:
        summary = run([writing(1), writing(2)], folder=tmp_path)
    finally:
        disk.release(handle, work)
    assert summary.done == 1
    assert f"process {os.getpid()} on" in summary.failed[0][1]
    run([writing(1), writing(2)], folder=tmp_path, retry_failed=True).require_all()


def test_working_folders_of_the_dead_are_cleared_and_others_left(tmp_path):
    for name in (".t1.work", ".other.work", "t1.work"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.txt").write_text("half of i")
    run([writing(1)], folder=tmp_path).require_all()
    assert everything_in(tmp_path) == [".other.work/half.txt", "manifest.jsonl", "t1.txt", "t1.work/half.txt"]


@pytest.mark.skipif(not POSIX, reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_control_c_stops_with_a_sentence_and_resume_goes_on(tmp_path, executor):
    process = errands.start_python(MANY, tmp_path, executor, 0.4, "tile", "")
    give_up = time.monotonic() + 20
    while not (tmp_path / "o" / "t1.txt").exists() and time.monotonic() < give_up:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=30)

    assert said.startswith("Cancelled Stopped after "), (said, complaint)
    assert "--resume" in said
    record = manifest.read(tmp_path)
    assert record.runs[-1]["event"] == "stopped"
    assert "running" not in {entry.state for entry in record.entries.values()}
    assert not list(tmp_path.glob(".*"))
    tasks = many(pause_s=0.4)
    require_right(tmp_path, tasks)
    done = sum(entry.state == "done" for entry in record.entries.values())
    assert f"Stopped after {done} of 12" in said

    quick = run(tasks, folder=tmp_path, resume=True, workers=12)
    assert (quick.skipped, quick.done) == (done, 12 - done)
    require_right(tmp_path, tasks)


def test_long_tasks_are_abandoned_after_a_while_and_publish_nothing(tmp_path, monkeypatch):
    """As when the command is told to stop: the thread goes on, but nothing comes of it."""
    monkeypatch.setattr(running, "GRACE_S", 0.1)
    collect = executors.Threads.collect
    begun = threading.Event()

    def stop_soon(self, timeout_s):
        if (tmp_path / ".t1.work" / "t1.txt").exists() and not begun.is_set():
            begun.set()
            raise Cancelled("stopped by another program")
        return collect(self, timeout_s)

    monkeypatch.setattr(executors.Threads, "collect", stop_soon)
    with pytest.raises(Cancelled, match="Stopped after 0 of 1 tiles"):
        run([writing(1, pause_s=0.8)], folder=tmp_path, unit="tiles")
    entry = manifest.read(tmp_path).entries["t1"]
    assert (entry.state, entry.reason) == ("failed", "Stopped before its end.")
    time.sleep(1.0)
    assert everything_in(tmp_path) == ["manifest.jsonl"]
    assert not list(tmp_path.glob(".*"))


# --- a full disk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("function", ["errands:write", "errands:fill_up"])
def test_a_full_disk_fails_those_tasks_and_the_next_run_completes(small_disk, tmp_path, executor, function):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    tasks = [
        Task(
            f"t{n}",
            function,
            {"output": f"t{n}.txt", "kb": 100, "text": "x" * 99, "lines": 1000},
            outputs=[f"t{n}.txt"],
            disk_mb=0.1,
        )
        for n in range(6)
    ]
    summary = run(tasks, folder=small_disk, executor=executor, workers=1)
    assert 0 < summary.done < 6
    assert summary.done + len(summary.failed) == 6
    for _, reason in summary.failed:
        assert reason.startswith(f"The disk of {small_disk} is full"), reason
        assert "--resume" in reason
    with pytest.raises(SomeFailed):
        summary.require_all()
    assert all(
        (small_disk / f"t{n}.txt").stat().st_size >= 100_000
        for n in range(6)
        if (small_disk / f"t{n}.txt").exists()
    )
    assert not list(small_disk.glob(".*"))

    ballast.unlink()
    again = run(tasks, folder=small_disk, executor=executor, workers=1, resume=True)
    again.require_all()
    assert again.skipped >= summary.done - 1  # the line of the last one may have found no room


def test_a_disk_without_room_for_anything_is_refused(small_disk):
    with pytest.raises(OSError, match="space"):
        (small_disk / "ballast").write_bytes(bytes(2_000_000))
    with pytest.raises(NotWritten, match="space"):
        run([writing(1)], folder=small_disk / "run")


def test_a_manifest_that_finds_no_room_waits_for_some(tmp_path, monkeypatch, caplog):
    write, full = os.write, [True]

    def sometimes(handle, text):
        if full[0] and text.startswith(b'{"task"'):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, text)

    record = manifest.read(tmp_path)
    monkeypatch.setattr(os, "write", sometimes)
    with manifest.Manifest(tmp_path, record) as book:
        book.run("x", "started")
        book.tell("t1", "id", "queued")
        book.tell("t1", "id", "done")
        assert manifest.read(tmp_path).entries == {}
        full[0] = False
        book.tell("t2", "id", "queued")
    assert states(tmp_path, "t1") == ["queued", "done"]
    full[0] = True
    with manifest.Manifest(tmp_path, record) as book:
        book.tell("t3", "id", "done")
    assert "lacks 1 lines" in caplog.text


# --- memory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_more_tasks_run_at_once_than_fit_the_memory(tmp_path, executor, monkeypatch):
    monkeypatch.setattr(memory, "cores", lambda: 4)
    (tmp_path / "together").mkdir()
    told = {"together": str(tmp_path / "together"), "mb": 60, "pause_s": 0.15}
    tasks = [Task(f"t{n}", "errands:take", told | {"n": n}, memory_mb=400) for n in range(6)]
    own_mb = memory.resident_mb()
    # what the tests before left in this process may be given back at any moment
    monkeypatch.setattr(memory, "resident_mb", lambda: own_mb)
    # room for two and not for three, whether a worker itself takes 20 or 120
    summary = run(tasks, folder=tmp_path / "run", executor=executor, memory_mb=own_mb + 1100)
    summary.require_all()
    assert max(result["at_once"] for result in summary.results.values()) == 2
    peaks = [entry.line["peak_memory_mb"] for entry in manifest.read(tmp_path / "run").entries.values()]
    assert min(peaks) > 60
    if executor == "processes":
        assert max(peaks) < 160


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_task_larger_than_the_memory_is_refused_with_what_would_do(tmp_path, executor, monkeypatch):
    # what the tests before this one left in the process is not what is asked here
    monkeypatch.setattr(memory, "resident_mb", lambda: 300.0)
    task = Task("huge", "errands:nothing", memory_mb=5000)
    with pytest.raises(
        BadInput, match=r"huge needs about 5,000 MB .* 4,000 MB of --memory-mb.*at least \d+ MB"
    ) as told:
        run([task], folder=tmp_path, executor=executor, memory_mb=4000)
    enough = int(str(told.value).partition("at least ")[2].split()[0])
    assert 5000 < enough < 6000
    run([task], folder=tmp_path, executor=executor, memory_mb=enough + 20).require_all()


def test_large_and_small_tasks_wait_for_each_other_by_their_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "cores", lambda: 4)
    (tmp_path / "together").mkdir()
    told = {"together": str(tmp_path / "together"), "mb": 1, "pause_s": 0.1}
    sizes = [100, 100, 100, 100, 350, 100]
    tasks = [Task(f"t{n}", "errands:take", told | {"n": n}, memory_mb=mb) for n, mb in enumerate(sizes)]
    summary = run(tasks, folder=tmp_path / "run", memory_mb=memory.resident_mb() + 410)
    at_once = [summary.results[f"t{n}"]["at_once"] for n in range(6)]
    assert at_once[4] == 1  # 350 and 100 are more than 410 less what has come since
    assert max(at_once) > 1


def test_the_peak_of_a_task_is_its_own(tmp_path):
    told = {"together": str(tmp_path), "pause_s": 0.0}
    tasks = [Task(f"t{mb}", "errands:take", told | {"mb": mb}) for mb in (150, 1)]
    run(tasks, folder=tmp_path / "run", executor="processes", workers=1).require_all()
    entries = manifest.read(tmp_path / "run").entries
    peaks = {name: entry.line["peak_memory_mb"] for name, entry in entries.items()}
    assert peaks["t150"] > 150
    if sys.platform == "linux":
        assert peaks["t1"] < peaks["t150"] - 100


def test_memory_is_measured_in_megabytes():
    import psutil

    resident_mb = psutil.Process().memory_info().rss / 2**20
    # in a process of its own: of this one, conftest leaves out what the tests before left in it
    code = (
        "import psutil; from bluepeace_gis.jobs import memory; "
        "own = psutil.Process().memory_info().rss / 2**20; "
        "print(memory.resident_mb() / own, memory.peak_mb() / own)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    resident, peak = (float(share) for share in told.stdout.split())
    assert resident == pytest.approx(1, rel=0.05)
    assert peak >= 0.95
    assert memory.peak_mb() >= resident_mb * 0.95
    assert memory.free_mb() <= psutil.virtual_memory().total / 2**20
    assert memory.free_mb() > 1


# --- the manifest ---------------------------------------------------------------------------------------


def test_a_torn_last_line_is_passed_over_and_the_next_run_begins_a_new_one(tmp_path):
    run([writing(1), writing(2)], folder=tmp_path, workers=1).require_all()
    path = tmp_path / manifest.NAME
    whole = path.read_bytes()
    done2 = next(line for line in whole.splitlines(keepends=True) if b'"t2"' in line and b'"done"' in line)
    path.write_bytes(whole[: whole.index(done2) + 40])

    record = manifest.read(tmp_path)
    assert record.torn == 1
    assert (record.entries["t1"].state, record.entries["t2"].state) == ("done", "running")
    summary = run([writing(1), writing(2)], folder=tmp_path, resume=True)
    assert (summary.done, summary.skipped) == (1, 1)
    assert manifest.read(tmp_path).entries["t2"].state == "done"


def test_a_manifest_torn_anywhere_is_read_as_far_as_it_is_whole(tmp_path):
    run([writing(1)], folder=tmp_path).require_all()
    path = tmp_path / manifest.NAME
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        if end > whole.index(b"\n"):
            assert manifest.read(tmp_path).torn <= 1


def test_the_manifest_can_be_read_while_the_run_goes_on(tmp_path):
    process = errands.start_python(MANY, tmp_path, "threads", 0.1, "tile", "")
    seen = set()
    while process.poll() is None:
        entries = manifest.read(tmp_path).entries.values()
        seen |= {entry.state for entry in entries}
        for entry in entries:
            if entry.state == "done":
                assert manifest.in_place(entry, tmp_path, read_back=True)
        time.sleep(0.02)
    process.communicate()
    assert seen == {"queued", "running", "done"}


def test_names_that_are_no_text_are_kept(tmp_path):
    if not POSIX:
        pytest.skip("names are always text on Windows")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/sc\xe9ne \xd0\xb6.txt")
    Path(odd).write_text("pixels")
    task = Task("t", "errands:copy", {"input": odd, "output": "o"}, [odd], ["o"])
    run([task], folder=tmp_path / "run").require_all()
    assert run([task], folder=tmp_path / "run", resume=True).skipped == 1
    assert manifest.read(tmp_path / "run").entries["t"].inputs[0][0].path == odd


def test_ten_thousand_tasks_are_resumed_without_doing_any(tmp_path):
    tasks = [Task(f"t{n}", "errands:nothing", {"n": n}) for n in range(10_000)]
    record = manifest.read(tmp_path)
    with manifest.Manifest(tmp_path, record) as book:
        for task in tasks:
            for state in ("queued", "running", "done"):
                book.tell(task.name, task.id, state)
    summary = run(tasks, folder=tmp_path, resume=True)
    assert (summary.skipped, summary.done) == (10_000, 0)
