"""JSON in columns of text, where other programs may have written anything: what cannot be read counts as nothing."""

from __future__ import annotations

import json
import math
from typing import Any


def mapping(text: str | None) -> dict[str, Any]:
    """A stored object; empty where the text is none."""
    found = _read(text)
    return found if isinstance(found, dict) else {}


def listing(text: str | None) -> list[Any]:
    """A stored list; empty where the text is none."""
    found = _read(text)
    return found if isinstance(found, list) else []


def quantiles(text: str | None) -> dict[float, float]:
    """Stored quantiles, probability to count; empty where any of them is no number."""
    try:
        found = {float(p): float(count) for p, count in mapping(text).items()}
    except (TypeError, ValueError):
        return {}
    return found if all(map(math.isfinite, (*found, *found.values()))) else {}


def brackets(text: str | None) -> list[tuple[int, int | None]]:
    """Stored brackets, first and last count of each; empty where any of them is none."""
    found = listing(text)
    return [(low, high) for low, high in found] if all(map(_is_bracket, found)) else []


def probabilities(text: str | None) -> list[float]:
    """Stored probabilities; empty where any of them is none."""
    found = listing(text)
    return found if all(isinstance(one, int | float) and 0 <= one <= 1 for one in found) else []


def _is_bracket(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], int) and isinstance(value[1], int | None)


def _read(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, TypeError, RecursionError):
        return None
