"""Changes of events, undone and done again: what was made at once is reversed at once.

No event is ever deleted: to undo an addition sets `removed_at`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from musktracker.db.engines import reading
from musktracker.db.tables import EventChange as ChangeRow
from musktracker.pipeline.event_changes import (
    ChangedMeanwhile,
    EventChange,
    OpenChange,
    change_of,
    changes,
    changing,
    state_of,
)
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.event_rows import event_with
from musktracker.timeline import utc_text

ORDINARY = ("add", "edit", "remove", "restore")  # what people do; undo and redo are about these


def undo(engine: Engine, who: str | None = None, *, expected: datetime | None = None) -> EventChange | None:
    """Reverse the latest change that is not undone yet; returns the change made, None where there is nothing to undo.

    What was changed at once is undone at once. Anyone's change counts: the log is shared. `expected` is the
    `changed_at` of the latest change that is known: raises ChangedMeanwhile, which names the latest, if another was
    made since.
    """
    with changing(engine, who) as change:
        _require_latest(change.connection, expected, "The same again goes back from there")
        return _reverse(change, "undo", _undoable(change.connection))


def redo(engine: Engine, who: str | None = None, *, expected: datetime | None = None) -> EventChange | None:
    """Take the latest undo back; None where there is none, or another change has been made since.

    `expected` is as for `undo`.
    """
    with changing(engine, who) as change:
        _require_latest(change.connection, expected, "The same again goes on from there")
        return _reverse(change, "redo", _redoable(change.connection))


def original(engine: Engine, change: EventChange) -> EventChange:
    """The change that a chain of undo and redo is about, in the end; an ordinary one is its own."""
    with reading(engine) as connection:
        while change.undoes is not None:
            change = change_of(connection.execute(changes().where(ChangeRow.id == change.undoes)).one())
    return change


def _require_latest(connection: Connection, expected: datetime | None, hint: str) -> None:
    row = connection.execute(changes().order_by(ChangeRow.id.desc()).limit(1)).first()
    if expected is None or row is None or row.changed_at == expected:
        return
    latest = change_of(row)
    what = f"{latest.together:,} events" if latest.together > 1 else repr(latest.name)
    raise ChangedMeanwhile(
        f"The events were changed by {latest.who} at {utc_text(latest.changed_at, seconds=True)}, after you had read "
        f"them: {latest.action} of {what}",
        hint,
    )


def _undoable(connection: Connection) -> list[EventChange]:
    return _latest_open(connection, ChangeRow.action != "undo")


def _redoable(connection: Connection) -> list[EventChange]:
    undone = _latest_open(connection, ChangeRow.action == "undo")
    if not undone:
        return []
    later = select(ChangeRow.id).where(ChangeRow.id > undone[0].id, ChangeRow.action.in_(ORDINARY)).limit(1)
    return [] if connection.scalar(later) is not None else undone


def _latest_open(connection: Connection, wanted: ColumnElement[bool]) -> list[EventChange]:
    """The latest such changes that nothing has reversed, all those made at once, last made first."""
    reversed_ones = select(ChangeRow.undoes).where(ChangeRow.undoes.is_not(None))
    is_open = ChangeRow.id.not_in(reversed_ones)
    latest = connection.scalar(select(func.max(ChangeRow.changed_at)).where(wanted, is_open))
    together = changes().where(ChangeRow.changed_at == latest).order_by(ChangeRow.id.desc())
    return [] if latest is None else [change_of(row) for row in connection.execute(together)]


def _reverse(change: OpenChange, action: str, wanted: Sequence[EventChange]) -> EventChange | None:
    for one in wanted:
        event = event_with(change.connection, one.event_id)
        if state_of(event) != one.after:
            raise ChangedMeanwhile(
                f"Event {event.id} ({event.name}) is not as change {one.id} left it, so it cannot be reversed",
                f"Edit it instead: musktracker events edit {event.id}",
            )
        fields, removed_at = _from_state(one.before) if one.before else (event.fields, change.moment)
        change.set(action, event, fields, removed_at, one.id)
    if not wanted:
        return None
    made = changes().where(ChangeRow.undoes == wanted[0].id)
    return change_of(change.connection.execute(made).one())


def _from_state(state: Mapping[str, Any]) -> tuple[EventFields, datetime | None]:
    values = dict(state)
    removed_at = values.pop("removed_at")
    for name in ("event_start", "event_end"):
        values[name] = datetime.fromisoformat(values[name])
    return EventFields(**values), removed_at and datetime.fromisoformat(removed_at)
