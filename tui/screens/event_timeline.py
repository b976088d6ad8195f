"""Events drawn over the hourly counts, around the one under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from musktracker.text import printable
from musktracker.timeline import HOUR, Span, floor_hour
from tui.widgets.fan import Event as Mark
from tui.widgets.fan import Fan, View

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.counts import HourCount, Reach
    from musktracker.pipeline.event_rows import Event

REACH = timedelta(days=28)  # to each side of the event that can be panned to
SHOWN = timedelta(days=5)  # to each side at first


@dataclass(frozen=True, slots=True)
class Counts:
    """The counted hours around an event, and from when to when any are."""

    hours: tuple[HourCount, ...]
    reach: Reach | None


def read_counts(engine: Engine, event: Event) -> Counts:
    """What is counted around an event."""
    from musktracker.db.queries import counts

    return Counts(tuple(counts.hourly(engine, span_around(event))), counts.reach(engine))


def span_around(event: Event) -> Span:
    """The time that the drawing of an event spans."""
    return Span(floor_hour(event.event_start) - REACH, floor_hour(event.event_end) + REACH)


def title(event: Event, counts: Counts, format_time: Callable[..., str]) -> str:
    """What the drawing shows; where nothing is counted in what is shown at first, what is counted instead."""
    around = f"around “{printable(event.name)}”"
    begin, end = event.event_start - SHOWN, event.event_end + SHOWN
    if any(begin <= hour.start < end for hour in counts.hours):
        return f"Posts an hour {around}"
    if counts.reach is None:
        return f"Nothing is counted yet · {around}"
    first, last = (format_time(moment, "%Y-%m-%d") for moment in (counts.reach.begin, counts.reach.until))
    return f"Nothing is counted here, but from {first} to {last} · {around}"


def timeline(event: Event, events: Iterable[Event], counts: Counts, now: datetime) -> tuple[Fan, View]:
    """The counts around an event with all events over them, and the part that is shown at first."""
    span = span_around(event)
    by_start = {hour.start: float(hour.count) for hour in counts.hours}
    hours = round(span.hours())
    marks = (
        Mark(each.event_start, each.event_end, each.name)
        for each in events
        if not each.removed and each.event_start < span.end and each.event_end >= span.start
    )
    fan = Fan(
        span.start,
        HOUR,
        actual=tuple(by_start.get(span.start + HOUR * step) for step in range(hours)),
        events=tuple(marks),
        now=now,
    )
    begin, end = event.event_start - SHOWN, event.event_end + SHOWN
    return fan, View(max(fan.position(begin), 0.0), min(fan.position(end), float(hours)))
