"""Posts by the minute and recorded holes, as the ingestion screen reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert

from musktracker.db.engines import writing
from musktracker.db.queries import ingestion
from musktracker.db.tables import Coverage, CoverageHole, RawTweet

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def store(engine: Engine, moments: list[datetime], *, deleted: bool = False) -> None:
    rows = [
        {"tweet_id": f"{moment.timestamp()}", "created_at": moment, "source": "x_api", "is_deleted": deleted}
        for moment in moments
    ]
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), [row | {"ingest_time": NOW} for row in rows])


def cover(engine: Engine, start: datetime, end: datetime) -> None:
    span = {"source": "x_api", "span_start": start, "span_end": end, "created_at": NOW}
    with writing(engine) as connection:
        connection.execute(insert(Coverage).values(span))


def test_posts_are_counted_by_the_whole_minutes_before_now(engine: Engine) -> None:
    noon = NOW.replace(second=0)
    store(engine, [noon - MINUTE, noon - timedelta(seconds=1), noon - 3 * MINUTE, noon, noon - 6 * MINUTE])
    store(engine, [noon - timedelta(seconds=90)], deleted=True)
    cover(engine, noon - 10 * MINUTE, noon)
    assert ingestion.recent_minutes(engine, NOW, 5) == ingestion.RecentMinutes(noon - 5 * MINUTE, (0, 0, 1, 0, 2))


def test_a_minute_that_nobody_observed_has_no_count_but_its_posts_do(engine: Engine) -> None:
    noon = NOW.replace(second=0)
    cover(engine, noon - 2 * MINUTE, noon - timedelta(seconds=30))
    store(engine, [noon - 4 * MINUTE])
    assert ingestion.recent_minutes(engine, NOW, 4).counts == (1, None, 0, 0)


def test_recorded_holes_are_counted_and_the_newest_says_why(engine: Engine) -> None:
    assert ingestion.recorded_holes(engine) == (0, None)
    hole = {"source": "x_api", "span_start": NOW - 9 * MINUTE, "span_end": NOW}
    rows = [hole | {"reason": f"reason {i}", "found_at": NOW + i * MINUTE} for i in (1, 2, 0)]
    with writing(engine) as connection:
        connection.execute(insert(CoverageHole), rows)
    assert ingestion.recorded_holes(engine) == (3, "reason 2")
