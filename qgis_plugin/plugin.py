"""What QGIS switches on and off: the Processing provider, and one entry in the menu Plugins."""

from qgis.core import QgsApplication
from qgis.PyQt.QtWidgets import QAction

from .provider import BluepeaceProvider
from .translation import Translated


class BluePeacePlugin(Translated):
    """The plugin; `iface` is None where QGIS has no window (qgis_process)."""

    def __init__(self, iface):
        self.iface = iface
        self.provider = None
        self.engine_action = None

    def initProcessing(self):
        """Bring the algorithms; all that qgis_process needs."""
        self.provider = BluepeaceProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):
        """Bring the algorithms and the menu entry."""
        self.initProcessing()
        self.engine_action = QAction(self.provider.icon(), self.tr("Engine…"), self.iface.mainWindow())
        self.engine_action.triggered.connect(self.choose_engine)
        self.iface.addPluginToMenu(self.menu(), self.engine_action)

    def unload(self):
        """Take both away again."""
        if self.engine_action is not None:
            self.iface.removePluginMenu(self.menu(), self.engine_action)
            self.engine_action.deleteLater()
            self.engine_action = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None

    def menu(self):
        """Name of the entry under Plugins."""
        return self.tr("&Blue Peace")

    def choose_engine(self):
        """Let the user say which Python or command does the work."""
        from .dialog import EngineDialog  # noqa: PLC0415 - widgets only where there is a window

        EngineDialog(self.iface.mainWindow()).exec()
