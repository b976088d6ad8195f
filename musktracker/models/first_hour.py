"""The first hour ahead, from what the last minutes and hours say: posts come in bursts that outlast an hour's edge.

Two numbers are predicted by linear regression from the state at an hour's start (exponentially smoothed rates of the
posts before it, time since the last post, profile, level): how many posts relative to the level, and whether any.
The counts of past hours whose two predictions were alike, scaled by the level, are what the hour may bring: a
kernel estimate of the conditional distribution (Hall, Wolff & Yao 1999). The smoothed rates are the intensities of
exponentially self-exciting processes (Hawkes 1971). A share of the draws is of a negative binomial regression on the
same state, whose errors are others (linear pool, Stone 1961): the kernel's are those of few hours, the regression's
those of its form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models.analogs import systematic
from musktracker.models.base import FloatArray, History, IntArray
from musktracker.models.count_regression import CountRegression, fit_counts
from musktracker.models.level import PRIOR, Rates

HORIZONS = (3 / 60, 10 / 60, 0.5, 2.0, 8.0, 24.0)  # hours over which rates are smoothed
MEMORY = 240  # hours after which a post no longer counts in any smoothed rate
NEEDED = 8  # hours before the origin that must be observed
DAYS = 400  # of past hours that are regressed on and drawn from
HALF_LIFE = 150.0  # days in which a past hour's weight halves
BANDWIDTH = 0.2  # of each prediction, in its own deviations
LEVEL_BANDWIDTH = 0.5  # of the log level
RIDGE = 1e-5
REGRESSION_SHARE = 0.3  # of the draws that are of the negative binomial regression
LONGEST_SILENCE = 48.0
MICROSECONDS_PER_HOUR = 3.6e9


@dataclass(frozen=True, slots=True)
class FirstHour:
    """The fitted regressions: `weights` (columns, 2), and that of the count itself, None in a fit from before it.

    `exact` is whether exact times were used (else hours alone); `settled` whether the search for the regression did,
    which a restored fit does not know.
    """

    weights: FloatArray
    exact: bool
    rows: int
    regression: CountRegression | None = None
    settled: bool = True

    def draw(self, past: States, n: int, rng: np.random.Generator) -> FloatArray:
        """Counts of the hour at the origin, (n,). Raises ValueError where the hours before it were not observed."""
        if not past.is_known[-1]:
            raise ValueError(f"the {NEEDED} hours before it were not all observed")
        if self.regression is None:
            return self._like_past_hours(past, n, rng)
        of_regression = round(REGRESSION_SHARE * n)
        drawn = self.regression.draw(past.columns[-1], float(past.level[-1]), of_regression, rng)
        return np.concatenate([drawn, self._like_past_hours(past, n - of_regression, rng)])

    def _like_past_hours(self, past: States, n: int, rng: np.random.Generator) -> FloatArray:
        usable = past.is_known[:-1] & ~np.isnan(past.counts[:-1])
        predicted = past.columns @ self.weights
        distance = (predicted[:-1][usable] - predicted[-1]) / BANDWIDTH
        level = past.level[:-1][usable]
        away = (level - past.level[-1]) / LEVEL_BANDWIDTH
        log_weights = -0.5 * ((distance**2).sum(axis=1) + away**2)
        log_weights -= np.log(2) * (past.hours[-1] - past.hours[:-1][usable]) / 24 / HALF_LIFE
        scaled = past.counts[:-1][usable] * np.exp(past.level[-1] - level)
        order = np.argsort(scaled)  # one draw from each n-th of the distribution, not of the past
        chosen = order[systematic(np.exp(log_weights[order] - log_weights.max()), n, rng)]
        return np.asarray(np.floor(scaled[chosen] + rng.random(n)))

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The fit as named arrays."""
        found: dict[str, NDArray[Any]] = {
            "first_weights": self.weights,
            "first_exact": np.array(self.exact),
            "first_rows": np.array(self.rows),
        }
        if self.regression is not None:
            found |= {"first_slopes": self.regression.slopes, "first_size": self.regression.size}
        return found

    @classmethod
    def restore(cls, parameters: Mapping[str, NDArray[Any]]) -> FirstHour:
        """The fit from its arrays."""
        regression = None
        if "first_slopes" in parameters:
            regression = CountRegression(parameters["first_slopes"], parameters["first_size"])
        return cls(
            parameters["first_weights"], bool(parameters["first_exact"]), int(parameters["first_rows"]), regression
        )


def fit_first_hour(past: States) -> FirstHour:
    """Regress the hours before an origin. Raises ValueError where too few are known."""
    usable = past.is_known & ~np.isnan(past.counts)
    columns, counts, level = past.columns[usable], past.counts[usable], np.exp(past.level[usable])
    if len(counts) < 10 * columns.shape[1]:
        raise ValueError(
            f"only {len(counts)} hours have a known level and {NEEDED} observed hours before them; "
            f"{10 * columns.shape[1]} are needed"
        )
    weights = 0.5 ** ((past.hours[-1] - past.hours[usable]) / 24 / HALF_LIFE)
    targets = np.column_stack([np.log1p(2 * counts / level), counts == 0])
    scale = np.sqrt((columns**2).mean(axis=0)) + 1e-9
    scaled = columns / scale
    squares = (scaled * weights[:, None]).T @ scaled
    ridge = RIDGE * weights.sum() * np.eye(columns.shape[1])
    slopes = np.linalg.solve(squares + ridge, (scaled * weights[:, None]).T @ targets)
    deviations = (scaled @ slopes).std(axis=0)
    regression, settled = fit_counts(columns, past.level[usable], counts, weights)
    kernel_weights = slopes / scale[:, None] / np.maximum(deviations, 1e-9)
    return FirstHour(kernel_weights, past.exact, len(counts), regression, settled)


def splice(paths: FloatArray, first: FloatArray, rng: np.random.Generator) -> None:
    """Put the first hour's draws (n,) into paths (n, horizon), the larger draws where the paths' own are larger.

    What the paths say of how the first hour goes with the later ones is kept: ensemble copula coupling (Schefzik,
    Thorarinsdottir & Gneiting 2013).
    """
    order = np.argsort(paths[:, 0] + rng.random(len(paths)))
    paths[order, 0] = np.sort(first)


class States:
    """What was known at the start of each hour of the last 400 days, and of the one at the origin.

    `hours` (n,), `counts` (n,) of the hours themselves (the last NaN), log `level` per hour (n,), `columns` (n, k) of
    the regressions, and where all is known.
    """

    def __init__(self, history: History, origin: int, profile: FloatArray, *, exact: bool) -> None:
        if exact and history.posts is None:
            raise ValueError("the fit used the exact times of posts, which this history does not have")
        self.exact = exact
        self.hours = hours = np.arange(max(history.start, origin - 24 * DAYS), origin + 1)
        span = hours[-1] - hours[0] + MEMORY
        counts = history.before(origin, span)  # the hours from hours[0] - MEMORY to the origin
        self.counts = np.append(counts, np.nan)[MEMORY:]
        rates = Rates(history, origin)
        self.level = rates.features(hours) @ (PRIOR / PRIOR.sum()) - np.log(24)
        observed = rates.observed(hours - NEEDED, hours) == NEEDED
        self.is_known = observed & ~np.isnan(self.level)
        contributions, silence = (_exact if exact else _spread)(history, origin, counts)
        smoothed = [_smoothed(contributions[k], horizon)[MEMORY:] for k, horizon in enumerate(HORIZONS)]
        self.columns = _columns(
            hours, profile, self.level, np.stack(smoothed), silence[MEMORY:], _usual(counts)[MEMORY:]
        )
        self.columns[~self.is_known] = 0.0


def _columns(
    hours: IntArray,
    profile: FloatArray,
    level: FloatArray,
    smoothed: FloatArray,
    silence: FloatArray,
    usual: FloatArray,
) -> FloatArray:
    """The columns of the regressions, their squares and products where these say more."""
    shape = np.log(profile)[hours % 24]
    relative = np.log(smoothed / np.exp(level) + 0.1)
    quiet = np.log(np.minimum(silence, LONGEST_SILENCE) + 0.02)
    _, minutes, half, two, eight, _ = relative
    phase = 2 * np.pi * (hours % 24) / 24
    columns = [
        np.ones(len(hours)), level, shape, quiet, *relative, usual - np.log1p(np.exp(level)),
        quiet**2, shape**2, minutes**2, half**2, two**2, eight**2,
        quiet * shape, quiet * eight, shape * minutes, shape * two, shape * eight, half * eight,
        *(wave(k * phase) for k in (1, 2, 3) for wave in (np.sin, np.cos)),
    ]  # fmt: skip
    return np.asarray(np.nan_to_num(np.column_stack(columns)))


def _exact(history: History, origin: int, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the posts of each hour add to the smoothed rates at its end, and the hours since the last post before each
    hour's start (and the origin)."""
    first = origin - len(counts)
    posts = history.posts if history.posts is not None else np.empty(0, dtype=np.int64)
    times = posts / MICROSECONDS_PER_HOUR - first
    times = times[(times >= 0) & (times < len(counts))]
    hour = times.astype(np.int64)
    added = [np.bincount(hour, np.exp((times - hour - 1) / h) / h, minlength=len(counts)) for h in HORIZONS]
    starts = np.arange(len(counts) + 1)
    before = np.searchsorted(times, starts)
    silence = starts - np.append(-np.inf, times)[before]
    return np.stack(added), silence


def _spread(_: History, __: int, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same where only counts are known: the posts of an hour are taken to be spread over it evenly."""
    known = np.nan_to_num(counts)
    added = [known * -np.expm1(-1 / horizon) for horizon in HORIZONS]
    starts = np.arange(len(counts) + 1)
    last = np.maximum.accumulate(np.where(known > 0, starts[1:], -np.inf))
    gap = np.concatenate([[np.inf], starts[1:] - last])
    inside = np.where(known > 0, 1 / (known + 1), 0.0)
    position = np.maximum.accumulate(np.where(known > 0, np.arange(len(known)), 0)) if len(known) else starts[:0]
    return np.stack(added), gap + np.append(0.0, inside[position])


def _smoothed(added: FloatArray, horizon: float) -> FloatArray:
    """The smoothed rate at the start of each hour and at the end of the last: decaying sums of what they added."""
    lags = min(MEMORY, int(np.ceil(10 * horizon)) + 1)
    decay = np.exp(-np.arange(lags) / horizon)
    return np.append(0.0, np.convolve(added, decay)[: len(added)])


def _usual(counts: FloatArray) -> FloatArray:
    """The mean of log(1 + count) about the same hour of the last seven days, for each hour and the one to come."""
    known = ~np.isnan(counts)
    size = len(counts) + 1
    total, number = np.zeros(size), np.zeros(size)
    logs = np.where(known, np.log1p(np.nan_to_num(counts)), 0.0)
    for lag in (24 * day + offset for day in range(1, 8) for offset in (-1, 0, 1)):
        total[lag:] += logs[: size - lag]
        number[lag:] += known[: size - lag]
    return np.asarray(total / np.maximum(number, 1))
