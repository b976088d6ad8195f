"""The log view: what it shows is what filtering and searching all lines says, and it stays where it is put."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from textual.pilot import Pilot
from textual.widgets import Input

from musktracker import runs
from musktracker.config import LOG_LEVELS, Settings
from musktracker.db.engines import writing
from musktracker.db.tables import RunLogLine
from musktracker.run_log import LogLine
from tui.app import Console
from tui.screens.base import ConsoleScreen
from tui.threads import in_thread
from tui.widgets import log_view, run_log
from tui.widgets.log_lines import LogLines
from tui.widgets.log_view import LogView
from tui.widgets.run_log import RunLog
from tui.widgets.title_line import TitleLine

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
ENDED = 1  # a run of whose log no more is read


def line(i: int, level: str = "info", message: str = "") -> LogLine:
    return LogLine(i, START + timedelta(seconds=i), level, message or f"step {i}", {})


texts = st.text(alphabet="abAB ", max_size=6)
batches = st.lists(st.lists(st.tuples(st.sampled_from(LOG_LEVELS), texts), max_size=8), max_size=8)


@given(
    batches=batches,
    older=st.sets(st.integers(0, 7)),
    threshold=st.integers(0, 3),
    capacity=st.integers(1, 30),
    query=texts.filter(bool),
)
def test_filter_and_search_find_what_reading_all_kept_lines_finds(
    batches: list[list[tuple[str, str]]], older: set[int], threshold: int, capacity: int, query: str
) -> None:
    lines, kept, low, high = LogLines(capacity), [], 0, 1
    lines.set_threshold(threshold)
    for k, batch in enumerate(batches):
        if k in older:
            batch = batch[max(len(batch) - (capacity - len(kept)), 0) :]
            new = [line(low - len(batch) + i, level, text or "-") for i, (level, text) in enumerate(batch)]
            low -= len(new)
            lines.prepend(new)
            kept = new + kept
        else:
            new = [line(high + i, level, text or "-") for i, (level, text) in enumerate(batch)]
            high += len(new)
            lines.append(new)
            kept = (kept + new)[-capacity:]
    passing = [kept_line for kept_line in kept if LOG_LEVELS.index(kept_line.level) >= threshold]
    assert [lines.line(n)[2] for n in lines.shown] == [kept_line.message for kept_line in passing]
    fold = str if query != query.lower() else str.lower
    matching = [kept_line.message for kept_line in passing if query in fold(kept_line.message)]
    assert [lines.line(n)[2] for n in lines.matches(query, range(len(lines.shown)))] == matching
    assert (lines.oldest_id, lines.newest_id) == ((kept[0].id, kept[-1].id) if kept else (0, 0))


@given(levels=st.lists(st.sampled_from(LOG_LEVELS), min_size=1, max_size=20), here=st.integers(-1, 20))
def test_the_next_error_is_the_first_after_here_or_else_the_first_of_all(levels: list[str], here: int) -> None:
    lines = LogLines()
    lines.append([line(i, level) for i, level in enumerate(levels)])
    errors = [i for i, level in enumerate(levels) if level == "error"]
    expected = next((i for i in errors if i > here), errors[0] if errors else None)
    assert lines.next_at_least(3, here) == expected


class Empty(ConsoleScreen):
    """A screen of nothing, for a widget to stand on."""

    TITLE = "Empty"

    def fetch(self, engine: Engine) -> None:
        return None

    def show(self, data: None) -> None:
        pass


@pytest.fixture
def opened(
    populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Opens the log of run 7 of the populated database: `async with opened() as (pilot, log)`."""

    monkeypatch.setattr(Console, "MODES", {"overview": Empty})

    @asynccontextmanager
    async def open_log(run_id: int = 7) -> AsyncIterator[tuple[Pilot[Any], RunLog]]:
        app = console(populated)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            log = RunLog()
            await app.screen.mount(log)
            assert app.engine is not None
            log.follow_run(runs.get(app.engine, run_id))
            await settled(pilot)
            log.view.focus()
            await pilot.pause()
            yield pilot, log

    return open_log


def shown(view: LogView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def title(log: RunLog) -> str:
    return log.query_one(TitleLine).text


def write(engine: Engine, run_id: int, messages: list[str], level: str = "info") -> None:
    values = [
        {"run_id": run_id, "time": START, "level": level, "message": message, "fields": None} for message in messages
    ]
    with writing(engine) as connection:
        connection.execute(insert(RunLogLine), values)


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Wait for what a worker is about to do."""
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("It did not come to be")


async def test_the_end_is_shown_first_and_untrusted_text_is_only_text(opened: Callable[..., Any]) -> None:
    async with opened() as (_pilot, log):
        assert "W 3 rows could not be read [red]as text[/red]  rows=3" in shown(log.view)[-1]
        assert "following" in title(log)


async def test_control_characters_reach_no_terminal(opened: Callable[..., Any], populated_engine: Engine) -> None:
    async with opened() as (pilot, log):
        write(populated_engine, 7, ["\x1b]0;owned\x07 \x1b[31mred\u202e"])
        await until(pilot, lambda: log.view.count == 22)
        assert not any(ord(c) < 32 or c == "\u202e" for c in "".join(shown(log.view)))


async def test_new_lines_are_followed_until_the_cursor_leaves_the_end(
    opened: Callable[..., Any], populated_engine: Engine
) -> None:
    async with opened() as (pilot, log):
        write(populated_engine, 7, ["the newest"])
        await until(pilot, lambda: log.view.count == 22)
        assert "the newest" in shown(log.view)[-1]
        await pilot.press("k")
        before = shown(log.view)
        write(populated_engine, 7, [f"later {i}" for i in range(1234)])
        await until(pilot, lambda: log.view.count == 1256)
        assert [text[:-1] for text in shown(log.view)[:-1]] == [text[:-1] for text in before[:-1]]
        assert "+1,234 lines" in shown(log.view)[-1]
        await pilot.press("f")
        assert "later 1233" in shown(log.view)[-1]
        assert "lines  f follow" not in shown(log.view)[-1]


async def test_a_paused_log_reads_nothing_until_it_goes_on(
    opened: Callable[..., Any], populated_engine: Engine, settled: Any
) -> None:
    async with opened() as (pilot, log):
        await pilot.press("p")
        await settled(pilot)
        write(populated_engine, 7, ["unread"])
        await pilot.pause(2 * run_log.POLL_SECONDS)
        assert (log.view.count, "paused" in title(log)) == (21, True)
        await pilot.press("p")
        await until(pilot, lambda: log.view.count == 22)


async def test_a_paused_log_reads_nothing_as_its_run_ends_and_all_of_it_when_it_goes_on(
    opened: Callable[..., Any], populated_engine: Engine, settled: Any
) -> None:
    async with opened() as (pilot, log):
        await pilot.press("p")
        write(populated_engine, 7, ["last words"])
        log.follow_run(replace(log.run_info, status="failed"))
        await settled(pilot)
        assert log.view.count == 21
        await pilot.press("p")
        await settled(pilot)
        assert log.view.count == 22


async def test_the_last_words_of_a_run_that_ended_out_of_sight_are_read_once_its_log_is_back(
    opened: Callable[..., Any], populated_engine: Engine, settled: Any
) -> None:
    async with opened() as (pilot, log):
        for _ in range(2):  # the one below the top counts as seen
            pilot.app.push_screen(Empty())
        await settled(pilot)
        write(populated_engine, 7, ["last words"])
        log.follow_run(replace(log.run_info, status="failed"))
        await settled(pilot)
        pilot.app.pop_screen()
        pilot.app.pop_screen()
        await until(pilot, lambda: log.view.count == 22)


async def test_a_run_that_was_lost_is_not_asked_for_more(
    opened: Callable[..., Any], populated_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as (pilot, log):
        log.follow_run(replace(log.run_info, heartbeat_at=START))
        assert log.run_info.lost
        asked: list[Any] = []
        monkeypatch.setattr(run_log, "_after", lambda *given, **_: asked.append(given) or [])
        await pilot.pause(2 * run_log.POLL_SECONDS)
        assert asked == []


@pytest.mark.parametrize("failing", [1, 2], ids=["the newest page", "an older page"])
async def test_what_could_not_be_read_of_a_log_is_read_later(
    failing: int,
    opened: Callable[..., Any],
    populated_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_log, "PAGE", 50)
    monkeypatch.setattr(run_log, "REST_SECONDS", 0, raising=False)
    write(populated_engine, 3, [f"line {i}" for i in range(200)])
    reads, in_thread = 0, run_log.in_thread

    async def fail_once(*work: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads == failing:
            raise OSError("the server closed the connection")
        return await in_thread(*work)

    monkeypatch.setattr(run_log, "in_thread", fail_once)
    async with opened(3) as (pilot, log):
        await until(pilot, lambda: log.view.count == 222)
        assert "closed the connection" not in title(log)


async def test_what_comes_late_of_the_visit_before_is_not_taken_for_this_one(
    opened: Callable[..., Any], populated_engine: Engine, settled: Any, hold: Any
) -> None:
    async with opened() as (pilot, log):
        here, other = log.run_info, replace(log.run_info, id=6)
        write(populated_engine, 7, [f"late {i}" for i in range(3)])
        held = hold(run_log, "_after")
        await held.reached()  # a poll of the first visit
        log.follow_run(other)
        log.follow_run(here)
        held.release()
        await settled(pilot)
        await until(pilot, lambda: log.view.count >= 24)
        lines = [log.view.plain(number) for number in log.view.lines.shown]
        assert len(lines) == len(set(lines))


async def test_the_level_key_goes_through_the_levels(opened: Callable[..., Any]) -> None:
    async with opened(3) as (pilot, log):
        counts = []
        for _ in range(4):
            await pilot.press("l")
            counts.append(log.view.count)
        assert counts == [22, 2, 1, 22]


async def test_search_goes_to_matches_around_the_end_and_escape_drops_it(
    opened: Callable[..., Any], settled: Any
) -> None:
    async with opened() as (pilot, log):
        await pilot.press("slash", *"step 1")
        await settled(pilot)
        await pilot.press("enter")
        assert "11 found" in title(log)
        found = []
        for key in ("n", "n", "N", "N", "N"):
            await pilot.press(key)
            found.append(log.view.lines.line(log.view.number or 0)[2].split("  ")[0])
        assert found == ["step 1 of 20", "step 10 of 20", "step 1 of 20", "step 19 of 20", "step 18 of 20"]
        await pilot.press("escape")
        await pilot.pause()
        assert (log.view.query_text, log.query_one(Input).display) == ("", False)


async def test_the_error_key_goes_to_the_error(opened: Callable[..., Any]) -> None:
    async with opened(3) as (pilot, log):
        await pilot.press("g", "e")
        assert "E The fit did not converge" in shown(log.view)[log.view.cursor - log.view.top]


async def test_marked_lines_are_copied_to_the_clipboard_and_a_private_file(
    opened: Callable[..., Any], populated: Settings, settled: Any
) -> None:
    async with opened() as (pilot, log):
        await pilot.press("g", "space", "j", "y")
        await settled(pilot)
        path = populated.data_dir / "copied.txt"
        expected = [f"2026-01-15 18:05:{5 * k:02}+0000 info    step {k + 1} of 20  step={k + 1}" for k in (0, 1)]
        assert path.read_text().splitlines()[0] == expected[0]
        assert len(path.read_text().splitlines()) == 2
        assert pilot.app.clipboard == path.read_text().rstrip("\n")
        assert path.stat().st_mode & 0o777 == 0o600
        assert log.view.mark is None


async def test_lines_are_put_together_elsewhere_as_they_were_when_they_were_copied(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Any] = []
    monkeypatch.setattr(log_view, "copy", lambda app, settings, text, what: copied.append(text))
    async with opened(ENDED) as (pilot, log):
        log.view.lines.capacity = 21
        expected = [log.view.plain(number) for number in log.view.lines.shown]
        await pilot.press("g", "space", "G", "y")
        log.view.append([line(100 + i) for i in range(21)])
        assert (await in_thread(copied[0])).splitlines() == expected


async def test_a_long_log_is_read_from_the_end_back_to_its_beginning(
    opened: Callable[..., Any], populated_engine: Engine, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "PAGE", 50)
    write(populated_engine, 7, [f"line {i}" for i in range(400)])
    async with opened() as (pilot, log):
        await until(pilot, lambda: log.view.count == 421)
        assert "line 399" in shown(log.view)[-1]
        await pilot.press("g")
        assert "step 1 of 20" in shown(log.view)[0]


async def test_a_view_that_is_full_drops_the_oldest_and_stays_where_it_is(opened: Callable[..., Any]) -> None:
    async with opened(ENDED) as (_pilot, log):
        view = log.view
        view.clear()
        view.lines.capacity = 100
        view.append([line(i) for i in range(1, 101)])
        view.go_to(view.lines.shown[60])
        before = view.lines.line(view.number or 0)
        row = view.cursor - view.top
        view.append([line(i) for i in range(101, 121)])
        assert (view.count, view.lines.line(view.number or 0), view.cursor - view.top) == (100, before, row)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_matches_are_of_lines_that_are_held(level: str, opened: Callable[..., Any], settled: Any) -> None:
    async with opened(ENDED) as (pilot, log):
        view = log.view
        view.clear()
        view.lines.capacity = 100
        view.set_level(1)
        view.append([line(i) for i in range(1, 101)])
        view.search("step")
        await settled(pilot)
        view.append([line(i, level) for i in range(101, 181)])
        assert list(view.found) == list(view.lines.shown)
        assert view.cursor == view.count - 1


async def test_rows_that_were_kept_are_those_that_would_be_drawn_now(
    opened: Callable[..., Any], settled: Any
) -> None:
    async with opened() as (pilot, log):
        view, app = log.view, pilot.app

        async def seen() -> list[Any]:
            await settled(pilot)
            rows = view.render_lines(view.size.region)
            assert rows == [view.render_line(y) for y in range(view.size.height)]
            return rows

        at_first = await seen()
        app.set_focus(None)
        assert await seen() != at_first
        view.focus()
        assert await seen() == at_first
        for key in ("up", "g", "right", "l", "ctrl+t", "left", "G"):
            await pilot.press(key)
            await seen()
        await pilot.resize_terminal(100, 20)
        await seen()
