"""Landsat Collection 2 Level-2 as the USGS delivers it: TM, ETM+, OLI and OLI-2, a folder or a .tar.

What the numbers mean stands in the MTL file, of which there are three kinds with the same content: json,
xml and txt. The same names (REFLECTANCE_MULT_BAND_4) come twice in it, for Level 2 and for the Level 1 it
was made of, so the groups are kept apart.
"""

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from bluepeace_gis.archive.scenes.containers import Container
from bluepeace_gis.archive.scenes.scene import THERMAL, Band, Quality, Scene, Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag

# Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619), tables 3-1 and 4-1; Landsat 4-7
# (LSDS-1618): the common name of each band number. OLI counts one further, since it has a coastal band 1.
OLI_BANDS: Final = {"blue": "2", "green": "3", "red": "4", "nir": "5", "swir1": "6", "swir2": "7"}
TM_BANDS: Final = {"blue": "1", "green": "2", "red": "3", "nir": "4", "swir1": "5", "swir2": "7"}
OLI_THERMAL: Final = "ST_B10"
TM_THERMAL: Final = "ST_B6"
# SENSOR_ID of the MTL: what the instrument is called, its bands, its thermal band.
INSTRUMENTS: Final = {
    "TM": ("tm", TM_BANDS, TM_THERMAL),
    "ETM": ("etm+", TM_BANDS, TM_THERMAL),
    "OLI_TIRS": ("oli", OLI_BANDS, OLI_THERMAL),
    "OLI": ("oli", OLI_BANDS, OLI_THERMAL),
}
NODATA: Final = 0.0  # of SR_B* and ST_B*: the same guides
# QA_PIXEL, the same guides. Bit 6, "clear", means neither cloud nor dilated cloud only, so it is not asked:
# 7,131 of 28,465 such cells of one scene lie in shadow. Bits 8 to 15 say how sure the others are.
QA_BITS: Final = {
    0: Flag.FILL,
    1: Flag.DILATED_CLOUD,
    2: Flag.CIRRUS,  # with high confidence; TM and ETM+ never set it
    3: Flag.CLOUD,
    4: Flag.SHADOW,
    5: Flag.SNOW,
    7: Flag.WATER,
}
# QA_RADSAT: bit n - 1 for band n. Bit 5 is band 6 of TM and the low gain of ETM+, which is what ST_B6 comes
# from; bit 9 is a dropped pixel there. OLI says nothing of its thermal bands.
RADSAT_THERMAL_BIT: Final = 5
RADSAT_DROPPED_TM: Final = 1 << 9
# On 6 April 2022 Landsat 7 left its orbit and has come earlier and earlier in the day since.
LANDSAT_7_DRIFTS_FROM: Final = dt.date(2022, 4, 6)

_PRODUCT = re.compile(
    r"(L[COTEM]\d{2}_(L\d[A-Z]{2})_\d{6}_\d{8}_\d{8}_(\d{2})_(?:T1|T2|RT))(?=[_.]|$)", re.IGNORECASE
)
_MTL_KINDS: Final = ("json", "xml", "txt")  # in the order of how fast they are read
_ENDINGS: Final = (
    *(f"_MTL.{kind}" for kind in _MTL_KINDS),
    *(f"_SR_B{number}.TIF" for number in range(1, 8)),
    "_ST_B6.TIF",
    "_ST_B10.TIF",
    "_QA_PIXEL.TIF",
    "_QA_RADSAT.TIF",
)
_LEVEL_2_WAY_OUT: Final = (
    "Order its Level-2 Science Product (L2SP) of Collection 2 from USGS EarthExplorer, "
    "or download it there; the name then says L2SP."
)

Groups = Mapping[str, Mapping[str, str]]


def product_of(name: str) -> str | None:
    """Find the product a file belongs to by its name: ``LC09_L2SP_152032_20230715_20230717_02_T1``."""
    found = _PRODUCT.match(name.rpartition("/")[2])
    return found[1].upper() if found else None


def files_of(product: str) -> Iterator[str]:
    """List the names the files of a product can have, in either case of their ending."""
    for ending in _ENDINGS:
        yield product + ending
        yield product + (ending.replace(".TIF", ".tif") if ending.endswith(".TIF") else ending.upper())


def stands_for(names: Iterable[str]) -> str | None:
    """Choose the file of a loose product whose path is that of the scene: its MTL, else any band."""
    ranked = sorted(names, key=lambda name: ("_MTL." not in name.upper(), name))
    return next(
        (name for name in ranked if re.search(r"_(MTL\.\w+|B\d+\.TIFF?)$", name, re.IGNORECASE)), None
    )


def recognise(container: Container) -> bool:
    """Tell by names alone whether a container holds a Landsat product, of any level and collection."""
    return any(product_of(name) for name in container.names())


def open(container: Container) -> Scene:  # noqa: A001  # read as landsat.open, like sentinel2.open
    """Read what a Landsat Collection 2 Level-2 product says about itself.

    Parameters
    ----------
    container : Container
        Its files may lie in a folder inside the archive.

    Returns
    -------
    Scene
        With the bands whose files are there; what is missing stands in ``findings``. A cell that ETM+
        missed since its scan line corrector failed (31 May 2003) is fill like any other. ``overpass`` is
        platform, WRS-2 path and day: neighbours along a path saw their overlap at once.

    Raises
    ------
    BadInput
        If it is Level-1 or Collection 1, holds several products, has no MTL or a damaged one.
    """
    product = _the_product(container)
    groups = _metadata(container, product)
    contents, image = (
        _group(groups, "PRODUCT_CONTENTS", container),
        _group(groups, "IMAGE_ATTRIBUTES", container),
    )
    mtl = _Mtl(container, groups)
    level = contents.get("PROCESSING_LEVEL", "")
    if not level.startswith("L2"):
        raise BadInput(
            f"{container.path} is a Landsat Level-1 product ({level or 'without a level'}), not corrected "
            f"for the atmosphere; Level-2 was expected. {_LEVEL_2_WAY_OUT}"
        )
    sensor = image.get("SENSOR_ID", "")
    if sensor not in INSTRUMENTS:
        raise BadInput(
            f"{container.path} comes from the sensor {sensor or '(not named)'}, which gives no surface "
            f"reflectance; expected one of {', '.join(INSTRUMENTS)}. Choose another scene."
        )
    instrument, numbers, thermal = INSTRUMENTS[sensor]
    platform = mtl.text("IMAGE_ATTRIBUTES", "SPACECRAFT_ID").lower().replace("_", "-")
    if platform == "landsat-9":
        instrument = "oli-2"
    time = mtl.time()
    bands, missing = _bands(container, mtl, numbers, thermal)
    quality, missing_quality = _quality(container, mtl, numbers, oli=numbers is OLI_BANDS)
    cloud_pct = mtl.number("IMAGE_ATTRIBUTES", "CLOUD_COVER")
    return Scene(
        name=mtl.text("PRODUCT_CONTENTS", "LANDSAT_PRODUCT_ID"),
        path=container.path,
        family="landsat",
        platform=platform,
        instrument=instrument,
        time=time,
        overpass=f"{platform} path {int(mtl.number('IMAGE_ATTRIBUTES', 'WRS_PATH')):03d} {time:%Y-%m-%d}",
        crs=mtl.crs(),
        footprint=mtl.footprint(),
        cloud_share=cloud_pct / 100 if cloud_pct >= 0 else None,  # -1: not determined
        baseline=_group(groups, "LEVEL2_PROCESSING_RECORD", container).get("PROCESSING_SOFTWARE_VERSION"),
        sun=Sun(
            mtl.number("IMAGE_ATTRIBUTES", "SUN_AZIMUTH") % 360,
            mtl.number("IMAGE_ATTRIBUTES", "SUN_ELEVATION"),
        ),
        bands=bands,
        quality=quality,
        findings=(*missing, *missing_quality, *_drift(platform, time)),
    )


def _the_product(container: Container) -> str:
    found: dict[str, re.Match[str]] = {}
    for name in container.names():
        match = _PRODUCT.match(name.rpartition("/")[2])
        if match:
            found[match[1].upper()] = match
    current = [name for name, match in found.items() if match[3] == "02"]
    if not current:
        raise BadInput(
            f"{container.path} is of Landsat Collection 1, which the USGS has withdrawn and whose numbers "
            f"mean something else; Collection 2 was expected. {_LEVEL_2_WAY_OUT}"
        )
    level_2 = [name for name in current if found[name][2].upper().startswith("L2")]
    if not level_2:
        raise BadInput(
            f"{container.path} is a Landsat Level-1 product ({found[current[0]][2].upper()}), not corrected "
            f"for the atmosphere; Level-2 was expected. {_LEVEL_2_WAY_OUT}"
        )
    if len(level_2) > 1:
        raise BadInput(
            f"{container.path} holds {len(level_2)} Landsat products ({', '.join(sorted(level_2)[:3])}); "
            "one was expected. Name the MTL file of one of them, or give each its own folder."
        )
    return level_2[0]


def _metadata(container: Container, product: str) -> Groups:
    for kind in _MTL_KINDS:
        name = container.find(f"{product}_MTL.{kind}")
        if name is not None:
            text = container.read_text(name)
            try:
                groups = _PARSERS[kind](text)
            except (ValueError, ET.ParseError, AttributeError, TypeError) as error:
                raise BadInput(
                    f"{container.path}: {name} cannot be understood ({' '.join(str(error).split())}). It is "
                    "damaged or truncated; copy it again, or remove it if another _MTL file is there."
                ) from error
            if not groups:
                raise BadInput(
                    f"{container.path}: {name} has no LANDSAT_METADATA_FILE; metadata of Collection 2 were "
                    f"expected. {_LEVEL_2_WAY_OUT}"
                )
            return groups
    raise BadInput(
        f"{container.path} has no {product}_MTL.json, .xml or .txt, without which its numbers mean nothing. "
        "Copy one of them from the source of the scene."
    )


def _from_json(text: str) -> Groups:
    root = json.loads(text).get("LANDSAT_METADATA_FILE", {})
    return {name: dict(group) for name, group in root.items()}


def _from_xml(text: str) -> Groups:
    root = ET.fromstring(text)  # noqa: S314  # entities are not expanded from outside; the size is bounded
    if root.tag != "LANDSAT_METADATA_FILE":
        return {}
    return {group.tag: {item.tag: (item.text or "").strip() for item in group} for group in root}


def _from_txt(text: str) -> Groups:
    """Read ODL as the USGS writes it: one root group, groups in it, a value a line, END."""
    groups: dict[str, dict[str, str]] = {}
    path: list[str] = []
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if key == "END" and not equals:
            if path:
                raise ValueError(f"the group {path[-1]} does not end")
            return groups
        if key == "GROUP":
            path.append(value)
            if path[0] != "LANDSAT_METADATA_FILE":
                return {}
        elif key == "END_GROUP":
            if not path or path.pop() != value:
                raise ValueError(f"the group {value} ends without a beginning")
        elif equals and len(path) == 2:
            groups.setdefault(path[1], {})[key] = value.strip('"')
    raise ValueError("END is missing")


_PARSERS: Final = {"json": _from_json, "xml": _from_xml, "txt": _from_txt}


def _group(groups: Groups, name: str, container: Container) -> Mapping[str, str]:
    if name not in groups:
        raise BadInput(
            f"{container.path}: its MTL has no group {name}; it was expected of a Level-2 product. "
            "Copy the scene again from its source."
        )
    return groups[name]


class _Mtl:
    """Values of the MTL; what is not there or no number is told with its name."""

    def __init__(self, container: Container, groups: Groups) -> None:
        self._container = container
        self._groups = groups

    def text(self, group: str, key: str) -> str:
        try:
            return self._groups[group][key]
        except KeyError as error:
            raise BadInput(
                f"{self._container.path}: its MTL does not say {key} in {group}. "
                "It is damaged; copy it again from its source."
            ) from error

    def file(self, key: str) -> str | None:
        return self._groups["PRODUCT_CONTENTS"].get(key)

    def number(self, group: str, key: str) -> float:
        text = self.text(group, key)
        try:
            value = float(text)
        except ValueError as error:
            raise self._no_number(group, key, text) from error
        if not np.isfinite(value):
            raise self._no_number(group, key, text)
        return value

    def _no_number(self, group: str, key: str, text: str) -> BadInput:
        return BadInput(
            f'{self._container.path}: its MTL says {key} = "{text}" in {group}; a number was expected. '
            "It is damaged; copy it again from its source."
        )

    def time(self) -> dt.datetime:
        day = self.text("IMAGE_ATTRIBUTES", "DATE_ACQUIRED")
        hour = self.text("IMAGE_ATTRIBUTES", "SCENE_CENTER_TIME").rstrip("Z")
        try:  # seven digits of a second are written, a datetime has six
            return dt.datetime.fromisoformat(f"{day}T{hour[:15]}").replace(tzinfo=dt.UTC)
        except ValueError as error:
            raise BadInput(
                f"{self._container.path}: its MTL dates it {day} {hour}; a date and a time were expected. "
                "It is damaged; copy it again from its source."
            ) from error

    def crs(self) -> str:
        projection = self.text("PROJECTION_ATTRIBUTES", "MAP_PROJECTION")
        if projection == "UTM":  # of the north in both hemispheres
            return f"EPSG:{32600 + int(self.number('PROJECTION_ATTRIBUTES', 'UTM_ZONE'))}"
        if projection == "PS":
            return "EPSG:3031"  # Antarctica alone is delivered so
        raise BadInput(
            f"{self._container.path}: its MTL names the projection {projection}; UTM or PS was expected. "
            "It is damaged; copy it again from its source."
        )

    def footprint(self) -> Polygon:
        corners = [
            [
                self.number("PROJECTION_ATTRIBUTES", f"CORNER_{corner}_{axis}_PRODUCT")
                for axis in ("LON", "LAT")
            ]
            for corner in ("UL", "UR", "LR", "LL")
        ]
        longitudes = [longitude for longitude, _ in corners]
        if max(longitudes) - min(longitudes) > 180:  # across the date line: east of it goes on beyond 180
            corners = [[longitude % 360, latitude] for longitude, latitude in corners]
        return Polygon(corners)


def _bands(
    container: Container, mtl: _Mtl, numbers: Mapping[str, str], thermal: str
) -> tuple[dict[str, Band], list[str]]:
    bands: dict[str, Band] = {}
    missing: list[str] = []
    reflective = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
    for name, number in numbers.items():
        file = mtl.text("PRODUCT_CONTENTS", f"FILE_NAME_BAND_{number}")
        member = _present(container, file, name, missing)
        if member is not None:
            bands[name] = Band(
                name,
                f"SR_B{number}",
                container.source(member),
                1,
                mtl.number("PROJECTION_ATTRIBUTES", "GRID_CELL_SIZE_REFLECTIVE"),
                mtl.number(reflective, f"REFLECTANCE_MULT_BAND_{number}"),
                mtl.number(reflective, f"REFLECTANCE_ADD_BAND_{number}"),
                NODATA,
            )
    thermal_file = mtl.file(f"FILE_NAME_BAND_{thermal}")
    if thermal_file is not None:  # L2SR has none, and is complete without
        member = _present(container, thermal_file, THERMAL, missing)
        if member is not None:
            kelvin = "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"
            bands[THERMAL] = Band(
                THERMAL,
                thermal,
                container.source(member),
                1,
                mtl.number("PROJECTION_ATTRIBUTES", "GRID_CELL_SIZE_THERMAL"),
                mtl.number(kelvin, f"TEMPERATURE_MULT_BAND_{thermal}"),
                mtl.number(kelvin, f"TEMPERATURE_ADD_BAND_{thermal}"),
                NODATA,
            )
    if not bands:
        raise BadInput(
            f"{container.path} has metadata but none of its bands. Copy the *_SR_B*.TIF files beside its MTL."
        )
    return bands, missing


def _present(container: Container, file: str, what: str, missing: list[str]) -> str | None:
    member = container.find(file)
    if member is None:
        missing.append(f"The file of the band {what}, {file}, is missing.")
    elif container.size(member) == 0:
        missing.append(f"The file of the band {what}, {file}, is empty.")
        member = None
    return member


def _quality(
    container: Container, mtl: _Mtl, numbers: Mapping[str, str], *, oli: bool
) -> tuple[Quality | None, list[str]]:
    missing: list[str] = []
    pixel = mtl.file("FILE_NAME_QUALITY_L1_PIXEL")
    member = container.find(pixel) if pixel else None
    if member is None or container.size(member) == 0:
        missing.append("The file QA_PIXEL is missing, so clouds, shadow and snow are not known.")
        return None, missing
    radsat = mtl.file("FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION")
    saturation = container.find(radsat) if radsat else None
    if saturation is None or container.size(saturation) == 0:
        missing.append("The file QA_RADSAT is missing, so saturation is not known.")
        saturation = None
    bits = {name: int(number) - 1 for name, number in numbers.items()}
    if not oli:
        bits[THERMAL] = RADSAT_THERMAL_BIT
    quality = Quality(
        source=container.source(member),
        position=1,
        resolution_m=mtl.number("PROJECTION_ATTRIBUTES", "GRID_CELL_SIZE_REFLECTIVE"),
        flags=flag_table(),
        saturation=None if saturation is None else container.source(saturation),
        saturation_bits=bits,
        defects=0 if oli else RADSAT_DROPPED_TM,
    )
    return quality, missing


@lru_cache(maxsize=1)
def flag_table() -> NDArray[np.uint8]:
    """Give the bits of ``Flag`` for every code of QA_PIXEL: (65536,), read-only, one for all scenes."""
    codes = np.arange(1 << 16, dtype=np.uint16)
    flags = np.zeros(codes.shape, np.uint8)
    for bit, flag in QA_BITS.items():
        flags[(codes >> bit) & 1 == 1] |= np.uint8(flag)
    flags.flags.writeable = False
    return flags


def _drift(platform: str, time: dt.datetime) -> list[str]:
    if platform != "landsat-7" or time.date() < LANDSAT_7_DRIFTS_FROM:
        return []
    lower = (
        "Landsat 7 had left its orbit by then and came earlier in the day: the sun stands lower and shadows "
        "are longer than in the same season of other years."
    )
    return [lower]
