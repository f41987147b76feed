"""What sheets say, in the languages of the region: one table of texts for all of them.

English and Russian are complete. A language that no native speaker has reviewed says so on every sheet.
"""

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bluepeace_gis.errors import BadInput

TABLE: Final = Path(__file__).with_name("texts.toml")
MOST_LANGUAGES: Final = 2  # on a sheet: more leave no room for the map
NOTHING: Final = "\N{EN DASH}"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"


@functools.cache
def table() -> Mapping[str, Any]:
    """Read the table of texts: ``languages`` {code: {name, reviewed}} and ``texts`` {key: {code: text}}."""
    with TABLE.open("rb") as file:
        return tomllib.load(file)


@dataclass(frozen=True)
class Texts:
    """The texts of one sheet.

    Parameters
    ----------
    languages : (str, ...)
        One or two codes of the table; the first one leads.
    """

    languages: tuple[str, ...]

    def each(self, key: str, **values: Any) -> list[str]:
        """Say a text in each language of the sheet; texts that are equal are said once."""
        known = table()["texts"][key]
        return list(dict.fromkeys(known[code].format(**values) for code in self.languages))

    def line(self, key: str, **values: Any) -> str:
        """Say a short text in one line: Legend / Условные обозначения."""
        return " / ".join(self.each(key, **values))

    def first(self, key: str, **values: Any) -> str:
        """Say a text in the leading language only."""
        return self.each(key, **values)[0]

    def in_each(self, *keys: str, **values: Any) -> list[str]:
        """Say several sentences one after the other, a paragraph a language."""
        known = table()["texts"]
        return [" ".join(known[key][code].format(**values) for key in keys) for code in self.languages]


def unreviewed(code: str) -> str:
    """Say that no native speaker has reviewed a language; nothing of one that was."""
    told = table()
    return "" if told["languages"][code]["reviewed"] else str(told["texts"]["not_reviewed"][code])


def texts_in(asked: str) -> Texts:
    """Choose the languages of a sheet.

    Parameters
    ----------
    asked : str
        One or two codes separated by a comma: ``ru,en``.

    Returns
    -------
    Texts

    Raises
    ------
    BadInput
        If a code is not in the table, or there are none or more than two.
    """
    codes = tuple(dict.fromkeys(part.strip().lower() for part in asked.split(",") if part.strip()))
    known = table()["languages"]
    wrong = [code for code in codes if code not in known]
    if wrong or not 1 <= len(codes) <= MOST_LANGUAGES:
        raise BadInput(
            f"--language is {asked or 'empty'}; one or two of {', '.join(known)} were expected: ru,en."
        )
    return Texts(codes)


def figure(value: float, digits: int = 0, *, sign: bool = False) -> str:
    """Write a number as every sheet does: thin spaces between thousands, a true minus, no minus zero.

    Parameters
    ----------
    value : float
        NaN is a dash.
    digits : int
        After the point.
    sign : bool
        Whether a plus is written, too.

    Returns
    -------
    str
    """
    if not math.isfinite(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace(",", _THIN).replace("-", "\N{MINUS SIGN}")


def span(low: float, high: float, digits: int = 0, *, sign: bool = False) -> str:
    """Write an interval: 3 457 … 3 804; a dash where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return NOTHING
    return f"{figure(low, digits, sign=sign)} … {figure(high, digits, sign=sign)}"


def percent(value: float) -> str:
    """Write a share of a hundred with one decimal; a little is not nothing, nearly all is not all."""
    if 0 < value < 0.05:
        return "<0.1"
    return ">99.9" if 99.95 <= value < 100 - 1e-9 else figure(value, 1)
