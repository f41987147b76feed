"""Runs inside a QGIS with a window (`qgis --code inside_window.py`): started by window.py, which says what.

Each step waits until it sees what it needs, as a user would; the last one closes QGIS.
"""

import json
import os
import time
import traceback
from pathlib import Path

import processing
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from processing.modeler.ModelerParametersDialog import ModelerParametersDialog
from qgis.core import (
    QgsApplication,
    QgsProcessingModelAlgorithm,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDropEvent
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import iface

TOLD = json.loads(os.environ["BLUEPEACE_WINDOW"])
FOLDER = Path(TOLD["folder"])
PICTURE = "png"
FOLDERS = ("season", "irrigation_change")  # whose result is a folder
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


def ramp_of(raster):
    """Give values and colours between which a raster is drawn, none where it is drawn in another way."""
    renderer = raster.renderer()
    if renderer.type() != "singlebandpseudocolor":
        return []
    items = renderer.shader().rasterShaderFunction().colorRampItemList()
    return [[round(item.value, 6), item.color.name()] for item in items]


class Driver:
    """Walks through the steps and keeps what it sees."""

    def __init__(self):
        self.seen = {"stall_seconds": 0.0, "dialogs": {}}
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
        out = parameters["out"]
        if algorithm not in FOLDERS:
            out = QgsProcessingOutputLayerDefinition(out, QgsProject.instance())
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
        if not successful:
            raise RuntimeError(f"{algorithm} failed: {told}")
        loaded, step = {
            "basins": (lambda layer: layer.name() == "Basins", self.look),
            "shares": (lambda layer: layer.name() == "Shares", self.look_at_table),
            "scenes": (lambda layer: layer.name() == "Scenes", self.look_at_scenes),
            "season": (lambda layer: layer.source() in results["composites"], self.look_at_composites),
            "irrigation_change": (lambda layer: layer.source() == results["change_tif"], self.look_at_change),
        }[algorithm]
        self.when(lambda: any(map(loaded, QgsProject.instance().mapLayers().values())), step)

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
        if "scenes" not in TOLD:
            self.leave_dialogs()
            return
        self.ask("scenes", TOLD["scenes"])
        self.when(self.dialog.isVisible, self.run_scenes)

    def widgets(self):
        """Name the widgets of the dialog, and what they hold."""
        wrappers = self.dialog.mainWidget().wrappers
        return {
            name: [
                type(getattr(wrapper, "widget", None) or wrapper.wrappedWidget()).__name__,
                str(wrapper.parameterValue()),
            ]
            for name, wrapper in wrappers.items()
        }

    def run_scenes(self):
        """Drop a folder onto the list, by mistake."""
        places = self.dialog.mainWidget().wrappers["folders"].widget
        self.seen["places"] = [places.paths()]
        self.drop(places.list, [FOLDER, *places.paths()])
        self.seen["places"].append(places.paths())
        places.list.item(places.list.count() - 1).setSelected(True)
        self.after(DRAWN_MILLISECONDS, self.run_scenes_without_mistake)

    def run_scenes_without_mistake(self):
        self.picture("scenes_dialog.png")
        places = self.dialog.mainWidget().wrappers["folders"].widget
        places.list.remove_chosen()
        self.seen["places"].append(places.paths())
        self.dialog.runButton().click()

    def drop(self, widget, paths):
        """Drop files and folders onto a widget, as from the desktop."""
        dragged = QMimeData()
        dragged.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        event = QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            dragged,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        widget.dropEvent(event)

    def widgets_elsewhere(self, name, parameter):
        """Name the widget of a parameter in the windows for batches and for a step of a model."""
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"bluepeace:{name}")
        batch = BatchAlgorithmDialog(algorithm, iface.mainWindow())
        panel = batch.mainWidget()
        in_batch = panel.wrappers[0][panel.parameter_to_column[parameter]]
        model = QgsProcessingModelAlgorithm("Model", "model")
        step = ModelerParametersDialog(algorithm, model)
        in_model = step.widget.widget.wrappers[parameter]
        kinds = [type(in_batch).__name__, type(in_model).__name__]
        step.close()
        batch.close()
        return kinds

    def look_at_scenes(self):
        layer = QgsProject.instance().mapLayersByName("Scenes")[0]
        self.seen["layers"]["Scenes"] = {
            "source": layer.source(),
            "features": layer.featureCount(),
            "look": look_of(layer),
        }
        self.picture("scenes_loaded.png")
        self.dialog.close()
        self.ask("season", TOLD["season"])
        self.when(self.dialog.isVisible, self.run_season)

    def run_season(self):
        self.seen["season_widgets"] = self.widgets()
        self.seen["scenes_elsewhere"] = self.widgets_elsewhere("season", "scenes")
        self.picture("season_dialog.png")
        self.dialog.runButton().click()

    def look_at_composites(self):
        folder = TOLD["season"]["out"]
        self.seen["composites"] = {
            layer.source(): {"name": layer.name(), "look": look_of(layer), "ramp": ramp_of(layer)}
            for layer in QgsProject.instance().mapLayers().values()
            if layer.source().startswith(folder)
        }
        self.picture("season_loaded.png")
        self.dialog.close()
        QgsProject.instance().removeAllMapLayers()
        self.ask("irrigation_change", TOLD["change"])
        self.when(self.dialog.isVisible, self.run_change)

    def run_change(self):
        self.seen["change_widgets"] = self.widgets()
        self.picture("change_dialog.png")
        self.dialog.runButton().click()

    def look_at_change(self):
        root = QgsProject.instance().layerTreeRoot()
        self.seen["tree"] = [[node.name(), node.itemVisibilityChecked()] for node in root.children()]
        self.picture("change_loaded.png")
        self.dialog.close()
        iface.mapCanvas().setExtent(
            QgsProject.instance().mapLayersByName(root.children()[2].name())[0].extent()
        )
        self.open_dialogs(list(TOLD["dialogs"]))

    def open_dialogs(self, names):
        """Open one dialog after the other, empty, and close it again."""
        if not names:
            self.leave_dialogs()
            return
        self.dialog = processing.createAlgorithmDialog(f"bluepeace:{names[0]}")
        self.dialog.resize(1000, 760)
        self.dialog.show()
        self.when(self.dialog.isVisible, lambda: self.show_dialog(*names))

    def show_dialog(self, name, *others):
        self.seen["dialogs"][name] = self.widgets()
        self.picture(f"dialog_{name}.png")
        self.dialog.close()
        self.open_dialogs(others)

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
