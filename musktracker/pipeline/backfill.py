"""Go back in time: what the stage backfill does.

It walks what is not covered, a week at a time, and leaves the last two hours to who follows; then it holds what came
against the counts of the API.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.queries import coverage, ingestion
from musktracker.errors import DataError, UsageError
from musktracker.pipeline import ranges, spending, store
from musktracker.pipeline.account import Account, Client
from musktracker.pipeline.follow import REREAD
from musktracker.pipeline.online import online
from musktracker.pipeline.ranges import Range
from musktracker.pipeline.reconcile import Reconciler
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.sources.x_errors import Forbidden, InvalidRequest, NotFound
from musktracker.text import counted
from musktracker.timeline import Span, iso, now, parse_time

UNVERIFIED_SETTING = "backfill_unverified"  # spans fetched but not yet held against the API's counts, as JSON
NOTHING = "Nothing to fetch: all of it is covered, but for the last 2 hours, which ingest fetches"
Via = Literal["auto", "timeline", "recent", "all"]


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
