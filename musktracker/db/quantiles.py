"""A forecast's quantiles as stored: JSON, compressed, of whole counts as the steps from each level to the next.

A week is 5 kB so; as npz it is twice that, and no console could read it, which has no numpy.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

Table = list[list[int]]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Counts by level and hour ahead: `hours[l][k]` of the hour k alone, `running[l][k]` of the total up to its end.

    `levels` ascend between 0 and 1.
    """

    levels: Sequence[float]
    hours: Table
    running: Table

    def running_interval(self, level: float) -> tuple[list[int], list[int]] | None:
        """The ends of the central interval of the running total by hour, where both were stored."""
        rows = [
            next((row for p, row in zip(self.levels, self.running, strict=True) if abs(p - wanted) < 1e-9), None)
            for wanted in ((1 - level) / 2, (1 + level) / 2)
        ]
        return None if rows[0] is None or rows[1] is None else (rows[0], rows[1])


def pack(found: Quantiles) -> bytes:
    """Quantiles as bytes; the same ones give the same bytes."""
    tables = {"levels": list(found.levels), "hours": _steps(found.hours), "running": _steps(found.running)}
    return zlib.compress(json.dumps(tables, separators=(",", ":")).encode())


def unpack(content: bytes) -> Quantiles:
    """The quantiles that were packed. Raises ValueError where the bytes are damaged."""
    try:
        found = json.loads(zlib.decompress(content))
        return Quantiles(found["levels"], _sums(found["hours"]), _sums(found["running"]))
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the quantiles of a forecast are damaged: {error}") from None


def _steps(table: Table) -> Table:
    return [table[0], *([b - a for a, b in zip(low, high, strict=True)] for low, high in pairwise(table))]


def _sums(table: Table) -> Table:
    return list(accumulate(table, lambda low, step: [a + b for a, b in zip(low, step, strict=True)]))
