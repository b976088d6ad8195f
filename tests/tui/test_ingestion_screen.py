"""The ingestion screen: what was observed, which runs, their logs, and starting and stopping them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from textual.pilot import Pilot
from textual.widgets import Input, Static

from musktracker import launching, runs
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.tables import RunRow
from musktracker.timeline import DAY, EPOCH, HOUR, Span
from tui.app import Console
from tui.screens.ingestion import IngestionScreen, observed_text
from tui.widgets.confirm import Confirm
from tui.widgets.coverage_bar import FULL, NONE, PART, coverage_marks
from tui.widgets.form import FormScreen
from tui.widgets.run_log import RunLog
from tui.widgets.run_progress import RunProgress
from tui.widgets.run_table import RunTable
from tui.widgets.text_page import TextPage
from tui.widgets.title_line import TitleLine

Opened = Callable[..., Any]


@pytest.fixture
def opened(
    populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    """Opens the screen: `async with opened() as (pilot, screen)`."""
    monkeypatch.setattr(Console, "DEFAULT_MODE", "ingestion")

    @asynccontextmanager
    async def open_screen(size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Pilot[Any], IngestionScreen]]:
        app = console(populated)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            assert isinstance(app.screen, IngestionScreen)
            yield pilot, app.screen

    return open_screen


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str | None]]:
    """What would have been started as a process of its own."""
    started: list[tuple[str, Any, str | None]] = []

    def launch(settings: Settings, engine: Engine, kind: str, parameters: Any, *, lease: str | None = None) -> int:
        started.append((kind, parameters, lease))
        return runs.create(engine, kind, parameters, lease=lease)

    monkeypatch.setattr(launching, "launch", launch)
    return started


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("It did not come to be")


def seen(screen: IngestionScreen) -> str:
    table = screen.query_one(RunTable)
    return "\n".join(table.render_line(y).text for y in range(table.size.height))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screen_as_a_picture(opened: Opened, snapshot: Any, size: tuple[int, int]) -> None:
    async with opened(size) as (pilot, screen):
        await until(pilot, lambda: screen.query_one(RunLog).view.count > 0)
        await pilot.pause()
        snapshot(pilot.app, f"ingestion-{size[0]}x{size[1]}")


async def test_the_log_is_that_of_the_run_under_the_cursor(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        log = screen.query_one(RunLog)
        assert log.run_info is not None
        assert log.run_info.id == 7
        await pilot.press("j")
        await until(pilot, lambda: log.run_info is not None and log.run_info.id == 6 and log.view.count == 22)


async def test_the_kind_key_shows_runs_of_one_kind(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("t")
        await settled(pilot)
        assert [info.kind for info in screen.query_one(RunTable).records] == ["import"]


async def test_an_import_starts_from_its_form_and_gets_the_cursor(
    opened: Opened, launched: list[Any], settled: Any, tmp_path: Path
) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,created_at\n1580661436132757506,2022-10-13T20:47:08Z\n")
    async with opened() as (pilot, screen):
        await pilot.press("i")
        await settled(pilot)
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        form.query_one(Input).value = str(path)
        await until(pilot, lambda: "1 new" in str(form.query_one("#form-preview", Static).content))
        await pilot.press("enter")
        await settled(pilot)
        assert launched == [("import", {"files": [str(path)], "source": "file", "strict": False}, "import")]
        table = screen.query_one(RunTable)
        await until(pilot, lambda: table.record is not None and table.record.id == 8)


async def test_a_file_that_is_not_there_is_refused_in_the_form(
    opened: Opened, launched: list[Any], settled: Any
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("i", *"/nowhere", "enter")
        await settled(pilot)
        form = pilot.app.screen
        assert str(form.query_one("#note-path", Static).content) == "There is no such file"
        assert launched == []


@pytest.mark.parametrize(
    ("content", "keys", "said"),
    [
        ("hello", (), "is in no form that is known"),
        ("id,created_at\n1580661436132757506,2022-10-13T20:47:08Z\nx,y\n", ("tab", "tab", "right"), "line 3"),
    ],
)
async def test_a_file_of_which_nothing_would_be_stored_is_refused_in_the_form(
    opened: Opened, launched: list[Any], settled: Any, tmp_path: Path, content: str, keys: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(content)
    async with opened() as (pilot, _screen):
        await pilot.press("i")
        await settled(pilot)
        form = pilot.app.screen
        form.query_one(Input).value = str(path)
        await pilot.press(*keys, "enter")
        await settled(pilot)
        assert pilot.app.screen is form
        assert said in str(form.query_one("#note-path", Static).content)
        assert launched == []


async def test_a_refresh_that_is_going_on_keeps_others_out_in_words(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    holder = runs.create(populated_engine, "refresh", {"full": True}, lease="refresh")
    async with opened() as (pilot, _screen):
        await pilot.press("R")
        await settled(pilot)
        messages = [str(note.message) for note in pilot.app._notifications]
        assert any(f"refresh is held by run {holder}" in message for message in messages)


async def test_cancelling_a_training_asks_and_no_is_the_first_answer(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Confirm)
        await pilot.press("enter")
        await settled(pilot)
        assert runs.get(populated_engine, 7).cancel_requested_at is None
        await pilot.press("x")
        await pilot.pause()
        await pilot.press("right", "enter")
        await settled(pilot)
        assert runs.get(populated_engine, 7).cancel_requested_at is not None


async def test_cancelling_what_loses_nothing_does_not_ask(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    run_id = runs.create(populated_engine, "import", {}, lease="ingest")
    async with opened() as (pilot, screen):
        assert screen.query_one(RunTable).select(run_id)
        await pilot.press("x")
        await settled(pilot)
        assert runs.get(populated_engine, run_id).cancel_requested_at is not None


async def test_a_run_whose_heart_stopped_is_shown_as_lost(opened: Opened, populated_engine: Engine) -> None:
    info = runs.get(populated_engine, 7)
    assert info.heartbeat_at is not None
    with writing(populated_engine) as connection:
        connection.execute(
            update(RunRow).where(RunRow.id == 7).values(heartbeat_at=info.heartbeat_at - timedelta(minutes=5))
        )
    async with opened() as (_pilot, screen):
        assert "? lost" in seen(screen)
        assert "No sign of life for 5 min" in str(screen.query_one(RunProgress).render())


async def test_enter_shows_all_of_a_run_as_text(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        screen.query_one(RunTable).select(1)
        await pilot.press("enter")
        await settled(pilot)
        page = pilot.app.screen
        assert isinstance(page, TextPage)
        text = str(page.query_one(Static).render())
        assert "ada@tower" in text
        assert "→ inserted     26310" in text


async def test_an_idle_screen_fetches_but_paints_nothing(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        shown: list[Any] = []
        screen.show = shown.append  # type: ignore[method-assign]
        screen.refresh_data()
        await settled(pilot)
        await asyncio.sleep(0)
        assert shown == []


@given(lengths=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=6), width=st.integers(1, 40))
def test_the_bar_is_full_where_all_is_covered_and_empty_where_nothing_is(
    lengths: list[tuple[int, int]], width: int
) -> None:
    spans, at = [], 0
    for gap, length in lengths:
        spans.append(Span(EPOCH + (at + gap) * HOUR, EPOCH + (at + gap + length) * HOUR))
        at += gap + length
    within = Span(EPOCH, EPOCH + max(at, 1) * HOUR)
    marks = coverage_marks(spans, within, width)
    assert len(marks) == width
    assert set(marks) <= {FULL, PART, NONE}
    assert (set(marks) == {FULL}) == (sum(span.hours() for span in spans) == max(at, 1))
    assert (set(marks) == {NONE}) == (not spans)


@pytest.mark.parametrize(
    ("begun", "ended", "words"),
    [
        (40, 0, "30 days, no holes"),
        (2.5, 0, "2.5 of 30 days, no holes"),
        (40, 10, "20.0 of 30 days, no holes"),
    ],
)
def test_days_before_the_first_and_after_the_last_observed_one_are_not_said_to_have_no_holes(
    begun: float, ended: float, words: str
) -> None:
    now = EPOCH + 20_000 * DAY
    covered = [Span(now - begun * DAY, now - ended * DAY)]
    assert observed_text(covered, Span(now - 30 * DAY, now), lambda *_: "then") == f"{words} · observed to then"


async def test_slash_filters_runs_or_searches_the_log_by_the_focus_and_escape_undoes_it(
    opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, screen):
        table, log = screen.query_one(RunTable), screen.query_one(RunLog)
        await until(pilot, lambda: log.view.count > 0)
        await pilot.press("slash", *"train", "enter")
        await settled(pilot)
        assert {info.kind for info in table.records} == {"train"}
        await pilot.press("escape")
        await settled(pilot)
        assert len({info.kind for info in table.records}) > 1
        log.view.focus()
        await pilot.press("slash", *"step", "enter")
        await settled(pilot)
        await until(pilot, lambda: "n next, esc drops" in screen.query_one(TitleLine).text)
        await pilot.press("escape")
        await pilot.pause()
        assert log.view.query_text == ""
        await pilot.press("escape")
        await pilot.pause()
        assert screen.focused is table


@pytest.mark.parametrize("remembered", [{"ingestion_filter": "refresh"}, {"ingestion_kind": "imports"}, {}])
async def test_a_run_that_is_opened_from_elsewhere_is_shown_whatever_the_list_was_left_at(
    populated: Settings, console: Callable[..., Console], settled: Any, remembered: dict[str, str]
) -> None:
    app = console(populated)
    app.memory |= remembered
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_run(3)
        await settled(pilot)
        assert isinstance(app.screen, IngestionScreen)
        await until(pilot, lambda: shown_run(app.screen) == 3)


async def test_a_run_that_is_older_than_those_that_are_listed_is_shown_too(
    opened: Opened, settled: Any, populated_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.ingestion.RUNS", 3)
    async with opened() as (pilot, screen):
        assert [info.id for info in screen.query_one(RunTable).records] == [7, 6, 5]
        pilot.app.open_run(2)
        await settled(pilot)
        await until(pilot, lambda: shown_run(screen) == 2)
        runs.create(populated_engine, "import", {})
        screen.refresh_data()
        await settled(pilot)
        assert shown_run(screen) == 2


async def test_a_run_that_is_gone_moves_no_cursor_later(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, screen):
        pilot.app.open_run(8)
        await settled(pilot)
        await pilot.press("t", *"ttttt")
        await settled(pilot)
        runs.create(populated_engine, "import", {})
        screen.refresh_data()
        await settled(pilot)
        record = screen.query_one(RunTable).record
        assert record is not None
        assert record.id != 8


def shown_run(screen: Any) -> int | None:
    """The run under the cursor, once the log is of it."""
    record, followed = screen.query_one(RunTable).record, screen.query_one(RunLog).run_info
    return record.id if record is not None and followed is not None and followed.id == record.id else None
