"""The curve of a training that goes on grows by what its log tells, whatever the order of the pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from itertools import product
from typing import Any

import made_backtests as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import shown
from sqlalchemy import Engine

from musktracker.config import Settings
from musktracker.run_log import LogLine
from tui.app import Console
from tui.widgets.live_curve import LiveCurve, running_means
from tui.widgets.plot import Plot
from tui.widgets.run_log import RunLog

Opened = Callable[..., Console]
RUN = 7
STEPS = [-18912.4, -17820.1, -17466.9, -17391.2, -17383.6, -17383.55]
NO_POINTS = ["text", 7, {"a": 1}, [1, 2], [["a"]], [["a", "many"]], [[1, 2, 3]], [[[], 2]], [["a", 1.0]]]
SCORES = [21.0, 14.5, None, 9.8, 30.2, 17.7, 12.1, 15.0, 11.2, 16.4, 8.9, 13.3]


@pytest.fixture
def training(populated: Settings, populated_engine: Engine) -> Settings:
    """A training that goes on and has told of twelve origins of twenty."""
    made.tell(populated_engine, RUN, "seasonal_naive", SCORES[:8], of=20)
    made.tell(populated_engine, RUN, "seasonal_naive", SCORES[8:], of=20, first=8)
    return populated


async def go(pilot: Any, settled: Any, *keys: str) -> Any:
    await settled(pilot)
    for key in ("5", *keys):
        await pilot.press(key)
        await settled(pilot)
    return pilot.app.screen


async def test_the_scores_of_the_training_that_goes_on_are_drawn_and_new_ones_are_added(
    training: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(training)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled)
        curve = screen.query_one(LiveCurve)
        assert curve.display
        assert curve.scores == SCORES
        made.tell(populated_engine, RUN, "seasonal_naive", [7.5, 8.5], of=20, first=12)
        await screen.query_one(RunLog).poll()
        await settled(pilot)
        assert curve.scores == [*SCORES, 7.5, 8.5]
        assert "14 of 20 origins" in str(curve.query_one("#curve-title").content)  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, None])
@pytest.mark.parametrize("score", ["total_168", "log_likelihood"])
async def test_what_is_no_score_is_left_out_of_the_curve(
    value: Any, score: str, populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    points = [[1, -3.5], [2, value], [3, -1.25]] if score == "log_likelihood" else [["a", 1.5], ["b", value]]
    made.tell_anything(populated_engine, RUN, {"model": "m", "score": score, "of": 5, "points": points})
    app = console(populated)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await go(pilot, settled)
        curve = screen.query_one(LiveCurve)
        assert (curve.ascent or curve.scores) == [None if one is value else one for _, one in points]
        assert "cannot be drawn" not in shown(app)


async def test_a_line_that_tells_of_no_figures_changes_no_curve(
    training: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    app = console(training)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await go(pilot, settled)
        curve, log = screen.query_one(LiveCurve), screen.query_one(RunLog)
        for of, points in product(("x", math.inf), NO_POINTS):
            for score in ("total_168", "log_likelihood"):
                fields = {"model": "m", "score": score, "of": of, "search": of, "points": points}
                made.tell_anything(populated_engine, RUN, fields)
            lines = log.view.count
            await log.poll()
            await settled(pilot)
            assert log.view.count == lines + 2
            assert (curve.model, curve.scores) == ("seasonal_naive", SCORES), (of, points)


async def test_a_training_that_has_told_nothing_yet_leaves_the_log_its_room(
    populated: Settings, console: Opened, settled: Any
) -> None:
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled)
        assert not screen.query_one(LiveCurve).display


async def test_v_changes_between_log_and_curve_on_a_small_terminal(
    training: Settings, console: Opened, settled: Any
) -> None:
    app = console(training)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled)
        assert (screen.query_one(RunLog).display, screen.query_one(LiveCurve).display) == (True, False)
        await pilot.press("v")
        await settled(pilot)
        assert (screen.query_one(RunLog).display, screen.query_one(LiveCurve).display) == (False, True)


async def test_the_steps_of_the_fit_are_drawn_until_there_are_scores(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    made.tell_steps(populated_engine, RUN, "negative_binomial", STEPS[:4])
    app = console(populated)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled)
        curve = screen.query_one(LiveCurve)
        assert curve.display
        assert curve.ascent == STEPS[:4]
        made.tell_steps(populated_engine, RUN, "negative_binomial", STEPS[4:], first=4)
        await screen.query_one(RunLog).poll()
        await settled(pilot)
        title = str(curve.query_one("#curve-title").content)  # type: ignore[attr-defined]
        assert title == "Log-likelihood, negative_binomial · 6 steps · -17,383.55"
        made.tell(populated_engine, RUN, "negative_binomial", SCORES[:3], of=20)
        await screen.query_one(RunLog).poll()
        await settled(pilot)
        assert not curve.shows_fit
        await pilot.press("v")
        await settled(pilot)
        assert curve.shows_fit
        await pilot.press("v")
        await settled(pilot)
        assert not curve.shows_fit


async def test_v_goes_from_log_to_scores_to_the_fit_on_a_small_terminal(
    training: Settings, populated_engine: Engine, console: Opened, settled: Any
) -> None:
    made.tell_steps(populated_engine, RUN, "seasonal_naive", STEPS)
    app = console(training)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await go(pilot, settled)
        log, curve = screen.query_one(RunLog), screen.query_one(LiveCurve)
        seen = []
        for _ in range(4):
            seen.append((log.display, curve.display and curve.shows_fit))
            await pilot.press("v")
            await settled(pilot)
        assert seen == [(True, False), (False, False), (False, True), (True, False)]


def test_another_search_is_drawn_anew_whatever_the_order_of_the_pages() -> None:
    curve = LiveCurve()
    for line_id, search, points in ((3, 2, [(1, -9.0), (2, -8.0)]), (1, 1, [(1, -20.0)]), (2, 1, [(2, None)])):
        fields = {"model": "hawkes", "score": "log_likelihood", "search": search, "points": points}
        curve._take(line_id, fields)
    assert curve.ascent == [-9.0, -8.0]


async def test_the_steps_of_a_fit_look_as_they_did(
    populated: Settings, populated_engine: Engine, console: Opened, settled: Any, snapshot: Any
) -> None:
    made.tell_steps(populated_engine, RUN, "negative_binomial", STEPS)
    app = console(populated)
    async with app.run_test(size=(80, 24)) as pilot:
        await go(pilot, settled, "v")
        snapshot(app, "training-fit-80x24")


async def test_a_page_of_lines_is_one_drawing_and_another_run_begins_anew(
    training: Settings, console: Opened, settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(training)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await go(pilot, settled)
        drawn: list[None] = []
        monkeypatch.setattr(Plot, "redraw", lambda self: drawn.append(None))
        curve = screen.query_one(LiveCurve)
        page = [line(k, "pool", [(f"2026-01-{k:02}T00:00:00Z", float(k))]) for k in range(1, 20)]
        curve.add(RUN + 1, page[10:])
        curve.add(RUN + 1, page[:10])
        assert curve.scores == [float(k) for k in range(1, 20)]
        assert len(drawn) == 3  # emptied for the new run, and once a page


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_screen_looks_as_it_did(
    training: Settings, console: Opened, settled: Any, snapshot: Any, size: tuple[int, int]
) -> None:
    app = console(training)
    async with app.run_test(size=size) as pilot:
        await go(pilot, settled, *(["v"] if size[0] < 116 else []))
        snapshot(app, f"training-live-{size[0]}x{size[1]}")


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=30))
def test_the_line_is_the_mean_of_all_known_scores_so_far(scores: list[float | None]) -> None:
    means = running_means(scores)
    known = [score for score in scores if score is not None]
    assert len(means) == len(scores)
    assert all((mean is None) == (not any(s is not None for s in scores[: k + 1])) for k, mean in enumerate(means))
    if known:
        assert means[-1] == pytest.approx(sum(known) / len(known))


def line(line_id: int, model: str, points: list[tuple[str, float]]) -> LogLine:
    moment = datetime.fromisoformat("2026-01-15T18:00:00+00:00")
    return LogLine(line_id, moment, "info", "", {"model": model, "score": "total_168", "of": 20, "points": points})
