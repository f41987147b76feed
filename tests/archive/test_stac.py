"""The item collection is valid and leads to the pixels; collections of other tools become scenes."""

import datetime as dt
import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import jsonschema
import landsat_files as products
import numpy as np
import pystac
import pystac.validation
import pytest
import rasterio
import safe_files as safe
import shapely

from bluepeace_gis.archive import features, index, stac
from bluepeace_gis.archive.scenes import Band, Scene, open_scene, pixels
from bluepeace_gis.errors import BadInput

LANDSAT = "LC09_L2SP_152032_20230715_20230717_02_T1"


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    pixels.close_all()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "archive"
    root.mkdir()
    folder = products.make_landsat(root, LANDSAT).folder
    products.make_tar(folder, root / f"{LANDSAT}.tar")
    shutil.rmtree(folder)
    products.make_landsat(root, "LC08_L2SP_152032_20220601_20220610_02_T1", cloud="-1")
    bands = safe.numbers(safe.reflectance("plants", "soil", "water"), offset=-1000)
    safe.make(root, bands)
    folder = safe.make(root, bands, taken="20230720T060639", product="S2B_zipped")
    safe.zipped(folder, root / "S2B_MSIL2A_20230720T060639_N0509_R134_T42TWL_20230720T090000.zip")
    shutil.rmtree(folder)
    products.write_tiff(root / "two.tif", np.full((3, 9, 8), 0.2, np.float32), nodata=-9)
    described = {"time": "2021-01-02T03:04:05Z", "bands": {"red": 1, "nir": 3}}
    (root / "two.scene.json").write_text(json.dumps(described))
    return root


@pytest.fixture(scope="module")
def written(made):
    """The item collection beside the archive."""
    found = index.scan([made])
    assert (len(found.entries), found.broken) == (5, ())
    path = made / "scenes.items.json"
    path.write_text(stac.text(stac.collection(found.scenes, made)), encoding="utf-8")
    return path


# --- written ---------------------------------------------------------------------------------------------


def test_the_collection_is_valid_stac(written):
    said = json.loads(written.read_text(encoding="utf-8"))
    # the core schemas come with pystac; those of the extensions lie in the network and are checked below
    validator = pystac.validation.stac_validator.JsonSchemaSTACValidator()
    for item in said["features"]:
        core = {**item, "stac_extensions": []}
        validator.validate_core(core, pystac.STACObjectType.ITEM, item["stac_version"])
    with pytest.raises(pystac.errors.STACValidationError):  # the validator does look
        validator.validate_core({**core, "geometry": "nowhere"}, pystac.STACObjectType.ITEM, stac.VERSION)
    assert len(pystac.ItemCollection.from_file(str(written))) == 5
    ids = [item["id"] for item in said["features"]]
    assert len(set(ids)) == len(ids)


# As the schemas of eo 1.1.0, raster 1.1.0, projection 2.0.0, view 1.0.0, grid 1.1.0 and sentinel-2 1.0.0 ask.
BAND = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "common_name": {"enum": ["blue", "green", "red", "nir", "nir08", "swir16", "swir22", "lwir11"]},
    },
    "additionalProperties": False,
}
RASTER = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "nodata": {"oneOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]},
        "scale": {"type": "number"},
        "offset": {"type": "number"},
        "unit": {"type": "string"},
        "spatial_resolution": {"type": "number", "exclusiveMinimum": 0},
    },
    "additionalProperties": False,
}
ITEM = {
    "type": "object",
    "properties": {
        "properties": {
            "type": "object",
            "required": ["platform", "instruments", "proj:code", "gsd"],
            "properties": {
                "platform": {"type": "string"},
                "instruments": {"type": "array", "items": {"type": "string"}},
                "proj:code": {"type": "string", "pattern": "^EPSG:326\\d\\d$"},
                "gsd": {"type": "number", "exclusiveMinimum": 0},
                "eo:cloud_cover": {"type": "number", "minimum": 0, "maximum": 100},
                "view:sun_azimuth": {"type": "number", "minimum": 0, "maximum": 360},
                "view:sun_elevation": {"type": "number", "minimum": -90, "maximum": 90},
                "grid:code": {"type": "string", "pattern": "^[A-Z0-9]+-[-_.A-Za-z0-9]+$"},
                "s2:processing_baseline": {"type": "string", "pattern": "^\\d\\d\\.\\d\\d$"},
                "landsat:wrs_path": {"type": "string", "pattern": "^\\d{3}$"},
                "landsat:wrs_row": {"type": "string", "pattern": "^\\d{3}$"},
            },
        },
        "assets": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["href", "roles"],
                "properties": {
                    "eo:bands": {"type": "array", "minItems": 1, "items": BAND},
                    "raster:bands": {"type": "array", "minItems": 1, "items": RASTER},
                },
            },
        },
    },
}


def items(written):
    return {item["id"]: item for item in json.loads(written.read_text(encoding="utf-8"))["features"]}


def test_the_fields_of_the_extensions_have_their_form(written):
    for item in items(written).values():
        jsonschema.validate(item, ITEM)
        used = {key.partition(":")[0] for key in item["properties"] if ":" in key} | {"eo", "raster"}
        declared = {uri.split("/")[3] for uri in item["stac_extensions"]}
        names = {"proj": "projection", "s2": "sentinel-2", "landsat": None, "processing": None}
        # fields of the landsat extension stand without it: it demands the scene's number, which MTL alone has
        assert declared == {names.get(prefix, prefix) for prefix in used} - {None}
    landsat = items(written)[LANDSAT]["properties"]
    assert landsat["eo:cloud_cover"] == 12.34
    assert landsat["datetime"] == "2023-07-15T06:07:08.123456Z"
    assert landsat["grid:code"] == "WRS2-152032"
    assert landsat["instruments"] == ["oli-2"]
    assert "eo:cloud_cover" not in items(written)["LC08_L2SP_152032_20220601_20220610_02_T1"]["properties"]
    (sentinel,) = (item for name, item in items(written).items() if "20230715T060639" in name)
    assert sentinel["properties"]["s2:processing_baseline"] == "05.09"
    assert sentinel["properties"]["grid:code"] == "MGRS-42TWL"
    assert sentinel["assets"]["nir"]["eo:bands"] == [{"name": "B08", "common_name": "nir"}]
    assert sentinel["assets"]["nir"]["raster:bands"][0]["offset"] == pytest.approx(-0.1)


def test_hrefs_lead_to_the_pixels_for_any_tool_with_gdal(written, monkeypatch):
    monkeypatch.chdir(written.parent)
    seen = 0
    for item in items(written).values():
        for name, asset in item["assets"].items():
            href = asset["href"]
            if name == "product":
                assert (written.parent / href).exists()
                continue
            assert href.startswith(("./", "/vsitar/", "/vsizip/")), href
            assert "{" not in href
            with rasterio.open(href) as band:
                assert band.width > 0
                seen += 1
    assert seen > 30


def test_a_file_with_several_bands_is_one_asset_that_names_them_by_position(written):
    asset = items(written)["two"]["assets"]["data"]
    assert [band.get("common_name") for band in asset["eo:bands"]] == ["red", None, "nir08"]
    assert asset["raster:bands"][0]["nodata"] == -9
    assert len(asset["raster:bands"]) == 3


def test_nodata_that_is_no_number_is_written_as_a_word():
    """JSON has no NaN; the raster extension has a word for it."""
    band = Band("red", "red", "/a/a.tif", 1, 30.0, 1.0, 0.0, float("nan"))
    (item,) = stac.collection([replace(open_like(shapely.box(0, 0, 1, 1)), bands={"red": band})], Path("/a"))[
        "features"
    ]
    assert item["assets"]["red"]["raster:bands"][0]["nodata"] == "nan"


def test_another_tool_loads_what_we_list(written):
    loader = pytest.importorskip("odc.stac")
    found = pystac.ItemCollection.from_file(str(written))
    chosen = [item for item in found if item.id.startswith("LC")]
    for item in chosen:
        item.set_self_href(str(written))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries
        cube = loader.load(chosen, bands=["red", "nir08"], crs="EPSG:32642", resolution=30)
    assert cube.sizes["time"] == 2
    scene = open_scene(written.parent / f"{LANDSAT}.tar")
    ours = scene.numbers("red")
    theirs = cube["red"].isel(time=1).to_numpy()
    inner = theirs[theirs > 0]
    assert set(np.unique(inner)) <= set(np.unique(ours))
    assert inner.size > 0.9 * (ours > 0).sum()


def test_footprints_over_the_date_line_are_cut_and_their_box_goes_around():
    scene = open_like(shapely.box(179, 50, 181, 51))
    (item,) = stac.collection([scene], Path("/a"))["features"]
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"] == [179, 50, -179, 51]


def open_like(footprint):
    return Scene(
        "a", Path("/a/a.tif"), "plain", "p", "i", dt.datetime(2023, 1, 1, tzinfo=dt.UTC), "o", "EPSG:32642",
        footprint, None, None, None, {}, None,
    )  # fmt: skip


def test_scenes_of_one_name_have_items_of_their_own():
    both = [open_like(shapely.box(0, 0, 1, 1))] * 2
    assert [item["id"] for item in stac.collection(both, Path("/a"))["features"]] == ["a", "a~2"]


# --- read: our own ---------------------------------------------------------------------------------------


def test_our_own_collection_gives_the_same_scenes(written):
    opened, refused = stac.read(written)
    assert refused == []
    directly = index.scenes(written.parent)
    assert sorted(scene.name for scene in opened) == sorted(scene.name for scene in directly)
    assert {scene.path for scene in opened} == {scene.path for scene in directly}


def test_a_collection_is_one_of_the_arguments_of_any_command(written):
    assert [scene.name for scene in index.scenes([written, written.parent])] == [
        scene.name for scene in index.scenes(written.parent)
    ]


# --- read: of others -------------------------------------------------------------------------------------


def landsat_item(folder, *, scale=True, suffix="SR", **properties):
    """An item as stactools-packages/landsat makes it (1.0.0), of files that lie loose without an MTL."""
    rasters = {"scale": 2.75e-05, "offset": -0.2} if scale else {}
    names = {"blue": 2, "green": 3, "red": 4, "nir08": 5, "swir16": 6, "swir22": 7}
    assets = {
        name: {
            "href": f"./{folder}/{LANDSAT}_{suffix}_B{number}.TIF",
            "eo:bands": [{"name": f"OLI_B{number}", "common_name": name}],
            "raster:bands": [{"nodata": 0, "data_type": "uint16", **rasters}],
            "roles": ["reflectance"],
        }
        for name, number in names.items()
    }
    assets["lwir11"] = {
        "href": f"./{folder}/{LANDSAT}_ST_B10.TIF",
        "eo:bands": [{"name": "TIRS_B10", "common_name": "lwir11"}],
        "raster:bands": [{"nodata": 0, "data_type": "uint16", "unit": "kelvin"}
                         | ({"scale": 0.00341802, "offset": 149.0} if scale else {})],
    }  # fmt: skip
    assets["qa_pixel"] = {"href": f"./{folder}/{LANDSAT}_QA_PIXEL.TIF", "roles": ["cloud"]}
    assets["thumbnail"] = {"href": "https://somewhere/thumb.jpeg", "roles": ["thumbnail"]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "LC09_L2SP_152032_20230715_02_T1",
        "geometry": shapely.geometry.mapping(shapely.box(70.18, 40.63, 70.2, 40.64)),
        "bbox": [70.18, 40.63, 70.2, 40.64],
        "properties": {
            "datetime": "2023-07-15T06:07:08.123456Z",
            "platform": "landsat-9",
            "instruments": ["oli", "tirs"],
            "eo:cloud_cover": 12.34,
            "view:sun_azimuth": 136.3,
            "view:sun_elevation": 57.0,
            "proj:epsg": 32642,
            "landsat:correction": "L2SP",
            **properties,
        },
        "links": [],
        "assets": assets,
    }


@pytest.fixture
def loose(tmp_path):
    """Landsat files without their MTL, and what was written into them."""
    product = products.make_landsat(tmp_path, LANDSAT)
    for file in product.folder.glob("*_MTL.*"):
        file.unlink()
    return product


def put(item, path):
    path.write_text(json.dumps(item), encoding="utf-8")
    return path


@pytest.mark.parametrize("scale", [True, False], ids=["stated", "not stated"])
def test_an_item_says_what_its_numbers_mean_where_the_product_does_not(loose, tmp_path, scale):
    path = put(landsat_item(LANDSAT, scale=scale), tmp_path / "item.json")
    (scene,), refused = stac.read(path)
    assert refused == []
    assert list(scene.bands) == ["blue", "green", "red", "nir", "swir1", "swir2", "thermal"]
    expected = np.where(loose.numbers["swir1"] == 0, np.nan, loose.numbers["swir1"] * 2.75e-5 - 0.2)
    np.testing.assert_allclose(scene.reflectance("swir1")["swir1"].to_numpy(), expected, atol=1e-6)
    kelvin = np.where(loose.numbers["thermal"] == 0, np.nan, loose.numbers["thermal"] * 0.00341802 + 149)
    np.testing.assert_allclose(scene.temperature_k().to_numpy(), kelvin, atol=1e-3)
    assert (scene.platform, scene.family, scene.crs) == ("landsat-9", "landsat", "EPSG:32642")
    assert (scene.cloud_share, scene.sun.elevation_deg) == (0.1234, 57.0)
    assert scene.flags("red").to_numpy()[0, 0] & 1  # fill, by the table of QA_PIXEL
    assert any("states no scale" in finding for finding in scene.findings) is not scale


def test_metadata_of_the_product_go_before_those_of_the_item(tmp_path):
    product = products.make_landsat(tmp_path, LANDSAT, add="-0.3")
    (scene,), _ = stac.read(put(landsat_item(LANDSAT), tmp_path / "item.json"))
    assert scene.bands["red"].offset == -0.3
    assert scene.name == LANDSAT
    assert product.folder in {scene.path, scene.path.parent}


def test_bands_of_stac_1_1_are_understood(loose, tmp_path):
    item = landsat_item(LANDSAT) | {"stac_version": "1.1.0"}
    for asset in item["assets"].values():
        if "eo:bands" in asset:
            (eo,), (raster,) = asset.pop("eo:bands"), asset.pop("raster:bands")
            asset["bands"] = [
                {
                    "name": eo["name"],
                    "eo:common_name": eo["common_name"],
                    "nodata": 0,
                    "raster:scale": raster["scale"],
                    "raster:offset": raster["offset"],
                }
            ]
    item["properties"]["proj:code"] = f"EPSG:{item['properties'].pop('proj:epsg')}"
    (scene,), _ = stac.read(put(item, tmp_path / "item.json"))
    assert scene.bands["nir"].offset == -0.2
    assert scene.bands["thermal"].scale == 0.00341802
    assert scene.crs == "EPSG:32642"


def test_items_in_a_catalogue_and_in_a_collection_of_features_are_found(loose, tmp_path):
    item = landsat_item(f"../{LANDSAT}")
    (tmp_path / "items").mkdir()
    put(item, tmp_path / "items" / "one.json")
    links = [{"rel": "item", "href": "./items/one.json"}, {"rel": "root", "href": "./catalog.json"}]
    below = {"type": "Collection", "id": "b", "links": [*links, {"rel": "child", "href": "./catalog.json"}]}
    put(below, tmp_path / "collection.json")
    top = {"type": "Catalog", "id": "a", "links": [{"rel": "child", "href": "./collection.json"}]}
    catalogue = put(top, tmp_path / "catalog.json")
    assert [scene.name for scene in stac.read(catalogue)[0]] == [item["id"]]

    features = {"type": "FeatureCollection", "features": [landsat_item(LANDSAT), landsat_item("missing")]}
    opened, refused = stac.read(put(features, tmp_path / "all.json"))
    assert len(opened) == 1
    ((_, reason),) = refused
    assert "local assets were expected" in reason


def test_an_absolute_name_a_file_address_and_escapes_are_names_of_files(tmp_path):
    product = products.make_landsat(tmp_path / "a b", LANDSAT)
    for file in product.folder.glob("*_MTL.*"):
        file.unlink()
    for folder in (product.folder.as_uri(), str(product.folder), "a%20b/" + LANDSAT):
        item = landsat_item(LANDSAT)
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace(f"./{LANDSAT}", folder)
        (scene,), _ = stac.read(put(item, tmp_path / "item.json"))
        assert np.isfinite(scene.reflectance("red")["red"].to_numpy()).any()


def test_a_scene_from_an_item_survives_the_index(loose, tmp_path):
    path = put(landsat_item(LANDSAT), tmp_path / "item.json")
    found = index.scan([path])
    out = tmp_path / "scenes.gpkg"
    features.write(index.layers(found, tmp_path), out, geometry_types=index.GEOMETRY_TYPES)
    (scene,) = index.load(out)
    assert scene.reflectance("red").equals(found.scenes[0].reflectance("red"))
    assert index.scan([path], previous=out).kept == 1
    loose.file("SR_B4.TIF").touch()
    assert index.scan([path], previous=out).changed == 1


def test_the_second_run_lists_what_a_stac_file_lists_again(loose, tmp_path):
    """Products that lie elsewhere and items that were refused, too: no row of the index tells of them."""
    native = products.make_landsat(tmp_path / "native", "LC09_L2SP_152032_20230731_20230802_02_T1")
    item, remote, delivered = (landsat_item(loose.folder.name) for _ in range(3))
    remote["id"] = "remote"
    for asset in remote["assets"].values():
        asset["href"] = "https://archive.example/" + asset["href"]
    delivered["id"] = native.name
    delivered["assets"] = {"red": {"href": str(native.band_file("red"))}}
    path = put({"type": "FeatureCollection", "features": [item, remote, delivered]}, tmp_path / "all.json")
    out = tmp_path / "scenes.gpkg"
    found = index.scan([path])
    features.write(index.layers(found, tmp_path), out, geometry_types=index.GEOMETRY_TYPES)

    again = index.scan([path], previous=out)

    assert len(found.entries) == 2
    assert [entry.scene.name for entry in again.entries] == [entry.scene.name for entry in found.entries]
    assert again.broken == found.broken
    assert "remote" in again.broken[0].reason
    assert again.vanished == again.elsewhere == ()


def sentinel_item(folder, *, baseline="05.09", offset=-0.1, tif="jp2"):
    """An item as stactools-packages/sentinel2 makes it, of a product without its XML."""
    granule = next(folder.glob("GRANULE/*/IMG_DATA"))
    assets = {}
    for common, band, metres in (
        ("blue", "B02", 10),
        ("red", "B04", 10),
        ("nir", "B08", 10),
        ("nir08", "B8A", 20),
    ):
        (file,) = granule.glob(f"R{metres}m/*_{band}_{metres}m.{tif}")
        assets[common] = {
            "href": file.relative_to(folder.parent).as_posix(),
            "gsd": metres,
            "eo:bands": [{"name": band, "common_name": common}],
            "raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 0.0001}
                             | ({} if offset is None else {"offset": offset})],
            "roles": ["data", "reflectance"],
        }  # fmt: skip
    assets["visual"] = assets["red"] | {
        "eo:bands": [{"name": "B04", "common_name": "red"}, {"name": "B03", "common_name": "green"}],
        "raster:bands": [{"data_type": "uint8"}, {"data_type": "uint8"}],
    }
    (scl,) = granule.glob("R20m/*_SCL_20m.*")
    assets["scl"] = {"href": scl.relative_to(folder.parent).as_posix(), "roles": ["data"]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_T42TWL_20230715T060639_L2A",
        "geometry": shapely.geometry.mapping(shapely.box(69, 41.5, 69.02, 41.55)),
        "properties": {
            "datetime": "2023-07-15T06:06:39Z",
            "platform": "sentinel-2b",
            "instruments": ["msi"],
            "proj:epsg": 32642,
            "s2:processing_baseline": baseline,
        },
        "links": [],
        "assets": assets,
    }


@pytest.fixture
def cut_safe(tmp_path):
    """Bands of a Sentinel-2 product in a folder that is no .SAFE any more."""

    def make(added):
        bands = safe.numbers(safe.reflectance("plants", "soil", "water"), offset=added)
        folder = safe.make(tmp_path, bands, xml=False, tile_metadata=False)
        return folder.rename(tmp_path / "downloaded")

    return make


def test_the_offset_of_sentinel_2_follows_from_baseline_and_pixels_not_from_the_item(cut_safe, tmp_path):
    folder = cut_safe(-1000)
    (scene,), refused = stac.read(put(sentinel_item(folder, offset=None), tmp_path / "item.json"))
    assert refused == []
    assert scene.bands["red"].offset == pytest.approx(-0.1)
    assert scene.bands["nir"].resolution_m == 10  # the finer of two near infrareds
    assert "green" not in scene.bands  # that of a picture is none
    assert scene.quality is not None
    (scene,), _ = stac.read(put(sentinel_item(folder, offset=0), tmp_path / "item.json"))
    assert scene.bands["red"].offset == pytest.approx(-0.1)
    assert any("which its pixels contradict" in finding for finding in scene.findings)


def test_an_item_of_sentinel_2_without_scales_has_those_of_the_products(cut_safe, tmp_path):
    """The Planetary Computer's items state neither scale nor offset."""
    item = sentinel_item(cut_safe(-1000))
    for asset in item["assets"].values():
        asset.pop("raster:bands", None)
    del item["assets"]["visual"]
    (scene,), refused = stac.read(put(item, tmp_path / "item.json"))
    assert refused == []
    assert (scene.bands["red"].scale, scene.bands["red"].offset) == pytest.approx((1e-4, -0.1))
    reflectance = scene.reflectance("red")["red"]
    assert 0 < float(reflectance.median()) < 0.5
    assert [told for told in scene.findings if "no scale" in told] == [
        "The item states no scale of blue, red, nir; 0.0001 was taken."
    ]


def test_an_item_whose_baseline_the_pixels_contradict_is_refused(cut_safe, tmp_path):
    """Some archives have subtracted the offset and kept baseline and flag."""
    path = put(sentinel_item(cut_safe(0)), tmp_path / "item.json")
    opened, ((_, reason),) = stac.read(path)
    assert opened == []
    assert "is not known" in reason


# --- read: what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "href", ["https://x.y/red.tif", "s3://bucket/red.tif", "/vsicurl/https://x.y/red.tif"]
)
def test_assets_in_the_network_are_refused_in_a_sentence(tmp_path, href):
    item = landsat_item(LANDSAT)
    item["assets"] = {"red": item["assets"]["red"] | {"href": href}}
    opened, ((name, reason),) = stac.read(put(item, tmp_path / "item.json"))
    assert opened == []
    assert name == item["id"]
    assert f"found {href}); local assets were expected" in reason
    with pytest.raises(BadInput, match="local assets were expected"):
        index.scenes(tmp_path / "item.json")


def test_level_1_is_refused_with_the_way_out(loose, tmp_path):
    item = landsat_item(LANDSAT, **{"landsat:correction": "L1TP"})
    _, ((_, reason),) = stac.read(put(item, tmp_path / "item.json"))
    assert "Level-2 was expected" in reason


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"assets": {"other": {"href": f"./{LANDSAT}/{LANDSAT}_QA_PIXEL.TIF"}}}, "Name them in the item"),
        ({"properties": {"datetime": None, "platform": "landsat-9"}}, "a moment was expected"),
        ({"properties": {"datetime": "yesterday", "platform": "landsat-9"}}, "a moment was expected"),
        ({"geometry": None}, "no STAC item of a scene|no footprint"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "no footprint"),
        ({"assets": {"red": {}}}, "no STAC item of a scene"),
        ({"assets": None}, "no STAC item of a scene"),
        ({"properties": []}, "no STAC item of a scene"),
    ],
)
def test_items_that_lack_something_are_refused_one_by_one(loose, tmp_path, change, match):
    features = [landsat_item(LANDSAT) | change, landsat_item(LANDSAT)]
    path = put({"type": "FeatureCollection", "features": features}, tmp_path / "all.json")
    opened, refused = stac.read(path)
    assert len(opened) == 1
    assert re.search(match, refused[0][1])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "cannot be read as JSON"),
        ('{"type": "Feature", "id"', "cannot be read as JSON"),
        ("[1, 2]", "holds a list"),
        ("{}", "has no type"),
        ('{"type": "Topology"}', "has no type|no STAC"),
        ('{"type": "FeatureCollection", "features": []}', "lists no items"),
        (
            '{"type": "Catalog", "links": [{"rel": "item", "href": "https://x.y/a.json"}]}',
            "only STAC files on the disk",
        ),
        ('{"type": "Catalog", "links": [{"rel": "item", "href": "./none.json"}]}', "does not exist"),
    ],
)
def test_what_is_no_stac_is_refused(tmp_path, text, match):
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=match):
        stac.read(path)


@pytest.mark.real
def test_real_items_of_the_usgs_are_read_once_their_files_are_there(real_data, tmp_path):
    """Items of STAC 0.7 as they lie beside every Landsat product, with bands by their number in a list."""
    for kind in ("SR", "ST"):
        path = real_data / "archive" / f"LC08_L2SP_008059_20191201_20200825_02_T1_{kind}_stac.json"
        opened, ((_, reason),) = stac.read(path)
        assert opened == []
        assert "local assets were expected" in reason

    path = real_data / "archive" / "LC08_L2SP_008059_20191201_20200825_02_T1_SR_stac.json"
    item = json.loads(path.read_text(encoding="utf-8"))
    for asset in item["assets"].values():
        asset["href"] = asset["href"].rpartition("/")[2]
    numbers = np.random.default_rng(1).integers(8000, 20000, (20, 30), dtype=np.uint16)
    for number in range(1, 8):
        products.write_tiff(tmp_path / f"{item['id']}_SR_B{number}.TIF", numbers + number, nodata=0)
    products.write_tiff(tmp_path / f"{item['id']}_QA_PIXEL.TIF", np.full_like(numbers, 21824))
    (scene,), refused = stac.read(put(item, tmp_path / "item.json"))
    assert refused == []
    assert (scene.platform, scene.time.date().isoformat()) == ("landsat-8", "2019-12-01")
    assert scene.cloud_share == pytest.approx(0.8102)
    assert {name: band.native for name, band in scene.bands.items()} == {
        "blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir": "SR_B5", "swir1": "SR_B6", "swir2": "SR_B7",
    }  # fmt: skip
    np.testing.assert_allclose(
        scene.reflectance("swir1")["swir1"].to_numpy(), (numbers + 6) * 2.75e-5 - 0.2, atol=1e-6
    )
    assert (scene.flags("red") == 0).all()
