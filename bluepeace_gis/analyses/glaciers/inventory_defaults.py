"""The named defaults of the inventory: divides, attributes and tables; the provenance prints them."""

from typing import Final

# --- divides, after Kienholz et al. (2013), doi:10.3189/2013JoG12J138 ---

DIVIDE_CELL_M: Final = 40.0  # of the grid on which basins are found
# Flow of ice follows the surface over a few ice thicknesses, not its crevasses and moraines; and a DEM of
# 30 to 90 m says no more.
SMOOTHING_M: Final = 60.0
# The gutter lies so far outside of the ice: beyond the ragged margin, on the near side of the next valley.
GUTTER_M: Final = 80.0
# Another basin may belong to an outlet within this times the root of the area that drains to it: the radius
# of a circle of that area. Kienholz et al. take 14.3 by the root of the cells of 40 m, which is 0.36, and ask
# nothing else. Chosen on the Oetztal complex: 0.36, 0.45, 0.56 and 0.7 give it an overlap of 0.87, 0.92, 0.93
# and 0.93 with RGI 7.0; not tested on one kept apart.
OUTLET_REACH: Final = 0.564
OUTLET_REACH_MAX_M: Final = 3500.0
# Smaller basins are slivers.
GLACIER_MIN_KM2: Final = 0.1
# Flow from both sides of a border is followed this far; where the ways part by less than this share of their
# length (0 side by side, 1 opposite; one half is an angle of 60 degrees) the border is no divide.
FLOW_REACH_M: Final = 800.0
FLOW_APART_MAX: Final = 0.5
# Along the margin of one glacier the way from a pit to the terminus climbs little against its relief.
MARGIN_CLIMB_SHARE: Final = 0.2

# --- length: Kienholz et al. (2014), doi:10.5194/tc-8-503-2014, with the numbers of OGGM (oggm.org) ---

COST_MARGIN: Final = 1000.0
COST_MARGIN_POWER: Final = 4.25
COST_HEIGHT: Final = 3000.0
COST_HEIGHT_POWER: Final = 3.7
HEAD_WINDOW_M: Final = 500.0

# --- tables ---

HYPSOMETRY_BAND_M: Final = 50
ZONE_BAND_M: Final = 200
