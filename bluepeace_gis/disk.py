"""What a disk must promise: one run at a time in a working folder, and names only over stored content.

The lowest floor beside the errors: complete products (``archive``) and batch work (``jobs``) rest on
the same lock and the same way to store.
"""

import contextlib
import errno
import functools
import logging
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

LOCK: Final = ".lock"
# What SQLite leaves beside a database that was not closed. Beside a new file of the same name it
# would be played back into that file.
SQLITE_LEFTOVERS: Final = ("-wal", "-shm", "-journal")


class Held(Exception):
    """Another run holds the folder; ``holder`` names its process as far as that can be read."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"{folder} is held by {holder}")
        self.holder = holder


# The lock


def hold(folder: Path) -> int:
    """Make ``folder`` if it is missing and lock it for the caller alone.

    The operating system releases the lock when the process dies, however it dies.

    Parameters
    ----------
    folder : path
        A working folder, which :func:`release` removes.

    Returns
    -------
    int
        The handle that keeps it locked, for :func:`release`.

    Raises
    ------
    Held
        If another run holds it.
    OSError
        If the folder cannot be made or written to.
    """
    refusal = OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(folder))
    for _ in range(1000):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError) as error:
            refusal = error  # a run that ends may have removed the folder meanwhile: look again
            continue
        try:
            _lock_or_refuse(handle, folder)
        except BaseException:
            os.close(handle)
            raise
        if _still_named(handle, folder / LOCK):
            try:
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            except BaseException:  # a full disk takes names, but no text
                release(handle, folder)
                raise
            return handle
        os.close(handle)  # a run that ends had already removed this lock: try the next one
    raise refusal


def release(handle: int, folder: Path) -> None:
    """Remove lock and folder while the lock is still held, so that no other run loses its own.

    Parameters
    ----------
    handle : int
        From :func:`hold`.
    folder : path
        Stays if anything but the lock is in it.
    """
    if sys.platform == "win32":
        os.close(handle)  # Windows removes no open file; another run that has it open keeps it
        handle = -1
    with contextlib.suppress(OSError):  # another run may have made the folder its own by now
        (folder / LOCK).unlink()
        folder.rmdir()
    if handle >= 0:
        os.close(handle)


def _lock_or_refuse(handle: int, folder: Path) -> None:
    if not _lock(handle):
        raise Held(folder, os.read(handle, 200).decode("utf-8", "replace").strip() or "another process")


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
        _warn_that_there_are_no_locks()
    return True


@functools.cache  # once a process: batch work locks a folder for each of thousands of tasks
def _warn_that_there_are_no_locks() -> None:
    log.warning("This file system has no locks: make sure that no other run writes the same product.")


# The files


def clear(folder: Path) -> None:
    """Remove everything but the lock: what this run no longer needs or a killed one left.

    Parameters
    ----------
    folder : path
        Held by the caller.
    """
    for place in folder.iterdir():
        if place.name == LOCK:
            continue
        try:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()
        except OSError as error:
            log.warning("%s stays behind: %s. It can be removed by hand.", place, error.strerror or error)


def remove_leftovers(path: Path) -> None:
    """Remove what SQLite left beside an older file of that name."""
    for ending in SQLITE_LEFTOVERS:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def store(path: Path) -> None:
    """Have the operating system put the file on the disk: a rename must not outlive its content."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def store_folder(folder: Path) -> None:
    """Have the operating system put the names in the folder on the disk."""
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
