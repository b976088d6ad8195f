"""How the forecasts of a window moved, as fans over the time at which each was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from musktracker.timeline import HOUR, Span, ceil_hour, floor_hour
from tui.widgets.fan import Band, Event, Fan, Total, View

if TYPE_CHECKING:
    from musktracker.brackets import Bracket
    from musktracker.db.queries.window_standing import StoredWindowForecast

LEVELS = (50, 80, 95)
EARLIER = timedelta(days=2)  # forecasts made this long before the start are shown


@dataclass(frozen=True, slots=True)
class Course:
    """A window with its forecasts, from the last made back; `counts` are (start, posts) of its observed hours."""

    span: Span
    forecasts: tuple[StoredWindowForecast, ...]
    counts: tuple[tuple[datetime, int], ...]
    events: tuple[Event, ...]
    now: datetime
    now_name: str = "now"

    @property
    def start(self) -> datetime:
        """Where the charts begin: the step before has the value at it."""
        first = min((one.origin for one in self.forecasts), default=self.span.start)
        return max(min(floor_hour(self.span.start), first), floor_hour(self.span.start) - EARLIER) - HOUR

    @property
    def steps(self) -> int:
        """Hours from there to the end of the window."""
        return round((ceil_hour(self.span.end) - self.start) / HOUR)

    def in_force(self) -> list[StoredWindowForecast | None]:
        """For the end of each hour the forecast that held then: the last that was made from there or before."""
        found: list[StoredWindowForecast | None] = [None] * self.steps
        for one in reversed(self.forecasts):
            at = max(round((one.origin - self.start) / HOUR) - 1, 0)
            found[at:] = [one] * max(self.steps - at, 0)
        return found


def total_fan(course: Course) -> tuple[Fan, View]:
    """The projected total with its intervals over time, and the posts so far on their way to it."""
    held = course.in_force()
    newest = course.forecasts[0] if course.forecasts else None
    bands = []
    for level in LEVELS:
        ends = [None if one is None else one.interval(level) for one in held]
        lower, upper = (tuple(None if end is None else end[side] for end in ends) for side in (0, 1))
        bands.append(Band(level / 100, lower, upper))
    made = Fan(
        course.start,
        HOUR,
        actual=_so_far(course),
        mean=tuple(None if one is None else one.total for one in held),
        bands=tuple(bands),
        events=course.events,
        origin=newest.origin if newest else None,
        now=course.now,
        now_name=course.now_name,
        total=None if newest is None else Total(newest.total, _intervals(newest)),
        at_end=True,
        names=("so far", "total", ""),
    )
    return made, View(0.0, float(course.steps + 1))


def chance_fan(course: Course, bracket: Bracket) -> tuple[Fan, View]:
    """The probability of a bracket in percent over time, as far as it was forecast."""
    known = round((min(course.now, course.span.end) - course.start) / HOUR)
    chances = {one.id: one.chances.forecast(bracket) for one in course.forecasts}
    held = [None if one is None else chances[one.id] for one in course.in_force()[: max(known, 1)]]
    made = Fan(
        course.start,
        HOUR,
        mean=(*(None if one is None else 100 * one for one in held), *[None] * (course.steps - len(held))),
        events=course.events,
        now=course.now,
        now_name=course.now_name,
        at_end=True,
        names=("", "chance in %", ""),
    )
    return made, View(0.0, float(course.steps + 1))


def _so_far(course: Course) -> tuple[float | None, ...]:
    """The count at the end of each hour, up to the first hour that was not observed."""
    by_start = dict(course.counts)
    before = round((floor_hour(course.span.start) - course.start) / HOUR)
    found: list[float | None] = [*[None] * (before - 1), 0.0]
    total = 0
    for step in range(before, course.steps):
        count = by_start.get(course.start + step * HOUR)
        if count is None:
            break
        total += count
        found.append(float(total))
    return tuple(found)


def _intervals(one: StoredWindowForecast) -> tuple[tuple[float, float, float], ...]:
    found: Sequence[tuple[int, tuple[float, float] | None]] = [(level, one.interval(level)) for level in LEVELS]
    return tuple((level / 100, *ends) for level, ends in found if ends is not None)
