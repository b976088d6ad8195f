"""Rows as the driver itself holds them, for sets so large that a datetime of every value costs more than the query.

A time is text on SQLite, in the form that the column type stores, and an aware datetime on Postgres.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress, count
from operator import ne
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Float,
    Integer,
    Table,
    Text,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.types import TypeEngine

from musktracker.db.engines import is_sqlite
from musktracker.timeline import EPOCH, HOUR, floor_hour, hour_index, utc

HOURS = [f" {hour:02}:00:00.000000" for hour in range(24)]


@dataclass(frozen=True, slots=True)
class Differences:
    """How stored rows differ from expected ones: positions of new and changed rows, and the keys of needless ones."""

    new: list[int]
    changed: list[int]
    gone: list[Any]


def rows(connection: Connection, query: Executable) -> list[tuple[Any, ...]]:
    """What a query gives, as the driver's own tuples."""
    cursor: Any = connection.execute(query).cursor
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def columns(
    connection: Connection, wanted: Sequence[ColumnClause[Any]], *conditions: ColumnElement[bool]
) -> list[list[Any]]:
    """Columns of a table as lists of one length, the rows in no particular order."""
    if is_sqlite(connection):
        with suppress(ValueError):  # text where a number should be, or a comma in a time: only by an edit by hand
            return _split(connection, wanted, conditions)
    found = rows(connection, select(*wanted).where(*conditions))
    return [list(column) for column in zip(*found, strict=True)] or [[] for _ in wanted]


def hours(connection: Connection, first: int, size: int) -> list[Any]:
    """The starts of `size` hours from hour index `first` on."""
    if not is_sqlite(connection):
        return [EPOCH + HOUR * index for index in range(first, first + size)]
    day = EPOCH.toordinal() + first // 24
    days = [datetime.fromordinal(day + i).date().isoformat() for i in range((first % 24 + size + 23) // 24)]
    return [date + hour for date in days for hour in HOURS][first % 24 : first % 24 + size]


def time(connection: Connection, value: datetime) -> Any:
    """One moment."""
    return sqlite_text(value) if is_sqlite(connection) else utc(value)


def sqlite_text(value: datetime) -> str:
    """A moment as the column type stores it on SQLite: text that sorts by time."""
    moment = value if value.tzinfo is UTC else utc(value)
    return moment.isoformat(sep=" ", timespec="microseconds")[:26]


def moment(value: Any) -> datetime:
    """The moment that a stored time names. Raises ValueError where it is text that is no time."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def whole_hour(value: Any) -> int | None:
    """The hour index of a stored time; None where it is no start of an hour, as after an edit by hand."""
    try:
        found = moment(value)
    except (TypeError, ValueError):
        return None
    return hour_index(found) if floor_hour(found) == found else None


def differences(stored: Sequence[list[Any]], expected: Sequence[list[Any]]) -> Differences:
    """Compare rows, given as columns of which the first is their key."""
    size = len(stored[0])
    if stored[0] == expected[0][:size]:  # as ever but after a change of the past: the same rows, or some more
        pairs = [(theirs, ours) for theirs, ours in zip(stored, expected, strict=True) if theirs != ours]
        unequal = {i for theirs, ours in pairs for i in compress(count(), map(ne, theirs, ours))}
        return Differences(list(range(size, len(expected[0]))), sorted(unequal), [])
    there = {row[0]: row for row in zip(*stored, strict=True)}
    new = [i for i, key in enumerate(expected[0]) if key not in there]
    rows = zip(*expected, strict=True)
    changed = [i for i, row in enumerate(rows) if there.get(row[0], row) != row]
    return Differences(new, changed, list(there.keys() - set(expected[0])))


def delete(connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete the rows whose `columns` have these values; returns how many."""
    if not keys:
        return 0
    mark = "?" if is_sqlite(connection) else "%s"
    condition = " AND ".join(f"{name} = {mark}" for name in columns)
    return int(connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {condition}", list(keys)).rowcount)


def _split(
    connection: Connection, wanted: Sequence[ColumnClause[Any]], conditions: Sequence[ColumnElement[bool]]
) -> list[list[Any]]:
    """Each column as one text, split here: half the time that the driver takes to make rows."""
    joined = [func.group_concat(_joinable(column), type_=Text) for column in wanted]
    texts = connection.execute(select(*joined).where(*conditions)).one()
    if texts[0] is None:
        return [[] for _ in wanted]
    found = [_parsed(text.split(","), column.type) for text, column in zip(texts, wanted, strict=True)]
    if len({len(column) for column in found}) > 1:
        raise ValueError("a stored time has a comma")
    return found


def _joinable(column: ColumnClause[Any]) -> ColumnElement[Any]:
    """A column without NULL, which group_concat would skip, and with every digit of its floats."""
    if isinstance(column.type, Float):
        return case((column == 0, literal_column("'0'")), else_=func.quote(column))
    return func.coalesce(column, literal_column("''")) if column.nullable else column.expression


def _parsed(texts: list[str], stored: TypeEngine[Any]) -> list[Any]:
    number: type[float] | type[int]
    if isinstance(stored, Float):
        number = float
    elif isinstance(stored, Integer):
        number = int
    else:
        return texts
    values = {text: number(text) if text else None for text in set(texts)}  # far fewer than rows
    return list(map(values.__getitem__, texts))
