"""A backtest stores each origin once it is done, goes on where it was cut off, and says what came of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select, update
from stored_hours import START, store_hours

from musktracker.db.engines import reading, writing
from musktracker.db.tables import BacktestScore, TimeBucket
from musktracker.errors import Cancelled, DataError, UsageError
from musktracker.evaluation import protocol
from musktracker.models import registry
from musktracker.pipeline import backtest, events
from musktracker.pipeline import history as histories
from musktracker.runs import Run
from musktracker.timeline import DAY, HOUR, hour_index, iso

DAYS = 70
END = START + DAYS * DAY
BEGIN = START + 40 * DAY


class CutOff(Run):
    """A run that is cancelled after some origins."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def progress(self, *arguments: Any, stage: str | None = None, **fields: Any) -> None:
        self.left -= stage == "backtest"
        if self.left < 0:
            raise Cancelled("cancelled")


@pytest.fixture
def counted(engine: Engine) -> Engine:
    """A database with ten weeks of counts."""
    rng = np.random.default_rng(1)
    rate = np.exp(0.5 + np.sin(2 * np.pi * np.arange(24 * DAYS) / 24)) * rng.gamma(2, 0.5, 24 * DAYS)
    store_hours(engine, rng.poisson(rate))
    return engine


def make(engine: Engine, run: Run | None = None, **parameters: Any) -> dict[str, Any]:
    asked = {"models": ["seasonal_naive"], "begin": iso(BEGIN), "n_paths": 50, "jobs": 1, **parameters}
    return backtest.backtest(engine, run or Run(), **asked)


def rows(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(BacktestScore.__table__).order_by(BacktestScore.origin)))


def test_what_is_stored_are_the_protocols_scores(counted: Engine) -> None:
    result = make(counted)
    known = histories.load(counted)
    origins = protocol.origins(hour_index(BEGIN), hour_index(END))
    expected = list(protocol.evaluate(registry.create("seasonal_naive"), known.history, origins, n_paths=50))
    stored = backtest.load(counted, result["name"])["seasonal_naive"]
    assert [one.origin for one in stored] == origins
    for one, other in zip(stored, expected, strict=True):
        assert one.values == pytest.approx(dict(other.values), nan_ok=True)
        np.testing.assert_allclose(one.hourly, other.hourly, atol=1e-5)
        np.testing.assert_allclose(one.pit, other.pit, atol=1e-5)


def test_the_same_call_goes_on_where_it_was_cut_off(counted: Engine) -> None:
    with pytest.raises(Cancelled):
        make(counted, CutOff(3))
    before = rows(counted)
    result = make(counted)
    assert (len(before), result["computed"]) == (4, result["origins"] - 4)
    assert rows(counted)[:4] == before
    assert make(counted)["computed"] == 0


def test_a_name_belongs_to_one_question_and_its_data(counted: Engine) -> None:
    make(counted, name="mine")
    with pytest.raises(UsageError, match=r"protocol differ"):
        make(counted, name="mine", n_paths=60)
    with writing(counted) as connection:
        connection.execute(update(TimeBucket).where(TimeBucket.bucket_start == BEGIN).values(tweet_count=99))
    with pytest.raises(UsageError, match=r"data_digest differ"):
        make(counted, name="mine")


def test_data_after_the_period_do_not_make_it_another_backtest(counted: Engine) -> None:
    end = iso(END - DAY)
    first = make(counted, end=end)
    store_hours(counted, [3] * 24, start=END)
    again = make(counted, end=end)
    assert (again["name"], again["computed"]) == (first["name"], 0)


def test_origins_from_which_a_model_cannot_forecast_are_kept_with_the_reason(counted: Engine) -> None:
    result = make(counted, models=["seasonal_naive", "har_bootstrap"], begin=iso(START + 20 * DAY))
    [model] = backtest.refusals(counted, result["name"])
    assert model == "har_bootstrap"
    assert result["models"][model]["refused"] > 0
    assert make(counted, models=["seasonal_naive", "har_bootstrap"], begin=iso(START + 20 * DAY))["computed"] == 0


def test_a_slow_model_takes_every_third_origin_unless_told_otherwise(counted: Engine) -> None:
    models = ["seasonal_naive", "sarimax"]
    plan = backtest._plan(histories.load(counted), models, {}, (iso(BEGIN), None), {}, (73, 50, 1))
    assert plan.origins["sarimax"] == plan.origins["seasonal_naive"][::3]
    told = backtest._plan(histories.load(counted), models, {}, (iso(BEGIN), None), {"sarimax": 1}, (73, 50, 1))
    assert told.origins["sarimax"] == told.origins["seasonal_naive"]


def test_processes_side_by_side_find_the_same(counted: Engine) -> None:
    alone = make(counted, name="alone")
    together = make(counted, name="together", jobs=2)
    for result in (alone, together):
        result["models"]["seasonal_naive"]["scores"].pop("seconds")
    assert together["models"] == alone["models"]


def test_a_model_is_compared_with_itself_under_other_hyperparameters(counted: Engine) -> None:
    make(counted, name="a")
    make(counted, name="b", hyperparameters={"seasonal_naive": {"window_days": 14}})
    skill = backtest.compare(counted, "a", "b")["seasonal_naive"]["total_168"]
    found, other = (backtest.load(counted, name)["seasonal_naive"] for name in "ab")
    means = [np.mean(protocol.column(scored, "total_168")) for scored in (found, other)]
    assert skill["skill"] == pytest.approx(1 - means[0] / means[1])
    assert skill["lower"] <= skill["skill"] <= skill["upper"]


def test_the_pit_is_shared_out_over_ten_bins(counted: Engine) -> None:
    pit = make(counted)["models"]["seasonal_naive"]["pit"]
    assert sorted(pit) == ["hours", "in_play", "total_168", "total_24"]
    assert all(len(shares) == 10 and sum(shares) == pytest.approx(1) for shares in pit.values())


def test_a_period_without_an_origin_is_refused(counted: Engine) -> None:
    with pytest.raises(UsageError, match="no origin"):
        make(counted, begin=iso(END - 2 * DAY))


def test_without_counts_there_is_nothing_to_test_on(engine: Engine) -> None:
    with pytest.raises(DataError, match="no counted hours"):
        make(engine)


def test_the_list_says_how_many_origins_are_done(counted: Engine) -> None:
    result = make(counted, name="mine", end=iso(END - HOUR))
    [one] = backtest.listing(counted)
    assert (one["name"], one["done"], one["models"]) == ("mine", result["origins"], ["seasonal_naive"])


def test_a_retrospective_backtest_sees_events_before_they_were_entered_and_says_so(counted: Engine) -> None:
    at = BEGIN + 73 * HOUR
    for day in range(30, 60, 3):
        start = START + day * DAY
        events.add(counted, events.EventFields(f"Launch {day}", start, start + 4 * HOUR, 1.0, "launch"))
    asked = {"models": ["negative_binomial"], "begin": iso(BEGIN), "end": iso(at + 200 * HOUR)}
    as_entered = make(counted, name="as entered", **asked)
    retrospective = make(counted, name="retrospective", retrospective_events=True, **asked)
    assert (as_entered["retrospective_events"], retrospective["retrospective_events"]) == (False, True)
    assert as_entered["models"] != retrospective["models"]
    flags = {one["name"]: one["retrospective_events"] for one in backtest.listing(counted)}
    assert flags == {"as entered": False, "retrospective": True}
    for day in range(30, 60, 3):
        events.remove(counted, day // 3 - 9)
    without = make(counted, name="without", **asked)
    for one in (as_entered, without):
        one["models"]["negative_binomial"]["scores"].pop("seconds")
    assert without["models"] == as_entered["models"]
