"""The shell: it opens, moves between screens, explains itself, remembers, and says what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Held
from sqlalchemy import Engine, update
from textual.events import Paste
from textual.strip import Strip
from textual.widgets import Static

from musktracker import runs
from musktracker.config import Settings
from musktracker.db import engines, tables
from tui import state
from tui.app import Console
from tui.places import SCREENS
from tui.screens.base import ConsoleScreen
from tui.screens.error import ErrorScreen
from tui.screens.help import HelpScreen
from tui.theme import DARK, LIGHT
from tui.widgets.confirm import Confirm
from tui.widgets.header import Header, _database_name
from tui.widgets.palette import Palette
from tui.widgets.run_table import RunTable

MakeConsole = Callable[..., Console]


def shown(app: Console) -> str:
    """The screen as text."""
    return "\n".join(
        "".join(segment.text for segment in line) for line in app.screen._compositor.render_strips(app.size)
    )


async def test_the_header_says_whose_posts_where_and_how_fresh(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        first, second = shown(app).splitlines()[:2]
    assert "@elonmusk" in first
    assert "populated.db" in first
    assert "train 62%" in first
    assert "post 4 min ago" in first
    assert first.rstrip().endswith("18:07 UTC")
    assert re.findall(r"\d \w+", second) == [f"{i} {place.title}" for i, place in enumerate(SCREENS.values(), 1)]


@pytest.mark.parametrize(
    ("beaten", "ended", "words"),
    [(0, False, "train 62%"), (0, True, "● service"), (60, False, "● 2 runs"), (60, True, "! service lost")],
)
async def test_a_service_stands_back_behind_other_runs_unless_it_is_lost(
    populated: Settings,
    populated_engine: Engine,
    console: MakeConsole,
    settled: Any,
    frozen: datetime,
    beaten: int,
    ended: bool,
    words: str,
) -> None:
    service = runs.create(populated_engine, "service", {}, lease="service")
    beat = {"heartbeat_at": frozen - timedelta(seconds=beaten)}
    with engines.writing(populated_engine) as connection:
        connection.execute(update(tables.RunRow).where(tables.RunRow.id == service).values(status="running", **beat))
        if ended:
            connection.execute(update(tables.RunRow).where(tables.RunRow.kind == "train").values(status="succeeded"))
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert words in shown(app).splitlines()[0]


async def test_a_run_whose_process_never_came_is_lost_in_the_header_too(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any, frozen: datetime
) -> None:
    with engines.writing(populated_engine) as connection:
        queued = {"status": "queued", "heartbeat_at": None, "created_at": frozen - timedelta(minutes=1)}
        connection.execute(update(tables.RunRow).where(tables.RunRow.id == 7).values(**queued))
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "! train lost" in shown(app).splitlines()[0]


def test_the_database_is_named_as_long_as_there_is_room() -> None:
    url = "postgresql+psycopg://ada:••••@db.example:5432/posts?sslmode=require"
    names = [_database_name(url, room) for room in (60, 35, 15, 5)]
    assert names == [
        "postgresql://ada:••••@db.example:5432/posts",
        "postgres db.example:5432/posts",
        "postgres posts",
        "",
    ]
    assert _database_name("sqlite:////srv/data/posts.db", 60) == "/srv/data/posts.db"
    assert _database_name("sqlite:////srv/data/posts.db", 12) == "…/posts.db"


async def test_the_password_is_never_on_the_screen(settings: Settings, console: MakeConsole, settled: Any) -> None:
    secret = replace(settings, database_url="postgresql+psycopg://ada:s3cret@127.0.0.1:1/posts?connect_timeout=2")
    app = console(secret)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ErrorScreen)
        text = shown(app)
    assert "127.0.0.1" in text
    assert "s3cret" not in text


async def test_a_failed_connection_is_tried_again_on_request(
    settings: Settings, tmp_path: Path, console: MakeConsole, settled: Any
) -> None:
    blocked = tmp_path / "not-a-directory"
    blocked.write_text("")
    app = console(replace(settings, data_dir=tmp_path, database_url=f"sqlite:///{blocked / 'posts.db'}"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ErrorScreen)
        assert app.engine is None
        blocked.unlink()
        blocked.mkdir()
        await pilot.press("r")
        await settled(pilot)
        assert not isinstance(app.screen, ErrorScreen)
        assert app.engine is not None


async def test_number_keys_reach_every_screen(populated: Settings, console: MakeConsole, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 30)) as pilot:
        for key, name in enumerate(SCREENS, 1):
            await pilot.press(str(key))
            await settled(pilot)
            assert app.current_mode == name
            assert app.screen.query_one("#banner", Static).display is False


async def test_help_explains_the_keys_of_where_you_stand(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 60)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)
        assert isinstance(app.screen, HelpScreen)
        text = shown(app)
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)
    for words in ("Move the cursor down", "Do what is to be done next", "Go to Forecasts", "Quit"):
        assert words in text


async def test_the_palette_offers_screens_actions_and_runs(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert {
            *(place.title for place in SCREENS.values()),
            "Quit",
            "Refresh counts and features",
            "Import posts…",
        } <= set(titles)
        assert len(titles) == len(set(titles))
        await pilot.press("colon")
        assert isinstance(app.screen, Palette)
        await pilot.press(*"migrations")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("enter") if isinstance(app.screen, Palette) else None
        await settled(pilot)
        assert app.current_mode == "migrations"


async def test_the_theme_is_remembered(populated: Settings, console: MakeConsole, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.theme == DARK.name
        await pilot.press("ctrl+t")
        await settled(pilot)
        assert app.theme == LIGHT.name
    assert console(populated).theme == LIGHT.name
    (populated.data_dir / state.NAME).write_text("[not json")
    assert console(populated).theme == DARK.name


async def test_what_another_console_remembered_meanwhile_stays(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    (populated.data_dir / state.NAME).write_text('{"theme": "musktracker-dark", "zone": "UTC"}')
    first, second = console(populated), console(populated)
    async with first.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        async with second.run_test(size=(80, 24)) as other:
            await settled(other)
            await other.press("ctrl+t")
            await settled(other)
        await pilot.press("4")
        await settled(pilot)
    kept = state.load(populated.data_dir)
    assert (kept["theme"], kept["zone"], kept["screen"]) == (LIGHT.name, "UTC", "events")


async def test_the_console_opens_where_it_was_left(populated: Settings, console: MakeConsole, settled: Any) -> None:
    async with console(populated).run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("4", "slash", *"Launch")
        await settled(pilot)
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.current_mode == "events"
        assert "with “Launch”" in shown(app)


@pytest.mark.parametrize(
    "remembered",
    [
        "[" * 100_000,
        '{"screen": ["events"], "zone": {}, "theme": [], "events_sort": [["Name"], {}], "events_filter": 5}',
    ],
    ids=["deep", "lists"],
)
async def test_nothing_that_is_remembered_keeps_it_from_opening(
    remembered: str, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    (populated.data_dir / state.NAME).write_text(remembered)
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("4")
        await settled(pilot)
        assert "5 events" in shown(app)


async def test_another_time_zone_is_shown_everywhere_and_remembered(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("4")
        await settled(pilot)
        assert "2026-01-17 18:00" in shown(app)
        await pilot.press("z")
        await settled(pilot)
        assert app.current_mode == "events"
        assert "2026-01-17 13:00" in shown(app)
        assert "13:07 EST" in shown(app)
    again = console(populated)
    assert again.zone.key == "America/New_York"
    async with again.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("z")
        await settled(pilot)
        assert again.zone.key == "UTC"


@pytest.mark.parametrize("size", [(59, 20), (80, 15), (20, 5), (5, 2)])
async def test_a_terminal_that_is_too_small_says_so(
    size: tuple[int, int], populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.resize_terminal(*size)
        await settled(pilot)
        assert app.screen.query_one("#too-small").display
        assert not app.screen.query_one(Header).display
        if size[0] >= 20:
            assert "Too small" in shown(app)
        here = app.screen
        await pilot.press("j", "question_mark", "3", "x", "ctrl+t")
        app.post_message(Paste("4"))
        await settled(pilot)
        assert app.screen is here  # nobody could see what keys do
        assert app.theme == DARK.name
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert app.screen.query_one(Header).display


async def test_screens_that_were_hidden_while_theme_and_size_changed_look_as_if_opened_now(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    async def pictures(pilot: Any) -> dict[str, list[Strip]]:
        found = {}
        for key, name in enumerate(SCREENS, 1):
            await pilot.press(str(key))
            await settled(pilot)
            strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
            found[name] = [strip.discard_meta().simplify() for strip in strips]
        return found

    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pictures(pilot)
        await pilot.press("ctrl+t")
        for size in ((20, 5), (160, 45)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
        changed = await pictures(pilot)
    anew = console(populated)
    async with anew.run_test(size=(160, 45)) as pilot:
        await settled(pilot)
        assert anew.theme == LIGHT.name
        opened = await pictures(pilot)
    assert [name for name in SCREENS if changed[name] != opened[name]] == []


async def test_equal_data_are_not_painted_again(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, ConsoleScreen)
        painted: list[Any] = []
        monkeypatch.setattr(screen, "show", painted.append)
        await pilot.press("r")
        await settled(pilot)
        assert painted == []


async def test_a_change_by_another_process_is_shown(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        with engines.writing(populated_engine) as connection:
            connection.execute(update(tables.RunRow).where(tables.RunRow.id == 7).values(progress=0.77))
        assert isinstance(app.screen, ConsoleScreen)
        app.screen._fetch_soon()
        await settled(pilot)
        assert "train 77%" in shown(app).splitlines()[0]


async def test_without_a_change_nothing_is_read(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, ConsoleScreen)
        await pilot.press("r")
        await settled(pilot)
        reads: list[Engine] = []
        monkeypatch.setattr(screen, "fetch", reads.append)
        screen._fetch_soon()
        await settled(pilot)
        assert reads == []


async def test_what_is_asked_for_while_a_read_goes_on_is_read_after_it(
    populated: Settings, console: MakeConsole, settled: Any, hold: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("3")
        await settled(pilot)
        held = hold(app.screen, "fetch")
        await pilot.press("r")
        await held.reached()
        await pilot.press("t")
        held.release()
        await settled(pilot)
        assert app.screen.query_one(RunTable).border_title == "imports"


async def test_a_change_that_fails_is_told_also_where_its_screen_was_left(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    def fail(engine: Engine) -> None:
        raise OSError("the disk is full")

    app, held, told = console(populated), Held(fail), list[str]()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("A")
        await settled(pilot)
        assert isinstance(app.screen, ConsoleScreen)
        app.screen.act(held, after=lambda: told.append("after"))
        await held.reached()
        await pilot.press("escape")
        held.release()
        await settled(pilot)
        assert app.trouble is not None
        assert "the disk is full" in app.trouble.what
        assert told == []  # there is no screen that it would be for


async def test_a_change_is_told_also_where_times_are_shown_in_another_zone_by_then(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app, held, told = console(populated), Held(lambda engine: 7), list[int]()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ConsoleScreen)
        app.screen.act(held, done=lambda run_id: f"Run {run_id} began", then=told.append)
        await held.reached()
        await pilot.press("z")
        held.release()
        await settled(pilot)
        assert "Run 7 began" in [note.message for note in app._notifications]
        assert told == []


async def test_a_database_that_is_away_is_told_though_what_changes_is_read_seldom(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, reads = console(populated), []
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, ConsoleScreen)

        def fetch(_engine: Engine) -> Any:
            reads.append(1)
            raise OSError("the disk went away")

        monkeypatch.setattr(screen, "fetch", fetch)
        screen._rests_until = app.monotonic() + 1000
        monkeypatch.setattr(app.connection, "pulse", lambda _engine: object())
        screen._fetch_in_time()
        await settled(pilot)
        assert reads == []
        monkeypatch.setattr(app.connection, "pulse", lambda _engine: None)
        screen._fetch_in_time()
        await settled(pilot)
        assert "the disk went away" in shown(app)


async def test_an_error_while_reading_is_a_banner_that_goes_away(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        screen = app.screen
        banner = screen.query_one("#banner", Static)

        def fail(engine: Engine) -> Any:
            raise OSError("disk [red]on[/red] fire")

        with monkeypatch.context() as broken:
            broken.setattr(screen, "fetch", fail)
            await pilot.press("r")
            await settled(pilot)
            assert banner.display
            assert "OSError: disk [red]on[/red] fire" in shown(app)
        await pilot.press("r")
        await settled(pilot)
        assert not banner.display


async def test_an_unforeseen_error_leaves_its_trace_in_a_file_without_secrets(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(replace(populated, x_bearer_token="hush-hush"))

    def fail() -> None:
        raise RuntimeError("broken by hush-hush")

    async def use() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            app.call_later(fail)
            await settled(pilot)

    with pytest.raises(RuntimeError):
        await use()
    trace = (populated.log_dir / "console.log").read_text("utf-8")
    assert "RuntimeError: broken by" in trace
    assert "hush-hush" not in trace
    assert app.return_code == 1


async def test_a_title_is_text_whatever_it_looks_like(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    question = "Remove [/b]launch[@click=app.quit]x[/]?"
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await app.push_screen(Confirm(question, ["[b]It[/b] stays in the history"], yes="Remove"))
        await settled(pilot)
        assert question in shown(app)
        assert "[b]It[/b] stays" in shown(app)
