"""One look of one instrument at the sample valley: what it measures in each cell, and what its flags say."""

import datetime as dt
import zlib
from dataclasses import dataclass, field
from typing import Any

import _sample_land as ground
import make_sample as valley
import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from numba import njit, prange

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
LON, LAT = 69.684, 45.480  # the middle of the valley

# What other instruments see where Landsat 8 sees rho: (rho - offset) / scale. Sentinel-2: the pass band
# adjustment of the HLS user guide v2 (S2 to OLI: a, b), for B8A; ETM+ and the broad B08 are rounded guesses
# of the same size, so that sensors differ a little as they do.
SENSES: dict[str, list[tuple[float, float]]] = {
    "OLI": [(1.0, 0.0)] * 7,
    "ETM": [(1.0, 0.0), (1.012, -0.002), (1.006, -0.001), (0.994, 0.001), (1.018, 0.0), (0.99, 0.0),
            (1.006, 0.0)],
    "S2A": [(0.9959, -0.0002), (0.9778, -0.0040), (1.0053, -0.0009), (0.9765, 0.0009), (0.9983, -0.0001),
            (0.9987, -0.0011), (1.0030, -0.0012)],
    "S2B": [(0.9959, -0.0002), (0.9778, -0.0040), (1.0075, -0.0008), (0.9761, 0.0010), (0.9966, 0.0000),
            (1.0000, -0.0003), (0.9867, 0.0004)],
}  # fmt: skip
BROAD_NIR = 0.985  # B08 against B8A

# Numbers are rounded to these steps of reflectance (from, step): below what is to be found out, and the
# archive is small.
STEPS = ((0.0, 0.004), (0.08, 0.008), (0.20, 0.012), (0.40, 0.030))
TEMPERATURE_STEP_K = 1.5
TEXTURE = 0.05  # brightness of soils from place to place, one standard deviation
CLOUD = np.array([0.60, 0.62, 0.63, 0.64, 0.66, 0.48, 0.40])
RIM_M = 105.0  # the makers of the flags widen clouds by so much (CFMask: three cells of 30 m)


@dataclass(frozen=True)
class Frame:
    """A raster's place: CRS, transform and shape."""

    crs: str
    transform: Affine
    shape: tuple[int, int]

    @property
    def cell_m(self) -> float:
        return float(self.transform.a)

    @property
    def corners(self) -> list[tuple[float, float]]:
        """Upper left, upper right, lower right, lower left."""
        rows, cols = self.shape
        return [self.transform @ at for at in ((0, 0), (cols, 0), (cols, rows), (0, rows))]

    def coarser(self, times: int) -> "Frame":
        rows, cols = self.shape
        return Frame(self.crs, self.transform @ Affine.scale(times), (rows // times, cols // times))

    def positions(self, inside: int = 1) -> tuple[Reals, Reals]:
        """Rows and columns on the DEM's grid, from its edge, of ``inside`` x ``inside`` points a cell."""
        rows, cols = self.shape
        east = (np.arange(cols * inside) + 0.5) / inside
        south = (np.arange(rows * inside) + 0.5) / inside
        a = ~valley.TRANSFORM
        if self.crs == valley.CRS:
            x = self.transform.c + east * self.transform.a
            y = self.transform.f + south * self.transform.e
            r, c = a.f + y * a.e, a.c + x * a.a
            shape = (r.size, c.size)
            return np.broadcast_to(r[:, None], shape), np.broadcast_to(c[None, :], shape)
        x, y = np.meshgrid(
            self.transform.c + east * self.transform.a, self.transform.f + south * self.transform.e
        )
        x, y = pyproj.Transformer.from_crs(self.crs, valley.CRS, always_xy=True).transform(x, y)
        return a.f + y * a.e, a.c + x * a.a


@dataclass(frozen=True)
class Weather:
    """The state of sky and snow on one day."""

    snow_line_m: float
    cloud: float = 0.0
    """Share of the sky under clouds that cast shadows."""
    cirrus: float = 0.0
    base_m: float = 1_500.0
    """Height of the clouds above the plain, m."""
    coarse: float = 120.0
    """Size of the largest clouds, in cells of 30 m."""


@dataclass
class View:
    """What an instrument sees on one frame; (rows, cols), reflectance (bands, rows, cols)."""

    frame: Frame
    reflectance: Reals
    temperature_k: Reals
    cloud: Flags
    rim: Flags
    shadow: Flags
    cirrus: Flags
    snow: Flags
    water: Flags
    dark: Flags
    green: Flags
    unseen: Flags
    saturated: npt.NDArray[np.uint16]
    shares: dict[str, float] = field(default_factory=dict)


@njit(cache=True, parallel=False)  # type: ignore[untyped-decorator]
def mean_of(labels: Any, table: Reals, rows_at: Reals, cols_at: Reals, inside: int, fine: int) -> Reals:
    """Mean of ``table`` (labels, bands) over the ``inside`` x ``inside`` points of each cell.

    labels            (fine rows, fine cols)
    rows_at, cols_at  (rows * inside, cols * inside) on the DEM's grid; outside, the nearest label counts
    returns           (bands, rows, cols)
    """
    rows, cols = rows_at.shape[0] // inside, rows_at.shape[1] // inside
    bands = table.shape[1]
    out = np.zeros((bands, rows, cols))
    last_r, last_c = labels.shape[0] - 1, labels.shape[1] - 1
    for r in prange(rows):
        for c in range(cols):
            for i in range(inside):
                for j in range(inside):
                    at_r = rows_at[r * inside + i, c * inside + j] * fine
                    at_c = cols_at[r * inside + i, c * inside + j] * fine
                    label = labels[min(max(int(at_r), 0), last_r), min(max(int(at_c), 0), last_c)]
                    for b in range(bands):
                        out[b, r, c] += table[label, b]
            for b in range(bands):
                out[b, r, c] /= inside * inside
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def between(values: Reals, rows_at: Reals, cols_at: Reals) -> Reals:
    """Bilinear values at places on the DEM's grid; outside, the nearest edge."""
    rows, cols = rows_at.shape
    out = np.empty((rows, cols))
    for r in range(rows):
        for c in range(cols):
            y = min(max(rows_at[r, c] - 0.5, 0.0), values.shape[0] - 1.001)
            x = min(max(cols_at[r, c] - 0.5, 0.0), values.shape[1] - 1.001)
            i, j = int(y), int(x)
            y, x = y - i, x - j
            out[r, c] = (values[i, j] * (1 - x) + values[i, j + 1] * x) * (1 - y) + (
                values[i + 1, j] * (1 - x) + values[i + 1, j + 1] * x
            ) * y
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def widened(mask: Flags, reach: float) -> Flags:
    """All cells within ``reach`` cells of the mask."""
    rows, cols = mask.shape
    k = int(reach)
    out = mask.copy()
    for r in range(rows):
        for c in range(cols):
            if not mask[r, c]:
                continue
            if (
                0 < r < rows - 1 and 0 < c < cols - 1
                and mask[r - 1, c] and mask[r + 1, c] and mask[r, c - 1] and mask[r, c + 1]
            ):  # fmt: skip
                continue
            for i in range(-k, k + 1):
                for j in range(-k, k + 1):
                    if i * i + j * j <= reach * reach and 0 <= r + i < rows and 0 <= c + j < cols:
                        out[r + i, c + j] = True
    return out


def sky(name: str, weather: Weather, sun: tuple[float, float]) -> tuple[Reals, Reals, Reals]:
    """Cover 0..1 by clouds and by their shadows, and brightness of cirrus, on the DEM's grid.

    The sheet of cloud repeats at its edges, so that shadows may come in from clouds outside.
    """
    rng = np.random.default_rng([ground.SEED, 6, zlib.crc32(name.encode())])
    shape = (ground.ROWS, ground.COLS)
    cloud, shade, veil = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    if weather.cloud > 0:
        # clouds come in fields, with blue sky between
        puff = valley.fractal(rng, shape, 0.8, weather.coarse, 6)
        puff += 1.1 * valley.fractal(rng, shape, 1.0, 420, 80)
        least = np.quantile(puff, 1 - weather.cloud)
        cloud = np.clip(0.25 + (puff - least) / 0.4, 0, 1) * (puff > least)
        cloud = np.round(2 * cloud) / 2  # thin edges, thick middles
        azimuth, elevation = np.deg2rad(sun)
        away = weather.base_m / np.tan(elevation) / ground.CELL_M
        # the shadow lies opposite the sun: rows grow southwards
        move = round(away * np.cos(azimuth)), round(-away * np.sin(azimuth))
        shade = np.roll(cloud, move, (0, 1))
    if weather.cirrus > 0:
        streak = valley.fractal(rng, shape, 0.9, 240, 24)
        streak = 0.5 * (streak + np.roll(streak, (20, 35), (0, 1))) + 0.4 * valley.fractal(
            rng, shape, 1.0, 400, 60
        )
        least = np.quantile(streak, 1 - weather.cirrus)
        veil = np.clip((streak - least) * 0.035 + 0.012, 0, 0.07) * (streak > least)
        veil = np.round(veil / 0.012) * 0.012
    return cloud, shade, veil


def rounded(rho: Reals) -> Reals:
    """Round reflectance to the steps the archive keeps."""
    out = rho.copy()
    for least, step in STEPS:
        part = rho >= least if least else np.ones(rho.shape, bool)
        out[part] = np.round(rho[part] / step) * step
    return out


def look(
    land: ground.Land,
    labels: ground.Labels,
    frame: Frame,
    *,
    name: str,
    when: dt.datetime,
    sensor: str,
    weather: Weather,
    unseen: Flags,
) -> View:
    """Everything one instrument records on one frame, ``labels`` being the ground of that year."""
    day = when.timetuple().tm_yday + when.hour / 24
    sun = ground.sun_position(when, LON, LAT)
    inside = max(round(frame.cell_m / ground.FINE_M), 1)
    if frame.crs != valley.CRS:
        inside = 3  # turned against the fine grid: nothing is won by more
    fine_rows, fine_cols = frame.positions(inside)
    rows_at, cols_at = frame.positions()

    def here(values: Reals) -> Reals:
        return between(values, rows_at, cols_at)

    pure = land.reflectances(when.year, day)
    extra = np.zeros((len(pure), 4))
    extra[[ground.LABEL[n] for n in ground.WATERS], 0] = 1
    extra[[ground.LABEL[n] for n in ground.ICE], 1] = 1
    extra[ground.LABEL["debris"], 2] = 1
    extra[:, 3] = np.clip(1.25 * ground.ndvi(np.maximum(pure, 1e-3)) - 0.12, 0, 1)
    both = mean_of(labels, np.hstack([pure, extra]), fine_rows, fine_cols, inside, ground.FINE)
    rho, (water, ice, debris, green) = both[:7], both[7:]
    rho = rho * (1 + TEXTURE * np.round(here(land.texture)) * (1 - water) * (1 - 0.5 * ice))

    snow = here(land.snow(weather.snow_line_m))
    snow = np.round(snow * (1 - water) * (1 - 0.35 * debris) / 0.1) * 0.1
    new = np.clip((2_900 - weather.snow_line_m) / 1_500, 0, 1)
    cover = (1 - new) * ground.spectrum("old snow") + new * ground.spectrum("new snow")
    rho = rho * (1 - snow) + snow * cover[:, None, None]

    slope, lit = land.light(*sun)
    slope, lit = here(slope), here(lit)
    slope = np.round(np.where(water > 0.5, 1.0, slope) / 0.1) * 0.1
    lit = np.round(lit / 0.34) * 0.34
    cloud30, shade30, veil30 = sky(name, weather, sun)
    cloud, shade, veil = here(cloud30), here(shade30), np.round(here(veil30) / 0.012) * 0.012
    cloud, shade = np.round(2 * cloud) / 2, np.round(2 * shade) / 2
    is_cloud = cloud > 0
    cell_rim = widened(is_cloud, RIM_M / frame.cell_m) & ~is_cloud
    cloud = np.where(is_cloud | cell_rim, np.maximum(cloud, 0.04 * cell_rim), 0)
    is_shadow = (shade > 0) & ~is_cloud
    shade = np.where(is_shadow, shade, 0)
    sun_left = lit * (1 - 0.85 * shade)
    light = (1 - ground.SKYLIGHT[:, None, None]) * np.minimum(slope, 1.9) * sun_left
    light += ground.SKYLIGHT[:, None, None]
    rho = rho * light
    rho = rho * (1 - cloud) + CLOUD[:, None, None] * cloud
    rho = rho + veil * np.array([1.1, 1.0, 0.95, 0.9, 0.8, 0.35, 0.2])[:, None, None]

    saturated = np.zeros(frame.shape, np.uint16)
    for b in range(7):
        # top of the atmosphere: about a tenth more in the blue, nothing in the infrared
        seen = (rho[b] + max(0.10 - 0.025 * b, 0)) * np.sin(np.deg2rad(sun[1]))
        limit = 1.2 if sensor != "ETM" else (0.72, 0.72, 0.70, 0.72, 0.80, 0.8, 0.8)[b]
        saturated |= np.where(seen > limit, 1 << b, 0).astype(np.uint16)

    senses = np.array(SENSES[sensor])
    rho = (rho - senses[:, 1, None, None]) / senses[:, 0, None, None]
    temperature = surface_temperature(
        when, here(land.z), sun[1], green, water, snow + ice, debris, slope * sun_left
    )
    temperature = temperature * (1 - cloud) + (268 - weather.base_m * 0.004) * cloud - 90 * veil
    temperature = np.round(temperature / TEMPERATURE_STEP_K) * TEMPERATURE_STEP_K
    return View(
        frame=frame,
        reflectance=rounded(rho) if sensor in ("OLI", "ETM") else rho,  # Sentinel-2 rounds its own numbers
        temperature_k=temperature,
        cloud=is_cloud & ~unseen,
        rim=cell_rim & ~unseen,
        shadow=is_shadow & ~unseen,
        cirrus=(veil > 0) & ~unseen,
        snow=(snow + ice > 0.5) & ~is_cloud & ~unseen,
        water=(water > 0.5) & ~is_cloud & (snow < 0.5) & ~unseen,
        dark=(sun_left < 0.5) & ~is_shadow & ~unseen,
        green=(green > 0.30) & (snow < 0.3) & ~unseen,
        unseen=unseen,
        saturated=np.where(unseen, 0, saturated).astype(np.uint16),
    )


def surface_temperature(
    when: dt.datetime,
    z: Reals,
    elevation_deg: float,
    green: Reals,
    water: Reals,
    white: Reals,
    debris: Reals,
    sunlight: Reals,
) -> Reals:
    """Kelvin at mid-morning: air by season and height, dry ground heated by the sun, ice that melts."""
    day = when.timetuple().tm_yday
    air = 282.0 + 17.0 * np.cos(2 * np.pi * (day - 200) / 365.25) - 0.0063 * (z - 450)
    heat = 24.0 * np.sin(np.deg2rad(elevation_deg)) * np.clip(sunlight, 0.1, 1.6)
    dry = air + heat * (1 - 0.75 * green) * (1 - 0.3 * debris)
    lake = np.maximum(274.0, 281.0 + 13.0 * np.cos(2 * np.pi * (day - 218) / 365.25))
    white = np.clip(white, 0, 1)
    return dry * (1 - water) * (1 - white) + lake * water * (1 - white) + np.minimum(dry, 273.0) * white
