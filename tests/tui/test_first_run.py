"""The first run: an empty database shows how to bring data in, and each way begins with its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from textual.widgets import Input, Static

from musktracker import launching
from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.pipeline import demo
from musktracker.timeline import snowflake_floor
from tui.app import Console
from tui.screens.first_run import FirstRun
from tui.widgets.form import FormScreen

MakeConsole = Callable[..., Console]


@pytest.fixture
def posts_file(tmp_path: Path, frozen: datetime) -> Path:
    """A file of three posts."""
    path = tmp_path / "posts.csv"
    moments = [frozen - timedelta(days=k) for k in (3, 2, 1)]
    lines = [f"{snowflake_floor(moment) + 1},{moment.isoformat()}" for moment in moments]
    path.write_text("\n".join(["id,created_at", *lines]))
    return path


def ways(app: Console) -> str:
    return "\n".join(str(line.content) for line in app.screen.query_one(FirstRun).query(Static).results(Static))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_first_run_looks(
    size: tuple[int, int], empty: Settings, console: MakeConsole, settled: Any, snapshot: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        snapshot(app, f"first-run-{size[0]}x{size[1]}")


async def test_the_first_start_makes_a_private_place_and_says_how_to_bring_data_in(
    empty: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.screen.query_one(FirstRun).display
        assert not app.screen.query_one("#dashboard").display
        text = ways(app)
    assert empty.data_dir.stat().st_mode & 0o777 == 0o700
    assert (empty.data_dir / "musktracker.db").stat().st_mode & 0o777 == 0o600
    for words in ("Import a file of posts", "demo account", "X_BEARER_TOKEN is not set"):
        assert words in text


async def test_a_token_is_said_to_be_set_and_never_shown(empty: Settings, console: MakeConsole, settled: Any) -> None:
    app = console(replace(empty, x_bearer_token="AAAA-secret"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        text = ways(app)
    assert "X_BEARER_TOKEN is set" in text
    assert "AAAA-secret" not in text


async def test_importing_a_file_previews_it_and_starts_a_run(
    empty: Settings, posts_file: Path, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(launching, "launch", lambda *arguments, **_: asked.append(arguments[2:4]) or 1)
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("i")
        await settled(pilot)
        assert isinstance(app.screen, FormScreen)
        app.screen.query_one(Input).value = str(posts_file)
        app.screen._preview_now()
        await settled(pilot)
        preview = str(app.screen.query_one("#form-preview", Static).content)
        assert "3 new" in preview
        await pilot.press("enter")
        await settled(pilot)
    [(kind, parameters)] = asked
    assert (kind, parameters["files"]) == ("import", [str(posts_file)])


async def test_a_file_that_is_not_there_is_refused_in_the_form(
    empty: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("i")
        await settled(pilot)
        app.screen.query_one(Input).value = "/nowhere/posts.csv"
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, FormScreen)
        assert "no such file" in str(app.screen.query_one("#note-path", Static).content)


async def test_a_run_that_fills_the_database_is_followed_and_then_makes_way(
    empty: Settings, console: MakeConsole, settled: Any, frozen: datetime
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        engine = engines.connect(empty.database_url)
        run = {"id": 1, "kind": "import", "status": "running", "parameters": json.dumps({}), "progress": 0.4}
        place = {"host": "tower", "who": "ada@tower", "created_at": frozen, "heartbeat_at": frozen}
        _insert(engine, insert(tables.RunRow).values(**run, **place))
        await pilot.press("r")
        await settled(pilot)
        assert "Run 1 (import): running 40%" in ways(app)
        post = {"tweet_id": "1", "created_at": frozen, "source": "file", "ingest_time": frozen}
        _insert(engine, insert(tables.RawTweet).values(**post))
        await pilot.press("r")
        await settled(pilot)
        assert app.screen.query_one("#dashboard").display
        assert not app.screen.query_one(FirstRun).display
        engine.dispose()


async def test_how_the_import_ended_stands_in_sight_on_a_small_terminal(
    empty: Settings, console: MakeConsole, settled: Any, frozen: datetime
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        engine = engines.connect(empty.database_url)
        run = {"id": 1, "kind": "import", "status": "failed", "parameters": json.dumps({}), "error": "No ids. " * 20}
        _insert(engine, insert(tables.RunRow).values(**run, host="tower", who="ada@tower", created_at=frozen))
        engine.dispose()
        await pilot.press("r")
        await settled(pilot)
        page = app.screen.query_one(FirstRun)
        line = page.query_one("#first-run-progress", Static)
        assert "Run 1 (import): failed" in str(line.content)
        assert page.region.contains_region(line.region)


async def test_the_demo_is_a_console_of_its_own(
    empty: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Settings] = []
    monkeypatch.setattr(demo, "start", started.append)
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
    assert started == [app.next_settings]
    assert app.next_settings is not None
    assert app.next_settings.account == "demo"
    assert app.next_settings.database_url != empty.database_url


async def test_the_demo_is_not_offered_once_there_are_posts(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
        assert app.next_settings is None
        assert app.is_running


def _insert(engine: Engine, statement: Any) -> None:
    with engines.writing(engine) as connection:
        connection.execute(statement)
