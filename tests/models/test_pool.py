"""A pool draws from its components by weights that the past stretch would have chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from musktracker.models import pool
from musktracker.models.base import Diagnostics, History
from musktracker.models.pool import FittedPool, Pool
from musktracker.models.seasonal_naive import SeasonalNaive

START = 480_000
TWO = Pool(models=("har_bootstrap", "seasonal_naive"), stretch_days=28)


def made(days: int = 150, *, seed: int = 1) -> History:
    rng = np.random.default_rng(seed)
    rate = 3 * np.exp(np.sin(2 * np.pi * np.arange(24 * days) / 24))
    return History(START, rng.poisson(rate * rng.gamma(1.5, 1 / 1.5, len(rate))).astype(float))


def diagnosed(fitted: FittedPool) -> Diagnostics:
    assert fitted.diagnostics is not None
    return fitted.diagnostics


def test_weights_are_those_of_the_greatest_likelihood() -> None:
    rng = np.random.default_rng(1)
    densities = rng.random((50, 2)) ** 3
    found = pool._weights(densities, prior=0)
    grid = np.linspace(0, 1, 2001)
    best = grid[np.argmax([np.log(densities @ [share, 1 - share]).sum() for share in grid])]
    assert found[0] == pytest.approx(best, abs=2e-3)
    assert found.sum() == pytest.approx(1)


def test_a_strong_prior_leaves_equal_weights_and_a_bad_component_loses_its() -> None:
    densities = np.column_stack([np.full(40, 1.0), np.full(40, 0.01)])
    assert pool._weights(densities, prior=1e6) == pytest.approx([0.5, 0.5], abs=1e-3)
    assert pool._weights(densities, prior=0)[1] < 0.01
    assert pool._weights(densities, prior=4)[1] == pytest.approx(2 / 44, abs=0.01)


def test_the_density_is_the_kernel_smooths() -> None:
    totals = np.random.default_rng(1).normal(100, 10, 20_000)
    assert pool._density(totals, 105.0) == pytest.approx(math.exp(-0.125) / (10 * math.sqrt(2 * math.pi)), rel=0.05)
    assert pool._density(totals, 1e6) == pool.LEAST_DENSITY


def test_paths_are_shared_out_by_the_weights() -> None:
    assert pool._shares(np.array([0.5, 0.3, 0.2]), 10) == [5, 3, 2]
    assert pool._shares(np.array([1.0, 1.0, 1.0]), 100) in ([34, 33, 33], [33, 34, 33], [33, 33, 34])
    low, high = (SeasonalNaive().fit(History(START, np.full(24 * 40, count))) for count in (1.0, 9.0))
    mixed = FittedPool(low.history, None, {"low": low, "high": high}, np.array([0.25, 0.75]))
    paths = mixed.simulate(START + 24 * 40, 24, 400, np.random.default_rng(1))
    assert np.count_nonzero(paths[:, 0] == 9) == 300
    assert 0.6 < np.mean(paths[:100, 0] == 9) < 0.9  # in random order


def test_a_fit_tells_its_weights_and_what_they_rest_on() -> None:
    found = diagnosed(TWO.fit(made()))
    assert found.values["weight_har_bootstrap"] + found.values["weight_seasonal_naive"] == pytest.approx(1)
    assert found.values["totals_scored"] == 2 * len(range(0, 24 * 28 - 168 + 1, pool.SPACING))
    assert found.values["mean_log_density"] < 0


def test_weights_rest_on_nothing_after_the_origin_and_on_fits_from_before_the_stretch() -> None:
    history = made()
    origin = history.origin - 24 * 20
    counts = history.counts.copy()
    counts[origin - START :] = 1000
    cut = TWO.fit(history.until(origin))
    later = TWO.fit(History(START, counts).until(origin))
    assert np.array_equal(cut.weights, later.weights)


def test_a_component_that_cannot_be_fitted_is_left_out_and_told() -> None:
    found = Pool(stretch_days=14).fit(made())
    assert set(found.components) == {"har_bootstrap", "har_negative_binomial"}
    [warning] = diagnosed(found).warnings
    assert warning.startswith("hawkes is not in the pool: only counts of hours are known")


def test_a_pool_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="only 1 of the pooled models can be fitted: hawkes is not in the pool"):
        Pool(models=("seasonal_naive", "hawkes")).fit(made())


def test_a_short_history_has_equal_weights_and_says_so() -> None:
    found = Pool(models=TWO.models, stretch_days=84).fit(made(60))
    assert found.weights.tolist() == [0.5, 0.5]
    assert any("weights are equal, as the history before the stretch is short" in n for n in diagnosed(found).notes)


def test_origins_with_unobserved_hours_ahead_are_not_scored_and_told() -> None:
    history = made()
    counts = history.counts.copy()
    counts[-24 * 5] = np.nan
    found = diagnosed(TWO.fit(History(START, counts)))
    assert found.values["totals_scored"] < diagnosed(TWO.fit(history)).values["totals_scored"]
    assert any("could not be scored" in note for note in found.notes)
