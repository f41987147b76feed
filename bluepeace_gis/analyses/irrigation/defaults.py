"""The named defaults of irrigation mapping, in one place; the provenance of every product prints them.

"Surveyed" are the 6,102 fields of Fergana, Samarkand and Kashkadarya whose season people noted on the ground
(Remelgado et al. 2020, doi:10.1038/s41597-020-00591-2), with NDVI composites of 16 days. No constant is
fitted to a region: each has a reason, and a fifth more or less of any takes at most 0.025 from the accuracy
on them. Green, contrast and the open part chosen on two of the regions come out at 0.30 to 0.35, 0.15 to 0.25
and 0.5 to 0.8; on the third these reach 0.88 (all fields) and 0.91 (well observed), the defaults 0.89 and
0.91.
"""

from typing import Final

# --- when land counts as cropped; NDVI ---

# A canopy that was green: the mean of the highest composite of a season and its higher neighbour. A single
# composite above 0.40 is the plain rule; its mean with a neighbour 16 days off lies 0.05 lower.
GREEN_MIN: Final = 0.35
# How far that stands above the soil of the same place: what tells sown land from the weeds of fallow, which
# are as green as a thin crop but stand there all year.
CONTRAST_MIN: Final = 0.20
# Soil is the lower quartile of the year's composites: a third of the year at least no crop stands on a field,
# and unlike the lowest composite the quartile is no cloud or snow.
SOIL_SHARE: Final = 0.25
# What is greener than this is no bare soil: the quartile of an orchard that only summer was seen of.
SOIL_MOST: Final = 0.30
# A second season counts from here on: weeds after harvest reach 0.35 and stand lower than a second crop.
SECOND_GREEN_MIN: Final = 0.40
# The map and its areas are made again with all three thresholds lower and higher by this.
SENSITIVITY: Final = 0.05

# --- which season ---

# Two crops need a fallow between: a trough this far below the lower of both peaks ...
TROUGH_MIN: Final = 0.12
# ... that gives up at least a third of its height above the soil; a mown meadow or an orchard gives up less.
TROUGH_OPEN: Final = 2 / 3
# A hump lasts while the curve stands above half its height (White et al. 1997, doi:10.1029/97GB00330).
HALF: Final = 0.5

# --- signal ---

# Composites farther apart do not vouch for each other: one and a half of 16 days.
REACH_DAYS: Final = 24
# No canopy gains and loses 0.30 within one composite: the rest of a cloud's rim or a mixed-up date.
SPIKE: Final = 0.30

# --- what gaps may hide ---

# The seasons of crops in days, thick or thin: from emergence to the full canopy, at it, and from ripening to
# bare soil. Crops of fields in FAO-56 (Allen et al. 1998, table 11) develop in 25 days and more (cotton 50,
# winter cereals 60 and more), stand 30 and more (cotton and small grains 40 and more) and ripen in 10 and
# more (cotton 45, cereals 25 and more); lettuce, spinach and radish take less in all and are not looked for.
# With so many of 23 composites kept at random, on well observed surveyed fields: of those cropped and now
# decided 0.4 % (6 kept) to 0.9 % (12 kept) are called not cropped.
DEVELOPMENT_DAYS: Final = 40.0
STANDING_DAYS: Final = 30.0
DECLINE_DAYS: Final = 25.0
# Gaps up to one composite of MODIS, or one repeat of one Landsat, are none.
SUPPORT_DAYS: Final = 16.0

# --- threshold from the histogram ---

# Otsu (1979, doi:10.1109/TSMC.1979.4310076), only where the histogram has two hills, and within this.
GREEN_RANGE: Final = (0.30, 0.50)
# Two hills: each holds so much of the cells, and between them the histogram falls to this part of the lower.
HILL_SHARE_MIN: Final = 0.10
VALLEY_MAX: Final = 0.5
HISTOGRAM_STEP: Final = 0.02
# Fewer cells make hills by chance.
HISTOGRAM_LEAST: Final = 1000

# --- water for it ---

# Below this rain no crop grows to the end without irrigation.
ARID_RAIN_MM: Final = 250.0
# Nor where rain is less than this part of reference evapotranspiration; so, too, a month counts as dry.
ARID_RATIO: Final = 0.3

# Where half of the land has less or more in a year, the numbers are in another unit than mm: metres, tenths.
# Land with crops has 400 to 2,500 mm of evapotranspiration; rain falls from nearly none to 12,000 mm.
ET0_MM_RANGE: Final = (200.0, 5000.0)
RAIN_MM_RANGE: Final = (5.0, 20_000.0)

# --- what is green but no field ---

# Pasture in the mountains: nobody leads water over steeper land. Elevations a few metres off make 6 degrees
# of level land, so that 8 would take level fields away.
SLOPE_MAX_DEG: Final = 10.0
# Water in half of the observations or more: a lake, a river.
WATER_SHARE: Final = 0.5
# Water under plants that are green from spring to autumn: reeds. Rice is under water too, but not green then.
WETLAND_SHARE: Final = 0.2

# --- size ---

# Patches below are no fields: 5 % of the surveyed fields are smaller than 1.0 ha. By the side of a cell.
PATCH_MIN_HA: Final = {"10-20 m": 0.5, "coarser": 0.9}
PATCH_FINE_CELL_M: Final = 20.0
# A parcel is decided when this share of its cells is.
PARCEL_SEEN_MIN: Final = 0.5

# --- codes ---

STATES: Final = {0: "not observed", 1: "not irrigated", 2: "uncertain", 3: "irrigated", 255: "outside"}
SEASONS: Final = {0: "none", 1: "winter", 2: "summer", 3: "double", 4: "permanent", 255: "outside"}
NOT_OBSERVED, NOT_IRRIGATED, UNCERTAIN, IRRIGATED, OUTSIDE = STATES
NO_SEASON, WINTER, SUMMER, DOUBLE, PERMANENT, _ = SEASONS
