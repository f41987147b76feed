"""Workers of an existing ``dask.distributed`` scheduler, which share a file system with the run.

The scheduler places the orders and moves those of a worker that is lost to another one, a bounded
number of times (``distributed.scheduler.allowed-failures``, 3 unless its owner changed it).
"""

import asyncio
import contextlib
import os
import pickle
import queue
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bluepeace_gis
from bluepeace_gis.errors import BadInput
from bluepeace_gis.jobs import memory
from bluepeace_gis.jobs.attempts import MARK_PATIENCE_S, RUN_FOLDER, Order, Outcome, perform
from bluepeace_gis.jobs.executors import Broken, Needs, trouble_with

CONNECT_S: Final = 5.0
# A batch system starts workers some time after their scheduler.
WORKERS_PATIENCE_S: Final = 10.0
# How long a run goes on without any worker: a nanny or a batch system starts new ones meanwhile.
WITHOUT_WORKERS_S: Final = 60.0
_LOOK_AGAIN_S: Final = 2.0
# distributed pauses a worker above this share of its limit (distributed.worker.memory.pause)
_PAUSE_SHARE: Final = 0.8
# Sent as text: a worker without the package could not read a function of ours.
_VERSION_THERE: Final = "__import__('bluepeace_gis').__version__"


@dataclass(frozen=True)
class _Seen:
    """What a worker says of itself."""

    host: str
    cores: int
    resident_mb: float
    limit_mb: float
    shares_folder: bool
    trouble: str


class Cluster:
    """The workers of a scheduler.

    Parameters
    ----------
    needs : Needs
    address : str
        ``tcp://host:port``
    folder : path
        The run's, absolute; all workers must see it under the same path.
    token : str
        The run's mark in it.

    Raises
    ------
    BadInput
        If distributed is not installed, the scheduler does not answer or has no workers, or a worker
        lacks the package, its version, the folder or the memory.
    ImportError
        If a worker does not find a function.
    """

    def __init__(self, needs: Needs, address: str, folder: Path, token: str) -> None:
        self._client = _connected(address)
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._needs = needs
        self._futures: dict[int, Any] = {}
        self._address = address
        self._places_known_s = self._workers_seen_s = time.monotonic()
        self.room_mb = float("inf")  # bounded where the memory is, in each worker
        self.threads = 1  # likewise found out in each worker
        try:
            workers = self._first_workers()
            self._require_package()
            seen = self._look(folder, token, needs.functions)
            self._worker_room_mb = _room_mb(needs, seen)
            self._threads_on = _kernel_threads(seen, workers)
            self.places = _places(workers, needs)
        except BaseException:
            self._client.close(timeout=CONNECT_S)
            raise

    def _first_workers(self) -> dict[str, int]:
        give_up = time.monotonic() + WORKERS_PATIENCE_S
        while not (workers := self._client.nthreads()):
            if time.monotonic() > give_up:
                raise BadInput(
                    f"The scheduler at {self._address} has no workers. Start some on machines that see the "
                    f"run's folder: dask worker {self._address}."
                )
            time.sleep(0.2)
        return dict(workers)

    def _require_package(self) -> None:
        ours, wrong = bluepeace_gis.__version__, {}
        for worker, version in self._client.run(eval, _VERSION_THERE, on_error="return").items():
            if isinstance(version, BaseException):
                wrong[worker] = f"none ({version})" if isinstance(version, ImportError) else repr(version)
            elif version != ours:
                wrong[worker] = str(version)
        if wrong:
            found = "; ".join(f"{worker}: {version}" for worker, version in sorted(wrong.items()))
            raise BadInput(
                f"Every worker must have bluepeace-gis {ours}; found {found}. Install that version where "
                "these workers run and start them again."
            )

    def _look(self, folder: Path, token: str, functions: tuple[str, ...]) -> dict[str, _Seen]:
        seen: dict[str, _Seen] = self._client.run(_seen, str(folder), token, functions, MARK_PATIENCE_S)
        blind = sorted(worker for worker, told in seen.items() if not told.shares_folder)
        if blind:
            raise BadInput(
                f"These workers do not see the run's folder {folder}: {', '.join(blind)}. Put it on a file "
                "system that all of them mount under the same path."
            )
        troubled = [f"{worker}: {told.trouble}" for worker, told in seen.items() if told.trouble]
        if troubled:
            raise ImportError("; ".join(troubled))
        return seen

    def submit(self, order: Order) -> None:
        """Send an order to the scheduler, which finds a worker for it."""
        # pickled here, so that dask takes no name in it for one of its own
        future = self._client.submit(
            _on_worker,
            pickle.dumps(order),
            self._threads_on,
            self._worker_room_mb,
            key=f"bluepeace-{order.token}-{order.key}",
            pure=False,
        )
        self._futures[order.key] = future
        future.add_done_callback(lambda done: self._outcomes.put(_outcome(order.key, done)))

    def collect(self, timeout_s: float) -> list[Outcome]:
        """Return what has ended; see whether scheduler and workers are still there."""
        outcomes: list[Outcome] = []
        with contextlib.suppress(queue.Empty):
            outcomes.append(self._outcomes.get(timeout=timeout_s))
            while True:
                outcomes.append(self._outcomes.get_nowait())
        for outcome in outcomes:
            self._futures.pop(outcome.key).release()
        self._look_again()
        return outcomes

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._places_known_s < _LOOK_AGAIN_S:
            return
        self._places_known_s = now
        try:
            workers = self._client.nthreads() if self._client.status == "running" else None
        except (OSError, TimeoutError):
            workers = None
        if workers:
            self._workers_seen_s = now
            self.places = _places(workers, self._needs)
        elif now - self._workers_seen_s > WITHOUT_WORKERS_S:
            who = "lost all its workers" if workers is not None else "no longer answers"
            raise Broken(
                f"The scheduler at {self._address} {who}. Start it or its workers again, and run again with "
                "--resume."
            )

    def stop(self, grace_s: float) -> list[Outcome]:
        """Take back what has not ended, and leave the scheduler to others."""
        outcomes: list[Outcome] = []
        give_up = time.monotonic() + grace_s
        with contextlib.suppress(Broken):
            while self._futures and (left := give_up - time.monotonic()) > 0:
                outcomes += self.collect(left)
        with contextlib.suppress(Exception):  # the scheduler may be gone
            if self._futures:
                self._client.cancel([*self._futures.values()], force=True)
            self._client.close(timeout=CONNECT_S)
        return outcomes


def _connected(address: str) -> Any:
    try:
        import distributed  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise BadInput(
            f"--executor {address} needs the package distributed, which is not installed. Install it with "
            "`pip install bluepeace-gis[cluster]`, here and on the workers."
        ) from error
    try:
        # A thread of its own: a notebook has a loop running in this one.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, _greeting(address)).result()
        return distributed.Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_S, set_as_default=False
        )
    except Exception as error:
        found = " ".join(f"{type(error).__name__} {error}".split())
        raise BadInput(
            f"No dask scheduler answers at {address} ({found}). Start one with `dask scheduler` and give the "
            "address it prints, such as tcp://10.0.0.5:8786."
        ) from error


async def _greeting(address: str) -> None:
    """Exchange the first words: a client waits for ever for somebody who takes the call in silence."""
    from distributed.comm.core import connect  # noqa: PLC0415  # an extra

    called = connect(address, timeout=CONNECT_S)  # type: ignore[no-untyped-call]
    await (await asyncio.wait_for(called, CONNECT_S)).close()


def _room_mb(needs: Needs, seen: dict[str, _Seen]) -> float:
    """Return what the tasks of one worker may take together."""
    rooms = []
    for worker, told in sorted(seen.items()):
        limit_mb = told.limit_mb * _PAUSE_SHARE if needs.memory_mb is None else needs.memory_mb
        if told.resident_mb + needs.largest_mb > limit_mb:
            own = needs.memory_mb is None
            source = f"its limit of {told.limit_mb:,.0f} MB" if own else "--memory-mb"
            raise BadInput(
                f"{needs.largest} needs about {needs.largest_mb:,.0f} MB and the worker {worker} itself "
                f"{told.resident_mb:,.0f} MB, more than the {limit_mb:,.0f} MB that {source} leaves it. "
                f"Allow {told.resident_mb + needs.largest_mb:,.0f} MB, or make the tiles smaller."
            )
        rooms.append(limit_mb - told.resident_mb)
    return min(rooms)


def _kernel_threads(seen: dict[str, _Seen], workers: dict[str, int]) -> dict[str, int]:
    """Return how many threads a task's kernels may use on each host: its cores, shared by its workers."""
    tasks = Counter[str]()
    for worker, told in seen.items():
        tasks[told.host] += workers.get(worker, 1)
    return {told.host: max(1, told.cores // tasks[told.host]) for told in seen.values()}


def _places(workers: dict[str, int], needs: Needs) -> int:
    # one more for each worker, so that none waits for the next order to travel
    return max(1, min(sum(workers.values()) + len(workers), needs.workers or 1 << 30))


def _outcome(key: int, future: Any) -> Outcome:
    try:
        outcome = future.result(timeout=CONNECT_S)
    except BaseException as error:  # noqa: BLE001  # also distributed's own CancelledError
        return Outcome(key, reason=_why_lost(error))
    return outcome if isinstance(outcome, Outcome) else Outcome(key, reason=f"{outcome!r} came back")


def _why_lost(error: BaseException) -> str:
    kind = type(error).__name__
    if kind == "KilledWorker":
        return (
            "Its worker was lost each time it was tried, most likely because memory ran out or a library "
            f"crashed ({' '.join(str(error).split())[:300]}). Run again with --retry-failed."
        )
    if "Cancelled" in kind or isinstance(error, TimeoutError):
        return "The scheduler lost this task. Run again with --retry-failed."
    return f"The worker could not do it: {kind}: {' '.join(str(error).split())[:500]}"


# What runs on the worker


class _Rooms:
    """The room of this worker's process, made by the first order of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: dict[str, memory.Room] = {}

    def of(self, token: str, size_mb: float) -> memory.Room:
        """Return the room that the orders of one run share."""
        with self._lock:
            return self._rooms.setdefault(token, memory.Room(size_mb))


_rooms: Final = _Rooms()


def _on_worker(pickled: bytes, threads_on: dict[str, int], room_mb: float) -> Outcome:
    order: Order = pickle.loads(pickled)  # noqa: S301  # from the run, over the scheduler it trusts
    threads = threads_on.get(socket.gethostname(), 1)
    with _rooms.of(order.token, room_mb).taken(order.memory_mb):
        return perform(Order(**{**vars(order), "threads": threads}))


def _seen(folder: str, token: str, functions: tuple[str, ...], patience_s: float, dask_worker: Any) -> _Seen:
    mark = Path(folder) / RUN_FOLDER / token
    give_up = time.monotonic() + patience_s
    while not (there := mark.exists()) and time.monotonic() < give_up:
        time.sleep(0.2)
    limit = getattr(getattr(dask_worker, "memory_manager", None), "memory_limit", None)
    return _Seen(
        host=socket.gethostname(),
        cores=memory.cores(),
        resident_mb=memory.resident_mb(),
        limit_mb=limit / memory.MB if limit else float("inf"),
        shares_folder=there and os.access(folder, os.W_OK),
        trouble=trouble_with(functions) if there else "",
    )
