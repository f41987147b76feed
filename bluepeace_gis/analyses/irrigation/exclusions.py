"""What is green without being a field: steep pasture, water, reeds, and what a map of others names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.analyses.irrigation import defaults
from bluepeace_gis.analyses.irrigation.defaults import (
    IRRIGATED,
    NO_SEASON,
    NOT_IRRIGATED,
    OUTSIDE,
    PERMANENT,
    UNCERTAIN,
)
from bluepeace_gis.errors import BadInput

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Reals = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Excluded:
    """Why land was taken out.

    Parameters
    ----------
    reason : (...) uint8
        0 kept, else the number of the reason from 1 in the order of ``names``; the first that applies.
    names : (str, ...)
        Of the reasons.
    """

    reason: Codes
    names: tuple[str, ...]

    def taken_from(self, state: Codes) -> dict[str, Flags]:
        """Tell which cells of ``state`` were cropped and are taken out; returns a mask by reason."""
        cropped = (state == IRRIGATED) | (state == UNCERTAIN)
        return {name: cropped & (self.reason == number) for number, name in enumerate(self.names, 1)}


def steep(slope_deg: Reals, *, slope_max_deg: float = defaults.SLOPE_MAX_DEG) -> Flags:
    """Tell where land is too steep to lead water over it, by ``slope_deg``, degrees; returns a mask.

    Above ``slope_max_deg``; where the slope is not known (NaN) land stays.
    """
    mask: Flags = slope_deg > slope_max_deg
    return mask


def water(water_share: Reals, *, share_min: float = defaults.WATER_SHARE) -> Flags:
    """Tell where there is a lake or river, by ``water_share``, 0..1; returns a mask.

    ``water_share`` is the share of observations that show water (MNDWI above 0, or the sensor's own class);
    from ``share_min`` on it is water. Where it is not known (NaN) land stays.
    """
    mask: Flags = water_share >= share_min
    return mask


def wetland(water_share: Reals, season: Codes, *, share_min: float = defaults.WETLAND_SHARE) -> Flags:
    """Tell where reeds stand in water, from its share and the season.

    Parameters
    ----------
    water_share : (...) float, 0..1
        Share of observations that show water; NaN where not known.
    season : (...) uint8
        From :func:`.rule.classify`. Rice is under water in May and June and green after; what is green
        through both seasons (permanent) and wet for ``share_min`` of the time is no rice.
    share_min : float

    Returns
    -------
    (...) bool
    """
    mask: Flags = (water_share >= share_min) & (season == PERMANENT)
    return mask


def exclude(shape: tuple[int, ...], masks: Mapping[str, Flags]) -> Excluded:
    """Collect the reasons for which land is taken out.

    Parameters
    ----------
    shape : (...)
        Of the map.
    masks : {reason: (...) bool}
        From this module, or burnt from polygons (riparian forest, wetlands, salt, towns): where there are
        such polygons they are surer than any spectrum.

    Returns
    -------
    Excluded

    Raises
    ------
    BadInput
        If a mask has another shape or there are more than 255.
    """
    if len(masks) > 255:
        raise BadInput(f"Found {len(masks)} reasons to exclude land; expected at most 255. Join some.")
    reason = np.zeros(shape, np.uint8)
    for number, (name, mask) in enumerate(masks.items(), 1):
        if mask.shape != shape:
            raise BadInput(f"The mask of {name} is {mask.shape}; expected {shape}, the shape of the map.")
        reason[mask & (reason == 0)] = number
    return Excluded(reason, tuple(masks))


def apply(state: Codes, season: Codes, excluded: Excluded) -> tuple[Codes, Codes]:
    """Take land out of a map.

    Parameters
    ----------
    state, season : (...) uint8
    excluded : Excluded

    Returns
    -------
    state, season : (...) uint8
        1 (not irrigated) and 0 (none) where land is taken out, whether it was observed or not: what stands
        there is known by other means. What lies outside (255) stays outside.
    """
    out = (excluded.reason > 0) & (state != OUTSIDE)
    return (
        np.where(out, NOT_IRRIGATED, state).astype(np.uint8),
        np.where(out, NO_SEASON, season).astype(np.uint8),
    )
