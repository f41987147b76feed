"""Layers come in from anywhere; a GeoPackage goes out that QGIS 3.22 and the other side can rely on."""

import os
import sqlite3
import subprocess

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyproj import CRS
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from bluepeace_gis.archive import features
from bluepeace_gis.errors import BadInput, NotWritten, UnknownCrs

UTM = CRS("EPSG:32642")


def basins():
    return gpd.GeoDataFrame(
        {
            "outlet_id": np.array([7, 8], dtype=np.int32),
            "name": ["Қорадарё", None],
            "area_km2": [1394.95, np.nan],
            "cells": [2**40, 1],
            "touches_edge": [True, False],
        },
        geometry=[box(0, 0, 1, 1), MultiPolygon([box(2, 2, 3, 3), box(5, 5, 6, 6)])],
        crs=UTM,
    )


def layers():
    nowhere = gpd.GeoDataFrame(
        {"crossing_id": np.array([], dtype=np.int64), "upstream_km2": np.array([], dtype=float)},
        geometry=[],
        crs=UTM,
    )
    return {
        "basins": basins(),
        "streams": gpd.GeoDataFrame({"strahler": [1]}, geometry=[LineString([(0, 0), (1, 1)])], crs=UTM),
        "crossings": nowhere,
        "shares": pd.DataFrame({"outlet_id": [7, 8], "country": ["A", "Б"], "share_pct": [33.3, 66.7]}),
        "crossing_shares": pd.DataFrame(
            {"crossing_id": np.array([], dtype=np.int64), "country": np.array([], str)}
        ),
    }


TYPES = {"crossings": "Point"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "basins.gpkg"


def rows(path, question):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


# writing


def test_every_layer_is_there_with_its_type_its_columns_and_their_order(path):
    assert features.write(layers(), path, geometry_types=TYPES) == path

    found = {str(name): kind for name, kind in pyogrio.list_layers(path)}
    assert found == {
        "basins": "MultiPolygon",
        "streams": "MultiLineString",
        "crossings": "Point",
        "shares": None,
        "crossing_shares": None,
    }
    for name, frame in layers().items():
        information = pyogrio.read_info(path, layer=name, force_feature_count=True)
        assert list(information["fields"]) == [column for column in frame.columns if column != "geometry"], (
            name
        )
        assert information["features"] == len(frame)
    basin = pyogrio.read_info(path, layer="basins")
    assert basin["dtypes"].tolist() == ["int32", "object", "float64", "int64", "bool"]
    assert basin["crs"] == "EPSG:32642"
    assert pyogrio.read_info(path, layer="crossings")["dtypes"].tolist() == ["int64", "float64"]


def test_it_is_version_1_3_with_tables_as_attributes_and_spatial_indices(path):
    features.write(layers(), path, geometry_types=TYPES)

    assert rows(path, "pragma user_version") == [(10300,)]
    assert dict(rows(path, "select table_name, data_type from gpkg_contents")) == {
        "basins": "features",
        "streams": "features",
        "crossings": "features",
        "shares": "attributes",
        "crossing_shares": "attributes",
    }
    indexed = rows(path, "select table_name from gpkg_extensions where extension_name = 'gpkg_rtree_index'")
    assert sorted(indexed) == [("basins",), ("crossings",), ("streams",)]
    assert rows(path, "pragma integrity_check") == [("ok",)]
    assert [place.name for place in path.parent.iterdir()] == ["basins.gpkg"]


def test_values_come_back_as_they_went(path):
    features.write(layers(), path, geometry_types=TYPES)
    back = features.read(path, "basins")
    expected = basins()
    expected.loc[0, "geometry"] = MultiPolygon([expected.geometry[0]])
    pd.testing.assert_frame_equal(
        back.drop(columns="geometry"), expected.drop(columns="geometry"), check_dtype=False
    )
    assert shapely.equals_exact(back.geometry.to_numpy(), expected.geometry.to_numpy(), 0).all()
    assert back.crs == UTM


def test_the_same_layers_give_the_same_bytes(path, tmp_path, monkeypatch):
    features.write(layers(), path, geometry_types=TYPES)
    features.write(layers(), tmp_path / "again.gpkg", geometry_types=TYPES)
    assert path.read_bytes() == (tmp_path / "again.gpkg").read_bytes()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    features.write(layers(), path, geometry_types=TYPES)
    assert rows(path, "select distinct last_change from gpkg_contents") == [("2023-11-14T22:13:20.000Z",)]
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_gdal_reads_it_without_a_complaint(path):
    features.write(layers(), path, geometry_types=TYPES)
    said = subprocess.run(["ogrinfo", "-al", "-so", str(path)], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    assert "area_km2: Real" in said.stdout
    assert "outlet_id: Integer (0.0)" in said.stdout
    assert "cells: Integer64 (0.0)" in said.stdout


def test_integers_with_gaps_stay_integers(path):
    frame = pd.DataFrame({"downstream_id": pd.array([1, None, 2**53 + 1], dtype="Int64")})
    features.write({"streams": frame}, path)
    assert rows(path, "select downstream_id, typeof(downstream_id) from streams") == [
        (1, "integer"),
        (None, "null"),
        (2**53 + 1, "integer"),
    ]


def test_an_empty_layer_must_say_what_it_would_hold(path):
    with pytest.raises(ValueError, match=r"crossings holds no geometries.*geometry_types"):
        features.write(layers(), path)
    assert not path.exists()


def test_a_type_can_be_chosen(path):
    line = gpd.GeoDataFrame({"a": [1]}, geometry=[LineString([(0, 0), (1, 1)])], crs=UTM)
    features.write({"streams": line}, path, geometry_types={"streams": "LineString"})
    assert pyogrio.read_info(path)["geometry_type"] == "LineString"


def test_a_layer_without_a_crs_is_refused(path):
    with pytest.raises(UnknownCrs, match=r"Layer basins of basins\.gpkg"):
        features.write({"basins": basins().set_crs(None, allow_override=True)}, path)
    assert not path.exists()


@pytest.mark.parametrize("damage", ["value", "missing row", "vertex"])
def test_a_file_that_reads_back_otherwise_never_gets_its_name(path, monkeypatch, damage):
    write = pyogrio.write_dataframe

    def damaged(frame, *arguments, **options):
        frame = frame.copy()
        if damage == "value":
            frame.loc[0, "area_km2"] = 1394.96
        elif damage == "vertex":
            frame.loc[0, "geometry"] = MultiPolygon([box(0, 0, 1, 1.0000001)])
        else:
            frame = frame[:1]
        write(frame, *arguments, **options)

    path.write_text("older")
    monkeypatch.setattr(pyogrio, "write_dataframe", damaged)
    with pytest.raises(NotWritten, match="reads back"):
        features.write({"basins": basins()}, path)
    assert path.read_text() == "older"
    assert [place.name for place in path.parent.iterdir()] == ["basins.gpkg"]


def test_a_full_disk_is_told_in_one_sentence(small_disk):
    heavy = pd.DataFrame({"text": [os.urandom(500).hex() for _ in range(3000)]})
    with pytest.raises(NotWritten, match=r"not written: the disk is full\. Free .* another place\.$"):
        features.write({"heavy": heavy}, small_disk / "heavy.gpkg")
    assert list(small_disk.iterdir()) == []


# reading


def test_the_only_layer_with_geometries_is_taken(path):
    features.write({"notes": pd.DataFrame({"a": [1]}), "basins": basins()}, path)
    assert len(features.read(path)) == 2


def test_among_several_layers_none_is_guessed(path):
    features.write(layers(), path, geometry_types=TYPES)
    with pytest.raises(BadInput, match=r"3 layers .*: basins, streams, crossings"):
        features.read(path)
    with pytest.raises(BadInput, match="no layer rivers; it has basins, streams, crossings, shares"):
        features.read(path, "rivers")
    with pytest.raises(BadInput, match="shares, is a table"):
        features.read(path, "shares")
    with pytest.raises(BadInput, match="holds no features"):
        features.read(path, "crossings")


def test_the_kind_that_is_needed_chooses_the_layer(path, tmp_path):
    features.write(layers(), path, geometry_types=TYPES)
    assert features.read(path, holding="lines")["strahler"].tolist() == [1]
    assert features.read(path, holding="polygons")["outlet_id"].tolist() == [7, 8]
    with pytest.raises(BadInput, match=r"basins\.gpkg holds no features"):
        features.read(path, holding="points")
    with pytest.raises(BadInput, match="holds polygons where points were expected"):
        features.read(path, "basins", holding="points")
    features.write({"a": basins(), "b": basins()}, path)
    with pytest.raises(BadInput, match=r"2 layers of polygons .*: a, b\. Name .*basins\.gpkg\|layername=a'"):
        features.read(path, holding="polygons")
    with pytest.raises(BadInput, match="no layer of lines; it has a, b"):
        features.read(path, holding="lines")
    mixed = gpd.GeoDataFrame({"a": [1, 2]}, geometry=[Point(1, 2), box(0, 0, 1, 1)], crs=UTM)
    pyogrio.write_dataframe(mixed, tmp_path / "mixed.gpkg", geometry_type="Unknown")
    with pytest.raises(BadInput, match="holds points and polygons where points were expected"):
        features.read(tmp_path / "mixed.gpkg", holding="points")


def test_a_layer_is_named_as_in_qgis(path):
    features.write(layers(), path, geometry_types=TYPES)
    assert features.read(f"{path}|layername=streams")["strahler"].tolist() == [1]
    with pytest.raises(BadInput, match="says subset=area_km2 > 5"):
        features.read(f"{path}|layername=streams|subset=area_km2 > 5")


def test_features_without_geometry_are_left_out_with_a_warning(tmp_path, caplog):
    places = gpd.GeoDataFrame(
        {"name": ["a", "b", "c"]}, geometry=[Point(1, 2), None, Polygon()], crs="EPSG:4326"
    )
    pyogrio.write_dataframe(places, tmp_path / "a.gpkg", geometry_type="Unknown")
    found = features.read(tmp_path / "a.gpkg")
    assert found["name"].tolist() == ["a"]
    assert "2 of 3 features have no geometry" in caplog.text
    pyogrio.write_dataframe(places[1:], tmp_path / "b.gpkg", geometry_type="Unknown")
    with pytest.raises(BadInput, match="none of them with a geometry"):
        features.read(tmp_path / "b.gpkg")


def test_heights_of_vertices_are_left_out(tmp_path):
    high = gpd.GeoDataFrame({"a": [1]}, geometry=[Point(1, 2, 3000)], crs=UTM)
    pyogrio.write_dataframe(high, tmp_path / "a.gpkg")
    assert not features.read(tmp_path / "a.gpkg").geometry.has_z.any()


def test_without_a_crs_the_way_out_is_named(tmp_path):
    with pytest.warns(UserWarning, match="crs"):
        pyogrio.write_dataframe(gpd.GeoDataFrame({"a": [1]}, geometry=[Point(1, 2)]), tmp_path / "a.shp")
    with pytest.raises(UnknownCrs, match=r"ogr2ogr -a_srs EPSG:CODE out\.gpkg a\.shp"):
        features.read(tmp_path / "a.shp")


def test_missing_empty_damaged_and_foreign_files_are_refused_in_one_sentence(path, tmp_path):
    features.write({"basins": basins()}, path)
    damaged, empty, text = tmp_path / "damaged.gpkg", tmp_path / "empty.gpkg", tmp_path / "text.shp"
    damaged.write_bytes(path.read_bytes()[:9000])
    empty.touch()
    text.write_text("this is no shapefile")
    for name, sentence in [
        (tmp_path / "no.gpkg", "does not exist"),
        (damaged, "malformed"),
        (empty, "is empty"),
        (text, "not recognized"),
    ]:
        with pytest.raises(BadInput, match=sentence) as caught:
            features.read(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "name,lon,lat,area\nA,71.5,39.5,12.5\n",
        "\ufeffname;Longitude;Latitude;area\nA;71,5;39,5;12,5\n",
        "name\tLON\tLAT\tarea\nA\t71.5\t39.5\t12.5\n",
        "name\tLON\tLAT\tarea\nA\t71,5\t39,5\t12,5\n",
        "sep=;\r\nname;долгота;широта;area\r\nA;71,5;39,5;12,5\r\n",
    ],
    ids=[
        "commas",
        "semicolons and decimal commas after a byte order mark",
        "tabs",
        "tabs and decimal commas",
        "Excel's line with its separator, and Russian names",
    ],
)
def test_a_table_of_places_is_read(tmp_path, text):
    path = tmp_path / "gauges.csv"
    path.write_text(text, encoding="utf-8")
    found = features.read(path)
    assert found.geometry.tolist() == [Point(71.5, 39.5)]
    assert found.crs == CRS("EPSG:4326")
    assert found["area"].tolist() == [12.5]


def test_x_and_y_need_a_crs(tmp_path):
    path = tmp_path / "gauges.csv"
    path.write_text("name,x,y\nA,731003,4440127\nB,,\n")
    with pytest.raises(UnknownCrs, match=r"columns x and y, which do not say .* name them lon and lat; else"):
        features.read(path)
    found = features.read(path, table_crs=UTM)
    assert found.geometry.tolist() == [Point(731003, 4440127)]
    assert found.crs == UTM


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,a,b\nA,1,2\n", "lon and lat, or x and y, were expected"),
        ("name,lon,lat\nA,71.5,39.5\nB,71°30,39\n", "line 3, has '71°30' in lon"),
        ("name,lon,lat\nA,731003,4440127\n", "beyond 180 or 90 degrees"),
        ("name,lon,lat\n", "holds no features"),
        ("name,lon,lat\nA,71,5,39,5\n", "more values in a row than the 3 columns .* decimal commas"),
    ],
)
def test_a_table_that_is_none_is_refused_with_the_way_out(tmp_path, text, sentence):
    path = tmp_path / "gauges.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=sentence):
        features.read(path)


def test_a_table_as_excel_saves_it_on_a_russian_windows_is_read_and_that_is_said(tmp_path, caplog):
    path = tmp_path / "gauges.csv"
    path.write_bytes("name;lon;lat;km2\nИли;71,5;39,5;1 234,5\nТалас;74;42,875;\n".encode("cp1251"))  # noqa: RUF001 - Cyrillic
    found = features.read(path)
    assert found["name"].tolist() == ["Или", "Талас"]
    assert found.geometry.tolist() == [Point(71.5, 39.5), Point(74, 42.875)]
    assert found["km2"].iloc[0] == 1234.5
    assert np.isnan(found["km2"].iloc[1])
    assert "read as Windows-1251" in caplog.text

    path.write_text("name\tlon\tlat\nИли\t71,5\t39,5\n", encoding="utf-16")  # "Unicode text"
    assert features.read(path)["name"].tolist() == ["Или"]


def test_names_that_look_like_numbers_stay_names(tmp_path):
    path = tmp_path / "gauges.csv"
    path.write_text("name;lon;lat\nA 1,5;71,5;39,5\n12 5;71,5;39,5\n", encoding="utf-8")
    assert features.read(path)["name"].tolist() == ["A 1,5", "12 5"]


def test_a_table_in_no_known_encoding_is_refused(tmp_path):
    path = tmp_path / "gauges.csv"
    path.write_bytes(b"name,lon,lat\n\x98,71,39\n")  # the one byte that Windows-1251 does not use
    with pytest.raises(BadInput, match=r"not in UTF-8\. Save it as"):
        features.read(path)


def test_a_name_too_long_for_any_disk_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"cannot be opened: .*name too long"):
        features.read(tmp_path / ("n" * 300 + ".gpkg"))


@pytest.mark.qgis
def test_qgis_opens_every_layer_without_a_warning(path):
    features.write(layers(), path, geometry_types=TYPES)
    code = """
import sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
messages = []
app.messageLog().messageReceived.connect(lambda text, tag, level: messages.append(f"{tag}: {text}"))
for name in ("basins", "streams", "crossings", "shares", "crossing_shares"):
    layer = QgsVectorLayer(f"{sys.argv[1]}|layername={name}", name, "ogr")
    print(name, layer.isValid(), layer.featureCount(), layer.crs().authid(), layer.wkbType())
print("messages:", [m for m in messages if sys.argv[1] in m or "gpkg" in m.lower()])
"""
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        pytest.skip("no PyQGIS on this machine")
    environment = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "HOME": str(path.parent)}
    said = subprocess.run(
        [python, "-c", code, str(path)], capture_output=True, text=True, env=environment, check=True
    )
    assert said.stdout.splitlines() == [
        "basins True 2 EPSG:32642 6",
        "streams True 1 EPSG:32642 5",
        "crossings True 0 EPSG:32642 1",
        "shares True 2  100",
        "crossing_shares True 0  100",
        "messages: []",
    ]
    assert "GPKG" not in said.stderr
    assert "GeoPackage" not in said.stderr


def test_each_layer_carries_its_own_style(tmp_path):
    points = gpd.GeoDataFrame({"name": ["a"]}, geometry=[shapely.Point(1, 2)], crs="EPSG:32642")
    path = features.write({"wells": points, "springs": points}, tmp_path / "water.gpkg")

    features.add_styles(path, {"wells": "<qgis>wells</qgis>", "absent": "<qgis/>"})

    rows = pyogrio.read_dataframe(path, layer="layer_styles")
    assert rows[["f_table_name", "f_geometry_column", "styleQML", "useAsDefault"]].to_numpy().tolist() == [
        ["wells", "geom", "<qgis>wells</qgis>", True]
    ]
    first = path.read_bytes()
    path = features.write({"wells": points, "springs": points}, path)
    features.add_styles(path, {"wells": "<qgis>wells</qgis>", "absent": "<qgis/>"})
    assert path.read_bytes() == first


def test_layers_of_a_file_are_listed_and_what_is_no_such_file_has_none(tmp_path):
    layer = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(0, 0)], crs="EPSG:4326")
    features.write({"one": layer, "two": layer, "table": pd.DataFrame({"a": [1]})}, tmp_path / "x.gpkg")
    assert features.names(tmp_path / "x.gpkg") == ["one", "two", "table"]
    (tmp_path / "text.gpkg").write_text("no database", encoding="utf-8")
    assert features.names(tmp_path / "text.gpkg") == []
    assert features.names(tmp_path / "missing.gpkg") == []


def test_a_table_without_places_is_read_in_the_ways_of_both_languages(tmp_path):
    (tmp_path / "a.csv").write_text("имя;площадь\nТуюксу;2,5\n", encoding="cp1251")  # noqa: RUF001  # Russian
    (tmp_path / "b.csv").write_text("имя,площадь\nТуюксу,2.5\n", encoding="utf-8")  # noqa: RUF001  # Russian
    for name in ("a.csv", "b.csv"):
        assert features.read_table(tmp_path / name).to_dict("list") == {"имя": ["Туюксу"], "площадь": [2.5]}
