"""A plain GeoTIFF as a scene: what it does not say itself stands in a small file beside it, or is given.

``NAME.scene.json`` describes ``NAME.tif``. Everything in it may be left out that the GeoTIFF says itself::

    {
      "time": "2023-07-15T06:10:00Z",
      "bands": {"green": 2, "nir": 4, "swir1": {"file": "NAME_swir.tif", "band": 1, "scale": 0.0001}},
      "scale": 0.0001, "offset": 0.0, "nodata": 0,
      "sun": {"azimuth_deg": 136.3, "elevation_deg": 57.1},
      "platform": "resurs-p", "instrument": "geoton", "overpass": "resurs-p 2023-07-15",
      "cloud_share": 0.02, "baseline": "1.4",
      "quality": {"file": "NAME_mask.tif", "flags": {"0": "FILL", "2": "CLOUD", "3": ["SHADOW", "WATER"]}}
    }

Positions count from 1; paths begin at the folder of the file; value = number * scale + offset; the flags
are those of ``geo.flags.Flag``, and codes that are not listed are clear. Band descriptions (green, nir,
SWIR 1), the scale and offset of GDAL and TIFFTAG_DATETIME of the GeoTIFF count where the file beside it
and the caller say nothing.
"""

import datetime as dt
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.archive.scenes.scene import OPTICAL, THERMAL, Band, Quality, Scene, Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import unit
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

SIDECAR: Final = ".scene.json"
TIFFS: Final = (".tif", ".tiff")
NAMES: Final = (*OPTICAL, THERMAL, "ndvi")
# How programs describe these bands, without blanks, dashes and capitals.
SYNONYMS: Final = {
    **{name: name for name in NAMES},
    "nearinfrared": "nir",
    "nir08": "nir",
    "swir16": "swir1",
    "swir22": "swir2",
    "shortwaveinfrared1": "swir1",
    "shortwaveinfrared2": "swir2",
    "lwir": THERMAL,
    "surfacetemperature": THERMAL,
}
_EARTH_RADIUS_M: Final = 6_371_000.0  # for the resolution of a grid in degrees, as a rough figure

_Position = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Place(_Strict):
    file: str | None = None
    band: _Position = 1
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None


class _SunPlace(_Strict):
    azimuth_deg: Annotated[float, Field(ge=0, le=360)]
    elevation_deg: Annotated[float, Field(gt=0, le=90)]


class _Mask(_Strict):
    file: str
    band: _Position = 1
    flags: Annotated[dict[str, str | list[str]], Field(min_length=1)]


class _Description(_Strict):
    time: dt.datetime | None = None
    bands: dict[str, _Position | _Place] | None = None
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    sun: _SunPlace | None = None
    name: str | None = None
    platform: str | None = None
    instrument: str | None = None
    overpass: str | None = None
    cloud_share: Annotated[float, Field(ge=0, le=1)] | None = None
    baseline: str | None = None
    quality: _Mask | None = None


def is_tiff(name: str) -> bool:
    """Tell by the name alone whether a file is a GeoTIFF."""
    return name.lower().endswith(TIFFS)


def has_sidecar(path: Path) -> bool:
    """Tell whether a ``.scene.json`` lies beside a GeoTIFF."""
    return path.with_name(path.stem + SIDECAR).exists()


def is_described(path: Path, files: Collection[str]) -> bool:
    """Tell whether a file in a folder is a plain scene: it says which bands it has and when it was taken.

    Parameters
    ----------
    path : path
    files : (n,) str
        Names of all files in its folder.

    Returns
    -------
    bool
        True for a GeoTIFF with band descriptions and a date in its tags, or with a ``.scene.json`` beside
        it; and for a ``.scene.json`` without a GeoTIFF of its name.
    """
    if path.name.endswith(SIDECAR):
        stem = path.name.removesuffix(SIDECAR)
        return not any(stem + ending in files for ending in (*TIFFS, ".TIF", ".TIFF"))
    if not is_tiff(path.name):
        return False
    if path.stem + SIDECAR in files:
        return True
    try:
        file = pixels.dataset(str(path))
    except BadInput:  # nothing says that it was meant to be a scene
        return False
    return bool(_date_of(file.tags())) and any(_common_name(text) for text in file.descriptions)


def open(  # noqa: A001  # read as plain.open, like landsat.open
    path: Path | str,
    *,
    bands: Mapping[str, int] | None = None,
    time: dt.datetime | None = None,
    sun: Sun | None = None,
) -> Scene:
    """Describe a plain GeoTIFF as a scene: by the caller's words, else the file beside it, else its tags.

    Parameters
    ----------
    path : path
        The GeoTIFF, or its ``.scene.json`` where each band has a file of its own.
    bands : {common name: position from 1}, optional
    time : datetime, optional
        UTC if it names no zone.
    sun : Sun, optional

    Returns
    -------
    Scene

    Raises
    ------
    BadInput
        If it is missing, no GeoTIFF, without known bands or a time, or the file beside it is wrong.
    """
    path = Path(path)
    said = _described(path)
    main = _main_of(path)
    made = {
        name: _band(name, place, main, path.parent, said)
        for name, place in _places(main, said, bands, path).items()
    }
    taken, findings = _time(main, said, time, path)
    grid = pixels.grid_of(next(iter(made.values())).source)
    platform = said.platform or "unknown"
    stood = None if said.sun is None else Sun(said.sun.azimuth_deg, said.sun.elevation_deg)
    return Scene(
        name=said.name or (path.stem if main == path else path.name.removesuffix(SIDECAR)),
        path=path,
        family="plain",
        platform=platform,
        instrument=said.instrument or "unknown",
        time=taken,
        overpass=said.overpass or f"{platform} {taken:%Y-%m-%d}",
        crs=pixels.crs_name(grid),
        footprint=pixels.footprint(grid),
        cloud_share=said.cloud_share,
        baseline=said.baseline,
        sun=sun or stood,
        bands=made,
        quality=None if said.quality is None else _quality(path.parent, said.quality),
        findings=tuple(findings),
    )


def _main_of(path: Path) -> Path | None:
    """Find the GeoTIFF that a description belongs to; None if every band has a file of its own."""
    if not path.name.endswith(SIDECAR):
        return path
    stem = path.name.removesuffix(SIDECAR)
    return next(
        (path.with_name(stem + end) for end in (*TIFFS, ".TIF") if path.with_name(stem + end).exists()), None
    )


def _described(path: Path) -> _Description:
    beside = path if path.name.endswith(SIDECAR) else path.with_name(path.stem + SIDECAR)
    if not path.exists():
        raise BadInput(f"{path} does not exist. Check the path and the folder the command runs in.")
    if not beside.exists():
        if not is_tiff(path.name):
            raise BadInput(
                f"{path} is no scene that is known: a Landsat, Sentinel-2, HLS or MODIS product or a GeoTIFF "
                f"was expected. Convert it: gdal_translate {path.name} {path.stem}.tif"
            )
        return _Description()
    try:
        return _Description.model_validate(json.loads(beside.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BadInput(
            f"{beside}: {where} is wrong ({first['msg']}). Known are: {', '.join(_Description.model_fields)}."
        ) from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{beside} cannot be read as JSON ({error}). Correct or remove it.") from error


def _places(
    main: Path | None, said: _Description, given: Mapping[str, int] | None, path: Path
) -> dict[str, _Place]:
    """Say where each band lies."""
    chosen: Mapping[str, int | _Place] | None = given or said.bands
    if not chosen and main is not None:
        return _by_descriptions(main)
    if not chosen:
        raise BadInput(
            f"{path} names no bands, and there is no GeoTIFF of its name. Add bands and their files."
        )
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        raise BadInput(
            f"Found the band {', '.join(unknown)}, expected names among {', '.join(NAMES)}. Rename it."
        )
    places = {
        name: place if isinstance(place, _Place) else _Place.model_construct(band=place)
        for name, place in chosen.items()
    }
    for name, place in places.items():
        if main is None and place.file is None:
            raise BadInput(
                f"{path}: the band {name} names no file, and there is no GeoTIFF of that name. Add its file."
            )
    return places


def _by_descriptions(main: Path) -> dict[str, _Place]:
    file = pixels.dataset(str(main))
    found: dict[str, _Place] = {}
    for position, text in enumerate(file.descriptions, start=1):
        name = _common_name(text)
        if name in found:
            raise BadInput(
                f"{main} describes the bands {found[name].band} and {position} both as {name}; one was "
                f"expected. State which is meant: --bands {name}={position}"
            )
        if name is not None:
            found[name] = _Place(band=position)
    if not found:
        texts = ", ".join(f"{text!r}" for text in file.descriptions[:8])
        raise BadInput(
            f"{main} does not say which of its {file.count} bands is which (descriptions: {texts}); names "
            f"among {', '.join(NAMES)} were expected. State them: --bands green=2,swir1=5, or write a "
            f"{main.stem}{SIDECAR} beside it."
        )
    return found


def _common_name(description: str | None) -> str | None:
    return SYNONYMS.get(re.sub(r"[^a-z0-9]", "", (description or "").lower()))


def _band(name: str, place: _Place, main: Path | None, folder: Path, said: _Description) -> Band:
    path = folder / place.file if place.file is not None else main
    if path is None or not path.exists():
        raise BadInput(
            f"{path or folder}: the file of the band {name} is not there. Correct its name or copy it."
        )
    source = str(path.absolute())
    file = pixels.dataset(source)
    pixels.require_band(source, place.band)
    scale = _first(place.scale, said.scale, file.scales[place.band - 1])
    if scale == 0:
        raise BadInput(
            f"{path}: the scale of the band {name} is 0, so that all numbers would be one. Correct it."
        )
    tagged = file.nodatavals[place.band - 1]  # NaN is always unknown; a mask beside the pixels is no number
    return Band(
        name=name,
        native=file.descriptions[place.band - 1] or f"band {place.band}",
        source=source,
        position=place.band,
        resolution_m=_resolution_m(pixels.grid_of(source)),
        scale=scale,
        offset=_first(place.offset, said.offset, file.offsets[place.band - 1]),
        nodata=next(
            (
                number
                for number in (place.nodata, said.nodata, tagged)
                if number is not None and not np.isnan(number)
            ),
            None,
        ),
    )


def _first(*numbers: float | None) -> float:
    return next(float(number) for number in numbers if number is not None)


def _resolution_m(grid: Grid) -> float:
    size = unit(grid.crs)[1]
    side = float(np.sqrt(abs(grid.transform.determinant))) * size
    return side * _EARTH_RADIUS_M if grid.is_geographic else side


def _time(
    main: Path | None, said: _Description, given: dt.datetime | None, path: Path
) -> tuple[dt.datetime, list[str]]:
    stated = given or said.time
    if stated is not None:
        return (stated if stated.tzinfo else stated.replace(tzinfo=dt.UTC)).astimezone(dt.UTC), []
    tagged = None if main is None else _date_of(pixels.dataset(str(main.absolute())).tags())
    if tagged is None:
        raise BadInput(
            f"{path} does not say when it was taken; a time was expected. State it: "
            f"--time 2023-07-15T06:10:00Z, or write it into a {path.stem}{SIDECAR} beside it."
        )
    return tagged, [
        "Its time is that of TIFFTAG_DATETIME, which some programs set to when they wrote the file."
    ]


def _date_of(tags: Mapping[str, str]) -> dt.datetime | None:
    """Read the date of TIFF, "YYYY:MM:DD HH:MM:SS", taken for UTC; also with dashes, as some write it."""
    found = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", tags.get("TIFFTAG_DATETIME", ""))
    if found is None:
        return None
    try:
        return dt.datetime.fromisoformat("{}-{}-{}T{}:{}:{}+00:00".format(*found.groups()))
    except ValueError:  # 0000:00:00 is written where nobody knew
        return None


def _quality(folder: Path, said: _Mask) -> Quality:
    path = folder / said.file
    if not path.exists():
        raise BadInput(f"{path}, the file of the quality codes, is not there. Correct its name or copy it.")
    source = str(path.absolute())
    pixels.require_band(source, said.band)
    file = pixels.dataset(source)
    table = np.zeros(256 if file.dtypes[said.band - 1] in {"uint8", "int8"} else 1 << 16, np.uint8)
    nodata = file.nodatavals[said.band - 1]
    if nodata is not None and 0 <= nodata < len(table):
        table[int(nodata)] = Flag.FILL
    for code, flags in _codes(said, len(table)):
        table[code] = flags
    table.flags.writeable = False
    return Quality(
        source=source, position=said.band, resolution_m=_resolution_m(pixels.grid_of(source)), flags=table
    )


def _codes(said: _Mask, count: int) -> Iterator[tuple[int, Flag]]:
    for text, words in said.flags.items():
        names = [words] if isinstance(words, str) else words
        unknown = [name for name in names if name not in Flag.__members__]
        if not re.fullmatch(r"\d+", text) or int(text) >= count or unknown:
            raise BadInput(
                f"{said.file}: the code {text} means {', '.join(names)}; a code from 0 to {count - 1} and "
                f"flags among {', '.join(Flag.__members__)} were expected. Correct the {SIDECAR}."
            )
        meaning = Flag(0)
        for name in names:
            meaning |= Flag[name]
        yield int(text), meaning
