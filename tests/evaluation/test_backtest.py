"""A backtest hands each origin what was known then, and meets its paths with what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from musktracker.evaluation import backtest
from musktracker.models.base import Events, History
from musktracker.models.features import MICROSECONDS
from musktracker.models.seasonal_naive import SeasonalNaive

START = 480_000
SEEN: list[History] = []


@dataclass(frozen=True)
class Constant:
    """Remembers what it was fitted to and forecasts one post an hour."""

    name: ClassVar[str] = "constant"
    least_hours: int = 0
    history: History = field(default_factory=lambda: History(0, np.empty(0)))
    diagnostics: None = None

    def fit(self, history: History) -> Any:
        SEEN.append(history)
        if len(history.counts) < self.least_hours:
            raise ValueError("only a little history")
        return self

    def restore(self, parameters: Any, history: History) -> Any:
        return self

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> Any:
        return np.ones((n_paths, horizon))


def history(hours: int = 1000) -> History:
    hour = np.arange(3, dtype=np.int64) * 400 + START
    moments = hour * MICROSECONDS
    events = Events.named(moments, moments, np.ones(3), moments, [""] * 3)
    return History(START, np.random.default_rng(1).integers(0, 9, hours).astype(float), events)


def cases(model: Any, known: History, origins: list[int], **options: Any) -> list[backtest.Case]:
    return list(backtest.cases(model, known, origins, horizon=24, n_paths=100, seed=1, **options))


def test_origins_are_the_last_ones_with_a_whole_horizon_ahead() -> None:
    assert backtest.last_origins(history(1000), 3, horizon=24) == [START + 830, START + 903, START + 976]
    assert backtest.last_origins(history(100), 5, horizon=24) == [START + 3, START + 76]
    assert backtest.last_origins(history(10), 5, horizon=24) == []


def test_a_model_sees_neither_later_hours_nor_events_entered_later() -> None:
    SEEN.clear()
    cases(Constant(), history(), [START + 500])
    [seen] = SEEN
    assert seen.origin == START + 500
    assert seen.events.known.tolist() == [START * MICROSECONDS, (START + 400) * MICROSECONDS]


def test_a_case_holds_what_came_and_unobserved_hours_stay_unknown() -> None:
    known = history()
    known.counts[510] = np.nan
    [case] = cases(Constant(), known, [START + 500])
    assert np.array_equal(case.observed, known.counts[500:524], equal_nan=True)
    assert not case.whole


def test_a_case_does_not_depend_on_which_others_are_made() -> None:
    alone = cases(SeasonalNaive(), history(), [START + 900])
    among = cases(SeasonalNaive(), history(), [START + 800, START + 900])
    assert np.array_equal(alone[0].paths, among[1].paths)


def test_an_origin_without_enough_history_is_told_and_left_out() -> None:
    refused = backtest.Refused()
    made = cases(Constant(least_hours=700), history(), [START + 600, START + 800], refused=refused)
    assert [case.origin for case in made] == [START + 800]
    assert refused.reasons == {START + 600: "only a little history"}


def test_scores_of_a_case_are_those_of_its_hours_and_of_its_total() -> None:
    paths = np.ones((200, 48)) * np.arange(200)[:, None] % 3
    found = backtest.score(backtest.Case(START, paths, np.full(48, 1.0)), (24, 48))
    assert found["crps_hourly_24"] == found["crps_hourly_48"] == pytest.approx(2 / 9, rel=0.01)
    assert found["crps_total_48"] == pytest.approx(2 * found["crps_total_24"])
    assert (found["covered_50_24"], found["covered_95_24"], found["width_95_24"]) == (1, 1, 48)


def test_a_total_with_an_unobserved_hour_is_not_scored() -> None:
    observed = np.ones(48)
    observed[30] = np.nan
    found = backtest.score(backtest.Case(START, np.ones((100, 48)), observed), (24, 48))
    assert found["crps_total_24"] == pytest.approx(0)
    assert np.isnan(found["crps_total_48"])
    assert found["crps_hourly_48"] == pytest.approx(0)
    means = backtest.summary([found, {**found, "crps_total_48": 4.0}])
    assert means["crps_total_48"] == 4


def test_point_errors_are_of_the_mean_of_the_paths_over_all_cases() -> None:
    made = cases(Constant(), History(START, np.full(1000, 3.0)), [START + 500, START + 600])
    assert backtest.point_errors(made) == pytest.approx({"mae": 2, "rmse": 2, "bias": -2, "mape": 200 / 3})
    assert np.isnan(backtest.point_errors([])["mae"])
