"""The `bluepeace` command in its own Python: found, asked who it is, run, followed, stopped.

The library's wheels carry their own GDAL, GEOS and PROJ, which crash inside QGIS, and a numpy that breaks
other plugins: so it never runs inside QGIS. Both sides talk by lines of JSON on the command's stdout. The
command ends when its stdin closes: a killed QGIS leaves no orphan, and a cancelled run ends cleanly.
"""

import json
import os
import shutil
import time
from pathlib import Path

from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QProcess, QProcessEnvironment

from .translation import Translated

PROTOCOL_MAJOR = 1  # of `bluepeace handshake`; another minor only adds what an older side may ignore
SETTING = "bluepeace/engine"  # a Python interpreter or a `bluepeace` command, chosen by the user
VARIABLE = "BLUEPEACE_PYTHON"  # the same for scripts and servers
MODULE = "bluepeace_gis"

# What QGIS sets for itself and would lead another Python, another GDAL or another PROJ astray.
NOT_FOR_THE_ENGINE = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONEXECUTABLE",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "VIRTUAL_ENV",
    "QGIS_PREFIX_PATH",
    "QGIS_PLUGINPATH",
    "QT_PLUGIN_PATH",
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "PROJ_LIB",
    "PROJ_DATA",
    "GEOTIFF_CSV",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
)
NOT_FOR_THE_ENGINE_PREFIXES = ("PIP_", "DYLD_")
FOR_THE_ENGINE = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}

USER_CAN_MEND = 2  # exit code: the error is a sentence for the user, nothing else matters
START_SECONDS = 15
HANDSHAKE_SECONDS = 60  # the first import after an installation compiles and scans: slow on an old disk
CANCEL_GRACE_SECONDS = 2  # to end by itself once its stdin is closed
KILL_SECONDS = 5
TURN_MILLISECONDS = 50  # how long a cancel may wait to be seen
PROGRESS_SECONDS = 0.05  # between two moves of the bar: each one is an event in the window's queue
LINE_BYTES = 4 * 1024 * 1024  # a line longer than this is not ours
STDERR_BYTES = 16 * 1024  # kept of what the engine says aside, its last words
STRAY_LINES = 20  # lines that are not ours shown in the log, the rest is counted


class EngineMissing(Exception):
    """No engine where one should be; the message says where it was looked for and what to do."""


class EngineFailed(Exception):
    """The engine ended without its result; the message says why, in its own words where it had any."""


class EngineCancelled(Exception):
    """The user cancelled; the engine is gone."""


def child_environment():
    """Environment of this process without what QGIS put there for itself."""
    environment = QProcessEnvironment.systemEnvironment()
    for name in environment.keys():  # noqa: SIM118 - not a dict
        if name.upper() in NOT_FOR_THE_ENGINE or name.upper().startswith(NOT_FOR_THE_ENGINE_PREFIXES):
            environment.remove(name)
    for name, value in FOR_THE_ENGINE.items():
        environment.insert(name, value)
    return environment


def managed_python():
    """Interpreter of the environment that belongs to this QGIS profile, there or not."""
    folder = Path(QgsApplication.qgisSettingsDirPath()) / "bluepeace" / "engine"
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python3"


def find_program(place):
    """Absolute path of a program given by its path or by its name on PATH, or None."""
    return shutil.which(os.path.expandvars(os.path.expanduser(place.strip())))  # noqa: PTH111 - as typed


class Engine(Translated):
    """One `bluepeace` command: the program that runs it, its first arguments, and who named it."""

    def __init__(self, program, origin):
        self.program = str(program)
        self.origin = origin
        name = Path(program).stem.lower()
        is_python = name.startswith("python") or name == "py"  # the launcher of Windows
        self.first_arguments = ["-m", MODULE] if is_python else []

    def __str__(self):
        return " ".join([self.program, *self.first_arguments])

    def handshake(self, feedback=None):
        """Ask the engine who it is: a dict with `version`, `protocol`, `gdal` and `proj`."""
        lines = []
        conversation = Conversation(self, ["handshake"], feedback, patience_seconds=HANDSHAKE_SECONDS)
        conversation.hold(lines.append)
        answer = next((line for line in lines if isinstance(line, dict) and "protocol" in line), None)
        if answer is None:
            raise EngineFailed(
                self.tr(
                    "This is not a bluepeace engine: {engine} ended with code {code} and did not say which "
                    "protocol it speaks. Choose another under Plugins > Blue Peace > Engine…. {words}"
                )
                .format(engine=self, code=conversation.exit_code, words=conversation.last_words())
                .strip()
            )
        major = str(answer["protocol"]).split(".")[0]
        if major != str(PROTOCOL_MAJOR):
            raise EngineFailed(
                self.tr(
                    "The engine {engine} (version {version}) speaks protocol {found}, this plugin speaks "
                    "protocol {expected}. Update the older of the two: the plugin in the plugin manager, "
                    "the engine with `python -m pip install --upgrade bluepeace-gis`."
                ).format(
                    engine=self,
                    version=answer.get("version", "?"),
                    found=answer["protocol"],
                    expected=PROTOCOL_MAJOR,
                )
            )
        return answer

    def run(self, arguments, feedback):
        """Run one command to its end and give its result, a dict with `outputs` and `numbers`."""
        listener = Listener(feedback)
        conversation = Conversation(self, [*arguments, "--progress=json", "--end-with-stdin"], feedback)
        try:
            conversation.hold(listener.hear)
        finally:
            listener.finish()
        words = conversation.last_words()
        code = conversation.exit_code
        if listener.error is not None:
            if words and code != USER_CAN_MEND:
                feedback.pushConsoleInfo(words)  # for the report of a fault
            raise EngineFailed(listener.error)  # word for word: the engine says what to do
        if listener.result is None and (conversation.crashed or code != 0):
            raise EngineFailed(
                self.tr(
                    "The engine stopped without saying why (code {code}): a fault of the engine, not of "
                    "your data. Engine: {engine}. {words}"
                )
                .format(code=code, engine=self, words=words)
                .strip()
            )
        if listener.result is None:
            raise EngineFailed(
                self.tr(
                    "The engine ended without a result. Test it under Plugins > Blue Peace > Engine…. "
                    "Engine: {engine}. {words}"
                )
                .format(engine=self, words=words)
                .strip()
            )
        if conversation.crashed or code != 0:  # the result is the last line: the product was complete by then
            feedback.pushWarning(
                self.tr(
                    "The result is complete, but the engine did not end as it should (code {code})."
                ).format(code=code)
            )
        if words:
            feedback.pushConsoleInfo(words)
        return listener.result


class Finder(Translated):
    """Looks for the engine where the user, the server's administrator, the plugin or the system put it."""

    def find(self, setting=None):
        """Give the first engine that is named; who names one that is not there is told so, not passed "
        "over."""
        if setting is None:
            setting = str(QgsSettings().value(SETTING, "") or "")
        variable = os.environ.get(VARIABLE, "")
        menu = self.tr("the plugin's setting (Plugins > Blue Peace > Engine…)")
        environment = self.tr("the environment variable {name}").format(name=VARIABLE)
        for place, origin in ((setting, menu), (variable, environment)):
            if place.strip():
                program = find_program(place)
                if program is None:
                    raise EngineMissing(
                        self.tr(
                            "The bluepeace engine is not where {origin} says: {place} is not a program that "
                            "can be run. Name the Python (3.11 or newer) into which bluepeace-gis is "
                            "installed, or its bluepeace command."
                        ).format(origin=origin, place=place)
                    )
                return Engine(program, origin)
        managed = managed_python()
        if managed.is_file():
            return Engine(managed, self.tr("the environment in this QGIS profile"))
        on_path = shutil.which("bluepeace")
        if on_path is not None:
            return Engine(on_path, self.tr("PATH"))
        raise EngineMissing(
            self.tr(
                "The bluepeace engine was not found: {menu} is empty, {environment} is not set, there is no "
                "{managed}, and no bluepeace on PATH. Install it into a Python 3.11 or newer of its own "
                "(`python -m pip install bluepeace-gis`; not into the Python of QGIS) and name that Python "
                "under Plugins > Blue Peace > Engine…."
            ).format(menu=menu, environment=environment, managed=managed)
        )


class Conversation(Translated):
    """One run of the engine's process, from its start to its certain end."""

    def __init__(self, engine, arguments, feedback, patience_seconds=None):
        self.engine = engine
        self.arguments = [*engine.first_arguments, *arguments]
        self.feedback = feedback
        self.patience_seconds = patience_seconds  # None: a long computation may be silent
        self.stdout = b""
        self.stderr = b""
        self.exit_code = None
        self.crashed = False

    def hold(self, hear):
        """Start the process, hand each line it writes to `hear`, and return when it has ended."""
        process = QProcess()
        process.setProcessEnvironment(child_environment())
        process.setProgram(self.engine.program)
        process.setArguments(self.arguments)
        process.start()
        try:
            if not process.waitForStarted(START_SECONDS * 1000):
                raise EngineMissing(
                    self.tr(
                        "The engine {engine} could not be started: {reason}. It was named by {origin}."
                    ).format(engine=self.engine, reason=process.errorString(), origin=self.engine.origin)
                )
            self.follow(process, hear)
        finally:
            self.end(process)
        self.exit_code = process.exitCode()
        self.crashed = process.exitStatus() == QProcess.ExitStatus.CrashExit

    def follow(self, process, hear):
        """Read until the process ends, the user cancels or patience does."""
        started = time.monotonic()
        while process.state() != QProcess.ProcessState.NotRunning:
            turn = time.monotonic()
            ready = process.waitForReadyRead(TURN_MILLISECONDS)
            self.read(process, hear)
            if self.feedback is not None and self.feedback.isCanceled():
                raise EngineCancelled
            if self.patience_seconds is not None and time.monotonic() - started > self.patience_seconds:
                raise EngineFailed(
                    self.tr("The engine {engine} did not answer within {seconds} seconds.").format(
                        engine=self.engine, seconds=self.patience_seconds
                    )
                )
            if not ready and time.monotonic() - turn < TURN_MILLISECONDS / 2000:
                process.waitForFinished(TURN_MILLISECONDS)  # its stdout is closed: do not spin
        self.read(process, hear)
        if self.stdout:
            hear(understand(self.stdout))  # a last line without its end
            self.stdout = b""

    def read(self, process, hear):
        """Take what has arrived; hand on whole lines."""
        self.stderr = (self.stderr + bytes(process.readAllStandardError()))[-STDERR_BYTES:]
        self.stdout += bytes(process.readAllStandardOutput())
        *lines, self.stdout = self.stdout.split(b"\n")
        for line in lines:
            if line.strip():
                hear(understand(line))
        if len(self.stdout) > LINE_BYTES:
            raise EngineFailed(
                self.tr(
                    "The engine {engine} writes a line without end: it is not a bluepeace engine of this "
                    "protocol."
                ).format(engine=self.engine)
            )

    def end(self, process):
        """Make sure that the process is gone: first by closing its stdin, then by force."""
        if process.state() == QProcess.ProcessState.NotRunning:
            return
        process.closeWriteChannel()
        deadline = time.monotonic() + CANCEL_GRACE_SECONDS
        while process.state() != QProcess.ProcessState.NotRunning and time.monotonic() < deadline:
            process.waitForFinished(TURN_MILLISECONDS)
            process.readAllStandardOutput()  # a full pipe would keep it from ending
            process.readAllStandardError()
        if process.state() != QProcess.ProcessState.NotRunning:
            process.kill()
            process.waitForFinished(KILL_SECONDS * 1000)

    def last_words(self):
        """The end of what the engine said on stderr."""
        words = self.stderr.decode("utf-8", "replace").strip()
        return self.tr("Its last words: {words}").format(words=words) if words else ""


def understand(line):
    """Give a line of JSON as a dict, any other line as text."""
    text = line.decode("utf-8", "replace").strip()
    try:
        said = json.loads(text)
    except ValueError:
        return text
    return said if isinstance(said, dict) else text


class Listener(Translated):
    """Turns the lines of a running command into what the person before QGIS sees."""

    def __init__(self, feedback):
        self.feedback = feedback
        self.result = None
        self.error = None
        self.message = None
        self.stray_lines = 0
        self.moved = 0.0

    def hear(self, said):
        """Take one line: a dict of the protocol, or text that is not ours."""
        known = False
        if isinstance(said, dict):
            known = self.hear_progress(said)
            if "warning" in said:
                self.feedback.pushWarning(str(said["warning"]))
                known = True
            if "error" in said:
                self.error = str(said["error"])
                known = True
            if isinstance(said.get("result"), dict):
                self.result = said["result"]
                known = True
        if not known:
            self.stray_lines += 1
            if self.stray_lines <= STRAY_LINES:
                self.feedback.pushConsoleInfo(str(said)[:1000])

    def hear_progress(self, said):
        """Move the bar and show the message; True if the line was about progress."""
        message = said.get("message")
        if message and message != self.message:
            self.message = message
            self.feedback.setProgressText(str(message))
        done = said.get("done")
        if isinstance(done, (int, float)) and (done >= 1 or time.monotonic() - self.moved > PROGRESS_SECONDS):
            self.moved = time.monotonic()
            self.feedback.setProgress(100 * min(max(done, 0), 1))
        return "done" in said or "message" in said

    def finish(self):
        """Say how much was left out of the log."""
        if self.stray_lines > STRAY_LINES:
            self.feedback.pushConsoleInfo(
                self.tr("… and {count} more lines that are not of the engine's protocol").format(
                    count=self.stray_lines - STRAY_LINES
                )
            )
