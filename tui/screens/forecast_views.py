"""The three views of a forecast as fans: hour by hour, day by day, and the total so far.

Only what was stored is shown. Hours have their own intervals. Those of days come from the run that drew the paths,
where it is still there and summed by the display zone's days. The total so far has those that were stored of it;
a forecast that was stored without has one at the end of the horizon alone, which is drawn beside the chart:
intervals of hours cannot be added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from musktracker.timeline import HOUR
from tui.widgets.fan import Band, Event, Fan, Total, View

if TYPE_CHECKING:
    from musktracker.db.queries.forecasts import DayForecast, ForecastHead, ForecastHour

VIEWS = ("hourly", "daily", "running")
TITLES = {"hourly": "Posts an hour", "daily": "Posts a day", "running": "Posts since the origin"}
LEVELS = (0.5, 0.8, 0.95)  # as the reads give them
DAY = timedelta(days=1)
LONG = 72  # hours of horizon from which on a week of history is in view at first


@dataclass(frozen=True, slots=True)
class Material:
    """What a forecast's views are made of: `counts` by the start of each observed hour."""

    head: ForecastHead
    hours: tuple[ForecastHour, ...]
    days: tuple[DayForecast, ...]
    counts: Mapping[datetime, int]
    first: datetime
    now: datetime
    events: tuple[Event, ...]
    zone: tzinfo
    running: tuple[Band, ...] = ()  # of the total up to the end of each hour


def fan(view: str, material: Material) -> tuple[Fan, View]:
    """The fan of a view, and the part of it that is shown at first."""
    return {"hourly": _hourly, "daily": _daily, "running": _running}[view](material)


def _hourly(material: Material) -> tuple[Fan, View]:
    head, first = material.head, material.first
    size = round((head.until - first) / HOUR)
    by_start = {hour.start: hour for hour in material.hours}
    starts = [first + HOUR * step for step in range(size)]
    ahead = [by_start.get(start) for start in starts]
    made = Fan(
        first,
        HOUR,
        actual=tuple(material.counts.get(start) for start in starts),
        mean=tuple(None if hour is None else hour.mean for hour in ahead),
        bands=tuple(
            _band(level, [None if hour is None else hour.intervals[i] for hour in ahead])
            for i, level in enumerate(LEVELS)
        ),
        events=material.events,
        origin=head.origin,
        now=material.now,
    )
    back = 168 if head.horizon >= LONG else 72
    return made, View(max(made.position(head.origin) - back, 0.0), float(size))


def _daily(material: Material) -> tuple[Fan, View]:
    zone, head = material.zone, material.head
    today = head.origin.astimezone(zone).date()
    begin = material.first.astimezone(zone).date() + DAY
    last = (head.until - HOUR).astimezone(zone).date()
    dates = [begin + DAY * step for step in range((last - begin).days + 1)]
    sums = _Sums.of(material)
    by_date = {day.date: day for day in material.days}
    intervals = [_day_intervals(day, sums, by_date.get(day), zone) for day in dates]
    made = Fan(
        midnight(begin, zone),
        DAY,
        edges=midnights(begin, len(dates), zone),
        actual=tuple(sums.observed(day, zone) for day in dates),
        mean=tuple(sums.expected(day, zone) for day in dates),
        bands=tuple(
            _band(level, [None if found is None else found[i] for found in intervals])
            for i, level in enumerate(LEVELS)
        )
        if material.days
        else (),
        events=material.events,
        origin=midnight(today, zone),
        now=material.now,
        stepped=True,
    )
    return made, View(max(float((today - begin).days) - 14, 0.0), float(len(dates)))


def _running(material: Material) -> tuple[Fan, View]:
    head = material.head
    starts = [head.origin + HOUR * step for step in range(head.horizon)]
    by_start = {hour.start: hour.mean for hour in material.hours}
    intervals = [(level, head.interval(round(level * 100))) for level in LEVELS]
    made = Fan(
        head.origin - HOUR,  # the first value, zero, stands at the end of the step before
        HOUR,
        actual=(0.0, *_so_far([material.counts.get(start) for start in starts])),
        mean=(0.0, *_so_far([by_start.get(start) for start in starts])),
        bands=tuple(Band(one.level, (0.0, *one.lower), (0.0, *one.upper)) for one in material.running),
        events=material.events,
        origin=head.origin,
        now=material.now,
        total=Total(head.total, tuple((level, *ends) for level, ends in intervals if ends is not None)),
        at_end=True,
    )
    return made, View(0.5, head.horizon + 1.0)


@dataclass(frozen=True, slots=True)
class _Sums:
    """By calendar day, as hours and sum: what was counted, what of it before the forecast, what is forecast."""

    counted: Mapping[date, tuple[int, float]]
    before: Mapping[date, tuple[int, float]]
    ahead: Mapping[date, tuple[int, float]]

    @classmethod
    def of(cls, material: Material) -> _Sums:
        zone, origin = material.zone, material.head.origin
        counts = material.counts.items()
        return cls(
            _by_day(((start, count) for start, count in counts), zone),
            _by_day(((start, count) for start, count in counts if start < origin), zone),
            _by_day(((hour.start, hour.mean) for hour in material.hours), zone),
        )

    def observed(self, day: date, zone: tzinfo) -> float | None:
        """The day's count, where every hour of it was observed."""
        hours, count = self.counted.get(day, (0, 0.0))
        return count if hours == day_length(day, zone) else None

    def expected(self, day: date, zone: tzinfo) -> float | None:
        """What was counted before the forecast plus its mean for the rest, where together they are the whole day."""
        hours, count = self.before.get(day, (0, 0.0))
        more, mean = self.ahead.get(day, (0, 0.0))
        return count + mean if more and hours + more == day_length(day, zone) else None


def _by_day(values: Iterable[tuple[datetime, float]], zone: tzinfo) -> dict[date, tuple[int, float]]:
    found: dict[date, tuple[int, float]] = {}
    for start, value in values:
        day = start.astimezone(zone).date()
        hours, total = found.get(day, (0, 0.0))
        found[day] = (hours + 1, total + value)
    return found


def _day_intervals(
    day: date, sums: _Sums, forecast: DayForecast | None, zone: tzinfo
) -> Sequence[tuple[float, float]] | None:
    """The intervals of a whole day: what was counted before the forecast is certain, the rest is the forecast's."""
    if forecast is None or sums.expected(day, zone) is None:
        return None
    _, known = sums.before.get(day, (0, 0.0))
    return [(low + known, high + known) for low, high in forecast.intervals]


def _so_far(counts: Iterable[float | None]) -> list[float]:
    """The total after each hour, up to the first unknown one: nobody knows it from there on."""
    found: list[float] = []
    total = 0.0
    for count in counts:
        if count is None:
            break
        total += count
        found.append(total)
    return found


def _band(level: float, intervals: Sequence[tuple[float, float] | None]) -> Band:
    ends = [(None, None) if found is None else found for found in intervals]
    return Band(level, tuple(low for low, _ in ends), tuple(high for _, high in ends))


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day of a zone begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def midnights(first: date, days: int, zone: tzinfo) -> tuple[datetime, ...]:
    """When each of some days of a zone begins, and when the last ends."""
    return tuple(midnight(first + DAY * step, zone) for step in range(days + 1))


def day_length(day: date, zone: tzinfo) -> int:
    """How many hours a calendar day has: 23 or 25 where the clocks change."""
    return round((midnight(day + DAY, zone) - midnight(day, zone)) / HOUR)
