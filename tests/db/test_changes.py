"""Whether there is more to count: after new, deleted and covered posts, changed events, another counting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, update

from musktracker.db.engines import writing
from musktracker.db.queries import changes
from musktracker.db.tables import Coverage, DatabaseSetting, EventChange, ExogenousEvent, RawTweet, TimeBucket
from musktracker.timeline import DAY, HOUR

SINCE = datetime(2026, 3, 6, 15, 2, tzinfo=UTC)
NOW = SINCE + timedelta(minutes=10)
LATER = SINCE + timedelta(minutes=1)
HOURS = SINCE.replace(minute=0)


@pytest.fixture
def counted(engine: Engine) -> Engine:
    """A database whose observed hours are all counted."""
    post = {"tweet_id": "1", "created_at": HOURS - HOUR, "source": "x", "ingest_time": HOURS}
    span = {"source": "x", "span_start": HOURS - DAY, "span_end": SINCE, "created_at": HOURS}
    bucket = {"bucket_start": HOURS - HOUR, "bucket_end": HOURS, "granularity": "hourly", "tweet_count": 1}
    event = {"id": 1, "name": "x", "event_start": HOURS, "event_end": HOURS, "intensity": 0.5, "source": "x"}
    with writing(engine) as connection:
        connection.execute(insert(RawTweet).values(post))
        connection.execute(insert(Coverage).values(span))
        connection.execute(insert(TimeBucket).values(computed_at=HOURS, **bucket))
        connection.execute(insert(ExogenousEvent).values(created_at=HOURS, **event))
    return engine


def test_where_all_is_counted_there_is_nothing_to_do(counted: Engine) -> None:
    assert not changes.to_count(counted, SINCE, NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda: update(RawTweet).values(ingest_time=LATER),
        lambda: update(RawTweet).values(is_deleted=True, deleted_at=LATER),
        lambda: update(Coverage).values(created_at=LATER),
        lambda: update(Coverage).values(span_end=HOURS + HOUR),
        lambda: insert(EventChange).values(event_id=1, changed_at=LATER, who="ada", action="edit"),
        lambda: insert(DatabaseSetting).values(name="counting", value="all", updated_at=LATER),
        lambda: delete(TimeBucket),
    ],
    ids=["a new post", "a deleted post", "a new span", "a later end", "an event", "a counting", "no counts"],
)
def test_what_changes_counts_or_features_is_seen(counted: Engine, change: Callable[[], Any]) -> None:
    with writing(counted) as connection:
        connection.execute(change())
    assert changes.to_count(counted, SINCE, HOURS + HOUR)


def test_an_hour_that_is_not_over_is_not_missed(counted: Engine) -> None:
    with writing(counted) as connection:
        connection.execute(update(Coverage).values(span_end=HOURS + HOUR))
    assert not changes.to_count(counted, SINCE, NOW)


def test_other_settings_are_no_reason_to_count(counted: Engine) -> None:
    with writing(counted) as connection:
        connection.execute(insert(DatabaseSetting).values(name="alerts", value="x", updated_at=LATER))
    assert not changes.to_count(counted, SINCE, NOW)
