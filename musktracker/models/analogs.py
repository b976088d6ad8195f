"""Past weeks that began like the present: which ones, how likely each is, and how the level erred in them.

Analog ensemble (Delle Monache et al. 2013, "Probabilistic Weather Prediction with an Analog Ensemble"): windows of
168 hours that began at about the origin's hour of the day weigh the more, the more recent they are and the nearer
their start was to the origin in level and in the activity of the last hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musktracker.models.base import FloatArray, History, IntArray
from musktracker.models.level import BLOCKS, PRIOR, WINDOW, WINDOWS, LogHar, Rates, log_rate

ACTIVITY_HALF_LIVES = (1.5, 8.0)  # hours over which the activity at a window's start is smoothed
ACTIVITY_FLOOR = 0.15  # of the level: below it silence is silence
LARGEST_STRETCH = 1.5  # of an error, in logs
LARGEST_VOLATILITY_RATIO = 1.6
FEWEST_WINDOWS = 20
SHARES = np.array([b - a for a, b in BLOCKS]) / WINDOW  # of the week, by block
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Likeness:
    """What makes a past window likely.

    Its weight halves in `half_life` days; `activity_bandwidth` and `level_bandwidth` are in logs; its start may
    differ from the origin by `reach` hours of the day, and lies in the last `days`.
    """

    days: int
    half_life: float
    activity_bandwidth: float
    level_bandwidth: float
    reach: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How an error of then is stretched to the present.

    The spread of the log falls as the level rises, by its power -`level_exponent` (Taylor's law), and grows with the
    deviation of the last 14 days, by its power `volatility_exponent`.
    """

    level_exponent: float
    volatility_exponent: float


@dataclass(frozen=True, slots=True)
class Analogs:
    """Past windows: first hours (n,), features (n, 6), what came by block (n, 3), relative volatility (n,).

    What came is log(1 + daily rate), as the level predicts it. `now` (1, 6) are the origin's features; `weights` hold
    all that makes a window likely, `recency` its age alone.
    """

    history: History
    origin: int
    starts: IntArray
    features: FloatArray
    observed: FloatArray
    volatility: FloatArray
    now: FloatArray
    weights: FloatArray
    recency: FloatArray

    def counts(self, drawn: IntArray) -> FloatArray:
        """The counts of some windows, (n, 168)."""
        first = self.starts[drawn] - self.history.start
        return np.lib.stride_tricks.sliding_window_view(self.history.counts, WINDOW)[first]

    def effective(self) -> float:
        """The number of equally weighted windows that would vary as much (Kish 1965)."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def draw(self, level: LogHar, weights: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
        """Indexes by stratified resampling, one from each n-th of the errors over the week, in random order."""
        order = np.argsort(self.residuals(level) @ SHARES)
        return np.asarray(rng.permutation(order[systematic(weights[order], n, rng)]))

    def residuals(self, level: LogHar) -> FloatArray:
        """How the level erred in each window, (n, 3): what came less what it expected."""
        return np.asarray(self.observed - level.predict(self.features))

    def errors(self, level: LogHar, expected: FloatArray, drawn: IntArray, spread: Spread) -> FloatArray:
        """The level's errors in the drawn windows, as they may be at `expected` (n or 1, 3), shape (n, 3).

        In units of log(1 + daily rate), a block a column.
        """
        then = level.predict(self.features)
        errors = self.residuals(level)[drawn]
        ratio = np.clip(self.volatility**spread.volatility_exponent, None, LARGEST_VOLATILITY_RATIO)
        ratio = np.maximum(ratio, 1 / LARGEST_VOLATILITY_RATIO)[drawn, None]
        stretch = errors * (ratio * np.exp(-spread.level_exponent * (expected - then[drawn])) - 1)
        return np.asarray(errors + np.clip(stretch, -LARGEST_STRETCH, LARGEST_STRETCH))


def find(history: History, origin: int, likeness: Likeness) -> Analogs:
    """The windows that can be drawn at an origin; one with an unobserved hour never is.

    Raises ValueError where the origin's level is not known or fewer than twenty windows are.
    """
    rates = Rates(history, origin)
    end = np.array([origin])
    now = rates.features(end)
    if np.isnan(now).any():
        raise ValueError("only a part of the last eight weeks before the origin was observed, too little for a level")
    starts = np.arange(max(origin - WINDOW - 24 * likeness.days, rates.start), origin - WINDOW + 1)
    starts = starts[np.abs(_hours_apart(starts, origin)) <= likeness.reach]
    starts = starts[rates.observed(starts, starts + WINDOW) == WINDOW]
    features, activity = rates.features(starts), _activity(history, rates, origin, np.append(starts, origin))
    usable = ~np.isnan(features).any(axis=1) & ~np.isnan(activity[:-1]).any(axis=1)
    starts, features = starts[usable], features[usable]
    if len(starts) < FEWEST_WINDOWS:
        raise ValueError(
            f"only {len(starts)} whole weeks that began at about the origin's hour of the day, with a known level, "
            f"were observed; {FEWEST_WINDOWS} are needed"
        )
    away = (activity[:-1][usable] - np.nan_to_num(activity[-1])) / likeness.activity_bandwidth
    level = (features - now) @ PRIOR / likeness.level_bandwidth
    alike = -0.5 * ((away**2).sum(axis=1) + level**2)
    recency = 0.5 ** ((origin - starts) / 24 / likeness.half_life)
    volatility = rates.volatility(end) / np.maximum(rates.volatility(starts), 1e-9)
    return Analogs(
        history,
        origin,
        starts,
        features,
        rates.ahead(starts),
        np.where(np.isnan(volatility), 1.0, volatility),
        now,
        recency * np.exp(alike - alike.max()),
        recency,
    )


def systematic(weights: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Indexes drawn by their weights, one from each n-th of the total (Kitagawa 1996), in ascending order."""
    cumulative = np.cumsum(weights)
    chosen = np.searchsorted(cumulative, (np.arange(n) + rng.random(n)) / n * cumulative[-1])
    return np.asarray(np.minimum(chosen, len(weights) - 1))


def smoothed(errors: FloatArray, deviation: float, rng: np.random.Generator) -> FloatArray:
    """Drawn errors (n, k), each row moved by a normal deviate of its own, and first drawn together by as much.

    The smoothed bootstrap that keeps the variance (Silverman & Young 1987): few windows are alike, and between their
    errors lie others. No error is drawn nearer to the mean than to half. The deviates of errors alike fill the normal
    distribution evenly (a Kronecker sequence, Niederreiter 1992), so that the tails of a total vary little by seed.
    """
    from scipy.special import ndtri

    variance = np.maximum(errors.var(axis=0), 1e-12)
    kept = np.sqrt(np.maximum(1 - deviation**2 / variance, 0.25))
    mean = errors.mean(axis=0)
    even = (np.arange(len(errors)) * GOLDEN + rng.random()) % 1
    deviates = np.empty((len(errors), 1))
    deviates[np.argsort(errors @ SHARES), 0] = ndtri(np.clip(even, 1e-9, 1 - 1e-9))
    return np.asarray(mean + kept * (errors - mean) + deviation * deviates)


def features_after(history: History, origin: int, paths: FloatArray) -> FloatArray:
    """The features of the level at the end of paths (n, hours) that go on from the history, (n, 6)."""
    hours = paths.shape[1]
    sums = np.cumsum(paths[:, ::-1], axis=1)
    rates, end = Rates(history, origin), np.array([origin])
    columns = []
    for days in WINDOWS.tolist():
        total = sums[:, min(24 * days, hours) - 1]
        rest = 24 * days - hours
        if rest > 0:
            total = total + np.nan_to_num(rates.daily(end - rest, end, 0.0)) * rest / 24
        columns.append(log_rate(total / days))
    return np.stack(columns, axis=1)


def _hours_apart(starts: IntArray, origin: int) -> IntArray:
    return (starts - origin + 12) % 24 - 12


def _activity(history: History, rates: Rates, origin: int, hours: IntArray) -> FloatArray:
    """The log of the smoothed rates of the last hours relative to the last week's, (n, 2); NaN where unknown."""
    first = int(hours[0]) - int(12 * ACTIVITY_HALF_LIVES[-1])
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
