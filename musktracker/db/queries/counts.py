"""Counts by hour and day, as they were last refreshed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.tables import TimeBucket
from musktracker.timeline import HOUR, Span


@dataclass(frozen=True, slots=True)
class HourCount:
    """How many posts counted in the UTC hour that begins at `start`."""

    start: datetime
    count: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many posts counted in the UTC day that begins at `start`."""

    start: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Total:
    """How many posts counted in the observed hours of a span; `hours` of its `hours_in_span` were observed."""

    count: int
    hours: int
    hours_in_span: int

    @property
    def complete(self) -> bool:
        """Whether every hour was observed, so that the count is the whole truth."""
        return self.hours == self.hours_in_span


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the buckets reach, when they last changed, and the name of the definition of which posts count."""

    latest_end: datetime | None
    hours: int
    computed_at: datetime | None
    counting: str


@dataclass(frozen=True, slots=True)
class Reach:
    """From the begin of the first counted hour until the end of the last, and the definition by which they count."""

    begin: datetime
    until: datetime
    counting: str


def hourly(engine: Engine, span: Span) -> list[HourCount]:
    """The observed hours that begin in a span, by time."""
    return [HourCount(start, count) for start, count in _buckets(engine, span, "hourly")]


def daily(engine: Engine, span: Span) -> list[DayCount]:
    """The UTC days observed in full that begin in a span, by time."""
    return [DayCount(start, count) for start, count in _buckets(engine, span, "daily")]


def total(engine: Engine, span: Span) -> Total:
    """The count of the whole hours in a span, and how many of them were observed."""
    whole = span.whole_hours()
    query = select(func.coalesce(func.sum(TimeBucket.tweet_count), 0), func.count()).where(
        TimeBucket.granularity == "hourly",
        TimeBucket.bucket_start >= whole.start,
        TimeBucket.bucket_start < whole.end,
    )
    with reading(engine) as connection:
        count, hours = connection.execute(query).one()
    return Total(int(count), int(hours), max((whole.end - whole.start) // HOUR, 0))


def latest_bucket_end(engine: Engine) -> datetime | None:
    """The end of the last counted hour; None where nothing was counted yet."""
    return freshness(engine).latest_end


def reach(engine: Engine, as_of: datetime | None = None) -> Reach | None:
    """From when to when hours are counted, or were at `as_of`; None where none are."""
    query = select(func.min(TimeBucket.bucket_start), func.max(TimeBucket.bucket_end))
    query = query.where(TimeBucket.granularity == "hourly")
    if as_of is not None:
        query = query.where(TimeBucket.bucket_end <= as_of)
    with reading(engine) as connection:
        begin, until = connection.execute(query).one()
        return None if begin is None else Reach(begin, until, settings.counting(connection))


def freshness(engine: Engine) -> Freshness:
    """How far the counts reach and when they last changed."""
    hourly = TimeBucket.granularity == "hourly"
    query = select(
        func.max(TimeBucket.bucket_end),
        func.count(),
        func.max(TimeBucket.computed_at),
    ).where(hourly)
    with reading(engine) as connection:
        end, hours, computed_at = connection.execute(query).one()
        return Freshness(end, int(hours), computed_at, settings.counting(connection))


def _buckets(engine: Engine, span: Span, granularity: str) -> list[tuple[datetime, int]]:
    query = (
        select(TimeBucket.bucket_start, TimeBucket.tweet_count)
        .where(
            TimeBucket.granularity == granularity,
            TimeBucket.bucket_start >= span.start,
            TimeBucket.bucket_start < span.end,
        )
        .order_by(TimeBucket.bucket_start)
    )
    with reading(engine) as connection:
        return [(start, count) for start, count in connection.execute(query)]
