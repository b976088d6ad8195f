"""How things stand: what the console's header and its overview show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from musktracker.db.engines import reading
from musktracker.db.tables import RawTweet, RunRow, TimeBucket
from musktracker.timeline import HOUR


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that is queued or going on."""

    id: int
    kind: str
    progress: float | None
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """The header: the newest post, the end of the last counted hour, and what runs."""

    last_post: datetime | None
    last_bucket_end: datetime | None
    active: tuple[ActiveRun, ...]


def status(engine: Engine) -> Status:
    """Read what the header shows; well under a millisecond of database time."""
    newest_bucket = select(func.max(TimeBucket.bucket_start)).where(TimeBucket.granularity == "hourly")
    running = (
        select(RunRow.id, RunRow.kind, RunRow.progress, RunRow.heartbeat_at)
        .where(RunRow.status.in_(("queued", "running")))
        .order_by(RunRow.id)
    )
    with reading(engine) as connection:
        last_post = connection.scalar(
            select(RawTweet.created_at)
            .where(RawTweet.is_deleted.is_(False))
            .order_by(RawTweet.created_at.desc())
            .limit(1)
        )
        bucket = connection.scalar(newest_bucket)
        active = tuple(ActiveRun(*row) for row in connection.execute(running))
    return Status(last_post, bucket + HOUR if bucket else None, active)
