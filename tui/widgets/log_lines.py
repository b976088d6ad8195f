"""The lines of a run's log in memory: bounded, compact, filtered by level, searched by text."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import TYPE_CHECKING, Any, overload

from musktracker.config import LOG_LEVELS
from tui.widgets.packed import PackedRows, Row

if TYPE_CHECKING:
    from musktracker.run_log import LogLine

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
        self._levels = bytearray()
        self._rows = PackedRows()

    def __len__(self) -> int:
        return len(self._levels)

    @property
    def full(self) -> bool:
        """Whether there is no room for older lines."""
        return len(self) >= self.capacity

    @property
    def newest_id(self) -> int:
        """The database's id of the newest line; 0 where there is none."""
        return self._rows[self._rows.end - 1][0] if self._levels else 0

    @property
    def oldest_id(self) -> int:
        """The database's id of the oldest line; 0 where there is none."""
        return self._rows[self._rows.first][0] if self._levels else 0

    def append(self, lines: Sequence[LogLine]) -> int:
        """Add newer lines; returns how many of them are shown."""
        start = self._rows.end
        self._levels += bytes(map(_level, lines))
        self._rows.append(list(map(_row, lines)))
        added = self._passing(start, self._rows.end)
        if self.threshold and isinstance(self.shown, array):
            self.shown.extend(added)
        self._trim()
        if not self.threshold:
            self.shown = range(self._rows.first, self._rows.end)
        return len(added)

    def prepend(self, lines: Sequence[LogLine]) -> int:
        """Add older lines, as far as there is room; returns how many of them are shown."""
        lines = lines[max(len(lines) - (self.capacity - len(self)), 0) :]
        self._levels[:0] = bytes(map(_level, lines))
        self._rows.prepend(list(map(_row, lines)))
        before = len(self.shown)
        self.set_threshold(self.threshold)
        return len(self.shown) - before

    def set_threshold(self, threshold: int) -> None:
        """Show only lines of this level (an index into LOG_LEVELS) and above."""
        self.threshold = threshold
        self.shown = self._passing(self._rows.first, self._rows.end)

    def line(self, number: int) -> tuple[datetime, int, str]:
        """Time, level and text of a line."""
        _, time, text, _ = self._rows[number]
        return datetime.fromtimestamp(time, UTC), self._levels[number - self._rows.first], text

    def row(self, number: int) -> int:
        """The first shown row whose line has this number or a later one."""
        if isinstance(self.shown, range):
            return min(max(number - self._rows.first, 0), len(self.shown))
        return bisect_left(self.shown, number)

    def kept(self) -> ShownLines:
        """The lines that are shown, as they are now: another thread can read them while these go on."""
        return ShownLines(self.shown[:], bytes(self._levels), self._rows.copy())

    def matches(self, query: str, rows: range) -> array[int]:
        """The numbers of the lines among these shown rows that hold the query; case counts if it has capitals."""
        if not rows:
            return array("i")
        numbers = self.shown[rows.start : rows.stop]
        first, threshold, levels = self._rows.first, self.threshold, self._levels
        kept = self._rows.rows(numbers[0], numbers[-1] + 1)
        shown = ((number, row[2]) for number, row in kept if levels[number - first] >= threshold)
        if query != query.lower():
            return array("i", (number for number, line in shown if query in line))
        return array("i", (number for number, line in shown if query in line.lower()))

    def next_at_least(self, level: int, number: int) -> int | None:
        """The first shown line after this one with this level or a higher one; from the start where none is left."""
        found: int | None = None
        first = self._rows.first
        for shown in self.shown:
            if self._levels[shown - first] >= level:
                if shown > number:
                    return shown
                found = shown if found is None else found
        return found

    def _passing(self, start: int, end: int) -> Sequence[int]:
        if not self.threshold:
            return range(start, end)
        first = self._rows.first
        levels = self._levels[start - first : end - first]
        return array("i", compress(range(start, end), map(self.threshold.__le__, levels)))

    def _trim(self) -> None:
        extra = len(self) - self.capacity
        if extra <= 0:
            return
        del self._levels[:extra]
        self._rows.drop_before(self._rows.first + extra)
        if isinstance(self.shown, array):
            del self.shown[: bisect_left(self.shown, self._rows.first)]


class ShownLines(Sequence[dict[str, Any]]):
    """Lines as records of time, level, message and fields, unpacked one by one where they are read."""

    def __init__(self, numbers: Sequence[int], levels: bytes, rows: PackedRows) -> None:
        self._numbers = numbers
        self._levels = levels
        self._rows = rows

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> ShownLines: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | ShownLines:
        if isinstance(index, slice):
            return ShownLines(self._numbers[index], self._levels, self._rows)
        number = self._numbers[index]
        _, time, text, fields = self._rows[number]
        message = text.removesuffix(fields_text(fields)) if fields else text
        level = LOG_LEVELS[self._levels[number - self._rows.first]]
        return {"time": datetime.fromtimestamp(time, UTC), "level": level, "message": message, "fields": fields}


def fields_text(fields: Mapping[str, Any]) -> str:
    """Fields as they stand after a line's message."""
    return "  " + " ".join(f"{name}={value}" for name, value in fields.items()) if fields else ""


def _row(line: LogLine) -> Row:
    fields = {} if "points" in line.fields else dict(line.fields)  # the points of a curve are drawn, not read
    return line.id, line.time.timestamp(), line.message + fields_text(fields), fields


def _level(line: LogLine) -> int:
    return LOG_LEVELS.index(line.level) if line.level in LOG_LEVELS else 1
