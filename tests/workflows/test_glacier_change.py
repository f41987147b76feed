"""`bluepeace glacier-change`: from files to files, and what it refuses in a sentence."""

import json

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from asked import lines, run

from bluepeace_gis.analyses.glaciers.change import CLUSTER_COLUMNS
from bluepeace_gis.archive import features
from bluepeace_gis.workflows.publishing import Record, publishing

UTM = "EPSG:32643"
X, Y = 500_000, 4_400_000


def square(x, y, width, height=None):
    return shapely.box(X + x, Y + y, X + x + width, Y + y + (height or width))


def write(path, *shapes, date="2003-08-01", prefix="G", crs=UTM, name="outlines", **columns):
    table = {"rgi_id": [f"{prefix}{place}" for place in range(len(shapes))], **columns}
    if date is not None:
        table["src_date"] = date
    return features.write({name: gpd.GeoDataFrame(table, geometry=list(shapes), crs=UTM).to_crs(crs)}, path)


def write_ours(path, *shapes, date, frame=None, cell_m=20.0, hidden=(), margin=0.06, smallest=0.01):
    """A product as `bluepeace glaciers` writes it: layers, and a record beside them."""
    frame = frame or square(-3000, -3000, 30_000)
    columns = {
        "src_date": date, "area_km2": [shape.area / 1e6 for shape in shapes], "area_unc_km2": 0.012,
        "edge_unc_km2": 0.01, "snow_unc_km2": 0.002, "unseen_km2": 0.0, "debris_km2": 0.0,
    }  # fmt: skip
    glaciers = gpd.GeoDataFrame(columns, geometry=list(shapes), crs=UTM).to_crs("EPSG:4326")
    glaciers.insert(0, "rgi_id", [f"BP-{place}" for place in range(len(shapes))])
    record = Record(
        title="Glaciers", lineage="", footprint=frame, crs=gpd.GeoSeries([frame], crs=UTM).crs, inputs={},
        parameters={"min_area_km2": smallest},
        method={"defaults": {"visible_margin": margin}, "detail_m": cell_m},
    )  # fmt: skip
    unseen = gpd.GeoDataFrame({"area_km2": [0.0] * len(hidden)}, geometry=list(hidden), crs=UTM)
    layers = {"glaciers": glaciers, "outlines_max": glaciers, "unseen": unseen.to_crs("EPSG:4326")}
    with publishing(path, record) as work:
        features.write(layers, work / path.name, geometry_types={"unseen": "Polygon"})
    return path


def asked(tmp_path, before, after, *more):
    return run(
        "glacier-change",
        before,
        *([] if after is None else [after]),
        "--out",
        tmp_path / "change.gpkg",
        *more,
    )


def refused(answer, *said):
    assert answer.returncode == 2, answer.stderr
    last = answer.stderr.strip().splitlines()[-1]
    for each in said:
        assert each in last
    return last


@pytest.fixture
def pair(tmp_path):
    before = write(
        tmp_path / "before.gpkg", square(0, 0, 1000), square(3000, 0, 2000), square(1500, 100, 300)
    )
    after = write(
        tmp_path / "after.gpkg", square(0, 0, 600), square(3000, 0, 1990), date="2023-08-01", crs="EPSG:32642"
    )
    return before, after


def test_two_layers_give_layers_tables_picture_style_and_provenance(tmp_path, pair):
    zones = gpd.GeoDataFrame(
        {"name": ["west", "east"]},
        geometry=[square(-500, -500, 4000, 9000), square(3500, -500, 9000)],
        crs=UTM,
    )
    zones.to_file(tmp_path / "zones.gpkg")
    answer = asked(tmp_path, *pair, "--zones", tmp_path / "zones.gpkg")
    assert answer.returncode == 0, answer.stderr
    out = tmp_path / "change.gpkg"
    names = [str(row[0]) for row in pyogrio.list_layers(out)]
    assert names[:6] == ["change", "before", "after", "links", "totals", "size_classes"]
    table = gpd.read_file(out, layer="change")
    assert tuple(table.columns) == (*CLUSTER_COLUMNS, "geometry")
    assert table["verdict"].tolist() == ["loss", "not distinguishable", "loss"]
    assert table["status"].tolist() == ["kept", "kept", "vanished"]
    totals = pyogrio.read_dataframe(out, layer="totals", read_geometry=False)
    assert totals["zone"].tolist() == ["all", "east", "west"]
    assert totals["change_km2"].iloc[1:].sum() == totals["change_km2"].iloc[0]
    assert (tmp_path / "change.png").stat().st_size > 20_000
    assert 'attr="verdict"' in (tmp_path / "change.qml").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "change.json").read_text(encoding="utf-8"))
    method = record["properties"]["bluepeace:method"]
    assert method["defaults"]["verdict_times"] == pytest.approx(1.96, abs=1e-3)
    assert method["sources"]["before"] == {
        "outlines": 3, "first": "2003-08-01", "last": "2003-08-01", "uncertainty": "defaults",
        "mapped_by": "others", "cell_m": None, "looked_at": "not said",
    }  # fmt: skip
    assert {link["title"] for link in record["links"]} >= {"before.gpkg", "after.gpkg", "zones.gpkg"}
    assert "Glacier area changed by" in answer.stdout
    assert "Площадь ледников: изменение на" in answer.stdout
    assert "hull" in answer.stderr


def test_the_same_layers_give_the_same_bytes_and_programs_read_the_numbers(tmp_path, pair):
    bytes_, results = [], []
    for _ in range(2):
        answer = asked(tmp_path, *pair, "--progress", "json")
        told = lines(answer.stdout)
        results.append(told[-1]["result"])
        bytes_.append(((tmp_path / "change.gpkg").read_bytes(), (tmp_path / "change.png").read_bytes()))
    assert bytes_[0] == bytes_[1]
    assert results[0] == results[1]
    assert [event["done"] for event in told if "done" in event][-1] == 1
    assert any("warning" in event for event in told)
    assert results[0]["numbers"]["loss"] == 2
    assert results[0]["numbers"]["change_km2"] == pytest.approx(-0.64 - 0.0399 - 0.09, rel=1e-3)


def test_our_own_products_are_compared_by_what_they_state(tmp_path):
    before = write_ours(
        tmp_path / "a.gpkg",
        square(0, 0, 1000),
        square(6000, 0, 700),
        square(12_000, 0, 800),
        date="2003-08-01",
    )
    after = write_ours(
        tmp_path / "b.gpkg", square(0, 0, 900), date="2023-08-01",
        frame=square(-3000, -3000, 14_000), hidden=[square(5900, -100, 900)],
    )  # fmt: skip
    answer = asked(tmp_path, before, after)
    assert answer.returncode == 0, answer.stderr
    table = gpd.read_file(tmp_path / "change.gpkg", layer="change")
    assert table["status"].tolist() == ["kept", "hidden", "outside the other frame"]
    assert table["verdict"].tolist() == ["loss", "not compared", "not compared"]
    assert table["random_unc_km2"].iloc[0] == pytest.approx(0.01 * 2**0.5)
    common = 2**0.5 * (0.012**2 - 0.01**2) ** 0.5  # snow and the rest of the total, of both dates
    assert table["common_unc_km2"].iloc[0] == pytest.approx(common)
    assert "hull" not in answer.stderr
    assert "hidden on the other date" in answer.stderr


def test_what_is_new_alone_is_said_without_a_rate_and_drawn_without_a_chart(tmp_path):
    before = write_ours(
        tmp_path / "a.gpkg", square(40_000, 0, 1000), date="2003-08-01", frame=square(-900, -900, 90_000)
    )
    after = write_ours(
        tmp_path / "b.gpkg", square(0, 0, 900), date="2023-08-01", frame=square(-900, -900, 9000)
    )
    answer = asked(tmp_path, before, after)
    assert answer.returncode == 0, answer.stderr
    assert "to 2023-08-01: not distinguishable from no change" in answer.stdout
    assert "nan" not in answer.stdout
    assert "Ice does not come up where there was none" in answer.stderr
    assert (tmp_path / "change.png").stat().st_size > 10_000


def test_a_layer_is_named_as_in_qgis(tmp_path):
    before = write_ours(tmp_path / "a.gpkg", square(0, 0, 1000), date="2003-08-01")
    after = write_ours(tmp_path / "b.gpkg", square(0, 0, 900), date="2023-08-01")
    answer = asked(tmp_path, f"{before}|layername=outlines_max", f"{after}|layername=outlines_max")
    assert answer.returncode == 0, answer.stderr


def test_other_pixels_and_settings_are_refused_with_the_reason_and_the_note_stands_if_accepted(tmp_path):
    before = write_ours(tmp_path / "a.gpkg", square(0, 0, 1000), date="2003-08-01", cell_m=30.0)
    after = write_ours(tmp_path / "b.gpkg", square(0, 0, 900), date="2023-08-01", margin=0.08)
    refused(
        asked(tmp_path, before, after), "visible_margin 0.06 and 0.08", "cells of 30 m", "--accept-definition"
    )
    answer = asked(tmp_path, before, after, "--accept-definition")
    assert answer.returncode == 0, answer.stderr
    assert "Not change alone" in answer.stdout
    assert "слои получены по пикселям разного размера" in answer.stdout
    method = json.loads((tmp_path / "change.json").read_text(encoding="utf-8"))["properties"][
        "bluepeace:method"
    ]
    assert len(method["definitions"]) == 2
    assert "cells of 30 m" in " ".join(method["notes"])


def test_rgi_7_of_central_asia_is_refused_and_named(tmp_path):
    before = write(tmp_path / "rgi.gpkg", square(0, 0, 1000), prefix="RGI2000-v7.0-G-13-0000")
    after = write_ours(tmp_path / "b.gpkg", square(0, 0, 900), date="2023-08-01")
    refused(asked(tmp_path, before, after), "GAMDAM2", "headwalls", "--accept-definition")
    assert not (tmp_path / "change.gpkg").exists()


def test_a_product_that_was_edited_since_is_no_longer_ours(tmp_path):
    before = write_ours(tmp_path / "a.gpkg", square(0, 0, 1000), date="2003-08-01")
    after = write_ours(tmp_path / "b.gpkg", square(0, 0, 900), date="2023-08-01")
    layer = gpd.read_file(after, layer="glaciers")
    layer.to_file(after, layer="glaciers")
    said = asked(tmp_path, before, after)
    refused(said, "--accept-definition")
    assert "was edited since" in said.stderr


def test_dates_are_given_where_a_layer_has_none(tmp_path):
    before = write(tmp_path / "a.gpkg", square(0, 0, 1000), date=None)
    after = write(tmp_path / "b.gpkg", square(0, 0, 900), date=None)
    refused(asked(tmp_path, before, after), "has no dates", "--before-date")
    refused(asked(tmp_path, before, after, "--before-date", "yesterday"), "--before-date is 'yesterday'")
    dates = ("--before-date", "1999", "--after-date", "2019-08-20")
    answer = asked(tmp_path, before, after, *dates)
    assert answer.returncode == 0, answer.stderr
    refused(asked(tmp_path, after, before, "--before-date", "2019", "--after-date", "1999"), "Exchange them")
    refused(asked(tmp_path, after, before, "--before-date", "2019", "--after-date", "2019"), "two dates")


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.gpkg", "does not exist"), ("empty.gpkg", "is empty"), ("text.gpkg", "cannot be read"),
     ("points.gpkg", "polygons")],
)  # fmt: skip
def test_files_that_are_no_outlines_are_refused(tmp_path, pair, name, said):
    (tmp_path / "empty.gpkg").write_bytes(b"")
    (tmp_path / "text.gpkg").write_text("no database", encoding="utf-8")
    gpd.GeoDataFrame({"rgi_id": ["A"]}, geometry=[shapely.Point(X, Y)], crs=UTM).to_file(
        tmp_path / "points.gpkg"
    )
    refused(asked(tmp_path, tmp_path / name, pair[1]), said)
    refused(asked(tmp_path, pair[0], tmp_path / name), said)


def test_what_would_be_replaced_or_cannot_be_written_is_refused_first(tmp_path, pair):
    refused(
        run("glacier-change", *pair, "--out", tmp_path / "change.csv"), "expected the name of a GeoPackage"
    )
    refused(run("glacier-change", *pair, "--out", pair[0]), "the input would be replaced")


# A table of areas


TABLE = pd.DataFrame(
    {
        "glacier_name": ["A", "A", "A", "B", "B", "C"],
        "glacier_id": [1, 1, 1, 2, 2, 3],
        "date": ["2000-08-01", "2010-08-01", "2020-08-01", "2000-08-01", "2020-08-01", "2000-08-01"],
        "area": [2e6, 1.8e6, 1.6e6, 3e6, 2.95e6, 1e6],
        "area_unc": [4e4, 4e4, 4e4, None, 6e4, 1e4],
    }
)


def test_a_table_of_areas_goes_through_the_same_model(tmp_path):
    TABLE.to_csv(tmp_path / "areas.csv", index=False)
    answer = asked(tmp_path, tmp_path / "areas.csv", None)
    assert answer.returncode == 0, answer.stderr
    table = pyogrio.read_dataframe(tmp_path / "change.gpkg", layer="change", read_geometry=False)
    assert table["verdict"].tolist() == ["loss", "not distinguishable"]
    assert table["unc_source"].tolist() == ["stated", "usual"]
    assert table["pct_per_year"].tolist() == pytest.approx([-1, -1 / 12], rel=1e-3)
    assert table["pct_per_year_unc"].iloc[0] == pytest.approx(100 * 0.04 * 2**0.5 / 2 / 20, rel=1e-3)
    dates = pyogrio.read_dataframe(tmp_path / "change.gpkg", layer="dates", read_geometry=False)
    assert len(dates) == 5
    assert "one date only: 1" in answer.stderr
    assert (tmp_path / "change.png").stat().st_size > 10_000
    assert "Of 2 glaciers with areas of two dates 1 lost area" in answer.stdout


def test_areas_may_start_later_and_be_in_square_kilometres_with_semicolons(tmp_path):
    table = TABLE.assign(area_km2=TABLE["area"] / 1e6, area_unc_km2=TABLE["area_unc"] / 1e6)
    table.drop(columns=["area", "area_unc"]).to_csv(tmp_path / "areas.csv", index=False, sep=";", decimal=",")
    answer = asked(tmp_path, tmp_path / "areas.csv", None, "--since", "2005")
    assert answer.returncode == 0, answer.stderr
    table = pyogrio.read_dataframe(tmp_path / "change.gpkg", layer="change", read_geometry=False)
    assert table["glacier_name"].tolist() == ["A"]
    assert table["years"].tolist() == pytest.approx([10], abs=0.01)
    assert "начиная с 2005 года" in answer.stdout  # noqa: RUF001  # Russian


@pytest.mark.parametrize(
    ("change", "more", "said"),
    [
        (lambda table: table.drop(columns="area"), (), "no column area (m2) or area_km2"),
        (lambda table: table.drop(columns=["date"]), (), "no column date"),
        (lambda table: table.assign(date="summer"), (), "6 rows without a date"),
        (lambda table: table.assign(area=[2e6, -1, 1, 1, 1, 1]), (), "in line 3"),
        (lambda table: table.assign(area=float("inf")), (), "is no area"),
        (lambda table: table.head(1), (), "No glacier of the table has areas of two dates"),
        (lambda table: table.head(0), (), "no rows"),
        (lambda table: table, ("--since", "2015"), "two dates since 2015-01-01"),
        (lambda table: table, ("--since", "soon"), "--since is 'soon'"),
        (lambda table: table, ("--before-date", "2010"), "--before-date is for outlines"),
    ],
    ids=[
        "no area", "no date", "no such date", "negative", "infinite", "one date", "empty", "late", "since",
        "option",
    ],
)  # fmt: skip
def test_tables_that_cannot_be_compared_are_refused(tmp_path, change, more, said):
    change(TABLE).to_csv(tmp_path / "areas.csv", index=False)
    refused(asked(tmp_path, tmp_path / "areas.csv", None, *more), said)


def test_tables_and_layers_are_not_mixed_up(tmp_path, pair):
    TABLE.to_csv(tmp_path / "areas.csv", index=False)
    refused(asked(tmp_path, pair[0], None), "Give the later one as AFTER")
    refused(asked(tmp_path, pair[0], tmp_path / "areas.csv"), "is a table; outlines were expected for AFTER")
    refused(asked(tmp_path, *pair, "--since", "2010"), "--since is for a table")


def test_implausible_and_doubtful_areas_are_said(tmp_path):
    TABLE.assign(area=[2e6, 4e6, 9e6, 3e6, 2.9e6, 1e6], area_unc=100.0).to_csv(
        tmp_path / "areas.csv", index=False
    )
    answer = asked(tmp_path, tmp_path / "areas.csv", None)
    assert "more than 4 % a year: 1 (A)" in answer.stderr
    assert "less than 1% of the area" in answer.stderr
    assert "another extent was measured: 1." in answer.stdout
