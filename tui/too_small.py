"""A window that is too small for the console: it shows only that, and takes no keys but those that lead out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.events import Event, InputEvent, Key, Paste
from textual.geometry import Size
from textual.screen import Screen

if TYPE_CHECKING:
    from textual.widget import Widget

    from tui.app import Console

LEAD_OUT = ("ctrl+q", "ctrl+z")
SMALLEST = (60, 16)  # columns and rows below which nothing would be legible
CLASS = "-too-small"


class TooSmall:
    """Whether the window is too small, and what had the keys before it was."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._focused: dict[Screen[Any], Widget] = {}

    def resized(self, size: Size) -> None:
        """Show only a message from here on, or everything again."""
        app = self._app
        too_small = size.width < SMALLEST[0] or size.height < SMALLEST[1]
        if too_small == app.has_class(CLASS):
            return
        if too_small:
            self._focused |= {screen: screen.focused for screen in app.screen_stack if screen.focused}
        app.set_class(too_small, CLASS)
        for screen in app.screen_stack[:-1]:  # what is below says it where something is open over it
            app.stylesheet.update(screen)
        if not too_small:
            app.call_after_refresh(self._focus_again)

    def hides(self, event: Event) -> bool:
        """Whether there would be nothing to see of what an event does."""
        unseen = self._app.has_class(CLASS) and isinstance(event, InputEvent | Paste)
        return unseen and not (isinstance(event, Key) and event.key in LEAD_OUT)

    def _focus_again(self) -> None:
        """Give the keys back to what had them: what is hidden loses them."""
        for screen in self._app.screen_stack:
            had = self._focused.get(screen)
            if screen.focused is None and had is not None and had.focusable:
                screen.set_focus(had, scroll_visible=False)
            screen._update_auto_focus()  # for what was opened meanwhile
        self._focused.clear()
