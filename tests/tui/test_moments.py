"""Moments in words: with their year where day and month alone would mislead, and no wider for it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tui.moments import worded

ET = ZoneInfo("America/New_York")
LAST_YEAR = datetime(2025, 12, 31, 23, 56, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "soon_after", "long_after"),
    [
        ("%m-%d %H:%M", "12-31 18:56", "2025-12-31"),
        ("%m-%d %H:%M:%S", "12-31 18:56:03", "2025-12-31"),
        ("%m-%d", "12-31", "2025-12-31"),
        ("%a %d %b %H:%M", "Wed 31 Dec 18:56", "2025-12-31 18:56"),
        ("%a %d %b %H:%M %Z", "Wed 31 Dec 18:56 EST", "2025-12-31 18:56 EST"),
        ("%Y-%m-%d %H:%M", "2025-12-31 18:56", "2025-12-31 18:56"),
        ("%H:%M", "18:56", "18:56"),
    ],
)
def test_what_lies_ten_months_off_is_told_with_its_year(pattern: str, soon_after: str, long_after: str) -> None:
    assert worded(LAST_YEAR, pattern, ET, datetime(2026, 1, 15, tzinfo=UTC)) == soon_after
    assert worded(LAST_YEAR, pattern, ET, datetime(2026, 12, 1, tzinfo=UTC)) == long_after


def test_what_is_to_come_in_ten_months_is_too() -> None:
    assert worded(LAST_YEAR, "%m-%d %H:%M", ET, datetime(2025, 1, 15, tzinfo=UTC)) == "2025-12-31"
