"""Make the project's ``.venv`` once and keep it right: what ``demo.py`` and ``test.py`` share.

Standard library only, on Linux, macOS and Windows. What only a person can mend comes as one sentence,
:class:`Missing`; ``main`` of both scripts prints it and ends with 2, as the commands do.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
WORK = ROOT / ".test"  # logs and the lock: git-ignored, and outside .venv, which may be made anew
STAMP = VENV / "bluepeace_stamp.json"
LOG = WORK / "install.log"

PIP_WITH_GROUPS = "pip>=25.1"  # the first that installs a [dependency-groups] of pyproject.toml
SILENCE_S = 20.0  # a longer silence looks like a hang
LOCK_PATIENCE_S = 900.0  # unattended upgrades hold dpkg for minutes
LOCK_PAUSE_S = 10.0

_STARTED = time.monotonic()
_UNFINISHED = {"state": "unfinished"}

# What pip and apt print, in English (LC_ALL=C), when the way to their servers is closed.
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Max retries exceeded|ProxyError"
    r"|Temporary failure (in name resolution|resolving)|Could not resolve|Name or service not known"
    r"|getaddrinfo failed|Network is unreachable|No route to host|Unable to connect|Could not connect"
    r"|Cannot initiate the connection"
)
_NO_SPACE = re.compile(r"No space left on device|not enough (free )?(disk )?space|Errno 28", re.IGNORECASE)
_APT_BUSY = re.compile(r"Could not get lock|Unable to lock|is another process using it|held by process")
_DPKG_INTERRUPTED = re.compile(r"dpkg was interrupted|dpkg --configure -a")


class Missing(Exception):
    """Something outside the project is missing; the message says what, and how to get it."""


# --- talking to the person -------------------------------------------------------------------------------


def elapsed() -> str:
    """Time since the script started, as minutes:seconds."""
    return clock(time.monotonic() - _STARTED)


def clock(seconds: float) -> str:
    """Return ``seconds`` as minutes:seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def say(text: str) -> None:
    """Print one line of progress behind the time that has passed."""
    print(f"[{elapsed():>5}] {text}", flush=True)


def end(main: Callable[[Sequence[str]], int]) -> None:
    """Run ``main`` as a script: a missing thing is a sentence and exit code 2, Ctrl-C is 130."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a Windows console may lack the letters of a place name
    try:
        code = main(sys.argv[1:])
    except Missing as missing:
        sys.stdout.flush()
        print(f"\n{missing}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        code = 130
    sys.exit(code)


# --- the environment -------------------------------------------------------------------------------------


def tool(name: str) -> Path:
    """Path of a command of the environment: ``python``, ``bluepeace``, ``ruff``, ..."""
    return VENV / "Scripts" / f"{name}.exe" if os.name == "nt" else VENV / "bin" / name


def child_environment(**more: str) -> dict[str, str]:
    """Variables for a program we start: ours and ``more``, none that leads to a foreign Python."""
    foreign = {"PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | {"PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"} | more


def make_ready(groups: Sequence[str] = ()) -> None:
    """Leave a ``.venv`` in which the project and the dependency ``groups`` are installed.

    Quick when nothing has changed since the last time. An environment whose making was cut short, that was
    moved, or that belongs to another Python is made anew; otherwise it is brought up to date in place.
    """
    with _alone():
        stamp = read_stamp()
        wanted = _wanted(groups)
        if stamp is not None and _serves(stamp, wanted) and tool("python").exists():
            say(f"The environment in {VENV.name} is ready")
            return
        if not _can_stay(stamp, wanted):
            stamp = None
            _make()
        if stamp is not None:
            known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
            wanted["groups"] = sorted({*wanted["groups"], *(set(stamp.get("groups", [])) & set(known))})
        STAMP.write_text(json.dumps(_UNFINISHED), encoding="utf-8")  # a kill from here on leaves this behind
        try:
            _install(wanted["groups"])
        except Missing:
            if stamp is not None:  # pip changes nothing before it has everything: what was there still works
                STAMP.write_text(json.dumps(stamp), encoding="utf-8")
            raise
        STAMP.write_text(json.dumps(wanted), encoding="utf-8")
        say("The environment is ready")


def _wanted(groups: Sequence[str]) -> dict:
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return {"place": str(VENV), "python": _python_in_words(), "project": project, "groups": sorted(groups)}


def _python_in_words() -> str:
    implementation = platform.python_implementation()
    return f"{implementation} {sys.version_info.major}.{sys.version_info.minor} {platform.machine()}"


def read_stamp() -> dict | None:
    """What the environment was made from: None without a stamp (there is none, or a person made it)."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):  # cut short while it was written
        return dict(_UNFINISHED)


def _serves(stamp: Mapping, wanted: Mapping) -> bool:
    same = all(stamp.get(key) == wanted[key] for key in ("place", "python", "project"))
    return same and set(wanted["groups"]) <= set(stamp.get("groups", []))


def _can_stay(stamp: Mapping | None, wanted: Mapping) -> bool:
    """Whether installing into the environment that is there will do."""
    if not tool("python").exists():
        return False
    if stamp is not None:
        return all(stamp.get(key) == wanted[key] for key in ("place", "python"))
    ask = "import pip, platform, sys; print(platform.python_implementation(), *sys.version_info[:2])"
    answer = subprocess.run(
        [tool("python"), "-c", ask], env=child_environment(), capture_output=True, text=True, check=False
    )
    same = [platform.python_implementation(), *map(str, sys.version_info[:2])]
    return answer.returncode == 0 and answer.stdout.split() == same


def _make() -> None:
    if Path(sys.prefix).resolve() == VENV.resolve():
        raise Missing(
            f"{VENV} must be made anew, but this script was started with the Python inside it: "
            "run `deactivate` and start again with the system's Python."
        )
    _need_venv()
    if VENV.exists():
        say(f"Making {VENV.name} anew with Python {platform.python_version()}: the one here cannot be used")
        _clear_away()
    else:
        say(f"Making {VENV.name} with Python {platform.python_version()}")
    VENV.mkdir()
    STAMP.write_text(json.dumps(_UNFINISHED), encoding="utf-8")
    code, output = run_logged([sys.executable, "-m", "venv", str(VENV)], doing="making the environment")
    if code != 0:
        raise Missing(
            f"Python could not make {VENV} ({_last_line(output)}): see {LOG}, and check that this folder may "
            "be written to and that `python3 -m venv` works on this computer."
        )


def _clear_away() -> None:
    """Take the unusable environment away in one step: a kill midway must not leave half of it in place."""
    condemned = WORK / "condemned"
    shutil.rmtree(condemned, ignore_errors=True)
    try:
        VENV.rename(condemned)
    except OSError as refusal:
        raise Missing(
            f"{VENV} must be made anew, but cannot be taken away ({refusal.strerror}): end the programs that "
            "use it or delete it yourself, then start again."
        ) from refusal
    if condemned.is_symlink():
        condemned.unlink()
    shutil.rmtree(condemned, ignore_errors=True)


def _need_venv() -> None:
    """Debian and Ubuntu cut ``ensurepip`` out of Python into a package of its own: get it, or say how."""
    if _has_venv():
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    package = f"python{version}-venv"
    of_the_system = Path(sys.base_prefix) == Path("/usr") and shutil.which("apt-get") is not None
    if not of_the_system:
        raise Missing(
            f"{sys.executable} (Python {version}) lacks the modules venv and ensurepip: install a complete "
            "Python 3.11 or newer, from https://www.python.org for example, and start again with it."
        )
    rights, why_not = right_to_install()
    if rights is None:
        raise Missing(
            f"Python lacks `venv` here and {why_not}: run `sudo apt-get install {package}`, then start again."
        )
    say(f"Python lacks `venv` here: installing the system's package {package}")
    apt_install([package], rights)
    importlib.invalidate_caches()
    if not _has_venv():
        raise Missing(
            f"{package} is installed, but {sys.executable} still lacks ensurepip: "
            "start again with /usr/bin/python3."
        )


def _has_venv() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip"))


def _install(groups: Sequence[str]) -> None:
    python = str(tool("python"))
    of_groups = [word for group in groups for word in ("--group", group)]
    purpose = f" for {' and '.join(['use', *groups])}" if groups else ""
    say(f"Installing the project and what it needs{purpose}: the first time takes a few minutes")
    for arguments in (["--upgrade", PIP_WITH_GROUPS], ["--editable", ".", *of_groups]):
        code, output = run_logged([python, "-m", "pip", "install", *arguments], doing="installing")
        if code != 0:
            raise Missing(_why_pip_failed(output))


def _why_pip_failed(output: str) -> str:
    if _NO_SPACE.search(output):
        return f"The disk is full: make about 2 GB of room for {VENV} and start again."
    if _NO_NETWORK.search(output):
        return (
            "The Python packages could not be fetched, because their index cannot be reached: "
            "connect this computer to the internet (or set PIP_INDEX_URL to a mirror, or "
            "PIP_NO_INDEX=1 and PIP_FIND_LINKS to a folder of wheels) and start again."
        )
    return f"pip could not install the project ({_last_error(output)}): the whole story is in {LOG}."


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"


def _last_error(output: str) -> str:
    errors = [line for line in output.splitlines() if re.match(r"\s*(ERROR|error|E):", line)]
    return errors[-1].strip() if errors else _last_line(output)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait for another start of these scripts: two at once would tear down each other's work."""
    try:
        WORK.mkdir(exist_ok=True)
    except OSError as refusal:
        raise Missing(
            f"Nothing can be written into {ROOT} ({refusal.strerror}): "
            "copy the project to a folder of your own."
        ) from refusal
    with (WORK / "environment.lock").open("a+b") as handle:
        told = False
        while not _lock(handle.fileno()):
            if not told:
                say("Another start of this project's scripts is making the environment: waiting for it")
                told = True
            time.sleep(1)
        yield  # closing the file gives the lock back, and so does a kill


def _lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


# --- other programs --------------------------------------------------------------------------------------


def run_logged(
    command: Sequence[str], *, doing: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a talkative program with its output in :data:`LOG`; now and then say how far it is.

    Returns
    -------
    exit code, what the program wrote
    """
    WORK.mkdir(exist_ok=True)
    with LOG.open("a+", encoding="utf-8", errors="replace") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        begin = log.tell()
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment or child_environment()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process:
            while True:
                try:
                    code = process.wait(timeout=SILENCE_S)
                    break
                except subprocess.TimeoutExpired:
                    say(f"  still {doing}: {_last_line(_read_from(begin))[:100]}")
                except KeyboardInterrupt:
                    process.terminate()
                    raise
        return code, _read_from(begin)


def _read_from(begin: int) -> str:
    with LOG.open(encoding="utf-8", errors="replace") as log:
        log.seek(begin)
        return log.read()


# --- Debian's packages -----------------------------------------------------------------------------------


def right_to_install() -> tuple[list[str] | None, str]:
    """Return the words that go before ``apt-get``, or None and why packages cannot be installed here."""
    if shutil.which("apt-get") is None:
        return None, f"there is no apt on this computer ({platform.system()})"
    if os.geteuid() == 0:
        return [], ""
    asks_nothing = ["sudo", "-n", "true"]
    if (
        shutil.which("sudo")
        and subprocess.run(asks_nothing, capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"], ""
    return None, "installing system packages needs an administrator"


def lacking(packages: Sequence[str]) -> list[str]:
    """Those of Debian's ``packages`` that are not installed."""
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\\n", *packages],
        capture_output=True,
        text=True,
        check=False,  # it ends with 1 as soon as one is unknown
    )
    installed = {line.split()[-1] for line in answer.stdout.splitlines() if line.startswith("ii")}
    return [package for package in packages if package not in installed]


def apt_install(packages: Sequence[str], rights: Sequence[str]) -> None:
    """Install Debian's ``packages``; wait while another program holds apt, mend an interrupted dpkg."""
    stale: Missing | None = None
    try:
        _apt(rights, ["update", "-o", "APT::Update::Error-Mode=any"])
    except Missing as failure:  # one dead repository among many need not matter: the installation decides
        stale = failure
    install = ["install", "--yes", "--no-install-recommends"]
    hasty: list[str] = []
    # A machine of a CI is thrown away: there, and only there, dpkg need not wait for the disk.
    if os.environ.get("CI"):
        with contextlib.suppress(Missing):
            if shutil.which("eatmydata") is None:
                _apt(rights, [*install, "eatmydata"])
            hasty = ["eatmydata"]
    try:
        _apt(rights, [*install, *packages], hasty)
    except Missing as failure:
        raise (stale or failure) from None  # without its lists apt knows no package: the lists are the reason


def _apt(rights: Sequence[str], arguments: Sequence[str], hasty: Sequence[str] = ()) -> None:
    # `env` behind sudo, because sudo drops variables; English, because the answers below are read.
    setting = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *hasty]
    give_up = time.monotonic() + LOCK_PATIENCE_S
    mended = False
    while True:
        code, output = run_logged(
            [*rights, *setting, "apt-get", *arguments], doing=f"in apt-get {arguments[0]}"
        )
        if code == 0:
            return
        if _DPKG_INTERRUPTED.search(output) and not mended:
            say("An earlier installation was cut short: finishing it first")
            run_logged([*rights, *setting, "dpkg", "--configure", "-a"], doing="finishing it")
            mended = True
        elif _APT_BUSY.search(output) and time.monotonic() < give_up:
            say("Another program is installing packages: waiting for it")
            time.sleep(LOCK_PAUSE_S)
        else:
            raise Missing(_why_apt_failed(arguments, output))


def _why_apt_failed(arguments: Sequence[str], output: str) -> str:
    if _NO_SPACE.search(output):
        return "The disk is full: QGIS from Debian takes 1.3 GB; make room and start again."
    if _NO_NETWORK.search(output):
        return (
            "Debian's packages could not be fetched, because their server cannot be reached: "
            "connect this computer to the internet and start again."
        )
    return f"apt-get {arguments[0]} failed ({_last_error(output)}): the whole story is in {LOG}."
