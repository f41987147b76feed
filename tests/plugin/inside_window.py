"""Runs inside a QGIS with a window (`qgis --code inside_window.py`): started by window.py, which says what.

Each step waits until it sees what it needs, as a user would; the last one closes QGIS.
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
DRAWN_MILLISECONDS = 500  # until a window that is there has drawn itself


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

    def when(self, condition, step):
        """Do a step as soon as a condition holds; window.py gives up if it never does."""
        if condition():
            self.after(DRAWN_MILLISECONDS, step)
        else:
            self.after(50, lambda: self.when(condition, step))

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
        self.ask("basins", {**parameters, "dem": dem, "outlets": outlets})
        self.when(self.dialog.isVisible, self.run)

    def ask(self, algorithm, parameters):
        """Open the dialog of an algorithm, filled in."""
        # as the box "open output file after running" is ticked for a user
        out = QgsProcessingOutputLayerDefinition(parameters["out"], QgsProject.instance())
        self.dialog = processing.createAlgorithmDialog(f"bluepeace:{algorithm}", {**parameters, "out": out})
        self.dialog.algorithmFinished.connect(lambda *ended: self.finished(algorithm, *ended))
        self.dialog.show()

    def run(self):
        self.picture("dialog.png")
        self.clock.start()
        self.dialog.runButton().click()

    def picture(self, name):
        QApplication.primaryScreen().grabWindow(0).save(str(FOLDER / name), PICTURE)

    def finished(self, algorithm, successful, results):
        self.clock.stop()
        told = {name: str(value) for name, value in results.items()}
        self.seen[algorithm] = {"successful": successful, "results": told}
        label, step = {"basins": ("Basins", self.look), "shares": ("Shares", self.look_at_table)}[algorithm]
        self.when(lambda: bool(QgsProject.instance().mapLayersByName(label)), step)

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
        self.picture("finished.png")
        self.dialog.close()
        if "shares" not in TOLD:
            self.leave_dialogs()
            return
        self.ask("shares", {**TOLD["shares"], "polygons": layer})
        self.when(self.dialog.isVisible, self.dialog.runButton().click)

    def look_at_table(self):
        table = QgsProject.instance().mapLayersByName("Shares")[0]
        self.seen["table"] = {
            "source": table.source(),
            "columns": {field.name(): field.typeName() for field in table.fields()},
            "rows": [row.attributes() for row in table.getFeatures()],
        }
        self.picture("shares.png")
        self.dialog.close()
        self.leave_dialogs()

    def leave_dialogs(self):
        iface.mapCanvas().refresh()
        self.when(lambda: not iface.mapCanvas().isDrawing(), self.show_map)

    def show_map(self):
        self.picture("map.png")
        from blue_peace.dialog import EngineDialog

        self.dialog = EngineDialog(iface.mainWindow())
        self.dialog.show()
        self.when(lambda: self.dialog.testing is None, self.show_engine)

    def show_engine(self):
        self.seen["engine"] = self.dialog.state.text()
        self.picture("engine.png")
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
