"""Reading versions of models: the last trained first, with what their fit told."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from musktracker.db.engines import writing
from musktracker.db.queries import models
from musktracker.db.tables import ForecastTotal, ModelMetadata

TRAINED = datetime(2026, 1, 10, 12, tzinfo=UTC)


def add_version(engine: Engine, key: int, **more: Any) -> None:
    values = {
        "id": key,
        "model_name": "negative_binomial",
        "model_version": f"v{key}",
        "trained_at": TRAINED + timedelta(days=key),
        "training_start_date": TRAINED - timedelta(days=365),
        "training_end_date": TRAINED,
    }
    with writing(engine) as connection:
        connection.execute(insert(ModelMetadata).values(values | more))


def test_the_last_trained_comes_first(engine: Engine) -> None:
    for key in (2, 1, 3):
        add_version(engine, key)
    assert [found.version for found in models.versions(engine)] == ["v3", "v2", "v1"]


def test_what_the_fit_told_is_read(engine: Engine) -> None:
    told = {
        "converged": True,
        "warnings": ["3 hours held"],
        "notes": ["2 days have unobserved hours"],
        "parameters": {"dispersion": {"estimate": 1.4, "standard_error": 0.02}},
        "values": {"aic": 100.5},
        "backtest": {"crps": 1.2, "origins": 20},
        "seconds": 1.5,
    }
    add_version(
        engine,
        1,
        hyperparameters=json.dumps({"window_days": 365}),
        diagnostics=json.dumps(told),
        mae=1.44,
        counting="all",
    )
    [found] = models.versions(engine)
    assert found.hyperparameters == {"window_days": 365}
    assert found.parameters == (models.Parameter("dispersion", 1.4, 0.02),)
    assert (found.converged, found.warnings, found.notes) == (
        True,
        ("3 hours held",),
        ("2 days have unobserved hours",),
    )
    assert (found.values["aic"], found.backtest["crps"], found.seconds, found.mae) == (100.5, 1.2, 1.5, 1.44)


def test_a_version_that_told_nothing_is_read_all_the_same(engine: Engine) -> None:
    add_version(engine, 1, hyperparameters="not JSON", diagnostics=None)
    [found] = models.versions(engine)
    assert (found.hyperparameters, found.parameters, found.converged, found.backtest) == ({}, (), None, {})


def test_its_forecasts_are_counted(engine: Engine) -> None:
    add_version(engine, 1)
    add_version(engine, 2)
    values = {"model_metadata_id": 2, "n_paths": 100, "seed": 1, "counting": "all", "predicted_total": 1.0}
    texts = {"quantiles": "{}", "warnings": "[]", "created_at": TRAINED, "forecast_time": TRAINED}
    with writing(engine) as connection:
        for horizon in (24, 168):
            connection.execute(insert(ForecastTotal).values(**values, **texts, horizon_hours=horizon))
    assert [found.forecasts for found in models.versions(engine)] == [2, 0]


def test_equal_rows_read_twice_are_equal(engine: Engine) -> None:
    add_version(engine, 1, diagnostics=json.dumps({"values": {"aic": 1}}))
    assert models.versions(engine) == models.versions(engine)


def test_effects_of_events_are_read_with_interval_and_number(engine: Engine) -> None:
    told = {
        "parameters": {
            "0-24h:7d": {"estimate": 0.3, "standard_error": 0.1},
            "event": {"estimate": 0.1, "standard_error": 0.2},
            "event:": {"estimate": 0.0, "standard_error": 0.3},
            "event:launch": {"estimate": math.log(1.5), "standard_error": 0.2},
            "event_intensity": {"estimate": 1.0, "standard_error": 0.2},
        },
        "values": {"events": 7, "events:": 2, "events:launch": 5},
    }
    add_version(engine, 1, diagnostics=json.dumps(told))
    add_version(engine, 2)
    found = models.newest_with_effects(engine)
    assert found is not None
    assert found.version == "v1"
    assert [(one.category, one.events) for one in found.event_effects] == [("launch", 5), ("", 2), (None, 7)]
    launch = found.event_effects[0]
    assert launch.percent == pytest.approx(50)
    assert (launch.lower, launch.upper) == pytest.approx((1.4, 122.0), abs=0.1)
    assert models.newest_with_effects(engine, version="v2") is None
