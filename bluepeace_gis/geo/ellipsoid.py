"""Areas on an ellipsoid of revolution in closed form, by way of the sphere with the same surface.

The authalic latitude of a place is its latitude on a sphere to which the ellipsoid is mapped with all
areas kept [1]_. There the area between two parallels is a difference of sines (Archimedes), and a
small parallelogram is a cross product of unit vectors, at the poles and at 180 degrees as anywhere.

.. [1] Snyder (1987), Map projections, a working manual, eq. 3-11 and 3-12, doi:10.3133/pp1395
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.errors import UnknownCrs
from bluepeace_gis.geo.crs import label, unbound

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Ellipsoid:
    """An oblate ellipsoid or a sphere: half its greater axis in metres, and its eccentricity squared."""

    semi_major_m: float
    eccentricity2: float

    @classmethod
    def of(cls, crs: Any) -> "Ellipsoid":
        """Take the ellipsoid a CRS stands on, whatever sphere its projection computes with (EPSG:3857)."""
        plane = unbound(crs)
        shape: Any = plane.ellipsoid  # not None: what has none is refused
        greater, lesser = shape.semi_major_metre, shape.semi_minor_metre
        if shape.inverse_flattening:
            flattening = 1 / shape.inverse_flattening
            eccentricity2 = flattening * (2 - flattening)
        else:
            eccentricity2 = (greater - lesser) * (greater + lesser) / greater**2
        if not 0 <= eccentricity2 < 1:
            raise UnknownCrs(
                f"{label(plane)} stands on a body of {greater} by {lesser} metres, expected an oblate "
                "ellipsoid or a sphere. Reproject the data to a CRS of the Earth first."
            )
        return cls(greater, eccentricity2)

    @property
    def pole_q(self) -> float:
        """Snyder's q at the pole; the surface is ``2 pi a^2 q``."""
        return float(self._q_step(np.float64(-1.0), np.float64(1.0), np.float64(2.0)) / 2)

    @property
    def authalic_radius2_m2(self) -> float:
        """The squared radius of the sphere with the same surface, m2."""
        return self.semi_major_m**2 * self.pole_q / 2

    def authalic_sine(self, latitude_rad: Reals) -> Reals:
        """Sine of the authalic latitude, -1 at the south pole to 1 at the north pole."""
        sine = np.sin(latitude_rad)
        found: Reals = self._q_step(np.zeros_like(sine), sine, sine) / self.pole_q
        return found

    def authalic_vectors(self, longitude_rad: Reals, latitude_rad: Reals) -> Reals:
        """Unit vectors (3, ...) of the places on the authalic sphere, exact at the poles too."""
        sine = np.sin(latitude_rad)
        # 1 - sin and 1 + sin without loss near the pole where they vanish
        to_north = 2 * np.sin((np.pi / 2 - latitude_rad) / 2) ** 2
        to_south = 2 * np.sin((np.pi / 2 + latitude_rad) / 2) ** 2
        one = np.ones_like(sine)
        cosine = np.sqrt(self._q_step(sine, one, to_north) * self._q_step(-one, sine, to_south)) / self.pole_q
        return np.stack(
            [cosine * np.cos(longitude_rad), cosine * np.sin(longitude_rad), self.authalic_sine(latitude_rad)]
        )

    def band_m2(self, latitude_rad: Reals, half_height_rad: float) -> Reals:
        """Area per radian of longitude between the parallels ``half_height_rad`` either side, m2."""
        below, above = np.sin(latitude_rad - half_height_rad), np.sin(latitude_rad + half_height_rad)
        step = 2 * np.cos(latitude_rad) * np.sin(half_height_rad)  # above - below, without cancellation
        band: Reals = self.semi_major_m**2 / 2 * self._q_step(below, above, step)
        return band

    def _q_step(self, below: Any, above: Any, step: Any) -> Any:
        """Difference of Snyder's q between two sines of latitude whose difference is ``step``."""
        e2 = self.eccentricity2
        rational = step * (1 + e2 * below * above) / ((1 - e2 * below**2) * (1 - e2 * above**2))
        slope = step / (1 - e2 * below * above)
        e = np.sqrt(e2)
        return (1 - e2) * (rational + (np.arctanh(e * slope) / e if e > 0 else slope))
