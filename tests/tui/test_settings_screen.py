"""Settings: each with value, origin, variable and file, secrets masked; and the places that open from anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from places import shown

from musktracker.config import ENVIRONMENT, Settings
from tui.app import Console
from tui.places import PLACES
from tui.screens.settings import SettingTable
from tui.widgets.text_page import TextPage

MakeConsole = Callable[..., Console]


@pytest.fixture
def secret(populated: Settings) -> Settings:
    """Settings with a secret, one of them from the environment."""
    origins = {"x_bearer_token": "environment (X_BEARER_TOKEN)", "account": "/etc/musktracker.toml"}
    return replace(populated, x_bearer_token="hush-hush", alert_command="pager https://hush.example", origins=origins)


async def test_every_setting_is_shown_with_its_origin_and_no_secret(
    secret: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(secret)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("C")
        await settled(pilot)
        text = shown(app)
    assert all(name in text and variable in text for name, variable in ENVIRONMENT.items())
    assert "hush" not in text
    assert "environment" in text
    assert "musktracker.toml" in text


async def test_it_names_the_file_to_edit(
    populated: Settings, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MUSKTRACKER_CONFIG", str(tmp_path / "own.toml"))
    app = console(populated)
    async with app.run_test(size=(200, 36)) as pilot:
        await settled(pilot)
        await pilot.press("C")
        await settled(pilot)
        assert f"Edit {tmp_path}/own.toml (not there yet)" in shown(app)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, TextPage)
        assert f'database_url = "…" in {tmp_path}/own.toml' in app.screen._text
        assert "MUSKTRACKER_DATABASE_URL in the environment" in app.screen._text


async def test_a_zone_that_was_chosen_by_a_key_says_so(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("z")
        await settled(pilot)
        await pilot.press("C")
        await settled(pilot)
        [zone] = [one for one in app.screen.query_one(SettingTable).records if one.name == "timezone"]
    assert (zone.value, zone.origin) == ("America/New_York", "z in the console")


async def test_the_palette_offers_each_place_once(populated: Settings, console: MakeConsole, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for keys in ((), ("A",), ("5",)):
            await pilot.press(*keys)
            await settled(pilot)
            titles = [command.title for command in app.get_system_commands(app.screen)]
            offered = [titles.count(place.title) for place in PLACES.values()]
            assert offered == [int(place.title != app.screen.title) for place in PLACES.values()]
