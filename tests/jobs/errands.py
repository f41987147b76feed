"""What the tests have done by tasks: small functions that other processes can import."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

log = logging.getLogger("bluepeace_gis.errands")


def content(arguments):
    """What `write` writes: long enough to be torn."""
    return f"{arguments['text']}\n" * arguments.get("lines", 1000)


def write(arguments, work):
    """Write an output in two halves, with a pause in which the process may be killed."""
    text = content(arguments)
    with (work / arguments["output"]).open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(arguments.get("pause_s", 0.0))
        file.write(text[len(text) // 2 :])
    return {"letters": len(text)}


def copy(arguments, work):
    """Copy the input; count the call beside it."""
    source = Path(arguments["input"])
    with source.with_name("calls").open("a") as calls:
        calls.write(f"{arguments['output']}\n")
    (work / arguments["output"]).write_bytes(source.read_bytes())


def fail(arguments, work):
    raise ValueError("the sun stands below the horizon")


def fail_unless(arguments, work):
    """Fail until the file named `there` is there."""
    if not Path(arguments["there"]).exists():
        raise ValueError("not yet")
    (work / arguments["output"]).write_text("there")


def two(arguments, work):
    """Write two outputs and something nobody asked for."""
    for name in ("a.txt", "deep/er/b.txt", "scratch.txt"):
        (work / name).write_text(arguments["text"])


def forget(arguments, work):
    pass


def die(arguments, work):
    """End the process in the middle, as the system does when memory runs out."""
    (work / arguments["output"]).write_text("half")
    os.kill(os.getpid(), getattr(signal, arguments["signal"]))


def die_once(arguments, work):
    """End the process the first time, write the output the second."""
    mark = Path(arguments["mark"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (work / arguments["output"]).write_text("second")


def leave(arguments, work):
    raise SystemExit(7)


def talk(arguments, work):
    """Say things on all ways there are."""
    print("a library prints this")
    log.warning("%s has no clear sky", arguments["scene"])
    log.info("half", extra={"done": 1.0})
    (work / arguments["output"]).write_text("said")


def take(arguments, work):
    """Take memory, and note how many take it at once."""
    together = Path(arguments["together"])
    mine = together / work.name
    mine.touch()
    block = b"x" * (arguments["mb"] << 20)
    time.sleep(arguments["pause_s"])
    at_once = len(list(together.iterdir()))
    mine.unlink()
    return {"at_once": at_once, "bytes": len(block)}


def count_threads(arguments, work):
    """Count the threads that kernels use here."""
    import threading

    from bluepeace_gis.kernels import tiles

    seen = set()

    def look(tile):
        time.sleep(0.005)
        seen.add(threading.get_ident())

    tiles.each(look, tiles.Tiling(8, 8, 1))
    return {"threads": len(seen)}


def fill_up(arguments, work):
    """Write so many kB, in the way of a library that says no errno."""
    try:
        (work / arguments["output"]).write_bytes(os.urandom(arguments["kb"] * 1000))
    except OSError:
        raise RuntimeError("write failed") from None


def remove_input(arguments, work):
    """Take away or change the file named, then go on."""
    if arguments.get("change"):
        Path(arguments["input"]).write_text("changed while it was read")
    else:
        Path(arguments["input"]).unlink()
    (work / arguments["output"]).write_text("made of something")


def nothing(arguments, work):
    return None


def huge_result(arguments, work):
    return {"area_km2": float("nan")}


def start_python(body, *arguments):
    """Start a Python of its own on ``body``, which sees these functions and the project."""
    here = Path(__file__).parent
    code = "import os, sys, time, json\nfrom pathlib import Path\n"
    code += "from bluepeace_gis.jobs import Task, run\n" + body
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent.parent)])}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
