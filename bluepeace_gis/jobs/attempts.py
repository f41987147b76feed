"""What happens where a task is done: in a thread, in another process or on another machine.

The function writes into ``.NAME.work/``; its outputs are read back for their checksums, stored on the
disk and renamed into place. A process killed at any moment leaves nothing under a final name but what
is complete. Two things keep apart the attempts of two runs, such as one that was killed and left
workers behind: the lock of the working folder, and the run's mark, a file named by a random token
that lives as long as the run. Who finds the mark gone withdraws.
"""

import contextlib
import contextvars
import errno
import json
import logging
import os
import shutil
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import bluepeace_gis
from bluepeace_gis import disk
from bluepeace_gis.errors import BadInput, BluepeaceError, NotWritten
from bluepeace_gis.jobs import memory
from bluepeace_gis.jobs.tasks import FileState, checksum, resolve, state
from bluepeace_gis.kernels import tiles

RUN_FOLDER: Final = ".run"
# A network disk shows a new file to other machines after some seconds (NFS: acdirmax is 60, but a name
# nobody has asked for before is looked up at once).
MARK_PATIENCE_S: Final = 5.0
# How long to wait for a worker that a killed run left behind on the same task.
LOCK_PATIENCE_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.2
# Below this a disk is called full when a library (GDAL, SQLite) fails without saying why.
_FULL_BELOW_BYTES: Final = 1 << 20
_WARNINGS_KEPT: Final = 20
_TRACE_LETTERS: Final = 4000

# Whether this thread works on a task: what it tells of its own progress is not that of the run.
inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside a task", default=False)


class Withdrawn(Exception):
    """The run that gave this order has ended."""


@dataclass(frozen=True)
class Order:
    """One thing to do; plain values only, so that it travels.

    Parameters
    ----------
    key : int
        The run's number of it.
    folder, token : str
        The run's folder, absolute, and its mark.
    package : str
        Version of the package that gave the order.
    name, function, arguments, outputs, memory_mb
        Of the task; an order without a function reads checksums only.
    inputs : (FileState, ...)
        As they stood when the task was identified.
    unread : (FileState, ...)
        Inputs whose checksums this order shall bring.
    threads : int
        For the kernels of this task.
    """

    key: int
    folder: str
    token: str
    package: str
    name: str
    function: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    memory_mb: float = 0.0
    inputs: tuple[FileState, ...] = ()
    unread: tuple[FileState, ...] = ()
    threads: int = 1


@dataclass(frozen=True)
class Outcome:
    """How it went.

    Parameters
    ----------
    key : int
        Of the order.
    reason : str
        Why it failed, in a sentence; empty when it went well.
    trace : str
        Where in the code, for those who mend it.
    outputs : ((path, bytes, checksum), ...)
    checksums : ((FileState, checksum), ...)
        Of the inputs asked for.
    result : JSON value
        What the function returned.
    warnings : (str, ...)
        What it warned of.
    host, pid, seconds, peak_mb
        Where, how long, and the memory of that process at its highest meanwhile.
    """

    key: int
    reason: str = ""
    trace: str = ""
    outputs: tuple[tuple[str, int, str], ...] = ()
    checksums: tuple[tuple[FileState, str], ...] = ()
    result: Any = None
    warnings: tuple[str, ...] = ()
    host: str = ""
    pid: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0


def work_folder(folder: Path, name: str) -> Path:
    """Return where the task of that name works."""
    return folder / f".{name}.work"


class _Busy:
    """How many tasks this process works on: a peak belongs to one task only where it was alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._count:
                memory.forget_peak()
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1


_busy: Final = _Busy()


def perform(order: Order) -> Outcome:
    """Do what the order says; whatever goes wrong is told by the outcome.

    Parameters
    ----------
    order : Order

    Returns
    -------
    Outcome
    """
    started = time.monotonic()
    told = inside.set(True)
    try:
        with _busy, _heard() as warnings:
            outcome = _guarded(order)
    finally:
        inside.reset(told)
    return replace(
        outcome,
        warnings=tuple(warnings),
        host=socket.gethostname(),
        pid=os.getpid(),
        seconds=time.monotonic() - started,
        peak_mb=memory.peak_mb(),
    )


def _guarded(order: Order) -> Outcome:
    try:
        if order.package != bluepeace_gis.__version__:
            raise BadInput(  # noqa: TRY301  # told like all others
                f"The worker on {socket.gethostname()} has bluepeace-gis {bluepeace_gis.__version__}, and "
                f"this run is of {order.package}. Install the same version on all workers."
            )
        return _task(order) if order.function else _checksums(order)
    except Withdrawn:
        reason, trace = "The run ended before this task.", ""
    except BluepeaceError as error:
        reason, trace = str(error), ""
    except BaseException as error:  # noqa: BLE001  # SystemExit, too, must not end a worker
        reason, trace = _reason(error, order), traceback.format_exc()[-_TRACE_LETTERS:]
    return Outcome(order.key, reason=reason, trace=trace)


def _reason(error: BaseException, order: Order) -> str:
    """Say in a sentence what a library said in its own way."""
    if _says_full(error):
        return _full(order, error)
    if isinstance(error, MemoryError):
        return (
            f"The memory was not enough, with {order.memory_mb:g} MB expected for this task. Let fewer run "
            "at once with a lower --memory-mb, or make the tiles smaller."
        )
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _full(order: Order, error: BaseException) -> str:
    return (
        f"The disk of {order.folder} is full ({type(error).__name__}). Free space on it and run again with "
        "--resume."
    )


def _says_full(error: BaseException) -> bool:
    causes = (error, error.__cause__, error.__context__)
    return bool({getattr(cause, "errno", None) for cause in causes} & {errno.ENOSPC, errno.EDQUOT})


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BELOW_BYTES
    except OSError:
        return False


def _checksums(order: Order) -> Outcome:
    return Outcome(order.key, checksums=tuple((file, _read(file, order)) for file in order.unread))


def _read(file: FileState, order: Order) -> str:
    _require_same((file,), order.name)
    found = checksum(file.path)
    _require_same((file,), order.name)
    return found


def _require_same(files: tuple[FileState, ...], name: str) -> None:
    """Refuse inputs that went away or changed since the run identified the task by them."""
    for file in files:
        try:
            now = state(file.path)
        except OSError as error:
            raise BadInput(
                f"{file.path}, an input of {name}, was taken away while the run went on "
                f"({error.strerror or error}). Bring it back and run again with --resume."
            ) from None
        if now != file:
            raise BadInput(
                f"{file.path}, an input of {name}, changed while the run went on. Wait until it is complete "
                "and run again with --resume."
            )


def _task(order: Order) -> Outcome:
    folder = Path(order.folder)
    _require_run(order, patience_s=MARK_PATIENCE_S)
    function = resolve(order.function)
    work = work_folder(folder, order.name)
    handle = _hold(work, order)
    try:
        disk.clear(work)
        _require_same(order.inputs, order.name)
        checksums = tuple((file, _read(file, order)) for file in order.unread)
        for output in order.outputs:
            if "/" in output:
                (work / output).parent.mkdir(parents=True, exist_ok=True)
        with tiles.threads_at_most(order.threads):
            result = _plain(function(dict(order.arguments), work), order)
        outputs = tuple(_stored(work / output, output, order) for output in order.outputs)
        _require_same(order.inputs, order.name)
        _require_run(order)
        _publish(work, folder, order.outputs)
    except Withdrawn:
        raise
    except Exception as error:
        # looked at before the room of the unfinished files is given back: GDAL and SQLite say no errno
        own = isinstance(error, BluepeaceError) and not isinstance(error, NotWritten)
        if not own and (_says_full(error) or _is_full(folder)):
            raise NotWritten(_full(order, error)) from error
        raise
    finally:
        disk.clear(work)
        disk.release(handle, work)
    return Outcome(order.key, outputs=outputs, checksums=checksums, result=result)


def _require_run(order: Order, *, patience_s: float = 0.0) -> None:
    mark = Path(order.folder) / RUN_FOLDER / order.token
    give_up = time.monotonic() + patience_s
    while True:
        try:
            # opened, not looked at: a network disk asks its server then, and not its own memory
            mark.open("rb").close()
        except OSError as error:
            if time.monotonic() >= give_up:
                raise Withdrawn from error
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def _hold(work: Path, order: Order) -> int:
    give_up = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            return disk.hold(work)
        except disk.Held as held:
            if time.monotonic() >= give_up:
                raise NotWritten(
                    f"An earlier run left {held.holder} behind, which still works on {order.name}. Wait "
                    "until it ends, or end it, and run again with --resume."
                ) from None
        time.sleep(_LOOK_AGAIN_S)


def _plain(result: Any, order: Order) -> Any:
    try:
        return json.loads(json.dumps(result, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{order.function} returned what is no JSON value: {error}") from error


def _stored(place: Path, output: str, order: Order) -> tuple[str, int, str]:
    """Put an output on the disk, and say what is there."""
    if not place.is_file():
        raise RuntimeError(f"{order.function} ended without writing {output}")
    unclosed = [ending for ending in disk.SQLITE_LEFTOVERS if place.with_name(place.name + ending).exists()]
    if unclosed:
        raise RuntimeError(f"{order.function} left {output} open, a database with its {unclosed[0]} file")
    disk.store(place)
    return output, place.stat().st_size, checksum(place)


def _publish(work: Path, folder: Path, outputs: tuple[str, ...]) -> None:
    """Give the outputs their names; all of them or, on any error, none."""
    named: list[Path] = []
    try:
        for output in outputs:
            goal = folder / output
            if "/" in output:
                goal.parent.mkdir(parents=True, exist_ok=True)
            disk.remove_leftovers(goal)
            if f"{output}.aux.xml" not in outputs:  # GDAL would take an older raster's for the new one's
                goal.with_name(goal.name + ".aux.xml").unlink(missing_ok=True)
            (work / output).replace(goal)
            named.append(goal)
    except OSError as error:
        for goal in named:
            with contextlib.suppress(OSError):
                goal.unlink()
        if isinstance(error, PermissionError):
            raise NotWritten(
                f"{goal} was not replaced: it is write-protected or open in another program. Close it there "
                "(in QGIS: remove the layer) and run again with --resume."
            ) from error
        raise


class _Ear(logging.Handler):
    """Keeps what one thread warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and len(self.heard) < _WARNINGS_KEPT:
            self.heard.append(record.getMessage())


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    logger = logging.getLogger("bluepeace_gis")
    ear = _Ear()
    logger.addHandler(ear)
    try:
        yield ear.heard
    finally:
        logger.removeHandler(ear)
