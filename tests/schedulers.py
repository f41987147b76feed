"""A real dask scheduler and its workers, for tests that send work to them."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
PATIENCE_S = 60.0


class Scheduler:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []
        told = folder / "scheduler.json"
        self._start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(told))
        self._until(told.exists)
        self.address = json.loads(told.read_text())["address"]

    def _start(self, kind, *arguments, path=()):
        paths = [*path, str(TESTS / "jobs"), str(TESTS.parent)]
        with (self._folder / f"{kind}{len(self._processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--host", "127.0.0.1"],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                cwd=self._folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def _until(self, what):
        give_up = time.monotonic() + PATIENCE_S
        while not what():
            assert all(process.poll() is None for process in self._processes), self.said()
            assert time.monotonic() < give_up, self.said()
            time.sleep(0.05)

    def said(self):
        return "\n".join(place.read_text()[-2000:] for place in self._folder.glob("*.log"))

    def worker(self, name, *, path=()):
        return self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name,
            "--local-directory", str(self._folder), path=path,
        )  # fmt: skip

    def count(self, expected):
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            self._until(lambda: len(client.nthreads()) == expected)

    def gone(self, pids):
        """Take leave of processes that a test has killed."""
        for process in [process for process in self._processes if process.pid in pids]:
            process.wait(PATIENCE_S)
            self._processes.remove(process)

    def end(self, processes=None):
        ending = [*(processes or self._processes)]
        for process in ending:
            process.kill()  # asked politely, a worker takes ten seconds
        self.gone([process.pid for process in ending])


@contextlib.contextmanager
def with_two_workers(folder):
    """Start a scheduler and two worker processes; end them afterwards."""
    found = Scheduler(folder)
    found.worker("one")
    found.worker("two")
    try:
        found.count(2)
        yield found
    finally:
        found.end()
