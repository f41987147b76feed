"""The provider "Blue Peace" of the Processing toolbox."""

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import VECTOR_EXTENSION
from .basins import Basins
from .shares import Shares
from .translation import Translated

ICON = Path(__file__).parent / "icon.svg"


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
        for algorithm in (Basins, Shares):
            self.addAlgorithm(algorithm())

    def supportsNonFileBasedOutput(self):
        """Say no: the engine is another process and writes files."""
        return False

    def supportedOutputVectorLayerExtensions(self):
        return [VECTOR_EXTENSION]

    def defaultVectorFileExtension(self, hasGeometry=True):  # noqa: ARG002 - QGIS passes it
        return VECTOR_EXTENSION
