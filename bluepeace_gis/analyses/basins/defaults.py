"""The named defaults of basin delineation, in one place; the provenance of every product prints them."""

from typing import Final

# An outlet is looked for within this many cells around the point that was given: gauges digitised on
# a map lie off the modelled channel by a cell or two.
SNAP_CELLS: Final = 3.0

# A channel begins where this much land drains to a cell, but never with fewer cells than
# STREAM_CELLS: the flow paths of fewer are an artefact of the grid, not a stream.
STREAMS_KM2: Final = 1.0
STREAM_CELLS: Final = 100.0

# Depressions below both are noise of the elevations; the others are reported, whatever becomes of them.
DEPRESSION_MIN_KM2: Final = 0.1
DEPRESSION_MIN_M: Final = 1.0

# Digits of the Pfafstetter code of a subbasin: four tell 9^4 parts of a basin apart.
PFAFSTETTER_LEVELS: Final = 4

# Height of an elevation band: hydrological models such as HBV and RS MINERVE are set up with 100-300 m.
BAND_M: Final = 200.0
# More bands than this are a mistake of units (a height in feet or centimetres, a band of 1 mm).
BANDS_MAX: Final = 2000

# A known area that differs by more than this from the area found is worth a warning.
KNOWN_AREA_TOLERANCE: Final = 0.05

# A river this near to the line between two countries is on it: rivers and borders were digitised apart.
# 100 m is 0.5 mm on a map of 1:200 000, which one place in ten may be off by (US National Map Accuracy
# Standards 1947: 1/50 inch); a channel traced on a grid lies off by a cell or two more.
BORDER_M: Final = 100.0
BORDER_CELLS: Final = 3.0
# Only who is off the border for this many times that distance stays in a country; a meander of a border
# river is shorter.
STAY_DISTANCES: Final = 5.0
# A river on the border for longer runs along it; one that crosses at 12 degrees or more is on it for less.
REACH_DISTANCES: Final = 10.0
# Where a border reach begins and ends is looked for within this many times that distance.
TRIM_DISTANCES: Final = 2.0
# Cells whose distances to a border differ by less than this many times that distance are equally near.
NEAREST_DISTANCES: Final = 0.01
