"""The lines of a run's log in memory: bounded, compact, filtered by level, searched by text."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import TYPE_CHECKING

from musktracker.config import LOG_LEVELS

if TYPE_CHECKING:
    from musktracker.runs import LogLine

CAPACITY = 100_000
ERROR = LOG_LEVELS.index("error")


class LogLines:
    """At most `capacity` lines, the newest; each has a number that stays when older lines go or come.

    `shown` are the numbers of the lines at or above the level `threshold`, in order.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.threshold = 0
        self.shown: Sequence[int] = range(0)
        self._first = 0
        self._ids = array("q")
        self._times = array("d")
        self._levels = bytearray()
        self._texts: list[str] = []

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def full(self) -> bool:
        """Whether there is no room for older lines."""
        return len(self) >= self.capacity

    @property
    def newest_id(self) -> int:
        """The database's id of the newest line; 0 where there is none."""
        return self._ids[-1] if self._ids else 0

    @property
    def oldest_id(self) -> int:
        """The database's id of the oldest line; 0 where there is none."""
        return self._ids[0] if self._ids else 0

    def append(self, lines: Sequence[LogLine]) -> int:
        """Add newer lines; returns how many of them are shown."""
        start = self._first + len(self)
        for line in lines:
            self._ids.append(line.id)
            self._times.append(line.time.timestamp())
            self._levels.append(_level(line))
            self._texts.append(text(line))
        added = self._passing(start, self._first + len(self))
        if self.threshold and isinstance(self.shown, array):
            self.shown.extend(added)
        self._trim()
        if not self.threshold:
            self.shown = range(self._first, self._first + len(self))
        return len(added)

    def prepend(self, lines: Sequence[LogLine]) -> int:
        """Add older lines, as far as there is room; returns how many of them are shown."""
        lines = lines[max(len(lines) - (self.capacity - len(self)), 0) :]
        self._ids = array("q", (line.id for line in lines)) + self._ids
        self._times = array("d", (line.time.timestamp() for line in lines)) + self._times
        self._levels = bytearray(map(_level, lines)) + self._levels
        self._texts[:0] = map(text, lines)
        self._first -= len(lines)
        before = len(self.shown)
        self.set_threshold(self.threshold)
        return len(self.shown) - before

    def set_threshold(self, threshold: int) -> None:
        """Show only lines of this level (an index into LOG_LEVELS) and above."""
        self.threshold = threshold
        end = self._first + len(self)
        self.shown = self._passing(self._first, end)

    def line(self, number: int) -> tuple[datetime, int, str]:
        """Time, level and text of a line."""
        i = number - self._first
        return datetime.fromtimestamp(self._times[i], UTC), self._levels[i], self._texts[i]

    def row(self, number: int) -> int:
        """The first shown row whose line has this number or a later one."""
        if isinstance(self.shown, range):
            return min(max(number - self._first, 0), len(self.shown))
        return bisect_left(self.shown, number)

    def matches(self, query: str, rows: Iterable[int]) -> list[int]:
        """The numbers of the lines among these shown rows that hold the query; case counts if it has capitals."""
        numbers = [self.shown[row] for row in rows]
        texts, first = self._texts, self._first
        if query != query.lower():
            return [n for n in numbers if query in texts[n - first]]
        return [n for n in numbers if query in texts[n - first].lower()]

    def next_at_least(self, level: int, number: int) -> int | None:
        """The first shown line after this one with this level or a higher one; from the start where none is left."""
        found: int | None = None
        for shown in self.shown:
            if self._levels[shown - self._first] >= level:
                if shown > number:
                    return shown
                found = shown if found is None else found
        return found

    def _passing(self, start: int, end: int) -> Sequence[int]:
        if not self.threshold:
            return range(start, end)
        levels = self._levels[start - self._first : end - self._first]
        return array("q", compress(range(start, end), map(self.threshold.__le__, levels)))

    def _trim(self) -> None:
        extra = len(self) - self.capacity
        if extra <= 0:
            return
        del self._ids[:extra], self._times[:extra], self._levels[:extra], self._texts[:extra]
        self._first += extra
        if isinstance(self.shown, array):
            del self.shown[: bisect_left(self.shown, self._first)]


def text(line: LogLine) -> str:
    """A line's message and fields as one text; the points of a curve are drawn, not read."""
    if "points" in line.fields:
        return line.message
    fields = " ".join(f"{name}={value}" for name, value in line.fields.items())
    return f"{line.message}  {fields}" if fields else line.message


def _level(line: LogLine) -> int:
    return LOG_LEVELS.index(line.level) if line.level in LOG_LEVELS else 1
