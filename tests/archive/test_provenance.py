"""The item beside a product says enough to repeat it, and any STAC tool reads it."""

import datetime as dt
import hashlib
import json
import re
from pathlib import Path

import geopandas as gpd
import jsonschema
import numpy as np
import pystac
import pystac.validation
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from shapely import get_coordinates, segmentize
from shapely.geometry import Point, box, shape

import bluepeace_gis
from bluepeace_gis.archive import features, provenance
from bluepeace_gis.archive.products import product
from bluepeace_gis.errors import BadInput

UTM = CRS("EPSG:32642")
VALLEY = box(540_000, 4_420_000, 567_000, 4_453_000)


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "dem.tif").write_bytes(b"elevations")
    (folder / "dem.tif.aux.xml").write_bytes(b"statistics")
    outlets = gpd.GeoDataFrame({"name": ["a"]}, geometry=[Point(1, 2)], crs=UTM)
    outlets.to_file(folder / "outlets.shp")
    features.write({"countries": outlets}, folder / "countries.gpkg")
    return {
        "dem": folder / "dem.tif",
        "outlets": folder / "outlets.shp",
        "countries": f"{folder / 'countries.gpkg'}|layername=countries",
    }


def described(tmp_path, inputs, **changes):
    """Make a product as a workflow does, and read its item back."""
    out = tmp_path / "results" / "basins.gpkg"
    options = {
        "title": "Basins",
        "lineage": "Basins of 1 outlet delineated on an elevation model.",
        "footprint": VALLEY,
        "crs": UTM,
        "inputs": inputs,
        "parameters": {"depressions": "breach", "snap_m": np.float32(500), "terminal": None, "out": out},
        "method": {"flow": {"value": "D8", "source": "O'Callaghan and Mark (1984)"}},
        **changes,
    }
    with product(out) as work:
        (work / "basins.gpkg").write_bytes(b"basins")
        (work / "basins.png").write_bytes(b"picture")
        (work / "basins.qml").write_bytes(b"style")
        item = provenance.describe(out, work=work, **options)
        provenance.write(item, work / "basins.json")
    return json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_item_is_valid_stac(tmp_path, inputs):
    text = described(tmp_path, inputs)
    assert text["stac_version"] == "1.1.0"
    # the core schemas come with pystac; those of the extensions lie in the network and are checked below
    core = {**text, "stac_extensions": []}
    validator = pystac.validation.stac_validator.JsonSchemaSTACValidator()
    validator.validate_core(core, pystac.STACObjectType.ITEM, text["stac_version"])
    with pytest.raises(pystac.errors.STACValidationError):  # the validator does look
        validator.validate_core({**core, "geometry": "nowhere"}, pystac.STACObjectType.ITEM, "1.1.0")
    assert pystac.Item.from_dict(text).id == "basins"


@pytest.mark.parametrize(
    ("footprint", "crs"),
    [
        (box(175, 62, 185, 66), "EPSG:4326"),
        (box(175, 62, 185, 66), "EPSG:4284"),
        (box(535_000, 7_000_000, 800_000, 7_300_000), "EPSG:32660"),
    ],
)
def test_a_footprint_across_the_180th_meridian_is_cut_there(tmp_path, inputs, footprint, crs):
    outline = shape(described(tmp_path, inputs, footprint=footprint, crs=CRS(crs))["geometry"])

    left, _, right, _ = outline.bounds
    assert (left, right) == (-180, 180)
    west, east = sorted(outline.geoms, key=lambda part: part.bounds[0])
    assert west.bounds[2] < -170  # and nothing goes round the Earth
    assert east.bounds[0] > 170


def test_the_fields_of_the_extensions_have_their_form(tmp_path, inputs):
    """As the schemas of file 2.1.0, processing 1.2.0 and projection 2.0.0 ask for."""
    text = described(tmp_path, inputs, shape=(1100, 900), transform=Affine(30, 0, 540_000, 0, -30, 4_453_000))
    file_fields = {
        "type": "object",
        "required": ["file:checksum", "file:size"],
        "properties": {
            "file:checksum": {"type": "string", "pattern": "^1220[a-f0-9]{64}$"},
            "file:size": {"type": "integer", "minimum": 0},
        },
    }
    expected = {
        "type": "object",
        "properties": {
            "assets": {"type": "object", "additionalProperties": file_fields},
            "links": {"type": "array", "items": file_fields, "minItems": 1},
            "properties": {
                "type": "object",
                "required": ["processing:lineage", "processing:software", "processing:datetime", "proj:code"],
                "properties": {
                    "processing:lineage": {"type": "string"},
                    "processing:datetime": {"type": "string", "pattern": "^[0-9T:-]{19}Z$"},
                    "processing:software": {"type": "object", "additionalProperties": {"type": "string"}},
                    "proj:code": {"const": "EPSG:32642"},
                    "proj:shape": {
                        "type": "array",
                        "minItems": 2,
                        "maxItems": 2,
                        "items": {"type": "integer"},
                    },
                    "proj:transform": {
                        "type": "array",
                        "minItems": 9,
                        "maxItems": 9,
                        "items": {"type": "number"},
                    },
                },
                "patternProperties": {"^(datetime|created|title|(processing|proj|bluepeace):.+)$": {}},
                "additionalProperties": False,
            },
        },
    }
    jsonschema.validate(text, expected)
    assert text["properties"]["proj:shape"] == [1100, 900]
    assert text["properties"]["proj:transform"] == [30, 0, 540_000, 0, -30, 4_453_000, 0, 0, 1]
    assert text["properties"]["processing:software"]["bluepeace-gis"] == bluepeace_gis.__version__
    assert {"numpy", "gdal", "proj", "geos"} <= set(text["properties"]["processing:software"])


def test_every_file_that_was_read_is_named_with_its_checksum_and_no_path_of_this_machine(tmp_path, inputs):
    text = described(tmp_path, inputs)

    links = {link["title"]: link for link in text["links"] if link["rel"] == "derived_from"}
    # a shapefile is several files, and the side file of a raster says what is in it
    assert set(links) == {
        *("dem.tif", "dem.tif.aux.xml", "countries.gpkg"),
        *(f"outlets.{part}" for part in ("shp", "dbf", "shx", "prj", "cpg")),
    }
    dem = links["dem.tif"]
    assert dem["href"] == "../given/dem.tif"
    assert dem["bluepeace:option"] == "dem"
    assert dem["file:size"] == len(b"elevations")
    assert dem["file:checksum"] == "1220" + hashlib.sha256(b"elevations").hexdigest()
    assert str(tmp_path) not in json.dumps(text)
    assert not re.search(r'"(/|file:/)', json.dumps(text))


def test_an_input_with_nothing_in_common_is_named_by_its_name():
    """A way over the root would be an absolute path again."""
    assert provenance._relative(Path("/archive/dem/dem.tif"), Path("/results")) == "dem.tif"
    assert provenance._relative(Path("/archive/dem/dem.tif"), Path("/archive/results")) == "../dem/dem.tif"


def test_every_file_of_the_product_is_an_asset_with_its_checksum(tmp_path, inputs):
    assets = described(tmp_path, inputs)["assets"]
    assert {name: (asset["href"], asset["roles"]) for name, asset in assets.items()} == {
        "main": ("./basins.gpkg", ["data"]),
        "basins.png": ("./basins.png", ["overview"]),
        "basins.qml": ("./basins.qml", ["metadata"]),
    }
    assert assets["main"]["type"] == "application/geopackage+sqlite3"
    published = tmp_path / "results" / "basins.gpkg"
    assert assets["main"]["file:checksum"] == provenance.checksum(published)


def test_parameters_and_method_are_kept_as_they_were_asked_for(tmp_path, inputs):
    properties = described(tmp_path, inputs)["properties"]
    assert properties["bluepeace:parameters"] == {
        "depressions": "breach",
        "snap_m": 500.0,
        "terminal": None,
        "out": "basins.gpkg",
    }
    assert properties["bluepeace:method"] == {
        "flow": {"value": "D8", "source": "O'Callaghan and Mark (1984)"}
    }


def test_the_outline_is_in_degrees_and_follows_its_bent_edges(tmp_path, inputs):
    wide = box(200_000, 5_000_000, 800_000, 5_400_000)
    text = described(tmp_path, inputs, footprint=wide)

    transformer = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    longitude, latitude = transformer.transform(*get_coordinates(segmentize(wide, 200)).T)
    highest_corner = transformer.transform(*get_coordinates(wide).T)[1].max()
    expected = [longitude.min(), latitude.min(), longitude.max(), latitude.max()]

    assert text["bbox"] == pytest.approx(expected, abs=1e-3)
    assert expected[3] - highest_corner > 0.05  # what four corners alone would miss
    outline = shape(text["geometry"])
    assert outline.is_valid
    assert outline.bounds == pytest.approx(text["bbox"], abs=1e-7)


def test_a_crs_without_a_code_is_written_out(tmp_path, inputs):
    albers = CRS.from_proj4("+proj=aea +lat_1=37 +lat_2=47 +lat_0=42 +lon_0=67 +datum=WGS84")
    properties = described(tmp_path, inputs, crs=albers, footprint=box(0, 0, 1000, 1000))["properties"]
    assert properties["proj:code"] is None
    assert CRS(properties["proj:wkt2"]) == albers


def test_the_moment_of_production_can_be_given(tmp_path, inputs, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = described(tmp_path, inputs)
    assert first["properties"]["datetime"] == "2023-11-14T22:13:20Z"
    assert described(tmp_path, inputs) == first
    seen = dt.datetime(2023, 7, 15, 12, tzinfo=dt.timezone(dt.timedelta(hours=6)))
    of_data = described(tmp_path, inputs, time=seen)["properties"]
    assert of_data["datetime"] == "2023-07-15T06:00:00Z"
    assert of_data["processing:datetime"] == "2023-11-14T22:13:20Z"


def test_without_it_the_moment_is_now(tmp_path, inputs, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    written = described(tmp_path, inputs)["properties"]["processing:datetime"]
    age = dt.datetime.now(tz=dt.UTC) - dt.datetime.fromisoformat(written)
    assert dt.timedelta(0) <= age < dt.timedelta(minutes=5)


def test_a_filtered_layer_is_no_input(tmp_path, inputs):
    with pytest.raises(BadInput, match="subset"):
        described(tmp_path, {"zones": f"{inputs['dem']}|subset=a>1"})
