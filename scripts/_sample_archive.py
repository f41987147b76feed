"""Make ``data/sample/archive``: Landsat tars and Sentinel-2 SAFE zips of the sample valley, and their truth.

Dates keep the real cycles of the satellites: sixteen days of Landsat 8 on paths 154 and 155 (Landsat 7 and
9 eight days beside it), ten days of Sentinel-2 on relative orbit 34. The valley lies at the western edge of
path 154; rows 28 and 29 overlap across it. One scene is lent by path 153, whose frame lies beyond 72 E and so
in the next zone of the map projection; its real swath would end some 85 km east of here.
"""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _sample_land as ground
import geopandas as gpd
import make_sample as valley
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
from _sample_products import (
    LandsatId,
    SentinelId,
    landsat_codes,
    landsat_members,
    scene_classes,
    sentinel_members,
    write_tar,
    write_zip,
)
from _sample_view import Frame, View, Weather, look
from affine import Affine
from shapely.geometry import box

Flags = npt.NDArray[np.bool_]

# Frames, in metres of the map projection. Landsat's cells are centred on multiples of 30 m.
PLAIN_154 = Frame(valley.CRS, Affine(30, 0, 547_005, 0, -30, 5_052_615), (360, 360))
PLAIN_155 = Frame(valley.CRS, Affine(30, 0, 546_915, 0, -30, 5_052_705), (366, 366))
SOUTH_154 = Frame(valley.CRS, Affine(30, 0, 547_005, 0, -30, 5_043_915), (70, 360))
HEIGHTS = Frame(valley.CRS, Affine(30, 0, 556_605, 0, -30, 5_028_225), (258, 330))
EAST_153 = Frame("EPSG:32643", Affine(30, 0, 84_195, 0, -30, 5_065_425), (330, 280))
TILE, TILE_X, TILE_Y = "42TWR", 499_980, 5_100_000
PLAIN_S2 = Frame(valley.CRS, Affine(10, 0, TILE_X + 49_200, 0, -10, TILE_Y - 50_400), (480, 480))
HEIGHTS_S2 = Frame(valley.CRS, Affine(10, 0, TILE_X + 60_780, 0, -10, TILE_Y - 73_440), (420, 480))
SOUTHERN_STRIP = "2024-08-31"  # the day of which row 29 is kept where it overlaps row 28
LEAN = np.tan(np.deg2rad(11.6))  # of the ground track against north, at this latitude

# Snow lines of level land, m: what a clear day of that season shows here.
MIDWINTER, LATE_SUMMER = 330.0, 3_580.0


@dataclass(frozen=True)
class Pass:
    """One product: who looked, when, at what, under which sky."""

    sensor: str
    day: str
    path: int
    row: int
    weather: Weather
    generated: str
    west_edge_m: float | None = None
    """Easting of the swath's edge at the top of the plain; nothing is seen west of it."""
    baseline: str = ""

    @property
    def heights(self) -> bool:
        """Whether it shows the glaciers: row 29 but for one strip; so called for Sentinel-2 too."""
        return self.row == 29 and self.day != SOUTHERN_STRIP

    @property
    def frame(self) -> Frame:
        if self.sensor.startswith("S2"):
            return HEIGHTS_S2 if self.heights else PLAIN_S2
        if self.heights:
            return HEIGHTS
        if self.row == 29:
            return SOUTH_154
        return {153: EAST_153, 154: PLAIN_154, 155: PLAIN_155}[self.path]

    @property
    def when(self) -> dt.datetime:
        date = dt.date.fromisoformat(self.day)
        if self.sensor.startswith("S2"):
            clock = dt.time(6, 16, 31 if self.sensor == "S2A" else 29, tzinfo=dt.UTC)
        else:  # a row is 23.9 s, a path 6.2 min
            second = 3 * 60 + 52.4 + (self.row - 28) * 23.9 + (self.path - 154) * 371
            moment = dt.datetime(2000, 1, 1, 6, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
            clock = moment.timetz().replace(microsecond=int(moment.microsecond // 1000 * 1000))
        return dt.datetime.combine(date, clock)

    @property
    def identity(self) -> LandsatId | SentinelId:
        if not self.sensor.startswith("S2"):
            number = {"LE07": 7, "LC08": 8, "LC09": 9}[self.sensor]
            return LandsatId(number, self.path, self.row, self.when, dt.date.fromisoformat(self.generated))
        # orbits counted from real products: 14.3 a day
        known, orbit = {"S2A": ("2019-02-14", 19_050), "S2B": ("2022-04-14", 26_658)}[self.sensor]
        days = (dt.date.fromisoformat(self.day) - dt.date.fromisoformat(known)).days
        generated = dt.datetime.fromisoformat(self.generated).replace(tzinfo=dt.UTC)
        absolute = orbit + round(14.3 * days)
        centre = (
            "S2RP" if generated.year > self.when.year + 1 else "SGS_" if generated.year < 2021 else "2BPS"
        )
        return SentinelId(self.sensor[1:], self.when, self.baseline, 34, absolute, TILE, generated, centre)

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def file(self) -> str:
        if isinstance(self.identity, LandsatId):
            return f"{self.name}.tar"
        # the older hub named its zips without .SAFE
        return f"{self.name}.zip" if self.when.year >= 2024 else f"{self.name.removesuffix('.SAFE')}.zip"


def sky(
    snow_line_m: float, cloud: float = 0.0, cirrus: float = 0.0, base_m: float = 1_500, coarse: float = 120
):
    return Weather(snow_line_m, cloud, cirrus, base_m, coarse)


PASSES = (
    Pass("LC08", "2015-02-04", 154, 28, sky(MIDWINTER, 0.04), "2020-09-10", 548_800),
    Pass("LE07", "2015-04-01", 154, 28, sky(1_300, 0.05), "2020-09-04", 549_500),
    Pass("LC08", "2015-04-25", 154, 28, sky(2_000), "2020-09-09", 547_600),
    Pass("LC08", "2015-05-11", 154, 28, sky(2_450, 0.22, 0.10, coarse=200), "2020-09-09", 548_200),
    Pass("LC08", "2015-05-27", 154, 28, sky(2_800, 0.06), "2020-09-08", 547_900),
    Pass("LE07", "2015-06-11", 155, 28, sky(3_000), "2020-09-03"),
    Pass("LC08", "2015-07-14", 154, 28, sky(3_400), "2020-09-08", 547_300),
    Pass("LC08", "2015-08-06", 155, 28, sky(3_600, 0.12, base_m=2_200, coarse=60), "2020-09-08"),
    Pass("LC08", "2015-08-15", 154, 29, sky(LATE_SUMMER - 60, 0.10, base_m=1_600, coarse=90), "2020-09-08"),
    Pass("S2A", "2015-08-24", 34, 28, sky(LATE_SUMMER, 0.05, 0, 1800, 70), "2023-10-12T04:21", None, "05.00"),
    Pass("LC08", "2015-09-07", 155, 28, sky(LATE_SUMMER), "2020-09-08"),
    Pass("LC08", "2015-09-07", 155, 29, sky(LATE_SUMMER), "2020-09-08"),
    Pass("LC08", "2015-10-02", 154, 28, sky(3_000, 0.30, coarse=240), "2020-09-08", 548_100),
    Pass("LC08", "2015-11-10", 155, 28, sky(1_700), "2020-09-08"),
    Pass("S2A", "2019-08-23", 34, 29, sky(LATE_SUMMER + 40), "2019-08-23T09:12:44", None, "02.13"),
    Pass("LC09", "2024-02-05", 154, 28, sky(MIDWINTER + 90, 0.10), "2024-02-06", 548_400),
    Pass("LC08", "2024-03-16", 154, 28, sky(950), "2024-04-01", 547_900),
    Pass("LC08", "2024-04-24", 155, 28, sky(2_000, 0.03), "2024-05-01"),
    Pass("S2B", "2024-05-03", 34, 28, sky(2_300, 0.10, coarse=90), "2024-05-03T09:24:51", None, "05.10"),
    Pass("LC09", "2024-05-11", 154, 28, sky(2_450, 0.14, coarse=80), "2024-05-12", 548_600),
    Pass("LC09", "2024-05-27", 154, 28, sky(2_800, 0.0, 0.18), "2024-05-28", 547_700),
    Pass("LC09", "2024-06-21", 153, 28, sky(3_100, 0.04), "2024-06-22", 552_800),
    Pass("S2A", "2024-07-07", 34, 28, sky(3_300), "2024-07-07T11:18:36", None, "05.10"),
    Pass("LC09", "2024-07-14", 154, 28, sky(3_400, 0.16, base_m=2_100, coarse=60), "2024-07-15", 548_100),
    Pass("LC09", "2024-07-30", 154, 28, sky(3_550, 0.02), "2024-07-31", 547_800),
    Pass("LC08", "2024-08-14", 155, 29, sky(LATE_SUMMER, 0.14, base_m=1_700, coarse=100), "2024-08-21"),
    Pass("S2B", "2024-08-21", 34, 29, sky(LATE_SUMMER + 60), "2024-08-21T09:02:27", None, "05.11"),
    Pass("LC09", "2024-08-31", 154, 28, sky(LATE_SUMMER, 0.05, coarse=80), "2024-09-01", 548_900),
    Pass("LC09", "2024-08-31", 154, 29, sky(LATE_SUMMER, 0.05, coarse=80), "2024-09-01", 548_900),
    # the first snow of autumn has fallen: a trap for whoever takes the latest scene
    Pass("LC08", "2024-09-15", 155, 28, sky(3_200, 0.03), "2024-09-20"),
    Pass("LC08", "2024-09-15", 155, 29, sky(3_200, 0.03), "2024-09-20"),
    Pass("LC09", "2024-10-02", 154, 28, sky(3_000, 0.08, coarse=110), "2024-10-03", 548_300),
)  # fmt: skip


def unseen(scene: Pass, frame: Frame) -> Flags:
    """Where nothing was recorded: beyond the swath or the row, between the lines of Landsat 7."""
    rows_at, cols_at = frame.positions()
    x = valley.WEST_M + cols_at * ground.CELL_M
    y = valley.TRANSFORM.f - rows_at * ground.CELL_M
    out = np.zeros(frame.shape, bool)
    if scene.west_edge_m is not None:
        out |= x < scene.west_edge_m + (y - 5_052_600) * LEAN
    if scene.sensor.startswith("L") and scene.row == 29:
        out |= y > 5_041_700 - (x - 556_000) * LEAN
    if scene.sensor == "LE07":
        # the scan line corrector failed in 2003: two of 16 lines each meet and part again, wedges that are
        # widest at the swath's edges, some 14 cells of 33
        along = (x * np.sin(np.arctan(LEAN)) + y * np.cos(np.arctan(LEAN))) / ground.CELL_M
        from_edge = 0.5 if scene.path == 154 else 42.0  # km
        wide = np.interp(
            from_edge + (x - 547_900) / 1000 * (1 if scene.path == 154 else -0.4), [0, 92], [14, 0]
        )
        out |= (along % 33) < wide
    return out


def views(land: ground.Land, labels: ground.Labels, scene: Pass) -> tuple[View, View | None]:
    """What the product shows; of Sentinel-2 also its 20 m."""
    frame = scene.frame
    sensor = {"LC08": "OLI", "LC09": "OLI", "LE07": "ETM"}.get(scene.sensor, scene.sensor)

    def at(frame: Frame) -> View:
        return look(
            land,
            labels,
            frame,
            name=f"{scene.sensor} {scene.day}",  # rows of one overpass share the sky
            when=scene.when,
            sensor=sensor,
            weather=scene.weather,
            unseen=unseen(scene, frame),
        )

    return at(frame), at(frame.coarser(2)) if sensor.startswith("S2") else None


def write(folder: Path, scene: Pass, fine: View, coarse: View | None) -> Path:
    path = folder / scene.file
    identity = scene.identity
    if isinstance(identity, LandsatId):
        write_tar(path, landsat_members(identity, fine))
    elif coarse is not None:
        write_zip(path, identity.name, sentinel_members(identity, fine, coarse))
    return path


def count(scene: Pass, fine: View, coarse: View | None) -> dict[str, Any]:
    """What the quality layer says, in cells of that layer."""
    identity, view = scene.identity, coarse or fine
    sun = ground.sun_position(scene.when, *np.array(ground_middle(view.frame)))
    if isinstance(identity, LandsatId):
        codes = landsat_codes(view, etm=identity.etm)
        clear = (codes & 0b111111) == 0
        offset = None
    else:
        codes = scene_classes(view)
        clear = ~np.isin(codes, [0, 1, 3, 8, 9, 10, 11])
        offset = identity.offset
    found = {
        "file": scene.file,
        "time": f"{scene.when:%Y-%m-%dT%H:%M:%SZ}",
        "crs": scene.frame.crs,
        "shape": list(scene.frame.shape),
        "sun_azimuth_deg": round(sun[0], 2),
        "sun_elevation_deg": round(sun[1], 2),
        "quality_cells": int(view.unseen.size),
        "not_observed": int(view.unseen.sum()),
        "cloud": int(view.cloud.sum()),
        "shadow": int((view.shadow & ~view.cloud).sum()),
        "snow": int(view.snow.sum()),
        "clear": int(clear.sum()),
    }
    return found if offset is None else found | {"boa_add_offset": offset}


def ground_middle(frame: Frame) -> tuple[float, float]:
    x, y = np.mean(frame.corners, axis=0)
    turn = valley.TO_DEGREES
    if frame.crs != valley.CRS:
        turn = pyproj.Transformer.from_crs(frame.crs, "EPSG:4326", always_xy=True)
    lon, lat = turn.transform(x, y)
    return float(lon), float(lat)


def field_ndvi(land: ground.Land, days: Iterable[dt.datetime]) -> str:
    """NDVI x 100 of every field on every date, as the ground is: no sensor, no sky, no slope."""
    columns = {
        f"{when:%Y-%m-%d}": np.round(
            100
            * ground.ndvi(
                ground.Season.of(land.fields, when.year).reflectance(
                    when.timetuple().tm_yday + when.hour / 24
                )
            )
        ).astype(int)
        for when in sorted({w.date(): w for w in days}.values())
    }
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["field_id", "season_2019", *columns])
    for i, (number, season) in enumerate(zip(land.fields.field_id, land.fields.season_2019, strict=True)):
        table.writerow([number, season, *(int(v[i]) for v in columns.values())])
    return text.getvalue()


def truth_answers(land: ground.Land) -> dict[str, Any]:
    fields, ice = land.fields, land.glaciers
    countries = sorted(fields.country.unique(), reverse=True)

    def hectares(rows: Any) -> float:
        return round(float(fields.area_ha[rows].sum()), 2)

    def by_season(among: Any) -> dict[str, Any]:
        return {
            str(year): {
                c: {
                    s: hectares(among & (fields.country == c) & (fields[f"season_{year}"] == s))
                    for s in valley.SEASONS
                }
                for c in countries
            }
            for year in ground.YEARS
        }

    def by_fate(among: Any) -> dict[str, Any]:
        return {
            c: {
                f: hectares(among & (fields.country == c) & (fields.fate == f))
                for f in ("kept", "abandoned", "new")
            }
            for c in countries
        }

    all_of_them = fields.area_ha > 0
    # what a map made of the Landsat scenes can know: whole fields in the frame of both paths
    in_frame = fields.within(box(*frame_bounds(PLAIN_154)))
    on_heights = land.glaciers.intersection(box(*frame_bounds(HEIGHTS)))
    return {
        "season_ha": by_season(all_of_them),
        "season_ha_in_the_landsat_frame": by_season(in_frame),
        "fate_ha": by_fate(all_of_them),
        "fate_ha_in_the_landsat_frame": by_fate(in_frame),
        "fields_in_the_landsat_frame": int(in_frame.sum()),
        "glaciers_km2": {
            str(year): {
                k: round(float(ice.area_km2[(ice.year == year) & (ice.kind == k)].sum()), 4)
                for k in ("clean", "debris")
            }
            | {
                f"{k} in the Landsat frame": round(
                    sum(
                        valley.area_m2(g) / 1e6
                        for g in on_heights[(ice.year == year) & (ice.kind == k)]
                        if not g.is_empty
                    ),
                    4,
                )
                for k in ("clean", "debris")
            }
            for year in ground.YEARS
        },
        "tarn_km2": float(land.waters.area_km2[land.waters.kind == "tarn"].iloc[0]),
    }


def frame_bounds(frame: Frame) -> tuple[float, float, float, float]:
    (west, north), _, (east, south), _ = frame.corners
    return west, south, east, north


def seasonal_snow(land: ground.Land, scene: Pass) -> Any:
    """Outlines of the snow beside the ice on the day of a scene of the heights, at least 0.01 km2 each."""
    share = land.snow(scene.weather.snow_line_m)
    ice = land.glaciers[land.glaciers.year == scene.when.year]
    off = (share > 0.5) & ~valley.inside_cells(ice.geometry) & ~land.nothing
    shapes = [p for p in valley.outlines(off, simplify_m=16.0) if p.area > 10_000]
    return gpd.GeoDataFrame(
        {
            "date": [scene.day] * len(shapes),
            "area_km2": [round(valley.area_m2(p) / 1e6, 6) for p in shapes],
            "geometry": shapes,
        },
        geometry="geometry",
        crs=valley.CRS,
    )


def make(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write ``archive`` and ``truth`` from the sample's other files; returns the known answers."""
    valley.pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": valley.STAMP})
    land = ground.survey_land(folder)
    archive, truth = folder / "archive", folder / "truth"
    for made in (archive, truth):
        made.mkdir(exist_ok=True)
    scenes: dict[str, Any] = {}
    for year in ground.YEARS:
        labels = land.labels(year)
        for scene in PASSES:
            if scene.when.year != year:
                continue
            fine, coarse = views(land, labels, scene)
            path = write(archive, scene, fine, coarse)
            scenes[scene.name] = count(scene, fine, coarse)
            say(f"{path.name} {path.stat().st_size / 1e3:.0f} kB")
    for stale in set(archive.iterdir()) - {archive / scene.file for scene in PASSES}:
        stale.unlink()
    (truth / "field_ndvi.csv").write_text(field_ndvi(land, (s.when for s in PASSES)), encoding="utf-8")
    snows = [seasonal_snow(land, s) for s in PASSES if s.heights]
    valley.write_layers(
        truth / "glaciers.gpkg",
        {
            "glaciers": land.glaciers,
            "waters": land.waters[["name", "kind", "area_km2", "geometry"]],
            "seasonal_snow": gpd.GeoDataFrame(pd.concat(snows, ignore_index=True)),
        },
    )
    return {"scenes": scenes, **truth_answers(land)}
