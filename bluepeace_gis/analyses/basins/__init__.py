"""Basins: the land upstream of an outlet, its shape and heights, and whose land it is."""

from bluepeace_gis.analyses.basins.delineation import GEOMETRY_TYPES, Basins, delineate_basins

__all__ = ["GEOMETRY_TYPES", "Basins", "delineate_basins"]
