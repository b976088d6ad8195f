"""A long operation as a row that any console on any machine can follow: queued, found, asked to stop, ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, String, cast, delete, insert, or_, select, update

from musktracker.db.engines import reading, writing
from musktracker.db.tables import RunRow
from musktracker.errors import MuskTrackerError
from musktracker.leases import RELEASED, require_free
from musktracker.machine import host_name, whoami
from musktracker.run_info import ACTIVE, RunInfo, info_of, lost_text
from musktracker.text import storable
from musktracker.timeline import now


def create(engine: Engine, kind: str, parameters: Mapping[str, Any], *, lease: str | None = None) -> int:
    """Queue a run and take its lease; returns its id.

    A lease may be several names with spaces between, of which each is taken. Raises LeaseHeld where a living run
    holds one of them.
    """
    moment = now()
    values = {
        "kind": kind,
        "status": "queued",
        "parameters": json.dumps(dict(parameters), sort_keys=True, default=str),
        "created_at": moment,
        "heartbeat_at": moment,
        "host": host_name(),
        "who": whoami(),
        "lease": lease,
    }
    with writing(engine) as connection:
        require_free(connection, lease)
        return int(connection.execute(insert(RunRow).values(values).returning(RunRow.id)).scalar_one())


def get(engine: Engine, run_id: int) -> RunInfo:
    """One run. Raises MuskTrackerError where there is none with this id."""
    with reading(engine) as connection:
        row = connection.execute(select(RunRow.__table__).where(RunRow.id == run_id)).one_or_none()
    if row is None:
        raise MuskTrackerError(f"There is no run {run_id}", "musktracker runs lists them")
    return info_of(row)


def recent(
    engine: Engine,
    *,
    limit: int = 50,
    kinds: Sequence[str] | None = None,
    active: bool | None = None,
    holding: str = "",
) -> list[RunInfo]:
    """The newest runs first; of some kinds only, or active ones only, where asked.

    With words to be `holding`, only runs that have each of them, whatever its case, in their id, kind, status,
    parameters, stage, message, error, host or starter. Active ones hold "lost" too: only time tells.
    """
    query = select(RunRow.__table__).order_by(RunRow.id.desc()).limit(limit)
    if kinds is not None:
        query = query.where(RunRow.kind.in_(kinds))
    if active is not None:
        query = query.where(RunRow.status.in_(ACTIVE) if active else RunRow.status.not_in(ACTIVE))
    for word in dict.fromkeys(holding.lower().split()):
        query = query.where(_holds(word))
    with reading(engine) as connection:
        return [info_of(row) for row in connection.execute(query)]


def _holds(word: str) -> ColumnElement[bool]:
    searched = (RunRow.kind, RunRow.status, RunRow.parameters, RunRow.stage, RunRow.message, RunRow.error)
    columns = (cast(RunRow.id, String), *searched, RunRow.host, RunRow.who)
    found = or_(*(column.icontains(word, autoescape=True) for column in columns))
    return or_(found, RunRow.status.in_(ACTIVE)) if word.lower() in "lost" else found


def request_cancel(engine: Engine, run_id: int) -> bool:
    """Ask a run to stop; False where it has ended already. A lost run is closed at once."""
    info = get(engine, run_id)
    if not info.active:
        return False
    if info.lost:
        finish(engine, run_id, ending("failed", error=lost_text(info.heartbeat_at)))
        return True
    with writing(engine) as connection:
        connection.execute(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.cancel_requested_at.is_(None))
            .values(cancel_requested_at=now())
        )
    return True


def mark_started(engine: Engine, run_id: int) -> None:
    """A queued run goes on, in this process. Raises MuskTrackerError where it is not queued."""
    moment = now()
    with writing(engine) as connection:
        started = connection.execute(
            update(RunRow)
            .where(RunRow.id == run_id, RunRow.status == "queued")
            .values(
                status="running",
                started_at=moment,
                heartbeat_at=moment,
                pid=os.getpid(),
                host=host_name(),
            )
        ).rowcount
    if not started:
        raise MuskTrackerError(f"Run {run_id} is not queued, so it cannot be started")


def ending(status: str, result: Mapping[str, Any] | None = None, error: str | None = None) -> dict[str, Any]:
    """The columns of a run that has ended so, now."""
    moment = now()
    values: dict[str, Any] = {"status": status, "finished_at": moment, "heartbeat_at": moment, **RELEASED}
    if result is not None:
        values["result"] = json.dumps(dict(result), sort_keys=True, default=str)
    if error is not None:
        values["error"] = storable(error)
    return values


def finish(engine: Engine, run_id: int | None, ended: Mapping[str, Any]) -> None:
    """Write how a run ended (see `ending`), unless it has ended already."""
    with writing(engine) as connection:
        connection.execute(update(RunRow).where(RunRow.id == run_id, RunRow.status.in_(ACTIVE)).values(**ended))


def prune(engine: Engine, *, before: datetime) -> int:
    """Delete ended runs that finished before a time, with their logs; returns how many."""
    with writing(engine) as connection:
        return connection.execute(
            delete(RunRow).where(RunRow.finished_at < before, RunRow.status.not_in(ACTIVE))
        ).rowcount
