"""Places: esc leads up to where one came from, `-` to the place before and back, a number to the screen itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from musktracker.config import Settings
from tui.app import Console
from tui.places import PLACES
from tui.widgets.header import HERE, Header
from tui.widgets.palette import Palette

MakeConsole = Callable[..., Console]
Walk = Callable[..., Any]


@pytest.fixture
def walked(backtested: Settings, console: MakeConsole, settled: Any) -> Walk:
    """Presses keys one after the other from the start on; gives the titles of where they led, and the console."""

    async def walk(*keys: str, at_once: bool = False) -> tuple[list[str], Console]:
        app, titles = console(backtested), []
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(pilot)
            for key in keys:
                await pilot.press(key)
                if not at_once:
                    await settled(pilot)
                titles.append(str(app.screen.title))
            await settled(pilot)
            titles.append(str(app.screen.title))
        return titles[:-1], app

    return walk


@pytest.mark.parametrize(
    ("keys", "titles"),
    [
        ("A C escape escape escape", "Alerts Settings Alerts Overview Overview"),
        ("A S C escape escape escape", "Alerts Service Settings Service Alerts Overview"),
        ("A S C A escape", "Alerts Service Settings Alerts Overview"),
        ("5 b enter escape escape escape", "Models Backtests Backtest Backtests Models Models"),
    ],
)
async def test_escape_leads_up_to_where_one_came_from(keys: str, titles: str, walked: Walk) -> None:
    assert (await walked(*keys.split()))[0] == titles.split()


@pytest.mark.parametrize(
    ("keys", "titles"),
    [
        ("2 minus minus", "Migrations Overview Migrations"),
        ("A minus minus", "Alerts Overview Alerts"),
        ("A S escape minus minus", "Alerts Service Alerts Service Alerts"),
        ("A 5 minus minus", "Alerts Models Alerts Models"),
        ("3 C 5 b enter minus minus", "Ingestion Coverage Models Backtests Backtest Backtests Backtest"),
        ("5 b enter 4 minus minus", "Models Backtests Backtest Events Backtest Events"),
        ("5 b enter 5 minus escape escape", "Models Backtests Backtest Models Backtest Backtests Models"),
        ("6 w escape minus escape d minus", "Forecasts Windows Forecasts Windows Forecasts Calibration Forecasts"),
        ("minus", "Overview"),
    ],
)
async def test_dash_goes_to_the_place_before_and_back_whichever_it_is(keys: str, titles: str, walked: Walk) -> None:
    assert (await walked(*keys.split()))[0] == titles.split()


@pytest.mark.parametrize("keys", ["A S minus 5 minus minus 5 b minus minus", "A S C A 1 minus escape minus minus"])
async def test_keys_that_come_at_once_lead_to_the_same_place(keys: str, walked: Walk) -> None:
    slowly, _ = await walked(*keys.split())
    at_once, _ = await walked(*keys.split(), at_once=True)
    assert at_once[-1] == slowly[-1]


async def test_a_number_leads_to_its_screen_as_it_was_left_and_then_to_itself(walked: Walk) -> None:
    titles, _ = await walked(*["5", "b", "1", "5", "5", "b"])
    assert titles == ["Models", "Backtests", "Overview", "Backtests", "Models", "Backtests"]


async def test_the_palette_opens_a_place_over_any_screen_and_escape_leads_back_there(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "DEFAULT_MODE", "models")
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for place in PLACES.values():
            await pilot.press("colon", *place.title)
            await settled(pilot)
            while isinstance(app.screen, Palette):
                await pilot.press("enter")
                await settled(pilot)
            assert app.screen.title == place.title
            content = app.screen.query_one(Header).render()
            [here] = [span for span in content.spans if span.style == HERE]
            assert content.plain[here.start : here.end] == " 5 Models "
            await pilot.press("escape")
            await settled(pilot)
            assert app.screen.title == "Models", place.title


async def test_escape_leads_back_from_a_run_to_where_it_was_opened_and_only_there(
    backtested: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        for keys, title in (("A S", "Service"), ("4", "Events"), ("3 C", "Coverage")):
            for key in keys.split():
                await settled(pilot)
                await pilot.press(key)
            await settled(pilot)
            app.open_run(20)
            await settled(pilot)
            assert app.screen.title == "Ingestion"
            await pilot.press("escape")
            await settled(pilot)
            assert app.screen.title == title
        app.open_run(20)
        await settled(pilot)
        await pilot.press("2", "3", "escape")
        await settled(pilot)
        assert app.screen.title == "Ingestion"


async def test_another_time_zone_keeps_the_place_and_the_way_up(walked: Walk) -> None:
    titles, _ = await walked(*["A", "C", "z", "escape", "minus"])
    assert titles == ["Alerts", "Settings", "Settings", "Alerts", "Settings"]


async def test_nothing_is_gone_to_while_a_form_is_open(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("4", "a")
        form = app.screen
        assert app.navigation.at("models") is None
        app.navigation.go("models")
        app.navigation.up()
        app.navigation.back()
        assert app.screen is form
