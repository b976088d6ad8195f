"""When an event is, as people type it at the head of a line: `fri 14:00 ET`, `dec 4-6`, `in 3 days`, and how long."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import tz
from dateutil.relativedelta import relativedelta

from musktracker.errors import UsageError
from musktracker.timeline import DAY, utc

RECENT_DAYS = 60  # a day and month that lie no longer back may be meant of this year
MIDNIGHT = time()


class AmbiguousLine(UsageError):
    """A line with two meanings; `choices` are what to write instead of `said`, each with what it would mean."""

    def __init__(self, said: str, choices: Sequence[tuple[str, str]]) -> None:
        words = " or ".join(f"{text!r} ({meaning})" for text, meaning in choices)
        super().__init__(f"{said!r} can be read in two ways", f"Write {words}")
        self.said = said
        self.choices = tuple(choices)


def read_duration(text: str) -> timedelta:
    """How long `2h`, `90m`, `1d12h`, `1w` or `2 days` are. Raises UsageError."""
    if not DURATION.fullmatch(text):
        raise UsageError(f"{text!r} is no duration", "Write 90m, 2h, 1d12h or 1w")
    found = sum((float(number) * _UNITS[unit[0]] for number, unit in _PART.findall(text)), timedelta())
    if not found <= timedelta(days=3650):
        raise UsageError(f"{text!r} is longer than ten years", "Write 90m, 2h, 1d12h or 1w")
    return found


def read_length(words: Sequence[str]) -> tuple[timedelta | None, int]:
    """How long the first words say, and how many they are: `2h`, `2 days`; None where they do not."""
    for used in range(1, min(2, len(words)) + 1):
        text = "".join(words[:used]).lower().strip(",")
        if DURATION.fullmatch(text):
            return read_duration(text), used
    return None, 0


def days_apart(text: str) -> str:
    """The line with a range of days at its head spelled out: `dec 4-6` as `dec 4 - dec 6`."""
    found = _DAYS_OF_MONTH.match(text)
    if found:
        first, last, year = found["first"], found["last"], found["year"] or ""
        month = found["before"] or found["after"]
        return f"{month} {first} {year} - {month} {last} {year}{text[found.end() :].lstrip(',')}"
    return _DAYS_APART.sub(r"\1 - ", _YEAR_AFTER.sub(r"\1 \3 \2 \3", text, count=1), count=1)


@dataclass(frozen=True, slots=True)
class Start:
    """A day, a time of the day (none: the whole day) and where the line said that they are; or an exact moment."""

    day: date
    clock: time | None = None
    until: time | None = None
    zone: tzinfo | None = None
    exact: datetime | None = None

    def moment(self, zone: tzinfo) -> datetime:
        return self.exact or _moment(self.day, self.clock or MIDNIGHT, self.zone or zone)

    def over(self, zone: tzinfo) -> datetime:
        """The end of the whole day, of a range of times (one before the start is of the next day), or of a point."""
        if self.clock is None:
            return _moment(self.day + DAY, MIDNIGHT, self.zone or zone)
        if self.until is None:
            return self.moment(zone)
        return _moment(self.day + DAY if self.until <= self.clock else self.day, self.until, self.zone or zone)


class When:
    """Reads the words at the head of a line that tell a day and a time; of an end, where it is given its `begin`."""

    def __init__(self, words: Sequence[str], now: datetime, zone: tzinfo, begin: datetime | None = None) -> None:
        self._words = [word.lower().strip(",;:").replace(".m.", "m") for word in words]
        self._said = words
        self._now = now
        self._begin = begin
        self._zone = zone
        self._at = 0
        self._day: date | None = None
        self._day_word = ""
        self._clock: time | None = None
        self._until: time | None = None
        self._where: tzinfo | None = None
        self._exact: datetime | None = None  # of `now` and `in 2h`
        self._whole_days = False  # of `in 3 days`: the time of its day may still be said
        self._notes: list[str] = []

    def read(self) -> tuple[Start, int, list[str]]:
        """The start, of how many words it was read, and notes. No words: none told a time."""
        while self._at < len(self._words) and self._read_one():
            pass
        if not self._at:
            return Start(self._today), 0, []
        if self._day is None:
            self._day = self._without_day()
        elif self._begin is None:
            self._check_hour(self._day)
        return Start(self._day, self._clock, self._until, self._where, self._exact), self._at, self._notes

    def _without_day(self) -> date:
        """The day of a time alone: today, if that is still to come; an end is always after the beginning."""
        day, clock = self._today, " ".join(self._said[: self._at])
        if self._clock is None or not self._passed(day):
            return day
        if self._begin is not None:
            return day + DAY
        meanings = (("today", "it has passed"), ("tomorrow", "the coming one"))
        raise AmbiguousLine(clock, [(f"{day} {clock}", meaning) for day, meaning in meanings])

    def _check_hour(self, day: date) -> None:
        """Ask for the day where its time makes it doubtful: a weekday's that has passed today, one after midnight."""
        said = " ".join(self._said[: self._at])
        read = zip(self._said[: self._at], self._words[: self._at], strict=True)
        rest = " ".join(each for each, word in read if word != self._day_word)
        if self._day_word == "tonight":
            if self._clock is None:
                raise UsageError("'tonight' tells no time", "Write tonight 20:00")
            if self._clock < time(12):
                days = (("today", day), ("tomorrow", day + DAY))
                raise AmbiguousLine(said, [(f"{word} {rest}", _short(each)) for word, each in days])
        if day == self._today and self._day_word in _WEEKDAYS and self._passed(day):
            later = day + 7 * DAY
            raise AmbiguousLine(
                said, [(f"today {rest}", "it has passed"), (f"{later} {rest}", f"{later:%a} {_short(later)}")]
            )

    @property
    def _today(self) -> date:
        return (self._begin or self._now).astimezone(self._where or self._zone).date()

    def _passed(self, day: date) -> bool:
        moment = _moment(day, self._clock or time(23, 59), self._where or self._zone)
        return moment < self._now if self._begin is None else moment <= self._begin

    def _read_one(self) -> bool:
        """Take the next words that tell something of a day or a time; False where they do not.

        `at`, `on` and `from` mean nothing, but only before what does.
        """
        if self._words[self._at] not in ("at", "on", "from"):
            return self._read_telling()
        self._at += 1
        if self._at < len(self._words) and self._read_telling():
            return True
        self._at -= 1
        return False

    def _read_telling(self) -> bool:
        for read in (self._moment_at, self._day_at, self._clock_at, self._zone_at):
            used = read(self._words[self._at], self._words[self._at + 1 :])
            if used:
                self._at += used
                return True
        return False

    def _moment_at(self, word: str, following: Sequence[str]) -> int:
        if self._day is not None or self._clock is not None:
            return 0
        if word == "now":
            return self._take(self._now, 1)
        length, used = read_length(following) if word == "in" else (None, 0)
        if length is not None:
            self._whole_days = length % DAY == timedelta()
            return self._take(self._now + length, 1 + used)
        if "t" in word and ISO.match(word):
            try:
                moment = datetime.fromisoformat(word.upper())
            except ValueError:
                raise UsageError(f"{word!r} is not a time", "Write 2026-01-31T18:00Z") from None
            self._where = moment.tzinfo
            self._day, self._clock, self._day_word = moment.date(), moment.time(), "day"
            return 1
        return 0

    def _take(self, moment: datetime, used: int) -> int:
        self._exact = utc(moment.replace(second=0, microsecond=0))
        local = self._exact.astimezone(self._zone)
        self._day, self._clock, self._day_word = local.date(), local.time(), "day"
        return used

    def _day_at(self, word: str, following: Sequence[str]) -> int:
        if self._day is not None:
            return self._date_of_weekday(word, following)
        today, after = self._today, following[0] if following else ""
        if word in _DAYS:
            return self._is(word, self._now.astimezone(self._where or self._zone).date() + _DAYS[word], 1)
        if word in _WEEKDAYS:
            return self._is(word, today + _WEEKDAYS[word], 1)
        if word in ("next", "this", "last") and after in _WEEKDAYS:
            return self._is("day", self._weekday(word, today, after), 2)
        return self._date_at(word, following)

    def _date_of_weekday(self, word: str, following: Sequence[str]) -> int:
        """The date after its weekday: `fri dec 4`."""
        weekday = self._day_word
        used = self._date_at(word, following) if weekday in _WEEKDAYS and self._clock is None else 0
        if used and self._day is not None and self._day + _WEEKDAYS[weekday] != self._day:
            raise UsageError(f"{self._day} is a {self._day:%A}, not {weekday!r}", "Write the day without its weekday")
        return used

    def _weekday(self, which: str, today: date, name: str) -> date:
        day = _WEEKDAYS[name]
        if which == "last":
            return today - 7 * DAY + day
        if which == "this":
            return today - DAY * today.weekday() + day
        found = today + DAY + day
        if found.isocalendar()[:2] == today.isocalendar()[:2]:
            self._notes.append(f"next {name} is {_short(found)}, the coming one: {found + 7 * DAY} is a week later")
        return found

    def _date_at(self, word: str, following: Sequence[str]) -> int:
        """A day of the calendar: `2026-12-01`, `24/12`, `dec 1`."""
        if ISO.fullmatch(word):
            return self._is("day", _real_date(word, *map(int, re.split("[-/]", word))), 1)
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
        if self._begin is not None:
            return found
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
            raise AmbiguousLine(word, [(f"{day}", _short(day)) for day in days])
        return days[0]

    def _is(self, word: str, day: date, used: int) -> int:
        self._day, self._day_word = day, word
        return used

    def _clock_at(self, word: str, following: Sequence[str]) -> int:
        if self._clock is not None and not self._whole_days:
            return 0
        found = CLOCKS.match(" ".join((word, *following[:4])))
        if found is None:
            return 0
        self._exact, self._whole_days = None, False
        first, second = found["first"] or found["only"], found["second"]
        self._clock, self._until = _clocks(first.replace(" ", ""), second and second.replace(" ", ""))
        return found[0].count(" ") + 1

    def _zone_at(self, word: str, _following: Sequence[str]) -> int:
        if self._clock is None or self._where is not None:
            return 0
        said = self._said[self._at].strip(",;:")
        if said in _UNCLEAR:
            raise AmbiguousLine(said, _UNCLEAR[said])
        self._where = _zone(word, said)
        return 0 if self._where is None else 1


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


def _real_date(said: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise UsageError(f"{said!r} is no day of {year}", "Write it as 2026-01-31") from None


def _leap_year(year: int) -> int:
    while year % 4 or (year % 100 == 0 and year % 400):
        year += 1
    return year


def _short(day: date) -> str:
    return f"{day.day} {day:%B}"


def _clocks(first: str, second: str | None) -> tuple[time, time | None]:
    """A time of the day, or a range of them: of `10-11pm` both are of the half that makes it the shorter one."""
    if second is None:
        return _clock(first), None
    last = _clock(second)
    if not first.isdecimal():
        return _clock(first), last
    if not second.endswith("m"):
        return _clock(f"{first}:00"), last
    halves = [_clock(f"{first}{half}") for half in ("am", "pm")]
    before = [each for each in halves if each < last]
    return max(before or halves), last


def _clock(text: str) -> time:
    if text in _NAMED:
        return _NAMED[text]
    found = _CLOCK.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        hour, minute, half = int(found[1]), int(found[2] or 0), found[3]
        if half and not 1 <= hour <= 12:
            raise ValueError
        return time(hour % 12 + (12 if half == "pm" else 0) if half else hour, minute)
    except ValueError:
        raise UsageError(f"{text!r} is not a time of the day", "Write 14:00 or 2pm") from None


def _zone(word: str, said: str) -> tzinfo | None:
    offset = _OFFSET.fullmatch(word)
    if offset:
        length = timedelta(hours=int(offset["hours"] or offset["only"]), minutes=int(offset["minutes"] or 0))
        if length > _FURTHEST:
            raise UsageError(f"{said!r} is no offset from UTC", "Write it as -05:00")
        return timezone(-length if "-" in word else length)
    known = ZONES.get(said)
    if isinstance(known, tzinfo):
        return known
    if known is None and "/" not in said:
        return None
    try:
        return ZoneInfo(known or said)
    except (ZoneInfoNotFoundError, ValueError):
        return None


_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": DAY, "w": 7 * DAY}
_UNIT = "minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w"
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s?({_UNIT})")
DURATION = re.compile(rf"(?:\d{{1,6}}(?:\.\d{{1,3}})?\s?(?:{_UNIT}))+")
ISO = re.compile(r"\d{4}(?:-\d\d?-|/\d\d?/)\d\d?")
_NUMERIC = re.compile(r"(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}|\d{2}))?")
_ORDINAL = re.compile(r"\d{1,2}(?:st|nd|rd|th)?")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(am|pm)?")
_OFFSET = re.compile(
    r"(?:(?:utc|gmt)?[+-](?P<hours>\d\d):?(?P<minutes>[0-5]\d)|(?:utc|gmt)[+-](?P<only>\d\d?))", re.IGNORECASE
)
_FURTHEST = timedelta(hours=14)  # from UTC
_DAYS = {"today": timedelta(), "tonight": timedelta(), "tomorrow": DAY, "yesterday": -DAY}
_NAMES = [name.lower() for name in calendar.day_name]
_WEEKDAYS = {
    short: relativedelta(weekday=i)
    for i, name in enumerate(_NAMES)
    for short in {name, name[:3], *(("tues",) if i == 1 else ("thur", "thurs") if i == 3 else ())}
}
_MONTHS = {
    short: i for i, name in enumerate(calendar.month_name) if name for short in (name.lower(), name[:3].lower())
} | {"sept": 9}
ZONES: dict[str, tzinfo | str] = {
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
UNTIL = ("until", "till")
TO = ("to", *UNTIL, "-", "–", "—")
_NAMED = {"noon": time(12), "midnight": MIDNIGHT}
TIME = r"(?:\d{1,2}:\d{2} ?[ap]m|\d{1,2}:\d{2}|\d{1,2} ?[ap]m|noon|midnight)"
CLOCKS = re.compile(
    rf"(?:(?P<first>{TIME}|\d{{1,2}})(?: (?:{'|'.join(TO)}) |[-–—] ?)(?P<second>{TIME})|(?P<only>{TIME}))(?!\S)"
)
_DAY_WORDS, _MONTH_WORDS = "|".join(_WEEKDAYS), "|".join(_MONTHS)
_NUMBER = _ORDINAL.pattern
_DAY_OF_MONTH = rf"(?:(?:{_MONTH_WORDS})\s+{_NUMBER}|{_NUMBER}\s+(?:{_MONTH_WORDS}))"
_DATE = (
    rf"(?:{ISO.pattern}|\d{{1,2}}[/.]\d{{1,2}}(?:[/.]\d{{2,4}})?|(?:{_DAY_WORDS})"
    rf"|{_DAY_OF_MONTH}(?:\s+20\d\d)?)"
)
_DAYS_APART = re.compile(rf"^(\s*(?:(?:from|on)\s+)?{_DATE})\s*[-–—]\s*(?={_DATE}(?:[\s,]|$))", re.IGNORECASE)
_YEAR_AFTER = re.compile(  # of both days
    rf"^(\s*(?:(?:from|on)\s+)?{_DAY_OF_MONTH})(\s*(?:[-–—]|to|until|till)\s*{_DAY_OF_MONTH}),?\s+(20\d\d)(?!\S)",
    re.IGNORECASE,
)
_DAYS_OF_MONTH = re.compile(
    rf"\s*(?:(?:from|on)\s+)?(?P<before>(?:{_MONTH_WORDS})\s+)?"
    rf"(?P<first>{_NUMBER})(?:\s*[-–—]\s*|\s+to\s+)(?P<last>{_NUMBER})"
    rf"(?(before)|\s+(?P<after>{_MONTH_WORDS}))(?:,?(?P<year>\s+20\d\d))?(?=[\s,]|$)(?!\s*[ap]\.?m)",
    re.IGNORECASE,
)
A_TIME = rf"(?:{TIME}|{_DATE}|{'|'.join(_DAYS)})"
