"""musktracker forecast: totals with intervals, what is counted, and honest exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine
from stored_hours import store_hours

from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.pipeline.requests import LONGEST_HORIZON
from musktracker.pipeline.train import train
from musktracker.reporting import Run

HOURS = 24 * 40
AS_OF = ("--as-of", "2025-04-10T01:00")  # the end of the data, in New York
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker forecast on the test's database, in New York."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MUSKTRACKER_TIMEZONE", "America/New_York")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["forecast", *arguments])


@pytest.fixture
def trained(engine: Engine, tmp_path: Path) -> Engine:
    """Forty days of counts and a version trained on them."""
    store_hours(engine, np.random.default_rng(1).poisson(3, HOURS))
    train(engine, Run(), artifact_dir=str(tmp_path), model="seasonal_naive", backtest_origins=0)
    return engine


def test_it_says_total_intervals_counting_model_and_days(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF, "--horizon", "7d", "--paths", "300") == 0
    out = capsys.readouterr().out
    assert out.startswith("Thu 2025-04-10 01:00 to Thu 2025-04-17 01:00 (America/New_York)")
    for text in ("posts expected", "50%", "80%", "95%", "every post, whatever its kind", "seasonal_naive v1"):
        assert text in out
    assert "300 paths, seed 1" in out
    assert "data until Thu 2025-04-10 01:00" in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("2025-04")] == [
        f"2025-04-{day}" for day in range(10, 18)
    ]
    assert "Posts an hour" not in out


def test_the_help_says_how_far_it_goes(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("--help")
    assert f"any up to {LONGEST_HORIZON // 24}d" in " ".join(capsys.readouterr().out.split())


def test_json_holds_the_stored_hours_and_is_the_same_every_time(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for _ in range(2):
        assert command(*AS_OF, "--seed", "7", "--json") == 0
        found.append(json.loads(capsys.readouterr().out))
    assert len(found[0]["hours"]) == 24
    assert found[0]["hours"][0]["target_time"] == "2025-04-10T05:00:00Z"
    assert {**found[0], "changed": 0} == found[1]


def test_the_plot_is_plain_text_where_there_is_no_terminal(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF, "--plot") == 0
    out = capsys.readouterr().out
    plot = out[out.index("Posts an hour") :].splitlines()
    assert plot[0].startswith("Posts an hour from 2025-04-10 on:")
    assert "\x1b" not in out
    assert any("░" in line for line in plot)
    assert "06:00" in plot[-1]
    assert max(map(len, plot)) <= 80


def test_stale_data_are_exit_3_and_say_what_works(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 3
    assert "--as-of 2025-04-10T05:00:00Z, or --allow-stale" in capsys.readouterr().err
    assert command("--as-of", "2025-04-10T05:00:00Z") == 0
    assert command("--allow-stale") == 0
    assert "warning    Data end at 2025-04-10 05:00 UTC" in capsys.readouterr().out


def test_without_a_model_it_is_exit_3_with_the_command_to_run(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*AS_OF, "--model", "negative_binomial", "--json") == 3
    refused = json.loads(capsys.readouterr().out)
    assert refused["hint"] == "Train one: musktracker train --model negative_binomial"
    assert refused["exit_code"] == 3


def test_wrong_use_is_exit_2(command: Command, trained: Engine) -> None:
    for arguments in (("--model", "prophet"), ("--paths", "1"), ("--as-of", "noon"), ("--seed", "-1")):
        assert command(*arguments) == 2


def test_a_horizon_is_hours_or_days(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for horizon in ("week", "0h", "24", "-1d"):
        with pytest.raises(SystemExit) as refused:
            command(f"--horizon={horizon}")
        assert refused.value.code == 2
        assert "write it as 24h or 7d" in capsys.readouterr().err
