"""The probability of each bracket as a bar, its state as a mark: legible without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui.exporting import Exported, record_of
from tui.widgets.lines import LineList, fitted

MARKS = {"dead": "✗", "in": "▶", "ahead": " "}
FULL, HALF = "█", "▌"
NUMBER = 6  # cells of a percentage
AT_LEAST_FROM = 44  # columns from which on there is room for the probability of this bracket or a later one
LEAST = 0.0005  # what is less likely has no figure of its own


@dataclass(frozen=True, slots=True)
class Bar:
    """One bracket. `state` is dead, in or ahead; `at_least` is the probability of it or a later one."""

    label: str
    state: str
    probability: float | None
    at_least: float | None


class BracketBars(LineList):
    """Brackets by row, their bars on the scale of the likeliest."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bars--bar", "bars--in"}
    DEFAULT_CSS = """
    BracketBars {
        & > .bars--bar { color: $primary; }
        & > .bars--in { color: $accent; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Details", show=False, tooltip="All that is known of the forecast", id="bars.open"),
        Binding("m", "likeliest", "Likeliest", show=False, tooltip="To the likeliest bracket", id="bars.likeliest"),
    ]
    header_rows = 1

    class Opened(Message):
        """Enter was pressed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.bars: Sequence[Bar] = ()
        self._note = ""
        self._about: Mapping[str, Any] = {}

    @property
    def count(self) -> int:
        """How many brackets there are."""
        return len(self.bars)

    @property
    def bar(self) -> Bar | None:
        """The one under the cursor."""
        return self.bars[self.cursor] if self.bars else None

    def set_bars(self, bars: Sequence[Bar], *, note: str = "", about: Mapping[str, Any] | None = None) -> None:
        """Show these; the cursor stays on its bracket, and begins on the likeliest.

        `note` says how the chances were come by, `about` what is written beside each when they leave the console.
        """
        self._about = about or {}
        if note != self._note:
            self._note = note
            self.refresh()
        before, top, label = self.bars, self.top, self.bar.label if self.bar is not None else None
        self.bars = bars = tuple(map(_sound, bars))
        if [bar.label for bar in before] != [bar.label for bar in bars]:
            self.cursor = next((i for i, bar in enumerate(bars) if bar.label == label), -1)
            if label is None or self.cursor < 0 or not _known(before):
                self.go_likeliest()
            self.rows_changed()
            self.post_message(self.Moved(self))
        elif _known(before) != _known(bars):
            self.go_likeliest()
            self.rows_changed()
        elif _scale(before) != _scale(bars) or top != self.top:
            self.refresh()
        else:
            for i, (old, new) in enumerate(zip(before, bars, strict=True)):
                if old != new:
                    self.refresh_row(i)

    def go_likeliest(self) -> None:
        """Put the cursor on the likeliest bracket, or the present one, and it in the middle."""
        at = range(len(self.bars))
        likeliest = max(at, key=lambda i: (self.bars[i].probability or 0.0, self.bars[i].state == "in"), default=0)
        self.top = likeliest - self.rows_in_view // 2
        self.move_to(likeliest)

    def on_resize(self) -> None:
        """The first size, too, has the cursor in the middle."""
        self.top = self.cursor - self.rows_in_view // 2
        self.rows_changed(repaint=False)

    def action_likeliest(self) -> None:
        """Go to the likeliest bracket."""
        self.go_likeliest()
        self.refresh()
        self.moved()

    async def action_open(self) -> None:
        """Tell that more is wanted. It is heard at once, before another Enter asks again."""
        await self.screen._on_message(self.Opened())

    def exported(self) -> Exported | None:
        """All brackets."""
        if not self.bars:
            return None
        rows = [[bar.label, bar.state, _percent(bar.probability), _percent(bar.at_least)] for bar in self.bars]
        return Exported(
            [{**self._about, **record_of(bar)} for bar in self.bars], ["Bracket", "State", "Chance", "Or more"], rows
        )

    def header_strip(self, y: int, width: int) -> Strip:  # noqa: ARG002
        """What the columns are."""
        style = self.base_style + self.style("header")
        text = f"  {'Posts'.rjust(self._label_width)}  {'Chance'.rjust(NUMBER)}"
        if width >= AT_LEAST_FROM:
            text += f"  {'Or more'.rjust(NUMBER + 1)}"
        text += f"  {self._note}"
        return Strip([Segment(fitted(text, width), style)])

    def row_strip(self, index: int, width: int, base: Style) -> Strip:
        """A mark, the bracket, its probability, that of it or a later one, and the bar."""
        bar = self.bars[index]
        quiet = self.style("dim")
        here = Style(bold=True) if bar.state == "in" else Style()
        name = base + (quiet if bar.state == "dead" else here)
        parts = [Segment(f"{MARKS[bar.state]} {bar.label.rjust(self._label_width)}  ", name)]
        parts.append(Segment(_chance(bar).rjust(NUMBER), name))
        used = 4 + self._label_width + NUMBER
        if width >= AT_LEAST_FROM:
            at_least = "" if bar.state == "dead" else _percent(bar.at_least)
            parts.append(Segment("  " + at_least.rjust(NUMBER + 1), base + quiet))
            used += NUMBER + 3
        kind = "bars--in" if bar.state == "in" else "bars--bar"
        colour = Style(color=self.get_component_rich_style(kind).color)
        parts.append(Segment("  " + self._bar(bar, width - used - 3), base + colour))
        return Strip(parts)

    def _bar(self, bar: Bar, room: int) -> str:
        if room < 1 or not bar.probability or bar.state == "dead":
            return ""
        halves = round(2 * room * bar.probability / _scale(self.bars))
        return FULL * (halves // 2) + HALF * (halves % 2)

    @property
    def _label_width(self) -> int:
        return max(5, *(len(bar.label) for bar in self.bars)) if self.bars else 5


def _sound(bar: Bar) -> Bar:
    """The same with what is no probability unknown."""
    return replace(bar, probability=_share(bar.probability), at_least=_share(bar.at_least))


def _share(value: float | None) -> float | None:
    return value if value is not None and -LEAST < value < 1 + LEAST else None


def _known(bars: Sequence[Bar]) -> bool:
    return any(bar.probability is not None for bar in bars)


def _scale(bars: Sequence[Bar]) -> float:
    return max((bar.probability or 0.0 for bar in bars if bar.state != "dead"), default=0.0) or 1.0


def _chance(bar: Bar) -> str:
    return "dead" if bar.state == "dead" else _percent(bar.probability)


def _percent(value: float | None) -> str:
    if value is None:
        return ""
    if 0 < value < LEAST:
        return "<0.1%"
    return ">99.9%" if 1 - LEAST < value < 1 else f"{value:.1%}"
