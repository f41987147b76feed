"""Prepared NDVI: dates and units are found where they stand, or asked for in a sentence."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from landsat_files import write_tiff

from bluepeace_gis.archive import ndvi_stacks
from bluepeace_gis.archive.ndvi_stacks import date_in, in_steps, open_stacks, read_table
from bluepeace_gis.errors import BadInput

NODATA = -32768
SHAPE = (6, 8)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-04-07", (2024, 4, 7)),
        ("NDVI 2024_4_7 smoothed", (2024, 4, 7)),
        ("ndvi.20240407.tif", (2024, 4, 7)),
        ("MOD13Q1.A2024097.h23v04.061.2024114.ndvi", (2024, 4, 6)),
        ("doy2023_365", (2023, 12, 31)),
        ("X98", (2024, 4, 7)),
        ("ndvi_X1", (2024, 1, 1)),
        ("NDVI 366", (2024, 12, 31)),
        ("20241307", None),
        ("2024-02-30", None),
        ("X367", None),
        ("field_12", None),
        ("", None),
        ("ndvi", None),
    ],
)
def test_dates_are_found_in_names(text, date):
    assert date_in(text, 2024) == (None if date is None else dt.date(*date))


def test_a_day_alone_has_no_year():
    assert date_in("X98", None) is None
    assert date_in("X366", 2023) is None


def ndvi(dates=3):
    return np.random.default_rng(1).uniform(-0.2, 0.9, (dates, *SHAPE))


NAMES = ["2024-04-07", "2024-05-07", "2023-12-31"]


@pytest.mark.parametrize(
    ("values", "more"),
    [
        (ndvi(), {"dtype": "float32", "nodata": np.nan}),
        (np.round(ndvi() * 10_000), {"dtype": "int16", "nodata": -3000}),
        (np.round(ndvi() * 10_000), {"dtype": "int16"}),
        (np.round((ndvi() + 0.3) * 200), {"dtype": "uint8", "scales": [0.005] * 3, "offsets": [-0.3] * 3}),
        (np.round(ndvi() * 10_000), {"dtype": "int16", "scales": [0.0001] * 3}),
        (np.round(ndvi() * 10_000), {"dtype": "int16", "scales": [10_000.0] * 3}),
    ],
    ids=["float", "tagged nodata", "bare numbers", "8 bits by tags", "scale", "scale as in HDF"],
)
def test_units_are_those_of_the_tags_or_the_only_possible(tmp_path, values, more):
    kind = more.pop("dtype")
    file = write_tiff(tmp_path / "ndvi.tif", values.astype(kind), descriptions=NAMES, **more)

    found = open_stacks([file], 2024)

    assert [one.date for one in found] == [dt.date(2024, 4, 7), dt.date(2024, 5, 7)]
    for position, one in enumerate(found):
        read = one.read((1, 5, 2, 8))
        tolerance = 30 if kind == "uint8" else 1
        np.testing.assert_allclose(read, ndvi()[position, 1:5, 2:8] * 10_000, atol=tolerance)


def test_what_is_no_ndvi_was_not_observed():
    numbers = np.array([-3000, 32767, -32768, 12_000, 5000, -10_000], np.int16)
    assert in_steps(numbers, 1e-4, 0, None).tolist() == [NODATA, NODATA, NODATA, NODATA, 5000, -10_000]
    assert in_steps(numbers, 1e-4, 0, 5000).tolist()[4] == NODATA
    assert in_steps(numbers.astype(np.float32), 1e-4, 0, None).tolist()[0] == NODATA
    assert in_steps(np.array([-9999], np.int16), 1e-4, 0, None).tolist() == [NODATA]  # not an NDVI of -1
    floats = np.array([np.nan, np.inf, -1e38, 0.31234, 1.2], np.float32)
    assert in_steps(floats, 1.0, 0, None).tolist() == [NODATA, NODATA, NODATA, 3123, NODATA]


def test_a_list_beside_the_file_or_the_name_of_the_file_tells_dates(tmp_path):
    values = np.round(ndvi() * 10_000).astype(np.int16)
    file = write_tiff(tmp_path / "stack.tif", values)
    (tmp_path / "stack.dates.csv").write_text("date\n2024-03-01\n2024-03-11\n2024-03-21\n", encoding="utf-8")
    assert [one.date.day for one in open_stacks([file], 2024)] == [1, 11, 21]

    folder = tmp_path / "many"
    folder.mkdir()
    for day, layer in zip((11, 1, 21), values, strict=True):
        write_tiff(folder / f"ndvi_202403{day:02}.tif", layer)
    assert [one.date.day for one in open_stacks([folder], 2024)] == [1, 11, 21]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda at: write_tiff(at / "a.tif", ndvi().astype("f4")), r"band 1, has no date.*a\.dates\.csv"),
        (
            lambda at: write_tiff(at / "a.tif", np.full((1, *SHAPE), 250, "u1"), descriptions=["2024-01-01"]),
            "holds numbers from 250 to 250; NDVI from -1 to 1",
        ),
        (
            lambda at: write_tiff(at / "a.tif", ndvi(1).astype("f4") * 1e-4, descriptions=["2024-01-01"]),
            "NDVI from -1 to 1",
        ),
        (
            lambda at: write_tiff(at / "a.tif", ndvi(1).astype("f4"), descriptions=["2022-01-01"]),
            "has a date in 2024; they have 2022",
        ),
        (lambda at: (at / "a.txt").write_text("x"), "No raster of NDVI was found"),
        (lambda at: (at / "a.tif").write_text("no raster"), "cannot be read"),
    ],
    ids=["no dates", "another unit", "too small", "another year", "no raster", "damaged"],
)
def test_what_is_no_stack_is_told_in_a_sentence(tmp_path, make, sentence):
    make(tmp_path)
    with pytest.raises(BadInput, match=f"(?s){sentence}"):
        open_stacks([tmp_path], 2024)


def test_a_list_of_too_few_dates_is_refused(tmp_path):
    file = write_tiff(tmp_path / "a.tif", ndvi().astype("f4"))
    (tmp_path / "a.dates.csv").write_text("2024-03-01\n2024-03-11\n", encoding="utf-8")
    with pytest.raises(BadInput, match="has 2 dates for 3 bands"):
        open_stacks([file], 2024)


def test_tables_give_dates_by_day_or_date_and_keep_other_columns(tmp_path):
    table = pd.DataFrame(
        {"field_12": [7, 8], "area": [1.5, 2.5], "ndvi_X100": [0.2, 0.3], "ndvi_2024-07-01": [0.6, np.nan],
         "20240801": [0.5, 0.4], "ndvi_2023-07-01": [0.1, 0.1]}
    )  # fmt: skip
    table.to_csv(tmp_path / "fields.csv", index=False)

    found = read_table(tmp_path / "fields.csv", 2024)

    assert list(found.rows.columns) == ["field_12", "area"]
    assert found.days.tolist() == [100, 183, 214]
    assert found.ndvi.tolist() == [[2000, 3000], [6000, NODATA], [5000, 4000]]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"area": [1], "name": ["a"]}, "no column of NDVI with a date in 2024"),
        ({"year": [2019], "ndvi_X1": [0.1]}, "no field of 2024; its years are 2019"),
        ({"ndvi_X1": ["green"]}, "'green' in ndvi_X1"),
        ({"ndvi_X1": [3e6], "ndvi_X9": [2e6]}, "NDVI from -1 to 1"),
        ({"ndvi_X1": [128], "ndvi_X9": [165]}, "NDVI from -1 to 1"),
        ({"ndvi_X1": []}, "no row"),
    ],
    ids=["no columns", "another year", "words", "another unit", "a byte", "only a header"],
)
def test_what_is_no_table_of_ndvi_is_told_in_a_sentence(tmp_path, columns, sentence):
    pd.DataFrame(columns).to_csv(tmp_path / "fields.csv", index=False)
    with pytest.raises(BadInput, match=sentence):
        read_table(tmp_path / "fields.csv", 2024)


@pytest.mark.parametrize("unit", [1.0, 10_000.0])
@pytest.mark.parametrize("fill", [-9999, -3000])
def test_a_fill_value_in_a_table_is_no_ndvi_and_moves_no_unit(tmp_path, unit, fill):
    table = pd.DataFrame({"ndvi_X100": [0.2 * unit, fill], "ndvi_X200": [fill, 0.6 * unit]})
    table.to_csv(tmp_path / "fields.csv", index=False)
    assert read_table(tmp_path / "fields.csv", 2024).ndvi.tolist() == [[2000, NODATA], [NODATA, 6000]]


def test_a_packed_table_is_to_be_unpacked(tmp_path):
    file = tmp_path / "fields.csv.gz"
    pd.DataFrame({"ndvi_X100": [0.2]}).to_csv(file, index=False)
    assert ndvi_stacks.is_table(file)
    with pytest.raises(BadInput, match=r"gunzip --keep fields\.csv\.gz"):
        read_table(file, 2024)


def test_tables_are_told_from_rasters():
    from pathlib import Path

    assert ndvi_stacks.is_table(Path("fields.csv"))
    assert ndvi_stacks.is_table(Path("fields.gpkg|layername=a"))
    assert not ndvi_stacks.is_table(Path("ndvi.tif"))
