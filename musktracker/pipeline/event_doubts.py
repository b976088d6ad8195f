"""What may be wrong with an event beside others: whoever adds, edits or restores one is told, not refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter

from sqlalchemy import Engine

from musktracker.pipeline import events
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.event_rows import Event
from musktracker.timeline import Span, iso

ALIKE_WITHIN = timedelta(days=3)  # two events of one name are taken for one


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
    others = events.listed(engine, span=Span(begin - ALIKE_WITHIN, end + ALIKE_WITHIN))
    found = []
    for fields, event_id in entries:
        said = filter(None, (_doubt(fields, each) for each in others if each.id != event_id))
        found.append([text for _, text in sorted(said, key=itemgetter(0))])
    return found


def _doubt(fields: EventFields, other: Event) -> tuple[int, str] | None:
    """What is to be said of an event beside another one, and how little it weighs."""
    begin, end = fields.event_start - ALIKE_WITHIN, fields.event_end + ALIKE_WITHIN
    if other.event_start >= end or (other.event_end <= begin and other.event_start < begin):
        return None
    when = f"event {other.id}, {other.name!r} at {iso(other.event_start)}"
    name = fields.name.strip()
    if (name, fields.event_start) == other.identity:
        return 0, f"is the same as {when}"
    if other.name.casefold() == name.casefold():
        return 1, f"may be the same as {when}"
    if other.event_start < fields.event_end and other.event_end > fields.event_start:
        return 2, f"overlaps {when}"
    return None
