"""The shipped sample agrees with itself and with its known answers; nothing here needs our library."""

import json
import sqlite3
import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyflwdir
import pyproj
import pytest
import rasterio
import rasterio.features
import shapely
from shapely.geometry import Point

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
YEARS = (2015, 2024)
GEOD = pyproj.CRS("EPSG:32642").get_geod()
NODATA = -9999.0


def layer(name, sublayer=None):
    return gpd.read_file(SAMPLE / f"{name}.gpkg", layer=sublayer or name)


def geodesic_m2(shape):
    degrees = pyproj.Transformer.from_crs("EPSG:32642", "EPSG:4326", always_xy=True).transform
    dense = shapely.segmentize(shape, 100.0)
    return abs(GEOD.geometry_area_perimeter(shapely.transform(dense, degrees, interleaved=False))[0])


@pytest.fixture(scope="module")
def answers():
    return json.loads((SAMPLE / "known_answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dem():
    with rasterio.open(SAMPLE / "dem.tif") as source:
        return source.read(1), source.profile


@pytest.fixture(scope="module")
def cell_areas_m2(dem):
    z, profile = dem
    rows, cols = np.mgrid[: z.shape[0], : z.shape[1]]
    x, y = (v.reshape(z.shape) for v in rasterio.transform.xy(profile["transform"], rows, cols))
    lon, lat = pyproj.Transformer.from_crs("EPSG:32642", "EPSG:4326", always_xy=True).transform(x, y)
    return 900.0 / pyproj.Proj("EPSG:32642").get_factors(lon, lat).areal_scale


@pytest.fixture(scope="module")
def water(dem):
    """The cells of the terminal lake's outline, as anyone who is handed the two files would find them."""
    z, profile = dem
    lake = layer("terminal_lakes").geometry
    return rasterio.features.rasterize(lake, z.shape, transform=profile["transform"]).astype(bool)


@pytest.fixture(scope="module")
def drainage(dem, water, cell_areas_m2):
    """pyflwdir's flow and upstream area (km2), the lake kept as an outlet."""
    z, profile = dem
    gone = np.isnan(z) | water
    _, d8 = pyflwdir.dem.fill_depressions(np.where(gone, NODATA, z).astype("float32"), nodata=NODATA)
    flow = pyflwdir.from_array(d8, ftype="d8", transform=profile["transform"])
    return flow, flow.accuflux(np.where(gone, 0.0, cell_areas_m2)) / 1e6


def test_the_folder_is_small_and_every_file_is_explained():
    files = [f for f in SAMPLE.rglob("*") if f.is_file()]
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    archive = [f for f in files if "archive" in f.relative_to(SAMPLE).parts]
    assert sum(f.stat().st_size for f in files if f not in archive) < 10e6
    named = {f.relative_to(SAMPLE).parts[0] for f in files} - {"README.md"}
    assert sorted(name for name in named if f"`{name}" not in readme) == []


def test_the_study_file_names_files_and_fields_that_exist():
    study = tomllib.loads((SAMPLE / "study.toml").read_text(encoding="utf-8"))
    region, zones = study["region"], study["zones"]
    for file in (region["dem"], region["outlets"], region["terminal_lakes"], zones["districts"]):
        assert (SAMPLE / file).is_file()
    assert region["area_field"] in layer("outlets").columns
    assert zones["country_field"] in layer("countries").columns
    assert zones["district_field"] in layer("districts").columns
    file, name = zones["borders"].split("|")
    assert zones["status_field"] in gpd.read_file(SAMPLE / file, layer=name).columns


@pytest.mark.parametrize("path", sorted(SAMPLE.glob("*.gpkg")), ids=lambda path: path.stem)
def test_geopackages_are_of_version_1_3(path):
    # OGC 12-128r17, table 1: application_id "GPKG", user_version 10300 for 1.3.0
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == int.from_bytes(b"GPKG", "big")
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 10300
    finally:
        connection.close()


def test_the_dem_is_a_real_looking_one(dem, answers):
    z, profile = dem
    valid = ~np.isnan(z)
    assert profile["crs"] == pyproj.CRS("EPSG:32642")
    assert profile["dtype"] == "float32"
    assert np.isnan(profile["nodata"])
    assert 0.01 < 1 - valid.mean() < 0.06
    assert valid.sum() == answers["sheet"]["valid_cells"]
    assert 400 < z[valid].min() < 500
    assert 4_200 < z[valid].max() < 5_000
    decimetres = z[valid].astype(float) * 10
    assert np.abs(decimetres - decimetres.round()).max() < 0.01
    # pits: cells lower than their eight neighbours
    around = np.stack([np.roll(z, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j])
    pits = (z < around.min(axis=0))[1:-1, 1:-1]
    assert 1 < 1000 * pits.mean() < 10


def test_districts_tile_the_countries_exactly(answers):
    countries, districts = layer("countries", "countries"), layer("districts")
    for frame in (countries, districts):
        assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    for country in countries.itertuples():
        parts = districts.geometry[districts.country == country.name]
        assert shapely.union_all(parts.to_numpy()).symmetric_difference(country.geometry).area == 0
        assert parts.map(geodesic_m2).sum() == pytest.approx(geodesic_m2(country.geometry), rel=1e-9)
        assert geodesic_m2(country.geometry) / 1e6 == pytest.approx(
            answers["countries_km2"][country.name], abs=1e-6
        )
    assert sum(answers["districts_km2"].values()) == pytest.approx(answers["sheet"]["area_km2"], abs=1e-4)
    assert sum(answers["countries_km2"].values()) == pytest.approx(answers["sheet"]["area_km2"], abs=1e-4)


def test_the_border_layer_is_the_edge_the_countries_share():
    countries, borders = layer("countries", "countries"), layer("countries", "borders")
    west, east = countries.geometry
    shared = shapely.line_merge(west.boundary.intersection(east.boundary))
    drawn = shapely.union_all(borders.geometry.to_numpy())
    assert set(borders.status) == {"agreed", "unverified", "disputed"}
    assert drawn.length == pytest.approx(shared.length, rel=1e-6)
    assert drawn.hausdorff_distance(shared) < 0.02  # coordinates are kept to the centimetre


def test_gauges_lie_on_land_with_the_areas_of_the_answers(dem, drainage, answers):
    z, profile = dem
    _, upstream = drainage
    gauges = layer("outlets")
    assert set(gauges.name) == set(answers["gauges"])
    for gauge in gauges.itertuples():
        row, col = rasterio.transform.rowcol(profile["transform"], gauge.geometry.x, gauge.geometry.y)
        assert not np.isnan(z[row, col])
        known = answers["gauges"][gauge.name]
        assert gauge.known_km2 == pytest.approx(known["area_km2"], rel=known["tolerance_pct"] / 100)
        assert sum(known["country_pct"].values()) == pytest.approx(100, abs=0.002)
        assert sum(known["country_km2"].values()) == pytest.approx(known["area_km2"], rel=1e-4)
        if "channel_row" in known:
            away = max(abs(row - known["channel_row"]), abs(col - known["channel_col"]))
            assert away <= 4
            at_channel = upstream[known["channel_row"], known["channel_col"]]
            assert at_channel == pytest.approx(known["area_km2"], rel=1e-4)


def test_one_gauge_is_nearer_to_the_larger_river_than_to_its_own(dem, drainage):
    _, profile = dem
    _, upstream = drainage
    gauge = layer("outlets").set_index("name").loc["Tolm at Two Waters"]
    rows, cols = np.nonzero(upstream > 5)
    x, y = rasterio.transform.xy(profile["transform"], rows, cols)
    away = np.hypot(x - gauge.geometry.x, y - gauge.geometry.y)
    nearest = upstream[rows[away.argmin()], cols[away.argmin()]]
    assert nearest > 1.5 * gauge.known_km2
    near = away < 150
    assert (
        np.abs(upstream[rows, cols][near] / gauge.known_km2 - 1).min() < 0.01
    )  # and its own river is there too


def test_the_terminal_lake_is_flat_and_would_spill_if_filled(dem, water, answers, drainage, cell_areas_m2):
    z, _ = dem
    known = answers["terminal_lake"]
    level = z[water & (z == np.float32(known["level_m"]))]
    # the outline holds all of the water; a cell of the shore may happen to have its level too
    assert known["water_cells"] <= level.size < 1.01 * known["water_cells"]
    assert z[water].min() == np.float32(known["level_m"])
    filled, _ = pyflwdir.dem.fill_depressions(
        np.where(np.isnan(z), NODATA, z).astype("float32"), nodata=NODATA
    )
    assert filled[water].min() == pytest.approx(known["filled"]["spill_level_m"], abs=0.11)
    # all that ends beside the water, and the water: the closed basin
    flow, _ = drainage
    ring = np.pad(water, 1)
    beside = np.any(
        [
            ring[1 + i : 1 + i + z.shape[0], 1 + j : 1 + j + z.shape[1]]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ],
        axis=0,
    )
    ends = flow.idxs_ds == np.arange(flow.idxs_ds.size)
    pits = np.flatnonzero(ends & beside.ravel() & ~water.ravel() & ~np.isnan(z).ravel())
    basin = (flow.basins(idxs=pits) > 0) | water
    found = cell_areas_m2[basin].sum() / 1e6
    assert found == pytest.approx(answers["gauges"]["Lake Ulmer"]["area_km2"], rel=0.002)


def test_the_reservoir_is_flat_and_the_river_passes_through(dem, drainage):
    z, profile = dem
    flow, upstream = drainage
    reservoir = layer("reservoir").iloc[0]
    cells = rasterio.features.rasterize(
        [reservoir.geometry.buffer(-30)], z.shape, transform=profile["transform"]
    ).astype(bool)
    assert np.ptp(z[cells]) == 0
    assert z[cells][0] == np.float32(reservoir.level_m)
    assert upstream[cells].max() > 100
    out = np.argmax(np.where(cells, upstream, 0))
    for _ in range(40):  # past the wall
        out = flow.idxs_ds[out]
    assert z.ravel()[out] < reservoir.level_m - 30


def test_the_asken_zigzags_over_the_border_it_forms(answers):
    along = answers["border"]["along the Asken"]
    assert along["line_km"] > 8
    assert along["channel_cells_that_change_side"] > 20
    assert along["farthest_channel_cell_m"] < 120
    assert answers["border"]["East Asken"]["changes_of_side"] == 1
    assert answers["border"]["Tivra"]["changes_of_side"] == 1
    assert answers["border"]["East Asken"]["from_country"] == answers["border"]["Tivra"]["to_country"]


def test_fields_lie_apart_and_inside_their_districts():
    fields, districts = layer("fields"), layer("districts").set_index("district")
    assert fields.geometry.is_valid.all()
    assert fields.field_id.is_unique
    for district, parts in fields.groupby("district"):
        assert parts.geometry.within(districts.geometry[district]).all()
        assert set(parts.country) == {districts.country[district]}
    whole = shapely.union_all(fields.geometry.to_numpy())
    assert whole.area == pytest.approx(fields.area.sum(), rel=1e-6)
    assert set(fields.fate) == {"kept", "abandoned", "new"}
    for country in ("Talvria", "Sormea"):
        assert set(fields.fate[fields.country == country]) >= {"abandoned", "new"}
    abandoned, new = fields[fields.fate == "abandoned"], fields[fields.fate == "new"]
    assert (abandoned.season_2015 != "fallow").all()
    assert (abandoned.season_2024 == "fallow").all()
    assert (new.season_2015 == "fallow").all()
    assert (new.season_2024 != "fallow").all()


@pytest.mark.parametrize("year", YEARS)
def test_irrigated_areas_add_up_and_the_mask_shows_the_fields(year, dem, cell_areas_m2, answers):
    z, profile = dem
    fields, known = layer("fields"), answers["irrigated"][str(year)]
    watered = fields[fields[f"season_{year}"] != "fallow"]
    geodesic_ha = watered.geometry.map(geodesic_m2).sum() / 1e4
    assert geodesic_ha == pytest.approx(known["fields_ha"], abs=0.2)
    for part in ("country_ha", "district_ha"):
        assert sum(known[part].values()) == pytest.approx(known["fields_ha"], abs=0.05)
    watered_seasons = sum(v for k, v in known["season_ha"].items() if k != "fallow")
    assert watered_seasons == pytest.approx(known["fields_ha"], abs=0.05)

    with rasterio.open(SAMPLE / f"truth_irrigated_{year}.tif") as source:
        mask = source.read(1)
        assert source.transform == profile["transform"]
        assert source.crs == profile["crs"]
        assert source.nodata == 255
    assert ((mask == 255) == np.isnan(z)).all()
    drawn = rasterio.features.rasterize(watered.geometry, z.shape, transform=profile["transform"])
    assert (mask[mask != 255] == drawn[mask != 255]).all()
    mask_ha = cell_areas_m2[mask == 1].sum() / 1e4
    assert mask_ha == pytest.approx(known["mask_ha"], abs=0.02)
    assert mask_ha == pytest.approx(known["fields_ha"], rel=answers["tolerance"]["irrigated_mask_pct"] / 100)


def test_glaciers_are_high_apart_and_sum_to_their_answer(dem, answers):
    z, profile = dem
    glaciers, known = layer("glaciers"), answers["glaciers"]
    assert glaciers.geometry.is_valid.all()
    assert shapely.coverage_is_valid(glaciers.geometry.to_numpy())
    assert glaciers.glacier_id.nunique() == known["count"]
    for kind in ("clean", "debris"):
        found = glaciers.geometry[glaciers.kind == kind].map(geodesic_m2).sum() / 1e6
        assert found == pytest.approx(known[kind], abs=1e-3)
    assert known["clean"] + known["debris"] == pytest.approx(known["area_km2"], abs=2e-4)
    ice = rasterio.features.rasterize(glaciers.geometry, z.shape, transform=profile["transform"]).astype(bool)
    assert np.nanmin(z[ice]) > 2_500
    assert np.nanmedian(z[ice]) > np.nanquantile(z, 0.9)
    assert (glaciers.zmin_m < glaciers.ela_m).mean() > 0.8
    # debris covers tongues: it lies below the clean ice of its own glacier
    for name in glaciers.glacier_id[glaciers.kind == "debris"].unique():
        own = glaciers[glaciers.glacier_id == name]
        if set(own.kind) == {"clean", "debris"}:
            assert own.zmin_m[own.kind == "debris"].min() < own.zmin_m[own.kind == "clean"].min()


def test_the_lake_gauge_lies_in_the_lake():
    gauge = layer("outlets").set_index("name").geometry["Lake Ulmer"]
    assert layer("terminal_lakes").geometry.iloc[0].contains(Point(gauge.x, gauge.y))
