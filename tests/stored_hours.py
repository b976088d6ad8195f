"""Hourly counts in a database, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Engine, insert

from musktracker.db.engines import writing
from musktracker.db.tables import TimeBucket
from musktracker.timeline import HOUR

START = datetime(2025, 3, 1, 5, tzinfo=UTC)


def store_hours(engine: Engine, counts: Iterable[int], start: datetime = START) -> None:
    """Store the counts of consecutive hours from `start` on."""
    values = [
        {
            "bucket_start": start + k * HOUR,
            "bucket_end": start + (k + 1) * HOUR,
            "granularity": "hourly",
            "tweet_count": int(count),
            "computed_at": start,
        }
        for k, count in enumerate(counts)
    ]
    with writing(engine) as connection:
        connection.execute(insert(TimeBucket), values)
