"""MODIS 16-day vegetation indices, MOD13Q1 (Terra) and MYD13Q1 (Aqua): the .hdf, or a GeoTIFF for each layer.

The wheels of rasterio cannot read HDF4, so a .hdf needs a GDAL of the system or a conversion; the error
names the commands. AppEEARS delivers GeoTIFFs at once. Such a scene is a composite: its ``time`` is the
first day of 16, and its red and nir are no observation of one day.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray

from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.archive.scenes.containers import Container
from bluepeace_gis.archive.scenes.scene import Band, Quality, Scene
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.flags import Flag

# MODIS Vegetation Index User's Guide, collection 6.1 (Didan and Munoz 2019), table 3: the layer's name, its
# fill, the common name. MIR is band 7 (2105 to 2155 nm), which is swir2 of the other sensors.
NDVI_FILL: Final = -3000.0
REFLECTANCE_FILL: Final = -1000.0
LAYERS: Final = {
    "ndvi": ("NDVI", NDVI_FILL),
    "blue": ("blue reflectance", REFLECTANCE_FILL),
    "red": ("red reflectance", REFLECTANCE_FILL),
    "nir": ("NIR reflectance", REFLECTANCE_FILL),
    "swir2": ("MIR reflectance", REFLECTANCE_FILL),
}
RELIABILITY: Final = "pixel reliability"
# The HDF states its scale as 10000, to be divided by; GDAL hands it on as a factor. So it is not read.
SCALE: Final = 1e-4
RESOLUTION_M: Final = 231.656358  # the same guide: 250 m by name
# Table 5: 0 good, 1 marginal (useful, look at the details), 2 snow or ice, 3 cloudy. All else, 255 (or -1)
# above all, is no observation: 4 is estimated from the history of the place.
RELIABILITY_FLAGS: Final = {0: Flag(0), 1: Flag(0), 2: Flag.SNOW, 3: Flag.CLOUD}

_PREFIX: Final = "250m 16 days "
_SHORT: Final = {**{name: name for name in LAYERS}, "reliability": RELIABILITY}  # endings of our own commands
_GRANULE: Final = re.compile(
    r"((M[OY]D)13Q1\.A(\d{7})\.h\d\dv\d\d\.(\d{3})\.\d{13})(?:\.hdf$|[._].*\.tiff?$)", re.IGNORECASE
)
_APPEEARS: Final = re.compile(
    r"(M[OY]D)13Q1\.(\d{3})__250m_16_days_[A-Za-z_]+_doy(\d{7})(\d*_aid\d+)\.tiff?$", re.IGNORECASE
)
_GRID: Final = "MODIS_Grid_16DAY_250m_500m_VI"


def product_of(name: str) -> str | None:
    """Find the granule a file belongs to by its name; ``*`` stands for the layer in names of AppEEARS."""
    last = name.rpartition("/")[2]
    granule = _GRANULE.match(last)
    if granule:
        return granule[1]
    found = _APPEEARS.match(last)
    if found is None:
        return None
    return f"{found[1].upper()}13Q1.{found[2]}__*_doy{found[3]}{found[4]}"


def files_of(product: str) -> Iterator[str]:
    """List the names the files of a granule can have."""
    layers = [
        (_PREFIX + layer).replace(" ", "_") for layer in (*(name for name, _ in LAYERS.values()), RELIABILITY)
    ]
    if "*" in product:
        yield from (product.replace("*", layer) + ".tif" for layer in layers)
        return
    yield product + ".hdf"
    yield from (f"{product}.{short}.tif" for short in _SHORT)
    yield from (f"{product}{separator}{layer}.tif" for layer in layers for separator in "._")


def stands_for(names: Iterable[str]) -> str | None:
    """Choose the file of a granule whose path is that of the scene: NDVI, else the .hdf, else the first."""
    return min(
        names,
        key=lambda name: ("ndvi" not in name.lower(), not name.lower().endswith(".hdf"), name),
        default=None,
    )


def recognise(container: Container) -> bool:
    """Tell by names alone whether a container holds a MODIS granule."""
    return any(product_of(name) for name in container.names())


def open(container: Container) -> Scene:  # noqa: A001  # read as modis.open, like landsat.open
    """Read what a MOD13Q1 or MYD13Q1 granule says about itself.

    Parameters
    ----------
    container : Container
        With the files of one granule: GeoTIFFs of its layers are taken where there are any.

    Returns
    -------
    Scene
        With ``ndvi`` and whatever reflectance is there. "Marginal" cells have no flag.

    Raises
    ------
    BadInput
        If it holds several granules, no NDVI, or only a .hdf that GDAL cannot read here.
    """
    products = sorted({product for name in container.names() if (product := product_of(name))})
    if len(products) > 1:
        raise BadInput(
            f"{container.path} holds {len(products)} MODIS granules ({', '.join(products[:3])}); one was "
            "expected. Name a file of one of them."
        )
    (product,) = products
    sources = _rasters(container)
    if not sources:
        (name,) = container.matching(r".*\.hdf")
        sources = _parts_of_hdf(container.source(name))
    if "ndvi" not in sources:
        raise BadInput(
            f"{container.path} has no layer NDVI; it was expected of {product}. Convert or download it, too."
        )
    start = _start(product)
    platform = "terra" if product[:3].upper() == "MOD" else "aqua"
    grid = pixels.grid_of(sources["ndvi"])
    reliability = sources.get(RELIABILITY)
    return Scene(
        name=product.replace("*", "250m_16_days"),
        path=container.path,
        family="modis",
        platform=platform,
        instrument="modis",
        time=start,
        overpass=f"{platform} {start:%Y-%m-%d}",
        crs=pixels.crs_name(grid),
        footprint=pixels.footprint(grid),
        cloud_share=None,
        baseline=product.split("__")[0].split(".")[1] if "*" in product else product.split(".")[3],
        sun=None,
        bands={
            name: Band(name, _PREFIX + layer, sources[name], 1, RESOLUTION_M, SCALE, 0.0, fill)
            for name, (layer, fill) in LAYERS.items()
            if name in sources
        },
        quality=None
        if reliability is None
        else Quality(source=reliability, position=1, resolution_m=RESOLUTION_M, flags=_flags()),
        findings=()
        if reliability is not None
        else ("The layer pixel reliability is missing, so clouds and snow are not known.",),
    )


def _rasters(container: Container) -> dict[str, str]:
    """Find the GeoTIFFs of the layers: {common name or pixel reliability: source}."""
    wanted = {layer.lower(): name for name, (layer, _) in LAYERS.items()} | {RELIABILITY: RELIABILITY}
    found: dict[str, str] = {}
    for member in container.names():
        if not member.lower().endswith((".tif", ".tiff")):
            continue
        words = re.sub(r"[^a-z0-9]+", " ", member.rpartition("/")[2].rpartition(".")[0].lower())
        for layer, name in wanted.items():
            if f"16 days {layer}" in words:
                found.setdefault(name, container.source(member))
        short = words.rpartition(" ")[2]
        if short in _SHORT:
            found.setdefault(_SHORT[short], container.source(member))
    return found


def _parts_of_hdf(source: str) -> dict[str, str]:
    """List the layers of a .hdf, where this GDAL reads HDF4: {common name or pixel reliability: source}."""
    with rasterio.Env() as env:
        readable = "HDF4" in env.drivers()
    if not readable:
        folder, name = Path(source).parent, Path(source).name
        # in the folder of the file: a colon of a drive's name would end the name of the file
        commands = "\n".join(
            f'  gdal_translate "HDF4_EOS:EOS_GRID:{name}:{_GRID}:{_PREFIX}{layer}" '
            f"{name.rpartition('.')[0]}.{short}.tif"
            for short, layer in (("ndvi", "NDVI"), ("reliability", RELIABILITY))
        )
        raise BadInput(
            f"{source} is HDF4, which the GDAL of this Python cannot read; GeoTIFFs of its layers were "
            f"expected beside it. Make them once in {folder} with the gdal_translate of QGIS (on Windows in "
            f"the OSGeo4W Shell):\n{commands}"
        )
    parts = pixels.subdatasets(source)
    wanted = {name: _PREFIX + layer for name, (layer, _) in LAYERS.items()} | {
        RELIABILITY: _PREFIX + RELIABILITY
    }
    return {
        name: part for name, layer in wanted.items() for part in parts if part.rstrip('"').endswith(layer)
    }


def _start(product: str) -> dt.datetime:
    stated = re.search(r"\.A(\d{7})\.|_doy(\d{7})", product)
    text = (stated[1] or stated[2]) if stated else ""
    try:
        return dt.datetime.strptime(text, "%Y%j").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise BadInput(
            f"{product} is dated {text}; a year and a day of the year were expected. Restore the name it had."
        ) from error


@lru_cache(maxsize=1)
def _flags() -> NDArray[np.uint8]:
    flags = np.full(256, Flag.FILL, np.uint8)
    for code, flag in RELIABILITY_FLAGS.items():
        flags[code] = flag
    flags.flags.writeable = False
    return flags
