"""A page of plain text over the screen: one record in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from musktracker.text import printable
from tui.copying import copy

if TYPE_CHECKING:
    from tui.app import Console


class TextPage(ModalScreen[None]):
    """Untrusted lines, wrapped; y copies them, esc closes."""

    app: Console
    DEFAULT_CSS = """
    TextPage {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll { width: 100%; max-width: 110; height: auto; max-height: 90%; padding: 0 1;
            background: $surface; border: round $border; border-title-color: $foreground;
            border-subtitle-color: $text-muted; scrollbar-size-vertical: 1; }
        & Static { height: auto; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss(None)", "Close", tooltip="Close this page", id="page.close"),
        Binding("y", "copy", "Copy", tooltip="Copy the page", id="page.copy"),
        Binding("j", "scroll(1)", "Down", show=False, id="page.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="page.up"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = printable(title)
        self._text = "\n".join(map(printable, text.splitlines()))

    def compose(self) -> ComposeResult:
        with VerticalScroll() as page:
            page.border_title = Text(self._title)
            page.border_subtitle = "j k scroll   y copy   esc close"
            yield Static(Text(self._text))

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_copy(self) -> None:
        """Copy the page."""
        copy(self.app, self.app.settings, self._text, "the page")
