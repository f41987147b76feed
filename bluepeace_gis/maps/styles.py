"""One table of colours: QGIS, pictures and printed sheets show a layer alike.

A new product adds its rows to :data:`LAYERS` (and, for a raster, its classes); nothing else. Colours
are solid tints of different lightness with dark outlines, so that they stay apart for a reader who
confuses red and green and in a grey photocopy; opposites lie on the axis from brown to blue-green.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Geometry = Literal["polygon", "line", "point", "raster"]

INK: Final = "#1f1f1f"
PAPER: Final = "#ffffff"
WATER: Final = "#1f5fa8"

# Neighbouring basins and countries: warm and cool tints in turn, each darker than the one before it.
BASIN_TINTS: Final = ("#f8f1d8", "#cde3f2", "#eecb93", "#a6c5df", "#d2a266", "#7396bb")
# Of other hues than the basins, or a basin would seem to belong to a country.
COUNTRY_TINTS: Final = ("#e8f4de", "#dcc8e6", "#8cc083", "#aa82c4", "#4b8f4e", "#6a3f90", "#1c4f28")
# Lines and dots of sensors on paper: darker than tints, and apart from each other for every reader.
SENSOR_COLOURS: Final = (
    "#1446a8", "#c9571b", "#1a9d92", "#e0aa22", "#6b2340", "#62a6df", "#26260b", "#7f6347",
)  # fmt: skip

# Indices: below zero stands apart, then ever darker, so that the order is seen in grey too.
PLANTS_RAMP: Final = (
    (-0.2, "#dfe7ec"), (0.0, "#faf3df"), (0.2, "#e3d48c"),
    (0.4, "#a3c063"), (0.6, "#4b9150"), (0.9, "#0b4a2f"),
)  # fmt: skip
WATER_RAMP: Final = (
    (-0.6, "#faf3df"), (-0.2, "#e6dcc0"), (0.0, "#cde3f2"), (0.4, "#5f97c6"), (0.8, "#123f7a"),
)  # fmt: skip
# Years: the more of them, the darker.
FREQUENCY_RAMP: Final = (
    (0.0, "#faf6ea"), (25.0, "#e3d48c"), (50.0, "#8dbf9b"), (75.0, "#3c8f86"), (100.0, "#00332c"),
)  # fmt: skip


@dataclass(frozen=True)
class Class:
    """One value of a field or a raster, with the look that tells it from the others."""

    value: int | str
    title: str
    colour: str
    width_mm: float | None = None


@dataclass(frozen=True)
class Style:
    """How a layer looks.

    title     what the legend calls it
    fill      colour of areas, points and lines; None leaves an area open
    outline   colour of an area's or a point's edge
    width_mm  of the line or outline on paper
    dash      of the line: "solid", "dash", "dot", "dash dot"
    size_mm   of a point, and marker its form
    label     QGIS expression of the text beside each feature
    field     column whose values choose one of ``classes``
    band      of a raster, whose values do
    ramp      (value, colour) of a raster whose numbers are drawn between them
    composite of a raster drawn as red, green and blue: the bands, each from and to ``stretch``
    """

    title: str
    geometry: Geometry
    fill: str | None = None
    outline: str = INK
    width_mm: float = 0.3
    dash: str = "solid"
    size_mm: float = 2.6
    marker: str = "circle"
    label: str = ""
    field: str = ""
    band: int = 1
    classes: tuple[Class, ...] = ()
    ramp: tuple[tuple[float, str], ...] = ()
    composite: tuple[int, int, int] | None = None
    stretch: tuple[float, float] = (0.0, 1.0)


def _with_km2(text: str, column: str, digits: int) -> str:
    """Write the QGIS expression for two lines: a text, and an area below it."""
    return f"{text} || '\\n' || format_number(\"{column}\", {digits}) || ' km²'"


_STRAHLER = tuple(
    Class(order, f"order {order}", WATER, round(0.1 + 0.17 * order, 2)) for order in range(1, 10)
)

LAYERS: Final[dict[str, Style]] = {
    # basins.gpkg
    "basins": Style(
        "Basins",
        "polygon",
        width_mm=0.6,
        label=_with_km2('coalesce("name", \'outlet \' || "outlet_id")', "area_km2", digits=1),
    ),
    "subbasins": Style("Subbasins", "polygon", outline="#6b6b6b", width_mm=0.2),
    "streams": Style("Streams by Strahler order", "line", fill=WATER, field="strahler", classes=_STRAHLER),
    "depressions": Style(
        "Depressions", "polygon", fill="#b7cbe6", outline="#27408b", width_mm=0.2, dash="dot"
    ),
    "crossings": Style(
        "Border crossings of rivers",
        "point",
        fill="#f5c518",
        marker="diamond",
        size_mm=3.2,
        label=_with_km2(
            '"crossing_id" || \': \' || "from_country" || \' → \' || "to_country"', "upstream_km2", digits=0
        ),
    ),
    "border_reaches": Style("Rivers along a border", "line", fill="#7a3b8f", width_mm=0.9, dash="dash"),
    "outlets": Style("Outlets", "point", fill=PAPER, label='"name"'),
    "countries": Style(
        "Borders", "polygon", outline="#4d4d4d", width_mm=0.5, dash="dash dot", label='"name"'
    ),
    # scenes.gpkg: scenes of one place lie over each other, so that areas stay open
    "scenes": Style("Footprints of scenes", "polygon", outline=SENSOR_COLOURS[0], width_mm=0.25),
    # points.gpkg of bluepeace sample-points: open in the middle, where the cell to be judged lies
    "sample_points": Style(
        "Sample points",
        "point",
        fill="#ffd400",
        outline="#ffd400",
        width_mm=0.6,
        marker="cross",
        size_mm=5.0,
        label='"point_id"',
    ),
    # glaciers.gpkg
    "glaciers": Style(
        "Glaciers",
        "polygon",
        fill="#d6ecf8",
        outline="#1c5a8a",
        width_mm=0.25,
        label=_with_km2("coalesce(\"glac_name\", '')", "area_km2", digits=2),
    ),
    "outlines_min": Style("Glaciers, least extent", "polygon", outline="#0b3c5d", width_mm=0.25, dash="dash"),
    "outlines_max": Style(
        "Glaciers, greatest extent", "polygon", outline="#5fa8d3", width_mm=0.25, dash="dot"
    ),
    "debris": Style("Ice under debris", "polygon", fill="#a58e73", outline="#5c4a36", width_mm=0.2),
    "unseen": Style(
        "Not seen (cloud, shadow, no data)", "polygon", fill="#bfbfbf", outline="#757575", width_mm=0.2
    ),
    "intersects": Style("Divides between glaciers", "line", fill="#8c1d40", width_mm=0.3, dash="dash"),
    # change.gpkg of glaciers: loss is brown and dark, what cannot be told stays open to the eye
    "glacier_change": Style(
        "Change of glaciers",
        "polygon",
        outline="#4d4d4d",
        width_mm=0.2,
        field="verdict",
        classes=(
            Class("loss", "loss", "#8c4a14"),
            Class("gain", "gain", "#35a0b4"),
            Class("not distinguishable", "not distinguishable", "#eee4c8"),
            Class("not compared", "not compared", "#bdbdbd"),
        ),
    ),
    "glaciers_before": Style("Glaciers before", "polygon", outline="#b5651d", width_mm=0.4),
    "glaciers_after": Style("Glaciers after", "polygon", outline="#0b3c5d", width_mm=0.4),
    # bluepeace season: one band, darker the more there is of it
    "ndvi": Style("NDVI", "raster", ramp=PLANTS_RAMP),
    "ndsi": Style("Snow index (NDSI)", "raster", ramp=WATER_RAMP),
    "ndwi": Style("Water index (NDWI)", "raster", ramp=WATER_RAMP),
    "mndwi": Style("Water index (MNDWI)", "raster", ramp=WATER_RAMP),
    # short-wave and near infrared and red of blue, green, red, nir, swir1, swir2: plants are green, bare
    # land is pink, water black, snow cyan
    "reflectance": Style("Reflectance, false colours", "raster", composite=(5, 4, 3), stretch=(0.0, 0.5)),
    # irrigation_YEAR.tif, change.tif
    "irrigation": Style(
        "Irrigated land",
        "raster",
        classes=(
            Class(0, "not observed", "#cfcfcf"),
            Class(1, "not irrigated", "#f7f1de"),
            Class(2, "uncertain", "#b58bb8"),
            Class(3, "irrigated", "#12665c"),
        ),
    ),
    "irrigation_season": Style(
        "Season of irrigation",
        "raster",
        band=2,
        classes=(
            Class(0, "none", "#f7f1de"),
            Class(1, "winter", "#a9d3e8"),
            Class(2, "summer", "#dba951"),
            Class(3, "double", "#2f6f9f"),
            Class(4, "permanent", "#4a2e0c"),
        ),
    ),
    "irrigation_change": Style(
        "Change of irrigated land",
        "raster",
        classes=(
            Class(0, "not observed", "#8f8f8f"),
            Class(1, "never irrigated", "#faf6ea"),
            Class(2, "kept", "#7cc4b6"),
            Class(3, "gained", "#00332c"),
            Class(4, "lost", "#a5611c"),
            Class(5, "intermittent", "#ecd9a4"),
        ),
    ),
    "irrigation_frequency": Style("Share of years irrigated, %", "raster", ramp=FREQUENCY_RAMP),
    # change.gpkg of irrigation-change: over change.tif, so that areas stay open
    "irrigation_change_zones": Style(
        "Zones",
        "polygon",
        width_mm=0.5,
        label="\"zone\" || '\\n' || format_number(\"change_ha\", 0) || ' ha'",
    ),
}


def write_qml(layer: str, path: Path | str) -> Path:
    """Write the style of a layer as QGIS 3.22 and newer load it.

    Parameters
    ----------
    layer : str
        A name in :data:`LAYERS`.
    path : path
        Ends with .qml; the name of the product beside it.

    Returns
    -------
    Path
        ``path``.
    """
    target = Path(path)
    target.write_text(qml(layer), encoding="utf-8", newline="\n")
    return target


def qml(layer: str) -> str:
    """Describe the style of a layer as QGIS 3.22 and newer read it.

    Parameters
    ----------
    layer : str
        A name in :data:`LAYERS`.

    Returns
    -------
    str
        The text of a .qml file.
    """
    style = LAYERS[layer]
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Labeling")
    if style.geometry == "raster":
        _raster(ET.SubElement(root, "pipe"), style)
    else:
        _renderer(root, style)
        if style.label:
            root.set("labelsEnabled", "1")
            _labeling(root, style)
    ET.indent(root)
    head = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return head + ET.tostring(root, encoding="unicode") + "\n"


def tint(position: int, tints: tuple[str, ...] = BASIN_TINTS) -> str:
    """Choose a tint by position, from the first again after the last."""
    return tints[position % len(tints)]


def _renderer(root: ET.Element, style: Style) -> None:
    classes = style.classes
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        type="categorizedSymbol" if classes else "singleSymbol",
        attr=style.field,
        enableorderby="0",
        forceraster="0",
        symbollevels="0",
    )
    if classes:
        categories = ET.SubElement(renderer, "categories")
        for position, each in enumerate(classes):
            ET.SubElement(
                categories,
                "category",
                value=str(each.value),
                type="string" if isinstance(each.value, str) else "integer",
                label=each.title,
                symbol=str(position),
                render="true",
            )
    symbols = ET.SubElement(renderer, "symbols")
    for position, (colour, width_mm) in enumerate(
        [(each.colour, each.width_mm or style.width_mm) for each in classes] or [(style.fill, style.width_mm)]
    ):
        _symbol(symbols, str(position), style, colour, width_mm)


def _symbol(symbols: ET.Element, name: str, style: Style, colour: str | None, width_mm: float) -> None:
    kind, layer_class, options = {
        "polygon": (
            "fill",
            "SimpleFill",
            {
                "color": _rgba(colour or PAPER),
                "style": "solid" if colour else "no",
                "outline_color": _rgba(style.outline),
                "outline_style": style.dash,
                "outline_width": f"{width_mm:g}",
                "outline_width_unit": "MM",
                "joinstyle": "round",
            },
        ),
        "line": (
            "line",
            "SimpleLine",
            {
                "line_color": _rgba(colour or style.outline),
                "line_style": style.dash,
                "line_width": f"{width_mm:g}",
                "line_width_unit": "MM",
                "capstyle": "round",
                "joinstyle": "round",
            },
        ),
        "point": (
            "marker",
            "SimpleMarker",
            {
                "name": style.marker,
                "color": _rgba(colour or PAPER),
                "outline_color": _rgba(style.outline),
                "outline_width": f"{width_mm:g}",
                "outline_width_unit": "MM",
                "size": f"{style.size_mm:g}",
                "size_unit": "MM",
            },
        ),
    }[style.geometry]
    symbol = ET.SubElement(
        symbols, "symbol", type=kind, name=name, alpha="1", clip_to_extent="1", force_rhr="0"
    )
    layer = ET.SubElement(symbol, "layer", {"class": layer_class, "enabled": "1", "locked": "0", "pass": "0"})
    table = ET.SubElement(layer, "Option", type="Map")
    for option, value in options.items():
        ET.SubElement(table, "Option", name=option, type="QString", value=value)


def _labeling(root: ET.Element, style: Style) -> None:
    labeling = ET.SubElement(root, "labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    # no font is named: QGIS takes its own, which every machine has
    text = ET.SubElement(
        settings,
        "text-style",
        fieldName=style.label,
        isExpression="1",
        fontSize="9",
        fontSizeUnit="Point",
        textColor=_rgba(INK),
        textOpacity="1",
        multilineHeight="1",
    )
    ET.SubElement(
        text,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.8",
        bufferSizeUnits="MM",
        bufferColor=_rgba(PAPER),
        bufferOpacity="1",
        bufferJoinStyle="128",
    )
    ET.SubElement(settings, "text-format", multilineAlign="1", wrapChar="", formatNumbers="0")
    # around the point, or over the area
    ET.SubElement(settings, "placement", placement="0" if style.geometry == "point" else "1", dist="1.5")
    ET.SubElement(settings, "rendering", drawLabels="1", obstacle="0", displayAll="0")


def _raster(pipe: ET.Element, style: Style) -> None:
    if style.composite is not None:
        _composite(pipe, style.composite, style.stretch)
        return
    if style.ramp:
        _ramp(pipe, style)
        return
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band=str(style.band), opacity="1", alphaBand="-1"
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for each in style.classes:
        ET.SubElement(
            palette, "paletteEntry", value=str(each.value), color=each.colour, alpha="255", label=each.title
        )


def _ramp(pipe: ET.Element, style: Style) -> None:
    """Draw numbers in colours that change from one value of the ramp to the next."""
    low, high = (f"{style.ramp[end][0]:g}" for end in (0, -1))
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandpseudocolor",
        band=str(style.band),
        opacity="1",
        alphaBand="-1",
        classificationMin=low,
        classificationMax=high,
    )
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib |= {
        "colorRampType": "INTERPOLATED",
        "classificationMode": "1",
        "clip": "0",
        "minimumValue": low,
        "maximumValue": high,
    }
    for value, colour in style.ramp:
        ET.SubElement(shader, "item", value=f"{value:g}", color=colour, alpha="255", label=f"{value:g}")


def _composite(pipe: ET.Element, bands: tuple[int, int, int], stretch: tuple[float, float]) -> None:
    """Draw three bands as red, green and blue."""
    names = ("red", "green", "blue")
    numbers = {f"{name}Band": str(band) for name, band in zip(names, bands, strict=True)}
    renderer = ET.SubElement(pipe, "rasterrenderer", type="multibandcolor", opacity="1", alphaBand="-1")
    renderer.attrib |= numbers
    for name in names:
        contrast = ET.SubElement(renderer, f"{name}ContrastEnhancement")
        ET.SubElement(contrast, "minValue").text = f"{stretch[0]:g}"
        ET.SubElement(contrast, "maxValue").text = f"{stretch[1]:g}"
        ET.SubElement(contrast, "algorithm").text = "StretchToMinimumMaximum"


def _rgba(colour: str) -> str:
    """Write #rrggbb as QGIS does: four numbers."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"{red},{green},{blue},255"
