"""Who does the work: threads of this process, processes beside it, or (``cluster``) other machines.

An executor takes one order for each free place and gives outcomes back. Threads share memory and
imports and start at once; processes bear a task that crashes or is killed for its memory: that task
fails, a new worker takes its place and the others go on.
"""

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, Protocol

from bluepeace_gis.errors import BadInput
from bluepeace_gis.jobs import memory
from bluepeace_gis.jobs.attempts import Order, Outcome, inside, perform
from bluepeace_gis.jobs.tasks import resolve

# Workers that end before they are ready, one after the other: something is wrong with all of them.
_FALSE_STARTS: Final = 3


class Broken(Exception):
    """The executor can do no more work; the message says why."""


class Executor(Protocol):
    """What a run needs of those who do the work."""

    places: int
    """Orders it takes at once."""
    threads: int
    """What each of them may use for its kernels."""
    room_mb: float
    """Memory for the tasks under way together."""

    def submit(self, order: Order) -> None:
        """Take an order; there is a free place for it."""

    def collect(self, timeout_s: float) -> list[Outcome]:
        """Return what has ended, waiting so long for the first. Raises Broken when nothing ever will."""

    def stop(self, grace_s: float) -> list[Outcome]:
        """End, with orders under way abandoned after ``grace_s``; return what ended until then."""


@dataclass(frozen=True)
class Needs:
    """What the tasks of a run ask of an executor.

    Parameters
    ----------
    functions : (str, ...)
    count : int
        Number of tasks.
    largest_mb, mean_mb : float
        Estimates of their memory.
    largest : str
        Name of the task with the largest.
    memory_mb : float or None
        The bound on the resident memory of everything together.
    workers : int or None
    """

    functions: tuple[str, ...]
    count: int
    largest_mb: float
    mean_mb: float
    largest: str
    memory_mb: float | None = None
    workers: int | None = None

    def at_once(self, places: int, room_mb: float, each_mb: float) -> int:
        """Return how many tasks of ``each_mb`` go together: at least one, at most ``places``."""
        fits = int(room_mb // each_mb) if each_mb > 0 else places
        return max(1, min(places, fits, max(self.count, 1)))

    def require_room(self, own_mb: float, room_mb: float) -> None:
        """Refuse a bound that the largest task alone would break.

        Raises
        ------
        BadInput
            Naming the bound that would do.
        """
        if self.largest_mb > room_mb:
            enough = -int(-(own_mb + self.largest_mb) // 10) * 10
            raise BadInput(
                f"{self.largest} needs about {self.largest_mb:,.0f} MB and the program itself "
                f"{own_mb:,.0f} MB, more than the {self.memory_mb:,.0f} MB of --memory-mb. Allow at least "
                f"{enough} MB, or make the tiles smaller."
            )


def start(needs: Needs, kind: str) -> Executor:
    """Start threads or processes.

    Parameters
    ----------
    needs : Needs
    kind : str
        ``threads`` or ``processes``.

    Returns
    -------
    Executor

    Raises
    ------
    BadInput
        If a task is larger than the memory allowed, or no worker process can start.
    ImportError
        If a function is not there.
    """
    return Threads(needs) if kind == "threads" else Processes(needs)


class Threads:
    """Threads of this process.

    Parameters
    ----------
    needs : Needs

    Raises
    ------
    BadInput
        If a task is larger than the memory allowed.
    """

    def __init__(self, needs: Needs) -> None:
        for function in needs.functions:
            resolve(function)  # before the memory is looked at: libraries take more than a small task
        own_mb = memory.resident_mb()
        self.room_mb = memory.free_mb() if needs.memory_mb is None else needs.memory_mb - own_mb
        if needs.memory_mb is not None:
            needs.require_room(own_mb, self.room_mb)
        self.places = max(1, min(needs.workers or memory.cores(), needs.count))
        usual = needs.at_once(self.places, self.room_mb, needs.mean_mb)
        self.threads = max(1, memory.cores() // usual)
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._under_way = 0
        self._quiet = _Quiet()
        # daemons: one that is abandoned must not keep the program from ending
        self._threads = [
            threading.Thread(target=self._work, name=f"task-{number}", daemon=True)
            for number in range(self.places)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            self._outcomes.put(perform(order))

    def submit(self, order: Order) -> None:
        self._under_way += 1
        self._orders.put(order)

    def collect(self, timeout_s: float) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with contextlib.suppress(queue.Empty):
            outcomes.append(self._outcomes.get(timeout=timeout_s))
            while True:
                outcomes.append(self._outcomes.get_nowait())
        self._under_way -= len(outcomes)
        return outcomes

    def stop(self, grace_s: float) -> list[Outcome]:
        for _ in self._threads:
            self._orders.put(None)
        outcomes: list[Outcome] = []
        give_up = time.monotonic() + grace_s
        while self._under_way and (left := give_up - time.monotonic()) > 0:
            outcomes += self.collect(left)
        if not self._under_way:
            for thread in self._threads:
                thread.join()
        self._quiet.end()
        return outcomes


class _Quiet:
    """Keeps the progress that a task tells of itself from the bar of the run."""

    def __init__(self) -> None:
        self._handlers = [*logging.getLogger("bluepeace_gis").handlers, *logging.getLogger().handlers]
        for handler in self._handlers:
            handler.addFilter(self.passes)

    @staticmethod
    def passes(record: logging.LogRecord) -> bool:
        """Let pass what is no progress, or not told by a task."""
        return not (inside.get() and hasattr(record, "done"))

    def end(self) -> None:
        """Let all pass again."""
        for handler in self._handlers:
            handler.removeFilter(self.passes)


@dataclass(frozen=True)
class _Ready:
    """A worker's first word."""

    resident_mb: float
    trouble: str = ""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Any  # a Connection, or a PipeConnection on Windows
    ready: bool = False
    order: Order | None = None


class Processes:
    """Processes beside this one, started afresh (``spawn``), which works on every system.

    Parameters
    ----------
    needs : Needs

    Raises
    ------
    BadInput
        If a task is larger than the memory allowed, or no worker can start.
    ImportError
        If a function is not there.
    """

    def __init__(self, needs: Needs) -> None:
        self._functions = needs.functions
        self._workers: list[_Worker] = []
        self._false_starts = 0
        self._torn = False  # Ctrl-C came in the middle of an outcome: nothing more can be read
        self.room_mb = float("inf")  # the largest task decides on the number of workers, and that is all
        most = max(1, min(needs.workers or memory.cores(), needs.count))
        try:
            own_mb, worker_mb = memory.resident_mb(), 0.0
            bound_mb = memory.free_mb() + own_mb if needs.memory_mb is None else needs.memory_mb
            self._workers.append(self._started())
            if needs.memory_mb is not None:  # what a worker takes with its libraries is seen, not guessed
                worker_mb = self._until_ready(self._workers[0])
                needs.require_room(own_mb + worker_mb, bound_mb - own_mb - worker_mb)
            self.places = needs.at_once(most, bound_mb - own_mb, needs.largest_mb + worker_mb)
            self.threads = max(1, memory.cores() // self.places)
            self._workers += [self._started() for _ in range(self.places - 1)]
        except BaseException:
            self.stop(0.0)
            raise

    def _started(self) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(theirs, self._functions), daemon=True)
        try:
            process.start()
        except OSError as error:
            ours.close()
            raise Broken(f"No worker process could be started: {error.strerror or error}.") from error
        finally:
            theirs.close()
        return _Worker(process, ours)

    def _until_ready(self, worker: _Worker) -> float:
        while True:
            try:
                told = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker)
                worker = self._workers[0]
            else:
                return self._welcomed(worker, told)

    def _welcomed(self, worker: _Worker, told: _Ready) -> float:
        if told.trouble:
            raise ImportError(told.trouble)
        self._false_starts = 0
        worker.ready = True
        return told.resident_mb

    def submit(self, order: Order) -> None:
        # those that are ready first: the others are still importing
        worker = min((w for w in self._workers if w.order is None), key=lambda w: not w.ready)
        worker.order = order
        with contextlib.suppress(OSError):  # it has died: collect finds that out
            worker.pipe.send(order)

    def collect(self, timeout_s: float) -> list[Outcome]:
        # A pipe is at its end when its worker is dead, after all that it has sent.
        pipes = {worker.pipe: worker for worker in self._workers}
        outcomes = []
        for pipe in connection.wait(list(pipes), timeout_s):
            worker = pipes[pipe]
            self._torn = True
            try:
                told = worker.pipe.recv()
            except (EOFError, OSError):
                self._torn = False
                outcomes += self._buried(worker)
                continue
            self._torn = False
            if isinstance(told, _Ready):
                self._welcomed(worker, told)
            else:
                worker.order = None
                outcomes.append(told)
        return outcomes

    def _buried(self, worker: _Worker) -> list[Outcome]:
        """Replace a dead worker; its order, if it had begun one, has failed."""
        order, pid = worker.order, worker.process.pid or 0
        code = self._replace(worker)
        if order is None:
            return []
        if not worker.ready:  # it never read the order: the new one shall
            self.submit(order)
            return []
        return [Outcome(order.key, reason=_why_dead(code, order), pid=pid)]

    def _replace(self, worker: _Worker) -> int:
        worker.process.join()
        code = worker.process.exitcode or 0
        if not worker.ready:
            self._false_starts += 1
        if self._false_starts >= _FALSE_STARTS:
            raise Broken(
                f"The worker processes end while they start ({_signal(code)}). A script that runs tasks "
                'needs `if __name__ == "__main__":` around what it does; otherwise use --executor threads.'
            )
        place = self._workers.index(worker)
        _close(worker)
        self._workers[place] = self._started()
        return code

    def stop(self, grace_s: float) -> list[Outcome]:
        outcomes: list[Outcome] = []
        give_up = time.monotonic() + grace_s
        with contextlib.suppress(Broken, ImportError):
            while not self._torn and any(w.order and w.ready for w in self._workers):
                if (left := give_up - time.monotonic()) <= 0:
                    break
                outcomes += self.collect(left)
        for worker in self._workers:
            if worker.order is None and worker.ready:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
            else:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            _close(worker)
        self._workers.clear()
        return outcomes


def _close(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.close()


def _work(pipe: Any, functions: Sequence[str]) -> None:
    """Do orders in a process of one's own until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal: the run decides
    os.dup2(2, 1)  # what a library prints must not get between the run's lines of JSON
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send(_Ready(trouble=trouble_with(functions), resident_mb=memory.resident_mb()))
    with contextlib.suppress(EOFError, OSError):  # the run is gone
        while (order := pipe.recv()) is not None:
            pipe.send(perform(order))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def trouble_with(functions: Iterable[str]) -> str:
    """Import the functions; return why one cannot be, or nothing.

    Parameters
    ----------
    functions : str, ...

    Returns
    -------
    str
    """
    for function in functions:
        try:
            resolve(function)
        except Exception as error:  # noqa: BLE001  # told by who asked for the function
            return f"{function} cannot be imported: {type(error).__name__}: {error}"
    return ""


def _why_dead(code: int, order: Order) -> str:
    hint = ""
    if code == -getattr(signal, "SIGKILL", 9):
        hint = (
            f", as the system does when memory runs out; {order.memory_mb:,.0f} MB were expected for this "
            "task. A lower --memory-mb lets fewer run at once"
        )
    return f"The worker process died: {_signal(code)}{hint}. Run again with --retry-failed."


def _signal(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    if code and sys.platform == "win32":
        return f"exit code {code & 0xFFFFFFFF:#010x}"
    return f"exit code {code}"
