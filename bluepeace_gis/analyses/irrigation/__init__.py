"""Irrigated land of a year: cropped or not, in which season, by what water, and what was not observed.

The order of the steps: ``classify`` (or ``described`` and ``decide``), ``irrigated``, ``exclude`` and
``apply``, ``by_majority`` or ``sieve``, each of the last four on the map and on its ``low`` and ``high``
twins, then ``zones_table``.
"""

from bluepeace_gis.analyses.irrigation.areas import ZoneSums, zones_table
from bluepeace_gis.analyses.irrigation.aridity import arid, dry_months, green_in_dry_months, irrigated
from bluepeace_gis.analyses.irrigation.exclusions import Excluded, apply, exclude, steep, water, wetland
from bluepeace_gis.analyses.irrigation.parcels import ParcelVotes, by_majority, patch_min_ha, sieve
from bluepeace_gis.analyses.irrigation.rule import (
    Cropped,
    Limits,
    classify,
    decide,
    described,
    green_threshold,
    levels,
    method,
)
from bluepeace_gis.analyses.irrigation.seasons import Seasons

__all__ = [
    "Cropped", "Excluded", "Limits", "ParcelVotes", "Seasons", "ZoneSums", "apply", "arid", "by_majority",
    "classify", "decide", "described", "dry_months", "exclude", "green_in_dry_months", "green_threshold",
    "irrigated", "levels", "method", "patch_min_ha", "sieve", "steep", "water", "wetland", "zones_table",
]  # fmt: skip
