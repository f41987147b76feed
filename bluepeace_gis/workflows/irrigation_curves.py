"""A few typical cells or fields of a map, whose curves show beside the windows what the rule went by."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from bluepeace_gis.analyses.irrigation import Limits, Seasons
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.lattice import Place
from bluepeace_gis.kernels import whittaker
from bluepeace_gis.kernels.normalized import NODATA, STEPS
from bluepeace_gis.maps.irrigation_picture import Curve, Windows
from bluepeace_gis.workflows import irrigation_prepared, tiling
from bluepeace_gis.workflows.irrigation_maps import Layer
from bluepeace_gis.workflows.irrigation_prepared import Prepared
from bluepeace_gis.workflows.irrigation_tiles import DEKADS, SEASON, STATE, dekads
from bluepeace_gis.workflows.tiling import Job

# State and season, and what the picture calls them.
KINDS: Final[Mapping[tuple[int, int], str]] = {
    (3, 1): "winter", (3, 2): "summer", (3, 3): "double", (3, 4): "permanent", (1, 0): "not irrigated",
    (0, 0): "not observed",
}  # fmt: skip
# How far inside a patch of its class a typical cell lies, in cells.
INSIDE: Final = 2
# The penalty of the drawn curve where the V-curve has no corner, on dekads.
PENALTY: Final = 1.0
DEKADS_OF_YEAR: Final = 36
"""Steps of the axis of the drawn curve."""


class Typical:
    """The best seen cell of each kind, found strip by strip."""

    def __init__(self) -> None:
        self.best: dict[tuple[int, int], tuple[int, int, int]] = {}

    def look(self, row0: int, found: NDArray[np.uint8]) -> None:
        """Look at rows of the map (bands, rows, columns)."""
        for kind in KINDS:
            mask = (found[STATE] == kind[0]) & (found[SEASON] == kind[1])
            known = np.where(_inner(mask), found[DEKADS].astype(np.int16), -1)
            place = int(known.argmax())
            row, column = divmod(place, known.shape[1])
            if known[row, column] > self.best.get(kind, (0, 0, 0))[0]:
                self.best[kind] = (int(known[row, column]), row0 + row, column)


def _inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave of a mask what lies ``INSIDE`` cells inside of it."""
    for axis in (0, 1):
        inner = mask.copy()
        for step in range(1, INSIDE + 1):
            for sign in (1, -1):
                inner &= np.roll(mask, sign * step, axis)
        ends = [slice(None)] * 2
        for ends[axis] in (slice(0, INSIDE), slice(-INSIDE, None)):
            inner[tuple(ends)] = False
        mask = inner
    return mask


def curves(
    typical: Typical,
    layers: Sequence[Layer],
    lattices: Sequence[Job | Prepared],
    grid: Grid,
    work: Path,
    year: int,
) -> list[Curve]:
    """Read what was seen of the typical cells, each by the lattice that saw it most often.

    Parameters
    ----------
    typical : Typical
    layers : list of Layer
    lattices : list of Job or Prepared
        Of the same names.
    grid : Grid
        Of the map.
    work : path
        Of the run: decoded scenes lie in it.
    year : int

    Returns
    -------
    list of Curve
    """
    by_name = {each.name: each for each in lattices}
    found = []
    for kind, name in KINDS.items():
        if kind not in typical.best:
            continue
        _, row, column = typical.best[kind]
        cell = (row, row + 1, column, column + 1)
        seen = [int(layer.raster.codes(DEKADS + 1, grid, cell)[0, 0]) % 255 for layer in layers]
        layer = layers[int(np.argmax(seen))]
        place = _place(layer.grid, grid, row, column)
        if place is None:
            continue
        ndvi, days = _series(by_name[layer.name], place, work)
        x, y = grid.centres(row, column)
        digits = 4 if grid.is_geographic else 0
        label = f"{float(x):.{digits}f}, {float(y):.{digits}f}"
        found.append(curve(name, label, ndvi, days, year))
    return found


def _place(own: Grid, grid: Grid, row: int, column: int) -> Place | None:
    """Find the cell of a lattice under the centre of a cell of the map."""
    x, y = grid.centres(row, column)
    x, y = Transformer.from_crs(grid.crs, own.crs, always_xy=True).transform(float(x), float(y))
    r, c = own.cells_of(np.array([x]), np.array([y]))
    rows, columns = own.shape
    inside = 0 <= r[0] < rows and 0 <= c[0] < columns
    return Place(int(r[0]), int(c[0]), 1, 1) if inside else None


def _series(each: Job | Prepared, cell: Place, work: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Read all observations of one cell: (dates,) and their days of the year."""
    names = [name for name, place in each.lattice.places.items() if place.common(cell)]
    inner = work / "finish"  # tasks know the run's folder as the one above theirs
    if isinstance(each, Prepared):
        return irrigation_prepared.series(each.task(cell, names).arguments)
    seen, _ = tiling.read_tile(tiling.tile_task(each, cell, names, work).arguments, inner)
    days = [time.astimezone(dt.UTC).date().timetuple().tm_yday for time in seen.times]
    return seen.values[:, 0, 0, 0], np.array(days, np.int16)


def curve(name: str, label: str, ndvi: NDArray[np.int16], days: NDArray[np.int16], year: int) -> Curve:
    """Draw a curve through what was seen of one place: dekad maxima, and Whittaker's line through them."""
    if not len(ndvi):
        return Curve(name, label, *(np.empty(0) for _ in range(4)))
    value, day, _, _ = dekads(ndvi[:, np.newaxis], days, year)
    known = value[:, 0] != NODATA
    seen_days, seen = day[known, 0].astype(np.int64), value[known]
    step = np.minimum((seen_days - 1) * DEKADS_OF_YEAR // 365, DEKADS_OF_YEAR - 1)
    chosen = (
        whittaker.v_curve(seen, NODATA, step=step, steps=DEKADS_OF_YEAR).penalty[0] if len(seen) else np.nan
    )
    penalty = float(chosen) if np.isfinite(chosen) else PENALTY
    smooth = whittaker.smooth(seen, penalty, NODATA, step=step, steps=DEKADS_OF_YEAR)[:, 0]
    middle = (np.arange(DEKADS_OF_YEAR) + 0.5) * 365 / DEKADS_OF_YEAR
    drawn = np.where(smooth == NODATA, np.nan, smooth / STEPS)
    return Curve(name, label, seen_days, seen[:, 0] / STEPS, middle, drawn)


def windows_of(table: Seasons, limits: Limits) -> Windows:
    """Tell the windows of the default zone and the least level, for the picture."""
    zone = table.zones[0]
    return Windows(zone.spring, zone.summer, limits.green)


def of_fields(
    ndvi: NDArray[np.int16], days: NDArray[np.int16], state: NDArray[Any], season: NDArray[Any], year: int
) -> list[Curve]:
    """Choose of each kind the field that was seen best, of equals the first; ndvi is (dates, fields)."""
    known = (ndvi != NODATA).sum(axis=0)
    chosen = []
    for kind, name in KINDS.items():
        mine = np.flatnonzero((state == kind[0]) & (season == kind[1]))
        if mine.size:
            best = int(mine[np.argmax(known[mine])])
            chosen.append(curve(name, f"row {best + 1}", ndvi[:, best], days, year))
    return chosen
