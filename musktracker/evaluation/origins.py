"""From which hours on models are tried, and by how many paths. Without numpy: a form asks it."""

from __future__ import annotations

SPACING = 73  # hours between origins: every hour of the day and every weekday gets its turn
HORIZON = 168
PATHS = 2000


def of_period(begin: int, end: int, *, spacing: int = SPACING) -> list[int]:
    """The origins of a period (hours since the epoch, end excluded) that have a whole week ahead in it."""
    return list(range(begin, end - HORIZON + 1, spacing))
