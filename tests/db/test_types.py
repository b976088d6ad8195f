"""The time column: aware UTC in and out, microseconds kept, naive refused, on both databases alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from musktracker.db.engines import is_sqlite, reading, writing
from musktracker.db.tables import DatabaseSetting
from musktracker.db.types import UTCDateTime
from musktracker.timeline import NaiveDatetime

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001 - the zone is drawn apart
TIMES = st.datetimes(FIRST, LAST, timezones=OFFSETS)
SHARED = settings(max_examples=40)


@SHARED
@given(moment=TIMES)
def test_a_moment_comes_back_as_itself_in_utc(engine: Engine, moment: datetime) -> None:
    [found] = _stored(engine, moment)
    assert found == moment
    assert found.tzinfo is UTC


@SHARED
@given(moments=st.lists(TIMES, min_size=2, max_size=5, unique=True))
def test_the_database_orders_and_compares_by_moment(engine: Engine, moments: list[datetime]) -> None:
    assert _stored(engine, *moments) == sorted(moments)
    middle = sorted(moments)[len(moments) // 2]
    with reading(engine) as connection:
        query = select(DatabaseSetting.updated_at).where(DatabaseSetting.updated_at < middle)
        assert sorted(connection.scalars(query)) == [moment for moment in sorted(moments) if moment < middle]


def test_sqlite_stores_text_of_one_length(engine: Engine) -> None:
    _stored(engine, NOON, NOON + timedelta(microseconds=1))
    if is_sqlite(engine):
        with reading(engine) as connection:
            found = connection.execute(text("SELECT updated_at FROM database_settings ORDER BY 1")).scalars().all()
        assert found == ["2025-06-01 12:00:00.000000", "2025-06-01 12:00:00.000001"]


def test_a_naive_datetime_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError) as caught:
        _stored(engine, datetime(2025, 6, 1, 12))  # noqa: DTZ001
    assert isinstance(caught.value.orig, NaiveDatetime)


def test_a_naive_bound_of_a_query_is_refused(engine: Engine) -> None:
    query = select(DatabaseSetting).where(DatabaseSetting.updated_at < datetime(2025, 6, 1))  # noqa: DTZ001
    with reading(engine) as connection, pytest.raises(StatementError, match="has no time zone"):
        connection.execute(query)


def test_no_time_stays_no_time() -> None:
    kind = UTCDateTime()
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        assert kind.process_bind_param(None, dialect) is None
        assert kind.process_result_value(None, dialect) is None


def test_a_session_in_another_zone_gives_the_same_moment(engine: Engine) -> None:
    if is_sqlite(engine):
        return
    with writing(engine) as connection:
        connection.execute(text("SET LOCAL timezone = 'America/New_York'"))
        found = connection.execute(select(literal(NOON, UTCDateTime()))).scalar_one()
    assert (found, found.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgres"])
def test_a_time_can_be_written_into_offline_sql(dialect: object) -> None:
    statement = select(literal(NOON, UTCDateTime()))
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})  # type: ignore[arg-type]
    assert "2025-06-01 12:00:00" in str(compiled)


def _stored(engine: Engine, *moments: datetime) -> list[datetime]:
    """Store moments alone, and read them back in the database's order."""
    with writing(engine) as connection:
        connection.execute(delete(DatabaseSetting))
        rows = [{"name": str(n), "value": "", "updated_at": moment} for n, moment in enumerate(moments)]
        connection.execute(insert(DatabaseSetting), rows)
    with reading(engine) as connection:
        return list(connection.scalars(select(DatabaseSetting.updated_at).order_by(DatabaseSetting.updated_at)))
