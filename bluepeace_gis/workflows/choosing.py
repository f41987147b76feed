"""Which scenes take part in a season: by day, place, bands and clouds, and by what their pixels show."""

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import geopandas as gpd
import shapely

from bluepeace_gis.archive.observations import Quantity
from bluepeace_gis.archive.scenes import Scene, checks
from bluepeace_gis.errors import BadInput, BluepeaceError
from bluepeace_gis.geo.areas import densified
from bluepeace_gis.geo.flags import REJECTED_FOR_ICE, REJECTED_FOR_PLANTS, Flag
from bluepeace_gis.workflows.tiling import Statistic

log = logging.getLogger(__name__)

# Scenes are opened this many at a time: their disk, not the processor, is what is waited for.
READERS: Final = 4
# How far around the study area footprints may lie off, in degrees: those of metadata are coarse.
FOOTPRINT_MARGIN_DEGREES: Final = 0.1
# Notes on scenes that are told one by one.
DOUBTS_TOLD: Final = 5
TOLD_EVERY_S: Final = 0.5

Answer = TypeVar("Answer")
Span = tuple[float, float]
"""The shares of the whole work between which something is done."""


@dataclass(frozen=True)
class LeftOut:
    """A scene of the season that takes no part, and why."""

    name: str
    reason: str


def rejected_flags(reject: str | None, statistic: Statistic) -> Flag:
    """Read what makes an observation unclear.

    Parameters
    ----------
    reject : str or None
        Names of flags separated by commas; without it, what is usual for the statistic.
    statistic : str

    Returns
    -------
    Flag

    Raises
    ------
    BadInput
        If a name is no flag.
    """
    if reject is None:
        return REJECTED_FOR_ICE if statistic == "min-snow" else REJECTED_FOR_PLANTS
    known = {flag.name.lower(): flag for flag in Flag if flag.name is not None}
    rejected = Flag.FILL
    for word in filter(None, (part.strip().lower().replace("-", "_") for part in reject.split(","))):
        if word not in known:
            raise BadInput(
                f"--reject names {word!r}; expected some of {', '.join(sorted(known))}, separated by commas."
            )
        rejected |= known[word]
    return rejected


def choose(
    found: Sequence[Scene],
    quantity: Quantity,
    season: tuple[dt.date, dt.date],
    cloud_pct_max: float,
    polygons: gpd.GeoDataFrame | None,
) -> tuple[list[Scene], list[LeftOut]]:
    """Take the scenes of the season over the area that have the bands and are not too cloudy.

    Parameters
    ----------
    found : list of Scene
    quantity : Quantity
    season : (date, date)
        First and last day, UTC.
    cloud_pct_max : float, percent
        By the metadata; scenes that do not say are taken.
    polygons : GeoDataFrame or None
        The study area; everywhere without it.

    Returns
    -------
    chosen : list of Scene
    left_out : list of LeftOut
        Of the season and the area, but without the bands or with too many clouds.
    """
    near = None
    if polygons is not None:
        degrees = densified(polygons.geometry).to_crs("EPSG:4326")
        near = shapely.box(*degrees.total_bounds).buffer(FOOTPRINT_MARGIN_DEGREES)
    chosen: list[Scene] = []
    left_out: list[LeftOut] = []
    for scene in found:
        if not season[0] <= scene.time.astimezone(dt.UTC).date() <= season[1]:
            continue
        if near is not None and not scene.footprint.intersects(near):
            continue
        missing = [name for name in quantity.bands_of(scene) if name not in scene.bands]
        if missing:
            left_out.append(LeftOut(scene.name, f"has no band {', '.join(missing)}"))
        elif scene.cloud_share is not None and scene.cloud_share * 100 > cloud_pct_max:
            left_out.append(LeftOut(scene.name, f"has more than {cloud_pct_max:g} % of clouds"))
        else:
            chosen.append(scene)
    blind = [scene.name for scene in chosen if scene.quality is None]
    if blind:
        log.warning(
            "%d of %d scenes have no quality layer, first %s: their clouds cannot be told from land. "
            "Describe their quality codes beside them, or leave these scenes out.",
            len(blind),
            len(chosen),
            blind[0],
        )
    return chosen, left_out


def check(chosen: Sequence[Scene], quantity: Quantity, span: Span) -> tuple[list[Scene], list[LeftOut]]:
    """Look at some pixels of each scene; leave out those that are not what they say, and tell doubts.

    Parameters
    ----------
    chosen : list of Scene
    quantity : Quantity
    span : (float, float)
        For the progress.

    Returns
    -------
    kept : list of Scene
    left_out : list of LeftOut
    """

    def look(scene: Scene) -> tuple[checks.Finding, ...]:
        try:
            return checks.inspect(scene, quantity.bands_of(scene))
        except BluepeaceError as error:
            return (checks.Finding(str(error), stops=True),)

    kept: list[Scene] = []
    left_out: list[LeftOut] = []
    doubts: Counter[str] = Counter()
    example: dict[str, str] = {}
    for scene, findings in zip(chosen, each(look, chosen, "checking scenes", span), strict=True):
        stopping = [found.sentence for found in findings if found.stops]
        if stopping:
            left_out.append(LeftOut(scene.name, " ".join(stopping)))
            continue
        kept.append(scene)
        for found in findings:
            doubts[found.sentence] += 1
            example.setdefault(found.sentence, scene.name)
    for sentence, count in doubts.most_common(DOUBTS_TOLD):
        more = f" (and {count - 1} more scenes)" if count > 1 else ""
        log.warning("%s%s: %s", example[sentence], more, sentence)
    if len(doubts) > DOUBTS_TOLD:
        log.warning("%d more such notes; `bluepeace scenes` lists them all.", len(doubts) - DOUBTS_TOLD)
    return kept, left_out


def tell_left_out(left_out: Sequence[LeftOut]) -> None:
    """Warn of the scenes that take no part, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for scene in left_out:
        by_reason.setdefault(scene.reason, []).append(scene.name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 1} more scenes are" if len(names) > 1 else " is"
        log.warning("%s%s left out: %s", names[0], more, reason)


def none_left(found: Sequence[Scene], left_out: Sequence[LeftOut], season: tuple[dt.date, dt.date]) -> str:
    """Say why no scene takes part, and the way out."""
    first, last = season
    if left_out:
        return (
            f"None of {len(left_out)} scenes from {first} to {last} can be used; first {left_out[0].name}: "
            f"{left_out[0].reason.rstrip('.')}. Mend or replace them."
        )
    days = sorted(scene.time.astimezone(dt.UTC).date() for scene in found)
    return (
        f"None of {len(found)} scenes lies in the season from {first} to {last} and over the study area; "
        f"they were taken from {days[0]} to {days[-1]}. Choose other days or another area."
    )


def each(work: Callable[[Scene], Answer], chosen: Sequence[Scene], doing: str, span: Span) -> list[Answer]:
    """Do something for each scene, several at a time.

    Parameters
    ----------
    work : Scene -> anything
    chosen : list of Scene
    doing : str
        What is done, for the progress.
    span : (float, float)

    Returns
    -------
    list
        The answers, in the order of the scenes.
    """
    begin, end = span
    answers: list[Answer] = []
    told = 0.0
    with ThreadPoolExecutor(READERS) as pool:
        futures = [pool.submit(work, scene) for scene in chosen]
        try:
            for future in futures:
                answers.append(future.result())
                now = time.monotonic()
                if now - told < TOLD_EVERY_S and len(answers) < len(chosen):
                    continue
                told = now
                share = begin + (end - begin) * len(answers) / len(chosen)
                log.info("%s: %d of %d", doing, len(answers), len(chosen), extra={"done": share})
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return answers
