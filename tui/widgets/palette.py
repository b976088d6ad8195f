"""The command palette: Textual's, with a cursor that does not blink and no picture in its frame."""

from __future__ import annotations

from textual.command import CommandPalette
from textual.widgets import Input


class Palette(CommandPalette):
    """Every action, screen and run that can be started from here, by name."""

    DEFAULT_CSS = """
    Palette > Vertical { width: 76; max-width: 100%; margin-top: 2; }
    Palette SearchIcon { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(placeholder="What to do, or where to go")

    def on_mount(self) -> None:
        """Keep the cursor still."""
        self.query_one(Input).cursor_blink = False
