"""A run in two lines: its state in words and marks, how far, how long, and what it does or how it ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from textual.app import App

from musktracker import run_info
from musktracker.run_info import RunInfo
from tui.widgets.run_progress import RunProgress, duration, took, where

NOW = datetime(2026, 1, 15, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUNNING = RunInfo(
    id=7,
    kind="train",
    status="running",
    parameters={},
    stage="fit",
    progress=0.25,
    message="iteration 3",
    result=None,
    error=None,
    created_at=NOW - 2 * MINUTE,
    started_at=NOW - MINUTE,
    finished_at=None,
    heartbeat_at=NOW,
    cancel_requested_at=None,
    host="tower",
    pid=42,
    who="ada@tower",
    lease=None,
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_info, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "1 min, 3 min left"),
        ({"progress": 0.01}, "1 min"),
        ({"message": "hawkes: 3 of 9 origins, 0:03:09 to go"}, "1 min"),
        ({"progress": None}, "1 min"),
        ({"started_at": None, "status": "queued"}, ""),
        ({"status": "succeeded", "finished_at": NOW - 15 * timedelta(seconds=1)}, "45 s"),
        ({"heartbeat_at": NOW - 10 * MINUTE, "started_at": NOW - 10 * MINUTE}, "10 min"),
    ],
    ids=["half way", "too early to tell", "told by itself", "unknown", "queued", "ended", "lost"],
)
def test_time_taken_and_time_left(change: dict[str, Any], expected: str) -> None:
    assert took(replace(RUNNING, **change), NOW) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "fit · iteration 3"),
        ({"cancel_requested_at": NOW}, "Asked to stop"),
        ({"status": "failed", "error": "The disk is full"}, "The disk is full"),
        ({"status": "queued", "stage": None, "message": None}, "Waiting for its process to start"),
    ],
    ids=["going on", "asked to stop", "failed", "queued"],
)
def test_what_a_run_does_in_words(change: dict[str, Any], expected: str) -> None:
    assert where(replace(RUNNING, **change), NOW)[0] == expected


def test_a_lost_run_says_since_when_and_where_it_was() -> None:
    text, tone = where(replace(RUNNING, heartbeat_at=NOW - 3 * MINUTE), NOW)
    assert (text.partition(";")[0], tone) == ("No sign of life for 3 min from process 42 on tower", "bad")


@pytest.mark.parametrize(("heartbeat_at", "times"), [(NOW, 60), (NOW - MINUTE, 1)], ids=["going on", "lost"])
async def test_a_run_that_was_lost_is_painted_once_a_minute(
    heartbeat_at: datetime, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[Any] = []
    progress = RunProgress()
    app: Any = App()
    app.now = lambda: NOW
    async with app.run_test():
        await app.screen.mount(progress)
        progress.info = replace(RUNNING, heartbeat_at=heartbeat_at)
        monkeypatch.setattr(progress, "refresh", lambda: painted.append(1))
        for _ in range(60):
            progress._tick()
    assert len(painted) == times


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3599, "59 min"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_as_people_say_them(seconds: int, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected
