"""Changes of events: each one transaction, under a log that is only ever added to.

Every change is one transaction with its row in `event_changes`. Changes are made one after another (a table lock on
Postgres, the write lock on SQLite), each with a later `changed_at` than the one before; changes that share it were
made at once (an import).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select, text, update

from musktracker.db import stored
from musktracker.db.engines import is_sqlite, reading, writing
from musktracker.db.tables import EventChange as ChangeRow
from musktracker.db.tables import ExogenousEvent as EventRow
from musktracker.errors import MuskTrackerError
from musktracker.machine import whoami
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.event_rows import COLUMNS, Event, event_of
from musktracker.timeline import MICROSECOND, iso, now


@dataclass(frozen=True, slots=True)
class EventChange:
    """One line of the change log: the event's state before and after, as JSON values.

    `action` is add, edit, remove, restore, undo or redo; `undoes` is the change that an undo or redo reverses;
    `together` is how many changes were made at once with this one, itself included.
    """

    id: int
    event_id: int
    changed_at: datetime
    who: str
    action: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    undoes: int | None
    together: int = 1

    @property
    def name(self) -> str:
        """The event's name, as of this change."""
        return str((self.after or self.before or {}).get("name", ""))


class ChangedMeanwhile(MuskTrackerError):
    """Someone else changed the event, or the events, since they were read."""


def history(engine: Engine, event_id: int | None = None, limit: int = 100) -> list[EventChange]:
    """The change log, newest first; of one event where given."""
    query = changes().order_by(ChangeRow.id.desc()).limit(limit)
    if event_id is not None:
        query = query.where(ChangeRow.event_id == event_id)
    with reading(engine) as connection:
        return [change_of(row) for row in connection.execute(query)]


@contextmanager
def changing(engine: Engine, who: str | None) -> Iterator[OpenChange]:
    """A transaction that changes events, after all the others."""
    with writing(engine) as connection:
        if not is_sqlite(connection):
            connection.execute(text("LOCK TABLE exogenous_events IN SHARE ROW EXCLUSIVE MODE"))
        last = connection.scalar(select(func.max(ChangeRow.changed_at)))
        moment = now() if last is None else max(now(), last + MICROSECOND)
        yield OpenChange(connection, moment, who or whoami())


@dataclass(frozen=True, slots=True)
class OpenChange:
    """An open transaction that changes events: its moment, and who makes it."""

    connection: Connection
    moment: datetime
    who: str

    def add(self, entries: Sequence[tuple[EventFields, datetime | None]]) -> list[Event]:
        """Store new events, each with when it became known (None: now)."""
        if not entries:
            return []
        values = [{**_fields(fields), "created_at": known or self.moment} for fields, known in entries]
        statement = insert(EventRow).returning(*COLUMNS, sort_by_parameter_order=True)
        made = [event_of(row) for row in self.connection.execute(statement, values)]
        self._log("add", [(event.id, None, state_of(event), None) for event in made])
        return made

    def set(
        self, action: str, event: Event, fields: EventFields, removed_at: datetime | None, undoes: int | None = None
    ) -> Event:
        """Give an event other fields, or take it out or back; where it is so already, nothing changes."""
        if undoes is None and (fields, removed_at) == (event.fields, event.removed_at):
            return event
        statement = (
            update(EventRow)
            .where(EventRow.id == event.id)
            .values(**_fields(fields), removed_at=removed_at, updated_at=self.moment)
            .returning(*COLUMNS)
        )
        changed = event_of(self.connection.execute(statement).one())
        self._log(action, [(event.id, state_of(event), state_of(changed), undoes)])
        return changed

    def _log(
        self,
        action: str,
        changes: Sequence[tuple[int, Mapping[str, Any] | None, Mapping[str, Any] | None, int | None]],
    ) -> None:
        values = [
            {
                "event_id": event_id,
                "changed_at": self.moment,
                "who": self.who,
                "action": action,
                "before": before and json.dumps(before, sort_keys=True),
                "after": after and json.dumps(after, sort_keys=True),
                "undoes": undoes,
            }
            for event_id, before, after, undoes in changes
        ]
        self.connection.execute(insert(ChangeRow), values)


def changes() -> Select[Any]:
    """The log, each row with how many were made at once with it."""
    table = ChangeRow.__table__
    at_once = select(table.c.changed_at, func.count().label("together")).group_by(table.c.changed_at).subquery()
    return select(*table.c, at_once.c.together).join(at_once, at_once.c.changed_at == table.c.changed_at)


def change_of(row: Row[Any]) -> EventChange:
    """The change that a row of `changes` is."""
    values = dict(row._mapping)
    for side in ("before", "after"):
        values[side] = stored.mapping(values[side]) or None
    return EventChange(**values)


def state_of(event: Event) -> dict[str, Any]:
    """An event as the log holds it."""
    values = {**_fields(event.fields), "removed_at": event.removed_at}
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _fields(fields: EventFields) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in EventFields.__slots__}
