"""What must be true of a file before any driver is asked to read it."""

from pathlib import Path

from bluepeace_gis.errors import BadInput


def require_file(path: Path) -> None:
    """Refuse what is not there, and what is empty.

    Parameters
    ----------
    path : path
        A file, or a folder that a driver reads; names of GDAL (``/vsizip/...``) are left to GDAL.

    Raises
    ------
    BadInput
        In one sentence with the way out.
    """
    if str(path).startswith("/vsi"):
        return
    try:
        there = path.exists()
        empty = there and path.is_file() and path.stat().st_size == 0
    except OSError as error:  # a name too long, a folder that may not be entered
        raise BadInput(
            f"{path} cannot be opened: {error.strerror or error}. Check the path and the right to read it."
        ) from error
    if not there:
        raise BadInput(f"{path} does not exist. Check the path and the folder the command runs in.")
    if empty:
        raise BadInput(f"{path} is empty (0 bytes). Copy it again from its source.")
