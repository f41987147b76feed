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

# Height of an elevation band: hydrological models such as HBV and RS MINERVE are set up with 100-300 m.
BAND_M: Final = 200.0
# More bands than this are a mistake of units (a height in feet or centimetres, a band of 1 mm).
BANDS_MAX: Final = 2000

# A known area that differs by more than this from the area found is worth a warning.
KNOWN_AREA_TOLERANCE: Final = 0.05
