"""Forms: how QGIS asks for the label of a point, as part of the style that a layer carries."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Final

# What QGIS itself writes for "nothing chosen" in a list of values.
_NOTHING: Final = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"


def with_form(
    qml: str,
    *,
    choices: Mapping[str, Sequence[tuple[str, str]]],
    texts: Sequence[str] = (),
    read_only: Sequence[str] = (),
    hidden: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
) -> str:
    """Add a form to the style of a layer.

    Parameters
    ----------
    qml : str
        The text of a .qml file, from :func:`styles.qml`.
    choices : {column: ((text, value), ...)}
        Columns that are chosen from a list; nothing may be chosen, too.
    texts : list of str
        Columns that are typed.
    read_only, hidden : list of str
        Columns that are only shown, and that an interpreter shall not see.
    titles : {column: text}
        What the form calls a column.

    Returns
    -------
    str
        The text of a .qml file of symbols, fields and form, as QGIS 3.22 and newer read it.
    """
    widgets = ET.Element("fieldConfiguration")
    for column, listed in choices.items():
        options = _widget(widgets, column, "ValueMap")
        values = ET.SubElement(options, "Option", name="map", type="List")
        for text, value in (("", _NOTHING), *listed):
            one = ET.SubElement(values, "Option", type="Map")
            ET.SubElement(one, "Option", name=text, type="QString", value=value)
    for column in (*texts, *read_only):
        options = _widget(widgets, column, "TextEdit")
        ET.SubElement(options, "Option", name="IsMultiline", type="bool", value="false")
    for column in hidden:
        _widget(widgets, column, "Hidden")
    aliases = ET.Element("aliases")
    for position, (column, title) in enumerate((titles or {}).items()):
        ET.SubElement(aliases, "alias", field=column, name=title, index=str(position))
    editable = ET.Element("editable")
    for column in (*choices, *texts, *read_only, *hidden):
        changes = column in choices or column in texts
        ET.SubElement(editable, "field", name=column, editable="1" if changes else "0")
    layout = ET.Element("editorlayout")
    layout.text = "generatedlayout"
    parts = []
    for element in (widgets, aliases, editable, layout):
        ET.indent(element, level=1)
        parts.append("  " + ET.tostring(element, encoding="unicode"))
    return qml.replace('"Symbology|Labeling"', '"Symbology|Labeling|Fields|Forms"').replace(
        "</qgis>", "\n".join([*parts, "</qgis>"])
    )


def _widget(parent: ET.Element, column: str, kind: str) -> ET.Element:
    field = ET.SubElement(parent, "field", name=column)
    config = ET.SubElement(ET.SubElement(field, "editWidget", type=kind), "config")
    return ET.SubElement(config, "Option", type="Map")
