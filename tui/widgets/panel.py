"""A titled box of lines that is painted only when its lines differ."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Panel(Static):
    """Lines in a frame with a title. Give them as Content: untrusted text in it is never markup."""

    DEFAULT_CSS = """
    Panel { border: round $border-blurred; border-title-color: $text-muted; padding: 0 1; height: auto;
        text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._title = title
        self.border_title = Content(title)
        self._lines = Content("")

    def set_lines(self, lines: Content, title: str | None = None) -> None:
        """Show these lines, and another title where one is given."""
        if title is not None and title != self._title:
            self._title = title
            self.border_title = Content(title)
        if not lines.is_same(self._lines):
            self._lines = lines
            self.update(lines)
