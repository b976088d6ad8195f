"""A linear pool: each path is one of a component's, drawn in proportion to its weight (Stone 1961).

The weights are those with which a mixture of the components' densities of the next day's and the next week's total
would have had the least logarithmic score over a stretch before the origin (Hall & Mitchell 2007), drawn a little
towards equal ones. The components that are scored there were fitted before the stretch begins.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import hyperparameters
from musktracker.models.base import Diagnostics, Fitted, FloatArray, History, Model
from musktracker.models.event_effects import is_effect
from musktracker.models.har import Har

LEADS = (24, 168)  # hours whose totals are scored
SPACING = 145  # hours between the origins of the stretch: every hour of the day gets its turn
PATHS = 300
STEPS = 500
LEAST_DENSITY = 1e-9


@dataclass(frozen=True, slots=True)
class Pool(hyperparameters.Pool):
    """See its hyperparameters."""

    def fit(self, history: History) -> FittedPool:
        """Fit the components and their weights; a component that cannot be fitted is left out, with a warning.

        Raises ValueError where fewer than two can be fitted.
        """
        begin = time.perf_counter()
        components, refused = self._components(history)
        if len(components) < 2:
            raise ValueError(f"only {len(components)} of the pooled models can be fitted: {'; '.join(refused)}")
        densities, left_out = self._densities(history, list(components))
        weights = _weights(densities, self.prior)
        told = [one.diagnostics for one in components.values() if one.diagnostics is not None]
        score = float(np.log(densities @ weights).mean()) if len(densities) else np.nan
        diagnostics = Diagnostics(
            converged=all(one.converged for one in told),
            trained_on=(min(one.trained_on[0] for one in told), history.origin),
            warnings=(*refused, *(text for one in told for text in one.warnings)),
            notes=(*left_out, *(text for one in told for text in one.notes)),
            estimates={name: found for one in told for name, found in one.estimates.items() if is_effect(name)},
            values={
                **{name: value for one in told for name, value in one.values.items() if is_effect(name)},
                **{f"weight_{name}": float(weight) for name, weight in zip(components, weights, strict=True)},
                "totals_scored": len(densities),
                "mean_log_density": score,
                "seconds": round(time.perf_counter() - begin, 3),
            },
        )
        return FittedPool(history, diagnostics, components, weights)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedPool:
        """A stored fit on a newer history."""
        components = {}
        for name in parameters["names"].tolist():
            own = {key.partition("/")[2]: value for key, value in parameters.items() if key.startswith(f"{name}/")}
            components[name] = _model(name).restore(own, history)
        return FittedPool(history, None, components, parameters["weights"])

    def _component(self, name: str) -> Model:
        model = _model(name)
        return replace(model, event_effects=self.event_effects) if isinstance(model, Har) else model

    def _components(self, history: History) -> tuple[dict[str, Fitted], list[str]]:
        components, refused = {}, []
        for name in self.models:
            try:
                components[name] = self._component(name).fit(history)
            except ValueError as reason:
                refused.append(f"{name} is not in the pool: {reason}")
        return components, refused

    def _densities(self, history: History, names: Sequence[str]) -> tuple[FloatArray, list[str]]:
        """The density that each component gave each total of the stretch, (totals, components)."""
        stretch = 24 * self.stretch_days
        earlier = history.until(history.origin - stretch)
        try:
            fits = [self._component(name).fit(earlier).parameters() for name in names]
        except ValueError as reason:
            return np.empty((0, len(names))), [
                f"weights are equal, as the history before the stretch is short: {reason}"
            ]
        rows, skipped = [], 0
        origins = range(history.origin - stretch, history.origin - LEADS[-1] + 1, SPACING)
        for origin in origins:
            observed = history.before(origin + LEADS[-1], LEADS[-1])
            if np.isnan(observed).any():
                skipped += 1
                continue
            known = history.until(origin)
            try:
                paths = [
                    _model(name).restore(fit, known).simulate(origin, LEADS[-1], PATHS, np.random.default_rng(origin))
                    for name, fit in zip(names, fits, strict=True)
                ]
            except ValueError:
                skipped += 1
                continue
            for lead in LEADS:
                total = float(observed[:lead].sum())
                rows.append([_density(one[:, :lead].sum(axis=1), total) for one in paths])
        notes = [f"{skipped} of {len(origins)} origins of the stretch could not be scored"] if skipped else []
        return np.array(rows).reshape(-1, len(names)), notes


@dataclass(frozen=True, slots=True)
class FittedPool:
    """The fitted components by name, and their weights (k,)."""

    history: History
    diagnostics: Diagnostics | None
    components: Mapping[str, Fitted]
    weights: FloatArray

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon), in random order. Raises ValueError where a component cannot forecast."""
        numbers = _shares(self.weights, n_paths)
        order = rng.permutation(n_paths)
        streams = rng.spawn(len(numbers))
        parts = [
            fitted.simulate(origin, horizon, number, stream)
            for fitted, number, stream in zip(self.components.values(), numbers, streams, strict=True)
            if number
        ]
        return np.concatenate(parts)[order]

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Names and weights, and each component's own with its name before them."""
        found: dict[str, NDArray[Any]] = {"names": np.array(list(self.components)), "weights": self.weights}
        for name, fitted in self.components.items():
            found |= {f"{name}/{key}": value for key, value in fitted.parameters().items()}
        return found


def _model(name: str) -> Model:
    from musktracker.models.registry import create

    return create(name)


def _weights(densities: FloatArray, prior: float) -> FloatArray:
    """The most likely mixture weights by expectation maximisation (Dempster, Laird & Rubin 1977)."""
    k = densities.shape[1]
    weights = np.full(k, 1 / k)
    if not len(densities):
        return weights
    for _ in range(STEPS):
        shares = densities * weights
        shares /= shares.sum(axis=1, keepdims=True)
        weights = (shares.sum(axis=0) + prior / k) / (len(densities) + prior)
    return np.asarray(weights)


def _density(totals: FloatArray, observed: float) -> float:
    """The density of a total: a Gaussian kernel smooth with Silverman's (1986) bandwidth, never quite nothing."""
    width = max(0.9 * float(totals.std()) * len(totals) ** -0.2, 0.5)
    height = float(np.exp(-0.5 * ((totals - observed) / width) ** 2).mean())
    return float(max(height / (width * math.sqrt(2 * math.pi)), LEAST_DENSITY))


def _shares(weights: FloatArray, n: int) -> list[int]:
    """Whole numbers that add up to n, by largest remainder."""
    exact = weights / weights.sum() * n
    numbers = np.floor(exact).astype(np.int64)
    numbers[np.argsort(numbers - exact, kind="stable")[: n - int(numbers.sum())]] += 1
    found: list[int] = numbers.tolist()
    return found
