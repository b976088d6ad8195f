"""What can be done where the user stands, for the palette, with the places to go to and the runs to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand

from tui.places import PLACES

if TYPE_CHECKING:
    from textual.binding import Binding
    from textual.screen import Screen

    from tui.app import Console

MOVING = ("lines", "pane")  # bindings of these move about in a panel: nothing to look up by name


def commands(app: Console, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """What the palette offers over a screen before anything is typed."""
    seen, told = set(), set()
    for active in screen.active_bindings.values():
        binding, act = active.binding, (active.binding.action, active.node)
        if binding.description and active.enabled and binding.id and binding.id not in seen and act not in told:
            seen.add(binding.id)
            told.add(act)  # some have two keys
            if binding.action != "command_palette" and binding.id.partition(".")[0] not in MOVING:
                yield SystemCommand(*_command(app, binding, active.node))
    for name, place in PLACES.items():
        if f"place.{name}" not in seen and place.title != screen.title:
            yield SystemCommand(place.title, place.about, partial(app.action_place, name))
    launch = getattr(screen, "launch", None)
    if launch is not None and app.engine is not None and not app.read_only:
        yield SystemCommand("Import posts…", "Start a run", screen.action_import)  # type: ignore[attr-defined]
        yield SystemCommand("Refresh counts and features", "Start a run", lambda: launch("refresh", {}))
        yield SystemCommand("Score forecasts", "Start a run", lambda: launch("score", {}))
    if app.settings.account != "demo" and not app.read_only:
        yield SystemCommand("Open the demo", "A simulated account, on a database of its own", app.open_demo)


def _command(app: Console, binding: Binding, node: Any) -> tuple[str, str, Callable[[], Any]]:
    async def act() -> None:
        await app.run_action(binding.action, node)

    return binding.description, f"{binding.tooltip or 'Key'} · {app.get_key_display(binding)}", act
