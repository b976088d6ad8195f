"""What runs hold, so that kinds which must not overlap do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, not_, or_, select, true, update

from musktracker.db.engines import in_turn
from musktracker.db.tables import RunRow
from musktracker.errors import MuskTrackerError
from musktracker.machine import process_is_gone
from musktracker.run_info import AHEAD, STALE, RunInfo, info_of, lost_text
from musktracker.timeline import now

if TYPE_CHECKING:
    from musktracker.reporting import Run

RELEASED = {"lease": None, "waits_until": None, "reserved": None}  # what a run that goes on no more lets go of


class LeaseHeld(MuskTrackerError):
    """Another run of a kind that must not overlap is going on; `holder` is that run, `name` what it holds."""

    def __init__(self, holder: RunInfo, name: str) -> None:
        started = holder.started_at or holder.created_at
        super().__init__(
            f"{name} is held by run {holder.id}, started by {holder.who} (process {holder.pid} on "
            f"{holder.host}) at {started:%Y-%m-%d %H:%M:%S} UTC",
            f"Wait for it, or cancel it: musktracker runs cancel {holder.id}",
        )
        self.holder = holder


class LeaseLost(MuskTrackerError):
    """This run lost its lease while it stood still; it must write no more."""


def require_free(connection: Connection, lease: str | None) -> None:
    """Raise LeaseHeld where a living run holds one of a lease's names; until the transaction ends nobody takes one.

    What a lost run holds is free from now on.
    """
    if lease is None:
        return
    in_turn(connection, "leases")
    wanted, moment = set(lease.split()), now()
    beats = RunRow.heartbeat_at.between(moment - STALE, moment + AHEAD)
    stale = or_(RunRow.heartbeat_at.is_(None), not_(beats))
    for row in connection.execute(select(RunRow.__table__).where(RunRow.lease.is_not(None))).all():
        shared = wanted & set(row.lease.split())
        if not shared:
            continue
        lost = {"status": "failed", "error": lost_text(row.heartbeat_at), "finished_at": moment, **RELEASED}
        free = true() if process_is_gone(row.host, row.pid) else stale
        if not connection.execute(update(RunRow).where(RunRow.id == row.id, free).values(lost)).rowcount:
            raise LeaseHeld(info_of(row), min(shared))


def require_lease(connection: Connection, run: Run) -> None:
    """Raise LeaseLost in a transaction of a run that was taken for lost, lest it write beside who took over.

    Nobody can take the lease over before the transaction ends. A run that is no row needs none.
    """
    if run.id is None:
        return
    lease = select(RunRow.lease).where(RunRow.id == run.id).with_for_update(read=True)
    if connection.scalar(lease) is None:
        raise LeaseLost(
            f"Run {run.id} was taken for lost, since it gave no sign of life, and another may have taken over",
            "musktracker runs shows it; what this run stored stays",
        )
