"""The whole in a real terminal: from an empty directory to a forecast, whatever breaks or is cut off meanwhile."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_terminal import LIMIT_SECONDS, Terminal

from musktracker import runs
from musktracker.config import Settings
from musktracker.db import engines
from musktracker.run_info import RunInfo
from musktracker.timeline import HOUR, floor_hour, now, snowflake_floor

RIGHT, LEFT, DOWN, ENTER = "\x1b[C", "\x1b[D", "\x1b[B", "\r"
NOISE = """
import logging, os, warnings
from tui.screens.overview import OverviewScreen
quiet = OverviewScreen.fetch
def loud(self, engine):
    print("STRAY words")
    print("STRAY words", file=sys.stderr)
    warnings.warn("STRAY words")
    logging.getLogger("stray").error("STRAY words")
    return quiet(self, engine)
OverviewScreen.fetch = loud
"""
BROKEN_WORKER = """
from tui.screens.overview import OverviewScreen
async def fail(self, *_): raise RuntimeError("broken [red]by[/red] hush-hush")
OverviewScreen._fetch_once = fail
"""
BROKEN_HANDLER = """
from tui.app import Console
def fail(self): raise RuntimeError("broken [red]by[/red] hush-hush")
Console.action_zone = fail
"""


@contextmanager
def opened(settings: Settings, **options: Any) -> Iterator[Terminal]:
    made = Terminal(settings, **options)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    """Settings of somebody who has never started it."""
    data_dir = tmp_path / "data"
    return Settings(data_dir=data_dir, database_url=f"sqlite:///{data_dir / 'musktracker.db'}")


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    """A file of posts of the last 40 days."""
    chance, end = random.Random(7), floor_hour(now())
    times = sorted(end - chance.random() * 40 * 24 * HOUR for _ in range(1500))
    path = tmp_path / "posts.csv"
    path.write_text("\n".join(["id", *(str(snowflake_floor(moment) + 1) for moment in times)]))
    return path


def test_from_the_first_start_to_a_forecast_and_a_window(fresh: Settings, posts: Path) -> None:
    event = "tomorrow 14:00 +2h Rocket test !0.8 #launch"
    with opened(fresh, before=NOISE) as terminal:
        terminal.wait_for("There are no posts yet")
        _ask(terminal, "i", "Import posts", str(posts), "1,500 new")
        terminal.wait_for("Count the new hours")
        terminal.press("u")
        terminal.wait_for("Fit a model to what is counted")
        _go(terminal, "5", "t trains one")
        _ask(terminal, "t", "Train a model", LEFT, "● seasonal naive")
        terminal.wait_for("succeeded train")
        _go(terminal, "6", "n makes one")
        _ask(terminal, "n", "New forecast", DOWN * 2 + RIGHT, "● seasonal_naive")
        terminal.wait_for("seasonal_naive v1 from")
        _go(terminal, "4", "a adds one")
        _ask(terminal, "a", "Add an event in one line", event, "0.80, strong")
        terminal.wait_for("#1 · launch · strong · 2 h")
        _go(terminal, "1", "Last runs")
        assert "%" in _command(fresh, "window", "--model", "seasonal_naive")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.left_behind() == []
        assert b"STRAY" not in terminal.written
    assert {info.kind for info in _runs(fresh)} >= {"import", "refresh", "train", "forecast"}
    assert {info.status for info in _runs(fresh)} == {"succeeded"}


def test_a_training_goes_on_when_the_line_is_cut(populated: Settings) -> None:
    with opened(populated) as terminal:
        terminal.wait_for("Last runs")
        _go(terminal, "5", "95% held  Fit")
        _ask(terminal, "t", "Train a model", RIGHT * 3, "● seasonal naive")
        terminal.wait_for("(train) started")
        terminal.hang_up()
        assert terminal.end() == 129
    deadline = time.monotonic() + LIMIT_SECONDS
    while (newest := _runs(populated)[0]).active:
        assert time.monotonic() < deadline, newest
        time.sleep(0.1)
    assert (newest.kind, newest.status) == ("train", "succeeded")


@pytest.mark.parametrize(("broken", "keys"), [(BROKEN_WORKER, ""), (BROKEN_HANDLER, "z")], ids=["worker", "handler"])
def test_what_nobody_foresaw_ends_it_with_one_line_and_a_trace_without_secrets(
    populated: Settings, broken: str, keys: str
) -> None:
    with opened(populated, before=broken, X_BEARER_TOKEN="hush-hush") as terminal:
        if keys:
            terminal.wait_for("Last runs")
            terminal.press(keys)
        assert terminal.end() == 1
        assert terminal.left_behind() == []
        said = terminal.written.rpartition(b"\x1b[?1049l")[2].decode()
    [line] = filter(None, (re.sub(r"\x1b\[[0-9;?<>=]*[a-z]", "", line).strip() for line in said.splitlines()))
    assert line.startswith("musktracker: the console ended on an error: RuntimeError: broken [red]by[/red] •")
    trace = (populated.log_dir / "console.log").read_text("utf-8")
    assert line.endswith(f"Its trace: {populated.log_dir / 'console.log'}")
    assert "Traceback (most recent call last)" in trace
    assert "RuntimeError: broken" in trace
    assert "hush-hush" not in line + trace


def _go(terminal: Terminal, key: str, shown: str) -> None:
    """Go to a screen, and wait until it has read what it shows."""
    terminal.press(key)
    terminal.wait_for(shown)


def _ask(terminal: Terminal, key: str, title: str, typed: str, shown: str) -> None:
    """Open a form by its key, fill it in, and send it once it shows that it has understood."""
    terminal.press(key)
    terminal.wait_for(title)
    for key in re.findall(r"\x1b\[.|[^\x1b]", typed):
        terminal.press(key)
    terminal.wait_for(shown)
    terminal.press(ENTER)


def _command(settings: Settings, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "musktracker.cli.main", *arguments],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _runs(settings: Settings) -> list[RunInfo]:
    engine = engines.connect(settings.database_url)
    try:
        return runs.recent(engine)
    finally:
        engine.dispose()
