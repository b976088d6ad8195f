"""What events do to the hourly rate, as a table: `musktracker train` and `musktracker events effects` print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from musktracker.cli.command import printable, table


def effects_table(effects: Sequence[Mapping[str, Any]]) -> str:
    """Category, effect at intensity 1, its 95% interval, and the number of events it is told from."""
    return table(("category", "effect", "95%", "n"), [_row(effect) for effect in effects])


def _row(effect: Mapping[str, Any]) -> tuple[str, ...]:
    names = {None: "(any other)", "": "(none)"}
    category = effect["category"]
    return (
        names[category] if category in names else printable(category),
        f"{effect['percent']:+.0f}%",
        f"{effect['lower']:+.0f}% to {effect['upper']:+.0f}%",
        f"{effect['events']}",
    )
