"""musktracker models: versions and aliases, the gate's exit code, and who changed what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine
from stored_hours import store_hours

from musktracker.cli import models
from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.pipeline import aliases, promotion
from musktracker.pipeline.train import train
from musktracker.reporting import Run

DAYS = 120
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker on the test's database, in UTC."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what is judged here is small: processes would only take longer
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main([*arguments])


@pytest.fixture
def trained(engine: Engine, tmp_path: Path) -> Engine:
    """Four months of counts, and two versions trained on them."""
    store_hours(engine, np.random.default_rng(1).poisson(3, 24 * DAYS))
    for _ in range(2):
        train(engine, Run(), artifact_dir=str(tmp_path), model="seasonal_naive", backtest_origins=0)
    return engine


def read(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_version_is_promoted_told_and_listed(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("models", "promote", "seasonal_naive:v1") == 0
    told = capsys.readouterr()
    assert told.out == "champion: seasonal_naive:v1\n"
    assert "The gate is passed" in told.err
    assert command("models", "list") == 0
    assert "seasonal_naive  v1       champion" in capsys.readouterr().out
    assert command("models", "list", "--json") == 0
    assert {one["version"]: one["aliases"] for one in read(capsys)} == {"v1": ["champion"], "v2": []}


def test_a_failed_gate_is_exit_3_with_its_figures_and_a_reason_overrides_it(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "COVERED", {50: (0.9, 0.95)})
    assert command("models", "promote", "seasonal_naive") == 3
    told = capsys.readouterr().err
    assert "seasonal_naive v2 does not pass the gate: the 50% interval of the 24 h total held" in told
    assert "--reason TEXT" in told
    assert command("models", "promote", "seasonal_naive", "--json") == 3
    refused = read(capsys)
    assert (refused["exit_code"], refused["gate"]["passed"]) == (3, False)
    assert refused["gate"]["coverage"]["total_24"]["50"]["n"] >= 20
    assert command("models", "promote", "seasonal_naive", "--reason", "a baseline", "--json") == 0
    made = read(capsys)
    assert (made["version"], made["reason"], made["gate"]["passed"]) == ("v2", "a baseline", False)


def test_rolling_back_and_its_history(command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("v1", "v2"):
        command("models", "promote", f"seasonal_naive:{version}", "--as", "challenger", "--reason", f"try {version}")
    assert command("models", "rollback", "--as", "challenger", "--reason", "too slow") == 0
    assert "challenger is seasonal_naive:v1 instead of seasonal_naive:v2" in capsys.readouterr().out
    assert command("models", "rollback", "--as", "challenger") == 1
    assert "no challenger before this one" in capsys.readouterr().err
    assert command("models", "history", "--json") == 0
    found = read(capsys)
    assert [one["reason"] for one in found] == ["too slow", "try v2", "try v1"]
    assert command("models", "history") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]] == ["3", "2", "1"]
    assert command("models", "history", "--as", "champion") == 0
    assert "No alias has been given yet" in capsys.readouterr().out


def test_a_version_is_shown_with_what_it_is_made_of(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    command("models", "promote", "seasonal_naive:v1", "--as", "challenger", "--reason", "[red]first[/red]\x1b[31m")
    capsys.readouterr()
    assert command("models", "show", "@challenger") == 0
    out = capsys.readouterr().out
    assert out.startswith("seasonal_naive:v1 (challenger)\n")
    for text in (
        "window_days = 28",
        "counting all",
        "converged    yes",
        "mean_day",
        "challenger is seasonal_naive:v1",
    ):
        assert text in out
    assert "\x1b" not in out
    assert command("models", "show", "seasonal_naive", "--json") == 0
    shown = read(capsys)
    assert (shown["version"], shown["hyperparameters"]["window_days"], shown["changes"]) == ("v2", 28, [])


def test_training_can_renew_the_champion_at_once(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", "seasonal_naive", "--backtest-origins", "0", "--promote", "--json")
    assert command("train", *options) == 0
    result = read(capsys)
    assert (result["version"], result["promotion"]["version"], result["promotion"]["before"]) == ("v3", "v3", None)
    assert command("train", *options) == 0
    result = read(capsys)
    assert (result["promotion"]["before"], result["promotion"]["gate"]["judged"]) == ("seasonal_naive:v3", "equal")


def test_a_version_that_does_not_pass_is_trained_all_the_same(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "LEAST_ORIGINS", 1000)
    assert command("train", "--model", "seasonal_naive", "--backtest-origins", "0", "--promote") == 3
    assert "seasonal_naive v3" in capsys.readouterr().out
    assert command("models", "show", "seasonal_naive:v3") == 0


def test_a_forecast_says_by_what_right_its_version_was_chosen(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of = ("--as-of", "2025-06-29T05:00Z")  # the end of the data
    assert command("forecast", *as_of) == 0
    assert "seasonal_naive v2 (the newest: there is no champion), trained" in capsys.readouterr().out
    command("models", "promote", "seasonal_naive:v1", "--reason", "steady")
    capsys.readouterr()
    assert command("forecast", *as_of) == 0
    assert "seasonal_naive v1 (champion), trained" in capsys.readouterr().out
    assert command("window", "--start", "2025-06-29T00:00", "--end", "2025-06-30T00:00", *as_of) == 0
    assert "seasonal_naive v1 (champion), trained" in capsys.readouterr().out


def test_every_face_knows_the_same_aliases() -> None:
    from tui.screens import promote_form

    assert models.ALIASES == aliases.ALIASES == tuple(promote_form.MARKS)
    assert models.TOTALS == promotion.TOTALS


def test_wrong_use_is_exit_2_and_what_is_not_there_exit_3(
    command: Command, trained: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, said in (
        (("promote", "@best"), 2, "There is no alias @best"),
        (("promote", "seasonal_naive", "--reason", "x" * 1001), 2, "at most 1,000 characters"),
        (("show", ":v1"), 2, "begins with its model"),
        (("show", "@champion"), 3, "There is no champion yet"),
        (("promote", "hawkes"), 3, "No hawkes has been trained yet"),
        (("show", "oracle"), 2, "There is no model 'oracle'. Models: har_bootstrap"),
        (("show", "seasonal_naive:v99"), 3, "The newest that were: seasonal_naive:v"),
    ):
        assert command("models", *arguments) == code
        assert said in capsys.readouterr().err
