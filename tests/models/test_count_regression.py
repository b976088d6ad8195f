"""The regression recovers what made the counts, and its draws are spread evenly over its distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musktracker.models import count_regression
from musktracker.models.count_regression import CountRegression, fit_counts


def made(
    n: int, slopes: NDArray[np.float64], size: NDArray[np.float64], seed: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Columns, offset and counts of a regression with these slopes and this size."""
    rng = np.random.default_rng(seed)
    columns = np.column_stack([np.ones(n), rng.standard_normal((n, len(slopes) - 1))])
    offset = rng.uniform(-0.5, 0.5, n)
    log_mean = offset + columns @ slopes
    r = np.exp(size[0] + size[1] * log_mean + size[2] * log_mean**2)
    return columns, offset, rng.poisson(np.exp(log_mean) * rng.gamma(r) / r).astype(float)


def test_slopes_and_size_that_made_the_counts_are_recovered() -> None:
    slopes, size = np.array([0.7, 0.5, -0.3]), np.array([-0.2, 0.4, 0.0])
    columns, offset, counts = made(40_000, slopes, size)
    found, settled = fit_counts(columns, offset, counts, np.ones(len(counts)))
    assert settled
    assert found.slopes == pytest.approx(slopes, abs=0.04)
    assert found.size == pytest.approx(size, abs=0.15)


def test_counts_without_weight_do_not_matter() -> None:
    columns, offset, counts = made(4000, np.array([0.7, 0.5]), np.zeros(3))
    weights = np.ones(len(counts))
    weights[2000:] = 0
    half, _ = fit_counts(columns[:2000], offset[:2000], counts[:2000], weights[:2000])
    counts[2000:] = 50
    # the columns' scale, which the ridge knows, is that of all rows
    assert fit_counts(columns, offset, counts, weights)[0].slopes == pytest.approx(half.slopes, abs=1e-3)


def test_a_search_that_does_not_end_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, offset, counts = made(1000, np.array([0.7, 0.5]), np.zeros(3))
    monkeypatch.setattr(count_regression, "STEPS", 1)
    assert not fit_counts(columns, offset, counts, np.ones(len(counts)))[1]


@pytest.mark.parametrize("counts", [np.zeros(300), np.full(300, 400.0)])
def test_counts_that_do_not_vary_are_fitted(counts: NDArray[np.float64]) -> None:
    columns = np.column_stack([np.ones(300), np.arange(300) / 300])
    found, _ = fit_counts(columns, np.zeros(300), counts, np.ones(300))
    mean, size = found.mean_and_size(columns[0], 0.0)
    assert mean == pytest.approx(min(max(float(counts[0]), 0), np.exp(6)), rel=0.1, abs=0.02)
    assert np.isfinite(size)


@given(log_mean=st.floats(-8, 8), log_size=st.floats(-6, 7), n=st.integers(1, 500), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_draws_are_whole_counts_in_order(log_mean: float, log_size: float, n: int, seed: int) -> None:
    regression = CountRegression(np.array([log_mean]), np.array([log_size, 0, 0]))
    drawn = regression.draw(np.ones(1), 0.0, n, np.random.default_rng(seed))
    assert drawn.shape == (n,)
    assert (drawn >= 0).all()
    assert (drawn == np.floor(drawn)).all()
    assert (np.diff(drawn) >= 0).all()


@pytest.mark.parametrize(("log_mean", "log_size"), [(-1.0, -2.0), (1.5, -1.0), (3.0, 2.0), (6.0, 5.0)])
def test_draws_have_the_mean_and_the_spread_of_the_distribution(log_mean: float, log_size: float) -> None:
    regression = CountRegression(np.array([log_mean]), np.array([log_size, 0, 0]))
    drawn = regression.draw(np.ones(1), 0.0, 20_000, np.random.default_rng(1))
    mean, size = np.exp(log_mean), np.exp(log_size)
    assert drawn.mean() == pytest.approx(mean, rel=0.01)
    assert drawn.var() == pytest.approx(mean + mean**2 / size, rel=0.05)
