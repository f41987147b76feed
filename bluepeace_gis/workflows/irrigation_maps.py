"""One map from those of all lattices: the surest at each place, without what is no field and small patches.

All goes strip by strip over the finished grid. A patch below the smallest mapping unit reaches few rows: a
strip is sieved with so many rows around it, and comes out as the whole map would.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from bluepeace_gis.analyses import irrigation as rules
from bluepeace_gis.analyses.irrigation import Excluded, ParcelVotes, ZoneSums
from bluepeace_gis.analyses.irrigation.defaults import NOT_OBSERVED, OUTSIDE
from bluepeace_gis.archive import mosaics
from bluepeace_gis.archive.windows import Cells, Raster
from bluepeace_gis.errors import OutsideGrid
from bluepeace_gis.geo.areas import densified
from bluepeace_gis.geo.grid import Grid, apply
from bluepeace_gis.geo.zones import burn
from bluepeace_gis.kernels.slope import slope_degrees
from bluepeace_gis.workflows.irrigation_tiles import BANDS, DEKADS, HIGH, LOW, SEASON, STATE

# A strip; nothing that is written depends on it.
STRIP_CELLS: Final = 1 << 20
STRIP_ROWS_MIN: Final = 64
# Of memory for each cell of a strip, by measurement.
STRIP_BYTES: Final = 110.0
HA_M2: Final = 10_000.0
STEEP: Final = "steep"

Codes = NDArray[np.uint8]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Layer:
    """The map of one lattice.

    Parameters
    ----------
    name : str
    family : str
        Of the sensor.
    grid : Grid
    raster : Raster
        Five bands, as ``irrigation_tiles.BANDS``.
    seen : int
        Cells that were seen at least once.
    outlines : (k,) Polygon
        What its scenes cover, in its CRS.
    """

    name: str
    family: str
    grid: Grid
    raster: Raster
    seen: int
    outlines: tuple[Any, ...]

    @property
    def cell_m2(self) -> float:
        """The size of a cell in its middle."""
        rows, columns = self.grid.shape
        middle = self.grid.cell_areas_of(rows // 2, rows // 2 + 1, columns // 2, columns // 2 + 1)
        return float(middle[0, 0])


@dataclass(frozen=True)
class Ground:
    """What is known of the land beside its NDVI.

    Parameters
    ----------
    area : GeoDataFrame or None
        The study area: all else is outside.
    excluded : {reason: GeoSeries}
    dem : Raster or None
        Elevations, m.
    parcels : GeoSeries or None
    """

    area: gpd.GeoDataFrame | None
    excluded: dict[str, gpd.GeoSeries]
    dem: Raster | None
    parcels: gpd.GeoSeries | None


@dataclass
class Counted:
    """What was taken out, in hectares of irrigated or uncertain land.

    Parameters
    ----------
    excluded_ha : {reason: float}
    sieved_ha : float
    states_ha : (256,) float
        Of the finished map.
    cells_filled : int
        Cells that another lattice than the one of the grid decided.
    """

    excluded_ha: dict[str, float] = field(default_factory=dict)
    sieved_ha: float = 0.0
    states_ha: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    cells_filled: int = 0


def in_order(layers: Sequence[Layer]) -> list[Layer]:
    """Sort layers: the finest first, of equals the one that saw most land, then by name."""
    return sorted(layers, key=lambda one: (round(one.cell_m2, 2), -one.seen * one.cell_m2, one.name))


def common_grid(layers: Sequence[Layer], area: gpd.GeoDataFrame | None) -> Grid:
    """Extend the grid of the first layer over all others, or cut it to the study area.

    Parameters
    ----------
    layers : list of Layer
        In their order.
    area : GeoDataFrame or None

    Returns
    -------
    Grid
        With the cells of the first.

    Raises
    ------
    OutsideGrid
        If the study area lies elsewhere.
    """
    first = layers[0].grid
    rows, columns = first.shape
    box = [0, 0, rows, columns]
    for other in layers[1:]:
        around = _cells(first, densified(gpd.GeoSeries([other.grid.footprint()], crs=other.grid.crs)))
        box = [min(box[0], around[0]), min(box[1], around[1]), max(box[2], around[2]), max(box[3], around[3])]
    if area is not None:
        around = _cells(first, densified(area.geometry))
        box = [max(box[0], around[0]), max(box[1], around[1]), min(box[2], around[2]), min(box[3], around[3])]
    if box[0] >= box[2] or box[1] >= box[3]:
        raise OutsideGrid("The study area lies beyond all scenes; expected them to overlap. Check its CRS.")
    x, y = apply(first.transform, box[1], box[0])
    t = first.transform
    return Grid(first.crs, Affine(t.a, 0, x, 0, t.e, y), (box[2] - box[0], box[3] - box[1]))


def _cells(grid: Grid, shapes: gpd.GeoSeries) -> tuple[int, int, int, int]:
    """Rows and columns of a grid, or beyond it, around shapes: (row0, column0, row1, column1)."""
    left, bottom, right, top = shapes.to_crs(grid.crs).total_bounds
    column0, row0 = apply(~grid.transform, left, top)
    column1, row1 = apply(~grid.transform, right, bottom)
    near = 0.01  # an edge that misses a cell's by its digits
    return (
        math.floor(row0 + near), math.floor(column0 + near),
        math.ceil(row1 - near), math.ceil(column1 - near),
    )  # fmt: skip


def strips(grid: Grid) -> list[tuple[int, int]]:
    """Cut a grid into strips of whole rows: the first row of each and the row behind its last."""
    rows, columns = grid.shape
    step = max(STRIP_ROWS_MIN, STRIP_CELLS // columns)
    return [(row, min(rows, row + step)) for row in range(0, rows, step)]


def strip_mb(grid: Grid, layers: int, halo: int) -> float:
    """Estimate what the work on a strip takes, in MB."""
    rows = max(STRIP_ROWS_MIN, STRIP_CELLS // grid.shape[1])
    return (rows + 2 * halo) * grid.shape[1] * (STRIP_BYTES + 6.0 * layers) / 1e6


def surest(maps: Sequence[Codes]) -> tuple[Codes, NDArray[np.intp]]:
    """Choose for each cell the map that decided it on most dekads.

    Parameters
    ----------
    maps : list of (bands, ...) uint8
        As ``irrigation_tiles.BANDS``, the finest first; 255 outside.

    Returns
    -------
    (bands, ...) uint8
        Of those that decided the cell the one with most dekads observed, of equals the first; where none
        did, of those that looked; outside where none is.
    (...) int
        Which map it was.
    """
    one = maps[0]
    if len(maps) == 1:
        return one, np.zeros(one.shape[1:], np.intp)
    # outside 0, not observed 1.., decided 256 and more
    rank = np.stack(
        [
            np.where(
                each[STATE] == OUTSIDE,
                0,
                1 + each[DEKADS].astype(np.int16) + 256 * (each[STATE] != NOT_OBSERVED),
            )
            for each in maps
        ]
    )
    which = rank.argmax(axis=0)
    chosen = one.copy()
    for number, each in enumerate(maps[1:], 1):
        here = which == number
        chosen[:, here] = each[:, here]
    return chosen, which


def merged(
    layers: Sequence[Layer], grid: Grid, ground: Ground, folder: Path, counted: Counted, done: Progress
) -> Raster:
    """Write the map of all lattices without what is no field, as parts and a virtual raster of them.

    Parameters
    ----------
    layers : list of Layer
        In their order.
    grid : Grid
    ground : Ground
    folder : path
        For the parts.
    counted : Counted
        Changed.
    done : function of the share done

    Returns
    -------
    Raster
        Of the bands ``irrigation_tiles.BANDS``.
    """
    parts = []
    every = strips(grid)
    for number, (row0, row1) in enumerate(every):
        window = (row0, row1, 0, grid.shape[1])
        maps = [
            np.stack([layer.raster.codes(band, grid, window) for band in range(1, len(BANDS) + 1)])
            for layer in layers
        ]
        found, which = surest(maps)
        counted.cells_filled += int((which > 0).sum())
        here = grid.window(*window)
        _leave_out(found, here, grid, row0, ground, counted)
        file = mosaics.write_part(found, folder / f"merged_{row0}.tif")
        parts.append(mosaics.Part(row0, 0, row1 - row0, grid.shape[1], file))
        done((number + 1) / len(every))
    virtual = mosaics.virtual(
        parts, grid, folder / "merged.vrt", dtype="uint8", descriptions=BANDS, nodata=OUTSIDE
    )
    return Raster(virtual, grid, len(BANDS), BANDS)


def _leave_out(found: Codes, here: Grid, grid: Grid, row0: int, ground: Ground, counted: Counted) -> None:
    """Take out of a strip what is outside of the study area and what is no field; changes ``found``."""
    if ground.area is not None:
        found[:, _burnt(ground.area.geometry, here) == 0] = OUTSIDE
    masks = {name: _burnt(shapes, here) > 0 for name, shapes in ground.excluded.items()}
    if ground.dem is not None:
        masks[STEEP] = rules.steep(slopes(ground.dem, grid, row0, row0 + here.shape[0]))
    if not masks:
        return
    excluded = rules.exclude(here.shape, masks)
    area_ha = here.cell_areas / HA_M2
    for name, taken in excluded.taken_from(found[STATE]).items():
        counted.excluded_ha[name] = counted.excluded_ha.get(name, 0.0) + float(area_ha[taken].sum())
    _apply(found, excluded)


def _apply(found: Codes, excluded: Excluded) -> None:
    season = found[SEASON].copy()
    for band in (STATE, LOW, HIGH):
        found[band], found[SEASON] = rules.apply(found[band], season, excluded)


def _burnt(shapes: gpd.GeoSeries, grid: Grid) -> NDArray[np.int32]:
    try:
        return burn(shapes, grid)
    except OutsideGrid:  # not in these rows
        return np.zeros(grid.shape, np.int32)


def slopes(dem: Raster, grid: Grid, row0: int, row1: int) -> NDArray[np.float32]:
    """Return the slope of rows of a grid, degrees (row1 - row0, columns); NaN where not known."""
    rows, columns = grid.shape
    t = grid.transform
    # one more cell on each side, whether the grid goes on there or not
    x, y = apply(t, -1, -1)
    wide = Grid(grid.crs, Affine(t.a, 0, x, 0, t.e, y), (rows + 2, columns + 2))
    z = dem.floats(1, wide, (row0, row1 + 2, 0, columns + 2))
    step = np.column_stack(grid.window(row0, row1, 0, columns).cell_steps_m)
    return slope_degrees(z, step)


def halo_rows(grid: Grid, min_ha: float) -> int:
    """Count the rows that a patch below the smallest one can reach beyond a strip."""
    least = min(
        float(np.nanmin(grid.cell_areas_of(row, row + 1, 0, grid.shape[1])))
        for row in {0, grid.shape[0] // 2, grid.shape[0] - 1}
    )
    # cells of one map differ in size, mostly with the row; a tenth is more than they do between those rows
    return math.ceil(1.1 * min_ha * HA_M2 / least) + 2


def votes_of(raster: Raster, grid: Grid, parcels: gpd.GeoSeries, done: Progress) -> dict[int, ParcelVotes]:
    """Count what the cells of each parcel say, on the map and on its twins; returns them by band."""
    votes = {band: ParcelVotes(len(parcels)) for band in (STATE, LOW, HIGH)}
    every = strips(grid)
    for number, (row0, row1) in enumerate(every):
        window = (row0, row1, 0, grid.shape[1])
        parcel = _burnt(parcels, grid.window(*window))
        if parcel.any():
            season = raster.codes(SEASON + 1, grid, window)
            for band, vote in votes.items():
                vote.add(raster.codes(band + 1, grid, window), season, parcel)
        done((number + 1) / len(every))
    return votes


@dataclass(frozen=True)
class Finish:
    """What is done to the merged map last.

    Parameters
    ----------
    min_ha : float
        The smallest patch; 0 leaves all.
    parcels : GeoSeries or None
    votes : {band: ParcelVotes}
        Of the parcels.
    """

    min_ha: float
    parcels: gpd.GeoSeries | None = None
    votes: dict[int, ParcelVotes] = field(default_factory=dict)

    def strip(self, raster: Raster, grid: Grid, row0: int, row1: int) -> tuple[Codes, float]:
        """Finish rows of the map.

        Parameters
        ----------
        raster : Raster
            Of the merged map.
        grid : Grid
        row0, row1 : int

        Returns
        -------
        (bands, row1 - row0, columns) uint8
        float
            Hectares that were too small to be fields.
        """
        halo = 0 if self.parcels is not None or self.min_ha == 0 else halo_rows(grid, self.min_ha)
        top, bottom = max(row0 - halo, 0), min(row1 + halo, grid.shape[0])
        window: Cells = (top, bottom, 0, grid.shape[1])
        found = np.stack([raster.codes(band, grid, window) for band in range(1, len(BANDS) + 1)])
        here = grid.window(*window)
        if self.parcels is not None:
            parcel = _burnt(self.parcels, here)
            season = found[SEASON].copy()
            for band, vote in self.votes.items():
                found[band], other = vote.given(found[band], season, parcel)
                if band == STATE:
                    found[SEASON] = other
            return found, 0.0
        if self.min_ha == 0:
            return found, 0.0
        before, season = found[STATE].copy(), found[SEASON].copy()
        for band in (STATE, LOW, HIGH):
            sieved = rules.sieve(found[band], season, here, min_ha=self.min_ha)
            found[band] = sieved.state
            if band == STATE:
                found[SEASON] = sieved.season
        core = slice(row0 - top, row1 - top)
        taken = (before != found[STATE])[core]
        removed_ha = float((here.cell_areas[core] * taken).sum()) / HA_M2
        return found[:, core], removed_ha


def finished(
    raster: Raster,
    grid: Grid,
    finish: Finish,
    sums: ZoneSums,
    folder: Path,
    counted: Counted,
    look: Callable[[int, Codes], None],
    done: Progress,
) -> dict[str, list[mosaics.Part]]:
    """Write the finished map in parts: {"map", "sensitivity", "dekads"}; counts what is on it."""
    parts: dict[str, list[mosaics.Part]] = {"map": [], "sensitivity": [], "dekads": []}
    bands = {"map": [STATE, SEASON], "sensitivity": [LOW, HIGH], "dekads": [DEKADS]}
    every = strips(grid)
    for number, (row0, row1) in enumerate(every):
        found, removed_ha = finish.strip(raster, grid, row0, row1)
        counted.sieved_ha += removed_ha
        look(row0, found)
        sums.add(row0, found[STATE], found[SEASON], found[LOW], found[HIGH])
        areas = np.nan_to_num(grid.cell_areas_of(row0, row1, 0, grid.shape[1])) / HA_M2
        counted.states_ha += np.bincount(found[STATE].ravel(), areas.ravel(), 256)
        for kind, own in bands.items():
            file = mosaics.write_part(found[own], folder / f"{kind}_{row0}.tif")
            parts[kind].append(mosaics.Part(row0, 0, row1 - row0, grid.shape[1], file))
        done((number + 1) / len(every))
    return parts


def outline(layers: Sequence[Layer], grid: Grid) -> Any:
    """Join the outlines of all scenes, in the CRS of a grid and cut by it."""
    shapes = [gpd.GeoSeries([shapely.union_all(layer.outlines)], crs=layer.grid.crs) for layer in layers]
    moved = [shape if layer.grid.crs == grid.crs else densified(shape).to_crs(grid.crs)
             for layer, shape in zip(layers, shapes, strict=True)]  # fmt: skip
    return shapely.intersection(shapely.union_all([shape.iloc[0] for shape in moved]), grid.footprint())
