"""The line at the bottom: the keys of where the user stands, as one widget that is painted when they change."""

from __future__ import annotations

from functools import cache
from typing import Any

from textual.binding import ActiveBinding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

KEY = "bold $footer-key-foreground"
TEXT = "$footer-description-foreground"
DIMMED = "$text-faint"
BACK = "back"


class Keys(Widget):
    """Each key that is worth a place; the way back is the last of the place's own.

    Where there is no room, the console's own and the way back stay, and dots stand for the rest; what cannot be done
    now goes first.
    """

    DEFAULT_CSS = "Keys { dock: bottom; height: 1; padding: 0 1; background: $footer-background; }"

    def __init__(self) -> None:
        super().__init__()
        self._painted = Content("")

    def on_mount(self) -> None:
        """Follow the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def render(self) -> Content:
        """Keys of the place first, then those that work everywhere."""
        self._painted = self._line()
        return self._painted

    def _changed(self, _screen: Screen[Any]) -> None:
        self.call_after_refresh(self._update)

    def _update(self) -> None:
        if self.is_attached and not self._line().is_same(self._painted):
            self.refresh()

    def _line(self) -> Content:
        shown: dict[str, ActiveBinding] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show and active.binding.description:
                shown.setdefault(active.binding.action, active)
        here = [active for active in shown.values() if active.node is not self.app and active.binding.action != BACK]
        stay = [self._key(active) for active in shown.values() if active.binding.action == BACK]
        stay += [self._key(active) for active in shown.values() if active.node is self.app]
        keys = [self._key(active) for active in here]
        while here and _width([*keys, *stay]) > self.content_size.width:
            here.remove(next((active for active in here if not active.enabled), here[-1]))
            keys = [*map(self._key, here), Content.styled("…", TEXT)]
        return Content("  ").join([*keys, *stay])

    def _key(self, active: ActiveBinding) -> Content:
        return _key(self.app.get_key_display(active.binding), active.binding.description, active.enabled)


@cache  # there are few keys, and they are put together whenever something has the focus
def _key(key: str, description: str, enabled: bool) -> Content:
    key_style, text_style = (KEY, TEXT) if enabled else (DIMMED, DIMMED)
    return Content.assemble((key, key_style), (f" {description}", text_style))


def _width(parts: list[Content]) -> int:
    return sum(part.cell_length + 2 for part in parts) - 2
