"""`bluepeace sheet`: what stands on paper is what stands in the product, and what must be said is said."""

# ruff: noqa: E501, RUF001  # words and rows of tables stand as they are printed

import datetime as dt
import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pypdfium2
import pytest
import shapely
from affine import Affine
from asked import lines, run
from PIL import Image

from bluepeace_gis.analyses.basins import GEOMETRY_TYPES
from bluepeace_gis.archive import features, rasters, tables
from bluepeace_gis.geo import zones
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps.boundaries import with_status
from bluepeace_gis.maps.sheet import Facts, draw_sheet
from bluepeace_gis.maps.texts import NOTHING, figure, percent, span, texts_in
from bluepeace_gis.workflows import sheet as workflow
from bluepeace_gis.workflows.publishing import Record, publishing

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
BORDERS = f"{SAMPLE / 'countries.gpkg'}|layername=borders"
COUNTRIES = f"{SAMPLE / 'countries.gpkg'}|layername=countries"
GIVEN = (
    "--borders", BORDERS, "--status-field", "status", "--source", "Made valley, CC0",
    "--body", "the Example Commission",
)  # fmt: skip
NAMED = ("--countries", COUNTRIES, "--country-field", "name")
DAY = "1760000000"  # 9 October 2025


def sheet(product, out, *options, given=GIVEN):
    answer = run("sheet", product, "--out", out, *given, *options)
    assert answer.returncode == 0, answer.stderr
    return out


def refused(product, out, *options, given=GIVEN):
    answer = run("sheet", product, "--out", out, *given, *options)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert not out.exists()
    assert not out.with_suffix(".json").exists()
    return answer.stderr.strip().splitlines()[-1]


def text_of(path):
    """All words of a PDF, as a search in it finds them; thin spaces and line ends are spaces."""
    with pypdfium2.PdfDocument(path) as document:
        assert len(document) == 1
        found = document[0].get_textpage().get_text_bounded()
    return " ".join(found.replace("￾", "-").split())


def said(number):
    """A number of the sheet as it is found in the text of a PDF."""
    return " ".join(number.split())


@pytest.fixture(scope="module")
def basins(tmp_path_factory):
    out = tmp_path_factory.mktemp("basins") / "basins.gpkg"
    answer = run(
        "basins", SAMPLE / "dem.tif", SAMPLE / "outlets.gpkg", "--out", out, "--countries", COUNTRIES,
        "--country-field", "name", "--terminal", SAMPLE / "terminal_lakes.gpkg", "--area-field", "known_km2",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return out


@pytest.fixture(scope="module")
def paper(basins, tmp_path_factory):
    """One sheet in two languages, on a known day."""
    out = tmp_path_factory.mktemp("paper") / "map.pdf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", DAY)
        return sheet(basins, out, "--language", "ru,en", "--page", "A3", *NAMED)


# --- what every sheet carries ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "orientation", "size_mm"),
    [
        ("A4", "portrait", (210, 297)), ("A4", "landscape", (297, 210)),
        ("A3", "portrait", (297, 420)), ("A3", "landscape", (420, 297)),
    ],
)  # fmt: skip
def test_the_page_has_its_exact_size(basins, tmp_path, page, orientation, size_mm):
    out = sheet(basins, tmp_path / "map.pdf", "--page", page, "--orientation", orientation)

    with pypdfium2.PdfDocument(out) as document:
        assert [side * 25.4 / 72 for side in document[0].get_size()] == pytest.approx(size_mm, abs=0.01)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_pictures_have_the_size_of_the_page_too(basins, tmp_path, ending):
    out = sheet(basins, tmp_path / f"map.{ending}", "--orientation", "landscape")

    if ending == "png":
        with Image.open(out) as picture:
            assert picture.size == pytest.approx((297 / 25.4 * 300, 210 / 25.4 * 300), abs=1)
    else:
        width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', out.read_text("utf-8")).groups()
        assert (float(width) / 72 * 25.4, float(height) / 72 * 25.4) == pytest.approx((297, 210), abs=0.01)


def test_a_sheet_says_all_that_it_must_in_both_languages(paper):
    text = text_of(paper)

    for words in (
        "Речные бассейны и доли стран", "River basins and the shares of countries",
        "Computed 20", "Рассчитано 20", "Условные обозначения / Legend",
        "Граница согласована / Boundary: agreed", "Граница не проверена / Boundary: not verified",
        "Граница спорная / Boundary: disputed", "Неопределённость", "Uncertainty", "Расположение / Location",
        "Sources: Made valley, CC0.", "Источники: Made valley, CC0.", "Produced 2025-10-09 with bluepeace-gis",
        "Составлено 2025-10-09", "do not imply official endorsement or acceptance by the Example Commission.",
        "со стороны: the Example Commission.", "Lambert azimuthal equal-area", "равновеликая",
        "countries.gpkg, one set for all countries; status by its column status.", "Scale 1 : ", "Масштаб 1 : ",
        "There is no agreed method for an interval", "69°30′ в. д.", "TALVRIA", "SORMEA", "С / N",
    ):  # fmt: skip
        assert words in text, words
    assert "not reviewed" not in text


def test_letters_are_embedded_and_whole(paper):
    content = paper.read_bytes()
    assert b"/FontFile2" in content  # TrueType, not drawn as curves
    assert b"/Type3" not in content
    assert b"DejaVuSans" in content


@pytest.mark.parametrize("code", ["kk", "ky", "tg", "tk", "uz"])
def test_a_language_that_was_not_reviewed_says_so_on_the_sheet(basins, tmp_path, code):
    text = text_of(sheet(basins, tmp_path / "map.pdf", "--language", code))
    assert text.count("(not reviewed)") == 1


def test_every_number_of_the_product_stands_on_the_sheet_to_the_last_digit(basins, paper):
    text = text_of(paper)
    found = pyogrio.read_dataframe(basins, layer="basins", read_geometry=False)
    shares = pyogrio.read_dataframe(basins, layer="shares")
    crossings = pyogrio.read_dataframe(basins, layer="crossings", read_geometry=False)

    assert len(found) == 9
    for row in found.itertuples():
        cells = [f"{row.name}{' *' if row.touches_edge else ''}", figure(row.area_km2, 1)]
        for country in ("Talvria", "Sormea"):
            held = shares[(shares["outlet_id"] == row.outlet_id) & (shares["country"] == country)]
            cells += [
                f"{figure(part.area_km2, 1)} ({percent(part.share_pct)})" for part in held.itertuples()
            ] or [NOTHING]
        assert said(" ".join(cells)) in text, cells
    for row in crossings.itertuples():
        assert (
            said(f"{row.crossing_id} {row.from_country} → {row.to_country} {figure(row.upstream_km2, 1)}")
            in text
        )


def test_shares_of_the_sheet_add_up_to_the_whole(basins):
    shares = pyogrio.read_dataframe(basins, layer="shares")
    assert shares.groupby("outlet_id")["share_pct"].sum().to_numpy() == pytest.approx(100, abs=1e-6)


def test_the_same_day_gives_the_same_bytes(basins, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DAY)
    for ending in ("pdf", "svg", "png"):
        one, other = (sheet(basins, tmp_path / folder / f"map.{ending}") for folder in made(tmp_path, ending))
        assert one.read_bytes() == other.read_bytes(), ending


def made(folder, ending):
    for name in (f"{ending}_a", f"{ending}_b"):
        (folder / name).mkdir()
        yield name


def test_the_record_names_product_and_boundaries_with_their_checksums(paper):
    item = json.loads(paper.with_suffix(".json").read_text("utf-8"))
    links = {
        (link["bluepeace:option"], link["title"]) for link in item["links"] if link["rel"] == "derived_from"
    }

    assert {("product", "basins.gpkg"), ("borders", "countries.gpkg")} <= links
    assert item["assets"]["main"]["href"] == "./map.pdf"
    assert item["properties"]["bluepeace:parameters"]["body"] == "the Example Commission"


def test_title_date_source_and_body_can_be_given_in_each_language(basins, tmp_path):
    out = sheet(
        basins, tmp_path / "map.pdf", "--language", "en,ru", "--title", "Two valleys | Две долины", "--date", "2000",
        given=(*GIVEN[:4], "--source", "A made valley | Придуманная долина", "--body", "the Body | Организация"),
    )  # fmt: skip
    text = text_of(out)

    for words in ("Two valleys", "Две долины", "Data: 2000 / Данные: 2000", "Sources: A made valley.",
                  "Источники: Придуманная долина.", "acceptance by the Body.", "со стороны: Организация."):  # fmt: skip
        assert words in text, words


def test_another_projection_is_named_and_said_not_to_keep_areas(basins, tmp_path):
    text = text_of(sheet(basins, tmp_path / "map.pdf", "--projection", "EPSG:32642"))
    assert "WGS 84 / UTM zone 42N; areas on the sheet are not true." in text


def test_programs_are_told_what_was_written(basins, tmp_path):
    answer = run("sheet", basins, "--out", tmp_path / "map.pdf", *GIVEN, "--progress", "json")
    last = lines(answer.stdout)[-1]["result"]

    assert last["outputs"] == {"out": str(tmp_path / "map.pdf")}
    assert last["numbers"]["scale_denominator"] in (250_000, 300_000, 400_000)


@pytest.mark.parametrize("orientation", ["landscape", "portrait", None])
@pytest.mark.parametrize("language", ["en", "ru,kk", "uz,en"])
def test_what_stands_beside_the_map_has_room_on_the_smallest_page(basins, tmp_path, language, orientation):
    texts = texts_in(language)
    shown = workflow._open(basins, texts, None)
    lines_of, _ = with_status(features.read(BORDERS, holding="lines"), "status", "x")
    facts = Facts(
        shown.title,
        shown.subtitle,
        ["A source"],
        ["A body"],
        dt.date(2025, 10, 9),
        "1",
        "p",
        "b.gpkg",
        "status",
    )
    drawn = draw_sheet(
        tmp_path / "map.pdf", shown.subject, facts, texts=texts, boundaries=lines_of, orientation=orientation
    )

    assert drawn.overflow_mm <= 0
    # the numbers of basins come first; with a free choice of the page none is left out
    assert drawn.rows_left_out <= (0 if orientation is None else 6)


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--source", "--body", "--borders", "--status-field"])
def test_nothing_is_drawn_without_source_body_and_boundaries(basins, tmp_path, option):
    place = GIVEN.index(option)
    without = GIVEN[:place] + GIVEN[place + 2 :]
    assert option in refused(basins, tmp_path / "map.pdf", given=without)
    blank = (*GIVEN[: place + 1], " ", *GIVEN[place + 2 :])
    assert len(refused(basins, tmp_path / "map.pdf", given=blank)) > 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--language", "de"), "en, ru, kk"),
        (("--title", "one|two"), "--title"),
        (("--country-field", "name"), "--countries"),
        (("--countries", COUNTRIES), "--country-field"),
        (("--countries", COUNTRIES, "--country-field", "nome"), "name_ru"),
        (("--projection", "EPSG:4326"), "metres"),
        (("--projection", "nowhere"), "EPSG:32642"),
        (("--page", "A0"), "A0"),
    ],
)
def test_options_without_sense_are_refused_in_a_sentence(basins, tmp_path, options, words):
    assert words in refused(basins, tmp_path / "map.pdf", *options)


@pytest.mark.parametrize("name", ["map.jpg", "map", "map.gpkg"])
def test_another_kind_of_file_is_refused(basins, tmp_path, name):
    assert ".pdf" in refused(basins, tmp_path / name)


def test_boundaries_must_be_lines_with_a_known_status(basins, tmp_path):
    head = GIVEN[2:]
    assert "lines" in refused(basins, tmp_path / "map.pdf", given=("--borders", COUNTRIES, *head))
    assert "stretch" in refused(
        basins, tmp_path / "map.pdf", given=(*GIVEN[:2], "--status-field", "nome", *GIVEN[4:])
    )
    assert "agreed, unverified, disputed" in refused(
        basins, tmp_path / "map.pdf", given=(*GIVEN[:2], "--status-field", "stretch", *GIVEN[4:])
    )


def test_a_product_without_its_record_has_no_date_and_is_refused(basins, tmp_path):
    alone = tmp_path / "basins.gpkg"
    alone.write_bytes(basins.read_bytes())
    assert "basins.json" in refused(alone, tmp_path / "map.pdf")


def test_what_is_no_product_is_refused(tmp_path):
    for name in (SAMPLE / "outlets.gpkg", SAMPLE / "dem.tif", tmp_path, tmp_path / "nothing.gpkg"):
        assert len(refused(name, tmp_path / "map.pdf")) > 20
    broken = tmp_path / "basins.gpkg"
    broken.write_bytes(b"no GeoPackage")
    assert "basins.gpkg" in refused(broken, tmp_path / "map.pdf")


def test_a_product_that_was_edited_since_is_told(basins, tmp_path):
    for ending in (".gpkg", ".json"):
        (tmp_path / f"basins{ending}").write_bytes(basins.with_suffix(ending).read_bytes())
    with (tmp_path / "basins.gpkg").open("ab") as file:
        file.write(b"\0")
    answer = run("sheet", tmp_path / "basins.gpkg", "--out", tmp_path / "map.pdf", *GIVEN)

    assert answer.returncode == 0
    assert "its checksum differs" in answer.stderr


def test_boundaries_of_another_place_are_told_and_the_legend_says_there_are_none(basins, tmp_path):
    away = gpd.GeoDataFrame({"s": ["agreed"]}, geometry=[shapely.LineString([(60, 40), (61, 41)])], crs=4326)
    place = features.write({"lines": away}, tmp_path / "away.gpkg")
    answer = run(
        "sheet", basins, "--out", tmp_path / "map.pdf", "--borders", place, "--status-field", "s", *GIVEN[4:]
    )

    assert answer.returncode == 0, answer.stderr
    assert "away.gpkg" in answer.stderr
    assert "No boundary runs through this map." in text_of(tmp_path / "map.pdf")


def test_names_are_printed_as_they_are_however_odd(basins, tmp_path):
    found = {
        name: pyogrio.read_dataframe(basins, layer=name)
        for name, _ in pyogrio.list_layers(basins)
        if name != "layer_styles"
    }
    found["basins"].loc[0, "name"] = r"$\alpha$ <b>{x}</b> Öztürk"
    found["basins"].loc[1, "name"] = None
    place = publish(tmp_path / "basins.gpkg", found, GEOMETRY_TYPES)
    text = text_of(sheet(place, tmp_path / "map.pdf", "--page", "A3"))

    assert r"$\alpha$ <b>{x}</b> Öztürk" in text
    assert "outlet 2" in text


# --- the other kinds -------------------------------------------------------------------------------------


def publish(path, layers, kinds=None, **more):
    frame = shapely.box(69.6, 45.3, 69.9, 45.6)
    record = Record(
        title="t", lineage="", footprint=frame, crs=gpd.GeoSeries([frame], crs=4326).crs, inputs={}, parameters={},
        method={}, **more,
    )  # fmt: skip
    with publishing(path, record) as work:
        features.write(layers, work / path.name, geometry_types=kinds or {})
    return path


def boxes(count, size=0.01):
    return [shapely.box(69.7 + 0.02 * n, 45.4, 69.7 + 0.02 * n + size, 45.4 + size) for n in range(count)]


def test_glaciers_stand_with_their_deviation_and_zones_with_their_sum(tmp_path):
    shapes = boxes(3)
    unc = pd.DataFrame(
        {"rgi_id": ["a", "b", "c"], "area_km2": [1.234, 0.5, 0.04], "edge_unc_km2": [0.1, 0.2, 0.02],
         "threshold_unc_km2": 0.01, "snow_unc_km2": 0.02, "unseen_unc_km2": 0.0, "area_unc_km2": [0.11, 0.21, 0.03],
         "debris_km2": [0.3, 0.0, 0.0], "debris_unc_km2": [0.05, 0.0, 0.0], "half_pixel_unc_km2": 0.1}
    )  # fmt: skip
    glaciers = gpd.GeoDataFrame(
        {"rgi_id": ["a", "b", "c"], "glac_name": ["Ulmer Ice", None, ""], "area_km2": unc["area_km2"],
         "area_unc_km2": unc["area_unc_km2"], "unseen_km2": [0.25, 0.0, 0.0]},
        geometry=shapes, crs=4326,
    )  # fmt: skip
    bands = pd.DataFrame({"zone": ["East", "East", "West"], "area_km2": [1.0, 0.234, 0.54]})
    empty = gpd.GeoDataFrame({"area_km2": pd.Series([], dtype=float)}, geometry=[], crs=4326)
    layers = {
        "glaciers": glaciers,
        "debris": empty,
        "unseen": empty,
        "uncertainties": unc,
        "zone_bands": bands,
    }
    place = publish(tmp_path / "glaciers.gpkg", layers, {"debris": "Polygon", "unseen": "Polygon"})
    text = text_of(sheet(place, tmp_path / "map.pdf"))

    # edges in quadrature, what is common to all linearly: sqrt(0.01 + 0.04 + 0.0004 + 0.0009 + 0.0036) = 0.23
    for words in ("All 1.77 ± 0.23", "East 1.23", "West 0.54", "1 Ulmer Ice 1.23 ± 0.11", "2 b 0.50 ± 0.21",
                  "3 c 0.04 ± 0.03", "0.25 km² were not seen. 0.30 ± 0.05 km² may lie under debris"):  # fmt: skip
        assert words in text, words


def test_change_of_glaciers_stands_with_its_interval(tmp_path):
    shapes = boxes(3)
    clusters = gpd.GeoDataFrame(
        {"cluster_id": [1, 2, 3], "name": ["Ulmer Ice", "", None], "verdict": ["loss", "not distinguishable", "gain"],
         "area_before_km2": [2.0, 1.0, 0.5], "area_after_km2": [1.5, 0.98, 0.6], "change_km2": [-0.5, -0.02, 0.1],
         "change_low_km2": [-0.6, -0.1, 0.05], "change_high_km2": [-0.4, 0.06, 0.15], "before_date": "2000-08-20",
         "after_date": "2020-09-01"},
        geometry=shapes, crs=4326,
    )  # fmt: skip
    totals = pd.DataFrame(
        {"zone": ["all", "East"], "area_before_km2": [3.5, 3.0], "area_after_km2": [3.08, 2.48],
         "change_km2": [-0.42, -0.52], "change_low_km2": [-0.55, -0.66], "change_high_km2": [-0.29, -0.38]}
    )  # fmt: skip
    outlines = clusters[["geometry"]].assign(id=["a", "b", "c"])
    layers = {"change": clusters, "before": outlines, "after": outlines, "totals": totals}
    text = text_of(sheet(publish(tmp_path / "change.gpkg", layers), tmp_path / "map.pdf"))

    whole = ["All", "3.50", "3.08", figure(-0.42, 2, sign=True), span(-0.55, -0.29, 2, sign=True)]
    for words in (
        " ".join(whole), "Glacier change, 2000 to 2020", "Data: 2000-08-20 to 2020-09-01", "Loss of area",
        "Gain of area", "No change can be told", "Outline of 2000-08-20", "1 Ulmer Ice 2.00 1.50",
    ):  # fmt: skip
        assert words in text, words
    assert "not the difference of the two areas" not in text  # here it is


GRID = Grid("EPSG:32642", Affine(100, 0, 550_000, 0, -100, 5_030_000), (60, 80))


def publish_map(path, values, **more):
    record = Record(
        title="t",
        lineage="",
        footprint=GRID.footprint(),
        crs=GRID.crs,
        inputs={},
        parameters={},
        method={},
        **more,
    )
    with publishing(path, record) as work:
        rasters.write(GRID.raster(np.asarray(values, np.uint8)), work / path.name, nodata=255)
    return path


def test_irrigated_land_stands_with_its_sensitivity_and_what_was_not_observed(tmp_path):
    values = np.full(GRID.shape, 255)
    values[5:50, 5:70] = np.random.default_rng(1).choice([0, 1, 2, 3], (45, 65))
    period = (pd.Timestamp("2024-03-01", tz="UTC"), pd.Timestamp("2024-10-09", tz="UTC"))
    place = publish_map(tmp_path / "irrigation_2024.tif", values, period=period)
    table = pd.DataFrame(
        {"year": 2024, "zone": ["Lower", "Upper", "Sormea", "all"], "level": ["zone", "zone", "country", "all"],
         "map_area_ha": [1234.56, 20.4, 1254.96, 1254.96], "low_ha": [1100.2, 10.0, 1110.2, 1110.2],
         "high_ha": [1300.0, 30.4, 1330.6, 1330.6], "unobserved_pct": [0.0, 12.34, 3.2, 3.2]}
    )  # fmt: skip
    tables.write(table, tmp_path / "zones.csv")

    text = text_of(sheet(place, tmp_path / "map.pdf", "--dem", SAMPLE / "dem.tif"))
    same = text_of(sheet(tmp_path, tmp_path / "folder.pdf"))

    for words in ("Irrigated land, 2024", "Data: 2024-03-01 to 2024-10-09", "All 1 255 1 110 … 1 331 3.2",
                  "Sormea 1 255", "Lower 1 235 1 100 … 1 300 0.0", "Upper 20 10 … 30 12.3", "Uncertain"):  # fmt: skip
        assert words in text, words
        assert words in same, words


def test_change_of_irrigated_land_stands_with_its_possible_range(tmp_path):
    values = np.full(GRID.shape, 255)
    values[5:50, 5:70] = np.random.default_rng(1).choice([0, 1, 2, 3, 4, 5], (45, 65))
    place = publish_map(tmp_path / "change.tif", values)
    rows = {
        "first_year": 2015, "last_year": 2024, "first_ha": [100.4], "last_ha": [80.2], "change_ha": [-20.2],
        "change_low_ha": [-40.6], "change_high_ha": [5.4],
    }  # fmt: skip
    zones_layer = gpd.GeoDataFrame({"zone": ["Lower"], **rows}, geometry=[GRID.footprint()], crs=GRID.crs)
    groups = pd.DataFrame({"level": ["all"], "zone": ["all"], **rows})
    features.write({"zones": zones_layer, "groups": groups}, tmp_path / "change.gpkg")
    text = text_of(sheet(place, tmp_path / "map.pdf"))

    cells = ["100", "80", figure(-20.2, sign=True), span(-40.6, 5.4, sign=True)]
    for words in (
        f"All {' '.join(cells)}",
        f"Lower {' '.join(cells)}",
        "2015 to 2024",
        "Gained",
        "Intermittent",
    ):
        assert words in text, words


# --- real boundaries -------------------------------------------------------------------------------------


@pytest.mark.real
def test_real_boundaries_are_not_verified_and_a_cosmodrome_is_no_country(real_data, tmp_path):
    folder = real_data / "borders"
    countries = gpd.read_file(folder / "ne10m_countries_central_asia.gpkg")
    basins = gpd.read_file(folder / "himat_basins_central_asia.gpkg").to_crs(4326)
    basins = gpd.GeoDataFrame(
        {"outlet_id": range(1, len(basins) + 1), "name": basins["basin_name"], "area_km2": basins["area_km2"],
         "touches_edge": False},
        geometry=basins.geometry,
    )  # fmt: skip
    shares = zones.shares(basins, countries, "name", zone_field="outlet_id").rename(
        columns={"zone": "outlet_id"}
    )
    empty = gpd.GeoDataFrame({"strahler": pd.Series([], dtype=int)}, geometry=[], crs=4326)
    outlets = gpd.GeoDataFrame({"outlet_id": basins["outlet_id"]}, geometry=basins.representative_point())
    place = publish(
        tmp_path / "basins.gpkg",
        {"basins": basins, "streams": empty, "outlets": outlets, "crossings": empty, "border_reaches": empty,
         "shares": shares},
        {"streams": "LineString", "crossings": "Point", "border_reaches": "LineString"},
    )  # fmt: skip
    given = (
        "--borders", folder / "ne10m_boundary_lines_central_asia.gpkg", "--status-field", "featurecla",
        "--source", "HiMAT basins (MIT)", "--body", "the Example Commission",
    )  # fmt: skip
    text = text_of(
        sheet(place, tmp_path / "map.pdf", "--language", "en", "--page", "A3", "--countries",
              folder / "ne10m_countries_central_asia.gpkg", "--country-field", "name", given=given)
    )  # fmt: skip

    assert "Boundary: not verified" in text
    assert "Boundary: agreed" not in text
    assert "Lease limit" in text
    assert "KAZAKHSTAN" in text
    assert "BAIKONUR" not in text
    assert shares.groupby("outlet_id")["share_pct"].sum().to_numpy() == pytest.approx(100, abs=1e-6)
