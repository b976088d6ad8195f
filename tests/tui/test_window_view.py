"""The windows of the forecasts screen: so far, total, brackets, what it takes, and how all of it moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from made_forecasts import NOW, ORIGIN, WINDOW, store_window_forecasts
from sqlalchemy import Engine, insert
from textual.events import Key

from musktracker import launching, recorder, runs
from musktracker.brackets import Bracket, parse
from musktracker.config import Settings
from musktracker.db import tables
from musktracker.db.engines import writing
from musktracker.db.queries.window_standing import Standing, StoredWindowForecast, forecasts_of, standing
from musktracker.errors import UsageError
from musktracker.market_windows import ET
from musktracker.timeline import DAY, EPOCH, HOUR, Span, snowflake_floor
from tui import state
from tui.app import Console
from tui.screens import window_text as words
from tui.screens.forecasts import ForecastsScreen
from tui.screens.window_choice import WindowChoice, problems, read
from tui.screens.window_fans import Course, chance_fan, total_fan
from tui.screens.window_view import WindowScreen
from tui.widgets.bracket_bars import BracketBars
from tui.widgets.fan_chart import FanChart
from tui.widgets.form import FormScreen
from tui.widgets.run_progress import RunProgress
from tui.widgets.text_page import TextPage
from tui.widgets.toned_line import TonedLine

Opened = Callable[..., Any]
Started = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def forecast(populated_engine: Engine) -> Engine:
    """The populated database, with forecasts of the current week."""
    store_window_forecasts(populated_engine)
    return populated_engine


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The runs that were asked for; none begins."""
    found: Started = []
    monkeypatch.setattr(
        WindowScreen, "launch", lambda self, kind, parameters, then=None: found.append((kind, parameters))
    )
    return found


@pytest.fixture
def opened(populated: Settings, console: Callable[..., Console], settled: Any, monkeypatch: Any) -> Opened:
    """Opens the screen: `async with opened() as (pilot, screen)`."""
    monkeypatch.setattr(Console, "DEFAULT_MODE", "forecasts")

    @asynccontextmanager
    async def open_screen(
        size: tuple[int, int] = (80, 24), keys: tuple[str, ...] = ("w",), **options: Any
    ) -> AsyncIterator[tuple[Any, WindowScreen]]:
        app = console(populated, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await pilot.press(*keys)
            await settled(pilot)
            assert isinstance(app.screen, WindowScreen)
            yield pilot, app.screen

    return open_screen


def said(screen: WindowScreen, name: str) -> str:
    return screen.query_one(f"#window-{name}", TonedLine).text


def shown_rows(screen: WindowScreen) -> list[str]:
    bars = screen.query_one(BracketBars)
    return [bars.render_line(y).text.rstrip() for y in range(bars.size.height)]


def post(at: datetime) -> dict[str, Any]:
    return {
        "tweet_id": str(snowflake_floor(at)),
        "created_at": at,
        "source": "api",
        "ingest_time": NOW,
        "is_deleted": False,
        "kind": "original",
    }


async def test_it_says_so_far_pace_total_model_and_origin(forecast: Engine, opened: Opened) -> None:
    async with opened((120, 36)) as (_, screen):
        assert "fri-noon  Fri 09 Jan 12:00 – Fri 16 Jan 12:00 EST · 168 h · 22 h 53 min left" in said(screen, "span")
        assert said(screen, "count") == "So far 420 until Thu 18:07 UTC · pace 2.89/h → 486 · usual 2.66/h"
        assert said(screen, "total").startswith("Total 486   50% ")
        assert said(screen, "source") == "negative_binomial 1 from Thu 15 Jan 18:00, 7 min old"
        assert "counts every post" in str(screen.query_one("#window-brackets").border_title)


async def test_every_bracket_has_a_bar_the_dead_and_the_present_are_marked(forecast: Engine, opened: Opened) -> None:
    async with opened() as (_, screen):
        bars = screen.query_one(BracketBars)
        assert sum(bar.probability or 0 for bar in bars.bars) == pytest.approx(1)
        rows = shown_rows(screen)
        assert any(row.startswith("✗   400-419    dead") for row in rows)
        present = next(row for row in rows if row.startswith("▶"))
        assert "420-439" in present
        likeliest = next(row for row in rows if "480-499" in row)
        assert likeliest.count("█") > present.count("█")
        assert bars.bar is not None
        assert bars.bar.label == "480-499"


async def test_it_says_what_it_takes_to_enter_and_to_overrun_the_bracket_under_the_cursor(
    forecast: Engine, opened: Opened
) -> None:
    async with opened() as (pilot, screen):
        to_come = 22 + 53 / 60
        assert said(screen, "rate").startswith(
            f"480-499: to enter {60 / to_come:.2f}/h, to overrun {80 / to_come:.2f}/h · usual "
        )
        await pilot.press("k", "k", "k")
        await pilot.pause()
        assert said(screen, "rate").startswith("420-439: in it now, to overrun ")
        await pilot.press("k")
        await pilot.pause()
        assert said(screen, "rate") == "400-419: passed"


async def test_posts_that_arrive_count_at_once_and_kill_brackets(
    forecast: Engine, opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, screen):
        with writing(forecast) as connection:
            connection.execute(insert(tables.RawTweet), [post(NOW - timedelta(seconds=30 + k)) for k in range(20)])
        screen.refresh_data()
        await settled(pilot)
        assert said(screen, "count").startswith("So far 440 ")
        bars = {bar.label: bar for bar in screen.query_one(BracketBars).bars}
        assert (bars["420-439"].state, bars["440-459"].state) == ("dead", "in")


async def test_what_is_still_possible_has_all_the_chances(forecast: Engine, opened: Opened, settled: Any) -> None:
    with writing(forecast) as connection:
        connection.execute(insert(tables.RawTweet), [post(NOW - timedelta(seconds=30 + k)) for k in range(60)])
    async with opened() as (_, screen):
        bars = screen.query_one(BracketBars)
        assert said(screen, "count").startswith("So far 480 ")
        assert sum(bar.probability or 0 for bar in bars.bars if bar.state != "dead") == pytest.approx(1)
        present = next(bar for bar in bars.bars if bar.state == "in")
        assert (present.label, present.at_least) == ("480-499", pytest.approx(1))
        assert shown_rows(screen)[0].endswith("if 480+")


async def test_a_count_that_was_hardly_forecast_leaves_no_chances(forecast: Engine, opened: Opened) -> None:
    with writing(forecast) as connection:
        connection.execute(insert(tables.RawTweet), [post(NOW - timedelta(seconds=30 + k)) for k in range(200)])
    async with opened() as (_, screen):
        assert {bar.probability for bar in screen.query_one(BracketBars).bars} == {None}
        assert shown_rows(screen)[0].endswith("none at 620: n anew")


async def test_brackets_that_were_not_forecast_have_chances_all_the_same(
    forecast: Engine, populated: Settings, opened: Opened
) -> None:
    state.save(populated.data_dir, window=asdict(WindowChoice(brackets="<470,470-489,490+")))
    async with opened((120, 36)) as (_, screen):
        low, middle, high = screen.query_one(BracketBars).bars
        assert (low.at_least, high.at_least) == (pytest.approx(1), high.probability)
        assert (low.probability or 0) + (middle.probability or 0) + (high.probability or 0) == pytest.approx(1)
        assert 0.1 < (low.probability or 0) < 0.4
        assert shown_rows(screen)[0].endswith("approx.")
        chart = screen.query_one("#chart-chance", FanChart)
        assert chart.fan is not None
        assert any(chart.fan.mean)


async def test_the_last_forecast_is_shown_whatever_brackets_it_was_made_for(
    populated_engine: Engine, opened: Opened
) -> None:
    store_window_forecasts(populated_engine, until=ORIGIN - HOUR)
    store_window_forecasts(populated_engine, width="30")
    async with opened() as (_, screen):
        newest = forecasts_of(populated_engine, WINDOW, "all")[0]
        assert said(screen, "total").startswith(f"Total {newest.total:,.0f} ")
        assert "from Thu 15 Jan 18:00" in said(screen, "source")
        assert screen.query_one(BracketBars).bars[1].label == "20-39"


async def test_a_run_that_failed_is_shown_below_its_own_window_alone(
    forecast: Engine, opened: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "Data end at noon. " + "Bring newer posts in, or forecast from there. " * 3 + "So much for what to do."

    def fail(_: Any, engine: Engine, kind: str, parameters: dict[str, Any], lease: Any = None) -> int:
        run_id = runs.create(engine, kind, parameters)
        with suppress(UsageError), recorder.recording(engine, run_id):
            raise UsageError(why)
        return run_id

    monkeypatch.setattr(launching, "launch", fail)
    async with opened() as (pilot, screen):
        await pilot.press("n")
        await settled(pilot)
        screen.refresh_data()
        await settled(pilot)
        progress = screen.query_one("#window-run", RunProgress)
        assert progress.display
        assert "So much for what to do." in " ".join(
            progress.render_line(y).text.strip() for y in range(progress.size.height)
        )
        await pilot.press("w")
        await settled(pilot)
        assert not progress.display


async def test_w_goes_on_to_the_next_preset_and_that_is_remembered(
    forecast: Engine, populated: Settings, opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("w")
        await settled(pilot)
        assert said(screen, "span").startswith("tue-noon  Tue 13 Jan 12:00")
        assert said(screen, "total") == "No forecast of this window yet: n makes one"
    async with opened(keys=()) as (_, screen):
        assert said(screen, "span").startswith("tue-noon")
    assert state.load(populated.data_dir)["window"]["preset"] == "tue-noon"


async def test_f_shows_the_window_after_it_of_which_nothing_is_counted(
    forecast: Engine, opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("f")
        await settled(pilot)
        assert said(screen, "span").startswith("fri-noon, next  Fri 16 Jan 12:00 – Fri 23 Jan 12:00")
        assert said(screen, "count").startswith("So far – not begun · usual ")
        assert {bar.state for bar in screen.query_one(BracketBars).bars} == {"ahead"}
        assert said(screen, "rate").startswith("0-19: where it begins, to overrun ")


async def test_n_starts_a_run_of_the_window(forecast: Engine, opened: Opened, started: Started) -> None:
    async with opened() as (pilot, _):
        await pilot.press("n")
    asked = {"preset": "fri-noon", "following": False, "start": None, "end": None, "brackets": None, "model": None}
    assert started == [("window", asked | {"timezone": "America/New_York", "as_of": None})]


async def test_a_window_is_looked_at_as_of_a_past_moment(
    forecast: Engine, populated: Settings, opened: Opened, settled: Any, started: Started
) -> None:
    async with opened((120, 36)) as (pilot, screen):
        before = said(screen, "total")
        await pilot.press("e")
        await settled(pilot)
        await pilot.press("shift+tab", *"2026-01-12T18:30", "enter")
        await settled(pilot)
        assert said(screen, "source").startswith("As of 2026-01-12 18:30 UTC · negative_binomial 1 ")
        assert said(screen, "span").endswith("168 h · 3 d 22 h left")
        assert "until Mon 18:30 UTC" in said(screen, "count")
        assert said(screen, "total") != before
        for name in ("total", "chance"):
            assert "as of 2026-01-12 18:30" in str(screen.query_one(f"#window-{name}-chart").border_title)
        shown = screen.query_one("#chart-total", FanChart).fan
        assert shown is not None
        moment = datetime.fromisoformat("2026-01-12T18:30Z")
        assert (shown.now, shown.now_name) == (moment, "as of")
        assert max(shown.moment(k + 1) for k, count in enumerate(shown.actual) if count is not None) <= moment
        await pilot.press("n", "a")
        screen.refresh_data()
        await settled(pilot)
        assert [asked["as_of"] for _, asked in started] == ["2026-01-12T18:30:00Z"]
        await pilot.press("w")
        await settled(pilot)
        assert said(screen, "source").startswith("As of 2026-01-12 18:30 UTC")
    assert state.load(populated.data_dir)["window"]["as_of"] is None


async def test_as_of_a_moment_before_anything_was_counted_is_refused_at_its_field(
    forecast: Engine, opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, _):
        await pilot.press("e")
        await settled(pilot)
        await pilot.press("shift+tab", *"2010-01-01", "enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, FormScreen)
        assert pilot.app.screen._wrong["as_of"].startswith("There are no counted hours before 2010-01-01")


async def test_a_forecasts_anew_once_for_each_counted_hour(
    populated_engine: Engine, opened: Opened, settled: Any, started: Started
) -> None:
    store_window_forecasts(populated_engine, until=ORIGIN - HOUR)
    async with opened() as (pilot, screen):
        assert "1 h counted since" in said(screen, "source")
        await pilot.press("a")
        screen.refresh_data()
        await settled(pilot)
        assert len(started) == 1
        with writing(populated_engine) as connection:
            bucket = {"granularity": "hourly", "tweet_count": 3, "computed_at": NOW}
            connection.execute(
                insert(tables.TimeBucket).values(bucket_start=ORIGIN, bucket_end=ORIGIN + HOUR, **bucket)
            )
        screen.refresh_data()
        await settled(pilot)
        screen.refresh_data()
        await settled(pilot)
        assert len(started) == 2


async def test_by_itself_nothing_is_forecast_while_that_is_off_or_the_newest_hour_is_known(
    forecast: Engine, opened: Opened, settled: Any, started: Started
) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("a")
        await settled(pilot)
        await pilot.press("a")
        screen.refresh_data()
        await settled(pilot)
        assert started == []


async def test_a_console_that_only_reads_starts_nothing(
    populated_engine: Engine, populated: Settings, opened: Opened, settled: Any, started: Started
) -> None:
    store_window_forecasts(populated_engine, until=ORIGIN - HOUR)
    state.save(populated.data_dir, window_auto=True)
    async with opened(read_only=True) as (pilot, screen):
        await pilot.press("n", "a")
        await settled(pilot)
        assert said(screen, "total").startswith("Total ")
        assert started == []


async def test_the_run_that_was_started_here_is_followed_until_its_forecast_is_there(
    forecast: Engine, opened: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        launching, "launch", lambda s, engine, kind, found, lease=None: runs.create(engine, kind, found)
    )
    async with opened() as (pilot, screen):
        await pilot.press("n")
        await settled(pilot)
        assert screen.query_one("#window-run").display
        await pilot.press("x")
        await settled(pilot)
        [run] = runs.recent(forecast, kinds=("window",))
        assert run.cancel_requested_at is not None or not run.active


async def test_a_window_of_ones_own_is_typed_with_its_brackets(
    forecast: Engine, opened: Opened, settled: Any, started: Started
) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("e")
        await settled(pilot)
        assert isinstance(pilot.app.screen, FormScreen)
        await pilot.press("left")  # from the first preset around to one's own
        await pilot.press("tab", "tab", *["backspace"] * 16, *"2026-01-14 17:00".replace(" ", "T"))
        await pilot.press("tab", *["backspace"] * 16, *"2026-01-16T17:00", "tab", "backspace", "backspace", *"UTC")
        await pilot.press("tab", *"<100,100-149,150+", "enter")
        await settled(pilot)
        assert said(screen, "span").startswith("own window  Wed 14 Jan 17:00 – Fri 16 Jan 17:00 UTC · 48 h")
        assert [bar.label for bar in screen.query_one(BracketBars).bars] == ["0-99", "100-149", "150+"]
        await pilot.press("n")
        [(_, asked)] = started
        assert (asked["start"], asked["end"], asked["brackets"]) == (
            "2026-01-14T17:00:00Z",
            "2026-01-16T17:00:00Z",
            "<100,100-149,150+",
        )


def typed(**more: str) -> dict[str, str]:
    values = {"window": "own", "which": "", "start": "2026-01-14", "end": "2026-01-16", "timezone": "ET"}
    return values | {"brackets": "", "model": "", "as_of": ""} | more


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("brackets", {"brackets": "20,10"}),
        ("timezone", {"timezone": "Mars"}),
        ("start", {"start": "soon"}),
        ("end", {"end": "2026-01-14"}),
        ("end", {"end": ""}),
        ("end", {"end": "2026-06-01"}),
        ("as_of", {"as_of": "soon"}),
        ("as_of", {"as_of": "2999-01-01"}),
        ("end", {"as_of": "2025-06-01"}),
    ],
)
def test_what_cannot_be_is_said_at_its_field(field: str, values: dict[str, str]) -> None:
    assert list(problems(typed(**values), NOW, ET)) == [field]


def test_times_of_ones_own_window_are_of_its_zone() -> None:
    assert read(typed(), ET).span(NOW).start.astimezone(ET).hour == 0


@pytest.mark.parametrize(
    "found", [None, 7, {"preset": "noon"}, {"preset": None, "start": "x"}, {"brackets": 20}, {"other": 1}]
)
def test_what_cannot_be_remembered_is_the_first_preset(found: Any) -> None:
    assert WindowChoice.remembered(found) == WindowChoice()


def test_a_choice_is_remembered_as_it_is() -> None:
    choice = read(typed(brackets="5"), ET)
    assert WindowChoice.remembered(asdict(choice)) == choice
    assert WindowChoice.remembered(asdict(replace(choice, as_of="2026-01-12T18:30Z"))) == choice


async def test_enter_tells_all_of_the_forecast(forecast: Engine, opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, _):
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, TextPage)


async def test_enters_that_come_at_once_tell_it_once(forecast: Engine, opened: Opened, settled: Any) -> None:
    async with opened() as (pilot, screen):
        for _ in range(3):
            pilot.app.post_message(Key("enter", None))
        await settled(pilot)
        assert pilot.app.screen_stack[-2] is screen


async def test_esc_goes_back_and_the_next_start_begins_with_forecasts(
    forecast: Engine, opened: Opened, settled: Any
) -> None:
    async with opened() as (pilot, _):
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(pilot.app.screen, ForecastsScreen)
        assert pilot.app.memory["forecasts_place"] is None


async def test_v_shows_how_the_total_and_the_bracket_moved_where_there_is_no_room_for_all(
    forecast: Engine, opened: Opened
) -> None:
    async with opened() as (pilot, screen):
        await pilot.press("v")
        total = screen.query_one("#chart-total", FanChart)
        assert (total.region.height > 0, total.has_focus) == (True, True)
        await pilot.press("v")
        chance = screen.query_one("#chart-chance", FanChart)
        assert (chance.region.height > 0, chance.has_focus) == (True, True)
        await pilot.press("v")
        await pilot.pause()
        assert screen.query_one(BracketBars).has_focus


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_where_the_total_is_zoomed_and_read_off_stays_when_more_is_counted(
    size: tuple[int, int], forecast: Engine, opened: Opened, settled: Any
) -> None:
    async with opened(size, keys=("w", "c")) as (pilot, screen):
        chart = screen.query_one("#chart-total", FanChart)
        await pilot.press("plus", "left")
        kept = (chart.view, chart.cursor)
        assert kept[1] is not None
        stopped = screen.app.now()
        for minutes in (1, 2):
            screen.app.now = lambda later=stopped + timedelta(minutes=minutes): later
            screen.refresh_data()
            await settled(pilot)
            assert (chart.view, chart.cursor) == kept
        await pilot.press("f")
        await settled(pilot)
        assert (chart.view, chart.cursor) != kept


async def test_another_bracket_has_another_course(forecast: Engine, opened: Opened, settled: Any) -> None:
    async with opened((120, 36)) as (pilot, screen):
        chart = screen.query_one("#chart-chance", FanChart)
        assert chart.fan is not None
        before = chart.fan.mean
        await pilot.press("j")
        await settled(pilot)
        assert chart.fan.mean != before


def stored(engine: Engine) -> tuple[StoredWindowForecast, ...]:
    return tuple(forecasts_of(engine, WINDOW, "all"))


def course(forecasts: tuple[StoredWindowForecast, ...]) -> Course:
    counts = tuple((WINDOW.start + k * HOUR, 3) for k in range(100))
    return Course(WINDOW, forecasts, counts, (), NOW)


def test_at_each_hour_the_forecast_that_was_made_last_holds(forecast: Engine) -> None:
    found = stored(forecast)
    shown = course(found)
    held = shown.in_force()
    at = round((found[1].origin - shown.start) / HOUR) - 1
    assert [one.id if one else None for one in held[at : at + 7]] == [found[1].id] * 6 + [found[0].id]
    assert held[-1] == found[0]


def test_the_posts_so_far_run_up_from_zero_and_stop_where_nobody_knows(forecast: Engine) -> None:
    made, _ = total_fan(course(stored(forecast)))
    known = [value for value in made.actual if value is not None]
    assert (known[0], known[1], known[-1]) == (0.0, 3.0, 300.0)
    assert made.total is not None
    assert made.mean[-1] == made.total.mean


def test_the_chance_of_a_bracket_is_told_up_to_now(forecast: Engine) -> None:
    found = stored(forecast)
    made, _ = chance_fan(course(found), Bracket(480, 499))
    known = [value for value in made.mean if value is not None]
    assert known[-1] == pytest.approx(100 * found[0].chances.forecast(Bracket(480, 499)))
    assert made.mean[-1] is None


def test_a_window_without_forecasts_has_a_course_all_the_same() -> None:
    made, _ = total_fan(course(()))
    assert (made.total, set(made.mean)) == (None, {None})
    assert chance_fan(course(()), Bracket(0, 19))[0].mean.count(None) == made.steps


def test_what_came_is_placed_among_the_intervals(forecast: Engine) -> None:
    newest = stored(forecast)[0]
    parts = words.total_parts(replace(newest, actual_total=900), None)
    assert parts[-1] == (" outside 95%", "bad")
    assert words.total_parts(replace(newest, actual_total=round(newest.total)), None)[-1] == (" inside 50%", "good")


def test_hours_that_were_not_observed_are_told(forecast: Engine) -> None:
    span = Span(EPOCH, EPOCH + HOUR)
    found = standing(forecast, span, NOW, ET)
    assert found is not None
    assert counted(found, span) == "So far – not observed: data end 18:00"
    found = standing(forecast, span := Span(EPOCH, ORIGIN), NOW, ET)
    assert found is not None
    assert counted(found, span).startswith("So far at least ")
    assert counted(found, span).endswith("h were not observed")


def counted(found: Standing, span: Span) -> str:
    parts = words.count_parts(found, span, lambda moment, pattern="": f"{moment:%H:%M}")
    return "".join(text for text, _ in parts)


def test_a_window_that_is_over_has_no_hours_to_come(forecast: Engine) -> None:
    found = standing(forecast, WINDOW, WINDOW.end + 300 * DAY, ET)
    assert found is not None
    told = {str(one): "".join(text for text, _ in words.rate_parts(one, found)) for one in parse("20")}
    assert told["420-439"] == "420-439: the count is in it · 22.9 h of the window were not observed"
    assert told["480-499"] == "480-499: not reached · 22.9 h of the window were not observed"


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (NOW, "fri-noon  Fri 09 Jan 12:00 – Fri 16 Jan 12:00 EST · 168 h · 22 h 53 min left"),
        (NOW + 320 * DAY, "fri-noon  Fri 2026-01-09 12:00 – Fri 2026-01-16 12:00 EST · 168 h · over"),
    ],
)
def test_a_window_long_ago_is_told_with_its_year(moment: datetime, told: str) -> None:
    assert "".join(text for text, _ in words.span_parts("fri-noon", WINDOW, ET, moment, moment)) == told


async def test_brackets_leave_the_console_with_whose_they_are(forecast: Engine, opened: Opened) -> None:
    async with opened() as (_, screen):
        exported = screen.query_one(BracketBars).exported()
        assert exported is not None
        names = "window,start,end,as_of,so_far,model,origin,total,label,state,probability,at_least"
        head, first, *_ = exported.as_csv().splitlines()
        assert head == names
        assert first.startswith(
            "fri-noon,2026-01-09T17:00:00Z,2026-01-16T17:00:00Z,2026-01-15T18:07:00Z,420,"
            "negative_binomial 1,2026-01-15T18:00:00Z,"
        )


@pytest.mark.parametrize(
    ("size", "keys", "name"),
    [
        ((80, 24), ("w",), "windows-80x24"),
        ((80, 24), ("w", "v"), "windows-total-80x24"),
        ((80, 24), ("w", "v", "v"), "windows-chance-80x24"),
        ((120, 36), ("w",), "windows-120x36"),
    ],
)
async def test_the_screen_looks_as_it_did(
    forecast: Engine, opened: Opened, settled: Any, snapshot: Any, size: tuple[int, int], keys: Any, name: str
) -> None:
    async with opened(size, keys) as (pilot, _):
        await settled(pilot)
        snapshot(pilot.app, name)
