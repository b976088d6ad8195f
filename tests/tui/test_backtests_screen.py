"""Backtests in the console: the list, the results with their plots, two side by side, and the runs they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import made_backtests as made
import pytest
from made_forecasts import store_run
from sqlalchemy import Engine, delete, insert
from textual.widgets import Static

from musktracker import runs
from musktracker.config import Settings
from musktracker.db.engines import writing
from musktracker.db.queries import backtests
from musktracker.db.queries.backtests import Skill
from musktracker.db.tables import Backtest, RunRow
from musktracker.timeline import HOUR
from tui.app import Console
from tui.screens import backtest_form as form
from tui.screens import backtest_text as words
from tui.screens.backtest_pair import BacktestPairScreen
from tui.screens.backtest_results import GROWING_SECONDS, BacktestScreen, ModelTable
from tui.screens.backtests import BacktestsScreen, BacktestTable, resumed
from tui.screens.models import ModelsScreen
from tui.widgets.confirm import Confirm
from tui.widgets.form import FormScreen
from tui.widgets.plot import Plot
from tui.widgets.run_log import RunLog
from tui.widgets.text_page import TextPage

EASTERN = ZoneInfo("America/New_York")
Opened = Callable[..., Console]


async def press(pilot: Any, settled: Any, *keys: str) -> Any:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)
    return pilot.app.screen


async def go(pilot: Any, settled: Any, *keys: str) -> Any:
    await settled(pilot)
    return await press(pilot, settled, "5", "b", *keys)


def shown(screen: Any, selector: str) -> str:
    plot = screen.query_one(selector)
    return "\n".join(plot.render_line(y).text for y in range(plot.size.height))


async def test_the_list_shows_what_is_stored_and_how_far_it_is(
    backtested: Settings, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled)
        assert isinstance(screen, BacktestsScreen)
        table = screen.query_one(BacktestTable)
        assert [(one.name, one.done, one.planned) for one in table.records] == [
            ("autumn", made.ORIGINS * len(made.LEVELS), made.ORIGINS * len(made.LEVELS)),
            ("fewer paths", 40, 40),
            ("cut off", 9, made.ORIGINS),
        ]
        assert "✓ 300 of 300" in table.render_line(1).text
        assert "! 9 of 60" in table.render_line(3).text
        assert isinstance(await press(pilot, settled, "escape"), ModelsScreen)


async def test_without_a_backtest_it_says_which_key_starts_one(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled)
        assert "n starts one" in screen.query_one(BacktestTable).render_line(1).text
        assert "curve grows" in shown(screen, "LiveCurve Plot")


async def test_n_asks_and_starts_a_backtest(
    backtested: Settings, console: Opened, settled: Any, launched: list[Any]
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "n")
        assert isinstance(app.screen, FormScreen)
        await press(pilot, settled, *"hawkes", "enter")
    [(kind, asked)] = launched
    assert (kind, asked["models"], asked["spacing"], asked["n_paths"]) == ("backtest", ["hawkes"], 73, 2000)


async def test_s_goes_on_with_an_unfinished_one_as_it_was_asked_for(
    backtested: Settings, console: Opened, settled: Any, launched: list[Any]
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "s")
        assert launched == []  # the first is whole
        await press(pilot, settled, "G", "s")
    [(kind, asked)] = launched
    assert (kind, asked["name"], asked["models"]) == ("backtest", "cut off", ["pool"])
    assert asked["begin"] == "2025-05-01T00:00:00Z"
    assert (asked["spacing"], asked["n_paths"], asked["seed"], asked["every"]) == (73, 2000, 1, {"pool": 1})


@pytest.mark.parametrize("retrospective", [False, True])
def test_what_goes_on_sees_the_events_that_it_saw_from_the_beginning(
    backtested: Settings, populated_engine: Engine, retrospective: bool
) -> None:
    stored = next(one for one in backtests.listed(populated_engine) if one.name == "cut off")
    protocol = {**stored.protocol, "retrospective_events": retrospective}
    assert resumed(replace(stored, protocol=protocol))["retrospective_events"] is retrospective


@pytest.mark.parametrize(("kind", "asks"), [("backtest", False), ("compare", True)])
async def test_cancelling_asks_only_where_what_was_computed_is_lost(
    backtested: Settings,
    populated_engine: Engine,
    console: Opened,
    settled: Any,
    frozen: datetime,
    kind: str,
    asks: bool,
) -> None:
    row = {"kind": kind, "status": "running", "parameters": "{}", "progress": 0.4, "message": "pool: 3 of 9"}
    times = dict.fromkeys(("created_at", "started_at", "heartbeat_at"), frozen)
    with writing(populated_engine) as connection:
        connection.execute(insert(RunRow).values(id=30, host="tower", who="ada@tower", pid=1, **row, **times))
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "x")
        assert isinstance(screen, Confirm) == asks
        if asks:
            assert isinstance(await press(pilot, settled, "enter"), BacktestsScreen)
        assert (runs.get(populated_engine, 30).cancel_requested_at is None) == asks


async def test_the_backtest_that_goes_on_is_followed_although_a_newer_run_has_ended(
    backtested: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    going = runs.create(populated_engine, "backtest", {})
    store_run(populated_engine, "compare", {})
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled)
        assert screen.run_shown.id == going
        assert screen.query_one(RunLog).run_info == screen.run_shown
        assert screen.can("cancel")


async def test_the_cursor_goes_to_a_backtest_that_was_started_here_and_to_no_other(
    backtested: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "j")
        table = screen.query_one(BacktestTable)
        for name in ("theirs", "own"):
            made.store(populated_engine, name, made.BEGIN, made=made.MADE + HOUR, models=("pool",))
        await press(pilot, settled, "r")
        assert table.count == 5
        assert table.record.name == "fewer paths"
        screen.started = store_run(populated_engine, "backtest", {"name": "own"})
        await press(pilot, settled, "r")
        assert table.record.name == "own"


async def test_the_list_can_be_filtered_by_name_and_model(
    backtested: Settings, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "slash", *"HAW", "enter")
        table = screen.query_one(BacktestTable)
        assert [one.name for one in table.records] == ["autumn", "fewer paths"]
        await press(pilot, settled, "slash", *"zzz")
        assert "esc shows all" in table.render_line(1).text
        screen = await press(pilot, settled, "escape")
        assert len(table.records) == 3
        assert isinstance(screen, BacktestsScreen)


async def test_models_are_ranked_by_the_score_that_is_picked_and_the_best_has_a_star(
    backtested: Settings, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "enter")
        assert isinstance(screen, BacktestScreen)
        table = screen.query_one(ModelTable)
        means = [one.scores["total_168"] for one in table.records]
        assert means == sorted(means)
        assert f"{means[0]:.1f}*" in table.render_line(1).text
        assert "▾7 d" in table.render_line(0).text
        await press(pilot, settled, "s", "s")
        assert screen.score == "hourly_168"
        means = [one.scores["hourly_168"] for one in table.records]
        assert means == sorted(means)


async def test_calibration_time_and_refusals_are_the_other_columns_and_all_are_there_where_they_fit(
    backtested: Settings, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled, "enter", "t")
        table = screen.query_one(ModelTable)
        assert "24 h 50/95" in table.render_line(0).text
        sarimax = next(i for i, one in enumerate(table.records) if one.model == "sarimax")
        assert "↑" in table.render_line(sarimax + 1).text
        await pilot.resize_terminal(200, 50)
        await settled(pilot)
        assert "Hourly" in table.render_line(0).text
        assert table.render_line(sarimax + 1).text.split()[-1] == "2"


async def test_the_skill_is_over_the_model_that_b_picks(backtested: Settings, console: Opened, settled: Any) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "enter")
        plot = shown(screen, "#plot-skill")
        assert "seasonal_naive" not in plot
        assert "95% intervals" in str(screen.query_one("#plot-skill").border_title)
        assert "▲ pool" in plot
        await press(pilot, settled, "b")
        best = screen.query_one(ModelTable).record.model
        assert best in str(screen.query_one("#plot-skill").border_title)
        assert "▼ seasonal_naive" in shown(screen, "#plot-skill")


async def test_a_small_terminal_shows_one_plot_at_a_time_and_a_large_one_all(
    backtested: Settings, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled, "enter")
        seen = []
        for _ in range(5):
            seen.append([plot.id for plot in screen.query(Plot) if plot.display])
            await press(pilot, settled, "v")
        assert seen == [["plot-skill"], ["plot-pit"], ["plot-coverage"], ["plot-leads"], ["plot-skill"]]
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        await press(pilot, settled, "v", "v", "v")
        assert all(plot.display for plot in screen.query(Plot))


async def test_o_leaves_only_the_origins_that_all_models_have(
    backtested: Settings, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "enter")
        table = screen.query_one(ModelTable)
        assert {one.model: one.origins for one in table.records}["pool"] == 60
        await press(pilot, settled, "o")
        assert {one.origins for one in table.records} == {58}


async def test_intervals_are_computed_by_a_run_where_they_are_missing(
    backtested: Settings, populated_engine: Engine, console: Opened, settled: Any, launched: list[Any]
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        await go(pilot, settled, "enter", "i")
        assert launched == []
        with writing(populated_engine) as connection:
            connection.execute(delete(RunRow).where(RunRow.id == 20))
        screen = await press(pilot, settled, "r")
        assert "i computes them" in str(screen.query_one("#plot-skill").border_title)
        await press(pilot, settled, "i")
    assert launched == [("compare", {"name": "autumn"})]


async def test_enter_tells_all_about_a_model(backtested: Settings, console: Opened, settled: Any) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "enter", "G", "enter")
        assert isinstance(screen, TextPage)
        assert "2 times: fewer than 60 days of history" in screen._text
        assert "CRPS of 7 days' total" in screen._text


async def test_two_marked_ones_are_compared_on_the_origins_that_both_have(
    backtested: Settings, console: Opened, settled: Any, launched: list[Any]
) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "space", "j", "space", "c")
        assert isinstance(screen, BacktestPairScreen)
        table = screen.query_one("#pair-models")
        assert [pair.model for pair in table.records] == ["hawkes", "seasonal_naive"]
        assert table.render_line(1).text.split()[1] == "20"
        assert "n_paths 2000 → 500" in str(screen.query_one("#pair-title", Static).content)
        before = table.render_line(1).text.split()[2:4]
        await press(pilot, settled, "w")
        assert table.render_line(1).text.split()[2:4] == before[::-1]
        await press(pilot, settled, "i")
    assert launched == [("compare", {"name": "fewer paths", "other": "autumn"})]


async def test_a_growing_one_of_two_is_summed_up_seldom_and_only_its_last_sum_is_kept(
    backtested: Settings, populated_engine: Engine, console: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.store(populated_engine, "grows", made.BEGIN, made=made.MADE + HOUR, done=8)
    summed: list[str] = []
    summary = backtests.summary
    monkeypatch.setattr(backtests, "summary", lambda *given: summed.append(given[1]) or summary(*given))
    app = console(backtested)
    now = 1000.0
    app.monotonic = lambda: now
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "space", "j", "c")
        assert isinstance(screen, BacktestPairScreen)
        growing = next(one for one in backtests.listed(populated_engine) if one.name == "grows")
        summed.clear()
        for done in range(growing.done + 1, growing.done + 5):
            screen._summed(populated_engine, replace(growing, done=done))
        assert summed == []
        now += GROWING_SECONDS
        for done in range(growing.done + 5, growing.done + 9):
            screen._summed(populated_engine, replace(growing, done=done))
        assert summed == ["grows"]
        screen._summed(populated_engine, replace(growing, done=growing.planned))
        assert summed == ["grows", "grows"]
        assert len(screen._sums) == 2


async def test_backtests_without_a_common_origin_say_how_they_would_meet(
    backtested: Settings, populated_engine: Engine, console: Opened, settled: Any, launched: list[Any]
) -> None:
    made.store(populated_engine, "apart", made.BEGIN + HOUR, made=made.MADE + HOUR, models=("pool",))
    app = console(backtested)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled, "space", "j", "c", "i")
        assert "begin at the same time" in shown(screen, "#pair-plot")
    assert launched == []


async def test_comparing_one_alone_says_what_to_do(backtested: Settings, console: Opened, settled: Any) -> None:
    app = console(backtested)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled, "c")
        assert isinstance(screen, BacktestsScreen)
        assert any("space" in note.message for note in app._notifications)


async def test_a_backtest_that_is_gone_says_so(
    backtested: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(backtested)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled, "enter")
        with writing(populated_engine) as connection:
            connection.execute(delete(Backtest))
        await press(pilot, settled, "r")
        assert "not stored any more" in str(screen.query_one("#backtest-title", Static).content)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screens_look_as_they_did(
    backtested: Settings, console: Opened, settled: Any, snapshot: Any, size: tuple[int, int]
) -> None:
    app = console(backtested)
    name = f"{size[0]}x{size[1]}"
    async with app.run_test(size=size) as pilot:
        await go(pilot, settled)
        snapshot(app, f"backtests-{name}")
        await press(pilot, settled, "enter")
        snapshot(app, f"backtest-{name}")
        await press(pilot, settled, "v", "t")
        snapshot(app, f"backtest-calibration-{name}")
        await press(pilot, settled, "escape", "space", "j", "c")
        snapshot(app, f"backtest-pair-{name}")


@pytest.mark.parametrize(("n", "said"), [(1, "on 1 origin"), (24, "on 24 origins")])
def test_a_skill_says_on_how_many_origins_it_is(n: int, said: str) -> None:
    assert words.skill_text(Skill(0.1, None, None, n)) == f"+10.0% {said}"
    assert words.skill_text(Skill(0.1, 0.05, 0.15, n)) == f"+10.0% (+5 to +15) {said}"


def asked(**more: str) -> dict[str, str]:
    values = {"models": "", "begin": "", "end": "", "spacing": "73", "paths": "2000", "seed": "1", "name": ""}
    return values | more


def test_what_is_typed_is_what_the_run_takes() -> None:
    found = form.parameters(asked(models="pool, hawkes", begin="2025-06-01", name=" mine "), EASTERN)
    assert found["models"] == ["pool", "hawkes"]
    assert (found["begin"], found["end"], found["name"]) == ("2025-06-01T04:00:00Z", None, "mine")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("models", {"models": "oracle"}),
        ("begin", {"begin": "soon"}),
        ("end", {"end": "later"}),
        ("spacing", {"spacing": "0"}),
        ("paths", {"paths": "many"}),
        ("name", {"name": "x" * 65}),
    ],
)
def test_what_cannot_be_is_said_at_its_field(field: str, values: dict[str, str]) -> None:
    assert list(form.problems(asked(**values), EASTERN)) == [field]
