"""Cast shadow on shapes whose shadow is known."""

import numpy as np
import pytest

from bluepeace_gis.kernels import rays


def wall(height=100.0, rows=40, columns=60, at=20):
    z = np.zeros((rows, columns), np.float32)
    z[:, at] = height
    return z


@pytest.mark.parametrize("elevation_deg", [20.0, 44.0, 70.0])
def test_shadow_of_a_wall_is_as_long_as_its_height_over_the_tangent(elevation_deg):
    tangent = np.tan(np.radians(elevation_deg))
    cell_m = 10.0
    depth = rays.shadow(wall(), (0.0, -1.0), cell_m * tangent)  # light from column 0
    dark = (depth > 0).sum(axis=1)
    assert (dark == np.floor(100 / tangent / cell_m - 1e-9)).all()
    # and its depth falls along the line of light
    first = 100 - cell_m * tangent
    assert depth[5, 21] == pytest.approx(first, abs=1e-3)


@pytest.mark.parametrize("towards", [(0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (1, 1), (-1, 2), (0.3, -1)])
def test_a_tower_throws_its_shadow_away_from_the_light(towards):
    z = np.zeros((81, 81), np.float32)
    z[38:43, 38:43] = 50.0
    length = np.hypot(*towards)
    depth = rays.shadow(z, towards, 2.5 * length)  # 50 high, 2.5 a cell: 20 cells long
    away = -np.array(towards) / length
    for distance, dark in ((5, True), (15, True), (26, False), (-6, False)):
        row, column = np.rint(40 + away * distance).astype(int)
        assert (depth[row, column] > 0) == dark, (towards, distance)


def test_shadow_of_a_cone_does_not_depend_on_the_way_of_the_light():
    row, column = np.indices((101, 101))
    z = np.maximum(0, 60 - 4 * np.hypot(row - 50, column - 50)).astype(np.float32)
    sizes = [
        (rays.shadow(z, (-np.cos(a), np.sin(a)), 1.5) > 0.01).sum() for a in np.radians(np.arange(0, 360, 15))
    ]
    assert np.ptp(sizes) <= 0.06 * np.mean(sizes)  # the cells of a raster, no more


def test_a_plane_that_falls_away_more_steeply_than_the_light_is_dark():
    z = np.repeat(np.arange(30, 0, -1, dtype=np.float32)[None], 5, axis=0) * 20  # falls 20 a column
    assert (rays.shadow(z, (0.0, -1.0), 15.0)[:, 1:] > 0).all()
    assert not (rays.shadow(z, (0.0, -1.0), 25.0) > 0).any()


def test_unknown_elevations_hide_nothing_and_lie_in_the_light():
    z = wall()
    z[:, 15:30] = np.nan
    assert not (rays.shadow(z, (0.0, -1.0), 5.0) > 0).any()


def test_sun_in_the_zenith_or_without_a_way_throws_no_shadow():
    assert not (rays.shadow(wall(), (0.0, 0.0), 1.0) > 0).any()
    assert not (rays.shadow(wall(), (0.0, -1.0), 0.0) > 0).any()


def test_compiled_and_python_agree():
    z = np.random.default_rng(2).uniform(0, 50, (13, 17)).astype(np.float32)
    one, two = np.full(z.shape, -np.inf, np.float32), np.full(z.shape, -np.inf, np.float32)
    rays.shade(z, 0.4, 6.0, one)
    rays.shade.py_func(z, 0.4, 6.0, two)
    assert np.allclose(one, two, atol=1e-4)
