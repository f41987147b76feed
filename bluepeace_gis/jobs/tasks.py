"""What a task is, and by what two tasks are the same."""

import hashlib
import importlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import bluepeace_gis
from bluepeace_gis.errors import BadInput

_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# No letter that a file system of Windows refuses, and no point or space in front.
_PART: Final = re.compile(r"[^\s.\\/:*?\"<>|\x00-\x1f][^\\/:*?\"<>|\x00-\x1f]*")
# File systems take 255 bytes; ".NAME.work" and endings such as ".tif.aux.xml" must go in too.
_NAME_BYTES: Final = 200

Function = Callable[[dict[str, Any], Path], Any]


class FileState(NamedTuple):
    """A file as it stood at one moment; one that was changed has another size or time."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Task:
    """One piece of work: a function, its arguments, the files it reads and those it makes.

    Parameters
    ----------
    name : str
        Unique in a run; its working folder is ``.NAME.work`` in the run's folder.
    function : str
        ``package.module:function``, so that it travels to other processes and machines. It is called
        as ``function(arguments, work)`` and writes its outputs into the folder ``work``. What it
        returns, a JSON value such as the sums of a tile, is kept in the manifest.
    arguments : {name: JSON value}
        Everything the result depends on except the content of ``inputs``.
    inputs : paths
        Files, or folders with all that is in them.
    outputs : (str, ...)
        Paths relative to the run's folder, with ``/``; the function writes the same paths below
        ``work``.
    memory_mb, disk_mb : float
        Estimates: what it needs at its peak, beside the libraries; what its outputs take.
    version : str
        Of the method: raise it when the function would give another result.

    Raises
    ------
    BadInput
        If a name cannot be a file's name everywhere or leads out of the run's folder.
    TypeError
        If an argument is no JSON value, or the function is not named by its import path.
    """

    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Path | str] = ()
    outputs: Sequence[str] = ()
    memory_mb: float = 256.0
    disk_mb: float = 0.0
    version: str = "1"

    def __post_init__(self) -> None:
        _require_name(self.name, f"The name of a task is {self.name!r}")
        if not _FUNCTION.fullmatch(self.function):
            raise TypeError(
                f"{self.name}: {self.function!r} is no import path; write package.module:function"
            )
        for estimate in (self.memory_mb, self.disk_mb):
            if not (math.isfinite(estimate) and estimate >= 0):
                raise ValueError(f"{self.name}: an estimate of {estimate} MB; expected 0 or more")
        for output in self.outputs:
            for part in output.split("/"):
                _require_name(part, f"{self.name} would write {output!r}")
        try:
            text = json.dumps(dict(self.arguments), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self.name}: its arguments are no JSON values ({error})") from error
        object.__setattr__(self, "arguments", json.loads(text))  # nobody changes them from outside
        object.__setattr__(self, "inputs", tuple(str(absolute(path)) for path in self.inputs))
        object.__setattr__(self, "outputs", tuple(PurePosixPath(path).as_posix() for path in self.outputs))

    @property
    def id(self) -> str:
        """Hash of function, arguments, inputs as they stand now, outputs, method and package version.

        An input counts by its absolute path, size and time of change: moving a folder of inputs
        changes the ids, and so does touching a file.

        Raises
        ------
        BadInput
            If an input is not there.
        """
        return identify(self, {})[0]


def identify(task: Task, seen: dict[str, tuple[FileState, ...]]) -> tuple[str, tuple[FileState, ...]]:
    """Return the id of a task and the files it reads.

    Parameters
    ----------
    task : Task
    seen : {path: files}
        What was looked at before; thousands of tiles of one stack share their scenes.

    Returns
    -------
    str, (FileState, ...)

    Raises
    ------
    BadInput
        If an input is not there or may not be looked at.
    """
    files: list[FileState] = []
    for path in map(str, task.inputs):
        if path not in seen:
            seen[path] = _look(path, task.name)
        files += seen[path]
    stated = {
        "function": task.function,
        "arguments": task.arguments,
        "inputs": [task.inputs, files],
        "outputs": task.outputs,
        "method": task.version,
        "version": bluepeace_gis.__version__,
    }
    text = json.dumps(stated, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest(), tuple(dict.fromkeys(files))


def _look(path: str, name: str) -> tuple[FileState, ...]:
    try:
        if not Path(path).is_dir():
            return (state(path),)
        walk = os.walk(path, onerror=_refuse)
        return tuple(map(state, sorted(str(Path(top, file)) for top, _, files in walk for file in files)))
    except FileNotFoundError:
        raise BadInput(
            f"{path}, an input of {name}, is not there. Bring it back, or take it off the list."
        ) from None
    except OSError as error:
        raise BadInput(
            f"{path}, an input of {name}, cannot be read: {error.strerror or error}. Make it readable, or "
            "take it off the list."
        ) from error


def _refuse(error: OSError) -> None:
    raise error


def absolute(path: Path | str) -> Path:
    """Name a path from the root, links as they are: other machines may lead them elsewhere."""
    return Path(os.path.abspath(path))  # noqa: PTH100  # resolve() follows links, absolute() keeps ..


def state(path: str) -> FileState:
    """Look at a file.

    Parameters
    ----------
    path : str

    Returns
    -------
    FileState

    Raises
    ------
    OSError
        If it is not there.
    """
    found = Path(path).stat()
    return FileState(path, found.st_size, found.st_mtime_ns)


def checksum(path: Path | str) -> str:
    """Compute the SHA-256 of a file in hexadecimal; it costs as much time as reading the file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve(function: str) -> Function:
    """Import a task's function.

    Parameters
    ----------
    function : str
        ``package.module:function``

    Returns
    -------
    callable

    Raises
    ------
    ImportError
        If the module or the function in it is not there.
    """
    module, _, name = function.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise ImportError(f"{module} has no function {name}")  # noqa: TRY004  # as `from m import f` does
    return found  # type: ignore[no-any-return]  # its shape is the contract of Task


def require_distinct(tasks: Iterable[Task]) -> None:
    """Refuse tasks that would write over each other.

    Parameters
    ----------
    tasks : Task, ...

    Raises
    ------
    BadInput
        Naming both.
    """
    names: dict[str, str] = {}  # one name on Windows and macOS, whatever the case of its letters
    writers: dict[str, str] = {}
    for task in tasks:
        if (key := task.name.casefold()) in names:
            raise BadInput(
                f"Two tasks are called {names[key]!r} and {task.name!r}. Give every task a name of its own, "
                "whatever the case of its letters."
            )
        names[key] = task.name
        for output in task.outputs:
            if (key := output.casefold()) in writers:
                raise BadInput(
                    f"{writers[key]} and {task.name} would both write {output}. Give every output one task."
                )
            writers[key] = task.name
    for output, writer in writers.items():
        for folder in map(str, PurePosixPath(output).parents):
            if folder in writers:
                raise BadInput(
                    f"{writers[folder]} would write the file {folder}, and {writer} files in a "
                    "folder of that name. Rename one of them."
                )


def _require_name(name: str, found: str) -> None:
    if not _PART.fullmatch(name) or len(name.encode()) > _NAME_BYTES or name.endswith((" ", ".")):
        raise BadInput(
            f"{found}; expected names of files that every system takes: up to {_NAME_BYTES} bytes, none of "
            '\\ / : * ? " < > | in it, no point or space in front or at the end. Rename what it is made from.'
        )
