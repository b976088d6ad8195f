"""Bulk writes: inserted or changed exactly where they differ, the same by every path on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Table, insert, select

from musktracker.db import upsert as module
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Base, Feature, ModelArtifact, ModelMetadata, RawTweet, TimeBucket
from musktracker.db.upsert import upsert
from musktracker.timeline import NaiveDatetime

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
BUCKETS: Table = Base.metadata.tables["time_buckets"]
COLUMNS = ("bucket_start", "bucket_end", "granularity", "tweet_count", "computed_at")
CONFLICT = ("bucket_start", "granularity")


@pytest.fixture(params=["row by row", "by copy"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways into Postgres, whatever the number of rows."""
    monkeypatch.setattr(module, "COPY_FROM", 1 if request.param == "by copy" else 10**9)


@settings(max_examples=25)
@given(
    before=st.dictionaries(st.integers(0, 9), st.integers(0, 2)),
    after=st.dictionaries(st.integers(0, 9), st.integers(0, 2), min_size=1),
)
def test_it_does_to_the_table_what_update_does_to_a_dict(
    engine: Engine, path: None, before: dict[int, int], after: dict[int, int]
) -> None:
    with writing(engine) as connection:
        connection.execute(BUCKETS.delete())
        _write(connection, before)
        changed = _write(connection, after)
    assert changed == sum(before.get(hour) != count for hour, count in after.items())
    assert _read(engine) == before | after


def test_without_columns_to_update_what_is_there_stays(engine: Engine, path: None) -> None:
    with writing(engine) as connection:
        _write(connection, {1: 5})
        assert upsert(connection, BUCKETS, COLUMNS, [_row(1, 7), _row(2, 8)], conflict=CONFLICT) == 1
    assert _read(engine) == {1: 5, 2: 8}


def test_the_same_rows_a_second_time_change_nothing(engine: Engine, path: None) -> None:
    with writing(engine) as connection:
        assert _write(connection, {1: 5, 2: 6}) == 2
        assert _write(connection, {1: 5, 2: 6}) == 0


def test_nothing_to_write_is_nothing_written(engine: Engine, path: None) -> None:
    with writing(engine) as connection:
        assert upsert(connection, BUCKETS, COLUMNS, [], conflict=CONFLICT) == 0


def test_every_kind_of_value_comes_back(engine: Engine, path: None) -> None:
    at = NOON.replace(microsecond=123456).astimezone(timezone(timedelta(hours=-5)))
    posts = [("1", at, "import ü", at, False, None), ("2", at, "x", at, True, "reply")]
    features = [(at, None, 3, 1.5, None, 7, 6, True, 0.25, 2, at), (NOON, 1, None, None, 2.0, 0, 0, False, 0, 0, at)]
    with writing(engine) as connection:
        columns = ("tweet_id", "created_at", "source", "ingest_time", "is_deleted", "kind")
        upsert(connection, _table(RawTweet), columns, posts, conflict=("tweet_id",))
        numbers = ("lag_1h", "lag_7d", "rolling_mean_24h", "rolling_std_7d", "hour_of_day", "day_of_week")
        names = ("reference_time", *numbers, "is_weekend", "event_intensity", "events_in_window", "computed_at")
        upsert(connection, _table(Feature), names, features, conflict=("reference_time",), update=names[1:])
        model = {"model_name": "m", "model_version": "1", "trained_at": at}
        model |= {"training_start_date": at, "training_end_date": at}
        key = connection.execute(insert(ModelMetadata).returning(ModelMetadata.id), model).scalar_one()
        artifact = [(key, "0" * 64, b"\x00\xff")]
        names_of_artifact = ("model_metadata_id", "sha256", "content")
        upsert(connection, _table(ModelArtifact), names_of_artifact, artifact, conflict=("model_metadata_id",))
    with reading(engine) as connection:
        found = connection.execute(
            select(*(_table(RawTweet).c[name] for name in columns)).order_by(RawTweet.tweet_id)
        )
        assert [tuple(row) for row in found] == posts
        ordered = select(*(_table(Feature).c[name] for name in names)).order_by(Feature.reference_time)
        assert [tuple(row) for row in connection.execute(ordered)] == sorted(features, key=lambda row: row[0])
        assert connection.scalar(select(ModelArtifact.content)) == b"\x00\xff"


def test_a_naive_time_is_refused_and_nothing_is_written(engine: Engine, path: None) -> None:
    naive = (*_row(2, 1)[:-1], datetime(2025, 6, 1))  # noqa: DTZ001
    with writing(engine) as connection, pytest.raises(NaiveDatetime):
        upsert(connection, BUCKETS, COLUMNS, [_row(1, 1), naive], conflict=CONFLICT)
    assert _read(engine) == {}


def test_what_it_writes_is_what_the_column_type_reads_and_compares(engine: Engine, path: None) -> None:
    moment = NOON.replace(microsecond=5)
    row = (moment, moment + timedelta(hours=1), "hourly", 1, moment)
    with writing(engine) as connection:
        upsert(connection, BUCKETS, COLUMNS, [row], conflict=CONFLICT)
        found = connection.execute(select(TimeBucket.tweet_count).where(TimeBucket.bucket_start == moment))
        assert found.scalars().all() == [1]
        values = dict(zip(COLUMNS, (NOON, *row[1:]), strict=True))
        connection.execute(insert(TimeBucket), values)
        assert upsert(connection, BUCKETS, COLUMNS, [(NOON, *row[1:])], conflict=CONFLICT) == 0


def test_two_bulk_writes_fit_in_one_transaction(engine: Engine, path: None) -> None:
    with writing(engine) as connection:
        _write(connection, {1: 1})
        _write(connection, {1: 2, 2: 2})
    assert _read(engine) == {1: 2, 2: 2}


def test_more_rows_than_the_limit_go_in_as_well(engine: Engine) -> None:
    with writing(engine) as connection:
        counts = dict.fromkeys(range(module.COPY_FROM + 1), 1)
        assert _write(connection, counts) == len(counts)
    assert _read(engine) == counts


def _row(hour: int, count: int) -> tuple[Any, ...]:
    start = NOON + timedelta(hours=hour)
    return (start, start + timedelta(hours=1), "hourly", count, NOON)


def _write(connection: Connection, counts: dict[int, int]) -> int:
    rows = [_row(hour, count) for hour, count in counts.items()]
    return upsert(connection, BUCKETS, COLUMNS, rows, conflict=CONFLICT, update=("tweet_count", "computed_at"))


def _read(engine: Engine) -> dict[int, int]:
    with reading(engine) as connection:
        rows = connection.execute(select(TimeBucket.bucket_start, TimeBucket.tweet_count))
        return {(start - NOON) // timedelta(hours=1): count for start, count in rows}


def _table(model: type[Base]) -> Table:
    return model.__table__
