"""Windows of rasters on the grids of others: what is known there, and nothing else."""

import numpy as np
import pytest
from affine import Affine
from landsat_files import LEFT, TOP, write_tiff
from pyproj import CRS

from bluepeace_gis.archive.windows import open_raster
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid

ROWS, COLUMNS = 40, 50


def grid(cell=30.0, rows=ROWS, columns=COLUMNS, left=LEFT, top=TOP, crs="EPSG:32642"):
    return Grid(CRS(crs), Affine(cell, 0, left, 0, -cell, top), (rows, columns))


def plane():
    row, column = np.indices((ROWS, COLUMNS))
    return (500 + 3.0 * column - 2.0 * row).astype(np.float32)


def test_a_window_of_the_same_cells_is_copied_and_beyond_is_unknown(tmp_path):
    raster = open_raster(write_tiff(tmp_path / "z.tif", plane()))
    wide = grid(rows=ROWS + 4, columns=COLUMNS + 4, left=LEFT - 60, top=TOP + 60)

    found = raster.floats(1, wide, (1, 30, 1, 20))

    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[1:, 1:], plane()[:28, :18])


def test_finer_cells_lie_between_and_windows_do_not_change_them(tmp_path):
    raster = open_raster(write_tiff(tmp_path / "z.tif", plane()))
    fine = grid(10.0, ROWS * 3, COLUMNS * 3)

    whole = raster.floats(1, fine)

    row, column = np.indices(fine.shape)
    expected = 500 + (column - 1) - 2 / 3 * (row - 1)
    np.testing.assert_allclose(whole[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-2)
    np.testing.assert_array_equal(raster.floats(1, fine, (7, 60, 11, 90)), whole[7:60, 11:90])


def test_tags_and_voids_are_minded(tmp_path):
    values = plane()
    values[0, 0], values[0, 1] = -9999, 1e38
    raster = open_raster(write_tiff(tmp_path / "z.tif", values))
    assert np.isnan(raster.floats(1, grid())[0, :2]).all()
    scaled = open_raster(
        write_tiff(tmp_path / "s.tif", np.full((2, 4, 4), 7, np.int16), scales=[0.1, 2.0], offsets=[1.0, 0.0])
    )
    assert scaled.floats(1, grid(rows=4, columns=4))[0, 0] == pytest.approx(1.7)
    assert scaled.floats(2, grid(rows=4, columns=4))[0, 0] == 14
    tagged = open_raster(write_tiff(tmp_path / "t.tif", np.full((4, 4), 7, np.int16), nodata=7))
    assert np.isnan(tagged.floats(1, grid(rows=4, columns=4))).all()


def test_classes_come_by_the_nearest_cell_and_255_beyond(tmp_path):
    codes = np.random.default_rng(1).integers(0, 4, (ROWS, COLUMNS)).astype(np.uint8)
    raster = open_raster(write_tiff(tmp_path / "c.tif", codes))
    fine = grid(10.0, ROWS * 3 + 3, COLUMNS * 3)

    found = raster.codes(1, fine)

    np.testing.assert_array_equal(found[:-3], np.kron(codes, np.ones((3, 3), np.uint8)))
    assert (found[-3:] == 255).all()


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"none\.tif"):
        open_raster(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("no raster", encoding="utf-8")
    with pytest.raises(BadInput, match="cannot be read"):
        open_raster(tmp_path / "text.tif")
    complex_ = write_tiff(tmp_path / "complex.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(BadInput, match="real ones were expected"):
        open_raster(complex_)
