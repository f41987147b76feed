"""Sentinel-2 Level-2A as ESA delivers it: a .SAFE folder or its zip, satellites A, B and C.

Everything but the offset is read from the metadata alone. The offset of -1000 that processing baseline
04.00 brought is decided by an order of evidence and never guessed: a wrong guess shifts every
reflectance by 0.1. A valid MTD_MSIL2A.xml decides; without one, the baseline that the names state and
the darkest numbers in the pixels must agree.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely import Polygon

from bluepeace_gis.archive.scenes import checks
from bluepeace_gis.archive.scenes.containers import Container
from bluepeace_gis.archive.scenes.scene import Band, Quality, Scene, Sun
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import to_geographic
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

# Common name -> the band, its number in the metadata (PSD: band_id), its resolution in metres.
BANDS: Final[Mapping[str, tuple[str, int, int]]] = {
    "blue": ("B02", 1, 10),
    "green": ("B03", 2, 10),
    "red": ("B04", 3, 10),
    "nir": ("B08", 7, 10),
    "swir1": ("B11", 11, 20),
    "swir2": ("B12", 12, 20),
}
NARROW_NIR: Final = ("B8A", 8, 20)  # stands in for B08 where only the bands at 20 m were kept
NODATA: Final = 0.0  # PSD: SPECIAL_VALUE NODATA
QUANTIFICATION: Final = 10_000.0  # of every baseline so far; used only where no XML states it
OFFSET_SINCE: Final = 4.0  # processing baseline 04.00 of 25 January 2022, and all after it
ADDED: Final = -1000.0  # what those baselines state for every band
HOME_MADE: Final = 99.0  # Sen2Cor on a user's machine writes baseline 99.99
# With the offset the darkest surfaces lie at about 1000; a little noise below zero reflectance is usual.
OFFSET_SEEN_FROM: Final = 950.0

# PSD, Scene_Classification: dark areas (2), plants (4), bare ground (5) and "unclassified" (7) are clear.
SCL_FLAGS: Final[Mapping[int, Flag]] = {
    0: Flag.FILL,
    1: Flag.SATURATED,
    2: Flag(0),
    3: Flag.SHADOW,
    4: Flag(0),
    5: Flag(0),
    6: Flag.WATER,
    7: Flag(0),
    8: Flag.CLOUD,
    9: Flag.CLOUD,
    10: Flag.CIRRUS,
    11: Flag.SNOW,
}

_PRODUCT = re.compile(
    r"(?P<satellite>S2[A-Z])_MSIL(?P<level>1C|2A)_(?P<time>\d{8}T\d{6})_N(?P<baseline>\d{4})"
    r"_R\d{3}_T(?P<tile>\d{2}[A-Z]{3})_\d{8}T\d{6}",
    re.IGNORECASE,
)
_GRANULE = re.compile(r"^L2A_T(?P<tile>\d{2}[A-Z]{3})_A(?P<orbit>\d{6})_", re.IGNORECASE)
_RASTER = re.compile(  # older products begin the name of the file with L2A_
    r"^(?P<root>(?:.*/)?)GRANULE/(?P<granule>[^/]+)/(?:IMG_DATA|QI_DATA)/(?:R\d0m/)?"
    r"(?:L2A_)?T(?P<tile>\d{2}[A-Z]{3})_(?P<time>\d{8}T\d{6})_(?P<band>B\d\d|B8A|SCL)_(?P<metres>[126]0)m"
    r"\.(?P<format>jp2|tiff?)$",
    re.IGNORECASE,
)
_LEVEL_1C_RASTER = re.compile(r"(^|/)GRANULE/[^/]+/IMG_DATA/[^/]*_B\d[\dA]\.jp2$", re.IGNORECASE)
_BEFORE_2017 = re.compile(r"(^|/)S2[AB]_(USER|OPER)_MTD_SAFL(1C|2A)_[^/]*\.xml$", re.IGNORECASE)
_TILE_BASELINE = re.compile(r"_N(\d\d\.\d\d)$")
_CHUNK = 1 << 14  # characters of MTD_TL.xml parsed at once: the sun stands within the first 13,000
_EDGE_POINTS = 16  # along the rim of a tile, whose edges are curves in longitude and latitude

_WAY_OUT = "Download the product again, or copy its MTD_MSIL2A.xml back."


def recognise(container: Container) -> bool:
    """Tell by names alone whether a folder or archive holds a Sentinel-2 product, of any level."""
    return any(
        _file_name(name).upper() in ("MTD_MSIL2A.XML", "MTD_MSIL1C.XML")
        or _RASTER.match(name)
        or _LEVEL_1C_RASTER.search(name)
        or _BEFORE_2017.search(name)
        for name in container.names()
    )


def open(container: Container) -> Scene:  # noqa: A001  # read as sentinel2.open, like landsat.open
    """Read what a Sentinel-2 Level-2A product says about itself.

    Parameters
    ----------
    container : Container
        The .SAFE folder, or a zip with the .SAFE folder at its top or deeper; pixels as JP2 or COG.

    Returns
    -------
    Scene
        Bands blue, green, red, nir (10 m), swir1, swir2 (20 m) as far as their files are there, each at
        the finest resolution there is. Where B08 is not there but B8A is, that is the nir. ``time`` is
        when the tile was seen, not when the datatake began. What is missing stands in ``findings``.

    Raises
    ------
    BadInput
        If it is Level-1C, several products or granules, has no bands, or its offset is not decided by
        the evidence at hand.

    Notes
    -----
    reflectance = (number + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE [1]_, the offset per band. Pixels
    are read only where no valid MTD_MSIL2A.xml states the offset.

    References
    ----------
    .. [1] ESA, Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD, issue 14.9, 2021
    """
    layout = _Layout.of(container)
    product = _Product.read(container, layout)
    tile = _Tile.read(container, layout, product)
    found, missing = _rasters(layout, product)
    baselines = _baselines(layout, product, tile)
    platform = _platform(layout, product)
    time = _time_of(layout, product, tile)
    bands = {
        name: Band(
            name=name,
            native=raster.band,
            source=container.source(raster.member),
            position=1,
            resolution_m=float(raster.metres),
            scale=1 / product.quantification,
            offset=product.added.get(raster.number, 0.0) / product.quantification,
            nodata=NODATA,
        )
        for name, raster in found.items()
    }
    scl = layout.finest("SCL")
    scene = Scene(
        name=layout.name or product.name or layout.folder,
        path=container.path,
        family="sentinel-2",
        platform=platform,
        instrument="msi",
        time=time,
        overpass=_overpass(layout, product, platform, time),
        crs=tile.crs or _crs_of(layout.tile),
        footprint=product.footprint or tile.footprint or Polygon(),
        cloud_share=product.cloud_share if product.cloud_share is not None else tile.cloud_share,
        baseline=next((f"{known:05.2f}" for known in baselines.values()), None),
        sun=tile.sun,
        bands=bands,
        quality=Quality(container.source(scl.member), 1, float(scl.metres), flag_table()) if scl else None,
        findings=(*product.findings, *tile.findings, *missing),
    )
    if scene.footprint.is_empty:  # neither file describes it: the rim of the raster does
        scene = replace(scene, footprint=_outline(scene.grid(next(iter(bands)))))
    if product.decides:
        return replace(scene, findings=scene.findings + _contradictions(baselines, product))
    return with_decided_offset(scene, baselines, product.state)


# --- what lies where -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Raster:
    member: str
    band: str
    metres: int
    number: int = -1  # band_id


@dataclass(frozen=True)
class _Layout:
    """Which members of the container are the product, without opening one."""

    what: str  # the path, for sentences
    folder: str  # name of the .SAFE folder, of the archive or of the folder it lies in
    granule: str
    tile: str  # "42TWL"
    taken: str  # begin of the datatake in the names of the rasters, "20230715T060631"
    product_xml: str | None
    tile_xml: str | None
    rasters: Mapping[tuple[str, int], str]

    @classmethod
    def of(cls, container: Container) -> "_Layout":
        names = container.names()
        what = str(container.path)
        matches = [match for match in map(_RASTER.match, names) if match and container.size(match.string)]
        product_xmls = [name for name in names if _file_name(name).upper() == "MTD_MSIL2A.XML"]
        if not product_xmls:
            _refuse_other_levels(what, names, found_bands=bool(matches))
        roots = {match["root"] for match in matches} | {
            name[: -len("MTD_MSIL2A.xml")] for name in product_xmls
        }
        if len(roots) > 1:
            raise BadInput(
                f"{what} holds {len(roots)} Sentinel-2 products ({', '.join(sorted(roots)[:3])}); expected "
                "one. "
                "Put each into a folder or zip of its own."
            )
        granules = {match["granule"] for match in matches}
        if len(granules) > 1:
            raise BadInput(
                f"{what} holds {len(granules)} granules; expected one. Products of several granules ended in "
                "December 2016: download the reprocessed Collection 1 product of this date (baseline N0500)."
            )
        if not matches:
            raise BadInput(
                f"{what} holds metadata of Sentinel-2 Level-2A but no bands; expected them as .jp2 or .tif "
                "below "
                "GRANULE/*/IMG_DATA. Copy or download the product again."
            )
        root, granule = roots.pop(), granules.pop()
        return cls(
            what=what,
            folder=_file_name(root.rstrip("/")) or container.path.absolute().name,
            granule=granule,
            tile=matches[0]["tile"].upper(),
            taken=matches[0]["time"].upper(),
            product_xml=product_xmls[0] if product_xmls else None,
            tile_xml=next(
                (n for n in names if n.upper() == f"{root}GRANULE/{granule}/MTD_TL.xml".upper()), None
            ),
            # in sorted order, the .tif after the .jp2: where both are there, the one that is read faster
            rasters={
                (match["band"].upper(), int(match["metres"])): match.string
                for match in sorted(matches, key=lambda match: (match["format"].lower(), match.string))
            },
        )

    @property
    def name(self) -> str | None:
        """The identifier ESA gave, as far as the folder still has it."""
        match = _PRODUCT.search(self.folder)
        return match[0] if match else None

    @property
    def name_baseline(self) -> float | None:
        match = _PRODUCT.search(self.folder)
        return int(match["baseline"]) / 100 if match else None

    def finest(self, band: str, number: int = -1) -> _Raster | None:
        there = sorted(metres for name, metres in self.rasters if name == band)
        return _Raster(self.rasters[band, there[0]], band, there[0], number) if there else None


def _file_name(name: str) -> str:
    return name.rpartition("/")[2]


def _refuse_other_levels(what: str, names: Sequence[str], *, found_bands: bool) -> None:
    if any(_BEFORE_2017.search(name) for name in names):
        raise BadInput(
            f"{what} is a Sentinel-2 product in the format used until December 2016; expected Level-2A in "
            "the "
            "present format. Download the reprocessed Collection 1 product of this date (baseline N0500)."
        )
    if found_bands:
        return
    if any(_file_name(name).upper() == "MTD_MSIL1C.XML" or _LEVEL_1C_RASTER.search(name) for name in names):
        raise BadInput(_level_1c(what))


def _level_1c(what: str) -> str:
    return (
        f"{what} is Sentinel-2 Level-1C: reflectance at the top of the atmosphere; expected Level-2A, at the "
        "surface. Download the product MSIL2A of the same datatake and tile, or make it: Sen2Cor, "
        "L2A_Process."
    )


def _rasters(layout: _Layout, product: "_Product") -> tuple[dict[str, _Raster], list[str]]:
    """Choose the file of each band; what is missing or coarser than it could be is a finding."""
    found: dict[str, _Raster] = {}
    findings = []
    for name, (band, number, metres) in BANDS.items():
        raster = layout.finest(band, number)
        if raster is None and name == "nir" and (raster := layout.finest(NARROW_NIR[0], NARROW_NIR[1])):
            findings.append("nir is the narrow band B8A: B08, the one at 10 m, is not in the product.")
        elif raster is None:
            named = " though its metadata name the file" if product.lists(band) else ""
            findings.append(f"{name} ({band}) is missing{named}: copy or download the product again.")
        elif raster.metres > metres:
            findings.append(f"{name} ({band}) is there at {raster.metres} m only, not at {metres} m.")
        if raster is not None:
            found[name] = raster
    if layout.finest("SCL") is None:
        findings.append("The scene classification (SCL) is missing: cloud, shadow and snow are not known.")
    if not found:
        raise BadInput(
            f"{layout.what} has none of the bands {', '.join(band for band, *_ in BANDS.values())} as .jp2 "
            "or "
            ".tif below GRANULE/*/IMG_DATA. Copy or download the product again."
        )
    return found, findings


@lru_cache(maxsize=1)
def flag_table() -> NDArray[np.uint8]:
    """Give the bits of ``Flag`` for every code of the SCL: (256,), read-only, one for all scenes."""
    table = np.full(256, int(Flag.FILL), dtype=np.uint8)  # a code ESA does not know is no observation
    for code, flag in SCL_FLAGS.items():
        table[code] = int(flag)
    table.flags.writeable = False
    return table


# --- MTD_MSIL2A.xml --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Product:
    """What MTD_MSIL2A.xml says; all of it unknown where the file is missing or damaged."""

    state: str  # "" if valid, else what is wrong with it
    name: str | None = None
    satellite: str | None = None
    baseline: float | None = None
    time: dt.datetime | None = None
    orbit: int | None = None
    cloud_share: float | None = None
    footprint: Polygon | None = None
    images: tuple[str, ...] = ()
    quantification: float = QUANTIFICATION
    added: Mapping[int, float] = field(default_factory=dict)  # band_id -> BOA_ADD_OFFSET
    decides: bool = False  # whether it states the offset, or that there is none
    findings: tuple[str, ...] = ()

    @classmethod
    def read(cls, container: Container, layout: _Layout) -> "_Product":
        if layout.product_xml is None:
            return cls("missing")
        try:
            root = _parse(container.read_text(layout.product_xml))
        except (ET.ParseError, BadInput) as error:
            return cls(f"damaged ({_one_line(error)})")
        texts, lists, datatake = _read_all(root)
        if texts.get("PROCESSING_LEVEL", "Level-2A").startswith("Level-1"):
            raise BadInput(_level_1c(layout.what))
        name = texts.get("PRODUCT_URI", "").removesuffix(".SAFE")
        said = _PRODUCT.search(name)
        if said and (said["tile"].upper(), said["time"].upper()) != (layout.tile, layout.taken):
            return cls(f"that of another product ({name})")
        try:
            quantification = _number(texts.get("BOA_QUANTIFICATION_VALUE"), "BOA_QUANTIFICATION_VALUE")
            added = {
                int(element.get("band_id", "")): _number(element.text, "BOA_ADD_OFFSET")
                for element in lists["BOA_ADD_OFFSET"]
            }
        except ValueError as error:
            return cls(f"damaged ({_one_line(error)})")
        needed = {number for _, number, _ in (*BANDS.values(), NARROW_NIR)}
        if quantification <= 0 or (added and not needed <= set(added)):
            return cls("damaged (its offsets or its BOA_QUANTIFICATION_VALUE are incomplete)")
        baseline = _optional_number(texts.get("PROCESSING_BASELINE"))
        # Where no offset is stated there is none, unless the baseline demands one.
        expected = baseline if baseline is not None else layout.name_baseline
        decides = bool(added) or (expected is not None and (expected < OFFSET_SINCE or expected >= HOME_MADE))
        orbit = re.search(r"_(\d{6})(?:_|$)", datatake)
        return cls(
            state="" if decides else "without the offset that its baseline demands",
            name=name or None,
            satellite=texts.get("SPACECRAFT_NAME"),
            baseline=baseline,
            time=_optional_time(texts.get("DATATAKE_SENSING_START") or texts.get("PRODUCT_START_TIME")),
            orbit=int(orbit[1]) if orbit else None,
            cloud_share=_share(texts.get("Cloud_Coverage_Assessment")),
            footprint=_footprint(element.text or "" for element in lists["EXT_POS_LIST"]),
            images=tuple(element.text or "" for element in lists["IMAGE_FILE"]),
            quantification=quantification,
            added=added,
            decides=decides,
        )

    def lists(self, band: str) -> bool:
        return any(f"_{band}_" in image or image.endswith(f"_{band}") for image in self.images)


def _read_all(root: ET.Element) -> tuple[dict[str, str], dict[str, list[ET.Element]], str]:
    """Collect the first text of each tag, the elements that come in lists, and the datatake's identifier."""
    texts: dict[str, str] = {}
    lists: dict[str, list[ET.Element]] = {"IMAGE_FILE": [], "BOA_ADD_OFFSET": [], "EXT_POS_LIST": []}
    datatake = ""
    for element in root.iter():
        # Up to baseline 02.07 the tags said once more that this is Level-2A.
        tag = _local(element.tag).removeprefix("L2A_").removesuffix("_2A")
        if tag in lists:
            lists[tag].append(element)
        elif tag == "Datatake":
            datatake = element.get("datatakeIdentifier", "")
        elif element.text and tag not in texts:
            texts[tag] = element.text.strip()
    return texts, lists, datatake


def _parse(text: str) -> ET.Element:
    _refuse_entities(text)
    return ET.fromstring(text)  # noqa: S314  # without entities there is nothing to expand


def _refuse_entities(text: str) -> None:
    """Refuse what can blow up a parser; ESA's files have neither."""
    if "<!DOCTYPE" in text:  # entities are declared nowhere else
        raise BadInput("it declares entities, which ESA's metadata never do")


def _footprint(rings: Iterable[str]) -> Polygon | None:
    """Read the outline, (latitude longitude) one after the other; None where it is no outline."""
    parts = []
    for ring in rings:
        try:
            numbers = np.array([float(number) for number in ring.split()])
        except ValueError:
            return None
        if numbers.size < 6 or numbers.size % 2 or not np.isfinite(numbers).all():
            return None
        parts.append(Polygon(_unwrapped(numbers[1::2], numbers[0::2])))
    if not parts:
        return None
    whole = shapely.union_all(shapely.make_valid(parts))
    outline = whole if isinstance(whole, Polygon) else whole.convex_hull
    return outline if isinstance(outline, Polygon) and not outline.is_empty else None


def _unwrapped(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put vertices west of the antimeridian beyond it, so that the ring does not run around the Earth."""
    if np.ptp(longitude) > 180:
        longitude = np.where(longitude < 0, longitude + 360, longitude)
    return np.column_stack([longitude, latitude])


# --- MTD_TL.xml ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tile:
    """What MTD_TL.xml says, as far as it can be read."""

    crs: str | None = None
    time: dt.datetime | None = None
    sun: Sun | None = None
    footprint: Polygon | None = None
    cloud_share: float | None = None
    baseline: float | None = None
    findings: tuple[str, ...] = ()

    @classmethod
    def read(cls, container: Container, layout: _Layout, product: _Product) -> "_Tile":
        if layout.tile_xml is None:
            return cls(findings=("MTD_TL.xml is missing: the sun's place is not known.",))
        texts: dict[str, str] = {}
        findings: tuple[str, ...] = ()
        # The cloud share stands behind half a megabyte of angles: MTD_MSIL2A.xml has it at hand.
        last = "CLOUDY_PIXEL_PERCENTAGE" if product.cloud_share is None else "Mean_Sun_Angle"
        try:
            text = container.read_text(layout.tile_xml)
            _refuse_entities(text)
            _read_until(text, last, texts)
        except (ET.ParseError, BadInput) as error:
            findings = (
                f"MTD_TL.xml is damaged ({_one_line(error)}); what stands before the damage was read.",
            )
        baseline = _TILE_BASELINE.search(texts.get("TILE_ID", ""))
        crs = texts.get("HORIZONTAL_CS_CODE")
        zenith, azimuth = (
            _optional_number(texts.get(f"Mean_Sun_Angle {tag}_ANGLE")) for tag in ("ZENITH", "AZIMUTH")
        )
        sun = None if zenith is None or azimuth is None else Sun(azimuth, 90 - zenith)
        return cls(
            crs=crs if crs and re.fullmatch(r"EPSG:\d+", crs) else None,
            time=_optional_time(texts.get("SENSING_TIME")),
            sun=sun,
            footprint=_tile_outline(crs, texts) if crs and product.footprint is None else None,
            cloud_share=_share(texts.get("CLOUDY_PIXEL_PERCENTAGE")),
            baseline=float(baseline[1]) if baseline else None,
            findings=findings,
        )


def _read_until(text: str, last: str, texts: dict[str, str]) -> None:
    """Collect the texts of tags until ``last`` is closed; angles under the name of what they belong to."""
    parser: Any = ET.XMLPullParser(["end"])
    for start in range(0, len(text), _CHUNK):
        parser.feed(text[start : start + _CHUNK])
        for _, element in parser.read_events():
            tag = _local(element.tag)
            if tag in ("Size", "Geoposition", "Mean_Sun_Angle"):
                group = f"{tag} {element.get('resolution', '')}".strip()
                texts.update({f"{group} {_local(part.tag)}": (part.text or "").strip() for part in element})
            elif element.text:
                texts.setdefault(tag, element.text.strip())
            if tag == last:
                return
            if tag == "Viewing_Incidence_Angles_Grids":  # half a megabyte of angles nobody asks for
                element.clear()
    parser.close()


def _tile_outline(crs: str, texts: Mapping[str, str]) -> Polygon | None:
    """Outline the whole tile from its geocoding, in longitude and latitude."""
    try:
        rows, columns = (int(texts[f"Size 10 {tag}"]) for tag in ("NROWS", "NCOLS"))
        left, top, width, height = (
            float(texts[f"Geoposition 10 {tag}"]) for tag in ("ULX", "ULY", "XDIM", "YDIM")
        )
        return _outline(
            Grid(CRS.from_user_input(crs), Affine(width, 0, left, 0, height, top), (rows, columns))
        )
    except (KeyError, ValueError, BadInput, CRSError):
        return None


def _outline(grid: Grid) -> Polygon:
    rim = grid.footprint().exterior
    places = shapely.get_coordinates(rim.segmentize(rim.length / _EDGE_POINTS))
    longitude, latitude = to_geographic(grid.crs).transform(places[:, 0], places[:, 1])
    return Polygon(_unwrapped(np.asarray(longitude), np.asarray(latitude)))


# --- what several sources know ---------------------------------------------------------------------------


def _baselines(layout: _Layout, product: _Product, tile: _Tile) -> dict[str, float]:
    """Processing baselines by who states them, the most trusted first."""
    said = {
        "MTD_MSIL2A.xml": product.baseline,
        "the product's name": layout.name_baseline,
        "MTD_TL.xml": tile.baseline,
    }
    return {who: baseline for who, baseline in said.items() if baseline is not None}


def _platform(layout: _Layout, product: _Product) -> str:
    said = _PRODUCT.search(layout.folder)
    satellite = product.satellite or (said and said["satellite"].upper().replace("S2", "Sentinel-2"))
    if not satellite:
        raise BadInput(
            f"{layout.what} does not say which satellite took it: its MTD_MSIL2A.xml is {product.state}, "
            "and the "
            f"folder is not named as ESA names it (S2A_MSIL2A_...). {_WAY_OUT}"
        )
    return satellite.lower()


def _time_of(layout: _Layout, product: _Product, tile: _Tile) -> dt.datetime:
    return tile.time or product.time or dt.datetime.strptime(layout.taken + "+0000", "%Y%m%dT%H%M%S%z")


def _overpass(layout: _Layout, product: _Product, platform: str, time: dt.datetime) -> str:
    granule = _GRANULE.match(layout.granule)
    orbit = product.orbit or (int(granule["orbit"]) if granule else None)
    return f"{platform} orbit {orbit}" if orbit else f"{platform} {time:%Y-%m-%d}"


def _crs_of(tile: str) -> str:
    """Find the UTM zone of a tile of the grid MGRS by its name."""
    south = tile[2] < "N"
    return f"EPSG:{(32700 if south else 32600) + int(tile[:2])}"


# --- the offset ------------------------------------------------------------------------------------------


def _contradictions(baselines: Mapping[str, float], product: _Product) -> tuple[str, ...]:
    """Tell where the names say another thing than the XML that decided."""
    states = any(product.added.values())
    added = ", ".join(f"{number:g}" for number in sorted(set(product.added.values()))) or "no offset"
    findings = []
    for who, baseline in baselines.items():
        if baseline < HOME_MADE and (baseline >= OFFSET_SINCE) != states:
            usual = f"an offset of {ADDED:g}" if baseline >= OFFSET_SINCE else "no offset"
            findings.append(
                f"{who} states baseline {baseline:05.2f}, which has {usual}, but MTD_MSIL2A.xml states "
                f"{added}: "
                "the XML was followed."
            )
        elif product.baseline is not None and baseline != product.baseline:
            findings.append(
                f"{who} states baseline {baseline:05.2f}, MTD_MSIL2A.xml {product.baseline:05.2f}: "
                "the XML was followed."
            )
    return tuple(findings)


def with_decided_offset(
    scene: Scene, baselines: Mapping[str, float], state: str, *, way_out: str = _WAY_OUT
) -> Scene:
    """Decide the offset without a valid MTD_MSIL2A.xml: baselines and pixels must agree.

    Parameters
    ----------
    scene : Scene
        Whose bands have the scale of reflectance.
    baselines : {who states it: processing baseline}
    state : str
        What is wrong with MTD_MSIL2A.xml: "missing", say.
    way_out : str
        What can be done where they do not agree, a sentence.

    Returns
    -------
    Scene
        With the offset of each band, and the evidence among its findings.

    Raises
    ------
    BadInput
        If no baseline is stated, the baselines contradict each other or the darkest pixels of blue
        and red, or these have no values.
    """
    said = {who: baseline for who, baseline in baselines.items() if baseline < HOME_MADE}
    stated = {baseline >= OFFSET_SINCE for baseline in said.values()}
    told = " and ".join(f"{who} states baseline {baseline:05.2f}" for who, baseline in said.items())
    if len(stated) != 1:
        raise BadInput(
            f"{scene.path}: its MTD_MSIL2A.xml is {state}, and "
            + (
                f"{told}, of which one has an offset and one has none"
                if said
                else "no name states a baseline"
            )
            + f"; so it is not known whether {-ADDED:g} must be subtracted. {way_out}"
        )
    expected = stated.pop()
    asked = [name for name in ("blue", "red") if name in scene.bands]
    darkest = {scene.bands[name].native: checks.darkest_number(scene, name) for name in asked}
    known = [number for number in darkest.values() if number is not None]
    numbers = " and ".join(
        f"{number:.0f} in {band}" for band, number in darkest.items() if number is not None
    )
    if not known:
        raise BadInput(
            f"{scene.path}: its MTD_MSIL2A.xml is {state}, {told}, and B02 and B04, whose darkest pixels "
            "would show "
            f"whether {-ADDED:g} must be subtracted, hold no values. {way_out}"
        )
    if (min(known) >= OFFSET_SEEN_FROM) != expected:
        seen = "at least" if expected else "below"
        raise BadInput(
            f"{scene.path}: its MTD_MSIL2A.xml is {state}, and {told}, so that the darkest pixels should "
            f"have {seen} "
            f"{OFFSET_SEEN_FROM:g}; found {numbers}. Whether {-ADDED:g} must be subtracted is not known. "
            f"{way_out}"
        )
    added = ADDED if expected else 0.0
    bands = {name: replace(band, offset=added * band.scale) for name, band in scene.bands.items()}
    finding = (
        f"MTD_MSIL2A.xml is {state}: the offset of {added:g} follows from the baseline "
        f"({told}) and the darkest pixels ({numbers}), which agree."
    )
    return replace(scene, bands=bands, findings=(*scene.findings, finding))


# --- reading text ----------------------------------------------------------------------------------------


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _number(text: str | None, what: str) -> float:
    try:
        number = float((text or "").strip())
    except ValueError:
        raise ValueError(f"{what} is {text!r}, no number") from None
    if not np.isfinite(number):
        raise ValueError(f"{what} is {text!r}")
    return number


def _optional_number(text: str | None) -> float | None:
    try:
        return _number(text, "")
    except ValueError:
        return None


def _share(text: str | None) -> float | None:
    """Read a percentage as a share; None where it is none."""
    percent = _optional_number(text)
    return percent / 100 if percent is not None and 0 <= percent <= 100 else None


def _optional_time(text: str | None) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
