"""The named defaults of glacier mapping, in one place; the provenance of every product prints them.

"Labelled" are the 11,728 pixels of Sentinel-2 that people labelled on four glaciers of North America
(Rainey et al., github.com/RaineyAbe/glacier-snow-cover-mapping), without 680 rows of one date that all hold
the same spectrum under three labels. Fitted to three of the sites, the two margins come out at 0.05 to 0.11
and 0.03 to 0.04 (F1 on the fourth 0.988 to 0.999; with the margins below 0.990 to 0.999).
"""

from typing import Final

# --- the spectrum; reflectance 0..1 ---

# Snow and ice reflect light that can be seen and absorb short-wave infrared near 1.6 micrometres (Dozier
# 1989, doi:10.1016/0034-4257(89)90101-6): green stands above it. On bare land it does not, beyond what the
# atmospheric correction may be wrong by (0.005 + 5 %, Vermote et al. 2016, doi:10.1016/j.rse.2016.04.008): 98
# % of the labelled rock lie below 0.06, 99 % of snow and ice above.
VISIBLE_MARGIN: Final = 0.06
# Liquid water absorbs near infrared as well, snow and ice do not: they stand above short-wave infrared there,
# too. All labelled water lies below 0.033, all but 0.3 % of snow and ice in sun and shade above 0.04.
NEAR_INFRARED_MARGIN: Final = 0.04
# Water that is bright in near infrared because it is silty: green more than three times (NDWI > 0.5)
# a near infrared below 0.15. No labelled ice does so (its NDWI ends at 0.43); blue bare ice of Landsat can,
# so that a flat place must confirm it.
WATER_GREEN_TIMES: Final = 3
WATER_NEAR_INFRARED_MAX: Final = 0.15
# A lake is level. Elevations of a few metres error, 30 m apart, make 6 degrees of a level lake; tongues of
# glaciers are steeper on average, and a lake younger than the elevations must be told by its spectrum.
WATER_SLOPE_MAX_DEG: Final = 6.0
# What looks like ice but is as level as only water (ice on a lake, a silty one) in the elevations.
LEVEL_SLOPE_MAX_DEG: Final = 1.5

# --- shadow ---

# In the shadow that the mountains cast, snow shows 0.11 and more in green (labelled). Below 0.03 even ice of
# a quarter of its brightness would not be told from rock: not seen.
DEEP_SHADOW_GREEN_MAX: Final = 0.03
# What is lit by the sky alone counts this many times: half of the margins above tell snow from rock there
# (ice of the sample 0.09 green, 0.035 near infrared; rock at most 0.04 above short-wave infrared in either).
SHADE_TIMES: Final = 2
# The line of light may be off by the error of the elevations before a cell counts as shadow.
SHADOW_DEPTH_MIN_M: Final = 5.0

# --- several dates ---

# A date on which a place is ice-free but brighter than this does not end the ice of other dates: it is a
# cloud that the quality layer missed.
CLOUD_GREEN_MIN: Final = 0.35
# Below this short-wave infrared, dates are not told apart by the quotient with green (Vermote et al. 2016).
SWIR_FLOOR: Final = 0.005
# One outline of scenes this far apart would mix years of change; glaciers here lose 0.4 % a year.
SPAN_WARNED_DAYS: Final = 400
SPAN_MAX_DAYS: Final = 1100

# --- the threshold and its plateau ---

# The curve of area against the visible margin: steps, and where a threshold may lie at all.
CURVE_FROM: Final = -0.10
CURVE_TO: Final = 0.60
CURVE_STEP: Final = 0.01
THRESHOLD_RANGE: Final = (0.02, 0.20)
# A step belongs to the plateau while it changes the area by no more than this many times the least step.
PLATEAU_TIMES: Final = 2.0
# Steps that change the area by less of it are level, whatever the least step is: mixed cells of a small
# glacier lie evenly between ground and ice and make so much; ground that haze has lifted makes ten times
# more.
PLATEAU_LEVEL: Final = 0.01
# The plateau is followed no farther from the threshold: beyond, dark ice itself is left out.
PLATEAU_REACH: Final = 0.04
# The curve is that of the ice and this many cells around it: beyond lie other things.
CURVE_REACH_CELLS: Final = 3

# --- outlines ---

# Patches below are no glaciers (RGI 7.0 Consortium 2023, doi:10.5067/F6JMOVY5NAVZ).
AREA_MIN_KM2: Final = 0.01
# Pure ice and pure ground are looked for within so many cells of a mixed one: far enough to find them beside
# a margin two cells wide, near enough to have the same light. 2 to 8 cells change the area of a tongue by 0.6
# % (Athabasca, 30 m).
UNMIXING_REACH_CELLS: Final = 5

# --- snow of the season ---

# With a single date a patch smaller than this is taken for snow of the season where its outline is ragged:
# 4 pi area / perimeter^2 (1 for a disc) below the least of 96 glaciers of known outline (0.17).
SNOW_PATCH_MAX_KM2: Final = 1.0
SNOW_ROUNDNESS_MAX: Final = 0.15  # in cells of 10 m
# Coarser cells shorten ragged lines: by cells^-0.25 at the dimension 1.25 of a coast (Mandelbrot 1967,
# doi:10.1126/science.156.3775.636), which its square root takes up here.
SNOW_ROUNDNESS_CELL_M: Final = 10.0
SNOW_ROUNDNESS_POWER: Final = 0.5
# Pieces of ice that are narrower are taken for snow along ridges and rims: an opening of this width takes 0.1
# to 0.3 % of glaciers that people outlined (RGI 7 Oetztal, GLIMS Baker).
FRINGE_M: Final = 60.0

# Snow and ice that fill a cell leave little short-wave infrared: green exceeds it four times (NDSI > 0.6) in
# 95 % of the labelled snow, 98 % of the ice, 99.5 % of what is shaded, and 0.3 % of the rock. A cell with
# more is mixed; mixed cells farther from pure ones than a margin is wide are patchy snow, or ice half
# covered.
PURE_TIMES: Final = 4

# --- ice under debris ---

# Debris lies on ice that slopes less (Paul et al. 2004, doi:10.1016/j.rse.2003.11.007), over the width of a
# small tongue: hummocks and cliffs are steeper.
DEBRIS_SLOPE_MAX_DEG: Final = 24.0
DEBRIS_SMOOTHING_M: Final = 150.0
# Near infrared more than twice green is plants: bare rock has 1.3 times (labelled, median; 90 % below 1.9).
PLANTS_TIMES: Final = 2
# Debris comes out of ice that was fed above it. A steady glacier has six tenths of its area above the line
# where as much falls as melts, so that less than two thirds of that can lie below, clean or not.
DEBRIS_GAIN: Final = 2 / 3
# Where no temperature confirms it, a tenth: debris covers 3.5 % of the 43,087 km2 of the second glacier
# inventory of China (Guo et al. 2015, doi:10.3189/2015JoG14J209), and slope and spectrum alone prove little.
DEBRIS_GAIN_UNCONFIRMED: Final = 0.1
# Above a debris-covered tongue flows ice: so much of it along its way, or it is a slope beside the ice.
DEBRIS_ICE_MIN_M: Final = 300.0
# How far from clean ice: the longest covered tongues that temperature confirms, and what slope and spectrum
# alone may claim, for a valley floor has both of them as well.
DEBRIS_REACH_M: Final = 5000.0
DEBRIS_REACH_UNCONFIRMED_M: Final = 500.0
# Ice cools the debris above it: colder than this share of the bare, gentle ground away from the ice, at its
# height and on the same date. Contrast, not degrees: they depend on the hour and the weather.
DEBRIS_COLDER_THAN: Final = 0.75
# Ground cells without which there is nothing to compare with.
DEBRIS_GROUND_MIN: Final = 200
# Of the margin of ice under debris, as people drew it (Guo et al. 2015); all along alike, for it is the
# judgement that errs and not the sensor.
DEBRIS_EDGE_M: Final = 30.0

# --- snow and ice on a glacier ---

# Snow is brighter than ice in near infrared; the threshold between them is found on each scene (Otsu 1979,
# doi:10.1109/TSMC.1979.4310076; for glaciers Rastner et al. 2019, doi:10.3390/rs11121410).
SNOW_BINS: Final = 100
# Two kinds are told apart where the threshold explains this share of the variance: a single normal
# distribution cut in its middle gives 2 / pi = 0.64, an even one 0.75.
SNOW_EXPLAINED_MIN: Final = 0.75
# Where the threshold may lie: 5 % of the labelled ice is brighter than 0.35, 5 % of the labelled snow darker
# than 0.49, in sunlight; beyond by a quarter it parts snow from shade, or clean ice from dirty.
SNOW_RANGE: Final = (0.26, 0.61)
SNOW_CELLS_MIN: Final = 30
# Height steps of the snow line, and how much of a glacier must be seen.
SNOW_LINE_STEP_M: Final = 20.0
SNOW_LINE_SEEN_MIN: Final = 0.5

# --- winter ---

# In the lower half of a scene's heights snow is gone at the end of summer: 44 % are ice there in a scene that
# an ice field fills (Athabasca), 99 % in winter.
WINTER_LOW_SHARE: Final = 0.6
# Without heights that differ: nothing but an ice cap is covered so far.
WINTER_SHARE: Final = 0.9

# --- an offset that was forgotten ---

# What is white and called ice: half of the labelled snow and ice of this brightness lies below 0.02 in
# short-wave infrared. Where a forgotten offset lifts all numbers by 0.2, none of it lies below 0.15.
WHITE_GREEN_MIN: Final = 0.4
WHITE_SWIR_MAX: Final = 0.15
WHITE_DARKEST_PERCENT: Final = 1.0
WHITE_CELLS_MIN: Final = 500  # so that the darkest of a hundred are several

# --- elevations ---

# Of the cells seen so many may lie beyond the elevations: the ragged rim of a DEM, not a missing tile.
UNCOVERED_MAX: Final = 0.05

# --- uncertainty, one standard deviation ---

# Of the margin of clean ice found by a threshold: a third of a cell (Paul et al. 2013,
# doi:10.3189/2013AoG63A296, find half a cell to one for whole-cell outlines; sub-pixel ones are nearer).
EDGE_CELLS: Final = 1 / 3
# Errors along the margin are alike over the window pure ice is taken from, 2 * 5 cells.
EDGE_CORRELATION_CELLS: Final = 10.0
# Unseen ground this far from ice may hide more of it; with clouds farther out there is nothing to add to.
UNSEEN_REACH_M: Final = 1000.0
