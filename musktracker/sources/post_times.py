"""The times that files state, in the forms that exports use: held against the time inside the post's id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from musktracker.timeline import DAY, EPOCH

TOLERANCE = timedelta(seconds=2)  # what a stated time may be off before it contradicts the id
LONGEST_TIME = 64
FIRST_YEAR, LAST_YEAR = 1990, 2100  # no post's time is outside, and none inside overflows
NEW_YORK = ZoneInfo("America/New_York")


class Reading(NamedTuple):
    """One moment that a text may mean: at `moment` (naive where the text names no zone), for `length`."""

    moment: datetime
    length: timedelta


def difference(text: str, made: datetime) -> timedelta | None:
    """How far a stated time is from when the post was made, under its kindest reading; None where it is unreadable.

    A text without a zone is tried in UTC and in New York; one that says only the minute or the day is right anywhere
    in it; one without a year is of the post's.
    """
    distances = [_distance(reading, made) for reading in readings(text, made.year)]
    return min(distances, default=None)


def exact(text: str) -> datetime:
    """The one moment that a text states. Raises ValueError where it states none, or more than one."""
    found = {reading.moment for reading in readings(text, None)}
    if not found:
        raise ValueError("its time cannot be read")
    if len(found) > 1:
        raise ValueError("its time can be read in two ways")
    moment = found.pop()
    if moment.tzinfo is None:
        raise ValueError("its time has no time zone")
    return moment.astimezone(UTC)


def readings(text: str, year: int | None) -> Iterator[Reading]:
    """What a text may mean. `year` is roughly when, for texts that do not say; without it they mean nothing."""
    text = text.strip().strip("\"'")
    if not text or len(text) > LONGEST_TIME:
        return
    for form in (_iso, _unix, _api_1, _spoken, _odd):
        found = [reading for reading in form(text, year) if FIRST_YEAR <= reading.moment.year <= LAST_YEAR]
        if found:
            yield from found
            return


def _distance(reading: Reading, made: datetime) -> timedelta:
    zones = (UTC, NEW_YORK) if reading.moment.tzinfo is None else (reading.moment.tzinfo,)
    return min(_outside(reading.moment.replace(tzinfo=zone), reading.length, made) for zone in zones)


def _outside(start: datetime, length: timedelta, made: datetime) -> timedelta:
    early = start.astimezone(UTC) - made
    return max(early, -early - length, timedelta())


def _iso(text: str, _year: int | None) -> Iterator[Reading]:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return
    found = _ISO_PARTS.match(text)
    if found is None or found["hour"] is None:
        yield Reading(moment, DAY)
    else:
        yield Reading(moment, timedelta() if found["second"] else timedelta(minutes=1))


def _unix(text: str, _year: int | None) -> Iterator[Reading]:
    found = _UNIX.fullmatch(text)
    if found:
        per_second = 1000 if len(found[1]) == 13 else 1
        yield Reading(EPOCH + timedelta(seconds=int(found[1]) / per_second), timedelta())


def _api_1(text: str, _year: int | None) -> Iterator[Reading]:
    found = _API_1.fullmatch(text)
    if found is None:
        return
    month, day, hour, minute, second, sign, zone_hours, zone_minutes, year = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
    if abs(offset) < DAY:
        yield from _reading(int(year), month, day, hour, minute, second, timezone(offset))


def _spoken(text: str, year: int | None) -> Iterator[Reading]:
    found = _SPOKEN.fullmatch(text)
    if found is None:
        return
    month, day, stated, hour, minute, second, half, name = found.groups()
    if half:
        if not 1 <= int(hour) <= 12:
            return
        hour = int(hour) % 12 + (12 if half.lower() == "pm" else 0)
    zone = _ZONES.get((name or "").upper())
    if name and zone is None:
        return
    years = [int(stated)] if stated else [] if year is None else [year, year - 1, year + 1]
    for candidate in years:
        yield from _reading(candidate, month, day, hour, minute, second, zone)


def _reading(
    year: int, month: str, day: str, hour: str | int, minute: str, second: str | None, zone: tzinfo | None
) -> Iterator[Reading]:
    number = _MONTHS.get(month[:3].lower())
    if number is None:
        return
    try:
        moment = datetime(year, number, int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    except ValueError:  # a day or an hour that there is not
        return
    yield Reading(moment, timedelta() if second else timedelta(minutes=1))


def _odd(text: str, _year: int | None) -> Iterator[Reading]:
    from dateutil import parser

    if not re.search(r"\d:\d\d", text):
        return  # it would make a time of any number
    found = set()
    for day_first in (False, True):
        try:
            parsed = {
                parser.parse(text, dayfirst=day_first, tzinfos=_named_zone, default=default) for default in _DEFAULTS
            }
        except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError):  # all that it lets out
            continue
        if len(parsed) == 1:  # otherwise a part of the date was not said
            found |= parsed
    length = timedelta() if re.search(r"\d:\d\d:\d\d", text) else timedelta(minutes=1)
    yield from (Reading(moment, length) for moment in found)


def _named_zone(name: str | None, offset: int | None) -> tzinfo | None:
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    return _ZONES.get((name or "").upper())


_ISO_PARTS = re.compile(r"\d{4}-?\d\d-?\d\d(?:[T ](?P<hour>\d\d)(?::?\d\d(?P<second>:?\d\d)?)?)?", re.ASCII)
_UNIX = re.compile(r"(\d{10}|\d{13})(?:\.\d*)?", re.ASCII)
_API_1 = re.compile(  # Wed Oct 10 20:19:24 +0000 2018
    r"[A-Za-z]{3} ([A-Za-z]{3}) (\d\d?) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d) (\d{4})", re.ASCII
)
_SPOKEN = re.compile(  # Apr 18, 6:41:57 PM EDT; Apr 18, 2025 at 6:41 PM
    r"([A-Za-z]{3,9})\.? (\d\d?)(?:, (\d{4}))?,?(?: at)? "
    r"(\d\d?):(\d\d)(?::(\d\d))?(?: ?([AaPp][Mm]))?(?: ([A-Za-z]{1,4}))?",
    re.ASCII,
)
_DEFAULTS = (datetime(2000, 1, 1), datetime(2001, 2, 2))  # noqa: DTZ001 - stand-ins, never a time themselves
_MONTHS = {
    name: i
    for i, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}
_OFFSETS = {"EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8}
_ZONES: dict[str, tzinfo] = {
    **dict.fromkeys(("UTC", "GMT", "Z"), UTC),
    **{name: timezone(timedelta(hours=hours)) for name, hours in _OFFSETS.items()},
    "ET": NEW_YORK,
    "CT": ZoneInfo("America/Chicago"),
    "MT": ZoneInfo("America/Denver"),
    "PT": ZoneInfo("America/Los_Angeles"),
}
