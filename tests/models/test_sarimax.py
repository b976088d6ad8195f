"""The reference is the seasonal process that its library fits, its paths counts that keep each day's sum."""

from __future__ import annotations

import numpy as np
import pytest

from musktracker.models import sarimax
from musktracker.models.base import History
from musktracker.models.sarimax import FittedSarimax, Sarimax

START = 480_000
COEFFICIENTS = np.array([0.15, 0.4, 0.1, 0.1, 0.0, 0.9, -0.5, 2.0])


def made(days: int = 30, seed: int = 1) -> History:
    rng = np.random.default_rng(seed)
    rate = 3 * np.exp(np.sin(2 * np.pi * np.arange(24 * days) / 24))
    return History(START, rng.poisson(rate).astype(float))


def test_gaussian_paths_have_the_mean_and_the_spread_of_the_librarys_forecast() -> None:
    history = made()
    process = sarimax._process(history, history.origin, 30)
    filtered = process.filter(COEFFICIENTS)
    found = sarimax._gaussian(filtered, 60, 20_000, np.random.default_rng(1))
    forecast = filtered.get_forecast(60)
    assert found.mean(axis=0) == pytest.approx(forecast.predicted_mean, abs=0.06)
    assert found.std(axis=0) == pytest.approx(forecast.se_mean, rel=0.03)


def test_counts_keep_the_sum_of_each_day() -> None:
    gaussian = np.random.default_rng(1).normal(1, 3, (400, 48))
    counts = sarimax._counts(gaussian, np.random.default_rng(2))
    assert (counts >= 0).all()
    assert (counts == np.floor(counts)).all()
    wanted = np.maximum(gaussian.reshape(400, 2, 24).sum(axis=2), 0)
    found = counts.reshape(400, 2, 24).sum(axis=2)
    assert np.abs(found - wanted).max() < 12
    assert found.mean() == pytest.approx(wanted.mean(), rel=0.01)
    assert (found[wanted == 0] == 0).all()


def test_unobserved_hours_are_missing_to_the_filter() -> None:
    history = made()
    counts = history.counts.copy()
    counts[100:120] = np.nan
    fitted = FittedSarimax(History(START, counts), None, COEFFICIENTS, 30)
    paths = fitted.simulate(history.origin, 24, 500, np.random.default_rng(1))
    whole = FittedSarimax(history, None, COEFFICIENTS, 30).simulate(history.origin, 24, 500, np.random.default_rng(1))
    assert paths.mean() == pytest.approx(whole.mean(), rel=0.15)


def test_too_few_observed_hours_are_refused_in_words() -> None:
    history = made()
    counts = history.counts.copy()
    counts[: 24 * 17] = np.nan
    with pytest.raises(ValueError, match="only 312 hours of the last 30 days"):
        Sarimax().fit(History(START, counts))


def test_a_search_cut_short_is_told() -> None:
    diagnostics = Sarimax(window_days=14, most_steps=5).fit(made(14)).diagnostics
    assert diagnostics is not None
    assert not diagnostics.converged
    assert any("failed to converge" in warning for warning in diagnostics.warnings)
    assert set(diagnostics.estimates) >= {"intercept", "ar.L1", "ma.S.L24", "sigma2"}
