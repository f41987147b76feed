"""The named defaults of area estimation, in one place; the provenance of every product prints them."""

from typing import Final

# Share of repeated samples whose interval holds the truth.
CONFIDENCE: Final = 0.95
# What is added to the points found in a class and to those found outside it: Jeffreys' prior,
# Brown, Cai and DasGupta (2001), doi:10.1214/ss/1009213286.
JEFFREYS: Final = 0.5
# Draws of the Monte-Carlo totals and the seed they begin from: the same sample gives the same limits.
DRAWS: Final = 20_000
SEED: Final = 20_140_217

# Points in a stratum, however small it is: 50 to 100 for rare classes, Olofsson et al. (2014), section 3.2,
# doi:10.1016/j.rse.2014.02.015.
FLOOR_POINTS: Final = 50
# Fewer tell nothing of how points of a stratum differ.
LEAST_POINTS: Final = 2
# The standard error of overall accuracy that a sample is planned for, as in the example of that paper.
TARGET_STANDARD_ERROR: Final = 0.01
# What share of a class on the map is expected to be right where nobody knows better: the user's accuracies
# that paper plans with lie between 0.6 and 0.95.
EXPECTED_ACCURACY: Final = 0.9
# Names of what is planned around by --buffer-m where none is named: what these maps are made for.
BUFFERED: Final = (("gained", "lost"), ("irrigated",))
# A buffer stratum within which class omissions are likely: Olofsson et al. (2020),
# doi:10.1016/j.rse.2019.111492.
BUFFER: Final = "near"

# The name of the class that is no class, and of the land that lies in none of the zones.
NOT_OBSERVED: Final = "not observed"
ALL: Final = "all"
OUTSIDE: Final = "outside the zones"

# Zone totals are fitted to the totals of strata until they differ by less than this part of them.
FITTED: Final = 1e-12
FITTING_ROUNDS: Final = 10_000
