"""How window forecasts came out, read and put together without numpy."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, update

from musktracker.db.engines import writing
from musktracker.db.queries import window_scores
from musktracker.db.tables import ModelMetadata, WindowForecast
from musktracker.evaluation import scores
from musktracker.timeline import DAY, HOUR, Span

START = datetime(2026, 1, 2, 17, tzinfo=UTC)
WEEK = 7 * DAY
BRACKETS = ((0, 9), (10, 19), (20, None))
ASKED = sorted({*window_scores.MIDPOINTS, 0.1, 0.25, 0.5, 0.75, 0.9})
TOTALS = st.lists(st.integers(0, 500), min_size=1, max_size=40)


@pytest.fixture
def modelled(engine: Engine) -> Engine:
    """Two versions without forecasts."""
    with writing(engine) as connection:
        connection.execute(
            insert(ModelMetadata),
            [
                {
                    "id": key,
                    "model_name": "hawkes",
                    "model_version": f"v{key}",
                    "trained_at": START,
                    "training_start_date": START - 100 * DAY,
                    "training_end_date": START - DAY,
                }
                for key in (1, 2)
            ],
        )
    return engine


def add(
    engine: Engine,
    actual: int | None,
    *,
    start: datetime = START,
    chances: Sequence[float] = (0.15, 0.15, 0.7),
    totals: Sequence[float] = tuple(range(101)),
    **more: Any,
) -> None:
    """A forecast of a week in which 0 to 100 posts were all as likely, and what came."""
    brackets = json.dumps(BRACKETS)
    made = more.pop("made_at", start + HOUR)
    values = {
        "model_metadata_id": 1,
        "made_at": made,
        "forecast_time": start,
        "window_start": start,
        "window_end": start + WEEK,
        "preset": "fri-noon",
        "timezone": "America/New_York",
        "brackets": brackets,
        "brackets_sha256": hashlib.sha256(brackets.encode()).hexdigest(),
        "counting": "all",
        "n_paths": 101,
        "seed": 1,
        "counted_until": made,
        "count_so_far": 0,
        "lower_bound": False,
        "hours_to_come": 167.0,
        "predicted_total": 50.0,
        "quantiles": json.dumps({f"{p:g}": float(np.quantile(totals, p)) for p in ASKED}),
        "bracket_probabilities": json.dumps(chances),
        "warnings": "[]",
        "actual_total": actual,
        "scored_at": None if actual is None else start + WEEK,
        "created_at": made,
    }
    with writing(engine) as connection:
        connection.execute(insert(WindowForecast).values(values | more))


def test_where_nothing_came_to_pass_nothing_is_read(modelled: Engine) -> None:
    add(modelled, None)
    assert window_scores.by_window(modelled, "all") == []


def test_forecasts_of_one_window_are_many_but_no_more_evidence(modelled: Engine) -> None:
    for hour in range(3):
        add(modelled, 14, made_at=START + hour * HOUR)
    add(modelled, 60, start=START + WEEK)
    (found,) = window_scores.by_window(modelled, "all")
    assert (found.model, found.version, found.window, found.n, found.apart) == ("hawkes", "v1", "fri-noon", 4, 2)


def test_scores_are_means_over_the_forecasts(modelled: Engine) -> None:
    add(modelled, 14)
    add(modelled, 99, start=START + WEEK)
    add(modelled, 0, start=START + 2 * WEEK)
    (found,) = window_scores.by_window(modelled, "all")
    uniform = [100 * (u * u - u + 1 / 3) for u in (0.14, 0.99, 0)]
    assert found.crps == pytest.approx(sum(uniform) / 3, abs=0.2)
    assert found.log_score == pytest.approx(-(2 * math.log(0.15) + math.log(0.7)) / 3)
    assert (found.mae, found.bias) == (pytest.approx((36 + 49 + 50) / 3), pytest.approx((36 - 49 + 50) / 3))
    assert found.coverages == pytest.approx((0, 1 / 3, 1 / 3))
    assert (found.above_95, found.below_95) == (1, 1)
    assert found.pit == pytest.approx((0.14, 0.99, 0), abs=0.011)


def test_versions_and_kinds_of_window_are_told_apart(modelled: Engine) -> None:
    add(modelled, 14)
    add(modelled, 14, preset=None, window_end=START + 2 * DAY)
    add(modelled, 14, model_metadata_id=2)
    found = window_scores.by_window(modelled, "all")
    assert [(one.version, one.window) for one in found] == [("v1", "fri-noon"), ("v1", "custom"), ("v2", "fri-noon")]


def test_forecasts_of_other_posts_than_are_asked_for_stay_out(modelled: Engine) -> None:
    add(modelled, 14)
    add(modelled, 10, start=START + WEEK, counting="without_replies")
    (found,) = window_scores.by_window(modelled, "without_replies")
    assert (found.n, found.mae) == (1, 40)


def test_only_forecasts_made_since_are_read(modelled: Engine) -> None:
    add(modelled, 14)
    assert len(window_scores.by_window(modelled, "all", since=START + HOUR)) == 1
    assert window_scores.by_window(modelled, "all", since=START + 2 * HOUR) == []


def test_chances_are_held_against_how_often_they_came(modelled: Engine) -> None:
    add(modelled, 14)
    add(modelled, 60, start=START + WEEK)
    (found,) = window_scores.by_window(modelled, "all")
    assert [one.n for one in found.reliability] == [0, 4, 0, 0, 0, 0, 0, 2, 0, 0]
    low, high = found.reliability[1], found.reliability[7]
    assert (low.low, low.high, low.apart) == (0.1, 0.2, 2)
    assert (low.said, low.came, high.said, high.came) == (pytest.approx(0.15), 0.25, pytest.approx(0.7), 0.5)
    empty = found.reliability[0]
    assert (empty.said, empty.came, empty.least, empty.beyond) == (None, None, None, False)


def test_a_chance_that_is_certain_is_in_the_last_bin_and_one_of_none_in_no_bin(modelled: Engine) -> None:
    add(modelled, 14, chances=(0, 1, 0))
    (found,) = window_scores.by_window(modelled, "all")
    assert [one.n for one in found.reliability] == [0] * 9 + [1]
    assert (found.reliability[9].said, found.reliability[9].came) == (1, 1)


def test_a_bracket_that_was_held_impossible_is_counted_apart(modelled: Engine) -> None:
    add(modelled, 14, chances=(0, 0, 1))
    (found,) = window_scores.by_window(modelled, "all")
    assert (found.log_score, found.impossible) == (None, 1)
    assert (found.reliability[9].n, found.reliability[9].came) == (1, 0)


def test_of_too_few_windows_no_share_is_beyond_chance(modelled: Engine) -> None:
    add(modelled, 14, chances=(0, 0, 1))
    (found,) = window_scores.by_window(modelled, "all")
    assert (found.few, found.reliability[9].few) == (True, True)
    assert not found.reliability[9].beyond
    many, few = replace(found, apart=20), replace(found, apart=19)
    assert many.beyond(0.5, 0.95)
    assert not few.beyond(0.5, 0.95)


def test_many_forecasts_of_one_window_do_not_make_a_chance_wrong_and_many_windows_do(modelled: Engine) -> None:
    for hour in range(30):
        add(modelled, 14, made_at=START + hour * HOUR)
    (found,) = window_scores.by_window(modelled, "all")
    assert not found.reliability[7].beyond
    for week in range(1, 30):
        add(modelled, 14, start=START + week * WEEK, model_metadata_id=2)
    high = window_scores.by_window(modelled, "all")[1].reliability[7]
    assert high.beyond
    assert (high.least, high.most) == pytest.approx(
        [0.7 + sign * 1.96 * (0.21 / 29) ** 0.5 for sign in (-1, 1)], 1e-3
    )


def test_the_stamp_differs_once_something_else_would_be_found(modelled: Engine) -> None:
    seen = [window_scores.stamp(modelled, "all")]
    add(modelled, 14)
    seen.append(window_scores.stamp(modelled, "all"))
    with writing(modelled) as connection:
        connection.execute(update(WindowForecast).values(actual_total=15, scored_at=START + WEEK + HOUR))
    seen.append(window_scores.stamp(modelled, "all"))
    assert len(set(seen)) == 3
    add(modelled, None, start=START + WEEK)
    assert window_scores.stamp(modelled, "all") == seen[2]


@given(TOTALS, st.integers(0, 500))
def test_crps_is_the_one_of_evaluation(totals: list[int], observed: int) -> None:
    expected = float(scores.crps(np.array(totals, float), float(observed)))
    assert window_scores.crps(sorted(totals), observed) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), min_size=1, max_size=25))
def test_first_windows_of_spells_do_not_overlap_and_all_others_overlap_theirs(found: list[tuple[int, int]]) -> None:
    windows = [Span(START + start * HOUR, START + (start + length) * HOUR) for start, length in found]
    spells = window_scores.apart(windows)
    firsts: list[Span] = []
    for window, spell in spells.items():
        if spell == len(firsts):
            assert not firsts or window.start >= firsts[-1].end
            firsts.append(window)
        assert window.start < firsts[spell].end <= window.end
    assert set(spells) == set(windows)


def test_the_console_can_read_them_without_numpy() -> None:
    program = "import sys, musktracker.db.queries.window_scores; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
