"""Keys: each has one meaning in a place, and help and palette tell of all that a place can do."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from places import HELD, SCREENS, go, resized, shown, walk, walk_name, walks
from textual.actions import parse
from textual.binding import ActiveBinding, Binding
from textual.events import Key
from textual.widgets import Static

from musktracker.config import Settings
from tui.app import Console
from tui.commands import MOVING
from tui.elsewhere import Elsewhere
from tui.screens.base import ConsoleScreen
from tui.screens.help import HelpScreen
from tui.widgets.confirm import Confirm
from tui.widgets.keys import Keys
from tui.widgets.palette import Palette

MakeConsole = Callable[..., Console]
PLACES = [*SCREENS, *HELD]
ELSEWHERE = (  # what is typed in the palette of the overview, and what is seen then
    ("train", "Train a model"),
    ("new forecast", "New forecast"),
    ("backtests", "Backtests"),
    ("what if", "What if"),
    ("add by form", "Add an event"),
    ("coverage", "Coverage"),
    ("windows", "Windows"),
    ("calibration", "Calibration"),
)
EXPLAIN_THEMSELVES = ("ingestion", "events", "events-timeline", "events-history")


def own(screen: ConsoleScreen) -> list[Binding]:
    """The bindings of a screen's own class, one for each key."""
    return list(Binding.make_bindings(type(screen).BINDINGS))


@pytest.mark.parametrize("places", walks(PLACES), ids=walk_name)
async def test_a_key_has_one_meaning_in_a_place_and_help_and_palette_tell_of_it(
    places: list[str], backtested: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 60)) as pilot:
        async for place in walk(pilot, settled, places):
            screen = app.screen
            assert isinstance(screen, ConsoleScreen)
            assert meant_twice(screen) == [], place
            assert all(binding.id and binding.description for binding in own(screen)), place
            active = [found for found in screen.active_bindings.values() if not found.binding.system]
            assert not_offered(app, screen, active) <= {"app.palette"}, place  # it is open then
            hidden = {binding.id for binding in own(screen)} - {found.binding.id for found in active}
            assert hidden == {binding.id for binding in own(screen) if _makes_no_sense_now(screen, binding)}, place
            await pilot.press("question_mark")
            await settled(pilot)
            assert isinstance(app.screen, HelpScreen)
            told = "\n".join(str(group.content) for group in app.screen.query(".keys").results(Static))
            words = {found.binding.id: _words(found.binding) for found in active}
            assert [name for name, said in words.items() if said and said not in told] == [], place
            explained = [str(term.content) for term in app.screen.query(".term").results(Static)]
            assert explained == [term for term, _ in screen.TERMS], place
            assert bool(explained) == (place not in EXPLAIN_THEMSELVES), place
            await pilot.press("escape")
            await settled(pilot)


def meant_twice(screen: ConsoleScreen) -> list[str]:
    """Keys that mean one thing to a place and another to what has the keys, or to the console."""
    focused = screen.focused
    assert focused is not None

    def can(binding: Binding) -> bool:
        return focused.check_action(binding.action.partition("(")[0], ()) is not False

    levels = [
        {binding.key for binding in own(screen)},
        {binding.key for binding in Binding.make_bindings(Console.BINDINGS)},
        {key for key, bindings in focused._bindings.key_to_bindings.items() if any(map(can, bindings))},
    ]
    of_its_own = [key for key, count in Counter(binding.key for binding in own(screen)).items() if count > 1]
    return of_its_own + [key for key, count in Counter(key for level in levels for key in level).items() if count > 1]


def not_offered(app: Console, screen: ConsoleScreen, active: list[ActiveBinding]) -> set[str]:
    """What the palette does not tell of, without what the toolkit brings for moving about."""
    offered = Counter(command.title for command in app.get_system_commands(screen))
    missing = {found.binding.id for found in active if found.enabled and not offered[found.binding.description]}
    return {name for name in missing if name and name.partition(".")[0] not in MOVING}


def footer(app: Console) -> str:
    return app.screen.query_one(Keys).render().plain


@pytest.mark.parametrize("places", walks(["backtests", "backtest", "backtest-pair", "versions"]), ids=walk_name)
async def test_the_way_back_is_the_last_key_of_a_place_and_stays_where_there_is_little_room(
    places: list[str], backtested: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(80, 36)) as pilot:
        async for place in walk(pilot, settled, places):
            for width in (200, 80):
                await resized(pilot, settled, (width, 36))
                assert footer(app).endswith("esc Back  : Commands  ? Help  q Quit"), place


async def test_where_there_is_no_room_a_key_that_does_nothing_now_goes_first(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await go(pilot, settled, "migrations")
        await pilot.pause()
        assert "Apply" not in footer(app)
        assert "x Revert  v Verify" in footer(app)


def _words(binding: Binding) -> str:
    return binding.tooltip or binding.description


def _makes_no_sense_now(screen: ConsoleScreen, binding: Binding) -> bool:
    _, action, parameters = parse(binding.action)
    return screen.check_action(action, parameters) is False


async def test_keys_faster_than_a_screen_is_made_end_nothing_and_change_nothing_where_it_only_reads(
    populated: Settings, console: MakeConsole, settled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # exports are no change
    chance, path = random.Random(20), populated.database_url.removeprefix("sqlite:///")
    typed = [*"123456abcdefghijklmnoprstuvwxyzABDHINORSUXZ", *("escape", "enter", "down", "pageup", "tab", "colon")]
    before = _rows(path)
    app = console(populated, read_only=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        for _ in range(40):
            for key in chance.choices(typed, k=10):
                app.post_message(Key(key, key if len(key) == 1 else None))
            await pilot.pause()
        await settled(pilot)
    assert app.return_code is None
    assert _rows(path) == before


@pytest.mark.parametrize("place", ["ingestion", "events", "models", "forecasts", "settings"])
async def test_enters_that_come_at_once_open_nothing_twice(
    place: str, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, place)
        beneath = len(app.screen_stack)
        for _ in range(3):  # the second closes a page that the first opened, or saves a form
            app.post_message(Key("enter", None))
        await settled(pilot)
        assert len(app.screen_stack) <= beneath + 1


async def test_enters_that_come_at_once_answer_a_question_once(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app, answers = console(populated), list[object]()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.push_screen(Confirm("Drop it?", ["All of it"], yes="Drop", typed="all"), answers.append)
        await settled(pilot)
        await pilot.press(*"all")
        for _ in range(3):
            app.post_message(Key("enter", None))
        await settled(pilot)
    assert answers == [True]


async def test_where_the_palette_finds_nothing_there_is_no_page_to_turn(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"no such thing")
        await settled(pilot)
        await pilot.press("pageup", "pagedown", "down", "enter")
        await settled(pilot)
        assert isinstance(app.screen, Palette)


async def test_a_screen_that_is_gone_to_before_the_palette_is_there_ends_nothing(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        for key in ("colon", "3"):
            app.post_message(Key(key, None))
        await settled(pilot)
    assert app.return_code is None


def _rows(path: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


async def test_the_palette_finds_and_does_what_is_done_on_another_screen(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        for typed, where in ELSEWHERE:
            await settled(pilot)
            assert (app.current_mode, len(app.screen_stack)) == ("overview", 1), f"before {typed}"
            await pilot.press("colon", *("space" if key == " " else key for key in typed))
            await settled(pilot)
            while isinstance(app.screen, Palette):
                await pilot.press("enter")
                await settled(pilot)
            assert where in f"{app.screen.title}\n{shown(app)}", typed
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
                await settled(pilot)
            await pilot.press("1")


async def test_a_console_that_only_reads_finds_no_change_elsewhere(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        found = Elsewhere(app.screen)
        assert [hit async for hit in found.search("train")] == []
        assert [str(hit.match_display) async for hit in found.search("calibration")] == ["Calibration · Forecasts"]
