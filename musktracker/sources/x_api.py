"""A client of the X API v2 that reads ids, times and kinds, waits out its limits, and says what it cannot do.

    async with XClient("https://api.x.com", token, on_wait=tell) as client:
        user = await client.user_id("elonmusk")
        async for page in client.timeline(user, since_id=newest_complete):
            ...  # store page.posts and what the page leaves to fetch, in one transaction

What passes (a spent window, a server's fault, a lost connection, a broken answer) is waited for and tried again; what
does not is one of the errors of `x_errors`. Nothing is remembered between processes: ids are what a caller persists,
page tokens are not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

from musktracker.sources import x_errors, x_pages
from musktracker.sources.x_fields import FieldNames, Spelling
from musktracker.sources.x_limits import RateLimit
from musktracker.sources.x_pages import Count, LookedUp, Malformed, Page, Post, Usage
from musktracker.sources.x_requests import Endpoint, OnWait, Patience, Requests, Timeouts, WaitReason
from musktracker.sources.x_stream import ActivityStream
from musktracker.timeline import iso, now

Scope = Literal["recent", "all"]
T = TypeVar("T")

LOOKUP_SIZE = 100
WHOLE_PAGE_TRIES = 4  # at a page that lacks posts, until it is taken as it is
STALLED_PAGES = 50  # pages in a row that lead no further back: the API leads in a circle


class XClient:
    """Reads one API with one token, one request at a time and a stream beside; an asynchronous context manager.

    `on_wait(reason, until)` hears of every wait of a second or more before it begins, `until` by this machine's
    clock. Every method raises the errors of `x_errors`: Unavailable once retries are spent, any other at once.
    """

    def __init__(
        self,
        base_url: str,
        bearer_token: str | None,
        *,
        on_wait: OnWait | None = None,
        patience: Patience | None = None,
        timeouts: Timeouts | None = None,
        spelling: Spelling = "tweet",
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` and `sleep` are what it takes the time from and waits by.

        Raises Unauthorized without a token, UsageError for an address to which a token must not be sent.
        """
        self._requests = Requests(
            base_url,
            bearer_token,
            on_wait=on_wait,
            patience=patience or Patience(),
            timeouts=timeouts or Timeouts(),
            clock=clock,
            sleep=sleep,
        )
        self._fields = FieldNames(spelling)
        self._clock = clock
        self._sleep = sleep
        self.posts_received = 0  # entries, repeated ones too
        self._taken: tuple[str, int | None, int | None] | None = None  # the page that was last taken as it is

    async def user_id(self, username: str) -> int:
        """The id of an account. Raises AccountNotFound or AccountSuspended."""

        def read(body: Any) -> int:
            data = body.get("data")
            if not isinstance(data, Mapping):
                raise self._no_data(body, f"@{username}")
            try:
                return x_pages.read_id(data["id"])
            except (KeyError, TypeError, ValueError):
                raise Malformed("it has no id of the account") from None

        return await self._requests.ask(_USER, f"/2/users/by/username/{quote(username, safe='')}", {}, read)

    def timeline(
        self,
        user_id: int,
        *,
        since_id: int | None = None,
        until_id: int | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        exclude: Collection[Literal["replies", "retweets"]] = (),
        max_results: int = 100,
    ) -> AsyncGenerator[Page, None]:
        """An account's posts, newest first, in pages of 5 to 100; at most the newest 3,200 (800 without replies).

        Both ids are exclusive; `start_time` is inclusive, `end_time` exclusive, in whole seconds. Raises AccountError
        for an account whose posts cannot be read, PageTokenRefused where a page token died on the way.
        """
        parameters = {
            **_bounds(since_id, until_id, start_time, end_time),
            **({"exclude": ",".join(exclude)} if exclude else {}),
            "max_results": str(max_results),
        }
        return self._walk(
            _TIMELINE, f"/2/users/{user_id}/tweets", parameters, "pagination_token", f"with id {user_id}"
        )

    def search(
        self,
        query: str,
        *,
        scope: Scope = "recent",
        since_id: int | None = None,
        until_id: int | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_results: int = 100,
    ) -> AsyncGenerator[Page, None]:
        """Posts that match, newest first: of the last 7 days (pages of 10 to 100), or of all time (10 to 500).

        Without a start, `all` reaches back 30 days; without an end, both stop 30 seconds ago.
        """
        parameters = {
            "query": query,
            **_bounds(since_id, until_id, start_time, end_time),
            "max_results": str(max_results),
        }
        return self._walk(_SEARCH[scope], f"/2/tweets/search/{scope}", parameters, "next_token", None)

    async def counts(
        self,
        query: str,
        *,
        scope: Scope = "recent",
        granularity: Literal["minute", "hour", "day"] = "hour",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> list[Count]:
        """How many posts match in each minute, hour or day, oldest first; the first and the last may be cut short."""
        parameters = {"query": query, "granularity": granularity, **_bounds(None, None, start_time, end_time)}
        found: dict[datetime, Count] = {}
        seen: set[str] = set()
        while True:
            counts, token = await self._requests.ask(
                _COUNTS[scope], f"/2/tweets/counts/{scope}", parameters, x_pages.read_counts
            )
            found |= {count.start: count for count in counts}
            if token is None or token in seen:
                return [found[start] for start in sorted(found)]
            seen.add(token)
            parameters["next_token"] = token

    async def lookup(self, ids: Iterable[int]) -> LookedUp:
        """Which of these posts are there, a hundred a request. One that is in no answer is asked for singly."""
        found: dict[int, Post] = {}
        missing: set[int] = set()
        unknown: set[int] = set()
        for batch in _batches(ids, LOOKUP_SIZE):
            silent = set(batch)
            for asked in (batch, *([number] for number in batch)):
                if silent.isdisjoint(asked):
                    continue
                posts, gone, withheld = await self._look_up(asked)
                found |= {number: posts[number] for number in silent & posts.keys()}
                missing |= gone & silent
                unknown |= withheld & silent
                silent -= posts.keys() | gone | withheld
            unknown |= silent
        return LookedUp(found, frozenset(missing), frozenset(unknown))

    async def usage(self) -> Usage:
        """What the project has read this month, and may."""
        return await self._requests.ask(_USAGE, "/2/usage/tweets", {}, x_pages.read_usage)

    def activity(self) -> ActivityStream:
        """The stream of what accounts do, beside the requests of this client and by its token."""
        return ActivityStream(self._requests, clock=self._clock, sleep=self._sleep)

    @property
    def requests(self) -> int:
        """How many requests went out, failed ones too."""
        return self._requests.sent

    @property
    def limits(self) -> Mapping[str, RateLimit]:
        """The rate limits as last heard, by endpoint (`users/:id/tweets`); resets are by the API's clock."""
        return self._requests.limits

    @property
    def skew(self) -> timedelta:
        """How far the API's clock is ahead of this machine's; zero within what whole seconds can tell."""
        return self._requests.skew

    def server_now(self) -> datetime:
        """The time by the API's clock."""
        return self._requests.server_now()

    async def __aenter__(self) -> Self:
        self._requests.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._requests.close()

    def __repr__(self) -> str:
        return f"XClient({self._requests.base_url!r})"

    async def _walk(
        self, endpoint: Endpoint, path: str, parameters: dict[str, str], token_name: str, account: str | None
    ) -> AsyncGenerator[Page, None]:
        seen: set[str] = set()
        lowest: int | None = None  # newest post of a page: an old one may be out of its place
        stalled = 0
        while True:
            page = await self._page(endpoint, path, parameters, account)
            if page.newest_id is not None and (lowest is None or page.newest_id < lowest):
                lowest, stalled = page.newest_id, 0
            else:
                stalled += 1
            token = page.next_token
            if token is not None and (token in seen or stalled >= STALLED_PAGES):
                page = replace(page, looped=True)
            yield page
            if token is None or page.looped:
                return
            seen.add(token)
            parameters = {**parameters, token_name: token}

    async def _page(self, endpoint: Endpoint, path: str, parameters: dict[str, str], account: str | None) -> Page:
        tries = 0

        def read(body: Any) -> tuple[Page, bool]:
            nonlocal tries
            if "data" not in body and "meta" not in body and "errors" in body:
                raise self._no_data(body, account)
            problem = x_pages.transient_problem(body)
            if problem is not None:
                raise Malformed(f"it is not whole ({problem})")
            found = x_pages.read_page(body)
            if found.lacking:
                tries += 1
                page = (found.lacking, found.newest_id, found.oldest_id)
                if tries < WHOLE_PAGE_TRIES and page != self._taken:
                    raise Malformed(found.lacking)
                self._taken = page
            return found, x_pages.says_times(body)

        bare: Page | None = None
        while True:
            page, with_fields = await self._ask_for_posts(endpoint, path, parameters, read)
            self.posts_received += page.result_count
            if not page.posts:
                return bare or page
            if not self._fields.answered(with_fields=with_fields):
                return page
            bare = page

    async def _look_up(self, ids: Collection[int]) -> tuple[dict[int, Post], set[int], set[int]]:
        parameters = {"ids": ",".join(map(str, ids))}
        answer = await self._ask_for_posts(_LOOKUP, "/2/tweets", parameters, x_pages.read_lookup)
        self.posts_received += len(answer[0])
        return answer

    async def _ask_for_posts(
        self, endpoint: Endpoint, path: str, parameters: Mapping[str, str], read: Callable[[Any], T]
    ) -> T:
        while True:
            try:
                return await self._requests.ask(endpoint, path, {**parameters, **self._fields.parameters}, read)
            except x_errors.InvalidRequest as error:
                if not self._fields.refused(error):
                    raise

    def _no_data(self, body: Any, account: str | None) -> Exception:
        """What an answer with errors and nothing else means; `account` is the one asked for, if one was."""
        for problem in x_errors.problems(body):
            found = x_errors.account_error(problem, account) if account else None
            if found is not None:
                return found
        transient = x_pages.transient_problem(body)
        if transient is not None:
            return Malformed(f"it has no data ({transient})")
        said = "; ".join(x_errors.described(problem, self._requests.token) for problem in x_errors.problems(body))
        return x_errors.XApiError(f"The X API gives nothing but an error: {said or 'without a word'}")


_USER = Endpoint("users/by/username/:username", "the account's id")
_TIMELINE = Endpoint("users/:id/tweets", "the account's posts")
_SEARCH = {
    "recent": Endpoint("tweets/search/recent", "the search of recent posts"),
    "all": Endpoint("tweets/search/all", "the search of all posts", timedelta(seconds=1)),
}
_COUNTS = {
    "recent": Endpoint("tweets/counts/recent", "the counts of recent posts"),
    "all": Endpoint("tweets/counts/all", "the counts of all posts"),
}
_LOOKUP = Endpoint("tweets", "posts by their ids")
_USAGE = Endpoint("usage/tweets", "the project's usage")


def _bounds(
    since_id: int | None, until_id: int | None, start_time: datetime | None, end_time: datetime | None
) -> dict[str, str]:
    second = timedelta(seconds=1)
    bounds = {
        "since_id": None if since_id is None else str(since_id),
        "until_id": None if until_id is None else str(until_id),
        "start_time": None if start_time is None else iso(start_time.replace(microsecond=0)),
        "end_time": None
        if end_time is None
        else iso(end_time.replace(microsecond=0) + (second if end_time.microsecond else timedelta())),
    }
    return {name: value for name, value in bounds.items() if value is not None}


def _batches(ids: Iterable[int], size: int) -> Iterator[list[int]]:
    left = iter(dict.fromkeys(ids))
    while batch := list(islice(left, size)):
        yield batch


__all__ = [
    "Count",
    "LookedUp",
    "Page",
    "Patience",
    "Post",
    "RateLimit",
    "Timeouts",
    "Usage",
    "WaitReason",
    "XClient",
]
