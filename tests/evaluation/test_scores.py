"""Scores equal their definitions, and tell a calibrated forecast from one that is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from musktracker.evaluation import scores

FAST = settings(max_examples=60)
COUNTS = st.integers(0, 300)
SAMPLES = arrays.arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=COUNTS)


@FAST
@given(SAMPLES, st.data())
def test_crps_is_that_of_the_reference_implementation(samples: np.ndarray, data: st.DataObject) -> None:  # type: ignore[type-arg]
    observed = data.draw(arrays.arrays(np.float64, samples.shape[1], elements=COUNTS))
    expected = scoringrules.crps_ensemble(observed, samples, m_axis=0, estimator="nrg")
    assert scores.crps(samples, observed) == pytest.approx(expected, abs=1e-9)


@FAST
@given(SAMPLES, st.data())
def test_crps_is_never_negative_and_zero_only_for_certainty_come_true(
    samples: np.ndarray,  # type: ignore[type-arg]
    data: st.DataObject,
) -> None:
    observed = data.draw(arrays.arrays(np.float64, samples.shape[1], elements=COUNTS))
    found = scores.crps(samples, observed)
    assert (found >= -1e-9).all()
    assert ((found < 1e-9) == (samples == observed).all(axis=0)).all()


def test_crps_of_what_was_not_observed_is_unknown() -> None:
    assert np.isnan(scores.crps(np.ones((3, 2)), np.array([1.0, np.nan]))).tolist() == [False, True]


@FAST
@given(SAMPLES, st.data())
def test_pit_lies_between_the_probabilities_of_less_and_of_at_most(samples: np.ndarray, data: st.DataObject) -> None:  # type: ignore[type-arg]
    observed = data.draw(arrays.arrays(np.float64, samples.shape[1], elements=COUNTS))
    found = scores.pit(samples, observed, np.random.default_rng(0))
    assert (found >= (samples < observed).mean(axis=0)).all()
    assert (found <= (samples <= observed).mean(axis=0)).all()


def test_pit_of_a_calibrated_forecast_of_counts_is_uniform() -> None:
    rng = np.random.default_rng(1)
    values = scores.pit(rng.poisson(0.7, (500, 4000)).astype(float), rng.poisson(0.7, 4000).astype(float), rng)
    assert np.histogram(values, bins=10, range=(0, 1))[0] == pytest.approx(400, abs=80)
    assert scores.pit_coverage(values, 0.5) == pytest.approx(0.5, abs=0.03)
    assert scores.pit_coverage(values, 0.95) == pytest.approx(0.95, abs=0.02)


def test_pit_coverage_falls_where_the_forecast_is_too_narrow() -> None:
    rng = np.random.default_rng(1)
    values = scores.pit(rng.normal(0, 0.5, (500, 2000)), rng.normal(0, 1, 2000), rng)
    assert scores.pit_coverage(values, 0.95) < 0.75


def test_an_interval_holds_its_share_and_coverage_counts_it() -> None:
    samples = np.arange(1001.0)[:, None].repeat(3, axis=1)
    lower, upper = scores.interval(samples, 0.9)
    assert lower == pytest.approx(50)
    assert upper == pytest.approx(950)
    assert scores.coverage(lower, upper, np.array([50.0, 951.0, np.nan])) == 0.5


@FAST
@given(arrays.arrays(np.float64, st.integers(1, 50), elements=st.integers(0, 2500)), st.sampled_from([10, 20, 40]))
def test_brackets_share_out_all_probability_and_rule_out_nothing(totals: np.ndarray, width: int) -> None:  # type: ignore[type-arg]
    found = scores.bracket_probabilities(totals, width)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0.0001 - 1e-12).all()


def test_a_certain_total_puts_nearly_all_into_its_bracket() -> None:
    found = scores.bracket_probabilities(np.full(100, 510.0))
    assert found[25] == pytest.approx(0.9901)
    assert scores.bracket_log_score(np.full(100, 510.0), 519.0) == pytest.approx(-math.log(0.9901))
    assert scores.bracket_log_score(np.full(100, 510.0), 530.0) == pytest.approx(-math.log(0.0001))


def test_the_last_bracket_has_no_end() -> None:
    assert scores.bracket_log_score(np.full(100, 9000.0), 50_000.0) == pytest.approx(-math.log(0.9901))


def test_point_errors_are_over_what_was_observed_and_percentages_over_hours_with_posts() -> None:
    found = scores.point_errors(np.array([2.0, 3.0, 1.0, 5.0]), np.array([4.0, 0.0, 2.0, np.nan]))
    assert found["mae"] == pytest.approx(2)
    assert found["rmse"] == pytest.approx(math.sqrt(14 / 3))
    assert found["bias"] == pytest.approx(0)
    assert found["mape"] == pytest.approx(50)


def test_nothing_observed_gives_no_errors() -> None:
    assert all(np.isnan(value) for value in scores.point_errors(np.ones(2), np.full(2, np.nan)).values())


def test_skill_is_the_share_of_the_score_saved() -> None:
    assert scores.skill(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == pytest.approx(0.5)
