"""Hourly counts in a database, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Engine

from musktracker.db.engines import writing
from musktracker.db.tables import TimeBucket
from musktracker.db.upsert import upsert
from musktracker.timeline import HOUR

START = datetime(2025, 3, 1, 5, tzinfo=UTC)


def store_hours(engine: Engine, counts: Iterable[int], start: datetime = START) -> None:
    """Store the counts of consecutive hours from `start` on."""
    rows = [(start + k * HOUR, start + (k + 1) * HOUR, "hourly", int(count), start) for k, count in enumerate(counts)]
    columns = ("bucket_start", "bucket_end", "granularity", "tweet_count", "computed_at")
    table = TimeBucket.__table__
    with writing(engine) as connection:
        stored = upsert(connection, table, columns, rows, conflict=("bucket_start", "granularity"))
    assert stored == len(rows)
