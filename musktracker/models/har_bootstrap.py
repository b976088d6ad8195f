"""Analog block bootstrap on a log-HAR level: the week to come is a past week, moved to today's level.

Past windows of 168 hours are drawn by their likeness to the present (analogs.py; block bootstrap, Kuensch 1989),
re-timed by the profile of the day and scaled, block by block, by exp(level expected now - level expected then)
(log-HAR, Corsi 2009, level.py), so that the error which the level made then comes along. The first hour is what
bursts say of it (first_hour.py).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musktracker.models.analogs import Analogs, Likeness, Spread, features_after, find
from musktracker.models.base import Diagnostics, FloatArray, History, SimulationWarning
from musktracker.models.first_hour import FirstHour, fit_first_hour, splice
from musktracker.models.level import BLOCKS, WINDOW, LogHar, Rates, fit_level, profile

LARGEST_RATIO = 2.5  # by which an hour is re-timed


@dataclass(frozen=True, slots=True)
class HarBootstrap:
    """Draws weeks of the last `analog_days`, their weight halving in `analog_half_life` days.

    `activity_bandwidth` and `level_bandwidth` are those of the likeness of two starts, in logs; `reach` is by how
    many hours of the day they may differ. `level_ridge` draws the level's weights to a smooth memory,
    `level_half_life` (days) is the regression's. `spread_exponent` and `volatility_exponent` say how the relative
    spread falls as the level rises and grows with the last days' own spread; `jitter` is the deviation of the log by
    which each path is moved. `profile_half_life` is in days. `splice_first` is 1 to take the first hour from its own
    regression, 0 to leave it as drawn.
    """

    name: ClassVar[str] = "har_bootstrap"
    analog_days: int = 900
    analog_half_life: float = 250.0
    activity_bandwidth: float = 0.4
    level_bandwidth: float = 0.7
    reach: int = 2
    level_ridge: float = 1000.0
    level_half_life: float = 400.0
    profile_half_life: float = 60.0
    spread_exponent: float = 0.2
    volatility_exponent: float = 0.15
    jitter: float = 0.06
    splice_first: int = 1

    def __post_init__(self) -> None:
        check("analog_days", self.analog_days, 28, 3650)
        for name in ("analog_half_life", "level_half_life", "profile_half_life"):
            check(name, getattr(self, name), 3, 100_000)
        for name in ("activity_bandwidth", "level_bandwidth"):
            check(name, getattr(self, name), 0.05, 1000)
        check("reach", self.reach, 0, 11)
        check("level_ridge", self.level_ridge, 0, 1e12)
        for name in ("spread_exponent", "volatility_exponent", "jitter", "splice_first"):
            check(name, getattr(self, name), 0, 1)

    @property
    def likeness(self) -> Likeness:
        """What makes a past week likely."""
        return Likeness(
            self.analog_days, self.analog_half_life, self.activity_bandwidth, self.level_bandwidth, self.reach
        )

    @property
    def spread(self) -> Spread:
        """How the errors of then are stretched to the present."""
        return Spread(self.spread_exponent, self.volatility_exponent, self.jitter)

    def fit(self, history: History) -> FittedHarBootstrap:
        """Fit level and first hour. Raises ValueError where there is too little to fit or to draw from."""
        begin = time.perf_counter()
        rates = Rates(history, history.origin)
        level = fit_level(rates, ridge=self.level_ridge, half_life=self.level_half_life)
        shape = profile(history, history.origin, half_life=self.profile_half_life)
        first = fit_first_hour(history, shape) if self.splice_first else None
        analogs = find(history, history.origin, self.likeness)
        counted = first is not None and not first.exact
        diagnostics = Diagnostics(
            converged=True,
            trained_on=(history.start, history.origin),
            notes=("the first hour is fitted to hourly counts, as no times of posts were given",) if counted else (),
            estimates=level.estimates(),
            values={
                **level.values(),
                "windows": len(analogs.starts),
                "effective_windows": round(analogs.effective(), 1),
                "first_hour_rows": first.rows if first else 0,
                "seconds": round(time.perf_counter() - begin, 3),
            },
        )
        return FittedHarBootstrap(history, diagnostics, self, level, first)

    def restore(self, parameters: Mapping[str, NDArray[Any]], history: History) -> FittedHarBootstrap:
        """A stored fit on a newer history, from which the windows are then drawn."""
        stored = {name: type(value)(parameters[name]) for name, value in asdict(HarBootstrap()).items()}
        first = FirstHour.restore(parameters) if stored["splice_first"] else None
        return FittedHarBootstrap(history, None, HarBootstrap(**stored), LogHar.restore(parameters), first)


@dataclass(frozen=True, slots=True)
class FittedHarBootstrap:
    """Level and first hour as fitted; windows and profile are those before the origin of each simulation."""

    history: History
    diagnostics: Diagnostics | None
    model: HarBootstrap
    level: LogHar
    first: FirstHour | None

    def simulate(self, origin: int, horizon: int, n_paths: int, rng: np.random.Generator) -> FloatArray:
        """Paths of shape (n_paths, horizon), week by week: the level of a later week follows the path's own days.

        Raises ValueError where too few weeks before the origin, or days just before it, were observed.
        """
        analogs = find(self.history, origin, self.model.likeness)
        shape = profile(self.history, origin, half_life=self.model.profile_half_life)
        weeks = [self._week(analogs, analogs.now, analogs.weights, shape, n_paths, rng)]
        if self.first is not None:
            splice_first(self.first, weeks[0], self.history, origin, shape, rng)
        while WINDOW * len(weeks) < horizon:
            now = features_after(self.history, origin, np.concatenate(weeks, axis=1))
            weeks.append(self._week(analogs, now, analogs.recency, shape, n_paths, rng))
        return np.concatenate(weeks, axis=1)[:, :horizon]

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The level, the first hour, and the hyperparameters."""
        of_first = {} if self.first is None else self.first.parameters()
        stored = {name: np.array(value) for name, value in asdict(self.model).items()}
        return stored | self.level.parameters() | of_first

    def _week(
        self,
        analogs: Analogs,
        now: FloatArray,
        weights: FloatArray,
        shape: FloatArray,
        n_paths: int,
        rng: np.random.Generator,
    ) -> FloatArray:
        drawn = analogs.draw(weights, n_paths, rng)
        paths = analogs.counts[drawn]
        expected = self.level.predict(now)
        wanted = expected + analogs.errors(self.level, expected, drawn, self.model.spread)
        wanted += self.model.jitter * rng.standard_normal((n_paths, 1))
        ratios = _retiming(shape, analogs.origin, self.model.reach)
        later = analogs.hours_later()[drawn] + self.model.reach
        for block, (a, b) in enumerate(BLOCKS):
            before = paths[:, a:b].sum(axis=1)
            paths[:, a:b] *= ratios[later, a:b]
            after = paths[:, a:b].sum(axis=1)
            kept = np.divide(before, after, out=np.ones(n_paths), where=after > 0)  # re-timing moves, it adds nothing
            growth = np.exp(wanted[:, block] - np.log1p(before * 24 / (b - a)))
            paths[:, a:b] *= (kept * growth)[:, None]
        return np.asarray(np.floor(paths + rng.random(paths.shape)))


def splice_first(
    first: FirstHour, paths: FloatArray, history: History, origin: int, shape: FloatArray, rng: np.random.Generator
) -> None:
    """Put the first hour's own draws into paths (n, horizon); where that cannot be, warn and leave them."""
    try:
        drawn = first.draw(history, origin, shape, len(paths), rng)
    except ValueError as reason:
        warnings.warn(f"the first hour is forecast like all others: {reason}", SimulationWarning, stacklevel=3)
    else:
        splice(paths, drawn, rng)


def check(name: str, value: float, least: float, most: float) -> None:
    """Raise ValueError, in words, for a hyperparameter that cannot be."""
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least:g} to {most:g}, not {value:g}")


def _retiming(shape: FloatArray, origin: int, reach: int) -> FloatArray:
    """What the hours of a window are multiplied by when it began -reach..reach hours later, (2 reach + 1, 168)."""
    hours = (origin + np.arange(WINDOW)) % 24
    rows = [shape[hours] / shape[(hours + later) % 24] for later in range(-reach, reach + 1)]
    return np.asarray(np.clip(np.stack(rows), 1 / LARGEST_RATIO, LARGEST_RATIO))
