"""A small plot as a widget: drawn by plotext, in the colours and characters that the terminal has."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Literal

from rich.console import Console as RichConsole
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from musktracker.text import printable
from tui.exporting import Exported, of_series
from tui.threads import in_thread
from tui.widgets.figures import drawable
from tui.widgets.plot_axes import value_ticks
from tui.widgets.plot_palette import Mode, Palette, of_app, palette
from tui.working import begin

PLAIN = str.maketrans("┌┐└┘├┤┬┴┼─│▲▼≈–", "+++++++++-|+-=-")
SMALLEST = (24, 5)  # columns and rows below which axes leave nothing to see
Values = Sequence[float | None]
Ticks = Sequence[tuple[float, str]]
Points = Callable[[], Sequence[Mapping[str, Any]]]


class Sheet:
    """What a plot is drawn on; positions are the data's own. Axes come with `x_axis` and `y_axis`.

    `solid`, `fine`, `dotted`, `level` and the like are characters (or plotext's names of sets of them) for bars, the
    first line, a second line and a line to hold others against: they differ also where there is no colour.
    """

    def __init__(self, width: int, height: int, mode: Mode, colours: Palette) -> None:
        import plotext

        self.width, self.height, self.colours = width, height, colours
        self.plain = mode.glyphs == "ascii"
        full = mode.glyphs == "braille"
        self.solid = "hd" if full else "#" if self.plain else "█"
        self.fine = "braille" if full else "*" if self.plain else "▪"
        self.dotted = "o" if self.plain else "·"
        self.level = "-" if self.plain else "╌" if full else "─"
        self.bar, self.shade = ("#", "=") if self.plain else ("█", "▒")
        self.whisker, self.point = ("-", "@") if self.plain else ("─", "●")
        self.dot = "o" if self.plain else "•"
        self.upright = "|" if self.plain else "│"
        self._marker = plotext.marker
        plotext.terminal.limit(False, False)  # it holds every terminal for as large as its standard output's
        self._figure = plotext.figure.clear()
        self._figure.plot_size(width, height)
        self._figure.canvas("default")
        self._figure.axes(pixel=_pixel(colours.axis))
        self._figure.axes(False, side=1)
        self._drawings: list[_Drawing] = []
        self._limits = {"x": (0.0, 1.0), "y": (0.0, 1.0)}

    @property
    def rows(self) -> int:
        """How many rows there are between the axes."""
        return self.height - 2

    def line(self, x: Sequence[float], y: Values, sign: str, colour: str | None) -> None:
        """Connect neighbouring points; what is no figure is a gap."""
        part: list[tuple[float, float]] = []
        for one, value in [*zip(x, y, strict=True), (0.0, None)]:
            if drawable(one) and drawable(value):
                part.append((one, value))
            elif part:
                self._drawings.append(_Drawing(part, sign, colour, "line" if len(part) > 1 else "points"))
                part = []

    def points(self, x: Sequence[float], y: Values, sign: str, colour: str | None) -> None:
        """Mark points that are known."""
        found = [(one, value) for one, value in zip(x, y, strict=True) if drawable(one) and drawable(value)]
        if found:
            self._drawings.append(_Drawing(found, sign, colour, "points"))

    def column(self, x: tuple[float, float], top: float, colour: str | None) -> None:
        """An upright bar from zero."""
        if drawable(top):
            self._drawings.append(_Drawing([(x[0], top), (x[1], top)], self.solid, colour, "column"))

    def x_axis(self, lower: float, upper: float, ticks: Ticks) -> None:
        """What lies between left and right, and the marks."""
        self._axis("x", lower, upper, ticks)

    def y_axis(self, lower: float, upper: float, ticks: Ticks) -> None:
        """What lies between bottom and top, and the marks."""
        self._axis("y", lower, upper, ticks)

    def strips(self, console: RichConsole, base: Style) -> list[Strip]:
        """The rows of the drawing, over a base style."""
        for drawing in self._drawings:
            self._draw(drawing)
        drawn = str(self._figure.build())
        lines = Text.from_ansi(drawn.translate(PLAIN) if self.plain else drawn).split("\n")
        return [self._strip(line, console, base) for line in lines[: self.height]]

    def _strip(self, line: Text, console: RichConsole, base: Style) -> Strip:
        """A row on the widget's own ground: plotext gives axes a white one that cannot be taken from them."""
        line.end = ""
        segments = [
            Segment(text, base + Style(color=style.color) if style and self.colours.text else base)
            for text, style, _ in line.render(console)
        ]
        return Strip(segments).simplify().adjust_cell_length(self.width, base)

    def _draw(self, drawing: _Drawing) -> None:
        x, y = ([self._place("xy"[side], point[side]) for point in drawing.points] for side in (0, 1))
        signal = self._figure.signal(x, y, marker=self._sign(drawing.sign, drawing.colour))
        if drawing.kind != "points":
            signal = signal.lines()
        self._figure.draw(signal.fillx() if drawing.kind == "column" else signal)

    def _axis(self, which: str, lower: float, upper: float, ticks: Ticks) -> None:
        self._limits[which] = lower, upper
        ruler = self._figure.ruler(which)
        ruler.pixel(_pixel(self.colours.text))
        ruler.lim(0.0, 1.0)
        ruler.ticks([self._place(which, place) for place, _ in ticks], [self._label(label) for _, label in ticks])

    def _place(self, which: str, value: float) -> float:
        """Where a figure lies on an axis from 0 to 1; plotext ends the process over what is far outside."""
        lower, upper = self._limits[which]
        if not sys.float_info.min < upper - lower < math.inf:
            raise ValueError(f"there is no axis from {lower:g} to {upper:g}")
        return min(max((value - lower) / (upper - lower), -1.0), 2.0)

    def _label(self, label: str) -> str:
        text = printable(label).translate(PLAIN) if self.plain else printable(label)
        return text.encode("ascii", "replace").decode() if self.plain else text

    def _sign(self, sign: str, colour: str | None) -> Any:
        return self._marker(sign, _pixel(colour))


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is drawn once the axes are known."""

    points: Sequence[tuple[float, float]]
    sign: str
    colour: str | None
    kind: Literal["line", "points", "column"]


class Plot(Widget):
    """A drawing over all the room it has. `set_plot` gives it what draws; without it, words say what is missing."""

    _imported: ClassVar[bool] = False
    DEFAULT_CSS = "Plot { height: 1fr; background: $background; color: $text-muted; }"

    def __init__(self, *, empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self.empty = empty
        self._draw: Callable[[Sheet], None] | None = None
        self._of: Hashable = None
        self._points: Points = tuple
        self._mode: Mode | None = None
        self._strips: list[Strip] | None = None

    def set_plot(
        self, draw: Callable[[Sheet], None] | None, *, of: Hashable = None, empty: str = "", points: Points = tuple
    ) -> None:
        """Draw this, if what it is `of` differs from what is drawn; None shows the words `empty`.

        `points` gives what is drawn as records, for an export.
        """
        self._points = points
        if (draw is None, of, empty) != (self._draw is None, self._of, self.empty):
            self._draw, self._of, self.empty = draw, of, empty
            self.redraw()

    def exported(self) -> Exported | None:
        """What is drawn, point by point."""
        return of_series(self._points())

    def redraw(self) -> None:
        """Draw anew when next painted."""
        self._strips = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the drawing, which is made when it is first asked for."""
        if self._strips is None:
            self._strips = self._drawn()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def on_resize(self) -> None:
        """Another size is another drawing."""
        self.redraw()

    def on_mount(self) -> None:
        """Draw anew when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.redraw())

    async def _import(self) -> None:
        """Import plotext in a thread, where it keeps nobody waiting, once there is something to draw."""
        await in_thread(_import_plotext)
        Plot._imported = True
        self.redraw()

    def _drawn(self) -> list[Strip]:
        width, height = self.size
        if self._mode is None:
            self._mode = of_app(self.app)
        if self._draw is None or width < SMALLEST[0] or height < SMALLEST[1]:
            return self._words(self.empty if self._draw is None else "too small to draw")
        if not Plot._imported:
            begin(self, "import", self._import, exclusive=True)
            return self._words("")
        colours = palette(self._mode.depth, dark=self.app.current_theme.dark)
        sheet = Sheet(width, height, self._mode, colours)
        try:
            self._draw(sheet)
            return sheet.strips(self.app.console, self.rich_style)
        except Exception as error:  # of figures that others wrote, and that cannot be: no reason to end
            return self._words(f"This cannot be drawn: {type(error).__name__}: {error}")

    def _words(self, text: str) -> list[Strip]:
        width, height = self.size
        lines = printable_lines(text, width)
        first = max((height - len(lines)) // 2, 0)
        texts = [""] * first + [line.center(width) for line in lines]
        return [Strip([Segment(text, self.rich_style)]).adjust_cell_length(width, self.rich_style) for text in texts]


def printable_lines(text: str, width: int) -> list[str]:
    """Untrusted text in lines of at most `width` cells."""
    return [part for line in text.splitlines() for part in textwrap.wrap(printable(line), max(width - 2, 8))]


def _import_plotext() -> None:
    """Without its manual and its tests, which are over half of the time and of the memory that the import takes."""
    for name, wanted in (("plotext._doc.doc", "docs"), ("plotext._tests.run", "test")):
        absent = ModuleType(name)
        setattr(absent, wanted, None)
        sys.modules.setdefault(name, absent)
    import_module("plotext")


def span_ticks(lower: float, upper: float, most: int) -> list[float]:
    """Round values from `lower` to `upper`, zero among them where it is inside."""
    steps = value_ticks(upper - lower, most)
    step = steps[1] if len(steps) > 1 else upper - lower
    if not step:
        return [lower]
    return [k * step for k in range(math.ceil(lower / step), math.floor(upper / step) + 1)]


def _pixel(colour: str | None) -> tuple[tuple[int, int, int] | str]:
    """A colour as plotext takes it for a foreground."""
    return ((int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)) if colour else "default",)
