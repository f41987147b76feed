"""MOD13Q1: GeoTIFFs of its layers, and a .hdf where GDAL reads it, or the command that converts it."""

import datetime as dt

import numpy as np
import pytest
import rasterio

from bluepeace_gis.archive.scenes import find, modis, open_scene, pixels
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag

GRANULE = "MOD13Q1.A2020129.h23v04.061.2020340231213"
AQUA = "MYD13Q1.A2020137.h23v04.061.2020341001213"
# The sphere of the MODIS grid and the corner of tile h23v04.
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
LEFT, TOP, CELL = 5_559_752.598333, 5_559_752.598333, 231.656358264

NDVI = np.array([[-3000, -2000, 0, 4321, 10000]], np.int16)
RELIABILITY = np.array([[-1, 0, 1, 2, 3]], np.int8)


@pytest.fixture
def layer(tmp_path, tiff):
    def make(name, values):
        return tiff(tmp_path / name, values, left=LEFT, top=TOP, cell=CELL, crs=SINUSOIDAL)

    return make


NAMES = {
    "our commands": (f"{GRANULE}.ndvi.tif", f"{GRANULE}.reliability.tif", f"{GRANULE}.red.tif"),
    "layer names": (
        f"{GRANULE}_250m_16_days_NDVI.tif",
        f"{GRANULE}_250m_16_days_pixel_reliability.tif",
        f"{GRANULE}_250m_16_days_red_reflectance.tif",
    ),
    "AppEEARS": (
        "MOD13Q1.061__250m_16_days_NDVI_doy2020129_aid0001.tif",
        "MOD13Q1.061__250m_16_days_pixel_reliability_doy2020129_aid0001.tif",
        "MOD13Q1.061__250m_16_days_red_reflectance_doy2020129_aid0001.tif",
    ),
    "AppEEARS since 2023": (
        "MOD13Q1.061__250m_16_days_NDVI_doy2020129000000_aid0001.tif",
        "MOD13Q1.061__250m_16_days_pixel_reliability_doy2020129000000_aid0001.tif",
        "MOD13Q1.061__250m_16_days_red_reflectance_doy2020129000000_aid0001.tif",
    ),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_layers_under_every_usual_name_are_one_scene(layer, tmp_path, names):
    ndvi, reliability, red = names
    layer(ndvi, NDVI)
    layer(reliability, RELIABILITY)
    layer(red, np.array([[-1000, -100, 0, 1234, 16000]], np.int16))

    assert list(find(tmp_path)) == [tmp_path / ndvi]
    scene = open_scene(tmp_path / reliability)

    assert scene.path == tmp_path / ndvi
    assert (scene.family, scene.platform, scene.instrument) == ("modis", "terra", "modis")
    assert scene.time == dt.datetime(2020, 5, 8, tzinfo=dt.UTC)  # day 129 of a leap year
    assert scene.overpass == "terra 2020-05-08"
    assert scene.baseline == "061"
    assert scene.findings == ()
    assert list(scene.bands) == ["ndvi", "red"]
    np.testing.assert_array_equal(
        scene.reflectance("ndvi").ndvi, np.array([[np.nan, -0.2, 0, 0.4321, 1]], np.float32)
    )
    np.testing.assert_array_equal(
        scene.reflectance("red").red, np.array([[np.nan, -0.01, 0, 0.1234, 1.6]], np.float32)
    )
    assert scene.flags().to_numpy().tolist() == [[Flag.FILL, 0, 0, Flag.SNOW, Flag.CLOUD]]
    left, _, _, top = scene.footprint.bounds
    assert top == pytest.approx(50, abs=1e-6)  # the tile's northern edge is the parallel of 50 degrees
    assert left == pytest.approx(77.7, abs=0.2)  # tile 23 begins at 50 / cos(50) degrees


def test_reliability_without_a_sign_means_the_same(layer, tmp_path):
    layer(f"{AQUA}.ndvi.tif", NDVI)
    layer(f"{AQUA}.reliability.tif", np.array([[255, 0, 4, 2, 3]], np.uint8))
    scene = open_scene(tmp_path)
    assert scene.platform == "aqua"
    assert scene.flags().to_numpy().tolist() == [[Flag.FILL, 0, Flag.FILL, Flag.SNOW, Flag.CLOUD]]


def test_the_scale_of_the_tags_is_not_believed(tmp_path, tiff):
    """The HDF says 10000, to be divided by, and GDAL hands it on as a factor."""
    tiff(
        tmp_path / f"{GRANULE}.ndvi.tif",
        NDVI,
        left=LEFT,
        top=TOP,
        cell=CELL,
        crs=SINUSOIDAL,
        scales=[10000.0],
    )
    assert open_scene(tmp_path).reflectance("ndvi").ndvi[0, 4] == 1


def test_without_reliability_there_is_a_finding(layer, tmp_path):
    layer(f"{GRANULE}.ndvi.tif", NDVI)
    scene = open_scene(tmp_path)
    assert scene.findings == ("The layer pixel reliability is missing, so clouds and snow are not known.",)
    assert scene.flags().to_numpy().tolist() == [[Flag.FILL, 0, 0, 0, 0]]


def test_without_ndvi_it_is_no_scene(layer, tmp_path):
    path = layer(f"{GRANULE}.reliability.tif", RELIABILITY)
    with pytest.raises(BadInput, match=f"has no layer NDVI; it was expected of {GRANULE}"):
        open_scene(path)


def test_granules_in_one_folder_are_told_apart(layer, tmp_path):
    for name in (GRANULE, AQUA):
        layer(f"{name}.ndvi.tif", NDVI)
    assert list(find(tmp_path)) == [tmp_path / f"{name}.ndvi.tif" for name in (GRANULE, AQUA)]
    with pytest.raises(BadInput, match="holds 2 MODIS granules"):
        open_scene(tmp_path)


def test_a_date_that_is_none_is_told(layer):
    path = layer(f"{GRANULE.replace('A2020129', 'A2020400')}.ndvi.tif", NDVI)
    with pytest.raises(BadInput, match="is dated 2020400"):
        open_scene(path)


def drivers(monkeypatch, *, hdf4):
    real = rasterio.Env.drivers

    def listed(self):
        found = {name: what for name, what in real(self).items() if name != "HDF4"}
        return found | ({"HDF4": "Hierarchical Data Format Release 4"} if hdf4 else {})

    monkeypatch.setattr(rasterio.Env, "drivers", listed)


def test_where_gdal_cannot_read_hdf4_the_error_names_the_commands(tmp_path, monkeypatch, layer):
    drivers(monkeypatch, hdf4=False)
    path = tmp_path / f"{GRANULE}.hdf"
    path.write_bytes(b"\x0e\x03\x13\x01")

    assert list(find(tmp_path)) == [path]
    with pytest.raises(BadInput, match="HDF4, which the GDAL of this Python cannot read") as said:
        open_scene(path)
    commands = [line for line in str(said.value).splitlines() if "gdal_translate " in line][-2:]
    part = f"HDF4_EOS:EOS_GRID:{GRANULE}.hdf:MODIS_Grid_16DAY_250m_500m_VI:250m 16 days"
    assert commands == [
        f'  gdal_translate "{part} NDVI" {GRANULE}.ndvi.tif',
        f'  gdal_translate "{part} pixel reliability" {GRANULE}.reliability.tif',
    ]

    # the files that the commands make open in its stead
    for command, values in zip(commands, (NDVI, RELIABILITY), strict=True):
        layer(command.split()[-1], values)
    assert list(find(tmp_path)) == [tmp_path / f"{GRANULE}.ndvi.tif"]
    assert open_scene(path).flags().to_numpy().tolist() == [[Flag.FILL, 0, 0, Flag.SNOW, Flag.CLOUD]]


@pytest.mark.parametrize("quote", ["", '"'])
def test_where_gdal_reads_hdf4_its_layers_are_the_bands(tmp_path, monkeypatch, layer, quote):
    """What GDAL lists of a .hdf, with the real names; the layers themselves are GeoTIFFs here."""
    drivers(monkeypatch, hdf4=True)
    path = tmp_path / f"{GRANULE}.hdf"
    path.write_bytes(b"\x0e\x03\x13\x01")
    colours = [f"{colour} reflectance" for colour in ("red", "NIR", "blue", "MIR")]
    names = ["NDVI", "EVI", "VI Quality", *colours, "view zenith angle", "pixel reliability"]
    parts = tuple(
        f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_16DAY_250m_500m_VI:{quote}250m 16 days {name}{quote}'
        for name in names
    )
    made = {
        part: layer(f"layer_{i}.tif", RELIABILITY if "reliability" in part else NDVI)
        for i, part in enumerate(parts)
    }
    opened = rasterio.open
    monkeypatch.setattr(pixels, "subdatasets", {str(path): parts}.get)
    monkeypatch.setattr(rasterio, "open", lambda source: opened(made.get(source, source)))

    scene = open_scene(path)

    assert {name: band.native for name, band in scene.bands.items()} == {
        "ndvi": "250m 16 days NDVI",
        "blue": "250m 16 days blue reflectance",
        "red": "250m 16 days red reflectance",
        "nir": "250m 16 days NIR reflectance",
        "swir2": "250m 16 days MIR reflectance",
    }
    assert scene.bands["ndvi"].source == parts[0]
    assert scene.quality.source == parts[-1]
    assert scene.reflectance("ndvi").ndvi[0, 3] == np.float32(0.4321)
    assert scene.flags().to_numpy().tolist() == [[Flag.FILL, 0, 0, Flag.SNOW, Flag.CLOUD]]


def test_a_hdf_that_is_none_is_told_where_gdal_reads_hdf4(tmp_path, monkeypatch):
    drivers(monkeypatch, hdf4=True)
    path = tmp_path / f"{GRANULE}.hdf"
    path.write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"\.hdf cannot be read"):
        open_scene(path)


def test_names_of_others_are_no_granules():
    assert modis.product_of(f"{GRANULE}.hdf") == GRANULE
    for name in (f"{GRANULE}.hdf.xml", "MOD09GA.A2020129.h23v04.061.2020340231213.hdf", "MOD13Q1.tif"):
        assert modis.product_of(name) is None
