"""An X API in memory, for what follows an account: exact in what it shows, wrong where a test says so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal

from musktracker.sources.x_errors import Forbidden
from musktracker.sources.x_limits import RateLimit
from musktracker.sources.x_pages import Count, LookedUp, Page, Post, Usage
from musktracker.timeline import DAY, HOUR, Span, floor_day, floor_hour, snowflake_floor, snowflake_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeX:
    """The account's posts by the id under which they are listed, and a clock that moves when a test says so.

    `oddities` are rates (0..1 of the pages) of swap, overlap, repeat, empty, loop, stray (a post out of its place)
    and cut (a page loses its token); `before_request` is called with what is asked before each page and may raise.
    """

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.posts: dict[int, str] = {}
        self.first_ids: dict[int, int] = {}
        self.deleted: set[int] = set()
        self.withheld: set[int] = set()
        self.hidden: set[int] = set()  # that pages leave out although they are there
        self.unreadable: set[int] = set()  # whose entries in pages are none
        self.uncounted = 0  # posts that each page says to hold beside those in it
        self.strays: dict[int, list[int]] = {}  # posts that come with a page, by its place, although not asked for
        self.emptied: set[int] = set()  # requests, by their number, whose page comes empty and without a token
        self.reach: int | None = 3_200
        self.archive = True
        self.always_loops = False
        self.page_size: int | None = None
        self.oddities: dict[str, float] = {}
        self.before_request: Callable[[str], None] = lambda _asked: None
        self.requests: list[str] = []
        self.read: dict[datetime, set[int]] = {}  # by UTC day: what is billed
        self.count_requests = 0
        self.ahead = timedelta()  # of the client's idea of the time, until the first answer
        self.limits: Mapping[str, RateLimit] = {}
        self._dice = random.Random(5)
        self._spare = 0

    def add(self, *moments: datetime, kind: str = "original") -> list[int]:
        """New posts made at these times; returns their ids."""
        ids = []
        for moment in moments:
            self._spare += 1
            ids.append(snowflake_floor(moment) + self._spare % (1 << 22))
            self.posts[ids[-1]] = kind
        return ids

    def fill(self, span: Span, n: int, seed: int = 1) -> list[int]:
        """Posts at random times of a span, every kind among them; returns their ids."""
        dice = random.Random(seed)
        length = span.end - span.start
        kinds = ("original", "reply", "quote", "repost")
        made = sorted(span.start + length * dice.random() for _ in range(n))
        return [self.add(moment, kind=dice.choice(kinds))[0] for moment in made]

    def edit(self, number: int, moment: datetime) -> int:
        """A new version of a post takes the place of the one before; returns its id."""
        [new] = self.add(moment, kind=self.posts.pop(number))
        self.first_ids[new] = self.first_ids.get(number, number)
        return new

    @property
    def truth(self) -> set[int]:
        """The first ids of the posts that are there."""
        return {self.first_ids.get(number, number) for number in self.posts if number not in self.deleted}

    @property
    def billed(self) -> int:
        """Posts that cost money so far."""
        return sum(map(len, self.read.values()))

    def server_now(self) -> datetime:
        return self.now + self.ahead

    def timeline(
        self, user_id: int, *, since_id: int | None = None, until_id: int | None = None, max_results: int = 100
    ) -> AsyncIterator[Page]:
        there = sorted(self._there(), reverse=True)[: self.reach]
        found = [n for n in there if (since_id or 0) < n and (until_id is None or n < until_id)]
        return self._pages("timeline", found, max_results)

    def search(
        self,
        query: str,
        *,
        scope: Literal["recent", "all"] = "recent",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_results: int = 100,
    ) -> AsyncIterator[Page]:
        assert start_time is not None
        assert end_time is not None
        assert start_time < end_time <= self.now - timedelta(seconds=30)
        assert scope == "all" or start_time >= self.now - 7 * DAY
        low, high = snowflake_floor(start_time), snowflake_floor(end_time)
        found = sorted((n for n in self._there() if low <= n < high), reverse=True)
        return self._pages(scope, found, max_results)

    async def counts(
        self,
        query: str,
        *,
        scope: Literal["recent", "all"] = "recent",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> list[Count]:
        self._ask(f"counts/{scope}")
        assert start_time is not None
        assert end_time is not None
        self.count_requests += 1
        hours = [start_time + HOUR * i for i in range((end_time - start_time) // HOUR)]
        low, high = snowflake_floor(start_time), snowflake_floor(end_time)
        there = Counter(
            floor_hour(snowflake_time(n)) for n in self.posts if low <= n < high and n not in self.deleted
        )
        return [Count(hour, hour + HOUR, there[hour]) for hour in hours]

    async def lookup(self, ids: Iterable[int]) -> LookedUp:
        self._ask("lookup")
        wanted = set(ids)
        there = {self.first_ids.get(n, n): n for n in self.posts if n not in self.deleted}
        found = {n: self._post(there[n]) for n in wanted & there.keys() - self.withheld}
        self._bill(found)
        return LookedUp(found, frozenset(wanted - there.keys() - self.withheld), frozenset(wanted & self.withheld))

    async def usage(self) -> Usage:
        self._ask("usage")
        return Usage(used=1_000, cap=3_000_000, reset_day=5)

    def _there(self) -> Iterator[int]:
        made_by = snowflake_floor(self.now + timedelta(milliseconds=1))
        gone = self.deleted | self.hidden
        return (n for n in self.posts if n < made_by and n not in gone)

    async def _pages(self, asked: str, found: list[int], size: int) -> AsyncIterator[Page]:
        numbers = iter(found)
        size = min(size, self.page_size or size)
        groups = list(iter(lambda: list(islice(numbers, size)), [])) or [[]]
        self._disturb(groups)
        for i, group in enumerate(groups):
            self._ask(asked)
            last = i + 1 == len(groups)
            looped = self.always_loops or (not last and self._happens("loop"))
            is_empty = len(self.requests) in self.emptied
            ended = last or is_empty or bool(group and self._happens("cut"))
            token = str(i) if looped or not ended else None
            yield self._page([] if is_empty else group, token, looped)
            if looped or ended:
                return

    def _page(self, group: list[int], token: str | None, looped: bool) -> Page:
        there = [n for n in group if n not in self.unreadable]
        self._bill(there)
        low, high = min(there, default=None), max(there, default=None)
        page = Page(tuple(map(self._post, there)), high, low, len(group), token, looped)
        if self.uncounted:
            return replace(page, lacking="it counts more than it holds")
        if len(there) == len(group):
            return page
        entries = sorted(group, reverse=True)
        bad = [i for i, n in enumerate(entries) if n in self.unreadable]
        upper, lower = entries[: bad[0]][-1:], entries[bad[-1] + 1 :][:1]
        return replace(page, lacking="posts without ids", gap=((upper or [None])[0], (lower or [None])[0]))

    def _disturb(self, groups: list[list[int]]) -> None:
        for i in range(len(groups) - 1):
            if self._happens("swap"):
                groups[i], groups[i + 1] = groups[i + 1], groups[i]
        for i in reversed(range(len(groups))):
            if i and self._happens("overlap"):
                groups[i] = groups[i - 1][-3:] + groups[i]
            if self._happens("repeat"):
                groups.insert(i, list(groups[i]))
            if self._happens("empty"):
                groups.insert(i, [])
            if groups[i] and self._happens("stray"):
                groups[i] = [*groups[i], self._dice.choice(groups[-1])]
            groups[i] = [*groups[i], *self.strays.get(i, [])]
            self._dice.shuffle(groups[i])

    def _ask(self, asked: str) -> None:
        self.before_request(asked)
        if asked.endswith("all") and not self.archive:
            raise Forbidden("The plan does not include this")
        self.requests.append(asked)
        self.ahead = timedelta()

    def _bill(self, numbers: Iterable[int]) -> None:
        self.read.setdefault(floor_day(self.now), set()).update(numbers)

    def _post(self, number: int) -> Post:
        first = self.first_ids.get(number, number)
        return Post(number, snowflake_time(first), self.posts[number], first)

    def _happens(self, oddity: str) -> bool:
        return self._dice.random() < self.oddities.get(oddity, 0)


class Clock:
    """Time that passes only when somebody sleeps; moves the API's with it."""

    def __init__(self, api: FakeX) -> None:
        self.api = api
        self.slept: list[float] = []
        self.at_sleep: Callable[[], Any] = lambda: None

    def __call__(self) -> datetime:
        return self.api.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.api.now += timedelta(seconds=seconds)
        self.at_sleep()
