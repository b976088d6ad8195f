"""Scores of forecasts given as samples: proper scores, calibration, and errors of the point forecast.

Gneiting & Raftery (2007), "Strictly Proper Scoring Rules, Prediction, and Estimation". Of all scores lower is better.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from musktracker.models.base import FloatArray

BRACKETS = 100
UNIFORM_SHARE = 0.01


def crps(samples: FloatArray, observed: FloatArray | float) -> FloatArray:
    """Continuous ranked probability score of samples (n, ...) against what was observed (...), shape (...).

    The energy form E|X - y| - E|X - X'|/2 over the samples, its second half from the sorted samples in n log n.
    NaN where `observed` is NaN.
    """
    ordered = np.sort(samples, axis=0)
    n = len(ordered)
    weights = (2 * np.arange(n) - n + 1) / n**2
    spread = np.tensordot(weights, ordered, axes=1)
    distance: FloatArray = np.abs(ordered - observed).mean(axis=0)
    return np.asarray(distance - spread)


def interval(samples: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """The central interval of samples (n, ...) at a level such as 0.95: lower and upper bounds, shape (...)."""
    lower, upper = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(lower), np.asarray(upper)


def coverage(lower: FloatArray, upper: FloatArray, observed: FloatArray) -> float:
    """The share of observations inside their intervals, bounds included; unobserved ones are left out."""
    known = ~np.isnan(observed)
    inside = (observed >= lower) & (observed <= upper)
    return float(inside[known].mean()) if known.any() else np.nan


def pit(samples: FloatArray, observed: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Randomised probability integral transform: uniform where the forecast is calibrated, also for counts.

    A draw between P(X < y) and P(X <= y) (Czado, Gneiting & Held 2009). NaN where `observed` is NaN.
    """
    below = (samples < observed).mean(axis=0)
    at_most = (samples <= observed).mean(axis=0)
    drawn = below + rng.random(np.shape(below)) * (at_most - below)
    return np.asarray(np.where(np.isnan(observed), np.nan, drawn))


def pit_coverage(values: FloatArray, level: float) -> float:
    """The share of PIT values inside the central interval: coverage that discreteness does not inflate."""
    known = values[~np.isnan(values)]
    return float((np.abs(known - 0.5) <= level / 2).mean()) if len(known) else np.nan


def bracket_probabilities(totals: FloatArray, width: int = 20) -> FloatArray:
    """The probability of each of 100 brackets of a total: 0 to width-1, width to 2*width-1, …, the last without end.

    A Gaussian kernel smooth of the simulated totals with Silverman's (1986) bandwidth, each whole number taken as the
    interval of 1/2 around it, mixed with 1% of a uniform so that no bracket is impossible.
    """
    from scipy.special import ndtr

    inner = np.arange(1, BRACKETS) * width - 0.5
    cumulative = ndtr((inner[:, None] - totals[None, :]) / _bandwidth(totals)).mean(axis=1)
    smooth = np.diff(cumulative, prepend=0.0, append=1.0)
    return np.asarray((1 - UNIFORM_SHARE) * smooth + UNIFORM_SHARE / BRACKETS)


def bracket_log_score(totals: FloatArray, observed: float, width: int = 20) -> float:
    """Minus the log of the probability of the bracket in which the total fell."""
    bracket = min(int(observed) // width, BRACKETS - 1)
    return float(-np.log(bracket_probabilities(totals, width)[bracket]))


def point_errors(predicted: FloatArray, observed: FloatArray) -> Mapping[str, float]:
    """MAE, RMSE, bias (predicted less observed) and MAPE in percent, over what was observed.

    An hour without a post has no percentage error, so MAPE is over the hours with posts alone; NaN without any.
    """
    known = ~np.isnan(observed)
    error = (predicted - observed)[known]
    actual = observed[known]
    with_posts = actual > 0
    if not len(error):
        return dict.fromkeys(("mae", "rmse", "bias", "mape"), np.nan)
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
        "mape": float(100 * (np.abs(error[with_posts]) / actual[with_posts]).mean()) if with_posts.any() else np.nan,
    }


def skill(score: FloatArray, reference: FloatArray) -> float:
    """How much better than a reference on the same cases: 1 is perfect, 0 as good, negative worse."""
    return float(1 - np.mean(score) / np.mean(reference))


def skill_interval(
    score: FloatArray,
    reference: FloatArray,
    *,
    block: int,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> tuple[float, float]:
    """The interval of `skill` by a circular block bootstrap (Politis & Romano 1992) of the cases, in order of time.

    `block` cases in a row are drawn together, as the windows of neighbours overlap.
    """
    n = len(score)
    blocks = -(-n // block)
    starts = rng.integers(n, size=(resamples, blocks))
    drawn = ((starts[..., None] + np.arange(block)) % n).reshape(resamples, -1)[:, :n]
    skills = 1 - score[drawn].mean(axis=1) / reference[drawn].mean(axis=1)
    lower, upper = np.quantile(skills, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


def pit_histogram(values: FloatArray, bins: int = 10) -> FloatArray:
    """The share of PIT values in each of `bins` equal bins: 1 / bins each where the forecast is calibrated."""
    known = values[~np.isnan(values)]
    shares: FloatArray = np.histogram(known, bins=bins, range=(0, 1))[0] / max(len(known), 1)
    return shares


def _bandwidth(totals: FloatArray) -> float:
    quarter, three = np.quantile(totals, [0.25, 0.75])
    spread = min(float(totals.std(ddof=1)), float(three - quarter) / 1.34) if len(totals) > 1 else 0.0
    return float(max(0.9 * spread * len(totals) ** -0.2, 0.5))  # counts are whole: never narrower than half of one
