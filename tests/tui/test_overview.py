"""The overview: what is fresh, how many so far, what to do next, and the keys that do it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from textual.widgets import Static

from musktracker import runs
from musktracker.config import Settings
from musktracker.db import engines, tables
from musktracker.db.queries import overview
from musktracker.timeline import DAY, HOUR
from tui.app import Console
from tui.widgets.keys import Keys
from tui.widgets.run_table import RunTable
from tui.widgets.sparkline import axis_line, bars

MakeConsole = Callable[..., Console]
NEW_YORK = ZoneInfo("America/New_York")
SIZES = [(80, 24), (120, 36)]
ALERTS = [
    ("run_failed", "error", 12, "Run 3 (train negative_binomial) failed: The fit did not converge [b]as text[/b]"),
    ("silence", "warning", 95, "Silent for 5.2 h, since 01-15 12:50 UTC: longer than 99% of the silences that began"),
    ("bracket", "info", 30, "fri-noon to 01-16 17:00 UTC: 260-279 went from 46% to 53%"),
]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The runs that were asked for, instead of processes."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def launch(settings: Settings, engine: Engine, kind: str, parameters: dict[str, Any], **_: Any) -> int:
        asked.append((kind, parameters))
        return 8

    monkeypatch.setattr(runs, "launch", launch)
    return asked


def execute(engine: Engine, *statements: Any) -> None:
    with engines.writing(engine) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def alarmed(populated_engine: Engine, frozen: datetime) -> Engine:
    """The populated database with three open alerts, one that was acknowledged and one that is over."""
    common = {"key": "x", "details": "{}", "last_seen_at": frozen}
    rows: list[dict[str, Any]] = [
        {"rule": rule, "severity": severity, "raised_at": frozen - timedelta(minutes=ago), "message": text, **common}
        for rule, severity, ago, text in ALERTS
    ]
    seen = rows[0] | {"message": "Seen", "acknowledged_at": frozen, "acknowledged_by": "ada@tower"}
    over = rows[0] | {"message": "Over", "resolved_at": frozen}
    execute(populated_engine, *(insert(tables.Alert).values(row) for row in (*rows, seen, over)))
    return populated_engine


def stages(engine: Engine, moment: datetime) -> dict[str, tuple[str, int]]:
    return {stage.name: (stage.state, stage.due) for stage in overview.read(engine, NEW_YORK, moment).stages}


@pytest.mark.parametrize("size", SIZES)
async def test_overview_looks(
    size: tuple[int, int], populated: Settings, console: MakeConsole, settled: Any, snapshot: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        snapshot(app, f"overview-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_overview_with_alerts_looks(
    size: tuple[int, int],
    populated: Settings,
    alarmed: Engine,
    console: MakeConsole,
    settled: Any,
    snapshot: Any,
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        snapshot(app, f"overview-alerts-{size[0]}x{size[1]}")


async def test_alerts_are_acknowledged_by_their_key_the_worst_first(
    populated: Settings, alarmed: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = app.screen.query_one("#alerts", Static)
        for left in (["Run 3", "Silent", "fri-noon"], ["Silent", "fri-noon"], ["fri-noon"]):
            lines = str(shown.content).splitlines()
            assert [next(word for word in left if word in line) for line in lines] == left
            await pilot.press("a")
            await settled(pilot)
        assert not shown.display
        assert "Acknowledge" not in str(app.screen.query_one(Keys).render())
        await pilot.press("a")
        await settled(pilot)
    with engines.reading(alarmed) as connection:
        who = connection.scalars(select(tables.Alert.acknowledged_by).order_by(tables.Alert.id)).all()
    assert who == [runs.whoami()] * 3 + ["ada@tower", None]


async def test_a_console_that_only_reads_acknowledges_nothing(
    populated: Settings, alarmed: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("a")
        await settled(pilot)
        assert str(app.screen.query_one("#alerts", Static).content).count("\n") == 2


def test_windows_count_what_was_posted_and_what_is_usual(populated_engine: Engine, frozen: datetime) -> None:
    found = overview.read(populated_engine, ZoneInfo("UTC"), frozen)
    with engines.reading(populated_engine) as connection:
        moments = connection.scalars(tables.RawTweet.__table__.select().with_only_columns(tables.RawTweet.created_at))
        since = sorted(moments)
    for window in found.windows:
        assert window.count == sum(window.start <= moment < frozen for moment in since)
        assert window.observed == 1
    today = next(window for window in found.windows if window.name == "today")
    assert today.start == frozen.replace(hour=0, minute=0)
    assert today.usual is not None
    days = [today.start - k * DAY for k in range(1, 29)]
    exact = sum(sum(day <= moment < day + (frozen - today.start) for moment in since) for day in days) / 28
    assert today.usual == pytest.approx(exact, abs=1)


def test_the_day_begins_at_midnight_of_the_display_zone(populated_engine: Engine, frozen: datetime) -> None:
    windows = {window.name: window for window in overview.read(populated_engine, NEW_YORK, frozen).windows}
    assert windows["today"].start == datetime(2026, 1, 15, 5, tzinfo=UTC)
    assert windows["week"].start == datetime(2026, 1, 12, 5, tzinfo=UTC)


def test_a_window_that_was_not_observed_says_so(populated_engine: Engine, frozen: datetime) -> None:
    found = overview.read(populated_engine, NEW_YORK, frozen + timedelta(days=30))
    by_name = {window.name: window for window in found.windows}
    assert by_name["24 hours"].observed == pytest.approx(0)
    assert by_name["24 hours"].count == 0


def test_what_is_late_and_what_to_do_next_follow_from_what_is_stored(
    populated_engine: Engine, frozen: datetime
) -> None:
    def next_step(moment: datetime = frozen) -> str | None:
        return overview.read(populated_engine, NEW_YORK, moment).next_step

    assert next_step() is None
    assert next_step(frozen + 5 * HOUR) == "import"
    last = frozen.replace(minute=0) - HOUR
    execute(populated_engine, update(tables.Forecast).values(actual_count=None))
    assert next_step() == "score"
    execute(populated_engine, delete(tables.TimeBucket).where(tables.TimeBucket.bucket_start >= last - 2 * HOUR))
    assert stages(populated_engine, frozen)["buckets"] == ("late", 3)
    assert next_step() == "refresh"


def test_without_a_model_the_next_step_is_to_train(populated_engine: Engine, frozen: datetime) -> None:
    execute(populated_engine, delete(tables.Forecast), delete(tables.ForecastTotal), delete(tables.ModelMetadata))
    assert overview.read(populated_engine, NEW_YORK, frozen).next_step == "train"


def test_an_empty_database_is_read_on_both_engines(engine: Engine, frozen: datetime) -> None:
    found = overview.read(engine, NEW_YORK, frozen)
    assert (found.posts, found.forecast, found.next_step) == (0, None, "import")
    assert {window.count for window in found.windows} == {0}


def test_totals_are_read_on_both_engines(engine: Engine, frozen: datetime) -> None:
    posts = [
        {"tweet_id": str(i), "created_at": frozen - i * HOUR, "source": "file", "ingest_time": frozen, "kind": kind}
        for i, kind in enumerate(("reply", "original", None), 1)
    ]
    span = {"source": "file", "span_start": frozen - DAY, "span_end": frozen, "created_at": frozen}
    execute(engine, insert(tables.RawTweet).values(posts), insert(tables.Coverage).values(span))
    setting = {"name": "counting", "value": "without_replies", "updated_at": frozen}
    execute(engine, insert(tables.DatabaseSetting).values(setting))
    found = overview.read(engine, NEW_YORK, frozen)
    assert (found.posts, found.last_post) == (3, frozen - HOUR)
    assert {window.name: window.count for window in found.windows}["24 hours"] == 2
    assert found.next_step == "refresh"


async def test_update_and_score_start_runs(
    populated: Settings, console: MakeConsole, settled: Any, launched: list[Any]
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
        await pilot.press("s")
        await settled(pilot)
    assert launched == [("refresh", {}), ("score", {})]


async def test_the_next_step_is_done_by_its_key(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any, launched: list[Any]
) -> None:
    execute(populated_engine, update(tables.Forecast).values(actual_count=None))
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "Score the forecasts" in str(app.screen.query_one("#next-step", Static).content)
        await pilot.press("n")
        await settled(pilot)
    assert launched == [("score", {})]


async def test_a_lease_that_is_held_is_told_in_words(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any
) -> None:
    holder = runs.create(populated_engine, "refresh", {}, lease="refresh")
    app = console(populated)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
        [told] = [notification.message for notification in app._notifications]
    assert f"refresh is held by run {holder}" in told


async def test_enter_opens_the_run_on_the_ingestion_screen(
    populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("j", "enter")
        await settled(pilot)
        assert app.current_mode == "ingestion"
        record = app.screen.query_one(RunTable).record
        assert record is not None
        assert record.id == 6


@pytest.mark.parametrize(("keys", "wanted"), [((), "newest"), (("j",), "same")])
async def test_the_cursor_follows_the_newest_run_until_it_is_moved(
    populated: Settings,
    populated_engine: Engine,
    console: MakeConsole,
    settled: Any,
    keys: tuple[str, ...],
    wanted: str,
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press(*keys)
        table = app.screen.query_one(RunTable)
        before = table.record
        newest = runs.create(populated_engine, "refresh", {})
        await pilot.press("r")
        await settled(pilot)
        assert before is not None
        assert table.record is not None
        assert table.record.id == (newest if wanted == "newest" else before.id)


def test_bars_fill_the_height_and_a_dot_is_no_zero() -> None:
    assert bars([8, 4, 0, None, 1], 1, 1) == ["█▄ ·▁"]
    assert bars([16, 8, 1], 2, 1) == ["█  ", "██▁"]
    assert bars([], 1, 1) == [""]
    assert bars([2, 1], 1, 4) == ["███ ▄▄▄ "]


def test_the_axis_names_as_many_hours_as_have_room() -> None:
    hours = [f"{i % 24:02}:00" for i in range(26)]
    assert axis_line(hours, 1) == "00:00       12:00         "
    assert axis_line(hours[:4], 8).split() == ["00:00", "01:00", "02:00", "03:00"]
