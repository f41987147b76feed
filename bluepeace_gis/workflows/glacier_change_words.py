"""What changed, in a sentence each, in English and in Russian, as both sides of a table say it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bluepeace_gis.analyses.areas.wording import Language, with_limits
from bluepeace_gis.analyses.glaciers import change, sums
from bluepeace_gis.analyses.glaciers.change import Definition

_KM2: Final = {"en": "km²", "ru": "км²"}
_FINEST_KM2, _FINEST_PCT = 3, 2
_VERDICTS: Final = {
    "en": {
        sums.LOSS: "a loss",
        sums.GAIN: "a gain",
        sums.NOT_DISTINGUISHABLE: "not distinguishable from no change",
        sums.NOT_COMPARED: "not compared",
    },
    "ru": {
        sums.LOSS: "сокращение",
        sums.GAIN: "увеличение",
        sums.NOT_DISTINGUISHABLE: "изменение не отличимо от нуля",
        sums.NOT_COMPARED: "сравнить нельзя",
    },
}
_DEFINITIONS_RU: Final = {
    "gamdam": "один из слоёв — RGI 7.0 региона 13 (GAMDAM2), где тонкий лёд крутых склонов не учтён",
    "methods": "один из слоёв получен программой bluepeace, другой — иным способом",
    "settings": "слои получены с разными настройками",  # noqa: RUF001  # Russian
    "cells": "слои получены по пикселям разного размера",
    "season": "между слоями меньше года: снег меняется сильнее, чем лёд",
}


def sentences(
    total: Mapping[str, Any],
    counts: Mapping[str, int],
    dates: tuple[str, str],
    definitions: Sequence[Definition],
    language: Language,
) -> list[str]:
    """Say the sum of all glaciers, how many shrank, and why it may not be change.

    Parameters
    ----------
    total : mapping
        The row "all" of the totals.
    counts : {verdict: number of glaciers}
    dates : (str, str)
        Of the two layers.
    definitions : sequence of Definition
    language : "en" or "ru"

    Returns
    -------
    list of str
    """
    area = with_limits(
        total["change_km2"], total["change_low_km2"], total["change_high_km2"], language,
        signed=True, finest_digits=_FINEST_KM2,
    )  # fmt: skip
    rate = ""
    if math.isfinite(total["pct_per_year"]):  # of ice that was there on the first date
        number = with_limits(
            total["pct_per_year"], total["pct_per_year_low"], total["pct_per_year_high"], language,
            signed=True, finest_digits=_FINEST_PCT,
        )  # fmt: skip
        rate = f", {number} % a year" if language == "en" else f", {number} % в год"  # Russian
    verdict = _VERDICTS[language][total["verdict"]]
    if language == "en":
        found = [
            (
                f"Glacier area changed by {area} {_KM2['en']} (95 %) from {dates[0]} to {dates[1]}{rate}: "
                f"{verdict}."
            ),
            "Of {} glaciers and groups {} lost area, {} gained, and of {} no change can be told from what "
            "the outlines may be wrong by{}.".format(*_counted(counts, "not compared")),
        ]
    else:
        found = [
            _russian(
                f"Площадь ледников: изменение на {area} {_KM2['ru']} (95 %) с {_day(dates[0])} по "  # noqa: RUF001
                f"{_day(dates[1])}{rate}: {verdict}.",
                dates,
            ),
            "Ледников и групп: {}; сократилось {}, увеличилось {}, изменение не отличимо от "
            "погрешности: {}{}.".format(*_counted(counts, "не сравнивалось")),
        ]
    return found + defined(definitions, language)


def series_sentences(
    counts: Mapping[str, int], since: str | None, language: Language, *, other_extents: int = 0
) -> list[str]:
    """Say of how many glaciers of a table of areas a change can be told.

    Parameters
    ----------
    counts : {verdict: number of glaciers}
    since : str or None
        The year from which areas were taken.
    language : "en" or "ru"
    other_extents : int
        Glaciers that change faster than ice can.

    Returns
    -------
    list of str
    """
    numbers = _counted(counts, "")
    if language == "en":
        from_then = f" since {since}" if since else ""
        text = (
            f"Of {{}} glaciers with areas of two dates{from_then} {{}} lost area, {{}} gained, and of {{}} "
            "no change can be told from what the areas may be wrong by."
        )
    else:
        from_then = f" начиная с {since} года" if since else ""  # noqa: RUF001  # Russian
        text = (
            f"Ледников с площадями на две даты{from_then}: {{}}; сократилось {{}}, "  # noqa: RUF001  # Russian
            "увеличилось {}, изменение не отличимо от погрешности: {}."
        )
    found = [text.format(*numbers[:4])]
    if other_extents and language == "en":
        found.append(f"Faster than ice can change, so that another extent was measured: {other_extents}.")
    elif other_extents:
        found.append(f"Быстрее возможного (измерялся, видимо, иной контур): {other_extents}.")
    return found


def defined(definitions: Sequence[Definition], language: Language) -> list[str]:
    """Say why a difference is not change.

    Parameters
    ----------
    definitions : sequence of Definition
    language : "en" or "ru"

    Returns
    -------
    list of str
        One sentence, or none.
    """
    if not definitions:
        return []
    if language == "en":
        return ["Not change alone: " + " ".join(each.reason for each in definitions)]
    return [
        "Это не только изменение ледников: "
        + "; ".join(_DEFINITIONS_RU[each.kind] for each in definitions)
        + "."
    ]


def _counted(counts: Mapping[str, int], silent: str) -> tuple[int, int, int, int, str]:
    """Count all that were compared, losses, gains, what cannot be told; and say how many were not."""
    three = [counts.get(each, 0) for each in (sums.LOSS, sums.GAIN, sums.NOT_DISTINGUISHABLE)]
    rest = counts.get(sums.NOT_COMPARED, 0)
    return sum(three), three[0], three[1], three[2], f"; {silent}: {rest}" if rest else ""


def _russian(text: str, dates: Sequence[str]) -> str:
    """Write decimals with a comma, but leave the points of dates."""
    for place, date in enumerate(dates):
        text = text.replace(_day(date), f"\0{place}")
    text = text.removesuffix(".").replace(".", ",") + "."
    for place, date in enumerate(dates):
        text = text.replace(f"\0{place}", _day(date))
    return text


def _day(date: str) -> str:
    """Write 2003-08-30 as 30.08.2003."""
    year, month, day = date.split("-")
    return f"{day}.{month}.{year}"


def status_counts(statuses: Sequence[str]) -> dict[str, int]:
    """Count what became of the glaciers.

    Parameters
    ----------
    statuses : sequence of str
        Of the clusters.

    Returns
    -------
    {status: number}
        In the order of the module that finds them.
    """
    order = (
        change.KEPT, change.SPLIT, change.MERGED, change.REARRANGED, change.VANISHED, change.NEW,
        change.OUTSIDE, change.HIDDEN, change.NO_TIME,
    )  # fmt: skip
    return {each: list(statuses).count(each) for each in order if each in statuses}
