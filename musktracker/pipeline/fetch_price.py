"""What a backfill or the next poll would buy, before anything is bought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select

from musktracker import timeline
from musktracker.db.engines import reading
from musktracker.db.queries import coverage
from musktracker.db.tables import RawTweet
from musktracker.pipeline import ranges, spending
from musktracker.pipeline.account import Account, Client
from musktracker.pipeline.backfill import to_fetch, unverified, wanted_span
from musktracker.pipeline.follow import next_poll
from musktracker.pipeline.online import online
from musktracker.pipeline.ranges import Range
from musktracker.pipeline.reconcile import Reconciler, counting_price
from musktracker.reporting import Run
from musktracker.timeline import DAY, Span, now

USUAL_POSTS = 61.0  # a day, where nothing is stored that says better
NEAR = 14 * DAY  # to each side of what is to be fetched, whose covered days say how many posts a day has
ENOUGH_DAYS = 7  # that are covered, to say it


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
