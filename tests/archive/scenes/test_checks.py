"""Inputs that lie are caught; snow, water, deserts and everything else that is honest is left alone."""

import csv
import itertools
import logging
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import safe_files as safe
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from bluepeace_gis.archive.scenes import checks, containers, open_scene, pixels, sentinel2
from bluepeace_gis.archive.scenes.checks import Finding, inspect, judge, require
from bluepeace_gis.errors import BadInput

NAMES = ("blue", "green", "red", "nir", "swir1", "swir2")
TIME = datetime(2023, 7, 15, 6, 10, tzinfo=UTC)

# Reflectance of surfaces in NAMES, rounded: rock, snow and ice are medians of labelled pixels
# (RaineyAbe/glacier-snow-cover-mapping), the others what USGS splib07 (doi:10.3133/ds1035) and textbooks
# show. Chosen are those that come nearest to a lie.
SURFACES = {
    "plants": (0.03, 0.06, 0.04, 0.42, 0.20, 0.09),
    "conifers": (0.02, 0.03, 0.02, 0.20, 0.08, 0.04),
    "dry grass": (0.08, 0.12, 0.17, 0.28, 0.36, 0.24),
    "young wheat": (0.04, 0.08, 0.05, 0.50, 0.22, 0.10),
    "flooded rice": (0.04, 0.06, 0.04, 0.25, 0.06, 0.03),
    "red flowers": (0.05, 0.08, 0.20, 0.45, 0.22, 0.12),
    "wet soil": (0.05, 0.07, 0.09, 0.13, 0.14, 0.10),
    "red soil": (0.06, 0.10, 0.22, 0.32, 0.42, 0.34),
    "dry soil": (0.14, 0.20, 0.26, 0.33, 0.42, 0.38),
    "gravel desert": (0.12, 0.15, 0.18, 0.21, 0.25, 0.24),
    "sand desert": (0.15, 0.22, 0.30, 0.37, 0.48, 0.44),
    "basalt": (0.05, 0.055, 0.06, 0.07, 0.09, 0.09),
    "rock": (0.12, 0.15, 0.16, 0.17, 0.22, 0.22),
    "dry salt": (0.45, 0.52, 0.57, 0.60, 0.55, 0.42),
    "gypsum": (0.60, 0.68, 0.72, 0.75, 0.55, 0.35),
    "wet salt": (0.30, 0.34, 0.36, 0.33, 0.12, 0.06),
    "asphalt": (0.08, 0.09, 0.10, 0.12, 0.14, 0.14),
    "red roofs": (0.08, 0.10, 0.20, 0.28, 0.35, 0.30),
    "old burn": (0.03, 0.04, 0.05, 0.08, 0.16, 0.20),
    "fresh burn": (0.03, 0.035, 0.04, 0.05, 0.11, 0.14),
    "clear water": (0.05, 0.04, 0.02, 0.01, 0.005, 0.005),
    "turbid water": (0.10, 0.14, 0.18, 0.10, 0.02, 0.01),
    "river mud": (0.14, 0.19, 0.24, 0.20, 0.04, 0.02),
    "shallow sea": (0.15, 0.22, 0.06, 0.02, 0.01, 0.01),
    "glacial milk": (0.20, 0.26, 0.22, 0.10, 0.01, 0.005),
    "red salt lake": (0.12, 0.10, 0.22, 0.12, 0.02, 0.01),
    "algae": (0.04, 0.08, 0.05, 0.22, 0.02, 0.01),
    "fresh snow": (0.92, 0.93, 0.92, 0.88, 0.18, 0.14),
    "old snow": (0.81, 0.83, 0.83, 0.69, 0.02, 0.02),
    "ice": (0.35, 0.36, 0.34, 0.24, 0.014, 0.013),
    "overcorrected ice": (0.35, 0.36, 0.34, 0.24, -0.004, -0.003),
    "blue ice": (0.45, 0.42, 0.33, 0.15, 0.005, 0.005),
    "dirty ice": (0.20, 0.21, 0.21, 0.17, 0.03, 0.03),
    "shaded snow": (0.30, 0.25, 0.18, 0.12, 0.01, 0.01),
    "water cloud": (0.70, 0.70, 0.71, 0.74, 0.50, 0.36),
    "ice cloud": (0.75, 0.75, 0.75, 0.74, 0.35, 0.28),
    "cirrus over fields": (0.16, 0.20, 0.25, 0.34, 0.38, 0.33),
    "shade": (0.01, 0.01, 0.01, 0.02, 0.01, 0.01),
    "overcorrected shade": (-0.015, -0.005, 0.002, 0.02, 0.01, 0.008),
}
# Which bands people have: all, without the second or both short-wave ones, without blue, red and nir alone.
KEPT = [
    NAMES,
    ("blue", "green", "red", "nir", "swir1"),
    ("blue", "green", "red", "nir"),
    ("green", "red", "nir", "swir1"),
    ("green", "red", "swir1"),
    ("red", "nir"),
]


def mixed(shares, *, cells=12_000, seed=0):
    """Reflectance of cells in which surfaces are mixed, in varying light, with the noise of a sensor.

    shares  {surface: weight}: each cell is mostly one of them, the more often the larger its weight
    """
    random = np.random.default_rng(seed)
    names = list(shares)
    parts = random.dirichlet(
        [0.3 * len(names) * shares[name] / sum(shares.values()) for name in names], cells
    )
    pure = parts @ np.array([SURFACES[name] for name in names])
    light = random.uniform(0.6, 1.25, cells)
    return {
        name: (pure[:, band] * light * random.normal(1, 0.05, cells) + random.normal(0, 0.003, cells)).astype(
            np.float32
        )
        for band, name in enumerate(NAMES)
    }


def pure(*surfaces, **more):
    return mixed(dict.fromkeys(surfaces, 1.0), **more)


FIELDS = pure("plants", "dry soil", "young wheat", "clear water", "wet soil", "conifers")
MOUNTAINS = pure("old snow", "ice", "rock", "shaded snow", "conifers", "dry grass")


def stopping(findings):
    return [str(found) for found in findings if found.stops]


# --- no false alarms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", SURFACES)
def test_a_scene_of_one_surface_is_honest(surface):
    for kept in KEPT:
        values = {name: part for name, part in pure(surface).items() if name in kept}
        for family in ("plain", "landsat", "sentinel-2"):
            assert judge(values, family=family) == (), (kept, family)


@settings(max_examples=60)
@given(
    shares=st.dictionaries(st.sampled_from(sorted(SURFACES)), st.floats(0.05, 1.0), min_size=2, max_size=7),
    seed=st.integers(0, 2**16),
    kept=st.sampled_from(KEPT),
    family=st.sampled_from(["plain", "landsat", "sentinel-2", "hls"]),
)
def test_a_scene_of_any_surfaces_is_never_stopped(shares, seed, kept, family):
    values = {name: part for name, part in mixed(shares, cells=6000, seed=seed).items() if name in kept}
    assert stopping(judge(values, family=family)) == []


def test_a_few_odd_cells_are_no_finding():
    values = {name: part.copy() for name, part in FIELDS.items()}
    odd = slice(0, 100)  # 0.8 % of the cells: hot fires, broken detectors
    values["swir1"][odd], values["nir"][odd], values["red"][odd] = 1.4, 0.02, 0.6
    assert judge(values) == ()


def test_nothing_and_next_to_nothing_is_no_finding():
    assert judge({}) == ()
    empty = {name: np.full(5000, np.nan, np.float32) for name in NAMES}
    assert judge(empty) == ()
    assert judge({name: part[:50] for name, part in FIELDS.items()}) == ()


# --- lies ------------------------------------------------------------------------------------------------


def swapped(values, one, other):
    return {**values, one: values[other], other: values[one]}


@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [
        ("red", "nir", NAMES),
        ("red", "nir", ("red", "nir")),
        ("red", "nir", ("green", "red", "nir")),
        ("nir", "swir1", NAMES),
        ("nir", "swir1", ("red", "nir", "swir1")),
        ("nir", "swir2", NAMES),
        ("swir1", "swir2", NAMES),
        ("blue", "red", NAMES),
        ("blue", "red", ("blue", "green", "red", "nir")),
        ("blue", "green", NAMES),
        ("green", "red", NAMES),
        ("green", "nir", NAMES),
        ("green", "swir1", NAMES),
        ("red", "swir1", NAMES),
        ("blue", "nir", NAMES),
        ("blue", "swir1", NAMES),
    ],
)
def test_swapped_bands_over_fields_are_caught(one, other, kept):
    honest = {name: part for name, part in FIELDS.items() if name in kept}
    assert judge(honest) == ()
    (sentence,) = stopping(judge(swapped(honest, one, other)))
    assert "what" in sentence
    assert "--bands" in sentence


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (one, other)
        for one, other in itertools.combinations(NAMES, 2)
        if one in ("blue", "green", "red", "nir") and other in ("swir1", "swir2")
    ],
)
def test_a_short_wave_band_in_a_visible_ones_place_is_caught_on_snow(one, other):
    assert judge(MOUNTAINS) == ()
    assert stopping(judge(swapped(MOUNTAINS, one, other)))


def test_a_short_wave_file_given_for_a_visible_band_is_caught_without_a_witness():
    # on snow, the band alone among three visible ones
    snow = {name: MOUNTAINS[name] for name in ("blue", "green", "red", "nir")} | {"green": MOUNTAINS["swir1"]}
    assert stopping(judge(snow))[0].startswith("green is not what its name says: it reflects 0.0")
    # over plants, red and swir1 swapped in a scene without swir2
    dense = pure("plants", "young wheat", "conifers")
    kept = {name: dense[name] for name in ("green", "red", "nir", "swir1")}
    assert judge(kept) == ()
    assert stopping(judge(swapped(kept, "red", "swir1")))[0].startswith("red and swir1 are not what")


def test_bands_numbered_for_another_landsat_are_caught():
    # Landsat 8 has one band more in front: by the numbers of Landsat 5, each name gets its left neighbour.
    for landscape in (FIELDS, MOUNTAINS):
        shifted = {
            "blue": landscape["blue"] * 0.9,  # the coastal band
            "green": landscape["blue"],
            "red": landscape["green"],
            "nir": landscape["red"],
            "swir1": landscape["nir"],
            "swir2": landscape["swir2"],
        }
        (sentence,) = stopping(judge(shifted))
        assert "numbered for another sensor" in sentence
    # and the other way round: Landsat 5 by the numbers of Landsat 8
    shifted = {
        "blue": FIELDS["green"],
        "green": FIELDS["red"],
        "red": FIELDS["nir"],
        "nir": FIELDS["swir1"],
        "swir2": FIELDS["swir2"],
    }
    assert stopping(judge(shifted))


@pytest.mark.parametrize("kept", [NAMES, ("green", "red", "nir", "swir1")])
@pytest.mark.parametrize("landscape", [FIELDS, MOUNTAINS, pure("old snow", "shaded snow")])
def test_the_cirrus_band_in_the_place_of_swir1_is_caught(kept, landscape):
    random = np.random.default_rng(3)
    # B10 of labelled pixels: 0.0006 to 0.004 on snow, ice and rock alike
    cirrus = random.lognormal(np.log(0.0013), 0.35, landscape["red"].size).astype(np.float32)
    lie = {name: part for name, part in landscape.items() if name in kept} | {"swir1": cirrus}
    (sentence,) = stopping(judge(lie))
    assert sentence.startswith("swir1 is nearly black everywhere")
    assert "Sentinel-2 B11" in sentence


@pytest.mark.parametrize(
    ("offset", "family", "stops"),
    [(0.2, "landsat", True), (0.2, "plain", True), (0.1, "sentinel-2", False), (0.1, "plain", False)],
)
@pytest.mark.parametrize("landscape", [FIELDS, MOUNTAINS], ids=["fields", "mountains"])
def test_a_missing_offset_is_caught(landscape, offset, family, stops):
    lie = {name: part + np.float32(offset) for name, part in landscape.items()}
    (found,) = judge(lie, family=family)
    assert f"the offset of -{offset:g} is not subtracted" in str(found)
    assert found.stops is stops


def test_a_missing_offset_is_caught_on_a_glacier_without_anything_dark():
    ice = pure("old snow", "ice", "dirty ice")
    bright = {name: part[ice["blue"] > 0.3] for name, part in ice.items()}
    assert judge(bright, family="landsat") == ()
    lie = {name: part + np.float32(0.2) for name, part in bright.items()}
    (sentence,) = stopping(judge(lie, family="landsat"))
    assert "Snow and ice reflect about 0.2 in swir1 and swir2" in sentence


def test_an_offset_subtracted_twice_is_caught():
    twice = {name: part - np.float32(0.2) for name, part in FIELDS.items()}
    (sentence,) = stopping(judge(twice, family="landsat"))
    assert "an offset was subtracted that the numbers do not have" in sentence
    (found,) = judge({name: part - np.float32(0.1) for name, part in FIELDS.items()}, family="sentinel-2")
    assert not found.stops


@pytest.mark.parametrize(
    ("factor", "reason"),
    [(10_000, "reflectance lies between 0 and 1"), (255, "between 0 and 1"), (1e-4, "scale is wrong or was")],
)
def test_a_wrong_scale_is_caught(factor, reason):
    lie = {name: part * np.float32(factor) for name, part in FIELDS.items()}
    (sentence,) = stopping(judge(lie))
    assert reason in sentence
    assert "red" in sentence


def test_one_band_on_another_scale_is_caught():
    assert any(
        "green has a median" in sentence
        for sentence in stopping(judge(FIELDS | {"green": FIELDS["green"] * np.float32(1e-4)}))
    )
    assert any(
        "swir1 has a median" in sentence
        for sentence in stopping(judge(FIELDS | {"swir1": FIELDS["swir1"] * 10_000}))
    )


def test_fill_that_is_not_marked_is_caught():
    lie = {name: part.copy() for name, part in FIELDS.items()}
    lie["nir"][:300] = -0.9999  # -9999 times 0.0001
    (sentence,) = stopping(judge(lie))
    assert "of nir lies below -0.25" in sentence
    assert "nodata" in sentence


def test_kelvin_and_celsius_are_told_apart():
    kelvin = np.random.default_rng(0).normal(295, 8, 5000).astype(np.float32)
    assert judge({"thermal": kelvin}) == ()
    for lie in (kelvin - 273.15, kelvin * 100, (kelvin - 149) / 0.00341802):
        assert "expected kelvin" in stopping(judge({"thermal": lie}))[0]


def test_one_file_given_for_two_bands_is_caught():
    (sentence,) = stopping(judge(FIELDS | {"swir2": FIELDS["swir1"]}))
    assert sentence.startswith("swir1 and swir2 hold the same numbers")


def test_a_band_without_a_measurement_is_caught():
    (sentence,) = stopping(judge(FIELDS | {"swir2": np.full_like(FIELDS["red"], 0.25)}))
    assert "swir2 holds the one value 0.25 everywhere" in sentence


# --- whole scenes ----------------------------------------------------------------------------------------


def write(
    path, values, *, scale=1e-4, dtype="uint16", nodata=0, crs="EPSG:32642", left=500_000, descriptions=True
):
    """Write reflectances {name: (rows, columns)} as a plain GeoTIFF with its scale in the tags."""
    numbers = [np.rint(np.nan_to_num(part, nan=0.0) / scale) for part in values.values()]
    limits = np.iinfo(dtype)
    first = next(iter(values.values()))
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), dtype=dtype, nodata=nodata, crs=crs, tiled=True,
        height=first.shape[0], width=first.shape[1], blockxsize=256, blockysize=256, compress="deflate",
        transform=Affine(10, 0, left, 0, -10, 4_600_000),
    ) as file:  # fmt: skip
        for place, (name, part) in enumerate(zip(values, numbers, strict=True), 1):
            kept = np.clip(part, max(limits.min, 1), limits.max)
            file.write(np.where(np.isnan(values[name]), nodata, kept).astype(dtype), place)
            if descriptions:
                file.set_band_description(place, name)
        file.scales = [scale] * len(values)
    return path


def image(values, rows=100):
    return {name: part[: rows * (part.size // rows)].reshape(rows, -1) for name, part in values.items()}


def plain(path, values, **more):
    return open_scene(write(path, image(values), **more), time=TIME)


def test_an_honest_scene_has_no_findings(tmp_path, caplog):
    scene = plain(tmp_path / "fields.tif", FIELDS)
    assert inspect(scene) == ()
    with caplog.at_level(logging.WARNING):
        require(scene, "red", "nir")
        require(scene)
    assert caplog.records == []


def test_a_scene_that_lies_is_refused_in_plain_words(tmp_path):
    scene = plain(tmp_path / "fields.tif", swapped(FIELDS, "red", "nir"))
    with pytest.raises(
        BadInput, match=r"fields.*is not what it says.*red and nir are not what their names say"
    ):
        require(scene, "red", "nir")


def test_what_does_not_stop_is_told_as_a_warning(tmp_path, caplog):
    bands = safe.numbers(safe.reflectance("plants", "soil", "water"), offset=0)
    scene = sentinel2.open(containers.view(safe.make(tmp_path, bands)))
    with caplog.at_level(logging.WARNING):
        require(scene, "red", "nir")
    assert "an offset was subtracted that the numbers do not have" in caplog.text


def test_what_the_metadata_told_comes_last(tmp_path):
    folder = safe.make(tmp_path, safe.numbers(safe.reflectance("plants", "soil"), offset=-1000))
    next(folder.rglob("*_B11_20m.jp2")).unlink()
    scene = sentinel2.open(containers.view(folder))
    assert inspect(scene, ("red", "nir")) == (Finding(scene.findings[0], stops=False),)


def test_a_band_that_is_needed_and_not_there_stops(tmp_path):
    scene = plain(tmp_path / "fields.tif", {name: FIELDS[name] for name in ("green", "red", "nir")})
    with pytest.raises(
        BadInput, match="The band swir1 is needed and the scene has none; it has green, red, nir"
    ):
        require(scene, "green", "swir1")
    require(scene, "green", "nir")


@pytest.fixture
def of_files(tmp_path):
    """A plain scene of one file a band: change a file, and open it again."""

    def make(changes=(), values=FIELDS):
        named = {}
        for name, part in image(values).items():
            path = write(tmp_path / f"{name}.tif", {name: part}, **dict(changes).get(name, {}))
            named[name] = f'{{"file": "{path.name}"}}'
        listed = ", ".join(f'"{name}": {place}' for name, place in named.items())
        sidecar = tmp_path / "fields.scene.json"
        sidecar.write_text(f'{{"time": "2023-07-15T06:10:00Z", "bands": {{{listed}}}}}')
        return open_scene(sidecar)

    return make


def test_bands_in_another_crs_or_place_are_caught(of_files):
    assert inspect(of_files()) == ()
    other = inspect(of_files({"swir1": {"crs": "EPSG:32643"}}))
    assert "swir1 and blue do not lie on one place: the CRS is EPSG:32643 and EPSG:32642" in other[0].sentence
    assert other[0].stops
    moved = inspect(of_files({"nir": {"left": 500_300}}))
    assert any(
        "nir and blue do not lie on one place: their edges differ by 300" in str(found) for found in moved
    )


def test_a_witness_elsewhere_does_not_stop_what_was_asked(of_files):
    scene = of_files({"swir2": {"crs": "EPSG:32643"}})
    assert inspect(scene, ("red", "nir")) == ()
    assert stopping(inspect(scene, ("red", "swir2")))


def test_a_file_that_cannot_be_read_stops_where_it_was_asked_for(of_files, tmp_path):
    scene = of_files()
    (tmp_path / "swir1.tif").write_bytes((tmp_path / "swir1.tif").read_bytes()[:900])
    assert "swir1 cannot be used" in stopping(inspect(scene, ("green", "swir1")))[0]
    assert stopping(inspect(scene, ("red", "nir"))) == []


def test_the_first_band_asked_for_may_be_the_damaged_one(of_files, tmp_path):
    scene = of_files()
    path = tmp_path / "red.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert any("red cannot be used" in sentence for sentence in stopping(inspect(scene, ("red", "nir"))))


def test_a_band_without_values_is_caught(tmp_path):
    values = dict(FIELDS) | {"nir": np.full_like(FIELDS["nir"], np.nan)}
    scene = plain(tmp_path / "fields.tif", values)
    assert stopping(inspect(scene)) == [
        "nir holds no values: every cell is nodata. Copy it again from its source."
    ]


def test_a_band_with_gaps_that_others_do_not_have_is_told(tmp_path):
    values = dict(FIELDS) | {"nir": np.where(np.arange(FIELDS["nir"].size) % 5, np.nan, FIELDS["nir"])}
    (found,) = inspect(plain(tmp_path / "fields.tif", values))
    assert "nir knows 20% of the cells looked at, other bands 100%" in str(found)
    assert not found.stops


def test_saturation_is_told_and_stops_when_it_rules(tmp_path):
    for share, stops in ((0.1, False), (0.7, True)):
        values = {name: part.copy() for name, part in FIELDS.items()}
        values["blue"][: int(share * values["blue"].size)] = 6.5535
        found = [f for f in inspect(plain(tmp_path / f"{share}.tif", values)) if "saturated" in str(f)]
        assert [(f.stops, f.bands) for f in found] == [(stops, ("blue",))]
        assert f"{share:.0%} of the cells of blue are saturated" in str(found[0])


def test_a_picture_of_8_bits_is_told(tmp_path):
    stretched = {
        name: np.clip(part * 3, 0.01, 1) for name, part in FIELDS.items() if name in ("blue", "green", "red")
    }
    findings = inspect(plain(tmp_path / "rgb.tif", stretched, scale=1 / 255, dtype="uint8"))
    assert any("blue, green and red have 8 bits" in str(found) for found in findings)


def test_a_picture_without_a_scale_is_not_advised_to_get_one(tmp_path):
    bands = {name: FIELDS[name] for name in ("blue", "green", "red")}
    for brightest, advice in ((250, "use the 16-bit bands"), (6000, "-scale 0.0001")):
        numbers = {name: np.clip(part / part.max(), 0.02, 1) * brightest for name, part in bands.items()}
        (finding,) = (
            found
            for found in inspect(plain(tmp_path / f"{brightest}.tif", numbers, scale=1))
            if "have medians" in str(found)
        )
        assert finding.stops
        assert advice in str(finding)


def test_cells_that_the_scene_calls_cloud_are_no_evidence(tmp_path):
    # over plants, cells that turn red and nir round, all of them marked as cloud
    lie = safe.reflectance("plants", "soil")
    rows = slice(0, 40)
    lie["B04"][rows], lie["B08"][rows] = lie["B08"][rows].copy(), lie["B04"][rows].copy()
    lie["B04"][40:60] = lie["B08"][40:60] * 0.9  # the rest of the plants are no witness
    scl = np.full((safe.CELLS, safe.CELLS), 5, np.uint8)
    bands = safe.numbers(lie, offset=-1000)
    seen = sentinel2.open(containers.view(safe.make(tmp_path / "seen", bands, scl=scl)))
    assert stopping(inspect(seen))
    scl[:60] = 9
    hidden = sentinel2.open(containers.view(safe.make(tmp_path / "hidden", bands, scl=scl)))
    assert inspect(hidden) == ()


def test_a_quality_layer_that_cannot_be_read_or_lies_elsewhere_stops(tmp_path):
    folder = safe.make(tmp_path, safe.numbers(safe.reflectance("plants", "soil"), offset=-1000))
    path = next(folder.rglob("*_SCL_20m.jp2"))
    scene = sentinel2.open(containers.view(folder))
    scl = np.full((60, 60), 4, np.uint8)
    safe.write_raster(path, scl, metres=20, crs="EPSG:32643")
    assert "quality layer lies elsewhere" in stopping(inspect(scene))[0]
    path.write_bytes(path.read_bytes()[:300])
    assert "quality layer cannot be used" in stopping(inspect(scene))[0]


# --- the sample ------------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path):
    """A scene of 3000 x 3000 cells whose values lie in one corner: 1.4 % of it."""
    rows = np.full((3000, 3000), np.nan, np.float32)
    values = {}
    for name, part in FIELDS.items():
        values[name] = rows.copy()
        values[name][2640:, 2640:] = np.resize(part, (360, 360))
    return write(tmp_path / "large.tif", values)


def read_cells(monkeypatch):
    counted = []
    read = pixels.numbers

    def count(source, position, window=None):
        made = read(source, position, window)
        counted.append((position, window, made.size))
        return made

    monkeypatch.setattr(pixels, "numbers", count)
    return counted


def test_the_sample_is_bounded_and_the_same_each_time(tmp_path, monkeypatch):
    cells = {name: np.resize(part, (3000, 3000)) for name, part in FIELDS.items()}
    scene = open_scene(write(tmp_path / "large.tif", cells), time=TIME)
    counted = read_cells(monkeypatch)

    assert inspect(scene) == ()
    first = list(counted)
    counted.clear()
    assert inspect(scene) == ()

    assert counted == first
    windows = {window for _, window, _ in counted}
    assert len(windows) == checks.PLACES
    assert all(size <= checks.PLACE_CELLS**2 for *_, size in counted)
    for row0, row1, col0, col1 in windows:  # each lies in one block of 256 x 256: it is decoded once
        assert (row0 // 256, col0 // 256) == ((row1 - 1) // 256, (col1 - 1) // 256)
    assert len({row0 // 1000 for row0, *_ in windows}) == len({col0 // 1000 for *_, col0, _ in windows}) == 3


def test_values_in_one_corner_are_found(large):
    scene = open_scene(large, time=TIME)
    assert inspect(scene) == ()
    assert checks.darkest_number(scene, "red") == pytest.approx(
        np.percentile(np.rint(np.maximum(np.resize(FIELDS["red"], (360, 360)) / 1e-4, 1)), 0.1), rel=0.3
    )


def test_lies_in_one_corner_are_found(large):
    positions = {"blue": 1, "green": 2, "red": 4, "nir": 3, "swir1": 5, "swir2": 6}
    assert stopping(inspect(open_scene(large, bands=positions, time=TIME)))


def test_a_value_anywhere_is_a_value(tmp_path):
    values = {"red": np.full((2000, 2000), np.nan, np.float32), "nir": np.full((2000, 2000), 0.3, np.float32)}
    values["nir"] += np.random.default_rng(0).normal(0, 0.02, (2000, 2000)).astype(np.float32)
    values["red"][1, 1] = 0.1  # outside every window of the sample
    scene = open_scene(write(tmp_path / "one.tif", values), time=TIME)
    assert not any("holds no values" in str(found) for found in inspect(scene))
    values["red"][1, 1] = np.nan
    scene = open_scene(write(tmp_path / "none.tif", values), time=TIME)
    assert any("red holds no values" in sentence for sentence in stopping(inspect(scene)))


def test_a_scene_of_one_cell_is_looked_at(tmp_path):
    values = {name: np.full((1, 1), 0.1, np.float32) for name in NAMES}
    assert inspect(open_scene(write(tmp_path / "cell.tif", values), time=TIME)) == ()


# --- real data -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(real_data):
    """Labelled pixels of glaciers: {("SR" or "TOA", site, date): {column: values}}; ("SR", "all", "")."""
    made = {}
    for level in ("SR", "TOA"):
        path = real_data / "glacier" / "labelled_pixels" / f"Sentinel-2_{level}_training_data.csv"
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        groups = {(row["site_name"], row["image_date"]) for row in rows}
        for site, date in [("all", ""), *sorted(groups)]:
            chosen = [
                row for row in rows if site == "all" or (row["site_name"], row["image_date"]) == (site, date)
            ]
            made[level, site, date] = {
                band: np.array([float(row[band] or "nan") for row in chosen], np.float32)
                for band in ("class", "B2", "B3", "B4", "B8", "B11", "B12")
            }
    return made


COLUMNS = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8", "swir1": "B11", "swir2": "B12"}


def as_bands(columns, **other):
    return {name: columns[column] for name, column in (COLUMNS | other).items() if column}


@pytest.mark.real
def test_labelled_pixels_of_snow_ice_rock_and_water_are_honest(labelled):
    for (level, site, date), columns in labelled.items():
        # In the file of the top of the atmosphere B12 is the true B11, and there is no swir2.
        honest = as_bands(columns) if level == "SR" else as_bands(columns, swir1="B12", swir2=None)
        for kept in KEPT:
            values = {name: part for name, part in honest.items() if name in kept}
            assert judge(values) == (), (level, site, date, kept)
            for surface in np.unique(columns["class"]):
                one = {name: part[columns["class"] == surface] for name, part in values.items()}
                if one["red"].size and np.ptp(one["red"]) > 0:  # one site's rock is one pixel, many times
                    assert judge(one) == (), (level, site, date, kept, surface)


@pytest.mark.real
def test_the_cirrus_band_called_b11_is_caught_at_every_site(labelled):
    sites = [key for key in labelled if key[0] == "TOA"]
    assert len(sites) == 9
    for key in sites:
        for lie in (as_bands(labelled[key]), as_bands(labelled[key], swir2=None)):
            (sentence,) = stopping(judge(lie))
            assert sentence.startswith("swir1 is nearly black everywhere"), key


def landsat_chip(real_data, **other):
    """A description of the real Landsat chips as they lie; the files are not copied."""
    folder = real_data / "irrigation" / "landsat_c2_chips"
    numbers = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6} | other
    bands = ", ".join(
        f'"{name}": {{"file": "{folder}/LC08_L2SP_008059_20191201_20200825_02_T1_SR_B{number}.TIF"}}'
        for name, number in numbers.items()
    )
    return f'{{"time": "2019-12-01T15:10:00Z", "scale": 2.75e-5, "offset": OFFSET, "bands": {{{bands}}}}}'


def described(tmp_path, text):
    path = tmp_path / f"chip{len(list(tmp_path.iterdir()))}.scene.json"
    path.write_text(text)
    return open_scene(path)


@pytest.mark.real
def test_real_landsat_pixels_are_honest_and_their_lies_are_caught(real_data, tmp_path):
    honest = landsat_chip(real_data)
    assert inspect(described(tmp_path, honest.replace("OFFSET", "-0.2"))) == ()

    without = stopping(inspect(described(tmp_path, honest.replace("OFFSET", "0"))))
    assert "the offset of -0.2 is not subtracted" in without[0]
    twice = inspect(described(tmp_path, honest.replace("OFFSET", "-0.4")))
    assert any(
        "an offset was subtracted" in sentence or "lies below -0.25" in sentence
        for sentence in stopping(twice)
    )
    raw = described(tmp_path, honest.replace("OFFSET", "0").replace("2.75e-5", "1.0"))
    assert "reflectance lies between 0 and 1" in stopping(inspect(raw))[0]
    for lie in (
        {"red": 5, "nir": 4},
        {"nir": 6, "swir1": 5},
        {"green": 4, "red": 3},
        {"blue": 3, "green": 2},
        {"nir": 4, "red": 3, "green": 2, "swir1": 5},
        {"swir1": 5},
        {"red": 6, "swir1": 4},
    ):
        assert stopping(
            inspect(described(tmp_path, landsat_chip(real_data, **lie).replace("OFFSET", "-0.2")))
        ), lie


@pytest.mark.real
def test_real_scenes_of_ice_and_snow_are_honest_and_their_lies_are_caught(real_data, tmp_path):
    folder = real_data / "glacier"
    names = dict(zip(NAMES, ("B02", "B03", "B04", "B8A", "B11", "B12"), strict=True))

    def athabasca(**other):
        listed = ", ".join(
            f'"{name}": {{"file": "{folder}/athabasca_s30/athabasca_2020253_{band}_S30.tif"}}'
            for name, band in (names | other).items()
        )
        return described(tmp_path, f'{{"time": "2020-09-09T18:50:00Z", "bands": {{{listed}}}}}')

    assert inspect(athabasca()) == ()
    for lie in (
        {"nir": "B11", "swir1": "B8A"},
        {"green": "B12", "swir2": "B03"},
        {"red": "B11", "swir1": "B04"},
        {"swir2": "B11"},
    ):
        assert stopping(inspect(athabasca(**lie))), lie

    winter = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6, "swir2": 7}
    path = tmp_path / "winter.scene.json"
    for positions, honest in ((winter, True), (winter | {"nir": 6, "swir1": 5}, False)):
        listed = ", ".join(
            f'"{name}": {{"file": "{folder}/winter_l8/L8_UTM43_winter_8band.tif", "band": {place}}}'
            for name, place in positions.items()
        )
        path.write_text(f'{{"time": "2018-01-15T05:30:00Z", "scale": 0.0001, "bands": {{{listed}}}}}')
        assert (stopping(inspect(open_scene(path))) == []) is honest
        if honest:
            assert inspect(open_scene(path)) == ()


@pytest.mark.real
def test_the_made_scene_of_the_alps_is_honest(real_data, tmp_path):
    folder = real_data / "glacier" / "synthetic_oetztal"
    places = [f'"swir1": {{"file": "{folder}/synthetic_s2_20m.tif"}}'] + [
        f'"{name}": {{"file": "{folder}/synthetic_s2_10m.tif", "band": {place}}}'
        for place, name in enumerate(("blue", "green", "red", "nir"), 1)
    ]
    text = f'{{"time": "2021-08-20T10:20:00Z", "scale": 0.0001, "bands": {{{", ".join(places)}}}}}'
    assert inspect(described(tmp_path, text)) == ()
