"""Where a product comes from, as a STAC item beside it: enough for the other side to repeat it.

The item names every input with its checksum, every parameter, the thresholds of the method with
their sources, and the versions of what computed them. Other tools read it as they read any STAC.
"""

import datetime as dt
import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio
import pyproj
import pystac
import rasterio
import shapely
from affine import Affine
from shapely.geometry.base import BaseGeometry

import bluepeace_gis
from bluepeace_gis.archive import features, products
from bluepeace_gis.errors import BadInput, NotWritten
from bluepeace_gis.geo.crs import horizontal
from bluepeace_gis.geo.turns import cut_at_180, unrolled

FILE_EXTENSION: Final = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROCESSING_EXTENSION: Final = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
PROJECTION_EXTENSION: Final = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"

MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".html": "text/html",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".qml": "application/x-qgis-layer-style+xml",
    ".shp": "application/vnd.shp",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff; application=geotiff",
    ".toml": "application/toml",
    ".xml": "application/xml",
}
OVERVIEW_ENDINGS: Final = {".png"}
# Beside a file of one name lie others that say what is in it: they are inputs too.
PARTS_OF_SHAPEFILE: Final = (".dbf", ".shx", ".prj", ".cpg")
SIDES: Final = (".aux.xml", ".msk", "-wal")
SIDES_OF_STEM: Final = (".tfw", ".hdr", ".prj")

_MULTIHASH_SHA256: Final = "1220"  # the code of sha2-256 and its length, 32 bytes
_READ_BYTES: Final = 1 << 20
_DEGREE_DIGITS: Final = 7  # a centimetre on the ground
_SEGMENTS: Final = 32  # along the footprint: its edges are bent in degrees


def describe(
    main: Path | str,
    *,
    work: Path | str,
    title: str,
    lineage: str,
    footprint: BaseGeometry,
    crs: pyproj.CRS,
    inputs: Mapping[str, Path | str | Sequence[Path | str]],
    parameters: Mapping[str, Any],
    method: Mapping[str, Any],
    shape: tuple[int, int] | None = None,
    transform: Affine | None = None,
    time: dt.datetime | None = None,
    period: tuple[dt.datetime, dt.datetime] | None = None,
    checksums: Mapping[Path, str] | None = None,
) -> pystac.Item:
    """Describe a product that lies complete in its working folder.

    Parameters
    ----------
    main : path
        Where the main file will stand; inputs are named relative to its folder.
    work : path
        The folder that now holds the product's files; each of them becomes an asset.
    title, lineage : str
        What it is, and in a sentence how it was made.
    footprint : geometry in ``crs``
        What it covers.
    crs : CRS
        Of the product.
    inputs : {option: path or paths}
        What it was made from, under the names of the command's options; files or folders, with what
        lies beside them (parts of a shapefile, masks, an open write-ahead log).
    parameters : {option: value}
        Everything else that was asked for.
    method : {name: value}
        Thresholds and constants with their sources.
    shape, transform : optional
        Of the grid, for rasters.
    time : datetime, optional
        Of the data; the moment of production otherwise.
    period : (datetime, datetime), optional
        Of the data, first and last, where they are of several moments.
    checksums : {absolute path: SHA-256 in hexadecimal}, optional
        Of inputs that were read before; gigabytes of scenes need not be read again.

    Returns
    -------
    pystac.Item
        With the extensions file, processing and projection.

    Notes
    -----
    The moment of production is SOURCE_DATE_EPOCH where that is set, so that a whole product can be
    repeated byte for byte.
    """
    target, folder = Path(main), Path(work)
    produced = _now()
    outline = _in_degrees(footprint, horizontal(crs, title))
    item = pystac.Item(
        id=target.stem,
        geometry=shapely.geometry.mapping(outline),
        bbox=[round(bound, _DEGREE_DIGITS) for bound in outline.bounds],
        datetime=None if period else time.astimezone(dt.UTC) if time is not None else produced,
        start_datetime=period[0].astimezone(dt.UTC) if period else None,
        end_datetime=period[1].astimezone(dt.UTC) if period else None,
        properties={
            "title": title,
            "created": _written(produced),
            "processing:lineage": lineage,
            "processing:datetime": _written(produced),
            "processing:software": versions(),
            **_projection(crs, shape, transform),
            "bluepeace:parameters": _plain(parameters),
            "bluepeace:method": _plain(method),
        },
        stac_extensions=[FILE_EXTENSION, PROCESSING_EXTENSION, PROJECTION_EXTENSION],
    )
    for option, given in inputs.items():
        for path in [given] if isinstance(given, Path | str) else given:
            for link in _links(option, path, target.parent, checksums or {}):
                item.add_link(link)
    for place in sorted(folder.rglob("*")):
        if place.is_file() and place.name != products.LOCK:
            item.add_asset(*_asset(place, folder, target))
    return item


def write(item: pystac.Item, path: Path | str) -> Path:
    """Write the item, read it back, and only then give it its name.

    Parameters
    ----------
    item : pystac.Item
        From :func:`describe`.
    path : path
        Ends with .json.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    NotWritten
        If it cannot be written, or reads back other than it was written.
    """
    target = Path(path)
    text = json.dumps(item.to_dict(include_self_link=False), indent=2, ensure_ascii=False) + "\n"
    with products.replacing(target) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
        if json.loads(part.read_text(encoding="utf-8")) != json.loads(text):
            raise NotWritten(
                f"{target} reads back other text than was written. Check the disk or choose another place."
            )
    return target


def method_of(path: Path | str) -> dict[str, Any]:
    """Return the method that a record tells of, with what was counted; empty without a record of ours."""
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))["properties"]["bluepeace:method"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}


def faults(path: Path | str) -> list[str]:
    """Compare a product with the checksums of its record.

    Parameters
    ----------
    path : path
        Of the STAC item.

    Returns
    -------
    list of str
        A sentence for each file that is missing or other than it was; empty for a sound product.

    Raises
    ------
    BadInput
        If the file is no STAC item.
    """
    place = Path(path)
    try:
        assets = json.loads(place.read_text(encoding="utf-8"))["assets"]
        expected = {asset["href"]: asset["file:checksum"] for asset in assets.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{place} is no record of a product ({error}). Choose the .json beside the product."
        ) from error
    found = []
    for href, digest in sorted(expected.items()):
        file = place.parent / href
        if not file.is_file():
            found.append(f"{file} is missing.")
        elif checksum(file) != digest:
            found.append(f"{file} is not the file that {place.name} describes: its checksum differs.")
    return found


def versions() -> dict[str, str]:
    """Name the versions of what computes: two that differ here may differ in their last digits."""
    return {
        "bluepeace-gis": bluepeace_gis.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gdal": rasterio.__gdal_version__,
        "gdal-vector": pyogrio.__gdal_version_string__,
        "proj": pyproj.proj_version_str,
        "geos": shapely.geos_version_string,
    }


def checksum(path: Path | str) -> str:
    """Compute the SHA-256 of a file as a multihash in hexadecimal, as ``file:checksum`` has it."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return _MULTIHASH_SHA256 + digest.hexdigest()


def parts_of(path: Path) -> list[Path]:
    """List the files that an input consists of, itself first."""
    if path.is_dir():
        return sorted(place for place in path.rglob("*") if place.is_file())
    beside = [path.with_name(path.name + ending) for ending in SIDES]
    endings = PARTS_OF_SHAPEFILE if path.suffix.lower() == ".shp" else SIDES_OF_STEM
    beside += [path.with_suffix(ending) for ending in endings if path.suffix.lower() != ".gpkg"]
    return [path, *(place for place in beside if place != path and place.is_file() and place.stat().st_size)]


def _links(option: str, named: Path | str, folder: Path, checksums: Mapping[Path, str]) -> list[pystac.Link]:
    path, layer = features.file_and_layer(named)
    told = {"bluepeace:option": option} | ({} if layer is None else {"bluepeace:layer": layer})
    if not path.exists():  # a name of GDAL's own, such as /vsizip/...: it has no checksum of its own
        return [pystac.Link("derived_from", path.name, title=path.name, extra_fields=told)]
    return [
        pystac.Link(
            "derived_from",
            _relative(place, folder),
            media_type=MEDIA_TYPES.get(place.suffix.lower()),
            title=place.name,
            extra_fields={
                **told,
                "file:size": place.stat().st_size,
                "file:checksum": _MULTIHASH_SHA256 + checksums[place.absolute()]
                if place.absolute() in checksums
                else checksum(place),
            },
        )
        for place in parts_of(path)
    ]


def _relative(place: Path, folder: Path) -> str:
    """Name a file from the product's folder: an absolute path says nothing on another machine.

    Where the way leads over the root, it would be an absolute path again: the name must do.
    """
    place, folder = place.absolute(), folder.absolute()
    if place.anchor != folder.anchor or os.path.commonpath([place, folder]) == place.anchor:
        return place.name
    return Path(os.path.relpath(place, folder)).as_posix()


def _asset(place: Path, folder: Path, target: Path) -> tuple[str, pystac.Asset]:
    href = place.relative_to(folder).as_posix()
    is_main = href == target.name
    roles = ["data"] if is_main else ["overview"] if place.suffix in OVERVIEW_ENDINGS else ["metadata"]
    return "main" if is_main else href, pystac.Asset(
        href=f"./{href}",
        title=place.name,
        media_type=MEDIA_TYPES.get(place.suffix.lower()),
        roles=roles,
        extra_fields={"file:size": place.stat().st_size, "file:checksum": checksum(place)},
    )


def _projection(crs: pyproj.CRS, shape: tuple[int, int] | None, transform: Affine | None) -> dict[str, Any]:
    authority = crs.to_authority(min_confidence=100)
    fields: dict[str, Any] = {"proj:code": ":".join(authority) if authority else None}
    if authority is None:
        fields["proj:wkt2"] = crs.to_wkt()
    if shape is not None:
        fields["proj:shape"] = [int(size) for size in shape]
    if transform is not None:
        fields["proj:transform"] = list(transform)[:9]
    return fields


def _in_degrees(footprint: BaseGeometry, crs: pyproj.CRS) -> BaseGeometry:
    """Put an outline into longitude and latitude, with enough vertices to follow its bent edges."""
    left, bottom, right, top = footprint.bounds
    fine = shapely.segmentize(footprint, max(right - left, top - bottom) / _SEGMENTS)
    transformer = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    moved = np.array([shapely.transform(fine, transformer.transform, interleaved=False)], object)
    moved, _ = unrolled(moved, pyproj.CRS("EPSG:4326"), dense=True)
    return cut_at_180(shapely.set_precision(shapely.make_valid(moved[0]), 10.0**-_DEGREE_DIGITS))


def _plain(value: Any) -> Any:
    """Turn what options and methods hold into what JSON holds."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dt.date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    return value


def _now() -> dt.datetime:
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = (
        dt.datetime.now(tz=dt.UTC) if seconds is None else dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
    )
    return now.replace(microsecond=0)


def _written(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
