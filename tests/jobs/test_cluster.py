"""A real dask scheduler with two worker processes, one of which is killed."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from schedulers import with_two_workers

import bluepeace_gis
from bluepeace_gis.errors import BadInput
from bluepeace_gis.jobs import Task, cluster, manifest, run

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

HERE = Path(__file__).parent
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with with_two_workers(tmp_path_factory.mktemp("dask")) as found:
        yield found


def writing(count, *, pause_s=0.0, **more):
    return [
        Task(
            f"t{n}",
            "errands:write",
            {"text": f"tile {n}", "output": f"o/t{n}.txt", "pause_s": pause_s},
            outputs=[f"o/t{n}.txt"],
            memory_mb=10,
            **more,
        )
        for n in range(count)
    ]


def pids_of_workers(scheduler):
    from distributed import Client

    with Client(scheduler.address, set_as_default=False) as client:
        return set(client.run(os.getpid).values())


def test_the_workers_do_the_tasks_and_resume_skips_them(scheduler, tmp_path):
    scene = tmp_path / "scene.txt"
    scene.write_text("pixels")
    tasks = writing(8, inputs=[scene])
    summary = run(tasks, folder=tmp_path / "run", executor=scheduler.address)
    summary.require_all()
    assert summary.done == 8
    assert summary.results["t3"] == {"letters": 7000}
    entries = manifest.read(tmp_path / "run").entries.values()
    assert {entry.line["pid"] for entry in entries} <= pids_of_workers(scheduler)
    assert {(tmp_path / "run" / f"o/t{n}.txt").read_text() for n in range(8)} == {
        f"tile {n}\n" * 1000 for n in range(8)
    }
    assert run(tasks, folder=tmp_path / "run", executor=scheduler.address, resume=True).skipped == 8
    assert run(writing(8, inputs=[scene]), folder=tmp_path / "run", resume=True).skipped == 8


def test_failures_and_warnings_come_back_with_their_reasons(scheduler, tmp_path, caplog):
    tasks = [
        Task("dark", "errands:fail"),
        Task("talk", "errands:talk", {"output": "o", "scene": "LC09"}, outputs=["o"]),
        Task("gone", "errands:copy", {}, [tmp_path / "no.tif"]),
    ]
    summary = run(tasks, folder=tmp_path / "run", executor=scheduler.address)
    assert summary.done == 1
    assert summary.failed[0] == ("dark", "ValueError: the sun stands below the horizon")
    assert "is not there" in summary.failed[1][1]
    assert "talk: LC09 has no clear sky" in caplog.messages


def test_kernel_threads_share_the_cores_of_a_host(scheduler, tmp_path):
    from bluepeace_gis.jobs import memory

    tasks = [Task(f"t{n}", "errands:count_threads", {"n": n}) for n in range(2)]
    summary = run(tasks, folder=tmp_path / "run", executor=scheduler.address)
    assert {result["threads"] for result in summary.results.values()} == {max(1, memory.cores() // 2)}


def test_a_function_that_is_not_there_stops_the_run(scheduler, tmp_path):
    with pytest.raises(ImportError, match="no function nowhere"):
        run([Task("t", "errands:nowhere")], folder=tmp_path, executor=scheduler.address)


def test_a_task_larger_than_a_worker_is_refused(scheduler, tmp_path):
    task = Task("huge", "errands:nothing", memory_mb=900)
    with pytest.raises(
        BadInput, match=r"huge needs about 900 MB and the worker tcp://.*800 MB that --memory-mb"
    ):
        run([task], folder=tmp_path, executor=scheduler.address, memory_mb=800)


def test_a_folder_that_the_workers_do_not_see_is_refused(scheduler, tmp_path, monkeypatch):
    """A worker on another disk finds no mark of this run there."""
    monkeypatch.setattr(cluster, "MARK_PATIENCE_S", 0.2)
    look = cluster.Cluster._look

    def elsewhere(self, folder, token, functions):
        return look(self, folder / "of" / "another" / "machine", token, functions)

    monkeypatch.setattr(cluster.Cluster, "_look", elsewhere)
    with pytest.raises(BadInput, match=r"These workers do not see the run's folder .*same path"):
        run(writing(1), folder=tmp_path, executor=scheduler.address)


def test_workers_with_another_version_or_none_are_refused(scheduler, tmp_path):
    for name, code in [
        ("old", "__version__ = '0.0.1'"),
        ("none", "raise ModuleNotFoundError('no such package')"),
    ]:
        package = tmp_path / name / "bluepeace_gis"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code)
    strangers = [scheduler.worker(name, path=[str(tmp_path / name)]) for name in ("old", "none")]
    try:
        scheduler.count(4)
        with pytest.raises(
            BadInput, match=rf"must have bluepeace-gis {bluepeace_gis.__version__}; found"
        ) as told:
            run(writing(1), folder=tmp_path / "run", executor=scheduler.address)
        assert ": 0.0.1" in str(told.value)
        assert "none (no such package)" in str(told.value)
    finally:
        scheduler.end(strangers)
        scheduler.count(2)


def test_a_stopped_run_leaves_the_workers_to_others(scheduler, tmp_path, monkeypatch):
    from bluepeace_gis.errors import Cancelled
    from bluepeace_gis.jobs import running

    monkeypatch.setattr(running, "GRACE_S", 0.1)
    collect = cluster.Cluster.collect

    def stop_soon(self, timeout_s):
        if any((tmp_path / "run").glob(".t*.work/o/*")):
            raise Cancelled("stopped")
        return collect(self, timeout_s)

    with monkeypatch.context() as patch:
        patch.setattr(cluster.Cluster, "collect", stop_soon)
        with pytest.raises(Cancelled, match="Stopped after 0 of 6"):
            run(writing(6, pause_s=1.5), folder=tmp_path / "run", executor=scheduler.address)
    assert not (tmp_path / "run" / ".run").exists()
    # two functions still write: the next run waits for their folders, and they publish nothing
    tasks = [
        Task(f"t{n}", "errands:write", {"text": "new", "output": f"o/t{n}.txt"}, outputs=[f"o/t{n}.txt"])
        for n in range(6)
    ]
    run(tasks, folder=tmp_path / "run", executor=scheduler.address).require_all()
    time.sleep(0.3)
    assert {place.read_text() for place in (tmp_path / "run" / "o").iterdir()} == {"new\n" * 1000}
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_killed_in_the_middle_loses_nothing(scheduler, tmp_path):
    """The last test but one of this scheduler: one of its workers dies."""
    before = pids_of_workers(scheduler)
    killed = []

    def kill_one():
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up and not killed:
            for lock in tmp_path.glob("run/.t*.work/.lock"):
                words = lock.read_text().split() if lock.exists() else []
                if len(words) > 1 and int(words[1]) in before:
                    killed.append(int(words[1]))
                    os.kill(killed[0], signal.SIGKILL)
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    tasks = writing(10, pause_s=0.1)
    summary = run(tasks, folder=tmp_path / "run", executor=scheduler.address)
    killer.join()
    scheduler.gone(killed)

    summary.require_all()
    assert len(killed) == 1
    entries = manifest.read(tmp_path / "run").entries
    assert all(manifest.in_place(entry, tmp_path / "run", read_back=True) for entry in entries.values())
    assert (before - set(killed)) & {entry.line["pid"] for entry in entries.values()}
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_scheduler_without_workers_is_waited_for_and_then_given_up(scheduler, tmp_path, monkeypatch):
    """The last test of this scheduler: its last worker dies of the task."""
    monkeypatch.setattr(cluster, "WITHOUT_WORKERS_S", 1.0)
    monkeypatch.setattr(cluster, "WORKERS_PATIENCE_S", 0.5)
    monkeypatch.setattr(cluster, "_LOOK_AGAIN_S", 0.2)
    left = pids_of_workers(scheduler)
    assert len(left) == 1
    dead = Task("dead", "errands:die", {"output": "d", "signal": "SIGKILL"}, outputs=["d"], memory_mb=1)
    summary = run([dead, *writing(2)], folder=tmp_path / "run", executor=scheduler.address)
    scheduler.gone(left)
    assert dict(summary.failed)["dead"].startswith(
        f"The scheduler at {scheduler.address} lost all its workers"
    )
    with pytest.raises(BadInput, match="has no workers"):
        run(writing(2), folder=tmp_path / "run", executor=scheduler.address, resume=True)


def test_an_address_where_nobody_answers_is_refused_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(BadInput, match=f"No dask scheduler answers at tcp://127.0.0.1:{port}"):
            run(writing(1), folder=tmp_path, executor=f"tcp://127.0.0.1:{port}")
        taken.listen()  # somebody who takes the call and says nothing
        with pytest.raises(BadInput, match="No dask scheduler answers"):
            run(writing(1), folder=tmp_path, executor=f"tcp://127.0.0.1:{port}")
    for address in ("tcp://no-such-host.invalid:8786", "tcp://127.0.0.1:99999"):
        with pytest.raises(BadInput, match="No dask scheduler answers"):
            run(writing(1), folder=tmp_path, executor=address)
    assert time.monotonic() - started < 20


def test_without_the_extra_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BadInput, match=r"pip install bluepeace-gis\[cluster\]"):
        run(writing(1), folder=tmp_path, executor="tcp://127.0.0.1:8786")
