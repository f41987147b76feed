"""Country shares: the command `bluepeace shares` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
)

from .algorithm import TABLE_EXTENSION, TABLE_SHOWN, BluepeaceAlgorithm, TableDestination


class Shares(BluepeaceAlgorithm):
    """Tells which country holds what share of basins or any other polygons."""

    command = "shares"
    positional = ("polygons",)
    extension = TABLE_EXTENSION
    shown = TABLE_SHOWN
    numbers = {"ZONES": "zones", "AREA_KM2": "area_km2"}

    def name(self):
        return "shares"

    def displayName(self):
        return self.tr("Country shares")

    def group(self):
        return self.tr("Basins")

    def groupId(self):
        return "basins"

    def tags(self):
        return self.tr("country,share,border,overlay,area,basin,lake,transboundary").split(",")

    def shortDescription(self):
        return self.tr("Tells which country holds what share of basins or any other polygons.")

    def about(self):
        return self.tr(
            "Divides polygons (basins, lakes, glaciers, irrigated land) among countries and measures the "
            "parts on the ellipsoid. The rows of a polygon add up to its area and to 100 percent exactly: "
            "land that the polygons of several countries cover is counted once, in a row “overlap: A, B” of "
            "its own, and land that none covers in a row “no country”. Beside the table lies the record of "
            "inputs, parameters and versions by which the other side can repeat the run."
        )

    def tables(self):
        return (
            (
                "shares.csv",
                self.tr("one row for each polygon and country, polygons in their order"),
                (
                    ("zone", self.tr("name or number of the polygon")),
                    (
                        "country",
                        self.tr(
                            "name of the country; “overlap: A, B” is land that several countries' polygons "
                            "cover, “no country” land that none does"
                        ),
                    ),
                    ("area_km2", self.tr("land of the country in the polygon, on the ellipsoid, km²")),
                    ("share_pct", self.tr("its share of the polygon, percent; the shares add up to 100")),
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        self.add(
            QgsProcessingParameterFeatureSource(
                "polygons", self.tr("Polygons"), [QgsProcessing.SourceType.TypeVectorPolygon]
            ),
            self.tr("Basins or any other polygons; where they overlap, each is divided by itself."),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "countries", self.tr("Countries"), [QgsProcessing.SourceType.TypeVectorPolygon]
            ),
            self.tr("Polygons of the countries: one set of borders for all of them."),
        )
        self.add(
            QgsProcessingParameterField(
                "country_field", self.tr("Column with the country's name"), None, "countries"
            ),
            self.tr("Which column of the countries names them; polygons of one name are one country."),
        )
        self.add(
            QgsProcessingParameterField(
                "zone_field", self.tr("Column with the polygon's name"), None, "polygons", optional=True
            ),
            self.tr(
                "Which column names the polygons in the table; each name may stand there once. Empty: "
                "outlet_id or name where there is such a column, else the number of the row, the first "
                "being 0."
            ),
        )
        self.add(
            TableDestination("out", self.tr("Shares")),
            self.tr("Table to write (CSV in UTF-8): zone, country, area_km2, share_pct."),
        )
        self.addOutput(QgsProcessingOutputNumber("ZONES", self.tr("Number of polygons")))
        self.addOutput(
            QgsProcessingOutputNumber(
                "AREA_KM2", self.tr("Area of all polygons (km²), overlapping ones each for itself")
            )
        )

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        yield self.apart("polygons", "countries", parameters, context)
