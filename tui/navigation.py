"""Going from place to place: by number, by name, up again to where one came from, and to the place before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from textual.screen import ModalScreen, Screen

from tui.places import OF_FORECASTS, PLACES, SCREENS

if TYPE_CHECKING:
    from tui.app import Console
    from tui.screens.base import ConsoleScreen

Step = Callable[[], "ConsoleScreen"]  # makes a screen that opens over another, equal where it is the same place
BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to a place: a screen by number, and what opens over it, one over the other."""

    mode: str
    steps: tuple[Step, ...] = ()


class Navigation:
    """Where the console is and was before. It goes at once, but never while something else is open over a place."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._open: dict[str, tuple[Step, ...]] = {}
        self._before: Way | None = None
        self._led_from: Way | None = None  # where a screen was gone to for what was opened there, as a run is

    @property
    def free(self) -> bool:
        """Keys that are typed at once may come before what is open over a screen hears them, or between screens."""
        return self._app.current_mode in SCREENS and not isinstance(self._app.screen, ModalScreen)

    def start(self) -> None:
        """Go on where the last start ended."""
        self._show(self._left(self._app.current_mode))

    def go(self, mode: str) -> None:
        """Go to a screen as it was left; where one is on it already, to itself, without what is open over it."""
        self._move(Way(mode) if mode == self._app.current_mode else self._left(mode))

    def open(self, step: Step) -> None:
        """Open a place over this one, or go up to it where it is open below."""
        if self.free:
            steps = self._here.steps
            at = steps.index(step) if step in steps else len(steps)
            self._move(Way(self._here.mode, (*steps[:at], step)))

    def at(self, name: str) -> ConsoleScreen | None:
        """The screen or place of this name, made the current one; None where something is open over this one."""
        if not self.free:
            return None
        here = self._here
        if name in SCREENS:
            self._move(Way(name))
        else:
            self.open(PLACES[name])
        self._led_from = here if here != self._here else None
        return cast("ConsoleScreen", self._app.screen)

    def up(self) -> None:
        """Leave a place for the one that it was opened from, or that led here."""
        here = self._here
        if self.free and here.steps:
            self._move(Way(here.mode, here.steps[:-1]))
        elif self._led_from is not None:
            self._move(self._led_from)

    def back(self) -> None:
        """Go to the place before this one, and the next time here again."""
        if self._before is not None:
            self._move(self._before)

    async def begin_anew(self) -> None:
        """Make all screens anew, and be where one was."""
        app, here = self._app, self._here
        app.add_mode(BETWEEN, Screen)
        await app.switch_mode(BETWEEN)
        for name, place in SCREENS.items():
            await app.remove_mode(name)
            app.add_mode(name, place)
        self._open.clear()
        await app.switch_mode(here.mode)
        self._show(here)
        await app.remove_mode(BETWEEN)

    @property
    def _here(self) -> Way:
        return Way(self._app.current_mode, self._open.get(self._app.current_mode, ()))

    def _left(self, mode: str) -> Way:
        """A screen with what was open over it when it was left, be it at the last start."""
        kept = self._app.memory.get("forecasts_place")
        before = (OF_FORECASTS[kept],) if mode == "forecasts" and kept in list(OF_FORECASTS) else ()
        return Way(mode, self._open.get(mode, before))

    def _move(self, way: Way) -> None:
        here = self._here
        if self.free and way != here:
            self._show(way)
            self._before, self._led_from = here, None

    def _show(self, way: Way) -> None:
        app, title = self._app, SCREENS[way.mode].title
        app.switch_mode(way.mode)
        there = self._open.get(way.mode, ())
        pairs = enumerate(zip(there, way.steps, strict=False))
        kept = next((i for i, (open_, step) in pairs if open_ != step), min(len(there), len(way.steps)))
        for _ in there[kept:]:
            app.pop_screen()
        for step in way.steps[kept:]:
            screen = step()
            screen.under = title
            app.push_screen(screen)
        self._open[way.mode] = way.steps
        app.remember(screen=way.mode)
        if way.mode == "forecasts":
            found = (name for name, place in OF_FORECASTS.items() if place in way.steps)
            app.remember(forecasts_place=next(found, None))
