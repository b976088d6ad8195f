"""What grows with every hour is kept for a while; scores, and what history refers to, for good."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, insert, select
from stored_hours import START, store_hours
from stored_versions import store_version

from musktracker.db.engines import reading, writing
from musktracker.db.tables import (
    AliasChange,
    Backtest,
    BacktestScore,
    Base,
    Forecast,
    ForecastQuantiles,
    ForecastScore,
    ForecastTotal,
    TimeBucket,
)
from musktracker.pipeline import calibration, retention
from musktracker.pipeline.forecast import forecast
from musktracker.pipeline.monitor import score
from musktracker.pipeline.retention import FORECASTS_KEPT, GATES_KEPT, prune
from musktracker.pipeline.train import train
from musktracker.reporting import Run
from musktracker.timeline import DAY, iso, now

DAYS = 36
ORIGIN = START + DAYS * DAY
MINUTE = timedelta(minutes=1)


@pytest.fixture
def scored(engine: Engine, tmp_path: Path) -> Engine:
    """Forecasts of 24 and of 168 hours, of which two days have come, and their scores."""
    counts = np.random.default_rng(1).poisson(3, 24 * DAYS)
    store_hours(engine, counts)
    train(
        engine,
        Run(),
        model="seasonal_naive",
        backtest_origins=0,
        until=iso(ORIGIN - DAY),
        artifact_dir=str(tmp_path),
    )
    for horizon in (24, 168):
        forecast(engine, Run(), horizon=horizon, n_paths=200, as_of=iso(ORIGIN))
    store_hours(engine, [3] * 48, ORIGIN)
    score(engine, Run())
    return engine


def count(engine: Engine, table: type[Base]) -> int:
    with reading(engine) as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def rows(engine: Engine, table: type[Base]) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(table.__table__).order_by("id")))


def test_forecasts_that_were_made_lately_of_the_past_are_not_old(scored: Engine) -> None:
    pruned = prune(scored, now() + FORECASTS_KEPT - MINUTE)
    assert (pruned["forecast_hours"], pruned["forecast_quantiles"]) == (0, 0)


def test_of_old_forecasts_what_came_to_pass_and_what_was_scored_goes(
    scored: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 20)
    pruned = prune(scored, now() + FORECASTS_KEPT + MINUTE)
    assert (pruned["forecast_hours"], pruned["forecast_quantiles"]) == (48, 1)
    assert all(row.actual_count is None for row in rows(scored, Forecast))
    assert count(scored, Forecast) == 168 - 48
    with reading(scored) as connection:
        left = connection.scalars(
            select(ForecastTotal.horizon_hours).join(
                ForecastQuantiles, ForecastQuantiles.forecast_total_id == ForecastTotal.id
            )
        )
        assert list(left) == [168]


def test_totals_and_scores_outlive_the_quantiles_that_they_were_made_from(scored: Engine) -> None:
    totals, scores = rows(scored, ForecastTotal), rows(scored, ForecastScore)
    with writing(scored) as connection:
        connection.execute(delete(ForecastQuantiles))
    again = score(scored, Run())
    assert (again["scores_made"], again["scores_removed"]) == (0, 0)
    assert (rows(scored, ForecastTotal), rows(scored, ForecastScore)) == (totals, scores)
    assert calibration.report(scored, begin=START)["unscorable"] == 1  # the week, which nothing can score any more
    with writing(scored) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_start >= ORIGIN))
    assert score(scored, Run())["scores_removed"] == 0


def test_backtests_of_gates_go_but_for_those_that_history_names(engine: Engine) -> None:
    store_version(engine, 1)
    with writing(engine) as connection:
        for key, name in enumerate(("gate-named", "gate-forgotten", "gatepost", "20250101-20251231-00000000"), 1):
            connection.execute(insert(Backtest).values(id=key, name=name, **_backtest()))
            connection.execute(
                insert(BacktestScore).values(backtest_id=key, model_name="hawkes", origin=START, refused="too short")
            )
        change = {"alias": "champion", "before": None, "after": 1, "changed_at": START, "who": "somebody"}
        gate = json.dumps({"backtests": ["gate-named"]})
        connection.execute(insert(AliasChange), [{**change, "gate": gate}, {**change, "gate": None}])
    assert prune(engine, START + GATES_KEPT)["backtests_of_gates"] == 0
    assert prune(engine, START + GATES_KEPT + MINUTE)["backtests_of_gates"] == 1
    assert [row.name for row in rows(engine, Backtest)] == ["gate-named", "gatepost", "20250101-20251231-00000000"]
    assert count(engine, BacktestScore) == 3


def _backtest() -> dict[str, Any]:
    return {
        "created_at": START,
        "span_start": START,
        "span_end": START + DAY,
        "counting": "all",
        "data_digest": "0" * 64,
        "protocol": "{}",
    }
