"""Whether anything was committed since the last look, for less than reading it would cost."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection

from musktracker.db.engines import file_identity


class Pulse:
    """A value that is equal as long as nothing was committed to the database; keeps one connection for it.

    SQLite counts the commits of other connections (`data_version`); Postgres describes what a transaction that
    begins now would see (`pg_current_snapshot`).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: PoolProxiedConnection | None = None
        self._file: object = None
        sqlite = engine.dialect.name == "sqlite"
        self._query = "PRAGMA data_version" if sqlite else "SELECT pg_current_snapshot()::text"

    def read(self) -> object:
        """The value now. Raises the driver's error where the database does not answer."""
        file = file_identity(self._engine)
        with self._lock:
            if self._connection is not None and file != self._file:  # it would answer for what is no more
                self._connection.invalidate()
                self._connection = None
            if self._connection is None:
                self._connection, self._file = self._connected(), file
            try:
                driver: Any = self._connection.driver_connection
                row: tuple[object] = driver.execute(self._query).fetchone()
            except BaseException:
                self._connection.invalidate()
                self._connection = None
                raise
        return row[0], file

    def close(self) -> None:
        """Let go of the connection, unless its answer is still waited for: a server that hangs delays nobody."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection = None
        finally:
            self._lock.release()

    def _connected(self) -> PoolProxiedConnection:
        connection = self._engine.raw_connection()
        if self._engine.dialect.name != "sqlite":
            driver: Any = connection.driver_connection
            driver.autocommit = True
        return connection
