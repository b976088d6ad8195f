"""Brackets of a total: how they are written, and what a count so far means for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

CELLS = 100  # a width stands for this many brackets
MOST = 1000


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

    def state(self, count: int, to_come: float) -> str:
        """dead, in or ahead, for the posts so far and the hours that are to come."""
        if self.passed(count) or (to_come == 0 and not self.holds(count)):
            return "dead"
        return "in" if self.holds(count) else "ahead"

    def to_enter(self, count: int, to_come: float) -> float | None:
        """The posts an hour that it takes to enter it; None where that cannot be."""
        return self._rate(self.lower, count, to_come)

    def to_overrun(self, count: int, to_come: float) -> float | None:
        """The posts an hour that it takes to leave it behind; None where that cannot be."""
        return None if self.upper is None else self._rate(self.upper + 1, count, to_come)

    def _rate(self, target: int, count: int, to_come: float) -> float | None:
        if to_come == 0 or self.state(count, to_come) == "dead":
            return None
        return max(target - count, 0) / to_come


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
