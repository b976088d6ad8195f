"""Backtests of made scores in a database, and the log of a run that tells them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, insert

from musktracker.db.engines import writing
from musktracker.db.tables import Backtest, BacktestScore, RunLogLine, RunRow
from musktracker.timeline import HOUR, iso

LEVELS = {"har_bootstrap": 0.92, "hawkes": 1.0, "pool": 0.9, "sarimax": 1.12, "seasonal_naive": 1.08}
CRPS = {"hourly_168": 1.9, "hourly_24": 1.8, "lead_1": 1.7, "total_24": 14.0, "in_play": 33.0, "total_168": 65.0}
BEGIN = datetime.fromisoformat("2025-05-01T00:00:00+00:00")
ORIGINS = 60  # of which 20 weeks do not overlap
MADE = datetime.fromisoformat("2026-01-14T09:30:00+00:00")
TOTALS = ("total_24", "in_play", "total_168")


def store(
    engine: Engine,
    name: str,
    begin: datetime,
    *,
    made: datetime,
    models: Sequence[str] = tuple(LEVELS),
    origins: int = ORIGINS,
    done: int | None = None,
    seed: int = 1,
    n_paths: int = 2000,
) -> int:
    """Store a backtest of which `done` origins of each model are scored (all by default); returns its id."""
    chosen = {model: {"window_days": 28} if model == "seasonal_naive" else {} for model in models}
    protocol = {
        "models": chosen,
        "every": dict.fromkeys(models, 1),
        "spacing": 73,
        "n_paths": n_paths,
        "seed": 1,
    }
    with writing(engine) as connection:
        added = insert(Backtest).values(
            name=name,
            created_at=made,
            span_start=begin,
            span_end=begin + ((origins - 1) * 73 + 168) * HOUR,
            counting="all",
            data_digest="0" * 64,
            protocol=json.dumps(protocol, sort_keys=True),
        )
        backtest_id = int(connection.execute(added.returning(Backtest.id)).scalar_one())
        for model in models:
            _scores(connection, backtest_id, model, begin, origins if done is None else done, seed)
    return backtest_id


def intervals(engine: Engine, name: str, done: int, *, models: Sequence[str] = tuple(LEVELS)) -> None:
    """Store a run that has computed the skill of each model over each other, with intervals of ten percent around."""
    skills = {
        model: {
            other: {score: _skill(1 - LEVELS[model] / LEVELS[other]) for score in (*CRPS, "log_score")}
            for other in models
            if other != model
        }
        for model in models
    }
    result = {"name": name, "compared": [name, name], "scored": [done, done], "skills": skills}
    moment = datetime.fromisoformat("2026-01-15T17:00:00+00:00")
    values = {
        "kind": "backtest",
        "status": "succeeded",
        "parameters": "{}",
        "result": json.dumps(result, sort_keys=True),
        "progress": 1.0,
        "message": f"Backtest {name}: {done} origins are scored",
        "created_at": moment,
        "started_at": moment,
        "finished_at": moment + timedelta(seconds=95),
        "heartbeat_at": moment + timedelta(seconds=95),
        "host": "tower",
        "pid": 4100,
        "who": "ada@tower",
    }
    with writing(engine) as connection:
        connection.execute(insert(RunRow).values(id=20, **values))


def tell_steps(engine: Engine, run_id: int, model: str, values: Sequence[float | None], *, first: int = 0) -> None:
    """Add a line to the log of a run that tells the log-likelihood after the steps from number `first` on."""
    points = [(first + k, value) for k, value in enumerate(values, 1)]
    _add_line(
        engine,
        run_id,
        first,
        f"{model}: {first + len(values)} steps",
        {"model": model, "score": "log_likelihood", "search": 1, "points": points},
    )


def tell(engine: Engine, run_id: int, model: str, scores: Sequence[float | None], *, of: int, first: int = 0) -> None:
    """Add a line to the log of a run that tells scores of the origins from number `first` on."""
    begin = datetime.fromisoformat("2025-11-01T00:00:00+00:00")
    points = [(iso(begin + (first + k) * 73 * HOUR), score) for k, score in enumerate(scores)]
    fields = {"model": model, "score": "crps_total_24", "of": of, "points": points}
    _add_line(engine, run_id, first, f"{model}: {first + len(scores)} of {of} origins", fields)


def tell_anything(engine: Engine, run_id: int, fields: dict[str, Any]) -> None:
    """Add a line to the log of a run with these fields, whatever they are."""
    _add_line(engine, run_id, 59, "told", fields)


def _add_line(engine: Engine, run_id: int, second: int, message: str, fields: dict[str, Any]) -> None:
    line = {
        "run_id": run_id,
        "time": datetime.fromisoformat("2026-01-15T18:06:00+00:00") + timedelta(seconds=second),
        "level": "info",
        "message": message,
        "fields": json.dumps(fields),
    }
    with writing(engine) as connection:
        connection.execute(insert(RunLogLine).values(line))


def _skill(skill: float) -> dict[str, float]:
    return {"skill": skill, "lower": skill - 0.1, "upper": skill + 0.1, "n": ORIGINS}


def _scores(connection: Connection, backtest_id: int, model: str, begin: datetime, done: int, seed: int) -> None:
    chance = random.Random(f"{model} {seed}")
    rows = [
        {
            "backtest_id": backtest_id,
            "model_name": model,
            "origin": begin + k * 73 * HOUR,
            **_outcome(chance, model, refused=model == "sarimax" and k < 2),
        }
        for k in range(done)
    ]
    if rows:
        connection.execute(insert(BacktestScore), rows)


def _outcome(chance: random.Random, model: str, *, refused: bool) -> Mapping[str, Any]:
    if refused:
        empty = dict.fromkeys(("seconds", "scores", "hourly_crps", "hourly_pit"))
        return {**empty, "refused": "fewer than 60 days of history"}
    level = LEVELS[model]
    values = {name: round(level * mean * chance.uniform(0.6, 1.4), 4) for name, mean in CRPS.items()}
    values["log_score"] = round(level * chance.uniform(2.6, 3.6), 4)
    for total in TOTALS:
        pit = min(max(chance.gauss(0.5, 0.27 * level), 0.0), 1.0)
        away = abs(pit - 0.5)
        values |= {f"covered_{percent}_{total}": float(away <= percent / 200) for percent in (50, 80, 95)}
        values |= {f"above_95_{total}": float(pit > 0.975), f"below_95_{total}": float(pit < 0.025)}
        values |= {f"pit_{total}": round(pit, 5), f"width_95_{total}": 80.0, f"error_{total}": 1.0}
    hourly = [round(level * (1.6 + 0.3 * min(lead, 24) / 24) * chance.uniform(0.8, 1.2), 4) for lead in range(168)]
    return {
        "seconds": round(0.4 * level, 3),
        "scores": json.dumps(values),
        "hourly_crps": json.dumps(hourly),
        "hourly_pit": json.dumps([round(min(max(chance.gauss(0.5, 0.29 * level), 0), 1), 5) for _ in range(168)]),
        "refused": None,
    }
