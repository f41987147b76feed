"""Scenes of a year, or NDVI made by others, become a map of irrigated land; whatever stops it, a road on."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from asked import COMMAND, lines, run
from hypothesis import given, settings
from hypothesis import strategies as st
from landsat_files import LEFT, TOP, write_tiff
from rasterio.features import rasterize
from rio_cogeo.cogeo import cog_validate
from schedulers import with_two_workers
from shapely import box

from bluepeace_gis.analyses import irrigation as rules
from bluepeace_gis.archive import classes, features, mosaics, ndvi_stacks
from bluepeace_gis.archive.windows import Raster
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo import zones
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.workflows import irrigation as irrigation_module
from bluepeace_gis.workflows import irrigation_maps
from bluepeace_gis.workflows.irrigation import irrigation
from bluepeace_gis.workflows.irrigation_maps import Finish, surest
from bluepeace_gis.workflows.irrigation_tiles import BANDS, dekads

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
NODATA = -32768
FALLOW, WINTER, SUMMER, DOUBLE, PERMANENT = range(5)
CODES = {"fallow": 0, "winter": 1, "summer": 2, "double": 3, "permanent": 4}
SHAPE = (110, 130)
FIELD = 20
YEAR = 2023
DAYS = tuple(range(10, 360, 8))


# The sample: what was grown where is known


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The maps of both years, as the command makes them, of the two countries and their districts."""
    folder = tmp_path_factory.mktemp("sample")
    made = {}
    for year in (2015, 2024):
        told = run(
            "irrigation", SAMPLE / "archive", "--year", year, "--out", folder / str(year),
            "--dem", SAMPLE / "dem.tif", "--zones", SAMPLE / "districts.gpkg", "--zone-field", "district",
            "--group-field", "country", "--progress", "json",
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        made[year] = lines(told.stdout)[-1]["result"]
    return made


def read(path, band=1):
    with rasterio.open(path) as file:
        return file.read(band)


def fields_on(path, year):
    """Number of the field of each cell (0: none, -1: within a Landsat cell of an edge), and the fields."""
    fields = gpd.read_file(SAMPLE / "fields.gpkg")
    with rasterio.open(path) as file:
        shapes = [(shape, number) for number, shape in enumerate(fields.geometry, 1)]
        number = rasterize(shapes, out_shape=file.shape, transform=file.transform, dtype="int32")
        edges = [(shape.boundary.buffer(30), 1) for shape in fields.geometry]
        edge = rasterize(edges, out_shape=file.shape, transform=file.transform, dtype="uint8")
    number[edge == 1] = -1
    return number, fields, np.array([0, *(CODES[name] for name in fields[f"season_{year}"])])


@pytest.mark.parametrize("year", [2015, 2024])
def test_fields_of_the_sample_get_the_state_and_season_they_had(sample, year):
    path = sample[year]["outputs"]["out"]
    state, season = read(path), read(path, 2)
    number, _, truth = fields_on(path, year)
    inside = (number > 0) & (state != 255)
    grown = truth[number] > 0
    decided = inside & (state != 0)
    crop, bare = decided & grown, decided & ~grown

    # By clouds, the path's edge and gaps of a month and more a part stays open, and it is said to.
    assert decided.sum() > 0.6 * inside.sum()
    # The archive sees each cell 8 to 12 times a year, through thin cloud that no mask tells: the rule keeps
    # 0.98 of surveyed cropped fields and calls 0.08 of fallow ones cropped where 21 of 23 composites are
    # there (tests/published), and here are half as many.
    assert (state[crop] == 3).mean() > 0.95
    assert (state[bare] == 1).mean() > 0.92
    right = season[crop & (state == 3)] == truth[number[crop & (state == 3)]]
    # a double crop of which one season fell into a gap counts as the other: the least there was
    assert right.mean() > 0.85


@pytest.mark.parametrize("year", [2015, 2024])
def test_areas_of_the_countries_lie_about_the_known_ones(sample, year):
    """Of what was decided: irrigated land of each country against the fields under it."""
    path = sample[year]["outputs"]["out"]
    state = read(path)
    number, fields, truth = fields_on(path, year)
    number = np.abs(number)
    with rasterio.open(path) as file:
        shapes = [(shape, rank) for rank, shape in enumerate(fields.geometry, 1)]
        number = rasterize(shapes, out_shape=file.shape, transform=file.transform, dtype="int32")
        countries = gpd.read_file(SAMPLE / "countries.gpkg", layer="countries")
        country = rasterize(
            [(shape, rank) for rank, shape in enumerate(countries.geometry, 1)],
            out_shape=file.shape, transform=file.transform, dtype="uint8",
        )  # fmt: skip
    table = pd.read_csv(sample[year]["outputs"]["zones"]).set_index("zone")
    for rank, name in enumerate(countries["name"], 1):
        here = (country == rank) & np.isin(state, (1, 3))
        known_ha = (here & (truth[number] > 0)).sum() * 0.01
        in_fields_ha = (here & (state == 3) & (number > 0)).sum() * 0.01
        print(name, year, round(known_ha), round(in_fields_ha), round(table.loc[name, "map_area_ha"]))
        # cells of 30 m straddle the edges of fields of a few hectares
        assert in_fields_ha == pytest.approx(known_ha, rel=0.06)
        # river banks stand green all year beside the fields: no polygons of them were given to leave them out
        assert in_fields_ha < table.loc[name, "map_area_ha"] < 1.3 * in_fields_ha
        assert table.loc[name, "low_ha"] < table.loc[name, "map_area_ha"] < table.loc[name, "high_ha"]


@pytest.mark.parametrize("year", [2015, 2024])
def test_fields_as_parcels_have_the_known_areas_of_the_frame_of_all_scenes(tmp_path, year):
    """Hectares of fields by country and season in the Landsat frame: known_answers.json."""
    answers = json.loads((SAMPLE / "known_answers.json").read_text(encoding="utf-8"))["archive"]
    known = answers["season_ha_in_the_landsat_frame"][str(year)]
    made = irrigation(
        [SAMPLE / "archive"], year=year, out=tmp_path / "out", parcels=SAMPLE / "fields.gpkg",
        dem=SAMPLE / "dem.tif",
    )  # fmt: skip
    fields = gpd.read_file(SAMPLE / "fields.gpkg")
    one = "LC09_L2SP_154028_20240511_20240512_02_T1"
    with rasterio.open(
        f"/vsitar/{SAMPLE / 'archive' / one}.tar/{one}_SR_B4.TIF"
    ) as scene, rasterio.open(made.outputs["out"]) as file:  # fmt: skip
        inside = fields[fields.within(box(*scene.bounds))].copy()
        points = inside.geometry.representative_point()
        codes = np.array(list(file.sample(zip(points.x, points.y, strict=True))))
    assert len(inside) == answers["fields_in_the_landsat_frame"]
    inside["state"], inside["season"] = codes.T
    grown = inside[f"season_{year}"] != "fallow"

    for country, by_season in known.items():
        mine = inside[(inside["country"] == country)]
        known_ha = sum(size for season, size in by_season.items() if season != "fallow")
        truth = grown[mine.index]
        assert mine.loc[truth, "area_ha"].sum() == pytest.approx(known_ha, abs=0.1)
        irrigated_ha = mine.loc[mine["state"] == 3, "area_ha"].sum()
        open_ha = mine.loc[mine["state"].isin([0, 2]), "area_ha"].sum()
        # what is irrigated lies between the map and the map with all that nobody saw; one hectare in a
        # hundred, a field or two, may be taken for another
        assert irrigated_ha - 0.01 * known_ha < known_ha < irrigated_ha + open_ha + 0.01 * known_ha
        assert mine.loc[~truth & (mine["state"] == 3), "area_ha"].sum() < 0.01 * known_ha
        for season in ("winter", "summer"):
            said_ha = mine.loc[(mine["state"] == 3) & (mine["season"] == CODES[season]), "area_ha"].sum()
            # a double crop one season of which fell into a gap counts as the other
            assert said_ha == pytest.approx(by_season[season], rel=0.03)


def test_zones_add_up_to_their_polygons_and_to_all(sample):
    districts = gpd.read_file(SAMPLE / "districts.gpkg")
    for year in (2015, 2024):
        table = pd.read_csv(sample[year]["outputs"]["zones"])
        assert list(table.columns[:7]) == [
            "year", "zone", "map_area_ha", "low_ha", "high_ha", "unobserved_pct", "uncertain_pct",
        ]  # fmt: skip
        assert (table["year"] == year).all()
        zones, all_ = table[table["level"] == "zone"], table[table["level"] == "all"].iloc[0]
        parts = zones[["map_area_ha", "not_irrigated_ha", "uncertain_ha", "unobserved_ha"]].sum(axis=1)
        assert (parts == zones["area_ha"]).all()
        for column in ("map_area_ha", "area_ha", "unobserved_ha"):
            by_country = table[table["level"] == "country"][column].sum()
            assert zones[column].sum() == by_country == all_[column]
        known = dict(zip(districts["district"], districts["area_km2"], strict=True))
        for _, row in zones.iterrows():
            assert row["area_ha"] == pytest.approx(100 * known[row["zone"]], abs=0.5)


def test_the_map_is_a_cog_with_names_record_style_and_picture(sample):
    outputs = {name: Path(path) for name, path in sample[2024]["outputs"].items()}
    for name in ("out", "sensitivity", "dekads"):
        assert cog_validate(outputs[name], quiet=True)[0]
    with rasterio.open(outputs["out"]) as file:
        assert (file.count, file.dtypes[0], file.nodata) == (2, "uint8", 255)
        assert file.descriptions == ("state", "season")
    land = classes.open_map(outputs["out"])
    assert dict(land.names) == {0: "not observed", 1: "not irrigated", 2: "uncertain", 3: "irrigated"}
    assert classes.open_map(outputs["out"], 2).names[3] == "double"
    record = json.loads(outputs["out"].with_suffix(".json").read_text(encoding="utf-8"))["properties"]
    method = record["bluepeace:method"]
    assert record["bluepeace:parameters"]["year"] == 2024
    assert method["sensors"] == ["landsat", "sentinel-2"]
    assert method["rule"]["thresholds"]["green"] == rules.Limits().green
    assert method["left_out_as_too_small_ha"] == sample[2024]["numbers"]["left out as too small, ha"]
    assert "no confidence interval" in " ".join(method["sentences"]["en"])
    assert "доверительный интервал" in " ".join(method["sentences"]["ru"])
    assert outputs["out"].with_suffix(".qml").is_file()
    assert outputs["picture"].stat().st_size > 50_000
    low, state, high = read(outputs["sensitivity"]), read(outputs["out"]), read(outputs["sensitivity"], 2)
    assert ((low == 255) == (state == 255)).all()
    assert (low == 3).sum() < (state == 3).sum() < (high == 3).sum()
    dekads_seen = read(outputs["dekads"])
    assert (dekads_seen[state == 3] >= 1).all()
    assert ((dekads_seen == 255) == (state == 255)).all()


def test_the_road_goes_on_to_change_points_and_areas(sample, tmp_path):
    maps = [Path(sample[year]["outputs"]["out"]) for year in (2015, 2024)]

    told = run(
        "irrigation-change", *maps, "--zones", SAMPLE / "districts.gpkg", "--zone-field", "district",
        "--group-field", "country", "--out", tmp_path / "change", "--progress", "json",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert not any("No record" in line.get("warning", "") for line in lines(told.stdout))
    change = read(tmp_path / "change" / "change.tif")
    with rasterio.open(tmp_path / "change" / "change.tif") as file:
        fields = gpd.read_file(SAMPLE / "fields.gpkg")
        code = fields["fate"].map({"kept": 1, "abandoned": 2, "new": 3}).to_numpy()
        shapes = zip(fields.geometry.buffer(-30), code.tolist(), strict=True)
        fate = rasterize(
            [(shape, value) for shape, value in shapes if not shape.is_empty],
            out_shape=file.shape, transform=file.transform, dtype="uint8",
        )  # fmt: skip
    decided = np.isin(change, (1, 2, 3, 4))
    # new fields were gained, abandoned ones lost; "kept" ones may have lain fallow in one of the years
    assert (change[(fate == 3) & decided] == 3).mean() > 0.85
    assert (change[(fate == 2) & decided] == 4).mean() > 0.85
    assert (change[(fate == 1) & decided] == 2).mean() > 0.6

    told = run("sample-points", maps[1], "--points", 400, "--out", tmp_path / "points.gpkg")
    assert told.returncode == 0, told.stderr
    points = features.read(tmp_path / "points.gpkg", holding="points")
    season = fields.sjoin(points.to_crs(fields.crs), predicate="contains")
    grown = set(season.loc[season["season_2024"] != "fallow", "index_right"])
    points["reference"] = ["irrigated" if row in grown else "not irrigated" for row in points.index]
    features.write({"points": points}, tmp_path / "judged.gpkg")
    told = run("area", maps[1], tmp_path / "judged.gpkg", "--out", tmp_path / "area.csv")
    assert told.returncode == 0, told.stderr
    row = pd.read_csv(tmp_path / "area.csv").set_index("class").loc["irrigated"]
    state = read(maps[1])
    with rasterio.open(maps[1]) as file:
        shapes = fields.geometry[fields["season_2024"] != "fallow"]
        truth = rasterize(shapes, out_shape=file.shape, transform=file.transform, dtype="uint8")
    known_ha = ((truth == 1) & np.isin(state, (1, 2, 3))).sum() * 0.01
    # one 95 % interval of a fixed seed: half as wide again
    reach = 1.5 * (row["ci_high_ha"] - row["ci_low_ha"]) / 2
    assert abs(row["area_ha"] - known_ha) < reach


# A made year: every cell's curve is known


def hump(days, middle, width, height):
    return height * np.exp(-(((np.asarray(days) - middle) / width) ** 2))


def curve(season, days):
    """NDVI of a season on some days."""
    bare = np.full(len(days), 0.15)
    return (
        bare
        + {
            FALLOW: 0 * bare,
            WINTER: hump(days, 120, 35, 0.55),
            SUMMER: hump(days, 225, 35, 0.6),
            DOUBLE: hump(days, 115, 30, 0.55) + hump(days, 235, 30, 0.55),
            PERMANENT: 0.5 / (1 + np.exp(-(np.asarray(days) - 95) / 8.0)),
        }[season]
    )


def seasons_of(shape=SHAPE, field=FIELD):
    """A board of fields of every season."""
    rows, columns = np.indices(shape) // field
    return (rows * 2 + columns) % 5


def ndvi_of(truth, days=DAYS, missing=0.0, seed=1):
    """Ten-thousandths of NDVI of every cell on every day; some are missing."""
    table = np.stack([curve(season, days) for season in range(5)], axis=1)
    values = table[:, truth] + np.random.default_rng(seed).normal(0, 0.01, (len(days), *truth.shape))
    made = np.round(values * 10_000).astype(np.int16)
    made[np.random.default_rng(seed + 1).random(made.shape) < missing] = NODATA
    return made


def date_of(day, year=YEAR):
    return (dt.date(year, 1, 1) + dt.timedelta(days=day - 1)).isoformat()


def write_stack(path, values, days=DAYS, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"nodata": NODATA, "descriptions": [date_of(day) for day in days], "tiled": True,
               "blockxsize": 64, "blockysize": 64}  # fmt: skip
    return write_tiff(path, values, **(options | more))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    return write_stack(folder / "ndvi.tif", ndvi_of(seasons_of(), missing=0.3))


def ask(stack, out, **options):
    return irrigation([stack], year=YEAR, out=out, ndvi=True, **options)


def zones_file(path, shape=SHAPE, names=("west", "east")):
    middle = LEFT + 30 * (shape[1] // 2)
    bottom = TOP - 30 * shape[0]
    shapes = [box(LEFT, bottom, middle, TOP), box(middle, bottom, LEFT + 30 * shape[1], TOP)]
    features.write(
        {"zones": gpd.GeoDataFrame({"name": list(names)}, geometry=shapes, crs="EPSG:32642")}, path
    )
    return path


def test_prepared_ndvi_is_mapped_as_the_rule_says(stack, tmp_path):
    made = ask(stack, tmp_path / "out")

    state, season = read(made.outputs["out"]), read(made.outputs["out"], 2)
    with rasterio.open(stack) as file:
        values = file.read()
        grid = Grid(rasterio.crs.CRS.from_epsg(32642), file.transform, file.shape)
    value, day, _, count = dekads(values, np.array(DAYS, np.int16), YEAR)
    found = rules.classify(value, day, rules.seasons.shipped())
    kept = rules.sieve(found.state, found.season, grid)
    assert np.array_equal(state, kept.state)
    assert np.array_equal(season, kept.season)
    assert np.array_equal(read(made.outputs["dekads"]), (value != NODATA).sum(axis=0))
    assert count.sum() == (values != NODATA).sum()
    assert [place.name for place in tmp_path.iterdir()] == ["out"]  # no working folder stays
    truth = seasons_of()
    assert (state == np.where(truth > 0, 3, 1)).mean() > 0.97
    assert (season == truth)[state == 3].mean() > 0.97
    table = pd.read_csv(made.outputs["zones"])
    assert list(table["zone"]) == ["all"]
    assert table["map_area_ha"][0] == pytest.approx((state == 3).sum() * 0.09, rel=2e-3)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_neither_tiles_strips_nor_executor_change_a_byte(stack, tmp_path, monkeypatch, executor):
    zones = zones_file(tmp_path / "zones.gpkg")
    parcels = parcels_file(tmp_path / "parcels.gpkg")
    for name, options in (("plain", {}), ("parcels", {"parcels": parcels})):
        monkeypatch.undo()
        whole = ask(stack, tmp_path / f"{name}_whole", zones=zones, **options)
        monkeypatch.setattr(irrigation_module, "TILE_SIDES", (48,))
        monkeypatch.setattr(irrigation_maps, "STRIP_CELLS", 16 * SHAPE[1])
        monkeypatch.setattr(irrigation_maps, "STRIP_ROWS_MIN", 16)
        parts = ask(stack, tmp_path / f"{name}_parts", zones=zones, executor=executor, **options)
        for output in ("out", "sensitivity", "dekads", "zones"):
            assert parts.outputs[output].read_bytes() == whole.outputs[output].read_bytes(), output
        assert parts.numbers["irrigated, ha"] == whole.numbers["irrigated, ha"]


def test_a_cluster_makes_the_same_bytes(stack, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    monkeypatch.setattr(irrigation_module, "TILE_SIDES", (64,))
    whole = ask(stack, tmp_path / "whole")
    with with_two_workers(tmp_path) as scheduler:
        made = ask(stack, tmp_path / "out", executor=scheduler.address)
    assert made.outputs["out"].read_bytes() == whole.outputs["out"].read_bytes()


def parcels_file(path):
    """The fields as parcels; the last column of them is without."""
    rows, columns = (side // FIELD for side in SHAPE)
    shapes = [
        box(LEFT + 600 * column, TOP - 600 * (row + 1), LEFT + 600 * (column + 1), TOP - 600 * row)
        for row in range(rows)
        for column in range(columns - 1)
    ]
    features.write({"parcels": gpd.GeoDataFrame(geometry=shapes, crs="EPSG:32642")}, path)
    return path


def test_parcels_get_what_most_of_their_cells_say(stack, tmp_path):
    made = ask(stack, tmp_path / "out", parcels=parcels_file(tmp_path / "parcels.gpkg"))

    state = read(made.outputs["out"])
    truth = seasons_of()
    for row in range(SHAPE[0] // FIELD):
        for column in range(SHAPE[1] // FIELD - 1):
            inside = slice(row * FIELD, (row + 1) * FIELD), slice(column * FIELD, (column + 1) * FIELD)
            assert set(np.unique(state[inside])) == {3 if truth[inside][0, 0] else 1}
    record = json.loads(made.outputs["out"].with_suffix(".json").read_text(encoding="utf-8"))
    assert record["properties"]["bluepeace:method"]["rule"]["fields"] == "majority of parcels"


def test_what_lies_outside_is_steep_or_named_is_no_field(stack, tmp_path):
    rows, columns = SHAPE
    bottom, right = TOP - 30 * rows, LEFT + 30 * columns
    area = gpd.GeoDataFrame(geometry=[box(LEFT, bottom, right, TOP - 30 * 10)], crs="EPSG:32642")
    features.write({"area": area}, tmp_path / "area.gpkg")
    out = gpd.GeoDataFrame(
        {"reason": ["riparian forest"]}, geometry=[box(LEFT, bottom, LEFT + 600, TOP)], crs="EPSG:32642"
    )
    features.write({"exclude": out}, tmp_path / "exclude.gpkg")
    # level in the west, 20 degrees in the east
    ramp = np.maximum(0, np.arange(columns) - 90) * 30 * np.tan(np.radians(20))
    dem = write_tiff(tmp_path / "dem.tif", np.tile(ramp, (rows, 1)).astype(np.float32))

    made = ask(
        stack, tmp_path / "out", area=tmp_path / "area.gpkg", exclude=tmp_path / "exclude.gpkg", dem=dem
    )

    state = read(made.outputs["out"])
    assert state.shape == (rows - 10, columns)  # cut to the study area
    assert (state[:, :20] == 1).all()
    assert (state[:, 92:] == 1).all()
    plain = read(ask(stack, tmp_path / "plain").outputs["out"])
    assert (state[:, 24:86] == plain[10:, 24:86]).mean() > 0.999  # but for patches at the new edges
    method = json.loads(made.outputs["out"].with_suffix(".json").read_text(encoding="utf-8"))["properties"][
        "bluepeace:method"
    ]
    truth = seasons_of()[10:] > 0
    assert method["excluded_ha"]["riparian forest"] == pytest.approx(truth[:, :20].sum() * 0.09, rel=0.05)
    assert method["excluded_ha"]["steep"] == pytest.approx(truth[:, 92:].sum() * 0.09, rel=0.1)


def test_where_it_rains_a_winter_crop_is_uncertain_unless_green_in_a_dry_month(stack, tmp_path):
    truth = seasons_of()
    inside = {"crs": "EPSG:4326", "left": 70.1, "top": 40.7, "cell": 0.05}
    wet = write_tiff(tmp_path / "wet.tif", np.full((4, 6), 600, np.float32), **inside)
    need = write_tiff(tmp_path / "et0.tif", np.full((4, 6), 900, np.float32), **inside)

    state = read(ask(stack, tmp_path / "wet", rain=wet, et0=need).outputs["out"])
    assert (state[truth == WINTER] == 2).mean() > 0.95
    for season in (SUMMER, DOUBLE, PERMANENT):
        assert (state[truth == season] == 3).mean() > 0.95

    # rain enough but in May, when winter crops stand
    monthly = np.full((12, 4, 6), 60, np.float32)
    monthly[4] = 1
    rain = write_tiff(tmp_path / "monthly.tif", monthly, **inside)
    et0 = write_tiff(tmp_path / "et0_monthly.tif", np.full((12, 4, 6), 75, np.float32), **inside)
    state = read(ask(stack, tmp_path / "dry_may", rain=rain, et0=et0).outputs["out"])
    # two dekads of May must have been seen, and of three dates one is missing
    assert (state[truth == WINTER] == 3).mean() > 0.8
    assert (state[truth == WINTER] >= 2).mean() > 0.95


def test_a_table_of_seasons_and_names_of_zones_choose_the_windows(stack, tmp_path):
    zones = zones_file(tmp_path / "zones.gpkg", names=("north", "late"))
    table = tmp_path / "seasons.toml"
    table.write_text(
        "[default]\nspring = [60, 180]\nsummer = [181, 290]\ngreen_by = 152\nripe_by = 200\n"
        "[zone.late]\nspring = [1, 60]\nsummer = [61, 290]\n", encoding="utf-8",
    )  # fmt: skip
    table.write_text(table.read_text(encoding="utf-8") + "green_by = 80\nripe_by = 200\n", encoding="utf-8")

    season = read(ask(stack, tmp_path / "out", zones=zones, seasons=table).outputs["out"], 2)
    plain = read(ask(stack, tmp_path / "plain", zones=zones).outputs["out"], 2)

    middle = SHAPE[1] // 2
    assert np.array_equal(season[:, : middle - 1], plain[:, : middle - 1])
    winter = seasons_of()[:, middle + 1 :] == WINTER
    assert (plain[:, middle + 1 :][winter] == 1).mean() > 0.9
    assert (season[:, middle + 1 :][winter] == 2).mean() > 0.9  # all after February is its summer


# Several lattices


def as_maps(state, dekads_seen, season=None):
    state = np.asarray(state, np.uint8)
    season = np.zeros_like(state) if season is None else season
    return np.stack([state, season, state, state, np.asarray(dekads_seen, np.uint8)])


def test_the_map_of_most_dekads_decides_and_gaps_are_filled():
    fine = as_maps([3, 0, 1, 255, 0, 3, 255], [4, 9, 4, 255, 2, 5, 255])
    coarse = as_maps([1, 3, 3, 1, 0, 1, 255], [9, 1, 4, 3, 5, 5, 255])

    found, which = surest([fine, coarse])

    #                       more  filled  tie  beyond  both open  tie  nowhere
    assert found[0].tolist() == [1, 3, 1, 1, 0, 3, 255]
    assert found[4].tolist() == [9, 1, 4, 3, 5, 5, 255]
    assert which.tolist()[:6] == [1, 1, 0, 1, 1, 0]


def test_lattices_of_other_cells_and_zones_come_onto_the_finest(tmp_path):
    truth = seasons_of((60, 60))
    fine = np.kron(truth, np.ones((3, 3), int))
    folder = tmp_path / "in"
    write_stack(folder / "coarse.tif", ndvi_of(truth, missing=0.2))
    # of the finer one only a part, and little of the year: what it leaves open the other tells
    part = ndvi_of(fine[:90, :90])
    few = [index for index, day in enumerate(DAYS) if 100 < day < 130]
    write_stack(folder / "fine.tif", part[few], [DAYS[index] for index in few], cell=10.0)

    made = irrigation([folder], year=YEAR, out=tmp_path / "out", ndvi=True)

    with rasterio.open(made.outputs["out"]) as file:
        assert file.transform.a == 10
        assert file.shape == (180, 180)
    state = read(made.outputs["out"])
    assert (state == np.where(fine > 0, 3, 1)).mean() > 0.95
    record = json.loads(made.outputs["out"].with_suffix(".json").read_text(encoding="utf-8"))
    assert set(record["properties"]["bluepeace:method"]["lattices"]) == {
        "ndvi_epsg32642_30m", "ndvi_epsg32642_10m",
    }  # fmt: skip


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(7, 23))
def test_a_map_sieved_in_strips_is_the_map_sieved_whole(tmp_path_factory, seed, rows):
    folder = tmp_path_factory.mktemp("sieve")
    chance = np.random.default_rng(seed)
    state = chance.choice([0, 1, 2, 3, 255], (60, 40), p=[0.15, 0.45, 0.1, 0.25, 0.05]).astype(np.uint8)
    season = np.where(state == 3, chance.integers(1, 5, state.shape), 0).astype(np.uint8)
    grid = Grid(rasterio.crs.CRS.from_epsg(32642), Affine(30, 0, LEFT, 0, -30, TOP), state.shape)
    file = mosaics.write_part(as_maps(state, state * 0, season), folder / "map.tif")
    whole = mosaics.Part(0, 0, *state.shape, file)
    virtual = mosaics.virtual(
        [whole], grid, folder / "map.vrt", dtype="uint8", descriptions=BANDS, nodata=255
    )
    finish = Finish(min_ha=0.9)

    parts = [
        finish.strip(Raster(virtual, grid, 5, BANDS), grid, top, min(top + rows, 60))
        for top in range(0, 60, rows)
    ]

    expected = rules.sieve(state, season, grid, min_ha=0.9)
    found = np.concatenate([part for part, _ in parts], axis=1)
    assert np.array_equal(found[0], expected.state)
    assert np.array_equal(found[1], expected.season)
    assert sum(removed for _, removed in parts) == pytest.approx(expected.removed_ha, rel=1e-9, abs=1e-9)


# Tables of fields


def write_table(path, values, days=DAYS, **columns):
    table = pd.DataFrame(columns)
    for day, row in zip(days, values, strict=True):
        table[f"ndvi_X{day}"] = np.where(row == NODATA, np.nan, row / 10_000)
    table.to_csv(path, index=False)
    return path


def test_a_table_of_fields_gets_states_and_seasons(tmp_path):
    truth = np.arange(50) % 5
    table = write_table(tmp_path / "fields.csv", ndvi_of(truth, missing=0.2), field=np.arange(50), year=YEAR)

    told = run("irrigation", table, "--ndvi", "--year", YEAR, "--out", tmp_path / "out", "--progress", "json")

    assert told.returncode == 0, told.stderr
    made = lines(told.stdout)[-1]["result"]
    found = pd.read_csv(made["outputs"]["out"])
    assert list(found["field"]) == list(range(50))
    assert not [name for name in found.columns if name.startswith("ndvi")]
    assert (
        found["season"] == np.array(["none", "winter", "summer", "double", "permanent"])[truth]
    ).mean() > 0.9
    assert (found["state"] == np.where(truth > 0, "irrigated", "not irrigated")).mean() > 0.95
    assert made["numbers"]["fields irrigated"] == (found["state"] == "irrigated").sum()
    assert Path(made["outputs"]["picture"]).stat().st_size > 20_000


def test_fields_with_polygons_stay_a_layer(tmp_path):
    truth = np.arange(10) % 5
    values = ndvi_of(truth)
    layer = gpd.GeoDataFrame(
        {f"ndvi_{date_of(day)}": values[index] / 10_000 for index, day in enumerate(DAYS)},
        geometry=[box(LEFT + 300 * k, TOP - 300, LEFT + 300 * k + 300, TOP) for k in range(10)],
        crs="EPSG:32642",
    )
    features.write({"fields": layer}, tmp_path / "fields.gpkg")

    made = irrigation([tmp_path / "fields.gpkg"], year=YEAR, out=tmp_path / "out", ndvi=True)

    found = features.read(made.outputs["out"], holding="polygons")
    assert (found["state"] == np.where(truth > 0, "irrigated", "not irrigated")).all()
    assert made.numbers["irrigated, ha"] == pytest.approx(8 * 9.0, rel=2e-3)


# What cannot be done


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--year", "1850"], "--year is 1850"),
        (["--year", "2019"], "None of 1 rasters of NDVI has a date in 2019; they have 2023"),
        (["--year", "2023", "--et0", "none.tif"], "without --rain"),
        (["--year", "2023", "--memory-mb", "100"], "--memory-mb is 100"),
        (["--year", "2023", "--executor", "ssh"], "--executor is 'ssh'"),
        (["--year", "2023", "--group-field", "country"], "without --zones"),
        (["--year", "2023", "--dem", "absent.tif"], "absent.tif"),
        (["--year", "2023", "--zone-field", "name"], "without --zones"),
    ],
    ids=["no year", "other year", "et0 alone", "memory", "executor", "group alone", "no dem", "field alone"],
)
def test_what_cannot_be_done_is_told_in_a_sentence(stack, tmp_path, options, sentence):
    told = run("irrigation", stack, "--ndvi", *options, "--out", tmp_path / "out")

    assert told.returncode == 2, told.stderr
    assert sentence in told.stderr
    assert not (tmp_path / "out").exists()


def even(path, mm, **more):
    """Write a raster of one number over the stack."""
    return write_tiff(path, np.full((1, *SHAPE), mm, np.float32), **more)


@pytest.mark.parametrize(
    ("rain_mm", "et0_mm", "sentence"),
    [
        (np.nan, 1200, "rain.tif knows nothing of the place of the map"),
        (600, 1.2, "et0.tif has a median of 1.2 mm a year; 200 to 5000 mm were expected"),
        (600, 12_000, "et0.tif has a median of 12000 mm a year"),
        (60_000, 1200, "rain.tif has a median of 60000 mm a year"),
        (-5, 1200, "rain.tif has a median of -5 mm a year"),
    ],
    ids=["nothing known", "metres", "tenths", "hundredths", "negative"],
)
def test_water_of_another_place_or_unit_is_refused(stack, tmp_path, rain_mm, et0_mm, sentence):
    rain, et0 = even(tmp_path / "rain.tif", rain_mm), even(tmp_path / "et0.tif", et0_mm)
    with pytest.raises(BadInput, match=sentence):
        ask(stack, tmp_path / "out", rain=rain, et0=et0)


def test_rain_in_metres_or_of_a_part_is_told(stack, tmp_path, caplog):
    rain = np.full((1, *SHAPE), 0.6, np.float32)
    rain[0, : SHAPE[0] // 2] = np.nan
    ask(stack, tmp_path / "out", rain=write_tiff(tmp_path / "rain.tif", rain), dry_run=True)
    assert "has a median of 0.6 mm a year: is its unit mm?" in caplog.text
    assert "--rain is not known on about 50 % of the map" in caplog.text


def test_zones_of_another_place_are_refused_before_any_tile(stack, tmp_path):
    zones = gpd.read_file(zones_file(tmp_path / "zones.gpkg"))
    zones.geometry = zones.translate(1e5, 0)
    zones.to_file(tmp_path / "far.gpkg")
    with pytest.raises(OutsideGrid, match="None of the 2 zones reaches the map"):
        ask(stack, tmp_path / "out", zones=tmp_path / "far.gpkg", dry_run=True)


def test_a_folder_holds_the_map_of_one_year(stack, tmp_path):
    ask(stack, tmp_path / "out")
    other = write_stack(tmp_path / "later.tif", ndvi_of(seasons_of()),
                        descriptions=[date_of(day, YEAR + 1) for day in DAYS])  # fmt: skip

    told = run("irrigation", other, "--ndvi", "--year", YEAR + 1, "--out", tmp_path / "out")

    assert told.returncode == 2
    assert "zones.csv would be replaced" in told.stderr


def test_a_year_of_which_nothing_was_seen_is_not_observed(tmp_path):
    values = np.full((len(DAYS), *SHAPE), NODATA, np.int16)
    values[:, 0, 0] = 3000  # else the unit could not be told
    made = ask(write_stack(tmp_path / "ndvi.tif", values), tmp_path / "out")

    state = read(made.outputs["out"])
    assert (state.ravel()[1:] == 0).all()
    assert made.numbers["irrigated, ha"] == 0
    assert made.numbers["not observed, %"] > 99.9


def test_dry_run_tells_dates_gaps_and_needs_and_writes_nothing(stack, tmp_path):
    told = run("irrigation", stack, "--ndvi", "--year", YEAR, "--out", tmp_path / "out", "--dry-run")

    assert told.returncode == 0
    assert "44 dates, 2023-01-10 to 2023-12-20" in told.stdout
    assert "MB" in told.stdout
    assert list(tmp_path.iterdir()) == []


# Whatever stops it


def command(stack, out, *more):
    return [*COMMAND, "irrigation", str(stack), "--ndvi", "--year", str(YEAR), "--out", str(out), *more]


def small_tiles(tmp_path):
    """Have another process cut small tiles, so that it can be stopped between them."""
    (tmp_path / "sitecustomize.py").write_text(
        "from bluepeace_gis.workflows import irrigation\nirrigation.TILE_SIDES = (24,)\n", encoding="utf-8"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_a_killed_run_leaves_no_product_and_the_next_one_completes_it(stack, tmp_path):
    out = tmp_path / "out"
    manifest = tmp_path / ".out.work" / f"irrigation_{YEAR}" / "manifest.jsonl"
    whole = ask(stack, tmp_path / "whole").outputs

    process = subprocess.Popen(
        command(stack, out), env=small_tiles(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up and process.poll() is None:
        if manifest.exists() and manifest.read_text(encoding="utf-8").count('"done"') >= 5:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()

    assert not out.exists() or not list(out.glob("*.tif"))
    kept = manifest.read_text(encoding="utf-8").count('"state": "done"')
    assert kept >= 5
    again = subprocess.run(
        command(stack, out, "--resume", "--progress", "json"),
        env=small_tiles(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    made = json.loads(again.stdout.splitlines()[-1])["result"]["outputs"]
    for name in ("out", "sensitivity", "dekads", "zones"):
        assert Path(made[name]).read_bytes() == whole[name].read_bytes()
    told = [json.loads(line).get("message", "") for line in again.stdout.splitlines()]
    assert kept == 30 or any(f"of {30 - kept} tiles" in message for message in told)
    assert not manifest.exists()


def test_resume_leaves_a_sound_map_and_makes_a_damaged_one_again(stack, tmp_path):
    made = ask(stack, tmp_path / "out")
    before = made.outputs["out"].stat().st_mtime_ns
    whole = made.outputs["out"].read_bytes()

    again = ask(stack, tmp_path / "out", resume=True)

    assert again.outputs["out"].stat().st_mtime_ns == before
    assert "left as it is" in again.sentences[0]
    assert again.numbers == made.numbers
    made.outputs["out"].write_bytes(whole[:-10])
    assert ask(stack, tmp_path / "out", resume=True).outputs["out"].read_bytes() == whole


def test_two_runs_at_once_do_not_disturb_each_other(stack, tmp_path):
    whole = ask(stack, tmp_path / "whole").outputs

    both = [
        subprocess.Popen(
            command(stack, tmp_path / "out"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [process.communicate()[1] for process in both]

    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 2])
    if codes == [0, 2]:
        assert any("Another run" in text for text in told)
    assert (tmp_path / "out" / whole["out"].name).read_bytes() == whole["out"].read_bytes()


def test_a_full_disk_is_told_and_with_room_the_run_completes(tmp_path, small_disk):
    noise = np.random.default_rng(4).random((200, 300)) < 0.5  # does not compress
    stack = write_stack(tmp_path / "ndvi.tif", ndvi_of(np.where(noise, SUMMER, FALLOW), missing=0.5))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(950 * 1024))

    told = run(*command(stack, small_disk / "out")[len(COMMAND) :])

    assert told.returncode == 2, told.stderr
    assert "disk" in told.stderr
    assert not list(small_disk.glob("out/*.tif"))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    assert ask(stack, small_disk / "out", resume=True).outputs["out"].is_file()


def test_a_damaged_file_is_named_and_mended_the_run_completes(stack, tmp_path):
    copy = tmp_path / "ndvi.tif"
    shutil.copy(stack, copy)
    content = copy.read_bytes()
    copy.write_bytes(content[: len(content) // 2])

    told = run(*command(copy, tmp_path / "out")[len(COMMAND) :])

    assert told.returncode == 2, told.stderr
    assert "ndvi.tif" in told.stderr
    copy.write_bytes(content)
    assert ask(copy, tmp_path / "out", retry_failed=False, resume=True).outputs["out"].is_file()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_below_the_bound_that_was_given(tmp_path):
    stack = write_stack(tmp_path / "ndvi.tif", np.tile(ndvi_of(seasons_of((500, 500))), (1, 2, 2)))
    script = (
        "import sys\n"
        "from bluepeace_gis.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    print(next(line.split()[1] for line in lines if line.startswith('VmHWM')), file=sys.stderr)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script, *command(stack, tmp_path / "out", "--memory-mb", "1000")[3:]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert int(ended.stderr.splitlines()[-1]) / 1024 < 1000


# Real data


@pytest.mark.real
def test_surveyed_fields_as_a_table_come_out_as_on_the_ground(real_data, tmp_path):
    """Remelgado et al. 2020, doi:10.1038/s41597-020-00591-2; its regions one by one: tests/published."""
    table = pd.read_csv(real_data / "irrigation" / "cawa" / "fields_ndvi_16day.csv.gz")
    table.to_csv(tmp_path / "fields.csv", index=False)
    right = total = fallow = called = 0
    for year in (2015, 2016, 2018):
        told = run(
            "irrigation", tmp_path / "fields.csv", "--ndvi", "--year", year, "--out", tmp_path / str(year),
            "--progress", "json",
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert any("of other years" in line.get("warning", "") for line in lines(told.stdout))
        found = pd.read_csv(lines(told.stdout)[-1]["result"]["outputs"]["out"])
        assert len(found) == (table["year"] == year).sum()
        known = found[found["label_2"] != "unclear"]
        decided = known[known["state"] != "not observed"]
        grown = decided["label_2"] != "fallow"
        right += ((decided["state"] == "irrigated") == grown).sum()
        total += len(decided)
        fallow += (~grown).sum()
        called += ((decided["state"] == "irrigated") & ~grown).sum()
    assert total > 4500
    assert right / total > 0.95
    assert called / fallow < 0.15  # the goal of the table for all fields


@pytest.mark.real
def test_the_raster_of_fergana_gives_field_means_and_states_of_fields(real_data, tmp_path):
    """Five dates: the raster's own are not given with it; these are those of its crops' calendar."""
    folder = real_data / "irrigation" / "fergana"
    shutil.copy(folder / "ndvi.tif", tmp_path / "ndvi.tif")
    days = ["2016-03-20", "2016-04-25", "2016-06-10", "2016-08-10", "2016-10-01"]
    (tmp_path / "ndvi.dates.csv").write_text("\n".join(["date", *days]), encoding="utf-8")
    fields = features.read(folder / "field_polygons.gpkg", holding="polygons")
    known = pd.read_csv(folder / "field_ndvi_means.csv")

    bands = ndvi_stacks.open_stacks([tmp_path / "ndvi.tif"], 2016)
    grid = bands[0].grid
    number = zones.burn(fields, grid)
    values = np.stack([one.read((0, grid.shape[0], 0, grid.shape[1])) for one in bands])
    for row, each in known.iterrows():
        mine = values[:, number == row + 1]
        expected = each[[f"t{k}" for k in range(1, 6)]].astype(float)
        np.testing.assert_allclose(mine.mean(axis=1) / 1e4, expected,
                                   atol=0.03)  # fmt: skip  # edges: cells are told by their centres here

    made = irrigation(
        [tmp_path / "ndvi.tif"], year=2016, out=tmp_path / "out", ndvi=True,
        parcels=folder / "field_polygons.gpkg",
    )  # fmt: skip
    state = read(made.outputs["out"])
    crops = [row + 1 for row, crop in enumerate(known["crop"]) if "bare" not in crop.casefold()]
    called = [bool((state[number == field] == 3).all()) for field in crops]
    assert np.mean(called) > 0.9
    # 97 % of the cells exceed 0.40 at some date: the threshold stays where it is
    record = json.loads(made.outputs["out"].with_suffix(".json").read_text(encoding="utf-8"))
    thresholds = record["properties"]["bluepeace:method"]["rule"]["thresholds"]
    assert thresholds["green"] == rules.Limits().green


@pytest.mark.real
def test_irregular_dates_with_clouds_run_end_to_end(real_data, tmp_path):
    folder = real_data / "irrigation" / "eolearn_patch"
    patch = np.load(folder / "eopatch_slovenia.npz")
    days = [text[:10] for text in json.loads((folder / "timestamps.json").read_text(encoding="utf-8"))]
    values = np.where(patch["is_valid"] & (patch["clm"] == 0), patch["ndvi"], np.nan)
    write_tiff(tmp_path / "ndvi.tif", values, descriptions=days, nodata=np.nan, cell=10.0, crs="EPSG:32633",
               left=465_181.05, top=5_080_254.63)  # fmt: skip
    rain = write_tiff(tmp_path / "rain.tif", np.full((3, 3), 1400, np.float32), crs="EPSG:4326", cell=1.0,
                      left=13.0, top=47.0)  # fmt: skip

    arid = irrigation([tmp_path / "ndvi.tif"], year=2016, out=tmp_path / "arid", ndvi=True)
    wet = irrigation([tmp_path / "ndvi.tif"], year=2016, out=tmp_path / "wet", ndvi=True, rain=rain)

    assert arid.numbers["not observed, %"] < 5
    assert sum(arid.numbers[f"{season}, ha"] for season in ("winter", "summer", "double", "permanent")) == (
        pytest.approx(arid.numbers["irrigated, ha"], rel=1e-9)
    )
    # with rain of Slovenia what is green in spring alone needs no irrigation
    assert wet.numbers["winter, ha"] == 0
    assert wet.numbers["irrigated, ha"] <= arid.numbers["irrigated, ha"]
