"""Seasonal naive by bootstrap: the days to come are whole days of the last weeks, drawn with replacement.

A day begins at the origin's hour, so that the time of day is kept. A block bootstrap (Kuensch 1989) with blocks of a
day: no trend, no memory of the last hours, and the benchmark that every other model has to beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models import hyperparameters
from musktracker.models.base import Diagnostics, FloatArray, History


@dataclass(frozen=True, slots=True)
class SeasonalNaive(hyperparameters.SeasonalNaive):
    """See its hyperparameters."""

    def fit(self, history: History) -> FittedSeasonalNaive:
        """Nothing is estimated; raises ValueError where fewer than seven whole days were observed."""
        days = _whole_days(history, history.origin, self.window_days)
        missing = self.window_days - len(days)
        diagnostics = Diagnostics(
            converged=True,
            trained_on=(max(history.origin - 24 * self.window_days, history.start), history.origin),
            notes=(f"{missing} of the last {self.window_days} days have unobserved hours",) if missing else (),
            values={"days": len(days), "mean_day": float(days.sum(axis=1).mean())},
        )
        return FittedSeasonalNaive(history, diagnostics, self.window_days)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedSeasonalNaive:
        """The same on a newer history: only the length of the window is stored."""
        return FittedSeasonalNaive(history, None, int(parameters["window_days"]))


@dataclass(frozen=True, slots=True)
class FittedSeasonalNaive:
    """The days to draw from are those before the origin of each simulation."""

    history: History
    diagnostics: Diagnostics | None
    window_days: int

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon). Raises ValueError where fewer than seven whole days were observed."""
        days = _whole_days(self.history, origin, self.window_days)
        drawn = rng.integers(len(days), size=(-(-horizon // 24), n_paths))
        return days[drawn.T].reshape(n_paths, -1)[:, :horizon]

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The length of the window, in days."""
        return {"window_days": np.array(self.window_days)}


def _whole_days(history: History, origin: int, window_days: int) -> FloatArray:
    days = history.before(origin, 24 * window_days).reshape(window_days, 24)
    whole = days[~np.isnan(days).any(axis=1)]
    if len(whole) < SeasonalNaive.fewest_days:
        raise ValueError(
            f"only {len(whole)} of the {window_days} days before the origin were observed whole; "
            f"{SeasonalNaive.fewest_days} are needed"
        )
    return whole
