"""Outside events: checked, stored, changed under a log that is only ever added to, undone and done again.

Every change is one transaction with its row in `event_changes`. Changes are made one after another (a table lock on
Postgres, the write lock on SQLite), each with a later `changed_at` than the one before; changes that share it were
made at once (an import) and are undone at once. No event is ever deleted: removing sets `removed_at`.

Two events may have the same name and start: whoever adds, edits or restores one is told (`doubts`), not refused.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, insert, or_, select, text, update

from musktracker.db import stored
from musktracker.db.engines import is_sqlite, reading, writing
from musktracker.db.tables import EventChange as ChangeRow
from musktracker.db.tables import ExogenousEvent as EventRow
from musktracker.errors import MuskTrackerError, UsageError
from musktracker.machine import whoami
from musktracker.timeline import EPOCH, Span, iso, now, utc

LONGEST = {"name": 256, "category": 64, "source": 64, "description": 10_000}
FIRST, LAST = EPOCH, datetime(2200, 1, 1, tzinfo=UTC)  # where events can be
ORDINARY = ("add", "edit", "remove", "restore")  # what people do; undo and redo are about these
USUAL_INTENSITY = 0.5
ALIKE_WITHIN = timedelta(days=3)  # two events of one name are taken for one
INTENSITIES = {"slight": 0.2, "medium": 0.5, "strong": 0.8, "extreme": 1.0}  # as people name them


@dataclass(frozen=True, slots=True)
class EventFields:
    """What people say of an event. Its end may equal its start: a point in time."""

    name: str
    event_start: datetime
    event_end: datetime
    intensity: float
    category: str | None = None
    description: str | None = None
    source: str = "manual"


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
    def version(self) -> datetime:
        """Differs after every change: hand it back as `expected` to overwrite nobody's change unseen."""
        return self.updated_at or self.created_at

    @property
    def removed(self) -> bool:
        """Whether it is taken out."""
        return self.removed_at is not None


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


class InvalidEvent(UsageError):
    """Fields that cannot be stored; `problems` says what is wrong, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field} {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)


class ChangedMeanwhile(MuskTrackerError):
    """Someone else changed the event, or the events, since they were read."""


def check(fields: EventFields) -> dict[str, str]:
    """What is wrong with each field, by its name; empty where all is well. One set of rules for CLI, files, forms."""
    found = {name: _text_problem(name, getattr(fields, name)) for name in LONGEST}
    found |= {name: _time_problem(getattr(fields, name)) for name in ("event_start", "event_end")}
    found["intensity"] = _intensity_problem(fields.intensity)
    problems = {name: problem for name, problem in found.items() if problem}
    if not problems.keys() & {"event_start", "event_end"} and fields.event_end < fields.event_start:
        problems["event_end"] = "must not be before event_start"
    return problems


def cleaned(fields: EventFields) -> EventFields:
    """The fields as they are stored: trimmed, empty texts as none, times in UTC. Raises InvalidEvent."""
    trimmed = replace(
        fields,
        name=fields.name.strip(),
        category=(fields.category or "").strip() or None,
        description=(fields.description or "").replace("\r\n", "\n").replace("\r", "\n").strip() or None,
        source=fields.source.strip(),
    )
    problems = check(trimmed)
    if problems:
        raise InvalidEvent(problems)
    return replace(
        trimmed,
        event_start=utc(fields.event_start),
        event_end=utc(fields.event_end),
        intensity=abs(float(fields.intensity)),
    )


def read_intensity(text: str) -> float:
    """An intensity from what people type: 0.8, 80% or the name of a level. Raises UsageError for other words."""
    typed = text.strip().lower()
    try:
        return INTENSITIES.get(typed) or (float(typed[:-1]) / 100 if typed.endswith("%") else float(typed))
    except ValueError:
        raise UsageError(f"{text!r} is no intensity", f"Write 0 to 1, or {', '.join(INTENSITIES)}") from None


def intensity_name(intensity: float) -> str:
    """The name of the level that is nearest."""
    return min(INTENSITIES, key=lambda name: abs(INTENSITIES[name] - intensity))


def listed(
    engine: Engine, *, include_removed: bool = False, text: str | None = None, span: Span | None = None
) -> list[Event]:
    """Events by start: those that hold `text` (in any case) in name, category or description, and touch `span`."""
    query = select(*_COLUMNS).order_by(EventRow.event_start, EventRow.id)
    if not include_removed:
        query = query.where(EventRow.removed_at.is_(None))
    if span is not None:
        touches = or_(EventRow.event_end > span.start, EventRow.event_start >= span.start)
        query = query.where(EventRow.event_start < span.end, touches)
    with reading(engine) as connection:
        found = [_event(row) for row in connection.execute(query)]
    wanted = (text or "").casefold()
    return [event for event in found if wanted in _searched(event)] if wanted else found


def get(engine: Engine, event_id: int) -> Event:
    """One event, removed or not. Raises MuskTrackerError where there is none with this id."""
    with reading(engine) as connection:
        return _get(connection, event_id)


def add(engine: Engine, fields: EventFields, *, who: str | None = None) -> Event:
    """Store a new event, whatever `doubts` says of it. Raises InvalidEvent."""
    return add_all(engine, [fields], who=who)[0]


def add_all(engine: Engine, entries: Sequence[EventFields], *, who: str | None = None) -> list[Event]:
    """Store new events as one change, which one undo takes back; all or none. Raises InvalidEvent as `add`."""
    checked = [cleaned(fields) for fields in entries]
    with _changing(engine, who) as change:
        return change.add([(fields, None) for fields in checked])


def doubts(engine: Engine, fields: EventFields, *, besides: int | None = None) -> list[str]:
    """What may be wrong with an event beside others: one of its name and start, of its name close by, at its time.

    The worst comes first. `besides` is the event itself where it is stored. Nobody is refused for these.
    """
    return doubts_of(engine, [(fields, besides)])[0]


def doubts_of(engine: Engine, entries: Sequence[tuple[EventFields, int | None]]) -> list[list[str]]:
    """The `doubts` of each of several events, with its id where it is stored."""
    if not entries:
        return []
    begin, end = min(fields.event_start for fields, _ in entries), max(fields.event_end for fields, _ in entries)
    others = listed(engine, span=Span(begin - ALIKE_WITHIN, end + ALIKE_WITHIN))
    found = []
    for fields, event_id in entries:
        said = filter(None, (_doubt(fields, each) for each in others if each.id != event_id))
        found.append([text for _, text in sorted(said, key=itemgetter(0))])
    return found


def edit(
    engine: Engine, event_id: int, fields: EventFields, *, expected: datetime | None = None, who: str | None = None
) -> Event:
    """Replace an event's fields; the same ones again change nothing.

    `expected` is the `version` that the editor saw: raises ChangedMeanwhile where it is another by now. Raises
    InvalidEvent, and MuskTrackerError where the event is removed.
    """
    fields = cleaned(fields)
    with _changing(engine, who) as change:
        event = _expected(change.connection, event_id, expected)
        if event.removed:
            raise MuskTrackerError(
                f"Event {event_id} is removed", f"Restore it first: musktracker events restore {event_id}"
            )
        return change.set("edit", event, fields, None)


def remove(engine: Engine, event_id: int, *, expected: datetime | None = None, who: str | None = None) -> Event:
    """Take an event out (it can be restored); one that is out already stays as it is."""
    with _changing(engine, who) as change:
        event = _expected(change.connection, event_id, expected)
        return change.set("remove", event, event.fields, event.removed_at or change.moment)


def restore(engine: Engine, event_id: int, *, expected: datetime | None = None, who: str | None = None) -> Event:
    """Bring a removed event back; one that is not removed stays as it is."""
    with _changing(engine, who) as change:
        event = _expected(change.connection, event_id, expected)
        return change.set("restore", event, event.fields, None)


def undo(engine: Engine, who: str | None = None, *, expected: datetime | None = None) -> EventChange | None:
    """Reverse the latest change that is not undone yet; returns the change made, None where there is nothing to undo.

    What was changed at once is undone at once. Anyone's change counts: the log is shared. `expected` is the
    `changed_at` of the latest change that is known: raises ChangedMeanwhile, which names the latest, if another was
    made since.
    """
    with _changing(engine, who) as change:
        _require_latest(change.connection, expected, "The same again goes back from there")
        return change.reverse("undo", _undoable(change.connection))


def redo(engine: Engine, who: str | None = None, *, expected: datetime | None = None) -> EventChange | None:
    """Take the latest undo back; None where there is none, or another change has been made since.

    `expected` is as for `undo`.
    """
    with _changing(engine, who) as change:
        _require_latest(change.connection, expected, "The same again goes on from there")
        return change.reverse("redo", _redoable(change.connection))


def history(engine: Engine, event_id: int | None = None, limit: int = 100) -> list[EventChange]:
    """The change log, newest first; of one event where given."""
    query = _changes().order_by(ChangeRow.id.desc()).limit(limit)
    if event_id is not None:
        query = query.where(ChangeRow.event_id == event_id)
    with reading(engine) as connection:
        return [_change(row) for row in connection.execute(query)]


def original(engine: Engine, change: EventChange) -> EventChange:
    """The change that a chain of undo and redo is about, in the end; an ordinary one is its own."""
    with reading(engine) as connection:
        while change.undoes is not None:
            change = _change(connection.execute(_changes().where(ChangeRow.id == change.undoes)).one())
    return change


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of events that were merged, each event in one of the first four.

    `twins` is how many of the added have the name and start of another.
    """

    added: int
    changed: int
    unchanged: int
    left_removed: int
    twins: int = 0


def merge(
    engine: Engine,
    entries: Sequence[tuple[EventFields, datetime | None]],
    *,
    keep: Sequence[str] = (),
    dry_run: bool = False,
    who: str | None = None,
) -> Merged:
    """Add events, or change those with the same name and start, in one transaction; again, it changes nothing.

    An entry is the fields and when the event became known (None: now). The fields named in `keep` stay as they are in
    events that exist. A removed event is left removed. Raises InvalidEvent.

    Each entry stands for one event. Where several events or entries have one name and start, those that are equal are
    paired first; then what is left of either, in its order, the events that are not removed before those that are,
    the oldest first. So one entry changes the oldest that is not removed, a second entry is a second event, what was
    exported changes nothing, and events that no entry is paired with stay.
    """
    entries = [(cleaned(fields), known and utc(known)) for fields, known in entries]
    if dry_run:
        with reading(engine) as connection:
            return _plan(connection, entries, keep).counted()
    with _changing(engine, who) as change:
        plan = _plan(change.connection, entries, keep)
        change.add(plan.new)
        for event, fields in plan.differing:
            change.set("edit", event, fields, None)
        return plan.counted()


@dataclass(frozen=True, slots=True)
class _Plan:
    new: list[tuple[EventFields, datetime | None]]
    differing: list[tuple[Event, EventFields]]
    unchanged: int
    left_removed: int
    twins: int

    def counted(self) -> Merged:
        return Merged(len(self.new), len(self.differing), self.unchanged, self.left_removed, self.twins)


def _plan(
    connection: Connection, entries: Sequence[tuple[EventFields, datetime | None]], keep: Sequence[str]
) -> _Plan:
    stored: dict[tuple[str, datetime], list[Event]] = defaultdict(list)
    for row in connection.execute(select(*_COLUMNS).order_by(EventRow.removed_at.is_not(None), EventRow.id)):
        one = _event(row)
        stored[_identity(one)].append(one)
    there = Counter(identity for identity, found in stored.items() for one in found if not one.removed)
    new: list[tuple[EventFields, datetime | None]] = []
    differing: list[tuple[Event, EventFields]] = []
    unchanged = left_removed = twins = 0
    for (fields, known), event in zip(entries, _paired(stored, [fields for fields, _ in entries], keep), strict=True):
        if event is None:
            new.append((fields, known))
            twins += there[_identity(fields)] > 0
            there[_identity(fields)] += 1
        elif event.removed:
            left_removed += 1
        elif (wanted := _wanted(fields, event, keep)) == event.fields:
            unchanged += 1
        else:
            differing.append((event, wanted))
    return _Plan(new, differing, unchanged, left_removed, twins)


def _paired(
    stored: Mapping[tuple[str, datetime], list[Event]], entries: Sequence[EventFields], keep: Sequence[str]
) -> list[Event | None]:
    """The stored event that each entry stands for, none where it is a new one; takes them out of `stored`."""
    pairs: list[Event | None] = []
    for fields in entries:
        left = stored.get(_identity(fields), [])
        equal = (each for each in left if not each.removed and _wanted(fields, each, keep) == each.fields)
        pairs.append(next(equal, None))
        if pairs[-1] is not None:
            left.remove(pairs[-1])
    for i, fields in enumerate(entries):
        left = stored.get(_identity(fields), [])
        if pairs[i] is None and left:
            pairs[i] = left.pop(0)
    return pairs


def _wanted(fields: EventFields, event: Event, keep: Sequence[str]) -> EventFields:
    """What an entry makes of an event."""
    return replace(fields, **{name: getattr(event, name) for name in keep})


def _doubt(fields: EventFields, other: Event) -> tuple[int, str] | None:
    """What is to be said of an event beside another one, and how little it weighs."""
    begin, end = fields.event_start - ALIKE_WITHIN, fields.event_end + ALIKE_WITHIN
    if other.event_start >= end or (other.event_end <= begin and other.event_start < begin):
        return None
    when = f"event {other.id}, {other.name!r} at {iso(other.event_start)}"
    name = fields.name.strip()
    if (name, fields.event_start) == _identity(other):
        return 0, f"is the same as {when}"
    if other.name.casefold() == name.casefold():
        return 1, f"may be the same as {when}"
    if other.event_start < fields.event_end and other.event_end > fields.event_start:
        return 2, f"overlaps {when}"
    return None


@dataclass(frozen=True, slots=True)
class _Change:
    """An open transaction that changes events: its moment, and who makes it."""

    connection: Connection
    moment: datetime
    who: str

    def add(self, entries: Sequence[tuple[EventFields, datetime | None]]) -> list[Event]:
        if not entries:
            return []
        values = [{**_fields(fields), "created_at": known or self.moment} for fields, known in entries]
        statement = insert(EventRow).returning(*_COLUMNS, sort_by_parameter_order=True)
        made = [_event(row) for row in self.connection.execute(statement, values)]
        self._log("add", [(event.id, None, _state(event), None) for event in made])
        return made

    def set(
        self, action: str, event: Event, fields: EventFields, removed_at: datetime | None, undoes: int | None = None
    ) -> Event:
        if undoes is None and (fields, removed_at) == (event.fields, event.removed_at):
            return event
        statement = (
            update(EventRow)
            .where(EventRow.id == event.id)
            .values(**_fields(fields), removed_at=removed_at, updated_at=self.moment)
            .returning(*_COLUMNS)
        )
        changed = _event(self.connection.execute(statement).one())
        self._log(action, [(event.id, _state(event), _state(changed), undoes)])
        return changed

    def reverse(self, action: str, changes: Sequence[EventChange]) -> EventChange | None:
        for change in changes:
            event = _get(self.connection, change.event_id)
            if _state(event) != change.after:
                raise ChangedMeanwhile(
                    f"Event {event.id} ({event.name}) is not as change {change.id} left it, so it cannot be reversed",
                    f"Edit it instead: musktracker events edit {event.id}",
                )
            fields, removed_at = _from_state(change.before) if change.before else (event.fields, self.moment)
            self.set(action, event, fields, removed_at, change.id)
        if not changes:
            return None
        made = _changes().where(ChangeRow.undoes == changes[0].id)
        return _change(self.connection.execute(made).one())

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


@contextmanager
def _changing(engine: Engine, who: str | None) -> Iterator[_Change]:
    with writing(engine) as connection:
        if not is_sqlite(connection):
            connection.execute(text("LOCK TABLE exogenous_events IN SHARE ROW EXCLUSIVE MODE"))
        last = connection.scalar(select(func.max(ChangeRow.changed_at)))
        moment = now() if last is None else max(now(), last + timedelta(microseconds=1))
        yield _Change(connection, moment, who or whoami())


def _require_latest(connection: Connection, expected: datetime | None, hint: str) -> None:
    row = connection.execute(_changes().order_by(ChangeRow.id.desc()).limit(1)).first()
    if expected is None or row is None or row.changed_at == expected:
        return
    latest = _change(row)
    what = f"{latest.together:,} events" if latest.together > 1 else repr(latest.name)
    raise ChangedMeanwhile(
        f"The events were changed by {latest.who} at {iso(latest.changed_at)}, after you had read them: "
        f"{latest.action} of {what}",
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


def _latest_open(connection: Connection, wanted: Any) -> list[EventChange]:
    """The latest such changes that nothing has reversed, all those made at once, last made first."""
    reversed_ones = select(ChangeRow.undoes).where(ChangeRow.undoes.is_not(None))
    is_open = ChangeRow.id.not_in(reversed_ones)
    latest = connection.scalar(select(func.max(ChangeRow.changed_at)).where(wanted, is_open))
    together = _changes().where(ChangeRow.changed_at == latest).order_by(ChangeRow.id.desc())
    return [] if latest is None else [_change(row) for row in connection.execute(together)]


def _expected(connection: Connection, event_id: int, expected: datetime | None) -> Event:
    event = _get(connection, event_id)
    if expected is None or expected == event.version:
        return event
    last = connection.execute(
        _changes().where(ChangeRow.event_id == event_id).order_by(ChangeRow.id.desc()).limit(1)
    ).first()
    culprit = f" by {last.who} at {iso(last.changed_at)}" if last else ""
    raise ChangedMeanwhile(
        f"Event {event_id} was changed{culprit}, after you had read it", "Look at it again, then repeat your change"
    )


def _get(connection: Connection, event_id: int) -> Event:
    row = connection.execute(select(*_COLUMNS).where(EventRow.id == event_id)).one_or_none()
    if row is None:
        raise MuskTrackerError(f"There is no event {event_id}", "musktracker events list --removed lists them all")
    return _event(row)


_COLUMNS = [getattr(EventRow, name) for name in Event.__slots__]


def _event(row: Row[Any]) -> Event:
    return Event(**row._mapping)


def _changes() -> Select[Any]:
    table = ChangeRow.__table__
    at_once = select(table.c.changed_at, func.count().label("together")).group_by(table.c.changed_at).subquery()
    return select(*table.c, at_once.c.together).join(at_once, at_once.c.changed_at == table.c.changed_at)


def _change(row: Row[Any]) -> EventChange:
    values = dict(row._mapping)
    for side in ("before", "after"):
        values[side] = stored.mapping(values[side]) or None
    return EventChange(**values)


def _fields(fields: EventFields) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in EventFields.__slots__}


def _state(event: Event) -> dict[str, Any]:
    values = {**_fields(event.fields), "removed_at": event.removed_at}
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _from_state(state: Mapping[str, Any]) -> tuple[EventFields, datetime | None]:
    values = dict(state)
    removed_at = values.pop("removed_at")
    for name in ("event_start", "event_end"):
        values[name] = datetime.fromisoformat(values[name])
    return EventFields(**values), removed_at and datetime.fromisoformat(removed_at)


def _identity(event: Event | EventFields) -> tuple[str, datetime]:
    return event.name, event.event_start


def _searched(event: Event) -> str:
    return "\n".join(filter(None, (event.name, event.category, event.description))).casefold()


def _text_problem(name: str, value: str | None) -> str | None:
    if not value:
        return "must not be empty" if name in ("name", "source") else None
    if len(value) > LONGEST[name]:
        return f"must have at most {LONGEST[name]} characters, not {len(value)}"
    allowed = "\n\t" if name == "description" else ""
    if any(c not in allowed and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in value):
        return "must not hold control characters"
    return None


def _time_problem(value: datetime) -> str | None:
    if value.tzinfo is None or value.utcoffset() is None:
        return "has no time zone: add a trailing Z for UTC, or an offset such as -05:00"
    if not FIRST <= value < LAST:
        return f"must be from {FIRST.year} to {LAST.year - 1}"
    return None


def _intensity_problem(value: float) -> str | None:
    if not math.isfinite(value) or not 0 <= value <= 1:
        return f"must be from 0 to 1, not {value}"
    return None
