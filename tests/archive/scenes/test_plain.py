"""Plain GeoTIFFs: described by the caller, by a small file beside them, or by their tags, in this order."""

import datetime as dt
import json

import numpy as np
import pytest
from affine import Affine

from bluepeace_gis.archive.scenes import open_scene, plain
from bluepeace_gis.archive.scenes.scene import Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag

NOON = dt.datetime(2023, 7, 15, 6, 10, tzinfo=dt.UTC)
DATE = {"TIFFTAG_DATETIME": "2021:08:03 05:50:01"}
VALUES = np.arange(1, 61, dtype=np.uint16).reshape(3, 4, 5)
FULL = {
    "time": "2023-07-15T09:10:00+03:00",
    "bands": {
        "green": 2,
        "swir1": {"file": "swir.tif", "band": 1, "scale": 0.001, "offset": -0.1, "nodata": 7},
    },
    "scale": 0.0001,
    "nodata": 60,
    "sun": {"azimuth_deg": 136.3, "elevation_deg": 57.1},
    "name": "resurs 5",
    "platform": "resurs-p",
    "instrument": "geoton",
    "overpass": "resurs-p orbit 5",
    "cloud_share": 0.02,
    "baseline": "1.4",
    "quality": {"file": "mask.tif", "flags": {"0": "FILL", "2": "CLOUD", "3": ["SHADOW", "WATER"], "5": []}},
}


@pytest.fixture
def scene_file(tmp_path, tiff):
    def make(name="scene.tif", sidecar=None, values=VALUES, **more):
        path = tiff(tmp_path / name, values, **more)
        if sidecar is not None:
            text = sidecar if isinstance(sidecar, str) else json.dumps(sidecar)
            (tmp_path / f"{path.stem}.scene.json").write_text(text, encoding="utf-8")
        return path

    return make


def test_band_descriptions_tags_and_the_time_of_the_caller_are_enough(scene_file):
    path = scene_file(
        descriptions=("Green", "Near-Infrared", "SWIR 1"),
        scales=[0.1, 0.2, 0.3],
        offsets=[0.0, -1.0, 0.5],
        nodata=1,
    )

    scene = open_scene(path, time=dt.datetime(2023, 7, 15, 6, 10))  # noqa: DTZ001  # UTC is what is meant

    assert (scene.name, scene.path, scene.family) == ("scene", path, "plain")
    assert (scene.platform, scene.instrument) == ("unknown", "unknown")
    assert scene.time == NOON
    assert scene.overpass == "unknown 2023-07-15"
    assert scene.crs == "EPSG:32642"
    assert (scene.cloud_share, scene.baseline, scene.sun, scene.quality) == (None, None, None, None)
    assert scene.findings == ()
    assert [(band.name, band.native, band.position) for band in scene.bands.values()] == [
        ("green", "Green", 1),
        ("nir", "Near-Infrared", 2),
        ("swir1", "SWIR 1", 3),
    ]
    assert scene.bands["nir"].resolution_m == 30
    expected = (
        VALUES * np.array([0.1, 0.2, 0.3])[:, None, None] + np.array([0, -1, 0.5])[:, None, None]
    ).astype("f4")
    expected[VALUES == 1] = np.nan
    read = scene.reflectance("green", "nir", "swir1")
    for place, name in enumerate(read):
        np.testing.assert_array_equal(read[name], expected[place])
    assert (scene.flags().to_numpy() > 0).tolist() == (VALUES[0] == 1).tolist()


def test_positions_count_from_1_and_outweigh_descriptions(scene_file):
    path = scene_file(descriptions=("green", "red", "nir"))
    sun = Sun(120.0, 40.0)
    scene = open_scene(path, bands={"green": 2, "swir1": 3}, time=NOON, sun=sun)
    np.testing.assert_array_equal(scene.numbers("green"), VALUES[1])
    np.testing.assert_array_equal(scene.numbers("swir1"), VALUES[2])
    assert list(scene.bands) == ["green", "swir1"]
    assert scene.sun == sun


def test_a_file_beside_it_describes_everything(scene_file, tmp_path, tiff):
    path = scene_file(sidecar=FULL, tags=DATE)
    swir = np.array([[7, 107], [207, 307]], np.uint16)
    tiff(tmp_path / "swir.tif", swir, cell=60.0)
    mask = np.array([[0, 1, 2, 3, 5]] * 4, np.uint8)
    tiff(tmp_path / "mask.tif", mask, nodata=5)

    scene = open_scene(path)

    assert scene.time == NOON
    assert (scene.name, scene.platform, scene.instrument) == ("resurs 5", "resurs-p", "geoton")
    assert (scene.overpass, scene.cloud_share, scene.baseline) == ("resurs-p orbit 5", 0.02, "1.4")
    assert scene.sun == Sun(136.3, 57.1)
    assert scene.findings == ()
    assert scene.bands["green"].scale == 0.0001
    assert scene.bands["green"].nodata == 60
    np.testing.assert_array_equal(scene.reflectance("green").green, (VALUES[1] * 1e-4).astype(np.float32))
    np.testing.assert_array_equal(
        scene.reflectance("swir1").swir1, np.array([[np.nan, 0.007], [0.107, 0.207]]).astype(np.float32)
    )
    codes = [Flag.FILL, 0, Flag.CLOUD, Flag.SHADOW | Flag.WATER, 0]  # 5 is listed as clear, though tagged
    assert scene.flags("green").to_numpy()[0].tolist() == codes

    taken = open_scene(path, bands={"red": 1}, time=dt.datetime(2020, 1, 1, tzinfo=dt.UTC), sun=Sun(1.0, 2.0))
    assert (list(taken.bands), taken.time.year, taken.sun) == (["red"], 2020, Sun(1.0, 2.0))


def test_the_nodata_of_the_quality_file_is_fill(scene_file, tmp_path, tiff):
    tiff(tmp_path / "mask.tif", np.array([[0, 255, 2, 3, 5]] * 4, np.uint8), nodata=255)
    path = scene_file(
        sidecar=FULL | {"bands": {"green": 2}, "quality": {"file": "mask.tif", "flags": {"2": "SNOW"}}}
    )
    assert open_scene(path).flags("green").to_numpy()[0].tolist() == [0, Flag.FILL, Flag.SNOW, 0, 0]


def test_quality_codes_of_16_bits(scene_file, tmp_path, tiff):
    tiff(tmp_path / "mask.tif", np.array([[0, 40_000, 2, 3, 5]] * 4, np.uint16))
    path = scene_file(
        sidecar=FULL | {"bands": {"green": 2}, "quality": {"file": "mask.tif", "flags": {"40000": "SNOW"}}}
    )
    assert open_scene(path).flags("green").to_numpy()[0].tolist() == [0, Flag.SNOW, 0, 0, 0]


def test_a_description_alone_has_a_file_for_each_band(tmp_path, tiff):
    for name in ("a", "b"):
        tiff(tmp_path / f"{name}.tif", VALUES[0] if name == "a" else VALUES[1])
    path = tmp_path / "two.scene.json"
    path.write_text(
        json.dumps({"time": "2023-07-15", "bands": {"red": {"file": "a.tif"}, "nir": {"file": "b.tif"}}})
    )
    scene = open_scene(path)
    assert scene.name == "two"
    np.testing.assert_array_equal(scene.numbers("nir"), VALUES[1])
    path.write_text(json.dumps({"time": "2023-07-15", "bands": {"red": 1}}))
    with pytest.raises(BadInput, match="names no file, and there is no GeoTIFF of that name"):
        open_scene(path)
    path.write_text(json.dumps({"time": "2023-07-15"}))
    with pytest.raises(BadInput, match="names no bands, and there is no GeoTIFF of its name"):
        open_scene(path)


def test_the_description_of_a_geotiff_opens_it_too(scene_file, tmp_path):
    scene_file(sidecar={"time": "2023-07-15T06:10", "bands": {"red": 1}})
    assert open_scene(tmp_path / "scene.scene.json").time == NOON


def test_the_date_of_the_tags_counts_last_and_with_a_finding(scene_file):
    scene = open_scene(scene_file(descriptions=("red", "nir", ""), tags=DATE))
    assert scene.time == dt.datetime(2021, 8, 3, 5, 50, 1, tzinfo=dt.UTC)
    assert scene.findings == (
        "Its time is that of TIFFTAG_DATETIME, which some programs set to when they wrote the file.",
    )
    assert open_scene(scene_file(descriptions=("red", "nir", ""), tags=DATE), time=NOON).findings == ()


@pytest.mark.parametrize("date", ["", "0000:00:00 00:00:00", "yesterday", "2021:13:03 05:50:01"])
def test_without_a_time_it_is_an_error_with_the_way_out(scene_file, date):
    path = scene_file(descriptions=("red", "nir", ""), tags={"TIFFTAG_DATETIME": date})
    with pytest.raises(
        BadInput, match=r"when it was taken.*--time 2023.*or write it into a scene\.scene\.json"
    ):
        open_scene(path)


def test_without_known_bands_it_is_an_error_with_the_way_out(scene_file):
    path = scene_file(descriptions=("one", "", "B3"), tags=DATE)
    with pytest.raises(
        BadInput, match=r"which of its 3 bands is which \(descriptions: 'one', None, 'B3'\).*--bands green=2"
    ):
        open_scene(path)


def test_two_bands_of_one_name_are_an_error(scene_file):
    path = scene_file(descriptions=("nir", "NIR", ""), tags=DATE)
    with pytest.raises(BadInput, match=r"bands 1 and 2 both as nir; one was expected.*--bands nir=2"):
        open_scene(path)


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        ({"grün": 1}, "Found the band grün, expected names among blue"),
        ({"green": 4}, "has no band 4: bands 1 to 3 were expected"),
        ({"green": 0}, "has no band 0: bands 1 to 3 were expected"),
    ],
)
def test_wrong_positions_and_names_are_told(scene_file, bands, said):
    with pytest.raises(BadInput, match=said):
        open_scene(scene_file(), bands=bands, time=NOON)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tiem": "2023"}, "tiem is wrong .*Known are: time, bands, scale"),
        ({"time": "soon"}, "time is wrong"),
        ({"bands": {"green": 0}}, "bands.green.* is wrong"),
        ({"bands": {"green": "two"}}, "bands.green.* is wrong"),
        ({"bands": {"grren": 1}}, "Found the band grren, expected names among"),
        ({"bands": {"green": 4}}, "has no band 4"),
        ({"bands": {"green": {"file": "gone.tif"}}}, r"gone\.tif: the file of the band green is not there"),
        ({"scale": 0, "bands": {"green": 1}}, "the scale of the band green is 0"),
        ({"scale": "NaN"}, "scale is wrong"),
        ({"sun": {"azimuth_deg": 100, "elevation_deg": -5}}, "sun.elevation_deg is wrong"),
        ({"sun": {"azimuth_deg": 100}}, "sun.elevation_deg is wrong"),
        ({"cloud_share": 12}, "cloud_share is wrong"),
        ({"quality": {"file": "mask.tif", "flags": {}}}, "quality.flags is wrong"),
        ({"quality": {"file": "no.tif", "flags": {"1": "CLOUD"}}}, r"no\.tif, the file of the quality codes"),
        (
            {"quality": {"file": "mask.tif", "flags": {"1": "CLOUDS"}}},
            "the code 1 means CLOUDS; .*among FILL",
        ),
        ({"quality": {"file": "mask.tif", "flags": {"256": "CLOUD"}}}, "the code 256 .*from 0 to 255"),
        ({"quality": {"file": "mask.tif", "flags": {"-1": "CLOUD"}}}, "the code -1"),
        ({"quality": {"file": "mask.tif", "band": 2, "flags": {"1": "CLOUD"}}}, "has no band 2"),
    ],
)
def test_a_wrong_description_is_told_by_its_place(scene_file, tmp_path, tiff, change, said):
    tiff(tmp_path / "mask.tif", np.zeros((4, 5), np.uint8))
    good = {"time": "2023-07-15T06:10:00Z", "bands": {"green": 2}}
    assert open_scene(scene_file(sidecar=good)).time == NOON
    with pytest.raises(BadInput, match=said):
        open_scene(scene_file(sidecar=good | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"time": NaN}', "\x00"])
def test_a_description_that_is_no_json_is_told(scene_file, text):
    with pytest.raises(BadInput, match=r"scene\.scene\.json.*(cannot be read as JSON|is wrong)"):
        open_scene(scene_file(sidecar=text))


@pytest.mark.parametrize("name", ["scene.img", "scene.txt", "scene.jp2"])
def test_other_files_are_told_to_be_no_scene(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(BadInput, match="does not exist"):
        open_scene(path)
    path.write_bytes(b"x")
    with pytest.raises(BadInput, match=rf"no scene that is known.*gdal_translate {name} scene\.tif"):
        open_scene(path)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"<html>", b"II*\0" + b"\xff" * 500])
def test_a_damaged_geotiff_is_told(tmp_path, content):
    path = tmp_path / "x.tif"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"x\.tif cannot be read"):
        open_scene(path, bands={"red": 1}, time=NOON)


def test_a_grid_in_degrees_has_a_resolution_in_metres_and_a_footprint(scene_file):
    path = scene_file(left=70.0, top=40.0, cell=0.001, crs="EPSG:4326")
    scene = open_scene(path, bands={"red": 1}, time=NOON)
    assert scene.bands["red"].resolution_m == pytest.approx(111.2, abs=0.1)  # along the meridian
    assert scene.footprint.bounds == pytest.approx((70, 39.996, 70.005, 40))
    assert scene.crs == "EPSG:4326"


def test_a_grid_in_feet_has_a_resolution_in_metres(scene_file):
    scene = open_scene(scene_file(crs="EPSG:2264", left=1_500_000, top=600_000), bands={"red": 1}, time=NOON)
    assert scene.bands["red"].resolution_m == pytest.approx(30 * 1200 / 3937)


def test_a_rotated_scene_has_the_footprint_of_its_corners(scene_file):
    turned = Affine(30, 0, 600_000, 0, -30, 4_500_000) @ Affine.rotation(30)
    scene = open_scene(scene_file(transform=turned), bands={"red": 1}, time=NOON)
    assert len(scene.footprint.exterior.coords) > 4
    assert scene.footprint.area < scene.footprint.envelope.area * 0.7


def test_what_stands_for_a_scene_in_a_folder(scene_file, tmp_path):
    described = scene_file("a.tif", sidecar={"time": "2023-07-15", "bands": {"red": 1}})
    tagged = scene_file("b.tif", descriptions=("red", "nir", ""), tags=DATE)
    undated = scene_file("c.tif", descriptions=("red", "nir", ""))
    nameless = scene_file("d.tif", tags=DATE)
    broken = tmp_path / "e.tif"
    broken.write_bytes(b"II*\0")
    alone = tmp_path / "f.scene.json"
    alone.write_text("{}")
    files = {path.name for path in tmp_path.iterdir()}
    standing = [path for path in sorted(tmp_path.iterdir()) if plain.is_described(path, files)]
    assert standing == [described, tagged, alone]  # a.scene.json does not: a.tif stands for it
    assert {undated, nameless, broken}.isdisjoint(standing)
