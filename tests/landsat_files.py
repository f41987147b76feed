"""Landsat products in the real format, made here or around real metadata; folders and tars of them."""

import io
import json
import tarfile
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from affine import Affine

LEFT, TOP = 600_015, 4_500_015  # EPSG:32642, 70.2 E 40.6 N; Landsat's cells lie on odd multiples of 15 m
ROWS, COLUMNS = 48, 64
OLI = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6, "swir2": 7}
TM = {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir1": 5, "swir2": 7}
CLEAR, CLOUD = 21_824, 22_280  # QA_PIXEL as the USGS writes it
SENSORS = {  # start of the name: spacecraft, SENSOR_ID, bands, thermal band, band numbers of Level 1
    "LC09": ("LANDSAT_9", "OLI_TIRS", OLI, "ST_B10"),
    "LC08": ("LANDSAT_8", "OLI_TIRS", OLI, "ST_B10"),
    "LE07": ("LANDSAT_7", "ETM", TM, "ST_B6"),
    "LT05": ("LANDSAT_5", "TM", TM, "ST_B6"),
}


def write_tiff(
    path, values, *, left=LEFT, top=TOP, cell=30.0, crs="EPSG:32642", nodata=None, tags=None, **more
):
    """Write a raster as the agencies do, without the library."""
    bands = np.asarray(values)
    bands = bands[np.newaxis] if bands.ndim == 2 else bands
    scales, offsets = more.pop("scales", None), more.pop("offsets", None)
    descriptions = more.pop("descriptions", None)
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": crs,
        "transform": Affine(cell, 0, left, 0, -cell, top),
        "nodata": nodata,
        "compress": "deflate",
        **more,
    }
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(bands)
        if scales is not None:
            sink.scales, sink.offsets = scales, offsets or [0.0] * len(bands)
        if descriptions is not None:
            sink.descriptions = descriptions
        if tags:
            sink.update_tags(**tags)
    return Path(path)


def mtl_groups(product, *, time="06:07:08.1234567Z", cloud="12.34", add="-0.2", software="LPGS_16.2.0"):
    """Metadata as the USGS writes them for this product, in the order and with the names of real ones."""
    start, level, place, day, _, _, category = product.split("_")
    spacecraft, sensor, numbers, thermal = SENSORS[start]
    files = {f"FILE_NAME_BAND_{n}": f"{product}_SR_B{n}.TIF" for n in numbers.values()}
    if level == "L2SP":
        files[f"FILE_NAME_BAND_{thermal}"] = f"{product}_{thermal}.TIF"
    level_1 = product.replace(level, "L1TP")
    return {
        "PRODUCT_CONTENTS": {
            "ORIGIN": "Image courtesy of the U.S. Geological Survey",
            "LANDSAT_PRODUCT_ID": product,
            "PROCESSING_LEVEL": level,
            "COLLECTION_NUMBER": "02",
            "COLLECTION_CATEGORY": category,
            **files,
            "FILE_NAME_QUALITY_L1_PIXEL": f"{product}_QA_PIXEL.TIF",
            "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION": f"{product}_QA_RADSAT.TIF",
        },
        "IMAGE_ATTRIBUTES": {
            "SPACECRAFT_ID": spacecraft,
            "SENSOR_ID": sensor,
            "WRS_PATH": place[:3],
            "WRS_ROW": place[3:],
            "DATE_ACQUIRED": f"{day[:4]}-{day[4:6]}-{day[6:]}",
            "SCENE_CENTER_TIME": time,
            "CLOUD_COVER": cloud,
            "SUN_AZIMUTH": "136.31696044",
            "SUN_ELEVATION": "57.08727307",
        },
        "PROJECTION_ATTRIBUTES": {
            "MAP_PROJECTION": "UTM",
            "UTM_ZONE": "42",
            "GRID_CELL_SIZE_REFLECTIVE": "30.00",
            "GRID_CELL_SIZE_THERMAL": "30.00",
            **{
                f"CORNER_{corner}_{axis}_PRODUCT": value
                for corner, place in {
                    "UL": ("70.18257", "40.64481"),
                    "UR": ("70.20487", "40.64456"),
                    "LL": ("70.18236", "40.63212"),
                    "LR": ("70.20465", "40.63187"),
                }.items()
                for axis, value in zip(("LON", "LAT"), place, strict=True)
            },
        },
        "LEVEL2_PROCESSING_RECORD": {
            "LANDSAT_PRODUCT_ID": product,
            "PROCESSING_LEVEL": level,
            "PROCESSING_SOFTWARE_VERSION": software,
        },
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
            f"REFLECTANCE_{what}_BAND_{n}": value
            for what, value in (("MULT", "2.75e-05"), ("ADD", add))
            for n in numbers.values()
        },
        **(
            {
                "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
                    f"TEMPERATURE_MULT_BAND_{thermal}": "0.00341802",
                    f"TEMPERATURE_ADD_BAND_{thermal}": "149.0",
                }
            }
            if level == "L2SP"
            else {}
        ),
        "LEVEL1_PROCESSING_RECORD": {
            "LANDSAT_PRODUCT_ID": level_1,
            "PROCESSING_LEVEL": "L1TP",
            **{f"FILE_NAME_BAND_{n}": f"{level_1}_B{n}.TIF" for n in range(1, 9)},
            "PROCESSING_SOFTWARE_VERSION": "LPGS_1",
        },
        "LEVEL1_RADIOMETRIC_RESCALING": {
            f"REFLECTANCE_{what}_BAND_{n}": value
            for what, value in (("MULT", "2.0000E-05"), ("ADD", "-0.100000"))
            for n in range(1, 10)
        },
    }


def mtl_text(groups, kind, root="LANDSAT_METADATA_FILE"):
    """The same metadata as json, xml or txt (ODL), laid out as the USGS does."""
    if kind == "json":
        return json.dumps({root: groups})
    if kind == "xml":
        top = ET.Element(root)
        for name, group in groups.items():
            element = ET.SubElement(top, name)
            for key, value in group.items():
                ET.SubElement(element, key).text = value
        ET.indent(top)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode")
    lines = [f"GROUP = {root}"]
    for name, group in groups.items():
        lines.append(f"  GROUP = {name}")
        for key, value in group.items():
            bare = value.replace(".", "").replace("-", "").replace("E", "").replace("e", "").isdigit()
            lines.append(f"    {key} = {value}" if bare else f'    {key} = "{value}"')
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, f"END_GROUP = {root}", "END", ""])


class Product:
    """A Landsat product on the disk and what was written into it: numbers by common name, QA codes."""

    def __init__(self, folder, name, groups, numbers, codes, saturation):
        self.folder, self.name, self.groups = folder, name, groups
        self.numbers, self.codes, self.saturation = numbers, codes, saturation
        self.sensor = SENSORS[name[:4]]

    def file(self, ending):
        return self.folder / f"{self.name}_{ending}"

    def band_file(self, band):
        return self.file(f"{self.sensor[3]}.TIF" if band == "thermal" else f"SR_B{self.sensor[2][band]}.TIF")


def make_landsat(parent, name="LC09_L2SP_152032_20230715_20230717_02_T1", *, kinds=("json", "xml", "txt"),
                 shape=(ROWS, COLUMNS), left=LEFT, top=TOP, seed=1, reflectance=None, codes=None,
                 **mtl):  # fmt: skip
    """Write a folder with a Landsat product: given reflectances, or noise with every QA bit; a fill strip."""
    folder = Path(parent) / name
    folder.mkdir(parents=True)
    groups = mtl_groups(name, **mtl)
    random = np.random.default_rng(seed)
    numbers = {}
    product = Product(folder, name, groups, numbers, None, None)
    names = [*product.sensor[2], "thermal"] if "_L2SP_" in name else [*product.sensor[2]]
    for band in names:
        numbers[band] = random.integers(7_273, 43_636, shape, dtype=np.uint16)
        if reflectance is not None and band in reflectance:
            numbers[band] = np.round((reflectance[band] + 0.2) / 2.75e-5).astype(np.uint16)
        numbers[band][:, :3] = 0
        write_tiff(product.band_file(band), numbers[band], left=left, top=top, nodata=0)
    product.codes = (1 << random.integers(1, 8, shape)).astype(np.uint16) | np.uint16(0x5440)
    product.saturation = (1 << random.integers(0, 12, shape)).astype(np.uint16)
    if reflectance is not None:
        product.codes = np.full(shape, CLEAR, np.uint16) if codes is None else codes.copy()
        product.saturation[:] = 0
    product.codes[:, :3] = 1
    write_tiff(product.file("QA_PIXEL.TIF"), product.codes, left=left, top=top)
    write_tiff(product.file("QA_RADSAT.TIF"), product.saturation, left=left, top=top)
    for kind in kinds:
        product.file(f"MTL.{kind}").write_text(mtl_text(groups, kind), encoding="utf-8")
    return product


def make_tar(folder, path=None, *, inside="", mode="w"):
    """Pack a folder as the USGS does: files at the top, the MTL last."""
    path = Path(path or f"{folder}.tar")
    with tarfile.open(path, mode) as tar:
        for file in sorted(folder.iterdir(), key=lambda file: ("_MTL" in file.name, file.name)):
            content = file.read_bytes()
            member = tarfile.TarInfo(inside + file.name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path
