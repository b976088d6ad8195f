"""How much is evidence enough to judge forecasts by. Without numpy: tables, plots and marks ask it.

Where it is not, figures are shown, but no mark and no colour says of them that they are good or bad.
"""

from __future__ import annotations

from collections.abc import Iterable

FEWEST_APART = 20  # targets that do not overlap: of fewer, shares and skills tell little


def too_few(apart: int) -> bool:
    """Whether so many targets that do not overlap are too few to judge by."""
    return apart < FEWEST_APART


def spells(origins: Iterable[int], horizon: int) -> int:
    """How many targets of `horizon` hours apart from each other there are among those from sorted origins.

    Overlapping targets share what comes, so this, not their number, is how much evidence they are.
    """
    count, end = 0, None
    for origin in origins:
        if end is None or origin >= end:
            count, end = count + 1, origin + horizon
    return count
