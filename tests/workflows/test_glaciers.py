"""`bluepeace glaciers`: from files to files, and what it refuses in a sentence."""

import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from asked import lines, run, write_dem
from landsat_files import write_tiff

from bluepeace_gis.analyses.glaciers import INVENTORY_TYPES, OWN_COLUMNS, RGI_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
LEFT, TOP, CELL, SIZE = 500_000, 4_400_000, 30.0, 160
NAMES = ("green", "red", "nir", "swir1")
ICE, ROCK = (0.45, 0.43, 0.35, 0.01), (0.10, 0.12, 0.15, 0.20)
SUMMER, WINTER = "2024-08-21T06:16:00Z", "2024-02-05T06:16:00Z"
TABLES = ("hypsometry", "links", "zone_bands", "uncertainties", "snow_lines")
GLACIER = shapely.Point(LEFT + 2400, TOP - 2400).buffer(900)


def surface(seed=0):
    """Ice on rock with the noise of a sensor: (4, rows, columns) reflectance."""
    x = LEFT + CELL * (np.arange(SIZE * 3) + 0.5) / 3
    y = TOP - CELL * (np.arange(SIZE * 3) + 0.5) / 3
    share = shapely.contains_xy(GLACIER, *np.meshgrid(x, y)).reshape(SIZE, 3, SIZE, 3).mean((1, 3))
    noise = np.random.default_rng(seed).normal(0, 0.004, (4, SIZE, SIZE))
    return np.array(ICE)[:, None, None] * share + np.array(ROCK)[:, None, None] * (1 - share) + noise


def write_scene(path, values=None, **more):
    numbers = np.rint((surface() if values is None else values) * 1e4).astype(np.int16)
    return write_tiff(
        path, numbers, left=LEFT, top=TOP, nodata=-9999, scales=[1e-4] * len(numbers),
        **{"descriptions": NAMES[: len(numbers)]} | more,
    )  # fmt: skip


@pytest.fixture
def dem(tmp_path):
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    z = 5000 - 0.3 * CELL * np.hypot(row - SIZE / 2, column - SIZE / 2)
    return write_dem(tmp_path / "dem.tif", z, transform=Affine(CELL, 0, LEFT, 0, -CELL, TOP))


def asked(tmp_path, scene, dem, *more, time=SUMMER, sun="150,50"):
    options = [*(["--time", time] if time else []), *(["--sun", sun] if sun else [])]
    return run("glaciers", scene, "--dem", dem, "--out", tmp_path / "glaciers.gpkg", *options, *more)


def test_a_plain_scene_gives_outlines_picture_style_and_provenance(tmp_path, dem):
    answer = asked(tmp_path, write_scene(tmp_path / "scene.tif"), dem)
    assert answer.returncode == 0, answer.stderr
    out = tmp_path / "glaciers.gpkg"
    assert {str(row[0]) for row in pyogrio.list_layers(out)} >= {*INVENTORY_TYPES, *TABLES}
    layer = gpd.read_file(out, layer="glaciers")
    assert tuple(layer.columns) == (*RGI_COLUMNS, *OWN_COLUMNS, "geometry")
    assert layer.crs.to_epsg() == 4326
    assert layer.area_km2.tolist() == pytest.approx([GLACIER.area / 1e6], rel=0.01)
    assert layer.geometry.is_valid.all()
    assert (layer.area_unc_km2 > layer.edge_unc_km2).all()
    assert (tmp_path / "glaciers.png").stat().st_size > 10_000
    assert (tmp_path / "glaciers.qml").exists()
    record = json.loads((tmp_path / "glaciers.json").read_text(encoding="utf-8"))["properties"]
    method = record["bluepeace:method"]
    assert method["defaults"]["visible_margin"] == 0.06
    assert len(method["curve"]["margin"]) == len(method["curve"]["area_km2"])
    assert method["suns"] == {"scene": [150, 50]}
    assert method["defaults"]["hypsometry_band_m"] == 50
    assert method["detail_m"] == CELL
    assert record["start_datetime"].startswith("2024-08-21")


def test_the_same_scene_gives_the_same_numbers_and_programs_read_them(tmp_path, dem):
    scene = write_scene(tmp_path / "scene.tif")
    answers = [asked(tmp_path, scene, dem, "--progress", "json") for _ in range(2)]
    results = [lines(answer.stdout)[-1]["result"] for answer in answers]
    assert results[0] == results[1]
    assert results[0]["numbers"]["glaciers"] == 1
    assert results[0]["numbers"]["area_unc_km2"] > 0


def test_bands_can_be_said_by_their_positions(tmp_path, dem):
    scene = write_scene(tmp_path / "scene.tif", descriptions=("a", "b", "c", "d"))
    answer = asked(tmp_path, scene, dem, "--bands", "green=1,nir=3,swir1=4")
    assert answer.returncode == 0, answer.stderr


def test_edits_are_replayed_and_told_in_the_provenance(tmp_path, dem):
    west = shapely.box(LEFT, TOP - 9000, LEFT + 2400, TOP)
    edits = gpd.GeoDataFrame(
        [{"action": "remove", "date": "2025-01-31", "author": "A. Analyst", "reason": "late snow"}],
        geometry=[west], crs="EPSG:32642",
    )  # fmt: skip
    edits.to_file(tmp_path / "edits.gpkg")
    answer = asked(tmp_path, write_scene(tmp_path / "scene.tif"), dem, "--edits", tmp_path / "edits.gpkg")
    assert answer.returncode == 0, answer.stderr
    assert gpd.read_file(tmp_path / "glaciers.gpkg", layer="glaciers").area_km2.sum() == pytest.approx(
        GLACIER.area / 2e6, rel=0.02
    )
    record = json.loads((tmp_path / "glaciers.json").read_text(encoding="utf-8"))["properties"]
    assert record["bluepeace:method"]["edits"] == ["2025-01-31 A. Analyst: remove, late snow"]


def test_a_scene_without_sun_is_warned_of(tmp_path, dem):
    answer = asked(tmp_path, write_scene(tmp_path / "scene.tif"), dem, sun=None)
    assert answer.returncode == 0, answer.stderr
    assert "where the sun stood" in answer.stderr


# --- refusals ---


def refused(tmp_path, scene, dem, *words, **more):
    answer = asked(tmp_path, scene, dem, **more)
    assert answer.returncode == 2, answer
    sentence = answer.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in sentence, sentence
    assert not (tmp_path / "glaciers.gpkg").exists()


def test_without_short_wave_infrared(tmp_path, dem):
    scene = write_scene(tmp_path / "scene.tif", surface()[:3])
    refused(tmp_path, scene, dem, "no short-wave infrared", "--bands swir1=")


def test_winter(tmp_path, dem):
    white = np.array([0.8, 0.78, 0.7, 0.08])[:, None, None] + surface() * 0.05
    scene = write_scene(tmp_path / "scene.tif", white)
    refused(tmp_path, scene, dem, "winter snow", "September", time=WINTER)


def test_cirrus_band_as_short_wave_infrared(tmp_path, dem):
    values = surface()
    values[3] = np.random.default_rng(2).uniform(0.001, 0.002, values[3].shape)
    refused(tmp_path, write_scene(tmp_path / "scene.tif", values), dem, "swir1")


def test_the_offset_of_landsat_forgotten(tmp_path, dem):
    values = surface()
    values[:, :40, :40] = np.array([0.02, 0.015, 0.01, 0.005])[:, None, None]  # water and shade
    with_blue = np.concatenate([values[:1], values]) + 0.2
    scene = write_scene(tmp_path / "scene.tif", with_blue, descriptions=("blue", *NAMES))
    refused(tmp_path, scene, dem, "offset of -0.2")


def test_a_saturated_picture_of_8_bits(tmp_path, dem):
    picture = np.clip(surface() * 1500, 0, 255).astype(np.uint8)
    scene = write_tiff(tmp_path / "scene.tif", picture, left=LEFT, top=TOP, descriptions=NAMES)
    refused(tmp_path, scene, dem)


def test_bands_on_different_systems(tmp_path, dem):
    numbers = np.rint(surface() * 1e4).astype(np.int16)
    scale = {"scale": 1e-4}
    bands = {name: {"file": f"scene_{name}.tif", **scale} for name in NAMES}
    for number, name in enumerate(NAMES):
        write_tiff(
            tmp_path / f"scene_{name}.tif", numbers[number], left=LEFT, top=TOP, nodata=-9999,
            crs="EPSG:32643" if name == "swir1" else "EPSG:32642",
        )  # fmt: skip
    path = tmp_path / "scene.scene.json"
    path.write_text(json.dumps({"time": SUMMER, "bands": bands}), encoding="utf-8")
    refused(tmp_path, path, dem, "CRS", time=None, sun=None)


def test_elevations_that_do_not_cover(tmp_path, dem):
    with rasterio.open(dem) as file:
        z = file.read(1)
    part = write_dem(tmp_path / "part.tif", z[:, :80], transform=Affine(CELL, 0, LEFT, 0, -CELL, TOP))
    away = write_dem(tmp_path / "away.tif", z, transform=Affine(CELL, 0, LEFT + 90_000, 0, -CELL, TOP))
    scene = write_scene(tmp_path / "scene.tif")
    for short in (part, away):
        refused(tmp_path, scene, short, "cover")


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [("--sun", "50", "azimuth"), ("--sun", "150,-3", "elevation"), ("--bands", "green", "position"),
     ("--bands", "green=1,green=2", "each once"), ("--time", "yesterday", "2024-08-21"),
     ("--min-area-km2", "-1", "min-area-km2")],
)  # fmt: skip
def test_options_that_cannot_be_meant(tmp_path, dem, option, value, word):
    scene = write_scene(tmp_path / "scene.tif")
    answer = run("glaciers", scene, "--dem", dem, "--out", tmp_path / "glaciers.gpkg", option, value)
    assert answer.returncode == 2
    assert word in answer.stderr


# --- the sample archive: real formats, cloud, late snow, a tarn, an offset that the date does not tell ---

ARCHIVE = ROOT / "data" / "sample" / "archive"
TRUTH = ROOT / "data" / "sample" / "truth" / "glaciers.gpkg"
SAMPLE = {
    2015: ["LC08_L2SP_155029_20150907", "LC08_L2SP_154029_20150815"],
    2019: ["S2A_MSIL2A_20190823"],
    2024: ["LC08_L2SP_155029_20240814", "S2B_MSIL2A_20240821", "LC08_L2SP_155029_20240915"],
}


@pytest.fixture(scope="module", params=SAMPLE)
def summer(request, tmp_path_factory):
    """Outline the glaciers of one summer of the sample: the year, the product."""
    scenes = [next(ARCHIVE.glob(f"{start}*")) for start in SAMPLE[request.param]]
    out = tmp_path_factory.mktemp("sample") / "glaciers.gpkg"
    answer = run("glaciers", *scenes, "--dem", ROOT / "data/sample/dem.tif", "--out", out)
    assert answer.returncode == 0, answer.stderr
    return request.param, out


def test_the_sample_archive_shows_its_glaciers(summer):
    year, out = summer
    truth = gpd.read_file(TRUTH, layer="glaciers")
    found = gpd.read_file(out, layer="glaciers")
    assert found.geometry.is_valid.all()
    found = found.to_crs(truth.crs)
    frame = shapely.box(*found.total_bounds)
    hidden = gpd.read_file(out, layer="unseen").to_crs(truth.crs).geometry.union_all()
    truth = truth[(truth.year == year) & (truth.kind == "clean")].geometry.union_all().intersection(frame)
    waters = gpd.read_file(TRUTH, layer="waters").geometry.union_all()
    snow = gpd.read_file(TRUTH, layer="seasonal_snow")
    snow = snow[snow.date.astype(str).str.startswith(str(year))].geometry.union_all()
    ice = found.geometry.union_all()
    # what is ice is found; what is found is ice, or the snow that lay there; water never
    assert truth.difference(hidden).intersection(ice).area >= 0.98 * truth.difference(hidden).area
    other = ice.difference(truth.buffer(45)).difference(snow.buffer(45))
    assert other.area <= 0.06 * truth.area  # it outlines snow that covers more than half, from 0.01 km2
    assert ice.intersection(waters).area <= 0.002e6
    most = gpd.read_file(out, layer="outlines_max").to_crs(found.crs).geometry.union_all()
    assert truth.difference(most.buffer(1)).area <= 0.01 * truth.area


def test_late_snow_is_within_the_interval_and_debris_where_it_is(summer):
    year, out = summer
    truth = gpd.read_file(TRUTH, layer="glaciers")
    truth = truth[truth.year == year]
    found, debris, unseen = (
        gpd.read_file(out, layer=name).to_crs(truth.crs) for name in ("glaciers", "debris", "unseen")
    )
    clean, covered = (truth[truth.kind == kind].geometry.union_all() for kind in ("clean", "debris"))
    # the scenes of one frame: what of the truth they could show
    frame = shapely.box(*found.total_bounds)
    clean = clean.intersection(frame).difference(unseen.geometry.union_all())
    excess_km2 = found.area_km2.sum() - clean.area / 1e6
    sigma_km2 = np.hypot(found.area_unc_km2.sum() - found.snow_unc_km2.sum(), found.snow_unc_km2.sum())
    print(f"{year}: {excess_km2:+.2f} km2 of {clean.area / 1e6:.2f}, 1 sigma {sigma_km2:.2f}")
    assert excess_km2 <= 0.14 * clean.area / 1e6  # it was 17 to 30 % with patchy snow
    assert abs(excess_km2) <= 2 * sigma_km2
    # candidates are few and true: slopes above 24 degrees, half of this debris, cannot be claimed
    claimed = debris.geometry.union_all()
    assert claimed.area > 0.05e6
    assert claimed.intersection(covered.buffer(30)).area >= 0.9 * claimed.area
    assert claimed.intersection(found.geometry.union_all()).area <= 0.01 * claimed.area


def test_scenes_of_several_years_and_of_winter_are_not_mixed(tmp_path):
    out = tmp_path / "glaciers.gpkg"
    scenes = [next(ARCHIVE.glob(f"{start}*")) for start in ("S2A_MSIL2A_20190823", "S2B_MSIL2A_20240821")]
    answer = run("glaciers", *scenes, "--dem", ROOT / "data/sample/dem.tif", "--out", out)
    assert answer.returncode == 2
    assert "one summer" in answer.stderr


def test_a_forgotten_offset_shows_in_three_bands_alone(tmp_path, dem):
    values = surface()[[0, 2, 3]] + 0.2
    scene = write_scene(tmp_path / "scene.tif", values, descriptions=("green", "nir", "swir1"))
    refused(tmp_path, scene, dem, "short-wave infrared", "-offset -0.2")


def test_a_scene_in_degrees_or_turned_is_refused_with_the_zone_to_warp_it_to(tmp_path, dem):
    numbers = np.rint(surface() * 1e4).astype(np.int16)
    for name, more in (
        ("degrees", {"crs": "EPSG:4326", "transform": Affine(4e-4, 0, 69, 0, -3e-4, 39.7)}),
        ("turned", {"transform": Affine(CELL, 0, LEFT, 0, -CELL, TOP) @ Affine.rotation(10)}),
    ):
        path = tmp_path / f"{name}.tif"
        profile = {"crs": "EPSG:32642", "dtype": "int16", "count": 4, "height": SIZE, "width": SIZE, **more}
        with rasterio.open(path, "w", driver="GTiff", nodata=-9999, **profile) as file:
            file.write(numbers)
            file.descriptions, file.scales = NAMES, [1e-4] * 4
        refused(tmp_path, path, dem, "grid in metres", "gdalwarp -t_srs EPSG:32642")


def test_a_glacier_under_a_cloud_is_not_gone(tmp_path, dem):
    row, column = np.indices((SIZE, SIZE))
    away = np.hypot(row - 143, column - 143)  # more than a kilometre from the other one
    both = np.where(away < 7, np.array(ICE)[:, None, None], surface())
    cloudy = np.rint(np.where(away < 12, -0.9999, both) * 1e4)
    products = []
    for year, values in ((2015, both), (2024, cloudy / 1e4)):
        scene = write_scene(tmp_path / f"scene{year}.tif", values)
        products.append(tmp_path / f"glaciers{year}.gpkg")
        answer = run(
            "glaciers", scene, "--dem", dem, "--time", f"{year}-08-21T06:16:00Z", "--sun", "150,50",
            "--out", products[-1],
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
    out = tmp_path / "change.gpkg"
    answer = run("glacier-change", *products, "--out", out)
    assert answer.returncode == 0, answer.stderr
    found = gpd.read_file(out, layer="change").set_index("status")
    assert set(found.index) == {"kept", "hidden"}
    assert found.loc["hidden", "verdict"] == "not compared"
    assert found.loc["kept", "verdict"] == "not distinguishable"


def halves(path, *names, crs="EPSG:3857", **columns):
    """Cut the ground of the scene in two at the middle of the glacier."""
    west = shapely.box(LEFT, TOP - CELL * SIZE, LEFT + 2400, TOP)
    east = shapely.box(LEFT + 2400, TOP - CELL * SIZE, LEFT + CELL * SIZE, TOP)
    layer = gpd.GeoDataFrame({**({"name": names} if names else {}), **columns}, geometry=[west, east],
                             crs="EPSG:32642")  # fmt: skip
    layer.to_crs(crs).to_file(path)
    return path


def test_an_inventory_of_another_projection_keeps_divides_and_names(tmp_path, dem):
    base = halves(tmp_path / "base.gpkg", RGIId=["RGI60-13.00001", "RGI60-13.00002"], glac_name=["Ak", "Kok"])
    answer = asked(tmp_path, write_scene(tmp_path / "scene.tif"), dem, "--inventory", base)
    assert answer.returncode == 0, answer.stderr
    out = tmp_path / "glaciers.gpkg"
    found = gpd.read_file(out, layer="glaciers").set_index("glac_name")
    assert set(found.index) == {"Ak", "Kok"}
    assert found.area_km2.to_numpy() == pytest.approx(GLACIER.area / 2e6, rel=0.02)
    shared = gpd.read_file(out, layer="intersects")
    assert shared.length_m.sum() == pytest.approx(1800, rel=0.03)
    links = pyogrio.read_dataframe(out, layer="links", read_geometry=False)
    expected = {("RGI60-13.00001", found.rgi_id["Ak"]), ("RGI60-13.00002", found.rgi_id["Kok"])}
    assert set(zip(links.before_id, links.after_id, strict=True)) == expected
    assert json.loads(out.with_suffix(".json").read_text())["properties"]["bluepeace:method"]["divides"] == (
        "inventory"
    )


def test_zones_share_out_all_ice_by_elevation(tmp_path, dem):
    zones = halves(tmp_path / "zones.gpkg", "West", "East", crs="EPSG:4326")
    answer = asked(tmp_path, write_scene(tmp_path / "scene.tif"), dem, "--zones", zones)
    assert answer.returncode == 0, answer.stderr
    out = tmp_path / "glaciers.gpkg"
    bands = pyogrio.read_dataframe(out, layer="zone_bands", read_geometry=False)
    assert ((bands.z_to_m - bands.z_from_m) == 200).all()
    whole = gpd.read_file(out, layer="glaciers").area_km2.sum()
    by_zone = bands.groupby("zone").area_km2.sum()
    assert by_zone.sum() == pytest.approx(whole, rel=1e-6)
    assert by_zone.to_dict() == pytest.approx({"West": whole / 2, "East": whole / 2}, rel=0.02)


@pytest.mark.parametrize(
    ("option", "columns", "more", "said"),
    [
        ("--zones", {"code": [1, 2]}, [], "no column of texts.*it has code.*--zone-field COLUMN"),
        ("--zones", {"code": [1, 2]}, ["--zone-field", "nam"], "no column nam; it has code"),
        ("--inventory", None, [], "holds no features|no layer"),
        ("--edits", {"what": ["a", "b"]}, [], "action.*date.*author.*reason"),
    ],
)
def test_layers_that_say_too_little_are_refused_before_the_work(tmp_path, dem, option, columns, more, said):
    path = halves(tmp_path / "layer.gpkg", **(columns or {}))
    if columns is None:
        gpd.read_file(path).iloc[:0].to_file(path)
    answer = asked(tmp_path, write_scene(tmp_path / "scene.tif"), dem, option, path, *more)
    assert answer.returncode == 2
    assert re.search(said, answer.stderr.strip().splitlines()[-1])
    assert not (tmp_path / "glaciers.gpkg").exists()
