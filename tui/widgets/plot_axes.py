"""Round ticks for counts and for time, and the words beside them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

HOUR = timedelta(hours=1)
HOUR_STEPS = (1, 2, 3, 6, 12)
DAY_STEPS = (1, 2, 7, 14)
MONTH_STEPS = (1, 3, 6, 12)
FACTORS = (1, 2, 5, 10, 20, 50, 100)
LARGEST = 1e15  # counts beyond it are written as powers of ten


class TimeTick(NamedTuple):
    """A mark on the time axis; `major` ones begin a day (or a month, where days are the steps).

    `day` is the local one, of which the label says a part at most; None where the label has month and year.
    """

    time: datetime
    label: str
    major: bool
    day: date | None = None

    def in_full(self, *, year: bool) -> str:
        """The label with its month, and with its year where that is asked for."""
        if self.day is None:
            return self.label
        hour = f" {self.label}" if ":" in self.label else ""
        return f"{self.day:%a} {self.day.day} {self.day:%b}{f' {self.day.year}' if year else ''}{hour}"


def value_ticks(top: float, most: int) -> list[float]:
    """Round values from 0 to `top`, 1, 2 or 5 times a power of ten apart, at most `most` steps."""
    if not sys.float_info.min < top < math.inf or most < 1:
        return [0.0]
    step = _round_step(top, most)
    if top >= 1:
        step = max(step, 1.0)
    return [step * i for i in range(int(top / step * (1 + 1e-9)) + 1)]


def format_count(value: float) -> str:
    """A count for an axis or a read-out, in at most six cells: 0.4, 7, 1,250, 12.5k, 3M, 1e+20."""
    size = abs(value)
    if not math.isfinite(value):
        return "–"
    if size >= LARGEST:
        return f"{value:.0e}"
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.4g}{unit}"
    if size >= 10 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 0.05 else f"{value:.2g}"


def time_ticks(start: datetime, end: datetime, zone: tzinfo, most: int) -> list[TimeTick]:
    """Round local times from `start` to `end`, hours, days or months apart, as close as `most` of them allow."""
    if most < 1 or end <= start:
        return []
    hours = (end - start) / HOUR
    try:
        for step in HOUR_STEPS:
            if hours / step <= most:
                return [tick for tick in _hours(start, end, zone, step) if start <= tick.time <= end]
        for step in DAY_STEPS:
            if hours / 24 / step <= most:
                return [tick for tick in _days(start, end, zone, step) if start <= tick.time <= end]
        step = next((step for step in MONTH_STEPS if hours / 730 / step <= most), math.ceil(hours / 730 / most))
        return [tick for tick in _months(start, end, zone, step) if start <= tick.time <= end]
    except (OverflowError, ValueError):  # beyond the calendar
        return []


def label_choices(ticks: Sequence[TimeTick], *, dated: bool) -> list[tuple[int, tuple[str, ...]]]:
    """What to write at which tick, the longest first that may be, by how much it is wanted.

    The first day has its month; where the years are not plain (`dated`) it has its year, as has the first of another.
    """
    first = next((i for i, tick in enumerate(ticks) if ":" not in tick.label), 0)
    turns = {i for i, (before, tick) in enumerate(pairwise(ticks), 1) if dated and _year(before) != _year(tick)}
    wanted = [*sorted(turns), *({first} - turns), *(i for i in range(len(ticks)) if i not in {first, *turns})]
    return [
        (i, (ticks[i].in_full(year=dated), ticks[i].label) if i == first or i in turns else (ticks[i].label,))
        for i in wanted
        if i < len(ticks)
    ]


def _year(tick: TimeTick) -> int | None:
    return None if tick.day is None else tick.day.year


def _round_step(top: float, most: int) -> float:
    """The smallest of which no more than `most` go into the whole."""
    power = 10.0 ** math.floor(math.log10(top / most) - 1)
    return next(step for factor in FACTORS if int(top / (step := factor * power) * (1 + 1e-9)) <= most)


def _hours(start: datetime, end: datetime, zone: tzinfo, step: int) -> Iterator[TimeTick]:
    seen = None
    for day in _local_days(start, end, zone):
        for hour in range(0, 24, step):
            moment = day.replace(hour=hour).astimezone(UTC)
            shown = moment.astimezone(zone)  # the clocks may skip the hour: then it is that of a later one
            if moment != seen and (shown.hour, shown.minute) == (hour, 0):
                label = f"{day:%a} {day.day}" if hour == 0 else f"{hour:02}:00"
                yield TimeTick(moment, label, hour == 0, day.date())
                seen = moment


def _days(start: datetime, end: datetime, zone: tzinfo, step: int) -> Iterator[TimeTick]:
    for day in _local_days(start, end, zone):
        if (step == 2 and day.toordinal() % 2) or (step > 2 and (day.toordinal() - 1) % step):
            continue
        label = f"{day.day} {day:%b}" if day.day == 1 else f"{day:%a} {day.day}"
        yield TimeTick(day.astimezone(UTC), label, day.weekday() == 0, day.date())


def _months(start: datetime, end: datetime, zone: tzinfo, step: int) -> Iterator[TimeTick]:
    local = start.astimezone(zone)
    index = local.year * 12 + local.month - 1
    index -= index % step
    while True:
        moment = datetime(index // 12, index % 12 + 1, 1, tzinfo=zone)
        if moment > end:
            return
        yield TimeTick(moment.astimezone(UTC), f"{moment:%b %Y}", index % 12 == 0)
        index += step


def _local_days(start: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
    day = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= end:
        yield day
        following = day.replace(tzinfo=None) + timedelta(days=1)
        day = following.replace(tzinfo=zone)
