"""Market windows that go on: counted in observed time alone, by the definition in force, with the newest forecast."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from stored_versions import store_version

from musktracker import market_windows
from musktracker.db.engines import reading, writing
from musktracker.db.queries import windows
from musktracker.db.queries.windows import MarketWindow
from musktracker.db.tables import RawTweet, WindowForecast
from musktracker.timeline import DAY, HOUR, Span

MOMENT = datetime(2026, 1, 14, 17, tzinfo=UTC)  # five days after noon ET on Friday, the 9th
FRIDAY = datetime(2026, 1, 9, 17, tzinfo=UTC)


@pytest.fixture
def posts(engine: Engine) -> Engine:
    """A post at half past every hour of January, every third of them a reply."""
    start = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    rows = [
        {"tweet_id": str(k), "created_at": start + k * HOUR, "source": "file", "ingest_time": start, "kind": kind}
        for k in range(31 * 24)
        for kind in ("reply" if k % 3 == 0 else "original",)
    ]
    with writing(engine) as connection:
        connection.execute(insert(RawTweet), rows)
    return engine


def read(
    engine: Engine, covered: list[Span], moment: datetime = MOMENT, counting: str = "all"
) -> dict[str, MarketWindow]:
    with reading(engine) as connection:
        return {one.name: one for one in windows.current(connection, moment, covered, counting)}


def store_forecast(engine: Engine, made_at: datetime, **more: Any) -> None:
    span = market_windows.current("fri-noon", MOMENT)
    values = {
        "model_metadata_id": 1,
        "made_at": made_at,
        "forecast_time": made_at,
        "window_start": span.start,
        "window_end": span.end,
        "preset": "fri-noon",
        "timezone": "America/New_York",
        "brackets": json.dumps([[0, 139], [140, 159], [160, None]]),
        "brackets_sha256": "x",
        "counting": "all",
        "n_paths": 100,
        "seed": 1,
        "counted_until": made_at,
        "count_so_far": 100,
        "lower_bound": False,
        "hours_to_come": 48.0,
        "predicted_total": 150.0,
        "quantiles": json.dumps({"0.025": 130, "0.1": 135, "0.5": 150, "0.9": 170, "0.975": 190}),
        "bracket_probabilities": json.dumps([0.2, 0.5, 0.3]),
        "warnings": "[]",
        "created_at": made_at,
    }
    with writing(engine) as connection:
        connection.execute(insert(WindowForecast).values(values | more))


def test_a_window_tells_its_count_its_pace_and_where_that_leads(posts: Engine) -> None:
    week = read(posts, [Span(FRIDAY - 30 * DAY, MOMENT)])["fri-noon"]
    assert (week.count, week.observed_hours, week.missed_hours) == (120, 120, 0)
    assert (week.per_day, week.at_pace, week.hours_left) == (24, 168, 48)


def test_posts_in_holes_do_not_count_and_the_hours_missed_are_told(posts: Engine) -> None:
    hole = Span(FRIDAY + DAY, FRIDAY + DAY + 10 * HOUR)
    week = read(posts, [Span(FRIDAY - DAY, hole.start), Span(hole.end, MOMENT)])["fri-noon"]
    assert (week.count, week.observed_hours, week.missed_hours) == (110, 110, 10)
    assert week.per_day == pytest.approx(24)


def test_what_is_not_observed_yet_is_no_hole(posts: Engine) -> None:
    week = read(posts, [Span(FRIDAY - DAY, MOMENT - 12 * HOUR)])["fri-noon"]
    assert (week.count, week.observed_until, week.missed_hours) == (108, MOMENT - 12 * HOUR, 0)
    assert week.at_pace == pytest.approx(168)


def test_a_window_that_nobody_observed_has_neither_count_nor_pace(posts: Engine) -> None:
    week = read(posts, [Span(FRIDAY - 9 * DAY, FRIDAY)])["fri-noon"]
    assert (week.count, week.observed_hours, week.per_day, week.at_pace) == (0, 0, None, None)


def test_only_what_counts_is_counted_and_forecasts_of_other_posts_are_left_out(posts: Engine) -> None:
    store_version(posts, 1)
    store_forecast(posts, MOMENT - HOUR)
    covered = [Span(FRIDAY - DAY, MOMENT)]
    week = read(posts, covered, counting="without_replies")["fri-noon"]
    assert (week.count, week.forecast) == (80, None)
    assert read(posts, covered)["fri-noon"].forecast is not None


def test_the_newest_forecast_of_the_same_window_is_shown_with_its_likeliest_bracket_first(posts: Engine) -> None:
    store_version(posts, 1)
    store_forecast(posts, MOMENT - 3 * HOUR, predicted_total=1.0)
    store_forecast(posts, MOMENT - 2 * HOUR)
    store_forecast(posts, MOMENT + HOUR, predicted_total=2.0)
    store_forecast(posts, MOMENT - HOUR, window_end=FRIDAY, predicted_total=3.0)
    found = read(posts, [Span(FRIDAY, MOMENT)])
    forecast = found["fri-noon"].forecast
    assert forecast is not None
    assert (forecast.total, forecast.origin) == (150, MOMENT - 2 * HOUR)
    assert forecast.intervals == {0.8: (135, 170), 0.95: (130, 190)}
    assert [text for text, _ in forecast.brackets] == ["140-159", "160-179", "120-139"]
    assert found["tue-noon"].forecast is None


def test_the_likeliest_brackets_are_of_the_presets_width_and_still_possible(posts: Engine) -> None:
    store_version(posts, 1)
    store_forecast(posts, MOMENT - 3 * HOUR, brackets=json.dumps([[0, 119], [120, 129], [130, None]]))
    covered = [Span(FRIDAY, MOMENT)]
    forecast = read(posts, covered)["fri-noon"].forecast
    assert forecast is not None
    chances = dict(forecast.brackets)
    assert "120-139" in chances  # 0-119 is passed: 120 posts came
    assert sum(chances.values()) == pytest.approx(1, abs=0.06)
    store_forecast(posts, MOMENT - 2 * HOUR, predicted_total=90.0, quantiles=json.dumps({"0.1": 80, "0.9": 95}))
    store_forecast(
        posts, MOMENT - HOUR, brackets=json.dumps([[0, 119], [120, None]]), bracket_probabilities="[0.99, 0.01]"
    )
    forecast = read(posts, covered)["fri-noon"].forecast
    assert forecast is not None
    assert (forecast.total, forecast.brackets) == (150, ())


@pytest.mark.parametrize(
    ("moment", "hours"),
    [(datetime(2026, 3, 7, 12, tzinfo=UTC), 167), (datetime(2026, 10, 31, 12, tzinfo=UTC), 169)],
)
def test_a_week_in_which_the_clocks_change_is_an_hour_shorter_or_longer(
    engine: Engine, moment: datetime, hours: int
) -> None:
    week = read(engine, [], moment)["fri-noon"]
    assert Span(week.start, week.end).hours() == hours
    assert week.hours_left == (week.end - moment) / timedelta(hours=1)
