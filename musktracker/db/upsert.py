"""The one way rows are written in bulk: insert in sets, and decide what a row that is already there means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table

from musktracker.db.types import UTCDateTime
from musktracker.db.verbatim import sqlite_text
from musktracker.timeline import utc

COPY_FROM = 5_000  # rows from which Postgres is faster by COPY


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    conflict: Sequence[str],
    update: Sequence[str] = (),
    along: Sequence[str] = (),
    verbatim: bool = False,
) -> int:
    """Insert `rows` (tuples in the order of `columns`); returns how many rows were inserted or changed.

    A row whose `conflict` columns are already there is left as it is, or has its `update` columns replaced where any
    of them differ; its `along` columns (when it was computed, say) are then replaced too, but are no reason to. Times
    must be aware (NaiveDatetime otherwise), or with `verbatim` come from db.verbatim; no two rows may share their
    `conflict` values when `update` is given.
    """
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        ending = _on_conflict(table, conflict, update, along, "IS NOT")
        statement = f"{_insert(table, columns)} VALUES ({marks}) {ending}"
        converted = list(rows) if verbatim else _converted(table, columns, rows, sqlite_text)
        return int(connection.exec_driver_sql(statement, converted).rowcount)
    converted = list(rows) if verbatim else _converted(table, columns, rows, utc)
    ending = _on_conflict(table, conflict, update, along, "IS DISTINCT FROM")
    if len(rows) < COPY_FROM:
        marks = ", ".join(["%s"] * len(columns))
        return int(
            connection.exec_driver_sql(f"{_insert(table, columns)} VALUES ({marks}) {ending}", converted).rowcount
        )
    return _copy(connection, table, columns, converted, ending)


def _insert(table: Table, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)})"


def _on_conflict(
    table: Table, conflict: Sequence[str], update: Sequence[str], along: Sequence[str], differ: str
) -> str:
    target = f"ON CONFLICT ({', '.join(conflict)}) DO"
    if not update:
        return f"{target} NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*update, *along))
    differs = " OR ".join(f"{table.name}.{name} {differ} excluded.{name}" for name in update)
    return f"{target} UPDATE SET {changes} WHERE {differs}"


def _converted(
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    convert: Callable[[datetime], Any],
) -> list[tuple[Any, ...]]:
    times = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, UTCDateTime)]
    if not times:
        return list(rows)
    by_column = list(zip(*rows, strict=True))
    for i in times:
        by_column[i] = tuple(_each(by_column[i], convert))
    return list(zip(*by_column, strict=True))


def _each(values: tuple[Any, ...], convert: Callable[[datetime], Any]) -> list[Any]:
    first = values[0]
    if all(value is first for value in values):  # ingest_time and its like: one moment for every row
        return [None if first is None else convert(first)] * len(values)
    return [None if value is None else convert(value) for value in values]


def _copy(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], ending: str
) -> int:
    names = ", ".join(columns)
    if ending.endswith("NOTHING") and _copied_straight(connection, table, columns, rows):
        return len(rows)
    staging = f"staging_{table.name}"
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE {staging} ON COMMIT DROP AS SELECT {names} FROM {table.name} WITH NO DATA"
    )
    _copy_into(connection, staging, columns, rows)
    result = connection.exec_driver_sql(f"{_insert(table, columns)} SELECT {names} FROM {staging} {ending}")
    connection.exec_driver_sql(f"DROP TABLE {staging}")
    return int(result.rowcount)


def _copied_straight(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> bool:
    """Copy into the table itself, half the work where every row is new; False, and nothing done, where one is not."""
    savepoint = connection.begin_nested()
    try:
        _copy_into(connection, table.name, columns, rows)
    except Exception as error:
        savepoint.rollback()
        if getattr(error, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        return False
    savepoint.commit()
    return True


def _copy_into(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        types = [row[0] for row in cursor.execute(_COLUMN_TYPES, {"table": name, "columns": list(columns)})]
        with cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


_UNIQUE_VIOLATION = "23505"
_COLUMN_TYPES = """
    SELECT format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = to_regclass(%(table)s) AND attname = ANY(%(columns)s::text[])
    ORDER BY array_position(%(columns)s::text[], attname::text)
"""
