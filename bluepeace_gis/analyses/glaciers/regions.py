"""In which first- and second-order region of the Randolph Glacier Inventory a glacier lies."""

from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

UNKNOWN: Final = ("00", "00-00")

# Central Asia without the Hindu Kush, Karakoram and Himalaya (regions 14 and 15) and south of 46 degrees
# north (RGI 7.0 user guide). The limits inside are ours, along the valleys between the ranges that the
# second-order regions are named after: the Surkhob and the Alay valley between Hissar Alay and Pamir, the
# Fergana basin and the upper Kara Darya to the Tien Shan; the Ili and 82 degrees east between its west and
# its east. Glaciers beside a limit may be numbered otherwise in the RGI: an inventory that is given decides.
_LIMITS: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "13-01": (
        (66.0, 37.9), (68.6, 38.1), (69.6, 38.75), (70.4, 39.03), (71.4, 39.25), (72.5, 39.5), (73.9, 39.65),
        (74.2, 40.05), (73.2, 40.6), (71.5, 40.6), (69.6, 40.35), (66.0, 40.35),
    ),
    "13-02": (
        (68.6, 38.1), (69.6, 38.75), (70.4, 39.03), (71.4, 39.25), (72.5, 39.5), (73.9, 39.65), (74.2, 39.8),
        (76.5, 39.5), (76.5, 37.2), (74.9, 37.2), (73.3, 37.42), (72.4, 36.95), (71.7, 36.7), (71.45, 37.2),
        (71.5, 37.95), (70.9, 38.4), (70.2, 37.9), (69.4, 37.5),
    ),
    "13-03": (
        (69.6, 40.35), (71.5, 40.6), (73.2, 40.6), (74.2, 40.05), (74.2, 39.8), (76.5, 39.5), (82.0, 40.8),
        (82.0, 43.6), (80.5, 43.8), (76.0, 43.9), (78.0, 46.0), (66.0, 46.0), (66.0, 40.35),
    ),
    "13-04": (
        (76.0, 43.9), (80.5, 43.8), (82.0, 43.6), (82.0, 40.8), (96.0, 40.8), (96.0, 46.0), (78.0, 46.0),
    ),
}  # fmt: skip


def regions(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[list[str], list[str]]:
    """Name the regions of places.

    Parameters
    ----------
    lon, lat : (n,) float, degrees

    Returns
    -------
    o1region, o2region : (n,) str
        "13" with 13-01 to 13-04; "00" and "00-00" elsewhere: other regions are not known here.
    """
    found = [UNKNOWN] * len(lon)
    for name, corners in reversed(_LIMITS.items()):
        inside = shapely.contains_xy(shapely.Polygon(corners), lon, lat)
        for place in np.flatnonzero(inside).tolist():
            found[place] = (name[:2], name)
    return [each[0] for each in found], [each[1] for each in found]
