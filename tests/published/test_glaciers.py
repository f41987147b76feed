"""Glacier mapping on what people labelled and digitised, and on a scene whose truth is exact."""

import datetime as dt

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.features import rasterize
from rasterio.warp import Resampling, reproject

from bluepeace_gis.analyses.glaciers import (
    Observed,
    Terrain,
    find_glaciers,
    is_ice,
    require_late_summer,
    snow_lines,
    snow_threshold,
)
from bluepeace_gis.archive.scenes.checks import judge
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid

pytestmark = pytest.mark.real

DATE = dt.datetime(2020, 9, 9, 18, 50, tzinfo=dt.UTC)
BANDS = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir", "B11": "swir1", "B12": "swir2"}
SNOW, SHADED_SNOW, ICE, ROCK, WATER = 1, 2, 3, 4, 5


# --- pixels that people labelled (Rainey et al., github.com/RaineyAbe/glacier-snow-cover-mapping) ---


@pytest.fixture(scope="module")
def labelled(real_data):
    return pd.read_csv(real_data / "glacier/labelled_pixels/Sentinel-2_SR_training_data.csv")


def one_spectrum(table):
    """Find rows of one image that share a single spectrum under several labels: none can be told apart."""
    spectra = table.groupby([*BANDS, "site_name", "image_date"])["class"]
    return (spectra.transform("nunique") > 1) & (spectra.transform("size") > 100)


def scores(table):
    found = is_ice(table["B3"], table["B8"], table["B11"])
    white = table["class"].isin([SNOW, SHADED_SNOW, ICE]).to_numpy()
    true, false, missed = (found & white).sum(), (found & ~white).sum(), (~found & white).sum()
    shares = {
        label: float(found[table["class"] == label].mean()) for label in sorted(table["class"].unique())
    }
    return 2 * true / (2 * true + false + missed), shares


def test_680_rows_of_one_date_hold_one_spectrum_under_three_labels(labelled):
    rows = labelled[one_spectrum(labelled)]
    assert set(rows["site_name"]) == {"Wolverine"}
    assert rows["class"].value_counts().to_dict() == {ROCK: 599, SHADED_SNOW: 56, ICE: 25}
    # so that no rule on spectra reaches more on the whole file
    whites = {label: (labelled["class"] == label).sum() for label in (SHADED_SNOW, ICE)}
    assert 1 - 56 / whites[SHADED_SNOW] == pytest.approx(0.8785, abs=5e-5)
    assert 1 - 25 / whites[ICE] == pytest.approx(0.9825, abs=5e-5)


def test_pixels_are_told_as_people_labelled_them(labelled):
    f1, _ = scores(labelled)
    assert f1 >= 0.988
    f1, shares = scores(labelled[~one_spectrum(labelled)])
    print(f"F1 {f1:.4f}", shares)
    assert f1 >= 0.993
    assert shares[ICE] >= 0.985
    assert shares[SHADED_SNOW] >= 0.92
    assert shares[WATER] <= 0.01


def test_no_site_needs_rules_of_its_own(labelled):
    for site, rows in labelled[~one_spectrum(labelled)].groupby("site_name"):
        f1, shares = scores(rows)
        print(f"{site}: F1 {f1:.4f}", shares)
        assert f1 >= 0.99


def test_the_cirrus_band_in_the_place_of_short_wave_infrared_is_refused(real_data, labelled):
    table = pd.read_csv(real_data / "glacier/labelled_pixels/Sentinel-2_TOA_training_data.csv")
    for rows, lies in ((table, True), (labelled, False)):
        values = {name: rows[band].to_numpy(np.float32) for band, name in BANDS.items()}
        stopped = [found for found in judge(values, family="sentinel-2") if found.stops]
        assert bool(stopped) == lies, stopped
        if lies:
            assert any("swir1" in found.bands for found in stopped)


def test_snow_is_told_from_ice_by_a_threshold_of_each_scene(labelled):
    told = labelled[~one_spectrum(labelled) & labelled["class"].isin([SNOW, ICE])]
    right = {}
    for key, rows in told.groupby(["site_name", "image_date"]):
        threshold = snow_threshold(rows["B8"])
        share_of_ice = float((rows["class"] == ICE).mean())
        if share_of_ice < 0.05:
            assert np.isnan(threshold), key  # one kind alone is not parted
            continue
        right[key] = float(((rows["B8"] > threshold) == (rows["class"] == SNOW)).mean())
    print({key: f"{share:.3f}" for key, share in right.items()})
    assert len(right) == 4
    # Rastner et al. (2019), doi:10.3390/rs11121410, map snow on glaciers with an accuracy of about 90 %
    assert min(right.values()) >= 0.90
    assert np.mean(list(right.values())) >= 0.95


# --- the tongue of the Athabasca glacier, HLS S30 of 9 September 2020, digitised on the same image ---


def outlined(grid, green, nir, swir1, detail_m):
    made = Observed.nothing(grid, [DATE], detail_m)
    made.add(0, 0, green, nir, swir1)
    return find_glaciers(made).layers["glaciers"]


@pytest.fixture(scope="module")
def athabasca(real_data):
    folder = real_data / "glacier/athabasca_s30"
    bands = []
    for name in ("B03", "B8A", "B11"):
        with rasterio.open(folder / f"athabasca_2020253_{name}_S30.tif") as file:
            numbers = file.read(1)
            bands.append(np.where(numbers == file.nodata, np.int16(-32768), numbers))
            grid = Grid(CRS(file.crs.to_wkt()), file.transform, file.shape)
    with rasterio.open(folder / "athabasca_dem.tif") as file:
        z = file.read(1)
    made = Observed.nothing(grid, [DATE], 30.0)
    made.add(0, 0, *bands)
    return grid, bands, made, Terrain.of(grid.raster(z.astype(np.float32), name="dem"), grid)


def test_debris_of_athabasca_lies_along_its_tongue_and_little_is_claimed_below(athabasca):
    _, _, made, terrain = athabasca
    found = find_glaciers(made, terrain)
    debris = found.layers["debris"].geometry.union_all()
    claimed = found.layers["debris"].area_km2.sum()
    ice = found.layers["glaciers"].geometry.union_all()
    # the debris-covered band on its north-western side, which the image shows, 481.6 to 482.6 km east
    band = shapely.box(481_600, 5_781_600, 482_600, 5_783_000)
    print(f"Athabasca: {claimed:.2f} km2 may be ice under debris, beside {ice.area / 1e6:.1f} km2")
    assert debris.intersection(band).area >= 0.15e6
    assert claimed <= 0.8
    assert debris.intersection(ice).area < 1
    assert found.layers["glaciers"].debris_km2.sum() == pytest.approx(claimed)
    # nothing far from the ice without a temperature that confirms it
    assert debris.difference(ice.buffer(700)).area == 0


def test_snow_line_of_athabasca_parts_snow_from_ice(athabasca):
    _, _, made, terrain = athabasca
    layer = find_glaciers(made, terrain).layers["glaciers"].iloc[:1].assign(rgi_id="athabasca")
    row = snow_lines(layer, made, terrain).iloc[0]
    print(row.to_dict())
    # below it lies the bare tongue (to 2450 m by the elevations), above it the white icefield (from 2800 m)
    assert 2450 < row.snow_line_m < 2800
    assert row.snow_line_unc_m < 150
    assert 0.5 < row.accumulation_area_ratio < 0.95


def test_tongue_of_athabasca_is_outlined_as_people_did(real_data, athabasca):
    folder = real_data / "glacier/athabasca_s30"
    grid, bands, *_ = athabasca
    reference = gpd.read_file(folder / "reference_tongue_20200909.gpkg").geometry[0]
    below = shapely.box(0, 5_781_800, 1e7, 1e7)  # where the reference is cut
    found = outlined(grid, *bands, 30.0).geometry.union_all().intersection(below)
    tongue = max(shapely.get_parts(found), key=lambda part: part.intersection(reference).area)
    error = tongue.area / reference.area - 1
    iou = tongue.intersection(reference).area / tongue.union(reference).area
    inside = shapely.box(0, 5_781_805, 1e7, 1e7)
    lines = [shape.boundary.intersection(inside) for shape in (tongue, reference)]
    distance = np.mean(
        [
            np.mean([other.distance(line.interpolate(at)) for at in np.arange(0, line.length, 10)])
            for line, other in (lines, lines[::-1])
        ]
    )
    print(f"Athabasca: area {error:+.1%}, IoU {iou:.3f}, mean distance {distance:.1f} m")
    assert abs(error) <= 0.07  # of the reference itself
    assert iou >= 0.93
    assert distance <= 15


# --- a made scene of the Oetztal with exact shares of every cell ---


@pytest.fixture(scope="module")
def made(real_data):
    folder = real_data / "glacier/synthetic_oetztal"
    with rasterio.open(folder / "synthetic_s2_10m.tif") as file:
        bands = file.read((2, 4)).astype(np.float32)
        crs, transform = file.crs, file.transform
    with rasterio.open(folder / "synthetic_s2_20m.tif") as file:
        swir = file.read(1).astype(np.float32)
    with rasterio.open(folder / "synthetic_truth_oetztal.tif") as file:
        _, clean, _, water, snow = file.read() / 200.0
    return bands, swir, crs, transform, clean, water, snow


def aggregated(values, times):
    rows, columns = (size // times * times for size in values.shape)
    return values[:rows, :columns].reshape(rows // times, times, columns // times, times).mean((1, 3))


def scaled(transform, times):
    t = transform
    return Affine(t.a * times, 0, t.c, 0, t.e * times, t.f)


def at_resolution(made, resolution):
    (green, nir), swir, crs, transform, *_ = made
    times = resolution // 10
    if resolution == 10:
        bands = [green, nir, np.empty_like(green)]
        reproject(
            swir, bands[2], src_transform=scaled(transform, 2), dst_transform=transform, src_crs=crs,
            dst_crs=crs, resampling=Resampling.bilinear,
        )  # fmt: skip
    elif resolution == 20:
        bands = [aggregated(green, 2), aggregated(nir, 2), swir]
    else:
        bands = [aggregated(band, times) for band in (green, nir, np.kron(swir, np.ones((2, 2))))]
    grid = Grid(CRS(crs.to_wkt()), scaled(transform, times), bands[0].shape)
    return grid, [np.rint(band).astype(np.int16) for band in bands]


def near(mask, cells=6):
    """Cells within so many of a mask."""
    from bluepeace_gis.kernels.unmixing import grown

    return grown(mask.astype(np.uint8), cells) > 0


def test_area_of_clean_ice_is_the_same_at_10_20_and_30_metres(made):
    transform, clean = made[3], made[4]
    around = near(clean > 0)
    errors = {}
    for resolution in (10, 20, 30):
        grid, bands = at_resolution(made, resolution)
        layer = outlined(grid, *bands, 20.0 if resolution < 30 else 30.0)
        # shares of cells of 10 m: five by five points in each
        fine = rasterize(
            layer.geometry, [5 * size for size in clean.shape], transform=scaled(transform, 1 / 5)
        )
        found = aggregated(fine.astype(np.float32), 5)
        errors[resolution] = float((found * around).sum() / clean.sum() - 1)
    print({resolution: f"{error:+.2%}" for resolution, error in errors.items()})
    assert all(abs(error) <= 0.02 for error in errors.values())
    assert max(errors.values()) - min(errors.values()) <= 0.015


def test_clean_ice_of_one_date_and_of_two(made):
    transform, clean, water, snow = made[3:]
    grid, bands = at_resolution(made, 10)
    ice = clean > 0.5

    def told(layer):
        found = rasterize(layer.geometry, clean.shape, transform=transform) > 0
        return (found & ice).sum() / (found | ice).sum(), (found & (water > 0.5)).sum() * 1e-4

    one, water_km2 = told(outlined(grid, *bands, 20.0))
    # a second date: the same ice, the snow of the first gone, other snow elsewhere
    elsewhere = np.roll(snow, (420, -510), axis=(0, 1)) * (snow == 0) * (clean == 0)
    ground = [np.median(band[(snow + clean + water) == 0]) for band in bands]
    fresh = (6000, 5200, 500)
    second = [
        np.rint(np.where(snow > 0, rock, band) * (1 - elsewhere) + white * elsewhere).astype(np.int16)
        for band, rock, white in zip(bands, ground, fresh, strict=True)
    ]
    both = Observed.nothing(grid, [DATE, DATE + dt.timedelta(days=16)], 20.0)
    both.add(0, 0, *bands)
    both.add(1, 0, *second)
    two, water_too_km2 = told(find_glaciers(both).layers["glaciers"])
    print(f"IoU one date {one:.3f}, two dates {two:.3f}; water {water_km2:.4f} and {water_too_km2:.4f} km2")
    assert one >= 0.90
    assert two >= 0.96
    assert max(water_km2, water_too_km2) <= 0.02


# --- a scene of winter ---


def test_a_winter_scene_of_landsat_is_refused(real_data):
    with rasterio.open(real_data / "glacier/winter_l8/L8_UTM43_winter_8band.tif") as file:
        green, nir, swir1 = file.read((3, 5, 6))
    with pytest.raises(BadInput, match="winter snow"):
        require_late_summer(green, nir, swir1)
