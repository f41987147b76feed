"""Runs inside a QGIS with a window (`qgis --code inside_window.py`): started by window.py, which says what.

Each step waits for what it needs by a timer, as a user would; the last one closes QGIS.
"""

import json
import os
import time
import traceback
from pathlib import Path

import processing
from qgis.core import (
    QgsApplication,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import iface

TOLD = json.loads(os.environ["BLUEPEACE_WINDOW"])
FOLDER = Path(TOLD["folder"])
PICTURE = "png"


def look_of(layer):
    """Give symbols and labels of a layer as text that can be compared; colours of chance left out."""
    look = layer.renderer().type()
    if isinstance(layer, QgsVectorLayer):
        symbol = layer.renderer().symbol()
        fill = symbol.symbolLayer(0).properties() if symbol is not None else {}
        wanted = ("style", "outline_width", "outline_color", "outline_style")
        look += "".join(f"; {name} {fill[name]}" for name in wanted if name in fill)
        look += "; labelled" if layer.labelsEnabled() else "; not labelled"
    return look


class Driver:
    """Walks through the steps and keeps what it sees."""

    def __init__(self):
        self.seen = {"stall_seconds": 0.0}
        self.dialog = None
        self.ticked = None
        self.clock = QTimer()
        self.clock.setInterval(10)
        self.clock.timeout.connect(self.tick)
        self.after(1500, self.open)

    def after(self, milliseconds, step):
        """Do a step later; a fault ends the show and is told."""

        def guarded():
            try:
                step()
            except Exception:  # noqa: BLE001 - whatever it is, it must reach window.json
                self.seen["fault"] = traceback.format_exc()
                self.close()

        QTimer.singleShot(milliseconds, guarded)

    def tick(self):
        """Measure how long the window did not come to its events."""
        now = time.monotonic()
        if self.ticked is not None:
            self.seen["stall_seconds"] = max(self.seen["stall_seconds"], round(now - self.ticked, 3))
        self.ticked = now

    def open(self):
        self.seen["menu"] = [action.text() for action in iface.pluginMenu().actions()]
        iface.mainWindow().resize(1240, 860)
        iface.mainWindow().move(10, 10)
        parameters = TOLD["parameters"]
        dem = QgsRasterLayer(parameters["dem"], "Elevation", "gdal")
        outlets = QgsVectorLayer(parameters["outlets"], "Outlets", "ogr")
        QgsProject.instance().addMapLayers([dem, outlets])
        iface.mapCanvas().setExtent(dem.extent())
        # as the box "open output file after running" is ticked for a user
        out = QgsProcessingOutputLayerDefinition(parameters["out"], QgsProject.instance())
        told = {**parameters, "dem": dem, "outlets": outlets, "out": out}
        self.dialog = processing.createAlgorithmDialog("bluepeace:basins", told)
        self.dialog.algorithmFinished.connect(self.finished)
        self.dialog.show()
        self.after(1500, self.run)

    def run(self):
        QApplication.primaryScreen().grabWindow(0).save(str(FOLDER / "dialog.png"), PICTURE)
        self.clock.start()
        self.dialog.runButton().click()

    def finished(self, successful, results):
        self.clock.stop()
        self.seen.update(successful=successful, results={name: str(value) for name, value in results.items()})
        self.after(1500, self.look)

    def look(self):
        self.seen["layers"] = {}
        for layer in QgsProject.instance().mapLayers().values():
            self.seen["layers"][layer.name()] = {
                "source": layer.source(),
                "features": layer.featureCount() if isinstance(layer, QgsVectorLayer) else None,
                "look": look_of(layer),
            }
        layer = QgsProject.instance().mapLayersByName("Basins")[0]
        options = QgsVectorLayer.LayerOptions()
        options.loadDefaultStyle = False  # QGIS takes any .qml that is called like the file
        plain = QgsVectorLayer(layer.source(), "plain", "ogr", options)
        self.seen["plain_look"] = look_of(plain)
        plain.loadNamedStyle(str(Path(TOLD["parameters"]["out"]).with_suffix(".qml")))
        self.seen["look_of_the_style"] = look_of(plain)
        QApplication.primaryScreen().grabWindow(0).save(str(FOLDER / "finished.png"), PICTURE)
        self.dialog.close()
        iface.mapCanvas().refresh()
        self.after(2500, self.show_map)

    def show_map(self):
        QApplication.primaryScreen().grabWindow(0).save(str(FOLDER / "map.png"), PICTURE)
        from blue_peace.dialog import EngineDialog

        self.dialog = EngineDialog(iface.mainWindow())
        self.dialog.show()
        self.after(6000, self.show_engine)

    def show_engine(self):
        self.seen["engine"] = self.dialog.state.text()
        QApplication.primaryScreen().grabWindow(0).save(str(FOLDER / "engine.png"), PICTURE)
        self.dialog.reject()
        self.after(200, self.unload)

    def unload(self):
        import qgis.utils

        self.seen["unloaded"] = qgis.utils.unloadPlugin("blue_peace")
        self.seen["provider_after_unload"] = (
            QgsApplication.processingRegistry().providerById("bluepeace") is not None
        )
        self.seen["menu_after_unload"] = [action.text() for action in iface.pluginMenu().actions()]
        self.close()

    def close(self):
        (FOLDER / "window.json").write_text(json.dumps(self.seen), encoding="utf-8")
        QgsProject.instance().clear()  # no question about unsaved or temporary layers
        iface.actionExit().trigger()


driver = Driver()  # QGIS keeps the names of this file: the timers need it alive
