"""musktracker score: fills in what happened and prints how the forecasts did."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata, TimeBucket
from musktracker.timeline import HOUR

ORIGIN = datetime(2025, 3, 1, 5, tzinfo=UTC)
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker score on the test's database."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["score", *arguments])


@pytest.fixture
def forecasted(engine: Engine) -> Engine:
    """A forecast of two hours, both of which have come to pass."""
    common = {"model_metadata_id": 1, "forecast_time": ORIGIN, "created_at": ORIGIN}
    bounds = {f"{end}_bound_{level}": value for level in (50, 80, 95) for end, value in (("lower", 1), ("upper", 9))}
    hours = [ORIGIN, ORIGIN + HOUR]
    with writing(engine) as connection:
        connection.execute(
            insert(ModelMetadata).values(
                id=1,
                model_name="seasonal_naive",
                model_version="v1",
                trained_at=ORIGIN,
                training_start_date=ORIGIN - timedelta(days=28),
                training_end_date=ORIGIN,
            )
        )
        connection.execute(
            insert(Forecast), [{**common, **bounds, "predicted_count": 4, "target_time": hour} for hour in hours]
        )
        connection.execute(
            insert(ForecastTotal).values(
                **common,
                horizon_hours=2,
                n_paths=100,
                seed=1,
                counting="all",
                predicted_total=8,
                quantiles=json.dumps(
                    dict.fromkeys(("0.025", "0.1", "0.25"), 2) | dict.fromkeys(("0.75", "0.9", "0.975"), 9)
                ),
                warnings="[]",
            )
        )
        connection.execute(
            insert(TimeBucket),
            [
                {
                    "bucket_start": hour,
                    "bucket_end": hour + HOUR,
                    "granularity": "hourly",
                    "tweet_count": 5,
                    "computed_at": ORIGIN,
                }
                for hour in hours
            ],
        )
    return engine


def test_error_and_coverage_are_printed_by_version(
    command: Command, forecasted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    out = capsys.readouterr().out
    assert out.startswith("Filled in or corrected: 2 hours and 1 totals, counting all")
    lines = [" ".join(line.split()) for line in out.splitlines() if line.startswith("seasonal_naive")]
    assert lines[0] == "seasonal_naive v1 2 h 1 2.00 2.00 -2.00 0% 0% 0% 1 0 7.0"
    assert lines[1] == "seasonal_naive v1 first 24 h 2 1.00 1.00 -1.00 100% 100% 100% 0 0 8.0"


def test_a_second_time_fills_in_nothing(
    command: Command, forecasted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    command()
    capsys.readouterr()
    assert command("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["hours_filled"], result["totals_filled"], result["totals"][0]["n"]) == (0, 0, 1)


def test_since_takes_later_forecasts_alone(
    command: Command, forecasted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--since", "2025-03-02") == 0
    out = capsys.readouterr().out
    assert "Totals: none has come to pass yet" in out
    assert command("--since", "later") == 2
