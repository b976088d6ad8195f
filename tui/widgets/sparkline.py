"""Counts by the hour as bars over an axis of hours; an hour that was not observed is a dot, never a zero."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from musktracker.timeline import HOUR
from tui.exporting import Exported, of_series
from tui.widgets.figures import drawable, known

if TYPE_CHECKING:
    from tui.app import Console

EIGHTHS = " ▁▂▃▄▅▆▇█"
UNKNOWN = "·"
WIDE_HOURS = 48
LABEL_EVERY = (1, 2, 3, 6, 12, 24)  # hours between labels, of which the first that leaves them room is taken


class Sparkline(Widget):
    """At least the last 48 hours, as wide as they fit, and as many hours before as there is room for."""

    app: Console
    DEFAULT_CSS = "Sparkline { height: 1fr; color: $primary; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._start: datetime | None = None
        self._counts: tuple[int | None, ...] = ()

    def set_counts(self, start: datetime, counts: Sequence[int | None]) -> None:
        """Show hourly counts from `start` on; None for an hour that was not observed."""
        if (start, tuple(counts)) != (self._start, self._counts):
            self._start, self._counts = start, tuple(counts)
            self.refresh()

    def exported(self) -> Exported | None:
        """All hours that it was given, those it has no room for too; no posts where an hour was not observed."""
        if self._start is None:
            return None
        start = self._start
        return of_series([{"start": start + i * HOUR, "posts": count} for i, count in enumerate(self._counts)])

    def render(self) -> Content:
        width, height = self.content_size
        if self._start is None or not width or height < 2:
            return Content("")
        cells = max(width // WIDE_HOURS, 1)
        counts = self._counts[-(width // cells) :]
        first = self._start + (len(self._counts) - len(counts)) * HOUR
        rows = [Content(row) for row in bars(counts, height - 1, cells)]
        hours = [self.app.format_time(first + i * HOUR, "%H:%M") for i in range(len(counts))]
        axis = Content.styled(axis_line(hours, cells), "$text-muted")
        return Content("\n").join([*rows, axis])


def bars(counts: Sequence[int | None], height: int, cells: int) -> list[str]:
    """Bars of eighths of a cell, the highest count at full height; each `cells` wide, with a gap where there is room.

    Any count above zero shows at least an eighth.
    """
    top = max(known(counts), default=0)
    gap = " " if cells > 2 else ""
    levels = [_level(count, top, height * 8) if drawable(count) else None for count in counts]
    rows = []
    for row in range(height - 1, -1, -1):
        marks = [_mark(level, row) for level in levels]
        rows.append("".join(mark * (cells - len(gap)) + gap for mark in marks))
    return rows


def axis_line(hours: Sequence[str], cells: int) -> str:
    """The hours (as HH:MM, one a bar) below their bars, as many as have room."""
    every = next((n for n in LABEL_EVERY if n * cells >= 8), 24)
    line = [" "] * (len(hours) * cells)
    for i, hour in enumerate(hours):
        if int(hour[:2]) % every == 0 and i * cells + len(hour) <= len(line):
            line[i * cells : i * cells + len(hour)] = hour
    return "".join(line)


def _level(count: float, top: float, full: int) -> int:
    return max(1, round(count / top * full)) if count > 0 else 0


def _mark(level: int | None, row: int) -> str:
    if level is None:
        return UNKNOWN if row == 0 else " "
    return EIGHTHS[min(max(level - row * 8, 0), 8)]
