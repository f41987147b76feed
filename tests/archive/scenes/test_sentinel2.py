"""Sentinel-2 Level-2A: what the metadata say, how the offset is decided, what is refused."""

import datetime as dt
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safe_files as safe
import shapely
from pyproj import Transformer

from bluepeace_gis.archive.scenes import checks, containers, open_scene, sentinel2
from bluepeace_gis.archive.scenes.scene import Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

NAME = "S2B_MSIL2A_20230715T060639_N0509_R134_T42TWL_20230715T090000"
OLD = {"baseline": "02.12", "offset": None}
SUMMER = ("plants", "soil", "water", "rock")
WINTER = ("snow", "ice")


def landscape(*surfaces, offset=-1000):
    return safe.numbers(safe.reflectance(*surfaces or SUMMER), offset=offset or 0)


def product(folder, *surfaces, **more):
    return safe.make(folder, landscape(*surfaces, offset=more.get("offset", -1000)), **more)


def opened(path):
    return sentinel2.open(containers.view(path))


def xml_of(path):
    return path / "MTD_MSIL2A.xml"


def tile_xml_of(path):
    return next(path.glob("GRANULE/*/MTD_TL.xml"))


def edit(path, *changes):
    """Replace texts in a file; each must be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


# --- what the metadata say -------------------------------------------------------------------------------


def test_a_product_says_what_when_and_where_it_is(tmp_path):
    scene = opened(product(tmp_path))

    assert scene.name == NAME
    assert (scene.family, scene.platform, scene.instrument) == ("sentinel-2", "sentinel-2b", "msi")
    # when this tile was seen; the datatake began at 06:06:39
    assert scene.time == dt.datetime(2023, 7, 15, 6, 11, 23, 456000, tzinfo=dt.UTC)
    assert scene.overpass == "sentinel-2b orbit 42640"
    assert scene.crs == "EPSG:32642"
    assert scene.cloud_share == 0.125
    assert scene.baseline == "05.09"
    assert scene.sun == Sun(azimuth_deg=141.25, elevation_deg=67.5)  # the file has the zenith angle, 22.5
    assert scene.footprint.equals(shapely.box(69.0, 41.3, 69.2, 41.5))
    assert {name: (band.native, band.resolution_m) for name, band in scene.bands.items()} == {
        "blue": ("B02", 10),
        "green": ("B03", 10),
        "red": ("B04", 10),
        "nir": ("B08", 10),
        "swir1": ("B11", 20),
        "swir2": ("B12", 20),
    }
    assert {(band.scale, band.offset, band.nodata) for band in scene.bands.values()} == {(1e-4, -0.1, 0.0)}
    assert scene.findings == ()


@pytest.mark.parametrize("satellite", ["S2A", "S2B", "S2C"])
def test_all_satellites(tmp_path, satellite):
    scene = opened(product(tmp_path, satellite=satellite))
    assert scene.platform == f"sentinel-2{satellite[2].lower()}"
    assert scene.overpass.startswith(scene.platform)


def test_folder_zip_and_nested_zip_give_the_same_scene_and_pixels(tmp_path):
    folder = product(tmp_path)
    places = {
        "folder": folder,
        "zip": safe.zipped(folder, tmp_path / "as_esa_names_it.zip"),
        "safe zip": safe.zipped(folder, tmp_path / f"{NAME}.SAFE.zip"),
        "nested": safe.zipped(folder, tmp_path / "nested.zip", below="downloads/july/"),
    }
    scenes = {place: open_scene(path) for place, path in places.items()}

    first = scenes["folder"].reflectance("red", "swir1")
    for place, scene in scenes.items():
        assert sentinel2.recognise(containers.view(places[place]))
        assert scene.path == places[place]
        for value in ("name", "time", "overpass", "crs", "cloud_share", "baseline", "sun", "footprint"):
            assert getattr(scene, value) == getattr(scenes["folder"], value), (place, value)
        again = scene.reflectance("red", "swir1")
        assert np.array_equal(again["red"], first["red"], equal_nan=True)
        assert np.array_equal(again["swir1"], first["swir1"], equal_nan=True)


@pytest.mark.parametrize(
    "more", [{}, {"suffix": "tif"}, {"prefix": "L2A_"}], ids=["jp2", "cog", "before 2018"]
)
def test_pixels_come_calibrated_as_the_metadata_say(tmp_path, more):
    bands = landscape()
    bands["B04"][:20, :10] = 0
    scene = opened(safe.make(tmp_path, bands, **more))

    read = scene.reflectance("red", "blue")

    expected = bands["B04"].astype(np.float64) / 10_000 - 0.1
    expected[:20, :10] = np.nan
    np.testing.assert_allclose(read["red"], expected, rtol=0, atol=1e-7, equal_nan=True)
    assert np.isfinite(read["blue"]).all()
    assert scene.grid() == Grid("EPSG:32642", read.rio.transform(), (safe.CELLS, safe.CELLS))
    assert tuple(scene.grid().transform)[:6] == (10, 0, safe.LEFT, 0, -10, safe.TOP)
    assert scene.grid("swir1").shape == (safe.CELLS // 2, safe.CELLS // 2)


def test_where_jp2_and_cog_lie_side_by_side_each_band_is_read_once(tmp_path):
    folder = safe.make(tmp_path, landscape())
    safe.make(tmp_path, landscape(), suffix="tif")
    scene = opened(folder)
    assert {Path(band.source).suffix for band in scene.bands.values()} == {".tif"}


def test_each_band_has_its_own_offset_and_the_quantification_of_the_product(tmp_path):
    offsets = {band: -1000 - 10 * band for band in range(13)}
    scene = opened(product(tmp_path, offset=-1000, baseline="05.09"))
    path = safe.make(tmp_path / "own", landscape(), offset=offsets, quantification=20_000)
    own = opened(path)

    assert {band.offset for band in scene.bands.values()} == {-0.1}
    # band_id of the PSD: B02 is 1, B03 2, B04 3, B08 7, B11 11, B12 12
    expected = {"blue": -1010, "green": -1020, "red": -1030, "nir": -1070, "swir1": -1110, "swir2": -1120}
    assert {name: band.offset for name, band in own.bands.items()} == pytest.approx(
        {name: added / 20_000 for name, added in expected.items()}
    )
    assert {band.scale for band in own.bands.values()} == {1 / 20_000}


def test_the_scene_classification_becomes_flags(tmp_path):
    scl = np.repeat(np.arange(12, dtype=np.uint8), 10)[:, None] * np.ones((1, 120), np.uint8)
    scene = opened(safe.make(tmp_path, landscape(), scl=scl))

    flags = scene.flags(grid=scene.grid("swir1")).to_numpy()

    expected = [
        Flag.FILL, Flag.SATURATED, 0, Flag.SHADOW, 0, 0, Flag.WATER, 0,
        Flag.CLOUD, Flag.CLOUD, Flag.CIRRUS, Flag.SNOW,
    ]  # fmt: skip
    assert flags[::5, 0].tolist() == [int(flag) for flag in expected]
    assert scene.quality.flags[12:].tolist() == [int(Flag.FILL)] * 244  # codes that ESA does not have


def test_the_sun_is_found_without_reading_the_angles_behind_it(tmp_path):
    folder = product(tmp_path)
    path = tile_xml_of(folder)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2], encoding="utf-8")  # cut within the viewing angles

    scene = opened(folder)

    assert scene.sun == Sun(141.25, 67.5)
    assert scene.findings == ()


def test_a_tile_without_metadata_is_placed_by_its_name_and_has_no_sun(tmp_path):
    scene = opened(product(tmp_path, tile_metadata=False))
    assert scene.crs == "EPSG:32642"
    assert scene.sun is None
    assert scene.time == dt.datetime(2023, 7, 15, 6, 6, 39, 24000, tzinfo=dt.UTC)
    assert any("MTD_TL.xml is missing" in finding for finding in scene.findings)


@pytest.mark.parametrize(
    ("tile", "crs"), [("07HFE", 32707), ("33XWJ", 32633), ("01NAA", 32601), ("60MZZ", 32760)]
)
def test_the_letter_of_a_tile_tells_north_from_south(tile, crs):
    assert sentinel2._crs_of(tile) == f"EPSG:{crs}"


def test_damage_in_the_tile_metadata_keeps_what_stands_before_it(tmp_path):
    folder = product(tmp_path)
    edit(tile_xml_of(folder), ("<Tile_Angles", "<<Tile_Angles"))
    scene = opened(folder)
    assert scene.time.minute == 11
    assert scene.sun is None
    assert any("MTD_TL.xml is damaged" in finding for finding in scene.findings)


def test_the_tags_of_products_before_2018_are_understood(tmp_path):
    folder = product(tmp_path, baseline="02.06", offset=None, prefix="L2A_")
    edit(
        xml_of(folder),
        ("Product_Info>", "L2A_Product_Info>"),
        ("PRODUCT_URI>", "PRODUCT_URI_2A>"),
        ("IMAGE_FILE>", "IMAGE_FILE_2A>"),
        ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"),
        ("QUANTIFICATION_VALUES_LIST", "L1C_L2A_Quantification_Values_List"),
    )
    scene = opened(folder)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, 0.0)}
    assert scene.findings == ()


# --- the footprint ---------------------------------------------------------------------------------------


def test_a_footprint_of_several_rings_is_their_hull(tmp_path):
    rings = ["41 69 41 69.2 41.2 69.2 41.2 69 41 69", "41 70 41 70.2 41.2 70.2 41.2 70 41 70"]
    scene = opened(product(tmp_path, rings=rings))
    assert scene.footprint.equals(shapely.box(69, 41, 70.2, 41.2))


def test_a_footprint_across_the_antimeridian_does_not_run_around_the_earth(tmp_path):
    scene = opened(product(tmp_path, rings=["41 179.5 41 -179.5 40 -179.5 40 179.5 41 179.5"]))
    assert scene.footprint.bounds == (179.5, 40, 180.5, 41)


def tile_bounds():
    """Longitude and latitude of the tile's outermost places, by PROJ."""
    to_degrees = Transformer.from_crs("EPSG:32642", "EPSG:4326", always_xy=True).transform
    left, right, bottom, top = safe.LEFT, safe.LEFT + 1200, safe.TOP - 1200, safe.TOP
    x, y = to_degrees([left, right, left, right], [bottom, bottom, top, top])
    return min(x), min(y), max(x), max(y)


@pytest.mark.parametrize(
    "ring", ["", "41 69 x 70", "41 69 41", "nan nan nan nan nan nan", "41 69 41 69 41 69"]
)
def test_without_a_readable_footprint_it_is_the_tile(tmp_path, ring):
    scene = opened(product(tmp_path, rings=[ring]))
    assert scene.footprint.bounds == pytest.approx(tile_bounds(), abs=1e-6)


def test_without_any_metadata_of_place_it_is_the_raster(tmp_path):
    scene = opened(product(tmp_path, rings=[""], tile_metadata=False))
    assert scene.footprint.bounds == pytest.approx(tile_bounds(), abs=1e-6)


# --- the offset ------------------------------------------------------------------------------------------


def offsets(scene):
    (offset,) = {band.offset for band in scene.bands.values()}
    return offset


def test_before_baseline_4_there_is_no_offset(tmp_path):
    scene = opened(product(tmp_path, **OLD))
    assert offsets(scene) == 0
    assert scene.findings == ()


def test_the_baseline_counts_and_not_the_date(tmp_path):
    # Collection 1: an acquisition of 2018 reprocessed with baseline 05.00
    scene = opened(product(tmp_path, taken="20180715T060639", baseline="05.00"))
    assert offsets(scene) == -0.1
    assert scene.findings == ()


def test_a_valid_xml_decides_against_the_name_and_says_so(tmp_path):
    folder = product(tmp_path)
    renamed = folder.with_name(folder.name.replace("N0509", "N0212"))
    folder.rename(renamed)

    scene = opened(renamed)

    assert offsets(scene) == -0.1
    assert scene.baseline == "05.09"
    (finding,) = scene.findings
    assert "name states baseline 02.12, which has no offset" in finding
    assert "states -1000: the XML was followed" in finding


def test_a_valid_xml_without_offset_decides_against_a_name_that_has_one(tmp_path):
    folder = product(tmp_path, **OLD)
    renamed = folder.with_name(folder.name.replace("N0212", "N0400"))
    folder.rename(renamed)
    scene = opened(renamed)
    assert offsets(scene) == 0
    assert any("04.00, which has an offset of -1000" in finding for finding in scene.findings)


def test_a_valid_xml_decides_on_snow_without_dark_pixels_and_no_pixel_is_read(tmp_path, monkeypatch):
    def read(*_):
        raise AssertionError("a pixel was read")

    folder = product(tmp_path, *WINTER, **OLD)
    monkeypatch.setattr(sentinel2.checks, "darkest_number", read)
    assert offsets(opened(folder)) == 0


def truncated(folder):
    text = xml_of(folder).read_text(encoding="utf-8")
    xml_of(folder).write_text(text[: text.index("</n1:General_Info>")], encoding="utf-8")


DAMAGES = {
    "missing": lambda folder: xml_of(folder).unlink(),
    "truncated": truncated,
    "empty": lambda folder: xml_of(folder).write_text(""),
    "zeros": lambda folder: xml_of(folder).write_bytes(bytes(5000)),
    "a page of errors": lambda folder: xml_of(folder).write_text("<html><body>503 Service<br></body></html>"),
    "entities": lambda folder: edit(xml_of(folder), ("<n1:Level", '<!DOCTYPE x [<!ENTITY a "b">]><n1:Level')),
    "no number": lambda folder: edit(xml_of(folder), (">10000<", ">ten thousand<")),
    "infinite": lambda folder: edit(xml_of(folder), (">10000<", ">inf<")),
    "zero": lambda folder: edit(xml_of(folder), (">10000<", ">0<")),
    "of another product": lambda folder: edit(xml_of(folder), ("T42TWL", "T42TXL")),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("offset", "expected"), [(-1000, -0.1), (None, 0.0)], ids=["offset", "none"])
def test_without_a_valid_xml_names_and_dark_pixels_decide_together(tmp_path, damage, offset, expected):
    folder = product(tmp_path, baseline="05.09" if offset else "02.12", offset=offset)
    DAMAGES[damage](folder)

    scene = opened(folder)

    assert offsets(scene) == expected
    assert {band.scale for band in scene.bands.values()} == {1e-4}
    assert scene.name == folder.stem
    assert scene.platform == "sentinel-2b"
    assert scene.overpass == "sentinel-2b orbit 33195"  # of the granule's name
    assert scene.cloud_share == 0.125  # of the tile's metadata
    assert any("follows from the baseline" in finding and "agree" in finding for finding in scene.findings)


@pytest.mark.parametrize("band", [1, 8, 11])  # B02, B8A, B11
def test_an_xml_with_damaged_offsets_is_not_followed_in_part(tmp_path, band):
    folder = product(tmp_path)
    edit(xml_of(folder), (f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>', ""))
    scene = opened(folder)
    assert offsets(scene) == -0.1
    assert any("incomplete" in finding for finding in scene.findings)


def test_an_xml_that_lacks_the_offset_its_baseline_demands_does_not_decide(tmp_path):
    folder = safe.make(tmp_path, landscape(), baseline="05.09", offset=None)
    scene = opened(folder)
    assert offsets(scene) == -0.1
    assert any("without the offset that its baseline demands" in finding for finding in scene.findings)


@pytest.mark.parametrize(
    ("surfaces", "more", "reason"),
    [
        (WINTER, OLD, "should have below 950"),  # bright, so that an offset cannot be excluded
        (SUMMER, {"baseline": "05.09", "offset": -1000, "written": None}, "should have at least 950"),
        (SUMMER, {"baseline": "02.12", "offset": None, "written": -1000}, "should have below 950"),
    ],
    ids=["snow without offset", "offset named, not there", "offset there, not named"],
)
def test_where_names_and_pixels_disagree_it_is_an_error(tmp_path, surfaces, more, reason):
    written = more.get("written", more["offset"])
    info = {key: value for key, value in more.items() if key != "written"}
    folder = safe.make(tmp_path, landscape(*surfaces, offset=written), xml=False, **info)

    with pytest.raises(BadInput, match=reason) as error:
        opened(folder)

    assert "MTD_MSIL2A.xml is missing" in str(error.value)
    assert "Download the product again" in str(error.value)


def test_names_that_contradict_each_other_decide_nothing(tmp_path):
    folder = product(tmp_path, xml=False)
    renamed = folder.with_name(folder.name.replace("N0509", "N0212"))
    folder.rename(renamed)
    with pytest.raises(BadInput, match=r"name states baseline 02.12 and MTD_TL.xml states baseline 05.09"):
        opened(renamed)


def test_a_renamed_folder_keeps_the_baseline_in_its_tile_metadata(tmp_path):
    folder = product(tmp_path, product="ferghana in july")
    assert opened(folder).name == NAME
    xml_of(folder).unlink()
    with pytest.raises(BadInput, match="which satellite"):
        opened(folder)


def test_a_folder_without_any_baseline_is_refused(tmp_path):
    folder = product(tmp_path, tile_metadata=False)
    renamed = folder.with_name("july.SAFE")
    folder.rename(renamed)
    edit(
        xml_of(renamed), ("<PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>", ""), ("BOA_ADD_OFFSET", "LOST")
    )
    with pytest.raises(BadInput, match="no name states a baseline"):
        opened(renamed)


def test_bands_without_a_value_decide_nothing(tmp_path):
    empty = {band: np.zeros_like(values) for band, values in landscape().items()}
    folder = safe.make(tmp_path, empty, xml=False)
    with pytest.raises(BadInput, match="hold no values"):
        opened(folder)


def test_nodata_does_not_count_as_dark(tmp_path):
    bands = landscape()
    for values in bands.values():
        values[:, :60] = 0
    assert offsets(opened(safe.make(tmp_path, bands, xml=False))) == -0.1


def test_what_sen2cor_makes_at_home_is_decided_by_its_xml(tmp_path):
    assert offsets(opened(product(tmp_path / "new", baseline="99.99"))) == -0.1
    assert offsets(opened(product(tmp_path / "old", baseline="99.99", offset=None))) == 0


def test_an_offset_the_pixels_do_not_have_is_told_though_the_xml_decides(tmp_path):
    # the XML states -1000, the numbers are without: plants and water come out below zero
    bands = landscape("plants", "water", offset=None)
    scene = opened(safe.make(tmp_path, bands))
    assert offsets(scene) == -0.1
    findings = checks.inspect(scene)
    assert any("an offset was subtracted that the numbers do not have" in str(found) for found in findings)
    assert not any(found.stops for found in findings)


def test_an_offset_the_xml_does_not_state_is_told(tmp_path):
    scene = opened(safe.make(tmp_path, landscape(offset=-1000), **OLD))
    assert offsets(scene) == 0
    findings = checks.inspect(scene)
    assert any("the offset of -0.1 is not subtracted" in str(found) for found in findings)
    assert not any(found.stops for found in findings)


# --- what is missing -------------------------------------------------------------------------------------


def test_a_missing_band_is_a_finding_and_asking_for_it_an_error(tmp_path):
    folder = product(tmp_path)
    next(folder.rglob("*_B11_20m.jp2")).unlink()

    scene = opened(folder)

    assert "swir1" not in scene.bands
    assert scene.findings == (
        "swir1 (B11) is missing though its metadata name the file: copy or download the product again.",
    )
    assert np.isfinite(scene.reflectance("red")["red"]).all()
    with pytest.raises(BadInput, match="swir1"):
        scene.reflectance("red", "swir1")


def test_an_empty_file_is_a_missing_band(tmp_path):
    folder = product(tmp_path)
    next(folder.rglob("*_B04_10m.jp2")).write_bytes(b"")
    scene = opened(folder)
    assert "red" not in scene.bands
    assert any(finding.startswith("red (B04) is missing") for finding in scene.findings)


def test_a_truncated_band_is_an_error_when_it_is_read(tmp_path):
    folder = product(tmp_path)
    path = next(folder.rglob("*_B04_10m.jp2"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    scene = opened(folder)
    with pytest.raises(BadInput, match="B04"):
        scene.reflectance("red")


def test_the_narrow_near_infrared_stands_in_and_says_so(tmp_path):
    folder = product(tmp_path)
    next(folder.rglob("*_B08_10m.jp2")).unlink()
    scene = opened(folder)
    assert (scene.bands["nir"].native, scene.bands["nir"].resolution_m) == ("B8A", 20)
    assert any("B8A" in finding for finding in scene.findings)


def test_bands_kept_at_20_m_only_are_used_and_told(tmp_path):
    kept = dict.fromkeys(("B02", "B03", "B04"), 20)
    bands = {band: values for band, values in landscape().items() if band != "B08"}
    scene = opened(safe.make(tmp_path, bands, metres=kept))
    assert {band.resolution_m for band in scene.bands.values()} == {20}
    assert "red (B04) is there at 20 m only, not at 10 m." in scene.findings


def test_the_finest_of_several_resolutions_is_taken(tmp_path):
    folder = product(tmp_path)
    safe.make(tmp_path, landscape(), metres={"B02": 20, "B04": 60})
    assert opened(folder).bands["red"].resolution_m == 10


def test_without_a_classification_there_is_no_quality_layer(tmp_path):
    folder = product(tmp_path)
    next(folder.rglob("*_SCL_20m.jp2")).unlink()
    scene = opened(folder)
    assert scene.quality is None
    assert any("SCL" in finding for finding in scene.findings)


def test_metadata_alone_are_refused(tmp_path):
    folder = product(tmp_path)
    for path in folder.rglob("*.jp2"):
        path.unlink()
    with pytest.raises(BadInput, match="but no bands"):
        opened(folder)


def test_bands_nobody_asks_for_are_refused(tmp_path):
    folder = product(tmp_path)
    for path in folder.rglob("*.jp2"):
        if "B8A" in path.name:
            path.rename(path.with_name(path.name.replace("B8A", "B05")))
        elif "SCL" not in path.name:
            path.unlink()
    with pytest.raises(BadInput, match="none of the bands B02"):
        opened(folder)


# --- what is refused -------------------------------------------------------------------------------------


def test_level_1c_is_recognised_and_refused_with_the_way_to_level_2a(tmp_path):
    folder = tmp_path / "S2B_MSIL1C_20230715T060639_N0509_R134_T42TWL_20230715T080000.SAFE"
    safe.write_raster(
        folder / "GRANULE/L1C_T42TWL_A033195_20230715T060639/IMG_DATA/T42TWL_20230715T060639_B04.jp2",
        landscape()["B04"],
        metres=10,
    )
    (folder / "MTD_MSIL1C.xml").write_text("<n1:Level-1C_User_Product/>")
    for kept in ("MTD_MSIL1C.xml", "manifest.safe"):  # by its rasters alone, too
        (folder / "MTD_MSIL1C.xml").rename(folder / kept)
        assert sentinel2.recognise(containers.view(folder))
        with pytest.raises(BadInput, match=r"Level-1C.*Level-2A.*MSIL2A.*Sen2Cor"):
            open_scene(folder)


def test_level_1c_under_another_name_is_refused(tmp_path):
    folder = product(tmp_path)
    edit(xml_of(folder), ("Level-2A</PROCESSING_LEVEL>", "Level-1C</PROCESSING_LEVEL>"))
    with pytest.raises(BadInput, match="Level-1C"):
        opened(folder)


def test_the_format_of_2016_is_refused_with_the_way_out(tmp_path):
    folder = tmp_path / "S2A_USER_PRD_MSIL2A_PDMC_20160715T103821_R134_V20160715T060639_20160715T060639.SAFE"
    folder.mkdir()
    (
        folder / "S2A_USER_MTD_SAFL2A_PDMC_20160715T103821_R134_V20160715T060639_20160715T060639.xml"
    ).write_text("<a/>")
    assert sentinel2.recognise(containers.view(folder))
    with pytest.raises(BadInput, match="December 2016"):
        opened(folder)


def test_several_granules_and_several_products_are_refused(tmp_path):
    folder = product(tmp_path)
    granule = next(folder.glob("GRANULE/*"))
    shutil.copytree(granule, granule.with_name("L2A_T42TXL_A033195_20230715T060639"))
    with pytest.raises(BadInput, match="2 granules"):
        opened(folder)

    first, second = product(tmp_path / "a"), product(tmp_path / "b", taken="20230720T060639")
    archive = safe.zipped(first, tmp_path / "two.zip")
    with zipfile.ZipFile(archive, "a") as file:
        for path in sorted(second.rglob("*.*")):
            file.write(path, f"{second.name}/{path.relative_to(second).as_posix()}")
    with pytest.raises(BadInput, match="2 Sentinel-2 products"):
        opened(archive)


def test_other_containers_are_not_taken_for_sentinel_2(tmp_path):
    (tmp_path / "LC08_L2SP_152032_20230715_20230717_02_T1_SR_B4.TIF").write_bytes(b"")
    (tmp_path / "T42TWL_20230715T060639_B04_10m.jp2").write_bytes(b"")  # loose, of no product
    assert not sentinel2.recognise(containers.view(tmp_path))


# --- real metadata ---------------------------------------------------------------------------------------

REAL = {
    "S2A": "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE",
    "S2B": "S2B_MSIL2A_20220413T150759_N0400_R025_T33XWJ_20220414T082126.SAFE",
}


@pytest.mark.real
@pytest.mark.parametrize("suffix", ["jp2", "tif"])
@pytest.mark.parametrize(
    ("satellite", "offset", "expected"),
    [
        (
            "S2A",
            0.0,
            {
                "time": dt.datetime(2019, 2, 12, 19, 33, 32, 161000, tzinfo=dt.UTC),
                "overpass": "sentinel-2a orbit 19029",
                "crs": "EPSG:32707",
                "cloud_share": 51.580326 / 100,
                "baseline": "02.12",
                "sun": Sun(62.3286549448294, 90 - 32.707073851362),
            },
        ),
        (
            "S2B",
            -0.1,
            {
                "time": dt.datetime(2022, 4, 13, 15, 8, 7, 846358, tzinfo=dt.UTC),
                "overpass": "sentinel-2b orbit 26649",
                "crs": "EPSG:32633",
                "cloud_share": 98.944211 / 100,
                "baseline": "04.00",
                "sun": Sun(246.540424743604, 90 - 76.5286190227361),
            },
        ),
    ],
    ids=["without offset", "with offset"],
)
def test_real_metadata_calibrate_the_pixels_below_them(
    real_data, tmp_path, suffix, satellite, offset, expected
):
    bands = landscape(offset=-1000 if offset else None)
    folder = safe.around(real_data / "archive" / REAL[satellite], tmp_path, bands, suffix=suffix)

    scene = open_scene(folder)

    assert scene.name + ".SAFE" == REAL[satellite]
    assert {name: getattr(scene, name) for name in expected} == expected
    assert offsets(scene) == offset
    np.testing.assert_allclose(
        scene.reflectance("nir")["nir"], bands["B08"] / 10_000 + offset, rtol=0, atol=1e-7
    )
    assert scene.findings == ()
    assert checks.inspect(scene) == ()
    text = (folder / "MTD_MSIL2A.xml").read_text(encoding="utf-8")
    latitude, longitude = re.search(r"<EXT_POS_LIST>(\S+) (\S+)", text).groups()
    assert shapely.Point(float(longitude), float(latitude)).distance(scene.footprint) < 1e-12


@pytest.mark.real
@pytest.mark.parametrize("satellite", REAL)
def test_real_metadata_that_were_cut_leave_the_decision_to_names_and_pixels(real_data, tmp_path, satellite):
    offset = {"S2A": 0.0, "S2B": -0.1}[satellite]
    folder = safe.around(
        real_data / "archive" / REAL[satellite], tmp_path, landscape(offset=-1000 if offset else None)
    )
    whole = xml_of(folder).read_bytes()
    xml_of(folder).write_bytes(whole[: len(whole) * 2 // 3])
    assert offsets(opened(folder)) == offset

    other = safe.around(
        real_data / "archive" / REAL[satellite],
        tmp_path / "other",
        landscape(offset=None if offset else -1000),
    )
    xml_of(other).unlink()
    with pytest.raises(BadInput, match="is not known"):
        opened(other)
