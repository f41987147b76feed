"""Season composites: the command `bluepeace season` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputMultipleLayers,
    QgsProcessingOutputNumber,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
)

from .algorithm import BluepeaceAlgorithm, several_places


class Season(BluepeaceAlgorithm):
    """Combines the clear observations of a season into one value for each cell."""

    command = "season"
    positional = ("scenes",)
    resumable = True
    loaded = "composites"
    numbers = {"SCENES": "scenes", "LEFT_OUT": "left_out", "TILES": "tiles", "SEEN_PCT": "seen_pct"}

    def name(self):
        return "season"

    def displayName(self):
        return self.tr("Season composites")

    def group(self):
        return self.tr("Satellite images")

    def groupId(self):
        return "satellite_images"

    def tags(self):
        return self.tr(
            "satellite,composite,mosaic,median,NDVI,NDSI,NDWI,snow,cloud-free,time series,Landsat,Sentinel-2"
        ).split(",")

    def shortDescription(self):
        return self.tr("Combines the clear observations of a season into one value for each cell.")

    def about(self):
        return self.tr(
            "Takes all scenes of a season, calibrates them by their metadata, leaves out clouds, shadows and "
            "what else is unclear by their quality codes, and combines what is left of each cell. No cell is "
            "resampled: each sensor, UTM zone and cell size has a composite of its own, and each is loaded "
            "with its style. Companions, which are not loaded, tell how often a cell was seen and when. "
            "Terabytes are worked off in tiles within the memory you allow, and a stopped run can be gone "
            "on with."
        )

    def result_heading(self):
        return self.tr("Files of the result, for each sensor, zone and cell size")

    def tables(self):
        return (
            (
                "NAME.tif",
                self.tr(
                    "the composite, loaded and drawn; one band of an index, or six of reflectance; nodata "
                    "where no clear observation was made"
                ),
                (
                    ("ndvi, ndsi, ndwi, mndwi", self.tr("the index, -1 to 1")),
                    ("blue, green, red, nir, swir1, swir2", self.tr("reflectance, 0 to 1")),
                ),
            ),
            (
                "NAME_count.tif",
                self.tr("how often each cell was seen clear"),
                (("clear observations", self.tr("their number")),),
            ),
            (
                "NAME_date.tif",
                self.tr("for max and min-snow: when the value was seen"),
                (("date, YYYYMMDD", self.tr("day as a number, such as 20240715; 0 for none")),),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        self.add(
            several_places("scenes", self.tr("Scenes")),
            self.tr(
                "Folders of scenes, single scenes, the GeoPackage made by “List scenes” (for large "
                "archives), or a STAC item collection, in one list. In qgis_process write "
                "scenes=PATH once for each."
            ),
        )
        day = QgsProcessingParameterDateTime.Type.Date
        self.add(
            QgsProcessingParameterDateTime("from", self.tr("First day"), day),
            self.tr("First day of the season (UTC), such as 2024-04-01."),
        )
        self.add(
            QgsProcessingParameterDateTime("to", self.tr("Last day"), day),
            self.tr("Last day of the season, itself included, such as 2024-10-31."),
        )
        self.add(
            QgsProcessingParameterEnum(
                "statistic",
                self.tr("Statistic"),
                ["median", "max", "p90", "geomedian", "min-snow"],
                usesStaticStrings=True,
            ),
            self.tr(
                "median, max (greatest) or p90 (90th percentile) of an index. geomedian: the geometric "
                "median of the reflectances, a picture without clouds. min-snow: the reflectances of the "
                "observation with the lowest snow index, for glaciers."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                "of",
                self.tr("Index"),
                ["ndvi", "ndsi", "ndwi", "mndwi"],
                defaultValue="ndvi",
                usesStaticStrings=True,
            ),
            self.tr(
                "What median, max and p90 are of: ndvi (plants), ndsi (snow), ndwi or mndwi (water). The "
                "other statistics do not ask for it."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "area", self.tr("Study area"), [QgsProcessing.SourceType.TypeVectorPolygon], optional=True
            ),
            self.tr("Polygons: only what lies in the box around them is computed. Empty: all the scenes."),
        )
        self.add(
            QgsProcessingParameterEnum(
                "reject",
                self.tr("Leave out"),
                ["cloud", "dilated_cloud", "shadow", "cirrus", "snow", "saturated", "water"],
                allowMultiple=True,
                optional=True,
                usesStaticStrings=True,
            ),
            self.tr(
                "What makes an observation unclear. None chosen: all but water, and for min-snow all but "
                "water, snow and saturated."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "cloud_pct_max",
                self.tr("Clouds at most (%)"),
                QgsProcessingParameterNumber.Type.Double,
                100,
                minValue=0,
                maxValue=100,
            ),
            self.tr("Scenes with more clouds, by their metadata in percent, are left out."),
            rare=True,
        )
        self.add_long_work()
        self.add(
            QgsProcessingParameterFolderDestination("out", self.tr("Folder for the composites")),
            self.tr("Folder to write into; the composites are loaded from there into the project."),
        )
        self.addOutput(
            QgsProcessingOutputMultipleLayers("composites", self.tr("Composites, one for each lattice"))
        )
        self.addOutput(QgsProcessingOutputNumber("SCENES", self.tr("Number of scenes used")))
        self.addOutput(QgsProcessingOutputNumber("LEFT_OUT", self.tr("Number of scenes left out")))
        self.addOutput(QgsProcessingOutputNumber("TILES", self.tr("Number of tiles computed")))
        self.addOutput(
            QgsProcessingOutputNumber("SEEN_PCT", self.tr("Share of the scenes' land seen clear (%)"))
        )

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        first, last = (self.parameterAsDateTime(parameters, name, context).date() for name in ("from", "to"))
        if first > last:
            yield self.tr("{last} lies before {first}: exchange the two.").format(
                first=self.parameterDefinition("from").description(),
                last=self.parameterDefinition("to").description(),
            )
