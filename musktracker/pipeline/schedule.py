"""When the service does what: the plan, the steps that it makes, and which of them are due. Past runs in, steps out.

Every step has a regular time, its slot: it is done once a run of it that began since then has succeeded. Only the
latest slot counts, so what was missed while the machine slept is not made up one by one, and a service that starts
anew neither repeats nor skips. Within an hour the steps wait for one another, but not for one that has failed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Engine

from musktracker import market_windows
from musktracker.db import settings, stored
from musktracker.errors import UsageError
from musktracker.models import registry
from musktracker.pipeline.attempts import Attempt
from musktracker.pipeline.requests import LONGEST_HORIZON, MOST_ORIGINS
from musktracker.timeline import DAY, HOUR, floor_day, floor_hour

SETTING = "service_schedule"
FIRST_DELAY = timedelta(minutes=1)  # from the first failure to the second attempt; then twice as long each time
LONGEST = 4  # a delay is at most this part of the time between two regular times
MODEL = ("model", "version")  # the parameters that say what forecasts
NONE = "none"  # what a part that is empty is shown as
MEANINGS = {
    "minute": "minutes past the hour at which the hourly steps begin",
    "refresh_minutes": "minutes between refreshes while posts change",
    "horizons": "hours that are forecast, each as a forecast of its own",
    "windows": "presets whose current windows are forecast",
    "model": "what forecasts; none: what musktracker forecast chooses",
    "train_at": "time of day, in UTC, of the training",
    "train_models": "what is trained",
    "backtest_origins": "origins that each new version is tested on",
    "clean_at": "time of day, in UTC, at which old runs and lines are deleted",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the service does and when; times of the day are UTC, HH:MM.

    The hourly steps are due `minute` minutes past the hour. `model` makes the forecasts; by default it is the one
    that `musktracker forecast` would choose.
    """

    minute: int = 1
    refresh_minutes: int = 5
    horizons: tuple[int, ...] = (24, 168)
    windows: tuple[str, ...] = ("fri-noon", "tue-noon")
    model: str | None = None
    train_at: str = "03:30"
    train_models: tuple[str, ...] = ("har_bootstrap",)
    backtest_origins: int = 20
    clean_at: str = "04:30"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done at a regular time, `slot`, and again every `period`.

    `alike` are the parameters that tell its runs from others of the kind; runs that differ only in those that are
    `free` make the same by other means, which is worth showing, but does not do the step. It waits until the steps in
    `after` have been tried, and is due again when the one that it is `renewed_by` succeeds late.
    """

    name: str
    kind: str
    parameters: Mapping[str, Any]
    slot: datetime
    period: timedelta
    alike: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    renewed_by: str | None = None
    free: tuple[str, ...] = ()

    def is_of(self, attempt: Attempt) -> bool:
        """Whether a run is one of this step, whoever started it."""
        return self._agrees(attempt, self.alike)

    def is_like(self, attempt: Attempt) -> bool:
        """Whether a run makes what this step makes, be it by other means."""
        return self._agrees(attempt, [name for name in self.alike if name not in self.free])

    def _agrees(self, attempt: Attempt, names: Iterable[str]) -> bool:
        return attempt.kind == self.kind and all(
            (attempt.parameters.get(name) or None) == (self.alike[name] or None) for name in names
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a step stands: whether it goes on, is done or called off; failures in a row, and when it is due next."""

    step: Step
    going: bool
    done: bool
    called_off: bool
    failures: int
    due_at: datetime
    last: Attempt | None

    @property
    def tried(self) -> bool:
        """Whether those that wait for it need wait no longer."""
        return self.done or self.called_off or self.failures > 0

    def open(self, moment: datetime) -> bool:
        """Whether it is to be started now, as far as it is concerned."""
        return not (self.going or self.done or self.called_off) and moment >= self.due_at


def read(engine: Engine) -> Plan:
    """The database's plan."""
    found = stored.mapping(settings.get(engine, SETTING))
    known = {entry.name for entry in fields(Plan)}
    return _plan({name: value for name, value in found.items() if name in known})


def change(engine: Engine, texts: Mapping[str, str]) -> Plan:
    """Change parts of the plan, given as texts; lists have commas. Raises UsageError for what cannot be."""
    for name in texts:
        if name not in _CHECKS:
            raise UsageError(f"The schedule has no {name!r}", f"It has {', '.join(_CHECKS)}")
    for name, reason in problems(texts).items():
        raise UsageError(f"{name} cannot be {texts[name]!r}: {reason}")
    plan = replace(read(engine), **{name: _CHECKS[name](text.strip()) for name, text in texts.items()})
    settings.set(engine, SETTING, json.dumps(asdict(plan), sort_keys=True))
    return plan


def problems(texts: Mapping[str, str]) -> dict[str, str]:
    """Why parts of the plan cannot be these texts, by name; nothing where they can."""
    found = {}
    for name, text in texts.items():
        try:
            _CHECKS[name](text.strip())
        except ValueError as reason:
            found[name] = str(reason)
    return found


def texts(plan: Plan) -> dict[str, str]:
    """The parts of a plan as `change` takes them; empty where there is none."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
        for name, value in asdict(plan).items()
    }


def steps(
    plan: Plan, moment: datetime, *, artifact_dir: str, timezone: str, counted: bool = True, trained: bool = True
) -> list[Step]:
    """The steps of a plan with their latest slots before a moment.

    Nothing is trained before an hour is `counted`, and nothing forecast before any model is `trained`.
    """
    past_hour = timedelta(minutes=plan.minute)
    hour = floor_hour(moment - past_hour) + past_hour
    train_slot = daily_slot(plan.train_at, moment)
    return [
        Step("refresh", "refresh", {}, hour, HOUR),
        # what the versions are worth is told on request: kept with every hour's run, it would fill the disk
        Step("score", "score", {"judge": False}, hour, HOUR, {"since": None}, ("refresh",), "refresh"),
        *(_training(plan, model, train_slot, artifact_dir) for model in plan.train_models if counted),
        *(_forecast(plan, hours, hour, timezone) for hours in plan.horizons if counted and trained),
        *(_window(plan, preset, hour) for preset in plan.windows if counted and trained),
        Step("retention", "retention", {}, daily_slot(plan.clean_at, moment), DAY),
    ]


def promotion(model: str, version: str, trained_at: datetime) -> Step:
    """To consider a new version of a model for its place."""
    which = {"model": model, "version": version}
    return Step(f"promote {model}", "promote", {**which, "or_fail": False}, trained_at, DAY, which)


def daily_slot(text: str, moment: datetime) -> datetime:
    """The last time before a moment at which the clock of UTC showed this time of day."""
    hour, minute = map(int, text.split(":"))
    slot = floor_day(moment) + timedelta(hours=hour, minutes=minute)
    return slot if slot <= moment else slot - DAY


def judge(
    planned: Sequence[Step], past: Sequence[Attempt], moment: datetime, begun: datetime, *, once: bool = False
) -> dict[str, Standing]:
    """How each step stands, from the newest runs, the last asked for first; `begun` is when the service began.

    That a run was called off counts only since then. With `once` so do failures, and a step that failed is not due
    again.
    """
    by_name = {step.name: step for step in planned}
    found = {step.name: [attempt for attempt in past if step.is_of(attempt)] for step in planned}
    standings = {}
    for step in planned:
        ready = step.slot
        if step.renewed_by in by_name:
            ready = max(ready, _first_success(by_name[step.renewed_by], found[step.renewed_by]) or ready)
        standings[step.name] = _standing(step, found[step.name], ready, moment, begun, once=once)
    return standings


def due(standings: Mapping[str, Standing], moment: datetime) -> list[Step]:
    """The steps to start now."""
    return [
        one.step
        for one in standings.values()
        if one.open(moment) and all(standings[name].tried for name in one.step.after if name in standings)
    ]


def backoff(failures: int, longest: timedelta, seed: int, first: timedelta = FIRST_DELAY) -> timedelta:
    """How long to wait after some failures in a row: twice as long each time, less up to a half by chance.

    The same `seed` gives the same wait, so that every look at a failed run says the same.
    """
    whole = min(first * 2.0 ** min(failures - 1, 40), longest)
    return whole * (1 - random.Random(seed).random() / 2)  # noqa: S311 - no secret


def _standing(
    step: Step, found: Sequence[Attempt], ready: datetime, moment: datetime, begun: datetime, *, once: bool
) -> Standing:
    since = [attempt for attempt in found if attempt.begun >= ready]
    failed: list[Attempt] = []
    for attempt in since:
        if attempt.status == "succeeded":
            break
        if attempt.failed(moment) and (not once or attempt.ended >= begun):
            failed.append(attempt)
    due_at = ready  # which another machine's clock may have said: then it is waited for, lest the step be repeated
    if failed:
        again = failed[0].ended + backoff(len(failed), step.period / LONGEST, failed[0].id)
        due_at = step.slot + step.period if once else again
    return Standing(
        step,
        going=any(attempt.going(moment) for attempt in found),
        done=any(attempt.status == "succeeded" for attempt in since),
        called_off=bool(since) and since[0].called_off(begun),
        failures=len(failed),
        due_at=due_at,
        last=found[0] if found else None,
    )


def _first_success(step: Step, found: Sequence[Attempt]) -> datetime | None:
    ended = [one.ended for one in found if one.status == "succeeded" and one.begun >= step.slot]
    return min(ended, default=None)


def _forecast(plan: Plan, hours: int, slot: datetime, timezone: str) -> Step:
    parameters = {"horizon": hours, "model": plan.model, "timezone": timezone}
    alike = {"horizon": hours, "model": plan.model, "version": None, "as_of": None}
    # one after the other: of the hours that both forecast, those of the longer one stay
    earlier = tuple(f"forecast {other} h" for other in plan.horizons if other < hours)
    after = ("refresh", "score", *earlier)
    return Step(f"forecast {hours} h", "forecast", parameters, slot, HOUR, alike, after, "refresh", MODEL)


def _window(plan: Plan, preset: str, slot: datetime) -> Step:
    parameters = {"preset": preset, "model": plan.model}
    alike = {**parameters, "version": None, "as_of": None, "following": None, "brackets": None}
    after = ("refresh", "score", *(f"forecast {hours} h" for hours in plan.horizons))
    return Step(f"window {preset}", "window", parameters, slot, HOUR, alike, after, "refresh", MODEL)


def _training(plan: Plan, model: str, slot: datetime, artifact_dir: str) -> Step:
    parameters = {"model": model, "artifact_dir": artifact_dir, "backtest_origins": plan.backtest_origins}
    alike = {"model": model, "until": None, "hyperparameters": None}
    return Step(f"train {model}", "train", parameters, slot, DAY, alike, ("refresh",))


def _plan(values: Mapping[str, Any]) -> Plan:
    read: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
    return Plan(**read)


def _between(least: int, most: int) -> Any:
    def check(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return int(text)

    return check


def _items(text: str) -> list[str]:
    if text == NONE:
        return []
    return list(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))


def _horizons(text: str) -> tuple[int, ...]:
    return tuple(sorted(_between(1, LONGEST_HORIZON)(item) for item in _items(text)))


def _presets(text: str) -> tuple[str, ...]:
    for name in _items(text):
        if name not in market_windows.PRESETS:
            raise ValueError(f"{name!r} is none of {', '.join(market_windows.PRESETS)}")
    return tuple(_items(text))


def _models(text: str) -> tuple[str, ...]:
    for name in _items(text):
        if name not in registry.names():
            raise ValueError(f"{name!r} is none of {', '.join(registry.names())}")
    return tuple(_items(text))


def _model(text: str) -> str | None:
    names = _models(text)
    if len(names) > 1:
        raise ValueError("it is one model, or none")
    return names[0] if names else None


def _time_of_day(text: str) -> str:
    try:
        return f"{time.fromisoformat(text):%H:%M}"
    except ValueError:
        raise ValueError("it must be a time of day, such as 03:30") from None


_CHECKS = {
    "minute": _between(0, 59),
    "refresh_minutes": _between(1, 60),
    "horizons": _horizons,
    "windows": _presets,
    "model": _model,
    "train_at": _time_of_day,
    "train_models": _models,
    "backtest_origins": _between(0, MOST_ORIGINS),
    "clean_at": _time_of_day,
}
