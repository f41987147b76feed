"""What the plugin is made of: it imports nothing that could break QGIS, and its papers are complete."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HERE = Path(__file__).parent
PLUGIN = HERE.parents[1] / "qgis_plugin"
SOURCES = sorted(PLUGIN.glob("*.py"))
COMES_WITH_QGIS = ("qgis", "processing")


@pytest.fixture
def metadata():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(PLUGIN / "metadata.txt", encoding="utf-8")
    return parser["general"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_only_the_standard_library_and_qgis_are_imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module]
        else:
            continue
        for module in modules:
            root = module.split(".")[0]
            assert root in COMES_WITH_QGIS or root in sys.stdlib_module_names, (
                f"line {node.lineno} imports {module}"
            )
            assert root != "subprocess", "the plugin site refuses subprocess: QProcess does it"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_3_9_reads_it(path):
    # QGIS 3.22 on Windows carries Python 3.9
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sentences_are_translated_as_literals(path):
    # pylupdate reads the source: self.tr(name) or self.tr(f"...") would never be offered for translation
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "tr":
            sentence = node.args[0]
            assert isinstance(sentence, ast.Constant), f"line {node.lineno}"
            assert isinstance(sentence.value, str), f"line {node.lineno}"


def test_metadata_is_complete(metadata):
    # what the plugin site asks for, and what QGIS 3.22 to 4 read
    asked = "name description about version author email tracker repository license tags"
    for name in asked.split():
        assert metadata[name].strip(), name
    assert metadata["qgisMinimumVersion"] == "3.22"
    assert metadata["qgisMaximumVersion"] == "4.99"
    assert metadata["hasProcessingProvider"] == "yes"
    assert (PLUGIN / metadata["icon"]).is_file()
    assert "bluepeace-gis" in metadata["about"], "the engine is named where people decide to install"
    assert "plugin_dependencies" not in metadata, "an empty one breaks the plugin manager"


def test_no_address_leads_to_somebody_else(metadata):
    # either a real one, or one under the ending of RFC 2606 that leads nowhere
    for name in ("email", "tracker", "repository"):
        assert "example." not in metadata[name], name
        assert metadata[name].isprintable()
        assert metadata[name].split("@")[-1].count(".") >= 1


def test_the_licence_is_the_whole_gpl_2():
    text = (PLUGIN / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2, June 1991" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_icon_is_a_small_svg():
    root = ET.parse(PLUGIN / "icon.svg").getroot()  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (PLUGIN / "icon.svg").stat().st_size < 10_000


def enum_findings(qgis_python, folder):
    return subprocess.run(
        [qgis_python, str(HERE / "scoped_enums.py"), str(folder)], capture_output=True, text=True, check=False
    )


@pytest.mark.qgis
def test_every_enum_is_scoped(qgis_python):
    found = enum_findings(qgis_python, PLUGIN)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.qgis
def test_the_check_of_enums_finds_each_kind_of_fault(qgis_python, tmp_path):
    (tmp_path / "bad.py").write_text(
        "from PyQt5.QtCore import QObject\n"
        "from qgis.core import QgsProcessing, QgsProcessingParameterNumber as Number\n"
        "from qgis.PyQt.QtCore import QProcess\n"
        "from qgis.PyQt.QtGui import QAction\n"
        "from qgis.PyQt.QtWidgets import QDialog\n"
        "kind = QgsProcessing.TypeVectorPolygon\n"
        "number = Number.Double\n"
        "number = Number.Type.Double\n"
        "ended = QProcess.NotRunning\n"
        "gone = QProcess.NoSuchName\n"
        "class Window(QDialog):\n"
        "    def show(self):\n"
        "        self.exec_()\n"
        "        return self.Accepted, self.DialogCode.Accepted\n",
        encoding="utf-8",
    )
    found = enum_findings(qgis_python, tmp_path)
    assert found.returncode == 1, found.stderr
    assert found.stdout.splitlines() == [
        "bad.py:1 import PyQt5.QtCore: only qgis.PyQt fits both Qt",
        "bad.py:4 QAction: from QtWidgets, where QGIS keeps it for both Qt",
        "bad.py:6 QgsProcessing.TypeVectorPolygon -> QgsProcessing.SourceType.TypeVectorPolygon",
        "bad.py:7 QgsProcessingParameterNumber.Double -> QgsProcessingParameterNumber.Type.Double",
        "bad.py:9 QProcess.NotRunning -> QProcess.ProcessState.NotRunning",
        "bad.py:10 QProcess.NoSuchName does not exist in this QGIS",
        "bad.py:13 .exec_() is gone in Qt 6",
        "bad.py:14 QDialog.Accepted -> QDialog.DialogCode.Accepted",
        "8 findings",
    ]
