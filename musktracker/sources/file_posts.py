"""The posts of one file as they are read: checked against their ids, and counted where they are wrong."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import chain, compress, groupby, islice, pairwise, repeat
from operator import itemgetter, sub
from typing import Any, NamedTuple

from musktracker.errors import MuskTrackerError
from musktracker.sources import post_times
from musktracker.sources.rows import KINDS, ORIGINAL, UNKNOWN, UNSAID, post_id
from musktracker.timeline import (
    DAY,
    FIRST_SNOWFLAKE,
    LAST_SNOWFLAKE,
    MICROSECOND,
    SNOWFLAKE_EPOCH_MS,
    Span,
    from_microseconds,
    microseconds,
    now,
    snowflake_floor,
    snowflake_time,
)

SHOWN = 20  # bad rows that are listed; all are counted
MOST_POSTS = 5_000_000  # of one file: what keeps memory bounded
ENOUGH_TO_JUDGE = 3  # rounded ids, to say that the file's were
ROUNDED_BY = 10_000  # a spreadsheet keeps fifteen digits of nineteen
LONG_RUN = 40  # ids without a sequence number, to say the same
JUDGED = 5_000  # of a file's ids, evenly
AHEAD = timedelta(minutes=5)  # how far this machine's clock may be behind
MILLISECOND = timedelta(milliseconds=1)
YEAR = timedelta(days=365)  # of silence: no account is taken to have been observed through it
STRAY = 10  # a part is one where another has more than so many times its posts, as is a single post


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


class Part(NamedTuple):
    """Posts without a year of silence between them: from the first to just after the last, and which is the first."""

    span: Span
    posts: int
    first: int


class Posts:
    """What was read of a file: ids by kind with their lines, and what was wrong with other rows."""

    def __init__(self, *, author: str | None = None, strict: bool = False, moment: datetime | None = None) -> None:
        self.rows = self.bad = self.other_authors = self.contradicted = self.unread_times = self.of_other_days = 0
        self.bad_rows: list[BadRow] = []
        self.contradicted_at: list[str] = []
        self.references_are_said = False
        self.ends_in_line = False
        self.deleted: set[int] = set()
        self.parts: list[Part] = []
        self._author = author.strip().lstrip("@").lower() if author else None
        self._authors: set[str] = set()
        self._strict = strict
        self._end = snowflake_floor((moment or now()) + AHEAD)
        self._ids: list[array[int]] = [array("q") for _ in range(UNSAID + 1)]
        self._lines: list[array[int]] = [array("q") for _ in self._ids]
        self._stated: dict[int, datetime] = {}
        self._untimed = array("q")  # ids with no time to hold against them, where others have one or the text ends
        self._members: list[str] = []
        self._base = 0
        self._last_stated: Any = None

    def begin(self, member: str) -> None:
        """What is added from here on is of this file inside the file ("" for itself)."""
        self._base = len(self._members) * _LINES
        self._members.append(member)
        self.ends_in_line = False

    def end(self) -> None:
        """No more is added of what began: its last id may be cut off where it `ends_in_line`."""
        if self.ends_in_line and not self._last_stated:
            ends = ((lines[-1], ids[-1]) for lines, ids in zip(self._lines, self._ids, strict=True) if ids)
            line, number = max(ends, default=(0, 0))
            if line > self._base:
                self._untimed.append(number)

    def add(self, line: int, cell: Any, stated: Any = None, code: int = UNSAID, deleted: bool = False) -> None:
        """Take a row's post: the field with its id, the time that the file states, the code of its kind.

        `stated` is None where the file states no times, "" where only this row does not.
        """
        self.rows += 1
        line += self._base
        self._last_stated = stated
        if self.rows > MOST_POSTS:
            self._require_room()
        try:
            number = int(cell) if type(cell) is str and cell.isdecimal() and len(cell) < 20 else post_id(cell)
            if FIRST_SNOWFLAKE <= number < self._end:
                if stated:
                    self._compare(line, number, stated)
                elif stated is not None:
                    self._untimed.append(number)
            else:
                self._take_time(number, stated)
        except ValueError as reason:
            self._refuse(line, str(reason))
        else:
            self._ids[code].append(number)
            self._lines[code].append(line)
            if deleted:
                self.deleted.add(number)

    def reject(self, line: int, reason: str) -> None:
        """Count a row that cannot be read."""
        self.rows += 1
        self._refuse(self._base + line, reason)

    def drop(self, numbers: Collection[int], reason: str) -> None:
        """Leave out posts that were taken: each of their rows is a bad one. Raises StrictStop."""
        for code, (ids, lines) in enumerate(zip(self._ids, self._lines, strict=True)):
            wrong = [number in numbers for number in ids]
            for line in compress(lines, wrong):
                self._refuse(line, reason)
            kept = [not each for each in wrong]
            self._ids[code] = array("q", compress(ids, kept))
            self._lines[code] = array("q", compress(lines, kept))

    def where(self, number: int) -> str:
        """The first place of one of these posts."""
        return self._where(
            min(lines[ids.index(number)] for lines, ids in zip(self._lines, self._ids, strict=True) if number in ids)
        )

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
        if self.of_other_days > len(self):
            raise Unreadable(
                "states times of other days than those in its ids, for the most part",
                "Where digits of the ids are missing, export them as text; where the times are not those of the "
                "posts, say so: --map created_at=COLUMN, or created_at=none",
            )
        self._drop_cut()
        ordered = sorted(chain(*self._ids))
        if _are_rounded(set(ordered[:: len(ordered) // JUDGED + 1])):
            raise Unreadable(
                "holds ids that a spreadsheet or a script rounded: their last digits are lost",
                "Export it again with the ids as text",
            )
        if _nearest(ordered) < ROUNDED_BY:
            self.drop(_rounded_twins(ordered), "its id is that of another row, rounded")
        if ordered:
            self.parts = list(self._parted(ordered))

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
        return microseconds(self._stated[number])

    def span(self) -> Span:
        """From the first post to just after the last. Raises ValueError where there is none."""
        moments = [self.moment(pick(ids)) for ids in self._ids if ids for pick in (min, max)]
        moments += map(self.moment, self._stated)
        first, last = (from_microseconds(pick(moments)) for pick in (min, max))
        return Span(first, last + MILLISECOND)

    def observed(self) -> list[Span]:
        """The time from the first post to just after the last, but for stray ones and for years of silence."""
        return [part.span for part in self.parts if not self.is_stray(part)]

    def is_stray(self, part: Part) -> bool:
        """Whether so few posts are so far from the others that wrong ids are likelier than that they are alone."""
        most = max(each.posts for each in self.parts)
        return most > (1 if part.posts == 1 else STRAY * part.posts)

    def __len__(self) -> int:
        return sum(map(len, self._ids))

    def _parted(self, ordered: list[int]) -> Iterator[Part]:
        """The parts between which a year is silent."""
        if not self._stated and _farthest(ordered) <= _YEAR:
            yield Part(self.span(), len(ordered), ordered[0])
            return
        made = sorted((self.moment(number), number) for number in ordered)
        begins = [0, *(i for i, (a, b) in enumerate(pairwise(made), 1) if b[0] - a[0] > YEAR // MICROSECOND)]
        for begin, end in pairwise((*begins, len(made))):
            first, last = (from_microseconds(made[i][0]) for i in (begin, end - 1))
            yield Part(Span(first, last + MILLISECOND), end - begin, made[begin][1])

    def _drop_cut(self) -> None:
        """Leave out ids that are shorter than all that a time confirms, and years before them."""
        if not self._untimed:
            return
        unsure = set(self._untimed)
        least = min((number for number in chain(*self._ids) if number not in unsure), default=0)
        short = {i for i in unsure if len(str(i)) < len(str(least)) and least - i > _YEAR}
        if short:
            self.drop(short, "its id has fewer digits than every other: it is cut off, or digits are missing")

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
            self._untimed.append(number)
        elif apart > DAY:
            self.of_other_days += 1
            raise ValueError("its id is of another time than the file states: digits are missing or wrong")
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
        member, number = divmod(line, _LINES)
        name = self._members[member] if self._members else ""
        return f"{name}, line {number}" if name else f"line {number}"


def is_rounded_twin(number: int, other: int) -> bool:
    """Whether two ids are of one post, since one looks like the other, rounded."""
    return abs(number - other) < ROUNDED_BY and any(map(_looks_rounded, (number, other)))


def _looks_rounded(number: int) -> bool:
    return number > _LONG and (not number % 100 or (number >= _COARSE and number == float(number)))


def _are_rounded(ids: set[int]) -> bool:
    """Whether many were: by a spreadsheet, which leaves zeros, or by a float, which leaves multiples of 256.

    An id without a sequence number (its last twelve bits) is such a multiple by nature; of others, one in 400 is. But
    by now at least two of five have one (the longest run without is 18), though only a low one until 2023.
    """
    telling = [number for number in ids if number & _SEQUENCE and number >= _COARSE]
    decimal, binary = sum(not number % 100 for number in ids), sum(number == float(number) for number in telling)
    by_spreadsheet = decimal >= ENOUGH_TO_JUDGE and 2 * decimal > len(ids)
    return by_spreadsheet or (binary >= ENOUGH_TO_JUDGE and 10 * binary > len(telling)) or _lack_sequence(ids)


def _lack_sequence(ids: set[int]) -> bool:
    late = [number for number in ids if number >= _SEQUENCED]
    if len(late) < LONG_RUN or any(number & _SEQUENCE for number in late):
        return False
    return len({number & _MACHINE for number in late}) > 1  # otherwise they were made up from times


def _nearest(ordered: list[int]) -> int:
    return min(filter(None, map(sub, islice(ordered, 1, None), ordered)), default=ROUNDED_BY)


def _farthest(ordered: list[int]) -> int:
    return max(map(sub, islice(ordered, 1, None), ordered), default=0)


def _rounded_twins(ordered: list[int]) -> set[int]:
    """Of each two ids that are of one post, the rounded one."""
    return {
        max(pair, key=lambda number: (not number % 100, number == float(number)))
        for pair in pairwise(ordered)
        if pair[0] != pair[1] and is_rounded_twin(*pair)
    }


_LINES = 1 << 40  # more than a file has
_LONG = 10**15  # ids of more digits are those that get rounded
_MACHINE, _SEQUENCE = 0x3FF000, 0xFFF  # the bits of an id below its time
_SEQUENCED = snowflake_floor(datetime(2022, 11, 1, tzinfo=UTC))  # from here on that is known of ids
_COARSE = 1 << 58  # from here on floats are 64 and more apart
_YEAR = YEAR // MILLISECOND << 22
