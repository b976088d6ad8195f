"""A line above a list that often says something new."""

from __future__ import annotations

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.lines import fitted, of_widget


class TitleLine(Widget):
    """Drawn as it stands: a text that the toolkit lays out takes as long as all the rows below it."""

    DEFAULT_CSS = "TitleLine { height: 1; }"

    def __init__(self, text: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.text = text

    def say(self, text: str) -> None:
        """Show this; what has no room is cut off."""
        if text != self.text:
            self.text = text
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The line."""
        width = self.outer_size.width
        text = fitted(f" {self.text}", width)
        strip = Strip([Segment(text, self.visual_style.rich_style)], width)
        return of_widget(self, [strip][crop.y : crop.bottom], crop)
