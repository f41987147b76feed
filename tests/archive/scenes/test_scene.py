"""Reading: exact on the own grid, bilinear and nearest on any other, never zeros where something is lost."""

import datetime as dt
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import box

from bluepeace_gis.archive.scenes import open_scene, pixels
from bluepeace_gis.archive.scenes.scene import Band, Quality, Scene
from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

OLI_2 = "LC09_L2SP_152032_20230715_20230717_02_T1"
LEFT, TOP = 600_015, 4_500_015
FILL = int(Flag.FILL)


def scene_of(bands, quality=None, folder="."):
    """A scene whose bands lie where the test put them: {name: (path, scale, offset, nodata)}."""
    return Scene(
        name="made",
        path=folder,
        family="plain",
        platform="made",
        instrument="made",
        time=dt.datetime(2023, 7, 15, tzinfo=dt.UTC),
        overpass="made",
        crs="EPSG:32642",
        footprint=box(70, 40, 71, 41),
        cloud_share=None,
        baseline=None,
        sun=None,
        bands={name: Band(name, name, str(path), 1, 30.0, *rest) for name, (path, *rest) in bands.items()},
        quality=quality,
    )


def grid(rows, columns, *, left=LEFT, top=TOP, cell=30.0, crs="EPSG:32642"):
    return Grid(crs, Affine(cell, 0, left, 0, -cell, top), (rows, columns))


# calibration


def test_reflectance_is_the_formula_rounded_once_and_nan_at_fill(landsat):
    made = landsat(OLI_2)
    bands = open_scene(made.folder).reflectance()
    assert list(bands) == ["blue", "green", "red", "nir", "swir1", "swir2"]
    for name, band in bands.items():
        numbers = made.numbers[name]
        expected = (numbers.astype(np.float64) * 2.75e-5 - 0.2).astype(np.float32)
        expected[numbers == 0] = np.nan
        assert band.dtype == np.float32
        np.testing.assert_array_equal(band, expected)
    assert Grid.of(bands["red"]).same_as(grid(48, 64))
    assert bands["red"].attrs["units"] == "1"


@given(
    kind=st.sampled_from(["uint8", "int8", "uint16", "int16"]),
    scale=st.floats(1e-6, 10),
    offset=st.floats(-300, 300),
    nodata=st.sampled_from([None, 0.0, -9999.0, 255.0, 7.5]),
)
def test_every_number_of_small_types_is_calibrated_as_the_formula_says(kind, scale, offset, nodata):
    bounds = np.iinfo(kind)
    numbers = np.arange(bounds.min, bounds.max + 1).astype(kind)
    expected = (numbers.astype(np.float64) * scale + offset).astype(np.float32)
    expected[numbers.astype(np.float64) == nodata] = np.nan
    table = pixels._calibration(numbers.dtype.str, scale, offset, nodata)
    unsigned = numbers.view(f"uint{8 * numbers.dtype.itemsize}")
    np.testing.assert_array_equal(table[unsigned], expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_every_type_is_read_through_its_scale(tmp_path, tiff, dtype):
    values = np.arange(1, 13).reshape(3, 4).astype(dtype)
    path = tiff(tmp_path / "x.tif", values)
    read = scene_of({"red": (path, 0.5, -1.0, 3.0)}).reflectance("red").red
    expected = (values.astype(float) * 0.5 - 1).astype(np.float32)
    expected[values == 3] = np.nan
    np.testing.assert_array_equal(read, expected)


def test_floats_that_are_no_numbers_are_unknown(tmp_path, tiff):
    values = np.array([[0.1, np.nan, np.inf, -np.inf, -9999]], np.float32)
    path = tiff(tmp_path / "x.tif", values)
    read = scene_of({"red": (path, 1.0, 0.0, -9999.0)}).reflectance("red").red
    np.testing.assert_array_equal(read, np.array([[0.1, np.nan, np.nan, np.nan, np.nan]], np.float32))


def test_without_a_nodata_number_the_mask_of_the_file_counts(tmp_path, tiff):
    path = tiff(tmp_path / "x.tif", np.ones((2, 3), np.uint16))
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.array([[255, 0, 255], [255, 255, 255]], np.uint8))
    scene = scene_of({"red": (path, 1.0, 0.0, None)})
    assert np.isnan(scene.reflectance("red").red).to_numpy().tolist() == [[False, True, False], [False] * 3]
    assert scene.flags().to_numpy().tolist() == [[0, FILL, 0], [0, 0, 0]]


# windows and names


def test_a_window_is_a_part_of_the_whole(landsat):
    scene = open_scene(landsat(OLI_2).folder)
    window = (7, 31, 2, 50)
    part = (slice(7, 31), slice(2, 50))
    whole, cut = scene.reflectance("red", "nir"), scene.reflectance("red", "nir", window=window)
    for name in ("red", "nir"):
        np.testing.assert_array_equal(cut[name], whole[name][part])
    assert Grid.of(cut.red).same_as(scene.grid().window(*window))
    np.testing.assert_array_equal(scene.flags("red", window=window), scene.flags("red")[part])
    np.testing.assert_array_equal(scene.numbers("red", window), scene.numbers("red")[part])
    np.testing.assert_array_equal(scene.codes(window, like="red"), scene.codes(like="red")[part])
    np.testing.assert_array_equal(scene.temperature_k(window=window), scene.temperature_k()[part])


@pytest.mark.parametrize(
    "window", [(0, 49, 0, 64), (-1, 4, 0, 4), (4, 4, 0, 4), (5, 4, 0, 4), (0, 4, 60, 65)]
)
def test_a_window_outside_is_an_error(landsat, window):
    scene = open_scene(landsat(OLI_2).folder)
    for read in (
        lambda: scene.reflectance("red", window=window),
        lambda: scene.flags(window=window),
        lambda: scene.temperature_k(window=window),
        lambda: scene.numbers("red", window),
        lambda: scene.codes(window, like="red"),
        lambda: scene.reflectance("red", grid=grid(48, 64, left=LEFT + 30), window=window),
    ):
        with pytest.raises(OutsideGrid, match="inside"):
            read()


def test_bands_that_are_not_there_are_told_with_what_is(landsat):
    scene = open_scene(landsat(OLI_2).folder)
    for read in (
        lambda: scene.reflectance("red", "red_edge"),
        lambda: scene.flags("red_edge"),
        lambda: scene.grid("red_edge"),
        lambda: scene.numbers("red_edge"),
        lambda: scene.block_shape("red_edge"),
    ):
        with pytest.raises(BadInput, match=r"no band red_edge; it has blue \(SR_B2\).*thermal \(ST_B10\)"):
            read()
    with pytest.raises(BadInput, match=r"kelvin, not reflectance. Ask for temperature_k\(\)"):
        scene.reflectance("red", "thermal")


# other grids


def test_a_grid_on_the_same_lattice_is_copied_cell_by_cell(landsat):
    made = landsat(OLI_2)
    scene = open_scene(made.folder)
    target = grid(60, 40, left=LEFT - 10 * 30, top=TOP + 5 * 30)

    read, flags = scene.reflectance("red", grid=target).red, scene.flags("red", grid=target)

    expected = np.full((60, 40), np.nan, np.float32)
    expected[5:53, 10:] = scene.reflectance("red").red[:, :30]
    np.testing.assert_array_equal(read, expected)
    meaning = np.full((60, 40), FILL, np.uint8)
    meaning[5:53, 10:] = scene.flags("red")[:, :30]
    np.testing.assert_array_equal(flags, meaning)


@pytest.mark.parametrize("crs", ["EPSG:32642", "EPSG:32643", "EPSG:4326"])
def test_a_grid_far_away_holds_nothing(landsat, crs):
    scene = open_scene(landsat(OLI_2).folder)
    step = 0.001 if crs == "EPSG:4326" else 30.0
    place = (10.0, 50.0) if crs == "EPSG:4326" else (300_000, 4_000_000)
    target = grid(20, 30, left=place[0], top=place[1], cell=step, crs=crs)
    assert np.isnan(scene.reflectance("red", grid=target).red).all()
    assert (scene.flags(grid=target) == FILL).all()


def plane(x, y):
    """A brightness that rises evenly, which bilinear resampling must give back: 8-bit steps would show."""
    return 0.2 + (x - LEFT) * 1e-5 + (TOP - y) * 2e-5


@pytest.fixture
def sloping(tmp_path, tiff):
    native = grid(300, 400)
    x, y = np.meshgrid(
        *(
            native.centres(np.arange(400), np.arange(400))[0],
            native.centres(np.arange(300), np.arange(300))[1],
        )
    )
    path = tiff(tmp_path / "x.tif", plane(x, y).astype(np.float32))
    return scene_of({"red": (path, 1.0, 0.0, None)})


@pytest.mark.parametrize(
    ("crs", "cell"),
    [
        ("EPSG:32642", 10.0),
        ("EPSG:32642", 47.0),
        ("EPSG:32643", 30.0),
        ("EPSG:4326", 0.0003),
        ("EPSG:3857", 25.0),
    ],
)
def test_an_even_slope_stays_one_on_every_grid(sloping, crs, cell):
    to_target = Transformer.from_crs("EPSG:32642", crs, always_xy=True)
    left, bottom, right, top = to_target.transform_bounds(*sloping.grid().bounds)
    rows, columns = int((top - bottom) / cell) + 20, int((right - left) / cell) + 20
    target = grid(rows, columns, left=left - 10 * cell, top=top + 10 * cell, cell=cell, crs=crs)

    read = sloping.reflectance("red", grid=target).red.to_numpy()

    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    x, y = Transformer.from_crs(crs, "EPSG:32642", always_xy=True).transform(*target.centres(row, column))
    west, south, east, north = sloping.grid().bounds
    reach = 45 + (47 if cell == 47 else 0)  # metres from the rim, where a neighbour is missing
    inside = (x > west + reach) & (x < east - reach) & (y > south + reach) & (y < north - reach)
    outside = (x < west - 0.03) | (x > east + 0.03) | (y < south - 0.03) | (y > north + 0.03)  # 0.001 cells
    assert inside.sum() > 0.8 * (~outside).sum()
    # a thousandth of a cell; the wider kernel for larger cells is laid over whole cells, a tenth of one off
    np.testing.assert_allclose(read[inside], plane(x, y)[inside], rtol=0, atol=1e-6 if cell != 47 else 6e-5)
    assert np.isnan(read[outside]).all()


@pytest.mark.parametrize("crs", ["EPSG:32643", "EPSG:32642"])
def test_what_a_cell_holds_does_not_depend_on_the_window(tmp_path, tiff, crs, monkeypatch):
    random = np.random.default_rng(3)
    path = tiff(tmp_path / "x.tif", random.integers(1, 60_000, (300, 400), dtype=np.uint16))
    codes = tiff(tmp_path / "q.tif", random.integers(0, 4, (300, 400), dtype=np.uint8))
    table = np.zeros(256, np.uint8)
    table[:4] = [0, FILL, Flag.CLOUD, Flag.SNOW]
    scene = scene_of({"red": (path, 1e-4, 0.0, 0.0)}, Quality(str(codes), 1, 30.0, table))
    monkeypatch.setattr(pixels, "CHUNK", 64)  # several chunks in each direction
    place = (95_000, 4_520_000) if crs == "EPSG:32643" else (LEFT - 200, TOP + 100)
    target = grid(430, 520, left=place[0], top=place[1], cell=29.0, crs=crs)
    whole, flags = scene.reflectance("red", grid=target).red, scene.flags(grid=target)
    assert np.isfinite(whole).mean() > (0.1 if crs == "EPSG:32643" else 0.4)
    for window in [
        (0, 430, 0, 520),
        (1, 2, 3, 500),
        (60, 70, 0, 65),
        (13, 411, 200, 333),
        (429, 430, 519, 520),
    ]:
        part = (slice(*window[:2]), slice(*window[2:]))
        np.testing.assert_array_equal(scene.reflectance("red", grid=target, window=window).red, whole[part])
        np.testing.assert_array_equal(scene.flags(grid=target, window=window), flags[part])


def test_unknown_cells_do_not_darken_their_neighbours(tmp_path, tiff):
    values = np.full((20, 20), 5000, np.uint16)
    values[8:12, 8:12] = 0
    path = tiff(tmp_path / "x.tif", values)
    read = scene_of({"red": (path, 1e-4, 0.0, 0.0)}).reflectance(
        "red", grid=grid(60, 60, left=LEFT + 5, top=TOP - 5, cell=9.0)
    )
    known = read.red.to_numpy()[np.isfinite(read.red)]
    assert known.size > 2000
    np.testing.assert_allclose(known, 0.5, rtol=1e-6)
    assert np.isnan(read.red).any()


def test_coarse_quality_codes_lie_under_fine_bands(tmp_path, tiff):
    """As in Sentinel-2: bands of 10 m and 20 m, codes of 20 m, one corner."""
    random = np.random.default_rng(4)
    fine = tiff(tmp_path / "a.tif", random.integers(1, 9999, (60, 80), dtype=np.uint16), cell=10.0)
    coarse = tiff(tmp_path / "b.tif", random.integers(1, 9999, (30, 40), dtype=np.uint16), cell=20.0)
    values = random.integers(0, 12, (30, 40), dtype=np.uint8)
    table = np.zeros(256, np.uint8)
    table[[0, 1, 3, 9, 11]] = [FILL, Flag.SATURATED, Flag.SHADOW, Flag.CLOUD, Flag.SNOW]
    quality = Quality(str(tiff(tmp_path / "q.tif", values, cell=20.0)), 1, 20.0, table)
    scene = scene_of({"red": (fine, 1e-4, 0.0, 0.0), "swir1": (coarse, 1e-4, 0.0, 0.0)}, quality)

    assert scene.grid().shape == scene.grid("red").shape == (60, 80)
    assert scene.grid("swir1").shape == (30, 40)
    doubled = values.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(scene.codes(like="red"), doubled)
    np.testing.assert_array_equal(scene.codes((11, 23, 7, 50), like="red"), doubled[11:23, 7:50])
    np.testing.assert_array_equal(scene.codes(like="swir1"), values)
    np.testing.assert_array_equal(scene.flags("red"), table[doubled])
    np.testing.assert_array_equal(scene.flags("swir1"), table[values])
    both = scene.reflectance("red", "swir1")
    assert both.red.shape == both.swir1.shape == (60, 80)
    np.testing.assert_array_equal(both.red, scene.reflectance("red").red)
    np.testing.assert_allclose(  # the middle of four fine cells is the coarse centre: weights 9 3 3 1
        both.swir1[1:-1, 1:-1].to_numpy()[0, 0],
        np.array([9, 3, 3, 1]) @ scene.numbers("swir1")[:2, :2].ravel() / 16 * 1e-4,
        rtol=1e-5,
    )


def test_codes_outside_the_quality_raster_mean_fill(tmp_path, tiff):
    band = tiff(tmp_path / "a.tif", np.ones((6, 6), np.uint16))
    table = np.zeros(256, np.uint8)
    table[9] = FILL
    quality = Quality(str(tiff(tmp_path / "q.tif", np.zeros((3, 6), np.uint8))), 1, 30.0, table)
    scene = scene_of({"red": (band, 1.0, 0.0, 0.0)}, quality)
    assert scene.codes(like="red")[:, 0].tolist() == [0, 0, 0, 9, 9, 9]
    assert scene.flags().to_numpy()[:, 0].tolist() == [0, 0, 0, FILL, FILL, FILL]
    without = scene_of(
        {"red": (band, 1.0, 0.0, 0.0)}, Quality(quality.source, 1, 30.0, np.zeros(256, np.uint8))
    )
    assert without.flags().to_numpy()[:, 0].tolist() == [0, 0, 0, FILL, FILL, FILL]
    with pytest.raises(BadInput, match="no code for cells outside"):
        without.codes(like="red")


@pytest.mark.parametrize(
    ("dtype", "fits"), [("int8", True), ("int16", True), ("float32", True), ("int32", True)]
)
def test_signed_codes_find_their_entry(tmp_path, tiff, dtype, fits):
    band = tiff(tmp_path / "a.tif", np.ones((1, 3), np.uint16))
    codes = tiff(tmp_path / "q.tif", np.array([[-1, 0, 3]]).astype(dtype))
    table = np.zeros(256, np.uint8)
    table[[255, 3]] = [FILL, Flag.CLOUD]
    scene = scene_of({"red": (band, 1.0, 0.0, 0.0)}, Quality(str(codes), 1, 30.0, table))
    assert scene.flags().to_numpy().tolist() == [[FILL, 0, int(Flag.CLOUD)]]


@pytest.mark.parametrize("values", [[0, 256, 3], [0, -2000, 3], [0, 70_000, 3], [0, 0.5, 3]])
def test_numbers_that_are_no_codes_are_told(tmp_path, tiff, values):
    band = tiff(tmp_path / "a.tif", np.ones((1, 3), np.uint16))
    codes = tiff(tmp_path / "q.tif", np.array([values]).astype("float32" if 0.5 in values else "int32"))
    scene = scene_of({"red": (band, 1.0, 0.0, 0.0)}, Quality(str(codes), 1, 30.0, np.zeros(256, np.uint8)))
    with pytest.raises(BadInput, match="quality codes of 8 bits were expected"):
        scene.flags()


def test_a_rotated_and_a_south_up_raster_are_read_where_they_lie(tmp_path, tiff):
    """The same cells, stored from south to north, on a grid from north to south."""
    values = np.arange(1, 31, dtype=np.uint16).reshape(5, 6)
    up = tiff(tmp_path / "up.tif", values[::-1].copy(), transform=Affine(30, 0, LEFT, 0, 30, TOP - 150))
    read = scene_of({"red": (up, 1.0, 0.0, 0.0)}).reflectance("red", grid=grid(5, 6)).red
    np.testing.assert_allclose(read, values, rtol=1e-6)

    turned = Affine(30, 0, LEFT, 0, -30, TOP) @ Affine.rotation(30)
    path = tiff(tmp_path / "turned.tif", np.full((40, 40), 7, np.uint16), transform=turned)
    scene = scene_of({"red": (path, 1.0, 0.0, 0.0)})
    read = scene.reflectance("red", grid=grid(80, 80, left=LEFT - 600, top=TOP + 300)).red.to_numpy()
    assert np.nanmax(read) == np.nanmin(read) == 7
    assert np.isfinite(read).sum() == pytest.approx(1600, rel=0.03)  # as many cells as there are
    assert scene.flags().shape == (40, 40)


# what is lost is told


def lost(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) * 2 // 3])
    elif how == "cut in the header":
        path.write_bytes(content[:100])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "zeros":
        path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    elif how == "text":
        path.write_text("<html>Please log in</html>")
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["cut", "cut in the header", "empty", "zeros", "text", "gone"])
def test_a_raster_that_is_lost_or_cut_is_an_error_never_zeros(landsat, how):
    made = landsat(OLI_2, shape=(300, 300))
    scene = open_scene(made.folder)
    lost(made.band_file("red"), how)
    with pytest.raises(BadInput, match=r"_SR_B4\.TIF cannot be read"):
        scene.reflectance("red")
    with pytest.raises(BadInput, match=r"_SR_B4\.TIF cannot be read"):
        scene.numbers("red")
    assert scene.reflectance("green").green.notnull().any()
    lost(made.file("QA_PIXEL.TIF"), how)
    with pytest.raises(BadInput, match=r"_QA_PIXEL\.TIF cannot be read"):
        scene.flags("green")


def test_a_tar_that_is_cut_after_it_was_opened_is_an_error(landsat, tar):
    path = tar(landsat(OLI_2, shape=(300, 300)).folder)
    scene = open_scene(path)
    assert scene.reflectance("swir2").swir2.notnull().any()
    content = path.read_bytes()
    for share in (0.99, 0.9, 0.5, 0.1):
        path.write_bytes(content[: int(len(content) * share)])
        pixels.close_all()
        lost_bands = 0
        for name in scene.bands:
            try:
                read = scene.numbers(name)
            except BadInput as error:
                lost_bands += "cannot be read" in str(error)
            else:
                assert (read[:, 3:] > 0).all()  # whole, not zeros
        assert lost_bands >= (1 if share < 0.5 else 0)


def test_a_raster_that_was_never_finished_is_an_error(tmp_path, tiff, landsat):
    """What a killed writer leaves: a header, and blocks that were never written."""
    made = landsat(OLI_2)
    with rasterio.open(
        made.band_file("red"), "w", driver="GTiff", count=1, height=48, width=64, dtype="uint16", nodata=0,
        crs="EPSG:32642", transform=Affine(30, 0, LEFT, 0, -30, TOP), sparse_ok=True, blockysize=8,
    ):  # fmt: skip
        pass
    with pytest.raises(BadInput, match="was never finished: 6 of 6 blocks were not written"):
        open_scene(made.folder).reflectance("red")


def test_some_absent_blocks_are_fill_where_fill_has_a_number_and_an_error_where_not(tmp_path):
    for nodata in (0, None):
        path = tmp_path / f"{nodata}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=48, width=64, dtype="uint16", nodata=nodata,
            crs="EPSG:32642", transform=Affine(30, 0, LEFT, 0, -30, TOP), sparse_ok=True, blockysize=8,
        ) as sink:  # fmt: skip
            sink.write(np.full((8, 64), 5, np.uint16), 1, window=((0, 8), (0, 64)))
        scene = scene_of({"red": (path, 1.0, 0.0, nodata)})
        if nodata is None:
            with pytest.raises(BadInput, match="5 of 6 blocks"):
                scene.reflectance("red")
        else:
            assert scene.reflectance("red").red.notnull().sum() == 8 * 64


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("missing", [{"crs": None}, {"transform": Affine.identity()}])
def test_a_raster_without_a_place_on_earth_is_an_error(tmp_path, tiff, missing):
    path = tiff(tmp_path / "x.tif", np.ones((3, 3), np.uint16), **missing)
    with pytest.raises(BadInput, match="does not say where on Earth its cells lie"):
        scene_of({"red": (path, 1.0, 0.0, None)}).reflectance("red")


def test_a_band_that_the_file_does_not_have_is_told(tmp_path, tiff):
    scene = scene_of({"red": (tiff(tmp_path / "x.tif", np.ones((3, 3), np.uint16)), 1.0, 0.0, None)})
    with pytest.raises(BadInput, match="has no band 2: bands 1 to 1 were expected"):
        pixels.numbers(scene.bands["red"].source, 2)


# open datasets


def test_a_file_that_was_replaced_is_read_anew(tmp_path, tiff):
    path = tiff(tmp_path / "x.tif", np.full((3, 3), 5, np.uint16))
    scene = scene_of({"red": (path, 1.0, 0.0, 0.0)})
    assert (scene.reflectance("red").red == 5).all()
    other = tiff(tmp_path / "y.tif", np.full((4, 5), 6, np.uint16))
    other.replace(path)
    os.utime(path, ns=(1, 1))
    assert scene.reflectance("red").red.shape == (4, 5)
    assert (scene.reflectance("red").red == 6).all()


def test_only_so_many_files_stay_open_and_all_are_read_right(tmp_path, tiff, monkeypatch):
    monkeypatch.setattr(pixels, "OPEN_DATASETS", 3)
    paths = [tiff(tmp_path / f"{i}.tif", np.full((3, 3), i + 1, np.uint16)) for i in range(7)]
    opened = {pixels.dataset(str(path)) for path in paths}
    assert sum(not file.closed for file in opened) == 3
    for i in [6, 0, 3, 3, 1, 6]:
        assert (pixels.numbers(str(paths[i]), 1) == i + 1).all()
    kept = pixels.dataset(str(paths[6]))
    assert pixels.dataset(str(paths[6])) is kept
    pixels.close_all()
    assert kept.closed


def test_threads_read_the_same_numbers_each_through_its_own_datasets(landsat, tar):
    made = landsat(OLI_2, shape=(256, 256))
    scene = open_scene(tar(made.folder))
    windows = [
        (row, row + 16, column, column + 16) for row in range(0, 256, 16) for column in range(0, 256, 64)
    ]

    def read(window):
        part = (slice(*window[:2]), slice(*window[2:]))
        same = np.array_equal(scene.numbers("red", window), made.numbers["red"][part])
        flags = np.array_equal(scene.flags(window=window), expected[part])
        return same and flags, id(pixels.dataset(scene.bands["red"].source))

    expected = scene.flags().to_numpy()
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(read, windows * 3))
    assert all(right for right, _ in done)
    assert id(pixels.dataset(scene.bands["red"].source)) not in {dataset for _, dataset in done}


def _sums_in_a_child(scene, window):
    return int(scene.numbers("red", window).sum())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_a_forked_process_opens_its_own_files(landsat):
    """It would share the position of the file with its parent and siblings, and read each other's bytes."""
    made = landsat(OLI_2, shape=(512, 512))
    scene = open_scene(made.folder)
    windows = [(row, row + 8, 0, 512) for row in range(0, 512, 8)]
    assert scene.numbers("red").shape == (512, 512)
    with multiprocessing.get_context("fork").Pool(2) as processes:
        sums = processes.starmap(_sums_in_a_child, [(scene, window) for window in windows], chunksize=1)
    assert sums == [int(made.numbers["red"][slice(*window[:2])].sum()) for window in windows]


def test_a_scene_travels_to_other_processes(landsat):
    scene = open_scene(landsat(OLI_2).folder)
    again = pickle.loads(pickle.dumps(scene))  # noqa: S301  # made a line ago
    assert again == scene
    np.testing.assert_array_equal(again.quality.flags, scene.quality.flags)


def test_a_relative_path_still_leads_there_from_another_folder(landsat, tar, monkeypatch):
    made = landsat(OLI_2)
    monkeypatch.chdir(made.folder.parent)
    scenes = [open_scene(made.folder.name), open_scene(tar(made.folder).name)]
    (made.folder / "sub").mkdir()
    monkeypatch.chdir(made.folder / "sub")
    for scene in scenes:
        np.testing.assert_array_equal(scene.numbers("red"), made.numbers["red"])


def test_jp2_is_read_by_its_blocks(tmp_path):
    values = np.random.default_rng(1).integers(1, 9999, (256, 256), dtype=np.uint16)
    path = tmp_path / "x.jp2"
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", count=1, height=256, width=256, dtype="uint16", crs="EPSG:32642",
        transform=Affine(10, 0, LEFT, 0, -10, TOP), REVERSIBLE="YES", QUALITY="100", blockysize=64,
    ) as sink:  # fmt: skip
        sink.write(values, 1)
    scene = scene_of({"red": (path, 1.0, 0.0, 0.0)})
    assert scene.block_shape("red") == (64, 256)
    np.testing.assert_array_equal(scene.numbers("red", (30, 200, 50, 129)), values[30:200, 50:129])
    content = path.read_bytes()
    for share in (0.9, 0.5, 0.1):
        path.write_bytes(content[: int(len(content) * share)])
        for window in (None, (100, 256, 100, 256), (192, 256, 192, 256)):  # many blocks, some, the last
            with pytest.raises(BadInput, match=r"x\.jp2 cannot be read"):
                scene.reflectance("red", window=window)
