"""Glaciers: where ice lies at the end of a summer, how far that may be wrong, and which glaciers it makes."""

from bluepeace_gis.analyses.glaciers.classification import classify, is_ice
from bluepeace_gis.analyses.glaciers.divides import Divided, fixed_divides, flow_divides
from bluepeace_gis.analyses.glaciers.edits import Edit, edits_of
from bluepeace_gis.analyses.glaciers.extent import (
    COLUMNS,
    GEOMETRY_TYPES,
    PART_COLUMNS,
    Extent,
    find_glaciers,
    require_dark_ice,
    require_late_summer,
)
from bluepeace_gis.analyses.glaciers.inventory import (
    INVENTORY_TYPES,
    OWN_COLUMNS,
    RGI_COLUMNS,
    Inventory,
    make_inventory,
)
from bluepeace_gis.analyses.glaciers.observed import Observed
from bluepeace_gis.analyses.glaciers.snow_lines import SNOW_LINE_COLUMNS, snow_lines, snow_threshold
from bluepeace_gis.analyses.glaciers.terrain import Terrain
from bluepeace_gis.analyses.glaciers.threshold import Curve

__all__ = [
    "COLUMNS",
    "GEOMETRY_TYPES",
    "INVENTORY_TYPES",
    "OWN_COLUMNS",
    "PART_COLUMNS",
    "RGI_COLUMNS",
    "SNOW_LINE_COLUMNS",
    "Curve",
    "Divided",
    "Edit",
    "Extent",
    "Inventory",
    "Observed",
    "Terrain",
    "classify",
    "edits_of",
    "find_glaciers",
    "fixed_divides",
    "flow_divides",
    "is_ice",
    "make_inventory",
    "require_dark_ice",
    "require_late_summer",
    "snow_lines",
    "snow_threshold",
]
