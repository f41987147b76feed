"""Speed and memory against the named peers, in one run on this machine; it asserts nothing.

Each tool runs in a process of its own, after a first pass on a small surface that compiles what has
to be compiled, so that the peak memory is its own. Times are of the wall clock; compare ratios.

    python scripts/benchmark.py                 all: basins on 5000 x 5000 cells, stacks of scenes, a season,
                                                glaciers of a tile
    python scripts/benchmark.py --only stacks   one of them
    python scripts/benchmark.py --cells 2000    a smaller surface
    python scripts/benchmark.py --alone         without the peers
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CELL_M = 30.0
STATUS = Path("/proc/self/status")
PEERS = {
    "pyflwdir": "pyflwdir",
    "whitebox": "whitebox_workflows",
    "numbagg": "numbagg",
    "hdstats": "hdstats",
    "whittaker-eilers": "whittaker_eilers",
    "pymannkendall": "pymannkendall",
    "odc-stac": "odc.stac",
    "usual script": "scipy",
}


def make_surface(cells, seed=1):
    """Make a fractal surface (Hurst 0.75, 250 m) with 1,500 m of tilt, inner basins and a ragged rim."""
    import numpy as np

    rng = np.random.default_rng(seed)
    across, along = np.fft.rfftfreq(cells)[None, :], np.fft.fftfreq(cells)[:, None]
    wave = np.hypot(across, along)
    wave[0, 0] = 1
    strength = wave**-1.75  # Hurst exponent 0.75 in two dimensions
    strength[0, 0] = 0

    def noise():
        phase = rng.standard_normal(strength.shape) + 1j * rng.standard_normal(strength.shape)
        field = np.fft.irfft2(strength * phase, s=(cells, cells))
        return (field / field.std()).astype(np.float32)

    y, x = (np.mgrid[0:cells, 0:cells] / cells).astype(np.float32)
    z = 250 * noise() + 1500 * (1 - y) + 2000
    for east, south, radius, depth in ((0.3, 0.35, 0.12, 300), (0.65, 0.5, 0.1, 500), (0.4, 0.75, 0.15, 700)):
        away = np.hypot(x - east, y - south) / radius
        z -= depth * np.clip(1.2 - away, 0, None)
        z = np.where(away < 0.4, z[away < 0.5].mean(), z)  # a flat floor
    rim = np.minimum(np.minimum(x, y), np.minimum(1 - x, 1 - y))
    return np.where(rim < 0.015 + 0.012 * noise(), np.nan, z).astype(np.float32)


class Watch:
    """Seconds of each stage."""

    def __init__(self):
        self.stages = {}
        self._since = time.perf_counter()

    def stage(self, name):
        now = time.perf_counter()
        self.stages[name] = now - self._since
        self._since = now


def run_ours(path):
    import numpy as np

    from bluepeace_gis.kernels import accumulation, conditioning, delineation
    from bluepeace_gis.kernels.conditioning import Surface

    z = np.load(path)
    near = np.tile([1 / CELL_M, 0.5**0.5 / CELL_M, 1 / CELL_M], (len(z), 1))
    area = np.full((1, 1), CELL_M**2)
    before = start_memory()
    watch = Watch()
    routed = conditioning.route(Surface(z, near, np.zeros((0, 0), np.uint8), edges_drain=True))
    direction = conditioning.breach(routed)
    watch.stage("condition, direct")
    rims = accumulation.rims(direction)
    total = accumulation.accumulation(direction, rims, lambda tile: np.repeat(area, tile.rows, 0))
    watch.stage("accumulate")
    outlet = np.flatnonzero(total == np.fmax.reduce(total, axis=None))[:1]
    watch = kept(watch)
    delineation.delineate(direction, rims, outlet)
    watch.stage("delineate")
    return watch.stages, peak_mb() - before


def run_pyflwdir(path):
    import numpy as np
    import pyflwdir

    z = np.load(path)
    z[np.isnan(z)] = -9999
    before = start_memory()
    watch = Watch()
    flow = pyflwdir.from_dem(z, nodata=-9999, outlets="edge")
    watch.stage("condition, direct")
    total = flow.upstream_area()
    watch.stage("accumulate")
    outlet = np.array([int(total.argmax())])
    watch = kept(watch)
    flow.basins(idxs=outlet)
    watch.stage("delineate")
    return watch.stages, peak_mb() - before


def run_whitebox(path):
    import numpy as np
    import rasterio
    import whitebox_workflows
    from affine import Affine

    z = np.load(path)
    tool = whitebox_workflows.WbEnvironment()
    tool.verbose = False
    with tempfile.TemporaryDirectory() as folder:
        tool.working_directory = folder
        dem_file, outlet_file = Path(folder) / "dem.tif", Path(folder) / "outlet.shp"
        profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": -9999.0, "crs": "EPSG:32642"}
        place = Affine(CELL_M, 0, 500_000, 0, -CELL_M, 4_500_000)
        with rasterio.open(
            dem_file, "w", height=z.shape[0], width=z.shape[1], transform=place, **profile
        ) as target:
            target.write(np.where(np.isnan(z), np.float32(-9999), z), 1)
        columns = z.shape[1]
        del z
        dem = tool.read_raster(str(dem_file))
        before = start_memory()
        watch = Watch()
        filled = tool.hydrology.fill_depressions(dem=dem, fix_flats=True)
        pointer = tool.hydrology.d8_pointer(dem=filled)
        watch.stage("condition, direct")
        total = tool.hydrology.d8_flow_accum(input=pointer, input_is_pointer=True)
        watch.stage("accumulate")
        tool.write_raster(total, str(Path(folder) / "total.tif"))
        with rasterio.open(Path(folder) / "total.tif") as source:
            values = source.read(1)
        row, column = divmod(int(np.nanargmax(np.where(values < 0, 0, values))), columns)
        import geopandas as gpd
        import shapely

        x, y = place.c + CELL_M * (column + 0.5), place.f - CELL_M * (row + 0.5)
        gpd.GeoDataFrame({"id": [1]}, geometry=[shapely.Point(x, y)], crs="EPSG:32642").to_file(outlet_file)
        points = tool.read_vector(str(outlet_file))
        watch = kept(watch)
        tool.hydrology.watershed(d8_pntr=pointer, pour_pts=points)
        watch.stage("delineate")
        return watch.stages, peak_mb() - before


def kept(watch):
    """Go on with the stages measured so far, without the time spent between them."""
    fresh = Watch()
    fresh.stages = watch.stages
    return fresh


def start_memory():
    """Forget the peak so far, where the system can (Linux), and return what is resident now, MB."""
    if not STATUS.exists():
        return peak_mb()
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def peak_mb():
    if not STATUS.exists():
        import resource

        scale = 1e6 if sys.platform == "darwin" else 1e3
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    return _status_mb("VmHWM")


def _status_mb(name):
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


TOOLS = {"bluepeace": run_ours, "pyflwdir": run_pyflwdir, "whitebox": run_whitebox}


def one(tool, small, large):
    """Warm up on the small surface, measure on the large one, print JSON."""
    start = time.perf_counter()
    TOOLS[tool](small)
    first = time.perf_counter() - start
    stages, memory = TOOLS[tool](large)
    print(json.dumps({"stages": stages, "memory_mb": memory, "first_s": first}))


def copy_bandwidth(path):
    import numpy as np

    z = np.load(path)
    target = np.empty_like(z)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, z)
        times.append(time.perf_counter() - start)
    return min(times) / z.size * 1e9


def installed(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


def measure(*arguments, script=__file__, environment=None):
    """Let a script do one thing in a process of its own and return what it found, or None."""
    words = [str(argument) for argument in arguments]
    answer = subprocess.run(
        [sys.executable, str(script), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if answer.returncode:
        print(f"{' '.join(words[:2])} failed: {answer.stderr.strip().splitlines()[-1:]}")
        return None
    return json.loads(answer.stdout.strip().splitlines()[-1])


def runs(tool, alone):
    """Tell whether a tool is to run, and say why if a peer is not."""
    if tool == "bluepeace" or not (alone or (tool in PEERS and not installed(PEERS[tool]))):
        return True
    print(f"{tool}: {'left out' if alone else 'not installed'}")
    return False


def table(found, cells):
    count = cells * cells
    stages = ["condition, direct", "accumulate", "delineate"]
    print(
        f"\n{'ns per cell':<14}"
        + "".join(f"{name:>20}" for name in [*stages, "all", "times ours", "peak B/cell"])
    )
    ours = sum(found["bluepeace"]["stages"].values())
    for tool, values in found.items():
        total = sum(values["stages"].values())
        cells_of = "".join(f"{values['stages'][name] / count * 1e9:20.1f}" for name in stages)
        print(
            f"{tool:<14}{cells_of}{total / count * 1e9:20.1f}{total / ours:20.1f}"
            f"{values['memory_mb'] * 1e6 / count:20.1f}"
        )


def basins(options):
    """Condition, direct, accumulate and delineate one surface."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.npy", Path(folder) / "large.npy"
        print(f"making surfaces of 600 x 600 and {options.cells} x {options.cells} cells")
        np.save(small, make_surface(600))
        np.save(large, make_surface(options.cells))
        print(f"copying float32 costs {copy_bandwidth(large):.2f} ns per cell; {os.cpu_count()} processors")
        found = {}
        for tool in TOOLS:
            values = measure("--one", tool, small, large) if runs(tool, options.alone) else None
            if values:
                found[tool] = values
        table(found, options.cells)
        cache = {"NUMBA_CACHE_DIR": str(Path(folder) / "cache")}
        cold = measure("--one", "bluepeace", small, small, environment=cache)
        warm = found["bluepeace"]["first_s"]
        print(f"\nfirst call: {cold['first_s']:.1f} s without compiled kernels on disk, {warm:.1f} s with")


def stacks(options):
    """Calibrate scenes and make composites of a season by the kernels alone."""
    import _benchmark_stacks
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        numbers = Path(folder) / "numbers.npy"
        np.save(numbers, np.zeros((_benchmark_stacks.DATES, 1500, 1500), np.int16))
        print(
            f"\ncopying int16 costs {copy_bandwidth(numbers):.2f} ns per pixel; {os.cpu_count()} processors"
        )
        columns = ["million pixel-dates/s", "times slower", "CPU ns/pixel-date", "peak B/pixel-date"]
        columns.append("first call, s")
        print(f"\n{'':<41}" + "".join(f"{name:>23}" for name in columns))
        for job, tools in _benchmark_stacks.JOBS.items():
            ours = None
            for tool in tools:
                if not runs(tool, options.alone):
                    continue
                # Ours without compiled kernels on disk: the first call tells what they cost.
                cache = {"NUMBA_CACHE_DIR": str(Path(folder) / job)} if tool == "bluepeace" else {}
                found = measure(job, tool, script=_benchmark_stacks.__file__, environment=cache)
                if not found:
                    continue
                ours = ours or found["rate"]
                print(
                    f"{job:<24}{tool:<17}{found['rate']:23.1f}{ours / found['rate']:23.1f}"
                    f"{found['cpu_ns']:23.1f}{found['memory']:23.1f}{found['first_s']:23.1f}"
                )


def season(options):
    """Make the NDVI median of ten scenes of 7000 x 7000 cells, from the archive on disk to a COG."""
    import _benchmark_season

    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        for place, cells in ((small, 400), (large, options.season_cells)):
            place.mkdir()
            _benchmark_season.make_archive(place, cells)
        bytes_read = sum(file.stat().st_size for file in large.iterdir())
        shape = f"{options.season_cells} x {options.season_cells}"
        print(
            f"\nNDVI median of {_benchmark_season.SCENES} scenes of {shape} cells, {bytes_read / 1e6:.0f} MB"
        )
        print(f"{'':<14}" + "".join(f"{name:>20}" for name in ("seconds", "times ours", "peak MB")))
        ours = None
        for tool in _benchmark_season.PROGRAMS:
            if not runs(tool, options.alone):
                continue
            out = Path(folder) / tool
            # compiles into the cache on the disk, so that a fresh process is measured, as the command is run
            measure(tool, small, out / "small", script=_benchmark_season.__file__)
            found = measure(tool, large, out / "large", script=_benchmark_season.__file__)
            if found:
                ours = ours or found["seconds"]
                numbers = f"{found['seconds']:20.1f}{found['seconds'] / ours:20.2f}{found['peak_mb']:20.0f}"
                print(f"{tool:<14}{numbers}")


def glaciers(options):
    """Outline the ice of a whole Sentinel-2 tile, from decoded bands to polygons."""
    import _benchmark_glaciers

    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        for place, cells in ((small, 600), (large, options.tile_cells)):
            place.mkdir()
            _benchmark_glaciers.make_tile(place, cells)
        print(f"\noutlines of ice in {options.tile_cells} x {options.tile_cells} cells, bands in memory")
        columns = ["CPU s", "times ours", "seconds", "peak MB", "polygons"]
        print(f"{'':<14}" + "".join(f"{name:>20}" for name in columns))
        ours = None
        for tool in _benchmark_glaciers.PROGRAMS:
            found = None
            if runs(tool, options.alone):
                found = measure(tool, small, large, script=_benchmark_glaciers.__file__)
            if found:
                ours = ours or found["cpu_s"]
                print(
                    f"{tool:<14}{found['cpu_s']:20.1f}{found['cpu_s'] / ours:20.2f}{found['seconds']:20.1f}"
                    f"{found['peak_mb']:20.0f}{found['polygons']:20d}"
                )


# What --only chooses from, in the order of a full run. Another chain is another function here.
CHAINS = {"basins": basins, "stacks": stacks, "season": season, "glaciers": glaciers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=CHAINS, help="one chain instead of all")
    parser.add_argument("--cells", type=int, default=5000, help="along a side of the surface of basins")
    parser.add_argument(
        "--season-cells", type=int, default=7000, help="along a side of the scenes of a season"
    )
    parser.add_argument("--tile-cells", type=int, default=10_980, help="along a side of the tile of glaciers")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--one", nargs=3, metavar=("TOOL", "SMALL", "LARGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    for name, chain in CHAINS.items():
        if options.only in (None, name):
            chain(options)


if __name__ == "__main__":
    main()
