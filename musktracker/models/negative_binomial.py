"""Negative binomial regression (NB2) of hourly counts on the features, simulated hour by hour.

The mean of an hour is log-linear in the features known at its start and its variance is mu + dispersion * mu^2 (Hilbe
2011, "Negative Binomial Regression"). Past counts enter as log(1 + count), as in the log-linear autoregression of
Fokianos & Tjøstheim (2011). Paths are made recursively: each drawn count becomes a feature of the hours after it.
Known events reach the hours to come by the same window as the past ones.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import hyperparameters, steps
from musktracker.models.base import Diagnostics, Events, FloatArray, History, SimulationWarning
from musktracker.models.feature_names import LAGS
from musktracker.models.features import (
    LONGEST,
    Features,
    calendar,
    compute,
    event_columns,
    events_known_at,
)
from musktracker.models.hyperparameters import MEMORY

EXPLOSION = 3.0  # no hour's rate goes beyond this multiple of the busiest hour fitted to
CLIPPED_SHARE = 0.001  # of the simulated hours held at that rate, from which on the paths are to be doubted
NEGLIGIBLE = 0.001  # of a mean hour's variance beyond that of a Poisson, below which there may be no overdispersion
ROWS_PER_COLUMN = 10  # fewer rows than this for each coefficient are not worth a fit
MEANS = {"rolling_mean_24h": 24, "rolling_mean_7d": 168}


@dataclass(frozen=True, slots=True)
class NegativeBinomial(hyperparameters.NegativeBinomial):
    """See its hyperparameters."""

    def fit(self, history: History) -> FittedNegativeBinomial:
        """Fit by maximum likelihood. Raises ValueError where there is too little, or where no finite fit exists."""
        begin = time.perf_counter()
        training = self._training(history)
        found = _maximum_likelihood(training.observed, training.design)
        parameters = zip((*training.names, "dispersion"), found.parameters, found.standard_errors, strict=True)
        diagnostics = Diagnostics(
            converged=found.converged,
            trained_on=training.span,
            warnings=(*found.warnings, *_doubts(training.names, found, float(training.observed.mean()))),
            notes=training.notes,
            estimates={name: (float(value), float(error)) for name, value, error in parameters},
            values={
                "dispersion": float(found.parameters[-1]),
                "rows": len(training.observed),
                "iterations": found.iterations,
                "seconds": round(time.perf_counter() - begin, 3),
            },
            log_likelihood=found.log_likelihood,
        )
        return FittedNegativeBinomial(
            history,
            diagnostics,
            columns=training.names,
            coefficients=found.parameters[:-1],
            dispersion=float(found.parameters[-1]),
            harmonics=self.harmonics,
            largest_rate=EXPLOSION * float(training.observed.max()),
            largest_means=training.largest_means,
        )

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedNegativeBinomial:
        """A stored fit on a newer history."""
        return FittedNegativeBinomial(
            history,
            None,
            columns=tuple(parameters["columns"].tolist()),
            coefficients=parameters["coefficients"],
            dispersion=float(parameters["dispersion"]),
            harmonics=int(parameters["harmonics"]),
            largest_rate=float(parameters["largest_rate"]),
            largest_means=parameters["largest_means"],
        )

    def _training(self, history: History) -> _Training:
        first = max(history.origin - 24 * self.window_days, history.start)
        rows = compute(history.start, history.counts, history.events, slice(first, history.origin))
        observed = history.counts[first - history.start :]
        columns = _columns(rows, self.features, self.harmonics)
        usable = ~np.isnan(np.vstack([observed, *columns.values()])).any(axis=0)
        _refuse_too_little(observed[usable], 1 + len(columns))
        varying = {name: values[usable] for name, values in columns.items() if np.ptp(values[usable]) > 0}
        constant = [name for name in columns if name not in varying]
        return _Training(
            span=(first, history.origin),
            observed=observed[usable],
            names=("intercept", *varying),
            design=np.column_stack([np.ones(np.count_nonzero(usable)), *varying.values()]),
            largest_means=np.array([_largest(rows.column(name)) for name in MEANS]),
            notes=(f"left out, as constant over the training: {', '.join(constant)}",) if constant else (),
        )


@dataclass(frozen=True, slots=True)
class _Training:
    """The hours that a regression is fitted to: counts (n,), design (n, k) with its column names."""

    span: tuple[int, int]
    observed: FloatArray
    names: tuple[str, ...]
    design: FloatArray
    largest_means: FloatArray
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FittedNegativeBinomial:
    """The coefficients, and the limits of what they were fitted to.

    `largest_rate` is where a rate is clipped; `largest_means` are the largest rolling means (24 h, 7 d) of the
    training hours: a path that leaves them behind does not raise its rate any further, so that no path runs away.
    """

    history: History
    diagnostics: Diagnostics | None
    columns: tuple[str, ...]
    coefficients: FloatArray
    dispersion: float
    harmonics: int
    largest_rate: float
    largest_means: FloatArray

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon). Raises ValueError where an hour that a feature needs is unknown."""
        weights = dict(zip(self.columns, self.coefficients.tolist(), strict=True))
        known = self.history.before(origin, LONGEST)
        _refuse_unknown(known, weights)
        recursion = _Recursion(np.nan_to_num(known), horizon, n_paths, weights, self.largest_means)
        fixed = self._fixed_part(origin, horizon)
        ceiling = np.log(self.largest_rate)
        shape = 1 / self.dispersion
        clipped = 0
        for step in range(horizon):
            predictor = recursion.predictor() + fixed[step]
            clipped += int(np.count_nonzero(predictor > ceiling))
            rate = np.exp(np.minimum(predictor, ceiling))
            recursion.append(rng.poisson(rate * (rng.standard_gamma(shape, n_paths) / shape)))
        if clipped > CLIPPED_SHARE * horizon * n_paths:
            warnings.warn(
                f"{clipped / (horizon * n_paths):.1%} of the simulated hours were held at {self.largest_rate:.0f} "
                f"posts, {EXPLOSION:g} times the busiest hour of the training: the upper bounds are to be doubted",
                SimulationWarning,
                stacklevel=2,
            )
        return recursion.paths()

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Names and values of the coefficients, the dispersion, and the limits."""
        return {
            "columns": np.array(self.columns),
            "coefficients": self.coefficients,
            "dispersion": np.array(self.dispersion),
            "harmonics": np.array(self.harmonics),
            "largest_rate": np.array(self.largest_rate),
            "largest_means": self.largest_means,
        }

    def _fixed_part(self, origin: int, horizon: int) -> FloatArray:
        """What the intercept, the calendar and the known events add to the predictor of each hour to come."""
        hours = np.arange(origin, origin + horizon)
        hour_of_day, day_of_week, is_weekend = calendar(hours)
        intensity, number = event_columns(hours, self._events(origin))
        columns = {"intercept": np.ones(horizon)}
        columns |= _calendar_columns(hour_of_day, day_of_week, is_weekend, self.harmonics)
        columns |= _event_columns(intensity, number)
        total = np.zeros(horizon)
        for name, weight in zip(self.columns, self.coefficients.tolist(), strict=True):
            if name not in MEMORY:
                total += weight * columns[name]
        return total

    def _events(self, origin: int) -> Events:
        events = self.history.events
        return events if origin >= self.history.origin else events_known_at(events, origin)


class _Recursion:
    """The counts of all paths, hour after hour, and the running sums that the rolling means need."""

    def __init__(
        self, known: FloatArray, horizon: int, n_paths: int, weights: Mapping[str, float], largest_means: FloatArray
    ) -> None:
        self._counts = np.empty((len(known) + horizon, n_paths))
        self._logs = np.empty_like(self._counts)
        self._counts[: len(known)] = known[:, None]
        self._logs[: len(known)] = np.log1p(known)[:, None]
        self._now = len(known)
        self._lags = [(lag, weights[name]) for name, lag in LAGS.items() if name in weights]
        largest = dict(zip(MEANS, largest_means.tolist(), strict=True))
        self._means = [(width, weights[name], largest[name]) for name, width in MEANS.items() if name in weights]
        self._sums = {width: self._counts[self._now - width : self._now].sum(axis=0) for width, _, _ in self._means}

    def predictor(self) -> FloatArray:
        """What the past adds to the predictor of the next hour, for each path."""
        total = np.zeros(self._counts.shape[1])
        for lag, weight in self._lags:
            total += weight * self._logs[self._now - lag]
        for width, weight, largest in self._means:
            total += weight * np.log1p(np.minimum(self._sums[width] / width, largest))
        return total

    def append(self, counts: NDArray[Any]) -> None:
        """Take the next hour's counts, one for each path."""
        self._counts[self._now] = counts
        self._logs[self._now] = np.log1p(counts)
        for width in self._sums:
            self._sums[width] += self._counts[self._now] - self._counts[self._now - width]
        self._now += 1

    def paths(self) -> FloatArray:
        """What was appended, shape (n_paths, horizon)."""
        return np.ascontiguousarray(self._counts[LONGEST:].T)


@dataclass(frozen=True, slots=True)
class _Maximum:
    """The end of a search: parameters (the dispersion last), standard errors, and what was said on the way."""

    parameters: FloatArray
    standard_errors: FloatArray
    log_likelihood: float
    converged: bool
    iterations: int
    warnings: tuple[str, ...]


def _maximum_likelihood(observed: FloatArray, design: FloatArray) -> _Maximum:
    """Newton's method; where that does not converge BFGS, and the warnings say so."""
    found = _search(observed, design, "newton")
    if not found.converged or not _is_proper(found):
        again = _search(observed, design, "bfgs")
        doubt = "Newton's method did not converge; these are the estimates of BFGS"
        if not again.converged:
            doubt = "Neither Newton's method nor BFGS converged: do not rely on these estimates"
        found = _Maximum(
            again.parameters,
            again.standard_errors,
            again.log_likelihood,
            again.converged,
            again.iterations,
            (doubt, *again.warnings),
        )
    if not _is_proper(found):
        raise ValueError(
            "the regression has no finite estimates: the counts may be too few, or features may depend on each other"
        )
    return found


def _search(observed: FloatArray, design: FloatArray, method: str) -> _Maximum:
    from statsmodels.discrete.discrete_model import NegativeBinomial as Regression

    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            regression, tell = Regression(observed, design), steps.search()

            def step(parameters: FloatArray) -> None:
                if tell is not None:
                    tell(float(regression.loglike(parameters)))

            result = regression.fit(method=method, maxiter=300, disp=0, callback=step)
            errors = np.asarray(result.bse, dtype=np.float64)
            likelihood = float(result.llf)  # worked out only when it is asked for
        except (np.linalg.LinAlgError, FloatingPointError) as error:
            nothing = np.full(design.shape[1] + 1, np.nan)
            return _Maximum(nothing, nothing, np.nan, False, 0, (f"{method} failed: {error}",))
    outcome = result.mle_retvals
    said = dict.fromkeys(f"{type(w.message).__name__} of the search: {w.message}" for w in caught)
    return _Maximum(
        np.asarray(result.params, dtype=np.float64),
        errors,
        likelihood,
        bool(outcome["converged"]),
        int(outcome.get("iterations") or outcome.get("fcalls") or 0),
        tuple(said),
    )


def _is_proper(found: _Maximum) -> bool:
    finite = bool(np.isfinite(found.parameters).all()) and bool(np.isfinite(found.log_likelihood))
    return finite and bool(found.parameters[-1] > 0)


def _doubts(names: tuple[str, ...], found: _Maximum, mean: float) -> list[str]:
    doubts = []
    known = np.isfinite(found.standard_errors)
    unknown = [name for name, is_known in zip((*names, "dispersion"), known, strict=True) if not is_known]
    if unknown:
        doubts.append(
            f"no standard error could be computed for {', '.join(unknown)}: features may depend on each other, or "
            "the counts may not be overdispersed"
        )
    elif found.parameters[-1] * mean < NEGLIGIBLE:
        doubts.append(
            f"the dispersion is all but zero, {found.parameters[-1]:.1g}: the counts may not be overdispersed"
        )
    return doubts


def _columns(rows: Features, features: tuple[str, ...], harmonics: int) -> dict[str, FloatArray]:
    """The columns of the regression but the intercept, (n,) each, by name."""
    available = {name: np.log1p(rows.column(name)) for name in MEMORY}
    available |= _calendar_columns(rows.hour_of_day, rows.day_of_week, rows.is_weekend, harmonics)
    available |= _event_columns(rows.event_intensity, rows.events_in_window)
    return {name: values for name, values in available.items() if name.partition(":")[0] in features}


def _calendar_columns(
    hour_of_day: NDArray[Any], day_of_week: NDArray[Any], is_weekend: NDArray[Any], harmonics: int
) -> dict[str, FloatArray]:
    columns = _harmonics("hour_of_day", hour_of_day / 24, harmonics)
    columns |= _harmonics("day_of_week", day_of_week / 7, 3)
    return columns | {"is_weekend": is_weekend.astype(np.float64)}


def _harmonics(name: str, phase: FloatArray, pairs: int) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for k in range(1, pairs + 1):
        columns[f"{name}:sin{k}"] = np.sin(2 * np.pi * k * phase)
        columns[f"{name}:cos{k}"] = np.cos(2 * np.pi * k * phase)
    return columns


def _event_columns(intensity: FloatArray, number: NDArray[Any]) -> dict[str, FloatArray]:
    return {"event_intensity": intensity, "events_in_window": np.log1p(number)}


def _largest(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else np.inf


def _refuse_too_little(observed: FloatArray, n_columns: int) -> None:
    needed = max(ROWS_PER_COLUMN * n_columns, LONGEST)
    if len(observed) < needed:
        raise ValueError(
            f"only {len(observed)} hours have all their features, {needed} are needed: the first week of a history "
            "and the week after each hole give none"
        )
    if np.count_nonzero(observed) < n_columns:
        raise ValueError(f"only {np.count_nonzero(observed)} hours of the training have a post")


def _refuse_unknown(known: FloatArray, weights: Mapping[str, float]) -> None:
    needed = {name: (LAGS[name], 1) for name in LAGS} | {name: (width, width) for name, width in MEANS.items()}
    for name, (back, width) in needed.items():
        begin = len(known) - back
        missing = int(np.isnan(known[begin : begin + width]).sum())
        if name in weights and missing:
            raise ValueError(f"{name} at the origin needs {missing} hours that were not observed")
