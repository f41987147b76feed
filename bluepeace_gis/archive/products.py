"""A product's name appears only when the product is complete.

A run killed while it writes leaves a GeoTIFF that opens and reads zeros, so "the file exists" must
mean "the file is right". Steps therefore write into ``.NAME.work/`` beside the target; each writer
reads back what it wrote; then all files are renamed into place, the main one last. An error, Ctrl-C
or a cancel removes the working folder; after ``kill -9`` it stays, and the next run clears it. An
exclusive lock, which the operating system releases when its process dies, keeps two runs apart.
"""

import contextlib
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bluepeace_gis import disk
from bluepeace_gis.errors import NotWritten

LOCK = disk.LOCK
PREVIOUS = ".previous"
PLACE: Final = "place"  # what a writer that knows no option says another one of shall be chosen
# Of a product's name: ".NAME.bands.part-PROCESS.csv-journal" is the longest that is made of it.
_WORKING_NAME: Final = 40
_FULL_BYTES: Final = 1 << 16  # a disk with less left than one buffer of a driver is full


@contextlib.contextmanager
def product(path: Path | str, *, option: str = "--out") -> Iterator[Path]:
    """Give a working folder; rename what was written in it into place when the block ends well.

    >>> with product("out/basins.gpkg") as work:  # doctest: +SKIP
    ...     features.write(layers, work / "basins.gpkg")
    ...     provenance.write(item, work / "basins.json")

    Parameters
    ----------
    path : path
        The main file, such as ``basins.gpkg``. Its folder is made if it is missing.
    option : str
        What the caller gave the place by: the errors name it as the way out.

    Yields
    ------
    Path
        The folder ``.basins.work`` beside it. Every file in it, also in folders of it, goes to the
        same place beside ``path``; the main file goes last.

    Raises
    ------
    NotWritten
        If another run is writing this product, the place cannot be written, the disk is full, or an
        older file of that name is held open by another program (on Windows). What stood there before
        stands there still.

    Notes
    -----
    Several files cannot be renamed in one instant: a run killed within those few milliseconds leaves
    new files beside the old main one; their checksums in the STAC item tell. An error at that moment
    is undone.
    """
    target = Path(path)
    if target.is_dir():
        raise NotWritten(f"{target} is a folder; the name of a file was expected. Choose another {option}.")
    folder = target.parent
    work = folder / f".{target.stem}.work"
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    handle = None
    complete = False
    try:
        with _told_as_not_written(target, option, always=True):
            handle = _hold(work, target, option)
            disk.clear(work)
        with _told_as_not_written(target, option, within=work):
            try:
                yield work
            except NotWritten as error:  # of a writer that does not know what gave the place
                said = str(error).replace(f"another {PLACE}", f"another {option}")
                said = said.replace(f"{work}{os.sep}", f"{folder}{os.sep}")  # nobody has heard of ours
                raise NotWritten(said) from error
        with _told_as_not_written(target, option, always=True):
            _publish(work, target)
        complete = True
    finally:
        if handle is not None:
            disk.clear(work)
            disk.release(handle, work)
        if not complete:
            for place in missing:
                with contextlib.suppress(OSError):  # not made, or somebody else's files are in it by now
                    place.rmdir()


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary name in the same folder; on success it becomes ``path``, otherwise it vanishes.

    Yields
    ------
    Path
        A name with the same ending, which is how drivers know the format.

    Raises
    ------
    NotWritten
        If the disk is full, the folder cannot be written, or ``path`` is held open (on Windows).
    """
    target = Path(path)
    part = target.with_name(f".{target.stem}.part-{os.getpid()}{target.suffix}")
    try:
        with _told_as_not_written(target, PLACE, within=target.parent):
            yield part
            disk.store(part)
            disk.remove_leftovers(target)
            part.replace(target)
            disk.store_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            for place in target.parent.glob(glob.escape(part.name) + "*"):  # with what drivers left beside it
                place.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_not_written(
    target: Path, other: str, *, always: bool = False, within: Path | None = None
) -> Iterator[None]:
    """Turn the operating system's refusals into one sentence with the way out.

    Between the steps of a caller only what concerns the disk or a file inside ``within`` is ours to
    explain; a missing input, say, is theirs.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        named = [Path(str(name)) for name in (error.filename, error.filename2) if name is not None]
        inside = within is not None and any(within == name or within in name.parents for name in named)
        if not (full or inside or always):
            raise
        raise NotWritten(refusal(error, target, other)) from error


def refusal(error: BaseException, target: Path, other: str = PLACE) -> str:
    """Say why a file was not written, and the way out, in plain words.

    Parameters
    ----------
    error : OSError, or what a driver raises
        Drivers seldom say that the disk is full; it is looked at.
    target : path
    other : str
        What another one of may be chosen: an option, or "place".

    Returns
    -------
    str
    """
    number = error.errno if isinstance(error, OSError) else None
    said = " ".join(str(error.__cause__ or error).split(";")[0].split()).rstrip(".")
    full = "disk is full" in said or "No space left" in said or _is_full(target.parent)
    reason, way_out = said, f"Check the space left on the disk or choose another {other}."
    if number in {errno.ENOSPC, errno.EDQUOT} or (number is None and full):
        reason, way_out = "the disk is full", f"Free space on it or choose another {other}."
    elif number == errno.ENAMETOOLONG:
        reason, way_out = "its name is too long for this disk", f"Choose a shorter {other}."
    elif isinstance(error, PermissionError) and target.exists() and os.access(target.parent, os.W_OK):
        return (
            f"{target} was not replaced: it is write-protected or open in another program. "
            f"Close it there (in QGIS: remove the layer) and run again, or choose another {other}."
        )
    elif isinstance(error, PermissionError) or number == errno.EROFS:
        reason = "its folder may not be written to"
        way_out = f"Choose another {other} or ask its owner for the right to write."
    elif isinstance(error, NotADirectoryError):
        reason, way_out = "its folder is a file", f"Choose another {other}."
    elif isinstance(error, OSError):
        reason, way_out = error.strerror or said, f"Choose another {other}."
    return f"{target} was not written: {reason}. {way_out}"


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False


def require_place(target: Path | str, option: str = "--out") -> None:
    """Refuse a place that nothing can be written to, before hours of work.

    Parameters
    ----------
    target : path
        The main file of a product, which may exist; its folder may be missing.
    option : str
        What the caller gave it by.

    Raises
    ------
    NotWritten
        If its folder, or the first one above it that is there, takes no file, or not such a long name.
    """
    place = Path(target)
    try:
        folder = next(above for above in place.absolute().parents if above.exists())
        _try(folder)
        room = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    except OSError as error:
        raise NotWritten(refusal(error, place, option)) from error
    length = len(os.fsencode(place.name))
    if length + _WORKING_NAME > room:
        raise NotWritten(
            f"{option} is a name of {length} bytes; this disk takes {room} for a name, and the files beside "
            f"it and in work need {_WORKING_NAME} of them. Choose a name of at most {room - _WORKING_NAME} "
            "bytes (letters that are not Latin take two or more)."
        )


def _try(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(b"\0" * 4096)  # a full disk still takes names
    except FileNotFoundError as error:  # the folder is there: as /proc refuses
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder)) from error


def _hold(work: Path, target: Path, option: str) -> int:
    """Lock ``work`` for this run and return the handle that keeps it locked."""
    try:
        return disk.hold(work)
    except disk.Held as held:
        raise NotWritten(
            f"Another run is writing {target} ({held.holder}). Wait until it ends or choose another {option}."
        ) from None


# The files


def _publish(work: Path, target: Path) -> None:
    """Store all files, then rename them beside ``target``, the main one last; undo on any error."""
    files = _complete_files(work, work / target.name)
    for place in files:
        disk.store(place)
    moves = [(place, target.parent / place.relative_to(work)) for place in files]
    goals = [goal for _, goal in moves]
    folders = sorted({goal.parent for goal in goals})
    missing = [folder for folder in folders if not folder.exists()]
    new = [goal for goal in goals if not goal.exists()]
    # GDAL would take the side file of an older raster (its statistics, its classes) for the new one's
    sides = [goal.with_name(goal.name + ".aux.xml") for goal in goals]
    stale = [side for side in sides if side.exists() and side not in goals]
    older = [goal for goal in [*stale, *goals] if goal.exists()]
    kept = [(work / PREVIOUS / goal.relative_to(target.parent), goal) for goal in older]
    try:
        for copy, goal in kept:
            _keep(goal, copy)
        for side in stale:
            side.unlink()
        for place, goal in moves:
            goal.parent.mkdir(parents=True, exist_ok=True)
            disk.remove_leftovers(goal)
            place.replace(goal)
    except BaseException:
        _undo(missing, new, kept)
        raise
    for folder in folders:
        disk.store_folder(folder)


def _undo(missing: list[Path], new: list[Path], kept: list[tuple[Path, Path]]) -> None:
    """Put back what stood there; each step on its own, so that one that fails stops no other."""
    for copy, goal in kept:
        with contextlib.suppress(OSError):
            copy.replace(goal)
    for goal in new:
        with contextlib.suppress(OSError):
            goal.unlink(missing_ok=True)
    for folder in reversed(missing):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _complete_files(work: Path, main: Path) -> list[Path]:
    """List what the steps wrote, the main file last."""
    found = sorted(place for place in work.rglob("*") if place.is_file() and place != work / disk.LOCK)
    # no BluepeaceError: a workflow that forgets its product or leaves it open is a fault of ours
    if main not in found:
        raise RuntimeError(f"the steps ended without writing {main.name} into {work}")
    unclosed = [place.name for place in found if place.name.endswith(disk.SQLITE_LEFTOVERS)]
    if unclosed:
        raise RuntimeError(f"a database was not closed: {', '.join(unclosed)} in {work}")
    return [place for place in found if place != main] + [main]


def _keep(goal: Path, kept: Path) -> None:
    """Give the older file a second name, so that it can come back; it keeps its own meanwhile."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        kept.hardlink_to(goal)
    except OSError:  # a file system without hard links
        shutil.copy2(goal, kept)
