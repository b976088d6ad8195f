"""Reading scores, notices and all that a forecast said, without numpy."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, insert

from musktracker.db import quantiles
from musktracker.db.engines import writing
from musktracker.db.quantiles import Quantiles
from musktracker.db.queries import calibration
from musktracker.db.tables import ForecastQuantiles, ForecastScore, ForecastTotal, ModelMetadata, Notice
from musktracker.pipeline.calibration import report
from musktracker.timeline import DAY, HOUR

ORIGIN = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def modelled(engine: Engine) -> Engine:
    """Two versions without forecasts."""
    with writing(engine) as connection:
        connection.execute(
            insert(ModelMetadata),
            [
                {
                    "id": key,
                    "model_name": "hawkes",
                    "model_version": f"v{key}",
                    "trained_at": ORIGIN,
                    "training_start_date": ORIGIN - 100 * DAY,
                    "training_end_date": ORIGIN - DAY,
                }
                for key in (1, 2)
            ],
        )
    return engine


def add_score(engine: Engine, model: int, origin: datetime, horizon: int, **more: Any) -> None:
    values = {
        "model_metadata_id": model,
        "forecast_time": origin,
        "horizon_hours": horizon,
        "counting": "all",
        "actual": 40,
        "predicted": 38.5,
        "crps": 3.25,
        "reference_crps": None,
        "log_score": None,
        "pit": 0.6,
        "inside_50": False,
        "inside_80": True,
        "inside_95": True,
        "above_95": False,
        "below_95": False,
        "scored_at": origin + 2 * DAY,
    }
    with writing(engine) as connection:
        connection.execute(insert(ForecastScore).values(values | more))


def add_notice(engine: Engine, found: datetime, resolved: datetime | None = None) -> None:
    values = {"kind": "level_drift", "since": found - 5 * DAY, "message": "the level rose", "details": '{"ratio": 2}'}
    with writing(engine) as connection:
        connection.execute(insert(Notice).values(**values, found_at=found, resolved_at=resolved))


def test_where_nothing_is_stored_nothing_is_read(engine: Engine) -> None:
    assert calibration.scores(engine) == []
    assert calibration.notices(engine) == []
    assert calibration.said(engine, 1) is None


def test_scores_come_from_the_newest_origin_back_with_their_version(modelled: Engine) -> None:
    add_score(modelled, 1, ORIGIN - DAY, 24)
    add_score(modelled, 2, ORIGIN, 24, reference_crps=4.5)
    first, second = calibration.scores(modelled)
    assert (first.model, first.version, first.origin, first.reference_crps) == ("hawkes", "v2", ORIGIN, 4.5)
    assert (second.version, second.origin, second.reference_crps) == ("v1", ORIGIN - DAY, None)
    assert (first.horizon, first.actual, first.crps, first.pit) == (24, 40, 3.25, 0.6)
    assert first.inside == {50: False, 80: True, 95: True}
    assert calibration.scores(modelled, limit=1) == [first]


def test_scores_can_be_asked_for_by_time_version_and_horizon(modelled: Engine) -> None:
    for model in (1, 2):
        for horizon in (6, 24):
            for origin in (ORIGIN, ORIGIN - DAY):
                add_score(modelled, model, origin, horizon)
    assert len(calibration.scores(modelled, since=ORIGIN)) == 4
    assert len(calibration.scores(modelled, since=ORIGIN, model_metadata_id=1)) == 2
    assert len(calibration.scores(modelled, since=ORIGIN, model_metadata_id=1, horizon=6)) == 1


def test_scores_are_put_together_by_version_and_horizon(modelled: Engine) -> None:
    add_score(modelled, 1, ORIGIN, 24, crps=2.0, reference_crps=4.0, pit=0.0, inside_50=True)
    add_score(
        modelled, 1, ORIGIN + 6 * HOUR, 24, crps=4.0, reference_crps=6.0, pit=0.95, inside_95=False, above_95=True
    )
    add_score(modelled, 1, ORIGIN + 30 * HOUR, 24, crps=9.0, pit=1.0)
    add_score(modelled, 1, ORIGIN, 6)
    add_score(modelled, 2, ORIGIN, 24, counting="without_replies")
    short, day = calibration.by_horizon(modelled, "all")
    assert (short.horizon, short.n, short.apart, short.reference_crps, short.skill) == (6, 1, 1, None, None)
    assert (day.model, day.version, day.horizon, day.n, day.apart) == ("hawkes", "v1", 24, 3, 2)
    assert (day.crps, day.reference_crps, day.bias) == (5.0, 5.0, -1.5)
    assert day.skill == pytest.approx(1 - 3 / 5)
    assert day.coverages == pytest.approx((1 / 3, 1, 2 / 3))
    assert (day.above_95, day.below_95) == (1, 0)
    assert day.pit == pytest.approx((1 / 3, *(0,) * 8, 2 / 3))
    (later,) = calibration.by_horizon(modelled, "all", since=ORIGIN + HOUR)
    assert later.n == 2
    assert [one.version for one in calibration.by_horizon(modelled, "without_replies")] == ["v2"]


def test_scores_by_week_are_those_of_the_report(modelled: Engine) -> None:
    rng = np.random.default_rng(2)
    steps = [step for step in range(0, 800, 7) if not 200 < step < 400]
    for step in steps:
        reference = None if step % 3 == 0 else 3.0 + float(rng.random())
        add_score(modelled, 1, ORIGIN - step * HOUR, 24, crps=float(rng.random()), reference_crps=reference)
    found = calibration.by_week(modelled, "all", 1, 24)
    [judged] = report(modelled, begin=ORIGIN - 60 * DAY)["horizons"]
    theirs = [(week["n"], week["crps"], week["reference_crps"]) for week in judged["weeks"]]
    assert [one.n for one in found] == [week[0] for week in theirs]
    for one, week in zip(found, theirs, strict=True):
        assert (one.crps, one.reference_crps) == pytest.approx(week[1:])
    assert calibration.by_week(modelled, "all", 1, 24, weeks=2)[0] == found[-2]
    assert calibration.by_week(modelled, "without_replies", 1, 24) == []


def test_a_week_without_a_score_is_told_as_such(modelled: Engine) -> None:
    add_score(modelled, 1, ORIGIN, 24, crps=2.0, reference_crps=4.0)
    add_score(modelled, 1, ORIGIN - 15 * DAY, 24, crps=1.0)
    first, empty, last = calibration.by_week(modelled, "all", 1, 24)
    assert (first.n, first.crps, first.reference_crps, first.skill) == (1, 1.0, None, None)
    assert (empty.n, empty.crps) == (0, None)
    assert (last.end, last.skill) == (ORIGIN, 0.5)


def test_what_chance_makes_of_a_share_narrows_with_what_stands_apart(modelled: Engine) -> None:
    for step in range(30):
        add_score(modelled, 1, ORIGIN - step * HOUR, 6)
    [found] = calibration.by_horizon(modelled, "all")
    assert found.apart == 5
    low, high = found.expected(0.5)
    assert (low, high) == (pytest.approx(0.5 - 1.96 * (0.25 / 5) ** 0.5, abs=1e-4), pytest.approx(1 - low))
    assert found.expected(0.95)[1] == 1


def test_open_notices_are_read_and_those_resolved_since_a_time(engine: Engine) -> None:
    add_notice(engine, ORIGIN - 90 * DAY, ORIGIN - 60 * DAY)
    add_notice(engine, ORIGIN - 30 * DAY, ORIGIN - 20 * DAY)
    add_notice(engine, ORIGIN - 10 * DAY)
    (still,) = calibration.notices(engine)
    assert (still.kind, still.message, still.details) == ("level_drift", "the level rose", {"ratio": 2})
    assert (still.since, still.resolved_at) == (ORIGIN - 15 * DAY, None)
    assert [one.found_at for one in calibration.notices(engine, since=ORIGIN - 25 * DAY)] == [
        ORIGIN - 10 * DAY,
        ORIGIN - 30 * DAY,
    ]


def test_all_that_a_forecast_said_can_be_read_back(modelled: Engine) -> None:
    said = Quantiles([0.25, 0.75], [[1, 0], [3, 2]], [[1, 2], [3, 5]])
    values = {
        "id": 7,
        "model_metadata_id": 1,
        "forecast_time": ORIGIN,
        "horizon_hours": 2,
        "n_paths": 100,
        "seed": 1,
        "counting": "all",
        "predicted_total": 3.5,
        "quantiles": "{}",
        "warnings": "[]",
        "created_at": ORIGIN + HOUR,
    }
    with writing(modelled) as connection:
        connection.execute(insert(ForecastTotal).values(values))
        connection.execute(insert(ForecastQuantiles).values(forecast_total_id=7, content=quantiles.pack(said)))
    assert calibration.said(modelled, 7) == said


def test_the_console_can_read_them_without_numpy() -> None:
    program = "import sys, musktracker.db.queries.calibration; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
