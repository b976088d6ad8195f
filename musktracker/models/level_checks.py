"""Whether a fitted level can be trusted: are its equations well conditioned, and are its errors those of chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musktracker.models.base import FloatArray
from musktracker.models.level import LogHar, Rates

WORST_CONDITION = 1e10  # of the equations: beyond it a solution keeps fewer than six digits
LARGEST_PERSISTENCE = 1.1  # a sum of weights beyond which weeks that follow weeks run away
LARGEST_AUTOCORRELATION = 0.25  # of the errors of days in a row
RECENT = 28  # days
DEVIATIONS = 4.0  # of a mean or a correlation that chance does not explain


@dataclass(frozen=True, slots=True)
class Checked:
    """`sound` is false where the weights themselves are not to be used; `warnings` say what is doubtful and why."""

    sound: bool
    warnings: tuple[str, ...]
    condition: float
    autocorrelation: float


def check(level: LogHar, rates: Rates, *, ridge: float, half_life: float) -> Checked:
    """Check a level against the days that it was fitted to, with the `ridge` and `half_life` of the fit."""
    if not (np.isfinite(level.weights).all() and np.isfinite(level.intercepts).all()):
        return Checked(False, ("the level's weights are no numbers; a larger level_ridge helps",), np.inf, 0.0)
    origins = np.arange(rates.end - 24, rates.start, -24)[::-1]
    features = rates.features(origins)
    errors = rates.ahead(origins)[:, 0] - level.predict(features)[:, 0]
    known = ~np.isnan(errors)
    weights = 0.5 ** ((rates.end - origins[known]) / 24 / half_life)
    centred = features[known] - weights @ features[known] / weights.sum()
    squares = (centred * weights[:, None]).T @ centred + ridge * np.eye(features.shape[1])
    condition = float(np.linalg.cond(squares))
    correlation = _autocorrelation(errors)
    said = [
        *_of_weights(level, condition),
        *_of_correlation(correlation, int(known.sum())),
        *_of_recent(errors),
    ]
    return Checked(condition < WORST_CONDITION, tuple(said), condition, correlation)


def _of_weights(level: LogHar, condition: float) -> list[str]:
    if condition >= WORST_CONDITION:
        return [
            f"the level's equations are close to singular (condition {condition:.1g}); a larger level_ridge helps"
        ]
    most = float(level.weights.sum(axis=1).max())
    if most > LARGEST_PERSISTENCE:
        return [f"the level's weights add up to {most:.2f}, so later weeks run away from it"]
    return []


def _of_correlation(correlation: float, rows: int) -> list[str]:
    if abs(correlation) <= max(LARGEST_AUTOCORRELATION, DEVIATIONS / np.sqrt(max(rows, 1))):
        return []
    return [
        f"the level's errors on days in a row are correlated ({correlation:.2f}), so it follows too late or too soon"
    ]


def _of_recent(errors: FloatArray) -> list[str]:
    """What to say where the last four weeks lay on one side of the level by more than chance."""
    recent, before = errors[-RECENT:], errors[:-RECENT]
    recent, before = recent[~np.isnan(recent)], before[~np.isnan(before)]
    if len(recent) < RECENT // 2 or len(before) < RECENT:
        return []
    mean, deviation = float(recent.mean() - before.mean()), float(before.std())
    if abs(mean) <= DEVIATIONS * deviation / np.sqrt(len(recent)):
        return []
    return [f"days of the last four weeks had {np.exp(mean):.2f} times the posts that the level expected"]


def _autocorrelation(errors: FloatArray) -> float:
    """The correlation of errors a day apart, where both are known; 0 where they do not vary."""
    pairs = np.stack([errors[:-1], errors[1:]])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if pairs.shape[1] < RECENT or not pairs.std(axis=1).all():
        return 0.0
    away = pairs - pairs.mean(axis=1, keepdims=True)
    return float((away[0] * away[1]).mean() / (away[0].std() * away[1].std()))
