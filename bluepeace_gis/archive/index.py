"""The index of an archive: what every scene in it is, read once and kept in one GeoPackage.

Ten thousand scenes are opened from their index in a second, and from their own metadata in minutes.
A scene whose files have not changed since is taken from the index; what changed is read again. The
index is also the one door through which workflows get their scenes: :func:`scenes`.
"""

import datetime as dt
import hashlib
import logging
import os
import re
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyogrio.errors
import shapely

from bluepeace_gis.archive import descriptions, stac
from bluepeace_gis.archive.scenes import Scene, find, open_scene
from bluepeace_gis.archive.scenes.containers import ARCHIVES, file_of
from bluepeace_gis.archive.scenes.opening import files_of, is_of_product
from bluepeace_gis.archive.scenes.plain import SIDECAR
from bluepeace_gis.archive.scenes.scene import Sun
from bluepeace_gis.errors import BadInput, BluepeaceError

log = logging.getLogger(__name__)

LAYER: Final = "scenes"
BROKEN: Final = "broken"
GEOMETRY_TYPES: Final = {LAYER: "MultiPolygon"}
INDEX_ENDING: Final = ".gpkg"
STAC_ENDINGS: Final = (".json", ".geojson")
# Reading metadata waits for the disk, above all for one in the network, and threads wait together.
READERS: Final = 4
TOLD_EVERY_S: Final = 1.0
# Two products of one acquisition show the same land, or they are the two halves of a tile that a
# datastrip cuts: the smaller footprint lies in the larger one by so much.
SAME_LAND: Final = 0.9
NAMES_TOLD: Final = 3
EXPECTED: Final = (
    "expected Landsat Collection 2 Level-2 folders or .tar, Sentinel-2 L2A .SAFE folders or .zip, HLS or "
    "MODIS granules, or GeoTIFFs with a description beside them"
)

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Entry:
    """A scene, and by what it is known that its files are still the same.

    Parameters
    ----------
    scene : Scene
        Its path is absolute.
    identity : str
        A digest of the names, sizes and times of change of its files.
    size_bytes : int
        Of all its files.
    modified : datetime, UTC
        The newest change.
    """

    scene: Scene
    identity: str
    size_bytes: int
    modified: dt.datetime


@dataclass(frozen=True)
class Broken:
    """Something that should be a scene and cannot be opened, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """Name it with its reason, once."""
        return self.reason if self.path.name in self.reason else f"{self.path.name}: {self.reason}"


@dataclass(frozen=True)
class Index:
    """What an archive holds.

    Parameters
    ----------
    entries : (Entry, ...)
        By time and name.
    broken : (Broken, ...)
        By path.
    kept, changed : int
        How many entries were taken over from the previous index, and how many stood in it otherwise.
    vanished : (Path, ...)
        Of the previous index, whose files are gone.
    elsewhere : (Path, ...)
        Of the previous index, whose files are there, but in none of the folders given now.
    """

    entries: tuple[Entry, ...]
    broken: tuple[Broken, ...] = ()
    kept: int = 0
    changed: int = 0
    vanished: tuple[Path, ...] = ()
    elsewhere: tuple[Path, ...] = ()

    @property
    def scenes(self) -> list[Scene]:
        """The scenes alone, by time and name."""
        return [entry.scene for entry in self.entries]


# Making an index


def scan(
    paths: Sequence[Path | str],
    *,
    previous: Path | None = None,
    progress: Progress | None = None,
) -> Index:
    """Read the metadata of all scenes in files and folders.

    Parameters
    ----------
    paths : paths
        Scenes, folders, other indices and STAC files.
    previous : path, optional
        An index written before: what has not changed since is taken from it.
    progress : callable, optional
        Is told the share done, 0..1, and a sentence with the rate.

    Returns
    -------
    Index

    Raises
    ------
    BadInput
        If a path does not exist, nothing in it is a scene, or ``previous`` is no index of scenes.
    """
    tell = progress or (lambda _share, _sentence: None)
    known: dict[str, list[_Row]] = {}
    for row in () if previous is None else _rows(previous):
        known.setdefault(_key(row.path), []).append(row)
    found = _candidates(paths, tell)
    if not found:
        raise BadInput(f"No scene found in {_named(paths)}; {EXPECTED}. Check the folder.")
    entries: dict[tuple[str, str], Entry] = {}  # each once, however often it was named
    broken: list[Broken] = []
    kept = changed = 0
    for result in _each(found, lambda path: _refreshed(path, known.get(_key(path), [])), tell):
        fresh, refused = result
        broken += refused
        for entry, state in fresh:
            if entries.setdefault(_itself(entry.scene), entry) is entry:
                kept += state == "kept"
                changed += state == "changed"
    seen = {_key(path) for path in found} | {path for path, _ in entries}
    missing = {row.path for key, rows in known.items() if key not in seen for row in rows}
    return Index(
        entries=tuple(sorted(entries.values(), key=lambda entry: _order(entry.scene))),
        broken=tuple(sorted(broken, key=lambda each: str(each.path))),
        kept=kept,
        changed=changed,
        vanished=tuple(sorted(path for path in missing if not path.exists())),
        elsewhere=tuple(sorted(path for path in missing if path.exists())),
    )


def layers(index: Index, folder: Path) -> dict[str, gpd.GeoDataFrame | pd.DataFrame]:
    """Lay out an index as layer ``scenes`` and table ``broken``, as :func:`features.write` takes them.

    Parameters
    ----------
    index : Index
    folder : path
        Where the GeoPackage will stand: paths are relative to it where there is a way.

    Returns
    -------
    {name: GeoDataFrame or DataFrame}
        Footprints in EPSG:4326; one that goes over the date line is cut there.
    """
    rows = [_row(entry, folder) for entry in index.entries]
    shapes = [stac.cut_at_date_line(entry.scene.footprint) for entry in index.entries]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    for column in ("time", "modified"):
        table[column] = pd.to_datetime(table[column], utc=True).dt.floor("ms").dt.as_unit("ms")
    broken = pd.DataFrame(
        {
            "path": [_written(each.path, folder) for each in index.broken],
            "reason": [_valid(each.reason) for each in index.broken],
        },
        dtype=object,
    )
    return {LAYER: gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:4326"), BROKEN: broken}


_COLUMNS: Final = (
    "name",
    "path",
    "family",
    "platform",
    "instrument",
    "time",
    "overpass",
    "crs",
    "cloud_pct",
    "baseline",
    "bands",
    "resolution_m",
    "sun_azimuth_deg",
    "sun_elevation_deg",
    "size_bytes",
    "modified",
    "findings",
    "identity",
    "description",
)


def _row(entry: Entry, folder: Path) -> tuple[Any, ...]:
    scene = entry.scene
    return (
        scene.name,
        _written(scene.path, folder),
        scene.family,
        scene.platform,
        scene.instrument,
        scene.time,
        scene.overpass,
        scene.crs,
        np.nan if scene.cloud_share is None else round(100 * scene.cloud_share, 6),
        scene.baseline,
        ",".join(scene.bands),
        min((band.resolution_m for band in scene.bands.values()), default=np.nan),
        np.nan if scene.sun is None else scene.sun.azimuth_deg,
        np.nan if scene.sun is None else scene.sun.elevation_deg,
        entry.size_bytes,
        entry.modified,
        " ".join(scene.findings) or None,
        entry.identity,
        descriptions.write(scene),
    )


# Reading an index


def load(path: Path | str) -> list[Scene]:
    """Open the scenes of an index without opening their archives.

    Parameters
    ----------
    path : path
        A GeoPackage with a layer ``scenes``, from ``bluepeace scenes``, or a part of one.

    Returns
    -------
    list of Scene
        By time and name. Of what has changed since, the metadata are read again; what is gone or
        broken by now is left out with a warning.

    Raises
    ------
    BadInput
        If it is no index, or none of its scenes can be opened any more.
    """
    file = Path(path)
    opened, gone, broken, changed = [], [], [], 0
    for row in _rows(file):
        fresh, refused = _refreshed(row.path, [row], only=row.name)
        if refused and not row.path.exists():
            gone.append(row.path)
            continue
        broken += refused
        opened += [entry.scene for entry, _ in fresh]
        changed += sum(state != "kept" for _, state in fresh)
    if not opened:
        lost = gone[0] if gone else broken[0].path if broken else file
        raise BadInput(
            f"{file} lists {len(gone) + len(broken)} scenes, and none of them can be opened (first: {lost}"
            + (f": {broken[0].reason}" if broken and not gone else ", which is not there")
            + f"). Was the archive moved? Make the index again: bluepeace scenes FOLDER --out {file.name}"
        )
    if changed:
        log.info("%s: %d scenes have changed since and were read again", file, changed)
    if gone or broken:
        _warn_of(file, gone, broken)
    return sorted(opened, key=_order)


def _warn_of(file: Path, gone: Sequence[Path], broken: Sequence[Broken]) -> None:
    parts = []
    if gone:
        parts.append(f"{len(gone)} of its scenes are gone ({some_of([path.name for path in gone])})")
    if broken:
        parts.append(f"{len(broken)} cannot be opened any more ({broken[0]})")
    log.warning("%s: %s. Make the index again with bluepeace scenes.", file, " and ".join(parts))


@dataclass(frozen=True)
class _Row:
    """One line of an index as it stands in the file."""

    name: str
    path: Path
    identity: str
    description: str
    size_bytes: int
    modified: dt.datetime


def _rows(file: Path) -> list[_Row]:
    """Read an index as it stands in the file; a path that is a STAC file has several rows."""
    if not file.exists():
        raise BadInput(f"{file} does not exist. Check the path and the folder the command runs in.")
    asked = ["name", "path", "identity", "description", "size_bytes", "modified"]
    try:
        table = pyogrio.read_dataframe(file, layer=LAYER, columns=asked, read_geometry=False)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise BadInput(
            f"{file} is no index of scenes: it has no readable layer {LAYER}. "
            f"Make one: bluepeace scenes FOLDER --out {file.name}"
        ) from error
    missing = [column for column in asked if column not in table.columns]
    if missing:
        raise BadInput(
            f"{file}, layer {LAYER}, has no column {missing[0]}, so that it is no index of scenes of ours. "
            f"Make one: bluepeace scenes FOLDER --out {file.name}"
        )
    folder = _absolute(file.parent)
    rows = []
    for name, place, identity, text, size, modified in zip(*(table[column] for column in asked), strict=True):
        if pd.isna(place) or pd.isna(text) or pd.isna(size) or pd.isna(modified):
            raise BadInput(
                f"{file}, layer {LAYER}, has a row without path, description, size or time ({name}); it was "
                f"edited. Make the index again: bluepeace scenes FOLDER --out {file.name}"
            )
        path = Path(os.path.normpath(folder / str(place)))
        rows.append(_Row(str(name), path, str(identity), str(text), int(size), modified.to_pydatetime()))
    return rows


def _refreshed(
    path: Path, rows: Sequence[_Row], *, only: str | None = None
) -> tuple[list[tuple[Entry, str]], list[Broken]]:
    """Take what lies at a path from the index if it has not changed, else open it."""
    taken = [entry for entry in (_taken(row, path) for row in rows) if entry is not None]
    # a STAC file lists products elsewhere and items that were refused, too, of which no row tells
    listed = only is None and _is_stac(path)
    if rows and len(taken) == len(rows) and not listed:
        return [(entry, "kept") for entry in taken], []
    entries, broken = [], []
    try:
        opened, refused = _open(path)
        broken += [_refused(path, item, reason) for item, reason in refused]
        wanted = [scene for scene in opened if only is None or len(opened) == 1 or scene.name == only]
        same = {(row.name, row.identity) for row in rows}
        for entry in map(_entry, wanted):
            kept = listed and (entry.scene.name, entry.identity) in same
            entries.append((entry, "kept" if kept else "changed" if rows else "new"))
    except (BluepeaceError, OSError) as error:
        broken.append(Broken(path, _sentence(error)))
    except Exception as error:  # one scene of ten thousand must not stop the others
        log.debug("while reading %s", path, exc_info=error)
        broken.append(
            Broken(path, f"A fault of bluepeace-gis while reading it ({type(error).__name__}: {error}).")
        )
    return entries, broken


def _refused(path: Path, item: str, reason: str) -> Broken:
    """Name which item of a STAC file was refused."""
    return Broken(path, reason if item in reason else f"{item}: {reason}")


def _open(path: Path) -> tuple[list[Scene], list[tuple[str, str]]]:
    if _is_stac(path):
        return stac.read(path)
    return [open_scene(path)], []


def _taken(row: _Row, path: Path) -> Entry | None:
    try:
        scene = descriptions.read(row.description, path)
        identity, *_ = _state(scene)
    except (ValueError, KeyError, TypeError, OSError):
        return None
    if identity != row.identity:
        return None
    return Entry(scene, row.identity, row.size_bytes, row.modified)


def _entry(scene: Scene) -> Entry:
    scene = replace(scene, path=_absolute(scene.path))
    return Entry(scene, *_state(scene))


def _state(scene: Scene) -> tuple[str, int, dt.datetime]:
    """Digest names, sizes and times of change of a scene's files; the sizes' sum and the newest time."""
    digest = hashlib.sha256()
    total, newest = 0, 0
    for name, size, changed in _files_of(scene):
        digest.update(f"{name}\n{size}\n{changed}\n".encode(errors="surrogateescape"))
        total += size
        newest = max(newest, changed)
    moment = dt.datetime.fromtimestamp(newest // 1_000_000 / 1000, tz=dt.UTC)
    return digest.hexdigest()[:32], total, moment


def _files_of(scene: Scene) -> Iterator[tuple[str, int, int]]:
    """Name each file, its bytes and its nanosecond of change, always in the same order."""
    if scene.path.is_dir() and scene.family == "sentinel-2":
        yield from _files_below(scene.path, "")
        return
    files: set[Path] = set()
    if scene.path.is_dir():  # with the metadata, but without what else lies there, such as an index
        start = scene.name.lower()
        files.update(file for file in scene.path.iterdir() if file.name.lower().startswith(start))
    else:
        files.add(scene.path)
        if scene.path.suffix.lower() not in ARCHIVES:
            files.update(files_of(scene.path))  # a band that is copied beside it later, too
    if scene.family == "plain":
        files.update(filter(Path.exists, [scene.path.with_suffix(SIDECAR)]))
    sources = [band.source for band in scene.bands.values()]
    if scene.quality is not None:
        sources += [scene.quality.source] + ([scene.quality.saturation] if scene.quality.saturation else [])
    inside = "{" + str(scene.path) + "}"  # of an archive, which is one file
    for file in (file_of(source) for source in sources if inside not in source):
        if file is not None:
            files.add(file)
    for each in sorted(files):
        status = each.stat()
        yield each.name, status.st_size, status.st_mtime_ns


def _files_below(folder: Path, prefix: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file():
                status = entry.stat()
                yield prefix + entry.name, status.st_size, status.st_mtime_ns


# The one door


def scenes(
    paths: Iterable[Path | str] | Path | str,
    *,
    bands: Mapping[str, int] | None = None,
    time: dt.datetime | None = None,
    sun: Sun | None = None,
    progress: Progress | None = None,
) -> list[Scene]:
    """Open whatever a command was given as SCENES: the one way workflows get their scenes.

    Parameters
    ----------
    paths : paths
        Scenes, folders of scenes, indices (``scenes.gpkg``) and STAC files, in any mixture.
    bands, time, sun : optional
        What plain GeoTIFFs do not say themselves, see :func:`open_scene`; ``time`` is that of one of them.
    progress : callable, optional
        Is told the share done, 0..1, and a sentence with the rate.

    Returns
    -------
    list of Scene
        By time and name, metadata only. A product that lies there twice, or was processed again, comes
        once: the newest; a warning tells of the others, and of scenes that cannot be opened.

    Raises
    ------
    BadInput
        If a path does not exist, a scene that was named itself cannot be opened, or there is none.
    """
    given = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if not given:
        raise BadInput("No scenes were given; name scenes, folders of them, or a scenes.gpkg.")
    said = _Said(bands, time, sun)
    opened = [said.of(scene) for path in given if _is_index(path) for scene in load(path)]
    others = [path for path in given if not _is_index(path)]
    fresh, broken = _opened(others, said, progress or (lambda _share, _sentence: None))
    opened += fresh
    if not opened:
        told = ""
        if broken:
            told = f" ({len(broken)} cannot be opened, first {broken[0]})"
        raise BadInput(f"No scene found in {_named(given)}{told}; {EXPECTED}. Check the folder.")
    if broken:
        log.warning(
            "%d of %d scenes cannot be opened and are left out. The first: %s",
            len(broken), len(broken) + len(opened), broken[0],
        )  # fmt: skip
    undated = [scene for scene in opened if scene.family == "plain"]
    if time is not None and len(undated) > 1:
        raise BadInput(
            f"--time is the moment of one scene, but {len(undated)} plain GeoTIFFs were given "
            f"({some_of([scene.path.name for scene in undated])}). Describe each by a file beside it."
        )
    opened = list({_itself(scene): scene for scene in opened}.values())
    kept, dropped = newest(opened)
    if dropped:
        log.warning(
            "%d of %d scenes are older versions or copies of others and are left out (%s).",
            len(dropped), len(opened), some_of([scene.name for scene in dropped]),
        )  # fmt: skip
    return kept


@dataclass(frozen=True)
class _Said:
    """What a caller says of plain GeoTIFFs, which products that know it themselves are not told."""

    bands: Mapping[str, int] | None = None
    time: dt.datetime | None = None
    sun: Sun | None = None

    def __bool__(self) -> bool:
        return any(part is not None for part in (self.bands, self.time, self.sun))

    def of(self, scene: Scene) -> Scene:
        """Open a scene again with what the caller says of it."""
        if not self or scene.family != "plain" or _is_stac(scene.path):
            return scene
        return self._open(scene.path)

    def open(self, path: Path) -> Scene:
        """Open what lies at a path."""
        if not self or path.is_dir():
            return open_scene(path)
        try:
            scene = open_scene(path)
        except BadInput:  # perhaps because it says too little itself
            return self._open(path)
        return self.of(scene)

    def _open(self, path: Path) -> Scene:
        return open_scene(path, bands=self.bands, time=self.time, sun=self.sun)


def _opened(paths: Sequence[Path], said: _Said, tell: Progress) -> tuple[list[Scene], list[Broken]]:
    named = {_key(path) for path in paths if not path.is_dir()}

    def opening(path: Path) -> tuple[list[Scene], list[Broken]]:
        try:
            if _is_stac(path):
                listed, refused = stac.read(path)
                return listed, [_refused(path, item, reason) for item, reason in refused]
            return [said.open(path)], []
        except BluepeaceError as error:
            if _key(path) in named:
                raise
            return [], [Broken(path, _sentence(error))]

    opened: list[Scene] = []
    broken: list[Broken] = []
    found = _candidates(paths, tell, plain_tiffs=said.bands is not None)
    for fresh, refused in _each(found, opening, tell):
        opened += fresh
        broken += refused
    return opened, broken


def newest(opened: Iterable[Scene]) -> tuple[list[Scene], list[Scene]]:
    """Keep one version of each acquisition.

    Parameters
    ----------
    opened : Scene, ...

    Returns
    -------
    kept, dropped : list of Scene
        By time and name. Of Landsat products of one path, row and day the one processed last is kept, of
        Sentinel-2 products of one datatake and tile the one of the newest baseline (and generated last),
        of copies the one with more bands, then a folder before an archive.

    Notes
    -----
    A datatake can be cut within a tile, which makes two products of one time that show different land:
    both are kept unless one footprint covers the other by :data:`SAME_LAND`.
    """
    groups: dict[tuple[Any, ...], list[Scene]] = {}
    for scene in opened:
        groups.setdefault(_acquisition(scene), []).append(scene)
    kept: list[Scene] = []
    dropped: list[Scene] = []
    for members in groups.values():
        chosen: list[Scene] = []
        for scene in sorted(members, key=_worth, reverse=True):
            if any(_same_land(scene, other) for other in chosen):
                dropped.append(scene)
            else:
                chosen.append(scene)
        kept += chosen
    return sorted(kept, key=_order), sorted(dropped, key=_order)


# USGS: LXSS_LLLL_PPPRRR_YYYYMMDD_yyyymmdd_CC_TX, acquired and processed.
_LANDSAT = re.compile(r"(?P<key>L[COTEM]\d\d_L\w{3}_\d{6}_\d{8})_(?P<version>\d{8}_\d\d_\w\w)", re.IGNORECASE)
# ESA: MMM_MSIXXX_YYYYMMDDHHMMSS_Nxxyy_ROOO_Txxxxx_<generated>
_SENTINEL_2 = re.compile(
    r"(?P<key>S2\w_MSIL\w\w_\d{8}T\d{6})_N(?P<version>\d{4})(?P<place>_R\d{3}_T\w{5})_(?P<made>\d{8}T\d{6})",
    re.IGNORECASE,
)
# LP DAAC: MOD13Q1.A2023193.h23v04.061.<produced>
_MODIS = re.compile(r"(?P<key>M[OY]D\w+\.A\d{7}\.h\d\dv\d\d)\.(?P<version>\d{3}\.\d+)", re.IGNORECASE)


def _acquisition(scene: Scene) -> tuple[Any, ...]:
    """Say what two versions of one acquisition have in common."""
    for pattern in (_LANDSAT, _SENTINEL_2, _MODIS):
        found = pattern.match(scene.name)
        if found:
            return (found["key"].upper(), found.groupdict().get("place", "").upper())
    if scene.family == "plain":  # other files of the same name are other scenes
        return (scene.name, scene.time, scene.footprint.wkb)
    return (scene.name,)


def _version(scene: Scene) -> str:
    for pattern in (_LANDSAT, _SENTINEL_2, _MODIS):
        found = pattern.match(scene.name)
        if found:
            return str(found["version"]).upper() + str(found.groupdict().get("made", ""))
    return ""


def _worth(scene: Scene) -> tuple[Any, ...]:
    # of equal ones the first by name of its path, whatever the order they came in
    by_name = tuple(-ord(letter) for letter in str(scene.path))
    return (_version(scene), len(scene.bands), -len(scene.findings), scene.path.is_dir(), by_name)


def _same_land(one: Scene, other: Scene) -> bool:
    if one.name == other.name:
        return True
    smaller = min(one.footprint.area, other.footprint.area)
    common = float(shapely.intersection(one.footprint, other.footprint).area)
    return common >= SAME_LAND * float(smaller)


# Helpers


def _candidates(paths: Sequence[Path | str], tell: Progress, *, plain_tiffs: bool = False) -> list[Path]:
    """Look for scenes, each once; STAC files are opened as what they list."""
    found: dict[str, Path] = {}
    told = clock.monotonic()
    others = [path for path in map(Path, paths) if not _is_stac(path)]
    for path in (Path(each) for each in paths if _is_stac(Path(each))):
        if not path.exists():
            raise BadInput(f"{path} does not exist. Check the path and the folder the command runs in.")
        found.setdefault(_key(path), _absolute(path))
    if others:
        for path in find(others, plain_tiffs=plain_tiffs):
            found.setdefault(_key(path), _absolute(path))
            if clock.monotonic() - told > TOLD_EVERY_S:
                told = clock.monotonic()
                tell(0.0, f"looking for scenes: {len(found):,} so far")
    return list(found.values())


def _each(paths: Sequence[Path], work: Callable[[Path], Any], tell: Progress) -> Iterator[Any]:
    """Do the work for each path, several at once, and hand the results on in their order."""
    began = told = clock.monotonic()
    with ThreadPoolExecutor(READERS, thread_name_prefix="metadata") as readers:
        try:
            for done, result in enumerate(readers.map(work, paths), start=1):
                yield result
                now = clock.monotonic()
                if now - told > TOLD_EVERY_S:
                    told = now
                    rate = done / (now - began)
                    tell(done / len(paths), f"read {done:,} of {len(paths):,} scenes, {rate:,.0f} a second")
        except BaseException:  # Ctrl-C too: what has not begun shall not begin
            readers.shutdown(wait=False, cancel_futures=True)
            raise


def _is_index(path: Path) -> bool:
    return path.suffix.lower() == INDEX_ENDING and not path.is_dir()


def _is_stac(path: Path) -> bool:
    if path.suffix.lower() not in STAC_ENDINGS or path.is_dir():
        return False
    # nor are the description of a plain GeoTIFF and the metadata of a Landsat product among others
    return not path.name.lower().endswith(SIDECAR) and not is_of_product(path)


def _key(path: Path) -> str:
    return os.path.realpath(path)


def _itself(scene: Scene) -> tuple[str, str]:
    return _key(scene.path), scene.name


def _absolute(path: Path) -> Path:
    # links are kept: people know the names they gave, and the places of bands begin with them
    return Path(os.path.abspath(path))  # noqa: PTH100


def _order(scene: Scene) -> tuple[Any, ...]:
    return (scene.time, scene.name, str(scene.path))


def _written(path: Path, folder: Path) -> str:
    """Name a path from the index's folder, unless the way leads over the root of the disk."""
    here, there = _absolute(folder), _absolute(path)
    if there.anchor != here.anchor or os.path.commonpath([there, here]) == there.anchor:
        return _valid(there.as_posix())
    return _valid(Path(os.path.relpath(there, here)).as_posix())


def _valid(text: str) -> str:
    """Write bytes of a file name that are no UTF-8 as such: a GeoPackage holds UTF-8 only."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"It cannot be read: {error.strerror}. Check its permissions and the disk."
    return " ".join(str(error).split())


def _named(paths: Sequence[Path | str]) -> str:
    return some_of([str(path) for path in paths])


def some_of(names: Sequence[str]) -> str:
    """Return the first of the names and how many more there are."""
    told = ", ".join(names[:NAMES_TOLD])
    return told if len(names) <= NAMES_TOLD else f"{told} and {len(names) - NAMES_TOLD} more"
