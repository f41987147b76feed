"""Make ``data/sample``: an invented mountain-to-plain valley of two invented countries, with known answers.

Run it from anywhere, in the project's environment::

    python scripts/make_sample.py [FOLDER]
    python scripts/make_sample.py --archive [FOLDER]     only the scenes and their truth, from the other files

The same seed gives the same bytes on the same machine. The relief grows as real relief does: a range is
uplifted and cut by its own rivers (stream power, solved implicitly downstream to upstream [1]_), its slopes
fail beyond their angle of rest, fans of debris spread where the rivers leave it, ice flows above the snow
line (shallow-ice approximation), and a faint noise of measurement leaves the small pits every elevation
model has. Countries, districts, gauges and fields are then laid on that land, and the known answers are
computed by tools that are not ours (pyflwdir, shapely, pyproj). Last, ``_sample_archive.py`` looks at the
finished land from orbit.

.. [1] Braun and Willett (2013), doi:10.1016/j.geomorph.2012.10.008
"""

import argparse
import heapq
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numba import njit
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.ops import polygonize, unary_union

Reals = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# ------------------------------------------------------------------------------------------- the place
SEED = 20240611
CRS = "EPSG:32642"
CELL_M = 30.0
COLS, ROWS = 900, 1100
# South-west corner. An empty stretch of real steppe lends latitude, sun and map zone; nothing there is meant.
WEST_M, SOUTH_M = 540_000.0, 5_020_000.0
# The land is grown this many cells beyond the sample, so that valleys run out of the sheet as real ones do.
MARGIN = 66
NX, NY = COLS + 2 * MARGIN, ROWS + 2 * MARGIN
STAMP = "2024-06-01T00:00:00.000Z"

WEST_COUNTRY, EAST_COUNTRY = "Talvria", "Sormea"
NAMES_RU = {
    "Talvria": "Талврия", "Sormea": "Сормея",
    "Tivra Heights": "Тиврское нагорье", "Oldfan": "Старый Конус", "Westmead": "Западный Луг",
    "Askenhead": "Верховье Аскена", "Ulmer Lake": "Ульмерское Озеро", "Rightbank": "Правобережье",
    "Northstrip": "Северная Полоса",
}  # fmt: skip

# Rivers as a sketch, km east and north of the south-west corner, from the crest down.
SKETCH: dict[str, list[tuple[float, float]]] = {
    "Tivra": [(4.6, 3.6), (4.9, 6.5), (4.2, 10.0), (5.1, 14.0), (4.9, 18.4), (5.9, 22.5), (7.9, 26.5),
              (9.3, 30.0), (10.0, 35.2)],
    "Asken": [(18.0, 3.9), (17.6, 6.2), (16.2, 8.6), (13.9, 10.6), (12.7, 12.6), (12.9, 15.2), (13.3, 18.6),
              (13.9, 22.2), (13.5, 25.6), (14.4, 28.8), (13.9, 31.2), (14.6, 35.2)],
    "West Asken": [(9.3, 3.6), (9.7, 6.6), (11.0, 9.4), (12.7, 12.6)],
    "Sarn": [(8.6, 11.5), (9.0, 15.0), (9.1, 18.5), (10.4, 22.0), (11.9, 25.2), (13.2, 27.4), (14.2, 28.4)],
    "Ulmer": [(21.6, 4.0), (21.7, 8.0), (21.0, 12.0), (21.5, 15.5), (21.4, 18.3), (22.1, 21.5), (22.4, 24.4)],
    "Little Ulmer": [(24.7, 4.2), (24.6, 8.0), (24.1, 12.0), (24.6, 15.5), (24.7, 18.6), (24.3, 22.0),
                     (23.3, 24.6)],
    # two valleys that keep the sheet's rim out of the basins that are measured
    "Far West": [(0.1, 4.2), (0.5, 8.5), (-0.2, 13.0), (0.3, 19.5)],
    "Far East": [(28.3, 4.0), (28.0, 9.0), (28.2, 14.0), (28.2, 19.5)],
}  # fmt: skip
# A young fold of hills in the plain that keeps the Ulmer from reaching the lowland: hence the lake.
FOLD = [(17.8, 19.2), (17.3, 22.8), (18.2, 26.0), (20.6, 27.7), (23.4, 27.7), (25.6, 26.2), (26.3, 23.4),
        (26.3, 20.6), (26.0, 18.0)]  # fmt: skip
LAKE_KM, LAKE_LEVEL_M = (22.2, 24.9), 478.0
DAM_KM, DAM_HEIGHT_M = (12.9, 14.9), 96.0
SNOW_LINE_M = 3_480.0


def km_grid(factor: int = 1) -> tuple[Reals, Reals]:
    """Kilometres east and north of the south-west corner, for cells ``factor`` times as wide."""
    cell = CELL_M * factor / 1000
    x = (np.arange(NX // factor) + 0.5) * cell - MARGIN * CELL_M / 1000
    y = (ROWS + MARGIN) * CELL_M / 1000 - (np.arange(NY // factor) + 0.5) * cell
    east, north = np.meshgrid(x, y)
    return east, north


# ------------------------------------------------------------------------------------- noise and lines
def fractal(
    rng: np.random.Generator, shape: tuple[int, int], roughness: float, longest: float, shortest: float = 2.0
) -> Reals:
    """Fractal field of mean 0 and deviation 1; ``roughness`` is its Hurst exponent, wavelengths in cells."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    frequency[0, 0] = 1.0
    amplitude = frequency ** -(roughness + 1) * np.exp(-((longest * frequency) ** -4.0))
    amplitude[frequency > 1 / shortest] = 0
    amplitude[0, 0] = 0
    phase = rng.uniform(0, 2 * np.pi, frequency.shape)
    field = np.fft.irfft2(amplitude * np.exp(1j * phase), s=shape)
    return np.asarray(field / field.std())


def block_mean(values: npt.NDArray[Any], factor: int) -> Reals:
    rows, cols = values.shape[0] // factor, values.shape[1] // factor
    return np.asarray(values.reshape(rows, factor, cols, factor).mean(axis=(1, 3)))


def double(values: Reals) -> Reals:
    """Twice the resolution, linear between cell centres."""
    for axis in (0, 1):
        a = np.moveaxis(values, axis, 0)
        padded = np.concatenate([a[:1], a, a[-1:]])
        out = np.empty((2 * a.shape[0], a.shape[1]))
        out[0::2] = 0.75 * a + 0.25 * padded[:-2]
        out[1::2] = 0.75 * a + 0.25 * padded[2:]
        values = np.moveaxis(out, 0, axis)
    return np.ascontiguousarray(values)


def smoothstep(t: npt.ArrayLike) -> Reals:
    t = np.clip(np.asarray(t, float), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def rounded(points: npt.ArrayLike, times: int, *, closed: bool = False) -> Reals:
    """Chaikin's corner cutting."""
    p = np.asarray(points, float)
    for _ in range(times):
        a, b = p[:-1], p[1:]
        q = np.empty((2 * len(a), 2))
        q[0::2], q[1::2] = 0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b
        p = np.vstack([q, q[:1]]) if closed else np.vstack([p[:1], q[1:-1], p[-1:]])
    return p


def meander(
    rng: np.random.Generator, points: npt.ArrayLike, swing: float, longest: float = 2.5, step: float = 0.03
) -> Reals:
    """Displace a rounded polyline sideways by fractal noise that vanishes at its ends (all in km)."""
    line = LineString(rounded(points, 4))
    n = int(line.length / step) + 1
    along = np.linspace(0, line.length, n)
    p = shapely.get_coordinates(shapely.line_interpolate_point(line, along))
    tangent = np.gradient(p, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    m = 1 << int(np.ceil(np.log2(2 * n)))
    f = np.fft.rfftfreq(m, step)
    f[0] = 1.0
    amplitude = f**-1.3 * np.exp(-((longest * f) ** -4.0)) * np.exp(-((0.22 * f) ** 4))
    amplitude[0] = 0
    side = np.fft.irfft(amplitude * np.exp(1j * rng.uniform(0, 2 * np.pi, f.size)), m)[:n]
    side *= swing / side.std()
    side *= np.minimum(1, np.minimum(along, along[-1] - along) / 0.8)
    return np.asarray(p + side[:, None] * np.c_[-tangent[:, 1], tangent[:, 0]])


def nearest_on(points: Reals, east: Reals, north: Reals, reach: float) -> tuple[Reals, Cells]:
    """Distance (km) to the nearest of many points and its index, within ``reach``; else infinity and -1."""
    distance = np.full(east.shape, np.inf)
    which = np.full(east.shape, -1)
    cell = abs(east[0, 1] - east[0, 0])
    k = int(reach / cell) + 1
    for index, (x, y) in enumerate(points):
        col, row = int((x - east[0, 0]) / cell + 0.5), int((north[0, 0] - y) / cell + 0.5)
        here = slice(max(row - k, 0), max(row + k + 1, 0)), slice(max(col - k, 0), max(col + k + 1, 0))
        d = np.hypot(east[here] - x, north[here] - y)
        better = d < distance[here]
        distance[here][better] = d[better]
        which[here][better] = index
    return distance, which


# ------------------------------------------------------------------------------------ water, earth, ice
@njit(cache=True)  # type: ignore[untyped-decorator]
def route(z: Reals, outlet: Flags) -> tuple[Cells, Cells, Reals]:  # noqa: C901 - one loop, one queue
    """Each cell's receiver by steepest descent over the filled surface, and the cells downstream first.

    z         (rows, cols) m
    outlet    (rows, cols) cells where water ends; the rim of the array ends it too
    returns   receiver (n,), order (n,) downstream first, filled (rows, cols) m
    """
    rows, cols = z.shape
    n = rows * cols
    filled = z.copy().ravel()
    ends = outlet.copy().ravel()
    for i in range(n):
        r, c = i // cols, i % cols
        if r == 0 or c == 0 or r == rows - 1 or c == cols - 1:
            ends[i] = True
    seen = ends.copy()
    receiver = np.arange(n)
    order = np.empty(n, np.int64)
    heap = [(0.0, 0)]
    heap.pop()
    for i in range(n):
        if ends[i]:
            heapq.heappush(heap, (filled[i], i))
    count = 0
    while len(heap) > 0:
        level, i = heapq.heappop(heap)
        order[count] = i
        count += 1
        r, c = i // cols, i % cols
        steepest = 0.0
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                rr, cc = r + dr, c + dc
                if (dr == 0 and dc == 0) or rr < 0 or cc < 0 or rr >= rows or cc >= cols:
                    continue
                j = rr * cols + cc
                if not seen[j]:
                    seen[j] = True
                    filled[j] = max(filled[j], level)
                    receiver[j] = i
                    heapq.heappush(heap, (filled[j], j))
                elif not ends[i] and filled[j] < filled[i]:
                    slope = (filled[i] - filled[j]) / (1.4142135623730951 if dr != 0 and dc != 0 else 1.0)
                    if slope > steepest:
                        steepest = slope
                        receiver[i] = j
    return receiver, order, filled.reshape(z.shape)


@njit(cache=True)  # type: ignore[untyped-decorator]
def gather(receiver: Cells, order: Cells, weight: Reals) -> Reals:
    """Sum ``weight`` (n,) over each cell and all that drains through it."""
    total = weight.copy()
    for k in range(order.size - 1, -1, -1):
        i = order[k]
        if receiver[i] != i:
            total[receiver[i]] += total[i]
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def slump(  # noqa: C901, PLR0912 - one loop over cells and neighbours
    z: Reals, fixed: Flags, talus: Reals, creep: Reals, cell_m: float, passes: int
) -> None:
    """Move what stands steeper than ``talus`` to its lower neighbours, and let soil creep; in place."""
    rows, cols = z.shape
    for _ in range(passes):
        change = np.zeros_like(z)
        for r in range(1, rows - 1):
            for c in range(1, cols - 1):
                total, most = 0.0, 0.0
                for dr in range(-1, 2):
                    for dc in range(-1, 2):
                        reach = cell_m * (1.4142135623730951 if dr != 0 and dc != 0 else 1.0)
                        excess = z[r, c] - z[r + dr, c + dc] - talus[r, c] * reach
                        if excess > 0:
                            total += excess
                            most = max(most, excess)
                if total > 0:
                    moved = 0.35 * most
                    change[r, c] -= moved
                    for dr in range(-1, 2):
                        for dc in range(-1, 2):
                            reach = cell_m * (1.4142135623730951 if dr != 0 and dc != 0 else 1.0)
                            excess = z[r, c] - z[r + dr, c + dc] - talus[r, c] * reach
                            if excess > 0:  # the streams below carry the rest of the debris away
                                change[r + dr, c + dc] += 0.15 * moved * excess / total
                curve = z[r - 1, c] + z[r + 1, c] + z[r, c - 1] + z[r, c + 1] - 4 * z[r, c]
                change[r, c] += creep[r, c] * curve
        for r in range(1, rows - 1):
            for c in range(1, cols - 1):
                if not fixed[r, c]:
                    z[r, c] += change[r, c]


@njit(cache=True)  # type: ignore[untyped-decorator]
def erode(
    z: Reals,
    fixed: Flags,
    uplift: Reals,
    erodible: Reals,
    talus: Reals,
    creep: Reals,
    cell_m: float,
    steps: int,
) -> Reals:
    """Let rivers cut: ``dz/dt = uplift - erodible * area**0.42 * slope``, implicit, then slopes follow."""
    cols = z.shape[1]
    z = z.copy()
    for _ in range(steps):
        height = z.ravel()
        receiver, order, _filled = route(z, fixed)
        area_km2 = gather(receiver, order, np.full(z.size, cell_m * cell_m * 1e-6))
        rise, ease = uplift.ravel(), erodible.ravel()
        for i in order:
            j = receiver[i]
            if i == j:
                continue
            reach = cell_m * (
                1.4142135623730951 if (i // cols != j // cols and i % cols != j % cols) else 1.0
            )
            raised = height[i] + rise[i]
            if height[j] < raised:
                f = ease[i] * area_km2[i] ** 0.42 / reach
                raised = (raised + f * height[j]) / (1 + f)
            height[i] = raised
        slump(z, fixed, talus, creep, cell_m, 6)
    return z


@njit(cache=True)  # type: ignore[untyped-decorator]
def flow_ice(bed: Reals, snow_line: Reals, hold: Reals, melt: Reals, cell_m: float, years: float) -> Reals:
    """Ice thickness (m) after ``years`` of snow above and melt below the snow line, shallow-ice flow.

    bed, snow_line  (rows, cols) m
    hold            (rows, cols) share of the snow a slope keeps, 0..1
    melt            (rows, cols) share of the melt, below 1 under debris
    """
    rows, cols = bed.shape
    thick = np.zeros_like(bed)
    elapsed = 0.0
    while elapsed < years:
        top = bed + thick
        greatest = 1.0
        flux = np.zeros_like(bed)
        stiff = np.zeros((rows, cols, 2))
        for r in range(rows - 1):
            for c in range(cols - 1):
                for axis in range(2):
                    rr, cc = r + (axis == 0), c + (axis == 1)
                    slope = (top[rr, cc] - top[r, c]) / cell_m
                    # ice comes from the higher of the two cells: bare rock below it cannot give any
                    h = thick[r, c] if slope < 0 else thick[rr, cc]
                    # 2 A (rho g)^3 / 5 with A = 2.4e-24 Pa-3 s-1, and sliding about as much again
                    d = min(4.2e-5 * h**5 * min(slope * slope, 0.4), 2.0e4)
                    stiff[r, c, axis] = d
                    greatest = max(greatest, d)
        step = min(0.5, 0.2 * cell_m * cell_m / greatest)
        for r in range(rows - 1):
            for c in range(cols - 1):
                for axis in range(2):
                    rr, cc = r + (axis == 0), c + (axis == 1)
                    q = stiff[r, c, axis] * (top[rr, cc] - top[r, c]) / (cell_m * cell_m)
                    flux[r, c] += q
                    flux[rr, cc] -= q
        for r in range(1, rows - 1):
            for c in range(1, cols - 1):
                above = top[r, c] - snow_line[r, c]
                gain = (
                    min(0.006 * above, 0.8) * hold[r, c]
                    if above > 0
                    else max(0.0075 * above, -8.0) * melt[r, c]
                )
                thick[r, c] = max(0.0, thick[r, c] + step * (gain + flux[r, c]))
        elapsed += step
    return thick


@njit(cache=True)  # type: ignore[untyped-decorator]
def grade(z: Reals, ends: Flags, cell_m: float) -> Reals:
    """Fill broad hollows up to a gentle fall towards their outlet, gentler below larger areas."""
    cols = z.shape[1]
    receiver, order, _filled = route(z, ends)
    area_km2 = gather(receiver, order, np.full(z.size, cell_m * cell_m * 1e-6))
    z = z.copy()
    height = z.ravel()
    for i in order:
        j = receiver[i]
        if i != j:
            reach = cell_m * (
                1.4142135623730951 if (i // cols != j // cols and i % cols != j % cols) else 1.0
            )
            height[i] = max(height[i], height[j] + reach * 0.006 / (1 + 0.06 * area_km2[i]))
    return z


@dataclass
class Land:
    """The grown land, margin included; arrays (NY, NX)."""

    z: Reals
    ice: Reals
    debris: Flags
    lake: Flags
    reservoir: Flags
    reservoir_level_m: float
    inside: Reals
    river_paths: dict[str, Reals]


def raise_range(rng: np.random.Generator) -> tuple[Reals, Reals, Reals, dict[str, Reals]]:
    """Grow the range from coarse to fine: z, km inside the mountain front, plain below, river paths."""
    east, north = km_grid()
    shape = east.shape
    warp, rock = fractal(rng, shape, 0.9, 260), fractal(rng, shape, 0.5, 200, 6)
    unrest, rough = fractal(rng, shape, 1.0, 400), fractal(rng, shape, 0.8, 300)
    front = 18.6 + 0.7 * np.sin(east / 3.1 + 0.6) + 0.35 * np.sin(east / 1.27 + 2.0)
    inside = front - north + 0.45 * warp
    # pockets of plain inside the range would swallow rivers: only what joins the open plain is plain
    mountain = connected(~connected(inside <= 0, 0, 0), NY - 1, 0)
    inside = np.where(mountain, np.maximum(inside, 0.02), np.minimum(inside, -0.02))
    paths = {name: meander(rng, points, 0.15) for name, points in SKETCH.items()}

    uplift = 0.28 + 0.72 * smoothstep(inside / 11.0) + 0.07 * unrest
    # a quieter inner basin where the two forks meet, and a far side that sinks to the next valley
    uplift *= 1 - 0.62 * np.exp(-(((east - 12.7) / 1.9) ** 2) - ((north - 12.6) / 1.5) ** 2)
    uplift += 0.12 * np.exp(-(((east - 17.5) / 3.0) ** 2) - ((north - 4.5) / 2.5) ** 2)
    uplift *= 1 - 0.25 * smoothstep((1.0 - north) / 3)
    outside = np.maximum(-inside, 0)
    plain = 432 + 55 * np.exp(-outside / 6) + 150 * np.exp(-outside / 1.7) + 5 * rough + 0.4 * (east - 13.5)

    z = np.empty(0)
    for factor, steps in ((8, 120), (4, 60), (2, 25), (1, 7)):
        x, y = km_grid(factor)
        m, base = block_mean(mountain, factor) > 0.5, block_mean(plain, factor)
        depth = block_mean(inside, factor)
        if factor == 8:
            near = np.full(x.shape, 4.0)
            for path in paths.values():
                near = np.minimum(near, nearest_on(path, x, y, 5.0)[0])
            z = (
                base
                + 130 * np.maximum(depth, 0)
                + 380 * np.minimum(near, 2.5)
                + 60 * fractal(rng, x.shape, 0.7, 40)
            )
        else:
            z = double(z)
            slope = np.hypot(*np.gradient(z, CELL_M * factor))
            z += np.minimum(slope, 1) * (16.0 * factor**0.7) * fractal(rng, x.shape, 0.5, 20)
        z[-1] = 2300 + 120 * np.sin(x[-1] / 2.0)
        z = np.where(m, np.maximum(z, base + 1), base)
        pace = min(factor, 4) if factor > 1 else 1
        strength = block_mean(np.exp(0.35 * rock), factor)
        z = erode(
            z,
            ~m,
            np.where(m, block_mean(uplift, factor), 0) * 15.6 * pace,
            np.where(m, 1 / strength, 0) * 30.0 * pace,
            np.clip(0.80 + 0.12 * block_mean(rock, factor), 0.55, 1.2),
            np.where(m, 0.004 + 0.012 * smoothstep(1 - depth / 7), 0),
            CELL_M * factor,
            steps,
        )
    return z, inside, plain, paths


def spread_fans(z: Reals, inside: Reals) -> tuple[Reals, list[tuple[float, float, float]]]:
    """A cone of debris below each valley that leaves the range; flatter below larger valleys."""
    east, north = km_grid()
    mountain = inside > 0
    receiver, order, _ = route(z, ~mountain)
    weight = np.where(mountain.ravel(), CELL_M**2 * 1e-6, 0.0)
    area_km2 = gather(receiver, order, weight)
    exits = np.flatnonzero(~mountain.ravel() & (area_km2 > 0.5))
    out, mouths = z.copy(), []
    for i in exits:
        row, col = divmod(int(i), NX)
        x, y, area = east[row, col], north[row, col], area_km2[i]
        mouths.append((x, y, area))
        apex = z[row, col] + np.clip(62 * area**-0.35, 4, 75)
        slope = np.clip(0.105 * area**-0.27, 0.018, 0.12)
        k = 640
        here = slice(max(row - k, 0), row + k), slice(max(col - k, 0), col + k)
        r = np.hypot(east[here] - x, north[here] - y)
        cone = apex - slope * 1000 * r * (1 - 0.035 * np.minimum(r, 6)) - 6 * np.maximum(r - 6, 0) ** 2
        cone[(inside[here] > 0) & (r > 0.9)] = -np.inf
        out[here] = np.maximum(out[here], cone)
    return out, mouths


def cut_plain_rivers(
    z: Reals, inside: Reals, paths: dict[str, Reals], mouths: list[tuple[float, float, float]]
) -> tuple[Reals, dict[str, Reals]]:
    """Lead each named river from its mouth down the plain in a shallow trench of its own."""
    east, north = km_grid()
    x0, y0, cell = east[0, 0], north[0, 0], CELL_M / 1000
    led: dict[str, Reals] = {}
    joined, joined_bed = np.empty(2), np.inf
    for name in ("Sarn", "Asken", "Tivra", "Ulmer", "Little Ulmer"):
        path = paths[name].copy()
        rows = np.clip(((y0 - path[:, 1]) / cell + 0.5).astype(int), 0, NY - 1)
        cols = np.clip(((path[:, 0] - x0) / cell + 0.5).astype(int), 0, NX - 1)
        start = int(np.flatnonzero(inside[rows, cols] > 0)[-1])
        near = [m for m in mouths if np.hypot(m[0] - path[start, 0], m[1] - path[start, 1]) < 1.2]
        mouth = np.array(max(near, key=lambda m: m[2])[:2])
        tail = path[start:]
        along = np.r_[0, np.cumsum(np.hypot(*np.diff(tail, axis=0).T))]
        tail = tail + (mouth - tail[0]) * np.exp(-((along / 1.1) ** 2))[:, None]
        rows = np.clip(((y0 - tail[:, 1]) / cell + 0.5).astype(int), 0, NY - 1)
        cols = np.clip(((tail[:, 0] - x0) / cell + 0.5).astype(int), 0, NX - 1)
        bed = np.minimum.accumulate(z[rows, cols] - 2.5 - 5 * np.exp(-along / 3.0))
        if name == "Sarn":  # it joins the Asken, which must lie lower there
            whole = paths["Asken"]
            joined, joined_bed = whole[np.argmin(np.hypot(*(whole - tail[-1]).T))], bed[-1] - 0.1 * along[-1]
            tail = tail + (joined - tail[-1]) * smoothstep((along - along[-1] + 1.5) / 1.5)[:, None]
        if name == "Asken":
            at = int(np.argmin(np.hypot(*(tail - joined).T)))
            bed[at] = min(bed[at], joined_bed - 1.0)
            bed = np.minimum.accumulate(bed)
        bed -= 0.1 * along  # never flat
        if "Ulmer" in name:
            bed = np.maximum(bed, LAKE_LEVEL_M - 0.5)
        distance, which = nearest_on(tail, east, north, 0.3)
        close = which >= 0
        bank = bed[which] + 25 * distance + 55 * np.maximum(distance - 0.045, 0)
        z = np.where(close, np.minimum(z, bank), z)
        led[name] = tail
    return z, led


def fold_and_lake(rng: np.random.Generator, z: Reals) -> tuple[Reals, Flags]:
    """The fold of hills and, behind it, the hollow whose water level is the lake's."""
    east, north = km_grid()
    crest = rounded(FOLD, 4)
    crest = shapely.get_coordinates(
        shapely.line_interpolate_point(LineString(crest), np.arange(0, LineString(crest).length, 0.05))
    )
    distance, which = nearest_on(crest, east, north, 3.0)
    share = np.clip(which, 0, None) / len(crest)
    ends = smoothstep(share / 0.12) * smoothstep((1 - share) / 0.12)
    height = 85 * np.exp(-((distance / 0.75) ** 2)) * ends * (1 + 0.28 * fractal(rng, z.shape, 0.8, 90))
    # one saddle in the north-west: over it the lake would spill if a tool filled it
    height *= 1 - 0.6 * np.exp(-(((east - 18.9) / 0.5) ** 2) - ((north - 26.6) / 0.9) ** 2)
    z = z + np.where(which >= 0, np.maximum(height, 0), 0)
    shore = fractal(rng, z.shape, 0.8, 70)
    r = np.hypot((east - LAKE_KM[0]) / 1.45, (north - LAKE_KM[1]) / 0.95) + 0.07 * shore
    bowl = LAKE_LEVEL_M - 7 + 8.5 * np.maximum(r, 0) ** 2
    share_of_bowl = smoothstep((2.9 - r) / 1.9)
    z = z * (1 - share_of_bowl) + bowl * share_of_bowl
    return z, flooded(z, LAKE_LEVEL_M, LAKE_KM)


def flooded(z: Reals, level_m: float, seed_km: tuple[float, float]) -> Flags:
    """The connected cells below ``level_m`` around a place."""
    east, north = km_grid()
    row = int((north[0, 0] - seed_km[1]) / (CELL_M / 1000) + 0.5)
    col = int((seed_km[0] - east[0, 0]) / (CELL_M / 1000) + 0.5)
    return connected(z < level_m, row, col)


@njit(cache=True)  # type: ignore[untyped-decorator]
def connected(mask: Flags, row: int, col: int) -> Flags:
    found = np.zeros_like(mask)
    stack = [(row, col)]
    found[row, col] = True
    while len(stack) > 0:
        r, c = stack.pop()
        for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            rr, cc = r + dr, c + dc
            if 0 <= rr < mask.shape[0] and 0 <= cc < mask.shape[1] and mask[rr, cc] and not found[rr, cc]:
                found[rr, cc] = True
                stack.append((rr, cc))
    return found


def lay_valley_floors(z: Reals, inside: Reals, lake: Flags) -> Reals:
    """Fill the bottom of the larger valleys with gravel: flat floors, wider where the river is larger."""
    east, north = km_grid()
    receiver, order, _ = route(z, lake)
    area_km2 = gather(receiver, order, np.full(z.size, CELL_M**2 * 1e-6))
    cells = np.flatnonzero((area_km2 > 4) & (inside.ravel() > 0))
    points = np.c_[east.ravel()[cells], north.ravel()[cells]]
    distance, which = nearest_on(points, east, north, 0.3)
    # nothing at the front and at the heads, up to some twenty metres between
    depth = 5.5 * (area_km2[cells] - 4) ** 0.3 * smoothstep(inside.ravel()[cells] / 1.5)
    bed = z.ravel()[cells][which]
    gravel = (which >= 0) & (inside > 0) & (z >= bed - 0.5) & (distance < 0.27)
    return np.where(gravel, np.maximum(z, bed + depth[which] + 8 * distance), z)


def dam_and_reservoir(z: Reals) -> tuple[Reals, Flags, float]:
    """A dam across the Asken: the water behind it is flat, the wall stands in the DEM."""
    east, north = km_grid()
    receiver, order, _ = route(z, np.zeros(z.shape, bool))
    area = gather(receiver, order, np.ones(z.size)).reshape(z.shape)
    near = np.hypot(east - DAM_KM[0], north - DAM_KM[1]) < 0.9
    strip = near & (np.abs(north - DAM_KM[1]) < 0.016)
    row, col = np.unravel_index(np.argmax(np.where(strip, area, 0)), z.shape)
    level = float(np.round(z[row, col] + DAM_HEIGHT_M, 1))
    crest = level + 6.0
    # the axis: along the row of the dam, from the channel outwards until the hillside is higher
    west = col - int(np.argmax(z[row, col::-1] > crest + 4))
    east_end = col + int(np.argmax(z[row, col:] > crest + 4))
    axis = np.c_[east[row, west : east_end + 1], north[row, west : east_end + 1]]
    distance, _ = nearest_on(axis, east, north, 0.3)
    wall = crest - np.maximum(distance * 1000 - 20, 0) * 0.42
    z = np.where(np.isfinite(distance), np.maximum(z, wall), z)
    seed = receiver_above(receiver, area, int(row) * z.shape[1] + int(col), 14)
    water = connected(z < level, *divmod(seed, z.shape[1]))
    return np.where(water, level, z), water, level


def receiver_above(receiver: Cells, area: Reals, cell: int, steps: int) -> int:
    """Walk ``steps`` cells up the main stream."""
    flat = area.ravel()
    for _ in range(steps):
        givers = np.flatnonzero(receiver == cell)
        givers = givers[givers != cell]
        cell = int(givers[np.argmax(flat[givers])])
    return cell


def boxed(values: Reals, reach: int) -> Reals:
    """Mean over a square of ``2 * reach + 1`` cells."""
    width = 2 * reach + 1
    for axis in (0, 1):
        padded = np.pad(np.moveaxis(values, axis, 0), ((reach + 1, reach), (0, 0)), mode="edge")
        total = np.cumsum(padded, axis=0)
        values = np.moveaxis((total[width:] - total[:-width]) / width, 0, axis)
    return np.ascontiguousarray(values)


def grow_ice(rng: np.random.Generator, z: Reals) -> tuple[Reals, Flags]:
    """Glaciers at 60 m, their thickness at 30 m, and where debris covers them."""
    east, north = km_grid(2)
    bed = block_mean(z, 2)
    smooth = double(block_mean(bed, 2))
    dy, dx = np.gradient(smooth, 60.0)
    steep = np.hypot(*np.gradient(bed, 60.0))
    # shade: slopes that fall northwards (rows run south, so dy > 0) keep their snow longer
    shade = np.clip(dy / np.maximum(np.hypot(dx, dy), 1e-6), -1, 1) * smoothstep(np.hypot(dx, dy) / 0.3)
    snow_line = SNOW_LINE_M - 110 * shade + 25 * fractal(rng, bed.shape, 0.8, 60)
    # wind and avalanches take the snow from crests and walls and leave it in the hollows below
    mean = bed
    for _ in range(3):
        mean = boxed(mean, 7)
    hollow = smoothstep((40 - (bed - mean)) / 120)
    hold = 1.9 * hollow * (1 - 0.9 * smoothstep((steep - 0.75) / 0.4))
    # rubble from the walls covers the lower ice in the upper Ulmer valley and slows its melt
    below = bed + 45 * fractal(rng, bed.shape, 0.7, 30) < SNOW_LINE_M - 130
    rubble = (np.abs(east - 23.0) < 2.8) & (north > 3.5) & (north < 9.5) & below
    melt = np.where(rubble, 0.45, 1.0)
    rows = slice(int(np.argmax(north[:, 0] < 13)), None)
    thick = np.zeros_like(bed)
    thick[rows] = flow_ice(bed[rows], snow_line[rows], hold[rows], melt[rows], 60.0, 180.0)
    fine = double(thick)
    return np.where(fine > 4.0, fine, 0.0), np.repeat(np.repeat(rubble, 2, 0), 2, 1)


def grow_land(say: Callable[[str], None]) -> Land:
    rng = np.random.default_rng(SEED)
    say("raising the range")
    z, inside, _, paths = raise_range(rng)
    say(f"highest {z.max():.0f} m; spreading fans")
    z, mouths = spread_fans(z, inside)
    z, lake = fold_and_lake(rng, z)
    z += np.where(inside < 0, 0.7, 0) * fractal(rng, z.shape, 0.7, 60, 3)
    z, led = cut_plain_rivers(z, inside, paths, mouths)
    lake = flooded(z, LAKE_LEVEL_M, LAKE_KM)
    z[lake] = LAKE_LEVEL_M
    say("letting water find its way over plain and fans")
    soft = np.where(inside > 0, 6.0, 1.6)
    creep = np.where(inside > 0, 0.01, 0.02)
    z = grade(z, lake, CELL_M)
    z = erode(z, lake, np.zeros_like(z), soft, np.full_like(z, 0.9), creep, CELL_M, 4)
    z = grade(z, lake, CELL_M)
    z = lay_valley_floors(z, inside, lake)
    z, reservoir, level = dam_and_reservoir(z)
    say("growing ice")
    ice, rubble = grow_ice(rng, z)
    paths.update(led)
    return Land(z + ice, ice, rubble & (ice > 0), lake, reservoir, level, inside, paths)


# ------------------------------------------------------------------------------------- the sample's sheet
TRANSFORM = Affine(CELL_M, 0, WEST_M, 0, -CELL_M, SOUTH_M + ROWS * CELL_M)
SHEET = box(WEST_M, SOUTH_M, WEST_M + COLS * CELL_M, SOUTH_M + ROWS * CELL_M)
GEOD = pyproj.CRS(CRS).get_geod()
TO_DEGREES = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)


def metres(points_km: npt.ArrayLike) -> Reals:
    return np.asarray(points_km, float) * 1000 + (WEST_M, SOUTH_M)


def area_m2(shape: Any) -> float:
    """Area on the ellipsoid; edges straight on the map, so bent ones get points every 100 m first."""
    dense = shapely.segmentize(shape, 100.0)
    return abs(
        GEOD.geometry_area_perimeter(shapely.transform(dense, TO_DEGREES.transform, interleaved=False))[0]
    )


def cell_areas_m2() -> Reals:
    """(ROWS, COLS) area of each cell on the ellipsoid, from the map scale at its centre."""
    x = WEST_M + (np.arange(COLS) + 0.5) * CELL_M
    y = SOUTH_M + (ROWS - np.arange(ROWS) - 0.5) * CELL_M
    east, north = np.meshgrid(x, y)
    lon, lat = TO_DEGREES.transform(east, north)
    scale = pyproj.Proj(CRS).get_factors(lon, lat).areal_scale
    return np.asarray(CELL_M**2 / scale)


def inside_cells(shapes: Iterable[Any]) -> Flags:
    """(ROWS, COLS) cells whose centre lies in one of the shapes."""
    shapes = [s for s in shapes if not s.is_empty]
    if not shapes:
        return np.zeros((ROWS, COLS), bool)
    return np.asarray(
        rasterio.features.rasterize(shapes, (ROWS, COLS), transform=TRANSFORM, dtype="uint8").astype(bool)
    )


def outlines(mask: Flags, smooth: int = 0, simplify_m: float = 0.0) -> list[Polygon]:
    """Polygons of a mask, largest first, their staircase rounded as a person would draw it."""
    found = []
    for shape, value in rasterio.features.shapes(mask.astype("uint8"), mask, transform=TRANSFORM):
        if value:
            polygon = shapely.geometry.shape(shape)
            if simplify_m:
                polygon = polygon.simplify(simplify_m)
            if smooth:
                rings = [
                    rounded(r.coords, smooth, closed=True) for r in (polygon.exterior, *polygon.interiors)
                ]
                polygon = shapely.make_valid(Polygon(rings[0], rings[1:]))
            polygon = shapely.set_precision(polygon, 0.01)
            found += [
                p for p in getattr(polygon, "geoms", [polygon]) if p.geom_type == "Polygon" and p.area > 0
            ]
    return sorted(found, key=lambda p: (-p.area, p.bounds))


def sheet(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Cut the margin off."""
    return np.ascontiguousarray(values[MARGIN:-MARGIN, MARGIN:-MARGIN])


@dataclass
class Water:
    """The finished DEM's own drainage; arrays (ROWS, COLS), cells flat."""

    dem: Reals
    receiver: Cells
    order: Cells
    area_km2: Reals
    lake: Flags
    areas_m2: Reals

    def trace(self, cell: int) -> list[int]:
        path = [cell]
        while self.receiver[path[-1]] != path[-1]:
            path.append(int(self.receiver[path[-1]]))
        return path

    def largest(self, x_km: float, y_km: float, reach_km: float) -> int:
        """The cell with most land above it around a place."""
        col, row, k = (
            int(x_km * 1000 / CELL_M),
            ROWS - 1 - int(y_km * 1000 / CELL_M),
            int(reach_km * 1000 / CELL_M),
        )
        here = np.zeros((ROWS, COLS))
        where = slice(max(row - k, 0), row + k + 1), slice(max(col - k, 0), col + k + 1)
        here[where] = np.where(self.lake, 0, self.area_km2)[where]
        return int(np.argmax(here))

    def basin(self, cell: int) -> Flags:
        inside = np.zeros(self.receiver.size, bool)
        inside[cell] = True
        for i in self.order:
            inside[i] |= inside[self.receiver[i]]
        return inside.reshape(self.dem.shape)

    def main_stem(self, cell: int, above_km2: float) -> list[int]:
        """Upstream along the larger branch, source first, down to ``cell``."""
        flat = self.area_km2.ravel()
        path = [cell]
        while True:
            r, c = divmod(path[-1], COLS)
            givers = [
                rr * COLS + cc
                for rr in range(max(r - 1, 0), min(r + 2, ROWS))
                for cc in range(max(c - 1, 0), min(c + 2, COLS))
                if (rr, cc) != (r, c) and self.receiver[rr * COLS + cc] == path[-1]
            ]
            givers = [g for g in givers if flat[g] > above_km2]
            if not givers:
                return path[::-1]
            path.append(max(givers, key=lambda g: flat[g]))


def centre(cell: int) -> tuple[float, float]:
    row, col = divmod(cell, COLS)
    return WEST_M + (col + 0.5) * CELL_M, SOUTH_M + (ROWS - row - 0.5) * CELL_M


def survey(land: Land) -> Reals:
    """The DEM as a satellite would have measured it: noise, decimetres, a ragged rim without data."""
    rng = np.random.default_rng(SEED + 1)
    steep = np.hypot(*np.gradient(land.z, CELL_M))
    receiver, order, _ = route(land.z, land.lake)
    area_km2 = gather(receiver, order, np.full(land.z.size, CELL_M**2 * 1e-6)).reshape(land.z.shape)
    calm = np.where(area_km2 > 0.4, 0.25, 1.0)  # channels show as channels
    noise = (0.11 + 2.8 * np.minimum(steep, 1.0)) * calm * fractal(rng, land.z.shape, 0.1, 5)
    level = land.lake | land.reservoir
    dem = sheet(np.where(level, land.z, np.round(land.z + noise, 1)))
    dem = np.where(
        sheet(land.lake), LAKE_LEVEL_M, np.where(sheet(land.reservoir), land.reservoir_level_m, dem)
    )
    # noise must not dig a shore below its own water
    for water, water_m in ((land.lake, LAKE_LEVEL_M), (land.reservoir, land.reservoir_level_m)):
        ring = np.pad(sheet(water), 1)
        shore = np.any(
            [ring[1 + i : 1 + i + ROWS, 1 + j : 1 + j + COLS] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0
        )
        dem = np.where(shore, np.maximum(dem, water_m), dem)
    row, col = np.mgrid[:ROWS, :COLS]
    to_rim = np.minimum(np.minimum(row, ROWS - 1 - row), np.minimum(col, COLS - 1 - col))
    ragged = sheet(5 + 4.5 * fractal(rng, land.z.shape, 0.6, 60))
    return np.where(to_rim < np.maximum(ragged, 1), np.nan, dem)


def drain(dem: Reals, lake: Flags) -> Water:
    nothing = np.isnan(dem)
    areas = cell_areas_m2()
    receiver, order, _ = route(np.where(nothing, -9999.0, dem), nothing | lake)
    weight = np.where(nothing, 0, areas).ravel() * 1e-6
    return Water(dem, receiver, order, gather(receiver, order, weight).reshape(dem.shape), lake, areas)


# ------------------------------------------------------------------------------------ countries, districts
def along_crests(dem: Reals, stops_km: list[tuple[float, float]]) -> Reals:
    """Cheapest way from stop to stop that keeps to the crests: how mountain borders were drawn."""
    factor = 5
    coarse = block_mean(np.nan_to_num(dem, nan=float(np.nanmin(dem))), factor)
    highest = coarse.copy()
    for _ in range(5):
        padded = np.pad(highest, 1, mode="edge")
        highest = np.max(
            [
                padded[1 + i : 1 + i + coarse.shape[0], 1 + j : 1 + j + coarse.shape[1]]
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ],
            axis=0,
        )
    cost = 0.12 + ((highest - coarse) / 160.0) ** 1.5
    cell = CELL_M * factor / 1000
    nodes = [(coarse.shape[0] - 1 - int(y / cell), int(x / cell)) for x, y in stops_km]
    path: list[tuple[int, int]] = []
    for start, goal in itertools.pairwise(nodes):
        path += cheapest(cost, start, goal)
    rows, cols = np.array(path).T
    return np.c_[(cols + 0.5) * cell, (coarse.shape[0] - rows - 0.5) * cell]


def cheapest(cost: Reals, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
    best, came = {start: 0.0}, {}
    heap = [(0.0, start)]
    while heap:
        spent, here = heapq.heappop(heap)
        if here == goal:
            break
        if spent > best[here]:
            continue
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                to = here[0] + dr, here[1] + dc
                if to == here or not (0 <= to[0] < cost.shape[0] and 0 <= to[1] < cost.shape[1]):
                    continue
                total = spent + cost[to] * (1.4142135623730951 if dr and dc else 1.0)
                if total < best.get(to, np.inf):
                    best[to], came[to] = total, here
                    heapq.heappush(heap, (total, to))
    path = [goal]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


def draw_border(water: Water) -> list[tuple[str, LineString]]:
    """The border from south to north in pieces: crests, a valley crossed, the Asken, the plain."""
    rng = np.random.default_rng(SEED + 2)
    crest = along_crests(water.dem, [(14.6, 0.0), (14.2, 9.6)])
    ridge = along_crests(water.dem, [(15.4, 12.2), (15.3, 16.6)])
    stem = water.main_stem(water.largest(14.3, 32.0, 0.9), 60.0)
    river = np.array([(np.array(centre(c)) - (WEST_M, SOUTH_M)) / 1000 for c in stem])
    along = river[(river[:, 1] > 19.6) & (river[:, 1] < 29.9)]
    along = shapely.get_coordinates(LineString(along).simplify(0.045))
    # digitised by hand from another map: some tens of metres off, to either side
    along = along + 0.018 * rng.standard_normal(along.shape)
    plain = meander(
        rng,
        [along[-1], (13.0, 30.5), (11.6, 30.2), (9.2, 31.1), (6.6, 30.4), (3.4, 31.6), (-0.3, 31.2)],
        0.05,
        longest=1.6,
        step=0.12,
    )
    crest[0] = crest[0][0], -0.3
    pieces = [
        ("agreed", "crest of the upper Asken", rounded(LineString(crest).simplify(0.12).coords, 1)),
        ("agreed", "across the East Asken", np.vstack([crest[-1:], ridge[:1]])),
        ("agreed", "Asken right-bank ridge", rounded(LineString(ridge).simplify(0.12).coords, 1)),
        ("agreed", "down to the Asken", np.vstack([ridge[-1:], [(14.3, 18.3)], along[:1]])),
        ("unverified", "along the Asken", along),
        ("disputed", "northern plain", plain),
    ]
    return [(f"{status}|{name}", LineString(np.round(metres(p), 2))) for status, name, p in pieces]


def make_countries(
    pieces: list[tuple[str, LineString]],
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Districts first, from one net of lines; countries are their unions, so that all edges are shared."""
    rng = np.random.default_rng(SEED + 3)

    def split(points: list[tuple[float, float]]) -> LineString:
        return LineString(np.round(metres(meander(rng, points, 0.12, longest=3.0, step=0.15)), 2))

    cuts = [
        split([(-0.3, 16.9), (5, 17.4), (10, 16.6), (14, 16.2), (17.5, 16.2)]),
        split([(-0.3, 24.2), (4, 24.9), (9, 24.4), (14.2, 24.3)]),
        split([(12.2, 17.9), (17.0, 16.7), (21, 16.4), (27.3, 17.0)]),
        split([(17.1, 16.0), (17.3, 20), (17.0, 24), (18.2, 26.8), (20.6, 28.1), (24, 28.0), (27.3, 26.8)]),
        split([(13.2, 29.1), (16.5, 28.5), (20.2, 28.9), (21.0, 27.4)]),
    ]
    border = unary_union([line for _, line in pieces])
    # a cut between districts ends at the border: the part that runs on into the neighbour is left out
    halves = sorted(polygonize(unary_union([border, SHEET.exterior])), key=lambda p: -p.area)[:2]
    west = min(halves, key=lambda p: p.centroid.x)
    east = max(halves, key=lambda p: p.centroid.x)
    cuts = [cut.intersection((west if i < 2 else east).buffer(2.0)) for i, cut in enumerate(cuts)]
    net = shapely.set_precision(unary_union([border, SHEET.exterior, *cuts]), 0.01)
    faces = [f for f in polygonize(unary_union(net)) if f.representative_point().within(SHEET)]
    seeds = {
        "Tivra Heights": (WEST_COUNTRY, (6, 8)),
        "Oldfan": (WEST_COUNTRY, (6, 21)),
        "Westmead": (WEST_COUNTRY, (6, 28)),
        "Askenhead": (EAST_COUNTRY, (22, 8)),
        "Ulmer Lake": (EAST_COUNTRY, (22, 22)),
        "Rightbank": (EAST_COUNTRY, (15.5, 24)),
        "Northstrip": (EAST_COUNTRY, (20, 31)),
    }
    places = {name: Point(*metres([at])[0]) for name, (_, at) in seeds.items()}
    held: dict[str, list[Polygon]] = {name: [] for name in seeds}
    for face in faces:
        home = WEST_COUNTRY if face.representative_point().within(west) else EAST_COUNTRY
        inside = [n for n, p in places.items() if p.within(face)]
        if not inside:  # a sliver cut off by a bend: to the district it shares most of its edge with
            neighbours = [f for f in faces if f is not face and any(p.within(f) for p in places.values())]
            mine = [
                f for f in neighbours if any(p.within(f) and seeds[n][0] == home for n, p in places.items())
            ]
            widest = max(mine, key=lambda f: f.intersection(face).length)
            inside = [n for n, p in places.items() if p.within(widest)]
        held[inside[0]].append(face)
    rows = []
    for name, (country, _) in seeds.items():
        shape = unary_union(held[name])
        rows.append(
            {
                "district": name,
                "district_ru": NAMES_RU[name],
                "country": country,
                "area_km2": round(area_m2(shape) / 1e6, 6),
                "geometry": MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape,
            }
        )
    districts = gpd.GeoDataFrame(rows, crs=CRS)
    countries = []
    for name in (WEST_COUNTRY, EAST_COUNTRY):
        shape = unary_union(districts.geometry[districts.country == name].to_list())
        countries.append(
            {
                "name": name,
                "name_ru": NAMES_RU[name],
                "area_km2": round(area_m2(shape) / 1e6, 6),
                "geometry": MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape,
            }
        )
    lines = []
    for label, line in pieces:
        status, stretch = label.split("|")
        lines.append({"status": status, "stretch": stretch, "geometry": line.intersection(SHEET)})
    return gpd.GeoDataFrame(countries, crs=CRS), gpd.GeoDataFrame(lines, crs=CRS), districts


# -------------------------------------------------------------------------------- glaciers, lakes, gauges
def make_glaciers(land: Land, dem: Reals) -> gpd.GeoDataFrame:
    """Outlines as an analyst would have drawn them, divided along the crests, debris a part of its own."""
    thick, rubble = sheet(land.ice), sheet(land.debris)
    seen = (thick > 6.0) & ~np.isnan(dem)
    # ice is divided where it parts: each cell belongs to the place where its flow line leaves the ice
    surface = np.where(np.isnan(dem), -9999.0, sheet(land.z))
    receiver, order, _ = route(surface, ~seen)
    flat = seen.ravel()
    foot = np.arange(receiver.size)
    for i in order:
        if flat[i]:
            foot[i] = foot[receiver[i]]
    label = merge_small(np.where(seen, foot.reshape(seen.shape), -1), least_cells=420)
    area_km2, rows = cell_areas_m2() * 1e-6, []
    for value in np.unique(label[label >= 0]):
        part = label == value
        if area_km2[part].sum() < 0.1:
            continue
        for kind, mask in (("clean", part & ~rubble), ("debris", part & rubble)):
            pieces = [p for p in outlines(mask) if p.area > (20_000 if kind == "clean" else 8_000)]
            for polygon in pieces:
                heights = dem[inside_cells([polygon])]
                rows.append(
                    {
                        "part_of": int(value),
                        "kind": kind,
                        "zmin_m": float(np.nanmin(heights)),
                        "zmax_m": float(np.nanmax(heights)),
                        "geometry": polygon,
                    }
                )
    frame = gpd.GeoDataFrame(rows, crs=CRS)
    # a corner at every cell, so that three parts meet in one point; then drawn as by hand, shared edges alike
    frame["geometry"] = shapely.segmentize(frame.geometry.to_numpy(), CELL_M)
    frame["geometry"] = shapely.coverage_simplify(frame.geometry.to_numpy(), 42.0)
    frame["geometry"] = shapely.set_precision(frame.geometry.to_numpy(), 0.01)
    frame = frame[~frame.geometry.is_empty].copy()
    whole = frame.dissolve("part_of", aggfunc={"zmin_m": "min", "zmax_m": "max"})
    # north to south, west to east: numbers a reader can find again
    place = whole.geometry.representative_point()
    ranked = whole.assign(x=place.x, y=place.y).sort_values(["x", "y"]).index
    number = {value: i + 1 for i, value in enumerate(ranked)}
    frame["glacier_id"] = [f"TS-{number[v]:02d}" for v in frame.part_of]
    # accumulation area ratio 0.6: the height that 60 % of the glacier lies above
    ela = {}
    for value, parts in frame.groupby("part_of"):
        heights = dem[inside_cells(parts.geometry)]
        ela[value] = round(float(np.nanquantile(heights, 0.4)) if heights.size else np.nan, 0)
    frame["ela_m"] = [ela[v] for v in frame.part_of]
    frame["area_km2"] = [round(area_m2(g) / 1e6, 6) for g in frame.geometry]
    frame = frame.sort_values(["glacier_id", "kind"]).reset_index(drop=True)
    return frame[["glacier_id", "kind", "area_km2", "ela_m", "zmin_m", "zmax_m", "geometry"]]


def merge_small(label: Cells, least_cells: int) -> Cells:
    """Give each patch below a size to the neighbour it touches most, smallest first."""
    label = label.copy()
    while True:
        values, counts = np.unique(label[label >= 0], return_counts=True)
        touching: dict[int, dict[int, int]] = {}
        for a, b in ((label[:, :-1], label[:, 1:]), (label[:-1], label[1:])):
            edge = (a != b) & (a >= 0) & (b >= 0)
            pairs, times = np.unique(np.c_[a[edge], b[edge]], axis=0, return_counts=True)
            for (one, two), n in zip(pairs.tolist(), times.tolist(), strict=True):
                for x, y in ((one, two), (two, one)):
                    touching.setdefault(x, {})[y] = touching.setdefault(x, {}).get(y, 0) + n
        merged: dict[int, int] = {}
        for n, value in sorted(zip(counts.tolist(), values.tolist(), strict=True)):
            if n < least_cells and value in touching and value not in merged.values():
                best = max(touching[value].items(), key=lambda item: (item[1], item[0]))[0]
                if best not in merged:
                    merged[value] = best
        if not merged:
            return label
        for value, to in merged.items():
            label[label == value] = to


def make_gauges(water: Water) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """Gauges as yearbooks give them: a name, a rounded area, a place a little beside the channel."""
    sites = {
        "Tivra at Canyon Mouth": (4.9, 17.2, 0.8, (1, 1)),
        "Tivra at North Bridge": (9.7, 30.6, 0.6, (-2, 0)),
        "East Asken at Stone Gate": (14.6, 10.4, 0.7, (0, 0)),
        "West Asken at Poplars": (11.4, 10.2, 0.8, (1, -1)),
        "Asken below the Dam": (13.1, 16.0, 0.7, (0, 1)),
        "Asken at Last Ferry": (14.0, 29.4, 0.7, (2, -1)),
        "Ulmer above the Lake": (21.9, 21.2, 0.6, (-1, 0)),
    }
    truth: dict[str, int] = {}
    rows = []
    for name, (x, y, reach, off) in sites.items():
        cell = water.largest(x, y, reach)
        truth[name] = cell
        px, py = centre(cell)
        rows.append({"name": name, "geometry": Point(px + off[0] * CELL_M, py + off[1] * CELL_M)})
    truth["Tolm at Two Waters"], trap = gauge_beside_confluence(water, truth["West Asken at Poplars"])
    rows.append({"name": "Tolm at Two Waters", "geometry": trap})
    rows.append({"name": "Lake Ulmer", "geometry": Point(*metres([LAKE_KM])[0])})
    for row in rows:
        name = str(row["name"])
        area = water.area_km2.ravel()[truth[name]] if name in truth else lake_basin_km2(water)
        row["known_km2"] = round(float(area), 1)
    return gpd.GeoDataFrame(rows, crs=CRS)[["name", "known_km2", "geometry"]], truth


def lake_basin_km2(water: Water) -> float:
    """The closed basin: the lake itself and all that reaches it."""
    inside = water.lake.ravel().copy()
    for i in water.order:
        inside[i] |= inside[water.receiver[i]]
    return float(water.areas_m2.ravel()[inside].sum() * 1e-6)


def gauge_beside_confluence(water: Water, below: int) -> tuple[int, Point]:
    """A side stream's cell five above its mouth, and a place by it that lies on the main river."""
    stem = water.main_stem(below, 20.0)
    on_stem = set(stem)
    stem_xy = np.array([centre(c) for c in stem])
    area = water.area_km2.ravel()
    best: tuple[float, int, Point] | None = None
    for mouth in np.flatnonzero((area > 4) & (area < 25)).tolist():
        below_mouth = int(water.receiver[mouth])
        # a river, and a brook that comes in beside it
        if mouth in on_stem or below_mouth not in on_stem or area[below_mouth] < 3 * area[mouth]:
            continue
        cell = water.main_stem(mouth, 2.0)[-5]
        away = np.hypot(*(stem_xy - centre(cell)).T)
        nearest = int(np.argmin(away))
        if 2.0 <= away[nearest] / CELL_M <= 3.2 and (best is None or area[cell] > best[0]):
            best = float(area[cell]), cell, Point(*stem_xy[nearest])
    if best is None:
        sys.exit("No side stream runs close beside the main river: change SKETCH or the seed.")
    return best[1], best[2]


# ------------------------------------------------------------------------------------------------- fields
SEASONS = ("fallow", "winter", "summer", "double", "permanent")
# Command areas: outline (km), direction of the rows (degrees), and what happened between the two dates:
# shares abandoned and newly watered, and how the crops of the first and second date are shared out.
Command = tuple[str, list[tuple[float, float]], float, float, float, tuple[float, ...], tuple[float, ...]]
COMMANDS: list[Command] = [
    (
        "Tivra left bank",
        [(2.2, 19.6), (5.2, 18.8), (6.9, 23), (8.6, 27), (9.2, 29.9), (6, 29.5), (3.4, 26), (1.6, 22)],
        68,
        0.06,
        0.03,
        (0.12, 0.30, 0.42, 0.06, 0.10),
        (0.12, 0.34, 0.30, 0.12, 0.12),
    ),
    (
        "Between the waters",
        [(6.3, 20), (9, 19), (10.6, 22.2), (13.2, 25.2), (13.6, 29.6), (10, 29.8), (8.2, 26)],
        80,
        0.10,
        0.04,
        (0.10, 0.20, 0.58, 0.06, 0.06),
        (0.14, 0.30, 0.38, 0.12, 0.06),
    ),
    (
        "Salt meadows",
        [(1, 26.5), (3.2, 26.6), (5.8, 29.8), (8.6, 30.4), (5, 31.2), (1, 31)],
        20,
        0.55,
        0.00,
        (0.08, 0.22, 0.66, 0.02, 0.02),
        (0.10, 0.40, 0.46, 0.02, 0.02),
    ),
    (
        "Asken right bank",
        [(14.2, 20.6), (16.6, 20.8), (16.8, 24), (17.2, 26.6), (18.4, 28.6), (15, 29), (14.2, 25)],
        92,
        0.03,
        0.22,
        (0.10, 0.42, 0.30, 0.08, 0.10),
        (0.10, 0.36, 0.24, 0.18, 0.12),
    ),
    (
        "Northern canal",
        [(10.5, 31.4), (14, 31), (19, 29.8), (24.5, 30.2), (24, 31.8), (15, 32.5), (10.8, 32.4)],
        8,
        0.08,
        0.30,
        (0.14, 0.46, 0.28, 0.08, 0.04),
        (0.10, 0.40, 0.26, 0.18, 0.06),
    ),
    (
        "Ulmer fan",
        [(19.0, 20.4), (21.8, 19.4), (25.2, 20), (24.6, 22.6), (22.6, 23.8), (19.9, 23.8)],
        60,
        0.05,
        0.60,
        (0.16, 0.34, 0.34, 0.04, 0.12),
        (0.08, 0.26, 0.36, 0.12, 0.18),
    ),
]


def make_fields(  # noqa: C901 - one parcel's tests in a row
    water: Water, districts: gpd.GeoDataFrame, border: Any, wet: list[Any]
) -> gpd.GeoDataFrame:
    """Parcels of the command areas between rivers, roads and villages, and their crop at both dates."""
    rng = np.random.default_rng(SEED + 4)
    area = water.area_km2
    channels = outlines(area > 6.0)
    keep_off = unary_union([c.buffer(35) for c in channels] + [w.buffer(250) for w in wet]).union(
        border.buffer(30)
    )
    smooth = block_mean(np.nan_to_num(water.dem, nan=400.0), 10)
    steep = np.hypot(*np.gradient(smooth, CELL_M * 10))
    reach = fractal(rng, (ROWS, COLS), 0.7, 130)  # where the canals never came
    held = {row.district: shapely.prepared.prep(row.geometry) for row in districts.itertuples()}
    rows: list[dict[str, Any]] = []
    for name, ring, degrees, abandoned, new, first, second in COMMANDS:
        zone = Polygon(metres(rounded([*ring, ring[0]], 2, closed=False)))
        villages = [Point(*metres([p])[0]).buffer(rng.uniform(130, 300)) for p in scatter(rng, ring, 5)]
        zone = zone.difference(unary_union([keep_off, *villages]))
        keep_off = keep_off.union(zone)
        free = shapely.prepared.prep(zone)
        # abandonment comes in patches: the far ends of canals first
        patch = fractal(rng, (ROWS, COLS), 0.8, 160) + 0.35 * fractal(rng, (ROWS, COLS), 0.3, 10)
        candidates = []
        for parcel in parcels(rng, zone, degrees):
            x, y = parcel.centroid.x, parcel.centroid.y
            row, col = int((TRANSFORM.f - y) / CELL_M), int((x - WEST_M) / CELL_M)
            if not free.intersects(parcel) or reach[row, col] < -0.75 or rng.random() < 0.03:
                continue
            if steep[min(row // 10, steep.shape[0] - 1), min(col // 10, steep.shape[1] - 1)] > 0.07:
                continue
            land = parcel.intersection(zone)
            if land.geom_type != "Polygon" or land.area < 4_000 or land.interiors:
                continue
            home = [d for d, p in held.items() if p.contains(land)]
            if home:
                candidates.append((patch[row, col], home[0], shapely.set_precision(land, 0.1)))
        ranks = np.argsort(np.argsort([c[0] for c in candidates])) / max(len(candidates), 1)
        for (_, district, land), rank in zip(candidates, ranks, strict=True):
            fate = "abandoned" if rank < abandoned else "new" if rank >= 1 - new else "kept"
            one, two = (
                rng.choice(5, p=np.array(first) / sum(first)),
                rng.choice(5, p=np.array(second) / sum(second)),
            )
            if one == 4 or (two == 4 and rng.random() < 0.5):
                two = one  # orchards stay, and not all of the new ones are
            if fate == "abandoned":
                one, two = max(int(one), 1), 0
            elif fate == "new":
                one, two = 0, max(int(two), 1)
            rows.append(
                {
                    "command_area": name,
                    "district": district,
                    "season_2015": SEASONS[int(one)],
                    "season_2024": SEASONS[int(two)],
                    "fate": fate,
                    "geometry": land,
                }
            )
    fields = gpd.GeoDataFrame(rows, crs=CRS)
    country = dict(zip(districts.district, districts.country, strict=True))
    fields["country"] = [country[d] for d in fields.district]
    place = fields.geometry.representative_point()
    fields = (
        fields.assign(x=place.x.round(-2), y=place.y)
        .sort_values(["district", "x", "y"])
        .reset_index(drop=True)
    )
    fields["field_id"] = np.arange(1, len(fields) + 1)
    fields["area_ha"] = [round(area_m2(g) / 1e4, 4) for g in fields.geometry]
    return fields[
        [
            "field_id",
            "district",
            "country",
            "command_area",
            "area_ha",
            "season_2015",
            "season_2024",
            "fate",
            "geometry",
        ]
    ]


def scatter(rng: np.random.Generator, ring: list[tuple[float, float]], count: int) -> Reals:
    lows, highs = np.min(ring, axis=0), np.max(ring, axis=0)
    return np.asarray(rng.uniform(lows, highs, (count, 2)))


def parcels(rng: np.random.Generator, zone: Polygon, degrees: float) -> list[Polygon]:
    """Blocks between roads, cut into one to four fields each, turned to the fall of the fan."""
    middle = zone.centroid
    turned = shapely.affinity.rotate(zone, -degrees, origin=middle)
    west, south, east, north = turned.bounds
    found = []
    y = south
    while y < north:
        depth, lean = rng.uniform(190, 330), rng.uniform(-18, 18)
        x = west + rng.uniform(-300, 0)
        while x < east:
            width = float(np.clip(rng.lognormal(np.log(420), 0.4), 160, 950))
            cuts = [
                0.0,
                *np.sort(rng.uniform(0.25, 0.75, int(rng.choice(4, p=[0.45, 0.35, 0.15, 0.05])))),
                1.0,
            ]
            lengthwise = rng.random() < 0.35 and len(cuts) == 3
            for a, b in itertools.pairwise(cuts):
                if lengthwise:
                    x0, x1, y0, y1 = x + 7, x + width - 7, y + a * depth + 6, y + b * depth - 6
                else:
                    x0, x1, y0, y1 = x + a * width + 5, x + b * width - 5, y + 7, y + depth - 7
                if x1 - x0 > 35 and y1 - y0 > 35:
                    found.append(Polygon([(x0, y0), (x1, y0), (x1 + lean, y1), (x0 + lean, y1)]))
            x += width
        y += depth
    bow = rng.uniform(40, 120), rng.uniform(2200, 3600), rng.uniform(0, 6)

    def bend(xy: Reals) -> Reals:  # roads follow the contours, they are not ruled
        return np.c_[xy[:, 0], xy[:, 1] + bow[0] * np.sin(xy[:, 0] / bow[1] * 2 * np.pi + bow[2])]

    bent = [shapely.transform(shapely.segmentize(p, 60.0), bend).simplify(1.0) for p in found]
    return [shapely.affinity.rotate(p, degrees, origin=middle) for p in bent]


def irrigated_mask(fields: gpd.GeoDataFrame, column: str, dem: Reals) -> npt.NDArray[np.uint8]:
    mask = inside_cells(fields.geometry[fields[column] != "fallow"]).astype("uint8")
    return np.where(np.isnan(dem), 255, mask).astype("uint8")


# ---------------------------------------------------------------------------------------- known answers
# How far pyflwdir's fill and whitebox-workflows' least-cost breach lie apart, rounded up; others 0.5.
# Below the mountains the Tivra gathers strips of fan that hang on single cells.
# Below the dam a brook of 1.3 km2 joins within a cell of the gauge, over a saddle of 0.1 m.
TOLERANCE_PCT = {"Tivra at North Bridge": 1.5, "Asken below the Dam": 1.0}


def known_answers(
    water: Water,
    truth: dict[str, int],
    layers: dict[str, gpd.GeoDataFrame],
    masks: dict[int, npt.NDArray[np.uint8]],
) -> dict[str, Any] | None:
    """Figures by tools that are not ours; None where pyflwdir is not installed."""
    try:
        import pyflwdir
    except ImportError:
        return None
    nothing = np.isnan(water.dem)
    land = np.where(nothing | water.lake, -9999.0, water.dem).astype("float32")
    _filled, d8 = pyflwdir.dem.fill_depressions(land, nodata=-9999.0, outlets="edge")
    flow = pyflwdir.from_array(d8, ftype="d8", transform=TRANSFORM, latlon=False)
    upstream = flow.accuflux(np.where(nothing | water.lake, 0.0, water.areas_m2)) / 1e6
    countries = layers["countries"]
    gauges = []
    for name, cell in truth.items():
        row, col = divmod(cell, COLS)
        # other tools may lead the channel through the cell beside
        here = slice(row - 1, row + 2), slice(col - 1, col + 2)
        shift = np.unravel_index(np.argmin(np.abs(upstream[here] - water.area_km2.ravel()[cell])), (3, 3))
        at = (row - 1 + int(shift[0])) * COLS + col - 1 + int(shift[1])
        basin = flow.basins(idxs=np.array([at])) > 0
        gauges.append(describe(name, at, basin, water, countries))
    # the lake: every cell that leaves the land for it, and the water itself
    padded = np.pad(water.lake, 1)
    shore = (
        ~water.lake
        & ~nothing
        & np.any(
            [padded[1 + i : 1 + i + ROWS, 1 + j : 1 + j + COLS] for i in (-1, 0, 1) for j in (-1, 0, 1)],
            axis=0,
        )
    )
    pits = np.flatnonzero(shore.ravel() & (flow.idxs_ds == np.arange(flow.idxs_ds.size)))
    basin = (flow.basins(idxs=pits) > 0) | water.lake
    gauges.append(describe("Lake Ulmer", None, basin, water, countries))

    fields, glaciers, districts = layers["fields"], layers["glaciers"], layers["districts"]
    irrigated: dict[str, Any] = {}
    for year, mask in masks.items():
        watered = fields[fields[f"season_{year}"] != "fallow"]
        irrigated[str(year)] = {
            "fields_ha": round(float(watered.area_ha.sum()), 2),
            "mask_ha": round(float(water.areas_m2[mask == 1].sum() / 1e4), 2),
            "country_ha": {
                c: round(float(watered.area_ha[watered.country == c].sum()), 2) for c in countries.name
            },
            "district_ha": {
                d: round(float(watered.area_ha[watered.district == d].sum()), 2) for d in districts.district
            },
            "season_ha": {
                s: round(float(fields.area_ha[fields[f"season_{year}"] == s].sum()), 2) for s in SEASONS
            },
        }
    kinds = {k: round(float(glaciers.area_km2[glaciers.kind == k].sum()), 4) for k in ("clean", "debris")}
    return {
        "made_by": f"scripts/make_sample.py; drainage: pyflwdir {pyflwdir.__version__} (fill, the rim drains,"
        " the lake is an outlet); areas: pyproj, geodesics and areal scale on WGS 84; shares: shapely",
        "tolerance": {
            "area": "tolerance_pct of each gauge",
            "why": "filling and breaching choose other ways through flats and pits; pyflwdir's fill"
            " and whitebox-workflows' least-cost breach (2.0.6, max_dist 200) differ by less than this",
            "irrigated_mask_pct": 0.5,
        },
        "sheet": {
            "area_km2": round(area_m2(SHEET) / 1e6, 6),
            "valid_cells": int((~nothing).sum()),
            "valid_km2": round(float(water.areas_m2[~nothing].sum() / 1e6), 6),
        },
        "countries_km2": dict(zip(countries.name, countries.area_km2, strict=True)),
        "districts_km2": dict(zip(districts.district, districts.area_km2, strict=True)),
        "gauges": {g.pop("name"): g for g in gauges},
        "border": crossings(water, truth, upstream, layers),
        "terminal_lake": {
            "name": "Lake Ulmer",
            "level_m": LAKE_LEVEL_M,
            "water_cells": int(water.lake.sum()),
            "water_km2": round(float(water.areas_m2[water.lake].sum() / 1e6), 4),
            "filled": spill(water),
        },
        "irrigated": irrigated,
        "fields": {
            "count": len(fields),
            "fate_ha": {
                f: round(float(fields.area_ha[fields.fate == f].sum()), 2)
                for f in ("kept", "abandoned", "new")
            },
        },
        "glaciers": {
            "count": int(glaciers.glacier_id.nunique()),
            "area_km2": round(sum(kinds.values()), 4),
            **kinds,
        },
    }


def describe(
    name: str, cell: int | None, basin: Flags, water: Water, countries: gpd.GeoDataFrame
) -> dict[str, Any]:
    """Area of a basin on the ellipsoid and its countries' shares, by polygons and geodesics."""
    shape = unary_union([Polygon(p.exterior, p.interiors) for p in outlines(basin)])
    held = {c.name: area_m2(shape.intersection(c.geometry)) / 1e6 for c in countries.itertuples()}
    by_cells = float(water.areas_m2[basin].sum() / 1e6)
    found: dict[str, Any] = {"name": name, "tolerance_pct": TOLERANCE_PCT.get(name, 0.5)}
    if cell is not None:
        found["channel_row"], found["channel_col"] = divmod(cell, COLS)
        found["channel_x"], found["channel_y"] = centre(cell)
    total = sum(held.values())
    found |= {
        "area_km2": round(by_cells, 4),
        "zmin_m": round(float(np.nanmin(water.dem[basin])), 1),
        "zmax_m": round(float(np.nanmax(water.dem[basin])), 1),
        "country_km2": {k: round(v, 4) for k, v in held.items()},
        "country_pct": {k: round(100 * v / total, 3) for k, v in held.items()},
    }
    return found


def crossings(
    water: Water, truth: dict[str, int], upstream: Reals, layers: dict[str, gpd.GeoDataFrame]
) -> dict[str, Any]:
    """Where the East Asken and the Tivra cross the border, and the stretch where the Asken is the border."""
    borders = layers["borders"]
    line = unary_union(borders.geometry.to_list())
    talvria = inside_cells(layers["countries"].geometry[layers["countries"].name == WEST_COUNTRY]).ravel()
    found: dict[str, Any] = {}
    for river, gauge in (("East Asken", "East Asken at Stone Gate"), ("Tivra", "Tivra at North Bridge")):
        stem = water.main_stem(truth[gauge], 15.0)
        stem += water.trace(stem[-1])[1:40]
        sides = talvria[stem]
        changes = np.flatnonzero(sides[1:] != sides[:-1]) + 1
        cell = stem[int(changes[0])]
        row, col = divmod(cell, COLS)
        here = upstream[row - 1 : row + 2, col - 1 : col + 2].ravel()
        found[river] = {
            "from_country": WEST_COUNTRY if sides[0] else EAST_COUNTRY,
            "to_country": EAST_COUNTRY if sides[0] else WEST_COUNTRY,
            "changes_of_side": len(changes),
            "x": centre(cell)[0],
            "y": centre(cell)[1],
            "upstream_km2": round(float(here[np.argmin(np.abs(here - water.area_km2.ravel()[cell]))]), 3),
        }
    stretch = borders.geometry[borders.stretch == "along the Asken"].iloc[0]
    stem = water.main_stem(truth["Asken at Last Ferry"], 60.0)
    ends = sorted(Point(*stretch.coords[i]).y for i in (0, -1))
    on = [c for c in stem if ends[0] < centre(c)[1] < ends[1]]
    sides = talvria[on]
    found["along the Asken"] = {
        "line_km": round(
            GEOD.geometry_length(shapely.transform(stretch, TO_DEGREES.transform, interleaved=False)) / 1000,
            3,
        ),
        "channel_cells_that_change_side": int((sides[1:] != sides[:-1]).sum()),
        "farthest_channel_cell_m": round(max(Point(*centre(c)).distance(line) for c in on), 1),
    }
    return found


def spill(water: Water) -> dict[str, float]:
    """Where the lake would go if a tool filled it: level of the lowest saddle around it."""
    nothing = np.isnan(water.dem)
    _, _, filled = route(np.where(nothing, -9999.0, water.dem), nothing)
    return {
        "spill_level_m": round(float(filled[water.lake].min()), 1),
        "depth_m": round(float(filled[water.lake].min() - LAKE_LEVEL_M), 1),
    }


# ------------------------------------------------------------------------------------------------ writing
def write_raster(path: Path, values: npt.NDArray[Any], nodata: float, predictor: int) -> None:
    profile = {
        "driver": "GTiff",
        "height": ROWS,
        "width": COLS,
        "count": 1,
        "dtype": values.dtype,
        "crs": CRS,
        "transform": TRANSFORM,
        "nodata": nodata,
        "compress": "deflate",
        "predictor": predictor,
        "zlevel": 9,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(values, 1)


def write_layers(path: Path, layers: dict[str, gpd.GeoDataFrame]) -> None:
    path.unlink(missing_ok=True)
    for name, frame in layers.items():
        pyogrio.write_dataframe(
            frame, path, layer=name, driver="GPKG", append=path.exists(), dataset_options={"VERSION": "1.3"}
        )


def make(folder: Path, say: Callable[[str], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # GeoPackages carry the time they were written: one time, so that the same content is the same file
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": STAMP})
    land = grow_land(say)
    say("measuring")
    dem = np.asarray(survey(land), "float32").astype(float)
    water = drain(dem, sheet(land.lake))
    say("drawing borders, districts, glaciers")
    countries, borders, districts = make_countries(draw_border(water))
    glaciers = make_glaciers(land, dem)
    lake = gpd.GeoDataFrame(
        {"name": ["Lake Ulmer"], "level_m": [LAKE_LEVEL_M]},
        geometry=outlines(water.lake, 2, 20.0)[:1],
        crs=CRS,
    )
    # the outline holds all of the water: a little outside its cells, as from a map of another date
    lake["geometry"] = shapely.set_precision(lake.geometry.buffer(18.0).simplify(4.0).to_numpy(), 0.01)
    lake["area_km2"] = [round(area_m2(g) / 1e6, 6) for g in lake.geometry]
    pool = outlines(sheet(land.reservoir), 2, 20.0)[:1]
    reservoir = gpd.GeoDataFrame(
        {
            "name": ["Stone Gate Reservoir"],
            "level_m": [land.reservoir_level_m],
            "area_km2": [round(area_m2(pool[0]) / 1e6, 6)],
        },
        geometry=pool,
        crs=CRS,
    )
    say("placing gauges and fields")
    gauges, truth = make_gauges(water)
    border_line = unary_union(borders.geometry.to_list())
    fields = make_fields(water, districts, border_line, [lake.geometry[0], pool[0]])
    masks = {year: irrigated_mask(fields, f"season_{year}", dem) for year in (2015, 2024)}

    say("writing")
    write_raster(folder / "dem.tif", dem.astype("float32"), float("nan"), 3)
    for year, mask in masks.items():
        write_raster(folder / f"truth_irrigated_{year}.tif", mask, 255, 1)
    write_layers(folder / "countries.gpkg", {"countries": countries, "borders": borders})
    write_layers(folder / "districts.gpkg", {"districts": districts})
    write_layers(folder / "outlets.gpkg", {"outlets": gauges})
    write_layers(folder / "terminal_lakes.gpkg", {"terminal_lakes": lake})
    write_layers(folder / "reservoir.gpkg", {"reservoir": reservoir})
    write_layers(folder / "glaciers.gpkg", {"glaciers": glaciers})
    write_layers(folder / "fields.gpkg", {"fields": fields})
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    layers = {
        "countries": countries,
        "borders": borders,
        "districts": districts,
        "fields": fields,
        "glaciers": glaciers,
    }
    archive = make_archive(folder, say)
    say("asking pyflwdir for the known answers")
    answers = known_answers(water, truth, layers, masks)
    if answers is None:
        say("pyflwdir is not installed: known_answers.json and README.md stay as they are")
        return
    write_answers(folder, answers | {"archive": archive})


def make_archive(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Scenes and their truth, from the files of the folder."""
    # the modules below import this one by its name, under which a script that runs is not known
    sys.modules.setdefault("make_sample", sys.modules[__name__])
    from _sample_archive import make as look_from_orbit

    say("looking from orbit")
    return look_from_orbit(folder, say)


def remake_archive(folder: Path, say: Callable[[str], None]) -> None:
    """Only the archive: all else stays as it is, and its known answers are kept."""
    answers = json.loads((folder / "known_answers.json").read_text(encoding="utf-8"))
    write_answers(folder, answers | {"archive": make_archive(folder, say)})


def write_answers(folder: Path, answers: dict[str, Any]) -> None:
    text = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
    (folder / "known_answers.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(readme(answers), encoding="utf-8")


STUDY = """\
# The study of the sample valley. Paths are relative to this file.
[study]
name = "Asken and Ulmer valleys"
languages = ["en", "ru"]

[region]
crs = "EPSG:32642"
dem = "dem.tif"
outlets = "outlets.gpkg"
area_field = "known_km2"
terminal_lakes = "terminal_lakes.gpkg"

[zones]
countries = "countries.gpkg"
country_field = "name"
districts = "districts.gpkg"
district_field = "district"
borders = "countries.gpkg|borders"
status_field = "status"
"""


def readme(answers: dict[str, Any]) -> str:
    """The sample's own page, its tables filled from the answers."""
    gauges = [
        f"| {name} | {g['area_km2']:.2f} | {g['country_pct'][WEST_COUNTRY]:.2f} |"
        f" {g['country_pct'][EAST_COUNTRY]:.2f} | {g['tolerance_pct']} |"
        for name, g in answers["gauges"].items()
    ]
    years = [
        f"| {year} | {v['fields_ha']:.1f} |"
        f" {v['country_ha'][WEST_COUNTRY]:.1f} | {v['country_ha'][EAST_COUNTRY]:.1f} |"
        for year, v in answers["irrigated"].items()
    ]
    districts = [
        f"| {name} | {area:.2f} | {answers['irrigated']['2015']['district_ha'][name]:.1f} |"
        f" {answers['irrigated']['2024']['district_ha'][name]:.1f} |"
        for name, area in answers["districts_km2"].items()
    ]
    border, lake, ice = answers["border"], answers["terminal_lake"], answers["glaciers"]
    return README.format(
        gauges="\n".join(gauges),
        years="\n".join(years),
        districts="\n".join(districts),
        along=border["along the Asken"],
        east=border["East Asken"],
        tivra=border["Tivra"],
        lake=lake,
        spill=lake["filled"],
        ice=ice,
        fate=answers["fields"]["fate_ha"],
        count=answers["fields"]["count"],
        countries=answers["countries_km2"],
        archive=archive_page(answers["archive"]),
    )


def archive_page(archive: dict[str, Any]) -> dict[str, Any]:
    """The part of the sample's page that tells of the scenes."""
    rows = [
        f"| `{s['file']}` | {100 * s['not_observed'] / s['quality_cells']:.0f} |"
        f" {100 * s['cloud'] / s['quality_cells']:.0f} | {100 * s['clear'] / s['quality_cells']:.0f} |"
        for s in archive["scenes"].values()
    ]
    seasons = [
        f"| {country} {year} | " + " | ".join(f"{of[s]:.1f}" for s in SEASONS) + " |"
        for year, countries in archive["season_ha"].items()
        for country, of in countries.items()
    ]
    ice = [
        f"| {year} | {of['clean']:.3f} | {of['debris']:.3f} | {of['clean in the Landsat frame']:.3f} |"
        f" {of['debris in the Landsat frame']:.3f} |"
        for year, of in archive["glaciers_km2"].items()
    ]
    framed = [
        f"| {country} {year} | " + " | ".join(f"{of[s]:.1f}" for s in SEASONS) + " |"
        for year, countries in archive["season_ha_in_the_landsat_frame"].items()
        for country, of in countries.items()
    ]
    tables = {"rows": rows, "seasons": seasons, "framed": framed, "ice": ice}
    text = ARCHIVE_PAGE.format(
        **{name: "\n".join(lines) for name, lines in tables.items()},
        fields=archive["fields_in_the_landsat_frame"],
    )
    return {"count": len(archive["scenes"]), "text": text}


ARCHIVE_PAGE = """\
## The archive

Names, members, metadata, scales, offsets, flags and cycles are those of real products; the scenes are cut to
a few kilometres, their numbers are rounded to steps of 0.004 to 0.03 of reflectance so that they stay small, and
bands and masks that nobody reads here are left out (the coastal band, aerosol, AOT, WVP, B05 to B07). Landsat is
Collection 2, Level 2 (scale 2.75e-5, offset -0.2); Sentinel-2 is Level-2A with and without BOA_ADD_OFFSET, its
JPEG 2000 without loss.

| scene | not observed % | cloud % | clear % |
|---|---|---|---|
{rows}

*Clear* for Landsat: QA_PIXEL bits 0 to 5 all zero; for Sentinel-2: SCL none of 0 1 3 8 9 10 11. What to fall over:

- The Sentinel-2 scene of 2015 was processed again with baseline 05.00: its numbers carry the offset although its
  date lies before 2022. The one of 2019 (baseline 02.13) has none.
- Bit 6 of QA_PIXEL, "clear", is set in the shadow of clouds, in cirrus and on snow, as in real scenes.
- `LC09_L2SP_154028_20240831` and `154029` are one overpass: where the rows overlap, the same ground was seen once.
- `LC09_L2SP_153028_20240621` lies in the neighbouring zone of the projection, EPSG:32643. (The real path 153 passes
  too far east of here; a scene whose centre lies beyond 72 E is delivered so.)
- Path 154 ends in the valley: the swath's edge cuts the western fields, each time elsewhere. Landsat 7 has the
  gaps of its failed scan line corrector.
- On 15 September 2024 the first snow of autumn covers ground beside the glaciers; on 15 August 2015 and 14 August
  2024 clouds hide ice. The tarn is younger than `dem.tif`, which slopes there. `glaciers.gpkg` is an analyst's
  map with a staircase in its edges; the scenes show `truth/glaciers.gpkg`.
- Clean ice has a little less than nothing left in the short-wave infrared.

| fields, ha | fallow | winter | summer | double | permanent |
|---|---|---|---|---|---|
{seasons}

Of these, {fields} whole fields lie in the frame that all scenes of the plain on path 154 share:

| fields in the Landsat frame, ha | fallow | winter | summer | double | permanent |
|---|---|---|---|---|---|
{framed}

| glaciers, km2 | clean | debris | clean in the Landsat frame | debris in it |
|---|---|---|---|---|
{ice}
"""  # noqa: E501 - a row of a table is one line


README = """\
# The sample: the valleys of the Asken and the Ulmer

A made valley, 27 by 33 km, from a glaciated range in the south to an irrigated plain in the north. The
countries **Talvria** (west) and **Sormea** (east), their districts, rivers and people are invented; the
coordinates (EPSG:32642) lie in an empty stretch of steppe only so that latitude, sun and map zone are right.
All of it is made by `python scripts/make_sample.py` (seeded: the same bytes on every run on one machine) and
given to the public domain (CC0 1.0). Edit the script, not the files: this page is written by it too.

| file | what it is |
|---|---|
| `dem.tif` | elevation, 900 x 1100 cells of 30 m, metres rounded to 0.1, NaN outside; ragged rim, small pits as in any measured DEM, the reservoir's dam standing as a wall |
| `countries.gpkg` | `countries` (name, name_ru, area_km2), one exact border between them; `borders`, the same line in pieces with `status` agreed, unverified or disputed |
| `districts.gpkg` | seven districts (district, district_ru, country, area_km2) that tile the countries exactly |
| `outlets.gpkg` | nine gauges (name, known_km2 as a yearbook would print it); several lie one to three cells beside their channel |
| `terminal_lakes.gpkg` | Lake Ulmer, where its rivers end |
| `reservoir.gpkg` | Stone Gate Reservoir on the Asken |
| `glaciers.gpkg` | outlines (glacier_id, kind clean or debris, area_km2, ela_m: the height 60 % of the glacier lies above) |
| `fields.gpkg` | {count} parcels with their crop season in 2015 and 2024 (fallow, winter, summer, double, permanent) and their fate (kept, abandoned, new) |
| `truth_irrigated_2015.tif`, `truth_irrigated_2024.tif` | 1 where the cell's centre lies in a field that is not fallow, 0 elsewhere, 255 where the DEM has no data |
| `archive/` | {archive[count]} scenes as their agencies hand them out: Landsat tars, Sentinel-2 SAFE zips; see below |
| `truth/glaciers.gpkg` | what those scenes show: `glaciers` of 2015, 2019 and 2024 (glacier_id, kind, year, area_km2, ela_m), `waters`, `seasonal_snow` beside the ice on the date of each scene of the heights |
| `truth/field_ndvi.csv` | NDVI x 100 of every field on every date of the archive, as the ground is: no sensor, no sky; and its season in 2019 |
| `known_answers.json` | all figures below and more, by tools that are not ours: pyflwdir, shapely, pyproj |
| `study.toml` | the study file of this valley |
| `pictures/` | pictures the commands drew of this valley, for the pages that show it |

## Known answers

Areas are on the ellipsoid (WGS 84). *Within* is how far other tools may lie: filling and breaching choose
other ways through flats and pits.

| gauge | basin km2 | Talvria % | Sormea % | within % |
|---|---|---|---|---|
{gauges}

- *Tolm at Two Waters* lies beside a confluence, on the West Asken's cells, two cells from its own river: snapping
  by distance alone gives the West Asken's area; the known area tells.
- *Tolm* lies within *West Asken*, *East* and *West Asken* within *Asken below the Dam*, and that within *Asken
  at Last Ferry*; *Ulmer above the Lake* lies within *Lake Ulmer*.
- *Lake Ulmer* ({lake[water_km2]} km2 of water at {lake[level_m]} m) has no outlet. A tool that fills it lifts it
  by {spill[depth_m]} m to its lowest saddle at {spill[spill_level_m]} m and sends its water into the plain.
- The East Asken crosses from {east[from_country]} to {east[to_country]} with {east[upstream_km2]} km2 above it, the
  Tivra from {tivra[from_country]} to {tivra[to_country]} with {tivra[upstream_km2]} km2.
  Within 1 %: where two ways lead out of a filled pit pyflwdir takes the neighbour it was flooded from, other
  tools the steepest slope.
- For {along[line_km]} km the border follows the Asken, digitised a little beside it: the channel's cells change
  side {along[channel_cells_that_change_side]} times, and it is one border reach.
  Measured along the cells, as tools that route water do, it is up to 8 % longer.

| irrigated, ha | all | Talvria | Sormea |
|---|---|---|---|
{years}

Of the fields, {fate[kept]} ha were kept, {fate[abandoned]} ha abandoned and {fate[new]} ha are new ("kept" means
the field existed at both dates; it may lie fallow at one of them).

| district | km2 | irrigated 2015, ha | irrigated 2024, ha |
|---|---|---|---|
{districts}

{archive[text]}
Countries: Talvria {countries[Talvria]:.3f} km2, Sormea {countries[Sormea]:.3f} km2. Glaciers: {ice[count]} with
{ice[area_km2]} km2, of which {ice[debris]} km2 under debris.
"""  # noqa: E501 - a row of a table is one line


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).parent.parent / "data" / "sample"
    )
    parser.add_argument("--archive", action="store_true", help="only the scenes, from the other files")
    arguments = parser.parse_args()
    folder, start = arguments.folder, time.monotonic()
    work = remake_archive if arguments.archive else make
    work(folder, lambda message: print(f"{time.monotonic() - start:5.1f} s  {message}", flush=True))
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{time.monotonic() - start:5.1f} s  {folder} holds {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
