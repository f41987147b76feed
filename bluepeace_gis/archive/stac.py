"""Scenes as STAC: an item collection for other tools, and the item collections of other tools as scenes.

Written is STAC 1.1 with the extensions electro-optical 1.1 and raster 1.1, whose ``eo:bands`` and
``raster:bands`` every reader knows, projection 2.0, view 1.0, grid 1.1 and, for Sentinel-2, sentinel-2 1.0.
A band inside an archive has a name of GDAL for its href: ``/vsitar//archive/scene.tar/band.TIF``.

Read are item collections, items, and catalogues of local items, of STAC 0.7 to 1.1. Nothing is fetched:
assets must lie on the disk. Where the product's own metadata lie beside the assets, they say what its
numbers mean; the fields of the item do so where there are none.
"""

import datetime as dt
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import numpy as np
import shapely
import shapely.geometry
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.archive.scenes import Band, Scene, hls, landsat, open_scene, pixels, sentinel2
from bluepeace_gis.archive.scenes.containers import file_of
from bluepeace_gis.archive.scenes.scene import OPTICAL, THERMAL, Quality, Sun
from bluepeace_gis.errors import BadInput, BluepeaceError

VERSION: Final = "1.1.0"
EXTENSIONS: Final = {
    "eo": "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "grid": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "s2": "https://stac-extensions.github.io/sentinel-2/v1.0.0/schema.json",
}
# The names of the electro-optical extension for ours; the near infrared has two, by its width.
COMMON_NAMES: Final = {
    "blue": "blue",
    "green": "green",
    "red": "red",
    "nir": "nir08",
    "swir1": "swir16",
    "swir2": "swir22",
    THERMAL: "lwir11",
}
WIDE_NIR: Final = frozenset({"B08"})  # of Sentinel-2: 0.78 to 0.90 micrometre
# Names that items of any version and maker have for our bands.
READ_NAMES: Final = {
    **{name: name for name in (*OPTICAL, THERMAL)},
    "nir08": "nir",
    "swir16": "swir1",
    "swir22": "swir2",
    "lwir": THERMAL,
    "lwir11": THERMAL,
    "tir11": THERMAL,
}
PRODUCT: Final = "product"  # the asset that is the whole scene as it was delivered
MEDIA_TYPES: Final = {
    ".tif": "image/tiff; application=geotiff",
    ".tiff": "image/tiff; application=geotiff",
    ".jp2": "image/jp2",
    ".hdf": "application/x-hdf",
    ".tar": "application/x-tar",
    ".zip": "application/zip",
    ".json": "application/json",
}
REMOTE: Final = re.compile(
    r"(?:https?|s3|gs|az|abfss?|ftp|swift)://|/vsi(?:curl|s3|gs|az|oss|swift|webhdfs)", re.IGNORECASE
)
PICTURES: Final = frozenset({"thumbnail", "overview", "visual", "metadata", "graphic"})
METRES_OF_LANDSAT: Final = 30.0
BEFORE_OLI: Final = frozenset({"landsat-4", "landsat-5", "landsat-7"})
_OFFSET_WAY_OUT: Final = (
    "Take the product as ESA delivers it, or describe these GeoTIFFs as they are, with scale and offset, "
    "by a NAME.scene.json."
)
# Collection 2 Level-2, LSDS-1619 and LSDS-1618, section 5: the same for every scene.
LANDSAT_SCALE: Final = {False: (2.75e-5, -0.2), True: (0.00341802, 149.0)}  # True: thermal, kelvin


# --- writing ---------------------------------------------------------------------------------------------


def collection(scenes: Iterable[Scene], folder: Path) -> dict[str, Any]:
    """Describe scenes as a STAC item collection.

    Parameters
    ----------
    scenes : Scene, ...
        With absolute paths.
    folder : path
        Where the file will stand: hrefs are relative to it, but those inside archives, for which there
        is no relative name.

    Returns
    -------
    dict
        A GeoJSON FeatureCollection of STAC items with ids of their own.
    """
    features, used = [], set()
    for scene in scenes:
        name, number = scene.name, 1
        while name in used:
            number += 1
            name = f"{scene.name}~{number}"
        used.add(name)
        features.append(_item(scene, name, folder))
    return {"type": "FeatureCollection", "features": features}


def text(items: Mapping[str, Any]) -> str:
    """Return an item collection as JSON, one item a line, so that it can be read, searched and compared."""
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items["features"])
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


def _item(scene: Scene, name: str, folder: Path) -> dict[str, Any]:
    shape = cut_at_date_line(scene.footprint)
    grids = _places(scene)
    properties: dict[str, Any] = {
        "datetime": _moment(scene.time),
        "platform": scene.platform,
        "instruments": [scene.instrument],
        "proj:code": scene.crs if re.fullmatch(r"[A-Z]+:\d+", scene.crs) else None,
        "gsd": min((band.resolution_m for band in scene.bands.values()), default=None),
    }
    if scene.cloud_share is not None:
        properties["eo:cloud_cover"] = round(100 * scene.cloud_share, 6)
    if properties["proj:code"] is None:
        properties["proj:wkt2"] = scene.crs
    if scene.sun is not None:
        properties["view:sun_azimuth"] = scene.sun.azimuth_deg
        properties["view:sun_elevation"] = scene.sun.elevation_deg
    properties |= grids
    if scene.family == "sentinel-2" and re.fullmatch(r"\d\d\.\d\d", scene.baseline or ""):
        properties["s2:processing_baseline"] = scene.baseline
    elif scene.baseline is not None:
        properties["processing:version"] = scene.baseline
    assets = _assets(scene, folder)
    used = {"eo", "raster"} | {field.partition(":")[0] for field in properties}
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [uri for prefix, uri in EXTENSIONS.items() if prefix in used],
        "id": name,
        "geometry": shapely.geometry.mapping(shape),
        "bbox": _bounds(shape),
        "properties": {
            key: value for key, value in properties.items() if value is not None or key == "proj:code"
        },
        "links": [],
        "assets": assets,
    }


def cut_at_date_line(footprint: BaseGeometry) -> BaseGeometry:
    """Cut a footprint that goes over 180 degrees into its western and eastern part.

    Parameters
    ----------
    footprint : Polygon, longitude and latitude
        Either with longitudes beyond 180, or with corners on both sides of the line.

    Returns
    -------
    Polygon or MultiPolygon
        With longitudes from -180 to 180, as RFC 7946 (GeoJSON), section 3.1.9, asks for.
    """
    left, _, right, _ = footprint.bounds
    if left >= -180 and right <= 180 and right - left <= 180:
        return footprint
    if right - left > 180:  # corners at 179 and -179 are two degrees apart, not 358
        footprint = shapely.transform(
            footprint, lambda points: np.column_stack([points[:, 0] % 360, points[:, 1]])
        )
    parts = []
    for turn in (-360, 0, 360):
        inside = shapely.intersection(footprint, shapely.box(turn - 180, -90, turn + 180, 90))
        inside = shapely.transform(inside, lambda points, turn=turn: points - [turn, 0])
        parts += [part for part in shapely.get_parts(inside) if part.geom_type == "Polygon"]
    return shapely.union_all(parts)


def _bounds(shape: BaseGeometry) -> list[float]:
    """Give west, south, east, north; west is greater than east over the date line (RFC 7946, 5.2)."""
    west, south, east, north = shape.bounds
    if shape.geom_type == "MultiPolygon" and east - west > 180:
        parts = shapely.bounds(shapely.get_parts(shape))
        west, east = parts[parts[:, 0] > 0, 0].min(), parts[parts[:, 2] < 0, 2].max()
    return [float(bound) for bound in (west, south, east, north)]


def _places(scene: Scene) -> dict[str, Any]:
    """Name the cell of the archive's own net, as far as the product's name does."""
    landsat_name = re.match(r"L\w\d\d_(\w{4})_(\d{3})(\d{3})_\d{8}_\d{8}_(\d\d)_(\w\d|RT)", scene.name)
    if landsat_name:
        correction, path, row, number, category = landsat_name.groups()
        return {
            "grid:code": f"WRS2-{path}{row}",
            "landsat:wrs_type": "2",
            "landsat:wrs_path": path,
            "landsat:wrs_row": row,
            "landsat:collection_number": number,
            "landsat:collection_category": category,
            "landsat:correction": correction,
        }
    tile = re.search(r"(?:_|\.)T(\d\d[A-Z]{3})(?:_|\.)", scene.name)
    return {"grid:code": f"MGRS-{tile[1]}"} if tile else {}


def _assets(scene: Scene, folder: Path) -> dict[str, Any]:
    by_source: dict[str, list[Band]] = {}
    for band in scene.bands.values():
        by_source.setdefault(band.source, []).append(band)
    assets: dict[str, Any] = {}
    for source, bands in by_source.items():
        alone = len(bands) == 1 and bands[0].position == 1
        key = bands[0].name if alone else "data" if len(by_source) == 1 else _file(source)
        at = {band.position: band for band in bands}
        listed = [at.get(position) for position in range(1, max(at) + 1)]
        assets[key] = {
            **_link(source, folder),
            "roles": ["temperature" if alone and bands[0].name == THERMAL else "reflectance", "data"],
            "gsd": bands[0].resolution_m,
            "eo:bands": [_eo(band, position) for position, band in enumerate(listed, start=1)],
            "raster:bands": [_raster(band) for band in listed],
        }
    if scene.quality is not None:
        roles = ["cloud", "cloud-shadow", "snow-ice", "data-mask"]
        assets["quality"] = {**_link(scene.quality.source, folder), "roles": roles}
        if scene.quality.saturation is not None:
            assets["saturation"] = {**_link(scene.quality.saturation, folder), "roles": ["saturation"]}
    assets[PRODUCT] = {**_link(str(scene.path), folder), "roles": ["source"]}
    return assets


def _eo(band: Band | None, position: int) -> dict[str, Any]:
    if band is None:  # a band of the file that the scene does not use
        return {"name": str(position)}
    common = "nir" if band.native in WIDE_NIR else COMMON_NAMES.get(band.name)
    return {"name": band.native} | ({} if common is None else {"common_name": common})


def _raster(band: Band | None) -> dict[str, Any]:
    if band is None:
        return {"scale": 1.0}
    said: dict[str, Any] = {
        "scale": band.scale,
        "offset": band.offset,
        "spatial_resolution": band.resolution_m,
    }
    if band.nodata is not None:
        said["nodata"] = "nan" if math.isnan(band.nodata) else band.nodata
    if band.name == THERMAL:
        said["unit"] = "kelvin"
    return said


def _link(source: str, folder: Path) -> dict[str, Any]:
    media_type = MEDIA_TYPES.get(Path(_file(source)).suffix.lower())
    said = {"href": _href(source, folder), "title": _file(source)}
    return said if media_type is None else said | {"type": media_type}


def _href(source: str, folder: Path) -> str:
    """Name a file from the folder of the collection; inside archives as GDAL does, without its braces."""
    if source.startswith("/vsi"):
        inside = re.fullmatch(r"(/vsi(?:tar|zip)/)\{(.*\.(?:tar|zip))\}(/.*)", source, re.IGNORECASE)
        return "".join(inside.groups()) if inside else source
    if not Path(source).is_absolute():  # a name of another driver of GDAL
        return source
    here = os.path.abspath(folder)  # noqa: PTH100  # links are kept
    try:
        common = os.path.commonpath([source, here])
    except ValueError:  # another drive of Windows
        return Path(source).as_posix()
    if Path(common) == Path(common).parent:  # the way leads over the root of the disk
        return Path(source).as_posix()
    relative = Path(os.path.relpath(source, here)).as_posix()
    return relative if relative.startswith("../") else f"./{relative}"


def _file(source: str) -> str:
    return source.rstrip("/").rpartition("/")[2]


def _moment(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


# --- reading ---------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[list[Scene], list[tuple[str, str]]]:
    """Open the scenes that a STAC file lists.

    Parameters
    ----------
    path : path
        An item collection, an item, or a catalogue or collection whose items lie on the disk.

    Returns
    -------
    scenes : list of Scene
        In the order of the file. Its ``path`` is the product, where the assets are one that
        :func:`open_scene` knows, and otherwise the STAC file.
    refused : list of (item, reason)
        Items that are no scene here, such as those with assets in the network.

    Raises
    ------
    BadInput
        If the file is no STAC, or lists no item.
    """
    opened: dict[tuple[Path, str], Scene] = {}
    refused: list[tuple[str, str]] = []
    count = 0
    for item, base in _items(path, set()):
        count += 1
        name = str(item.get("id", f"number {count}"))
        try:
            scene = _scene(item, base, path)
        except BluepeaceError as error:
            refused.append((name, str(error)))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            refused.append(
                (name, f"{name} in {path} is no STAC item of a scene ({type(error).__name__}: {error}).")
            )
        else:
            # one product may have two items, for reflectance and temperature
            opened.setdefault((scene.path, scene.name), scene)
    if not count:
        raise BadInput(f"{path} lists no items; a STAC item collection of local scenes was expected.")
    return list(opened.values()), refused


def _items(path: Path, visited: set[str]) -> Iterator[tuple[dict[str, Any], Path]]:
    """Walk through what a file lists: (item, folder its hrefs begin at)."""
    if os.path.realpath(path) in visited:  # a link to a parent is no way down
        return
    visited.add(os.path.realpath(path))
    said = _json(path)
    kind = said.get("type")
    if kind == "FeatureCollection":
        yield from ((item, path.parent) for item in said.get("features", []))
    elif kind == "Feature":
        yield said, path.parent
    elif kind in ("Catalog", "Collection") or "links" in said:
        for link in said["links"]:
            if link.get("rel") in ("item", "child", "items"):
                place = _local(str(link.get("href", "")), path.parent)
                if place is None:
                    raise BadInput(
                        f"{path} links to {link.get('href')}; only STAC files on the disk are read. "
                        "Download the items and their assets first."
                    )
                yield from _items(Path(place), visited)
    else:
        raise BadInput(
            f"{path} is no STAC: it has no type. An item collection, an item or a catalogue was expected."
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise BadInput(f"{path} does not exist. Check the path and the links to it.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadInput(f"{path} cannot be read as JSON: {reason}. A STAC file was expected.") from error
    if not isinstance(said, dict):
        raise BadInput(f"{path} is no STAC: it holds a {type(said).__name__}; an object was expected.")
    return said


def _local(href: str, base: Path) -> str | None:
    """Find the file, or GDAL's name of it, behind an href; None if it lies in the network."""
    if REMOTE.match(href):
        return None
    if href.startswith("/vsi"):
        return href
    if href.startswith("file:"):
        return url2pathname(urlsplit(href).path)
    place = os.path.normpath(base / href)
    if not Path(place).exists() and "%" in href:
        return os.path.normpath(base / unquote(href))
    return place


@dataclass(frozen=True)
class _Found:
    """One band of one asset."""

    name: str
    native: str
    source: str
    position: int
    said: Mapping[str, Any]
    resolution_m: float | None
    in_asset: int

    @property
    def rank(self) -> tuple[Any, ...]:
        """The file of its own with a stated scale and the finest cells comes first."""
        return ("scale" not in self.said, self.in_asset > 1, self.resolution_m or 1e9, self.source)


def _scene(item: Mapping[str, Any], base: Path, path: Path) -> Scene:
    name = str(item["id"])
    properties = item["properties"]
    _refuse_level_1(name, properties)
    places, remote = _places_of(item, base)
    if not places:
        first = remote[0] if remote else "nothing"
        raise BadInput(
            f"{name} has no asset on the disk (found {first}); local assets were expected. Download them, "
            "and let the hrefs name the files."
        )
    native = _native(places)
    if native is not None:
        return native
    return _from_fields(name, item, places, path)


def _refuse_level_1(name: str, properties: Mapping[str, Any]) -> None:
    said = [
        str(properties.get(key, "")) for key in ("landsat:correction", "s2:product_type", "processing:level")
    ]
    if any(re.match(r"L1|S2MSI1", text) for text in said):
        raise BadInput(
            f"{name} is a Level-1 product ({', '.join(filter(None, said))}), not corrected for the "
            "atmosphere; Level-2 was expected. Download the Level-2 product of the same date."
        )


def _places_of(item: Mapping[str, Any], base: Path) -> tuple[dict[str, str], list[str]]:
    places, remote = {}, []
    for key, asset in item["assets"].items():
        href = str(asset["href"])
        place = _local(href, base)
        if place is None:
            remote.append(href)
        elif place.startswith("/vsi") or Path(place).exists():
            places[key] = place
    return places, remote


def _native(places: Mapping[str, str]) -> Scene | None:
    """Open the product the assets belong to, if it is there as it was delivered."""
    own = [Path(places[PRODUCT])] if PRODUCT in places else []
    whole = dict.fromkeys([*own, *filter(None, map(_product_of, places.values()))])
    for place in whole:
        try:
            return open_scene(place)
        except BadInput:
            if place.suffix.lower() in (".tar", ".zip", ".safe"):  # there is nothing else to it
                raise
    return None


def _product_of(place: str) -> Path | None:
    if place.startswith("/vsi"):
        archive = file_of(place) or _archive_of(place)
        return archive if archive is not None and archive.exists() else None
    path = Path(place)
    for folder in (path, *path.parents):
        if folder.suffix.lower() == ".safe":
            return folder if (folder / "MTD_MSIL2A.xml").exists() or folder == path else None
    if path.is_dir() or path.suffix.lower() in (".tar", ".zip"):
        return path
    if landsat.product_of(path.name) or hls.product_of(path.name):
        return path
    return None


def _archive_of(place: str) -> Path | None:
    """Find the archive in a GDAL name without braces."""
    found = re.match(r"/vsi(?:tar|zip)/(.*?\.(?:tar|zip))(?:/|$)", place, re.IGNORECASE)
    return Path(found[1]) if found else None


# --- a scene from the fields of an item alone ------------------------------------------------------------


def _from_fields(name: str, item: Mapping[str, Any], places: Mapping[str, str], path: Path) -> Scene:
    properties = item["properties"]
    platform = str(properties.get("platform") or properties.get("eo:platform") or "unknown")
    platform = platform.lower().replace("_", "-")
    family = _family(name, platform)
    found = _bands_of(item, places)
    if not found:
        raise BadInput(
            f"{name} has no asset on the disk that says it is blue, green, red, nir, swir1, swir2 or "
            "thermal; expected eo:bands or bands with a common_name. Name them in the item."
        )
    bands = {each.name: _band(each, family) for each in found.values()}
    findings = _scales_taken(found, bands, family)
    instruments = properties.get("instruments") or [properties.get("eo:instrument") or "unknown"]
    time = _time(name, properties, findings)
    cloud = properties.get("eo:cloud_cover")
    azimuth = properties.get("view:sun_azimuth", properties.get("eo:sun_azimuth"))
    elevation = properties.get("view:sun_elevation", properties.get("eo:sun_elevation"))
    orbit = properties.get("sat:absolute_orbit")
    quality = _quality(places, bands, family, platform)
    if quality is None:
        findings.append(
            "The item has no quality layer on the disk, so clouds, shadow and snow are not known."
        )
    scene = Scene(
        name=name,
        path=path,
        family=family,
        platform=platform,
        instrument=str(instruments[0]).lower(),
        time=time,
        overpass=f"{platform} orbit {orbit}" if orbit else f"{platform} {time:%Y-%m-%d}",
        crs=_crs(properties, bands),
        footprint=_footprint(name, item),
        cloud_share=None if cloud is None else float(cloud) / 100,
        baseline=_baseline(properties),
        sun=None if azimuth is None or elevation is None else Sun(float(azimuth), float(elevation)),
        bands=bands,
        quality=quality,
        findings=tuple(findings),
    )
    if family == "sentinel-2":
        return _sentinel_2(scene, found)
    return scene


def _family(name: str, platform: str) -> str:
    if name.upper().startswith("HLS"):
        return "hls"
    if platform.startswith("landsat"):
        return "landsat"
    return "sentinel-2" if platform.startswith("sentinel-2") else "plain"


def _bands_of(item: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, _Found]:
    best: dict[str, _Found] = {}
    for key, place in places.items():
        asset = item["assets"][key]
        if PICTURES & set(asset.get("roles", ())):
            continue
        described = _described(asset, item["properties"])
        for position, band in enumerate(described, start=1):
            name = _name_of(band, key if len(described) == 1 else "")
            if name is None or str(band.get("data_type", "")).startswith(("uint8", "int8")):
                continue
            resolution = band.get("spatial_resolution") or asset.get("gsd") or _step(asset) or band.get("gsd")
            found = _Found(
                name=name,
                native=str(band.get("name", key)),
                source=place,
                position=position,
                said=band,
                resolution_m=None if resolution is None else float(resolution),
                in_asset=len(described),
            )
            if name not in best or found.rank < best[name].rank:
                best[name] = found
    order = (*OPTICAL, THERMAL)
    return {name: best[name] for name in order if name in best}


def _described(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Join what the versions of STAC say of an asset's bands: eo:bands, raster:bands, and bands of 1.1."""
    of_item = properties.get("eo:bands", [])
    eo = [of_item[each] if isinstance(each, int) else each for each in asset.get("eo:bands", [])]
    raster, common = asset.get("raster:bands", []), asset.get("bands", [])
    whole = {
        key: asset[key] for key in ("nodata", "data_type", "raster:scale", "raster:offset") if key in asset
    }
    joined = []
    for position in range(max(len(eo), len(raster), len(common))):
        said = dict(whole)
        for part in (common, raster, eo):
            if position < len(part):
                said |= part[position]
        joined.append({key.removeprefix("raster:").removeprefix("eo:"): value for key, value in said.items()})
    return joined or ([whole] if whole else [{}])


def _name_of(band: Mapping[str, Any], key: str) -> str | None:
    for said in (band.get("common_name"), key, band.get("name")):
        name = READ_NAMES.get(str(said).lower().partition("_")[0]) if said else None
        if name is not None:
            return name
    return None


def _step(asset: Mapping[str, Any]) -> float | None:
    transform = asset.get("proj:transform")
    return abs(float(transform[0])) if transform else None


def _band(found: _Found, family: str) -> Band:
    resolution = found.resolution_m
    if resolution is None:
        resolution = METRES_OF_LANDSAT if family in ("landsat", "hls") else _cell_m(found.source)
    scale, offset = found.said.get("scale"), found.said.get("offset")
    nodata = found.said.get("nodata")
    if scale is None:
        scale, offset = _usual_scale(found, family)
    if nodata is None and family in ("landsat", "sentinel-2", "hls"):
        nodata = hls.NODATA if family == "hls" else landsat.NODATA
    return Band(
        name=found.name,
        native=found.native,
        source=found.source,
        position=found.position,
        resolution_m=resolution,
        scale=1.0 if scale is None else float(scale),
        offset=0.0 if offset is None else float(offset),
        nodata=None if nodata is None else float(nodata),
    )


def _scales_taken(found: Mapping[str, _Found], bands: Mapping[str, Band], family: str) -> list[str]:
    """Say which scales the item does not state."""
    taken: dict[str, list[str]] = {}
    for name, each in found.items():
        if each.said.get("scale") is None:
            told = f"{bands[name].scale:g}"
            if family != "sentinel-2":  # of which baseline and pixels decide the offset
                told += f" and offset {bands[name].offset:g}"
            taken.setdefault(told, []).append(name)
    return [
        f"The item states no scale of {', '.join(names)}; {told} {'were' if 'and' in told else 'was'} taken."
        for told, names in taken.items()
    ]


def _usual_scale(found: _Found, family: str) -> tuple[float, float]:
    thermal = found.name == THERMAL
    if family == "landsat":
        return LANDSAT_SCALE[thermal]
    if family == "hls":
        return (hls.THERMAL_SCALE, hls.KELVIN_AT_0_CELSIUS) if thermal else (hls.SCALE, 0.0)
    if family == "sentinel-2":
        return 1 / sentinel2.QUANTIFICATION, 0.0
    return 1.0, 0.0  # what the raster extension says of a missing scale


def _cell_m(source: str) -> float:
    return float(pixels.grid_of(source).cell_steps_m[0].mean())


def _crs(properties: Mapping[str, Any], bands: Mapping[str, Band]) -> str:
    code = properties.get("proj:code")
    if code:
        return str(code)
    number = properties.get("proj:epsg")
    if number:
        return f"EPSG:{int(number)}"
    return pixels.crs_name(pixels.grid_of(next(iter(bands.values())).source))


def _footprint(name: str, item: Mapping[str, Any]) -> Any:
    shape = shapely.make_valid(shapely.geometry.shape(item["geometry"]))
    areas = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    if not areas:
        raise BadInput(f"{name} has no footprint; a polygon was expected as its geometry.")
    if len(areas) == 1:
        return areas[0]
    # two halves at the date line, which a scene has as one beyond it
    if shapely.total_bounds(areas)[2] - shapely.total_bounds(areas)[0] > 180:
        areas = [
            shapely.transform(part, lambda points: points % [360, 1e9] if part.bounds[0] < 0 else points)  # noqa: B023
            for part in areas
        ]
    whole = shapely.union_all(areas)
    return whole if whole.geom_type == "Polygon" else whole.convex_hull


def _time(name: str, properties: Mapping[str, Any], findings: list[str]) -> dt.datetime:
    said = properties.get("datetime") or properties.get("start_datetime")
    try:
        time = dt.datetime.fromisoformat(str(said))
    except ValueError as error:
        raise BadInput(
            f"{name} is dated {said}; a moment was expected, such as 2023-07-15T06:10:00Z."
        ) from error
    if len(str(said)) <= len("2023-07-15"):
        findings.append("The item states the day only; the time of day was taken as 00:00 UTC.")
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _baseline(properties: Mapping[str, Any]) -> str | None:
    said = properties.get("s2:processing_baseline", properties.get("processing:version"))
    return None if said is None else str(said)


def _quality(
    places: Mapping[str, str], bands: Mapping[str, Band], family: str, platform: str
) -> Quality | None:
    if family == "landsat":
        word, flags = "QA_PIXEL", landsat.flag_table()
    elif family == "sentinel-2":
        word, flags = "SCL", sentinel2.flag_table()
    elif family == "hls":
        word, flags = "FMASK", hls.flag_table()
    else:
        return None
    source = _place_named(places, word)
    if source is None:
        return None
    resolution = min(band.resolution_m for band in bands.values())
    saturation = _place_named(places, "QA_RADSAT") if family == "landsat" else None
    numbered = {name: re.search(r"B(\d)$", band.native) for name, band in bands.items() if name != THERMAL}
    return Quality(
        source=source,
        position=1,
        resolution_m=resolution,
        flags=flags,
        saturation=saturation,
        saturation_bits={name: int(number[1]) - 1 for name, number in numbered.items() if number},
        defects=landsat.RADSAT_DROPPED_TM if platform in BEFORE_OLI else 0,
    )


def _place_named(places: Mapping[str, str], word: str) -> str | None:
    fitting = [
        place
        for key, place in places.items()
        if key.upper() == word or re.search(rf"(?:^|[_.]){word}(?:[_.]|$)", _file(place), re.IGNORECASE)
    ]
    return min(fitting, default=None)


def _sentinel_2(scene: Scene, found: Mapping[str, _Found]) -> Scene:
    """Let baseline and pixels decide the offset: flags of STAC items are known to be wrong."""
    text = scene.baseline or ""
    baselines = {"the STAC item": float(text)} if re.fullmatch(r"\d\d\.\d\d", text) else {}
    decided: Scene = sentinel2.with_decided_offset(
        scene, baselines, f"missing beside the item {scene.name}", way_out=_OFFSET_WAY_OUT
    )
    stated = {
        name: float(each.said["offset"])
        for name, each in found.items()
        if each.said.get("offset") is not None
    }
    wrong = [name for name, offset in stated.items() if abs(offset - decided.bands[name].offset) > 1e-9]
    if not wrong:
        return decided
    told = f"The item states offset {stated[wrong[0]]:g} for {', '.join(wrong)}, which its pixels contradict."
    return replace(decided, findings=(*decided.findings, told))
