"""Every place in every state: empty, loading, full, failed, small and large, and without colours."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import HELD, OVER, SCREENS, go, resized, shown, walk, walk_name, walks
from textual.widgets import Static

from musktracker.config import Settings
from musktracker.errors import MuskTrackerError
from tui.app import Console
from tui.screens.base import ConsoleScreen
from tui.screens.error import ErrorScreen
from tui.widgets.text_page import TextPage
from tui.widgets.waiting import Waiting

MakeConsole = Callable[..., Console]
SMALL, LARGE = (80, 24), (200, 50)
DIFFERS = {"export-form", "events-export", "step", "settings"}  # they tell paths of the machine, or start a process
OPENING = "Opening the database…"
FILLED_BY = {
    "overview": " i  Import a file of posts",
    "migrations": "Schema at",  # never empty: the schema is what fills it
    "ingestion": "No runs yet: i imports a file of posts, a follows the X API",
    "events": "No events yet: a adds one, i imports a file or a calendar of them",
    "models": "No model is trained yet: t trains one",
    "forecasts": "No forecast yet: n makes one",
    "backtests": "No backtest is stored yet: n starts one",
    "alerts": "No alerts yet: a running service looks once a minute, S starts one",
    "service": "No service has run on this database: s starts one",
}
TOLD_BY_MARKS = {  # what is told by colour is also told by a mark or a word
    "overview": ("✓", "● running"),
    "ingestion": ("✓ succeeded", "✗ failed", "■ cancelled", "● running"),
    "migrations": ("✓", "applied"),
    "events": ("coming", "past"),
    "models": ("✓", "● running"),
    "forecasts": ("━━ observed", "██ 95%"),
    "backtests": ("✓ 300 of 300", "! 9 of 60"),
    "alerts": ("✓ none open", "on "),
    "service": ("✓ succeeded", "due"),
    "backtest": ("◆ seasonal_naive", "▲ pool", "*"),
    "versions": ("≠", "◂"),
}


def named(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@pytest.mark.parametrize("places", walks(SCREENS), ids=walk_name)
async def test_an_empty_place_says_what_fills_it_and_by_which_key(
    places: list[str], empty: Settings, console: MakeConsole, settled: Any, text_snapshot: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=SMALL) as pilot:
        async for place in walk(pilot, settled, places):
            for size in (LARGE, SMALL):
                await resized(pilot, settled, size)
                assert FILLED_BY[place] in shown(app), place
                text_snapshot(app, f"{place}-empty-{named(size)}")


async def test_no_run_of_a_kind_and_no_change_of_an_event_are_explained(
    empty: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(empty)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        for keys, words in ((("3", "t"), "No such run yet: t shows"), (("4", "h", "h"), "No changes yet: every one")):
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            assert words in shown(app)


@pytest.mark.parametrize("places", walks(SCREENS), ids=walk_name)
async def test_a_place_says_what_it_waits_for_and_not_that_there_is_nothing(
    places: list[str], populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(populated)
    monkeypatch.setattr(app.connection, "open", lambda: setattr(app, "phase", OPENING))
    async with app.run_test(size=SMALL) as pilot:
        async for place in walk(pilot, settled, places):
            text = shown(app)
            assert app.screen.query_one(Waiting).display, place
            header, body = text.splitlines()[0], text.splitlines()[2:-1]
            assert OPENING in header, place
            assert [line.strip() for line in body if line.strip()] == [OPENING], place


@pytest.mark.parametrize("places", walks([*SCREENS, *HELD]), ids=walk_name)
async def test_a_full_place_looks_and_no_line_of_it_is_wider_than_a_small_screen(
    places: list[str], backtested: Settings, console: MakeConsole, settled: Any, text_snapshot: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=LARGE) as pilot:
        async for place in walk(pilot, settled, places):
            if place not in DIFFERS:
                text_snapshot(app, f"{place}-{named(LARGE)}")
            await resized(pilot, settled, SMALL)
            assert not app.screen.query_one("#too-small").display, place
            assert app.screen.max_scroll_x == 0, place
            assert shown(app).splitlines()[-1].rstrip().endswith("q Quit"), place
            await resized(pilot, settled, LARGE)


@pytest.mark.parametrize("places", walks(place for place in OVER if place not in DIFFERS), ids=walk_name)
async def test_what_opens_over_a_full_place_looks(
    places: list[str],
    backtested: Settings,
    console: MakeConsole,
    settled: Any,
    text_snapshot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.paths.Path.cwd", lambda: Path("/srv"))
    app = console(backtested)
    async with app.run_test(size=SMALL) as pilot:
        async for place in walk(pilot, settled, places):
            text_snapshot(app, f"{place}-{named(SMALL)}")


@pytest.mark.parametrize("places", walks(SCREENS), ids=walk_name)
async def test_a_place_that_cannot_be_read_says_why_and_what_to_do_and_shows_every_detail(
    places: list[str],
    populated: Settings,
    console: MakeConsole,
    settled: Any,
    text_snapshot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed, read = True, ConsoleScreen._read

    def fail(*arguments: Any) -> Any:
        if closed:
            raise OSError("the server closed the connection")
        return read(*arguments)

    monkeypatch.setattr(ConsoleScreen, "_read", fail)
    app = console(populated)
    async with app.run_test(size=SMALL) as pilot:
        async for place in walk(pilot, settled, places):
            text = shown(app)
            assert "OSError: the server closed the connection" in text, place
            assert "r reads again · ! shows the details" in text, place
            assert "There is nothing to show yet" in text, place
            if place == "overview":
                text_snapshot(app, "overview-failed-80x24")
            await pilot.press("exclamation_mark")
            await settled(pilot)
            assert isinstance(app.screen, TextPage)
            assert "Traceback (most recent call last)" in app.screen._text
            closed = False
            await pilot.press("escape", "r")
            await settled(pilot)
            assert "OSError" not in shown(app), place
            assert not app.screen.query_one(Waiting).display, place
            closed = True


async def test_a_record_that_cannot_be_shown_says_so_in_its_row_and_ends_nothing(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    with sqlite3.connect(populated.database_url.removeprefix("sqlite:///")) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("UPDATE exogenous_events SET intensity = 9e999 WHERE id = 1")
    connection.close()
    app = console(populated)
    async with app.run_test(size=SMALL) as pilot:
        await go(pilot, settled, "events")
        assert "This row cannot be shown: OverflowError" in shown(app)
        assert "Holiday" in shown(app)


async def test_what_was_read_and_cannot_be_shown_is_told_and_ends_nothing(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("no such intensity")

    app = console(populated)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        monkeypatch.setattr(type(app.screen), "show", fail)
        app.screen._shown = None
        await pilot.press("r")
        await settled(pilot)
        assert "ValueError: no such intensity" in shown(app)
        monkeypatch.undo()
        await pilot.press("r")
        await settled(pilot)
        assert "ValueError" not in shown(app)


async def test_details_of_an_error_are_offered_only_after_one(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await settled(pilot)
        assert "exclamation_mark" not in app.screen.active_bindings
        app.complain(MuskTrackerError("The disk is full", "Free some space, then try again"))
        await settled(pilot)
        assert "exclamation_mark" in app.screen.active_bindings
        [told] = app._notifications
        assert told.message == "The disk is full. Free some space, then try again\n! shows the details"
        assert "! shows the details" in shown(app)


async def test_a_schema_of_a_newer_program_is_explained_and_its_details_are_shown_on_demand(
    populated: Settings, console: MakeConsole, settled: Any, text_snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sqlite3.connect(Path(populated.database_url.removeprefix("sqlite:///")))
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '999'")
    connection.close()
    monkeypatch.setattr(Settings, "safe_database_url", "sqlite:////srv/posts.db")
    app = console(populated)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ErrorScreen)
        text_snapshot(app, "schema-too-new-80x24")
        assert "Traceback" not in shown(app)
        await pilot.press("d")
        await settled(pilot)
        assert app.screen.query_one("#details").display
        await pilot.press("d", "r")
        await settled(pilot)
        assert isinstance(app.screen, ErrorScreen)


@pytest.mark.parametrize("places", walks([*SCREENS, *HELD]), ids=walk_name)
async def test_without_colours_there_are_none_and_state_is_told_by_marks(
    places: list[str], backtested: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        async for place in walk(pilot, settled, places):
            for line in app.screen._compositor.render_strips(app.size):
                for _, style, _ in line:
                    for color in filter(None, (style and style.color, style and style.bgcolor)):
                        red, green, blue = color.get_truecolor()
                        assert max(red, green, blue) - min(red, green, blue) <= 1, place
            text = shown(app)
            for mark in TOLD_BY_MARKS.get(place, ()):
                assert mark in text, place


async def test_states_that_nobody_foresaw_and_values_that_are_none_end_nothing_however_listed_and_sorted(
    populated: Settings, alarmed: Any, console: MakeConsole, settled: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(populated.database_url.removeprefix("sqlite:///")) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("UPDATE runs SET status = 'paused' WHERE kind IN ('score', 'forecast')")
        connection.execute("UPDATE runs SET progress = 9e18, message = x'ff' WHERE id = 7")
        connection.execute("UPDATE alerts SET severity = 'fatal'")
    connection.close()
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        for place in ("overview", "ingestion", "alerts", "service"):
            await go(pilot, settled, place)
            await pilot.press("o", "o", "slash", "p", "escape", "escape", "X", "escape", "escape")
            await settled(pilot)
        await go(pilot, settled, "alerts")
        assert "? fatal" in " ".join(shown(app).split())


@pytest.mark.parametrize(
    ("place", "change", "told"),
    [
        ("ingestion", "runs SET progress = 'half'", "could not convert string to float: 'half'"),
        ("forecasts", "forecast_totals SET n_paths = 'many'", "invalid literal for int() with base 10: 'many'"),
    ],
)
async def test_text_in_place_of_a_number_is_told_and_ends_nothing(
    place: str, change: str, told: str, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    with sqlite3.connect(populated.database_url.removeprefix("sqlite:///")) as connection:
        connection.execute(f"UPDATE {change}")
    connection.close()
    app = console(populated)
    async with app.run_test(size=SMALL) as pilot:
        await go(pilot, settled, place)
        assert f"ValueError: {told}" in shown(app)


@pytest.mark.parametrize("backups", [0, 2])
async def test_a_broken_database_is_told_with_what_to_put_in_its_place(
    backups: int, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    path = Path(populated.database_url.removeprefix("sqlite:///"))
    path.write_bytes(b"SQLite format 3\0" + b"\x10\0\2\2" + b"\xff" * 8000)
    names = [f"{path.stem}.2026010{n}T000000Z.backup.db" for n in range(backups)]
    for name in names:
        path.with_name(name).touch()
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ErrorScreen)
        hint = str(app.screen.query_one("#hint", Static).content)
        assert hint.endswith(names[-1]) if names else "musktracker migrate up makes a new one" in hint
