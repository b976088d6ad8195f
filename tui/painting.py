"""Painting over a line: at once, only what the terminal does not show yet, and with styles that are read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen

from tui.frame import Frame, Sparing

if TYPE_CHECKING:
    from textual.driver import Driver

PARSED_STYLES = 512  # more than there are widgets with a style of their own


class SparingApp(App[None]):
    """An app that sends as little as it can as soon as it can."""

    def __init__(self, driver_class: type[Driver] | None) -> None:
        super().__init__(driver_class)
        self.animation_level = "none"
        self._frame = Frame()
        self._shown_at: Size | None = None
        self.stylesheet._parse_cache.grow(PARSED_STYLES)

    def on_resize(self, event: Resize) -> None:
        """What the terminal shows by now is unknown."""
        if event.size != self._shown_at:  # the first is the size that was painted for
            self._frame.forget()
        self._shown_at = event.size

    def action_redraw(self) -> None:
        """Send everything again: something else may have written on the terminal."""
        self._frame.forget()
        self.refresh(layout=True)

    def delay_update(self, delay: float = 0.0) -> None:
        """Show another screen as soon as it is made: Textual would keep the one before for 50 ms."""

    def _load_screen_css(self, screen: Screen[Any]) -> None:
        """Read a screen's style, and keep what is parsed already: a first visit costs half of Textual's own way."""
        for path in screen.css_path:
            if not self.stylesheet.has_source(str(path), ""):
                self.stylesheet.read(path)
        screen._css_update_count = self._css_update_count

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Send only what the terminal does not show yet; nothing while it has another size than was painted for."""
        if screen._compositor.size != self.size:
            return
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            renderable = Sparing(renderable, self._frame)
            self._shown_at = self._shown_at or self.size
        super()._display(screen, renderable)
