"""Rows that other programs may have written: every place that shows them opens, and the command line lists them."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from typing import Any

import pytest
from places import shown, walk, walks

from musktracker.cli.main import main
from musktracker.config import Settings
from tui.app import Console

MakeConsole = Callable[..., Console]
EVIL = "\x1b[31mred\x1b]0;title\x07\x9b1m[bold]b[/bold][/]\u202e\r\n\tend"
JSON = ("[]", "null", "NaN", "{broken", '{"0.5": "x"}', '{"0.5": Infinity}', "[[1, 2], [3]]", "[" * 5000)
TIMES = ("2026-01-15 10:00:00.000000", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00.000000")
SPAN = ("2026-01-09 17:00:00.000000", "2026-01-16 17:00:00.000000")  # of the week that goes on
ROWS: dict[str, Callable[[int, str, str], dict[str, Any]]] = {
    "alerts": lambda i, time, text: {
        "rule": EVIL, "key": EVIL, "severity": EVIL, "raised_at": time, "last_seen_at": time,
        "message": EVIL + "x" * (i % 2) * 1_000_000, "details": text, "delivery_error": EVIL,
    },
    "alert_rules": lambda i, _, text: {
        "name": ("burst", "silence", "bracket", EVIL)[i % 4] + ("" if i < 4 else str(i)), "enabled": 7,
        "parameters": text, "cooldown_minutes": -5,
    },
    "alias_changes": lambda _, time, text: {
        "alias": "champion", "before": None, "after": 1, "changed_at": time, "who": EVIL, "reason": EVIL, "gate": text
    },
    "event_changes": lambda _, time, text: {
        "event_id": 1, "changed_at": time, "who": EVIL, "action": EVIL, "before": text, "after": text
    },
    "database_settings": lambda i, time, text: {
        "name": "service_schedule" if not i else EVIL + str(i), "value": text, "updated_at": time
    },
    "window_forecasts": lambda i, time, text: {
        "model_metadata_id": 1, "made_at": TIMES[0], "forecast_time": time, "window_start": SPAN[0],
        "window_end": SPAN[1], "preset": "fri-noon", "timezone": EVIL, "brackets": text, "brackets_sha256": str(i),
        "counting": "all", "n_paths": -1, "seed": -1, "counted_until": time, "count_so_far": -5, "lower_bound": 3,
        "hours_to_come": 9e999, "predicted_total": 9e999, "quantiles": text, "bracket_probabilities": text,
        "warnings": text, "actual_total": -3, "created_at": time,
    },
    "exogenous_events": lambda i, time, text: {
        "name": EVIL + str(i), "description": EVIL + text, "category": EVIL, "event_start": time, "event_end": time,
        "intensity": 9e999, "source": EVIL, "created_at": time, "updated_at": time,
    },
    "runs": lambda i, time, text: {
        "kind": ("train", EVIL, "ingest", "forecast")[i % 4], "status": ("succeeded", "failed", "running")[i % 3],
        "parameters": text, "stage": EVIL, "progress": 9e999, "message": EVIL, "result": text, "error": EVIL,
        "created_at": time, "started_at": time, "finished_at": time, "heartbeat_at": time, "host": EVIL, "pid": -1,
        "who": EVIL,
    },
    "run_log": lambda _, time, text: {
        "run_id": 7, "time": time, "level": EVIL, "message": EVIL, "fields": text
    },
    "model_metadata": lambda i, time, text: {
        "model_name": EVIL, "model_version": str(i), "trained_at": time, "training_start_date": time,
        "training_end_date": time, "hyperparameters": text, "rmse": 9e999, "mae": -9e999, "artifact_path": EVIL,
        "diagnostics": text, "counting": EVIL,
    },
}  # fmt: skip
CASES = [
    ("alerts", ("overview", "alerts"), (["alerts"], ["alerts", "list", "--json"], ["status"], ["status", "--json"])),
    ("alert_rules", ("alerts", "rule"), (["alerts", "rules"],)),
    ("alias_changes", ("models", "version"), (["models", "history"], ["models", "history", "--json"])),
    ("event_changes", ("events", "events-history"), (["events", "history"], ["events", "list"])),
    ("database_settings", ("service", "schedule-form"), (["run", "--show"],)),
    ("window_forecasts", ("overview", "calibration-windows"), (["status"], ["monitor"])),
    ("exogenous_events", ("events", "events-timeline", "event-edit", "what-if-form"), (["events", "list"],)),
    ("runs", ("overview", "ingestion", "run", "models"), (["runs", "list"], ["runs", "list", "--json"])),
    ("run_log", ("ingestion", "models"), (["runs", "show", "7"],)),
    ("model_metadata", ("models", "version", "train-form", "forecast-form"), (["models", "list"],)),
]


@pytest.mark.parametrize(("table", "places", "commands"), CASES, ids=[case[0] for case in CASES])
async def test_a_table_that_others_wrote_is_shown_and_listed_as_text(
    table: str,
    places: tuple[str, ...],
    commands: tuple[list[str], ...],
    populated: Settings,
    console: MakeConsole,
    settled: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(sqlite3.connect(populated.database_url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        for i, text in enumerate(JSON):
            row = ROWS[table](i, TIMES[i % 3], text)
            marks = ", ".join("?" * len(row))
            statement = f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({marks})"
            connection.execute(statement, list(row.values()))
    for each in walks(places):
        app = console(populated)
        async with app.run_test(size=(120, 36)) as pilot:
            async for place in walk(pilot, settled, each):
                assert "r reads again" not in shown(app), place
                assert all(character.isprintable() or character == "\n" for character in shown(app)), place
    for name, value in populated.environment().items():
        monkeypatch.setenv(name, value)
    for command in commands:
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            assert main(command) in (0, 3), command
        assert all(character.isprintable() or character == "\n" for character in out.getvalue()), command
