"""Hours are negative binomial given the total of their block, of a size that maximum likelihood finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom

from musktracker.models import har_negative_binomial
from musktracker.models.base import Diagnostics, History
from musktracker.models.har_bootstrap import HarBootstrap
from musktracker.models.har_negative_binomial import HarNegativeBinomial

START = 480_000


def made(size: float, *, days: int = 200, level: float = 80.0, seed: int = 1) -> History:
    rng = np.random.default_rng(seed)
    hour = (START + np.arange(24 * days)) % 24
    rate = level / 24 * (1 + 0.8 * np.cos(2 * np.pi * (hour - 18) / 24))
    return History(START, rng.poisson(rate * rng.gamma(size, 1 / size, len(rate))).astype(float))


def diagnosed(history: History) -> Diagnostics:
    diagnostics = HarNegativeBinomial().fit(history).diagnostics
    assert diagnostics is not None
    return diagnostics


@pytest.mark.parametrize("size", [0.4, 2.0])
def test_the_size_of_the_hours_is_recovered(size: float) -> None:
    found = diagnosed(made(size, days=365)).values
    assert found["size_72_168h"] == pytest.approx(size, rel=0.15)


def test_the_likelihood_is_that_of_the_distribution() -> None:
    history = made(0.5, days=60)
    shape = np.ones(24)
    size, likelihood = har_negative_binomial._size(history, shape, 24)
    days = history.counts.reshape(-1, 24)
    mean = np.repeat(days.mean(axis=1, keepdims=True), 24, axis=1)
    assert likelihood == pytest.approx(nbinom.logpmf(days, size, size / (size + mean)).sum())
    nearby = [nbinom.logpmf(days, s, s / (s + mean)).sum() for s in (0.9 * size, 1.1 * size)]
    assert max(nearby) < likelihood


def test_hours_are_overdispersed_and_follow_the_profile() -> None:
    history = made(0.5)
    paths = (
        HarNegativeBinomial(splice_first=0).fit(history).simulate(history.origin, 168, 2000, np.random.default_rng(1))
    )
    hour = (history.origin + np.arange(168)) % 24
    assert paths[:, hour == 18].mean() > 4 * paths[:, hour == 6].mean()
    evening = paths[:, hour == 18]
    assert evening.var() > 2 * evening.mean()


def test_totals_are_those_of_the_bootstrap_on_the_same_level() -> None:
    history = made(0.5)
    totals = [
        model.fit(history).simulate(history.origin, 168, 3000, np.random.default_rng(1)).sum(axis=1)
        for model in (HarNegativeBinomial(splice_first=0), HarBootstrap(splice_first=0))
    ]
    assert totals[0].mean() == pytest.approx(totals[1].mean(), rel=0.03)
    assert totals[0].std() == pytest.approx(totals[1].std(), rel=0.2)


def test_hours_without_overdispersion_are_told() -> None:
    rng = np.random.default_rng(1)
    history = History(START, rng.binomial(6, 0.5, 24 * 100).astype(float))
    assert any("edge of what was searched" in warning for warning in diagnosed(history).warnings)


def test_unobserved_hours_enter_no_size() -> None:
    history = made(0.5, days=120)
    counts = history.counts.copy()
    counts[24 * 50 : 24 * 51] = np.nan
    shape = np.ones(24)
    found = har_negative_binomial._size(History(START, counts), shape, 24)
    kept = np.delete(history.counts.reshape(-1, 24), 50, axis=0).ravel()
    assert found == pytest.approx(har_negative_binomial._size(History(START, kept), shape, 24))
