"""A self-exciting process on a log-HAR level: posts bring posts, at a rate that follows the level and the day.

The intensity is base * level * profile plus a sum of exponentials after every post (Hawkes 1971), fitted by exact
maximum likelihood to the times of posts (excitation.py), the number of exponentials chosen by the Bayesian
information criterion (Schwarz 1978). Paths are made exactly, as clusters: immigrants, their children, and theirs
(Hawkes & Oakes 1974), after the children still to come of the posts before the origin.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import excitation, har, hyperparameters, steps
from musktracker.models.analogs import Analogs, features_after, find
from musktracker.models.base import Diagnostics, FloatArray, History, IntArray, SimulationWarning
from musktracker.models.excitation import Kernel
from musktracker.models.har import Foundation, Har, draw_levels
from musktracker.models.level import BLOCKS, PRIOR, WINDOW, Rates, profile

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

MICROSECONDS_PER_HOUR = 3.6e9
FIRST_GUESSES = (  # children of a post, and hours until they come, by number of components
    ((0.7, 0.15),),
    ((0.5, 0.06), (0.3, 0.6)),
    ((0.45, 0.05), (0.25, 0.3), (0.1, 6.0)),
)
RATIO_BOUNDS = (1e-4, 0.97)
DELAY_BOUNDS = (10 / 3600, 240.0)  # hours
BASE_BOUNDS = (1e-3, 10.0)
CRITICAL = 0.99  # children of a post from which on paths would not end
FEWEST_POSTS = 200
NEEDED = 24  # hours before the origin whose posts still have children to come


@dataclass(frozen=True, slots=True)
class Hawkes(hyperparameters.Hawkes, Har):
    """See its hyperparameters."""

    def fit(self, history: History) -> FittedHawkes:
        """Fit level and kernel. Raises ValueError where there is too little, or where no times of posts are given."""
        begin = time.perf_counter()
        foundation, diagnostics, _ = har.fit(replace(self, splice_first=0), history)
        events, cumulative, span = _observed(history, self)
        found = min(
            (_maximum_likelihood(events, guess) for guess in FIRST_GUESSES[: self.components]),
            key=lambda one: one.bic,
        )
        kernel = found.kernel
        if kernel.branching_ratio >= CRITICAL:
            raise ValueError(
                f"the fitted process explodes: {kernel.branching_ratio:.3f} children are expected of each post"
            )
        distance, probability = _kolmogorov_smirnov(excitation.residuals(kernel, events, cumulative))
        diagnostics = replace(
            diagnostics,
            converged=diagnostics.converged and found.converged,
            trained_on=span,
            warnings=(
                *diagnostics.warnings,
                *(() if found.converged else ("the search for the likelihood's maximum did not converge",)),
            ),
            notes=(_told(distance, probability),),
            estimates={**diagnostics.estimates, **_named(kernel, found.errors)},
            values={
                **diagnostics.values,
                "posts": len(events.times),
                "components": len(kernel.ratios),
                "branching_ratio": kernel.branching_ratio,
                "bic": found.bic,
                "iterations": found.iterations,
                "ks_distance": distance,
                "ks_probability": probability,
                "seconds": round(time.perf_counter() - begin, 3),
            },
            log_likelihood=found.log_likelihood,
        )
        return FittedHawkes(history, diagnostics, foundation, kernel, self.error_share)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedHawkes:
        """A stored fit on a newer history."""
        kernel = Kernel(float(parameters["base"]), parameters["ratios"], parameters["rates"])
        share = float(parameters["error_share"])
        return FittedHawkes(history, None, Foundation.restore(parameters), kernel, share)


@dataclass(frozen=True, slots=True)
class FittedHawkes:
    """Kernel and level as fitted; the profile and the posts are those before the origin of each simulation."""

    history: History
    diagnostics: Diagnostics | None
    foundation: Foundation
    kernel: Kernel
    error_share: float

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon), week by week: the level of a later week follows the path's own days.

        Raises ValueError where the level at the origin is not known, or no times of posts are.
        """
        analogs = find(self.history, origin, self.foundation.settings.likeness)
        shape = profile(self.history, origin, half_life=self.foundation.settings.profile_half_life)
        pending = self._children_to_come(origin, n_paths, rng)
        rates = self._immigration(analogs, analogs.now, analogs.weights, shape, n_paths, rng)
        weeks = []
        while True:
            week, pending = _clusters(self.kernel, rates, pending, rng)
            weeks.append(week)
            if WINDOW * len(weeks) >= horizon:
                paths = np.concatenate(weeks, axis=1)[:, :horizon]
                return self.foundation.with_events(paths, self.history, origin, rng)
            now = features_after(self.history, origin, np.concatenate(weeks, axis=1))
            rates = self._immigration(analogs, now, analogs.recency, shape, n_paths, rng)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The kernel, the level, and the hyperparameters."""
        own = {name: np.array(value) for name, value in asdict(self.kernel).items()}
        return {**self.foundation.parameters(), **own, "error_share": np.array(self.error_share)}

    def _immigration(
        self,
        analogs: Analogs,
        now: FloatArray,
        weights: FloatArray,
        shape: FloatArray,
        n_paths: int,
        rng: np.random.Generator,
    ) -> FloatArray:
        """Immigrants per hour, (n_paths, 168): what, with all their descendants, adds up to the level."""
        _, log_rates = draw_levels(self.foundation, analogs, now, weights, n_paths, rng, error_share=self.error_share)
        hourly = np.expm1(np.maximum(log_rates, 0)) / 24 * (1 - self.kernel.branching_ratio)
        hours = (analogs.origin + np.arange(WINDOW)) % 24
        return np.repeat(hourly, [b - a for a, b in BLOCKS], axis=1) * shape[hours]

    def _children_to_come(self, origin: int, n_paths: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Paths and times (hours after the origin) of the children that past posts still have."""
        if np.isnan(self.history.before(origin, NEEDED)).any():
            text = f"posts of the {NEEDED} hours before the origin that were not observed bring none"
            warnings.warn(text, SimulationWarning, stacklevel=3)
        ages = origin - _times(self.history)
        ages = ages[(ages > 0) & (ages < excitation.FADED / self.kernel.rates.min())]
        means = self.kernel.ratios * np.exp(-self.kernel.rates[:, None] * ages).sum(axis=1)
        number = rng.poisson(means, (n_paths, len(means)))
        paths = np.repeat(np.arange(n_paths), number.sum(axis=1))
        component = np.repeat(np.tile(np.arange(len(means)), n_paths), number.ravel())
        return paths, rng.standard_exponential(len(paths)) / self.kernel.rates[component]


@dataclass(frozen=True, slots=True)
class _Maximum:
    kernel: Kernel
    errors: FloatArray  # of base, ratios and rates, relative; NaN where they cannot be told
    log_likelihood: float
    bic: float
    converged: bool
    iterations: int


def _maximum_likelihood(events: excitation.Events, guess: tuple[tuple[float, float], ...]) -> _Maximum:
    """The most likely kernel with as many components as the guess, found in the logs of its parameters."""
    from scipy.optimize import minimize

    ratios, delays = (np.array(column) for column in zip(*guess, strict=True))
    k = len(ratios)
    base = (1 - ratios.sum()) * len(events.times) / events.exposure
    bounds = [BASE_BOUNDS, *[RATIO_BOUNDS] * k, *[(1 / DELAY_BOUNDS[1], 1 / DELAY_BOUNDS[0])] * k]
    low, high = (np.log([bound[side] for bound in bounds]) for side in (0, 1))
    start = np.clip(np.log(np.concatenate([[base], ratios, 1 / delays])), low, high)
    scale = len(events.times)

    def objective(logs: FloatArray) -> tuple[float, FloatArray]:
        values = np.exp(logs)
        value, gradient = excitation.log_likelihood(Kernel(values[0], values[1 : k + 1], values[k + 1 :]), events)
        return -value / scale, -gradient * values / scale

    tell = steps.search()

    def step(intermediate_result: OptimizeResult) -> None:
        if tell is not None:
            tell(-float(intermediate_result.fun) * scale)

    limits = list(zip(low.tolist(), high.tolist(), strict=True))
    result = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        callback=step,
        options={"maxiter": 300, "ftol": 1e-10, "gtol": 1e-6},
    )
    values, errors = np.exp(result.x), _errors(lambda logs: objective(logs)[1] * scale, result.x)
    order = np.argsort(-values[k + 1 :])
    order = np.concatenate([[0], 1 + order, k + 1 + order])
    values, errors = values[order], errors[order]
    kernel = Kernel(float(values[0]), values[1 : k + 1], values[k + 1 :])
    likelihood = -float(result.fun) * scale
    bic = len(values) * float(np.log(scale)) - 2 * likelihood
    return _Maximum(kernel, errors, likelihood, bic, bool(result.success), int(result.nit))


def _errors(gradient: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    """Standard errors from the observed information: the slope of the gradient of minus the log-likelihood."""
    step = 1e-4
    information = np.array([gradient(at + step * axis) - gradient(at - step * axis) for axis in np.eye(len(at))])
    information = (information + information.T) / (4 * step)
    try:
        variances = np.diag(np.linalg.inv(information))
    except np.linalg.LinAlgError:
        variances = np.full(len(at), np.nan)
    return np.sqrt(np.where(variances > 0, variances, np.nan))


def _observed(history: History, model: Hawkes) -> tuple[excitation.Events, FloatArray, tuple[int, int]]:
    """The events of the training, the integral of their modulation up to each, and the span of hours."""
    first = max(history.origin - 24 * model.window_days, history.start)
    hours = np.arange(first, history.origin)
    rates = Rates(history, history.origin)
    level = rates.features(hours) @ (PRIOR / PRIOR.sum())
    shape = profile(history, history.origin, half_life=model.profile_half_life)
    modulation = np.maximum(np.expm1(level), 0.01) / 24 * shape[hours % 24]
    usable = ~np.isnan(level) & ~np.isnan(history.counts[first - history.start :])
    modulation = np.where(usable, modulation, 0.0)
    edges = np.diff(np.concatenate([[False], usable, [False]]).astype(np.int8))
    starts, ends = ((np.flatnonzero(edges == sign) + first).astype(np.float64) for sign in (1, -1))
    inside, gaps, left = excitation.stretches(_times(history), starts, ends)
    if len(inside) < FEWEST_POSTS:
        raise ValueError(
            f"only {len(inside)} posts of the last {model.window_days} days lie in observed hours with a known "
            f"level; {FEWEST_POSTS} are needed"
        )
    times = _times(history)[inside]
    hour = np.minimum((times - first).astype(np.int64), len(hours) - 1)
    before = np.cumsum(modulation) - modulation
    cumulative = before[hour] + modulation[hour] * (times - first - hour)
    events = excitation.Events(times, gaps, left, modulation[hour], float(modulation.sum()))
    return events, cumulative, (first, history.origin)


def _clusters(
    kernel: Kernel, rates: FloatArray, pending: tuple[IntArray, FloatArray], rng: np.random.Generator
) -> tuple[FloatArray, tuple[IntArray, FloatArray]]:
    """Counts (n_paths, 168) of a week, and the paths and times of the children that come after it.

    `rates` (n_paths, 168) are those of the immigrants; `pending` are posts known to come, by path and time.
    """
    n_paths, hours = rates.shape
    number = rng.poisson(rates).ravel()
    cell = np.repeat(np.arange(len(number)), number)
    paths = np.concatenate([pending[0], cell // hours])
    times = np.concatenate([pending[1], cell % hours + rng.random(len(cell))])
    counts = np.zeros(n_paths * hours)
    later_paths, later_times = [], []
    shares, delays = np.cumsum(kernel.ratios) / kernel.branching_ratio, 1 / kernel.rates
    while len(paths):
        late = times >= hours
        later_paths.append(paths[late])
        later_times.append(times[late] - hours)
        paths, times = paths[~late], times[~late]
        counts += np.bincount(paths * hours + times.astype(np.int64), minlength=len(counts))
        children = rng.poisson(kernel.branching_ratio, len(paths))
        paths = np.repeat(paths, children)
        component = np.searchsorted(shares, rng.random(len(paths)))
        delay = delays[np.minimum(component, len(delays) - 1)]
        times = np.repeat(times, children) + rng.standard_exponential(len(paths)) * delay
    later = (np.concatenate([paths[:0], *later_paths]), np.concatenate([times[:0], *later_times]))
    return counts.reshape(n_paths, hours), later


def _times(history: History) -> FloatArray:
    if history.posts is None:
        raise ValueError("only counts of hours are known; a self-exciting process needs the times of the posts")
    return history.posts / MICROSECONDS_PER_HOUR


def _kolmogorov_smirnov(gaps: FloatArray) -> tuple[float, float]:
    """How far the rescaled gaps are from exponential ones, and how probable as much would be by chance."""
    from scipy.special import kolmogorov

    n = len(gaps)
    probabilities = np.sort(-np.expm1(-gaps))
    steps = np.arange(n + 1) / n
    distance = float(max((steps[1:] - probabilities).max(), (probabilities - steps[:-1]).max()))
    return distance, float(kolmogorov(distance * np.sqrt(n)))


def _told(distance: float, probability: float) -> str:
    judged = (
        "as a right model would have them" if probability >= 0.01 else "farther than a right model would have them"
    )
    return (
        f"rescaled gaps between posts lie {distance:.3f} (Kolmogorov-Smirnov) from exponential ones, {judged} "
        f"(p = {probability:.2g})"
    )


def _named(kernel: Kernel, errors: FloatArray) -> dict[str, tuple[float, float]]:
    k = len(kernel.ratios)
    found = {"base": (kernel.base, kernel.base * float(errors[0]))}
    for i, (ratio, rate) in enumerate(zip(kernel.ratios.tolist(), kernel.rates.tolist(), strict=True)):
        found[f"ratio_{i + 1}"] = (ratio, ratio * float(errors[1 + i]))
        found[f"delay_minutes_{i + 1}"] = (60 / rate, 60 / rate * float(errors[1 + k + i]))
    return found
