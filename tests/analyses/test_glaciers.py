"""Glacier extent: what is found on made scenes whose truth is known, and what is refused."""

import datetime as dt

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from bluepeace_gis.analyses.glaciers import (
    COLUMNS,
    GEOMETRY_TYPES,
    PART_COLUMNS,
    SNOW_LINE_COLUMNS,
    Edit,
    Observed,
    Terrain,
    classify,
    defaults,
    edits_of,
    find_glaciers,
    is_ice,
    snow_lines,
)
from bluepeace_gis.analyses.glaciers.classification import ICE, LAND, NODATA, SILTY, UNSEEN, WATER
from bluepeace_gis.analyses.glaciers.threshold import BINS, plateau_of
from bluepeace_gis.errors import BadInput, GridMismatch
from bluepeace_gis.geo.grid import Grid

# green, near and short-wave infrared
ICE_BANDS, ROCK, LAKE, SILT = (0.45, 0.35, 0.01), (0.12, 0.15, 0.20), (0.15, 0.03, 0.01), (0.30, 0.09, 0.02)
SUMMER = dt.datetime(2024, 8, 21, 6, 16, tzinfo=dt.UTC)
CELL = 10.0
CENTRE = (504_000.0, 4_396_000.0)


def grid_of(cell=CELL, size_m=8000.0):
    cells = round(size_m / cell)
    return Grid(CRS("EPSG:32642"), Affine(cell, 0, 500_000, 0, -cell, 4_400_000), (cells, cells))


def shares(shape, grid, fine=6):
    """Tell how much of each cell lies in a shape, by counting points."""
    rows, columns = grid.shape
    t = grid.transform
    x = t.c + t.a * (np.arange(columns * fine) + 0.5) / fine
    y = t.f + t.e * (np.arange(rows * fine) + 0.5) / fine
    inside = shapely.contains_xy(shape, *np.meshgrid(x, y))
    return inside.reshape(rows, fine, columns, fine).mean((1, 3))


def scene(grid, *parts):
    """Mix the spectra of parts (shape, bands) over rock; green, near and short-wave infrared."""
    bands = [np.full(grid.shape, value) for value in ROCK]
    for shape, spectrum in parts:
        share = shares(shape, grid)
        bands = [share * new + (1 - share) * old for new, old in zip(spectrum, bands, strict=True)]
    return [band.astype(np.float32) for band in bands]


def observed(grid, *dates, terrain=None):
    made = Observed.nothing(
        grid, [SUMMER + dt.timedelta(days=n) for n in range(len(dates))], grid.transform.a
    )
    for number, bands in enumerate(dates):
        made.add(number, 0, *bands)
    return made


def terrain_of(grid, z):
    return Terrain.of(grid.raster(z.astype(np.float32), name="dem"), grid)


def hill(grid, steepness=0.3):
    """Rise towards the middle."""
    row, column = np.indices(grid.shape)
    far = np.hypot(row - grid.shape[0] / 2, column - grid.shape[1] / 2) * grid.transform.a
    return 5000 - steepness * far


GLACIER = shapely.Point(CENTRE).buffer(1200).difference(shapely.Point(CENTRE).buffer(250))


def test_a_pixel_is_told_by_differences_whatever_the_type():
    bands = np.array([ICE_BANDS, ROCK, LAKE, SILT, (0.3, 0.25, -0.02), (np.nan, 0.3, 0.1)]).T
    expected = [ICE, LAND, WATER, SILTY, ICE, UNSEEN]
    assert classify(*bands).tolist() == expected
    whole = [np.where(np.isnan(band), NODATA, np.rint(band * 1e4)).astype(np.int16) for band in bands]
    assert classify(*whole).tolist() == expected
    assert is_ice(*bands).tolist() == [code == ICE for code in expected]


def test_short_wave_infrared_at_and_below_zero_is_ice_and_not_unknown():
    swir = np.array([-0.05, -1e-6, 0.0, 0.02])
    assert is_ice(np.full(4, 0.4), np.full(4, 0.3), swir).all()


@pytest.mark.parametrize("cell", [10.0, 20.0, 30.0])
def test_area_does_not_depend_on_the_size_of_cells(cell):
    grid = grid_of(cell)
    found = find_glaciers(observed(grid, scene(grid, (GLACIER, ICE_BANDS))))
    layer = found.layers["glaciers"]
    assert len(layer) == 1
    assert layer.is_valid.all()
    assert layer.area_km2[0] == pytest.approx(GLACIER.area / 1e6, rel=0.004)
    assert len(layer.geometry[0].interiors) == 1
    assert shapely.hausdorff_distance(layer.geometry[0].boundary, GLACIER.boundary) < 0.6 * cell


def test_all_layers_and_columns_are_there_and_the_bounds_hold_the_best():
    grid = grid_of()
    found = find_glaciers(observed(grid, scene(grid, (GLACIER, ICE_BANDS))))
    assert tuple(found.layers) == tuple(GEOMETRY_TYPES)
    layer = found.layers["glaciers"]
    assert tuple(layer.columns) == (*COLUMNS, "geometry")
    assert layer.src_date[0] == "2024-08-21T06:16:00"
    assert np.isnan(layer.debris_km2[0])  # without elevations it is not looked for, which is not zero
    assert tuple(found.parts.columns) == PART_COLUMNS
    assert len(found.parts) == len(layer)
    terms = found.parts[["edge_unc_km2", "threshold_unc_km2", "snow_unc_km2", "unseen_unc_km2"]]
    assert layer.area_unc_km2.to_numpy() == pytest.approx(np.sqrt((terms**2).sum(axis=1)).to_numpy())
    best, least, most = (
        found.layers[name].geometry.union_all() for name in ("glaciers", "outlines_min", "outlines_max")
    )
    assert best.buffer(0.1).contains(least)
    assert most.buffer(0.1).contains(best)
    assert (most.area - least.area) / 2 / best.length == pytest.approx(grid.transform.a / 3, rel=0.2)


def test_small_patches_are_left_out_and_others_kept_largest_first():
    grid = grid_of()
    x, y = CENTRE
    small = shapely.Point(x - 2500, y).buffer(45)  # 0.006 km2
    middle = shapely.Point(x + 2500, y).buffer(120)
    bands = scene(grid, (GLACIER, ICE_BANDS), (small, ICE_BANDS), (middle, ICE_BANDS))
    layer = find_glaciers(observed(grid, bands)).layers["glaciers"]
    assert layer.area_km2.round(3).tolist() == pytest.approx(
        [GLACIER.area / 1e6, middle.area / 1e6], rel=0.02
    )
    all_of_them = find_glaciers(observed(grid, bands), area_min_km2=0.003).layers["glaciers"]
    assert len(all_of_them) == 3


def test_water_is_no_ice_and_silty_water_is_told_by_its_slope():
    grid = grid_of()
    x, y = CENTRE
    lake, silty = shapely.Point(x - 2500, y).buffer(300), shapely.Point(x + 2500, y).buffer(300)
    bands = scene(grid, (GLACIER, ICE_BANDS), (lake, LAKE), (silty, SILT))
    z = hill(grid)
    level = np.where(shares(silty.buffer(60), grid) > 0.5, 4000.0, z)
    flat = find_glaciers(observed(grid, bands), terrain_of(grid, level)).layers["glaciers"]
    assert len(flat) == 1
    assert not flat.intersects(shapely.union(lake, silty.buffer(-20))).any()
    steep = find_glaciers(observed(grid, bands), terrain_of(grid, z)).layers["glaciers"]
    assert steep.intersects(silty).any()  # blue ice has that spectrum


def test_ice_on_a_lake_that_the_elevations_show_level_is_no_glacier():
    grid = grid_of()
    frozen = shapely.Point(CENTRE[0] + 2500, CENTRE[1]).buffer(300)
    bands = scene(grid, (GLACIER, ICE_BANDS), (frozen, ICE_BANDS))
    level = np.where(shares(frozen.buffer(60), grid) > 0, 4000.0, hill(grid))
    assert len(find_glaciers(observed(grid, bands), terrain_of(grid, level)).layers["glaciers"]) == 1
    assert len(find_glaciers(observed(grid, bands), terrain_of(grid, hill(grid))).layers["glaciers"]) == 2
    # elevations without any relief say nothing of lakes
    flat = terrain_of(grid, np.zeros(grid.shape))
    assert len(find_glaciers(observed(grid, bands), flat).layers["glaciers"]) == 2


def test_snow_that_another_date_shows_gone_is_no_ice_and_no_doubt():
    grid = grid_of()
    x, y = CENTRE
    snow = shapely.box(x + 1100, y - 400, x + 1900, y + 400)
    clear, snowy = (
        scene(grid, (GLACIER, ICE_BANDS)),
        scene(grid, (GLACIER, ICE_BANDS), (snow, (0.8, 0.7, 0.05))),
    )
    for dates in ((clear, snowy), (snowy, clear)):
        found = find_glaciers(observed(grid, *dates))
        layer = found.layers["glaciers"]
        assert layer.area_km2[0] == pytest.approx(GLACIER.area / 1e6, rel=0.005)
        beside = snow.difference(shapely.Point(CENTRE).buffer(1200)).area / 1e6
        assert layer.snow_unc_km2[0] < 0.02
        assert found.layers["outlines_max"].area_km2.sum() > layer.area_km2[0] + 0.9 * beside
    assert find_glaciers(observed(grid, clear)).layers["glaciers"].snow_unc_km2[0] < 0.02


def test_ice_that_one_date_alone_saw_is_doubtful_as_often_as_snow_went_elsewhere():
    grid = grid_of()
    x, y = CENTRE
    snow = shapely.box(x + 1000, y - 600, x + 2200, y + 600)
    west = shares(shapely.box(x - 4000, y - 4000, x - 500, y + 4000), grid) > 0.5
    snowy = scene(grid, (GLACIER, ICE_BANDS), (snow, (0.8, 0.7, 0.05)))
    clear = [np.where(west, np.nan, band) for band in scene(grid, (GLACIER, ICE_BANDS))]
    found = find_glaciers(observed(grid, snowy, clear))
    layer = found.layers["glaciers"]
    seen_again = shapely.union(GLACIER, snow).difference(shapely.box(x - 4000, y - 4000, x - 500, y + 4000))
    gone = snow.difference(GLACIER).area / seen_again.area
    once = GLACIER.intersection(shapely.box(x - 4000, y - 4000, x - 500, y + 4000)).area / 1e6
    assert layer.snow_unc_km2[0] == pytest.approx(gone * once, rel=0.05)


def test_patchy_snow_beside_a_glacier_is_left_out_and_told():
    grid = grid_of()
    x, y = CENTRE
    patchy = shapely.box(x + 1000, y - 500, x + 1700, y + 500)
    half = tuple(0.45 * white + 0.55 * rock for white, rock in zip((0.8, 0.7, 0.06), ROCK, strict=True))
    found = find_glaciers(observed(grid, scene(grid, (patchy, half), (GLACIER, ICE_BANDS))))
    layer = found.layers["glaciers"]
    left_out = patchy.difference(GLACIER).area / 1e6
    assert layer.area_km2[0] == pytest.approx(GLACIER.area / 1e6, rel=0.01)
    assert layer.snow_unc_km2[0] == pytest.approx(left_out, rel=0.1)
    assert found.layers["outlines_max"].geometry.union_all().buffer(10).contains(patchy)


def test_unseen_ground_is_a_layer_and_a_number_and_never_loss():
    grid = grid_of()
    x, y = CENTRE
    cloud = shapely.box(x, y - 2000, x + 900, y + 2000)
    bands = [np.where(shares(cloud, grid) > 0.5, np.nan, band) for band in scene(grid, (GLACIER, ICE_BANDS))]
    found = find_glaciers(observed(grid, bands))
    layer = found.layers["glaciers"]
    seen = GLACIER.difference(cloud).area / 1e6
    assert layer.area_km2.sum() == pytest.approx(seen, rel=0.02)
    assert layer.unseen_km2.sum() > GLACIER.intersection(cloud).area / 1e6
    hidden = found.layers["unseen"].geometry.union_all()
    assert hidden.buffer(10).contains(GLACIER.intersection(cloud))
    assert found.layers["outlines_max"].geometry.union_all().buffer(10).contains(GLACIER)
    whole = observed(grid, bands, scene(grid, (GLACIER, ICE_BANDS)))  # a second, clear date
    assert find_glaciers(whole).layers["glaciers"].unseen_km2.sum() == 0


def test_unseen_ground_far_from_ice_is_in_the_layer_and_in_no_number():
    grid = grid_of()
    x, y = grid.transform.c + 600, grid.transform.f - 600
    cloud, crumb = shapely.box(x, y - 700, x + 800, y), shapely.box(x, y + 200, x + 60, y + 260)
    hidden = shapely.union_all([cloud, crumb])
    bands = [np.where(shares(hidden, grid) > 0.5, np.nan, band) for band in scene(grid, (GLACIER, ICE_BANDS))]
    found = find_glaciers(observed(grid, bands))
    layer = found.layers["unseen"]
    assert len(layer) == 1  # what is smaller than a glacier can hide none
    assert layer.geometry[0].symmetric_difference(cloud).area < 0.02 * cloud.area
    assert len(layer.geometry[0].exterior.coords) < 20
    assert found.layers["glaciers"].unseen_km2.sum() == 0


def test_date_of_the_least_snow_is_kept():
    grid = grid_of()
    clear = scene(grid, (GLACIER, ICE_BANDS))
    snowy = scene(grid, (GLACIER, (0.9, 0.8, 0.01)))
    for dates, day in (((clear, snowy), 21), ((snowy, clear), 22)):
        layer = find_glaciers(observed(grid, *dates)).layers["glaciers"]
        assert layer.src_date[0].startswith(f"2024-08-{day}")


def test_ragged_patches_of_one_date_are_snow_and_round_ones_ice():
    grid = grid_of()
    x, y = CENTRE
    teeth = [shapely.box(x + 2000 + 120 * n, y - 350, x + 2060 + 120 * n, y + 350) for n in range(10)]
    comb = shapely.union_all([*teeth, shapely.box(x + 2000, y - 40, x + 3140, y + 40)])
    patch = shapely.Point(x - 2700, y).buffer(250)
    bands = scene(grid, (GLACIER, ICE_BANDS), (comb, ICE_BANDS), (patch, ICE_BANDS))
    found = find_glaciers(observed(grid, bands))
    assert not found.layers["glaciers"].intersects(comb).any()
    assert found.layers["glaciers"].intersects(patch).any()
    assert found.layers["outlines_max"].intersects(comb).any()


def test_winter_is_refused_with_and_without_heights():
    grid = grid_of()
    bands = scene(grid, (shapely.box(*grid.bounds), (0.8, 0.7, 0.08)))
    for terrain in (None, terrain_of(grid, hill(grid))):
        with pytest.raises(BadInput, match="late July to September"):
            find_glaciers(observed(grid, bands), terrain)


def test_an_ice_cap_high_up_is_no_winter():
    grid = grid_of()
    cap = shapely.Point(CENTRE).buffer(3300)  # half of the frame
    found = find_glaciers(observed(grid, scene(grid, (cap, ICE_BANDS))), terrain_of(grid, hill(grid)))
    assert found.layers["glaciers"].area_km2.sum() == pytest.approx(cap.area / 1e6, rel=0.01)


def test_heights_that_do_not_cover_and_scenes_that_saw_nothing_are_refused():
    grid = grid_of()
    z = hill(grid)
    z[:, 400:] = np.nan
    with pytest.raises(BadInput, match="does not cover"):
        find_glaciers(observed(grid, scene(grid, (GLACIER, ICE_BANDS))), terrain_of(grid, z))
    nothing = [np.full(grid.shape, np.nan)] * 3
    with pytest.raises(BadInput, match="saw nothing"):
        find_glaciers(observed(grid, nothing))


def test_heights_elsewhere_and_grids_in_degrees_are_refused():
    grid = grid_of()
    away = Grid(grid.crs, Affine(30, 0, 700_000, 0, -30, 4_400_000), (50, 50))
    with pytest.raises(BadInput, match="do not cover"):
        Terrain.of(away.raster(np.ones((50, 50), np.float32), name="dem"), grid)
    degrees = Grid(CRS("EPSG:4326"), Affine(0.01, 0, 70, 0, -0.01, 40), (50, 50))
    with pytest.raises(GridMismatch, match="gdalwarp"):
        Terrain.of(away.raster(np.ones((50, 50), np.float32), name="dem"), degrees)


def test_no_ice_at_all_gives_empty_layers():
    grid = grid_of()
    found = find_glaciers(observed(grid, scene(grid)))
    assert all(len(layer) == 0 for layer in found.layers.values())
    assert tuple(found.layers["glaciers"].columns) == (*COLUMNS, "geometry")


def test_mountains_throw_their_shadow_away_from_the_sun_and_slopes_are_told():
    grid = grid_of(30.0)
    row, _ = np.indices(grid.shape)
    terrain = terrain_of(grid, np.where(row < 100, 3000.0, 2000.0))  # a cliff in the north
    south, north = terrain.shade(180, 30), terrain.shade(0, 30)
    assert not south.any()
    shadow_m = 1000 / np.tan(np.radians(30))
    assert (north[:, 130].sum() * 30) == pytest.approx(shadow_m, abs=60)
    assert not north[:100].any()
    slope = terrain_of(grid, row * 30.0 * np.tan(np.radians(20))).slope_deg(row.ravel(), row.ravel())
    assert slope == pytest.approx(20, abs=0.1)


def test_ice_in_shade_is_found_and_what_is_too_dark_is_unseen():
    grid = grid_of(30.0)
    row, _ = np.indices(grid.shape)
    terrain = terrain_of(grid, np.where(row < 100, 3000.0, 2000.0))
    shade = terrain.shade(0, 45)  # rows 100 to 132
    x = CENTRE[0]
    dim = shapely.box(x - 900, grid.transform.f - 129 * 30, x + 900, grid.transform.f - 103 * 30)
    dark = shapely.box(x + 1500, grid.transform.f - 129 * 30, x + 2100, grid.transform.f - 103 * 30)
    bands = scene(grid, (GLACIER, ICE_BANDS), (dim, (0.096, 0.036, 0.0)), (dark, (0.01, 0.005, 0.005)))
    made = Observed.nothing(grid, [SUMMER], 30.0)
    made.add(0, 0, *bands, terrain=terrain, shade=shade)
    found = find_glaciers(made, terrain)
    assert found.layers["glaciers"].geometry.union_all().buffer(1).contains(dim.buffer(-45))
    assert found.layers["unseen"].geometry.union_all().buffer(1).contains(dark.buffer(-45))


# Ice under debris

DEBRIS = (0.13, 0.16, 0.19)
TONGUE = shapely.box(CENTRE[0] - 200, CENTRE[1] - 2600, CENTRE[0] + 200, CENTRE[1] - 1000)


def valley(grid):
    """Rise to the north by 12 degrees, between walls of 45 degrees that begin beside the tongue."""
    row, column = np.indices(grid.shape)
    t = grid.transform
    x, y = t.c + t.a * (column + 0.5), t.f + t.e * (row + 0.5)
    beside = np.maximum(np.abs(x - CENTRE[0]) - np.where(y > CENTRE[1] - 1000, 1500, 250), 0)
    return 3000 + np.tan(np.radians(12)) * (y - y.min()) + beside


def with_debris(grid, temperature_k=None, plants=None):
    upper = shapely.Point(CENTRE).buffer(1100)
    parts = [(TONGUE, DEBRIS), (upper, ICE_BANDS), *([] if plants is None else [(plants, (0.06, 0.4, 0.2))])]
    made = Observed.nothing(grid, [SUMMER], grid.transform.a)
    made.add(0, 0, *scene(grid, *parts), temperature_k=temperature_k)
    return made


def debris_of(found):
    layer = found.layers["debris"]
    return layer.geometry.union_all() if len(layer) else shapely.Point()


def test_debris_below_clean_ice_is_a_candidate_beside_the_area_and_not_in_it():
    grid = grid_of(30.0)
    found = find_glaciers(with_debris(grid), terrain_of(grid, valley(grid)))
    layer, candidates = found.layers["glaciers"], debris_of(found)
    assert layer.area_km2[0] == pytest.approx(np.pi * 1.1**2, rel=0.01)
    assert layer.debris_km2[0] == pytest.approx(found.layers["debris"].area_km2.sum())
    assert layer.debris_km2[0] > 0.1
    assert candidates.bounds[3] < CENTRE[1]  # never above
    # gentle ground beside the lower margin may be ice as well; the slopes around the tongue are none
    assert candidates.difference(TONGUE.buffer(120)).area < 0.25 * candidates.area
    assert candidates.intersection(layer.geometry[0]).area < 1
    assert found.layers["debris"].area_unc_km2.sum() > 3 * layer.edge_unc_km2[0]


def test_temperature_confirms_a_long_tongue_and_denies_a_warm_one():
    grid = grid_of(30.0)
    z = valley(grid)
    air = 300 - 0.006 * (z - z.min()) + np.random.default_rng(1).normal(0, 1, z.shape)
    covered = shares(TONGUE, grid) > 0.5
    terrain = terrain_of(grid, z)
    alone = debris_of(find_glaciers(with_debris(grid), terrain)).area
    cold = debris_of(find_glaciers(with_debris(grid, np.where(covered, air - 8, air)), terrain))
    warm = debris_of(find_glaciers(with_debris(grid, air), terrain))
    assert cold.area > 1.5 * alone
    assert cold.intersection(TONGUE).area > 0.6 * TONGUE.difference(shapely.Point(CENTRE).buffer(1100)).area
    assert cold.difference(TONGUE.buffer(60)).area < 0.1 * cold.area
    assert warm.area < 0.2 * cold.area


def test_plants_and_steep_ground_are_no_debris():
    grid = grid_of(30.0)
    meadow = TONGUE.buffer(400)
    green = find_glaciers(with_debris(grid, plants=meadow), terrain_of(grid, valley(grid)))
    assert debris_of(green).intersection(meadow.buffer(-60)).area == 0
    steep = terrain_of(grid, 3 * valley(grid))
    assert (find_glaciers(with_debris(grid), steep).layers["glaciers"].debris_km2 == 0).all()


def test_what_people_removed_is_no_debris_either():
    grid = grid_of(30.0)
    terrain = terrain_of(grid, valley(grid))
    found = find_glaciers(with_debris(grid), terrain, edits=[edit("remove", TONGUE.buffer(300))])
    assert debris_of(found).intersection(TONGUE).area == 0


# Snow lines


def half_snow(grid, line, noise=0.02):
    """Snow above a height on a hill of ice, ice below."""
    z = hill(grid)
    rng = np.random.default_rng(3)
    snow = z > line
    bands = [
        np.where(snow, white, ice) for white, ice in zip((0.8, 0.7, 0.05), (0.4, 0.28, 0.02), strict=True)
    ]
    return z, [(band + rng.normal(0, noise, z.shape)).astype(np.float32) for band in bands], snow


def glaciers_with_id(grid, *shapes):
    return gpd.GeoDataFrame(
        {"rgi_id": [f"G-{n}" for n in range(len(shapes))]}, geometry=list(shapes), crs=grid.crs
    )


def test_snow_line_and_share_of_accumulation_are_found_for_each_glacier():
    grid = grid_of(30.0)
    z, bands, snow = half_snow(grid, 4500.0)
    high = shapely.Point(CENTRE).buffer(900)
    whole = shapely.Point(CENTRE).buffer(3000).difference(high)
    away = shapely.Point(600_000, 4_396_000).buffer(500)
    layer = glaciers_with_id(grid, whole, high, away)
    for crs in (None, "EPSG:4326"):
        asked = layer if crs is None else layer.to_crs(crs)
        table = snow_lines(asked, observed(grid, bands), terrain_of(grid, z))
        assert tuple(table.columns) == SNOW_LINE_COLUMNS
        assert table.rgi_id.tolist() == ["G-0", "G-1", "G-2"]
        assert table.date.tolist() == ["2024-08-21T06:16:00"] * 3
        assert table.snow_line_m[0] == pytest.approx(4500, abs=15)
        assert 0 < table.snow_line_unc_m[0] <= 20
        inside = shares(whole, grid) > 0.5
        assert table.accumulation_area_ratio[0] == pytest.approx(snow[inside].mean(), abs=0.01)
        assert table.accumulation_area_ratio[1] == pytest.approx(1, abs=0.01)
        assert np.isnan(table.snow_line_m[1])  # it lies below this glacier
        assert table.seen_share.tolist() == pytest.approx([1, 1, 0])


def test_snow_lines_are_missing_where_snow_looks_like_ice_or_little_was_seen():
    grid = grid_of(30.0)
    z, bands, _ = half_snow(grid, 4500.0)
    layer = glaciers_with_id(grid, shapely.Point(CENTRE).buffer(3000))
    white = [np.full(grid.shape, value) for value in (0.8, 0.7, 0.05)]
    noisy = [
        (band + np.random.default_rng(1).normal(0, 0.05, band.shape)).astype(np.float32) for band in white
    ]
    fresh = snow_lines(layer, observed(grid, noisy), terrain_of(grid, z))
    assert fresh[["snow_line_m", "accumulation_area_ratio"]].isna().all(axis=None)
    east = np.indices(grid.shape)[1] > 100
    cloudy = [np.where(east, np.nan, band) for band in bands]
    table = snow_lines(layer, observed(grid, cloudy), terrain_of(grid, z))
    inside = shares(layer.geometry[0], grid) > 0.5
    assert table.seen_share[0] == pytest.approx((inside & ~east).sum() / inside.sum(), abs=0.01)
    assert np.isnan(table.accumulation_area_ratio[0])


def test_snow_lines_are_of_one_date_and_of_glaciers_with_ids():
    grid = grid_of(30.0)
    z, bands, _ = half_snow(grid, 4500.0)
    layer = glaciers_with_id(grid, GLACIER)
    with pytest.raises(BadInput, match="2 dates"):
        snow_lines(layer, observed(grid, bands, bands), terrain_of(grid, z))
    with pytest.raises(BadInput, match="rgi_id"):
        snow_lines(layer.drop(columns="rgi_id"), observed(grid, bands), terrain_of(grid, z))
    assert len(snow_lines(layer.iloc[:0], observed(grid, bands), terrain_of(grid, z))) == 0


# The threshold


def test_the_default_threshold_stays_where_it_is_flat():
    steps = np.full(BINS, 0.05)
    steps[:10] = 40.0  # ground below zero
    steps[40:] = 20.0  # ice
    curve = plateau_of(steps)
    assert curve.threshold == pytest.approx(defaults.VISIBLE_MARGIN)
    assert curve.plateau[0] <= curve.threshold <= curve.plateau[1]
    assert curve.half_range_km2 == pytest.approx(
        0.05 * (curve.plateau[1] - curve.plateau[0]) / 0.02, rel=1e-6
    )
    assert (np.diff(curve.area_km2) <= 0).all()


def test_haze_moves_the_threshold_onto_the_plateau():
    steps = np.full(BINS, 0.05)
    steps[12:20] = 30.0  # ground that haze has lifted to 0.10
    steps[40:] = 20.0
    curve = plateau_of(steps)
    assert 0.10 <= curve.threshold <= 0.14
    assert curve.plateau[0] >= 0.099


def test_a_curve_of_nothing_has_the_default():
    assert plateau_of(np.zeros(BINS)).threshold == defaults.VISIBLE_MARGIN


# Edits


def edit(action, shape, day=1, crs="EPSG:32642"):
    return Edit(action, dt.date(2025, 1, day), "A. Analyst", "seen on the ground", shape, CRS(crs))


def test_edits_are_replayed_in_order():
    grid = grid_of()
    x, y = CENTRE
    made = observed(grid, scene(grid, (GLACIER, ICE_BANDS)))
    half = shapely.box(x, y - 3000, x + 3000, y + 3000)
    nunatak = shapely.Point(CENTRE).buffer(250)
    removed = find_glaciers(made, edits=[edit("remove", half)]).layers
    assert removed["glaciers"].area_km2.sum() == pytest.approx(GLACIER.area / 2e6, rel=0.01)
    added = find_glaciers(made, edits=[edit("add", nunatak.buffer(5))]).layers
    assert added["glaciers"].area_km2.sum() == pytest.approx(np.pi * 1.2**2, rel=0.01)
    drawn = find_glaciers(made, edits=[edit("add", shapely.Point(x - 3000, y).buffer(200))]).layers
    assert len(drawn["glaciers"]) == 2
    both = find_glaciers(
        made, edits=[edit("remove", half), edit("add", half.intersection(GLACIER), 2)]
    ).layers
    assert both["glaciers"].area_km2.sum() == pytest.approx(GLACIER.area / 1e6, rel=0.01)


def test_edits_in_another_crs_lie_in_the_same_place():
    grid = grid_of()
    half = gpd.GeoSeries(
        [shapely.box(CENTRE[0], CENTRE[1] - 3000, CENTRE[0] + 3000, CENTRE[1] + 3000)], crs=32642
    )
    degrees = half.segmentize(200).to_crs(4326).iloc[0]
    found = find_glaciers(
        observed(grid, scene(grid, (GLACIER, ICE_BANDS))), edits=[edit("remove", degrees, crs="EPSG:4326")]
    )
    assert found.layers["glaciers"].area_km2.sum() == pytest.approx(GLACIER.area / 2e6, rel=0.01)


def layer_of(**changed):
    row = {"action": "add", "date": "2025-02-01", "author": "A", "reason": "b"} | changed
    return gpd.GeoDataFrame([row], geometry=[shapely.Point(0, 0).buffer(9)], crs="EPSG:32642")


def test_edits_are_read_with_date_author_and_reason():
    two = pd.concat([layer_of(), layer_of(date="2024-12-31", action="Remove")], ignore_index=True)
    found = edits_of(two, "edits.gpkg")
    assert [each.action for each in found] == ["remove", "add"]
    assert str(found[0]) == "2024-12-31 A: remove, b"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"action": "delete"}, "add or remove"),
        ({"author": ""}, "author is empty"),
        ({"reason": None}, "reason is empty"),
        ({"date": "yesterday"}, "2024-09-30 was expected"),
    ],
)
def test_edits_that_do_not_say_who_did_what_when_and_why_are_refused(changed, sentence):
    with pytest.raises(BadInput, match=sentence):
        edits_of(layer_of(**changed), "edits.gpkg")


def test_edits_without_a_column_or_with_an_invalid_polygon_are_refused():
    with pytest.raises(BadInput, match="no column author"):
        edits_of(layer_of().drop(columns="author"), "edits.gpkg")
    crossed = layer_of()
    crossed.geometry = [shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])]
    with pytest.raises(BadInput, match="invalid"):
        edits_of(crossed, "edits.gpkg")
