"""Whatever lies on the disk comes out in one shape; what is written is read back first."""

import logging
import os
import subprocess
import warnings

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyproj import CRS
from rasterio.windows import Window

from bluepeace_gis.archive import rasters
from bluepeace_gis.errors import BadInput, NotWritten, UnknownCrs
from bluepeace_gis.geo.grid import Grid

UTM = CRS("EPSG:32642")
NORTH_UP = Affine(30, 0, 500_000, 0, -30, 4_400_000)
HILL = np.array([[300, 310, 320], [330, 340, 350]], dtype=np.float32)


def file_of(
    path, values, *, crs=UTM, transform=NORTH_UP, nodata=None, scale=None, mask=None, driver="GTiff", **more
):
    """Write a raster as other programs do, without the library."""
    bands = values[np.newaxis] if values.ndim == 2 else values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver=driver,
            count=len(bands),
            height=bands.shape[1],
            width=bands.shape[2],
            dtype=bands.dtype,
            crs=None if crs is None else rasterio.crs.CRS.from_user_input(crs),
            transform=transform,
            nodata=nodata,
            **more,
        ) as sink:
            sink.write(bands)
            if scale is not None:
                sink.scales, sink.offsets = (scale[0],), (scale[1],)
            if mask is not None:
                sink.write_mask(mask)
    return path


def grid_raster(values, **attributes):
    return Grid(UTM, NORTH_UP, values.shape[-2:]).raster(values, **attributes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dem.tif"


# reading


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
def test_every_number_comes_as_float32_on_its_grid(path, dtype):
    file_of(path, HILL.astype(dtype))

    dem = rasters.read(path)

    assert dem.dims == ("y", "x")
    assert dem.dtype == np.float32
    np.testing.assert_array_equal(dem, HILL)
    assert Grid.of(dem) == Grid(UTM, NORTH_UP, (2, 3))
    assert dem.x.to_numpy() == pytest.approx([500_015, 500_045, 500_075])
    assert dem.y.to_numpy() == pytest.approx([4_399_985, 4_399_955])


def test_float64_is_rounded_unless_it_is_asked_for(path):
    file_of(path, np.array([[0.1, 0.2]]))
    assert rasters.read(path)[0, 0] == np.float32(0.1)
    assert rasters.read(path, dtype="float64")[0, 0] == 0.1


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("int16", -32768),
        ("uint8", 0),
        ("float32", -3.4028234663852886e38),
        ("float64", 1e40),
        ("float32", np.nan),
    ],
)
def test_the_nodata_tag_becomes_nan(path, dtype, nodata, caplog):
    values = np.array([[nodata, 12], [13, 14]]).astype(dtype)
    file_of(path, values, nodata=nodata)

    dem = rasters.read(path)

    np.testing.assert_array_equal(dem, np.array([[np.nan, 12], [13, 14]], dtype=np.float32))
    assert not caplog.records


def test_the_mask_of_the_file_becomes_nan(path):
    file_of(path, HILL, mask=np.array([[255, 0, 255], [255, 255, 255]], dtype=np.uint8))
    assert np.isnan(rasters.read(path)).to_numpy().tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize(
    ("dtype", "void"),
    [("int16", -32768), ("int16", -9999), ("int32", -99999), ("uint16", 65535), ("float32", -3.4028235e38),
     ("float64", 1.7e308), ("float32", 1e30), ("float32", -9999)],
)  # fmt: skip
def test_an_untagged_void_far_from_all_else_becomes_nan_with_a_warning(path, dtype, void, caplog):
    values = HILL.astype(dtype)
    values[0, 1] = void
    file_of(path, values)

    dem = rasters.read(path)

    assert np.isnan(dem).to_numpy().tolist() == [[False, True, False], [False, False, False]]
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert "1 cells hold" in said.getMessage()
    assert "not tagged as nodata" in said.getMessage()


def test_a_depth_of_9999_metres_among_depths_is_a_depth(path, caplog):
    depths = np.array([[-10_500, -9999, -4000], [0, 3000, 8000]], dtype=np.int16)
    file_of(path, depths)
    np.testing.assert_array_equal(rasters.read(path), depths)
    assert not caplog.records


def test_two_kinds_of_untagged_voids_do_not_excuse_each_other(path):
    values = np.array([[-32768, -9999, 300], [310, 320, 330]], dtype=np.int16)
    file_of(path, values)
    assert int(np.isnan(rasters.read(path)).sum()) == 2


def test_scale_and_offset_give_the_unit(path):
    file_of(path, np.array([[7273, 0], [20_000, 43_636]], dtype=np.uint16), nodata=0, scale=(0.0000275, -0.2))
    reflectance = rasters.read(path)
    # Landsat Collection 2 Level-2: 7273 is the least valid number, reflectance 0; 43636 is 1
    np.testing.assert_allclose(reflectance, [[0.0000075, np.nan], [0.35, 0.99999]], atol=1e-7)


def test_rows_that_run_northwards_are_turned(path):
    south_up = Affine(30, 0, 500_000, 0, 30, 4_399_940)
    file_of(path, HILL[::-1], transform=south_up)

    dem = rasters.read(path)

    np.testing.assert_array_equal(dem, HILL)
    assert Grid.of(dem) == Grid(UTM, NORTH_UP, (2, 3))


def test_columns_that_run_westwards_are_turned(path):
    file_of(path, HILL[:, ::-1], transform=Affine(-30, 0, 500_090, 0, -30, 4_400_000))
    dem = rasters.read(path)
    np.testing.assert_array_equal(dem, HILL)
    assert Grid.of(dem) == Grid(UTM, NORTH_UP, (2, 3))


def test_a_rotated_raster_stays_as_it_is(path):
    rotated = Affine(26, -15, 500_000, -15, -26, 4_400_000)
    file_of(path, HILL, transform=rotated)
    dem = rasters.read(path)
    np.testing.assert_array_equal(dem, HILL)
    assert Grid.of(dem).transform == rotated


def test_a_band_is_chosen_by_its_position(path):
    file_of(path, np.stack([HILL, HILL + 1]))
    np.testing.assert_array_equal(rasters.read(path, 2), HILL + 1)


@pytest.mark.parametrize("band", [0, 3, -1])
def test_a_band_that_is_not_there_is_named_with_those_that_are(path, band):
    file_of(path, np.stack([HILL, HILL]))
    with pytest.raises(BadInput, match=rf"no band {band}: bands 1 to 2 were expected"):
        rasters.read(path, band)


def test_without_a_crs_the_way_out_is_named(path, tmp_path):
    file_of(path, HILL, crs=None)
    with pytest.raises(UnknownCrs, match=r"gdal_edit\.py -a_srs EPSG:CODE dem\.tif"):
        rasters.read(path)
    text = tmp_path / "dem.asc"
    text.write_text("ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 30\n1 2\n")
    with pytest.raises(UnknownCrs, match=r"gdal_translate -a_srs EPSG:CODE dem\.asc dem\.tif"):
        rasters.read(text)


def test_a_picture_without_a_place_is_refused(path):
    file_of(path, HILL, transform=Affine.identity())
    with pytest.raises(BadInput, match="where on Earth"):
        rasters.read(path)


def test_a_raster_of_nothing_but_nodata_is_refused(path):
    file_of(path, np.full((3, 3), -9999, dtype=np.float32), nodata=-9999)
    with pytest.raises(BadInput, match="every cell is nodata"):
        rasters.read(path)


def test_missing_empty_and_foreign_files_are_refused_in_one_sentence(tmp_path):
    empty, text = tmp_path / "empty.tif", tmp_path / "text.tif"
    empty.touch()
    text.write_text("this is no raster")
    for name, sentence in [
        (tmp_path / "no.tif", "does not exist"),
        (empty, "is empty"),
        (text, "not recognized"),
        (tmp_path, "not recognized"),
        ("/vsizip/no.zip/dem.tif", "does not exist"),
    ]:
        with pytest.raises(BadInput, match=sentence) as caught:
            rasters.read(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.002, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("GTiff", "dem.tif"),
        ("COG", "dem.tif"),
        ("ENVI", "dem.img"),
        ("EHdr", "dem.bil"),
        ("AAIGrid", "dem.asc"),
    ],
)
def test_a_truncated_file_is_found_out(tmp_path, share, driver, name):
    random = np.random.default_rng(1)
    whole = file_of(tmp_path / name, random.normal(2000, 300, (300, 300)).astype(np.float32), driver=driver)
    assert rasters.read(whole).shape == (300, 300)
    os.truncate(whole, int(whole.stat().st_size * share))

    with pytest.raises(BadInput, match=r"trunc|empty"):
        rasters.read(whole)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_jpeg_2000_is_an_error_however_many_threads_gdal_has(tmp_path, monkeypatch, share):
    """Several threads of GDAL give zeros for the blocks that are cut off, without a word."""
    monkeypatch.setenv("GDAL_NUM_THREADS", "4")
    values = np.random.default_rng(1).integers(1, 9999, (256, 256), dtype=np.uint16)
    path = file_of(
        tmp_path / "dem.jp2", values, driver="JP2OpenJPEG",
        REVERSIBLE="YES", QUALITY="100", blockxsize=64, blockysize=64,
    )  # fmt: skip
    np.testing.assert_array_equal(rasters.read(path), values)
    os.truncate(path, int(path.stat().st_size * share))

    with pytest.raises(BadInput, match="trunc"):
        rasters.read(path)


def test_a_file_whose_writer_was_killed_before_its_first_block_is_found_out(path):
    """It opens, has the right shape and would read as zeros."""
    file_of(path, np.zeros((600, 600), dtype=np.float32), sparse_ok=True, tiled=True)
    with pytest.raises(BadInput, match="never finished"):
        rasters.read(path)


def test_blocks_that_were_never_written_are_told(path, caplog):
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=512, width=512, dtype="float32", tiled=True,
        sparse_ok=True, crs=rasterio.crs.CRS.from_epsg(32642), transform=NORTH_UP,
    ) as sink:  # fmt: skip
        sink.write(np.full((256, 256), 7, dtype=np.float32), 1, window=Window(0, 0, 256, 256))
    assert float(rasters.read(path).sum()) == 7 * 256 * 256
    assert "3 of 4 blocks were never written" in caplog.text


# writing


def test_a_written_raster_is_a_cloud_optimized_geotiff_with_nan_as_nodata(path):
    values = np.random.default_rng(2).normal(2000, 300, (1100, 700)).astype(np.float32)
    values[3, 4] = np.nan

    assert rasters.write(grid_raster(values), path, description="elevation") == path

    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
        assert np.isnan(file.nodata)
        assert file.descriptions == ("elevation",)
        assert file.overviews(1) == [2, 4]
        np.testing.assert_array_equal(file.read(1), values)
        np.testing.assert_allclose(
            file.read(1, out_shape=(550, 350))[10:, 10:],
            values.reshape(550, 2, 350, 2).mean(axis=(1, 3))[10:, 10:],
            rtol=1e-5,
        )
    back = rasters.read(path)
    assert back.name == "elevation"
    assert Grid.of(back) == Grid(UTM, NORTH_UP, (1100, 700))
    assert [place.name for place in path.parent.iterdir()] == ["dem.tif"]


def test_the_same_array_gives_the_same_bytes(path, tmp_path):
    values = np.random.default_rng(3).normal(size=(700, 700)).astype(np.float32)
    rasters.write(grid_raster(values), path)
    rasters.write(grid_raster(values.copy()), tmp_path / "again.tif")
    assert path.read_bytes() == (tmp_path / "again.tif").read_bytes()


def test_classes_keep_their_names_and_are_never_averaged(path):
    classes = np.random.default_rng(4).choice(np.array([0, 3, 255], dtype=np.uint8), (600, 600))
    names = {0: "not observed", 3: "irrigated & <wet>"}

    rasters.write(grid_raster(classes), path, nodata=255, categories=names)

    with rasterio.open(path) as file:
        assert file.nodata == 255
        assert set(np.unique(file.read(1, out_shape=(300, 300)))) == {0, 3, 255}
    said = subprocess.run(["gdalinfo", str(path)], capture_output=True, text=True, check=True).stdout
    assert "0: not observed" in said
    assert "3: irrigated & <wet>" in said


def test_names_of_older_classes_do_not_stay_beside_a_new_raster(path):
    ones = np.ones((5, 5), dtype=np.uint8)
    rasters.write(grid_raster(ones), path, categories={1: "older"})
    rasters.write(grid_raster(ones), path)
    assert [place.name for place in path.parent.iterdir()] == ["dem.tif"]


def test_several_bands_carry_their_own_names_and_classes(path):
    two = np.stack([np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint8)])
    one = grid_raster(two[0])
    both = xr.concat([one, one], dim="band").copy(data=two)

    rasters.write(both, path, description=["map", "season"], categories=[{0: "none"}, {1: "winter"}])

    with rasterio.open(path) as file:
        assert file.descriptions == ("map", "season")
        np.testing.assert_array_equal(file.read(), two)
    side = path.with_name("dem.tif.aux.xml").read_text()
    assert side.index("none") < side.index('band="2"') < side.index("winter")


@given(
    arrays.arrays(
        st.sampled_from([np.bool_, np.uint8, np.int16, np.int32, np.float32, np.float64]),
        st.tuples(st.integers(2, 9), st.integers(2, 9)),
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_array_is_read_back_as_it_was_written(tmp_path, values):
    path = rasters.write(grid_raster(values), tmp_path / "any.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), values)


def test_a_slice_is_written_where_it_lies(path):
    rasters.write(grid_raster(HILL)[1:, 1:], path)
    with rasterio.open(path) as file:
        assert file.transform == Affine(30, 0, 500_030, 0, -30, 4_399_970)


def test_an_array_without_a_place_is_refused(path):
    with pytest.raises(UnknownCrs):
        rasters.write(xr.DataArray(HILL, dims=("y", "x"), coords={"x": [0, 1, 2], "y": [1, 0]}), path)
    assert not path.exists()


def test_a_file_that_reads_back_otherwise_never_gets_its_name(path, monkeypatch):
    """As when the disk filled up, or failed, without a word."""
    write = rasterio.io.BufferedDatasetWriter.write
    monkeypatch.setattr(
        rasterio.io.BufferedDatasetWriter, "write", lambda self, values: write(self, np.zeros_like(values))
    )
    path.write_text("older")
    with pytest.raises(NotWritten, match="other values than were written"):
        rasters.write(grid_raster(HILL), path)
    assert [place.name for place in path.parent.iterdir()] == ["dem.tif"]
    assert path.read_text() == "older"


def test_a_full_disk_is_told_in_one_sentence(small_disk):
    values = np.random.default_rng(5).normal(size=(1000, 1000)).astype(np.float32)  # does not compress
    with pytest.raises(NotWritten, match=r"not written: the disk is full\. Free .* another place\.$"):
        rasters.write(grid_raster(values), small_disk / "dem.tif")
    assert list(small_disk.iterdir()) == []


@pytest.mark.real
def test_shakhimardan_has_as_many_cells_as_its_source_says(real_data):
    dem = rasters.read(real_data / "basins" / "shakhimardan_dem_100m_utm42.tif")
    assert dem.shape == (468, 523)
    assert int(dem.notnull().sum()) == 139_562
