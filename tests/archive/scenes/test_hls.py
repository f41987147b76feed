"""HLS v2.0: two kinds of granules with names of their own, loose in one folder, described by their tags."""

import datetime as dt
import shutil

import numpy as np
import pytest

from bluepeace_gis.archive.scenes import find, open_scene
from bluepeace_gis.archive.scenes import hls as sensor
from bluepeace_gis.archive.scenes.scene import Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

L30 = "HLS.L30.T42TXL.2021168T055857.v2.0"
S30 = "HLS.S30.T42TXL.2021169T061629.v2.0"
BANDS = {
    "L30": ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B10", "B11"],
    "S30": ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"],
}
# Tags as real granules have them: those of the scenes a granule was made of, separated by semicolons.
TAGS = {
    "L30": {
        "LANDSAT_PRODUCT_ID": "LC08_L1TP_153032_20210617_20210617_02_RT; LC08_L1TP_153031_20210617_02_RT",
        "SENSING_TIME": "2021-06-17T05:59:21.0713400Z; 2021-06-17T05:58:57.1843610Z",
        "MEAN_SUN_AZIMUTH_ANGLE": "129.5; 130.5",
        "MEAN_SUN_ZENITH_ANGLE": "24.25; 24.75",
        "cloud_coverage": "13",
        "spatial_coverage": "74",
        "SENSOR": "OLI_TIRS; OLI_TIRS",
    },
    "S30": {
        "PRODUCT_URI": "S2B_MSIL1C_20210618T061629_N0300_R034_T42TXL_20210618T082035.SAFE",
        "SENSING_TIME": "2021-06-18T06:24:06.123Z",
        "MEAN_SUN_AZIMUTH_ANGLE": "141.25",
        "MEAN_SUN_ZENITH_ANGLE": "19.5",
        "cloud_coverage": "2",
        "spatial_coverage": "100",
    },
}


@pytest.fixture
def granule(tmp_path, tiff):
    """Write a granule; gives what was written into each band."""

    def make(name=L30, folder=tmp_path / "hls", **tags):
        folder.mkdir(exist_ok=True)
        kind = name[4:7]
        random = np.random.default_rng(7)
        written = {}
        for band in BANDS[kind]:
            values = random.integers(-50, 9000, (40, 50)).astype(np.int16)
            values[:4] = -9999
            written[band] = values
            scale = 0.01 if kind == "L30" and band in {"B10", "B11"} else 0.0001
            tiff(folder / f"{name}.{band}.tif", values, nodata=-9999, scales=[scale], tags=TAGS[kind] | tags)
        fmask = random.integers(0, 64, (40, 50)).astype(np.uint8) | np.uint8(0b0100_0000)
        fmask[:4] = 255
        written["Fmask"] = fmask
        tiff(folder / f"{name}.Fmask.tif", fmask, nodata=255, tags=TAGS[kind] | tags)
        (folder / f"{name}.cmr.xml").write_text("<Granule/>")
        return folder / f"{name}.Fmask.tif", written

    return make


def test_a_granule_of_landsat_says_what_it_is(granule):
    path, _ = granule(L30)

    scene = open_scene(path)

    assert (scene.name, scene.path, scene.family) == (L30, path, "hls")
    assert (scene.platform, scene.instrument) == ("landsat-8", "oli")
    assert scene.time == dt.datetime(2021, 6, 17, 5, 59, 21, 71340, tzinfo=dt.UTC)
    assert scene.overpass == "landsat-8 2021-06-17"
    assert scene.crs == "EPSG:32642"
    assert scene.cloud_share == pytest.approx(0.13)
    assert scene.baseline == "2.0"
    assert scene.sun == Sun(130.0, 90 - 24.5)
    assert scene.findings == ()
    left, bottom, right, top = scene.footprint.bounds
    assert 70.1 < left < right < 70.3
    assert 40.5 < bottom < top < 40.7


# HLS v2.0 User Guide, table 3
@pytest.mark.parametrize(
    ("name", "natives"),
    [
        (L30, {"blue": "B02", "green": "B03", "red": "B04", "nir": "B05", "swir1": "B06", "swir2": "B07",
               "thermal": "B10"}),
        (S30, {"blue": "B02", "green": "B03", "red": "B04", "nir": "B8A", "swir1": "B11", "swir2": "B12"}),
    ],
)  # fmt: skip
def test_the_same_names_are_different_bands_in_both_kinds(granule, name, natives):
    path, written = granule(name)
    scene = open_scene(path)
    assert {common: band.native for common, band in scene.bands.items()} == natives
    for common, native in natives.items():
        np.testing.assert_array_equal(scene.numbers(common), written[native])
        if common != "thermal":
            expected = (written[native].astype(float) * 1e-4).astype(np.float32)
            expected[written[native] == -9999] = np.nan
            np.testing.assert_array_equal(scene.reflectance(common)[common], expected)


def test_thermal_is_hundredths_of_a_degree_celsius_and_becomes_kelvin(granule):
    path, written = granule(L30)
    kelvin = open_scene(path).temperature_k().to_numpy()
    expected = (written["B10"].astype(float) * 0.01 + 273.15).astype(np.float32)
    expected[written["B10"] == -9999] = np.nan
    np.testing.assert_array_equal(kelvin, expected)


def test_every_code_of_fmask_means_what_its_bits_say(granule):
    path, written = granule(S30)
    scene = open_scene(path)
    names = ["CIRRUS", "CLOUD", "DILATED_CLOUD", "SHADOW", "SNOW", "WATER"]
    for code in range(255):
        expected = sum(int(Flag[name]) for bit, name in enumerate(names) if code & (1 << bit))
        assert scene.quality.flags[code] == expected, code
    assert scene.quality.flags[255] == Flag.FILL
    np.testing.assert_array_equal(scene.flags(), scene.quality.flags[written["Fmask"]])
    assert scene.quality.flags[scene.quality.fill_code] == Flag.FILL


@pytest.mark.parametrize(
    ("name", "tags", "satellite"),
    [
        (L30, {"LANDSAT_PRODUCT_ID": "LC09_L1TP_153032_20230617_20230617_02_T1"}, ("landsat-9", "oli-2")),
        (L30, {"LANDSAT_PRODUCT_ID": ""}, ("landsat", "oli")),
        (S30, {}, ("sentinel-2b", "msi")),
        (S30, {"PRODUCT_URI": "S2A_MSIL1C_2021"}, ("sentinel-2a", "msi")),
        (S30, {"PRODUCT_URI": "S2C_MSIL1C_2025"}, ("sentinel-2c", "msi")),
        (S30, {"PRODUCT_URI": "?"}, ("sentinel-2", "msi")),
    ],
)
def test_the_satellite_stands_in_the_tags(granule, name, tags, satellite):
    path, _ = granule(name, **tags)
    assert (open_scene(path).platform, open_scene(path).instrument) == satellite


def test_without_tags_the_name_gives_the_time_and_the_sun_is_not_known(granule):
    path, _ = granule(L30, SENSING_TIME="", MEAN_SUN_ZENITH_ANGLE="", cloud_coverage="NaN")
    scene = open_scene(path)
    assert scene.time == dt.datetime(2021, 6, 17, 5, 58, 57, tzinfo=dt.UTC)
    assert scene.sun is None
    assert scene.cloud_share is None


def test_any_file_opens_its_granule_and_granules_in_one_folder_are_told_apart(granule, tmp_path):
    first, written = granule(L30)
    second, _ = granule(S30)
    folder = first.parent
    assert list(find(folder)) == [first, second]
    scene = open_scene(folder / f"{L30}.B03.tif")
    assert (scene.name, scene.path) == (L30, first)
    np.testing.assert_array_equal(scene.numbers("green"), written["B03"])
    assert list(find([folder / f"{L30}.B03.tif", folder / f"{L30}.B04.tif", folder])) == [first, second]
    with pytest.raises(BadInput, match=r"holds 2 HLS granules .*Name a file of one of them"):
        open_scene(folder)


def test_a_folder_or_an_archive_of_one_granule_opens(granule, tar):
    path, written = granule(L30)
    for place in (path.parent, tar(path.parent)):
        scene = open_scene(place)
        assert scene.name == L30
        np.testing.assert_array_equal(scene.numbers("red"), written["B04"])


def test_missing_bands_are_findings(granule):
    path, _ = granule(L30)
    for band in ("B02", "B04", "Fmask"):
        (path.parent / f"{L30}.{band}.tif").unlink()
    (path.parent / f"{L30}.B05.tif").write_bytes(b"")
    assert list(find(path.parent)) == [path.parent / f"{L30}.B01.tif"]
    scene = open_scene(path.parent / f"{L30}.B03.tif")
    assert list(scene.bands) == ["green", "swir1", "swir2", "thermal"]
    assert scene.quality is None
    assert scene.findings == (
        f"The file of the band blue, {L30}.B02.tif, is missing.",
        f"The file of the band red, {L30}.B04.tif, is missing.",
        f"The file of the band nir, {L30}.B05.tif, is empty.",
        "The file Fmask is missing, so clouds, shadow and snow are not known.",
    )


def test_a_granule_without_bands_is_told(granule):
    path, _ = granule(L30)
    for file in path.parent.glob("*.B*.tif"):
        file.unlink()
    with pytest.raises(BadInput, match="has none of the bands of"):
        open_scene(path)


def test_a_damaged_header_is_told(granule):
    path, _ = granule(L30)
    (path.parent / f"{L30}.B02.tif").write_bytes(b"II*\0" + b"\xff" * 100)
    with pytest.raises(BadInput, match=r"B02\.tif cannot be read"):
        open_scene(path)


def test_an_older_version_is_refused(granule, tmp_path):
    path, _ = granule(L30)
    old = tmp_path / "old"
    old.mkdir()
    for file in path.parent.iterdir():
        shutil.copy(file, old / file.name.replace("v2.0", "v1.5"))
    with pytest.raises(BadInput, match=r"HLS version 1\.5, whose Fmask means something else"):
        open_scene(old)


def test_a_day_of_the_year_that_is_none_is_told(granule):
    path, _ = granule("HLS.S30.T42TXL.2021400T061629.v2.0", SENSING_TIME="")
    with pytest.raises(BadInput, match="is dated 2021400T061629; a year, a day of the year"):
        open_scene(path)


def test_the_grid_is_that_of_the_file(granule):
    path, _ = granule(L30)
    scene = open_scene(path)
    assert Grid.of(scene.reflectance("red").red).same_as(scene.grid())
    assert scene.grid().shape == (40, 50)


def test_names_of_others_are_no_granules():
    assert sensor.product_of("HLS.L30.T42TXL.2021168T055857.v2.0.B02.tif") == L30
    assert sensor.product_of("a/b/HLS.S30.T42TXL.2021169T061629.v2.0.cmr.xml") == S30
    for name in ("HLS.L30.tif", "HLS.X30.T42TXL.2021168T055857.v2.0.B02.tif", "LC09.tif"):
        assert sensor.product_of(name) is None
