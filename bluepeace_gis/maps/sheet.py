"""The printed sheet: one map with all that a reader at a negotiating table asks of it.

Title and date of the data, legend, boundaries by their status, scale bar, true north, graticule, locator,
projection, numbers with their intervals, uncertainty in words, sources, date of production and a disclaimer.
What differs from question to question is a :class:`Subject`; everything else is alike on every sheet.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import geopandas as gpd
import matplotlib as mpl
import pyproj
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from shapely.geometry.base import BaseGeometry

from bluepeace_gis.maps import frame, styles
from bluepeace_gis.maps.sheet_layout import (
    FINE_PT,
    GAP_MM,
    HEADING_PT,
    SUBTITLE_PT,
    TITLE_PT,
    Block,
    Key,
    Space,
    Table,
    Words,
    flow,
    heading,
    line_height,
    total,
    wrapped,
)
from bluepeace_gis.maps.sheet_map import (
    BOUNDARY_COLOUR,
    BOUNDARY_DASHES,
    BOUNDARY_WIDTHS_MM,
    DEGREES,
    PICTURE_DPI,
    STATUSES,
    Canvas,
    degrees_in_words,
    draw_boundaries,
    draw_graticule,
    draw_locator,
    draw_scale_and_north,
    equal_area_around,
    fitted_view,
    keep_searchable,
    name_countries,
    on_map,
)
from bluepeace_gis.maps.texts import Texts, figure, unreviewed

Page = Literal["A4", "A3"]
Orientation = Literal["landscape", "portrait"]

PAGES_MM: Final = {"A4": (210.0, 297.0), "A3": (297.0, 420.0)}  # ISO 216, upright
FORMATS: Final = {".pdf": "pdf", ".png": "png", ".svg": "svg"}
MARGIN_MM: Final = 9.0  # what office printers leave white
DEGREES_MM: Final = 4.5  # beside the map, for the names of its graticule
PANEL_SHARE: Final = 0.305  # of the width of a page, beside the map
LOWER_SHARE: Final = 0.42  # of the height of an upright page, below the map, at most
LOCATOR_MM: Final = (42.0, 30.0)
LATER_SHARE: Final = 0.36  # of the room for tables, for those behind the first
# On a larger page letters grow, but less than the page: there is room for more.
PAGE_FACTORS: Final = {"A4": 1.0, "A3": 1.22}
# Tried one after the other until everything has room.
FACTORS: Final = (1.0, 0.97, 0.94, 0.91)
_LOOK: Final[Any] = {
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,  # whole letters, so that a reader can search and copy
    "svg.fonttype": "path",  # alike where the font is not installed
    "svg.hashsalt": "bluepeace",
    "text.parse_math": False,  # a dollar sign in a name is no formula
    "axes.linewidth": 0.7,
}


class Subject(Protocol):
    """What a sheet shows: its layers, its numbers and its words."""

    def focus(self) -> gpd.GeoSeries:
        """Tell what must be seen whole."""

    def draw(self, canvas: Canvas) -> BaseGeometry:
        """Draw the layers and ask for labels; returns what the scale bar should not hide."""

    def keys(self) -> Sequence[Key]:
        """Explain the layers."""

    def tables(self) -> Sequence[tuple[str, Table]]:
        """Give the numbers, each table with its title, the most important first."""

    def uncertainty(self) -> Sequence[str]:
        """Say in a paragraph a language how sure the numbers are."""


@dataclass(frozen=True)
class Facts:
    """What every sheet must say.

    Parameters
    ----------
    title, subtitle : (str, ...)
        A line a language.
    source, body : (str, ...)
        Where the data come from, and whose endorsement the map does not imply: once, or in each language.
    produced : date
    version : str
    product : str
        Its name.
    boundary_file, status_field : str
    not_boundaries : (str, ...)
        Kinds of lines of that file that are no boundaries between countries.
    """

    title: Sequence[str]
    subtitle: Sequence[str]
    source: Sequence[str]
    body: Sequence[str]
    produced: dt.date
    version: str
    product: str
    boundary_file: str
    status_field: str
    not_boundaries: Sequence[str] = ()


@dataclass(frozen=True)
class Drawn:
    """What became of a sheet.

    Parameters
    ----------
    scale : float
        The denominator.
    crs : CRS
    footprint : Polygon in ``crs``
    left_out : (str, ...)
        Labels for which the map had no room.
    statuses : (str, ...)
        Of the boundaries that are seen.
    rows_left_out : int
        Of the tables.
    overflow_mm : float
        By how much what stands beside or below the map is higher than its place; negative where all is well.
    """

    scale: float
    crs: pyproj.CRS
    footprint: BaseGeometry
    left_out: tuple[str, ...]
    statuses: tuple[str, ...]
    rows_left_out: int
    overflow_mm: float


@dataclass(frozen=True)
class _Frame:
    """Where the parts of a sheet lie, in millimetres from its upper left corner."""

    width: float
    height: float
    map: tuple[float, float, float, float]  # left, top, width, height
    columns: tuple[tuple[float, float, float, float], ...]
    foot: float  # its upper edge


def draw_sheet(
    path: Path | str,
    subject: Subject,
    facts: Facts,
    *,
    texts: Texts,
    boundaries: gpd.GeoDataFrame,
    countries: gpd.GeoDataFrame | None = None,
    country_field: str = "name",
    page: Page = "A4",
    orientation: Orientation | None = None,
    crs: pyproj.CRS | None = None,
) -> Drawn:
    """Draw a sheet and write it as PDF, PNG or SVG, by the ending of its name.

    Parameters
    ----------
    path : path
        Ends with .pdf, .png or .svg.
    subject : Subject
    facts : Facts
    texts : Texts
        Its languages.
    boundaries : lines with ``status`` agreed, unverified or disputed
    countries : polygons with ``country_field``, optional
        Their names are written into the map.
    country_field : str
    page : "A4" or "A3"
    orientation : "landscape" or "portrait", optional
        Without it the way that shows more detail.
    crs : CRS, optional
        Projected, in metres; the azimuthal equal-area projection of Lambert for the place otherwise.

    Returns
    -------
    Drawn

    Notes
    -----
    The page has its exact size, fonts are embedded as TrueType, and letters are never smaller than
    :data:`sheet_layout.SMALLEST_PT`. The same content on the same day gives the same bytes.
    """
    target = Path(path)
    focus = subject.focus()
    own = equal_area_around(tuple(focus.to_crs(DEGREES).total_bounds)) if crs is None else crs
    with frame.look(), mpl.rc_context(_LOOK):
        factor = PAGE_FACTORS[page]
        foot = _foot(facts, texts, _projection_name(own, texts))
        shapes = on_map(focus, own)
        ways: list[Orientation] = ["landscape", "portrait"] if orientation is None else [orientation]
        found = []
        for way in ways:
            feet = _feet(foot, subject, texts, way)
            place = _frame_of(page, way, facts, feet, factor, subject, texts)
            column = (len(place.columns), *place.columns[0][2:])
            trial = _columns(subject, texts, STATUSES, column, factor)
            view, scale = fitted_view(shapes, own, place.map[2], place.map[3])
            found.append(((trial.height > column[2], trial.rows_left_out > 0, scale), place, feet, view))
        # of both ways to lie, the one that leaves out no number, and of these the one with more detail
        (_, _, scale), places, feet, view = min(found, key=lambda each: each[0])
        size = (places.width / 25.4, places.height / 25.4)
        figure_ = Figure(figsize=size, dpi=PICTURE_DPI, facecolor=styles.PAPER)
        FigureCanvasAgg(figure_)
        paper = _paper(figure_, places.width, places.height)
        axes = _axes(figure_, places, places.map)
        frame.limit(axes, view)
        canvas = Canvas(axes, own, view, places.map[2], scale, texts, factor)
        ink = subject.draw(canvas)
        draw_graticule(canvas)
        statuses = draw_boundaries(canvas, boundaries)
        draw_scale_and_north(canvas, ink)
        if countries is not None:
            name_countries(canvas, countries, country_field, boundaries)
        canvas.write_names()
        frame.limit(axes, view)
        _draw_head(paper, facts, places, factor)
        sizes = (len(places.columns), *places.columns[0][2:])
        columns = _columns(subject, texts, statuses, sizes, factor)
        _draw_columns(figure_, paper, places, columns, canvas, boundaries, factor)
        _draw_foot(paper, places, feet, texts.line("scale", number=figure(scale), page=page), factor)
        for each in figure_.axes:
            keep_searchable(each)
        _save(figure_, target, facts)
    return Drawn(
        scale,
        own,
        view.box,
        tuple(canvas.left_out),
        statuses,
        columns.rows_left_out,
        columns.height - sizes[2],
    )


# The page


def _paper(figure_: Figure, width: float, height: float) -> Axes:
    """Give axes over the whole page whose unit is the millimetre, from the upper left corner."""
    paper = figure_.add_axes((0, 0, 1, 1), zorder=-1)
    paper.set_axis_off()
    paper.set_xlim(0, width)
    paper.set_ylim(height, 0)
    return paper


def _axes(figure_: Figure, places: _Frame, box: tuple[float, float, float, float]) -> Axes:
    left, top, width, height = box
    return figure_.add_axes(
        (
            left / places.width,
            1 - (top + height) / places.height,
            width / places.width,
            height / places.height,
        )
    )


def _frame_of(
    page: Page,
    orientation: Orientation,
    facts: Facts,
    feet: Sequence[list[Block]],
    factor: float,
    subject: Subject,
    texts: Texts,
) -> _Frame:
    width, height = PAGES_MM[page] if orientation == "portrait" else PAGES_MM[page][::-1]
    inner = width - 2 * MARGIN_MM
    head = _head_height(facts, inner, factor)
    top = MARGIN_MM + head + DEGREES_MM
    foot_height = _foot_height(feet, inner, factor) + line_height(FINE_PT * factor)
    bottom = height - MARGIN_MM - foot_height - 2.0
    left = MARGIN_MM + DEGREES_MM - 1.0
    if orientation == "landscape":
        panel = PANEL_SHARE * width
        map_width = width - MARGIN_MM - panel - 5.0 - left
        column = (left + map_width + 5.0, top - DEGREES_MM + 1.0, panel, bottom - top + DEGREES_MM - 1.0)
        return _Frame(width, height, (left, top, map_width, bottom - top), (column,), bottom + 2.0)
    gap = 6.0
    column_width = (inner - gap) / 2
    most = LOWER_SHARE * height
    needed = _columns(subject, texts, STATUSES, (2, column_width, most), factor).height
    lower = min(needed + 1.0, most)
    map_height = bottom - top - lower - 3.0
    columns = tuple(
        (MARGIN_MM + number * (column_width + gap), top + map_height + 3.0, column_width, lower)
        for number in (0, 1)
    )
    return _Frame(width, height, (left, top, width - MARGIN_MM - left, map_height), columns, bottom + 2.0)


def _head_height(facts: Facts, width: float, factor: float) -> float:
    return sum(
        len(wrapped(text, width, size * factor, weight)) * line_height(size * factor)
        for texts, size, weight in _head(facts)
        for text in texts
    )


def _head(facts: Facts) -> tuple[tuple[Sequence[str], float, str], ...]:
    # the second language is a little smaller, so that two titles read as one
    first, *others = facts.title
    return (
        ((first,), TITLE_PT, "bold"),
        (others, 0.78 * TITLE_PT, "bold"),
        ((" / ".join(facts.subtitle),), SUBTITLE_PT, "normal"),
    )


def _draw_head(paper: Axes, facts: Facts, places: _Frame, factor: float) -> None:
    blocks = [Words(text, size, weight) for texts, size, weight in _head(facts) for text in texts]
    flow(paper, blocks, (MARGIN_MM, MARGIN_MM - 1.5), places.width - 2 * MARGIN_MM, factor)


# Legend, numbers and words


def _legend(subject: Subject, texts: Texts, statuses: Sequence[str]) -> list[Block]:
    keys: list[Block] = [heading(texts.line("legend")), Space(0.8), *subject.keys()]
    keys += [
        Key(
            texts.each(status), "line", fill=BOUNDARY_COLOUR, width_mm=BOUNDARY_WIDTHS_MM[status],
            dash=BOUNDARY_DASHES[status],
        )
        for status in statuses
    ]  # fmt: skip
    if not statuses:
        keys += [Words(text, style="italic") for text in texts.each("no_boundary")]
    return [*keys, Space()]


def _words(subject: Subject, texts: Texts) -> list[Block]:
    paragraphs: list[Block] = [Words(text, FINE_PT + 0.3) for text in subject.uncertainty()]
    return [heading(texts.line("uncertainty")), Space(0.5), *paragraphs, Space()]


def _numbers(tables: Sequence[tuple[str, Table]], room: float, width: float, factor: float) -> list[Block]:
    """Give each table its room: all they need, or the later ones at least a third of what there is."""
    heads = [total([heading(title), Space(0.5), Space()], width, factor) for title, _ in tables]
    needs = [head + table.height(width, factor) for head, (_, table) in zip(heads, tables, strict=True)]
    blocks: list[list[Block]] = []
    left = room
    for place in range(len(tables) - 1, -1, -1):
        title, table = tables[place]
        above = sum(needs[:place])
        share = left if place == 0 else min(needs[place], max(LATER_SHARE * left, left - above))
        cut = Table(table.headings, table.rows, table.more, share - heads[place])
        part: list[Block] = [heading(title), Space(0.5), cut, Space()]
        if place > 0 and not cut.shown(width, factor):  # a heading over nothing only takes room
            rows = sum(row.head for row in table.rows)
            part = [Words(f"{title}: {table.more(rows)}", FINE_PT, style="italic"), Space()]
            share = total(part, width, factor)
        blocks.append(part)
        left -= share
    return [block for part in reversed(blocks) for block in part]


@dataclass(frozen=True)
class _Columns:
    """What stands beside or below the map: the first column ends with the locator."""

    first: list[Block]
    second: list[Block]
    rows_left_out: int
    factor: float
    height: float


def _columns(
    subject: Subject,
    texts: Texts,
    statuses: Sequence[str],
    sizes: tuple[int, float, float],
    page_factor: float,
) -> _Columns:
    """Arrange one or two columns of a width and a height, in the largest letters that leave nothing out."""
    count, width, height = sizes
    tables = subject.tables()
    legend = _legend(subject, texts, statuses)
    words = [] if _words_in_foot(texts, count == 1) else _words(subject, texts)
    found: _Columns | None = None
    for factor in (page_factor * step for step in FACTORS):
        locator = _locator_mm(page_factor)[1] + line_height(HEADING_PT * factor) + 0.8 + GAP_MM
        whole = total(_numbers(tables, 1e6, width, factor), width, factor)
        before, after = total(legend, width, factor), total(words, width, factor)
        if count == 1:
            numbers = _numbers(tables, max(height - before - after - locator, 0.0), width, factor)
            one, other = [*legend, *numbers, *words], []
        elif before + after + locator <= max(height, whole):  # beside long tables the words go left
            numbers = _numbers(tables, height, width, factor)
            one, other = [*legend, *words], numbers
        else:
            numbers = _numbers(tables, max(height - after, 0.0), width, factor)
            one, other = legend, [*numbers, *words]
        rows = sum(len(table.rows) for _, table in tables)
        cut = rows - sum(each.shown(width, factor) for each in numbers if isinstance(each, Table))
        used = max(total(one, width, factor) + locator, total(other, width, factor))
        found = _Columns(one, other, cut, factor, used)
        if not cut and used <= height:
            break
    if found is None:
        raise RuntimeError("no size of letters to try")
    return found


def _draw_columns(
    figure_: Figure,
    paper: Axes,
    places: _Frame,
    columns: _Columns,
    canvas: Canvas,
    boundaries: gpd.GeoDataFrame,
    page_factor: float,
) -> None:
    first, factor = places.columns[0], columns.factor
    end = flow(paper, columns.first, first[:2], first[2], factor)
    if columns.second:
        second = places.columns[1]
        flow(paper, columns.second, second[:2], second[2], factor)
    locator, title = _locator_mm(page_factor), line_height(HEADING_PT * factor) + 0.8
    # beside a map the locator stands at its lower edge, below one it follows the legend
    top = first[1] + first[3] - locator[1] if len(places.columns) == 1 else end + title
    flow(paper, [heading(canvas.texts.line("location"))], (first[0], top - title), first[2], factor)
    draw_locator(_axes(figure_, places, (first[0], top, *locator)), canvas, boundaries, locator)


def _locator_mm(factor: float) -> tuple[float, float]:
    return (LOCATOR_MM[0] * factor, LOCATOR_MM[1] * factor)


# The foot


def _projection_name(crs: pyproj.CRS, texts: Texts) -> list[str]:
    """Name the projection in each language, and whether areas are true in it."""
    operation = crs.coordinate_operation
    numbers = {part.name: float(part.value) for part in operation.params} if operation is not None else {}
    if operation is not None and operation.method_name == "Lambert Azimuthal Equal Area":
        latitude = numbers.get("Latitude of natural origin", 0.0)
        longitude = numbers.get("Longitude of natural origin", 0.0)
        centre = ", ".join(
            (degrees_in_words(latitude, texts, east=False), degrees_in_words(longitude, texts, east=True))
        )
        names = texts.in_each("laea", centre=centre)
        return [
            Texts((code,)).first("projection_equal_area", name=name)
            for code, name in zip(texts.languages, names, strict=True)
        ]
    equal = operation is not None and "Equal Area" in operation.method_name
    key = "projection_equal_area" if equal else "projection_other"
    return texts.in_each(key, name=crs.name)


def _foot(facts: Facts, texts: Texts, projection: Sequence[str]) -> list[str]:
    """Write the small print: a paragraph a language."""
    keys = ["sources", "boundary_source", *(["not_boundaries"] if facts.not_boundaries else [])]
    paragraphs = []
    for place, code in enumerate(texts.languages):
        own = Texts((code,))
        said = [
            *(
                own.first(
                    key, source=_sentence(facts.source[place % len(facts.source)]), file=facts.boundary_file,
                    field=facts.status_field, kinds=", ".join(facts.not_boundaries),
                )
                for key in keys
            ),
            projection[place],
            own.first("areas"),
            own.first(
                "produced", date=facts.produced.isoformat(), version=facts.version, product=facts.product
            ),
            own.first("disclaimer", body=facts.body[place % len(facts.body)]),
            unreviewed(code),
        ]  # fmt: skip
        paragraphs.append(" ".join(filter(None, said)))
    return paragraphs


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."


def _feet(foot: Sequence[str], subject: Subject, texts: Texts, orientation: Orientation) -> list[list[Block]]:
    """Arrange the foot, a column a language; two languages of words have room here, not beside a map."""
    feet: list[list[Block]] = [[Words(text, FINE_PT, colour=frame.NOTE)] for text in foot]
    if _words_in_foot(texts, orientation == "landscape"):
        for code, blocks, text in zip(texts.languages, feet, subject.uncertainty(), strict=True):
            blocks.insert(0, Words(f"{Texts((code,)).first('uncertainty')}. {text}", FINE_PT))
    return feet


def _words_in_foot(texts: Texts, beside: bool) -> bool:
    return beside and len(texts.languages) > 1


def _foot_height(feet: Sequence[list[Block]], width: float, factor: float) -> float:
    column = (width - 6.0 * (len(feet) - 1)) / len(feet)
    return max(total(blocks, column, factor) for blocks in feet)


def _draw_foot(paper: Axes, places: _Frame, feet: Sequence[list[Block]], scale: str, factor: float) -> None:
    width = places.width - 2 * MARGIN_MM
    column = (width - 6.0 * (len(feet) - 1)) / len(feet)
    y = flow(paper, [Words(scale, FINE_PT, "bold", frame.NOTE)], (MARGIN_MM, places.foot), width, factor)
    for number, blocks in enumerate(feet):
        flow(paper, blocks, (MARGIN_MM + number * (column + 6.0), y), column, factor)


def _save(figure_: Figure, target: Path, facts: Facts) -> None:
    kind = FORMATS[target.suffix.lower()]
    produced = dt.datetime.combine(facts.produced, dt.time(), tzinfo=dt.UTC)
    title = " / ".join(facts.title)
    metadata: dict[str, Any] = {
        "pdf": {"Title": title, "Author": " / ".join(facts.body), "Subject": " / ".join(facts.subtitle),
                "Creator": f"bluepeace-gis {facts.version}", "CreationDate": produced},
        "svg": {"Title": title, "Date": facts.produced.isoformat(),
                "Creator": f"bluepeace-gis {facts.version}"},
        "png": {"Software": None, "Title": title},
    }  # fmt: skip
    figure_.savefig(target, format=kind, dpi=PICTURE_DPI, metadata=metadata[kind])
