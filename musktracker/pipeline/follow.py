"""Follow an account: what the stage ingest does.

A poll finishes what an earlier walk left, then walks from the newest post down to two hours below the high-water
mark: the API shows some posts late. A follower polls until it is stopped, and once a day holds the last days against
the counts of the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from musktracker.db import settings
from musktracker.db.engines import is_passing
from musktracker.db.queries import coverage
from musktracker.errors import UsageError, describe
from musktracker.pipeline import ranges, requests, retention, spending
from musktracker.pipeline.account import Account, Client
from musktracker.pipeline.live import Live
from musktracker.pipeline.observed import SETTLE
from musktracker.pipeline.online import online
from musktracker.pipeline.ranges import Range
from musktracker.pipeline.reach import RECENT
from musktracker.pipeline.reconcile import Reconciler
from musktracker.pipeline.spending import SpendingLimitReached
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.sources.x_api import XClient
from musktracker.sources.x_errors import Unavailable, XApiError
from musktracker.timeline import DAY, HOUR, Span, iso, now, utc_text

INTERVAL = 10.0  # seconds between polls
STREAM_INTERVAL = 60.0  # while the stream is open
REREAD = 2 * HOUR  # that are read anew: posts can show late, and to read one twice a day is free
FIRST_LOOK = DAY  # back, of the first poll of all, unless coverage ends within FIRST_REACH
FIRST_REACH = 7 * DAY
PAUSES = (15.0, 30.0, 60.0, 120.0, 300.0)  # seconds until a poll that failed is tried again; the client waited before
LOOK_AGAIN = 60.0  # seconds, at the spending limit: somebody may raise it
CHECKED_SETTING = "last_daily_check"


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


def _first_start(engine: Engine, end: datetime) -> datetime:
    """From where the first poll of all goes back two hours: where coverage ends, unless that is long ago."""
    known = max((span.end for span in coverage.covered(engine)), default=end - FIRST_LOOK)
    return known if known > end - FIRST_REACH else end - FIRST_LOOK


def _text(moment: datetime | None) -> str:
    return "never" if moment is None else iso(moment.replace(microsecond=0))
