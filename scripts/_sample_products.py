"""Write what was seen as the agencies do: Landsat tars with their MTL, Sentinel-2 SAFE zips with their XML.

The structure follows real products of the USGS (Collection 2, Level 2) and of ESA (Level-2A); what nobody
reads here is left out: further bands and masks, spectral responses, lists of auxiliary files, the ranges of
Level 1. Where an agency would name itself as the origin, the files say that they are made.
"""

import datetime as dt
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from _sample_land import earth_sun_distance, sun_position
from _sample_view import BROAD_NIR, Frame, View
from rasterio.io import MemoryFile
from rasterio.shutil import copy

ORIGIN = "Made by scripts/make_sample.py: an invented valley, seen by no satellite"
STAMP = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)  # of every member: the same content is the same file


class Bare(str):
    """A value that the text form of an MTL writes without quotes."""

    __slots__ = ()


def raster(values: npt.NDArray[Any], frame: Frame, *, nodata: float | None, driver: str = "GTiff") -> bytes:
    """One band as the bytes of a file."""
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": frame.shape[0], "width": frame.shape[1], "count": 1,
        "dtype": values.dtype, "crs": frame.crs, "transform": frame.transform, "nodata": nodata,
        "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "zlevel": 9,
    }  # fmt: skip
    with MemoryFile(ext="tif") as memory:
        with memory.open(**profile) as target:
            target.write(values, 1)
            target.update_tags(AREA_OR_POINT="Point" if driver == "GTiff" else "Area")
        if driver == "GTiff":
            return bytes(memory.read())
        # without loss; a single resolution, because steps of powers of two stay such only without wavelets
        options = {"quality": "100", "reversible": "YES", "resolutions": "1"}
        with MemoryFile(ext="jp2") as packed, memory.open() as source:
            copy(source, packed.name, driver=driver, **options)
            return bytes(packed.read())


def degrees(frame: Frame, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Longitude and latitude of points of the frame's CRS."""
    turn = pyproj.Transformer.from_crs(frame.crs, "EPSG:4326", always_xy=True)
    return [turn.transform(x, y) for x, y in points]


# ---------------------------------------------------------------------------------------------- Landsat
@dataclass(frozen=True)
class LandsatId:
    """What a Landsat product is called by."""

    platform: int
    path: int
    row: int
    when: dt.datetime
    generated: dt.date

    @property
    def etm(self) -> bool:
        return self.platform == 7

    @property
    def name(self) -> str:
        kind = "LE07" if self.etm else f"LC0{self.platform}"
        return f"{kind}_L2SP_{self.path:03d}{self.row:03d}_{self.when:%Y%m%d}_{self.generated:%Y%m%d}_02_T1"

    @property
    def bands(self) -> dict[str, int]:
        """Native number of each band and its place in the view's reflectance."""
        numbers = "123457" if self.etm else "234567"
        return {number: i + 1 for i, number in enumerate(numbers)}

    @property
    def thermal(self) -> str:
        return "ST_B6" if self.etm else "ST_B10"


def landsat_codes(view: View, *, etm: bool) -> npt.NDArray[np.uint16]:
    """QA_PIXEL as Collection 2 sets its bits: 21824 clear, 22280 cloud, 23888 shadow, 30048 snow.

    Source: USGS LSDS-1619 and LSDS-1337, table of pixel values.
    """
    flag = {k: getattr(view, k) for k in ("cloud", "rim", "shadow", "cirrus", "snow", "water")}
    if etm:
        flag["cirrus"] = np.zeros(view.frame.shape, bool)
    code = np.zeros(view.frame.shape, np.uint16)
    for bit, name in ((1, "rim"), (2, "cirrus"), (3, "cloud"), (4, "shadow"), (5, "snow"), (7, "water")):
        code |= flag[name].astype(np.uint16) << np.uint16(bit)
    # "clear" says no more than neither cloud nor its rim: a shadow is clear
    code |= (~(flag["cloud"] | flag["rim"])).astype(np.uint16) << np.uint16(6)
    for bit, name in ((8, "cloud"), (10, "shadow"), (12, "snow"), (14, "cirrus")):
        if name == "cirrus" and etm:
            continue  # no band for it, no confidence in it
        code |= np.where(flag[name], 3, 1).astype(np.uint16) << np.uint16(bit)
    return np.where(view.unseen, 1, code).astype(np.uint16)


def landsat_members(identity: LandsatId, view: View) -> dict[str, bytes]:
    """All files of one product by name."""
    name, gone = identity.name, view.unseen
    members = {}
    for number, place in identity.bands.items():
        counts = np.clip(np.round((view.reflectance[place] + 0.2) / 2.75e-5), 1, 65_535)
        members[f"SR_B{number}.TIF"] = raster(
            np.where(gone, 0, counts).astype(np.uint16), view.frame, nodata=0
        )
    kelvin = np.clip(np.round((view.temperature_k - 149.0) / 0.00341802), 1, 65_535)
    members[f"{identity.thermal}.TIF"] = raster(
        np.where(gone, 0, kelvin).astype(np.uint16), view.frame, nodata=0
    )
    members["QA_PIXEL.TIF"] = raster(landsat_codes(view, etm=identity.etm), view.frame, nodata=1)
    bits = view.saturated
    if identity.etm:  # bands 1 to 5 and 7 have the bits 0 to 4 and 6; the view has a coastal band before them
        low, last = bits >> np.uint16(1), (bits >> np.uint16(6)) & np.uint16(1)
        bits = (low & np.uint16(0b11111)) | (last << np.uint16(6))
    members["QA_RADSAT.TIF"] = raster(bits.astype(np.uint16), view.frame, nodata=None)
    seen = ~gone
    cloudy = 100 * float(view.cloud.sum()) / max(int(seen.sum()), 1)
    tree = landsat_metadata(identity, view, sorted(members), cloudy)
    members["MTL.json"] = json.dumps(
        {"LANDSAT_METADATA_FILE": {g: dict(v) for g, v in tree.items()}}, ensure_ascii=False
    ).encode()
    members["MTL.txt"] = odl(tree).encode()
    members["MTL.xml"] = landsat_xml(tree).encode()
    return {f"{name}_{suffix}": content for suffix, content in members.items()}


def landsat_metadata(
    identity: LandsatId, view: View, files: list[str], cloudy_pct: float
) -> dict[str, dict[str, str]]:
    """The groups of an MTL, in the order of the real ones."""
    name, etm, frame, when = identity.name, identity.etm, view.frame, identity.when
    level1 = name.replace("L2SP", "L1TP")
    spacecraft, instrument = f"LANDSAT_{identity.platform}", "ETM" if etm else "OLI_TIRS"
    thermal = identity.thermal
    contents: dict[str, str] = {
        "ORIGIN": ORIGIN,
        "DIGITAL_OBJECT_IDENTIFIER": "none",
        "LANDSAT_PRODUCT_ID": name,
        "PROCESSING_LEVEL": "L2SP",
        "COLLECTION_NUMBER": Bare("02"),
        "COLLECTION_CATEGORY": "T1",
        "OUTPUT_FORMAT": "GEOTIFF",
    }
    for number in identity.bands:
        contents[f"FILE_NAME_BAND_{number}"] = f"{name}_SR_B{number}.TIF"
    contents[f"FILE_NAME_BAND_{thermal}"] = f"{name}_{thermal}.TIF"
    contents["FILE_NAME_QUALITY_L1_PIXEL"] = f"{name}_QA_PIXEL.TIF"
    contents["FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION"] = f"{name}_QA_RADSAT.TIF"
    contents["FILE_NAME_METADATA_ODL"] = f"{name}_MTL.txt"
    contents["FILE_NAME_METADATA_XML"] = f"{name}_MTL.xml"
    for number in identity.bands:
        contents[f"DATA_TYPE_BAND_{number}"] = "UINT16"
    contents[f"DATA_TYPE_BAND_{thermal}"] = "UINT16"
    contents["DATA_TYPE_QUALITY_L1_PIXEL"] = "UINT16"
    contents["DATA_TYPE_QUALITY_L1_RADIOMETRIC_SATURATION"] = "UINT16"
    named = {v for k, v in contents.items() if k.startswith("FILE_NAME_BAND")}
    missing = named - {f"{name}_{file}" for file in files}
    if missing:
        raise RuntimeError(f"the MTL names files that were not made: {sorted(missing)}")

    turn = pyproj.Transformer.from_crs(frame.crs, "EPSG:4326", always_xy=True)
    # the corners of an MTL are the centres of the corner cells
    half = frame.cell_m / 2
    signs = {"UL": (1, -1), "UR": (-1, -1), "LR": (-1, 1), "LL": (1, 1)}
    corners = {
        at: (x + signs[at][0] * half, y + signs[at][1] * half)
        for at, (x, y) in zip(("UL", "UR", "LR", "LL"), frame.corners, strict=True)
    }
    middle = tuple(np.mean(frame.corners, axis=0))
    azimuth, elevation = sun_position(when, *turn.transform(*middle))
    attributes: dict[str, str] = {
        "SPACECRAFT_ID": spacecraft,
        "SENSOR_ID": instrument,
        "WRS_TYPE": Bare("2"),
        "WRS_PATH": Bare(identity.path),
        "WRS_ROW": Bare(identity.row),
        "NADIR_OFFNADIR": "NADIR",
        "TARGET_WRS_PATH": Bare(identity.path),
        "TARGET_WRS_ROW": Bare(identity.row),
        "DATE_ACQUIRED": Bare(f"{when:%Y-%m-%d}"),
        "SCENE_CENTER_TIME": f"{when:%H:%M:%S}.{when.microsecond * 10:07d}Z",
        "STATION_ID": "LGN",
        "CLOUD_COVER": Bare(f"{cloudy_pct:.2f}"),
        "CLOUD_COVER_LAND": Bare(f"{cloudy_pct:.2f}"),
    }
    attributes |= {"IMAGE_QUALITY": Bare("9")} if etm else {
        "IMAGE_QUALITY_OLI": Bare("9"), "IMAGE_QUALITY_TIRS": Bare("9"),
    }  # fmt: skip
    for number, place in identity.bands.items():
        full = bool((view.saturated & np.uint16(1 << place)).any())
        attributes[f"SATURATION_BAND_{number}"] = "Y" if full else "N"
    attributes |= {
        "ROLL_ANGLE": Bare("-0.001"),
        "SUN_AZIMUTH": Bare(f"{azimuth if azimuth <= 180 else azimuth - 360:.8f}"),
        "SUN_ELEVATION": Bare(f"{elevation:.8f}"),
        "EARTH_SUN_DISTANCE": Bare(f"{earth_sun_distance(when):.7f}"),
    }
    zone = Bare(pyproj.CRS(frame.crs).utm_zone[:-1])
    projection: dict[str, str] = {
        "MAP_PROJECTION": "UTM",
        "DATUM": "WGS84",
        "ELLIPSOID": "WGS84",
        "UTM_ZONE": zone,
        "GRID_CELL_SIZE_REFLECTIVE": Bare("30.00"),
        "GRID_CELL_SIZE_THERMAL": Bare("30.00"),
        "REFLECTIVE_LINES": Bare(frame.shape[0]),
        "REFLECTIVE_SAMPLES": Bare(frame.shape[1]),
        "THERMAL_LINES": Bare(frame.shape[0]),
        "THERMAL_SAMPLES": Bare(frame.shape[1]),
        "ORIENTATION": "NORTH_UP",
    }
    for at in ("UL", "UR", "LL", "LR"):
        lon, lat = turn.transform(*corners[at])
        projection[f"CORNER_{at}_LAT_PRODUCT"] = Bare(f"{lat:.5f}")
        projection[f"CORNER_{at}_LON_PRODUCT"] = Bare(f"{lon:.5f}")
    for at in ("UL", "UR", "LL", "LR"):
        projection[f"CORNER_{at}_PROJECTION_X_PRODUCT"] = Bare(f"{corners[at][0]:.3f}")
        projection[f"CORNER_{at}_PROJECTION_Y_PRODUCT"] = Bare(f"{corners[at][1]:.3f}")
    made = Bare(f"{identity.generated:%Y-%m-%d}T01:02:03Z")
    record: dict[str, str] = {
        "ORIGIN": ORIGIN,
        "DIGITAL_OBJECT_IDENTIFIER": "none",
        "REQUEST_ID": "L2",
        "LANDSAT_PRODUCT_ID": name,
        "PROCESSING_LEVEL": "L2SP",
        "OUTPUT_FORMAT": "GEOTIFF",
        "DATE_PRODUCT_GENERATED": made,
        "PROCESSING_SOFTWARE_VERSION": "LPGS_15.3.1c" if identity.generated.year < 2021 else "LPGS_16.4.0",
        "ALGORITHM_SOURCE_SURFACE_REFLECTANCE": "LEDAPS_3.4.0" if etm else "LaSRC_1.5.0",
        "DATA_SOURCE_OZONE": "MODIS",
        "DATA_SOURCE_WATER_VAPOR": "MODIS",
        "ALGORITHM_SOURCE_SURFACE_TEMPERATURE": "st_1.3.0",
        "DATA_SOURCE_REANALYSIS": "GEOS-5 FP-IT",
    }
    reflectance: dict[str, str] = {}
    for key, value in (
        ("REFLECTANCE_MAXIMUM", "1.602213"), ("REFLECTANCE_MINIMUM", "-0.199972"),
        ("QUANTIZE_CAL_MAX", "65535"), ("QUANTIZE_CAL_MIN", "1"),
        ("REFLECTANCE_MULT", "2.75e-05"), ("REFLECTANCE_ADD", "-0.2"),
    ):  # fmt: skip
        reflectance |= {f"{key}_BAND_{number}": Bare(value) for number in identity.bands}
    temperature = {
        f"TEMPERATURE_MAXIMUM_BAND_{thermal}": Bare("372.999941"),
        f"TEMPERATURE_MINIMUM_BAND_{thermal}": Bare("149.003418"),
        f"QUANTIZE_CAL_MAXIMUM_BAND_{thermal}": Bare("65535"),
        f"QUANTIZE_CAL_MINIMUM_BAND_{thermal}": Bare("1"),
        f"TEMPERATURE_MULT_BAND_{thermal}": Bare("0.00341802"),
        f"TEMPERATURE_ADD_BAND_{thermal}": Bare("149.0"),
    }
    first: dict[str, str] = {
        "ORIGIN": ORIGIN,
        "DIGITAL_OBJECT_IDENTIFIER": "none",
        "REQUEST_ID": "L2",
        "LANDSAT_SCENE_ID": f"L{'E' if etm else 'C'}{identity.platform}{identity.path:03d}{identity.row:03d}"
        f"{when:%Y%j}LGN00",
        "LANDSAT_PRODUCT_ID": level1,
        "PROCESSING_LEVEL": "L1TP",
        "COLLECTION_CATEGORY": "T1",
        "OUTPUT_FORMAT": "GEOTIFF",
        "DATE_PRODUCT_GENERATED": made,
    }
    first |= {f"FILE_NAME_BAND_{n}": f"{level1}_B{n}.TIF" for n in identity.bands}
    first |= {"FILE_NAME_QUALITY_L1_PIXEL": f"{level1}_QA_PIXEL.TIF"}
    # the same keys as above with other numbers: those of Level 1, which nobody may apply to Level 2
    rescaling: dict[str, str] = {}
    for key, value in (("REFLECTANCE_MULT", "2.0000E-05"), ("REFLECTANCE_ADD", "-0.100000")):
        rescaling |= {f"{key}_BAND_{number}": Bare(value) for number in identity.bands}
    return {
        "PRODUCT_CONTENTS": contents,
        "IMAGE_ATTRIBUTES": attributes,
        "PROJECTION_ATTRIBUTES": projection,
        "LEVEL2_PROCESSING_RECORD": record,
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": reflectance,
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": temperature,
        "LEVEL1_PROCESSING_RECORD": first,
        "LEVEL1_RADIOMETRIC_RESCALING": rescaling,
        "LEVEL1_PROJECTION_PARAMETERS": {
            "MAP_PROJECTION": "UTM",
            "DATUM": "WGS84",
            "ELLIPSOID": "WGS84",
            "UTM_ZONE": zone,
            "GRID_CELL_SIZE_REFLECTIVE": Bare("30.00"),
            "ORIENTATION": "NORTH_UP",
            "RESAMPLING_OPTION": "CUBIC_CONVOLUTION",
        },
    }


def odl(tree: Mapping[str, Mapping[str, str]]) -> str:
    """The text form: object description language."""
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, values in tree.items():
        lines.append(f"  GROUP = {group}")
        lines += [f"    {k} = {v}" if isinstance(v, Bare) else f'    {k} = "{v}"' for k, v in values.items()]
        lines.append(f"  END_GROUP = {group}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def landsat_xml(tree: Mapping[str, Mapping[str, str]]) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<LANDSAT_METADATA_FILE>"]
    for group, values in tree.items():
        lines.append(f"  <{group}>")
        lines += [f"    <{k}>{v}</{k}>" for k, v in values.items()]
        lines.append(f"  </{group}>")
    return "\n".join([*lines, "</LANDSAT_METADATA_FILE>", ""])


def write_tar(path: Path, members: Mapping[str, bytes]) -> None:
    """Uncompressed, as the USGS hands it out; every member with the same time and owner."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as target:
        for name, content in sorted(members.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), int(STAMP.timestamp()), 0o644
            target.addfile(entry, io.BytesIO(content))


# ------------------------------------------------------------------------------------------ Sentinel-2
@dataclass(frozen=True)
class SentinelId:
    """What a Sentinel-2 product is called by."""

    platform: str
    when: dt.datetime
    baseline: str
    relative_orbit: int
    absolute_orbit: int
    tile: str
    generated: dt.datetime
    centre: str

    @property
    def start(self) -> str:
        return f"{self.when:%Y%m%dT%H%M%S}"

    @property
    def name(self) -> str:
        return (
            f"S{self.platform}_MSIL2A_{self.start}_N{self.baseline.replace('.', '')}"
            f"_R{self.relative_orbit:03d}_T{self.tile}_{self.generated:%Y%m%dT%H%M%S}.SAFE"
        )

    @property
    def granule(self) -> str:
        sensed = self.when - dt.timedelta(seconds=5)
        return f"L2A_T{self.tile}_A{self.absolute_orbit:06d}_{sensed:%Y%m%dT%H%M%S}"

    @property
    def offset(self) -> int:
        """BOA_ADD_OFFSET: from baseline 04.00 on, dark ground may be told from no data."""
        return -1000 if float(self.baseline) >= 4.0 else 0


# band, its number in the metadata's lists, its place in the view's reflectance
FINE_BANDS = (("B02", 1), ("B03", 2), ("B04", 3), ("B08", 4))
COARSE_BANDS = (("B8A", 4), ("B11", 5), ("B12", 6))
# reflectance below, and the numbers are multiples of: see STEPS of the view
STEPS_S2 = ((0.08, 32), (0.20, 64), (0.40, 128), (9.9, 256))
PHYSICAL = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
RESOLUTION = (60, 10, 10, 10, 20, 20, 20, 10, 20, 60, 60, 20, 20)
CENTRAL_NM = (442.7, 492.7, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 945.1, 1373.5, 1613.7, 2202.4)
SCL_NAMES = (
    "SC_NODATA", "SC_SATURATED_DEFECTIVE", "SC_DARK_FEATURE_SHADOW", "SC_CLOUD_SHADOW", "SC_VEGETATION",
    "SC_NOT_VEGETATED", "SC_WATER", "SC_UNCLASSIFIED", "SC_CLOUD_MEDIUM_PROBA", "SC_CLOUD_HIGH_PROBA",
    "SC_THIN_CIRRUS", "SC_SNOW_ICE",
)  # fmt: skip


def scene_classes(view: View) -> npt.NDArray[np.uint8]:
    """SCL: later in this list covers earlier; a cloud's rim is a cloud of medium probability."""
    classes = np.full(view.frame.shape, 5, np.uint8)
    for flag, code in (
        (view.green, 4), (view.dark, 2), (view.water, 6), (view.snow, 11), (view.shadow, 3),
        (view.cirrus, 10), (view.rim, 8), (view.cloud, 9), (view.unseen, 0),
    ):  # fmt: skip
        classes[flag] = code
    return classes


def sentinel_members(identity: SentinelId, fine: View, coarse: View) -> dict[str, bytes]:
    """All files of one product by their path inside it."""
    granule = f"GRANULE/{identity.granule}"
    head = f"T{identity.tile}_{identity.start}"
    images: dict[str, bytes] = {}

    def numbers(rho: Any, view: View) -> npt.NDArray[np.uint16]:
        counts = rho * 10_000 - identity.offset
        step = np.select(
            [rho < limit for limit, _ in STEPS_S2[:-1]], [s for _, s in STEPS_S2[:-1]], STEPS_S2[-1][1]
        )
        counts = np.clip(np.round(counts / step) * step, 1, 65_534)
        return np.where(view.unseen, 0, counts).astype(np.uint16)

    for band, place in FINE_BANDS:
        rho = fine.reflectance[place]
        if band == "B08":
            rho = rho * BROAD_NIR
        file = f"{granule}/IMG_DATA/R10m/{head}_{band}_10m.jp2"
        images[file] = raster(numbers(rho, fine), fine.frame, nodata=None, driver="JP2OpenJPEG")
    for band, place in COARSE_BANDS:
        file = f"{granule}/IMG_DATA/R20m/{head}_{band}_20m.jp2"
        counts = numbers(coarse.reflectance[place], coarse)
        images[file] = raster(counts, coarse.frame, nodata=None, driver="JP2OpenJPEG")
    classes = scene_classes(coarse)
    images[f"{granule}/IMG_DATA/R20m/{head}_SCL_20m.jp2"] = raster(
        classes, coarse.frame, nodata=None, driver="JP2OpenJPEG"
    )
    seen = max(int((classes != 0).sum()), 1)
    pct = {i: 100 * float((classes == i).sum()) / (classes.size if i == 0 else seen) for i in range(12)}
    texts = {
        f"{granule}/MTD_TL.xml": tile_xml(identity, fine, coarse, pct),
        "MTD_MSIL2A.xml": product_xml(identity, fine, list(images), pct),
    }
    members = images | {file: text.encode() for file, text in texts.items()}
    members["manifest.safe"] = manifest(identity, fine, members).encode()
    return members


def quality_lines(pct: Mapping[int, float], pad: str) -> str:
    names = (
        ("NODATA_PIXEL", 0), ("SATURATED_DEFECTIVE_PIXEL", 1), ("DARK_FEATURES", 2), ("CLOUD_SHADOW", 3),
        ("VEGETATION", 4), ("NOT_VEGETATED", 5), ("WATER", 6), ("UNCLASSIFIED", 7),
        ("MEDIUM_PROBA_CLOUDS", 8), ("HIGH_PROBA_CLOUDS", 9), ("THIN_CIRRUS", 10), ("SNOW_ICE", 11),
    )  # fmt: skip
    return "\n".join(f"{pad}<{name}_PERCENTAGE>{pct[i]:.6f}</{name}_PERCENTAGE>" for name, i in names)


def cloudy(pct: Mapping[int, float]) -> float:
    return pct[8] + pct[9] + pct[10]


def ring(frame: Frame) -> str:
    points = degrees(frame, [*frame.corners, frame.corners[0]])
    return " ".join(f"{lat:.12f} {lon:.12f}" for lon, lat in points)


def product_xml(identity: SentinelId, view: View, images: list[str], pct: Mapping[int, float]) -> str:
    """MTD_MSIL2A.xml"""
    when = f"{identity.when:%Y-%m-%dT%H:%M:%S}.024Z"
    files = "\n".join(f"            <IMAGE_FILE>{i.removesuffix('.jp2')}</IMAGE_FILE>" for i in images)
    made = f"{identity.generated:%Y%m%dT%H%M%S}"
    head = f"S{identity.platform}_OPER_MSI_L2A"
    offsets = ""
    if identity.offset:
        lines = "\n".join(
            f'        <BOA_ADD_OFFSET band_id="{i}">{identity.offset}</BOA_ADD_OFFSET>' for i in range(13)
        )
        offsets = f"\n      <BOA_ADD_OFFSET_VALUES_LIST>\n{lines}\n      </BOA_ADD_OFFSET_VALUES_LIST>"
    bands = "\n".join(
        f"""        <Spectral_Information bandId="{i}" physicalBand="{band}">
          <RESOLUTION>{RESOLUTION[i]}</RESOLUTION>
          <Wavelength>
            <CENTRAL unit="nm">{CENTRAL_NM[i]}</CENTRAL>
          </Wavelength>
        </Spectral_Information>"""
        for i, band in enumerate(PHYSICAL)
    )
    classes = "\n".join(
        f"""        <Scene_Classification_ID>
          <SCENE_CLASSIFICATION_TEXT>{text}</SCENE_CLASSIFICATION_TEXT>
          <SCENE_CLASSIFICATION_INDEX>{i}</SCENE_CLASSIFICATION_INDEX>
        </Scene_Classification_ID>"""
        for i, text in enumerate(SCL_NAMES)
    )
    schema = "https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="{schema}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{schema}">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{when}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{when}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{identity.name}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{identity.baseline}</PROCESSING_BASELINE>
      <PRODUCT_DOI>none: {ORIGIN}</PRODUCT_DOI>
      <GENERATION_TIME>{identity.generated:%Y-%m-%dT%H:%M:%S}.000000Z</GENERATION_TIME>
      <PREVIEW_IMAGE_URL>Not applicable</PREVIEW_IMAGE_URL>
      <PREVIEW_GEO_INFO>Not applicable</PREVIEW_GEO_INFO>
      <Datatake datatakeIdentifier="GS{identity.platform}_{identity.start}_{identity.absolute_orbit:06d}_N{identity.baseline}">
        <SPACECRAFT_NAME>Sentinel-{identity.platform}</SPACECRAFT_NAME>
        <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
        <DATATAKE_SENSING_START>{when}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>{identity.relative_orbit}</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
      <Query_Options completeSingleTile="true">
        <PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
      </Query_Options>
      <Product_Organisation>
        <Granule_List>
          <Granule datastripIdentifier="{head}_DS_{identity.centre}_{made}_S{identity.start}_N{identity.baseline}" granuleIdentifier="{head}_TL_{identity.centre}_{made}_A{identity.absolute_orbit:06d}_T{identity.tile}_N{identity.baseline}" imageFormat="JPEG2000">
{files}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Image_Display_Order>
        <RED_CHANNEL>3</RED_CHANNEL>
        <GREEN_CHANNEL>2</GREEN_CHANNEL>
        <BLUE_CHANNEL>1</BLUE_CHANNEL>
      </Image_Display_Order>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
        <WVP_QUANTIFICATION_VALUE unit="cm">1000.0</WVP_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>{offsets}
      <Reflectance_Conversion>
        <U>{1 / earth_sun_distance(identity.when) ** 2:.14f}</U>
      </Reflectance_Conversion>
      <Spectral_Information_List>
{bands}
      </Spectral_Information_List>
      <Scene_Classification_List>
{classes}
      </Scene_Classification_List>
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint>
      <Product_Footprint>
        <Global_Footprint>
          <EXT_POS_LIST>{ring(view.frame)} </EXT_POS_LIST>
        </Global_Footprint>
      </Product_Footprint>
      <RASTER_CS_TYPE>POINT</RASTER_CS_TYPE>
      <PIXEL_ORIGIN>1</PIXEL_ORIGIN>
    </Product_Footprint>
    <Coordinate_Reference_System>
      <GEO_TABLES version="1">EPSG</GEO_TABLES>
      <HORIZONTAL_CS_TYPE>GEOGRAPHIC</HORIZONTAL_CS_TYPE>
    </Coordinate_Reference_System>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>{cloudy(pct):.6f}</Cloud_Coverage_Assessment>
    <Technical_Quality_Assessment>
      <DEGRADED_ANC_DATA_PERCENTAGE>0.0</DEGRADED_ANC_DATA_PERCENTAGE>
      <DEGRADED_MSI_DATA_PERCENTAGE>0</DEGRADED_MSI_DATA_PERCENTAGE>
    </Technical_Quality_Assessment>
    <Image_Content_QI>
{quality_lines(pct, "      ")}
    </Image_Content_QI>
  </n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""  # noqa: E501 - lines of the format


def tile_xml(identity: SentinelId, fine: View, coarse: View, pct: Mapping[int, float]) -> str:
    """MTD_TL.xml"""
    frame = fine.frame
    middle = tuple(np.mean(frame.corners, axis=0))
    lon, lat = degrees(frame, [middle])[0]
    azimuth, elevation = sun_position(identity.when, lon, lat)
    made = f"{identity.generated:%Y%m%dT%H%M%S}"
    head = f"S{identity.platform}_OPER_MSI_L2A"
    places = "\n".join(
        f"""      <Geoposition resolution="{size}">
        <ULX>{frame.transform.c:.0f}</ULX>
        <ULY>{frame.transform.f:.0f}</ULY>
        <XDIM>{size}</XDIM>
        <YDIM>-{size}</YDIM>
      </Geoposition>"""
        for size in (10, 20)
    )
    sizes = "\n".join(
        f"""      <Size resolution="{size}">
        <NROWS>{view.frame.shape[0]}</NROWS>
        <NCOLS>{view.frame.shape[1]}</NCOLS>
      </Size>"""
        for size, view in ((10, fine), (20, coarse))
    )
    zone = pyproj.CRS(frame.crs).utm_zone
    schema = "https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="{schema}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{schema}">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{head}_TL_{identity.centre}_{made}_A{identity.absolute_orbit:06d}_T{identity.tile}_N{identity.baseline}</TILE_ID>
    <DATASTRIP_ID metadataLevel="Standard">{head}_DS_{identity.centre}_{made}_S{identity.start}_N{identity.baseline}</DATASTRIP_ID>
    <DOWNLINK_PRIORITY metadataLevel="Standard">NOMINAL</DOWNLINK_PRIORITY>
    <SENSING_TIME metadataLevel="Standard">{identity.when:%Y-%m-%dT%H:%M:%S}.846358Z</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {zone}</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>{frame.crs}</HORIZONTAL_CS_CODE>
{sizes}
{places}
    </Tile_Geocoding>
    <Tile_Angles metadataLevel="Standard">
      <Mean_Sun_Angle>
        <ZENITH_ANGLE unit="deg">{90 - elevation:.13f}</ZENITH_ANGLE>
        <AZIMUTH_ANGLE unit="deg">{azimuth:.12f}</AZIMUTH_ANGLE>
      </Mean_Sun_Angle>
    </Tile_Angles>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info metadataLevel="Standard">
    <Image_Content_QI>
      <CLOUDY_PIXEL_PERCENTAGE>{cloudy(pct):.6f}</CLOUDY_PIXEL_PERCENTAGE>
      <DEGRADED_MSI_DATA_PERCENTAGE>0.000000</DEGRADED_MSI_DATA_PERCENTAGE>
{quality_lines(pct, "      ")}
    </Image_Content_QI>
  </n1:Quality_Indicators_Info>
</n1:Level-2A_Tile_ID>
"""  # noqa: E501 - lines of the format


def manifest(identity: SentinelId, view: View, members: Mapping[str, bytes]) -> str:
    """manifest.safe: where each file lies, and its checksum."""
    kinds = {True: "text/xml", False: "application/octet-stream"}
    objects = "\n".join(
        f"""    <dataObject ID="{Path(file).stem}_Data">
      <byteStream mimeType="{kinds[file.endswith(".xml")]}" size="{len(content)}">
        <fileLocation locatorType="URL" href="./{file}"/>
        <checksum checksumName="MD5">{hashlib.md5(content, usedforsecurity=False).hexdigest()}</checksum>
      </byteStream>
    </dataObject>"""
        for file, content in members.items()
    )
    spaces = (
        'xmlns:gml="http://www.opengis.net/gml" xmlns:safe="http://www.esa.int/safe/sentinel/1.1"'
        ' xmlns:xfdu="urn:ccsds:schema:xfdu:1"'
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU {spaces} version="esa/safe/sentinel/1.1/sentinel-2/msi/archive_l2a_user_product">
  <informationPackageMap>
    <xfdu:contentUnit unitType="Product_Level-2A" textInfo="SENTINEL-2 MSI Level-2A User Product" pdiID="processing"/>
  </informationPackageMap>
  <metadataSection>
    <metadataObject ID="acquisitionPeriod" category="DMD" classification="DESCRIPTION">
      <metadataWrap mimeType="text/xml" textInfo="Acquisition Period" vocabularyName="Sentinel-SAFE">
        <xmlData>
          <safe:acquisitionPeriod>
            <safe:startTime>{identity.when:%Y-%m-%dT%H:%M:%S}.024Z</safe:startTime>
          </safe:acquisitionPeriod>
        </xmlData>
      </metadataWrap>
    </metadataObject>
    <metadataObject ID="measurementOrbitReference" category="DMD" classification="DESCRIPTION">
      <metadataWrap mimeType="text/xml" textInfo="Orbit Reference" vocabularyName="Sentinel-SAFE">
        <xmlData>
          <safe:orbitReference>
            <safe:orbitNumber groundTrackDirection="descending" type="start">{identity.absolute_orbit:06d}</safe:orbitNumber>
            <safe:relativeOrbitNumber type="start">{identity.relative_orbit:03d}</safe:relativeOrbitNumber>
          </safe:orbitReference>
        </xmlData>
      </metadataWrap>
    </metadataObject>
    <metadataObject ID="platform" category="DMD" classification="DESCRIPTION">
      <metadataWrap mimeType="text/xml" textInfo="Platform Description" vocabularyName="Sentinel-SAFE">
        <xmlData>
          <safe:platform>
            <safe:familyName>SENTINEL</safe:familyName>
            <safe:number>{identity.platform}</safe:number>
            <safe:instrument>
              <safe:familyName abbreviation="MSI">Multi-Spectral Instrument</safe:familyName>
            </safe:instrument>
          </safe:platform>
        </xmlData>
      </metadataWrap>
    </metadataObject>
    <metadataObject ID="measurementFrameSet" category="DMD" classification="DESCRIPTION">
      <metadataWrap mimeType="text/xml" textInfo="Frame Set" vocabularyName="Sentinel-SAFE">
        <xmlData>
          <safe:frameSet>
            <safe:footPrint srsName="http://www.opengis.net/gml/srs/epsg.xml#4326">
              <gml:coordinates>{ring(view.frame)} </gml:coordinates>
            </safe:footPrint>
          </safe:frameSet>
        </xmlData>
      </metadataWrap>
    </metadataObject>
  </metadataSection>
  <dataObjectSection>
{objects}
  </dataObjectSection>
</xfdu:XFDU>
"""  # noqa: E501 - lines of the format


def write_zip(path: Path, name: str, members: Mapping[str, bytes]) -> None:
    """Everything below ``NAME.SAFE/``; images stored as they are, texts deflated; one time for all."""
    with zipfile.ZipFile(path, "w") as target:
        for file, content in sorted(members.items()):
            entry = zipfile.ZipInfo(f"{name}/{file}", STAMP.timetuple()[:6])
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_STORED if file.endswith(".jp2") else zipfile.ZIP_DEFLATED
            target.writestr(entry, content, compresslevel=9)
