"""One vocabulary for what can be wrong with an observation, whatever the sensor.

Every sensor's own quality codes are translated into these bits where its files are read. Which of
them an analysis rejects is its own choice: snow is the enemy of irrigation and the subject of glaciers.
"""

from enum import IntFlag
from typing import Final


class Flag(IntFlag):
    """Bits of a uint8 mask; several may be set in one cell, 0 is a clear observation of land."""

    FILL = 1
    """Nothing was observed: outside the swath, a scan-line gap, a lost packet."""
    SATURATED = 2
    """A band that was asked for reached the end of its range, or the detector was defective."""
    CLOUD = 4
    DILATED_CLOUD = 8
    """Clear itself, but so close to a cloud that its brightness is not trusted."""
    SHADOW = 16
    """The shadow of a cloud; the shadow of a mountain is the business of the DEM."""
    CIRRUS = 32
    SNOW = 64
    WATER = 128
    """Told apart, never rejected by default."""


REJECTED_FOR_PLANTS: Final = (
    Flag.FILL | Flag.SATURATED | Flag.CLOUD | Flag.DILATED_CLOUD | Flag.SHADOW | Flag.CIRRUS | Flag.SNOW
)
REJECTED_FOR_ICE: Final = Flag.FILL | Flag.CLOUD | Flag.DILATED_CLOUD | Flag.SHADOW | Flag.CIRRUS
