"""Tables as CSV that every program reads the same: UTF-8, a point in numbers, a line feed at the end."""

from pathlib import Path

import pandas as pd

from bluepeace_gis.archive import products
from bluepeace_gis.errors import NotWritten


def write(table: pd.DataFrame, path: Path | str) -> Path:
    """Write a table as CSV, read it back, and only then give it its name.

    Parameters
    ----------
    table : DataFrame
        Numbers are written with all the digits they have; nothing is an empty field.
    path : path

    Returns
    -------
    Path
        ``path``. The same table gives the same bytes.

    Raises
    ------
    NotWritten
        If it cannot be written, or reads back other than it was written.
    """
    target = Path(path)
    text = table.to_csv(index=False, lineterminator="\n")
    with products.replacing(target) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
        if part.read_text(encoding="utf-8") != text:
            raise NotWritten(
                f"{target} reads back other text than was written. Check the disk or choose another place."
            )
    return target
