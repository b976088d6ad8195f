"""The one transaction in which a schema changes, alone on the database.

On SQLite foreign keys are off while tables are made anew, and checked before the commit; others wait for BEGIN
IMMEDIATE. On Postgres others wait for an advisory lock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from musktracker.db.engines import is_sqlite
from musktracker.errors import MuskTrackerError

LOCK_SECONDS = 60
LOCK_KEY = int.from_bytes(b"musktrkr")


@contextmanager
def schema_transaction(engine: Engine) -> Iterator[Connection]:
    """Change the schema: alone, in a transaction that leaves no row without the row it refers to.

    Raises MuskTrackerError where another keeps the database for 60 seconds.
    """
    with engine.connect() as connection:
        if is_sqlite(engine):
            connection.detach()  # its pragma must not come back from the pool
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            with _begun_alone(connection):
                yield connection
                _check_foreign_keys(connection)
        else:
            with connection.begin(), _lock_told():
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_SECONDS * 1000:.0f}")
                connection.exec_driver_sql("SET LOCAL application_name = 'musktracker migrate'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
                yield connection


@contextmanager
def _begun_alone(connection: Connection) -> Iterator[None]:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:  # each turn waits for the busy timeout, so that Ctrl-C is heard
        try:
            transaction = connection.begin()
            break
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            if time.monotonic() >= deadline:
                raise _kept("another process writes to it") from None
            time.sleep(0.05)
    with transaction:
        yield


@contextmanager
def _lock_told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":  # lock_not_available
            raise
        raise _kept("another session holds it or one of its tables") from None


def _kept(reason: str) -> MuskTrackerError:
    return MuskTrackerError(
        f"The schema could not be changed within {LOCK_SECONDS} seconds: {reason}",
        "Nothing was changed. Stop what runs on this database, or try again when it has ended",
    )


def _check_foreign_keys(connection: Connection) -> None:
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        table, _, parent, _ = orphans[0]
        raise MuskTrackerError(
            f"The migration would leave {len(orphans)} rows without the row they refer to ({table} to {parent})",
            "Nothing was changed",
        )
