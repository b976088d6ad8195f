"""Attempts: what the service needs to know of the newest runs, whoever started them, to tell what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from musktracker.db import stored
from musktracker.db.engines import reading
from musktracker.db.tables import RunRow
from musktracker.machine import process_is_gone
from musktracker.run_info import ACTIVE, beating

EACH = 60  # the newest runs of a kind that are looked at


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run as the service sees it: RunInfo without what it said."""

    id: int
    kind: str
    status: str
    parameters: Mapping[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    cancel_requested_at: datetime | None
    lease: str | None = None
    host: str = ""
    pid: int | None = None

    @property
    def begun(self) -> datetime:
        """When it was started, or at least asked for."""
        return self.started_at or self.created_at

    @property
    def ended(self) -> datetime:
        """When it ended; of one that is lost, when it last gave a sign of life."""
        return self.finished_at or self.heartbeat_at or self.created_at

    def lost(self, moment: datetime) -> bool:
        """Whether it claims to go on, yet its heart has stopped or its process has ended."""
        beats = beating(self.heartbeat_at or self.created_at, moment)
        return self.status in ACTIVE and not (beats and not process_is_gone(self.host, self.pid))

    def going(self, moment: datetime) -> bool:
        """Whether it goes on."""
        return self.status in ACTIVE and not self.lost(moment)

    def holds(self, lease: str) -> bool:
        """Whether it holds this lease, alone or among others."""
        return lease in (self.lease or "").split()

    def failed(self, moment: datetime) -> bool:
        """Whether it ended without success, other than at somebody's request."""
        ended = self.status == "failed" or (self.status == "cancelled" and self.cancel_requested_at is None)
        return ended or self.lost(moment)

    def called_off(self, since: datetime) -> bool:
        """Whether somebody asked it to stop, after a time."""
        return (
            self.status == "cancelled" and self.cancel_requested_at is not None and self.cancel_requested_at >= since
        )


def newest(engine: Engine, kinds: Iterable[str]) -> list[Attempt]:
    """The newest runs of some kinds, the last asked for first."""
    names = [name for name in Attempt.__dataclass_fields__ if name != "parameters"]
    columns = [getattr(RunRow, name) for name in names]
    found: list[Attempt] = []
    with reading(engine) as connection:
        for kind in sorted(set(kinds)):
            query = (
                select(*columns, RunRow.parameters).where(RunRow.kind == kind).order_by(RunRow.id.desc()).limit(EACH)
            )
            for row in connection.execute(query).mappings():
                found.append(Attempt(**{**row, "parameters": stored.mapping(row["parameters"])}))
    return sorted(found, key=lambda attempt: attempt.id, reverse=True)
