"""An algorithm of the toolbox is one command of the engine, seen through QGIS's eyes.

What every algorithm shares stands here: parameters become options of the same name, layers become
files the engine can read, the run is followed and can be cancelled, results come back as layers with
the style the engine wrote beside them, and as numbers. A subclass gives names, labels and help.
"""

from __future__ import annotations

import csv
import html
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsFeatureRequest,
    QgsFields,
    QgsLayerTreeLayer,
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSource,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingUtils,
    QgsProperty,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtXml import QDomDocument

from .engine import EngineCancelled, EngineFailed, EngineMissing, Finder
from .translation import Translated

VECTOR_EXTENSION = "gpkg"
TABLE_EXTENSION = "csv"
TEXT_TABLES = {".csv", ".tsv", ".txt"}  # tables the engine reads itself
TABLE_SHOWN = "|option:AUTODETECT_TYPE=YES"  # QGIS 3.22 takes the numbers of a CSV for text otherwise
ICON = Path(__file__).parent / "icon.svg"
TABLE_STYLE = 'style="vertical-align: top"'
RASTER_SUFFIX = ".tif"
FOLDER = "folderDestination"  # type of a destination, as QGIS calls it
# Windows takes no longer command line than 32,767 characters; the other words need some of them.
PLACES_CHARACTERS = 30_000

# A path or a layer is quoted for copying into a terminal of the user's own system.
quoted = shlex.quote if os.name != "nt" else lambda word: f'"{word}"' if set(word) & set(" |&<>^") else word


def escaped(sentence):
    """Give a sentence for HTML; quotes stay as they are, qgis_process shows them to people."""
    return html.escape(sentence, quote=False)


def is_given(value):
    """Tell whether an optional parameter holds anything: None, an empty string and Qt's NULL do not."""
    return value is not None and value != "" and not (hasattr(value, "isNull") and value.isNull())


def in_words(moment, kind):
    """Write a day or a moment as the engine reads it; a moment without a zone is UTC on both sides."""
    if kind == QgsProcessingParameterDateTime.Type.Date:
        return moment.date().toString("yyyy-MM-dd")
    if moment.timeSpec() != Qt.TimeSpec.LocalTime:
        moment = moment.toUTC()
    return moment.toString("yyyy-MM-ddTHH:mm:ss")


def write_table(source, path):
    """Write rows without geometry as CSV, days as 2003-08-30: GDAL would write them in another way."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(source.fields().names())
        for row in source.getFeatures():
            rows.writerow([in_text(value) for value in row.attributes()])
    return str(path)


def in_text(value):
    """Write a value of a table as the engine reads it."""
    if not is_given(value):
        return ""
    return value.toString(Qt.DateFormat.ISODate) if isinstance(value, (QDate, QDateTime)) else str(value)


class TableDestination(QgsProcessingParameterVectorDestination):
    """A table to be written as CSV, which QGIS offers to load; layers of this provider are GeoPackages."""

    def __init__(self, name, label):
        super().__init__(name, label, QgsProcessing.SourceType.TypeVector)

    def clone(self):
        """Give a copy that is still a table: models take one."""
        copy = type(self)(self.name(), self.description())
        copy.setHelp(self.help())
        copy.setFlags(self.flags())
        return copy

    def defaultFileExtension(self):
        return TABLE_EXTENSION

    def supportedOutputVectorLayerExtensions(self):
        return [TABLE_EXTENSION]

    def isSupportedOutputValue(self, value, context):  # noqa: ARG002 - QGIS passes them
        """Leave it to the algorithm, which says what to do: QGIS would ask the provider."""
        return True, ""


def several_places(name, label, *, optional=False):
    """Make a parameter for any number of files and folders, which may stand in one list.

    The list that QGIS itself shows in a dialog turns a folder into all files that lie in it: an archive
    would become a million of them. Ours keeps it a folder; a model shows the one of QGIS.
    """
    definition = QgsProcessingParameterMultipleLayers(
        name, label, QgsProcessing.SourceType.TypeFile, optional=optional
    )
    definition.setMinimumNumberInputs(0 if optional else 1)
    definition.setMetadata({"widget_wrapper": {"class": f"{__package__}.places.PlacesWidget"}})
    return definition


class Shown(NamedTuple):
    """A layer of a product, as QGIS is to show it; without a style it has the one stored in its file."""

    source: str
    name: str
    style: Path | None = None
    visible: bool = True


class BluepeaceAlgorithm(Translated, QgsProcessingAlgorithm):
    """Runs one command; its parameter names are the option names of that command, `-` written `_`."""

    command = ""  # as after `bluepeace`
    positional = ()  # parameters the command takes by place, in order
    main_output = "out"  # the destination whose folder is kept clean; a file, or a folder of rasters
    extension = VECTOR_EXTENSION  # of its file
    resumable = False  # a stopped run is gone on with: what it has finished is kept
    shown = ""  # what QGIS is told after the file's name to show it: which layer of it, or how to read it
    loaded = ""  # output that lists the layers of a folder that are shown
    numbers = {}  # output name here: name in the engine's `numbers`

    def __init__(self):
        super().__init__()
        self.told = {}  # parameter: what the engine is told; a callable where it is made while running

    # Who it is

    def createInstance(self):
        return type(self)()

    def icon(self):
        return QIcon(str(ICON))

    def svgIconPath(self):
        return str(ICON)

    def tables(self):
        """Layers and tables of the result for the help: (name, meaning, ((column, meaning), ...)) each."""
        return ()

    def shortHelpString(self):
        """Compose the help from what each parameter says of itself, so that the two cannot differ."""
        parts = [f"<p>{escaped(self.about())}</p>", f"<h3>{escaped(self.tr('Parameters'))}</h3>"]
        for definition in self.parameterDefinitions():
            label, meaning = escaped(definition.description()), escaped(definition.help())
            parts.append(f"<p><b>{label}</b> (<code>{definition.name()}</code>)<br>{meaning}</p>")
        parts.append(f"<h3>{escaped(self.result_heading())}</h3>")
        for table, meaning, columns in self.tables():
            parts.append(f"<p><b><code>{table}</code></b>: {escaped(meaning)}</p><table>")
            parts += [
                f"<tr><td {TABLE_STYLE}><code>{name}</code></td><td>{escaped(meaning)}</td></tr>"
                for name, meaning in columns
            ]
            parts.append("</table>")
        return "\n".join(parts)

    def result_heading(self):
        """Say what the tables of the help list."""
        return self.tr("Columns of the result")

    def about(self):
        """Say in some sentences what the question is and how it is answered."""
        return self.shortDescription()

    def add(self, definition, meaning, *, rare=False):
        """Add a parameter with its help; a rare one is folded away under "Advanced"."""
        definition.setHelp(meaning)
        if rare:
            definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(definition)

    def add_long_work(self):
        """Add what the commands that may work for hours take: memory, workers, and going on."""
        self.add(
            QgsProcessingParameterNumber(
                "memory_mb",
                self.tr("Memory at most (MB)"),
                QgsProcessingParameterNumber.Type.Double,
                2000,
                minValue=1,
            ),
            self.tr("How much memory the whole work may take; its size changes no value."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterString("executor", self.tr("Work is done by"), "threads"),
            self.tr("threads, processes, or the address of a dask scheduler, such as tcp://localhost:8786."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean("resume", self.tr("Go on with a stopped run"), False),
            self.tr("Keeps the tiles that an earlier, stopped run has finished and that are still right."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean("retry_failed", self.tr("Try failed tiles again"), False),
            self.tr("Goes on with a stopped run too, and tries the tiles again that had failed."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean("dry_run", self.tr("Only say what would be done"), False),
            self.tr(
                "Names the scenes, gaps in time, missing bands, memory and disk space, and computes nothing."
            ),
            rare=True,
        )

    def canExecute(self):
        """Say why not where there is no engine; the algorithm is listed all the same."""
        try:
            Finder().find()
        except EngineMissing as missing:
            return False, str(missing)
        return True, ""

    # What can be wrong before the run

    def checkParameterValues(self, parameters, context):
        """Check what QGIS checks, then what the engine would find out only later."""
        passed, problem = super().checkParameterValues(parameters, context)
        if not passed:
            return passed, problem
        problem = next((found for found in self.problems(parameters, context) if found), "")
        return not problem, problem

    def problems(self, parameters, context):
        """Yield the sentence of each problem found, or an empty one; subclasses add their own."""
        for definition in self.parameterDefinitions():
            if definition.type() == "raster":
                layer = self.parameterAsRasterLayer(parameters, definition.name(), context)
                yield self.raster_problem(definition, layer)
            elif is_of_rasters(definition):
                yield from self.rasters_problems(definition, parameters, context)
            elif definition.type() == "source":
                yield self.source_problem(definition, parameters, context)
            elif definition.type() == "multilayer":
                yield self.places_problem(definition, parameters, context)
            elif definition.name() == self.main_output and definition.type() != FOLDER:
                yield self.destination_problem(definition, parameters, context)

    def rasters_problems(self, definition, parameters, context):
        """Yield what is wrong with each of several rasters; QGIS leaves out what it cannot open."""
        asked = parameters.get(definition.name())
        if not is_given(asked):
            return
        asked = asked if isinstance(asked, (list, tuple)) else str(asked).split(";")
        for one in asked:
            layer = one
            if not isinstance(one, QgsMapLayer):
                layer = QgsProcessingUtils.mapLayerFromString(str(one), context)
            if not isinstance(layer, QgsRasterLayer):
                yield self.tr(
                    "{label}: {path} was not found or is no raster. Remove it from the list, or choose a "
                    "raster file."
                ).format(label=definition.description(), path=one)
            else:
                yield self.raster_problem(definition, layer)

    def raster_problem(self, definition, layer):
        """Say what keeps the engine from reading this raster as QGIS shows it."""
        if layer is None or not layer.isValid():
            return ""
        label, name = definition.description(), layer.name()
        provider = layer.dataProvider()
        if provider.name() != "gdal":
            return self.tr(
                "{label}: {name} comes from the provider {provider}; a raster file was expected. Save it as "
                "GeoTIFF first (Export > Save As)."
            ).format(label=label, name=name, provider=provider.name())
        if not layer.crs().isValid():
            return self.tr(
                "{label}: {name} has no coordinate reference system, without which no area can be stated. "
                "Write it into the file first: Raster > Projections > Assign Projection."
            ).format(label=label, name=name)
        if provider.crs() != layer.crs():
            return self.tr(
                "{label}: {name} is shown in {shown}, but its file says {written}. The engine reads the "
                "file: write the right one into it first: Raster > Projections > Assign Projection."
            ).format(
                label=label,
                name=name,
                shown=layer.crs().authid() or layer.crs().description(),
                written=provider.crs().authid() or provider.crs().description() or self.tr("nothing"),
            )
        return ""

    def source_problem(self, definition, parameters, context):
        """Say what keeps these features from being placed on Earth."""
        if not is_given(parameters.get(definition.name())):
            return ""
        source = self.parameterAsSource(parameters, definition.name(), context)
        if source is None:
            return ""
        if not source.sourceCrs().isValid() and source.wkbType() != QgsWkbTypes.Type.NoGeometry:
            return self.tr(
                "{label}: {name} has no coordinate reference system. Set it first: layer's menu > Layer CRS "
                "> Set Layer CRS."
            ).format(label=definition.description(), name=source.sourceName())
        if source.featureCount() == 0:
            return self.tr(
                "{label}: {name} holds no features (or none is selected); at least one was expected."
            ).format(label=definition.description(), name=source.sourceName())
        return ""

    def places_problem(self, definition, parameters, context):
        """Say which of these files and folders is not there, or that they are too many to name."""
        if not is_given(parameters.get(definition.name())):
            return ""
        places = self.parameterAsFileList(parameters, definition.name(), context)
        missing = [place for place in places if not Path(place).exists()]
        if missing:
            return self.tr(
                "{label}: {path} was not found; a file or a folder on this computer was expected. Remove it "
                "from the list, or connect the disk it lies on."
            ).format(label=definition.description(), path=missing[0] or self.tr("an empty name"))
        if sum(len(place) + 3 for place in places) > PLACES_CHARACTERS:  # quotes and a space
            return self.tr(
                "{label}: {count} names are too many for one command line. Choose the folder they lie in "
                "instead, or an index of them made by “List scenes”."
            ).format(label=definition.description(), count=len(places))
        return ""

    def destination_problem(self, definition, parameters, context):
        """Say which file name the engine can write to."""
        waiting = context.layersToLoadOnCompletion()
        path = self.parameterAsOutputLayer(parameters, definition.name(), context)
        context.setLayersToLoadOnCompletion(waiting)  # asking has added it; the run asks again
        if Path(path).suffix.lower() == f".{self.extension}" and not path.startswith(("ogr:", "postgres:")):
            return ""
        return self.tr(
            "{label}: {path} was found; the name of a new file that ends in .{extension} was expected: the "
            "engine writes that format, and other files beside it."
        ).format(label=definition.description(), path=path, extension=self.extension)

    def apart(self, one, other, parameters, context):
        """Say so if `other` lies wholly outside `one`; an empty sentence otherwise."""
        places = [self.place(name, parameters, context) for name in (one, other)]
        if None in places:
            return ""
        (_, crs, extent), (name, other_crs, other_extent) = places
        transform = QgsCoordinateTransform(other_crs, crs, context.transformContext())
        try:
            moved = transform.transformBoundingBox(other_extent)
        except QgsCsException:
            moved = None  # nowhere in the system of the first
        if moved is not None and extent.intersects(moved):
            return ""
        return self.tr(
            "{other} and {one} do not overlap: {name} lies elsewhere. Choose layers of one place, "
            "and check that the coordinate reference system of each is the one it was made in."
        ).format(
            other=self.parameterDefinition(other).description(),
            one=self.parameterDefinition(one).description(),
            name=name,
        )

    def place(self, name, parameters, context):
        """Give name, coordinate reference system and extent of a layer; None if it says no place."""
        if self.parameterDefinition(name).type() == "raster":
            found = self.parameterAsRasterLayer(parameters, name, context)
            place = None if found is None else (found.name(), found.crs(), found.extent())
        else:
            found = self.parameterAsSource(parameters, name, context)
            place = None if found is None else (found.sourceName(), found.sourceCrs(), found.sourceExtent())
        return place if place is not None and place[1].isValid() else None

    # The run

    def prepareAlgorithm(self, parameters, context, feedback):  # noqa: ARG002 - QGIS passes it
        """Look at the layers, in the thread of the project; nothing slow happens here."""
        self.told = {
            definition.name(): self.word(definition, parameters, context)
            for definition in self.parameterDefinitions()
            if definition.name() != self.main_output  # to be asked with the context of the run, not with this
        }
        return True

    def word(self, definition, parameters, context):
        """Give what the engine is told for one parameter, None for nothing."""
        name = definition.name()
        value = parameters.get(name, definition.defaultValue())
        if isinstance(value, QgsProperty):
            value = value.staticValue()
        if not is_given(value) and not definition.isDestination():  # QGIS names a destination itself
            return None
        readers = {
            FOLDER: self.parameterAsFileOutput,
            "band": lambda *asked: str(self.parameterAsInt(*asked)),
            "boolean": lambda *asked: self.parameterAsBoolean(*asked) or None,
            "datetime": lambda *asked: in_words(self.parameterAsDateTime(*asked), definition.dataType()),
            "enum": lambda *asked: ",".join(self.parameterAsEnumStrings(*asked)),
            "field": lambda *asked: ",".join(self.columns(*asked)),
            "file": self.parameterAsFile,
            "multilayer": self.raster_files if is_of_rasters(definition) else self.parameterAsFileList,
            "number": lambda *asked: format(self.parameterAsDouble(*asked), ".15g"),
            "raster": lambda *asked: self.parameterAsRasterLayer(*asked).source(),
            "source": self.vector_file,
            "string": self.parameterAsString,
        }
        return readers[definition.type()](parameters, name, context)

    def columns(self, parameters, name, context):
        """Give the names of the chosen columns; QGIS 3.40 calls the question otherwise."""
        asked = getattr(self, "parameterAsStrings", None) or self.parameterAsFields
        return asked(parameters, name, context)

    def raster_files(self, parameters, name, context):
        """Give the files of several rasters."""
        return [layer.source() for layer in self.parameterAsLayerList(parameters, name, context)]

    def vector_file(self, parameters, name, context):
        """Give the file of these features, or a callable that writes one if a file does not say it all.

        The original file is told where it can be, since its checksum goes into the provenance.
        """
        value = parameters[name]
        part_only = False
        if isinstance(value, QgsProcessingFeatureSourceDefinition):
            # an older QGIS knows no filter expression
            part_only = (
                value.selectedFeaturesOnly
                or value.featureLimit >= 0
                or bool(getattr(value, "filterExpression", ""))
            )
            value = value.source.staticValue()
        layer = (
            value
            if isinstance(value, QgsVectorLayer)
            else QgsProcessingUtils.mapLayerFromString(str(value), context)
        )
        if isinstance(layer, QgsVectorLayer) and not part_only:
            told = whole_layer(layer)
            if told is not None:
                return told
        source = self.parameterAsSource(parameters, name, context)
        if source is None:
            raise QgsProcessingException(self.invalidSourceError(parameters, name))
        if source.wkbType() == QgsWkbTypes.Type.NoGeometry:
            return lambda folder: write_table(source, folder / f"{name}.{TABLE_EXTENSION}")
        return lambda folder: self.write_features(source, folder / f"{name}.{VECTOR_EXTENSION}", context)

    def write_features(self, source, path, context):
        """Write features with their columns, but for `fid`, which GeoPackage numbers itself."""
        kept = [i for i, field in enumerate(source.fields()) if field.name().lower() != "fid"]
        fields = QgsFields()
        for i in kept:
            fields.append(source.fields().at(i))
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName = "GPKG"
        options.layerName = path.stem
        writer = QgsVectorFileWriter.create(
            str(path), fields, source.wkbType(), source.sourceCrs(), context.transformContext(), options
        )
        # the engine checks geometries itself and says which one is wrong
        flags = QgsProcessingFeatureSource.Flag.FlagSkipGeometryValidityChecks
        for found in source.getFeatures(QgsFeatureRequest(), flags):
            feature = QgsFeature(fields)
            feature.setGeometry(found.geometry())
            feature.setAttributes([found.attribute(i) for i in kept])
            writer.addFeature(feature)
        failed = writer.hasError() != QgsVectorFileWriter.WriterError.NoError
        problem = writer.errorMessage()
        del writer  # closes the file
        if failed:
            raise QgsProcessingException(
                self.tr("{name} could not be handed to the engine: {problem}.").format(
                    name=source.sourceName(), problem=problem
                )
            )
        return str(path)

    def arguments(self, folder):
        """Give the words of the command line; what needs a file of its own is written into `folder`."""
        words = {name: word(folder) if callable(word) else word for name, word in self.told.items()}
        words = {name: word for name, word in words.items() if is_given(word)}
        options = [
            f"--{name.replace('_', '-')}" + ("" if word is True else f"={word}")
            for name, word in words.items()
            if name not in self.positional
        ]
        placed = [words[name] for name in self.positional if name in words]
        placed = [word for told in placed for word in (told if isinstance(told, list) else [told])]
        return [self.command, *placed, *options]

    def makes_folder(self):
        """Tell whether the main output is a folder, not a file."""
        return self.parameterDefinition(self.main_output).type() == FOLDER

    def unfinished(self):
        """Give the folder in which the engine keeps what is not complete, beside the main output."""
        out = Path(self.told[self.main_output])
        return out.parent / f".{out.name if self.makes_folder() else out.stem}.work"

    def working_folders(self):
        """Give such folders beside each product; without what a later run can use."""
        found = set() if self.resumable else {self.unfinished()}
        for definition in self.parameterDefinitions():
            folder = self.told.get(definition.name())
            if definition.type() == FOLDER and is_given(folder):
                found.update(Path(folder).glob(".*.work"))
        return {place for place in found if place.is_dir()}

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command in a process of its own and bring its result."""
        asked = self.parameterAsFileOutput if self.makes_folder() else self.parameterAsOutputLayer
        self.told[self.main_output] = asked(parameters, self.main_output, context)
        foreign = self.working_folders()  # another run's, or kept for a resume: not ours to remove
        folder = Path(tempfile.mkdtemp(prefix="bluepeace-", dir=QgsProcessingUtils.tempFolder()))
        done = False
        try:
            engine = Finder().find()
            identity = engine.handshake(feedback)
            feedback.pushInfo(
                self.tr("Engine {version} ({program}), GDAL {gdal}, PROJ {proj}").format(
                    version=identity.get("version"),
                    program=engine.program,
                    gdal=identity.get("gdal"),
                    proj=identity.get("proj"),
                )
            )
            arguments = self.arguments(folder)
            feedback.pushCommandInfo(" ".join(["bluepeace", *map(quoted, arguments)]))
            result = engine.run(arguments, feedback)
            for sentence in result.get("sentences", ()):
                feedback.pushInfo(str(sentence))
            results = self.results(result, context)
            done = True
        except EngineCancelled:
            raise QgsProcessingException(self.cancelled()) from None
        except (EngineFailed, EngineMissing) as failure:
            raise QgsProcessingException(str(failure)) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if not done:
                for left in self.working_folders() - foreign:  # by an engine that was killed
                    shutil.rmtree(left, ignore_errors=True)
        return results

    def cancelled(self):
        """Say what a cancelled run leaves."""
        if self.resumable and self.unfinished().is_dir():
            return self.tr(
                "Cancelled: nothing unfinished stands among the results. What was finished on the way waits "
                "in {folder}: run again with {resume} to go on from there, or delete it."
            ).format(folder=self.unfinished(), resume=self.parameterDefinition("resume").description())
        return self.tr("Cancelled: nothing unfinished stays behind.")

    def results(self, result, context):
        """Turn what the engine reports into the outputs that are declared."""
        outputs, numbers = result.get("outputs", {}), result.get("numbers", {})
        results = (self.bring_folder if self.makes_folder() else self.bring_layer)(outputs, context)
        for definition in self.outputDefinitions():
            name = definition.name()
            if self.numbers.get(name) in numbers:
                results[name] = numbers[self.numbers[name]]
            elif name in outputs and name not in results:
                results[name] = str(outputs[name])
            elif definition.type() == "outputFolder" and is_given(self.told.get(name)):
                results[name] = self.told[name]
        return results

    def written(self, path):
        """Give a file that the engine says it has written, if it is there."""
        if not Path(str(path)).is_file():
            raise EngineFailed(
                self.tr("The engine reports {path}, but there is no such file.").format(path=path)
            )
        return Path(str(path))

    def layers(self):
        """Name the layers of a file that are loaded, the uppermost first: (layer, name) each.

        The main one among them keeps the name that the user gave to the result. None: only that one.
        """
        return ()

    def bring_layer(self, outputs, context):
        """Have QGIS show the file that was made, if it was asked to, and give it."""
        destination = self.told[self.main_output]
        written = self.written(outputs.get(self.main_output, destination))
        drawn = f"{written}{self.shown}"
        waiting = context.layersToLoadOnCompletion()
        if destination in waiting:
            details = waiting.pop(destination)
            context.setLayersToLoadOnCompletion(waiting)
            main = Shown(drawn, details.name, written.with_suffix(".qml"))
            others = [Shown(f"{written}|layername={layer}", name) for layer, name in self.layers()]
            stack = [main if one.source == drawn else one for one in others] or [main]
            stack = [one for one in stack if one is main or holds_features(one.source)]
            load(stack, context, details.project, {drawn: details})
        return {self.main_output: drawn}

    def bring_folder(self, outputs, context):
        """Have QGIS show what is to be seen of a folder, and name it."""
        folder = self.told[self.main_output]
        outputs = {
            name: self.written(path) for name, path in outputs.items() if Path(str(path)) != Path(folder)
        }
        stack = self.layers_of_folder(outputs)
        if context.project() is not None:  # else there is nothing to show them in
            load(stack, context, context.project(), {}, self.loaded)
        return {self.main_output: folder, self.loaded: rasters_of(stack)}

    def layers_of_folder(self, outputs):
        """Give what is shown of a folder, the uppermost first; here the rasters that have a style."""
        return [
            Shown(str(path), title(path), path.with_suffix(".qml"))
            for path in outputs.values()
            if path.suffix == RASTER_SUFFIX and path.with_suffix(".qml").is_file()
        ]


def is_of_rasters(definition):
    """Tell whether a parameter takes several rasters, and not any files and folders."""
    return definition.type() == "multilayer" and definition.layerType() == QgsProcessing.SourceType.TypeRaster


def rasters_of(stack):
    """Give the files of the rasters among the layers, each once."""
    files = [os.path.normpath(one.source) for one in stack if one.source.endswith(RASTER_SUFFIX)]
    return list(dict.fromkeys(files))


def holds_features(source):
    """Tell whether a layer is there and not empty: an empty one would only fill the legend."""
    layer = QgsVectorLayer(source, "", "ogr")
    return layer.isValid() and layer.featureCount() > 0


def load(stack, context, project, known, output=""):
    """Have QGIS show layers, the uppermost first; `known` holds the details of those it knows of already."""
    order = Order([one.source for one in stack])
    for place, one in enumerate(stack):
        details = known.get(one.source) or QgsProcessingContext.LayerDetails(one.name, project, output)
        if hasattr(details, "layerSortKey"):  # from QGIS 3.32 on; greater ones lie above
            details.layerSortKey = len(stack) - place
        details.setPostProcessor(Painter.of(one, order))
        context.addLayerToLoadOnCompletion(one.source, details)


def title(raster):
    """Give the title from the record beside a raster, or the name of its file.

    What stands behind the colon comes first: rasters of one run differ there, and a legend cuts the end.
    """
    record = raster.with_suffix(".json")
    try:
        words = str(json.loads(record.read_text(encoding="utf-8"))["properties"]["title"])
    except (OSError, ValueError, LookupError, TypeError):
        return raster.stem
    return ": ".join(reversed(words.split(": ", 1)))


def whole_layer(layer):
    """Give a layer's file, with its name where there are several, if that says all it shows; else None."""
    if layer.providerType() != "ogr" or layer.subsetString() or layer.isModified():
        return None
    provider = layer.dataProvider()
    if provider.crs() != layer.crs():
        return None  # the engine reads what the file says
    if len(layer.fields()) != len(provider.fields()):
        return None  # joined and computed columns are in no file
    registry = QgsProviderRegistry.instance()
    told = {
        name: value for name, value in registry.decodeUri("ogr", layer.source()).items() if is_given(value)
    }
    path = told.pop("path", "")
    if Path(path).suffix.lower() in TEXT_TABLES:
        told.pop("openOptions", None)  # how QGIS reads its numbers does not matter
    name, number = told.pop("layerName", None), told.pop("layerId", 0)
    if told or not Path(path).is_file():  # only one kind of geometry, say, or read in a special way
        return None
    layers = registry.providerMetadata("ogr").querySublayers(path)
    drawn = [found for found in layers if found.wkbType() != QgsWkbTypes.Type.NoGeometry]
    if len(drawn) == 1 or Path(path).suffix.lower() in TEXT_TABLES:
        return path  # the engine reads the only layer with geometries
    if name is None:
        name = next((found.name() for found in layers if found.layerNumber() == number), None)
    return f"{path}|layername={name}" if name and "|" not in path + name else None


class Order:
    """Keeps the layers of one product in their order: QGIS sorts them by the names of their files."""

    def __init__(self, sources):
        self.sources = sources  # the uppermost first
        self.loaded = {}  # source: id of the layer

    def put(self, source, layer, root):
        """Move a layer that has just come below those that are to lie above it; give where it hangs."""
        node = root.findLayer(layer.id())
        if node is None:  # QGIS 3.32 and newer hang it up later, by the key of its details
            return None
        self.loaded[source] = layer.id()
        above = {self.loaded.get(other) for other in self.sources[: self.sources.index(source)]} - {None}
        parent = node.parent()
        hanging = parent.children()
        places = [
            place
            for place, other in enumerate(hanging)
            if isinstance(other, QgsLayerTreeLayer) and other.layerId() in above
        ]
        if places and max(places) > hanging.index(node):
            moved = node.clone()
            parent.insertChildNode(max(places) + 1, moved)
            parent.removeChildNode(node)
            node = moved
        return node


class Painter(Translated, QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer the style that the engine wrote beside it, and its place among the others."""

    kept = {}  # by layer

    def __init__(self, shown, order):
        super().__init__()
        self.shown = shown
        self.order = order

    @classmethod
    def of(cls, shown, order):
        """Make one for a layer; QGIS keeps no reference of its own."""
        cls.kept[shown.source] = cls(shown, order)
        return cls.kept[shown.source]

    def postProcessLayer(self, layer, context, feedback):
        """Style the layer, then put it in its place."""
        self.paint(layer, feedback)
        project = context.project()
        node = None if project is None else self.order.put(self.shown.source, layer, project.layerTreeRoot())
        if node is not None and not self.shown.visible:
            node.setItemVisibilityChecked(False)

    def paint(self, layer, feedback):
        """Read the .qml itself: loadNamedStyle prefers a style stored in the GeoPackage."""
        style = self.shown.style
        if style is None:
            layer.loadDefaultStyle()  # Processing does not, as the Browser does
            return
        if not style.is_file():
            return
        document = QDomDocument()
        parsed = document.setContent(style.read_text(encoding="utf-8"))
        if not (parsed[0] if isinstance(parsed, tuple) else parsed):  # Qt 5 gives a tuple, Qt 6 a value
            feedback.pushWarning(
                self.tr("{style} is not a style of QGIS; the layer keeps its own.").format(style=style)
            )
            return
        styled, problem = layer.importNamedStyle(document)
        if not styled:
            feedback.pushWarning(f"{style}: {problem}")
        layer.triggerRepaint()
