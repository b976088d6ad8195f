"""musktracker window: so far, projection and brackets in words, JSON for scripts, honest exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, insert, select

from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Coverage, RawTweet, WindowForecast
from musktracker.pipeline.aggregate import refresh
from musktracker.pipeline.train import train
from musktracker.reporting import Run
from musktracker.timeline import DAY, iso

START = datetime(2025, 3, 1, 5, tzinfo=UTC)
END = START + 40 * DAY  # Thursday 2025-04-10, 01:00 in New York
AS_OF = ("--as-of", "2025-04-10T01:00")
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker window on the test's database, with New York as the display's zone."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MUSKTRACKER_TIMEZONE", "America/New_York")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["window", *arguments])


@pytest.fixture
def observed(engine: Engine) -> Engine:
    """Forty days with about three posts an hour."""
    seconds = np.random.default_rng(1).integers(0, 40 * 86_400, 2880).tolist()
    rows = [
        {
            "tweet_id": str(k),
            "created_at": START + timedelta(seconds=second),
            "source": "file",
            "ingest_time": START,
            "is_deleted": False,
        }
        for k, second in enumerate(seconds)
    ]
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), rows)
        span = {"source": "file", "span_start": START, "span_end": END, "created_at": START}
        connection.execute(insert(Coverage).values(span))
    refresh(engine, Run())
    return engine


@pytest.fixture
def trained(observed: Engine, tmp_path: Path) -> Engine:
    """The same with a version trained on it."""
    train(observed, Run(), artifact_dir=str(tmp_path), model="seasonal_naive", backtest_origins=0)
    return observed


def test_by_default_it_is_the_week_from_friday_noon(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF, "--paths", "300") == 0
    out = capsys.readouterr().out
    assert out.startswith("fri-noon: Fri 2025-04-04 12:00 to Fri 2025-04-11 12:00 (America/New_York), 168 h")
    for text in (
        "as of      Thu 2025-04-10 01:00: nothing later was used",
        "counting   all: every post, whatever its kind",
        "counted until Thu 2025-04-10 01:00; 35.0 h left",
        "an hour; ",
        "posts expected, median",
        "50%",
        "95%",
        "seasonal_naive v1 (the newest: there is no champion), trained on data until Thu 2025-04-10 01:00; 300 paths",
        "usual in these hours: ",
        "Replies are counted too",
    ):
        assert text in out


def test_the_brackets_add_up_and_the_dead_are_one_line(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF) == 0
    lines = capsys.readouterr().out.split("----\n")[-1].split("\n\n")[0].splitlines()
    assert lines[0].split()[1] == "dead"
    assert lines[1].split()[2:4] == ["in", "it"]
    percents = [float(line.split()[1].removesuffix("%")) for line in lines[1:]]
    assert sum(percents) == pytest.approx(100, abs=1)
    assert lines[-1].split()[0].endswith("+")


def test_json_is_the_same_every_time(command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        assert command(*AS_OF, "--preset", "tue-noon", "--brackets", "200,300", "--seed", "7", "--json") == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert found[0]["start"] == "2025-04-08T16:00:00Z"
    assert [one["bracket"] for one in found[0]["brackets"]] == ["0-199", "200-299", "300+"]
    assert sum(one["probability"] for one in found[0]["brackets"]) == pytest.approx(1)


def test_the_next_window_has_not_begun(command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*AS_OF, "--next") == 0
    out = capsys.readouterr().out
    assert out.startswith("fri-noon: Fri 2025-04-11 12:00 to Fri 2025-04-18 12:00")
    assert "so far     not begun; 168.0 h long" in out


def test_a_window_of_which_nothing_was_observed_has_no_count(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    edges = ("--start", "2025-04-10T02:00", "--end", "2025-04-11T02:00", "--as-of", "2025-04-10T05:00")
    assert command(*edges) == 0
    assert "so far     not observed yet; 21.0 h left" in capsys.readouterr().out


def test_rates_are_told_with_their_unit(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF) == 0
    assert "bracket  probability  to enter /h  to overrun /h" in capsys.readouterr().out


def test_times_are_in_the_zone_named_or_the_displays(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    edges = ("--start", "2025-04-08T12:00", "--end", "2025-04-09T12:00", "--json")
    for more, start in (
        ((), "2025-04-08T16:00:00Z"),
        (("--tz", "ET"), "2025-04-08T16:00:00Z"),
        (("--tz", "UTC"), "2025-04-08T12:00:00Z"),
    ):
        assert command(*edges, *more) == 0
        assert json.loads(capsys.readouterr().out)["start"] == start


def test_a_window_that_is_over_is_counted_without_a_model(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--start", "2025-04-08T12:00", "--end", "2025-04-08T13:00") == 0
    out = capsys.readouterr().out
    assert "nothing is still to come" in out
    assert "100.0%" in out
    assert "usual" not in out


def test_stale_data_and_a_missing_model_are_exit_3(
    command: Command, observed: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF, "--json") == 3
    assert json.loads(capsys.readouterr().out)["hint"] == "Train one: musktracker train"
    assert command("--start", iso(END - DAY), "--end", iso(END + DAY)) == 3
    assert "--allow-stale" in capsys.readouterr().err


def test_wrong_use_is_exit_2(command: Command, trained: Engine) -> None:
    for arguments in (
        ("--tz", "ET"),
        ("--start", "2025-04-08"),
        ("--start", "2025-04-08", "--end", "2025-04-01"),
        ("--preset", "48h", "--start", "2025-04-08", "--end", "2025-04-09"),
        ("--start", "2025-04-08", "--end", "2025-04-09", "--next"),
        ("--start", "2025-04-08", "--end", "2025-04-09", "--tz", "Mars/Base"),
        ("--brackets", "40,20"),
        ("--model", "prophet"),
        ("--as-of", "noon"),
    ):
        assert command(*arguments) == 2, arguments


def test_a_forecast_is_stored_unless_no_store_is_given(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = []
    for options in (("--no-store",), ()):
        assert command(*AS_OF, "--paths", "300", *options, "--json") == 0
        with reading(trained) as connection:
            rows = connection.scalar(select(func.count()).select_from(WindowForecast))
        stored.append((json.loads(capsys.readouterr().out)["stored"], rows))
    assert stored == [(False, 0), (True, 1)]
