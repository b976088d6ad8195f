"""The X API's activity stream: an account's posts and deletions within a second, as long as the connection holds.

    async with XClient("https://api.x.com", token) as client:
        async for event in client.activity().events(user):
            ...  # store what was Created, mark what was Deleted

It is no record: what happens while it is down never comes. A timeline has to be read beside it.

Documented is one event a line, `{"data": {"event_type", "filter": {"user_id"}, "payload", …}}`, the payload of a
post.create being a post and that of a post.delete its id and author; and an empty line every 20 seconds. Taken as
well: a payload that holds its post in a `data` of its own, an event without the outer `data`, headers that come with
the first line only. Not documented: whether a post.create comes for reposts and for new versions of a post, which
version a post.delete names, and whether an event can come twice or out of order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from musktracker.sources import x_errors, x_pages
from musktracker.sources.file_posts import AHEAD
from musktracker.sources.x_pages import Malformed
from musktracker.sources.x_requests import LONGEST_RESET, Endpoint, Requests, TryAgain

CREATE, DELETE = "post.create", "post.delete"
TAG = "musktracker"  # of the subscriptions that are made here
LONGEST_LINE = 1 << 20  # bytes; a post with all that hangs on it has some thousand
SUBSCRIBED_FOR = timedelta(hours=1)  # until it is looked whether somebody ended the subscriptions
STOOD = timedelta(minutes=1)  # after which a connection that breaks off is no failure to connect
NETWORK_STEP, LONGEST_NETWORK = 0.25, 16.0  # seconds until the next attempt, growing by a step with each
FIRST_SERVER, LONGEST_SERVER = 5.0, 320.0  # doubling
FIRST_THROTTLED, LONGEST_THROTTLED = 60.0, 960.0  # doubling


class Opened(NamedTuple):
    """The connection stands."""


class Lost(NamedTuple):
    """There is no connection, for a reason in words; the next attempt is in some seconds."""

    reason: str
    seconds: float


class Created(NamedTuple):
    """A post came: as `x_pages.Post`, but for a kind that is None where the event does not tell it."""

    id: int
    created_at: datetime
    kind: str | None
    first_id: int


class Deleted(NamedTuple):
    """A post was deleted; the event says no time, so that `moment` is when it came, by the API's clock."""

    id: int
    moment: datetime


Event = Opened | Lost | Created | Deleted


class ActivityStream:
    """What an account does, from one connection after the other.

    `malformed` counts lines that could not be read or tell of a post of a time to come, `foreign` events of other
    accounts: both are skipped.
    """

    def __init__(
        self, requests: Requests, *, clock: Callable[[], datetime], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.malformed = 0
        self.foreign = 0
        self._requests = requests
        self._clock = clock
        self._sleep = sleep

    async def events(self, user_id: int) -> AsyncGenerator[Event, None]:
        """What an account does from now on, connecting anew for as long as it is asked for more.

        Raises what no attempt mends: Forbidden or NotFound where the plan has no stream, Unauthorized, and the like.
        """
        waits = Waits()
        while True:
            begun = self._clock()
            try:
                async with aclosing(self._connection(user_id)) as events:
                    async for event in events:
                        yield event
            except TryAgain as failure:
                lost = failure
            if self._clock() - begun >= STOOD:
                waits = Waits()
            seconds = waits.after(lost)
            yield Lost(lost.reason, seconds)
            await self._sleep(seconds)  # not tenacity's, which cannot go round a generator

    async def _connection(self, user_id: int) -> AsyncGenerator[Event, None]:
        """The events of one connection, which ends by TryAgain."""
        await self._subscribe(user_id)
        subscribed = self._clock()
        async with (
            self._requests.stream(_STREAM, "/2/activity/stream") as chunks,
            aclosing(read_lines(chunks)) as lines,
        ):
            yield Opened()
            while True:
                event = self._event(await self._next(lines), user_id)
                if event is not None:
                    yield event
                if self._clock() - subscribed >= SUBSCRIBED_FOR:
                    await self._subscribe(user_id)
                    subscribed = self._clock()

    async def _next(self, lines: AsyncIterator[bytes | None]) -> bytes | None:
        seconds = self._requests.timeouts.between_lines
        try:
            async with asyncio.timeout(seconds):
                return await anext(lines)
        except TimeoutError:
            reason = f"it said nothing for {seconds:g} seconds"
        raise TryAgain(reason, network=True)

    def _event(self, line: bytes | None, user_id: int) -> Created | Deleted | None:
        if line is not None and not line.strip():
            return None  # it is alive
        try:
            if line is None:
                raise Malformed("it is too long")
            account, event = read_event(line, self._requests.server_now(), self._requests.token)
        except Malformed:
            self.malformed += 1
            return None
        if event is not None and account != str(user_id):
            self.foreign += 1
            return None
        if isinstance(event, Created) and event.created_at > self._latest():
            self.malformed += 1
            return None
        return event

    def _latest(self) -> datetime:
        """When a post can have been made at most, by whichever clock is ahead."""
        return max(self._requests.server_now(), self._clock()) + AHEAD

    async def _subscribe(self, user_id: int) -> None:
        """See to it that the app is subscribed to what is needed, and not twice."""
        there = await self._subscribed(user_id)
        for kind in sorted({CREATE, DELETE} - there):
            wanted = {"event_type": kind, "filter": {"user_id": str(user_id)}, "tag": TAG}
            try:
                await self._requests.ask_once(_SUBSCRIPTIONS, _SUBSCRIPTIONS_PATH, {}, lambda _: None, send=wanted)
            except x_errors.XApiError:
                if kind not in await self._subscribed(user_id):  # else another process was faster
                    raise

    async def _subscribed(self, user_id: int) -> set[str]:
        """The types of events of an account to which the app is subscribed."""
        found: set[str] = set()
        seen: set[str] = set()
        parameters: dict[str, str] = {}
        while True:
            kinds, token = await self._requests.ask_once(
                _SUBSCRIPTIONS, _SUBSCRIPTIONS_PATH, parameters, lambda body: read_subscriptions(body, user_id)
            )
            found |= kinds
            if token is None or token in seen:
                return found
            seen.add(token)
            parameters = {"pagination_token": token}


class Waits:
    """Seconds until the next attempt to connect, longer with each failure of the same sort."""

    def __init__(self) -> None:
        self._sort = ""
        self._failures = 0

    def after(self, failure: TryAgain) -> float:
        """The wait after a failure: as the API's documentation asks, or as long as its answer asked."""
        sort = "network" if failure.network else "throttled" if failure.throttled else "server"
        self._failures = self._failures + 1 if sort == self._sort else 1
        self._sort = sort
        doubled = 2.0 ** min(self._failures - 1, 16)
        if failure.network:
            return min(NETWORK_STEP * self._failures, LONGEST_NETWORK)
        if not failure.throttled:
            return min(FIRST_SERVER * doubled, LONGEST_SERVER)
        seconds = min(FIRST_THROTTLED * doubled, LONGEST_THROTTLED)
        return min(max(seconds, failure.after or 0.0), LONGEST_RESET.total_seconds())


async def read_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes | None, None]:
    """The lines of a stream without their ends; None for one of more than LONGEST_LINE bytes, which is not kept."""
    held = bytearray()
    too_long = False
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            held += end
            line = None if too_long or len(held) > LONGEST_LINE else bytes(held)
            held, too_long = bytearray(), False
            yield line
        held += rest
        if len(held) > LONGEST_LINE:
            held, too_long = bytearray(), True


def read_event(line: bytes, moment: datetime, token: str = "") -> tuple[str, Created | Deleted | None]:
    """The account that a line is about and what it did; None where that is neither to post nor to delete a post.

    Raises Malformed for a line that is no event, and TryAgain for one by which the API ends the stream.
    """
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed("it is not whole JSON") from None
    event = _mapping(body, "it")
    if "errors" in event and "data" not in event:
        said = "; ".join(x_errors.described(problem, token) for problem in x_errors.problems(event))
        raise TryAgain(f"the X API ended it: {said or 'without a word'}", network=True)
    event = _mapping(event.get("data", event), "its data")
    kind = event.get("event_type")
    if kind not in (CREATE, DELETE):
        return "", None
    payload = _mapping(event.get("payload"), "its payload")
    payload = payload if "id" in payload else _mapping(payload.get("data"), "its payload")
    account = payload.get("author_id") or _mapping(event.get("filter"), "its filter").get("user_id")
    return str(account), _deleted(payload, moment) if kind == DELETE else _created(payload)


def read_subscriptions(body: Any, user_id: int) -> tuple[set[str], str | None]:
    """The types of events of an account that a page of subscriptions names, and the next page's token."""
    entries, meta = body.get("data") or [], body.get("meta") or {}
    if not isinstance(entries, list) or not isinstance(meta, Mapping):
        raise Malformed("it is no list of subscriptions")
    kinds: set[str] = set()
    for entry in entries:
        wanted = entry.get("filter") if isinstance(entry, Mapping) else None
        if isinstance(wanted, Mapping) and str(wanted.get("user_id")) == str(user_id):
            kinds.add(str(entry.get("event_type")))
    token = meta.get("next_token")
    return kinds, token if isinstance(token, str) and token else None


def _created(payload: Mapping[str, Any]) -> Created:
    posts, _, _ = x_pages.read_posts([payload])
    if not posts:
        raise Malformed("its post has no time")
    [post] = posts
    is_whole = x_pages.says_times({"data": [payload]})  # else what it answers, quotes or repeats may be left out, too
    return Created(post.id, post.created_at, post.kind if is_whole else None, post.first_id)


def _deleted(payload: Mapping[str, Any], moment: datetime) -> Deleted:
    try:
        return Deleted(x_pages.read_id(payload["id"]), moment)
    except (KeyError, ValueError):
        raise Malformed("a post in it has no usable id") from None


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Malformed(f"{what} is no object")
    return value


_STREAM = Endpoint("activity/stream", "the stream of the account's activity", aside=True)
_SUBSCRIPTIONS = Endpoint("activity/subscriptions", "the subscriptions to the account's activity", aside=True)
_SUBSCRIPTIONS_PATH = "/2/activity/subscriptions"
