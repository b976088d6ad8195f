"""Stored quantiles are scored as the paths that they came from, and many scores say no more than they know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from musktracker.evaluation import calibration, scores
from musktracker.evaluation.calibration import LEVELS, Scores

Floats = NDArray[np.float64]


def paths(seed: int = 1, hours: int = 48) -> Floats:
    """Two thousand paths of overdispersed counts about a level that differs from path to path."""
    rng = np.random.default_rng(seed)
    level = rng.gamma(8, 3 / 8, (2000, 1))
    return rng.negative_binomial(0.5, 0.5 / (0.5 + level), (2000, hours)).astype(float)


def drawn_again(quantiles: NDArray[np.int64]) -> Floats:
    return calibration.likely(np.array(LEVELS), quantiles.astype(float))


def made(n: int = 40, every: int = 24, **changes: Floats) -> Scores:
    """Scores from origins some hours apart; the reference does twice as badly."""
    crps = np.random.default_rng(1).gamma(4, 1, n)
    yes = np.ones(n, dtype=bool)
    values = {"reference": 2 * crps, "crps": crps, "pit": np.linspace(0.01, 0.99, n)} | changes
    return Scores(
        np.arange(n) * every + 480_000,
        actual=np.full(n, 10.0),
        predicted=np.full(n, 12.0),
        inside={50: ~yes, 80: yes, 95: yes},
        above=~yes,
        below=~yes,
        **values,
    )


@pytest.mark.parametrize("hours", [1, 6, 24, 48])
def test_crps_of_quantiles_agrees_with_that_of_the_paths(hours: int) -> None:
    some = paths()
    total = some[:, :hours].sum(axis=1)
    again = drawn_again(calibration.quantiles(some)[1])[:, hours - 1]
    for actual in np.quantile(total, [0.001, 0.02, 0.3, 0.5, 0.9, 0.999]):
        expected = float(scores.crps(total, actual))
        assert float(scores.crps(again, actual)) == pytest.approx(expected, abs=0.01 * total.std())


def test_hours_are_kept_apart_from_the_running_total() -> None:
    some = paths()
    hours, running = calibration.quantiles(some)
    actual = np.full(48, 2.0)
    assert scores.crps(drawn_again(hours), actual) == pytest.approx(scores.crps(some, actual), abs=0.05)
    assert hours.shape == running.shape == (len(LEVELS), 48)
    assert (hours[:, 0] == running[:, 0]).all()
    assert (np.diff(running, axis=0) >= 0).all()
    assert (np.diff(running, axis=1) >= 0).all()


def test_the_ends_of_the_intervals_are_among_the_levels() -> None:
    for level in (0.5, 0.8, 0.95):
        for end in ((1 - level) / 2, (1 + level) / 2):
            assert min(abs(end - known) for known in LEVELS) < 1e-9


@pytest.mark.parametrize("hours", [1, 24])
def test_pit_of_a_calibrated_forecast_is_uniform_though_only_quantiles_are_kept(hours: int) -> None:
    again = drawn_again(calibration.quantiles(paths())[1])[:, hours - 1]
    rng = np.random.default_rng(2)
    came = paths(seed=3)[:, :hours].sum(axis=1)
    pit = [calibration.outcome(again, actual, hours, rng).pit for actual in came]
    assert scores.pit_histogram(np.array(pit)) == pytest.approx(np.full(10, 0.1), abs=0.03)


def test_an_outcome_is_what_its_scores_say() -> None:
    totals = np.arange(1001.0)
    inside = calibration.outcome(totals, 800, 24, np.random.default_rng(1))
    assert (inside.inside_50, inside.inside_80, inside.inside_95) == (False, True, True)
    assert (inside.above_95, inside.below_95) == (False, False)
    assert inside.predicted == 500
    assert inside.pit == pytest.approx(0.8, abs=0.001)
    assert inside.crps == pytest.approx(1000 * (0.8**2 - 0.8 + 1 / 3), abs=1)
    above = calibration.outcome(totals, 990, 24, np.random.default_rng(1))
    below = calibration.outcome(totals, 3, 24, np.random.default_rng(1))
    assert (above.above_95, above.below_95, below.above_95, below.below_95) == (True, False, False, True)


def test_only_horizons_that_brackets_are_asked_of_have_a_log_score() -> None:
    totals, rng = np.arange(1001.0), np.random.default_rng(1)
    assert calibration.outcome(totals, 500, 24, rng).log_score is None
    assert calibration.outcome(totals, 500, 168, rng).log_score == pytest.approx(
        scores.bracket_log_score(totals, 500)
    )


def test_skill_has_its_interval_where_enough_targets_lie_apart() -> None:
    found = calibration.summary(made(), 24)
    assert found["skill"] == pytest.approx(0.5)
    assert found["skill_lower"] == pytest.approx(0.5)
    assert found["skill_upper"] == pytest.approx(0.5)
    assert (found["n"], found["apart"], found["few"]) == (40, 40, False)


def test_of_few_targets_no_interval_is_told() -> None:
    found = calibration.summary(made(), 168)
    assert found["few"]
    assert found["apart"] == 6
    assert (found["skill_lower"], found["skill_upper"]) == (None, None)


def test_the_interval_of_a_skill_widens_with_what_neighbours_share() -> None:
    rng = np.random.default_rng(3)
    crps = np.repeat(rng.gamma(2, 1, 80), 24)  # hourly forecasts whose days are good or bad
    widths = []
    for horizon in (24, 72):
        found = calibration.summary(made(1920, every=1, crps=crps, reference=np.full(1920, 2.0)), horizon)
        widths.append(found["skill_upper"] - found["skill_lower"])
    alone = 2 * 1.96 * crps.std() / 1920**0.5 / 2  # as wide as if every forecast told something of its own
    assert min(widths) > 2 * alone


def test_scores_without_a_reference_have_no_skill() -> None:
    found = calibration.summary(made(reference=np.full(40, np.nan)), 24)
    assert (found["skill"], found["reference_crps"]) == (None, None)
    some = made()
    some.reference[:10] = np.nan
    assert calibration.summary(some, 24)["skill"] == pytest.approx(0.5)


def test_a_summary_tells_coverage_misses_bias_and_pit() -> None:
    found = calibration.summary(made(), 24)
    assert (found["coverage_50"], found["coverage_80"], found["coverage_95"]) == (0, 1, 1)
    assert (found["above_95"], found["below_95"], found["bias"]) == (0, 0, 2)
    assert found["pit"] == pytest.approx([0.1] * 10)


def test_weeks_end_with_the_last_origin_and_one_without_scores_is_empty() -> None:
    some = made(4, every=24 * 7)
    kept = {name: getattr(some, name)[[0, 3]] for name in ("origins", "actual", "predicted", "crps", "pit")}
    gap = replace(some, **kept, reference=np.array([np.nan, 4.0]))
    weeks = calibration.by_week(gap, last=int(some.origins[-1]))
    assert [week["n"] for week in weeks] == [1, 0, 0, 1]
    assert [week["crps"] for week in weeks] == [some.crps[0], None, None, some.crps[3]]
    assert [week["reference_crps"] for week in weeks] == [None, None, None, 4.0]
    assert weeks[-1]["start"] == some.origins[-1] - 167
