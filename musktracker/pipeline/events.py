"""Outside events: listed, added, edited, taken out and brought back.

No event is ever deleted: removing sets `removed_at`. Two events may have the same name and start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, or_, select

from musktracker.db.engines import reading
from musktracker.db.tables import EventChange as ChangeRow
from musktracker.db.tables import ExogenousEvent as EventRow
from musktracker.errors import MuskTrackerError
from musktracker.pipeline.event_changes import ChangedMeanwhile, changes, changing
from musktracker.pipeline.event_fields import EventFields, cleaned
from musktracker.pipeline.event_rows import COLUMNS, Event, event_of, event_with
from musktracker.timeline import Span, utc_text


def listed(
    engine: Engine, *, include_removed: bool = False, text: str | None = None, span: Span | None = None
) -> list[Event]:
    """Events by start: those that hold `text` (in any case) in name, category or description, and touch `span`."""
    query = select(*COLUMNS).order_by(EventRow.event_start, EventRow.id)
    if not include_removed:
        query = query.where(EventRow.removed_at.is_(None))
    if span is not None:
        touches = or_(EventRow.event_end > span.start, EventRow.event_start >= span.start)
        query = query.where(EventRow.event_start < span.end, touches)
    with reading(engine) as connection:
        found = [event_of(row) for row in connection.execute(query)]
    wanted = (text or "").casefold()
    return [event for event in found if wanted in _searched(event)] if wanted else found


def get(engine: Engine, event_id: int) -> Event:
    """One event, removed or not. Raises MuskTrackerError where there is none with this id."""
    with reading(engine) as connection:
        return event_with(connection, event_id)


def add(engine: Engine, fields: EventFields, *, who: str | None = None) -> Event:
    """Store a new event, whatever musktracker.pipeline.event_doubts says of it. Raises InvalidEvent."""
    return add_all(engine, [fields], who=who)[0]


def add_all(engine: Engine, entries: Sequence[EventFields], *, who: str | None = None) -> list[Event]:
    """Store new events as one change, which one undo takes back; all or none. Raises InvalidEvent as `add`."""
    checked = [cleaned(fields) for fields in entries]
    with changing(engine, who) as change:
        return change.add([(fields, None) for fields in checked])


def edit(
    engine: Engine, event_id: int, fields: EventFields, *, expected: datetime | None = None, who: str | None = None
) -> Event:
    """Replace an event's fields; the same ones again change nothing.

    `expected` is the `version` that the editor saw: raises ChangedMeanwhile where it is another by now. Raises
    InvalidEvent, and MuskTrackerError where the event is removed.
    """
    fields = cleaned(fields)
    with changing(engine, who) as change:
        event = _expected(change.connection, event_id, expected)
        if event.removed:
            raise MuskTrackerError(
                f"Event {event_id} is removed", f"Restore it first: musktracker events restore {event_id}"
            )
        return change.set("edit", event, fields, None)


def remove(engine: Engine, event_id: int, *, expected: datetime | None = None, who: str | None = None) -> Event:
    """Take an event out (it can be restored); one that is out already stays as it is."""
    with changing(engine, who) as change:
        event = _expected(change.connection, event_id, expected)
        return change.set("remove", event, event.fields, event.removed_at or change.moment)


def restore(engine: Engine, event_id: int, *, expected: datetime | None = None, who: str | None = None) -> Event:
    """Bring a removed event back; one that is not removed stays as it is."""
    with changing(engine, who) as change:
        event = _expected(change.connection, event_id, expected)
        return change.set("restore", event, event.fields, None)


def _expected(connection: Connection, event_id: int, expected: datetime | None) -> Event:
    event = event_with(connection, event_id)
    if expected is None or expected == event.version:
        return event
    last = connection.execute(
        changes().where(ChangeRow.event_id == event_id).order_by(ChangeRow.id.desc()).limit(1)
    ).first()
    culprit = f" by {last.who} at {utc_text(last.changed_at, seconds=True)}" if last else ""
    raise ChangedMeanwhile(
        f"Event {event_id} was changed{culprit}, after you had read it", "Look at it again, then repeat your change"
    )


def _searched(event: Event) -> str:
    return "\n".join(filter(None, (event.name, event.category, event.description))).casefold()
