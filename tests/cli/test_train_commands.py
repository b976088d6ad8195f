"""musktracker train: what it prints, stores and returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine
from stored_hours import store_hours

from musktracker.cli import train
from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.models import registry
from tui.screens import train_form

HOURS = 24 * 40
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker train on the test's database, in New York."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MUSKTRACKER_TIMEZONE", "America/New_York")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["train", *arguments])


@pytest.fixture
def counted(engine: Engine) -> Engine:
    """Forty days of counts."""
    store_hours(engine, np.random.default_rng(1).poisson(3, HOURS))
    return engine


def test_a_training_is_told_in_lines_and_leaves_an_artifact(
    command: Command, counted: Engine, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--model", "seasonal_naive", "--backtest-origins", "2") == 0
    out = capsys.readouterr().out
    assert out.startswith("seasonal_naive v1, fitted in ")
    assert "counting all" in out
    assert "RMSE" in out
    assert (settings.artifact_dir / "seasonal_naive" / "v1.npz").is_file()


@pytest.mark.usefixtures("counted")
def test_a_training_without_a_backtest_says_that_none_was_asked_for(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--model", "seasonal_naive", "--backtest-origins", "0") == 0
    assert "backtest     none: no origins were asked for" in capsys.readouterr().out


def test_json_is_one_document_on_standard_output(
    command: Command, counted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", "seasonal_naive", "--set", "window_days=14", "--backtest-origins", "0", "--json")
    assert command(*options, "--until", "2025-04-01T00:00") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["version"], result["rmse"]) == ("v1", None)
    assert result["training_end"] == "2025-04-01T04:00:00Z"  # midnight in New York
    assert result["training_start"] == "2025-03-18T04:00:00Z"


def test_the_list_shows_models_with_their_hyperparameters_and_what_was_trained(
    command: Command, counted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--list") == 0
    before = capsys.readouterr().out
    assert "window_days = 28" in before
    assert "Nothing has been trained yet" in before
    command("--model", "seasonal_naive", "--backtest-origins", "0")
    capsys.readouterr()
    assert command("--list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["models"]["negative_binomial"]["window_days"] == 365
    assert [(one["model"], one["version"]) for one in listed["versions"]] == [("seasonal_naive", "v1")]
    assert command("--list") == 0
    assert "seasonal_naive  v1" in capsys.readouterr().out


def test_every_face_trains_the_same_model_by_default() -> None:
    assert train.DEFAULT == train_form.DEFAULT == registry.DEFAULT


def test_wrong_use_is_exit_2(command: Command, counted: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (("--model", "prophet"), "There is no model 'prophet'"),
        (("--set", "window_days"), "--set takes KEY=VALUE, not 'window_days'"),
        (("--set", "depth=3"), "har_bootstrap has no hyperparameter 'depth'"),
        (("--until", "soon"), "'soon' is not a time"),
        (("--backtest-origins", "-1"), "The number of backtest origins must be 0 to 1,000"),
    ):
        assert command(*arguments) == 2
        assert said in capsys.readouterr().err


def test_without_data_it_is_exit_3(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command() == 3
    assert "musktracker refresh" in capsys.readouterr().err
