"""Glaciers: where clean ice lies at the end of a summer, and how far that may be wrong."""

from bluepeace_gis.analyses.glaciers.classification import classify, is_ice
from bluepeace_gis.analyses.glaciers.edits import Edit, edits_of
from bluepeace_gis.analyses.glaciers.extent import (
    COLUMNS,
    GEOMETRY_TYPES,
    Extent,
    find_glaciers,
    require_late_summer,
)
from bluepeace_gis.analyses.glaciers.observed import Observed
from bluepeace_gis.analyses.glaciers.terrain import Terrain
from bluepeace_gis.analyses.glaciers.threshold import Curve

__all__ = [
    "COLUMNS",
    "GEOMETRY_TYPES",
    "Curve",
    "Edit",
    "Extent",
    "Observed",
    "Terrain",
    "classify",
    "edits_of",
    "find_glaciers",
    "is_ice",
    "require_late_summer",
]
