"""Lines between countries and how far they are agreed, in the words of the data they come from."""

from typing import Final

import geopandas as gpd

from bluepeace_gis.errors import BadInput
from bluepeace_gis.maps.sheet_map import DISPUTED, STATUSES, UNVERIFIED

# Natural Earth 1:10m, boundary lines on land, column featurecla (naturalearthdata.com). "Verify" asks the
# reader to; what is leased is no boundary between countries.
NATURAL_EARTH: Final[dict[str, str | None]] = {
    "international boundary (verify)": UNVERIFIED,
    "disputed (please verify)": DISPUTED,
    "line of control (please verify)": DISPUTED,
    "indefinite (please verify)": DISPUTED,
    "indeterminant frontier": DISPUTED,
    "breakaway": DISPUTED,
    "lease limit": None,
}
WORDS: Final[dict[str, str | None]] = {**{status: status for status in STATUSES}, **NATURAL_EARTH}


def with_status(lines: gpd.GeoDataFrame, field: str, what: str) -> tuple[gpd.GeoDataFrame, tuple[str, ...]]:
    """Read the status of boundaries from a column.

    Parameters
    ----------
    lines : GeoDataFrame
    field : str
        Column of agreed, unverified or disputed, in letters of any size, or of Natural Earth's own words.
    what : str
        How the file is called in errors.

    Returns
    -------
    GeoDataFrame
        ``status`` and ``geometry`` of the boundaries.
    (str, ...)
        The kinds of lines that are none, as the file calls them.

    Raises
    ------
    BadInput
        If the column is missing, a line has no status or one that is not known, or no boundary is left.
    """
    if field not in lines.columns or field == lines.geometry.name:
        columns = ", ".join(str(name) for name in lines.columns if name != lines.geometry.name)
        raise BadInput(
            f"{what} has no column {field}; it has {columns or 'none'}. Name the one with the status of each "
            f"line ({', '.join(STATUSES)}) with --status-field."
        )
    said = [" ".join(str(word).split()) if isinstance(word, str) else "" for word in lines[field]]
    wrong = sorted({word or "nothing" for word in said if word.casefold() not in WORDS})
    if wrong:
        raise BadInput(
            f"{what}, column {field}, says {wrong[0]!r}; {', '.join(STATUSES)} were expected. Give every "
            "line its status: a map for a dialogue shows how far each boundary is agreed."
        )
    status = [WORDS[word.casefold()] for word in said]
    none = tuple(sorted({word for word, found in zip(said, status, strict=True) if found is None}))
    kept = gpd.GeoDataFrame({"status": status}, geometry=lines.geometry.to_numpy(), crs=lines.crs)
    kept = kept[kept["status"].notna()].reset_index(drop=True)
    if kept.empty:
        raise BadInput(
            f"{what} holds no boundary between countries, only {', '.join(none)}. Give the lines "
            "of boundaries."
        )
    return kept, none
