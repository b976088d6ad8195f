"""A seasonal ARMA process of hourly counts with Gaussian noise: the reference that other models are measured by.

SARIMAX(2,0,2)(1,0,1,24) with a mean (Box & Jenkins 1970), fitted by maximum likelihood to the last month by a Kalman
filter, for which unobserved hours are missing. Gaussian paths are made counts day by day: what lies below zero is
cut, the rest scaled so that the day's sum stays, and rounded at random to one of the two nearest whole numbers.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import hyperparameters, steps
from musktracker.models.base import Diagnostics, FloatArray, History

ORDER = (2, 0, 2)
SEASONAL_ORDER = (1, 0, 1, 24)
WEEK = 168


@dataclass(frozen=True, slots=True)
class Sarimax(hyperparameters.Sarimax):
    """See its hyperparameters."""

    def fit(self, history: History) -> FittedSarimax:
        """Fit by maximum likelihood. Raises ValueError where fewer than 14 days of hours were observed."""
        begin = time.perf_counter()
        process = _process(history, history.origin, self.window_days)
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            start = _first_guess(process)
            result = process.fit(
                start, disp=0, maxiter=self.most_steps, method="lbfgs", cov_type="opg", callback=_after_step(process)
            )
            errors = np.asarray(result.bse, dtype=np.float64)
        said = dict.fromkeys(f"{type(one.message).__name__} of the search: {one.message}" for one in caught)
        coefficients = np.asarray(result.params, dtype=np.float64)
        if not np.isfinite(coefficients).all() or not np.isfinite(result.llf):
            raise ValueError("the process has no finite estimates: the counts may be constant")
        named = zip(process.param_names, coefficients, errors, strict=True)
        diagnostics = Diagnostics(
            converged=bool(result.mle_retvals["converged"]),
            trained_on=(max(history.origin - 24 * self.window_days, history.start), history.origin),
            warnings=tuple(said),
            estimates={name: (float(value), float(error)) for name, value, error in named},
            values={
                "hours": int(np.count_nonzero(~np.isnan(process.endog))),
                "iterations": int(result.mle_retvals["iterations"]),
                "seconds": round(time.perf_counter() - begin, 3),
            },
            log_likelihood=float(result.llf),
        )
        return FittedSarimax(history, diagnostics, coefficients, self.window_days)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedSarimax:
        """A stored fit on a newer history."""
        return FittedSarimax(history, None, parameters["coefficients"], int(parameters["window_days"]))


@dataclass(frozen=True, slots=True)
class FittedSarimax:
    """The coefficients; the state at each origin is filtered from the hours before it."""

    history: History
    diagnostics: Diagnostics | None
    coefficients: FloatArray
    window_days: int

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon). Raises ValueError where fewer than 14 days of hours were observed."""
        process = _process(self.history, origin, self.window_days)
        filtered = process.filter(self.coefficients)
        hours = -(-horizon // WEEK) * WEEK  # whole weeks, so that a shorter horizon is the beginning of a longer one
        gaussian = _gaussian(filtered, hours, n_paths, rng)
        return _counts(gaussian, rng)[:, :horizon]

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The coefficients, and the window in days."""
        return {"coefficients": self.coefficients, "window_days": np.array(self.window_days)}


def _process(history: History, origin: int, window_days: int) -> Any:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    counts = history.before(origin, 24 * window_days)
    observed = int(np.count_nonzero(~np.isnan(counts)))
    least = 24 * Sarimax.fewest_days
    if observed < least:
        raise ValueError(f"only {observed} hours of the last {window_days} days were observed; {least} are needed")
    return SARIMAX(counts, order=ORDER, seasonal_order=SEASONAL_ORDER, trend="c")


def _first_guess(process: Any) -> FloatArray:
    """A persistent day and a short memory: the search's own guess is often not stationary, and then thrown away."""
    counts = process.endog[:, 0]
    ar, seasonal_ar = 0.4, 0.95
    mean = float(np.nanmean(counts)) * (1 - ar) * (1 - seasonal_ar)
    return np.array([mean, ar, 0.0, 0.0, 0.0, seasonal_ar, -0.8, 0.7 * float(np.nanvar(counts)) + 1e-6])


def _after_step(process: Any) -> Callable[[Any], None] | None:
    """What the search calls after each step, to tell how it goes; None where nobody listens."""
    tell = steps.search()
    if tell is None:
        return None

    def after(intermediate_result: Any) -> None:  # by this name scipy knows that more than the coefficients is wanted
        tell(-float(intermediate_result.fun) * len(process.endog))  # what is minimised is that of an hour

    return after


def _gaussian(filtered: Any, hours: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
    """Gaussian paths (n_paths, hours) from the filtered state on."""
    space = filtered.filter_results
    transition, selection = space.transition[..., -1], space.selection[..., -1]
    design, intercept = space.design[..., -1], space.state_intercept[..., -1]
    noise = float(np.sqrt(space.state_cov[0, 0, -1]))
    mean, covariance = filtered.predicted_state[:, -1], filtered.predicted_state_cov[..., -1]
    state = mean[:, None] + _root(covariance) @ rng.standard_normal((len(mean), n_paths))
    paths = np.empty((hours, n_paths))
    for hour in range(hours):
        paths[hour] = design[0] @ state
        state = transition @ state + intercept[:, None] + selection * (noise * rng.standard_normal(n_paths))
    return paths.T


def _root(covariance: FloatArray) -> FloatArray:
    """A square root of a covariance that may be singular."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _counts(paths: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Whole counts that keep each day's sum, or nothing where that is not above zero."""
    days = paths.reshape(len(paths), -1, 24)
    positive = np.maximum(days, 0)
    wanted, sums = np.maximum(days.sum(axis=2), 0), positive.sum(axis=2)
    factor = np.divide(wanted, sums, out=np.zeros_like(sums), where=sums > 0)
    scaled = (positive * factor[..., None]).reshape(paths.shape)
    return np.asarray(np.floor(scaled + rng.random(paths.shape)))
