"""Glacier outlines: the command `bluepeace glaciers` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import BluepeaceAlgorithm, several_places


class Glaciers(BluepeaceAlgorithm):
    """Outlines clean ice in scenes of the end of one summer."""

    command = "glaciers"
    positional = ("scenes",)
    shown = "|layername=glaciers"
    numbers = {
        "GLACIERS": "glaciers",
        "AREA_KM2": "area_km2",
        "AREA_UNC_KM2": "area_unc_km2",
        "UNSEEN_KM2": "unseen_km2",
        "THRESHOLD": "threshold",
    }

    def name(self):
        return "glaciers"

    def displayName(self):
        return self.tr("Glacier outlines")

    def group(self):
        return self.tr("Glaciers")

    def groupId(self):
        return "glaciers"

    def tags(self):
        return self.tr("glacier,ice,snow,NDSI,inventory,RGI,outline,Landsat,Sentinel-2").split(",")

    def shortDescription(self):
        return self.tr("Outlines clean ice in scenes of the end of one summer.")

    def about(self):
        return self.tr(
            "Tells snow and ice from rock, water, shadow and cloud in scenes of the end of one summer; of "
            "several dates the one with the least snow counts, cell by cell. Outlines run where half of a "
            "cell is ice, and each body of ice is given with its area on the ellipsoid and what that may "
            "be wrong by. Ice under debris is not mapped. Beside the GeoPackage lie a picture with the area "
            "at every threshold, the style, and the record of inputs, parameters and versions by which "
            "the other side can repeat the run."
        )

    def tables(self):
        area = (("area_km2", self.tr("area on the ellipsoid, km²")),)
        return (
            (
                "glaciers",
                self.tr("connected bodies of clean ice, largest first"),
                (
                    ("src_date", self.tr("when it was seen")),
                    *area,
                    ("area_unc_km2", self.tr("what the area may be wrong by (standard deviation), km²")),
                    ("edge_unc_km2", self.tr("part of it: where the edge runs, km²")),
                    ("snow_unc_km2", self.tr("part of it: late snow taken for ice, km²")),
                    ("unseen_km2", self.tr("land beside it that was not seen and may be ice, km²")),
                    ("debris_km2", self.tr("ice under debris, km²; empty: not mapped")),
                ),
            ),
            ("outlines_min", self.tr("the least extent that the scenes allow"), area),
            ("outlines_max", self.tr("the greatest extent that the scenes allow"), area),
            ("debris", self.tr("ice under debris; empty: not mapped"), area),
            ("unseen", self.tr("what was not seen beside the ice: cloud, shadow, no data"), area),
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
        self.add(
            QgsProcessingParameterFeatureSource(
                "edits", self.tr("Edits"), [QgsProcessing.SourceType.TypeVectorPolygon], optional=True
            ),
            self.tr(
                "Polygons drawn by people, with the columns action (add or remove), date, author and reason: "
                "replayed on every run, so that the outlines stay repeatable."
            ),
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
                "GeoPackage to write: the layer glaciers is drawn; outlines_min, outlines_max, debris and "
                "unseen lie in it too."
            ),
        )
        self.addOutput(QgsProcessingOutputNumber("GLACIERS", self.tr("Number of bodies of ice")))
        self.addOutput(QgsProcessingOutputNumber("AREA_KM2", self.tr("Area of clean ice (km²)")))
        self.addOutput(
            QgsProcessingOutputNumber("AREA_UNC_KM2", self.tr("What the area may be wrong by (km²)"))
        )
        self.addOutput(QgsProcessingOutputNumber("UNSEEN_KM2", self.tr("Land beside it not seen (km²)")))
        self.addOutput(
            QgsProcessingOutputNumber(
                "THRESHOLD", self.tr("Reflectance by which green exceeds short-wave infrared on ice")
            )
        )
        self.addOutput(QgsProcessingOutputFile("picture", self.tr("Picture of the glaciers")))
