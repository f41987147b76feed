"""Outlines of ice in a whole Sentinel-2 tile against the usual script of numpy, scipy and rasterio.

Both begin with decoded bands of 10980 x 10980 cells in memory and end with polygons of at least 0.01 km2;
imports and reading are not counted, nor is compiling. Ours also does what the usual script does not: water
by slope, snow of the season, unmixing of the margin, bounds, the threshold's curve, ice under debris; with
elevations of 30 m.
"""

import datetime as dt
import json
import sys
import time
from pathlib import Path

CELLS, CELL_M, DEM_TIMES = 10_980, 10.0, 3
LEFT, TOP = 600_000.0, 4_500_000.0
AREA_MIN_KM2 = 0.01
BANDS = ("green", "nir", "swir1")
ICE, ROCK, SNOW = (4500, 3400, 60), (1100, 1500, 1900), (8000, 7000, 500)


def make_tile(folder, cells):
    """Write bands as int16, 10000 times reflectance, and elevations: ice high up, snow in patches by it."""
    import numpy as np
    from benchmark import make_surface

    coarse = cells // DEM_TIMES
    z = make_surface(coarse, seed=3)
    z = np.where(np.isnan(z), np.nanmin(z), z) + 1500
    np.save(folder / "z.npy", z)
    ice = np.quantile(z, 0.93)
    rng = np.random.default_rng(5)
    for band, pure, bare, white in zip(BANDS, ICE, ROCK, SNOW, strict=True):
        out = np.empty((cells, cells), np.int16)
        for row in range(0, coarse, 128):
            part = np.random.default_rng(row)  # the same places in each band
            heights = np.repeat(np.repeat(z[row : row + 128], DEM_TIMES, 0), DEM_TIMES, 1)
            share = np.clip((heights - ice) / 4 + 0.5, 0, 1)
            patches = part.random(z[row : row + 128].shape, np.float32) < 0.06
            snow = np.repeat(np.repeat(patches, DEM_TIMES, 0), DEM_TIMES, 1) & (heights > ice - 300)
            values = share * pure + (1 - share) * bare
            values = np.where(snow, white, values)
            values += rng.standard_normal(values.shape, np.float32) * 60
            out[row * DEM_TIMES : row * DEM_TIMES + len(values), : values.shape[1]] = np.rint(values)
        np.save(folder / f"{band}.npy", out[: coarse * DEM_TIMES, : coarse * DEM_TIMES])


def run_ours(folder):
    import numpy as np
    from affine import Affine
    from pyproj import CRS

    from bluepeace_gis.analyses.glaciers import Observed, Terrain, find_glaciers
    from bluepeace_gis.geo.grid import Grid

    crs = CRS("EPSG:32642")
    bands = {name: np.load(folder / f"{name}.npy") for name in BANDS}
    z = np.load(folder / "z.npy")
    grid = Grid(crs, Affine(CELL_M, 0, LEFT, 0, -CELL_M, TOP), bands["green"].shape)
    step = CELL_M * DEM_TIMES
    dem = Grid(crs, Affine(step, 0, LEFT, 0, -step, TOP), z.shape).raster(z, name="dem")
    observed = Observed(grid, **bands, dates=[dt.datetime(2024, 8, 21, tzinfo=dt.UTC)], detail_m=20.0)
    del bands

    def run():
        return len(find_glaciers(observed, Terrain.of(dem, grid)).layers["glaciers"])

    return run


def run_usual(folder):
    """Take the steps of many published scripts: index, threshold, median, sieve, polygons."""
    import numpy as np
    import rasterio.features
    import scipy.ndimage
    import shapely.geometry
    from affine import Affine

    green, _, swir1 = (np.load(folder / f"{name}.npy") for name in BANDS)
    least = round(AREA_MIN_KM2 * 1e6 / CELL_M**2)

    def run():
        one, two = green.astype(np.float32), swir1.astype(np.float32)
        mask = ((one - two) / (one + two) > 0.4).astype(np.uint8)
        mask = scipy.ndimage.median_filter(mask, size=3)
        label, count = scipy.ndimage.label(mask)
        size = np.bincount(label.ravel(), minlength=count + 1)
        keep = size >= least
        keep[0] = False
        mask = keep[label].astype(np.uint8)
        transform = Affine(CELL_M, 0, LEFT, 0, -CELL_M, TOP)
        shapes = rasterio.features.shapes(mask, mask=mask.astype(np.bool_), transform=transform)
        return len([shapely.geometry.shape(shape) for shape, _ in shapes])

    return run


PROGRAMS = {"bluepeace": run_ours, "usual script": run_usual}


def main():
    """Run one program on one tile, after a small one that compiles, and print what it took."""
    from benchmark import peak_mb, start_memory

    who, small, large = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    PROGRAMS[who](small)()
    run = PROGRAMS[who](large)
    start_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    count = run()
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"cpu_s": cpu_s, "seconds": wall_s, "peak_mb": peak_mb(), "polygons": count}))


if __name__ == "__main__":
    main()
