"""Glacier change: the command `bluepeace glacier-change` in the toolbox."""

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsWkbTypes,
)

from .algorithm import is_given
from .glaciers import GlacierAlgorithm


class GlacierChange(GlacierAlgorithm):
    """Compares glaciers of two dates, and says where a change can be told."""

    command = "glacier-change"
    positional = ("before", "after")
    shown = "|layername=change"
    numbers = {
        "CLUSTERS": "clusters",
        "GLACIERS": "glaciers",
        "AREA_BEFORE_KM2": "area_before_km2",
        "AREA_AFTER_KM2": "area_after_km2",
        "CHANGE_KM2": "change_km2",
        "CHANGE_UNC_KM2": "change_unc_km2",
        "CHANGE_LOW_KM2": "change_low_km2",
        "CHANGE_HIGH_KM2": "change_high_km2",
        "CHANGE_PCT": "change_pct",
        "PCT_PER_YEAR": "pct_per_year",
        "PCT_PER_YEAR_UNC": "pct_per_year_unc",
        "LOSS": "loss",
        "GAIN": "gain",
        "NOT_DISTINGUISHABLE": "not_distinguishable",
        "NOT_COMPARED": "not_compared",
    }

    def name(self):
        return "glacier_change"

    def displayName(self):
        return self.tr("Glacier change")

    def tags(self):
        return self.tr("glacier,ice,change,retreat,loss,inventory,RGI,GLIMS,WGMS,area,rate").split(",")

    def shortDescription(self):
        return self.tr("Compares glaciers of two dates, and says where a change can be told.")

    def about(self):
        return self.tr(
            "Links the outlines of two dates by their overlap, so that a glacier that fell apart is compared "
            "as one, and gives each group the change of its area with what that may be wrong by. Only what "
            "exceeds the 95 % interval is called loss or gain. What one date did not see (cloud, shadow, "
            "beyond the scenes) is taken for unchanged and widens the interval; it never counts as loss. "
            "Layers that mean different things by a glacier are refused. A table of areas at several dates, "
            "as WGMS keeps them, can be given instead of outlines. Beside the GeoPackage lie a picture, the "
            "style, and the record of inputs, parameters and versions by which the other side can repeat "
            "the run."
        )

    def layers(self):
        return (
            ("before", self.tr("Glaciers before")),
            ("after", self.tr("Glaciers after")),
            ("change", self.tr("Glacier change")),
        )

    def tables(self):
        measures = (
            ("area_before_km2", self.tr("area on the first date, km²")),
            ("area_after_km2", self.tr("area on the second date, km²")),
            (
                "change_km2",
                self.tr("change, what one date did not see being taken for unchanged, km²"),
            ),
            ("change_unc_km2", self.tr("what it may be wrong by (standard deviation), km²")),
            ("change_pct", self.tr("change, percent of the area before")),
            ("pct_per_year", self.tr("change, percent a year")),
            ("verdict", self.tr("loss, gain, not distinguishable (from no change) or not compared")),
        )
        intervals = (
            ("change_low_km2", self.tr("lower end of the 95 % interval, km²")),
            ("change_high_km2", self.tr("upper end of the 95 % interval, km²")),
            ("change_unc_pct", self.tr("what the change may be wrong by, percent of the area before")),
            ("pct_per_year_unc", self.tr("what the rate may be wrong by, percent a year")),
            ("pct_per_year_low", self.tr("lower end of its 95 % interval, percent a year")),
            ("pct_per_year_high", self.tr("upper end of its 95 % interval, percent a year")),
            ("random_unc_km2", self.tr("part of change_unc_km2 that differs from glacier to glacier, km²")),
            ("common_unc_km2", self.tr("part of it that all glaciers share, km²")),
            ("hidden_before_km2", self.tr("later ice where the first date did not see, km²")),
            ("hidden_after_km2", self.tr("earlier ice where the second date did not see, km²")),
            ("years", self.tr("years between the dates")),
        )
        cluster = ("cluster_id", self.tr("number of the group"))
        outline = (
            ("id", self.tr("number in its own layer")),
            cluster,
            ("date", self.tr("when it was seen")),
            ("area_km2", self.tr("area on the ellipsoid, km²")),
        )
        count = ("clusters", self.tr("number of groups"))
        return (
            (
                "change",
                self.tr(
                    "glaciers, or groups of those that overlap across the dates; of a table of areas a "
                    "table, with the same measures and a trend"
                ),
                (
                    *measures,
                    cluster,
                    ("name", self.tr("name, where a layer has one")),
                    (
                        "status",
                        self.tr(
                            "kept, split, merged, rearranged, vanished, new; or why it is not compared: "
                            "hidden, outside the other frame, no time between"
                        ),
                    ),
                    ("n_before", self.tr("number of outlines before")),
                    ("n_after", self.tr("number of outlines after")),
                    ("before_ids", self.tr("their numbers before")),
                    ("after_ids", self.tr("their numbers after")),
                    ("before_date", self.tr("first date")),
                    ("after_date", self.tr("second date")),
                    *intervals,
                ),
            ),
            ("before", self.tr("outlines of the first date"), outline),
            ("after", self.tr("outlines of the second date"), outline),
            ("links", self.tr("table: which outline overlaps which, as in RGI 7.0"), self.links_columns()),
            (
                "totals",
                self.tr("table: all glaciers that could be compared, and those of each zone"),
                (
                    ("zone", self.tr("name of the zone; “all” for the whole")),
                    *measures,
                    count,
                    *intervals,
                    ("not_compared_before_km2", self.tr("ice of the first date left out, km²")),
                    ("not_compared_after_km2", self.tr("ice of the second date left out, km²")),
                ),
            ),
            (
                "size_classes",
                self.tr("table: the same by size on the first date"),
                (
                    ("size_from_km2", self.tr("lower limit of the class, km²")),
                    ("size_to_km2", self.tr("upper limit of the class, km²; empty: none")),
                    count,
                    *measures,
                    *intervals,
                ),
            ),
        )

    def initAlgorithm(self, config=None):  # noqa: ARG002 - QGIS passes it
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        day = QgsProcessingParameterDateTime.Type.Date
        self.add(
            QgsProcessingParameterFeatureSource(
                "before", self.tr("Glaciers before"), [QgsProcessing.SourceType.TypeVector]
            ),
            self.tr(
                "Outlines of the earlier date: made by “Glacier outlines”, RGI or GLIMS, or any polygons "
                "with dates. Or a table of areas at several dates (glacier_name, date, area in m² or "
                "area_km2, area_unc); nothing is then given as glaciers after."
            ),
        )
        self.add(
            QgsProcessingParameterFeatureSource("after", self.tr("Glaciers after"), polygons, optional=True),
            self.tr("Outlines of the later date. Empty only with a table of areas."),
        )
        self.add(
            QgsProcessingParameterFeatureSource("zones", self.tr("Zones"), polygons, optional=True),
            self.tr("Basins or countries by which the change is added up, in the table totals."),
        )
        self.add(
            QgsProcessingParameterField(
                "zone_field", self.tr("Column with the zone's name"), None, "zones", optional=True
            ),
            self.tr("Which column names the zones. Empty: zone, name or country, where there is one."),
        )
        self.add(
            QgsProcessingParameterDateTime("before_date", self.tr("Date before"), day, optional=True),
            self.tr(
                "When all glaciers before were seen, such as 2003-08-30, where their column src_date does "
                "not say."
            ),
        )
        self.add(
            QgsProcessingParameterDateTime("after_date", self.tr("Date after"), day, optional=True),
            self.tr("The same of the glaciers after."),
        )
        self.add(
            QgsProcessingParameterString("since", self.tr("Of a table: areas since"), None, optional=True),
            self.tr("Leaves out earlier areas of a table: 2010 or 2010-01-01. Not for outlines."),
            rare=True,
        )
        self.add(
            QgsProcessingParameterBoolean("accept_definition", self.tr("Accept different meanings"), False),
            self.tr(
                "Compares although the two layers mean different things by a glacier (debris, size of "
                "cells, thresholds); the note stands on the product."
            ),
            rare=True,
        )
        self.add(
            QgsProcessingParameterVectorDestination(
                "out", self.tr("Glacier change"), QgsProcessing.SourceType.TypeVector
            ),
            self.tr(
                "GeoPackage to write: the layers change, before and after are loaded; the tables links, "
                "totals and size_classes lie in it too."
            ),
        )
        for name, label in (
            ("CLUSTERS", self.tr("Number of groups of glaciers")),
            ("GLACIERS", self.tr("Number of glaciers, of a table of areas")),
            ("AREA_BEFORE_KM2", self.tr("Area before (km²)")),
            ("AREA_AFTER_KM2", self.tr("Area after (km²)")),
            ("CHANGE_KM2", self.tr("Change (km²)")),
            ("CHANGE_UNC_KM2", self.tr("What the change may be wrong by (km²)")),
            ("CHANGE_LOW_KM2", self.tr("Lower end of its 95 % interval (km²)")),
            ("CHANGE_HIGH_KM2", self.tr("Upper end of its 95 % interval (km²)")),
            ("CHANGE_PCT", self.tr("Change (%)")),
            ("PCT_PER_YEAR", self.tr("Change a year (%)")),
            ("PCT_PER_YEAR_UNC", self.tr("What that may be wrong by (%)")),
            ("LOSS", self.tr("Number that lost area")),
            ("GAIN", self.tr("Number that gained area")),
            ("NOT_DISTINGUISHABLE", self.tr("Number of which no change can be told")),
            ("NOT_COMPARED", self.tr("Number not compared")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))
        self.addOutput(QgsProcessingOutputFile("picture", self.tr("Picture of the change")))

    def problems(self, parameters, context):
        yield from super().problems(parameters, context)
        before = self.parameterAsSource(parameters, "before", context)
        if before is None:
            return
        label = {name: self.parameterDefinition(name).description() for name in ("before", "after", "since")}
        is_table = before.wkbType() == QgsWkbTypes.Type.NoGeometry
        has_after = is_given(parameters.get("after"))
        if is_table and has_after:
            yield self.tr(
                "{before} is a table, which stands alone, and {after} are given: leave these out, or choose "
                "outlines of the earlier date."
            ).format(**label)
        elif not is_table and not has_after:
            yield self.tr("{before} are outlines, but {after} are not given: choose them.").format(**label)
        elif has_after:
            yield self.apart("before", "after", parameters, context)
            if is_given(parameters.get("since")):
                yield self.tr("{since} is for a table of areas, and outlines are given: empty it.").format(
                    **label
                )
            if is_given(parameters.get("zones")):
                yield self.apart("before", "zones", parameters, context)
