"""The events that a chart shows, with what a model has found that they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musktracker.timeline import Span
from tui.widgets.fan import Event

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from musktracker.db.queries.models import EventEffect


def read_events(engine: Engine, span: Span, model_metadata_id: int | None) -> tuple[Event, ...]:
    """The events that overlap a span, each with its effect by this version; called in a thread."""
    from musktracker.db.queries import models
    from musktracker.pipeline import events

    effects = () if model_metadata_id is None else models.effects_of(engine, model_metadata_id)
    return tuple(
        Event(one.event_start, one.event_end, one.name, effect_text(effects, one.category, one.intensity))
        for one in events.listed(engine, span=span)
    )


def effect_text(effects: tuple[EventEffect, ...], category: str | None, intensity: float) -> str:
    """By how much an event raises the hourly rate, with its 95% interval; empty where that is not known."""
    from musktracker.db.queries import models

    effect = models.effect_on(effects, category)
    if effect is None:
        return ""
    percent, lower, upper = effect.percents(intensity)
    return f"{percent:+.0f}% ({lower:+.0f} to {upper:+.0f})"
