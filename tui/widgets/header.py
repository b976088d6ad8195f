"""The two lines on top: whose posts, in which database, how fresh, what runs, what time it is, and the screens."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static


class Header(Vertical):
    """Account, database, freshness and clock; below them the screens by their keys."""

    DEFAULT_CSS = """
    Header { height: 2; dock: top; background: $surface; }
    Header Static { height: 1; width: 100%; padding: 0 1; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="header-status", markup=False)
        yield Static(id="header-screens", markup=False)
