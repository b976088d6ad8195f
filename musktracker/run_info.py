"""A run as others see it, and whether it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from musktracker.db import stored
from musktracker.machine import process_is_gone
from musktracker.timeline import now

if TYPE_CHECKING:
    from sqlalchemy import Row

STALE = timedelta(seconds=30)  # a run whose heartbeat is older is lost, and its lease free to take
AHEAD = timedelta(minutes=10)  # one that is later than now by more was written by a clock that was set back since
ACTIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as others see it; `waits_until` is when it goes on, None while it works.

    `lease` is what it holds, several names with spaces between; `reserved` is what it may be spending, see
    musktracker.pipeline.spending; `gone` is whether its process had ended, on this very machine, when this was read:
    one that ends later may well say how.
    """

    id: int
    kind: str
    status: str
    parameters: Mapping[str, Any]
    stage: str | None
    progress: float | None
    message: str | None
    result: Mapping[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    cancel_requested_at: datetime | None
    host: str
    pid: int | None
    who: str
    lease: str | None
    waits_until: datetime | None = None
    reserved: int | None = None
    gone: bool = False

    @property
    def active(self) -> bool:
        """Whether it is queued or running (it may be lost all the same)."""
        return self.status in ACTIVE

    @property
    def lost(self) -> bool:
        """Whether it claims to go on, yet its heart has stopped or its process was gone."""
        return self.active and (self.gone or not beating(self.heartbeat_at or self.created_at, now()))

    @property
    def state(self) -> str:
        """The status as users see it: the stored one, or `lost`."""
        return "lost" if self.lost else self.status


def beating(heartbeat: datetime, moment: datetime) -> bool:
    """Whether a heart that last beat at a time beats at a moment."""
    return -AHEAD <= moment - heartbeat <= STALE


def lost_text(beat: datetime | None) -> str:
    """What the row of a lost run says of its end."""
    last = f"{beat:%Y-%m-%d %H:%M:%S} UTC" if beat else "its start"
    return f"Lost: no sign of life since {last}; its process or machine ended"


def info_of(row: Row[Any]) -> RunInfo:
    """The run that a row, read just now, is."""
    info = _parsed(row)
    return replace(info, gone=True) if info.active and process_is_gone(info.host, info.pid) else info


@lru_cache(maxsize=256)  # lists are read again and again, and runs that have ended do not change
def _parsed(row: Row[Any]) -> RunInfo:
    values = {name: _as_text(value) for name, value in row._mapping.items()}
    values["parameters"] = stored.mapping(row.parameters)
    values["result"] = stored.mapping(row.result) if row.result else None
    return RunInfo(**values)


def _as_text(value: Any) -> Any:
    """A value of a column; where other programs wrote bytes into one for text, SQLite gives bytes back."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
