"""The events screen: added, edited, removed, undone; found again by text, with who changed what."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_forecasts import store_effects
from sqlalchemy import Engine
from textual.pilot import Pilot
from textual.widgets import Input, Static

from musktracker import launching
from musktracker.config import Settings
from musktracker.db.queries import counts
from musktracker.errors import UsageError
from musktracker.pipeline import event_merge, events
from musktracker.pipeline.event_fields import EventFields
from musktracker.pipeline.event_files import ImportReport, RowError
from musktracker.pipeline.event_rows import Event
from musktracker.timeline import EPOCH, parse_time, typed_time
from tui.app import Console
from tui.screens.event_form import SHOWN_ERRORS, report_text, times_text
from tui.screens.event_table import EventTable
from tui.screens.events import EventsScreen
from tui.widgets.change_table import ChangeTable
from tui.widgets.fan_chart import FanChart
from tui.widgets.form import FormScreen
from tui.widgets.text_page import TextPage

Opened = Callable[..., Any]
START = datetime(2026, 1, 20, 12, tzinfo=UTC)


@pytest.fixture
def opened(
    populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    """Opens the screen: `async with opened() as (pilot, screen)`."""
    monkeypatch.setattr(Console, "DEFAULT_MODE", "events")

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), zone: str = "UTC"
    ) -> AsyncIterator[tuple[Pilot[Any], EventsScreen]]:
        app = console(replace(populated, timezone=zone))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            assert isinstance(app.screen, EventsScreen)
            yield pilot, app.screen

    return open_screen


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("It did not come to be")


def names(screen: EventsScreen) -> list[str]:
    return [event.name for event in screen.query_one(EventTable).records]


def live(engine: Engine) -> list[str]:
    return [event.name for event in events.listed(engine)]


def title(screen: EventsScreen) -> str:
    return str(screen.query_one("#events-title", Static).content)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screen_as_a_picture(opened: Opened, snapshot: Any, size: tuple[int, int]) -> None:
    async with opened(size) as (pilot, _screen):
        snapshot(pilot.app, f"events-{size[0]}x{size[1]}")


async def test_the_form_as_a_picture(opened: Opened, snapshot: Any, settled: Any) -> None:
    async with opened(zone="America/New_York") as (pilot, _screen):
        await pilot.press("e", "tab", "tab", "tab", *"x")
        await settled(pilot)
        preview = pilot.app.screen.query_one("#form-preview", Static)
        await until(pilot, lambda: "End" not in str(preview.content) and "Start" in str(preview.content))
        await settled(pilot)
        snapshot(pilot.app, "event-form-80x24")


async def test_an_event_is_added_in_the_form_with_times_in_the_display_zone(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened(zone="America/New_York") as (pilot, screen):
        await pilot.press("A", *"Rocket", "tab", *"launch", "tab", *"2026-01-20 07:00", "tab", *"2026-01-20 18:00Z")
        await pilot.press("enter")
        await settled(pilot)
        [event] = [event for event in events.listed(populated_engine) if event.name == "Rocket"]
        assert (event.event_start, event.event_end) == (START, START + timedelta(hours=6))
        assert (event.category, event.intensity, event.source) == ("launch", 0.5, "manual")
        assert screen.query_one(EventTable).record == event


async def test_what_the_core_refuses_shows_at_its_field_while_typing(opened: Opened) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("A", "tab", "tab", *"2026-01-20", "tab", *"2026-01-19", "tab", "home", *"9")
        await pilot.pause()
        form = pilot.app.screen
        assert str(form.query_one("#note-event_end", Static).content) == "must not be before event_start"
        assert form.query_one("#note-intensity").has_class("-wrong")
        assert not form.query_one("#note-event_start").has_class("-wrong")


async def test_an_edit_changes_what_was_typed_and_nothing_else(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    before = events.get(populated_engine, 5)
    async with opened() as (pilot, _screen):
        await pilot.press("enter", *" II", "enter")
        await settled(pilot)
        assert events.get(populated_engine, 5).fields == replace(before.fields, name="Product launch II")


async def test_an_edit_over_somebody_elses_is_refused_and_nothing_typed_is_lost(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("e")
        await settled(pilot)
        other = events.get(populated_engine, 5)
        events.edit(populated_engine, 5, replace(other.fields, intensity=0.1), who="bob@tower")
        await pilot.press(*"!", "enter")
        await settled(pilot)
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        assert form.query_one("#form-trouble").display
        assert form.values["name"] == "Product launch!"


async def test_remove_undo_redo_and_restore(opened: Opened, settled: Any, populated_engine: Engine) -> None:
    async with opened() as (pilot, screen):
        there = []
        for keys in ("d", "u", "U", "vD"):
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
                screen.query_one(EventTable).select(5)
            there.append("Product launch" in live(populated_engine))
        assert there == [False, True, False, True]


async def test_keys_faster_than_the_database_undo_one_change_each(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, _screen):
        before = live(populated_engine)
        for _ in range(2):
            await pilot.press("d")
            await settled(pilot)
        assert len(live(populated_engine)) == len(before) - 2
        pilot.app.clear_notifications()
        await pilot.press("d", "u", "u", "u", "U", "u")
        await settled(pilot)
        assert live(populated_engine) == before
        assert not [note.message for note in pilot.app._notifications if note.severity != "information"]


async def test_an_undo_that_waits_for_a_change_that_is_refused_undoes_nothing_else(
    opened: Opened, settled: Any, populated_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = threading.Event()

    def refuse(*_: Any, **__: Any) -> None:
        pressed.wait(60)
        raise UsageError("refused")

    async with opened() as (pilot, _screen):
        await pilot.press("d")
        await settled(pilot)
        before = live(populated_engine)
        monkeypatch.setattr(events, "remove", refuse)
        await pilot.press("d", "u")
        pressed.set()
        await settled(pilot)
        assert live(populated_engine) == before
        await pilot.press("u")
        await settled(pilot)
        assert len(live(populated_engine)) == len(before) + 1


async def test_enter_shows_all_of_an_event_that_cannot_be_edited(
    populated: Settings, console: Callable[..., Console], settled: Any
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for key in ("4", "enter"):
            await pilot.press(key)
            await settled(pilot)
        assert isinstance(app.screen, TextPage)
        assert "Start      2026-01-17 18:00 UTC" in app.screen._text
        assert "Still to come" in app.screen._text


async def test_what_somebody_else_changed_since_is_named_before_u_takes_it_back(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, _screen):
        await pilot.press("d")
        await settled(pilot)
        before = events.get(populated_engine, 3)
        events.edit(populated_engine, 3, replace(before.fields, intensity=0.1), who="bob@tower")
        await pilot.press("r", "u")
        await settled(pilot)
        assert events.get(populated_engine, 3).intensity == 0.1
        assert "Product launch" not in live(populated_engine)
        assert any("by bob@tower" in note.message for note in pilot.app._notifications)
        await pilot.press("u")
        await settled(pilot)
        assert events.get(populated_engine, 3).intensity == before.intensity
        await pilot.press("u")
        await settled(pilot)
        assert "Product launch" in live(populated_engine)


async def test_removed_events_show_only_when_asked_for(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("d")
        await settled(pilot)
        assert "Product launch" not in names(screen)
        assert "1 removed (v shows them)" in title(screen)
        await pilot.press("v")
        assert names(screen)[0] == "Product launch"


async def test_the_filter_shows_what_holds_the_text_and_escape_all_again(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("slash", *"LAUNCH")
        await settled(pilot)
        assert names(screen) == ["Product launch", "Starship flight test"]
        assert "2 of 5 events" in title(screen)
        await pilot.press("enter", "escape")
        await settled(pilot)
        assert len(names(screen)) == 5


async def test_the_history_names_fields_as_the_form_does(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    event = events.get(populated_engine, 5)
    events.edit(populated_engine, 5, replace(event.fields, event_end=event.event_end + timedelta(hours=1)))
    async with opened() as (pilot, screen):
        await pilot.press("h")
        await settled(pilot)
        line = screen.query_one(ChangeTable).render_line(1).text
        assert f" end {pilot.app.format_time(event.event_end)} → " in line


async def test_the_history_says_who_changed_what_before_and_after(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    event = events.get(populated_engine, 5)
    events.edit(populated_engine, 5, replace(event.fields, intensity=0.25), who="bob@tower")
    events.remove(populated_engine, 3, who="eve@tower")
    async with opened() as (pilot, screen):
        table = screen.query_one(ChangeTable)
        await pilot.press("h")
        await settled(pilot)
        assert [change.who for change in table.records] == ["bob@tower"]
        assert "intensity 0.9 → 0.25" in table.render_line(1).text
        await pilot.press("h")
        await settled(pilot)
        assert [change.who for change in table.records] == ["eve@tower", "bob@tower"]
        await pilot.press("h")
        assert not table.display


async def test_a_change_says_that_features_are_due_and_a_key_brings_them(
    opened: Opened, settled: Any, populated_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(launching, "launch", lambda s, e, kind, p, lease=None: started.append(kind) or 1)
    async with opened() as (pilot, screen):
        assert "features are due" not in title(screen)
        await pilot.press("d")
        await settled(pilot)
        assert "features are due: R recounts" in title(screen)
        await pilot.press("R")
        await settled(pilot)
        assert started == ["refresh"]


async def test_a_file_of_events_is_looked_into_before_it_is_stored(
    opened: Opened, settled: Any, populated_engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "e.csv"
    path.write_text("name,event_start,event_end,intensity\nGood,2026-02-01T00:00Z,2026-02-02T00:00Z,0.4\nBad,x,y,2\n")
    async with opened() as (pilot, _screen):
        await pilot.press("i")
        form = pilot.app.screen
        form.query_one(Input).value = str(path)
        preview = form.query_one("#form-preview", Static)
        await until(pilot, lambda: "1 new" in str(preview.content) and "line 3" in str(preview.content))
        await pilot.press("enter")
        await settled(pilot)
        assert "Good" not in live(populated_engine)
        assert form.query_one("#form-trouble").display
        await pilot.press("tab", "space", "enter")
        await settled(pilot)
        assert "Good" in live(populated_engine)


async def test_an_export_comes_back_unchanged_and_replaces_no_file_unasked(
    opened: Opened, settled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened() as (pilot, _screen):
        await pilot.press("x", "enter")
        await settled(pilot)
        first = (tmp_path / "events.csv").read_text()
        assert first.count("\n") == 6
        (tmp_path / "events.csv").write_text("mine")
        await pilot.press("x", "enter")
        await settled(pilot)
        assert (tmp_path / "events.csv").read_text() == "mine"
        await pilot.press("tab", "space", "enter")
        await settled(pilot)
        assert (tmp_path / "events.csv").read_text() == first


async def test_names_are_text_in_the_table_and_in_messages(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        table = screen.query_one(EventTable)
        table.select(4)
        assert "Court hearing [bold" in table.render_line(2).text
        await pilot.press("d")
        await settled(pilot)
        assert any("[bold]not markup[/bold]" in str(note.message) for note in pilot.app._notifications)


async def test_five_thousand_events_draw_only_what_is_in_view(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    many = [
        (EventFields(f"Event {i}", START + timedelta(hours=i), START + timedelta(hours=i), 0.5), None)
        for i in range(5_000)
    ]
    event_merge.merge(populated_engine, many)
    async with opened() as (pilot, screen):
        table = screen.query_one(EventTable)
        drawn = 0
        cells = table._cells

        def counted(event: Event) -> Any:
            nonlocal drawn
            drawn += 1
            return cells(event)

        table._cells = counted
        await pilot.press("G", "g", "pagedown")
        await pilot.pause()
        assert table.count == 5_005
        assert 0 < drawn <= 8 * table.rows_in_view


@given(
    moment=st.timedeltas(timedelta(days=18_000), timedelta(days=22_000)).map(lambda since: EPOCH + since),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]).map(ZoneInfo),
)
def test_a_time_in_the_form_is_the_stored_moment_to_the_microsecond(moment: datetime, zone: ZoneInfo) -> None:
    assert parse_time(typed_time(moment, zone), zone) == moment


def test_the_wrong_rows_that_are_not_shown_are_counted_in_words() -> None:
    errors = tuple(RowError(line, "no name") for line in range(2, 2 + SHOWN_ERRORS + 1))
    report = ImportReport(0, 0, 0, 0, errors, stored=False)
    assert report_text(report).splitlines()[-1] == "… and 1 more wrong row"


async def test_an_import_says_first_how_many_rows_are_wrong_and_whether_any_is_stored(
    opened: Opened, settled: Any, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.csv"
    rows = ["fine,2026-02-01T00:00Z,0.5", *(f"{i},03/04/2026 12:00,0.5" for i in range(7))]
    path.write_text("\n".join(["name,event_start,intensity", *rows]))
    async with opened() as (pilot, _screen):
        await pilot.press("i", *str(path))
        await until(pilot, lambda: preview(pilot).startswith("1 new, 7 wrong: nothing would be stored\n"))
        await pilot.press("tab", "right")
        await until(pilot, lambda: preview(pilot).startswith("1 new, 7 wrong\n"))


def test_how_a_file_of_events_was_taken_is_told_before_it_is_brought_in() -> None:
    report = ImportReport(2, 0, 0, 0, (), stored=False, notes=("not taken in: id",))
    assert report_text(report).splitlines() == ["2 new", "· not taken in: id"]


def test_the_preview_shows_both_zones_and_how_long_it_lasts() -> None:
    values = {"event_start": "2026-01-20 07:00", "event_end": "2026-01-20 18:00Z"}
    assert times_text(values, ZoneInfo("America/New_York")).splitlines() == [
        "Start         2026-01-20 12:00 UTC   2026-01-20 07:00 EST   Tue",
        "End           2026-01-20 18:00 UTC   2026-01-20 13:00 EST   Tue · 6 h",
    ]


def preview(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#form-preview", Static).content)


async def test_a_line_shows_how_it_is_understood_and_adds_the_event(
    opened: Opened, settled: Any, snapshot: Any, populated_engine: Engine
) -> None:
    async with opened(zone="America/New_York") as (pilot, screen):
        await pilot.press("a", *"next fri 14:00 ET +2h moon landing !strong #launch")
        await settled(pilot)
        await until(pilot, lambda: "moon landing" in preview(pilot))
        assert "2026-01-16 19:00 UTC   2026-01-16 14:00 EST   Fri" in preview(pilot)
        await settled(pilot)
        snapshot(pilot.app, "event-line-80x24")
        await pilot.press("enter")
        await settled(pilot)
        await until(pilot, lambda: "moon landing" in names(screen))
    [event] = [event for event in events.listed(populated_engine) if event.name == "moon landing"]
    assert (event.event_start, event.intensity) == (datetime(2026, 1, 16, 19, tzinfo=UTC), 0.8)


async def test_a_line_with_two_meanings_is_asked_about_and_not_stored(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    before = live(populated_engine)
    async with opened() as (pilot, _screen):
        await pilot.press("a", *"3/4 14:00 summit")
        await until(pilot, lambda: "2026-04-03" in preview(pilot))
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, FormScreen)
        note = str(pilot.app.screen.query_one("#note-line", Static).content)
        assert note == "'3/4' can be read in two ways"
    assert live(populated_engine) == before


async def test_an_event_is_copied_shifted_and_repeated_by_key(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, screen):
        first = screen.query_one(EventTable).record
        assert first is not None
        await pilot.press("s", *"-1d", "enter")
        await settled(pilot)
        shifted = events.get(populated_engine, first.id)
        assert shifted.event_start == first.event_start - timedelta(days=1)

        await pilot.press("c", "end", *" again", "enter")
        await settled(pilot)
        assert f"{first.name} again" in live(populated_engine)

        top = screen.query_one(EventTable).records[0]
        last_day = f"{top.event_start + timedelta(days=15):%Y-%m-%d}"
        await pilot.press("g", "p", "tab", *last_day, "enter")
        await until(pilot, lambda: live(populated_engine).count(top.name) == 3)
        await settled(pilot)
        await pilot.press("u")
        await until(pilot, lambda: live(populated_engine).count(top.name) == 1)


async def test_an_event_like_another_is_doubted_in_its_form(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        first = screen.query_one(EventTable).record
        assert first is not None
        await pilot.press("c")
        await settled(pilot)
        await until(pilot, lambda: f"! it is the same as event {first.id}" in preview(pilot))


async def test_the_same_event_again_is_stored_after_it_was_doubted_in_its_form_and_undone(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, screen):
        first = screen.query_one(EventTable).record
        assert first is not None
        await pilot.press("c")
        await settled(pilot)
        await until(pilot, lambda: f"! it is the same as event {first.id}" in preview(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: live(populated_engine).count(first.name) == 2)
        await settled(pilot)
        twin = screen.query_one(EventTable).record
        assert twin is not None
        assert (twin.name, twin.event_start) == (first.name, first.event_start)
        assert twin.id != first.id
        await pilot.press("d")
        await until(pilot, lambda: live(populated_engine).count(first.name) == 1)
        await settled(pilot)
        await pilot.press("u")
        await until(pilot, lambda: live(populated_engine).count(first.name) == 2)


async def test_a_line_that_says_what_is_there_already_is_doubted_and_stored(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, screen):
        first = screen.query_one(EventTable).record
        assert first is not None
        await pilot.press("a", *f"{first.event_start:%Y-%m-%d %H:%M} UTC +1h {first.name}")
        await until(pilot, lambda: f"! it is the same as event {first.id}" in preview(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: live(populated_engine).count(first.name) == 2)
        await settled(pilot)


async def test_a_series_that_is_there_already_is_doubted_before_it_is_stored(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, screen):
        first = screen.query_one(EventTable).record
        assert first is not None
        week = timedelta(days=7)
        later = replace(first.fields, event_start=first.event_start + week, event_end=first.event_end + week)
        there = events.add(populated_engine, later)
        last_day = f"{first.event_start + timedelta(days=8):%Y-%m-%d}"
        await pilot.press("p", "tab", *last_day)
        said = f"! {later.event_start:%Y-%m-%d %H:%M} is the same as event {there.id}"
        await until(pilot, lambda: said in preview(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: live(populated_engine).count(first.name) == 3)
        await settled(pilot)


async def test_a_restored_event_is_said_to_be_the_same_as_another(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    event = events.listed(populated_engine)[-1]
    twin = events.add(populated_engine, event.fields)
    events.remove(populated_engine, event.id)
    async with opened() as (pilot, screen):
        await pilot.press("v")
        await settled(pilot)
        assert screen.query_one(EventTable).select(event.id)
        await pilot.press("D")
        await settled(pilot)
        said = "\n".join(notice.message for notice in pilot.app._notifications)
        assert f"; it is the same as event {twin.id}" in said


async def test_events_are_drawn_over_the_counts_around_the_one_under_the_cursor(
    opened: Opened, settled: Any, snapshot: Any
) -> None:
    async with opened((120, 36)) as (pilot, screen):
        await pilot.press("j", "t")
        await settled(pilot)
        chart = screen.query_one(FanChart)
        await until(pilot, lambda: chart.fan is not None)
        event = screen.query_one(EventTable).record
        assert event is not None
        assert chart.fan is not None
        assert event.name in {mark.name for mark in chart.fan.events}
        assert any(chart.fan.actual)
        snapshot(pilot.app, "events-timeline-120x36")
        await pilot.press("t")
        assert not screen.query_one("#events-timeline").display


async def test_the_timeline_of_an_event_far_from_all_counts_says_what_is_counted_and_draws_it(
    populated_engine: Engine, opened: Opened, settled: Any
) -> None:
    far = datetime(2035, 3, 1, 12, tzinfo=UTC)
    event = events.add(populated_engine, events.EventFields("Far flight", far, far + timedelta(hours=2), 0.5))
    async with opened() as (pilot, screen):
        screen.query_one(EventTable).select(event.id)
        await pilot.press("t")
        chart, box = screen.query_one(FanChart), screen.query_one("#events-timeline")
        await until(pilot, lambda: chart.fan is not None)
        reach = counts.reach(populated_engine)
        assert reach is not None
        said = f"Nothing is counted here, but from {reach.begin:%Y-%m-%d} to {reach.until:%Y-%m-%d}"
        assert str(box.border_title) == f"{said} · around “Far flight”"
        assert "◆" in "".join(chart.render_line(y).text for y in range(chart.size.height))
        await pilot.press("end")
        await until(pilot, lambda: str(box.border_title).startswith("Posts an hour around"))


async def test_the_timeline_of_no_event_says_so(opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("t")
        chart = screen.query_one(FanChart)
        await until(pilot, lambda: chart.fan is not None)
        await pilot.press("slash", *"zzz")

        def drawn() -> str:
            return "".join(chart.render_line(y).text for y in range(chart.size.height))

        await until(pilot, lambda: "Nothing here holds “zzz”; esc shows all" in drawn())
        assert chart.fan is None
        assert screen.query_one("#events-timeline").border_title == "Timeline"
        await pilot.press("escape", "h")
        await settled(pilot)
        assert screen.query_one(ChangeTable).border_title == "Changes of this event"


async def test_a_console_that_only_reads_changes_no_event(
    populated: Settings, console: Callable[..., Console], settled: Any, populated_engine: Engine
) -> None:
    before = live(populated_engine)
    app = console(populated, read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("4")
        await settled(pilot)
        for key in ("a", "A", "e", "c", "s", "p", "d", "u", "U", "i", "R"):
            await pilot.press(key)
            await settled(pilot)
            assert isinstance(app.screen, EventsScreen), key
        app.screen.act(lambda engine: events.remove(engine, 1))
        await settled(pilot)
        assert any("only read" in notice.message for notice in app._notifications)
    assert live(populated_engine) == before


def detail(screen: EventsScreen) -> list[str]:
    """The lines below the table."""
    return str(screen.query_one("#event-detail", Static).content).splitlines()


async def test_the_effect_of_an_event_is_told_with_its_interval_and_who_says_so(
    opened: Opened, populated_engine: Engine
) -> None:
    launch = events.add(populated_engine, EventFields("Starship 12", START, START, 1.0, category="launch"))
    speech = events.add(populated_engine, EventFields("Speech", START, START, 1.0, category="politics"))
    store_effects(populated_engine)
    async with opened() as (pilot, screen):
        table = screen.query_one(EventTable)
        assert table.select(launch.id)
        await pilot.pause()
        assert (
            detail(screen)[1]
            == "effect +65% posts an hour, 95% +36 to +101% · from 6 launch events · har_bootstrap 1"
        )
        assert table.select(speech.id)
        await pilot.pause()
        assert detail(screen)[1].endswith("from 9 events of any category · har_bootstrap 1")


async def test_where_no_model_tells_of_events_it_says_what_would(opened: Opened) -> None:
    async with opened() as (_, screen):
        assert detail(screen)[1].startswith("effect not known yet")


async def test_the_effects_of_all_categories_open_as_a_page(opened: Opened, populated_engine: Engine) -> None:
    store_effects(populated_engine)
    async with opened() as (pilot, _):
        await pilot.press("E")
        page = pilot.app.screen
        assert isinstance(page, TextPage)
        assert "launch" in page._text
        assert "(any other)" in page._text


async def test_an_event_that_was_added_gets_the_cursor_although_the_filter_would_hide_it(
    opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("slash", *"earnings", "enter", "a", *"2026-02-01 10:00 zebra !0.5", "enter")
        await settled(pilot)
        await until(pilot, lambda: "zebra" in names(screen))
        event = screen.query_one(EventTable).record
        assert event is not None
        assert event.name == "zebra"


async def test_an_event_that_an_edit_takes_out_of_the_filter_moves_no_cursor_later(
    opened: Opened, settled: Any, populated_engine: Engine
) -> None:
    async with opened() as (pilot, screen):
        table = screen.query_one(EventTable)
        await pilot.press("slash", *"product", "enter", "e", "home", "delete", "delete", "enter")
        await settled(pilot)
        await until(pilot, lambda: names(screen) == [])
        await pilot.press("escape", "G")
        before = table.record
        events.remove(populated_engine, 3)
        screen.refresh_data()
        await settled(pilot)
        assert table.record == before
