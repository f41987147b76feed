"""What a command hands back to who asked."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """What was made.

    Parameters
    ----------
    outputs : {option or kind: path}
        ``out`` is the product, the others lie beside it.
    numbers : {name: number}
        The figures worth a line; names carry their unit.
    sentences : (str, ...)
        The answer in words, for people.
    """

    outputs: dict[str, Path] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
