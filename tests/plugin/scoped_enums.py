"""Find in plugin code what QGIS 4 (Qt 6) will not take, by asking the QGIS at hand about each name.

Qt 6 knows enum values only under their enum (`QProcess.ExitStatus.CrashExit`); Qt 5 also knows them
under the class. Run by an interpreter that has PyQGIS: `python3 scoped_enums.py FOLDER` prints one
line for each finding and ends with 1 if there are any.
"""

import ast
import importlib
import sys
from pathlib import Path

QT_BINDINGS = ("PyQt5", "PyQt6", "PySide2", "PySide6", "sip")
GONE = ("exec_", "print_")  # renamed when `exec` and `print` became ordinary names
MOVED = ("QAction", "QActionGroup", "QShortcut")  # from QtWidgets to QtGui
MISSING = object()


def is_enum_value(value):
    """Tell a value of an enum of C++ from an integer constant: sip gives its type this metaclass."""
    return type(type(value)).__name__ == "enumtype"


def full_name(owner, value, attribute):
    """Name of the value under its enum."""
    enum = next(
        (name for name in dir(owner) if getattr(owner, name, None) is type(value)), type(value).__name__
    )
    return f"{owner.__name__}.{enum}.{attribute}"


def imported(tree):
    """Give {name in this file: object} for all that is imported from qgis."""
    names = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (node.module or "").split(".")[0] == "qgis"
        ):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if hasattr(module, alias.name):
                    names[alias.asname or alias.name] = getattr(module, alias.name)
    return names


def resolve(node, names):
    """Give the object that dotted names stand for, MISSING where that is not known."""
    if isinstance(node, ast.Name):
        return names.get(node.id, MISSING)
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, names)
        return MISSING if owner is MISSING else getattr(owner, node.attr, MISSING)
    return MISSING


def import_findings(tree):
    """Give (line, sentence) for imports that bind the plugin to one Qt."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module]
        else:
            continue
        for module in modules:
            if module.split(".")[0] in QT_BINDINGS:
                yield node.lineno, f"import {module}: only qgis.PyQt fits both Qt"
        if modules == ["qgis.PyQt.QtGui"]:
            for alias in node.names:
                if alias.name in MOVED:
                    yield node.lineno, f"{alias.name}: from QtWidgets, where QGIS keeps it for both Qt"


def name_findings(tree):
    """Give (line, sentence) for names that one of the two Qt does not know."""
    names = imported(tree)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    class_around = {id(inner): node for node in classes for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if node.attr in GONE:
            yield node.lineno, f".{node.attr}() is gone in Qt 6"
        if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") and id(node) in class_around:
            bases = [resolve(base, names) for base in class_around[id(node)].bases]
            owner = next((base for base in bases if hasattr(base, node.attr)), MISSING)
        else:
            owner = resolve(node.value, names)
        if not isinstance(owner, type):
            continue
        value = getattr(owner, node.attr, MISSING)
        if value is MISSING:
            yield node.lineno, f"{owner.__name__}.{node.attr} does not exist in this QGIS"
        elif is_enum_value(value) and type(value) is not owner:
            yield node.lineno, f"{owner.__name__}.{node.attr} -> {full_name(owner, value, node.attr)}"


def main():
    count = 0
    for path in sorted(Path(sys.argv[1]).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, sentence in sorted({*import_findings(tree), *name_findings(tree)}):
            print(f"{path.name}:{line} {sentence}")
            count += 1
    print(f"{count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
