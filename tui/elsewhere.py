"""What can be done on other screens, for the palette: it goes there, and does it once there is something to see."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.binding import Binding
from textual.command import Hit, Hits, Provider

from tui.places import PLACES, SCREENS

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.app import Console
    from tui.screens.base import ConsoleScreen


class Elsewhere(Provider):
    """The actions of every screen but the current one, by name; found by what is typed, not listed before."""

    async def search(self, query: str) -> Hits:
        """Those whose name, such as “Train · Models”, holds the letters in this order."""
        app = cast("Console", self.app)
        matcher = self.matcher(query)
        for name, place in {**SCREENS, **PLACES}.items():
            if place.title == self.screen.title:
                continue
            for binding in _bindings(place.screen_class, read_only=app.read_only):
                words = f"{binding.description} · {place.title}"
                match = matcher.match(words)
                if match > 0:
                    act = partial(_do_there, app, name, binding)
                    yield Hit(match, matcher.highlight(words), act, help=f"{place.title}: {binding.tooltip or ''}")


def _bindings(screen: type[ConsoleScreen], *, read_only: bool) -> Iterator[Binding]:
    """The keys of a screen that do something on it; those that lead to another are that one's own."""
    for binding in screen.BINDINGS:
        if not isinstance(binding, Binding) or not binding.description or binding.key in ("escape", "tab"):
            continue
        if binding.action.startswith("app.") or (read_only and binding.action in screen.CHANGES):
            continue
        yield binding


async def _do_there(app: Console, name: str, binding: Binding) -> None:
    screen = app.navigation.at(name)
    if screen is not None:
        screen.once_read(partial(app.call_later, _do, app, screen, binding))


async def _do(app: Console, screen: Screen[Any], binding: Binding) -> None:
    if not await app.run_action(binding.action, screen):
        app.notify(f"“{binding.description}” cannot be done there now", severity="warning", markup=False)
