"""A negative binomial regression whose size follows its mean: a smooth distribution of a count by columns.

The log of the mean is an offset and linear in the columns, fitted by iteratively reweighted least squares (McCullagh
& Nelder 1989) with a ridge, under a working size; the log of the size is quadratic in the log of the mean, fitted by
maximum likelihood given the means (Hilbe 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musktracker.models.base import FloatArray

WORKING_SIZE = 0.5  # of the counts' distribution while the means are fitted
RIDGE = 1e-3  # of the mean's slopes, per unit of weight, each column in its own deviations
SIZE_RIDGE = 1e-3  # of the size's coefficients about the working size, per unit of weight
LARGEST_LOG = 6.0  # of a mean, either side of 0
SIZE_LOGS = (-4.0, 5.0)
STEPS = 25
MANY = 2000  # rows from which on every PART-th of them comes first
PART = 5  # shares no factor with 24, so that hours in a row are thinned evenly over the day
TOLERANCE = 1e-3  # of the logs of the means, and ten times as much of the sizes: root mean squares


@dataclass(frozen=True, slots=True)
class CountRegression:
    """The fitted slopes of the log mean (k,), and the coefficients of the log size (3,) on powers of the log mean."""

    slopes: FloatArray
    size: FloatArray

    def mean_and_size(self, columns: FloatArray, offset: float) -> tuple[float, float]:
        """Mean and size of one count, from its columns (k,) and the offset of its log."""
        log_mean = np.clip(offset + columns @ self.slopes, -LARGEST_LOG, LARGEST_LOG)
        return float(np.exp(log_mean)), float(_sizes(_powers(np.atleast_1d(log_mean)), self.size)[0])

    def draw(self, columns: FloatArray, offset: float, n: int, rng: np.random.Generator) -> FloatArray:
        """Counts in ascending order, (n,), one from each n-th of the distribution."""
        mean, size = self.mean_and_size(columns, offset)
        most = int(mean + 40 * np.sqrt(mean + mean**2 / size)) + 10
        k = np.arange(most)
        ratios = (k + size) / (k + 1) * mean / (size + mean)
        probabilities = np.cumprod(np.append((size / (size + mean)) ** size, ratios))
        return np.searchsorted(np.cumsum(probabilities), (np.arange(n) + rng.random(n)) / n).astype(np.float64)


def fit_counts(
    columns: FloatArray, offset: FloatArray, counts: FloatArray, weights: FloatArray
) -> tuple[CountRegression, bool]:
    """Fit to counts (n,) with columns (n, k), of which the first is 1; and whether the search settled."""
    scale = np.sqrt((columns**2).mean(axis=0)) + 1e-9
    scaled = columns / scale
    slopes, settled = _fit_means(scaled, offset, counts, weights)
    log_means = np.clip(offset + scaled @ slopes, -LARGEST_LOG, LARGEST_LOG)
    size, size_settled = _fit_size(log_means, counts, weights)
    return CountRegression(slopes / scale, size), settled and size_settled


def _fit_means(
    scaled: FloatArray, offset: FloatArray, counts: FloatArray, weights: FloatArray
) -> tuple[FloatArray, bool]:
    slopes = np.zeros(scaled.shape[1])
    slopes[0] = np.log(max(float(weights @ counts), 1e-9) / float(weights @ np.exp(offset)))
    if len(counts) >= MANY:  # a part of the rows leads close to where all lead
        part = slice(None, None, PART)
        slopes, _ = _ascend(slopes, scaled[part], offset[part], counts[part], weights[part])
    return _ascend(slopes, scaled, offset, counts, weights)


def _ascend(
    slopes: FloatArray, scaled: FloatArray, offset: FloatArray, counts: FloatArray, weights: FloatArray
) -> tuple[FloatArray, bool]:
    ridge = RIDGE * float(weights.sum())
    for _ in range(STEPS):
        means = np.exp(np.clip(offset + scaled @ slopes, -LARGEST_LOG, LARGEST_LOG))
        share = weights / (1 + means / WORKING_SIZE)
        information = (scaled * (share * means)[:, None]).T @ scaled + ridge * np.eye(len(slopes))
        step = np.linalg.solve(information, (share * (counts - means)) @ scaled - ridge * slopes)
        slopes = slopes + step
        if float(np.sqrt(np.mean((scaled @ step) ** 2))) < TOLERANCE:
            return slopes, True
    return slopes, False


def _fit_size(log_means: FloatArray, counts: FloatArray, weights: FloatArray) -> tuple[FloatArray, bool]:
    from scipy.special import digamma, zeta

    if len(counts) >= MANY:  # three coefficients need no more
        log_means, counts, weights = (column[::PART] for column in (log_means, counts, weights))
    means, powers = np.exp(log_means), _powers(log_means)
    middle = size = np.array([np.log(WORKING_SIZE), 0.0, 0.0])
    ridge = SIZE_RIDGE * float(weights.sum())
    for _ in range(STEPS):
        r = _sizes(powers, size)
        slope = digamma(counts + r) - digamma(r) + np.log(r / (r + means)) + (means - counts) / (r + means)
        bend = zeta(2, counts + r) - zeta(2, r) + 1 / r - 1 / (r + means)
        bend = bend - (means - counts) / (r + means) ** 2
        information = np.maximum(-(bend * r**2 + slope * r), 0)
        curvature = (powers * (weights * information)[:, None]).T @ powers + ridge * np.eye(len(size))
        step = np.clip(np.linalg.solve(curvature, (weights * slope * r) @ powers - ridge * (size - middle)), -1, 1)
        size = size + step
        if float(np.sqrt(np.mean((powers @ step) ** 2))) < 10 * TOLERANCE:
            return size, True
    return size, False


def _powers(log_means: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(log_means)), log_means, log_means**2])


def _sizes(powers: FloatArray, coefficients: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.clip(powers @ coefficients, *SIZE_LOGS)))
