"""Glacier outlines: the command `bluepeace glaciers` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import BluepeaceAlgorithm, is_given, several_places


class GlacierAlgorithm(BluepeaceAlgorithm):
    """What the algorithms on glaciers share."""

    def group(self):
        return self.tr("Glaciers")

    def groupId(self):
        return "glaciers"

    def links_columns(self):
        """Explain the columns of links, which are those of RGI 7.0."""
        return (
            ("before_id", self.tr("number of the earlier outline")),
            ("after_id", self.tr("number of the later outline")),
            ("overlap_area_km2", self.tr("what both cover, km²")),
            ("before_area_fraction", self.tr("its share of the earlier outline, 0 to 1")),
            ("after_area_fraction", self.tr("its share of the later outline, 0 to 1")),
            ("cluster_id", self.tr("number of the group that is linked, directly or by others")),
            ("n_before", self.tr("number of earlier outlines in the group")),
            ("n_after", self.tr("number of later outlines in the group")),
        )


class Glaciers(GlacierAlgorithm):
    """Outlines clean ice in scenes of the end of one summer, and describes each glacier."""

    command = "glaciers"
    positional = ("scenes",)
    shown = "|layername=glaciers"
    numbers = {
        "GLACIERS": "glaciers",
        "BODIES": "bodies",
        "AREA_KM2": "area_km2",
        "AREA_UNC_KM2": "area_unc_km2",
        "HALF_PIXEL_UNC_KM2": "half_pixel_unc_km2",
        "UNSEEN_KM2": "unseen_km2",
        "DEBRIS_KM2": "debris_km2",
        "DEBRIS_UNC_KM2": "debris_unc_km2",
        "THRESHOLD": "threshold",
    }

    def name(self):
        return "glaciers"

    def displayName(self):
        return self.tr("Glacier outlines")

    def tags(self):
        return self.tr(
            "glacier,ice,snow,debris,NDSI,inventory,RGI,divide,hypsometry,snow line,Landsat,Sentinel-2"
        ).split(",")

    def shortDescription(self):
        return self.tr("Outlines clean ice in scenes of the end of one summer, and describes each glacier.")

    def about(self):
        return self.tr(
            "Tells snow and ice from rock, water, shadow and cloud in scenes of the end of one summer; of "
            "several dates the one with the least snow counts, cell by cell. Outlines run where half of a "
            "cell is ice. Bodies of ice are divided into glaciers, each with its area on the ellipsoid, what "
            "that may be wrong by, and the columns of the Randolph Glacier Inventory (RGI 7.0). Ice that may "
            "lie under debris is a layer of its own, which the areas do not include. Beside the GeoPackage "
            "lie a picture with the area at every threshold, the style, and the record of inputs, parameters "
            "and versions by which the other side can repeat the run."
        )

    def layers(self):
        return (
            ("intersects", self.tr("Divides between glaciers")),
            ("outlines_min", self.tr("Glaciers, least extent")),
            ("outlines_max", self.tr("Glaciers, greatest extent")),
            ("glaciers", self.tr("Glaciers")),
            ("debris", self.tr("Ice under debris")),
            ("unseen", self.tr("Not seen (cloud, shadow, no data)")),
        )

    def tables(self):
        number = ("rgi_id", self.tr("number of the glacier in this product"))
        area = ("area_km2", self.tr("area on the ellipsoid, km²"))
        deviation = self.tr("what the area may be wrong by (standard deviation), km²")
        edge = ("edge_unc_km2", self.tr("part of it: where the edge runs, km²"))
        snow = ("snow_unc_km2", self.tr("part of it: late snow taken for ice, km²"))
        debris = ("debris_km2", self.tr("ice under debris beside it, km²; empty: not known"))
        return (
            (
                "glaciers",
                self.tr("the glaciers, with the columns of RGI 7.0 (-999 and 9: not known) and ours"),
                (
                    number,
                    ("o1region", self.tr("region of the RGI")),
                    ("o2region", self.tr("subregion of the RGI")),
                    ("glims_id", self.tr("number in GLIMS, from the middle of the glacier")),
                    ("anlys_id", self.tr("number of the analysis in GLIMS")),
                    ("subm_id", self.tr("number of the submission to GLIMS")),
                    ("src_date", self.tr("when it was seen (UTC)")),
                    ("cenlon", self.tr("longitude of its middle, degrees")),
                    ("cenlat", self.tr("latitude of its middle, degrees")),
                    ("utm_zone", self.tr("zone of UTM")),
                    area,
                    ("primeclass", self.tr("class of GLIMS, from the inventory")),
                    ("conn_lvl", self.tr("connection to an ice sheet")),
                    ("surge_type", self.tr("whether it surges, from the inventory")),
                    ("term_type", self.tr("kind of terminus, from the inventory")),
                    ("glac_name", self.tr("name, from the inventory")),
                    ("is_rgi6", self.tr("whether the outline is of RGI 6; 0")),
                    ("termlon", self.tr("longitude of its terminus, degrees")),
                    ("termlat", self.tr("latitude of its terminus, degrees")),
                    ("zmin_m", self.tr("lowest elevation, m")),
                    ("zmax_m", self.tr("highest elevation, m")),
                    ("zmed_m", self.tr("median elevation, m")),
                    ("zmean_m", self.tr("mean elevation, m")),
                    ("slope_deg", self.tr("mean slope, degrees")),
                    ("aspect_deg", self.tr("mean aspect, degrees clockwise from north")),
                    ("aspect_sec", self.tr("the same as one of eight sectors, 1 for north, clockwise")),
                    ("dem_source", self.tr("name of the elevation model")),
                    ("lmax_m", self.tr("greatest length along the flow, m")),
                    ("area_unc_km2", deviation),
                    edge,
                    snow,
                    ("unseen_km2", self.tr("land beside it that was not seen and may be ice, km²")),
                    debris,
                ),
            ),
            ("outlines_min", self.tr("the least extent that the scenes allow"), (area,)),
            ("outlines_max", self.tr("the greatest extent that the scenes allow"), (area,)),
            ("unseen", self.tr("what was not seen: cloud, shadow, no data"), (area,)),
            (
                "debris",
                self.tr("ground that may be ice under debris"),
                (
                    number,
                    ("src_date", self.tr("when it was seen (UTC)")),
                    area,
                    ("area_unc_km2", deviation),
                ),
            ),
            (
                "intersects",
                self.tr("the lines that neighbours share"),
                (
                    number,
                    ("rgi_g_id_1", self.tr("glacier on one side")),
                    ("rgi_g_id_2", self.tr("glacier on the other side")),
                    ("length_m", self.tr("length, m")),
                ),
            ),
            (
                "hypsometry",
                self.tr("table: area by elevation, as in RGI 7.0"),
                (
                    number,
                    area,
                    (
                        "ELEVATION",
                        self.tr(
                            "one column for each 50 m, called by their middle, such as 3475: share of the "
                            "glacier, per mille"
                        ),
                    ),
                ),
            ),
            (
                "links",
                self.tr("table: which glacier of the inventory is which here"),
                self.links_columns(),
            ),
            (
                "zone_bands",
                self.tr("table: ice of each zone by elevation"),
                (
                    ("zone", self.tr("name of the zone")),
                    ("z_from_m", self.tr("lower limit of the band, m")),
                    ("z_to_m", self.tr("upper limit of the band, m")),
                    ("area_km2", self.tr("ice of the zone in it, km²")),
                ),
            ),
            (
                "uncertainties",
                self.tr("table: what the areas may be wrong by, part by part"),
                (
                    number,
                    area,
                    ("margin_m", self.tr("length of the edge, m")),
                    ("divide_m", self.tr("length of the divides to neighbours, m")),
                    edge,
                    ("threshold_unc_km2", self.tr("part of it: the threshold, km²")),
                    snow,
                    ("unseen_unc_km2", self.tr("part of it: what was not seen, km²")),
                    ("area_unc_km2", deviation),
                    ("area_low_km2", self.tr("area of the least extent, km²")),
                    ("area_high_km2", self.tr("area of the greatest extent, km²")),
                    debris,
                    ("debris_unc_km2", self.tr("what that may be wrong by (standard deviation), km²")),
                    (
                        "half_pixel_unc_km2",
                        self.tr("the usual buffer of half a cell, to compare with others, km²"),
                    ),
                ),
            ),
            (
                "snow_lines",
                self.tr("table: where snow ended on each date"),
                (
                    number,
                    ("date", self.tr("when it was seen (UTC)")),
                    ("snow_line_m", self.tr("elevation of the snow line, m; empty: none to be seen")),
                    ("snow_line_unc_m", self.tr("what that may be wrong by, m")),
                    ("accumulation_area_ratio", self.tr("share of the glacier under snow, 0 to 1")),
                    ("seen_share", self.tr("share of the glacier that was seen, 0 to 1")),
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        self.add(
            several_places("scenes", self.tr("Scenes")),
            self.tr(
                "Scenes, folders of scenes, or the GeoPackage made by “List scenes”, in one list: Landsat, "
                "Sentinel-2, HLS or GeoTIFFs with green, near infrared and short-wave infrared, of late July "
                "to September of one year. In qgis_process write scenes=PATH once for each."
            ),
        )
        self.add(
            QgsProcessingParameterRasterLayer("dem", self.tr("Elevation model")),
            self.tr("Elevations in metres that cover the scenes: the first band of a raster file."),
        )
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        self.add(
            QgsProcessingParameterFeatureSource(
                "inventory", self.tr("Earlier inventory"), polygons, optional=True
            ),
            self.tr(
                "Outlines such as RGI 7.0: their divides and names are kept, and the table links says which "
                "glacier was which. Empty: divides are found by the fall of the surface."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource("zones", self.tr("Zones"), polygons, optional=True),
            self.tr(
                "Polygons, such as basins or countries: the table zone_bands sums the ice of each by 200 m "
                "of elevation."
            ),
        )
        self.add(
            QgsProcessingParameterField(
                "zone_field", self.tr("Column with the zone's name"), None, "zones", optional=True
            ),
            self.tr("Which column names the zones. Empty: name, where there is one, else the first text."),
        )
        self.add(
            QgsProcessingParameterFeatureSource("edits", self.tr("Edits"), polygons, optional=True),
            self.tr(
                "Polygons drawn by people, with the columns action (add or remove), date, author and reason: "
                "replayed on every run, so that the outlines stay repeatable."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "min_area_km2",
                self.tr("Smallest body of ice (km²)"),
                QgsProcessingParameterNumber.Type.Double,
                0.01,
                minValue=0,
            ),
            self.tr("Smaller patches are left out, in km²; glacier inventories take 0.01."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterString("bands", self.tr("Bands of a plain GeoTIFF"), None, optional=True),
            self.tr(
                "Which band of a plain GeoTIFF is which, counted from 1: green=2,nir=4,swir1=5. Not for "
                "scenes that say it themselves."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterDateTime(
                "time",
                self.tr("Time of a plain GeoTIFF (UTC)"),
                QgsProcessingParameterDateTime.Type.DateTime,
                optional=True,
            ),
            self.tr("When a plain GeoTIFF was taken, UTC, such as 2024-08-21T06:16:29."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterString("sun", self.tr("Sun over a plain GeoTIFF"), None, optional=True),
            self.tr(
                "Where the sun stood over a plain GeoTIFF: azimuth clockwise from north and elevation, in "
                "degrees, such as 151.5,53.6. Without it no cast shadow is found, and a warning is given."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterVectorDestination(
                "out", self.tr("Glaciers"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            self.tr(
                "GeoPackage to write: the layer glaciers and, where they hold anything, outlines_min, "
                "outlines_max, debris, unseen and intersects are loaded; the tables lie in it too."
            ),
        )
        for name, label in (
            ("GLACIERS", self.tr("Number of glaciers")),
            ("BODIES", self.tr("Number of connected bodies of ice")),
            ("AREA_KM2", self.tr("Area of clean ice (km²)")),
            ("AREA_UNC_KM2", self.tr("What the area may be wrong by (km²)")),
            ("HALF_PIXEL_UNC_KM2", self.tr("The same by the buffer of half a cell (km²)")),
            ("UNSEEN_KM2", self.tr("Land beside it not seen (km²)")),
            ("DEBRIS_KM2", self.tr("Ice that may lie under debris (km²)")),
            ("DEBRIS_UNC_KM2", self.tr("What that may be wrong by (km²)")),
            ("THRESHOLD", self.tr("Reflectance by which green exceeds short-wave infrared on ice")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))
        self.addOutput(QgsProcessingOutputFile("picture", self.tr("Picture of the glaciers")))

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        for other in ("inventory", "zones"):
            if is_given(parameters.get(other)):
                yield self.apart("dem", other, parameters, context)
