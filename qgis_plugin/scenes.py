"""List scenes: the command `bluepeace scenes` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFile,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import BluepeaceAlgorithm, is_given, several_places


class Scenes(BluepeaceAlgorithm):
    """Lists the scenes of a satellite archive with their footprints, dates, cloud and bands."""

    command = "scenes"
    positional = ("folders",)
    shown = "|layername=scenes"
    numbers = {"SCENES": "scenes", "BROKEN": "broken", "UNCHANGED": "unchanged"}

    def name(self):
        return "scenes"

    def displayName(self):
        return self.tr("List scenes")

    def group(self):
        return self.tr("Satellite images")

    def groupId(self):
        return "satellite_images"

    def tags(self):
        return self.tr("satellite,archive,index,catalogue,footprint,cloud,Landsat,Sentinel-2,HLS,STAC").split(
            ","
        )

    def shortDescription(self):
        return self.tr(
            "Lists the scenes of a satellite archive with their footprints, dates, cloud and bands."
        )

    def about(self):
        return self.tr(
            "Reads the metadata of all scenes in folders on this computer or on a server's disk; nothing is "
            "unpacked and no pixel is read. The layer shows what there is, when and where, and the table "
            "broken what cannot be used and why. Run it again into the same file after scenes have come or "
            "gone: only what has changed is read. The file can be given to “Season composites” instead of "
            "the folders. Beside it lie the same as a STAC item collection, a picture, the style, and the "
            "record of how it was made."
        )

    def tables(self):
        return (
            (
                "scenes",
                self.tr("the footprint of each scene"),
                (
                    ("name", self.tr("name of the scene")),
                    ("path", self.tr("where it lies, seen from the folder of the GeoPackage")),
                    ("family", self.tr("landsat, sentinel-2, hls, modis or plain (a GeoTIFF)")),
                    ("platform", self.tr("satellite")),
                    ("instrument", self.tr("its camera")),
                    ("time", self.tr("when it was taken (UTC)")),
                    ("overpass", self.tr("scenes of one overpass were taken in one go")),
                    ("crs", self.tr("coordinate reference system of its cells")),
                    ("cloud_pct", self.tr("clouds by the metadata, percent")),
                    ("baseline", self.tr("version of the agency's processing")),
                    ("bands", self.tr("its bands, by their common names")),
                    ("resolution_m", self.tr("side of its smallest cells, m")),
                    ("sun_azimuth_deg", self.tr("direction to the sun, degrees clockwise from north")),
                    ("sun_elevation_deg", self.tr("height of the sun, degrees above the horizon")),
                    ("size_bytes", self.tr("size of all its files, bytes")),
                    ("modified", self.tr("newest change of its files (UTC)")),
                    ("findings", self.tr("what was found odd in its metadata")),
                    ("identity", self.tr("digest of names, sizes and times of change of its files")),
                    ("description", self.tr("what is needed to read it without looking it up again")),
                ),
            ),
            (
                "broken",
                self.tr("table: what should be a scene and cannot be used"),
                (("path", self.tr("where it lies")), ("reason", self.tr("what is wrong with it"))),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        self.add(
            several_places("folders", self.tr("Folders or scenes"), optional=True),
            self.tr(
                "Folders, searched with all folders in them, or single scenes, in one list: Landsat "
                "Collection 2 Level-2 (folder or .tar), Sentinel-2 Level-2A (.SAFE folder or .zip), HLS, "
                "MODIS, and GeoTIFFs with a description beside them. In qgis_process write "
                "folders=PATH once for each."
            ),
        )
        self.add(
            QgsProcessingParameterFile(
                "stac",
                self.tr("STAC items of scenes on this disk"),
                QgsProcessingParameterFile.Behavior.File,
                optional=True,
                fileFilter=self.tr("STAC (*.json *.geojson)"),
            ),
            self.tr("A STAC item collection, catalogue or item, whose scenes lie on this disk: listed too."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterVectorDestination(
                "out", self.tr("Scenes"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            self.tr(
                "GeoPackage to write: the layer scenes is drawn, the table broken lies in it too. If the "
                "file is there already, only what has changed since is read again."
            ),
        )
        self.addOutput(QgsProcessingOutputNumber("SCENES", self.tr("Number of scenes")))
        self.addOutput(QgsProcessingOutputNumber("BROKEN", self.tr("Number of scenes that cannot be used")))
        self.addOutput(
            QgsProcessingOutputNumber("UNCHANGED", self.tr("Number of scenes taken from the file before"))
        )
        self.addOutput(QgsProcessingOutputFile("items", self.tr("The same as STAC item collection")))
        self.addOutput(QgsProcessingOutputFile("picture", self.tr("Picture of the archive")))

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        if not is_given(parameters.get("folders")) and not is_given(parameters.get("stac")):
            yield self.tr("Neither {folders} nor {stac} are given: add the folder of the archive.").format(
                folders=self.parameterDefinition("folders").description(),
                stac=self.parameterDefinition("stac").description(),
            )
