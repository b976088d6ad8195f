"""Events merged with those that are stored, as an import does; again, it changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from musktracker.db.engines import reading
from musktracker.db.tables import ExogenousEvent as EventRow
from musktracker.pipeline.event_changes import changing
from musktracker.pipeline.event_fields import EventFields, cleaned
from musktracker.pipeline.event_rows import COLUMNS, Event, event_of
from musktracker.timeline import utc


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
    with changing(engine, who) as change:
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
    for row in connection.execute(select(*COLUMNS).order_by(EventRow.removed_at.is_not(None), EventRow.id)):
        one = event_of(row)
        stored[one.identity].append(one)
    there = Counter(identity for identity, found in stored.items() for one in found if not one.removed)
    new: list[tuple[EventFields, datetime | None]] = []
    differing: list[tuple[Event, EventFields]] = []
    unchanged = left_removed = twins = 0
    for (fields, known), event in zip(entries, _paired(stored, [fields for fields, _ in entries], keep), strict=True):
        if event is None:
            new.append((fields, known))
            twins += there[fields.identity] > 0
            there[fields.identity] += 1
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
        left = stored.get(fields.identity, [])
        equal = (each for each in left if not each.removed and _wanted(fields, each, keep) == each.fields)
        pairs.append(next(equal, None))
        if pairs[-1] is not None:
            left.remove(pairs[-1])
    for i, fields in enumerate(entries):
        left = stored.get(fields.identity, [])
        if pairs[i] is None and left:
            pairs[i] = left.pop(0)
    return pairs


def _wanted(fields: EventFields, event: Event, keep: Sequence[str]) -> EventFields:
    """What an entry makes of an event."""
    return replace(fields, **{name: getattr(event, name) for name in keep})
