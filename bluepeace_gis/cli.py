"""Who asks: every workflow is a command.

Nothing heavy is imported until a command is chosen, so that the help appears at once. What happens
on the way is told by logging: a record with ``done`` is progress, a warning is a warning; here they
become a bar for people or JSON lines for programs.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Annotated, Any, Literal, Protocol

from cyclopts import App, CycloptsError, Parameter

import bluepeace_gis
from bluepeace_gis.errors import BluepeaceError, Cancelled

# Raised with the first number when a program that reads the lines must change with us.
PROTOCOL = "1.0"
# A foreign program's databases (QGIS sets them) make the libraries that came with us fail.
FOREIGN = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
# After a cancel the work has this long to end by itself.
GRACE_S = 5.0

_NO_DIGITS = str.maketrans("", "", "0123456789.,")

DONE, FAULT, MENDABLE, CANCELLED = 0, 1, 2, 3

app = App(
    name="bluepeace",
    help="Basins, glaciers and irrigated land of the Aral Sea basin, as numbers both sides can repeat.",
    version=bluepeace_gis.__version__,
    help_flags=["--help", "-h"],
    help_format="plaintext",
    default_parameter=Parameter(negative=()),  # what is not asked for is left out: no --no-resume
    suppress_keyboard_interrupt=False,  # it ends with 3 here, not with the 130 of a shell
)
app.command(
    "bluepeace_gis.workflows.basins:basins",
    name="basins",
    help="Delineate the land upstream of outlets, and whose land it is.",
)
app.command(
    "bluepeace_gis.workflows.shares:shares",
    name="shares",
    help="Tell which country holds what share of given polygons.",
)
app.command(
    "bluepeace_gis.workflows.scenes:scenes",
    name="scenes",
    help="List the scenes of an archive: footprints, dates, cloud, bands, and what is broken.",
)
app.command(
    "bluepeace_gis.workflows.season:season",
    name="season",
    help="Combine the clear observations of a season into one value for each cell.",
)
app.command(
    "bluepeace_gis.workflows.glaciers:glaciers",
    name="glaciers",
    help="Outline clean ice in scenes of the end of one summer.",
)
app.command(
    "bluepeace_gis.workflows.irrigation:irrigation",
    name="irrigation",
    help="Map the irrigated land of a year and its seasons, and what was not observed of it.",
)
app.command(
    "bluepeace_gis.workflows.irrigation_change:irrigation_change",
    name="irrigation-change",
    help="Tell from annual maps which irrigated land was kept, gained and lost, in each zone.",
)
app.command(
    "bluepeace_gis.workflows.glacier_change:glacier_change",
    name="glacier-change",
    help="Compare glaciers of two dates, and say where a change can be told.",
)
app.command(
    "bluepeace_gis.workflows.sample_points:sample_points",
    name="sample-points",
    help="Draw points of a class map at random, to be labelled for `bluepeace area`.",
)
app.command(
    "bluepeace_gis.workflows.area:area",
    name="area",
    help="Estimate the area of each class of a map from labelled points, with intervals.",
)
app.command(
    "bluepeace_gis.workflows.sheet:sheet",
    name="sheet",
    help="Draw a product as a sheet to print, with its numbers, boundaries, sources and disclaimer.",
)
app.meta.group_parameters = "Every command"


@app.command
def handshake() -> None:
    """Print the versions a program checks before it sends work, as one line of JSON."""
    import pyproj  # noqa: PLC0415  # heavy
    import rasterio  # noqa: PLC0415  # heavy

    versions = {
        "version": bluepeace_gis.__version__,
        "protocol": PROTOCOL,
        "gdal": rasterio.__gdal_version__,
        "proj": pyproj.proj_version_str,
    }
    print(json.dumps(versions))  # noqa: T201  # the answer


class Teller(Protocol):
    """How progress, warnings, errors and results reach who asked."""

    def done(self, share: float, message: str) -> None:
        """Tell the share done, 0..1."""

    def warning(self, message: str) -> None:
        """Tell what the reader should know of the result."""

    def error(self, message: str) -> None:
        """Tell why there is no result."""

    def result(self, outputs: dict[str, str], numbers: dict[str, float], sentences: Sequence[str]) -> None:
        """Tell what was made; the sentences are for people."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines:
    """JSON lines on stdout, one an event, for programs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def _line(self, **event: Any) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()

    def done(self, share: float, message: str) -> None:
        self._line(done=round(share, 4), message=message)

    def warning(self, message: str) -> None:
        self._line(warning=message)

    def error(self, message: str) -> None:
        self._line(error=message)

    def result(self, outputs: dict[str, str], numbers: dict[str, float], sentences: Sequence[str]) -> None:
        self._line(result={"outputs": outputs, "numbers": numbers, "sentences": list(sentences)})

    def close(self) -> None:
        pass


class Bar:
    """A bar with the time gone and the time left on stderr, for people; plain lines into a file."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None
        self._said = self._kind = ""
        self._since = 0.0

    def done(self, share: float, message: str) -> None:
        if not sys.stderr.isatty():
            kind, now = message.translate(_NO_DIGITS), time.monotonic()
            # a line for every step of work, but of "3 of 1000" one a second
            if message != self._said and (kind != self._kind or now - self._since >= 1 or share >= 1):
                print(f"{share:4.0%} {message}", file=sys.stderr)  # noqa: T201
                self._since = now
            self._said, self._kind = message, kind
            return
        if self._progress is None:
            from rich import progress  # noqa: PLC0415  # not needed by programs
            from rich.console import Console  # noqa: PLC0415

            self._progress = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TaskProgressColumn(show_speed=True),
                progress.TimeElapsedColumn(),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._progress.start()
            self._task = self._progress.add_task(message, total=1.0)
        self._progress.update(self._task, completed=share, description=message)

    def _say(self, text: str) -> None:
        if self._progress is None:
            print(text, file=sys.stderr)  # noqa: T201
        else:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warning(self, message: str) -> None:
        self._say(f"Note: {message}")

    def error(self, message: str) -> None:
        self.close()
        print(message, file=sys.stderr)  # noqa: T201

    def result(self, outputs: dict[str, str], numbers: dict[str, float], sentences: Sequence[str]) -> None:
        self.close()
        for sentence in sentences:
            print(sentence)  # noqa: T201
        width = max([10, *map(len, outputs), *map(len, numbers)]) + 2
        for name, path in outputs.items():
            print(f"{name:<{width}}{path}")  # noqa: T201
        for name, number in numbers.items():
            print(f"{name:<{width}}{number:,.10g}")  # noqa: T201

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class _Handler(logging.Handler):
    """Turn log records into what the teller tells."""

    def __init__(self, teller: Teller) -> None:
        super().__init__(logging.INFO)
        self._teller = teller
        self._share = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._teller.warning(message)
        elif hasattr(record, "done"):
            self._share = max(self._share, float(record.done))
            self._teller.done(self._share, message)


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    progress: Literal["bar", "json"] = "bar",
    end_with_stdin: bool = False,
) -> int:
    """Run one command.

    Parameters
    ----------
    progress
        A bar for people on stderr, or JSON lines for programs on stdout.
    end_with_stdin
        Stop when stdin closes, so that the work ends with the program that asked for it.
    """
    teller: Teller = Lines() if progress == "json" else Bar()
    logger = logging.getLogger("bluepeace_gis")
    handler = _Handler(teller)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    if end_with_stdin:
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    try:
        return _run(tokens, teller)
    finally:
        teller.close()
        logger.removeHandler(handler)


def _run(tokens: Sequence[str], teller: Teller) -> int:
    try:
        found = app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        teller.error(f"{_one_line(error)} See `bluepeace {_command(tokens)}--help`.")
        return MENDABLE
    except BluepeaceError as error:
        teller.error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        teller.error("Stopped before the end: nothing was written.")
        return CANCELLED
    except MemoryError:
        teller.error(
            "The memory of this machine is not enough for this raster. Cut the DEM to the region of the "
            "basins, for instance with gdalwarp -te, or use coarser cells."
        )
        return MENDABLE
    except Exception as error:  # noqa: BLE001 - a fault of ours is told as one, whatever it is
        teller.error(f"A fault of bluepeace-gis itself ({type(error).__name__}: {error}). Please report it.")
        traceback.print_exc()
        return FAULT
    if found is not None and hasattr(found, "outputs"):
        outputs = {name: str(path) for name, path in found.outputs.items()}
        teller.result(outputs, found.numbers, found.sentences)
    return DONE


def _command(tokens: Sequence[str]) -> str:
    """Name the command whose help tells more; the list of commands where there is no such command."""
    return f"{tokens[0]} " if tokens and not tokens[0].startswith("-") and tokens[0] in app else ""


def _one_line(error: CycloptsError) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."


def _stop_with_stdin() -> None:
    """Wait for stdin to close, then stop as if Ctrl-C had been pressed; insist after a while."""
    with suppress(OSError, ValueError):
        while os.read(0, 4096):
            pass
    signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(GRACE_S)
    os._exit(CANCELLED)


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    raise Cancelled("Stopped by another program before the end: nothing was written.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with 0 done, 2 mendable, 3 cancelled, or 1 a fault of ours.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the process.
    """
    for name in FOREIGN:
        os.environ.pop(name, None)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of places on a Windows console
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    signal.signal(signal.SIGTERM, _on_terminate)
    # A shell that starts us in the background hands Ctrl-C down as ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app.meta(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"{_one_line(error)} See `bluepeace --help`.", file=sys.stderr)  # noqa: T201
        code = MENDABLE
    except (KeyboardInterrupt, Cancelled):
        code = CANCELLED
    sys.exit(code if isinstance(code, int) else DONE)
