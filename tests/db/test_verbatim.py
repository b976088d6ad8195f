"""Rows as the driver holds them are the rows that the column types store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select

from musktracker.db import verbatim
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Feature, TimeBucket
from musktracker.db.upsert import upsert
from musktracker.timeline import HOUR, hour_index

START = datetime(2024, 2, 28, 21, tzinfo=UTC)
TABLE = TimeBucket.__table__
COLUMNS = (TimeBucket.bucket_start, TimeBucket.bucket_end, TimeBucket.tweet_count)


def add_buckets(engine: Engine, *counts: int) -> None:
    with writing(engine) as connection:
        for i, count in enumerate(counts):
            bounds = {"bucket_start": START + HOUR * i, "bucket_end": START + HOUR * (i + 1)}
            values = {"granularity": "hourly", "tweet_count": count, "computed_at": START}
            connection.execute(insert(TimeBucket).values(**bounds, **values))


def test_times_are_those_that_the_column_type_stores(engine: Engine) -> None:
    add_buckets(engine, 0, 0, 0, 0, 0)  # over midnight and a leap day
    with reading(engine) as connection:
        [(first, *_), *_] = rows = verbatim.rows(connection, select(*COLUMNS).order_by(TimeBucket.bucket_start))
        assert [row[0] for row in rows] == verbatim.hours(connection, hour_index(START), 5)
        assert first == verbatim.time(connection, START.astimezone(timezone(timedelta(hours=-5))))
    assert verbatim.moment(first) == START


def test_columns_are_those_of_the_rows(engine: Engine) -> None:
    features = {
        "hour_of_day": 1,
        "day_of_week": 1,
        "is_weekend": False,
        "events_in_window": 0,
        "computed_at": START,
    }
    with writing(engine) as connection:
        for i, (lag, intensity) in enumerate([(None, 0.0), (3, 0.1 + 0.2), (0, 1e-300), (None, 1.0)]):
            values = {"reference_time": START + HOUR * i, "lag_1h": lag, "event_intensity": intensity}
            connection.execute(insert(Feature).values(**values, **features))
    wanted = (Feature.reference_time, Feature.lag_1h, Feature.event_intensity)
    with reading(engine) as connection:
        found = verbatim.columns(connection, wanted)
        rows = verbatim.rows(connection, select(*wanted))
    assert sorted(zip(*found, strict=True), key=str) == sorted(rows, key=str)
    assert sorted(found[2]) == [0.0, 1e-300, 0.1 + 0.2, 1.0]


def test_columns_of_no_rows_are_empty(engine: Engine) -> None:
    with reading(engine) as connection:
        assert verbatim.columns(connection, COLUMNS) == [[], [], []]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("change", ["bucket_start = '0,b'", "tweet_count = 'many'"])
def test_columns_survive_what_only_a_hand_can_have_written(engine: Engine, change: str) -> None:
    add_buckets(engine, 1, 2)
    with writing(engine) as connection:
        connection.exec_driver_sql(f"UPDATE time_buckets SET {change} WHERE id = 1")
    with reading(engine) as connection:
        found = verbatim.columns(connection, COLUMNS)
    assert [len(column) for column in found] == [2, 2, 2]
    assert change.split("'")[1] in (*found[0], *found[2])


@pytest.mark.parametrize("value", ["2024-02-28 21:30:00.000000", "yesterday", "", 7, START + HOUR / 2])
def test_what_is_no_start_of_an_hour_has_no_hour(value: Any) -> None:
    assert verbatim.whole_hour(value) is None


def test_the_start_of_an_hour_has_its_index() -> None:
    assert verbatim.whole_hour("2024-02-28 21:00:00.000000") == verbatim.whole_hour(START) == hour_index(START)


ROWS = st.dictionaries(st.integers(0, 12), st.integers(0, 2)).map(lambda found: list(found.items()))


@given(ROWS, ROWS.map(sorted))
def test_differences_lead_from_the_stored_rows_to_the_expected(
    stored: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    columns = [[list(column) for column in zip(*rows, strict=True)] or [[], []] for rows in (stored, expected)]
    found = verbatim.differences(*columns)
    before, after = dict(stored), dict(expected)
    assert [expected[i][0] for i in found.new] == [key for key in after if key not in before]
    assert [expected[i][0] for i in found.changed] == [k for k in after if k in before and before[k] != after[k]]
    assert sorted(found.gone) == sorted(before.keys() - after.keys())


def test_what_goes_along_is_replaced_only_with_a_change(engine: Engine) -> None:
    add_buckets(engine, 1, 2)
    later = START + HOUR * 9
    with writing(engine) as connection:
        times = verbatim.hours(connection, hour_index(START), 3)
        rows = [(times[i], times[i + 1], "hourly", 1, verbatim.time(connection, later)) for i in range(2)]
        written = upsert(
            connection,
            TABLE,
            ("bucket_start", "bucket_end", "granularity", "tweet_count", "computed_at"),
            rows,
            conflict=("bucket_start", "granularity"),
            update=("tweet_count",),
            along=("computed_at",),
            verbatim=True,
        )
        found = connection.execute(
            select(TimeBucket.tweet_count, TimeBucket.computed_at).order_by(TimeBucket.bucket_start)
        ).all()
    assert written == 1
    assert found == [(1, START), (1, later)]


def test_rows_are_deleted_by_their_key(engine: Engine) -> None:
    add_buckets(engine, 1, 2, 3)
    with writing(engine) as connection:
        starts = verbatim.hours(connection, hour_index(START), 2)
        keys = [(start, "hourly") for start in starts]
        assert verbatim.delete(connection, TABLE, ("bucket_start", "granularity"), keys) == 2
        assert verbatim.delete(connection, TABLE, ("bucket_start", "granularity"), []) == 0
        assert connection.scalars(select(TimeBucket.tweet_count)).all() == [3]
