"""Where the real data lie, and what may be skipped on a machine that lacks something."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from bluepeace_gis.jobs import memory

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA_VARIABLE = "BLUEPEACE_REAL_DATA"
QGIS_VARIABLE = "BLUEPEACE_REQUIRE_QGIS"  # scripts/test.py sets it where there is no excuse for a skip

# The first example of a kernel compiles it, which takes seconds; a CI tries the same examples each time.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")


def real_data_folder():
    """Where the real data are expected, whether they are there or not."""
    given = os.environ.get(REAL_DATA_VARIABLE)
    return Path(given) if given else ROOT.parent / "shared" / "data"


def must_run_in_qgis():
    return os.environ.get(QGIS_VARIABLE, "0") not in ("", "0")


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real data; tests that ask for it are marked `real`."""
    folder = real_data_folder()
    if not folder.is_dir():
        pytest.skip(f"the real data are not in {folder}: {REAL_DATA_VARIABLE} names their place")
    return folder


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


# What the package and its libraries take once they are loaded. The tests before leave more in the process
# they share, which is no part of what a command of a person's takes.
LOADED_MB = 300.0
_left_mb = 0.0
_resident_mb = memory.resident_mb


def resident_mb():
    """Tell the memory of this process as if the tests before had been in another."""
    return _resident_mb() - _left_mb


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    global _left_mb  # noqa: PLW0603  # of the process, as the memory is
    _left_mb = max(0.0, _resident_mb() - LOADED_MB)


def pytest_configure():
    memory.resident_mb = resident_mb
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    given = os.environ.get(REAL_DATA_VARIABLE)
    if given and not Path(given).is_dir():  # asked for and not there: a skip would hide the slip of the pen
        raise pytest.UsageError(f"{REAL_DATA_VARIABLE} names {given}, which is not a folder.")


def pytest_collection_modifyitems(items):
    skips = {}
    if not real_data_folder().is_dir():
        skips["real"] = (
            f"the real data are not in {real_data_folder()}: {REAL_DATA_VARIABLE} names their place"
        )
    if not (shutil.which("qgis_process.bin") or shutil.which("qgis_process")):
        skips["qgis"] = "there is no qgis_process on PATH: install QGIS, scripts/test.py does it where it may"
    for item in items:
        for name, reason in skips.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Turn the skip of a test in QGIS into a failure where QGIS must be there."""
    report = yield
    excused = hasattr(report, "wasxfail") or not report.skipped
    if not excused and must_run_in_qgis() and item.get_closest_marker("qgis"):
        *_, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{QGIS_VARIABLE} is set, so a test in QGIS must not be skipped. {reason}"
    return report
