"""One sentence for each number, in English and in Russian, as both sides of a table say it."""

import math
from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "ru"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "ru")

_MINUS: Final = "\N{MINUS SIGN}"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"
_THOUSAND_FROM_HA: Final = 10_000.0
_FINEST_DIGITS: Final = 2  # a hundredth of a hectare: less than a cell of any satellite
# An interval whose shorter side is less than this of the longer one is told by its limits: one number
# after the sign of plus and minus would claim values beyond one of them.
_EVEN_FROM: Final = 2 / 3

# in English and Russian, of small and of large areas
_UNITS: Final = {False: ("ha", "га"), True: ("thousand ha", "тыс. га")}  # noqa: RUF001  # Russian

# Names of the classes of our own maps; a class of another name is quoted as it is.
RUSSIAN: Final = {
    "irrigated": "орошаемые земли",
    "not irrigated": "неорошаемые земли",
    "uncertain": "орошение не установлено",
    "never": "никогда не орошались",
    "never irrigated": "никогда не орошались",
    "kept": "орошаются по-прежнему",
    "gained": "новые орошаемые земли",
    "lost": "выбывшие из орошения земли",
    "intermittent": "орошаются не каждый год",
    "none": "без посевов",
    "winter": "озимые",
    "summer": "яровые",
    "double": "два урожая",
    "permanent": "многолетние насаждения",
    "water": "вода",
    "cropland": "пашня",
    "forest": "лес",
    "grassland": "луга и пастбища",
    "wetland": "водно-болотные угодья",
    "bare": "оголённые земли",
    "urban": "застроенные земли",
}


@dataclass(frozen=True)
class Statement:
    """A number to be said.

    Parameters
    ----------
    name : str
        Of the class.
    area_ha, low_ha, high_ha : float, hectares
        The estimate and its limits.
    unobserved_pct : float
        Share of the land that nobody saw.
    year : str
        Empty if it is not known.
    since : str
        The earlier year of a change; empty for an area.
    """

    name: str
    area_ha: float
    low_ha: float
    high_ha: float
    unobserved_pct: float
    year: str = ""
    since: str = ""


def sentence(statement: Statement, language: Language) -> str:
    """Say a number with its interval and with the share that was not observed.

    Parameters
    ----------
    statement : Statement
    language : "en" or "ru"

    Returns
    -------
    str
        After the sign of plus and minus stands the longer side of the interval, rounded up to two digits;
        of an uneven interval both limits stand there, rounded away from the number.
    """
    number, unit_en, unit_ru = _number(statement, language)
    unseen = _percent(statement.unobserved_pct, language)
    if language == "en":
        years = _years_en(statement)
        verb = f" changed by {number}" if statement.since else f": {number}"
        return f"{_capital(statement.name)}{verb} {unit_en} (95 %){years}; {unseen} not observed."
    number = number.replace(".", ",")
    years = _years_ru(statement)
    name = _capital(RUSSIAN.get(statement.name.strip().lower(), f"«{statement.name}»"))
    verb = f": изменение на {number}" if statement.since else f": {number}"
    return f"{name}{verb} {unit_ru} (95 %){years}; не наблюдалось {unseen}."


def bounds_sentence(statement: Statement, language: Language) -> str:
    """Say a change counted on maps, and how far it could lie with what the maps leave open.

    Parameters
    ----------
    statement : Statement
        Its limits are those of what was uncertain or not observed: no confidence interval.
    language : "en" or "ru"

    Returns
    -------
    str
        So worded that nobody takes the limits for a confidence interval.
    """
    value, low, high, *units = _limits(statement, counted=True)
    unseen = _percent(statement.unobserved_pct, language)
    firm = statement.low_ha == statement.area_ha == statement.high_ha
    if firm and language == "en":
        return (
            f"{_capital(statement.name)} changed by {value} {units[0]} on the "
            f"maps{_years_en(statement)}, which leave nothing open there; errors of the maps are not "
            f"counted; {unseen} not observed."
        )
    if language == "en":
        return (
            f"{_capital(statement.name)} changed by {value} {units[0]} on the "
            f"maps{_years_en(statement)}; with what they leave open (uncertain, not observed) by {low} "
            f"to {high} {units[0]}, which is no confidence interval; {unseen} not observed."
        )
    name = _capital(RUSSIAN.get(statement.name.strip().lower(), f"«{statement.name}»"))
    text = f"{name}: изменение по картам на {value} {units[1]}{_years_ru(statement)}"
    if firm:
        text += " (неясного и ненаблюдавшегося в эти годы нет; ошибки карт не учтены); "
    else:
        limits = f"от {low} до {high} {units[1]}"
        text += f"; с учётом неясного и ненаблюдавшегося {limits} (не доверительный интервал); "  # noqa: RUF001
    return text.replace(".", ",").replace("тыс, ", "тыс. ") + f"не наблюдалось {unseen}."


def trend_sentence(statement: Statement, language: Language) -> str:
    """Say a trend in hectares a year with its confidence interval.

    Parameters
    ----------
    statement : Statement
        ``area_ha`` and its limits are of one year of the trend, from ``since`` to ``year``.
    language : "en" or "ru"

    Returns
    -------
    str
    """
    value, low, high, *units = _limits(statement)
    if language == "en":
        return (
            f"{_capital(statement.name)}: trend of {value} {units[0]} a year (95 %: {low} to {high})"
            f"{_years_en(statement)}."
        )
    name = _capital(RUSSIAN.get(statement.name.strip().lower(), f"«{statement.name}»"))
    text = f"{name}: тренд {value} {units[1]} в год (95 %: от {low} до {high}){_years_ru(statement)}"
    return text.replace(".", ",").replace("тыс, ", "тыс. ") + "."


def _limits(statement: Statement, *, counted: bool = False) -> tuple[str, str, str, str, str]:
    """Write a signed value and its limits with two digits of their distance, and the unit.

    A value that was counted keeps two digits of its own, however far its limits lie.
    """
    numbers = (statement.area_ha, statement.low_ha, statement.high_ha)
    reach = max(statement.high_ha - statement.area_ha, statement.area_ha - statement.low_ha)
    thousands = max(map(abs, numbers)) >= _THOUSAND_FROM_HA
    unit = 1000.0 if thousands else 1.0
    own_size, known = abs(statement.area_ha) / unit, reach / unit
    if known <= 0:
        known = max(own_size / 100, 10.0**-_FINEST_DIGITS)
    digits = min(1 - math.floor(math.log10(known)), _FINEST_DIGITS)
    value, low, high = (_signed(number / unit, digits) for number in numbers)
    if counted and own_size > 0:
        own = 1 - math.floor(math.log10(own_size))
        value = _signed(statement.area_ha / unit, max(digits, min(own, _FINEST_DIGITS)))
    return value, low, high, *_UNITS[thousands]


def _signed(value: float, digits: int) -> str:
    shown = round(value, digits) + 0.0  # a signed zero would be a loss of nothing
    text = f"{shown:+,.{max(digits, 0)}f}" if shown else "0"
    return text.replace(",", _THIN).replace("-", _MINUS)


def _years_en(statement: Statement) -> str:
    if statement.since:
        return f" from {statement.since} to {statement.year}"
    return f" in {statement.year}" if statement.year else ""


def _years_ru(statement: Statement) -> str:
    if statement.since:
        return f" с {statement.since} по {statement.year} год"  # noqa: RUF001  # Russian
    return f" в {statement.year} году" if statement.year else ""


def _number(statement: Statement, language: Language) -> tuple[str, str, str]:
    numbers = (statement.area_ha, statement.low_ha, statement.high_ha)
    below, above = statement.area_ha - statement.low_ha, statement.high_ha - statement.area_ha
    thousands = max(abs(statement.area_ha), below, above) >= _THOUSAND_FROM_HA
    unit = 1000.0 if thousands else 1.0
    value, low, high = (number / unit for number in numbers)
    return with_limits(value, low, high, language, signed=bool(statement.since)), *_UNITS[thousands]


def with_limits(
    value: float,
    low: float,
    high: float,
    language: Language,
    *,
    signed: bool = False,
    finest_digits: int = _FINEST_DIGITS,
) -> str:
    """Write a number and its limits, with as many digits as are known.

    Parameters
    ----------
    value, low, high : float
        In one unit.
    language : "en" or "ru"
    signed : bool
        Whether a number above 0 gets a plus.
    finest_digits : int
        Digits after the point at most.

    Returns
    -------
    str
        With a point for decimals, in both languages.
    """
    below, above = value - low, high - value
    reach = max(below, above)
    # two digits of what is not known are enough, and more would claim too much
    digits = min(1 - math.floor(math.log10(reach)), finest_digits) if reach > 0 else 0
    step = 10.0**-digits

    def shown(number: float) -> str:
        # a signed zero would be a loss of nothing
        text = f"{number + 0.0:,.{max(digits, 0)}f}".replace(",", _THIN).replace("-", _MINUS)
        return f"+{text}" if signed and number > 0 else text

    whole = shown(round(value, digits))
    if min(below, above) >= _EVEN_FROM * reach:
        return whole + f" ± {shown(math.ceil(reach / step - 1e-9) * step).removeprefix('+')}"
    low = math.floor(low / step + 1e-9) * step
    high = math.ceil(high / step - 1e-9) * step
    return whole + (
        f" ({shown(low)} to {shown(high)})" if language == "en" else f" (от {shown(low)} до {shown(high)})"
    )


def _percent(share: float, language: Language) -> str:
    if 0 < share < 1:
        return f"{'less than' if language == 'en' else 'менее'} 1 %"
    return f"{share:.0f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
