"""musktracker monitor: prints what the stored scores say, and no more than they can."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, insert
from stored_hours import store_hours

from musktracker.cli.main import main
from musktracker.cli.monitor import bars
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import ForecastScore, ForecastTotal, ModelMetadata, Notice
from musktracker.timeline import DAY, HOUR, floor_hour, iso, now

Command = Callable[..., int]
BEGIN = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker monitor on the test's database."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["monitor", *arguments])


def add_scores(engine: Engine, model: str = "hawkes", begin: datetime = BEGIN, n: int = 40, **more: Any) -> None:
    """Daily forecasts of a version, scored over 24 and 168 hours, half as far off as the reference."""
    rows = [
        {
            "forecast_time": begin + k * DAY,
            "horizon_hours": horizon,
            "counting": "all",
            "actual": 50,
            "predicted": 52.0,
            "crps": 5.0 + k % 2,
            "reference_crps": 10.0 + 2 * (k % 2),
            "pit": (k % 10 + 0.5) / 10,
            "inside_50": k % 2 == 0,
            "inside_80": True,
            "inside_95": k > 0,
            "above_95": k == 0,
            "below_95": False,
            "scored_at": begin + 30 * DAY,
        }
        | more
        for k in range(n)
        for horizon in (24, 168)
    ]
    version = {"model_version": "v1", "trained_at": begin, "training_start_date": begin, "training_end_date": begin}
    with writing(engine) as connection:
        added = insert(ModelMetadata).values(model_name=model, **version).returning(ModelMetadata.id)
        key = connection.execute(added).scalar_one()
        connection.execute(insert(ForecastScore), [{**row, "model_metadata_id": key} for row in rows])


def printed(capsys: pytest.CaptureFixture[str], *beginning: str) -> list[list[str]]:
    """The cells of the printed lines that begin so."""
    return [
        line.split()
        for line in capsys.readouterr().out.splitlines()
        if tuple(line.split())[: len(beginning)] == beginning
    ]


def test_scores_are_printed_by_version_and_horizon(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine)
    assert command("--since", iso(BEGIN)) == 0
    day, week, *_ = printed(capsys, "hawkes", "v1")
    assert " ".join(day[2:]) == f"24 h 40 40 5.50 11.00 50% (50..50) 50% 100% 98% 1 0 2.0 {'█' * 10}"
    assert " ".join(week[2:]) == "168 h 40 6 5.50 11.00 50% (few) 20/40 40/40 39/40 1 0 2.0 few"


def test_crps_is_printed_by_week_beside_the_reference(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine)
    command("--since", iso(BEGIN))
    weeks = [line for line in printed(capsys, "hawkes", "v1") if len(line) == 9]
    assert weeks[0][4] == "6"
    assert [len(cell) for cell in weeks[0][5:7]] == [6, 6]
    assert weeks[0][7:] == ["5.57", "11.14"]


def test_only_forecasts_of_the_last_days_are_judged(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine, begin=floor_hour(now()) - 39 * DAY)
    assert command("--days", "10", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["n"] for one in result["horizons"]] == [10, 10]
    command("--json")
    assert [one["n"] for one in json.loads(capsys.readouterr().out)["horizons"]] == [30, 30]


def test_where_only_older_forecasts_are_scored_the_newest_is_named(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine)
    assert command("--days", "10") == 0
    assert "the newest that was is from 2025-04-09 00:00: --since" in capsys.readouterr().out


def test_one_model_can_be_asked_for(command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    add_scores(engine)
    add_scores(engine, "seasonal_naive")
    command("--since", iso(BEGIN), "--model", "hawkes", "--json")
    assert {one["model"] for one in json.loads(capsys.readouterr().out)["horizons"]} == {"hawkes"}


def test_scores_of_other_posts_than_are_counted_now_stay_out(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine, counting="without_replies")
    command("--since", iso(BEGIN))
    assert "No forecast made since then was scored: musktracker score" in capsys.readouterr().out


def test_forecasts_stored_without_quantiles_are_told(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine)
    values = {"model_metadata_id": 1, "forecast_time": BEGIN, "horizon_hours": 25, "n_paths": 1, "seed": 1}
    values |= {"counting": "all", "predicted_total": 5.0, "quantiles": "{}", "warnings": "[]", "created_at": BEGIN}
    with writing(engine) as connection:
        connection.execute(insert(ForecastTotal).values(values))
    command("--since", iso(BEGIN))
    assert "1 forecast stored before quantiles were kept" in capsys.readouterr().out


def test_drift_and_notices_are_told_in_words(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    store_hours(engine, rng.poisson(3, 24 * 300), BEGIN)
    notice = {"kind": "level_drift", "since": BEGIN, "details": "{}", "message": "the level rose by about 40%"}
    with writing(engine) as connection:
        connection.execute(insert(Notice).values(**notice, found_at=BEGIN + DAY, resolved_at=BEGIN + 9 * DAY))
        connection.execute(
            insert(Notice).values(**notice | {"message": "it \x1b[31mrose"}, found_at=BEGIN + 11 * DAY)
        )
    command("--since", iso(BEGIN))
    out = capsys.readouterr().out
    assert re.search(r"level      last 7 days: \d\d posts a day, expected \d\d \(\d\d to \d\d\)", out), out
    assert "level      CUSUM " in out
    assert "profile    last 4 weeks against the 26 before: chance is as far" in out
    assert "the level rose by about 40%; found 2025-03-02, no longer since 2025-03-10" in out
    assert "it �[31mrose; found 2025-03-12\n" in out


def test_a_young_database_is_told_to_know_too_little(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    store_hours(engine, [3] * 48, BEGIN)
    assert command() == 0
    out = capsys.readouterr().out
    assert "level      too few days were observed to tell" in out
    assert "profile    too few weeks were observed to tell" in out
    assert "No notice of change" in out


@pytest.mark.parametrize("arguments", [("--days", "0"), ("--since", "later"), ("--model", "hawks")])
def test_what_cannot_be_is_wrong_use(command: Command, arguments: tuple[str, ...]) -> None:
    assert command(*arguments) == 2


def test_bars_are_as_high_as_their_values() -> None:
    assert bars([0.0, 0.5, 1.0, None]) == "▁▅█·"
    assert bars([1.0, 1.0], top=2.0) == "▅▅"
    assert bars([]) == ""
    assert bars([0.0]) == "▁"
    assert bars([None]) == "·"


def test_hours_between_scores_do_not_matter(
    command: Command, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add_scores(engine, n=3)
    command("--since", iso(BEGIN - HOUR), "--json")
    (day, _) = json.loads(capsys.readouterr().out)["horizons"]
    assert (day["n"], day["few"], day["skill_lower"]) == (3, True, None)
    assert day["skill"] == pytest.approx(0.5)
