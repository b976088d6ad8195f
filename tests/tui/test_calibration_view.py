"""The calibration of the forecasts screen: versions by horizon, plots of the one chosen, and notices of change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from made_forecasts import store_notice, store_scores
from sqlalchemy import Engine

from musktracker.config import Settings
from tui.app import Console
from tui.screens.calibration_view import CalibrationScreen, ScoreTable
from tui.widgets.plot import Plot
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import TonedLine

Opened = Callable[..., Any]


@pytest.fixture
def opened(populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: Any) -> Opened:
    """Opens the screen: `async with opened() as (pilot, screen)`."""
    monkeypatch.setattr(Console, "DEFAULT_MODE", "forecasts")

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), keys: tuple[str, ...] = ("d",), **options: Any
    ) -> AsyncIterator[tuple[Any, CalibrationScreen]]:
        app = console(populated, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press(*keys)
            await settled(pilot)
            assert isinstance(app.screen, CalibrationScreen)
            yield pilot, app.screen

    return open_screen


@pytest.fixture
def scored(populated_engine: Engine) -> Engine:
    """The populated database, with scores of one version."""
    store_scores(populated_engine)
    return populated_engine


def chosen(screen: CalibrationScreen) -> str:
    return screen.query_one("#calibration-chosen", TonedLine).text


def title(screen: CalibrationScreen, view: str) -> str:
    return str(screen.query_one(f"#plot-{view}", Plot).border_title)


async def test_it_begins_with_a_day_ahead_and_says_how_much_is_known(scored: Engine, opened: Opened) -> None:
    async with opened() as (_, screen):
        record = screen.query_one(ScoreTable).record
        assert record is not None
        assert record.horizon == 24
        assert chosen(screen).startswith("negative_binomial 1 · 24 h · 138 scored, 69 apart · misses ↑")
        assert title(screen, "pit").startswith("PIT of 24 h")


async def test_another_row_has_other_plots(scored: Engine, opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("j")
        await settled(pilot)
        assert title(screen, "pit").startswith("PIT of 3 d")
        assert title(screen, "weeks").startswith("CRPS of 3 d by week")


async def test_few_scores_are_warned_of(populated_engine: Engine, opened: Opened) -> None:
    store_scores(populated_engine, days=5)
    async with opened() as (_, screen):
        assert "8 scored, 4 apart: too few to judge" in chosen(screen)


async def test_v_goes_through_the_plots_and_is_remembered(scored: Engine, opened: Opened) -> None:
    async with opened() as (pilot, screen):
        assert [screen.query_one(f"#plot-{view}").display for view in ("pit", "coverage")] == [True, False]
        await pilot.press("v")
        assert [screen.query_one(f"#plot-{view}").display for view in ("pit", "coverage")] == [False, True]
        assert pilot.app.memory["calibration_view"] == "coverage"


async def test_an_open_notice_stands_on_top_and_o_tells_it(scored: Engine, opened: Opened, settled: Any) -> None:
    store_notice(scored, "The level fell by 30% [red]")
    async with opened() as (pilot, screen):
        assert screen.query_one("#calibration-notice", TonedLine).text.startswith("! The level fell by 30% [red]")
        await pilot.press("o")
        await settled(pilot)
        assert isinstance(pilot.app.screen, TextPage)


async def test_enter_tells_intervals_misses_and_weeks(scored: Engine, opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, _):
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, TextPage)


async def test_without_scores_it_says_what_makes_them(
    opened: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(CalibrationScreen, "launch", lambda self, kind, given, then=None: started.append(kind))
    async with opened() as (pilot, screen):
        assert "s scores those" in screen.query_one(ScoreTable).render_line(1).text
        await pilot.press("s")
        assert started == ["score"]


async def test_a_console_that_only_reads_does_not_score(
    opened: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(CalibrationScreen, "launch", lambda self, kind, given, then=None: started.append(kind))
    async with opened(read_only=True) as (pilot, _):
        await pilot.press("s")
        assert started == []


@pytest.mark.parametrize(
    ("size", "keys", "name"),
    [
        ((80, 24), ("d",), "calibration-80x24"),
        ((80, 24), ("d", "v"), "calibration-coverage-80x24"),
        ((80, 24), ("d", "v", "v"), "calibration-weeks-80x24"),
        ((80, 24), ("d", "v", "v", "v"), "calibration-misses-80x24"),
        ((120, 36), ("d",), "calibration-120x36"),
    ],
)
async def test_the_screen_looks_as_it_did(
    scored: Engine, opened: Opened, settled: Any, snapshot: Any, size: tuple[int, int], keys: Any, name: str
) -> None:
    store_notice(scored, "The level has fallen since 6 Jan: 31% fewer posts a day than before")
    async with opened(size, keys) as (pilot, _):
        await settled(pilot)
        snapshot(pilot.app, name)
