"""An event in one line, as people say it: `next fri 14:00 ET +2h starship launch !0.8 #launch`.

When it starts comes first, and there also when it ends (`9am to 5pm`, `dec 4-6`) or how long it lasts (`for 2 days`);
then anything in any order: how long (`+2h`, `+1d12h`) or `until` when, `!` with an intensity (a number or the name of
a level), `#` with a category; what is left is the name. A line that can be read in two ways is not guessed at:
AmbiguousLine says both. What says a thing twice, or begins the name but can be no name, is refused; notes say what of
the name looks like more than a name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from musktracker.errors import UsageError
from musktracker.pipeline.event_fields import USUAL_INTENSITY, EventFields, cleaned, read_intensity
from musktracker.pipeline.event_when import (
    A_TIME,
    CLOCKS,
    DURATION,
    ISO,
    TIME,
    TO,
    UNTIL,
    ZONES,
    Start,
    When,
    days_apart,
    read_length,
)

EXAMPLE = "next fri 14:00 ET +2h starship launch !0.8 #launch"
LONGEST = 1_000  # characters of a line


@dataclass(frozen=True, slots=True)
class Understood:
    """A line as it was understood; `notes` say what it left open and how that was filled in."""

    fields: EventFields
    notes: tuple[str, ...]


def parse_line(text: str, now: datetime, zone: ZoneInfo) -> Understood:
    """Read a line; days and times that name no zone are in `zone`.

    Raises AmbiguousLine, UsageError for what cannot be read, InvalidEvent for what cannot be an event.
    """
    if len(text) > LONGEST:
        raise UsageError(f"A line has at most {LONGEST:,} characters, not {len(text):,}", f"For example: {EXAMPLE}")
    try:
        return _understood(text, now, zone)
    except OverflowError:
        raise UsageError("It would be later than calendars go", "Write a year before 2200") from None


def _understood(text: str, now: datetime, zone: ZoneInfo) -> Understood:
    words = days_apart(text).split()
    start, used, notes = When(words, now, zone).read()
    if used == 0:
        raise UsageError("Say first when it starts", f"For example: {EXAMPLE}")
    rest = _Rest(words, used, start, now, zone)
    rest.read()
    if not rest.name:
        raise UsageError("The event has no name", f"For example: {EXAMPLE}")
    moment = rest.start.moment(zone)
    end = rest.end or rest.start.over(zone)
    if start.clock is None:
        notes.append(f"no time said: {_WHOLE[rest.whole_days]}")
    notes += _doubts(rest.name, start)
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


class _Rest:
    """Reads what follows the start; an end that follows it at once tells the zone of a start without one."""

    def __init__(self, words: Sequence[str], at: int, start: Start, now: datetime, zone: ZoneInfo) -> None:
        self.start = start
        self.end: datetime | None = None
        self.intensity: float | None = None
        self.category: str | None = None
        self.whole_days: bool | None = None  # of an end: whether it is that of a day
        self._words = words
        self._now = now
        self._zone = zone
        self._name: list[str] = []
        self._at = at
        self._said = {} if start.until is None else {"end": " ".join(words[:at])}

    @property
    def name(self) -> str:
        return " ".join(self._name)

    def read(self) -> None:
        """Raises UsageError for what says a thing twice, and for a name that cannot be meant."""
        at = self._at
        while at < len(self._words):
            at += self._mark_at(at) or self._length_at(at) or self._end_at(at) or self._name_at(at)
        wrong = _NO_NAME.match(self.name)
        if wrong:
            raise UsageError(
                f"{wrong[0]!r} cannot be read",
                "Say how long as +2h or +2 days, or when it ends as until sat 18:00; then its name",
            )

    def _mark_at(self, at: int) -> int:
        word = self._words[at]
        if word.startswith("!") and len(word) > 1:
            self._once("intensity", word, "how strong it is")
            self.intensity = read_intensity(word[1:])
        elif _CATEGORY.match(word):
            if not _CATEGORY.fullmatch(word):
                raise UsageError(f"{word!r} is no category", "Write letters, digits, - and _: #launch")
            self._once("category", word, "its category")
            self.category = word[1:]
        else:
            return 0
        return 1

    def _length_at(self, at: int) -> int:
        word = self._words[at]
        if word.startswith("+"):
            length, used = read_length((word[1:], *self._words[at + 1 : at + 2]))
        elif word.lower() == "for" and not self._name:
            length, used = read_length(self._words[at + 1 : at + 3])
            used += 1
        else:
            return 0
        if length is None:
            return 0
        self._once("end", " ".join(self._words[at : at + used]), "when it ends")
        self.end, self.whole_days = self.start.moment(self._zone) + length, False
        return used

    def _end_at(self, at: int) -> int:
        """`until` is read anywhere, `to` before a time of the day too, a dash only where the start has just ended."""
        word, following = self._words[at].lower(), self._words[at + 1 :]
        apart = not self._name and word in TO
        to_time = word == "to" and CLOCKS.match(" ".join(following[:2]).lower())
        if not (apart or to_time or word in UNTIL):
            return 0
        begin, zone = self.start.moment(self._zone), self.start.zone or self._zone
        end, used, _ = When(following, self._now, zone, begin).read()
        if not used:
            return 0
        if apart and end.zone and not self.start.zone:
            self.start = replace(self.start, zone=end.zone)
            return self._end_at(at)
        said = " ".join(self._words[at : at + 1 + used])
        if apart and word not in UNTIL and self.start.clock is None and end.clock is not None:
            raise UsageError(
                f"{said!r} tells a time, but the start has none", "Write both times or the days alone: dec 4 - dec 6"
            )
        self._once("end", said, "when it ends")
        self.end, self.whole_days = end.over(zone), end.clock is None
        if self.end < begin:
            raise UsageError(f"It would end before it starts: {said!r}", "Say a later end, or how long: +2h")
        return 1 + used

    def _name_at(self, at: int) -> int:
        self._name.append(self._words[at])
        return 1

    def _once(self, what: str, said: str, meaning: str) -> None:
        if what in self._said:
            raise UsageError(f"{self._said[what]!r} and {said!r} both say {meaning}", "Keep one of them")
        self._said[what] = said


def _doubts(name: str, start: Start) -> list[str]:
    """What of the name looks like more than a name."""
    found = [each[0] for each in _IN_NAME.finditer(name)]
    first = _FIRST_OF_NAME.match(name)
    if first and not _IN_NAME.match(name):
        found.insert(0, first[0])
    repeats = [text for text in found if _REPEATS.fullmatch(text)]
    plain = [text for text in found if text not in repeats]
    notes = [f"“{text}” is part of the name: one event, which can be repeated once it is stored" for text in repeats]
    if plain:
        said = ", ".join(f"“{text}”" for text in plain)
        notes.append(f"{said} {'is' if len(plain) == 1 else 'are'} part of the name")
    place = _PLACE.match(name.lower())
    if place and start.clock is not None and start.zone is None:
        notes.append(f"“{name[: place.end()]}” is part of the name: its time is written {_PLACES[place[0]]}")
    return notes


_WHOLE = {None: "the whole day", True: "whole days, the last one too", False: "from midnight"}
_CATEGORY = re.compile(r"#[^\W\d][\w-]*")
_NO_NAME = re.compile(r"[-–—](?:\S+|(?: \S+)?)|\+ ?\d\S*(?: \S+)?|(?:to|until|till) \d\S*", re.IGNORECASE)
_REPEATS = re.compile(r"every \S+|daily|weekly|monthly|quarterly|yearly", re.IGNORECASE)
_FIRST_OF_NAME = re.compile(
    rf"(?:{A_TIME}|\d{{1,2}}|(?:this )?(?:morning|afternoon|evening|night))(?!\S)", re.IGNORECASE
)
_IN_NAME = re.compile(
    rf"(?<!\S)(?:(?:at|by|for|from|on|{'|'.join(TO[:3])}) {A_TIME}|{_REPEATS.pattern}|{TIME}|{DURATION.pattern}"
    rf"|{ISO.pattern}|\d{{1,2}}[:.]\d\d\S*|[#!+]\S*|-\d\S*)(?!\S)",
    re.IGNORECASE,
)
_PLACES = {
    "new york": "America/New_York",
    "los angeles": "America/Los_Angeles",
    "chicago": "America/Chicago",
    "london": "Europe/London",
    "paris": "Europe/Paris",
    "berlin": "Europe/Berlin",
    "tokyo": "Asia/Tokyo",
    "eastern": "ET",
    "central": "CT",
    "mountain": "MT",
    "pacific": "PT",
    **{name.lower(): name for name in ZONES},
}
_PLACE = re.compile(rf"(?:{'|'.join(_PLACES)})(?!\S)")
