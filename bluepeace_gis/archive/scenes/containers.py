"""One view of what belongs to a scene, whether it lies in a folder, a .tar or a .zip: nothing is unpacked.

Only headers and metadata are read here: the directory of a zip, the headers of a tar (from one to the
next by seeking, so that 900 MB of pixels are skipped), the names in a folder. GDAL then reads pixels
from inside the container by the name that :meth:`Container.source` gives.
"""

import os
import re
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from bluepeace_gis.errors import BadInput

ARCHIVES: Final = (".tar", ".zip")
# A compressed tar has no directory and must be unpacked from its beginning for every window.
COMPRESSED: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_COMPRESSED_STARTS: Final = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
}
_FOLDERS_IN_DEPTH: Final = {"mtd_msil2a.xml", "mtd_msil1c.xml", "manifest.safe"}
_DEPTH: Final = 6  # a SAFE has five floors; no link leads around in circles for ever
METADATA_BYTES: Final = 64 * 1024 * 1024  # metadata of a scene has kilobytes: what is larger is none


class Container:
    """Members by name, their text, and the name by which GDAL opens them.

    Parameters
    ----------
    path : path
        What a person calls the scene: the folder, the archive, or one file of a product among others.
    sizes : {name: bytes or None}
        The members; names have "/" on every system. None: not known without asking the disk.
    """

    def __init__(self, path: Path, sizes: Mapping[str, int | None]) -> None:
        self.path = path
        self._sizes = sizes
        self._by_file: dict[str, list[str]] = {}
        for name in sizes:
            self._by_file.setdefault(name.rpartition("/")[2].lower(), []).append(name)

    def names(self) -> tuple[str, ...]:
        """List the members, sorted; folders, links and the side files of macOS are none."""
        return tuple(self._sizes)

    def find(self, file: str) -> str | None:
        """Find a member by its file name, in whatever folder of the container and in whatever case.

        Parameters
        ----------
        file : str
            Without folders.

        Returns
        -------
        str or None
            The member's name.

        Raises
        ------
        BadInput
            If several folders of the container hold such a file: which one is meant, it does not say.
        """
        found = self._by_file.get(file.lower(), [])
        if len(found) > 1:
            raise BadInput(
                f"{self.path} holds {file} {len(found)} times ({', '.join(found[:3])}); one was expected. "
                "Remove the copies."
            )
        return found[0] if found else None

    def matching(self, pattern: str) -> list[str]:
        """List the members whose whole name matches a regular expression, in any case."""
        compiled = re.compile(pattern, re.IGNORECASE)
        return [name for name in self._sizes if compiled.fullmatch(name)]

    def size(self, name: str) -> int:
        """Give the bytes of a member."""
        size = self._sizes[name]
        return self._file(name).stat().st_size if size is None else size

    def read_text(self, name: str) -> str:
        """Read a member as UTF-8 text.

        Parameters
        ----------
        name : str
            One of :meth:`names`.

        Returns
        -------
        str

        Raises
        ------
        BadInput
            If there is no such member, or it is damaged, no text or too large to be metadata.
        """
        if name not in self._sizes:
            raise BadInput(f"{self.path} holds no {name}; it was expected there. Copy it again.")
        size = self.size(name)
        if size > METADATA_BYTES:
            raise BadInput(
                f"{self.path}: {name} has {size} bytes, far more than metadata have; it is not what its name "
                "says. Copy it again from its source."
            )
        try:
            return self._read(name).decode("utf-8-sig")
        except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"{self.path}: {name} cannot be read ({_one_line(error)}). "
                "It is damaged; copy it again from its source."
            ) from error

    def source(self, name: str) -> str:
        """Name a member for GDAL."""
        return str(self._file(name))

    def _file(self, name: str) -> Path:
        raise NotImplementedError

    def _read(self, name: str) -> bytes:
        return self._file(name).read_bytes()


class _Files(Container):
    """Files of a folder: all of them, or those of one product among others."""

    def __init__(self, path: Path, folder: Path, names: Iterable[str]) -> None:
        super().__init__(path, dict.fromkeys(sorted(names)))
        self._folder = folder.absolute()  # resolving links would change the names people know

    def _file(self, name: str) -> Path:
        return self._folder / name


class _Archive(Container):
    prefix: str

    def source(self, name: str) -> str:
        return f"{self.prefix}{{{self.path.absolute()}}}/{name}"


class _Tar(_Archive):
    prefix = "/vsitar/"

    def __init__(self, path: Path) -> None:
        members = _tar_members(path)
        super().__init__(path, {name: size for name, (_, size) in sorted(members.items())})
        self._places = members

    def source(self, name: str) -> str:
        if name.isascii() and len(name) < tarfile.LENGTH_NAME:
            return super().source(name)
        place, size = self._places[name]  # GDAL does not read the headers in which other names stand
        return f"/vsisubfile/{place}_{size},{self.path.absolute()}"

    def _read(self, name: str) -> bytes:
        place, size = self._places[name]
        with self.path.open("rb") as file:
            file.seek(place)
            content = file.read(size)
        if len(content) < size:
            raise EOFError(f"{len(content)} of {size} bytes")
        return content


class _Zip(_Archive):
    prefix = "/vsizip/"

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as file:
                infos = file.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
            raise BadInput(
                f"{path} cannot be opened as a zip: {_one_line(error)}. It is truncated or damaged; "
                "copy it again from its source."
            ) from error
        if any(info.flag_bits & 1 for info in infos):
            raise BadInput(
                f"{path} is encrypted; a zip without a password was expected. Unpack it and use the folder."
            )
        files = {info.filename: info.file_size for info in infos if _is_member(info.filename)}
        super().__init__(path, dict(sorted(files.items())))

    def _read(self, name: str) -> bytes:
        with zipfile.ZipFile(self.path) as file:
            return file.read(name)


def view(path: Path | str) -> Container:
    """Look into a folder, a .tar or a .zip.

    Parameters
    ----------
    path : path
        A folder gives its own files, and those of all its folders if it is a .SAFE. Archives are told
        by their content, whatever they are called.

    Returns
    -------
    Container

    Raises
    ------
    BadInput
        If it is missing, empty, truncated, encrypted, compressed as a whole (.tar.gz) or no container.
    """
    path = Path(path)
    if path.is_dir():
        return _Files(path, path, _files_in(path))
    start = _start_of(path)
    for magic, tool in _COMPRESSED_STARTS.items():
        if start.startswith(magic):
            raise BadInput(
                f"{path} is compressed as a whole, so that every window would unpack it from its beginning; "
                f"a plain .tar was expected, and its pixels are compressed already. "
                f"Undo the compression once: {tool} {path.name}"
            )
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")) or path.suffix.lower() == ".zip":
        return _Zip(path)
    if start[257:262] == b"ustar" or path.suffix.lower() == ".tar":
        return _Tar(path)
    raise BadInput(f"{path} is neither a folder nor a .tar nor a .zip. Name what the scene lies in.")


def beside(path: Path | str, names: Iterable[str]) -> Container:
    """View one product whose files lie among others: those of ``names`` that are there.

    Parameters
    ----------
    path : path
        The file that stands for the product.
    names : (n,) str
        Names the product's files can have, in the folder of ``path``.

    Returns
    -------
    Container
    """
    path = Path(path)
    folder = path.parent
    return _Files(path, folder, {name for name in names if (folder / name).is_file()})


def file_of(source: str) -> Path | None:
    """Find the file on the disk behind a GDAL name; None if the name is not of this module's making."""
    return _parts_of(source)[0]


def spoken(source: str) -> str:
    """Name a GDAL source as people know it: the member of an archive."""
    file, member = _parts_of(source)
    return f"{member} in {file}" if file is not None and member else source


def _parts_of(source: str) -> tuple[Path | None, str]:
    """Take a GDAL name apart: the file on the disk, and the member in it."""
    if source.startswith(("/vsitar/{", "/vsizip/{")):
        depth = 0
        for place, letter in enumerate(source):
            depth += (letter == "{") - (letter == "}")
            if letter == "}" and depth == 0:
                return Path(source[len("/vsitar/{") : place]), source[place + 2 :]
    inside = re.match(r"/vsisubfile/(\d+)_(\d+),(.*)", source)
    if inside:
        return Path(inside[3]), f"the member at byte {inside[1]}"
    return (None if source.startswith("/vsi") or re.match(r"HDF4_EOS:", source) else Path(source)), ""


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except FileNotFoundError as error:
        raise BadInput(
            f"{path} does not exist. Check the path and the folder the command runs in."
        ) from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    if not start:
        raise BadInput(f"{path} is empty (0 bytes). Copy it again from its source.")
    return start


def _is_member(name: str) -> bool:
    """Leave out folders and what macOS adds to archives."""
    last = name.rpartition("/")[2]
    return bool(last) and not last.startswith("._") and not name.startswith("__MACOSX/")


def _tar_members(path: Path) -> dict[str, tuple[int, int]]:
    """Walk the headers: {name: (place, size)}; a cut anywhere is found, since the last byte is asked for."""
    members: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(path, "r:") as file:
            for info in file:
                if not info.isreg() or not _is_member(info.name):
                    continue
                if info.issparse():
                    raise BadInput(
                        f"{path}: {info.name} is stored as a sparse file, which GDAL cannot read. "
                        "Make the tar without --sparse."
                    )
                members[info.name.removeprefix("./")] = (info.offset_data, info.size)
            end = file.offset
        with path.open("rb") as raw:
            raw.seek(end)
            if raw.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes a damaged header for the end
                raise tarfile.ReadError(f"damaged header at byte {end}")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as a tar: {_one_line(error)}. It is truncated or damaged; "
            "copy it again from its source."
        ) from error
    if not members:
        raise BadInput(f"{path} holds no files. Copy it again from its source.")
    return members


def _files_in(folder: Path) -> list[str]:
    try:
        names = _names_in(folder, "")
        if folder.suffix.lower() == ".safe" or _FOLDERS_IN_DEPTH & {name.lower() for name in names}:
            return names + _names_below(folder, "", _DEPTH)
    except OSError as error:
        raise BadInput(f"{folder} cannot be listed: {error.strerror}. Check its permissions.") from error
    return names


def _names_in(folder: Path, prefix: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [prefix + entry.name for entry in entries if leads_to_file(entry) and _is_member(entry.name)]


def _names_below(folder: Path, prefix: str, depth: int) -> list[str]:
    names = []
    with os.scandir(folder) as entries:
        folders = sorted(entry.name for entry in entries if leads_to_folder(entry))
    for name in folders if depth else []:
        names += _names_in(folder / name, f"{prefix}{name}/")
        names += _names_below(folder / name, f"{prefix}{name}/", depth - 1)
    return names


def leads_to_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether a name in a folder is a file, or a link to one; a link in a circle is neither."""
    try:
        return entry.is_file()
    except OSError:
        return False


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether a name in a folder is a folder, or a link to one; a link in a circle is neither."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
