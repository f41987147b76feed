"""What can go wrong for a reason the caller can mend.

Each message says what was found, what was expected, and the way out, in one or two sentences: the
command prints it as it is and ends with ``exit_code``. Anything that is not a :class:`BluepeaceError`
is a fault of ours and ends with 1.
"""

from typing import ClassVar


class BluepeaceError(Exception):
    """The caller can mend this; the message says how."""

    exit_code: ClassVar[int] = 2


class BadInput(BluepeaceError):
    """A file, a layer, a column or a value is not what the question needs."""


class UnknownCrs(BadInput):
    """Coordinates without a coordinate reference system: no area can be stated."""


class GridMismatch(BadInput):
    """Two rasters that must lie on one grid do not."""


class OutsideGrid(BadInput):
    """A place lies outside the raster or where it holds no value."""


class NotWritten(BluepeaceError):
    """A product could not be written completely, so its name has not appeared."""


class SomeFailed(BluepeaceError):
    """Some tasks of a batch failed; what the others made is complete and in its place."""


class Cancelled(BluepeaceError):
    """The person or the program that started the work asked it to stop."""

    exit_code: ClassVar[int] = 3
