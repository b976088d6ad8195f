"""The level of activity and its shape over the day: a log-linear HAR regression, and a profile by hour.

The log of the daily rate of the days to come is regressed on the logs of the mean daily rates of the last 1, 3, 7,
14, 28 and 56 days: the heterogeneous autoregression of Corsi (2009), "A Simple Approximate Long-Memory Model of
Realized Volatility". The weights are drawn by a ridge (Hoerl & Kennard 1970) towards a smooth memory, and older
days count less. Hours that were not observed are left out of every mean, never taken as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.models.base import FloatArray, History, IntArray

WINDOWS = np.array([1, 3, 7, 14, 28, 56])  # days
PRIOR = np.array([0.10, 0.15, 0.25, 0.20, 0.15, 0.10])
BLOCKS = ((0, 24), (24, 72), (72, 168))  # hours ahead: each has its own regression
WINDOW = 168  # hours ahead that one step of the level reaches
LEAST_SHARE = 0.75  # of a window's hours that must be observed; the next longer window stands in for it otherwise
LEAST_SHARE_LONGEST = 0.5
VOLATILE_DAYS = 14  # over which the days' own spread is taken
FEWEST_ROWS = 10
PROFILE_FLOOR = 0.02  # of the mean hour: no hour of the day is ever taken to be dead


class Rates:
    """Mean daily rates over any stretches of a history, up to an origin, from cumulative sums."""

    def __init__(self, history: History, origin: int) -> None:
        counts = history.counts[: max(origin - history.start, 0)]
        self.start = history.start
        self.end = history.start + len(counts)
        self._sums = _cumulative(np.nan_to_num(counts))
        self._observed = _cumulative(~np.isnan(counts))

    def observed(self, begin: IntArray, end: IntArray) -> FloatArray:
        """How many hours of each stretch [begin, end) were observed."""
        return self._between(self._observed, begin, end)

    def daily(self, begin: IntArray, end: IntArray, least_share: float) -> FloatArray:
        """Posts per 24 observed hours of each stretch; NaN where less than `least_share` of it was observed."""
        hours = self.observed(begin, end)
        enough = hours >= np.maximum(least_share * (end - begin), 1)
        rates = 24 * self._between(self._sums, begin, end) / np.maximum(hours, 1)
        return np.where(enough, rates, np.nan)

    def features(self, origins: IntArray) -> FloatArray:
        """What the level is regressed on, shape (n, 6): log(1 + mean daily rate) of the windows before each origin.

        A row has a NaN where the longest window was observed for less than half.
        """
        columns = [log_rate(self.daily(origins - 24 * WINDOWS[-1], origins, LEAST_SHARE_LONGEST))]
        for days in WINDOWS[-2::-1]:
            own = log_rate(self.daily(origins - 24 * days, origins, LEAST_SHARE))
            columns.append(np.where(np.isnan(own), columns[-1], own))
        return np.stack(columns[::-1], axis=1)

    def ahead(self, origins: IntArray) -> FloatArray:
        """What came, (n, 3): log(1 + daily rate) of each block after each origin; NaN where not wholly observed."""
        return np.stack([log_rate(self.daily(origins + a, origins + b, 1.0)) for a, b in BLOCKS], axis=1)

    def volatility(self, origins: IntArray) -> FloatArray:
        """The deviation of log(1 + daily rate) over the last 14 days, (n,); NaN where half of them are unknown."""
        ends = origins[:, None] - 24 * np.arange(VOLATILE_DAYS)
        days = log_rate(self.daily(ends - 24, ends, LEAST_SHARE))
        known = ~np.isnan(days)
        number = known.sum(axis=1)
        mean = np.nan_to_num(days).sum(axis=1) / np.maximum(number, 1)
        squares = np.where(known, days - mean[:, None], 0.0) ** 2
        variance = squares.sum(axis=1) / np.maximum(number, 1)
        return np.where(2 * number > VOLATILE_DAYS, np.sqrt(variance), np.nan)

    def _between(self, sums: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
        size = len(sums) - 1
        found: FloatArray = sums[np.clip(end - self.start, 0, size)] - sums[np.clip(begin - self.start, 0, size)]
        return found


@dataclass(frozen=True, slots=True)
class LogHar:
    """A fitted level: for each block an intercept and the weights of the six windows.

    `intercepts` (3,), `weights` (3, 6), `deviations` (3,) of the residuals; `errors` (3, 7) are standard errors.
    """

    intercepts: FloatArray
    weights: FloatArray
    deviations: FloatArray
    errors: FloatArray
    rows: int

    def predict(self, features: FloatArray) -> FloatArray:
        """The expected log(1 + daily rate) of each block, (n, 3), from features (n, 6)."""
        predicted: FloatArray = self.intercepts + features @ self.weights.T
        return predicted

    def parameters(self) -> dict[str, NDArray[Any]]:
        """The fit as named arrays."""
        return {
            "level_intercepts": self.intercepts,
            "level_weights": self.weights,
            "level_deviations": self.deviations,
            "level_errors": self.errors,
            "level_rows": np.array(self.rows),
        }

    @classmethod
    def restore(cls, parameters: Mapping[str, NDArray[Any]]) -> LogHar:
        """The fit from its arrays."""
        return cls(
            parameters["level_intercepts"],
            parameters["level_weights"],
            parameters["level_deviations"],
            parameters["level_errors"],
            int(parameters["level_rows"]),
        )

    def estimates(self) -> dict[str, tuple[float, float]]:
        """Each parameter with its standard error, by names such as `24-72h:7d`."""
        found = {}
        for block, (a, b) in enumerate(BLOCKS):
            values = (self.intercepts[block], *self.weights[block])
            names = ("intercept", *(f"{days}d" for days in WINDOWS))
            for name, value, error in zip(names, values, self.errors[block], strict=True):
                found[f"{a}-{b}h:{name}"] = (float(value), float(error))
        return found

    def values(self) -> dict[str, float]:
        """Deviations of the residuals by block, and the number of rows fitted to."""
        deviations = zip(BLOCKS, self.deviations, strict=True)
        return {f"residual_{a}_{b}h": float(value) for (a, b), value in deviations} | {"level_rows": self.rows}


def fit_level(rates: Rates, *, ridge: float, half_life: float) -> LogHar:
    """Regress each block on the features at every day before the end, seen from the end's hour of the day.

    `half_life` is in days, `ridge` in weighted sums of squares. Raises ValueError where too few days are known.
    """
    origins = np.arange(rates.end - 24, rates.start, -24)
    features, ahead = rates.features(origins), rates.ahead(origins)
    features_known = ~np.isnan(features).any(axis=1)
    found, rows = [], 0
    for block, (_, reach) in enumerate(BLOCKS):
        usable = features_known & ~np.isnan(ahead[:, block]) & (origins + reach <= rates.end)
        rows = int(usable.sum())
        if rows < FEWEST_ROWS:
            raise ValueError(
                f"only {rows} days have four weeks of observed hours before them and {reach} observed hours after; "
                f"{FEWEST_ROWS} are needed"
            )
        weights = 0.5 ** ((rates.end - origins[usable]) / 24 / half_life)
        found.append(_ridge(features[usable], ahead[usable, block], weights, ridge))
    intercepts, slopes, deviations, errors = (np.array(column) for column in zip(*found, strict=True))
    return LogHar(intercepts, slopes, deviations, errors, rows)


def profile(history: History, origin: int, *, half_life: float) -> FloatArray:
    """The shape of the day by UTC hour, (24,), of mean 1: recent days count more (half-life in days)."""
    counts = history.before(origin, min(int(24 * 6 * half_life), max(origin - history.start, 0)))
    age = np.arange(len(counts), 0, -1)
    hour_of_day = (origin - age) % 24
    weights = np.where(np.isnan(counts), 0, 0.5 ** (age / 24 / half_life))
    total = np.bincount(hour_of_day, weights * np.nan_to_num(counts), minlength=24)
    weight = np.bincount(hour_of_day, weights, minlength=24)
    if not (weight > 0).all() or not total.any():
        raise ValueError("only hours without posts, or not every hour of the day, were observed before the origin")
    shape = total / weight
    shape = np.maximum(shape / shape.mean(), PROFILE_FLOOR)
    return np.asarray(shape / shape.mean())


def profiles(history: History, origin: int, *, half_life: float, weeks: int) -> FloatArray:
    """The shape of the day by UTC hour about 0, 1, … weeks before the origin, (weeks + 1, 24), each of mean 1.

    Weeks before and after (but none after the origin) count the less, the farther they are (half-life in days).
    """
    hours = history.before(origin, WINDOW * (weeks + 1)).reshape(weeks + 1, 7, 24)[::-1]
    hours = np.roll(hours, origin % 24, axis=2)
    total, observed = np.nan_to_num(hours).sum(axis=1), (~np.isnan(hours)).sum(axis=1)
    middle = np.arange(weeks + 1) + 0.5
    at = np.append(0.0, np.arange(1, weeks + 1))
    kernel = 0.5 ** (7 * np.abs(at[:, None] - middle) / half_life)
    shape = (kernel @ total) / np.maximum(kernel @ observed, 1e-9)
    shape = (np.roll(shape, 1, axis=1) + 2 * shape + np.roll(shape, -1, axis=1)) / 4
    shape = np.maximum(shape / np.maximum(shape.mean(axis=1, keepdims=True), 1e-9), PROFILE_FLOOR)
    return np.asarray(shape / shape.mean(axis=1, keepdims=True))


def log_rate(rates: FloatArray) -> FloatArray:
    """log(1 + posts a day): the scale on which levels are compared."""
    return np.asarray(np.log1p(rates))


def _ridge(
    features: FloatArray, target: FloatArray, weights: FloatArray, ridge: float
) -> tuple[float, FloatArray, float, FloatArray]:
    """Intercept, slopes, residual deviation and standard errors of a regression drawn towards PRIOR."""
    share = weights / weights.sum()
    mean, target_mean = share @ features, float(share @ target)
    centred, rest = features - mean, target - target_mean
    squares = (centred * weights[:, None]).T @ centred
    inverse = np.linalg.inv(squares + ridge * np.eye(len(PRIOR)))
    slopes = PRIOR + inverse @ ((centred * weights[:, None]).T @ (rest - centred @ PRIOR))
    deviation = float(np.sqrt(share @ (rest - centred @ slopes) ** 2))
    covariance = inverse @ squares @ inverse * deviation**2
    of_intercept = deviation * np.sqrt(1 / weights.sum() + mean @ covariance @ mean)
    errors = np.concatenate([[of_intercept], np.sqrt(np.diag(covariance))])
    return target_mean - float(mean @ slopes), slopes, deviation, errors


def _cumulative(values: NDArray[Any]) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
