"""One run: what must be done, by whom, and what became of it."""

import contextlib
import logging
import os
import re
import secrets
import shutil
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import bluepeace_gis
from bluepeace_gis import disk
from bluepeace_gis.errors import BadInput, Cancelled, NotWritten, SomeFailed
from bluepeace_gis.jobs import executors, manifest, memory
from bluepeace_gis.jobs.attempts import RUN_FOLDER, Order, Outcome, work_folder
from bluepeace_gis.jobs.executors import Broken, Executor, Needs
from bluepeace_gis.jobs.manifest import Entry, Manifest, Record
from bluepeace_gis.jobs.tasks import FileState, Task, absolute, identify, require_distinct

log = logging.getLogger(__name__)

# How long to wait for outcomes before looking for Ctrl-C (Windows) and for workers that are gone.
_WAIT_S: Final = 0.2
# What a cancelled run leaves to tasks that are about to end; the command itself waits 5 s.
GRACE_S: Final = 2.0
_PROGRESS_EVERY_S: Final = 0.5
_TOLD: Final = 5  # failures told while the run goes on, and in its last sentence
# Small shared inputs are read for their checksums in one go up to this size and number.
_BATCH_BYTES: Final = 64 << 20
_BATCH_FILES: Final = 500
_TCP: Final = re.compile(r"tcp://\S+:\d+")


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Parameters
    ----------
    done : int
        Tasks done by this run.
    skipped : int
        Tasks done by an earlier run, and still valid.
    failed : [(name, reason), ...]
        In the order of the tasks.
    seconds : float
    left : int
        Tasks that ``retry_failed`` did not touch, because they have neither failed nor are they done.
    manifest : path
    results : {name: JSON value}
        What the functions returned, also in the earlier runs.
    """

    done: int
    skipped: int
    failed: list[tuple[str, str]]
    seconds: float
    left: int
    manifest: Path
    results: dict[str, Any] = field(default_factory=dict, repr=False)

    def require_all(self) -> None:
        """Raise unless every task is done.

        Raises
        ------
        SomeFailed
            With the first reasons and the way out.
        """
        total = self.done + self.skipped + self.left + len(self.failed)
        if self.failed:
            told = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in self.failed[:_TOLD])
            more = len(self.failed) - _TOLD
            rest = f"; and {more} more" if more > 0 else ""
            raise SomeFailed(
                f"{len(self.failed)} of {total} tasks failed: {told}{rest}. Mend the cause and run again "
                f"with --retry-failed; every reason is in {self.manifest}."
            )
        if self.left:
            raise SomeFailed(
                f"{self.left} of {total} tasks are not done, and --retry-failed runs only those that failed. "
                "Run again with --resume."
            )


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Parameters
    ----------
    tasks : int
    done : int
        Of them done and still valid, so that they would be skipped.
    todo : int
    left : int
        Neither done nor to be run, with ``retry_failed``.
    missing : ((name, reason), ...)
        Tasks that would fail because an input is not there.
    at_once : int
        Tasks under way together, as far as that is known before the workers are.
    memory_mb : float
        Expected for those.
    disk_mb, free_mb : float
        Expected for what is to be done, and what the disk has left.
    """

    tasks: int
    done: int
    todo: int
    left: int
    missing: tuple[tuple[str, str], ...]
    at_once: int
    memory_mb: float
    disk_mb: float
    free_mb: float

    @property
    def sentences(self) -> tuple[str, ...]:
        """The plan in words."""
        lines = [f"{self.tasks} tasks: {self.todo} to do, {self.done} done and still valid."]
        if self.left:
            lines.append(f"{self.left} are not done and left alone: --resume takes them too.")
        lines.append(f"{self.at_once} at once, with about {self.memory_mb:,.0f} MB beside the libraries.")
        lines.append(f"About {self.disk_mb:,.0f} MB of disk for outputs; {self.free_mb:,.0f} MB are free.")
        lines += [reason for _, reason in self.missing[:_TOLD]]
        if len(self.missing) > _TOLD:
            lines.append(f"{len(self.missing) - _TOLD} more tasks lack an input.")
        return tuple(lines)


def plan(
    tasks: Sequence[Task],
    *,
    folder: Path | str,
    executor: str = "threads",
    memory_mb: float | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    workers: int | None = None,
) -> Plan:
    """Say what :func:`run` would do with the same arguments, without doing any of it.

    Parameters
    ----------
    tasks, folder, executor, memory_mb, resume, retry_failed, workers
        As for :func:`run`; but tasks of a later run may be among them, whose inputs are outputs of
        others: they are to be done if those are.

    Returns
    -------
    Plan

    Raises
    ------
    BadInput
        If tasks would write over each other, or the folder's manifest is none.
    """
    _require(tasks, executor, memory_mb, workers)
    place = absolute(folder)
    cases = _chained(tasks, place, resume=resume, retry_failed=retry_failed)
    todo = [case.task for case in cases if case.fate == "todo"]
    needs = _needs(todo, memory_mb, workers)
    room_mb = memory.free_mb() if memory_mb is None else memory_mb
    at_once = needs.at_once(workers or memory.cores(), room_mb, needs.mean_mb) if todo else 0
    return Plan(
        tasks=len(cases),
        done=sum(case.fate == "skip" for case in cases),
        todo=len(todo),
        left=sum(case.fate == "leave" for case in cases),
        missing=tuple((case.task.name, case.reason) for case in cases if case.fate == "fail"),
        at_once=at_once,
        memory_mb=sum(sorted((task.memory_mb for task in todo), reverse=True)[:at_once]),
        disk_mb=sum(task.disk_mb for task in todo),
        free_mb=_free_disk_mb(place),
    )


def run(
    tasks: Sequence[Task],
    *,
    folder: Path | str,
    executor: str = "threads",
    memory_mb: float | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    workers: int | None = None,
    unit: str = "tasks",
    span: tuple[float, float] = (0.0, 1.0),
) -> Summary:
    """Do tasks, several at once, so that whatever happens the next run completes them.

    Parameters
    ----------
    tasks : [Task, ...]
    folder : path
        Where outputs, manifest and working folders stand; held for this run alone.
    executor : str
        ``threads``, ``processes``, or the address of a dask scheduler, ``tcp://host:port``.
    memory_mb : float, optional
        Bound on the resident memory of the whole program (on a cluster: of each worker), kept by
        letting fewer tasks run at once, by their estimates. By default what the machine has free.
    resume : bool
        Skip tasks that are done and still valid: same id, and outputs whose size and checksum are
        those recorded. All outputs are read for that. What failed is tried again.
    retry_failed : bool
        Run only what failed; with ``resume``, that adds nothing. Outputs of the others are looked at
        by their size only.
    workers : int, optional
        At most so many tasks at once; by default one for each core, or what the scheduler has.
    unit : str
        What the tasks are, for the progress: tiles, say.
    span : (float, float)
        The shares of the whole work, 0..1, between which this run is told to be.

    Returns
    -------
    Summary
        Failures are listed in it; ``require_all`` raises for them.

    Raises
    ------
    BadInput
        If tasks would write over each other, one is larger than the memory allowed, the executor is
        none or does not answer, or the folder's manifest is none.
    NotWritten
        If another run works in the folder, or it cannot be written.
    Cancelled
        After Ctrl-C or a cancel; what is done by then stays, and ``resume`` goes on from there.

    Notes
    -----
    Without ``resume`` and ``retry_failed`` all tasks are done afresh. An output that an earlier run
    made for a task of the same name but another id is removed before that task begins; a file that no
    run made stays until the task has something to put in its place.
    """
    _require(tasks, executor, memory_mb, workers)
    started = time.monotonic()
    place = absolute(folder)
    with _held(place) as token:
        record = manifest.read(place)
        _sweep(place, {task.name for task in tasks} | record.entries.keys())
        cases = _cases(tasks, place, record, resume=resume, retry_failed=retry_failed)
        with Manifest(place, record) as book:
            going = _Run(place, token, cases, record, book, unit, span)
            going.do(executor, _needs([case.task for case in going.todo], memory_mb, workers))
            return going.summary(time.monotonic() - started)


def _require(tasks: Sequence[Task], executor: str, memory_mb: float | None, workers: int | None) -> None:
    if executor not in {"threads", "processes"} and not _TCP.fullmatch(executor):
        raise BadInput(
            f"--executor is {executor!r}; expected threads, processes, or the address of a dask scheduler "
            "such as tcp://10.0.0.5:8786."
        )
    if memory_mb is not None and not 0 < memory_mb < float("inf"):
        raise BadInput(f"--memory-mb is {memory_mb:g}; expected a number of megabytes above 0.")
    if workers is not None and workers < 1:
        raise BadInput(f"The number of workers is {workers}; expected 1 or more.")
    require_distinct(tasks)


def _needs(todo: Sequence[Task], memory_mb: float | None, workers: int | None) -> Needs:
    largest = max(todo, key=lambda task: task.memory_mb, default=None)
    return Needs(
        functions=tuple(dict.fromkeys(task.function for task in todo)),
        count=len(todo),
        largest_mb=largest.memory_mb if largest else 0.0,
        mean_mb=sum(task.memory_mb for task in todo) / len(todo) if todo else 0.0,
        largest=largest.name if largest else "",
        memory_mb=memory_mb,
        workers=workers,
    )


def _free_disk_mb(folder: Path) -> float:
    place = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(place).free / memory.MB


# The folder


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[str]:
    """Hold the folder for this run and give its mark, which vanishes when the run ends."""
    place = folder / RUN_FOLDER
    try:
        handle = disk.hold(place)
    except disk.Held as held:
        raise NotWritten(
            f"Another run works in {folder} ({held.holder}). Wait until it ends or choose another folder."
        ) from None
    except OSError as error:
        raise NotWritten(
            f"{folder} cannot be written to: {error.strerror or error}. Choose another folder, or mend that."
        ) from error
    token = secrets.token_hex(8)
    try:
        disk.clear(place)
        try:
            (place / token).touch()
        except OSError as error:
            raise NotWritten(
                f"{folder} cannot be written to: {error.strerror or error}. Free space on its disk."
            ) from error
        yield token
    finally:
        disk.clear(place)
        disk.release(handle, place)


def _sweep(folder: Path, names: set[str]) -> None:
    """Remove the working folders that dead processes left behind."""
    known = {work_folder(folder, name) for name in names}
    with os.scandir(folder) as places:
        left = [Path(place.path) for place in places if place.is_dir(follow_symlinks=False)]
    for work in left:
        if work in known:
            _clean(work)


def _clean(work: Path) -> None:
    """Remove a working folder unless it is held, by a worker left behind or for another product."""
    if work.is_dir():
        with contextlib.suppress(disk.Held, OSError):
            handle = disk.hold(work)
            disk.clear(work)
            disk.release(handle, work)


# What must be done


@dataclass(frozen=True)
class _Case:
    """A task, and what this run does about it."""

    task: Task
    fate: Literal["todo", "skip", "leave", "fail"]
    id: str = ""
    inputs: tuple[FileState, ...] = ()
    reason: str = ""


def _chained(tasks: Sequence[Task], folder: Path, *, resume: bool, retry_failed: bool) -> list[_Case]:
    """Say what must be done of tasks of which some read what others write."""
    record = manifest.read(folder)
    makers = {str(folder / output): task for task in tasks for output in task.outputs}
    cases: dict[str, _Case] = {}
    waiting = list(tasks)
    while waiting:
        left = {task.name for task in waiting}
        wave = [
            task
            for task in waiting
            if not any(str(path) in makers and makers[str(path)].name in left for path in task.inputs)
        ]
        wave = wave or waiting  # they wait for each other: their inputs decide
        # what is still to be written has no size and no time yet
        to_come = {
            path: ()
            for path, maker in makers.items()
            if maker.name in cases and cases[maker.name].fate == "todo"
        }
        found = _cases(wave, folder, record, resume=resume, retry_failed=retry_failed, to_come=to_come)
        for case in found:
            depends = any(str(path) in to_come for path in case.task.inputs)
            cases[case.task.name] = replace(case, fate="todo") if depends and case.fate != "fail" else case
        waiting = [task for task in waiting if task.name not in cases]
    return [cases[task.name] for task in tasks]


def _cases(
    tasks: Sequence[Task],
    folder: Path,
    record: Record,
    *,
    resume: bool,
    retry_failed: bool,
    to_come: Mapping[str, tuple[FileState, ...]] | None = None,
) -> list[_Case]:
    seen: dict[str, tuple[FileState, ...]] = dict(to_come or {})
    cases = [_case(task, record.entries.get(task.name), seen) for task in tasks]
    if not (resume or retry_failed):
        return cases
    entries = {
        case.task.name: entry
        for case in cases
        if case.fate == "todo" and (entry := record.entries.get(case.task.name)) is not None
    }
    claimed = [
        case
        for case in cases
        if (entry := entries.get(case.task.name)) is not None
        and entry.state == "done"
        and entry.id == case.id
        and entry.outputs.keys() == set(case.task.outputs)
    ]
    valid = _still_valid([entries[case.task.name] for case in claimed], folder, read_back=resume)
    fates: list[_Case] = []
    for case in cases:
        entry = entries.get(case.task.name)
        if case.task.name in valid:
            fates.append(_Case(case.task, "skip", case.id, case.inputs))
        elif case.fate == "todo" and not resume and (entry is None or entry.state != "failed"):
            fates.append(_Case(case.task, "leave", case.id, case.inputs))
        else:
            fates.append(case)
    return fates


def _case(task: Task, entry: Entry | None, seen: dict[str, tuple[FileState, ...]]) -> _Case:
    try:
        identity, inputs = identify(task, seen)
    except BadInput as error:
        return _Case(task, "fail", entry.id if entry else "", reason=str(error))
    return _Case(task, "todo", identity, inputs)


def _still_valid(entries: Sequence[Entry], folder: Path, *, read_back: bool) -> set[str]:
    """Return the names of those whose outputs are as recorded; files are read by several threads."""
    if entries and read_back:
        size_mb = sum(size for entry in entries for size, _ in entry.outputs.values()) / memory.MB
        log.info("reading back %d outputs, %.0f MB", len(entries), size_mb, extra={"done": 0.0})
    with ThreadPoolExecutor(memory.cores()) as pool:
        good = pool.map(lambda entry: manifest.in_place(entry, folder, read_back=read_back), entries)
        return {entry.name for entry, valid in zip(entries, good, strict=True) if valid}


# The run


class _Run:
    """What waits, what is under way, and what has ended."""

    def __init__(
        self,
        folder: Path,
        token: str,
        cases: list[_Case],
        record: Record,
        book: Manifest,
        unit: str,
        span: tuple[float, float],
    ) -> None:
        self.todo = [case for case in cases if case.fate == "todo"]
        self._folder, self._token, self._book, self._unit = folder, token, book, unit
        self._span = span
        self._cases = cases
        self._record = record
        self._checksums = record.checksums
        self._troubles: dict[FileState, str] = {}
        self._failed: dict[str, str] = {}
        self._results = {
            case.task.name: record.entries[case.task.name].result for case in cases if case.fate == "skip"
        }
        self._done = 0
        self._waiting: deque[_Case | tuple[FileState, ...]] = deque()
        self._under_way: dict[int, _Case | tuple[FileState, ...]] = {}
        self._under_way_mb = 0.0
        self._unbooked: list[tuple[_Case, Outcome]] = []
        self._next_key = 0
        self._started = self._told = time.monotonic()

    def do(self, kind: str, needs: Needs) -> None:
        """Do what is to be done; when stopped, say so in the manifest."""
        self._book.run(
            self._token,
            "started",
            version=bluepeace_gis.__version__,
            executor=kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            tasks=len(self._cases),
            todo=len(self.todo),
        )
        for case in self._cases:
            if case.fate == "fail":
                self._fail(case, Outcome(-1, reason=case.reason))
        if self.todo:
            try:
                self._do(kind, needs)
            except BaseException as stop:
                self._book.run(self._token, "stopped", done=self._done, failed=len(self._failed))
                if not isinstance(stop, KeyboardInterrupt | Cancelled):
                    raise
                raise Cancelled(
                    f"Stopped after {self._done} of {len(self.todo)} {self._unit}. What is done stays in "
                    f"{self._folder}; run again with --resume for the rest."
                ) from stop
        self._store_folders()
        self._book.run(self._token, "ended", done=self._done, failed=len(self._failed))

    def _do(self, kind: str, needs: Needs) -> None:
        self._warn_of_disk()
        for case in self.todo:
            self._book.tell(case.task.name, case.id, "queued")
        self._waiting.extend(self._steps())
        try:
            executor = self._start(kind, needs)
        except Broken as broken:
            self._give_up(str(broken))
            return
        try:
            while self._waiting or self._under_way:
                self._hand_out(executor)
                self._take(executor.collect(_WAIT_S))
        except Broken as broken:
            self._give_up(str(broken))
        except BaseException:
            self._abandon(executor)
            raise
        executor.stop(GRACE_S)

    def _start(self, kind: str, needs: Needs) -> Executor:
        if kind in {"threads", "processes"}:
            return executors.start(needs, kind)
        from bluepeace_gis.jobs.cluster import Cluster  # noqa: PLC0415  # needed by few

        return Cluster(needs, kind, self._folder, self._token)

    def _warn_of_disk(self) -> None:
        expected_mb = sum(case.task.disk_mb for case in self.todo)
        free_mb = _free_disk_mb(self._folder)
        if expected_mb > free_mb:
            log.warning(
                "The outputs need about %.0f MB, and the disk of %s has %.0f MB left: some tasks may fail.",
                expected_mb,
                self._folder,
                free_mb,
            )

    def _steps(self) -> Iterator[_Case | tuple[FileState, ...]]:
        """Yield the tasks in order, each after the checksums of inputs that it shares with others."""
        uses = Counter(file for case in self.todo for file in case.inputs)
        shared = {file for file, count in uses.items() if count > 1 and file not in self._checksums}
        read: set[FileState] = set()
        for case in self.todo:
            new = [file for file in case.inputs if file in shared and file not in read]
            read.update(new)
            yield from _batches(new)
            yield case
        self._shared = shared

    def _hand_out(self, executor: Executor) -> None:
        while self._waiting and len(self._under_way) < executor.places:
            step = self._waiting[0]
            memory_mb = step.task.memory_mb if isinstance(step, _Case) else 0.0
            if self._under_way_mb and self._under_way_mb + memory_mb > executor.room_mb:
                return  # strictly in order: else a large task would wait for ever
            self._waiting.popleft()
            self._under_way_mb += memory_mb
            key = self._next_key = self._next_key + 1
            self._under_way[key] = step
            if isinstance(step, _Case):
                self._withdraw(step)
                self._book.tell(step.task.name, step.id, "running")
                executor.submit(self._order(key, step, executor.threads))
            else:
                executor.submit(Order(key, *self._where(), name="a checksum", unread=step))

    def _where(self) -> tuple[str, str, str]:
        return str(self._folder), self._token, bluepeace_gis.__version__

    def _order(self, key: int, case: _Case, threads: int) -> Order:
        unread = (file for file in case.inputs if file not in self._checksums and file not in self._shared)
        return Order(
            key,
            *self._where(),
            name=case.task.name,
            function=case.task.function,
            arguments=dict(case.task.arguments),
            outputs=tuple(case.task.outputs),
            memory_mb=case.task.memory_mb,
            inputs=case.inputs,
            unread=tuple(unread),
            threads=threads,
        )

    def _withdraw(self, case: _Case) -> None:
        """Remove what an earlier run made under these names for another question."""
        made = self._record.made.get(case.task.name)
        if made is not None and made.id != case.id:
            for output in made.outputs:
                with contextlib.suppress(OSError):
                    (self._folder / output).unlink()

    def _take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            step = self._under_way.pop(outcome.key)
            if isinstance(step, _Case):
                self._under_way_mb -= step.task.memory_mb
            if not self._under_way:
                self._under_way_mb = 0.0  # sums of fractions do not come back to nothing
            self._checksums.update(outcome.checksums)
            if not isinstance(step, _Case):
                self._troubles.update((file, outcome.reason) for file in step if outcome.reason)
            elif outcome.reason:
                self._fail(step, outcome)
            else:
                self._unbooked.append((step, outcome))
        self._book_done()
        if outcomes:
            self._tell()

    def _book_done(self) -> None:
        """Write down what is done, once the checksums of all its inputs are there."""
        waiting = []
        for case, outcome in self._unbooked:
            trouble = next((self._troubles[file] for file in case.inputs if file in self._troubles), "")
            if trouble:
                for output in case.task.outputs:
                    (self._folder / output).unlink(missing_ok=True)
                self._fail(case, Outcome(outcome.key, reason=trouble))
            elif all(file in self._checksums for file in case.inputs):
                self._succeed(case, outcome)
            else:
                waiting.append((case, outcome))
        self._unbooked = waiting

    def _succeed(self, case: _Case, outcome: Outcome) -> None:
        self._done += 1
        self._results[case.task.name] = outcome.result
        self._book.tell(
            case.task.name,
            case.id,
            "done",
            **_circumstances(outcome),
            inputs=[self._book.number(file, self._checksums[file]) for file in case.inputs],
            outputs=[
                {"path": path, "bytes": size, "sha256": digest} for path, size, digest in outcome.outputs
            ],
            **({} if outcome.result is None else {"result": outcome.result}),
        )
        self._pass_on(case, outcome)

    def _fail(self, case: _Case, outcome: Outcome) -> None:
        self._failed[case.task.name] = outcome.reason
        _clean(work_folder(self._folder, case.task.name))  # what a dead worker left takes room on the disk
        self._book.tell(
            case.task.name,
            case.id,
            "failed",
            reason=outcome.reason,
            **(_circumstances(outcome) if outcome.pid else {}),
            **({"trace": outcome.trace} if outcome.trace else {}),
        )
        self._pass_on(case, outcome)
        if len(self._failed) <= _TOLD:
            log.warning("%s failed: %s", case.task.name, outcome.reason)
        elif len(self._failed) == _TOLD + 1:
            log.warning("More than %d %s failed; the others are in %s.", _TOLD, self._unit, self._book.path)

    def _pass_on(self, case: _Case, outcome: Outcome) -> None:
        """Repeat here what a task warned of in another process."""
        if (outcome.host, outcome.pid) != (socket.gethostname(), os.getpid()):
            for warning in outcome.warnings:
                log.warning("%s: %s", case.task.name, warning)

    def _tell(self) -> None:
        ended = self._done + len(self._failed)
        now = time.monotonic()
        if now - self._told < _PROGRESS_EVERY_S and (self._waiting or self._under_way):
            return
        self._told = now
        per_minute = self._done / max(now - self._started, 1e-6) * 60
        total = len(self.todo) + sum(case.fate == "fail" for case in self._cases)
        begin, end = self._span
        share = begin + (end - begin) * ended / total
        log.info("%d of %d %s, %s/min", ended, total, self._unit, _rate(per_minute), extra={"done": share})

    def _give_up(self, reason: str) -> None:
        """Fail all that waits or is under way: nobody is left to do it."""
        steps = [*self._under_way.values(), *self._waiting]
        self._under_way.clear()
        self._waiting.clear()
        for step in steps:
            if isinstance(step, _Case):
                self._fail(step, Outcome(-1, reason=reason))
        for case, outcome in self._unbooked:
            self._fail(case, Outcome(outcome.key, reason=reason))

    def _abandon(self, executor: Executor) -> None:
        """End the executor; what still ends well counts, the rest is written down as stopped."""
        with contextlib.suppress(KeyboardInterrupt, Cancelled):  # pressed again: at once, then
            self._take([outcome for outcome in executor.stop(GRACE_S) if not outcome.reason])
        (self._folder / RUN_FOLDER / self._token).unlink(missing_ok=True)  # who still works withdraws
        executor.stop(0.0)
        stopped = [step for step in self._under_way.values() if isinstance(step, _Case)]
        for case in [*stopped, *(case for case, _ in self._unbooked)]:
            self._book.tell(case.task.name, case.id, "failed", reason="Stopped before its end.")
        _sweep(self._folder, {case.task.name for case in stopped})

    def _store_folders(self) -> None:
        """Put the names of all outputs on the disk, once a run and not once a task."""
        for folder in {(self._folder / output).parent for case in self.todo for output in case.task.outputs}:
            if folder.is_dir():
                disk.store_folder(folder)

    def summary(self, seconds: float) -> Summary:
        """Count what became of the tasks."""
        fates = Counter(case.fate for case in self._cases)
        order = [case.task.name for case in self._cases]
        return Summary(
            done=self._done,
            skipped=fates["skip"],
            failed=[(name, self._failed[name]) for name in order if name in self._failed],
            seconds=seconds,
            left=fates["leave"],
            manifest=self._book.path,
            results={name: self._results[name] for name in order if name in self._results},
        )


def _batches(files: list[FileState]) -> Iterator[tuple[FileState, ...]]:
    """Put small files together, so that one order is worth its way."""
    batch: list[FileState] = []
    size = 0
    for file in files:
        if batch and (size + file.size > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield tuple(batch)


def _circumstances(outcome: Outcome) -> dict[str, Any]:
    told = {
        "seconds": round(outcome.seconds, 4),
        "host": outcome.host,
        "pid": outcome.pid,
        "bytes": sum(size for _, size, _ in outcome.outputs),
        "peak_memory_mb": round(outcome.peak_mb, 1),
    }
    return told | ({"warnings": list(outcome.warnings)} if outcome.warnings else {})


def _rate(per_minute: float) -> str:
    return f"{per_minute:,.0f}" if per_minute >= 10 else f"{per_minute:.1f}"
