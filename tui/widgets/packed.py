"""The texts of many lines in little memory: compressed a block at a time, numbered, unpacked where they are read."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

Row = tuple[int, float, str, dict[str, Any]]  # a line's id in the database, its time in seconds, its text, its fields
BLOCK = 500  # rows that are packed together
FASTEST = 1  # zlib's level: a log is a fifth at this one, and hardly less at the others


class PackedRows:
    """Rows with numbers that stay when others are put before or after them.

    `first` is the number of the first row, `end` the one after the last.
    """

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        self._starts: list[int] = []
        self._blocks: list[bytes] = []
        self._newest: list[Row] = []  # too few for a block yet
        self._unpacked: dict[int, Sequence[Row]] = {}  # by the first number: the two blocks read last

    def __getitem__(self, number: int) -> Row:
        start, rows = self._block_of(number)
        return rows[number - start]

    def rows(self, start: int, end: int) -> Iterator[tuple[int, Row]]:
        """The rows from one number to before another, with their numbers."""
        while start < end:
            first, rows = self._block_of(start)
            until = min(end, first + len(rows))
            yield from zip(range(start, until), rows[start - first : until - first], strict=True)
            start = until

    def copy(self) -> PackedRows:
        """The same rows, whatever becomes of these; what is packed is shared, so that it costs next to nothing."""
        other = PackedRows()
        other.first, other.end = self.first, self.end
        other._starts, other._blocks, other._newest = self._starts[:], self._blocks[:], self._newest[:]
        return other

    def append(self, rows: Sequence[Row]) -> None:
        """Put rows after the last one."""
        self._newest += rows
        self.end += len(rows)
        while len(self._newest) >= BLOCK:
            self._starts.append(self.end - len(self._newest))
            self._blocks.append(_packed(self._newest[:BLOCK]))
            del self._newest[:BLOCK]

    def prepend(self, rows: Sequence[Row]) -> None:
        """Put rows before the first one."""
        cuts = range(0, len(rows), BLOCK)
        start = self.first - len(rows)
        self._starts[:0] = [start + cut for cut in cuts]
        self._blocks[:0] = [_packed(rows[cut : cut + BLOCK]) for cut in cuts]
        self.first = start

    def drop_before(self, number: int) -> None:
        """Let go of the rows before this one; none can be put before the rest then."""
        self.first = number
        gone = bisect_right(self._starts, number) - 1
        if gone > 0:
            del self._starts[:gone], self._blocks[:gone]

    def _block_of(self, number: int) -> tuple[int, Sequence[Row]]:
        newest = self.end - len(self._newest)
        if number >= newest:
            return newest, self._newest
        i = bisect_right(self._starts, number) - 1
        start = self._starts[i]
        if start not in self._unpacked:
            while len(self._unpacked) > 1:
                del self._unpacked[next(iter(self._unpacked))]
            self._unpacked[start] = json.loads(zlib.decompress(self._blocks[i]))
        return start, self._unpacked[start]


def _packed(rows: Sequence[Row]) -> bytes:
    return zlib.compress(json.dumps(rows).encode(), FASTEST)
