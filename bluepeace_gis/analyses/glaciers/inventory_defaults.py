"""The named defaults of the inventory: divides, attributes and tables; the provenance prints them."""

from typing import Final

# --- divides, after Kienholz et al. (2013), doi:10.3189/2013JoG12J138 ---

DIVIDE_CELL_M: Final = 40.0  # of the grid on which basins are found
# Flow of ice follows the surface over a few ice thicknesses, not its crevasses and moraines; and a DEM of
# 30 to 90 m says no more.
SMOOTHING_M: Final = 60.0
# The gutter lies so far outside of the ice: beyond the ragged margin, on the near side of the next valley.
GUTTER_M: Final = 80.0
# Smaller basins are slivers.
GLACIER_MIN_KM2: Final = 0.1
# Flow from both sides of a border is followed this far, about twice the width of a tongue; where the ways
# part by less than this share of their length (0 side by side, 1 opposite; one half is an angle of 60
# degrees) the border is no divide.
FLOW_REACH_M: Final = 1600.0
FLOW_APART_MAX: Final = 0.5
# Low places of the margin between which the surface rises by less than some tens of metres, about as much as
# a glacier is thick, are no ends of two glaciers. Looked at were the Oetztal complex and Mount Baker: 50 to
# 100 m here, 0.3 to 0.4 for the share below, 0.4 to 0.6 and 800 to 2400 m above all give both an overlap of
# 0.90 with their inventories; with 40 m Oetztal has 0.88. Not tested on a complex kept apart.
RISE_MAX_M: Final = 50.0
# A basin that lies along a neighbour with more than this share of its outline is its flank.
FLANK_SHARE: Final = 1 / 3

# --- length: Kienholz et al. (2014), doi:10.5194/tc-8-503-2014, with the numbers of OGGM (oggm.org) ---

COST_MARGIN: Final = 1000.0
COST_MARGIN_POWER: Final = 4.25
COST_HEIGHT: Final = 3000.0
COST_HEIGHT_POWER: Final = 3.7
HEAD_WINDOW_M: Final = 500.0

# --- tables ---

HYPSOMETRY_BAND_M: Final = 50
ZONE_BAND_M: Final = 200
