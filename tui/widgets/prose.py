"""A page of plain text in a panel: wrapped, scrolled by the keys that lists have, painted only where it differs."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from musktracker.text import printable
from tui.widgets.lines import THUMB, TRACK

HEADING = "── "


class Prose(Widget, can_focus=True):
    """Untrusted lines; those that begin with `── ` are headings. Another text repaints the rows that differ."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"prose--heading", "prose--track"}
    DEFAULT_CSS = """
    Prose { height: 1fr; background: $background; color: $foreground;
        & > .prose--heading { color: $accent; text-style: bold; }
        & > .prose--track { color: $border; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_rows(1)", "Down", show=False, tooltip="Scroll down", id="pane.down"),
        Binding("k,up", "scroll_rows(-1)", "Up", show=False, tooltip="Scroll up", id="pane.up"),
        Binding(
            "pagedown", "scroll_page(1)", "Page down", show=False, tooltip="Scroll a page down", id="pane.pagedown"
        ),
        Binding("pageup", "scroll_page(-1)", "Page up", show=False, tooltip="Scroll a page up", id="pane.pageup"),
        Binding("g,home", "start", "Start", show=False, tooltip="Go to the start", id="pane.start"),
        Binding("G,end", "finish", "End", show=False, tooltip="Go to the end", id="pane.end"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.text = ""
        self.top = 0
        self._wrapped: tuple[int, str, list[tuple[str, bool]]] = (-1, "", [])

    def set_text(self, text: str) -> None:
        """Show this from its start."""
        if text != self.text or self.top:
            before = self._in_view()
            self.text, self.top = text, 0
            self._repaint(before)

    def action_scroll_rows(self, by: int) -> None:
        """Scroll by rows."""
        before = self._in_view()
        self.top = min(max(self.top + by, 0), self._lowest)
        self._repaint(before)

    def action_scroll_page(self, by: int) -> None:
        """Scroll by pages."""
        self.action_scroll_rows(by * max(self.size.height - 1, 1))

    def action_start(self) -> None:
        """Go to the start."""
        self.action_scroll_rows(-self.top)

    def action_finish(self) -> None:
        """Go to the end."""
        self.action_scroll_rows(self._lowest)

    def render_line(self, y: int) -> Strip:
        """One row of the panel."""
        width, base = self.size.width, self.visual_style.rich_style
        text, heading, mark = self._row(y)
        style = self.get_component_rich_style("prose--heading") if heading else base
        strip = Strip([Segment(text, style)]).adjust_cell_length(width - bool(mark), base)
        if not mark:
            return strip
        return Strip.join([strip, Strip([Segment(mark, self.get_component_rich_style("prose--track"))], 1)])

    def on_resize(self) -> None:
        """Another height may reach further than the end."""
        self.top = min(self.top, self._lowest)

    @property
    def _lines(self) -> list[tuple[str, bool]]:
        """The wrapped lines, each with whether it is a heading."""
        width = max(self.size.width - 1, 1)
        if self._wrapped[:2] != (width, self.text):
            lines = [printable(line) for line in self.text.splitlines()]
            rows = [
                (row.plain.rstrip(), line.startswith(HEADING))
                for line in lines
                for row in (Content(line).wrap(width) if line else [Content("")])
            ]
            self._wrapped = (width, self.text, rows)
        return self._wrapped[2]

    @property
    def _lowest(self) -> int:
        return max(len(self._lines) - self.size.height, 0)

    def _row(self, y: int) -> tuple[str, bool, str]:
        """A row's text, whether it is a heading, and the scroll mark, which is empty where nothing is out of view."""
        lines, height = self._lines, self.size.height
        text, heading = lines[self.top + y] if self.top + y < len(lines) else ("", False)
        if len(lines) <= height:
            return text, heading, ""
        size = max(height * height // len(lines), 1)
        start = round((height - size) * self.top / self._lowest)
        return text, heading, THUMB if start <= y < start + size else TRACK

    def _in_view(self) -> list[tuple[str, bool, str]]:
        return [self._row(y) for y in range(self.size.height)]

    def _repaint(self, before: list[tuple[str, bool, str]]) -> None:
        """Paint the rows that differ, as far as either text reaches."""
        width = self.size.width
        for y, (old, new) in enumerate(zip(before, self._in_view(), strict=True)):
            if old[2] != new[2]:
                self.refresh(Region(width - 1, y, 1, 1))
            if old[:2] != new[:2]:
                reach = min(max(Content(old[0]).cell_length, Content(new[0]).cell_length), width)
                self.refresh(Region(0, y, reach, 1))
