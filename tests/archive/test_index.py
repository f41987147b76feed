"""An archive is listed whole, the index stands in for it, and whoever asks gets each acquisition once."""

import datetime as dt
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import landsat_files as products
import numpy as np
import pyogrio
import pytest
import safe_files as safe
import shapely

from bluepeace_gis.archive import descriptions, features, index
from bluepeace_gis.archive.scenes import Band, Scene, find, open_scene, pixels
from bluepeace_gis.archive.scenes.scene import Quality, Sun
from bluepeace_gis.errors import BadInput

LANDSAT_9 = "LC09_L2SP_152032_20230715_20230717_02_T1"
LANDSAT_8 = "LC08_L2SP_152032_20220601_20220610_02_T1"
SENTINEL = "S2B_MSIL2A_20230715T060639_N0509_R134_T42TWL_20230715T090000"
NAMES = [LANDSAT_8, "field", LANDSAT_9, SENTINEL]  # by time


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    pixels.close_all()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive in real formats, with what is broken in it."""
    root = tmp_path_factory.mktemp("made") / "archive"
    (root / "2023").mkdir(parents=True)
    folder = products.make_landsat(root, LANDSAT_9).folder
    products.make_tar(folder, root / "2023" / f"{LANDSAT_9}.tar")
    shutil.rmtree(folder)
    products.make_landsat(root / "2022", LANDSAT_8, cloud="-1")
    bands = safe.numbers(safe.reflectance("plants", "soil", "water"), offset=-1000)
    folder = safe.make(root, bands)
    safe.zipped(folder, root / "2023" / f"{SENTINEL}.zip")
    shutil.rmtree(folder)
    (root / "own").mkdir()
    products.write_tiff(root / "own" / "field.tif", np.full((2, 9, 8), 0.2, np.float32))
    described = {"time": "2023-01-02T03:04:05Z", "bands": {"red": 1, "nir": 2}, "cloud_share": 0.25}
    (root / "own" / "field.scene.json").write_text(json.dumps(described))
    return root


@pytest.fixture
def archive(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "archive"))


def spoil(root):
    """Add what an archive of years also holds: a cut download and a Level-1 product."""
    whole = (root / "2023" / f"{LANDSAT_9}.tar").read_bytes()
    (root / "2023" / "LC08_L2SP_152032_20230707_20230717_02_T1.tar").write_bytes(whole[:9000])
    level_1 = products.make_landsat(root.parent / "l1", LANDSAT_8.replace("L2SP", "L2SR")).folder
    renamed = level_1.with_name(LANDSAT_8.replace("L2SP", "L1TP"))
    renamed.mkdir()
    for file in level_1.iterdir():
        text = file.read_bytes().replace(b"L2SR", b"L1TP")
        (renamed / file.name.replace("L2SR", "L1TP")).write_bytes(text)
    products.make_tar(renamed, root / f"{renamed.name}.tar")
    return root


def write(found, out):
    return features.write(index.layers(found, out.parent), out, geometry_types=index.GEOMETRY_TYPES)


def make_index(root, out=None):
    out = out or root / "scenes.gpkg"
    return write(index.scan([root]), out)


def same(one, other):
    """Scenes are equal in every field; tables of codes are arrays."""
    if one.quality is None or other.quality is None:
        return one == other
    tables = np.array_equal(one.quality.flags, other.quality.flags)
    return tables and replace(one, quality=replace(one.quality, flags=0)) == replace(
        other, quality=replace(other.quality, flags=0)
    )


NOON = dt.datetime(2023, 7, 15, tzinfo=dt.UTC)


def scene(name="a", *, time=NOON, path="/a/a.tif", box=(70, 40, 71, 41), **more):
    band = Band("red", "B4", str(path), 1, 30.0, 1.0, 0.0, 0.0)
    fields = {
        "name": name, "path": Path(path), "family": "landsat", "platform": "landsat-9", "instrument": "oli-2",
        "time": time, "overpass": "x", "crs": "EPSG:32642", "footprint": shapely.box(*box),
        "cloud_share": None, "baseline": None, "sun": None, "bands": {"red": band}, "quality": None,
    }  # fmt: skip
    return Scene(**{**fields, **more})


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def no_scene_may_be_opened(monkeypatch):
    def refuse(path, **_):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(index, "open_scene", refuse)


# --- what is listed --------------------------------------------------------------------------------------


def test_every_scene_is_listed_with_what_it_is(archive):
    out = make_index(archive)
    table = gpd.read_file(out, layer="scenes")
    assert list(table["name"]) == NAMES
    assert list(table["path"]) == [
        f"2022/{LANDSAT_8}", "own/field.tif", f"2023/{LANDSAT_9}.tar", f"2023/{SENTINEL}.zip",
    ]  # fmt: skip
    assert list(table["family"]) == ["landsat", "plain", "landsat", "sentinel-2"]
    assert list(table["platform"])[::2] == ["landsat-8", "landsat-9"]
    landsat = table.set_index("name").loc[LANDSAT_9]
    assert landsat["instrument"] == "oli-2"
    assert landsat["time"] == dt.datetime(2023, 7, 15, 6, 7, 8, 123000, tzinfo=dt.UTC)
    assert landsat["crs"] == "EPSG:32642"
    assert landsat["cloud_pct"] == pytest.approx(12.34)
    assert landsat["bands"] == "blue,green,red,nir,swir1,swir2,thermal"
    assert landsat["resolution_m"] == 30
    assert (landsat["sun_azimuth_deg"], landsat["sun_elevation_deg"]) == (136.31696044, 57.08727307)
    assert landsat["size_bytes"] == (archive / "2023" / f"{LANDSAT_9}.tar").stat().st_size
    assert landsat.geometry.bounds == pytest.approx((70.18236, 40.63187, 70.20487, 40.64481))
    assert table.crs.to_epsg() == 4326
    by_name = table.set_index("name")
    assert np.isnan(by_name.loc[LANDSAT_8, "cloud_pct"])  # -1: not determined
    assert by_name.loc["field", "cloud_pct"] == 25
    assert by_name.loc[SENTINEL, "baseline"] == "05.09"


def test_what_is_broken_is_listed_with_the_reason(archive):
    out = make_index(spoil(archive))
    assert len(pyogrio.read_dataframe(out, layer="scenes")) == len(NAMES)
    broken = pyogrio.read_dataframe(out, layer="broken").set_index("path")["reason"]
    assert list(broken.index) == [
        "2023/LC08_L2SP_152032_20230707_20230717_02_T1.tar", f"{LANDSAT_8.replace('L2SP', 'L1TP')}.tar",
    ]  # fmt: skip
    assert "truncated or damaged" in broken.iloc[0]
    assert "Level-2 was expected" in broken.iloc[1]


def test_an_archive_without_a_fault_has_an_empty_table_of_the_broken(archive):
    assert pyogrio.read_dataframe(make_index(archive), layer="broken").columns.tolist() == ["path", "reason"]


def test_a_fault_of_ours_in_one_scene_does_not_stop_the_others(archive, monkeypatch):
    def stumble(path, **more):
        if "LC09" in path.name:
            raise KeyError("band")
        return open_scene(path, **more)

    monkeypatch.setattr(index, "open_scene", stumble)
    found = index.scan([archive])
    assert [entry.scene.name for entry in found.entries] == [name for name in NAMES if name != LANDSAT_9]
    assert "A fault of bluepeace-gis" in found.broken[0].reason


def test_the_same_archive_gives_the_same_bytes_wherever_it_is_read_from(archive, monkeypatch):
    first = make_index(archive, archive.parent / "one.gpkg").read_bytes()
    monkeypatch.chdir(archive.parent)
    found = index.scan([Path("archive/2023"), Path("archive"), archive / "2022" / LANDSAT_8])
    assert write(found, Path("two.gpkg")).read_bytes() == first


@pytest.mark.parametrize("name", ["Ташкент 2023", "a {b} <scene>", "a#b%20c", "'quoted' \"name\""])
def test_odd_names_of_folders_are_names_like_any_other(made, tmp_path, name):
    root = Path(shutil.copytree(made, tmp_path / name))
    loaded = index.load(make_index(root))
    assert [each.name for each in loaded] == NAMES
    assert all(same(each, open_scene(each.path)) for each in loaded)
    assert np.isfinite(loaded[0].reflectance("red")["red"].to_numpy()).any()


def test_a_name_that_is_no_text_is_told_not_lost(archive):
    strange = archive / os.fsdecode(b"LC08_L2SP_\xff.tar")
    try:
        strange.write_bytes(b"no tar")
    except OSError:
        pytest.skip("this file system has names of text only")
    broken = pyogrio.read_dataframe(make_index(archive), layer="broken")
    assert len(broken) == 1
    assert "LC08_L2SP_" in broken["path"][0]


def test_footprints_over_the_date_line_are_cut_there():
    box = shapely.box(179, 50, 181, 51)
    entry = index.Entry(scene(footprint=box), "x", 1, dt.datetime.now(tz=dt.UTC))
    table = index.layers(index.Index((entry,)), Path("/a"))
    (shape,) = table["scenes"].geometry
    assert shape.equals(shapely.union_all([shapely.box(179, 50, 180, 51), shapely.box(-180, 50, -179, 51)]))
    around = shapely.Polygon([(179, 50), (-179, 50), (-179, 51), (179, 51)])
    assert index.stac.cut_at_date_line(around).equals(shape)
    assert index.stac.cut_at_date_line(shapely.box(60, 40, 61, 41)).equals(shapely.box(60, 40, 61, 41))


# --- the index stands in for the archive -----------------------------------------------------------------


def test_scenes_from_the_index_are_those_of_the_archive(archive):
    loaded = index.load(make_index(archive))
    assert [each.name for each in loaded] == NAMES
    for each in loaded:
        assert same(each, open_scene(each.path))
        assert each.path.is_absolute()
    landsat = loaded[2]
    np.testing.assert_array_equal(landsat.flags("red"), open_scene(landsat.path).flags("red"))
    assert landsat.quality.flags is loaded[0].quality.flags  # one table for all scenes of a sensor


def test_loading_opens_no_archive(archive, no_scene_may_be_opened):
    out = archive / "scenes.gpkg"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "open_scene", open_scene)
        make_index(archive, out)
    assert [each.name for each in index.load(out)] == NAMES


def test_archive_and_index_may_move_together(archive, no_scene_may_be_opened):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "open_scene", open_scene)
        make_index(archive)
    moved = archive.rename(archive.with_name("moved"))
    loaded = index.load(moved / "scenes.gpkg")
    assert [each.name for each in loaded] == NAMES
    for each in loaded:
        assert str(archive) + os.sep not in str(each.bands)
        assert np.isfinite(each.reflectance("red")["red"].to_numpy()).any()


def test_a_part_of_an_index_is_an_index(archive):
    """Someone chose the clear scenes in QGIS and saved them."""
    table = gpd.read_file(make_index(archive), layer="scenes")
    part = archive / "chosen.gpkg"
    table[table["family"] == "landsat"].to_file(part, layer="scenes")
    assert [each.name for each in index.load(part)] == [LANDSAT_8, LANDSAT_9]


def touch(path):
    """Give a file another time of change, as a copy over it would."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 2_000_000_000))


def test_what_changed_since_is_read_again(archive, monkeypatch):
    out = make_index(archive)
    sidecar = archive / "own" / "field.scene.json"
    sidecar.write_text(sidecar.read_text().replace("2023-01-02", "2021-01-02"))
    touch(next((archive / "2022" / LANDSAT_8).glob("*_SR_B4.TIF")))
    opened = []
    monkeypatch.setattr(index, "open_scene", lambda path: (opened.append(path.name), open_scene(path))[1])
    loaded = index.load(out)
    assert sorted(opened) == [LANDSAT_8, "field.tif"]
    assert [each.name for each in loaded] == ["field", LANDSAT_8, LANDSAT_9, SENTINEL]
    assert loaded[0].time.year == 2021


def test_what_another_version_described_is_read_again(archive, monkeypatch):
    out = make_index(archive)
    monkeypatch.setattr(descriptions, "READER", "another")
    opened = []
    monkeypatch.setattr(index, "open_scene", lambda path: (opened.append(path.name), open_scene(path))[1])
    assert [each.name for each in index.load(out)] == NAMES
    assert len(opened) == len(NAMES)


def test_what_is_gone_or_broken_by_now_is_told_in_one_warning(archive, caplog):
    out = make_index(archive)
    (archive / "own" / "field.tif").unlink()
    (archive / "2023" / f"{SENTINEL}.zip").write_bytes(b"PK\x03\x04 cut")
    assert [each.name for each in index.load(out)] == [LANDSAT_8, LANDSAT_9]
    (told,) = warnings_in(caplog)
    assert "1 of its scenes are gone (field.tif)" in told
    assert "1 cannot be opened any more" in told


def test_an_index_whose_archive_is_elsewhere_says_so(archive, tmp_path):
    out = make_index(archive)
    (tmp_path / "mail").mkdir()
    alone = Path(shutil.copy(out, tmp_path / "mail"))
    with pytest.raises(BadInput, match=r"4 scenes, and none of them can be opened .* Was the archive moved"):
        index.load(alone)


def test_what_is_no_index_is_refused(archive, tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        index.load(tmp_path / "none.gpkg")
    (tmp_path / "text.gpkg").write_text("no database")
    with pytest.raises(BadInput, match="no index of scenes"):
        index.load(tmp_path / "text.gpkg")
    foreign = gpd.GeoDataFrame({"name": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    features.write({"scenes": foreign}, tmp_path / "foreign.gpkg")
    with pytest.raises(BadInput, match="has no column path"):
        index.load(tmp_path / "foreign.gpkg")
    table = gpd.read_file(make_index(archive), layer="scenes")
    table.loc[1, "description"] = None
    table.to_file(tmp_path / "edited.gpkg", layer="scenes")
    with pytest.raises(BadInput, match="it was edited"):
        index.load(tmp_path / "edited.gpkg")


# --- the second run --------------------------------------------------------------------------------------


def test_the_second_run_reads_only_what_changed(archive, monkeypatch):
    out = make_index(archive)
    before = out.read_bytes()
    opened = []
    monkeypatch.setattr(index, "open_scene", lambda path: (opened.append(path.name), open_scene(path))[1])
    again = index.scan([archive], previous=out)
    assert opened == []
    assert (again.kept, again.changed, again.vanished, again.elsewhere) == (4, 0, (), ())
    assert write(again, archive / "again.gpkg").read_bytes() == before

    touch(archive / "2023" / f"{LANDSAT_9}.tar")
    new = products.make_landsat(archive / "2022", "LT05_L2SP_152032_20100601_20200610_02_T1").folder
    shutil.rmtree(archive / "own")
    third = index.scan([archive], previous=out)
    assert sorted(opened) == sorted([f"{LANDSAT_9}.tar", new.name])
    assert (third.kept, third.changed) == (2, 1)
    assert third.vanished == (archive / "own" / "field.tif",)
    assert [entry.scene.name for entry in third.entries] == [new.name, LANDSAT_8, LANDSAT_9, SENTINEL]


def test_a_folder_that_was_not_named_again_is_told_apart_from_one_that_is_gone(archive):
    out = make_index(archive)
    again = index.scan([archive / "2023"], previous=out)
    assert again.vanished == ()
    assert {path.name for path in again.elsewhere} == {LANDSAT_8, "field.tif"}
    assert [entry.scene.name for entry in again.entries] == [LANDSAT_9, SENTINEL]


def test_what_was_broken_is_looked_at_again(archive):
    out = make_index(spoil(archive))
    cut = archive / "2023" / "LC08_L2SP_152032_20230707_20230717_02_T1.tar"
    folder = products.make_landsat(archive.parent / "again", cut.stem).folder
    products.make_tar(folder, cut)
    again = index.scan([archive], previous=out)
    assert cut.stem in [entry.scene.name for entry in again.entries]
    assert len(again.broken) == 1


def test_an_index_beside_a_lone_landsat_product_is_not_a_part_of_it(tmp_path):
    folder = products.make_landsat(tmp_path, LANDSAT_8).folder
    out = make_index(folder)
    assert index.scan([folder], previous=out).kept == 1


def test_a_band_that_is_copied_beside_loose_files_later_is_seen(tmp_path):
    made = [products.make_landsat(tmp_path / "made", name) for name in (LANDSAT_8, LANDSAT_9)]
    root = tmp_path / "flat"
    root.mkdir()
    for product in made:
        for file in product.folder.iterdir():
            shutil.copy2(file, root)
    late = root / made[0].band_file("red").name
    late.rename(tmp_path / late.name)
    out = make_index(root)  # each stands there by its MTL.json, which is no STAC
    assert index.scan([root], previous=out).kept == 2

    (tmp_path / late.name).rename(late)
    again = index.scan([root], previous=out)

    assert (again.kept, again.changed) == (1, 1)
    assert all("red" in scene.bands for scene in again.scenes)


# --- the one door ----------------------------------------------------------------------------------------


def test_whatever_holds_scenes_opens(archive, tmp_path):
    out = make_index(archive / "2023")
    given = [out, archive / "2022", archive / "own" / "field.tif", archive / "2023"]
    opened = index.scenes(given)
    assert [each.name for each in opened] == NAMES
    assert index.scenes(str(archive))[0].name == LANDSAT_8


def test_a_scene_that_was_named_must_open_and_one_in_a_folder_is_left_out(archive, caplog):
    spoil(archive)
    cut = archive / "2023" / "LC08_L2SP_152032_20230707_20230717_02_T1.tar"
    with pytest.raises(BadInput, match="truncated or damaged"):
        index.scenes([archive / "2022", cut])
    assert [each.name for each in index.scenes(archive)] == NAMES
    (told,) = warnings_in(caplog)
    assert told.startswith("2 of 6 scenes cannot be opened and are left out. The first: ")


def test_no_scene_at_all_is_an_error_that_says_what_was_expected(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    for ask in (index.scenes, lambda path: index.scan([path])):
        with pytest.raises(BadInput, match=r"No scene found in .*empty; expected Landsat"):
            ask(tmp_path / "empty")
    with pytest.raises(BadInput, match="does not exist"):
        index.scenes(tmp_path / "missing")
    with pytest.raises(BadInput, match="No scenes were given"):
        index.scenes([])


def test_what_the_caller_says_is_for_plain_tiffs_alone(archive):
    (archive / "own" / "field.scene.json").unlink()
    time = dt.datetime(2020, 5, 6, tzinfo=dt.UTC)
    opened = index.scenes(archive, bands={"green": 1, "swir1": 2}, time=time, sun=Sun(150, 40))
    assert [each.name for each in opened] == ["field", LANDSAT_8, LANDSAT_9, SENTINEL]
    assert list(opened[0].bands) == ["green", "swir1"]
    assert (opened[0].time, opened[0].sun) == (time, Sun(150, 40))
    assert opened[2].sun.azimuth_deg == pytest.approx(136.31696044)


def test_what_the_caller_says_goes_before_what_the_index_knows(archive):
    out = make_index(archive)
    plain = next(each for each in index.scenes(out, bands={"green": 1}) if each.name == "field")
    assert list(plain.bands) == ["green"]


def test_one_moment_is_that_of_one_scene(archive):
    shutil.copy(archive / "own" / "field.tif", archive / "own" / "second.tif")
    with pytest.raises(BadInput, match=r"--time is the moment of one scene, but 2 plain GeoTIFFs"):
        index.scenes(archive / "own", bands={"red": 1}, time=dt.datetime(2020, 5, 6, tzinfo=dt.UTC))


def test_a_copy_in_a_tar_and_in_a_folder_counts_once(archive, caplog):
    folder = products.make_landsat(archive, LANDSAT_9).folder
    opened = index.scenes(archive)
    assert [each.name for each in opened] == NAMES
    assert opened[2].path == folder
    (told,) = warnings_in(caplog)
    assert told.startswith(
        f"1 of 5 scenes are older versions or copies of others and are left out ({LANDSAT_9})"
    )
    assert len(index.scan([archive]).entries) == 5  # the index lists what lies there


def test_the_order_of_the_arguments_changes_nothing(archive):
    products.make_landsat(archive, LANDSAT_9)
    paths = [archive / "2023", archive / "2022", archive / "own", archive / LANDSAT_9]
    one, other = index.scenes(paths), index.scenes(paths[::-1])
    assert [each.path for each in one] == [each.path for each in other]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        # processed again; from real-time to the final geometry; other tier
        (LANDSAT_9, "LC09_L2SP_152032_20230715_20230802_02_T1"),
        ("LC09_L2SP_152032_20230715_20230716_02_RT", LANDSAT_9),
        # baseline, and the same baseline generated again
        (SENTINEL, "S2B_MSIL2A_20230715T060639_N0510_R134_T42TWL_20230715T080000"),
        (SENTINEL, "S2B_MSIL2A_20230715T060639_N0509_R134_T42TWL_20241015T090000"),
        ("MOD13Q1.A2023193.h23v04.006.2023210033451", "MOD13Q1.A2023193.h23v04.061.2023210000000"),
    ],
)
def test_of_versions_of_one_acquisition_the_newest_is_kept(older, newer):
    for order in ((older, newer), (newer, older)):
        kept, dropped = index.newest([scene(name, path=f"/a/{name}") for name in order])
        assert [each.name for each in kept] == [newer]
        assert [each.name for each in dropped] == [older]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LANDSAT_9, LANDSAT_9.replace("152032", "152031")),
        (LANDSAT_9, LANDSAT_9.replace("LC09", "LC08")),
        (LANDSAT_9, LANDSAT_9.replace("20230715_", "20230731_", 1)),
        (SENTINEL, SENTINEL.replace("T42TWL", "T42TXL")),
        (SENTINEL, SENTINEL.replace("S2B", "S2A")),
        ("HLS.L30.T42SVE.2021168T055857.v2.0", "HLS.S30.T42SVE.2021168T055857.v2.0"),
    ],
)
def test_other_acquisitions_are_not_versions(one, other):
    kept, dropped = index.newest([scene(one), scene(other)])
    assert (len(kept), dropped) == (2, [])


def test_the_halves_of_a_tile_that_a_datastrip_cuts_are_both_kept():
    other = SENTINEL[:-15] + "20230715T093000"
    halves = [scene(SENTINEL, box=(70, 40, 70.6, 41)), scene(other, box=(70.55, 40, 71, 41))]
    assert len(index.newest(halves)[0]) == 2


def test_plain_scenes_of_one_name_in_two_years_are_two_scenes():
    years = [
        scene("ndvi", family="plain", path=f"/a/{year}/ndvi.tif", time=dt.datetime(year, 7, 1, tzinfo=dt.UTC))
        for year in (2020, 2021)
    ]
    assert len(index.newest(years)[0]) == 2


def test_of_copies_the_one_with_all_bands_is_kept():
    whole = scene(LANDSAT_9, path="/b/whole.tar")
    cut = scene(LANDSAT_9, path="/a/cut", bands={})
    assert index.newest([cut, whole])[0] == [whole]


# --- the way there ---------------------------------------------------------------------------------------


def test_progress_tells_the_share_and_the_rate(archive, monkeypatch):
    monkeypatch.setattr(index, "TOLD_EVERY_S", 0.0)
    told = []
    index.scan([archive], progress=lambda share, sentence: told.append((share, sentence)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert "read 4 of 4 scenes" in told[-1][1]
    assert "a second" in told[-1][1]


def test_a_stop_in_the_middle_stops_the_reading(archive, monkeypatch):
    many = [archive / "2023" / f"{LANDSAT_9}.tar"] * 500
    monkeypatch.setattr(index, "TOLD_EVERY_S", 0.0)
    monkeypatch.setattr(index, "_candidates", lambda *_a, **_k: many)
    opened = []
    monkeypatch.setattr(index, "open_scene", lambda path: (opened.append(path), open_scene(path))[1])

    def stop(_share, _sentence):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.scan([archive], progress=stop)
    assert len(opened) < 100


def test_a_description_holds_every_field():
    """A field that is added to a scene and not to its description would silently be lost."""
    full = scene(
        path="/archive/a/product",
        cloud_share=0.5,
        baseline="1",
        sun=Sun(1.25, 2.5),
        findings=("one", "two"),
        quality=Quality(
            "/archive/a/mask.tif",
            2,
            30.0,
            np.arange(256, dtype=np.uint8),
            "/archive/a/product/sat.tif",
            {"red": 3},
            512,
        ),
    )
    back = descriptions.read(descriptions.write(full), full.path)
    assert same(full, back)
    moved = descriptions.read(descriptions.write(full), Path("/b/c/product"))
    assert moved.quality.source == "/b/c/mask.tif"
    assert moved.quality.saturation == "/b/c/product/sat.tif"
    default = scene(path="/archive/a/product")
    for name in (field for field in vars(default) if field not in ("name", "path", "family", "bands")):
        plain = getattr(default, name)
        assert (
            name in {"crs", "time", "overpass", "footprint", "platform", "instrument"}
            or getattr(full, name) != plain
        )


def test_the_paths_of_an_index_are_found_by_the_scenes_too(archive):
    out = make_index(archive)
    assert sorted(path.name for path in find([out])) == sorted(
        [LANDSAT_8, "field.tif", f"{LANDSAT_9}.tar", f"{SENTINEL}.zip"]
    )
