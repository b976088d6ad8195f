"""A window's forecast is kept as it was made, and judged once the whole window was observed, not before."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, insert, select, update

from musktracker.db.engines import reading, writing
from musktracker.db.tables import Coverage, ModelMetadata, RawTweet, WindowForecast
from musktracker.pipeline import window_forecasts
from musktracker.pipeline.monitor import score
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, iso

START = datetime(2025, 3, 7, 17, 30, tzinfo=UTC)
END = START + DAY
MADE = START + 6 * HOUR
TOTALS = np.arange(0, 101, dtype=float)
BRACKETS = [(0, 9, 0.1), (10, 19, 0.2), (20, None, 0.7)]


@pytest.fixture
def stored(engine: Engine) -> Engine:
    """A forecast of a day of 0 to 100 posts, all as likely; nothing is known of the day yet."""
    with writing(engine) as connection:
        connection.execute(
            insert(ModelMetadata).values(
                id=1,
                model_name="seasonal_naive",
                model_version="v1",
                trained_at=START,
                training_start_date=START - 28 * DAY,
                training_end_date=START,
                counting="all",
            )
        )
    assert window_forecasts.store(engine, found(), TOTALS)
    return engine


def found(**changes: Any) -> dict[str, Any]:
    """What `window` says of that day."""
    return {
        "window": "custom",
        "model_metadata_id": 1,
        "moment": iso(MADE),
        "forecast_time": iso(START),
        "start": iso(START),
        "end": iso(END),
        "timezone": "America/New_York",
        "brackets": [{"lower": low, "upper": high, "probability": p} for low, high, p in BRACKETS],
        "counting": "all",
        "n_paths": 101,
        "seed": 1,
        "counted_until": iso(MADE),
        "count": 3,
        "lower_bound": False,
        "hours_to_come": 18,
        "warnings": ["stale"],
    } | changes


def observe(engine: Engine, start: datetime, end: datetime, posts: int, *, first_id: int = 1) -> None:
    """Cover a span in which some posts were made, the first at its start and the next each a second later."""
    rows = [
        {
            "tweet_id": str(first_id + k),
            "created_at": start + k * timedelta(seconds=1),
            "source": "file",
            "ingest_time": start,
            "is_deleted": False,
        }
        for k in range(posts)
    ]
    with writing(engine) as connection:
        connection.execute(insert(Coverage).values(source="file", span_start=start, span_end=end, created_at=start))
        if rows:
            connection.execute(insert(RawTweet), rows)


def rows(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(*window_forecasts.TABLE.columns).order_by(WindowForecast.id)))


def test_it_is_kept_as_it_was_made(stored: Engine) -> None:
    (row,) = rows(stored)
    assert (row.made_at, row.window_start, row.window_end) == (MADE, START, END)
    assert (row.preset, row.count_so_far, row.lower_bound, row.predicted_total) == (None, 3, False, 50)
    assert json.loads(row.brackets) == [[0, 9], [10, 19], [20, None]]
    assert json.loads(row.bracket_probabilities) == [0.1, 0.2, 0.7]
    quantiles = json.loads(row.quantiles)
    assert [quantiles[p] for p in ("0.025", "0.25", "0.5", "0.975")] == pytest.approx([2.5, 25, 50, 97.5])
    assert json.loads(row.warnings) == ["stale"]
    assert row.actual_total is None
    assert row.scored_at is None


def test_made_again_it_changes_nothing_and_other_brackets_are_another_forecast(stored: Engine) -> None:
    assert not window_forecasts.store(stored, found(), TOTALS)
    assert window_forecasts.store(stored, found(brackets=[{"lower": 0, "upper": None, "probability": 1.0}]), TOTALS)
    assert len(rows(stored)) == 2


def test_the_longest_list_of_brackets_can_be_stored(stored: Engine) -> None:
    wide = [{"lower": k * 900, "upper": k * 900 + 899, "probability": 0.001} for k in range(1000)]
    assert window_forecasts.store(stored, found(brackets=wide), TOTALS)


def test_a_total_is_filled_in_only_once_all_of_the_window_was_observed(stored: Engine) -> None:
    observe(stored, START, END - HOUR, 12)
    assert score(stored, Run())["windows_filled"] == 0
    observe(stored, END - HOUR, END + HOUR, 2, first_id=100)
    observe(stored, END + HOUR, END + 2 * HOUR, 5, first_id=200)
    result = score(stored, Run())
    assert result["windows_filled"] == 1
    assert rows(stored)[0].actual_total == 14
    assert rows(stored)[0].scored_at is not None


def test_a_post_at_the_end_is_not_part_of_the_window(stored: Engine) -> None:
    observe(stored, START, END, 1)
    observe(stored, END, END + HOUR, 1, first_id=100)
    score(stored, Run())
    assert rows(stored)[0].actual_total == 1


def test_scoring_again_changes_nothing_and_draws_the_same(stored: Engine) -> None:
    observe(stored, START, END, 14)
    first = score(stored, Run())
    before = rows(stored)
    second = score(stored, Run())
    assert second["windows_filled"] == 0
    assert second["windows"] == first["windows"]
    assert rows(stored) == before


def test_a_late_post_corrects_the_total_and_lost_coverage_takes_it_back(stored: Engine) -> None:
    observe(stored, START, END, 14)
    score(stored, Run())
    observe(stored, START + HOUR, END, 1, first_id=100)
    assert score(stored, Run())["windows_filled"] == 1
    assert rows(stored)[0].actual_total == 15
    with writing(stored) as connection:
        connection.execute(delete(Coverage))
    assert score(stored, Run())["windows"] == []
    assert (rows(stored)[0].actual_total, rows(stored)[0].scored_at) == (None, None)


def test_forecasts_of_other_posts_than_are_counted_now_are_left_alone(stored: Engine) -> None:
    observe(stored, START, END, 14)
    assert window_forecasts.fill(stored, "without_replies", None) == 0


def test_forecasts_of_other_posts_than_are_counted_now_are_not_judged(stored: Engine) -> None:
    observe(stored, START, END, 14)
    assert window_forecasts.fill(stored, "all", None) == 1
    assert len(window_forecasts.judged(stored, "all", None)) == 1
    assert window_forecasts.judged(stored, "without_replies", None) == []


def test_its_scores_are_those_of_their_definitions(stored: Engine) -> None:
    observe(stored, START, END, 14)
    (judged,) = score(stored, Run())["windows"]
    assert (judged["model"], judged["version"], judged["window"], judged["n"]) == (
        "seasonal_naive",
        "v1",
        "custom",
        1,
    )
    # of a uniform on 0 to 100 at y: 100 (u^2 - u + 1/3), u = y / 100
    assert judged["crps"] == pytest.approx(100 * (0.14**2 - 0.14 + 1 / 3), abs=0.1)
    assert judged["log_score"] == pytest.approx(-math.log(0.2))
    assert judged["pit"] == [pytest.approx(0.14, abs=0.011)]
    assert (judged["bias"], judged["mae"]) == (36, 36)
    assert (judged["coverage_50"], judged["coverage_80"], judged["coverage_95"]) == (0, 1, 1)
    assert (judged["above_95"], judged["below_95"]) == (0, 0)


def test_a_bracket_that_was_passed_before_posts_were_deleted_is_counted_apart(stored: Engine) -> None:
    observe(stored, START, END, 14)
    with writing(stored) as connection:
        connection.execute(update(WindowForecast).values(bracket_probabilities=json.dumps([0, 0, 1])))
    (judged,) = score(stored, Run())["windows"]
    assert (judged["log_score"], judged["impossible"], judged["n"]) == (None, 1, 1)
    json.dumps(judged, allow_nan=False)


def test_only_forecasts_made_since_are_judged(stored: Engine) -> None:
    observe(stored, START, END, 14)
    assert score(stored, Run(), since=iso(MADE + HOUR))["windows"] == []
    assert rows(stored)[0].actual_total is None
    assert len(score(stored, Run(), since=iso(MADE))["windows"]) == 1
