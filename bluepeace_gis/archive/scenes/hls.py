"""Harmonized Landsat and Sentinel-2 (HLS) v2.0, L30 and S30: a COG for each band, loose or in a folder.

Time, sun, cloud share and the satellite stand in the tags of every COG, so one header is read. All
granules of a day on a tile have the same grid, whichever satellite they come from.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.archive.scenes.containers import Container
from bluepeace_gis.archive.scenes.scene import THERMAL, Band, Quality, Scene, Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag

# HLS v2.0 User Guide, table 3. S30 has the narrow B8A for the near infrared, which is what OLI's band 5 is.
L30_BANDS: Final = {
    "blue": "B02", "green": "B03", "red": "B04", "nir": "B05", "swir1": "B06", "swir2": "B07", THERMAL: "B10",
}  # fmt: skip
S30_BANDS: Final = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B8A", "swir1": "B11", "swir2": "B12"}
NODATA: Final = -9999.0
SCALE: Final = 1e-4
# The thermal bands are brightness temperatures in hundredths of a degree Celsius (the same table).
THERMAL_SCALE: Final = 0.01
KELVIN_AT_0_CELSIUS: Final = 273.15
RESOLUTION_M: Final = 30.0
# Fmask, User Guide table 9; bits 6 and 7 are the aerosol level. 255 is fill.
FMASK_BITS: Final = {
    0: Flag.CIRRUS,  # reserved in v2.0, where it is never set
    1: Flag.CLOUD,
    2: Flag.DILATED_CLOUD,  # within 5 cells of a cloud or its shadow
    3: Flag.SHADOW,
    4: Flag.SNOW,
    5: Flag.WATER,
}
FMASK_FILL: Final = 255

_GRANULE: Final = re.compile(
    r"(HLS\.([LS])30\.T(\d{2}[A-Z]{3})\.(\d{7}T\d{6})\.v(\d+\.\d+))\.", re.IGNORECASE
)
_SATELLITES: Final = {
    "LC08": ("landsat-8", "oli"),
    "LC09": ("landsat-9", "oli-2"),
    "LO08": ("landsat-8", "oli"),
    "LO09": ("landsat-9", "oli-2"),
    "S2A": ("sentinel-2a", "msi"),
    "S2B": ("sentinel-2b", "msi"),
    "S2C": ("sentinel-2c", "msi"),
    "S2D": ("sentinel-2d", "msi"),
}
_WAY_OUT: Final = "Download the granule again (HLSL30 or HLSS30, version 2.0)."


def product_of(name: str) -> str | None:
    """Find the granule a file belongs to by its name: ``HLS.L30.T42SVE.2021168T055857.v2.0``."""
    found = _GRANULE.match(name.rpartition("/")[2])
    return None if found is None else found[1]


def files_of(product: str) -> Iterator[str]:
    """List the names the files of a granule can have."""
    for band in dict.fromkeys((*L30_BANDS.values(), *S30_BANDS.values(), "Fmask")):
        yield f"{product}.{band}.tif"


def stands_for(names: Iterable[str]) -> str | None:
    """Choose the file of a granule whose path is that of the scene; None if it has no file of pixels."""
    rasters = sorted(name for name in names if name.lower().endswith(".tif"))
    return next((name for name in rasters if name.lower().endswith(".fmask.tif")), next(iter(rasters), None))


def recognise(container: Container) -> bool:
    """Tell by names alone whether a container holds an HLS granule."""
    return any(product_of(name) for name in container.names())


def open(container: Container) -> Scene:  # noqa: A001  # read as hls.open, like landsat.open
    """Read what an HLS granule says about itself in the tags of one of its files.

    Parameters
    ----------
    container : Container
        With the files of one granule.

    Returns
    -------
    Scene
        ``thermal`` (L30) is the brightness temperature at the top of the atmosphere, not of the surface.

    Raises
    ------
    BadInput
        If it holds several granules, another version than 2, no band, or a header is damaged.
    """
    granule, match = _the_granule(container)
    wanted = L30_BANDS if match[2].upper() == "L" else S30_BANDS
    members, findings = _members(container, granule, wanted)
    if not members:
        raise BadInput(
            f"{container.path} has none of the bands of {granule} ({', '.join(wanted.values())}). {_WAY_OUT}"
        )
    first = container.source(next(iter(members.values())))
    tags = _tags(first)
    fmask = container.find(f"{granule}.Fmask.tif")
    if fmask is None:
        findings.append("The file Fmask is missing, so clouds, shadow and snow are not known.")
    platform, instrument = _satellite(tags, match[2].upper())
    time = _time(tags, match[4], container)
    cloud_pct = _number(tags, "CLOUD_COVERAGE")
    grid = pixels.grid_of(first)
    return Scene(
        name=granule,
        path=container.path,
        family="hls",
        platform=platform,
        instrument=instrument,
        time=time,
        overpass=f"{platform} {time:%Y-%m-%d}",
        crs=pixels.crs_name(grid),
        footprint=pixels.footprint(grid),
        cloud_share=None if cloud_pct is None else cloud_pct / 100,
        baseline=match[5],
        sun=_sun(tags),
        bands={name: _band(name, wanted[name], container.source(file)) for name, file in members.items()},
        quality=None
        if fmask is None
        else Quality(
            source=container.source(fmask), position=1, resolution_m=RESOLUTION_M, flags=flag_table()
        ),
        findings=tuple(findings),
    )


def _the_granule(container: Container) -> tuple[str, re.Match[str]]:
    matches = (_GRANULE.match(name.rpartition("/")[2]) for name in container.names())
    found = {match[1]: match for match in matches if match}
    if len(found) > 1:
        raise BadInput(
            f"{container.path} holds {len(found)} HLS granules ({', '.join(sorted(found)[:3])}); one was "
            "expected. Name a file of one of them, such as its Fmask."
        )
    ((granule, match),) = found.items()
    if not match[5].startswith("2."):
        raise BadInput(
            f"{container.path} is of HLS version {match[5]}, whose Fmask means something else; version 2.0 "
            f"was expected. {_WAY_OUT}"
        )
    return granule, match


def _members(
    container: Container, granule: str, wanted: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    members, findings = {}, []
    for name, native in wanted.items():
        member = container.find(f"{granule}.{native}.tif")
        if member is None or container.size(member) == 0:
            state = "missing" if member is None else "empty"
            findings.append(f"The file of the band {name}, {granule}.{native}.tif, is {state}.")
        else:
            members[name] = member
    return members, findings


def _band(name: str, native: str, source: str) -> Band:
    if name == THERMAL:
        scale, offset = THERMAL_SCALE, KELVIN_AT_0_CELSIUS
    else:
        scale, offset = SCALE, 0.0
    return Band(name, native, source, 1, RESOLUTION_M, scale, offset, NODATA)


def _tags(source: str) -> dict[str, str]:
    """Read the tags of a header; L30 and S30 write some of them in capitals and some not."""
    return {key.upper(): str(value) for key, value in pixels.dataset(source).tags().items()}


def _number(tags: Mapping[str, str], key: str) -> float | None:
    """Read a number; a granule made of two scenes states one for each, of which the mean is taken."""
    try:
        values = [float(part) for part in re.split(r"[;,]", tags[key]) if part.strip()]
    except (KeyError, ValueError):
        return None
    return float(np.mean(values)) if values and np.isfinite(values).all() else None


def _sun(tags: Mapping[str, str]) -> Sun | None:
    azimuth, zenith = _number(tags, "MEAN_SUN_AZIMUTH_ANGLE"), _number(tags, "MEAN_SUN_ZENITH_ANGLE")
    return None if azimuth is None or zenith is None else Sun(azimuth % 360, 90 - zenith)


def _satellite(tags: Mapping[str, str], kind: str) -> tuple[str, str]:
    stated = tags.get("LANDSAT_PRODUCT_ID", tags.get("PRODUCT_URI", ""))
    for start, satellite in _SATELLITES.items():
        if stated.lstrip().startswith(start):
            return satellite
    return ("landsat", "oli") if kind == "L" else ("sentinel-2", "msi")


def _time(tags: Mapping[str, str], stated: str, container: Container) -> dt.datetime:
    """Take the first sensing time of the tags, to the microsecond; the name states whole seconds."""
    first = re.split(r"[;,]", tags.get("SENSING_TIME", ""))[0].strip().rstrip("Z")
    try:
        return dt.datetime.fromisoformat(first[:26]).replace(tzinfo=dt.UTC)
    except ValueError:
        pass
    try:
        return dt.datetime.strptime(stated, "%Y%jT%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise BadInput(
            f"{container.path} is dated {stated}; a year, a day of the year and a time were expected. "
            f"{_WAY_OUT}"
        ) from error


@lru_cache(maxsize=1)
def flag_table() -> NDArray[np.uint8]:
    """Give the bits of ``Flag`` for every code of Fmask: (256,), read-only, one for all scenes."""
    codes = np.arange(256)
    flags: NDArray[Any] = np.zeros(256, np.uint8)
    for bit, flag in FMASK_BITS.items():
        flags[(codes >> bit) & 1 == 1] |= np.uint8(flag)
    flags[FMASK_FILL] = Flag.FILL
    flags.flags.writeable = False
    return flags
