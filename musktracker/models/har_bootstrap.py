"""Analog block bootstrap on a log-HAR level: the week to come is a past week, moved to today's level.

Past windows of 168 hours that began at about the origin's hour of the day are drawn, the likelier the more recent
they are and the more their start was like the origin in level and in the activity of the last hours (analog
ensemble, Delle Monache et al. 2013; block bootstrap, Kuensch 1989). Each is re-timed by the profile of the day and
scaled, block by block, by exp(level expected now - level expected then) (log-HAR, Corsi 2009, see level.py), so that
the error which the level made then comes along. The first hour is what bursts say of it (first_hour.py).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from musktracker.models.base import Diagnostics, FloatArray, History, IntArray, SimulationWarning
from musktracker.models.first_hour import FirstHour, fit_first_hour, splice
from musktracker.models.level import BLOCKS, PRIOR, WINDOW, WINDOWS, LogHar, Rates, fit_level, profile

ACTIVITY_HALF_LIVES = (1.5, 8.0)  # hours over which the activity at a window's start is smoothed
ACTIVITY_FLOOR = 0.15  # of the level: below it silence is silence
LARGEST_RATIO = 2.5  # by which an hour is re-timed
LARGEST_GROWTH = 1.5  # of the log level, beyond the expected one, that an error can be stretched by
FEWEST_WINDOWS = 20


@dataclass(frozen=True, slots=True)
class HarBootstrap:
    """Draws weeks of the last `analog_days`, their weight halving in `analog_half_life` days.

    `activity_bandwidth` and `level_bandwidth` are those of the likeness of two starts, in logs; `reach` is by how
    many hours of the day they may differ. `level_ridge` draws the level's weights to a smooth memory,
    `level_half_life` (days) is the regression's. `spread_exponent` says how the relative spread falls as the level
    rises (Taylor's law); `jitter` is the deviation of the log by which each path is moved. `profile_half_life` is in
    days. `splice_first` is 1 to take the first hour from its own regression, 0 to leave it as drawn.
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
    jitter: float = 0.06
    splice_first: int = 1

    def __post_init__(self) -> None:
        _check("analog_days", self.analog_days, 28, 3650)
        for name in ("analog_half_life", "level_half_life", "profile_half_life"):
            _check(name, getattr(self, name), 3, 100_000)
        for name in ("activity_bandwidth", "level_bandwidth"):
            _check(name, getattr(self, name), 0.05, 1000)
        _check("reach", self.reach, 0, 11)
        _check("level_ridge", self.level_ridge, 0, 1e12)
        _check("spread_exponent", self.spread_exponent, 0, 1)
        _check("jitter", self.jitter, 0, 1)
        _check("splice_first", self.splice_first, 0, 1)

    def fit(self, history: History) -> FittedHarBootstrap:
        """Fit level and first hour. Raises ValueError where there is too little to fit or to draw from."""
        begin = time.perf_counter()
        rates = Rates(history, history.origin)
        level = fit_level(rates, ridge=self.level_ridge, half_life=self.level_half_life)
        shape = profile(history, history.origin, half_life=self.profile_half_life)
        first = fit_first_hour(history, shape) if self.splice_first else None
        fitted = FittedHarBootstrap(history, None, self, level, first)
        windows = fitted.windows(history.origin)
        notes = [] if history.posts is not None or first is None else ["the first hour is fitted to counts of hours"]
        diagnostics = Diagnostics(
            converged=True,
            trained_on=(history.start, history.origin),
            notes=tuple(notes),
            estimates=level.estimates(),
            values={
                **level.values(),
                "windows": len(windows.starts),
                "effective_windows": windows.effective(),
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
        windows = self.windows(origin)
        shape = profile(self.history, origin, half_life=self.model.profile_half_life)
        weeks = [self._week(windows, windows.now, origin, windows.weights, shape, n_paths, rng)]
        if self.first is not None:
            self._splice(self.first, weeks[0], origin, shape, rng)
        while WINDOW * len(weeks) < horizon:
            now = _features_of(self.history, origin, np.concatenate(weeks, axis=1))
            weeks.append(self._week(windows, now, origin, windows.recency, shape, n_paths, rng))
        return np.concatenate(weeks, axis=1)[:, :horizon]

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The level, the first hour, and the hyperparameters."""
        of_first = {} if self.first is None else self.first.parameters()
        return {name: np.array(value) for name, value in asdict(self.model).items()} | (
            self.level.parameters() | of_first
        )

    def windows(self, origin: int) -> _Windows:
        """The weeks that can be drawn at an origin."""
        model, rates = self.model, Rates(self.history, origin)
        now = rates.features(np.array([origin]))
        if np.isnan(now).any():
            raise ValueError(
                "only a part of the last four weeks before the origin was observed, too little for a level"
            )
        starts = np.arange(max(origin - WINDOW - 24 * model.analog_days, rates.start), origin - WINDOW + 1)
        starts = starts[np.abs(_hours_apart(starts, origin)) <= model.reach]
        starts = starts[rates.observed(starts, starts + WINDOW) == WINDOW]
        features = rates.features(starts)
        activity = _activity(self.history, rates, origin, np.append(starts, origin))
        usable = ~np.isnan(features).any(axis=1) & ~np.isnan(activity[:-1]).any(axis=1)
        starts, features = starts[usable], features[usable]
        if len(starts) < FEWEST_WINDOWS:
            raise ValueError(
                f"only {len(starts)} whole weeks at the origin's hour of the day have a known level at their start; "
                f"{FEWEST_WINDOWS} are needed"
            )
        away = (activity[:-1][usable] - np.nan_to_num(activity[-1])) / model.activity_bandwidth
        level = (features - now) @ PRIOR / model.level_bandwidth
        recency = 0.5 ** ((origin - starts) / 24 / model.analog_half_life)
        likeness = -0.5 * ((away**2).sum(axis=1) + level**2)
        return _Windows(
            starts,
            self.history.counts[starts[:, None] - self.history.start + np.arange(WINDOW)],
            features,
            now,
            recency * np.exp(likeness - likeness.max()),
            recency,
        )

    def _week(
        self,
        windows: _Windows,
        now: FloatArray,
        origin: int,
        weights: FloatArray,
        shape: FloatArray,
        n_paths: int,
        rng: np.random.Generator,
    ) -> FloatArray:
        drawn = windows.draw(weights, n_paths, rng)
        paths = windows.counts[drawn]
        ratios = _retiming(shape, origin, self.model.reach)
        later = _hours_apart(windows.starts, origin)[drawn] + self.model.reach
        expected = self.level.predict(now) - self.level.predict(windows.features)[drawn]
        errors = windows.observed()[drawn] - self.level.predict(windows.features)[drawn]
        stretched = errors * np.expm1(-self.model.spread_exponent * expected)
        growth = expected + np.clip(stretched, -LARGEST_GROWTH, LARGEST_GROWTH)
        growth += self.model.jitter * rng.standard_normal((n_paths, 1))
        for block, (a, b) in enumerate(BLOCKS):
            before = paths[:, a:b].sum(axis=1)
            paths[:, a:b] *= ratios[later, a:b]
            after = paths[:, a:b].sum(axis=1)
            same = np.divide(before, after, out=np.ones(n_paths), where=after > 0)
            paths[:, a:b] *= (same * np.exp(growth[:, block]))[:, None]
        return np.asarray(np.floor(paths + rng.random(paths.shape)))

    def _splice(
        self, first: FirstHour, paths: FloatArray, origin: int, shape: FloatArray, rng: np.random.Generator
    ) -> None:
        try:
            drawn = first.draw(self.history, origin, shape, len(paths), rng)
        except ValueError as reason:
            text = f"the first hour is forecast like all others: {reason}"
            warnings.warn(text, SimulationWarning, stacklevel=3)
        else:
            splice(paths, drawn, rng)


@dataclass(frozen=True, slots=True)
class _Windows:
    """Past weeks: first hours (n,), counts (n, 168), features (n, 6), the origin's features (1, 6), and weights."""

    starts: IntArray
    counts: FloatArray
    features: FloatArray
    now: FloatArray
    weights: FloatArray
    recency: FloatArray

    def observed(self) -> FloatArray:
        """log(1 + daily rate) of each block, (n, 3)."""
        return np.stack([np.log1p(self.counts[:, a:b].sum(axis=1) * 24 / (b - a)) for a, b in BLOCKS], axis=1)

    def effective(self) -> float:
        """The number of equally weighted windows that would vary as much (Kish 1965)."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def draw(self, weights: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
        """Indexes by systematic resampling, which varies less than independent draws, in random order."""
        cumulative = np.cumsum(weights)
        chosen = np.searchsorted(cumulative, (np.arange(n) + rng.random(n)) / n * cumulative[-1])
        return np.asarray(rng.permutation(np.minimum(chosen, len(weights) - 1)))


def _hours_apart(starts: IntArray, origin: int) -> IntArray:
    """By how many hours each start is later in the day than the origin, -12 to 11."""
    return (starts - origin + 12) % 24 - 12


def _retiming(shape: FloatArray, origin: int, reach: int) -> FloatArray:
    """What the hours of a window are multiplied by when it began -reach..reach hours later, (2 reach + 1, 168)."""
    hours = (origin + np.arange(WINDOW)) % 24
    rows = [shape[hours] / shape[(hours + later) % 24] for later in range(-reach, reach + 1)]
    return np.asarray(np.clip(np.stack(rows), 1 / LARGEST_RATIO, LARGEST_RATIO))


def _activity(history: History, rates: Rates, origin: int, hours: IntArray) -> FloatArray:
    """The log of the smoothed rates of the last hours relative to the last week's, (n, 2)."""
    reach = int(12 * ACTIVITY_HALF_LIVES[-1])
    first = int(hours[0]) - reach
    counts = history.before(origin, origin - first)
    level = rates.daily(hours - WINDOW, hours, 0.5) / 24 + 0.05
    columns = []
    for half_life in ACTIVITY_HALF_LIVES:
        kernel = 0.5 ** (np.arange(int(12 * half_life)) / half_life)
        total = np.convolve(np.nan_to_num(counts), kernel)[hours - first - 1]
        weight = np.convolve(~np.isnan(counts), kernel)[hours - first - 1]
        smoothed = np.divide(total, weight, out=np.full(len(hours), np.nan), where=weight > 1)
        columns.append(np.log(smoothed / level + ACTIVITY_FLOOR))
    return np.stack(columns, axis=1)


def _features_of(history: History, origin: int, paths: FloatArray) -> FloatArray:
    """The features at the end of paths (n, hours), (n, 6), where they go on from the history."""
    hours = paths.shape[1]
    sums = np.cumsum(paths[:, ::-1], axis=1)
    end = np.array([origin])
    rates = Rates(history, origin)
    columns = []
    for days in WINDOWS:
        own = sums[:, min(24 * days, hours) - 1]
        rest = max(24 * int(days) - hours, 0)
        if rest:
            before = rates.daily(end - rest, end, 0.0)
            own = own + np.nan_to_num(before) * rest / 24
        columns.append(np.log1p(own / days))
    return np.stack(columns, axis=1)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least:g} to {most:g}, not {value:g}")
