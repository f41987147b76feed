"""Areas: how much land a class holds, by a probability sample of points, with an interval that holds."""

from bluepeace_gis.analyses.areas.assessment import Assessment, Census, assess, changes
from bluepeace_gis.analyses.areas.design import Stratum, allocate, draw, sample_size

__all__ = ["Assessment", "Census", "Stratum", "allocate", "assess", "changes", "draw", "sample_size"]
