"""A console that only reads: what would change something is absent from every screen, and refused by the core."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import shutil
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from places import shown
from sqlalchemy import Engine, insert, select
from textual.binding import Binding
from textual.widgets._toast import Toast

import tui.screens
from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.db.engines import ReadOnly
from tui import hints
from tui.app import Console
from tui.places import SCREENS
from tui.screens.alerts import AlertsScreen
from tui.screens.backtest_pair import BacktestPairScreen
from tui.screens.backtest_results import BacktestScreen
from tui.screens.backtests import BacktestsScreen
from tui.screens.base import ConsoleScreen
from tui.screens.service import ServiceScreen
from tui.screens.settings import SettingsScreen
from tui.screens.version_pair import VersionPairScreen
from tui.widgets.form import FormScreen
from tui.widgets.record_table import RecordTable

READS = {  # these act, yet only look; a window is renewed by itself only where the console may write
    ("MigrationsScreen", "verify"),
    *(("WindowScreen", name) for name in ("edit", "following", "next")),
}
OPENED: tuple[Callable[[], ConsoleScreen], ...] = (
    BacktestsScreen,
    lambda: BacktestScreen(1),
    lambda: BacktestPairScreen(1, 2),
    lambda: VersionPairScreen(1, 2),
    AlertsScreen,
    ServiceScreen,
    SettingsScreen,
)


def screens() -> Iterator[type[ConsoleScreen]]:
    """All places of the console."""
    for module in pkgutil.iter_modules(tui.screens.__path__, "tui.screens."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, ConsoleScreen) and found.__module__ == module.name and found is not ConsoleScreen:
                yield found


def actions(screen: type[ConsoleScreen]) -> set[str]:
    """The actions that keys of a screen have, of its own or of what it is built on."""
    classes = (one for one in screen.__mro__ if issubclass(one, ConsoleScreen))
    bindings = (binding for one in classes for binding in one.BINDINGS if isinstance(binding, Binding))
    return {binding.action.partition("(")[0] for binding in bindings}


def uses(screen: type[ConsoleScreen], name: str, seen: set[str]) -> set[str]:
    """The names of all attributes that a method uses, and those that it uses use."""
    method = inspect.getattr_static(screen, name, None)
    method = method.fget if isinstance(method, property) else method
    if name in seen or not inspect.isfunction(method):
        return seen
    seen.add(name)
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(method)))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            uses(screen, node.attr, seen)
    return seen


@pytest.mark.parametrize("screen", list(screens()), ids=lambda screen: screen.__name__)
def test_every_action_that_starts_a_run_or_changes_something_is_said_to(screen: type[ConsoleScreen]) -> None:
    ways = {"launch", "ask_run", "act"}
    changing = {name for name in actions(screen) if ways & uses(screen, f"action_{name}", set())}
    assert changing - {name for place, name in READS if place == screen.__name__} <= screen.CHANGES


@pytest.mark.parametrize("screen", list(screens()), ids=lambda screen: screen.__name__)
def test_what_is_said_to_change_something_are_actions_of_the_screen(screen: type[ConsoleScreen]) -> None:
    assert actions(screen) >= screen.CHANGES


@pytest.mark.parametrize("screen", list(screens()), ids=lambda screen: screen.__name__)
def test_what_a_screen_is_told_goes_past_no_check_of_an_action(screen: type[ConsoleScreen]) -> None:
    changing = {f"action_{name}" for name in screen.CHANGES}
    told = {name for name in dir(screen) if hasattr(inspect.getattr_static(screen, name), "_textual_on")}
    assert {name for name in told if changing & uses(screen, name, set())} == set()


async def places(app: Console, pilot: Any, settled: Any) -> AsyncIterator[ConsoleScreen]:
    """All places of the console, each open while it is looked at."""
    for key in range(1, len(SCREENS) + 1):
        await pilot.press(str(key))
        await settled(pilot)
        assert isinstance(app.screen, ConsoleScreen)
        yield app.screen
    for make in OPENED:
        app.navigation.open(make)
        await settled(pilot)
        assert isinstance(app.screen, ConsoleScreen)
        yield app.screen
        app.navigation.up()


async def test_no_screen_has_an_action_that_changes_something(
    populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    app = console(populated, read_only=True)
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        async for screen in places(app, pilot, settled):
            _assert_nothing_changes(app)
            monkeypatch.setattr(type(screen), "act", lambda self, *given, **_: asked.append(given))
            for name in screen.CHANGES:
                await screen.run_action(name)
    assert asked == []


async def test_enter_shows_what_there_is_and_asks_for_nothing(
    backtested: Settings, alarmed: Engine, console: Callable[..., Console], settled: Any
) -> None:
    app, entered = console(backtested, read_only=True), 0
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        async for screen in places(app, pilot, settled):
            mode = app.current_mode
            for table in [table for table in screen.query(RecordTable) if table.focusable and table.count]:
                table.focus()
                await pilot.press("enter")
                await settled(pilot)
                assert not isinstance(app.screen, FormScreen), type(screen).__name__
                entered += 1
                if not app.navigation.free:
                    await app.pop_screen()
                if app.current_mode != mode:
                    app.navigation.go(mode)
                while app.screen is not screen:
                    app.navigation.up()
    assert entered > len(SCREENS)


def test_the_core_refuses_to_write(populated: Settings) -> None:
    engine = engines.connect(populated.database_url, read_only=True)
    with pytest.raises(ReadOnly), engines.writing(engine):
        raise AssertionError("not reached")
    with pytest.raises(Exception, match="readonly"), engine.begin() as connection:
        connection.execute(insert(tables.Coverage).values(source="file"))
    engine.dispose()


async def test_a_run_is_refused_by_the_core_too(
    populated: Settings, populated_engine: Engine, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ConsoleScreen)
        app.screen.launch("refresh", {})
        await settled(pilot)
        assert any("only read" in note.message for note in app._notifications)
    with engines.reading(populated_engine) as connection:
        assert len(connection.scalars(select(tables.RunRow.id)).all()) == 7


@pytest.fixture
def hints_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints stand until the test ends, however long it takes."""
    monkeypatch.setattr(hints, "SECONDS", 600)


async def test_every_key_that_would_change_something_says_what_is_the_matter(
    backtested: Settings, alarmed: Engine, console: Callable[..., Console], settled: Any, hints_stand: None
) -> None:
    app, told = console(backtested, read_only=True), set()
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        async for screen in places(app, pilot, settled):
            for key, action, name in changing(screen):
                await pilot.press(key)
                await settled(pilot)
                assert app.screen is screen, (screen.title, key)
                said = [note.message for note in app._notifications]
                assert said == [f"Opened read-only: “{name}” needs a console opened without --read-only"], action
                told.add((type(screen).__name__, action))
    assert len(told) > 30


async def test_a_key_pressed_again_and_another_leave_one_line(
    populated: Settings, console: Callable[..., Console], settled: Any, press: Any, hints_stand: None
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "5", "t", "t", "p", "t", "t")
        [note] = app._notifications
        assert "“Train”" in note.message
        while "“Train”" not in (line := shown(app).splitlines()[0]):
            await pilot.pause(0.01)
        assert line.endswith("without --read-only")
        assert len(app.screen.query(Toast)) == 1


async def test_what_is_typed_into_a_line_is_no_key(
    populated: Settings, console: Callable[..., Console], settled: Any, press: Any, hints_stand: None
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "4", "slash", *"aedus")
        assert list(app._notifications) == []


async def test_keys_that_only_look_say_nothing(
    populated: Settings, console: Callable[..., Console], settled: Any, press: Any, hints_stand: None
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "4", "t", "h", "v", "j", "Q", "5", "space", "v", "d", "1", "d")
        assert list(app._notifications) == []


async def test_a_database_whose_file_may_only_be_read_is_what_is_told(
    populated: Settings,
    console: Callable[..., Console],
    settled: Any,
    press: Any,
    hints_stand: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Settings, "may_write", False)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "4", "a")
        [note] = app._notifications
    assert note.message == "“Add” would change the database, whose file may only be read here"


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_a_key_in_a_console_that_only_reads_looks(
    populated: Settings,
    console: Callable[..., Console],
    settled: Any,
    press: Any,
    snapshot: Any,
    hints_stand: None,
    size: tuple[int, int],
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "n")
        while "Opened read-only" not in shown(app):
            await pilot.pause(0.01)
        snapshot(app, f"read-only-{size[0]}x{size[1]}")


async def test_the_first_page_names_no_key_that_would_change_something(
    empty: Settings, sqlite_template: Path, console: Callable[..., Console], settled: Any, press: Any
) -> None:
    path = Path(empty.with_data_dir_made().database_url.removeprefix("sqlite:///"))
    shutil.copy(sqlite_template, path)
    app = console(empty, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        titles = [line for line in shown(app).splitlines() if "Import a file" in line or "demo account" in line]
        assert [line.split()[0] for line in titles] == ["Import", "See"]
        await press(pilot, "i")
        assert "“Import”" in "".join(note.message for note in app._notifications)


def changing(screen: ConsoleScreen) -> list[tuple[str, str, str]]:
    """The keys of a screen whose actions could change something now, in a console that writes."""
    return [
        (binding.key, action, binding.description)
        for bindings in screen._bindings.key_to_bindings.values()
        for binding in bindings
        for action in [binding.action.partition("(")[0]]
        if action in screen.CHANGES and screen.can(action) is not False
    ]


def _assert_nothing_changes(app: Console) -> None:
    screen = app.screen
    assert isinstance(screen, ConsoleScreen)
    active = {found.binding.action for found in screen.active_bindings.values() if found.node is screen}
    assert not screen.CHANGES & active, type(screen).__name__
    offered = {command.title for command in app.get_system_commands(screen)}
    assert not offered & {"Import posts…", "Refresh counts and features", "Score forecasts", "Open the demo"}
