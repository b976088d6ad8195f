"""The form of a what-if: known events that are to be left out, and one that is imagined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import iso
from tui.moments import worded
from tui.screens.forecast_form import require_forecast
from tui.widgets.form import Field, FormScreen, Values

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.pipeline.event_fields import EventFields
    from musktracker.pipeline.event_rows import Event

HORIZONS = (("24", "24 h"), ("72", "3 days"), ("168", "7 days"))
KEPT = (("", "keep"), ("out", "leave out"))
MOST = 12  # events that are offered
EXAMPLE = "fri 14:00 ET +2h flight !0.8 #launch"
MOMENT = "%d %b %H:%M"
NAME = 13  # cells of a field's label


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that may be left out, and what it is found to do, in words."""

    event: Event
    effect: str


def what_if_form(
    candidates: Sequence[Candidate], models: Sequence[str], now: datetime, zone: ZoneInfo, horizon: str = "168"
) -> FormScreen:
    """Ask which events to leave out and which to imagine; closes with the parameters of the run."""

    def check(values: Values) -> Mapping[str, str]:
        try:
            parameters(values, now, zone)
        except UsageError as error:
            return {"line": error.message}
        return {}

    def preview(_engine: Engine, values: Values) -> str:
        from tui.screens.event_short_forms import described

        try:
            fields = _imagined(values, now, zone)
        except UsageError as error:
            return error.hint or ""
        return "" if fields is None else described(fields, zone)

    def save(engine: Engine, values: Values) -> dict[str, Any]:
        found = parameters(values, now, zone)
        require_forecast(engine, found, as_of=None, model="model")
        return found

    fields = (
        Field("line", "Imagine", hint=f"an event, such as: {EXAMPLE}"),
        *(_field(one, now, zone) for one in candidates[:MOST]),
        Field("horizon", "Horizon", horizon, choices=HORIZONS),
        Field("model", "Model", "", choices=(("", "champion"), *((name, name) for name in models))),
    )
    return FormScreen("What if", fields, check=check, preview=preview, save=save, submit="compare")


def parameters(values: Values, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """What the run is given. Raises UsageError for what the form complains of."""
    fields = _imagined(values, now, zone)
    without = [int(name.removeprefix("event-")) for name, value in values.items() if value == "out"]
    if fields is None and not without:
        raise UsageError("imagine an event, or leave one out")
    return {
        "without": without,
        "added": [] if fields is None else [_added(fields)],
        "horizon": int(values["horizon"]),
        "model": values["model"] or None,
        "timezone": zone.key,
    }


def _field(one: Candidate, now: datetime, zone: ZoneInfo) -> Field:
    name = one.event.name if len(one.event.name) <= NAME else one.event.name[: NAME - 1] + "…"
    return Field(f"event-{one.event.id}", name, "", _hint(one, now, zone), choices=KEPT)


def _imagined(values: Values, now: datetime, zone: ZoneInfo) -> EventFields | None:
    from musktracker.pipeline.event_line import parse_line

    return parse_line(values["line"], now, zone).fields if values["line"].strip() else None


def _added(fields: EventFields) -> dict[str, Any]:
    return {
        "start": iso(fields.event_start),
        "end": iso(fields.event_end),
        "intensity": fields.intensity,
        "category": fields.category,
    }


def _hint(one: Candidate, now: datetime, zone: ZoneInfo) -> str:
    event = one.event
    start, end = (moment.astimezone(zone) for moment in (event.event_start, event.event_end))
    first = worded(start, MOMENT, zone, now)
    last = f"{end:%H:%M}" if start.date() == end.date() else worded(end, MOMENT, zone, now)
    category = f" #{event.category}" if event.category else ""
    return " · ".join(filter(None, (f"{first}–{last} !{event.intensity:g}{category}", one.effect)))
