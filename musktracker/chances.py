"""The chance of any bracket of a total, from a stored forecast of it and the posts that were counted since."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf

from musktracker.brackets import Bracket

LEAST_LEFT = 0.02  # of a forecast; what is rarer is mostly the 1% that is spread over all brackets, and tells nothing


class Chances:
    """What a forecast says of every bracket of its total.

    At the edges of its own `brackets` that is exact; in between, a bracket's probability is spread as the `quantiles`
    are, pairs of probability and count in ascending order. `floor` is the count that it was made at.
    """

    def __init__(
        self,
        brackets: Sequence[Bracket],
        probabilities: Sequence[float],
        quantiles: Sequence[tuple[float, float]],
        floor: int,
    ) -> None:
        whole = sum(probabilities)
        self._brackets = brackets if whole > 0 else ()  # other programs may have written them
        self._lower = [one.lower for one in self._brackets]
        self._below = [0.0, *(one / whole for one in accumulate(probabilities) if whole > 0)]
        self._knots = _knots(quantiles, floor)
        self._floor = floor

    def of(self, brackets: Iterable[Bracket], at_least: int = 0) -> list[float] | None:
        """The chances of some brackets, given a total of `at_least` that; None where that hardly can be."""
        gone = self.below(at_least)
        if 1 - gone < LEAST_LEFT:
            return None
        return [self._between(one, gone) / (1 - gone) for one in brackets]

    def forecast(self, bracket: Bracket) -> float:
        """The chance of a bracket as it was forecast."""
        return self._between(bracket, 0.0)

    def below(self, count: int) -> float:
        """The chance of a total below `count`, none of which is below the count that the forecast was made at."""
        if count <= self._floor:
            return 0.0
        k = bisect_right(self._lower, count) - 1
        if k < 0:
            return 0.0 if self._brackets else self._at(count)
        return self._below[k] + (self._below[k + 1] - self._below[k]) * self._share(self._brackets[k], count)

    def exact(self, brackets: Iterable[Bracket]) -> bool:
        """Whether the chances of these are sums of those of the forecast's own brackets."""
        return set(self._lower).issuperset(one.lower for one in brackets)

    def _between(self, bracket: Bracket, gone: float) -> float:
        end = 1.0 if bracket.upper is None else self.below(bracket.upper + 1)
        return max(end - max(self.below(bracket.lower), gone), 0.0)

    def _share(self, bracket: Bracket, count: int) -> float:
        """How much of a bracket's probability is below `count`; equal parts where the quantiles say nothing of it."""
        if count <= bracket.lower or bracket.passed(count):
            return float(bracket.passed(count))
        start, end = self._at(bracket.lower), 1.0 if bracket.upper is None else self._at(bracket.upper + 1)
        if end - start > 1e-9:
            return (self._at(count) - start) / (end - start)
        return 0.0 if bracket.upper is None else (count - bracket.lower) / (bracket.upper + 1 - bracket.lower)

    def _at(self, count: int) -> float:
        """The chance of a total below `count` by the quantiles; a whole number is the interval of 1/2 around it."""
        place = count - 0.5
        k = bisect_right(self._knots, (place, inf))
        if not 0 < k < len(self._knots):
            return float(k > 0)
        (left, low), (right, high) = self._knots[k - 1 : k + 1]
        return low + (high - low) * (place - left) / (right - left)


def _knots(quantiles: Sequence[tuple[float, float]], floor: int) -> list[tuple[float, float]]:
    """Points of the distribution, as count and probability: its quantiles, with an end on either side."""
    if not quantiles:
        return []
    counts = sorted(count for _, count in quantiles)
    beyond = max(counts[-1] - counts[-2], 1.0) if len(counts) > 1 else 1.0
    inner = [(count, p) for count, (p, _) in zip(counts, quantiles, strict=True)]
    return [(min(floor - 0.5, counts[0]), 0.0), *inner, (counts[-1] + beyond, 1.0)]
