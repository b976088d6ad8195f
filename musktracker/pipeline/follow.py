"""Follow an account, and go back in time: what the stages ingest and backfill do.

A poll finishes what an earlier walk left, then walks from the newest post down to two hours below the high-water
mark: the API shows some posts late. A follower polls until it is stopped, and once a day holds the last days against
the counts of the API. A backfill walks what is not covered, a week at a time, and leaves the last two hours to the
follower.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import is_passing, reading
from musktracker.db.queries import coverage, ingestion
from musktracker.db.tables import RawTweet
from musktracker.errors import DataError, UsageError, describe
from musktracker.pipeline import ranges, requests, retention, spending, store
from musktracker.pipeline.account import Account, Client
from musktracker.pipeline.live import Live
from musktracker.pipeline.observed import SETTLE
from musktracker.pipeline.online import online
from musktracker.pipeline.ranges import Range
from musktracker.pipeline.reach import RECENT
from musktracker.pipeline.reconcile import Reconciler, counting_price
from musktracker.pipeline.spending import SpendingLimitReached
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.sources.x_api import XClient
from musktracker.sources.x_errors import Forbidden, InvalidRequest, NotFound, Unavailable, XApiError
from musktracker.text import counted
from musktracker.timeline import DAY, HOUR, Span, iso, now, parse_time, utc_text

INTERVAL = 10.0  # seconds between polls
STREAM_INTERVAL = 60.0  # while the stream is open
REREAD = 2 * HOUR  # that are read anew: posts can show late, and to read one twice a day is free
FIRST_LOOK = DAY  # back, of the first poll of all, unless coverage ends within FIRST_REACH
FIRST_REACH = 7 * DAY
PAUSES = (15.0, 30.0, 60.0, 120.0, 300.0)  # seconds until a poll that failed is tried again; the client waited before
LOOK_AGAIN = 60.0  # seconds, at the spending limit: somebody may raise it
USUAL_POSTS = 61.0  # a day, where nothing is stored that says better
NEAR = 14 * DAY  # to each side of what is to be fetched, whose covered days say how many posts a day has
ENOUGH_DAYS = 7  # that are covered, to say it
CHECKED_SETTING = "last_daily_check"
UNVERIFIED_SETTING = "backfill_unverified"  # spans fetched but not yet held against the API's counts, as JSON
Via = Literal["auto", "timeline", "recent", "all"]


@dataclass(frozen=True, slots=True)
class Price:
    """What a backfill may buy: the spans that it walks, about how many posts are in them, and what it costs in all.

    `checks` is what of the costs is for the API's counts, against which the hours are held at the end. `basis` says
    where the number of posts comes from; `open_ranges` are those that an earlier one left.
    """

    spans: tuple[Span, ...]
    open_ranges: int
    posts: int
    microdollars: int
    checks: int
    basis: str


def ingest(
    engine: Engine, run: Run, *, follow: bool = False, interval: float | None = None, stream: bool = False
) -> dict[str, Any]:
    """Fetch what is new, once, or with `follow` every `interval` seconds until it is stopped.

    With `stream`, what the activity stream brings is stored at once, beside the polls. Without an `interval` they are
    10 seconds apart, or 60 while the stream is open. The result counts posts seen and new, and dollars spent. Raises
    the client's errors, SpendingLimitReached where `follow` does not wait for the next day, and UsageError for an
    interval that cannot be, or a stream without `follow`.
    """
    if interval is not None:
        requests.poll_interval(interval)
    if stream and not follow:
        raise UsageError("The stream is for who follows", "Add --follow")

    async def work(client: XClient, account: Account) -> dict[str, Any]:
        follower = Follower(engine, run, client, account)
        if stream:
            live = Live(engine, run, client.activity(), account, follower.walker.buyer, server_now=client.server_now)
            await live.beside(follower.follow(interval, live))
        elif follow:
            await follower.follow(interval)
        await follower.poll()
        await follower.daily()
        return follower.walker.tally.result()

    return online(engine, run, work)


def backfill(
    engine: Engine,
    run: Run,
    *,
    since: str | None = None,
    until: str | None = None,
    via: Via = "auto",
    again: bool = False,
) -> dict[str, Any]:
    """Fetch what is not covered between two times (ISO 8601; `until` is now without it), newest first.

    What an earlier backfill left is finished first; without `since` it is all that is done. `again` walks what is
    covered, too. `via` is the one endpoint to use; `auto` is the timeline, then the search of all posts where it does
    not reach. The result is as of `ingest`, with `holes`: [start, end, reason]. Raises as `ingest`.
    """
    span = wanted_span(since, until) if since else None
    if via not in get_args(Via):
        raise UsageError(
            f"There is no way to fetch posts called {via!r}", f"Choose one of {', '.join(get_args(Via))}"
        )

    async def work(client: Client, account: Account) -> dict[str, Any]:
        walker = Walker(engine, run, client, account, escalate=via == "auto")
        await Backfill(engine, run, client, account, walker).carry_out(span, via, again=again)
        return walker.tally.result()

    return online(engine, run, work)


def filling(engine: Engine, via: str = "auto") -> dict[str, Any]:
    """What `backfill` is given to fetch all holes. Raises DataError where nothing was ever observed."""
    begin = ingestion.begin(engine)
    if begin is None:
        raise DataError(
            "Nothing is covered yet, so there are no holes",
            "Say where to begin: musktracker ingest --backfill --since TIME",
        )
    return {"since": iso(begin)} | ({"via": via} if via != "auto" else {})


def price(
    engine: Engine,
    run: Run,
    *,
    since: str | None = None,
    until: str | None = None,
    again: bool = False,
    exact: bool = False,
    backfill: bool = True,
) -> Price:
    """What `backfill` with these parameters (or else the next poll) would buy, before anything is bought.

    With `exact` the API counts the posts, which costs $0.010 for every 31 days; otherwise what is stored says how
    many there are in a day. Raises UsageError, and with `exact` the client's errors.
    """
    moment = now()
    left = ranges.still_to_fetch(engine, "backfill" if backfill else "follow")
    if backfill:
        spans = to_fetch(engine, wanted_span(since, until), moment, again=again) if since else []
        checked = timeline.union([*unverified(engine), *spans])
    else:
        spans, checked = [next_poll(engine, moment).span], []
    parts = timeline.union([*spans, *(Span(each.span.start, _reached(each)) for each in left)])
    posts, basis = _counted(engine, run, parts) if exact else _estimated(engine, parts)
    checks = counting_price(Span(checked[0].start, checked[-1].end), moment) if checked else 0
    return Price(tuple(spans), len(left), posts, posts * spending.POST + checks, checks, basis)


def wanted_span(since: str, until: str | None) -> Span:
    """The span that two texts name. Raises UsageError."""
    start = parse_time(since).replace(microsecond=0)
    end = parse_time(until).replace(microsecond=0) if until else now().replace(microsecond=0)
    if end <= start:
        raise UsageError(f"{until or 'Now'} is not after {since}", "Give the earlier time as --since")
    return Span(start, end)


def to_fetch(engine: Engine, span: Span, moment: datetime, *, again: bool) -> list[Span]:
    """What of a span a backfill fetches at a moment: what no source covers, or all of it with `again`.

    The last two hours are not among it: posts may show late, and whoever follows reads them anew.
    """
    span = Span(span.start, min(span.end, moment - REREAD))
    if span.end <= span.start:
        return []
    return [span] if again else coverage.holes(engine, span)


def unverified(engine: Engine) -> list[Span]:
    """What backfills fetched, or were to, and have not held against the API's counts yet; sorted, disjoint."""
    stored = settings.get(engine, UNVERIFIED_SETTING) or "[]"
    return [Span(*map(parse_time, pair)) for pair in json.loads(stored)]


def next_poll(engine: Engine, moment: datetime) -> Range:
    """What a poll at a moment fetches: from then down to two hours before where everything is known."""
    end = moment - SETTLE
    mark = ranges.high_water_mark(engine)
    known = _first_start(engine, end) if mark is None else ranges.moment_of(mark + 1, end)
    return ranges.of_span(Span(min(known, end) - REREAD, end), "follow", "timeline")


class Follower:
    """Polls one account."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        client: Client,
        account: Account,
        *,
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.walker = Walker(engine, run, client, account, clock=clock, sleep=sleep)
        self._reconciler = Reconciler(engine, run, client, account, self.walker)
        self._engine = engine
        self._run = run
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._checked: date | None = None
        self._check_after: datetime | None = None

    async def follow(self, interval: float | None = None, live: Live | None = None) -> None:
        """Poll until the run is cancelled, through everything that passes; raise what does not."""
        failures = 0
        while True:
            begun = self._clock()
            try:
                new = await self.poll()
                if live is not None:
                    await live.after_poll()
                await self.daily()
            except (Unavailable, DBAPIError) as error:
                if isinstance(error, DBAPIError) and not is_passing(error):
                    raise
                await self._pause(error, failures)
                failures += 1
                continue
            except SpendingLimitReached as reached:
                if live is not None:
                    await live.after_poll()
                await self._wait_for_money(reached)
                continue
            if failures:
                self._run.info("It works again")
                failures = 0
            self._run.progress(stage="following", message=self._state(begun, new))
            seconds = interval or (STREAM_INTERVAL if live is not None and live.is_open else INTERVAL)
            left = seconds - (self._clock() - begun).total_seconds()
            await self._sleep(min(max(left, 0.0), seconds))  # a clock that was put back makes no poll late

    async def poll(self) -> int:
        """Finish what is left, then fetch what is new; returns how many posts were new."""
        tally = self.walker.tally
        before = tally.new
        self.walker.buyer.budget.refresh()
        for left in ranges.still_to_fetch(self._engine, "follow"):
            self._run.info(f"Finishing what an earlier walk left: posts from {iso(left.span.start)} on")
            await self.walker.walk(left)
        await self.walker.walk(next_poll(self._engine, self._client.server_now()))
        new = tally.new - before
        if new:
            self._run.info(f"{new:,} new posts" if new > 1 else "A new post", newest=_text(tally.newest))
        return new

    async def daily(self) -> None:
        """Once a UTC day: prune what is old, ask what the plan has left, compare the last days' counts."""
        moment = self._client.server_now()
        if self._checked == moment.date() or (self._check_after is not None and moment < self._check_after):
            return
        if settings.get(self._engine, CHECKED_SETTING) != moment.date().isoformat():
            try:
                await self._check(moment)
            except Unavailable as error:
                self._check_after = moment + HOUR
                self._run.warning(f"The day's check has to wait an hour: {error.message}")
                return
            except (XApiError, SpendingLimitReached) as error:  # what keeps from polling, too, the next poll raises
                self._run.warning(f"The day's check is left out: {error.message}")
            settings.set(self._engine, CHECKED_SETTING, moment.date().isoformat())
        self._checked = moment.date()

    async def _check(self, moment: datetime) -> None:
        retention.prune(self._engine, self._clock())
        try:
            usage = await self._client.usage()
        except XApiError as error:  # nothing hangs on it, and the comparison must not
            self._run.debug(f"What the plan has left is not known: {error.message}")
        else:
            await self.walker.buyer.transact(lambda connection: spending.note_usage(connection, usage, moment))
        await self._reconciler.compare(Span(moment - RECENT + HOUR, moment))

    async def _pause(self, error: Exception, failures: int) -> None:
        seconds = PAUSES[min(failures, len(PAUSES) - 1)]
        until = self._clock() + timedelta(seconds=seconds)
        text = describe(error)
        self._run.log("warning" if failures == 0 else "debug", text, until=iso(until))
        self._run.progress(stage="backing off", message=text, until=until)
        await self._sleep(seconds)

    async def _wait_for_money(self, reached: SpendingLimitReached) -> None:
        self._run.warning(reached.message, until=iso(reached.until))
        while (moment := self.walker.buyer.paid_at()) < reached.until:
            self._run.progress(stage="waiting", message=reached.message, until=reached.until)
            await self._sleep(min(max((reached.until - moment).total_seconds(), 1.0), LOOK_AGAIN))
            if spending.affordable(self._engine, reached.wanted, moment):
                return

    def _state(self, begun: datetime, new: int) -> str:
        tally = self.walker.tally
        newest = f"; the newest is from {utc_text(tally.newest)}" if tally.newest else ""
        return f"Polled at {utc_text(begun)}: {new:,} new, {tally.new:,} since the start{newest}"


class Backfill:
    """Fetches what is not covered."""

    def __init__(self, engine: Engine, run: Run, client: Client, account: Account, walker: Walker) -> None:
        self._engine = engine
        self._run = run
        self._client = client
        self._account = account
        self._walker = walker

    async def carry_out(self, span: Span | None, via: Via, *, again: bool) -> None:
        """Finish what an earlier backfill left, then fetch a span, and verify that no hour of it lacks posts."""
        left = ranges.still_to_fetch(self._engine, "backfill")
        if left:
            self._run.info(f"Finishing {counted(len(left), 'range')} that an earlier backfill left")
            await self._walk(left)
        planned = await self._fetch(span, via, again=again) if span is not None else 0
        await self._verify()
        if left or planned:
            self._run.info(self._done())
        else:
            self._run.info(NOTHING)

    async def _fetch(self, span: Span, via: Via, *, again: bool) -> int:
        """Fetch what is to be fetched of a span; returns in how many ranges."""
        spans = to_fetch(self._engine, span, self._client.server_now(), again=again)
        planned = list(ranges.chunks(spans, "backfill", "timeline" if via == "auto" else via))
        if not planned:
            return 0
        hours = sum(part.hours() for part in spans)
        self._run.info(f"{hours / 24:,.1f} days to fetch, in {counted(len(planned), 'range')}")
        moment = now()
        self._remember([*unverified(self._engine), *spans])

        def plan(connection: Connection) -> list[Range]:
            return [ranges.save(connection, each, moment) for each in planned]

        await self._walk(await self._walker.buyer.transact(plan))
        return len(planned)

    def _done(self) -> str:
        tally = self._walker.tally
        stay = f"; {counted(len(tally.holes), 'hole')} cannot be filled" if tally.holes else ""
        return f"{counted(tally.new, 'new post')} for {spending.dollars(tally.microdollars)}{stay}"

    async def _verify(self) -> None:
        """Hold what came against the API's counts, which cost next to nothing beside the posts.

        What is to be verified is kept in the database until it was, since a walk may be cut off at any moment.
        """
        spans = unverified(self._engine)
        if not spans:
            return
        extent = Span(spans[0].start, spans[-1].end)
        came = store.without(spans, coverage.holes(self._engine, extent))
        try:
            await Reconciler(self._engine, self._run, self._client, self._account, self._walker).compare(
                extent, only=came
            )
        except (Forbidden, InvalidRequest, NotFound) as error:
            self._run.warning(f"The hours cannot be compared with the API's counts: {error.message}")
        self._remember([])

    def _remember(self, spans: list[Span]) -> None:
        pairs = [[iso(span.start), iso(span.end)] for span in timeline.union(spans)]
        settings.set(self._engine, UNVERIFIED_SETTING, json.dumps(pairs))

    async def _walk(self, left: list[Range]) -> None:
        tally = self._walker.tally
        for i, each in enumerate(left):
            self._walker.buyer.budget.refresh()
            day = f"{each.span.start:%Y-%m-%d} to {each.span.end:%Y-%m-%d}"
            self._run.progress(i / len(left), stage="fetching", message=f"{day}: {tally.new:,} new posts so far")
            await self._walker.walk(each)


NOTHING = "Nothing to fetch: all of it is covered, but for the last 2 hours, which ingest fetches"


def _first_start(engine: Engine, end: datetime) -> datetime:
    """From where the first poll of all goes back two hours: where coverage ends, unless that is long ago."""
    known = max((span.end for span in coverage.covered(engine)), default=end - FIRST_LOOK)
    return known if known > end - FIRST_REACH else end - FIRST_LOOK


def _reached(left: Range) -> datetime:
    return left.span.end if left.fresh else ranges.moment_of(left.high + 1, left.span.end)


def _estimated(engine: Engine, parts: list[Span]) -> tuple[int, str]:
    """How many posts there may be, from how many a covered day has: one nearby, where enough of them are covered."""
    covered = coverage.covered(engine)
    near = [spans if _days(spans := _around(covered, part)) >= ENOUGH_DAYS else covered for part in parts]
    if _days(covered) < ENOUGH_DAYS or not parts:
        return round(USUAL_POSTS * _days(parts)), f"estimated: {USUAL_POSTS:.0f} posts a day assumed"
    with reading(engine) as connection:
        posts = sum(
            _posts_in(connection, spans) / _days(spans) * _days([part])
            for part, spans in zip(parts, near, strict=True)
        )
    used = timeline.union(span for spans in near for span in spans)
    which = "days that are covered" if used == covered else "covered days around"
    return round(posts), f"estimated: {posts / _days(parts):.1f} posts a day, as in the {_days(used):,.0f} {which}"


def _around(covered: list[Span], part: Span) -> list[Span]:
    begin, end = part.start - NEAR, part.end + NEAR
    return timeline.union(Span(max(span.start, begin), min(span.end, end)) for span in covered)


def _days(spans: list[Span]) -> float:
    return sum(span.hours() for span in spans) / 24


def _posts_in(connection: Connection, spans: list[Span]) -> int:
    made = RawTweet.created_at
    return sum(
        connection.scalar(select(func.count()).select_from(RawTweet).where(made >= span.start, made < span.end)) or 0
        for span in spans
    )


def _counted(engine: Engine, run: Run, parts: list[Span]) -> tuple[int, str]:
    """How many posts there are, as the API counts them."""

    async def work(client: Client, account: Account) -> int:
        counter = Reconciler(engine, run, client, account)
        return sum([await counter.count(part) for part in parts])

    return online(engine, run, work), "counted by the API"


def _text(moment: datetime | None) -> str:
    return "never" if moment is None else iso(moment.replace(microsecond=0))
