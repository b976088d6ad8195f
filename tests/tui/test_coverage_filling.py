"""Filling the holes of coverage as an operator does: on the console, by a real run, from an API that is simulated."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from textual.pilot import Pilot
from textual.widgets import Static

from musktracker import run_log, runs
from musktracker.config import Settings
from musktracker.db import engines
from musktracker.db.engines import reading, writing
from musktracker.db.queries import ingestion, overview
from musktracker.db.tables import RawTweet, TimeBucket
from musktracker.pipeline import store
from musktracker.pipeline.follow import REREAD
from musktracker.run_info import RunInfo
from musktracker.simulator.process import Simulator, running_simulator
from musktracker.timeline import DAY, HOUR, Span, floor_hour, now, snowflake_time
from tui.app import Console
from tui.screens.coverage import CoverageScreen, Stretch
from tui.screens.ingestion import IngestionScreen
from tui.widgets.form import FormScreen
from tui.widgets.record_table import RecordTable

TOKEN = "AAAA-secret"
LIMIT_SECONDS = 60.0
POSTS = 5 + 72  # that are in the holes
Opened = Callable[[], Any]


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    """An account that posts in the middle of each hour."""
    process.reset(limits="none", token=TOKEN)
    hour = floor_hour(now())
    process.add(*(hour - HOUR * (i + 0.5) for i in range(2, 12 * 24)))
    return process


@pytest.fixture
def holed(simulator: Simulator, sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[Settings, Engine]]:
    """A database that lacks five hours and three days of twelve."""
    path = tmp_path / "holed.db"
    path.write_bytes(sqlite_template.read_bytes())
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=f"sqlite:///{path}",
        x_bearer_token=TOKEN,
        x_api_base_url=simulator.url,
        account=simulator.username,
    ).with_data_dir_made()
    engine = engines.connect(settings.database_url)
    hour = floor_hour(now())
    known = Span(hour - 12 * DAY, now() - REREAD)
    spans = store.without([known], [Span(hour - 30 * HOUR, hour - 25 * HOUR), Span(hour - 9 * DAY, hour - 6 * DAY)])
    posts = [store.NewPost(n, snowflake_time(n), kind) for n, kind in simulator.posts().items()]
    with writing(engine) as connection:
        inside = [post for post in posts if any(start <= post.created_at < end for start, end in spans)]
        store.store_posts(connection, "file", inside, now())
        store.cover(connection, "file", spans, moment=now())
    yield settings, engine
    engine.dispose()


@pytest.fixture
def opened(holed: tuple[Settings, Engine], settled: Any) -> Opened:
    """Opens the console on coverage: `async with opened() as (pilot, engine)`."""

    @asynccontextmanager
    async def open_console() -> AsyncIterator[tuple[Pilot[Any], Engine]]:
        settings, engine = holed
        async with Console(settings).run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await pilot.press("3", "C")
            await settled(pilot)
            yield pilot, engine

    return open_console


async def until(pilot: Pilot[Any], settled: Any, is_so: Callable[[], bool]) -> None:
    """Wait for a state, while the console goes on."""
    limit = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        assert time.monotonic() < limit
        await pilot.pause(0.05)
    await settled(pilot)


async def fill(pilot: Pilot[Any], settled: Any) -> str:
    """Ask for the price, wait for it, and begin; returns what was said."""
    assert isinstance(pilot.app.screen, CoverageScreen)
    await pilot.press("f")
    await settled(pilot)
    form = pilot.app.screen
    assert isinstance(form, FormScreen)
    await until(pilot, settled, lambda: "$" in str(form.query_one("#form-preview", Static).content))
    said = str(form.query_one("#form-preview", Static).content)
    await pilot.press("enter")
    await until(pilot, settled, lambda: isinstance(pilot.app.screen, IngestionScreen))
    return said


async def ended(pilot: Pilot[Any], settled: Any, engine: Engine, run_id: int) -> RunInfo:
    """Wait for a run to begin and end."""
    await until(pilot, settled, lambda: is_there(engine, run_id) and not runs.get(engine, run_id).active)
    return runs.get(engine, run_id)


async def waiting(pilot: Pilot[Any], settled: Any, engine: Engine, run_id: int) -> None:
    """Wait until a run waits for the API."""
    await until(pilot, settled, lambda: is_there(engine, run_id) and runs.get(engine, run_id).stage == "waiting")


def is_there(engine: Engine, run_id: int) -> bool:
    return any(info.id == run_id for info in runs.recent(engine))


def holes(pilot: Pilot[Any]) -> list[float]:
    """How long each hole on the screen is, in hours, the newest first; what is left to whoever follows is none."""
    table: RecordTable[Stretch] = pilot.app.screen.query_one(RecordTable)
    end = now() - REREAD - HOUR
    return [one.hours for one in table.records if not one.observed and one.start < end]


def stored(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return sorted(map(int, connection.scalars(select(RawTweet.tweet_id))))


def counted(engine: Engine) -> int:
    query = select(func.sum(TimeBucket.tweet_count)).where(TimeBucket.granularity == "hourly")
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)


def spent(engine: Engine) -> float:
    return ingestion.state(engine, now()).dollars_spent


async def test_from_the_console_the_holes_are_filled_for_the_price_that_was_said_and_counted(
    opened: Opened, settled: Any, simulator: Simulator
) -> None:
    async with opened() as (pilot, engine):
        assert holes(pilot) == [5.0, 72.0]
        await pilot.press("escape", "R")
        await ended(pilot, settled, engine, 1)
        before = counted(engine)
        await pilot.press("C")
        await settled(pilot)
        said = await fill(pilot, settled)
        done = await ended(pilot, settled, engine, 2)
        assert (done.kind, done.status, done.message) == ("backfill", "succeeded", f"{POSTS} new posts for $0.395")
        assert f"About {POSTS} posts for $0.395, estimated" in said
        assert spent(engine) == pytest.approx(0.395)
        assert simulator.state()["used"] == POSTS
        assert overview.read(engine, pilot.app.zone, now()).next_step == "refresh"  # type: ignore[attr-defined]
        await pilot.press("C")
        await settled(pilot)
        assert holes(pilot) == []
        assert stored(engine) == sorted(simulator.posts())
        await pilot.press("escape", "R")
        assert (await ended(pilot, settled, engine, 3)).kind == "refresh"
        assert counted(engine) == before + POSTS


async def test_a_rate_limit_in_the_middle_is_waited_for(opened: Opened, settled: Any, simulator: Simulator) -> None:
    simulator.change(faults={"throttle_seconds": 2.0})
    simulator.script(None, None, None, "throttle")  # the account, the seconds that passed, the five hours
    async with opened() as (pilot, engine):
        await fill(pilot, settled)
        await waiting(pilot, settled, engine, 1)
        assert (await ended(pilot, settled, engine, 1)).status == "succeeded"
        assert stored(engine) == sorted(simulator.posts())
        assert simulator.state()["faults"] == {"throttle": 1}


async def test_stopped_in_the_middle_and_filled_again_nothing_is_lost_or_bought_twice(
    opened: Opened, settled: Any, simulator: Simulator
) -> None:
    simulator.change(faults={"throttle_seconds": 600.0})
    simulator.script(None, None, None, "throttle")  # the account, the seconds that passed, the five hours
    async with opened() as (pilot, engine):
        await fill(pilot, settled)
        await waiting(pilot, settled, engine, 1)
        await pilot.press("x")
        assert (await ended(pilot, settled, engine, 1)).status == "cancelled"
        await pilot.press("C")
        await settled(pilot)
        assert holes(pilot) == [72.0]
        said = await fill(pilot, settled)
        assert "About 72 posts for $0.37" in said
        assert "1 range that an earlier backfill left, first" in said
        assert (await ended(pilot, settled, engine, 2)).status == "succeeded"
        assert stored(engine) == sorted(simulator.posts())
        assert simulator.state()["used"] == POSTS
        assert spent(engine) == pytest.approx(0.395)


async def test_a_token_that_is_refused_is_said_and_filling_goes_on_once_it_is_taken(
    opened: Opened, settled: Any, simulator: Simulator, holed: tuple[Settings, Engine]
) -> None:
    simulator.change(token="another")
    async with opened() as (pilot, engine):
        await fill(pilot, settled)
        done = await ended(pilot, settled, engine, 1)
        assert done.status == "failed"
        assert "The X API refuses the bearer token (401)" in str(done.error)
        assert TOKEN not in str(done) + str(run_log.lines_after(engine, done.id))
        simulator.change(token=TOKEN)
        await pilot.press("C")
        await settled(pilot)
        await fill(pilot, settled)
        assert (await ended(pilot, settled, engine, 2)).status == "succeeded"
        assert stored(engine) == sorted(simulator.posts())
