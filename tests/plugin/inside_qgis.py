"""Cases that run in the Python of QGIS, one after the other, as they are asked for on stdin.

A request is a line of JSON: {"case": NAME, "arguments": {}, "environment": {}, "answer": PATH}; the case
gives a dict, written to that path, which the tests in the ordinary Python judge. Only the standard library
and PyQGIS: no wheel may meet QGIS's own libraries. Ends with its stdin.
"""

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

from qgis.analysis import QgsNativeAlgorithms
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsField,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QVariant

sys.path.insert(0, os.environ["QGIS_PLUGINPATH"])
PLUGIN = "blue_peace"
HANDSHAKE_SECONDS = importlib.import_module(f"{PLUGIN}.engine").HANDSHAKE_SECONDS


class Recorder(QgsProcessingFeedback):
    """Keeps all that a user would see; cancels when a message appears, as a user would."""

    def __init__(self, cancel_at=None):
        super().__init__(False)
        self.cancel_at = cancel_at
        self.cancelled_at = None
        self.said = {"info": [], "warning": [], "console": [], "command": [], "progress_text": []}
        self.progress = []
        self.progressChanged.connect(self.progress.append)

    def pushInfo(self, text):  # noqa: N802 - QGIS's name
        self.said["info"].append(text)

    def pushWarning(self, text):  # noqa: N802 - QGIS's name
        self.said["warning"].append(text)

    def pushConsoleInfo(self, text):  # noqa: N802 - QGIS's name
        self.said["console"].append(text)

    def pushCommandInfo(self, text):  # noqa: N802 - QGIS's name
        self.said["command"].append(text)

    def setProgressText(self, text):  # noqa: N802 - QGIS's name
        self.said["progress_text"].append(text)
        if self.cancel_at is not None and text == self.cancel_at:
            self.cancelled_at = time.monotonic()
            self.cancel()


def outlets_as(kind, path):
    """Give the outlets in one of the shapes in which QGIS hands features over."""
    layer = QgsVectorLayer(path, "My outlets", "ogr")
    if kind == "computed":
        layer.addExpressionField('"known_km2" * 2', QgsField("twice_km2", QVariant.Double))
    elif kind == "memory":
        layer = layer.materialize(QgsFeatureRequest())
    elif kind == "subset":
        layer.setSubsetString("\"name\" <> 'upper'")
    elif kind == "edited":
        layer.startEditing()
        layer.deleteFeature(next(layer.getFeatures()).id())
    elif kind == "mended CRS":
        layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32642"))
    elif kind == "no CRS":
        layer.setCrs(QgsCoordinateReferenceSystem())
    QgsProject.instance().addMapLayer(layer)
    if kind == "selected":
        layer.selectByIds([next(layer.getFeatures()).id()])
        return QgsProcessingFeatureSourceDefinition(layer.id(), True)
    return layer


def dem_as(kind, path):
    """Give the elevation model in a shape that differs from its file."""
    layer = QgsRasterLayer(path, "My elevations", "gdal")
    if kind == "another CRS":
        layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32643"))
    QgsProject.instance().addMapLayer(layer)
    return layer


def algorithm_called(name):
    return QgsApplication.processingRegistry().algorithmById(f"bluepeace:{name}")


def run(parameters, name="basins", outlets_kind=None, dem_kind=None, cancel_at=None, handshake_seconds=None):
    """Check, prepare and run an algorithm, as the toolbox does."""
    engine = importlib.import_module(f"{PLUGIN}.engine")
    engine.HANDSHAKE_SECONDS = handshake_seconds or HANDSHAKE_SECONDS
    if outlets_kind is not None:
        parameters["outlets"] = outlets_as(outlets_kind, parameters["outlets"])
    if dem_kind is not None:
        parameters["dem"] = dem_as(dem_kind, parameters["dem"])
    algorithm = algorithm_called(name).create()
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    feedback = Recorder(cancel_at)
    answer = {"error": None, "results": None}
    can, problem = algorithm.canExecute()
    if can:
        passed, problem = algorithm.checkParameterValues(parameters, context)
        if passed:
            problem = None
            try:
                answer["results"], _ = algorithm.run(parameters, context, feedback, catchExceptions=False)
            except QgsProcessingException as error:
                answer["error"] = str(error)
    if feedback.cancelled_at is not None:
        answer["seconds_after_cancel"] = time.monotonic() - feedback.cancelled_at
    answer.update(
        problem=problem, progress=feedback.progress, temporary=left_in_temporary_folder(), **feedback.said
    )
    return answer


def left_in_temporary_folder():
    """Name what the plugin has left in QGIS's temporary folder."""
    return sorted(path.name for path in Path(QgsProcessingUtils.tempFolder()).glob("bluepeace-*"))


def load(parameters, name="basins", style=None):
    """Run with the result to be loaded, load it as QGIS does, and tell how it looks."""
    algorithm = algorithm_called(name)
    project = QgsProject.instance()
    context = QgsProcessingContext()
    context.setProject(project)
    feedback = Recorder()
    out = parameters["out"]
    # what an earlier run left waiting must not get lost
    context.addLayerToLoadOnCompletion(
        "earlier", QgsProcessingContext.LayerDetails("Earlier", project, "out")
    )
    algorithm.checkParameterValues(parameters, context)
    kept = "earlier" in context.layersToLoadOnCompletion()
    context.setLayersToLoadOnCompletion({})
    definition = out
    if not algorithm.makes_folder():  # a folder is told as it is
        definition = QgsProcessingOutputLayerDefinition(out, project)
        definition.destinationName = "My result"
    # in a thread of its own, as the toolbox does: QGIS then hands another context to the run
    task = QgsProcessingAlgRunnerTask(algorithm, {**parameters, "out": definition}, context, feedback)
    ended = []
    task.executed.connect(lambda *result: ended.append(result))
    QgsApplication.taskManager().addTask(task)
    while not ended:
        QgsApplication.processEvents()
        time.sleep(0.01)
    successful, results = ended[0]
    if style is not None:
        Path(out).with_suffix(".qml").write_text(style, encoding="utf-8")
    answer = {
        "earlier_kept": kept,
        "successful": successful,
        "results": results,
        "layers": {},
        "forms": {},
        "warning": feedback.said["warning"],
    }
    for source, details in context.layersToLoadOnCompletion().items():
        layer = QgsProcessingUtils.mapLayerFromString(source, context)
        details.setOutputLayerName(layer)
        project.addMapLayer(context.temporaryLayerStore().takeMapLayer(layer))
        details.postProcessor().postProcessLayer(layer, context, feedback)
        renderer = layer.renderer()  # a table has none
        if isinstance(layer, QgsRasterLayer):
            palette = renderer.type() == "paletted"
            classes = [each.label for each in renderer.classes()] if palette else []
            answer["layers"][details.name] = {
                "source": source,
                "band": renderer.usesBands(),
                "classes": classes,
            }
            continue
        symbol = renderer.symbol() if renderer is not None and renderer.type() == "singleSymbol" else None
        answer["layers"][details.name] = {
            "source": source,
            "features": layer.featureCount(),
            "columns": {field.name(): field.typeName() for field in layer.fields()},
            "renderer": renderer.type() if renderer is not None else None,
            "colour": symbol.color().name() if symbol is not None else None,
        }
        answer["forms"][details.name] = {
            field.name(): layer.editorWidgetSetup(index).type() for index, field in enumerate(layer.fields())
        }
    answer["tree"] = [
        [node.name(), node.itemVisibilityChecked()] for node in project.layerTreeRoot().children()
    ]
    return answer


def find(setting=None):
    """Tell which engine is found, or why none."""
    engine = importlib.import_module(f"{PLUGIN}.engine")
    QgsSettings().setValue(engine.SETTING, setting or "")
    try:
        found = engine.Finder().find()
    except engine.EngineMissing as missing:
        return {"missing": str(missing)}
    finally:
        QgsSettings().remove(engine.SETTING)
    return {"program": found.program, "first_arguments": found.first_arguments, "origin": found.origin}


def managed():
    """Tell where the environment of this profile would be."""
    return {"python": str(importlib.import_module(f"{PLUGIN}.engine").managed_python())}


def handshake(program):
    """Tell what an engine answers, or why it is refused."""
    engine = importlib.import_module(f"{PLUGIN}.engine")
    try:
        return engine.Engine(program, "the test").handshake()
    except (engine.EngineFailed, engine.EngineMissing) as failure:
        return {"error": str(failure)}


def describe(name):
    """Tell all that the toolbox shows of an algorithm."""
    algorithm = algorithm_called(name)
    parameters = {}
    for definition in algorithm.parameterDefinitions():
        parameters[definition.name()] = {
            "type": definition.type(),
            "default": definition.defaultValue(),
            "optional": bool(definition.flags() & definition.Flag.FlagOptional),
            "label": definition.description(),
            "help": definition.help(),
            "options": definition.options() if definition.type() == "enum" else None,
        }
    return {
        "parameters": parameters,
        "outputs": [definition.name() for definition in algorithm.outputDefinitions()],
        "tables": {table: [column for column, _ in columns] for table, _, columns in algorithm.tables()},
        "help": algorithm.shortHelpString(),
        "tags": algorithm.tags(),
        "group": algorithm.group(),
        "files": {
            definition.name(): [definition.defaultFileExtension(), definition.createFileFilter()]
            for definition in algorithm.destinationParameterDefinitions()
        },
        "icon": not algorithm.icon().pixmap(32, 32).isNull(),
        "positional": list(algorithm.positional),
    }


def reload():
    """Load the plugin as a window does, take it away, bring it back: nothing may stay or be missing."""
    package = importlib.import_module(PLUGIN)
    registry = QgsApplication.processingRegistry()
    seen = [registry.providerById("bluepeace") is not None]
    for _ in range(2):
        STARTED.unload()
        seen.append(registry.providerById("bluepeace") is not None)
        again = package.classFactory(None)
        again.initProcessing()
        seen.append(algorithm_called("basins") is not None)
        again.unload()
        STARTED.initProcessing()
    return {"seen": seen}


def chain(polygons, countries, country_field):
    """Join the table of shares to the countries, both as steps of one model, and give what came of it."""
    registry = QgsApplication.processingRegistry()
    if registry.providerById("native") is None:
        registry.addProvider(QgsNativeAlgorithms(registry))
    fixed = QgsProcessingModelChildParameterSource.fromStaticValue
    told = {"polygons": polygons, "countries": countries, "country_field": country_field}
    shares = QgsProcessingModelChildAlgorithm("bluepeace:shares")
    shares.setChildId("shares")
    for name, value in told.items():
        shares.addParameterSources(name, [fixed(value)])
    table = QgsProcessingModelOutput("table")
    table.setChildOutputName("out")
    shares.setModelOutputs({"table": table})
    join = QgsProcessingModelChildAlgorithm("native:joinattributestable")
    join.setChildId("join")
    for name, value in {"INPUT": countries, "FIELD": country_field, "FIELD_2": "country"}.items():
        join.addParameterSources(name, [fixed(value)])
    join.addParameterSources(
        "INPUT_2", [QgsProcessingModelChildParameterSource.fromChildOutput("shares", "out")]
    )
    joined = QgsProcessingModelOutput("joined")
    joined.setChildOutputName("OUTPUT")
    join.setModelOutputs({"joined": joined})
    model = QgsProcessingModelAlgorithm("Chain", "chain")
    model.addChildAlgorithm(shares)
    model.addChildAlgorithm(join)
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    destinations = {definition.name(): definition for definition in model.destinationParameterDefinitions()}
    results, successful = model.run(dict.fromkeys(destinations, "TEMPORARY_OUTPUT"), context, Recorder())
    layer = QgsProcessingUtils.mapLayerFromString(results["join:joined"], context)
    return {
        "successful": successful,
        "table": results["shares:table"],
        "file_of_table": destinations["shares:table"].defaultFileExtension(),
        "rows": [{name: row[name] for name in layer.fields().names()} for row in layer.getFeatures()],
    }


CASES = {case.__name__: case for case in (run, load, chain, find, managed, handshake, describe, reload)}


def answer_request(request, environment):
    """Do one case in the environment asked for, and leave the process as it was."""
    os.environ.clear()
    os.environ.update({**environment, **request["environment"]})
    try:
        answer = CASES[request["case"]](**request["arguments"])
    except Exception:  # noqa: BLE001 - whatever it is, the test must hear of it
        answer = {"fault": traceback.format_exc()}
    QgsProject.instance().clear()
    path = Path(request["answer"])
    part = path.with_suffix(".part")
    part.write_text(json.dumps(answer), encoding="utf-8")
    part.replace(path)  # whoever waits for it finds it whole


if __name__ == "__main__":
    application = QgsApplication([], True)
    application.initQgis()
    STARTED = importlib.import_module(PLUGIN).classFactory(None)
    STARTED.initProcessing()
    at_start = dict(os.environ)
    for line in sys.stdin:
        answer_request(json.loads(line), at_start)
    STARTED.unload()
    application.exitQgis()
