"""Sample points: the command `bluepeace sample-points` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import BluepeaceAlgorithm, is_given


class SamplePoints(BluepeaceAlgorithm):
    """Draws points of a class map at random, to be labelled by people."""

    command = "sample-points"
    positional = ("map",)
    shown = "|layername=points"
    numbers = {"POINTS": "points", "SUGGESTED_POINTS": "suggested_points"}

    def name(self):
        return "sample_points"

    def displayName(self):
        return self.tr("Sample points of a map")

    def group(self):
        return self.tr("Area estimates")

    def groupId(self):
        return "area_estimates"

    def tags(self):
        return self.tr("sample,stratified,random,points,validation,accuracy,reference,class").split(",")

    def shortDescription(self):
        return self.tr("Draws points of a class map at random, to be labelled by people.")

    def about(self):
        return self.tr(
            "Draws points of a class map at random, some in each class or stratum, so that “Area from "
            "labelled points” can tell the area of each class with an interval that holds. The layer is "
            "loaded with a form: switch editing on, go from point to point in the order of point_id, and "
            "choose what you see in an image under reference. The form does not show what the map says "
            "there, so that nobody is drawn towards it. The same seed gives the same points on "
            "every computer."
        )

    def tables(self):
        return (
            (
                "points",
                self.tr("the points, once for each year in which they are to be labelled"),
                (
                    ("point_id", self.tr("number of the point; label them in this order")),
                    ("stratum", self.tr("stratum it was drawn in; the form hides it")),
                    ("year", self.tr("year in which it is to be labelled")),
                    ("reference", self.tr("to be filled in: the class that is there")),
                    ("reference_2", self.tr("to be filled in by a second person, if there is one")),
                    ("note", self.tr("to be filled in, if there is anything to say")),
                    ("weight_ha", self.tr("land that the point stands for, ha")),
                    ("lon", self.tr("longitude, degrees")),
                    ("lat", self.tr("latitude, degrees")),
                ),
            ),
            (
                "strata",
                self.tr("table: the strata and how many points were drawn in each"),
                (
                    ("stratum", self.tr("name of the stratum")),
                    ("code", self.tr("its number in the raster")),
                    ("area_ha", self.tr("its area on the ellipsoid, ha")),
                    ("cells", self.tr("its number of cells")),
                    ("points", self.tr("points drawn in it")),
                    ("expected_accuracy", self.tr("share of it expected to be mapped right")),
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        integer = QgsProcessingParameterNumber.Type.Integer
        decimal = QgsProcessingParameterNumber.Type.Double
        self.add(
            QgsProcessingParameterRasterLayer("map", self.tr("Class map")),
            self.tr(
                "A raster of classes, whose category names in the file name them. Where it is nodata or its "
                "class is called “not observed”, no point is drawn."
            ),
        )
        self.add(
            QgsProcessingParameterBand("band", self.tr("Band with the classes"), 1, "map", optional=True),
            self.tr("Which band of the map holds the classes."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "points", self.tr("Number of points"), integer, None, optional=True, minValue=1
            ),
            self.tr("How many points are drawn. Empty: as many as the standard error below needs."),
        )
        self.add(
            QgsProcessingParameterString("years", self.tr("Years to be labelled"), None, optional=True),
            self.tr(
                "Years separated by commas, such as 2015,2024: every point is to be labelled in each, by "
                "which change is estimated best. Empty: the year in the name of the map."
            ),
        )
        self.add(
            QgsProcessingParameterNumber(
                "buffer_m",
                self.tr("Buffer around a class (m)"),
                decimal,
                None,
                optional=True,
                minValue=0,
            ),
            self.tr(
                "Land within so many metres of the classes named below becomes a stratum of its own, for "
                "there the map is likely to have missed them. It is written beside the points as "
                "NAME_strata.tif, which “Area from labelled points” then needs."
            ),
        )
        self.add(
            QgsProcessingParameterString("buffer_of", self.tr("Classes with a buffer"), None, optional=True),
            self.tr(
                "Classes around which the buffer lies, separated by commas. Empty: gained and lost, or "
                "irrigated, or else the rarest."
            ),
        )
        self.add(
            QgsProcessingParameterRasterLayer("strata", self.tr("Strata"), optional=True),
            self.tr("A raster of strata on the grid of the map. Empty: its classes are the strata."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber("seed", self.tr("Seed"), integer, 1, minValue=0),
            self.tr("Another number gives another sample, the same number the same sample."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "floor", self.tr("Points in a stratum at least"), integer, 50, minValue=1
            ),
            self.tr("How many points a stratum gets, however small it is."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "standard_error", self.tr("Standard error aimed at"), decimal, 0.01, minValue=0.0001
            ),
            self.tr("Of the overall accuracy, from 0 to 1: the number of points is chosen for it."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterString("expected", self.tr("Expected accuracies"), None, optional=True),
            self.tr(
                "Share of each class expected to be mapped right, such as irrigated=0.8,not irrigated=0.95; "
                "0.9 where none is given."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean("random", self.tr("Draw without strata"), False),
            self.tr("Draws from the whole map at once; the classes are then taken for strata afterwards."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterVectorDestination(
                "out", self.tr("Sample points"), QgsProcessing.SourceType.TypeVectorPoint
            ),
            self.tr("GeoPackage to write: the layer points with its form for labelling, the table strata."),
        )
        self.addOutput(QgsProcessingOutputNumber("POINTS", self.tr("Number of points drawn")))
        self.addOutput(
            QgsProcessingOutputNumber(
                "SUGGESTED_POINTS", self.tr("Number of points that the formula suggests")
            )
        )
        self.addOutput(QgsProcessingOutputFile("picture", self.tr("Picture of the points on the map")))
        self.addOutput(QgsProcessingOutputFile("strata", self.tr("Raster of the strata, with a buffer")))

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        if is_given(parameters.get("buffer_of")) and not is_given(parameters.get("buffer_m")):
            yield self.tr("{classes} are given without {buffer}: give its width in metres too.").format(
                classes=self.parameterDefinition("buffer_of").description(),
                buffer=self.parameterDefinition("buffer_m").description(),
            )
