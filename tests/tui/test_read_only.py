"""A console that only reads: what would change something is absent from every screen, and refused by the core."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select
from textual.binding import Binding

import tui.screens
from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.db.engines import ReadOnly
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


def _assert_nothing_changes(app: Console) -> None:
    screen = app.screen
    assert isinstance(screen, ConsoleScreen)
    active = {found.binding.action for found in screen.active_bindings.values() if found.node is screen}
    assert not screen.CHANGES & active, type(screen).__name__
    offered = {command.title for command in app.get_system_commands(screen)}
    assert not offered & {"Import posts…", "Refresh counts and features", "Score forecasts", "Open the demo"}
