"""The database cannot be opened: what happened, where, and what to do."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from musktracker.text import printable
from tui.trouble import Trouble
from tui.widgets.pane import Pane


class ErrorScreen(ModalScreen[bool]):
    """Why there is nothing to see yet; closes with True to try again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r,enter", "dismiss(True)", "Try again", key_display="r", id="error.retry"),
        Binding("d", "details", "Details", tooltip="Every detail, or not", id="error.details"),
        Binding("q,ctrl+q", "app.quit", "Quit", key_display="q", id="error.quit"),
    ]
    DEFAULT_CSS = """
    ErrorScreen { align: center middle; }
    ErrorScreen > Pane {
        width: 76; max-width: 100%; height: auto; max-height: 100%; overflow-y: auto;
        background: $surface; border: round $error; border-title-color: $error; padding: 0 2;
    }
    ErrorScreen .label { color: $text-muted; margin-top: 1; }
    ErrorScreen #details { display: none; margin-top: 1; }
    ErrorScreen.-details #details { display: block; }
    ErrorScreen #keys { margin: 1 0; color: $text-muted; }
    """

    def __init__(self, trouble: Trouble, where: str) -> None:
        super().__init__()
        self._trouble, self._where = trouble, where

    def compose(self) -> ComposeResult:
        """What, where, what next."""
        with Pane() as panel:
            panel.border_title = "The database cannot be opened"
            yield Static("What happened", classes="label")
            yield Static(printable(self._trouble.what), markup=False, id="what")
            yield Static("Where", classes="label")
            yield Static(printable(self._where), markup=False, id="where")
            yield Static("What to do", classes="label")
            yield Static(printable(self._trouble.hint or _ADVICE), markup=False, id="hint")
            yield Static("\n".join(map(printable, self._trouble.details.splitlines())), markup=False, id="details")
            yield Static("r  try again    d  details    q  quit", id="keys")

    def action_details(self) -> None:
        """Show the trace, or not."""
        self.toggle_class("-details")


_ADVICE = (
    "See that the database is running and reachable, and that its address is right: "
    "musktracker config shows where each setting came from"
)
