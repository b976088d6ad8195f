"""The service: how it stands, step by step, its start as a run, its stop, and its schedule."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select
from textual.widgets import Static

from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.pipeline import schedule
from musktracker.timeline import HOUR
from tui.app import Console
from tui.screens.ingestion import IngestionScreen
from tui.screens.service import PlanTable, ServiceScreen, TaskTable
from tui.widgets.form import FormScreen
from tui.widgets.run_progress import RunProgress
from tui.widgets.toned_line import TonedLine

Opened = Callable[..., Any]
Launched = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def opened(populated: Settings, console: Callable[..., Console], settled: Any) -> Opened:
    """Opens the service from the overview: `async with opened() as (pilot, screen)`."""

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), settings: Settings = populated, **options: Any
    ) -> AsyncIterator[tuple[Any, ServiceScreen]]:
        app = console(settings, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press("S")
            await settled(pilot)
            assert isinstance(app.screen, ServiceScreen)
            yield pilot, app.screen

    return open_screen


@pytest.fixture
def serving(populated_engine: Engine, frozen: datetime) -> Engine:
    """The populated database with a service that goes on, and a refresh that it started and that failed."""
    store(
        populated_engine, 20, "service", frozen - 2 * HOUR, beat=frozen, lease="service", parameters={"ingest": False}
    )
    hour = frozen.replace(minute=1)
    store(populated_engine, 21, "refresh", hour, ended=hour + timedelta(seconds=4), error="The disk is full")
    return populated_engine


def store(
    engine: Engine,
    run_id: int,
    kind: str,
    started: datetime,
    *,
    ended: datetime | None = None,
    beat: datetime | None = None,
    error: str | None = None,
    lease: str | None = None,
    parameters: dict[str, Any] | None = None,
) -> None:
    status = "running" if ended is None else "failed" if error else "succeeded"
    row = {"id": run_id, "kind": kind, "status": status, "parameters": json.dumps(parameters or {}), "error": error}
    row |= {"created_at": started, "started_at": started, "finished_at": ended, "heartbeat_at": beat or ended}
    row |= {"host": "tower", "pid": 4242, "who": "ada@tower", "lease": lease, "stage": None, "message": None}
    with engines.writing(engine) as connection:
        connection.execute(insert(tables.RunRow).values(row))


def told(screen: ServiceScreen, name: str) -> str:
    return screen.query_one(f"#service-{name}", TonedLine).text


def row(screen: ServiceScreen, name: str) -> str:
    table = screen.query_one(TaskTable)
    names = [task.name for task in table.records]
    return table.render_line(1 + names.index(name)).text


async def test_it_says_where_the_service_runs_since_when_and_that_it_lives(serving: Engine, opened: Opened) -> None:
    async with opened((120, 36)) as (_, screen):
        assert screen.query_one(RunProgress).info.id == 20
        assert told(screen, "where") == (
            "on tower, process 4242, by ada@tower · since 2026-01-15 16:07 · heartbeat 18:07:00"
        )
        assert told(screen, "ingest") == "Fetches nothing: files feed the database"


async def test_each_step_has_its_last_run_how_it_ended_and_its_next_time(serving: Engine, opened: Opened) -> None:
    async with opened((120, 36)) as (_, screen):
        assert "✗ failed" in row(screen, "refresh")
        assert "again 01-15 18:0" in row(screen, "refresh")
        assert "The disk is full" in row(screen, "refresh")
        assert "never" in row(screen, "forecast 168 h")
        assert "after score" in row(screen, "forecast 24 h")
        assert "due" in row(screen, "train har_bootstrap")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_what_a_step_waits_for_is_named_in_full(serving: Engine, opened: Opened, size: tuple[int, int]) -> None:
    schedule.change(serving, {"horizons": "100,168"})
    hour = datetime(2026, 1, 15, 18, 2, tzinfo=UTC)
    store(serving, 22, "score", hour, ended=hour + timedelta(seconds=4))
    async with opened(size) as (_, screen):
        assert "after forecast 100 h" in row(screen, "forecast 168 h")


async def test_without_a_service_it_says_what_starts_one(opened: Opened) -> None:
    async with opened() as (_, screen):
        assert "s starts one" in screen.query_one(RunProgress).render().plain
        assert told(screen, "ingest").startswith("Nothing is done by itself now")


async def test_s_starts_it_as_a_run_and_without_a_token_it_fetches_nothing(
    opened: Opened, press: Any, launched: Launched
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "s", "enter")
        assert launched == [("service", {"ingest": False, "once": False})]
        assert pilot.app.screen is screen


async def test_to_follow_the_account_it_needs_a_token(opened: Opened, press: Any, launched: Launched) -> None:
    async with opened() as (pilot, _):
        await press(pilot, "s", "left", "enter")
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        assert str(form.query_one("#note-feed", Static).content).startswith("X_BEARER_TOKEN is not set")
    assert launched == []


async def test_with_a_token_it_follows_unless_told_otherwise(
    populated: Settings, opened: Opened, press: Any, launched: Launched
) -> None:
    async with opened(settings=replace(populated, x_bearer_token="AAAAsecret")) as (pilot, _):
        await press(pilot, "s", "down", "right", "enter")
    assert launched == [("service", {"ingest": True, "once": True})]


async def test_one_that_runs_is_not_started_again_and_x_asks_it_to_stop(
    serving: Engine, opened: Opened, press: Any, launched: Launched
) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "s")
        assert pilot.app.screen is screen
        await press(pilot, "x")
    with engines.reading(serving) as connection:
        asked = connection.scalar(select(tables.RunRow.cancel_requested_at).where(tables.RunRow.id == 20))
    assert asked is not None
    assert launched == []


async def test_one_that_is_lost_is_told_of_and_another_can_be_started(
    populated_engine: Engine, frozen: datetime, opened: Opened, press: Any, launched: Launched
) -> None:
    store(populated_engine, 20, "service", frozen - 2 * HOUR, beat=frozen - HOUR, lease="service")
    async with opened() as (pilot, screen):
        assert "No sign of life for 1 h" in screen.query_one(RunProgress).render().plain
        await press(pilot, "s", "enter")
    assert [kind for kind, _ in launched] == ["service"]


async def test_e_changes_what_differs_of_the_schedule(populated_engine: Engine, opened: Opened, press: Any) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, "e", "backspace", "7", "enter")
        assert pilot.app.screen is screen
    assert schedule.read(populated_engine) == replace(schedule.Plan(), minute=7)


async def test_what_the_schedule_cannot_be_is_refused_at_its_field_in_the_words_of_the_core(
    populated_engine: Engine, opened: Opened, press: Any
) -> None:
    async with opened() as (pilot, _):
        await press(pilot, "e", "9", "9", "down", "down", "down", "x", "enter")
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        assert str(form.query_one("#note-minute", Static).content) == "it must be a whole number from 0 to 59"
        assert "'tue-noonx' is none of fri-noon" in str(form.query_one("#note-windows", Static).content)
    assert schedule.read(populated_engine) == schedule.Plan()


async def test_v_shows_the_schedule_where_there_is_no_room_for_both(opened: Opened, press: Any) -> None:
    async with opened() as (pilot, screen):
        assert not screen.query_one(PlanTable).region
        await press(pilot, "v")
        assert screen.focused is screen.query_one(PlanTable)
        assert [part.value for part in screen.query_one(PlanTable).records][2:4] == ["24,168", "fri-noon,tue-noon"]
        await press(pilot, "v")
        assert screen.focused is screen.query_one(TaskTable)


async def test_enter_shows_the_run_of_a_step(serving: Engine, opened: Opened, press: Any) -> None:
    async with opened() as (pilot, _):
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, IngestionScreen)


async def test_a_console_that_only_reads_shows_all_and_neither_starts_nor_stops_nor_changes(
    serving: Engine, opened: Opened, press: Any, launched: Launched
) -> None:
    async with opened(read_only=True) as (pilot, screen):
        await press(pilot, "s", "x", "e")
        assert pilot.app.screen is screen
        assert screen.query_one(TaskTable).records
    with engines.reading(serving) as connection:
        asked = connection.scalars(select(tables.RunRow.cancel_requested_at).where(tables.RunRow.id == 20)).all()
    assert (asked, launched) == ([None], [])


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    size: tuple[int, int], serving: Engine, opened: Opened, snapshot: Any
) -> None:
    async with opened(size) as (pilot, _):
        snapshot(pilot.app, f"service-{size[0]}x{size[1]}")
