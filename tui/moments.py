"""Moments in words: with the year where they are so far off that day and month alone would mislead."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

FAR = timedelta(days=300)
DATED = (  # no wider than what they stand for, but for the last two
    ("%a %d %b %H:%M", "%Y-%m-%d %H:%M"),
    ("%m-%d %H:%M:%S", "%Y-%m-%d"),
    ("%m-%d %H:%M", "%Y-%m-%d"),
    ("%m-%d", "%Y-%m-%d"),
    ("%d %b %H:%M", "%Y-%m-%d %H:%M"),
)


def worded(moment: datetime, pattern: str, zone: ZoneInfo, now: datetime) -> str:
    """A moment by the clocks of a zone; a date without a year gains it, if need be in place of the time, far off."""
    if is_far(moment, now) and "%Y" not in pattern:
        pattern = next((pattern.replace(short, dated) for short, dated in DATED if short in pattern), pattern)
    return moment.astimezone(zone).strftime(pattern)


def is_far(moment: datetime, now: datetime) -> bool:
    """Whether the year of a moment is not plain."""
    return abs(moment - now) >= FAR
