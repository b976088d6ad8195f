"""The simulated account: its posts by id, their edits and deletions, and those still to come."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from musktracker.timeline import EPOCH, SNOWFLAKE_EPOCH_MS, from_microseconds, microseconds, snowflake_time

CREATED, DELETED = "post.create", "post.delete"
KINDS = ("original", "reply", "quote", "repost")
YEAR_POSTS = 15_000  # fewer than the model makes in any year
MODEL_START = datetime.fromisoformat("2016-06-01T00:00:00+00:00")
CHUNK = timedelta(days=14)


class Account:
    """Posts as the API's servers hold them. A post is known by the id of its newest version."""

    def __init__(self, seed: int) -> None:
        self.ids: list[int] = []
        self.kinds: dict[int, str] = {}
        self.deleted: set[int] = set()
        self.versions: dict[int, tuple[int, ...]] = {}
        self.changes = 0
        self.journal: list[
            tuple[str, int] | bytes
        ] = []  # for the stream: what happened to which post; a line as it is
        self._newest_version: dict[int, int] = {}
        self._random = random.Random(seed)  # noqa: S311 - a simulation, nothing secret
        self._arrivals: Iterator[tuple[datetime, str]] = iter(())
        self._next: tuple[datetime, str] | None = None

    def add(self, created: datetime, kind: str = "original") -> int:
        """A new post made at a time; returns its id."""
        number = self._free_id(created)
        self.put(number, kind)
        return number

    def put(self, number: int, kind: str) -> None:
        """A new post with an id."""
        if number in self.kinds or number in self._newest_version:
            return
        if not self.ids or number > self.ids[-1]:
            self.ids.append(number)
        else:
            insort(self.ids, number)
        self.kinds[number] = kind
        self.changes += 1
        self.journal.append((CREATED, number))

    def edit(self, number: int, moment: datetime) -> int:
        """A new version of a post, made at a time; returns its id."""
        current = self.current(number)
        if current is None:
            raise LookupError(f"There is no post {number}")
        new = self._free_id(moment)
        history = (*self.versions.pop(current, (current,)), new)
        kind, was_deleted = self.kinds.pop(current), current in self.deleted
        del self.ids[bisect_left(self.ids, current)]
        self.put(new, kind)
        self.versions[new] = history
        self._newest_version |= dict.fromkeys(history[:-1], new)
        if was_deleted:
            self.deleted.discard(current)
            self.deleted.add(new)
        return new

    def delete(self, numbers: Iterable[int]) -> None:
        """Posts vanish, in all their versions."""
        gone = {current for number in numbers if (current := self.current(number)) is not None} - self.deleted
        self.deleted |= gone
        self.changes += 1
        self.journal += [(DELETED, number) for number in sorted(gone)]

    def restore(self, numbers: Iterable[int]) -> None:
        """Deleted posts are there again."""
        self.deleted -= {current for number in numbers if (current := self.current(number)) is not None}
        self.changes += 1

    def current(self, number: int) -> int | None:
        """The newest version of a post named by any of them; None where there is none."""
        number = self._newest_version.get(number, number)
        return number if number in self.kinds else None

    def history(self, number: int) -> tuple[int, ...]:
        """All versions of a post, the first one first."""
        return self.versions.get(number, (number,))

    def downwards(self, high: int, low: int) -> Iterator[int]:
        """The posts that are there with low < id < high, newest first."""
        ids, deleted = self.ids, self.deleted
        for i in range(bisect_left(ids, high) - 1, -1, -1):
            number = ids[i]
            if number <= low:
                return
            if number not in deleted:
                yield number

    def upwards(self, number: int) -> Iterator[int]:
        """The posts that are there from an id on, oldest first."""
        for i in range(bisect_left(self.ids, number), len(self.ids)):
            if self.ids[i] not in self.deleted:
                yield self.ids[i]

    def truth(self) -> dict[str, dict[str, str] | list[str]]:
        """What a perfect observer has stored: kinds by first id; and the first ids of those deleted."""
        there = {str(self.history(number)[0]): self.kinds[number] for number in self.downwards(1 << 63, 0)}
        return {"posts": there, "deleted": [str(self.history(number)[0]) for number in self.deleted]}

    def begin(self, posts: int, seed: int, moment: datetime, speed: float) -> None:
        """Make up a past of exactly so many posts until a time, and arrivals after it."""
        for created, kind in _past(posts, seed, moment):
            self.add(created, kind)
        if speed > 0:
            self._arrivals = _future(seed, moment, speed)
            self._next = next(self._arrivals)

    def advance(self, moment: datetime) -> None:
        """Let come what is due."""
        while self._next is not None and self._next[0] <= moment:
            self.add(*self._next)
            self._next = next(self._arrivals)

    def _free_id(self, created: datetime) -> int:
        milliseconds = (created - EPOCH) // timedelta(milliseconds=1)
        number = (milliseconds - SNOWFLAKE_EPOCH_MS) << 22 | self._random.getrandbits(22)
        while number in self.kinds or number in self._newest_version:
            number += 1
        return number


def _past(posts: int, seed: int, moment: datetime) -> Iterable[tuple[datetime, str]]:
    """The last posts of a simulated account before a time; in less time than it took where there are too many."""
    if not posts:
        return ()
    wanted = timedelta(days=30 + 366 * posts / YEAR_POSTS)
    squeeze = max(1.0, wanted / (moment - MODEL_START))
    end = MODEL_START + wanted if squeeze > 1 else moment
    found = deque(_modelled(end - wanted, end, seed), maxlen=posts)
    assert len(found) == posts, "the model made fewer posts than it should"  # noqa: S101
    return [(moment - (end - made) / squeeze, kind) for made, kind in found]


def _future(seed: int, moment: datetime, speed: float) -> Iterator[tuple[datetime, str]]:
    start = moment
    while True:
        for made, kind in _modelled(start, start + CHUNK, seed):
            yield moment + (made - moment) / speed, kind
        start += CHUNK


def _modelled(start: datetime, end: datetime, seed: int) -> Iterator[tuple[datetime, str]]:
    from musktracker.models import simulation

    found = simulation.simulate_account(microseconds(start), microseconds(end), seed)
    for time, kind in zip(found.times.tolist(), found.kinds.tolist(), strict=True):
        yield from_microseconds(time), KINDS[kind]


def made_at(number: int) -> datetime:
    """When a simulated post was made."""
    return snowflake_time(number)
