"""How much memory and how many cores there are, how much is used, and room that tasks share."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

MB: Final = 1 << 20
_CGROUPS: Final = Path("/sys/fs/cgroup")


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # what a batch system has set aside for the job
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resident_mb() -> float:
    """Return the resident memory of this process, now; its peak where the system tells no more."""
    if sys.platform == "win32":
        return float(_windows_memory().WorkingSetSize / MB)
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):  # macOS
        return peak_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def peak_mb() -> float:
    """Return the highest resident memory of this process since it started or :func:`forget_peak`."""
    if sys.platform == "win32":
        return float(_windows_memory().PeakWorkingSetSize / MB)
    try:
        with Path("/proc/self/status").open(encoding="ascii", errors="replace") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / MB
    except (OSError, ValueError, StopIteration):
        import resource  # noqa: PLC0415  # does not exist on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / MB if sys.platform == "darwin" else peak * 1024 / MB


def forget_peak() -> None:
    """Let the peak begin anew, where the system can (Linux)."""
    try:
        with Path("/proc/self/clear_refs").open("w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass


def free_mb() -> float:
    """Return the memory that this machine, or the batch system's share of it, has left."""
    if sys.platform == "win32":
        return _windows_free_mb()
    limits = [_cgroup_left_mb()]
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
        limits.append(available * 1024 / MB)
    except (OSError, ValueError, StopIteration):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MB)
    return min(limits)


def _cgroup_left_mb() -> float:
    """Return what the tightest control group above this process leaves; infinite without one."""
    left = float("inf")
    try:
        line = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().splitlines()[-1]
        group = _CGROUPS / line.rpartition(":")[2].lstrip("/")
    except (OSError, IndexError):
        return left
    for place in (group, *group.parents):
        if place != _CGROUPS and _CGROUPS not in place.parents:
            break
        try:
            limit = int((place / "memory.max").read_text(encoding="ascii"))
            used = int((place / "memory.current").read_text(encoding="ascii"))
        except (OSError, ValueError):  # none here, or "max"
            continue
        left = min(left, (limit - used) / MB)
    return left


class Room:
    """So many megabytes, taken and given back by the tasks of one process.

    Parameters
    ----------
    size_mb : float
    """

    def __init__(self, size_mb: float) -> None:
        self._size_mb = size_mb
        self._taken_mb = 0.0
        self._takers = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, memory_mb: float) -> Iterator[None]:
        """Wait until ``memory_mb`` are free, and take them; alone, a task may take more than there is."""
        with self._changed:
            self._changed.wait_for(lambda: not self._takers or self._taken_mb + memory_mb <= self._size_mb)
            self._takers += 1
            self._taken_mb += memory_mb
        try:
            yield
        finally:
            with self._changed:
                self._takers -= 1
                self._taken_mb -= memory_mb
                self._changed.notify_all()


# Windows tells by two functions of its own


if sys.platform == "win32":

    class _Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of psapi.h."""

        _fields_ = (
            ("cb", ctypes.c_uint32),
            ("PageFaultCount", ctypes.c_uint32),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        )

    class _Machine(ctypes.Structure):
        """MEMORYSTATUSEX of sysinfoapi.h."""

        _fields_ = (
            ("dwLength", ctypes.c_uint32),
            ("dwMemoryLoad", ctypes.c_uint32),
            ("ullTotalPhys", ctypes.c_uint64),
            ("ullAvailPhys", ctypes.c_uint64),
            ("ullTotalPageFile", ctypes.c_uint64),
            ("ullAvailPageFile", ctypes.c_uint64),
            ("ullTotalVirtual", ctypes.c_uint64),
            ("ullAvailVirtual", ctypes.c_uint64),
            ("ullAvailExtendedVirtual", ctypes.c_uint64),
        )

    def _windows_memory() -> Any:
        counters = _Counters(cb=ctypes.sizeof(_Counters))
        process = ctypes.c_void_p(-1)  # what GetCurrentProcess returns
        ctypes.windll.kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
        return counters

    def _windows_free_mb() -> float:
        machine = _Machine(dwLength=ctypes.sizeof(_Machine))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(machine))
        return float(machine.ullAvailPhys) / MB
