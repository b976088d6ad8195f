"""An event in one line, as people say it: `next fri 14:00 ET +2h starship launch !0.8 #launch`.

When it starts comes first, then anything in any order: how long (`+2h`, `+1d12h`) or `until` when, `!` with an
intensity (a number or the name of a level), `#` with a category; what is left is the name. A line that can be read in
two ways is not guessed at: AmbiguousLine says both.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import tz
from dateutil.relativedelta import relativedelta

from musktracker.errors import UsageError
from musktracker.pipeline.events import USUAL_INTENSITY, EventFields, cleaned, read_intensity
from musktracker.timeline import DAY, utc

EXAMPLE = "next fri 14:00 ET +2h starship launch !0.8 #launch"
RECENT_DAYS = 60  # a day and month that lie no longer back may be meant of this year
MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class Understood:
    """A line as it was understood; `notes` say what it left open and how that was filled in."""

    fields: EventFields
    notes: tuple[str, ...]


class AmbiguousLine(UsageError):
    """A line with two meanings; `choices` are what to write instead of `said`, each with what it would mean."""

    def __init__(self, said: str, choices: Sequence[tuple[str, str]]) -> None:
        words = " or ".join(f"{text!r} ({meaning})" for text, meaning in choices)
        super().__init__(f"{said!r} can be read in two ways", f"Write {words}")
        self.said = said
        self.choices = tuple(choices)


def parse_line(text: str, now: datetime, zone: ZoneInfo) -> Understood:
    """Read a line; days and times that name no zone are in `zone`.

    Raises AmbiguousLine, UsageError for what cannot be read, InvalidEvent for what cannot be an event.
    """
    words = text.split()
    start, used, notes = _When(words, now, zone).read()
    if used == 0:
        raise UsageError("Say first when it starts", f"For example: {EXAMPLE}")
    rest = _Rest.of(words[used:], start, zone)
    if not rest.name:
        raise UsageError("The event has no name", f"For example: {EXAMPLE}")
    moment = start.moment(zone)
    end = rest.end or start.end(zone) or start.over(zone)
    if end == moment:
        notes.append("a point in time: +2h makes it last")
    if rest.intensity is None:
        notes.append(f"intensity {USUAL_INTENSITY:g}, as none was said")
    fields = EventFields(
        name=rest.name,
        event_start=moment,
        event_end=end,
        intensity=USUAL_INTENSITY if rest.intensity is None else rest.intensity,
        category=rest.category,
    )
    return Understood(cleaned(fields), tuple(notes))


def read_duration(text: str) -> timedelta:
    """How long `2h`, `90m`, `1d12h` or `1w` are. Raises UsageError."""
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{text!r} is no duration", "Write 90m, 2h, 1d12h or 1w")
    found = sum((float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    if not found <= timedelta(days=3650):
        raise UsageError(f"{text!r} is longer than ten years", "Write 90m, 2h, 1d12h or 1w")
    return found


@dataclass(frozen=True, slots=True)
class _Start:
    """A day, a time of the day (none: the whole day) and where the line said that they are."""

    day: date
    clock: time | None = None
    until: time | None = None
    zone: tzinfo | None = None

    def moment(self, zone: ZoneInfo) -> datetime:
        return _moment(self.day, self.clock or MIDNIGHT, self.zone or zone)

    def over(self, zone: ZoneInfo) -> datetime:
        """The end of the whole day, or of a point in time."""
        return self.moment(zone) if self.clock else _moment(self.day + DAY, MIDNIGHT, self.zone or zone)

    def end(self, zone: ZoneInfo) -> datetime | None:
        """Where the line told the end by a range of times; one before the start is of the next day."""
        if self.until is None:
            return None
        overnight = self.clock is not None and self.until <= self.clock
        return _moment(self.day + DAY if overnight else self.day, self.until, self.zone or zone)


class _When:
    """Reads the words at the head of a line that tell a day and a time."""

    def __init__(self, words: Sequence[str], now: datetime, zone: ZoneInfo) -> None:
        self._words = [word.lower().strip(",") for word in words]
        self._said = words
        self._now = now
        self._zone = zone
        self._at = 0
        self._day: date | None = None
        self._day_word = ""
        self._clock: time | None = None
        self._until: time | None = None
        self._where: tzinfo | None = None

    def read(self) -> tuple[_Start, int, list[str]]:
        """The start, of how many words it was read, and notes. No words: none told a time."""
        while self._at < len(self._words) and self._read_one():
            pass
        if not self._at:
            return _Start(self._today), 0, []
        notes = []
        if self._day is None:
            self._day, self._day_word = self._today, "today"
            if self._clock is not None and self._passed(self._today):
                clock = " ".join(self._said[: self._at])
                meanings = (("today", "it has passed"), ("tomorrow", "the coming one"))
                raise AmbiguousLine(clock, [(f"{day} {clock}", meaning) for day, meaning in meanings])
        elif self._day == self._today and self._day_word in _WEEKDAYS and self._passed(self._day):
            later = self._day + 7 * DAY
            said = " ".join(self._said[: self._at])
            rest = said.partition(" ")[2]
            raise AmbiguousLine(said, [(f"today {rest}", "it has passed"), (f"{later} {rest}", f"{later:%a %d %b}")])
        if self._clock is None:
            notes.append("no time said: the whole day")
        return _Start(self._day, self._clock, self._until, self._where), self._at, notes

    @property
    def _today(self) -> date:
        return self._now.astimezone(self._where or self._zone).date()

    def _passed(self, day: date) -> bool:
        return _moment(day, self._clock or time(23, 59), self._where or self._zone) < self._now

    def _read_one(self) -> bool:
        """Take the next words that tell something of a day or a time; False where they do not."""
        for read in (self._moment_at, self._day_at, self._clock_at, self._zone_at):
            used = read(self._words[self._at], self._words[self._at + 1 :])
            if used:
                self._at += used
                return True
        return self._filler()

    def _filler(self) -> bool:
        """`at`, `on` and `from` mean nothing, but only before what tells a day or a time."""
        if self._words[self._at] not in ("at", "on", "from") or self._at + 1 >= len(self._words):
            return False
        self._at += 1
        if self._read_one():
            return True
        self._at -= 1
        return False

    def _moment_at(self, word: str, following: Sequence[str]) -> int:
        if self._day is not None or self._clock is not None:
            return 0
        if word == "now":
            return self._take(self._now.replace(second=0, microsecond=0), 1)
        if word == "in" and following and _DURATION.fullmatch(following[0]):
            return self._take((self._now + read_duration(following[0])).replace(second=0, microsecond=0), 2)
        if "t" in word and _ISO.match(word):
            try:
                moment = datetime.fromisoformat(word.upper())
            except ValueError:
                raise UsageError(f"{word!r} is not a time", "Write 2026-01-31T18:00Z") from None
            return self._take(moment, 1)
        return 0

    def _take(self, moment: datetime, used: int) -> int:
        self._where = moment.tzinfo
        local = moment.astimezone(self._zone) if moment.tzinfo is UTC and self._now is moment else moment
        self._day, self._clock, self._day_word = local.date(), local.timetz().replace(tzinfo=None), "day"
        return used

    def _day_at(self, word: str, following: Sequence[str]) -> int:
        if self._day is not None:
            return 0
        today, after = self._today, following[0] if following else ""
        if word in _DAYS:
            return self._is(word, today + _DAYS[word], 1)
        if word in _WEEKDAYS:
            return self._is(word, today + _WEEKDAYS[word], 1)
        if word in ("next", "this", "last") and after in _WEEKDAYS:
            return self._is("day", _weekday(word, today, _WEEKDAYS[after]), 2)
        if _ISO.fullmatch(word):
            return self._is("day", _real_date(word, *map(int, word.split("-"))), 1)
        numeric = _NUMERIC.fullmatch(word)
        if numeric:
            return self._is("day", self._numeric(word, numeric), 1)
        return self._named(word, following)

    def _named(self, word: str, following: Sequence[str]) -> int:
        """`dec 1`, `1 dec`, each with or without a year."""
        after = following[0] if following else ""
        if word in _MONTHS and _ORDINAL.fullmatch(after):
            month, day = _MONTHS[word], int(after.rstrip("stndrh"))
        elif _ORDINAL.fullmatch(word) and after in _MONTHS:
            month, day = _MONTHS[after], int(word.rstrip("stndrh"))
        else:
            return 0
        said = f"{word} {after}"
        if len(following) > 1 and re.fullmatch(r"20\d\d|19\d\d", following[1]):
            return self._is("day", _real_date(said, int(following[1]), month, day), 3)
        return self._is("day", self._nearest(said, month, day), 2)

    def _nearest(self, said: str, month: int, day: int) -> date:
        """A day of a year that was not said: the coming one, unless one that has just passed may be meant."""
        today = self._today
        found = _real_date(said, today.year if (month, day) != (2, 29) else _leap_year(today.year), month, day)
        if found >= today:
            return found
        later = _real_date(
            said, _leap_year(today.year + 1) if (month, day) == (2, 29) else today.year + 1, month, day
        )
        if (today - found).days > RECENT_DAYS:
            return later
        raise AmbiguousLine(said, [(f"{found}", "it has passed"), (f"{later}", "the coming one")])

    def _numeric(self, word: str, found: re.Match[str]) -> date:
        first, second, year = int(found[1]), int(found[2]), found[3]
        number = None if year is None else int(year) + (2000 if len(year) == 2 else 0)
        readings = {
            (month, day) for month, day in ((first, second), (second, first)) if 1 <= month <= 12 and 1 <= day <= 31
        }
        if not readings:
            raise UsageError(f"{word!r} is no day", "Write it as 2026-01-31")
        days = [
            self._nearest(word, *pair) if number is None else _real_date(word, number, *pair)
            for pair in sorted(readings)
        ]
        if len(days) > 1:
            raise AmbiguousLine(word, [(f"{day}", f"{day:%d %B}") for day in days])
        return days[0]

    def _is(self, word: str, day: date, used: int) -> int:
        self._day, self._day_word = day, word
        return used

    def _clock_at(self, word: str, following: Sequence[str]) -> int:
        if self._clock is not None:
            return 0
        if word in ("noon", "midnight"):
            self._clock = time(12) if word == "noon" else MIDNIGHT
            return 1
        apart = bool(following) and following[0] in ("am", "pm")
        parts = re.split("[-–]", word + (following[0] if apart else ""))
        if len(parts) == 2 and parts[0].isdecimal():  # 10-11pm
            parts[0] += parts[1][-2:]
        if len(parts) > 2 or not all(_CLOCK.fullmatch(part) for part in parts):
            return 0
        clocks = [_clock(part) for part in parts]
        self._clock, self._until = clocks[0], clocks[1] if len(clocks) == 2 else None
        return 2 if apart else 1

    def _zone_at(self, word: str, _following: Sequence[str]) -> int:
        if self._clock is None or self._where is not None:
            return 0
        said = self._said[self._at].strip(",")
        if said in _UNCLEAR:
            raise AmbiguousLine(said, _UNCLEAR[said])
        self._where = _zone(word, said)
        return 0 if self._where is None else 1


@dataclass(frozen=True, slots=True)
class _Rest:
    """What follows the start of a line."""

    name: str = ""
    end: datetime | None = None
    intensity: float | None = None
    category: str | None = None

    @classmethod
    def of(cls, words: Sequence[str], start: _Start, zone: ZoneInfo) -> _Rest:
        found, name, at = cls(), [], 0
        while at < len(words):
            word = words[at]
            used = 1
            if word.startswith("+") and _DURATION.fullmatch(word[1:].lower()):
                found = replace(found, end=start.moment(zone) + read_duration(word[1:].lower()))
            elif word.startswith("!") and len(word) > 1:
                found = replace(found, intensity=read_intensity(word[1:]))
            elif _CATEGORY.fullmatch(word):
                found = replace(found, category=word[1:])
            elif word.lower() == "until" and (until := _until(words[at + 1 :], start, zone)) is not None:
                end, more = until
                found, used = replace(found, end=end), 1 + more
            else:
                name.append(word)
            at += used
        return replace(found, name=" ".join(name))


def _until(words: Sequence[str], start: _Start, zone: ZoneInfo) -> tuple[datetime, int] | None:
    """When `until` says that it ends, seen from the start; None where the word is but part of the name."""
    begin = start.moment(zone)
    end, used, _ = _When(words, begin, zone).read()
    if not used:
        return None
    return replace(end, zone=end.zone or start.zone).over(zone), used


def _moment(day: date, clock: time, where: tzinfo) -> datetime:
    """A local time as a moment; UsageError for one that the clocks skip, AmbiguousLine for one that comes twice."""
    local = datetime.combine(day, clock, where)
    if not tz.datetime_exists(local):
        raise UsageError(
            f"{local:%Y-%m-%d %H:%M} does not exist in {where}: the clocks skip it", "Choose an hour later or earlier"
        )
    if tz.datetime_ambiguous(local):
        said = f"{local:%H:%M}"
        offsets = [f"{local.replace(fold=fold):%z}" for fold in (0, 1)]
        raise AmbiguousLine(
            said,
            [
                (f"{said} {offset[:3]}:{offset[3:]}", "before the clocks change" if i == 0 else "after it")
                for i, offset in enumerate(offsets)
            ],
        )
    return utc(local)


def _weekday(which: str, today: date, day: relativedelta) -> date:
    if which == "next":
        return today + DAY + day
    if which == "last":
        return today - 7 * DAY + day
    return today - DAY * today.weekday() + day


def _real_date(said: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise UsageError(f"{said!r} is no day of {year}", "Write it as 2026-01-31") from None


def _leap_year(year: int) -> int:
    while year % 4 or (year % 100 == 0 and year % 400):
        year += 1
    return year


def _clock(text: str) -> time:
    found = _CLOCK.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        hour, minute, half = int(found[1] or found[3]), int(found[2] or 0), found[4] or found[5]
        if half and not 1 <= hour <= 12:
            raise ValueError
        return time(hour % 12 + (12 if half == "pm" else 0) if half else hour, minute)
    except ValueError:
        raise UsageError(f"{text!r} is not a time of the day", "Write 14:00 or 2pm") from None


def _zone(word: str, said: str) -> tzinfo | None:
    offset = _OFFSET.fullmatch(word)
    if offset:
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-length if offset[1] == "-" else length)
    known = _ZONES.get(said)
    if isinstance(known, tzinfo):
        return known
    if known is None and "/" not in said:
        return None
    try:
        return ZoneInfo(known or said)
    except (ZoneInfoNotFoundError, ValueError):
        return None


_UNITS = {
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": DAY,
    "w": 7 * DAY,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(min|m|h|d|w)")
_DURATION = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})?(?:min|m|h|d|w))+")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMERIC = re.compile(r"(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}|\d{2}))?")
_ORDINAL = re.compile(r"\d{1,2}(?:st|nd|rd|th)?")
_CLOCK = re.compile(r"(?:(\d{1,2}):(\d{2})|(\d{1,2})(am|pm))(am|pm)?")
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")
_CATEGORY = re.compile(r"#[^\W\d][\w-]*")
_DAYS = {"today": timedelta(), "tomorrow": DAY, "yesterday": -DAY}
_NAMES = [name.lower() for name in calendar.day_name]
_WEEKDAYS = {
    short: relativedelta(weekday=i)
    for i, name in enumerate(_NAMES)
    for short in {name, name[:3], *(("tues",) if i == 1 else ("thur", "thurs") if i == 3 else ())}
}
_MONTHS = {
    short: i for i, name in enumerate(calendar.month_name) if name for short in (name.lower(), name[:3].lower())
} | {"sept": 9}
_ZONES: dict[str, tzinfo | str] = {
    "Z": UTC,
    "UTC": UTC,
    "GMT": UTC,
    "ET": "America/New_York",
    "CT": "America/Chicago",
    "MT": "America/Denver",
    "PT": "America/Los_Angeles",
    "EST": timezone(timedelta(hours=-5)),
    "EDT": timezone(timedelta(hours=-4)),
    "PST": timezone(timedelta(hours=-8)),
    "PDT": timezone(timedelta(hours=-7)),
    "CET": "Europe/Paris",
}
_UNCLEAR = {
    "CST": (("CT", "the central United States"), ("Asia/Shanghai", "China")),
    "IST": (("Asia/Kolkata", "India"), ("Europe/Dublin", "Ireland")),
    "BST": (("Europe/London", "Britain"), ("Asia/Dhaka", "Bangladesh")),
}
