"""The named defaults of change of irrigated land, in one place; every product prints them."""

from typing import Final

# Abandoned: five years or more without irrigation, after three or more with it; new is its mirror image.
# Shorter fallow belongs to the rotation of crops.
INACTIVE_YEARS: Final = 5
ACTIVE_YEARS: Final = 3
# Kept: irrigated in at least this share of the years known, so that one fallow year in a rotation of five
# fields is none of change. Our own choice; frequency.tif serves any other.
KEPT_SHARE: Final = 0.8
# Never: irrigated in at most this share of the years known, and in fewer than make a gain. The plain rule
# calls 10 % of well observed fallow fields cropped (on the fields of Remelgado et al. 2020, Sci Data 7:250):
# in a series of 25 years hardly any dry land would be never irrigated otherwise.
STRAY_SHARE: Final = 0.1
# The years known of a cell must span at least this share of the years asked about, or nothing is said of the
# rest. Our own choice: half.
SPAN_SHARE: Final = 0.5
# A period of several years counts as irrigated where at least this share of its known years is.
PERIOD_SHARE: Final = 0.5
# A year of which less than this share of a zone's land was decided takes no part in the trend: what was not
# seen would otherwise become one.
TREND_DECIDED_SHARE: Final = 0.8
# Of fewer years the exact test can find no trend at 95 %: its smallest p is 0.083 of 4 years, 0.017 of 5.
TREND_LEAST_YEARS: Final = 5
CONFIDENCE: Final = 0.95
# Names of the classes of a map of one year, by their codes; the last is what lies outside of what is mapped.
NOT_OBSERVED, NOT_IRRIGATED, UNCERTAIN, IRRIGATED, OUTSIDE = 0, 1, 2, 3, 255
STATES: Final = {
    NOT_OBSERVED: "not observed",
    NOT_IRRIGATED: "not irrigated",
    UNCERTAIN: "uncertain",
    IRRIGATED: "irrigated",
    OUTSIDE: "outside",
}
# What the table calls the sum of all zones.
ALL: Final = "all"
