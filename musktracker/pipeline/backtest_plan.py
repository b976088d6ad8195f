"""What a backtest is to compute, and whether its name is free for that. Without numpy: a form asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from musktracker.db.engines import reading
from musktracker.db.queries.counts import Reach
from musktracker.db.tables import Backtest
from musktracker.errors import UsageError
from musktracker.evaluation.origins import PATHS, SPACING
from musktracker.models import registry
from musktracker.pipeline import requests
from musktracker.timeline import from_hour_index

EVERY = {"sarimax": 3}  # it takes seconds where the others take milliseconds


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backtest is to compute: its origins by model, and the models' hyperparameters."""

    span: tuple[int, int]
    origins: Mapping[str, Sequence[int]]
    protocol: Mapping[str, Any]
    counting: str


def plan(
    reach: Reach,
    *,
    models: Sequence[str] | None = None,
    hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
    begin: str | None = None,
    end: str | None = None,
    every: Mapping[str, int] | None = None,
    spacing: int = SPACING,
    n_paths: int = PATHS,
    seed: int = 1,
    retrospective_events: bool = False,
) -> Plan:
    """What `backtest` computes of these counts for these parameters. Raises UsageError for what cannot be asked."""
    requests.spacing(spacing)
    requests.backtest_paths(n_paths)
    requests.seed(seed)
    if any(step < 1 for step in (every or {}).values()):
        raise UsageError("Every must be 1 or more")
    names = requests.models(models or ())
    chosen = {name: registry.read(name, (hyperparameters or {}).get(name)) for name in names}
    span, origins = requests.period(begin, end, spacing, reach)
    steps = {name: (every or {}).get(name, EVERY.get(name, 1)) for name in names}
    asked = {
        "models": {name: registry.hyperparameters(one) for name, one in chosen.items()},
        "every": steps,
        "spacing": spacing,
        "n_paths": n_paths,
        "seed": seed,
        "retrospective_events": retrospective_events,
    }
    return Plan(span, {name: origins[:: steps[name]] for name in names}, asked, reach.counting)


def require_free(engine: Engine, name: str, made: Plan) -> None:
    """Raise UsageError where a backtest of this name asks another question; whether its data differ the run sees."""
    with reading(engine) as connection:
        stored(connection, name, values(made))


def stored(connection: Connection, name: str, values: Mapping[str, Any]) -> Row[Any] | None:
    """The backtest of this name, where there is one. Raises UsageError where any of these values of it differ."""
    row = connection.execute(select(Backtest.__table__).where(Backtest.name == name)).one_or_none()
    differing = [] if row is None else [key for key, value in values.items() if getattr(row, key) != value]
    if differing:
        raise UsageError(
            f"There is a backtest {name!r} already, and its {', '.join(differing)} differ from these",
            "Choose another name with --name, or none",
        )
    return row


def values(made: Plan) -> dict[str, Any]:
    """A plan as the columns that hold it."""
    return {
        "span_start": from_hour_index(made.span[0]),
        "span_end": from_hour_index(made.span[1]),
        "counting": made.counting,
        "protocol": json.dumps(made.protocol, sort_keys=True),
    }
