"""Events drawn over the hourly counts, around the one under the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from musktracker.timeline import HOUR, Span, floor_hour
from tui.widgets.fan import Event as Mark
from tui.widgets.fan import Fan, View

if TYPE_CHECKING:
    from musktracker.db.queries.counts import HourCount
    from musktracker.pipeline.event_rows import Event

REACH = timedelta(days=28)  # to each side of the event that can be panned to
SHOWN = timedelta(days=5)  # to each side at first


def span_around(event: Event) -> Span:
    """The time that the drawing of an event spans."""
    return Span(floor_hour(event.event_start) - REACH, floor_hour(event.event_end) + REACH)


def timeline(event: Event, events: Iterable[Event], counts: Iterable[HourCount], now: datetime) -> tuple[Fan, View]:
    """The counts around an event with all events over them, and the part that is shown at first."""
    span = span_around(event)
    by_start = {hour.start: float(hour.count) for hour in counts}
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
