"""Landsat Collection 2 Level-2: three kinds of MTL, four sensors, and every way a product can be lacking."""

import datetime as dt
import json
import shutil

import numpy as np
import pytest
import rasterio
from shapely import Polygon

from bluepeace_gis.archive.scenes import find, open_scene
from bluepeace_gis.archive.scenes import landsat as sensor
from bluepeace_gis.archive.scenes.containers import Container
from bluepeace_gis.archive.scenes.scene import Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag

OLI_2 = "LC09_L2SP_152032_20230715_20230717_02_T1"
ETM = "LE07_L2SP_152032_20100109_20200911_02_T1"
TM = "LT05_L2SP_152032_20090621_20200827_02_T1"
OLI_SR = "LC08_L2SR_152032_20160111_20201016_02_T2"
RESCALING = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
REAL = "LC08_L2SP_008059_20191201_20200825_02_T1"


def test_a_scene_says_what_it_is(landsat):
    made = landsat(OLI_2)

    scene = open_scene(made.folder)

    assert scene.name == OLI_2
    assert scene.path == made.folder
    assert (scene.family, scene.platform, scene.instrument) == ("landsat", "landsat-9", "oli-2")
    assert scene.time == dt.datetime(2023, 7, 15, 6, 7, 8, 123456, tzinfo=dt.UTC)
    assert scene.overpass == "landsat-9 path 152 2023-07-15"
    assert scene.crs == "EPSG:32642"
    assert scene.footprint.equals(
        Polygon([(70.18257, 40.64481), (70.20487, 40.64456), (70.20465, 40.63187), (70.18236, 40.63212)])
    )
    assert scene.cloud_share == pytest.approx(0.1234)
    assert scene.baseline == "LPGS_16.2.0"
    assert scene.sun == Sun(136.31696044, 57.08727307)
    assert scene.findings == ()
    assert list(scene.bands) == ["blue", "green", "red", "nir", "swir1", "swir2", "thermal"]


# Landsat 8-9 and 4-7 Collection 2 Level 2 Science Product Guides (LSDS-1619, LSDS-1618): names of the files.
@pytest.mark.parametrize(
    ("name", "platform", "instrument", "natives"),
    [
        (OLI_2, "landsat-9", "oli-2", "SR_B2 SR_B3 SR_B4 SR_B5 SR_B6 SR_B7 ST_B10"),
        (ETM, "landsat-7", "etm+", "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7 ST_B6"),
        (TM, "landsat-5", "tm", "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7 ST_B6"),
        (OLI_SR, "landsat-8", "oli", "SR_B2 SR_B3 SR_B4 SR_B5 SR_B6 SR_B7"),
    ],
)
def test_bands_of_each_sensor_come_from_their_own_files(landsat, name, platform, instrument, natives):
    made = landsat(name)

    scene = open_scene(made.folder)

    assert (scene.platform, scene.instrument) == (platform, instrument)
    assert " ".join(band.native for band in scene.bands.values()) == natives
    assert scene.findings == ()  # L2SR has no thermal band and lacks none
    for band, numbers in made.numbers.items():
        np.testing.assert_array_equal(scene.numbers(band), numbers)
        assert scene.bands[band].source.endswith(f"_{scene.bands[band].native}.TIF")
        assert scene.bands[band].resolution_m == 30


@pytest.mark.parametrize("name", [OLI_2, ETM, TM, OLI_SR])
def test_json_xml_and_txt_give_the_same_scene(landsat, name):
    made = landsat(name)
    scenes = []
    for kind in ("json", "xml", "txt"):
        for other in {"json", "xml", "txt"} - {kind}:
            made.file(f"MTL.{other}").rename(made.file(f"MTL.{other}.off"))
        scenes.append(open_scene(made.folder))
        for other in {"json", "xml", "txt"} - {kind}:
            made.file(f"MTL.{other}.off").rename(made.file(f"MTL.{other}"))
    assert scenes[0] == scenes[1] == scenes[2]


@pytest.mark.parametrize("kind", ["json", "xml", "txt"])
def test_scale_and_offset_come_from_level_2_of_the_mtl(landsat, kind):
    """Not from the same names in the group of Level 1, nor from what they usually are."""
    made = landsat(OLI_2, kinds=(kind,), add="-0.15")
    red = open_scene(made.folder).bands["red"]
    assert (red.scale, red.offset, red.nodata) == (2.75e-05, -0.15, 0.0)


def test_thermal_is_kelvin(landsat):
    made = landsat(OLI_2)
    kelvin = open_scene(made.folder).temperature_k()
    expected = (made.numbers["thermal"] * 0.00341802 + 149.0).astype(np.float32)
    expected[made.numbers["thermal"] == 0] = np.nan
    np.testing.assert_array_equal(kelvin, expected)
    assert kelvin.attrs["units"] == "K"


@pytest.mark.parametrize("inside", ["", "./", f"{OLI_2}/", "a/b/"])
def test_a_tar_gives_what_its_folder_gives(landsat, tar, inside):
    made = landsat(OLI_2)
    folder, packed = open_scene(made.folder), open_scene(tar(made.folder, inside=inside))

    for quantity in ("name", "time", "footprint", "cloud_share", "crs", "overpass", "sun", "findings"):
        assert getattr(folder, quantity) == getattr(packed, quantity)
    assert packed.path == made.folder.with_name(OLI_2 + ".tar")
    assert packed.grid().same_as(folder.grid())
    assert packed.reflectance().equals(folder.reflectance())
    assert packed.flags().equals(folder.flags())


def test_files_in_small_letters_are_the_same_files(landsat):
    made = landsat(OLI_2)
    for file in list(made.folder.glob("*.TIF")):
        file.rename(file.with_suffix(".tif"))
    assert open_scene(made.folder).findings == ()


def test_a_product_among_files_of_others_is_opened_by_any_of_its_files(landsat, tmp_path):
    one, two = landsat(OLI_2), landsat(ETM)
    flat = tmp_path / "flat"
    flat.mkdir()
    for made in (one, two):
        for file in made.folder.iterdir():
            shutil.copy(file, flat)

    scene = open_scene(flat / f"{ETM}_SR_B3.TIF")

    assert scene.name == ETM
    assert scene.path == flat / f"{ETM}_MTL.json"
    np.testing.assert_array_equal(scene.numbers("red"), two.numbers["red"])
    assert list(find(flat)) == [flat / f"{OLI_2}_MTL.json", flat / f"{ETM}_MTL.json"]
    with pytest.raises(BadInput, match=r"holds 2 Landsat products .*Name the MTL file of one of them"):
        open_scene(flat)


# quality


def expected_flags(code):
    """The meaning of a QA_PIXEL code, bit by bit, as the Science Product Guides have it."""
    names = ["FILL", "DILATED_CLOUD", "CIRRUS", "CLOUD", "SHADOW", "SNOW", None, "WATER"]
    meaning = 0
    for bit, name in enumerate(names):
        if name and code & (1 << bit):
            meaning |= Flag[name]
    return meaning


def test_every_code_of_qa_pixel_means_what_its_bits_say(landsat):
    table = open_scene(landsat(OLI_2).folder).quality.flags
    assert table.dtype == np.uint8
    assert [int(flags) for flags in table] == [expected_flags(code) for code in range(65536)]


# Codes of real scenes and what the guides (LSDS-1619, table 6-3; LSDS-1618, table 5-3) call them.
@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (1, Flag.FILL),
        (21824, Flag(0)),  # clear, all confidences low
        (21826, Flag.DILATED_CLOUD),
        (21888, Flag.WATER),  # without and with the bit of "clear"
        (21952, Flag.WATER),
        (22280, Flag.CLOUD),
        (23888, Flag.SHADOW),
        (23952, Flag.SHADOW | Flag.WATER),
        (24088, Flag.SHADOW | Flag.CLOUD),
        (30048, Flag.SNOW),
        (54596, Flag.CIRRUS),
        (54852, Flag.CIRRUS),
        (55052, Flag.CIRRUS | Flag.CLOUD),
    ],
)
def test_codes_of_the_guides(landsat, code, meaning):
    assert open_scene(landsat(OLI_2).folder).quality.flags[code] == meaning


def test_flags_carry_the_saturation_of_the_bands_asked_for(landsat):
    made = landsat(OLI_2)
    scene = open_scene(made.folder)
    base = np.array([expected_flags(code) for code in made.codes.ravel()]).reshape(made.codes.shape)

    np.testing.assert_array_equal(
        scene.flags("red"), base | np.where(made.saturation & (1 << 3), Flag.SATURATED, 0)
    )
    np.testing.assert_array_equal(
        scene.flags("red", "swir2"),
        base | np.where(made.saturation & (1 << 3 | 1 << 6), Flag.SATURATED, 0),
    )
    np.testing.assert_array_equal(scene.flags("thermal"), base)  # QA_RADSAT of OLI says nothing of TIRS


def test_a_dropped_pixel_of_tm_spoils_every_band_and_its_thermal_band_saturates(landsat):
    made = landsat(TM)
    scene = open_scene(made.folder)
    base = np.array([expected_flags(code) for code in made.codes.ravel()]).reshape(made.codes.shape)
    for band, bit in {"blue": 0, "red": 2, "swir1": 4, "thermal": 5, "swir2": 6}.items():
        spoilt = made.saturation & (1 << bit | 1 << 9)
        np.testing.assert_array_equal(scene.flags(band), base | np.where(spoilt, Flag.SATURATED, 0))


def test_scan_line_gaps_are_fill_and_no_value(landsat):
    made = landsat(ETM)
    scene = open_scene(made.folder)
    gap = (slice(None), slice(0, 3))
    assert (scene.flags().to_numpy()[gap] & Flag.FILL).all()
    assert np.isnan(scene.reflectance("red").red.to_numpy()[gap]).all()


# what is lacking


def test_missing_and_empty_bands_are_findings_and_the_scene_opens_with_the_others(landsat):
    made = landsat(OLI_2)
    made.band_file("red").unlink()
    made.band_file("thermal").write_bytes(b"")

    scene = open_scene(made.folder)

    assert list(scene.bands) == ["blue", "green", "nir", "swir1", "swir2"]
    assert scene.findings == (
        f"The file of the band red, {OLI_2}_SR_B4.TIF, is missing.",
        f"The file of the band thermal, {OLI_2}_ST_B10.TIF, is empty.",
    )
    with pytest.raises(BadInput, match=r"no band red; it has blue \(SR_B2\), green \(SR_B3\), nir"):
        scene.reflectance("red", "nir")
    with pytest.raises(BadInput, match="no band thermal; it has blue"):
        scene.temperature_k()


def test_without_quality_files_only_fill_is_known(landsat):
    made = landsat(OLI_2)
    made.file("QA_RADSAT.TIF").unlink()
    scene = open_scene(made.folder)
    assert scene.findings == ("The file QA_RADSAT is missing, so saturation is not known.",)
    assert not (scene.flags().to_numpy() & Flag.SATURATED).any()

    made.file("QA_PIXEL.TIF").unlink()
    scene = open_scene(made.folder)
    assert scene.findings == ("The file QA_PIXEL is missing, so clouds, shadow and snow are not known.",)
    np.testing.assert_array_equal(scene.flags("red"), np.where(made.numbers["red"] == 0, Flag.FILL, 0))
    with pytest.raises(BadInput, match="has no quality layer"):
        scene.codes(like="red")


def test_metadata_without_any_band_are_no_scene(landsat):
    made = landsat(OLI_2)
    for file in made.folder.glob("*_S[RT]_*"):
        file.unlink()
    with pytest.raises(BadInput, match="metadata but none of its bands"):
        open_scene(made.folder)


def test_bands_without_metadata_are_no_scene(landsat):
    made = landsat(OLI_2, kinds=())
    with pytest.raises(BadInput, match=rf"no {OLI_2}_MTL.json, .xml or .txt"):
        open_scene(made.folder)


@pytest.mark.parametrize("kind", ["json", "xml", "txt"])
def test_a_cut_mtl_is_told_wherever_it_is_cut(landsat, kind):
    made = landsat(OLI_2, kinds=(kind,))
    file = made.file(f"MTL.{kind}")
    text = file.read_text(encoding="utf-8")
    for share in np.linspace(0, 0.995, 40):
        file.write_text(text[: int(len(text) * share)], encoding="utf-8")
        with pytest.raises(BadInput, match=rf"_MTL\.{kind} cannot be understood .*copy it again"):
            open_scene(made.folder)


@pytest.mark.parametrize("kind", ["json", "xml", "txt"])
@pytest.mark.parametrize(
    ("group", "key", "value", "said"),
    [
        (RESCALING, "REFLECTANCE_MULT_BAND_4", None, "does not say REFLECT"),
        (RESCALING, "REFLECTANCE_MULT_BAND_4", "abc", 'MULT_BAND_4 = "abc"'),
        (RESCALING, "REFLECTANCE_ADD_BAND_4", "nan", "a number was expected"),
        ("IMAGE_ATTRIBUTES", "DATE_ACQUIRED", "2023-13-45", "dates it 2023-13-45"),
        ("IMAGE_ATTRIBUTES", "SCENE_CENTER_TIME", None, "does not say SCENE_CENTER_TIME"),
        ("IMAGE_ATTRIBUTES", "SENSOR_ID", "MSS", "from the sensor MSS, which gives no surface"),
        ("PROJECTION_ATTRIBUTES", "MAP_PROJECTION", "AEA", "names the projection AEA"),
        ("PROJECTION_ATTRIBUTES", "CORNER_UL_LAT_PRODUCT", None, "does not say CORNER_UL_LAT_PRODUCT"),
        ("IMAGE_ATTRIBUTES", None, None, "has no group IMAGE_ATTRIBUTES"),
        ("PRODUCT_CONTENTS", "PROCESSING_LEVEL", "L1TP", r"Level-1 product \(L1TP\)"),
        ("IMAGE_ATTRIBUTES", "CLOUD_COVER", "much", 'CLOUD_COVER = "much"'),
    ],
)  # fmt: skip
def test_a_damaged_value_is_told_by_its_name(landsat, mtl, kind, group, key, value, said):
    made = landsat(OLI_2, kinds=())
    if key is None:
        del made.groups[group]
    elif value is None:
        del made.groups[group][key]
    else:
        made.groups[group][key] = value
    made.file(f"MTL.{kind}").write_text(mtl(made.groups, kind), encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        open_scene(made.folder)


@pytest.mark.parametrize("level", ["L1TP", "L1GT", "L1GS"])
def test_level_1_is_refused_with_the_way_to_level_2(landsat, tar, level):
    made = landsat(OLI_2.replace("L2SP", "L2SR"), kinds=())
    product = made.name.replace("L2SR", level)
    folder = made.folder.with_name(product)
    folder.mkdir()
    for file in made.folder.glob("*.TIF"):
        shutil.copy(file, folder / file.name.replace(made.name, product).replace("_SR_", "_"))
    for place in (folder, tar(folder), folder / f"{product}_B4.TIF"):
        with pytest.raises(BadInput, match=rf"Level-1 product \({level}\).*Level-2 Science Product"):
            open_scene(place)
        assert place in {*find(place), folder}


def test_collection_1_is_refused(tmp_path):
    name = "LC08_L1TP_152032_20170715_20170727_01_T1"
    (tmp_path / f"{name}_sr_band4.tif").write_bytes(b"x")
    (tmp_path / f"{name}_MTL.txt").write_text("GROUP = L1_METADATA_FILE\nEND\n")
    with pytest.raises(BadInput, match=r"Landsat Collection 1.*Collection 2 was expected"):
        open_scene(tmp_path)


@pytest.mark.parametrize("kind", ["json", "xml", "txt"])
def test_metadata_of_another_root_are_told(landsat, mtl, kind):
    made = landsat(OLI_2, kinds=())
    made.file(f"MTL.{kind}").write_text(mtl(made.groups, kind, root="L1_METADATA_FILE"))
    with pytest.raises(BadInput, match="has no LANDSAT_METADATA_FILE"):
        open_scene(made.folder)


def test_unknown_cloud_cover_is_none(landsat):
    assert open_scene(landsat(OLI_2, cloud="-1").folder).cloud_share is None


def test_a_scene_across_the_date_line_has_one_footprint(landsat, mtl):
    made = landsat(OLI_2, kinds=())
    for corner, longitude in {"UL": 179.1, "LL": 179.0, "UR": -178.9, "LR": -179.0}.items():
        made.groups["PROJECTION_ATTRIBUTES"][f"CORNER_{corner}_LON_PRODUCT"] = str(longitude)
    made.file("MTL.json").write_text(mtl(made.groups, "json"))
    left, _, right, _ = open_scene(made.folder).footprint.bounds
    assert (left, right) == pytest.approx((179.0, 181.1))


def test_landsat_7_out_of_its_orbit_is_a_finding(landsat):
    late = landsat("LE07_L2SP_152032_20220715_20220717_02_T1")
    assert "earlier in the day" in open_scene(late.folder).findings[0]
    assert open_scene(landsat(ETM).folder).findings == ()


def test_the_grid_comes_from_the_raster_not_from_the_corners(landsat):
    """Corners of the MTL are centres of cells: half a cell inside."""
    made = landsat(OLI_2)
    grid = open_scene(made.folder).grid()
    assert grid.shape == made.numbers["red"].shape
    assert grid.bounds == (600_015, 4_500_015 - 48 * 30, 600_015 + 64 * 30, 4_500_015)


# real metadata, real pixels


@pytest.fixture
def real_folder(real_data, tmp_path):
    """The real MTL around the real chips: 512 x 512 cells that span the whole scene."""
    folder = tmp_path / REAL
    folder.mkdir()
    for file in (real_data / "irrigation" / "landsat_c2_chips").glob("*.TIF"):
        shutil.copy(file, folder)
    for kind in ("json", "xml", "txt"):
        shutil.copy(real_data / "archive" / f"{REAL}_MTL.{kind}", folder)
    return folder


@pytest.mark.real
def test_the_real_json_xml_and_txt_give_the_same_scene(real_folder, tmp_path):
    scenes = {}
    for kind in ("json", "xml", "txt"):
        aside = tmp_path / kind
        aside.mkdir()
        for other in {"json", "xml", "txt"} - {kind}:
            shutil.move(real_folder / f"{REAL}_MTL.{other}", aside)
        scenes[kind] = open_scene(real_folder)
        for file in aside.iterdir():
            shutil.move(file, real_folder)
    assert scenes["json"] == scenes["xml"] == scenes["txt"]
    scene = scenes["json"]
    assert (scene.platform, scene.instrument, scene.crs) == ("landsat-8", "oli", "EPSG:32618")
    assert scene.time == dt.datetime(2019, 12, 1, 15, 13, 51, 861099, tzinfo=dt.UTC)
    assert scene.cloud_share == pytest.approx(0.8102)
    assert scene.baseline == "LPGS_15.3.1c"
    assert [band.native for band in scene.bands.values()] == ["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6"]
    assert len(scene.findings) == 2  # of swir2 and thermal there are no chips


@pytest.mark.real
def test_the_footprint_agrees_with_the_stac_item_of_the_scene(real_folder, real_data):
    item = json.loads((real_data / "archive" / f"{REAL}_SR_stac.json").read_text())
    scene = open_scene(real_folder)
    left, bottom, right, top = scene.footprint.bounds
    inner = Polygon(item["geometry"]["coordinates"][0])
    # the item outlines the data, ours their box; both round to 5 digits
    assert Polygon.from_bounds(left - 1e-3, bottom - 1e-3, right + 1e-3, top + 1e-3).contains(inner)
    assert item["properties"]["eo:cloud_cover"] == pytest.approx(100 * scene.cloud_share)
    assert item["properties"]["eo:sun_azimuth"] == pytest.approx(scene.sun.azimuth_deg)
    assert item["properties"]["eo:sun_elevation"] == pytest.approx(scene.sun.elevation_deg)


@pytest.mark.real
def test_real_pixels_are_the_same_in_a_folder_and_a_tar_and_equal_the_formula(real_folder, tar):
    folder, packed = open_scene(real_folder), open_scene(tar(real_folder))
    for name, number in {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6}.items():
        with rasterio.open(real_folder / f"{REAL}_SR_B{number}.TIF") as file:
            numbers = file.read(1)
        expected = (numbers.astype(np.float64) * 2.75e-5 - 0.2).astype(np.float32)
        expected[numbers == 0] = np.nan
        for scene in (folder, packed):
            np.testing.assert_array_equal(scene.reflectance(name)[name], expected)
            np.testing.assert_array_equal(scene.numbers(name), numbers)


@pytest.mark.real
def test_a_quarter_of_the_real_clear_cells_are_shadow(real_folder):
    scene = open_scene(real_folder)
    clear = (scene.codes(like="red") >> 6) & 1 == 1
    shadow = scene.flags("red").to_numpy() & Flag.SHADOW > 0
    assert clear.sum() == 28_465
    assert (clear & shadow).sum() == 7_131


def test_recognises_by_names_alone(tmp_path):
    def holding(*names):
        return Container(tmp_path, dict.fromkeys(names))

    assert sensor.recognise(holding("readme.txt", f"in/{OLI_2}_SR_B4.TIF"))
    assert sensor.recognise(holding(f"{OLI_2.lower()}_mtl.xml"))
    assert not sensor.recognise(
        holding("MTD_MSIL2A.xml", "LC09.tif", "HLS.L30.T42SVE.2021168T055857.v2.0.B04.tif")
    )
