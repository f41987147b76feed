"""Find the scenes in folders, and open whatever lies there as a Scene.

A scene is found by names alone, so that walking tens of thousands of files costs what listing them costs.
What is damaged is found too: opening it says why, and an archive's index lists it.
"""

import datetime as dt
import logging
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Final

from bluepeace_gis.archive.scenes import containers, hls, landsat, modis, plain, sentinel2
from bluepeace_gis.archive.scenes.scene import Scene, Sun
from bluepeace_gis.errors import BadInput

log = logging.getLogger(__name__)

# Asked in this order; each tells by the names in a container whether it is one of its products.
SENSORS: Final[tuple[ModuleType, ...]] = (landsat, sentinel2, hls, modis)
# Those whose files can lie loose among files of other products: product_of tells which a file belongs to.
LOOSE: Final[tuple[ModuleType, ...]] = (landsat, hls, modis)
SAFE: Final = ".safe"
_SAFE_METADATA: Final = frozenset({"mtd_msil2a.xml", "mtd_msil1c.xml"})
_INDEX: Final = ".gpkg"
_INDEX_LAYER: Final = "scenes"
# Archives called so are scenes even if they cannot be opened: the index lists them as broken and says why.
_CALLED_A_SCENE: Final = re.compile(
    r"(L[COTEM]\d\d_L|S2[A-Z]_(MSIL|USER_PRD|OPER_PRD)|HLS\.[LS]30\.)", re.IGNORECASE
)


def open_scene(
    path: Path | str,
    *,
    bands: Mapping[str, int] | None = None,
    time: dt.datetime | None = None,
    sun: Sun | None = None,
) -> Scene:
    """Read what a scene says about itself; no pixel is read.

    Parameters
    ----------
    path : path
        A Landsat folder or .tar, a Sentinel-2 .SAFE folder or .zip, any file of an HLS or MODIS granule
        or of a Landsat product that lies among others, or a plain GeoTIFF.
    bands : {common name: position from 1}, optional
        Of a plain GeoTIFF that does not describe its bands.
    time : datetime, optional
        Of a plain GeoTIFF that does not say when it was taken; UTC if it names no zone.
    sun : Sun, optional
        Of a plain GeoTIFF.

    Returns
    -------
    Scene

    Raises
    ------
    BadInput
        If it is missing, damaged, no scene, not Level 2, or does not say what it must; with the way out.
    """
    path = Path(path)
    if plain.is_tiff(path.name) and (bands or plain.has_sidecar(path)):
        return plain.open(path, bands=bands, time=time, sun=sun)
    container = _container_of(path)
    sensor = None if container is None else _sensor_of(container)
    if container is not None and not path.is_dir():
        _refuse_archives_in(container)
    if sensor is not None and container is not None:
        if bands or time or sun:
            raise BadInput(
                f"{path} says itself which bands it has, when it was taken and where the sun stood; these "
                "are stated for plain GeoTIFFs only. Leave them out."
            )
        scene: Scene = sensor.open(container)
        return scene
    if path.is_dir():
        raise BadInput(
            f"{path} is a folder without a scene of its own; a Landsat or .SAFE folder was expected. "
            "To open all scenes in it, look for them first: bluepeace scenes."
        )
    if container is not None:
        raise BadInput(
            f"{path} holds no product that is known ({', '.join(container.names()[:3])}, ...); Landsat "
            "Collection 2, Sentinel-2, HLS or MODIS was expected. Unpack it and describe its GeoTIFFs."
        )
    return plain.open(path, bands=bands, time=time, sun=sun)


def find(paths: Iterable[Path | str] | Path | str, *, plain_tiffs: bool = False) -> Iterator[Path]:
    """Find scenes in files, folders and indices, in sorted order, each once.

    Parameters
    ----------
    paths : paths
        Folders are walked, also through links, but no folder twice; hidden files and folders, where work in
        progress lies, are left out. Of a ``scenes.gpkg`` the column ``path`` of its layer is read. A
        file is given back as it is.
    plain_tiffs : bool
        Take every GeoTIFF in the folders that belongs to no product for a scene, because the caller says
        their bands and time; otherwise only those that are described (see ``plain``).

    Yields
    ------
    Path
        What :func:`open_scene` opens: a folder, an archive, or one file that stands for its product.

    Raises
    ------
    BadInput
        If a path does not exist, or an index has no column of paths.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    seen: set[str] = set()
    folders: set[tuple[int, int]] = set()
    for path in map(Path, given):
        for scene in _scenes_of(path, folders, plain_tiffs=plain_tiffs):
            key = os.path.realpath(scene)
            if key not in seen:
                seen.add(key)
                yield scene


def _scenes_of(path: Path, folders: set[tuple[int, int]], *, plain_tiffs: bool) -> Iterator[Path]:
    if path.is_dir():
        yield from _walk(path, folders, plain_tiffs=plain_tiffs)
    elif not path.exists():
        raise BadInput(f"{path} does not exist. Check the path and the folder the command runs in.")
    elif path.suffix.lower() == _INDEX:
        yield from _listed_in(path)
    else:
        yield _standing_for(path)


def _walk(folder: Path, folders: set[tuple[int, int]], *, plain_tiffs: bool) -> Iterator[Path]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in folders:  # a link back to where the walk has been
            return
        folders.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            names = sorted(
                (entry.name, containers.leads_to_folder(entry))
                for entry in entries
                if not entry.name.startswith(".")
            )
    except OSError as error:
        log.warning("%s cannot be listed (%s); scenes in it are not found.", folder, error.strerror)
        return
    files = [name for name, is_folder in names if not is_folder]
    if folder.suffix.lower() == SAFE or _SAFE_METADATA & {name.lower() for name in files}:
        yield folder
        return
    found = dict.fromkeys(_scenes_among(folder, files, plain_tiffs=plain_tiffs))
    below = {folder / name for name, is_folder in names if is_folder and name != "__MACOSX"}
    for path in sorted({*found, *below}):
        if path in found:
            yield path
        else:
            yield from _walk(path, folders, plain_tiffs=plain_tiffs)


def _scenes_among(folder: Path, files: list[str], *, plain_tiffs: bool) -> Iterator[Path]:
    """Tell which of the files in one folder stand for scenes."""
    products: dict[str, tuple[ModuleType, list[str]]] = {}
    beside = set(files)
    for name in files:
        lower = name.lower()
        if lower.endswith((*containers.ARCHIVES, *containers.COMPRESSED)):
            if _CALLED_A_SCENE.match(name) or _holds_a_scene(folder / name):
                yield folder / name
            continue
        if plain.is_tiff(name) and plain.has_sidecar(folder / name):
            yield folder / name
            continue
        for sensor in LOOSE:
            product = sensor.product_of(name)
            if product is not None:
                products.setdefault(product, (sensor, []))[1].append(name)
                break
        else:
            if plain.is_described(folder / name, beside) or (plain_tiffs and plain.is_tiff(name)):
                yield folder / name
    alone = len([1 for sensor, _ in products.values() if sensor is landsat]) == 1
    for sensor, members in products.values():
        standing = sensor.stands_for(members)
        if standing is not None:
            yield folder if sensor is landsat and alone else folder / standing


def _standing_for(path: Path) -> Path:
    """Give the file that stands for the product a file belongs to, so that it counts once."""
    for sensor in LOOSE:
        product = sensor.product_of(path.name)
        if product is not None and not path.name.lower().endswith(
            (*containers.ARCHIVES, *containers.COMPRESSED)
        ):
            standing = sensor.stands_for(containers.beside(path, sensor.files_of(product)).names())
            return path if standing is None else path.parent / standing
    return path


def is_of_product(path: Path) -> bool:
    """Tell by its name whether a file is one that a product is delivered with, such as its MTL.json."""
    for sensor in LOOSE:
        product = sensor.product_of(path.name)
        if product is not None and path.name in set(sensor.files_of(product)):
            return True
    return False


def files_of(path: Path) -> list[Path]:
    """List the files of a product that lie among others, by the file that stands for it.

    Parameters
    ----------
    path : path
        What :func:`find` gave.

    Returns
    -------
    list of Path
        Empty if the name is that of no product.
    """
    for sensor in LOOSE:
        product = sensor.product_of(path.name)
        if product is not None:
            return [path.parent / name for name in containers.beside(path, sensor.files_of(product)).names()]
    return []


def _listed_in(index: Path) -> Iterator[Path]:
    """Read the paths of an index of scenes; those that are relative begin at its folder."""
    try:
        with closing(sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(f'SELECT path FROM "{_INDEX_LAYER}"').fetchall()  # noqa: S608  # a constant
    except sqlite3.Error as error:
        raise BadInput(
            f"{index} has no layer {_INDEX_LAYER} with a column path ({error}); an index of scenes was "
            "expected. Make one: bluepeace scenes FOLDER --out scenes.gpkg"
        ) from error
    for (text,) in rows:
        yield index.parent / text


def _container_of(path: Path) -> containers.Container | None:
    """Look into a folder or an archive, or gather the product a file belongs to; None for any other file."""
    if path.is_dir():
        return containers.view(path)
    if path.name.lower().endswith((*containers.ARCHIVES, *containers.COMPRESSED)):
        return containers.view(path)
    for sensor in LOOSE:
        product = sensor.product_of(path.name)
        if product is not None:
            if not path.exists():
                return containers.view(path)  # which says that it does not exist
            return containers.beside(_standing_for(path), {path.name, *sensor.files_of(product)})
    return None


def _sensor_of(container: containers.Container) -> ModuleType | None:
    return next((sensor for sensor in SENSORS if sensor.recognise(container)), None)


def _refuse_archives_in(container: containers.Container) -> None:
    names = container.names()
    packed = [name for name in names if name.lower().endswith(containers.ARCHIVES)]
    if packed and len(packed) == len(names):
        raise BadInput(
            f"{container.path} holds archives ({', '.join(packed[:3])}{', ...' * (len(packed) > 3)}), which "
            "cannot be read inside another one. Unpack the outer one; those in it can stay as they are."
        )


def _holds_a_scene(path: Path) -> bool:
    try:
        return _sensor_of(containers.view(path)) is not None
    except BadInput:  # nothing says that it was meant to be one
        return False
