"""Alerts: open ones first, acknowledged and tested by a key, and rules that are changed as the core allows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ALERTS, WHO
from sqlalchemy import Engine, update
from textual.widgets import Static

from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.db.queries import alerts as queries
from musktracker.machine import whoami
from musktracker.pipeline import alert_delivery, alerts
from tui.app import Console
from tui.screens.alerts import AlertsScreen, AlertTable, RuleTable
from tui.screens.overview import OverviewScreen
from tui.widgets.form import FormScreen
from tui.widgets.lines import LONGEST_LINE
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import TonedLine

Opened = Callable[..., Any]


@pytest.fixture
def opened(populated: Settings, console: Callable[..., Console], settled: Any) -> Opened:
    """Opens the alerts from the overview: `async with opened() as (pilot, screen)`."""

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), settings: Settings = populated, **options: Any
    ) -> AsyncIterator[tuple[Any, AlertsScreen]]:
        app = console(settings, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press("A")
            await settled(pilot)
            assert isinstance(app.screen, AlertsScreen)
            yield pilot, app.screen

    return open_screen


def listed(screen: AlertsScreen) -> list[tuple[str, str]]:
    return [(one.rule, one.state) for one in screen.query_one(AlertTable).records]


def state(screen: AlertsScreen) -> str:
    return screen.query_one("#alerts-state", TonedLine).text


def rule(engine: Engine, name: str) -> alerts.Rule:
    return alerts.rule(engine, name)


async def test_open_alerts_come_first_then_acknowledged_ones_then_those_that_are_over(
    alarmed: Engine, opened: Opened
) -> None:
    async with opened() as (_, screen):
        assert [found for _, found in listed(screen)] == ["open"] * 3 + ["acknowledged", "resolved"]
        assert [name for name, _ in listed(screen)[:3]] == ["run_failed", "bracket", "silence"]
        assert state(screen).startswith("! 3 open · 1 acknowledged · nobody looks")


async def test_a_acknowledges_the_alert_under_the_cursor_and_goes_on_to_the_next(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "j", "a")
        found = {one.rule: one for one in queries.listed(alarmed) if one.acknowledged_by == whoami()}
        assert list(found) == ["bracket"]
        assert screen.query_one(AlertTable).record.rule == "silence"
        assert state(screen).startswith("! 2 open · 2 acknowledged")


async def test_what_was_seen_already_is_not_acknowledged_again(alarmed: Engine, opened: Opened, press: Any) -> None:
    async with opened() as (pilot, _):
        await press(pilot, "j", "j", "j", "a")
        assert {one.acknowledged_by for one in queries.listed(alarmed)} == {None, WHO}


async def test_v_leaves_out_those_that_are_over_and_that_is_remembered(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "v")
        assert len(listed(screen)) == 4
        assert pilot.app.memory["alerts_over"] is False
        await press(pilot, "v")
        assert len(listed(screen)) == 5


async def test_where_only_those_that_are_over_are_left_it_says_how_to_see_them(
    alarmed: Engine, opened: Opened, press: Any, frozen: Any
) -> None:
    with engines.writing(alarmed) as connection:
        connection.execute(update(tables.Alert).values(resolved_at=frozen))
    async with opened() as (pilot, screen):
        await press(pilot, "v")
        assert "v shows those that are over" in screen.query_one(AlertTable).render_line(1).text
        assert state(screen).startswith("✓ none open")


async def test_enter_tells_all_of_an_alert_its_details_in_words_and_nothing_as_markup(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    with engines.writing(alarmed) as connection:
        details = {"half_width_50": 34.512, "observed_until": "2026-01-15T12:50:00Z", "by": "[b]pool[/b]"}
        connection.execute(update(tables.Alert).values(details=json.dumps(details), delivery_error="ended with 1"))
    async with opened() as (pilot, _):
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, TextPage)
        text = pilot.app.screen._text
    assert ALERTS[0][3] in text
    assert "half width 50   34.51" in text
    assert "observed until  2026-01-15 12:50 UTC" in text
    assert "by              [b]pool[/b]" in text
    assert "not delivered: ended with 1" in text


async def test_the_alert_under_the_cursor_is_told_whole_below_the_list(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "j", "j")
        assert str(screen.query_one("#alert-chosen", Static).content) == ALERTS[1][3]


async def test_of_an_endless_message_only_what_can_be_seen_is_drawn(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    with engines.writing(alarmed) as connection:
        connection.execute(update(tables.Alert).values(message="\x1b" + "x" * 1_000_000))
    async with opened() as (pilot, screen):
        told = str(screen.query_one("#alert-chosen", Static).content)
        await press(pilot, "1", "escape")
        assert isinstance(pilot.app.screen, OverviewScreen)
        line = str(pilot.app.screen.query_one("#alerts", Static).content).splitlines()[0]
    assert told.startswith("�xxx")
    assert "�xxx" in line
    assert 2 * 80 <= len(told) <= 2 * LONGEST_LINE
    assert 200 < len(line) < 2 * LONGEST_LINE


async def test_from_an_alert_the_keys_of_the_rules_lead_to_its_rule(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "j", "j", "e")
        assert str(pilot.app.screen.query_one("#form").border_title) == "Rule silence"
        await press(pilot, "escape")
        assert screen.query_one(RuleTable).record.name == "silence"


async def test_e_changes_what_differs_of_a_rule(
    populated: Settings, populated_engine: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "tab", "j", "e")
        assert isinstance(pilot.app.screen, FormScreen)
        await press(pilot, "right", "down", "home", "delete", *"6", "enter")
        assert pilot.app.screen is screen
    found = rule(populated_engine, "burst")
    assert (found.enabled, found.cooldown_minutes) == (False, 620)
    assert found.parameters == alerts.defaults("burst")


async def test_a_value_that_cannot_be_is_refused_at_its_field_in_the_words_of_the_core(
    populated_engine: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, _):
        await press(pilot, "tab", "j", "e", "down", "backspace", "x", "down", "home", "delete", "7", "enter")
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        assert "0 to 527,040 minutes" in str(form.query_one("#note-cooldown", Static).content)
        assert str(form.query_one("#note-quantile", Static).content) == (
            "quantile must be a share from 0 to 1, not '7.99'"
        )
    assert rule(populated_engine, "burst").cooldown_minutes == 120


async def test_space_turns_a_rule_off_and_on(populated_engine: Engine, opened: Opened, press: Any) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "space")
        assert not rule(populated_engine, "stale_data").enabled
        assert "off" in screen.query_one(RuleTable).render_line(1).text
        await press(pilot, "space")
        assert rule(populated_engine, "stale_data").enabled


async def test_a_test_reaches_the_alert_command_in_a_thread_and_says_what_it_did(
    populated: Settings, opened: Opened, press: Any, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=populated.data_dir,
        database_url=populated.database_url,
        alert_command=f"sh -c 'cat > {tmp_path}/told'",
    )
    async with opened(settings=settings) as (pilot, screen):
        await press(pilot, "tab", "j", "t")
        assert isinstance(pilot.app.screen, TextPage)
        assert "burst finds nothing now" in pilot.app.screen._text
        assert "✓ A test was delivered" in pilot.app.screen._text
        assert "testing" not in state(screen)
    assert json.loads((tmp_path / "told").read_text())["rule"] == "burst"


async def test_without_an_alert_command_a_test_says_that_nobody_was_told(opened: Opened, press: Any) -> None:
    async with opened() as (pilot, _):
        await press(pilot, "t")
        assert "Nobody was told: no alert command is set" in pilot.app.screen._text


async def test_what_a_test_did_waits_until_nothing_else_is_open(
    opened: Opened, press: Any, settled: Any, hold: Any
) -> None:
    async with opened() as (pilot, screen):
        held = hold(alert_delivery, "test")
        await pilot.press("t")
        await held.reached()
        await pilot.press("e")
        held.release()
        await settled(pilot)
        assert isinstance(pilot.app.screen, FormScreen)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, TextPage)
        await press(pilot, "escape")
        assert pilot.app.screen is screen


async def test_a_console_that_only_reads_shows_all_and_changes_nothing(
    alarmed: Engine, opened: Opened, press: Any
) -> None:
    before = queries.listed(alarmed), alerts.rules(alarmed)
    async with opened(read_only=True) as (pilot, screen):
        await press(pilot, "a", "e", "space", "t")
        assert pilot.app.screen is screen
        await press(pilot, "tab", "enter")
        assert isinstance(pilot.app.screen, TextPage)
    assert (queries.listed(alarmed), alerts.rules(alarmed)) == before


async def test_escape_goes_back_to_the_list_and_then_to_the_overview(opened: Opened, press: Any) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "tab", "escape")
        assert pilot.app.screen is screen
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, OverviewScreen)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    size: tuple[int, int], alarmed: Engine, opened: Opened, snapshot: Any
) -> None:
    async with opened(size) as (pilot, _):
        snapshot(pilot.app, f"alerts-{size[0]}x{size[1]}")
