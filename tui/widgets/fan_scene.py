"""One drawing of a fan chart: which part, in how many cells, with which characters and colours."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from musktracker.text import printable
from tui.widgets.fan import Fan, View, whole
from tui.widgets.fan_bands import EIGHTHS, above, below, ground
from tui.widgets.plot_axes import TimeTick, format_count, time_ticks, value_ticks
from tui.widgets.plot_palette import Mode, Palette

HEADROOM = 1.08
TOTAL_WIDTH = 10  # the gutter of the horizon's total: three cells of band, and its figures
ROWS_A_TICK = 3
CELLS_A_TICK = 8
CODES = 128
MOMENT = timedelta(microseconds=1)
SHADES = {False: " ░▒▓", True: " .:="}
Pair = tuple[str | None, str | None]  # foreground, background
Cells = dict[int, tuple[str, str | None]]  # column to a character and its foreground


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters that a font has for edges, axes and marks."""

    edges: str
    vertical: str
    tick: str
    horizontal: str
    notch: str
    corner: str
    grid: str
    faint: str
    now: str
    event: str
    swatch: str
    outline: str
    line: str
    dots: str
    dash: str
    point: str
    pointer: str


UNICODE = Marks(" ▁▂▃▄▅▆▇", "│", "┤", "─", "┬", "└", "┈", "┊", "┊", "◆", "█", "⠒", "━", "┄", "–", "●", "▲")
ASCII = Marks(" " * EIGHTHS, "|", "+", "-", "+", "+", ".", ":", ":", "^", "#", ".", "-", "-", "-", "@", "#")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the cells are shared out: gutters, the plot, and the rows that a small chart goes without."""

    left: int
    width: int
    right: int
    height: int
    legend: bool
    times: bool
    events: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn, how much of it, where, and with what."""

    fan: Fan
    view: View
    place: Layout
    top: float
    mode: Mode
    colours: Palette
    zone: tzinfo
    cursor: int | None
    now: datetime | None = None

    @property
    def at(self) -> float:
        """Where in its step a value lies."""
        return 1.0 if self.fan.at_end else 0.5

    @property
    def marks(self) -> Marks:
        """The characters of this terminal."""
        return ASCII if self.mode.glyphs == "ascii" else UNICODE

    @property
    def quantum(self) -> int:
        """The finest step of a band's edge, in eighths of a cell."""
        if self.mode.depth == "none" or self.mode.glyphs == "ascii":
            return EIGHTHS
        return 1 if self.mode.glyphs == "braille" else EIGHTHS // 2

    def column(self, position: float) -> int:
        """The plot's column at a position of the grid; it may lie outside."""
        return math.floor((position - self.view.first) / self.view.span * self.place.width)

    def row(self, value: float) -> int:
        """The plot's row at a value, the top row being 0; clipped."""
        return min(max(math.floor((1 - value / self.top) * self.place.height), 0), self.place.height - 1)

    def point(self) -> tuple[int, int] | None:
        """Column and row of the value that is read off: what was observed, or else the mean."""
        if self.cursor is None:
            return None
        found = [v[self.cursor] for v in (self.fan.actual, self.fan.mean) if self.cursor < len(v)]
        value = next((v for v in found if v is not None), None)
        column = self.column(self.cursor + self.at)
        return (column, self.row(value)) if value is not None and 0 <= column < self.place.width else None

    def value_ticks(self) -> dict[int, float]:
        """Row to the round value there; zero is the time axis itself."""
        ticks = value_ticks(self.top, max(self.place.height // ROWS_A_TICK, 1))
        return {self.row(tick): tick for tick in ticks if tick}

    def time_ticks(self) -> list[tuple[int, TimeTick]]:
        """The round times in view, with their columns."""
        try:
            start, end = self.fan.moment(self.view.first), self.fan.moment(self.view.last)
        except OverflowError:
            return []
        ticks = time_ticks(start, end, self.zone, max(self.place.width // CELLS_A_TICK, 1))
        found = [(self.column(self.fan.position(tick.time)), tick) for tick in ticks]
        return [(x, tick) for x, tick in found if 0 <= x < self.place.width]

    @property
    def dated(self) -> bool:
        """Whether years are to be told: what is in view is not all of the year that it is now."""
        if self.now is None:
            return True
        try:
            ends = (self.fan.moment(self.view.first), self.fan.moment(self.view.last) - MOMENT)
            return any(end.astimezone(self.zone).year != self.now.astimezone(self.zone).year for end in ends)
        except (OverflowError, ValueError):  # beyond the calendar
            return True

    def fitted(self, parts: Iterable[tuple[str, str | None]], width: int) -> list[Segment]:
        """Coloured texts as exactly `width` cells on the chart's ground, cut or padded at the end."""
        ground = self.colours.bands[0]
        row, left = [], width
        for text, colour in parts:
            text = self.plain(text)
            size = cell_len(text)
            if size > left:
                text, size = set_cell_size(text, left), left
            if size:
                row.append(Segment(text, style(colour, ground)))
                left -= size
        if left:
            row.append(Segment(" " * left, style(None, ground)))
        return row

    def plain(self, text: str) -> str:
        """Untrusted text that does nothing to this terminal but be read."""
        text = printable(text)
        return text.encode("ascii", "replace").decode() if self.mode.glyphs == "ascii" else text


def compose(
    fan: Fan,
    width: int,
    height: int,
    mode: Mode,
    colours: Palette,
    view: View | None,
    cursor: int | None,
    zone: tzinfo,
    now: datetime | None = None,
) -> Scene:
    """Decide what goes where. Years are told where they are not that of `now`, or of the fan's own."""
    fan = fan if fan.is_sound else fan.sound()
    view = (view or whole(fan)).sound()
    top = _highest(fan, view) * HEADROOM
    if cursor is not None and not 0 <= cursor < fan.steps:
        cursor = None
    return Scene(
        fan, view, share_out(fan, view, width, height, top), top, mode, colours, zone, cursor, now or fan.now
    )


def share_out(fan: Fan, view: View, width: int, height: int, top: float) -> Layout:
    """The layout of `width` by `height` cells; small charts go without axes, legend and events."""
    labels = max(len(format_count(tick)) for tick in value_ticks(top, max(height // ROWS_A_TICK, 1)))
    left = labels + 2 if width >= 4 * (labels + 2) else 0
    right = TOTAL_WIDTH if fan.total is not None and width >= 5 * TOTAL_WIDTH else 0
    legend, times, events = height >= 5, height >= 6, height >= 10 and _any_event(fan, view)
    return Layout(left, width - left - right, right, height - legend - 2 * times - events, legend, times, events)


def place_text(cells: Cells, x: int, text: str, colour: str | None, width: int) -> None:
    """Write a text of single-cell characters from a column on, inside `width`."""
    for column, char in enumerate(text, x):
        if 0 <= column < width:
            cells[column] = (char, colour)


def segments(text: list[str], pairs: list[Pair]) -> list[Segment]:
    """Cells as segments, those of one colour together."""
    row: list[Segment] = []
    if not pairs:
        return row
    start, current = 0, pairs[0]
    for end, pair in enumerate(pairs):
        if pair is not current and pair != current:
            row.append(Segment("".join(text[start:end]), style(*current)))
            start, current = end, pair
    row.append(Segment("".join(text[start:]), style(*current)))
    return row


def lane(scene: Scene, cells: Cells, *, fill: str = " ", colour: str | None = None) -> list[Segment]:
    """A row as wide as the plot: what `cells` hold, and `fill` elsewhere."""
    ground = scene.colours.bands[0]
    text, pairs = [fill] * scene.place.width, [(colour, ground)] * scene.place.width
    for x, (char, own) in cells.items():
        text[x], pairs[x] = char, (own, ground)
    return segments(text, pairs)


@lru_cache(16)
def cell_table(bands: tuple[str | None, ...], mode: Mode) -> tuple[list[str], list[Pair], list[str | None]]:
    """For each code of a band's cell: its character, its colours, and the ground that a mark on it has."""
    edges = (ASCII if mode.glyphs == "ascii" else UNICODE).edges
    shades = SHADES[mode.glyphs == "ascii"]
    codes = range(CODES)
    chars = [shades[ground(code)] if mode.depth == "none" else edges[code & 7] for code in codes]
    pairs = [(bands[below(code)] if code & 7 else None, bands[above(code)]) for code in codes]
    return chars, pairs, [bands[ground(code)] for code in codes]


@lru_cache(1024)
def style(foreground: str | None, background: str | None) -> Style:
    """Two colours as a style; None leaves the terminal's own."""
    return Style(
        color=Color.parse(foreground) if foreground else None, bgcolor=Color.parse(background) if background else None
    )


def _any_event(fan: Fan, view: View) -> bool:
    return any(
        fan.position(event.end) >= view.first and fan.position(event.start) < view.last for event in fan.events
    )


def _highest(fan: Fan, view: View) -> float:
    first, last = max(math.floor(view.first), 0), max(math.ceil(view.last), 0) + 1
    shown = [fan.actual, fan.mean, fan.other, *(band.upper for band in fan.bands)]
    found = max((value for values in shown for value in values[first:last] if value is not None), default=0.0)
    if fan.total is not None:
        found = max([found, fan.total.mean, *(upper for _, _, upper in fan.total.intervals)])
    return max(found, 1.0)
