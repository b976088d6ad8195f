"""The agenda: each step with its last run and its next time, as the service would say, whether one runs or not."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from musktracker import run_info, runs
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import ModelMetadata, RunRow, TimeBucket
from musktracker.pipeline import agenda, alerts
from musktracker.pipeline.agenda import Task
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR

NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
SLOT = datetime(2026, 3, 2, 12, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A database with an hour and a version of a model, at a moment that stays."""
    for module in (runs, run_info):
        monkeypatch.setattr(module, "now", lambda: NOW)
    hour = {"bucket_start": SLOT.replace(minute=0) - HOUR, "bucket_end": SLOT.replace(minute=0)}
    version = {"model_name": "seasonal_naive", "model_version": "v1", "trained_at": NOW - DAY}
    version |= {"training_start_date": NOW - 30 * DAY, "training_end_date": NOW - DAY}
    with writing(engine) as connection:
        values = {"granularity": "hourly", "tweet_count": 0, "computed_at": NOW}
        connection.execute(insert(TimeBucket).values(**hour, **values))
        connection.execute(insert(ModelMetadata).values(version))
    return engine


def done(engine: Engine, kind: str, began: datetime, status: str = "succeeded", **parameters: Any) -> int:
    run_id = runs.create(engine, kind, parameters)
    ended = None if status == "running" else began + MINUTE
    values = {"status": status, "created_at": began, "started_at": began, "finished_at": ended}
    with writing(engine) as connection:
        connection.execute(update(RunRow).where(RunRow.id == run_id).values(**values, heartbeat_at=ended or NOW))
    return run_id


def tasks(engine: Engine, settings: Settings) -> dict[str, Task]:
    return {task.name: task for task in agenda.read(engine, settings, NOW).tasks}


def test_what_is_done_is_next_at_its_next_regular_time(counted: Engine, settings: Settings) -> None:
    run_id = done(counted, "refresh", SLOT + MINUTE)
    refresh = tasks(counted, settings)["refresh"]
    assert refresh.last is not None
    assert (refresh.last.id, refresh.next_at, refresh.waits_for) == (run_id, SLOT + HOUR, ())


def test_what_waits_for_others_names_those_that_were_not_tried(counted: Engine, settings: Settings) -> None:
    assert tasks(counted, settings)["forecast 168 h"].waits_for == ("refresh", "score", "forecast 24 h")
    done(counted, "refresh", SLOT + MINUTE)
    done(counted, "score", SLOT + 3 * MINUTE)
    assert tasks(counted, settings)["forecast 168 h"].waits_for == ("forecast 24 h",)


def test_what_failed_is_tried_again_and_what_goes_on_has_no_next_time(counted: Engine, settings: Settings) -> None:
    done(counted, "refresh", SLOT + MINUTE, "failed")
    done(counted, "score", SLOT + MINUTE, "running")
    found = tasks(counted, settings)
    assert found["refresh"].failures == 1
    assert found["refresh"].next_at is not None
    assert SLOT + 2 * MINUTE < found["refresh"].next_at <= SLOT + 3 * MINUTE
    assert found["score"].next_at is None


def test_a_forecast_by_another_model_is_the_last_one_but_does_not_do_the_step(
    counted: Engine, settings: Settings
) -> None:
    done(counted, "forecast", NOW - DAY, horizon=168)
    run_id = done(counted, "forecast", SLOT + MINUTE, horizon=168, model="seasonal_naive", version="v1")
    done(counted, "forecast", SLOT + 2 * MINUTE, horizon=24, model="seasonal_naive")
    done(counted, "forecast", SLOT + 3 * MINUTE, horizon=168, as_of="2026-02-01T00:00:00Z")  # of the past, not now
    found = tasks(counted, settings)["forecast 168 h"]
    assert found.last is not None
    assert (found.last.id, found.next_at, found.waits_for) == (run_id, SLOT, ("refresh", "score", "forecast 24 h"))


def test_a_window_by_another_model_is_the_last_one(counted: Engine, settings: Settings) -> None:
    run_id = done(counted, "window", SLOT + MINUTE, preset="fri-noon", model="seasonal_naive")
    found = tasks(counted, settings)
    assert found["window fri-noon"].last is not None
    assert found["window fri-noon"].last.id == run_id
    assert found["window tue-noon"].last is None


def test_what_failed_is_not_hidden_by_a_forecast_by_another_model(counted: Engine, settings: Settings) -> None:
    run_id = done(counted, "forecast", SLOT + MINUTE, "failed", horizon=168)
    done(counted, "forecast", SLOT + 2 * MINUTE, horizon=168, model="seasonal_naive")
    found = tasks(counted, settings)["forecast 168 h"]
    assert found.last is not None
    assert (found.last.id, found.failures) == (run_id, 1)


def test_a_training_brings_its_promotion(counted: Engine, settings: Settings) -> None:
    run_id = done(counted, "train", NOW - HOUR, model="har_bootstrap")
    with writing(counted) as connection:
        connection.execute(update(RunRow).where(RunRow.id == run_id).values(result='{"version": "v2"}'))
    assert "promote har_bootstrap" in tasks(counted, settings)


def test_it_tells_of_the_newest_service_who_follows_and_when_the_alerts_were_looked_at(
    counted: Engine, settings: Settings
) -> None:
    before = agenda.read(counted, settings, NOW)
    assert (before.service, before.looked_at, before.ingestion) == (None, None, "nobody follows yet")
    service = done(counted, "service", NOW - HOUR, "running", ingest=True)
    alerts.look(counted, Run(), NOW)
    found = agenda.read(counted, settings, NOW)
    assert found.service is not None
    assert (found.service.id, found.looked_at) == (service, NOW)


def test_a_schedule_is_read_and_checked_without_numpy() -> None:
    program = (
        "import sys; from musktracker.pipeline import agenda, alert_delivery, schedule;"
        "schedule.problems(schedule.texts(schedule.Plan())); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
