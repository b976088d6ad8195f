"""Counts are read by span, with how much of the span was observed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert

from musktracker.db import settings
from musktracker.db.engines import writing
from musktracker.db.queries import counts
from musktracker.db.queries.counts import DayCount, HourCount, Total
from musktracker.db.tables import TimeBucket
from musktracker.errors import UsageError
from musktracker.timeline import DAY, HOUR, Span

START = datetime(2025, 3, 6, tzinfo=UTC)


@pytest.fixture
def counted(engine: Engine) -> Engine:
    """Buckets of a day, in which hour h has h posts, and of the first hour of the next but one."""
    hours = [(START + HOUR * h, h) for h in range(24)] + [(START + 2 * DAY, 5)]
    rows = [("hourly", start, start + HOUR, count) for start, count in hours]
    rows.append(("daily", START, START + DAY, 276))
    with writing(engine) as connection:
        for granularity, start, end, count in rows:
            bucket = {"granularity": granularity, "bucket_start": start, "bucket_end": end, "tweet_count": count}
            connection.execute(insert(TimeBucket).values(**bucket, computed_at=start))
    return engine


def test_hours_and_days_come_by_time_and_a_span_excludes_its_end(counted: Engine) -> None:
    span = Span(START + HOUR * 2, START + HOUR * 4)
    assert counts.hourly(counted, span) == [HourCount(START + HOUR * 2, 2), HourCount(START + HOUR * 3, 3)]
    assert counts.daily(counted, Span(START, START + DAY)) == [DayCount(START, 276)]
    assert counts.daily(counted, Span(START + HOUR, START + DAY)) == []


def test_a_total_says_how_much_of_the_span_was_observed(counted: Engine) -> None:
    assert counts.total(counted, Span(START, START + DAY)) == Total(276, 24, 24)
    gappy = counts.total(counted, Span(START + HOUR * 23, START + 2 * DAY + HOUR))
    assert (gappy, gappy.complete) == (Total(28, 2, 26), False)


def test_a_total_takes_whole_hours_alone(counted: Engine) -> None:
    half = timedelta(minutes=30)
    assert counts.total(counted, Span(START + half, START + HOUR * 2 + half)) == Total(1, 1, 1)
    assert counts.total(counted, Span(START + half, START + HOUR)) == Total(0, 0, 0)


def test_freshness_tells_how_far_the_counts_reach(counted: Engine) -> None:
    found = counts.freshness(counted)
    assert (found.latest_end, found.hours) == (START + 2 * DAY + HOUR, 25)
    assert (found.computed_at, found.counting) == (START + 2 * DAY, "all")
    assert counts.latest_bucket_end(counted) == found.latest_end
    reach = counts.reach(counted)
    assert reach is not None
    assert (reach.begin, reach.until) == (START, found.latest_end)


def test_nothing_counted_has_no_end(engine: Engine) -> None:
    assert counts.latest_bucket_end(engine) is None
    assert counts.reach(engine) is None
    assert counts.total(engine, Span(START, START + DAY)) == Total(0, 0, 24)


def test_a_setting_of_the_database_is_kept_and_replaced(engine: Engine) -> None:
    assert settings.get(engine, "note") is None
    settings.set(engine, "note", "one")
    settings.set(engine, "note", "two")
    assert settings.get(engine, "note") == "two"


def test_a_counting_that_is_not_defined_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="all, without_replies"):
        settings.set(engine, settings.COUNTING, "likes")
    assert settings.counting(engine) == "all"
