"""What people say of an event, and the rules that it keeps: one set for the command line, files and forms."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from musktracker.errors import UsageError
from musktracker.timeline import EPOCH, utc

LONGEST = {"name": 256, "category": 64, "source": 64, "description": 10_000}
FIRST, LAST = EPOCH, datetime(2200, 1, 1, tzinfo=UTC)  # where events can be
USUAL_INTENSITY = 0.5
INTENSITIES = {"slight": 0.2, "medium": 0.5, "strong": 0.8, "extreme": 1.0}  # as people name them


@dataclass(frozen=True, slots=True)
class EventFields:
    """What people say of an event. Its end may equal its start: a point in time."""

    name: str
    event_start: datetime
    event_end: datetime
    intensity: float
    category: str | None = None
    description: str | None = None
    source: str = "manual"

    @property
    def identity(self) -> tuple[str, datetime]:
        """What it shares with events that may be the same."""
        return self.name, self.event_start


class InvalidEvent(UsageError):
    """Fields that cannot be stored; `problems` says what is wrong, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field} {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)


def check(fields: EventFields) -> dict[str, str]:
    """What is wrong with each field, by its name; empty where all is well. One set of rules for CLI, files, forms."""
    found = {name: _text_problem(name, getattr(fields, name)) for name in LONGEST}
    found |= {name: _time_problem(getattr(fields, name)) for name in ("event_start", "event_end")}
    found["intensity"] = _intensity_problem(fields.intensity)
    problems = {name: problem for name, problem in found.items() if problem}
    if not problems.keys() & {"event_start", "event_end"} and fields.event_end < fields.event_start:
        problems["event_end"] = "must not be before event_start"
    return problems


def cleaned(fields: EventFields) -> EventFields:
    """The fields as they are stored: trimmed, empty texts as none, times in UTC. Raises InvalidEvent."""
    trimmed = replace(
        fields,
        name=fields.name.strip(),
        category=(fields.category or "").strip() or None,
        description=(fields.description or "").replace("\r\n", "\n").replace("\r", "\n").strip() or None,
        source=fields.source.strip(),
    )
    problems = check(trimmed)
    if problems:
        raise InvalidEvent(problems)
    return replace(
        trimmed,
        event_start=utc(fields.event_start),
        event_end=utc(fields.event_end),
        intensity=abs(float(fields.intensity)),
    )


def read_intensity(text: str) -> float:
    """An intensity from what people type: 0.8, 80% or the name of a level. Raises UsageError for other words."""
    typed = text.strip().lower()
    try:
        return INTENSITIES.get(typed) or (float(typed[:-1]) / 100 if typed.endswith("%") else float(typed))
    except ValueError:
        raise UsageError(f"{text!r} is no intensity", f"Write 0 to 1, or {', '.join(INTENSITIES)}") from None


def intensity_name(intensity: float) -> str:
    """The name of the level that is nearest."""
    return min(INTENSITIES, key=lambda name: abs(INTENSITIES[name] - intensity))


def _text_problem(name: str, value: str | None) -> str | None:
    if not value:
        return "must not be empty" if name in ("name", "source") else None
    if len(value) > LONGEST[name]:
        return f"must have at most {LONGEST[name]} characters, not {len(value)}"
    allowed = "\n\t" if name == "description" else ""
    if any(c not in allowed and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in value):
        return "must not hold control characters"
    return None


def _time_problem(value: datetime) -> str | None:
    if value.tzinfo is None or value.utcoffset() is None:
        return "has no time zone: add a trailing Z for UTC, or an offset such as -05:00"
    if not FIRST <= value < LAST:
        return f"must be from {FIRST.year} to {LAST.year - 1}"
    return None


def _intensity_problem(value: float) -> str | None:
    if not math.isfinite(value) or not 0 <= value <= 1:
        return f"must be from 0 to 1, not {value}"
    return None
