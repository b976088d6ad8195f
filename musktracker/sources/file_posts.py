"""The posts of one file as they are read: checked against their ids, and counted where they are wrong."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import chain, groupby, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from musktracker.errors import MuskTrackerError
from musktracker.sources import post_times
from musktracker.sources.rows import KINDS, ORIGINAL, UNKNOWN, UNSAID, post_id
from musktracker.timeline import (
    EPOCH,
    FIRST_SNOWFLAKE,
    LAST_SNOWFLAKE,
    SNOWFLAKE_EPOCH_MS,
    Span,
    now,
    snowflake_floor,
    snowflake_time,
)

SHOWN = 20  # bad rows that are listed; all are counted
MOST_POSTS = 5_000_000  # of one file: what keeps memory bounded
ENOUGH_TO_JUDGE = 20  # ids, to say that they were rounded
AHEAD = timedelta(minutes=5)  # how far this machine's clock may be behind
MILLISECOND = timedelta(milliseconds=1)


class Unreadable(MuskTrackerError):
    """A file that cannot be imported at all; the message goes on from the file's name."""


class Unknown(Unreadable):
    """A text in no form that is known."""


class StrictStop(MuskTrackerError):
    """The first bad row, where none is allowed; the message begins with the line."""


class BadRow(NamedTuple):
    """Where a row is that could not be used, and why; never what it holds."""

    where: str
    reason: str


class Posts:
    """What was read of a file: ids by kind, in nine bytes a post, and what was wrong with other rows."""

    def __init__(self, *, author: str | None = None, strict: bool = False, moment: datetime | None = None) -> None:
        self.member = ""
        self.rows = self.bad = self.other_authors = self.contradicted = self.unread_times = 0
        self.bad_rows: list[BadRow] = []
        self.contradicted_at: list[str] = []
        self.references_are_said = False
        self._author = author.strip().lstrip("@").lower() if author else None
        self._authors: set[str] = set()
        self._strict = strict
        self._end = snowflake_floor((moment or now()) + AHEAD)
        self._ids: list[array[int]] = [array("q") for _ in range(UNSAID + 1)]
        self._stated: dict[int, datetime] = {}

    def add(self, line: int, cell: Any, stated: Any = None, code: int = UNSAID) -> None:
        """Take a row's post: the field with its id, the time that the file states, the code of its kind."""
        self.rows += 1
        if self.rows > MOST_POSTS:
            self._require_room()
        try:
            number = int(cell) if type(cell) is str and cell.isdecimal() and len(cell) < 20 else post_id(cell)
            if FIRST_SNOWFLAKE <= number < self._end:
                if stated:
                    self._compare(line, number, stated)
            else:
                self._take_time(number, stated)
        except ValueError as reason:
            self._refuse(line, str(reason))
        else:
            self._ids[code].append(number)

    def reject(self, line: int, reason: str) -> None:
        """Count a row that cannot be read."""
        self.rows += 1
        self._refuse(line, reason)

    def wants(self, author: Any) -> bool:
        """Whether a row of this author is to be taken; counts it where it is not."""
        name = str(author or "").strip().lstrip("@").lower()
        if self._author is None or name == self._author:
            if name and len(self._authors) < 2:
                self._authors.add(name)
            return True
        self.rows += 1
        self.other_authors += 1
        return False

    @property
    def author_is_named(self) -> bool:
        """Whether one author is wanted, by name rather than by id."""
        return self._author is not None and not self._author.isdecimal()

    def check(self) -> None:
        """Refuse what no single row shows. Raises Unreadable."""
        if len(self._authors) > 1:
            raise Unreadable(
                "holds posts of several authors, and only one is counted", "Say which: --author-id ID (or name)"
            )
        if len(self) >= ENOUGH_TO_JUDGE and 2 * sum(not i % 100 for i in chain(*self._ids)) > len(self):
            raise Unreadable(
                "holds ids that end in 00 for the most part: a spreadsheet or a script rounded them",
                "Export it again with the ids as text",
            )

    def distinct(self) -> Iterator[tuple[int, str | None]]:
        """Each post once, as id and kind, by id."""
        unsaid = ORIGINAL if self.references_are_said else UNKNOWN
        streams = [
            zip(sorted(ids), repeat(unsaid if code == UNSAID else code)) for code, ids in enumerate(self._ids) if ids
        ]
        for number, same in groupby(merge(*streams) if len(streams) > 1 else chain(*streams), itemgetter(0)):
            yield number, KINDS[next(same)[1]]

    def moment(self, number: int) -> int:
        """When one of these posts was made, in microseconds since the epoch."""
        if number >= FIRST_SNOWFLAKE:
            return ((number >> 22) + SNOWFLAKE_EPOCH_MS) * 1000
        return (self._stated[number] - EPOCH) // timedelta(microseconds=1)

    def span(self) -> Span:
        """From the first post to just after the last. Raises ValueError where there is none."""
        moments = [self.moment(pick(ids)) for ids in self._ids if ids for pick in (min, max)]
        moments += map(self.moment, self._stated)
        first, last = (EPOCH + timedelta(microseconds=pick(moments)) for pick in (min, max))
        return Span(first, last + MILLISECOND)

    def __len__(self) -> int:
        return sum(map(len, self._ids))

    def _require_room(self) -> None:
        if len(self) >= MOST_POSTS:
            raise Unreadable(f"holds more than {MOST_POSTS:,} posts", "Split it, and import the parts")

    def _compare(self, line: int, number: int, stated: Any) -> None:
        try:
            moment = datetime.fromisoformat(stated)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            if -2 <= moment.timestamp() - ((number >> 22) + SNOWFLAKE_EPOCH_MS) / 1000 <= 2:
                return
        except (ValueError, TypeError, OverflowError):
            pass  # the long way round knows more forms
        apart = post_times.difference(str(stated), snowflake_time(number))
        if apart is None:
            self.unread_times += 1
        elif apart > post_times.TOLERANCE:
            self.contradicted += 1
            if len(self.contradicted_at) < 3:
                self.contradicted_at.append(self._where(line))

    def _take_time(self, number: int, stated: Any) -> None:
        if not 0 < number <= LAST_SNOWFLAKE:
            raise ValueError("its id is no number that a post can have")
        if number >= self._end:
            raise ValueError("its id lies in the future")
        if not stated:
            raise ValueError("its id is too old to hold its time, and the file states none")
        moment = post_times.exact(str(stated))
        if moment >= snowflake_time(FIRST_SNOWFLAKE):
            raise ValueError("its id is too old for the time that the file states")
        self._stated[number] = min(moment, self._stated.get(number, moment))

    def _refuse(self, line: int, reason: str) -> None:
        bad = BadRow(self._where(line), reason)
        self.bad += 1
        if len(self.bad_rows) < SHOWN:
            self.bad_rows.append(bad)
        if self._strict:
            raise StrictStop(f"{bad.where}: {bad.reason}")

    def _where(self, line: int) -> str:
        return f"{self.member}, line {line}" if self.member else f"line {line}"
