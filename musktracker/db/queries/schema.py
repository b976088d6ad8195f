"""What the database holds and how sound it is: sizes, integrity, versions, and who migrates it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from musktracker.config import mask_url
from musktracker.db.engines import is_sqlite, reading, sqlite_path
from musktracker.db.schema_lock import LOCK_KEY


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table's rows, and its bytes with its indexes; None where this SQLite cannot tell."""

    name: str
    rows: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """Which database this is: its address without secrets, the server's name and version, its bytes."""

    address: str
    server: str
    bytes: int


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A Postgres session that migrates the schema, or waits to."""

    pid: int
    application: str
    client: str | None
    since: datetime | None
    waiting: bool


def tables(engine: Engine) -> list[TableSize]:
    """Every table with its rows and bytes, by name. Counts each table: milliseconds per 100,000 rows."""
    with reading(engine) as connection:
        names = sorted(inspect(connection).get_table_names())
        sizes = _sqlite_sizes(connection) if is_sqlite(engine) else _postgres_sizes(connection)
        return [TableSize(name, _rows(connection, name), sizes.get(name)) for name in names]


def info(engine: Engine) -> DatabaseInfo:
    """Which database this is and how large."""
    with reading(engine) as connection:
        if is_sqlite(engine):
            version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
            path = sqlite_path(engine)
            parts = [path, path.with_name(f"{path.name}-wal")]
            return DatabaseInfo(
                address(engine), f"SQLite {version}", sum(p.stat().st_size for p in parts if p.exists())
            )
        version = connection.execute(text("SHOW server_version")).scalar_one()
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return DatabaseInfo(address(engine), f"PostgreSQL {version}", int(size))


def address(engine: Engine) -> str:
    """The database's URL without its password."""
    return mask_url(engine.url.render_as_string(hide_password=False))


def integrity(engine: Engine) -> list[str]:
    """What is wrong inside the database, in words; empty where nothing is. Reads all of a SQLite file."""
    with reading(engine) as connection:
        return _sqlite_faults(connection) if is_sqlite(engine) else _postgres_faults(connection)


def lock_holders(engine: Engine) -> list[LockHolder]:
    """The sessions that migrate this database or wait to, the holder first; SQLite does not tell."""
    if is_sqlite(engine):
        return []
    with reading(engine) as connection:
        return [LockHolder(*row) for row in connection.execute(text(_LOCK_HOLDERS), {"key": LOCK_KEY})]


def _rows(connection: Connection, name: str) -> int:
    return int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one())


def _sqlite_sizes(connection: Connection) -> dict[str, int]:
    query = """
        SELECT item.tbl_name, sum(stat.pgsize) FROM dbstat AS stat JOIN sqlite_schema AS item ON item.name = stat.name
        WHERE stat.aggregate = 1 GROUP BY 1
    """
    try:
        return {name: int(size) for name, size in connection.execute(text(query))}
    except OperationalError as error:
        if "no such table: dbstat" not in str(error.orig):  # left out when this SQLite was built
            raise
        return {}


def _postgres_sizes(connection: Connection) -> dict[str, int]:
    query = """
        SELECT relname, pg_total_relation_size(oid) FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
    """
    return {name: int(size) for name, size in connection.execute(text(query))}


def _sqlite_faults(connection: Connection) -> list[str]:
    faults = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check") if row[0] != "ok"]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return faults + [
        f"{table} row {rowid} refers to a row of {parent} that is not there" for table, rowid, parent, _ in orphans
    ]


def _postgres_faults(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute(text(_POSTGRES_FAULTS))]


_POSTGRES_FAULTS = """
    SELECT 'constraint ' || conname || ' of ' || conrelid::regclass || ' has not been validated'
    FROM pg_constraint WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'index ' || indexrelid::regclass || ' of ' || indrelid::regclass || ' is not valid'
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT (indisvalid AND indisready) AND relnamespace = current_schema()::regnamespace
"""
_LOCK_HOLDERS = """
    SELECT pg_locks.pid, application_name, host(client_addr), xact_start, NOT granted
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint = :key
    ORDER BY granted DESC, xact_start
"""
