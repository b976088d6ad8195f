"""The curve of a training that goes on grows by what its log tells, whatever the order of the pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import made_backtests as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from musktracker.config import Settings
from musktracker.runs import LogLine
from tui.app import Console
from tui.widgets.live_curve import LiveCurve, running_means
from tui.widgets.plot import Plot
from tui.widgets.run_log import RunLog

Opened = Callable[..., Console]
RUN = 7
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
        screen.query_one(RunLog)._poll()
        await settled(pilot)
        assert curve.scores == [*SCORES, 7.5, 8.5]
        assert "14 of 20 origins" in str(curve.query_one("#curve-title").content)  # type: ignore[attr-defined]


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
