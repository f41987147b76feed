"""A scene as one line of JSON, so that an index rebuilds it without opening its archive again.

Places are written relative to the scene's own path: an index and its archive that move together, to
another disk or another machine, stay one.
"""

import base64
import datetime as dt
import json
import os
import zlib
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

import bluepeace_gis
from bluepeace_gis.archive.scenes.scene import Band, Quality, Scene, Sun

# Raised when metadata are read in another way or a description says other things than before.
FORMAT: Final = 2
READER: Final = f"{bluepeace_gis.__version__}/{FORMAT}"
# In the places of bands these stand for the scene's path, and for the folder in which its file stands.
HERE: Final = "<scene>"
BESIDE: Final = "<folder>"

_PLAIN: Final = ("name", "family", "platform", "instrument", "overpass", "crs", "cloud_share", "baseline")
_BAND: Final = tuple(field.name for field in fields(Band))
_QUALITY: Final = tuple(field.name for field in fields(Quality))
_PLACES: Final = ("source", "saturation")

Marks = tuple[tuple[str, str], ...]


def write(scene: Scene) -> str:
    """Return everything a scene knows of itself but its path, as JSON; the path must be absolute."""
    said: dict[str, Any] = {"reader": READER} | {name: getattr(scene, name) for name in _PLAIN}
    said["time"] = scene.time.astimezone(dt.UTC).isoformat()
    said["sun"] = None if scene.sun is None else [scene.sun.azimuth_deg, scene.sun.elevation_deg]
    said["bands"] = [_plain(band, _BAND, scene.path) for band in scene.bands.values()]
    said["quality"] = None if scene.quality is None else _plain(scene.quality, _QUALITY, scene.path)
    said["findings"] = list(scene.findings)
    said["footprint"] = shapely.to_wkb(scene.footprint, hex=True, byte_order=1)
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def read(text: str, path: Path) -> Scene:
    """Rebuild a scene.

    Parameters
    ----------
    text : str
        From :func:`write`.
    path : path
        Where the scene lies now, absolute.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError, KeyError, TypeError
        If the text is not a description of this version: the scene must be opened instead.
    """
    said = json.loads(text)
    if said["reader"] != READER:
        raise ValueError(f"described by {said['reader']}")
    marks = _marks(path)
    bands = [Band(**_placed(dict(zip(_BAND, values, strict=True)), marks)) for values in said["bands"]]
    quality = None
    if said["quality"] is not None:
        quality = Quality(**_placed(dict(zip(_QUALITY, said["quality"], strict=True)), marks))
    return Scene(
        **{name: said[name] for name in _PLAIN},
        path=path,
        time=dt.datetime.fromisoformat(said["time"]),
        footprint=shapely.from_wkb(said["footprint"]),
        sun=None if said["sun"] is None else Sun(*said["sun"]),
        bands={band.name: band for band in bands},
        quality=quality,
        findings=tuple(said["findings"]),
    )


def _plain(value: Band | Quality, names: tuple[str, ...], path: Path) -> list[Any]:
    """List the fields of a value in their order, as JSON has them."""
    listed = []
    for name in names:
        part = getattr(value, name)
        if name in _PLACES and part is not None:
            part = _shortened(part, path)
        elif isinstance(part, np.ndarray):
            part = _packed(part.tobytes())
        elif name == "saturation_bits":
            part = dict(part)
        listed.append(part)
    return listed


def _placed(said: dict[str, Any], marks: Marks) -> dict[str, Any]:
    for name in _PLACES:
        if said.get(name) is not None:
            said[name] = _whole(said[name], marks)
    if "flags" in said:
        said["flags"] = _unpacked(said["flags"])
    return said


def _marks(path: Path) -> Marks:
    return ((HERE, str(path)), (BESIDE, str(path.parent) + os.sep))


def _shortened(source: str, path: Path) -> str:
    for mark, place in _marks(path):
        if place in source:
            return source.replace(place, mark, 1)
    return source


def _whole(source: str, marks: Marks) -> str:
    for mark, place in marks:
        if mark in source:
            return source.replace(mark, place, 1)
    return source


# A table of 65,536 codes is the same for all scenes of a sensor: it is packed once, and ten thousand
# scenes hold one array, not ten thousand.


@lru_cache(maxsize=64)
def _packed(table: bytes) -> str:
    return base64.b64encode(zlib.compress(table, 9)).decode("ascii")


@lru_cache(maxsize=64)
def _unpacked(text: str) -> NDArray[np.uint8]:
    # read-only, because it is shared
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
