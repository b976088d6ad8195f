"""The short forms of the events screen: an event in one line, one moved in time, one that repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import parse_time
from tui.screens.event_form import PLAIN, doubts_text, series_doubts_text, span_text
from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.event_fields import EventFields
    from musktracker.pipeline.event_line import Understood
    from musktracker.pipeline.event_rows import Event

EXAMPLE = "next fri 14:00 ET +2h starship launch !0.8 #launch"
WAYS = (("weekly", "every week"), ("monthly", "every month"), ("quarterly", "every quarter"))


def line_form(now: Callable[[], datetime], zone: ZoneInfo) -> FormScreen:
    """Add an event by a line that says it all; closes with the stored Event."""

    def understood(values: Values) -> Understood:
        from musktracker.pipeline.event_line import parse_line

        return parse_line(values["line"], now(), zone)

    def preview(engine: Engine, values: Values) -> str:
        if not values["line"].strip():
            return "when   +how long   name   !intensity   #category"
        try:
            found = understood(values)
        except UsageError as error:
            return error.hint or ""
        lines = [described(found.fields, zone), *(f"· {note}" for note in found.notes)]
        return "\n".join(filter(None, (*lines, doubts_text(engine, found.fields))))

    def save(engine: Engine, values: Values) -> Event:
        from musktracker.pipeline import events

        return events.add(engine, understood(values).fields)

    return FormScreen(
        "Add an event in one line",
        (Field("line", "Event", hint=f"such as: {EXAMPLE}"),),
        check=lambda values: _problem("line", lambda: understood(values)),
        preview=preview,
        save=save,
    )


def shift_form(event: Event, zone: ZoneInfo) -> FormScreen:
    """Move an event in time; closes with it."""

    def shifted(values: Values) -> EventFields:
        from musktracker.pipeline import event_series

        return event_series.shifted(event.fields, event_series.read_shift(values["by"]))

    def preview(engine: Engine, values: Values) -> str:
        fields = shifted(values)
        return "\n".join(filter(None, (span_text(fields, zone), doubts_text(engine, fields, event.id))))

    def save(engine: Engine, values: Values) -> Event:
        from musktracker.pipeline import events

        return events.edit(engine, event.id, shifted(values), expected=event.version)

    return FormScreen(
        f"Shift event {event.id}",
        (Field("by", "By", hint="2h, 90m, 1d12h, 1w; -2h for earlier"),),
        check=lambda values: _problem("by", lambda: shifted(values)),
        preview=preview,
        save=save,
        submit="shift",
    )


def repeat_form(event: Event, zone: ZoneInfo) -> FormScreen:
    """Add an event again at later times, at the same local time; closes with the stored Events."""

    def series(values: Values) -> list[EventFields]:
        from musktracker.pipeline import event_series

        return event_series.repeated(event.fields, values["every"], parse_time(values["until"], zone), zone)

    def preview(engine: Engine, values: Values) -> str:
        found = series(values)
        first, last = (f"{each.event_start.astimezone(zone):%a {PLAIN} %Z}" for each in (found[0], found[-1]))
        times = f"1 more: {first}" if len(found) == 1 else f"{len(found):,} more, from {first} to {last}"
        return "\n".join(filter(None, (times, series_doubts_text(engine, found, zone))))

    def save(engine: Engine, values: Values) -> list[Event]:
        from musktracker.pipeline import events

        return events.add_all(engine, series(values))

    return FormScreen(
        f"Repeat event {event.id}",
        (
            Field("every", "Every", "weekly", choices=WAYS),
            Field("until", "Until", hint=f"the last day of the series, in {zone.key}: 2026-12-31"),
        ),
        check=lambda values: _problem("until", lambda: series(values)),
        preview=preview,
        save=save,
        submit="add all",
    )


def described(fields: EventFields, zone: ZoneInfo) -> str:
    """An event as it would be stored, one thing a line."""
    from musktracker.pipeline.event_fields import intensity_name

    strength = f"{fields.intensity:.2f}, {intensity_name(fields.intensity)}"
    return "\n".join(
        (
            f"{'Name':<13} {fields.name}",
            span_text(fields, zone),
            f"{'Intensity':<13} {strength} · {'#' + fields.category if fields.category else 'no category'}",
        )
    )


def _problem(name: str, read: Callable[[], Any]) -> Mapping[str, str]:
    try:
        read()
    except UsageError as error:
        return {name: error.message}
    return {}
