"""Each horizon of a forecast is scored once its own hours were observed, and the same however often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, insert, select, update
from stored_hours import START, store_hours

from musktracker.db import quantiles, settings
from musktracker.db.engines import reading, writing
from musktracker.db.tables import ForecastQuantiles, ForecastScore, ForecastTotal, TimeBucket
from musktracker.evaluation import scores
from musktracker.evaluation.calibration import LEVELS
from musktracker.models.base import History
from musktracker.models.seasonal_naive import SeasonalNaive
from musktracker.pipeline.forecast import forecast
from musktracker.pipeline.forecast_scores import REFERENCE_PATHS
from musktracker.pipeline.monitor import score
from musktracker.pipeline.train import train
from musktracker.reporting import Run
from musktracker.timeline import DAY, HOUR, hour_index, iso

DAYS = 36
ORIGIN = START + DAYS * DAY
COUNTS = np.random.default_rng(1).poisson(3, 24 * DAYS)


@pytest.fixture
def known(engine: Engine, tmp_path: Path) -> Engine:
    """Thirty-six days of counts, and a version trained on the first thirty-five."""
    store_hours(engine, COUNTS)
    until = iso(ORIGIN - DAY)
    train(engine, Run(), model="seasonal_naive", backtest_origins=0, until=until, artifact_dir=str(tmp_path))
    return engine


def make(engine: Engine, horizon: int = 24, **parameters: Any) -> None:
    forecast(engine, Run(), **{"horizon": horizon, "n_paths": 200, "as_of": iso(ORIGIN), **parameters})


def rows(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(ForecastScore.__table__).order_by(ForecastScore.horizon_hours)))


def horizons(engine: Engine) -> list[int]:
    return [row.horizon_hours for row in rows(engine)]


def run(engine: Engine, **parameters: Any) -> tuple[int, int]:
    result = score(engine, Run(), **parameters)
    return result["scores_made"], result["scores_removed"]


def came(engine: Engine, hours: int, count: int = 3) -> None:
    """The first hours after the origin come to pass."""
    store_hours(engine, [count] * hours, ORIGIN)


def test_a_forecast_keeps_quantiles_of_its_hours_and_of_its_running_total(known: Engine) -> None:
    make(known, 30)
    with reading(known) as connection:
        (row,) = connection.execute(select(ForecastQuantiles.__table__))
        total = connection.execute(select(ForecastTotal.__table__)).one()
    said = quantiles.unpack(bytes(row.content))
    assert row.forecast_total_id == total.id
    assert said.levels == list(LEVELS)
    assert (len(said.hours), len(said.hours[0]), len(said.running[-1])) == (len(LEVELS), 30, 30)
    assert said.running[LEVELS.index(0.5)][-1] == pytest.approx(total.predicted_total, rel=0.1)


def test_a_forecast_made_again_keeps_the_same_quantiles_and_another_seed_replaces_them(known: Engine) -> None:
    def kept() -> list[bytes]:
        with reading(known) as connection:
            return [bytes(content) for content in connection.scalars(select(ForecastQuantiles.content))]

    make(known)
    (first,) = kept()
    make(known)
    assert kept() == [first]
    make(known, seed=2)
    assert len(kept()) == 1
    assert kept() != [first]


def test_a_horizon_is_scored_as_soon_as_its_hours_are_complete(known: Engine) -> None:
    make(known, 30)
    assert run(known) == (0, 0)
    came(known, 7)
    assert run(known) == (2, 0)
    assert horizons(known) == [1, 6]
    store_hours(known, [3] * 23, ORIGIN + 7 * HOUR)
    assert run(known) == (2, 0)
    assert [(row.horizon_hours, row.actual) for row in rows(known)] == [(1, 3), (6, 18), (24, 72), (30, 90)]


def test_an_hour_that_was_not_observed_leaves_what_holds_it_unscored(known: Engine) -> None:
    make(known)
    came(known, 4)
    store_hours(known, [3] * 19, ORIGIN + 5 * HOUR)
    run(known)
    assert horizons(known) == [1]


def test_a_second_time_changes_nothing(known: Engine) -> None:
    make(known, 30)
    came(known, 30)
    assert run(known) == (4, 0)
    before = rows(known)
    assert run(known) == (0, 0)
    assert rows(known) == before


def test_scores_lost_and_made_again_are_the_same(known: Engine) -> None:
    make(known, 30)
    came(known, 30)
    run(known)
    before = rows(known)
    with writing(known) as connection:
        connection.execute(delete(ForecastScore))
    run(known)
    skipped = {"id", "scored_at"}
    assert [{**row._mapping, **dict.fromkeys(skipped)} for row in rows(known)] == [
        {**row._mapping, **dict.fromkeys(skipped)} for row in before
    ]


def test_a_late_post_has_the_scores_of_its_hour_made_again(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    before = {row.horizon_hours: row for row in rows(known)}
    with writing(known) as connection:
        late = update(TimeBucket).where(TimeBucket.bucket_start == ORIGIN + 3 * HOUR).values(tweet_count=30)
        connection.execute(late)
    assert run(known) == (2, 0)
    after = {row.horizon_hours: row for row in rows(known)}
    assert after[1] == before[1]
    assert [after[horizon].actual - before[horizon].actual for horizon in (6, 24)] == [27, 27]
    assert after[6].crps > before[6].crps
    assert after[6].reference_crps > before[6].reference_crps


def test_an_hour_that_turns_out_unobserved_takes_its_scores_along(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    with writing(known) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_start == ORIGIN + 3 * HOUR))
    assert run(known) == (0, 2)
    assert horizons(known) == [1]


def test_a_forecast_made_anew_is_scored_anew(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    before = rows(known)
    make(known, seed=2)
    assert run(known) == (3, 0)
    assert [row.pit for row in rows(known)] != [row.pit for row in before]
    assert run(known) == (0, 0)


def test_scores_of_a_forecast_that_is_gone_go_too(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    with writing(known) as connection:
        connection.execute(delete(ForecastTotal))
    assert run(known) == (0, 3)


def test_a_horizon_is_told_by_the_shortest_forecast_that_holds_it(known: Engine) -> None:
    make(known, 30, seed=2)
    make(known, 24)
    came(known, 24)
    run(known)
    alone = [row.crps for row in rows(known)]
    with writing(known) as connection:
        connection.execute(delete(ForecastScore))
        connection.execute(delete(ForecastTotal).where(ForecastTotal.horizon_hours == 30))
    run(known)
    assert [row.crps for row in rows(known)] == alone


def test_scores_are_those_of_the_paths_and_of_the_naive_paths_from_the_same_history(known: Engine) -> None:
    make(known, 24, n_paths=2000)
    came(known, 24)
    run(known)
    history = History(hour_index(START), COUNTS.astype(float))
    fitted = SeasonalNaive().fit(history)
    origin = hour_index(ORIGIN)
    paths = fitted.simulate(origin, 24, 2000, np.random.default_rng(1)).cumsum(axis=1)
    naive = fitted.simulate(origin, 24, REFERENCE_PATHS, np.random.default_rng(origin)).cumsum(axis=1)
    for row in rows(known):
        total = paths[:, row.horizon_hours - 1]
        assert row.crps == pytest.approx(float(scores.crps(total, row.actual)), abs=0.02 * total.std())
        assert row.predicted == pytest.approx(total.mean(), abs=0.05 * total.std())
        expected = float(scores.crps(naive[:, row.horizon_hours - 1], row.actual))
        assert row.reference_crps == pytest.approx(expected)
        lower, upper = scores.interval(total, 0.5)
        if abs(row.actual - lower) > 1 and abs(row.actual - upper) > 1:
            assert row.inside_50 == (lower <= row.actual <= upper)


def test_the_reference_knows_nothing_of_what_came(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    before = [row.reference_crps for row in rows(known)]
    store_hours(known, [500] * 24, ORIGIN + 24 * HOUR)
    with writing(known) as connection:
        connection.execute(delete(ForecastScore))
    run(known)
    assert [row.reference_crps for row in rows(known)] == before


def test_without_days_enough_for_a_naive_forecast_there_is_no_reference(known: Engine) -> None:
    make(known)
    came(known, 24)
    with writing(known) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_start < ORIGIN - 6 * DAY))
    assert run(known) == (3, 0)
    assert {row.reference_crps for row in rows(known)} == {None}


def test_only_forecasts_made_since_are_scored(known: Engine) -> None:
    make(known)
    came(known, 24)
    assert run(known, since=iso(ORIGIN + HOUR)) == (0, 0)
    assert run(known, since=iso(ORIGIN)) == (3, 0)
    with writing(known) as connection:
        connection.execute(delete(TimeBucket).where(TimeBucket.bucket_start >= ORIGIN))
    assert run(known, since=iso(ORIGIN + HOUR)) == (0, 0)


def test_forecasts_of_other_posts_than_are_counted_now_are_left_alone(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    before = rows(known)
    settings.set(known, settings.COUNTING, "without_replies")
    with writing(known) as connection:
        connection.execute(update(TimeBucket).values(tweet_count=1))
    assert run(known) == (0, 0)
    assert rows(known) == before


def test_what_was_stored_without_quantiles_or_damaged_is_left_out(known: Engine) -> None:
    make(known)
    came(known, 24)
    with writing(known) as connection:
        connection.execute(update(ForecastQuantiles).values(content=b"damaged"))
    watched = Run()
    assert score(known, watched)["scores_made"] == 0
    assert any("cannot be scored" in line.message for line in watched.lines)
    with writing(known) as connection:
        connection.execute(delete(ForecastQuantiles))
    assert run(known) == (0, 0)


def test_a_score_of_no_hours_is_refused(known: Engine) -> None:
    make(known)
    came(known, 24)
    run(known)
    values = dict(rows(known)[0]._mapping) | {"id": 99, "horizon_hours": 0}
    with pytest.raises(Exception, match="ck_forecast_scores_horizon"), writing(known) as connection:
        connection.execute(insert(ForecastScore).values(values))
