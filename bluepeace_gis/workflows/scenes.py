"""`bluepeace scenes`: from folders of an archive to an index of everything in it, for us and for others."""

import logging
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.archive import features, index, products
from bluepeace_gis.archive import stac as stac_files
from bluepeace_gis.errors import BadInput, NotWritten
from bluepeace_gis.maps import archive_picture, styles
from bluepeace_gis.workflows.publishing import Record, publishing, require_ending, require_places
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "Index of scenes from their metadata alone. The scenes themselves are named with size and time of change "
    "in the layer scenes; an archive of terabytes is not read for checksums."
)
# Shares of the work, for the bar.
SCANNED, WRITTEN = 0.85, 0.95
SAME_FOOTPRINT_DEGREES: Final = 0.01  # for the outline of the whole archive


def scenes(*folders: Path, out: Path, stac: Path | None = None) -> Result:
    """List the scenes of an archive with their footprints, dates, cloud and bands, from metadata alone.

    Parameters
    ----------
    folders
        Folders of scenes, or scenes: Landsat Collection 2 Level-2 (folder or .tar), Sentinel-2 Level-2A
        (.SAFE folder or .zip), HLS, MODIS, GeoTIFFs with a description beside them. Nothing is unpacked.
    out
        The GeoPackage to write: layer scenes, table broken with the reasons. If it is there already, only
        what has changed is read again. Beside it come the same as a STAC item collection
        (NAME.items.json), a picture, the style and the STAC item with its provenance.
    stac
        A STAC item collection, catalogue or item of scenes on this disk, listed too.

    Returns
    -------
    Result
        ``out``, ``items`` and ``picture``; how many scenes there are, of which platform, how many are
        broken.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    require_ending(out, ".gpkg", "GeoPackage")
    named = [*folders, *([] if stac is None else [stac])]
    if not named:
        raise BadInput("Neither folders nor --stac were given. Name the folders of the archive.")
    require_places({"out": out}, {"stac": stac} if stac is not None else {})
    outputs = {"out": out, "items": out.with_suffix(".items.json"), "picture": out.with_suffix(".png")}
    _refuse_own(named, outputs)
    log.info("looking for scenes", extra={"done": 0.0})
    found = index.scan(
        named,
        previous=out if out.exists() else None,
        progress=lambda share, sentence: log.info(sentence, extra={"done": SCANNED * share}),
    )
    _require_any(found, named)
    _warn(found, out)
    layers = index.layers(found, out.parent)
    table = layers[index.LAYER]
    title = f"Scenes of {', '.join(path.resolve().name for path in named[:3])}" + ", ..." * (len(named) > 3)
    record = Record(
        title=title,
        lineage=LINEAGE,
        footprint=_outline(table),
        crs=pyproj.CRS("EPSG:4326"),
        inputs={} if stac is None else {"stac": stac},
        parameters={"folders": [path.resolve().name for path in folders], "out": out},
        method={
            "identity": "SHA-256 of names, sizes and times of change of a scene's files",
            "same_land": index.SAME_LAND,
        },
    )
    kept, older = index.newest(found.scenes)
    with publishing(out, record, style=index.LAYER) as work:
        log.info("writing", extra={"done": SCANNED})
        features.write(layers, work / out.name, geometry_types=index.GEOMETRY_TYPES)
        features.add_styles(work / out.name, {index.LAYER: styles.qml(index.LAYER)})
        _write_items(stac_files.text(stac_files.collection(kept, out.parent)), work / outputs["items"].name)
        log.info("drawing", extra={"done": WRITTEN})
        archive_picture.archive_picture(work / outputs["picture"].name, table, title=title)
    log.info("done", extra={"done": 1.0})
    return Result(outputs, _numbers(found, table), _in_words(found, table, older=len(older)))


def _refuse_own(named: list[Path], outputs: dict[str, Path]) -> None:
    """Refuse to read what will be replaced: the previous index is taken into account anyway."""
    for path in named:
        for name, out in outputs.items():
            if path.exists() and out.exists() and path.samefile(out):
                raise BadInput(
                    f"{path} is what --{name} will replace; name the folders it was made of: what has not "
                    "changed in them is taken from it."
                )


def _require_any(found: index.Index, named: list[Path]) -> None:
    if found.entries:
        return
    raise BadInput(
        f"None of the {len(found.broken)} scenes in {', '.join(map(str, named[:3]))} can be opened; nothing "
        f"was written. The first: {found.broken[0]}"
    )


def _warn(found: index.Index, out: Path) -> None:
    if found.broken:
        log.warning(
            "%d of %d scenes cannot be used; the table broken has the reasons. The first: %s",
            len(found.broken), len(found.broken) + len(found.entries), found.broken[0],
        )  # fmt: skip
    for lost, what in (
        (found.vanished, "gone from the disk"),
        (found.elsewhere, "in none of the folders given now"),
    ):
        if lost:
            names = index.some_of([path.name for path in lost])
            log.warning("Dropped from the previous %s: %d %s (%s).", out.name, len(lost), what, names)


def _outline(table: gpd.GeoDataFrame) -> BaseGeometry:
    """Join the footprints; those that nearly agree count once, or ten thousand would take minutes."""
    shapes = table.geometry.to_numpy()
    _, first = np.unique(np.round(shapely.bounds(shapes) / SAME_FOOTPRINT_DEGREES), axis=0, return_index=True)
    return shapely.union_all(shapes[np.sort(first)])


def _write_items(text: str, path: Path) -> None:
    with products.replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
        if part.read_text(encoding="utf-8") != text:
            raise NotWritten(f"{path} reads back other text than was written. Check the disk.")


def _numbers(found: index.Index, table: gpd.GeoDataFrame) -> dict[str, float]:
    counts = table["platform"].value_counts().sort_index()
    return {
        "scenes": len(table),
        "broken": len(found.broken),
        "unchanged": found.kept,
        **{str(platform): int(count) for platform, count in counts.items()},
    }


def _in_words(found: index.Index, table: gpd.GeoDataFrame, *, older: int) -> tuple[str, ...]:
    """Say of each platform how much there is and when."""
    sentences = []
    for platform, part in table.groupby("platform", sort=True):
        clear = int((part["cloud_pct"] < archive_picture.CLEAR_PCT).sum())
        sentences.append(
            f"{archive_picture.spoken(str(platform))}: {len(part):,} scene{'s' * (len(part) != 1)}, "
            f"{part['time'].min():%Y-%m-%d} to {part['time'].max():%Y-%m-%d}, "
            f"{clear:,} with less than {archive_picture.CLEAR_PCT:g} % cloud"
        )
    if found.kept:
        fresh = len(table) - found.kept
        sentences.append(
            f"{found.kept:,} were unchanged and taken from the previous index, {fresh:,} were read."
        )
    if older:
        sentences.append(f"{older:,} are copies or older versions of others; other commands leave them out.")
    return tuple(sentences)
