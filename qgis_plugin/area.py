"""Area from labelled points: the command `bluepeace area` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from .algorithm import TABLE_EXTENSION, TABLE_SHOWN, BluepeaceAlgorithm, TableDestination, is_given


class Area(BluepeaceAlgorithm):
    """Estimates the area of each class of a map from labelled points, with intervals."""

    command = "area"
    positional = ("map", "points")
    extension = TABLE_EXTENSION
    shown = TABLE_SHOWN
    numbers = {
        "UNOBSERVED_PCT": "unobserved_pct",
        "NOT_OBSERVED_HA": "not_observed_ha",
        "NODATA_HA": "nodata_ha",
        "OVERALL_ACCURACY": "overall_accuracy",
        "INTERPRETERS_AGREE_PCT": "interpreters_agree_pct",
    }

    def name(self):
        return "area"

    def displayName(self):
        return self.tr("Area from labelled points")

    def group(self):
        return self.tr("Area estimates")

    def groupId(self):
        return "area_estimates"

    def tags(self):
        return self.tr("area,accuracy,confidence,interval,error matrix,validation,class,change,points").split(
            ","
        )

    def shortDescription(self):
        return self.tr("Estimates the area of each class of a map from labelled points, with intervals.")

    def about(self):
        return self.tr(
            "Counting the cells of a map gives no area: its errors do not cancel. This tool takes points "
            "drawn at random (“Sample points of a map”) and labelled by people, corrects the map by them, "
            "and gives each class its area with a confidence interval, in all and in each zone, and the "
            "accuracy of the map. Points labelled in several years give the change. Beside the table lie "
            "those of accuracies, of the error matrix, of the zones and of changes, a picture, and the "
            "record of inputs, parameters and versions by which the other side can repeat the run."
        )

    def tables(self):
        year = ("year", self.tr("year of the points"))
        zone = ("zone", self.tr("name of the zone; “all” for the whole, “outside” for land in none"))
        of_class = ("class", self.tr("name of the class"))
        interval = (
            ("ci_low_ha", self.tr("lower end of the 95 % interval (Jeffreys), ha")),
            ("ci_high_ha", self.tr("upper end of the 95 % interval (Jeffreys), ha")),
            ("wald_low_ha", self.tr("lower end of the usual interval (Wald), ha")),
            ("wald_high_ha", self.tr("upper end of the usual interval (Wald), ha")),
        )
        points = ("n_points", self.tr("number of points it rests on"))
        return (
            (
                "NAME.csv",
                self.tr("the area of each class, in all and in each zone"),
                (
                    year,
                    zone,
                    of_class,
                    ("map_area_ha", self.tr("area of its cells on the map, on the ellipsoid, ha")),
                    ("area_ha", self.tr("the estimate, ha")),
                    *interval,
                    ("users_accuracy", self.tr("share of the mapped class that is right, 0 to 1")),
                    (
                        "producers_accuracy",
                        self.tr("share of the class on the ground that is mapped, 0 to 1"),
                    ),
                    points,
                ),
            ),
            (
                "NAME_accuracy.csv",
                self.tr("accuracies of the map"),
                (
                    year,
                    zone,
                    of_class,
                    ("measure", self.tr("which accuracy, or agreement of two interpreters")),
                    ("value", self.tr("its value, 0 to 1")),
                    ("ci_low", self.tr("lower end of the 95 % interval (Jeffreys)")),
                    ("ci_high", self.tr("upper end of the 95 % interval (Jeffreys)")),
                    ("wald_low", self.tr("lower end of the usual interval (Wald)")),
                    ("wald_high", self.tr("upper end of the usual interval (Wald)")),
                    points,
                ),
            ),
            (
                "NAME_matrix.csv",
                self.tr("the error matrix of the whole"),
                (
                    year,
                    ("map_class", self.tr("class on the map")),
                    ("reference", self.tr("class that was found")),
                    points,
                    ("share", self.tr("share of all land, 0 to 1")),
                    ("area_ha", self.tr("the estimate, ha")),
                ),
            ),
            (
                "NAME_zones.csv",
                self.tr("what was observed of each zone"),
                (
                    zone,
                    ("area_ha", self.tr("its cells on the map, on the ellipsoid, ha")),
                    ("observed_ha", self.tr("of them with a class, ha")),
                    ("not_observed_ha", self.tr("of them not observed, ha")),
                    ("nodata_ha", self.tr("of them without data, ha")),
                    ("in_no_stratum_ha", self.tr("observed, but in no stratum, ha")),
                    ("unobserved_pct", self.tr("share not observed or without data, percent")),
                ),
            ),
            (
                "NAME_change.csv",
                self.tr("for points of several years: the change of each class"),
                (
                    ("from_year", self.tr("year before")),
                    ("to_year", self.tr("year after")),
                    zone,
                    of_class,
                    ("measure", self.tr("net, gained or lost; net is gained minus lost")),
                    ("area_ha", self.tr("the estimate, ha")),
                    *interval,
                    points,
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        self.add(
            QgsProcessingParameterRasterLayer("map", self.tr("Class map")),
            self.tr(
                "A raster of classes, whose category names in the file name them: the one that the points "
                "were drawn of. Nodata and the class “not observed” count as unobserved."
            ),
        )
        self.add(
            QgsProcessingParameterBand("band", self.tr("Band with the classes"), 1, "map", optional=True),
            self.tr("Which band of the map holds the classes."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "points", self.tr("Labelled points"), [QgsProcessing.SourceType.TypeVectorPoint]
            ),
            self.tr(
                "Points drawn at random, with the column reference, the class that was found, by name or "
                "code; optionally reference_2 (a second person), stratum and year."
            ),
        )
        self.add(
            QgsProcessingParameterRasterLayer("strata", self.tr("Strata"), optional=True),
            self.tr(
                "The raster of the strata in which the points were drawn (NAME_strata.tif beside them), if "
                "these are not the classes of the map."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "zones", self.tr("Zones"), [QgsProcessing.SourceType.TypeVectorPolygon], optional=True
            ),
            self.tr("Polygons, such as districts: each gets its own estimate; they add up to the whole."),
        )
        self.add(
            QgsProcessingParameterField(
                "zone_field", self.tr("Column with the zone's name"), None, "zones", optional=True
            ),
            self.tr("Which column names the zones. Empty: name, where there is one, else the first text."),
        )
        self.add(
            QgsProcessingParameterNumber(
                "map_year",
                self.tr("Year of the map"),
                QgsProcessingParameterNumber.Type.Integer,
                None,
                optional=True,
            ),
            self.tr("Which year the map shows. Empty: the one in its name, or the only one of the points."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean(
                "random", self.tr("Points were drawn without strata"), None, optional=True
            ),
            self.tr("Known by itself where the column stratum of the points says “all”."),
            rare=True,
        )
        self.add(
            TableDestination("out", self.tr("Areas")),
            self.tr("Table to write (CSV in UTF-8); the other tables and the picture lie beside it."),
        )
        for name, label in (
            ("accuracy", self.tr("Table of accuracies")),
            ("matrix", self.tr("Error matrix")),
            ("zones", self.tr("Table of zones")),
            ("change", self.tr("Table of changes, for points of several years")),
            ("picture", self.tr("Picture of areas and intervals")),
        ):
            self.addOutput(QgsProcessingOutputFile(name, label))
        for name, label in (
            ("UNOBSERVED_PCT", self.tr("Share of the map not observed (%)")),
            ("NOT_OBSERVED_HA", self.tr("Land not observed (ha)")),
            ("NODATA_HA", self.tr("Cells without data (ha)")),
            ("OVERALL_ACCURACY", self.tr("Overall accuracy of the map (0 to 1)")),
            ("INTERPRETERS_AGREE_PCT", self.tr("Points on which two people agree (%)")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        yield self.apart("map", "points", parameters, context)
        if is_given(parameters.get("zones")):
            yield self.apart("map", "zones", parameters, context)
