"""What scenes of one lattice saw of a tile: calibrated, masked whole numbers, one layer an overpass.

An observation is what one overpass saw of a cell. Scenes of one overpass overlap (tiles of Sentinel-2,
rows of Landsat) and repeat the same measurement; counted twice it would weigh double in a median, so
that the first scene that saw the cell is taken and the others fill what it did not see.

Values are kept as int16 in ten-thousandths, a third of the memory of floats with room for 3.2: the
sensors' own steps are 0.0000275 and 0.0001.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from bluepeace_gis.archive import mosaics
from bluepeace_gis.archive.scenes.scene import OPTICAL, Scene
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.lattice import Place
from bluepeace_gis.kernels import composites, normalized

Numbers = NDArray[np.int16]
NODATA: Final = normalized.NODATA
PER_UNIT: Final = normalized.STEPS

# The two bands of a normalised difference, the first less the second.
INDICES: Final[Mapping[str, tuple[str, str]]] = {
    "ndvi": ("nir", "red"),  # Tucker (1979), doi:10.1016/0034-4257(79)90013-0
    "ndsi": ("green", "swir1"),  # Dozier (1989), doi:10.1016/0034-4257(89)90101-6
    "ndwi": ("green", "nir"),  # McFeeters (1996), doi:10.1080/01431169608948714
    "mndwi": ("green", "swir1"),  # Xu (2006), doi:10.1080/01431160600589179
}


@dataclass(frozen=True)
class Quantity:
    """What is taken from every scene: an index of two bands, or the reflectance of some.

    Parameters
    ----------
    bands : tuple of common names
    index : str or None
        One of ``INDICES``; ``bands`` are then its two.
    """

    bands: tuple[str, ...]
    index: str | None = None

    @classmethod
    def of_index(cls, name: str) -> "Quantity":
        """Take an index."""
        return cls(INDICES[name], name)

    @classmethod
    def of_bands(cls, bands: Sequence[str] = OPTICAL) -> "Quantity":
        """Take the reflectance of bands."""
        return cls(tuple(bands))

    def bands_of(self, scene: Scene) -> tuple[str, ...]:
        """Name the bands needed of a scene; an index that is a band itself (MODIS) needs no other."""
        return self.layers if self.index in scene.bands else self.bands

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of what comes out of a scene."""
        return self.bands if self.index is None else (self.index,)


def observe(scene: Scene, quantity: Quantity, rejected: Flag, window: tuple[int, int, int, int]) -> Numbers:
    """Read a window of one scene: calibrated, and nodata where its flags are rejected.

    Parameters
    ----------
    scene : Scene
    quantity : Quantity
    rejected : Flag
        A cell with any of these bits is not observed.
    window : (row0, row1, column0, column1)
        On the finest native grid of the bands.

    Returns
    -------
    (layers, rows, columns) int16, ten-thousandths, -32768 where not observed

    Raises
    ------
    BadInput
        If the scene lacks a band or its file is damaged.
    """
    names = quantity.bands_of(scene)
    table = rejected_codes(rejected | Flag.FILL)
    # without a quality layer only fill is known, and the bands' own nodata tells it
    flags = None if scene.quality is None else scene.flags(*names, window=window).to_numpy()
    layers = [_layer(scene, name, names, window) for name in names]
    if names == quantity.layers:
        return np.stack(
            [
                normalized.reflectance(
                    each.numbers, flags, table, each.scale, each.offset, nodata=each.nodata
                )
                for each in layers
            ]
        )
    one, two = layers
    index = normalized.difference(
        one.numbers,
        two.numbers,
        flags,
        table,
        one.scale,
        one.offset,
        two.scale,
        two.offset,
        nodata1=one.nodata,
        nodata2=two.nodata,
    )
    return index[np.newaxis]


@dataclass(frozen=True)
class _Layer:
    """The numbers of a band on the finest grid, and how they become reflectance."""

    numbers: NDArray[Any]
    scale: float
    offset: float
    nodata: float | None


def _layer(scene: Scene, name: str, names: Sequence[str], window: tuple[int, int, int, int]) -> _Layer:
    """Read a band: as stored where its cells are the finest of those asked for, resampled otherwise."""
    band = scene.bands[name]
    if band.resolution_m == min(scene.bands[each].resolution_m for each in names):
        return _Layer(scene.numbers(name, window), band.scale, band.offset, band.nodata)
    values = scene.reflectance(name, grid=scene.grid(*names), window=window)[name].to_numpy()
    return _Layer(values, 1.0, 0.0, None)


def rejected_codes(rejected: Flag) -> NDArray[np.bool_]:
    """Tell for each combination of flags whether a cell with it is left out: (256,) bool."""
    table: NDArray[np.bool_] = (np.arange(256) & int(rejected)) != 0
    return table


@dataclass(frozen=True)
class Source:
    """What one scene saw of a lattice, wherever its values come from.

    Parameters
    ----------
    name : str
    overpass : str
        Sources of one overpass are one observation.
    time : datetime
    place : Place
        On the lattice.
    read : (row0, row1, column0, column1) -> (layers, rows, columns) int16
        A window of the source's own cells.
    """

    name: str
    overpass: str
    time: dt.datetime
    place: Place
    read: Callable[[tuple[int, int, int, int]], Numbers]


def of_scene(scene: Scene, place: Place, quantity: Quantity, rejected: Flag) -> Source:
    """Take a scene's values from its own files, whenever they are asked for."""
    return Source(
        scene.name,
        scene.overpass,
        scene.time,
        place,
        lambda window: observe(scene, quantity, rejected, window),
    )


def of_file(scene: Scene, place: Place, file: Path) -> Source:
    """Take a scene's values from the file that :func:`stage` made of it."""
    return Source(scene.name, scene.overpass, scene.time, place, lambda window: _staged(file, window))


def stage(scene: Scene, quantity: Quantity, rejected: Flag, path: Path) -> Path:
    """Write what a scene says, decoded once, so that tiles can be cut from it quickly.

    JPEG 2000 takes ten times as long to decode as DEFLATE, and its blocks of 1024 cells lie across
    the tiles of a lattice of several scenes: each would be decoded up to four times.

    Parameters
    ----------
    scene, quantity, rejected
        As of :func:`observe`.
    path : path
        Ends with .tif.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    BadInput
        If the scene lacks a band or its file is damaged.
    NotWritten
        If the file cannot be written.
    """
    rows, columns = scene.grid(*quantity.bands_of(scene)).shape
    height = max(scene.block_shape(name)[0] for name in quantity.bands_of(scene))
    strips = (
        observe(scene, quantity, rejected, (row, min(row + height, rows), 0, columns))
        for row in range(0, rows, height)
    )
    return mosaics.write_strips(strips, (len(quantity.layers), rows, columns), "int16", path)


def _staged(file: Path, window: tuple[int, int, int, int]) -> Numbers:
    row0, row1, column0, column1 = window
    return mosaics.read_part(file, Window(column0, row0, column1 - column0, row1 - row0)).astype(np.int16)


@dataclass(frozen=True)
class Stack:
    """What was seen of one tile.

    Parameters
    ----------
    values : (observations, layers, rows, columns) int16
        Ten-thousandths, -32768 where not observed; in the order of time.
    times : tuple of datetime
        One for each observation, UTC.
    """

    values: Numbers
    times: tuple[dt.datetime, ...]


def passes(sources: Sequence[Source]) -> list[list[Source]]:
    """Sort sources by time, those of one overpass together."""
    found: dict[str, list[Source]] = {}
    for source in sorted(sources, key=lambda source: (source.time, source.name)):
        found.setdefault(source.overpass, []).append(source)
    return list(found.values())


def stack(sources: Sequence[Source], tile: Place, layers: int) -> Stack:
    """Read what was seen of a tile, one observation an overpass; overpasses that saw nothing are left out.

    Parameters
    ----------
    sources : list of Source
        Of one lattice.
    tile : Place
        On it.
    layers : int
        That each source gives.

    Returns
    -------
    Stack

    Raises
    ------
    BadInput
        If a file is damaged.
    """
    values = np.empty(
        (len({source.overpass for source in sources}), layers, tile.rows, tile.columns), np.int16
    )
    times: list[dt.datetime] = []
    for group in passes(sources):
        seen = values[len(times)]
        seen[...] = NODATA
        taken = False
        for source in group:
            found = _of_tile(source, tile, layers, seen if not taken else np.full_like(seen, NODATA))
            if found is not None and taken:
                composites.merge(seen, found, NODATA)
            taken = taken or found is not None
        if (seen != NODATA).any():
            times.append(group[0].time)
    return Stack(values[: len(times)], tuple(times))


def _of_tile(source: Source, tile: Place, layers: int, into: Numbers) -> Numbers | None:
    """Put what a source saw of a tile into an array of the tile's size; None if it lies elsewhere."""
    common = source.place.common(tile)
    if common is None:
        return None
    row, column = common.row - source.place.row, common.column - source.place.column
    found = source.read((row, row + common.rows, column, column + common.columns))
    if found.shape[0] != layers:
        raise ValueError(f"{source.name} gives {found.shape[0]} layers, expected {layers}")
    top, left = common.row - tile.row, common.column - tile.column
    into[:, top : top + common.rows, left : left + common.columns] = found
    return into
