"""Drive a real QGIS window: open the algorithms' dialogs, run them, look at the map, and take pictures.

    python tests/plugin/window.py DEM OUTLETS FOLDER --engine PYTHON [--countries FILE --country-field NAME]

FOLDER gets the products, `dialog.png`, `finished.png`, `shares.png`, `map.png`, `engine.png` and
`window.json` (what was seen: layers, renderer, the longest stall of the window). With countries, their shares
of the basins are asked for too. Needs qgis, Xvfb and openbox; an X server of its own is started
and stopped.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
PLUGIN = HERE.parents[1] / "qgis_plugin"
SECONDS = 180


def find_programs():
    """Give {name: path} of what a window needs, None where it is missing."""
    return {
        "qgis": shutil.which("qgis.bin") or shutil.which("qgis"),
        "Xvfb": shutil.which("Xvfb"),
        "openbox": shutil.which("openbox"),
    }


def start_display(programs, log):
    """Start an X server on a free number and a window manager in it; give both and the number."""
    read_end, write_end = os.pipe()
    words = [
        programs["Xvfb"],
        "-displayfd",
        str(write_end),
        "-screen",
        "0",
        "1280x900x24",
        "-nolisten",
        "tcp",
    ]
    server = subprocess.Popen(words, pass_fds=[write_end], stdout=log, stderr=log)
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        number = answer.readline().strip()
    display = f":{number}"
    manager = subprocess.Popen(
        [programs["openbox"]], env={**os.environ, "DISPLAY": display}, stdout=log, stderr=log
    )
    return [manager, server], display


def drive(told, folder, engine, environment=None):
    """Run the algorithms in a window, one on the result of another, and give what was seen."""
    programs = find_programs()
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        raise SystemExit(
            f"{', '.join(missing)} not found. Debian: apt-get install qgis python3-qgis xvfb openbox"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "window.json").unlink(missing_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bluepeace-window-") as place,
        (folder / "window.log").open("w") as log,
    ):
        home = Path(place)
        shutil.copytree(PLUGIN, home / "plugins" / "blue_peace", ignore=shutil.ignore_patterns("__pycache__"))
        settings = home / "profiles" / "bp" / "QGIS"
        settings.mkdir(parents=True)
        (settings / "QGIS3.ini").write_text(
            "[PythonPlugins]\nblue_peace=true\nprocessing=true\n\n"
            "[qgis]\ncheckVersion=false\nshowTips=false\nnewsFeedEnabled=false\n\n"
            "[app]\nfirstRunVersionFlag=99999\n",
            encoding="utf-8",
        )
        (home / "runtime").mkdir(mode=0o700)
        helpers, display = start_display(programs, log)
        window = None
        try:
            window = subprocess.Popen(
                [
                    programs["qgis"],
                    *f"--noversioncheck --nologo --profiles-path {home} --profile bp --code".split(),
                    str(HERE / "inside_window.py"),
                ],
                env={
                    **{
                        name: value
                        for name, value in os.environ.items()
                        if name not in ("PYTHONPATH", "VIRTUAL_ENV")
                    },
                    "DISPLAY": display,
                    "QT_QPA_PLATFORM": "xcb",
                    "XDG_RUNTIME_DIR": str(home / "runtime"),
                    "QGIS_PLUGINPATH": str(home / "plugins"),
                    "PATH": "/usr/bin:/bin",  # the Python inside QGIS takes its home from the first python3
                    "BLUEPEACE_PYTHON": str(engine),
                    "BLUEPEACE_WINDOW": json.dumps({**told, "folder": str(folder)}),
                    "LC_ALL": "C.UTF-8",
                    "GDAL_PAM_ENABLED": "NO",  # no statistics beside the rasters
                    **(environment or {}),
                },
                stdout=log,
                stderr=log,
            )
            deadline = time.monotonic() + SECONDS
            while window.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            for process in [window, *helpers]:
                if process is not None and process.poll() is None:
                    process.terminate()
                    try:
                        process.wait(timeout=10)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
    seen = folder / "window.json"
    if not seen.exists():
        raise SystemExit((folder / "window.log").read_text(encoding="utf-8")[-3000:])
    return json.loads(seen.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dem", type=Path)
    parser.add_argument("outlets", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", default=sys.executable)
    parser.add_argument("--countries")
    parser.add_argument("--country-field")
    told = parser.parse_args()
    parameters = {
        "dem": str(told.dem.resolve()),
        "outlets": str(told.outlets.resolve()),
        "out": str(told.folder.resolve() / "basins.gpkg"),
    }
    asked = {"parameters": parameters}
    if told.countries:
        countries = {"countries": told.countries, "country_field": told.country_field}
        parameters.update(countries)
        asked["shares"] = {**countries, "out": str(told.folder.resolve() / "shares.csv")}
    started = time.monotonic()
    seen = drive(asked, told.folder.resolve(), told.engine)
    print(json.dumps(seen, indent=2, ensure_ascii=False))
    print(f"{time.monotonic() - started:.0f} s in all; pictures in {told.folder}")


if __name__ == "__main__":
    main()
