"""What the database holds and how sound it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from musktracker.db import engines, migrate
from musktracker.db.queries import schema
from musktracker.db.schema_lock import schema_transaction
from musktracker.db.tables import Base


def test_every_table_is_listed_with_its_rows_and_bytes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO coverage VALUES (1, 'f', '2025-01-01', '2025-01-02', '2025-01-01', 'all')")
        )
    found = {table.name: table for table in schema.tables(engine)}
    assert set(found) == {*Base.metadata.tables, migrate.VERSION_TABLE}
    assert (found["coverage"].rows, found["raw_tweets"].rows) == (1, 0)
    assert all(table.bytes is not None and table.bytes > 0 for table in found.values())
    assert (found["raw_tweets"].bytes or 0) > (found["coverage"].bytes or 0)  # it has more indexes


def test_a_database_is_named_without_its_password(engine: Engine) -> None:
    info = schema.info(engine)
    assert info.server.split()[0] in ("SQLite", "PostgreSQL")
    assert info.server.split()[1][0].isdecimal()
    assert info.bytes > 100_000
    secret = engines.connect("postgresql+psycopg://me:hunter2@host/x")
    assert "hunter2" not in schema.address(secret)


def test_a_sound_database_has_no_faults(engine: Engine) -> None:
    assert schema.integrity(engine) == []


def test_a_row_without_the_row_it_refers_to_is_a_fault(tmp_path: Path) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'x.db'}")
    migrate.upgrade(engine)
    with closing(sqlite3.connect(tmp_path / "x.db")) as careless, careless:
        careless.execute("INSERT INTO run_log (id, run_id, time, level, message) VALUES (5, 77, 0, 'info', '')")
    assert schema.integrity(engine) == ["run_log row 5 refers to a row of runs that is not there"]
    engine.dispose()


def test_a_damaged_file_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    engine = engines.connect(f"sqlite:///{path}")
    migrate.upgrade(engine)
    with closing(sqlite3.connect(path)) as careless:
        careless.execute("PRAGMA writable_schema=ON")
        careless.execute("DELETE FROM sqlite_schema WHERE name = 'ix_runs_kind_id'")
        careless.commit()
    assert any("never used" in fault for fault in schema.integrity(engine))
    engine.dispose()


def test_a_constraint_that_was_not_validated_is_a_fault(engine: Engine) -> None:
    if engines.is_sqlite(engine):
        return
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE coverage ADD CONSTRAINT ck_late CHECK (id > 0) NOT VALID"))
    assert schema.integrity(engine) == ["constraint ck_late of coverage has not been validated"]


def test_who_migrates_now_is_named(engine: Engine) -> None:
    assert schema.lock_holders(engine) == []
    with schema_transaction(engine):
        holders = schema.lock_holders(engine)
    if engines.is_sqlite(engine):
        assert holders == []
    else:
        [holder] = holders
        assert (holder.application, holder.waiting) == ("musktracker migrate", False)


@pytest.mark.parametrize("rows", [0, 3])
def test_rows_are_counted_not_estimated(engine: Engine, rows: int) -> None:
    with engine.begin() as connection:
        for n in range(rows):
            connection.execute(
                text("INSERT INTO database_settings VALUES (:n, 'v', '2025-01-01 00:00:00.000000')"), {"n": str(n)}
            )
    assert {t.name: t.rows for t in schema.tables(engine)}["database_settings"] == rows
