"""A season of scenes becomes composites: right values, one pixel once, and a road through every stop."""

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
import pytest
import rasterio
import safe_files as safe
from asked import COMMAND, lines, run
from landsat_files import CLEAR, CLOUD, LEFT, TOP, make_landsat, make_tar, write_tiff
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate
from schedulers import with_two_workers
from shapely import box

from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.workflows import season as season_module
from bluepeace_gis.workflows.season import season

SHAPE = (150, 220)
DAYS = ("20230601", "20230617", "20230703", "20230719", "20230804")
BARE = {"blue": 0.10, "green": 0.14, "red": 0.18, "nir": 0.25, "swir1": 0.30, "swir2": 0.25}
CROP = {"blue": 0.03, "green": 0.07, "red": 0.04, "nir": 0.42, "swir1": 0.20, "swir2": 0.10}
JUNE, AUGUST = dt.date(2023, 6, 1), dt.date(2023, 8, 31)
LATTICE = "landsat_epsg32642_30m"


def surface(number, shape=SHAPE, seed=0):
    """Fields that turn green at different times, with the noise of a sensor."""
    rng = np.random.default_rng([seed, number])
    fields = np.kron(np.random.default_rng(5).random((8, 11)), np.ones((20, 20)))[: shape[0], : shape[1]]
    green = np.exp(-(((number - 4 * fields) / 1.5) ** 2))
    return {
        band: np.clip(BARE[band] + (CROP[band] - BARE[band]) * green + rng.normal(0, 0.004, shape), 0.005, 1)
        for band in BARE
    }


def clouds(number, shape=SHAPE):
    codes = np.full(shape, CLEAR, np.uint16)
    codes[20 * number : 20 * number + 40, 30:150] = CLOUD
    return codes


def make_archive(folder, days=DAYS, **more):
    """Landsat tars of one path, whose corners differ from date to date."""
    products = []
    for number, day in enumerate(days):
        shift = {"left": LEFT + 30 * (number % 3), "top": TOP - 60 * (number % 2)}
        products.append(
            make_landsat(
                folder,
                f"LC09_L2SP_152032_{day}_{day}_02_T1",
                reflectance=surface(number),
                codes=clouds(number),
                shape=SHAPE,
                **{**shift, **more},
            )
        )
    return products


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Five dates as tars; what was written into them stays known."""
    folder = tmp_path_factory.mktemp("archive")
    products = make_archive(folder)
    for product in products:
        make_tar(product.folder)
        shutil.rmtree(product.folder)
    yield folder, products
    pixels.close_all()


def ask(folder, out, **options):
    asked = {"from_": JUNE, "to": AUGUST, "statistic": "median", **options}
    return season([folder], out=out, **asked)


def seen_of(products, bands):
    """What was seen, by numpy in float64: (dates, bands, rows, columns) of the lattice, NaN elsewhere."""
    rows, columns = SHAPE[0] + 2, SHAPE[1] + 2
    seen = np.full((len(products), len(bands), rows, columns), np.nan)
    for number, product in enumerate(products):
        row, column = 2 * (number % 2), number % 3
        hidden = (product.codes & 0b111111) != 0
        for layer, band in enumerate(bands):
            values = product.numbers[band] * 2.75e-5 - 0.2
            part = seen[number, layer, row : row + SHAPE[0], column : column + SHAPE[1]]
            part[...] = np.where(hidden | (product.numbers[band] == 0), np.nan, values)
    return seen


def index_of(seen, first, second):
    return (seen[:, first] - seen[:, second]) / (seen[:, first] + seen[:, second])


def read(path, band=None):
    with rasterio.open(path) as file:
        return file.read(band) if band else file.read()


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("median", np.nanmedian),
        ("max", np.nanmax),
        ("p90", lambda seen, axis: np.nanpercentile(seen, 90, axis)),
    ],
    ids=["median", "max", "p90"],
)
def test_an_index_is_combined_as_numpy_does(archive, tmp_path, statistic, expected):
    folder, products = archive

    made = ask(folder, tmp_path / "out", statistic=statistic)

    ndvi = index_of(seen_of(products, ["nir", "red"]), 0, 1)
    value = read(made.outputs[LATTICE], 1)
    assert np.array_equal(np.isnan(value), np.isnan(ndvi).all(axis=0))
    assert np.nanmax(np.abs(value - expected(ndvi, axis=0))) < 0.6e-4  # kept in ten-thousandths
    assert np.array_equal(read(made.outputs[f"{LATTICE}_count"], 1), (~np.isnan(ndvi)).sum(axis=0))
    if statistic == "max":
        days = np.array([int(day) for day in DAYS])[np.nan_to_num(ndvi, nan=-9).argmax(axis=0)]
        date = read(made.outputs[f"{LATTICE}_date"], 1)
        others = np.sort(np.nan_to_num(ndvi, nan=-9), axis=0)
        clear = others[-1] - others[-2] > 2e-4  # equal when rounded: either date is right
        assert np.array_equal(date[clear], np.where(np.isnan(value), 0, days)[clear])
        assert (date[np.isnan(value)] == 0).all()


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_the_geometric_median_minimises_the_sum_of_distances(archive, tmp_path):
    folder, products = archive
    bands = list(BARE)

    made = ask(folder, tmp_path / "out", statistic="geomedian")

    seen = seen_of(products, bands)
    found = read(made.outputs[LATTICE])
    assert found.shape[0] == len(bands)

    def cost(point):
        return np.nansum(np.sqrt(((seen - point) ** 2).sum(axis=1)), axis=0)

    best = cost(found.astype(float))
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = cost(found + rng.normal(0, 0.003, found.shape))
        assert (best <= other + 1e-4).all()


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_least_snow_takes_all_bands_from_one_date(archive, tmp_path):
    folder, products = archive
    bands = list(BARE)

    made = ask(folder, tmp_path / "out", statistic="min-snow")

    seen = seen_of(products, bands)
    ndsi = index_of(seen, bands.index("green"), bands.index("swir1"))
    order = np.sort(np.nan_to_num(ndsi, nan=9), axis=0)
    clear = (order[1] - order[0] > 2e-3) & (order[0] < 9)  # reflectances are kept in ten-thousandths
    chosen = np.nan_to_num(ndsi, nan=9).argmin(axis=0)
    expected = np.take_along_axis(seen, chosen[None, None], axis=0)[0]
    assert np.abs(read(made.outputs[LATTICE]) - expected)[:, clear].max() < 0.6e-4
    date = read(made.outputs[f"{LATTICE}_date"], 1)
    assert np.array_equal(date[clear], np.array([int(day) for day in DAYS])[chosen][clear])


def test_products_are_cogs_with_record_style_and_picture(archive, tmp_path):
    folder, products = archive

    made = ask(folder, tmp_path / "out", statistic="max")

    for name, path in made.outputs.items():
        assert path.is_file(), name
        if path.suffix == ".tif":
            valid, errors, warnings = cog_validate(path)
            assert (valid, errors, warnings) == (True, [], [])
    value = made.outputs[LATTICE]
    with rasterio.open(value) as file:
        assert np.isnan(file.nodata)
        assert file.descriptions == ("ndvi",)
    record = json.loads(value.with_suffix(".json").read_text(encoding="utf-8"))
    links = [link for link in record["links"] if link["rel"] == "derived_from"]
    assert sorted(link["title"] for link in links) == sorted(f"{product.name}.tar" for product in products)
    assert all(link["file:checksum"].startswith("1220") for link in links)
    assert record["properties"]["start_datetime"].startswith("2023-06-01T06:07:08")
    assert record["properties"]["end_datetime"].startswith("2023-08-04")
    assert record["properties"]["bluepeace:parameters"]["from"] == "2023-06-01"
    assert "singlebandpseudocolor" in value.with_suffix(".qml").read_text(encoding="utf-8")
    assert [place.name for place in tmp_path.iterdir()] == ["out"]  # no working folder stays


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_neither_tiles_nor_executor_change_a_byte(archive, tmp_path, monkeypatch, executor):
    folder, _ = archive
    whole = ask(folder, tmp_path / "whole", statistic="max").outputs

    monkeypatch.setattr(season_module, "TILE_SIDES", (64,))
    cut = ask(folder, tmp_path / "cut", statistic="max", executor=executor)

    assert cut.numbers["tiles"] == 12
    for name in (LATTICE, f"{LATTICE}_count", f"{LATTICE}_date"):
        assert whole[name].read_bytes() == cut.outputs[name].read_bytes()


def test_a_cluster_makes_the_same_bytes(archive, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    folder, _ = archive
    whole = ask(folder, tmp_path / "whole", statistic="max").outputs
    monkeypatch.setattr(season_module, "TILE_SIDES", (64,))

    with with_two_workers(tmp_path) as scheduler:
        made = ask(folder, tmp_path / "cut", statistic="max", executor=scheduler.address).outputs

    for name in (LATTICE, f"{LATTICE}_count", f"{LATTICE}_date"):
        assert whole[name].read_bytes() == made[name].read_bytes()


def test_two_rows_of_one_pass_are_one_observation(tmp_path):
    folder = tmp_path / "archive"
    for row, top in (("032", TOP), ("033", TOP - 30 * 100)):
        make_landsat(
            folder, f"LC09_L2SP_152{row}_20230601_20230601_02_T1",
            reflectance=surface(2, seed=int(row)), shape=SHAPE, top=top,
        )  # fmt: skip

    made = ask(folder, tmp_path / "out")

    count = read(made.outputs[f"{LATTICE}_count"], 1)
    assert count.shape == (250, 220)
    assert set(np.unique(count)) == {0, 1}
    assert (count[:, 3:] == 1).all()


def test_zones_of_utm_make_products_of_their_own(tmp_path):
    folder = tmp_path / "archive"
    make_archive(folder, days=DAYS[:2])
    product = make_landsat(
        folder, "LC08_L2SP_151032_20230609_20230609_02_T1", reflectance=surface(1), shape=SHAPE
    )
    for file in product.folder.glob("*.TIF"):
        with rasterio.open(file, "r+") as raster:
            raster.crs = "EPSG:32643"

    made = ask(folder, tmp_path / "out")

    assert {
        name for name, path in made.outputs.items() if path.stem.endswith("30m") and path.suffix == ".tif"
    } == {
        LATTICE,
        "landsat_epsg32643_30m",
    }


def test_a_study_area_cuts_what_is_computed(archive, tmp_path):
    folder, _ = archive
    whole = read(ask(folder, tmp_path / "whole").outputs[LATTICE], 1)
    area = tmp_path / "area.gpkg"
    left, top = LEFT + 30 * 50, TOP - 30 * 40
    gpd.GeoDataFrame(geometry=[box(left, top - 900, left + 1200, top)], crs="EPSG:32642").to_file(area)

    cut = read(ask(folder, tmp_path / "cut", area=area).outputs[LATTICE], 1)

    assert cut.shape == (30, 40)
    assert np.array_equal(cut, whole[40:70, 50:90], equal_nan=True)


def test_a_study_area_between_the_scenes_of_a_lattice_is_told(tmp_path):
    folder = tmp_path / "archive"
    make_archive(folder, days=DAYS[:1])
    make_archive(folder, days=DAYS[1:2], top=TOP - 30 * 400)  # the lattice holds both and the gap
    middle = box(LEFT + 300, TOP - 30 * 300, LEFT + 600, TOP - 30 * 290)
    area = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[middle], crs="EPSG:32642").to_file(area)

    told = run(
        "season", folder, "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "median",
        "--area", area, "--out", tmp_path / "out",
    )  # fmt: skip

    assert told.returncode == 2
    assert "No scene covers the study area" in told.stderr


def make_sentinel(folder, suffix, tiles=("T42TWL",)):
    """Two dates of a tile, and of its neighbour that overlaps it, as ESA's zips."""
    for number, day in enumerate(("20230615T060639", "20230705T060639")):
        whole = safe.reflectance("plants", "soil", "rock", cells=180, seed=number)
        for place, tile in enumerate(tiles):
            part = slice(60 * place, 60 * place + 120)  # the second lies 600 m further south
            bands = safe.numbers({name: values[part, :120] for name, values in whole.items()}, offset=-1000)
            scl = np.full((120, 120), 4, np.uint8)
            scl[20 * number : 20 * number + 10] = 9
            made = safe.make(
                folder, bands, scl=scl, tile=tile, taken=day, suffix=suffix, top=safe.TOP - 600 * place
            )
            safe.zipped(made, folder / f"{made.name}.zip")
            shutil.rmtree(made)
    return folder


def test_jpeg_2000_is_decoded_first_and_gives_the_same(tmp_path):
    lattice = "sentinel-2_epsg32642_10m"

    jp2 = ask(make_sentinel(tmp_path / "jp2", "jp2"), tmp_path / "from_jp2", of="mndwi").outputs
    cog = ask(make_sentinel(tmp_path / "cog", "tif"), tmp_path / "from_cog", of="mndwi").outputs

    # green has cells of 10 m, the short-wave infrared of 20 m
    assert read(jp2[lattice]).shape == (1, 120, 120)
    assert np.array_equal(read(jp2[lattice]), read(cog[lattice]), equal_nan=True)
    assert np.array_equal(read(jp2[f"{lattice}_count"]), read(cog[f"{lattice}_count"]))


def test_overlapping_tiles_of_one_pass_count_once(tmp_path):
    lattice = "sentinel-2_epsg32642_10m"

    made = ask(make_sentinel(tmp_path / "in", "jp2", ("T42TWL", "T42TWK")), tmp_path / "out").outputs

    count = read(made[f"{lattice}_count"], 1)
    assert count.shape == (180, 120)
    assert count.max() == 2
    # clouded in the northern tile on one date, and there is no other view of it
    assert (count[:10] == 1).all()
    # clouded in the southern tile, clear in the northern one, which saw the same
    assert (count[60:70] == 2).all()


def test_what_is_rejected_is_the_choice_of_who_asks(archive, tmp_path):
    folder, _ = archive

    made = ask(folder, tmp_path / "out", reject="shadow")

    count = read(made.outputs[f"{LATTICE}_count"], 1)
    assert count[10:140, 10:200].min() == len(DAYS)  # clouds were let pass


def test_dry_run_tells_scenes_gaps_and_needs_and_writes_nothing(archive, tmp_path):
    folder, _ = archive

    told = run(
        "season", folder, "--from", "2023-05-01", "--to", "2023-08-31", "--statistic", "median",
        "--out", tmp_path / "out", "--dry-run",
    )  # fmt: skip

    assert told.returncode == 0
    assert "5 scenes on 5 days, 2023-06-01 to 2023-08-04" in told.stdout
    assert "no scene for 31 days, 2023-05-01 to 2023-05-31" in told.stdout
    assert "1 tasks: 1 to do" in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_dry_run_counts_what_is_decoded_first_and_finds_nothing_missing(tmp_path):
    folder = make_sentinel(tmp_path / "in", "jp2")

    told = run(
        "season", folder, "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "median",
        "--out", tmp_path / "out", "--dry-run", "--progress", "json",
    )  # fmt: skip
    made = ask(folder, tmp_path / "out")
    again = ask(folder, tmp_path / "out", resume=True, dry_run=True)

    assert "is not there" not in told.stdout
    numbers = lines(told.stdout)[-1]["result"]["numbers"]
    assert numbers["tasks"] == 2 + made.numbers["tiles"]
    assert numbers["scenes"] == made.numbers["scenes"] == 2
    on_disk = sum(path.stat().st_size for path in made.outputs.values() if path.suffix == ".tif")
    assert numbers["disk_mb"] > on_disk / 1e6
    assert again.numbers["tasks"] == 0
    assert any("left as it is" in sentence for sentence in again.sentences)


def make_plain(folder, name, day, number, **more):
    """A GeoTIFF described by a file beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    values = surface(number, (40, 50))
    write_tiff(
        folder / f"{name}.tif",
        np.stack([np.round(values[band] * 10_000) for band in ("red", "nir")]).astype(np.uint16),
        nodata=0,
    )
    described = {"time": f"{day}T06:00:00Z", "bands": {"red": 1, "nir": 2}, "scale": 1e-4, **more}
    (folder / f"{name}.scene.json").write_text(json.dumps(described), encoding="utf-8")
    return values


def test_scenes_of_one_name_in_folders_of_their_own_are_all_seen(tmp_path):
    days = ("2023-06-01", "2023-06-17", "2023-07-03")
    seen = [make_plain(tmp_path / "in" / day, "scene", day, n) for n, day in enumerate(days)]

    made = ask(tmp_path / "in", tmp_path / "out", statistic="max")

    assert made.numbers["scenes"] == 3
    index = [(each["nir"] - each["red"]) / (each["nir"] + each["red"]) for each in seen]
    assert (read(made.outputs["plain_epsg32642_30m_count"]) == 3).all()
    np.testing.assert_allclose(read(made.outputs["plain_epsg32642_30m"], 1), np.max(index, 0), atol=1e-3)
    record = json.loads(made.outputs["plain_epsg32642_30m"].with_suffix(".json").read_text(encoding="utf-8"))
    links = [link["href"] for link in record["links"] if link["rel"] == "derived_from"]
    assert sum(link.endswith("scene.tif") for link in links) == 3


_OF_JPEG_2000 = ("driver", "count", "height", "width", "dtype", "crs", "transform")


def test_scenes_of_any_name_are_decoded_into_files_of_their_own(tmp_path):
    """Items of others have names that no file can have."""
    folder = make_sentinel(tmp_path / "in", "jp2")
    index = run("scenes", folder, "--out", tmp_path / "s.gpkg")
    assert index.returncode == 0
    items = json.loads((tmp_path / "s.items.json").read_text(encoding="utf-8"))
    granules = []
    for number, item in enumerate(items["features"]):
        item["id"] = f"S2: {'я' * 150}/{number}"
        item["properties"]["datetime"] = f"2023-0{6 + number}-15T06:06:39Z"  # no orbit tells them apart
        del item["assets"]["product"]
        granules.append(item)
        item["assets"]["scl"] = item["assets"].pop("quality")
        for key, asset in item["assets"].items():  # loose files, which say nothing themselves
            with rasterio.open(asset["href"]) as file:
                values, profile = file.read(), {**file.profile, "driver": "JP2OpenJPEG"}
            profile = {name: profile[name] for name in _OF_JPEG_2000}
            place = tmp_path / "loose" / f"{number}_{key}.jp2"
            place.parent.mkdir(exist_ok=True)
            with rasterio.open(place, "w", **profile | {"REVERSIBLE": "YES", "QUALITY": "100"}) as file:
                file.write(values)
            asset["href"] = str(place)
    (tmp_path / "odd.json").write_text(json.dumps(items), encoding="utf-8")

    whole = ask(folder, tmp_path / "whole").outputs
    made = season([tmp_path / "odd.json"], from_=JUNE, to=AUGUST, statistic="median", out=tmp_path / "out")

    lattice = "sentinel-2_epsg32642_10m"
    assert made.numbers["scenes"] == len(granules) == 2
    assert np.array_equal(read(made.outputs[lattice]), read(whole[lattice]), equal_nan=True)


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("file/out", "its folder is a file"),
        ("file", "is a file; the name of a folder"),
        ("n" * 250, "name of 250 bytes"),
    ],
    ids=["below a file", "a file", "too long"],
)
def test_a_place_that_takes_no_files_is_refused_before_scenes_are_looked_for(tmp_path, out, sentence):
    (tmp_path / "file").touch()

    told = run(
        "season", tmp_path / "no archive", "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "max",
        "--out", tmp_path / out,
    )  # fmt: skip

    assert told.returncode == 2
    assert sentence in told.stderr
    assert "another --out" in told.stderr or "Choose" in told.stderr
    assert [place.name for place in tmp_path.iterdir()] == ["file"]


def test_the_folder_one_stands_in_takes_composites(archive, tmp_path):
    folder, _ = archive
    (tmp_path / "here").mkdir()

    told = run(
        "season", folder, "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "median",
        "--out", ".", cwd=tmp_path / "here",
    )  # fmt: skip

    assert told.returncode == 0
    assert len(list((tmp_path / "here").glob("*.tif"))) == 2
    assert [place.name for place in tmp_path.iterdir()] == ["here"]


def test_the_record_says_truly_what_was_resampled(tmp_path):
    made = ask(make_sentinel(tmp_path / "in", "tif"), tmp_path / "out", statistic="geomedian").outputs
    record = made["sentinel-2_epsg32642_10m"].with_suffix(".json")
    assert "bilinear" in json.loads(record.read_text(encoding="utf-8"))["properties"]["processing:lineage"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--from", "2021-01-01", "--to", "2021-12-31"], "None of 5 scenes lies in the season"),
        (["--from", "2023-08-01", "--to", "2023-07-01"], "lies before --from"),
        (["--from", "2023-06-01", "--to", "2023-08-31", "--reject", "fog"], "--reject names 'fog'"),
        (["--from", "2023-06-01", "--to", "2023-08-31", "--memory-mb", "100"], "--memory-mb is 100"),
        (["--from", "2023-06-01", "--to", "2023-08-31", "--cloud-pct-max", "1"], "more than 1 % of clouds"),
        (["--from", "2023-06-01", "--to", "2023-08-31", "--executor", "ssh"], "--executor is 'ssh'"),
    ],
    ids=["other year", "reversed", "unknown flag", "no memory", "all cloudy", "unknown executor"],
)
def test_what_cannot_be_done_is_told_in_a_sentence(archive, tmp_path, options, sentence):
    folder, _ = archive

    told = run("season", folder, *options, "--statistic", "median", "--out", tmp_path / "out")

    assert told.returncode == 2
    assert sentence in told.stderr
    assert not (tmp_path / "out").exists()


def test_a_lying_scene_is_left_out_and_named(tmp_path):
    folder = tmp_path / "archive"
    make_archive(folder, days=DAYS[:3])
    swapped = surface(1)
    swapped["red"], swapped["nir"] = swapped["nir"], swapped["red"]
    make_landsat(folder, "LC09_L2SP_152032_20230820_20230820_02_T1", reflectance=swapped, shape=SHAPE)

    told = lines(
        run(
            "season", folder, "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "max",
            "--out", tmp_path / "out", "--progress", "json",
        ).stdout
    )  # fmt: skip

    warnings = [line["warning"] for line in told if "warning" in line]
    assert any("20230820" in warning and "left out" in warning for warning in warnings)
    assert told[-1]["result"]["numbers"]["left_out"] == 1
    date = read(told[-1]["result"]["outputs"][f"{LATTICE}_date"], 1)
    assert 20230820 not in date


# Whatever stops it


def command(folder, out, *more):
    return [
        *COMMAND, "season", str(folder), "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "max",
        "--out", str(out), *more,
    ]  # fmt: skip


def small_tiles(tmp_path):
    """Have another process cut small tiles, so that it can be stopped between them."""
    (tmp_path / "sitecustomize.py").write_text(
        "from bluepeace_gis.workflows import season\nseason.TILE_SIDES = (32,)\n", encoding="utf-8"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_a_killed_run_leaves_no_product_and_the_next_one_completes_it(archive, tmp_path):
    folder, _ = archive
    out = tmp_path / "out"
    manifest = tmp_path / ".out.work" / "ndvi_max_2023-06-01_2023-08-31" / "manifest.jsonl"
    whole = ask(folder, tmp_path / "whole", statistic="max").outputs

    process = subprocess.Popen(
        command(folder, out), env=small_tiles(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
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
        command(folder, out, "--resume", "--progress", "json"),
        env=small_tiles(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    made = json.loads(again.stdout.splitlines()[-1])["result"]["outputs"]
    for name in (LATTICE, f"{LATTICE}_count", f"{LATTICE}_date"):
        assert Path(made[name]).read_bytes() == whole[name].read_bytes()
    told = [json.loads(line).get("message", "") for line in again.stdout.splitlines()]
    assert kept == 35 or any(f"of {35 - kept} tiles" in message for message in told)
    assert not manifest.exists()


def test_resume_leaves_a_sound_product_and_makes_a_damaged_one_again(archive, tmp_path):
    folder, _ = archive
    out = tmp_path / "out"
    made = ask(folder, out).outputs
    content = made[LATTICE].read_bytes()

    stands = ask(folder, out, resume=True)
    made[LATTICE].write_bytes(content[: len(content) // 2])
    mended = ask(folder, out, resume=True)

    assert stands.numbers["tiles"] == 0
    assert "left as it is" in stands.sentences[0]
    assert mended.numbers["tiles"] == 1
    assert made[LATTICE].read_bytes() == content


def test_a_scene_that_is_damaged_stops_the_run_with_its_name_and_mended_the_run_completes(tmp_path):
    folder = tmp_path / "archive"
    products = make_archive(folder, days=DAYS[:3])
    victim = products[1].band_file("nir")
    whole = victim.read_bytes()
    size = len(whole)
    # beyond what the check of a few places reads? a damaged file must be found wherever the damage is
    victim.write_bytes(whole[: size // 2] + b"\x00" * (size - size // 2))

    told = run("season", folder, "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "median",
               "--out", tmp_path / "out")  # fmt: skip

    assert products[1].name in told.stderr
    assert told.returncode in {0, 2}
    if told.returncode == 0:  # found before: the scene was left out, and named
        assert "left out" in told.stderr
    victim.write_bytes(whole)
    pixels.close_all()
    assert ask(folder, tmp_path / "out", resume=True).numbers["left_out"] == 0


def test_two_runs_at_once_do_not_disturb_each_other(archive, tmp_path):
    folder, _ = archive
    whole = ask(folder, tmp_path / "whole", statistic="max").outputs

    both = [
        subprocess.Popen(
            command(folder, tmp_path / "out"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [process.communicate()[1] for process in both]

    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 2])
    if codes == [0, 2]:
        assert any("Another run" in text for text in told)
    made = tmp_path / "out" / whole[LATTICE].name
    assert made.read_bytes() == whole[LATTICE].read_bytes()


def test_a_full_disk_is_told_and_with_room_the_run_completes(archive, tmp_path, small_disk, monkeypatch):
    folder, _ = archive
    monkeypatch.setattr(season_module, "TILE_SIDES", (64,))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(900 * 1024))

    told = run("season", folder, "--from", "2023-06-01", "--to", "2023-08-31", "--statistic", "geomedian",
               "--out", small_disk / "out")  # fmt: skip

    assert told.returncode == 2
    assert "disk" in told.stderr
    assert not list(small_disk.glob("out/*.tif"))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    made = ask(folder, small_disk / "out", statistic="geomedian", resume=True)
    assert made.outputs[LATTICE].is_file()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_below_the_bound_that_was_given(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    for number, day in enumerate(DAYS):
        make_landsat(
            folder, f"LC09_L2SP_152032_{day}_{day}_02_T1",
            reflectance=surface(number, (160, 220)), shape=(160, 220),
        )  # fmt: skip
    # not getrusage: it counts the memory of who started the process, too
    script = (
        "import sys\n"
        "from bluepeace_gis.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    print(next(line.split()[1] for line in lines if line.startswith('VmHWM')), file=sys.stderr)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script, *command(folder, tmp_path / "out", "--memory-mb", "800")[3:]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert int(ended.stderr.splitlines()[-1]) / 1024 < 800


def test_the_window_of_a_product_reads_as_the_whole_does(archive, tmp_path):
    folder, _ = archive

    made = ask(folder, tmp_path / "out")

    with rasterio.open(made.outputs[LATTICE]) as file:
        whole = file.read(1)
        assert np.array_equal(
            file.read(1, window=Window(50, 60, 70, 40)), whole[60:100, 50:120], equal_nan=True
        )
