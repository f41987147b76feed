"""Tiles become one Cloud Optimized GeoTIFF that depends on their values alone."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from bluepeace_gis.archive import mosaics, rasters
from bluepeace_gis.archive.mosaics import Part
from bluepeace_gis.errors import BadInput, NotWritten
from bluepeace_gis.geo.grid import Grid

GRID = Grid("EPSG:32642", Affine(30, 0, 500_000, 0, -30, 4_500_000), (700, 900))


def index_map(dtype=np.float32):
    rng = np.random.default_rng(7)
    values = rng.random((1, *GRID.shape)).astype(dtype)
    values[0, 100:200, 300:500] = np.nan
    return values


def cut(values, size, folder, leave_out=()):
    parts = []
    for row in range(0, values.shape[1], size):
        for column in range(0, values.shape[2], size):
            tile = values[:, row : row + size, column : column + size]
            if (row, column) in leave_out:
                continue
            file = mosaics.write_part(tile, folder / f"{size}_{row}_{column}.tif")
            parts.append(Part(row, column, *tile.shape[1:], file))
    return parts


def test_the_same_cells_give_the_same_bytes_whatever_the_tiles(tmp_path):
    values = index_map()
    made = [
        mosaics.join(
            cut(values, size, tmp_path),
            GRID,
            tmp_path / f"by_{size}.tif",
            dtype="float32",
            descriptions=["ndvi"],
        )
        for size in (200, 333, 1024)
    ]

    assert len({path.read_bytes() for path in made}) == 1
    assert np.array_equal(rasters.read(made[0]).values, values[0], equal_nan=True)


def test_the_mosaic_equals_the_raster_written_from_memory_and_is_a_cog(tmp_path):
    values = index_map()

    joined = mosaics.join(
        cut(values, 256, tmp_path), GRID, tmp_path / "joined.tif", dtype="float32", descriptions=["ndvi"]
    )
    whole = rasters.write(GRID.raster(values[0]), tmp_path / "whole.tif", description="ndvi")

    with rasterio.open(joined) as one, rasterio.open(whole) as other:
        assert repr(one.profile) == repr(other.profile)  # NaN, the nodata of both, equals nothing
        assert one.descriptions == other.descriptions == ("ndvi",)
        assert one.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert one.overviews(1) == other.overviews(1) == [2]
        assert np.array_equal(
            one.read(1, out_shape=(350, 450)), other.read(1, out_shape=(350, 450)), equal_nan=True
        )


def test_where_no_tile_lies_nothing_was_observed(tmp_path):
    values = index_map()
    counts = np.ones((2, *GRID.shape), np.uint16)

    parts = cut(values, 300, tmp_path, leave_out={(300, 600)})
    index = mosaics.join(parts, GRID, tmp_path / "index.tif", dtype="float32", descriptions=["ndvi"])
    parts = cut(counts, 301, tmp_path, leave_out={(301, 301)})
    count = mosaics.join(parts, GRID, tmp_path / "count.tif", dtype="uint16", descriptions=["clear", "seen"])

    with rasterio.open(index) as file:
        assert np.isnan(file.read(1)[300:600, 600:900]).all()
        assert np.isnan(file.nodata)
    with rasterio.open(count) as file:
        assert file.nodata is None
        assert (file.read()[:, 301:602, 301:602] == 0).all()
        assert file.read(2)[0, 0] == 1


def test_a_truncated_tile_stops_the_mosaic_and_leaves_no_name(tmp_path):
    parts = cut(index_map(), 512, tmp_path)
    file = parts[1].file
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    with pytest.raises((BadInput, NotWritten), match=r"tif|tile"):
        mosaics.join(parts, GRID, tmp_path / "index.tif", dtype="float32", descriptions=["ndvi"])

    assert sorted(place.name for place in tmp_path.iterdir()) == sorted(part.file.name for part in parts)


@pytest.mark.parametrize(
    ("row", "rows"), [(600, 200), (0, 100)], ids=["over the edge", "another size than its file"]
)
def test_a_tile_that_does_not_fit_is_named(tmp_path, row, rows):
    file = mosaics.write_part(np.zeros((1, 200, 900), np.uint8), tmp_path / "tile.tif")

    with pytest.raises(BadInput, match=r"tile\.tif"):
        mosaics.join(
            [Part(row, 0, rows, 900, file)], GRID, tmp_path / "x.tif", dtype="uint8", descriptions=["class"]
        )


def test_a_full_disk_is_told_with_the_way_out_and_leaves_no_name(tmp_path, small_disk):
    """GDAL names the cause in its own ways; the space left is told to be looked at in any case."""
    ways_out = r"the disk is full\. Free space on it|Check the space left on the disk"
    sentence = rf"not written: .*({ways_out}) or choose another place\.$"
    parts = cut(np.random.default_rng(1).random((1, *GRID.shape)).astype(np.float32), 512, tmp_path)

    with pytest.raises(NotWritten, match=sentence):
        mosaics.join(parts, GRID, small_disk / "index.tif", dtype="float32", descriptions=["ndvi"])
    with pytest.raises(NotWritten, match=sentence):
        mosaics.write_part(np.random.default_rng(1).random((1, 900, 900)), small_disk / "tile.tif")

    assert not (small_disk / "index.tif").exists()
