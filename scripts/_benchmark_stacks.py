"""The kernels of stacks of scenes and years against named peers: one job by one tool in this process.

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


def one_by_one():  # noqa: C901  three kernels and their loops, which share one compilation
    """Compile the smoother the way hdc-algo and modape have it: one series after the other, time last.

    Written from the equations (Eilers 2003), as no release of either installs from the package index.
    """
    import numba
    import numpy as np

    @numba.njit(error_model="numpy")
    def smooth(y, w, penalty, z, right, pivot):
        steps = y.size
        for i in range(steps):
            begins, middle, ends = i <= steps - 3, 1 <= i <= steps - 2, i >= 2
            here = w[i] + penalty * (begins + 4 * middle + ends)
            beside, total = -2 * penalty * (begins + middle), w[i] * y[i]
            if i >= 1:
                share = right[i - 1] * pivot[i - 1]
                here, beside = here - right[i - 1] * share, beside - penalty * share
                total -= share * z[i - 1]
            if i >= 2:
                far = penalty * pivot[i - 2]
                here, total = here - penalty * far, total - far * z[i - 2]
            right[i], z[i], pivot[i] = beside, total, 1 / here
        z[steps - 1] *= pivot[steps - 1]
        z[steps - 2] = pivot[steps - 2] * (z[steps - 2] - right[steps - 2] * z[steps - 1])
        for i in range(steps - 3, -1, -1):
            z[i] = pivot[i] * (z[i] - right[i] * z[i + 1] - penalty * z[i + 2])

    @numba.njit(parallel=True, error_model="numpy")
    def smooth_all(values, nodata, penalty, out):
        for k in numba.prange(len(values)):
            steps = values.shape[1]
            w, z = np.empty(steps), np.empty(steps)
            for i in range(steps):
                w[i] = values[k, i] != nodata
            smooth(values[k].astype(np.float64), w, penalty, z, np.empty(steps), np.empty(steps))
            for i in range(steps):
                out[k, i] = np.rint(z[i])

    @numba.njit(parallel=True, error_model="numpy")
    def v_curve_all(values, nodata, grid, out):
        for k in numba.prange(len(values)):
            steps = values.shape[1]
            w, z = np.empty(steps), np.empty(steps)
            y, best = values[k].astype(np.float64), np.inf
            right, pivot = np.empty(steps), np.empty(steps)
            for i in range(steps):
                w[i] = values[k, i] != nodata
            last_fit, last_rough = 0.0, 0.0
            for g in range(grid.size):
                smooth(y, w, 10.0 ** grid[g], z, right, pivot)
                fit, rough = 0.0, 0.0
                for i in range(steps):
                    fit += w[i] * (y[i] - z[i]) ** 2
                    if i >= 2:
                        rough += (z[i - 2] - 2 * z[i - 1] + z[i]) ** 2
                fit, rough = np.log10(fit), np.log10(rough)
                length = np.hypot(fit - last_fit, rough - last_rough)
                if g > 0 and length < best:
                    best, out[k] = length, (grid[g] + grid[g - 1]) / 2
                last_fit, last_rough = fit, rough

    return smooth_all, v_curve_all


def time_last(side):
    """The season of NDVI as (pixels, DATES), each series in one piece."""
    import numpy as np

    whole, _ = season_of_ndvi(side)
    return np.ascontiguousarray(whole.reshape(DATES, -1).T)


def smoother_by_bluepeace(side):
    from bluepeace_gis.kernels import whittaker

    whole, _ = season_of_ndvi(side)
    return lambda: whittaker.smooth(whole, 10.0, NODATA), whole.size


def smoother_one_by_one(side):
    import numpy as np

    values, (smooth_all, _) = time_last(side), one_by_one()
    out = np.empty_like(values)
    smooth_all(values[:2], NODATA, 10.0, out[:2])
    return lambda: smooth_all(values, NODATA, 10.0, out), values.size


def smoother_by_whittaker_eilers(side):
    import whittaker_eilers

    values = time_last(side)
    weights = (values != NODATA).astype(float).tolist()
    series = values.astype(float).tolist()

    def run():
        smoother = whittaker_eilers.WhittakerSmoother(10.0, 2, DATES)
        for one, weight in zip(series, weights, strict=True):
            smoother.update_weights(weight)
            smoother.smooth(one)

    return run, values.size


def v_curve_by_bluepeace(side):
    from bluepeace_gis.kernels import whittaker

    whole, _ = season_of_ndvi(side)
    return lambda: whittaker.v_curve(whole, NODATA), whole.size


def v_curve_one_by_one(side):
    import numpy as np

    from bluepeace_gis.kernels.whittaker import LOG10_PENALTIES

    values, (_, v_curve_all) = time_last(side), one_by_one()
    grid, out = np.array(LOG10_PENALTIES), np.empty(len(values))
    v_curve_all(values[:2], NODATA, grid, out[:2])
    return lambda: v_curve_all(values, NODATA, grid, out), values.size


WINDOWS = (3, 9, 10, 18)  # first and last date of spring and of summer


def windows_by_bluepeace(side):
    from bluepeace_gis.kernels.windows import two_windows

    whole, _ = season_of_ndvi(side)
    return lambda: two_windows(whole, WINDOWS, NODATA), whole.size


def six_statistics(floats, maximum, minimum, place):
    """Two maxima, their dates, the lowest value from window to window, the amplitude: fewer than ours."""
    begin, end, later, last = WINDOWS
    first, second = floats[begin : end + 1], floats[later : last + 1]
    # Places of pixels without any observation are an error to some: zero is the lowest of none.
    return (
        maximum(first, axis=0), maximum(second, axis=0), place(first), place(second),
        minimum(floats[begin : last + 1], axis=0), maximum(floats, axis=0) - minimum(floats, axis=0),
    )  # fmt: skip


def windows_by_numbagg(side):
    import numbagg
    import numpy as np

    _, floats = season_of_ndvi(side)
    floats[[WINDOWS[0], WINDOWS[2]]] = np.nan_to_num(floats[[WINDOWS[0], WINDOWS[2]]])

    def place(part):
        return numbagg.nanargmax(part, axis=0)

    return lambda: six_statistics(floats, numbagg.nanmax, numbagg.nanmin, place), floats.size


def windows_by_numpy(side):
    import numpy as np

    _, floats = season_of_ndvi(side)
    floats[[WINDOWS[0], WINDOWS[2]]] = np.nan_to_num(floats[[WINDOWS[0], WINDOWS[2]]])

    def place(part):
        return np.nanargmax(part, axis=0)

    return lambda: six_statistics(floats, np.nanmax, np.nanmin, place), floats.size


def annual_values(side):
    """Areas of DATES years (DATES, side * side) with a trend and a year like the one before."""
    import numpy as np

    values = np.random.default_rng(4).normal(size=(DATES, side * side))
    for year in range(1, DATES):
        values[year] += 0.3 * values[year - 1]
    return values + 0.02 * np.arange(DATES)[:, None]


def trend_by_bluepeace(side):
    from bluepeace_gis.kernels.trends import trend

    values = annual_values(side)
    return lambda: trend(values), values.size


def trend_by_pymannkendall(side):
    import pymannkendall

    values = annual_values(side)
    return lambda: [pymannkendall.original_test(series) for series in values.T], values.size


def trend_by_scipy(side):
    import numpy as np
    from scipy import stats

    values, years = annual_values(side), np.arange(DATES)

    def run():
        for one in values.T:
            stats.theilslopes(one, years)
            stats.kendalltau(years, one)

    return run, values.size


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
    "Whittaker smoother": {
        "bluepeace": (smoother_by_bluepeace, 1500),
        "one by one": (smoother_one_by_one, 700),
        "whittaker-eilers": (smoother_by_whittaker_eilers, 60),
    },
    "V-curve": {
        "bluepeace": (v_curve_by_bluepeace, 300),
        "one by one": (v_curve_one_by_one, 150),
    },
    "two windows": {
        "bluepeace": (windows_by_bluepeace, 1500),
        "numbagg": (windows_by_numbagg, 700),
        "numpy": (windows_by_numpy, 500),
    },
    "slope and test": {
        "bluepeace": (trend_by_bluepeace, 500),
        "pymannkendall": (trend_by_pymannkendall, 30),
        "scipy": (trend_by_scipy, 30),
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
    seconds, cpu = [], []
    for _ in range(REPEATS):
        start, used = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    rate = pixel_dates / min(seconds) / 1e6
    memory = (peak_mb() - before) * 1e6 / pixel_dates
    # The CPU's time tells more than the clock's where others use the machine as well.
    cpu_ns = min(cpu) / pixel_dates * 1e9
    print(json.dumps({"rate": rate, "cpu_ns": cpu_ns, "memory": memory, "first_s": first}))


if __name__ == "__main__":
    main()
