"""Rows as the driver itself holds them, for sets so large that a datetime of every value costs more than the query.

A time is text on SQLite, in the form that the column type stores, and an aware datetime on Postgres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from operator import itemgetter, ne
from typing import Any

from sqlalchemy import Connection, Executable, Table

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


def differences(stored: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> Differences:
    """Compare rows by their first column, which is their key; `expected` is in the order of its keys."""
    stored = sorted(stored, key=itemgetter(0))
    unequal = list(compress(range(len(expected)), map(ne, stored, expected)))
    if len(stored) == len(expected) and all(stored[i][0] == expected[i][0] for i in unequal):
        return Differences([], unequal, [])
    there = {row[0]: row for row in stored}
    new = [i for i, row in enumerate(expected) if row[0] not in there]
    changed = [i for i, row in enumerate(expected) if there.get(row[0], row) != row]
    return Differences(new, changed, list(there.keys() - {row[0] for row in expected}))


def delete(connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete the rows whose `columns` have these values; returns how many."""
    if not keys:
        return 0
    mark = "?" if is_sqlite(connection) else "%s"
    condition = " AND ".join(f"{name} = {mark}" for name in columns)
    return int(connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {condition}", list(keys)).rowcount)
