"""The probability of each bracket of a total, from simulated totals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from musktracker.brackets import CELLS, Bracket
from musktracker.models.base import FloatArray, IntArray

UNIFORM_SHARE = 0.01  # spread over CELLS brackets
FAR = 8.3


def probabilities(totals: FloatArray, brackets: Sequence[Bracket], count: int = 0) -> FloatArray:
    """The probability of each bracket, from simulated totals (n,) none of which is below `count`; they sum to 1.

    A Gaussian kernel smooth of the totals with Silverman's (1986) bandwidth, each whole number taken as the interval
    of 1/2 around it, and reflected at `count` (his section 2.10), mixed with 1% of a uniform over 100 brackets. Those
    that `count` has passed have none. The order of the totals does not matter.
    """
    live = np.array([not bracket.passed(count) for bracket in brackets])
    edges = np.array([bracket.lower - 0.5 for bracket in brackets])
    floor = count - 0.5
    inner = np.maximum(edges[1:], floor)
    ordered = np.sort(totals)
    # the reflection of what lies beyond an edge: F(edge) - F(2 floor - edge)
    below = _smooth(ordered, inner) - _smooth(ordered, 2 * floor - inner)
    smooth = np.diff(np.where(inner > floor, below, 0.0), prepend=0.0, append=1.0)
    uniform = np.where(live, 1.0, 0.0)
    uniform[-1] = max(CELLS - len(brackets) + 1, 1)
    mixed = (1 - UNIFORM_SHARE) * np.where(live, smooth, 0.0) + UNIFORM_SHARE * uniform / uniform.sum()
    return np.asarray(mixed / mixed.sum())


def settled(brackets: Sequence[Bracket], total: int) -> FloatArray:
    """Certainty: 1 for the bracket that holds the total, 0 for all others."""
    return np.array([float(bracket.holds(total)) for bracket in brackets])


def _smooth(ordered: FloatArray, at: FloatArray) -> FloatArray:
    """The cumulative distribution of the kernel smooth of sorted totals (n,), at some points."""
    bandwidth = _bandwidth(ordered)
    if bandwidth == 0:
        return np.asarray(np.searchsorted(ordered, at) / len(ordered))
    values, weights = np.unique(ordered, return_counts=True)
    below = np.concatenate([[0], np.cumsum(weights)])
    # a kernel further off than FAR bandwidths lies wholly on one side, to the last digit
    first = np.searchsorted(values, at - FAR * bandwidth)
    last = np.searchsorted(values, at + FAR * bandwidth)
    near = [_near(x, values[i:j], weights[i:j], bandwidth) for x, i, j in zip(at.tolist(), first, last, strict=True)]
    return np.asarray((below[first] + np.array(near)) / len(ordered))


def _near(x: float, values: FloatArray, weights: IntArray, bandwidth: float) -> float:
    """How much of some weighted kernels lies below `x`."""
    scale = bandwidth * math.sqrt(2)
    parts = [math.erf(one) for one in ((x - values) / scale).tolist()]
    return 0.5 * float((weights * (1 + np.array(parts))).sum())


def _bandwidth(ordered: FloatArray) -> float:
    """Silverman's rule of thumb; 0, which is no smoothing, where at least half of the totals are the same."""
    if len(ordered) < 2:
        return 0.0
    quarter, three = np.quantile(ordered, [0.25, 0.75])
    spread = min(float(ordered.std(ddof=1)), float(three - quarter) / 1.34)
    return 0.9 * spread * float(len(ordered) ** -0.2)
