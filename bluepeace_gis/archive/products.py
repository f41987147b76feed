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
import logging
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from bluepeace_gis.errors import NotWritten

log = logging.getLogger(__name__)

LOCK = ".lock"
PREVIOUS = ".previous"
# What SQLite leaves beside a database that was not closed. Beside a new file of the same name it
# would be played back into that file.
SQLITE_LEFTOVERS = ("-wal", "-shm", "-journal")


@contextlib.contextmanager
def product(path: Path | str) -> Iterator[Path]:
    """Give a working folder; rename what was written in it into place when the block ends well.

    >>> with product("out/basins.gpkg") as work:  # doctest: +SKIP
    ...     features.write(layers, work / "basins.gpkg")
    ...     provenance.write(item, work / "basins.json")

    Parameters
    ----------
    path : path
        The main file, such as ``basins.gpkg``. Its folder is made if it is missing.

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
        raise NotWritten(f"{target} is a folder; the name of a file was expected. Choose another --out.")
    folder = target.parent
    work = folder / f".{target.stem}.work"
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    handle = None
    complete = False
    try:
        with _told_as_not_written(target, always=True):
            handle = _hold(work, target)
            _clear(work)
        with _told_as_not_written(target, within=work):
            yield work
        with _told_as_not_written(target, always=True):
            _publish(work, target)
        complete = True
    finally:
        if handle is not None:
            _clear(work)
            _release(handle, work)
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
        with _told_as_not_written(target, within=target.parent):
            yield part
            _store(part)
            _remove_leftovers(target)
            part.replace(target)
            _store_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            for place in target.parent.glob(glob.escape(part.name) + "*"):  # with what drivers left beside it
                place.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_as_not_written(target: Path, *, always: bool = False, within: Path | None = None) -> Iterator[None]:
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
        raise NotWritten(_refusal(error, target, full=full)) from error


def _refusal(error: OSError, target: Path, *, full: bool) -> str:
    if full:
        return f"{target} was not written: the disk is full. Free space on it or choose another --out."
    if isinstance(error, PermissionError) and target.exists() and os.access(target.parent, os.W_OK):
        return (
            f"{target} was not replaced: it is write-protected or open in another program. "
            "Close it there (in QGIS: remove the layer) and run again, or choose another --out."
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return (
            f"{target} was not written: its folder may not be written to. "
            "Choose another --out or ask its owner for the right to write."
        )
    return f"{target} was not written: {error.strerror or error}. Choose another --out."


# The lock


def _hold(work: Path, target: Path) -> int:
    """Lock ``work`` for this run and return the handle that keeps it locked."""
    refusal = OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(work))
    for _ in range(1000):
        try:
            work.mkdir(parents=True, exist_ok=True)
            handle = os.open(work / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError) as error:
            refusal = error  # a run that ends may have removed the folder meanwhile: look again
            continue
        try:
            _lock_or_refuse(handle, target)
            if _still_named(handle, work / LOCK):
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # a run that ends had already removed this lock: try the next one
    raise refusal


def _lock_or_refuse(handle: int, target: Path) -> None:
    if not _lock(handle):
        holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
        raise NotWritten(
            f"Another run is writing {target} ({holder}). Wait until it ends or choose another --out."
        )


def _still_named(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _lock(handle: int) -> bool:
    """Lock the file for this process alone; False if another one has it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415  # exists on Windows only

        os.lseek(handle, 1 << 30, os.SEEK_SET)  # far behind the text, which others must be able to read
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True
    import fcntl  # noqa: PLC0415  # does not exist on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise
        log.warning("This file system has no locks: make sure that no other run writes the same product.")
    return True


def _release(handle: int, work: Path) -> None:
    """Remove lock and folder while the lock is still held, so that no other run loses its own."""
    if sys.platform == "win32":
        os.close(handle)  # Windows removes no open file; another run that has it open keeps it
        handle = -1
    with contextlib.suppress(OSError):  # another run may have made the folder its own by now
        (work / LOCK).unlink()
        work.rmdir()
    if handle >= 0:
        os.close(handle)


# The files


def _clear(work: Path) -> None:
    """Remove everything but the lock: what this run no longer needs or a killed one left."""
    for place in work.iterdir():
        if place.name == LOCK:
            continue
        try:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()
        except OSError as error:
            log.warning("%s stays behind: %s. It can be removed by hand.", place, error.strerror or error)


def _publish(work: Path, target: Path) -> None:
    """Store all files, then rename them beside ``target``, the main one last; undo on any error."""
    files = _complete_files(work, work / target.name)
    for place in files:
        _store(place)
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
            _remove_leftovers(goal)
            place.replace(goal)
    except BaseException:
        _undo(missing, new, kept)
        raise
    for folder in folders:
        _store_folder(folder)


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
    found = sorted(place for place in work.rglob("*") if place.is_file() and place != work / LOCK)
    # no BluepeaceError: a workflow that forgets its product or leaves it open is a fault of ours
    if main not in found:
        raise RuntimeError(f"the steps ended without writing {main.name} into {work}")
    unclosed = [place.name for place in found if place.name.endswith(SQLITE_LEFTOVERS)]
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


def _remove_leftovers(path: Path) -> None:
    for ending in SQLITE_LEFTOVERS:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _store(path: Path) -> None:
    """Have the operating system put the file on the disk: a rename must not outlive its content."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _store_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return  # Windows opens no folders; its renames are journalled
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:  # some network disks
            raise
    finally:
        os.close(handle)
