"""musktracker alerts: list, rules, set, ack and test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from musktracker import recorder
from musktracker.cli.main import main
from musktracker.config import Settings
from musktracker.errors import DataError
from musktracker.machine import whoami
from musktracker.pipeline import alerts
from musktracker.pipeline.alert_conditions import CONDITIONS
from musktracker.reporting import Run
from musktracker.timeline import now

Capture = pytest.CaptureFixture[str]
Command = Callable[..., int]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run musktracker alerts on the test's database."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["alerts", *arguments])


@pytest.fixture
def raised(engine: Engine) -> Engine:
    """A database on which a run has failed, which is told."""

    def failing(engine: Engine, run: Run) -> dict[str, int]:
        raise DataError("There is nothing\x1b[31m to score")

    with pytest.raises(DataError):
        recorder.execute(engine, "score", failing, {})
    assert len(alerts.look(engine, Run(), now())) == 1
    return engine


def test_open_alerts_are_listed(command: Command, raised: Engine, capsys: Capture) -> None:
    assert command() == 0
    out = capsys.readouterr().out
    assert "run_failed  Run 1 (score) failed: There is nothing" in out
    assert "\x1b" not in out
    assert command("list", "--json") == 0
    [alert] = json.loads(capsys.readouterr().out)
    assert (alert["rule"], alert["key"], alert["severity"], alert["state"]) == (
        "run_failed",
        "score",
        "error",
        "open",
    )


def test_without_any_it_says_so(command: Command, engine: Engine, capsys: Capture) -> None:
    assert command() == 0
    assert capsys.readouterr().out == "No open alerts\n"
    assert command("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_those_that_are_over_are_listed_where_asked(command: Command, raised: Engine, capsys: Capture) -> None:
    recorder.execute(raised, "score", lambda engine, run: {}, {})
    alerts.look(raised, Run(), now())
    assert command() == 0
    assert capsys.readouterr().out == "No open alerts\n"
    assert command("list", "--all") == 0
    assert "resolved" in capsys.readouterr().out


def test_an_alert_is_acknowledged(command: Command, raised: Engine, capsys: Capture) -> None:
    assert command("ack", "1") == 0
    assert capsys.readouterr().out == "Alert 1 is acknowledged.\n"
    assert command("ack", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"id": 1, "acknowledged": True}
    assert command("list", "--json") == 0
    [alert] = json.loads(capsys.readouterr().out)
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", whoami())
    assert command("ack", "99") == 1
    assert "There is no alert 99" in capsys.readouterr().err


def test_rules_are_shown_and_set(command: Command, engine: Engine, capsys: Capture) -> None:
    assert command("rules") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in CONDITIONS)
    assert "posts=3 likely=0.05 threshold=0.5" in out
    assert command("set", "silence", "--off", "--cooldown", "30", "quantile=0.9", "--json") == 0
    changed = json.loads(capsys.readouterr().out)
    assert (changed["enabled"], changed["cooldown_minutes"], changed["parameters"]["quantile"]) == (False, 30, 0.9)
    assert command("set", "silence", "--on") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("silence  on  30 min")
    assert command("rules", "--json") == 0
    [silence] = [one for one in json.loads(capsys.readouterr().out) if one["rule"] == "silence"]
    assert silence == changed | {"enabled": True}


@pytest.mark.parametrize(
    "options",
    [["set", "nothing"], ["set", "silence", "quantile"], ["set", "silence", "quantile=2"], ["test", "nothing"]],
)
def test_what_cannot_be_is_wrong_use(command: Command, engine: Engine, options: list[str]) -> None:
    assert command(*options) == 2


def test_a_test_looks_now_and_reaches_the_alert_command(
    command: Command, raised: Engine, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("test", "run_failed") == 0
    out = capsys.readouterr().out
    assert "error: Run 1 (score) failed" in out
    assert "No alert command is set" in out
    monkeypatch.setenv("MUSKTRACKER_ALERT_COMMAND", f"sh -c 'cat > {tmp_path}/told'")
    assert command("test", "stale_data") == 0
    assert capsys.readouterr().out == "stale_data finds nothing now\nA test was delivered\n"
    told = json.loads((tmp_path / "told").read_text())
    assert (told["rule"], told["test"]) == ("stale_data", True)
    monkeypatch.setenv("MUSKTRACKER_ALERT_COMMAND", "false")
    assert command("test", "stale_data", "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"] == "The alert command ended with 1"
