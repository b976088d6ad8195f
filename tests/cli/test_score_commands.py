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
from musktracker.db.tables import Coverage, Forecast, ForecastTotal, ModelMetadata, TimeBucket, WindowForecast
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
    assert out.startswith("Filled in or corrected: 2 hours, 1 total and 0 windows, counting all")
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


def test_windows_that_came_to_pass_are_printed_with_their_scores(
    command: Command, forecasted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    totals = {f"{p / 1000:g}": p / 50 for p in range(1, 1000)}
    row = {
        "model_metadata_id": 1,
        "made_at": ORIGIN,
        "forecast_time": ORIGIN,
        "window_start": ORIGIN,
        "window_end": ORIGIN + 2 * HOUR,
        "preset": "48h",
        "timezone": "America/New_York",
        "brackets": "[[0, 9], [10, null]]",
        "brackets_sha256": "0" * 64,
        "counting": "all",
        "n_paths": 100,
        "seed": 1,
        "counted_until": ORIGIN,
        "count_so_far": 0,
        "lower_bound": False,
        "hours_to_come": 2.0,
        "predicted_total": 10,
        "quantiles": json.dumps(totals),
        "bracket_probabilities": "[0.5, 0.5]",
        "warnings": "[]",
        "created_at": ORIGIN,
    }
    span = {"source": "file", "span_start": ORIGIN, "span_end": ORIGIN + 2 * HOUR, "created_at": ORIGIN}
    with writing(forecasted) as connection:
        connection.execute(insert(WindowForecast).values(row))
        connection.execute(insert(Coverage).values(span))
    assert command() == 0
    out = capsys.readouterr().out
    assert "and 1 window, counting all" in out
    line = next(line for line in out.splitlines() if " 48h " in line)
    # nothing came: u = 0 of a uniform on 0 to 20, below its 95% bounds, and the first bracket of two
    assert line.split() == [
        "seasonal_naive",
        "v1",
        "48h",
        "1",
        "6.67",
        "0.69",
        "0.00",
        "10.00",
        "0%",
        "0%",
        "0%",
        "0",
        "1",
    ]
