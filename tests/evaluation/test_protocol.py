"""The protocol: which origins, which scores, which comparison, and no look at what came after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
import pytest
import scoringrules

from musktracker.evaluation import backtest, protocol, scores
from musktracker.evaluation.backtest import Case
from musktracker.evaluation.origins import of_period as origins_of
from musktracker.evaluation.protocol import Scored
from musktracker.models.base import History
from musktracker.models.seasonal_naive import SeasonalNaive
from musktracker.timeline import hour_index

START = 480_000
RNG = np.random.default_rng


@dataclass(frozen=True)
class Poisson:
    """Knows the rate; adds a bias to it."""

    name: ClassVar[str] = "poisson"
    rate: float = 4.0
    diagnostics: None = None

    def fit(self, history: History) -> Any:
        return self

    def restore(self, parameters: Any, history: History) -> Any:
        return self

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> Any:
        return rng.poisson(self.rate, (n_paths, horizon)).astype(float)


def history(days: int = 120, rate: float = 4.0) -> History:
    return History(START, RNG(1).poisson(rate, 24 * days).astype(float))


def evaluate(model: Any, known: History, *, n_paths: int = 300) -> list[Scored]:
    chosen = origins_of(START + 24 * 40, known.origin)
    return list(protocol.evaluate(model, known, chosen, n_paths=n_paths))


def case(observed: Any, paths: Any) -> Case:
    return Case(START, np.asarray(paths, dtype=float), np.asarray(observed, dtype=float))


def test_a_year_has_an_origin_every_73_hours_with_a_week_ahead_in_it() -> None:
    begin, end = (hour_index(datetime(year, 1, 1, tzinfo=UTC)) for year in (2025, 2026))
    found = origins_of(begin, end)
    assert (len(found), found[0], found[1] - found[0]) == (118, begin, 73)
    assert found[-1] + 168 <= end < found[-1] + 73 + 168


def test_every_hour_of_the_day_and_every_weekday_gets_its_turn() -> None:
    found = origins_of(0, 8760)
    assert {origin % 24 for origin in found} == set(range(24))
    assert {origin // 24 % 7 for origin in found} == set(range(7))


def test_scores_are_those_of_the_hours_and_of_the_totals() -> None:
    rng = RNG(2)
    paths, observed, past = rng.poisson(4, (500, 168)), rng.poisson(4, 168), rng.poisson(4, 96).astype(float)
    found = protocol.score(case(observed, paths), past, rng)
    hourly = scoringrules.crps_ensemble(observed, paths, m_axis=0, estimator="nrg")
    assert found.hourly == pytest.approx(hourly)
    assert found.values["hourly_168"] == pytest.approx(hourly.mean())
    assert found.values["hourly_24"] == pytest.approx(hourly[:24].mean())
    assert found.values["lead_1"] == pytest.approx(hourly[0])
    for name, hours in (("total_24", 24), ("in_play", 72), ("total_168", 168)):
        expected = scoringrules.crps_ensemble(observed[:hours].sum(), paths[:, :hours].sum(axis=1), estimator="nrg")
        assert found.values[name] == pytest.approx(expected)
        assert found.values[f"error_{name}"] == pytest.approx(
            paths[:, :hours].sum(axis=1).mean() - observed[:hours].sum()
        )
    total = float(observed.sum())
    assert found.values["log_score"] == scores.bracket_log_score(paths.sum(axis=1).astype(float), total)


def test_misses_are_told_apart_by_side() -> None:
    paths = RNG(1).poisson(4, (500, 168))
    for rate, above, below in ((8, 1, 0), (1, 0, 1), (4, 0, 0)):
        values = protocol.score(case(np.full(168, rate), paths), np.ones(96), RNG(1)).values
        assert (values["above_95_total_168"], values["below_95_total_168"]) == (above, below)
        assert values["covered_95_total_168"] == 1 - above - below
        assert values["pit_total_168"] == pytest.approx(above + 0.5 * (rate == 4), abs=0.49 * (rate == 4) + 1e-9)


def test_an_unobserved_hour_leaves_its_totals_unscored_and_the_other_hours_scored() -> None:
    observed = np.full(168, 4.0)
    observed[80] = np.nan
    found = protocol.score(case(observed, RNG(1).poisson(4, (100, 168))), np.ones(96), RNG(1)).values
    assert not np.isnan([found["total_24"], found["in_play"], found["hourly_168"]]).any()
    assert np.isnan([found["total_168"], found["log_score"], found["covered_95_total_168"]]).all()


def test_a_window_in_play_needs_its_first_96_hours() -> None:
    past = np.ones(96)
    past[3] = np.nan
    found = protocol.score(case(np.full(168, 4.0), RNG(1).poisson(4, (100, 168))), past, RNG(1)).values
    assert np.isnan(found["in_play"])
    assert not np.isnan(found["total_24"])


def test_a_calibrated_model_is_shown_as_calibrated() -> None:
    found = protocol.summary(evaluate(Poisson(), history(400)))
    assert found["hourly_covered_50"] == pytest.approx(0.5, abs=0.02)
    assert found["hourly_covered_95"] == pytest.approx(0.95, abs=0.01)
    assert found["covered_95_total_24"] == pytest.approx(0.95, abs=0.05)
    assert found["covered_50_total_168"] == pytest.approx(0.5, abs=0.15)
    assert found["mae_total_168"] < found["rmse_total_168"] < found["width_95_total_168"] / 3
    assert found["origins"] == len(origins_of(START + 24 * 40, START + 24 * 400))
    assert found["seconds"] > 0


def test_pit_is_uniform_for_a_calibrated_model_and_leans_for_a_biased_one() -> None:
    for rate, leaning in ((4.0, False), (2.5, True)):
        pit = np.concatenate([one.pit for one in evaluate(Poisson(rate), history())])
        shares = scores.pit_histogram(pit)
        assert shares.sum() == pytest.approx(1)
        assert (shares[-1] > 0.2) == leaning
        assert leaning or shares == pytest.approx(0.1, abs=0.02)


def test_scores_by_lead_are_means_over_the_origins() -> None:
    found = evaluate(Poisson(), history())
    assert protocol.by_lead(found) == pytest.approx(np.mean([one.hourly for one in found], axis=0))


def test_skill_compares_the_same_origins_alone() -> None:
    good, bad = evaluate(Poisson(), history()), evaluate(Poisson(6.0), history())
    every_third = protocol.compare(good[::3], bad, "total_168")
    assert every_third.n == len(good[::3])
    expected = protocol.column(good, "total_168")[::3].mean() / protocol.column(bad, "total_168")[::3].mean()
    assert every_third.skill == pytest.approx(1 - expected)
    assert 0 < every_third.lower < every_third.skill < every_third.upper < 1


def test_skill_without_a_common_origin_is_refused() -> None:
    found = evaluate(Poisson(), history())
    with pytest.raises(ValueError, match="no origin at which both models have a total_24"):
        protocol.compare(found[:2], found[2:], "total_24")


def test_the_interval_of_skill_holds_the_truth_and_knows_of_blocks() -> None:
    rng = RNG(3)
    inside, widths = 0, []
    for _ in range(100):
        reference = 1 + np.repeat(rng.gamma(2.0, 0.5, 40), 3)
        score = reference * 0.9 + np.repeat(rng.normal(0, 0.3, 40), 3)
        low, high = scores.skill_interval(score, reference, block=3, rng=rng, resamples=300)
        narrow = scores.skill_interval(score, reference, block=1, rng=rng, resamples=300)
        inside += low <= 0.1 <= high
        widths.append((high - low) / (narrow[1] - narrow[0]))
    assert inside >= 85
    assert np.mean(widths) > 1.2


def test_what_came_changes_no_path() -> None:
    known = history()
    origin = START + 24 * 60
    noise = known.counts.copy()
    noise[origin - START :] = RNG(5).integers(0, 500, known.origin - origin)
    made = [
        next(backtest.cases(SeasonalNaive(), one, [origin], horizon=168, n_paths=50, seed=1))
        for one in (known, History(START, noise))
    ]
    assert np.array_equal(made[0].paths, made[1].paths)
    assert not np.array_equal(made[0].observed, made[1].observed)


def test_the_same_seed_gives_the_same_scores() -> None:
    first, again = (evaluate(SeasonalNaive(), history(60)) for _ in range(2))
    assert [one.values for one in first] == [one.values for one in again]


def test_an_origin_that_a_model_refuses_is_told_and_left_out() -> None:
    refused = backtest.Refused()
    known = history(60)
    chosen = [START + 24, START + 24 * 40]
    found = list(protocol.evaluate(SeasonalNaive(), known, chosen, n_paths=100, refused=refused))
    assert [one.origin for one in found] == chosen[1:]
    assert list(refused.reasons) == chosen[:1]
