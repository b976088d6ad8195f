"""Numbers of things in words."""

from __future__ import annotations

from musktracker.text import counted


def test_one_thing_is_one_and_others_are_many() -> None:
    assert [counted(number, "hole") for number in (0, 1, 2_000)] == ["0 holes", "1 hole", "2,000 holes"]
