"""What if: the forecast with some events and without them, side by side; nothing of it is stored as a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine

from musktracker.errors import UsageError
from musktracker.models import registry
from musktracker.models.base import Events, FloatArray
from musktracker.pipeline import events as stored_events
from musktracker.pipeline import forecast as forecasts
from musktracker.pipeline import history as histories
from musktracker.pipeline import requests
from musktracker.pipeline.event_fields import EventFields, cleaned
from musktracker.pipeline.forecast import Simulated, by_day, described
from musktracker.pipeline.history import Known
from musktracker.reporting import Run
from musktracker.timeline import HOUR, iso, parse_time

IMAGINED = "what if"


def what_if(
    engine: Engine,
    run: Run,
    *,
    without: Sequence[int] = (),
    added: Sequence[Mapping[str, Any]] = (),
    horizon: int = 24,
    model: str | None = None,
    version: str | None = None,
    as_of: str | None = None,
    n_paths: int = 2000,
    seed: int = 1,
    allow_stale: bool = False,
    timezone: str = "UTC",
) -> dict[str, Any]:
    """Forecast as `forecast` does, once with events and once without them, by one version and seed.

    `without` are the ids of events that are known; `added` are imagined ones, of `start`, `end`, `intensity` and
    `category`. With them means all that is known and the imagined ones; without them, all that is known but those in
    `without`. The difference is taken path by path: those of models on the level share their random numbers, of
    others a warning says that they do not. Raises what `forecast` raises, and UsageError for events that cannot be or
    are not known.
    """
    forecasts.check_request(model, horizon, n_paths, seed)
    imagined = [_fields(one) for one in added]
    if not without and not imagined:
        raise UsageError("There is nothing to compare without an event", "Name known ones, or imagine some")
    run.progress(0.0, stage="load", message="reading the counts")
    moment = requests.moment_of(as_of)
    known = forecasts.known_at(engine, as_of)
    then = parse_time(as_of) if as_of else None
    seen = [
        histories.known_events(engine, as_of=then, added=imagined),
        histories.known_events(engine, as_of=then, without=without),
    ]
    request = {"horizon": horizon, "n_paths": n_paths, "seed": seed, "allow_stale": allow_stale}
    made = _simulate(engine, run, known, moment, seen, {**request, "model": model, "version": version})
    with_them, without_them = (one.paths for one in made)
    chosen, zone = made[0].version, ZoneInfo(timezone)
    said = list(dict.fromkeys(text for one in made for text in one.warnings))
    for text in _doubts(made):
        run.warning(text)
        said.append(text)
    difference = with_them - without_them
    run.info(f"{difference.sum(axis=1).mean():+,.1f} posts expected with the events, in {horizon} h")
    return {
        "model": chosen.name,
        "version": chosen.version,
        "model_metadata_id": chosen.id,
        "forecast_time": iso(known.data_until),
        "horizon_hours": horizon,
        "until": iso(known.data_until + horizon * HOUR),
        "data_until": iso(known.data_until),
        "training_end": iso(chosen.training_end),
        "counting": known.counting,
        "n_paths": n_paths,
        "seed": seed,
        "timezone": timezone,
        "events": [*(_stored(engine, event_id) for event_id in without), *map(_described, imagined)],
        "with": _scenario(with_them, known, zone),
        "without": _scenario(without_them, known, zone),
        "difference": _scenario(difference, known, zone),
        "warnings": said,
    }


def _simulate(
    engine: Engine, run: Run, known: Known, moment: datetime, seen: Sequence[Events], request: Mapping[str, Any]
) -> list[Simulated]:
    """Paths of the same version that see each of these events; the first tells the run what is to be doubted."""
    made: list[Simulated] = []
    for events in seen:
        history = replace(known.history, events=events)
        own = {"model": made[0].version.name, "version": made[0].version.version} if made else {}
        teller = Run() if made else run
        one = forecasts.simulate(engine, teller, replace(known, history=history), moment, **{**request, **own})
        made.append(one)
        run.progress(0.5 * len(made), stage="simulate", message=f"{len(made)} of {len(seen)} forecasts")
    return made


def _doubts(made: Sequence[Simulated]) -> list[str]:
    """What the difference does not say."""
    [with_them, without_them], version = [one.paths for one in made], made[0].version
    if np.array_equal(with_them, without_them):
        hours = f"none reaches the {with_them.shape[1]} h"
        return [f"These events change nothing: {hours}, or {version.name} {version.version} knows of no effect"]
    if "event_effects" not in registry.hyperparameters(registry.create(version.name)):
        return [f"Paths of {version.name} are drawn anew without the events: the difference varies by chance as well"]
    return []


def _fields(given: Mapping[str, Any]) -> EventFields:
    start, end = parse_time(given["start"]), parse_time(given["end"])
    fields = EventFields(IMAGINED, start, end, float(given["intensity"]), given.get("category") or None)
    return cleaned(fields)


def _stored(engine: Engine, event_id: int) -> dict[str, Any]:
    event = stored_events.get(engine, event_id)
    return {**_described(event.fields), "id": event.id, "name": event.name}


def _described(fields: EventFields) -> dict[str, Any]:
    return {
        "id": None,
        "name": fields.name,
        "start": iso(fields.event_start),
        "end": iso(fields.event_end),
        "intensity": fields.intensity,
        "category": fields.category,
    }


def _scenario(paths: FloatArray, known: Known, zone: ZoneInfo) -> dict[str, Any]:
    return {"total": described(paths.sum(axis=1)), "days": by_day(paths, known.data_until, zone)}
