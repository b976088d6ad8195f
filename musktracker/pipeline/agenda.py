"""The agenda: what the service does and has done, step by step, whether one is running or not. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from musktracker import runs
from musktracker.config import Settings
from musktracker.db.queries import changes
from musktracker.pipeline import alerts, attempts, schedule, upkeep
from musktracker.pipeline.attempts import Attempt
from musktracker.pipeline.schedule import Plan, Standing, Step
from musktracker.run_info import RunInfo

KINDS = (*upkeep.KINDS, "refresh", "score", "train", "promote", "forecast", "window", "retention")  # of its runs
SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Task:
    """A step of the schedule: its newest run, and when a service starts the next one.

    `last` was started by whoever it was, and forecasts by whichever model; but while one as the service starts it
    goes on, is to be tried again or was called off, it is that one. `next_at` is None while it goes on; `waits_for`
    are the steps that have to be tried before it; `failures` are those in a row, after which it is tried again.
    """

    name: str
    kind: str
    last: RunInfo | None
    next_at: datetime | None
    waits_for: tuple[str, ...] = ()
    failures: int = 0
    called_off: bool = False


@dataclass(frozen=True, slots=True)
class Agenda:
    """What is to be done by itself. `service` is the newest service, which may have ended or be lost.

    `ingestion` says in words who follows the account; `looked_at` is when the conditions of alerts were looked at.
    """

    service: RunInfo | None
    plan: Plan
    tasks: tuple[Task, ...]
    ingestion: str
    looked_at: datetime | None


def read(engine: Engine, settings: Settings, moment: datetime) -> Agenda:
    """The agenda of a database at a moment."""
    service = next(iter(runs.recent(engine, limit=1, kinds=(SERVICE,))), None)
    serving = service is not None and service.active and not service.lost
    begun = (service.started_at if serving and service else None) or moment
    plan, past = schedule.read(engine), attempts.newest(engine, KINDS)
    steps = planned(engine, plan, past, moment, artifact_dir=str(settings.artifact_dir), timezone=settings.timezone)
    standings = schedule.judge(steps, past, moment, begun)
    return Agenda(
        service,
        plan,
        tuple(_task(engine, one, standings, past) for one in standings.values()),
        upkeep.decide([one for one in past if one.kind in upkeep.KINDS], moment, begun).words,
        alerts.looked_at(engine),
    )


def planned(
    engine: Engine, plan: Plan, past: Sequence[Attempt], moment: datetime, *, artifact_dir: str, timezone: str
) -> list[Step]:
    """The steps of a plan, and the promotions that follow from the trainings among the past runs."""
    steps = schedule.steps(
        plan,
        moment,
        artifact_dir=artifact_dir,
        timezone=timezone,
        counted=changes.any_hour(engine),
        trained=changes.any_model(engine),
    )
    return steps + _promotions(engine, steps, past)


def _promotions(engine: Engine, steps: Sequence[Step], past: Sequence[Attempt]) -> list[Step]:
    """What to consider after the trainings that have succeeded since they were due."""
    found = []
    for step in steps:
        newest = next((one for one in past if step.is_of(one) and one.status == "succeeded"), None)
        if step.kind == "train" and newest is not None and newest.begun >= step.slot:
            result = runs.get(engine, newest.id).result or {}
            if "version" in result:
                found.append(schedule.promotion(step.parameters["model"], result["version"], newest.ended))
    return found


def _task(engine: Engine, one: Standing, standings: dict[str, Standing], past: Sequence[Attempt]) -> Task:
    step = one.step
    closed = one.done or one.called_off
    last = _last(one, past)
    return Task(
        step.name,
        step.kind,
        None if last is None else runs.get(engine, last.id),
        None if one.going else step.slot + step.period if closed else one.due_at,
        () if closed else tuple(name for name in step.after if name in standings and not standings[name].tried),
        one.failures,
        one.called_off,
    )


def _last(one: Standing, past: Sequence[Attempt]) -> Attempt | None:
    if one.going or one.failures or one.called_off:  # what the next time follows from
        return one.last
    return next((attempt for attempt in past if one.step.is_like(attempt)), None)
