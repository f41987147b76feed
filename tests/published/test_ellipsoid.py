"""The surface of the Earth as its ellipsoids are published."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from bluepeace_gis.geo.grid import Grid

# Moritz (2000), Geodetic Reference System 1980, doi:10.1007/s001900050278:
# radius of the sphere with the same surface as the ellipsoid, in metres.
GRS80_R2 = 6_371_007.1810


@pytest.mark.parametrize("cell_deg", [0.5, 1, 10])
def test_cells_of_the_whole_earth_add_up_to_the_surface_of_grs80(cell_deg):
    rows, cols = int(180 / cell_deg), int(360 / cell_deg)
    transform = Affine(cell_deg, 0, -180, 0, -cell_deg, 90)
    earth = Grid(CRS("EPSG:4019"), transform, (rows, cols))

    radius = np.sqrt(earth.cell_areas.sum() / (4 * np.pi))

    assert radius == pytest.approx(GRS80_R2, abs=0.001)  # the closed form ends in 1809


# Brodzik et al. (2012), EASE-Grid 2.0, doi:10.3390/ijgi1010032: the 25 km grids have cells of
# 25 km x 25 km (polar, 720 x 720) and 25,025.26 m x 25,025.26 m (global, 584 x 1388), on equal-area
# projections of WGS 84. Looked at is the middle: at the edges the poles are drawn out to lines.
@pytest.mark.parametrize(
    ("crs", "cell_m", "shape"),
    [("EPSG:6931", 25_000.0, (360, 360)), ("EPSG:6933", 25_025.26, (540, 1388))],
)
def test_cells_of_the_ease_grid_have_the_area_of_their_square(crs, cell_m, shape):
    rows, cols = shape
    transform = Affine(cell_m, 0, -cols / 2 * cell_m, 0, -cell_m, rows / 2 * cell_m)

    areas = Grid(crs, transform, shape).cell_areas

    np.testing.assert_allclose(areas, cell_m**2, rtol=2e-9)  # PROJ's series for the latitude ends at 1e-9
