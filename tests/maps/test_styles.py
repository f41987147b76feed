"""Colours stay apart for every reader, and QGIS 3.22 shows what the table says."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from colour_sight import READERS, lightness_and_colour

from bluepeace_gis.maps import styles

SETS = {
    "basins": styles.BASIN_TINTS,
    "countries": styles.COUNTRY_TINTS,
    "sensors": styles.SENSOR_COLOURS,
    **{
        name: [each.colour for each in style.classes]
        for name, style in styles.LAYERS.items()
        if style.classes and style.geometry == "raster"
    },
}


def test_the_measure_of_colour_is_right():
    # Sharma, Wu and Dalal's D65: white 100, black 0, sRGB red 53.24, 80.09, 67.20
    assert lightness_and_colour("#ffffff") == pytest.approx([100, 0, 0], abs=0.02)
    assert lightness_and_colour("#ff0000") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    red, green = (lightness_and_colour(colour, "deuteranopia") for colour in ("#b05a3c", "#6e7a3c"))
    assert (
        np.abs(red - green)[1]
        < 10
        < np.abs(lightness_and_colour("#b05a3c") - lightness_and_colour("#6e7a3c"))[1]
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", SETS)
def test_every_reader_tells_the_tints_of_one_map_apart(name, reader):
    """Okabe-Ito at 45 % opacity falls to a difference of 6; 10 is told apart at a glance."""
    for one, other in combinations(SETS[name], 2):
        difference = np.linalg.norm(lightness_and_colour(one, reader) - lightness_and_colour(other, reader))
        assert difference > 10, (one, other)


@pytest.mark.parametrize("name", SETS)
def test_a_grey_photocopy_keeps_them_in_order(name):
    lightness = sorted(lightness_and_colour(colour)[0] for colour in SETS[name])
    assert np.diff(lightness).min() > 5, np.round(lightness, 1)


@pytest.mark.parametrize("name", [name for name, style in styles.LAYERS.items() if style.ramp])
def test_more_of_an_index_is_darker_in_grey_too(name):
    values, colours = zip(*styles.LAYERS[name].ramp, strict=True)
    lightness = [
        lightness_and_colour(colour)[0] for value, colour in zip(values, colours, strict=True) if value >= 0
    ]
    assert list(values) == sorted(values)
    assert np.diff(lightness).max() < -5, np.round(lightness, 1)


def test_text_and_outlines_are_dark_on_every_tint():
    for tint in styles.BASIN_TINTS:
        assert lightness_and_colour(tint)[0] - lightness_and_colour(styles.INK)[0] > 45


def test_every_layer_of_the_basins_has_its_row():
    drawn = {
        "basins",
        "subbasins",
        "streams",
        "depressions",
        "crossings",
        "border_reaches",
        "outlets",
        "countries",
    }
    assert drawn <= set(styles.LAYERS)
    assert "scenes" in styles.LAYERS
    assert {"glaciers", "outlines_min", "outlines_max", "debris", "unseen"} <= set(styles.LAYERS)


@pytest.mark.parametrize("name", styles.LAYERS)
def test_a_style_file_is_written_alike_each_time_and_says_the_colours(name, tmp_path):
    style = styles.LAYERS[name]
    one = styles.write_qml(name, tmp_path / "one.qml").read_bytes()
    assert one == styles.write_qml(name, tmp_path / "two.qml").read_bytes()
    text = one.decode()
    ET.fromstring(text.split("\n", 1)[1])  # noqa: S314  # written by ourselves two lines above
    for each in style.classes:
        assert f'"{each.title}"' in text
        assert each.colour in text or styles._rgba(each.colour) in text


def test_tints_begin_again_after_the_last():
    assert styles.tint(0) == styles.tint(len(styles.BASIN_TINTS)) == styles.BASIN_TINTS[0]
    assert styles.tint(1, ("#000000", "#ffffff")) == "#ffffff"


IN_QGIS = r"""
import json, sys
from qgis.core import (QgsApplication, QgsExpression, QgsFeature, QgsRasterLayer, QgsRenderContext,
                       QgsVectorLayer)
from qgis.PyQt.QtXml import QDomDocument
app = QgsApplication([], False)
app.initQgis()
found = {}
for name, geometry in json.loads(sys.argv[2]).items():
    path = f"{sys.argv[1]}/{name}.qml"
    if geometry == "raster":
        layer = QgsRasterLayer(f"{sys.argv[1]}/classes.tif", name)
    else:
        layer = QgsVectorLayer(f"{geometry}?crs=EPSG:32642&field=strahler:integer&field=name:string"
            "&field=area_km2:double&field=outlet_id:integer&field=upstream_km2:double"
            "&field=from_country:string&field=to_country:string&field=verdict:string", name, "memory")
    document = QDomDocument()
    document.setContent(open(path, encoding="utf-8").read())
    imported, complaint = layer.importNamedStyle(document)
    said, loaded = layer.loadNamedStyle(path)
    one = {"imported": imported, "loaded": loaded, "complaint": complaint}
    one["renderer"] = layer.renderer().type()
    if geometry == "raster" and one["renderer"] == "singlebandpseudocolor":
        items = layer.renderer().shader().rasterShaderFunction().colorRampItemList()
        one["ramp"] = [[item.value, item.color.name()] for item in items]
        one["band"] = layer.renderer().band()
    elif geometry == "raster" and one["renderer"] == "multibandcolor":
        drawn = layer.renderer()
        one["bands"] = [drawn.redBand(), drawn.greenBand(), drawn.blueBand()]
        contrast = drawn.redContrastEnhancement()
        one["stretch"] = [contrast.minimumValue(), contrast.maximumValue()]
    elif geometry == "raster":
        one["classes"] = [[c.value, c.label, c.color.name()] for c in layer.renderer().classes()]
        one["band"] = layer.renderer().band()
    else:
        renderer = layer.renderer()
        if renderer.type() == "categorizedSymbol":
            categories = renderer.categories()  # kept: they own their symbols
            symbols = [c.symbol() for c in categories]
            one["classes"] = []
            context = QgsRenderContext()
            renderer.startRender(context, layer.fields())
            for category in categories:  # what a feature with this value is drawn with
                feature = QgsFeature(layer.fields())
                value = str(category.value())
                value = int(value) if value.isdigit() else value
                feature.setAttribute(renderer.classAttribute(), value)
                drawn = renderer.symbolForFeature(feature, context)
                look = [drawn.color().name(), drawn.width() if hasattr(drawn, "width") else None]
                one["classes"].append([value, category.label(), *look])
            renderer.stopRender(context)
        else:
            symbols = [renderer.symbol()]
        part = symbols[0].symbolLayer(0)
        one["properties"] = part.properties()
        one["label"] = ""
        if layer.labelsEnabled():
            settings = layer.labeling().settings()
            expression = QgsExpression(settings.fieldName)
            one["label"] = settings.fieldName
            one["expression is right"] = settings.isExpression and not expression.hasParserError()
            text = settings.format()  # kept: it owns its buffer
            one["halo"] = text.buffer().enabled()
    found[name] = one
print(json.dumps(found))
"""


def check_raster(seen, style):
    if style.ramp:
        assert (seen["renderer"], seen["band"]) == ("singlebandpseudocolor", style.band)
        assert seen["ramp"] == [[value, colour] for value, colour in style.ramp]
    elif style.composite:
        assert seen["renderer"] == "multibandcolor"
        assert seen["bands"] == list(style.composite)
        assert seen["stretch"] == list(style.stretch)
    else:
        assert (seen["renderer"], seen["band"]) == ("paletted", style.band)
        assert seen["classes"] == [[each.value, each.title, each.colour] for each in style.classes]


@pytest.mark.qgis
def test_qgis_shows_every_layer_as_the_table_says(tmp_path):
    python = shutil.which("python3", path="/usr/bin") or "python3"
    if subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        pytest.skip("no PyQGIS on this machine")
    kinds = {"polygon": "MultiPolygon", "line": "MultiLineString", "point": "Point", "raster": "raster"}
    for name in styles.LAYERS:
        styles.write_qml(name, tmp_path / f"{name}.qml")
    import rasterio

    with rasterio.open(
        tmp_path / "classes.tif", "w", driver="GTiff", count=6, height=2, width=3, dtype="uint8",
        crs=rasterio.crs.CRS.from_epsg(32642), transform=rasterio.Affine(30, 0, 5e5, 0, -30, 44e5),
    ) as sink:  # fmt: skip
        sink.write(np.arange(36, dtype=np.uint8).reshape(6, 2, 3))

    said = subprocess.run(
        [
            python,
            "-c",
            IN_QGIS,
            str(tmp_path),
            json.dumps({k: kinds[v.geometry] for k, v in styles.LAYERS.items()}),
        ],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)},
        check=True,
    )

    found = json.loads(said.stdout)
    for name, style in styles.LAYERS.items():
        seen = found[name]
        assert (seen["imported"], seen["loaded"], seen["complaint"]) == (True, True, ""), name
        if style.geometry == "raster":
            check_raster(seen, style)
            continue
        assert seen["renderer"] == ("categorizedSymbol" if style.classes else "singleSymbol")
        assert seen["label"] == style.label
        if style.label:
            assert seen["expression is right"]
            assert seen["halo"]
        if style.classes:
            line = style.geometry == "line"  # areas have the width of their outline, all the same
            assert seen["classes"] == [
                [each.value, each.title, each.colour, pytest.approx(each.width_mm) if line else None]
                for each in style.classes
            ]
        properties = seen["properties"]
        if style.geometry == "polygon":
            assert properties["style"] == ("solid" if style.fill or style.classes else "no")
            assert properties["outline_color"] == styles._rgba(style.outline)
            assert properties["outline_style"] == style.dash
        if style.fill and not style.classes:
            key = "line_color" if style.geometry == "line" else "color"
            assert properties[key] == styles._rgba(style.fill)
    assert not re.search(r"QDom|error", said.stderr, re.IGNORECASE)
