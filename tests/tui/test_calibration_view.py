"""The calibration of the forecasts screen: versions by horizon with their plots, by window with their chances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from made_forecasts import ORIGIN, store_notice, store_scored_windows, store_scores
from places import shown
from sqlalchemy import Engine

from musktracker.config import Settings
from musktracker.timeline import DAY
from tui.app import Console
from tui.exporting import parts_of
from tui.screens.calibration_view import CalibrationScreen, ScoreTable
from tui.screens.window_scores import ReliabilityTable, WindowScoresPanel, WindowTable
from tui.widgets.plot import Plot
from tui.widgets.record_table import RecordTable
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


async def test_of_few_scores_nothing_is_called_good_or_bad(
    populated_engine: Engine, opened: Opened, settled: Any
) -> None:
    store_scores(populated_engine, days=2)
    store_scored_windows(populated_engine, weeks=5)
    async with opened((120, 36)) as (pilot, screen):
        found = screen.query_one(ScoreTable).records
        assert found
        assert all(one.few for one in found if one.horizon >= 24)
        screen.query_one(ScoreTable).set_records([one for one in found if one.few])
        table = screen.query_one(ScoreTable)
        assert not tones(table) & {"good", "bad"}
        assert "!" not in "".join(table.render_line(y).text for y in range(table.size.height))
        plot = screen.query_one("#plot-coverage", Plot)
        assert "✗" not in "".join(plot.render_line(y).text for y in range(plot.size.height))
        await pilot.press("w")
        await settled(pilot)
        assert not tones(screen.query_one(WindowTable)) & {"good", "bad"}
        assert not tones(screen.query_one(ReliabilityTable)) & {"good", "bad"}


def tones(table: RecordTable[Any]) -> set[str]:
    cells = [cell for record in table.records for cell in table._cells(record)]
    return {cell[1] for cell in cells if isinstance(cell, tuple)}


async def test_where_only_forecasts_of_long_ago_are_scored_they_are_shown(
    scored: Engine, opened: Opened, settled: Any
) -> None:
    store_scored_windows(scored)
    async with opened() as (pilot, screen):
        pilot.app.now = lambda: ORIGIN + 400 * DAY
        await pilot.press("r")
        await settled(pilot)
        assert screen.query_one(ScoreTable).record is not None
        await pilot.press("w")
        await settled(pilot)
        assert screen.query_one(WindowTable).record is not None


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


async def test_weeks_end_on_the_days_of_the_display_zone(
    scored: Engine, populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    last = ORIGIN - DAY  # the last origin whose day is over, at 18:00 UTC: the day after in the zone
    app = console(replace(populated, timezone="Pacific/Auckland"))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("6")
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
        drawn = app.screen.query_one("#plot-weeks", Plot)
        assert f"{last.day + 1} Jan" in "".join(drawn.render_line(y).text for y in range(drawn.size.height))
        await pilot.press("enter")
        await settled(pilot)
        assert f"2026-01-{last.day + 1}" in shown(app)


async def test_its_plots_are_written_as_what_they_draw(scored: Engine, opened: Opened, settled: Any) -> None:
    async with opened((120, 36)) as (pilot, _):
        parts = {part.title: part for part in parts_of(pilot.app.screen, "Test")}
        records = {title: part.exported.records for title, part in parts.items()}
        assert sum(record["share"] for record in records["PIT of 24 h"]) == pytest.approx(1)
        assert [record["horizon"] for record in records["Held by horizon"]] == [1, 6, 24, 72, 168]
        assert {"held_95", "expected_95_low", "expected_95_high"} <= set(records["Held by horizon"][0])
        assert {"above_95", "below_95"} <= set(records["Misses by horizon"][0])
        last = records["CRPS of 24 h by week"][-1]
        assert (last["end"], last["forecasts"]) == (ORIGIN - DAY, 14)
        assert "nominal" in parts["Held by horizon"].picture()


def chosen_windows(screen: CalibrationScreen) -> str:
    return screen.query_one(WindowScoresPanel).query_one(TonedLine).text


async def test_w_shows_the_scores_of_windows_and_those_of_hours_again(
    scored: Engine, opened: Opened, settled: Any
) -> None:
    store_scored_windows(scored)
    async with opened() as (pilot, screen):
        await pilot.press("w")
        await settled(pilot)
        assert isinstance(screen.focused, WindowTable)
        assert not screen.query_one("#calibration-hours").display
        assert [one.window for one in screen.focused.records] == ["fri-noon", "month"]
        assert pilot.app.memory["calibration_of"] == "windows"
        await pilot.press("w")
        await settled(pilot)
        assert isinstance(screen.focused, ScoreTable)
        assert not screen.query_one(WindowScoresPanel).display


async def test_windows_are_shown_again_where_they_were_left(scored: Engine, opened: Opened, settled: Any) -> None:
    store_scored_windows(scored)
    async with opened(keys=("d", "w", "escape", "d")) as (_, screen):
        assert isinstance(screen.focused, WindowTable)
        assert screen.focused.count == 2


async def test_another_kind_of_window_has_other_chances(scored: Engine, opened: Opened, settled: Any) -> None:
    store_scored_windows(scored)
    async with opened(keys=("d", "w")) as (pilot, screen):
        await settled(pilot)
        table = screen.query_one(ReliabilityTable)
        before = table.records
        assert chosen_windows(screen).startswith("negative_binomial 1 · fri-noon · 96 scored of 24 windows apart ·")
        await pilot.press("j")
        await settled(pilot)
        assert chosen_windows(screen).startswith(
            "negative_binomial 1 · month · 24 scored of 6 windows apart: too few to judge"
        )
        assert (table.count, len(before)) == (10, 10)
        assert table.records != before


async def test_enter_tells_all_of_the_scores_of_windows(scored: Engine, opened: Opened, settled: Any) -> None:
    store_scored_windows(scored)
    async with opened(keys=("d", "w")) as (pilot, _):
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, TextPage)


async def test_escape_goes_from_the_chances_to_the_windows_and_then_back(
    scored: Engine, opened: Opened, settled: Any
) -> None:
    store_scored_windows(scored)
    async with opened(keys=("d", "w")) as (pilot, screen):
        await settled(pilot)
        await pilot.press("tab")
        assert isinstance(screen.focused, ReliabilityTable)
        await pilot.press("escape")
        assert isinstance(screen.focused, WindowTable)
        await pilot.press("escape")
        await settled(pilot)
        assert pilot.app.screen is not screen


async def test_without_scores_of_windows_it_says_what_makes_them(opened: Opened, settled: Any) -> None:
    async with opened(keys=("d", "w")) as (pilot, screen):
        await settled(pilot)
        said = screen.query_one(WindowTable).render_line(1).text.strip()
        assert said == "No window forecast is scored yet: w on Forecasts, then n makes one; s scores"


async def test_windows_are_put_together_anew_only_where_there_are_others(
    scored: Engine, opened: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musktracker.db.queries import window_scores

    asked: list[str] = []
    read = window_scores.by_window
    monkeypatch.setattr(window_scores, "by_window", lambda *a, **more: asked.append("") or read(*a, **more))
    store_scored_windows(scored, weeks=4)
    async with opened(keys=("d", "w")) as (pilot, screen):
        await settled(pilot)
        store_notice(scored, "The level fell by 30%")
        screen.refresh_data()
        await settled(pilot)
        assert len(asked) == 1
        store_scored_windows(scored, weeks=4, model_id=1)
        screen.refresh_data()
        await settled(pilot)
        assert len(asked) == 2
        assert screen.query_one(WindowTable).count == 4


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
        ((80, 24), ("d", "w"), "calibration-windows-80x24"),
        ((120, 36), ("d", "w"), "calibration-windows-120x36"),
    ],
)
async def test_the_screen_looks_as_it_did(
    scored: Engine, opened: Opened, settled: Any, snapshot: Any, size: tuple[int, int], keys: Any, name: str
) -> None:
    store_scored_windows(scored)
    store_notice(scored, "The level has fallen since 6 Jan: 31% fewer posts a day than before")
    async with opened(size, keys) as (pilot, _):
        await settled(pilot)
        snapshot(pilot.app, name)
