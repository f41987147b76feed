"""The provider "Blue Peace" of the Processing toolbox."""

import importlib
import pkgutil
from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import VECTOR_EXTENSION, BluepeaceAlgorithm
from .translation import Translated

HERE = Path(__file__).parent
ICON = HERE / "icon.svg"
WINDOWS = {"dialog", "places"}  # modules of widgets, which are loaded where there is a window


def algorithms():
    """Yield the algorithms of this package: a file that defines one is all that a new one takes."""
    for found in pkgutil.iter_modules([str(HERE)]):
        if found.name in WINDOWS:
            continue
        module = importlib.import_module(f".{found.name}", __package__)
        for kind in vars(module).values():
            own = isinstance(kind, type) and kind.__module__ == module.__name__
            if own and issubclass(kind, BluepeaceAlgorithm) and kind.command:
                yield kind


class BluepeaceProvider(Translated, QgsProcessingProvider):
    """Lists every algorithm, whether the engine is there or not: an algorithm says itself what it lacks."""

    def id(self):
        """Stand in saved models and scripts for ever."""
        return "bluepeace"

    def name(self):
        return self.tr("Blue Peace")

    def longName(self):
        return self.tr("Blue Peace: basins, glaciers and irrigated land")

    def icon(self):
        return QIcon(str(ICON))

    def svgIconPath(self):
        return str(ICON)

    def loadAlgorithms(self):
        for algorithm in algorithms():
            self.addAlgorithm(algorithm())

    def supportsNonFileBasedOutput(self):
        """Say no: the engine is another process and writes files."""
        return False

    def supportedOutputVectorLayerExtensions(self):
        return [VECTOR_EXTENSION]

    def defaultVectorFileExtension(self, hasGeometry=True):  # noqa: ARG002 - QGIS passes it
        return VECTOR_EXTENSION
