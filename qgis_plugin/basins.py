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
    main_layer = "basins"
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
            "lie a picture, the style, and the record of inputs, parameters and versions by which the other "
            "side can repeat the run."
        )

    def columns(self):
        return (
            ("outlet_id", self.tr("number of the outlet, in the order of the layer of outlets")),
            ("name", self.tr("name of the outlet, if the layer has a column name")),
            ("area_km2", self.tr("area of the basin on the ellipsoid, km²")),
            ("snap_m", self.tr("how far the outlet was moved to reach its river, m")),
            (
                "touches_edge",
                self.tr("true if the basin reaches the rim of the elevation model: it may be larger"),
            ),
            ("zmin_m", self.tr("lowest elevation, m")),
            ("zmean_m", self.tr("mean elevation, weighted by area, m")),
            ("zmax_m", self.tr("highest elevation, m")),
            ("slope_deg", self.tr("mean slope, degrees")),
            ("length_km", self.tr("longest way of the water to the outlet, km")),
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
            self.tr("Polygons of countries; with them each basin is shared out among the countries."),
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
            QgsProcessingParameterVectorDestination(
                "out", self.tr("Basins"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            self.tr(
                "GeoPackage to write: the layer basins is drawn; subbasins, streams, depressions and outlets "
                "(as they were placed) and the tables shares and bands lie in it too."
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
        self.addOutput(QgsProcessingOutputFile("bands", self.tr("Picture of the elevation bands")))

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
        if is_given(parameters.get("countries")):
            yield self.apart("dem", "countries", parameters, context)
