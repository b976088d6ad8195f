"""Events drawn over the hourly counts, around the one under the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from musktracker.text import printable
from musktracker.timeline import HOUR, Span, floor_hour
from tui.screens.base import PASSING_SECONDS
from tui.threads import in_thread
from tui.widgets.change_table import NO_EVENT
from tui.widgets.fan import Event as Mark
from tui.widgets.fan import Fan, View
from tui.widgets.fan_chart import FanChart
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.counts import HourCount, Reach
    from musktracker.pipeline.event_rows import Event
    from tui.app import Console
    from tui.screens.event_table import EventTable

REACH = timedelta(days=28)  # to each side of the event that can be panned to
SHOWN = timedelta(days=5)  # to each side at first


@dataclass(frozen=True, slots=True)
class Counts:
    """The counted hours around an event, and from when to when any are."""

    hours: tuple[HourCount, ...]
    reach: Reach | None


class EventTimeline(Vertical):
    """The counts around an event with all events over them; out of sight until it is turned on."""

    app: Console

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._drawn: int | None = None

    def compose(self) -> ComposeResult:
        """The drawing."""
        yield FanChart(empty="")

    def turn(self) -> None:
        """Turn it on, where it shows its event anew, or off."""
        self.display = not self.display
        self._drawn = None

    def load(self, table: EventTable, events: Iterable[Event]) -> None:
        """Where it is turned on, draw the event that a table has the cursor on once it rests there."""
        if self.display and self.app.engine is not None:
            begin(self, "timeline", self._show, self.app.engine, table, events, exclusive=True)

    async def _show(self, engine: Engine, table: EventTable, events: Iterable[Event]) -> None:
        await asyncio.sleep(PASSING_SECONDS)
        event, chart = table.record, self.query_one(FanChart)
        if event is None:
            chart.say(table.found_nothing or NO_EVENT)
            chart.set_fan(None)
            self.border_title, self._drawn = "Timeline", None
            return
        try:
            counts = await in_thread(_read_counts, engine, event)
        except Exception as error:
            self.app.complain(error)
            return
        fan, view = _fan(event, events, counts, self.app.now())
        chart.set_fan(fan, view=view, keep=self._drawn == event.id)
        self._drawn = event.id
        self.border_title = Text(_title(event, counts, self.app.format_time))


def _read_counts(engine: Engine, event: Event) -> Counts:
    """What is counted around an event."""
    from musktracker.db.queries import counts

    return Counts(tuple(counts.hourly(engine, _span_around(event))), counts.reach(engine))


def _span_around(event: Event) -> Span:
    """The time that the drawing of an event spans."""
    return Span(floor_hour(event.event_start) - REACH, floor_hour(event.event_end) + REACH)


def _title(event: Event, counts: Counts, format_time: Callable[..., str]) -> str:
    """What the drawing shows; where nothing is counted in what is shown at first, what is counted instead."""
    around = f"around “{printable(event.name)}”"
    begin, end = event.event_start - SHOWN, event.event_end + SHOWN
    if any(begin <= hour.start < end for hour in counts.hours):
        return f"Posts an hour {around}"
    if counts.reach is None:
        return f"Nothing is counted yet · {around}"
    first, last = (format_time(moment, "%Y-%m-%d") for moment in (counts.reach.begin, counts.reach.until))
    return f"Nothing is counted here, but from {first} to {last} · {around}"


def _fan(event: Event, events: Iterable[Event], counts: Counts, now: datetime) -> tuple[Fan, View]:
    """The counts around an event with all events over them, and the part that is shown at first."""
    span = _span_around(event)
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
