"""Reading stored forecasts: the newest first, their hours, their days, and how well they did."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from musktracker.db.engines import writing
from musktracker.db.queries import forecasts
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata, RunRow
from musktracker.timeline import HOUR, iso

ORIGIN = datetime(2026, 1, 10, 12, tzinfo=UTC)
QUANTILES = {"0.025": 10.0, "0.1": 14.0, "0.25": 18.0, "0.5": 22.0, "0.75": 26.0, "0.9": 31.0, "0.975": 40.0}


def add_model(engine: Engine, key: int, name: str = "seasonal_naive") -> None:
    values = {
        "id": key,
        "model_name": name,
        "model_version": f"v{key}",
        "trained_at": ORIGIN,
        "training_start_date": ORIGIN - 1000 * HOUR,
        "training_end_date": ORIGIN - HOUR,
    }
    with writing(engine) as connection:
        connection.execute(insert(ModelMetadata).values(values))


def add_forecast(
    engine: Engine, key: int, origin: datetime, horizon: int, *, actual: list[int] | None = None, **more: Any
) -> None:
    happened = actual or []
    hours = [
        {
            "model_metadata_id": key,
            "forecast_time": origin,
            "target_time": origin + k * HOUR,
            "predicted_count": 2.0,
            "lower_bound_50": 1.0,
            "upper_bound_50": 3.0,
            "lower_bound_95": 0.0,
            "upper_bound_95": 5.0,
            "actual_count": happened[k] if k < len(happened) else None,
            "created_at": origin,
        }
        for k in range(horizon)
    ]
    total = {
        "model_metadata_id": key,
        "forecast_time": origin,
        "horizon_hours": horizon,
        "n_paths": 2000,
        "seed": 1,
        "counting": "all",
        "predicted_total": 2.0 * horizon,
        "quantiles": json.dumps(QUANTILES),
        "warnings": json.dumps(["The data end early"]),
        "created_at": origin,
    }
    with writing(engine) as connection:
        connection.execute(insert(Forecast), hours)
        connection.execute(insert(ForecastTotal).values(total | more))


def test_without_forecasts_there_is_nothing_to_read(engine: Engine) -> None:
    assert forecasts.latest(engine) is None
    assert forecasts.listed(engine) == []
    assert forecasts.accuracy(engine) == []


def test_the_newest_origin_comes_first(engine: Engine) -> None:
    add_model(engine, 1)
    for days in (2, 0, 1):
        add_forecast(engine, 1, ORIGIN - timedelta(days=days), 24)
    assert [head.origin for head in forecasts.listed(engine)] == [ORIGIN - timedelta(days=d) for d in (0, 1, 2)]
    assert len(forecasts.listed(engine, 2)) == 2


def test_the_latest_can_be_asked_for_of_a_version_and_a_horizon(engine: Engine) -> None:
    add_model(engine, 1)
    add_model(engine, 2)
    add_forecast(engine, 1, ORIGIN, 24)
    add_forecast(engine, 2, ORIGIN - 24 * HOUR, 48)
    for asked in ({"model_metadata_id": 2}, {"horizon": 48}):
        found = forecasts.latest(engine, **asked)
        assert found is not None
        assert found.version == "v2"
    assert forecasts.latest(engine, model_metadata_id=1, horizon=48) is None


def test_a_head_tells_the_total_with_its_intervals_and_warnings(engine: Engine) -> None:
    add_model(engine, 1, "negative_binomial")
    add_forecast(engine, 1, ORIGIN, 24, actual_total=51)
    [head] = forecasts.listed(engine)
    assert (head.model, head.version, head.total, head.actual_total) == ("negative_binomial", "v1", 48.0, 51)
    assert [head.interval(level) for level in forecasts.LEVELS] == [(18, 26), (14, 31), (10, 40)]
    assert head.interval(99) is None
    assert head.warnings == ("The data end early",)
    assert head.until == ORIGIN + 24 * HOUR


def test_hours_end_with_the_horizon_where_a_longer_forecast_shares_them(engine: Engine) -> None:
    add_model(engine, 1)
    add_forecast(engine, 1, ORIGIN, 30)
    with writing(engine) as connection:
        values = {"model_metadata_id": 1, "forecast_time": ORIGIN, "horizon_hours": 6, "n_paths": 100, "seed": 1}
        texts = {
            "counting": "all",
            "predicted_total": 12.0,
            "quantiles": "{}",
            "warnings": "[]",
            "created_at": ORIGIN,
        }
        connection.execute(insert(ForecastTotal).values(values | texts))
    short = forecasts.latest(engine, horizon=6)
    assert short is not None
    found = forecasts.hours(engine, short)
    assert [hour.start for hour in found] == [ORIGIN + k * HOUR for k in range(6)]
    assert found[0].intervals == ((1.0, 3.0), None, (0.0, 5.0))


def test_accuracy_counts_only_scored_hours(engine: Engine) -> None:
    add_model(engine, 1)
    add_model(engine, 2)
    add_forecast(engine, 1, ORIGIN, 24, actual=[2, 3, 9, 0])
    add_forecast(engine, 2, ORIGIN, 24)
    [found] = forecasts.accuracy(engine)
    assert (found.version, found.n) == ("v1", 4)
    assert found.mae == pytest.approx((0 + 1 + 7 + 2) / 4)
    assert found.bias == pytest.approx((0 - 1 - 7 + 2) / 4)
    assert found.coverages == (pytest.approx(0.5), None, pytest.approx(0.75))


def test_days_come_from_the_run_that_made_the_forecast(engine: Engine) -> None:
    add_model(engine, 1)
    add_forecast(engine, 1, ORIGIN, 24)
    [head] = forecasts.listed(engine)
    assert forecasts.days(engine, head, "UTC") == []
    day = {"date": "2026-01-11", "hours": 12, "mean": 20.5, "median": 20.0}
    day |= {f"{end}_{level}": value for level in forecasts.LEVELS for end, value in (("lower", 9), ("upper", 31))}
    result = {
        "model_metadata_id": 1,
        "forecast_time": iso(ORIGIN),
        "horizon_hours": 24,
        "n_paths": 2000,
        "seed": 1,
        "timezone": "UTC",
        "days": [day],
    }
    with writing(engine) as connection:
        values = {"kind": "forecast", "status": "succeeded", "parameters": "{}", "host": "h", "who": "w"}
        connection.execute(insert(RunRow).values(**values, created_at=ORIGIN, result=json.dumps(result)))
    assert forecasts.days(engine, head, "UTC") == [
        forecasts.DayForecast(date(2026, 1, 11), 12, 20.5, ((9.0, 31.0),) * 3)
    ]
    assert forecasts.days(engine, head, "America/New_York") == []
