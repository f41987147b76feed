"""What every command does with its product: check its name, write it whole, describe it, style it."""

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.archive import products, provenance
from bluepeace_gis.archive.products import require_place
from bluepeace_gis.errors import BadInput
from bluepeace_gis.maps import styles


@dataclass(frozen=True)
class Record:
    """Everything from which the other side can repeat a product; see :func:`provenance.describe`."""

    title: str
    lineage: str
    footprint: BaseGeometry
    crs: CRS
    inputs: Mapping[str, Path | Sequence[Path]]
    parameters: Mapping[str, Any]
    method: Mapping[str, Any]
    shape: tuple[int, int] | None = None
    transform: Affine | None = None
    period: tuple[dt.datetime, dt.datetime] | None = None
    checksums: Mapping[Path, str] | None = None


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


def _require_own_record(out: Path, option: str) -> None:
    """Refuse ``basins.csv`` beside ``basins.gpkg``: both would be described by ``basins.json``."""
    place = out.with_suffix(".json")
    try:
        other = json.loads(place.read_text(encoding="utf-8"))["assets"]["main"]["href"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{place.name} stands where the record of {out.name} would go, and is none. Move it away or "
            f"choose another {option}."
        ) from error
    if Path(other).name != out.name and (out.parent / other).exists():
        raise BadInput(
            f"{place.name} already describes {Path(other).name}; {out.name} would replace that record. "
            f"Choose another {option}."
        )


def require_places(products: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Refuse products that cannot be written or would replace an input or a record, before hours of work.

    Parameters
    ----------
    products, inputs : {option: path}

    Raises
    ------
    BadInput, NotWritten
        Naming the option, what stands there, and the way out.
    """
    for option, out in products.items():
        require_place(out, f"--{option}")
        for name, path in inputs.items():
            if _is_same_file(Path(str(path).partition("|")[0]), out):
                raise BadInput(
                    f"--{option} and {name} are both {out.name}: the input would be replaced. Choose another "
                    f"name for --{option}."
                )
        _require_own_record(out, f"--{option}")


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there, or no name that could be
        return False


def require_number(option: str, value: float | None, *, above: float | None = None) -> None:
    """Refuse numbers that no size or distance can be.

    Parameters
    ----------
    option : str
    value : float or None
        None, an option not given, passes.
    above : float, optional
        The number must be larger; without it, 0 or larger.

    Raises
    ------
    BadInput
        Naming the option and what was expected.
    """
    if value is None:
        return
    if not math.isfinite(value) or value < 0 or (above is not None and value <= above):
        expected = "0 or more" if above is None else f"more than {above:g}"
        raise BadInput(f"--{option} is {value:g}; expected a finite number, {expected}.")


@contextmanager
def publishing(
    out: Path, record: Record, *, style: str | None = None, option: str = "--out"
) -> Iterator[Path]:
    """Give a folder to write a product into; describe it, style it and give it its name at the end.

    Parameters
    ----------
    out : path
        The main file.
    record : Record
    style : str, optional
        The row of :data:`styles.LAYERS` that QGIS shall draw it by.
    option : str
        What the place was given by, for errors.

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
    _require_own_record(out, option)
    with products.product(out, option=option) as work:
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
            period=record.period,
            checksums=record.checksums,
        )
        provenance.write(item, work / out.with_suffix(".json").name)
