"""What is stored and what was observed: posts at both ends, spans of coverage, and the holes between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select

from musktracker import timeline
from musktracker.db import settings
from musktracker.db.engines import reading
from musktracker.db.tables import Coverage, RawTweet
from musktracker.timeline import Span


@dataclass(frozen=True, slots=True)
class CoverageSpan:
    """A stretch of time, its end excluded, of which one source saw every post that `counting` counts."""

    source: str
    start: datetime
    end: datetime
    created_at: datetime
    counting: str


def spans(engine: Engine, *, source: str | None = None) -> list[CoverageSpan]:
    """The stored spans, of one source where asked, by start."""
    columns = (Coverage.source, Coverage.span_start, Coverage.span_end, Coverage.created_at, Coverage.counting)
    query = select(*columns).order_by(Coverage.span_start, Coverage.id)
    if source is not None:
        query = query.where(Coverage.source == source)
    with reading(engine) as connection:
        return [CoverageSpan(*row) for row in connection.execute(query)]


def covered(engine: Engine) -> list[Span]:
    """The time of which some source saw every post that the database counts, as sorted spans that do not touch."""
    with reading(engine) as connection:
        return covered_of(connection, settings.counting(connection))


def covered_of(connection: Connection, counting: str) -> list[Span]:
    """The same of the posts that a definition counts."""
    query = select(Coverage.span_start, Coverage.span_end).where(settings.coverage_condition(counting))
    return timeline.union(Span(*row) for row in connection.execute(query))


def holes(engine: Engine, within: Span) -> list[Span]:
    """What of `within` no source observed."""
    return timeline.holes(covered(engine), within)


def first_post(engine: Engine) -> datetime | None:
    """When the earliest stored post that is not deleted was made."""
    query = select(func.min(RawTweet.created_at)).where(RawTweet.is_deleted.is_(False))
    with reading(engine) as connection:
        return connection.scalar(query)


def last_post(engine: Engine) -> datetime | None:
    """When the latest stored post that is not deleted was made."""
    query = select(func.max(RawTweet.created_at)).where(RawTweet.is_deleted.is_(False))
    with reading(engine) as connection:
        return connection.scalar(query)


def posts_in(engine: Engine, span: Span, counting: str) -> int:
    """How many posts that a counting counts were made in a span, its end excluded; deleted ones are left out."""
    query = select(func.count()).where(
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= span.start,
        RawTweet.created_at < span.end,
        settings.counting_condition(counting),
    )
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)


def posts_without_kind(engine: Engine, span: Span) -> int:
    """How many posts of a span, its end excluded, came from a source that did not tell their kind."""
    query = select(func.count()).where(
        RawTweet.is_deleted.is_(False),
        RawTweet.created_at >= span.start,
        RawTweet.created_at < span.end,
        RawTweet.kind.is_(None),
    )
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)


def post_count(engine: Engine) -> int:
    """How many stored posts are not deleted, of every kind."""
    query = select(func.count()).select_from(RawTweet).where(RawTweet.is_deleted.is_(False))
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)
