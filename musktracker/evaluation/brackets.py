"""Brackets of a total: how they are written, and the probability of each from simulated totals."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from musktracker.models.base import FloatArray, IntArray

CELLS = 100  # a width stands for this many brackets, and the uniform share is spread over as many
MOST = 1000
UNIFORM_SHARE = 0.01
FAR = 8.3


@dataclass(frozen=True, slots=True)
class Bracket:
    """The totals from `lower` to `upper`, both included; an `upper` of None is without end."""

    lower: int
    upper: int | None

    def __str__(self) -> str:
        if self.upper is None:
            return f"{self.lower}+"
        return f"{self.lower}" if self.lower == self.upper else f"{self.lower}-{self.upper}"

    def passed(self, count: int) -> bool:
        """Whether a total can no longer end in it once it has reached `count`."""
        return self.upper is not None and count > self.upper

    def holds(self, count: int) -> bool:
        """Whether `count` is in it."""
        return self.lower <= count and not self.passed(count)


def parse(text: str) -> list[Bracket]:
    """Brackets without gaps from 0 on, the last without end.

    A single number is a width and stands for 100 brackets. A list holds first counts (0,200,220), ranges
    (<200,200-219,220+) or both; what lies below its first is a bracket of its own. Raises ValueError, with what is
    wrong, for anything else.
    """
    items = [item.strip() for item in text.split(",")]
    if len(items) == 1 and items[0].isascii() and items[0].isdigit():
        width = int(items[0])
        if not 1 <= width <= 10_000:
            raise ValueError(f"the width of brackets must be 1 to 10000, not {items[0]}")
        return _between([k * width for k in range(CELLS)])
    return _between(_first_counts([_range(item) for item in items]))


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


def _between(firsts: Sequence[int]) -> list[Bracket]:
    uppers = [*(after - 1 for after in firsts[1:]), None]
    return [Bracket(lower, upper) for lower, upper in zip(firsts, uppers, strict=True)]


def _first_counts(ranges: Sequence[tuple[int, int | None, str]]) -> list[int]:
    if len(ranges) > MOST:
        raise ValueError(f"there are {len(ranges)} brackets, more than {MOST}")
    for (lower, upper, text), (after, _, next_text) in pairwise(ranges):
        if after <= lower:
            raise ValueError(f"brackets must ascend, but {next_text!r} follows {text!r}")
        if upper is not None and after != upper + 1:
            raise ValueError(f"between {text!r} and {next_text!r} is a gap or an overlap")
        if text.endswith("+"):
            raise ValueError(f"only the last bracket can be without end, not {text!r}")
    lower, upper, text = ranges[-1]
    firsts = [first for first, _, _ in ranges]
    if upper is not None:
        firsts.append(upper + 1)
    return firsts if firsts[0] == 0 else [0, *firsts]


def _range(text: str) -> tuple[int, int | None, str]:
    """First count, last count (None where the next bracket tells it) and the text."""
    found = re.fullmatch(r"(<?)([0-9]{1,6})(?:[-–]([0-9]{1,6})|\+)?", text)
    if not found or (found[1] and text != f"<{found[2]}"):
        raise ValueError(f"{text!r} is no bracket: write 200-219, 220+, <200 or its first count")
    if found[1]:
        if int(found[2]) == 0:
            raise ValueError("no count is below 0")
        return 0, int(found[2]) - 1, text
    lower, upper = int(found[2]), None if found[3] is None else int(found[3])
    if upper is not None and upper < lower:
        raise ValueError(f"{text!r} ends before it begins")
    return lower, upper, text


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
