"""The named defaults of glacier change, in one place; the provenance of every product prints them."""

from typing import Final

# --- how sure a verdict is ---

# Columns that end in _unc are one standard deviation, as everywhere in the glacier products; verdicts and the
# columns that end in _low and _high are 95 % (both sides), so that of 40 glaciers without change one is
# called shrinking: 1.96 standard deviations of a normal distribution.
VERDICT_TIMES: Final = 1.959964
CONFIDENCE_PCT: Final = 95

# --- outlines that do not say what they may be wrong by ---

# Clean ice +-10 m (Guo et al. 2015, doi:10.3189/2015JoG14J209): a third of the 30 m cells of Landsat, from
# which most outlines of these mountains were drawn.
EDGE_M: Final = 10.0
# Random errors along a margin are alike over ten cells of 30 m, as for our own outlines.
EDGE_CORRELATION_M: Final = 300.0
# Another person or method lies inside or outside all along the margin by about as much: this part does not
# average out, neither along a margin nor over glaciers. It makes 5 % of a glacier of 1 km2 and 3 % of the
# glaciers of a range, as between the analysts of Paul et al. (2013, doi:10.3189/2013AoG63A296).
OFFSET_M: Final = 10.0

# --- what is not there ---

# What is smaller was not mapped (RGI 7.0 Consortium 2023, doi:10.5067/F6JMOVY5NAVZ): a glacier that vanished
# may still be as large.
AREA_MIN_KM2: Final = 0.01
# A larger one does not melt away between two inventories (at 2 % a year it takes fifty years): it was hidden
# where nobody recorded it, or another extent was drawn.
VANISHED_PLAUSIBLE_KM2: Final = 1.0
# Of a glacier so much is hidden or outside the frame that nothing can be said of the rest.
HIDDEN_SHARE: Final = 0.99
# Outlines of one layer that share more of its area than this count ice twice: two dates in one file, say.
OVERLAP_SHARE: Final = 0.01
# A cell this much larger is another pixel size: 30 m cells make 4 to 8 % more ice than 10 m cells.
CELL_TIMES: Final = 1.1

# --- rates ---

# Ten times the usual 0.4 % a year: another extent was measured (a branch, a map of another scale), not ice.
RATE_PLAUSIBLE_PCT: Final = 4.0
DAYS_PER_YEAR: Final = 365.25
# In less time than this the seasons differ more than the glaciers.
YEARS_MIN: Final = 1.0

# --- tables ---

# Lower bounds of the size classes, km2.
SIZE_CLASSES_KM2: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)

# --- series of areas without outlines ---

# Where a source states no uncertainty: 5 % of clean ice (Paul et al. 2013, doi:10.3189/2013AoG63A296).
SERIES_UNC_SHARE: Final = 0.05
# What a source states below this is said: people who outline the same clean ice differ by 5 %.
SERIES_UNC_DOUBTFUL: Final = 0.01
# A trend needs so many dates; with fewer only the end points are compared.
TREND_DATES_MIN: Final = 4
