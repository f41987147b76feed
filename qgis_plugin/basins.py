"""Delineate basins: the command `bluepeace basins` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import BluepeaceAlgorithm, is_given


class Basins(BluepeaceAlgorithm):
    """Outlines the land that drains to each outlet, and what each country holds of it."""

    command = "basins"
    positional = ("dem", "outlets")
    shown = "|layername=basins"
    numbers = {"BASINS": "basins", "AREA_KM2": "area_km2"}

    def name(self):
        return "basins"

    def displayName(self):
        return self.tr("Delineate basins")

    def group(self):
        return self.tr("Basins")

    def groupId(self):
        return "basins"

    def tags(self):
        return self.tr(
            "watershed,catchment,drainage,river,outlet,gauge,border,country,share,transboundary"
        ).split(",")

    def shortDescription(self):
        return self.tr("Outlines the land that drains to each outlet, and what each country holds of it.")

    def about(self):
        return self.tr(
            "Outlines the land that drains to each outlet of a river, measures it on the ellipsoid, and "
            "says which country holds what share of it. Lakes without an outlet are respected where you "
            "name them; all large depressions are reported in the layer depressions. Beside the GeoPackage "
            "lie two pictures (the basins and their hypsometric curves), the elevation bands as a table for "
            "hydrological models, the style, and the record of inputs, parameters and versions by which the "
            "other side can repeat the run."
        )

    def tables(self):
        outlet = ("outlet_id", self.tr("number of the outlet, in the order of the layer of outlets"))
        outlet_below = ("outlet_id", self.tr("number of the first outlet downstream, 0 for none"))
        name = ("name", self.tr("name of the outlet, if the layer has a column name"))
        upstream = ("upstream_km2", self.tr("land upstream, km²"))
        length = ("length_km", self.tr("length, km"))
        share = (
            (
                "country",
                self.tr(
                    "name of the country; “overlap: A, B” is land that several countries' polygons cover, "
                    "“no country” land that none does"
                ),
            ),
            ("area_km2", self.tr("land of the country, km²")),
            ("share_pct", self.tr("its share, percent; the shares add up to 100")),
        )
        band = (
            ("z_from_m", self.tr("lower limit of the band, m")),
            ("z_to_m", self.tr("upper limit of the band, m")),
        )
        land = (
            outlet,
            name,
            ("area_km2", self.tr("area on the ellipsoid, km²")),
            ("snap_m", self.tr("how far the outlet was moved to reach its river, m")),
            (
                "touches_edge",
                self.tr("true if the land reaches the rim of the elevation model: it may be larger"),
            ),
            ("zmin_m", self.tr("lowest elevation, m")),
            ("zmean_m", self.tr("mean elevation, weighted by area, m")),
            ("zmax_m", self.tr("highest elevation, m")),
            ("slope_deg", self.tr("mean slope, degrees")),
            ("length_km", self.tr("longest way of the water to the outlet, km")),
        )
        return (
            (
                "basins",
                self.tr("all land above each outlet; of outlets on one river, one lies in the other"),
                land,
            ),
            (
                "subbasins",
                self.tr("the land between an outlet and those above it, each place once"),
                (
                    *land,
                    ("downstream_id", self.tr("number of the next outlet downstream, 0 for none")),
                    (
                        "pfafstetter",
                        self.tr(
                            "code after Pfafstetter of the outlet's place: from the mouth up, the four "
                            "largest tributaries are 2, 4, 6 and 8, the land along the river below, between "
                            "and above them 1, 3, 5, 7 and 9; each further digit divides such a part alike"
                        ),
                    ),
                ),
            ),
            (
                "streams",
                self.tr("rivers as lines from confluence to confluence, drawn downstream"),
                (
                    ("stream_id", self.tr("number of the stream")),
                    ("downstream_id", self.tr("number of the stream it flows into, 0 for none")),
                    outlet_below,
                    ("strahler", self.tr("order after Strahler")),
                    length,
                    upstream,
                ),
            ),
            (
                "depressions",
                self.tr("large depressions, whatever became of them"),
                (
                    ("area_km2", self.tr("area of the water if it stood up to the spill point, km²")),
                    ("depth_m", self.tr("its depth, m")),
                    ("volume_km3", self.tr("its volume, km³")),
                    ("level_m", self.tr("elevation of the spill point, m")),
                    ("spill_x", self.tr("place of the spill point, in the system of the elevation model")),
                    ("spill_y", self.tr("place of the spill point, in the system of the elevation model")),
                ),
            ),
            (
                "outlets",
                self.tr("the outlets where they were placed"),
                (
                    outlet,
                    name,
                    ("snap_m", self.tr("how far the outlet was moved to reach its river, m")),
                    upstream,
                    ("known_km2", self.tr("known area, if its column was named, km²")),
                    ("given_x", self.tr("where the point was given, in the system of the elevation model")),
                    ("given_y", self.tr("where the point was given, in the system of the elevation model")),
                ),
            ),
            (
                "crossings",
                self.tr("points where a river crosses a border; empty without countries"),
                (
                    (
                        "crossing_id",
                        self.tr(
                            "number of the crossing, from the largest land upstream to the smallest: along a "
                            "river it rises upstream; the picture shows it"
                        ),
                    ),
                    ("from_country", self.tr("country that the river leaves")),
                    ("to_country", self.tr("country that the river enters")),
                    upstream,
                    outlet_below,
                    ("downstream_id", self.tr("number of the next crossing downstream, 0 for none")),
                ),
            ),
            (
                "border_reaches",
                self.tr("rivers where they run along a border, as lines; empty without countries"),
                (
                    ("reach_id", self.tr("number of the reach")),
                    ("country_a", self.tr("one country beside the river, the first by name")),
                    ("country_b", self.tr("the other country beside the river")),
                    length,
                    ("upstream_km2", self.tr("land upstream of its lower end, km²")),
                    outlet_below,
                ),
            ),
            ("shares", self.tr("table: what each country holds of each basin"), (outlet, *share)),
            (
                "crossing_shares",
                self.tr("table: what each country holds of the land upstream of each crossing"),
                (("crossing_id", self.tr("number of the crossing")), *share),
            ),
            (
                "bands",
                self.tr("table: the area of each basin by elevation"),
                (outlet, *band, ("area_km2", self.tr("area of the band, km²"))),
            ),
            (
                "bands.csv",
                self.tr("file beside the GeoPackage: the same bands as hydrological models take them"),
                (
                    outlet,
                    name,
                    ("band", self.tr("number of the band, 1 is the lowest of the basin")),
                    *band,
                    ("z_mean_m", self.tr("mean elevation, m")),
                    ("area_km2", self.tr("area of the band, km²")),
                    ("area_pct", self.tr("its share of the basin, percent")),
                    ("slope_deg", self.tr("mean slope, degrees")),
                    (
                        "aspect_deg",
                        self.tr(
                            "direction to which the land falls on the whole, degrees clockwise from north; "
                            "empty where it falls to all sides alike"
                        ),
                    ),
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        self.add(
            QgsProcessingParameterRasterLayer("dem", self.tr("Elevation model")),
            self.tr("Elevations in metres, first band of a raster file with a coordinate reference system."),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "outlets", self.tr("Outlets"), [QgsProcessing.SourceType.TypeVectorPoint]
            ),
            self.tr("Points on rivers, such as gauges or border crossings; a column name is carried over."),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "countries", self.tr("Countries"), [QgsProcessing.SourceType.TypeVectorPolygon], optional=True
            ),
            self.tr(
                "Polygons of countries; with them each basin is shared out among the countries, and the "
                "places are found where rivers cross borders or run along them."
            ),
        )
        self.add(
            QgsProcessingParameterField(
                "country_field", self.tr("Column with the country's name"), None, "countries", optional=True
            ),
            self.tr("Which column of the countries names them."),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "terminal",
                self.tr("Terminal lakes"),
                [QgsProcessing.SourceType.TypeVectorAnyGeometry],
                optional=True,
            ),
            self.tr(
                "Lakes without an outlet, such as the Aral Sea or Issyk-Kul: water that reaches them stays "
                "there."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "burn",
                self.tr("Rivers and canals to burn in"),
                [QgsProcessing.SourceType.TypeVectorLine],
                optional=True,
            ),
            self.tr(
                "Lines of rivers and canals known from a map: water that comes to one stays in it. For "
                "plains on which the elevation model does not show the channels."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "snap_m",
                self.tr("Move outlets at most (m)"),
                QgsProcessingParameterNumber.Type.Double,
                None,
                optional=True,
                minValue=0,
            ),
            self.tr("How far around an outlet its river is looked for, in metres. Empty: three cells."),
        )
        self.add(
            QgsProcessingParameterField(
                "area_field",
                self.tr("Column with the known area (km²)"),
                None,
                "outlets",
                QgsProcessingParameterField.DataType.Numeric,
                optional=True,
            ),
            self.tr(
                "Known area of the basin above each outlet in km², from a yearbook, say: the outlet is then "
                "moved to the river whose basin comes closest to it, not to the tributary beside it."
            ),
        )
        self.add(
            QgsProcessingParameterEnum(
                "depressions",
                self.tr("Depressions"),
                ["breach", "fill", "keep"],
                defaultValue="breach",
                usesStaticStrings=True,
            ),
            self.tr(
                "breach: water leaves a depression by a channel cut through its lowest rim. fill: the "
                "depression is filled to its rim. keep: depressions above the size below keep their water. "
                "Terminal lakes keep it in any case."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "keep_above_km2",
                self.tr("Keep depressions above (km²)"),
                QgsProcessingParameterNumber.Type.Double,
                None,
                optional=True,
                minValue=0,
            ),
            self.tr("With keep: the area in km² from which a depression keeps its water."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                "edges",
                self.tr("Rim of the raster"),
                ["drain", "closed"],
                defaultValue="drain",
                usesStaticStrings=True,
            ),
            self.tr(
                "drain: water leaves at the rim of the raster. closed: only at outlets and terminal lakes "
                "or, without either, at the lowest cell."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "streams_km2",
                self.tr("Streams begin at (km²)"),
                QgsProcessingParameterNumber.Type.Double,
                None,
                optional=True,
                minValue=0,
            ),
            self.tr(
                "Upstream area in km² from which a river is drawn. Empty: 1 km², but at least 100 cells."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "band_m",
                self.tr("Height of an elevation band (m)"),
                QgsProcessingParameterNumber.Type.Double,
                200,
                minValue=1,
            ),
            self.tr("The table bands holds the area of each basin by bands of this height in metres."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "border_m",
                self.tr("Rivers on a border within (m)"),
                QgsProcessingParameterNumber.Type.Double,
                None,
                optional=True,
                minValue=0,
            ),
            self.tr(
                "How far a river and the border it runs along or crosses may lie apart, in metres: as far as "
                "the borders may be off, a kilometre or two in an atlas of the world. Empty: 100 m, but at "
                "least three cells."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "memory_mb",
                self.tr("Memory at most (MB)"),
                QgsProcessingParameterNumber.Type.Double,
                None,
                optional=True,
                minValue=0,
            ),
            self.tr(
                "How much memory the work may take; an elevation model that needs more is refused before it "
                "begins. Empty: no limit, and a warning where more is needed than is free."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterVectorDestination(
                "out", self.tr("Basins"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            self.tr(
                "GeoPackage to write: the layer basins is drawn; subbasins, streams, depressions, outlets "
                "(as they were placed), crossings (points where a river crosses a border), border_reaches "
                "(lines where it runs along one) and the tables shares, crossing_shares and bands lie in it "
                "too."
            ),
        )
        self.add(
            QgsProcessingParameterFolderDestination(
                "rasters", self.tr("Folder for rasters"), optional=True, createByDefault=False
            ),
            self.tr(
                "If given: directions (ESRI codes), upstream areas, basins and filled elevations go there as "
                "GeoTIFFs."
            ),
            rare=True,
        )
        self.addOutput(QgsProcessingOutputNumber("BASINS", self.tr("Number of basins")))
        self.addOutput(
            QgsProcessingOutputNumber(
                "AREA_KM2", self.tr("Land in all basins together (km²), each place once")
            )
        )
        self.addOutput(QgsProcessingOutputFile("picture", self.tr("Picture of the basins")))
        self.addOutput(QgsProcessingOutputFile("curves", self.tr("Picture of the hypsometric curves")))
        self.addOutput(
            QgsProcessingOutputFile("bands", self.tr("Elevation bands for hydrological models (CSV)"))
        )

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        yield self.apart("dem", "outlets", parameters, context)
        if is_given(parameters.get("countries")) and not is_given(parameters.get("country_field")):
            yield self.tr(
                "Countries are given without the column that names them: choose it under {label}."
            ).format(label=self.parameterDefinition("country_field").description())
        if is_given(parameters.get("keep_above_km2")) and parameters.get("depressions") != "keep":
            yield self.tr(
                "{size} is given, but {depressions} is not set to keep: set it, or leave the size empty."
            ).format(
                size=self.parameterDefinition("keep_above_km2").description(),
                depressions=self.parameterDefinition("depressions").description(),
            )
        if is_given(parameters.get("border_m")) and not is_given(parameters.get("countries")):
            yield self.tr(
                "{distance} is given without {countries}, to which it belongs: choose them or leave it empty."
            ).format(
                distance=self.parameterDefinition("border_m").description(),
                countries=self.parameterDefinition("countries").description(),
            )
        if is_given(parameters.get("countries")):
            yield self.apart("dem", "countries", parameters, context)
