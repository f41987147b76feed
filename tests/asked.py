"""The command as tests ask it, and the small files they ask it about."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from bluepeace_gis import cli
from bluepeace_gis.archive import features

COMMAND = [sys.executable, "-m", "bluepeace_gis"]


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(*arguments, cwd=None):
    """Run the command in this process: an interpreter and its imports cost seconds each time."""
    out, error = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with (
            contextlib.chdir(cwd or "."),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main([str(argument) for argument in arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Answer(ended.value.code, out.getvalue(), error.getvalue())


def run_alone(*arguments, cwd=None, **environment):
    """Run the command as another program does."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def lines(output):
    """Read what `--progress json` writes."""
    return [json.loads(line) for line in output.splitlines()]


def write_dem(path, z=None, *, crs="EPSG:32642", transform=None, nodata=np.nan, dtype="float32"):
    """Write elevations; without any, a valley of 60 x 50 cells that falls to the south."""
    if z is None:
        row, column = np.mgrid[0:60, 0:50]
        z = 1000 + 10.0 * np.abs(column - 25) - 5.0 * row
    z = np.asarray(z)
    transform = transform or Affine(100, 0, 500_000, 0, -100, 4_400_000)
    options = {"crs": crs} if crs else {}
    with rasterio.open(
        path, "w", driver="GTiff", height=z.shape[0], width=z.shape[1], count=1, dtype=dtype, nodata=nodata,
        transform=transform, **options,
    ) as target:  # fmt: skip
        target.write(z.astype(dtype), 1)
    return path


def write_outlets(path, x=502_550, y=4_394_050, crs="EPSG:32642", **columns):
    """Write one outlet; without a place, that of the valley."""
    layer = gpd.GeoDataFrame(columns, geometry=[shapely.Point(x, y)], crs=crs)
    return features.write({"outlets": layer}, path)
