"""Posts an hour by weekday and hour of the day, as colours or, without them, as characters that grow darker."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from musktracker.db.queries.week_pattern import DAYS, HOURS, WEEKDAYS, WeekPattern
from tui.exporting import Exported
from tui.widgets.figures import drawable, known
from tui.widgets.plot_palette import Depth, Mode, of_app, palette

Means = Sequence[Sequence[float | None]]
LABEL = 4  # cells for a weekday's name
WIDEST = 4  # cells an hour
TALLEST = 3  # rows a weekday
AROUND = 2  # rows for the hours and the scale
UNKNOWN, UNKNOWN_PLAIN = "·", "?"
ASCII_RAMP = " .:-=+*#%@"
SHADES = " ░▒▓█"
# Grounds from nothing to the most, each to be told from the next; with 256 colours all of the xterm cube.
_DARK = ("#151b25", "#16304a", "#17486e", "#1c6390", "#3a7f9f", "#6f9a94", "#a9b27c", "#dcc766", "#ffe08a")
_LIGHT = ("#eef1f5", "#dce8f2", "#bfd8ea", "#97c2de", "#69a6cd", "#4186b8", "#27669c", "#17477b", "#0d2b54")
_DARK_256 = ("#1c1c1c", "#00005f", "#005f87", "#0087af", "#5faf87", "#afaf5f", "#ffd75f", "#ffffaf")
_LIGHT_256 = ("#ffffff", "#d7d7ff", "#afd7ff", "#87afd7", "#5f87d7", "#005faf", "#00005f")
_DARK_16 = ("#000000", "#0000aa", "#5555ff", "#55ffff", "#ffffff")
_LIGHT_16 = ("#ffffff", "#aaaaaa", "#55ffff", "#5555ff", "#0000aa")
_GROUNDS: dict[tuple[Depth, bool], Sequence[str]] = {
    ("truecolor", True): _DARK,
    ("truecolor", False): _LIGHT,
    ("256", True): _DARK_256,
    ("256", False): _LIGHT_256,
    ("16", True): _DARK_16,
    ("16", False): _LIGHT_16,
}


class HeatMap(Widget, can_focus=True):
    """Seven rows of 24 hours, over a scale. An hour of the week that was never observed is a mark, never a zero."""

    DEFAULT_CSS = "HeatMap { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pattern: WeekPattern | None = None
        self._mode: Mode | None = None
        self._strips: list[Strip] = []

    @property
    def mode(self) -> Mode:
        """What this terminal can show."""
        if self._mode is None:
            self._mode = of_app(self.app)
        return self._mode

    def set_pattern(self, pattern: WeekPattern) -> None:
        """Show another pattern; the same one costs nothing."""
        if pattern != self._pattern:
            self._pattern = pattern
            self._redraw()

    def exported(self) -> Exported | None:
        """Every hour of the week with its mean, its posts, and in how many observed hours; None without data."""
        pattern = self._pattern
        if pattern is None or not pattern.observed:
            return None
        means = pattern.means()
        records = [
            {
                "weekday": WEEKDAYS[day],
                "hour": hour,
                "mean": means[day][hour],
                "posts": pattern.counts[day][hour],
                "hours_observed": pattern.hours[day][hour],
            }
            for day in range(DAYS)
            for hour in range(HOURS)
        ]
        rows = [[WEEKDAYS[day], *("" if m is None else f"{m:.1f}" for m in means[day])] for day in range(DAYS)]
        return Exported(records, ["Posts an hour", *(f"{hour:02}" for hour in range(HOURS))], rows)

    def render_line(self, y: int) -> Strip:
        """One line of the map, which is drawn when it is first asked for."""
        if not self._strips and self._pattern is not None:
            size = self.size
            self._strips = drawn(
                self._pattern.means(), size.width, size.height, self.mode, dark=self.app.current_theme.dark
            )
        ground = Style(bgcolor=self.rich_style.bgcolor)
        if y < len(self._strips):
            return self._strips[y].adjust_cell_length(self.size.width, ground).apply_style(ground)
        return Strip.blank(self.size.width, ground)

    def on_resize(self) -> None:
        """Another size is another drawing."""
        self._redraw()

    def on_mount(self) -> None:
        """Draw anew when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._redraw())

    def _redraw(self) -> None:
        self._strips = []
        self.refresh()


def drawn(means: Means, width: int, height: int, mode: Mode, *, dark: bool = True) -> list[Strip]:
    """The map of 7 by 24 means as lines; days take more rows, and hours more cells, where there is room.

    Where there is no room for the scale the days stay, the first of them at the least.
    """
    cells = min(max((width - LABEL) // HOURS, 1), WIDEST)
    rows = min(max((height - AROUND) // DAYS, 1), TALLEST)
    top = max((mean for day in means for mean in known(day)), default=0.0)
    look = _Look(mode, dark=dark)
    lines = []
    for name, day in zip(WEEKDAYS, means, strict=True):
        cut = [look.cell(mean, top, cells) for mean in day]
        for row in range(rows):
            label = name if row == (rows - 1) // 2 else ""
            lines.append(Strip([Segment(f"{label:<{LABEL}}", look.quiet), *_joined(cut)]))
    around = [_hours(cells, look), look.scale(top)]
    return [*lines, *around][: max(height, 0)]


class _Look:
    """How a mean is shown: by the ground of its cells where there are colours, otherwise by characters."""

    def __init__(self, mode: Mode, *, dark: bool) -> None:
        self.grounds = _GROUNDS.get((mode.depth, dark), ())
        self.ramp = ASCII_RAMP if mode.glyphs == "ascii" else SHADES
        self.unknown = UNKNOWN_PLAIN if mode.glyphs == "ascii" else UNKNOWN
        self.between = "-" if mode.glyphs == "ascii" else "–"
        colours = palette(mode.depth, dark=dark)
        self.quiet = Style(color=colours.text)

    @property
    def levels(self) -> int:
        return len(self.grounds) or len(self.ramp)

    def cell(self, mean: float | None, top: float, cells: int) -> Segment:
        if not drawable(mean):
            return Segment(self.unknown * cells, self.quiet)
        return self.level(level_of(mean, top, self.levels), cells)

    def level(self, level: int, cells: int) -> Segment:
        if self.grounds:
            return Segment(" " * cells, Style(bgcolor=self.grounds[level]))
        return Segment(self.ramp[level] * cells, self.quiet)

    def scale(self, top: float) -> Strip:
        parts = [Segment(" " * LABEL), Segment("0 ", self.quiet)]
        parts += [self.level(level, 2) for level in range(self.levels)]
        parts.append(Segment(f" {top:.1f} an hour  ", self.quiet))
        parts += [Segment(self.unknown, self.quiet), Segment(" not observed", self.quiet)]
        return Strip(parts)


def level_of(mean: float, top: float, levels: int) -> int:
    """Which of equal steps up to the highest mean; the first is kept for none at all."""
    if mean <= 0 or top <= 0:
        return 0
    return min(1 + int(mean / top * (levels - 1)), levels - 1)


def _hours(cells: int, look: _Look) -> Strip:
    every = 6 if cells == 1 else 3 if cells == 2 else 2  # hours between labels
    text = "".join(f"{hour:02}".ljust(every * cells) for hour in range(0, HOURS, every))
    return Strip([Segment(" " * LABEL + text, look.quiet)])


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    groups = groupby(segments, key=lambda segment: segment.style)
    return [Segment("".join(segment.text for segment in group), style) for style, group in groups]
