"""Keys that start a run: pressed twice they start one, and what goes on already is told instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from places import go, shown
from sqlalchemy import Engine, update
from textual.events import Key

from musktracker import launching, runs
from musktracker.config import Settings
from musktracker.db import engines, tables
from tui import hints
from tui.app import Console
from tui.hints import Hint
from tui.screens.base import ConsoleScreen
from tui.widgets.form import Choice, FormScreen

MakeConsole = Callable[..., Console]
KEYS = [  # that start a run at once, without a form between: how to get there, and what starts
    ("1", "u", "refresh"),
    ("1", "s", "score"),
    ("1", "n", "score"),
    ("3", "R", "refresh"),
    ("4", "R", "refresh"),
    ("6", "s", "score"),
    ("6 d", "s", "score"),
    ("6 w", "n", "window"),
    ("5 b j j", "s", "backtest"),
    ("5 b j enter", "i", "compare"),
    ("5 b space j c", "i", "compare"),
]


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are queued, and stay so: no process begins with them. Hints stand until the test ends."""
    monkeypatch.setattr(launching, "_start_worker", lambda *_: SimpleNamespace(wait=lambda: 0))
    monkeypatch.setattr(hints, "SECONDS", 600)


@pytest.fixture
def engine(backtested: Settings) -> Iterator[Engine]:
    """An engine beside the console's, on a database where there is something to start from every key."""
    made = engines.connect(backtested.database_url)
    _execute(made, update(tables.Forecast).values(actual_count=None))
    yield made
    made.dispose()


def queued(engine: Engine) -> list[str]:
    """The kinds of the runs that wait for a process."""
    return [info.kind for info in runs.recent(engine, active=True) if info.status == "queued"]


def hinted(app: Console) -> list[str]:
    """The hints that stand."""
    return [note.message for note in app._notifications if isinstance(note, Hint)]


@pytest.mark.parametrize(("way", "key", "kind"), KEYS)
async def test_a_key_pressed_twice_starts_one_run_and_says_that_it_goes_on(
    way: str,
    key: str,
    kind: str,
    backtested: Settings,
    engine: Engine,
    console: MakeConsole,
    settled: Any,
    press: Any,
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, *way.split())
        for _ in range(2):  # at once: the first start is still being made
            app.post_message(Key(key, key))
        await settled(pilot)
        assert queued(engine) == [kind]
        [told] = hinted(app)
        await pilot.press(key)
        await settled(pilot)
        assert hinted(app) == [told]
        assert queued(engine) == [kind]
        [made] = [info.id for info in runs.recent(engine, kinds=[kind], active=True)]
        assert told == f"Run {made} ({kind}) goes on already: 3 shows it"


async def test_a_run_that_has_ended_is_started_anew(
    backtested: Settings, engine: Engine, console: MakeConsole, settled: Any, press: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "s")
        [first] = runs.recent(engine, kinds=["score"], active=True)
        runs.finish(engine, first.id, runs.ending("succeeded"))
        await press(pilot, "s")
        assert queued(engine) == ["score"]
        assert hinted(app) == []


async def test_runs_of_one_kind_that_do_something_else_go_on_beside_each_other(
    backtested: Settings, engine: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, ConsoleScreen)
        for preset in ("fri-noon", "tue-noon", "fri-noon"):
            app.screen.launch("window", {"preset": preset})
        await settled(pilot)
        assert queued(engine) == ["window", "window"]
        assert len(hinted(app)) == 1


async def test_a_form_that_asks_for_what_goes_on_already_closes_and_says_so(
    backtested: Settings, engine: Engine, console: MakeConsole, settled: Any, press: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "backtests")
        for _ in range(2):
            await press(pilot, "n", "enter")
            assert not isinstance(app.screen, FormScreen), shown(app)
        assert queued(engine) == ["backtest"]
        assert "goes on already: 3 shows it" in "".join(hinted(app))


async def test_what_another_run_of_the_kind_holds_is_said_in_the_form_which_stays(
    backtested: Settings, engine: Engine, console: MakeConsole, settled: Any, press: Any
) -> None:
    holder = runs.create(engine, "train", {"model": "har_bootstrap", "days": 30}, lease="train:har_bootstrap")
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "models")
        await press(pilot, "t")
        form = app.screen
        assert isinstance(form, FormScreen)
        form.query_one("#field-model", Choice).value = "har_bootstrap"
        await press(pilot, "enter")
        assert app.screen is form
        assert f"train:har_bootstrap is held by run {holder}" in shown(app)
        assert hinted(app) == []


def _execute(engine: Engine, statement: Any) -> None:
    with engines.writing(engine) as connection:
        connection.execute(statement)
