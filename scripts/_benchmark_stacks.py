"""The kernels of stacks of scenes against numpy, numbagg and hdstats: one job by one tool in this process.

    python _benchmark_stacks.py JOB TOOL        prints JSON

Each job makes its data, which does not count, and returns what is timed and its number of pixel-dates.
The floats of the peers are ready for them, NaN and all; ours read the whole numbers of a scene.
"""

import json
import os
import sys
import time
import warnings

REPEATS = 3  # the quickest counts
DATES = 24
LANDSAT = (2.75e-5, -0.2)  # Collection 2: reflectance = number * scale + offset
NODATA = -32768


def scenes(side, dates=10):
    """Two bands of Landsat numbers and their quality, half of it rejected: (dates, side, side) each."""
    import numpy as np

    rng = np.random.default_rng(1)
    nir, red = (rng.integers(7000, 25_000, (dates, side, side), np.uint16) for _ in range(2))
    quality = rng.choice(np.array([21824, 21824, 22280, 1], np.uint16), (dates, side, side))
    return nir, red, quality, (np.arange(65536) & 0b111111) != 0


def difference_by_bluepeace(side):
    import numpy as np

    from bluepeace_gis.kernels.normalized import difference

    nir, red, quality, rejected = scenes(side)
    out = np.zeros(nir.shape, np.int16)
    return (
        lambda: difference(nir, red, quality, rejected, *LANDSAT, *LANDSAT, out, nodata1=0, nodata2=0),
        nir.size,
    )


def difference_by_numpy(side):
    import numpy as np

    nir, red, quality, rejected = scenes(side)
    out = np.zeros(nir.shape, np.int16)

    def run():
        for date in range(len(nir)):
            first = np.maximum(nir[date] * LANDSAT[0] + LANDSAT[1], 0)
            second = np.maximum(red[date] * LANDSAT[0] + LANDSAT[1], 0)
            total = first + second
            known = (nir[date] != 0) & (red[date] != 0) & ~rejected[quality[date]] & (total >= 0.01)
            ratio = np.rint((first - second) / total * 10_000)
            out[date] = np.where(known, ratio, NODATA)

    return run, nir.size


def season_of_ndvi(side):
    """NDVI x 10000 (DATES, side, side), three tenths of it clouds: as int16, and as float32 with NaN."""
    import numpy as np

    rng = np.random.default_rng(2)
    whole = rng.integers(-2000, 9000, (DATES, side, side), np.int16)
    whole[rng.random(whole.shape, np.float32) < 0.3] = NODATA
    return whole, np.where(whole == NODATA, np.nan, whole).astype(np.float32)


def maximum_by_bluepeace(side):
    from bluepeace_gis.kernels import composites

    whole, _ = season_of_ndvi(side)
    return lambda: composites.largest(whole, NODATA), whole.size


def maximum_by_numbagg(side):
    import numbagg

    _, floats = season_of_ndvi(side)
    return lambda: numbagg.nanmax(floats, axis=0), floats.size


def maximum_by_numpy(side):
    import numpy as np

    _, floats = season_of_ndvi(side)
    return lambda: np.nanmax(floats, axis=0), floats.size


def median_by_bluepeace(side):
    from bluepeace_gis.kernels import composites

    whole, _ = season_of_ndvi(side)
    return lambda: composites.median(whole, NODATA), whole.size


def median_by_numbagg(side):
    import numbagg

    _, floats = season_of_ndvi(side)
    return lambda: numbagg.nanmedian(floats, axis=0), floats.size


def median_by_numpy(side):
    import numpy as np

    _, floats = season_of_ndvi(side)
    return lambda: np.nanmedian(floats, axis=0), floats.size


def percentiles_by_bluepeace(side):
    from bluepeace_gis.kernels import composites

    whole, _ = season_of_ndvi(side)
    return lambda: composites.percentiles(whole, [10, 50, 90], NODATA), whole.size


def percentiles_by_numbagg(side):
    import numbagg
    import numpy as np

    _, floats = season_of_ndvi(side)
    return lambda: numbagg.nanquantile(floats, np.array([0.1, 0.5, 0.9]), axis=0), floats.size


def percentiles_by_numpy(side):
    import numpy as np

    _, floats = season_of_ndvi(side)
    return lambda: np.nanpercentile(floats, [10, 50, 90], axis=0), floats.size


def season_of_bands(side):
    """Reflectances (DATES, 6, side, side): growing fields under haze, a twelfth of the dates under cloud."""
    import numpy as np

    rng = np.random.default_rng(3)
    base = rng.uniform(0.02, 0.4, (6, side, side)).astype(np.float32)
    growth = np.array([-0.1, -0.05, -0.3, 1, -0.2, -0.3], np.float32)[:, None, None] * np.float32(0.08)
    made = np.empty((DATES, 6, side, side), np.float32)
    for date in range(DATES):
        haze = base / base.mean(0) * rng.normal(0, 0.05, (1, side, side))
        cloud = (rng.random((1, side, side)) < 0.08) * rng.uniform(0.1, 0.6, (1, side, side))
        noise = rng.normal(0, 0.008, base.shape)
        made[date] = base + haze + growth * np.sin(2 * np.pi * date / DATES) + cloud + noise
    return made


def geomedian_by_bluepeace(side):
    from bluepeace_gis.kernels.geomedian import geometric_median

    stack = season_of_bands(side)
    return lambda: geometric_median(stack), DATES * side * side


def geomedian_by_hdstats(side):
    import numpy as np
    import scipy.signal

    for gone in ("cwt", "ricker"):  # hdstats 0.2.1 imports what scipy 1.15 dropped, for another purpose
        if not hasattr(scipy.signal, gone):
            setattr(scipy.signal, gone, None)
    import hdstats

    stack = np.ascontiguousarray(np.moveaxis(season_of_bands(side), (0, 1), (3, 2)))
    return lambda: hdstats.nangeomedian_pcm(stack, num_threads=os.cpu_count()), DATES * side * side


def geomedian_by_numpy(side):
    import numpy as np

    stack = season_of_bands(side)

    def run():
        here = stack.mean(0)
        for _ in range(1000):
            away = stack - here
            weight = 1 / np.maximum(np.sqrt(np.square(away).sum(1, keepdims=True)), np.float32(1e-6))
            step = (weight * away).sum(0) / weight.sum(0)
            here = here + step
            if np.sqrt(np.square(step).sum(0).max()) < 1e-4:
                break
        return here

    return run, DATES * side * side


# job: {tool: (function, side of the scenes)}; slow peers get fewer pixels, which does not change their rate
JOBS = {
    "normalised difference": {
        "bluepeace": (difference_by_bluepeace, 1500),
        "numpy": (difference_by_numpy, 1500),
    },
    "maximum": {
        "bluepeace": (maximum_by_bluepeace, 1500),
        "numbagg": (maximum_by_numbagg, 1500),
        "numpy": (maximum_by_numpy, 1500),
    },
    "median": {
        "bluepeace": (median_by_bluepeace, 1500),
        "numbagg": (median_by_numbagg, 500),
        "numpy": (median_by_numpy, 200),
    },
    "three percentiles": {
        "bluepeace": (percentiles_by_bluepeace, 1500),
        "numbagg": (percentiles_by_numbagg, 500),
        "numpy": (percentiles_by_numpy, 100),
    },
    "geometric median": {
        "bluepeace": (geomedian_by_bluepeace, 700),
        "hdstats": (geomedian_by_hdstats, 150),
        "numpy": (geomedian_by_numpy, 150),
    },
}


def main():
    """Warm up on a few pixels, which compiles what has to be compiled, and measure."""
    from benchmark import peak_mb, start_memory

    warnings.simplefilter("ignore")  # numpy warns of pixels without an observation
    function, side = JOBS[sys.argv[1]][sys.argv[2]]
    few, _ = function(20)
    start = time.perf_counter()
    few()
    first = time.perf_counter() - start
    run, pixel_dates = function(side)
    before = start_memory()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    rate = pixel_dates / min(seconds) / 1e6
    memory = (peak_mb() - before) * 1e6 / pixel_dates
    print(json.dumps({"rate": rate, "memory": memory, "first_s": first}))


if __name__ == "__main__":
    main()
