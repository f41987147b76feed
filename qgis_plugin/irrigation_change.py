"""Change of irrigated land: the command `bluepeace irrigation-change` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputMultipleLayers,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from .algorithm import Shown, title
from .irrigation import IrrigationAlgorithm

ZONES = "|layername=zones"


class IrrigationChange(IrrigationAlgorithm):
    """Tells from maps of single years what became of irrigated land."""

    command = "irrigation-change"
    positional = ("maps",)
    loaded = "shown"
    numbers = {
        "YEARS": "years",
        "CHANGE_HA": "change, ha",
        "CHANGE_LOW_HA": "change, low ha",
        "CHANGE_HIGH_HA": "change, high ha",
        "NEVER_HA": "never, ha",
        "KEPT_HA": "kept, ha",
        "GAINED_HA": "gained, ha",
        "LOST_HA": "lost, ha",
        "INTERMITTENT_HA": "intermittent, ha",
        "NOT_OBSERVED_HA": "not observed, ha",
        "OUTSIDE_HA": "outside, ha",
        "TREND_HA_PER_YEAR": "trend, ha a year",
        "TREND_P": "trend, p",
    }

    def name(self):
        return "irrigation_change"

    def displayName(self):
        return self.tr("Change of irrigated land")

    def tags(self):
        return self.tr(
            "irrigation,change,abandoned,trend,transition,frequency,time series,Landsat,Sentinel-2"
        ).split(",")

    def shortDescription(self):
        return self.tr("Tells from annual maps which irrigated land was kept, gained and lost, in each zone.")

    def about(self):
        return self.tr(
            "Looks at the states of each cell in all years and says whether its irrigation was kept, gained, "
            "lost, or came and went; years not observed or uncertain stay open and never count as not "
            "irrigated. Zones get their areas in each year, what went over from one period to the next, and "
            "a trend. The limits of the areas tell what the open years could change and are no confidence "
            "intervals: for those give change.tif to “Sample points of a map”. Maps made by different rules "
            "are refused, since a difference of method is no change on the ground."
        )

    def result_heading(self):
        return self.tr("Files of the result")

    def tables(self):
        zone = ("zone", self.tr("name of the zone"))
        unit = ("zone", self.tr("name of the zone or larger unit; “all” for the whole"))
        level = ("level", self.tr("zone, the column of the larger unit, or all"))
        columns = self.columns_of_change()
        return (
            (
                "change.tif",
                self.tr("what became of each cell, loaded and drawn"),
                (
                    (
                        "change",
                        self.tr(
                            "1 never irrigated, 2 kept, 3 gained, 4 lost, 5 intermittent; 0 not observed, "
                            "255 outside"
                        ),
                    ),
                    (
                        "classes possible (sum of 2 ** code)",
                        self.tr("which of these the open years leave possible"),
                    ),
                ),
            ),
            (
                "frequency.tif",
                self.tr("how often each cell was irrigated, loaded and drawn"),
                (
                    ("share of known years irrigated, %", self.tr("of the years that are known")),
                    ("years irrigated", self.tr("their number")),
                    ("years known", self.tr("number of years irrigated or not irrigated")),
                    ("years uncertain", self.tr("number of uncertain years")),
                ),
            ),
            (
                "change.gpkg: zones",
                self.tr(
                    "the zones with their change, loaded and drawn; columns of larger units follow the name"
                ),
                (zone, *columns),
            ),
            (
                "change.gpkg: groups",
                self.tr("the larger units and the whole, loaded, not switched on"),
                (level, unit, *columns),
            ),
            (
                "annual.csv",
                self.tr("the land of each zone in each year"),
                (
                    level,
                    unit,
                    ("year", self.tr("the year")),
                    ("area_ha", self.tr("area of the zone on the ellipsoid, ha")),
                    ("irrigated_ha", self.tr("irrigated land on the map, ha")),
                    ("low_ha", self.tr("the same, if nothing that is open were irrigated, ha")),
                    ("high_ha", self.tr("the same, if all that is open were irrigated, ha")),
                    ("not_irrigated_ha", self.tr("land that is not irrigated, ha")),
                    ("uncertain_ha", self.tr("uncertain land, ha")),
                    ("not_observed_ha", self.tr("land not observed, ha")),
                    ("outside_ha", self.tr("land outside the map, ha")),
                    ("decided_pct", self.tr("share irrigated or not irrigated, percent")),
                    ("unobserved_pct", self.tr("share not observed, percent")),
                ),
            ),
            (
                "transitions.csv",
                self.tr("what went over from one period to the next"),
                (
                    level,
                    unit,
                    ("from_period", self.tr("the earlier year or period")),
                    ("to_period", self.tr("the later year or period")),
                    ("from_state", self.tr("state before")),
                    ("to_state", self.tr("state after")),
                    ("area_ha", self.tr("land that went over, ha")),
                ),
            ),
        )

    def columns_of_change(self):
        """Explain the columns that zones and larger units have in common."""
        low = self.tr("the same, if nothing that is open were irrigated, ha")
        high = self.tr("the same, if all that is open were irrigated, ha")
        firm = self.tr("of it, what no open year can change, ha")
        possible = self.tr("what it may be at most, ha")
        classes = (
            ("never", self.tr("land never irrigated, ha")),
            ("kept", self.tr("irrigated land kept, ha")),
            ("gained", self.tr("irrigated land gained, ha")),
            ("lost", self.tr("irrigated land lost, ha")),
            ("intermittent", self.tr("land irrigated now and then, ha")),
        )
        of_classes = [
            column
            for name, meaning in classes
            for column in ((f"{name}_ha", meaning), (f"{name}_low_ha", firm), (f"{name}_high_ha", possible))
        ]
        return (
            ("first_year", self.tr("year of the first map")),
            ("last_year", self.tr("year of the last map")),
            ("area_ha", self.tr("area on the ellipsoid, ha")),
            ("first_ha", self.tr("irrigated land on the first map, ha")),
            ("first_low_ha", low),
            ("first_high_ha", high),
            ("last_ha", self.tr("irrigated land on the last map, ha")),
            ("last_low_ha", low),
            ("last_high_ha", high),
            ("change_ha", self.tr("change from the first map to the last, ha")),
            ("change_low_ha", self.tr("the least that the open land allows, ha")),
            ("change_high_ha", self.tr("the greatest that the open land allows, ha")),
            ("change_decided_ha", self.tr("change of the land that is known on both maps, ha")),
            *of_classes,
            ("not_observed_ha", self.tr("land not observed, ha")),
            ("outside_ha", self.tr("land outside the maps, ha")),
            ("not_observed_pct", self.tr("share not observed, percent")),
            ("trend_ha_per_year", self.tr("trend (Sen's slope), ha a year; empty for fewer than 5 years")),
            ("trend_low", self.tr("lower end of its 95 % interval, ha a year")),
            ("trend_high", self.tr("upper end of its 95 % interval, ha a year")),
            ("trend_p", self.tr("p-value of Kendall's test: small where chance does not explain it")),
            ("trend_years", self.tr("number of years the trend rests on")),
            ("trend_start_ha", self.tr("where its line stands in the first year, ha")),
            ("change_sensitivity_low_ha", self.tr("least change when the thresholds of all maps move, ha")),
            ("change_sensitivity_high_ha", self.tr("greatest change when they move, ha")),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        maps = QgsProcessingParameterMultipleLayers(
            "maps", self.tr("Maps of single years"), QgsProcessing.SourceType.TypeRaster
        )
        maps.setMinimumNumberInputs(2)
        self.add(
            maps,
            self.tr(
                "Two or more maps made by “Irrigated land”, or rasters whose category names are not "
                "observed, not irrigated, uncertain and irrigated (or 0 to 3). The year comes from the "
                "record beside a map, its tag YEAR, or its name (irrigation_2024.tif). In qgis_process "
                "write maps=PATH once for each."
            ),
        )
        self.add_zones(self.tr("Polygons that do not overlap, such as districts."), optional=False)
        self.add(
            QgsProcessingParameterString("periods", self.tr("Periods"), None, optional=True),
            self.tr(
                "Between which transitions are counted, such as 2000-2009,2010-2019. Empty: from each map "
                "to the next. That from the first year to the last is always there."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean("resample", self.tr("Bring maps onto one grid"), False),
            self.tr(
                "Puts maps of other grids on the finest one, by the nearest cell; along the edges of fields "
                "this counts as change. Otherwise they are refused; maps whose cells coincide need it not."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean("accept_definition", self.tr("Accept different rules"), False),
            self.tr("Compares maps although their records tell of different rules or thresholds."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "band",
                self.tr("Band with the states"),
                QgsProcessingParameterNumber.Type.Integer,
                1,
                minValue=1,
            ),
            self.tr("Which band of the maps holds the states, counted from 1."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "memory_mb",
                self.tr("Memory at most (MB)"),
                QgsProcessingParameterNumber.Type.Integer,
                None,
                optional=True,
                minValue=1,
            ),
            self.tr("How much memory the whole work may take; fewer tiles are then worked on at once."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterFolderDestination("out", self.tr("Folder for the change")),
            self.tr(
                "Folder to write into: two rasters and a GeoPackage, which are loaded from there, tables, "
                "pictures, styles, and the record of inputs, parameters and versions by which the other side "
                "can repeat the run."
            ),
        )
        self.addOutput(QgsProcessingOutputMultipleLayers("shown", self.tr("The rasters, in a list")))
        self.addOutput(QgsProcessingOutputRasterLayer("change_tif", self.tr("Change of irrigated land")))
        self.addOutput(QgsProcessingOutputRasterLayer("frequency_tif", self.tr("Share of years irrigated")))
        self.addOutput(QgsProcessingOutputVectorLayer("change_gpkg", self.tr("Zones with their change")))
        for name, label in (
            ("annual_csv", self.tr("Table of years")),
            ("transitions_csv", self.tr("Table of transitions")),
            ("change_png", self.tr("Picture of the change")),
            ("zones_png", self.tr("Picture of the zones")),
        ):
            self.addOutput(QgsProcessingOutputFile(name, label))
        for name, label in (
            ("YEARS", self.tr("Number of maps")),
            ("CHANGE_HA", self.tr("Change from the first map to the last (ha)")),
            ("CHANGE_LOW_HA", self.tr("The least that the open land allows (ha)")),
            ("CHANGE_HIGH_HA", self.tr("The greatest that the open land allows (ha)")),
            ("NEVER_HA", self.tr("Never irrigated (ha)")),
            ("KEPT_HA", self.tr("Kept (ha)")),
            ("GAINED_HA", self.tr("Gained (ha)")),
            ("LOST_HA", self.tr("Lost (ha)")),
            ("INTERMITTENT_HA", self.tr("Irrigated now and then (ha)")),
            ("NOT_OBSERVED_HA", self.tr("Not observed (ha)")),
            ("OUTSIDE_HA", self.tr("Outside the maps (ha)")),
            ("TREND_HA_PER_YEAR", self.tr("Trend (ha a year)")),
            ("TREND_P", self.tr("p-value of the trend")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))

    def results(self, result, context):
        """Name the layer of the GeoPackage that a model goes on with."""
        results = super().results(result, context)
        results["change_gpkg"] += ZONES
        return results

    def layers_of_folder(self, outputs):
        """Show the zones over the change; larger units and the share of years wait to be switched on."""
        words = title(outputs["change_tif"])
        zones = outputs["change_gpkg"]
        return [
            Shown(
                f"{zones}|layername=groups", self.tr("Larger units: {title}").format(title=words), None, False
            ),
            Shown(f"{zones}{ZONES}", self.tr("Zones: {title}").format(title=words)),
            Shown(str(outputs["change_tif"]), words, outputs["change_tif"].with_suffix(".qml")),
            Shown(
                str(outputs["frequency_tif"]),
                self.tr("Share of years irrigated: {title}").format(title=words),
                outputs["frequency_tif"].with_suffix(".qml"),
                visible=False,
            ),
        ]
