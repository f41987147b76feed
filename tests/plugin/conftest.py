"""The real QGIS of this machine, started by the ordinary pytest as another process.

QGIS loads its own GDAL, GEOS and PROJ, the tests load the wheels' ones: they must not meet in one process.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from shapely.geometry import Point, box

from bluepeace_gis.archive import rasters

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PLUGIN = PROJECT / "qgis_plugin"
FOLDER_NAME = "blue_peace"  # as users install it; not bluepeace_gis: QGIS puts plugins on sys.path
SECONDS = 240  # for one run in QGIS; a hanging one must not hold up the whole suite
NOT_FOR_QGIS = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "BLUEPEACE_PYTHON", "FAKE_ENGINE")


def find_qgis_process():
    # on Debian 12 the wrapper without .bin is broken
    return shutil.which("qgis_process.bin") or shutil.which("qgis_process")


def has_pyqgis(python):
    answer = subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False, env=clean())
    return answer.returncode == 0


def clean():
    return {name: value for name, value in os.environ.items() if name not in NOT_FOR_QGIS}


@pytest.fixture(scope="session")
def qgis_program():
    program = find_qgis_process()
    if program is None:
        pytest.skip("there is no qgis_process on this machine (Debian: apt-get install qgis python3-qgis)")
    return program


@pytest.fixture(scope="session")
def qgis_python():
    """The system's own Python, to which QGIS belongs."""
    for candidate in ("/usr/bin/python3", shutil.which("python3", path="/usr/local/bin:/opt/bin")):
        if candidate and Path(candidate).exists() and has_pyqgis(candidate):
            return candidate
    return pytest.skip("no Python with PyQGIS on this machine (Debian: apt-get install python3-qgis)")


@pytest.fixture(scope="session")
def qgis_environment(tmp_path_factory):
    """A profile of its own, and the plugin in a folder of the name that users see."""
    home = tmp_path_factory.mktemp("qgis")
    plugins = home / "plugins"
    shutil.copytree(PLUGIN, plugins / FOLDER_NAME, ignore=shutil.ignore_patterns("__pycache__"))
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    return {
        **clean(),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "QGIS_CUSTOM_CONFIG_PATH": str(home / "profile"),
        "QGIS_PLUGINPATH": str(plugins),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "GDAL_PAM_ENABLED": "NO",  # QGIS leaves its statistics beside a raster: not beside the sample
        "PATH": without_bluepeace(os.environ["PATH"]),
    }


def without_bluepeace(path):
    """PATH without the places where a `bluepeace` of the developer may stand, or a foreign Python.

    The Python inside QGIS takes the first `python3` on PATH for its home: it must be the system's, or
    QGIS does not find its own modules.
    """
    system = Path("/usr/bin/python3")

    def is_foreign(place):
        python = Path(place) / "python3"
        return system.exists() and python.exists() and not python.samefile(system)

    return os.pathsep.join(
        place
        for place in path.split(os.pathsep)
        if not (Path(place) / "bluepeace").exists() and not is_foreign(place)
    )


class QgisProcess:
    """Calls qgis_process; JSON is what it says on stdout."""

    def __init__(self, program, environment):
        self.program = program
        self.environment = environment

    def __call__(self, *words, **environment):
        return subprocess.run(
            [self.program, *map(str, words)],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )

    def run(self, parameters, algorithm="basins", **environment):
        words = [f"{name}={value}" for name, value in parameters.items()]
        return self("--json", "run", f"bluepeace:{algorithm}", "--", *words, **environment)


@pytest.fixture(scope="session")
def qgis_process(qgis_program, qgis_environment):
    process = QgisProcess(qgis_program, qgis_environment)
    enabled = process("plugins", "enable", FOLDER_NAME)
    assert enabled.returncode == 0, enabled.stderr
    return process


class InsideQgis:
    """A QGIS without a window that does one case of inside_qgis.py after the other."""

    def __init__(self, python, environment, log):
        self.words = [python, str(HERE / "inside_qgis.py")]
        self.environment = environment
        self.log = log
        self.process = None

    def start(self):
        with self.log.open("a", encoding="utf-8") as said:
            self.process = subprocess.Popen(
                self.words, env=self.environment, stdin=subprocess.PIPE, stdout=said, stderr=said, text=True
            )

    def ask(self, answer, request):
        """Give the answer to a request; a QGIS that died over it is told by what it said last."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        answer.unlink(missing_ok=True)
        self.process.stdin.write(json.dumps({**request, "answer": str(answer)}) + "\n")
        self.process.stdin.flush()
        deadline = time.monotonic() + SECONDS
        while not answer.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                last_words = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
                self.process.kill()
                pytest.fail(f"QGIS gave no answer (code {self.process.poll()}): {last_words}")
            time.sleep(0.02)
        found = json.loads(answer.read_text(encoding="utf-8"))
        assert "fault" not in found, found["fault"]
        return found

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="session")
def inside_qgis(qgis_python, qgis_environment, tmp_path_factory):
    inside = InsideQgis(qgis_python, qgis_environment, tmp_path_factory.mktemp("inside") / "log.txt")
    yield inside
    inside.stop()


@pytest.fixture
def in_qgis(inside_qgis, tmp_path):
    """Run one case of inside_qgis.py in QGIS's own Python and give what it answers."""

    def run(case, environment=None, **arguments):
        request = {"case": case, "arguments": arguments, "environment": environment or {}}
        return inside_qgis.ask(tmp_path / "answer.json", request)

    return run


@pytest.fixture(scope="session")
def fake_engine(tmp_path_factory):
    """A program called `bluepeace` that behaves as the variable FAKE_ENGINE says."""
    program = tmp_path_factory.mktemp("fake") / "bluepeace"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "fake_engine.py"}" "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    return str(program)


@pytest.fixture(scope="session")
def layers(tmp_path_factory):
    """A DEM, outlets in it and a country around them, small; a fake engine does not read them."""
    folder = tmp_path_factory.mktemp("layers")
    rows, columns = 40, 50
    elevation = np.add.outer(np.arange(rows), np.zeros(columns)).astype(np.float32)
    dem = xr.DataArray(elevation, dims=("y", "x")).rio.write_crs("EPSG:32642")
    dem = dem.rio.write_transform(Affine(100, 0, 500_000, 0, -100, 4_500_000))
    rasters.write(dem, folder / "dem.tif")
    points = gpd.GeoDataFrame(
        {"name": ["upper", "middle", "lower"], "known_km2": [1.0, 2.0, 3.0]},
        geometry=[Point(501_000, 4_499_000), Point(502_000, 4_498_000), Point(503_000, 4_497_000)],
        crs="EPSG:32642",
    )
    points.to_file(folder / "outlets.gpkg", layer="outlets", VERSION="1.3")
    points.to_crs("EPSG:4326").to_file(folder / "outlets.geojson")
    points.set_crs("EPSG:32643", allow_override=True).to_file(
        folder / "wrong_zone.gpkg", layer="outlets", VERSION="1.3"
    )
    points.iloc[:1].to_file(folder / "two_layers.gpkg", layer="one", VERSION="1.3")
    points.to_file(folder / "two_layers.gpkg", layer="two", VERSION="1.3")
    far = points.set_geometry(points.geometry.translate(200_000, 0))
    far.to_file(folder / "far.gpkg", layer="far", VERSION="1.3")
    country = gpd.GeoDataFrame({"country": ["A"]}, geometry=[box(499_000, 4_490_000, 510_000, 4_501_000)])
    country = country.set_crs("EPSG:32642")
    country.to_file(folder / "countries.gpkg", layer="countries", VERSION="1.3")
    country.iloc[:0].to_file(folder / "empty.gpkg", layer="empty", geometry_type="Polygon", VERSION="1.3")
    country.set_geometry(country.geometry.translate(90_000, 0)).to_file(
        folder / "far_countries.gpkg", layer="countries", VERSION="1.3"
    )
    return folder
