"""Stored events as they are read in an open transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from musktracker.db.tables import ExogenousEvent as EventRow
from musktracker.errors import MuskTrackerError
from musktracker.pipeline.event_fields import EventFields


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event. `created_at` is when it became known; `removed_at` is set while it is taken out."""

    id: int
    name: str
    event_start: datetime
    event_end: datetime
    intensity: float
    category: str | None
    description: str | None
    source: str
    created_at: datetime
    updated_at: datetime | None
    removed_at: datetime | None

    @property
    def fields(self) -> EventFields:
        """What can be edited."""
        return EventFields(**{name: getattr(self, name) for name in EventFields.__slots__})

    @property
    def identity(self) -> tuple[str, datetime]:
        """What it shares with events that may be the same."""
        return self.name, self.event_start

    @property
    def version(self) -> datetime:
        """Differs after every change: hand it back as `expected` to overwrite nobody's change unseen."""
        return self.updated_at or self.created_at

    @property
    def removed(self) -> bool:
        """Whether it is taken out."""
        return self.removed_at is not None


COLUMNS = [getattr(EventRow, name) for name in Event.__slots__]


def event_of(row: Row[Any]) -> Event:
    """The event that a row is."""
    return Event(**row._mapping)


def event_with(connection: Connection, event_id: int) -> Event:
    """The event with an id, removed or not. Raises MuskTrackerError where there is none."""
    row = connection.execute(select(*COLUMNS).where(EventRow.id == event_id)).one_or_none()
    if row is None:
        raise MuskTrackerError(f"There is no event {event_id}", "musktracker events list --removed lists them all")
    return event_of(row)
