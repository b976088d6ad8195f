"""Events from calendars, and as one: iCalendar files (RFC 5545), as every calendar program gives and takes them.

SUMMARY is the name, the first of CATEGORIES the category, CREATED when it became known. Intensity and source have no
place in the standard: X-INTENSITY and X-SOURCE are ours, and an entry without the first is of medium intensity.
Entries that repeat become an event for each time within REACH; days and times without a zone are in the calendar's
(X-WR-TIMEZONE), or else in the reader's, and their rows say which: LOCAL_TO.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dateutil import tz
from dateutil.rrule import rruleset, rrulestr

from musktracker import __version__
from musktracker.errors import UsageError
from musktracker.pipeline.event_fields import USUAL_INTENSITY
from musktracker.pipeline.event_rows import Event
from musktracker.text import printable
from musktracker.timeline import DAY, iso, utc

if TYPE_CHECKING:
    from icalendar import Calendar
    from icalendar import Event as Entry

REACH = (timedelta(days=-5 * 365), timedelta(days=2 * 365))  # from now: where a series becomes events
MOST = 1_000  # events of a series
TOO_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}
INTENSITY, SOURCE = "X-INTENSITY", "X-SOURCE"
CANCELLED = "cancelled"  # in a row: the calendar calls it off
LOCAL_TO = "local_to"  # in a row: the zone in which days and times without one were taken
LONGEST_SHOWN = 40  # of a summary in a message

Row = tuple[int, Mapping[str, Any] | str]


def rows(content: str, now: datetime, zone: ZoneInfo) -> Iterator[Row]:
    """The entries of a calendar as rows of an import: (line where one begins, cells by column or what is wrong).

    Raises UsageError where the content is no calendar.
    """
    from icalendar import Calendar

    try:
        calendars = Calendar.from_ical(content, multiple=True)
    except ValueError as error:
        raise UsageError(f"It cannot be read as a calendar: {error}") from None
    if not calendars:
        raise UsageError("There is no calendar in it", "An .ics file begins with BEGIN:VCALENDAR")
    lines = [content.count("\n", 0, begin.start()) + 1 for begin in _BEGIN.finditer(content)]
    place = 0
    for calendar in calendars:
        found = list(enumerate(calendar.events, place + 1))
        place += len(found)
        for at, row in _of_calendar(found, now, _zone(calendar) or zone):
            yield lines[at - 1] if at <= len(lines) else at, row


def to_ics(events: Iterable[Event]) -> str:
    """The events as a calendar; importing it brings them back."""
    from icalendar import Calendar
    from icalendar import Event as Entry

    calendar = Calendar()
    calendar.add("PRODID", f"-//MuskTracker {__version__}//EN")
    calendar.add("VERSION", "2.0")
    for event in events:
        entry = Entry()
        entry.add("UID", f"event-{event.id}@musktracker")
        entry.add("DTSTAMP", event.version)
        entry.add("CREATED", event.created_at)
        entry.add("SUMMARY", event.name)
        entry.add("DTSTART", event.event_start)
        entry.add("DTEND", event.event_end)
        entry.add(INTENSITY, f"{event.intensity:g}")
        entry.add(SOURCE, event.source)
        if event.category:
            entry.add("CATEGORIES", [event.category])
        if event.description:
            entry.add("DESCRIPTION", event.description)
        calendar.add_component(entry)
    return str(calendar.to_ical(), "utf-8")


_BEGIN = re.compile(r"^BEGIN:VEVENT\s*$", re.MULTILINE | re.IGNORECASE)


def _zone(calendar: Calendar) -> ZoneInfo | None:
    """The zone that a calendar names for what names none."""
    try:
        return ZoneInfo(str(calendar["X-WR-TIMEZONE"]).strip())
    except (KeyError, ValueError, OSError):  # KeyError also where no zone is of that name
        return None


def _of_calendar(found: Sequence[tuple[int, Entry]], now: datetime, zone: ZoneInfo) -> Iterator[Row]:
    """Each entry's rows; a time of a series that another entry moves (RECURRENCE-ID) is left to that one."""
    moved: dict[str, set[datetime]] = defaultdict(set)
    for _, entry in found:
        if "RECURRENCE-ID" in entry and not entry.errors:
            stated: Any = entry["RECURRENCE-ID"]
            moved[str(entry.get("UID", ""))].add(_moment(stated.dt, zone))
    for place, entry in found:
        wrong = _wrong(entry)
        if wrong:
            yield place, f"{_called(place, entry)} {wrong}"
        elif "RRULE" in entry or "RDATE" in entry:
            yield from _of_series(place, entry, moved[str(entry.get("UID", ""))], now, zone)
        else:
            yield place, _cells(entry, zone)


def _wrong(entry: Entry) -> str:
    """What keeps an entry from being read; empty where nothing does."""
    if entry.errors:
        name, problem = entry.errors[0]
        return f"its {name} cannot be read: {problem}"
    if "DTSTART" not in entry:
        return "has no DTSTART"
    for rule in _listed(entry.get("RRULE")):
        if TOO_OFTEN & set(map(str, rule.get("FREQ", []))):
            return "repeats more often than daily"
    return ""


def _called(place: int, entry: Entry) -> str:
    """The entry as a message names it."""
    summary = printable(_summary(entry))
    shown = summary if len(summary) <= LONGEST_SHOWN else f"{summary[: LONGEST_SHOWN - 1]}…"
    return f"event {place} ({shown})" if shown else f"event {place}"


def _of_series(place: int, entry: Entry, moved: Collection[datetime], now: datetime, zone: ZoneInfo) -> Iterator[Row]:
    try:
        starts = [
            start
            for start in islice(_starts(entry, now, zone), MOST + len(moved) + 1)
            if _moment(start, zone) not in moved
        ]
    except (ValueError, TypeError, OverflowError) as error:
        yield place, f"{_called(place, entry)} cannot be repeated: {error}"
        return
    if len(starts) > MOST:
        yield place, f"{_called(place, entry)} repeats more than {MOST:,} times"
        return
    for start in starts:
        yield place, _cells(entry, zone, start)


def _starts(entry: Entry, now: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The times of a series within REACH, in the zone of its first (local times stay when the clocks change)."""
    first = entry.start if isinstance(entry.start, datetime) else datetime.combine(entry.start, time())
    where = first.tzinfo or zone
    series = rruleset()
    series.rdate(first.replace(tzinfo=None))
    for rule in _listed(entry.get("RRULE")):
        found: Any = rrulestr(_local_rule(rule, where), dtstart=first.replace(tzinfo=None))
        series.rrule(found)
    for name, add in (("RDATE", series.rdate), ("EXDATE", series.exdate)):
        for dates in _listed(entry.get(name)):
            for stated in dates.dts:
                add(_moment(stated.dt, zone).astimezone(where).replace(tzinfo=None))
    begin, end = ((now + reach).astimezone(where).replace(tzinfo=None) for reach in REACH)
    for local in series.xafter(begin, inc=True):
        if local > end:
            return
        yield tz.resolve_imaginary(local.replace(tzinfo=where))


def _local_rule(rule: Any, where: tzinfo) -> str:
    """A rule as text whose end, which calendars state in UTC, is a local time as its start is."""
    local: Any = type(rule)(rule)
    ends = [
        end.astimezone(where).replace(tzinfo=None) if isinstance(end, datetime) and end.tzinfo else end
        for end in local.get("UNTIL", [])
    ]
    if ends:
        local["UNTIL"] = ends
    return str(local.to_ical(), "utf-8")


def _cells(entry: Entry, zone: ZoneInfo, start: date | None = None) -> dict[str, Any]:
    """An entry as a row, or one of its repetitions, at another start."""
    length = _moment(entry.end, zone) - _moment(entry.start, zone)
    if not isinstance(entry.start, datetime):
        length = max(length, DAY)
    begin = _moment(entry.start if start is None else start, zone)
    created = entry.get("CREATED")
    categories = entry.categories
    more = {"source": str(entry[SOURCE])} if SOURCE in entry else {}
    if not isinstance(entry.start, datetime) or entry.start.tzinfo is None:
        more[LOCAL_TO] = zone.key
    if str(entry.get("STATUS", "")).upper() == "CANCELLED":
        more[CANCELLED] = "yes"
    return more | {
        "name": _summary(entry),
        "event_start": iso(begin),
        "event_end": iso(begin + length),
        "intensity": str(entry.get(INTENSITY, USUAL_INTENSITY)),
        "category": str(categories[0]) if categories else "",
        "description": str(entry.get("DESCRIPTION", "")),
        "created_at": iso(_moment(created.dt, zone)) if created is not None else "",
    }


def _summary(entry: Entry) -> str:
    return " ".join(str(entry.get("SUMMARY", "")).split())


def _moment(value: date, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return utc(value if value.tzinfo is not None else value.replace(tzinfo=zone))


def _listed(value: Any) -> list[Any]:
    """What a property holds that may be there once, several times or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
