"""The table of events, the latest start first, and the words for what it has no room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from musktracker.text import printable
from tui.widgets.record_table import Cell, Column, RecordTable
from tui.widgets.run_progress import duration

if TYPE_CHECKING:
    from musktracker.db.queries.models import ModelVersion
    from musktracker.pipeline.event_rows import Event
    from tui.app import Console

NONE_YET = "No events yet: a adds one, i imports a file or a calendar of them"
BAR = 5  # cells of the strongest intensity
COLUMNS = (
    Column("Name", 20, grow=3, order=lambda event: event.name.casefold()),
    Column("Category", 10, grow=1, rank=2, order=lambda event: event.category),
    Column("Start", 16, order=lambda event: event.event_start),
    Column("End", 16, rank=1, order=lambda event: event.event_end),
    Column("Intensity", BAR + 5, order=lambda event: event.intensity, falling=True),
    Column("State", 8),
)
STATES = {"coming": "accent", "now": "good", "past": "dim", "removed": "bad"}


class EventTable(RecordTable["Event"]):
    """Events, the latest start first."""

    app: Console
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", show=False, tooltip="Edit the event, or show all of it", id="events.open"),
    ]

    def __init__(self) -> None:
        super().__init__(COLUMNS, self._row, lambda event: event.id, empty=NONE_YET, memory="events")

    def searched(self, event: Event) -> str:
        """Its name, category and description."""
        return f"{event.name} {event.category or ''} {event.description or ''}"

    def _row(self, event: Event) -> Sequence[Cell]:
        state = state_of(event, self.app.now())
        plain = "dim" if event.removed else ""
        return (
            (event.name, plain),
            (event.category or "", "dim"),
            (self.app.format_time(event.event_start), plain),
            (self.app.format_time(event.event_end), plain),
            (f"{'━' * round(BAR * event.intensity):<{BAR}} {event.intensity:.2f}", plain),
            (state, STATES[state]),
        )


def state_of(event: Event, now: datetime) -> str:
    """coming, now, past or removed."""
    if event.removed:
        return "removed"
    if event.event_start > now:
        return "coming"
    return "now" if event.event_end > now else "past"


def detail_text(event: Event, format_time: Callable[..., str], teller: ModelVersion | None) -> str:
    """What the table has no room for: three lines; `teller` is the version that tells what events do."""
    return "\n".join(map(printable, _details(event, format_time, teller)))


def event_text(event: Event, format_time: Callable[..., str], teller: ModelVersion | None) -> str:
    """All that is known of an event, as a page."""
    moments = {"Start": event.event_start, "End": event.event_end, "Removed": event.removed_at}
    times = {name: format_time(moment, "%Y-%m-%d %H:%M %Z") for name, moment in moments.items() if moment}
    rows = times | {"Intensity": f"{event.intensity:g}"}
    return "\n".join([*(f"{name:<10} {text}" for name, text in rows.items()), *_details(event, format_time, teller)])


def effect_line(event: Event, teller: ModelVersion | None) -> str:
    """By how much an event of this category and intensity raises the hourly rate, and who says so."""
    from musktracker.db.queries import models

    effect = None if teller is None else models.effect_on(teller.event_effects, event.category)
    if teller is None or effect is None:
        return "effect not known yet: a model that uses events tells it, trained once some are over (5, then t)"
    percent, lower, upper = effect.percents(event.intensity)
    whose = {None: "events of any category", "": "events without a category"}.get(
        effect.category, f"{effect.category} events"
    )
    return (
        f"effect {percent:+.0f}% posts an hour, 95% {lower:+.0f} to {upper:+.0f}%"
        f" · from {effect.events:,} {whose} · {teller.model} {teller.version}"
    )


def _details(event: Event, format_time: Callable[..., str], teller: ModelVersion | None) -> tuple[str, str, str]:
    from musktracker.pipeline.event_fields import intensity_name

    changed = f", changed {format_time(event.updated_at)}" if event.updated_at else ""
    start = f"{event.event_start:%Y-%m-%d %H:%M}"
    parts = [
        f"#{event.id}",
        event.category or "no category",
        intensity_name(event.intensity),
        duration(event.event_end - event.event_start) if event.event_end > event.event_start else "a point in time",
        "" if start == format_time(event.event_start) else f"starts {start} UTC",
        f"known {format_time(event.created_at)}{changed}",
        f"from {event.source}",
    ]
    return " · ".join(filter(None, parts)), effect_line(event, teller), event.description or "no description"
