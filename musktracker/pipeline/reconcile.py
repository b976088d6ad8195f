"""Hold what is stored against the X API: which posts are gone or back, and which hours lack posts.

Deleted posts stay, marked: they no longer count. Hours of which the API counts more posts than are stored are walked
again, and what differs then is said, not hidden: its counts and its posts need not agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, select

from musktracker.db.engines import reading
from musktracker.db.queries import coverage
from musktracker.db.tables import RawTweet
from musktracker.pipeline import ranges, requests, spending, store
from musktracker.pipeline.account import Account, Client
from musktracker.pipeline.online import online
from musktracker.pipeline.reach import RECENT
from musktracker.pipeline.walk import Walker
from musktracker.reporting import Run
from musktracker.sources.x_errors import Forbidden
from musktracker.timeline import DAY, HOUR, Span, ceil_hour, floor_hour, iso, union

LOOKUP = 100  # posts a request
COUNTED_AT_ONCE = timedelta(days=31)  # by a request of the counts of all posts
SETTLED = timedelta(minutes=2)  # after which an hour's count is asked for
SHOWN = 20  # hours that get a line each
SUSPICIOUS = 0.2  # of the posts looked up, when they are gone
Scope = Literal["recent", "all"]


class Differing(NamedTuple):
    """An hour of which the API counts another number of posts than are stored."""

    hour: datetime
    stored: int
    counted: int


def reconcile(engine: Engine, run: Run, *, days: int = 7, lookup: bool = True) -> dict[str, Any]:
    """Look up the stored posts of the last days, then compare hourly counts; walk hours again that lack posts.

    The result counts posts looked up, newly marked as deleted, back, and not to be known; hours compared, found
    lacking, and lacking still (as [hour, stored, counted]); posts found by walking again; and dollars spent. Raises
    UsageError for a number of days that cannot be, the client's errors, and SpendingLimitReached.
    """
    requests.days_back(days)

    async def work(client: Client, account: Account) -> dict[str, Any]:
        reconciler = Reconciler(engine, run, client, account)
        moment = client.server_now()
        looked_up = await reconciler.look_up(moment - days * DAY) if lookup else {}
        compared = await reconciler.compare(Span(moment - days * DAY, moment))
        run.progress(1.0)
        return {"days": days, **looked_up, **compared, "dollars": reconciler.microdollars / 1_000_000}

    return online(engine, run, work)


def counting_price(within: Span, moment: datetime) -> int:
    """What `Reconciler.compare` pays at a moment for the counts of a span (microdollars), the walks left out."""
    span = _whole(within, moment)
    return _cost(_scope(span, moment), span)


class Reconciler:
    """Compares one account's stored posts with the API."""

    def __init__(
        self, engine: Engine, run: Run, client: Client, account: Account, walker: Walker | None = None
    ) -> None:
        self._engine = engine
        self._run = run
        self._client = client
        self._account = account
        self._walker = walker or Walker(engine, run, client, account)
        self._buyer = self._walker.buyer

    @property
    def microdollars(self) -> int:
        """What it cost, the walks included."""
        return self._buyer.tally.microdollars

    async def look_up(self, since: datetime) -> dict[str, int]:
        """Ask for every stored post since a time by its id; mark what is gone, unmark what is back."""
        ids = self._stored_ids(since)
        totals: Counter[str] = Counter()
        for first in range(0, len(ids), LOOKUP):
            self._run.progress(
                0.7 * totals["looked_up"] / len(ids), stage="looking up", message=f"{len(ids):,} posts"
            )
            totals.update(await self._look_up(ids[first : first + LOOKUP]))
        if totals["deleted"] > max(SUSPICIOUS * len(ids), SHOWN):
            self._run.warning(
                f"{totals['deleted']:,} of {len(ids):,} posts are gone: if the account was closed or hidden for a "
                "while, reconcile again once it is back, which takes the marks away"
            )
        names = ("looked_up", "deleted", "returned", "unknown")
        found = {name: totals[name] for name in names}
        self._run.info(
            "{looked_up:,} posts looked up: {deleted:,} newly deleted, {returned:,} back, "
            "{unknown:,} not to be known".format(**found),
            **found,
        )
        return found

    async def compare(self, within: Span, *, only: Sequence[Span] | None = None) -> dict[str, Any]:
        """Hold the hours that are covered (and in `only`) against the API's counts; walk again what lacks posts."""
        self._run.progress(stage="comparing", message="Comparing hourly counts")
        counted = await self._counted(within, coverage.covered(self._engine) if only is None else only)
        before = self._differences(counted)
        lacking = [each for each in before if each.stored < each.counted]
        new = self._buyer.tally.new
        await self._walk_again(lacking)
        after = self._differences(counted) if lacking else before
        self._tell(after)
        found = self._buyer.tally.new - new
        still = [each for each in after if each.stored < each.counted]
        self._run.info(
            f"{len(counted):,} hours compared: {len(lacking):,} lacked posts, {found:,} posts were found, "
            f"{len(still):,} hours lack posts still"
        )
        return {
            "hours": len(counted),
            "lacking": len(lacking),
            "found": found,
            "still_lacking": [[iso(each.hour), each.stored, each.counted] for each in still],
        }

    async def count(self, span: Span) -> int:
        """How many posts the API counts in a span, to the hour."""
        hours = Span(
            floor_hour(span.start), min(ceil_hour(span.end), floor_hour(self._client.server_now() - SETTLED))
        )
        return sum((await self._counts("all", hours)).values())

    async def _look_up(self, batch: Sequence[int]) -> dict[str, int]:
        moment = self._buyer.paid_at()
        async with self._reserved(len(batch) * spending.POST):
            answer = await self._client.lookup(batch)

            def write(connection: Connection) -> tuple[int, int, int]:
                cost = spending.buy_posts(connection, answer.found, moment)
                returned = store.restore(connection, list(map(str, answer.found)))
                return cost, returned, store.mark_deleted(connection, list(map(str, answer.missing)), moment)

            cost, returned, deleted = await self._buyer.transact(write)
        self._buyer.tally.microdollars += cost
        return {
            "looked_up": len(batch),
            "deleted": deleted,
            "returned": returned,
            "unknown": len(answer.unknown),
        }

    async def _counted(self, within: Span, spans: Sequence[Span]) -> dict[datetime, int]:
        """What the API counts in each whole hour of some spans."""
        moment = self._client.server_now()
        span = _whole(within, moment)
        scope = _scope(span, moment)
        try:
            found = await self._counts(scope, span)
        except Forbidden:
            if scope == "recent":
                raise
            self._run.warning("The plan has no counts of all posts: only the last 7 days are compared")
            span = Span(_recent(moment), span.end)
            found = await self._counts("recent", span)
        whole = [part.whole_hours() for part in spans]
        parts = [Span(max(part.start, span.start), min(part.end, span.end)) for part in whole]
        hours = {hour for part in parts for hour in _hours(part)}
        return {hour: found.get(hour, 0) for hour in sorted(hours)}

    async def _counts(self, scope: Scope, span: Span) -> dict[datetime, int]:
        if span.end <= span.start:
            return {}
        moment = self._buyer.paid_at()
        cost = _cost(scope, span)
        async with self._reserved(cost):
            counts = await self._client.counts(
                self._account.query, scope=scope, start_time=span.start, end_time=span.end
            )
            await self._buyer.transact(lambda connection: spending.buy_request(connection, cost, moment))
        self._buyer.tally.microdollars += cost
        return {start: number for start, end, number in counts if end - start == HOUR}

    async def _walk_again(self, lacking: Sequence[Differing]) -> None:
        recent = self._client.server_now() - RECENT + HOUR
        for span in union(Span(each.hour, each.hour + HOUR) for each in lacking):
            for part in _days(span):
                await self._walker.walk(ranges.of_span(part, "recheck", "recent" if part.start >= recent else "all"))

    def _differences(self, counted: dict[datetime, int]) -> list[Differing]:
        if not counted:
            return []
        query = select(RawTweet.created_at).where(
            RawTweet.is_deleted.is_(False),
            RawTweet.created_at >= min(counted),
            RawTweet.created_at < max(counted) + HOUR,
        )
        with reading(self._engine) as connection:
            stored = Counter(map(floor_hour, connection.scalars(query)))
        return [Differing(hour, stored[hour], count) for hour, count in counted.items() if stored[hour] != count]

    def _tell(self, differing: Sequence[Differing]) -> None:
        for each in differing[:SHOWN]:
            say = self._run.warning if each.stored < each.counted else self._run.info
            say(
                f"{iso(each.hour)}: {each.stored} posts stored, {each.counted} counted by the API",
                stored=each.stored,
                counted=each.counted,
            )
        if len(differing) > SHOWN:
            self._run.info(f"{len(differing) - SHOWN} more hours differ")

    def _stored_ids(self, since: datetime) -> list[int]:
        query = select(RawTweet.tweet_id).where(RawTweet.created_at >= since).order_by(RawTweet.created_at.desc())
        with reading(self._engine) as connection:
            return [int(text) for text in connection.scalars(query) if text.isdecimal()]

    @asynccontextmanager
    async def _reserved(self, cost: int) -> AsyncIterator[None]:
        await self._buyer.reserve(cost, cost)
        try:
            yield
        finally:
            self._buyer.budget.release()


def _whole(within: Span, moment: datetime) -> Span:
    """The whole hours of a span whose counts are settled at a moment."""
    return Span(ceil_hour(within.start), floor_hour(min(within.end, moment - SETTLED)))


def _recent(moment: datetime) -> datetime:
    """From when on the counts of recent posts tell of whole hours."""
    return ceil_hour(moment - RECENT + HOUR)


def _scope(span: Span, moment: datetime) -> Scope:
    return "all" if span.start < _recent(moment) else "recent"


def _cost(scope: Scope, span: Span) -> int:
    if span.end <= span.start:
        return 0
    return spending.COUNTS[scope] * (-(-(span.end - span.start) // COUNTED_AT_ONCE) if scope == "all" else 1)


def _hours(span: Span) -> Iterator[datetime]:
    hour = span.start
    while hour < span.end:
        yield hour
        hour += HOUR


def _days(span: Span) -> Iterator[Span]:
    start = span.start
    while start < span.end:
        yield Span(start, min(start + DAY, span.end))
        start += DAY
