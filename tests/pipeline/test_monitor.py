"""Scoring fills in what happened, once, and measures error and coverage as they are defined."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from stored_hours import store_hours

from musktracker.db import settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import Forecast, ForecastTotal, ModelMetadata, TimeBucket
from musktracker.errors import Cancelled
from musktracker.pipeline import monitor
from musktracker.pipeline.monitor import score
from musktracker.reporting import Run
from musktracker.timeline import HOUR, iso

ORIGIN = datetime(2025, 3, 1, 5, tzinfo=UTC)
BOUNDS = {"lower_bound_95": 1, "lower_bound_80": 2, "lower_bound_50": 3}
BOUNDS |= {"upper_bound_50": 5, "upper_bound_80": 6, "upper_bound_95": 9}


def store_model(engine: Engine, model_id: int = 1, counting: str = "all") -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(ModelMetadata).values(
                id=model_id,
                model_name="seasonal_naive",
                model_version=f"v{model_id}",
                trained_at=ORIGIN,
                training_start_date=ORIGIN - timedelta(days=28),
                training_end_date=ORIGIN,
                counting=counting,
            )
        )


def store_forecast(engine: Engine, hours: int = 4, origin: datetime = ORIGIN, model_id: int = 1) -> None:
    """Four posts expected in each hour, whose bounds are 1 to 9, and in total four times the hours."""
    common = {"model_metadata_id": model_id, "forecast_time": origin, "created_at": origin}
    total = 4 * hours
    spread = {"0.025": -8, "0.1": -4, "0.25": -2, "0.5": 0, "0.75": 2, "0.9": 4, "0.975": 8}
    with writing(engine) as connection:
        connection.execute(
            insert(Forecast),
            [{**common, **BOUNDS, "predicted_count": 4, "target_time": origin + k * HOUR} for k in range(hours)],
        )
        connection.execute(
            insert(ForecastTotal).values(
                **common,
                horizon_hours=hours,
                n_paths=100,
                seed=1,
                counting="all",
                predicted_total=total,
                quantiles=json.dumps({p: total + d for p, d in spread.items()}),
                warnings="[]",
            )
        )


def actual(engine: Engine) -> tuple[list[int | None], list[int | None]]:
    with reading(engine) as connection:
        hours = connection.scalars(select(Forecast.actual_count).order_by(Forecast.id)).all()
        return list(hours), list(connection.scalars(select(ForecastTotal.actual_total).order_by(ForecastTotal.id)))


def run(engine: Engine, **parameters: Any) -> dict[str, Any]:
    return score(engine, Run(), **parameters)


def test_hours_are_filled_in_once_counted_and_the_total_once_all_are(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [0, 12, 4], ORIGIN)
    assert run(engine)["hours_filled"] == 3
    assert actual(engine) == ([0, 12, 4, None], [None])
    store_hours(engine, [5], ORIGIN + 3 * HOUR)
    result = run(engine)
    assert (result["hours_filled"], result["totals_filled"]) == (1, 1)
    assert actual(engine) == ([0, 12, 4, 5], [21])


def test_an_unobserved_hour_keeps_its_total_open(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [1], ORIGIN)
    store_hours(engine, [1, 1], ORIGIN + 2 * HOUR)
    run(engine)
    assert actual(engine) == ([1, None, 1, 1], [None])


def test_what_is_filled_in_some_at_a_time_is_what_is_filled_in_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model_id in (1, 2):
        store_model(engine, model_id)
        store_forecast(engine, hours=7, model_id=model_id)
        store_forecast(engine, hours=7, origin=ORIGIN + 2 * HOUR, model_id=model_id)
    store_hours(engine, [3, 0, 4, 1, 5, 9, 2], ORIGIN)
    at_once, stored = run(engine), actual(engine)
    with writing(engine) as connection:
        connection.execute(update(Forecast).values(actual_count=None))
        connection.execute(update(Forecast).where(Forecast.target_time > ORIGIN + 6 * HOUR).values(actual_count=8))
        connection.execute(update(ForecastTotal).values(actual_total=None))
    monkeypatch.setattr(monitor, "SLICE", 3)
    some_at_a_time = run(engine)
    assert actual(engine) == stored
    assert some_at_a_time["hours_filled"] == at_once["hours_filled"] + 4
    assert some_at_a_time["totals_filled"] == at_once["totals_filled"] == 2
    assert run(engine)["hours_filled"] == 0


def test_what_was_filled_in_before_it_was_cancelled_stays_and_the_next_time_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CancelledHalfWay(Run):
        def check(self) -> None:
            if self.message and "4 hours" in self.message:
                raise Cancelled("Cancelled on request")

    store_model(engine)
    store_forecast(engine, hours=7)
    store_hours(engine, [3, 0, 4, 1, 5, 9, 2], ORIGIN)
    monkeypatch.setattr(monitor, "SLICE", 2)
    with pytest.raises(Cancelled):
        score(engine, CancelledHalfWay())
    assert actual(engine) == ([3, 0, 4, 1, None, None, None], [None])
    assert run(engine)["hours_filled"] == 3
    assert actual(engine) == ([3, 0, 4, 1, 5, 9, 2], [24])


def test_a_daily_bucket_is_no_hour(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    with writing(engine) as connection:
        connection.execute(
            insert(TimeBucket).values(
                bucket_start=ORIGIN,
                bucket_end=ORIGIN + 24 * HOUR,
                granularity="daily",
                tweet_count=50,
                computed_at=ORIGIN,
            )
        )
    assert run(engine)["hours_filled"] == 0


def test_a_second_time_changes_nothing_but_late_posts_correct(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [0, 12, 4, 5], ORIGIN)
    first = run(engine)
    second = run(engine)
    assert (second["hours_filled"], second["totals_filled"]) == (0, 0)
    assert (second["hourly"], second["totals"]) == (first["hourly"], first["totals"])
    with writing(engine) as connection:
        connection.execute(update(TimeBucket).where(TimeBucket.bucket_start == ORIGIN).values(tweet_count=2))
    third = run(engine)
    assert (third["hours_filled"], third["totals_filled"]) == (1, 1)
    assert actual(engine) == ([2, 12, 4, 5], [23])


def test_an_hour_that_turns_out_unobserved_loses_its_actual(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [0, 12, 4, 5], ORIGIN)
    run(engine)
    with writing(engine) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_start == ORIGIN))
    run(engine)
    assert actual(engine) == ([None, 12, 4, 5], [None])


def test_hourly_measures_are_what_they_say(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [0, 12, 4, 6], ORIGIN)
    [found] = run(engine)["hourly"]
    assert found == {
        "model": "seasonal_naive",
        "version": "v1",
        "lead": "first 24 h",
        "n": 4,
        "mae": pytest.approx(14 / 4),
        "rmse": pytest.approx((84 / 4) ** 0.5),
        "bias": pytest.approx(-6 / 4),
        "coverage_50": pytest.approx(0.25),
        "coverage_80": pytest.approx(0.5),
        "coverage_95": pytest.approx(0.5),
        "above_95": 1,
        "below_95": 1,
        "width_95": pytest.approx(8),
    }


def test_measures_of_totals_are_what_they_say(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine, hours=2)
    store_forecast(engine, hours=2, origin=ORIGIN + 2 * HOUR)
    store_hours(engine, [4, 5, 10, 8], ORIGIN)
    [found] = run(engine)["totals"]
    assert found == {
        "model": "seasonal_naive",
        "version": "v1",
        "horizon_hours": 2,
        "n": 2,
        "mae": pytest.approx(5.5),
        "rmse": pytest.approx((101 / 2) ** 0.5),
        "bias": pytest.approx(-5.5),
        "coverage_50": 0.5,
        "coverage_80": 0.5,
        "coverage_95": 0.5,
        "above_95": 1,
        "below_95": 0,
        "width_95": 16,
    }


def test_the_first_day_is_judged_apart_from_later_hours(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine, hours=30)
    store_hours(engine, [4] * 30, ORIGIN)
    assert [(one["lead"], one["n"]) for one in run(engine)["hourly"]] == [("first 24 h", 24), ("after 24 h", 6)]


def test_versions_and_horizons_are_judged_apart(engine: Engine) -> None:
    for model_id in (1, 2):
        store_model(engine, model_id)
        store_forecast(engine, hours=4, model_id=model_id)
    store_forecast(engine, hours=3, origin=ORIGIN + HOUR, model_id=2)
    store_hours(engine, [4] * 4, ORIGIN)
    found = run(engine)["totals"]
    assert [(one["version"], one["horizon_hours"]) for one in found] == [("v1", 4), ("v2", 3), ("v2", 4)]


def test_since_leaves_earlier_forecasts_alone(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine, hours=2)
    store_forecast(engine, hours=2, origin=ORIGIN + 2 * HOUR)
    store_hours(engine, [4] * 4, ORIGIN)
    result = run(engine, since=iso(ORIGIN + HOUR))
    assert actual(engine) == ([None, None, 4, 4], [None, 8])
    assert result["totals"][0]["n"] == 1


def test_a_model_of_another_counting_is_not_filled_in(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [4] * 4, ORIGIN)
    settings.set(engine, settings.COUNTING, "without_replies")
    assert run(engine)["hours_filled"] == 0
    assert actual(engine) == ([None] * 4, [None])


def test_without_forecasts_there_is_nothing_to_say(engine: Engine) -> None:
    result = run(engine)
    assert (result["hourly"], result["totals"]) == ([], [])


def test_a_scheduled_score_keeps_no_figures_of_every_version(engine: Engine) -> None:
    store_model(engine)
    store_forecast(engine)
    store_hours(engine, [4] * 4, ORIGIN)
    told = score(engine, Run(), judge=False)
    assert (told["hours_filled"], told["totals_filled"]) == (4, 1)
    assert not {"hourly", "totals", "windows"} & set(told)
