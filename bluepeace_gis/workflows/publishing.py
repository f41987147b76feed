"""What every command does with its product: check its name, write it whole, describe it, style it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.archive import products, provenance
from bluepeace_gis.errors import BadInput
from bluepeace_gis.maps import styles


@dataclass(frozen=True)
class Record:
    """Everything from which the other side can repeat a product; see :func:`provenance.describe`."""

    title: str
    lineage: str
    footprint: BaseGeometry
    crs: CRS
    inputs: Mapping[str, Path]
    parameters: Mapping[str, Any]
    method: Mapping[str, Any]
    shape: tuple[int, int] | None = None
    transform: Affine | None = None


def require_ending(out: Path, ending: str, kind: str) -> None:
    """Refuse a product's name with another ending, before hours of work.

    Parameters
    ----------
    out : path
    ending : str
        With its point, in small letters.
    kind : str
        What a file with it is called.

    Raises
    ------
    BadInput
        Naming what was expected.
    """
    if out.suffix.lower() != ending:
        raise BadInput(f"--out is {out.name}; expected the name of a {kind}, such as {out.stem}{ending}.")


def _require_own_record(out: Path) -> None:
    """Refuse ``basins.csv`` beside ``basins.gpkg``: both would be described by ``basins.json``."""
    place = out.with_suffix(".json")
    try:
        other = json.loads(place.read_text(encoding="utf-8"))["assets"]["main"]["href"]
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one of ours
        return
    if Path(other).name != out.name and (out.parent / other).exists():
        raise BadInput(
            f"{place.name} already describes {Path(other).name}; {out.name} would replace that record. "
            "Choose another name for --out."
        )


@contextmanager
def publishing(out: Path, record: Record, *, style: str | None = None) -> Iterator[Path]:
    """Give a folder to write a product into; describe it, style it and give it its name at the end.

    Parameters
    ----------
    out : path
        The main file.
    record : Record
    style : str, optional
        The row of :data:`styles.LAYERS` that QGIS shall draw it by.

    Yields
    ------
    Path
        The working folder: ``work / out.name`` must be written.

    Raises
    ------
    NotWritten
        If it cannot be written completely; then nothing appears.
    BadInput
        If the record beside it would replace that of another product of the same stem.
    """
    _require_own_record(out)
    with products.product(out) as work:
        yield work
        if style is not None:
            styles.write_qml(style, work / out.with_suffix(".qml").name)
        item = provenance.describe(
            out,
            work=work,
            title=record.title,
            lineage=record.lineage,
            footprint=record.footprint,
            crs=record.crs,
            inputs=record.inputs,
            parameters=record.parameters,
            method=record.method,
            shape=record.shape,
            transform=record.transform,
        )
        provenance.write(item, work / out.with_suffix(".json").name)
