"""What scenes saw of a tile: masked by the sensor's own codes, one layer an overpass, decoded once."""

import datetime as dt
import json

import numpy as np
import pytest
from landsat_files import CLEAR, CLOUD, make_landsat, write_tiff

from bluepeace_gis.archive import observations
from bluepeace_gis.archive.observations import NODATA, Quantity, Source
from bluepeace_gis.archive.scenes import open_scene, pixels
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import REJECTED_FOR_ICE, REJECTED_FOR_PLANTS, Flag
from bluepeace_gis.geo.lattice import Place

SHAPE = (12, 16)
NOON = dt.datetime(2023, 7, 15, 6, tzinfo=dt.UTC)
SNOW = 1 << 5


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    pixels.close_all()


@pytest.fixture
def product(tmp_path):
    """A Landsat scene: a cloud, a snow patch, a strip of fill."""
    rng = np.random.default_rng(3)
    reflectance = {
        band: rng.uniform(0.02, 0.6, SHAPE) for band in ("blue", "green", "red", "nir", "swir1", "swir2")
    }
    codes = np.full(SHAPE, CLEAR, np.uint16)
    codes[2:4], codes[6:8] = CLOUD, SNOW
    return make_landsat(tmp_path, shape=SHAPE, reflectance=reflectance, codes=codes)


def test_an_index_is_that_of_the_calibrated_bands_where_it_was_clear(product):
    scene = open_scene(product.folder)

    found = observations.observe(scene, Quantity.of_index("ndvi"), REJECTED_FOR_PLANTS, (0, 12, 0, 16))

    red, nir = (product.numbers[band] * 2.75e-5 - 0.2 for band in ("red", "nir"))
    clear = (product.codes & 0b111111) == 0
    assert found.shape == (1, *SHAPE)
    assert ((found[0] == NODATA) == ~clear).all()
    expected = (nir - red) / (nir + red) * 10_000
    assert np.abs(found[0] - expected)[clear].max() <= 0.5 + 1e-6


def test_who_looks_for_ice_keeps_the_snow(product):
    scene = open_scene(product.folder)

    found = observations.observe(scene, Quantity.of_bands(), REJECTED_FOR_ICE, (0, 12, 0, 16))

    assert found.shape == (6, *SHAPE)
    assert (found[:, 6:8, 3:] != NODATA).all()
    assert (found[:, 2:4] == NODATA).all()
    green = product.numbers["green"] * 2.75e-5 - 0.2
    assert np.abs(found[1, 6:, 3:] - green[6:, 3:] * 10_000).max() <= 0.5 + 1e-6


def test_a_window_is_a_part_of_the_whole(product):
    scene = open_scene(product.folder)
    whole = observations.observe(scene, Quantity.of_bands(), REJECTED_FOR_ICE, (0, 12, 0, 16))

    part = observations.observe(scene, Quantity.of_bands(), REJECTED_FOR_ICE, (3, 9, 5, 16))

    assert np.array_equal(part, whole[:, 3:9, 5:16])


def test_staged_and_live_read_the_same(product, tmp_path):
    scene, quantity = open_scene(product.folder), Quantity.of_bands(("green", "swir1"))
    place = Place(4, 2, *SHAPE)
    file = observations.stage(scene, quantity, REJECTED_FOR_ICE, tmp_path / "staged.tif")

    live = observations.of_scene(scene, place, quantity, REJECTED_FOR_ICE)
    staged = observations.of_file(scene, place, file)

    for window in ((0, 12, 0, 16), (2, 7, 1, 9)):
        assert np.array_equal(live.read(window), staged.read(window))


def test_an_index_that_is_a_band_itself_needs_no_other(tmp_path):
    index = np.linspace(-0.1, 0.9, 12 * 16, dtype=np.float32).reshape(SHAPE)
    file = write_tiff(tmp_path / "modis.tif", index, descriptions=["ndvi"], nodata=np.nan)
    (tmp_path / "modis.scene.json").write_text(json.dumps({"time": "2023-07-15T00:00:00Z"}), encoding="utf-8")
    scene = open_scene(file)
    quantity = Quantity.of_index("ndvi")

    assert quantity.bands_of(scene) == ("ndvi",)
    found = observations.observe(scene, quantity, REJECTED_FOR_PLANTS, (0, 12, 0, 16))
    assert np.array_equal(found[0], np.rint(index.astype(float) * 10_000))


def test_a_band_that_is_not_there_is_named(product):
    product.band_file("nir").unlink()

    with pytest.raises(BadInput, match="nir"):
        observations.observe(
            open_scene(product.folder), Quantity.of_index("ndvi"), REJECTED_FOR_PLANTS, (0, 12, 0, 16)
        )


def source(name, overpass, hours, place, value):
    values = np.full((1, place.rows, place.columns), value, np.int16)

    def read(window):
        return values[:, window[0] : window[1], window[2] : window[3]]

    return Source(name, overpass, NOON + dt.timedelta(hours=hours), place, read)


def test_scenes_of_one_overpass_are_one_layer_and_the_first_that_saw_a_cell_counts():
    """Two rows of a pass overlap in the middle; a third scene is of the next day."""
    north, south = Place(0, 0, 6, 4), Place(4, 0, 6, 4)
    sources = [
        source("south", "pass 1", 1, south, 20),
        source("later", "pass 2", 24, Place(-2, 0, 20, 4), 30),
        source("north", "pass 1", 0, north, 10),
    ]

    seen = observations.stack(sources, Place(0, 0, 10, 4), 1)

    assert [time.hour for time in seen.times] == [6, 6]
    assert seen.values.shape == (2, 1, 10, 4)
    assert seen.values[0, 0, :, 0].tolist() == [10] * 6 + [20] * 4
    assert (seen.values[1] == 30).all()


def test_what_the_first_scene_did_not_see_the_second_fills():
    cloudy = source("a", "pass 1", 0, Place(0, 0, 4, 4), NODATA)
    clear = source("b", "pass 1", 1, Place(0, 0, 4, 4), 7)

    assert (observations.stack([cloudy, clear], Place(0, 0, 4, 4), 1).values == 7).all()


def test_an_overpass_that_saw_nothing_of_the_tile_is_left_out():
    sources = [
        source("elsewhere", "pass 1", 0, Place(50, 50, 4, 4), 1),
        source("cloud", "pass 2", 1, Place(0, 0, 4, 4), NODATA),
    ]

    seen = observations.stack(sources, Place(0, 0, 4, 4), 1)

    assert seen.times == ()
    assert seen.values.shape == (0, 1, 4, 4)


def test_the_table_of_rejected_codes_answers_for_every_combination():
    table = observations.rejected_codes(Flag.CLOUD | Flag.SNOW)

    assert table.shape == (256,)
    assert [
        bool(table[code]) for code in (0, Flag.CLOUD, Flag.SNOW, Flag.SHADOW, Flag.SNOW | Flag.SHADOW)
    ] == [
        False,
        True,
        True,
        False,
        True,
    ]
