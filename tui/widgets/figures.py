"""Figures that can be drawn: numbers, and none so large that an axis could not hold it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

LARGEST = 1e300


def drawable(value: float | None) -> TypeGuard[float]:
    """Whether a figure has a place on an axis: None, NaN and what is beyond all bounds have none."""
    return value is not None and -LARGEST < value < LARGEST


def known(values: Iterable[float | None]) -> list[float]:
    """Those of the figures that can be drawn."""
    return [value for value in values if drawable(value)]
