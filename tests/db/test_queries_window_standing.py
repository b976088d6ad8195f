"""How a window stands, and what was forecast of it, without numpy."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from stored_hours import store_hours

from musktracker.brackets import Bracket, parse
from musktracker.db.engines import writing
from musktracker.db.queries import window_standing as windows
from musktracker.db.queries.window_standing import SoFar
from musktracker.db.tables import Coverage, RawTweet
from musktracker.market_windows import ET
from musktracker.pipeline import requests
from musktracker.pipeline.train import train
from musktracker.pipeline.window import window
from musktracker.reporting import Run
from musktracker.timeline import HOUR, Span, hour_index

START = datetime(2025, 10, 1, tzinfo=UTC)
END = START + timedelta(days=40)
SPAN = Span(END - 20 * HOUR, END + 30 * HOUR)


@pytest.fixture
def counted(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Forty days of counted hours, a model, and a clock that stands at their end."""
    rng = np.random.default_rng(3)
    store_hours(engine, rng.poisson(3, 40 * 24).tolist(), START)
    posts = [
        {
            "tweet_id": str(k),
            "created_at": SPAN.start + k * HOUR / 3,
            "source": "file",
            "ingest_time": END,
            "is_deleted": False,
        }
        for k in range(1, 50)
    ]
    with writing(engine) as connection:
        seen = {"source": "file", "span_start": START, "span_end": END, "created_at": END}
        connection.execute(insert(Coverage).values(seen))
        connection.execute(insert(RawTweet), posts)
    train(engine, Run(), model="seasonal_naive", artifact_dir=str(tmp_path), backtest_origins=0)
    monkeypatch.setattr(requests, "now", lambda: END)
    return engine


def test_it_stands_as_the_pipeline_says(counted: Engine) -> None:
    found = windows.standing(counted, SPAN, END, ET)
    asked: dict[str, Any] = {"start": SPAN.start.isoformat(), "end": SPAN.end.isoformat(), "n_paths": 200}
    said = window(counted, Run(), **asked)
    assert found is not None
    pace = found.so_far.pace(SPAN)
    assert pace is not None
    assert (found.so_far.count, found.so_far.to_come, found.counting) == (
        said["count"],
        said["hours_to_come"],
        said["counting"],
    )
    assert said["pace"] == {"per_hour": pace.per_hour, "projected": pace.projected}
    assert found.usual == pytest.approx(said["usual_per_hour"])


def test_what_was_forecast_is_read_back_from_the_last_made(counted: Engine) -> None:
    asked: dict[str, Any] = {"start": SPAN.start.isoformat(), "end": SPAN.end.isoformat(), "n_paths": 200}
    said = [window(counted, Run(), **asked, brackets=text) for text in ("100,150", "20")]
    found = windows.forecasts_of(counted, SPAN, "all")
    assert [len(one.brackets) for one in found] == [100, 3]
    newest, last = found[0], said[1]
    assert newest.probabilities == tuple(one["probability"] for one in last["brackets"])
    assert newest.total == last["total"]["mean"]
    assert newest.interval(80) == pytest.approx((last["total"]["lower_80"], last["total"]["upper_80"]))
    assert (newest.origin, newest.count_so_far, newest.model) == (END, last["count"], "seasonal_naive")
    assert newest.chances.forecast(Bracket(100, 119)) == pytest.approx(newest.probabilities[5])
    assert newest.interval(98) is None


def test_forecasts_of_other_posts_or_another_window_stay_out(counted: Engine) -> None:
    window(counted, Run(), start=SPAN.start.isoformat(), end=SPAN.end.isoformat(), n_paths=200)
    assert windows.forecasts_of(counted, SPAN, "without_replies") == []
    assert windows.forecasts_of(counted, Span(SPAN.start, SPAN.end + HOUR), "all") == []
    assert windows.forecasts_of(counted, SPAN, "all", limit=0) == []


def test_nothing_stands_where_nothing_was_counted(engine: Engine) -> None:
    assert windows.standing(engine, SPAN, END, ET) is None


def test_what_was_never_observed_in_these_hours_has_no_usual_rate() -> None:
    ahead = (Span(END, END + 5 * HOUR),)
    assert windows.usual({}, hour_index(END), ahead, ET) is None
    assert windows.usual({hour_index(END) - 168: 4}, hour_index(END), (), ET) is None
    hours = {hour_index(END) - 168 + k: 2 * k for k in range(5)}
    assert windows.usual(hours, hour_index(END), ahead, ET) == pytest.approx(4)


def test_before_a_window_there_is_no_pace() -> None:
    assert SoFar(0, SPAN.start, (), (SPAN,)).pace(SPAN) is None


@given(st.integers(0, 400), st.integers(1, 30), st.floats(0.5, 168))
def test_what_enters_a_bracket_overruns_the_one_before(count: int, width: int, to_come: float) -> None:
    listed = parse(str(width))
    for before, after in pairwise(listed):
        if before.state(count, to_come) == "ahead":
            assert before.to_overrun(count, to_come) == after.to_enter(count, to_come)
    states = [one.state(count, to_come) for one in listed]
    assert states.count("in") == 1
    assert set(states[: states.index("in")]) <= {"dead"}


def test_a_bracket_of_a_window_that_is_over_holds_the_total_or_is_dead() -> None:
    assert [one.state(30, 0) for one in parse("20")[:3]] == ["dead", "in", "dead"]
    assert Bracket(0, 19).to_enter(5, 0) is None


def test_the_console_reads_windows_without_numpy() -> None:
    program = "import musktracker.db.queries.window_standing, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
