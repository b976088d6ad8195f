"""Engines: SQLite with its pragmas and honest transactions, Postgres with its session in UTC."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)

from musktracker.errors import MuskTrackerError, UsageError

BUSY_SECONDS = 5
READS_ONLY = "musktracker_read_only"
LIES_STILL = "musktracker_lies_still"
# a server that vanishes without a word, as its machine or the network does, is noticed within a minute
ALIVE = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 50_000}


def connect(url: str, *, read_only: bool = False) -> Engine:
    """An engine for a database URL; with `read_only`, one that the database itself keeps from writing.

    Creates the file of a SQLite database, readable by its owner alone. Raises UsageError for a URL that cannot be,
    or a driver that is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("The database URL cannot be read", "Write sqlite:///path or postgresql://…") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(url, Path(parsed.database or ""), read_only=read_only)
    if parsed.get_backend_name() == "postgresql":
        return _postgres(parsed, read_only=read_only)
    raise UsageError(f"There is no way to keep data in {parsed.get_backend_name()}", "Use SQLite or Postgres")


class ReadOnly(MuskTrackerError):
    """Something was to be changed through an engine that only reads."""


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: commits at the end, rolls back on an error. Keep it short, and off the network.

    Raises ReadOnly where the engine only reads.
    """
    if engine.get_execution_options().get(READS_ONLY):
        raise ReadOnly("The database is only read here", "Its file cannot be written, or --read-only was asked for")
    with engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and never waits for a writer."""
    with engine.connect().execution_options(musktracker_reads=True) as connection:
        yield connection


def in_turn(connection: Connection, what: str) -> None:
    """Wait for the end of every transaction that has its turn at this; then it is this one's turn until it ends.

    SQLite has one writer at a time, so that there is nobody to wait for.
    """
    if not is_sqlite(connection):
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", (what,))


def is_passing(error: BaseException) -> bool:
    """Whether a database error may be gone when tried again: busy, restarting, or out of reach."""
    return isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def is_sqlite(engine: Engine | Connection) -> bool:
    """Whether this is SQLite (otherwise it is Postgres)."""
    return engine.dialect.name == "sqlite"


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """What tells the file of a SQLite database from another in its place; None without a file, or on Postgres."""
    return _identity(sqlite_path(engine)) if is_sqlite(engine) else None


def lies_still(connection: Connection) -> bool:
    """Whether a SQLite database is read as a file that nobody writes: it is where nothing can be written beside it.

    What others committed and left in its WAL is not seen.
    """
    return bool(connection.info.get(LIES_STILL))


def sqlite_path(engine: Engine) -> Path:
    """The file of a SQLite database."""
    return Path(engine.url.database or "")


def _sqlite(url: str, path: Path, *, read_only: bool) -> Engine:
    if not path.exists() and not read_only:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, execution_options={READS_ONLY: read_only})

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, record: Any, _arguments: Any, options: dict[str, Any]) -> sqlite3.Connection:
        return _opened_to_read(path, record, options) if read_only else _opened(path, "mode=rw", options)

    @event.listens_for(engine, "checkout")
    def _check(_connection: Any, record: Any, _proxy: Any) -> None:
        identity = _content_identity if record.info.get(LIES_STILL) else _identity
        if record.info["file"] != identity(path):  # what is written to a file that was deleted is lost
            raise DisconnectionError("The file of the database was taken away")

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: Any) -> None:
        record.info["file"] = (_content_identity if record.info.get(LIES_STILL) else _identity)(path)
        connection.isolation_level = None  # the driver must not begin transactions by itself
        if not read_only:
            _use_wal(connection)
        # pages are cached by the system as well: a console that is open all day need not hold them twice
        for pragma in ("cache_size=-512", "synchronous=NORMAL", "foreign_keys=ON", f"query_only={read_only:d}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = read_only or connection.get_execution_options().get("musktracker_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _opened(path: Path, how: str, options: dict[str, Any]) -> sqlite3.Connection:
    # mode=rw: a database that is not there is an error, not an empty file for everyone to read; where it may only be
    # read, SQLite opens it so by itself
    opened: sqlite3.Connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, **options)
    return opened


def _opened_to_read(path: Path, record: Any, options: dict[str, Any]) -> sqlite3.Connection:
    opened = _opened(path, "mode=rw", options)
    record.info.pop(LIES_STILL, None)
    try:
        opened.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            opened.close()
            raise
        opened.close()  # readers of a WAL share a file, which cannot be made where it lies
        opened = _opened(path, "immutable=1", options)
        record.info[LIES_STILL] = True
    return opened


def _content_identity(path: Path) -> tuple[int, int] | None:
    """What also differs once the file was written to."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _use_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:  # the first switch does not wait for others by itself
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _postgres(url: URL, *, read_only: bool) -> Engine:
    options = "-c timezone=UTC" + (" -c default_transaction_read_only=on" if read_only else "")
    alive = {name: value for name, value in ALIVE.items() if name not in url.query}
    arguments = {"options": options, "application_name": "musktracker", "connect_timeout": 10, **alive}
    try:
        return create_engine(
            url, pool_pre_ping=True, connect_args=arguments, execution_options={READS_ONLY: read_only}
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise UsageError(
            "Postgres needs its driver, which is not installed", "pip install 'musktracker[postgres]'"
        ) from None
