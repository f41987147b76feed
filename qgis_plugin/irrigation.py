"""Irrigated land of a year: the command `bluepeace irrigation` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputMultipleLayers,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QDate

from .algorithm import (
    RASTER_SUFFIX,
    TABLE_EXTENSION,
    TABLE_SHOWN,
    BluepeaceAlgorithm,
    Shown,
    is_given,
    several_places,
    title,
)


class IrrigationAlgorithm(BluepeaceAlgorithm):
    """What the algorithms on irrigated land share."""

    def group(self):
        return self.tr("Irrigation")

    def groupId(self):
        return "irrigation"

    def add_zones(self, meaning, *, optional):
        """Add the zones, the column with their names, and those of larger units."""
        self.add(
            QgsProcessingParameterFeatureSource(
                "zones", self.tr("Zones"), [QgsProcessing.SourceType.TypeVectorPolygon], optional=optional
            ),
            meaning,
        )
        self.add(
            QgsProcessingParameterField(
                "zone_field", self.tr("Column with the zone's name"), None, "zones", optional=True
            ),
            self.tr("Which column names the zones. Empty: name, where there is one, else the first text."),
        )
        self.add(
            QgsProcessingParameterField(
                "group_field",
                self.tr("Columns with larger units"),
                None,
                "zones",
                allowMultiple=True,
                optional=True,
            ),
            self.tr(
                "Columns of larger units that the zones belong to, such as country and basin: their areas "
                "are the exact sums of those of their zones."
            ),
        )


class Irrigation(IrrigationAlgorithm):
    """Maps the irrigated land of a year and its seasons."""

    command = "irrigation"
    positional = ("scenes",)
    resumable = True
    loaded = "maps"
    numbers = {
        "IRRIGATED_HA": "irrigated, ha",
        "LOW_HA": "with higher thresholds, ha",
        "HIGH_HA": "with lower thresholds, ha",
        "NOT_OBSERVED_PCT": "not observed, %",
        "UNCERTAIN_PCT": "uncertain, %",
        "WINTER_HA": "winter, ha",
        "SUMMER_HA": "summer, ha",
        "DOUBLE_HA": "double, ha",
        "PERMANENT_HA": "permanent, ha",
        "FIELDS_IRRIGATED": "fields irrigated",
        "FIELDS_NOT_IRRIGATED": "fields not irrigated",
        "FIELDS_NOT_OBSERVED": "fields not observed",
    }

    def name(self):
        return "irrigation"

    def displayName(self):
        return self.tr("Irrigated land")

    def tags(self):
        return self.tr(
            "irrigation,cropland,crops,fields,season,double cropping,NDVI,time series,Landsat,Sentinel-2"
        ).split(",")

    def shortDescription(self):
        return self.tr("Maps the irrigated land of a year and its seasons, and what was not observed of it.")

    def about(self):
        return self.tr(
            "Takes the scenes of one calendar year, leaves out what is unclear, and tells from the highest "
            "plant index (NDVI) of each ten days whether and when a cell bore a crop that in a dry land "
            "lives of irrigation. One rule holds for all places; what gaps between the scenes may hide is "
            "“not observed”, and what rain may have grown is “uncertain”: neither is taken for not "
            "irrigated. Areas are counted on the map; their range tells what other thresholds would make of "
            "it and is no confidence interval: for one, give the map to “Sample points of a map”. Instead "
            "of scenes, NDVI that was made elsewhere can be given. The rule needs the whole year, from the "
            "first sowing to the last harvest."
        )

    def result_heading(self):
        return self.tr("Files of the result")

    def tables(self):
        state = self.tr("1 not irrigated, 2 uncertain, 3 irrigated; 0 not observed, 255 outside")
        return (
            (
                "irrigation_YEAR.tif",
                self.tr("the map, loaded and drawn twice: by state and by season"),
                (
                    ("state", state),
                    (
                        "season",
                        self.tr("when: 1 winter, 2 summer, 3 double, 4 permanent; 0 none, 255 outside"),
                    ),
                ),
            ),
            (
                "irrigation_YEAR_sensitivity.tif",
                self.tr("the same map with thresholds of NDVI moved by 0.05"),
                (("state, higher thresholds", state), ("state, lower thresholds", state)),
            ),
            (
                "irrigation_YEAR_dekads.tif",
                self.tr("how well the year was observed"),
                (("dekads observed", self.tr("in how many of 36 periods of ten days the cell was seen")),),
            ),
            (
                "zones.csv",
                self.tr("areas of each zone, of larger units, and of all; loaded as a table"),
                (
                    ("year", self.tr("the calendar year")),
                    ("zone", self.tr("name of the zone or larger unit; “all” for the whole")),
                    ("map_area_ha", self.tr("irrigated land on the map, ha")),
                    ("low_ha", self.tr("the same with higher thresholds, ha")),
                    ("high_ha", self.tr("the same with lower thresholds, ha")),
                    ("unobserved_pct", self.tr("share of the zone not observed, percent")),
                    ("uncertain_pct", self.tr("share of the zone that is uncertain, percent")),
                    ("level", self.tr("zone, the column of the larger unit, or all")),
                    ("area_ha", self.tr("area of the zone on the ellipsoid, ha")),
                    ("not_irrigated_ha", self.tr("land that is not irrigated, ha")),
                    ("uncertain_ha", self.tr("uncertain land, ha")),
                    ("unobserved_ha", self.tr("land not observed, or beyond the map, ha")),
                    ("winter_ha", self.tr("irrigated for a winter crop, ha")),
                    ("summer_ha", self.tr("irrigated for a summer crop, ha")),
                    ("double_ha", self.tr("irrigated for one crop after the other, ha")),
                    ("permanent_ha", self.tr("irrigated, green for longer than one crop, ha")),
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        self.add(
            several_places("scenes", self.tr("Scenes")),
            self.tr(
                "Folders of scenes, single scenes, the GeoPackage made by “List scenes” (for large "
                "archives), or a STAC item collection, in one list; with the next box checked, files of "
                "NDVI. In qgis_process write scenes=PATH once for each."
            ),
        )
        self.add(
            QgsProcessingParameterBoolean("ndvi", self.tr("They are NDVI already"), False),
            self.tr(
                "The list above holds rasters of NDVI with a date for each band (its name, NAME.dates.csv, "
                "or the name of the file where each has one), or one table of fields with columns such as "
                "ndvi_X97 (day of the year) or ndvi_2024-04-07."
            ),
        )
        year = QgsProcessingParameterNumber(
            "year",
            self.tr("Year"),
            QgsProcessingParameterNumber.Type.Integer,
            None,
            minValue=1972,
            maxValue=2100,
        )
        # only in a dialog, which must show a number: the last whole year rather than the least
        year.setGuiDefaultValueOverride(QDate.currentDate().year() - 1)
        self.add(year, self.tr("The calendar year (UTC) to be mapped."))
        self.add_zones(
            self.tr(
                "Polygons that do not overlap, such as districts: areas are listed for each, and their "
                "names choose their row in the table of seasons."
            ),
            optional=True,
        )
        self.add(
            QgsProcessingParameterFeatureSource("area", self.tr("Study area"), polygons, optional=True),
            self.tr("Polygons: all else is outside and is not computed. Empty: all the scenes."),
        )
        self.add(
            QgsProcessingParameterRasterLayer("dem", self.tr("Elevation model"), optional=True),
            self.tr("Elevations in metres: steep land counts as pasture, not as fields."),
        )
        self.add(
            QgsProcessingParameterRasterLayer("rain", self.tr("Rain (mm)"), optional=True),
            self.tr(
                "One band of the whole year, or twelve of its months. Where it is not arid, rain may have "
                "grown the crop, and the land is uncertain. Empty: all places count as arid."
            ),
        )
        self.add(
            QgsProcessingParameterRasterLayer(
                "et0", self.tr("Reference evapotranspiration (mm)"), optional=True
            ),
            self.tr("One band of the whole year, or twelve of its months; it is compared with the rain."),
        )
        self.add(
            QgsProcessingParameterFeatureSource("parcels", self.tr("Parcels"), polygons, optional=True),
            self.tr(
                "Polygons of fields: each gets what most of its cells say. Empty: small patches of cells "
                "are left out."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "exclude", self.tr("Land without fields"), polygons, optional=True
            ),
            self.tr(
                "Polygons that are no fields: riparian forest, wetlands, towns. A column reason names them "
                "in the record."
            ),
        )
        self.add(
            QgsProcessingParameterFile(
                "seasons",
                self.tr("Table of seasons"),
                QgsProcessingParameterFile.Behavior.File,
                optional=True,
                fileFilter=self.tr("Seasons (*.toml)"),
            ),
            self.tr("Begin and end of the seasons of each zone (TOML). Empty: that of the engine."),
            rare=True,
        )
        self.add_long_work()
        self.add(
            QgsProcessingParameterFolderDestination("out", self.tr("Folder for the map")),
            self.tr(
                "Folder to write into, one for each year: the map, which is loaded from there, those with "
                "other thresholds, the table of zones, a picture, styles, and the record of inputs, "
                "parameters and versions by which the other side can repeat the run."
            ),
        )
        self.addOutput(QgsProcessingOutputMultipleLayers("maps", self.tr("The map, in a list")))
        self.addOutput(QgsProcessingOutputRasterLayer("map", self.tr("Irrigated land")))
        for name, label in (
            ("fields", self.tr("Irrigated fields, of a table of fields")),
            ("sensitivity", self.tr("Map with higher and lower thresholds")),
            ("dekads", self.tr("Number of dekads observed")),
            ("zones", self.tr("Table of zones")),
            ("picture", self.tr("Picture of the map and of typical fields")),
        ):
            self.addOutput(QgsProcessingOutputFile(name, label))
        for name, label in (
            ("IRRIGATED_HA", self.tr("Irrigated land on the map (ha)")),
            ("LOW_HA", self.tr("The same with higher thresholds (ha)")),
            ("HIGH_HA", self.tr("The same with lower thresholds (ha)")),
            ("NOT_OBSERVED_PCT", self.tr("Share of the land not observed (%)")),
            ("UNCERTAIN_PCT", self.tr("Share of the land that is uncertain (%)")),
            ("WINTER_HA", self.tr("Irrigated for a winter crop (ha)")),
            ("SUMMER_HA", self.tr("Irrigated for a summer crop (ha)")),
            ("DOUBLE_HA", self.tr("Irrigated for one crop after the other (ha)")),
            ("PERMANENT_HA", self.tr("Irrigated, green for longer than one crop (ha)")),
            ("FIELDS_IRRIGATED", self.tr("Number of irrigated fields, of a table")),
            ("FIELDS_NOT_IRRIGATED", self.tr("Number of fields not irrigated, of a table")),
            ("FIELDS_NOT_OBSERVED", self.tr("Number of fields not observed, of a table")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        if is_given(parameters.get("et0")) and not is_given(parameters.get("rain")):
            yield self.tr("{et0} is given without {rain}, with which it is compared: give both.").format(
                et0=self.parameterDefinition("et0").description(),
                rain=self.parameterDefinition("rain").description(),
            )
        # what there is of these must be of one place
        given = [name for name in ("zones", "area", "dem", "parcels") if is_given(parameters.get(name))]
        for other in given[1:]:
            yield self.apart(given[0], other, parameters, context)

    def results(self, result, context):
        """Name what the engine calls `out`: a map, or a table of fields."""
        results = super().results(result, context)
        made = result.get("outputs", {}).get("out")
        if made is not None:
            results["map" if str(made).endswith(RASTER_SUFFIX) else "fields"] = str(made)
        return results

    def layers_of_folder(self, outputs):
        """Show the map by state and, below it, by season, and the table of zones; or the fields."""
        made = outputs.get("out")
        if made is None:  # of a dry run
            return []
        words = title(made)
        if made.suffix == f".{TABLE_EXTENSION}":
            return [Shown(f"{made}{TABLE_SHOWN}", words)]
        if made.suffix != RASTER_SUFFIX:
            return [Shown(f"{made}|layername=fields", words)]
        # QGIS tells layers apart by their source: the same file under another name
        again = f"{made.parent}/./{made.name}"
        style = made.with_name(f"{made.stem}_season.qml")
        return [
            Shown(f"{outputs['zones']}{TABLE_SHOWN}", self.tr("Areas of zones: {title}").format(title=words)),
            Shown(str(made), words, made.with_suffix(".qml")),
            Shown(again, self.tr("Seasons: {title}").format(title=words), style, visible=False),
        ]
