"""The operator's command: what it is told, and that it may fail or hang without holding up anybody."""

from __future__ import annotations

import json
import shlex
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.queries import alerts as queries
from musktracker.errors import UsageError
from musktracker.pipeline import alert_delivery, alerts
from musktracker.pipeline.alert_conditions import Finding
from musktracker.pipeline.alert_delivery import Courier, run_command
from musktracker.pipeline.alerts import Raised
from musktracker.reporting import Run

NOW = datetime(2026, 3, 6, 15, 20, tzinfo=UTC)
ALERT = Raised(7, "silence", "posts", "warning", NOW, "Silent; $(reboot) `x`\x1b[31m", {"hours": 2.5})


def python(program: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", program, *arguments])


def test_it_gets_the_alert_on_standard_input_and_in_the_environment(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    program = (
        "import json, os, sys; told = 'MUSKTRACKER_ALERT_';"
        "variables = {k: v for k, v in os.environ.items() if k.startswith(told)};"
        "json.dump([json.load(sys.stdin), variables], open(sys.argv[1], 'w'))"
    )
    assert run_command(python(program, str(told)), ALERT) is None
    given, variables = json.loads(told.read_text())
    assert given == {
        "id": 7,
        "rule": "silence",
        "key": "posts",
        "severity": "warning",
        "raised_at": "2026-03-06T15:20:00Z",
        "message": ALERT.message,
        "details": {"hours": 2.5},
        "test": False,
    }
    assert variables["MUSKTRACKER_ALERT_ID"] == "7"
    assert variables["MUSKTRACKER_ALERT_RAISED_AT"] == "2026-03-06T15:20:00Z"
    assert variables["MUSKTRACKER_ALERT_MESSAGE"].startswith("Silent; $(reboot) `x`")
    assert "\x1b" not in variables["MUSKTRACKER_ALERT_MESSAGE"]


def test_no_shell_reads_it_unless_it_names_one(tmp_path: Path) -> None:
    written = tmp_path / "written"
    assert run_command(f"{python('')} > {written}", ALERT) is None
    assert not written.exists()
    assert run_command(f"sh -c 'cat > {written}'", ALERT) is None
    assert json.loads(written.read_text())["id"] == 7


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python("import sys; sys.exit('no route\\x1b[31m to the pager')"), "ended with 1: no route"),
        ("/nowhere/pager", "cannot be started: No such file or directory"),
        (python("import os; os.abort()"), "ended with -6"),
    ],
)
def test_what_went_wrong_is_told(command: str, words: str) -> None:
    error = run_command(command, ALERT)
    assert error is not None
    assert words in error
    assert "\x1b" not in error


def test_one_that_hangs_is_ended_with_what_it_started() -> None:
    begun = time.monotonic()
    error = run_command("sh -c 'sleep 60 & sleep 60'", ALERT, timeout=0.3)
    assert error == "The alert command took longer than 0.3 s and was ended"
    assert time.monotonic() - begun < 10


def test_one_that_reads_nothing_or_leaves_something_behind_has_worked() -> None:
    assert run_command("true", ALERT) is None
    begun = time.monotonic()
    assert run_command("sh -c 'sleep 30 &'", ALERT) is None
    assert time.monotonic() - begun < 20


def stored(engine: Engine) -> Raised:
    with writing(engine) as connection:
        return alerts._insert(connection, "silence", "posts", Finding("posts", "warning", "Silent"), NOW)


def test_the_courier_notes_what_came_of_it_and_goes_on(engine: Engine, tmp_path: Path) -> None:
    program = (
        "import json, sys, time; key = json.load(sys.stdin)['id'] % 3; time.sleep(60 * (key == 1));"
        "sys.exit('secretToken is wrong' if key == 2 else 0)"
    )
    settings = Settings(tmp_path, "sqlite:///x", x_bearer_token="secretToken", alert_command=python(program))
    run = Run()
    with Courier(engine, run, settings, timeout=4) as courier:
        for _ in range(3):
            courier.deliver(stored(engine))
    found = {alert.id % 3: alert for alert in queries.listed(engine)}
    assert found[0].delivered_at is not None
    assert found[0].delivery_error is None
    assert (found[1].delivered_at, found[2].delivered_at) == (None, None)
    assert "took longer" in (found[1].delivery_error or "")
    assert "ended with 1: •••• is wrong" in (found[2].delivery_error or "")
    assert [line.level for line in run.lines] == ["warning", "warning"]


def test_delivering_holds_nobody_up(engine: Engine, tmp_path: Path) -> None:
    sign = tmp_path / "delivered"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(sign)!r}).exists(): time.sleep(0.01)"
    settings = Settings(tmp_path, "sqlite:///x", alert_command=python(waits))
    with Courier(engine, Run(), settings) as courier:
        courier.deliver(stored(engine))
        sign.touch()
    [alert] = queries.listed(engine)
    assert (alert.delivery_error, alert.delivered_at is None) == (None, False)


def test_without_a_command_nothing_is_delivered_and_nothing_is_wrong(engine: Engine, tmp_path: Path) -> None:
    with Courier(engine, Run(), Settings(tmp_path, "sqlite:///x")) as courier:
        courier.deliver(stored(engine))
    [alert] = queries.listed(engine)
    assert (alert.delivered_at, alert.delivery_error) == (None, None)


def test_a_test_tells_what_came_of_it_without_a_secret_and_stores_nothing(engine: Engine, settings: Settings) -> None:
    assert alert_delivery.test(engine, settings, "silence").delivered is None
    failing = python("import sys; sys.exit('hush-hush is wrong')")
    told = alert_delivery.test(
        engine, replace(settings, x_bearer_token="hush-hush", alert_command=failing), "silence"
    )
    assert (told.findings, told.delivered) == ((), False)
    assert told.error == "The alert command ended with 1: •••• is wrong"
    assert queries.listed(engine) == []
    with pytest.raises(UsageError, match="no rule 'nothing'"):
        alert_delivery.test(engine, settings, "nothing")
