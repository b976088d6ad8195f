"""Clocks that change: axes, forms and ages say what they mean, whatever the zone's clocks or the machine's do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from places import SCREENS, shown, walk, walk_name, walks

from musktracker.config import Settings
from musktracker.timeline import DAY, HOUR, typed_time
from tui.app import Console
from tui.screens.forecast_views import midnights
from tui.screens.window_choice import WindowChoice, window_form
from tui.widgets.fan import Fan
from tui.widgets.fan_plot import render
from tui.widgets.fan_scene import compose
from tui.widgets.plot_axes import time_ticks
from tui.widgets.plot_palette import Mode, palette

MakeConsole = Callable[..., Console]
NEW_YORK, LONDON, LORD_HOWE = (
    ZoneInfo(name) for name in ("America/New_York", "Europe/London", "Australia/Lord_Howe")
)
CHANGES = [  # the moments at which the clocks change in 2026
    (NEW_YORK, datetime(2026, 3, 8, 7, tzinfo=UTC)),
    (NEW_YORK, datetime(2026, 11, 1, 6, tzinfo=UTC)),
    (LONDON, datetime(2026, 3, 29, 1, tzinfo=UTC)),
    (LONDON, datetime(2026, 10, 25, 1, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 4, 4, 15, tzinfo=UTC)),
    (LORD_HOWE, datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("hours", [3, 8, 30, 100, 600])
def test_every_label_of_an_axis_is_what_the_clocks_show_there(zone: ZoneInfo, change: datetime, hours: int) -> None:
    ticks = time_ticks(change - hours * HOUR, change + hours * HOUR, zone, 2 * hours)
    assert len(ticks) >= min(hours, 20)
    for tick in ticks:
        local = tick.time.astimezone(zone)
        assert tick.label in (f"{local:%H:%M}", f"{local:%a} {local.day}", f"{local.day} {local:%b}")
        assert ":" in tick.label or (local.hour, local.minute) == (0, 0)
    assert sorted({tick.time for tick in ticks}) == [tick.time for tick in ticks]


def days_around(zone: ZoneInfo, change: datetime, count: int = 9) -> Fan:
    first = (change - 4 * DAY).astimezone(zone).date()
    edges = midnights(first, count, zone)
    return Fan(edges[0], DAY, actual=tuple(map(float, range(count))), origin=edges[6], edges=edges, stepped=True)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_each_step_of_a_chart_of_days_is_a_day_of_the_zone(zone: ZoneInfo, change: datetime) -> None:
    fan = days_around(zone, change)
    starts = [fan.at(step)["start"].astimezone(zone) for step in range(fan.steps)]
    assert {(start.hour, start.minute) for start in starts} == {(0, 0)}
    assert [start.date() for start in starts] == [starts[0].date() + step * DAY for step in range(fan.steps)]
    for step, start in enumerate(starts):
        read_off = render(fan, width=100, height=12, cursor=step, zone=zone)[0].text
        assert f"{start:%a} {start.day} {start:%b %Y}" in read_off


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_moment_stands_in_a_chart_of_days_where_its_day_has_it(zone: ZoneInfo, change: datetime) -> None:
    fan = days_around(zone, change)
    moments = [change + hours * HOUR / 2 for hours in range(-300, 300)]
    for moment in moments:
        position = fan.position(moment)
        assert abs(fan.moment(position) - moment) < timedelta(milliseconds=1)
        if fan.edges[0] <= moment < fan.edges[-1]:
            assert fan.at(int(position))["start"].astimezone(zone).date() == moment.astimezone(zone).date()
    assert [fan.position(moment) for moment in moments] == sorted(fan.position(moment) for moment in moments)
    assert fan.position(fan.edges[6]) == 6
    scene = compose(fan, 100, 12, Mode(), palette("truecolor"), None, None, zone)
    assert [scene.column(fan.position(tick.time)) for _, tick in scene.time_ticks()] == [
        scene.column(step) for step in range(fan.steps)
    ]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_time_in_a_form_is_the_moment_it_was_made_of(zone: ZoneInfo, change: datetime) -> None:
    from musktracker.timeline import parse_time

    for minutes in range(-180, 180, 15):
        moment = change + timedelta(minutes=minutes)
        assert parse_time(typed_time(moment, zone), zone) == moment


def test_a_window_that_ends_while_the_clocks_are_set_back_is_asked_for_as_it_is() -> None:
    from musktracker.timeline import Span, parse_time

    span = Span(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC))
    form = window_form(WindowChoice(preset="fri-noon"), [], span, span.start, NEW_YORK)
    values = {field.name: field.value for field in form._fields}
    assert (parse_time(values["start"], NEW_YORK), parse_time(values["end"], NEW_YORK)) == span


@pytest.mark.parametrize("by", [-HOUR, timedelta(days=1), timedelta(days=-400)], ids=["back", "forward", "far back"])
@pytest.mark.parametrize("places", walks(SCREENS), ids=walk_name)
async def test_every_screen_shows_itself_when_the_clock_jumps(
    places: list[str], by: timedelta, backtested: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        stopped = app.now()
        app.now = lambda: stopped + by
        async for place in walk(pilot, settled, places):
            await pilot.press("r")
            await settled(pilot)
            assert "r reads again" not in shown(app), place
            assert " -" not in shown(app).splitlines()[0], place
