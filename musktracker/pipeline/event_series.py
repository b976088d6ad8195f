"""Many events at once: one that repeats, and one moved in time. Local times stay when the clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from dateutil import tz
from dateutil.rrule import MONTHLY, WEEKLY, rrule

from musktracker.errors import UsageError
from musktracker.pipeline.event_fields import EventFields
from musktracker.timeline import utc

Every = Literal["weekly", "monthly", "quarterly"]
MOST = 500  # of a series
_RULES: dict[str, tuple[Literal[1, 2], int]] = {
    "weekly": (WEEKLY, 1),
    "monthly": (MONTHLY, 1),
    "quarterly": (MONTHLY, 3),
}


def repeated(fields: EventFields, every: str, until: datetime, zone: ZoneInfo) -> list[EventFields]:
    """The events of a series after the first one, up to and with `until`, at the same local time in `zone`.

    A month without the first one's day has its last day instead; a local time that the clocks skip is an hour later.
    Raises UsageError where nothing repeats, or more than 500 times.
    """
    if every not in get_args(Every):
        raise UsageError(f"{every!r} is no way to repeat", f"Choose one of {', '.join(get_args(Every))}")
    first = fields.event_start.astimezone(zone)
    frequency, interval = _RULES[every]
    monthly = frequency == MONTHLY
    rule = rrule(
        frequency,
        dtstart=first.replace(tzinfo=None),
        interval=interval,
        until=until.astimezone(zone).replace(tzinfo=None),
        bymonthday=range(min(first.day, 28), first.day + 1) if monthly else None,
        bysetpos=-1 if monthly else None,
    )
    starts: list[datetime] = []
    for local in rule:
        if len(starts) > MOST:
            raise UsageError(f"That repeats more than {MOST} times", "Choose an earlier end")
        starts.append(utc(tz.resolve_imaginary(local.replace(tzinfo=zone))))
    if len(starts) < 2:
        raise UsageError("It does not repeat before its series ends", "Choose a later end")
    return [_moved(fields, start - fields.event_start) for start in starts[1:]]


def shifted(fields: EventFields, by: timedelta) -> EventFields:
    """The same event, later or (by a negative time) earlier."""
    return _moved(fields, by)


def read_shift(text: str) -> timedelta:
    """`+2h`, `-1d` or `90m` as a time to shift by. Raises UsageError."""
    from musktracker.pipeline.event_when import read_duration

    sign = -1 if text.strip().startswith("-") else 1
    return sign * read_duration(text.strip().lstrip("+-").lower())


def _moved(fields: EventFields, by: timedelta) -> EventFields:
    return replace(fields, event_start=fields.event_start + by, event_end=fields.event_end + by)
