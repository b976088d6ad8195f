"""What runs say, line by line: `run_log`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select

from musktracker.db import stored
from musktracker.db.engines import reading, writing
from musktracker.db.tables import RunLogLine


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log."""

    id: int
    time: datetime
    level: str
    message: str
    fields: Mapping[str, Any]


def lines_after(
    engine: Engine, run_id: int, *, after: int = 0, limit: int = 1000, levels: Sequence[str] | None = None
) -> list[LogLine]:
    """A run's lines after line id `after`, oldest first."""
    query = _NEWER if levels is None else _NEWER.where(RunLogLine.level.in_(levels))
    asked = {"run_id": run_id, "after": after, "limit": limit}
    with reading(engine) as connection:
        return [_line(row) for row in connection.execute(query, asked)]


_NEWER = (  # built once: a console asks for it four times a second
    select(RunLogLine.__table__)
    .where(RunLogLine.run_id == bindparam("run_id"), RunLogLine.id > bindparam("after"))
    .order_by(RunLogLine.id)
    .limit(bindparam("limit"))
)


def last_lines(engine: Engine, run_id: int, *, before: int | None = None, limit: int = 1000) -> list[LogLine]:
    """A run's newest lines (of those before line id `before`, where given), oldest of them first."""
    query = select(RunLogLine.__table__).where(RunLogLine.run_id == run_id)
    if before is not None:
        query = query.where(RunLogLine.id < before)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(RunLogLine.id.desc()).limit(limit)).all()
    return [_line(row) for row in reversed(rows)]


def write_lines(connection: Connection, run_id: int | None, lines: Sequence[LogLine]) -> None:
    """Add lines to a run's log."""
    connection.execute(insert(RunLogLine), [_values(run_id, line) for line in lines])


def prune_lines(engine: Engine, *, before: datetime, levels: Sequence[str]) -> int:
    """Delete log lines of some levels from before a time, also of runs that go on; returns how many."""
    with writing(engine) as connection:
        return connection.execute(
            delete(RunLogLine).where(RunLogLine.time < before, RunLogLine.level.in_(levels))
        ).rowcount


def _values(run_id: int | None, line: LogLine) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "time": line.time,
        "level": line.level,
        "message": line.message,
        "fields": json.dumps(line.fields, default=str) if line.fields else None,
    }


def _line(row: Row[Any]) -> LogLine:
    return LogLine(row.id, row.time, row.level, row.message, stored.mapping(row.fields))
