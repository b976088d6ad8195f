"""The what-if of the forecasts screen: which events to leave out, which to imagine, and what that comes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from made_forecasts import NOW, ORIGIN, store_effects, store_run, what_if_result
from sqlalchemy import Engine
from stored_versions import store_version

from musktracker import runs
from musktracker.config import Settings
from musktracker.errors import UsageError
from musktracker.market_windows import ET
from musktracker.pipeline.events import Event
from musktracker.timeline import DAY, HOUR, iso
from tui.app import Console
from tui.screens import what_if_text as words
from tui.screens.what_if_form import Candidate, parameters, what_if_form
from tui.screens.what_if_view import DayTable, WhatIfScreen
from tui.widgets.fan_chart import FanChart
from tui.widgets.form import FormScreen
from tui.widgets.toned_line import TonedLine

Opened = Callable[..., Any]
UTC = ZoneInfo("UTC")


@pytest.fixture
def opened(populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: Any) -> Opened:
    """Opens the screen: `async with opened() as (pilot, screen)`."""
    monkeypatch.setattr(Console, "DEFAULT_MODE", "forecasts")

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), keys: tuple[str, ...] = ("i",), **options: Any
    ) -> AsyncIterator[tuple[Any, WhatIfScreen]]:
        app = console(populated, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press(*keys)
            await settled(pilot)
            yield pilot, app.screen_stack[1]

    return open_screen


@pytest.fixture
def compared(populated_engine: Engine) -> Engine:
    """The populated database after a comparison."""
    store_effects(populated_engine)
    store_run(populated_engine, "what_if", what_if_result())
    return populated_engine


def said(screen: WhatIfScreen, name: str) -> str:
    return screen.query_one(f"#what-if-{name}", TonedLine).text


async def test_it_shows_both_totals_the_difference_and_the_days(compared: Engine, opened: Opened) -> None:
    async with opened() as (_, screen):
        assert said(screen, "with").startswith("With          491   50% ")
        assert said(screen, "without").startswith("Without       470   50% ")
        assert said(screen, "difference").startswith("Difference    +21   50% +15 to +27   80% +9 to +33   95% +3 to")
        assert "imagined: Sat 17 Jan 14:00 !0.8 #launch" in said(screen, "source")
        assert screen.query_one(DayTable).count == 8


async def test_both_means_are_drawn_and_the_event_is_read_off(compared: Engine, opened: Opened) -> None:
    async with opened((120, 36)) as (pilot, screen):
        chart = screen.query_one(FanChart)
        assert chart.fan is not None
        launch = round(chart.fan.position(ORIGIN + 2 * DAY) - 0.5)
        with_it, without = chart.fan.mean[launch], chart.fan.other[launch]
        assert with_it is not None
        assert without is not None
        assert with_it - without == pytest.approx(21)
        await pilot.press("c", "o", "right", "right")
        read = chart.render_line(0).text
        assert "without" in read
        assert "◆ imagined" in read


async def test_n_offers_the_coming_events_with_their_effects_and_starts_a_run(
    compared: Engine, opened: Opened, settled: Any, launched: list[Any]
) -> None:
    store_version(compared, 9)
    async with opened() as (pilot, _):
        await pilot.press("n")
        await settled(pilot)
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        note = str(form.query_one("#note-event-5").content)  # type: ignore[attr-defined]
        assert note == "17 Jan 18:00–22:00 !0.9 #launch · +57% (+31 to +87)"
        await pilot.press("tab", "right", "enter")
        await settled(pilot)
    asked = {"without": [5], "added": [], "horizon": 168, "model": None, "timezone": "UTC"}
    assert launched == [("what_if", asked)]


async def test_a_form_that_changes_nothing_says_so(compared: Engine, opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, _):
        await pilot.press("n")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        form = pilot.app.screen
        assert isinstance(form, FormScreen)
        assert "leave one out" in str(form.query_one("#note-line").content)  # type: ignore[attr-defined]


def typed(**more: str) -> dict[str, str]:
    return {"line": "", "horizon": "72", "model": "", "event-3": ""} | more


def test_an_imagined_event_is_handed_on_in_utc() -> None:
    eastern = ZoneInfo("America/New_York")
    found = parameters(typed(line="tomorrow 12:00 +2h flight !0.9 #launch"), NOW, eastern)
    assert found["added"] == [
        {"start": "2026-01-16T17:00:00Z", "end": "2026-01-16T19:00:00Z", "intensity": 0.9, "category": "launch"}
    ]
    assert (found["without"], found["horizon"], found["timezone"]) == ([], 72, "America/New_York")


@pytest.mark.parametrize("values", [{}, {"line": "no time"}, {"line": "tomorrow 12:00"}])
def test_what_cannot_be_compared_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        parameters(typed(**values), NOW, UTC)


async def test_without_a_comparison_it_says_which_key_makes_one(opened: Opened) -> None:
    async with opened() as (_, screen):
        chart = screen.query_one(FanChart)
        assert "n compares" in "\n".join(chart.render_line(y).text for y in range(chart.size.height))


async def test_a_comparison_that_failed_leaves_the_one_before(compared: Engine, opened: Opened) -> None:
    store_run(compared, "what_if", None, "failed")
    async with opened() as (_, screen):
        assert said(screen, "with").startswith("With")


async def test_the_comparison_that_goes_on_is_shown_although_a_newer_one_has_ended(
    compared: Engine, opened: Opened
) -> None:
    going = runs.create(compared, "what_if", {})
    store_run(compared, "what_if", None, "failed")
    async with opened() as (_, screen):
        assert screen.run_shown is not None
        assert screen.run_shown.id == going
        assert screen.can("cancel")


async def test_a_console_that_only_reads_compares_nothing(compared: Engine, opened: Opened, settled: Any) -> None:
    async with opened(read_only=True) as (pilot, _):
        await pilot.press("n")
        await settled(pilot)
        assert isinstance(pilot.app.screen, WhatIfScreen)


def test_the_day_of_the_origin_has_what_was_counted_and_the_rest_as_forecast() -> None:
    begin = ORIGIN.replace(hour=0) - 2 * DAY
    counts = [(begin + k * HOUR, 2) for k in range(round((ORIGIN - begin) / HOUR))]
    made, _ = words.day_fan(what_if_result(), counts, NOW, UTC)
    assert made.actual[:3] == (48.0, 48.0, None)
    assert made.mean[2] == pytest.approx(18 * 2 + 6 * 2.8)
    assert made.mean[-1] is None  # the last day is not whole


@pytest.mark.parametrize("change", [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)])
def test_its_days_are_those_of_the_zone_where_its_clocks_change(change: datetime) -> None:
    result = what_if_result() | {"forecast_time": iso(change + 2 * DAY)}
    for name in ("with", "without", "difference"):
        result[name]["days"] = []
    counts = [(change + (k - 72) * HOUR, 2) for k in range(24 * 5)]
    made, _ = words.day_fan(result, counts, change + 2 * DAY, ET)
    days = [made.at(step) for step in range(made.steps)]
    assert {day["start"].astimezone(ET).hour for day in days} == {0}
    assert (46.0 if change.month == 3 else 50.0) in [day["observed"] for day in days]
    assert made.origin is not None
    assert days[int(made.position(made.origin))]["start"].astimezone(ET).date() == (change + 2 * DAY).date()


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    compared: Engine, opened: Opened, snapshot: Any, size: tuple[int, int]
) -> None:
    async with opened(size) as (pilot, _):
        await pilot.pause()
        snapshot(pilot.app, f"what-if-{size[0]}x{size[1]}")


async def test_the_form_looks_as_it_did(compared: Engine, opened: Opened, settled: Any, snapshot: Any) -> None:
    async with opened() as (pilot, _):
        await pilot.press("n")
        await settled(pilot)
        await pilot.pause(timedelta(milliseconds=300).total_seconds())  # the preview
        await settled(pilot)
        snapshot(pilot.app, "what-if-form-80x24")


def test_an_event_of_another_year_is_told_with_it() -> None:
    began, ended = NOW - 400 * DAY, NOW - 399 * DAY
    event = Event(7, "Flight", began, ended, 0.5, None, None, "manual", began, None, None)
    form = what_if_form([Candidate(event, "")], (), NOW, UTC)
    [field] = [one for one in form._fields if one.name == "event-7"]
    assert field.hint == "2024-12-11 18:07–2024-12-12 18:07 !0.5"
