"""Engines: what each connection is set to, honest transactions, and reads that never wait."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from musktracker.db import engines
from musktracker.errors import UsageError

INSERT = text(
    "INSERT INTO database_settings (name, value, updated_at) VALUES (:name, 'v', '2025-06-01 12:00:00.000000')"
)
NOBODY = 65534
COUNT = text("SELECT count(*) FROM database_settings")


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Engine:
    """A migrated, empty SQLite database."""
    path = tmp_path / "test.db"
    path.write_bytes(sqlite_template.read_bytes())
    return engines.connect(f"sqlite:///{path}")


def test_a_sqlite_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    engine = engines.connect(f"sqlite:///{tmp_path / 'a' / 'b' / 'new.db'}")
    assert stat.S_IMODE(engines.sqlite_path(engine).stat().st_mode) == 0o600
    assert stat.S_IMODE(engines.sqlite_path(engine).parent.stat().st_mode) == 0o700
    with engines.writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "b").iterdir()} == {0o600}
    engine.dispose()


def test_sqlite_connections_have_their_pragmas(sqlite_engine: Engine) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 5000, "query_only": 0}
    with engines.reading(sqlite_engine) as connection:
        assert {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas} == pragmas
    sqlite_engine.dispose()


def test_a_path_with_odd_characters_is_the_file_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "a #b c.db"
    engine = engines.connect(f"sqlite:///{path}")
    with engines.writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    engine.dispose()
    assert {p.name for p in tmp_path.iterdir()} == {path.name}


def test_a_new_database_that_another_is_writing_to_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the switch to WAL fails at once while this goes on
    monkeypatch.setattr(engines.time, "sleep", lambda _: other.execute("COMMIT"))
    engine = engines.connect(f"sqlite:///{tmp_path / 'new.db'}")
    with engines.reading(engine) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    assert not other.in_transaction
    engine.dispose()
    other.close()


def test_postgres_sessions_speak_utc_under_our_name(postgres_server: str) -> None:
    engine = engines.connect(postgres_server)
    with engines.reading(engine) as connection:
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
        assert connection.execute(text("SHOW application_name")).scalar_one() == "musktracker"
    engine.dispose()


def test_foreign_keys_are_enforced(engine: Engine) -> None:
    with pytest.raises(IntegrityError), engines.writing(engine) as connection:
        connection.execute(
            text("INSERT INTO model_artifacts (model_metadata_id, sha256, content) VALUES (77, 'x', 'y')")
        )


def test_an_error_takes_the_whole_transaction_back(engine: Engine) -> None:
    with pytest.raises(IntegrityError), engines.writing(engine) as connection:
        connection.execute(INSERT, [{"name": "a"}, {"name": "b"}, {"name": "a"}])
    with engines.reading(engine) as connection:
        assert connection.execute(COUNT).scalar_one() == 0


def test_a_schema_change_is_taken_back_as_well(engine: Engine) -> None:
    with engines.writing(engine) as connection:
        connection.execute(text("CREATE TABLE half (x INTEGER)"))
        connection.execute(text("DROP TABLE coverage"))
        connection.rollback()
    with engines.reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM coverage")).scalar_one() == 0
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT * FROM half"))


def test_a_read_neither_waits_for_a_writer_nor_sees_its_half(engine: Engine) -> None:
    with engines.writing(engine) as writer:
        writer.execute(INSERT, {"name": "a"})
        with engines.reading(engine) as reader:
            assert reader.execute(COUNT).scalar_one() == 0
    with engines.reading(engine) as reader:
        assert reader.execute(COUNT).scalar_one() == 1


def test_writers_at_once_wait_for_each_other_and_lose_nothing(engine: Engine) -> None:
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for n in range(20):
                with engines.writing(engine) as connection:
                    connection.execute(COUNT)  # a read first: the write after it must not find the database locked
                    connection.execute(INSERT, {"name": f"{writer}:{n}"})
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with engines.reading(engine) as connection:
        assert connection.execute(COUNT).scalar_one() == 80


def test_a_read_only_engine_refuses_to_write(engine: Engine, database_url: str) -> None:
    reader = engines.connect(database_url, read_only=True)
    with pytest.raises(engines.ReadOnly, match="only read"), engines.writing(reader):
        pass
    reader.dispose()


def test_the_database_itself_keeps_a_read_only_engine_from_writing(engine: Engine, database_url: str) -> None:
    reader = engines.connect(database_url, read_only=True)
    with pytest.raises(DBAPIError, match=r"read-?only"), reader.begin() as connection:
        connection.execute(INSERT, {"name": "a"})
    with engines.reading(reader) as connection:
        assert connection.execute(COUNT).scalar_one() == 0
    reader.dispose()


def test_what_was_deleted_is_neither_read_nor_written_any_more(sqlite_engine: Engine) -> None:
    with engines.reading(sqlite_engine) as connection:
        assert connection.execute(COUNT).scalar_one() == 0
    for path in engines.sqlite_path(sqlite_engine).parent.iterdir():
        path.unlink()
    for opened in (engines.reading, engines.writing):
        with pytest.raises(OperationalError, match="unable to open"), opened(sqlite_engine):
            pass


def test_a_file_put_in_the_place_of_another_is_read(sqlite_engine: Engine, sqlite_template: Path) -> None:
    path = engines.sqlite_path(sqlite_engine)
    with engines.writing(sqlite_engine) as connection:
        connection.execute(INSERT, {"name": "a"})
    other = path.with_name("other.db")
    other.write_bytes(sqlite_template.read_bytes())
    for kept in path.parent.glob(f"{path.name}-*"):
        kept.unlink()
    other.replace(path)
    with engines.reading(sqlite_engine) as connection:
        assert connection.execute(COUNT).scalar_one() == 0


def test_a_read_only_engine_makes_no_file(tmp_path: Path) -> None:
    reader = engines.connect(f"sqlite:///{tmp_path / 'none.db'}", read_only=True)
    with pytest.raises(OperationalError, match="unable to open"), engines.reading(reader):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [("nonsense", "cannot be read"), ("mysql://host/db", "no way to keep data in mysql"), ("", "cannot be read")],
)
def test_a_url_that_cannot_be_is_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        engines.connect(url)


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'musktracker\[postgres\]'"):
        engines.connect("postgresql+psycopg://host/db")


def test_where_nothing_can_be_written_a_read_only_engine_reads_the_file_and_sees_another_in_its_place(
    sqlite_template: Path,
) -> None:
    directory = Path(tempfile.mkdtemp())  # outside of what pytest closes to other users
    path = directory / "test.db"
    path.write_bytes(sqlite_template.read_bytes())
    reader = engines.connect(f"sqlite:///{path}", read_only=True)
    path.chmod(0o444)
    directory.chmod(0o555)
    superuser = os.geteuid() == 0
    try:
        if superuser:
            os.seteuid(NOBODY)
        with engines.reading(reader) as connection:
            assert engines.lies_still(connection)
            assert connection.execute(COUNT).scalar_one() == 0
        if superuser:
            os.seteuid(0)
        directory.chmod(0o755)
        path.chmod(0o644)
        with sqlite3.connect(path) as writer:
            writer.execute("INSERT INTO database_settings VALUES ('a', 'v', '2025-06-01 12:00:00.000000')")
        writer.close()
        with engines.reading(reader) as connection:
            assert not engines.lies_still(connection)
            assert connection.execute(COUNT).scalar_one() == 1
    finally:
        if superuser:
            os.seteuid(0)
        directory.chmod(0o755)
        reader.dispose()
        shutil.rmtree(directory)
