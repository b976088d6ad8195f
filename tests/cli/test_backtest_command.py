"""`musktracker backtest` runs, lists, shows and compares."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from stored_hours import store_hours

from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.db import engines, migrate

ARGUMENTS = (
    "--models",
    "seasonal_naive,har_bootstrap",
    "--from",
    "2025-04-20T00:00Z",
    "--paths",
    "40",
    "--jobs",
    "1",
)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> None:
    """A database with ten weeks of counts, which commands find by the environment."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    monkeypatch.setenv("MUSKTRACKER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MUSKTRACKER_DATABASE_URL", url)
    engine = engines.connect(url)
    migrate.ensure_current(engine)
    store_hours(engine, np.random.default_rng(1).poisson(2, 24 * 70))
    engine.dispose()


@pytest.mark.usefixtures("counted")
def test_a_backtest_is_run_shown_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", *ARGUMENTS, "--name", "mine"]) == 0
    ran, told = capsys.readouterr()
    assert "seasonal_naive: " not in told  # points of a curve are not for this place
    for part in ("total_168", "Coverage of 50, 80 and 95%", "73-168 h", "PIT", "Skill over seasonal_naive"):
        assert part in ran
    assert main(["backtest", "show", "mine"]) == 0
    assert capsys.readouterr().out == ran
    assert main(["backtest", "list", "--json"]) == 0
    [one] = json.loads(capsys.readouterr().out)
    assert (one["name"], one["models"]) == ("mine", ["har_bootstrap", "seasonal_naive"])


@pytest.mark.usefixtures("counted")
def test_two_backtests_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("one", "1"), ("two", "2")):
        assert main(["backtest", *ARGUMENTS, "--name", name, "--seed", seed]) == 0
    capsys.readouterr()
    assert main(["backtest", "compare", "one", "two", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["models"]
    assert abs(found["seasonal_naive"]["total_168"]["skill"]) < 0.5


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nowhere"), "There is no backtest 'nowhere'"),
        (("compare", "one"), "takes 2 names"),
        (("--every", "sarimax=0"), "MODEL=N"),
        (("--set", "window_days=3"), "MODEL.KEY=VALUE"),
        (("--models", "oracle"), "There is no model 'oracle'. Models: har_bootstrap"),
        (("--every", "oracle=3"), "There is no model 'oracle'"),
        (("--set", "oracle.window_days=3"), "There is no model 'oracle'"),
        (("--reference", "oracle"), "There is no model 'oracle'"),
        (("--models", "hawkes", "--set", "pool.prior=3"), "is not of pool. It is of hawkes"),
        (("--models", "hawkes", "--reference", "pool"), "is not of pool. It is of hawkes"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_model_that_there_is_not_is_wrong_use_before_there_are_data(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["backtest", "--models", "oracle"]) == 2
    assert "There is no model 'oracle'" in capsys.readouterr().err


@pytest.mark.usefixtures("counted")
def test_skill_is_over_the_model_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    reference = ("--reference", "har_bootstrap")
    assert main(["backtest", *ARGUMENTS, "--name", "mine", *reference]) == 0
    ran = capsys.readouterr().out
    assert "Skill over har_bootstrap on the same origins" in ran
    assert main(["backtest", "show", "mine", *reference]) == 0
    assert capsys.readouterr().out == ran
    assert main(["backtest", "show", "mine", "--reference", "hawkes"]) == 2
    assert "has no model 'hawkes'. It has har_bootstrap, seasonal_naive" in capsys.readouterr().err
