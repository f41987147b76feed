"""What lies on the sample valley's ground on any day, and how the sun lights it: the truth of ``archive``.

Everything is computed from the published files of ``data/sample`` (elevation, fields, glaciers, waters), so
that the archive can be made again without growing the land again. Reflectances are those of the bands of
Landsat 8; what other sensors see differently is the business of ``_sample_archive.py``.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import make_sample as valley
import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
import rasterio.features
import shapely
from affine import Affine
from numba import njit
from shapely.geometry import LineString, Polygon, box
from shapely.ops import unary_union

Reals = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]

SEED = 20150815
YEARS = (2015, 2019, 2024)
MAPPED_YEARS = (2015, 2024)  # those with a whole season; 2019 has one scene
ROWS, COLS, CELL_M = valley.ROWS, valley.COLS, valley.CELL_M
# Landsat's cells are centred on multiples of 30 m, the DEM's and Sentinel-2's bordered by them: 5 m suits all
FINE_M, FINE = 5.0, 6
FINE_TRANSFORM = valley.TRANSFORM @ Affine.scale(1 / FINE)
BANDS = ("coastal", "blue", "green", "red", "nir", "swir1", "swir2")

# ----------------------------------------------------------------------------------------------- covers
# Reflectance of pure covers in BANDS, after common spectral libraries; plants at full cover.
SPECTRA: dict[str, tuple[float, ...]] = {
    "loess": (0.080, 0.100, 0.140, 0.190, 0.270, 0.350, 0.310),
    "desert": (0.105, 0.130, 0.180, 0.240, 0.310, 0.390, 0.350),
    "crop": (0.018, 0.025, 0.055, 0.030, 0.480, 0.190, 0.080),
    "grass": (0.025, 0.035, 0.070, 0.045, 0.380, 0.210, 0.110),
    "forest": (0.020, 0.028, 0.048, 0.036, 0.340, 0.170, 0.085),
    "straw": (0.070, 0.090, 0.130, 0.180, 0.300, 0.360, 0.270),
    "built": (0.110, 0.125, 0.150, 0.175, 0.230, 0.260, 0.240),
    "salt": (0.250, 0.290, 0.340, 0.380, 0.430, 0.400, 0.330),
    "gravel": (0.110, 0.130, 0.160, 0.185, 0.220, 0.240, 0.220),
    "rock": (0.075, 0.090, 0.110, 0.130, 0.170, 0.220, 0.200),
    "scree": (0.095, 0.110, 0.135, 0.155, 0.190, 0.230, 0.210),
    "debris": (0.085, 0.100, 0.120, 0.135, 0.160, 0.180, 0.165),
    "lake": (0.045, 0.050, 0.060, 0.035, 0.020, 0.010, 0.007),
    "river": (0.075, 0.085, 0.105, 0.095, 0.055, 0.018, 0.010),
    "tarn": (0.110, 0.120, 0.130, 0.080, 0.030, 0.008, 0.005),
    "bare ice": (0.390, 0.400, 0.400, 0.370, 0.280, 0.016, 0.013),
    # atmospheric correction takes a little too much from clean ice and snow: slightly below zero
    "clean ice": (0.580, 0.600, 0.590, 0.550, 0.440, -0.004, -0.004),
    "old snow": (0.690, 0.700, 0.710, 0.690, 0.580, 0.060, 0.050),
    "new snow": (0.870, 0.880, 0.890, 0.870, 0.800, 0.092, 0.072),
}
# Share of the light that comes from the sky: what is left in a shadow (clear air, 1 to 4 km above the sea).
SKYLIGHT = np.array([0.27, 0.22, 0.16, 0.12, 0.08, 0.05, 0.04])

FIRST_NATURAL = 2000  # labels below are field numbers
BAND_M, LOWEST_M = 250.0, 400.0
GRASS = [f"grass {i}" for i in range(18)]
ICE = [f"ice {i}" for i in range(6)]
NATURAL = (
    *GRASS, "desert", "rock", "scree", "salt", "gravel", "river", "tugai", "reeds", "verge", "village",
    "lake", "reservoir", "tarn", "debris", *ICE,
)  # fmt: skip
LABEL = {name: FIRST_NATURAL + i for i, name in enumerate(NATURAL)}
WATERS = ("river", "lake", "reservoir", "tarn")


def spectrum(name: str) -> Reals:
    return np.array(SPECTRA[name])


def mixed(parts: dict[str, Any]) -> Reals:
    """Linear mixture; shares are numbers or (n,) arrays; returns (n, bands)."""
    return np.sum([np.atleast_1d(share)[:, None] * spectrum(name) for name, share in parts.items()], axis=0)


# --------------------------------------------------------------------------------------------- seasons
def rise(day: float, middle: Any, pace: float) -> Any:
    """From 0 to 1 around a day of the year."""
    return 1 / (1 + np.exp(-(day - middle) / pace))


@dataclass(frozen=True)
class Season:
    """What grows on each field in one year: the crop and this field's own dates and vigour; (n,) arrays."""

    crop: npt.NDArray[Any]
    early_d: Reals
    late_d: Reals
    vigour: Reals
    weeds: Reals
    soil: Reals

    @classmethod
    def of(cls, fields: gpd.GeoDataFrame, year: int) -> "Season":
        own = np.random.default_rng([SEED, 1])  # a soil stays what it is
        rng = np.random.default_rng([SEED, 2, year])
        n = len(fields)
        soil = own.uniform(0.88, 1.14, n)
        early, late = 5 * rng.standard_normal((2, n))
        vigour, weeds = rng.uniform(0.78, 0.97, n), rng.uniform(0.03, 0.10, n)
        crop = fields[f"season_{year}"].to_numpy()
        return cls(crop, early.clip(-11, 11), late.clip(-11, 11), vigour, weeds, soil)

    def cover(self, day: float) -> tuple[Reals, Reals]:
        """Shares of the ground under green plants and under straw on a day of the year."""
        e, f = self.early_d, self.late_d
        spring_weeds = 0.09 * np.exp(-(((day - 112) / 20) ** 2))
        wheat = 0.16 * rise(day, 62, 9) + 0.84 * rise(day, 101 + e, 7)
        cut = rise(day, 166 + f, 4)
        sown = 0.14 * rise(day, 312 + e, 7)
        cotton = rise(day, 164 + e, 8.5) * (1 - rise(day, 276 + f, 7))
        second = 0.86 * rise(day, 207 + e, 7) * (1 - rise(day, 284 + f, 6))
        trees = 0.10 + 0.90 * rise(day, 109 + e, 6) * (1 - rise(day, 296 + f, 8))
        green = np.select(
            [self.crop == c for c in ("winter", "summer", "double", "permanent")],
            [
                wheat * (1 - cut) + sown + 0.03 * cut,
                cotton + 0.3 * spring_weeds,
                wheat * (1 - rise(day, 158 + f, 4)) + second,
                0.82 * trees,
            ],
            0.0,
        )
        green = np.clip(green * self.vigour, 0, 1) + self.weeds * (1 - green)
        idle = self.crop == "fallow"
        green = np.where(idle, self.weeds + (0.6 + 6 * self.weeds) * spring_weeds, green)
        straw = np.where(self.crop == "winter", 0.65 * cut * (1 - 0.75 * rise(day, 235, 15)), 0.0)
        straw += np.where(self.crop == "double", 0.35 * rise(day, 158 + f, 4) * (1 - rise(day, 186, 6)), 0.0)
        straw += np.where(self.crop == "summer", 0.25 * rise(day, 280 + f, 8), 0.0)
        return np.clip(green, 0, 1), np.clip(np.minimum(straw, 1 - green), 0, 1)

    def reflectance(self, day: float) -> Reals:
        """(n, bands)"""
        green, straw = self.cover(day)
        soil = np.clip(1 - green - straw, 0, 1) * self.soil
        # the water given before cotton is sown darkens the soil
        wet = np.where(self.crop == "summer", np.exp(-(((day - 118 - self.early_d) / 9) ** 2)), 0.0)
        return mixed({"crop": green, "straw": straw, "loess": soil * (1 - 0.3 * wet)})


def ndvi(reflectance: Reals) -> Reals:
    red, nir = reflectance[..., 3], reflectance[..., 4]
    return (nir - red) / (nir + red)


def natural_reflectance(day: float) -> Reals:
    """(len(NATURAL), bands) of the land that nobody tills; what depends on height comes in bands of it."""
    rows = {}
    for i, name in enumerate(GRASS):
        z = LOWEST_M + (i + 0.5) * BAND_M
        most = np.interp(
            z, [450, 700, 1200, 1900, 2600, 3200, 3600], [0.14, 0.24, 0.42, 0.60, 0.55, 0.22, 0.03]
        )
        width = np.interp(z, [450, 1200, 2400], [19, 32, 42])
        dry = np.interp(z, [450, 1500, 2600, 3300], [0.04, 0.08, 0.10, 0.03])
        green = dry + (most - dry) * np.exp(-(((day - 106 - (z - 450) / 27) / width) ** 2))
        soil = np.interp(z, [450, 900, 3000], [1.10, 1.0, 0.80])
        rows[name] = mixed({"grass": green, "loess": (1 - green) * soil})[0]
    spring = np.exp(-(((day - 104) / 17) ** 2))
    summer = rise(day, 119, 7) * (1 - rise(day, 291, 8))
    reed = rise(day, 138, 9) * (1 - rise(day, 282, 9))
    rows["desert"] = mixed({"grass": 0.02 + 0.05 * spring, "desert": 0.96 - 0.05 * spring})[0]
    rows["tugai"] = mixed({"forest": 0.12 + 0.62 * summer, "loess": 0.78 - 0.52 * summer})[0]
    rows["reeds"] = mixed({"forest": 0.04 + 0.66 * reed, "straw": 0.55 * (1 - reed), "lake": 0.25})[0]
    rows["verge"] = mixed({"grass": 0.08 + 0.22 * summer + 0.1 * spring, "loess": 0.86 - 0.22 * summer})[0]
    rows["village"] = mixed({"built": 0.58, "forest": 0.06 + 0.22 * summer, "loess": 0.34 - 0.20 * summer})[0]
    silt = np.exp(-(((day - 165) / 45) ** 2))  # meltwater carries it
    rows["lake"] = spectrum("lake")
    rows["reservoir"] = mixed({"lake": 1 - 0.6 * silt, "river": 0.6 * silt})[0]
    rows["river"] = mixed({"lake": 0.4 * (1 - silt), "river": 0.6 + 0.4 * silt})[0]
    for i, name in enumerate(ICE):
        clean = i / (len(ICE) - 1)
        rows[name] = mixed({"bare ice": 1 - clean, "clean ice": clean})[0]
    return np.array([rows.get(name, spectrum(name) if name in SPECTRA else None) for name in NATURAL])


# ------------------------------------------------------------------------------------------------- sun
def sun_position(when: dt.datetime, lon: float, lat: float) -> tuple[float, float]:
    """Azimuth (clockwise from north) and elevation of the sun, degrees, without refraction.

    The low-precision formulae of the Astronomical Almanac (0.01 degrees, 1950 to 2050).
    """
    days = (when - dt.datetime(2000, 1, 1, 12, tzinfo=dt.UTC)).total_seconds() / 86_400
    mean_lon = np.deg2rad((280.460 + 0.9856474 * days) % 360)
    anomaly = np.deg2rad((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean_lon + np.deg2rad(1.915) * np.sin(anomaly) + np.deg2rad(0.020) * np.sin(2 * anomaly)
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    sidereal = np.deg2rad((280.46062 + 360.98564737 * days + lon) % 360)
    hour = sidereal - ascension
    phi = np.deg2rad(lat)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(hour)
    return float(np.rad2deg(np.arctan2(east, north)) % 360), float(np.rad2deg(np.arcsin(up)))


def earth_sun_distance(when: dt.datetime) -> float:
    """Astronomical units."""
    days = (when - dt.datetime(2000, 1, 1, 12, tzinfo=dt.UTC)).total_seconds() / 86_400
    g = np.deg2rad((357.528 + 0.9856003 * days) % 360)
    return float(1.00014 - 0.01671 * np.cos(g) - 0.00014 * np.cos(2 * g))


@njit(cache=True)  # type: ignore[untyped-decorator]
def lit_by(z: Reals, azimuth: float, elevation: float, cell_m: float) -> Reals:
    """1 where the sun reaches the ground, 0 where a mountain stands before it; heights m, angles rad."""
    rows, cols = z.shape
    # one cell a step along the longer axis
    dr, dc = -np.cos(azimuth), np.sin(azimuth)
    longest = max(abs(dr), abs(dc))
    dr, dc = dr / longest, dc / longest
    climb = cell_m * np.hypot(dr, dc) * np.tan(elevation)
    highest = z.max()
    lit = np.ones((rows, cols))
    for r in range(rows):
        for c in range(cols):
            ray, rr, cc = z[r, c], float(r), float(c)
            while True:
                rr, cc, ray = rr + dr, cc + dc, ray + climb
                if rr < 0 or cc < 0 or rr > rows - 1 or cc > cols - 1 or ray > highest:
                    break
                if z[int(rr + 0.5), int(cc + 0.5)] > ray + 2.0:
                    lit[r, c] = 0.0
                    break
    return lit


# ---------------------------------------------------------------------------------------------- the land
@dataclass
class Land:
    """The ground. Arrays (ROWS, COLS) on the DEM's grid, ``labels`` on the 5 m grid."""

    fields: gpd.GeoDataFrame
    glaciers: gpd.GeoDataFrame
    waters: gpd.GeoDataFrame
    z: Reals
    nothing: Flags
    ground: Labels
    texture: Reals
    lie: Reals
    north: Reals
    drift: Reals

    def labels(self, year: int) -> Labels:
        """(ROWS * 6, COLS * 6) what lies where, the ice as it was that year."""
        labels = self.ground.copy()
        ice = self.glaciers[self.glaciers.year == year]
        for part in ice.itertuples():
            own, inside = within(labels, part.geometry)
            if part.kind == "debris":
                own[inside] = LABEL["debris"]
                continue
            _, west, north = own_corner(part.geometry)
            rows, cols = np.nonzero(inside)
            above = self.z[(rows + north) // FINE, (cols + west) // FINE] - part.ela_m
            step = np.clip(((above + 420) / 110).astype(int), 0, len(ICE) - 1)
            own[rows, cols] = LABEL[ICE[0]] + step
        return labels

    def reflectances(self, year: int, day: float) -> Reals:
        """(labels, bands) pure reflectance of every label on a day."""
        table = np.zeros((FIRST_NATURAL + len(NATURAL), len(BANDS)))
        table[self.fields.field_id.to_numpy()] = Season.of(self.fields, year).reflectance(day)
        table[FIRST_NATURAL:] = natural_reflectance(day)
        return table

    def snow(self, line_m: float) -> Reals:
        """Share of each cell under snow where the snow line of level land lies at ``line_m``."""
        # shaded slopes and hollows keep it, walls and crests lose it
        above = self.z + 150 * self.north + 4.5 * np.clip(self.lie, -150, 60) + 45 * self.drift - line_m
        steep = np.hypot(*np.gradient(self.z, CELL_M))
        return np.asarray(
            valley.smoothstep(above / 190) * (1 - 0.9 * valley.smoothstep((steep - 0.62) / 0.38))
        )

    def light(self, azimuth_deg: float, elevation_deg: float) -> tuple[Reals, Reals]:
        """Sunlight on the slope against that on level ground, and 1 where the sun reaches it."""
        azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
        smooth = valley.boxed(valley.boxed(self.z, 1), 1)
        down, right = np.gradient(smooth, CELL_M)
        steep = np.hypot(down, right)
        # gentle slopes are noise of the elevation model
        soft = valley.smoothstep((steep - 0.035) / 0.06)
        down, right = down * soft, right * soft
        towards = -right * np.sin(azimuth) + down * np.cos(azimuth)
        cosine = (np.sin(elevation) + np.cos(elevation) * towards) / np.sqrt(1 + down**2 + right**2)
        lit = lit_by(smooth, azimuth, elevation, CELL_M)
        # a shadow's edge is soft by half a degree of sun
        return np.maximum(cosine, 0) / np.sin(elevation), valley.boxed(lit, 1)


def fine_mask(shapes: Any) -> Flags:
    shapes = [s for s in shapes if not s.is_empty]
    if not shapes:
        return np.zeros((ROWS * FINE, COLS * FINE), bool)
    drawn = rasterio.features.rasterize(
        shapes, (ROWS * FINE, COLS * FINE), transform=FINE_TRANSFORM, dtype="uint8"
    )
    return np.asarray(drawn.astype(bool))


def finer(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.repeat(np.repeat(values, FINE, 0), FINE, 1)


def fill_rim(z: Reals) -> Reals:
    """Give the ragged rim without data the height of the nearest cell in its row, then column."""
    filled = pd.DataFrame(z)
    return np.asarray(filled.ffill(axis=1).bfill(axis=1).ffill().bfill().to_numpy(), float)


def survey_land(folder: Path) -> Land:
    """Read the published files and lay out what covers the ground."""
    rng = np.random.default_rng([SEED, 3])
    with rasterio.open(folder / "dem.tif") as source:
        measured = source.read(1).astype(float)
    nothing = np.isnan(measured)
    z = fill_rim(measured)
    fields = with_2019(gpd.read_file(folder / "fields.gpkg"))
    outlines = gpd.read_file(folder / "glaciers.gpkg")
    lakes = [gpd.read_file(folder / f"{name}.gpkg") for name in ("terminal_lakes", "reservoir")]
    mean = z
    for _ in range(2):
        mean = valley.boxed(mean, 6)
    down, right = np.gradient(valley.boxed(z, 1), CELL_M)
    steep = np.hypot(down, right)
    north = np.clip(down / np.maximum(steep, 1e-6), -1, 1) * valley.smoothstep(steep / 0.3)
    texture = valley.fractal(rng, z.shape, 0.9, 50, 14)
    drift = valley.fractal(rng, z.shape, 0.7, 70, 3)
    tarn = find_tarn(z, outlines)
    waters = gpd.GeoDataFrame(
        {
            "name": ["Lake Ulmer", "Stone Gate Reservoir", "Ulmerhead tarn"],
            "kind": ["lake", "reservoir", "tarn"],
            "geometry": [lakes[0].geometry[0], lakes[1].geometry[0], tarn],
        },
        crs=valley.CRS,
    )
    waters["area_km2"] = [round(valley.area_m2(g) / 1e6, 6) for g in waters.geometry]
    ground = lay_ground(rng, z, nothing, steep, fields, waters)
    glaciers = melt_back(drawn_round(outlines), z, tarn)
    return Land(fields, glaciers, waters, z, nothing, ground, texture, mean - z, north, drift)


def with_2019(fields: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The year between the two mapped ones: half of what was lost is lost, a part of what is new is there."""
    rng = np.random.default_rng([SEED, 4])
    draw = rng.random(len(fields))
    one, two = fields.season_2015.to_numpy(), fields.season_2024.to_numpy()
    between = np.where(draw < 0.5, one, two)
    between = np.where(fields.fate == "new", np.where(draw < 0.4, two, "fallow"), between)
    return fields.assign(season_2019=between)


def rivers(z: Reals, nothing: Flags, waters: gpd.GeoDataFrame) -> list[tuple[float, LineString]]:
    """Courses with their drained area (km2), from the heads down, smoothed as water runs."""
    standing = valley.inside_cells(waters.geometry[waters.kind != "tarn"])
    receiver, order, _ = valley.route(np.where(nothing, -9999.0, z), nothing | standing)
    area = valley.gather(receiver, order, np.full(z.size, CELL_M**2 * 1e-6))
    area[(nothing | standing).ravel()] = 0
    wide = np.flatnonzero(area > 2.5)
    fed = set(receiver[wide].tolist())
    visited: set[int] = set()
    found = []
    for head in sorted((c for c in wide.tolist() if c not in fed), key=lambda c: -area[c]):
        path = [head]
        while path[-1] not in visited and receiver[path[-1]] != path[-1]:
            visited.add(path[-1])
            path.append(int(receiver[path[-1]]))
        for low, high in ((2.5, 8), (8, 30), (30, 100), (100, 1e9)):
            part = [c for c in path if low < area[c] <= high]
            if len(part) > 2:
                course = LineString(valley.rounded([valley.centre(c) for c in part[::2]], 3))
                found.append((float(np.median(area[part])), course))
    return found


def lay_ground(
    rng: np.random.Generator,
    z: Reals,
    nothing: Flags,
    steep: Reals,
    fields: gpd.GeoDataFrame,
    waters: gpd.GeoDataFrame,
) -> Labels:
    """(ROWS * 6, COLS * 6) labels without ice, painted from the ground up."""
    patch, other = valley.fractal(rng, z.shape, 0.7, 60, 4), valley.fractal(rng, z.shape, 0.8, 110, 4)
    height = z + 70 * patch
    band = np.clip((height - LOWEST_M) // BAND_M, 0, len(GRASS) - 1)
    base = (LABEL["grass 0"] + band).astype(np.int16)
    base[(z < 620) & (steep < 0.1) & (other > 0.35)] = LABEL["desert"]
    bare = steep + 0.10 * patch + 0.35 * valley.smoothstep((z - 2600) / 900)
    base[bare > 0.92] = LABEL["scree"]
    base[bare > 1.06] = LABEL["rock"]
    labels = finer(base)
    lake, reservoir, tarn = (waters.geometry[waters.kind == k].iloc[0] for k in ("lake", "reservoir", "tarn"))
    salt = fine_mask([lake.buffer(750)]) & finer((other + 0.4 * patch > 0.1) & (z < 492))
    labels[salt] = LABEL["salt"]
    courses = rivers(z, nothing, waters)
    low, moist = finer(z < 900), finer(patch + 0.5 * other > -0.3)
    woods = [line.buffer(np.interp(a, [2.5, 10, 100, 300], [18, 45, 120, 190])) for a, line in courses]
    labels[fine_mask(woods) & low & moist & (labels != LABEL["salt"])] = LABEL["tugai"]
    labels[fine_mask([line.buffer(np.interp(a, [2.5, 30, 300], [7, 18, 46])) for a, line in courses])] = (
        LABEL["gravel"]
    )
    labels[fine_mask([line.buffer(np.interp(a, [2.5, 30, 300], [2.5, 6, 13])) for a, line in courses])] = (
        LABEL["river"]
    )
    tilled = unary_union(fields.geometry.to_list())
    yards = tilled.buffer(130).buffer(-130).difference(tilled.buffer(4))
    drawn = fine_mask([yards]) & (labels != LABEL["river"]) & (labels != LABEL["gravel"])
    labels[drawn & (labels != LABEL["tugai"])] = LABEL["verge"]
    hamlets = [p.buffer(38) for p in getattr(yards.buffer(-45), "geoms", []) if p.area > 1_500]
    labels[fine_mask(hamlets) & drawn] = LABEL["village"]
    numbered = zip(fields.geometry, fields.field_id, strict=True)
    rasterio.features.rasterize(numbered, out=labels, transform=FINE_TRANSFORM)
    reeds = fine_mask([lake.buffer(170)]) & finer(patch + other > -0.2)
    labels[reeds] = LABEL["reeds"]
    for shape, name in ((lake, "lake"), (reservoir, "reservoir"), (tarn, "tarn")):
        part, inside = within(labels, shape)
        part[inside] = LABEL[name]
    return labels


def own_corner(shape: Any) -> tuple[tuple[slice, slice], int, int]:
    """The part of the fine grid a shape lies in, and that part's first column and row."""
    west, south, east, north = shape.bounds
    c0, r0 = (max(int(v), 0) for v in ~FINE_TRANSFORM @ (west, north))
    c1, r1 = (int(v) + 2 for v in ~FINE_TRANSFORM @ (east, south))
    return (slice(r0, r1), slice(c0, c1)), c0, r0


def within(labels: Labels, shape: Any) -> tuple[Labels, Flags]:
    """The labels around a shape, to be written to, and which of their centres lie in it."""
    window, west, north = own_corner(shape)
    part = labels[window]
    inside = rasterio.features.rasterize(
        [shape], part.shape, transform=FINE_TRANSFORM @ Affine.translation(west, north), dtype="uint8"
    )
    return part, inside == 1


# ------------------------------------------------------------------------------------------- high places
TARN_HA = 3.4
RETREAT_M = {2015: 0.0, 2019: 34.0, 2024: 76.0}  # of the lowest edges since the outlines were drawn


def find_tarn(z: Reals, outlines: gpd.GeoDataFrame) -> Polygon:
    """A lake on the flattest part of a tongue under debris.

    It grew there after the elevation model was measured, as such lakes do: the model knows nothing of it.
    """
    ice = valley.inside_cells(outlines.geometry[outlines.kind == "clean"].buffer(95))
    near = valley.inside_cells(outlines.geometry.buffer(700)) & ~ice
    flat = valley.boxed(np.hypot(*np.gradient(valley.boxed(z, 2), CELL_M)), 3)
    seen = valley.inside_cells([box(561_100, 5_022_700, 565_200, 5_026_200)])  # by every scene of the heights
    row, col = np.unravel_index(np.argmin(np.where(near & seen & (z < 3_200), flat, 9.0)), z.shape)
    x, y = valley.centre(int(row) * COLS + int(col))
    rng = np.random.default_rng([SEED, 5])
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    reach = np.sqrt(TARN_HA * 1e4 / np.pi) * (1 + 0.16 * rng.standard_normal(14).clip(-1.5, 1.5))
    down, right = np.gradient(valley.boxed(z, 3), CELL_M)
    along = np.arctan2(-down[row, col], right[row, col]) + np.pi / 2  # long across the fall of the valley
    long, short = 1.35 * reach * np.cos(turn), reach * np.sin(turn) / 1.35
    ring = np.c_[
        x + long * np.cos(along) - short * np.sin(along), y + long * np.sin(along) + short * np.cos(along)
    ]
    shape = Polygon(valley.rounded(np.vstack([ring, ring[:1]]), 3, closed=True))
    shape = shape.difference(unary_union(outlines.geometry[outlines.kind == "clean"].to_list()).buffer(8))
    return shapely.set_precision(largest_part(shape), 0.01)


def drawn_round(outlines: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The ice as it is: the mapped outlines without their staircase; divides and debris limits stay."""
    whole = unary_union(outlines.geometry.to_list())
    soft = []
    for shape in getattr(whole, "geoms", [whole]):
        lines = [r.simplify(32.0).coords for r in (shape.exterior, *shape.interiors)]
        rings = [valley.rounded(c, 3, closed=True) for c in lines]
        soft.append(shapely.make_valid(Polygon(rings[0], rings[1:])))
    true = unary_union(soft)
    gained = true.difference(whole)
    shapes = []
    for shape in outlines.geometry:
        near = shape.buffer(45).intersection(gained)
        gained = gained.difference(near)
        shapes.append(largest_part(unary_union([shape.intersection(true), near]).buffer(0.02)))
    return outlines.assign(geometry=shapes)


def largest_part(shape: Any) -> Polygon:
    return max(
        (p for p in getattr(shape, "geoms", [shape]) if p.geom_type == "Polygon"), key=lambda p: p.area
    )


def melt_back(outlines: gpd.GeoDataFrame, z: Reals, tarn: Polygon) -> gpd.GeoDataFrame:
    """The glaciers of each year: low edges draw back, crests and divides stay where they were."""
    rows = []
    whole = unary_union(outlines.geometry.to_list())
    rim = whole.boundary
    for year, most_m in RETREAT_M.items():
        gone = []
        for shape in outlines.geometry:
            for ring in (shape.exterior, *shape.interiors):
                points = shapely.get_coordinates(shapely.segmentize(ring, 30.0))
                own = shapely.distance(shapely.points(points), rim) < 0.5
                col = np.clip(((points[:, 0] - valley.WEST_M) / CELL_M).astype(int), 0, COLS - 1)
                row = np.clip(((valley.TRANSFORM.f - points[:, 1]) / CELL_M).astype(int), 0, ROWS - 1)
                reach = most_m * valley.smoothstep((3_560 - z[row, col]) / 420)
                kept = own & (reach > 1)
                gone += shapely.buffer(shapely.points(points[kept]), reach[kept]).tolist()
        melted = unary_union(gone)
        for part in outlines.itertuples():
            left = (
                part.geometry if part.kind == "debris" and most_m < 50 else part.geometry.difference(melted)
            )
            if part.kind == "debris" and most_m >= 50:  # rubble slows the melt
                left = part.geometry.difference(melted.intersection(part.geometry).buffer(-0.45 * most_m))
            left = left.difference(tarn) if left.intersects(tarn) else left
            left = left.buffer(-6).buffer(6).intersection(part.geometry) if most_m else left
            pieces = [
                p for p in getattr(left, "geoms", [left]) if p.geom_type == "Polygon" and p.area > 8_000
            ]
            for piece in pieces:
                shape = shapely.set_precision(piece.simplify(3.0), 0.01)
                rows.append(
                    {
                        "glacier_id": part.glacier_id,
                        "kind": part.kind,
                        "year": year,
                        "ela_m": part.ela_m,
                        "area_km2": round(valley.area_m2(shape) / 1e6, 6),
                        "geometry": shape,
                    }
                )
    return gpd.GeoDataFrame(rows, crs=valley.CRS)
