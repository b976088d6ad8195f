"""The overview: what is fresh, how many so far, what to do next, and the keys that do it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from places import shown
from sqlalchemy import Engine, delete, insert, select, update
from textual.widget import Widget
from textual.widgets import Static

from musktracker import market_windows, runs
from musktracker.config import Settings
from musktracker.db import engines, migrate, quantiles, tables
from musktracker.db.queries import overview
from musktracker.db.queries.week_pattern import WeekPattern
from musktracker.machine import whoami
from musktracker.timeline import DAY, HOUR, Span
from tui.app import Console
from tui.screens.overview import OverviewScreen
from tui.screens.overview_text import stages_text, week_title
from tui.widgets.heat_map import HeatMap
from tui.widgets.keys import Keys
from tui.widgets.panel import Panel
from tui.widgets.run_table import RunTable
from tui.widgets.sparkline import Sparkline, axis_line, bars

MakeConsole = Callable[..., Console]
NEW_YORK = ZoneInfo("America/New_York")
SIZES = [(80, 24), (120, 36), (200, 50)]


def execute(engine: Engine, *statements: Any) -> None:
    with engines.writing(engine) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def forecast(populated_engine: Engine, frozen: datetime) -> Engine:
    """The populated database with a champion, its forecast of six hours ago, and forecasts of two windows."""
    common = {"model_metadata_id": 2, "made_at": frozen - 2 * HOUR, "forecast_time": frozen - 2 * HOUR, "seed": 1}
    common |= {"timezone": "America/New_York", "counting": "all", "n_paths": 2000, "warnings": "[]"}
    common |= {"counted_until": frozen - 2 * HOUR, "lower_bound": False, "created_at": frozen}
    champion = {"alias": "champion", "model_metadata_id": 2, "since": frozen, "who": "ada@tower"}
    artifact = {"model_metadata_id": 2, "sha256": "", "content": b""}
    execute(
        populated_engine, insert(tables.ModelArtifact).values(artifact), insert(tables.ModelAlias).values(champion)
    )
    _forecast_of_today(populated_engine, frozen)
    for name, total, likely in (("fri-noon", 560, (540, 559)), ("tue-noon", 498, (480, 499))):
        span = market_windows.current(name, frozen)
        edges = [[0, likely[0] - 1], list(likely), [likely[1] + 1, likely[1] + 20], [likely[1] + 21, None]]
        row = {
            "preset": name,
            "window_start": span.start,
            "window_end": span.end,
            "brackets": json.dumps(edges),
            "brackets_sha256": name,
            "bracket_probabilities": json.dumps([0.2, 0.41, 0.3, 0.09]),
            "quantiles": json.dumps({"0.025": total - 60, "0.1": total - 40, "0.9": total + 45, "0.975": total + 70}),
            "predicted_total": total,
            "count_so_far": 120,
            "hours_to_come": 30.0,
        }
        execute(populated_engine, insert(tables.WindowForecast).values(common | row))
    return populated_engine


def _forecast_of_today(engine: Engine, moment: datetime) -> None:
    origin = moment.replace(minute=0) - 6 * HOUR
    execute(engine, delete(tables.ForecastTotal).where(tables.ForecastTotal.forecast_time > origin))
    common = {"model_metadata_id": 2, "forecast_time": origin, "created_at": origin}
    hours = [common | {"target_time": origin + k * HOUR, "predicted_count": 4.0} for k in range(48)]
    ends = {"0.025": 140, "0.1": 155, "0.25": 174, "0.75": 209, "0.9": 230, "0.975": 251}
    total = {"id": 90, "horizon_hours": 48, "n_paths": 2000, "seed": 1, "counting": "all", "predicted_total": 192.0}
    total |= {"quantiles": json.dumps(ends), "warnings": "[]"}
    levels = [float(p) for p in ends]
    table = [[(k + 1) * 4 + step for k in range(48)] for step in (-9, -6, -2, 2, 7, 11)]
    content = quantiles.pack(quantiles.Quantiles(levels, table, table))
    execute(
        engine,
        insert(tables.Forecast).values(hours),
        insert(tables.ForecastTotal).values(common | total),
        insert(tables.ForecastQuantiles).values(forecast_total_id=90, content=content),
    )


def stages(engine: Engine, moment: datetime) -> dict[str, tuple[str, int]]:
    return {stage.name: (stage.state, stage.due) for stage in overview.read(engine, NEW_YORK, moment).stages}


@pytest.mark.parametrize("size", SIZES)
async def test_overview_looks(
    size: tuple[int, int],
    populated: Settings,
    forecast: Engine,
    console: MakeConsole,
    settled: Any,
    snapshot: Any,
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        snapshot(app, f"overview-{size[0]}x{size[1]}")


async def test_a_key_shows_the_hours_of_the_week_where_there_is_no_room_for_both(
    populated: Settings, console: MakeConsole, settled: Any, snapshot: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert not app.screen.query_one("#week").display
        await pilot.press("v")
        await settled(pilot)
        snapshot(app, "overview-week-80x24")
        await pilot.press("v")
        await settled(pilot)
        assert app.screen.query_one("#chart").display
        assert isinstance(app.focused, RunTable)


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
    assert who == [whoami()] * 3 + ["ada@tower", None]


async def test_a_console_that_only_reads_acknowledges_nothing(
    populated: Settings, alarmed: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("a")
        await settled(pilot)
        assert str(app.screen.query_one("#alerts", Static).content).count("\n") == 2


async def test_panels_tell_windows_and_whether_the_forecast_is_on_track(
    populated: Settings, forecast: Engine, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        week, _, month = str(app.screen.query_one("#markets", Static).content).splitlines()
        assert week.split()[:8] == ["fri-noon", "420", "23h", "69", "486", "560", "500–630", "540-559"]
        assert week.split()[8:] == ["42%", "2h", "then", "560-579", "30%", "520-539", "13%", "negative_binomial", "1"]
        assert month.endswith("no forecast is stored")
        told = str(app.screen.query_one("#newest-forecast", Static).content)
        assert "negative_binomial 1 champion" in told
        assert "In 6 h" in told
        assert "28  of 24 · in 80%" in told
        assert "Product launch" in str(app.screen.query_one("#coming", Static).content)


async def test_a_window_with_a_hole_is_a_lower_bound_and_an_old_forecast_shows_its_age(
    populated: Settings, forecast: Engine, console: MakeConsole, settled: Any, frozen: datetime
) -> None:
    hole = frozen - 20 * HOUR
    execute(forecast, update(tables.Coverage).values(span_end=hole))
    later = {"source": "file", "span_start": hole + 4 * HOUR, "span_end": frozen, "created_at": frozen}
    execute(forecast, insert(tables.Coverage).values(later))
    execute(forecast, update(tables.WindowForecast).values(forecast_time=frozen - 3 * DAY))
    app = console(populated)
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        week = str(app.screen.query_one("#markets", Static).content).splitlines()[0]
        assert week.split()[1].startswith("≥")
        assert "4 h not observed" in week
        assert " 3d " in week


async def test_an_old_forecast_is_not_said_to_be_of_the_next_days(
    populated: Settings, forecast: Engine, console: MakeConsole, settled: Any, frozen: datetime
) -> None:
    execute(forecast, delete(tables.ForecastTotal).where(tables.ForecastTotal.forecast_time > frozen - 2 * DAY))
    execute(forecast, update(tables.ForecastTotal).values(forecast_time=frozen.replace(minute=0) - 3 * DAY))
    app = console(populated)
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        counts, told = (str(app.screen.query_one(name, Static).content) for name in ("#counts", "#newest-forecast"))
        assert "Next" not in counts + told


async def test_a_chart_of_no_hours_names_no_end(empty: Settings, console: MakeConsole, settled: Any) -> None:
    engine = engines.connect(empty.database_url)
    migrate.upgrade(engine)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    post = {"tweet_id": "1", "created_at": moment, "source": "file", "ingest_time": moment}
    execute(engine, insert(tables.RawTweet).values(post))
    engine.dispose()
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.screen.query_one("#chart").border_title == "Posts an hour"


@pytest.mark.parametrize(("size", "shown"), [((80, 24), False), ((120, 24), False), ((120, 36), True)])
async def test_both_charts_are_shown_where_they_have_room(
    size: tuple[int, int], shown: bool, populated: Settings, console: MakeConsole, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert app.screen.query_one("#week").display is shown
        assert app.screen.check_action("week", ()) is not shown


async def test_what_stays_the_same_is_not_painted_again(
    populated: Settings, forecast: Engine, console: MakeConsole, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(populated)
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        painted: list[Widget] = []
        monkeypatch.setattr(Widget, "refresh", lambda widget, *_, **__: painted.append(widget) or widget)
        screen = app.screen
        assert isinstance(screen, OverviewScreen)
        screen._shown = None
        screen.refresh_data()
        await settled(pilot)
        assert screen._shown is not None
        assert [w for w in painted if isinstance(w, Panel | HeatMap | Sparkline | RunTable)] == []


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
    exact = median(sum(day <= moment < day + (frozen - today.start) for moment in since) for day in days)
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


def test_the_hours_of_a_hole_that_was_filled_are_to_be_counted(populated_engine: Engine, frozen: datetime) -> None:
    hole = tables.TimeBucket.bucket_start.between(frozen - 40 * HOUR, frozen - 35 * HOUR)
    execute(populated_engine, delete(tables.TimeBucket).where(hole, tables.TimeBucket.granularity == "hourly"))
    assert stages(populated_engine, frozen)["buckets"] == ("late", 5)
    assert overview.read(populated_engine, NEW_YORK, frozen).next_step == "refresh"


def test_no_model_is_asked_for_where_an_import_broke_off_before_it_told_what_was_observed(
    populated_engine: Engine, frozen: datetime
) -> None:
    forecasts = delete(tables.Forecast), delete(tables.ForecastTotal), delete(tables.ModelMetadata)
    counted = delete(tables.Feature), delete(tables.TimeBucket), delete(tables.Coverage)
    execute(populated_engine, *forecasts, *counted)
    assert overview.read(populated_engine, NEW_YORK, frozen).next_step == "import"


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
    holder = runs.create(populated_engine, "refresh", {"full": True}, lease="refresh")
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


async def test_a_run_of_years_to_come_shows_its_whole_number(
    populated: Settings, populated_engine: Engine, console: MakeConsole, settled: Any, frozen: datetime
) -> None:
    run = {"id": 150_063, "kind": "refresh", "status": "succeeded", "parameters": "{}", "created_at": frozen}
    execute(populated_engine, insert(tables.RunRow).values(**run, host="tower", who="ada@tower"))
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "150063" in shown(app)


@pytest.mark.parametrize(
    ("hours", "said"),
    [(24, "last 24 hours"), (1, "last 1 hour"), (168, "last 1 week"), (336, "last 2 weeks")],
)
def test_how_far_back_the_week_is_known_is_said_in_words(hours: int, said: str) -> None:
    none = ((0,) * 24,) * 7
    span = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + hours * HOUR)
    one = ((1,) + (0,) * 23, *none[1:])
    for counts, seen, ends in ((none, none, "not observed"), (one, one, "most Mon 00:00 1.0")):
        pattern = WeekPattern(span, counts, seen, hours)
        under = week_title(SimpleNamespace(week=pattern), "UTC")[1]  # type: ignore[arg-type]
        assert under.startswith(said), ends
        assert under.endswith(ends)


@pytest.mark.parametrize(("due", "said"), [(1, "1 hour waits"), (2_000, "2,000 hours wait")])
def test_hours_that_wait_to_be_scored_are_counted_in_words(due: int, said: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    found = SimpleNamespace(stages=[overview.Stage("score", "late", moment, due)], last_post=None)
    shown = stages_text(found, moment, lambda *_: "then", roomy=False, policy=False)  # type: ignore[arg-type]
    assert shown.plain.endswith(said)


def test_bars_fill_the_height_and_a_dot_is_no_zero() -> None:
    assert bars([8, 4, 0, None, 1], 1, 1) == ["█▄ ·▁"]
    assert bars([16, 8, 1], 2, 1) == ["█  ", "██▁"]
    assert bars([], 1, 1) == [""]
    assert bars([2, 1], 1, 4) == ["███ ▄▄▄ "]


@pytest.mark.parametrize("other", [math.nan, math.inf, 1e308])
def test_what_is_no_count_is_shown_as_unobserved(other: Any) -> None:
    assert bars([8, other, 4, -2], 1, 1) == ["█·▄ "]


def test_the_axis_names_as_many_hours_as_have_room() -> None:
    hours = [f"{i % 24:02}:00" for i in range(26)]
    assert axis_line(hours, 1) == "00:00       12:00         "
    assert axis_line(hours[:4], 8).split() == ["00:00", "01:00", "02:00", "03:00"]
