"""The first run: an empty database shows how to bring data in, and each way begins with its key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from places import shown
from sqlalchemy import Engine, insert, update
from textual.widgets import Input, Static

from musktracker import launching
from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.pipeline import demo
from musktracker.timeline import HOUR, snowflake_floor
from tui.app import Console
from tui.screens.base import READING_SHARE, ConsoleScreen
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


@pytest.fixture
def preparing(empty: Settings, sqlite_template: Path, frozen: datetime) -> Iterator[Engine]:
    """An engine on a database of which a demo is being prepared that has stored no post yet."""
    path = empty.with_data_dir_made().database_url.removeprefix("sqlite:///")
    shutil.copy(sqlite_template, path)
    engine = engines.connect(empty.database_url)
    run = {"id": 1, "kind": "demo", "status": "running", "parameters": json.dumps({}), "progress": 0.12}
    told = {"stage": "posts", "message": "Storing posts: 50,000 of 60,935", "started_at": frozen}
    place = {"host": "tower", "who": "ada@tower", "created_at": frozen, "heartbeat_at": frozen}
    _insert(engine, insert(tables.RunRow).values(**run, **told, **place))
    yield engine
    engine.dispose()


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
        assert "running   import #1" in shown(app)
        assert "40%" in shown(app)
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
        drawn = " ".join(shown(app).split())
        assert "failed import #1" in drawn
        assert drawn.count("No ids.") == 20


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


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_demo_that_is_being_prepared_looks(
    empty: Settings, preparing: Engine, console: MakeConsole, settled: Any, snapshot: Any, size: tuple[int, int]
) -> None:
    app = console(replace(empty, account="demo"))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        snapshot(app, f"demo-prepared-{size[0]}x{size[1]}")


async def test_while_the_demo_is_prepared_it_is_shown_how_far_it_is_and_nothing_else_is_offered(
    empty: Settings, preparing: Engine, console: MakeConsole, settled: Any, press: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        drawn = shown(app)
        assert "The demo is being prepared." in drawn
        assert "running   demo #1" in drawn
        assert "12%" in drawn
        assert "posts · Storing posts: 50,000 of 60,935" in drawn
        for words in ("There are no posts", "Import", "See everything", "Connect the X API"):
            assert words not in drawn
        await press(pilot, "d", "i", "u")
        assert app.next_settings is None
        assert not isinstance(app.screen, FormScreen)
        assert not list(app._notifications)


async def test_how_far_the_demo_is_is_followed_closely(
    empty: Settings, preparing: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        app.monotonic = lambda: 0.0  # what rests after a read rests for ever
        await settled(pilot)
        _insert(preparing, update(tables.RunRow).values(progress=0.14))
        assert isinstance(app.screen, ConsoleScreen)
        app.screen._fetch_in_time()
        await settled(pilot)
        assert "14%" in shown(app)
        assert app.screen.reading_share > 10 * READING_SHARE


async def test_the_demo_shows_its_counts_once_there_are_any(
    empty: Settings, preparing: Engine, console: MakeConsole, settled: Any, press: Any, frozen: datetime
) -> None:
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        post = {"tweet_id": "1", "created_at": frozen, "source": "demo", "ingest_time": frozen}
        _insert(preparing, insert(tables.RawTweet).values(**post))
        await press(pilot, "r")
        assert "The demo is being prepared." in shown(app)  # nothing to see yet, and n would be in its way
        hour = frozen.replace(minute=0) - HOUR
        bucket = {"bucket_start": hour, "bucket_end": hour + HOUR, "granularity": "hourly", "tweet_count": 1}
        _insert(preparing, insert(tables.TimeBucket).values(**bucket, computed_at=frozen))
        await press(pilot, "r")
        assert app.screen.query_one("#dashboard").display
        assert not app.screen.query_one(FirstRun).display
        assert isinstance(app.screen, ConsoleScreen)
        assert app.screen.reading_share > READING_SHARE
        _insert(preparing, update(tables.RunRow).values(status="succeeded"))
        await press(pilot, "r")
        assert app.screen.reading_share == READING_SHARE


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_a_demo_that_was_cut_short_says_how_it_goes_on(
    empty: Settings, preparing: Engine, console: MakeConsole, settled: Any, status: str
) -> None:
    _insert(preparing, update(tables.RunRow).values(status=status, error="The disk is full"))
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        drawn = shown(app)
    assert "The demo is not there yet." in drawn
    assert f"{status:<9} demo #1" in drawn
    assert "The disk is full" in drawn
    assert "musktracker demo" in drawn
    assert "Import" not in drawn


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


async def test_no_list_that_is_not_shown_gets_the_keys_from_what_closes_or_a_window_that_was_too_small(
    empty: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert app.focused is None
        for key in ("colon", "escape", "question_mark", "escape", "escape"):
            await pilot.press(key)
            await settled(pilot)
        assert app.focused is None
        for size in ((50, 12), (100, 30)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
        assert app.focused is None
        assert "Filter" not in shown(app)
