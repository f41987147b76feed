"""Read any vector layer or table of points; write GeoPackages that were read back.

The GeoPackages are of version 1.3, which QGIS 3.22 opens without a warning; every layer a reader may
rely on is there even if it is empty, and the same content gives the same bytes.
"""

import codecs
import contextlib
import csv
import datetime as dt
import io
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyogrio.errors
import pyproj
import shapely

from bluepeace_gis.archive import products
from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput, NotWritten, UnknownCrs

log = logging.getLogger(__name__)

GEOPACKAGE_VERSION: Final = "1.3"
TABLE_ENDINGS: Final = {".csv", ".tsv", ".txt"}
DEGREE_COLUMNS: Final = (
    ("lon", "lat"),
    ("longitude", "latitude"),
    ("lng", "lat"),
    ("long", "lat"),
    ("долгота", "широта"),
)
METRE_COLUMNS: Final = (("x", "y"), ("easting", "northing"))
_SEPARATOR_LINE: Final = re.compile(r"sep=[,;\t]", re.IGNORECASE)
# With groups of three apart, if at all; the space may be one that breaks no line.
_DECIMAL_COMMA: Final = r"[+-]?(\d+|\d{1,3}(\s\d{3})+)([.,]\d*)?([eE][+-]?\d+)?"
# polygons first: a CurvePolygon is no curve
KINDS: Final = {"polygons": ("Polygon", "Surface"), "lines": ("Line", "Curve"), "points": ("Point",)}
# As QGIS makes it itself.
_STYLE_TABLE: Final = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT(4096), owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""
MULTI: Final = {
    "Point": shapely.MultiPoint,
    "LineString": shapely.MultiLineString,
    "Polygon": shapely.MultiPolygon,
}


def read(
    path: Path | str,
    layer: str | None = None,
    *,
    holding: Literal["points", "lines", "polygons"] | None = None,
    table_crs: pyproj.CRS | None = None,
) -> gpd.GeoDataFrame:
    """Read one layer of a vector file, or a table of points.

    Parameters
    ----------
    path : path
        A file of any format of OGR, or a table (.csv, .tsv, .txt; comma, semicolon or tab, in the latter
        two with a point or a comma in numbers) with columns lon and lat, or x and y. As in QGIS,
        ``basins.gpkg|layername=streams`` names a layer.
    layer : str, optional
        Needed only if several layers have (such) geometries.
    holding : "points", "lines" or "polygons", optional
        What is needed: the only layer of this kind is taken, and other geometries are refused.
    table_crs : CRS, optional
        What x and y of a table are in; lon and lat are in EPSG:4326.

    Returns
    -------
    GeoDataFrame
        Two-dimensional geometries, none missing or empty; columns in their order; rows numbered from 0.

    Raises
    ------
    UnknownCrs
        If the layer names no coordinate reference system.
    BadInput
        If the file is missing, no vector file, empty, or the layer is not there or not to be guessed.
    """
    file, named = file_and_layer(path)
    layer = layer or named
    require_file(file)
    if file.suffix.lower() in TABLE_ENDINGS:
        found = _read_table(file, table_crs)
    else:
        found = _read_layer(str(file), layer, holding)
    return _with_geometry(found, str(file), holding)


def file_and_layer(path: Path | str) -> tuple[Path, str | None]:
    """Take ``FILE|layername=LAYER`` apart, the way QGIS names a layer of a file.

    Parameters
    ----------
    path : path
        A file, or a file and a layer of it.

    Returns
    -------
    file : Path
    layer : str or None
        None where none is named.

    Raises
    ------
    BadInput
        If it says more than a layer, such as a filter: the whole layer would be another question.
    """
    file, *options = str(path).split("|")
    layer = None
    for option in options:
        key, _, value = option.partition("=")
        if key != "layername" or not value:
            raise BadInput(
                f"{path} says {option}; FILE or FILE|layername=LAYER was expected. "
                "Export what you mean as a file of its own."
            )
        layer = value
    return Path(file), layer


def _read_layer(name: str, layer: str | None, holding: str | None) -> gpd.GeoDataFrame:
    try:
        with warnings.catch_warnings():
            # of OGR about details of the file that do not change what is read
            warnings.simplefilter("ignore", RuntimeWarning)
            chosen = _choose(pyogrio.list_layers(name), name, layer, holding)
            found = pyogrio.read_dataframe(name, layer=chosen, force_2d=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise BadInput(
            f"{name} cannot be read: {_one_line(error)}. It is damaged or no vector file; "
            "copy it again from its source or export it as a GeoPackage."
        ) from error
    if found.crs is None:
        raise UnknownCrs(
            f"{name}, layer {chosen}, does not say its coordinate reference system, without which no area "
            "can be stated. Find out its code and write it: "
            f"ogr2ogr -a_srs EPSG:CODE out.gpkg {Path(name).name}"
        )
    return found


def _choose(layers: Any, name: str, layer: str | None, holding: str | None) -> str:
    """Take the layer that was asked for, or else the only one with (such) geometries."""
    kinds = {str(row[0]): _kind(row[1]) for row in layers}
    drawn = [each for each, kind in kinds.items() if kind is not None]
    if layer is not None:
        if layer not in kinds:
            raise BadInput(
                f"{name} has no layer {layer}; it has {', '.join(kinds) or 'none'}. Name one of them."
            )
        if layer not in drawn:
            raise BadInput(
                f"{name}, layer {layer}, is a table without geometries. Name one of: {', '.join(drawn)}."
            )
        return layer
    if not drawn:
        raise BadInput(f"{name} has no layer with geometries. Choose another file.")
    # a layer of unknown kind may hold anything: it counts where no layer is surely of the kind
    fitting = [each for each in drawn if kinds[each] == holding] or [
        each for each in drawn if holding is None or kinds[each] == "unknown"
    ]
    if not fitting:
        raise BadInput(f"{name} has no layer of {holding}; it has {', '.join(drawn)}. Choose another file.")
    if len(fitting) > 1:
        raise BadInput(
            f"{name} has {len(fitting)} layers of {holding or 'geometries'} where one was expected: "
            f"{', '.join(fitting)}. Name the one you mean: '{name}|layername={fitting[0]}'."
        )
    return fitting[0]


def _kind(geometry_type: str | None) -> str | None:
    """Sort OGR's and GEOS's types (also CurvePolygon, MultiSurface, 2.5D Point) into three kinds."""
    if geometry_type is None:
        return None
    for kind, words in KINDS.items():
        if any(word in geometry_type for word in words):
            return kind
    return "unknown"


def names(path: Path | str) -> list[str]:
    """List the layers of a vector file; none of what is no such file.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of str
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return [str(row[0]) for row in pyogrio.list_layers(str(path))]
    except (pyogrio.errors.DataSourceError, ValueError):
        return []


def read_columns(path: Path | str, table: str) -> pd.DataFrame:
    """Read a table of a vector file without geometries.

    Parameters
    ----------
    path : path
    table : str
        One of :func:`names`.

    Returns
    -------
    DataFrame

    Raises
    ------
    BadInput
        If the file is missing or damaged, or has no such table.
    """
    file = Path(path)
    require_file(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found: pd.DataFrame = pyogrio.read_dataframe(str(file), layer=table, read_geometry=False)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise BadInput(
            f"{file}, table {table}, cannot be read: {_one_line(error)}. Copy the file again from its source."
        ) from error
    return found


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a table, with or without places.

    Parameters
    ----------
    path : path
        Comma, semicolon or tab between columns, in the latter two with a point or a comma in numbers;
        UTF-8, UTF-16, or as Excel saves it on a Russian Windows.

    Returns
    -------
    DataFrame

    Raises
    ------
    BadInput
        If it is missing, empty, or no table.
    """
    file = Path(path)
    require_file(file)
    text = _decoded(file)
    header, _, rest = text.lstrip().partition("\n")
    if _SEPARATOR_LINE.fullmatch(header.strip()):  # by which Excel tells itself how to split the rest
        text, header = rest, rest.lstrip().partition("\n")[0]
    separator = max(",;\t", key=header.count)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise BadInput(
            f"{file} cannot be read as a table: {_one_line(error)}. Save it as CSV again."
        ) from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas has put the first values aside as row names
        raise BadInput(
            f"{file} has more values in a row than the {len(table.columns)} columns of its header. If "
            "numbers have decimal commas, save it with semicolons between the columns, or write 39.5."
        )
    if separator != ",":
        table = table.apply(_without_decimal_commas)
    return table


def _read_table(file: Path, table_crs: pyproj.CRS | None) -> gpd.GeoDataFrame:
    table = read_table(file)
    columns = {str(column).strip().lower(): column for column in table.columns}
    pair = next(
        (pair for pair in (*DEGREE_COLUMNS, *METRE_COLUMNS) if pair[0] in columns and pair[1] in columns),
        None,
    )
    if pair is None:
        raise BadInput(
            f"{file} has the columns {', '.join(map(str, table.columns))}; lon and lat, or x and y, were "
            "expected. Rename them."
        )
    crs = pyproj.CRS("EPSG:4326") if pair in DEGREE_COLUMNS else table_crs
    if crs is None:
        names = " and ".join(str(columns[name]) for name in pair)
        raise UnknownCrs(
            f"{file} has columns {names}, which do not say their coordinate reference system. If they are "
            "degrees of longitude and latitude, name them lon and lat; else save the points as a GeoPackage."
        )
    x, y = (_numbers(table[columns[name]], file) for name in pair)
    if crs.is_geographic and bool(((x.abs() > 180) | (y.abs() > 90)).any()):
        raise BadInput(
            f"{file} has {pair[0]} or {pair[1]} beyond 180 or 90 degrees. "
            "Check that they are not exchanged and not metres."
        )
    points = gpd.GeoSeries(gpd.points_from_xy(x, y, crs=crs), index=table.index)
    return gpd.GeoDataFrame(table, geometry=points.where(x.notna() & y.notna(), None))


def _decoded(file: Path) -> str:
    """Read text in UTF-8 or UTF-16, or else as Excel saves a CSV on a Russian Windows."""
    content = file.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("cp1251")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not in UTF-8. Save it as 'CSV UTF-8' and run again.") from error
    log.warning(
        "%s is not in UTF-8 and was read as Windows-1251; check the names, or save it as 'CSV UTF-8'.", file
    )
    return text


def _without_decimal_commas(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Read 39,5 and 1 234,5 as numbers, as tables saved in Russian have them."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    text = column.astype("string").str.strip()
    if not bool(text.dropna().str.fullmatch(_DECIMAL_COMMA).all()):
        return column
    plain = text.str.replace(r"\s", "", regex=True).str.replace(",", ".")
    return pd.to_numeric(plain, errors="coerce").astype(float)


def _numbers(column: "pd.Series[Any]", file: Path) -> "pd.Series[float]":
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[numbers.isna() & column.notna()]
    if len(wrong):
        raise BadInput(
            f"{file}, line {int(wrong.index[0]) + 2}, has {str(wrong.iloc[0])!r} in {column.name}; "
            "a number was expected. Write 39.5, without degree signs."
        )
    return numbers


def _with_geometry(found: gpd.GeoDataFrame, name: str, holding: str | None) -> gpd.GeoDataFrame:
    if found.empty:
        raise BadInput(f"{name} holds no features. Choose another file or layer.")
    without = found.geometry.isna() | found.geometry.is_empty
    if without.all():
        raise BadInput(
            f"{name} holds {len(found)} features, none of them with a geometry. Choose another file."
        )
    if without.any():
        log.warning(
            "%s: %d of %d features have no geometry and are left out.", name, without.sum(), len(found)
        )
    kinds = {_kind(kind) for kind in found.geometry[~without].geom_type}
    if holding is not None and kinds != {holding}:
        others = " and ".join(sorted(str(kind) for kind in kinds))
        raise BadInput(f"{name} holds {others} where {holding} were expected. Choose another file or layer.")
    return found[~without].reset_index(drop=True)


def write(
    layers: Mapping[str, gpd.GeoDataFrame | pd.DataFrame],
    path: Path | str,
    *,
    geometry_types: Mapping[str, str] | None = None,
) -> Path:
    """Write layers and tables as one GeoPackage, read it back, and only then give it its name.

    Parameters
    ----------
    layers : {name: GeoDataFrame or DataFrame}
        In the order in which they are to stand in the file. A DataFrame without geometry becomes a
        table. Columns keep their order, integers stay integers, NaN becomes NULL.
    path : path
        Ends with .gpkg.
    geometry_types : {name: type}, optional
        Such as ``{"crossings": "Point"}``. Needed for an empty layer, whose geometries cannot tell;
        without it polygons are written as MultiPolygon, lines as MultiLineString, and points as Point
        or, if there is one of several, as MultiPoint, so that a layer has one type whatever it holds.

    Returns
    -------
    Path
        ``path``. The same layers give the same bytes.

    Raises
    ------
    NotWritten
        If what was read back differs from what was written, or the place cannot be written.
    UnknownCrs
        If a layer with geometries names no coordinate reference system.

    Notes
    -----
    ``last_change`` in the file is SOURCE_DATE_EPOCH, or 1970 where that is not set: two runs on the
    same input shall agree in every byte. The time of production stands in the STAC item beside it.
    """
    target = Path(path)
    types = dict(geometry_types or {})
    for name, frame in layers.items():
        if isinstance(frame, gpd.GeoDataFrame):
            if frame.crs is None:
                raise UnknownCrs(
                    f"Layer {name} of {target.name} would have no coordinate reference system. "
                    "Set it: frame.set_crs(...)."
                )
            types[name] = types.get(name) or _common_type(name, frame)
    with products.replacing(target) as part, _dated():
        try:
            for name, frame in layers.items():
                _write_layer(frame, part, name, types.get(name))
            for name, frame in layers.items():
                _read_back(frame, part, name, types.get(name))
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            pyogrio.errors.FeatureError,
        ) as error:
            raise NotWritten(products.refusal(error, target)) from error
    return target


def add_styles(path: Path | str, styles: Mapping[str, str]) -> None:
    """Put into a GeoPackage how QGIS shall draw its layers.

    A .qml beside the file would be taken for every layer of it.

    Parameters
    ----------
    path : path
        A GeoPackage that nobody else has open.
    styles : {layer: text of a .qml file}
        Layers that the file does not hold are left out.
    """
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        held = dict(base.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall())
        base.execute(_STYLE_TABLE)
        base.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
            (_last_change(),),
        )
        for layer, text in styles.items():
            if layer in held:
                row = ("", "", layer, held[layer], layer, text, "", 1, "", "", "", _last_change())
                base.execute(
                    "INSERT INTO layer_styles VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
                )


@contextlib.contextmanager
def _dated() -> Iterator[None]:
    """Have OGR write one fixed time, and forget it afterwards."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _last_change()})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _last_change() -> str:
    moment = dt.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _common_type(name: str, frame: gpd.GeoDataFrame) -> str:
    kinds = set(frame.geometry.geom_type.dropna())
    single = {kind.removeprefix("Multi") for kind in kinds}
    if len(single) != 1:
        found = ", ".join(sorted(kinds)) or "no geometries"
        raise ValueError(
            f"layer {name} holds {found}; one kind was expected. "
            f"Name it: geometry_types={{'{name}': 'Point'}}."
        )
    kind = single.pop()
    if kind == "Point" and "MultiPoint" not in kinds:
        return "Point"
    return f"Multi{kind}"


def _prepared(
    frame: gpd.GeoDataFrame | pd.DataFrame, geometry_type: str | None
) -> gpd.GeoDataFrame | pd.DataFrame:
    """Give every geometry the layer's type, and the geometry column its name."""
    if geometry_type is None:
        return pd.DataFrame(frame)
    # OGR names the column geom in the file, whatever it is called here
    ready = gpd.GeoDataFrame(frame.copy())
    ready = ready if ready.active_geometry_name == "geometry" else ready.rename_geometry("geometry")
    if geometry_type.startswith("Multi"):
        single = geometry_type.removeprefix("Multi")
        ready["geometry"] = [
            MULTI[single]([shape]) if shape is not None and shape.geom_type == single else shape
            for shape in ready.geometry
        ]
    return ready


def _write_layer(
    frame: gpd.GeoDataFrame | pd.DataFrame, part: Path, name: str, geometry_type: str | None
) -> None:
    layer_options = {"FID": "fid"}
    if geometry_type is None:
        layer_options["ASPATIAL_VARIANT"] = "GPKG_ATTRIBUTES"
    else:
        layer_options |= {"GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES"}
    pyogrio.write_dataframe(
        _prepared(frame, geometry_type),
        part,
        layer=name,
        driver="GPKG",
        geometry_type=geometry_type,
        dataset_options={"VERSION": GEOPACKAGE_VERSION},
        layer_options=layer_options,
    )


def _read_back(
    frame: gpd.GeoDataFrame | pd.DataFrame, part: Path, name: str, geometry_type: str | None
) -> None:
    """Compare the layer with what it should hold, value by value and coordinate by coordinate."""
    expected = _prepared(frame, geometry_type)
    back = pyogrio.read_dataframe(part, layer=name)
    columns = [column for column in expected.columns if column != "geometry"]
    wrong = [str(column) for column in columns if column not in back.columns]
    if not wrong and len(back) == len(expected):
        wrong = [str(column) for column in columns if not _same_values(expected[column], back[column])]
        if geometry_type is not None and not np.array_equal(
            shapely.to_wkb(expected.geometry.to_numpy()), shapely.to_wkb(back.geometry.to_numpy())
        ):
            wrong.append("geometry")
    if wrong or len(back) != len(expected):
        raise NotWritten(
            f"{part}, layer {name}, reads back {len(back)} rows of {len(expected)}"
            + (f" and other values in {', '.join(wrong)}" if wrong else "")
            + ". The disk may be full or failing: check it or choose another place."
        )


def _same_values(written: "pd.Series[Any]", back: "pd.Series[Any]") -> bool:
    missing = written.isna().to_numpy()
    if not np.array_equal(missing, back.isna().to_numpy()):
        return False
    if missing.any() and pd.api.types.is_integer_dtype(written) and pd.api.types.is_float_dtype(back):
        written = written.astype("Float64")  # so the reader rounds integers beyond 2**53 among NULLs
    there, here = written.to_numpy(dtype=object)[~missing], back.to_numpy(dtype=object)[~missing]
    return bool(np.all(there == here))


def _one_line(error: BaseException) -> str:
    """OGR's own sentence, without the advice for programmers that follows its first semicolon."""
    return " ".join(str(error).split(";")[0].split()).rstrip(".")
