"""The table of seasons: which days of the year are spring and summer in which agro-zone."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bluepeace_gis.errors import BadInput

DEFAULT: Final = "default"
YEAR_DAYS: Final = 366
# 255 of the 8-bit index says that a cell lies outside.
MOST_ZONES: Final = 254

Window = tuple[int, int]


class AgroZone(BaseModel):
    """The seasons of one agro-zone, in days of the year from 1.

    Parameters
    ----------
    name : str
    spring, summer : (first, last) int
        When the canopy of winter crops, of summer crops is looked for; last included.
    green_by : int
        Trees and winter crops stand at half their height by this day, summer crops do not.
    ripe_by : int
        Winter crops have lost half their height by this day, trees have not.
    names : (str, ...)
        Other names of the zone.
    winter_onset, summer_onset : int or None
        When the seasons begin in the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    spring: Window
    summer: Window
    green_by: int = Field(ge=1, le=YEAR_DAYS)
    ripe_by: int = Field(ge=1, le=YEAR_DAYS)
    names: tuple[str, ...] = ()
    winter_onset: int | None = Field(default=None, ge=1, le=YEAR_DAYS)
    summer_onset: int | None = Field(default=None, ge=1, le=YEAR_DAYS)

    @field_validator("spring", "summer")
    @classmethod
    def _in_the_year(cls, window: Window) -> Window:
        first, last = window
        if not 1 <= first < last <= YEAR_DAYS:
            raise ValueError(
                f"found {first} to {last}; expected a first day before the last, 1 to {YEAR_DAYS}"
            )
        return window


@dataclass(frozen=True)
class Seasons:
    """The table of seasons.

    Parameters
    ----------
    zones : (k,) AgroZone
        The first applies where no other does.
    """

    zones: tuple[AgroZone, ...]

    @property
    def windows(self) -> NDArray[np.int32]:
        """First and last day of spring and of summer (k, 4) of the zones in their order."""
        return np.array([[*zone.spring, *zone.summer] for zone in self.zones], np.int32)

    @property
    def days(self) -> NDArray[np.int32]:
        """The days ``green_by`` and ``ripe_by`` (k, 2) of the zones in their order."""
        return np.array([[zone.green_by, zone.ripe_by] for zone in self.zones], np.int32)

    def place_of(self, name: Any) -> int:
        """Find the zone called ``name``; returns its place in ``zones``, 0 (the default) if there is none."""
        wanted = _folded(name)
        for place, zone in enumerate(self.zones[1:], 1):
            if wanted in {_folded(each) for each in (zone.name, *zone.names)}:
                return place
        return 0

    def index(self, burnt: NDArray[np.integer[Any]], names: Sequence[Any]) -> NDArray[np.uint8]:
        """Tell each cell its agro-zone.

        Parameters
        ----------
        burnt : (...) int
            The number of the polygon a cell lies in, from 1; 0 outside
            (:func:`bluepeace_gis.geo.zones.burn`).
        names : (n,) of any
            What each polygon is called.

        Returns
        -------
        (...) uint8
            Place in ``zones``; 0, the default, outside of all polygons and where the name is no zone's.

        Raises
        ------
        BadInput
            If there are more numbers than names.
        """
        places = np.array([0, *(self.place_of(name) for name in names)], np.uint8)
        if burnt.size and (burnt.min() < 0 or burnt.max() >= len(places)):
            raise BadInput(
                f"Found zones numbered {burnt.min()} to {burnt.max()}, but {len(names)} names; expected a "
                "name for each. Burn the same layer that the names come from."
            )
        found: NDArray[np.uint8] = places[burnt]
        return found

    def described(self) -> dict[str, dict[str, Any]]:
        """Tell the table as plain numbers for the provenance; returns {zone: {key: days}}."""
        return {
            zone.name: {
                "spring": list(zone.spring),
                "summer": list(zone.summer),
                "green_by": zone.green_by,
                "ripe_by": zone.ripe_by,
            }
            for zone in self.zones
        }


def read(text: str) -> Seasons:
    """Read a table of seasons.

    Parameters
    ----------
    text : str
        TOML with a table ``[default]`` and any number of ``[zone.NAME]``, as in ``seasons.toml`` beside this
        module; a zone takes from the default what it does not say.

    Returns
    -------
    Seasons

    Raises
    ------
    BadInput
        If it is not TOML, a key is unknown or missing, days do not lie in the year or in their order, or two
        zones share a name.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(
            f"The table of seasons is not TOML: {error}. Begin with a copy of the default."
        ) from error
    unknown = set(table) - {DEFAULT, "zone"}
    if (
        unknown
        or not isinstance(table.get(DEFAULT), Mapping)
        or not isinstance(table.get("zone", {}), Mapping)
    ):
        raise BadInput(
            f"The table of seasons has {', '.join(map(repr, sorted(table))) or 'nothing'}; expected the "
            "table [default] and tables [zone.NAME]. Begin with a copy of the default."
        )
    default = table[DEFAULT]
    zones = [_zone(DEFAULT, default)]
    for name, said in table.get("zone", {}).items():
        if not isinstance(said, Mapping):
            raise BadInput(f"Zone {name} of the seasons is {said!r}; expected a table: [zone.{name}].")
        inherited = {key: value for key, value in default.items() if key != "names"}
        zones.append(_zone(name, {**inherited, **said}))
    if len(zones) > MOST_ZONES:
        raise BadInput(
            f"Found {len(zones)} agro-zones; expected at most {MOST_ZONES}. Join those with the same days."
        )
    _refuse_shared_names(zones[1:])
    return Seasons(tuple(zones))


def shipped() -> Seasons:
    """Read the table that comes with the package; returns it as :class:`Seasons`."""
    return read(shipped_text())


def shipped_text() -> str:
    """Give the text of the table that comes with the package, to be copied and edited; returns TOML."""
    return resources.files(__package__).joinpath("seasons.toml").read_text(encoding="utf-8")


def _zone(name: str, said: Mapping[str, Any]) -> AgroZone:
    where = f"[{name}]" if name == DEFAULT else f"[zone.{name}]"
    try:
        zone = AgroZone.model_validate({**said, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"The seasons of {where} are wrong at {key}: {first['msg']} (found {first['input']!r}). Compare "
            "with the default table."
        ) from error
    if zone.spring[1] >= zone.summer[0]:
        raise BadInput(
            f"Spring of {where} ends on day {zone.spring[1]}, but summer begins on {zone.summer[0]}; "
            "expected summer after spring. Move one of them."
        )
    if not zone.spring[0] < zone.green_by < zone.ripe_by < zone.summer[1]:
        raise BadInput(
            f"{where} has green_by {zone.green_by} and ripe_by {zone.ripe_by}; expected them in this order "
            f"between the days {zone.spring[0]} and {zone.summer[1]} of its windows."
        )
    if zone.winter_onset is not None and zone.winter_onset <= zone.summer[1]:
        raise BadInput(
            f"Summer of {where} ends on day {zone.summer[1]}, after the onset of winter crops on "
            f"{zone.winter_onset}; expected it to end before. Next year's crop would count as this year's."
        )
    return zone


def _refuse_shared_names(zones: Sequence[AgroZone]) -> None:
    owner: dict[str, str] = {}
    for zone in zones:
        for name in {_folded(each) for each in (zone.name, *zone.names)}:
            if name in owner:
                raise BadInput(
                    f"Two agro-zones are called {name!r}: {owner[name]} and {zone.name}; expected each name "
                    "once."
                )
            owner[name] = zone.name


def _folded(name: Any) -> str:
    return " ".join(str(name).split()).casefold()
