"""What became of each task: ``manifest.jsonl`` in the run's folder, one line an event, only ever longer.

Lines of four kinds, told apart by their first key::

    {"run": ..., "event": "started" | "ended" | "stopped", ...}       a run, with its version and counts
    {"task": ..., "id": ..., "state": "queued" | "running", ...}
    {"task": ..., "state": "done", "inputs": [0, 1], "outputs": [{"path", "bytes", "sha256"}], ...}
    {"task": ..., "state": "failed", "reason": ...}
    {"input": 0, "path": ..., "bytes": ..., "mtime_ns": ..., "sha256": ...}   numbered: tiles share scenes

The run alone writes it, each line by one write, so that others may read it meanwhile. A line torn by a
power cut or a full disk is passed over, and the task it told of counts as not done.
"""

import contextlib
import datetime as dt
import errno
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from bluepeace_gis.errors import BadInput, NotWritten
from bluepeace_gis.jobs.tasks import FileState, checksum

log = logging.getLogger(__name__)

NAME: Final = "manifest.jsonl"

State = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class Entry:
    """The last word on one task.

    Parameters
    ----------
    name, id : str
    state : str
    outputs : {path: (bytes, checksum)}
        Empty unless done.
    inputs : ((FileState, checksum), ...)
        Empty unless done.
    result : JSON value
    reason : str
        Why it failed.
    line : {key: value}
        Everything the line says: seconds, host, pid, peak_memory_mb.
    """

    name: str
    id: str
    state: State
    outputs: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    inputs: tuple[tuple[FileState, str], ...] = ()
    result: Any = None
    reason: str = ""
    line: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Record:
    """What a manifest says.

    Parameters
    ----------
    entries : {name: Entry}
        The last word on each task.
    made : {name: outputs}
        What each task left behind when it was last done, whatever came later.
    checksums : {FileState: checksum}
        Of all inputs ever read.
    inputs : {number: FileState}
        As the lines name them.
    runs : list of dict
        The lines on runs.
    torn : int
        Lines that could not be read.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    made: dict[str, Entry] = field(default_factory=dict)
    checksums: dict[FileState, str] = field(default_factory=dict)
    inputs: dict[int, FileState] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    torn: int = 0


def read(folder: Path | str) -> Record:
    """Read the manifest of a run's folder, also while a run writes it.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Record
        Empty without a manifest.

    Raises
    ------
    BadInput
        If the file of that name is none, or may not be read.
    """
    path = Path(folder) / NAME
    record = Record()
    try:
        with path.open("rb") as file:
            for line in file:
                _take(line, record)
    except FileNotFoundError:
        return record
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}. Make it readable.") from error
    if record.torn and not (record.entries or record.runs):
        raise BadInput(f"{path} is no manifest of a run. Move it away, or choose another folder for the run.")
    return record


def _take(line: bytes, record: Record) -> None:
    try:
        told = json.loads(line)
        if "task" in told:
            entry = _entry(told, record)
            record.entries[entry.name] = entry
            if entry.state == "done":
                record.made[entry.name] = entry
        elif "input" in told:
            file = FileState(told["path"], told["bytes"], told["mtime_ns"])
            record.inputs[told["input"]] = file
            record.checksums[file] = told["sha256"]
        else:
            record.runs.append({"run": told["run"], **told})
    except (ValueError, KeyError, TypeError, AttributeError):
        record.torn += bool(line.strip())


def _entry(told: dict[str, Any], record: Record) -> Entry:
    files = [record.inputs[number] for number in told.get("inputs", ())]
    return Entry(
        name=told["task"],
        id=told["id"],
        state=told["state"],
        outputs={output["path"]: (output["bytes"], output["sha256"]) for output in told.get("outputs", ())},
        inputs=tuple((file, record.checksums[file]) for file in files),
        result=told.get("result"),
        reason=told.get("reason", ""),
        line=told,
    )


def in_place(entry: Entry, folder: Path, *, read_back: bool) -> bool:
    """Tell whether the outputs of a task that is done stand where they were put, as they were.

    Parameters
    ----------
    entry : Entry
    folder : path
    read_back : bool
        Compare checksums, which costs as much time as reading the files, and not only sizes.

    Returns
    -------
    bool
    """
    try:
        return entry.state == "done" and all(
            (folder / path).stat().st_size == size and (not read_back or checksum(folder / path) == digest)
            for path, (size, digest) in entry.outputs.items()
        )
    except OSError:
        return False


class Manifest:
    """The manifest of a folder, open for one run to add to.

    Parameters
    ----------
    folder : path
        Held by this run.
    record : Record
        What it says so far.

    Raises
    ------
    NotWritten
        If it cannot be opened.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        self.path = folder / NAME
        self._numbers = {file: number for number, file in record.inputs.items()}
        self._next = max(record.inputs, default=-1) + 1
        self._unwritten: list[bytes] = []
        try:
            how = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)  # Windows has texts
            self._file = os.open(self.path, how, 0o666)
        except OSError as error:
            raise NotWritten(
                f"{self.path} cannot be written: {error.strerror or error}. Choose another folder, or ask "
                "its owner for the right to write."
            ) from error
        end = os.lseek(self._file, 0, os.SEEK_END)
        os.lseek(self._file, max(end - 1, 0), os.SEEK_SET)
        self._torn = end > 0 and os.read(self._file, 1) != b"\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write(())
            with contextlib.suppress(OSError):
                os.fsync(self._file)
        finally:
            os.close(self._file)
        if self._unwritten:
            log.warning(
                "%s lacks %d lines, because its disk is full: what they tell of is done again by --resume.",
                self.path,
                len(self._unwritten),
            )

    def run(self, token: str, event: str, **more: Any) -> None:
        """Add a line on the run itself."""
        self._write([{"run": token, "event": event, "time": _now(), **more}])

    def tell(self, name: str, identity: str, state: State, **more: Any) -> None:
        """Add a line on a task."""
        self._write([{"task": name, "id": identity, "state": state, "time": _now(), **more}])

    def number(self, file: FileState, digest: str) -> int:
        """Return the number of an input, adding the line that explains it where there is none."""
        if file not in self._numbers:
            self._numbers[file] = self._next
            self._next += 1
            told = {"input": self._numbers[file], "path": file.path, "bytes": file.size}
            self._write([{**told, "mtime_ns": file.mtime_ns, "sha256": digest}])
        return self._numbers[file]

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write lines in order, each by one write; on a full disk keep them for a better moment."""
        self._unwritten += map(_encoded, lines)
        for line in _taken_from(self._unwritten):
            whole = b"\n" + line if self._torn else line
            try:
                written = os.write(self._file, whole)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise
                written = 0
            if written < len(whole):
                self._torn = self._torn or written > 0
                self._unwritten.insert(0, line)
                return
            self._torn = False


def _encoded(line: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        text = json.dumps(line, allow_nan=False).encode()
    return text + b"\n"


def _taken_from(lines: list[bytes]) -> Iterator[bytes]:
    while lines:
        yield lines.pop(0)


def _now() -> str:
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
