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


def _years_en(statement: Statement) -> str:
    if statement.since:
        return f" from {statement.since} to {statement.year}"
    return f" in {statement.year}" if statement.year else ""


def _years_ru(statement: Statement) -> str:
    if statement.since:
        return f" с {statement.since} по {statement.year} год"  # noqa: RUF001  # Russian
    return f" в {statement.year} году" if statement.year else ""


def _number(statement: Statement, language: Language) -> tuple[str, str, str]:
    below, above = statement.area_ha - statement.low_ha, statement.high_ha - statement.area_ha
    reach = max(below, above)
    thousands = max(abs(statement.area_ha), reach) >= _THOUSAND_FROM_HA
    unit = 1000.0 if thousands else 1.0
    # two digits of what is not known are enough, and more would claim too much
    digits = min(1 - math.floor(math.log10(reach / unit)), _FINEST_DIGITS) if reach > 0 else 0
    step = 10.0**-digits

    def shown(value: float) -> str:
        # a signed zero would be a loss of nothing
        text = f"{value + 0.0:,.{max(digits, 0)}f}".replace(",", _THIN).replace("-", _MINUS)
        return f"+{text}" if statement.since and value > 0 else text

    whole = shown(round(statement.area_ha / unit, digits))
    if min(below, above) >= _EVEN_FROM * reach:
        whole += f" ± {shown(math.ceil(reach / unit / step - 1e-9) * step).removeprefix('+')}"
    else:
        low = shown(math.floor(statement.low_ha / unit / step + 1e-9) * step)
        high = shown(math.ceil(statement.high_ha / unit / step - 1e-9) * step)
        whole += f" ({low} to {high})" if language == "en" else f" (от {low} до {high})"
    return whole, *_UNITS[thousands]


def _percent(share: float, language: Language) -> str:
    if 0 < share < 1:
        return f"{'less than' if language == 'en' else 'менее'} 1 %"
    return f"{share:.0f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
