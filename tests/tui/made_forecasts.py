"""Rows beside those of the populated database: forecasts of a window, scores, quantiles, a comparison."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from statistics import NormalDist
from typing import Any

from sqlalchemy import Engine, func, insert, select

from musktracker.brackets import parse
from musktracker.db import quantiles, tables
from musktracker.db.engines import reading, writing
from musktracker.db.quantiles import Quantiles
from musktracker.db.queries.window_scores import MIDPOINTS
from musktracker.market_windows import current
from musktracker.timeline import DAY, HOUR, Span, floor_hour, iso

NOW = datetime(2026, 1, 15, 18, 7, tzinfo=UTC)  # the moment at which consoles of tests stand still
ORIGIN = floor_hour(NOW)
WINDOW = current("fri-noon", NOW)
RATE = 2.9  # posts an hour that the made forecasts expect
MODEL_ID = 2
EFFECTS = {
    "event:launch": {"estimate": 0.5, "standard_error": 0.1},
    "event": {"estimate": 0.2, "standard_error": 0.1},
}


def store_window_forecasts(
    engine: Engine, *, every: int = 6, until: datetime = ORIGIN, width: str = "20", made_after: timedelta = HOUR / 10
) -> None:
    """Forecasts of the current week, made from its start on every few hours, the last from `until`."""
    hours = range(round((until - WINDOW.start) / HOUR), -1, -every)
    with writing(engine) as connection:
        connection.execute(
            insert(tables.WindowForecast),
            [_window_forecast(_posts(engine, origin), origin, width, made_after) for origin in _moments(hours)],
        )


def store_scores(engine: Engine, *, days: int = 70, model_id: int = MODEL_ID) -> None:
    """Scores of forecasts made twice a day, for five horizons, of a forecast that is a little too sure."""
    chance = random.Random(7)
    rows = [
        _score(chance, model_id, ORIGIN - step * 12 * HOUR, horizon)
        for step in range(2 * days)
        for horizon in (1, 6, 24, 72, 168)
        if step * 12 >= horizon
    ]
    with writing(engine) as connection:
        connection.execute(insert(tables.ForecastScore), rows)


def store_scored_windows(engine: Engine, *, weeks: int = 24, model_id: int = MODEL_ID) -> None:
    """Forecasts of weeks that are over, four of each, of a model that is too sure; and of the months among them."""
    chance = random.Random(11)
    rows = []
    for preset, every in (("fri-noon", 1), ("month", 4)):
        for week in range(every, weeks + 1, every):
            start = WINDOW.start - week * 7 * DAY
            window = Span(start, start + every * 7 * DAY)
            actual = round(chance.gauss(490 * every, 60))
            for day in (0, 2, 4, 6):
                rows.append(_scored_window(chance, model_id, preset, window, day, actual))
    with writing(engine) as connection:
        connection.execute(insert(tables.WindowForecast), rows)


def store_notice(engine: Engine, message: str) -> None:
    """A notice that is open."""
    row = {
        "kind": "level_drift",
        "since": NOW - 9 * DAY,
        "found_at": NOW - DAY,
        "message": message,
        "details": "{}",
        "resolved_at": None,
    }
    with writing(engine) as connection:
        connection.execute(insert(tables.Notice).values(row))


def store_quantiles(engine: Engine) -> None:
    """All quantiles of the newest forecast of 24 h."""
    levels = (0.005, *(k / 40 for k in range(1, 40)), 0.995)
    hours = [[round(3 + 2 * NormalDist().inv_cdf(p))] * 24 for p in levels]
    running = [
        [max(round(3.6 * k + 2.2 * k**0.5 * NormalDist().inv_cdf(p)), 0) for k in range(1, 25)] for p in levels
    ]
    newest = select(tables.ForecastTotal.id).where(
        tables.ForecastTotal.model_metadata_id == MODEL_ID, tables.ForecastTotal.forecast_time == ORIGIN
    )
    with writing(engine) as connection:
        row = {
            "forecast_total_id": connection.scalar(newest),
            "content": quantiles.pack(Quantiles(levels, hours, running)),
        }
        connection.execute(insert(tables.ForecastQuantiles).values(row))


def store_effects(engine: Engine) -> None:
    """A version that has found what events do, and its forecast, the newest."""
    told = {"converged": True, "parameters": EFFECTS, "values": {"events": 9, "events:launch": 6}}
    version = {
        "id": 3,
        "model_name": "har_bootstrap",
        "model_version": "1",
        "trained_at": NOW - HOUR,
        "training_start_date": NOW - 300 * DAY,
        "training_end_date": ORIGIN,
        "hyperparameters": "{}",
        "diagnostics": json.dumps(told),
        "counting": "all",
    }
    with writing(engine) as connection:
        connection.execute(insert(tables.ModelMetadata).values(version))
        connection.execute(insert(tables.Forecast), [_hour(3, k) for k in range(24)])
        connection.execute(insert(tables.ForecastTotal).values(_total(3)))


def what_if_result(days: int = 7) -> dict[str, Any]:
    """What a comparison of a launch with no launch comes to."""
    dates = [ORIGIN.date() + timedelta(days=k) for k in range(days + 1)]
    hours = [24 - ORIGIN.hour, *[24] * (days - 1), ORIGIN.hour]

    def scenario(extra: float, mean: float = 2.8) -> dict[str, Any]:
        found = [
            {"date": date.isoformat(), "hours": size, **_described(size * mean + extra * (k == 2), 12 if mean else 4)}
            for k, (date, size) in enumerate(zip(dates, hours, strict=True))
        ]
        return {"total": _described(days * 24 * mean + extra, 40 if mean else 9), "days": found}

    launch = {
        "start": iso(ORIGIN + 44 * HOUR),
        "end": iso(ORIGIN + 48 * HOUR),
        "intensity": 0.8,
        "category": "launch",
    }
    return {
        "model": "negative_binomial",
        "version": "1",
        "model_metadata_id": MODEL_ID,
        "forecast_time": iso(ORIGIN),
        "horizon_hours": days * 24,
        "until": iso(ORIGIN + days * DAY),
        "data_until": iso(ORIGIN),
        "counting": "all",
        "timezone": "UTC",
        "events": [{"id": None, "name": "what if", **launch}],
        "with": scenario(21.0),
        "without": scenario(0.0),
        "difference": scenario(21.0, mean=0.0),
        "warnings": [],
    }


def store_run(engine: Engine, kind: str, result: dict[str, Any] | None, status: str = "succeeded") -> int:
    """A run that has ended, the newest."""
    with writing(engine) as connection:
        number = int(connection.scalar(select(func.max(tables.RunRow.id))) or 0) + 1
        connection.execute(
            insert(tables.RunRow).values(
                id=number,
                kind=kind,
                status=status,
                parameters="{}",
                result=json.dumps(result) if result is not None else None,
                created_at=NOW - HOUR / 6,
                started_at=NOW - HOUR / 6,
                finished_at=NOW - HOUR / 12,
                heartbeat_at=NOW - HOUR / 12,
                host="tower",
                pid=5000,
                who="ada@tower",
            )
        )
    return number


def _hour(model_id: int, k: int) -> dict[str, Any]:
    bounds = {
        f"{end}_bound_{level}": value
        for level, ends in ((50, (2, 4)), (80, (1, 6)), (95, (0, 9)))
        for end, value in zip(("lower", "upper"), ends, strict=True)
    }
    return {
        "model_metadata_id": model_id,
        "forecast_time": ORIGIN,
        "target_time": ORIGIN + k * HOUR,
        "predicted_count": 3.0,
        "created_at": NOW,
        **bounds,
    }


def _total(model_id: int) -> dict[str, Any]:
    return {
        "model_metadata_id": model_id,
        "forecast_time": ORIGIN,
        "horizon_hours": 24,
        "n_paths": 2000,
        "seed": 1,
        "counting": "all",
        "predicted_total": 72.0,
        "quantiles": json.dumps({"0.025": 40, "0.1": 52, "0.25": 62, "0.5": 71, "0.75": 82, "0.9": 95, "0.975": 110}),
        "warnings": "[]",
        "created_at": NOW,
    }


def _moments(hours: range) -> list[datetime]:
    return [WINDOW.start + hour * HOUR for hour in hours]


def _posts(engine: Engine, moment: datetime) -> tuple[int, datetime]:
    post = tables.RawTweet
    query = select(func.count()).where(post.created_at >= WINDOW.start, post.created_at < moment)
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0), moment


def _window_forecast(
    so_far: tuple[int, datetime], origin: datetime, width: str, made_after: timedelta
) -> dict[str, Any]:
    count, _ = so_far
    left = (WINDOW.end - origin) / HOUR
    total = NormalDist(count + RATE * left, 2.6 * left**0.5 + 0.5)
    listed = parse(width)
    edges = [total.cdf(one.lower - 0.5) for one in listed] + [1.0]
    live = [
        0.0 if one.passed(count) else high - low for one, low, high in zip(listed, edges, edges[1:], strict=False)
    ]
    brackets = json.dumps([[one.lower, one.upper] for one in listed])
    levels = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
    return {
        "model_metadata_id": MODEL_ID,
        "made_at": origin + made_after,
        "forecast_time": origin,
        "window_start": WINDOW.start,
        "window_end": WINDOW.end,
        "preset": "fri-noon",
        "timezone": "America/New_York",
        "brackets": brackets,
        "brackets_sha256": hashlib.sha256(brackets.encode()).hexdigest(),
        "counting": "all",
        "n_paths": 2000,
        "seed": 1,
        "counted_until": origin,
        "count_so_far": count,
        "lower_bound": False,
        "hours_to_come": left,
        "predicted_total": total.mean,
        "quantiles": json.dumps({f"{p:g}": max(total.inv_cdf(p), count) for p in levels}),
        "bracket_probabilities": json.dumps([one / sum(live) for one in live]),
        "warnings": "[]",
        "created_at": origin + made_after,
    }


def _scored_window(
    chance: random.Random, model_id: int, preset: str, window: Span, day: int, actual: int
) -> dict[str, Any]:
    spread = 60 * (1 - day / 7.5)
    total = NormalDist(actual + chance.gauss(0, 1.4 * spread), spread)
    listed = parse("20")
    edges = [0.0, *(total.cdf(one.lower - 0.5) for one in listed[1:]), 1.0]
    brackets = json.dumps([[one.lower, one.upper] for one in listed])
    levels = sorted({*MIDPOINTS, 0.1, 0.25, 0.5, 0.75, 0.9})
    made = window.start + day * DAY + HOUR / 10
    return {
        "model_metadata_id": model_id,
        "made_at": made,
        "forecast_time": floor_hour(made),
        "window_start": window.start,
        "window_end": window.end,
        "preset": preset,
        "timezone": "America/New_York",
        "brackets": brackets,
        "brackets_sha256": hashlib.sha256(brackets.encode()).hexdigest(),
        "counting": "all",
        "n_paths": 2000,
        "seed": 1,
        "counted_until": floor_hour(made),
        "count_so_far": 0,
        "lower_bound": False,
        "hours_to_come": window.hours() - 24 * day,
        "predicted_total": total.mean,
        "quantiles": json.dumps({f"{p:g}": total.inv_cdf(p) for p in levels}),
        "bracket_probabilities": json.dumps([high - low for low, high in itertools.pairwise(edges)]),
        "warnings": "[]",
        "actual_total": actual,
        "scored_at": NOW,
        "created_at": made,
    }


def _score(chance: random.Random, model_id: int, origin: datetime, horizon: int) -> dict[str, Any]:
    pit = min(max(chance.gauss(0.5, 0.31), 0.001), 0.999)
    mean = 2.8 * horizon
    crps = (0.4 + chance.random()) * horizon**0.7
    return {
        "model_metadata_id": model_id,
        "forecast_time": origin,
        "horizon_hours": horizon,
        "counting": "all",
        "actual": round(mean * (0.5 + pit)),
        "predicted": mean,
        "crps": crps,
        "reference_crps": crps * (0.95 + 0.4 * chance.random()),
        "log_score": 3.0,
        "pit": pit,
        **{f"inside_{level}": abs(pit - 0.5) <= level / 200 for level in (50, 80, 95)},
        "above_95": pit > 0.975,
        "below_95": pit < 0.025,
        "scored_at": NOW,
    }


def _described(mean: float, spread: float) -> dict[str, float]:
    normal = NormalDist(mean, spread)
    ends = {
        f"{end}_{level}": normal.inv_cdf(0.5 + sign * level / 200)
        for level in (50, 80, 95)
        for end, sign in (("lower", -1), ("upper", 1))
    }
    return {"mean": mean, "median": mean, **ends}
