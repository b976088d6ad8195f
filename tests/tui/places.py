"""Every place of the console, and the keys that lead there from its start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

SCREENS = {
    "overview": ("1",),
    "migrations": ("2",),
    "ingestion": ("3",),
    "events": ("4",),
    "models": ("5",),
    "forecasts": ("6",),
    "backtests": ("5", "b"),
    "alerts": ("1", "A"),
    "service": ("1", "S"),
}
HELD = {  # what there is only on a database that holds something, or is never empty
    "coverage": ("3", "C"),
    "settings": ("1", "C"),
    "events-timeline": ("4", "t"),
    "events-history": ("4", "h", "h"),
    "forecast-hours": ("6", "t"),
    "forecast-daily": ("6", "v"),
    "calibration": ("6", "d"),
    "calibration-windows": ("6", "d", "w"),
    "backtest": ("5", "b", "enter"),
    "backtest-calibration": ("5", "b", "enter", "t", "v"),
    "backtest-pair": ("5", "b", "space", "j", "space", "c"),
    "versions": ("5", "space", "j", "space", "c"),
}
PAGES = {
    "run": ("3", "j", "enter"),
    "version": ("5", "enter"),
    "forecast": ("6", "enter"),
    "step": ("2", "enter"),
    "rule": ("1", "A", "tab", "enter"),
    "version-line": ("5", "space", "j", "space", "c", "j", "enter"),
}
FORMS = {
    "import-form": ("1", "i"),
    "export-form": ("5", "X"),
    "event-line": ("4", "a"),
    "event-form": ("4", "A"),
    "event-edit": ("4", "e"),
    "event-shift": ("4", "s"),
    "event-repeat": ("4", "p"),
    "events-import": ("4", "i"),
    "events-export": ("4", "x"),
    "train-form": ("5", "t"),
    "promote-form": ("5", "p"),
    "backtest-form": ("5", "b", "n"),
    "forecast-form": ("6", "n"),
    "what-if-form": ("6", "i", "n"),
    "rule-form": ("1", "A", "e"),
    "service-start": ("1", "S", "s"),
    "schedule-form": ("1", "S", "e"),
}
DIALOGS = {
    "help": ("1", "question_mark"),
    "palette": ("1", "colon"),
    "confirm-cancel": ("3", "x"),
    "confirm-revert": ("2", "x"),
}
OVER: dict[str, Sequence[str]] = {**PAGES, **FORMS, **DIALOGS}  # what escape takes away
EVERYWHERE: dict[str, Sequence[str]] = {**SCREENS, **HELD, **OVER}


async def go(pilot: Any, settled: Any, place: str) -> None:
    """Go from the start to a place."""
    await settled(pilot)
    for key in EVERYWHERE[place]:
        await pilot.press(key)
        await settled(pilot)


def walks(places: Iterable[str]) -> list[list[str]]:
    """The places shared out to as few starts as can be: in each, every place is reached by its own keys alone."""
    left, found = list(places), []
    while left:
        pressed: dict[str, Sequence[str]] = {}
        found.append([place for place in left if _goes_on(place, pressed)])
        left = [place for place in left if place not in found[-1]]
    return found


def walk_name(walk: list[str]) -> str:
    """What a test of a walk is called."""
    return f"{walk[0]}…{walk[-1]}"


async def walk(pilot: Any, settled: Any, places: Iterable[str]) -> AsyncIterator[str]:
    """Go from the start to each place of a walk in turn."""
    pressed: dict[str, Sequence[str]] = {}
    on = ""  # the number of the screen: pressed again it would leave what is open over that
    await settled(pilot)
    for place in places:
        first, *keys = EVERYWHERE[place]
        before = pressed.get(first, ())
        assert _goes_on(place, pressed)
        for key in (*([first] if first != on else []), *keys[max(len(before) - 1, 0) :]):
            await pilot.press(key)
            await settled(pilot)
        on = first
        yield place
        if place in OVER:
            await pilot.press("escape")
            await settled(pilot)


async def resized(pilot: Any, settled: Any, size: tuple[int, int]) -> None:
    """Wait until the screen has the size, and everything has its place on it."""
    await pilot.resize_terminal(*size)
    while pilot.app.screen.size != size:
        await pilot.pause(0.01)
    await settled(pilot)


def _goes_on(place: str, pressed: dict[str, Sequence[str]]) -> bool:
    """Whether the keys that were pressed on its screen are the first of its own, which are noted then."""
    keys = EVERYWHERE[place]
    before = pressed.get(keys[0], ())
    if tuple(keys[: len(before)]) != tuple(before):
        return False
    pressed[keys[0]] = keys[:-1] if place in OVER else keys
    return True


def shown(app: Any) -> str:
    """The screen as text, as people see it."""
    lines = ("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips(app.size))
    return "\n".join(line.rstrip() for line in lines) + "\n"
