"""How forecasts came out: scores of stored quantiles, and what many of them say together.

A forecast is kept as quantiles, from which equally likely counts are drawn again (`likely`): the scores of samples
apply to them as they do to paths. Dawid (1984), "Statistical Theory: The Prequential Approach", is why forecasts are
judged one by one as their hours complete, by what was known when each was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musktracker.evaluation import scores
from musktracker.evaluation.evidence import spells, too_few
from musktracker.models.base import FloatArray, IntArray

LEVELS = (0.005, *(k / 40 for k in range(1, 40)), 0.995)  # with the ends of the 50, 80 and 95% intervals
HORIZONS = (1, 6, 24, 72, 168)
LIKELY = 2000  # as many as a forecast has paths, so that kernel smooths of either are alike
BRACKETS_FROM = 48  # hours: the shortest total that brackets are asked of
BINS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the forecast of a total came out; `log_score` is None where no brackets are asked of its horizon."""

    predicted: float
    crps: float
    log_score: float | None
    pit: float
    inside_50: bool
    inside_80: bool
    inside_95: bool
    above_95: bool
    below_95: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of forecasts of one horizon, in order of their origins: arrays of one length.

    `origins` are hours since the epoch; `reference` is NaN where there was none.
    """

    origins: IntArray
    actual: FloatArray
    predicted: FloatArray
    crps: FloatArray
    reference: FloatArray
    pit: FloatArray
    inside: dict[int, NDArray[np.bool_]]
    above: NDArray[np.bool_]
    below: NDArray[np.bool_]


def quantiles(paths: FloatArray) -> tuple[IntArray, IntArray]:
    """Quantiles of paths (n_paths, horizon) at LEVELS, (levels, horizon): of each hour, and of the running total.

    Each is a count that a path has (the inverse of the empirical distribution).
    """
    hours, running = (
        np.rint(np.quantile(one, LEVELS, axis=0, method="inverted_cdf")).astype(np.int64)
        for one in (paths, paths.cumsum(axis=1))
    )
    return hours, running


def likely(levels: FloatArray, values: FloatArray, n: int = LIKELY) -> FloatArray:
    """Equally likely whole counts (n, ...) of a distribution known by quantiles `values` (levels, ...).

    Linear between the levels; nothing lies beyond the outermost ones.
    """
    at = (np.arange(n) + 0.5) / n
    above = np.clip(np.searchsorted(levels, at), 1, len(levels) - 1)
    share = np.clip((at - levels[above - 1]) / (levels[above] - levels[above - 1]), 0, 1)
    share = share.reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(np.rint(values[above - 1] + share * (values[above] - values[above - 1])))


def outcome(totals: FloatArray, actual: float, horizon: int, rng: np.random.Generator) -> Outcome:
    """Score equally likely totals (n,) of `horizon` hours against what came; `rng` is for the randomised PIT."""
    bounds = {level: scores.interval(totals, level / 100) for level in (50, 80, 95)}
    inside = {level: bool(lower <= actual <= upper) for level, (lower, upper) in bounds.items()}
    lower, upper = bounds[95]
    return Outcome(
        predicted=float(totals.mean()),
        crps=float(scores.crps(totals, actual)),
        log_score=scores.bracket_log_score(totals, actual) if horizon >= BRACKETS_FROM else None,
        pit=float(scores.pit(totals, np.asarray(actual, float), rng)),
        inside_50=inside[50],
        inside_80=inside[80],
        inside_95=inside[95],
        above_95=bool(actual > upper),
        below_95=bool(actual < lower),
    )


def summary(found: Scores, horizon: int, *, seed: int = 1) -> dict[str, Any]:
    """What the scores of one horizon say together, as JSON can hold it.

    `skill` against the reference with `skill_lower` and `skill_upper`, its 95% interval; these are None where too few
    targets lie apart to judge by (`few`), and `skill` where there was no reference.
    """
    known = ~np.isnan(found.reference)
    apart = spells(found.origins.tolist(), horizon)
    lower = upper = skill = None
    if known.any() and found.reference[known].sum() > 0:
        skill = scores.skill(found.crps[known], found.reference[known])
        if not too_few(spells(found.origins[known].tolist(), horizon)):
            lower, upper = _skill_interval(found, known, horizon, seed)
    return {
        "n": len(found.crps),
        "apart": apart,
        "few": too_few(apart),
        "crps": float(found.crps.mean()),
        "reference_crps": float(found.reference[known].mean()) if known.any() else None,
        "skill": skill,
        "skill_lower": lower,
        "skill_upper": upper,
        "bias": float((found.predicted - found.actual).mean()),
        **{f"coverage_{level}": float(inside.mean()) for level, inside in found.inside.items()},
        "above_95": int(found.above.sum()),
        "below_95": int(found.below.sum()),
        "pit": scores.pit_histogram(found.pit, BINS).tolist(),
    }


def by_week(found: Scores, *, last: int) -> list[dict[str, Any]]:
    """Mean CRPS and the reference's by week of origins, oldest first: weeks of 168 h that end with the hour `last`.

    None for a week without a score; `n` tells how many it has, `start` is its first hour.
    """
    ago = (last - found.origins) // 168
    weeks = []
    for week in range(int(ago.max()), -1, -1) if len(ago) else ():
        of_week = ago == week
        known = of_week & ~np.isnan(found.reference)
        weeks.append(
            {
                "start": last - 168 * (week + 1) + 1,
                "n": int(of_week.sum()),
                "crps": float(found.crps[of_week].mean()) if of_week.any() else None,
                "reference_crps": float(found.reference[known].mean()) if known.any() else None,
            }
        )
    return weeks


def _skill_interval(found: Scores, known: NDArray[np.bool_], horizon: int, seed: int) -> tuple[float, float]:
    """By a block bootstrap of days, each with the sums of its scores: targets of neighbours overlap."""
    days, which = np.unique(found.origins[known] // 24, return_inverse=True)
    crps, reference = (
        np.bincount(which, weights=values[known]).astype(np.float64) for values in (found.crps, found.reference)
    )
    # as many days as a target is long, and one more, for it reaches into the next
    block = min(-(-horizon // 24) + 1, len(days))
    return scores.skill_interval(crps, reference, block=block, rng=np.random.default_rng(seed))
