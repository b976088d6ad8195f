"""The command palette: Textual's, with a cursor that does not blink and no picture in its frame."""

from __future__ import annotations

from contextlib import suppress

from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.widgets import Input

LONGEST = 100  # characters, each of which is looked for in every name


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
        for entry in self.query(Input):  # none where it is left before it is there
            entry.cursor_blink = False
            entry.max_length = LONGEST

    def _action_cursor_down(self) -> None:
        with suppress(NoMatches):  # a key that comes before the list does, or after it
            super()._action_cursor_down()

    def _action_command_list(self, action: str) -> None:
        with suppress(NoMatches, KeyError):  # as above, or where nothing was found there is no page to turn
            super()._action_command_list(action)
