"""Assembles Sentinel-2 products as ESA delivers them: metadata, small JP2 or COG pixels, folder or zip.

The metadata are written here tag by tag as ESA writes them, so that these tests run everywhere; or real
ones are put around made pixels (:func:`around`).
"""

import datetime as dt
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

CELLS = 120  # along each side at 10 m: a tile of 1.2 km; the real ones have 10,980
LEFT, TOP = 500_000, 4_600_020  # tile 42TWL in Uzbekistan, at 69 E 41.55 N
BAND_IDS = {"B02": 1, "B03": 2, "B04": 3, "B08": 7, "B8A": 8, "B11": 11, "B12": 12}
METRES = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B8A": 20, "B11": 20, "B12": 20, "SCL": 20}

# Reflectance of a landscape's surfaces in B02 B03 B04 B08 B8A B11 B12: means of labelled pixels
# (Sentinel-2 SR, RaineyAbe/glacier-snow-cover-mapping) for rock and water, the rest as in textbooks.
SURFACES = {
    "plants": (0.03, 0.06, 0.04, 0.42, 0.45, 0.20, 0.09),
    "soil": (0.10, 0.14, 0.19, 0.27, 0.29, 0.36, 0.31),
    "rock": (0.12, 0.15, 0.16, 0.17, 0.17, 0.22, 0.22),
    "water": (0.05, 0.06, 0.04, 0.02, 0.02, 0.01, 0.01),
    "snow": (0.81, 0.83, 0.83, 0.69, 0.65, 0.02, 0.02),
    "ice": (0.35, 0.36, 0.34, 0.24, 0.22, 0.01, 0.01),
    "desert": (0.15, 0.22, 0.30, 0.37, 0.39, 0.48, 0.44),
    "cloud": (0.70, 0.70, 0.71, 0.74, 0.74, 0.50, 0.36),
}
BANDS = ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")


def reflectance(*surfaces, cells=CELLS, seed=1, noise=0.05):
    """A made landscape: the surfaces in stripes from top to bottom, each cell a little brighter or darker.

    Returns {band: (rows, columns) float}, all at 10 m, and the surface of each row.
    """
    random = np.random.default_rng(seed)
    light = random.normal(1.0, noise * 2, (cells, cells)).clip(0.6, 1.4)
    stripe = np.arange(cells) * len(surfaces) // cells
    made = {}
    for place, band in enumerate(BANDS):
        value = np.array([SURFACES[surface][place] for surface in surfaces])[stripe]
        own = random.normal(1.0, noise, (cells, cells)).clip(0.7, 1.3)
        made[band] = value[:, None] * light * own
    return made


def numbers(reflectances, *, offset, quantification=10_000):
    """Numbers as the product stores them: 0 is nodata, so that the lowest number is 1."""
    return {
        band: np.clip(np.rint(values * quantification - offset), 1, 65535).astype(np.uint16)
        for band, values in reflectances.items()
    }


def orbit_of(taken, first=42640):
    """Number the orbit of a moment; it is ``first`` on 15 July 2023, and the satellite flies 14.3 a day."""
    days = (dt.date.fromisoformat(f"{taken[:4]}-{taken[4:6]}-{taken[6:8]}") - dt.date(2023, 7, 15)).days
    return f"{first + 143 * days // 10:06d}"


def product_xml(product, *, baseline, offset, images=(), cloud=12.5, quantification=10_000, rings=None):
    """MTD_MSIL2A.xml; ``offset`` None: without the element, as before baseline 04.00."""
    satellite, _, taken = product.split("_")[:3]
    stamp = f"{taken[:4]}-{taken[4:6]}-{taken[6:8]}T{taken[9:11]}:{taken[11:13]}:{taken[13:15]}.024Z"
    rings = rings or ["41.5 69.0 41.5 69.2 41.3 69.2 41.3 69.0 41.5 69.0 "]
    outline = "".join(f"<EXT_POS_LIST>{ring}</EXT_POS_LIST>" for ring in rings)
    added = ""
    if offset is not None:
        values = offset if isinstance(offset, dict) else dict.fromkeys(range(13), offset)
        lines = [
            f'<BOA_ADD_OFFSET band_id="{band}">{value}</BOA_ADD_OFFSET>' for band, value in values.items()
        ]
        added = f"<BOA_ADD_OFFSET_VALUES_LIST>{''.join(lines)}</BOA_ADD_OFFSET_VALUES_LIST>"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{stamp}</PRODUCT_START_TIME>
      <PRODUCT_URI>{product}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <Datatake datatakeIdentifier="G{satellite}_{taken}_{orbit_of(taken)}_N{baseline}">
        <SPACECRAFT_NAME>Sentinel-{satellite[1:]}</SPACECRAFT_NAME>
        <DATATAKE_SENSING_START>{stamp}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>134</SENSING_ORBIT_NUMBER>
      </Datatake>
      <Product_Organisation>
        <Granule_List>
          <Granule imageFormat="JPEG2000">
            {"".join(f"<IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">{quantification}</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      {added}
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint>
      <Product_Footprint>
        <Global_Footprint>{outline}</Global_Footprint>
      </Product_Footprint>
    </Product_Footprint>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>{cloud}</Cloud_Coverage_Assessment>
  </n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""


def tile_xml(tile, *, baseline, cells=CELLS, cloud=12.5, sensed="2023-07-15T06:11:23.456Z"):
    """MTD_TL.xml, with the angle grids that make the real ones large."""
    zone = 32600 + int(tile[1:3])
    row = " ".join(["32.9495"] * 23)
    grid = f"<Values_List>{f'<VALUES>{row}</VALUES>' * 23}</Values_List>"
    sizes = "".join(
        f'<Size resolution="{metres}"><NROWS>{size}</NROWS><NCOLS>{size}</NCOLS></Size>'
        for metres, size in ((metres, cells * 10 // metres) for metres in (10, 20, 60))
    )
    made = f"TL_2BPS_20230715T090000_A033195_{tile}_N{baseline}"
    places = "".join(
        f'<Geoposition resolution="{metres}"><ULX>{LEFT}</ULX><ULY>{TOP}</ULY><XDIM>{metres}</XDIM>'
        f"<YDIM>-{metres}</YDIM></Geoposition>"
        for metres in (10, 20, 60)
    )
    view = "".join(
        f'<Viewing_Incidence_Angles_Grids bandId="{band}" detectorId="{detector}"><Zenith>{grid}</Zenith>'
        f"<Azimuth>{grid}</Azimuth></Viewing_Incidence_Angles_Grids>"
        for band in range(13)
        for detector in range(6)
    )
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
  <n1:General_Info>
    <L1C_TILE_ID metadataLevel="Brief">S2B_OPER_MSI_L1C_{made}</L1C_TILE_ID>
    <TILE_ID metadataLevel="Brief">S2B_OPER_MSI_L2A_{made}</TILE_ID>
    <SENSING_TIME metadataLevel="Standard">{sensed}</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {tile[1:3]}N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{zone}</HORIZONTAL_CS_CODE>
      {sizes}{places}
    </Tile_Geocoding>
    <Tile_Angles metadataLevel="Standard">
      <Sun_Angles_Grid><Zenith>{grid}</Zenith><Azimuth>{grid}</Azimuth></Sun_Angles_Grid>
      <Mean_Sun_Angle>
        <ZENITH_ANGLE unit="deg">22.5</ZENITH_ANGLE>
        <AZIMUTH_ANGLE unit="deg">141.25</AZIMUTH_ANGLE>
      </Mean_Sun_Angle>
      {view}
    </Tile_Angles>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info metadataLevel="Standard">
    <Image_Content_QI><CLOUDY_PIXEL_PERCENTAGE>{cloud}</CLOUDY_PIXEL_PERCENTAGE></Image_Content_QI>
  </n1:Quality_Indicators_Info>
</n1:Level-2A_Tile_ID>
"""


def write_raster(path, values, *, metres, crs="EPSG:32642", left=LEFT, top=TOP, block=64):
    """A band as lossless JP2, as ESA delivers it, or as COG, as cloud archives do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "count": 1,
        "dtype": values.dtype.name,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": crs,
        "transform": Affine(metres, 0, left, 0, -metres, top),
    }
    if path.suffix == ".jp2":
        profile |= {
            "driver": "JP2OpenJPEG",
            "QUALITY": "100",
            "REVERSIBLE": "YES",
            "BLOCKXSIZE": block,
            "BLOCKYSIZE": block,
        }
    else:
        profile |= {"driver": "COG", "COMPRESS": "DEFLATE", "BLOCKSIZE": 128}
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)


def coarser(values, metres):
    """Cells of 10 m averaged to ``metres``; codes keep the upper left one."""
    step = metres // 10
    if step == 1:
        return values
    if values.dtype == np.uint8:
        return values[::step, ::step]
    rows, columns = (size // step for size in values.shape)
    parts = values[: rows * step, : columns * step].reshape(rows, step, columns, step)
    return np.rint(parts.mean((1, 3))).astype(values.dtype)


def make(
    folder,
    bands,
    *,
    scl=None,
    satellite="S2B",
    baseline="05.09",
    offset=-1000,
    tile="T42TWL",
    taken="20230715T060639",
    suffix="jp2",
    metres=None,
    xml=True,
    tile_metadata=True,
    prefix="",
    product=None,
    top=TOP,
    **product_info,
):
    """Write a .SAFE folder and return it.

    bands    {"B02": (rows, columns) uint16 at 10 m, ...}
    scl      (rows, columns) uint8 at 10 m; 5 (bare ground) everywhere without it
    offset   as MTD_MSIL2A.xml states it; None: not at all
    xml      whether MTD_MSIL2A.xml is written
    metres   {"B02": 20, ...}: bands kept at another resolution than their own
    """
    name = f"{satellite}_MSIL2A_{taken}_N{baseline.replace('.', '')}_R134_{tile}_20230715T090000"
    safe = Path(folder) / f"{product or name}.SAFE"
    cells = next(iter(bands.values())).shape[0]
    scl = np.full((cells, cells), 5, np.uint8) if scl is None else scl
    granule = f"L2A_{tile}_A{orbit_of(taken, 33195)}_{taken}"
    images = []
    for band, values in {**bands, "SCL": scl}.items():
        size = (metres or {}).get(band, METRES[band])
        image = f"GRANULE/{granule}/IMG_DATA/R{size}m/{prefix}{tile}_{taken}_{band}_{size}m"
        images.append(image)
        write_raster(safe / f"{image}.{suffix}", coarser(values, size), metres=size, top=top)
    if xml:
        text = product_xml(name, baseline=baseline, offset=offset, images=images, **product_info)
        (safe / "MTD_MSIL2A.xml").write_text(text, encoding="utf-8")
    if tile_metadata:
        text = tile_xml(tile, baseline=baseline, cells=cells)
        (safe / "GRANULE" / granule / "MTD_TL.xml").write_text(text, encoding="utf-8")
    (safe / "manifest.safe").write_text("<xfdu:XFDU/>", encoding="utf-8")
    return safe


def around(real, folder, bands, *, suffix="jp2"):
    """Put made pixels below real metadata: a copy of the .SAFE ``real`` with bands at its own place."""
    safe = Path(folder) / real.name
    shutil.copytree(real, safe)
    text = next(safe.glob("GRANULE/*/MTD_TL.xml")).read_text(encoding="utf-8")
    crs = re.search(r"<HORIZONTAL_CS_CODE>(.*?)</", text)[1]
    left, top = (int(re.search(rf"<{tag}>(.*?)</", text)[1]) for tag in ("ULX", "ULY"))
    images = re.findall(r"<IMAGE_FILE>(.*?)</", (safe / "MTD_MSIL2A.xml").read_text(encoding="utf-8"))
    cells = next(iter(bands.values())).shape[0]
    for band, values in {**bands, "SCL": np.full((cells, cells), 4, np.uint8)}.items():
        metres = METRES[band]
        image = next(image for image in images if image.endswith(f"_{band}_{metres}m"))
        path = safe / f"{image}.{suffix}"
        write_raster(path, coarser(values, metres), metres=metres, crs=crs, left=left, top=top)
    return safe


def zipped(safe, path, *, below=""):
    """Zip a .SAFE folder as ESA does: the folder at the top, or below others."""
    path = Path(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(safe.rglob("*")):
            name = f"{below}{safe.name}/{file.relative_to(safe).as_posix()}"
            archive.write(file, name + ("/" if file.is_dir() else ""))
    return path
