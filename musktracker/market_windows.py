"""The stretches of time that markets ask about: weeks from noon to noon, two days, calendar months, all in ET.

Their ends are moments of New York's clocks, so a week has 167 or 169 hours, and two days 47 or 49, where the clocks
change in between. The start belongs to a window, the end to the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.timeline import Span

ET = ZoneInfo("America/New_York")
NOON = time(12)
FRIDAY, TUESDAY = 4, 1


@dataclass(frozen=True, slots=True)
class Preset:
    """A kind of window: what it is, the usual width of its brackets, and the one that holds a local moment."""

    meaning: str
    bracket_width: int
    holding: Callable[[datetime], Span]


def current(name: str, moment: datetime) -> Span:
    """The window of a preset that holds a moment; of the two 48 h windows that do, the later.

    Raises UsageError for a preset that is not known.
    """
    if name not in PRESETS:
        raise UsageError(f"There is no preset {name!r}", f"Choose one of {', '.join(PRESETS)}, or give start and end")
    return PRESETS[name].holding(moment.astimezone(ET))


def following(name: str, moment: datetime) -> Span:
    """The window of a preset that begins when the current one ends."""
    return current(name, current(name, moment).end)


def zone(name: str) -> ZoneInfo:
    """The time zone with this name, or ET for New York's. Raises UsageError where there is none."""
    if name == "ET":
        return ET
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"There is no time zone {name!r}", "Write ET, UTC or such as America/New_York") from None


def _week(weekday: int) -> Callable[[datetime], Span]:
    def holding(moment: datetime) -> Span:
        day = moment.date() - timedelta(days=(moment.weekday() - weekday) % 7)
        if _at(day, NOON) > moment:
            day -= timedelta(days=7)
        return Span(_at(day, NOON), _at(day + timedelta(days=7), NOON))

    return holding


def _two_days(moment: datetime) -> Span:
    day = moment.date()
    if _at(day, NOON) > moment:
        day -= timedelta(days=1)
    return Span(_at(day, NOON), _at(day + timedelta(days=2), NOON))


def _month(moment: datetime) -> Span:
    first = moment.date().replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    return Span(_at(first, time.min), _at(after, time.min))


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, ET).astimezone(UTC)


PRESETS = {
    "fri-noon": Preset("noon ET Friday to noon ET Friday", 20, _week(FRIDAY)),
    "tue-noon": Preset("noon ET Tuesday to noon ET Tuesday", 20, _week(TUESDAY)),
    "48h": Preset("two days from the last noon ET on", 25, _two_days),
    "month": Preset("the calendar month in ET", 40, _month),
}
