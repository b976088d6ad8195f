"""A backtest stores each origin once it is done, goes on where it was cut off, and says what came of it."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.exc import OperationalError
from stored_hours import START, store_hours

from musktracker import recorder
from musktracker.db.engines import reading, writing
from musktracker.db.queries import backtests, counts
from musktracker.db.tables import BacktestScore, TimeBucket
from musktracker.errors import Cancelled, DataError, MuskTrackerError, UsageError
from musktracker.evaluation import protocol
from musktracker.evaluation.origins import of_period as origins_of
from musktracker.models import registry
from musktracker.pipeline import backtest, backtest_plan, events, outages
from musktracker.pipeline import history as histories
from musktracker.pipeline.event_fields import EventFields
from musktracker.reporting import Run
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
    origins = origins_of(hour_index(BEGIN), hour_index(END))
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


def test_an_outage_in_the_middle_loses_no_origin_and_stores_none_twice(
    counted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls, run = backtest._store, iter(range(1_000)), Run()

    def store(*arguments: Any) -> None:
        call = next(calls)
        if call == 1:  # the answer is lost
            whole(*arguments)
        if call in (1, 4, 5):
            raise OperationalError("", None, Exception("the server went away"))
        whole(*arguments)

    monkeypatch.setattr(backtest, "_store", store)
    monkeypatch.setattr(outages, "LONGEST_WAIT", 0.0)
    result = make(counted, run)
    assert len(rows(counted)) == result["computed"] == result["origins"]
    assert [line.message for line in run.lines].count("The database answers again") == 2


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
    reach = counts.reach(counted)
    assert reach is not None
    plan = backtest_plan.plan(reach, models=models, begin=iso(BEGIN))
    assert plan.origins["sarimax"] == plan.origins["seasonal_naive"][::3]
    told = backtest_plan.plan(reach, models=models, begin=iso(BEGIN), every={"sarimax": 1})
    assert told.origins["sarimax"] == told.origins["seasonal_naive"]


def test_processes_side_by_side_find_the_same(counted: Engine) -> None:
    alone = make(counted, name="alone")
    together = make(counted, name="together", jobs=2)
    for result in (alone, together):
        result["models"]["seasonal_naive"]["scores"].pop("seconds")
    assert together["models"] == alone["models"]


def test_a_process_that_is_killed_is_told_in_words_and_the_rest_goes_on_from_there(
    counted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(backtest, "_outcome", killed)
        with pytest.raises(MuskTrackerError, match=r"was killed.*goes on from there"):
            make(counted, jobs=2)
    result = make(counted, jobs=2)
    assert result["computed"] == result["origins"] > 0


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


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_cannot_be_is_refused(counted: Engine, seed: int) -> None:
    with pytest.raises(UsageError, match="The seed must be"):
        make(counted, seed=seed)


def test_without_counts_there_is_nothing_to_test_on(engine: Engine) -> None:
    with pytest.raises(DataError, match="no counted hours"):
        make(engine)


def test_the_list_says_how_many_origins_are_done(counted: Engine) -> None:
    result = make(counted, name="mine", end=iso(END - HOUR))
    [one] = backtests.listed(counted)
    assert (one.name, one.done, one.planned, one.models) == ("mine", *[result["origins"]] * 2, ("seasonal_naive",))


def carried_out(engine: Engine, **parameters: Any) -> None:
    """A backtest as a run whose result is kept."""
    asked = {
        "models": ["seasonal_naive", "har_bootstrap"],
        "begin": iso(BEGIN),
        "n_paths": 50,
        "jobs": 1,
        **parameters,
    }
    recorder.execute(engine, "backtest", backtest.backtest, asked)


def test_the_consoles_figures_are_those_of_the_command_line(counted: Engine) -> None:
    result = make(counted, models=["seasonal_naive", "har_bootstrap"])
    for one in backtests.summary(counted, result["name"]):
        told = result["models"][one.model]
        known = {name: value for name, value in told["scores"].items() if value is not None}
        assert {name: known[name] for name in one.scores} == pytest.approx(dict(one.scores))
        assert set(backtests.SCORES) <= set(one.scores)
        assert list(one.by_lead) == pytest.approx(list(told["by_lead"].values()), abs=1e-4)
        assert {name: list(shares) for name, shares in one.pit.items()} == {
            name: pytest.approx(shares, abs=0.002)
            for name, shares in told["pit"].items()  # one may lie on an edge
        }
        for level in backtests.LEVELS:
            mean = np.mean(one.coverage[level])
            assert mean == pytest.approx(known[f"hourly_covered_{level}"], abs=0.01)


def test_the_skills_of_every_pair_are_kept_with_the_run_until_more_is_scored(counted: Engine) -> None:
    carried_out(counted, name="mine")
    [stored] = backtests.listed(counted)
    found = backtests.skills(counted, stored)
    assert len(found) == 2 * len(backtests.SCORES)
    by_model = {one.model: one for one in backtests.summary(counted, "mine")}
    for (model, reference, score), one in found.items():
        plain = backtests.skill(by_model[model], by_model[reference], score)
        assert plain is not None
        assert one.lower is not None
        assert one.upper is not None
        assert one.lower <= one.skill <= one.upper
        assert (one.skill, one.n) == (pytest.approx(plain.skill), plain.n)
    with writing(counted) as connection:
        last = select(func.max(BacktestScore.origin)).scalar_subquery()
        connection.execute(delete(BacktestScore).where(BacktestScore.origin == last))
    [stored] = backtests.listed(counted)
    assert not stored.whole
    assert backtests.skills(counted, stored) == {}


def test_a_run_compares_two_backtests_and_keeps_what_it_found(counted: Engine) -> None:
    carried_out(counted, name="a")
    carried_out(counted, name="b", hyperparameters={"seasonal_naive": {"window_days": 14}})
    two = {one.name: one for one in backtests.listed(counted)}
    assert backtests.skills(counted, two["a"], two["b"]) == {}
    recorder.execute(counted, "compare", backtest.compare_stored, {"name": "a", "other": "b"})
    found = backtests.skills(counted, two["a"], two["b"])
    told = backtest.compare(counted, "a", "b")["seasonal_naive"]["total_168"]
    one = found["seasonal_naive", "seasonal_naive", "total_168"]
    assert (one.skill, one.lower, one.upper, one.n) == tuple(told[key] for key in ("skill", "lower", "upper", "n"))


def test_models_can_be_held_against_each_other_on_the_same_origins(counted: Engine) -> None:
    models = ["seasonal_naive", "har_bootstrap"]
    name = make(counted, models=models, every={"har_bootstrap": 2})["name"]
    own = {one.model: one.origins for one in backtests.summary(counted, name)}
    same = {one.model: one.origins for one in backtests.summary(counted, name, same_origins=True)}
    assert own["seasonal_naive"] > own["har_bootstrap"]
    assert set(same.values()) == {own["har_bootstrap"]}


def test_refused_origins_are_counted_by_their_reason(counted: Engine) -> None:
    name = make(counted, models=["seasonal_naive", "har_bootstrap"], begin=iso(START + 20 * DAY))["name"]
    refused = {one.model: sum(one.refused.values()) for one in backtests.summary(counted, name)}
    [stored] = backtests.listed(counted)
    assert stored.refused == refused["har_bootstrap"] > 0
    assert refused["seasonal_naive"] == 0


def test_origins_are_planned_only_where_there_is_history(counted: Engine) -> None:
    result = make(counted, begin=iso(START - 30 * DAY), end=iso(END))
    [stored] = backtests.listed(counted)
    assert stored.planned == stored.done == result["origins"]


def test_its_scores_are_told_while_it_goes_on(counted: Engine) -> None:
    run = Run()
    result = make(counted, run)
    points = [tuple(point) for line in run.lines for point in line.fields.get("points", ())]
    stored = backtest.load(counted, result["name"])["seasonal_naive"]
    assert [value for _, value in points] == pytest.approx([one.values["total_168"] for one in stored], abs=1e-4)


def test_a_retrospective_backtest_sees_events_before_they_were_entered_and_says_so(counted: Engine) -> None:
    at = BEGIN + 73 * HOUR
    for day in range(30, 60, 3):
        start = START + day * DAY
        events.add(counted, EventFields(f"Launch {day}", start, start + 4 * HOUR, 1.0, "launch"))
    asked = {"models": ["negative_binomial"], "begin": iso(BEGIN), "end": iso(at + 200 * HOUR)}
    as_entered = make(counted, name="as entered", **asked)
    retrospective = make(counted, name="retrospective", retrospective_events=True, **asked)
    assert (as_entered["retrospective_events"], retrospective["retrospective_events"]) == (False, True)
    assert as_entered["models"] != retrospective["models"]
    flags = {one.name: one.retrospective_events for one in backtests.listed(counted)}
    assert flags == {"as entered": False, "retrospective": True}
    for day in range(30, 60, 3):
        events.remove(counted, day // 3 - 9)
    without = make(counted, name="without", **asked)
    for one in (as_entered, without):
        one["models"]["negative_binomial"]["scores"].pop("seconds")
    assert without["models"] == as_entered["models"]
