"""The bands of a fan chart as cells: which band fills a cell, or which two and where their edge is.

A cell is a code of seven bits: the level below its edge, the level above, and the edge's height in eighths (0: no
edge). Level 0 is outside all bands; 1 to 3 are the bands from the widest in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

from tui.widgets.fan import Band, Values, View

EIGHTHS = 8
LEVELS = (0, 1, 2, 3, 2, 1, 0)
PLAIN = tuple(level << 5 | level << 3 for level in range(4))
Edges = tuple[int, int, int, int, int, int]


def below(code: int) -> int:
    """The level under a cell's edge."""
    return code >> 5


def above(code: int) -> int:
    """The level over a cell's edge."""
    return code >> 3 & 3


def ground(code: int) -> int:
    """The level of the larger part of a cell."""
    return code >> 5 if code & 7 >= EIGHTHS // 2 else code >> 3 & 3


def sample(values: Values, view: View, width: int, *, at: float = 0.5, stepped: bool = False) -> list[float | None]:
    """The values at each of `width` columns of a view; `at` is where in its step a value lies.

    Where steps are narrower than columns, the mean of a column's steps; where they are wider, the straight line
    between two, or the step's own value where `stepped` or next to a gap.
    """
    per = view.span / width
    if per >= 1:
        edges = [math.ceil(view.first + column * per - at) for column in range(width + 1)]
        return [_mean(values[max(first, 0) : max(last, 0)]) for first, last in itertools.pairwise(edges)]
    middles = [view.first + (column + 0.5) * per for column in range(width)]
    if stepped:
        return [_value(values, math.floor(middle)) for middle in middles]
    return [_between(values, middle - at) for middle in middles]


def columns(
    bands: Sequence[Band], view: View, size: tuple[int, int], top: float, *, at: float, stepped: bool, quantum: int
) -> list[list[int]]:
    """Each column's cells from the bottom up, for bands sorted from the widest in, on an axis from 0 to `top`.

    `quantum` is the finest step of an edge in eighths of a cell: 1, 4 or 8.
    """
    width, height = size
    lowers = [sample(band.lower, view, width, at=at, stepped=stepped) for band in bands]
    uppers = [sample(band.upper, view, width, at=at, stepped=stepped) for band in bands]
    empty = [PLAIN[0]] * height
    if not bands:
        return [empty] * width
    found = []
    for lower, upper in zip(zip(*lowers, strict=True), zip(*uppers, strict=True), strict=True):
        intervals = nested(lower, upper)
        found.append(_cells(_edges(intervals, height, top, quantum), height) if intervals else empty)
    return found


def nested(lower: Sequence[float | None], upper: Sequence[float | None]) -> list[tuple[float, float]] | None:
    """Three intervals from the widest in, each inside the one before; None where there is not one.

    A band that is missing takes no room; one that does not hold a narrower one is widened to.
    """
    found: list[tuple[float, float]] = []
    for low, high in zip(reversed(lower), reversed(upper), strict=True):
        if low is None or high is None:
            if found:
                found.append(found[-1])
            continue
        if found:
            low, high = min(low, found[-1][0]), max(high, found[-1][1])
        found.append((low, high))
    if not found:
        return None
    middle = (found[0][0] + found[0][1]) / 2
    found = [(middle, middle)] * (3 - len(found)) + found
    return found[::-1]


def _edges(intervals: list[tuple[float, float]], height: int, top: float, quantum: int) -> Edges:
    scale = EIGHTHS * height / top / quantum
    full = EIGHTHS * height
    (a, f), (b, e), (c, d) = intervals
    a, b, c, d, e, f = (min(max(round(value * scale) * quantum, 0), full) for value in (a, b, c, d, e, f))
    if f - a < quantum:  # a band of no width is seen all the same
        a, f = (a, a + quantum) if a < full else (a - quantum, a)
        b, c, d, e = max(a, b), max(a, c), min(d, f), min(e, f)
    return a, b, c, d, e, f


@lru_cache(4096)
def _cells(edges: Edges, height: int) -> list[int]:
    codes: list[int] = []
    parts: tuple[tuple[int, int], ...] = ()
    y = filled = 0
    for end, level in zip((*edges, EIGHTHS * height), LEVELS, strict=True):
        amount, y = end - y, max(end, y)
        if amount <= 0:
            continue
        if filled:
            taken = min(amount, EIGHTHS - filled)
            parts, filled, amount = (*parts, (taken, level)), filled + taken, amount - taken
            if filled == EIGHTHS:
                codes.append(_mixed(parts))
                parts, filled = (), 0
        cells, amount = divmod(amount, EIGHTHS)
        codes += [PLAIN[level]] * cells
        if amount:
            parts, filled = ((amount, level),), amount
    return codes


@lru_cache(4096)
def _mixed(parts: tuple[tuple[int, int], ...]) -> int:
    if len(parts) > 2:  # two colours a cell: the two largest parts share it
        first, second = sorted(sorted(range(len(parts)), key=lambda i: -parts[i][0])[:2])
        between = sum(amount for amount, _ in parts[first + 1 : second])
        edge = sum(amount for amount, _ in parts[: first + 1]) + between // 2
        low, high = parts[first][1], parts[second][1]
    else:
        (edge, low), (_, high) = parts
    return PLAIN[low] if low == high else low << 5 | high << 3 | edge


def _mean(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return known[0] if known else None
    return sum(known) / len(known)


def _value(values: Values, index: int) -> float | None:
    return values[index] if 0 <= index < len(values) else None


def _between(values: Values, position: float) -> float | None:
    index = math.floor(position)
    part = position - index
    low, high = _value(values, index), _value(values, index + 1)
    if low is None or high is None:
        return low if part < 0.5 else high
    return low + (high - low) * part
