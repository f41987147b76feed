"""Blocks of a printed sheet, measured in millimetres before they are drawn: headings, legends, tables, texts.

A block knows how high it is in a given width, so that the sheet can choose the size of the letters at which
everything has room. Letters are measured by the font itself, not by pixels: a PDF prints them so.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from bluepeace_gis.maps import frame, styles

FONT: Final = "DejaVu Sans"
MM_PER_POINT: Final = 25.4 / 72
LINE_SPACING: Final = 1.28
# Sizes of letters in points, before the factor of the sheet.
TITLE_PT: Final = 14.0
SUBTITLE_PT: Final = 8.5
HEADING_PT: Final = 8.6
TEXT_PT: Final = 7.5
FINE_PT: Final = 6.6
SMALLEST_PT: Final = 6.0  # smaller letters do not survive a photocopier
SYMBOL_MM: Final = 7.0
GAP_MM: Final = 2.6
CELL_GAP_MM: Final = 2.0
MOST_HEADING_MM: Final = 22.0
_RULE: Final = "#8a8a8a"
_DASHES: Final[dict[str, Any]] = {
    "solid": "solid",
    "dash": (0, (5, 2.2)),
    "dot": (0, (1, 1.4)),
    "dash dot": (0, (6, 2, 1, 2)),
}
_PATHS: Final = TextToPath()


def dashes(name: str) -> Any:
    """Return the line style of matplotlib for the name of a dash in :mod:`styles`."""
    return _DASHES[name]


def text_width(text: str, size_pt: float, weight: str = "normal") -> float:
    """Measure a text in one line, in millimetres."""
    return _unit_width(text, weight) * size_pt * MM_PER_POINT


@functools.lru_cache(maxsize=8192)
def _unit_width(text: str, weight: str) -> float:
    size = 100.0
    font = FontProperties(family=FONT, weight=weight, size=size)
    width, _, _ = _PATHS.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / size


def line_height(size_pt: float) -> float:
    """Return the height of a line of text in millimetres."""
    return size_pt * MM_PER_POINT * LINE_SPACING


def wrapped(text: str, width_mm: float, size_pt: float, weight: str = "normal") -> list[str]:
    """Break a text into lines that fit a width; a word that is too long is cut, never lost.

    Parameters
    ----------
    text : str
    width_mm : float
    size_pt : float
    weight : str
        Of the font.

    Returns
    -------
    list of str
        At least one.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if text_width(longer, size_pt, weight) <= width_mm:
                line = longer
                continue
            if line:
                lines.append(line)
            *full, line = _cut(word, width_mm, size_pt, weight)
            lines.extend(full)
        lines.append(line)
    return lines


def _cut(word: str, width_mm: float, size_pt: float, weight: str) -> Iterator[str]:
    while len(word) > 1 and text_width(word, size_pt, weight) > width_mm:
        fits = next(
            (count for count in range(len(word) - 1, 0, -1)
             if text_width(word[:count], size_pt, weight) <= width_mm), 1,
        )  # fmt: skip
        yield word[:fits]
        word = word[fits:]
    yield word


class Block(Protocol):
    """A part of a column that knows its height."""

    def height(self, width_mm: float, factor: float) -> float:
        """Tell how high it is, millimetres, with letters ``factor`` times their size."""

    def draw(self, paper: Axes, x: float, y: float, width_mm: float, factor: float) -> None:
        """Draw it below ``y``; the unit of the paper is the millimetre, from the upper left corner."""


@dataclass(frozen=True)
class Words:
    """A heading or a paragraph."""

    text: str
    size_pt: float = TEXT_PT
    weight: str = "normal"
    colour: str = styles.INK
    style: str = "normal"

    def _lines(self, width_mm: float, factor: float) -> list[str]:
        return wrapped(self.text, width_mm, self.size_pt * factor, self.weight)

    def height(self, width_mm: float, factor: float) -> float:
        return len(self._lines(width_mm, factor)) * line_height(self.size_pt * factor)

    def draw(self, paper: Axes, x: float, y: float, width_mm: float, factor: float) -> None:
        size = self.size_pt * factor
        for number, line in enumerate(self._lines(width_mm, factor)):
            write(paper, x, y + number * line_height(size), line, size, weight=self.weight,
                  color=self.colour, style=self.style)  # fmt: skip


def heading(text: str) -> Words:
    """Make the heading of a column's part."""
    return Words(text, HEADING_PT, "bold")


def write(paper: Axes, x: float, y: float, text: str, size_pt: float, **look: Any) -> None:
    """Write one line whose upper edge is ``y``, both in millimetres from the upper left corner."""
    baseline = y + 0.98 * size_pt * MM_PER_POINT
    paper.text(x, baseline, text, size=size_pt, va="baseline", **look)


@dataclass(frozen=True)
class Key:
    """One row of the legend: a symbol and what it means in each language."""

    texts: Sequence[str]
    kind: Literal["polygon", "line", "point"]
    fill: str | None = None
    outline: str = styles.INK
    width_mm: float = 0.3
    dash: str = "solid"
    layer: str = ""

    def _lines(self, width_mm: float, factor: float) -> list[str]:
        room, size = width_mm - SYMBOL_MM - 2, TEXT_PT * factor
        together = " / ".join(self.texts)
        if text_width(together, size) <= room:
            return [together]
        return [line for text in self.texts for line in wrapped(text, room, size)]

    def height(self, width_mm: float, factor: float) -> float:
        return len(self._lines(width_mm, factor)) * line_height(TEXT_PT * factor) + 0.7

    def draw(self, paper: Axes, x: float, y: float, width_mm: float, factor: float) -> None:
        size = TEXT_PT * factor
        middle = y + line_height(size) / 2
        if self.kind == "polygon":
            paper.add_patch(
                Rectangle(
                    (x + 0.3, middle - 1.3), SYMBOL_MM - 0.6, 2.6, facecolor=self.fill or "none",
                    edgecolor=self.outline, linewidth=self.width_mm / MM_PER_POINT,
                    linestyle=dashes(self.dash),
                )
            )  # fmt: skip
        elif self.kind == "line":
            paper.add_line(
                Line2D(
                    [x, x + SYMBOL_MM], [middle, middle], color=self.fill or self.outline,
                    linewidth=self.width_mm / MM_PER_POINT, linestyle=dashes(self.dash),
                    dash_capstyle="butt",
                )
            )  # fmt: skip
        else:
            look = frame.marker(self.layer)
            paper.plot([x + SYMBOL_MM / 2], [middle], **look | {"markersize": 0.8 * look["markersize"]})
        for number, line in enumerate(self._lines(width_mm, factor)):
            write(paper, x + SYMBOL_MM + 2, y + number * line_height(size), line, size)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Parameters
    ----------
    cells : (str, ...)
    strong : bool
        In bold letters.
    swatch : str or None
        The colour that the row has on the map.
    head : bool
        The first of rows that belong together; a table is cut only before such a row.
    """

    cells: tuple[str, ...]
    strong: bool = False
    swatch: str | None = None
    head: bool = True


@dataclass(frozen=True)
class Table:
    """Numbers in columns: the first to the left, the others to the right.

    Parameters
    ----------
    headings : ((str, ...), ...)
        For each column its heading in each language.
    rows : (Row, ...)
    more : callable
        Says in a line how many are left out: ``more(3)``.
    most_height_mm : float
        Rows beyond it are left out.
    """

    headings: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    more: Any
    most_height_mm: float = math.inf

    def shown(self, width_mm: float, factor: float) -> int:
        """Count the rows that have room; a cut lies before the head of a group."""
        room = self.most_height_mm - self._head_height(width_mm, factor)
        row = self._row_height(factor)
        fits = math.floor(room / row + 1e-9) if math.isfinite(room) else len(self.rows)
        if fits >= len(self.rows):
            return len(self.rows)
        fits = max(0, fits - 1)  # the last line says what is left out
        while fits > 0 and not self.rows[fits].head:
            fits -= 1
        return fits

    def _row_height(self, factor: float) -> float:
        return line_height(TEXT_PT * factor) + 0.25

    def _columns(self, width_mm: float, factor: float) -> list[float]:
        """Right edges of the columns; numbers take what they need, names the rest."""
        size = TEXT_PT * factor
        needed = [
            max(
                [text_width(row.cells[place], size, "bold" if row.strong else "normal") for row in self.rows]
                + [_heading_width(texts, FINE_PT * factor)]
            )
            for place, texts in enumerate(self.headings)
        ]
        edges = [width_mm]
        for width in reversed(needed[1:]):
            edges.append(edges[-1] - width - CELL_GAP_MM)
        return edges[::-1]

    def _headings(self, width_mm: float, factor: float) -> list[list[str]]:
        edges = [0.0, *self._columns(width_mm, factor)]
        size = FINE_PT * factor
        rooms = [
            edges[place + 1] - edges[place] - (CELL_GAP_MM if place else 0) + 0.1
            for place in range(len(self.headings))
        ]
        return [
            [line for text in dict.fromkeys(texts) for line in wrapped(text, rooms[place], size)]
            for place, texts in enumerate(self.headings)
        ]  # fmt: skip

    def _head_height(self, width_mm: float, factor: float) -> float:
        lines = max(len(texts) for texts in self._headings(width_mm, factor))
        return lines * line_height(FINE_PT * factor) + 1.0

    def height(self, width_mm: float, factor: float) -> float:
        shown = self.shown(width_mm, factor)
        more = 1 if shown < len(self.rows) else 0
        return self._head_height(width_mm, factor) + (shown + more) * self._row_height(factor) + 0.5

    def draw(self, paper: Axes, x: float, y: float, width_mm: float, factor: float) -> None:
        fine, size = FINE_PT * factor, TEXT_PT * factor
        edges = self._columns(width_mm, factor)
        headings = self._headings(width_mm, factor)
        head = self._head_height(width_mm, factor)
        for place, lines in enumerate(headings):
            across: dict[str, Any] = (
                {"x": x + edges[place], "ha": "right"} if place else {"x": x, "ha": "left"}
            )
            top = y + head - 1.0 - len(lines) * line_height(fine)
            for number, line in enumerate(lines):
                write(paper, y=top + number * line_height(fine), text=line, size_pt=fine,
                      color=frame.NOTE, **across)  # fmt: skip
        depth = y + head
        paper.add_line(Line2D([x, x + width_mm], [depth - 0.5] * 2, color=_RULE, linewidth=0.6))
        shown = self.shown(width_mm, factor)
        for row in self.rows[:shown]:
            self._draw_row(paper, row, (x, depth), edges, size)
            depth += self._row_height(factor)
        if shown < len(self.rows):
            left = sum(row.head for row in self.rows[shown:])
            write(paper, x, depth, fitting(self.more(left), width_mm, size), size, style="italic")

    def _draw_row(
        self, paper: Axes, row: Row, place: tuple[float, float], edges: Sequence[float], size: float
    ) -> None:
        x, y = place
        weight = "bold" if row.strong else "normal"
        indent = 0.0
        if row.swatch is not None:
            indent = 4.2
            paper.add_patch(
                Rectangle(
                    (x, y + 0.55), 3.2, size * MM_PER_POINT * 0.8, facecolor=row.swatch,
                    edgecolor=styles.INK, linewidth=0.5,
                )
            )  # fmt: skip
        elif not row.head:
            indent = 4.2
        name = fitting(row.cells[0], edges[0] - indent, size, weight)
        write(paper, x + indent, y, name, size, weight=weight)
        for edge, cell in zip(edges[1:], row.cells[1:], strict=True):
            write(paper, x + edge, y, cell, size, weight=weight, ha="right")


def _heading_width(texts: Sequence[str], size_pt: float) -> float:
    """Find the width in which each heading takes two lines at most, if that is not too wide."""
    longest = max(text_width(word, size_pt) for text in texts for word in text.split(" "))
    width = longest
    while width < MOST_HEADING_MM and any(len(wrapped(text, width, size_pt)) > 2 for text in texts):
        width += 0.5
    return width + 0.1


def fitting(text: str, width_mm: float, size_pt: float, weight: str = "normal") -> str:
    """Return the text, or as much of it as fits with an ellipsis."""
    if text_width(text, size_pt, weight) <= width_mm:
        return text
    while text and text_width(text + "…", size_pt, weight) > width_mm:
        text = text[:-1]
    return text.rstrip() + "…"


@dataclass(frozen=True)
class Space:
    """Nothing, so high."""

    mm: float = GAP_MM

    def height(self, width_mm: float, factor: float) -> float:  # noqa: ARG002  # as every block
        return self.mm

    def draw(self, paper: Axes, x: float, y: float, width_mm: float, factor: float) -> None:
        """Leave it empty."""


def total(blocks: Sequence[Block], width_mm: float, factor: float) -> float:
    """Add up the heights of blocks, in millimetres."""
    return sum(block.height(width_mm, factor) for block in blocks)


def flow(
    paper: Axes, blocks: Sequence[Block], place: tuple[float, float], width_mm: float, factor: float
) -> float:
    """Draw blocks one below the other; returns where they end."""
    x, y = place
    for block in blocks:
        block.draw(paper, x, y, width_mm, factor)
        y += block.height(width_mm, factor)
    return y
