"""Sentences on a map of irrigated land, in English and in Russian, as both sides of a table say them."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from bluepeace_gis.analyses.areas.wording import LANGUAGES, Language
from bluepeace_gis.analyses.irrigation import defaults

_THIN: Final = "\N{NARROW NO-BREAK SPACE}"
# Zones of whom a sentence is said, the ones with most irrigated land; all stand in the table.
ZONES_TOLD: Final = 6


def said(table: pd.DataFrame, year: int) -> dict[Language, list[str]]:
    """Say the areas of a map, how far thresholds move them, and what was not observed.

    Parameters
    ----------
    table : DataFrame
        As ``ZoneSums.table``.
    year : int

    Returns
    -------
    {"en", "ru"}
        As many sentences each: the whole, the largest units, what the range is not.
    """
    whole = table[table["level"] == "all"].iloc[0]
    parts = table[table["level"] != "all"]
    if len(parts):
        level = next((level for level in parts["level"] if level != "zone"), "zone")
        parts = parts[parts["level"] == level]
    parts = parts.sort_values("map_area_ha", ascending=False, kind="stable").head(ZONES_TOLD)
    found: dict[Language, list[str]] = {}
    for language in LANGUAGES:
        rows = [("", whole), *((str(row["zone"]), row) for _, row in parts.iterrows())]
        found[language] = [_area(name, row, year, language) for name, row in rows] + [_caution(language)]
    return found


def _area(name: str, row: "pd.Series[float]", year: int, language: Language) -> str:
    value, low, high = (_hectares(row[column]) for column in ("map_area_ha", "low_ha", "high_ha"))
    unseen, unsure = (_percent(row[column], language) for column in ("unobserved_pct", "uncertain_pct"))
    if language == "en":
        where = f"{name}: i" if name else "I"
        tail = "" if row["uncertain_pct"] == 0 else f", {unsure} uncertain"
        return (
            f"{where}rrigated land on the map of {year}: {value} ha, {low} to {high} ha with other "
            f"thresholds; {unseen} not observed{tail}."
        )
    where = f"{name}: о" if name else "О"  # noqa: RUF001  # Russian
    tail = "" if row["uncertain_pct"] == 0 else f", орошение не установлено на {unsure}"
    return (
        f"{where}рошаемые земли по карте {year} года: {value} га, при других порогах от {low} до {high} га; "  # noqa: RUF001
        f"не наблюдалось {unseen}{tail}."
    )


def _caution(language: Language) -> str:
    by = f"{defaults.SENSITIVITY:.2f}"
    if language == "en":
        return (
            f"The range tells what thresholds of NDVI higher or lower by {by} make of the map; it is no "
            "confidence interval. An area with one comes from points drawn on the map and judged: bluepeace "
            "sample-points, then bluepeace area."
        )
    return (
        f"Пределы показывают, что дают пороги NDVI, сдвинутые на {by.replace('.', ',')} вверх и вниз; это не "
        "доверительный интервал. Площадь с доверительным интервалом дают точки, отобранные по карте и "  # noqa: RUF001
        "проверенные: bluepeace sample-points, затем bluepeace area."
    )


def _hectares(number: float) -> str:
    text = f"{number:,.0f}" if number >= 100 else f"{number:.1f}"  # digits that are worth it
    return text.replace(",", _THIN)


def _percent(share: float, language: Language) -> str:
    if 0 < share < 1:
        return "less than 1 %" if language == "en" else "менее 1 %"
    return f"{share:.0f} %"


def told(sentences: Mapping[Language, list[str]]) -> tuple[str, ...]:
    """Put the sentences of both languages beside each other."""
    return tuple(each for pair in zip(*sentences.values(), strict=True) for each in pair)


def of_fields(numbers: Mapping[str, float], fields: int, year: int) -> dict[Language, list[str]]:
    """Say how many fields were irrigated; returns one sentence in each language."""
    crop, bare, unseen = (
        round(numbers[f"fields {name}"]) for name in ("irrigated", "not irrigated", "not observed")
    )
    return {
        "en": [
            f"Of {fields} fields {crop} were irrigated in {year}, {bare} were not, {unseen} not observed."
        ],
        "ru": [
            (
                f"Из полей таблицы ({fields}) в {year} году орошались {crop}, не орошались {bare}, "
                f"не наблюдались {unseen}."
            )
        ],
    }
