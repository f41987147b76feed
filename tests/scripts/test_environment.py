"""The environment of demo.py and test.py: when it is kept, when it is made anew, what a person is told."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

# The words by which pip and apt are understood, among those they write.
PIP_WITHOUT_NETWORK = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...: Failed to establish
a new connection: [Errno -3] Temporary failure in name resolution')': /simple/hatchling/
ERROR: Could not find a version that satisfies the requirement hatchling>=1.25 (from versions: none)
"""
APT_WITHOUT_NETWORK = "E: Failed to fetch http://mirror/InRelease  Temporary failure resolving 'mirror'\n"
APT_LOCKED = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (unattended-upgr)\n"
    "E: Unable to acquire the dpkg frontend lock (...), is another process using it?\n"
)
DPKG_INTERRUPTED = (
    "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n"
)


def load(name, file):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """Plays pip, venv and apt: remembers what was started and answers as told."""

    def __init__(self, environment):
        self.environment = environment
        self.started = []
        self.answers = []  # (a word of the command, exit code, output), each used once

    def run_logged(self, command, **_):
        self.started.append(" ".join(command))
        if "venv" in command:
            python = self.environment.tool("python")
            python.parent.mkdir(parents=True)
            python.touch()
        for answer in self.answers:
            word, code, output = answer
            if word in command:
                self.answers.remove(answer)
                if code == "killed":
                    raise KeyboardInterrupt
                return code, output
        return 0, ""

    def times(self, word):
        return sum(word in command for command in self.started)


@pytest.fixture
def environment(tmp_path, monkeypatch):
    module = load("_environment", "_environment.py")
    (tmp_path / "pyproject.toml").write_text("[dependency-groups]\ntest = []\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "WORK", tmp_path / ".test")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    monkeypatch.setattr(module, "LOG", tmp_path / ".test" / "install.log")
    monkeypatch.setattr(module, "LOCK_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_has_venv", lambda: True)
    monkeypatch.delenv("CI", raising=False)
    return module


@pytest.fixture
def machine(environment, monkeypatch):
    played = Machine(environment)
    monkeypatch.setattr(environment, "run_logged", played.run_logged)
    return played


def test_first_start_makes_and_installs_and_the_second_starts_nothing(environment, machine):
    environment.make_ready()
    assert machine.times(" -m venv ") == 1
    assert machine.started[-1].endswith("--editable .")
    machine.started.clear()
    environment.make_ready()
    assert machine.started == []


def test_a_group_is_added_in_place_and_kept_by_a_start_that_does_not_need_it(environment, machine):
    environment.make_ready()
    machine.started.clear()
    environment.make_ready(["test"])
    assert machine.times(" -m venv ") == 0
    assert machine.started[-1].endswith("--editable . --group test")
    machine.started.clear()
    environment.make_ready()
    assert machine.started == []
    (environment.ROOT / "pyproject.toml").write_text("[dependency-groups]\ntest = ['x']\n", encoding="utf-8")
    environment.make_ready()
    assert machine.started[-1].endswith("--editable . --group test")
    assert machine.times(" -m venv ") == 0


@pytest.mark.parametrize("killed_in", ["venv", "install"])
def test_an_environment_whose_making_was_killed_is_made_anew(environment, machine, killed_in):
    machine.answers = [(killed_in, "killed", "")]
    with pytest.raises(KeyboardInterrupt):
        environment.make_ready()
    (environment.VENV / "half").touch()
    environment.make_ready()
    assert machine.times(" -m venv ") == 2
    assert not (environment.VENV / "half").exists()


def test_a_failed_update_leaves_what_was_there(environment, machine):
    environment.make_ready()
    before = environment.read_stamp()
    machine.answers = [("--editable", 1, PIP_WITHOUT_NETWORK)]
    with pytest.raises(environment.Missing):
        environment.make_ready(["test"])
    assert environment.read_stamp() == before
    machine.started.clear()
    environment.make_ready()
    assert machine.started == []


@pytest.mark.parametrize("key", ["place", "python"])
def test_an_environment_of_another_place_or_python_is_made_anew(environment, machine, key):
    environment.make_ready()
    environment.STAMP.write_text(json.dumps({**environment.read_stamp(), key: "another"}), encoding="utf-8")
    environment.make_ready()
    assert machine.times(" -m venv ") == 2


def test_an_environment_without_its_python_is_made_anew(environment, machine):
    environment.make_ready()
    environment.tool("python").unlink()  # the system's Python behind it was removed
    environment.make_ready()
    assert machine.times(" -m venv ") == 2


def test_a_damaged_stamp_is_no_stamp_of_a_person(environment, machine):
    environment.make_ready()
    environment.STAMP.write_text('{"place": ', encoding="utf-8")
    environment.make_ready()
    assert machine.times(" -m venv ") == 2


def test_an_environment_made_by_hand_is_kept_if_it_works(environment, machine):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment.VENV)], check=True)
    (environment.VENV / "by_hand").touch()
    environment.make_ready()  # no pip in it: of no use
    assert not (environment.VENV / "by_hand").exists()
    environment._clear_away()

    options = ["--without-pip", "--system-site-packages"]
    subprocess.run([sys.executable, "-m", "venv", *options, str(environment.VENV)], check=True)
    (pip,) = importlib.util.find_spec("pip").submodule_search_locations
    link = next(environment.VENV.glob("[Ll]ib/**/site-packages")) / "pip"
    link.mkdir()
    (link / "__init__.py").write_text(f"# stands for {Path(pip).name}\n", encoding="utf-8")
    (environment.VENV / "by_hand").touch()
    machine.started.clear()
    environment.make_ready()
    assert machine.times(" -m venv ") == 0
    assert (environment.VENV / "by_hand").exists()


def test_without_network_a_sentence_says_so(environment, machine):
    machine.answers = [("install", 1, PIP_WITHOUT_NETWORK)]
    with pytest.raises(environment.Missing, match="connect this computer to the internet"):
        environment.make_ready()


def test_another_failure_of_pip_is_quoted(environment, machine):
    machine.answers = [
        ("--editable", 1, "ERROR: No matching distribution found for numba>=0.60\n\n[notice] x\n")
    ]
    with pytest.raises(environment.Missing, match="No matching distribution found for numba"):
        environment.make_ready()


@pytest.mark.skipif(os.name == "nt", reason="Debian's split of Python")
def test_debian_without_venv_and_without_rights_gets_the_command(environment, machine, monkeypatch):
    monkeypatch.setattr(environment, "_has_venv", lambda: False)
    monkeypatch.setattr(environment.sys, "base_prefix", "/usr")
    monkeypatch.setattr(environment.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(environment, "right_to_install", lambda: (None, "an administrator is needed"))
    with pytest.raises(environment.Missing, match=r"sudo apt-get install python3\.\d+-venv"):
        environment.make_ready()
    assert machine.started == []


def test_a_python_of_ones_own_without_venv_is_not_mended_with_apt(environment, machine, monkeypatch):
    monkeypatch.setattr(environment, "_has_venv", lambda: False)
    monkeypatch.setattr(environment.sys, "base_prefix", "/opt/python")
    with pytest.raises(environment.Missing, match="lacks the modules venv and ensurepip"):
        environment.make_ready()
    assert machine.started == []


def test_the_environment_one_runs_in_is_not_torn_down(environment, machine, monkeypatch):
    environment.make_ready()
    environment.STAMP.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(environment.sys, "prefix", str(environment.VENV))
    with pytest.raises(environment.Missing, match="deactivate"):
        environment.make_ready()
    assert environment.tool("python").exists()


def test_apt_waits_for_a_lock_and_mends_an_interrupted_dpkg(environment, machine):
    machine.answers = [
        ("update", 100, APT_LOCKED),
        ("install", 100, APT_LOCKED),
        ("install", 100, DPKG_INTERRUPTED),
    ]
    environment.apt_install(["qgis"], ["sudo", "-n"])
    assert all(
        command.startswith("sudo -n env DEBIAN_FRONTEND=noninteractive") for command in machine.started
    )
    assert machine.times("update") == 2
    assert machine.times("dpkg --configure -a") == 1
    assert machine.times("--no-install-recommends qgis") == 3


def test_apt_gives_up_on_a_lock_in_the_end(environment, machine, monkeypatch):
    monkeypatch.setattr(environment, "LOCK_PATIENCE_S", 0.0)
    machine.answers = [("install", 100, APT_LOCKED)]
    with pytest.raises(environment.Missing, match="is another process using it"):
        environment.apt_install(["qgis"], [])


def test_apt_without_network_says_so_and_not_that_qgis_is_unknown(environment, machine):
    unknown = "E: Unable to locate package qgis\n"
    machine.answers = [("update", 100, APT_WITHOUT_NETWORK), ("install", 100, unknown)]
    with pytest.raises(environment.Missing, match="server cannot be reached"):
        environment.apt_install(["qgis"], [])


def test_apt_goes_on_with_a_dead_repository_that_is_not_needed(environment, machine):
    machine.answers = [("update", 100, APT_WITHOUT_NETWORK)]
    environment.apt_install(["qgis"], [])
    assert machine.started[-1].endswith("--no-install-recommends qgis")


@pytest.mark.parametrize("ci", [True, False])
def test_only_a_ci_installs_hastily(environment, machine, monkeypatch, ci):
    monkeypatch.setattr(environment.shutil, "which", lambda _: None)
    if ci:
        monkeypatch.setenv("CI", "true")
    environment.apt_install(["qgis"], [])
    assert machine.times("eatmydata apt-get install") == ci


def test_run_logged_gives_the_exit_code_and_what_was_written_this_time(environment):
    for text in ("first", "second"):
        speak = [sys.executable, "-c", f"import sys; print('{text}'); sys.exit(3)"]
        code, output = environment.run_logged(speak, doing="speaking")
        assert code == 3
        assert output.split() == [text]
    assert "first" in environment.LOG.read_text(encoding="utf-8")


def test_run_logged_speaks_during_a_long_silence(environment, monkeypatch, capsys):
    monkeypatch.setattr(environment, "SILENCE_S", 0.05)
    wait = [sys.executable, "-c", "import time; print('half of it', flush=True); time.sleep(1)"]
    environment.run_logged(wait, doing="working")
    assert "still working: half of it" in capsys.readouterr().out


def test_a_missing_thing_is_a_sentence_and_exit_code_2(environment, capsys, monkeypatch):
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "reconfigure", lambda **_: None, raising=False)

    def main(_):
        raise environment.Missing("No spoon: get one.")

    with pytest.raises(SystemExit) as ending:
        environment.end(main)
    assert ending.value.code == 2
    assert "No spoon: get one." in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "12 passed in 3.40s",
        "1 failed, 13 passed in 66.24s (0:01:06)",
        "=========== 2 errors in 0.01s ===========",
        "\x1b[32m\x1b[32m\x1b[1m5 passed\x1b[0m\x1b[32m in 0.02s\x1b[0m\x1b[0m",
        "no tests ran in 0.00s",
    ],
)
def test_closing_line_of_pytest_is_known(line, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    assert load("project_test", "test.py").CLOSING_LINE.search(line)
