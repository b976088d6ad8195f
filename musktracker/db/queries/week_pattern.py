"""When posts are made: their mean count by weekday and hour of a zone's clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from musktracker.timeline import HOUR, Span

WEEKS = 8
DAYS, HOURS = 7, 24
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class WeekPattern:
    """Posts in the observed hours of `span`: `counts[day][hour]` in `hours[day][hour]` of them, from Monday on.

    `possible` is how many hours the span has.
    """

    span: Span
    counts: tuple[tuple[int, ...], ...]
    hours: tuple[tuple[int, ...], ...]
    possible: int

    @property
    def observed(self) -> int:
        """How many hours of the span were observed."""
        return sum(map(sum, self.hours))

    def means(self) -> tuple[tuple[float | None, ...], ...]:
        """Posts an hour (7 by 24); None where no such hour was observed."""
        return tuple(
            tuple(count / n if n else None for count, n in zip(counts, hours, strict=True))
            for counts, hours in zip(self.counts, self.hours, strict=True)
        )


def of_week(buckets: Mapping[datetime, int], zone: ZoneInfo, until: datetime, weeks: int = WEEKS) -> WeekPattern:
    """The pattern of the weeks before `until`. `buckets` are counts of observed hours by their start, UTC hours.

    An hour belongs to the hour of the zone's clocks in which it begins: where clocks are set back one of them has
    two, and where they are set forward one has none.
    """
    slots = _slots(zone, until, weeks)
    counts, hours = ([[0] * HOURS for _ in range(DAYS)] for _ in range(2))
    for start, day, hour in slots:
        count = buckets.get(start)
        if count is not None:
            counts[day][hour] += count
            hours[day][hour] += 1
    return WeekPattern(Span(slots[0][0], until), _frozen(counts), _frozen(hours), len(slots))


@lru_cache(maxsize=2)
def _slots(zone: ZoneInfo, until: datetime, weeks: int) -> tuple[tuple[datetime, int, int], ...]:
    """Each hour's start, weekday and hour; kept, as they are the same until the next hour was counted."""
    starts = [until - k * HOUR for k in range(DAYS * HOURS * weeks, 0, -1)]
    return tuple((start, local.weekday(), local.hour) for start in starts for local in (start.astimezone(zone),))


def _frozen(table: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, table))
