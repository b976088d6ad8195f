"""Live ingestion on its screen: how it stands, and the keys that follow, backfill and reconcile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, update
from textual.pilot import Pilot
from textual.widgets import Input, Static

from musktracker import launching, runs
from musktracker.config import Settings
from musktracker.db import settings as database_settings
from musktracker.db.engines import writing
from musktracker.db.tables import ApiLimit, Coverage, CoverageHole, FetchRange, RunRow, Spending
from musktracker.timeline import DAY, HOUR, utc_text
from tui.app import Console
from tui.screens.ingestion import IngestionScreen
from tui.widgets.form import FormScreen
from tui.widgets.ingest_state import IngestState
from tui.widgets.minute_bars import minute_marks
from tui.widgets.run_table import RunTable

Opened = Callable[..., Any]
Launched = list[tuple[str, Any, str | None]]


@pytest.fixture
def opened(
    populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    """Opens the screen, with a token unless told otherwise: `async with opened() as (pilot, screen)`."""
    monkeypatch.setattr(Console, "DEFAULT_MODE", "ingestion")

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), *, token: str | None = "AAAA"
    ) -> AsyncIterator[tuple[Pilot[Any], IngestionScreen]]:
        app = console(replace(populated, x_bearer_token=token))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            assert isinstance(app.screen, IngestionScreen)
            yield pilot, app.screen

    return open_screen


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    """What would have been started as a process of its own."""
    started: Launched = []

    def launch(settings: Settings, engine: Engine, kind: str, parameters: Any, *, lease: str | None = None) -> int:
        started.append((kind, parameters, lease))
        return runs.create(engine, kind, parameters, lease=lease)

    monkeypatch.setattr(launching, "launch", launch)
    return started


def execute(engine: Engine, *statements: Any) -> None:
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(statement)


def a_run(moment: datetime, **changed: Any) -> Any:
    """A follower that began an hour ago, but for what is changed."""
    values = {
        "id": 8,
        "kind": "ingest",
        "status": "running",
        "parameters": json.dumps({"follow": True}),
        "stage": "following",
        "message": f"Polled at {utc_text(moment)}: 0 new, 12 since the start",
        "created_at": moment - HOUR,
        "started_at": moment - HOUR,
        "heartbeat_at": moment,
        "host": "tower",
        "pid": 4008,
        "who": "ada@tower",
        "lease": "ingest",
    }
    return insert(RunRow).values(values | changed)


def a_waiting_run(moment: datetime, seconds: int, **changed: Any) -> Any:
    """A follower that waits so many seconds for the next window of requests."""
    until = moment + timedelta(seconds=seconds)
    reason = "The requests of this window are spent"
    return a_run(moment, stage="waiting", message=reason, waits_until=until, **changed)


def runs_beside(moment: datetime) -> list[Any]:
    """A backfill, a reconciliation and an import."""
    kinds = (("backfill", 0.4), ("reconcile", 0.7), ("import", 0.05))
    return [
        a_run(moment, id=9 + i, kind=kind, lease=kind, parameters="{}", progress=progress, stage="", message="")
        for i, (kind, progress) in enumerate(kinds)
    ]


def cut(state: IngestState, *parts: Any) -> str:
    """What a line shows where it is painted anew; all of it without a region."""
    [region] = parts or [state.region.reset_offset]
    return state._line().plain[region.x : region.right]


def told(screen: IngestionScreen) -> str:
    return screen.query_one(IngestState).render().plain


def text(screen: IngestionScreen, selector: str) -> str:
    return str(screen.query_one(selector, Static).content)


def said(pilot: Pilot[Any]) -> str:
    return "\n".join(str(note.message) for note in pilot.app._notifications)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_following_as_a_picture(
    opened: Opened, snapshot: Any, settled: Any, populated_engine: Engine, frozen: datetime, size: tuple[int, int]
) -> None:
    _make_busy(populated_engine, frozen)
    async with opened(size) as (pilot, _screen):
        await settled(pilot)
        snapshot(pilot.app, f"ingestion-following-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_four_at_once_as_a_picture(
    opened: Opened, snapshot: Any, settled: Any, populated_engine: Engine, frozen: datetime, size: tuple[int, int]
) -> None:
    _make_busy(populated_engine, frozen)
    execute(populated_engine, *runs_beside(frozen))
    wait = {"stage": "waiting", "waits_until": frozen + timedelta(seconds=95)}
    execute(populated_engine, update(RunRow).where(RunRow.kind == "backfill").values(wait))
    async with opened(size) as (pilot, _screen):
        await settled(pilot)
        snapshot(pilot.app, f"ingestion-beside-{size[0]}x{size[1]}")


async def test_the_follow_key_starts_a_follower_that_holds_the_lease(
    opened: Opened, launched: Launched, settled: Any
) -> None:
    async with opened() as (pilot, screen):
        assert "not started" in told(screen)
        await pilot.press("a", "enter")
        await settled(pilot)
        assert launched == [("ingest", {"follow": True}, "ingest")]
        record = screen.query_one(RunTable).record
        assert record is not None
        assert record.id == 8
        assert "starting" in told(screen)


async def test_a_follower_can_hear_the_stream_and_poll_as_often_as_is_said(
    opened: Opened, launched: Launched, settled: Any
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("a", "right", "tab", "0", "enter")
        await settled(pilot)
        assert text_of(pilot.app.screen, "#note-interval") == (
            "0 seconds are no interval to poll at. Choose 1 to 86,400"
        )
        await pilot.press("backspace", *"90", "enter")
        await settled(pilot)
        assert launched == [("ingest", {"follow": True, "stream": True, "interval": 90.0}, "ingest")]


@pytest.mark.parametrize("key", ["a", "b", "o"])
async def test_without_a_token_nothing_starts_and_the_way_to_set_it_is_said(
    opened: Opened, launched: Launched, settled: Any, key: str
) -> None:
    async with opened(token=None) as (pilot, screen):
        assert "not connected" in told(screen)
        await pilot.press(key)
        await settled(pilot)
        assert pilot.app.screen is screen
        assert launched == []
        assert "X_BEARER_TOKEN is not set. Put the bearer token" in said(pilot)


async def test_a_second_follower_is_refused_with_who_holds_the_lease(
    opened: Opened, launched: Launched, settled: Any, populated_engine: Engine, frozen: datetime
) -> None:
    execute(populated_engine, a_run(frozen, parameters=json.dumps({"follow": True, "stream": True})))
    async with opened() as (pilot, _screen):
        await pilot.press("a", "enter")
        await settled(pilot)
        assert "ingest is held by run 8" in str(pilot.app.screen.query_one("#form-trouble", Static).content)


async def test_a_backfill_starts_from_its_form_with_times_of_the_display_zone(
    opened: Opened, launched: Launched, settled: Any
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("b")
        await settled(pilot)
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        since, until = form.query(Input).results(Input)
        assert since.value == ""
        assert "covered from 2025-01-15 00:00" in text_of(form, "#note-since")
        since.value, until.value = "2024-12-01", "2024-12-24 12:00"
        form._preview_now()
        await settled(pilot)
        assert "posts for $" in text_of(form, "#form-preview")
        await pilot.press("enter")
        await settled(pilot)
        wanted = {"since": "2024-12-01T00:00:00Z", "until": "2024-12-24T12:00:00Z"}
        assert launched == [("backfill", wanted, "backfill")]


async def test_where_there_are_holes_the_backfill_form_proposes_to_fill_them(
    opened: Opened, settled: Any, populated_engine: Engine, frozen: datetime
) -> None:
    start = frozen - 500 * DAY + timedelta(seconds=7)
    span = {"source": "x_api", "span_start": start, "span_end": start + DAY, "created_at": frozen}
    execute(populated_engine, insert(Coverage).values(span))
    async with opened() as (pilot, _screen):
        await pilot.press("b")
        await settled(pilot)
        assert next(iter(pilot.app.screen.query(Input).results(Input))).value == "2024-09-02 18:08"


async def test_a_backfill_that_cannot_be_is_refused_in_the_form(
    opened: Opened, launched: Launched, settled: Any
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("b")
        await settled(pilot)
        form = pilot.app.screen
        for since, until, field, words in (
            ("yesterday", "", "since", "is not a time"),
            ("2025-02-01", "2025-01-01", "until", "must be after the beginning"),
            ("", "2025-01-01", "since", "begins somewhere"),
            ("2027-01-01", "", "since", "must be in the past"),
        ):
            for entry, value in zip(form.query(Input).results(Input), (since, until), strict=True):
                entry.value = value
            await pilot.press("enter")
            await settled(pilot)
            assert pilot.app.screen is form, words
            assert words in text_of(form, f"#note-{field}")
            assert launched == [], words


async def test_reconciling_asks_for_days_and_refuses_what_is_none(
    opened: Opened, launched: Launched, settled: Any
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("o")
        await settled(pilot)
        form = pilot.app.screen
        days = form.query_one(Input)
        days.value = "0"
        await pilot.press("enter")
        await settled(pilot)
        assert text_of(form, "#note-days") == "0 is no number of days to look back. Choose 1 to 10,000"
        days.value = "30"
        await pilot.press("enter")
        await settled(pilot)
        assert launched == [("reconcile", {"days": 30}, "reconcile")]


async def test_the_cancel_key_stops_the_follower_under_the_cursor(
    opened: Opened, settled: Any, populated_engine: Engine, frozen: datetime
) -> None:
    execute(populated_engine, a_run(frozen))
    async with opened() as (pilot, screen):
        await pilot.press("x")
        await settled(pilot)
        assert runs.get(populated_engine, 8).cancel_requested_at is not None
        assert "stopping" in told(screen)


async def test_a_wait_is_counted_down_once_a_second_on_its_line_alone(
    opened: Opened, settled: Any, populated_engine: Engine, frozen: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(populated_engine, a_waiting_run(frozen, 200))
    async with opened() as (pilot, screen):
        state = screen.query_one(IngestState)
        painted: list[str] = []
        monkeypatch.setattr(state, "refresh", lambda *parts, **_: painted.append(cut(state, *parts)))
        assert "waiting, 3 min 20 s left · The requests of this window are spent" in told(screen)
        assert state._timer is not None
        assert state._timer._active.is_set()
        monkeypatch.setattr(pilot.app, "now", lambda: frozen + timedelta(seconds=1))
        state._tick()
        assert painted == ["19"]
        assert "waiting, 3 min 19 s left" in told(screen)
        monkeypatch.setattr(pilot.app, "now", lambda: frozen + timedelta(seconds=201))
        state._tick()
        assert "following" in told(screen)
        assert not state._timer._active.is_set()


async def test_what_goes_on_beside_a_follower_is_said_beside_it(
    opened: Opened, populated_engine: Engine, frozen: datetime
) -> None:
    execute(populated_engine, a_run(frozen), *runs_beside(frozen))
    async with opened() as (_pilot, screen):
        assert "● following · backfill 40% · reconcile 70% · import 5%" in told(screen)


async def test_a_wait_beside_a_follower_is_counted_down_too(
    opened: Opened, populated_engine: Engine, frozen: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill = a_waiting_run(frozen, 42, id=9, kind="backfill", lease="backfill", parameters="{}")
    execute(populated_engine, a_run(frozen), backfill)
    async with opened() as (pilot, screen):
        assert "● following · backfill ◔ 42 s ·" in told(screen)
        monkeypatch.setattr(pilot.app, "now", lambda: frozen + timedelta(seconds=7))
        screen.query_one(IngestState)._tick()
        assert "backfill ◔ 35 s ·" in told(screen)


async def test_an_import_alone_goes_on_beside_what_ended(
    opened: Opened, populated_engine: Engine, frozen: datetime
) -> None:
    ended = a_run(frozen, status="cancelled", finished_at=frozen, lease=None)
    execute(populated_engine, ended, runs_beside(frozen)[2])
    async with opened() as (_pilot, screen):
        assert "■ stopped · import 5% · ingest #8 cancelled" in told(screen)


async def test_the_stop_key_asks_which_where_several_go_on_and_the_cursor_is_on_none(
    opened: Opened, settled: Any, populated_engine: Engine, frozen: datetime
) -> None:
    execute(populated_engine, a_run(frozen), *runs_beside(frozen))
    async with opened() as (pilot, screen):
        assert screen.query_one(RunTable).select(6)
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(pilot.app.screen, FormScreen)
        await pilot.press("right", "enter")
        await settled(pilot)
        asked = [info.id for info in runs.recent(populated_engine) if info.cancel_requested_at is not None]
        assert asked == [10]
        assert "reconcile stopping" in told(screen)


@pytest.mark.parametrize(("key", "kind"), [("b", "backfill"), ("o", "reconcile")])
async def test_beside_a_follower_a_backfill_and_a_reconciliation_start(
    opened: Opened, launched: Launched, settled: Any, populated_engine: Engine, frozen: datetime, key: str, kind: str
) -> None:
    execute(populated_engine, a_run(frozen))
    async with opened() as (pilot, screen):
        await pilot.press(key)
        await settled(pilot)
        if key == "b":
            form = pilot.app.screen
            assert isinstance(form, FormScreen)
            next(iter(form.query(Input).results(Input))).value = "2024-12-01"
            form._preview_now()
            await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert [each[0] for each in launched] == [kind]
        assert f"● following · {kind} starting" in told(screen)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "● following · since 01-15 17:07 · run 8 by ada@tower"),
        ({"stage": "backing off", "message": "No connection", "waits": 30}, "backing off, 30 s left · No connection"),
        ({"heartbeat": -600}, "? lost · No sign of life for 10 min"),
        (
            {"status": "failed", "error": "The token was refused"},
            "✗ stopped · ingest failed at 01-15 18:07: The token",
        ),
        ({"status": "cancelled"}, "■ stopped · ingest #8 cancelled at 01-15 18:07 · a follows"),
        ({"kind": "backfill", "progress": 0.4, "stage": "fetching"}, "fetching what was before · 40%"),
    ],
    ids=["following", "backing off", "lost", "failed", "stopped", "backfill"],
)
async def test_the_state_is_said_in_words(
    opened: Opened, populated_engine: Engine, frozen: datetime, changed: dict[str, Any], words: str
) -> None:
    heartbeat = frozen + timedelta(seconds=changed.pop("heartbeat", 0))
    if "waits" in changed:
        changed["waits_until"] = frozen + timedelta(seconds=changed.pop("waits"))
    if "status" in changed:
        changed |= {"finished_at": frozen, "lease": None}
    execute(populated_engine, a_run(frozen, **({"heartbeat_at": heartbeat} | changed)))
    async with opened((120, 36)) as (_pilot, screen):
        assert words in told(screen)


async def test_budgets_spending_ranges_and_holes_are_those_that_are_stored(
    opened: Opened, populated_engine: Engine, frozen: datetime
) -> None:
    _make_busy(populated_engine, frozen)
    async with opened((120, 36)) as (_pilot, screen):
        budget = text(screen, "#budget-text")
        assert "842/900 requests to 18:20" in budget
        assert "$0.42/$2.50 today" in budget
        assert "month: 12,000 left" in budget
        assert "1 range of backfill, 2026-01-01 to 2026-01-08" in text(screen, "#open-text")
        assert "1 recorded hole: the timeline does not reach so far" in text(screen, "#open-text")
        assert "in 60 min" in text(screen, "#minutes-text")


async def test_nothing_is_painted_while_a_follower_only_shows_that_it_lives(
    opened: Opened, settled: Any, populated_engine: Engine, frozen: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(populated_engine, a_run(frozen))
    async with opened() as (pilot, screen):
        painted: list[str] = []
        for kind in ("IngestState", "MinuteBars", "CoverageBar"):
            widget = screen.query_one(kind)
            monkeypatch.setattr(widget, "refresh", lambda *_, name=kind, **__: painted.append(name))
        execute(
            populated_engine,
            update(RunRow).where(RunRow.id == 8).values(heartbeat_at=frozen - timedelta(seconds=1)),
        )
        screen.refresh_data()
        await settled(pilot)
        assert screen._shown.live.heartbeat_at == frozen - timedelta(seconds=1)
        assert painted == []


@given(counts=st.lists(st.none() | st.integers(0, 50), min_size=1, max_size=60), width=st.integers(1, 70))
def test_bars_fit_and_tell_unobserved_none_and_some_apart(counts: list[int | None], width: int) -> None:
    marks = minute_marks(counts, width)
    assert 1 <= len(marks) <= width
    assert ("·" in minute_marks(counts, 60)) == (None in counts)
    assert ("▁" in minute_marks(counts, 60)) == (0 in counts)


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).content)


def _make_busy(engine: Engine, moment: datetime) -> None:
    database_settings.set(engine, "daily_spend_limit_usd", "2.50")
    seen = {"seen_at": moment}
    soon = moment.replace(minute=20)
    execute(
        engine,
        a_run(moment),
        insert(ApiLimit).values(name="users/:id/tweets", budget=900, remaining=842, reset_at=soon, **seen),
        insert(ApiLimit).values(name="usage/tweets", budget=50, remaining=1, reset_at=soon, **seen),
        insert(ApiLimit).values(name="posts of the month", budget=15_000, remaining=12_000, reset_at=None, **seen),
        insert(Spending).values(day=moment.date(), posts=84, requests=0, microdollars=420_000),
        insert(FetchRange).values(
            source="x_api",
            purpose="backfill",
            endpoint="all",
            low_id=10,
            high_id=20,
            top_id=20,
            span_start=moment.replace(day=1, hour=0, minute=0),
            span_end=moment.replace(day=8, hour=0, minute=0),
            created_at=moment,
            updated_at=moment,
        ),
        insert(CoverageHole).values(
            source="x_api",
            span_start=moment - 900 * DAY,
            span_end=moment - 800 * DAY,
            reason="the timeline does not reach so far",
            found_at=moment,
        ),
    )
