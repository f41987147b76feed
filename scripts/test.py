"""Run every check of the project: form, types, import rules and the whole test suite, QGIS included.

    python3 scripts/test.py [arguments for pytest]

It makes ``.venv`` when needed and, where there is apt and the right to use it, installs QGIS from Debian.
Everything runs even when something fails; the exit code is 0 only if nothing did.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # the person's Python may well be older: say it in words
    sys.exit(
        "bluepeace_gis needs Python 3.11 or newer, and this is Python %d.%d: start again with a newer one, "  # noqa: UP031
        "for example `python3.11 scripts/test.py`." % sys.version_info[:2]
    )

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence

from _environment import (
    ROOT,
    Missing,
    apt_install,
    child_environment,
    clock,
    end,
    lacking,
    make_ready,
    right_to_install,
    say,
    tool,
)

# A window (xvfb, openbox) and letters for maps come with it: the plugin is tested in the real program.
QGIS = ["qgis", "python3-qgis", "xvfb", "openbox", "fonts-dejavu", "fonts-open-sans"]
CLOSING_LINE = re.compile(r"\b(passed|failed|errors?|skipped|deselected|no tests ran)\b.* in [\d.]+s")


def main(arguments: Sequence[str]) -> int:
    """Make the environment, get QGIS, run all checks, sum up."""
    if set(arguments) & {"-h", "--help"}:
        print(__doc__)
        return 0
    make_ready(["test"])
    settings = {"BLUEPEACE_REQUIRE_QGIS": "1"} if get_qgis() else {}

    checks: dict[str, list[str]] = {
        "ruff format": [str(tool("ruff")), "format", "--check", "."],
        "ruff check": [str(tool("ruff")), "check", "."],
        "mypy": [str(tool("python")), "-m", "mypy", "--strict"],
        "import rules": [str(tool("lint-imports"))],
    }
    results: list[tuple[str, int, float]] = []
    for name, command in checks.items():
        say(name)
        begin = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=child_environment(), check=False).returncode
        results.append((name, code, time.monotonic() - begin))
    say("pytest")
    begin = time.monotonic()
    code, closing_line = pytest(arguments, settings)
    results.append(("pytest", code, time.monotonic() - begin))

    say("Summary")
    for name, code, seconds in results:
        print(
            f"  {name:<14} {'passed' if code == 0 else f'FAILED (exit code {code})':<22} {clock(seconds):>6}"
        )
    print(closing_line, flush=True)  # the last line of all: it is what a CI reads
    return 0 if all(code == 0 for _, code, _ in results) else 1


def pytest(arguments: Sequence[str], settings: dict[str, str]) -> tuple[int, str]:
    """Run the suite with its output passed on as it comes.

    Returns
    -------
    exit code, pytest's closing line ("12 passed in 3.40s")
    """
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    width = str(shutil.get_terminal_size().columns)
    tail = b""
    with subprocess.Popen(
        [tool("python"), "-m", "pytest", *colour, *workers(), *arguments],
        cwd=ROOT,
        env=child_environment(COLUMNS=width, **settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        # In pieces, not lines: dots show at once.
        for piece in iter(lambda: os.read(process.stdout.fileno(), 65536), b""):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            tail = (tail + piece)[-65536:]
    lines = [line for line in tail.decode("utf-8", "replace").splitlines() if line.strip()]
    closing = [line for line in lines if CLOSING_LINE.search(line)]
    return process.returncode, (closing or lines or ["pytest said nothing"])[-1]


def workers() -> list[str]:
    """Tell pytest how many processes share the tests (`-n 0` among the person's own arguments undoes it).

    A file's tests stay together, since they share what was costly to make. A test may take 2 GB, and many
    start threads of their own, so that more than four would be in one another's way.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ["-n", str(min(cores, 4)), "--dist", "loadfile"]


def get_qgis() -> bool:
    """Install QGIS where that is possible.

    Returns
    -------
    whether the tests in QGIS must run: there is no excuse where apt may be used, and none in a CI
    """
    must = bool(os.environ.get("CI"))
    rights, why_not = right_to_install()
    missing = lacking(QGIS) if shutil.which("dpkg-query") else QGIS
    if not missing:
        return True
    if rights is None:
        if shutil.which("qgis_process") is None and shutil.which("qgis_process.bin") is None:
            fate = "fail" if must else "be skipped"
            way_out = f" (sudo apt-get install {' '.join(missing)})" if shutil.which("apt-get") else ""
            say(f"The tests in QGIS will {fate}: no QGIS was found on PATH, and {why_not}{way_out}")
        return must
    say(f"Installing QGIS from Debian ({' '.join(missing)}): about three minutes and 1.3 GB")
    try:
        apt_install(missing, rights)
    except Missing as failure:
        say(f"QGIS could not be installed, so its tests will fail. {failure}")
    return True


if __name__ == "__main__":
    end(main)
