"""Posts a minute of the last hour, as one line of bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from textual.content import Content
from textual.widget import Widget

from tui.exporting import Exported, of_series
from tui.widgets.sparkline import EIGHTHS, UNKNOWN


class MinuteBars(Widget):
    """As many cells as there is room for, each of as many whole minutes; a faint line where none was posted."""

    DEFAULT_CSS = "MinuteBars { height: 1; color: $primary; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._start: datetime | None = None
        self._counts: tuple[int | None, ...] = ()

    def set_counts(self, start: datetime, counts: Sequence[int | None]) -> None:
        """Show counts by the minute from `start` on; None for a minute that was not observed."""
        self._start = start
        if tuple(counts) != self._counts:
            self._counts = tuple(counts)
            self.refresh()

    def exported(self) -> Exported | None:
        """Minute by minute."""
        if self._start is None:
            return None
        start = self._start
        minutes = [start + timedelta(minutes=i) for i in range(len(self._counts))]
        return of_series([{"start": at, "posts": n} for at, n in zip(minutes, self._counts, strict=True)])

    def render(self) -> Content:
        marks = minute_marks(self._counts, self.content_size.width)
        return Content.assemble(*((mark, "$text-faint" if mark in (UNKNOWN, EIGHTHS[1]) else "") for mark in marks))


def minute_marks(counts: Sequence[int | None], width: int) -> str:
    """One mark for each of at most `width` groups of minutes: a dot for unobserved, the lowest bar for no post."""
    if not counts or width < 1:
        return ""
    size = next((n for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30) if n * width >= len(counts)), len(counts))
    groups = [counts[i : i + size] for i in range(0, len(counts), size)]
    sums = [None if all(c is None for c in group) else sum(c or 0 for c in group) for group in groups]
    top = max((count or 0 for count in sums), default=0)
    return "".join(_mark(count, top) for count in sums)


def _mark(count: int | None, top: int) -> str:
    if count is None:
        return UNKNOWN
    return EIGHTHS[1] if not count else EIGHTHS[2 + round((count / top) * (len(EIGHTHS) - 3))]
