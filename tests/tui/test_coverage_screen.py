"""The coverage screen: what was observed and what was not, and filling the holes after their price is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from places import shown
from sqlalchemy import Engine
from textual.pilot import Pilot
from textual.widgets import Static

from musktracker import launching, runs
from musktracker.config import Settings
from musktracker.db import tables
from musktracker.db.engines import writing
from musktracker.db.settings import DEFAULT_COUNTING
from musktracker.timeline import DAY
from tui.app import Console
from tui.screens.coverage import CoverageScreen, Stretch
from tui.screens.ingestion import IngestionScreen
from tui.widgets.form import FormScreen
from tui.widgets.record_table import RecordTable
from tui.widgets.run_table import RunTable

BEGIN = datetime(2025, 1, 15, tzinfo=UTC)
Opened = Callable[..., Any]


@pytest.fixture
def holed(populated: Settings, populated_engine: Engine) -> Settings:
    """A hole with a reason before what is covered, and ten days before it that a file covers."""
    with writing(populated_engine) as connection:
        connection.execute(
            tables.CoverageHole.__table__.insert().values(  # type: ignore[attr-defined]
                source="x_api",
                span_start=BEGIN - 3 * DAY,
                span_end=BEGIN - DAY,
                reason="the search of all posts is not in the plan",
                found_at=BEGIN,
            )
        )
        connection.execute(
            tables.Coverage.__table__.insert().values(  # type: ignore[attr-defined]
                source="file",
                span_start=BEGIN - 13 * DAY,
                span_end=BEGIN - 3 * DAY,
                created_at=BEGIN,
                counting=DEFAULT_COUNTING,
            )
        )
    return replace(populated, x_bearer_token="a-token")


@pytest.fixture
def opened(holed: Settings, console: Callable[..., Console], settled: Any) -> Opened:
    """Opens the screen: `async with opened() as (pilot, screen)`."""

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), settings: Settings = holed, **options: Any
    ) -> AsyncIterator[tuple[Pilot[Any], CoverageScreen]]:
        app = console(settings, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press("3", "C")
            await settled(pilot)
            assert isinstance(app.screen, CoverageScreen)
            yield pilot, app.screen

    return open_screen


def listed(screen: CoverageScreen) -> list[Stretch]:
    table: RecordTable[Stretch] = screen.query_one(RecordTable)
    return list(table.records)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screen_as_a_picture(opened: Opened, snapshot: Any, size: tuple[int, int]) -> None:
    async with opened(size) as (pilot, _screen):
        snapshot(pilot.app, f"coverage-{size[0]}x{size[1]}")


async def test_spans_and_holes_are_listed_with_their_length_and_reason_the_newest_first(opened: Opened) -> None:
    async with opened() as (_pilot, screen):
        found = listed(screen)
        assert [one.end for one in found] == sorted((one.end for one in found), reverse=True)
        [refused] = [one for one in found if one.reason]
        assert (refused.hours, refused.reason) == (48.0, "the search of all posts is not in the plan")
        assert (found[-1].observed, found[-1].source, found[-1].hours) == (True, "file", 240.0)


async def test_totals_say_the_share_observed_and_the_hours_in_holes(opened: Opened) -> None:
    async with opened() as (_pilot, screen):
        holes = [one for one in listed(screen) if not one.observed]
        hours = sum(one.hours for one in holes)
        assert screen._data is not None
        text = str(screen.query_one("#coverage-totals", Static).content)
        assert f"{1 - hours / screen._data.within.hours():.2%} observed" in text
        assert f"{len(holes)} holes, {hours:,.1f} h" in text


async def test_only_holes_can_be_shown_and_a_filter_looks_in_reasons(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("t")
        assert listed(screen)
        assert not any(one.observed for one in listed(screen))
        await pilot.press("slash", *"not in the plan", "enter")
        await settled(pilot)
        assert [one.hours for one in listed(screen)] == [48.0]


async def test_filling_says_its_price_and_starts_a_backfill_by_the_way_that_was_chosen(
    opened: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = []

    def launch(settings: Settings, engine: Engine, kind: str, parameters: Any, *, lease: str | None = None) -> int:
        launched.append((kind, parameters))
        return runs.create(engine, kind, parameters, lease=lease)

    monkeypatch.setattr(launching, "launch", launch)
    async with opened() as (pilot, _screen):
        await pilot.press("f")
        await settled(pilot)
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        for _ in range(200):
            if "posts for $" in str(form.query_one("#form-preview", Static).content):
                break
            await pilot.pause(0.01)
        assert "posts for $" in str(form.query_one("#form-preview", Static).content)
        assert launched == []
        await pilot.press("right", "enter")
        await settled(pilot)
        assert launched == [("backfill", {"since": "2025-01-02T00:00:00Z", "via": "timeline"})]
        assert isinstance(pilot.app.screen, IngestionScreen)
        await settled(pilot)
        record = pilot.app.screen.query_one(RunTable).record
        assert record is not None
        assert record.kind == "backfill"


async def test_without_a_token_filling_says_what_to_set(opened: Opened, populated: Settings, settled: Any) -> None:
    async with opened(settings=populated) as (pilot, screen):
        await pilot.press("f")
        await settled(pilot)
        assert pilot.app.screen is screen
        assert any("X_BEARER_TOKEN" in str(note.message) for note in pilot.app._notifications)


async def test_a_console_that_only_reads_cannot_fill(opened: Opened, settled: Any) -> None:
    async with opened(read_only=True) as (pilot, screen):
        await pilot.press("f")
        await settled(pilot)
        assert pilot.app.screen is screen
        assert "Fill" not in shown(pilot.app)


async def test_escape_goes_back_to_ingestion(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(pilot.app.screen, IngestionScreen)
