"""The forecasts screen: the chart of the forecast chosen, its words, its hours, and a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from made_forecasts import store_effects, store_quantiles, store_run
from sqlalchemy import Engine, delete, insert, update
from stored_versions import store_version
from textual.widgets import Static

from musktracker import launching, runs
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.queries import forecasts as queries
from musktracker.db.queries.forecasts import DayForecast, ForecastHead, ForecastHour
from musktracker.db.tables import ExogenousEvent, Forecast, ForecastQuantiles, ForecastTotal, RunRow
from musktracker.timeline import HOUR, iso
from tui.app import Console
from tui.screens import forecast_form as form
from tui.screens.calibration_view import CalibrationScreen
from tui.screens.forecast_tables import ForecastTable, HourTable
from tui.screens.forecast_text import csv_text, horizon_text, page, verdict
from tui.screens.forecast_views import Material, fan
from tui.screens.forecasts import ForecastsScreen
from tui.screens.window_view import WindowScreen
from tui.widgets.fan import Total
from tui.widgets.fan_chart import FanChart
from tui.widgets.form import FormScreen
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage

EASTERN = ZoneInfo("America/New_York")
ORIGIN = datetime(2026, 1, 15, 18, tzinfo=UTC)
LEVEL_QUANTILES = ((0.025, 30.0), (0.1, 40.0), (0.25, 50.0), (0.75, 70.0), (0.9, 90.0), (0.975, 120.0))
Opened = Callable[..., Console]


def text(app: Console, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).content)


async def go(app: Console, pilot: Any, settled: Any) -> ForecastsScreen:
    await settled(pilot)
    await pilot.press("6")
    await settled(pilot)
    assert isinstance(app.screen, ForecastsScreen)
    return app.screen


async def test_the_newest_forecast_is_drawn_and_told(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        chart = screen.query_one(FanChart)
        assert chart.fan is not None
        assert chart.fan.origin == ORIGIN
        assert text(app, "#forecast-total").startswith("Total 89   50% 80–98   80% 70–110   95% 61–123")
        assert "negative_binomial 1 from Thu 15 Jan 18:00, 24 h ahead · counts every post" in text(
            app, "#forecast-source"
        )


async def test_moving_in_the_table_draws_another_forecast(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("j", "j")
        await settled(pilot)
        head = screen.query_one(ForecastTable).record
        chart = screen.query_one(FanChart)
        assert head is not None
        assert head.origin == ORIGIN - timedelta(days=1)
        assert chart.fan is not None
        assert chart.fan.origin == head.origin
        assert "happened" in text(app, "#forecast-total")


async def test_v_goes_through_the_views_and_the_running_total_shows_its_interval(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        chart = screen.query_one(FanChart)
        await pilot.press("v")
        assert chart.fan is not None
        assert chart.fan.stepped
        await pilot.press("v")
        assert isinstance(chart.fan.total, Total)
        await pilot.press("v")
        assert chart.fan.bands


async def test_the_running_total_has_the_intervals_that_were_stored_of_it(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    store_quantiles(populated_engine)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("v", "v")
        made = screen.query_one(FanChart).fan
        assert made is not None
        widest = made.bands[0]
        assert widest.level == 0.95
        assert (widest.lower[0], widest.upper[0]) == (0, 0)
        assert widest.upper[12] < widest.upper[24]  # type: ignore[operator]
        assert "mean alone" not in str(screen.query_one("#forecast-chart").border_title)
        await pilot.press("j")
        await settled(pilot)
        assert "mean alone: intervals are stored for the end" in str(screen.query_one("#forecast-chart").border_title)


async def test_damaged_quantiles_leave_the_running_total_without_intervals(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    store_quantiles(populated_engine)
    with writing(populated_engine) as connection:
        connection.execute(ForecastQuantiles.__table__.update().values(content=b"broken"))  # type: ignore[attr-defined]
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("v", "v")
        made = screen.query_one(FanChart).fan
        assert made is not None
        assert made.bands == ()


async def test_the_read_out_tells_what_an_event_is_found_to_do(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    store_effects(populated_engine)
    with writing(populated_engine) as connection:
        launch = {"name": "Flight", "category": "launch", "intensity": 1.0, "source": "manual", "created_at": ORIGIN}
        connection.execute(insert(ExogenousEvent).values(event_start=ORIGIN, event_end=ORIGIN + 2 * HOUR, **launch))
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("c", "o")
        assert "◆ Flight +65% (+36 to +101)" in screen.query_one(FanChart).render_line(0).text


async def test_where_the_user_was_is_where_the_next_start_begins(
    populated: Settings, console: Opened, settled: Any
) -> None:
    for keys, expected in ((("v", "w"), WindowScreen), (("w",), WindowScreen), (("escape", "d"), CalibrationScreen)):
        app = console(populated)
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(pilot)
            await pilot.press("6")
            await settled(pilot)
            await pilot.press(*keys)
            await settled(pilot)
            assert isinstance(app.screen, expected)
            assert app.memory["forecasts_view"] == "daily"


async def test_the_place_of_the_last_time_is_opened_over_forecasts_alone(
    populated: Settings, console: Opened, settled: Any, hold: Any
) -> None:
    app = console(populated)
    app.remember(forecasts_place="windows")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        held = hold(queries, "listed")
        await pilot.press("6")
        await held.reached()
        await pilot.press("4", "a")
        held.release()
        await settled(pilot)
        assert isinstance(app.screen, FormScreen)
        await pilot.press("escape", "6")
        await settled(pilot)
        assert isinstance(app.screen, WindowScreen)


async def test_another_time_zone_keeps_the_screen(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("w")
        await settled(pilot)
        await pilot.press("z")
        await settled(pilot)
        assert isinstance(app.screen, WindowScreen)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, ForecastsScreen)


async def test_a_console_that_only_reads_offers_no_run(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        enabled = {active.binding.id for active in screen.active_bindings.values() if active.enabled}
        assert not enabled & {"forecasts.new", "forecasts.score"}
        assert {"forecasts.windows", "forecasts.what_if", "forecasts.calibration"} <= enabled


async def test_a_new_reading_keeps_where_the_user_zoomed_and_reads_off(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        chart = screen.query_one(FanChart)
        await pilot.press("c", "right", "right", "plus")
        before = chart.view, chart.cursor
        runs.create(populated_engine, "score", {})
        screen.refresh_data()
        await settled(pilot)
        assert (chart.view, chart.cursor) == before


async def test_enter_tells_all_of_a_forecast(populated: Settings, console: Opened, settled: Any) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, TextPage)


async def test_enter_is_about_the_forecast_under_the_cursor_before_it_is_drawn(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("j", "j", "enter")
        await settled(pilot)
        head = screen.query_one(ForecastTable).record
        assert head is not None
        assert isinstance(app.screen, TextPage)
        assert app.screen._title == f"Forecast {head.id}"
        assert f"{head.model} {head.version}" in app.screen._text


async def test_y_copies_the_hours_of_the_forecast_under_the_cursor_and_names_it(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("j", "j", "y")
        await settled(pilot)
        head = screen.query_one(ForecastTable).record
        assert head is not None
        assert f"24 hours of forecast {head.id} as CSV" in [*app._notifications][-1].message
        assert app.clipboard.splitlines()[1].startswith(f"{head.model},{head.version},{iso(head.origin)}")


async def test_the_hours_are_a_table_of_their_own_where_there_is_no_room_beside(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(app, pilot, settled)
        assert not screen.query_one(HourTable).display
        await pilot.press("t")
        await pilot.pause()
        table = screen.query_one(HourTable)
        assert (table.display, table.has_focus, table.count) == (True, True, 24)


async def test_n_asks_and_starts_a_run(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, launched: list[Any]
) -> None:
    store_version(populated_engine, 9)
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(app, pilot, settled)
        await pilot.press("n")
        await settled(pilot)
        assert isinstance(app.screen, FormScreen)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("s")
        await settled(pilot)
    asked = {"horizon": 168, "model": None, "version": None, "as_of": None, "n_paths": 2000, "seed": 1}
    assert launched == [("forecast", asked | {"timezone": "UTC"}), ("score", {})]


async def test_the_run_that_goes_on_is_shown_and_cancelled_although_a_newer_one_has_ended(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    going = runs.create(populated_engine, "forecast", {})
    store_run(populated_engine, "score", {})
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        progress = screen.query_one(RunProgress)
        assert progress.display
        assert progress.info is not None
        assert progress.info.id == going
        await pilot.press("x")
        await settled(pilot)
        assert runs.get(populated_engine, going).cancel_requested_at is not None


async def test_the_run_that_was_started_here_comes_first_until_it_is_told_that_it_succeeded(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        launching, "launch", lambda _settings, engine, kind, asked, **_: runs.create(engine, kind, asked)
    )
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        await pilot.press("s")
        await settled(pilot)
        own = screen.started
        other = runs.create(populated_engine, "forecast", {})
        screen.refresh_data()
        await settled(pilot)
        assert screen.run_shown is not None
        assert screen.run_shown.id == own
        with writing(populated_engine) as connection:
            ended = update(RunRow).where(RunRow.id == own).values(status="succeeded", message="Scored 3 forecasts")
            connection.execute(ended)
        screen.refresh_data()
        await settled(pilot)
        assert "Scored 3 forecasts" in [note.message for note in app._notifications]
        screen.refresh_data()
        await settled(pilot)
        assert screen.run_shown.id == other


async def test_a_run_that_failed_here_stays_in_view_until_another_begins(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(app, pilot, settled)
        screen.started = store_run(populated_engine, "forecast", None, "failed")
        store_run(populated_engine, "score", {})
        screen.refresh_data()
        await settled(pilot)
        progress = screen.query_one(RunProgress)
        assert progress.display
        assert progress.info is not None
        assert progress.info.id == screen.started
        other = runs.create(populated_engine, "score", {})
        screen.refresh_data()
        await settled(pilot)
        assert progress.info.id == other


async def test_without_forecasts_it_says_which_key_makes_one(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    with writing(populated_engine) as connection:
        connection.execute(delete(Forecast))
        connection.execute(delete(ForecastTotal))
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(app, pilot, settled)
        shown = "\n".join(screen.query_one(FanChart).render_line(y).text for y in range(10))
        assert "n makes one" in shown


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    populated: Settings, console: Opened, settled: Any, snapshot: Any, size: tuple[int, int]
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await go(app, pilot, settled)
        snapshot(app, f"forecasts-{size[0]}x{size[1]}")


def head(**more: Any) -> ForecastHead:
    values: dict[str, Any] = {
        "id": 1,
        "model_metadata_id": 1,
        "model": "seasonal_naive",
        "version": "v1",
        "origin": ORIGIN,
        "horizon": 48,
        "total": 60.0,
        "quantiles": LEVEL_QUANTILES,
        "warnings": (),
        "actual_total": None,
        "counting": "all",
        "n_paths": 2000,
        "seed": 1,
        "created_at": ORIGIN,
        "training_end": ORIGIN,
    }
    return ForecastHead(**values | more)


def hours(count: int = 48) -> tuple[ForecastHour, ...]:
    intervals = ((1.0, 2.0), (0.0, 3.0), (0.0, 5.0))
    return tuple(ForecastHour(ORIGIN + k * HOUR, 1.25, intervals, None) for k in range(count))


def material(**more: Any) -> Material:
    first = ORIGIN - timedelta(days=10)
    values: dict[str, Any] = {
        "head": head(),
        "hours": hours(),
        "days": (),
        "counts": {first + k * HOUR: 2 for k in range(240)},
        "first": first,
        "now": ORIGIN,
        "events": (),
        "zone": EASTERN,
    }
    return Material(**values | more)


def test_an_hour_that_was_not_observed_is_missing_from_the_hourly_view() -> None:
    some = material()
    counts = {start: count for start, count in some.counts.items() if start != some.first + 5 * HOUR}
    made, _ = fan("hourly", material(counts=counts))
    assert made.actual[4:7] == (2, None, 2)
    assert made.mean[240] == 1.25
    assert made.actual[240] is None


def test_a_day_is_the_sum_of_a_whole_local_day_or_missing() -> None:
    some = material()
    lost = some.first + timedelta(days=3)
    made, _ = fan("daily", material(counts={s: c for s, c in some.counts.items() if s != lost}))
    assert made.actual[:4] == (48, 48, None, 48)
    assert made.start.astimezone(EASTERN).hour == 0


def test_the_day_of_the_origin_is_what_was_counted_and_the_mean_of_the_rest() -> None:
    made, _ = fan("daily", material())
    today = round(made.position(ORIGIN) - 0.5)
    assert made.mean[today] == 13 * 2 + 11 * 1.25
    assert made.mean[today + 1] == 24 * 1.25
    assert made.mean[today + 2] is None


@pytest.mark.parametrize("change", [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)])
def test_days_are_those_of_the_zone_where_its_clocks_change(change: datetime) -> None:
    first = change - timedelta(days=4)
    ahead = tuple(replace(hour, start=hour.start - ORIGIN + change) for hour in hours(96))
    counts = {first + k * HOUR: 2 for k in range(96)}
    some = material(head=head(origin=change, horizon=96), hours=ahead, counts=counts, first=first, now=change)
    made, _ = fan("daily", some)
    days = [made.at(step) for step in range(made.steps)]
    assert {day["start"].astimezone(EASTERN).hour for day in days} == {0}
    of_change = max((day for day in days if day["start"] <= change), key=lambda day: day["start"])
    length = 23 if change.month == 3 else 25
    before = (change - of_change["start"]) / HOUR
    assert of_change["mean"] == before * 2 + (length - before) * 1.25
    assert made.origin is not None
    assert made.position(made.origin) == days.index(of_change)
    assert days.index(of_change) < made.position(change) < days.index(of_change) + 1


def test_days_have_intervals_only_from_the_run_and_what_was_counted_moves_them() -> None:
    assert fan("daily", material())[0].bands == ()
    first = DayForecast(ORIGIN.astimezone(EASTERN).date(), 11, 13.0, ((10.0, 16.0), (8.0, 18.0), (5.0, 25.0)))
    made, _ = fan("daily", material(days=(first,)))
    today = round(made.position(ORIGIN) - 0.5)
    assert (made.bands[0].lower[today], made.bands[0].upper[today]) == (26 + 10.0, 26 + 16.0)
    assert made.bands[0].lower[today + 1] is None


def test_a_running_total_is_written_with_the_end_of_each_hour() -> None:
    counts = {ORIGIN + k * HOUR: 3 for k in range(3)}
    made, _ = fan("running", material(counts=counts))
    written = [made.at(step) for step in range(4)]
    assert [record["end"] for record in written] == [ORIGIN + k * HOUR for k in range(4)]
    assert [record["observed"] for record in written] == [0.0, 3.0, 6.0, 9.0]
    assert not any("start" in record for record in written)


def test_the_running_total_begins_at_zero_ends_at_the_mean_and_stops_where_nobody_knows() -> None:
    counts = {ORIGIN + k * HOUR: 3 for k in (0, 1, 3)}
    made, _ = fan("running", material(counts=counts))
    assert made.actual == (0.0, 3.0, 6.0)
    assert made.mean[-1] == 60.0
    assert made.total == Total(60.0, ((0.5, 50.0, 70.0), (0.8, 40.0, 90.0), (0.95, 30.0, 120.0)))


@pytest.mark.parametrize(
    ("actual", "words"), [(60, "inside 50%"), (75, "inside 80%"), (110, "inside 95%"), (200, "outside 95%")]
)
def test_what_happened_is_placed_among_the_intervals(actual: int, words: str) -> None:
    assert verdict(head(actual_total=actual)) == words


def test_the_csv_holds_every_hour_in_utc() -> None:
    lines = csv_text(head(), hours(2)).splitlines()
    assert (
        lines[0]
        == "model,version,origin,target_time,mean,lower_50,upper_50,lower_80,upper_80,lower_95,upper_95,actual"
    )
    assert lines[2] == "seasonal_naive,v1,2026-01-15T18:00:00Z,2026-01-15T19:00:00Z,1.25,1.0,2.0,0.0,3.0,0.0,5.0,"


def test_a_page_tells_warnings_quantiles_and_hours() -> None:
    shown = page(head(warnings=("Gappy",)), hours(3), None, lambda moment, pattern="%H:%M": f"{moment:{pattern}}")
    assert "Warning      Gappy" in shown
    assert "97.5%         120" in shown
    assert shown.count("0–5") == 3


@pytest.mark.parametrize(("hours", "words"), [(24, "24 h"), (36, "36 h"), (168, "7 d")])
def test_horizons_are_said_as_people_say_them(hours: int, words: str) -> None:
    assert horizon_text(hours) == words


def asked(**more: str) -> dict[str, str]:
    values = {"horizon": "24", "other": "", "model": "", "version": "", "as_of": "", "paths": "2,000", "seed": "1"}
    return values | more


def test_a_local_as_of_time_is_handed_on_in_utc() -> None:
    found = form.parameters(asked(as_of="2026-01-14 12:00", horizon="", other="3d"), EASTERN)
    assert (found["as_of"], found["horizon"], found["timezone"]) == ("2026-01-14T17:00:00Z", 72, "America/New_York")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("other", {"horizon": "", "other": "soon"}),
        ("other", {"horizon": "", "other": "61d"}),
        ("other", {"horizon": "", "other": "³h"}),
        ("as_of", {"as_of": "yesterday"}),
        ("as_of", {"as_of": "2199-01-01"}),
        ("paths", {"horizon": "168", "paths": "200,000"}),
        ("paths", {"paths": "10"}),
        ("seed", {"seed": "-1"}),
    ],
)
def test_what_cannot_be_is_said_at_its_field(field: str, values: dict[str, str]) -> None:
    assert list(form.problems(asked(**values), EASTERN)) == [field]


def test_stale_data_put_their_end_into_the_form() -> None:
    until = ORIGIN - timedelta(days=3)
    stale = form.forecast_form((("seasonal_naive", "v1"),), until, ORIGIN, EASTERN)
    fresh = form.forecast_form((("seasonal_naive", "v1"),), ORIGIN, ORIGIN, EASTERN)
    assert stale.values["as_of"] == "2026-01-12 13:00"
    assert fresh.values["as_of"] == ""
