"""How much is evidence enough: targets that overlap are one, and fewer than twenty judge nothing."""

from __future__ import annotations

from musktracker.evaluation import evidence


def test_targets_that_overlap_are_counted_once() -> None:
    origins = [0, 1, 2, 24, 30, 48, 100]
    assert [evidence.spells(origins, hours) for hours in (1, 24, 168)] == [7, 4, 1]
    assert evidence.spells([], 24) == 0


def test_twenty_targets_apart_are_enough() -> None:
    assert [evidence.too_few(apart) for apart in (0, 3, 19, 20)] == [True, True, True, False]
