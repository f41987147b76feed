"""Slopes of planes are known exactly, at the rim too."""

import numpy as np
import pytest

from bluepeace_gis.kernels.slope import slope_degrees, slopes

KERNELS = pytest.mark.parametrize("kernel", [slopes, slopes.py_func], ids=["compiled", "python"])


def plane(across, along, rows=4, columns=5, cell=(30.0, 20.0)):
    row, column = np.indices((rows + 2, columns + 2))
    z = 100 + across * cell[0] * column + along * cell[1] * row
    return z.astype(np.float32), np.tile(cell, (rows, 1))


@KERNELS
@pytest.mark.parametrize(("across", "along"), [(0, 0), (0.5, 0), (0, -0.25), (0.3, 0.4)])
def test_a_plane_has_its_own_slope_everywhere(kernel, across, along):
    z, step = plane(across, along)
    expected = np.degrees(np.arctan(np.hypot(across, along)))
    np.testing.assert_allclose(kernel(z, step), expected, atol=1e-3)
    z[0] = z[:, 0] = z[-1] = np.nan  # nothing is known beyond the raster
    np.testing.assert_allclose(kernel(z, step)[:, 1:-1], expected, atol=1e-3)


@KERNELS
def test_what_is_unknown_has_no_slope_and_lends_none(kernel):
    z, step = plane(0.5, 0)
    z[2, 3] = np.nan
    found = kernel(z, step)
    assert np.isnan(found[1, 2])
    assert np.isnan(found).sum() == 1
    np.testing.assert_allclose(found[~np.isnan(found)], np.degrees(np.arctan(0.5)), atol=1e-3)
    alone = np.full((3, 3), np.nan, np.float32)
    alone[1, 1] = 7
    assert kernel(alone, np.array([[30.0, 30.0]]))[0, 0] == 0


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="a rim of one cell"):
        slope_degrees(np.zeros((3, 3), np.float32), np.zeros((2, 2)))
