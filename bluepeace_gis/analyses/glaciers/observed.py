"""What the scenes of one late summer saw of a frame: of each cell the date with the least snow."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluepeace_gis.analyses.glaciers import defaults
from bluepeace_gis.analyses.glaciers.classification import (
    NODATA,
    STEPS,
    limits,
    stored,
)
from bluepeace_gis.analyses.glaciers.terrain import Terrain
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.kernels import contrast, selection

Shorts = NDArray[np.int16]
Codes = NDArray[np.uint8]

DATES_MAX: Final = 255
_FREEZING_K: Final = 273.15


@dataclass
class Observed:
    """The composite with the least snow, how often each cell was seen, and how often as ice.

    Parameters
    ----------
    grid : Grid
    green, nir, swir1 : (rows, columns) int16
        10000 times reflectance of the kept date; -32768 where no date saw the cell.
    dates : [datetime]
        Of the observations, UTC.
    date : (rows, columns) uint8 or None
        Which of them is kept; None with a single one.
    seen, ice : (rows, columns) uint8 or None
        On how many dates the cell was seen, and was snow or ice.
    detail_m : float
        The coarsest cell of the bands used: what the outline resolves.
    temperature : (rows, columns) int16 or None
        Of the surface on the kept date, hundredths of a degree Celsius; -32768 where it is not known. None
        where no date has a thermal band.
    """

    grid: Grid
    green: Shorts
    nir: Shorts
    swir1: Shorts
    dates: list[dt.datetime]
    detail_m: float
    date: Codes | None = None
    seen: Codes | None = None
    ice: Codes | None = None
    temperature: Shorts | None = None
    _limits: tuple[int, int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._limits = (
            round(defaults.SWIR_FLOOR * STEPS),
            round(defaults.CLOUD_GREEN_MIN * STEPS),
            round(defaults.VISIBLE_MARGIN * STEPS),
        )

    @classmethod
    def nothing(cls, grid: Grid, dates: list[dt.datetime], detail_m: float) -> "Observed":
        """Begin with a frame that no date has seen yet.

        Parameters
        ----------
        grid : Grid
        dates : [datetime]
            Of the observations that will come, at most 255.
        detail_m : float
            See :class:`Observed`.
        """
        green, nir, swir1 = (np.full(grid.shape, NODATA, np.int16) for _ in range(3))
        if len(dates) == 1:
            return cls(grid, green, nir, swir1, dates, detail_m)
        date, seen, ice = (np.zeros(grid.shape, np.uint8) for _ in range(3))
        return cls(grid, green, nir, swir1, dates, detail_m, date, seen, ice)

    def add(
        self,
        number: int,
        row: int,
        green: ArrayLike,
        nir: ArrayLike,
        swir1: ArrayLike,
        *,
        terrain: Terrain | None = None,
        shade: Codes | None = None,
        temperature_k: NDArray[np.floating[Any]] | None = None,
        join: bool = False,
    ) -> None:
        """Take up some whole rows of one observation.

        Parameters
        ----------
        number : int
            Of the observation, from 0.
        row : int
            The first of the rows.
        green, nir, swir1 : (rows, columns) float or int16
            As of :func:`classify`; unknown where cloud, cloud shadow or nothing was seen.
        terrain, shade : optional
            Where the mountains cast their shadow on this date, see :meth:`Terrain.shade`: it
            is lightened, and what is too dark there was not seen.
        temperature_k : (rows, columns) float, kelvin, optional
            Of the surface, NaN where unknown.
        join : bool
            Whether rows of an observation that were added before are kept where this part saw nothing: a
            date made of several scenes.
        """
        bands = [np.array(stored(band)) for band in (green, nir, swir1)]
        rows = slice(row, row + bands[0].shape[0])
        if terrain is not None and shade is not None:
            dark = round(defaults.DEEP_SHADOW_GREEN_MAX * STEPS)
            in_shade = (bands[0], bands[1], bands[2])
            selection.lighten(
                in_shade, dark, defaults.SHADE_TIMES, shade, terrain.rows[rows], terrain.columns
            )
        kept = (self.green[rows], self.nir[rows], self.swir1[rows])
        if self.date is None or self.seen is None or self.ice is None:
            for target, band in zip(kept, bands, strict=True):
                target[:] = np.where(bands[0] == NODATA, target, band) if join else band
            self._keep_temperature(rows, bands[0] != NODATA, temperature_k)
            return
        codes = contrast.classes(bands[0], bands[1], bands[2], limits(defaults.VISIBLE_MARGIN))
        selection.keep(
            (bands[0], bands[1], bands[2]),
            codes,
            number,
            self._limits,
            kept,
            self.date[rows],
            self.seen[rows],
            self.ice[rows],
        )
        self._keep_temperature(rows, (bands[0] != NODATA) & (self.date[rows] == number), temperature_k)

    def _keep_temperature(
        self, rows: slice, kept: NDArray[np.bool_], temperature_k: NDArray[np.floating[Any]] | None
    ) -> None:
        if temperature_k is None:
            if self.temperature is not None:  # of another date than the bands
                self.temperature[rows][kept] = NODATA
            return
        if self.temperature is None:
            self.temperature = np.full(self.grid.shape, NODATA, np.int16)
        known = np.isfinite(temperature_k)
        hundredths = np.clip(np.rint((np.where(known, temperature_k, 0) - _FREEZING_K) * 100), -32767, 32767)
        self.temperature[rows][kept] = np.where(known, hundredths, NODATA).astype(np.int16)[kept]

    def window(self, row0: int, row1: int, col0: int, col1: int) -> "Observed":
        """Cut out rows ``row0`` to ``row1 - 1`` and columns ``col0`` to ``col1 - 1``, as copies."""
        place = (slice(row0, row1), slice(col0, col1))
        green, nir, swir1 = (np.ascontiguousarray(band[place]) for band in (self.green, self.nir, self.swir1))
        date, seen, ice = (
            None if each is None else np.ascontiguousarray(each[place])
            for each in (self.date, self.seen, self.ice)
        )
        temperature = None if self.temperature is None else np.ascontiguousarray(self.temperature[place])
        grid = self.grid.window(row0, row1, col0, col1)
        return Observed(grid, green, nir, swir1, self.dates, self.detail_m, date, seen, ice, temperature)
