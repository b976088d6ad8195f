"""Every place of the console, and the keys that lead there from its start."""

from __future__ import annotations

from collections.abc import Sequence
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
    "event-shift": ("4", "s"),
    "event-repeat": ("4", "p"),
    "events-import": ("4", "i"),
    "events-export": ("4", "x"),
    "train-form": ("5", "t"),
    "promote-form": ("5", "p"),
    "backtest-form": ("5", "b", "n"),
    "forecast-form": ("6", "n"),
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
EVERYWHERE: dict[str, Sequence[str]] = {**SCREENS, **HELD, **PAGES, **FORMS, **DIALOGS}


async def go(pilot: Any, settled: Any, place: str) -> None:
    """Go from the start to a place."""
    await settled(pilot)
    for key in EVERYWHERE[place]:
        await pilot.press(key)
        await settled(pilot)


def shown(app: Any) -> str:
    """The screen as text, as people see it."""
    lines = ("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips(app.size))
    return "\n".join(line.rstrip() for line in lines) + "\n"
