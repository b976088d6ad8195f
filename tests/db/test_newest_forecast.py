"""The newest forecast, and what was counted since its origin against what it expected."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, delete, insert
from stored_versions import store_version

from musktracker.db import quantiles
from musktracker.db.engines import reading, writing
from musktracker.db.queries import newest_forecast
from musktracker.db.queries.newest_forecast import NewestForecast
from musktracker.db.tables import Forecast, ForecastQuantiles, ForecastTotal, TimeBucket
from musktracker.timeline import HOUR

ORIGIN = datetime(2026, 1, 14, 6, tzinfo=UTC)
LEVELS = (0.025, 0.1, 0.25, 0.75, 0.9, 0.975)


def store_forecast(engine: Engine, model: int, origin: datetime, counting: str = "all", horizon: int = 24) -> None:
    """A forecast of two posts an hour, whose total so far is within 1, 3 and 5 posts of that at 50, 80 and 95%."""
    common = {"model_metadata_id": model, "forecast_time": origin, "created_at": origin}
    total = {
        "horizon_hours": horizon,
        "n_paths": 9,
        "seed": 1,
        "counting": counting,
        "predicted_total": 2.0 * horizon,
    }
    running = [[2 * (k + 1) + off for k in range(horizon)] for off in (-5, -3, -1, 1, 3, 5)]
    content = quantiles.pack(quantiles.Quantiles(LEVELS, running, running))
    hours = [common | {"target_time": origin + k * HOUR, "predicted_count": 2.0} for k in range(horizon)]
    with writing(engine) as connection:
        connection.execute(insert(Forecast), hours)
        row = common | total | {"quantiles": json.dumps({"0.5": 48}), "warnings": "[]"}
        key = connection.execute(insert(ForecastTotal).values(row)).inserted_primary_key
        assert key is not None
        connection.execute(insert(ForecastQuantiles).values(forecast_total_id=key[0], content=content))


def count_hours(engine: Engine, counts: dict[int, int]) -> None:
    rows = [
        {"bucket_start": ORIGIN + k * HOUR, "bucket_end": ORIGIN + (k + 1) * HOUR, "tweet_count": count}
        for k, count in counts.items()
    ]
    with writing(engine) as connection:
        connection.execute(
            insert(TimeBucket), [row | {"granularity": "hourly", "computed_at": ORIGIN} for row in rows]
        )


def read(engine: Engine, champion: int | None = None, counted: int = 8) -> NewestForecast:
    with reading(engine) as connection:
        found = newest_forecast.read(connection, "all", champion, ORIGIN + counted * HOUR)
    assert found is not None
    return found


@pytest.fixture
def versions(engine: Engine) -> Engine:
    for key in (1, 2):
        store_version(engine, key)
    return engine


@pytest.mark.parametrize(("posts", "inside"), [(16, 0.5), (19, 0.8), (11, 0.95), (22, None)])
def test_the_count_so_far_lies_in_an_interval_of_the_same_hours(
    versions: Engine, posts: int, inside: float | None
) -> None:
    store_forecast(versions, 1, ORIGIN)
    count_hours(versions, {-1: 50, **dict.fromkeys(range(7), 0), 7: posts})
    so_far = read(versions).so_far
    assert so_far is not None
    assert (so_far.hours, so_far.count, so_far.expected, so_far.inside) == (8, posts, 16.0, inside)


def test_an_hour_that_was_not_observed_is_expected_of_nobody_and_leaves_no_interval(versions: Engine) -> None:
    store_forecast(versions, 1, ORIGIN)
    count_hours(versions, {0: 2, 2: 3, 7: 1})
    so_far = read(versions).so_far
    assert so_far is not None
    assert (so_far.hours, so_far.count, so_far.expected, so_far.intervals) == (3, 6, 6.0, {})


def test_hours_beyond_the_horizon_are_not_compared(versions: Engine) -> None:
    store_forecast(versions, 1, ORIGIN, horizon=4)
    count_hours(versions, dict.fromkeys(range(8), 2))
    so_far = read(versions).so_far
    assert so_far is not None
    assert (so_far.hours, so_far.count, so_far.inside) == (4, 8, 0.5)


def test_a_forecast_without_quantiles_still_tells_what_was_expected(versions: Engine) -> None:
    store_forecast(versions, 1, ORIGIN)
    count_hours(versions, dict.fromkeys(range(8), 2))
    with writing(versions) as connection:
        connection.execute(delete(ForecastQuantiles))
    so_far = read(versions).so_far
    assert so_far is not None
    assert (so_far.expected, so_far.intervals) == (16.0, {})


def test_the_champions_forecast_is_shown_of_those_from_one_origin(versions: Engine) -> None:
    for model in (1, 2):
        store_forecast(versions, model, ORIGIN)
    assert [read(versions, champion).version for champion in (1, 2, None)] == ["v1", "v2", "v2"]


def test_a_forecast_that_is_too_new_to_judge_leaves_that_to_the_one_before(versions: Engine) -> None:
    store_forecast(versions, 1, ORIGIN)
    store_forecast(versions, 2, ORIGIN + 7 * HOUR)
    count_hours(versions, dict.fromkeys(range(8), 2))
    found = read(versions)
    assert found.so_far is not None
    assert (found.origin, found.so_far.origin, found.so_far.hours) == (ORIGIN + 7 * HOUR, ORIGIN, 8)


def test_forecasts_of_other_posts_are_not_shown(versions: Engine) -> None:
    store_forecast(versions, 1, ORIGIN)
    store_forecast(versions, 2, ORIGIN + HOUR, counting="without_replies")
    assert read(versions).version == "v1"
