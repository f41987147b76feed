"""Heights, slopes and bands on surfaces whose answers are known by heart."""

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from bluepeace_gis.analyses.basins.relief import Relief
from bluepeace_gis.geo.drainage import drain
from bluepeace_gis.geo.grid import Grid


def relief_of(z, *, band_m=100.0, transform=None):
    grid = Grid(CRS("EPSG:32642"), transform or Affine(100, 0, 500_000, 0, -100, 4_400_000), z.shape)
    dem = grid.raster(z.astype(np.float32), "dem")
    zone = np.ones(z.shape, np.int32)
    relief = Relief.of(dem, drain(dem).drainage, zone, 1, band_m)
    basins = gpd.GeoDataFrame({"outlet_id": [7], "name": ["all"]})
    return relief, relief.band_table(basins, np.array([1]), grid), grid


def plane(east, north, shape=(20, 30)):
    """A plane that rises by so much per cell to the east and to the north."""
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    return 1000 + east * column - north * row


@pytest.mark.parametrize(
    ("east", "north", "aspect"), [(-1, 0, 90), (0, -1, 0), (1, 0, 270), (0, 1, 180), (-1, -1, 45)]
)
def test_a_plane_has_one_slope_and_one_aspect(east, north, aspect):
    z = plane(10 * east, 10 * north)
    # the rim lacks neighbours: the inner cells alone are the plane
    z = np.pad(z, 0)
    relief, bands, _ = relief_of(z, band_m=10_000)
    steep = np.degrees(np.arctan(np.hypot(east, north) / 10))
    assert bands["aspect_deg"].item() == pytest.approx(aspect, abs=1.5)
    assert bands["slope_deg"].item() == pytest.approx(steep, rel=0.1)
    assert relief.columns(np.array([1]))["zmax_m"][0] == z.max()


def test_bands_add_up_and_begin_below_zero_where_the_land_does():
    z = plane(0, 5, (60, 10)) - 1000 - 28  # the shore of the Caspian Sea lies at -28 m
    _, bands, grid = relief_of(z, band_m=100)
    assert bands["z_from_m"].tolist() == [-400, -300, -200, -100]
    assert bands["band"].tolist() == [1, 2, 3, 4]
    assert bands["area_km2"].sum() == pytest.approx(grid.cell_areas.sum() / 1e6, rel=1e-12)
    assert bands["area_pct"].sum() == pytest.approx(100)
    inside = (bands["z_mean_m"] >= bands["z_from_m"]) & (bands["z_mean_m"] < bands["z_to_m"])
    assert inside.all()


def test_a_level_band_has_no_aspect_and_a_rotated_grid_keeps_its_own():
    _, level, _ = relief_of(np.full((9, 9), 500.0))
    assert np.isnan(level["aspect_deg"].item())
    # columns run to the north-east: what falls along the row falls to the north-east
    turned = Affine(70.7, 70.7, 500_000, 70.7, -70.7, 4_400_000)
    _, bands, _ = relief_of(plane(-10, 0), band_m=10_000, transform=turned)
    assert bands["aspect_deg"].item() == pytest.approx(45, abs=1.5)
